"""What a person sees while runs are trained."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

PIPED_SECONDS = 60.0
"""Where standard error is no terminal, a line is printed to it no more often than this."""


class Progress:
    """A progress bar over epochs, with the numbers that matter; a line a minute where standard error is no terminal.

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
        self._piped = not sys.stderr.isatty()
        self._bar = tqdm(total=total_epochs, unit="epoch", disable=self._piped, leave=False)
        self._start = self._told = time.monotonic()
        self._done, self._total = 0, total_epochs

    def expect(self, num_epochs: int) -> None:
        """Add epochs that were not known of before to the total."""
        self._total += num_epochs
        self._bar.total = self._total
        self._bar.refresh()

    def advance(self, name: str, num_epochs: int, rows: Sequence[dict[str, Any]] = ()) -> None:
        """Move the bar on.

        Args:
            name: name of the batch that is trained.
            num_epochs: epochs done since the last call.
            rows: rows of the last epoch; the means over runs of their loss, score and live units are shown.
        """
        self._done += num_epochs
        if self._piped:
            if (now := time.monotonic()) - self._told >= PIPED_SECONDS:
                self._told = now
                means = "".join(f", {key} {mean}" for key, mean in _means(rows).items())
                text = f"{self._done} of {self._total} epochs in {now - self._start:.0f} s; {name}{means}"
                print(text, file=sys.stderr, flush=True)
            return
        self._bar.set_description(name)
        if rows:
            self._bar.set_postfix(_means(rows))
        self._bar.update(num_epochs)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    row = rows[0] if rows else {}
    scores = [key for key in row if key.startswith("test_") and not key.endswith("loss")]
    shown = [key for key in row if key in ("train_loss", *scores[:1], "live_units")]
    numbers = {key: np.array([row[key] for row in rows], float) for key in shown}  # None becomes NaN
    return {key: f"{values.mean():.3g}" for key, values in numbers.items()}
