"""activations.py: values of units before their gates, against the same networks written so that they hand them on."""

from typing import Any

import chex
import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import conv, normal

from jaxsize.errors import InputError
from jaxsize.gates.liveness import liveness_gate, relu
from jaxsize.gates.ramp import size_gate
from jaxsize.networks.layers import dense, unit_gates
from jaxsize.networks.mlp import mlp
from jaxsize.units.activations import activations
from jaxsize.units.reading import unit_groups


def values_of_mlp(params, inputs):
    values, hidden, gates = {}, inputs, None
    for number, layer in enumerate(params["hidden"]):
        hidden = values[f"hidden.{number}"] = relu(dense(layer, hidden, gates))
        gates = unit_gates(layer, hidden.shape[-1])
    return values


@pytest.mark.parametrize("gate", ["size", "liveness", None])
@pytest.mark.parametrize("rows", [3, 60])  # gates are multiplied onto activations, or onto kernels
def test_an_mlp_has_the_same_values_to_the_bit(gate, rows):
    network = mlp((5, 30, 12, 7, 3), gate=gate)
    params, inputs = network.init(0), normal(1, rows, 5)
    names = ["hidden.0", "hidden.1", "hidden.2"]
    values = jax.jit(lambda params, inputs: activations(network.apply, params, inputs, names=names))(params, inputs)
    chex.assert_trees_all_equal(values, jax.jit(values_of_mlp)(params, inputs), strict=True)
    assert len(activations(network.apply, params, inputs)) == 3  # neither inputs nor outputs


def image_net(params, images, *, show=False) -> Any:
    """Gates in three ways: on channels before pooling, on flattened channels, and a size."""
    eye = relu(conv(images, params["eye"]["w"]))
    pooled = jax.lax.reduce_window(
        liveness_gate(eye, params["eye"]["liveness"]), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
    )
    second = jnp.tanh(conv(pooled, params["second"]["w"]))
    flat = second.reshape(len(images), -1)
    mind = jax.nn.relu(flat @ params["mind"]["w"])
    outputs = size_gate(mind, params["mind"]["size"], params["mind"]["slope"]) @ params["top"]
    return {"eye": eye, "second": second, "mind": mind} if show else outputs


IMAGES = normal(0, 6, 4, 4, 2)
IMAGE_PARAMS = {
    "eye": {"w": normal(1, 3, 3, 2, 6), "liveness": normal(2, 6)},
    "second": {"w": normal(3, 3, 3, 6, 5)},
    "mind": {"w": normal(4, 4 * 5, 7), "size": np.float32(3), "slope": np.float32(1)},
    "top": normal(5, 7, 3),
}


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.checkpoint])
def test_channels_flattened_or_pooled_and_units_of_a_dense_layer(wrap):
    apply = wrap(lambda params, images: image_net(params, images))
    values = activations(apply, IMAGE_PARAMS, IMAGES, names=["eye", "second", "mind"])
    expected = image_net(IMAGE_PARAMS, IMAGES, show=True)
    assert values["second"].shape == (6, 2, 2, 5)  # also where what reads them sees them flattened
    chex.assert_trees_all_close(values, expected, rtol=1e-5, atol=1e-6)


def test_mapped_over_runs_and_traced_in_a_gradient():
    runs = jax.tree.map(lambda leaf: np.stack([leaf, leaf + 1, leaf - 1]), IMAGE_PARAMS)

    def loss(params, images):
        dead = jnp.mean(activations(image_net, params, images, names=["mind"])["mind"] == 0)
        return jnp.sum(image_net(params, images)), dead

    gradients, dead = jax.jit(jax.vmap(jax.grad(loss, has_aux=True), (0, None)))(runs, IMAGES)
    for run in range(3):
        params = jax.tree.map(lambda leaf, run=run: leaf[run], runs)
        np.testing.assert_allclose(dead[run], (image_net(params, IMAGES, show=True)["mind"] == 0).mean(), atol=1e-6)
        expected = jax.grad(lambda params: jnp.sum(image_net(params, IMAGES)))(params)
        np.testing.assert_allclose(gradients["top"][run], expected["top"], rtol=1e-3, atol=1e-3)


