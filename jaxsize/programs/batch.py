"""A batch of runs: what is trained together, and the settings of its training."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.learner import Learner
from jaxsize.programs.config import Config
from jaxsize.resizing.shrinking import Shrinking
from jaxsize.resizing.widening import Widening
from jaxsize.trees import Tree

HISTORIES = {"loss": lambda history: history["loss"], "observed": lambda history: history["observed"].sum(-1)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch of runs of the same shapes, trained by one program: seeds combined with swept values, or any other list.

    Raises:
        InputError: when the learner has no setting that `hparams` gives, or no `outputs` while units are to be removed
            or added; when `time_limit` is not above 0; when `epochs_of` does not hold a whole number from 1 to
            `num_epochs` for every run, the largest among them; when both `widening` and `shrinking` are given; when
            whole batches are shuffled, but the training rows are no multiple of `config.batch_size`.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data import load
        >>> from jaxsize.learners import task_of
        >>> from jaxsize.learners.plain import PlainConfig, make_learner
        >>> from jaxsize.networks import mlp
        >>> from jaxsize.programs import Batch, Config
        >>> dataset = load("teacher", num_rows=40, num_inputs=3, width=2, num_classes=3)
        >>> network = mlp((3, 4, 3), gate=None)
        >>> batch = Batch(  # one seed, two learning rates
        ...     name="rates",
        ...     labels=[{"run": 0, "seed": 0, "rate": 0.1}, {"run": 1, "seed": 0, "rate": 0.01}],
        ...     init=lambda index: network.init(seed=0) | {"inputs": {"scale": np.float32(1)}},
        ...     num_parameters=31,
        ...     hparams={"learning_rate": np.array([0.1, 0.01])},
        ...     learner=make_learner(network, task_of(dataset), PlainConfig()),
        ...     dataset=dataset,
        ...     config=Config(batch_size=8),
        ...     num_epochs=5,
        ...     columns=lambda before, after: {},
        ...     histories={"loss": lambda history: history["loss"]},
        ... )
        >>> len(batch), batch.epochs(0), batch.steps_per_epoch, batch.input_shape.shape
        (2, 5, 5, (8, 3))
    """

    name: str
    """Names the batch within its study; used as a file name."""
    labels: Sequence[dict[str, Any]]
    """One per run: the columns that identify it in every row; `run` (unique in the study), `seed`, swept values, ..."""
    init: Callable[[int], Tree]
    """Index of a run within the batch -> its initial parameters (NumPy)."""
    num_parameters: int
    """Parameters of one run, to judge its size before any is drawn."""
    hparams: Any
    """Settings of the runs, some of `Learner.defaults` by name: numbers, or arrays [R] of one number per run. For
    learners with a number per layer: trees of these. They are kept as `Hparams` of arrays float32 [R], with the
    defaults of the others."""
    learner: Learner
    dataset: Dataset
    config: Config
    num_epochs: int
    """Epochs of the runs that are trained longest."""
    columns: Callable[[np.ndarray, np.ndarray], dict[str, Any]]
    """The learner's observations of a run before and after an epoch -> the columns they add to the run's row."""
    histories: Mapping[str, Callable[[Tree], np.ndarray]] = dataclasses.field(default_factory=lambda: HISTORIES)
    """What is kept of every step, in steps/NAME.KEY.npy, by KEY: the history of an epoch of a run -> [steps]."""
    shrinking: Shrinking | None = dataclasses.field(default_factory=Shrinking)
    """When dead units are removed while training, and runs regrouped by size. None: never, they are only masked."""
    widening: Widening | None = None
    """How layers with a trained size get more units while training. None: they keep their widths. Not together with
    `shrinking`."""
    epochs_of: Sequence[int] | None = None
    """Epochs of every run. A run that has had its own ends, and the others go on. None: all have `num_epochs`."""
    select: str | None = None
    """The column of the rows by which the network of every run is chosen, such as "validation_accuracy": the network of
    the best epoch before a layer lost all its units. None: the network after the last epoch."""
    time_limit: float = math.inf
    """No epoch starts after so many seconds of training."""
    stop_on_collapse: bool = False
    """No epoch starts once every run that still trains has a layer without a live unit."""

    def __post_init__(self) -> None:
        if not self.time_limit > 0:
            raise InputError(f"expected seconds above 0, got {self.time_limit}", field="time_limit")
        if self.epochs_of is not None:
            whole = len(self.epochs_of) == len(self) and all(n >= 1 and int(n) == n for n in self.epochs_of)
            if not whole or max(self.epochs_of) != self.num_epochs:
                expected = f"{len(self)} whole numbers from 1 to {self.num_epochs}, the largest among them"
                raise InputError(f"expected {expected}, got {list(self.epochs_of)}", field="epochs_of")
        if self.widening is not None and self.shrinking is not None:
            raise InputError("expected shrinking=None beside a widening, got both", field="widening")
        if self.learner.outputs is None and (self.widening or self.shrinking):
            what = "widening" if self.widening else "shrinking"
            raise InputError("expected None for a learner without outputs, whose unit groups are unknown", field=what)
        if self.config.shuffle == "batches" and len(self.dataset.train) % self.config.batch_size:
            raise InputError(
                f"batches need whole ones, but {len(self.dataset.train)} rows are no multiple of "
                f"{self.config.batch_size}",
                field="shuffle",
            )
        hparams = jax.tree.map(
            lambda value: np.array(np.broadcast_to(np.asarray(value, np.float32), len(self))),
            self.learner.hparams(**self.hparams),
        )
        object.__setattr__(self, "hparams", hparams)

    def __len__(self) -> int:
        return len(self.labels)

    def epochs(self, index: int) -> int:
        """Tell how many epochs a run of the batch is trained, given its index."""
        return self.num_epochs if self.epochs_of is None else self.epochs_of[index]

    @property
    def input_shape(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of the rows of one step, as the network reads them: float32 or int32 [batch_size, ...]."""
        return self.dataset.network_inputs(self.config.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch over the training rows."""
        return self.config.steps_per_epoch(len(self.dataset.train))
