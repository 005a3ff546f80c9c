"""A part that stops after units were removed goes on to the same rows, events and networks, bit for bit."""

import dataclasses
import itertools
import shutil
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import pytest
from helpers.shrinking import (
    EAGER,
    GATED,
    TEACHER,
    Counter,
    Stopped,
    assert_rows_agree,
    events_of,
    folder_in,
    make_batch,
    rows_of,
    share_programs,
    steps_of,
)

from jaxsize.networks.mlp import mlp
from jaxsize.resizing.shrinking import Shrinking
from jaxsize.results import checkpoints
from jaxsize.training import _loop as loop
from jaxsize.training import _train as training

RUNS = (0, 2, 5)
DEVICES = jax.devices()[:1]


@pytest.fixture(autouse=True, scope="module")
def programs():
    with pytest.MonkeyPatch.context() as patch:
        yield share_programs(patch)


def outcome(folder, trained):
    events = [{k: v for k, v in event.items() if k != "compiled"} for event in events_of(folder, "compaction")]
    networks = [(network.params, network.survivors) for network in trained.networks]
    return rows_of(trained), events, events_of(folder, "collapse"), steps_of(folder, make_batch(EAGER)), networks


def assert_same(actual, expected):
    assert actual[:3] == expected[:3]
    chex.assert_trees_all_equal(actual[3:], expected[3:], strict=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, programs):
    folder = folder_in(tmp_path_factory.mktemp("whole"))
    result = training.train(make_batch(EAGER, runs=RUNS), folder, Counter(), devices=DEVICES)
    expected = outcome(folder, result)
    assert [event["epoch"] for event in expected[1]][:2] == [2, 3] and len(expected[2]) == 2
    return expected


def test_short_epochs_are_written_together(tmp_path, whole, monkeypatch):
    """A stop loses those that are not written yet, and nothing else."""
    monkeypatch.setattr(loop, "SAVE_SECONDS", 2.5)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=itertools.count(step=0.2).__next__))
    saved, save = [], checkpoints.save

    def counted(*given, step, **named):
        saved.append(step)
        save(*given, step=step, **named)

    monkeypatch.setattr(checkpoints, "save", counted)
    batch = make_batch(EAGER, runs=RUNS)
    with pytest.raises(Stopped):
        training.train(batch, folder_in(tmp_path), Counter(4), devices=DEVICES)
    assert saved and max(saved) < 4
    assert {row["epoch"] for row in folder_in(tmp_path).rows.read()} == set(range(1, saved[-1] + 1))
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert saved[-1] == batch.num_epochs and len(saved) < batch.num_epochs
    assert_same(outcome(folder_in(tmp_path), result), whole)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_a_stop_between_epochs_changes_nothing(tmp_path, whole, epochs):
    """Also after epoch 2 and 3, whose checkpoints are of other widths than the first."""
    batch = make_batch(EAGER, runs=RUNS)
    with pytest.raises(Stopped):
        training.train(batch, folder_in(tmp_path), Counter(epochs), devices=DEVICES)
    shapes = checkpoints.shapes(tmp_path / "out" / "checkpoints" / "teacher" / "runs_0")
    assert ("['1']['runs']" in shapes) == (epochs >= 2)  # teams
    progress = Counter()
    result = training.train(batch, folder_in(tmp_path), progress, devices=DEVICES)
    assert progress.epochs == batch.num_epochs
    assert_same(outcome(folder_in(tmp_path), result), whole)
    again = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)  # nothing is left to train
    assert_same(outcome(folder_in(tmp_path), again), whole)


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_stop_between_the_event_and_the_checkpoint_writes_no_event_twice(tmp_path, monkeypatch, whole, epoch):
    batch, save = make_batch(EAGER, runs=RUNS), checkpoints.save

    def stop(directory, tree, *, step, manifest):
        if step == epoch:
            raise Stopped
        save(directory, tree, step=step, manifest=manifest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", stop)
        with pytest.raises(Stopped):
            training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    before = folder_in(tmp_path).events.read()
    assert before[-1]["event"] == "compaction" and before[-1]["epoch"] == epoch
    result = training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert_same(outcome(folder_in(tmp_path), result), whole)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, programs):
    """A folder of a batch stopped after epoch 3."""
    path = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Stopped):
        training.train(make_batch(EAGER, runs=RUNS), folder_in(path), Counter(3), devices=DEVICES)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shrinking": None}, "does not fit: manifest shrinking"),
        ({"shrinking": dataclasses.replace(EAGER, min_width=2)}, r"manifest shrinking.min_width: expected 2, found 1"),
        ({"shrinking": Shrinking()}, "does not fit: manifest shrinking"),
        ({"num_epochs": 9}, "manifest num_epochs: expected 9, found 5"),
    ],
)
def test_other_settings_are_refused_in_one_line(tmp_path, stopped, changes, message):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    batch = dataclasses.replace(make_batch(EAGER, runs=RUNS), **changes)
    before = (tmp_path / "out" / "events" / "teacher.jsonl").read_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out" / "events" / "teacher.jsonl").read_bytes() == before


def test_a_checkpoint_of_other_widths_is_refused_though_widths_change(tmp_path, stopped):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    wider = mlp((3, 9, 6, 3), liveness="uniform")
    batch = dataclasses.replace(make_batch(EAGER, runs=RUNS), init=lambda index: wider.init(0))
    with pytest.raises(ValueError, match=r"manifest units.hidden\.0: expected 9, found 8"):
        training.train(batch, folder_in(tmp_path), Counter(), devices=DEVICES)


def test_a_checkpoint_without_teams_is_refused_by_one_that_shrinks(tmp_path):
    with pytest.raises(Stopped):
        training.train(make_batch(None, runs=RUNS), folder_in(tmp_path), Counter(2), devices=DEVICES)
    with pytest.raises(ValueError, match=r"does not fit: expected units of hidden\.0, hidden\.1") as caught:
        training.train(make_batch(EAGER, runs=RUNS), folder_in(tmp_path), Counter(), devices=DEVICES)
    assert "\n" not in str(caught.value)


def test_a_run_that_diverges_says_so_to_the_end_and_disturbs_nobody(tmp_path, whole):
    """Its gates are NaN, which is not closed: nothing is removed that would make it look sound."""
    batch = make_batch(EAGER, runs=RUNS, num_epochs=3)
    batch.hparams.learning_rate[1] = 1e30
    folder = folder_in(tmp_path)
    result = training.train(batch, folder, Counter(), devices=DEVICES)
    rows = {run: [row for row in rows_of(result) if row["run"] == 10 + run] for run in RUNS}
    expected = {run: [row for row in whole[0] if row["run"] == 10 + run and row["epoch"] <= 3] for run in RUNS}
    for run in (0, 5):
        assert_rows_agree(rows[run], expected[run])
    assert len(rows[2]) == batch.num_epochs and all(row["train_loss"] is None for row in rows[2][1:])
    outputs = GATED.apply(result.networks[1].params, jnp.asarray(TEACHER.test.inputs))
    assert not jnp.isfinite(outputs).any()
    assert events_of(folder, "compaction")
    assert 12 not in {run for event in events_of(folder, "collapse") for run in event["runs"]}  # it has no dead layer
