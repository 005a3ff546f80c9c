"""Arms, choices of arms, claims and tables, on rows written by hand."""

import itertools

import numpy as np
import pytest

from jaxsize import plots
from jaxsize.results import Runs, open_folder
from jaxsize.statistics import Estimate
from jaxsize.studies import (
    Arms,
    Claim,
    TrainingFlags,
    above,
    across,
    any_part,
    below,
    between,
    columns,
    each,
    equal,
    exactly,
    gain,
    gain_over,
    gains,
    listed,
    per,
    still_open,
    versus,
    within,
)
from jaxsize.studies._drawing import draw_all
from jaxsize.studies.summary import as_text

SEEDS = range(6)
SURE = Estimate(2.0, 1.0, 3.0, 0.95, 8, "by hand", 0.01)


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    """Two data sets; an arm `learned` with widths 10 and 20 and penalties 0 and .1, and a `control` per width."""
    folder = open_folder(tmp_path_factory.mktemp("rows") / "r", {})
    rows, numbers = [], itertools.count()
    for dataset, width, seed in itertools.product(("mnist", "add10"), (10, 20), SEEDS):
        score = "test_accuracy" if dataset == "mnist" else "test_error"
        for arm, penalty in (("learned", 0.0), ("learned", 0.1), ("control", None)):
            shared = {"batch": "b", "run": next(numbers), "dataset": dataset, "form": "corrected", "arm": arm}
            shared |= {"seed": seed, "start_width": width} | ({} if penalty is None else {"penalty": penalty})
            value = 0.5 + 0.01 * seed + (penalty or 0)
            for epoch in (1, 2):
                rows.append(shared | {"epoch": epoch, score: value / epoch, "units": width - 5 * (penalty or 0)})
    folder.rows.of("b").append(rows)
    return Arms.of(Runs(folder, {"num_seeds": len(SEEDS)}))


def test_arms_are_read_as_they_were_after_some_epochs(tmp_path):
    """Run 0 goes on for longer; run 1 has no third epoch."""
    folder, losses = open_folder(tmp_path, {}), {0: [9.0, 7.0, 4.0, 1.0], 1: [8.0, 6.0]}
    shared = {"batch": "b", "dataset": "mnist", "form": "corrected", "arm": "all", "width": 5}
    folder.rows.of("b").append(
        [
            shared | {"run": run, "seed": run, "epoch": epoch, "train_loss": loss}
            for run, line in losses.items()
            for epoch, loss in enumerate(line, 1)
        ]
    )
    (tmp_path / "steps").mkdir()
    np.save(tmp_path / "steps" / "b.loss.npy", np.arange(16.0).reshape(2, 8))  # 2 steps per epoch
    arms = Arms.of(Runs(folder, {"num_seeds": 2}))
    early, whole = arms.until(2)["all"], arms.until(2).until(None)["all"]
    assert early.end("train_loss").tolist() == [7, 6] and whole.end("train_loss").tolist() == [1, 6]
    np.testing.assert_array_equal(early.curve("train_loss"), [[9, 7], [8, 6]])
    np.testing.assert_array_equal(early.at(width=5).matrix("train_loss", over="width"), [[7], [6]])
    np.testing.assert_array_equal(early.steps("loss"), [[0, 1, 2, 3], [8, 9, 10, 11]])
    assert early.steps_by_epoch("loss").shape == (2, 2, 2) and whole.steps("loss").shape == (2, 8)
    np.testing.assert_array_equal(arms.until(3)["all"].end("train_loss"), [4, np.nan])
    assert np.isnan(arms.until(9)["all"].end("train_loss")).all()


def test_a_title_says_whose_runs_a_picture_shows(arms, tmp_path):
    figures = []

    @per("dataset", title="every seed")
    def nothing(arms):
        figures.append(plots.subplots(1, 1, width=2)[0])
        return figures[-1]

    draw_all({"nothing": nothing}, arms, tmp_path)
    titles = [figure.get_suptitle() for figure in figures]
    assert titles == [f"{name}, corrected form, 6 seeds: every seed" for name in ("mnist", "add10")]


def test_arms_are_found_and_selected(arms):
    assert [(view.dataset, view.name) for view in arms] == [
        *(("mnist", "learned"), ("mnist", "control")),
        *(("add10", "learned"), ("add10", "control")),
    ]
    assert arms.datasets == ["mnist", "add10"] and arms.forms == ["corrected"]
    learned = arms.at(dataset="mnist")["learned"]
    assert learned.count == 24 and learned.values("penalty", skip=0.0) == [0.1]
    assert set(learned.by("start_width", "penalty")) == {(10, 0.0), (10, 0.1), (20, 0.0), (20, 0.1)}
    assert [view.name for view in arms.at(penalty=0.1)] == ["learned", "learned"]
    assert (arms.title, arms.at(dataset="mnist").title) == (
        "mnist, add10, corrected form, 6 seeds",
        "mnist, corrected form, 6 seeds",
    )
    assert list(arms.at(dataset="mnist").by_form("l*")["corrected"]) == ["learned"]
    with pytest.raises(KeyError, match="expected one arm 'learned', got 2"):
        arms["learned"]
    with pytest.raises(ValueError, match="one run per seed"):
        learned.end("units")


