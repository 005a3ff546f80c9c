"""The small network that an estimator ends with, as a function of rows as the user has them."""

import dataclasses

import jax
import numpy as np

from jaxsize.networks.mlp import mlp
from jaxsize.trees import Tree

_ROWS = 256  # evaluated at a time, always: no other number of rows compiles anything, and no row depends on the others


@dataclasses.dataclass(frozen=True)
class FittedNetwork:
    """A plain network without dead units and without gates, from features to outputs in the targets' own unit.

    Example:
        >>> import numpy as np
        >>> from jaxsize import fold_gates, mlp
        >>> from jaxsize.estimators import FittedNetwork
        >>> zeros, ones = np.zeros(2), np.ones(2)
        >>> network = FittedNetwork(fold_gates(mlp((2, 3, 2)).init(0)), zeros, ones, zeros, ones)
        >>> network.widths, network(np.ones((5, 2))).shape
        ((2, 3, 2), (5, 2))
    """

    params: Tree
    """Parameters of an `mlp(widths, gate=None)`: NumPy arrays float32."""
    input_mean: np.ndarray
    """[D]: subtracted from the features."""
    input_scale: np.ndarray
    """[D]: by which the features are divided after that."""
    output_mean: np.ndarray
    """[K]: added to the outputs at the end."""
    output_scale: np.ndarray
    """[K]: by which the outputs are multiplied before."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths (inputs, hidden ..., outputs)."""
        return _widths(self.params)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Compute the outputs of rows.

        Args:
            inputs: features, floating [N, D].

        Returns:
            Outputs, float64 [N, K]: of a classifier the logarithms of its probabilities but for a constant per row, of
            a regressor its predictions.
        """
        rows = ((inputs - self.input_mean) / self.input_scale).astype(np.float32)
        rows = np.pad(rows, ((0, -len(rows) % _ROWS), (0, 0)))
        outputs = [np.asarray(_apply(self.params, part)) for part in rows.reshape(-1, _ROWS, rows.shape[1])]
        return np.concatenate(outputs)[: len(inputs)].astype(float) * self.output_scale + self.output_mean


@jax.jit
def _apply(params: Tree, inputs: jax.Array) -> jax.Array:
    return mlp(_widths(params), gate=None).apply(params, inputs)


def _widths(params: Tree) -> tuple[int, ...]:
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]
    return (*(kernel.shape[0] for kernel in kernels), kernels[-1].shape[1])
