"""A pure function as a flat list of steps over values: its jaxpr with every call opened up.

`jit`, `checkpoint`, custom derivatives and calls are replaced by the steps of the function that they call, anew for
every call, since JAX shares the body of a function among its callers. A `cond` is replaced by the steps of all its
branches and a `select_n`, and a cast of a known number by the number. A `scan` or a `while` stays one step with a body;
the condition of a `while` is computed in the body, at the start of every turn. `Program.calls` keeps the jaxprs.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from jaxsize.gates.fused import FUSED
from jaxsize.units._program.axes import Axis
from jaxsize.units._program.lines import line_of
from jaxsize.units._program.primitives import CALLS

CONDITION = "condition of a loop"
"""Name of the step that reads whether a `while` takes another turn; no primitive has it."""


@dataclasses.dataclass(eq=False)
class Value:
    """An array of the program."""

    shape: tuple[int, ...]
    constant: np.ndarray | None = None
    """The array itself, where it is known while tracing."""
    axes: list[Axis] = dataclasses.field(default_factory=list)
    """One per dimension, found by `axis_rules`; empty before."""
    origin: tuple[int, ...] | None = None
    """Where the jaxpr computes it: the number of an equation, of an equation in the function that this one calls, and
    so on, and last of a result. None for an input, and for what is computed in loops, in branches and in fused
    gates."""

    @property
    def is_zero(self) -> bool:
        """Whether the value is known while tracing, and 0 everywhere."""
        return self.constant is not None and not np.any(self.constant)


@dataclasses.dataclass(eq=False)
class Step:
    """One primitive applied to values."""

    name: str
    """Name of the primitive in `jax.lax`, such as `dot_general`."""
    params: dict[str, Any]
    """Parameters of the primitive, as in a jaxpr."""
    inputs: list[Value]
    outputs: list[Value]
    where: str
    """The primitive and the line of the user's code that it comes from, such as `dot_general at model.py:12`."""
    body: "Program | None" = None
    """What a `scan` or a `while` does in one turn."""
    pieces: dict[int, list[Axis]] = dataclasses.field(default_factory=dict)
    """Per dimension that a slice, a split or padding cuts or joins: the axes of the pieces; see `layout_rules`."""


def loop_counts(step: Step) -> tuple[int, int]:
    """Count how many inputs of a loop are constants of its body, and how many are carried from turn to turn.

    The ranks decide, since versions of JAX keep these numbers in different places: an input that the scan walks along
    has one dimension more outside than in the body.
    """
    assert step.body is not None
    inputs = zip(step.inputs, step.body.inputs, strict=True)
    num_whole = sum(len(outer.shape) == len(inner.shape) for outer, inner in inputs)
    outputs = zip(step.outputs, step.body.outputs, strict=True)
    num_carry = sum(len(outer.shape) == len(inner.shape) for outer, inner in outputs)
    return num_whole - num_carry, num_carry


@dataclasses.dataclass(eq=False)
class Program:
    """A function as a list of steps, in the order in which they run."""

    inputs: list[Value]
    outputs: list[Value]
    steps: list[Step]
    calls: "list[Call]" = dataclasses.field(default_factory=list)
    """The jaxpr that it comes from; of a `while` that of the condition, then that of the body."""


@dataclasses.dataclass(eq=False)
class Line:
    """An equation of a jaxpr in one of the places where this jaxpr is called."""

    eqn: JaxprEqn
    inputs: list[Value]
    outputs: list[Value]
    step: Step | None
    """The step that it is; None for a call, and where its result is known while tracing."""
    inner: "list[Call]"
    """The function that it calls, or the branches of a `cond`; empty for a fused gate."""


@dataclasses.dataclass(eq=False)
class Call:
    """A jaxpr in one of the places where it is called, with the values that it reads and makes there."""

    jaxpr: Jaxpr
    consts: Sequence[Any]
    inputs: list[Value]
    outputs: list[Value]
    lines: list[Line]


def flatten(function: Callable, *arguments: Any) -> Program:
    """Trace function(*arguments) into a program with one input per leaf of the arguments.

    Args:
        function: a function that JAX can trace.
        arguments: pytrees of arrays or of jax.ShapeDtypeStruct.

    Returns:
        The program, whose values have no axes yet.
    """
    return program_of(jax.make_jaxpr(function)(*arguments))


def program_of(closed: ClosedJaxpr) -> Program:
    """Flatten a jaxpr."""
    return _program(closed, path=())


def _program(closed: ClosedJaxpr, caller: str = "", path: tuple[int, ...] | None = None) -> Program:
    inputs = [Value(tuple(var.aval.shape)) for var in closed.jaxpr.invars]
    steps: list[Step] = []
    call = _run(closed, inputs, steps, caller, path)
    return Program(inputs, call.outputs, steps, [call])


