"""The rows of a data set, placed on the devices."""

import numpy as np

from jaxsize.data import Dataset
from jaxsize.programs.batch import Batch
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.run_axis import RunAxis


def place_data(batch: Batch, axis: RunAxis) -> Data:
    """Copy the rows of a batch's data set to every device of an axis, as the programs of the batch read them."""
    dataset, splits = batch.dataset, list(splits_of(batch.dataset).values())
    inputs = np.concatenate([rows.inputs for rows in splits])
    targets = [rows.targets for rows in splits if rows.targets is not None]
    weights = None
    if any(rows.weights is not None for rows in splits):
        alike = (np.ones(rows.num_rows, np.float32) if rows.weights is None else rows.weights for rows in splits)
        weights = _as_multiples(np.concatenate(list(alike)), splits[0].num_rows)
    rows = Rows(inputs, np.concatenate(targets) if targets else None, weights)
    return axis.replicate(Data(rows, dataset.input_scale, dataset.input_shift))


def _as_multiples(weights: np.ndarray, num_train: int) -> np.ndarray:
    """Divide weights by the average of those above 0 of the training rows, which come first."""
    train = weights[:num_train].astype(float)
    return (weights / train[train > 0].mean()).astype(np.float32)


def splits_of(dataset: Dataset) -> dict[str, Rows]:
    """Collect the rows of every split by its name, the training rows first.

    Returns:
        `train`, `test`, `validation` if the data set has such rows, and `test_noiseless` if it knows the targets of the
        test rows without noise: the same inputs with those targets.
    """
    train, validation, test = dataset.train, dataset.validation, dataset.test
    splits = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
    rows = {name: Rows(split.inputs, split.targets, split.weights) for name, split in splits.items()}
    if test.clean_targets is not None:
        rows["test_noiseless"] = Rows(test.inputs, test.clean_targets, test.weights)
    return rows
