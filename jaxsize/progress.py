"""What a person sees while runs are trained."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm


class Progress:
    """A progress bar over epochs, with the numbers that matter; silent where standard error is no terminal."""

    def __init__(self, total_epochs: int):
        self._bar = tqdm(total=total_epochs, unit="epoch", disable=not sys.stderr.isatty(), leave=False)

    def expect(self, num_epochs: int) -> None:
        """That many epochs more than were known before."""
        self._bar.total += num_epochs
        self._bar.refresh()

    def advance(self, name: str, num_epochs: int, rows: Sequence[dict[str, Any]] = ()) -> None:
        self._bar.set_description(name)
        if rows and not self._bar.disable:
            shown = [key for key in rows[0] if key in ("train_loss", "test_accuracy", "test_error", "live_units")]
            self._bar.set_postfix({key: f"{np.mean([row[key] for row in rows]):.3g}" for key in shown})
        self._bar.update(num_epochs)

    def close(self) -> None:
        self._bar.close()
