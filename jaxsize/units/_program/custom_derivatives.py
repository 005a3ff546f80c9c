"""Functions with derivatives of their own, at other sizes than they were traced at.

The rule of such a function is known to JAX at the sizes of the trace alone. So it is traced there, by differentiating
the equation, and what comes out is run at the other sizes like any jaxpr.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaxsize.units._program.axes import Axis
from jaxsize.units._program.flatten import Line
from jaxsize.units._program.primitives import CALLS

Resized = Callable[[ClosedJaxpr, Sequence[Sequence[Axis]], Sequence[Sequence[Axis]]], Callable[..., list[Any]]]
"""Makes a jaxpr, with the axes of its arguments and of its results, a function at the other sizes."""


def custom_jvp(line: Line, inputs: Sequence[Any], function: Callable[..., list[Any]], resized: Resized) -> list[Any]:
    """Run a function with a derivative of its own in forward mode, at other sizes.

    Args:
        line: the equation that calls it.
        inputs: its arguments.
        function: the function at the other sizes.
        resized: makes a jaxpr a function at the other sizes.
    """
    (avals, floats), (outs, float_outs) = _floats(line.eqn.invars), _floats(line.eqn.outvars)

    @jax.custom_jvp
    def primal(*arguments: Any) -> list[Any]:
        return function(*arguments)

    @primal.defjvp
    def _(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        def at_own_sizes(arguments: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            of_floats = _of_floats(line, arguments, floats)
            results, moved = jax.jvp(of_floats, [arguments[at] for at in floats], list(tangents))
            return results, [moved[at] for at in float_outs]

        closed = jax.make_jaxpr(at_own_sizes)(avals, [avals[at] for at in floats])
        axes, axes_of_results = ([value.axes for value in values] for values in (line.inputs, line.outputs))
        rule = resized(
            closed,
            [*axes, *(axes[at] for at in floats)],
            [*axes_of_results, *(axes_of_results[at] for at in float_outs)],
        )
        results = rule(*primals, *(tangents[at] for at in floats))
        moved = dict(zip(float_outs, results[len(outs) :], strict=True))
        zeros = [np.zeros(np.shape(result), jax.dtypes.float0) for result in results[: len(outs)]]
        return results[: len(outs)], [moved.get(at, zero) for at, zero in enumerate(zeros)]

    return primal(*inputs)


def custom_vjp(line: Line, inputs: Sequence[Any], function: Callable[..., list[Any]], resized: Resized) -> list[Any]:
    """Run a function with a derivative of its own in reverse mode, as `custom_jvp` does.

    The backward pass runs the function once more, from its arguments, in place of what its rule keeps.
    """
    (avals, floats), (outs, float_outs) = _floats(line.eqn.invars), _floats(line.eqn.outvars)

    def named(*arguments: Any) -> list[Any]:
        return function(*arguments)

    named.__name__ = _name_of(line) or named.__name__  # by which a fused gate is known
    primal = jax.custom_vjp(named)

    def backward(arguments: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
        def at_own_sizes(arguments: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
            def of_floats(*some: Any) -> list[Any]:
                results = _of_floats(line, arguments, floats)(*some)
                return [results[at] for at in float_outs]

            return jax.vjp(of_floats, *(arguments[at] for at in floats))[1](list(cotangents))

        closed = jax.make_jaxpr(at_own_sizes)(avals, [outs[at] for at in float_outs])
        axes, axes_of_results = ([value.axes for value in values] for values in (line.inputs, line.outputs))
        rule = resized(closed, [*axes, *(axes_of_results[at] for at in float_outs)], [axes[at] for at in floats])
        gradients = dict(zip(floats, rule(*arguments, *(cotangents[at] for at in float_outs)), strict=True))
        return tuple(gradients.get(at) for at in range(len(arguments)))

    primal.defvjp(lambda *arguments: (function(*arguments), arguments), backward)
    return primal(*inputs)


def _name_of(line: Line) -> str:
    """Return the name of the function that an equation calls, or an empty text."""
    called = line.eqn.params[CALLS[line.eqn.primitive.name]]
    info = called.jaxpr.debug_info if isinstance(called, ClosedJaxpr) else called.debug_info
    return "" if info is None else info.func_name


def _floats(variables: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Return the shapes of variables of a jaxpr, and the positions of those that have derivatives."""
    avals = [shaped(var.aval, var.aval.shape) for var in variables]
    return avals, [at for at, aval in enumerate(avals) if jax.numpy.issubdtype(aval.dtype, jax.numpy.inexact)]


def _of_floats(line: Line, arguments: Sequence[Any], floats: Sequence[int]) -> Callable[..., list[Any]]:
    """Return an equation at its own sizes as a function of those of its arguments that have derivatives."""

    def function(*some: Any) -> list[Any]:
        given = dict(zip(floats, some, strict=True))
        return bound(line, [given.get(at, argument) for at, argument in enumerate(arguments)], {})

    return function


def shaped(aval: Any, shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    """Return the type of a value with another shape."""
    return jax.ShapeDtypeStruct(shape, aval.dtype, weak_type=getattr(aval, "weak_type", False))


def bound(line: Line, inputs: Sequence[Any], changed: Mapping[str, Any]) -> list[Any]:
    """Apply the primitive of an equation, with some of its parameters changed."""
    eqn = line.eqn
    params = eqn.primitive.get_bind_params(eqn.params | dict(changed))
    functions, params = params if isinstance(params, tuple) else ((), params)  # a pair in jax before 0.10
    results = eqn.primitive.bind(*functions, *inputs, **params)
    return list(results) if eqn.primitive.multiple_results else [results]
