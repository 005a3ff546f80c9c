"""multiply_adds.py: what a network costs at any sizes, against closed forms and against the smaller network itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import conv, row, shape

from jaxsize.networks.mlp import mlp
from jaxsize.units.reading import unit_groups


def unit_prices(apply, params, *inputs):
    return unit_groups(apply, params, *inputs).num_multiply_adds()


@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_dense_network(batch_size):
    network = mlp((20, 9, 8, 4))
    groups = unit_groups(network.apply, network.init(0), shape(batch_size, 20))
    sizes = {"hidden.0": 5, "hidden.1": 3}
    assert groups.num_multiply_adds() == batch_size * (20 * 9 + 9 * 8 + 8 * 4)
    assert groups.num_multiply_adds(sizes) == batch_size * (20 * 5 + 5 * 3 + 3 * 4)
    assert groups.num_multiply_adds({"hidden.1": 3}) == batch_size * (20 * 9 + 9 * 3 + 3 * 4)
    assert groups.num_parameters() == sum(np.size(leaf) for leaf in jax.tree.leaves(network.init(0)))
    smaller = mlp((20, 5, 3, 4))
    assert groups.num_parameters(sizes) == sum(np.size(leaf) for leaf in jax.tree.leaves(smaller.init(0)))
    again = unit_groups(smaller.apply, smaller.init(0), shape(batch_size, 20))
    assert again.num_multiply_adds() == groups.num_multiply_adds(sizes) == groups.resized(sizes).num_multiply_adds()
    assert again.num_parameters() == groups.num_parameters(sizes) == groups.resized(sizes).num_parameters()


def conv_network(params, images):
    hidden = jax.nn.relu(conv(images, params["a"])) * row(params["liveness"], 4)
    hidden = jax.lax.reduce_window(hidden, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return hidden.reshape(len(images), -1) @ params["out"]


def conv_shapes(units):
    return {"a": shape(3, 3, 2, units), "liveness": shape(units), "out": shape(2 * 3 * units, 5)}


def test_convolutions_cost_a_window_per_entry():
    groups = unit_groups(conv_network, conv_shapes(8), shape(3, 4, 6, 2))
    (name,) = [name for name, group in groups.groups.items() if group.exact]
    for units in (8, 5):
        expected = 3 * (4 * 6 * units * 9 * 2 + 6 * units * 5)
        assert groups.num_multiply_adds({name: units}) == expected
        assert unit_prices(conv_network, conv_shapes(units), shape(3, 4, 6, 2)) == expected
        assert groups.num_parameters({name: units}) == 9 * 2 * units + units + 6 * units * 5


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_convolutions_read_one_group(groups):
    def apply(params, images):
        return conv(images, params["kernel"], groups)

    costs = unit_prices(apply, {"kernel": shape(3, 3, 8 // groups, 12)}, shape(2, 5, 5, 8))
    assert costs == 2 * 5 * 5 * 12 * 9 * (8 // groups)


def test_batched_contractions():
    def apply(params, x):
        return jnp.einsum("bij,bjk->bik", x, params["kernel"])

    assert unit_prices(apply, {"kernel": shape(4, 3, 2)}, shape(4, 5, 3)) == 4 * 5 * 3 * 2


def test_a_loop_counts_once_per_turn():
    def apply(params, x):
        def turn(x, kernel):
            return jnp.tanh(x @ kernel), None

        return jax.lax.scan(turn, x, params["kernels"])[0] @ params["out"]

    params = {"kernels": shape(6, 3, 3), "out": shape(3, 2)}
    assert unit_prices(apply, params, shape(5, 3)) == 5 * (6 * 3 * 3 + 3 * 2)

    def nested(params, x):
        return jax.lax.fori_loop(0, 4, lambda _, x: apply(params, x) @ params["back"], x)

    assert unit_prices(nested, params | {"back": shape(2, 3)}, shape(5, 3)) == 4 * 5 * (6 * 9 + 6 + 6)


def test_elementwise_work_is_not_counted():
    assert unit_prices(lambda params, x: jnp.tanh(x) * row(params["scale"]), {"scale": shape(3)}, shape(5, 3)) == 0
