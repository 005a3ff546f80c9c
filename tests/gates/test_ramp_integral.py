"""ramp.py: the size penalty and its derivatives of every order against mpmath and closed forms."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from helpers.compiling import jit_for_users
from helpers.size_penalty_reference import (
    DIGITS,
    edge_points,
    exact,
    exact_integral,
    largest_relative_error,
    random_points,
)

from jaxsize.gates.ramp import size_penalty

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def precision(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


value_and_gradient = jax.value_and_grad(size_penalty, argnums=(0, 1, 2))


@functools.cache
def points_and_exact_values(dtype, num):
    points = np.concatenate([random_points(num, seed=0), edge_points()]).astype(dtype)
    with mpmath.workdps(DIGITS[dtype]):
        return points, [exact(*point) for point in points]


@pytest.mark.parametrize("wrap", [lambda f: f, jit_for_users], ids=["eager", "jit"])
@pytest.mark.parametrize(("dtype", "num"), [("float32", 1500), ("float64", 300)])
def test_size_penalty_and_its_gradient_match_mpmath(wrap, dtype, num):
    points, wanted = points_and_exact_values(dtype, num)
    with precision(dtype):
        value, gradient = wrap(jax.vmap(value_and_gradient))(*map(jnp.asarray, points.T))
    with mpmath.workdps(DIGITS[dtype]):
        for got, target in zip((value, *gradient), zip(*wanted, strict=True), strict=True):
            assert got.dtype == dtype
            assert np.isfinite(got).all()
            assert largest_relative_error(got, target, dtype) <= TOLERANCE[dtype]


@pytest.mark.parametrize(
    ("size", "slope", "width"), [(60, 1, 10), (50, 1e-4, 100), (5.001, 1e-2, 10), (1e3, 1e-5, 10), (-100, 3e-3, 10)]
)
def test_the_textbook_difference_of_softplus_is_wrong_where_size_penalty_is_right(size, slope, width):
    def textbook(size, slope, width):
        return (jax.nn.softplus(slope * size) - jax.nn.softplus(slope * (size - width))) / slope

    arguments = jnp.float32(size), jnp.float32(slope), jnp.float32(width)
    with mpmath.workdps(100):
        wanted = exact(*arguments)[:3]
        errors = []
        for function in (textbook, size_penalty):
            value, gradient = jit_for_users(jax.value_and_grad(function, argnums=(0, 1)))(*arguments)
            got = (value, *gradient)
            errors.append([largest_relative_error([a], [b], "float32") for a, b in zip(got, wanted, strict=True)])
    assert max(errors[0]) > 1e-5
    assert max(errors[1]) <= 1e-6


def second_derivatives(size, slope, width):
    """[3, 3] by forward mode over the gradient, and the same by reverse mode over it."""
    arguments = jnp.stack([size, slope, width])

    def gradient(vector):
        return jax.grad(lambda v: size_penalty(v[0], v[1], v[2]))(vector)

    forward = jax.vmap(lambda direction: jax.jvp(gradient, (arguments,), (direction,))[1])(jnp.eye(3, dtype=size.dtype))
    reverse = jax.jacrev(gradient)(arguments)
    return forward, reverse


def test_second_derivatives_match_numeric_ones():
    rng = np.random.default_rng(2)
    num = 40
    slope, width = 10 ** rng.uniform(-4, 2, num), 10 ** rng.uniform(0, 3, num)
    corner = rng.uniform(-20, 20, num) / slope
    size = np.choose(rng.integers(0, 4, num), [corner, width + corner, width * rng.uniform(0, 1, num), width / 2])
    points = np.stack([size, slope, width], axis=1).astype(np.float32)
    forward, reverse = jit_for_users(jax.vmap(second_derivatives))(*map(jnp.asarray, points.T))
    np.testing.assert_allclose(forward, reverse, rtol=1e-5, atol=1e-30)
    with mpmath.workdps(60):
        for point, got in zip(points, np.asarray(forward), strict=True):
            size, slope, width = (mpmath.mpf(float(number)) for number in point)
            for row in range(3):
                for column in range(3):
                    orders = [int(axis == row) + int(axis == column) for axis in range(3)]
                    wanted = mpmath.diff(exact_integral, (size, slope, width), tuple(orders))
                    # In the mixed ones, terms of both signs meet; in units of the larger of them.
                    unit = abs(wanted) + (abs(size) + width) * mpmath.mpf(1e-6) * (row + column == 1)
                    assert abs(mpmath.mpf(float(got[row, column])) - wanted) <= 2e-5 * unit + mpmath.mpf(1e-37)


def test_second_derivatives_at_slope_zero_and_at_extremes():
    points = edge_points().astype(np.float32)
    for part in jit_for_users(jax.vmap(second_derivatives))(*map(jnp.asarray, points.T)):
        assert np.isfinite(part).all()
        flat = points[:, 1] == 0
        _, _, width = points[flat].T
        np.testing.assert_allclose(part[flat, 0, 1], width / 4, rtol=1e-6)  # d2I / dsize dslope
        np.testing.assert_array_equal(part[flat, 0, 0], 0)
        np.testing.assert_array_equal(part[flat, 1, 1], 0)  # sigmoid is odd around 0: no second order in the slope


def test_gradient_of_the_squared_penalty_differentiates_the_value_too():
    # The forward pass of the penalty is itself differentiated here: (I^2)'' = 2 I'^2 + 2 I I''.
    size, slope, width = jnp.float32(3.2), jnp.float32(0.7), 8

    def square(size):
        return size_penalty(size, slope, width) ** 2

    @jit_for_users
    def everything(size):
        value, first = jax.value_and_grad(size_penalty)(size, slope, width)
        second = jax.grad(jax.grad(size_penalty))(size, slope, width)
        forward = jax.jvp(jax.grad(square), (size,), (jnp.ones_like(size),))[1]
        return value, first, second, forward, jax.grad(jax.grad(square))(size)

    value, first, second, *both = everything(size)
    for got in both:
        np.testing.assert_allclose(got, 2 * first**2 + 2 * value * second, rtol=1e-6)


def test_third_derivatives_are_those_of_the_sigmoid():
    # d3I/dsize3 = slope^2 (sigmoid''(slope size) - sigmoid''(slope (size - width)))
    slope, width = jnp.float32(0.5), 20
    sizes = jnp.array([-4.0, -0.5, 0.0, 0.5, 3.0, 10.0, 13.0, 19.5, 20.0, 21.0, 27.0])

    def bend(level):
        s = jax.nn.sigmoid(level)
        return s * (1 - s) * (1 - 2 * s)

    third = jax.grad(jax.grad(jax.grad(lambda size: size_penalty(size, slope, width))))
    got = jit_for_users(jax.vmap(third))(sizes)
    np.testing.assert_allclose(got, slope**2 * (bend(slope * sizes) - bend(slope * (sizes - width))), atol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_size_penalty_keeps_dtypes_and_rounds_only_at_the_end(dtype):
    with precision(dtype), jax.numpy_dtype_promotion("strict"):
        dtype = jnp.dtype(dtype)
        size, slope = jnp.asarray(700.25, dtype), jnp.asarray(0.01, dtype)
        width = 1023  # not a bfloat16
        value, gradient = jit_for_users(jax.value_and_grad(lambda x, k: size_penalty(x, k, width), (0, 1)))(size, slope)
        assert [part.dtype for part in (value, *gradient)] == [dtype] * 3
        with mpmath.workdps(100):
            for got, wanted in zip((value, *gradient), exact(size, slope, width), strict=False):
                assert abs(float(got) - float(wanted)) <= abs(float(wanted)) * float(jnp.finfo(dtype).eps)
