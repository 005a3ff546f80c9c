"""When networks change their size while they train: narrower, in few widths, or wider."""

from jaxsize.resizing.buckets import bucket
from jaxsize.resizing.convergence import converged_epoch
from jaxsize.resizing.shrinking import Shrinking
from jaxsize.resizing.widening import Widening, widen

__all__ = [
    "Shrinking",
    "Widening",
    "bucket",
    "converged_epoch",
    "widen",
]
