"""Parameters and arguments that do not fit are refused in one line, and nothing half-written is left."""

import os

import numpy as np
import pytest
from helpers.files import full_disk, names

from jaxsize.export.folding import fold_gates
from jaxsize.export.saving import save_network
from jaxsize.networks.mlp import mlp


@pytest.fixture
def params():
    return mlp((3, 5, 4, 2), gate_inputs=True).init(0)


@pytest.fixture
def saved(tmp_path, params):
    save_network(tmp_path / "network", params, extra="x")
    return tmp_path / "network"


def refused(match, call, *args, **kwargs):
    with pytest.raises(ValueError, match=match) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


# Parameters and arguments


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["hidden"][1].pop("kernel"), r"hidden\.1\.kernel: expected the kernel .* got no such leaf"),
        (lambda p: p["hidden"][0].pop("kernel"), r"hidden\.0\.kernel: expected the kernel .* got no such leaf"),
        (lambda p: p.pop("output"), r"output\.kernel: expected the kernel \[D, U\] of a dense layer, got no such leaf"),
        (lambda p: p["hidden"].pop(1), r"output\.kernel: expected \[5, 2\], got \[4, 2\]"),
        (lambda p: p["hidden"].clear(), r"inputs\.liveness: expected \[4\], got \[3\]"),
        (lambda p: p["hidden"][1].pop("bias"), r"hidden\.1\.bias: expected \[4\], got no such leaf"),
        (lambda p: p["output"].pop("bias"), r"hidden\.0\.bias: expected no such leaf, got \[5\]"),
        (lambda p: p["hidden"][1].pop("liveness"), r"hidden\.1\.liveness: expected \[4\], got no such leaf"),
        (lambda p: p["hidden"][0].pop("liveness"), r"hidden\.1\.liveness: expected no such leaf, got \[4\]"),
        (lambda p: p["output"].update(liveness=ones(2)), r"output\.liveness: expected no such leaf, got \[2\]"),
        (lambda p: p["hidden"][0].update(size=ones()), r"hidden\.0\.size: expected no such leaf, got \[\]"),
        (lambda p: p["inputs"].update(liveness=ones(4)), r"inputs\.liveness: expected \[3\], got \[4\]"),
        (lambda p: p["inputs"].update(gamma=ones(3)), r"inputs\.gamma: expected no such leaf, got \[3\]"),
        (lambda p: p["hidden"][0].update(kernel=ones(2, 3, 5)), r"hidden\.0\.kernel: expected the kernel \[D, U\]"),
        (lambda p: p["hidden"][0].update(kernel=ones(3, 0)), r"hidden\.0\.kernel: expected .*, got \[3, 0\]"),
        (lambda p: p["hidden"][0].update(bias=np.arange(5)), r"hidden\.0\.bias: expected a floating dtype, got int64"),
    ],
)
def test_parameters_of_another_form_are_refused(tmp_path, params, change, message):
    change(params)
    refused(message, fold_gates, params)
    refused(message, save_network, tmp_path / "new", params)
    assert names(tmp_path) == []


