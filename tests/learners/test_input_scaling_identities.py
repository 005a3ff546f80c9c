"""Networks on scaled inputs and their unscaled twins, trained in one program: the same to the last bit at scale 256."""

import itertools
import math

import chex
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from helpers.compiling import programs_for_users
from helpers.shrinking import Counter, folder_in

from experiments.input_scaling.recipes import RECIPES, first_steps, first_steps_of, predicted_changes, setting_of
from experiments.input_scaling.table import not_finite
from jaxsize.data import load
from jaxsize.learners.plain import PlainConfig
from jaxsize.networks.mlp import mlp
from jaxsize.programs.config import Config
from jaxsize.programs.epoch import row_order
from jaxsize.results.runs import Runs
from jaxsize.sweeps.layer_rates import layer_rate_sweep
from jaxsize.training import _train as training

RATE, DECAY, WIDTH = 0.002, 1e-4, 30
DATA = load("cifar_like", form="original")
# D11, as powers of c: one rate, first weights of both layers, decays, first-step changes due to both layers.
TABLE = {
    "R1": (1, 1 / 2, 1 / 2, -1, -1, 2, 2),
    "R2": (0, 1 / 2, 1 / 2, -1, -1, 1, 1),
    "R3": (0, -1 / 2, -1 / 2, -1, -1, -1, -1),
    "R4": (1, -1 / 2, 1 / 2, -1, -1, 2, 0),
    "R5": (0, -1 / 2, 1 / 2, -1, -1, 1, -1),
    "R6": (1 / 2, -1 / 4, 1 / 4, -3 / 2, -1 / 2, 1, 0),
    "R6b": (1 / 2, 3 / 4, 1 / 4, -3 / 2, -1 / 2, 1, 2),
    "R7": (-1, -1 / 2, 1 / 2, -1, -1, 0, -2),
    "R7b": (-1, 1 / 2, 1 / 2, -1, -1, 0, 0),
    "R8": (0, 0, 0, 0, 0, 0, 0),
}


def batch_of(settings, batch_size=20, **options):
    fields = {"name": "x", "label": {"batch": "x"}, "first_run": 0, "num_epochs": 1}
    fields |= {"config": Config(batch_size=batch_size)} | options
    return layer_rate_sweep(
        DATA, mlp((DATA.num_inputs, WIDTH, DATA.num_outputs), gate=None, bias=None), PlainConfig(), settings, **fields
    )


def power_of_256(power):
    return math.ldexp(1.0, round(8 * power))


