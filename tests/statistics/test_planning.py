"""planning.py against hand-made intervals, and against trials with as many seeds as it asks for."""

import numpy as np
import pytest

from jaxsize.statistics import (
    Estimate,
    claim,
    median_interval,
    paired_difference,
    seeds_to_settle,
    trend,
    trend_verdict,
    verdict,
)


def interval(estimate, low, high, n=8):
    return Estimate(estimate, low, high, 0.95, n, "by hand")


def test_too_few_seeds_need_what_their_tests_need():
    few = paired_difference([3.0, 5, 4], [1.0, 2, 2])
    assert seeds_to_settle([few]) == 6 and seeds_to_settle([few], tests=8) == 9
    parts = [({"dataset": name, "penalty": p}, few, verdict(few, "positive")) for name in "ab" for p in range(4)]
    assert seeds_to_settle(claim("", parts)["parts"]) == 8  # 4 in each family
    assert seeds_to_settle(claim("", parts)["parts"], tests=1) == 6
    untested = [(label, interval(1.0, 0.0, 2.0, n=3), answer) for label, _, answer in parts]
    assert seeds_to_settle(claim("", untested)["parts"]) == 6
    assert seeds_to_settle([paired_difference([], [])]) == 6


def test_an_interval_around_a_bound_needs_a_square_more():
    assert seeds_to_settle([interval(1.0, -0.5, 2.0)]) == 18  # 8 (1.5 / 1)^2
    assert seeds_to_settle([interval(-1.0, -9.0, 1.0)]) == 32  # 8 (2 / 1)^2
    assert seeds_to_settle([interval(1.0, 0.0, 2.0)]) == 9
    assert seeds_to_settle([interval(1.0, -0.5, 2.0), interval(-1.0, -9.0, 1.0)]) == 32
    assert seeds_to_settle([interval(0.95, 0.85, 1.15)], bounds=(0.9, 1.1)) == 32  # .1 / .05 below, .2 / .15 above
    for nothing in (
        interval(0.0, -1.0, 1.0),
        interval(1e-9, -1.0, 1.0),
        Estimate(1.0, None, None, 0.95, 6, "", lost=4),
    ):
        assert seeds_to_settle([nothing]) is None
        assert seeds_to_settle([nothing, interval(1.0, -0.5, 2.0)]) is None
    with pytest.raises(ValueError, match="bounds"):
        seeds_to_settle([], bounds=())


def test_only_open_parts_that_count_are_asked():
    open_part, settled = interval(1.0, -0.5, 2.0), interval(0.0, 0.1, 2.0)
    aside = ({"uninformative": "so"}, interval(0.0, -1.0, 1.0), verdict(interval(0.0, -1.0, 1.0), "positive"))
    parts = [({"of": str(i)}, part, verdict(part, "positive")) for i, part in enumerate((open_part, settled))]
    assert seeds_to_settle(claim("", [*parts, aside])["parts"]) == 18
    assert seeds_to_settle(claim("", parts[1:])["parts"]) is None and seeds_to_settle([]) is None


def test_a_trend_needs_a_square_of_its_z_more():
    settings = np.arange(4.0)
    weak = trend(settings, [*[[1, 3, 2, 4]] * 2, [4, 3, 2, 1], [2, 1, 4, 3], [3, 1, 4, 2]], direction="positive")
    assert trend_verdict(weak).outcome == "open" and weak.p_value is not None
    needed = seeds_to_settle([weak])
    assert needed is not None and 5 < needed < 60
    one = trend(settings, settings[None], direction="positive")
    assert seeds_to_settle([one]) == 6
    flat = trend(settings, np.ones((6, 4)), direction="positive")
    assert seeds_to_settle([flat]) is None or seeds_to_settle([flat]) > 100  # pyright: ignore[reportOptionalOperand]


def test_as_many_seeds_as_asked_for_settle_about_half_of_such_claims():
    rng = np.random.default_rng(1)
    answers = []
    for _ in range(200):
        few = median_interval(rng.normal(0.6, 1, 12))
        if verdict(few, "positive").outcome == "open" and (n := seeds_to_settle([few])) is not None and n < 200:
            again = median_interval(rng.normal(few.estimate or 0.0, 1, n))
            answers.append(verdict(again, "positive").outcome == "holds")
    assert len(answers) > 50 and 0.3 < np.mean(answers) < 0.95
