"""Parameters that only multiply: gates by what they do, whatever their names are.

A parameter only multiplies if every value that is computed from it alone is multiplied onto something else, or chooses
between values (`where(gate > 0, units, 0)`), and is nothing else's term, operand or result. Whether it closes what it
multiplies is found out by the rules of `zero_rules`, as for gates that are known by their names.
"""

from collections.abc import Collection, Mapping

from jaxsize.units._program.axes import Axis, find
from jaxsize.units._program.flatten import Program, Step, Value, loop_counts
from jaxsize.units._program.primitives import ELEMENTWISE

_CONSTANT = ""
"""Stands for the parameters of a value that is computed from none, nor from data."""
_MOVES = frozenset(("broadcast_in_dim", "reshape", "transpose", "squeeze"))


def multipliers(program: Program, leaves: Mapping[str, Value], units: Collection[Axis]) -> list[str]:
    """Find the parameters with one number per unit that only multiply.

    Args:
        program: a program with its axes tied.
        leaves: the values of all parameters, by path.
        units: the atoms whose units count, such as those that can be removed.

    Returns:
        Their paths, in the order of `leaves`.
    """
    of_leaf: dict[Value, str] = {}
    for name, value in leaves.items():
        long = [find(axis) for axis in value.axes if axis.size > 1]
        if len(long) == 1 and long[0] in units:
            of_leaf[value] = name
    if not of_leaf:
        return []
    walk = _Walk(of_leaf)
    walk.through(program)
    return [name for name in leaves if name in walk.multiply - walk.do_else]


class _Walk:
    """Follows values that are computed from one parameter alone.

    Args:
        of_leaf: the values of the parameters in question, with their paths.
    """

    def __init__(self, of_leaf: dict[Value, str]):
        self.of_leaf = of_leaf
        self.multiply: set[str] = set()
        self.do_else: set[str] = set()

    def source(self, value: Value) -> str | None:
        """Return the parameter that a value is computed from, `_CONSTANT` for none; None where there are others."""
        return _CONSTANT if value.constant is not None else self.of_leaf.get(value)

    def through(self, program: Program) -> None:
        for step in program.steps:
            sources = [self.source(value) for value in step.inputs]
            names = {name for name in sources if name}
            if step.body is not None:
                self._into_loop(step)
            elif len(names) <= 1 and None not in sources and (step.name in ELEMENTWISE or step.name in _MOVES):
                self.of_leaf |= dict.fromkeys(step.outputs, next(iter(names), _CONSTANT))
            elif step.name == "mul" or (step.name == "select_n" and not any(sources[1:])):
                self.multiply |= names
            else:
                self.do_else |= names
        self.do_else |= {name for name in map(self.source, program.outputs) if name}

    def _into_loop(self, step: Step) -> None:
        """Follow what a loop is given for all its turns; what it changes or walks along does something else."""
        assert step.body is not None
        num_consts, _ = loop_counts(step)
        for number, (outer, inner) in enumerate(zip(step.inputs, step.body.inputs, strict=True)):
            if (name := self.source(outer)) and number < num_consts:
                self.of_leaf[inner] = name
            elif name:
                self.do_else.add(name)
        self.through(step.body)
