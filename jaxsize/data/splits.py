"""Validation rows for data sets that come without."""

import dataclasses

import numpy as np

from jaxsize.data.dataset import Dataset
from jaxsize.errors import InputError


def hold_out_batches(dataset: Dataset, batch_size: int, *, share: float = 0.1, seed: int = 0) -> Dataset:
    """Hold out the validation rows of the research journal: form batches once and validate on the last of them.

    The train rows come back in a random order and in whole batches, to be trained in any order of these batches
    (`Config.shuffle="batches"`). What is left in that order, a last incomplete batch included, validates.

    Args:
        dataset: one without validation rows.
        batch_size: rows of a batch, positive.
        share: the share of the batches that validates, above 0 and below 1; the journal's is a tenth.
        seed: draws the order of the rows.

    Raises:
        InputError: when the data set has validation rows, or too few rows for a batch to train and a row to validate.

    Example:
        >>> from jaxsize.data import hold_out_batches, load
        >>> dataset = load("teacher", form="original", task="regression", num_rows=100)
        >>> held_out = hold_out_batches(dataset, batch_size=8)
        >>> len(held_out.train), len(held_out.validation)
        (88, 12)
    """
    rows = len(dataset.train)
    kept = int((1 - share) * -(-rows // batch_size)) * batch_size
    if dataset.validation is not None or not 0 < kept < rows:
        raise InputError(
            f"{dataset.name}: expected no validation rows yet, and enough rows for batches of {batch_size} to train and"
            f" to validate, got {rows} rows"
        )
    order = np.random.default_rng(seed).permutation(rows)
    train, validation = dataset.train.rows(order[:kept]), dataset.train.rows(order[kept:])
    info = dataset.info | {"validation": f"the last {rows - kept} of {rows} rows in a random order"}
    return dataclasses.replace(dataset, train=train, validation=validation, info=info)
