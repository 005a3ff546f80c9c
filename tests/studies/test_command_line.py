"""Commands, by `python -m experiments.sparsifier`: no folder is mixed up, a bug is no wrong input."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from experiments.sparsifier import study as sparsifier
from jaxsize.studies import Command, Flags


def test_results_folder_is_never_mixed_up(command, tmp_path):
    out = tmp_path / "r"
    assert command("--smoke", "--epochs", "1", "--out", str(out))[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    status, _, error = command("--smoke", "--epochs", "2", "--out", str(out), "--resume")
    assert status == 2 and error.count("\n") == 1 and "epochs" in error
    status, _, error = command("--smoke", "--out", str(out / "config.json"))
    assert status == 2 and "is a file" in error
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


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


@pytest.mark.parametrize(("backend", "precision"), [("cpu", None), ("gpu", "float32")])
def test_an_accelerator_multiplies_in_float32(command, monkeypatch, backend, precision):
    seen, before = [], jax.config.jax_default_matmul_precision
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    try:
        study = Command("count", Flags, {}, lambda flags: seen.append(jax.config.jax_default_matmul_precision))
        assert command(study=study)[0] == 0
    finally:
        jax.config.update("jax_default_matmul_precision", before)
    assert seen == [precision]
