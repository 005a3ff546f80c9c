"""What a live unit costs in the loss: the integral of the ramp gate, the sum of open gates, norms of unit groups."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxsize import _sigmoid_integral


@jax.custom_vjp
def _size_penalty(size, slope, width):
    return _sigmoid_integral.integral(size, slope, width)


def _size_penalty_fwd(size, slope, width):
    return _sigmoid_integral.integral(size, slope, width), (size, slope, width)


def _size_penalty_bwd(saved, ct):
    # `by_*` are custom_jvp functions: forward mode passes through this body, as through any second derivative.
    partials = (_sigmoid_integral.by_size, _sigmoid_integral.by_slope, _sigmoid_integral.by_width)
    return tuple(ct * partial(*saved) for partial in partials)


_size_penalty.defvjp(_size_penalty_fwd, _size_penalty_bwd)


def size_penalty(size: jax.Array, slope: ArrayLike, width: ArrayLike) -> jax.Array:
    """Smooth count of the units that the ramp gate sigmoid(slope (size - i)), i = 0..width-1, leaves open.

    size: floating, [] or any shape; slope: floating of size's shape or a scalar; width: number of units, a Python int
    or an array (any real dtype) of size's shape or a scalar. Out: size's shape and dtype.

    Value: I = integral over t from 0 to width of sigmoid(slope (size - t))
             = (softplus(slope size) - softplus(slope (size - width))) / slope, and width / 2 at slope 0.
    Between 0 and width, both reached only by rounding; the sum of the gates is larger, by less than 1.
    Backward: dI/dsize  = sigmoid(slope size) - sigmoid(slope (size - width)), in (0, 1);
              dI/dslope = (size sigmoid(slope size) - (size - width) sigmoid(slope (size - width)) - I) / slope,
                          width (size - width / 2) / 4 at slope 0;
              dI/dwidth = sigmoid(slope (size - width)), for a floating width.
    There is no kink. A slope below 0 is outside the contract: its result is undefined.

    Evaluated without the cancellation of these formulas: for slope 0..1e4, |size| <= 1e6 and width 1..1e5 the value and
    all three derivatives are finite and within a relative 1e-6 in float32, 1e-12 in float64 (a result below the
    smallest normal number may come out as 0). 16-bit sizes compute in float32 and round at the end. Second derivatives
    (grad of grad, or `jax.jvp(jax.grad(...))`) have closed forms of their own. As with any `jax.custom_vjp` function,
    forward mode of the penalty itself is not available.

    Source: softplus is the antiderivative of the sigmoid; the stable forms are derived in `_sigmoid_integral.py`.
    """
    size = jnp.asarray(size)
    if not jnp.issubdtype(size.dtype, jnp.floating):
        raise ValueError(f"size_penalty: `size` must be floating, got {_told(size)}")
    compute = _wide(size.dtype)
    settings = []
    for name, value in (("slope", slope), ("width", width)):
        given = jnp.asarray(value)
        expected = f"size_penalty: `{name}` must be [] or {list(size.shape)}, the shape of `size`"
        if given.shape not in ((), size.shape):
            raise ValueError(f"{expected}, got {_told(given)}")
        if not (jnp.issubdtype(given.dtype, jnp.floating) or _counts(name, value, given)):
            raise ValueError(f"{expected}, and floating, got {_told(given)}")
        settings.append(jnp.broadcast_to(given.astype(compute), size.shape))
    return _size_penalty(size.astype(compute), *settings).astype(size.dtype)


def liveness_penalty(liveness: jax.Array, *, signed: bool = False) -> jax.Array:
    """The L1 norm of a layer's gates: of relu(liveness), or of liveness itself where gates are `signed`.

    liveness: floating [U] -> [] in the same dtype. Value: sum of max(liveness, 0), or of |liveness|, added up in at
    least float32. Backward: 1 where liveness > 0 and 0 elsewhere, or sign(liveness); 0 at the kink at 0, so that a
    dead unit is pulled neither way. Source: the subgradient of smallest norm at 0, which `jax.nn.relu` takes too.
    """
    if liveness.ndim != 1 or not jnp.issubdtype(liveness.dtype, jnp.floating):
        raise ValueError(f"liveness_penalty: `liveness` must be floating [U], got {_told(liveness)}")
    wide = liveness.astype(_wide(liveness.dtype))
    if signed:  # not jnp.abs, whose derivative at 0 is 1
        return jnp.sum(wide * jax.lax.stop_gradient(jnp.sign(wide))).astype(liveness.dtype)
    return jnp.sum(jnp.where(wide <= 0, jnp.zeros_like(wide), wide)).astype(liveness.dtype)


def group_norms(kernel: jax.Array) -> jax.Array:
    """Euclidean norm of each column, a unit's incoming weights. kernel: floating [D, U] -> [U] in the same dtype.

    Backward: column / norm, and 0, not NaN, at a zero column (the subgradient of smallest norm). Columns are scaled by
    their largest entry first, so that no square overflows or vanishes; summed in at least float32.
    Source: the group lasso's norm; guarded before the square root, as a branch not taken still has a gradient.
    """
    if kernel.ndim != 2 or not jnp.issubdtype(kernel.dtype, jnp.floating):
        raise ValueError(f"group_norms: `kernel` must be floating [D, U], got {_told(kernel)}")
    wide = kernel.astype(_wide(kernel.dtype))
    # The norm does not depend on the scale, so neither does any derivative.
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(wide), axis=0, initial=0))
    filled = scale != 0
    scaled = wide / jnp.where(filled, scale, 1)[None, :]
    squares = jnp.where(filled, jnp.sum(scaled * scaled, axis=0), 1)
    return jnp.where(filled, scale * jnp.sqrt(squares), 0).astype(kernel.dtype)


def _wide(dtype: jnp.dtype) -> jnp.dtype:
    """At least float32; also where a user forbids implicit promotion."""
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def _told(array: jax.Array) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _counts(name: str, value: ArrayLike, given: jax.Array) -> bool:
    """Whole numbers are a width of any kind, but a slope only as a Python number."""
    return jnp.issubdtype(given.dtype, jnp.integer) and (name == "width" or isinstance(value, int))
