"""A batch of runs trained to the end: rows, histories, checkpoints, dead units removed, resumed after a kill."""

from jaxsize.training import epoch_times
from jaxsize.training._team import FinalNetwork
from jaxsize.training._train import Trained, require_room, train
from jaxsize.training.progress import Progress

__all__ = [
    "FinalNetwork",
    "Progress",
    "Trained",
    "epoch_times",
    "require_room",
    "train",
]
