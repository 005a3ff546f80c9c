import dataclasses

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hparams import sparsifier_hparams
from helpers.training import jitted_epoch, normal, train

from jaxsize.data import load
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners._unit_norm import normalize_units
from jaxsize.learners.sparsifier import FORMS, SparsifierConfig, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.layers import conv, dense, init_conv, init_dense, unit_gates
from jaxsize.networks.mlp import mlp
from jaxsize.networks.network import Network
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import TrainState, init_state
from jaxsize.programs.evaluation import make_evaluate
from jaxsize.sweeps.columns import gate_columns

CLASSIFICATION = TASKS["classification"]
D, U, K, ROWS = 3, 8, 3, 24
HPARAMS = sparsifier_hparams(learning_rate=0.01, penalty_weight=0.05, weight_decay=0.0, gate_learning_rate=0.05)


def some_data(num_inputs=D):
    inputs = normal(1, ROWS, num_inputs)
    targets = np.argmax(inputs[:, :K], axis=1).astype(np.int32)
    return Data(Rows(jnp.asarray(inputs), jnp.asarray(targets)), jnp.float32(1), jnp.float32(0))


@pytest.mark.parametrize("unit_norm", [True, False])
def test_decoupled_decay_never_reaches_a_gate_not_even_through_unit_norm(unit_norm):
    """Without any gradient only decay is left: it shrinks the output layer, and no gate moves."""
    learner = make_learner(mlp((D, U, K)), CLASSIFICATION, SparsifierConfig(unit_norm=unit_norm))
    still = learner._replace(objective=lambda params, *_: (jnp.zeros(()), {}))
    hparams = HPARAMS.replace(weight_decay=0.5)
    start = init_state(still, mlp((D, U, K)).init(0), jnp.uint32(0), hparams).params
    end = train(still, mlp((D, U, K)).init(0), some_data(), hparams)[0].params
    np.testing.assert_allclose(end["hidden"][0]["liveness"], start["hidden"][0]["liveness"], rtol=1e-6)
    shrink = (1 - 0.01 * 0.5) ** 3  # three steps
    np.testing.assert_allclose(end["output"]["kernel"], shrink * start["output"]["kernel"], rtol=1e-6)
    expected = start["hidden"][0]["kernel"] * (1 if unit_norm else shrink)
    np.testing.assert_allclose(end["hidden"][0]["kernel"], expected, rtol=1e-6)


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(seed=st.integers(0, 999), bias=st.sampled_from(["normal", None]), gate_inputs=st.booleans())
def test_normalizing_units_keeps_the_function(seed, bias, gate_inputs):
    network = mlp((D, 5, 4, K), bias=bias, gate_inputs=gate_inputs)
    params = network.init(seed)
    params["hidden"][0]["liveness"] = normal(seed, 5)
    params["hidden"][1]["kernel"][:, 0] = 0  # nothing to divide by
    scaled, inputs = normalize_units(params), jnp.asarray(normal(seed + 1, 6, D))
    np.testing.assert_allclose(network.apply(scaled, inputs), network.apply(params, inputs), rtol=1e-4, atol=1e-5)
    for index, layer in enumerate(scaled["hidden"]):
        norms = np.linalg.norm(layer["kernel"], axis=0)
        np.testing.assert_allclose(norms, [0, 1, 1, 1] if index else np.ones(5), rtol=1e-5)
    np.testing.assert_array_equal(np.sign(scaled["hidden"][0]["liveness"]), np.sign(params["hidden"][0]["liveness"]))


@pytest.mark.parametrize("form", FORMS)
def test_unit_norm_holds_through_training(form):
    config = dataclasses.replace(FORMS[form], unit_norm=True)
    network, hparams = (
        mlp((D, U, K), gate_inputs=True, liveness="uniform"),
        HPARAMS.replace(penalty_weight=0.02, weight_decay=0.1),
    )
    state, observed = train(
        make_learner(network, CLASSIFICATION, config), network.init(4), some_data(), hparams, epochs=4
    )
    layer = state.params["hidden"][0]
    np.testing.assert_allclose(np.linalg.norm(layer["kernel"], axis=0), np.ones(U), rtol=1e-5)
    assert (np.diff(observed, axis=0) <= 0).all() and 0 < observed[-1, 0] < U
    shut = ~np.asarray(state.bookkeeping["hidden.0"])
    assert (layer["liveness"][shut] <= 0).all()
    assert not layer["liveness"][shut].any() or form == "original"


