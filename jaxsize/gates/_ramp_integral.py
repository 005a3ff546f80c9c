"""The sigmoid integral I and its derivatives to full relative accuracy: the private arithmetic of `size_penalty`.

    I(size, slope, width) = integral over t from 0 to width of sigmoid(slope (size - t))

Everything is elementwise over arrays of one shape and one dtype (float32 or float64), for slope >= 0 and width >= 0.
The textbook form, a difference of softplus over slope, cancels for small slope and in both tails. Here every formula is
a sum of terms of one sign, or a product. It is written in the distance to the nearer end of [0, width]: reflection in
the middle leaves dI/dsize as it is, turns I into width - I, and turns dI/dslope into its negative.

`integral` and its first derivatives have closed-form derivatives of their own (`jax.custom_jvp`), since automatic
differentiation cannot handle the branches and the bit masks below. Third derivatives differentiate the closed second
ones.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# Masks that clear the low half of the significand; the product of two factors without it is exact.
_HIGH_BITS = {
    np.dtype(np.float32): (np.uint32, 0xFFFF_F000),
    np.dtype(np.float64): (np.uint64, 0xFFFF_FFFF_F800_0000),
}
_NUM_NODES = {np.dtype(np.float32): 6, np.dtype(np.float64): 12}  # for the last bit over `_SMOOTH` sigmoid widths
_SMOOTH = 2.0


class _Place(NamedTuple):
    """The position of `size`, seen from the nearer end of [0, width]."""

    lower: jax.Array
    """bool: whether `size` is nearer to 0 than to width, or in the middle."""
    near: jax.Array
    """Signed distance of `size` into the interval from its nearer end: at most width / 2, negative outside."""
    reach: jax.Array
    """|near|."""
    span: jax.Array
    """How much further away the far end is than the nearer one: its distance is reach + span >= reach."""
    gap: jax.Array
    """|width - 2 size|."""
    half: jax.Array
    """exp(-slope reach / 2)."""
    decay: jax.Array
    """exp(-slope reach)."""
    ratio: jax.Array
    """exp(-slope span)."""


def _split(value: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Split `value` into high + low exactly, with at most half of the significand in each."""
    bits, mask = _HIGH_BITS[np.dtype(value.dtype)]
    high = lax.bitcast_convert_type(lax.bitcast_convert_type(value, bits) & np.asarray(mask, bits), value.dtype)
    return high, value - high


