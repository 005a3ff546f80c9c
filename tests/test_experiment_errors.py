"""Wrong input of `python -m experiments.sparsifier`: one line, exit status 2, nothing written."""

import gzip
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from experiments import sparsifier


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
        (["--gate", "sigmoid"], "--gate"),
        (["--gate", "signed", "--death-rule", "absorbing"], "--death-rule: absorbing is for relu gates"),
        (["--death-rule", "sign_variance"], "--death-rule: sign_variance is for signed gates"),
        (["--form", "original", "--death-rule", "threshold"], "--gate-step: threshold needs proximal"),
        (["--death-rule", "threshold", "--gate-step", "gradient"], "--gate-step: threshold needs proximal"),
        (
            ["--gate", "signed", "--death-rule", "sign_variance", "--gate-step", "proximal"],
            "--gate-step: sign_variance",
        ),
        (["--sign-decay", "1"], "--sign-decay"),
        (["--sign-decay", "-0.1"], "--sign-decay"),
        (["--sign-decay", "nan"], "--sign-decay"),
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
