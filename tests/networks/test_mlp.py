import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.gates.leaves import read_liveness, read_sizes
from jaxsize.networks.counts import num_mlp_parameters
from jaxsize.networks.mlp import mlp, with_gates

WIDTHS = st.lists(st.integers(1, 8), min_size=2, max_size=5).map(tuple)  # 0 to 3 hidden layers


def settings(max_examples):
    return hypothesis.settings(deadline=None, max_examples=max_examples)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def numpy_mlp(params, inputs, signed=False):
    """The network written out in float64; relu."""

    def gate(layer, width):
        if "liveness" in layer:
            return layer["liveness"] if signed else np.maximum(layer["liveness"], 0)
        if "size" in layer:
            return 1 / (1 + np.exp(-layer["slope"] * (layer["size"] - np.arange(width))))
        return 1.0

    values = inputs * gate(params.get("inputs", {}), inputs.shape[-1])
    for layer in params["hidden"]:
        values = np.maximum(values @ layer["kernel"] + layer.get("bias", 0.0), 0)
        values = values * gate(layer, values.shape[-1])
    return values @ params["output"]["kernel"] + params["output"].get("bias", 0.0)


def perturbed(params, seed):
    """Parameters away from their special starts: gates on both sides of 0, sizes between units."""
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(seed)
    return tree.unflatten([np.float32(leaf + rng.normal(size=np.shape(leaf)) * 0.7) for leaf in leaves])


def as_float64(params):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


@settings(15)
@hypothesis.given(
    widths=WIDTHS,
    gate=st.sampled_from(["liveness", "signed", "size", None]),
    gate_inputs=st.booleans(),
    bias=st.sampled_from(["pytorch", None]),
)
def test_outputs_are_those_of_the_network_written_out(widths, gate, gate_inputs, bias):
    network = mlp(widths, gate=gate, gate_inputs=gate_inputs, bias=bias, slope=0.8)
    params = network.init(3)
    assert ("inputs" in params) == gate_inputs and len(params["hidden"]) == len(widths) - 2
    if gate == "size" and len(widths) > 2:
        params["hidden"][0]["slope"] = np.float32(1.7)  # slopes stay positive
    else:
        params = perturbed(params, 4)
    inputs = normal(5, 6, widths[0])
    outputs = jax.jit(network.apply)(params, jnp.asarray(inputs))
    chex.assert_shape(outputs, (6, widths[-1]))
    expected = numpy_mlp(as_float64(params), inputs.astype(float), signed=gate == "signed")
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=2e-5)
    kinds = {"signed": True, "liveness": False}
    assert network.signed == kinds.get(gate, False if gate_inputs else None)


@settings(15)
@hypothesis.given(widths=WIDTHS)
def test_parameters_are_counted(widths):
    leaves = jax.tree.leaves(mlp(widths, gate=None).init(0))
    assert num_mlp_parameters(widths) == sum(leaf.size for leaf in leaves)


def test_seeds_names_and_widths():
    network = mlp((4, 5, 5, 5, 2))
    params = network.init(1)
    chex.assert_trees_all_equal(params, network.init(1), strict=True)
    kernels = [layer["kernel"] for layer in params["hidden"]]
    assert not np.array_equal(kernels[1], kernels[2])
    assert not np.array_equal(kernels[1], network.init(2)["hidden"][1]["kernel"])
    # Paired seeds: a wider network starts from the narrower one's first units, in both directions.
    wider = mlp((4, 9, 5, 5, 2)).init(1)
    np.testing.assert_array_equal(wider["hidden"][0]["kernel"][:, :5], kernels[0])
    np.testing.assert_allclose(wider["hidden"][1]["kernel"][:5] * (9 / 5) ** 0.5, kernels[1], rtol=1e-5)
    for widths in ((3,), (3, 0, 2), (3, -1, 2), (3, 2.5, 2)):
        with pytest.raises(ValueError, match="all positive integers"):
            mlp(widths)  # pyright: ignore[reportArgumentType]


