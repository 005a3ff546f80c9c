"""The network of a run's best epoch is the one that training would have ended with there; early stops."""

import itertools
from types import SimpleNamespace

import chex
import jax
import numpy as np
import pytest
from helpers.shrinking import (
    FEW_WIDTHS,
    NUM_EPOCHS,
    Counter,
    Stopped,
    events_of,
    folder_in,
    make_batch,
    rows_of,
    share_programs,
)

from jaxsize.training import _loop as loop
from jaxsize.training import _train as training
from jaxsize.training._best import Best
from jaxsize.training._team import FinalNetwork

DEVICES, RUNS = jax.devices()[:1], (0, 2, 5)  # 5 is soon without units
NAMES = [10, 12, 15]


@pytest.fixture(autouse=True, scope="module")
def programs():
    with pytest.MonkeyPatch.context() as patch:
        yield share_programs(patch)


@pytest.fixture(scope="module")
def train(tmp_path_factory, programs):
    """(folder, Trained) of the three runs; once for the same arguments."""
    known = {}

    def call(small=True, **changes):
        key = str((small, changes))
        if key not in known:
            folder = folder_in(tmp_path_factory.mktemp("out"))
            batch = make_batch(FEW_WIDTHS if small else None, runs=RUNS, **changes)
            known[key] = folder, training.train(batch, folder, Counter(), devices=DEVICES)
        return known[key]

    return call


def assert_same(network, other):
    assert network.epoch == other.epoch
    chex.assert_trees_all_equal(network[:2], other[:2], strict=True)


def best_epochs(rows, column, sign):
    """By run the first epoch with the best score of all in which every layer has units; None if there is none."""
    epochs = {}
    for run, path in itertools.groupby(rows, key=lambda row: row["run"]):
        alive = list(itertools.takewhile(lambda row: min(row["live_units_per_layer"]) > 0, path))
        scores = [sign * row[column] for row in alive]
        epochs[run] = alive[scores.index(max(scores))]["epoch"] if scores else None
    return epochs


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize(("select", "sign"), [("validation_accuracy", 1), ("train_loss", -1), ("test_loss", -1)])
def test_the_network_chosen_is_that_of_a_training_stopped_there(train, small, select, sign):
    """Also where units were removed before or after, and of a layer that loses all its units afterwards."""
    _, selected = train(small, select=select)
    _, plain = train(small)
    assert rows_of(selected) == rows_of(plain)
    expected = best_epochs(rows_of(plain), select, sign)
    epochs = [network.epoch for network in selected.networks]
    assert epochs == [expected[run] or NUM_EPOCHS for run in NAMES]
    if select == "train_loss":  # it goes on falling in networks without units
        assert epochs[0] == NUM_EPOCHS and epochs[2] < NUM_EPOCHS
    for index, epoch in enumerate(epochs):
        assert_same(selected.networks[index], train(small, num_epochs=epoch)[1].networks[index])


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_stop_between_epochs_changes_no_choice(tmp_path, train, epochs):
    batch = make_batch(FEW_WIDTHS, runs=RUNS, select="validation_accuracy")
    with pytest.raises(Stopped):
        training.train(batch, folder_in(tmp_path), Counter(epochs), devices=DEVICES)
    resumed = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    again = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    _, whole = train(select="validation_accuracy")
    assert len({network.epoch for network in whole.networks}) > 1
    for result in (resumed, again):
        assert rows_of(result) == rows_of(whole)
        for network, other in zip(result.networks, whole.networks, strict=True):
            assert_same(network, other)


def test_a_run_that_diverges_keeps_what_it_was_before(tmp_path, train):
    batch = make_batch(FEW_WIDTHS, runs=RUNS, select="train_loss", num_epochs=3)
    batch.hparams.learning_rate[0] = 1e30
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    known = [row["train_loss"] for row in result.rows if row["run"] == 10]
    finite = [epoch for epoch, loss in enumerate(known, 1) if loss is not None]
    assert known[-1] is None and result.networks[0].epoch == (finite[0] if finite else 3)
    for network, other in zip(
        result.networks[1:], train(select="train_loss", num_epochs=3)[1].networks[1:], strict=True
    ):
        assert_same(network, other)


