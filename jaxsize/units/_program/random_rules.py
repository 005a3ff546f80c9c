"""Which axes are the same where random numbers are drawn, and which units they are drawn for.

What is drawn for every unit from one key has as many numbers as there are units. With fewer units it is other numbers
of the same law, since the entries of one draw are independent and alike. So a network that multiplies its units by a
dropout mask has a masked twin that is equal in law, not number by number.
"""

from jaxsize.units._program.axes import Axis, atoms, fix, unify
from jaxsize.units._program.flatten import Program, Step
from jaxsize.units._program.rule_parts import Axes, fixed, fresh
from jaxsize.units._program.sources import steps_of

_OF_KEYS = frozenset(("random_bits", "random_split", "random_gamma"))
"""What these draw has the axes of their keys first."""
_HOLDS_A_KEY = "holds a key"


def drawn_axes(step: Step) -> Axes:
    """List the axes of a step's results that its operands do not have, along which it draws."""
    if step.name in _OF_KEYS:
        return step.outputs[0].axes[len(step.inputs[0].shape) :]
    if step.name in ("rng_bit_generator", "rng_uniform"):
        return step.outputs[-1].axes
    return []


def drawn_atoms(program: Program) -> dict[Axis, str]:
    """Find the atoms for whose entries random numbers are drawn, each with the first step that does it, as text."""
    drawn: dict[Axis, str] = {}
    for step in steps_of(program):
        for axis in drawn_axes(step):
            for atom in atoms(axis):
                drawn.setdefault(atom, step.where)
    return drawn


def of_keys(step: Step) -> list[Axes]:
    """Keep the axes of the keys; the others are new, drawn from every key."""
    keys, drawn = step.inputs[0], step.outputs[0]
    return [[*keys.axes, *(Axis(size) for size in drawn.shape[len(keys.shape) :])]]


def seed(step: Step) -> list[Axes]:
    return [list(step.inputs[0].axes)]


def wrap(step: Step) -> list[Axes]:
    """Make keys of the numbers on the last axes."""
    operand, keys = step.inputs[0].axes, step.outputs[0]
    for axis in operand[len(keys.shape) :]:
        fix(axis, f"{step.where} {_HOLDS_A_KEY}")
    return [operand[: len(keys.shape)]]


def unwrap(step: Step) -> list[Axes]:
    """Make numbers of keys, on new last axes."""
    keys, output = step.inputs[0], step.outputs[0]
    return [[*keys.axes, *(fixed(size, step, _HOLDS_A_KEY) for size in output.shape[len(keys.shape) :])]]


def side_by_side(step: Step) -> list[Axes]:
    """Unify the axes of all operands and results, dimension by dimension; a scalar or an axis of size 1 is repeated."""
    axes = fresh(step.outputs[0])
    for operand in step.inputs:
        if len(operand.shape) == len(axes):
            for mine, axis in zip(operand.axes, axes, strict=True):
                if mine.size == axis.size:
                    unify(mine, axis, step.where)
    return [list(axes) for _ in step.outputs]


def gamma(step: Step) -> list[Axes]:
    """Draw for every entry of the parameter; keys belong to its first axes."""
    keys, alpha = step.inputs
    for one, other in zip(keys.axes, alpha.axes, strict=False):
        unify(one, other, step.where)
    return [list(alpha.axes)]


def bit_generator(step: Step) -> list[Axes]:
    """Return the next state, and bits on new axes."""
    for axis in step.inputs[0].axes:
        fix(axis, f"{step.where} {_HOLDS_A_KEY}")
    return [list(step.inputs[0].axes), fresh(step.outputs[1])]


def uniform(step: Step) -> list[Axes]:
    return [fresh(step.outputs[0])]
