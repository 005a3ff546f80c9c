"""Folded gates against the network written out in float64, saved files against a hand-written reader."""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from helpers.compiling import jit_for_users
from helpers.files import names

from jaxsize.export.folding import fold_gates
from jaxsize.export.loading import load_network
from jaxsize.export.saving import ACTIVATIONS, save_network
from jaxsize.networks.mlp import mlp

KINDS = {None: "none", "liveness": "liveness", "signed": "signed", "size": "size"}
NETWORKS = st.fixed_dictionaries(
    {
        "widths": st.lists(st.integers(1, 8), min_size=2, max_size=6).map(tuple),  # 0 to 4 hidden layers
        "gate": st.sampled_from(list(KINDS)),
        "gate_inputs": st.booleans(),
        "bias": st.sampled_from(["pytorch", None]),
    }
)
NUMPY_ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "identity": lambda x: x,
}


def settings(max_examples):
    return hypothesis.settings(deadline=None, max_examples=max_examples)


def numpy_mlp(params, inputs, activation="relu", signed=False):
    """The network written out in float64; gates multiply the activations."""

    def gated(layer, values):
        if "liveness" in layer:
            return values * (layer["liveness"] if signed else np.maximum(layer["liveness"], 0))
        if "size" in layer:
            return values / (1 + np.exp(-layer["slope"] * (layer["size"] - np.arange(values.shape[-1]))))
        return values

    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    values = gated(params.get("inputs", {}), np.asarray(inputs, np.float64))
    for layer in params["hidden"]:
        values = gated(layer, NUMPY_ACTIVATIONS[activation](values @ layer["kernel"] + layer.get("bias", 0.0)))
    return values @ params["output"]["kernel"] + params["output"].get("bias", 0.0)


def some_params(network, seed):
    """Parameters of a network that has trained: gates of both signs and exactly 0, sizes between units."""
    rng = np.random.default_rng(seed)

    def moved(path, leaf):
        name = path[-1].key
        if name == "liveness":
            return np.where(rng.random(leaf.shape) < 0.3, 0, rng.normal(size=leaf.shape)).astype(np.float32)
        return np.float32(leaf + rng.normal(size=leaf.shape) * (0.1 if name == "slope" else 0.5))

    return jax.tree_util.tree_map_with_path(moved, network.init(seed))


def some_inputs(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5 * max(1, np.abs(expected).max()))