@pytest.mark.parametrize("form", FORMS)
def test_a_huge_penalty_empties_the_network_and_nothing_breaks(form):
    network, data = mlp((D, U, U, K)), some_data()
    hparams = HPARAMS.replace(penalty_weight=1e6, learning_rate=0.05)
    state, observed = train(
        make_learner(network, CLASSIFICATION, FORMS[form]), network.init(0), data, hparams, epochs=40
    )
    assert observed[-1].tolist() == [0, 0]
    chex.assert_tree_all_finite((state.params, state.opt_state))
    # Only the output's bias is left to learn from: it ends at the log-frequencies of the classes.
    probabilities = jax.nn.softmax(network.apply(state.params, jnp.asarray(data.rows.inputs))[0])
    np.testing.assert_allclose(probabilities, np.bincount(data.rows.targets) / ROWS, atol=0.05)


def test_columns_are_counted_in_the_order_of_layers():
    names = [*(f"hidden.{index}" for index in range(12)), "inputs"]
    live = {name: 10 + index for index, name in enumerate(names)}
    order = sorted(names)  # that of liveness.count_live
    after = np.array([live[name] for name in order])

    def sizes(counts):
        return {"parameters": 1000 * counts["hidden.11"] + counts["inputs"]}

    row = gate_columns(names, sizes, inputs=["inputs"])(after + 2, after)
    assert row == {
        "live_units": sum(range(10, 22)),
        "live_units_per_layer": list(range(10, 22)),
        "deaths_per_layer": [2] * 12,
        "live_inputs": 22,
        "parameters": 21022,
    }


def test_networks_without_gates_train_as_they_are():
    network = mlp((D, U, K), gate=None)
    learner = make_learner(network, CLASSIFICATION, FORMS["corrected"])
    state, observed = train(learner, network.init(0), some_data(), HPARAMS)
    assert observed.shape == (3, 0) and read_liveness(state.params) == {}
    with pytest.raises(ValueError, match="gate_optimizer: expected one of adam, sgd, got 'lion'"):
        bad = SparsifierConfig(gate_optimizer="lion")  # pyright: ignore[reportArgumentType]
        make_learner(network, CLASSIFICATION, bad).optimizer(HPARAMS)


def test_coupled_decay_lifts_closed_gates_no_further_than_zero():
    """Decay adds wd f to the gradient of a gate f < 0, so that Adam moves it up by lr per step."""
    network = mlp((D, U, K))
    params = network.init(0)
    params["hidden"][0]["liveness"] = np.where(np.arange(U) < 3, np.float32(-0.12), np.float32(1))
    hparams = HPARAMS.replace(weight_decay=0.3, penalty_weight=0.0)
    learner = make_learner(network, CLASSIFICATION, FORMS["original"])
    state, observed = train(learner, params, some_data(), hparams, epochs=4)
    assert observed[:, 0].tolist() == [U - 3] * 12
    assert (state.params["hidden"][0]["liveness"][:3] <= 0).all()
    assert (state.params["hidden"][0]["liveness"][:3] > -0.12).all()


def conv_network():
    """A gated convolution and a gated dense layer in nested dicts and a tuple; gates stand apart from their kernels."""

    def init(seed):
        return {
            "encoder": {
                "stem": init_conv(seed, "stem", 1, 6),
                "gate": {"liveness": np.linspace(0.1, 0.8, 6, dtype="f4")},
            },
            "head": (init_dense(seed, "head", 6, 8), {"liveness": np.linspace(0.1, 0.8, 8, dtype="f4")}),
            "logits": init_dense(seed, "logits", 8, K),
        }

    def apply(params, inputs):
        images = inputs.reshape(-1, 4, 4, 1)
        stem, (head, gate) = params["encoder"]["stem"], params["head"]
        channels = unit_gates(params["encoder"]["gate"], stem["bias"].size)
        pooled = jnp.mean(jax.nn.relu(conv(stem, images)), axis=(1, 2))
        units = jax.nn.relu(dense(head, pooled, channels))
        return dense(params["logits"], units, unit_gates(gate, head["bias"].size))

    return Network(init, apply)


