"""The rows of a data set, placed on the devices."""

import numpy as np

from jaxsize.data import Dataset
from jaxsize.programs.batch import Batch
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.run_axis import RunAxis


def place_data(batch: Batch, axis: RunAxis) -> Data:
    """Copy the rows of a batch's data set to every device of an axis, as the programs of the batch read them."""
    dataset, splits = batch.dataset, splits_of(batch.dataset).values()
    inputs, targets = (np.concatenate(leaves) for leaves in zip(*splits, strict=True))
    return axis.replicate(Data(Rows(inputs, targets), dataset.input_scale, dataset.input_shift))


def splits_of(dataset: Dataset) -> dict[str, Rows]:
    """Collect the rows of every split by its name, the training rows first.

    Returns:
        `train`, `test`, `validation` if the data set has such rows, and `test_noiseless` if it knows the targets of the
        test rows without noise: the same inputs with those targets.
    """
    train, validation, test = dataset.train, dataset.validation, dataset.test
    splits = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
    rows = {name: Rows(split.inputs, split.targets) for name, split in splits.items()}
    if test.clean_targets is not None:
        rows["test_noiseless"] = Rows(test.inputs, test.clean_targets)
    return rows
