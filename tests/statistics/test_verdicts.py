"""verdicts.py against the stated rule, and how often it is wrong on simulated values."""

import json

import numpy as np
import pytest

from jaxsize.results.json_files import to_plain
from jaxsize.statistics import (
    Estimate,
    Verdict,
    claim,
    equivalence_ratio,
    equivalence_verdict,
    median_interval,
    not_decided,
    paired_difference,
    range_verdict,
    trend,
    verdict,
)


def interval(low, high, *, n=10, estimate=0.0, p_value=None, confidence=0.95):
    return Estimate(estimate, low, high, confidence, n, "by hand", p_value)


@pytest.mark.parametrize(
    ("low", "high", "positive", "negative"),
    [
        (0.1, 0.2, "holds", "refuted"),
        (-0.2, -0.1, "refuted", "holds"),
        (-0.1, 0.2, "open", "open"),
        (0.0, 0.2, "open", "open"),
        (-0.2, 0.0, "open", "open"),
    ],
)
def test_verdict_follows_the_interval(low, high, positive, negative):
    estimate = interval(low, high, p_value=0.2)
    assert verdict(estimate, "positive").outcome == positive
    assert verdict(estimate, "negative").outcome == negative
    reason = verdict(estimate, "positive").reason
    assert f"95% interval [{low:.4g}, {high:.4g}]" in reason and "n = 10" in reason and "p = 0.2" in reason


def test_a_number_in_a_range_needs_its_whole_interval_there():
    cases = {(0.9, 1.1): "holds", (0.8, 1.2): "holds", (0.7, 1.1): "open", (0.7, 1.3): "open", (1.3, 1.5): "refuted"}
    for (low, high), outcome in cases.items():
        result = range_verdict(interval(low, high), 0.8, 1.2)
        assert result.outcome == outcome and "[0.8, 1.2]" in result.reason
    few = range_verdict(interval(0.9, 1.1, n=5), 0.8, 1.2)
    assert few.outcome == "open" and "n = 5" in few.reason


def test_verdict_of_few_runs_is_open_and_says_why():
    assert verdict(interval(0.1, 0.2, n=6), "positive").outcome == "holds"
    for n, cover in ((5, "0.9375"), (3, "0.75"), (2, "0.5")):
        result = verdict(interval(0.1, 0.2, n=n), "positive")
        assert result.outcome == "open" and f"n = {n}" in result.reason and cover in result.reason
    reason = verdict(paired_difference([2.0], [1.0]), "positive").reason
    assert reason == "n = 1: no interval; one value has no interval; no p value of fewer than 6 pairs"
    assert verdict(paired_difference([], []), "positive").outcome == "open"
    with pytest.raises(ValueError, match="direction"):
        verdict(interval(0, 1), "up")  # pyright: ignore[reportArgumentType]


def test_verdict_of_a_trend():
    penalty = np.array([1e-6, 1e-5, 1e-4])
    falling = trend(penalty, -np.log(penalty) * np.ones((7, 1)) + np.arange(7)[:, None], direction="negative")
    assert verdict(falling, "negative").outcome == "holds" and verdict(falling, "positive").outcome == "refuted"


def test_verdicts_without_an_effect_are_rarely_wrong():
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(150):
        difference = paired_difference(rng.normal(size=10), rng.normal(size=10))
        wrong += verdict(difference, "positive").outcome != "open"
    assert wrong <= 150 * 0.12


def test_lost_runs_leave_a_claim_open():
    lost = paired_difference([1] * 6 + [np.nan] * 4, np.zeros(10))
    answer = verdict(lost, "positive")
    assert answer.outcome == "open" and "4 of 10 pairs lost" in answer.reason
    spared = paired_difference([*range(1, 20), np.nan], np.zeros(20))
    assert verdict(spared, "positive").outcome == "holds"
    ratio = equivalence_ratio([1.0] * 9 + [np.nan], [1.0] * 10)
    assert equivalence_verdict(ratio).outcome == "open" and "1 of 10 pairs lost" in equivalence_verdict(ratio).reason
    assert range_verdict(median_interval([0.5] * 6 + [np.nan]), 0, 1).outcome == "open"
    assert range_verdict(median_interval([0.5] * 6 + [np.nan], bounds=(0, 1)), 0, 1).outcome == "holds"


def test_a_source_that_is_unclear():
    why = "how near is near"
    unclear = not_decided(interval(0.1, 0.2, estimate=0.15), why)
    assert unclear.outcome == "not decided"
    assert unclear.reason == f"the source's words do not decide this: {why}; 0.15, 95% interval [0.1, 0.2] (n = 10)"
    assert "range [1, 3] (n = 3)" in not_decided(median_interval([1, 2, 3]), why).reason
    assert "2, no interval (n = 1)" in not_decided(median_interval([2.0]), why).reason
    assert "n = 0: no estimate; no values" in not_decided(median_interval([]), why).reason


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["not decided"], "not decided"),
        (["not decided", "holds"], "not decided"),
        (["refuted", "not decided"], "not decided"),
        (["not decided", "open"], "open"),
        (["not decided", "holds", "refuted"], "open"),
        (["holds", "refuted"], "open"),
        (["refuted", "refuted"], "refuted"),
        ([], "not tested"),
    ],
)
def test_a_claim_is_its_parts(outcomes, together):
    parts = [({}, interval(0, 1), Verdict(outcome, "")) for outcome in outcomes]
    assert claim("", parts)["verdict"] == together
    aside = ({"uninformative": "so"}, interval(0, 1), Verdict("open", ""))
    assert claim("", [*parts, aside])["verdict"] == together  # what does not count decides nothing


def test_equivalence_verdict():
    rng = np.random.default_rng(0)
    b = rng.uniform(10, 100, 10)
    for factor, spread, outcome in (
        (1.02, 0.03, "holds"),
        (1.5, 0.03, "refuted"),
        (0.6, 0.03, "refuted"),
        (1, 0.5, "open"),
    ):
        a = b * factor * np.exp(spread * rng.normal(size=10))
        assert equivalence_verdict(equivalence_ratio(a, b)).outcome == outcome
    few = equivalence_verdict(equivalence_ratio(b[:5], b[:5]))
    assert few.outcome == "open" and "n = 5" in few.reason
    assert equivalence_verdict(equivalence_ratio([], [])).reason == "n = 0: no interval; no pairs"


def test_verdicts_have_a_json_form():
    result = verdict(interval(0.1, 0.2), "positive")
    assert json.loads(json.dumps(to_plain(result))) == {"outcome": "holds", "reason": result.reason}
