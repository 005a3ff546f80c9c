"""The run axis: many runs (seeds x settings) of the same shapes, trained by one compiled program.

How the axis is executed is chosen here and nowhere else. Runs are spread over all devices by `jax.sharding`; on one
device they are mapped by `vmap` (GPU) or one after the other by `lax.map` (CPU, where independent runs on different
cores beat splitting each matrix product over them). A host's cores count as devices once `use_all_cores` has been
called.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsize.errors import InputError
from jaxsize.trees import Tree

Execution = Literal["vmap", "map"]
Device = Any  # jax.Device, which type checkers do not take for a class
COMPILER_OPTIONS: dict[str, Any] | None = None  # XLA's own choices; tests of studies compile in a hurry


def use_all_cores() -> None:
    """Make every CPU core that is available to this process a JAX device. Call it before anything touches a device.

    It has no effect where JAX runs on an accelerator, nor on a number of CPU devices that the user chose through the
    environment (JAX_NUM_CPU_DEVICES or XLA_FLAGS).

    Example:
        >>> import os
        >>> from unittest import mock
        >>> import jax
        >>> from jaxsize.programs import use_all_cores
        >>> before = jax.config.jax_num_cpu_devices
        >>> with mock.patch.dict(os.environ, JAX_NUM_CPU_DEVICES="2"):
        ...     use_all_cores()  # the user has chosen
        >>> jax.config.jax_num_cpu_devices == before
        True
    """
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in os.environ.get(
        "XLA_FLAGS", ""
    )
    if not chosen:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # not on macOS
        jax.config.update("jax_num_cpu_devices", available or 1)


def describe_devices() -> dict[str, Any]:
    """Describe the devices that runs would run on, for a record.

    Returns:
        `platform` and `kind` of the first device, and `count`, the number of devices.

    Example:
        >>> import jax
        >>> from jaxsize.programs import describe_devices
        >>> devices = describe_devices()
        >>> sorted(devices), devices["count"] == jax.device_count()
        (['count', 'kind', 'platform'], True)
    """
    devices = jax.devices()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}


@dataclasses.dataclass(frozen=True)
class RunAxis:
    """A leading axis of runs, laid over devices. Any number of runs fits any number of devices.

    On the devices the axis is padded to a multiple of their number by repeating the last run; `fetch` drops the
    padding.

    Raises:
        InputError: when `num_runs` is below 1, or `execution` is neither "map" nor "vmap".

    Example:
        >>> import numpy as np
        >>> from jaxsize.programs import RunAxis
        >>> axis = RunAxis(3)
        >>> add = axis.map(lambda carry, setting, shared: carry + setting * shared)  # written for one run
        >>> carry, settings = np.zeros((3, 2), np.float32), np.array([1, 2, 3], np.float32)
        >>> shared = np.array([1, 10], np.float32)
        >>> axis.fetch(add(axis.put(carry), axis.put(settings), axis.replicate(shared))).tolist()
        [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]
    """

    num_runs: int
    """Runs of the axis, 1 or more."""
    devices: tuple[Device, ...] = ()
    """The first `num_runs` of these are used. Default: as many of jax.devices() as there are runs."""
    execution: Execution | None = None
    """How the runs of one device are mapped. Default: "map" (one after the other) on a CPU, "vmap" elsewhere."""

    def __post_init__(self) -> None:
        if self.num_runs < 1:
            raise InputError(f"expected at least 1, got {self.num_runs}", field="num_runs")
        devices = tuple(self.devices or jax.devices())[: self.num_runs]
        object.__setattr__(self, "devices", devices)
        if self.execution is None:
            object.__setattr__(self, "execution", "map" if devices[0].platform == "cpu" else "vmap")
        if self.execution not in ("map", "vmap"):
            raise InputError(f"expected 'map' or 'vmap', got {self.execution!r}", field="execution")

    @cached_property
    def mesh(self) -> Mesh:
        """The devices as a mesh with one axis, `run`."""
        return Mesh(np.array(self.devices), ("run",))

    @property
    def runs_per_device(self) -> int:
        """Runs on each device, the padding included."""
        return -(-self.num_runs // len(self.devices))

    def put(self, runs: Tree) -> Tree:
        """Copy host arrays [num_runs, ...] to the devices, padded, and sharded over the run axis."""
        padding = self.runs_per_device * len(self.devices) - self.num_runs

        def pad(leaf: np.ndarray) -> np.ndarray:
            return np.concatenate([leaf, np.repeat(leaf[-1:], padding, axis=0)]) if padding else leaf

        return jax.device_put(jax.tree.map(pad, runs), NamedSharding(self.mesh, PartitionSpec("run")))

    def shapes(self, run: Tree) -> Tree:
        """Tell the shapes, dtypes and placement of the arrays that `put` would return for runs like a given one.

        Args:
            run: the arrays, or shapes and dtypes, of one run.
        """
        total = self.runs_per_device * len(self.devices)
        sharding = NamedSharding(self.mesh, PartitionSpec("run"))
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((total, *np.shape(leaf)), leaf.dtype, sharding=sharding), run
        )

    def replicate(self, shared: Tree) -> Tree:
        """Copy arrays that every run reads, such as the data set, to every device.

        Arrays that another axis has replicated to these devices, and perhaps more, are used as they are, not copied.
        """
        sharding = NamedSharding(self.mesh, PartitionSpec())

        def place(leaf: Any) -> jax.Array:
            if isinstance(leaf, jax.Array) and leaf.sharding.is_fully_replicated:
                copies = {shard.device: shard.data for shard in leaf.addressable_shards}
                if set(self.devices) <= set(copies):
                    local = [copies[device] for device in self.devices]
                    return jax.make_array_from_single_device_arrays(leaf.shape, sharding, local)
            return jax.device_put(leaf, sharding)

        return jax.tree.map(place, shared)

    def fetch(self, runs: Tree) -> Tree:
        """Copy arrays of runs back to the host, without the padding: NumPy arrays [num_runs, ...]. Undoes `put`."""
        return jax.tree.map(lambda leaf: leaf[: self.num_runs], jax.device_get(runs))

    def map(self, fn: Callable, *, donate: bool = False) -> Callable:
        """Jit a function of one run as a program over all runs.

        Args:
            fn: fn(carry, settings, shared) of one run; its results are stacked.
            donate: reuse the memory of `carry` for the results; `carry` is gone after the call.

        Returns:
            A jitted function (carry, settings, shared) of all runs: `carry` and `settings` are trees as `put` returns
            them, `shared` is one as `replicate` returns it.
        """

        def local(carry: Tree, settings: Tree, shared: Tree) -> Tree:
            if self.execution == "vmap":
                return jax.vmap(fn, in_axes=(0, 0, None))(carry, settings, shared)
            return jax.lax.map(lambda run: fn(*run, shared), (carry, settings))

        local.__name__ = fn.__name__  # what a profile or a log of compilations shows
        along, everywhere = PartitionSpec("run"), PartitionSpec()
        specs = (along, along, everywhere)
        sharded = jax.shard_map(local, mesh=self.mesh, in_specs=specs, out_specs=along, check_vma=False)
        return jax.jit(sharded, donate_argnums=(0,) if donate else (), compiler_options=COMPILER_OPTIONS)


def stack(trees: Sequence[Tree]) -> Tree:
    """Stack one tree per run into one tree of NumPy arrays [R, ...].

    Example:
        >>> import numpy as np
        >>> from jaxsize.programs import stack
        >>> stack([{"bias": np.array([1, 2])}, {"bias": np.array([3, 4])}])["bias"].tolist()
        [[1, 2], [3, 4]]
    """
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def unstack(runs: Tree, index: int) -> Tree:
    """Take one run out of a tree of arrays [R, ...].

    Example:
        >>> import numpy as np
        >>> from jaxsize.programs import unstack
        >>> unstack({"bias": np.array([[1, 2], [3, 4]])}, 1)["bias"].tolist()
        [3, 4]
    """
    return jax.tree.map(lambda leaf: leaf[index], runs)
