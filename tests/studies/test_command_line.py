"""Commands, by `python -m experiments.sparsifier`: no folder is mixed up, a bug is no wrong input."""

import os
import re
import shutil
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest
from helpers.experiments import SMALL

from experiments import sparsifier
from jaxsize.studies import Command, Flags
from jaxsize.studies import study as studies
from jaxsize.training import Progress


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The results folder of a study that is done; each test has a copy of its own."""
    out = tmp_path_factory.mktemp("finished") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_NUM_CPU_DEVICES", "4")
        assert sparsifier.COMMAND.main([*SMALL, "--epochs", "1", "--out", str(out)]) == 0
    return out


def test_results_folder_is_never_mixed_up(command, tmp_path, finished):
    out = shutil.copytree(finished, tmp_path / "r")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    status, _, error = command(*SMALL, "--epochs", "2", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "epochs" in error
    status, _, error = command("--smoke", "--out", str(out / "config.json"))
    assert status == 2 and "is a file" in error
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def interrupted(command, monkeypatch, out, act=lambda: None):
    """A study whose second epoch is followed by `act` and, if that does nothing, by an interrupt."""
    calls = []

    def stop(self, name, num_epochs, rows=()):
        calls.append(name)
        if len(calls) == 3:  # start, first epoch, second epoch
            act()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "advance", stop)
        return command(*SMALL, "--epochs", "4", "--out", str(out))


@pytest.mark.parametrize(
    "name",
    ["rows/digits.corrected.learned.12.jsonl", "events/digits.corrected.learned.12.jsonl", "steps", "checkpoints"],
)
def test_a_file_that_turns_out_to_be_a_folder_and_the_other_way_round(command, tmp_path, monkeypatch, name):
    out = tmp_path / "r"
    assert interrupted(command, monkeypatch, out)[0] == 130
    path = out / name
    if path.is_dir():
        path.rename(tmp_path / "away")
        path.write_text("")
    else:
        path.unlink(missing_ok=True)
        path.mkdir()
    status, _, error = command(*SMALL, "--epochs", "4", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and str(path) in error


def test_a_results_folder_deleted_on_the_way_is_not_said_to_be_kept(command, tmp_path, monkeypatch):
    def delete_and_go_on():
        shutil.rmtree(tmp_path / "r")
        raise FileNotFoundError(2, "No such file or directory", "rows")

    status, _, error = interrupted(command, monkeypatch, tmp_path / "r", delete_and_go_on)
    assert status == 1 and error.count("\n") == 1 and f"nothing is kept in {tmp_path / 'r'}" in error


def test_a_summary_of_another_form_is_one_line(command, tmp_path, finished):
    out = shutil.copytree(finished, tmp_path / "r")
    for summary in ("[]", "{}", '{"results": 3}', '"text"', "null", "[" * 9000):
        (out / "summary.json").write_text(summary)
        status, _, error = command(*SMALL, "--epochs", "1", "--out", str(out))
        assert status == 2 and error.count("\n") == 1 and "summary.json is" in error


def test_error_of_a_library_is_not_taken_for_wrong_input(command, tmp_path, monkeypatch):
    """It is a bug, and its traceback is worth more than one line."""
    monkeypatch.setattr(studies, "draw_all", lambda *_: np.stack([np.zeros(2), np.zeros(3)]))
    with pytest.raises(ValueError, match="same shape"):
        command(*SMALL, "--epochs", "1", "--out", str(tmp_path / "r"))


def test_platform_that_is_not_there_is_one_line():
    environment = os.environ | {"JAX_PLATFORMS": "nowhere"}
    arguments = [sys.executable, "-m", "experiments.sparsifier", "--smoke"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("python -m experiments.sparsifier: JAX finds no device")


@pytest.mark.parametrize(("backend", "precision"), [("cpu", None), ("gpu", "float32")])
def test_an_accelerator_multiplies_in_float32(command, monkeypatch, backend, precision):
    config: Any = jax.config
    seen, before = [], config.jax_default_matmul_precision
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    try:
        study = Command("count", Flags, {}, lambda flags: seen.append(config.jax_default_matmul_precision))
        assert command(study=study)[0] == 0
    finally:
        jax.config.update("jax_default_matmul_precision", before)
    assert seen == [precision]


def test_help_shows_groups_and_the_defaults_that_will_be_used(capsys, monkeypatch):
    from experiments.sparsifier import COMMAND

    monkeypatch.setenv("COLUMNS", "200")
    for arguments, seeds in (([], 10), (["--dataset", "mnist"], 8), (["--smoke"], 2), (["--num-seeds", "5"], 5)):
        with pytest.raises(SystemExit) as stop:
            COMMAND.main([*arguments, "--help"])
        printed = capsys.readouterr().out
        assert not stop.value.code
        (line,) = re.findall(r"--num-seeds INT(.*?)--", printed, flags=re.S)
        assert f"(default: {seeds})" in line
        titles = re.findall(r"([\w-]+) options", printed)
        assert titles == ["study", "prices-and-rates", "data", "runs-and-results"]
        assert "--group" not in printed
