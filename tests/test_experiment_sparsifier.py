"""The command `python -m experiments.sparsifier`: its folder, its errors, and that a kill changes nothing."""

import contextlib
import dataclasses
import errno
import gzip
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time

import matplotlib.image
import numpy as np
import pytest

from experiments import sparsifier
from experiments.command_line import main
from jaxsize import checkpoint, study

SMALL = ["--num-seeds", "2", "--penalties", "0.1", "--start-width", "12", "--batch-size", "256"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def command(monkeypatch, programs, capsys):
    """Runs the command in this process: (exit status, standard output, standard error)."""
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(programs))

    def call(*arguments):
        status = main(sparsifier.SparsifierFlags, sparsifier.PRESETS, sparsifier.run, "sparsifier", list(arguments))
        return (status, *capsys.readouterr())

    return call


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_smoke_gives_a_person_everything(command, tmp_path):
    out = tmp_path / "results"
    status, said, error = command("--smoke", "--out", str(out), "--liveness-start", "uniform", "--gate-inputs")
    assert (status, error) == (0, "")
    assert "digits, from 16 units, 2 seeds" in said and "C26" in said
    rows = rows_of(out)
    assert len(rows) == 3 * (3 * 2 + 3 * 2)  # epochs x (3 penalties x 2 seeds, learned and from scratch)
    columns = {"dataset", "run", "seed", "epoch", "penalty", "train_loss", "train_accuracy", "validation_accuracy"}
    columns |= {"test_accuracy", "live_units", "live_units_per_layer", "parameters", "arm", "start_width"}
    assert all(columns <= set(row) for row in rows)
    assert all(0 < row["live_inputs"] <= 64 for row in rows if row["arm"] == "learned")
    config = json.loads((out / "config.json").read_text())
    assert config["config"]["epochs"] == 3 and config["versions"]["jax"] and config["device"]["count"] == 4
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["claims"]) == {"C26", "C27", "C28", "C29", "C30"}
    final = [
        row["test_accuracy"] for row in rows if row["epoch"] == 3 and row["penalty"] == 0.1 and row["arm"] == "learned"
    ]
    (result,) = [result for result in summary["results"] if result["penalty"] == 0.1]
    assert result["test_accuracy"]["median"] == pytest.approx(np.median(final)) and result["test_accuracy"]["n"] == 2
    for picture in ("curves", "sizes", "deaths", "gates"):
        image = matplotlib.image.imread(out / f"{picture}_digits_16.png")
        assert image.shape[0] > 300 and image[..., :3].std() > 0.02
    steps = np.load(out / "steps" / "digits.learned.16.observed.npy")
    assert steps.shape == (6, 3 * 40) and np.all(np.diff(steps) <= 0) and steps.max() <= 16
    assert steps[:, -1].tolist() == [
        row["live_units"]
        for row in rows
        if row["arm"] == "learned" and row["epoch"] == 3  # units, not inputs
    ]

    again = command("--smoke", "--out", str(out), "--liveness-start", "uniform", "--gate-inputs")
    assert again[0] == 0 and "finished" in again[1] and rows_of(out) == rows


def test_original_form_two_sets_and_two_starts_answer_more_claims(command, tmp_path):
    arguments = ["--form", "original", "--dataset", "digits", "add10", "--start-width", "8", "12"]
    status, said, error = command("--smoke", "--epochs", "2", "--out", str(tmp_path / "r"), *arguments)
    assert (status, error) == (0, "")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert summary["claims"]["C30"]["verdict"] == "open"  # two seeds settle nothing
    assert "needs --dataset mnist fashion_mnist" in said
    rows = rows_of(tmp_path / "r")
    assert "validation_accuracy" not in rows[0]  # the original has no validation rows
    assert {"test_error", "test_noiseless_error"} <= set(next(row for row in rows if row["dataset"] == "add10"))
    assert (tmp_path / "r" / "comparison.png").exists()


def test_control_has_the_width_found(command, tmp_path):
    out = tmp_path / "r"
    command(*SMALL, "--epochs", "6", "--learning-rate", "0.01", "--liveness-start", "uniform", "--out", str(out))
    rows = rows_of(out)
    final = {row["run"]: row for row in rows if row["epoch"] == 6}
    controls = [row for row in final.values() if row["arm"] == "from_scratch"]
    assert any(0 < row["live_units"] < 12 for row in controls)  # otherwise this test shows nothing
    for row in controls:
        partner = final[row["partner"]]
        assert [row[key] for key in ("seed", "live_units", "parameters")] == [
            partner[key] for key in ("seed", "live_units", "parameters")
        ]


