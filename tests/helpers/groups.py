"""What the tests of unit groups share: shapes, what a group is said to be, closing gates and scrambling the rest."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.trees import named_leaves, with_leaves
from jaxsize.units import compact, unit_groups
from jaxsize.units._program.entries import kept_of


def shape(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


def shapes_of(tree):
    return jax.tree.map(lambda leaf: shape(*np.shape(leaf), dtype=jnp.result_type(leaf)), tree)


def normal(seed, *sizes):
    return np.random.default_rng(seed).normal(size=sizes).astype(np.float32)


def random_params(seed, shapes):
    """Generic parameters: normal, with gates at least 1/2 away from 0."""
    leaves, tree = jax.tree.flatten(shapes)
    drawn = [normal((seed, number), *leaf.shape) for number, leaf in enumerate(leaves)]
    params = tree.unflatten(drawn)
    gates = {k: 0.5 + abs(v) if "liveness" in k else v for k, v in named_leaves(params).items()}
    return with_leaves(params, gates)


def places(group):
    """{leaf: axis} of a group; of a leaf with several, the last."""
    return {place.leaf: place.axis for place in group.places}


def gates(group):
    """The sets of gates that close a unit of the group, a text for each: {"a <= 0 and b == 0", "c <= 0"}."""
    return {" and ".join(sorted(map(str, gate_set))) for gate_set in group.gates}


def conv(inputs, kernel, groups=1):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        inputs, kernel, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=groups
    )


def row(vector, ndim=2):
    return jnp.expand_dims(vector, range(ndim - vector.ndim))


def entries(groups, name, leaf, units):
    """Per axis of a parameter, which entries belong to these units of the group: list of bool arrays."""
    atom = groups.atoms[name]
    others = {atom: np.setdiff1d(np.arange(atom.size), units)}
    masks = []
    for axis in groups.axes[leaf]:
        kept = kept_of(axis, others)
        mask = np.zeros(axis.size, bool) if kept is None else np.ones(axis.size, bool)
        mask[kept if kept is not None else []] = False
        masks.append(mask)
    return masks


def closed(groups, params, name, units, gate_set):
    """`params` with the gates of one set closed at these units: at 0, or below for relu gates."""
    leaves = {k: np.array(v) for k, v in named_leaves(params).items()}
    for gate in gate_set:
        for dim, mask in enumerate(entries(groups, name, gate.leaf, units)):
            np.moveaxis(leaves[gate.leaf], dim, 0)[mask] = -0.7 if gate.closed_below else 0
    return with_leaves(params, leaves)


def scrambled(groups, params, name, units, seed, scale=100.0):
    """`params` with everything that these units have, except gates, replaced by random numbers."""
    leaves = {k: np.array(v) for k, v in named_leaves(params).items()}
    gates = {gate.leaf for gate_set in groups[name].gates for gate in gate_set}  # whatever their names
    for number, leaf in enumerate(leaves):
        if "liveness" in leaf or leaf in gates or not np.issubdtype(leaves[leaf].dtype, np.floating):
            continue
        for dim, mask in enumerate(entries(groups, name, leaf, units)):
            lines = np.moveaxis(leaves[leaf], dim, 0)
            lines[mask] = scale * normal((seed, number, dim), *lines[mask].shape)
    return with_leaves(params, leaves)


def assert_exact(apply, groups, params, name, *inputs, units=(0,)):
    """Nothing but the closed gates is read of these units: the outputs do not change, whatever else they have."""
    units = np.array(units)
    assert groups[name].exact and groups[name].gates, str(groups[name])
    for number, gate_set in enumerate(sorted(groups[name].gates, key=sorted)):
        shut = closed(groups, params, name, units, gate_set)
        other = scrambled(groups, shut, name, units, number)
        assert any((a != b).any() for a, b in zip(jax.tree.leaves(shut), jax.tree.leaves(other), strict=True))
        chex.assert_trees_all_equal(apply(shut, *inputs), apply(other, *inputs), strict=True)


def assert_cut_equals_twin(apply, params, *inputs, units=(1, 2)):
    """Every group that can be cut exactly: of closed units nothing is read, and without them the outputs are the same.

    Returns the groups.
    """
    groups = unit_groups(apply, params, *inputs)
    exact = [group for group in groups.groups.values() if group.exact]
    apply = jax.jit(apply)
    for group in exact:
        units = [unit for unit in units if unit < group.size][: group.size - 1]
        assert_exact(apply, groups, params, group.name, *inputs, units=units)
        shut = closed(groups, params, group.name, np.array(units), min(group.gates, key=sorted))
        small = compact(groups, shut, {group.name: groups.live(shut, quiet=True)[group.name]})
        assert small.groups[group.name].size == group.size - len(units)
        chex.assert_trees_all_close(apply(small.params, *inputs), apply(shut, *inputs), rtol=1e-5, atol=1e-5)
    return exact
