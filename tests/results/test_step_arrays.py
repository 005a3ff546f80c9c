"""step_arrays.py against what `numpy.load` reads, and against damaged files and full disks."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.files import full_disk, names

from jaxsize.results.step_arrays import StepArray


def test_a_step_array_is_written_reopened_and_read_by_numpy(tmp_path):
    path = tmp_path / "loss.npy"
    expected = np.full((3, 10), np.nan, np.float32)
    array = StepArray(path, 3, 10)
    np.testing.assert_array_equal(np.load(path), expected)
    array.write(2, block := np.arange(12, dtype=np.float32).reshape(3, 4))
    expected[:, 2:6] = block
    array.write(9, jnp.ones((2, 1)), runs=[0, 2])
    expected[[0, 2], 9] = 1
    array.write(10, np.zeros((3, 0)))
    array.flush()
    np.testing.assert_array_equal(np.load(path), expected)
    again = StepArray(path, 3, 10)
    again.write(0, [[5.0], [6.0]], runs=slice(1, 3))
    again.flush()
    expected[1:, 0] = [5, 6]
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), expected)
    np.testing.assert_array_equal(again.values, expected)
    assert names(tmp_path) == ["loss.npy"]


@pytest.mark.parametrize(
    ("start", "block", "runs"),
    [
        (-1, np.zeros((3, 2)), slice(None)),
        (9, np.zeros((3, 2)), slice(None)),
        (0, np.zeros((1, 2)), slice(None)),
        (0, np.zeros((3, 2)), [0, 1]),
        (0, np.zeros(3), slice(None)),
        (0, np.zeros((3, 1), complex), slice(None)),
    ],
)
def test_a_block_that_does_not_fit_is_refused(tmp_path, start, block, runs):
    array = StepArray(tmp_path / "loss.npy", 3, 10)
    with pytest.raises(ValueError, match="block"):
        array.write(start, block, runs)
    assert np.isnan(array.values).all()


def test_integer_step_arrays(tmp_path):
    array = StepArray(tmp_path / "units.npy", 2, 3, dtype=np.int32, fill=-1)
    with pytest.raises(ValueError, match="cannot be stored as int32"):
        array.write(0, np.ones((2, 1)))
    assert np.load(array.path).tolist() == [[-1] * 3] * 2
    for dtype, fill in ((np.int32, np.nan), (np.uint8, -1), (np.int32, 0.5)):
        with pytest.raises(ValueError, match="cannot be filled"):
            StepArray(tmp_path / "other.npy", 2, 3, dtype=dtype, fill=fill)
    for shape, dtype in (((0, 3), np.float32), ((2, 0), np.float32), ((2, 3), "U3"), ((2, 3), jnp.bfloat16)):
        with pytest.raises(ValueError, match="needs a run, a step and a NumPy number dtype"):
            StepArray(tmp_path / "other.npy", *shape, dtype=dtype)
    assert names(tmp_path) == ["units.npy"]


def test_another_or_a_damaged_step_array_is_refused(tmp_path):
    path = tmp_path / "loss.npy"
    content = StepArray(path, 3, 10).path.read_bytes()
    for wrong in (lambda: StepArray(path, 3, 11), lambda: StepArray(path, 3, 10, dtype=np.float64)):
        with pytest.raises(ValueError, match=r"expected float.*found float32\[3, 10\]"):
            wrong()
    for cut in (0, 4, 60, 128, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(ValueError, match="is damaged or no"):
            StepArray(path, 3, 10)
        assert path.stat().st_size == cut
    np.save(path, np.zeros((10, 3), np.float32).T)
    with pytest.raises(ValueError, match="in C order"):
        StepArray(path, 3, 10)


def test_a_step_array_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path):
    with full_disk(), pytest.raises(OSError):
        StepArray(tmp_path / "loss.npy", 3, 1000)
    assert names(tmp_path) == []
