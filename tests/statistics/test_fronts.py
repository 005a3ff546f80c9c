"""Fronts against their definition, pair by pair, and against `np.interp`."""

import chex
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsize.statistics.fronts import Front, front, on_front, size_at

ODD = [np.nan, np.inf, -np.inf]
SIZES = st.integers(1, 8).map(float) | st.floats(1e-3, 1e6) | st.sampled_from([np.nan, np.inf])
SCORES = st.integers(-3, 3).map(float) | st.floats(-10, 10) | st.sampled_from(ODD)  # whole numbers: many ties
NETWORKS = st.lists(st.tuples(SIZES, SCORES), max_size=12)


def front_of(networks):
    return front([size for size, _ in networks], [score for _, score in networks])


def not_dominated(networks):
    """The networks for which no other is as small and as good, each once, smallest first."""
    known = {pair for pair in networks if np.isfinite(pair).all()}
    return sorted(
        one for one in known if not any(other != one and other[0] <= one[0] and other[1] >= one[1] for other in known)
    )


@given(NETWORKS)
def test_a_front_is_what_no_other_network_dominates(networks):
    result = front_of(networks)
    assert list(zip(result.sizes, result.scores, strict=True)) == not_dominated(networks)
    assert (np.diff(result.sizes) > 0).all() and (np.diff(result.scores) > 0).all()


@given(NETWORKS, st.randoms())
def test_order_and_repetition_do_not_matter(networks, random):
    shuffled = networks + networks[:3]
    random.shuffle(shuffled)
    chex.assert_trees_all_equal(front_of(networks), front_of(shuffled), strict=True)


@given(NETWORKS, st.floats(-12, 12))
def test_sizes_between_networks_are_interpolated_on_a_log_scale(networks, level):
    pairs = not_dominated(networks)
    size = size_at(front_of(networks), level)
    if not pairs or level > pairs[-1][1]:
        assert size == np.inf
    elif level <= pairs[0][1]:
        assert size == pairs[0][0]
    else:
        sizes, scores = np.transpose(pairs)
        np.testing.assert_allclose(size, np.exp(np.interp(level, scores, np.log(sizes))), rtol=1e-9)


@given(NETWORKS)
def test_a_front_reaches_the_score_of_each_of_its_networks_at_its_size(networks):
    result = front_of(networks)
    for size, score in zip(*result, strict=True):
        np.testing.assert_allclose(size_at(result, score), size, rtol=1e-12)


def test_by_hand():
    many = front([100, 10, 10, 1000, 50, 400], [0.9, 0.5, 0.7, 0.9, 0.6, np.nan])
    assert [many.sizes.tolist(), many.scores.tolist()] == [[10, 100], [0.7, 0.9]]  # of 100 and 1000 the smaller one
    assert size_at(many, 0.8) == pytest.approx(10**1.5, rel=1e-12)  # half the way in score: the geometric mean
    assert size_at(many, 0.75) == pytest.approx(10**1.25, rel=1e-12)
    assert size_at(many, 0.1) == size_at(many, -np.inf) == size_at(many, 0.7) == 10
    assert size_at(many, 0.9) == pytest.approx(100, rel=1e-12)
    assert size_at(many, 0.9000001) == size_at(many, np.nan) == np.inf
    one = front([7], [0.5])
    assert (size_at(one, 0.5), size_at(one, 0.6)) == (7, np.inf)


def test_without_a_network_nothing_is_reached():
    for empty in (front([], []), front([3, 4], [np.nan, -np.inf]), front([np.nan], [1.0])):
        assert isinstance(empty, Front) and empty.sizes.shape == empty.scores.shape == (0,)
        assert size_at(empty, 0.0) == size_at(empty, -np.inf) == np.inf


@pytest.mark.parametrize(
    ("sizes", "scores"),
    [([1, 2], [1]), ([0], [1]), ([-1, 2], [1, 2]), ([-np.inf], [1]), ([[1]], [[1]]), (1.0, 1.0), ([], [1])],
)
def test_shapes_and_sizes_are_checked(sizes, scores):
    with pytest.raises(ValueError, match=r"^front: expected as many positive sizes as scores"):
        front(sizes, scores)


@given(NETWORKS)
def test_the_networks_on_a_front_are_the_first_of_their_kind(networks):
    indices = on_front([size for size, _ in networks], [score for _, score in networks])
    assert [networks[index] for index in indices] == not_dominated(networks)
    assert all(networks.index(networks[index]) == index for index in indices)
