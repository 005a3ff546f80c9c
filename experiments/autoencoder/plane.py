"""The latent plane: what the latent units put out for images whose classes are known, which training never sees.

`measured/BATCH.plane.npz` holds, of every run of a batch, what its latent units put out for the first test images, how
their classes lie there, and what became of some images.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.autoencoder.contestants import network_of
from jaxsize.results import Folder
from jaxsize.results.step_arrays import write_arrays
from jaxsize.studies import ArmView, Learned, Setup
from jaxsize.studies.opening import load_datasets
from jaxsize.units import activations

NEIGHBOURS = 10
MOST_ROWS = 2000
"""Test images that are laid out, at most; of the training images, whose classes are known, five times as many."""
EXAMPLES = 10


class Classes(NamedTuple):
    """How classes lie in the latent plane of one network."""

    silhouettes: np.ndarray
    """The mean silhouette of every class, [C]: 1 far from the others, 0 on the border, below 0 among another class."""
    named: np.ndarray
    """By class and by the class that the nearest training images have: the share of its test images, [C, C]."""


def labels_of(setup: Setup) -> tuple[np.ndarray, np.ndarray] | None:
    """Load the classes of the training and the test rows, in the order of the rows; None where there are no classes."""
    for dataset in load_datasets(setup.flags, setup.form):
        if dataset.name == setup.dataset.name and dataset.task == "classification":
            kept = len(setup.dataset.train), len(setup.dataset.test)
            splits = (dataset.train, dataset.test)
            return tuple(split.targets[:count] for split, count in zip(splits, kept, strict=True))
    return None


def classes_in(train: np.ndarray, of_train: np.ndarray, test: np.ndarray, of_test: np.ndarray) -> Classes:
    """Measure how classes lie in a latent plane.

    Args:
        train: what the latent units put out for training images, [N, units].
        of_train: their classes, whole numbers from 0 on, [N].
        test: the same for test images, [M, units].
        of_test: their classes, [M].

    Returns:
        Silhouettes are those of the test images; a test image is named by most of its nearest training images. NaN of
        classes that the test images lack, and where outputs are not finite.

    Example:
        >>> import numpy as np
        >>> from experiments.autoencoder.plane import classes_in
        >>> place, of = np.repeat([[0.0], [9.0]], 20, axis=0) + np.linspace(0, 1, 40)[:, None], np.repeat([0, 1], 20)
        >>> classes_in(place, of, place, of).named.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    from sklearn.metrics import confusion_matrix, silhouette_samples
    from sklearn.neighbors import KNeighborsClassifier

    count = int(max(of_train.max(), of_test.max())) + 1
    if not (np.isfinite(train).all() and np.isfinite(test).all()) or len(np.unique(of_test)) < 2:
        return Classes(np.full(count, np.nan), np.full((count, count), np.nan))
    samples = np.asarray(silhouette_samples(test, of_test))
    found: Any = KNeighborsClassifier(min(NEIGHBOURS, len(train))).fit(train, of_train).predict(test)
    sums = confusion_matrix(of_test, found, labels=np.arange(count))
    totals = sums.sum(axis=1)
    with np.errstate(invalid="ignore"):
        named = sums / totals[:, None]
        silhouettes = np.bincount(of_test, samples, count) / totals
    return Classes(silhouettes, named)


def measure_planes(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Measure the networks that were trained at their chosen rates, and write what is found; a check of the study."""
    (folder.path / "measured").mkdir(exist_ok=True)
    labels, dataset = labels_of(setup), setup.dataset
    train, test = (dataset.as_inputs(split.inputs) for split in (dataset.train, dataset.test))
    examples: Any = np.arange(min(EXAMPLES, len(test)))
    if labels is not None:
        examples = np.unique(labels[1], return_index=True)[1]
    train, shown = train[: 5 * MOST_ROWS], test[:MOST_ROWS]
    images: Any = test[examples]
    for batch, trained in learned.values():
        if batch.labels[0]["arm"] not in setup.flags.optimizers:
            continue
        network = network_of(setup.flags, dataset, batch.labels[0]["structure"])
        latent = jax.jit(functools.partial(_latent, network.apply))
        params = [network.params for network in trained.networks]
        planes = [[np.asarray(latent(one, rows)) for rows in (train, shown)] for one in params]
        found: dict[str, Any] = {
            "run": [label["run"] for label in batch.labels],
            "inputs": images,
            "outputs": [jax.nn.sigmoid(network.apply(one, images)) for one in params],
            "plane": [of_test for _, of_test in planes],
        }
        if labels is not None:
            of_train, of_test = labels[0][: len(train)], labels[1][: len(shown)]
            classes = [classes_in(one, of_train, other, of_test) for one, other in planes]
            found |= {"labels": of_test}
            found |= {name: [getattr(one, name) for one in classes] for name in Classes._fields}
        write_arrays(path_of(folder, batch.name), **{name: np.asarray(values) for name, values in found.items()})
    return {}


def _latent(apply: Any, params: Any, rows: jax.Array) -> jax.Array:
    return activations(apply, params, rows, names=["latent"])["latent"]


def path_of(folder: Folder, batch: str) -> Path:
    """Return the path of what was measured of the networks of a batch."""
    return folder.path / "measured" / f"{batch}.plane.npz"


def planes_of(view: ArmView) -> dict[str, np.ndarray]:
    """Read all that was measured of runs of one structure.

    Returns:
        `inputs` [images, D], `outputs` [runs, images, D], `plane` [runs, rows, units]; and where the images have
        classes `labels` [rows], `silhouettes` [runs, C] and `named` [runs, C, C], of `Classes`. Runs are in the order
        of seeds.
    """
    (batch,) = {path[0]["batch"] for path in view.paths.values()}
    with np.load(path_of(view.runs.folder, batch)) as file:
        return dict(file)


def read_plane(view: ArmView, name: str) -> np.ndarray:
    """Read one of the measures of `planes_of`."""
    return planes_of(view)[name]
