"""flexible.py: objective, gradient and every kind of step against float64 NumPy and mpmath."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from helpers.flexible import (
    CLASSIFICATION,
    NOTHING,
    ROWS,
    TWO,
    D,
    K,
    learner_of,
    named,
    objective_and_gradient,
    ramp,
    reference,
    run_of,
    some_data,
    train_together,
)
from helpers.hparams import flexible_hparams

from jaxsize.learners.flexible import FORMS, FlexibleConfig, make_learner
from jaxsize.networks.mlp import mlp

HPARAMS = flexible_hparams(learning_rate=0.01, penalty_weight=0.02, weight_decay=0.0, size_learning_rate=0.3)
ORIGINAL, CORRECTED = FORMS["original"], FORMS["corrected"]


@pytest.mark.parametrize("widths", [(D, 7, K), (D, 5, 6, 4, K)], ids=["1 layer", "3 layers"])
def test_objective_and_gradient_are_those_of_the_journal_written_out(widths):
    network, data = mlp(widths, gate="size"), some_data()
    params = network.init(3)
    for n, layer in enumerate(params["hidden"]):
        layer["size"], layer["slope"] = np.float32(1.5 + n), np.float32(1.2 - 0.3 * n)
    inputs, targets = np.asarray(data.rows.inputs, np.float64), np.asarray(data.rows.targets)
    some = np.arange(ROWS) % 3 > 0  # the others are padding
    total, gradient = objective_and_gradient(named(params), inputs[some], targets[some], 0.3)
    free, _ = objective_and_gradient(named(params), inputs[some], targets[some], 0.0)
    learner, hparams = make_learner(network, CLASSIFICATION, CORRECTED), HPARAMS.replace(penalty_weight=0.3)
    of = jax.jit(jax.value_and_grad(learner.objective, has_aux=True))
    weights = jnp.asarray(some, jnp.float32)
    (value, recorded), actual = of(params, data.rows.inputs, data.rows.targets, weights, hparams)
    np.testing.assert_allclose(value, total, rtol=1e-5)
    np.testing.assert_allclose(recorded["loss"], free, rtol=1e-5)
    chex.assert_trees_all_close(named(actual), gradient, rtol=2e-4, atol=2e-6, strict=True)


@pytest.mark.parametrize(
    "config",
    [
        CORRECTED,
        ORIGINAL,
        FlexibleConfig(decay_size=True, slope="trained"),
        dataclasses.replace(ORIGINAL, optimizer="adamax", size_optimizer="adamax", slope="trained", decay_size=True),
        FlexibleConfig(optimizer="sgd", size_optimizer="sgd", weight_decay="coupled", slope="trained"),
        FlexibleConfig(optimizer="sgd", size_optimizer="adamax", decay_size=True),
    ],
    ids=[
        "corrected",
        "original",
        "decoupled size, slope",
        "adamax, coupled size, slope",
        "sgd, slope",
        "weights by sgd",
    ],
)
def test_steps_are_those_of_the_learner_written_out(config):
    data, params, decays = some_data(), TWO.init(1), (0.0, 0.4)
    hparams = HPARAMS.replace(weight_decay=np.array(decays))
    states, history = train_together(learner_of(config), [params] * 2, data, hparams, epochs=2)
    before, ends = named(params), []
    for run, decay in enumerate(decays):
        settings = HPARAMS.replace(weight_decay=decay)
        expected, objectives, by_sizes = reference(params, data, settings, config, epochs=2)
        actual = named(run_of(states.params, run))
        chex.assert_trees_all_close(actual, expected, rtol=1e-3, atol=5e-5, strict=True)
        np.testing.assert_allclose(history["objective"][run], objectives, rtol=1e-4)
        np.testing.assert_allclose(history["size_gradient"][run], by_sizes, rtol=2e-3, atol=2e-6)
        observed = [[actual[n, name] for n in range(2)] for name in ("size", "slope")]
        np.testing.assert_array_equal(history["observed"][run, -1, :2], observed)
        widths = [layer["bias"].shape[0] for layer in params["hidden"]]
        np.testing.assert_array_equal(history["observed"][run, -1, 2], widths)
        ends.append(expected)
    for leaf, start in before.items():  # the cases differ: what is told apart above is there to be told apart
        moved = leaf[1] != "slope" or config.slope == "trained"
        assert np.array_equal(ends[0][leaf], start) != moved
        assert leaf[1] == "slope" or np.abs(ends[0][leaf] - ends[1][leaf]).max() > 1e-5


@pytest.mark.parametrize(("form", "decay_size"), [("corrected", True), ("original", False)])
def test_with_nothing_to_learn_decay_moves_weights_and_sizes_only_if_asked(form, decay_size):
    """Decoupled: (1 - lr wd)^3 times what it was. Coupled: Adam on wd w, three steps of length lr toward 0."""
    hparams = flexible_hparams(learning_rate=0.001, penalty_weight=0.0, weight_decay=0.3, size_learning_rate=0.05)
    params, config = TWO.init(0), dataclasses.replace(FORMS[form], decay_size=decay_size)
    before = named(params)
    states, _ = train_together(learner_of(config, TWO, NOTHING), [params], some_data(), hparams)
    for leaf, value in named(run_of(states.params, 0)).items():
        rate = hparams.size_learning_rate if leaf[1] == "size" else hparams.learning_rate
        if leaf[1] == "slope" or (leaf[1] == "size" and not decay_size):
            np.testing.assert_array_equal(value, before[leaf])
        elif form == "corrected":
            np.testing.assert_allclose(value, (1 - rate * 0.3) ** 3 * before[leaf], rtol=1e-6)
        else:
            large = np.abs(before[leaf]) > 0.02  # the smallest cross 0 and turn back
            expected = before[leaf] - 3 * rate * np.sign(before[leaf])
            np.testing.assert_allclose(value[large], expected[large], rtol=1e-2)


@pytest.mark.parametrize("config", [CORRECTED, ORIGINAL], ids=["corrected", "original"])
def test_a_learning_rate_of_zero_freezes_what_it_moves_to_the_bit(config):
    data, params = some_data(), TWO.init(2)
    rates = {"learning_rate": np.array([0.0, 0.01]), "size_learning_rate": np.array([0.3, 0.0])}
    hparams, before = HPARAMS.replace(weight_decay=0.4, **rates), named(params)
    states, _ = train_together(learner_of(config), [params] * 2, data, hparams, epochs=2)
    for run, moving in enumerate(({"size"}, {"kernel", "bias"})):
        for leaf, value in named(run_of(states.params, run)).items():
            assert np.array_equal(value, before[leaf]) != (leaf[1] in moving), (run, leaf)


def exact(size, slope, width):
    """The integral and its derivatives by size and slope, in mpmath numbers with digits to spare (D1)."""
    size, slope, width = (mpmath.mpf(float(number)) for number in (size, slope, width))
    parts = [mpmath.log1p(mpmath.exp(slope * place)) for place in (size, size - width)]
    upper, lower = (1 / (1 + mpmath.exp(-slope * place)) for place in (size, size - width))
    value = (parts[0] - parts[1]) / slope
    return value, upper - lower, (size * upper - (size - width) * lower - value) / slope


def test_the_price_in_the_objective_matches_mpmath_over_the_whole_range():
    widths, weight = (7, 10_000), 0.25
    points = np.array(
        [(size, slope) for slope in (1e-3, 0.4, 1, 1e4) for size in (-1e6, -30, 0, 0.3, 6.5, 7, 4321.5, 10_000, 1e6)],
        np.float32,
    )
    pairs = np.stack([points, np.roll(points, 5, axis=0)], axis=1)  # [points, layer, (size, slope)]
    network = TWO._replace(apply=lambda params, inputs: inputs)
    learner = make_learner(network, NOTHING, FlexibleConfig(slope="trained"))

    def objective(pair):
        layers = [{"bias": jnp.zeros(width), "size": pair[n, 0], "slope": pair[n, 1]} for n, width in enumerate(widths)]
        hparams = flexible_hparams(penalty_weight=weight)
        batch = jnp.ones((2, D)), jnp.zeros(2, jnp.int32), jnp.ones(2)
        return learner.objective({"hidden": layers}, *batch, hparams)[0]

    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(objective)))(jnp.asarray(pairs))
    tiny = mpmath.mpf(float(np.finfo(np.float32).tiny))
    with mpmath.workdps(60):
        for pair, value, gradient in zip(pairs, np.asarray(values), np.asarray(gradients), strict=True):
            expected = [exact(point[0], point[1], width) for point, width in zip(pair, widths, strict=True)]
            total = weight * (expected[0][0] + expected[1][0])
            assert np.isfinite(value) and abs(mpmath.mpf(float(value)) - total) <= 2e-6 * total + tiny
            for derivatives, (_, *wanted) in zip(gradient, expected, strict=True):
                for number, target in zip(derivatives, wanted, strict=True):
                    error = abs(mpmath.mpf(float(number)) - weight * target)
                    assert np.isfinite(number) and error <= 2e-6 * abs(weight * target) + tiny


def first_form(params, inputs):
    """The journal's first gate, one minus a reciprocal (C13): a specimen, for one layer."""
    (layer,), output = params["hidden"], params["output"]
    hidden = jax.nn.relu(inputs @ layer["kernel"] + layer["bias"][None, :])
    units = jnp.arange(hidden.shape[1], dtype=jnp.float32)
    gates = 1 - 1 / (1 + jnp.exp(layer["slope"] * (layer["size"] - units)))
    return (hidden * gates[None, :]) @ output["kernel"] + output["bias"][None, :]


