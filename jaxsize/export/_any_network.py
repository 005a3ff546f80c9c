"""What network.json says of any network: its groups and their widths, its leaves, and which program reads them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxsize.errors import InputError
from jaxsize.export._description import FORMAT, require_format, require_keys
from jaxsize.export._folders import DTYPES
from jaxsize.trees import Tree, named_leaves
from jaxsize.units import UnitGroups

KIND = "function"
"""The kind of a network that is saved with its unit groups, as an `mlp` is of kind "mlp"."""
KEYS = ("format", "kind", "program", "widths", "survivors", "leaves", "weights_sha256", "extra")
"""The keys of network.json."""
_KEYS_OF_LEAF = {"dtype", "shape"}
_NO_FUNCTION = "expected groups as `unit_groups` returns them, got some without a function"


def described(
    groups: UnitGroups, params: Tree, survivors: Mapping[str, Any], extra: Any
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Describe a network by its unit groups.

    Args:
        groups: at the present size of the network.
        params: the parameters.
        survivors: by group, as `compact` returns them.
        extra: anything with a JSON form.

    Returns:
        The arrays by name of the leaf, and the content of network.json but for the checksum.

    Raises:
        InputError: when the parameters are not those of the groups, or survivors do not fit.
    """
    expected = expected_leaves(groups, {})
    arrays = {name: _array(name, leaf) for name, leaf in named_leaves(params).items()}
    require_leaves(expected, table_of(arrays))
    if odd := next((name for name in survivors if name not in groups.groups), None):
        raise InputError(f"expected names of groups ({', '.join(groups.groups)}), got {odd!r:.60}", field="survivors")
    widths = {name: group.size for name, group in groups.groups.items()}
    before = _before(groups)
    lost = {name for name in widths if widths[name] < before[name]}
    if missing := lost - set(survivors):
        name = min(missing)
        problem = f"expected those of {name}, of which {widths[name]} of {before[name]} units are left, got none"
        raise InputError(problem, field="survivors")
    kept = {name: _survivors(name, ids, widths[name], before[name]) for name, ids in survivors.items()}
    description = {
        "format": FORMAT,
        "kind": KIND,
        "program": _program(groups),
        "widths": widths,
        "survivors": {name: ids for name, ids in kept.items() if name in lost or (np.diff(ids) != 1).any()},
        "leaves": expected,
        "extra": extra,
    }
    return arrays, description


def read_widths(record: Any, groups: UnitGroups, check_program: bool) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Read the content of network.json, and compare it with the groups of the function that is to run the network.

    Nothing of a size that the file names is allocated.

    Args:
        record: the content as plain JSON values.
        groups: the groups, at any size.
        check_program: whether the function has to be the same program.

    Returns:
        The width of every group that has another one than in `groups.origin`, and the survivors that are written down:
        int64 [U] by group.

    Raises:
        InputError: when a key or its value does not fit.
    """
    require_format(record)
    require_keys("keys", record, KEYS)
    first, before = groups.origin or groups, _before(groups)
    for key in ("widths", "survivors", "leaves"):
        if not isinstance(record[key], dict):
            raise InputError(f"expected an object, got {record[key]!r:.60}", field=key)
    _require_program(record["program"], _program(groups), check_program)
    if odd := sorted(set(record["widths"]) ^ set(before)):
        state = "missing" if odd[0] in before else "no group of the function"
        raise InputError(f"{odd[0]:.60} is {state}", field="widths")
    for name, width in record["widths"].items():
        if type(width) is not int or width < 1:
            raise InputError(f"expected a positive integer, got {width!r:.60}", field=f"widths.{name}")
        if first[name].fixed and width != before[name]:
            raise InputError(f"expected {before[name]} ({first[name].fixed}), got {width}", field=f"widths.{name}")
    sizes = {name: width for name, width in record["widths"].items() if width != before[name]}
    require_leaves(expected_leaves(groups, sizes), record["leaves"])
    for name in record["survivors"]:
        if name not in before:
            raise InputError(f"expected names of groups ({', '.join(before)}), got {name!r:.60}", field="survivors")
    survivors = {
        name: _survivors(name, ids, record["widths"][name], before[name]) for name, ids in record["survivors"].items()
    }
    if missing := [name for name, width in sizes.items() if width < before[name] and name not in survivors]:
        raise InputError(f"expected those of {missing[0]}, which has lost units, got none", field="survivors")
    return sizes, survivors


def expected_leaves(groups: UnitGroups, sizes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return dtype and shape of every leaf by name, with other widths than those of `groups.origin` in some groups.

    Args:
        groups: the groups, at any size.
        sizes: by group; those of `groups` where it is empty.
    """
    if groups.function is None:
        raise InputError(_NO_FUNCTION, field="groups")
    first = groups.origin or groups
    sizes = sizes or {name: group.size for name, group in groups.groups.items()}
    return {name: _leaf(leaf) for name, leaf in named_leaves(first.shapes(groups.function.params, sizes)).items()}