def stream_net(params, x, *, show=False):
    """A residual stream to which two branches write; a gate each."""
    first = jnp.tanh(x @ params["a"]["w"])
    stream = liveness_gate(first, params["a"]["liveness"])
    stream = stream + liveness_gate(jnp.tanh(stream @ params["b"]["w"]), params["b"]["liveness"])
    return stream if show else stream @ params["top"]


def one_gate_for_all(params, x, *, show=False):
    """A residual stream that is gated wherever it is read."""
    stream = jnp.tanh(x @ params["a"]["w"])
    stream = stream + jnp.tanh(liveness_gate(stream, params["a"]["liveness"]) @ params["b"]["w"])
    return stream if show else liveness_gate(stream, params["a"]["liveness"]) @ params["top"]


@pytest.mark.parametrize("apply", [stream_net, one_gate_for_all])
def test_of_a_stream_it_is_what_its_last_reader_reads(apply):
    params: Any = {name: {"w": normal(n, n + 3, 4), "liveness": normal(n + 5, 4)} for n, name in enumerate("ab")}
    params["top"] = normal(9, 4, 2)
    if apply is one_gate_for_all:
        params["b"].pop("liveness")
    x = normal(8, 6, 3)
    values = activations(apply, params, x)
    (name,) = values
    assert name == "a" and not unit_groups(apply, params, x)[name].fixed
    np.testing.assert_allclose(values["a"], apply(params, x, show=True), rtol=1e-5, atol=1e-6)


def test_units_of_a_concatenation_are_taken_out_of_it():
    def apply(params, x):
        parts = [relu(x @ params["left"]), jnp.tanh(x @ params["right"])]
        return jnp.concatenate(parts, axis=-1) @ params["top"]

    params, x = {"left": normal(0, 3, 4), "right": normal(1, 3, 5), "top": normal(2, 9, 2)}, normal(3, 6, 3)
    values = activations(apply, params, x)
    expected = {"left[1]": np.maximum(x @ params["left"], 0), "right[1]": jnp.tanh(x @ params["right"])}
    chex.assert_trees_all_close(values, expected, rtol=1e-5, atol=1e-6)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.first, self.last = (nnx.Linear(*sizes, use_bias=False, rngs=rngs) for sizes in ((3, 5), (5, 2)))
        self.liveness = nnx.Param(jnp.ones(5))

    def __call__(self, x):
        return self.last(liveness_gate(nnx.gelu(self.first(x)), self.liveness.get_value()))


def test_a_network_of_flax_nnx():
    split: Any = nnx.split
    graph, state = split(Net(nnx.Rngs(0)))
    merge: Any = nnx.merge

    def call(state, x):
        return merge(graph, state)(x)

    x = normal(1, 6, 3)
    (values,) = activations(call, state, x).values()
    np.testing.assert_allclose(values, nnx.gelu(x @ state["first"]["kernel"].get_value()), rtol=1e-5, atol=1e-6)


def test_units_that_are_read_in_a_loop_only_are_left_out_and_refused_by_name():
    def apply(params, x):
        hidden = jnp.tanh(x @ params["a"])
        return jax.lax.scan(lambda carry, _: (carry + hidden @ params["b"], None), jnp.zeros((len(x), 2)), length=2)[0]

    params, x = {"a": normal(0, 3, 4), "b": normal(1, 4, 2)}, normal(2, 6, 3)
    assert activations(apply, params, x) == {}
    with pytest.raises(InputError, match=r"^activations: expected units that a step outside of loops and branches"):
        activations(apply, params, x, names=["a[1]"])
    with pytest.raises(InputError, match=r"^activations: expected a group, a gate or a layer of the function .* 'c'$"):
        activations(apply, params, x, names=["c"])
