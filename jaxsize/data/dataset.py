"""What every data set looks like once it is loaded: `Dataset`, three `Split`s and how to scale the inputs."""

import dataclasses
import math
import zlib
from typing import Any, Literal

import jax
import numpy as np

from jaxsize.data._checks import check_dataset
from jaxsize.errors import InputError

Task = Literal["classification", "regression", "reconstruction", "custom"]
"""What the targets are: labels; numbers; the network's inputs themselves; whatever a loss of the user's own reads."""
_MaybeArray = Any
"""An array, or None: whoever knows the task, or that inputs are no tokens, need not ask which."""
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
    """Rows of a data set, N of them, each of the same shape; `len` is N.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data import Split
        >>> len(Split(inputs=np.zeros((3, 2), np.float32), targets=np.array([0, 1, 0], np.int32)))
        3
    """

    inputs: np.ndarray
    """[N, ...] uint8 (images, raw pixels) or float32, which are scaled; or int32 (tokens), which never are."""
    targets: _MaybeArray
    """classification: int32 [N] class labels. regression: float32 [N], or [N, O] with several outputs. custom: int32 or
    float32 [N, ...]. None in reconstruction, and where a custom loss compares with the inputs: the targets are then the
    network's inputs."""
    clean_targets: np.ndarray | None = None
    """As `targets`, float32: in regression, the targets before noise was added, where they are known."""
    weights: np.ndarray | None = None
    """[N] float32, 0 or more and not all 0: how much each row counts in losses and scores. None: all alike."""

    def __len__(self) -> int:
        return self.inputs.shape[0]

    def rows(self, index: np.ndarray) -> "Split":
        """Pick some rows.

        Args:
            index: integers [M], numbers of rows.
        """
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        picked: dict[str, Any] = {name: None if of is None else of[index] for name, of in columns.items()}
        return Split(**picked)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """A data set split into train, validation and test rows.

    A network's input is `inputs.astype(float32) * input_scale + input_shift`, or the tokens as they are.

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
        >>> dataset.as_inputs(dataset.train.inputs).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
        >>> dataset.row_shape, dataset.network_inputs(32)
        ((2,), ShapeDtypeStruct(shape=(32, 2), dtype=float32))
    """

    name: str
    """As `load` knows it, or chosen by the user."""
    task: Task
    num_outputs: int
    """Number of classes; of numbers to be predicted in regression; D in reconstruction."""
    train: Split
    validation: Split | None
    """None in the `original` form."""
    test: Split
    input_scale: _MaybeArray
    """float32 [], or as long as the last axis of the inputs: [D] of flat rows, [C] of images. None for tokens."""
    input_shift: _MaybeArray
    """As `input_scale`."""
    input_shape: tuple[int, ...]
    """Shape of one row, before flattening if it is flat; its product is D.

    Grey images: height, width, 1. Colour images: height, width, channels, or the other way round: see `channels_first`.
    """
    source: str
    """Where the arrays came from, in words."""
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Facts that fit in JSON, such as the width of a teacher."""
    channels_first: bool = False
    """Whether flat rows hold all of the first channel, then all of the second, ...; `input_shape` is then channels,
    height, width."""

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row as the arrays hold it: [D], or [H, W, C], ..."""
        return self.train.inputs.shape[1:]

    @property
    def num_inputs(self) -> int:
        """D, how many numbers a row has."""
        return math.prod(self.input_shape)

    def network_inputs(self, batch_size: int) -> jax.ShapeDtypeStruct:
        """Tell the shape and the dtype of a batch of network inputs: float32, or int32 for tokens, [B, ...].

        Args:
            batch_size: B, the rows of a batch.
        """
        dtype = np.dtype(np.int32 if self.input_scale is None else np.float32)
        return jax.ShapeDtypeStruct((batch_size, *self.row_shape), dtype)

    def as_inputs(self, rows: np.ndarray) -> np.ndarray:
        """Turn inputs of a split into what a network gets: scaled float32, or the tokens as they are.

        Args:
            rows: inputs of some rows, [N, ...].
        """
        if self.input_scale is None:
            return rows
        return np.asarray(rows, np.float32) * self.input_scale + self.input_shift

    def fingerprint(self) -> dict[str, int]:
        """Compute the CRC-32 of inputs, targets and weights of every split.

        Two loads that gave the same rows in the same order have the same fingerprint.
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: _crc(split) for name, split in splits.items() if split is not None}

    def __post_init__(self) -> None:
        check_dataset(self)


def _crc(split: Split) -> int:
    crc = 0
    for column in (split.inputs, split.targets, split.weights):
        crc = crc if column is None else zlib.crc32(column.tobytes(), crc)
    return crc
