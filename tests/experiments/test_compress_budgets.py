"""What counts of a run, on rows written by hand: its best epoch, within a budget; and what is said of the pairs."""

import math
from typing import Any

import numpy as np
import pytest

from experiments.compress.budgets import Finals
from experiments.compress.claims import beats_static, overhead, sizes_make_sense, smaller_at_equal_score
from experiments.compress.prices import Prices
from jaxsize.networks.counts import num_mlp_multiply_adds, num_mlp_parameters
from jaxsize.training.epoch_times import EpochTimes

INPUTS, OUTPUTS, START = 4, 3, 20
ENDS = {"made": (INPUTS, OUTPUTS)}


class Study:
    """Rows of runs that are told epoch by epoch."""

    def __init__(self, *, kind="accuracy", penalties=(0.1,), seeds=1, depths=(1,)):
        self.kind, self.rows = kind, []
        self.settings = {"dataset": ["made"], "depth": list(depths), "penalties": list(penalties), "num_seeds": seeds}

    def add(self, arm, validation, *, widths: Any = 8, test=None, penalty=0.1, seed=0, depth=1):
        """validation, test: a score per epoch; widths: of every hidden layer, or per epoch."""
        run, num = len({row["run"] for row in self.rows}), len(validation)
        widths = widths if isinstance(widths, list) else [widths] * num
        for number in range(num):
            whole = (INPUTS, *[widths[number]] * depth, OUTPUTS)
            row = {"run": run, "arm": arm, "dataset": "made", "depth": depth, "penalty": penalty, "seed": seed}
            row |= {"epoch": number + 1, "start_width": START, "live_units_per_layer": [widths[number]] * depth}
            row |= {"parameters": num_mlp_parameters(whole), "multiply_adds": num_mlp_multiply_adds(whole)}
            row |= {"seconds": 2.0 * (number + 1), f"validation_{self.kind}": validation[number]}
            self.rows.append(row | {f"test_{self.kind}": (test or validation)[number]})

    def finals(self, prices: Prices | None = None):
        return Finals(self.rows, self.settings, ENDS, prices)


WHERE = ("made", 1, 0.1)


@pytest.mark.parametrize(
    ("validation", "widths", "epoch"),
    [
        ([0.1, 0.5, 0.3], 8, 2),
        ([0.1, 0.5, 0.5], 8, 2),  # the first of equal ones
        ([0.1, 0.5, 0.9, 0.95], [8, 8, 0, 8], 2),  # nothing counts after a collapse
        ([0.9], [0], None),
        ([None, 0.2, None], 8, 2),
        ([None, None], 8, None),
    ],
)
def test_the_best_epoch_on_validation_rows_counts(validation, widths, epoch):
    for kind, sign in (("accuracy", 1), ("error", -1)):
        study = Study(kind=kind)
        scores = [None if score is None else sign * score for score in validation]
        study.add("compress", scores, widths=widths, test=[100.0 + number for number in range(len(scores))])
        finals = study.finals()
        row = finals.chosen("compress", *WHERE, 0)
        assert (row and row["epoch"]) == epoch
        assert finals.score("made", "train") == (f"train_{kind}", sign)
        column = finals.column(f"test_{kind}", "compress", *WHERE)
        np.testing.assert_array_equal(column, [99.0 + epoch if epoch else np.nan])
        assert len(finals.rows("compress", *WHERE)) == bool(epoch)
    assert finals.chosen("pruned", *WHERE, 0) is None and finals.path("compress", "made", 2, 0.1, 0) == []


def cost(width):
    return INPUTS * width + width * OUTPUTS


def prices(gated=1.0, ungated=1.0, *, kinds=(True, False), depths=(1,), **more):
    """Epochs of START units cost 4 seconds, of 16 two, of 4 half a second; times what gates, or none, cost."""
    times, sizes = {4: 0.5, 16: 2.0, START: 4.0}, tuple(float(cost(width)) for width in (4, 16, START))
    factors = {True: gated, False: ungated}
    tables = {
        ("made", depth, kind): EpochTimes(sizes, tuple(seconds * factors[kind] for seconds in times.values()))
        for kind in kinds
        for depth in depths
    }
    return Prices(tables, **more)


