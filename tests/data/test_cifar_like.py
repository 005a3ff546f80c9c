"""`cifar_like`, the synthetic set shaped like CIFAR-10."""

import numpy as np
import pytest

from jaxsize.data import Dataset, Split, load
from jaxsize.data.sets.cifar_like import _fields


def pixels_of(split: Split | None) -> list[bytes]:
    assert split is not None
    return [row.tobytes() for row in split.inputs]


def best_linear_score(dataset: Dataset) -> float:
    """Test accuracy of a ridge regression to the classes from the means of 4 x 4 pixels."""

    def features(split: Split) -> np.ndarray:
        blocks = (split.inputs.astype(np.float64) / 64 - 2).reshape(-1, 3, 8, 4, 8, 4).mean(axis=(3, 5))
        return np.concatenate([blocks.reshape(len(split), -1), np.ones((len(split), 1))], axis=1)

    inputs, classes = features(dataset.train), np.eye(10)[dataset.train.targets]
    kernel = np.linalg.solve(inputs.T @ inputs + 10 * np.eye(inputs.shape[1]), inputs.T @ classes)
    return float(np.mean((features(dataset.test) @ kernel).argmax(axis=1) == dataset.test.targets))


def test_cifar_like_is_drawn_by_the_seed_and_shaped_like_cifar10():
    first, again, other = (load("cifar_like", form="original", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint() == again.fingerprint()
    assert set(first.fingerprint().values()).isdisjoint(other.fingerprint().values())
    assert first.validation is None
    assert (first.train.inputs.shape, first.test.inputs.shape) == ((4000, 3072), (1000, 3072))
    assert first.train.inputs.dtype == np.uint8
    assert (first.num_outputs, first.input_shape) == (10, (3, 32, 32))
    assert np.bincount(first.train.targets).tolist() == [400] * 10
    assert np.bincount(first.test.targets).tolist() == [100] * 10
    assert len(set(pixels_of(first.train) + pixels_of(first.test))) == 5000
    assert first.input_scale == np.float32(1 / 255) and first.input_shift == 0
    assert first.train.inputs.min() < 32 and first.train.inputs.max() > 223
    assert 120 < first.train.inputs.mean() < 136

    corrected = load("cifar_like", standardize=True)
    assert (len(corrected.train), len(pixels_of(corrected.validation))) == (3200, 800)
    assert sorted(pixels_of(corrected.train) + pixels_of(corrected.validation)) == sorted(pixels_of(first.train))
    assert pixels_of(corrected.test) == pixels_of(first.test)
    assert corrected.input_scale.shape == (3072,)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cifar_like_can_be_learnt_but_not_solved(seed):
    assert 0.5 < best_linear_score(load("cifar_like", seed=seed)) < 0.8


def test_smooth_fields_are_linear_between_knots_and_exact():
    field = _fields(np.random.default_rng(0), 7).reshape(7, 3, 32, 32)
    np.testing.assert_array_equal(field[..., 4, :], (field[..., 0, :] + field[..., 8, :]) / 2)
    np.testing.assert_array_equal(field[..., :, 9], field[..., :, 8] * 0.875 + field[..., :, 16] * 0.125)
    np.testing.assert_array_equal(field * 4096, np.rint(field * 4096))
    assert abs(_fields(np.random.default_rng(0), 2000)[:, 0].std() - 1) < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"standardize": 1}, "standardize must be True or False, got 1"),
        ({"standardise": True}, "unknown option 'standardise'; its options: standardize"),
    ],
)
def test_wrong_options_are_one_line(options, message):
    with pytest.raises(ValueError, match=f"^cifar_like: {message}$"):
        load("cifar_like", **options)
