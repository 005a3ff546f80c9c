"""The form of an `mlp`, which determines its leaves, and network.json, which records it: read strictly, for saving.

Every error is an `InputError` of one line that begins with the name of the leaf or key that does not fit.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.networks._mlp_form import GATES, Form, leaf_table
from jaxsize.results.json_files import differences

FORMAT = 1
"""The version of the layout of network.json."""
KEYS = ("format", "kind", "widths", "gate", "gated_inputs", "bias", "activation", "survivors", "normalization")
KEYS += ("leaves", "weights_sha256", "extra")
"""The keys of network.json."""


def require_one_of(what: str, value: Any, known: Iterable[str]) -> None:
    """Check that the value of the argument or key `what` is one of the known ones.

    Raises:
        InputError: when it is not.
    """
    if value not in list(known):  # a list, since a dict cannot be asked for what has no hash
        raise InputError(f"expected one of {', '.join(known)}, got {value!r:.60}", field=what)


def fill_survivors(given: Mapping[str, Any], form: Form) -> dict[str, np.ndarray]:
    """Complete the survivors: one entry for every hidden layer, and for the inputs where given.

    Args:
        given: original indices of the units that are left, by layer. A layer that is not named has lost nothing. Names
            of other groups, which `compact` returns as well, are dropped if those groups have lost nothing.
        form: the form of the network.

    Returns:
        int64 [U] per layer, ascending.

    Raises:
        InputError: when indices do not fit, or another group has lost units.
    """
    units = form.units()
    filled: dict[str, Any] = {name: np.arange(units[name]) for name in form.layers()[:-1]}
    for name, ids in given.items():
        if name in units or not np.array_equal(ids, np.arange(np.size(ids))):
            filled[name] = ids
    return _read_survivors(filled, form)


def _read_survivors(given: Mapping[str, Any], form: Form) -> dict[str, np.ndarray]:
    """Return the survivors as int64 [U] per layer; the names and the indices are checked."""
    units = form.units()
    for name in [*(name for name in units if name != "inputs"), *given]:
        if name not in units or name not in given:
            raise InputError(
                f"expected {', '.join(units)} (inputs may be missing), got {list(given)}", field="survivors"
            )
    survivors = {}
    for name, ids in given.items():
        try:
            array = np.asarray(ids)
        except ValueError:  # ragged
            array = np.asarray(None)
        steps = np.diff(array.astype(np.int64), prepend=-1) if array.dtype.kind in "iu" and array.ndim == 1 else None
        if steps is None or len(steps) != units[name] or (steps < 1).any():
            expected = f"{units[name]} different indices, ascending, none negative"
            raise InputError(f"survivors of {name}: expected {expected}, got {array.tolist()!r:.60}")
        survivors[name] = array.astype(np.int64)
    return survivors


def read_factor(name: str, given: Any, form: Form) -> np.ndarray:
    """Read the input scale or the input shift.

    Args:
        name: "scale" or "shift", for the message.
        given: a number, or one number per input.
        form: the form of the network.

    Returns:
        float32 [] or [D].

    Raises:
        InputError: when it is of another shape, not numeric, or not finite in float32.
    """
    try:
        array = np.asarray(given)
        with np.errstate(over="ignore"):
            factor = array.astype(np.float32) if array.dtype.kind in "iuf" else np.array(np.nan, np.float32)
    except ValueError:  # ragged
        factor = np.array(np.nan, np.float32)
    if factor.shape not in ((), (form.widths[0],)) or not np.isfinite(factor).all():
        given_text = " ".join(f"{given!r}".split())
        raise InputError(f"input {name}: expected a finite number or {form.widths[0]} of them, got {given_text:.60}")
    return factor


def read_description(
    record: Any, activations: Iterable[str]
) -> tuple[Form, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Read the content of network.json, and check that it does not contradict itself.

    Args:
        record: the content as plain JSON values.
        activations: the names of the known activations.

    Returns:
        The form of the network, its survivors (int64 [U] per layer), the input scale and the input shift (float32).

    Raises:
        InputError: when a key or its value does not fit.
    """
    require_format(record)
    require_keys("keys", record, KEYS)
    require_one_of("kind", record["kind"], ["mlp"])
    require_one_of("gate", record["gate"], GATES)
    require_one_of("activation", record["activation"], activations)
    for key in ("gated_inputs", "bias"):
        if not isinstance(record[key], bool):
            raise InputError(f"expected true or false, got {record[key]!r:.60}", field=key)
    widths = record["widths"]
    if not isinstance(widths, list) or len(widths) < 2 or any(type(width) is not int or width < 1 for width in widths):
        raise InputError(f"expected two or more positive integers, got {widths!r:.60}", field="widths")
    form = Form(widths, record["gate"], record["gated_inputs"], record["bias"])
    for name, expected, actual in differences(leaf_table(form), record["leaves"], "leaves"):
        raise InputError(f"expected {expected} for widths {widths}, got {actual}", field=name)
    if not isinstance(record["survivors"], dict):
        raise InputError(f"expected an object of lists, got {record['survivors']!r:.60}", field="survivors")
    require_keys("normalization", record["normalization"], ("scale", "shift"))
    scale, shift = (read_factor(name, record["normalization"][name], form) for name in ("scale", "shift"))
    return form, _read_survivors(record["survivors"], form), scale, shift


def require_format(record: Any) -> None:
    """Check that the content of network.json has the form that is read here.

    Raises:
        InputError: when it has not.
    """
    version = record.get("format", "none") if isinstance(record, dict) else "no JSON object"
    if type(version) is not int or version != FORMAT:
        raise InputError(f"expected {FORMAT}, got {version!r:.60}", field="format")


def require_keys(what: str, record: Any, expected: tuple[str, ...]) -> None:
    """Check that a value of network.json is an object with these keys and no others.

    Raises:
        InputError: when it is not; `what` is its name.
    """
    if not isinstance(record, dict):
        raise InputError(f"expected an object of {', '.join(expected)}, got {record!r:.60}", field=what)
    if odd := sorted(set(record) ^ set(expected)):
        state = "missing" if odd[0] in expected else "unknown"
        raise InputError(f"{odd[0]:.60} is {state}, expected {', '.join(expected)}", field=what)


def as_text(value: Any, indent: str = "") -> str:
    """Write plain values as JSON with one line per key, and every list in one line."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    inner = indent + "  "
    rows = [f"{inner}{json.dumps(key)}: {as_text(entry, inner)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
