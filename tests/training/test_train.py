import dataclasses
import functools
import logging

import chex
import jax
import numpy as np
import pytest
from helpers.networks import mlp_sizes
from helpers.shrinking import Counter, Stopped, share_programs

from jaxsize.data import load
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.counts import num_mlp_parameters
from jaxsize.networks.mlp import mlp
from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.config import Config
from jaxsize.results.folder import open_folder
from jaxsize.results.json_files import read_json
from jaxsize.sweeps.columns import gate_columns
from jaxsize.training import _train as training

TEACHER = load("teacher", seed=0, num_rows=40, num_inputs=3, width=2, num_classes=3)
WIDTHS, NUM_RUNS, NUM_EPOCHS = (3, 6, 3), 5, 2
NETWORK = mlp(WIDTHS)


@functools.cache
def learner():
    return make_learner(NETWORK, TASKS["classification"], FORMS["corrected"])


def make_batch(init=NETWORK.init):
    index = np.arange(NUM_RUNS, dtype=np.float32)
    return Batch(
        name="teacher.learned",
        labels=[{"run": 10 + run, "seed": run % 2, "penalty": 0.02 * run} for run in range(NUM_RUNS)],
        init=init,
        num_parameters=num_mlp_parameters(WIDTHS),
        hparams={"learning_rate": 0.01, "penalty_weight": 0.02 * index, "gate_learning_rate": 0.15},
        learner=learner(),
        dataset=TEACHER,
        config=Config(batch_size=8),
        num_epochs=NUM_EPOCHS,
        columns=gate_columns(["hidden.0"], lambda live: mlp_sizes(3, live, 3)),
        shrinking=None,  # tests/resizing/test_shrinking_training.py
    )


def outcome(folder, trained):
    """Everything a study leaves but the seconds: rows by run and epoch, histories, parameters."""
    rows = sorted(trained.rows, key=lambda row: (row["run"], row["epoch"]))
    rows = [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in rows]
    steps = {name: np.load(folder.path / "steps" / f"teacher.learned.{name}.npy") for name in ("loss", "observed")}
    return rows, steps, [network.params for network in trained.networks]


def assert_same(actual, expected):
    assert len(actual[0]) == len(expected[0]) == NUM_RUNS * NUM_EPOCHS
    for row, other in zip(actual[0], expected[0], strict=True):
        assert row.keys() == other.keys()
        for key, value in row.items():
            assert value == (pytest.approx(other[key], rel=1e-4) if isinstance(value, float) else other[key]), key
    chex.assert_trees_all_close(actual[1:], expected[1:], rtol=1e-4, atol=1e-5, strict=True)


@functools.cache
def compiled(num_runs, num_devices):
    return Program(make_batch(), num_runs, tuple(jax.devices()[:num_devices]))


@pytest.fixture(autouse=True, scope="module")
def programs_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        share_programs(patch)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = open_folder(tmp_path_factory.mktemp("whole") / "out", {})
    trained = training.train(make_batch(), folder, Counter())
    assert read_json(folder.checkpoints / "teacher.learned" / "parts.json") == [NUM_RUNS]
    assert [network.params["hidden"][0]["kernel"].shape for network in trained.networks] == [(3, 6)] * NUM_RUNS
    assert len({row["live_units"] for row in trained.rows}) > 1  # units died in some runs
    return outcome(folder, trained)


@pytest.mark.parametrize(("num_devices", "at_a_time", "parts"), [(1, 2, [2, 2, 1]), (4, 4, [4, 1])])
def test_a_batch_too_large_for_the_memory_is_split(tmp_path, monkeypatch, caplog, whole, num_devices, at_a_time, parts):
    folder, progress = open_folder(tmp_path / "out", {}), Counter()
    limit = compiled(at_a_time, num_devices).num_bytes
    monkeypatch.setattr(training, "available_bytes", lambda devices: limit)
    with caplog.at_level(logging.WARNING):
        trained = training.train(make_batch(), folder, progress, devices=jax.devices()[:num_devices])
    (record,) = caplog.records
    assert read_json(folder.checkpoints / "teacher.learned" / "parts.json") == parts
    expected = f"teacher.learned: 5 runs are too many for the memory; training {parts[0]} at a time"
    assert record.getMessage() == expected
    assert progress.epochs == len(parts) * NUM_EPOCHS
    assert_same(outcome(folder, trained), whole)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_split_study_goes_on_where_it_was_stopped(tmp_path, monkeypatch, whole, stop_after):
    """Also where there is more memory than before: the parts stay as they were."""
    folder = open_folder(tmp_path / "out", {})
    monkeypatch.setattr(training, "_plan", functools.partial(split_in_two, training._plan))
    with pytest.raises(Stopped):
        training.train(make_batch(), folder, Counter(stop_after))
    monkeypatch.undo()
    folder, progress = open_folder(tmp_path / "out", {}, resume=True), Counter()
    trained = training.train(make_batch(), folder, progress)
    assert progress.epochs == 2 * NUM_EPOCHS  # what was done before counts at once
    assert_same(outcome(folder, trained), whole)


def split_in_two(plan, batch, folder, devices):
    """A plan made when there was memory for 3 runs."""
    path = folder.checkpoints / batch.name / "parts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[3, 2]")
    return plan(batch, folder, devices)


def test_a_run_that_does_not_fit_is_told_in_one_line(tmp_path, monkeypatch):
    def draw(index):
        raise AssertionError("weights were drawn for a run that cannot fit")

    folder = open_folder(tmp_path / "out", {})
    state = 4 * num_mlp_parameters(WIDTHS)
    monkeypatch.setattr(training, "available_bytes", lambda devices: state)
    message = r"^teacher\.learned: one run needs about .* GiB of memory, .* GiB can be used$"
    with pytest.raises(MemoryError, match=message):
        training.train(make_batch(draw), folder, Counter())
    with pytest.raises(MemoryError, match=message):
        training.require_room(make_batch(draw), tmp_path)
    # The weights fit, the compiled program does not.
    needed = compiled(1, 1).num_bytes
    monkeypatch.setattr(training, "available_bytes", lambda devices: needed - 1)
    training.require_room(make_batch(draw), tmp_path)
    with pytest.raises(MemoryError, match=message):
        training.train(make_batch(), folder, Counter(), devices=jax.devices()[:1])
    assert {path.name for path in folder.path.rglob("[!.]*")} == {"config.json", "events", "rows"}  # both empty
    monkeypatch.setattr(training, "available_bytes", lambda devices: needed)
    monkeypatch.setattr(training, "TrainingLoop", lambda *args: (_ for _ in ()).throw(Stopped))
    with pytest.raises(Stopped):  # and with a byte more it starts
        training.train(make_batch(), folder, Counter(), devices=jax.devices()[:1])


def test_histories_too_large_for_the_disk_are_told_in_one_line(tmp_path):
    endless = dataclasses.replace(make_batch(), num_epochs=10**15)
    with pytest.raises(
        MemoryError, match=r"^teacher\.learned: the history of all steps needs .* GiB on the disk, .* free$"
    ):
        training.require_room(endless, tmp_path / "not" / "yet")
    training.require_room(dataclasses.replace(endless, histories={}), tmp_path / "not" / "yet")
    assert list(tmp_path.iterdir()) == []