@settings(15)
@hypothesis.given(
    data=st.data(),
    widths=st.lists(st.integers(2, 8), min_size=3, max_size=5),
    bias=st.sampled_from(["pytorch", None]),
    seed=st.integers(0, 99),
)
def test_sizes_are_read_off_the_parameters(data, widths, bias, seed):
    """Cutting dead inputs and units out by hand leaves the outputs of the same `apply` as they are."""
    network = mlp(widths, gate_inputs=True, bias=bias)
    params = jax.tree.map(np.array, network.init(seed))
    alive = [np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n))) for n in widths[:-1]]
    gates = [params["inputs"], *params["hidden"]]
    for layer, live in zip(gates, alive, strict=True):
        layer["liveness"] = np.where(live, 0.7, -0.2).astype(np.float32)
    cut = {"inputs": {"liveness": params["inputs"]["liveness"][alive[0]]}, "hidden": []}
    for layer, before, own in zip(params["hidden"], alive, alive[1:], strict=False):
        vectors = {name: layer[name][own] for name in layer if name != "kernel"}
        cut["hidden"].append({"kernel": layer["kernel"][before][:, own], **vectors})
    cut["output"] = params["output"] | {"kernel": params["output"]["kernel"][alive[-1]]}
    inputs = normal(seed, 4, widths[0])
    apply = jax.jit(network.apply)
    outputs, expected = apply(cut, jnp.asarray(inputs[:, alive[0]])), apply(params, jnp.asarray(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gate", ["liveness", "signed", "size", None])
def test_gradients_are_the_finite_differences_of_the_network_written_out(gate):
    network = mlp((3, 5, 4, 2), gate=gate, gate_inputs=gate != "size")
    params = jax.tree.map(lambda leaf: leaf + np.float32(0.05), network.init(2))
    if gate == "signed":  # a signed gate of 0 has a gradient, and so has one below
        params["hidden"][0]["liveness"][:2] = 0, -0.4
    inputs, weights = normal(3, 7, 3), normal(4, 7, 2)

    def loss(params):
        return jnp.sum(jnp.tanh(network.apply(params, jnp.asarray(inputs))) * weights)

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(params))
    leaves, tree = jax.tree.flatten(as_float64(params))
    for place, gradient in enumerate(gradients):
        expected, step = np.zeros(np.shape(leaves[place])), 1e-6
        for index in np.ndindex(expected.shape):
            values = []
            for sign in (1, -1):
                moved = [leaf.copy() for leaf in leaves]
                moved[place][index] += sign * step
                values.append(
                    np.sum(np.tanh(numpy_mlp(tree.unflatten(moved), inputs.astype(float), gate == "signed")) * weights)
                )
            expected[index] = (values[0] - values[1]) / (2 * step)
        np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("bias", ["pytorch", None])
def test_gates_at_one_change_no_output(bias):
    widths, inputs = (3, 9, 7, 4), jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)), jnp.float32)
    params = mlp(widths, gate=None, bias=bias).init(1)
    gated = with_gates(params)
    assert [layer["liveness"].tolist() for layer in gated["hidden"]] == [[1] * 9, [1] * 7]
    assert "liveness" not in params["hidden"][0] and gated["hidden"][0]["liveness"].dtype == np.float32
    np.testing.assert_array_equal(mlp(widths).apply(gated, inputs), mlp(widths, gate=None).apply(params, inputs))


@pytest.mark.parametrize("gate", ["liveness", "size", None])
@pytest.mark.parametrize("gate_inputs", [False, True])
def test_facts_are_those_of_the_parameters(gate, gate_inputs):
    network = mlp((3, *[2] * 11, 4), gate=gate, gate_inputs=gate_inputs)
    params = network.init(0)
    assert network.gates == (*read_sizes(params), *read_liveness(params))
    assert network.input_shape == params["hidden"][0]["kernel"].shape[:1]
