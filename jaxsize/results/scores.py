"""How columns of scores are named: SPLIT_NAME, such as "test_accuracy"; the name says which way is better."""

from collections.abc import Iterable

SPLITS = ("train", "validation", "test")


def score_sign(column: str) -> int:
    """Say which way a score is better: -1 if less is, as the name ends in "error" or "loss", 1 if more is.

    Example:
        >>> from jaxsize.results import score_sign
        >>> score_sign("test_accuracy"), score_sign("test_mean_absolute_error")
        (1, -1)
    """
    return -1 if column.endswith(("error", "loss")) else 1


def score_columns(columns: Iterable[str], split: str) -> list[str]:
    """List the columns of a split's scores without its loss, in the order of the columns.

    All splits have the same scores; the first one that has any tells which.

    Args:
        columns: the columns of a row.
        split: "train", "validation" or "test".

    Example:
        >>> from jaxsize.results import score_columns
        >>> score_columns(["run", "train_loss", "train_r2", "train_error", "test_loss", "test_r2"], "train")
        ['train_r2', 'train_error']
    """
    columns = list(columns)
    for known in SPLITS:
        names = [name.removeprefix(f"{known}_") for name in columns if name.startswith(f"{known}_")]
        scores = [name for name in names if name != "loss" and not name.startswith(("noiseless_", "balanced_"))]
        if scores:
            return [f"{split}_{name}" for name in scores]
    return []
