"""Batch sizes by data set, and one scale for the penalties of all of them.

The journal is seed `003_d2c286111c329776.txt`, "Evaluate the system with very large starting sizes" (J16).
"""

from jaxsize.data import Dataset

BATCH_SIZES = {"add10": 100, "airfoil": 50, "airfoil_iid": 50, "poker": 1000, "digits": 32, "teacher": 32}
"""Rows per step, 128 for other data sets."""

_FACTORS = {"add10": 1e4, "airfoil": 1e4, "airfoil_iid": 1e4, "poker": 0.1}
_SUMMED = ("add10", "airfoil", "airfoil_iid")


def penalty_scale(dataset: Dataset, batch_size: int) -> float:
    """Return the factor that turns a penalty, comparable between data sets, into what an open gate adds to a mean loss.

    The journal multiplies its penalties by 1e4 for regression, where it sums the loss over a batch instead of averaging
    it, and by .1 for poker. The loss of standardised targets is smaller by the variance of the targets, and so must the
    penalty be.
    """
    rows = batch_size if dataset.name in _SUMMED else 1
    return _FACTORS.get(dataset.name, 1.0) / rows / dataset.info.get("target_std", 1.0) ** 2
