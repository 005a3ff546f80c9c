"""deaths.py: the death rules, against exact arithmetic, the closed form of the sign's spread, and by hand."""

import contextlib
import fractions
import functools

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxsize.gates.deaths import SignMoments, _absorb, _init_live, absorbing, count_live, sign_variance, threshold

RULES = {"absorbing": absorbing(), "threshold": threshold(), "sign_variance": sign_variance(0.9)}
DECAYS = {text: sign_variance(float(fractions.Fraction(text))) for text in ("0", "1/4", "1/2", "7/8", "9/10", "99/100")}
LEVELS = {level: threshold(level) for level in (0.0, 1e-5, 0.5)}
KILLS = [(0, 1, 1), (0.9, 2, 3), (0.99, 16, 33), (0.999, 159, 345)]  # decay, one lasting flip, strict alternation
SETTINGS = hypothesis.settings(deadline=None, max_examples=60)


def follow(rule, start, path):
    """The rule on gates that an optimiser sets to path [steps, U]: what lives, the gates held and the bookkeeping, all
    [steps, U]."""
    return jax.tree.map(np.asarray, _follow(rule, jnp.asarray(start, jnp.float32), jnp.asarray(path, jnp.float32)))


@functools.partial(jax.jit, static_argnums=0)
def _follow(rule, start, path):
    others = {"liveness_like": jnp.ones(1)}

    def step(bookkeeping, gates):
        params, bookkeeping = rule.update(others | {"a": {"liveness": gates}}, bookkeeping)
        return bookkeeping, (rule.live(bookkeeping)["a"], params["a"]["liveness"], bookkeeping["a"])

    return jax.lax.scan(step, rule.init(others | {"a": {"liveness": start}}), path)[1]


def death(rule, signs, start=1.0):
    """The step (1, 2, ...) at which one gate dies that runs through `signs`; None if it does not."""
    live = follow(rule, [start], np.reshape(signs, (-1, 1)))[0][:, 0]
    return None if live.all() else int(np.argmin(live)) + 1


@pytest.mark.parametrize(("decay", "lasting", "alternating"), KILLS)
def test_changes_of_sign_kill_at_the_known_steps(decay, lasting, alternating):
    rule = sign_variance(decay)
    assert death(rule, -np.ones(500)) == lasting
    assert death(rule, np.ones(500), start=-1.0) == lasting
    assert death(rule, (-1.0) ** np.arange(1, 800)) == alternating
    there, back = -np.ones(lasting - 1), np.ones(3000)
    assert death(rule, np.r_[there, back]) is None  # one step less and the gate survives
    assert death(rule, np.r_[there, -1, back]) == lasting
    assert death(rule, np.ones(500)) is None