def table_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return dtype and shape of every array by its name."""
    return {name: _leaf(array) for name, array in arrays.items()}


def require_leaves(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    """Refuse leaves that are missing, unknown, or of another dtype or shape; the error names the first of them.

    Raises:
        InputError: when there is one.
    """
    if differing := _first_difference(expected, actual):
        name, one, other = differing
        raise InputError(f"expected {one}, got {other}", field=name)


def _first_difference(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return the name of the first leaf that differs, and what it is in either table, all in short; None if all fit."""
    for name in dict.fromkeys([*expected, *actual]):
        one, other = (_leaf_text(leaves.get(name)) for leaves in (expected, actual))
        if one != other:
            return _short(name, 120), _short(one, 60), _short(other, 60)
    return None


def _leaf_text(leaf: Any) -> str:
    """Show what a leaf is as text, such as `float32[4, 3]`, or whatever else a file has in its place."""
    if leaf is None:
        return "no such leaf"
    is_leaf = isinstance(leaf, dict) and set(leaf) == _KEYS_OF_LEAF
    return f"{leaf['dtype']}{leaf['shape']}" if is_leaf else repr(leaf)


def _short(text: str, length: int) -> str:
    """Make one line of a text that may come from a file, of limited length."""
    return " ".join(text.split())[:length]


def num_bytes(leaves: Mapping[str, Any]) -> int:
    """Add up the bytes of the leaves of such a table."""
    sizes = ((np.dtype(leaf["dtype"]).itemsize, leaf["shape"]) for leaf in leaves.values())
    return sum(itemsize * int(np.prod(shape, dtype=object)) for itemsize, shape in sizes)


def _before(groups: UnitGroups) -> dict[str, int]:
    return {name: group.size for name, group in (groups.origin or groups).groups.items()}


def _program(groups: UnitGroups) -> dict[str, Any]:
    """Say which program reads the parameters: its fingerprint, and the inputs that it was traced with."""
    if groups.function is None:
        raise InputError(_NO_FUNCTION, field="groups")
    inputs = {name: _leaf(leaf) for name, leaf in named_leaves(groups.function.inputs).items()}
    params = {name: _leaf(leaf) for name, leaf in named_leaves(groups.function.params).items()}
    return {"sha256": groups.function.fingerprint, "jax": jax.__version__, "inputs": inputs, "leaves": params}


def _require_program(given: Any, own: Mapping[str, Any], check_program: bool) -> None:
    require_keys("program", given, tuple(own))
    for key in ("inputs", "leaves"):
        if not isinstance(given[key], dict):
            raise InputError(f"expected an object, got {given[key]!r:.60}", field=f"program.{key}")
        if differing := _first_difference(given[key], own[key]):
            name, one, other = differing
            problem = f"the saved groups were read with {one}, those given with {other}"
            raise InputError(problem, field=f"program.{key}.{name}")
    if check_program and given["sha256"] != own["sha256"]:
        jax_before = _short(str(given["jax"]), 20)
        by = f" (with jax {jax_before}; here is {own['jax']}, whose steps may differ)" * (jax_before != own["jax"])
        problem = f"the function is another program than the one that was saved{by}"
        raise InputError(f"{problem}; check_program=False loads the parameters all the same", field="program")


def _array(name: str, leaf: Any) -> np.ndarray:
    if jax.numpy.issubdtype(jax.numpy.result_type(leaf), jax.dtypes.extended):
        raise InputError("expected numbers, got a random key (jax.random.key_data makes numbers of it)", field=name)
    array = np.asarray(leaf)
    if array.dtype.newbyteorder("=") not in DTYPES:
        known = ", ".join(sorted(str(dtype) for dtype in DTYPES))
        raise InputError(f"expected one of {known}, got {array.dtype}", field=name)
    return array


def _leaf(leaf: Any) -> dict[str, Any]:
    return {"dtype": str(leaf.dtype), "shape": list(leaf.shape)}


def _survivors(name: str, given: Any, width: int, before: int) -> np.ndarray:
    """Return survivors as int64 [U]; they are to be different, ascending, and below `before` where units are lost."""
    try:
        ids = np.asarray(given)
    except (ValueError, OverflowError):  # ragged, or numbers beyond all types
        ids = np.asarray(None)
    fits = ids.dtype.kind in "iu" and ids.shape == (width,)
    limit = before if width < before else np.inf
    if not fits or (np.diff(ids.astype(np.int64), prepend=-1) < 1).any() or (ids >= limit).any():
        expected = f"{width} different indices, ascending, none negative" + f", below {limit}" * (width < before)
        raise InputError(f"expected {expected}, got {ids.tolist()!r:.60}", field=f"survivors.{name}")
    return ids.astype(np.int64)
