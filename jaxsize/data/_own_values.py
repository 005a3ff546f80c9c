"""A user's arrays as data sets hold them: converted once, and refused where that would lose something."""

from typing import Any, NamedTuple

import numpy as np

from jaxsize.errors import InputError

MOST_CLASSES = 20
"""More classes than this are taken for numbers if more than half of the rows would have a class of their own."""
_ROUNDING = 1e-3
"""The largest rounding to float32, in standard deviations of a feature, that does no harm."""


class Targets(NamedTuple):
    """Targets as a `Dataset` holds them."""

    values: np.ndarray | None
    task: Any
    num_outputs: int | None
    """None: not told by the targets."""
    info: dict[str, Any]


def as_array(values: Any, where: str) -> np.ndarray:
    """Turn lists, NumPy or JAX arrays into an array of numbers, booleans or texts.

    Raises:
        InputError: when it is neither of these, such as rows of different lengths, or a value is missing (None).
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected an array, got rows that differ in length ({error})") from None
    if array.dtype == object:
        flat = array.ravel()
        missing = [n for n, value in enumerate(flat) if _is_missing(value)]
        if missing:
            raise InputError(f"{where}: row {missing[0] // max(1, flat.size // len(array))} has no value")
        if all(isinstance(value, str) for value in flat):
            array = array.astype(str)
        elif all(isinstance(value, (bool, np.bool_, int, float, np.number)) for value in flat):
            array = np.array(array.tolist())
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and the like, which are JAX's own
        array = array.astype(np.float32)
    if array.dtype.kind not in "biufUS":
        raise InputError(f"{where}: expected numbers, booleans or texts, got {array.dtype}")
    decoded: Any = array  # numpy knows no narrower type for texts
    return np.char.decode(decoded, "utf-8") if array.dtype.kind == "S" else array


def read_inputs(values: Any, where: str, *, tokens: bool) -> np.ndarray:
    """Convert inputs to uint8 (which stay as they are), float32, or int32 tokens.

    Args:
        values: numbers [N, ...].
        where: data set and argument, for messages.
        tokens: whether integers are tokens, which are never scaled.

    Raises:
        InputError: when they are no numbers, have fewer than two axes or no rows, are not finite, or float32 (int32 for
            tokens) cannot hold them.
    """
    array = as_array(values, where)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: expected numbers, got texts; from_table reads tables with texts")
    if array.ndim < 2 or 0 in array.shape:
        advice = "; reshape(-1, 1) makes rows of one number" if array.ndim == 1 and array.size else ""
        raise InputError(f"{where}: expected [N, ...] with two axes or more, got {list(array.shape)}{advice}")
    if tokens:
        return _whole(array, where, "tokens")
    return array if array.dtype == np.uint8 else _single(array, where)


def encode_targets(array: np.ndarray | None, where: str, task: str | None) -> Targets:
    """Convert targets to what a task reads: labels 0, 1, ... of the sorted classes, or float32.

    Args:
        array: as `as_array` returns it, [N, ...]; None where there are none.
        where: data set and argument, for messages.
        task: None: classification for integers, booleans and texts, regression for floats.

    Raises:
        InputError: when the targets do not fit the task.
    """
    if array is None:
        if task not in ("reconstruction", "custom"):
            raise InputError(f"{where}: expected targets, or task='reconstruction', whose targets are the inputs")
        return Targets(None, task, None, {})
    if task == "reconstruction":
        raise InputError(f"{where}: expected none in reconstruction: they are the inputs")
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 and task != "custom" else array
    if task == "custom":
        whole = array.dtype.kind in "biu"
        return Targets(_whole(array, where, "whole numbers") if whole else _single(array, where), task, None, {})
    if task == "regression" or (task is None and array.dtype.kind == "f"):
        if array.ndim not in (1, 2) or 0 in array.shape:
            raise InputError(f"{where}: expected [N] or [N, outputs] numbers, got {list(array.shape)}")
        return Targets(_single(array, where), "regression", 1 if array.ndim == 1 else array.shape[1], {})
    if array.ndim != 1:
        raise InputError(f"{where}: expected one class per row, [N], got {list(array.shape)}; task='custom' takes any")
    return _labels(array, where, told=task is not None)


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # the missing value of pandas is equal to nothing, and not different either
        return True


def _labels(array: np.ndarray, where: str, *, told: bool) -> Targets:
    if array.dtype.kind == "f":
        _single(array, where)
        array = array.astype(np.int64) if (array == np.floor(array)).all() else array
    if array.dtype.kind == "U" and (empty := np.flatnonzero(np.char.strip(array) == "")).size:
        raise InputError(f"{where}: row {empty[0]} has no class")
    classes, labels = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{where}: expected two classes or more, got one: {classes.tolist()[0]!r}")
    if not told and len(classes) > max(MOST_CLASSES, len(array) // 2):
        problem = f"{len(classes)} different values in {len(array)} rows are no classes"
        raise InputError(f"{where}: {problem}; task='regression' predicts numbers, task='classification' insists")
    return Targets(labels.astype(np.int32), "classification", len(classes), {"classes": classes.tolist()})


def _whole(array: np.ndarray, where: str, what: str) -> np.ndarray:
    if array.dtype.kind not in "biu":
        raise InputError(f"{where}: expected {what}, integers, got {array.dtype}")
    if array.size and (array.max() > 2**31 - 1 or array.min() < -(2**31)):
        raise InputError(f"{where}: expected {what} below 2^31, got {array.min()}..{array.max()}")
    return array.astype(np.int32)


def _single(array: np.ndarray, where: str) -> np.ndarray:
    """The array as float32."""
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: expected numbers, got texts")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    finite = np.isfinite(single)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0].tolist())
        raise InputError(f"{where}: row {place[0]} holds {array[place]}, expected finite float32 numbers")
    if array.dtype.kind in "iu" and array.dtype.itemsize > 2:
        if (rounded := np.argwhere(single.astype(np.float64) != array.astype(np.float64))).size:
            place = tuple(rounded[0].tolist())
            problem = f"row {place[0]} holds {array[place]}, which float32 rounds"
            raise InputError(f"{where}: {problem}; astype(float) says that rounding is meant")
    elif array.dtype == np.float64:
        rows = tuple(range(array.ndim - 1)) if array.ndim > 1 else 0
        spread, largest = array.std(axis=rows), np.abs(array).max(axis=rows)
        lost = (np.abs(single - array).max(axis=rows) > _ROUNDING * spread) & (spread > 1e-12 * largest)
        if lost.any():
            column = f"column {int(np.argmax(lost))}: " if array.ndim > 1 else ""
            raise InputError(f"{where}: {column}float32 cannot tell its values apart; subtract their mean before")
    return single
