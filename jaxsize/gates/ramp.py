"""The ramp gate sigmoid(slope (size - i)) over the unit index i: a trained width, with its gray zone and its price."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from jaxsize.errors import InputError
from jaxsize.gates import _ramp_integral
from jaxsize.gates._checks import dtype_and_shape, require_floating, wide_dtype
from jaxsize.gates._handed import Handed, scale_by
from jaxsize.gates._scale import scale


@jax.custom_vjp
def _size_penalty(size, slope, width):
    return _ramp_integral.integral(size, slope, width)


def _size_penalty_fwd(size, slope, width):
    return _ramp_integral.integral(size, slope, width), (size, slope, width)


def _size_penalty_bwd(saved, ct):
    # `by_*` are custom_jvp functions: forward mode passes through this body, as through any second derivative.
    partials = (_ramp_integral.by_size, _ramp_integral.by_slope, _ramp_integral.by_width)
    return tuple(ct * partial(*saved) for partial in partials)


_size_penalty.defvjp(_size_penalty_fwd, _size_penalty_bwd)


def size_penalty(size: jax.Array, slope: ArrayLike, width: ArrayLike) -> jax.Array:
    """Count smoothly the units that the ramp gate sigmoid(slope (size - i)), i = 0..width-1, leaves open.

    Value: I = integral over t from 0 to width of sigmoid(slope (size - t))
             = (softplus(slope size) - softplus(slope (size - width))) / slope, and width / 2 at slope 0.
    Range: between 0 and width, both reached only by rounding. The sum of the gates is larger than I, by less than 1.
    Backward: dI/dsize  = sigmoid(slope size) - sigmoid(slope (size - width)), in (0, 1);
              dI/dslope = (size sigmoid(slope size) - (size - width) sigmoid(slope (size - width)) - I) / slope,
                          and width (size - width / 2) / 4 at slope 0;
              dI/dwidth = sigmoid(slope (size - width)), for a floating width.
    Subgradient: none is needed, there is no kink.
    Accuracy: evaluated without the cancellation of these formulas. For a slope up to 1e4 that is 0 or a normal number,
    |size| <= 1e6 and width 1..1e5 the value and all three derivatives are finite and within a relative 1e-6 in float32,
    1e-12 in float64 (a result below the smallest normal number may come out as 0). A subnormal slope, below 1.2e-38 in
    float32, may count as 0. A size of 16 bits is computed in float32 and rounded at the end.
    Differentiation: second derivatives (grad of grad, or `jax.jvp(jax.grad(...))`) have closed forms of their own. As
    with any `jax.custom_vjp` function, forward mode of the penalty itself is not available.
    Source: softplus is the antiderivative of the sigmoid; the stable forms are derived in `_ramp_integral.py`.

    Args:
        size: floating, [] or any shape.
        slope: at least 0, a Python number or a floating array, [] or the shape of `size`. The result for a slope below
            0 is undefined.
        width: number of units, a Python number or an array of any real dtype, [] or the shape of `size`.

    Returns:
        I, in the shape and dtype of `size`.

    Raises:
        InputError: when a shape or a dtype is not as above.

    Example:
        >>> import jax
        >>> from jaxsize.gates import size_penalty
        >>> count_and_gradient = jax.jit(jax.value_and_grad(lambda size: size_penalty(size, 1.0, 100)))
        >>> for size in (0.0, 30.0, 200.0):
        ...     print([round(float(result), 3) for result in count_and_gradient(size)])
        [0.693, 0.5]
        [30.0, 1.0]
        [100.0, 0.0]
    """
    size = jnp.asarray(size)
    if not jnp.issubdtype(size.dtype, jnp.floating):
        raise InputError(f"size_penalty: `size` must be floating, got {dtype_and_shape(size)}")
    compute = wide_dtype(size.dtype)
    settings = []
    for name, value in (("slope", slope), ("width", width)):
        given = jnp.asarray(value)
        expected = f"size_penalty: `{name}` must be [] or {list(size.shape)}, the shape of `size`"
        if given.shape not in ((), size.shape):
            raise InputError(f"{expected}, got {dtype_and_shape(given)}")
        if not (jnp.issubdtype(given.dtype, jnp.floating) or _counts(name, value, given)):
            raise InputError(f"{expected}, and floating, got {dtype_and_shape(given)}")
        settings.append(jnp.broadcast_to(given.astype(compute), size.shape))
    return _size_penalty(size.astype(compute), *settings).astype(size.dtype)


def _counts(name: str, value: ArrayLike, given: jax.Array) -> bool:
    """Tell whether a whole number is allowed here: for a width always, for a slope only as a Python number."""
    return jnp.issubdtype(given.dtype, jnp.integer) and (name == "width" or isinstance(value, int))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _ramp(size, slope, width):
    return lax.logistic(slope * _distance(size, width))


def _distance(size, width):
    return size - jnp.arange(width, dtype=size.dtype)


def _ramp_fwd(size, slope, width):
    return lax.logistic(slope * _distance(size, width)), (size, slope)


def _ramp_bwd(width, saved, ct):
    size, slope = saved
    distance = _distance(size, width)
    level = slope * distance
    rate = ct * (lax.logistic(level) * lax.logistic(-level))  # not s (1 - s): that loses the upper tail
    return slope * jnp.sum(rate), jnp.sum(rate * distance)


_ramp.defvjp(_ramp_fwd, _ramp_bwd)


def _wide_ramp(where: str, size: ArrayLike, slope: ArrayLike, width: int) -> jax.Array:
    """Return the gates [width] in at least float32: above 256, bfloat16 has no odd unit index."""
    size = jnp.asarray(size)
    slope = jnp.asarray(slope, size.dtype if isinstance(slope, int) else None)
    require_floating(where, "size", size, ())
    require_floating(where, "slope", slope, ())
    wide = wide_dtype(size.dtype)
    return _ramp(size.astype(wide), slope.astype(wide), width)


def size_gates(size: jax.Array, slope: ArrayLike, width: int) -> jax.Array:
    """Compute the ramp gates sigmoid(slope (size - i)) of units i = 0..width-1.

    Value: s_i = sigmoid(slope (size - i)), computed in at least float32, where unit indices are exact up to 2^24.
    Backward: with s' = s (1 - s), d_size = sum_i ct_i slope s'_i; d_slope = sum_i ct_i (size - i) s'_i.
    Subgradient: none is needed, there is no kink.
    Range: both derivatives are finite for slope 0..1e4, |size| up to 1e6 and width up to 1e5.
    Source: the chain rule.

    Args:
        size: floating [].
        slope: floating [] or a Python number, at least 0.
        width: number of units, at least 0.

    Returns:
        [width], in the dtype of `size`.

    Raises:
        InputError: when `size` or `slope` is not a floating scalar, or `width` is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import size_gates
        >>> [round(float(gate), 3) for gate in size_gates(jnp.array(1.0), 2.0, 4)]
        [0.881, 0.5, 0.119, 0.018]
    """
    if width < 0:
        raise InputError(f"size_gates: `width` must be at least 0, got {width}")
    if isinstance(size, Handed):  # gates that `hand_in` put in place of the size count as they are
        return size.factors
    return _wide_ramp("size_gates", size, slope, width).astype(jnp.asarray(size).dtype)


def size_gate(activations: jax.Array, size: jax.Array, slope: ArrayLike) -> jax.Array:
    """Multiply each unit's activations by its ramp gate, so that the layer has a trained width.

    Value: activations_i sigmoid(slope (size - i)). Gates and sums are computed in at least float32, whatever the
    dtypes.
    Backward: d_activations = ct gate; d_size and d_slope as in `size_gates`, where ct_i is the sum over the leading
    axes of ct activations.
    Source: the chain rule, as in `size_gates`.

    Args:
        activations: floating [..., U].
        size: floating [].
        slope: floating [] or a Python number, at least 0.

    Returns:
        An array of the shape and dtype of `activations`.

    Raises:
        InputError: when an argument is not floating, `activations` has no axis, or `size` or `slope` has one.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import size_gate
        >>> jax.jit(size_gate)(jnp.full((1, 3), 8.0), jnp.array(1.0), 1000.0).tolist()  # steep: a width of nearly 1
        [[8.0, 4.0, 0.0]]
    """
    require_floating("size_gate", "activations", activations)
    if activations.ndim < 1:
        raise InputError(f"size_gate: `activations` must be [..., U], got {dtype_and_shape(activations)}")
    if isinstance(size, Handed):
        return scale_by("size_gate", activations, size.factors)
    return scale(activations, _wide_ramp("size_gate", size, slope, activations.shape[-1]))


ODDS = 2 * math.log(99)
"""The product of any slope and the width of its gray zone, where gates are between .01 and .99: 2 ln(99) = 9.19."""


def gray_zone(slope: Any) -> Any:
    """Return how many units have a gate between .01 and .99: 2 ln(99) / slope.

    Args:
        slope: a number or an array, above 0.

    Example:
        >>> from jaxsize.gates import gray_zone
        >>> round(gray_zone(1.0), 2), round(gray_zone(0.5), 2)
        (9.19, 18.38)
    """
    return ODDS / slope


def slope_of(zone: Any) -> Any:
    """Return the slope whose gray zone has this width; the inverse of `gray_zone`.

    Args:
        zone: a number of units or an array of them, above 0.

    Example:
        >>> from jaxsize.gates import gray_zone, slope_of
        >>> round(slope_of(30), 4), round(gray_zone(slope_of(30)), 4)
        (0.3063, 30.0)
    """
    return ODDS / zone
