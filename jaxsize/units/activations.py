"""What the units of any network put out before their gates, read off the program of the network."""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaxsize.errors import InputError
from jaxsize.trees import Tree
from jaxsize.units._group import INPUTS
from jaxsize.units._naming import group_of, is_folded
from jaxsize.units._program.axes import Axis, atoms, find
from jaxsize.units._program.axis_rules import tie_axes
from jaxsize.units._program.contraction_rules import summed_axes
from jaxsize.units._program.flatten import Program, Step, Value, program_of
from jaxsize.units._program.gate_sets import atoms_of
from jaxsize.units._program.primitives import REDUCTIONS
from jaxsize.units._program.sources import DATA, sources_of
from jaxsize.units._program.taps import tapped
from jaxsize.units.groups import UnitGroups
from jaxsize.units.reading import unit_groups


def activations(
    apply: Callable[..., Any], params: Tree, *inputs: Any, names: Iterable[str] | None = None
) -> dict[str, jax.Array]:
    """Compute what the units of a network put out, before their gates.

    The network is evaluated step by step as it stands, so that numbers are those that it computes itself; what is
    computed twice because of that, XLA computes once. The function can be jitted and mapped, and so can what calls it.

    Args:
        apply: the function of the network.
        params: its parameters.
        inputs: its further arguments.
        names: which units are wanted, by name of the group, of the gate or of the layer. None: of all groups that a
            step sums over, except of the inputs, and of those that are windows or positions rather than units: along
            which a convolution slides, or which a step takes by position.

    Returns:
        By group, or by the names given, the units' values with the units last, [B, ..., U]. It is what the last step
        that sums over the units reads, before the gate if a gate was multiplied on the way to it. Where several layers
        write to the same units (a residual stream), that is the whole stream; with gates in each of several branches
        that are added, it is the sum, after their gates. Groups that are read in loops or branches only are left out.

    Raises:
        InputError: when units that `names` asks for are not there, or are read in a loop or a branch only.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.networks import mlp
        >>> from jaxsize.units import activations
        >>> network = mlp((2, 2, 1), gate="size", bias="zeros")
        >>> params = network.init(0)
        >>> params["hidden"][0]["kernel"][:] = [[1, -1], [1, 1]]
        >>> values = activations(network.apply, params, jnp.array([[1.0, 2.0]]), names=["hidden.0"])
        >>> values["hidden.0"].tolist()
        [[3.0, 1.0]]
    """
    leaves, tree = jax.tree.flatten((params, inputs))
    shapes = tuple((np.shape(leaf), jax.numpy.result_type(leaf)) for leaf in leaves)
    plan = _plan(apply, tree, shapes)
    wanted = plan.usual if names is None else dict.fromkeys(names)
    taps: dict[str, _Tap] = {}
    for name in wanted:
        group = group_of(plan.groups, name, where="activations")
        if group not in plan.taps:
            raise InputError(
                f"activations: expected units that a step outside of loops and branches reads, got {name!r}"
            )
        taps[name] = plan.taps[group]
    values = tapped(plan.jaxpr, leaves, [tap.path for tap in taps.values()])
    return {name: _units_last(values[tap.path], tap.axes, tap.atom) for name, tap in taps.items()}


class _Tap(NamedTuple):
    """Where the values of a group are computed, and which of their axes have its units."""

    path: tuple[int, ...]
    axes: tuple[Axis, ...]
    atom: Axis


class _Plan(NamedTuple):
    jaxpr: ClosedJaxpr
    groups: UnitGroups
    taps: dict[str, _Tap]
    usual: tuple[str, ...]
    """The groups whose values are handed out where none are asked for by name."""


