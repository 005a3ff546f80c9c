"""What the arrays of a data set have to be."""

import json
from typing import Any

import numpy as np

from jaxsize.errors import InputError

TASKS = ("classification", "regression", "reconstruction", "custom")


def check_dataset(dataset: Any) -> None:
    """Check that the arrays of a `Dataset` are what its fields and those of `Split` say.

    Raises:
        InputError: when they are not, naming the data set and the split.
    """
    name, task = dataset.name, dataset.task
    if task not in TASKS:
        raise InputError(f"{name}: task must be one of {', '.join(TASKS)}, got {task!r}")
    if dataset.num_outputs < 1 or (task == "reconstruction" and dataset.num_outputs != dataset.num_inputs):
        raise InputError(f"{name}: {dataset.num_outputs} outputs do not fit {task}")
    if dataset.channels_first and (len(dataset.input_shape) != 3 or dataset.train.inputs.ndim != 2):
        shape = list(dataset.train.inputs.shape)
        raise InputError(f"{name}: channels_first is for flat rows of images of three axes, got {shape}")
    for field in ("train", "validation", "test"):
        split = getattr(dataset, field)
        if split is not None:
            _check_inputs(f"{name}: {field}", split.inputs, dataset)
            _check_targets(f"{name}: {field}", split, task, dataset.num_outputs)
            _check_weights(f"{name}: {field} weights", split)
    for field in ("input_scale", "input_shift"):
        _check_scaling(f"{name}: {field}", getattr(dataset, field), dataset.train.inputs)
    try:
        json.dumps(dataset.info, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: info does not fit in JSON: {error}") from None


def _check_scaling(where: str, value: np.ndarray | None, inputs: np.ndarray) -> None:
    if inputs.dtype == np.int32:
        if value is not None:
            raise InputError(f"{where} must be None for tokens, which are never scaled")
        return
    wanted = f"float32 [] or [{inputs.shape[-1]}]"
    if value is None:
        raise InputError(f"{where} must be {wanted}, got None; only tokens, int32, have none")
    if value.dtype != np.float32 or value.shape not in ((), inputs.shape[-1:]):
        raise InputError(f"{where} must be {wanted}, got {value.dtype} {list(value.shape)}")
    if not np.isfinite(value).all():
        raise InputError(f"{where} is not finite")


def _check_inputs(where: str, inputs: np.ndarray, dataset: Any) -> None:
    shapes = {(dataset.num_inputs,), tuple(dataset.input_shape)}
    train = dataset.train.inputs
    if train.shape[1:] in shapes:
        shapes = {train.shape[1:]}  # rows of all splits lie alike
    if inputs.shape[1:] not in shapes or inputs.shape[0] < 1:
        wanted = " or ".join(f"[{', '.join(map(str, ('N', *shape)))}]" for shape in sorted(shapes, key=len))
        raise InputError(f"{where} inputs must be {wanted} with N >= 1, got {list(inputs.shape)}")
    if inputs.dtype not in (np.uint8, np.float32, np.int32):
        raise InputError(f"{where} inputs must be uint8 or float32, or int32 for tokens, got {inputs.dtype}")
    if inputs.dtype == np.float32 and not np.isfinite(inputs).all():
        raise InputError(f"{where} inputs are not all finite")
    if inputs.dtype != train.dtype:
        raise InputError(f"{where} inputs must be {train.dtype} as those of train, got {inputs.dtype}")


def _check_targets(where: str, split: Any, task: str, num_outputs: int) -> None:
    targets, clean = split.targets, split.clean_targets
    if clean is not None and task != "regression":
        raise InputError(f"{where} clean_targets are for regression only")
    if task == "reconstruction":
        if targets is not None:
            raise InputError(f"{where} targets must be None in reconstruction: they are the inputs")
        if split.inputs.dtype == np.int32:
            raise InputError(f"{where} inputs are tokens, which have no squared error; task='custom' reads them")
    elif task == "custom":
        if targets is not None and (targets.dtype not in (np.int32, np.float32) or len(targets) != len(split)):
            got = f"{targets.dtype} {list(targets.shape)}"
            raise InputError(f"{where} targets must be int32 or float32 [{len(split)}, ...] or None, got {got}")
        _check_finite(f"{where} targets", targets)
    elif task == "classification":
        _check_column(f"{where} targets", targets, np.int32, (len(split),))
        if targets.min() < 0 or targets.max() >= num_outputs:
            raise InputError(f"{where} labels must lie in 0..{num_outputs - 1}, got {targets.min()}..{targets.max()}")
    else:
        shape = (len(split),) if num_outputs == 1 else (len(split), num_outputs)
        _check_column(f"{where} targets", targets, np.float32, shape)
        _check_finite(f"{where} targets", targets)
        if clean is not None:
            _check_column(f"{where} clean_targets", clean, np.float32, shape)
            _check_finite(f"{where} clean_targets", clean)


def _check_weights(where: str, split: Any) -> None:
    weights = split.weights
    if weights is None:
        return
    _check_column(where, weights, np.float32, (len(split),))
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() > 0):
        raise InputError(f"{where} must be finite and 0 or more, not all of them 0")


def _check_column(where: str, column: np.ndarray | None, dtype: type, shape: tuple[int, ...]) -> None:
    wanted = f"{np.dtype(dtype)} {list(shape)}"
    if column is None:
        raise InputError(f"{where} must be {wanted}, got None")
    if column.dtype != dtype or column.shape != shape:
        raise InputError(f"{where} must be {wanted}, got {column.dtype} {list(column.shape)}")


def _check_finite(where: str, column: np.ndarray | None) -> None:
    if column is not None and not np.isfinite(column).all():
        raise InputError(f"{where} are not all finite")
