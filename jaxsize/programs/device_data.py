"""A data set on the devices, as programs read it."""

from typing import NamedTuple

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
    """[N, D] float32, or uint8; `Data` says how they become network inputs."""
    targets: Array
    """[N] int32 class labels, or float32."""


class Data(NamedTuple):
    """The data that an epoch reads, the same for every run. Network inputs are float32(inputs) * scale + shift.

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
    scale: Array
    """[] or [D] float32."""
    shift: Array
    """[] or [D] float32."""

    def batch(self, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Gather some rows.

        Args:
            index: integers [B], numbers of rows; one out of range stands for the nearest row.

        Returns:
            Network inputs float32 [B, D] and targets [B].
        """
        inputs = jnp.take(self.rows.inputs, index, axis=0, mode="clip").astype(jnp.float32)
        scale, shift = jnp.reshape(self.scale, (1, -1)), jnp.reshape(self.shift, (1, -1))  # [1, 1] or [1, D]
        return inputs * scale + shift, jnp.take(self.rows.targets, index, axis=0, mode="clip")