REMOVALS = [  # the last one is of another batch
    {"event": "compaction", "runs": [0, 5], "epoch": 1, "seconds": 0.25, "compile_seconds": 1.0},
    {"event": "compaction", "runs": [0, 5], "epoch": 3, "seconds": 0.5, "compile_seconds": 0.0},
    {"event": "compaction", "runs": [0, 5], "epoch": 4, "seconds": 8.0, "compile_seconds": 0.0},
    {"event": "compaction", "runs": [7], "epoch": 1, "seconds": 8.0, "compile_seconds": 0.0},
]


@pytest.mark.parametrize(
    ("priced", "epochs"),
    [
        (prices(), 13),  # 4 + 2 + 0.5 = 6.5 seconds, and partners take 0.5
        (prices(ungated=0.5), 26),  # twice as cheap, twice the epochs
        (prices(gated=0.5), 6),  # 3.25
        (prices(gated=0.5, ungated=4.0), 1),  # 3.25 of 2 each
        (prices(gated=0.1, ungated=4.0), 1),  # at least one
        (prices(gated=9.0, kinds=(True,), form="original"), 13),  # partners have gates as well
        (prices(removals=REMOVALS), 13),  # 0.375 seconds each, less than an epoch
        (prices(removals=REMOVALS, devices=4), 16),  # 1.5
    ],
)
def test_equal_time_is_counted_by_one_price_list(priced, epochs):
    study = Study()
    study.add("compress", [0.2, 0.3, 0.1], widths=[16, 4, 4])
    study.add("from_scratch", [number / 100 for number in range(1, 41)], widths=4)
    finals = study.finals(priced)
    row = finals.chosen("from_scratch", *WHERE, 0, "time")
    assert row and row["epoch"] == epochs
    assert finals.budgets("made") == ("steps", "time", "multiply_adds")
    for trained in range(max(1, epochs - 2), epochs + 3):
        study.rows = [row for row in study.rows if row["arm"] == "compress"]
        study.add("from_scratch", [0.1] * trained, widths=4)
        assert study.finals(priced).short("from_scratch", *WHERE, "time") == {"short": int(trained < epochs)}


def test_prices_between_sizes_follow_a_power_and_removing_units_is_charged_after_its_epoch():
    study = Study()
    study.add("compress", [0.2, 0.3, 0.1], widths=[8, 16, 2])
    finals = study.finals(prices(removals=REMOVALS, devices=4))
    assert finals.spent("time", study.rows) == pytest.approx([4.0 + 0.5, 1.0, 2.0 + 1.0])  # 8 is halfway in logs
    assert finals.spent("time", study.rows[:2]) == pytest.approx([4.5, 1.0])
    study.add("from_scratch", [0.1, 0.2], widths=2)
    assert finals.spent("time", study.rows[3:]) == [0.5, 0.5]  # the nearest size


def test_without_a_price_list_time_is_not_compared():
    study = Study(depths=(1, 2))
    for depth in (1, 2):
        study.add("compress", [0.2, 0.3], depth=depth)
        study.add("from_scratch", [0.2, 0.3], depth=depth)
    for priced in (None, Prices({}), prices(), prices(kinds=(True,), depths=(1, 2))):
        finals = study.finals(priced)
        assert finals.budgets("made") == ("steps", "multiply_adds")
        assert [part["budget"] for part in beats_static(finals)["parts"]] == ["steps", "multiply_adds"]
    assert study.finals(prices()).budgets("made", (1,)) == ("steps", "time", "multiply_adds")
    with pytest.raises(ValueError, match="no epoch has a price"):
        study.finals().spent("time", study.rows)


