"""Networks of any kind are saved with their unit groups and come back bit for bit; what does not fit is refused."""

import json
import os
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxsize
from jaxsize.trees import named_leaves

DTYPES = [jnp.bfloat16, np.float16, np.float32, np.int8, np.uint32, bool, np.complex64, jnp.float8_e4m3fn]
LIVE = {"liveness": [0, 2, 5]}


def apply(params, inputs, slope=0.5):
    """A network that no `mlp` is: two branches that share their units, and leaves that it does not read."""
    first, second = params["branches"]
    units = jnp.maximum(inputs @ first, slope * (inputs @ second)) * jaxsize.relu(params["liveness"])[None]
    return units @ params["out"]


def new_params(dtype=np.float32):
    rng = np.random.default_rng(0)
    params = {
        "branches": (rng.normal(size=(4, 6)), rng.normal(size=(4, 6))),
        "liveness": np.array([1, 0, 2, -1, 0, 0.5]),
        "out": rng.normal(size=(6, 3)),
    }
    others = [np.array(rng.integers(0, 2, (2, 3)) * 3).astype(other) for other in DTYPES]
    others[2][:] = [np.nan, -0.0, np.inf]
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params) | {"others": others}


def groups_of(params, function=apply):
    return jaxsize.unit_groups(function, params, np.ones((2, 4), params["out"].dtype))


@pytest.fixture
def saved(tmp_path):
    params = new_params()
    groups = groups_of(params)
    small = jaxsize.compact(groups, params, LIVE)
    jaxsize.save_network(tmp_path / "net", small.params, groups=small.groups, survivors=small.survivors, extra={"a": 1})
    return tmp_path / "net", groups, small


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float16])
def test_a_cut_network_comes_back_bit_for_bit(tmp_path, dtype):
    params = new_params(dtype)
    groups = groups_of(params)
    small = jaxsize.compact(groups, params, LIVE)
    jaxsize.save_network(tmp_path / "net", small.params, groups=small.groups, survivors=small.survivors)
    loaded = jaxsize.load_network(tmp_path / "net", groups=groups)
    assert jax.tree.structure(loaded.params) == jax.tree.structure(params)
    for (name, leaf), kept in zip(named_leaves(loaded.params).items(), jax.tree.leaves(small.params), strict=True):
        assert leaf.dtype == kept.dtype and leaf.shape == kept.shape, name
        assert leaf.tobytes() == np.asarray(kept).tobytes(), name
    assert loaded.params["branches"][0].tobytes() == params["branches"][0][:, LIVE["liveness"]].tobytes()
    assert loaded.survivors["liveness"].tolist() == LIVE["liveness"]
    assert loaded.groups["liveness"].size == 3 and loaded.survivors["out[1]"].tolist() == [0, 1, 2]
    live = {"liveness": [0, 2]}
    again = jaxsize.compact(loaded.groups, loaded.params, live, survivors=loaded.survivors, exact=False)
    assert again.survivors["liveness"].tolist() == [0, 5]


