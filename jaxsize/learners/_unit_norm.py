"""Units whose incoming weights are kept at norm 1, their size in the gate."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates._names import is_gate, owner_of_gate
from jaxsize.gates.group_lasso import group_norms
from jaxsize.gates.leaves import read_liveness
from jaxsize.trees import Tree, named_leaves, owner_of, with_leaves


def group_names(params: Tree, *, unit_norm: bool) -> Tree:
    """Name the group of every leaf that is moved alike: "gates", "unit_norm" (weights kept at norm 1) or "weights"."""
    names = {name: "gates" if is_gate(name) else "weights" for name in named_leaves(params)}
    for name in itertools.chain(*_beside_gates(params).values()) if unit_norm else ():
        names[name] = "gates" if is_gate(name) else "unit_norm"
    return with_leaves(params, names)


def _beside_gates(params: Tree) -> dict[str, list[str]]:
    """List the names of the arrays that stand beside each gate, the gate included, by the name of the gate.

    Gates beside which there are no weights, arrays with two axes or more, are left out: those of inputs.
    """
    leaves, layers = named_leaves(params), {}
    for gate in read_liveness(params):
        beside = [leaf for leaf in leaves if owner_of(leaf) == owner_of_gate(gate)]
        if any(np.ndim(leaves[leaf]) > 1 for leaf in beside):
            layers[gate] = beside
    return layers


def normalize_units(params: Tree) -> Tree:
    """Divide the incoming weights and the bias of every gated unit by the norm of its weights, and put it in the gate.

    The gate is multiplied by the norm, so the function computed does not change, since a relu unit is positively
    homogeneous. A unit with zero weights is left alone, and so is a gate without weights beside it (the gate of the
    inputs). The weights of a unit are the arrays beside its gate that have two axes or more; every array beside a gate
    must scale with the units, as weights and biases do.

    Raises:
        InputError: when an array beside a gate does not have the units on its last axis.
    """
    leaves, gates = named_leaves(params), read_liveness(params)
    for gate, beside in _beside_gates(params).items():
        for name in beside:
            if jnp.shape(leaves[name])[-1:] != gates[gate].shape:
                expected = f"expected units {list(gates[gate].shape)} on the last axis of {name!r}"
                raise InputError(expected, field="unit_norm")
        weights = [leaves[name] for name in beside if leaves[name].ndim > 1]
        rows = [jnp.reshape(array, (-1, array.shape[-1])) for array in weights]
        norms = group_norms(rows[0] if len(rows) == 1 else jnp.concatenate(rows))
        norms = jnp.where(norms > 0, norms, 1)
        leaves |= {name: _scaled(leaves[name], norms, leaves[name] is gates[gate]) for name in beside}
    return with_leaves(params, leaves)


def _scaled(leaf: jax.Array, norms: jax.Array, is_gate: bool) -> jax.Array:
    return leaf * norms if is_gate else leaf / jnp.expand_dims(norms, range(leaf.ndim - 1))
