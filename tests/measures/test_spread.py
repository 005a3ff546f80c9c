"""Spreads against NumPy in float64 and the journal's pass written out; which units are dead."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.measures import activation_spread, batch_moments, dead_units, merge_moments, streamed_spread

GENERATOR = np.random.default_rng(0)
NORMAL = GENERATOR.normal(size=1000)
UNITS = np.stack(
    [NORMAL, np.maximum(NORMAL - 1, 0), NORMAL + 1e4, 1e30 * NORMAL, 1e-30 * NORMAL, 0 * NORMAL, 0 * NORMAL + 7.3], 1
).astype(np.float32)
VALUES = np.concatenate([UNITS, UNITS[:, :1] * (np.arange(1000) % 200 == 0)[:, None]], 1)  # and one that is rarely on


def journal_spread(values, batch_size):
    total, squares = 0.0, 0.0
    for start in range(0, len(values), batch_size):
        batch = values[start : start + batch_size].astype(float)
        total = total + batch.sum(0)
        squares = squares + ((batch - total / min(start + batch_size, len(values))) ** 2).sum(0)
    return np.sqrt(squares / len(values))


@pytest.mark.parametrize("batch_size", [7, 5000])
def test_both_forms_against_float64(batch_size):
    right = activation_spread(VALUES, batch_size=batch_size)
    assert right.count == len(VALUES)
    exact = VALUES.astype(float)
    np.testing.assert_allclose(
        right.mean, exact.mean(0), rtol=1e-6, atol=1e-6 * exact.std(0).max(initial=0, where=exact.std(0) < 2)
    )
    np.testing.assert_allclose(right.spread, exact.std(0) * (np.ptp(exact, 0) > 0), rtol=2e-6)
    assert right.spread[5] == right.spread[6] == 0 and right.mean[6] == np.float32(7.3)
    original = activation_spread(VALUES, batch_size=batch_size, form="original").spread
    expected = journal_spread(exact, batch_size)
    np.testing.assert_allclose(original[:5], expected[:5], rtol=3e-6)
    assert (original[:5] < right.spread[:5]).all() == (batch_size == 7)  # one batch has no mean that moves


def test_rows_in_order_are_where_the_journal_is_wrong():
    values = np.repeat(np.arange(10.0), 10)[:, None]
    assert activation_spread(values, batch_size=10).spread == pytest.approx(values.std())
    short = activation_spread(values, batch_size=10, form="original").spread[0]
    assert short == pytest.approx(journal_spread(values, 10)[0]) and short < 0.95 * values.std()


def test_merging_in_any_tree_over_positions_and_runs():
    images = jax.random.normal(jax.random.key(0), (2, 30, 4, 5, 3))  # runs, rows, positions, units
    measure = jax.jit(jax.vmap(functools.partial(streamed_spread, lambda rows: {"a": rows}, batch_size=8)))
    moments = measure(images)["a"]
    expected = np.asarray(images, float).reshape(2, -1, 3)
    np.testing.assert_allclose(moments.spread, expected.std(1), rtol=1e-6)
    np.testing.assert_array_equal(moments.count, 600)
    parts = [batch_moments(images[0, part]) for part in (slice(0, 10), slice(10, 20), slice(20, 30))]
    merged = merge_moments(parts[2], merge_moments(parts[1], parts[0]))
    chex.assert_trees_all_close(merged, jax.tree.map(lambda leaf: leaf[0], moments), rtol=1e-5, atol=1e-6)


def test_dead_units_exactly_relatively_and_constant():
    spreads = jnp.array([0.0, 0.0, 1e-4, 2e-3, 1.0, 1.5, 0.0, 0.0, 0.0, 0.0])
    moments = batch_moments(jnp.stack([-spreads, spreads]) + jnp.array([[3.0] + [0.0] * 9]))
    dead = dead_units(moments)
    assert np.flatnonzero(dead.exact).tolist() == [0, 1, 6, 7, 8, 9]
    assert np.flatnonzero(dead.relative).tolist() == [0, 1, 2, 6, 7, 8, 9]  # the median of what moves is .501
    assert np.flatnonzero(dead.constant).tolist() == [0]
    assert all(rule.all() for rule in dead_units(batch_moments(jnp.ones((3, 4)))))
