"""All unit groups of a function: which units live, and sizes with fewer of them."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates._names import gate_name
from jaxsize.trees import Array, Tree, named_leaves
from jaxsize.units._function import Function
from jaxsize.units._group import Group, obstacles, summary
from jaxsize.units._places import places_of
from jaxsize.units._program.axes import Axis
from jaxsize.units._program.entries import closed_units, resized, size_with
from jaxsize.units._program.gate_sets import Gate, GateSets
from jaxsize.units._program.multiply_adds import Cost, total
from jaxsize.units._program.retrace import shapes_with


@dataclasses.dataclass(frozen=True, eq=False)
class UnitGroups:
    """All unit groups of a function.

    `print` shows how many can lose units, the gates, and how many cannot; then a table for each group that is not
    fixed, and why the others are.

    Example:
        >>> import jax, jaxsize
        >>> network = jaxsize.mlp((4, 3, 2))
        >>> params = network.init(0)
        >>> params["hidden"][0]["liveness"][1] = -0.5
        >>> groups = jaxsize.unit_groups(network.apply, params, jax.numpy.ones((1, 4)))
        >>> list(groups.groups)
        ['hidden.0', 'hidden.0.kernel[0]', 'output.kernel[1]']
        >>> groups.num_parameters(), groups.num_parameters({"hidden.0": 1})
        (26, 10)
        >>> groups.live(params)["hidden.0"].tolist()
        [True, False, True]
    """

    groups: dict[str, Group]
    """The groups, by name."""
    axes: dict[str, tuple[Axis, ...]]
    """Axes of every parameter, by path."""
    atoms: dict[str, Axis]
    """The axis of every group, by name of the group."""
    costs: tuple[Cost, ...]
    """Multiply-adds of every contraction and convolution."""
    origin: "UnitGroups | None" = None
    """The groups as they were read off the function, if units have been removed since."""
    gates: frozenset[str] = frozenset()
    """The paths of all gates, whether they can close units or not."""
    function: Function | None = None
    """The function that the groups were read from, at the sizes that it had then."""

    def __getitem__(self, name: str) -> Group:
        if name not in self.groups:
            known = ", ".join(self.groups) or "none"
            raise InputError(f"unit groups: expected one of {known}, got {name!r}")
        return self.groups[name]

    def __str__(self) -> str:
        parts = [summary(self.groups, [leaf for leaf in self.axes if leaf in self.gates])]
        parts += [str(group) for group in self.groups.values() if not group.fixed]
        fixed = [f"  {name}: {group.size}, {group.fixed}" for name, group in self.groups.items() if group.fixed]
        return "\n\n".join(parts + (["\n".join(["fixed:", *fixed])] if fixed else []))

    def obstacles(self) -> list[str]:
        """Say what keeps gates from removing units, a line per gate; of a function without gates, one per group.

        Gates of inputs, which remove no units, are left out.

        Example:
            >>> import jax, jaxsize
            >>> network = jaxsize.mlp((4, 3, 2), gate=None)
            >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 4)))
            >>> groups.obstacles()[0], groups.obstacles()[1][:31]
            ('no parameter is a gate', 'hidden.0.kernel[1]: dot_general')
        """
        return obstacles(self.groups, self.gates)

    def live(self, params: Tree, *, quiet: bool = False) -> dict[str, np.ndarray]:
        """Tell which units have an open gate.

        Args:
            params: the parameters of the function, of one run or of a batch of R runs (a leading axis [R] everywhere).
            quiet: whether no warning is wanted of gates that can remove no units.

        Returns:
            Per group with gates that can lose units exactly: bool [U], or [R, U] for a batch of runs. A warning says of
            every other gate why its units cannot be removed.
        """
        if not quiet and (obstacles := self.obstacles()):
            warnings.warn(f"live: units that cannot be removed are left out: {'; '.join(obstacles)}", stacklevel=2)
        leaves = named_leaves(params)

        def closed(gate: Gate) -> np.ndarray:
            value = np.asarray(leaves[gate.leaf])
            return value <= 0 if gate.closed_below else value == 0

        return self._open(closed)

    def live_by_gate(self, live: Mapping[str, Array]) -> dict[str, np.ndarray]:
        """Tell which units are live, given the live units of gates, as death rules keep them.

        Args:
            live: for some gates, by name (as `gates.read_liveness` gives them): bool, of the shape of the gate [*gate],
                or [R, *gate] for a batch of R runs.

        Returns:
            Per group of which all gates are given and that can lose units exactly: bool [U], or [R, U].
        """

        def given(group: Group) -> bool:  # gates that are known by what they do have no names
            return not group.recognised and all(
                gate_name(gate.leaf) in live for gate_set in group.gates for gate in gate_set
            )

        return self._open(lambda gate: ~np.asarray(live[gate_name(gate.leaf)], bool), given)

    def _open(
        self, closed: Callable[[Gate], np.ndarray], given: Callable[[Group], bool] = lambda group: True
    ) -> dict[str, np.ndarray]:
        """Tell which units are open, per group with gates that can lose units exactly.

        Args:
            closed: which entries of a gate are closed.
            given: whether that is known for all gates of a group.
        """

        def unit_closed(name: str, gate: Gate) -> np.ndarray:
            return closed_units(closed(gate), self.axes[gate.leaf], self.atoms[name])

        def unit_open(name: str, gate_sets: GateSets) -> np.ndarray:
            by_gate_set = [np.all([unit_closed(name, gate) for gate in gate_set], axis=0) for gate_set in gate_sets]
            return ~np.any(by_gate_set, axis=0)

        return {
            name: np.asarray(unit_open(name, group.gates))
            for name, group in self.groups.items()
            if group.gates and group.exact and given(group)
        }

    def resized(self, sizes: Mapping[str, int]) -> "UnitGroups":
        """Copy the groups, as if those in `sizes` had these sizes."""
        copies: dict[Axis, Axis] = {atom: Axis(size) for atom, size in self._by_atom(sizes).items()}
        axes = {leaf: tuple(resized(axis, copies) for axis in of_leaf) for leaf, of_leaf in self.axes.items()}
        new_atoms = {name: resized(atom, copies) for name, atom in self.atoms.items()}
        costs = tuple(Cost(cost.factor, tuple(resized(axis, copies) for axis in cost.axes)) for cost in self.costs)
        groups = {
            name: dataclasses.replace(group, size=new_atoms[name].size, places=places_of(axes, new_atoms[name]))
            for name, group in self.groups.items()
        }
        return UnitGroups(groups, axes, new_atoms, costs, self.origin or self, self.gates, self.function)

    def shapes(self, params: Tree, sizes: Mapping[str, int]) -> Tree:
        """Compute the shapes of parameters with other numbers of units in some groups.

        Args:
            params: the parameters of the function, or their shapes, of one run.
            sizes: how many units the groups have that get another number, by name of the group.

        Returns:
            `params` with a jax.ShapeDtypeStruct in place of every leaf whose shape changes, and its other leaves.

        Raises:
            InputError: when there is no group of a name in `sizes`.

        Example:
            >>> import jax, jaxsize
            >>> network = jaxsize.mlp((4, 3, 2))
            >>> params = network.init(0)
            >>> groups = jaxsize.unit_groups(network.apply, params, jax.numpy.ones((1, 4)))
            >>> shapes = groups.shapes(params, {"hidden.0": 7})
            >>> shapes["hidden"][0]["kernel"].shape, shapes["output"]["kernel"].shape, shapes["output"]["bias"].shape
            ((4, 7), (7, 2), (2,))
        """
        return shapes_with(params, self.axes, self._by_atom(sizes))

    def num_parameters(self, sizes: Mapping[str, int] | None = None) -> int:
        """Count the entries of all parameters, as if the groups in `sizes` had these sizes.

        Raises:
            InputError: when there is no group of a name in `sizes`.
        """
        by_atom = self._by_atom(sizes)
        return sum(int(np.prod([size_with(axis, by_atom) for axis in axes], dtype=int)) for axes in self.axes.values())

    def num_multiply_adds(self, sizes: Mapping[str, int] | None = None) -> int:
        """Count the multiply-adds of all contractions and convolutions of a call with inputs of the shapes traced.

        The groups that `sizes` names have other numbers of units.

        Raises:
            InputError: when there is no group of a name in `sizes`.
        """
        return total(self.costs, self._by_atom(sizes))

    def apply(self, params: Tree, *inputs: Any) -> Any:
        """Run the function with parameters of the sizes of these groups.

        That is the function itself where it takes its sizes from its parameters. Where it fixes a size that has been
        cut (`Group.own_size`), its program is run at the new sizes: it is traced with parameters of its own sizes, and
        the sizes in its equations are rewritten. Outputs and gradients are those of the function with the dead units
        held at 0; a number that it computes from a size, such as the n of a mean, stays that of the function.

        Args:
            params: the parameters, of one run.
            inputs: the further arguments of the function, of any shapes that it takes.

        Returns:
            What the function returns.

        Raises:
            InputError: when the parameters have other sizes than the groups, or a derivative of the function's own
                cannot be taken with fewer units.

        Example:
            >>> import jax.numpy as jnp, numpy as np
            >>> import jaxsize
            >>> def apply(params, inputs):  # its width, 3, is written out
            ...     units = jnp.tanh(inputs @ params["in"].reshape(4, 3)) * jaxsize.relu(params["liveness"])
            ...     return units @ params["out"]
            >>> params = {"in": np.ones((4, 3)), "liveness": np.array([1.0, 0.0, 0.5]), "out": np.ones((3, 2))}
            >>> groups = jaxsize.unit_groups(apply, params, np.ones((1, 4)))
            >>> small = jaxsize.compact(groups, params, groups.live(params))
            >>> small.params["in"].shape, small.apply(small.params, np.ones((7, 4))).shape
            ((4, 2), (7, 2))
        """
        if self.function is None:
            raise InputError("expected groups as `unit_groups` returns them, got some without a function")
        first = self.origin or self
        sizes = {first.atoms[name]: group.size for name, group in self.groups.items() if group.size != first[name].size}
        fixes = any(group.own_size and group.size != first[name].size for name, group in self.groups.items())
        run = self.function.at_other_sizes(sizes) if fixes else self.function.apply
        return run(params, *inputs)

    def _by_atom(self, sizes: Mapping[str, int] | None) -> dict[Axis, int]:
        """Give sizes by the atom of a group in place of its name."""
        return {self.atoms[self[name].name]: size for name, size in (sizes or {}).items()}
