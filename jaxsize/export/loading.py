"""A saved network, read back and compared before it is believed."""

import os
from typing import Any, NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.export._any_network import KIND, num_bytes
from jaxsize.export._description import read_description, require_format, require_one_of
from jaxsize.export._folders import MOST_BYTES, named, read_arrays, read_record, require_checksum
from jaxsize.export._restoring import RestoredNetwork, restore
from jaxsize.export.saving import ACTIVATIONS
from jaxsize.networks._mlp_form import layer_leaves, leaf_table, params_of, require_arrays
from jaxsize.networks.mlp import mlp
from jaxsize.networks.network import Network
from jaxsize.trees import Tree
from jaxsize.units import UnitGroups


class SavedNetwork(NamedTuple):
    """A network that was saved, with its parameters and all that is needed to use them.

    Example:
        >>> import os, tempfile
        >>> import numpy as np
        >>> from jaxsize.export import SavedNetwork, load_network, save_network
        >>> params = {"hidden": [], "output": {"kernel": np.ones((2, 1), np.float32)}}
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = os.path.join(parent, "network")
        ...     save_network(folder, params, input_scale=0.5, input_shift=[1, -1])
        ...     saved: SavedNetwork = load_network(folder)
        >>> saved.input_shift.tolist(), saved.outputs([[10, 20]]).tolist()
        ([1.0, -1.0], [[15.0]])
    """

    network: Network
    """The network; its `apply` takes network inputs, which are raw inputs * scale + shift."""
    params: Tree
    """The parameters of the `mlp`: NumPy arrays, float32."""
    survivors: dict[str, np.ndarray]
    """Original index of every unit that is left: int64 [U], ascending, per hidden layer and, where saved, "inputs"."""
    input_scale: np.ndarray
    """Factor of the raw inputs: float32 [] or [D]."""
    input_shift: np.ndarray
    """Added to the scaled inputs: float32 [] or [D]."""
    description: dict[str, Any]
    """The whole content of network.json."""

    def outputs(self, inputs: Any) -> jax.Array:
        """Compute the outputs of the network for raw inputs.

        Value: network inputs are float32(inputs) * scale + shift. Inside `jax.jit` the compiler may fuse the product
        and the sum, and round once rather than twice.

        Args:
            inputs: [B, D] of any real dtype, where D counts the inputs that are left.

        Returns:
            float32 [B, outputs].

        Raises:
            InputError: when the shape of the inputs does not fit.
        """
        raw = jnp.asarray(inputs if isinstance(inputs, jax.Array) else np.asarray(inputs, np.float32), jnp.float32)
        num_inputs = self.description["widths"][0]
        if raw.ndim != 2 or raw.shape[1] != num_inputs:
            raise InputError(f"outputs: expected inputs [B, {num_inputs}], got {list(raw.shape)}")
        scale, shift = np.reshape(self.input_scale, (1, -1)), np.reshape(self.input_shift, (1, -1))
        return self.network.apply(self.params, raw * scale + shift)


@overload
def load_network(folder: str | os.PathLike, *, most_bytes: int = ...) -> SavedNetwork: ...


@overload
def load_network(
    folder: str | os.PathLike, *, groups: UnitGroups, check_program: bool = ..., most_bytes: int = ...
) -> RestoredNetwork: ...


def load_network(
    folder: str | os.PathLike,
    *,
    groups: UnitGroups | None = None,
    check_program: bool = True,
    most_bytes: int = MOST_BYTES,
) -> SavedNetwork | RestoredNetwork:
    """Load a network that `save_network` saved, with the parameters bit for bit.

    Everything is checked before it is used. The files need not be trusted: nothing in them is code, and no more memory
    is taken than the leaves that are expected need, whatever sizes the files name.

    Args:
        folder: the folder that `save_network` wrote.
        groups: for a network that was saved with its unit groups: those of the function that is to run it, read with
            arrays of the shapes that the groups were first read with, before units were removed (network.json lists
            them below `program`).
        check_program: whether to refuse a function that is another program than the one that was saved.
        most_bytes: how large the file of weights may be, in bytes.

    Returns:
        A `SavedNetwork`; with `groups` a `RestoredNetwork`.

    Raises:
        InputError: when a file is missing, damaged, too large or of another format; a key is missing or unknown; the
            kind, gate or activation is unknown; a leaf is missing, unknown, not finite, or of another dtype or shape
            than the widths imply; survivors or a scale have another length; the function is another program; or the
            checksum differs. The error has one line, which begins with the path of the file.

    Example:
        >>> import os, tempfile
        >>> import numpy as np
        >>> from jaxsize.export import load_network, save_network
        >>> from jaxsize.networks import mlp
        >>> params = mlp((2, 3, 1)).init(0)
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = os.path.join(parent, "network")
        ...     save_network(folder, params, survivors={"hidden.0": [0, 2, 7]})
        ...     saved = load_network(folder)
        >>> saved.survivors["hidden.0"].tolist(), saved.description["gate"]
        ([0, 2, 7], 'liveness')
        >>> np.array_equal(saved.params["hidden"][0]["kernel"], params["hidden"][0]["kernel"])
        True
    """
    path, record = read_record(folder)
    if groups is not None:
        with named(path):
            require_format(record)
            require_one_of("kind", record.get("kind"), ["mlp", KIND])
    is_any = isinstance(record, dict) and record.get("kind") == KIND
    if is_any != (groups is not None):
        text = "the unit groups of its function, as it was saved with them, got none" if is_any else "none, got some"
        raise InputError(f"{path}: groups: expected {text}")
    if groups is not None:
        return restore(folder, path, record, groups, check_program, most_bytes)
    with named(path):
        form, survivors, scale, shift = read_description(record, ACTIVATIONS)
    table = leaf_table(form)
    path, arrays, checksum = read_arrays(folder, num_bytes(table), len(table), most_bytes)
    with named(path):
        require_arrays(form, arrays)
        require_checksum(checksum, record)
    network = mlp(
        form.widths,
        gate=None if form.gate == "none" else form.gate,  # pyright: ignore[reportArgumentType]
        gate_inputs=form.gated_inputs,
        bias="pytorch" if form.bias else None,
        activation=ACTIVATIONS[record["activation"]],
    )
    layers = {name: layer_leaves(arrays, name) for name in ["inputs", *form.layers()]}
    return SavedNetwork(network, params_of(form, layers), survivors, scale, shift, record)
