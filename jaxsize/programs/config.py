"""The settings that fix shapes and lengths of training."""

import dataclasses
from typing import Literal

from jaxsize.errors import InputError, require_choice


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The settings that fix shapes and lengths of training: static, Python values.

    Raises:
        InputError: when a number is below 1, or `shuffle` or `last_batch` is none of its values.

    Example:
        >>> from jaxsize.programs import Config
        >>> [Config(batch_size=32, last_batch=last).steps_per_epoch(100) for last in ("keep", "drop")]
        [4, 3]
    """

    batch_size: int = 128
    """Rows per step, 1 or more."""
    shuffle: Literal["per_run", "shared", "batches"] = "per_run"
    """`per_run`: the order of rows depends on the seed and the epoch; `shared`: on the epoch only, the same for every
    run; `batches`: as `per_run`, but an order of whole batches, whose rows stay together as the data set has them."""
    last_batch: Literal["keep", "drop"] = "keep"
    """The short batch at the end of an epoch is averaged over the rows it has (`keep`) or not trained on (`drop`)."""
    evaluation_batch_size: int = 2048
    """Rows that are evaluated at a time, 1 or more."""
    evaluated_train_rows: int | None = None
    """The number of training rows, the last ones, that are evaluated after an epoch, 1 or more; evaluating all of them
    takes about a third as long as training on them. The data set should hold its rows in random order. None: all."""

    def __post_init__(self) -> None:
        require_choice(self, "shuffle", "last_batch")
        for name in ("batch_size", "evaluation_batch_size", "evaluated_train_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"expected at least 1, got {value}", field=name)

    def steps_per_epoch(self, num_rows: int) -> int:
        """Count the steps of an epoch over so many training rows.

        Raises:
            InputError: when there is no step: fewer rows than a batch has, and the short batch is dropped.
        """
        full, rest = divmod(num_rows, self.batch_size)
        steps = full + (rest > 0 and self.last_batch == "keep")
        if not steps:
            raise InputError(f"{num_rows} rows hold no whole batch of {self.batch_size}", field="batch_size")
        return steps
