"""Random initial weights, drawn in NumPy, since compiling a random initialisation takes longer than drawing it.

A weight depends on (seed, name, output unit, position within the unit) and on nothing else. Two layers of different
widths therefore share the block of weights that both have, up to the scale that fan-in sets. Networks of different
sizes with the same seed start from as much of the same network as their shapes allow.
"""

import math
import zlib
from typing import Literal

import numpy as np

from jaxsize.errors import InputError

Initializer = Literal["pytorch", "he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_normal"]
"""The distributions of weights that `init_kernel` knows."""
BiasInitializer = Literal["pytorch", "zeros", "normal"]
"""The distributions of biases that `init_bias` knows."""

_UNIFORM_BOUND = {  # half-width of a uniform distribution, from (fan_in, fan_out)
    "pytorch": lambda fan_in, fan_out: math.sqrt(1 / fan_in),
    "he_uniform": lambda fan_in, fan_out: math.sqrt(6 / fan_in),
    "glorot_uniform": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
}
_NORMAL_STD = {
    "he_normal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "glorot_normal": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "lecun_normal": lambda fan_in, fan_out: math.sqrt(1 / fan_in),
}


def _generator(seed: int, name: str, row: int) -> np.random.Generator:
    key = np.array([seed % 2**64, zlib.crc32(name.encode())], np.uint64)  # from a list, 64 bits go through float64
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, row]))


def _draw(seed: int, name: str, num_rows: int, length: int, *, normal: bool) -> np.ndarray:
    """Draw rows of standard normal or uniform [0, 1) float32 numbers; a shorter row is a prefix of a longer one."""
    rows = np.empty((num_rows, length), np.float32)
    for row in range(num_rows):
        generator = _generator(seed, name, row)
        if normal:
            generator.standard_normal(out=rows[row], dtype=np.float32)
        else:
            generator.random(out=rows[row], dtype=np.float32)
    return rows


def init_kernel(
    seed: int, name: str, num_units: int, fan_in: int, *, initializer: Initializer = "pytorch"
) -> np.ndarray:
    """Draw the weights of a layer, one row per unit.

    Source: `pytorch` is U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for dense layers and convolutions; the
    others are He et al. 2015 (`he_*`), Glorot & Bengio 2010 (`glorot_*`) and LeCun et al. 1998 (`lecun_normal`).

    Args:
        seed: the seed of the run.
        name: the name of the layer, so that layers of one seed differ.
        num_units: units of the layer, which is the fan-out of the glorot distributions.
        fan_in: weights of each unit.
        initializer: the distribution.

    Returns:
        float32 [num_units, fan_in].

    Raises:
        InputError: when `initializer` is unknown.

    Example:
        >>> from jaxsize.networks import init_kernel
        >>> narrow = init_kernel(0, "hidden.0", 3, 4)
        >>> wide = init_kernel(0, "hidden.0", 5, 4)
        >>> bool((wide[:3] == narrow).all())  # the units that both have start alike
        True
    """
    fans = (max(fan_in, 1), max(num_units, 1))
    if initializer in _UNIFORM_BOUND:
        bound = _UNIFORM_BOUND[initializer](*fans)
        return (2 * _draw(seed, name, num_units, fan_in, normal=False) - 1) * np.float32(bound)
    if initializer in _NORMAL_STD:
        return _draw(seed, name, num_units, fan_in, normal=True) * np.float32(_NORMAL_STD[initializer](*fans))
    known = ", ".join([*_UNIFORM_BOUND, *_NORMAL_STD])
    raise InputError(f"expected one of {known}, got {initializer!r}", field="initializer")


def init_bias(
    seed: int, name: str, num_units: int, fan_in: int, *, initializer: BiasInitializer = "pytorch"
) -> np.ndarray:
    """Draw the biases of a layer.

    Args:
        seed: the seed of the run.
        name: the name of the layer, so that layers of one seed differ.
        num_units: units of the layer.
        fan_in: weights of each unit.
        initializer: "pytorch" for PyTorch's U(-1/sqrt(fan_in), 1/sqrt(fan_in)), "zeros", or "normal" for the standard
            normal distribution.

    Returns:
        float32 [num_units].

    Raises:
        InputError: when `initializer` is unknown.

    Example:
        >>> from jaxsize.networks import init_bias
        >>> init_bias(0, "hidden.0", 3, 4, initializer="zeros").tolist()
        [0.0, 0.0, 0.0]
        >>> bool(abs(init_bias(0, "hidden.0", 100, 4)).max() <= 0.5)
        True
    """
    if initializer == "zeros":
        return np.zeros(num_units, np.float32)
    if initializer not in ("pytorch", "normal"):
        raise InputError(f"bias initializer: expected one of pytorch, zeros, normal, got {initializer!r}")
    draw = _draw(seed, f"{name}.bias", 1, num_units, normal=initializer == "normal")[0]
    return draw if initializer == "normal" else (2 * draw - 1) * np.float32(1 / math.sqrt(max(fan_in, 1)))


def init_liveness(seed: int, name: str, num_units: int, *, start: float | Literal["uniform"] = 1.0) -> np.ndarray:
    """Make the gates of a layer before training.

    Args:
        seed: the seed of the run.
        name: the name of the layer, so that layers of one seed differ.
        num_units: units of the layer.
        start: the value of all gates, above 0, or "uniform" to draw them from U(0, 1].

    Returns:
        float32 [num_units].

    Raises:
        InputError: when `start` is not above 0.

    Example:
        >>> from jaxsize.networks import init_liveness
        >>> init_liveness(0, "hidden.0", 3, start=0.5).tolist()
        [0.5, 0.5, 0.5]
        >>> gates = init_liveness(0, "hidden.0", 100, start="uniform")
        >>> bool(gates.min() > 0 and gates.max() <= 1)
        True
    """
    if start == "uniform":
        return 1 - _draw(seed, f"{name}.liveness", 1, num_units, normal=False)[0]
    if not start > 0:
        raise InputError(f"liveness start: expected 'uniform' or a number above 0, got {start!r}")
    return np.full(num_units, start, np.float32)
