"""What counts of a run, on rows written by hand: its best epoch, within a budget; and what is said of the pairs."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.compress import budgets as compress_budgets
from experiments.compress.budgets import Chosen, budgets
from experiments.compress.claims import CLAIMS
from experiments.compress.prices import LEARNING, Prices
from experiments.compress.tables import overhead
from jaxsize.networks.counts import num_mlp_multiply_adds, num_mlp_parameters
from jaxsize.results import Runs
from jaxsize.studies import Arms, gain, gains
from jaxsize.training.epoch_times import EpochTimes

INPUTS, OUTPUTS, START = 4, 3, 20
WHERE = {"depth": 1, "penalty": 0.1}


@pytest.fixture(autouse=True)
def _prices(monkeypatch):
    monkeypatch.setattr(compress_budgets, "read_prices", lambda folder: folder.prices)


class Study:
    """Rows of runs that are told epoch by epoch. A partner has the compressed run of its depth, penalty and seed."""

    def __init__(self, *, kind="accuracy", seeds=1, form="corrected"):
        self.kind, self.seeds, self.form, self.rows = kind, seeds, form, []

    def add(self, arm, validation, *, widths: Any = 8, test=None, penalty=0.1, seed=0, depth=1):
        """validation, test: a score per epoch; widths: of every hidden layer, or per epoch."""
        run, num = len({row["run"] for row in self.rows}), len(validation)
        widths = widths if isinstance(widths, list) else [widths] * num
        cell = {"dataset": "made", "form": self.form, "depth": depth, "penalty": penalty, "seed": seed}
        label = {"batch": "a", "run": run, "arm": arm, "start_width": START, **cell}
        compressed = {row["run"] for row in self.rows if row["arm"] == "compress" and cell.items() <= row.items()}
        if arm not in LEARNING:
            (label["partner"],) = compressed
        for number in range(num):
            whole = (INPUTS, *[widths[number]] * depth, OUTPUTS)
            row = label | {"epoch": number + 1, "live_units_per_layer": [widths[number]] * depth}
            row |= {"parameters": num_mlp_parameters(whole), "multiply_adds": num_mlp_multiply_adds(whole)}
            row |= {"seconds": 2.0 * (number + 1), f"validation_{self.kind}": validation[number]}
            self.rows.append(row | {f"test_{self.kind}": (test or validation)[number]})

    def arms(self, prices=None, events=()):
        files = {"rows": SimpleNamespace(read=lambda: self.rows), "events": SimpleNamespace(read=lambda: events)}
        folder: Any = SimpleNamespace(prices=prices or Prices({}), **files)
        data: Any = {("made", self.form): SimpleNamespace(num_inputs=INPUTS, num_outputs=OUTPUTS)}
        return Arms.of(Runs(folder, {"num_seeds": self.seeds}), data=data)

    def chosen(self, arm, budget: Any = "steps", prices=None, **where):
        return Chosen.of(self.arms()[arm], budget, prices).at(**WHERE | where)

    def claim(self, name, prices=None):
        return CLAIMS[name].judge(self.arms(prices), "corrected")


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
        chosen = study.chosen("compress")
        (row,) = chosen.rows
        assert (row and row["epoch"]) == epoch
        np.testing.assert_array_equal(chosen.end(f"test_{kind}"), [99.0 + epoch if epoch else np.nan])
        np.testing.assert_array_equal(chosen.end("test_score"), [sign * (99.0 + epoch) if epoch else np.nan])
    assert study.chosen("compress", depth=2).rows == [None]


def cost(width):
    return INPUTS * width + width * OUTPUTS


def prices(gated=1.0, ungated=1.0, *, kinds=(True, False), depths=(1,), form="corrected", **more):
    """Epochs of START units cost 4 seconds, of 16 two, of 4 half a second; times what gates, or none, cost."""
    times, sizes = {4: 0.5, 16: 2.0, START: 4.0}, tuple(float(cost(width)) for width in (4, 16, START))
    factors = {True: gated, False: ungated}
    tables = {
        ("made", form, depth, kind): EpochTimes(sizes, tuple(seconds * factors[kind] for seconds in times.values()))
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
    ("form", "priced", "epochs"),
    [
        ("corrected", prices(), 13),  # 4 + 2 + 0.5 = 6.5 seconds, and partners take 0.5
        ("corrected", prices(ungated=0.5), 26),  # twice as cheap, twice the epochs
        ("corrected", prices(gated=0.5), 6),  # 3.25
        ("corrected", prices(gated=0.5, ungated=4.0), 1),  # 3.25 of 2 each
        ("corrected", prices(gated=0.1, ungated=4.0), 1),  # at least one
        ("original", prices(gated=9.0, kinds=(True,), form="original"), 13),  # partners have gates as well
        ("corrected", prices(removals=REMOVALS), 13),  # 0.375 seconds each, less than an epoch
        ("corrected", prices(removals=REMOVALS, devices=4), 16),  # 1.5
    ],
)
def test_equal_time_is_counted_by_one_price_list(form, priced, epochs):
    study = Study(form=form)
    study.add("compress", [0.2, 0.3, 0.1], widths=[16, 4, 4])
    study.add("from_scratch", [number / 100 for number in range(1, 41)], widths=4)
    within = budgets(study.arms(priced)["from_scratch"])
    assert list(within) == ["steps", "time", "multiply_adds"]
    assert within["time"].end("epoch").tolist() == [epochs]
    for trained in range(max(1, epochs - 2), epochs + 3):
        study.rows = [row for row in study.rows if row["arm"] == "compress"]
        study.add("from_scratch", [0.1] * trained, widths=4)
        assert study.chosen("from_scratch", "time", priced).short == (trained < epochs)


def test_prices_between_sizes_follow_a_power_and_removing_units_is_charged_after_its_epoch():
    study = Study()
    study.add("compress", [0.2, 0.3, 0.1], widths=[8, 16, 2])
    study.add("from_scratch", [0.1, 0.2], widths=2)
    timed = study.chosen("compress", "time", prices(removals=REMOVALS, devices=4))
    assert timed.spent(study.rows[:3]) == pytest.approx([4.0 + 0.5, 1.0, 2.0 + 1.0])  # 8 is halfway in logs
    assert timed.spent(study.rows[:2]) == pytest.approx([4.5, 1.0])
    assert timed.spent(study.rows[3:]) == [0.5, 0.5]  # the nearest size


def test_without_a_price_list_time_is_not_compared():
    study = Study()
    for depth in (1, 2):
        study.add("compress", [0.2, 0.3], depth=depth)
        study.add("from_scratch", [0.2, 0.3], depth=depth)
    for priced in (None, Prices({}), prices(), prices(kinds=(True,), depths=(1, 2))):
        assert list(budgets(study.arms(priced)["compress"])) == ["steps", "multiply_adds"]
        assert [part["budget"] for part in study.claim("C33", priced)["parts"]] == ["steps", "multiply_adds"]
    assert list(budgets(study.arms(prices())["compress"].at(depth=1))) == ["steps", "time", "multiply_adds"]
    with pytest.raises(ValueError, match="no epoch has a price"):
        study.chosen("compress", "time").spent(study.rows)


def test_what_a_batch_took_over_what_it_is_charged():
    """Two runs in one part and one in another, four devices: 6 and 2 wall seconds are 32 device-seconds."""
    study = Study(seeds=3)
    for seed, widths in enumerate(([16, 4, 4], [START] * 3, [4])):
        study.add("compress", [0.1] * len(widths), widths=widths, seed=seed)
    study.add("from_scratch", [0.1] * 50, widths=4)
    ends = [{"event": "programs", "runs": runs} for runs in ([0, 1], [0, 1], [2], [3])]  # resumed once
    removals = [event | {"runs": [0, 1]} for event in REMOVALS[:2]]
    timed = study.arms(prices(removals=removals, devices=4), [*ends, *removals])["compress"]
    (row,) = overhead(timed)
    charged = (4 + 2 + 0.5) + 3 * 4.0 + 4.0 + 4 * 0.75
    assert row == {
        "seconds": 8.0,
        "device_seconds": 32.0,
        "charged": pytest.approx(charged),
        "ratio": pytest.approx(32 / charged),
        "share_removing_units": 0.75 / 8,
        "share_waiting_for_programs": 1.0 / 8,
    }
    assert list(overhead(study.arms()["compress"])) == []


@pytest.mark.parametrize(
    ("budget", "epochs"),
    [
        ("steps", 3),
        ("multiply_adds", (cost(START) + cost(16) + cost(4)) // cost(4)),  # 10: before each epoch, not after it
    ],
)
def test_a_partner_counts_within_what_the_compressed_run_spent(budget, epochs):
    study = Study()
    study.add("compress", [0.2, 0.3, 0.1], widths=[16, 4, 4])
    study.add("from_scratch", [number / 100 for number in range(1, 13)], widths=4)
    static = study.chosen("from_scratch", budget)
    assert static.end("epoch").tolist() == [epochs] and static.short == 0
    np.testing.assert_allclose(gains(study.chosen("compress"), static), [0.3 - epochs / 100], rtol=1e-9)


@pytest.mark.parametrize(("budget", "enough"), [("steps", 3), ("multiply_adds", 10)])
def test_a_partner_that_spent_less_is_short(budget, enough):
    assert cost(START) + cost(16) + cost(4) == 10 * cost(4)
    for epochs in (enough - 1, enough, enough + 1):
        study = Study(seeds=3)  # of the third seed nothing is there
        for seed in range(2):
            study.add("compress", [0.2, 0.3, 0.1], widths=[16, 4, 4], seed=seed)
        study.add("from_scratch", [0.1] * epochs, widths=4)
        study.add("from_scratch", [0.1] * 30, widths=4, seed=1)
        assert study.chosen("from_scratch", budget).short == (epochs < enough)


def test_what_was_spent_until_a_layer_lost_all_its_units_counts():
    study = Study()
    study.add("compress", [0.2, 0.3, 0.1, 0.1], widths=[16, 4, 0, 0])
    study.add("from_scratch", [0.1, 0.2, 0.3, 0.4], widths=4)
    assert study.chosen("from_scratch").end("epoch").tolist() == [3]


def test_the_start_of_a_partner_is_its_own_width_and_an_epoch_is_always_taken():
    study = Study()
    study.add("compress", [0.2], widths=[1])
    study.add("group_lasso", [0.2, 0.3], widths=[2, 1])
    study.add("double_widths", [0.3, 0.4], widths=200)
    spent = {}
    for arm in ("compress", "group_lasso", "double_widths"):
        chosen = study.chosen(arm, "multiply_adds")
        spent[arm] = chosen.spent(chosen.paths[0])
    assert spent == {"compress": [cost(START)], "group_lasso": [cost(START), cost(2)], "double_widths": [cost(200)] * 2}
    for budget in ("time", "multiply_adds"):
        assert study.chosen("double_widths", budget, prices()).end("epoch").tolist() == [1]


@pytest.mark.parametrize(("kind", "sign"), [("accuracy", 1), ("error", -1)])
def test_gains_are_positive_where_the_compressed_network_is_better(kind, sign):
    study = Study(kind=kind, seeds=3)
    for seed, (compressed, pruned) in enumerate([(0.9, 0.7), (0.5, 0.8)]):
        study.add("compress", [0.5], test=[compressed], seed=seed)
        study.add("pruned", [0.5], test=[pruned], seed=seed)
    study.add("compress", [0.5], seed=2)  # without a partner
    pair = study.chosen("compress"), study.chosen("pruned")
    np.testing.assert_allclose(gains(*pair), [0.2 * sign, -0.3 * sign, np.nan], rtol=1e-9)
    assert gain(*pair).estimate == pytest.approx(-0.05 * sign)


def test_a_seed_of_which_a_network_is_lost_is_lost():
    """Not left out of its mean, which would be that of the penalties that went well."""
    study = Study(seeds=4)
    cells = {(1, 0.1): [0.1, 0.2, 0.7, None], (1, 0.2): [0.3, 0.2, 0.7, None], (2, 0.1): [0.2, 0.8, None, None]}
    for (depth, penalty), values in cells.items():
        for seed, value in enumerate(values):
            cell = {"depth": depth, "penalty": penalty, "seed": seed}
            study.add("compress", [0.5], test=[0.9], widths=8 if value else 0, **cell)
            if value is not None:
                study.add("from_scratch", [0.5], test=[0.9 - value], **cell)
    steps, time, work = study.claim("C33", prices(depths=(1, 2)))["parts"]
    assert [part["budget"] for part in (steps, time, work)] == ["steps", "time", "multiply_adds"]
    assert steps["estimate"] == pytest.approx(0.3) and steps["n"] == 2 and "2 of 4" in steps["note"]
    assert steps["verdict"] == "open"


def test_where_no_widths_were_found_none_are_compared_but_a_network_that_diverged_is_lost():
    study = Study(seeds=3)
    for seed in range(3):
        study.add("compress", [0.5], seed=seed)
        study.add("compress", [0.5], seed=seed, penalty=0.2, widths=8 if seed else 0)
        study.add("from_scratch", [0.5], test=[0.9], seed=seed)
        study.add("half_widths", [0.5], test=[0.8], seed=seed)
    for seed in (1, 2):
        study.add("from_scratch", [0.5], test=[0.9], seed=seed, penalty=0.2)
        study.add("half_widths", [0.5 if seed == 1 else None], test=[0.6], seed=seed, penalty=0.2)
    (part,) = study.claim("C34")["parts"]
    assert part["estimate"] == pytest.approx(0.15) and part["n"] == 2 and "1 of 3" in part["note"]


def test_widths_are_compared_after_equal_steps():
    """Also where a time limit stopped the compressed run earlier than its partners."""
    study = Study(seeds=7)
    for seed in range(7):
        study.add("compress", [0.5, 0.6], seed=seed)
        study.add("from_scratch", [0.5, 0.7, 0.9], seed=seed)
        study.add("half_widths", [0.4, 0.5, 0.99], widths=4, seed=seed)
    (part,) = study.claim("C34")["parts"]
    assert part["against"] == "half_widths" and part["estimate"] == pytest.approx(0.2) and part["verdict"] == "holds"


@pytest.mark.parametrize(("kind", "ends"), [("accuracy", (0.8, 0.9)), ("error", (0.5, 0.25))])
def test_how_much_smaller_at_the_same_score(kind, ends):
    """Compressed networks reach, at 10 and 5 units, what static ones reach at 40 and 20."""
    study, (low, high) = Study(kind=kind, seeds=7), ends
    for seed in range(7):
        for penalty, width, score in ((0.1, 5, low), (0.2, 10, high)):
            study.add("compress", [score], widths=width, penalty=penalty, seed=seed)
            study.add("from_scratch", [score], widths=4 * width, penalty=penalty, seed=seed)
    claim, worse = study.claim("C39"), study.claim("C39, a little worse")
    assert claim["verdict"] == "holds" and worse["verdict"] == "not decided"
    parts = [*claim["parts"], *worse["parts"]]
    slacks = {"accuracy": [0, 0.001, 0.005, 0.01], "error": [0, 0.01, 0.05]}[kind]
    judged = [(slack, judge) for slack in slacks for judge in ("test", "validation")]
    assert [(part["slack"], part["judged_by"]) for part in parts] == judged
    small, large = ([num_mlp_parameters((INPUTS, f * w, OUTPUTS)) for w in (5, 10)] for f in (1, 4))
    for part in parts:
        assert part["never_reached"] == 0
        level = high - part["slack"] if kind == "accuracy" else high * (1 + part["slack"])
        share = (level - low) / (high - low)
        logs = [math.log(one[0]) + share * math.log(one[1] / one[0]) for one in (large, small)]
        assert part["estimate"] == pytest.approx(logs[0] - logs[1], rel=1e-9)


def test_a_score_never_reached_counts_against_the_compressed_networks():
    """As does a seed whose compressed networks all lost a layer at once."""
    study = Study(seeds=7)
    for seed in range(6):
        study.add("compress", [0.5], widths=2, seed=seed)
        study.add("from_scratch", [0.9], seed=seed)
    study.add("compress", [0.9], widths=0, seed=6)
    claim = study.claim("C39")
    assert claim["verdict"] == "refuted" and {part["never_reached"] for part in claim["parts"]} == {7}


@pytest.mark.parametrize(("kind", "sign"), [("accuracy", 1), ("error", -1)])
def test_networks_are_picked_on_validation_rows_and_judged_on_test_rows(kind, sign):
    """A small compressed network does well on validation rows by luck; one that is not picked, on test rows."""
    study = Study(kind=kind, seeds=7)
    for seed in range(7):
        for penalty, width, validation, test in ((0.1, 2, 0.9, 0.5), (0.2, 8, 0.95, 0.85), (0.3, 4, 0.6, 0.99)):
            study.add("compress", [sign * validation], test=[sign * test], widths=width, penalty=penalty, seed=seed)
        study.add("from_scratch", [sign * 0.9], test=[sign * 0.85], widths=16, seed=seed)
    claim = study.claim("C39")
    size = {width: num_mlp_parameters((INPUTS, width, OUTPUTS)) for width in (2, 8, 16)}
    for judge, width in (("test", 8), ("validation", 2)):
        part = next(part for part in claim["parts"] if part["judged_by"] == judge)
        assert part["estimate"] == pytest.approx(math.log(size[16] / size[width])) and part["never_reached"] == 0
        assert ("uninformative" in part) == (judge == "validation")
    assert claim["verdict"] == "holds"
