"""The loss without each unit against a loop over networks in which the unit's entries are 0."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import conv
from helpers.training import normal

from jaxsize.learners import TASKS
from jaxsize.measures import leave_one_out
from jaxsize.networks import mlp
from jaxsize.trees import named_leaves, with_leaves

LOSS = TASKS["classification"].loss


def by_loop(losses, params, entries):
    """The mean loss less that of the whole network; entries: of every unit, what is set to 0, by leaf."""
    whole = np.asarray(losses(params), float)
    growth = []
    for of_unit in entries:
        leaves = {name: np.array(leaf) for name, leaf in named_leaves(params).items()}
        for name, index in of_unit.items():
            leaves[name][index] = 0
        growth.append(np.mean(losses(with_leaves(params, leaves)) - whole))
    return whole.mean(), growth


@pytest.mark.parametrize("gate", [None, "size"])
def test_an_mlp_with_any_gate(gate, monkeypatch):
    module = sys.modules["jaxsize.measures.leave_one_out"]  # the package hands on a function of this name
    monkeypatch.setattr(module, "ROWS", 16)
    monkeypatch.setattr(module, "BYTES", 10_000)  # some units at once
    network = mlp((3, 7, 5, 4), gate=gate)
    params = network.init(0)
    inputs, targets = jnp.asarray(normal(1, 40, 3)), jnp.arange(40) % 4
    losses = jax.jit(lambda params: LOSS(network.apply(params, inputs), targets))
    measured = jax.jit(lambda params: leave_one_out(network.apply, params, inputs, targets, LOSS))(params)
    assert len(measured.growth) == 2
    for layer, growth in enumerate(measured.growth.values()):
        entries = [
            {f"hidden.{layer}.kernel": np.s_[:, unit], f"hidden.{layer}.bias": unit} for unit in range(len(growth))
        ]
        whole, expected = by_loop(losses, params, entries)
        assert measured.whole == pytest.approx(whole, rel=1e-6)
        np.testing.assert_allclose(growth, expected, rtol=1e-4, atol=1e-7)
        assert np.abs(expected).max() > 1e-3


@pytest.mark.parametrize("weights", [np.arange(10) % 3, np.arange(10) % 3 > 0])
def test_whole_numbers_as_weights_are_so_many_copies_of_a_row(weights):
    network = mlp((3, 5, 4))
    params, inputs, targets = network.init(0), normal(1, 10, 3), np.arange(10) % 4
    weighted = leave_one_out(network.apply, params, inputs, targets, LOSS, weights=weights)
    copies = np.repeat(np.arange(10), weights)
    expected = leave_one_out(network.apply, params, inputs[copies], targets[copies], LOSS)
    assert weighted.whole == pytest.approx(float(expected.whole), rel=1e-5)
    for growth, of_copies in zip(weighted.growth.values(), expected.growth.values(), strict=True):
        np.testing.assert_allclose(growth, of_copies, rtol=1e-4, atol=1e-6)


def test_channels_and_units_by_name_over_runs():
    def apply(params, images):
        hidden = jnp.tanh(conv(images, params["eye"]["w"]))
        hidden = jnp.tanh(hidden.reshape(len(images), -1) @ params["mind"]["w"])
        return hidden @ params["top"]

    runs = [
        {"eye": {"w": normal(s, 3, 3, 2, 5)}, "mind": {"w": 0.1 * normal(s + 1, 80, 6)}, "top": normal(s + 2, 6, 3)}
        for s in (0, 7)
    ]
    images, targets = jnp.asarray(normal(3, 9, 4, 4, 2)), jnp.arange(9) % 3

    def measure(params):
        return leave_one_out(apply, params, images, targets, LOSS, names=["eye", "mind"]).growth

    losses = jax.jit(lambda params: LOSS(apply(params, images), targets))
    growth = jax.jit(lambda stacked: jax.lax.map(measure, stacked))(jax.tree.map(lambda *a: np.stack(a), *runs))
    for run, params in enumerate(runs):
        channels = [{"eye.w": np.s_[..., unit]} for unit in range(5)]
        _, expected = by_loop(losses, params, channels)
        np.testing.assert_allclose(growth["eye"][run], expected, rtol=1e-4, atol=1e-6)
        _, expected = by_loop(losses, params, [{"top": unit} for unit in range(6)])
        np.testing.assert_allclose(growth["mind"][run], expected, rtol=1e-4, atol=1e-6)
