"""A kill, an interrupt or a full disk changes no number of `python -m experiments.sparsifier`; nothing is mixed up."""

import contextlib
import dataclasses
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
from helpers.experiments import SMALL, num_lines, rows_of

from jaxsize import data
from jaxsize.results import checkpoints
from jaxsize.training import _train as training


def test_full_disk_keeps_what_was_done_and_resume_ends_the_same(command, tmp_path, monkeypatch):
    arguments = [*SMALL, "--epochs", "4"]
    save = checkpoints.save

    def full(directory, tree, *, step, manifest):
        if step == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(directory, tree, step=step, manifest=manifest)

    monkeypatch.setattr(checkpoints, "save", full)
    status, _, error = command(*arguments, "--out", str(tmp_path / "r"))
    assert status == 1 and error.count("\n") == 1 and "No space left" in error and "--resume" in error
    monkeypatch.setattr(checkpoints, "save", save)
    assert command(*arguments, "--out", str(tmp_path / "r"))[0] == 2  # unfinished: only --resume may go on
    assert command(*arguments, "--out", str(tmp_path / "r"), "--resume")[0] == 0
    assert command(*arguments, "--out", str(tmp_path / "whole"))[0] == 0
    assert rows_of(tmp_path / "r") == rows_of(tmp_path / "whole")


def test_rows_that_do_not_fit_the_checkpoint_are_refused(command, tmp_path, monkeypatch):
    out, calls = tmp_path / "r", []

    def stop(self, name, num_epochs, rows=()):
        calls.append(name)
        if len(calls) == 3:  # start, first epoch, second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.Progress, "advance", stop)
        assert command(*SMALL, "--epochs", "4", "--out", str(out))[0] == 130
    (path,) = out.glob("rows/*.jsonl")
    content = path.read_text()
    path.write_text(content.replace('"epoch": 1', '"epoch": 2', 1))
    edited = path.read_text()
    status, _, error = command(*SMALL, "--epochs", "4", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "is not what was saved: it was edited" in error
    assert path.read_text() == edited != content


def test_other_rows_are_not_continued(command, tmp_path, monkeypatch):
    out = tmp_path / "r"
    assert command(*SMALL, "--epochs", "1", "--out", str(out))[0] == 0
    load = data.load

    def shuffled(*given, **named):
        dataset = load(*given, **named)
        train = dataclasses.replace(
            dataset.train, inputs=dataset.train.inputs[::-1], targets=dataset.train.targets[::-1]
        )
        return dataclasses.replace(dataset, train=train)

    monkeypatch.setattr(data, "load", shuffled)
    status, _, error = command(*SMALL, "--epochs", "1", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "data.digits.train" in error


def test_checkpoint_of_other_shapes_is_refused(command, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.Progress, "advance", stop)
        for width in ("12", "14"):
            out = tmp_path / width
            assert command(*SMALL, "--epochs", "4", "--start-widths", width, "--out", str(out))[0] == 130
    wanted, other = (tmp_path / width / "checkpoints" for width in ("12", "14"))
    assert not list(other.glob("*/runs_0"))  # stopped before the first checkpoint; now get one
    assert command(*SMALL, "--epochs", "4", "--start-widths", "14", "--out", str(tmp_path / "14"), "--resume")[0] == 0
    (other / "digits.corrected.learned.14" / "runs_0").rename(wanted / "digits.corrected.learned.12" / "runs_0")
    status, _, error = command(*SMALL, "--epochs", "4", "--out", str(tmp_path / "12"), "--resume")
    assert status == 2 and error.count("\n") == 1 and "does not fit" in error


def test_killed_at_random_and_resumed_a_run_ends_with_the_same_numbers(tmp_path):
    settings = [*SMALL, "--epochs", "40"]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2"}

    def start(folder, *more):
        arguments = [sys.executable, "-m", "experiments.sparsifier", *settings, "--out", str(folder), *more]
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).communicate()[1] == ""
    expected = rows_of(whole)
    chance, kills = random.Random(0), 0
    for progress in (0.02, 0.45):
        process = start(killed, "--resume")
        while process.poll() is None and num_lines(killed) < progress * len(expected):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 2 and not (killed / "summary.json").exists()
    assert start(killed, "--resume").communicate()[1] == ""
    assert rows_of(killed) == expected
    assert json.loads((killed / "summary.json").read_text()) == json.loads((whole / "summary.json").read_text())
    for name in ("loss", "observed"):
        file = f"steps/digits.corrected.learned.12.{name}.npy"
        np.testing.assert_array_equal(np.load(killed / file), np.load(whole / file))


def test_interrupt_is_one_line(tmp_path):
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2"}
    # A shell that starts the tests in the background makes its children ignore interrupts; not this one.
    program = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('experiments.sparsifier', run_name='__main__', alter_sys=True)"
    )
    arguments = [sys.executable, "-c", program, *SMALL, "--epochs", "100000", "--out", str(tmp_path / "r")]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while num_lines(tmp_path / "r") == 0 and process.poll() is None:
            time.sleep(0.01)
        sent = 0
        while process.poll() is None:  # Python loses an interrupt that falls into a callback of the garbage collector
            process.send_signal(signal.SIGINT)
            sent += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        _, error = process.communicate()
    finally:
        process.kill()
        process.communicate()
    lines = error.splitlines()
    assert process.returncode == 130 and "--resume" in lines[-1]
    assert len(lines) == 1 or sent > 1, error  # it tells of those it has lost
