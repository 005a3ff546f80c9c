"""sparsifier.py: signed gates, the death rules it can be given, and what units cost."""

import dataclasses

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hparams import sparsifier_hparams
from helpers.sparsifier_reference import named, reference
from helpers.training import jitted_epoch, normal, train

from jaxsize.gates.deaths import SignMoments, count_live
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners._unit_norm import normalize_units
from jaxsize.learners.sparsifier import FORMS, SparsifierConfig, make_death_rule, make_learner, penalty
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.networks.network import Network
from jaxsize.programs.device_data import Data, Rows

CLASSIFICATION = TASKS["classification"]
D, U, K, ROWS = 3, 8, 3, 24
HPARAMS = sparsifier_hparams(learning_rate=0.01, penalty_weight=0.05, weight_decay=0.0, gate_learning_rate=0.05)
PROXIMAL = SparsifierConfig(gate="signed", death_rule="threshold")
COARSE = dataclasses.replace(PROXIMAL, gate_step="gradient", death_level=0.02)
BY_SIGN = SparsifierConfig(gate="signed", gate_step="gradient", death_rule="sign_variance", sign_decay=0.9)
CONFIGS = {"proximal": PROXIMAL, "coarse": COARSE, "by sign": BY_SIGN}
TURNED = np.where(np.arange(U) % 2, 1, -1).astype(np.float32)


def some_data():
    inputs = normal(1, ROWS, D)
    targets = np.argmax(inputs, axis=1).astype(np.int32)
    return Data(Rows(jnp.asarray(inputs), jnp.asarray(targets)), jnp.float32(1), jnp.float32(0))


def start(network, seed):
    """First parameters, with every second gate turned to the other side of 0."""
    params = network.init(seed)
    params["hidden"][0]["liveness"] *= TURNED
    return params


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("config", "rate"),
    [
        (PROXIMAL, 0.05),
        (COARSE, 0.05),
        (BY_SIGN, 0.05),
        (dataclasses.replace(BY_SIGN, sign_decay=0.0, weight_decay="coupled"), 0.05),
        (dataclasses.replace(PROXIMAL, gate_optimizer="sgd"), 1.0),
        (dataclasses.replace(BY_SIGN, gate_optimizer="sgd"), 1.0),
    ],
    ids=["proximal", "coarse", "by sign", "first change, coupled", "proximal sgd", "by sign, sgd"],
)
def test_signed_steps_are_those_of_the_sparsifier_written_out(config, rate, decay):
    network, data = mlp((D, U, K), gate="signed", liveness="uniform"), some_data()
    hparams = HPARAMS.replace(weight_decay=decay, gate_learning_rate=rate)
    learner, params = make_learner(network, CLASSIFICATION, config), start(network, 6)
    path = reference(params, data, hparams, config, epochs=4)
    state, observed = train(learner, params, data, hparams, epochs=4)
    actual, expected = named(state.params), path[-1]
    chex.assert_trees_all_close(actual, expected, rtol=1e-3, atol=5e-5, strict=True)
    assert observed.dtype == np.int32
    assert observed[:, 0].tolist() == [int((p["f"] != 0).sum()) for p in path]
    assert 0 < observed[-1, 0] < U  # some died, some live: both were compared
    np.testing.assert_array_equal(learner.live(state.bookkeeping)["hidden.0"], actual["f"] != 0)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("unit_norm", [False, True])
def test_dead_signed_units_can_be_cut_out(name, unit_norm):
    """Without its dead units, the network puts out the same, and all later steps are the same (the masked twin)."""
    config = dataclasses.replace(CONFIGS[name], unit_norm=unit_norm)
    network, data = mlp((D, U, K), gate="signed", liveness="uniform"), some_data()
    learner = make_learner(network, CLASSIFICATION, config)
    state, observed = train(learner, start(network, 4), data, HPARAMS.replace(weight_decay=0.1), epochs=6)
    live = np.asarray(learner.live(state.bookkeeping)["hidden.0"])
    assert 0 < observed[-1, 0] == live.sum() < U and (np.diff(observed, axis=0) <= 0).all()
    gates = np.asarray(state.params["hidden"][0]["liveness"])
    assert (gates[~live] == 0).all() and (gates[live] != 0).all()

    def cut(state):
        def leaf(path, value):
            units = [axis for axis, size in enumerate(np.shape(value)) if size == U]
            return np.compress(live, value, axis=units[0]) if units else value

        return jax.tree_util.tree_map_with_path(leaf, state)

    small = cut(state)
    outputs = [network.apply(params, jnp.asarray(data.rows.inputs)) for params in (small.params, state.params)]
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    slower = HPARAMS.replace(gate_learning_rate=0.01, penalty_weight=0.0)
    for _ in range(2):
        state, history = jitted_epoch(learner, 8)(state, slower, data)
        small, small_history = jitted_epoch(learner, 8)(small, slower, data)
        np.testing.assert_allclose(small_history["loss"], history["loss"], rtol=1e-4)
        np.testing.assert_array_equal(small_history["observed"], history["observed"])
    chex.assert_trees_all_close(small.params, cut(state).params, rtol=2e-3, atol=1e-5, strict=True)
    chex.assert_trees_all_equal(small.bookkeeping, cut(state).bookkeeping, strict=True)