def assert_same(actual, expected):
    """Structure, shapes, dtypes and every bit."""
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def read_safetensors(path):
    """A reader written from the description of the format alone."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    assert header.pop("__metadata__", {}) == {}
    arrays, covered = {}, 0
    for name, row in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = row["data_offsets"]
        assert row["dtype"] == "F32" and first == covered and sorted(row) == ["data_offsets", "dtype", "shape"]
        arrays[name] = np.frombuffer(content[start + first : start + last], "<f4").reshape(row["shape"])
        covered = last
    assert start + covered == len(content)
    return arrays


# Folding


@settings(12)
@hypothesis.given(kind=NETWORKS, activation=st.sampled_from(list(ACTIVATIONS)), seed=st.integers(0, 999))
def test_a_folded_network_computes_the_same(kind, activation, seed):
    signed = kind["gate"] == "signed"
    network = mlp(**kind, activation=ACTIVATIONS[activation], slope=0.8)
    params = some_params(network, seed)
    before = jax.tree.map(np.copy, params)
    folded = fold_gates(params, signed=signed)
    assert_same(params, before)
    bare = mlp(**kind | {"gate": None, "gate_inputs": False}, activation=ACTIVATIONS[activation])
    chex.assert_trees_all_equal_shapes_and_dtypes(folded, bare.init(0))
    assert all(type(leaf) is np.ndarray and leaf.dtype == np.float32 for leaf in jax.tree.leaves(folded))
    assert_same(fold_gates(folded), folded)  # nothing left to fold

    inputs = some_inputs(seed, 8, kind["widths"][0])
    expected = numpy_mlp(params, inputs, activation, signed)
    outputs = jit_for_users(bare.apply)(folded, inputs)
    assert_close(outputs, expected)
    assert_close(jax.jit(bare.apply)(folded, inputs[:1]), expected[:1])
    if jax.default_backend() == "cpu":  # 8 rows: no layer reads with more units
        assert_same(outputs, jit_for_users(network.apply)(params, inputs))


@settings(30)
@hypothesis.given(gates=st.lists(st.sampled_from([0.0, -0.0, -1.5, -1e-3, 0.25, 1.0, 3.0]), min_size=1, max_size=8))
@pytest.mark.parametrize("signed", [False, True])
def test_a_gate_becomes_part_of_the_rows_that_read_it(signed, gates):
    width = len(gates)
    params = some_params(mlp((3, width, 2), gate_inputs=True), 1)
    params["hidden"][0]["liveness"] = np.array(gates, np.float32)
    folded = fold_gates(params, signed=signed)
    hidden, output = params["hidden"][0], params["output"]
    readers = ((params["inputs"], hidden, folded["hidden"][0]), (hidden, output, folded["output"]))
    for gated, before, after in readers:
        for row, gate in enumerate(gated["liveness"]):
            factor = gate if signed or gate > 0 else np.float32(0)
            np.testing.assert_array_equal(after["kernel"][row], before["kernel"][row] * factor)
        np.testing.assert_array_equal(after["bias"], before["bias"])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_folding_keeps_dtypes_and_takes_arrays_of_jax(dtype):
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), some_params(mlp((5, 4, 3)), 2))
    folded = fold_gates(params)
    assert all(type(leaf) is np.ndarray and leaf.dtype == dtype for leaf in jax.tree.leaves(folded))
    inputs = some_inputs(0, 8, 5).astype(dtype)
    assert_same(mlp((5, 4, 3), gate=None).apply(folded, inputs), mlp((5, 4, 3)).apply(params, inputs))


# Saving and loading


@settings(10)
@hypothesis.given(
    kind=NETWORKS, activation=st.sampled_from(list(ACTIVATIONS)), fold=st.booleans(), seed=st.integers(0, 999)
)
def test_a_saved_network_comes_back_bit_for_bit(kind, activation, fold, seed):
    signed = kind["gate"] == "signed"
    network = mlp(**kind, activation=ACTIVATIONS[activation], slope=0.8)
    params = some_params(network, seed)
    if fold:
        network = mlp(**kind | {"gate": None, "gate_inputs": False}, activation=ACTIVATIONS[activation])
        params, signed = fold_gates(params, signed=signed), False
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "new", "network")
        save_network(folder, params, activation=activation, signed=signed)
        loaded = load_network(folder)
        assert names(folder.parent) == ["network"] and names(folder) == ["network.json", "weights.safetensors"]
        content = (folder / "weights.safetensors").read_bytes()
        record = json.loads((folder / "network.json").read_text(encoding="ascii"))
        arrays = read_safetensors(folder / "weights.safetensors")
    assert_same(loaded.params, params)
    inputs = some_inputs(seed, 5, kind["widths"][0])
    outputs = jit_for_users(loaded.network.apply)(loaded.params, inputs)
    assert_same(outputs, jit_for_users(network.apply)(params, inputs))
    assert_close(jax.jit(loaded.outputs)(inputs), numpy_mlp(params, inputs, activation, signed))
    chex.assert_trees_all_equal_shapes_and_dtypes(loaded.network.init(0), params)

    hidden = {f"hidden.{i}": list(range(width)) for i, width in enumerate(kind["widths"][1:-1])}
    layers = {f"hidden.{i}": layer for i, layer in enumerate(params["hidden"])} | {"output": params["output"]}
    layers |= {"inputs": params["inputs"]} if "inputs" in params else {}
    leaves = {f"{place}.{name}": leaf for place, layer in layers.items() for name, leaf in layer.items()}
    assert_same(arrays, leaves)
    gate = KINDS[kind["gate"]]
    if fold or not (hidden or signed):
        gate = "none"
    assert (
        loaded.description
        == record
        == {
            "format": 1,
            "kind": "mlp",
            "widths": list(kind["widths"]),
            "gate": gate,
            "gated_inputs": "inputs" in params,
            "bias": kind["bias"] is not None,
            "activation": activation,
            "survivors": hidden,
            "normalization": {"scale": 1, "shift": 0},
            "leaves": {name: {"dtype": "float32", "shape": list(leaf.shape)} for name, leaf in leaves.items()},
            "weights_sha256": hashlib.sha256(content).hexdigest(),
            "extra": None,
        }
    )


def test_survivors_normalisation_and_extra_come_back(tmp_path):
    network = mlp((3, 4, 2, 2), gate="signed", activation=jnp.tanh)
    params = network.init(1)
    scale, shift = np.array([1 / 3, 0.1, -2], np.float32), np.float64(np.pi)
    kept = {"hidden.1": [0, 7], "inputs": np.array([2, 3, 700]), "output.kernel[1]": np.arange(2)}
    extra = {"accuracy": np.float32(0.5), "seeds": (1, 2), "nothing": float("nan")}
    arguments = {"survivors": kept, "input_scale": scale, "input_shift": shift, "extra": extra}
    save_network(tmp_path / "a", params, activation="tanh", signed=True, **arguments)
    loaded = load_network(tmp_path / "a")
    assert_same(loaded.survivors, {"hidden.0": np.arange(4), "hidden.1": np.array([0, 7]), "inputs": kept["inputs"]})
    assert_same((loaded.input_scale, loaded.input_shift), (scale, np.float32(shift)))
    assert loaded.description["extra"] == {"accuracy": 0.5, "seeds": [1, 2], "nothing": None}
    raw = np.random.default_rng(0).integers(0, 5, (6, 3))
    assert np.ptp(loaded.outputs(raw), axis=0).min() > 0.01
    for inputs in (raw, raw.astype(np.uint8), jnp.asarray(raw.astype(np.uint8)), raw.tolist(), raw.astype(np.float64)):
        scaled = raw.astype(np.float32) * scale + np.float32(shift)
        assert_same(loaded.outputs(inputs), network.apply(params, jnp.asarray(scaled)))
    assert_close(jax.jit(loaded.outputs)(raw), loaded.outputs(raw))
    np.testing.assert_array_equal(
        loaded.outputs(raw + 2**40),
        network.apply(params, jnp.asarray((raw + 2**40).astype(np.float32) * scale + np.float32(shift))),
    )
    for bad in (raw[0], raw[:, :2], raw[None]):
        with pytest.raises(ValueError, match=r"outputs: expected inputs \[B, 3\], got \["):
            loaded.outputs(bad)


def test_the_description_can_be_read_by_people(tmp_path):
    save_network(tmp_path / "a", some_params(mlp((3, 200, 2)), 1), input_scale=[1, 2, 3])
    lines = (tmp_path / "a" / "network.json").read_text().splitlines()
    assert '  "widths": [3, 200, 2],' in lines and '    "scale": [1.0, 2.0, 3.0],' in lines and len(lines) < 50


def test_arrays_of_any_layout_are_saved_as_their_values(tmp_path):
    """safetensors itself would write the memory of an array, whatever its strides are."""
    params = some_params(mlp((3, 4, 2)), 1)
    odd = {"hidden": (dict(params["hidden"][0]),), "output": dict(params["output"])}
    odd["hidden"][0]["kernel"] = np.asfortranarray(params["hidden"][0]["kernel"])
    odd["hidden"][0]["bias"] = params["hidden"][0]["bias"].astype(">f4")
    odd["hidden"][0]["liveness"] = np.repeat(params["hidden"][0]["liveness"], 2)[::2]
    odd["output"]["kernel"] = jnp.asarray(params["output"]["kernel"])
    save_network(tmp_path / "a", odd)
    assert_same(load_network(tmp_path / "a").params, params)


def test_importing_does_not_import_safetensors():
    program = "import sys, jaxsize.export; sys.exit('safetensors' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
