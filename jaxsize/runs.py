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

Tree = Any
Execution = Literal["vmap", "map"]
Device = Any  # jax.Device, which type checkers do not take for a class


def use_all_cores() -> None:
    """Makes every CPU core available to this process a JAX device. Call before anything touches a device.

    Has no effect where JAX runs on an accelerator, nor on a number of CPU devices chosen by the user through
    the environment (JAX_NUM_CPU_DEVICES or XLA_FLAGS).
    """
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in os.environ.get(
        "XLA_FLAGS", ""
    )
    if not chosen:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # not on macOS
        jax.config.update("jax_num_cpu_devices", available or 1)


def describe_devices() -> dict[str, Any]:
    """What the runs run on, for a record: platform, kind and number of the devices."""
    devices = jax.devices()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}


@dataclasses.dataclass(frozen=True)
class RunAxis:
    """A leading axis of `num_runs` runs, laid over devices. Any number of runs fits any number of devices.

    On the devices the axis is padded to a multiple of their number by repeating the last run; `fetch` drops the
    padding.
    """

    num_runs: int
    devices: tuple[Device, ...] = ()
    """Default: as many of jax.devices() as there are runs."""
    execution: Execution | None = None
    """Default: "map" on a CPU, "vmap" elsewhere."""

    def __post_init__(self) -> None:
        if self.num_runs < 1:
            raise ValueError(f"num_runs: expected at least 1, got {self.num_runs}")
        devices = tuple(self.devices or jax.devices())[: self.num_runs]
        object.__setattr__(self, "devices", devices)
        if self.execution is None:
            object.__setattr__(self, "execution", "map" if devices[0].platform == "cpu" else "vmap")
        if self.execution not in ("map", "vmap"):
            raise ValueError(f"execution: expected 'map' or 'vmap', got {self.execution!r}")

    @cached_property
    def mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), ("run",))

    @property
    def runs_per_device(self) -> int:
        return -(-self.num_runs // len(self.devices))

    def put(self, runs: Tree) -> Tree:
        """Host arrays [num_runs, ...] to arrays on the devices, sharded over the run axis."""
        padding = self.runs_per_device * len(self.devices) - self.num_runs

        def pad(leaf: np.ndarray) -> np.ndarray:
            return np.concatenate([leaf, np.repeat(leaf[-1:], padding, axis=0)]) if padding else leaf

        return jax.device_put(jax.tree.map(pad, runs), NamedSharding(self.mesh, PartitionSpec("run")))

    def shapes(self, run: Tree) -> Tree:
        """Shapes and placement on the devices of what `put` would make of many trees like `run`, one run's arrays."""
        total = self.runs_per_device * len(self.devices)
        sharding = NamedSharding(self.mesh, PartitionSpec("run"))
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((total, *np.shape(leaf)), leaf.dtype, sharding=sharding), run
        )

    def replicate(self, shared: Tree) -> Tree:
        """Arrays that every run reads, such as the data set, to every device.

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
        """The opposite of `put`: NumPy arrays [num_runs, ...]."""
        return jax.tree.map(lambda leaf: leaf[: self.num_runs], jax.device_get(runs))

    def map(self, fn: Callable, *, donate: bool = False) -> Callable:
        """Jits fn(carry, settings, shared), written for one run, as a program over all runs, with stacked results.

        `carry` and `settings` are trees from `put`, `shared` is one from `replicate`. With `donate`, the memory of
        `carry` is reused for the results, and `carry` is gone after the call.
        """

        def local(carry: Tree, settings: Tree, shared: Tree) -> Tree:
            if self.execution == "vmap":
                return jax.vmap(fn, in_axes=(0, 0, None))(carry, settings, shared)
            return jax.lax.map(lambda run: fn(*run, shared), (carry, settings))

        local.__name__ = fn.__name__  # what a profile or a log of compilations shows
        along, everywhere = PartitionSpec("run"), PartitionSpec()
        specs = (along, along, everywhere)
        sharded = jax.shard_map(local, mesh=self.mesh, in_specs=specs, out_specs=along, check_vma=False)
        return jax.jit(sharded, donate_argnums=(0,) if donate else ())


def stack(trees: Sequence[Tree]) -> Tree:
    """A list of one tree per run to one tree of NumPy arrays [R, ...]."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def unstack(runs: Tree, index: int) -> Tree:
    """One run of a tree of arrays [R, ...]."""
    return jax.tree.map(lambda leaf: leaf[index], runs)