def cut(state: TrainState, channels, units) -> TrainState:
    """The state without dead channels and units: parameters, Adam's moments and bookkeeping, by names on the way."""

    def leaf(path, value):
        names = [str(getattr(key, "key", getattr(key, "idx", None))) for key in path]
        if not np.ndim(value):
            return value
        if "encoder" in names or "encoder.gate" in names:
            return value[..., channels]
        if "head" in names or "head.1" in names:
            return value[channels][:, units] if value.ndim == 2 else value[units]
        return value[units] if value.ndim == 2 else value

    return jax.tree_util.tree_map_with_path(leaf, state)


@pytest.mark.parametrize("form", FORMS)
def test_any_network_trains_and_its_dead_units_can_be_cut_out(form):
    """Removal of what died leaves outputs and all later steps as they are (the masked twin)."""
    network, data = conv_network(), some_data(16)
    learner = make_learner(network, CLASSIFICATION, FORMS[form])
    hparams = HPARAMS.replace(weight_decay=0.1 if form == "corrected" else 0.0)
    state, observed = train(learner, network.init(0), data, hparams, epochs=4)
    assert list(read_liveness(state.params)) == ["encoder.gate", "head.1"]
    assert 0 < observed[-1, 0] < 6 and 0 < observed[-1, 1] < 8
    channels, units = (np.asarray(state.bookkeeping[name]) for name in ("encoder.gate", "head.1"))
    small = cut(state, channels, units)
    assert small.params["head"][0]["kernel"].shape == tuple(observed[-1])
    outputs = [network.apply(params, jnp.asarray(data.rows.inputs)) for params in (small.params, state.params)]
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    slower = hparams.replace(gate_learning_rate=0.01, penalty_weight=0.0)
    for _ in range(2):
        state, history = jitted_epoch(learner, 8)(state, slower, data)
        small, small_history = jitted_epoch(learner, 8)(small, slower, data)
        np.testing.assert_allclose(small_history["loss"], history["loss"], rtol=1e-4)
        np.testing.assert_array_equal(small_history["observed"], history["observed"])
    chex.assert_trees_all_close(small, cut(state, channels, units), rtol=2e-3, atol=1e-5, strict=True)


def test_the_width_of_a_teacher_is_found():
    """The right width is 3: without a price every unit stays, with one the network shrinks to it and still fits."""
    dataset = load("teacher", seed=1, num_rows=512, num_inputs=4, width=3, task="regression")
    rows = Rows(jnp.asarray(dataset.train.inputs), jnp.asarray(dataset.train.targets))
    data = Data(rows, jnp.float32(1), jnp.float32(0))
    network = mlp((4, 16, 1))
    learner = make_learner(network, TASKS["regression"], FORMS["corrected"])
    ends = {}
    for penalty in (0.0, 3e-3):
        hparams = sparsifier_hparams(
            learning_rate=0.01, penalty_weight=penalty, weight_decay=1e-3, gate_learning_rate=0.01
        )
        state, observed = train(learner, network.init(0), data, hparams, epochs=150, batch_size=32)
        evaluate = make_evaluate(learner, Config())
        error = evaluate(state.params, data, {"train": len(dataset.train)})["train"]["error"]
        ends[penalty] = int(observed[-1, 0]), float(error)
    assert ends[0.0][0] == 16 and ends[0.0][1] < 0.01
    assert ends[3e-3][0] == 3 and ends[3e-3][1] < 0.01, ends


def test_proximal_and_gradient_steps_train_the_same_network():
    """A gate below 0 is as closed as one at 0: the outputs agree bit for bit, and only the closed gates differ."""
    ends = []
    for gate_step in ("proximal", "gradient"):
        network = mlp((D, U, K))
        learner = make_learner(network, CLASSIFICATION, SparsifierConfig(gate_step=gate_step))
        state, observed = train(learner, network.init(0), some_data(), HPARAMS, epochs=8)
        outputs = network.apply(state.params, jnp.asarray(some_data().rows.inputs))
        ends.append((observed, np.asarray(outputs), np.asarray(state.params["hidden"][0]["liveness"])))
    (counts, outputs, proximal), (others, other_outputs, gradient) = ends
    np.testing.assert_array_equal(counts, others)
    assert 0 < counts[-1] < U
    np.testing.assert_array_equal(outputs, other_outputs)
    np.testing.assert_array_equal(proximal, np.maximum(gradient, 0))
    assert gradient.min() < 0