@pytest.mark.parametrize("decay", ["0.5", "0.9", "0.99", "0.999"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_spread_after_a_lasting_flip_has_a_closed_form(decay, dtype):
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext(), mpmath.workdps(40):
        rule, gate = sign_variance(float(decay)), {"liveness": -jnp.ones(1, dtype)}

        def step(bookkeeping, _):
            _, bookkeeping = rule.update(gate, bookkeeping)
            return bookkeeping, bookkeeping["liveness"].spread

        _, spreads = jax.lax.scan(step, rule.init({"liveness": jnp.ones(1, dtype)}), length=2000)
        g = mpmath.mpf(decay)
        expected = np.array([float(4 / g * g**t * (1 - g**t)) for t in range(1, 2001)])
        first = next(t for t in range(1, 2001) if 4 / g * g**t * (1 - g**t) > 0.5)
    assert spreads.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(spreads[:, 0], expected, rtol=tolerance, atol=tolerance)
    assert first == {str(g): t for g, t, _ in KILLS}.get(decay, 1)


def test_no_memory_is_the_limit_of_a_short_one():
    """(4 / g) u (1 - u) = 4 g^(t-1) (1 - g^t) goes to 4 at the first step and to 0 at every later one."""
    for decay in (0.0, 1e-12):
        spread = follow(sign_variance(decay), [1.0], -np.ones((4, 1)))[2].spread
        np.testing.assert_allclose(spread[:, 0], [4, 0, 0, 0], atol=1e-10)


@SETTINGS
@hypothesis.given(
    text=st.sampled_from(sorted(DECAYS)),
    start=st.sampled_from([-1, 0, 1]),
    signs=st.lists(st.sampled_from([-1, -1, 0, 1, 1, 1]), min_size=24, max_size=24),
)
def test_sign_variance_is_its_recurrence_in_exact_arithmetic(text, start, signs):
    decay = fractions.Fraction(text)
    mean, spread, alive, expected, spreads = fractions.Fraction(start), fractions.Fraction(0), True, [], []
    for b in signs:
        d = b - mean
        spread = decay * spread + (1 - decay) * d**2
        mean = decay * mean + (1 - decay) * b
        alive = alive and spread <= fractions.Fraction(1, 2)
        expected.append(alive)
        spreads.append(spread)
    live, held, bookkeeping = follow(DECAYS[text], [3.5 * start], 0.25 * np.reshape(signs, (-1, 1)))
    np.testing.assert_allclose(bookkeeping.spread[:, 0], np.array(spreads, float), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bookkeeping.mean[-1, 0], float(mean), rtol=1e-4, atol=1e-5)
    hypothesis.assume(not any(0 < abs(spread - fractions.Fraction(1, 2)) < 1e-5 for spread in spreads))  # rounding
    np.testing.assert_array_equal(live[:, 0], expected)
    np.testing.assert_array_equal(held[:, 0], np.where(expected, 0.25 * np.array(signs), 0))


def test_a_gate_that_starts_at_zero_has_no_sign_yet():
    """Its first move is half a change of sign: a quarter of the spread, (1 / g) u (1 - u), at most 1 / (4 g)."""
    for decay, step in ((0.0, 1), (0.49, 1), (0.5, None), (0.9, None), (0.99, None)):
        assert death(sign_variance(decay), np.ones(999), start=0.0) == step
        assert death(sign_variance(decay), -np.ones(999), start=-0.0) == step
        assert death(sign_variance(decay), np.zeros(999), start=0.0) is None  # closed, but it may still open
    spread = follow(sign_variance(0.9), [0.0], np.ones((99, 1)))[2].spread[:, 0]
    u = 0.9 ** np.arange(1, 100)
    np.testing.assert_allclose(spread, u * (1 - u) / 0.9, rtol=1e-4, atol=1e-7)
    later = np.r_[np.ones(999), -np.ones(99)]  # from then on it is a gate like any other
    assert death(sign_variance(0.9), later, start=0.0) == 999 + 2
    assert death(sign_variance(0.0), [0.0]) == 1  # and a gate set to 0 has changed its sign by half


NUMBERS = st.floats(-2, 2, width=32, allow_subnormal=False)  # XLA takes subnormal ones for 0
GATES = st.lists(NUMBERS | st.sampled_from([0.0, -0.0, 1e-5, -1e-5, 1e-6]), min_size=4, max_size=4)


@SETTINGS
@hypothesis.given(path=st.lists(GATES, min_size=10, max_size=10), level=st.sampled_from(sorted(LEVELS)))
def test_threshold_shuts_small_gates_for_good(path, level):
    path = np.array(path, np.float32)
    path[np.abs(path) < 1e-30] = 0
    live, held, _ = follow(LEVELS[level], path[0], path)
    expected = np.cumsum(np.abs(path) <= np.float32(level), axis=0) == 0
    np.testing.assert_array_equal(live, expected)
    np.testing.assert_array_equal(held, np.where(expected, path, 0))


def test_threshold_includes_its_level():
    level = np.float32(1e-5)
    gates = np.array([level, -level, np.nextafter(level, np.float32(1)), -np.nextafter(level, np.float32(1))])
    live, held, _ = follow(threshold(), np.ones(4), gates[None])
    assert live.tolist() == [[False, False, True, True]]
    np.testing.assert_array_equal(held, [np.where([0, 0, 1, 1], gates, 0)])


@pytest.mark.parametrize("name", RULES)
@SETTINGS
@hypothesis.given(path=st.lists(GATES, min_size=10, max_size=10))
def test_death_is_for_good_and_units_can_be_cut_out(name, path):
    """Dead gates stay shut wherever the optimiser puts them, and no unit sees what becomes of another."""
    rule, path = RULES[name], np.array(path, np.float32)
    live, held, bookkeeping = follow(rule, path[0], path)
    assert (np.diff(live.astype(int), axis=0) <= 0).all()
    assert (held[~live] <= 0).all() if name == "absorbing" else (held[~live] == 0).all()
    np.testing.assert_array_equal(held[live], path[live])
    chex.assert_tree_shape(bookkeeping, path.shape)  # [U] at every step
    keep = np.array([True, False, True, True])
    expected = jax.tree.map(lambda leaf: leaf[:, keep], (live, held, bookkeeping))
    chex.assert_trees_all_equal(follow(rule, path[0, keep], path[:, keep]), expected, strict=True)


def test_absorbing_is_absorption_by_relu():
    rule, params = absorbing(), {"a": {"liveness": jnp.asarray([1.0, 0.0, -0.3])}, "b": {"liveness": jnp.ones(2)}}
    live = rule.init(params)
    chex.assert_trees_all_equal(live, _init_live(params), strict=True)
    moved = {"a": {"liveness": jnp.asarray([-0.1, 2.0, 3.0])}, "b": {"liveness": jnp.ones(2)}}
    chex.assert_trees_all_equal(rule.update(moved, live), _absorb(moved, live), strict=True)
    assert count_live(rule.live(live)).tolist() == [1, 2]


EXTREMES = np.array([1e-38, 1.2e-38, 3e38, -3e38, np.inf, np.nan], np.float32)  # the first is subnormal


def test_extreme_gates():
    """Huge ones live. NaN is dead and stays NaN. The smallest normal number is not 0 unless a level says so."""
    for name, alive in {
        "absorbing": [None, 1, 1, 0, 1, 0],
        "threshold": [0, 0, 1, 1, 1, 0],
        "sign_variance": [1, 1, 1, 1, 1, 0],
    }.items():
        live, held, _ = follow(RULES[name], EXTREMES, np.stack([EXTREMES] * 3))
        for unit, expected in enumerate(alive):
            if expected is not None:  # where the device takes subnormal numbers for 0, relu is closed
                assert live[:, unit].tolist() == [bool(expected)] * 3, (name, unit)
        assert np.isnan(held[:, 5]).all() and not np.isnan(held[:, :5]).any()
        np.testing.assert_array_equal(held[:, [2, 4]], np.stack([EXTREMES[[2, 4]]] * 3))
    live, held, _ = follow(threshold(0.0), EXTREMES, EXTREMES[None])
    assert live[0, 1:].tolist() == [True, True, True, True, False]
    live, held, _ = follow(RULES["threshold"], [1.0], [[0.0], [np.nan], [1.0]])
    np.testing.assert_array_equal(held[:, 0], [0, np.nan, 0])  # a dead gate shows that it diverged, and stays dead


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_gates_have_moments_in_float32(dtype):
    with jax.numpy_dtype_promotion("strict"):
        for rule in RULES.values():
            params, bookkeeping = rule.update(
                {"liveness": jnp.ones(3, dtype)}, rule.init({"liveness": jnp.ones(3, dtype)})
            )
            assert params["liveness"].dtype == dtype and rule.live(bookkeeping)["liveness"].dtype == bool
        moments = RULES["sign_variance"].init({"liveness": jnp.ones(3, dtype)})["liveness"]
    assert isinstance(moments, SignMoments) and moments.mean.dtype == moments.spread.dtype == jnp.float32


def test_numbers_out_of_range_are_refused():
    for decay in (-0.1, 1.0, 1 - 1e-12, np.nan):
        with pytest.raises(ValueError, match="`decay` must be from 0 to below 1"):
            sign_variance(decay)
    for level in (-1e-9, np.inf, np.nan):
        with pytest.raises(ValueError, match="`level` must be finite and at least 0"):
            threshold(level)
