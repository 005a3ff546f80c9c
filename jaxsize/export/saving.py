"""A trained network as a folder that other programs can read: an `mlp`, or whatever `unit_groups` reads.

The folder holds `weights.safetensors` (8 bytes with the length of the header, a JSON header, raw little-endian values:
data, never code) and `network.json`, which says what the values mean: of an `mlp` its widths, gates, activation, the
units that are left after training, and how raw inputs become network inputs; of any other network its unit groups and
a fingerprint of the function that reads the parameters. `load_network` checks each file against the other.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.export._any_network import described
from jaxsize.export._description import FORMAT, fill_survivors, read_factor, require_one_of
from jaxsize.export._folders import require_new, write_folder
from jaxsize.gates.liveness import relu
from jaxsize.networks._mlp_form import leaf_table, read_params, require_arrays
from jaxsize.trees import Tree
from jaxsize.units import UnitGroups

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
    groups: UnitGroups | None = None,
    activation: str = "relu",
    signed: bool = False,
    survivors: Mapping[str, Any] | None = None,
    input_scale: Any = None,
    input_shift: Any = None,
    extra: Any = None,
) -> None:
    """Save the parameters of a network as a new folder, which is complete or not there at all.

    Whatever is raised, no network was written. Without `groups` the network is an `mlp`, folded or not, and the folder
    says all of it. With them it is any network: the folder holds its parameters, of all dtypes that safetensors has
    (bfloat16 too) and with all values, how many units each group has and which, and a fingerprint of the function's
    program, so that no other function is run with them. The function itself is code, and is not saved.

    Args:
        folder: the new folder; missing parents are made.
        params: of an `mlp`, float32 and finite; with `groups` of any network, in the dtypes that the groups were read
            with.
        groups: the unit groups of the function that reads `params`, at their present size: as `unit_groups` or
            `compact` returns them. `activation`, `signed`, `input_scale` and `input_shift` are of an `mlp` alone.
        activation: a name in `ACTIVATIONS`.
        signed: whether a leaf `liveness` is a signed gate.
        survivors: the original indices of the units that are left, ascending, per layer ("hidden.0", ..., "inputs"), as
            `compact` returns them. A layer without an entry has kept units 0..U-1. Entries of other names are allowed
            only where nothing was removed. With `groups` by group; those that have lost units need theirs.
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
        >>> import jax.numpy as jnp, numpy as np
        >>> import jaxsize
        >>> def apply(params, inputs):
        ...     return (jnp.tanh(inputs @ params["in"]) * jaxsize.relu(params["liveness"])) @ params["out"]
        >>> params = {"in": np.ones((4, 3), "f4"), "liveness": np.array([1, 0, 1], "f4"), "out": np.ones((3, 2), "f4")}
        >>> groups = jaxsize.unit_groups(apply, params, np.ones((1, 4), "f4"))
        >>> small = jaxsize.compact(groups, params, groups.live(params))
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = os.path.join(parent, "network")
        ...     save_network(folder, small.params, groups=small.groups, survivors=small.survivors)
        ...     jaxsize.load_network(folder, groups=groups).survivors["liveness"].tolist()
        [0, 2]
    """
    folder = require_new(folder)
    if groups is not None:
        if activation != "relu" or signed or input_scale is not None or input_shift is not None:
            problem = "expected none of activation, signed, input_scale and input_shift, which are of an `mlp` alone"
            raise InputError(problem, field="groups")
        write_folder(folder, *described(groups, params, survivors or {}, extra))
        return
    leaves, form = read_params(params, signed)
    arrays = {name: np.array(leaf, leaf.dtype.newbyteorder("="), order="C") for name, leaf in leaves.items()}
    require_arrays(form, arrays)
    require_one_of("activation", activation, ACTIVATIONS)
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
        "extra": extra,
    }
    write_folder(folder, arrays, description)
