"""plain.py: an `mlp` to the bit as it was walked by hand, and layers and dead units of other networks."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import conv, normal, row

from jaxsize.errors import InputError
from jaxsize.gates.liveness import relu
from jaxsize.learners import TASKS, leaf_rates
from jaxsize.learners.learner import Hparams
from jaxsize.learners.plain import PlainConfig, make_learner
from jaxsize.learners.tasks import mean_over_rows
from jaxsize.networks.layers import dense
from jaxsize.networks.mlp import mlp
from jaxsize.networks.network import Network

TASK = TASKS["classification"]


def walked(params, inputs, targets, weights):
    """The objective of an `mlp` layer by layer, as it was first written."""
    activations, hidden = inputs * jax.lax.stop_gradient(params["inputs"]["scale"]), []
    for layer in params["hidden"]:
        activations = relu(dense(layer, activations))
        hidden.append(activations)
    outputs = dense(params["output"], activations)
    loss = mean_over_rows(TASK.loss(outputs, targets), weights)
    there = (weights > 0)[:, None]
    silent = jnp.stack([jnp.mean(jnp.all(~there | (units == 0), axis=0).astype(jnp.float32)) for units in hidden])
    return loss, {
        "loss": loss,
        "score": mean_over_rows(TASK.scores["accuracy"](outputs, targets), weights),
        "dead_share": jnp.where(jnp.isfinite(loss), silent, jnp.nan),
        "zero_outputs": jnp.all(~there | (outputs == 0)).astype(jnp.float32),
    }


@pytest.mark.parametrize("scale", [1.0, 1e30])  # the second overflows
def test_an_mlp_is_trained_to_the_bit_as_if_it_were_walked_by_hand(scale):
    network = mlp((5, 40, 30, 3), gate=None, bias="normal")
    params = network.init(0) | {"inputs": {"scale": np.float32(scale)}}
    learner = make_learner(network, TASK, PlainConfig())
    rows: Any = normal(1, 9, 5), np.arange(9) % 3, np.array([1] * 7 + [0] * 2, np.float32)
    objective: Any = learner.objective
    ours = jax.jit(jax.value_and_grad(lambda params, *given: objective(params, *given, Hparams()), has_aux=True))
    theirs = jax.jit(jax.value_and_grad(walked, has_aux=True))
    chex.assert_trees_all_equal(ours(params, *rows), theirs(params, *rows), strict=True)
    assert theirs(params, *rows)[0][1]["dead_share"].max() > 0.1 or scale > 1


def images(params, x):
    hidden = jax.nn.relu(conv(x, params["stage"]["conv"]["kernel"]) + row(params["stage"]["conv"]["bias"], 4))
    hidden = jax.nn.relu(hidden.reshape(len(x), -1) @ params["mid"]["kernel"] + row(params["mid"]["bias"]))
    return hidden @ params["top"]["kernel"]


PARAMS: Any = {
    "stage": {"conv": {"kernel": normal(0, 3, 3, 2, 4), "bias": np.array([0, -100, 0, -100], np.float32)}},
    "mid": {"kernel": normal(1, 16 * 4, 6), "bias": np.array([0, 0, 0, 0, 0, -1e4], np.float32)},
    "top": {"kernel": normal(2, 6, 3)},
}


def test_dead_units_and_gradients_by_layer_of_a_convolutional_network():
    learner = make_learner(Network(lambda seed: PARAMS, images), TASK, PlainConfig())
    rows: Any = normal(3, 9, 4, 4, 2), np.arange(9) % 3, np.ones(9, np.float32)
    objective: Any = learner.objective
    (_, seen), gradient = jax.jit(jax.value_and_grad(lambda params: objective(params, *rows, Hparams()), has_aux=True))(
        PARAMS
    )
    assert leaf_rates.layers_of(PARAMS) == ["mid", "stage.conv", "top"]
    stage = PARAMS["stage"]["conv"]
    hidden = np.maximum(np.asarray(conv(rows[0], stage["kernel"])) + stage["bias"], 0).reshape(9, -1)
    silent = (hidden @ PARAMS["mid"]["kernel"] + PARAMS["mid"]["bias"] <= 0).all(axis=0).mean()
    assert silent >= 1 / 6
    assert seen["dead_share"].tolist() == pytest.approx([silent, 2 / 4])
    layers = [gradient["mid"], gradient["stage"]["conv"], gradient["top"]]
    norms = [np.sqrt(sum((np.asarray(leaf, float) ** 2).sum() for leaf in layer.values())) for layer in layers]
    np.testing.assert_allclose(learner.of_gradient(gradient)["gradient_norm"], norms, rtol=1e-5)


def test_rates_by_the_names_of_layers():
    learner = make_learner(Network(lambda seed: PARAMS, images), TASK, PlainConfig())
    rates = {"mid": 0.5, "stage.conv": 0.25, "top": 0.0}
    optimizer = learner.optimizer(Hparams(learning_rate=rates, weight_decay=0.0))
    ones = jax.tree.map(np.ones_like, PARAMS)
    updates: Any = optimizer.update(ones, optimizer.init(PARAMS), PARAMS)[0]
    assert (updates["stage"]["conv"]["bias"] == -0.25).all() and (updates["stage"]["conv"]["kernel"] == -0.25).all()
    assert (updates["mid"]["kernel"] == -0.5).all() and (updates["top"]["kernel"] == 0).all()
    for wrong, odd in (({"mid": 0.5, "top": 0.0}, "stage.conv"), (rates | {"stage": 1.0}, "stage")):
        with pytest.raises(
            InputError, match=rf"^rates: expected numbers for the layers mid, stage.conv, .*'{odd}' dif"
        ):
            leaf_rates.by_layer(wrong, PARAMS)
