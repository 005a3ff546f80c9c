"""The type of a network: a pair of pure functions, with facts that need not be found out."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from jaxsize.trees import Tree


class Network(NamedTuple):
    """A network as a pair of pure functions with explicit parameters.

    What else is to be known of a network is read off its function: `units.unit_groups`, `units.network_sizes` and
    `units.activations`; its gates can be replaced by `gates.hand_in`.

    Example:
        >>> import numpy as np
        >>> from jaxsize.networks import Network
        >>> def init(seed):
        ...     return {"kernel": np.random.default_rng(seed).normal(size=(3, 2))}
        >>> network = Network(init, lambda params, inputs: inputs @ params["kernel"])
        >>> network.apply(network.init(0), np.ones((4, 3))).shape
        (4, 2)
    """

    init: Callable[[int], Tree]
    """Function of a seed; returns parameters of NumPy arrays."""
    apply: Callable[[Tree, jax.Array], jax.Array]
    """Function of parameters and a batch of inputs; returns a batch of outputs."""
    signed: bool | None = None
    """Whether leaves named `liveness` are signed gates (True) or relu gates (False); None where there are none, or
    nothing is known."""
    input_shape: tuple[int, ...] | None = None
    """The shape of one row of the inputs; None where nothing is known."""
    gates: tuple[str, ...] | None = None
    """The names of its gates, as `gates.read_liveness` and `gates.read_sizes` give them, empty for none; None where
    nothing is known."""
    structure: Callable[[], Tree] | None = None
    """Function that returns the shapes and dtypes of the parameters without drawing any; None: they are drawn."""

    def shapes(self) -> Tree:
        """Tell the shapes and dtypes of the parameters: jax.ShapeDtypeStruct in place of every leaf.

        Example:
            >>> from jaxsize import mlp
            >>> mlp((4, 8, 3)).shapes()["output"]["kernel"]
            ShapeDtypeStruct(shape=(8, 3), dtype=float32)
        """
        like = self.init(0) if self.structure is None else self.structure()
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