def test_a_proximal_step_never_takes_a_signed_gate_through_zero():
    """On (f - target)^2 by SGD the gate goes to the soft threshold, or dies where that lies beyond 0."""
    ends = {}
    for target, weight in ((0.5, 0.2), (0.5, 2.0), (-0.5, 0.2), (-0.5, 0.0), (1.5, 0.0)):
        network = mlp((1, 2, 1), gate="signed")._replace(apply=lambda params, inputs: params["a"]["liveness"][None, :])
        loss = CLASSIFICATION._replace(loss=lambda outputs, _, target=target: (outputs[:, 0] - target) ** 2)
        learner = make_learner(network, loss, dataclasses.replace(PROXIMAL, gate_optimizer="sgd"))
        hparams = HPARAMS.replace(gate_learning_rate=0.4, penalty_weight=weight)
        one_row = Data(Rows(jnp.zeros((1, 1)), jnp.zeros(1)), jnp.float32(1), jnp.float32(0))
        state, _ = train(learner, {"a": {"liveness": np.ones(1, "f4")}}, one_row, hparams, epochs=30, batch_size=1)
        ends[target, weight] = float(state.params["a"]["liveness"][0])
    # The minimum of (f - target)^2 + weight |f| is target - weight / 2, if that is above 0.
    assert ends == {
        (0.5, 0.2): pytest.approx(0.4),
        (0.5, 2.0): 0.0,
        (-0.5, 0.2): 0.0,
        (-0.5, 0.0): 0.0,
        (1.5, 0.0): pytest.approx(1.5),
    }


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(seed=st.integers(0, 999), gate_inputs=st.booleans())
def test_normalizing_units_keeps_the_function_of_signed_gates(seed, gate_inputs):
    network = mlp((D, 5, 4, K), gate="signed", gate_inputs=gate_inputs)
    params = network.init(seed)
    params["hidden"][0]["liveness"] = normal(seed, 5)
    scaled, inputs = normalize_units(params), jnp.asarray(normal(seed + 1, 6, D))
    np.testing.assert_allclose(network.apply(scaled, inputs), network.apply(params, inputs), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.sign(scaled["hidden"][0]["liveness"]), np.sign(params["hidden"][0]["liveness"]))


@pytest.mark.parametrize("config", [FORMS["corrected"], PROXIMAL], ids=["relu", "signed"])
def test_units_of_every_layer_cost_what_they_are_said_to(config):
    gate = "signed" if config.gate == "signed" else "liveness"
    network, data = mlp((D, U, 5, K), gate=gate, gate_inputs=True), some_data()
    params = jax.tree.map(jnp.asarray, network.init(0))
    for seed, layer in enumerate([params["inputs"], *params["hidden"]]):
        layer["liveness"] = jnp.asarray(normal(seed, *layer["liveness"].shape))
    costs = {"inputs": 0.5, "hidden.0": 0.0, "hidden.1": np.float64(9)}
    arguments = (jnp.asarray(data.rows.inputs), jnp.asarray(data.rows.targets), jnp.ones(ROWS), HPARAMS)

    def whole(unit_prices):
        learner = make_learner(network, CLASSIFICATION, config, unit_prices=unit_prices)
        of_all = jax.jit(jax.value_and_grad(learner.objective, has_aux=True))
        (value, recorded), gradient = of_all(params, *arguments)
        loss = recorded["loss"]
        return value - loss, read_liveness(gradient)

    def size(gates):
        return np.abs(gates) if gate == "signed" else np.maximum(gates, 0)

    free, plain, costly = whole(dict.fromkeys(costs, 0)), whole(None), whole(costs)
    assert free[0] == 0
    gates = {name: np.asarray(leaf, float) for name, leaf in read_liveness(params).items()}
    for (value, gradient), prices in ((plain, dict.fromkeys(costs, 1.0)), (costly, costs)):
        expected = sum(price * size(gates[name]).sum() for name, price in prices.items())
        np.testing.assert_allclose(value, HPARAMS.penalty_weight * expected, rtol=1e-4)
        for name, price in prices.items():
            slope = np.sign(gates[name]) if gate == "signed" else gates[name] > 0
            np.testing.assert_allclose(
                gradient[name] - free[1][name], HPARAMS.penalty_weight * price * slope, atol=1e-6
            )
    chex.assert_trees_all_equal(whole(dict.fromkeys(costs, 1)), plain, strict=True)


