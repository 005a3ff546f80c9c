"""A checksum of what a function computes: its steps, with their constants, and which value each of them reads."""

import hashlib
import re
from typing import Any

from jaxsize.units._program.flatten import Program, Value

_FUNCTIONS = frozenset(["jaxpr", "cond_jaxpr", "body_jaxpr", "update_jaxpr", "branches", "call_jaxpr"])
"""Parameters of primitives that are functions; those of loops are walked, and the others are small."""


def fingerprint_of(program: Program) -> str:
    """Compute the SHA-256 of a program, in hexadecimal.

    Names of functions and lines of code do not count, nor does what is jitted or checkpointed: the same steps on arrays
    of the same shapes have the same fingerprint, in any process. Another version of JAX may write the same function as
    other steps.
    """
    digest = hashlib.sha256()
    _add(program, digest, {})
    return digest.hexdigest()


def _add(program: Program, digest: Any, numbers: dict[Value, int]) -> None:
    """Add the text of a program to a digest.

    Args:
        program: the program.
        digest: a hash of `hashlib`.
        numbers: for every value so far, which one it is.
    """

    def add(text: str) -> None:
        digest.update(text.encode() + b"\n")

    def number(value: Value) -> str:
        if value.constant is None:
            return str(numbers.setdefault(value, len(numbers)))
        constant = value.constant
        return f"{constant.dtype}{list(constant.shape)}{hashlib.sha256(constant.tobytes()).hexdigest()}"

    add("inputs " + " ".join(f"{number(value)}{list(value.shape)}" for value in program.inputs))
    for step in program.steps:
        params = [f"{name}={_text(param)}" for name, param in sorted(step.params.items()) if name not in _FUNCTIONS]
        add(f"{step.name} {' '.join(params)} of {' '.join(map(number, step.inputs))}")
        add(" ".join(f"{number(value)}{list(value.shape)}" for value in step.outputs))
        if step.body is not None:
            _add(step.body, digest, numbers)
    add("outputs " + " ".join(map(number, program.outputs)))


def _text(param: Any) -> str:
    """Show a parameter of a primitive without addresses in memory; sets in the order of their texts."""
    if isinstance(param, (set, frozenset)):
        return str(sorted(map(_text, param)))
    return re.sub(r"0x[0-9a-f]+", "", str(param))