def twin_by_hand(name, power_of):
    """The unscaled network of the table, as a setting."""
    rate, q1, q2, *decays = map(power_of, TABLE[name][:5])
    setting = {"init_scales": [q1, q2], "learning_rates": RATE * rate}
    return setting | {"weight_decays": [DECAY * factor for factor in decays]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """200 steps of every recipe at 256 and at 255, and of the twin of each by hand: histories and networks by name."""
    settings = {name: setting_of(name, 1.0 if name == "R0" else 256.0, RATE, DECAY) for name in RECIPES}
    for name in TABLE:
        settings[f"twin of {name}"] = twin_by_hand(name, power_of_256)
        settings[f"{name} at 255"] = setting_of(name, 255.0, RATE, DECAY)
        settings[f"twin of {name} at 255"] = twin_by_hand(name, lambda power: 255.0**power)
    folder = folder_in(tmp_path_factory.mktemp("identities"))
    with programs_for_users():
        result = training.train(batch_of([{**setting, "seed": 3} for setting in settings.values()]), folder, Counter())
    (event,) = [event for event in folder.events.read() if event["event"] == "programs"]
    assert event["compiled"] == 1
    steps = {key: np.load(folder.path / "steps" / f"x.{key}.npy") for key in ("loss", "dead_share_0", "zero_outputs")}
    assert steps["loss"].shape == (len(settings), 200)
    histories = {name: {key: lines[n] for key, lines in steps.items()} for n, name in enumerate(settings)}
    networks = {name: network.params for name, network in zip(settings, result.networks, strict=True)}
    return histories, networks


@pytest.mark.parametrize("name", TABLE)
def test_at_256_a_recipe_is_its_unscaled_twin_to_the_last_bit(trained, name):
    histories, networks = trained
    history, twin = histories[name], histories[f"twin of {name}"]
    assert np.isfinite(history["loss"]).all() and np.ptp(history["loss"]) > 0
    chex.assert_trees_all_equal(history, twin, strict=True)
    _, q1, q2, *_ = TABLE[name]
    a1, a2 = setting_of(name, 256.0, RATE, DECAY)["init_scales"]
    for layer, factor in (
        (lambda params: params["hidden"][0], power_of_256(q1) / a1),
        (lambda params: params["output"], power_of_256(q2) / a2),
    ):
        weights = layer(networks[name])["kernel"]
        assert np.isfinite(weights).all()
        np.testing.assert_array_equal(factor * weights, layer(networks[f"twin of {name}"])["kernel"])


def test_recipes_differ_and_r8_is_r0(trained):
    histories, _ = trained
    np.testing.assert_array_equal(histories["R8"]["loss"], histories["R0"]["loss"])
    others = [histories[name]["loss"] for name in RECIPES if name != "R8"]
    for one, other in itertools.combinations(others, 2):
        assert np.abs(one - other).max() > 1e-3
    assert histories["R1"]["zero_outputs"][-1] == 1 and histories["R1"]["dead_share_0"][-1] == 1  # as it was asked
    np.testing.assert_allclose(histories["R1"]["loss"][-1], np.log(10), rtol=1e-6)


def test_at_255_the_twin_is_one_to_rounding_and_differences_grow(trained):
    histories, networks = trained
    gap = np.abs(histories["R8 at 255"]["loss"] / histories["R0"]["loss"] - 1)
    assert gap[0] < 1e-6 and 0 < gap.max() < 1e-3 and gap[100:].max() > gap[:10].max()
    scaled, reference = (networks[name]["hidden"][0]["kernel"] for name in ("R8 at 255", "R0"))
    assert 0 < np.abs(255 * scaled - reference).max() < 1e-3 * np.abs(reference).max()


def test_at_255_a_recipe_is_its_unscaled_twin_to_rounding_and_differences_grow(trained):
    histories, _ = trained
    losses = {name: [histories[f"{kind}{name} at 255"]["loss"] for kind in ("", "twin of ")] for name in TABLE}
    gaps = {name: np.abs(recipe / twin - 1) for name, (recipe, twin) in losses.items()}
    for gap in gaps.values():
        assert gap[0] < 1e-6 and gap.max() < 1e-4
    assert sum(gap.max() > gap[0] for gap in gaps.values()) >= 8


@pytest.mark.parametrize("scale", [255.0, 256.0])
def test_the_table_of_predictions(scale):
    for name, (*_, first, second) in TABLE.items():
        np.testing.assert_allclose(predicted_changes(name, scale), [scale**first, scale**second], rtol=1e-12)
    with pytest.raises(ValueError, match="R0: expected scale 1"):
        setting_of("R0", scale, RATE, DECAY)


def test_first_steps_move_the_outputs_as_predicted():
    """To first order exactly; a short enough step moves them so where a recipe starts with R0's outputs."""
    for rate in (RATE, 1e-11):
        runs = [("R0", 1.0), *((name, 255.0) for name in TABLE)]
        settings = [setting_of(name, scale, rate, 0.0) | {"seed": 1} for name, scale in runs]
        for row in first_steps(batch_of(settings, 60)):
            assert row["first_order"] == pytest.approx(row["predicted"], rel=1e-6)
            if rate < RATE and row["arm"] in ("R4", "R5", "R6", "R7", "R8"):
                assert row["measured"] == pytest.approx(row["predicted"], rel=1e-3)


def test_steps_are_those_of_momentum_with_coupled_decay(tmp_path):
    """Three steps in NumPy: what is recorded of them, and `first_steps_of` on the first."""
    setting = {"input_scale": 3.0, "init_scales": [0.5, 2.0], "learning_rates": [0.05, 0.2], "seed": 4}
    setting |= {"weight_decays": [0.3, 0.1]}
    folder, batch = folder_in(tmp_path), batch_of([setting], 1000)
    training.train(batch, folder, Counter())
    recorded = {path.name.split(".")[1]: np.load(path)[0] for path in (folder.path / "steps").iterdir()}
    params = batch.init(0)
    weights = [params["hidden"][0]["kernel"].astype(float), params["output"]["kernel"].astype(float)]
    velocity = [np.zeros_like(kernel) for kernel in weights]
    order = np.asarray(row_order(jnp.uint32(4), jnp.int32(0), 4000)).reshape(4, 1000)
    for step, index in enumerate(order):
        inputs, targets = 3.0 * DATA.train.inputs[index] / 255, DATA.train.targets[index]
        hidden = np.maximum(inputs @ weights[0], 0)
        outputs = hidden @ weights[1]
        loss = (scipy.special.logsumexp(outputs, axis=1) - outputs[np.arange(1000), targets]).mean()
        error = (scipy.special.softmax(outputs, axis=1) - np.eye(10)[targets]) / 1000
        gradients = [inputs.T @ ((error @ weights[1].T) * (hidden > 0)), hidden.T @ error]
        assert recorded["loss"][step] == pytest.approx(loss, rel=1e-4)
        assert recorded["dead_share_0"][step] == pytest.approx((hidden == 0).all(axis=0).mean(), abs=1.5 / WIDTH)
        for layer in (0, 1):
            norm = np.linalg.norm(gradients[layer])
            assert recorded[f"gradient_norm_{layer}"][step] == pytest.approx(norm, rel=1e-3)
            velocity[layer] = 0.9 * velocity[layer] + gradients[layer] + (0.3, 0.1)[layer] * weights[layer]
        if step == 0:
            own, _, measured = first_steps_of(weights, [0.05, 0.2], [0.3, 0.1], inputs, targets)
            moved = np.maximum(inputs @ (weights[0] - 0.05 * velocity[0]), 0) @ weights[1]
            assert measured[0] == pytest.approx(np.linalg.norm(moved - outputs))
            moved = hidden @ (weights[1] - 0.2 * velocity[1])
            assert measured[1] == pytest.approx(np.linalg.norm(moved - outputs))
            np.testing.assert_allclose(own, error)
        weights = [kernel - rate * v for kernel, rate, v in zip(weights, (0.05, 0.2), velocity, strict=True)]
    assert (recorded["zero_outputs"] == 0).all()


def test_a_run_that_overflows_is_reported_and_stops_no_other(tmp_path):
    alone = setting_of("R0", 1.0, RATE, DECAY) | {"seed": 0}
    beside = [setting_of(name, 1e18, 0.02, DECAY) | {"seed": 0} for name in ("R1", "R8")]
    losses = []
    for name, settings in (("one", [alone]), ("three", [beside[0], alone, beside[1]])):
        folder = folder_in(tmp_path / name)
        training.train(batch_of(settings, num_epochs=2), folder, Counter())
        losses.append([row["train_loss"] for row in folder.rows.read() if row["arm"] == "R0"])
    assert losses[0] == losses[1] and None not in losses[0]
    (row,) = not_finite(Runs(folder, {"num_seeds": 1}))
    losses = np.load(folder.path / "steps" / "x.loss.npy")
    assert (row["arm"], row["input_scale"], row["at_the_end"]) == ("R1", 1e18, "not finite")
    assert np.isfinite(losses[1:]).all() and np.isfinite(losses[0]).argmin() == row["first_step"] - 1 < 10
    dead = np.load(folder.path / "steps" / "x.dead_share_0.npy")
    assert np.isnan(dead[0, -1]) and np.isfinite(dead[1:]).all()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"init_scales": [1.0]}, "init_scales: expected 2 numbers with a normal float32"),
        ({"learning_rates": float("inf")}, "learning_rates: expected 2 numbers with a normal float32"),
        ({"learning_rates": [1e-39, 1.0]}, "learning_rates: expected 2 numbers with a normal float32"),
        ({"weight_decays": [1.0, 2.0, 3.0]}, "weight_decays: expected 2 numbers"),
        ({"input_scale": 0.0}, "input_scale: expected a finite number above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, expected):
    with pytest.raises(ValueError, match=expected):
        batch_of([{"seed": 0} | setting])
