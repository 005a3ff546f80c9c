"""gate_sets.py and zeros.py: how alternatives combine; every fact about a primitive, checked by evaluating it."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import assert_exact, conv, gates, normal, random_params, row, shape

import jaxsize
from jaxsize.units._program.gate_sets import ALWAYS, MOST_GATE_SETS, NEVER, Gate, both, either
from jaxsize.units.reading import unit_groups

GATES = st.builds(Gate, st.sampled_from("abc"), st.booleans())
GATE_SETS = st.frozensets(st.frozensets(GATES, max_size=3), max_size=4)
VALUES = [dict(zip("abc", values, strict=True)) for values in itertools.product((-1, 0, 1), repeat=3)]


def is_closed(gate_sets, values):
    return any(
        all(values[g.leaf] <= 0 if g.closed_below else values[g.leaf] == 0 for g in gate_set) for gate_set in gate_sets
    )


@hypothesis.settings(deadline=None)  # on a busy machine, a first example may take long
@hypothesis.given(a=GATE_SETS, b=GATE_SETS)
def test_either_and_both_are_or_and_and(a, b):
    for values in VALUES:
        assert is_closed(either(a, b), values) == (is_closed(a, values) or is_closed(b, values))
        assert is_closed(both(a, b), values) == (is_closed(a, values) and is_closed(b, values))
    assert either(a, NEVER) == both(a, ALWAYS) == both(a, a) == either(a, a)
    assert both(a, NEVER) == NEVER and either(a, ALWAYS) == ALWAYS


def test_alternatives_are_as_simple_as_can_be():
    at, below = (frozenset([frozenset([Gate("a", closed_below=which)])]) for which in (False, True))
    assert either(at, below) == below and both(at, below) == at
    assert either(at, both(at, frozenset([frozenset([Gate("b")])]))) == at
    assert [str(gate) for gate_sets in (at, below) for gate_set in gate_sets for gate in gate_set] == [
        "a == 0",
        "a <= 0",
    ]


def test_many_alternatives_are_cut_short():
    gate_sets = ALWAYS
    for number in range(30):  # a sum of 30 terms with two gates each has 2^30 alternatives
        gate_sets = both(gate_sets, frozenset(frozenset([Gate(f"{number}{kind}")]) for kind in "ab"))
    assert len(gate_sets) == MOST_GATE_SETS and all(len(gate_set) == 30 for gate_set in gate_sets)


PARAMS = {"kernel": shape(4, 5), "liveness": shape(5), "other": shape(5), "output": shape(5, 3)}
X = shape(6, 4)
BELOW, ZERO = {"liveness <= 0"}, {"liveness == 0"}


def network(middle):
    """A dense layer, middle(its units [6, 5], gate [1, 5], another parameter [1, 5]), a dense layer."""

    def apply(params, x):
        hidden = middle(x @ params["kernel"], row(params["liveness"]), row(params["other"]))
        return jnp.asarray(hidden, float) @ params["output"]

    return apply


def window(values, start, combine):
    return jax.lax.reduce_window(values, start, combine, (3, 1), (1, 1), "SAME")


# middle -> what closes its units; None: nothing does.
FACTS = {
    "mul": (lambda h, g, o: h * g, ZERO),
    "relu of jaxsize": (lambda h, g, o: h * jaxsize.relu(g), BELOW),
    "relu of jax": (lambda h, g, o: h * jax.nn.relu(g), BELOW),
    "maximum": (lambda h, g, o: h * jnp.maximum(g, 0), BELOW),
    "maximum, turned": (lambda h, g, o: h * jnp.maximum(jnp.zeros_like(g), g), BELOW),
    "lax.max after broadcasting": (lambda h, g, o: h * jax.lax.max(jnp.broadcast_to(g, h.shape), 0.0), BELOW),
    "where >": (lambda h, g, o: jnp.where(g > 0, h * g, 0), BELOW),
    "where <=": (lambda h, g, o: jnp.where(g <= 0, 0, h), BELOW),
    "where 0 <": (lambda h, g, o: jnp.where(jax.lax.lt(jnp.zeros_like(g), g), h, 0), BELOW),
    "where 0 >=": (lambda h, g, o: jnp.where(jax.lax.ge(jnp.zeros_like(g), g), 0, h), BELOW),
    "where not >": (lambda h, g, o: jnp.where(~(g > 0), 0, h), BELOW),
    "where !=": (lambda h, g, o: jnp.where(g != 0, h, 0), ZERO),
    "where ==": (lambda h, g, o: jnp.where(g == 0, 0, h), ZERO),
    "where <, the wrong side": (lambda h, g, o: jnp.where(g < 0, h, h * g), ZERO),
    "where >=, open at 0": (lambda h, g, o: jnp.where(g >= 0, h, 0), None),
    "mask > 0": (lambda h, g, o: (g > 0) * h, BELOW),
    "mask as float": (lambda h, g, o: (g > 0).astype(float) * h, BELOW),
    "a boolean is True below 0": (lambda h, g, o: jnp.maximum(g.astype(bool).astype(int), 0) * h, ZERO),
    "a rounded gate": (lambda h, g, o: jax.nn.relu(g.astype(jnp.bfloat16)).astype(float) * h, BELOW),
    "relu of a moved gate": (lambda h, g, o: h * jax.nn.relu(g + 1), None),
    "relu of a scaled gate": (lambda h, g, o: h * jax.nn.relu(2 * g), ZERO),
    "two gates' worth": (lambda h, g, o: h * g * jax.nn.relu(g), BELOW),
    "both terms": (lambda h, g, o: h * g + o * jax.nn.relu(g), ZERO),
    "add an open term": (lambda h, g, o: h * g + o, None),
    "sub": (lambda h, g, o: h * g - g, ZERO),
    "relu after": (lambda h, g, o: jax.nn.relu(h * g), ZERO),
    "max with a constant below": (lambda h, g, o: jnp.maximum(h * g, -1), ZERO),
    "max with a constant above": (lambda h, g, o: jnp.maximum(h * g, 1), None),
    "min with a constant above": (lambda h, g, o: jnp.minimum(h * g, 6), ZERO),
    "min with a constant below": (lambda h, g, o: jnp.minimum(h * g, -6), None),
    "max with an open value": (lambda h, g, o: jnp.maximum(h * g, o), None),
    "max of two": (lambda h, g, o: jnp.maximum(h * g, o * g), ZERO),
    "clip": (lambda h, g, o: jnp.clip(h * g, -1, 1), ZERO),
    "clamp": (lambda h, g, o: jax.lax.clamp(-1.0, h * g, 1.0), ZERO),
    "clamp without 0": (lambda h, g, o: jax.lax.clamp(0.5, h * g, 1.0), None),
    "relu6": (lambda h, g, o: jax.nn.relu6(h * g), ZERO),
    "leaky": (lambda h, g, o: jax.nn.leaky_relu(h * g), ZERO),
    "gelu": (lambda h, g, o: jax.nn.gelu(h * g), ZERO),
    "silu": (lambda h, g, o: jax.nn.silu(h * g), ZERO),
    "elu": (lambda h, g, o: jax.nn.elu(h * g), ZERO),
    "tanh": (lambda h, g, o: jnp.tanh(h * g), ZERO),
    "square": (lambda h, g, o: (h * g) ** 2, ZERO),
    "cube": (lambda h, g, o: jax.lax.integer_pow(h * g, 3), ZERO),
    "power 0": (lambda h, g, o: jax.lax.integer_pow(h * g, 0), None),
    "div": (lambda h, g, o: h * g / (1 + o**2), ZERO),
    "div by the gate": (lambda h, g, o: jax.nn.relu(g) * h / jax.nn.relu(g), None),
    "exp": (lambda h, g, o: jnp.exp(h * g), None),
    "sigmoid": (lambda h, g, o: jax.nn.sigmoid(h * g), None),
    "softplus": (lambda h, g, o: jax.nn.softplus(h * g), None),
    "cos": (lambda h, g, o: jnp.cos(h * g), None),
    "expm1": (lambda h, g, o: jnp.expm1(h * g), ZERO),
    "zeros and closed": (lambda h, g, o: jnp.zeros_like(h) + h * g, ZERO),
    "ones and closed": (lambda h, g, o: jnp.ones_like(h) + h * g, None),
    "padded by 0": (lambda h, g, o: jnp.pad(h * g, ((0, 2), (0, 0))), ZERO),
    "padded by 1": (lambda h, g, o: jnp.pad(h * g, ((0, 2), (0, 0)), constant_values=1), None),
    "summed over examples": (lambda h, g, o: (h * g).sum(0, keepdims=True) + h * g, ZERO),
    "product over examples": (lambda h, g, o: (h * g).prod(0, keepdims=True), ZERO),
    "product over no examples": (lambda h, g, o: (h * g)[:0].prod(0, keepdims=True), None),
    "largest over examples": (lambda h, g, o: (h * g).max(0, keepdims=True), ZERO),
    "barrier": (lambda h, g, o: jax.lax.optimization_barrier((o, h * g))[1], ZERO),
    "barrier, the open one": (lambda h, g, o: jax.lax.optimization_barrier((row(h[0]), h * g))[0], None),
    "rows": (lambda h, g, o: jnp.concatenate([h * g, o * g])[::-1][1:], ZERO),
    "rows, one open": (lambda h, g, o: jnp.concatenate([h * g, o]), None),
    "taken rows": (lambda h, g, o: jnp.take(h * g, jnp.array([1, 0]), axis=0), ZERO),
    "taken rows, filled": (lambda h, g, o: jnp.take(h * g, jnp.array([1, 9]), axis=0, fill_value=1), None),
    "moving sum": (lambda h, g, o: jax.lax.reduce_window(h * g, 0.0, jax.lax.add, (3, 1), (1, 1), "SAME"), ZERO),
    "moving maximum": (
        lambda h, g, o: jax.lax.reduce_window(h * g, -jnp.inf, jax.lax.max, (3, 1), (1, 1), "SAME"),
        ZERO,
    ),
    "cond": (lambda h, g, o: jax.lax.cond((h * g).sum() > 0, lambda: h * g, lambda: o * h * g), ZERO),
    "cond, one open": (lambda h, g, o: jax.lax.cond((h * g).sum() > 0, lambda: h * g, lambda: h), None),
    "switch": (lambda h, g, o: jax.lax.switch(2, [lambda: h * g, lambda: h * g * 2, lambda: g * o * h]), ZERO),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_primitive_closes_or_opens(name):
    middle, expected = FACTS[name]
    apply = network(middle)
    groups = unit_groups(apply, PARAMS, X)
    (group,) = [group for group in groups.groups.values() if any(place.leaf == "kernel" for place in group.places)][1:]
    assert gates(group) == (expected or set()) and group.exact == (expected is not None), str(group)
    params, x = random_params(1, PARAMS), random_params(2, X)
    if expected:
        assert_exact(apply, groups, params, group.name, x, units=[0, 3])
    if expected == ZERO and name not in ("relu of a scaled gate", "product over examples"):  # which are more careful
        # Below 0 the gate is open.
        params["liveness"][:] = -1.3
        values = jax.jit(middle)(x @ params["kernel"], row(params["liveness"]), row(params["other"]))
        assert jnp.any(values != 0)


# What combines the gate of a square array's units with it, and closes whole units or rows (columns) alone.
SQUARES = {
    "gated rows": (lambda g, k: (g[:, None] * k).sum(0), False),
    "gated columns": (lambda g, k: (g[None, :] * (g @ k)[None]).sum(0), True),
    "both": (lambda g, k: (g[:, None] * g[None, :] * k).sum(0), False),  # known of neither axis alone
    "broadcast first": (lambda g, k: (jnp.broadcast_to(g[:, None], k.shape) * k).sum(0), False),
    "maximum after broadcasting": (lambda g, k: (jnp.maximum(g[:, None] + 0 * k, 0) * k).sum(0), False),
    "mask": (lambda g, k: jnp.where((g > 0)[:, None], k, 0).sum(0), False),
    "batched product": (lambda g, k: jnp.einsum("ab,a->ab", k, g).sum(0), False),
    "rows by numbers that units choose": (lambda g, k: (g[None] * k)[(k[0] > 0).astype(int)].sum(1), False),
}


@pytest.mark.parametrize("name", SQUARES)
def test_a_gate_of_rows_says_nothing_of_columns(name):
    combine, exact = SQUARES[name]

    def apply(params, x):
        gate = jax.nn.relu(params["liveness"])
        return x * row(combine(gate, params["square"] + params["square"].T) @ params["output"])

    shapes = {"square": shape(5, 5), "liveness": shape(5), "output": shape(5, 3)}
    groups = unit_groups(apply, shapes, shape(2, 3))
    (group,) = [group for group in groups.groups.values() if any(place.leaf == "liveness" for place in group.places)]
    assert group.exact == exact, str(group)
    if exact:
        assert_exact(apply, groups, random_params(0, shapes), group.name, normal(0, 2, 3), units=[1, 2])


def test_a_convolution_into_its_own_units_is_open():
    def apply(params, images):
        hidden = conv(images, params["first"]) * row(jax.nn.relu(params["liveness"]), 4)
        hidden = hidden + conv(hidden, params["second"])
        return hidden.mean((1, 2)) @ params["output"]

    shapes = {"first": shape(3, 3, 2, 6), "liveness": shape(6), "second": shape(3, 3, 6, 6), "output": shape(6, 3)}
    groups = unit_groups(apply, shapes, shape(1, 4, 4, 2))
    (group,) = [group for group in groups.groups.values() if group.size == 6]
    assert not group.gates and "reads second past every gate" in group.inexact


def test_a_window_of_padding_alone_is_not_closed():
    def apply(params, x):
        hidden = (x @ params["kernel"]) * row(params["liveness"])
        hidden = jax.lax.reduce_window(hidden, -jnp.inf, jax.lax.max, (1, 1), (1, 1), ((1, 0), (0, 0)))
        return hidden @ params["output"]

    shapes = {name: PARAMS[name] for name in ("kernel", "liveness", "output")}
    assert not any(group.exact for group in unit_groups(apply, shapes, X).groups.values())


def test_a_carried_gate_is_no_gate_after_the_first_turn():
    def apply(params, x):
        def turn(carry, _):
            return jnp.maximum(carry, 0) - params["other"], jnp.maximum(carry, 0) @ params["output"]

        return jax.lax.scan(turn, params["liveness"], length=3)[1] + x.sum()

    shapes = {"liveness": shape(5), "other": shape(5), "output": shape(5, 3)}
    (group,) = [group for group in unit_groups(apply, shapes, X).groups.values() if group.size == 5]
    assert not group.exact and "other" in group.inexact


@pytest.mark.parametrize("sizes", [(), (3,)])
def test_a_gate_for_all_units_closes_none_of_them(sizes):
    def apply(params, x):
        gate = jnp.max(params["liveness"])
        return (jnp.where(gate <= 0, 0, x @ params["kernel"]) * jax.nn.relu(gate)) @ params["output"]

    shapes = {"kernel": shape(4, 5), "liveness": shape(*sizes), "output": shape(5, 3)}
    groups = unit_groups(apply, shapes, X)
    assert groups.live(random_params(0, shapes), quiet=True) == {}
    assert np.all([not group.exact for group in groups.groups.values()])
