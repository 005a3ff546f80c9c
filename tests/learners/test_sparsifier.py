import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import sklearn.metrics
from helpers.hparams import sparsifier_hparams
from helpers.sparsifier_reference import named, reference
from helpers.training import normal, train

from jaxsize.learners.sparsifier import FORMS, SparsifierConfig, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.programs.device_data import Data, Rows

CLASSIFICATION = TASKS["classification"]
D, U, K, ROWS = 3, 8, 3, 24
# Gates fast enough to die within the steps that a test takes.
HPARAMS = sparsifier_hparams(learning_rate=0.01, penalty_weight=0.05, weight_decay=0.0, gate_learning_rate=0.05)
FREE = Data(Rows(jnp.zeros((1, 1)), jnp.zeros(1)), jnp.float32(1), jnp.float32(0))  # one row, for a loss of its own


def some_data():
    inputs = normal(1, ROWS, D)
    targets = np.argmax(inputs, axis=1).astype(np.int32)
    return Data(Rows(jnp.asarray(inputs), jnp.asarray(targets)), jnp.float32(1), jnp.float32(0))


def test_the_objective_is_the_mean_loss_and_the_price_of_open_gates():
    network, data = mlp((D, U, U, K), gate_inputs=True), some_data()
    params = network.init(0)
    gates = [params["inputs"], *params["hidden"]]
    for seed, layer in enumerate(gates):
        layer["liveness"] = normal(seed, *layer["liveness"].shape)
    weights = np.arange(ROWS) % 3 > 0  # some rows are padding
    inputs, targets = np.asarray(data.rows.inputs), np.asarray(data.rows.targets)
    learner = make_learner(network, CLASSIFICATION, FORMS["corrected"])
    arguments = (jnp.asarray(inputs), jnp.asarray(targets), jnp.asarray(weights, jnp.float32), HPARAMS)
    whole, recorded = jax.jit(learner.objective)(params, *arguments)
    loss = recorded["loss"]
    probabilities = scipy.special.softmax(np.asarray(jax.jit(network.apply)(params, arguments[0]), float), axis=1)
    expected = sklearn.metrics.log_loss(targets[weights], probabilities[weights], labels=range(K))
    price = sum(np.maximum(layer["liveness"].astype(float), 0).sum() for layer in gates)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(whole, expected + HPARAMS.penalty_weight * price, rtol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("config", "rate"),
    [
        (FORMS["original"], 0.05),
        (FORMS["corrected"], 0.05),
        (SparsifierConfig(gate_optimizer="sgd"), 1.0),
        (SparsifierConfig(gate_step="gradient", gate_optimizer="sgd"), 1.0),
    ],
    ids=["original", "corrected", "proximal sgd", "sgd"],
)
def test_steps_are_those_of_the_sparsifier_written_out(config, rate, decay):
    network, data = mlp((D, U, K), liveness="uniform"), some_data()
    hparams = HPARAMS.replace(weight_decay=decay, gate_learning_rate=rate)
    learner, params = make_learner(network, CLASSIFICATION, config), network.init(6)
    path = reference(params, data, hparams, config, epochs=4)
    state, observed = train(learner, params, data, hparams, epochs=4)
    actual, expected = named(state.params), path[-1]
    chex.assert_trees_all_close(actual, expected, rtol=1e-3, atol=5e-5, strict=True)
    deaths = [int((p["f"] > 0).sum()) for p in path]
    assert observed[:, 0].tolist() == deaths
    assert 0 < deaths[-1] < U  # some died, some live: both were compared
    if config.gate_step == "proximal":
        assert ((actual["f"] == 0) == (expected["f"] == 0)).all()  # exact zeros


def test_decay_reaches_gates_only_when_coupled():
    """With a loss of 0, decoupled decay is weights (1 - lr wd)^n; coupled decay is Adam on wd w: steps of length lr."""
    network = mlp((D, U, K), liveness=0.5)
    hparams = sparsifier_hparams(learning_rate=0.01, weight_decay=0.3, gate_learning_rate=0.02)
    nothing = CLASSIFICATION._replace(loss=lambda outputs, targets: 0.0 * outputs[:, 0])
    start = named(network.init(0))
    ends = {}
    for form, config in FORMS.items():
        state, _ = train(make_learner(network, nothing, config), network.init(0), some_data(), hparams)  # 3 steps
        ends[form] = named(state.params)
    for name, leaf in start.items():
        factor = 1.0 if name == "f" else (1 - 0.01 * 0.3) ** 3
        np.testing.assert_allclose(ends["corrected"][name], factor * leaf, rtol=1e-6)
    np.testing.assert_array_equal(ends["corrected"]["f"], start["f"])
    np.testing.assert_allclose(ends["original"]["f"], start["f"] - 3 * 0.02, rtol=1e-2)


