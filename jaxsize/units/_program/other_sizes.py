"""Does a function take all its sizes from its parameters? Trace it again at other sizes, a few times in all.

All atoms are resized at once, each to a size of its own that nothing else has. If the function is another one then, the
numbers that it complains of, or that stand in place of others, say which atoms are to blame. They are left out, and the
others are tried again. So the groups that can be cut are known to be so all together, after a number of traces that
does not grow with the depth of a network.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from jaxsize.errors import error_text
from jaxsize.trees import Tree
from jaxsize.units._program.axes import Axis, atoms
from jaxsize.units._program.blame import Blame
from jaxsize.units._program.flatten import Program, flatten
from jaxsize.units._program.retrace import Difference, Finding, findings, shapes_with

MOST_TRACES = 8
"""How often a function is traced at other sizes; a trace that fails counts as half, since it ends on the way."""
MOST_ALIKE = 2
"""How often atoms like one that fails are tried again after it, since each attempt may show one that fails only."""


def changes_at_other_sizes(
    apply: Callable,
    params: Tree,
    inputs: tuple,
    program: Program,
    axes: dict[str, tuple[Axis, ...]],
    cut: list[Axis],
    first: Collection[Axis] = (),
    at_sizes: Callable[[Mapping[Axis, int]], Callable] | None = None,
    trace: Callable[..., Program] = flatten,
) -> dict[Axis, Difference]:
    """Find out which atoms can have another size without a change in what a function does.

    Args:
        apply: the function.
        params: its parameters, as arrays or shapes.
        inputs: its further arguments.
        program: its program, with its axes tied.
        axes: the axes of every parameter, by path.
        cut: the atoms to resize.
        first: those of them that matter most, and are tried before the others where not all can be resized.
        at_sizes: the function to trace at given sizes, if it is not `apply` at all sizes.
        trace: makes the program of the function at other sizes, as `program` was made.

    Returns:
        For every atom that cannot, what happens. The atoms that are missing can all have other sizes at once: by a
        little, and by much. Where `MOST_TRACES` do not tell the atoms apart, the rest of them is among those that
        cannot.
    """
    if not cut:
        return {}

    def program_at(sizes: Mapping[Axis, int], *arguments: Any) -> Program:
        return trace(at_sizes(sizes) if at_sizes else apply, *arguments)

    search = _Search(program_at, params, inputs, program, axes)
    much, little = _by_much(cut, program), _by_a_little(cut)
    parts = [part for part in ([a for a in cut if a in first], [a for a in cut if a not in first]) if part]
    free = list(cut) if len(parts) > 1 and not search.trace(much) else []
    for part in parts if not free else ():
        free = search.settle(part, much, MOST_TRACES - 2, free)
    search.settle(free, little, MOST_TRACES)
    search.try_once_more(little)
    return {atom: search.differences[atom] for atom in cut if atom in search.differences}


def _by_a_little(cut: Iterable[Axis]) -> dict[Axis, int]:
    """Choose one entry less; of 2 entries one more, since arrays of size 1 broadcast."""
    return {atom: atom.size - 1 if atom.size > 2 else 3 for atom in cut}


def _by_much(cut: Iterable[Axis], program: Program) -> dict[Axis, int]:
    """Choose for every atom another number of entries more, so that no ratio and no difference of two sizes stays.

    No size is one that the program has already.
    """
    taken = {size for step in program.steps for value in (*step.inputs, *step.outputs) for size in value.shape}
    sizes: dict[Axis, int] = {}
    more = 0
    for atom in cut:
        more = max(more + 1, atom.size // 2)
        while atom.size + more in taken:
            more += 1
        sizes[atom] = atom.size + more
        taken.add(sizes[atom])
    return sizes


class _Search:
    """Traces a function at other sizes, and keeps what is found out about its atoms.

    Args:
        program_at: (sizes, parameters, further arguments) -> the program of the function for them.
        params: its parameters, as arrays or shapes.
        inputs: its further arguments.
        program: its program, with its axes tied.
        axes: the axes of every parameter, by path.
    """

    def __init__(
        self, program_at: Callable, params: Tree, inputs: tuple, program: Program, axes: Mapping[str, tuple[Axis, ...]]
    ):
        self.program_at, self.params, self.inputs, self.program, self.axes = program_at, params, inputs, program, axes
        self.differences: dict[Axis, Difference] = {}
        self.num_traces = 0.0
        self.last: list[Finding] = []  # what was found when anything was
        self.likeness = _likeness(axes)

    def settle(
        self, pool: Sequence[Axis], sizes: Mapping[Axis, int], most: int, free: Sequence[Axis] = ()
    ) -> list[Axis]:
        """Find the atoms of a pool that can have other sizes, together with those of `free`.

        Args:
            pool: the atoms to try.
            sizes: their sizes, and those of `free`.
            most: after how many traces in all the rest is refused.
            free: atoms that are known to be free at these sizes.

        Returns:
            `free` and the atoms of the pool that are free as well. What happens to the others is in `differences`.
        """
        free, pool = list(free), list(pool)
        again: list[Axis] = []  # atoms like one that fails
        attempts = 0
        while pool or again:
            if not pool:
                pool, again, attempts = again, [], attempts + 1
                if attempts > MOST_ALIKE:
                    self._refuse(pool, self.last)
                    break
            if self.num_traces >= most:
                self._refuse(pool + again, self.last)
                break
            found = self.trace({atom: sizes[atom] for atom in (*free, *pool)})
            if not found:
                free, pool = free + pool, []
            elif len(pool) == 1:
                self._refuse(pool, found)
                pool = []
            else:
                guilty, suspects = self._blamed(found, pool, free, sizes)
                if guilty:
                    self.differences |= guilty
                    failing = {self.likeness[atom] for atom, difference in guilty.items() if difference.fails}
                    again += [atom for atom in pool if atom not in guilty and self.likeness[atom] in failing]
                    pool = [atom for atom in pool if atom not in guilty and atom not in again]
                else:
                    part = suspects if 0 < len(suspects) < len(pool) else pool[: len(pool) // 2]
                    free = self.settle([atom for atom in pool if atom not in part], sizes, most, free)
                    pool = part
        return free

    def try_once_more(self, sizes: Mapping[Axis, int]) -> None:
        """Resize the atoms that change something as `sizes` says: the function may fail then, or change less."""
        changing = [atom for atom, difference in self.differences.items() if not difference.fails]
        if changing:
            found = self.trace({atom: sizes[atom] for atom in changing})
            self.differences |= self._blamed(found, changing, (), sizes)[0]

    def trace(self, sizes: Mapping[Axis, int]) -> list[Finding]:
        """Trace the function at other sizes, and list all differences; that it fails is one."""
        try:
            other = self.program_at(sizes, shapes_with(self.params, self.axes, sizes), *self.inputs)
        except Exception as error:  # the user's function may raise anything; the message becomes the reason
            found = [Finding(Difference(fails=error_text(error)), None, message=" ".join(str(error).split()))]
            self.num_traces += 0.5
        else:
            found = list(findings(self.program, other, sizes))
            self.num_traces += 1
        self.last = found or self.last
        return found

    def _blamed(
        self, found: Sequence[Finding], pool: Sequence[Axis], free: Sequence[Axis], sizes: Mapping[Axis, int]
    ) -> tuple[dict[Axis, Difference], list[Axis]]:
        """Find the atoms of a pool that are to blame, with what happens to them; and those of which some are."""
        if len(pool) == 1:
            return ({pool[0]: _worst(found)} if found else {}), []
        guilty: dict[Axis, list[Finding]] = {}
        suspects: set[Axis] = set()
        blame = Blame(self.program, {atom: sizes[atom] for atom in (*free, *pool)})
        failing = [finding for finding in found if finding.difference.fails]
        for finding in failing or found:  # what follows from entries taken by position says nothing of its own
            for some in blame.of(finding):
                of_pool = some.intersection(pool)
                if len(of_pool) == 1:
                    guilty.setdefault(next(iter(of_pool)), []).append(finding)
                suspects |= of_pool
        differences = {atom: _worst(guilty[atom]) for atom in pool if atom in guilty}
        return differences, [atom for atom in pool if atom in suspects]

    def _refuse(self, pool: Sequence[Axis], found: Sequence[Finding]) -> None:
        """Refuse what is left of a pool, which is not free all together: each as units like it, if there are such."""
        worst, together = _worst(found), f", with other sizes of {len(pool)} groups together" if len(pool) > 1 else ""
        refused = {}
        for atom in pool:
            like = next((other for other in self.differences if self.likeness[other] == self.likeness[atom]), None)
            if like is None or len(pool) == 1:
                refused[atom] = Difference(*(text and text + together for text in worst))
            else:
                of_like = self.differences[like]
                refused[atom] = Difference(*(text and f"as for units like these: {text}" for text in of_like))
        self.differences |= refused


def _worst(found: Iterable[Finding]) -> Difference:
    return max((finding.difference for finding in found), key=lambda difference: bool(difference.fails))


def _likeness(axes: Mapping[str, tuple[Axis, ...]]) -> dict[Axis, tuple]:
    """Say for every atom where it stands, by paths without numbers: atoms of layers of one kind stand alike."""
    places: dict[Axis, list[tuple[str, int]]] = {}
    for leaf, of_leaf in axes.items():
        kind = re.sub(r"\d+", "#", leaf)
        for dim, axis in enumerate(of_leaf):
            for atom in atoms(axis):
                places.setdefault(atom, []).append((kind, dim))
    return {atom: tuple(sorted(of_atom)) for atom, of_atom in places.items()}