def _run(
    closed: ClosedJaxpr | Jaxpr,
    inputs: Sequence[Value],
    steps: list[Step],
    caller: str = "",
    path: tuple[int, ...] | None = None,
) -> Call:
    """Append the steps of a jaxpr to `steps`, and return the call, with its results.

    Args:
        closed: the jaxpr.
        inputs: the values it is called with.
        steps: the steps of the program so far.
        caller: the line of code that calls it, as `model.py:12`, or empty.
        path: where it is called (see `Value.origin`), or None where no origins are kept.
    """
    jaxpr, consts = (closed.jaxpr, closed.consts) if isinstance(closed, ClosedJaxpr) else (closed, [])
    values = dict(zip(jaxpr.invars, inputs, strict=True))
    values |= {var: _constant(const) for var, const in zip(jaxpr.constvars, consts, strict=True)}

    def read(atom: Any) -> Value:
        return _constant(atom.val) if isinstance(atom, Literal) else values[atom]

    lines = []
    for number, eqn in enumerate(jaxpr.eqns):
        here = None if path is None else (*path, number)
        lines.append(_line(eqn, [read(atom) for atom in eqn.invars], steps, caller, here))
        results = lines[-1].outputs
        for position, value in enumerate(results if here else ()):
            value.origin = (*(here or ()), position)  # the outermost call whose result it is comes last, and stays
        values.update(zip(eqn.outvars, results, strict=True))
    return Call(jaxpr, consts, list(inputs), [read(atom) for atom in jaxpr.outvars], lines)


def _line(eqn: JaxprEqn, inputs: list[Value], steps: list[Step], caller: str, path: tuple[int, ...] | None) -> Line:
    """Append what one equation of a jaxpr does to `steps`, and return it with its results."""
    name, params = eqn.primitive.name, eqn.params
    line = line_of(eqn, caller)
    if name in CALLS and CALLS[name] in params:
        called = params[CALLS[name]]
        if _is_gated(called):
            return Line(eqn, inputs, _gated(called, inputs, steps, line), None, [])
        inner = [_run(called, inputs, steps, line, path)]
        return Line(eqn, inputs, inner[0].outputs, None, inner)
    if name == "convert_element_type" and inputs[0].constant is not None and inputs[0].shape == ():
        with np.errstate(all="ignore"):
            return Line(eqn, inputs, [Value((), inputs[0].constant.astype(params["new_dtype"]))], None, [])
    where = f"{name} at {line or 'an unknown line'}"
    if name == "cond":
        branches = [_run(branch, inputs[1:], steps, line) for branch in params["branches"]]
        results = list(zip(*(branch.outputs for branch in branches), strict=True))
        joined = [Value(choices[0].shape) for choices in results]
        for value, choices in zip(joined, results, strict=True):
            steps.append(Step("select_n", {}, [inputs[0], *choices], [value], where))
        return Line(eqn, inputs, joined, None, branches)
    outputs = [Value(tuple(getattr(var.aval, "shape", ()))) for var in eqn.outvars]
    body = None
    if name == "scan":
        body = _program(params["jaxpr"], line)
    elif name == "while":
        body = _turn(params, inputs, line)
    steps.append(Step(name, params, inputs, outputs, where, body))
    return Line(eqn, inputs, outputs, steps[-1], [])


def _turn(params: Mapping[str, Any], inputs: Sequence[Value], line: str) -> Program:
    """Make the program of one turn of a `while`: its condition, then its body. Its inputs are those of the `while`."""
    values = [Value(value.shape) for value in inputs]
    of_condition = params["cond_nconsts"]
    first_carried = of_condition + params["body_nconsts"]
    carried = values[first_carried:]
    steps: list[Step] = []
    goes_on = _run(params["cond_jaxpr"], values[:of_condition] + carried, steps, line)
    steps.append(Step(CONDITION, {}, goes_on.outputs, [], f"{CONDITION} at {line or 'an unknown line'}"))
    turn = _run(params["body_jaxpr"], values[of_condition:], steps, line)
    return Program(values, turn.outputs, steps, [goes_on, turn])


def _is_gated(called: ClosedJaxpr | Jaxpr) -> bool:
    """Tell whether a call comes from `gated_matmul` or `gated_conv`, whose jaxprs have the name `FUSED`."""
    info = called.jaxpr.debug_info if isinstance(called, ClosedJaxpr) else called.debug_info
    return info is not None and info.func_name == FUSED


def _gated(called: ClosedJaxpr | Jaxpr, inputs: Sequence[Value], steps: list[Step], caller: str) -> list[Value]:
    """Append a fused gate as a multiplication and the contraction that reads it, and return their result.

    The fused function multiplies the gate onto the activations or onto the kernel, whichever is smaller. Here it is
    always the activations, so that the program is the same at any size.
    """
    activations, gate, kernel = inputs
    fused: list[Step] = []
    _run(called, inputs, fused, caller)
    contraction = fused[-1]
    row, scaled = Value(activations.shape), Value(activations.shape)
    along = {"shape": activations.shape, "broadcast_dimensions": (len(activations.shape) - 1,), "sharding": None}
    steps.append(Step("broadcast_in_dim", along, [gate], [row], contraction.where))
    steps.append(Step("mul", {}, [activations, row], [scaled], contraction.where))
    steps.append(dataclasses.replace(contraction, inputs=[scaled, kernel]))
    return contraction.outputs


def _constant(value: Any) -> Value:
    known = not jax.numpy.issubdtype(jax.numpy.result_type(value), jax.dtypes.extended)  # not a typed random key
    return Value(tuple(np.shape(value)), np.asarray(value) if known else None)
