"""One epoch of one run as a pure function, and many runs as one compiled program."""

from jaxsize.programs.batch import Batch
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import TrainState, init_state, make_epoch, row_order
from jaxsize.programs.evaluation import make_evaluate
from jaxsize.programs.run_axis import Device, Execution, RunAxis, describe_devices, stack, unstack, use_all_cores

__all__ = [
    "Batch",
    "Config",
    "Data",
    "Device",
    "Execution",
    "Rows",
    "RunAxis",
    "TrainState",
    "describe_devices",
    "init_state",
    "make_epoch",
    "make_evaluate",
    "row_order",
    "stack",
    "unstack",
    "use_all_cores",
]