def test_run_that_diverges_is_reported_and_poisons_no_other(command, tmp_path, monkeypatch):
    steps = sparsifier._hparams
    monkeypatch.setattr(sparsifier, "_hparams", lambda *given: steps(*given)._replace(
        learning_rate=np.where(np.arange(len(given[1])) == 1, 1e38, 1e-3).astype(np.float32)))  # fmt: skip
    status, said, _ = command(*SMALL, "--epochs", "3", "--out", str(tmp_path / "r"))
    assert status == 0 and "run 1 (digits, learned, seed 1, penalty 0): loss not finite, left out" in said
    diverged = {row["run"] for row in rows_of(tmp_path / "r") if row["train_loss"] is None}
    assert diverged == {1, 6}  # 6: the control at index 1 of its batch, that of run 2
    monkeypatch.setattr(sparsifier, "_hparams", steps)
    command(*SMALL, "--epochs", "3", "--out", str(tmp_path / "healthy"))
    ours, theirs = ([r for r in rows_of(tmp_path / name) if r["run"] in (0, 2, 3)] for name in ("r", "healthy"))
    assert ours == theirs


@pytest.mark.parametrize("dataset", ["digits", "add10"])
def test_study_in_which_every_run_diverges_ends_with_a_report(command, tmp_path, dataset):
    arguments = ["--smoke", "--dataset", dataset, "--learning-rate", "1e37", "--out", str(tmp_path / "r")]
    status, said, error = command(*arguments)
    assert (status, error) == (0, "") and said.count("loss not finite, left out") == 6
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert {claim["verdict"] for claim in summary["claims"].values()} <= {"open", "not tested"}
    assert (tmp_path / "r" / f"curves_{dataset}_16.png").exists()