@pytest.mark.parametrize(("size", "slope", "breaks"), [(30.0, 1.0, False), (150.0, 1.0, True), (3.0, 40.0, True)])
def test_the_first_form_of_the_gate_has_nan_gradients_where_this_one_is_exact(size, slope, breaks):
    network, data = mlp((D, 160, K), gate="size", size=size, slope=slope), some_data()
    params, config = network.init(0), FlexibleConfig(slope="trained")
    _, expected = objective_and_gradient(
        named(params), np.asarray(data.rows.inputs, float), np.asarray(data.rows.targets), 0.02
    )
    gradients = {}
    for name, apply in (("first", first_form), ("this", network.apply)):
        objective = make_learner(network._replace(apply=apply), CLASSIFICATION, config).objective
        gradient = jax.jit(jax.grad(objective, has_aux=True))(params, *data.rows[:2], jnp.ones(ROWS), HPARAMS)[0]
        gradients[name] = named(gradient)
    chex.assert_trees_all_close(gradients["this"], expected, rtol=1e-3, atol=1e-6, strict=True)
    for leaf in ((0, "size"), (0, "slope")):
        assert np.isnan(gradients["first"][leaf]) == breaks
        assert breaks or abs(gradients["first"][leaf] - expected[leaf]) < 1e-4
    assert np.abs(ramp(size, slope, 160) - 0.5).max() > 0.49  # that the ramp was on both sides