@functools.lru_cache(maxsize=64)
def _plan(apply: Callable[..., Any], tree: Any, shapes: tuple) -> _Plan:
    """Find out where a function computes the values of its units, for arguments of these shapes."""
    params, inputs = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(*shape) for shape in shapes])
    groups = unit_groups(apply, params, *inputs)
    jaxpr = jax.make_jaxpr(apply)(params, *inputs)
    program = program_of(jaxpr)
    values = dict(zip(groups.axes, program.inputs, strict=False))
    for value in program.inputs:
        value.axes = [Axis(size) for size in value.shape]
    tie_axes(program)
    finder = _Finder(program, values)
    taps: dict[str, _Tap] = {}
    usual: list[str] = []
    for name, group in groups.groups.items():
        place = group.places[0]
        position = list(atoms(groups.axes[place.leaf][place.axis])).index(find(groups.atoms[name]))
        atom = list(atoms(values[place.leaf].axes[place.axis]))[position]
        value = None if group.fixed == INPUTS else finder.before_the_gate(atom)
        if value is not None and value.origin is not None:
            taps[name] = _Tap(value.origin, tuple(value.axes), atom)
            usual += [] if find(atom).fixed else [name]
    return _Plan(jaxpr, groups, taps, tuple(usual))


class _Finder:
    """Finds the values of units in a program.

    Args:
        program: the program, with its axes tied.
        leaves: the values of all parameters, by path.
    """

    def __init__(self, program: Program, leaves: Mapping[str, Value]):
        self.sources = sources_of(program, leaves)
        self.gates = frozenset(name for name in leaves if is_folded(name, leaves))
        self.steps = program.steps
        self.makers = {value: step for step in program.steps for value in step.outputs}

    def before_the_gate(self, atom: Axis) -> Value | None:
        """Return what the last step that sums over an atom reads of data, before any gate; None if no step does."""
        read = [value for step in self.steps for value in self._read(step, atom) if self._is_data(value, atom)]
        if not read:
            return None
        before = self._behind(read[-1], atom, {})
        return next(iter(before)) if before is not None and len(before) == 1 else read[-1]

    def _read(self, step: Step, atom: Axis) -> list[Value]:
        """List the operands of which a step sums over an atom."""
        if step.name in REDUCTIONS:
            (operand,) = step.inputs
            summed = [(operand, operand.axes[dim]) for dim in step.params["axes"]]
        else:
            summed = summed_axes(step)
        return [value for value, axis in summed if atom in atoms(axis)]

    def _is_data(self, value: Value, atom: Axis) -> bool:
        return DATA in self.sources.get(value, frozenset()) and atom in atoms_of(value)

    def _behind(self, value: Value, atom: Axis, seen: dict[Value, frozenset[Value] | None]) -> frozenset[Value] | None:
        """Return what the gates multiply from which a value comes; None if it comes past all gates as well."""
        if value not in seen:
            seen[value] = self._behind_step(self.makers.get(value), atom, seen)
        return seen[value]

    def _behind_step(
        self, step: Step | None, atom: Axis, seen: dict[Value, frozenset[Value] | None]
    ) -> frozenset[Value] | None:
        if step is None or step.body is not None or summed_axes(step):
            return None
        data = [value for value in step.inputs if self._is_data(value, atom)]
        if step.name == "mul" and len(data) == 1:
            (other,) = [value for value in step.inputs if value is not data[0]] or data
            sources = self.sources.get(other, frozenset())
            if sources and sources <= self.gates and atom in atoms_of(other):
                return frozenset(data)
        behind = [self._behind(value, atom, seen) for value in data]
        if not behind or any(values is None for values in behind):
            return None
        return frozenset(itertools.chain.from_iterable(values for values in behind if values is not None))


def _units_last(value: jax.Array, axes: Iterable[Axis], atom: Axis) -> jax.Array:
    """Move the units of an atom to the last axis of a value, out of the axes that they were flattened into."""
    axes = [find(axis) for axis in axes]
    dim = next(dim for dim, axis in enumerate(axes) if atom in atoms(axis))
    while axes[dim] is not find(atom):
        parts = [find(part) for part in axes[dim].parts]
        inside = next(number for number, part in enumerate(parts) if atom in atoms(part))
        if axes[dim].kind == "product":
            value = value.reshape(*value.shape[:dim], *(part.size for part in parts), *value.shape[dim + 1 :])
            axes[dim : dim + 1] = parts
            dim += inside
        else:
            start = sum(part.size for part in parts[:inside])
            value = jax.lax.slice_in_dim(value, start, start + parts[inside].size, axis=dim)
            axes[dim] = parts[inside]
    return value if dim == value.ndim - 1 else jax.numpy.moveaxis(value, dim, -1)
