"""Gates fused with the layer that reads the gated units, so that no second copy of the activations is kept.

`gated_matmul` and `gated_conv` apply a gate and the layer that reads the gated activations in one step. Their backward
pass keeps no activation that the ungated layer does not keep, so a gate costs no memory. Nothing here divides by a
gate, so everything is exact at gate 0.

The cotangent of an argument has the dtype of the argument. All functions are `jax.custom_vjp`: forward mode passes
through their gradients (`jax.jvp(jax.grad(f))`), not through the functions themselves.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from jaxsize.errors import InputError
from jaxsize.gates._checks import dtype_and_shape, require_kernel, require_units, wide_dtype
from jaxsize.gates._handed import factors_of, per_row
from jaxsize.gates._scale import raw_scale


def _raw_column(kernel: jax.Array, gate: jax.Array) -> jax.Array:
    return kernel * gate.astype(kernel.dtype).reshape((1,) * (kernel.ndim - 2) + (*gate.shape, 1))


def _smaller_kernel(kernel: jax.Array, activations: jax.Array) -> bool:
    """Tell whether the kernel is the smaller one; of a batch whose size is left open, as in `jax.export`, it is."""
    return not isinstance(activations.size, int) or kernel.size <= activations.size


def _folded(contract, activations, gate, kernel):
    """Return contract(activations * gate, kernel), with the gate multiplied onto the smaller of the two arrays."""
    if _smaller_kernel(kernel, activations):
        return contract(activations, _raw_column(kernel, gate))
    return contract(raw_scale(activations, gate), kernel)


FUSED = "jaxsize.gated"
"""The name of a fused gate in a jaxpr, by which `unit_groups` recognises it. No `def` can have it, as it has a dot."""


def _named_fused(function: Callable) -> Callable:
    function.__name__ = FUSED
    return function


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
@_named_fused
def _gated(contract: Callable, activations, gate, kernel):
    """Return contract(activations * gate, kernel) for a `contract` linear in both; the kernel is [..., U, O]."""
    return _folded(contract, activations, gate, kernel)


def _gated_fwd(contract, activations, gate, kernel):
    return _folded(contract, activations, gate, kernel), (activations, gate, kernel)


def _gated_bwd(contract, saved, ct):
    activations, gate, kernel = saved
    small_kernel = _smaller_kernel(kernel, activations)
    # The gradient of the kernel comes first, behind a barrier, so that the memory it takes meanwhile is free again when
    # the gradient of the activations is computed.
    if small_kernel:  # one gradient, without the gate, serves gate and kernel
        (by_kernel,) = jax.linear_transpose(lambda w: contract(activations, w), kernel)(ct)
        d_gate = _sum_by_units(by_kernel, kernel, kernel.ndim - 2)
        by_kernel, d_gate = lax.optimization_barrier((by_kernel, d_gate))
        (d_activations,) = jax.linear_transpose(lambda a: _folded(contract, a, gate, kernel), activations)(ct)
        return d_activations, d_gate.astype(gate.dtype), _raw_column(by_kernel, gate)
    # Passes over the kernel would cost more than passes over the activations.
    (d_kernel,) = jax.linear_transpose(lambda w: contract(raw_scale(activations, gate), w), kernel)(ct)
    d_kernel, ct = lax.optimization_barrier((d_kernel, ct))
    (by_activations,) = jax.linear_transpose(lambda a: contract(a, kernel), activations)(ct)
    d_gate = _sum_by_units(by_activations, activations, activations.ndim - 1)
    by_activations, d_gate = lax.optimization_barrier((by_activations, d_gate))
    return raw_scale(by_activations, gate), d_gate.astype(gate.dtype), d_kernel


def _sum_by_units(a: jax.Array, b: jax.Array, units: int) -> jax.Array:
    """Sum a * b over all axes but the axis `units`, in at least float32."""
    wide = wide_dtype(a.dtype)
    return jnp.sum(a.astype(wide) * b.astype(wide), axis=tuple(axis for axis in range(a.ndim) if axis != units))


_gated.defvjp(_gated_fwd, _gated_bwd)


def _matmul(activations, kernel):
    return lax.dot_general(activations, kernel, (((activations.ndim - 1,), (0,)), ((), ())))


def _conv(strides, padding, activations, kernel):
    return lax.conv_general_dilated(activations, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def gated_matmul(activations: jax.Array, gate: jax.Array, kernel: jax.Array) -> jax.Array:
    """Compute (activations * gate) @ kernel, without extra memory for the gate.

    Value: (activations * gate) @ kernel. The gate is multiplied onto the smaller of activations and kernel.
    Backward: with D = activations^T ct, summed over the leading axes, d_kernel = gate[:, None] D; d_gate = row sums of
    D * kernel; d_activations = (ct kernel^T) * gate. The gradient of the gate is summed over the smaller of kernel and
    activations; where that is the activations, d_gate = sum over the leading axes of activations * (ct kernel^T),
    which is the same number.
    Memory: only the arguments are kept for the backward pass. Call the function on a batch of examples: under
    `jax.vmap` over examples, D exists once per example.
    Source: the chain rule through the folded kernel gate[:, None] kernel, whose gradient is D.

    Args:
        activations: floating [..., U].
        gate: floating [U] of any values, negative ones and exact zeros included: relu(liveness), size_gates(...), or
            liveness itself. For activations [B, ..., U] also [B, U], gates of each row, which are not fused.
        kernel: [U, O] in the dtype of `activations`.

    Returns:
        [..., O], in the dtype of `activations`.

    Raises:
        InputError: when `activations` or `gate` is not floating, or a shape or the dtype of the kernel does not fit.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import gated_matmul
        >>> activations, gate, kernel = jnp.array([[1.0, 2.0]]), jnp.array([3.0, 0.0]), jnp.ones((2, 1))
        >>> jax.jit(gated_matmul)(activations, gate, kernel).tolist()
        [[3.0]]
        >>> jax.jit(jax.grad(lambda gate: gated_matmul(activations, gate, kernel).sum()))(gate).tolist()
        [1.0, 2.0]
    """
    gate = factors_of(gate)
    if gate.ndim == 2:
        activations = per_row("gated_matmul", activations, gate)
        require_kernel("gated_matmul", "[U, O]", 2, activations, kernel)
        return activations @ kernel
    require_units("gated_matmul", "gate", activations, gate)
    require_kernel("gated_matmul", "[U, O]", 2, activations, kernel)
    return _gated(_matmul, activations, gate, kernel)


def gated_conv(
    activations: jax.Array,
    gate: jax.Array,
    kernel: jax.Array,
    *,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[tuple[int, int]] = "SAME",
) -> jax.Array:
    """Compute the 2-d convolution of activations * gate with a kernel, without extra memory for the gate.

    Value, Backward, Memory: as in `gated_matmul`, where D is the kernel's gradient in the ungated convolution.

    Args:
        activations: floating [N, H, W, U].
        gate: floating [U] or [N, U] of any values, as in `gated_matmul`.
        kernel: [h, w, U, O] in the dtype of `activations`.
        strides: one number, or one per spatial axis.
        padding: "SAME", "VALID", or (before, after) per spatial axis.

    Returns:
        [N, H', W', O], in the dtype of `activations`.

    Raises:
        InputError: when `activations` or `gate` is not floating, or a shape or the dtype of the kernel does not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import gated_conv
        >>> images, kernel = jnp.ones((1, 1, 3, 2)), jnp.ones((1, 1, 2, 1))
        >>> gated_conv(images, jnp.array([5.0, 0.0]), kernel).ravel().tolist()
        [5.0, 5.0, 5.0]
    """
    gate = factors_of(gate)
    if gate.ndim == 2:
        activations = per_row("gated_conv", activations, gate)
    else:
        require_units("gated_conv", "gate", activations, gate)
    if activations.ndim != 4:
        raise InputError(f"gated_conv: `activations` must be [N, H, W, U], got {dtype_and_shape(activations)}")
    require_kernel("gated_conv", "[h, w, U, O]", 4, activations, kernel)
    pair = (strides, strides) if isinstance(strides, int) else tuple(strides)
    pads = padding if isinstance(padding, str) else tuple((before, after) for before, after in padding)
    if gate.ndim == 2:
        return _conv(pair, pads, activations, kernel)
    return _gated(functools.partial(_conv, pair, pads), activations, gate, kernel)