def test_an_item_of_a_list_is_a_column(tmp_path):
    layers = [[7, 5], [6, 4], None]
    shared = {"batch": "a", "run": 0, "dataset": "mnist", "arm": "learned", "seed": 0}
    folder = open_folder(tmp_path / "r", {})
    folder.rows.of("a").append([shared | {"epoch": n, "units": units} for n, units in enumerate(layers, 1)])
    (learned,) = Arms.of(Runs(folder, {"num_seeds": 1}))
    np.testing.assert_array_equal(learned.curve("units[0]"), [[7, 6, np.nan]])
    np.testing.assert_array_equal(learned.curve("units[1]"), [[5, 4, np.nan]])


def test_of_a_score_more_is_better(arms):
    accuracy, error = (arms.at(dataset=name)["learned"].at(start_width=10, penalty=0.1) for name in ("mnist", "add10"))
    np.testing.assert_allclose(accuracy.end("test_score"), [(0.6 + 0.01 * seed) / 2 for seed in SEEDS])
    np.testing.assert_allclose(error.end("test_score"), [-(0.6 + 0.01 * seed) / 2 for seed in SEEDS])
    np.testing.assert_allclose(error.curve("held_out_score")[:, 0], -2 * error.end("test_error"))
    assert gain(error, error.at(penalty=0.0)).estimate == pytest.approx(-0.05)
    assert gain(accuracy, accuracy.at(penalty=0.0)).estimate == pytest.approx(0.05)
    assert len(set(gains(accuracy, accuracy.at(penalty=0.0)))) == 1  # ties, though the sums differ in the last bit
    assert gain_over(penalty=0.0)(accuracy) == gain(accuracy, accuracy.at(penalty=0.0))
    assert gain_over(penalty=0.1)(accuracy) is None  # it is itself
    assert gain_over(arm="from_scratch")(accuracy) is None  # there is no such arm
    sizes = arms.at(dataset="mnist")["learned"].at(start_width=20).matrix("units", over="penalty")
    np.testing.assert_allclose(sizes, np.tile([20, 19.5], (6, 1)))


def labels(chooser, arms):
    return [label for label, _ in chooser(arms)]


def test_choices_of_arms(arms):
    widths = [{"start_width": 10}, {"start_width": 20}]
    sets = [{"dataset": "mnist"}, {"dataset": "add10"}]
    assert labels(each("learned"), arms) == sets
    assert labels(each("*"), arms) == [one | {"arm": arm} for one in sets for arm in ("learned", "control")]
    assert labels(each("learned", by=["start_width"]), arms) == [one | width for one in sets for width in widths]
    against = [one | {"against": "control"} | width for one in sets for width in widths]
    assert labels(versus("learned", "*", by=["start_width"]), arms) == against
    assert labels(versus("none", "*"), arms) == []
    pairs = across("learned", dataset=("add10", "mnist"), by=["penalty"])
    assert labels(pairs, arms) == [{"dataset": "add10 against mnist", "penalty": penalty} for penalty in (0.0, 0.1)]
    two = between("learned", values="start_width", by=["penalty"])
    assert labels(two, arms)[0] == {"dataset": "mnist", "penalty": 0.0, "start_widths": [10, 20]}
    for _, (small, large) in two(arms):
        assert small.values("start_width") == [10] and large.values("start_width") == [20]
    assert labels(between("control", values="start_width", by=["penalty"]), arms) == []  # it has no penalties


def test_parts_are_judged_by_what_they_claim():
    assert above(SURE, of="size")[0] == {"of": "size"}
    outcomes = [above(SURE), below(SURE), within(SURE, 0, 4), within(SURE, 5, 6), equal(SURE, 0.1)]
    assert [part[2].outcome for part in outcomes] == ["holds", "refuted", "holds", "refuted", "holds"]
    values = np.array([0.0, 0.0, 1.0])
    assert exactly(0, values[:2], SURE)[2].outcome == "holds"
    assert exactly(0, values, SURE)[2].outcome == "refuted"
    assert exactly(0, np.array([0, np.nan]), SURE)[2].outcome == "open"
    assert listed(above(SURE), "a control")[0] == {"uninformative": "a control"}
    assert still_open(above(SURE), "too early")[2].reason.startswith("too early; 2, 95% interval [1, 3]")


