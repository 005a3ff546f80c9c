"""The command `python -m experiments.death_rules`, and what a flip of a gate is."""

import json

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of
from helpers.hparams import sparsifier_hparams

from experiments import death_rules
from experiments.death_rules import FLIPS, RULES
from jaxsize.learners import TASKS
from jaxsize.learners.flips import flip_gates
from jaxsize.learners.sparsifier import make_learner
from jaxsize.networks import mlp

COMMAND = death_rules.COMMAND


@pytest.mark.parametrize("rule", RULES)
def test_a_flip_lasts_one_step_and_kills_by_the_rules_that_it_should(rule):
    """Nothing else moves: after two steps every gate that lives is what it was; which die is told by the rule alone."""
    config = RULES[rule]
    network = mlp((2, 400, 1), gate="signed" if config.gate == "signed" else "liveness")
    learner = flip_gates(make_learner(network, TASKS["regression"], config), rate=0.5)
    params = network.init(0)
    start = np.asarray(params["hidden"][0]["liveness"])
    bookkeeping = learner.init_bookkeeping(params)
    step = jax.jit(learner.after_step)
    after, bookkeeping = step(params, bookkeeping, sparsifier_hparams(key=jax.random.key(3)))
    flipped = np.asarray(bookkeeping["flipped"]["hidden.0"])
    assert 150 < flipped.sum() < 250
    live = np.asarray(learner.live(bookkeeping)["hidden.0"])
    kills_at_once = rule in ("absorbing", "sign variance 0")
    np.testing.assert_array_equal(live, ~flipped if kills_at_once else np.ones(400, bool))
    np.testing.assert_array_equal(
        np.asarray(after["hidden"][0]["liveness"])[live], np.where(flipped, -start, start)[live]
    )
    quiet = flip_gates(make_learner(network, TASKS["regression"], config), rate=1e-9)
    back, bookkeeping = jax.jit(quiet.after_step)(after, bookkeeping, sparsifier_hparams(key=jax.random.key(4)))
    live = live & np.asarray(quiet.live(bookkeeping)["hidden.0"])
    np.testing.assert_array_equal(np.asarray(back["hidden"][0]["liveness"])[live], start[live])
    assert not jnp.any(bookkeeping["flipped"]["hidden.0"])


def test_small_study_answers_its_claims(command, tmp_path, monkeypatch):
    few = {name: RULES[name] for name in ("absorbing", "threshold", "sign variance 0")}
    monkeypatch.setattr(death_rules, "RULES", few)
    folder = tmp_path / "r"
    status, printed, error = command(
        "--smoke", "--penalties", "0.01", "--batch-size", "256", "--flip-rate", "0.05", "--out", str(folder)
    )
    assert (status, error) == (0, "")
    rows = rows_of(folder)
    assert {row["arm"] for row in rows} == {name + flips for name in few for flips in ("", FLIPS)}
    ends = {(row["arm"], row["seed"]): row["live_units"] for row in rows if row["epoch"] == 3}
    lost = {rule: np.median([ends[rule, seed] - ends[rule + FLIPS, seed] for seed in (0, 1)]) for rule in few}
    summary = json.loads((folder / "summary.json").read_text())
    parts = {part["against"]: part for part in summary["claims"]["corrected"]["C40, flips"]["parts"]}
    assert parts["threshold"]["estimate"] == lost["sign variance 0"] - lost["threshold"] > 0
    assert "C40, size" in printed and sum(line.count("with flips") for line in summary["answer"]) == 3
    assert matplotlib.image.imread(folder / "rules_digits.png").shape[0] > 300


@pytest.mark.parametrize("rate", ["0", "1", "nan"])
def test_a_chance_is_between_0_and_1(command, tmp_path, rate):
    status, _, error = command("--flip-rate", rate, "--out", str(tmp_path / "r"))
    assert status == 2 and "--flip-rate: expected a number above 0 and below 1" in error
