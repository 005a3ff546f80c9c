"""The function that unit groups were read from."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxsize.trees import Tree


class Function(NamedTuple):
    """A function with the shapes of its arguments, at which its groups were read."""

    apply: Callable[..., Any]
    params: Tree
    """The parameters as jax.ShapeDtypeStruct."""
    inputs: tuple
    """The further arguments, likewise."""
    fingerprint: str
    """Of its program at these shapes (see `_program/fingerprint.py`)."""
