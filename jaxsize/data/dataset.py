"""What every data set looks like once it is loaded: `Dataset`, three `Split`s and how to scale the inputs."""

import dataclasses
import json
import math
import zlib
from typing import Any, Literal, get_args

import numpy as np

from jaxsize.errors import InputError

Task = Literal["classification", "regression"]
Form = Literal["corrected", "original"]
"""`original`: splits and scaling of the experiments that are reproduced. `corrected`: with validation rows."""


class DatasetNotFoundError(InputError):
    """The error raised where the files of a data set are missing and cannot be downloaded; its message is one line.

    Example:
        >>> import tempfile
        >>> from jaxsize.data import DatasetNotFoundError, load
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     try:
        ...         load("cifar10", data_dir=folder)
        ...     except DatasetNotFoundError as error:
        ...         print(str(error).split(",")[0])
        cifar10: data_batch_1.bin
    """


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set, N of them with D inputs each; `len` is N.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data import Split
        >>> len(Split(inputs=np.zeros((3, 2), np.float32), targets=np.array([0, 1, 0], np.int32)))
        3
    """

    inputs: np.ndarray
    """[N, D] uint8 (images, raw pixels) or float32."""
    targets: np.ndarray
    """[N] int32 class labels or, in regression, [N] float32."""
    clean_targets: np.ndarray | None = None
    """[N] float32: in regression, the targets before noise was added, where they are known."""

    def __len__(self) -> int:
        return self.inputs.shape[0]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """A data set split into train, validation and test rows.

    A network's input is `inputs.astype(float32) * input_scale + input_shift`.

    Raises:
        InputError: when the arrays contradict what is said of the fields here or in `Split`, naming the data set and
            the split.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data import Dataset, Split
        >>> rows = Split(np.array([[0, 255], [255, 0]], np.uint8), np.array([0, 1], np.int32))
        >>> dataset = Dataset(
        ...     name="toy",
        ...     task="classification",
        ...     num_outputs=2,
        ...     train=rows,
        ...     validation=None,
        ...     test=rows,
        ...     input_scale=np.asarray(1 / 255, np.float32),
        ...     input_shift=np.asarray(0, np.float32),
        ...     input_shape=(2,),
        ...     source="typed in",
        ... )
        >>> (dataset.train.inputs.astype(np.float32) * dataset.input_scale + dataset.input_shift).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """

    name: str
    """As `load` knows it."""
    task: Task
    num_outputs: int
    """Number of classes, or 1 in regression."""
    train: Split
    validation: Split | None
    """None in the `original` form."""
    test: Split
    input_scale: np.ndarray
    """float32 [] or [D]."""
    input_shift: np.ndarray
    """float32 [] or [D]."""
    input_shape: tuple[int, ...]
    """Shape of one row before flattening; its product is D.

    Grey images: height, width, 1. Colour images, whose rows are channel-major: 3, height, width.
    """
    source: str
    """Where the arrays came from, in words."""
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Facts that fit in JSON, such as the width of a teacher."""

    @property
    def num_inputs(self) -> int:
        """D, the length of a row."""
        return math.prod(self.input_shape)

    def fingerprint(self) -> dict[str, int]:
        """Compute the CRC-32 of inputs and targets of every split.

        Two loads that gave the same rows in the same order have the same fingerprint.
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            name: zlib.crc32(split.targets.tobytes(), zlib.crc32(split.inputs.tobytes()))
            for name, split in splits.items()
            if split is not None
        }

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise InputError(f"{self.name}: task must be one of {', '.join(get_args(Task))}, got {self.task!r}")
        if self.num_outputs < 1 or (self.task == "regression" and self.num_outputs != 1):
            raise InputError(f"{self.name}: {self.num_outputs} outputs do not fit {self.task}")
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
            raise InputError(f"{self.name}: info does not fit in JSON: {error}") from None


def _check_scaling(where: str, value: np.ndarray, num_inputs: int) -> None:
    if value.dtype != np.float32 or value.shape not in ((), (num_inputs,)):
        raise InputError(f"{where} must be float32 [] or [{num_inputs}], got {value.dtype} {list(value.shape)}")
    if not np.isfinite(value).all():
        raise InputError(f"{where} is not finite")


def _check_split(where: str, split: Split, task: Task, num_inputs: int, num_outputs: int) -> None:
    inputs, targets, clean = split.inputs, split.targets, split.clean_targets
    if inputs.ndim != 2 or inputs.shape[1] != num_inputs or inputs.shape[0] < 1:
        raise InputError(f"{where} inputs must be [N, {num_inputs}] with N >= 1, got {list(inputs.shape)}")
    if inputs.dtype not in (np.uint8, np.float32):
        raise InputError(f"{where} inputs must be uint8 or float32, got {inputs.dtype}")
    if inputs.dtype == np.float32 and not np.isfinite(inputs).all():
        raise InputError(f"{where} inputs are not all finite")
    if task == "classification":
        _check_column(f"{where} targets", targets, np.int32, len(split))
        if targets.min() < 0 or targets.max() >= num_outputs:
            raise InputError(f"{where} labels must lie in 0..{num_outputs - 1}, got {targets.min()}..{targets.max()}")
        if clean is not None:
            raise InputError(f"{where} clean_targets are for regression only")
        return
    for field, column in (("targets", targets), ("clean_targets", clean)):
        if column is not None:
            _check_column(f"{where} {field}", column, np.float32, len(split))
            if not np.isfinite(column).all():
                raise InputError(f"{where} {field} are not all finite")


def _check_column(where: str, column: np.ndarray, dtype: type, num_rows: int) -> None:
    if column.dtype != dtype or column.shape != (num_rows,):
        wanted = f"{np.dtype(dtype)} [{num_rows}]"
        raise InputError(f"{where} must be {wanted}, got {column.dtype} {list(column.shape)}")