def test_what_a_batch_took_over_what_it_is_charged():
    """Two runs in one part and one in another, four devices: 6 and 2 wall seconds are 32 device-seconds."""
    study = Study(seeds=3)
    for seed, widths in enumerate(([16, 4, 4], [START] * 3, [4])):
        study.add("compress", [0.1] * len(widths), widths=widths, seed=seed)
    study.add("from_scratch", [0.1] * 50, widths=4)
    ends = [{"event": "programs", "runs": runs} for runs in ([0, 1], [0, 1], [2], [3])]  # resumed once
    removals = [event | {"runs": [0, 1]} for event in REMOVALS[:2]]
    finals = study.finals(prices(removals=removals, devices=4))
    result = overhead(finals, "made", 1, [*ends, *removals])
    priced = (4 + 2 + 0.5) + 3 * 4.0 + 4.0 + 4 * 0.75
    assert result == {
        "dataset": "made",
        "depth": 1,
        "wall_seconds": 8.0,
        "device_seconds": 32.0,
        "priced_seconds": pytest.approx(priced),
        "ratio": pytest.approx(32 / priced),
        "removal_share": 0.75 / 8,
        "compile_share": 1.0 / 8,
    }
    assert overhead(study.finals(), "made", 1, ends) is None and overhead(finals, "made", 2, ends) is None


