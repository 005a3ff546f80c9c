"""What every data set looks like once it is loaded: `Dataset`, three `Split`s and how to scale the inputs."""

import dataclasses
import json
import math
import zlib
from typing import Any, Literal, get_args

import numpy as np

Task = Literal["classification", "regression"]
Form = Literal["corrected", "original"]


class DatasetNotFoundError(ValueError):
    """The files of a data set are nowhere to be found and could not be fetched; the message is one line."""


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set, N of them with D inputs each.

    inputs: [N, D] uint8 (images, raw pixels) or float32. targets: [N] int32 class labels, or [N] float32 in
    regression. clean_targets: [N] float32, the regression targets before noise was added, where they are known.
    """

    inputs: np.ndarray
    targets: np.ndarray
    clean_targets: np.ndarray | None = None

    def __len__(self) -> int:
        return self.inputs.shape[0]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """A data set split into train, validation and test rows.

    A network's input is `inputs.astype(float32) * input_scale + input_shift`; both are float32 and either [] or [D].
    input_shape: the shape of one row before flattening (grey images: height, width, 1; colour images,
    whose rows are channel-major: 3, height, width); its product is D.
    num_outputs: number of classes, or 1 in regression. validation: None in the `original` form.
    source: in words, where the arrays came from. info: facts that fit in JSON, such as the width of a teacher.
    Raises ValueError, naming the data set and the split, where the arrays contradict any of this.
    """

    name: str
    task: Task
    num_outputs: int
    train: Split
    validation: Split | None
    test: Split
    input_scale: np.ndarray
    input_shift: np.ndarray
    input_shape: tuple[int, ...]
    source: str
    info: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def num_inputs(self) -> int:
        """D, the length of a row."""
        return math.prod(self.input_shape)

    def fingerprint(self) -> dict[str, int]:
        """CRC-32 of inputs and targets by split, to tell whether two loads gave the same rows in the same order."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            name: zlib.crc32(split.targets.tobytes(), zlib.crc32(split.inputs.tobytes()))
            for name, split in splits.items()
            if split is not None
        }

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ValueError(f"{self.name}: task must be one of {', '.join(get_args(Task))}, got {self.task!r}")
        if self.num_outputs < 1 or (self.task == "regression" and self.num_outputs != 1):
            raise ValueError(f"{self.name}: {self.num_outputs} outputs do not fit {self.task}")
        num_inputs = self.num_inputs
        for field in ("input_scale", "input_shift"):
            _check_scaling(f"{self.name}: {field}", getattr(self, field), num_inputs)
        for field in ("train", "validation", "test"):
            split = getattr(self, field)
            if split is not None:
                _check_split(f"{self.name}: {field}", split, self.task, num_inputs, self.num_outputs)
        try:
            json.dumps(self.info, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.name}: info does not fit in JSON: {error}") from None


def _check_scaling(where: str, value: np.ndarray, num_inputs: int) -> None:
    if value.dtype != np.float32 or value.shape not in ((), (num_inputs,)):
        raise ValueError(f"{where} must be float32 [] or [{num_inputs}], got {value.dtype} {list(value.shape)}")
    if not np.isfinite(value).all():
        raise ValueError(f"{where} is not finite")


def _check_split(where: str, split: Split, task: Task, num_inputs: int, num_outputs: int) -> None:
    inputs, targets, clean = split.inputs, split.targets, split.clean_targets
    if inputs.ndim != 2 or inputs.shape[1] != num_inputs or inputs.shape[0] < 1:
        raise ValueError(f"{where} inputs must be [N, {num_inputs}] with N >= 1, got {list(inputs.shape)}")
    if inputs.dtype not in (np.uint8, np.float32):
        raise ValueError(f"{where} inputs must be uint8 or float32, got {inputs.dtype}")
    if inputs.dtype == np.float32 and not np.isfinite(inputs).all():
        raise ValueError(f"{where} inputs are not all finite")
    if task == "classification":
        _check_column(f"{where} targets", targets, np.int32, len(split))
        if targets.min() < 0 or targets.max() >= num_outputs:
            raise ValueError(f"{where} labels must lie in 0..{num_outputs - 1}, got {targets.min()}..{targets.max()}")
        if clean is not None:
            raise ValueError(f"{where} clean_targets are for regression only")
        return
    for field, column in (("targets", targets), ("clean_targets", clean)):
        if column is not None:
            _check_column(f"{where} {field}", column, np.float32, len(split))
            if not np.isfinite(column).all():
                raise ValueError(f"{where} {field} are not all finite")


def _check_column(where: str, column: np.ndarray, dtype: type, num_rows: int) -> None:
    if column.dtype != dtype or column.shape != (num_rows,):
        wanted = f"{np.dtype(dtype)} [{num_rows}]"
        raise ValueError(f"{where} must be {wanted}, got {column.dtype} {list(column.shape)}")
