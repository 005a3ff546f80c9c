"""Runs of one batch with different numbers of epochs: each ends as it would alone, and leaves no trace on others."""

import chex
import jax
import numpy as np
import pytest
from helpers.shrinking import (
    FEW_WIDTHS,
    NUM_EPOCHS,
    Counter,
    Stopped,
    folder_in,
    make_batch,
    rows_of,
    share_programs,
    steps_of,
)

from jaxsize.programs.batch import Batch
from jaxsize.training import _train as training

DEVICES = jax.devices()[:1]
EPOCHS = (2, NUM_EPOCHS, 2, 4, NUM_EPOCHS, 1)


@pytest.fixture(autouse=True, scope="module")
def programs():
    with pytest.MonkeyPatch.context() as patch:
        yield share_programs(patch)


@pytest.fixture(scope="module")
def equally_long(tmp_path_factory, programs):
    """(Trained, histories, batch) of the six runs, all as long. Once for the same arguments."""
    known = {}

    def call(shrinking, epochs=NUM_EPOCHS, **changes):
        key = str((shrinking, epochs, changes))
        if key not in known:
            folder, batch = (
                folder_in(tmp_path_factory.mktemp("out")),
                make_batch(shrinking, num_epochs=epochs, **changes),
            )
            known[key] = training.train(batch, folder, Counter(), devices=DEVICES), steps_of(folder, batch), batch
        return known[key]

    return call


def batch_of(shrinking, **changes) -> Batch:
    return make_batch(shrinking, epochs_of=EPOCHS, **changes)


def assert_each_is_as_alone(result, steps, equally_long, shrinking, **changes):
    whole, histories, batch = equally_long(shrinking, **changes)
    length = dict(zip([label["run"] for label in batch.labels], EPOCHS, strict=True))
    assert rows_of(result) == [row for row in rows_of(whole) if row["epoch"] <= length[row["run"]]]
    for index, epochs in enumerate(EPOCHS):
        network, alone = result.networks[index], equally_long(shrinking, epochs, **changes)[0].networks[index]
        assert network.epoch == alone.epoch
        chex.assert_trees_all_equal(network[:2], alone[:2], strict=True)
        for key, values in steps.items():
            done = epochs * batch.steps_per_epoch
            np.testing.assert_array_equal(values[index, :done], histories[key][index, :done])
            left = values[index, done:]
            assert (np.isnan(left) if left.dtype.kind == "f" else left == -1).all()


@pytest.mark.parametrize("shrinking", [FEW_WIDTHS, None], ids=["removed", "masked"])
@pytest.mark.parametrize("select", [None, "validation_accuracy"])
def test_a_run_ends_as_it_would_alone(tmp_path, equally_long, shrinking, select):
    folder, batch = folder_in(tmp_path), batch_of(shrinking, select=select)
    result = training.train(batch, folder, Counter(), devices=DEVICES)
    assert_each_is_as_alone(result, steps_of(folder, batch), equally_long, shrinking, select=select)


@pytest.mark.parametrize(
    ("shrinking", "epochs"),
    [(FEW_WIDTHS, 1), (FEW_WIDTHS, 2), (FEW_WIDTHS, 3), (FEW_WIDTHS, 4), (None, 2)],
    ids=["1-removed", "2-removed", "3-removed", "4-removed", "2-masked"],
)
def test_a_stop_between_epochs_changes_nothing(tmp_path, equally_long, shrinking, epochs):
    batch = batch_of(shrinking)
    with pytest.raises(Stopped):
        training.train(batch, folder_in(tmp_path), Counter(epochs), devices=DEVICES)
    for _ in range(2):  # goes on; then there is nothing to do
        result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
        assert_each_is_as_alone(result, steps_of(folder_in(tmp_path), batch), equally_long, shrinking)


def test_a_split_batch_ends_the_same(tmp_path, monkeypatch, equally_long):
    """The first part is done before the longest run of the batch is."""
    monkeypatch.setattr(training, "_plan", lambda *args: ([3, 3], None))
    batch = make_batch(None, epochs_of=(2, 2, 1, *EPOCHS[3:]))
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert [sum(row["run"] == 10 + run for row in result.rows) for run in range(6)] == [2, 2, 1, 4, NUM_EPOCHS, 1]
    for run, epochs in enumerate((2, 2, 1)):
        network = equally_long(None, epochs)[0].networks[run]
        chex.assert_trees_all_equal(result.networks[run].params, network.params, strict=True)


def test_a_split_batch_that_chooses_goes_on_where_it_was_stopped(tmp_path, monkeypatch, equally_long):
    monkeypatch.setattr(training, "_plan", lambda *args: ([3, 3], None))
    batch = batch_of(FEW_WIDTHS, select="validation_accuracy")
    for stop in (2, 6):  # in the first part, and in the second
        with pytest.raises(Stopped):
            training.train(batch, folder_in(tmp_path), Counter(stop), devices=DEVICES)
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    steps = steps_of(folder_in(tmp_path), batch)
    assert_each_is_as_alone(result, steps, equally_long, FEW_WIDTHS, select="validation_accuracy")


def test_runs_that_have_ended_are_not_trained(tmp_path, programs):
    """The programs that are left are of fewer runs, one for every change."""
    before = set(programs)
    training.train(batch_of(None), folder_in(tmp_path), Counter(), devices=DEVICES)
    (event,) = [event for event in folder_in(tmp_path).events.read() if event["event"] == "programs"]
    assert event["compiled"] == 4  # of 6 runs, 5, 3 and 2
    assert {key[3] for key in set(programs) | before} >= {2, 3, 5, 6}


def test_a_run_that_diverges_and_ends_has_a_network(tmp_path):
    batch = batch_of(None, select="train_loss")
    batch.hparams.learning_rate[0] = 1e30
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert [row["train_loss"] for row in result.rows if row["run"] == 10][-1] is None
    assert result.networks[0].epoch in (1, 2) and result.networks[1].epoch > 2


def test_training_stops_when_every_run_that_is_left_has_lost_a_layer(tmp_path):
    """Run 0 ends alive; the two others have the penalty that closes all gates."""
    batch = make_batch(None, runs=(0, 4, 5), num_epochs=40, epochs_of=(1, 40, 40), stop_on_collapse=True)
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    (event,) = [event for event in folder_in(tmp_path).events.read() if event["event"] == "stop"]
    assert event["reason"] == "collapse" and event["runs"] == [14, 15] and event["epoch"] < 40
    assert [network.epoch for network in result.networks] == [1, event["epoch"], event["epoch"]]


def test_time_ends_the_runs_that_are_left(tmp_path):
    batch = make_batch(None, runs=(0, 1), epochs_of=(1, NUM_EPOCHS), time_limit=1e-9)
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert [network.epoch for network in result.networks] == [1, 1]


@pytest.mark.parametrize(
    "epochs_of", [(), (1, 2), (0, *EPOCHS[1:]), (1.5, *EPOCHS[1:]), (1,) * 6, (*EPOCHS[1:], NUM_EPOCHS + 1)]
)
def test_lengths_that_make_no_sense_are_refused(epochs_of):
    with pytest.raises(
        ValueError, match=r"epochs_of: expected 6 whole numbers from 1 to 5, the largest among them, got \["
    ):
        make_batch(None, epochs_of=epochs_of)
