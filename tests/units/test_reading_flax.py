"""reading.py on Flax's own modules, linen and NNX: which group every axis of every parameter belongs to, or why none.

A module sits between two dense layers, gated after it. Linen modules check the sizes that they declare, so they are
built from the sizes of their parameters.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from helpers.groups import places, row, shape, shapes_of

from jaxsize.units._program.axes import atoms
from jaxsize.units.reading import unit_groups

DENSE, SEQUENCE, IMAGE = (4, 6), (2, 4, 6), (2, 4, 4, 6)
PAST, CONSTANT = "past every gate", "a constant computed from the number of units"


def between(call, variables, hidden, width):
    """A dense layer, call(variables, its units), a gate, a dense layer; parameters; inputs. hidden: shape of units."""

    def apply(params, x):
        units = call(params["module"], x @ params["first"])
        return (units * row(jax.nn.relu(params["liveness"]), units.ndim)) @ params["last"]

    params = {"first": shape(5, hidden[-1]), "module": variables, "liveness": shape(width), "last": shape(width, 3)}
    return apply, params, shape(*hidden[:-1], 5)


def linen_network(make, module, hidden):
    variables = jax.eval_shape(module.init, jax.random.key(0), shape(*hidden))
    width = jax.eval_shape(module.apply, variables, shape(*hidden)).shape[-1]
    return between(lambda v, units: make(v["params"]).apply(v, units), variables, hidden, width)


def described_axes(groups):
    """{leaf: what its axes are}: `in` and `out`, the units of the dense layer before and of the module; `a`, `b`, ...
    of groups that only the module has; a word of the reason where they are fixed; `1`."""
    names = {groups.axes["first"][1]: "in", groups.axes["last"][0]: "out"}
    words = {"slides": "window", "fixes this size itself": "self", "by position": "position", "outputs": "outputs"}
    by_atom = {atom: groups[name] for name, atom in groups.atoms.items()}

    def word_of(atom):
        if atom.size == 1:
            return "1"
        if by_atom[atom].fixed:
            return next(word for key, word in words.items() if key in by_atom[atom].fixed)
        if by_atom[atom].own_size:
            return "self"
        return names.setdefault(atom, "abc"[len(set(names.values()) - {"in", "out"})])

    return {
        leaf.removeprefix("module.").removeprefix("params.").removesuffix(".value"): " ".join(
            "*".join(map(word_of, atoms(axis))) for axis in axes
        )
        for leaf, axes in groups.axes.items()
        if leaf.startswith("module")
    }, {name: by_atom[atom] for atom, name in names.items() if atom in by_atom}


ATTENTION = {
    f"{part}.{leaf}": spec
    for part in ("query", "key")
    for leaf, spec in {"kernel": "in a self", "bias": "a self"}.items()
}
# name: how it is made from its parameters, the module, the shape of its inputs; its axes; why groups are not exact.
LINEN = {
    "Dense": (lambda p: nn.Dense(p["kernel"].shape[-1]), nn.Dense(7), DENSE, {"kernel": "in out", "bias": "out"}, {}),
    "DenseGeneral": (
        lambda p: nn.DenseGeneral(p["kernel"].shape[1:]),
        nn.DenseGeneral((4, 7)),
        DENSE,
        {"kernel": "in outputs out", "bias": "outputs out"},
        {},
    ),
    "Conv": (
        lambda p: nn.Conv(p["kernel"].shape[-1], (3, 3)),
        nn.Conv(7, (3, 3)),
        IMAGE,
        {"kernel": "window window in out", "bias": "out"},
        {},
    ),
    "Conv, depthwise": (
        lambda p: nn.Conv(p["kernel"].shape[-1], (3, 3), feature_group_count=p["kernel"].shape[-1]),
        nn.Conv(6, (3, 3), feature_group_count=6),
        IMAGE,
        {"kernel": "window window 1 out", "bias": "out"},
        {},
    ),
    "ConvTranspose": (
        lambda p: nn.ConvTranspose(p["kernel"].shape[-1], (3, 3), (2, 2)),
        nn.ConvTranspose(7, (3, 3), (2, 2)),
        IMAGE,
        {"kernel": "window window in out", "bias": "out"},
        {},
    ),
    "BatchNorm": (
        lambda p: nn.BatchNorm(True),
        nn.BatchNorm(True),
        IMAGE,
        {"batch_stats.mean": "out", "batch_stats.var": "out", "scale": "out", "bias": "out"},
        {},
    ),
    "LayerNorm": (lambda p: nn.LayerNorm(), nn.LayerNorm(), DENSE, {"scale": "out", "bias": "out"}, {"out": CONSTANT}),
    "RMSNorm": (lambda p: nn.RMSNorm(), nn.RMSNorm(), DENSE, {"scale": "out"}, {"out": CONSTANT}),
    "GroupNorm": (
        lambda p: nn.GroupNorm(2),
        nn.GroupNorm(2),
        DENSE,
        {"scale": "self*a", "bias": "self*a"},
        {"a": CONSTANT},
    ),
    # Linen has one size for queries, keys and values: that of its heads is neither of them alone.
    "MultiHeadDotProductAttention": (
        lambda p: nn.MultiHeadDotProductAttention(
            p["query"]["kernel"].shape[1],
            qkv_features=p["query"]["kernel"].shape[1] * p["query"]["kernel"].shape[2],
            out_features=p["out"]["kernel"].shape[-1],
        ),
        nn.MultiHeadDotProductAttention(2, qkv_features=6, out_features=7),
        SEQUENCE,
        ATTENTION
        | {"value.kernel": "in a self", "value.bias": "a self", "out.kernel": "a self out", "out.bias": "out"},
        {"a": PAST},
    ),
    "OptimizedLSTMCell": (
        lambda p: nn.RNN(nn.OptimizedLSTMCell(p["cell"]["hi"]["bias"].shape[-1])),
        nn.RNN(nn.OptimizedLSTMCell(7)),
        SEQUENCE,
        {f"cell.i{gate}.kernel": "in out" for gate in "ifgo"}
        | {f"cell.h{gate}.kernel": "out out" for gate in "ifgo"}
        | {f"cell.h{gate}.bias": "out" for gate in "ifgo"},
        {"out": PAST},
    ),
    "LSTMCell": (
        lambda p: nn.RNN(nn.LSTMCell(p["cell"]["hi"]["bias"].shape[-1])),
        nn.RNN(nn.LSTMCell(7)),
        SEQUENCE,
        {f"cell.i{gate}.kernel": "in out" for gate in "ifgo"}
        | {f"cell.h{gate}.kernel": "out out" for gate in "ifgo"}
        | {f"cell.h{gate}.bias": "out" for gate in "ifgo"},
        {"out": PAST},
    ),
    "GRUCell": (
        lambda p: nn.RNN(nn.GRUCell(p["cell"]["hn"]["bias"].shape[-1])),
        nn.RNN(nn.GRUCell(7)),
        SEQUENCE,
        {f"cell.i{gate}.{leaf}": spec for gate in "rzn" for leaf, spec in {"kernel": "in out", "bias": "out"}.items()}
        | {f"cell.h{gate}.kernel": "out out" for gate in "rzn"}
        | {"cell.hn.bias": "out"},
        {"out": PAST},
    ),
}


@pytest.mark.parametrize("name", LINEN)
def test_linen_modules(name):
    make, module, hidden, axes, inexact = LINEN[name]
    check(linen_network(make, module, hidden), axes, inexact)


def check(network, axes, inexact):
    groups = unit_groups(*network)
    described, named = described_axes(groups)
    assert described == axes, str(groups)
    for name, group in named.items():
        why = inexact.get(name, PAST if name == "in" else "")
        assert group.fixed or (why in group.inexact and group.exact == (not why)), str(group)


def nnx_network(module, hidden, width):
    graph, state = nnx.split(module)
    return between(lambda v, units: nnx.merge(graph, v)(units), shapes_of(state), hidden, width)


NNX = {
    "Linear": (lambda r: nnx.Linear(6, 7, rngs=r), DENSE, 7, {"kernel": "in out", "bias": "out"}),
    "Conv": (lambda r: nnx.Conv(6, 7, (3, 3), rngs=r), IMAGE, 7, {"kernel": "window window in out", "bias": "out"}),
    "BatchNorm": (
        lambda r: nnx.BatchNorm(6, use_running_average=True, rngs=r),
        DENSE,
        6,
        {"mean": "out", "var": "out", "scale": "out", "bias": "out"},
    ),
}


@pytest.mark.parametrize("name", NNX)
def test_nnx_modules(name):
    make, hidden, width, axes = NNX[name]
    check(nnx_network(make(nnx.Rngs(0)), hidden, width), axes, {})


def test_an_nnx_gate_is_found_by_its_name():
    class Gated(nnx.Module):
        def __init__(self):
            self.first, self.second = nnx.Linear(4, 6, rngs=nnx.Rngs(0)), nnx.Linear(6, 3, rngs=nnx.Rngs(1))
            self.liveness = nnx.Param(jnp.ones(6))

        def __call__(self, x):
            return self.second(jnp.tanh(self.first(x)) * row(jax.nn.relu(self.liveness[...])))

    graph, state = nnx.split(Gated())
    groups = unit_groups(lambda p, x: nnx.merge(graph, p)(x), state, shape(2, 4))
    (group,) = [group for group in groups.groups.values() if group.exact]
    assert {place.leaf.removesuffix(".value") for place in group.places} == {
        "first.kernel",
        "first.bias",
        "second.kernel",
        "liveness",
    }


def test_embedding():
    def apply(params, tokens):
        module = nn.Embed(*params["embed"]["params"]["embedding"].shape)
        units = module.apply(params["embed"], tokens)
        return (units * row(jax.nn.relu(params["liveness"]), 3)) @ params["last"]

    params = {"embed": {"params": {"embedding": shape(9, 6)}}, "liveness": shape(6), "last": shape(6, 3)}
    groups = unit_groups(apply, params, shape(2, 4, dtype=jnp.int32))
    assert places(groups["liveness"]) == {"embed.params.embedding": 1, "liveness": 0, "last": 0}
    assert groups["liveness"].exact
    assert "takes entries by position" in groups["embed.params.embedding[0]"].fixed


def test_a_module_that_fixes_its_size_is_told():
    apply, params, x = linen_network(lambda p: nn.Dense(7), nn.Dense(7), DENSE)
    group = unit_groups(apply, params, x)["liveness"]
    assert group.exact and group.own_size.startswith("the function fixes this size itself (ScopeParamShapeError")
