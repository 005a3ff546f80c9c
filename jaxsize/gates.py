"""Gates on units: how much of each unit passes, and what a gradient says about it.

A gate is a vector with one value per unit and multiplies the last axis of the activations. `liveness_gate` and
`size_gate` are the plain forms. `gated_matmul` and `gated_conv` take the layer that reads the gated activations with
them: their backward pass keeps no activation that the ungated layer does not keep, so a gate costs no memory.
Nothing here divides by a gate: everything is exact at gate 0.

Cotangents come back in the dtype of their primal. All functions are `jax.custom_vjp`: forward mode passes through
their gradients (`jax.jvp(jax.grad(f))`), not through themselves.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

# Bodies of custom_vjp rules below use only these raw functions, never another custom_vjp function.


def _wide(dtype: jnp.dtype) -> jnp.dtype:
    """At least float32; also where a user forbids implicit promotion."""
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def _raw_relu(x: jax.Array) -> jax.Array:
    return jnp.where(x <= 0, jnp.zeros_like(x), x)  # derivative 0 at 0; NaN stays NaN


def _raw_scale(activations: jax.Array, gate: jax.Array) -> jax.Array:
    row = gate.astype(activations.dtype).reshape((1,) * (activations.ndim - 1) + gate.shape)
    return activations * row


def _raw_column(kernel: jax.Array, gate: jax.Array) -> jax.Array:
    return kernel * gate.astype(kernel.dtype).reshape((1,) * (kernel.ndim - 2) + (*gate.shape, 1))


@jax.custom_vjp
def _relu(x):
    return _raw_relu(x)


def _relu_fwd(x):
    out = _raw_relu(x)
    return out, out


def _relu_bwd(out, ct):
    return (jnp.where(out > 0, ct, jnp.zeros_like(ct)),)


_relu.defvjp(_relu_fwd, _relu_bwd)


def relu(x: jax.Array) -> jax.Array:
    """max(x, 0). x: floating, any shape; same shape and dtype out.

    Backward: passes where x > 0 and is 0 elsewhere, 0 included. Keeps only its output, which the layer that reads it
    keeps anyway; `jax.nn.relu` keeps its input or a mask as well, and below a gated layer the compiler does not always
    find out that it need not. Use this one there.
    """
    _require_floating("relu", "x", x)
    return _relu(x)


@jax.custom_vjp
def _scale(activations, gate):
    return _raw_scale(activations, gate)


def _scale_fwd(activations, gate):
    return _raw_scale(activations, gate), (activations, gate)


def _scale_bwd(saved, ct):
    activations, gate = saved
    wide = _wide(ct.dtype)
    d_gate = jnp.sum(ct.astype(wide) * activations.astype(wide), axis=tuple(range(ct.ndim - 1)))
    return _raw_scale(ct, gate), d_gate.astype(gate.dtype)


_scale.defvjp(_scale_fwd, _scale_bwd)


def liveness_gate(activations: jax.Array, liveness: jax.Array) -> jax.Array:
    """Each unit times its open gate, relu(liveness). activations: [..., U], liveness: [U], both floating.

    Out: shape and dtype of `activations`.
    Backward: d_activations = ct relu(liveness); d_liveness = sum over the leading axes of ct activations where
    liveness > 0, and 0 elsewhere. At exactly 0 it is 0: death is absorbing, a dead unit gets no gradient, and neither
    do the weights before it. Source: the chain rule, with the subgradient that `jax.nn.relu` takes.
    """
    _require_units("liveness_gate", "liveness", activations, liveness)
    return _scale(activations, _relu(liveness))


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
    """The gate vector in at least float32: above 256, bfloat16 has no odd unit index."""
    size = jnp.asarray(size)
    slope = jnp.asarray(slope, size.dtype if isinstance(slope, int) else None)
    _require_floating(where, "size", size, ())
    _require_floating(where, "slope", slope, ())
    wide = _wide(size.dtype)
    return _ramp(size.astype(wide), slope.astype(wide), width)


def size_gates(size: jax.Array, slope: ArrayLike, width: int) -> jax.Array:
    """The ramp gate sigmoid(slope (size - i)) of units i = 0..width-1. size: [], slope: [] >= 0 -> [width].

    Out in the dtype of `size`; computed in at least float32, where unit indices are exact up to 2^24.
    Backward, with s' = s (1 - s): d_size = sum_i ct_i slope s'_i; d_slope = sum_i ct_i (size - i) s'_i. No kink; both
    are finite for slope 0..1e4, |size| up to 1e6 and width up to 1e5. Source: the chain rule.
    """
    if width < 0:
        raise ValueError(f"size_gates: `width` must be at least 0, got {width}")
    return _wide_ramp("size_gates", size, slope, width).astype(jnp.asarray(size).dtype)


def size_gate(activations: jax.Array, size: jax.Array, slope: ArrayLike) -> jax.Array:
    """Each unit times its ramp gate: a trained width. activations: [..., U], size: [], slope: [] >= 0, all floating.

    Out: shape and dtype of `activations`. Value: activations_i sigmoid(slope (size - i)).
    Backward: d_activations = ct gate; d_size and d_slope as in `size_gates`, for ct_i the sum over the leading axes of
    ct activations. Gate and sums are computed in at least float32, whatever the dtypes.
    """
    _require_floating("size_gate", "activations", activations)
    if activations.ndim < 1:
        raise ValueError(f"size_gate: `activations` must be [..., U], got {_told(activations)}")
    return _scale(activations, _wide_ramp("size_gate", size, slope, activations.shape[-1]))


def _folded(contract, activations, gate, kernel):
    """contract(activations * gate, kernel), the gate multiplied onto whichever of the two is smaller."""
    if kernel.size <= activations.size:
        return contract(activations, _raw_column(kernel, gate))
    return contract(_raw_scale(activations, gate), kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gated(contract: Callable, activations, gate, kernel):
    """contract(activations * gate, kernel) for a `contract` linear in each; kernel [..., U, O], units at axis -2."""
    return _folded(contract, activations, gate, kernel)


def _gated_fwd(contract, activations, gate, kernel):
    return _folded(contract, activations, gate, kernel), (activations, gate, kernel)


def _gated_bwd(contract, saved, ct):
    activations, gate, kernel = saved
    small_kernel = kernel.size <= activations.size
    # The kernel's gradient comes first, behind a barrier: what it takes for a while is free again for the activations'.
    if small_kernel:  # one gradient, without the gate, serves gate and kernel
        (by_kernel,) = jax.linear_transpose(lambda w: contract(activations, w), kernel)(ct)
        d_gate = _sum_by_units(by_kernel, kernel, kernel.ndim - 2)
        by_kernel, d_gate = lax.optimization_barrier((by_kernel, d_gate))
        (d_activations,) = jax.linear_transpose(lambda a: _folded(contract, a, gate, kernel), activations)(ct)
        return d_activations, d_gate.astype(gate.dtype), _raw_column(by_kernel, gate)
    # Passes over the kernel would cost more than passes over the activations.
    (d_kernel,) = jax.linear_transpose(lambda w: contract(_raw_scale(activations, gate), w), kernel)(ct)
    d_kernel, ct = lax.optimization_barrier((d_kernel, ct))
    (by_activations,) = jax.linear_transpose(lambda a: contract(a, kernel), activations)(ct)
    d_gate = _sum_by_units(by_activations, activations, activations.ndim - 1)
    by_activations, d_gate = lax.optimization_barrier((by_activations, d_gate))
    return _raw_scale(by_activations, gate), d_gate.astype(gate.dtype), d_kernel


def _sum_by_units(a: jax.Array, b: jax.Array, units: int) -> jax.Array:
    """Sum of a * b over all axes but `units`, in at least float32."""
    wide = _wide(a.dtype)
    return jnp.sum(a.astype(wide) * b.astype(wide), axis=tuple(axis for axis in range(a.ndim) if axis != units))


_gated.defvjp(_gated_fwd, _gated_bwd)
FUSED = "_gated"  # the name under which a jaxpr shows it, for `flat_program`


def _matmul(activations, kernel):
    return lax.dot_general(activations, kernel, (((activations.ndim - 1,), (0,)), ((), ())))


def _conv(strides, padding, activations, kernel):
    return lax.conv_general_dilated(activations, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def gated_matmul(activations: jax.Array, gate: jax.Array, kernel: jax.Array) -> jax.Array:
    """(activations * gate) @ kernel. activations: [..., U], gate: [U], kernel: [U, O] -> [..., O].

    gate: any floating vector, signed ones and exact zeros included: relu(liveness), size_gates(...), liveness itself.
    Backward, with D = activations^T ct over the leading axes: d_kernel = gate[:, None] D; d_gate = row sums of
    D * kernel; d_activations = (ct kernel^T) * gate. Saved: the arguments, nothing else. The gate is multiplied onto
    the smaller of activations and kernel, and its gradient summed over the smaller: where that is the activations,
    d_gate = sum over the leading axes of activations * (ct kernel^T), the same number. Call it on a batch of
    examples: under `jax.vmap` over examples, D exists once per example. Source: the chain rule through the folded
    kernel gate[:, None] kernel, whose gradient is D.
    """
    _require_units("gated_matmul", "gate", activations, gate)
    _require_kernel("gated_matmul", "[U, O]", 2, activations, kernel)
    return _gated(_matmul, activations, gate, kernel)


def gated_conv(
    activations: jax.Array,
    gate: jax.Array,
    kernel: jax.Array,
    *,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[tuple[int, int]] = "SAME",
) -> jax.Array:
    """Convolution of activations * gate. activations: [N, H, W, U], gate: [U], kernel: [h, w, U, O] -> [N, H', W', O].

    strides: one int or one per spatial axis; padding: "SAME", "VALID" or (before, after) per spatial axis.
    Gate, backward and what is saved: as in `gated_matmul`, with D the kernel gradient of the ungated convolution.
    """
    _require_units("gated_conv", "gate", activations, gate)
    if activations.ndim != 4:
        raise ValueError(f"gated_conv: `activations` must be [N, H, W, U], got {_told(activations)}")
    _require_kernel("gated_conv", "[h, w, U, O]", 4, activations, kernel)
    pair = (strides, strides) if isinstance(strides, int) else tuple(strides)
    pads = padding if isinstance(padding, str) else tuple((before, after) for before, after in padding)
    return _gated(functools.partial(_conv, pair, pads), activations, gate, kernel)


def _told(array: jax.Array) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _require_floating(where: str, name: str, array: jax.Array, shape: tuple[int, ...] | None = None) -> None:
    if not jnp.issubdtype(array.dtype, jnp.floating) or shape not in (None, array.shape):
        expected = "floating" if shape is None else f"floating {list(shape)}"
        raise ValueError(f"{where}: `{name}` must be {expected}, got {_told(array)}")


def _require_units(where: str, name: str, activations: jax.Array, gate: jax.Array) -> None:
    _require_floating(where, "activations", activations)
    _require_floating(where, name, gate)
    if activations.ndim < 1 or gate.shape != activations.shape[-1:]:
        expected = f"[U] with U the last axis of `activations` {_told(activations)}"
        raise ValueError(f"{where}: `{name}` must be {expected}, got {_told(gate)}")


def _require_kernel(where: str, shape: str, ndim: int, activations: jax.Array, kernel: jax.Array) -> None:
    units = activations.shape[-1]
    if kernel.ndim != ndim or kernel.shape[-2] != units or kernel.dtype != activations.dtype:
        expected = f"{activations.dtype} {shape} with U = {units}, as `activations`"
        raise ValueError(f"{where}: `kernel` must be {expected}, got {_told(kernel)}")
