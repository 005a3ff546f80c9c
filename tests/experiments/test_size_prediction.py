"""The command `python -m experiments.size_prediction`, runs that learn from teachers of their own, known layers."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from helpers.widths import arms_of

from experiments.size_prediction import COMMAND as COMMAND
from experiments.size_prediction import STUDY
from experiments.size_prediction.agreement import (
    agrees,
    follows_own_width,
    over_seeds,
    sufficient,
    table,
    verdicts_right,
)
from experiments.size_prediction.flags import SizePredictionFlags
from experiments.size_prediction.layers import MEASURES, measure_networks
from experiments.size_prediction.study import arms as arms_of_study
from experiments.size_prediction.teachers import WIDTHS, of_teachers
from jaxsize.data.sets.teacher import make_teacher
from jaxsize.studies import Setup

SMALL = {"teacher_rows": 400, "teachers": 2, "teacher_widths": (3, 4), "teacher_inputs": 6, "widths": (4, 9)}
FLAGS = SizePredictionFlags(**SMALL, num_seeds=1, measured_rows=400)


def setup_of(task):
    return Setup(flags=FLAGS, dataset=of_teachers(FLAGS, task, "corrected"), form="corrected")


def test_smoke_measures_every_layer(command, tmp_path):
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--out", str(folder))
    assert (status, error) == (0, "") and "4 teachers, students of 8 units" in printed
    with np.load(folder / "measured" / "teachers_regression.corrected.sizes.npz") as file:
        numbers = dict(file)
    assert all(numbers[name].shape == (4, 2, 2) for name in (*MEASURES, "score"))
    assert all(np.isfinite(numbers[name]).all() for name in MEASURES)
    assert ((numbers["needed_units"] >= 0) & (numbers["needed_units"] <= (4, 8))).all()
    summary = json.loads((folder / "summary.json").read_text())
    assert {row["measure"] for row in summary["results"]} > set(MEASURES.values()) and len(summary["pictures"]) == 2
    assert all(matplotlib.image.imread(folder / picture["file"]).size for picture in summary["pictures"])


def test_a_run_learns_from_its_own_teacher():
    """Losses and scores are those of the teacher's column alone; the number of the teacher never moves, nor decays."""
    setup = setup_of("classification")
    batch = list(arms_of_study(setup))[-1]  # sparsifiers, whose weights decay
    assert [label["teacher"] for label in batch.labels] == [0, 1, 2, 3]
    assert [label["teacher_width"] for label in batch.labels] == [3, 3, 4, 4]
    inputs, targets = setup.dataset.train.inputs[:50], setup.dataset.train.targets[:50]
    params, hparams = batch.init(3), batch.learner.hparams(**{name: of[0] for name, of in batch.hparams.items()})
    labels = make_teacher(seed=4, num_inputs=6, width=4, num_outputs=10)(inputs).argmax(1)
    np.testing.assert_array_equal(targets[:, 3], labels)

    @jax.jit
    def step(params, inputs, targets):
        _, recorded = batch.learner.objective(params, inputs, targets, jnp.ones(50), hparams)
        optimizer = batch.learner.optimizer(hparams)
        updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, params), optimizer.init(params), params)
        outputs = batch.learner.outputs(params, inputs)
        return recorded["loss"], batch.learner.scores(params, inputs, targets)["loss"], updates, outputs

    loss, losses, updates, outputs = step(params, inputs, targets)
    by_hand = np.log(np.exp(outputs).sum(1)) - np.asarray(outputs)[np.arange(50), labels]
    np.testing.assert_allclose(losses, by_hand, rtol=1e-5)
    assert loss == pytest.approx(by_hand.mean(), rel=1e-5)
    assert updates["teacher"] == 0 and (np.asarray(updates["output"]["kernel"]) < 0).all()


def test_a_student_that_is_its_teacher():
    """A teacher of 3 units and 6 that do nothing: what is live and needed is 3, and so are components that suffice."""
    setup = setup_of("regression")
    batch = next(one for one in arms_of_study(setup) if one.labels[0]["width"] == 9)
    teacher, params = make_teacher(seed=1, num_inputs=6, width=3, num_outputs=1), batch.init(0)
    network = {name: jax.tree.map(np.zeros_like, params[name]) for name in ("hidden", "output")}
    (hidden,) = network["hidden"]
    hidden["kernel"][:, :3], hidden["bias"][:3] = teacher.in_kernel, teacher.in_bias
    network["output"]["kernel"][:3], network["output"]["bias"][:] = teacher.out_kernel, teacher.out_bias
    says = measure_networks(batch, rows=400)(jax.tree.map(lambda leaf: leaf[None], network), jnp.zeros(1, int))
    assert [float(says[name][0]) for name in ("live_units", "needed_units")] == [3, 3]
    assert says["components"][0, -1] == pytest.approx(1, abs=1e-5)  # the score with all directions
    assert says["components"][0, 3] == pytest.approx(1, abs=1e-5) and says["components"][0, 2] < 0.95
    assert says["effective_dimensions"][0] == pytest.approx(3, rel=0.02)  # directions at right angles, normal inputs
    values = np.maximum(setup.dataset.train.inputs[:400] @ teacher.in_kernel + teacher.in_bias, 0)
    np.testing.assert_allclose(np.sort(says["spreads"][0])[-3:], np.sort(values.std(0)), rtol=1e-5)


