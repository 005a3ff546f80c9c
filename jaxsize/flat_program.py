"""A pure function as a flat list of steps over values: its jaxpr with every call opened up.

`jit`, `checkpoint`, custom derivatives and calls are replaced by what they call (once more for every call, since jax
shares the body of a function among its callers); the branches of a `cond` by all branches and a `select_n`; a number
that is cast by its value. A `scan` stays one step with a body.
"""

import dataclasses
import os
import sysconfig
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from jaxsize import gates
from jaxsize.axes import Axis

CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
_PATHS = [sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")] + [os.path.dirname(__file__)]
_JAX = os.path.dirname(jax.__file__) + os.sep
_LIBRARIES = tuple(path + os.sep for path in _PATHS)


@dataclasses.dataclass(eq=False)
class Value:
    """An array of the program."""

    shape: tuple[int, ...]
    constant: np.ndarray | None = None
    """Its value, where that is known while tracing."""
    axes: list[Axis] = dataclasses.field(default_factory=list)
    """One per dimension, found by `axis_rules`."""

    @property
    def is_zero(self) -> bool:
        return self.constant is not None and not np.any(self.constant)


@dataclasses.dataclass(eq=False)
class Step:
    """One primitive applied to values."""

    name: str
    params: dict[str, Any]
    inputs: list[Value]
    outputs: list[Value]
    where: str
    """The line of the user's code that it comes from, such as `dot_general at model.py:12`."""
    body: "Program | None" = None


def loop_counts(step: Step) -> tuple[int, int]:
    """How many inputs of a scan are constants of its body, and how many are carried.

    Told by ranks, as versions of JAX tell it differently: what a scan walks along has a dimension more than its body.
    """
    assert step.body is not None
    inputs = zip(step.inputs, step.body.inputs, strict=True)
    num_whole = sum(len(outer.shape) == len(inner.shape) for outer, inner in inputs)
    outputs = zip(step.outputs, step.body.outputs, strict=True)
    num_carry = sum(len(outer.shape) == len(inner.shape) for outer, inner in outputs)
    return num_whole - num_carry, num_carry


@dataclasses.dataclass(eq=False)
class Program:
    """Steps in the order they run."""

    inputs: list[Value]
    outputs: list[Value]
    steps: list[Step]


def flatten(function: Callable, *arguments: Any) -> tuple[Program, ClosedJaxpr]:
    """The steps of function(*arguments), with one input per leaf of the arguments, and its jaxpr."""
    closed = jax.make_jaxpr(function)(*arguments)
    return _program(closed), closed


def _program(closed: ClosedJaxpr, caller: str = "") -> Program:
    inputs = [Value(tuple(var.aval.shape)) for var in closed.jaxpr.invars]
    steps: list[Step] = []
    return Program(inputs, _run(closed, inputs, steps, caller), steps)


def _run(closed: ClosedJaxpr | Jaxpr, inputs: Sequence[Value], steps: list[Step], caller: str = "") -> list[Value]:
    """Appends the steps of a jaxpr, called from a line of code, to `steps`; its results."""
    jaxpr, consts = (closed.jaxpr, closed.consts) if isinstance(closed, ClosedJaxpr) else (closed, [])
    values = dict(zip(jaxpr.invars, inputs, strict=True))
    values |= {var: _constant(const) for var, const in zip(jaxpr.constvars, consts, strict=True)}

    def read(atom: Any) -> Value:
        return _constant(atom.val) if isinstance(atom, Literal) else values[atom]

    for eqn in jaxpr.eqns:
        results = _step(eqn, [read(atom) for atom in eqn.invars], steps, caller)
        values.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _step(eqn: JaxprEqn, inputs: list[Value], steps: list[Step], caller: str) -> list[Value]:
    name, params = eqn.primitive.name, eqn.params
    line = line_of(eqn, caller)
    if name in CALLS and CALLS[name] in params:
        called = params[CALLS[name]]
        return (_gated if _is_gated(called) else _run)(called, inputs, steps, line)
    if name == "convert_element_type" and inputs[0].constant is not None and inputs[0].shape == ():
        with np.errstate(all="ignore"):
            return [Value((), inputs[0].constant.astype(params["new_dtype"]))]
    where = f"{name} at {line or 'an unknown line'}"
    if name == "cond":
        branches = [_run(branch, inputs[1:], steps, line) for branch in params["branches"]]
        joined = [Value(values[0].shape) for values in zip(*branches, strict=True)]
        for value, *choices in zip(joined, *branches, strict=True):
            steps.append(Step("select_n", {}, [inputs[0], *choices], [value], where))
        return joined
    outputs = [Value(tuple(getattr(var.aval, "shape", ()))) for var in eqn.outvars]
    body = _program(params["jaxpr"], line) if name == "scan" else None
    steps.append(Step(name, params, inputs, outputs, where, body))
    return outputs


def _is_gated(called: ClosedJaxpr | Jaxpr) -> bool:
    """Whether a call is that of `gates.gated_matmul` or `gated_conv`."""
    info = called.jaxpr.debug_info if isinstance(called, ClosedJaxpr) else called.debug_info
    return info is not None and (info.func_name, info.func_filename) == (gates.FUSED, gates.__file__)


def _gated(called: ClosedJaxpr | Jaxpr, inputs: Sequence[Value], steps: list[Step], caller: str) -> list[Value]:
    """A gate fused with the contraction that reads it, as the two steps it stands for.

    It multiplies the gate onto the activations or onto the kernel, whichever is smaller: the same at any size here.
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


def line_of(eqn: JaxprEqn, caller: str) -> str:
    """The innermost line of code that is neither ours nor of an installed package, as `model.py:12`; else the caller's
    line, which functions that jax has traced before do not know; else any, or empty."""
    traceback = eqn.source_info.traceback
    frames = [] if traceback is None else [frame for frame in traceback.frames if not frame.file_name.startswith("<")]
    theirs = [frame for frame in frames if not frame.file_name.startswith(_LIBRARIES)]
    if not theirs and caller:
        return caller
    frames = theirs or [frame for frame in frames if not frame.file_name.startswith(_JAX)]
    return f"{os.path.basename(frames[0].file_name)}:{frames[0].line_num}" if frames else ""
