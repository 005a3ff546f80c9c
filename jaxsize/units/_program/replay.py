"""A traced function run at other sizes than it was traced at: its equations, with the sizes in them rewritten.

Every axis of every value is known (`axis_rules`), so that each equation can be run on smaller arrays: where it names a
size, that of its result is put in. Nothing else changes, numbers that the function computed from a size least of all:
what is run is the function with some entries of its axes left out. What JAX needs for derivatives is kept: checkpoints,
and custom derivatives, whose rules are traced at the sizes of the function and rewritten in the same way.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from jaxsize.errors import InputError
from jaxsize.units._program.axes import Axis, find, unify
from jaxsize.units._program.axis_rules import tie_axes
from jaxsize.units._program.custom_derivatives import bound, custom_jvp, custom_vjp, shaped
from jaxsize.units._program.entries import resized
from jaxsize.units._program.flatten import Call, Line, Program, Value, program_of
from jaxsize.units._program.primitives import CALLS
from jaxsize.units._program.retrace import Sizes, positions_at


def tied(
    closed: ClosedJaxpr, of_inputs: Sequence[Sequence[Axis] | None], of_outputs: Sequence[Sequence[Axis]] | None = None
) -> tuple[Program, dict[Axis, Axis]]:
    """Flatten a jaxpr and tie its axes, given copies of axes that are known.

    Args:
        closed: the jaxpr.
        of_inputs: the axes of its arguments; None for one of which nothing is known.
        of_outputs: the axes of its results, if they are known.

    Returns:
        The program, and for every axis that was given its copy.
    """
    program, copies = program_of(closed), {}
    for value, axes in zip(program.inputs, of_inputs, strict=True):
        known = axes is not None and len(axes) == len(value.shape)
        value.axes = [resized(axis, copies) for axis in axes or ()] if known else [Axis(n) for n in value.shape]
    tie_axes(program)
    for value, axes in zip(program.outputs, of_outputs or (), strict=False):
        for axis, given in zip(value.axes, axes, strict=False):
            unify(resized(given, copies), axis, "the results")
    return program, copies


def sizes_of(copies: Mapping[Axis, Axis], sizes: Mapping[Axis, int], what: str) -> Sizes:
    """Give the sizes of atoms to their copies.

    Args:
        copies: for every axis its copy.
        sizes: by atom.
        what: what has been tied, for the message.

    Raises:
        InputError: when the copies cannot have these sizes: two are tied together, or one is cut or fixed.
    """
    of_copies: dict[Axis, int] = {}
    for atom, size in sizes.items():
        copy = find(copies[find(atom)]) if find(atom) in copies else None
        if copy is None or size == atom.size:
            continue
        if copy.kind != "atom" or copy.fixed or copy in of_copies:
            reason = next((part.fixed for part in (copy, *copy.parts) if part.fixed), "they are cut or tied to others")
            raise InputError(f"{what} cannot be run with another number of units: {reason}")
        of_copies[copy] = size
    return Sizes(of_copies)


class Replay:
    """Runs the calls of a program at other sizes.

    Args:
        sizes: the sizes of all axes.
    """

    def __init__(self, sizes: Sizes):
        self.sizes = sizes

    def call(self, call: Call, arguments: Sequence[Any]) -> list[Any]:
        """Run a jaxpr on arrays of the other sizes, and return its results."""
        known = dict(zip([*call.jaxpr.constvars, *call.jaxpr.invars], [*call.consts, *arguments], strict=True))

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else known[atom]

        for line in call.lines:
            results = self._line(line, [read(atom) for atom in line.eqn.invars])
            known.update(zip(line.eqn.outvars, results, strict=True))
        return [read(atom) for atom in call.jaxpr.outvars]

    def shape(self, value: Value) -> tuple[int, ...]:
        """Compute the shape of a value at the other sizes."""
        if len(value.axes) < len(value.shape):  # a constant
            return value.shape
        return tuple(self.sizes[axis] for axis in value.axes)

    def _line(self, line: Line, inputs: list[Any]) -> list[Any]:
        eqn, name = line.eqn, line.eqn.primitive.name
        if all(self.shape(value) == value.shape for value in (*line.inputs, *line.outputs)):
            return bound(line, inputs, {})
        if name == "custom_jvp_call":
            return custom_jvp(line, inputs, self._function(line), self._of_jaxpr)
        if name == "custom_vjp_call":
            return custom_vjp(line, inputs, self._function(line), self._of_jaxpr)
        if name in ("checkpoint", "remat2"):
            settings = {key: eqn.params[key] for key in ("prevent_cse", "policy")}
            return jax.checkpoint(self._function(line), **settings)(*inputs)
        if name in CALLS:
            return self._function(line)(*inputs)
        if name == "cond":
            operands = eqn.invars[1:]
            branches = tuple(self._closed(branch, [var.aval for var in operands]) for branch in line.inner)
            return bound(line, inputs, {"branches": branches})
        body = line.step.body if line.step else None
        if name == "scan" and body is not None:
            avals = [var.aval for var in eqn.params["jaxpr"].jaxpr.invars]
            return bound(line, inputs, {"jaxpr": self._closed(body.calls[0], avals)})
        if name == "while" and body is not None:
            changed = {}
            for key, call in zip(("cond_jaxpr", "body_jaxpr"), body.calls, strict=True):
                changed[key] = self._closed(call, [var.aval for var in eqn.params[key].jaxpr.invars])
            return bound(line, inputs, changed)
        return bound(line, inputs, self._params(line, inputs))

    def _params(self, line: Line, inputs: Sequence[Any]) -> dict[str, Any]:
        """Compute the parameters of a primitive that name sizes."""
        name, params, shape = line.eqn.primitive.name, line.eqn.params, self.shape(line.outputs[0])
        if name in ("broadcast_in_dim", "iota"):
            return {"shape": shape}
        if name == "reshape":
            return {"new_sizes": shape}
        if name in ("random_bits", "random_split"):
            return {"shape": shape[len(line.inputs[0].shape) :]}
        if name in ("rng_bit_generator", "rng_uniform"):
            return {"shape": self.shape(line.outputs[-1])}
        if name == "dynamic_slice":
            return {"slice_sizes": shape}
        if name == "gather":
            before, now = line.inputs[0].shape, np.shape(inputs[0])
            whole = zip(params["slice_sizes"], before, now, strict=True)
            return {"slice_sizes": tuple(size if taken == of else taken for taken, of, size in whole)}
        if name == "conv_general_dilated":
            numbers = params["dimension_numbers"]
            features, of_kernel = np.shape(inputs[0])[numbers.lhs_spec[1]], np.shape(inputs[1])[numbers.rhs_spec[1]]
            examples, of_result = np.shape(inputs[0])[numbers.lhs_spec[0]], shape[numbers.out_spec[0]]
            groups = {"feature_group_count": features // of_kernel}
            return groups if params["batch_group_count"] == 1 else groups | {"batch_group_count": examples // of_result}
        if name in ("slice", "split", "pad") and line.step is not None:
            changed = positions_at(line.step, self.sizes)
            if name == "slice" and "limit_indices" not in changed:  # of every n-th entry
                last = zip(changed["start_indices"], shape, params["strides"], strict=True)
                changed["limit_indices"] = tuple(start + max((n - 1) * stride + 1, 0) for start, n, stride in last)
            return changed
        return {}

    def _function(self, line: Line) -> Callable[..., list[Any]]:
        """Return the function that an equation calls, at the other sizes."""
        if line.inner:
            return lambda *arguments: self.call(line.inner[0], arguments)
        called = line.eqn.params[CALLS[line.eqn.primitive.name]]  # a fused gate, whose own values have no axes
        closed = called if isinstance(called, ClosedJaxpr) else ClosedJaxpr(called, ())
        return self._of_jaxpr(closed, [value.axes for value in line.inputs], [value.axes for value in line.outputs])

    def _of_jaxpr(
        self, closed: ClosedJaxpr, of_inputs: Sequence[Sequence[Axis]], of_outputs: Sequence[Sequence[Axis]]
    ) -> Callable[..., list[Any]]:
        """Return a jaxpr of values that have axes here, as a function at the other sizes."""
        program, copies = tied(closed, of_inputs, of_outputs)
        other = Replay(sizes_of(copies, self.sizes.of_atoms, "a derivative or a fused gate"))
        return lambda *arguments: other.call(program.calls[0], arguments)

    def _closed(self, call: Call, avals: Sequence[Any]) -> ClosedJaxpr:
        """Trace a call at the other sizes."""
        shapes = [shaped(aval, self.shape(value)) for aval, value in zip(avals, call.inputs, strict=True)]
        return jax.make_jaxpr(lambda *arguments: self.call(call, arguments))(*shapes)
