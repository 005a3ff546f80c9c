"""Data sets by name, as NumPy arrays: `load("digits")`. Importing this package reads no data and touches no device."""

from jaxsize.data import sets
from jaxsize.data.dataset import Dataset, DatasetNotFoundError, Form, Split, Task
from jaxsize.data.layout import as_images, flattened
from jaxsize.data.registry import NAMES, load
from jaxsize.data.splits import hold_out_batches

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetNotFoundError",
    "Form",
    "Split",
    "Task",
    "as_images",
    "flattened",
    "hold_out_batches",
    "load",
    "sets",
]
