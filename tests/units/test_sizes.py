"""sizes.py: parameters and multiply-adds of networks of any kind, against closed forms and against smaller networks."""

import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import conv, shape
from helpers.networks import mlp_sizes

from jaxsize.errors import InputError
from jaxsize.gates.liveness import liveness_gate
from jaxsize.networks.mlp import mlp
from jaxsize.units.reading import unit_groups
from jaxsize.units.sizes import network_sizes


def groups_of_mlp(widths, **settings):
    network = mlp(widths, **settings)
    return unit_groups(network.apply, network.init(0), shape(1, widths[0]))


@pytest.mark.parametrize("gate", ["liveness", "signed", "size", None])
@pytest.mark.parametrize("gate_inputs", [False, True])
@pytest.mark.parametrize("widths", [(4, 8, 3), (5, 7, 6, 7, 2), (5, 1, 3), (3, 3, 3), (3, 2)])
def test_an_mlp_has_the_sizes_that_its_widths_imply(gate, gate_inputs, widths):
    groups = groups_of_mlp(widths, gate=gate, gate_inputs=gate_inputs)
    names = [f"hidden.{layer}" for layer in range(len(widths) - 2)] + ["inputs"] * gate_inputs
    most = [*widths[1:-1], *[widths[0]] * gate_inputs]
    for live in itertools.product(*({1, (size + 1) // 2, size} for size in most)):
        named = dict(zip(names, live, strict=True))
        assert network_sizes(groups, named) == mlp_sizes(widths[0], named, widths[-1])


def flat_apply(params, images):
    hidden = liveness_gate(jax.nn.relu(conv(images, params["conv"]["kernel"])), params["conv"]["liveness"])
    hidden = hidden.reshape(hidden.shape[0], -1) @ params["dense"]["kernel"] + params["dense"]["bias"][None]
    return liveness_gate(jax.nn.relu(hidden), params["dense"]["liveness"]) @ params["last"]


FLAT = {
    "conv": {"kernel": shape(3, 3, 2, 6), "liveness": shape(6)},
    "dense": {"kernel": shape(5 * 4 * 6, 7), "bias": shape(7), "liveness": shape(7)},
    "last": shape(7, 3),
}


def test_a_convolution_flattened_before_a_dense_layer():
    groups = unit_groups(flat_apply, FLAT, shape(1, 5, 4, 2))
    for channels, units in itertools.product((0, 1, 4, 6), (0, 3, 7)):
        kernels = 9 * 2 * channels, 20 * channels * units, units * 3
        expected = {
            "parameters": sum(kernels) + units,
            "multiply_adds": 20 * 9 * 2 * channels + 20 * channels * units + units * 3,
        }
        assert network_sizes(groups, {"conv": channels, "dense": units}) == expected
        masks = {"conv": np.arange(6) < channels, "dense": np.arange(7) >= 7 - units}
        assert network_sizes(groups, masks) == expected


def residual_apply(params, x):
    """Two layers write to one stream, each with gates of its own; `scale` is no gate, though there is a `slope`."""
    stream = liveness_gate(jnp.tanh(x @ params["a"]["w"]), params["a"]["liveness"])
    stream = stream + liveness_gate(jnp.tanh(stream @ params["b"]["w"]), params["b"]["liveness"])
    return (stream @ params["c"]["w"]) * params["c"]["slope"]


RESIDUAL = {
    "a": {"w": shape(4, 6), "liveness": shape(6)},
    "b": {"w": shape(6, 6), "liveness": shape(6)},
    "c": {"w": shape(6, 2), "slope": shape()},
}


def test_units_that_several_gates_close_live_while_one_is_open():
    groups = unit_groups(residual_apply, RESIDUAL, shape(1, 4))
    a, b = np.array([1, 1, 0, 0, 0, 1], bool), np.array([0, 1, 0, 1, 0, 0], bool)
    sizes = network_sizes(groups, {"a": a, "b": b})  # 4 units have an open gate
    assert sizes == {"parameters": 4 * 4 + 4 * 4 + 4 * 2 + 1, "multiply_adds": 4 * 4 + 4 * 4 + 4 * 2}
    with pytest.raises(InputError, match=r"^network_sizes: a, b are gates of the same units; expected for each which"):
        network_sizes(groups, {"a": 3, "b": 2})
    with pytest.raises(InputError, match=r"^network_sizes: expected the live units of all gates of a, got none of 'b'"):
        network_sizes(groups, {"a": a})


def test_what_a_network_cannot_lose_is_refused_with_the_reason():
    groups = groups_of_mlp((4, 8, 3))
    with pytest.raises(InputError, match=r"^network_sizes: output cannot lose units: reaches the outputs$"):
        network_sizes(groups, {"output": 2})
    for live in ({"hidden.0": 9}, {"hidden.0": -1}):
        with pytest.raises(InputError, match=r"^network_sizes: expected from 0 to 8 units of 'hidden.0', got -?\d$"):
            network_sizes(groups, live)
    with pytest.raises(InputError, match=r"^network_sizes: expected a group, a gate or a layer .* got 'hidden.1'$"):
        network_sizes(groups, {"hidden.1": 2})
    with pytest.raises(InputError, match=r"^hidden.0: network_sizes: expected bool \[8\], as others are given so, got"):
        network_sizes(groups, {"hidden.0": np.arange(8)})


def test_a_hundred_calls_take_no_time():
    groups = groups_of_mlp((5, 7, 6, 7, 2), gate_inputs=True)
    live = {"hidden.0": 3, "hidden.1": 2, "hidden.2": 4, "inputs": 5}
    network_sizes(groups, live)
    start = time.perf_counter()
    for _ in range(100):
        network_sizes(groups, live)
    assert time.perf_counter() - start < 0.1  # 1 ms each; 3 ms in all were measured
