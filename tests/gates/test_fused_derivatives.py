"""Gates against automatic differentiation of the same formulas written plainly."""

import contextlib
import functools

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.gates.fused import gated_conv, gated_matmul
from jaxsize.gates.liveness import liveness_gate
from jaxsize.gates.ramp import size_gate


def precision(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


def normal(seed, *shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def some_shut(gate):
    """Every fourth gate exactly 0."""
    return jnp.where(jnp.arange(gate.shape[-1]) % 4 == 0, jnp.zeros_like(gate), gate)


# Plain counterparts. Where `liveness` is not 0, automatic differentiation of these is the rule of the gates.
def plain_liveness_gate(activations, liveness):
    return activations * jnp.broadcast_to(jax.nn.relu(liveness), activations.shape)


def plain_size_gate(activations, size, slope):
    level = slope * (size - jnp.arange(activations.shape[-1], dtype=size.dtype))
    return activations * jnp.broadcast_to(jax.nn.sigmoid(level), activations.shape)


def plain_matmul(activations, gate, kernel):
    return (activations * jnp.broadcast_to(gate, activations.shape)) @ kernel


def plain_conv(activations, gate, kernel, *, strides=(1, 1), padding="SAME"):
    gated = activations * jnp.broadcast_to(gate, activations.shape)
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(gated, kernel, strides, padding, dimension_numbers=numbers)


STRIDED = {"strides": (2, 1), "padding": ((1, 0), (2, 1))}
LEFT, GATE, RIGHT = normal(3, 2, 16, 8), some_shut(normal(4, 8)), normal(5, 8, 3)
IMAGES, WINDOW = normal(6, 4, 7, 6, 8), normal(7, 3, 3, 8, 5) / 4
# name: (ours, plain, arguments). "large": the kernel is larger than the activations.
CASES = {
    "liveness": (liveness_gate, plain_liveness_gate, (LEFT, normal(1, 8))),
    "size": (size_gate, plain_size_gate, (LEFT, jnp.float32(4.3), jnp.float32(0.9))),
    "matmul": (gated_matmul, plain_matmul, (LEFT, GATE, RIGHT)),
    "matmul, large": (gated_matmul, plain_matmul, (LEFT[:, 0], GATE, RIGHT)),
    "matmul, one example": (gated_matmul, plain_matmul, (LEFT[0, 0], GATE, RIGHT)),
    "conv": (gated_conv, plain_conv, (IMAGES, GATE, WINDOW)),
    "conv, large": (gated_conv, plain_conv, (IMAGES[:1, :3, :2], GATE, WINDOW)),
    "conv, strided": (
        functools.partial(gated_conv, **STRIDED),
        functools.partial(plain_conv, **STRIDED),
        (IMAGES, GATE, WINDOW[:, :2]),
    ),
}
ALL_CASES = pytest.mark.parametrize("case", CASES)
MAIN_CASES = pytest.mark.parametrize("case", ["liveness", "size", "matmul", "conv"])


def loss_of(function):
    """A scalar whose cotangent depends on the output, so that second derivatives see the forward pass as well."""
    return lambda *arguments: jnp.sum(jnp.sin(function(*arguments)))


def assert_trees_close(got, wanted, tolerance=2e-5):
    """Within `tolerance` of each array's largest entry: sums over axes round in another order."""

    def check(part, target):
        np.testing.assert_allclose(part, target, rtol=0, atol=tolerance * max(1, float(jnp.max(jnp.abs(target)))))

    jax.tree.map(check, got, wanted)


def out_and_gradient(function, *arguments):
    out, pull = jax.vjp(function, *arguments)
    return out, *pull(jnp.cos(out))


@ALL_CASES
def test_gate_and_gradient_equal_plain_autodiff(case):
    ours, plain, arguments = CASES[case]
    wanted = jax.jit(functools.partial(out_and_gradient, plain))(*arguments)
    assert_trees_close(jax.jit(functools.partial(out_and_gradient, ours))(*arguments), wanted)
    assert_trees_close(out_and_gradient(ours, *arguments), wanted)


@ALL_CASES
def test_second_derivatives_equal_plain_autodiff(case):
    ours, plain, arguments = CASES[case]
    argnums = tuple(range(len(arguments)))
    directions = tuple(normal(20 + index, *argument.shape) for index, argument in enumerate(arguments))

    def forward(function):
        return jax.jvp(jax.grad(loss_of(function), argnums), arguments, directions)[1]

    def reverse(function):
        def along(*arguments):
            gradient = jax.grad(loss_of(function), argnums)(*arguments)
            return sum(jnp.sum(part * direction) for part, direction in zip(gradient, directions, strict=True))

        return jax.grad(along, argnums)(*arguments)

    wanted = jax.jit(lambda: forward(plain))()
    assert_trees_close(jax.jit(lambda: forward(ours))(), wanted, tolerance=1e-4)
    assert_trees_close(jax.jit(lambda: reverse(ours))(), wanted, tolerance=1e-4)


@MAIN_CASES
def test_a_run_axis_over_all_or_some_arguments_equals_a_loop(case):
    ours, _, arguments = CASES[case]
    argnums = tuple(range(len(arguments)))
    gradient = jax.jit(jax.grad(loss_of(ours), argnums))
    stacked = tuple(jnp.stack([argument, argument * 0.5, argument * 1.5]) for argument in arguments)
    for shared in (None, *argnums):
        axes = tuple(None if index == shared else 0 for index in argnums)
        mixed = tuple(arguments[index] if index == shared else stacked[index] for index in argnums)

        def total(*arguments, axes=axes):  # the cotangent of a shared argument is summed over the runs
            return jax.vmap(loss_of(ours), axes)(*arguments).sum()

        got = jax.jit(jax.grad(total, argnums))(*mixed)
        runs = [tuple(part if i == shared else part[run] for i, part in enumerate(mixed)) for run in range(3)]
        wanted = [jnp.stack(parts) for parts in zip(*(gradient(*run) for run in runs), strict=True)]
        wanted = tuple(part.sum(0) if i == shared else part for i, part in enumerate(wanted))
        assert_trees_close(got, wanted, tolerance=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@MAIN_CASES
def test_dtypes_in_are_dtypes_out(case, dtype):
    ours, plain, arguments = CASES[case]

    with precision(dtype), jax.numpy_dtype_promotion("strict"):
        dtype = jnp.dtype(dtype)
        rounded = tuple(jnp.asarray(argument, dtype) for argument in arguments)
        got = jax.jit(functools.partial(out_and_gradient, ours))(*rounded)
        assert [part.dtype for part in got] == [dtype] * (1 + len(arguments))
        wide = jnp.float64 if dtype == "float64" else jnp.float32
        wanted = jax.jit(functools.partial(out_and_gradient, plain))(*(argument.astype(wide) for argument in rounded))
        for part, target in zip(got, wanted, strict=True):
            scale = float(jnp.max(jnp.abs(target)))
            tolerance = 128 * scale * float(jnp.finfo(dtype).eps) / (16 if dtype.itemsize == 2 else 1)
            np.testing.assert_allclose(part.astype(wide), target, rtol=0, atol=tolerance)


floats = st.floats(-4, 4, width=32)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    hnp.arrays(np.float32, (3, 4), elements=floats),
    hnp.arrays(np.float32, 4, elements=floats),
    hnp.arrays(np.float32, (3, 4), elements=floats),
)
def test_gradient_of_liveness_gate_is_plain_autodiff_off_the_kink_and_zero_at_it(activations, liveness, ct):
    out, pull = jax.vjp(liveness_gate, jnp.asarray(activations), jnp.asarray(liveness))
    plain_out, plain_pull = jax.vjp(plain_liveness_gate, jnp.asarray(activations), jnp.asarray(liveness))
    np.testing.assert_array_equal(out, plain_out)
    for got, wanted in zip(pull(jnp.asarray(ct)), plain_pull(jnp.asarray(ct)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(pull(jnp.asarray(ct))[1])[liveness <= 0], 0)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    hnp.arrays(np.float32, (5, 4), elements=floats),
    hnp.arrays(np.float32, 4, elements=floats | st.just(0.0) | st.sampled_from([1e-30, -1e-20])),
    hnp.arrays(np.float32, (4, 3), elements=floats),
)
def test_gated_matmul_is_plain_autodiff_for_any_gate(activations, gate, kernel):
    def everything(function):
        loss = loss_of(function)
        return jax.value_and_grad(loss, (0, 1, 2))(*map(jnp.asarray, (activations, gate, kernel)))

    assert_trees_close(everything(gated_matmul), everything(plain_matmul), tolerance=1e-4)