@pytest.mark.parametrize("costs", [{}, {"hidden.0": 1.0, "hidden.1": 1.0}, {"hidden": 1.0}])
def test_exactly_the_gates_have_costs(costs):
    network = mlp((D, U, K))
    with pytest.raises(ValueError, match=r"unit_prices: expected the gates \['hidden.0'\], got"):
        train(
            make_learner(network, CLASSIFICATION, FORMS["corrected"], unit_prices=costs),
            network.init(0),
            some_data(),
            HPARAMS,
        )
    for cost in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"unit_prices: expected a finite number from 0 on for 'hidden.0'"):
            make_learner(network, CLASSIFICATION, FORMS["corrected"], unit_prices={"hidden.0": cost})


def test_a_dearer_layer_ends_smaller():
    network, hparams, ends = mlp((D, U, U, K), liveness="uniform"), HPARAMS.replace(penalty_weight=0.005), []
    for dear in ("hidden.0", "hidden.1"):
        costs = {"hidden.0": 1.0, "hidden.1": 1.0} | {dear: 8.0}
        learner = make_learner(network, CLASSIFICATION, FORMS["corrected"], unit_prices=costs)
        ends.append(train(learner, network.init(1), some_data(), hparams, epochs=4)[1][-1])
    assert ends[0][0] < ends[1][0] and ends[0][1] > ends[1][1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gate": "signed"}, "death_rule: absorbing is for relu gates"),
        ({"death_rule": "sign_variance", "gate_step": "gradient"}, "death_rule: sign_variance is for signed gates"),
        ({"gate": "signed", "death_rule": "sign_variance"}, "gate_step: sign_variance needs gradient"),
        ({"death_rule": "threshold", "gate_step": "gradient"}, "gate_step: threshold needs proximal for relu gates"),
        ({"gate": "sigmoid"}, "gate: expected one of relu, signed, got 'sigmoid'"),
        ({"death_rule": "never"}, "death_rule: expected one of absorbing, threshold, sign_variance, got 'never'"),
        ({"death_rule": "threshold", "death_level": -1.0}, "`level` must be finite"),
        ({"gate": "signed", "death_rule": "sign_variance", "gate_step": "gradient", "sign_decay": 1.0}, "`decay` must"),
    ],
)
def test_rules_that_do_not_fit_their_gates_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SparsifierConfig(**settings)


def test_network_and_config_agree_on_what_a_gate_is():
    for network, config in ((mlp((D, U, K)), PROXIMAL), (mlp((D, U, K), gate="signed"), FORMS["original"])):
        with pytest.raises(ValueError, match=r"gate: the config says .*, but the network has .* gates"):
            make_learner(network, CLASSIFICATION, config)
        make_learner(Network(network.init, network.apply), CLASSIFICATION, config)  # which says nothing of its gates
    make_learner(mlp((D, U, K), gate=None), CLASSIFICATION, PROXIMAL)  # a control has no gates at all
    assert mlp((D, U, K), gate=None, gate_inputs=True).signed is False


def test_relu_gates_under_a_threshold_train_as_under_absorption_until_the_level_matters():
    network, ends = mlp((D, U, K), liveness="uniform"), []
    for config in (FORMS["corrected"], dataclasses.replace(FORMS["corrected"], death_rule="threshold", death_level=0)):
        state, observed = train(
            make_learner(network, CLASSIFICATION, config), network.init(6), some_data(), HPARAMS, epochs=6
        )
        ends.append((state.params, state.bookkeeping, observed))
    chex.assert_trees_all_equal(*ends, strict=True)
    assert 0 < ends[0][2][-1, 0] < U


def test_bookkeeping_names_its_gates():
    params = mlp((D, U, K), gate="signed", gate_inputs=True).init(0)
    bookkeeping = make_learner(mlp((D, U, K), gate="signed"), CLASSIFICATION, BY_SIGN).init_bookkeeping(params)
    assert sorted(bookkeeping) == ["hidden.0", "inputs"] and isinstance(bookkeeping["inputs"], SignMoments)
    assert {name: {leaf.shape for leaf in leaves} for name, leaves in bookkeeping.items()} == {
        "hidden.0": {(U,)},
        "inputs": {(D,)},
    }
    assert count_live(make_death_rule(BY_SIGN).live(bookkeeping)).tolist() == [U, D]
    assert penalty(params, signed=True) == U + D
