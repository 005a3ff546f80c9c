"""shrinking.py: widths against lists of buckets, and the planner against every other plan there is."""

import functools
import itertools
import math
import random
from collections import Counter

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from jaxsize.resizing._regrouping import Cohort, regroup, serves
from jaxsize.resizing.shrinking import Shrinking

# Widths


LIVE = (0, 1, 16, 17, 33, 49, 60, 65, 81)


def area(widths):
    return float(np.prod(np.array(widths, float)))


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.05, (16, 16, 16, 32, 48, 64, 64, 80, 96)),
        (1.25, (16, 16, 16, 32, 48, 64, 64, 80, 112)),
        (1.5, (16, 16, 16, 32, 48, 80, 80, 80, 128)),
    ],
)
def test_widths_are_buckets(factor, expected):
    assert Shrinking(factor=factor).widths_for(LIVE, (500,) * len(LIVE), area) == expected


def test_widths_are_kept_between_a_minimum_and_what_is_there():
    assert Shrinking(multiple=1, factor=1).widths_for((0, 1, 2, 7), (9,) * 4, area) == (1, 1, 2, 7)
    assert Shrinking(multiple=2, min_width=3).widths_for((0, 1, 5), (9, 9, 9), area) == (4, 4, 6)
    assert Shrinking(multiple=16, min_width=40).widths_for((3, 3), (100, 20), area) == (48, 20)
    assert Shrinking().widths_for((), (), area) == ()


def test_what_saves_too_little_is_left_as_it_is():
    eager, lazy = Shrinking(multiple=1, factor=1, hysteresis=0), Shrinking(multiple=1, factor=1, hysteresis=0.2)
    assert eager.widths_for((9, 10), (10, 10), area) == (9, 10)
    assert lazy.widths_for((9, 9), (10, 10), area) == (10, 10)  # 19 % less
    assert lazy.widths_for((9, 8), (10, 10), area) == (9, 8)  # 28 % less: then all that can go


@hypothesis.given(
    st.lists(st.integers(0, 300).flatmap(lambda width: st.tuples(st.integers(0, width), st.just(width))), max_size=4),
    st.sampled_from([1, 3, 16, 64]),
    st.sampled_from([1.0, 1.1, 2.0]),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.2, 0.9]),
)
def test_widths_hold_what_lives_and_are_few(layers, multiple, factor, min_width, hysteresis):
    live, allocated = tuple(zip(*layers, strict=True)) or ((), ())
    shrinking = Shrinking(factor=factor, multiple=multiple, min_width=min_width, hysteresis=hysteresis)
    widths = shrinking.widths_for(live, allocated, area)
    assert len(widths) == len(live)
    for width, count, most in zip(widths, live, allocated, strict=True):
        assert count <= width <= most
        assert width == most or (width % multiple == 0 and width >= min_width)
    assert widths == allocated or area(widths) <= (1 - hysteresis) * area(allocated)
    assert shrinking.widths_for(live, widths, area) == widths  # nothing more to remove


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_width": 0}, "min_width: expected at least 1, got 0"),
        ({"program_cost": -1.0}, "program_cost: expected 0 or more, got -1.0"),
        ({"program_cost": math.nan}, "program_cost: expected 0 or more"),
        ({"hysteresis": 1.0}, "hysteresis: expected a number from 0 to below 1"),
        ({"factor": 0.0}, "factor"),
        ({"factor": 0.9}, "factor"),
        ({"factor": math.nan}, "factor"),
        ({"factor": math.inf}, "factor"),
        ({"multiple": 0}, "multiple >= 1"),
    ],
)
def test_numbers_that_make_no_sense_are_told_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        Shrinking(**settings)
    assert "\n" not in str(caught.value)


# Cohorts


def cost(widths):
    return 5 + 3 * widths[0] + math.prod(widths) + 2 * sum(widths[1:])


def work(plan, shrinking, present, epochs, num_devices):
    """What a plan costs: the runs of every cohort, padded as RunAxis pads them, and its programs."""
    compiled, total = {(len(cohort.runs), cohort.widths) for cohort in present}, 0
    for cohort in plan:
        num = len(cohort.runs)
        padded = num if num < num_devices else num_devices * math.ceil(num / num_devices)
        total += padded * cost(cohort.widths) * epochs
        total += 0 if (num, cohort.widths) in compiled else shrinking.program_cost
    return total


def plans(present, wanted, *, split):
    """All ways to cut the runs, ordered by what they want, into cohorts; runs alike stay together unless `split`."""
    allocated = {run: cohort.widths for cohort in present for run in cohort.runs}
    ordered = sorted(wanted, key=lambda run: (cost(wanted[run]), wanted[run], allocated[run], run))
    alike = [[run] for run in ordered]
    if not split:
        alike = [list(runs) for _, runs in itertools.groupby(ordered, lambda run: (wanted[run], allocated[run]))]
    for cuts in itertools.product([False, True], repeat=len(alike) - 1):
        groups = [list(alike[0])]
        for cut, runs in zip(cuts, alike[1:], strict=True):
            groups = [*groups, list(runs)] if cut else [*groups[:-1], groups[-1] + runs]
        widths = [tuple(np.max([wanted[run] for run in runs], axis=0).tolist()) for runs in groups]
        fits = all(
            np.all(allocated[run] >= np.array(w)) for runs, w in zip(groups, widths, strict=True) for run in runs
        )
        if fits:
            yield [Cohort(tuple(runs), w) for runs, w in zip(groups, widths, strict=True)]


