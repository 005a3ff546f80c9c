"""other_sizes.py: which groups are told apart, and how often the function is traced for it."""

import re

import jax
import jax.numpy as jnp
import pytest
from helpers.groups import row, shape

from jaxsize.units._program.other_sizes import MOST_TRACES
from jaxsize.units.reading import unit_groups

WIDTH, STREAM = 12, 8


def residual(then, of_branch):
    """The groups of a stream through gated branches of these names, then(units of a branch, its number); how often it
    was traced."""
    branch = {"up": shape(STREAM, WIDTH), "liveness": shape(WIDTH), "down": shape(WIDTH, STREAM)}
    params = {"stem": shape(5, STREAM), "head": shape(STREAM, 3)} | dict.fromkeys(of_branch, branch)
    calls = []

    def apply(params, x):
        calls.append(1)
        stream = x @ params["stem"]
        for number, name in enumerate(of_branch):
            layer = params[name]
            units = then(jnp.tanh(stream @ layer["up"]), number) * row(jax.nn.relu(layer["liveness"]))
            stream = stream + units @ layer["down"]
        return stream @ params["head"]

    groups = unit_groups(apply, params, shape(4, 5))
    return {number: groups[name] for number, name in enumerate(of_branch)}, len(calls)


def silent(units):
    if units.shape[1] != WIDTH:
        raise ValueError("no")
    return units


# What the branches with these numbers do that does not fit other sizes; the reason that is told of each.
ODD = {
    "a mean's constant": (lambda units: units / units.shape[1], "computed from the number of units"),
    "an array": (lambda units: units * jnp.ones_like(units).sum(), "an array made from the number of units alone"),
    "a fixed size": (lambda units: units.reshape(-1, WIDTH), "incompatible shapes|cannot reshape"),
    "its own error": (lambda units: {WIDTH: units}[units.shape[1]], "KeyError"),
    "an error that says nothing": (silent, "ValueError: no"),
    "other steps": (lambda units: units if units.shape[1] == WIDTH else jnp.sin(units), "runs other steps"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("odd", [{0}, {3, 4}, {0, 1, 2, 3, 4, 5}])
def test_branches_that_do_not_fit_are_told_apart(name, odd):
    change, reason = ODD[name]
    groups, calls = residual(
        lambda units, number: change(units) if number in odd else units, [f"layer{n}" for n in range(6)]
    )
    assert calls <= 2 * MOST_TRACES
    for number, group in groups.items():
        against = group.fixed or group.own_size or group.inexact
        assert bool(against) == (number in odd), (number, str(group))
        assert not against or re.search(reason, against), (number, str(group))
        assert group.exact == (not against or bool(group.own_size))  # a size that is written out is run as a program


@pytest.mark.parametrize("odd", [set(range(0, 12, 2)), set(range(11)), {3, 8}])
def test_what_a_few_traces_do_not_tell_apart_is_refused(odd):
    names = [letter * 3 for letter in "abcdefghijkl"]  # none is like another, and the error has no number
    groups, calls = residual(lambda units, number: silent(units) if number in odd else units, names)
    assert calls <= 2 * MOST_TRACES and all(groups[number].own_size for number in odd)
    assert all(re.search("ValueError: no", group.own_size) for group in groups.values() if group.own_size)
