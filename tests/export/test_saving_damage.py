"""A folder that is damaged, foreign or contradicts itself is refused in one line that names the file."""

import hashlib
import json
import pickle
import random

import chex
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxsize.export import _description
from jaxsize.export.loading import load_network
from jaxsize.export.saving import save_network
from jaxsize.networks.mlp import mlp


@pytest.fixture
def params():
    return mlp((3, 5, 4, 2), gate_inputs=True).init(0)


@pytest.fixture
def saved(tmp_path, params):
    save_network(tmp_path / "network", params, extra="x")
    return tmp_path / "network"


def refused(match, folder):
    with pytest.raises(ValueError, match=match) as caught:
        load_network(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def ones(*shape):
    return np.ones(shape, np.float32)


def rewrite(folder, change):
    """Changes description and arrays of a saved network; the checksum is made to fit again, unless changed too."""
    record = json.loads((folder / "network.json").read_text())
    checksum = record["weights_sha256"]
    arrays = load_file(folder / "weights.safetensors")
    record = change(record, arrays) or record
    save_file(arrays, folder / "weights.safetensors")
    content = (folder / "weights.safetensors").read_bytes()
    if isinstance(record, dict) and record.get("weights_sha256") == checksum:
        record["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "network.json").write_text(json.dumps(record))


def described(**entries):
    return lambda record, arrays: {**record, **entries}


def replaced(key, **entries):
    return lambda record, arrays: {**record, key: {**record[key], **entries}}


def without(name):
    return lambda record, arrays: arrays.__delitem__(name)


def stored(name, array):
    return lambda record, arrays: arrays.update({name: array})


BIAS = {"dtype": "float32", "shape": [5]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (described(format=2), r"network\.json: format: expected 1, got 2"),
        (described(format=True), r"network\.json: format: expected 1, got True"),
        (lambda record, arrays: [1], r"network\.json: format: expected 1, got 'no JSON object'"),
        (lambda record, arrays: {"a": 1}, r"network\.json: format: expected 1, got 'none'"),
        (
            lambda record, arrays: record.pop("extra") and None,
            r"network\.json: keys: extra is missing, expected format",
        ),
        (described(more=1), r"network\.json: keys: more is unknown, expected format"),
        (described(kind="cnn"), r"network\.json: kind: expected one of mlp, got 'cnn'"),
        (described(gate="open"), r"network\.json: gate: expected one of none, liveness, signed, size, got 'open'"),
        (described(gate=[]), r"network\.json: gate: expected one of"),
        (described(gate="size"), r"network\.json: leaves\.hidden\.0\.size: expected .* for widths .*, got absent"),
        (described(gate="none"), r"network\.json: leaves\.hidden\.0\.liveness: expected absent"),
        (described(activation="swish"), r"network\.json: activation: expected one of relu, .*, got 'swish'"),
        (described(activation=None), r"network\.json: activation: expected one of relu, .*, got None"),
        (described(bias=1), r"network\.json: bias: expected true or false, got 1"),
        (described(bias=False), r"network\.json: leaves\.hidden\.0\.bias: expected absent"),
        (described(gated_inputs=False), r"network\.json: leaves\.inputs\.liveness: expected absent"),
        (described(widths=[3, 5, 4, 3]), r"network\.json: leaves\.output\.kernel\.shape\[1\]: expected 3 .*, got 2"),
        (described(widths=[3, 5, 2]), r"network\.json: leaves\.output\.kernel\.shape\[0\]: expected 5 .*, got 4"),
        (described(widths=[3]), r"network\.json: widths: expected two or more positive integers, got \[3\]"),
        (described(widths=[3, 5, True, 2]), r"network\.json: widths: expected"),
        (described(widths=[3, 5.0, 4, 2]), r"network\.json: widths: expected"),
        (described(widths=None), r"network\.json: widths: expected"),
        (described(leaves=[]), r"network\.json: leaves: expected"),
        (replaced("leaves", more=BIAS), r"network\.json: leaves\.more: expected absent"),
        (
            replaced("leaves", **{"hidden.0.bias": BIAS | {"dtype": "float64"}}),
            r'network\.json: leaves\.hidden\.0\.bias\.dtype: expected "float32" .*, got "float64"',
        ),
        (described(survivors=[]), r"network\.json: survivors: expected an object of lists, got \[\]"),
        (described(survivors={}), r"network\.json: survivors: expected inputs, hidden\.0, hidden\.1"),
        (replaced("survivors", more=[0]), r"network\.json: survivors: expected inputs, .*'more'\]"),
        (replaced("survivors", **{"hidden.1": [0, 1]}), r"network\.json: survivors of hidden\.1: expected 4 different"),
        (replaced("survivors", **{"hidden.1": "0123"}), r"network\.json: survivors of hidden\.1: expected 4 different"),
        (described(normalization=None), r"network\.json: normalization: expected an object of scale, shift, got None"),
        (described(normalization={"scale": 1}), r"network\.json: normalization: shift is missing"),
        (replaced("normalization", mean=0), r"network\.json: normalization: mean is unknown"),
        (replaced("normalization", scale=[1, 2]), r"network\.json: input scale: expected a finite number or 3 of them"),
        (replaced("normalization", shift=None), r"network\.json: input shift: expected a finite number"),
        (replaced("normalization", shift=float("inf")), r"network\.json: input shift: expected a finite number"),
        (described(weights_sha256=None), r"weights\.safetensors: .*sha256 differs"),
        (described(weights_sha256="0" * 64), r"weights\.safetensors: .*sha256 differs"),
        (without("hidden.1.bias"), r"weights\.safetensors: hidden\.1\.bias: expected \[4\], got no such leaf"),
        (stored("more", ones(1)), r"weights\.safetensors: more: expected no such leaf, got \[1\]"),
        (stored("hidden.0.bias", ones(4)), r"weights\.safetensors: hidden\.0\.bias: expected \[5\], got \[4\]"),
        (
            stored("hidden.0.kernel", ones(5, 3)),
            r"weights\.safetensors: hidden\.0\.kernel: expected \[3, 5\], got \[5, 3\]",
        ),
        (stored("hidden.0.bias", np.ones(5)), r"weights\.safetensors: hidden\.0\.bias: expected float32, got float64"),
        (stored("hidden.0.bias", np.ones(5, np.int32)), r"weights\.safetensors: .*expected float32, got int32"),
        (stored("hidden.0.bias", ones(5) * np.nan), r"weights\.safetensors: hidden\.0\.bias: expected finite values"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(saved, change, message):
    rewrite(saved, change)
    refused(message, saved)


def test_rewriting_without_a_change_is_no_damage(saved, params):
    rewrite(saved, lambda record, arrays: None)
    chex.assert_trees_all_equal(load_network(saved).params, params, strict=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("network.json", None, "No such file"),
        ("network.json", b"", "is not a JSON file"),
        ("network.json", b"{'a': 1}", "is not a JSON file"),
        ("network.json", b"\xff\xfe", "is not a JSON file"),
        ("network.json", b"[" * 100_000, "."),
        ("weights.safetensors", None, "No such file"),
        ("weights.safetensors", b"", "header too small"),
        ("weights.safetensors", pickle.dumps({"a": [1.0] * 99}), "header too large"),
        ("weights.safetensors", b"\x02" + b"\0" * 7 + b"{}", ""),
    ],
)
def test_files_that_are_missing_or_foreign_are_refused(saved, name, content, message):
    (saved / name).unlink()
    if content is not None:
        (saved / name).write_bytes(content)
    refused(rf"{name}.*{message}", saved)
    if content is None:
        (saved / name).mkdir()
        refused(f"{name} cannot be read: .*Is a directory", saved)


def test_missing_folders_are_refused(tmp_path):
    refused(r"nothing/network\.json cannot be read: .*No such file", tmp_path / "nothing")


def test_every_cut_and_every_changed_bit_of_the_weights_is_noticed(saved):
    path = saved / "weights.safetensors"
    content, rng = path.read_bytes(), random.Random(0)
    for _ in range(100):
        cut = content[: rng.randrange(len(content))]
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        for damage in (cut, bytes(flipped), content + b"\0"):
            path.write_bytes(damage)
            refused(r"weights\.safetensors", saved)


def test_every_cut_of_the_description_is_noticed(saved):
    path = saved / "network.json"
    content = path.read_bytes()
    for end in range(0, len(content) - 1, 7):
        path.write_bytes(content[:end])
        refused(r"network\.json cannot be read", saved)


def test_a_later_format_is_told_before_anything_else(saved, monkeypatch):
    (saved / "weights.safetensors").unlink()
    (saved / "network.json").write_text('{"format": 7, "layers": []}')
    refused(r"network\.json: format: expected 1, got 7", saved)
    assert _description.FORMAT == 1