def test_slopes_that_are_trained_stay_within_their_bounds():
    """One run goes downhill and one uphill, both faster than there is room."""
    learner, params = learner_of(FlexibleConfig(slope="trained", optimizer="sgd"), TWO, NOTHING), TWO.init(0)
    hparams = flexible_hparams(learning_rate=np.array([-1e6, 1e6]), penalty_weight=50.0, size_learning_rate=0.0)
    states, history = train_together(learner, [params] * 2, some_data(), hparams)
    for n, width in enumerate((7, 6)):
        downhill = 1e-3 if exact(2.5, 0.8, width)[2] > 0 else 1e4
        ends = states.params["hidden"][n]["slope"].tolist()
        assert ends[1] == np.float32(downhill) and sorted(ends) == [np.float32(1e-3), np.float32(1e4)]
    slopes = history["observed"][:, :, 1]
    assert slopes.min() == np.float32(1e-3) and slopes.max() == np.float32(1e4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "lion"}, "optimizer: expected one of adam, adamax, sgd, got 'lion'"),
        ({"slope": "free"}, "slope: expected one of fixed, trained, random"),
        ({"order": "size"}, "order: expected one of none, spread, leave_one_out"),
        ({"gray_zones": (0.0, 20.0)}, "gray_zones: expected two numbers above 0 in order"),
        ({"gray_zones": (5.0, 2.0)}, "gray_zones: expected two numbers above 0 in order"),
        ({"gray_zones": (1.0, float("inf"))}, "gray_zones: expected two numbers above 0 in order"),
        ({"estimator": "straight_through"}, "estimator: straight_through needs a bernoulli gate"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        FlexibleConfig(**settings)


def test_forms_are_those_of_the_errata():
    """E7: the forms differ in how weights decay, and nothing else."""
    changed = {key for key, value in dataclasses.asdict(ORIGINAL).items() if value != getattr(CORRECTED, key)}
    assert set(FORMS) == {"original", "corrected"} and changed == {"weight_decay"}
    assert (ORIGINAL.weight_decay, CORRECTED.weight_decay) == ("coupled", "decoupled")
    assert not ORIGINAL.decay_size and not CORRECTED.decay_size
