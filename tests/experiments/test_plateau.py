"""The command `python -m experiments.plateau`: its claims, its outgoing weights, and how its numbers are judged."""

import json
import math

import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments.plateau import COMMAND as COMMAND
from experiments.plateau import STUDY, weights
from experiments.plateau.study import OPTIMIZERS
from jaxsize.gates.ramp import gray_zone
from jaxsize.networks.mlp import mlp
from jaxsize.results.folder import Folder, open_folder
from jaxsize.results.runs import Runs
from jaxsize.results.step_arrays import write_arrays
from jaxsize.studies.arms import Arms

SMALL = ["--smoke", "--width", "150", "--start-size", "40", "--slope", "2", "--batch-size", "256"]


def test_smoke_answers_its_claims(command, tmp_path):
    folder, arguments = tmp_path / "r", [*SMALL, "--out", str(tmp_path / "r")]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "") and "C19, original" in printed and "shrunk to a tenth" in printed
    summary, rows = json.loads((folder / "summary.json").read_text()), rows_of(folder)
    assert len(rows) == 2 * (
        4 * 2 + 3 * 3 * 2 * 2
    )  # seeds x (epochs x decays, epochs x optimisers x decays x penalties)
    for row in rows:
        if row["form"] == "original":  # of the same rows
            assert row["train_loss"] == pytest.approx(row["test_loss"], rel=1e-4)
    first = {"original": [], "corrected": []}
    for row in rows:
        if row["epoch"] == 1:
            first[row["form"]].append(row["size"])
    assert max(abs(size - 1) for size in first["original"]) < 10 and min(first["corrected"]) > 30
    for form in ("original", "corrected"):
        judged = summary["claims"][form]
        assert [judged[name]["verdict"] for name in ("C19", "C20")] == ["open", "open"]  # two seeds settle nothing
        assert len(judged["C20"]["parts"]) == (3 if form == "original" else 9)  # two of each decay, and one of none
    for row in summary["results"]:  # what has trained is not called test accuracy
        assert ("test_accuracy" in row) == (row["form"] == "corrected") != ("train_accuracy" in row)
    (steps,) = (rows for title, rows in summary["tables"].items() if title.startswith("Steps"))
    assert len(steps) == 3  # once, not for every form
    outgoing_weights_are_those_of_the_drawn_network(Runs(Folder(folder, "finished"), summary["settings"]), summary)
    for name in ("units", "decay"):
        assert matplotlib.image.imread(folder / f"{name}_digits.png").shape[0] > 300
    status, again, error = command(*arguments, "--resume")
    assert (status, error) == (0, "") and "holds the finished run" in again and "shrunk to a tenth" in again


def outgoing_weights_are_those_of_the_drawn_network(runs, summary):
    for name, learning_rate in (("SGD + L2", 0.1), ("AdamW", 1e-3)):
        arm = Arms.of(runs).at(form="corrected")[name].at(weight_decay=1e-3, penalty=0.0)
        before, after = arm.before_and_after("outgoing")
        drawn = [mlp((64, 150, 10), gate="size").init(seed)["output"]["kernel"] for seed in (0, 1)]
        np.testing.assert_allclose(before, [np.abs(kernel).sum(-1) for kernel in drawn], rtol=1e-6)
        steps = arm.steps("loss").shape[1]
        # The last unit is far beyond the edge: nothing but decay moves it.
        np.testing.assert_allclose(after[:, -1], before[:, -1] * (1 - learning_rate * 1e-3) ** steps, rtol=1e-5)
        (row,) = [
            row
            for row in summary["results"]
            if (row["arm"], row["weight_decay"], row["penalty"], row["form"]) == (name, 1e-3, 0, "corrected")
        ]
        assert row["left"]["median"] == pytest.approx(np.median(weights.left_beyond(arm)))


def made_up(tmp_path, sizes, slope=1.0):
    """Runs of Adam + L2 in the original form: sizes[seed][decay] at the end of each epoch."""
    folder = open_folder(tmp_path, {})
    rows, run = [], 0
    for seed, of_seed in enumerate(sizes):
        for decay, line in of_seed.items():
            label = {
                "run": run,
                "seed": seed,
                "batch": "b",
                "dataset": "digits",
                "form": "original",
                "arm": "Adam + L2",
            }
            label |= {"weight_decay": decay, "penalty": 0.0, "slope": slope}
            rows += [label | {"epoch": epoch + 1, "size": size} for epoch, size in enumerate(line)]
            run += 1
    folder.rows.of("a").append(rows)
    return Arms.of(Runs(folder, {"num_seeds": len(sizes), "width": 100}))