def truncated_idx(folder):
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        images = struct.pack(">4i", 2051, 60, 28, 28) + bytes(60 * 784 - 5)
        labels = struct.pack(">2i", 2049, 60) + bytes(60)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--dataset", "nope"], "nope"),
        (["--dataset", "digits", "digits"], "different names"),
        (["--dataset", "mnist", "--data-dir", "missing"], "missing"),
        (["--dataset", "mnist", "--data-dir", "data"], "idx3-ubyte"),
        (["--start-width", "0"], "--start-width"),
        (["--start-width", "-4"], "--start-width"),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "1.5"], "--epochs"),
        (["--num-seeds", "-1"], "--num-seeds"),
        (["--batch-size", "0"], "--batch-size"),
        (["--penalties", "0.1", "0"], "--penalties"),
        (["--penalties", "-0.1"], "--penalties"),
        (["--penalties", "nan"], "--penalties"),
        (["--penalties"], "--penalties"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--learning-rate", "inf"], "--learning-rate"),
        (["--learning-rate", "1e300"], "--learning-rate"),
        (["--penalties", "1e-50", "1e-60"], "--penalties"),
        (["--batch-size", "10000000000"], "--batch-size"),
        (["--num-seeds", "1000000000"], "--num-seeds"),
        (["--epochs", "1000000000000"], "disk"),
        (["--out", "a" * 300], "too long"),
        (["--learning-rate", "0"], "--learning-rate"),
        (["--weight-decay", "-1"], "--weight-decay"),
        (["--form", "new"], "--form"),
        (["--start-width", "1000000000000"], "memory"),
        (["--smoke", "--full"], "--full"),
        (["--misspelt", "1"], "--misspelt"),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(command, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    truncated_idx(tmp_path / "data" / "mnist")
    status, said, error = command(*arguments)
    assert (status, said) == (2, "")
    assert error.count("\n") == 1 and expected in error and "Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_results_folder_is_never_mixed_up(command, tmp_path):
    out = tmp_path / "r"
    assert command("--smoke", "--epochs", "1", "--out", str(out))[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    status, _, error = command("--smoke", "--epochs", "2", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "epochs" in error
    status, _, error = command("--smoke", "--out", str(out / "config.json"))
    assert status == 2 and "is a file" in error
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_full_disk_keeps_what_was_done_and_resume_ends_the_same(command, tmp_path, monkeypatch):
    arguments = [*SMALL, "--epochs", "4"]
    save = checkpoint.save

    def full(directory, tree, *, step, manifest):
        if step == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(directory, tree, step=step, manifest=manifest)

    monkeypatch.setattr(study.checkpoint, "save", full)
    status, _, error = command(*arguments, "--out", str(tmp_path / "r"))
    assert status == 1 and error.count("\n") == 1 and "No space left" in error and "--resume" in error
    monkeypatch.setattr(study.checkpoint, "save", save)
    assert command(*arguments, "--out", str(tmp_path / "r"))[0] == 2  # unfinished: only --resume may go on
    assert command(*arguments, "--out", str(tmp_path / "r"), "--resume")[0] == 0
    assert command(*arguments, "--out", str(tmp_path / "whole"))[0] == 0
    assert rows_of(tmp_path / "r") == rows_of(tmp_path / "whole")


def test_error_of_a_library_is_not_taken_for_wrong_input(command, tmp_path, monkeypatch):
    """It is a bug, and its traceback is worth more than one line."""
    monkeypatch.setattr(sparsifier, "draw", lambda *_: np.stack([np.zeros(2), np.zeros(3)]))
    with pytest.raises(ValueError, match="same shape"):
        command("--smoke", "--epochs", "1", "--out", str(tmp_path / "r"))


def test_platform_that_is_not_there_is_one_line():
    environment = os.environ | {"JAX_PLATFORMS": "nowhere"}
    arguments = [sys.executable, "-m", "experiments.sparsifier", "--smoke"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("python -m experiments.sparsifier: JAX finds no device")


def test_rows_that_do_not_fit_the_checkpoint_are_refused(command, tmp_path, monkeypatch):
    out, calls = tmp_path / "r", []

    def stop(self, name, num_epochs, rows=()):
        calls.append(name)
        if len(calls) == 3:  # start, first epoch, second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study.Progress, "advance", stop)
        assert command(*SMALL, "--epochs", "4", "--out", str(out))[0] == 130
    lines = (out / "metrics.jsonl").read_text().splitlines(keepends=True)
    (out / "metrics.jsonl").write_text("".join(lines[1:]))
    status, _, error = command(*SMALL, "--epochs", "4", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "expected 8 rows of 4 runs and 2 epochs, found 7" in error
    assert (out / "metrics.jsonl").read_text() == "".join(lines[1:])


def test_other_rows_are_not_continued(command, tmp_path, monkeypatch):
    out = tmp_path / "r"
    assert command("--smoke", "--epochs", "1", "--out", str(out))[0] == 0
    load = sparsifier.load_datasets

    def shuffled(flags, form):
        (dataset,) = load(flags, form)
        train = dataclasses.replace(
            dataset.train, inputs=dataset.train.inputs[::-1], targets=dataset.train.targets[::-1]
        )
        return [dataclasses.replace(dataset, train=train)]

    monkeypatch.setattr(sparsifier, "load_datasets", shuffled)
    status, _, error = command("--smoke", "--epochs", "1", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "data.digits.train" in error


def test_checkpoint_of_other_shapes_is_refused(command, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study.Progress, "advance", stop)
        for width in ("12", "14"):
            out = tmp_path / width
            assert command(*SMALL, "--epochs", "4", "--start-width", width, "--out", str(out))[0] == 130
    wanted, other = (tmp_path / width / "checkpoints" for width in ("12", "14"))
    assert not list(other.glob("*/runs_0"))  # stopped before the first checkpoint; now get one
    assert command(*SMALL, "--epochs", "4", "--start-width", "14", "--out", str(tmp_path / "14"), "--resume")[0] == 0
    (other / "digits.learned.14" / "runs_0").rename(wanted / "digits.learned.12" / "runs_0")
    status, _, error = command(*SMALL, "--epochs", "4", "--out", str(tmp_path / "12"), "--resume")
    assert status == 2 and error.count("\n") == 1 and "does not fit" in error


def test_killed_at_random_and_resumed_a_run_ends_with_the_same_numbers(tmp_path, programs):
    settings = [*SMALL, "--epochs", "40"]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(programs), "JAX_NUM_CPU_DEVICES": "2"}

    def start(folder, *more):
        arguments = [sys.executable, "-m", "experiments.sparsifier", *settings, "--out", str(folder), *more]
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).communicate()[1] == ""
    expected = rows_of(whole)
    chance, kills = random.Random(0), 0
    for progress in (0.02, 0.2, 0.45, 0.7):
        process = start(killed, "--resume")
        while process.poll() is None and _num_lines(killed) < progress * len(expected):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 4 and not (killed / "summary.json").exists()
    assert start(killed, "--resume").communicate()[1] == ""
    assert rows_of(killed) == expected
    assert json.loads((killed / "summary.json").read_text()) == json.loads((whole / "summary.json").read_text())
    for name in ("loss", "observed"):
        file = f"steps/digits.learned.12.{name}.npy"
        np.testing.assert_array_equal(np.load(killed / file), np.load(whole / file))


def _num_lines(folder):
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_interrupt_is_one_line(tmp_path, programs):
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(programs), "JAX_NUM_CPU_DEVICES": "2"}
    # A shell that starts the tests in the background makes its children ignore interrupts; not this one.
    program = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('experiments.sparsifier', run_name='__main__', alter_sys=True)"
    )
    arguments = [sys.executable, "-c", program, *SMALL, "--epochs", "100000", "--out", str(tmp_path / "r")]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while _num_lines(tmp_path / "r") == 0 and process.poll() is None:
            time.sleep(0.01)
        while process.poll() is None:  # Python loses an interrupt that falls into a callback of the garbage collector
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        _, error = process.communicate()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130 and error.count("\n") == 1 and "--resume" in error
