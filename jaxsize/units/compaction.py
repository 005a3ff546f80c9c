"""Compaction: dead units leave parameters, optimiser state and bookkeeping, and nothing else changes.

One generic gather: every axis of every array keeps the entries of the units that stay. The optimiser's state is reached
through its leaves that are shaped like parameters, so that training goes on as if nothing had happened. Source: seed
`003_d2c286111c329776.txt` and its paper; D8.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Array, Tree, named_leaves, with_leaves
from jaxsize.units._cutting import cut_bookkeeping, cut_opt_state, gather, one_run
from jaxsize.units._gradients import gradients_of
from jaxsize.units._optimizer_steps import require_per_unit
from jaxsize.units._program.axes import Axis
from jaxsize.units._program.entries import kept_of
from jaxsize.units._refusals import require_closed, require_removable, require_same_gradients, warn_if_it_runs
from jaxsize.units._state_owners import is_pair
from jaxsize.units._staying import all_units, as_mask, checked_survivors, filled
from jaxsize.units.groups import UnitGroups


class Compacted(NamedTuple):
    """What is left of a network, and of the state of its training, after `compact`.

    Example:
        >>> import jax, jaxsize
        >>> network = jaxsize.mlp((4, 3, 2))
        >>> params = network.init(0)
        >>> params["hidden"][0]["liveness"][1] = -0.5
        >>> groups = jaxsize.unit_groups(network.apply, params, jax.numpy.ones((1, 4)))
        >>> small = jaxsize.compact(groups, params, {"hidden.0": [0, 2]})
        >>> small.groups["hidden.0"].size, small.survivors["hidden.0"].tolist()
        (2, [0, 2])
    """

    params: Tree
    """The parameters that are left."""
    opt_state: Tree
    """What is left of the optimiser's state; None if none was given."""
    bookkeeping: Tree
    """What is left of the bookkeeping; None if none was given."""
    averages: Tree
    """What is left of the averages; None if none were given."""
    groups: UnitGroups
    """The same groups, at their new sizes."""
    survivors: dict[str, np.ndarray]
    """Per group the original index of every unit that is left, ascending: int [U], or [R, U] for a batch of runs."""

    @property
    def apply(self) -> Callable[..., Any]:
        """The function for the parameters that are left, however it was written: see `UnitGroups.apply`."""
        return self.groups.apply


