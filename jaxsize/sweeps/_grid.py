"""What all sweeps make of their lists of settings: the labels of runs, and a setting as an array."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def numbered(label: Mapping[str, Any], settings: Sequence[Mapping[str, Any]], first_run: int) -> list[dict[str, Any]]:
    """Label the runs of a batch, one per setting: shared columns, `run` from `first_run` on, the run's own settings."""
    return [{**label, "run": first_run + index, **setting} for index, setting in enumerate(settings)]


def column(settings: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Collect one setting of every run, float32: [R], or [R, N] where the setting is a list of N numbers."""
    return np.array([setting[key] for setting in settings], np.float32)