@pytest.mark.parametrize("gate", [None, "size"])
def test_signed_gates_need_a_liveness(tmp_path, gate):
    params = mlp((3, 5, 2), gate=gate).init(0)
    for call in (lambda: fold_gates(params, signed=True), lambda: save_network(tmp_path / "a", params, signed=True)):
        refused(r"hidden\.0\.liveness: expected a leaf, since gates are signed", call)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "swish"}, r"activation: expected one of relu, tanh, .*identity, got 'swish'"),
        ({"activation": abs}, r"activation: expected one of relu, tanh"),
        (
            {"survivors": {"hidden.0": [0, 1, 2]}},
            r"survivors of hidden\.0: expected 5 different indices, .* \[0, 1, 2\]",
        ),
        ({"survivors": {"hidden.1": [0, 1, 1, 2]}}, r"survivors of hidden\.1: expected 4 different indices, ascending"),
        ({"survivors": {"hidden.1": [0, 2, 1, 3]}}, r"survivors of hidden\.1: expected 4 different indices, ascending"),
        ({"survivors": {"hidden.1": [-1, 0, 1, 2]}}, r"survivors of hidden\.1: .*none negative, got \[-1, 0, 1, 2\]"),
        ({"survivors": {"hidden.1": [0, 1, 2, 2**63]}}, r"survivors of hidden\.1: "),
        ({"survivors": {"hidden.1": [0, 1, 2, 2**70]}}, r"survivors of hidden\.1: "),
        ({"survivors": {"hidden.1": [0.0, 1.0, 2.0, 3.0]}}, r"survivors of hidden\.1: "),
        ({"survivors": {"hidden.1": [False, True, True, True]}}, r"survivors of hidden\.1: "),
        ({"survivors": {"hidden.1": np.arange(8).reshape(2, 4)}}, r"survivors of hidden\.1: "),
        ({"survivors": {"hidden.1": [[0, 1], [2]]}}, r"survivors of hidden\.1: "),
        ({"survivors": {"inputs": [0, 1]}}, r"survivors of inputs: expected 3 different"),
        ({"survivors": {"hidden.2": [0, 2]}}, r"survivors: expected inputs, hidden\.0, hidden\.1 .*'hidden\.2'\]"),
        ({"input_scale": [1.0, 2.0]}, r"input scale: expected a finite number or 3 of them, got \[1\.0, 2\.0\]"),
        ({"input_scale": [[1.0, 2.0, 3.0]]}, r"input scale: expected"),
        ({"input_scale": [[1.0], 2.0, 3.0]}, r"input scale: expected"),
        ({"input_scale": np.nan}, r"input scale: expected a finite number or 3 of them, got nan"),
        ({"input_scale": "1"}, r"input scale: expected a finite number or 3 of them, got '1'"),
        ({"input_shift": 1e300}, r"input shift: expected a finite number"),
        ({"input_shift": np.zeros((4, 4))}, r"input shift: expected"),
        ({"input_shift": True}, r"input shift: expected"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path, params, arguments, message):
    refused(message, save_network, tmp_path / "new", params, **arguments)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (np.array([1, np.nan, 3, np.inf, 5], np.float32), "expected finite values, got 2 others"),
        (np.ones(5), "expected float32, got float64"),
        (ones(5).astype(np.float16), "expected float32, got float16"),
    ],
)
def test_only_finite_float32_is_saved(tmp_path, params, leaf, message):
    params["hidden"][0]["bias"] = leaf
    refused(r"hidden\.0\.bias: " + message, save_network, tmp_path / "new", params)
    assert names(tmp_path) == []


# Writing


def test_what_exists_is_refused_and_stays(tmp_path, params, saved):
    before = {name: (saved / name).read_bytes() for name in names(saved)}
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("network", "empty", "file", "link"):
        with pytest.raises(FileExistsError, match=f"{name} exists: a network is saved as a new folder"):
            save_network(tmp_path / name, params)
    assert {name: (saved / name).read_bytes() for name in names(saved)} == before
    assert names(tmp_path) == ["empty", "file", "link", "network"] and names(tmp_path / "empty") == []


def test_a_full_disk_leaves_nothing(tmp_path):
    for width in (500, 2):  # the weights do not fit; only the description does not
        params = mlp((3, width, 2)).init(0)
        with full_disk(), pytest.raises(OSError):
            save_network(tmp_path / "network", params, extra="x" * 5000)
        assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_failure_at_any_step_leaves_nothing(tmp_path, monkeypatch, params, step, when):
    calls, plain = [], getattr(os, step)

    def fail(*args):
        calls.append(args)
        if len(calls) == when:
            raise KeyboardInterrupt
        return plain(*args)

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(KeyboardInterrupt):
        save_network(tmp_path / "network", params)
    monkeypatch.undo()
    assert names(tmp_path) == []
    (tmp_path / ".network.aside").mkdir()  # of a program that was killed
    (tmp_path / ".network.aside" / "weights.safetensors").touch()
    save_network(tmp_path / "network", params)
    assert names(tmp_path) == ["network"] and len(names(tmp_path / "network")) == 2


def test_an_extra_without_json_form_leaves_nothing(tmp_path, params):
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        save_network(tmp_path / "network", params, extra={1, 2})
    assert names(tmp_path) == []
