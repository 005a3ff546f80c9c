"""Which atoms a difference at other sizes comes from, by the numbers in it and by where it stands."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping

from jaxsize.units._program.axes import Axis, atoms, find
from jaxsize.units._program.entries import size_with
from jaxsize.units._program.flatten import Program, Step, Value
from jaxsize.units._program.retrace import Finding

_FORMS = (
    lambda n: n,
    lambda n: 1 / n,
    math.sqrt,
    lambda n: 1 / math.sqrt(n),
    lambda n: n - 1,
    lambda n: 1 / (n - 1),
    lambda n: n + 1,
    lambda n: n // 2,
    lambda n: n**-0.25,
    lambda n: n * n,
    math.log,
)
"""What functions compute from a size."""
_FAR = 6
"""How many steps before a difference its atoms are looked for."""


class Blame:
    """Finds the atoms that a difference comes from.

    Args:
        program: the function's program at the sizes that it was read at, with its axes tied.
        sizes: the atoms that have other sizes, with these.
    """

    def __init__(self, program: Program, sizes: Mapping[Axis, int]):
        self.makers = {value: step for step in program.steps for value in step.outputs}
        self.resized = frozenset(sizes)
        self.pairs: dict[tuple[int, int], set[Axis]] = {}
        self.new: dict[int, frozenset[Axis]] = {}
        values = {value for step in program.steps for value in (*step.inputs, *step.outputs)} | set(program.inputs)
        axes = {find(axis) for value in values for axis in value.axes}
        old = {axis.size for axis in axes}
        for axis in axes:
            of_axis = self.resized.intersection(atoms(axis))
            after = size_with(axis, sizes) if of_axis else axis.size
            if after != axis.size:
                self.pairs.setdefault((axis.size, after), set()).update(of_axis)
            if after not in old:
                known = self.new.get(after, of_axis)
                self.new[after] = min(known, of_axis, key=len) if known & of_axis else known | of_axis

    def of(self, finding: Finding) -> list[frozenset[Axis]]:
        """List sets of atoms, each of which holds one to blame at least; an empty list where nothing says which."""
        if finding.step is None:
            return self._of_error(finding.message)
        sets = [self._of_numbers(before, after) for before, after in finding.numbers]
        return [one for one in sets if one] or [one for one in [self._near(finding.step)] if one]

    def _of_error(self, message: str) -> list[frozenset[Axis]]:
        """Look for sizes that only resized atoms have, first of all where two shapes that are compared differ."""
        shapes = [re.findall(r"-?\d+", text) for text in re.findall(r"[(\[](-?\d+(?:, ?-?\d+)*),?[)\]]", message)]
        alike = [(a, b) for a, b in itertools.pairwise(shapes) if len(a) == len(b)]
        pairs = [pair for a, b in alike for pair in zip(a, b, strict=True) if len(set(pair)) == 2]
        for numbers in ([number for pair in pairs for number in pair], re.findall(r"\d+", message)):
            if sets := [frozenset(self.new[int(number)]) for number in numbers if int(number) in self.new]:
                return sets
        return []

    def _of_numbers(self, before: float, after: float) -> frozenset[Axis]:
        """Find the atoms of axes whose size before and after gives two numbers."""
        if (before, after) in self.pairs:
            return frozenset(self.pairs[int(before), int(after)])
        found: set[Axis] = set()
        for (old, new), of_axis in self.pairs.items():
            if min(old, new) > 1 and any(_is(form(old), before) and _is(form(new), after) for form in _FORMS):
                found |= of_axis
        return frozenset(found)

    def _near(self, step: Step) -> frozenset[Axis]:
        """Find the resized atoms of the values of a step, or else of the steps that come before it."""
        steps = [step]
        for _ in range(_FAR):
            values = (value for one in steps for value in (*one.inputs, *one.outputs))
            if found := self.resized.intersection(_atoms_of(values)):
                return found
            makers = (self.makers.get(value) for one in steps for value in one.inputs)
            steps = [maker for maker in dict.fromkeys(makers) if maker is not None]
        return frozenset()


def _atoms_of(values: Iterable[Value]) -> set[Axis]:
    return {atom for value in values for axis in value.axes for atom in atoms(axis)}


def _is(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-5)
