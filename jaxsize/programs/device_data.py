"""A data set on the devices, as programs read it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.trees import Array


class Rows(NamedTuple):
    """The rows of a data set on the device.

    Example:
        >>> import numpy as np
        >>> from jaxsize.programs import Rows
        >>> rows = Rows(inputs=np.zeros((5, 3), np.uint8), targets=np.zeros(5, np.int32))
        >>> rows.inputs.shape
        (5, 3)
    """

    inputs: Array
    """[N, ...] float32 or uint8, or int32 tokens; `Data` says how they become network inputs."""
    targets: Any
    """Array [N] int32 class labels, or int32 or float32 [N, ...]. None: the targets are the network inputs."""
    weights: Array | None = None
    """[N] float32, how much each row counts, as multiples of the average weight above 0 of the training rows. None: all
    alike."""

    @property
    def num_rows(self) -> int:
        """N, how many rows there are."""
        return self.inputs.shape[0]


class Data(NamedTuple):
    """The data that an epoch reads, the same for every run.

    Network inputs are float32(inputs) * scale + shift, where scale and shift belong to the last axis; or the tokens as
    they are, where there is no scale.

    Example:
        >>> import numpy as np
        >>> from jaxsize.programs import Data, Rows
        >>> rows = Rows(np.array([[0, 10], [20, 30], [40, 50]], np.uint8), np.array([7, 8, 9], np.int32))
        >>> data = Data(rows, scale=np.float32(0.1), shift=np.array([0, 1], np.float32))
        >>> inputs, targets = data.batch(np.array([2, 0]))
        >>> inputs.tolist(), targets.tolist()
        ([[4.0, 6.0], [0.0, 2.0]], [9, 7])
    """

    rows: Rows
    """The rows of all splits, one split after the other."""
    scale: Any
    """Array float32 [], or as long as the last axis of the inputs. None: tokens, which are not scaled."""
    shift: Any
    """As `scale`."""

    def batch(self, index: Array) -> tuple[jax.Array, jax.Array]:
        """Gather some rows.

        Args:
            index: integers [B], numbers of rows; one out of range stands for the nearest row.

        Returns:
            Network inputs float32 [B, ...] (int32 for tokens) and targets [B, ...]; the network inputs themselves where
            the rows have no targets.
        """
        inputs = jnp.take(self.rows.inputs, index, axis=0, mode="clip")
        if self.scale is not None and self.shift is not None:
            inputs = inputs.astype(jnp.float32)
            last = (1,) * (inputs.ndim - 1) + (-1,)  # [1, 1] or [1, D] for flat rows
            scale, shift = jnp.reshape(self.scale, last), jnp.reshape(self.shift, last)
            inputs = inputs * scale + shift
        if self.rows.targets is None:
            return inputs, inputs
        return inputs, jnp.take(self.rows.targets, index, axis=0, mode="clip")

    def weights(self, index: Array) -> jax.Array | None:
        """Gather the weights of some rows.

        Args:
            index: as in `batch`.

        Returns:
            float32 [B], or None where all rows count alike.

        Example:
            >>> import numpy as np
            >>> from jaxsize.programs import Data, Rows
            >>> rows = Rows(np.zeros((3, 1), np.float32), np.zeros(3, np.int32), np.array([1, 2, 0], np.float32))
            >>> Data(rows, np.float32(1), np.float32(0)).weights(np.array([1, 2])).tolist()
            [2.0, 0.0]
        """
        weights = self.rows.weights
        return None if weights is None else jnp.take(weights, index, axis=0, mode="clip")
