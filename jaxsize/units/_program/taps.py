"""Values from inside a function: its jaxpr evaluated, with what some equations compute handed out."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxsize.units._program.primitives import CALLS

Path = tuple[int, ...]
"""Where a value is computed: see `flatten.Value.origin`."""


def tapped(closed: ClosedJaxpr, arguments: Sequence[Any], paths: Iterable[Path]) -> dict[Path, jax.Array]:
    """Evaluate a jaxpr up to the last value that is wanted.

    Every equation is evaluated as it stands, so that numbers are those of the function itself. Only a call in which
    something is wanted is opened up, which loses custom derivatives of this call.

    Args:
        closed: the jaxpr.
        arguments: its arguments, traced or not.
        paths: which values are wanted.

    Returns:
        The values by path.
    """
    wanted = set(paths)
    values: dict[Path, jax.Array] = {}
    if wanted:
        _evaluate(closed, arguments, wanted, values, (), stop=True)
    return values


def _evaluate(
    closed: ClosedJaxpr | Jaxpr,
    arguments: Sequence[Any],
    wanted: set[Path],
    values: dict[Path, jax.Array],
    path: Path,
    *,
    stop: bool = False,
) -> list[Any]:
    """Evaluate a jaxpr that is called at `path`, and add what is wanted of it to `values`.

    Args:
        closed: the jaxpr.
        arguments: its arguments.
        wanted: paths of values in it, and elsewhere.
        values: the values so far, by path.
        path: where it is called.
        stop: whether its results are not needed, so that nothing is done beyond the last value that is wanted.

    Returns:
        Its results; an empty list with `stop`.
    """
    jaxpr, consts = (closed.jaxpr, closed.consts) if isinstance(closed, ClosedJaxpr) else (closed, [])
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arguments], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    last = max(path_of[len(path)] for path_of in wanted if path_of[: len(path)] == path)
    for number, eqn in enumerate(jaxpr.eqns[: last + 1] if stop else jaxpr.eqns):
        here, inputs = (*path, number), [read(atom) for atom in eqn.invars]
        if any(path_of[: len(here)] == here and len(path_of) > len(here) + 1 for path_of in wanted):
            results = _evaluate(eqn.params[CALLS[eqn.primitive.name]], inputs, wanted, values, here)
        else:
            params = eqn.primitive.get_bind_params(eqn.params)
            functions, params = params if isinstance(params, tuple) else ((), params)  # a pair in jax before 0.10
            results = eqn.primitive.bind(*functions, *inputs, **params)
            results = results if eqn.primitive.multiple_results else [results]
        known.update(zip(eqn.outvars, results, strict=True))
        values |= {(*here, at): result for at, result in enumerate(results) if (*here, at) in wanted}
    return [] if stop else [read(atom) for atom in jaxpr.outvars]
