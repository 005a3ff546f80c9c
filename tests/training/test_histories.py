"""_histories.py: what was written is recognised, what was edited since is refused."""

import operator
from typing import Any

import numpy as np
import pytest

from jaxsize.training._histories import Histories


class Batch:
    """Three runs of 4 epochs of 2 steps; the second run ends after 2 epochs."""

    def __init__(self):
        self.name, self.num_epochs, self.steps_per_epoch = "b", 4, 2
        self.histories = {key: operator.itemgetter(key) for key in ("loss", "live")}

    def __len__(self):
        return 3

    def epochs(self, run):
        return 2 if run == 1 else 4


def histories_in(path):
    batch: Any = Batch()
    return Histories(path / "steps", batch, range(3))


def made(path, epochs):
    histories = histories_in(path)
    for epoch in range(1, epochs + 1):
        runs = [run for run in range(3) if Batch().epochs(run) >= epoch]
        steps = {r: {"loss": np.array([r + epoch / 10, epoch], np.float32), "live": np.array([r, epoch])} for r in runs}
        histories.write(epoch, steps)
    histories.flush()
    return histories


@pytest.mark.parametrize("done", [1, 3])
def test_histories_go_on_from_a_checkpoint(tmp_path, done):
    crcs = made(tmp_path, done).crcs | {}
    made(tmp_path, done + 1)  # an epoch that no checkpoint knows
    again = histories_in(tmp_path)
    again.restore(done, crcs)
    assert again.crcs == crcs
    losses = np.load(tmp_path / "steps" / "b.loss.npy")
    np.testing.assert_allclose(losses[0, :2], [0.1, 1])
    assert np.isnan(losses[1, 4:]).all() and np.load(tmp_path / "steps" / "b.live.npy").dtype == np.int32


def test_edited_files_are_refused_in_one_line(tmp_path):
    crcs = made(tmp_path, 3).crcs
    path = tmp_path / "steps" / "b.loss.npy"
    whole = path.read_bytes()
    values = np.load(path)
    values[2, 1] += 1
    for content in (
        None,
        b"",
        b"[]\n",
        whole[:-4],
        whole.replace(np.float32(0.1).tobytes(), np.float32(0.2).tobytes()),
    ):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(ValueError, match=r"b\.loss\.npy (is|holds)") as caught:
            histories_in(tmp_path).restore(3, crcs)
        assert "\n" not in str(caught.value)
    np.save(path, values)
    with pytest.raises(ValueError, match="is not what was saved: it was edited"):
        histories_in(tmp_path).restore(3, crcs)
