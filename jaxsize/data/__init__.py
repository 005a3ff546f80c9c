"""Data sets by name, and a user's own, as NumPy arrays: `load("digits")`, `from_arrays(inputs, targets)`.

Importing this package reads no data and touches no device.
"""

from jaxsize.data import sets
from jaxsize.data.arrays import from_arrays
from jaxsize.data.dataset import Dataset, DatasetNotFoundError, Form, Split, Task
from jaxsize.data.image_folders import from_image_folder
from jaxsize.data.layout import as_images, flattened
from jaxsize.data.noise import noise_like
from jaxsize.data.npz import from_npz
from jaxsize.data.pixels import as_pixels
from jaxsize.data.registry import NAMES, load
from jaxsize.data.splits import hold_out_batches
from jaxsize.data.tables import from_table

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetNotFoundError",
    "Form",
    "Split",
    "Task",
    "as_images",
    "as_pixels",
    "flattened",
    "from_arrays",
    "from_image_folder",
    "from_npz",
    "from_table",
    "hold_out_batches",
    "load",
    "noise_like",
    "sets",
]