def _difference(left: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return left - right rounded, and what the rounding lost (Knuth's two-sum)."""
    total = left - right
    part = total - left
    return total, lax.stop_gradient((left - (total - part)) - (right + part))


@jax.custom_jvp
def _half_decay(slope: jax.Array, reach: jax.Array, lost: jax.Array) -> jax.Array:
    """Return exp(-slope (reach + lost) / 2) for slope, reach >= 0 and a `lost` below the rounding of `reach`.

    A rounded slope * reach would cost |slope * reach| times the rounding unit in relative error. The correction is
    added rather than multiplied on as a second exponential, since XLA would merge the two exponentials into one when
    it compiles, and round again. The exponent is halved, and callers multiply the result on twice, so that products
    stay normal until the final result itself underflows.
    """
    slope_high, slope_low = _split(slope)
    reach_high, reach_low = _split(reach)
    low = slope_high * reach_low + slope_low * reach_high + slope_low * reach_low + slope * lost
    start = jnp.exp(-(slope_high * reach_high) / 2)
    # `low` is below -1 only where `start` has long been 0; without the clipping, 0 * inf could follow.
    return start + start * jnp.expm1(-jnp.maximum(low, -1) / 2)


@_half_decay.defjvp
def _half_decay_jvp(primals, tangents):
    slope, reach, _ = primals
    slope_dot, reach_dot, _ = tangents
    out = _half_decay(*primals)
    return out, -out / 2 * (reach * slope_dot + slope * reach_dot)


def _place(size: jax.Array, slope: jax.Array, width: jax.Array) -> _Place:
    to_end, lost = _difference(width, size)
    middle = width / 2 - size
    lower = middle >= 0
    near = jnp.where(lower, size, to_end)
    lost = jnp.where(lower, jnp.zeros_like(lost), lost)
    outside = near <= 0
    reach = jnp.where(outside, -near, near)
    gap = 2 * jnp.where(lower, middle, -middle)
    span = jnp.where(outside, width, gap)
    half = _half_decay(slope, reach, jnp.where(outside, -lost, lost))
    return _Place(lower, near, reach, span, gap, half, half * half, jnp.exp(-slope * span))


def _ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """Return numerator / denominator, and the limit 1 where a denominator >= 0 vanishes."""
    usable = denominator >= jnp.finfo(denominator.dtype).tiny
    return jnp.where(usable, numerator / jnp.where(usable, denominator, 1), 1)


def _panel(place: _Place, slope: jax.Array, integrand) -> jax.Array:
    """Integrate integrand(v, exp(-slope (v - reach))) over v from reach to reach + span; for slope * span <= 2."""
    nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES[np.dtype(slope.dtype)])
    total = jnp.zeros_like(slope)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        step = place.span * float(node)
        total = total + float(weight) * integrand(place.reach + step, jnp.exp(-slope * step))
    return total * place.span


def _twice(half: jax.Array, rest: jax.Array) -> jax.Array:
    """Return half^2 rest, in the order in which no product underflows before the result does."""
    return (half * rest) * half


@jax.custom_jvp
def integral(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Compute I itself.

    Value: in (0, width); width / 2 at slope 0.
    Derivatives: `by_size`, `by_slope` and `by_width`.
    """
    place = _place(size, slope, width)
    outside = place.near <= 0
    # log(1 + e^p) - log(1 + e^q) = -log1p(-u), with u = sigmoid(p) (1 - e^(q - p)): a product near and below the edge.
    total = slope * width
    growth = -jnp.expm1(-total)
    used = growth * jnp.where(outside, place.decay, 1) / (1 + place.decay)
    small = slope * place.near <= 1
    used = jnp.where(small, used, used / 2)  # the unused branch stays away from log(0)
    bulk = width * _ratio(growth, total) * _ratio(-jnp.log1p(-used), used) / (1 + place.decay)
    edge = jnp.where(outside, _twice(place.half, bulk), bulk)
    # Deep inside: the distance itself plus what both rounded corners add.
    corners = jnp.log1p(place.decay) - jnp.log1p(place.decay * place.ratio)
    value = jnp.where(small, edge, place.near + corners / jnp.where(small, 1, slope))
    return jnp.where(place.lower, value, width - value)


@jax.custom_jvp
def by_size(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Compute dI/dsize.

    Value: sigmoid(slope size) - sigmoid(slope (size - width)), as a product of positive factors.
    """
    place = _place(size, slope, width)
    rest = -jnp.expm1(-slope * width) / ((1 + place.decay) * (1 + place.decay * place.ratio))
    return jnp.where(place.near <= 0, _twice(place.half, rest), rest)


@jax.custom_jvp
def by_slope(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Compute dI/dslope.

    Value: the integral of v sigmoid'(slope v) over the distances v from `size` to the part of [0, width] whose mirror
    image in `size` lies outside [0, width]; its sign is - where `size` is nearer to 0, + where it is nearer to width.
    """
    place = _place(size, slope, width)

    def integrand(v, ratio):
        return v * ratio / (1 + place.decay * ratio) ** 2

    wide = slope * place.span > _SMOOTH
    rate = jnp.where(wide, slope, 1)
    direct = (_entropy(place, slope, 1) - _entropy(place, slope, 0)) / rate / rate
    rest = jnp.where(wide, direct, _panel(place, slope, integrand))
    return jnp.where(place.lower, -1, 1) * _twice(place.half, rest)


@jax.custom_jvp
def by_width(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Compute dI/dwidth.

    Value: sigmoid(slope (size - width)).
    """
    under, half = _beyond(size, slope, width)
    rest = 1 / (1 + half * half)
    return jnp.where(under, _twice(half, rest), rest)


def _beyond(size: jax.Array, slope: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return whether size <= width, and exp(-slope |size - width| / 2)."""
    over, lost = _difference(size, width)
    under = over <= 0
    return under, _half_decay(slope, jnp.where(under, -over, over), jnp.where(under, -lost, lost))


def _entropy(place: _Place, slope: jax.Array, near: int) -> jax.Array:
    """Return the entropy H(slope v) at the near end (near = 1) or the far one (near = 0), divided by exp(-slope reach).

    H(x) is the entropy of a draw that is true with probability sigmoid(x): H'(x) = -x sigmoid'(x). v is the distance
    from `size` to the end.
    """
    ratio, reach = (1, place.reach) if near else (place.ratio, place.reach + place.span)
    decay = place.decay * ratio
    return ratio * (_ratio(jnp.log1p(decay), decay) + slope * reach / (1 + decay))


def _bell(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Return sigmoid'(slope (size - width))."""
    _, half = _beyond(size, slope, width)
    return _twice(half, 1 / (1 + half * half) ** 2)


def _bend(place: _Place, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Return sigmoid' at the nearer end minus sigmoid' at the far end, as a product; at least 0."""
    growth = jnp.expm1(-slope * width) * jnp.expm1(-slope * place.gap)
    return _twice(place.half, growth / (1 + place.decay) ** 2 / (1 + place.decay * place.ratio) ** 2)


def _by_size_size(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    place = _place(size, slope, width)
    return jnp.where(place.lower, 1, -1) * slope * _bend(place, slope, width)


def _by_size_slope(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Return size sigmoid'(slope size) - (size - width) sigmoid'(slope (size - width)).

    Reflection in the middle of [0, width] leaves it as it is.
    """
    place = _place(size, slope, width)
    far = _twice(place.half, place.ratio / (1 + place.decay * place.ratio) ** 2)
    return width * far + place.near * _bend(place, slope, width)


def _by_slope_slope(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    """Return the integral of v^2 sigmoid'(slope v) tanh(slope v / 2) over the distances v of `by_slope`.

    Its sign is + where `size` is nearer to 0, - where it is nearer to width.
    """
    place = _place(size, slope, width)

    def integrand(v, ratio):
        return v * v * ratio * -jnp.expm1(-slope * v) / (1 + place.decay * ratio) ** 3

    def end(near):
        ratio, reach = (1, place.reach) if near else (place.ratio, place.reach + place.span)
        square = ratio * (slope * reach / (1 + place.decay * ratio)) ** 2
        return square + 2 * _entropy(place, slope, near)

    wide = slope * place.span > _SMOOTH
    rate = jnp.where(wide, slope, 1)
    rest = jnp.where(wide, (end(1) - end(0)) / rate / rate / rate, _panel(place, slope, integrand))
    return jnp.where(place.lower, 1, -1) * _twice(place.half, rest)


def _by_size_width(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    return slope * _bell(size, slope, width)


def _by_slope_width(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    return (size - width) * _bell(size, slope, width)


def _by_width_width(size: jax.Array, slope: jax.Array, width: jax.Array) -> jax.Array:
    return -slope * _bell(size, slope, width)


def _define(function, by_first, by_second, by_third) -> None:
    """Give a function of (size, slope, width) its partial derivatives."""

    def jvp(primals, tangents):
        first, second, third = tangents
        tangent = by_first(*primals) * first + by_second(*primals) * second + by_third(*primals) * third
        return function(*primals), tangent

    function.defjvp(jvp)


_define(integral, by_size, by_slope, by_width)
_define(by_size, _by_size_size, _by_size_slope, _by_size_width)
_define(by_slope, _by_size_slope, _by_slope_slope, _by_slope_width)
_define(by_width, _by_size_width, _by_slope_width, _by_width_width)
