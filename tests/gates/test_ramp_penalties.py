"""Bounds, shapes, dtypes and refusals of the size penalty; the liveness penalty and group norms."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.gates.group_lasso import group_norms
from jaxsize.gates.liveness import liveness_penalty
from jaxsize.gates.ramp import size_gates, size_penalty

value_and_gradient = jax.jit(jax.value_and_grad(size_penalty, argnums=(0, 1, 2)))


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    st.floats(-1e3, 2e3, width=32),
    st.floats(0, 10, width=32).filter(lambda slope: slope == 0 or slope > 1e-30),
    st.integers(1, 1000),
    st.floats(0, 1e3, width=32),
)
def test_size_penalty_lies_between_zero_and_width_and_grows_with_size(size, slope, width, step):
    low, (by_size, _, by_width) = value_and_gradient(*map(np.float32, (size, slope, width)))
    high, _ = value_and_gradient(*map(np.float32, (size + step, slope, width)))
    assert 0 <= low <= high * (1 + 1e-6) <= width * (1 + 2e-6)
    if 0 <= size <= width:
        assert 0 < low < width
    assert 0 <= by_size <= 1
    assert 0 <= by_width <= 1


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0, 30.0])
def test_the_sum_of_the_gates_exceeds_the_integral_by_less_than_one(slope):
    size, slope, width = jnp.float32(37.4), jnp.float32(slope), 64
    excess = size_gates(size, slope, width).sum() - size_penalty(size, slope, width)
    assert -1e-5 <= excess < 1
    corners = jax.nn.sigmoid(slope * size) - jax.nn.sigmoid(slope * (size - width))
    if slope <= 1:  # Euler and Maclaurin: the first correction is half the difference of the corners
        np.testing.assert_allclose(excess, corners / 2, atol=1e-3)


def test_size_penalty_takes_a_mixed_slope_a_shared_setting_and_an_integer_width():
    sizes = jnp.linspace(-3.0, 9.0, 5)
    widths = jnp.array([1, 4, 6, 8, 12])
    slope = jnp.bfloat16(0.5)
    total = jax.jit(jax.value_and_grad(lambda x, k: size_penalty(x, k, widths).sum(), argnums=(0, 1)))
    got, (by_size, by_slope) = total(sizes, slope)
    one = jax.jit(jax.vmap(jax.value_and_grad(size_penalty, argnums=(0, 1)), (0, None, 0)))
    values, (each_by_size, each_by_slope) = one(sizes, jnp.float32(0.5), widths)
    np.testing.assert_allclose(got, values.sum(), rtol=1e-6)
    np.testing.assert_allclose(by_size, each_by_size, rtol=1e-6)
    assert by_slope.dtype == jnp.bfloat16
    np.testing.assert_allclose(by_slope.astype(jnp.float32), each_by_slope.sum(), rtol=4e-3)
    np.testing.assert_array_equal(size_penalty(sizes, 0, widths), widths / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.int32(3), 1.0, 4), r"`size` must be floating, got int32\[\]"),
        ((jnp.ones(2), jnp.ones(3), 4), r"`slope` must be \[\] or \[2\].*got float32\[3\]"),
        ((jnp.ones(()), jnp.ones(3), 4), r"`slope` must be \[\] or \[\].*got float32\[3\]"),
        ((jnp.ones(2), jnp.int32(1), 4), r"`slope` must be .* floating, got int32\[\]"),
        ((jnp.ones(2), 1.0, jnp.ones((2, 1))), r"`width` must be \[\] or \[2\].*got float32\[2, 1\]"),
    ],
)
def test_size_penalty_refuses_wrong_shapes_and_dtypes_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        jax.eval_shape(size_penalty, *arguments)
    assert "\n" not in str(caught.value)


def test_liveness_penalty_counts_open_gates_and_leaves_the_dead_alone():
    liveness = jnp.array([-1.0, -0.0, 0.0, 1e-30, 0.5, 2.0])
    value, gradient = jax.jit(jax.value_and_grad(liveness_penalty))(liveness)
    assert value == 2.5
    np.testing.assert_array_equal(gradient, [0, 0, 0, 1, 1, 1])
    curvature = jax.jacfwd(jax.grad(lambda v: liveness_penalty(v) ** 2))(liveness)
    np.testing.assert_array_equal(curvature, 2 * jnp.outer(gradient, gradient))
    np.testing.assert_array_equal(jax.vmap(liveness_penalty)(jnp.stack([liveness, -liveness])), [2.5, 1.0])


def test_liveness_penalty_of_signed_gates_is_their_l1_norm():
    liveness = jnp.array([-1.0, -0.0, 0.0, 1e-30, 0.5, -2.0])
    value, gradient = jax.jit(jax.value_and_grad(lambda v: liveness_penalty(v, signed=True)))(liveness)
    assert value == 3.5
    np.testing.assert_array_equal(gradient, [-1, 0, 0, 1, 1, -1])
    assert jnp.isnan(liveness_penalty(liveness.at[0].set(jnp.nan), signed=True))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_liveness_penalty_adds_up_in_float32(dtype, signed):
    liveness = jnp.full(4096, 0.25, dtype)  # added one by one in bfloat16, the sum would stop growing at 64
    with jax.numpy_dtype_promotion("strict"):
        value, gradient = jax.value_and_grad(lambda gates: liveness_penalty(gates, signed=signed))(liveness)
    assert value.dtype == gradient.dtype == dtype
    np.testing.assert_array_equal(value.astype(jnp.float32), 1024)


def test_group_norms_are_column_norms_with_gradient_zero_at_a_zero_column():
    kernel = jax.random.normal(jax.random.key(0), (7, 5)).at[:, 2].set(0)
    norms, pull = jax.vjp(jax.jit(group_norms), kernel)
    np.testing.assert_allclose(norms, np.linalg.norm(kernel, axis=0), rtol=1e-6)
    (gradient,) = pull(jnp.ones(5))
    np.testing.assert_allclose(gradient, kernel / jnp.where(norms > 0, norms, 1)[None, :], rtol=1e-6)
    assert (gradient[:, 2] == 0).all()

    # The second derivative of |w| is (1 - u u^T) / |w| with u = w / |w|, and taken as 0 at 0.
    def total(kernel):
        return group_norms(kernel).sum()

    direction = jax.random.normal(jax.random.key(1), kernel.shape)
    along = (gradient * direction).sum(0)
    wanted = jnp.where(norms > 0, (direction - gradient * along[None, :]) / jnp.where(norms > 0, norms, 1)[None, :], 0)
    forward = jax.jvp(jax.jit(jax.grad(total)), (kernel,), (direction,))[1]
    reverse = jax.jit(jax.grad(lambda w: (jax.grad(total)(w) * direction).sum()))(kernel)
    np.testing.assert_allclose(forward, wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(reverse, wanted, rtol=1e-4, atol=1e-6)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    hnp.arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32).filter(lambda w: w == 0 or abs(w) > 1e-3)),
    st.sampled_from([1e-30, 1e-20, 1.0, 1e20, 1e30]),
)
def test_group_norms_survive_any_scale(kernel, scale):
    kernel = kernel * np.float32(scale)
    norms, pull = jax.vjp(jax.jit(group_norms), jnp.asarray(kernel))
    wanted = np.linalg.norm(kernel.astype(np.float64), axis=0)
    np.testing.assert_allclose(norms, wanted, rtol=1e-6)
    lengths = np.linalg.norm(pull(jnp.ones(4))[0], axis=0)
    np.testing.assert_allclose(lengths, wanted > 0, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_group_norms_keep_the_dtype(dtype):
    kernel = jnp.full((1024, 2), 0.5, dtype)
    with jax.numpy_dtype_promotion("strict"):
        norms, pull = jax.vjp(group_norms, kernel)
    assert norms.dtype == pull(norms)[0].dtype == dtype
    np.testing.assert_array_equal(norms.astype(jnp.float32), [16, 16])


@pytest.mark.parametrize("function", [liveness_penalty, group_norms])
@pytest.mark.parametrize("array", [jnp.ones((2, 3, 4)), jnp.ones(()), jnp.ones((2, 3), int), jnp.ones(3, bool)])
def test_vector_penalties_refuse_wrong_ranks_and_dtypes(function, array):
    with pytest.raises(ValueError, match=rf"{function.__name__}: .* must be floating \[.*, got {array.dtype}"):
        jax.eval_shape(function, array)
