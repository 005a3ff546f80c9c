"""The command `python -m experiments.size_only`: frozen weights, the terms of units, and how its runs are read."""

import json

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
import scipy.special
from helpers.experiments import rows_of
from helpers.flexible import forward, named, small_batch
from helpers.training import normal

from experiments.size_only import COMMAND as COMMAND
from experiments.size_only import claims, unit_terms
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs
from jaxsize.studies.arms import Arms
from jaxsize.training._team import FinalNetwork
from jaxsize.training._train import Trained

SMALL = ["--smoke", "--batch-size", "256", "--width", "160", "--start-size", "30", "--slopes", "1", "2"]


def test_smoke_freezes_weights_and_answers_its_claim(command, tmp_path):
    folder, arguments = tmp_path / "r", [*SMALL, "--out", str(tmp_path / "r")]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "") and "C25b, original" in printed and "C25b, corrected" in printed
    summary, rows = json.loads((folder / "summary.json").read_text()), rows_of(folder)
    assert len(rows) == 2 * 2 * 2 * 2 * (1 + 3 * 2)  # forms x epochs x seeds x slopes x (pretraining, arms x rates)
    assert all(row["size"] == 30 for row in rows if row["arm"] == "fixed size")
    assert finite_frozen(summary) == {"original": 16, "corrected": 16}
    assert summary["answer"][0].startswith("digits, original form: from 30 units the size moved in 2 epochs by ")
    for form in ("original", "corrected"):
        claim = summary["claims"][form]["C25b"]
        assert claim["verdict"] == "open"  # two seeds settle nothing
        counted = [part for part in claim["parts"] if "uninformative" not in part]
        assert {part["arm"] for part in counted} == {"frozen trained"}
        assert len(counted) == 2 * 2 + 2  # slopes x rates: the change of size; slopes: the gradient before it
    for name in ("size", "terms"):
        assert matplotlib.image.imread(folder / f"{name}_digits.png").shape[0] > 300
    runs = Runs(Folder(folder, "finished"), summary["settings"])
    measures_are_of_the_runs_own_steps(Arms.of(runs).at(form="corrected"))
    status, again, error = command(*arguments, "--resume")
    assert (status, error) == (0, "") and "holds the finished run" in again


def finite_frozen(summary):
    """How many networks with frozen weights there were, by form."""
    rows = summary["tables"]["Networks whose frozen weights are what they were, bit for bit"]
    return {row["form"]: row["networks"] for row in rows}


def measures_are_of_the_runs_own_steps(arms):
    for arm in arms.like(*claims.MOVING):
        for (_, rate), runs in arm.by("slope", "size_learning_rate").items():
            sizes, gradient = runs.steps("size_0"), runs.steps("size_gradient_0")
            # Adam's first step is its rate, against the gradient.
            np.testing.assert_allclose(sizes[:, 0] - 30, np.sign(-gradient[:, 0]) * rate, rtol=1e-3)
            np.testing.assert_allclose(claims.change(runs), sizes[:, -1] - 30, rtol=1e-5)
            first = gradient[:, : gradient.shape[1] // 2]  # of two epochs
            np.testing.assert_allclose(claims.upward(runs), -first.mean(-1), rtol=1e-5)
            np.testing.assert_allclose(claims.growing(runs), (gradient < 0).mean(-1))
            terms, distance = unit_terms.read_terms(runs)
            assert np.isnan(terms).all() == (arm.name == "training") and distance[30] == 0
            np.testing.assert_allclose(claims.from_below(runs) + claims.from_beyond(runs), terms.sum(-1), rtol=1e-5)


def test_terms_are_the_programs_own_gradient_unit_by_unit():
    network, task = mlp((5, 40, 3), gate="size", size=17.3, slope=0.7), TASKS["classification"]
    params = jax.tree.map(jnp.asarray, network.init(0))
    inputs, targets = jnp.asarray(normal(1, 32, 5)), jnp.arange(32) % 3
    terms = unit_terms.unit_terms(network.apply, params, inputs, targets, task)

    def loss(params):
        return jnp.mean(task.loss(network.apply(params, inputs), targets))

    by_size = jax.grad(loss)(params)["hidden"][0]["size"]
    np.testing.assert_allclose(terms.sum(), -by_size, rtol=1e-4)
    p = named(params)
    _, (hidden,), (gates,), logits = forward(p, np.asarray(inputs, np.float64))
    back = (scipy.special.softmax(logits, axis=1) - np.eye(3)[np.asarray(targets)]) / len(targets)
    by_gate = (back @ p[1, "kernel"].T * hidden).sum(0)
    np.testing.assert_allclose(terms, -0.7 * by_gate * gates * (1 - gates), rtol=1e-3, atol=1e-9)


def test_a_frozen_weight_that_moved_is_a_bug():
    batch = small_batch([{"learning_rate": 0.0, "run": 7}, {"learning_rate": 1e-3, "run": 8}])
    networks = [batch.init(0), jax.tree.map(lambda leaf: leaf + 1, batch.init(1))]

    def trained(*params):
        return Trained([], [FinalNetwork(of, {}, 1) for of in params])

    assert unit_terms.require_frozen(batch, trained(*networks)) == 1
    moved = jax.tree.map(np.array, networks[0])
    moved["output"]["kernel"][-1, -1] += 1e-6
    with pytest.raises(AssertionError, match="have moved"):
        unit_terms.require_frozen(batch, trained(moved, networks[1]))


def test_weights_that_had_diverged_before_they_were_frozen_do_not_stop_the_study(command, tmp_path):
    flags = ["--smoke", "--form", "original", "--batch-size", "256", "--slopes", "1", "--learning-rate", "1e20"]
    status, _, error = command(*flags, "--out", str(tmp_path / "r"))
    assert (status, error) == (0, "")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert finite_frozen(summary) == {"original": 2 * 2}  # random ones: rates x seeds
