"""Wrong input of every study's command: one line that names the flag, exit status 2, nothing written."""

import gzip
import importlib
import struct

import pytest

WRONG = {  # study -> (arguments, what the line has to say)
    "sparsifier": [
        (["--dataset", "nope"], "nope"),
        (["--dataset", "digits", "digits"], "different names"),
        (["--dataset", "mnist", "--data-dir", "missing"], "missing"),
        (["--dataset", "mnist", "--data-dir", "data"], "idx3-ubyte"),
        (["--start-widths", "0"], "--start-widths"),
        (["--start-widths", "-4"], "--start-widths"),
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
        (["--epochs", "1000000000000"], "--epochs: expected at most 1000000, got 1000000000000"),
        (["--epochs", "1000000"], "--epochs: these flags ask for 50 runs of 1000000 epochs"),
        (["--out", "a" * 300], "too long"),
        (["--learning-rate", "0"], "--learning-rate"),
        (["--weight-decay", "-1"], "--weight-decay"),
        (["--form", "new"], "--form"),
        (["--form", "original", "original"], "--form: expected different forms"),
        (["--gate", "sigmoid"], "--gate"),
        (["--gate", "signed", "--death-rule", "absorbing"], "--death-rule: absorbing is for relu gates"),
        (["--death-rule", "sign_variance"], "--death-rule: sign_variance is for signed gates"),
        (["--form", "corrected", "original", "--death-rule", "threshold"], "--gate-step: threshold needs proximal"),
        (["--death-rule", "threshold", "--gate-step", "gradient"], "--gate-step: threshold needs proximal"),
        (
            ["--gate", "signed", "--death-rule", "sign_variance", "--gate-step", "proximal"],
            "--gate-step: sign_variance",
        ),
        (["--sign-decay", "1"], "--sign-decay"),
        (["--sign-decay", "-0.1"], "--sign-decay"),
        (["--sign-decay", "nan"], "--sign-decay"),
        (["--start-widths", "1000000000000"], "--start-widths: expected at most 1000000"),
        (["--smoke", "--full"], "--full"),
        (["--misspelt", "1"], "--misspelt"),
    ],
    "compress": [
        (["--time-limit", "0"], "--time-limit"),
        (["--time-limit", "nan"], "--time-limit"),
        (["--penalty-decay", "0"], "--penalty-decay"),
        (["--penalty-decay", "inf"], "--penalty-decay"),
        (["--penalty-decay", "0.5", "--epochs", "150"], "--penalty-decay"),
        (["--depths", "5"], "--depths"),
        (["--depths", "1", "1"], "--depths"),
        (["--smoke", "--depths", "0"], "--depths"),
        (["--start-width", "0"], "--start-width"),
        (["--partners", "pruned", "pruned"], "--partners"),
        (["--partners", "wide"], "--partners"),
        (["--batch-size", "100000"], "--batch-size"),
        (["--form", "original", "--batch-size", "100000"], "--batch-size"),
        (["--batch-size", "-1"], "--batch-size"),
        (["--static-epochs", "-1"], "--static-epochs"),
        (["--dataset", "nope"], "nope"),
        (["--start-width", "1000000000000"], "--start-width: expected at most 1000000"),
    ],
    "start_size": [
        (["--start-widths", "50"], "--start-widths: expected"),
        (["--start-widths", "50", "50"], "--start-widths: expected"),
        (["--start-widths", "0", "50"], "--start-widths: expected"),
    ],
    "flexible": [
        (["--start-sizes", "10"], "--start-sizes: expected two or more"),
        (["--start-sizes", "0", "300"], "--start-sizes: expected two or more numbers up to the width 200"),
        (["--start-sizes", "0", "-10"], "--start-sizes: expected"),
        (["--slopes", "0"], "--slopes: expected"),
        (["--penalties", "1e-3", "1e-3"], "--penalties: expected different"),
        (["--penalty", "-1"], "--penalty: expected"),
        (["--original-weight-decays", "nan"], "--original-weight-decays: expected"),
        (["--weight-decays", "-1"], "--weight-decays: expected"),
        (["--depth", "0"], "--depth: expected whole"),
        (["--optimizer", "lbfgs"], "--optimizer"),
        (["--num-seeds", "1000000"], "--num-seeds: these flags ask for"),
    ],
    "plateau": [
        (["--weight-decays", "0", "0.1"], "--weight-decays: expected 0 and 0.001 among them"),
        (["--weight-decays", "0", "1e-3", "-1"], "--weight-decays: expected"),
        (["--penalties", "1e-5"], "--penalties: expected 0 among them"),
        (["--start-size", "201"], "--start-size: expected"),
        (["--start-size", "nan"], "--start-size: expected"),
        (["--slope", "0"], "--slope: expected"),
        (["--sgd-learning-rate", "0"], "--sgd-learning-rate: expected"),
        (["--original-epochs", "0"], "--original-epochs: expected"),
        (["--num-seeds", "100000"], "--num-seeds: these flags ask for"),
    ],
    "random_slope": [
        (["--start-size", "-1"], "--start-size: expected"),
        (["--start-size", "nan"], "--start-size: expected"),
        (["--form", "new"], "--form"),
        (["--form", "original", "original"], "--form: expected different forms"),
        (["--width", "1"], "--width: expected whole numbers from 2 on, got 1"),
        (["--start-size", "1e7"], "--start-size: expected a finite number from 0 on, up to 1e+06"),
        (["--size-learning-rate", "0"], "--size-learning-rate: expected"),
        (["--batch-size", "100000"], "--batch-size: digits has"),
    ],
    "pretraining": [
        (["--pretrain-epochs", "5"], "--pretrain-epochs: expected different"),
        (["--pretrain-epochs", "5", "5"], "--pretrain-epochs: expected different"),
        (["--pretrain-epochs", "0", "-1"], "--pretrain-epochs: expected different"),
        (["--slope", "0"], "--slope: expected"),
        (["--num-seeds", "1000000"], "--num-seeds: "),
    ],
    "adam_noise": [
        (["--slow-size-learning-rate", "1"], "--slow-size-learning-rate: expected"),
        (["--slow-size-learning-rate", "nan"], "--slow-size-learning-rate: expected"),
        (["--after-epoch", "0"], "--after-epoch: expected"),
        (["--slope", "-1"], "--slope: expected"),
    ],
    "size_only": [
        (["--slopes", "0"], "--slopes: expected"),
        (["--slopes", "1", "1"], "--slopes: expected"),
        (["--fixed-size-epochs", "0"], "--fixed-size-epochs: expected"),
        (["--gentle-rate", "1"], "--gentle-rate: expected less than"),
        (["--gentle-rate", "0"], "--gentle-rate: expected"),
        (["--start-size", "-1"], "--start-size: expected"),
    ],
    "input_scaling": [
        (["--scales", "0"], "--scales: expected different numbers from 1e-12 to 1e+12 other than 1"),
        (["--scales", "1e12", "--learning-rate", "1e-12", "--rate-factors", "1", "1e-6"], "with a normal float32"),
        (["--epochs", "30"], "--long-epochs: expected more than --epochs 30, got 26"),
        (["--tuned", "--form", "original"], "--tuned: expected --form corrected"),
        (["--evaluated-train-rows", "0"], "--evaluated-train-rows: expected whole numbers"),
        (["--scales", "nan"], "--scales: expected"),
        (["--scales", "1"], "--scales: expected"),
        (["--sweep-scales", "4", "4"], "--sweep-scales: expected"),
        (["--rate-factors", "0.1"], "--rate-factors: expected 1 among them"),
        (["--learning-rate", "0"], "--learning-rate: expected"),
        (["--weight-decay", "-1"], "--weight-decay: expected"),
        (["--form", "new"], "--form"),
        (["--width", "0"], "--width: expected whole numbers"),
        (["--tuned-depths", "0"], "--tuned-depths: expected whole numbers"),
        (["--tuned-weight-decays", "-1"], "--tuned-weight-decays: expected different numbers from 0"),
        (["--dataset", "digits", "--batch-size", "100000"], "--batch-size: digits has 1438"),
        (["--dataset", "add10"], "--dataset: expected sets with classes"),
        (["--dataset", "nothing"], "--dataset: expected some of"),
    ],
}


def truncated_idx(folder):
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        images = struct.pack(">4i", 2051, 60, 28, 28) + bytes(60 * 784 - 5)
        labels = struct.pack(">2i", 2049, 60) + bytes(60)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


ABSURD = [  # of every study: would never end, or take all memory
    (["--num-seeds", "99999999999999999999"], "--num-seeds: expected at most 1000000, got 99999999999999999999"),
    (["--num-seeds", "1000000"], "--num-seeds: these flags ask for"),
    (["--epochs", "99999999999999999999"], "--epochs: expected at most"),
]


@pytest.mark.parametrize(
    ("study", "arguments", "expected"), [(study, *row) for study, rows in WRONG.items() for row in [*rows, *ABSURD]]
)
def test_wrong_input_is_one_line_and_writes_nothing(command, tmp_path, monkeypatch, study, arguments, expected):
    monkeypatch.chdir(tmp_path)
    truncated_idx(tmp_path / "data" / "mnist")
    module = importlib.import_module(f"experiments.{study}")
    status, printed, error = command(*arguments, study=module.COMMAND)
    assert (status, printed) == (2, "")
    assert error.count("\n") == 1 and expected in error and "Traceback" not in error
    assert error.startswith(f"python -m experiments.{study}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