def scripted(table):
    """An optimiser that moves gates by a table [steps, units], whatever the gradient, and weights not at all."""

    def update(gradient, step, params=None):
        moves = jax.tree.map(jnp.zeros_like, gradient)
        moves["hidden"][0]["liveness"] = table[step]
        return moves, step + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)  # pyright: ignore


ADVERSARY = {
    step: make_learner(mlp((1, 4, 2)), CLASSIFICATION, SparsifierConfig(gate_step=step))._replace(
        optimizer=lambda hparams: scripted(hparams.gate_learning_rate)
    )
    for step in ("gradient", "proximal")
}
MOVE = st.integers(-12, 12).map(lambda eighths: eighths / 8)  # sums are exact in float32


@pytest.mark.parametrize("step", ["gradient", "proximal"])
@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(moves=st.lists(st.lists(MOVE, min_size=4, max_size=4), min_size=8, max_size=8))
def test_no_optimiser_revives_a_unit(step, moves):
    data = Data(Rows(jnp.zeros((8, 1)), jnp.zeros(8, jnp.int32)), jnp.float32(1), jnp.float32(0))
    hparams = sparsifier_hparams(gate_learning_rate=jnp.asarray(moves, jnp.float32))
    state, observed = train(ADVERSARY[step], mlp((1, 4, 2)).init(0), data, hparams, batch_size=1)
    gates, alive, counts = np.ones(4), np.ones(4, bool), []
    for move in np.array(moves):
        gates = np.where(alive, gates + move, np.minimum(gates + move, 0))
        alive &= gates > 0
        gates = np.where(alive | (step == "gradient"), gates, 0)
        counts.append(int(alive.sum()))
    assert observed[:, 0].tolist() == counts
    np.testing.assert_array_equal(state.bookkeeping["hidden.0"], alive)
    np.testing.assert_array_equal(state.params["hidden"][0]["liveness"], gates)


def test_momentum_swings_a_gate_below_zero_but_not_back():
    """Heavy momentum on (f - 0.1)^2 overshoots 0; without the rule the gate would come back to 0.1."""
    toward = CLASSIFICATION._replace(loss=lambda outputs, targets: (outputs[:, 0] - 0.1) ** 2)
    network = mlp((1, 2, 1))._replace(apply=lambda params, inputs: params["a"]["liveness"][None, :])
    optimizer = optax.sgd(0.1, momentum=0.95, nesterov=True)
    path, gate, speed = [], 1.0, 0.0
    for _ in range(60):  # without the rule; Nesterov's step by hand
        slope = 2 * (gate - 0.1)
        speed = 0.95 * speed + slope
        gate -= 0.1 * (slope + 0.95 * speed)
        path.append(gate)
    assert min(path) < -0.3 and max(path[path.index(min(path)) :]) > 0.2
    for config in FORMS.values():
        learner = make_learner(network, toward, config)._replace(optimizer=lambda hparams: optimizer)
        start = {"a": {"liveness": np.ones(1, np.float32)}}
        state, observed = train(learner, start, FREE, HPARAMS, epochs=60, batch_size=1)
        alive = np.cumsum(np.array(path) <= 0) == 0
        assert observed[:, 0].tolist() == alive.astype(int).tolist()
        assert state.params["a"]["liveness"][0] <= 0


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_dead_units_get_no_gradient(form):
    network, data = mlp((D, U, U, K)), some_data()
    params = jax.tree.map(jnp.asarray, network.init(1))
    shut = np.arange(U) % 2 == 0
    for layer, closed in zip(params["hidden"], (0.0, -0.3), strict=True):
        layer["liveness"] = jnp.where(shut, closed, 0.5)
    learner = make_learner(network, CLASSIFICATION, FORMS[form])
    inputs, targets = jnp.asarray(data.rows.inputs), jnp.asarray(data.rows.targets)
    objective = jax.jit(jax.grad(lambda p: learner.objective(p, inputs, targets, jnp.ones(ROWS), HPARAMS)[0]))
    gradient = jax.device_get(objective(params))
    first, second = gradient["hidden"]
    dead = [first["kernel"][:, shut], first["bias"][shut], first["liveness"][shut], second["kernel"][shut]]
    dead += [second["kernel"][:, shut], second["bias"][shut], second["liveness"][shut]]
    dead += [gradient["output"]["kernel"][shut]]
    assert all((np.asarray(leaf) == 0).all() for leaf in dead)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