def compact(
    groups: UnitGroups,
    params: Tree,
    live: Mapping[str, Array | Sequence[int]],
    *,
    optimizer: Any = None,
    opt_state: Tree = None,
    trained: Callable[[Tree], Tree] = lambda params: params,
    bookkeeping: Tree = None,
    averages: Tree = None,
    survivors: Mapping[str, Array] | None = None,
    widths: Mapping[str, int] | None = None,
    loss_fn: Callable[[Tree], Any] | None = None,
    exact: bool = True,
) -> Compacted:
    """Remove the units that are not live from everything that has one entry per unit.

    With `exact`, outputs and all later steps are those of the masked twin, on these conditions. The loss depends on the
    units through the network alone, or is given as `loss_fn`, by which that is seen: a sum of squares of weights is
    harmless to an optimiser that takes every entry by itself, as Adam does; a mean or a norm of weights is not. The
    groups were read off the function that is trained: where only that draws random numbers for every unit, as dropout
    does, later steps have the same law, but draw others (see `Group.in_law`).

    A batch of R runs has a leading axis [R] in every array. NumPy arrays stay NumPy arrays, JAX arrays stay JAX arrays.
    Nothing that is given is changed.

    Args:
        groups: unit groups of the function that `params` belong to, at their present size.
        params: the parameters, of one run or of a batch of runs; or `optax.LookaheadParams`, two trees of them, of
            which the fast ones are those of the function. A unit that goes then has to be closed in both, since the
            slow gate comes to stand for the fast one when they are synchronised.
        live: per group which units stay, either bool [U] or their indices, int [n] (for a batch of runs bool [R, U] or
            int [R, n]). Groups that are not named stay whole; if none is, a warning says why nothing can be removed.
        optimizer: the optax transformation that made `opt_state`.
        opt_state: the optimiser's state; every leaf that is shaped like a parameter is cut like this parameter.
        trained: picks the part of `params` that the optimiser was given, such as
            `lambda variables: variables["params"]`.
        bookkeeping: arrays of the shape of a gate, each below a dict key that is the gate's name, as death rules keep
            them.
        averages: one tree like the parameters, or several in a tuple or list: running averages, as `optax.ema` keeps
            them of parameters. They are cut alike. An averaged gate lags behind that of the network and may be open
            still; what its unit adds to the averaged network goes with it. Who wants to wait gives only those units as
            dead that are so in `groups.live(averages)` as well.
        survivors: the `survivors` of an earlier compaction, whose original indices are carried on.
        widths: how many units to keep per group of `live`, by default the live ones (for a batch of runs:
            the largest number of live units of any run). Where a run has fewer live units, its first dead units fill
            the width up, so that runs share their shapes. At least one unit stays.
        loss_fn: (params) -> the loss [] that is trained, with data of any kind in it; or values from which the loss
            follows. Of its program, which must take its sizes from the parameters (`units.resizable` makes a network
            do so), the gradients are read. It must be given if the optimiser sums over the gradients of units, as
            clipping by a global norm does: dead units must have none then, neither of an L2 penalty nor of a gate such
            as jnp.maximum(gate, 0), whose derivative at 0 is one half.
        exact: whether to refuse what would change the network's outputs, or how it goes on training.

    Returns:
        What is left.

    Raises:
        InputError: when units are out of range or repeated; when a group is unknown, fixed or not exact; when a width
            is below the number of live units or above that of all units; when a unit that goes has an open gate; when
            parameters have other shapes than the groups; when the optimiser's state cannot be cut; when its next steps
            would change, or some losses would make them change and `loss_fn` is not given; when the gradients of
            `loss_fn` would change.

    Example:
        >>> import numpy as np
        >>> from jaxsize.units import compact, unit_groups
        >>> def apply(params, inputs):
        ...     return (inputs @ params["first"] * params["liveness"]) @ params["second"]
        >>> params = {"first": np.ones((4, 3)), "liveness": np.array([1.0, 0.0, 0.5]), "second": np.ones((3, 2))}
        >>> inputs = np.ones((1, 4))
        >>> groups = unit_groups(apply, params, inputs)
        >>> small = compact(groups, params, groups.live(params))
        >>> small.params["first"].shape, small.params["second"].shape
        ((4, 2), (2, 2))
        >>> apply(params, inputs).tolist(), apply(small.params, inputs).tolist()
        ([[6.0, 6.0]], [[6.0, 6.0]])
    """
    if exact and not live and (obstacles := groups.obstacles()):
        warnings.warn(
            f"compact: `live` names no group, so that nothing is removed: {'; '.join(obstacles)}", stacklevel=2
        )
    together = type(params)  # of fast and slow parameters, where they are such a pair
    params, slow = params if is_pair(params) else (params, None)
    leaves = named_leaves(params)
    num_runs = _num_runs(groups, leaves)
    kept: dict[Axis, np.ndarray] = {}
    staying: dict[str, np.ndarray] = {}
    for name, given in live.items():
        group = groups[name]
        mask = as_mask(group, given, num_runs)
        width = (widths or {}).get(name, max(1, int(mask.sum(-1).max())))
        require_removable(group, width, exact)
        staying[name] = kept[groups.atoms[name]] = filled(group, mask, width)
    if unknown := set(widths or {}) - set(live):
        raise InputError(f"compact: expected widths of groups in `live` ({', '.join(live)}), got {min(unknown)!r}")
    cut = frozenset(name for name, index in staying.items() if index.shape[-1] < groups[name].size)
    gradients = None
    if exact:
        require_closed(groups, params, staying)
        if slow is not None:
            require_closed(groups, slow, staying, "slow ")
        if loss_fn is not None and cut:
            gradients = gradients_of(loss_fn, one_run(params, num_runs), groups)
            require_same_gradients(groups, gradients, cut)

    plans = {leaf: tuple(kept_of(axis, kept) for axis in axes) for leaf, axes in groups.axes.items()}

    def without_units(tree: Tree) -> Tree:
        of_tree = named_leaves(tree)
        if _num_runs(groups, of_tree) != num_runs:
            raise InputError("compact: expected as many runs in all trees of parameters, got different numbers")
        return with_leaves(tree, {leaf: gather(value, plans[leaf], num_runs) for leaf, value in of_tree.items()})

    smaller = without_units(params)
    if opt_state is not None:
        if optimizer is None:
            raise InputError("compact: expected the optimizer that made `opt_state`, got None")

        def for_optimizer(tree: Tree) -> Tree:
            return trained(tree) if slow is None else together(trained(tree), trained(tree))

        names = for_optimizer(with_leaves(params, {leaf: leaf for leaf in leaves}))
        before, after = (one_run(for_optimizer(tree), num_runs) for tree in (params, smaller))
        if exact:
            require_per_unit(optimizer, before, names, groups, cut, gradients)
        opt_state = cut_opt_state(optimizer, opt_state, before, after, names, groups, kept, num_runs)
    if any(groups[name].own_size for name in cut):
        warn_if_it_runs(groups, one_run(smaller, num_runs))
    original = {name: all_units(group, num_runs) for name, group in groups.groups.items()}
    original |= {name: checked_survivors(groups[name], ids, num_runs) for name, ids in (survivors or {}).items()}
    return Compacted(
        smaller if slow is None else together(smaller, without_units(slow)),
        opt_state,
        cut_bookkeeping(groups, bookkeeping, plans, num_runs),
        _cut_averages(averages, without_units),
        groups.resized({name: index.shape[-1] for name, index in staying.items()}),
        {
            name: np.take_along_axis(ids, staying[name], -1) if name in staying else ids
            for name, ids in original.items()
        },
    )


def _num_runs(groups: UnitGroups, leaves: Mapping[str, Array]) -> int | None:
    """Find the length of the run axis, None without one, and refuse parameters that are not those of the groups."""
    if list(leaves) != list(groups.axes):
        odd = min(set(leaves) ^ set(groups.axes), default="their order")
        raise InputError(f"compact: expected the parameters that the groups were read from, got a difference in {odd}")
    runs = set()
    for name, axes in groups.axes.items():
        expected, shape = tuple(axis.size for axis in axes), np.shape(leaves[name])
        runs.add(shape[: len(shape) - len(expected)])
        if shape[len(shape) - len(expected) :] != expected or len(runs) > 1 or len(min(runs)) > 1:
            raise InputError(f"compact: expected {name} {list(expected)}, or one run axis before, got {list(shape)}")
    (leading,) = runs or {()}
    return leading[0] if leading else None


def _cut_averages(averages: Tree, cut: Callable[[Tree], Tree]) -> Tree:
    """Cut one average, or each of several in a tuple or list."""
    if averages is None:
        return None
    several = type(averages) in (tuple, list)
    return type(averages)(map(cut, averages)) if several else cut(averages)
