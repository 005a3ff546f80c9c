"""Training in memory: padding changes nothing, programs are shared, and small networks compute what large ones did."""

import jax
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from jaxsize.estimators import SizedClassifier, SizedRegressor, _estimator, _training
from jaxsize.estimators._training import Settings, orders_of_rows, without_dead_units
from jaxsize.learners import TASKS, Learner, sparsifier
from jaxsize.networks import mlp
from jaxsize.programs import Config, Data, Rows, init_state, make_epoch

RATES = {"learning_rate": 0.01, "gate_learning_rate": 0.03, "penalty_weight": 0.02, "weight_decay": 0.01}
RATES = {name: np.float32(rate) for name, rate in RATES.items()}


ONE, ZERO = np.asarray(1, np.float32), np.asarray(0, np.float32)


@pytest.fixture(scope="module")
def rows():
    """37 rows of a regression with two targets, and their weights."""
    draw = np.random.default_rng(0)
    inputs, weights = draw.normal(size=(37, 3)).astype("f4"), np.ones(37, "f4")
    targets = np.stack([np.abs(inputs[:, 0]), inputs[:, 1] * inputs[:, 2]], axis=1).astype("f4")
    return inputs, targets, weights


def trained(rows, length, epochs=9, batch_size=8):
    inputs, targets, weights = (np.concatenate([one, np.zeros((length - 37, *one.shape[1:]), "f4")]) for one in rows)
    data = Data(Rows(inputs, np.column_stack([targets, weights])), ONE, ZERO)
    settings = Settings(widths=(3, 20, 2), task="regression", batch_size=batch_size)
    orders = orders_of_rows(5, epochs, 37, length)
    return jax.device_get(_estimator.train(settings, mlp((3, 20, 2)).init(1), RATES, data, np.int32(37), orders))


def test_padding_changes_nothing(rows):
    params, losses = trained(rows, 37)
    padded, padded_losses = trained(rows, 64)  # three steps of every epoch are not made
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6), params, padded)
    np.testing.assert_allclose(losses, padded_losses, rtol=1e-5)
    assert 0 < (params["hidden"][0]["liveness"] == 0).sum() < 20  # otherwise no death was padded


def test_it_is_the_sparsifier_that_trains(rows):
    """Against epochs made one by one by the library, of rows without weights and without padding."""
    learner: Learner = sparsifier.make_learner(mlp((3, 20, 2)), TASKS["regression"], sparsifier.SparsifierConfig())
    hparams = learner.hparams(**RATES)
    epoch = jax.jit(make_epoch(learner, Config(batch_size=8)))
    state = jax.jit(lambda params: init_state(learner, params, np.asarray(0, np.uint32), hparams))(
        mlp((3, 20, 2)).init(1)
    )
    data = Data(Rows(rows[0], rows[1]), ONE, ZERO)
    for order in orders_of_rows(5, 9, 37, 37):
        state, _ = epoch(state, hparams, data, order)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5),
        jax.device_get(state.params),
        trained(rows, 64)[0],
    )


def test_orders_are_permutations_that_no_padding_changes():
    orders = orders_of_rows(3, 4, 10, 16)
    assert (np.sort(orders[:, :10]) == np.arange(10)).all() and (orders[:, 10:] == np.arange(10, 16)).all()
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(orders_of_rows(3, 4, 10, 12)[:, :10], orders[:, :10])


def test_folds_and_settings_share_one_program(monkeypatch):
    """Folds of 82 and 83 rows, three prices and two rates: 12 fits of one network, one compilation."""
    traced = []

    def counting(learner, config):
        traced.append(config)
        return make_epoch(learner, config)

    monkeypatch.setattr(_training, "make_epoch", counting)
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(165, 4))
    classes = inputs[:, 0] > 0
    estimator = SizedClassifier((11,), epochs=8, learning_rate=0.03, random_state=0)
    grid = {"penalty": [0.0, 1e-3, 1e-2], "learning_rate": [0.01, 0.03]}
    GridSearchCV(estimator, grid, cv=2, refit=False).fit(inputs, classes)
    assert len(traced) == 1
    cross_val_score(SizedClassifier((12,), epochs=8, random_state=0), inputs, classes, cv=3)
    assert len(traced) == 2


def test_small_networks_predict_what_masked_ones_did(monkeypatch):
    kept = {}

    def keeping(widths, params):
        kept["widths"], kept["params"] = widths, params
        return without_dead_units(widths, params)

    monkeypatch.setattr(_estimator, "without_dead_units", keeping)
    draw = np.random.default_rng(0)
    inputs = 5 + 3 * draw.normal(size=(60, 4))
    targets = 100 * np.abs(inputs[:, 0] - 5)
    regressor = SizedRegressor((12, 9), penalty=0.02, epochs=60, learning_rate=0.01, random_state=0)
    regressor.fit(inputs, targets)
    assert min(regressor.n_units_) > 0 and sum(regressor.n_units_) < 21 - 3
    assert regressor.network_.widths == (4, *regressor.n_units_, 1)
    scaled = ((inputs - inputs.mean(axis=0)) / inputs.std(axis=0)).astype("f4")
    masked = np.asarray(mlp(kept["widths"]).apply(kept["params"], scaled))[:, 0]
    expected = masked * targets.std() + targets.mean()
    np.testing.assert_allclose(regressor.predict(inputs), expected, rtol=1e-4, atol=1e-3)
    alive = [(layer["liveness"] > 0).sum() for layer in kept["params"]["hidden"]]
    assert regressor.n_units_ == alive
