"""Which units of a trained layer are dead, by the spreads of what they put out.

The source is seed `003_d2c286111c329776.txt`, "Variance of activations as a proxy metric for network size" (J1, E4).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.measures.spread import Moments


class DeadUnits(NamedTuple):
    """Which units are dead, by three rules; bool [U] each (E4).

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import DeadUnits, activation_spread, dead_units
        >>> values = np.array([[0.0, 5.0, 0.0, 1.0], [0.0, 5.0, 1e-5, 3.0]])
        >>> dead = dead_units(activation_spread(values))
        >>> isinstance(dead, DeadUnits), dead.exact.tolist(), dead.constant.tolist()
        (True, [True, True, False, False], [False, True, False, False])
    """

    exact: jax.Array
    """The spread is exactly 0, as the journal has it."""
    relative: jax.Array
    """The spread is below a small share of the layer's median."""
    constant: jax.Array
    """The spread is exactly 0 and the mean is not: such a unit acts like a bias of the next layer."""


def dead_units(moments: Moments, *, threshold: float = 1e-3) -> DeadUnits:
    """Tell which units of a layer are dead.

    Args:
        moments: of the units of one layer, over all rows.
        threshold: below which share of the median spread a unit counts as dead by `relative`. The median is that of the
            units that are not constant: the median of all would be 0 once half of them are dead.

    Returns:
        Three answers for every unit. Where all units are constant, `relative` is the same as `exact`.

    Raises:
        InputError: when `threshold` is not from 0 to 1.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import activation_spread, dead_units
        >>> values = np.array([[0.0, 1.0, 0.0, 1.0], [0.0, 2.0, 1e-5, 3.0]])
        >>> dead_units(activation_spread(values)).relative.tolist()
        [True, False, True, False]
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"expected a number from 0 to 1, got {threshold!r}", field="threshold")
    return _dead(moments, threshold)


@jax.jit
def _dead(moments: Moments, threshold: float) -> DeadUnits:
    exact = moments.spread == 0
    median = jnp.nanmedian(jnp.where(exact, jnp.nan, moments.spread))
    relative = exact | (moments.spread < threshold * median)  # without a median, NaN: nothing is below it
    return DeadUnits(exact, relative, exact & (moments.mean != 0))
