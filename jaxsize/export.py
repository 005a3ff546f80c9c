"""A trained network leaves jaxsize: gates folded into weights, and a folder that other programs can read.

The folder holds `weights.safetensors` (8 bytes header length, a JSON header, raw little-endian values: data, never
code) and `network.json`, which says what the values mean: widths, gates, activation, which units are left of those
before training, and how raw inputs become network inputs. `load_network` believes neither without the other.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize._network_file import (
    FORMAT,
    as_text,
    fill_survivors,
    leaf_table,
    read_description,
    read_factor,
    read_params,
    require_arrays,
    require_one_of,
)
from jaxsize.gates import relu
from jaxsize.json_files import read_json, replace_file, sync_folder, to_plain
from jaxsize.layers import unit_gates
from jaxsize.networks import Network, Tree, mlp

WEIGHTS, DESCRIPTION = "weights.safetensors", "network.json"
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,  # by tanh, as JAX has it
    "identity": lambda x: x,
}


class SavedNetwork(NamedTuple):
    """A network that was saved, with its parameters and what must be known to use them."""

    network: Network
    """Its `apply` takes network inputs, that is scaled ones."""
    params: Tree
    """Of NumPy arrays, float32, as `mlp` has them."""
    survivors: dict[str, np.ndarray]
    """Per hidden layer (and "inputs", where saved) the original index of every unit that is left: int64, ascending."""
    input_scale: np.ndarray
    """float32 [] or [D]."""
    input_shift: np.ndarray
    """float32 [] or [D]."""
    description: dict[str, Any]
    """All of network.json."""

    def outputs(self, inputs: Any) -> jax.Array:
        """The outputs [B, outputs] for raw inputs [B, D] of any real dtype; D counts the inputs that are left.

        Network inputs are float32(inputs) * scale + shift. Inside `jax.jit` the compiler may fuse the two and round
        once, not twice. Raises ValueError for inputs of another shape.
        """
        raw = jnp.asarray(inputs if isinstance(inputs, jax.Array) else np.asarray(inputs, np.float32), jnp.float32)
        num_inputs = self.description["widths"][0]
        if raw.ndim != 2 or raw.shape[1] != num_inputs:
            raise ValueError(f"outputs: expected inputs [B, {num_inputs}], got {list(raw.shape)}")
        scale, shift = np.reshape(self.input_scale, (1, -1)), np.reshape(self.input_shift, (1, -1))
        return self.network.apply(self.params, raw * scale + shift)


def fold_gates(params: Tree, *, signed: bool = False) -> Tree:
    """The parameters of an `mlp` without gates that computes the same: NumPy arrays out, in the dtypes that came in.

    params: of `mlp` with gates of any kind, on inputs too, or none; `signed`: whether a leaf `liveness` is a signed
    gate. The gate of every unit is multiplied onto its row of the next kernel, after the activation; so this holds
    for every activation, and for gates that are negative or 0. mlp(widths, gate=None) then applies the result.

    On a CPU outputs are the same to the bit (418 of 418 measured, eager and jitted) where `apply` multiplies the gates
    onto the kernels too: for batches with as many rows as any layer that reads a gate has units (`gated_matmul`). With
    fewer rows it multiplies them onto the activations, and each product is rounded in another order: up to 3 units in
    the last place of the largest output were measured. That is for inputs that are JAX arrays; NumPy multiplies NumPy
    inputs itself, until the first activation. Raises ValueError, in one line, naming a leaf that is not of an `mlp`.
    """
    leaves, form = read_params(params, signed)
    gates, folded = _layer(leaves, "inputs"), []
    for name in form.layers():
        layer = _layer(leaves, name)
        kernel, gate = np.array(layer["kernel"]), unit_gates(gates, layer["kernel"].shape[0], signed)
        if gate is not None:
            with np.errstate(all="ignore"):  # what overflows here overflows in `apply`
                kernel *= np.asarray(gate).astype(kernel.dtype)[:, None]
        folded.append({"kernel": kernel} | ({"bias": np.array(layer["bias"])} if form.bias else {}))
        gates = layer
    return {"hidden": folded[:-1], "output": folded[-1]}


def save_network(
    folder: str | os.PathLike,
    params: Tree,
    *,
    activation: str = "relu",
    signed: bool = False,
    survivors: Mapping[str, Any] | None = None,
    input_scale: Any = None,
    input_shift: Any = None,
    extra: Any = None,
) -> None:
    """Saves the parameters of an `mlp`, folded or not, as a new folder: complete, or not there at all.

    params: float32 and finite. activation: a name in `ACTIVATIONS`. signed: whether `liveness` is a signed gate.
    survivors: per layer ("hidden.0", ...; "inputs") the original indices of the units that are left, ascending, as
    `compact` returns them; layers without stand for 0..U-1; other names may only say that nothing was removed.
    input_scale, input_shift: a number or one per input that is left, by default 1 and 0; network inputs are
    float32(inputs) * scale + shift. extra: anything that `to_plain` can convert (NaN becomes null).

    Raises, with nothing written: FileExistsError if the folder exists; ValueError, in one line, for any argument that
    does not fit; TypeError for an `extra` without JSON form; OSError if the disk is full or not writable.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder} exists: a network is saved as a new folder")
    leaves, form = read_params(params, signed)
    arrays = {name: np.array(leaf, leaf.dtype.newbyteorder("="), order="C") for name, leaf in leaves.items()}
    require_arrays(form, arrays)
    require_one_of("activation", activation, ACTIVATIONS)
    weights = save(arrays)
    description = {
        "format": FORMAT,
        "kind": "mlp",
        **form._asdict(),
        "activation": activation,
        "survivors": fill_survivors(survivors or {}, form),
        "normalization": {
            "scale": read_factor("scale", 1 if input_scale is None else input_scale, form),
            "shift": read_factor("shift", 0 if input_shift is None else input_shift, form),
        },
        "leaves": leaf_table(form),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "extra": extra,
    }
    text = as_text(to_plain(description)) + "\n"

    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.aside")
    if aside.exists():  # of a save that was killed
        shutil.rmtree(aside)
    try:
        aside.mkdir()
        replace_file(aside / WEIGHTS, [weights])
        replace_file(aside / DESCRIPTION, [text.encode()])
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def load_network(folder: str | os.PathLike) -> SavedNetwork:
    """The network that `save_network` saved, with the parameters bit for bit.

    Everything is compared before it is believed. ValueError, in one line that begins with the path of the file: one
    that is missing, damaged or of another format; a missing or unknown key; a kind, gate or activation that is
    unknown; a leaf that is missing, unknown, not finite, or of another dtype or shape than the widths say; survivors
    or a scale of another length; a checksum that differs.
    """
    path = Path(folder, DESCRIPTION)
    record = _read_file(path, read_json)
    try:
        form, survivors, scale, shift = read_description(record, ACTIVATIONS)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    path = Path(folder, WEIGHTS)
    weights = _read_file(path, Path.read_bytes)
    arrays = _read_file(path, lambda _: _parse_weights(weights))
    try:
        require_arrays(form, arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if hashlib.sha256(weights).hexdigest() != record["weights_sha256"]:
        raise ValueError(f"{path}: the values are not those that {DESCRIPTION} was written for (sha256 differs)")
    network = mlp(
        form.widths,
        gate=None if form.gate == "none" else form.gate,  # pyright: ignore[reportArgumentType]
        gate_inputs=form.gated_inputs,
        bias="pytorch" if form.bias else None,
        activation=ACTIVATIONS[record["activation"]],
    )
    layers = {name: _layer(arrays, name) for name in ["inputs", *form.layers()]}
    params = {"inputs": layers["inputs"]} if form.gated_inputs else {}
    params |= {"hidden": [layers[name] for name in form.layers()[:-1]], "output": layers["output"]}
    return SavedNetwork(network, params, survivors, scale, shift, record)


def _layer(leaves: Mapping[str, np.ndarray], layer: str) -> dict[str, np.ndarray]:
    return {name.rpartition(".")[2]: leaf for name, leaf in leaves.items() if name.rpartition(".")[0] == layer}


def _read_file(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except Exception as error:  # besides OSError and ValueError: what safetensors raises, a JSON nested too deep
        told = " ".join(str(error).split()).removeprefix(f"{path} ")
        raise ValueError(f"{path} cannot be read: {told:.200}") from None


def _parse_weights(weights: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return load(weights)