@st.composite
def cases(draw):
    """Cohorts at hand, and what their runs want."""
    num_groups = draw(st.integers(1, 3))
    some_widths = st.tuples(*[st.sampled_from([2, 4, 8, 16])] * num_groups)
    runs = draw(st.permutations(range(draw(st.integers(1, 7)))))
    cuts = sorted(draw(st.sets(st.integers(1, len(runs)), max_size=3)) | {len(runs)})
    cuts = [cut for cut in cuts if cut <= len(runs)]
    present, wanted = [], {}
    for start, end in itertools.pairwise([0, *cuts]):
        cohort = Cohort(tuple(sorted(runs[start:end])), draw(some_widths))
        present.append(cohort)
        for run in cohort.runs:
            wanted[run] = tuple(map(min, draw(some_widths), cohort.widths))
    return sorted(present), wanted


SETTINGS = {
    "case": cases(),
    "program_cost": st.sampled_from([0, 1, 50, 400, 3000, math.inf]),
    "epochs": st.integers(0, 6),
    "num_devices": st.sampled_from([1, 2, 4]),
}


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(**SETTINGS)
def test_the_plan_is_the_best_of_all(case, program_cost, epochs, num_devices):
    present, wanted = case
    shrinking = Shrinking(program_cost=program_cost)
    rest = {"epochs": epochs, "num_devices": num_devices}
    plan = regroup(shrinking, present, wanted, cost=cost, **rest)
    price = functools.partial(work, shrinking=shrinking, present=present, **rest)
    if plan == present:
        assert epochs == 0 or price(present) <= min(map(price, plans(present, wanted, split=False)))
    else:
        assert price(plan) == min(map(price, plans(present, wanted, split=False))) < price(present)

    allocated = {run: cohort.widths for cohort in present for run in cohort.runs}
    assert Counter(run for cohort in plan for run in cohort.runs) == Counter(dict.fromkeys(allocated, 1))
    for cohort in plan:
        for run in cohort.runs:
            assert all(
                w <= have <= most for w, have, most in zip(wanted[run], cohort.widths, allocated[run], strict=True)
            )
    if program_cost == math.inf:
        known = {(len(cohort.runs), cohort.widths) for cohort in present}
        assert {(len(cohort.runs), cohort.widths) for cohort in plan} <= known

    shuffled = random.Random(0).sample(present, len(present)), dict(sorted(wanted.items(), reverse=True))
    assert sorted(regroup(shrinking, *shuffled, cost=cost, **rest)) == sorted(plan)


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(case=cases(), epochs=st.integers(1, 6))
def test_without_a_price_of_programs_units_go_at_once(case, epochs):
    """On one device, where nothing is padded, cutting runs that are alike apart wins nothing either."""
    present, wanted = case
    shrinking = Shrinking(program_cost=0)
    rest = {"epochs": epochs, "num_devices": 1}
    plan = regroup(shrinking, present, wanted, cost=cost, **rest)
    assert {run: cohort.widths for cohort in plan for run in cohort.runs} == wanted
    price = functools.partial(work, shrinking=shrinking, present=present, **rest)
    assert price(plan) == min(map(price, plans(present, wanted, split=True)))


def test_a_program_must_save_more_than_it_costs():
    present, wanted = [Cohort((0, 1, 2), (16,))], {0: (16,), 1: (8,), 2: (8,)}
    saved = 2 * (cost((16,)) - cost((8,)))
    for epochs in (1, 5, 20):
        for price, wins in ((epochs * saved / 2 - 1, True), (epochs * saved / 2, False)):  # programs for 1 and for 2
            shrinking = Shrinking(program_cost=price)
            plan = regroup(shrinking, present, wanted, cost=cost, epochs=epochs, num_devices=1)
            assert (plan == [Cohort((0,), (16,)), Cohort((1, 2), (8,))]) == wins
            assert (plan == present) == (not wins)


@pytest.mark.parametrize(
    ("before", "now", "left", "expected"),
    [
        (100.0, 100.0, 50, 50),  # at rest: to the end
        (100.0, 120.0, 50, 50),
        (100.0, 97.0, 50, 10),  # 3 % an epoch
        (100.0, 97.0, 7, 7),
        (100.0, 50.0, 50, 2),
        (100.0, 0.0, 1, 1),
        (0.0, 0.0, 5, 5),
    ],
)
def test_programs_serve_until_the_work_has_fallen_by_a_third(before, now, left, expected):
    assert serves(before, now, left) == expected


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (100, [((0,), (10, 80)), ((1,), (12, 80)), ((2,), (60, 20)), ((3,), (100, 100))]),
        (1000, [((0, 1), (12, 80)), ((2,), (60, 20)), ((3,), (100, 100))]),
        (12000, [((0, 1, 2, 3), (100, 100))]),
    ],
)
def test_runs_share_a_cohort_where_another_program_would_cost_more(price, expected):
    present = [Cohort((0, 1, 2, 3), (100, 100))]
    wanted = {0: (10, 80), 1: (12, 80), 2: (60, 20), 3: (100, 100)}
    plan = regroup(Shrinking(program_cost=price), present, wanted, cost=cost, epochs=1, num_devices=1)
    assert plan == [Cohort(*cohort) for cohort in expected]


def test_cohorts_are_filled_up_to_the_devices():
    """Five runs on four devices take the time of eight: the fifth is better off with others."""
    present = [Cohort((0, 1, 2, 3, 4), (8,)), Cohort((5, 6, 7), (8,))]
    wanted = dict.fromkeys(range(8), (8,))
    merged = [Cohort(tuple(range(8)), (8,))]
    for num_devices, expected in ((4, merged), (1, present)):
        plan = regroup(Shrinking(program_cost=1), present, wanted, cost=cost, epochs=3, num_devices=num_devices)
        assert plan == expected
