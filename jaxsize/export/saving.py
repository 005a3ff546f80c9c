"""A trained network as a folder that other programs can read.

The folder holds `weights.safetensors` (8 bytes with the length of the header, a JSON header, raw little-endian values:
data, never code) and `network.json`, which says what the values mean: widths, gates, activation, the units that are
left after training, and how raw inputs become network inputs. `load_network` checks each file against the other.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import require_path
from jaxsize.export._description import FORMAT, as_text, fill_survivors, read_factor, require_one_of
from jaxsize.gates.liveness import relu
from jaxsize.networks._mlp_form import leaf_table, read_params, require_arrays
from jaxsize.results.json_files import replace_file, sync_folder, to_plain
from jaxsize.trees import Tree

WEIGHTS, DESCRIPTION = "weights.safetensors", "network.json"
"""The names of the two files in the folder of a network."""
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
"""The activations that a saved network can have, by name."""


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
    """Save the parameters of an `mlp`, folded or not, as a new folder, which is complete or not there at all.

    Whatever is raised, no network was written.

    Args:
        folder: the new folder; missing parents are made.
        params: of an `mlp`, float32 and finite.
        activation: a name in `ACTIVATIONS`.
        signed: whether a leaf `liveness` is a signed gate.
        survivors: the original indices of the units that are left, ascending, per layer ("hidden.0", ..., "inputs"), as
            `compact` returns them. A layer without an entry has kept units 0..U-1. Entries of other names are allowed
            only where nothing was removed.
        input_scale: a number, or one per input that is left; 1 by default.
        input_shift: a number, or one per input that is left; 0 by default. Network inputs are
            float32(inputs) * scale + shift.
        extra: anything that `to_plain` can convert to JSON (NaN becomes null).

    Raises:
        FileExistsError: when the folder exists.
        InputError: when an argument does not fit; in one line.
        TypeError: when `extra` has no JSON form.
        OSError: when the disk is full or not writable.

    Example:
        >>> import os, tempfile
        >>> from jaxsize.export import save_network
        >>> from jaxsize.networks import mlp
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = os.path.join(parent, "network")
        ...     save_network(folder, mlp((2, 4, 1)).init(0), extra={"dataset": "circles"})
        ...     sorted(os.listdir(folder))
        ['network.json', 'weights.safetensors']
    """
    from safetensors.numpy import save

    require_path(folder, "folder")
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
    if aside.exists():  # left behind by a save that was killed
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
