"""reading.py: what is told where units cannot be removed, the printed table, sizes, live units, odd functions."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import gates, random_params, row, shape, shapes_of

from jaxsize.networks.mlp import mlp
from jaxsize.units.reading import unit_groups

PARAMS = {"kernel": shape(4, 6), "liveness": shape(6), "output": shape(6, 3)}
X = shape(5, 4)


def network(then, last=jnp.matmul):
    """A gated dense layer of 6 units, then(units, params), the layer that reads them."""

    def apply(params, x):
        units = jnp.tanh(x @ params["kernel"]) * row(jax.nn.relu(params["liveness"]))
        return last(then(units, params), params["output"])

    return apply


def only(apply, params=PARAMS, *inputs):
    groups = unit_groups(apply, params, *(inputs or (X,)))
    return next(group for group in groups.groups.values() if any(p[:2] == ("kernel", 1) for p in group.places))


# What a function does with the number of its units -> what is told of it.
COMPUTED = {
    "mean": (lambda h, p: h / h.shape[1], "a constant computed from the number of units: 6 becomes 5 in div"),
    "a mean of some": (
        lambda h, p: jnp.mean(h, 1, where=jnp.ones(h.shape, bool), keepdims=True) * h,
        "past every gate",
    ),
    "a norm": (lambda h, p: h - h.mean(1, keepdims=True), "a constant computed from the number of units"),
    "ones": (
        lambda h, p: h / jnp.ones_like(h).sum(),
        r"an array made from the number of units alone: \[5, 6\] becomes",
    ),
    "a count": (lambda h, p: h / jnp.arange(h.shape[1]).sum(), "an array made from the number of units alone"),
    "an exponent": (lambda h, p: h ** (h.shape[1] - 3), "the y of integer_pow|other steps"),
    "an array": (lambda h, p: h + np.linspace(0, 0, h.shape[1] - 1).sum() + 0 * h.shape[1] ** 2, ""),
    "turns of a loop": (lambda h, p: jax.lax.fori_loop(0, h.shape[1], lambda i, h: h * 2, h), "the length of scan"),
    "a loop's end": (
        lambda h, p: h * jax.lax.while_loop(lambda c: c < 1.0 * h.shape[1], lambda c: c + 1, 0.0),
        "a constant computed from the number of units: 6 becomes 5 in lt at",
    ),
    "a course": (lambda h, p: jnp.tanh(h) if h.shape[1] > 5 else h, "other steps at another size"),
    "a choice": (lambda h, p: h * (p["s"] if h.shape[1] > 5 else p["t"]), "other steps at another size"),
    "a position": (lambda h, p: h * p["table"][h.shape[1] - 2], "the start_indices of slice .* is computed"),
    "a wide choice": (lambda h, p: h * (p["s"] if h.shape[1] < 8 else p["t"]), "other steps at another size"),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed_from_the_number_of_units(name):
    then, reason = COMPUTED[name]
    group = only(network(then), PARAMS | {"s": shape(), "t": shape(), "table": shape(50)})
    if reason:
        assert not group.exact and not group.fixed

        assert re.search(reason, group.inexact), group.inexact
    else:
        assert group.exact


@pytest.mark.parametrize("how", ["ratio", "difference"])
@pytest.mark.parametrize("sizes", [(6, 6), (6, 8), (4, 8), (10, 12)])
def test_a_constant_of_two_sizes_is_found_though_both_change(how, sizes):
    def apply(params, x):
        first = (x @ params["a"]["kernel"]) * row(jax.nn.relu(params["a"]["liveness"]))
        second = (first @ params["b"]["kernel"]) * row(jax.nn.relu(params["b"]["liveness"]))
        n, m = first.shape[1], second.shape[1]
        return second @ params["output"] * (n / m if how == "ratio" else 1.0 + n - m)

    n, m = sizes
    params = {"a": {"kernel": shape(4, n), "liveness": shape(n)}, "b": {"kernel": shape(n, m), "liveness": shape(m)}}
    groups = unit_groups(apply, params | {"output": shape(m, 3)}, X)
    for name in "ab":
        assert "a constant computed from the number of units" in groups[name].inexact


FIXED = {
    "constant": (lambda h, p: h * np.arange(6.0)[None], "a constant array of the function has these units"),
    "sort": (lambda h, p: jnp.sort(h, 1), "sort at test_reading_reasons.py:.* sorts its entries"),
    "cumsum": (lambda h, p: jnp.cumsum(h, 1), "cumsum at test_reading_reasons.py:.* adds up its entries in order"),
    "fft": (lambda h, p: jnp.fft.fft(h, axis=1).real, "fft at test_reading_reasons.py:.* transforms it"),
    "flip": (lambda h, p: h[:, ::-1], "rev at .* turns its entries around"),
    "argmax": (lambda h, p: h * jnp.argmax(h, 1, keepdims=True), "argmax at .* names its entries by position"),
    "take": (lambda h, p: jnp.take(h, jnp.arange(h.shape[1]), axis=1), "gather at .* takes entries by position"),
    "scan": (lambda h, p: jax.lax.scan(lambda c, u: (c, u), 0.0, h.T)[1].T, "scan at .* walks along it"),
}


@pytest.mark.parametrize("name", FIXED)
def test_what_fixes_units_is_named(name):
    then, reason = FIXED[name]
    group = only(network(then))
    assert not group.exact

    assert re.search(reason, group.fixed), group.fixed


def test_nothing_is_computed_and_shapes_are_enough():
    network = mlp((6, 5, 4, 3))
    params = network.init(0)
    groups = unit_groups(network.apply, params, np.zeros((2, 6), np.float32))
    assert unit_groups(network.apply, shapes_of(params), shape(2, 6)).groups == groups.groups
    huge = mlp((10**6, 10**6, 10))
    shapes = {
        "hidden": [{"kernel": shape(10**6, 10**6), "bias": shape(10**6), "liveness": shape(10**6)}],
        "output": {"kernel": shape(10**6, 10), "bias": shape(10)},
    }
    assert unit_groups(huge.apply, shapes, shape(10**6, 10**6)).num_multiply_adds() == 10**18 + 10**13


def test_the_printed_table():
    def apply(params, x):
        units = (x @ params["kernel"]) * row(jax.nn.relu(params["liveness"]))
        return jnp.transpose(units.reshape(5, 2, -1), (0, 2, 1)).reshape(5, -1) @ params["output"] + params["bias"]

    groups = unit_groups(apply, PARAMS | {"output": shape(12, 3), "bias": shape(1, 3)}, shape(10, 4))
    assert str(groups) == "\n".join(
        [
            "1 of 4 groups can lose units exactly: liveness (6)",
            "gates: liveness",
            "the others: 3 fixed (bias[1], kernel[0], output[0])",
            "",
            "liveness: 6 units, closed by liveness <= 0",
            "parameter  axis  stride   layout",
            "---------  ----  ------  -------",
            "kernel        1       1      [6]",
            "liveness      0       1      [6]",
            "output        0       2  [6] * 2",
            "",
            "fixed:",
            "  bias[1]: 3, reaches the outputs",
            "  kernel[0]: 4, belongs to the inputs",
            "  output[0]: 2, belongs to the inputs",
        ]
    )
    printed = str(unit_groups(network(lambda h, p: h / h.shape[1]), PARAMS, X)["liveness"])
    assert (
        "not exact: a constant computed from the number of units: 6 becomes 5 in div at test_reading_reasons.py:"
        in printed
    )
    sized = mlp((4, 6, 3), gate="size")
    assert "only the last units can be removed: iota at" in str(unit_groups(sized.apply, sized.init(0), X))


def test_an_unknown_group_is_refused():
    groups = unit_groups(network(lambda h, p: h), PARAMS, X)
    for use in (
        lambda: groups["hidden"],
        lambda: groups.num_parameters({"hidden": 3}),
        lambda: groups.shapes(PARAMS, {"hidden": 3}),
    ):
        with pytest.raises(ValueError, match=r"expected one of .*liveness.*, got 'hidden'"):
            use()


def test_live_units_of_one_run_and_of_many():
    network = mlp((6, 5, 4, 3))
    params = network.init(0)
    groups = unit_groups(network.apply, params, shape(2, 6))
    gates = {"hidden.0": np.array([1, 0, -1, 2, np.nan]), "hidden.1": np.array([-1, -1.0, 1, 1])}
    for number in range(2):
        params["hidden"][number]["liveness"] = gates[f"hidden.{number}"]
    expected = {"hidden.0": [True, False, False, True, True], "hidden.1": [False, False, True, True]}
    live = groups.live(params)
    assert {name: units.tolist() for name, units in live.items()} == expected
    again = groups.live_by_gate({name: np.array(units) for name, units in expected.items()})
    assert {name: units.tolist() for name, units in again.items()} == expected
    runs = jax.tree.map(lambda leaf: np.stack([leaf, 1 + 0 * leaf, leaf]), params)
    for name, units in groups.live(runs).items():
        assert units.tolist() == [expected[name], [True] * len(expected[name]), expected[name]] or name == "hidden.0"
    many = groups.live_by_gate({name: np.array([units, units]) for name, units in expected.items()})
    assert {name: units.tolist() for name, units in many.items()} == {
        name: [units, units] for name, units in expected.items()
    }


def test_resized_groups_are_those_of_the_smaller_network():
    def groups_of(widths):
        network = mlp(widths)
        return unit_groups(network.apply, network.init(0), shape(7, widths[0]))

    resized = groups_of((6, 5, 4, 3)).resized({"hidden.0": 3, "hidden.1": 2})
    expected = groups_of((6, 3, 2, 3))
    assert resized.groups == expected.groups and str(resized) == str(expected)
    assert {leaf: repr(axes) for leaf, axes in resized.axes.items()} == {k: repr(v) for k, v in expected.axes.items()}
    params = mlp((6, 5, 4, 3)).init(0)
    shapes = groups_of((6, 5, 4, 3)).shapes(params, {"hidden.0": 3, "hidden.1": 2})
    assert shapes_of(shapes) == shapes_of(mlp((6, 3, 2, 3)).init(0))
    assert shapes["output"]["bias"] is params["output"]["bias"]
    back = resized.resized({"hidden.0": 5, "hidden.1": 4})
    assert back.groups == groups_of((6, 5, 4, 3)).groups


ODD = {
    "an output that is an input": (lambda p, x: x, PARAMS),
    "parameters that come out": (lambda p, x: p, PARAMS),
    "nothing comes out": (lambda p, x: (), PARAMS),
    "unused and odd parameters": (
        network(lambda h, p: h * p["scale"]),
        PARAMS | {"scale": 1.5, "count": 3, "key": jax.random.key(0), "empty": shape(0, 4), "mask": np.zeros(4, bool)},
    ),
    "float64": (network(lambda h, p: h), {k: np.zeros(v.shape) for k, v in PARAMS.items()}),
    "squares": (network(lambda h, p: h * h), PARAMS),
    "a Gram matrix": (network(lambda h, p: h @ (h.T @ h)), PARAMS),
    "einsum": (
        lambda p, x: jnp.einsum("bi,iu,u,uo->bo", x, p["kernel"], jax.nn.relu(p["liveness"]), p["output"]),
        PARAMS,
    ),
    "a random mask": (
        network(lambda h, p: h * jax.random.bernoulli(jax.random.key(0), 0.5, (h.shape[0], 1))),
        PARAMS,
    ),
    "only in a loss": (lambda p, x: (network(lambda h, p: h)(p, x) ** 2).sum() + p["liveness"].clip(0).sum(), PARAMS),
}
NOT_EXACT = ("an output that is an input", "parameters that come out", "nothing comes out")


@pytest.mark.parametrize("name", ODD)
def test_odd_functions(name):
    apply, params = ODD[name]
    group = only(apply, params)
    assert group.exact == (name not in NOT_EXACT), str(group)
    assert gates(group) == ({"liveness <= 0"} if group.exact else set())


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("batch_size", [0, 1])
def test_small_sizes(width, batch_size):
    params = {"kernel": shape(4, width), "liveness": shape(width), "output": shape(width, 3)}
    groups = unit_groups(network(lambda h, p: h), params, shape(batch_size, 4))
    assert [group.size for group in groups.groups.values() if group.exact] == [2] * (width - 1)


def test_a_dtype_of_two_bytes():
    params = {name: shape(*leaf.shape, dtype=jnp.bfloat16) for name, leaf in PARAMS.items()}
    assert only(network(lambda h, p: h), params, shape(5, 4, dtype=jnp.bfloat16)).exact


def test_leaves_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"expected different names for all leaves, got 'a.b' twice"):
        unit_groups(lambda p, x: x, {"a": {"b": shape(2)}, "a.b": shape(2)}, X)


def test_units_that_a_constant_closes_are_no_group():
    group = only(network(lambda h, p: h * 0.0))
    assert group.gates == frozenset() and "multiplied by a constant 0" in group.inexact
    assert unit_groups(network(lambda h, p: h * 0.0), PARAMS, X).live(random_params(0, PARAMS), quiet=True) == {}