def numbers_by_hand():
    """Twelve teachers: components name their widths, live units those of the student, the loss falls with both."""
    widths, teachers, seeds = np.array([4, 8, 16, 32]), np.repeat([4.0, 8, 16], 4), np.ones((1, 3, 1))
    shape = (12, 3, 4)
    needed = np.minimum(teachers[:, None, None], widths) * seeds
    numbers = {name: np.ones(shape) for name in MEASURES}
    numbers |= {"components": needed, "live_units": np.broadcast_to(widths, shape) * 1.0, "needed_units": needed + 1}
    numbers |= {"w": np.where(widths < 5, np.nan, np.random.default_rng(0).normal(size=shape))}
    numbers |= {"exponential_units": needed / 2, "gamma_units": needed / 2, "train_loss": -needed}
    numbers |= {"score": 1 - np.maximum(teachers[:, None, None] / widths - 1, 0) * 0.1 * seeds}
    return numbers | {"learned": needed[:, :, -1] * 2, WIDTHS: teachers}, widths


def test_agreement_with_numbers_made_by_hand(tmp_path):
    numbers: dict[str, Any]
    numbers, widths = numbers_by_hand()
    assert sufficient(numbers, widths).tolist() == numbers[WIDTHS].tolist()
    assert {name: one.estimate for name, one in agrees(numbers, widths, "components").items()} == dict.fromkeys(
        ("teacher", "curve", "learned", "ablation"), 1.0
    )
    assert agrees(numbers, widths, "live_units")["teacher"].estimate == 0  # it says 32 of all
    assert agrees(numbers, widths, "train_loss")["teacher"].estimate == -1
    assert "ablation" not in agrees(numbers, widths, "needed_units")
    assert follows_own_width(numbers, widths, "live_units").estimate == 1
    assert verdicts_right(numbers, widths, "components").estimate == 1
    assert verdicts_right(numbers, widths, "live_units").estimate == 0.5
    worse = numbers | {"score": numbers["score"] - 2}  # than a constant, all of them
    assert np.isnan(sufficient(worse, widths)).all() and over_seeds(np.zeros((2, 3)))["n"] == 0
    arms = arms_of(
        tmp_path,
        {"digits": lambda seed, at: 0.9},
        widths=widths.tolist(),
        num_seeds=3,
        measured="sizes",
        **numbers,
    )
    rows = {row["measure"]: row for row in table(arms)}
    assert rows[MEASURES["components"]]["over_teacher"]["median"] == 1
    assert rows[MEASURES["exponential_units"]]["over_teacher"]["median"] == 0.5
    assert rows["units that the sparsifier kept"]["order_of_teacher"]["estimate"] == 1
    verdicts = {name: claim.judge(arms, "corrected") for name, claim in STUDY.claims.items()}
    assert {name: one["verdict"] for name, one in verdicts.items()} == dict.fromkeys(STUDY.claims, "holds")
    control = verdicts["Measures"]["parts"][-1]
    assert control["uninformative"] == "the control" and control["estimate"] == -1


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--teacher-width", "9"), "--teacher-width: expected --teacher-widths, as this study has many teachers"),
        (("--teacher-widths", "8"), "--teacher-widths: expected two numbers or more, ascending, got 8"),
        (("--widths", "8", "4", "16"), "--widths: expected two numbers or more, ascending, got 8 4 16"),
        (("--teacher-widths", "0", "8"), "--teacher-widths: expected whole numbers from 1 on, got 0 8"),
        (("--dataset", "teacher", "teacher"), "--dataset: expected different names, got teacher teacher"),
        (("--price", "0"), "--price: expected a finite number above 0, got 0.0"),
    ],
)
def test_wrong_flags_are_one_line(command, tmp_path, flags, line):
    status, _, error = command(*flags, "--out", str(tmp_path / "r"))
    assert status == 2 and error.strip().endswith(line)
