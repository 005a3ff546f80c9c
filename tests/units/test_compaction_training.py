"""Training goes on after compaction as if nothing had happened: step by step what the masked network does."""

import functools

import jax
import numpy as np
import optax
import pytest
from helpers.compaction import TOLERANCE, conv_model, differences, mlp_model, optimizers, residual_model
from hypothesis import given, settings
from hypothesis import strategies as st

GATES = ["liveness", "signed"]
# The rest of optax that takes units side by side; `sm3`, `lamb`, ... do not (tests/test_compaction_errors.py).
MORE_OPTIMIZERS = {
    "acprop": optax.contrib.acprop(0.01),
    "adabelief": optax.adabelief(0.01),
    "adadelta": optax.adadelta(0.5),
    "adamaxw": optax.adamaxw(0.01),
    "adan": optax.adan(0.01),
    "ademamix": optax.contrib.ademamix(0.01),
    "adopt": optax.contrib.adopt(0.01),
    "amsgrad": optax.amsgrad(0.01),
    "apply_every": optax.chain(optax.adam(0.01), optax.apply_every(3)),
    "clip": optax.chain(optax.clip(0.1), optax.sgd(0.05)),
    "cocob": optax.contrib.cocob(),
    "madgrad": optax.contrib.madgrad(0.01),
    "nadamw": optax.nadamw(0.01),
    "optimistic_adam": optax.optimistic_adam_v2(0.01),
    "optimistic_gradient_descent": optax.optimistic_gradient_descent(0.02),
    "radam": optax.radam(0.01),
    "rprop": optax.rprop(0.01),
    "schedule_free_sgd": optax.contrib.schedule_free_sgd(0.05),
    "sign_sgd": optax.sign_sgd(0.005),
    "signum": optax.signum(0.005),
    "simplified_ademamix": optax.contrib.simplified_ademamix(0.001),
    "stddev": optax.chain(optax.scale_by_stddev(), optax.sgd(0.01)),
    "yogi": optax.yogi(0.01),
}


# Gates of either sign have gradients while they are dead: one optimiser of every kind of state that these could reach.
SIGNED_OPTIMIZERS = ("sgd", "nesterov", "adamw", "lion", "adagrad", "partition", "masked", "schedule_free_adamw")


@functools.cache
def of_all_optimizers(gate):
    with jax.enable_x64(True):
        known = optimizers(gate == "signed", np.float64)
        tried = {name: known[name] for name in SIGNED_OPTIMIZERS} if gate == "signed" else known | MORE_OPTIMIZERS
        return differences(mlp_model((4, 7, 3), gate), tried, dtype=np.float64)


@pytest.mark.parametrize(
    ("gate", "name"), [("liveness", name) for name in optimizers()] + [("signed", name) for name in SIGNED_OPTIMIZERS]
)
def test_every_optimiser_goes_on_as_the_masked_network(gate, name):
    assert of_all_optimizers(gate)[name] <= TOLERANCE[np.dtype(np.float64)]


@pytest.mark.parametrize("name", MORE_OPTIMIZERS)
def test_so_does_whatever_else_of_optax_is_accepted(name):
    assert of_all_optimizers("liveness")[name] <= TOLERANCE[np.dtype(np.float64)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("make", [conv_model, residual_model])
def test_so_do_networks_with_batch_norm_pooling_and_residual_sums(make, gate, dtype):
    with jax.enable_x64(dtype is np.float64):
        names = ["adam", "rmsprop"] if dtype is np.float32 else ["nesterov", "partition"]
        known = optimizers(gate == "signed", dtype)
        worst = differences(make(gate=gate), {name: known[name] for name in names}, dtype=dtype)
    assert max(worst.values()) <= TOLERANCE[np.dtype(dtype)], worst


layers = st.lists(st.lists(st.booleans(), min_size=2, max_size=6), min_size=1, max_size=4)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(layers, st.sampled_from(GATES), st.sampled_from([*optimizers(signed=True)]), st.integers(0, 20))
def test_whatever_the_widths_the_live_units_and_the_steps_before(layers, gate, optimizer, before):
    with jax.enable_x64(True):
        model = mlp_model((4, *map(len, layers), 3), gate, seed=len(layers))
        live = {f"hidden.{number}": np.array(units) for number, units in enumerate(layers)}
        one = {optimizer: optimizers(gate == "signed", np.float64)[optimizer]}
        (error,) = differences(model, one, live, np.float64, before).values()
    assert error <= TOLERANCE[np.dtype(np.float64)]
