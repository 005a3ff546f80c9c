"""Which leaves of an optimiser's state belong to which parameters.

Optax tells it for most optimisers, by making a state for a placeholder. An optimiser that looks into its parameters (by
a function of labels, by concatenating them) cannot do with one. There it is seen in the shapes: a state is made, as
shapes only, for parameters whose axes all have different sizes, twice; a leaf that has the sizes of a parameter both
times belongs to it.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from jaxsize.errors import InputError, error_text
from jaxsize.trees import Tree
from jaxsize.units._program.axes import Axis, concatenated, product


class NotCuttableError(InputError):
    """An optimiser's state from which units cannot be removed."""


CANNOT_BE_CUT = "compact: this optimiser's state cannot be cut"
"""How the message of a `NotCuttableError` begins."""
_SMALLEST = 11  # the first of the sizes that tell axes apart


@dataclasses.dataclass(frozen=True)
class Owner:
    """The parameters that a leaf of a state belongs to; no pytree, so that it can stand in the place of the leaf."""

    names: tuple[str, ...] = ()
    """None, one of whose shape the leaf is, or several, whose entries it has one after the other (`optax.flatten`)."""

    def axes(self, of_parameters: Mapping[str, Sequence[Axis]]) -> list[Axis]:
        """Return the axes of a leaf, given those of the parameters by path; none for a leaf of no parameter."""
        if len(self.names) < 2:
            return list(of_parameters[self.names[0]]) if self.names else []
        return [concatenated([product(of_parameters[name]) for name in self.names])]


def is_pair(params: Tree) -> bool:
    """Tell whether parameters are `optax.LookaheadParams`, the fast ones with the slow ones."""
    return getattr(params, "_fields", None) == ("fast", "slow")


def new_state(optimizer: Any, params: Tree) -> Tree:
    """Compute the shapes of an optimiser's new state for parameters that are given as shapes.

    Raises:
        InputError: when the optimiser cannot make a state for them.
    """
    try:
        return jax.eval_shape(optimizer.init, params)
    except Exception as error:  # an optimiser is code of any kind
        message = f"compact: this optimiser makes no state for these parameters: {error_text(error)}"
        raise InputError(message) from error


def map_state(optimizer: Any, fn: Callable[[Any, Owner], Any], opt_state: Tree, params: Tree, names: Tree) -> Tree:
    """Replace every leaf of an optimiser's state.

    Args:
        optimizer: the optax transformation that made the state.
        fn: the new leaf for a leaf and its owner.
        opt_state: the state.
        params: the parameters that the optimiser trains, of one run, as shapes.
        names: the same tree, with the path of each parameter in its place.

    Raises:
        NotCuttableError: when it cannot be told which leaves belong to parameters.
    """
    return jax.tree.map(lambda owner, leaf: fn(leaf, owner), owners_of(optimizer, params, names), opt_state)


def owners_of(optimizer: Any, params: Tree, names: Tree) -> Tree:
    """Find the owner of every leaf of an optimiser's state.

    Args:
        optimizer: the optax transformation.
        params: the parameters that it trains, of one run, as shapes.
        names: the same tree, with the path of each parameter in its place.

    Returns:
        A tree like the state, of `Owner`s.

    Raises:
        NotCuttableError: when it cannot be told.
    """
    import optax  # here, so that finding groups needs JAX alone

    def is_masked(node: Any) -> bool:
        return isinstance(node, optax.MaskedNode)

    def owners() -> Tree:
        if is_pair(params):
            return _owners_by_size(optimizer, params, names, state)
        try:
            return by_placeholder()
        except Exception:  # an optimiser is code of any kind, run here on a placeholder for its parameters
            return _owners_by_size(optimizer, params, names, state)

    def by_placeholder() -> Tree:
        return optax.tree_map_params(
            optimizer,
            lambda leaf, name: leaf if is_masked(leaf) else Owner((name,)),
            state,
            names,
            transform_non_params=lambda _: Owner(),
            is_leaf=is_masked,
        )

    state = new_state(optimizer, params)
    # A number that is kept for a parameter as a whole, as by optax.zero_nans, has no units.
    return jax.tree.map(lambda owner, leaf: owner if leaf.shape else Owner(), owners(), state)


def _owners_by_size(optimizer: Any, params: Tree, names: Tree, state: Tree) -> Tree:
    """Find the owners by making the state for parameters whose axes all have sizes of their own."""
    leaves, structure = jax.tree.flatten(params)
    paths = jax.tree.leaves(names)
    numbers = itertools.count(_SMALLEST)
    tried = [[tuple(next(numbers) for _ in leaf.shape) for leaf in leaves] for _ in range(2)]

    def shapes_of_state(shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        other = [jax.ShapeDtypeStruct(shape, leaf.dtype) for shape, leaf in zip(shapes, leaves, strict=True)]
        made = new_state(optimizer, jax.tree.unflatten(structure, other))
        if jax.tree.structure(made) != jax.tree.structure(state):
            raise NotCuttableError(f"{CANNOT_BE_CUT}: it has another form for parameters of other sizes")
        return [leaf.shape for leaf in jax.tree.leaves(made)]

    def of_several(at: int) -> Owner:
        """Find the owner of the flat leaf of this number, by making one parameter after another longer by a row."""
        if [shapes[at] for shapes in made] == [(sum(map(math.prod, shapes)),) for shapes in tried]:
            return Owner(tuple(paths))
        owners = []
        for number, shape in enumerate(tried[0]):
            longer = (shape[0] + 1, *shape[1:]) if shape else shape
            changed = shapes_of_state([*tried[0][:number], longer, *tried[0][number + 1 :]])[at]
            owners += [number] if changed[0] - made[0][at][0] == math.prod(shape[1:]) and shape else []
        if sum(math.prod(tried[0][number]) for number in owners) != made[0][at][0]:
            raise NotCuttableError(f"{CANNOT_BE_CUT}: it keeps {made[0][at]} for parameters {tried[0]}")
        return Owner(tuple(paths[number] for number in owners))

    made = [shapes_of_state(shapes) for shapes in tried]
    owners = []
    for at, (one, other) in enumerate(zip(*made, strict=True)):
        same = [path for path, *both in zip(paths, *tried, strict=True) if both == [one, other]]
        if one == other:
            owners.append(Owner())
        elif same or len(one) == 1:
            owners.append(Owner((same[0],)) if same else of_several(at))
        else:
            owner = next((n for n, shape in enumerate(tried[0]) if set(shape) & set(one)), 0)
            kept = list(jax.tree.leaves(state)[at].shape)
            raise NotCuttableError(f"{CANNOT_BE_CUT}: for {paths[owner]} {list(leaves[owner].shape)} it keeps {kept}")
    return jax.tree.unflatten(jax.tree.structure(state), owners)