def test_of_equal_scores_the_first_counts_and_nan_never():
    best, kept, leaf = Best("validation_accuracy"), [], np.zeros(3)
    for epoch, score in enumerate([np.nan, -np.inf, 0.5, 0.5, np.nan, np.inf, 0.4, 0.75, 0.75, 0.6]):
        row = {"validation_accuracy": score}
        if best.improves(7, row):
            best.keep(7, row, FinalNetwork({"leaf": leaf}, {"hidden.0": np.arange(2)}, epoch))
            kept.append(epoch)
        leaf += 1  # what is kept is a copy
    assert kept == [2, 7] and best.networks[7].epoch == 7 and best.networks[7].params["leaf"].tolist() == [7, 7, 7]
    errors = Best("test_error")
    assert errors.improves(0, {"test_error": 3.0})
    errors.keep(0, {"test_error": 3.0}, FinalNetwork({}, {}, 1))
    assert [errors.improves(0, {"test_error": score}) for score in (3.0, 4.0, 2.9, np.nan)] == [
        False,
        False,
        True,
        False,
    ]


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    batch = make_batch(FEW_WIDTHS, runs=RUNS, select="validation_error")
    with pytest.raises(ValueError, match=r"select: expected one of .*validation_accuracy.* got 'validation_error'"):
        training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)


def stops(folder):
    return [(event["epoch"], event["runs"], event["reason"]) for event in events_of(folder, "stop")]


@pytest.mark.parametrize("limit", [10.0, 14.0])
def test_no_epoch_starts_after_the_time_and_none_is_added_when_resumed(tmp_path, monkeypatch, train, limit):
    ticks = itertools.count()  # every look at the clock takes a second
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    batch = make_batch(FEW_WIDTHS, runs=RUNS, time_limit=limit)
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    seconds = sorted({(row["epoch"], row["seconds"]) for row in result.rows})
    last = seconds[-1][0]
    assert 1 < last < NUM_EPOCHS and len(seconds) == last and seconds[-2][1] < limit
    assert stops(folder_in(tmp_path)) == [(last, NAMES, "time")]
    assert rows_of(result) == [row for row in rows_of(train()[1]) if row["epoch"] <= last]
    assert {network.epoch for network in result.networks} == {last}
    before, counter = folder_in(tmp_path).events.read(), Counter()
    again = training.train(batch, folder_in(tmp_path), counter, devices=DEVICES)
    assert rows_of(again) == rows_of(result) and folder_in(tmp_path).events.read() == before
    assert counter.epochs == NUM_EPOCHS


def test_one_epoch_is_always_trained(tmp_path):
    result = training.train(
        make_batch(None, runs=RUNS, time_limit=1e-9), folder_in(tmp_path), Counter(), devices=DEVICES
    )
    assert {row["epoch"] for row in result.rows} == {1} and stops(folder_in(tmp_path))[0][0] == 1


def test_a_time_limit_is_above_zero():
    for limit in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="time_limit: expected seconds above 0"):
            make_batch(None, time_limit=limit)


def test_training_stops_when_every_run_has_lost_a_layer(tmp_path):
    batch = make_batch(None, runs=(4, 5), num_epochs=7, stop_on_collapse=True)
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    empty = {row["run"]: row["epoch"] for row in reversed(result.rows) if 0 in row["live_units_per_layer"]}
    last = max(row["epoch"] for row in result.rows)
    assert set(empty) == {14, 15} and last == max(empty.values()) < 7 and len(set(empty.values())) == 2
    assert stops(folder_in(tmp_path)) == [(last, [14, 15], "collapse")]
    before = folder_in(tmp_path).events.read()
    again = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert rows_of(again) == rows_of(result) and folder_in(tmp_path).events.read() == before


def test_one_run_without_units_stops_nobody(train):
    folder, result = train(stop_on_collapse=True)
    assert rows_of(result) == rows_of(train()[1]) and stops(folder) == []
    assert {event["runs"][0] for event in events_of(folder, "collapse")} == {15}


def test_runs_share_the_seconds_of_an_epoch(train):
    _, result = train()
    ends = {row["epoch"]: row["seconds"] for row in result.rows}
    for epoch in range(1, NUM_EPOCHS + 1):
        shares = [row["run_seconds"] for row in result.rows if row["epoch"] == epoch]
        assert len(shares) == 3 and min(shares) > 0
        assert sum(shares) <= ends[epoch] - ends.get(epoch - 1, 0.0) + 1e-3 + 6e-6  # as they are rounded
    whole = {row["allocated_units"]: row["run_seconds"] for row in result.rows if row["epoch"] == NUM_EPOCHS}
    assert [whole[units] for units in sorted(whole)] == sorted(whole.values())  # the larger, the more
