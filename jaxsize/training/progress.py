"""What a person sees while runs are trained."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm


class Progress:
    """A progress bar over epochs, with the numbers that matter; silent where standard error is no terminal.

    Args:
        total_epochs: epochs of all batches of the study.

    Example:
        >>> from jaxsize.training import Progress
        >>> class Printed(Progress):  # to see what training tells of its progress
        ...     def advance(self, name, num_epochs, rows=()):
        ...         super().advance(name, num_epochs, rows)
        ...         print(name, num_epochs, [row["test_accuracy"] for row in rows])
        >>> progress = Printed(total_epochs=2)
        >>> progress.advance("mnist", 1, [{"run": 0, "test_accuracy": 0.91}, {"run": 1, "test_accuracy": 0.93}])
        mnist 1 [0.91, 0.93]
        >>> progress.close()
    """

    def __init__(self, total_epochs: int):
        self._bar = tqdm(total=total_epochs, unit="epoch", disable=not sys.stderr.isatty(), leave=False)

    def expect(self, num_epochs: int) -> None:
        """Add epochs that were not known of before to the total."""
        self._bar.total += num_epochs
        self._bar.refresh()

    def advance(self, name: str, num_epochs: int, rows: Sequence[dict[str, Any]] = ()) -> None:
        """Move the bar on.

        Args:
            name: name of the batch that is trained.
            num_epochs: epochs done since the last call.
            rows: rows of the last epoch; the means over runs of their loss, score and live units are shown.
        """
        self._bar.set_description(name)
        if rows and not self._bar.disable:
            shown = [key for key in rows[0] if key in ("train_loss", "test_accuracy", "test_error", "live_units")]
            self._bar.set_postfix({key: f"{np.mean([row[key] for row in rows]):.3g}" for key in shown})
        self._bar.update(num_epochs)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
