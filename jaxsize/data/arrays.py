"""`from_arrays`: a data set of a user's own arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsize.data._draws import whole_seed
from jaxsize.data._own_splits import Index, split_rows
from jaxsize.data._own_values import as_array, encode_targets, read_inputs
from jaxsize.data.dataset import Dataset, Split, Task
from jaxsize.errors import InputError

Rows = float | Sequence[int] | np.ndarray | tuple[Any, ...]
"""Which rows validate or test: a share, numbers of rows, or arrays (inputs, targets) or (inputs, targets, weights)."""


def from_arrays(
    inputs: Any,
    targets: Any = None,
    *,
    task: Task | None = None,
    validation: Rows | None = 0.15,
    test: Rows = 0.15,
    weights: Any = None,
    seed: int = 0,
    standardize: bool | None = None,
    tokens: bool = False,
    num_outputs: int | None = None,
    name: str = "own",
    source: str = "arrays",
) -> Dataset:
    """Make a data set of arrays: NumPy's, JAX's, or lists.

    Arrays are converted once, and nothing is lost without an error: uint8 inputs stay as they are, other numbers become
    float32. Classes may be any integers, booleans or texts; they are numbered in sorted order, gaps or not, and
    `info["classes"]` holds them in this order. In regression `info["target_mean"]` and `info["target_std"]` of the
    training rows (lists for several outputs) standardise the targets in the loss. No validation or test row takes part
    in any of these, nor in the scaling of the inputs. The training rows come in random order.

    Args:
        inputs: [N, ...] numbers; of images [N, H, W, C].
        targets: [N] classes; [N] or [N, O] floats; anything [N, ...] that a custom loss reads. None in reconstruction,
            and where a custom loss compares with the inputs.
        task: what the targets are. None: classification for integers, booleans and texts, regression for floats.
        validation: the rows that validate: a share of the rows, in which every class has its part; or numbers of rows;
            or arrays (inputs, targets) or (inputs, targets, weights). None: no rows.
        test: the rows that test, likewise.
        weights: [N], 0 or more: how much each row counts in losses and scores. None: all alike.
        seed: a whole number, not negative; draws the rows that validate and test, and the order of the others.
        standardize: whether scale and shift take each feature (of images: channel), the last axis, to mean 0
            and standard deviation 1 over the training rows; one that is constant there becomes 0 there. By
            default all inputs but tokens are standardised.
        tokens: whether integer inputs are tokens: int32, never scaled.
        num_outputs: outputs of a network, to be told for a custom task only; by default as many as a row has targets.
        name: names the data set in results and messages.
        source: where the arrays came from, in words.

    Raises:
        InputError: in one line that counts rows from 0, when shapes contradict each other, a value is missing, not
            finite or not to be held by float32, there is one class only, a class has no training row, all regression
            targets are alike, or there are too few rows.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data import from_arrays
        >>> inputs = np.random.default_rng(0).normal(5.0, 2.0, (200, 3))
        >>> dataset = from_arrays(inputs, np.where(inputs[:, 0] > 5, "high", "low"), seed=1)
        >>> dataset.task, dataset.info["classes"], len(dataset.train), len(dataset.validation), len(dataset.test)
        ('classification', ['high', 'low'], 140, 30, 30)
        >>> network_inputs = dataset.train.inputs * dataset.input_scale + dataset.input_shift
        >>> bool(abs(network_inputs.mean(axis=0)).max() < 1e-5)
        True
    """
    seed = whole_seed(seed, name)
    parts = {"test": test, "validation": validation}
    blocks: list[tuple[str, tuple[Any, ...]]] = [("", (inputs, targets, weights))]
    for part, value in parts.items():
        if _are_arrays(value):
            blocks.append((f"{part} ", value))
    rows = [read_inputs(block[0], f"{name}: {prefix}inputs", tokens=tokens) for prefix, block in blocks]
    for (prefix, _), block in zip(blocks, rows, strict=True):
        if block.shape[1:] != rows[0].shape[1:] or block.dtype != rows[0].dtype:
            wanted = f"{rows[0].dtype} {list(rows[0].shape[1:])} per row as in the others"
            raise InputError(f"{name}: {prefix}inputs must be {wanted}, got {block.dtype} {list(block.shape[1:])}")
    stops = np.cumsum([len(block) for block in rows])
    for number, (prefix, _) in enumerate(blocks[1:], start=1):
        parts[prefix.strip()] = np.arange(stops[number - 1], stops[number])

    encoded = encode_targets(_joined_targets(name, blocks, rows), f"{name}: targets", task)
    if encoded.task == "custom" and num_outputs is None:
        num_outputs = 1 if encoded.values is None else int(np.prod(encoded.values.shape[1:], dtype=int))
    elif encoded.task != "custom" and num_outputs is not None:
        raise InputError(f"{name}: expected num_outputs for task='custom' only, got {num_outputs}")
    labels = encoded.values if encoded.task == "classification" else None
    index = split_rows(stops[-1], labels, parts["validation"], parts["test"], seed=seed, where=name)
    if labels is not None:
        _require_classes(name, labels, index, encoded.info["classes"])
    everything = Split(np.concatenate(rows), encoded.values, weights=_joined_weights(name, blocks, rows))
    train = everything.rows(index.train)
    standardize = not tokens if standardize is None else standardize
    if tokens and standardize:
        raise InputError(f"{name}: tokens are never scaled, got standardize=True")
    scale, shift = _feature_scaling(train.inputs, standardize=standardize) if not tokens else (None, None)
    info = encoded.info | (_target_moments(name, train.targets) if encoded.task == "regression" else {})
    row_shape = rows[0].shape[1:]
    return Dataset(
        name=name,
        task=encoded.task,
        num_outputs=encoded.num_outputs or num_outputs or int(np.prod(row_shape)),
        train=train,
        validation=None if index.validation is None else everything.rows(index.validation),
        test=everything.rows(index.test),
        input_scale=scale,
        input_shift=shift,
        input_shape=row_shape,
        source=source,
        info=info,
    )


def _feature_scaling(inputs: np.ndarray, *, standardize: bool) -> tuple[np.ndarray, np.ndarray]:
    """Compute the scale and the shift that standardise each feature of the last axis, or 1 and 0."""
    if not standardize:
        return np.asarray(1, np.float32), np.asarray(0, np.float32)
    rows = tuple(range(inputs.ndim - 1))
    mean, std = inputs.mean(axis=rows, dtype=np.float64), inputs.std(axis=rows, dtype=np.float64)
    std = np.where(inputs.min(axis=rows) == inputs.max(axis=rows), 1, std)
    return (1 / std).astype(np.float32), (-mean / std).astype(np.float32)


def _are_arrays(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) in (2, 3) and hasattr(value[0], "__len__")


def _joined_targets(name: str, blocks: Sequence[tuple[str, tuple]], rows: Sequence[np.ndarray]) -> np.ndarray | None:
    arrays = []
    for (prefix, block), inputs in zip(blocks, rows, strict=True):
        if (block[1] is None) != (blocks[0][1][1] is None):
            raise InputError(f"{name}: {prefix}targets: expected targets for all rows or for none")
        if block[1] is None:
            continue
        array = as_array(block[1], f"{name}: {prefix}targets")
        if array.ndim < 1 or len(array) != len(inputs):
            raise InputError(f"{name}: {len(inputs)} rows of {prefix}inputs, but targets {list(array.shape)}")
        arrays.append(array)
    kinds = {array.dtype.kind.replace("u", "i") for array in arrays}
    shapes = {array.shape[1:] for array in arrays}
    if len(kinds) > 1 or len(shapes) > 1:
        found = " and ".join(f"{array.dtype} {list(array.shape)}" for array in arrays)
        raise InputError(f"{name}: expected targets of one type and shape in all splits, got {found}")
    return np.concatenate(arrays) if arrays else None


def _joined_weights(name: str, blocks: Sequence[tuple[str, tuple]], rows: Sequence[np.ndarray]) -> np.ndarray | None:
    given = [block[2] if len(block) == 3 else None for _, block in blocks]
    if all(weights is None for weights in given):
        return None
    arrays = []
    for weights, (prefix, _), inputs in zip(given, blocks, rows, strict=True):
        array = np.ones(len(inputs)) if weights is None else as_array(weights, f"{name}: {prefix}weights")
        if array.shape != (len(inputs),) or array.dtype.kind not in "biuf":
            got = f"{array.dtype} {list(array.shape)}"
            raise InputError(f"{name}: {prefix}weights must be numbers [{len(inputs)}], got {got}")
        arrays.append(array.astype(np.float32))
    return np.concatenate(arrays)


def _require_classes(name: str, labels: np.ndarray, index: Index, classes: Sequence[Any]) -> None:
    absent = np.setdiff1d(np.arange(len(classes)), labels[index.train])
    if absent.size:
        raise InputError(f"{name}: class {classes[absent[0]]!r} has no training row")


def _target_moments(name: str, targets: np.ndarray | None) -> dict[str, Any]:
    assert targets is not None
    if (targets.min(axis=0) == targets.max(axis=0)).any():
        raise InputError(f"{name}: all targets of the training rows are alike, {targets.ravel()[0]:g}")
    mean, std = targets.mean(axis=0, dtype=np.float64), targets.std(axis=0, dtype=np.float64)
    return {"target_mean": mean.tolist(), "target_std": std.tolist()}