def test_known_sizes_have_known_answers(tmp_path):
    """Without L2 twice as large as with; both stand still, in all of 12 seeds but a dead one: no interval moves far.

    That L2 sets the size is judged; the source does not say how near is near.
    """
    sizes = [{0.0: [10.0, 60.0 + n, 60.0 + n], 1e-3: [10.0, 30.0 + n, 30.0 + n]} for n in range(11)]
    sizes.append({0.0: [0.0, -3.0, -4.0], 1e-3: [0.0, -3.0, -4.0]})
    claim = STUDY.claims["C19"].judge(made_up(tmp_path, sizes), "original")
    parts = {(part["of"], part.get("weight_decay")): part for part in claim["parts"]}
    ratio = parts["size without / with L2 0.001", None]
    judged = {name for name, part in parts.items() if part["verdict"] == "holds"}
    less = "size less units allocated"
    assert judged == {("trend of size with decay", None), (less, 0.0), (less, 1e-3)}
    rest = [part for name, part in parts.items() if name not in judged]
    assert {part["verdict"] for part in rest} == {"not decided"} == {claim["verdict"]}
    assert all(part["reason"].startswith("the source's words do not decide this: ") for part in rest)
    assert (ratio["n"], ratio["lost"]) == (11, 1) and ratio["estimate"] == pytest.approx(65 / 35)
    assert parts["growth, last third", 0.0]["estimate"] == 0 and parts["growth, last third", 0.0]["n"] == 11
    assert parts["size less units allocated", 1e-3]["estimate"] == -65.5
    few = STUDY.claims["C19"].judge(made_up(tmp_path / "few", sizes[5:]), "original")
    assert "open" in {part["verdict"] for part in few["parts"]}  # one of 7 can


def write_outgoing(tmp_path, before, after):
    (tmp_path / "measured").mkdir(exist_ok=True)
    write_arrays(tmp_path / "measured" / "b.outgoing.npz", run=np.arange(len(after)), before=before, after=after)


@pytest.mark.parametrize(("left", "outcome"), [(1e-20, "holds"), (0.05, "not decided")])
def test_weights_beyond_the_gray_zone_are_compared_with_the_drawn_ones(tmp_path, left, outcome):
    """With decay less is left than without; what rounding loses is zero, and whether .05 is the source does not say."""
    arms = made_up(tmp_path, [{0.0: [50.0], 1e-3: [50.0]} for _ in range(6)])
    before = np.full((12, 100), 2.0)
    after, edge = before.copy(), math.floor(50 + gray_zone(1.0))
    after[:, : edge + 1] = 9.0  # units in use do not count
    after[1::2, edge + 1 :] = 2 * left  # runs with decay
    write_outgoing(tmp_path, before, after)
    claim = STUDY.claims["C20"].judge(arms, "original")
    assert [part["estimate"] for part in claim["parts"]] == pytest.approx([1.0, left - 1, left])
    assert [part["verdict"] for part in claim["parts"]] == ["not decided", "holds", outcome]
    assert claim["verdict"] == "not decided"
    after[:, -1] = np.nan  # a diverged run is no zero
    write_outgoing(tmp_path, before, after)
    parts = STUDY.claims["C20"].judge(arms, "original")["parts"]
    assert [(part["n"], part["lost"]) for part in parts] == [(0, 6)] * 3


def test_a_seed_without_disabled_units_is_left_out_and_one_that_diverged_is_lost(tmp_path):
    sizes = [99.0, float("nan"), *[50.0] * 8]
    arms = made_up(tmp_path, [{0.0: [size], 1e-3: [size]} for size in sizes])
    before = np.full((20, 100), 2.0)
    write_outgoing(tmp_path, before, before)
    parts = STUDY.claims["C20"].judge(arms, "original")["parts"]
    assert [(part["n"], part["lost"], part["estimate"]) for part in parts] == [(8, 1, 1.0), (8, 1, 0.0), (8, 1, 1.0)]


def test_steps_to_a_tenth_follow_from_the_optimiser():
    rates, decays = {"SGD + L2": 0.1, "Adam + L2": 1e-3, "AdamW": 1e-3}, (1e-3, 1.0)
    steps = {
        (name, decay): count
        for name, config in OPTIMIZERS.items()
        for decay, count in zip(decays, weights.steps_to_a_tenth(config, rates[name], decays, 500), strict=True)
    }
    assert steps["SGD + L2", 1.0] == 22 == math.ceil(math.log(0.1) / math.log(0.9))
    for arm, decay in (("SGD + L2", 1e-3), ("AdamW", 1e-3), ("AdamW", 1.0)):
        assert steps[arm, decay] == pytest.approx(math.log(0.1) / math.log1p(-rates[arm] * decay), rel=1e-3)
    assert steps["Adam + L2", 1e-3] == pytest.approx(steps["Adam + L2", 1.0], abs=1) and steps["Adam + L2", 1.0] < 50