def test_a_claim_loops_over_data_sets_and_judges_its_parts(arms):
    def smaller(learned):
        yield below(gain(learned.at(penalty=0.1), learned.at(penalty=0.0), "units"), penalty=0.1)

    claim = Claim("a price makes networks smaller", each("learned", by=["start_width"]), smaller)
    judged = claim.judge(arms, "corrected")
    assert len(judged["parts"]) == 4 and judged["parts"][0]["estimate"] == -0.5
    assert {part["dataset"] for part in judged["parts"]} == {"mnist", "add10"}
    assert judged["verdict"] == "holds"
    skipped = Claim("x", each("learned"), smaller, skip={"original": "it has no price"}).judge(arms, "original")
    assert (skipped["verdict"], skipped["reason"]) == ("not tested", "it has no price")


def test_parts_of_controls_are_listed_and_do_not_count(arms):
    def large(arm):
        yield above(SURE, of="a") if arm.name == "learned" else below(SURE, of="a")
        yield listed(above(SURE), "for a reason of its own")

    claim = Claim("units are many", each("*"), large, controls={"con*": "a control"})
    judged = claim.judge(arms.at(dataset="mnist"), "corrected")
    why = [(part["arm"], part.get("uninformative")) for part in judged["parts"]]
    own = "for a reason of its own"
    assert why == [("learned", None), ("learned", own), ("control", "a control"), ("control", own)]
    assert judged["verdict"] == "holds"
    rest: dict = {"answer": [], "results": [], "tables": {}, "not_finite": [], "collapsed": []}
    printed = as_text(rest | {"claims": {"corrected": {"C1": judged}}})
    assert "arm learned, a" in printed and "3 more parts do not count" in printed and "a control" not in printed
    alone = judged | {"parts": judged["parts"][1:]}
    assert printed.count("\n") < as_text(rest | {"claims": {"corrected": {"C1": alone}}}).count("\n")


def test_a_claim_about_some_needs_one_part_that_survives_holm():
    parts = [{"dataset": "a", "verdict": "holds", "p_value_holm": 0.2}, {"dataset": "a", "verdict": "open"}]
    assert any_part([part | {"p_value_holm": part.get("p_value_holm")} for part in parts[:1]]) == "open"
    assert any_part([{"dataset": "a", "verdict": "holds", "p_value_holm": 0.04}, parts[0]]) == "holds"
    assert any_part([{"dataset": "a", "verdict": "refuted", "p_value_holm": 0.04}]) == "refuted"


def test_a_table_has_a_row_per_arm_and_setting(arms):
    table = columns("units", "test_score", arms=["learned"], by=["penalty", "start_width"], count=lambda arm: arm.count)
    rows = table(arms.at(dataset="add10"))
    assert [(row["penalty"], row["start_width"]) for row in rows] == [(0.0, 10), (0.0, 20), (0.1, 10), (0.1, 20)]
    assert rows[3]["units"]["median"] == 19.5 and rows[3]["count"] == 6
    assert rows[0]["test_error"]["median"] == pytest.approx(0.525 / 2)  # as it is, not negated
    without = columns("units", "validation_score", "test_noiseless_error", arms=["control"], by=["start_width"])
    assert list(without(arms)[0]) == ["dataset", "form", "arm", "start_width", "units"]  # no run has the others


def part(verdict, low=-0.5, estimate=1.0, **more):
    """A part of 8 seeds as a row: by its interval, 0 is settled with 8 (1.5 / 1)^2 = 18 seeds."""
    row = Estimate(estimate, low, 2.5, 0.95, 8, "by hand", 0.2).as_dict()
    return row | {"dataset": "a", "verdict": verdict, "p_value_holm": 0.2} | more


def settling(parts, verdict="open", **claim):
    flags = TrainingFlags(num_seeds=8)
    return Claim("x", each("*"), lambda arm: [], **claim).settling({"verdict": verdict, "parts": parts}, flags)


def test_what_would_settle_a_claim():
    assert settling([part("open")]) == "about 18 seeds, if medians and spreads stay: --num-seeds 18"
    assert "about 32 seeds" in settling([part("open"), part("open", low=-1.0)])  # all parts have to be settled
    assert "about 18 seeds" in settling([part("open"), part("open", low=-1.0)], decide=any_part)  # one is enough
    assert settling([part("open")], seeds=9) == "9 seeds: --num-seeds 9"
    nothing = [
        settling([part("holds")], "holds"),
        settling([part("holds", low=0.5), part("refuted"), part("open")]),  # they contradict each other
        settling([part("open"), part("open", estimate=0.0)]),  # of the second nothing can be said
        settling([part("open", low=0.5)]),  # open for another reason than its interval
        settling([part("open", uninformative="a control")]),
    ]
    assert nothing == [""] * 5
