"""A saved network, read back and compared before it is believed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError, require_path
from jaxsize.export._description import read_description
from jaxsize.export.saving import ACTIVATIONS, DESCRIPTION, WEIGHTS
from jaxsize.networks._mlp_form import layer_leaves, params_of, require_arrays
from jaxsize.networks.mlp import mlp
from jaxsize.networks.network import Network
from jaxsize.results.json_files import read_json
from jaxsize.trees import Tree


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


def load_network(folder: str | os.PathLike) -> SavedNetwork:
    """Load a network that `save_network` saved, with the parameters bit for bit.

    Everything is checked before it is used.

    Args:
        folder: the folder that `save_network` wrote.

    Raises:
        InputError: when a file is missing, damaged or of another format; a key is missing or unknown; the kind, gate or
            activation is unknown; a leaf is missing, unknown, not finite, or of another dtype or shape than the widths
            imply; survivors or a scale have another length; or the checksum differs. The error has one line, which
            begins with the path of the file.

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
    require_path(folder, "folder")
    path = Path(folder, DESCRIPTION)
    record = _read_file(path, read_json)
    try:
        form, survivors, scale, shift = read_description(record, ACTIVATIONS)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    path = Path(folder, WEIGHTS)
    weights = _read_file(path, Path.read_bytes)
    arrays = _read_file(path, lambda _: _parse_weights(weights))
    try:
        require_arrays(form, arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if hashlib.sha256(weights).hexdigest() != record["weights_sha256"]:
        raise InputError(f"{path}: {DESCRIPTION} was written for other values (sha256 differs)")
    network = mlp(
        form.widths,
        gate=None if form.gate == "none" else form.gate,  # pyright: ignore[reportArgumentType]
        gate_inputs=form.gated_inputs,
        bias="pytorch" if form.bias else None,
        activation=ACTIVATIONS[record["activation"]],
    )
    layers = {name: layer_leaves(arrays, name) for name in ["inputs", *form.layers()]}
    return SavedNetwork(network, params_of(form, layers), survivors, scale, shift, record)


def _read_file(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except Exception as error:  # besides OSError and ValueError: what safetensors raises, a JSON nested too deep
        reason = " ".join(str(error).split()).removeprefix(f"{path} ")
        raise InputError(f"{path} cannot be read: {reason:.200}") from None


def _parse_weights(weights: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return load(weights)
