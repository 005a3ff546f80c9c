"""Data sets by name, as NumPy arrays: `load("digits")`. Importing this package reads no data and touches no device."""

from jaxsize.datasets._dataset import Dataset as Dataset
from jaxsize.datasets._dataset import DatasetNotFoundError as DatasetNotFoundError
from jaxsize.datasets._dataset import Form as Form
from jaxsize.datasets._dataset import Split as Split
from jaxsize.datasets._dataset import Task as Task
from jaxsize.datasets.registry import NAMES as NAMES
from jaxsize.datasets.registry import load as load
