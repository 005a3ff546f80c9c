"""Batch sizes by data set, and one scale for the penalties of all of them.

The journal is seed `003_d2c286111c329776.txt`, "Evaluate the system with very large starting sizes" (J16).
"""

from jaxsize.data import NAMES, Dataset

_BATCH_SIZES = {"add10": 100, "airfoil": 50, "airfoil_iid": 50, "poker": 1000, "digits": 32, "teacher": 32}
_SMALL_ROWS = 5000

_FACTORS = {"add10": 1e4, "airfoil": 1e4, "airfoil_iid": 1e4, "poker": 0.1}
_SUMMED = ("add10", "airfoil", "airfoil_iid")


def batch_size(dataset: Dataset) -> int:
    """Return the rows per step: the source's, 32 for own data of fewer than 5000 training rows, 128 for all others."""
    if dataset.name not in NAMES and len(dataset.train) < _SMALL_ROWS:
        return 32
    return _BATCH_SIZES.get(dataset.name, 128)


def penalty_scale(dataset: Dataset, batch_size: int) -> float:
    """Return the factor that turns a penalty, comparable between data sets, into what an open gate adds to a mean loss.

    The journal multiplies its penalties by 1e4 for regression, where it sums the loss over a batch instead of averaging
    it, and by .1 for poker. The loss of standardised targets is smaller by the variance of the targets, and so must the
    penalty be. Penalties of own data are not the journal's: they are added to the mean loss as they are.
    """
    if dataset.name not in NAMES:
        return 1.0
    rows = batch_size if dataset.name in _SUMMED else 1
    return _FACTORS.get(dataset.name, 1.0) / rows / dataset.info.get("target_std", 1.0) ** 2