def test_other_programs_can_read_both_files(saved):
    folder, _, small = saved
    content = (folder / "weights.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert header["others.0"]["dtype"] == "BF16" and header["out"] == header["out"] | {"dtype": "F32", "shape": [3, 3]}
    start, end = header["out"]["data_offsets"]
    assert content[8 + length :][start:end] == small.params["out"].tobytes()
    record = json.loads((folder / "network.json").read_text())
    assert record["kind"] == "function" and record["extra"] == {"a": 1} and record["survivors"] == LIVE
    assert record["widths"] == {"liveness": 3, "branches.0[0]": 4, "out[1]": 3} | {
        name: size for name, size in record["widths"].items() if name.startswith("others")
    }


def test_a_network_of_flax_nnx_comes_back_in_its_own_tree(tmp_path):
    class Net(nnx.Module):
        def __init__(self):
            kernels = new_params()
            self.layers = nnx.List([nnx.Param(kernels["branches"][0]), nnx.Param(kernels["out"])])
            self.liveness = nnx.Param(kernels["liveness"])

        def __call__(self, x):
            first, last = self.layers
            return (nnx.relu(x @ first[...]) * nnx.relu(self.liveness[...])[None]) @ last[...]

    graph, state = nnx.split(Net())
    x = jnp.ones((2, 4))
    groups = jaxsize.unit_groups(lambda state, x: nnx.merge(graph, state)(x), state, x)
    jaxsize.save_network(tmp_path / "net", state, groups=groups)
    loaded = jaxsize.load_network(tmp_path / "net", groups=groups)
    assert np.array_equal(nnx.merge(graph, loaded.params)(x), nnx.merge(graph, state)(x))


def refused(message, folder, **arguments):
    with pytest.raises(jaxsize.InputError, match=message) as caught:
        jaxsize.load_network(folder, **arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_another_function_is_refused_unless_asked_for(saved):
    folder, _, small = saved
    other = groups_of(new_params(), lambda params, inputs: apply(params, inputs, slope=0.25))
    refused(r"program: the function is another program than the one that was saved; check", folder, groups=other)
    loaded = jaxsize.load_network(folder, groups=other, check_program=False)
    assert np.array_equal(loaded.params["out"], small.params["out"])
    same = groups_of(new_params(), jax.jit(lambda p, x: apply(p, x)))  # other names and lines, and jitted
    assert jaxsize.load_network(folder, groups=same).survivors["liveness"].tolist() == LIVE["liveness"]
    assert jaxsize.load_network(folder, groups=small.groups).groups["liveness"].size == 3  # groups that were cut


def rewritten(folder, change):
    record = json.loads((folder / "network.json").read_text())
    change(record)
    (folder / "network.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r["leaves"]["out"].update(shape=[4, 3]),
            r"json: out: expected float32\[3, 3\], got float32\[4",
        ),
        (lambda r: r["leaves"]["out"].update(dtype="float64"), r"out: expected float32\[3, 3\], got float64\[3, 3\]"),
        (lambda r: r["leaves"]["out"].update(dtype="a\nb" * 999), r"out: expected float32\[3, 3\], got a ba ba"),
        (lambda r: r["leaves"].pop("out"), r"out: expected float32\[3, 3\], got no such leaf"),
        (lambda r: r["leaves"].update(odd=1), r"odd: expected no such leaf, got 1"),
        (lambda r: r["widths"].update(liveness=4), r"branches\.0: expected float32\[4, 4\], got float32\[4, 3\]"),
        (lambda r: r["widths"].update(liveness=0), r"widths\.liveness: expected a positive integer, got 0"),
        (lambda r: r["widths"].update(liveness=True), r"widths\.liveness: expected a positive integer, got True"),
        (
            lambda r: r["widths"].update({"out[1]": 2}),
            r"widths\.out\[1\]: expected 3 \(reaches the outputs\), got 2",
        ),
        (lambda r: r["widths"].pop("liveness"), r"widths: liveness is missing"),
        (lambda r: r["widths"].update(odd=3), r"widths: odd is no group of the function"),
        (lambda r: r["survivors"].clear(), r"survivors: expected those of liveness, which has lost units, got none"),
        (lambda r: r["survivors"].update(liveness=[0, 2, 6]), r"survivors\.liveness: expected 3 .* below 6, got"),
        (lambda r: r["survivors"].update(liveness=[0, 2, 10**30]), r"survivors\.liveness: expected 3 different"),
        (
            lambda r: r["survivors"].update(liveness=[2, 0, 5]),
            r"survivors\.liveness: expected 3 .* ascending",
        ),
        (lambda r: r["survivors"].update(odd=[0]), r"survivors: expected names of groups"),
        (
            lambda r: r["program"]["inputs"].update({"0": {"dtype": "float32", "shape": [3, 4]}}),
            r"program\.inputs\.0: ",
        ),
        (
            lambda r: r["program"].update(jax="0.1", sha256=""),
            r"saved \(with jax 0\.1; here is .*, whose steps may",
        ),
        (lambda r: r["program"].pop("sha256"), r"program: sha256 is missing"),
        (lambda r: r.update(program=[]), r"program: expected an object of"),
        (lambda r: r.update(leaves=[]), r"leaves: expected an object, got \[\]"),
        (lambda r: r.update(more=1), r"keys: more is unknown"),
        (lambda r: r.update(weights_sha256="0"), r"safetensors: network\.json was written for other values"),
        (lambda r: r.update(kind="mlp"), r"groups: expected none, got some"),
        (lambda r: r.update(kind="odd"), r"kind: expected one of mlp, function, got 'odd'"),
        (lambda r: r.update(format=2), r"format: expected 1, got 2"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(saved, change, message):
    folder, groups, _ = saved
    rewritten(folder, change)
    refused(message, folder, groups=groups)


def test_sizes_are_refused_before_memory_is_taken(saved):
    folder, groups, _ = saved

    def enormous(record):
        record["widths"]["liveness"] = 10**15
        record["survivors"] = {}
        for name, shape in {"branches.0": [4, 10**15], "branches.1": [4, 10**15], "out": [10**15, 3]}.items():
            record["leaves"][name]["shape"] = shape
        record["leaves"]["liveness"]["shape"] = [10**15]

    os.truncate(folder / "weights.safetensors", 2**42)  # a sparse file of 4 TB
    refused(r"safetensors cannot be read: expected at most \d+ bytes, got 4398046511104", folder, groups=groups)
    rewritten(folder, enormous)
    refused(r"cannot be read: expected at most 17179869184 bytes, got", folder, groups=groups)
    os.truncate(folder / "weights.safetensors", 2**10)
    refused(r"safetensors", folder, groups=groups)
    os.truncate(folder / "network.json", 2**40)
    refused(r"network\.json cannot be read: expected at most", folder, groups=groups)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"survivors": {}}, r"survivors: expected those of liveness, of which 3 of 6 units are left, got none"),
        ({"survivors": {"liveness": [0, 2]}}, r"survivors\.liveness: expected 3 different indices"),
        ({"survivors": LIVE | {"odd": [1]}}, r"survivors: expected names of groups"),
        ({"survivors": {"liveness": [0, 2, 6]}}, r"survivors\.liveness: expected 3 different indices, .* below 6, got"),
        ({"activation": "tanh"}, r"groups: expected none of activation"),
        ({"input_scale": np.ones(4)}, r"groups: expected none of activation"),
        ({"params": new_params()}, r"branches\.0: expected float32\[4, 3\], got float32\[4, 6\]"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(saved, tmp_path, arguments, message):
    _, _, small = saved
    arguments = {"params": small.params, "survivors": LIVE} | arguments
    with pytest.raises(jaxsize.InputError, match=message):
        jaxsize.save_network(tmp_path / "new", groups=small.groups, **arguments)
    assert not (tmp_path / "new").exists()


def test_groups_are_asked_for_where_they_were_saved_and_only_there(saved, tmp_path):
    folder, groups, _ = saved
    refused(r"groups: expected the unit groups of its function", folder)
    jaxsize.save_network(tmp_path / "mlp", jaxsize.mlp((2, 3, 1)).init(0))
    refused(r"groups: expected none, got some", tmp_path / "mlp", groups=groups)