@pytest.mark.parametrize(
    ("budget", "epochs"),
    [
        ("steps", 3),
        ("multiply_adds", (cost(START) + cost(16) + cost(4)) // cost(4)),  # 10: before each epoch, not after it
        ("", 3),
    ],
)
def test_a_partner_counts_within_what_the_compressed_run_spent(budget, epochs):
    study = Study()
    study.add("compress", [0.2, 0.3, 0.1], widths=[16, 4, 4])
    study.add("from_scratch", [number / 100 for number in range(1, 13)], widths=4)
    finals = study.finals()
    row = finals.chosen("from_scratch", *WHERE, 0, budget)
    assert row and row["epoch"] == epochs
    assert finals.short("from_scratch", *WHERE, budget) == ({"short": 0} if budget else {})
    gain = finals.gains("from_scratch", *WHERE, budget)
    np.testing.assert_allclose(gain, [0.3 - epochs / 100], rtol=1e-9)


@pytest.mark.parametrize(("budget", "enough"), [("steps", 3), ("multiply_adds", 10)])
def test_a_partner_that_spent_less_is_short(budget, enough):
    assert cost(START) + cost(16) + cost(4) == 10 * cost(4)
    for epochs in (enough - 1, enough, enough + 1):
        study = Study(seeds=3)  # of the third seed nothing is there
        for seed in range(2):
            study.add("compress", [0.2, 0.3, 0.1], widths=[16, 4, 4], seed=seed)
        study.add("from_scratch", [0.1] * epochs, widths=4)
        study.add("from_scratch", [0.1] * 30, widths=4, seed=1)
        assert study.finals().short("from_scratch", *WHERE, budget) == {"short": int(epochs < enough)}


def test_the_start_of_a_partner_is_its_own_width_and_an_epoch_is_always_taken():
    study = Study()
    study.add("compress", [0.2], widths=[1])
    study.add("group_lasso", [0.2, 0.3], widths=[2, 1])
    study.add("double_widths", [0.3, 0.4], widths=200)
    finals = study.finals(prices())
    spent = {arm: finals.spent("multiply_adds", finals.path(arm, *WHERE, 0)) for arm in ("compress", "group_lasso")}
    assert spent == {"compress": [cost(START)], "group_lasso": [cost(START), cost(2)]}
    assert finals.spent("multiply_adds", finals.path("double_widths", *WHERE, 0)) == [cost(200)] * 2
    for budget in ("time", "multiply_adds"):
        assert finals.column("epoch", "double_widths", *WHERE, budget).tolist() == [1]


@pytest.mark.parametrize(("kind", "sign"), [("accuracy", 1), ("error", -1)])
def test_gains_are_positive_where_the_compressed_network_is_better(kind, sign):
    study = Study(kind=kind, seeds=3)
    for seed, (compressed, pruned) in enumerate([(0.9, 0.7), (0.5, 0.8)]):
        study.add("compress", [0.5], test=[compressed], seed=seed)
        study.add("pruned", [0.5], test=[pruned], seed=seed)
    study.add("compress", [0.5], seed=2)  # without a partner
    finals = study.finals()
    np.testing.assert_allclose(finals.gains("pruned", *WHERE), [0.2 * sign, -0.3 * sign, np.nan], rtol=1e-9)
    gain = finals.gain("pruned", *WHERE)
    assert gain.n == 2 and gain.estimate == pytest.approx(-0.05 * sign)


def test_a_mean_gain_leaves_out_what_is_not_there():
    study = Study(penalties=(0.1, 0.2), seeds=3, depths=(1, 2))
    gains = {(1, 0.1): [0.1, 0.2, None], (1, 0.2): [0.3, None, None], (2, 0.1): [0.2, 0.6, None]}
    for (depth, penalty), values in gains.items():
        for seed, gain in enumerate(values):
            cell = {"depth": depth, "penalty": penalty, "seed": seed}
            study.add("compress", [0.5], test=[0.9], **cell)
            if gain is not None:
                study.add("from_scratch", [0.5], test=[0.9 - gain], **cell)
    mean = study.finals().mean_gain("from_scratch", "made", "steps")
    assert mean.n == 2 and mean.estimate == pytest.approx(np.median([0.2, 0.4]))
    assert study.finals().mean_gain("random_widths", "made", over="from_scratch").n == 0
    (steps, time, work) = beats_static(study.finals(prices(depths=(1, 2))))["parts"]
    assert [part["budget"] for part in (steps, time, work)] == ["steps", "time", "multiply_adds"]
    assert steps["estimate"] == pytest.approx(0.3) and steps["verdict"] == "open"


def test_widths_are_compared_after_equal_steps():
    """Also where a time limit stopped the compressed run earlier than its partners."""
    study = Study(seeds=7)
    for seed in range(7):
        study.add("compress", [0.5, 0.6], seed=seed)
        study.add("from_scratch", [0.5, 0.7, 0.9], seed=seed)
        study.add("half_widths", [0.4, 0.5, 0.99], widths=4, seed=seed)
    (part,) = sizes_make_sense(study.finals())["parts"]
    assert part["found_widths_over"] == "half_widths" and part["estimate"] == pytest.approx(0.2)
    front = study.finals().front(("from_scratch", "half_widths"), "made", 1, 0)
    assert front.scores.tolist() == [0.5, 0.7]
    assert front.sizes.tolist() == [num_mlp_parameters((INPUTS, width, OUTPUTS)) for width in (4, 8)]


@pytest.mark.parametrize(("kind", "ends"), [("accuracy", (0.8, 0.9)), ("error", (0.5, 0.25))])
def test_how_much_smaller_at_the_same_score(kind, ends):
    """Compressed networks reach, at 10 and 5 units, what static ones reach at 40 and 20."""
    study, (low, high) = Study(kind=kind, penalties=(0.1, 0.2), seeds=7), ends
    for seed in range(7):
        for penalty, width, score in ((0.1, 5, low), (0.2, 10, high)):
            study.add("compress", [score], widths=width, penalty=penalty, seed=seed)
            study.add("from_scratch", [score], widths=4 * width, penalty=penalty, seed=seed)
    claim = smaller_at_equal_score(study.finals())
    assert claim["verdict"] == "holds" and len(claim["parts"]) == 3
    small, large = ([num_mlp_parameters((INPUTS, f * w, OUTPUTS)) for w in (5, 10)] for f in (1, 4))
    for part in claim["parts"]:
        assert part["never_reached"] == 0
        level = high - part["slack"] if kind == "accuracy" else high * (1 + part["slack"])
        share = (level - low) / (high - low)
        logs = [math.log(one[0]) + share * math.log(one[1] / one[0]) for one in (large, small)]
        assert part["estimate"] == pytest.approx(logs[0] - logs[1], rel=1e-9)


def test_a_score_never_reached_counts_against_the_compressed_networks():
    study = Study(seeds=7)
    for seed in range(7):
        study.add("compress", [0.5], widths=2, seed=seed)
        study.add("from_scratch", [0.9], seed=seed)
    claim = smaller_at_equal_score(study.finals())
    assert claim["verdict"] == "refuted" and {part["never_reached"] for part in claim["parts"]} == {7}
