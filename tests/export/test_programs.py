"""Networks as programs: what somebody else's library computes from the file, against NumPy; and what is not kept."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize import InputError, compact, mlp, unit_groups
from jaxsize.export import _formats, export_network, fold_gates
from jaxsize.networks import conv

X = np.random.default_rng(0).normal(size=(5, 6)).astype("f4")
SHAPE = jax.ShapeDtypeStruct((2, 6), "float32")


def small_network():
    """An `mlp` after the removal of two dead units, its gates folded; and its outputs for X, by NumPy."""
    network = mlp((6, 7, 3), gate="liveness")
    params = network.init(0)
    params["hidden"][0]["liveness"][[1, 4]] = 0
    groups = unit_groups(network.apply, params, SHAPE)
    params = fold_gates(compact(groups, params, groups.live(params)).params)
    (hidden,), output = params["hidden"], params["output"]
    assert hidden["kernel"].shape == (6, 5)
    units = np.maximum(X @ hidden["kernel"] + hidden["bias"], 0)
    return mlp((6, 5, 3)).apply, params, units @ output["kernel"] + output["bias"]


def run(path, format, *inputs):
    if format == "stablehlo":
        return jax.tree.leaves(jax.export.deserialize(bytearray(path.read_bytes())).call(*inputs))
    session = pytest.importorskip("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {one.name: array for one, array in zip(session.get_inputs(), inputs, strict=True)})


@pytest.mark.parametrize("format", ["stablehlo", "onnx"])
def test_the_file_computes_the_same_for_any_number_of_rows(tmp_path, format):
    apply, params, expected = small_network()
    exported = export_network(tmp_path / "network", apply, params, SHAPE, format=format)
    assert (exported.any_batch, exported.why_not) == (True, "") and exported.error < 1e-5
    for rows in (1, 5):
        (outputs,) = run(exported.path, format, X[:rows])
        np.testing.assert_allclose(outputs, expected[:rows], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("format", ["stablehlo", "onnx"])
def test_a_gated_convolution_and_two_outputs(tmp_path, format):
    rng = np.random.default_rng(1)
    params: Any = {"conv": {"kernel": rng.normal(size=(3, 3, 2, 4)).astype("f4"), "bias": np.ones(4, "f4")}}
    params["gate"] = np.array([1, 0.5], "f4")

    def apply(params, images):
        units = jnp.tanh(conv(params["conv"], images, params["gate"]))
        return {"mean": units.mean(axis=(1, 2)), "largest": units.max()}

    images = rng.normal(size=(2, 5, 5, 2)).astype("f4")
    exported = export_network(tmp_path / "network", apply, params, images, format=format)
    largest, mean = run(exported.path, format, images)
    expected = apply(params, images)
    np.testing.assert_allclose(mean, expected["mean"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(largest, expected["largest"], rtol=1e-4)


def test_the_converter_leaves_nothing_behind(tmp_path):
    pytest.importorskip("jax2onnx")
    cumsum = jnp.cumsum
    for name in "ab":
        export_network(
            tmp_path / name, lambda params, x: jnp.cumsum(x, 1) * params, 2.0, X.astype(float), format="onnx"
        )
    assert jnp.cumsum is cumsum
    (outputs,) = run(tmp_path / "b", "onnx", X)
    np.testing.assert_allclose(outputs, 2 * np.cumsum(X, 1), rtol=1e-5, atol=1e-6)


def test_a_function_of_one_batch_size_says_so(tmp_path):
    exported = export_network(tmp_path / "a", lambda params, x: x.reshape(4, 3) * params, np.float32(2), X[:2])
    assert not exported.any_batch and "reshape" in exported.why_not
    assert not export_network(tmp_path / "b", lambda params, x: x, 0.0, X, any_batch=False).any_batch
    scalar = export_network(tmp_path / "c", lambda params, x, y: x * y, 0.0, X, np.float32(2))
    assert scalar.why_not == "an input has no axes"
    with pytest.raises(InputError, match="with any batch size: TypeError: cannot reshape"):
        export_network(tmp_path / "d", lambda params, x: x.reshape(4, 3), 0.0, X[:2], any_batch=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_file_with_other_outputs_is_not_kept(tmp_path, monkeypatch):
    honest = _formats.FORMATS["stablehlo"]
    lying = honest._replace(read=lambda content: lambda *inputs: [honest.read(content)(*inputs)[0] * 1.001])
    monkeypatch.setitem(_formats.FORMATS, "stablehlo", lying)
    with pytest.raises(InputError, match=r"within 0.0001 of the function's, as a share of the largest, got 0.001"):
        export_network(tmp_path / "a", lambda params, x: x * params, 3.0, X)
    assert not list(tmp_path.iterdir())
    assert export_network(tmp_path / "a", lambda params, x: x * params, 3.0, X, tolerance=0.01).error > 5e-4


def test_outputs_that_are_not_finite_hide_no_others(tmp_path, monkeypatch):
    def masked(params, x):
        return jnp.where(x > 0, x * params, -jnp.inf)

    assert export_network(tmp_path / "a", masked, 3.0, X).error < 1e-6
    honest = _formats.FORMATS["stablehlo"]
    for factor in (1.001, -1.0):
        lying = honest._replace(read=lambda content, factor=factor: lambda *x: [honest.read(content)(*x)[0] * factor])
        monkeypatch.setitem(_formats.FORMATS, "stablehlo", lying)
        with pytest.raises(InputError, match="of the stablehlo file within"):
            export_network(tmp_path / "b", masked, 3.0, X)


def test_what_a_function_raises_is_raised(tmp_path):
    with pytest.raises(KeyError, match="kernel"):
        export_network(tmp_path / "a", lambda params, x: x @ params["kernel"], {}, X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pickle"}, "expected one of stablehlo, onnx, got 'pickle'"),
        ({"inputs": ()}, "expected one or more inputs, as arrays or shapes, got none"),
        ({"inputs": (jax.ShapeDtypeStruct((2,), "complex64"),)}, "expected inputs of real numbers, got complex64"),
        ({"inputs": ("text",)}, "expected inputs of real numbers, got <U4 for input 0"),
        ({"tolerance": -1.0}, "tolerance: export_network: expected a finite number from 0 on, got -1.0"),
        ({"path": "missing/a"}, "expected a path in a folder that exists"),
    ],
)
def test_wrong_input_is_named(tmp_path, options, message):
    inputs = options.pop("inputs", (X,))
    path = tmp_path / options.pop("path", "a")
    with pytest.raises(InputError, match=message):
        export_network(path, lambda params, *x: x, 0.0, *inputs, **options)
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="exists"):
        export_network(tmp_path / "a", lambda params, x: x, 0.0, X)
    assert (tmp_path / "a").read_bytes() == b"mine"
