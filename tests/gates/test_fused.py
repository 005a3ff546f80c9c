"""liveness.py, ramp.py, fused.py: death, both ends of the ramp, dtypes, memory, refusals."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.compiling import jit_for_users

from jaxsize.gates.fused import gated_conv, gated_matmul
from jaxsize.gates.liveness import liveness_gate, relu
from jaxsize.gates.ramp import size_gate, size_gates


def test_a_wide_gate_beside_narrow_activations_keeps_its_dtype_and_precision():
    activations = jnp.full((4096, 2), 0.25, jnp.bfloat16)
    out, pull = jax.vjp(liveness_gate, activations, jnp.array([0.5, 2.0]))
    d_activations, d_liveness = pull(jnp.ones_like(out))
    assert (out.dtype, d_activations.dtype, d_liveness.dtype) == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(d_liveness, 1024)  # added one by one in bfloat16, the sum would stop growing at 64


def test_death_is_absorbing():
    activations = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)), jnp.float32)
    liveness = jnp.array([-1.0, -0.0, 0.0, 1e-30, 0.5])
    out, pull = jax.vjp(jax.jit(liveness_gate), activations, liveness)
    d_activations, d_liveness = pull(jnp.ones_like(out))
    np.testing.assert_array_equal(out[:, :3], 0)
    np.testing.assert_array_equal(d_activations[:, :3], 0)
    np.testing.assert_array_equal(d_liveness[:3], 0)
    np.testing.assert_allclose(d_liveness[3:], activations.sum(0)[3:], rtol=1e-5)

    # Also in second order: the derivative of d_activations by liveness is 0 at 0.
    def pulled(liveness):
        return jax.grad(lambda a: liveness_gate(a, liveness).sum())(activations).sum()

    np.testing.assert_array_equal(jax.grad(pulled)(liveness), [0, 0, 0, 6, 6])


def test_relu_keeps_its_output_only_and_has_derivative_zero_at_zero():
    x = jnp.array([-2.0, -0.0, 0.0, 3.0, jnp.inf, -jnp.inf])
    out, pull = jax.vjp(relu, x)
    np.testing.assert_array_equal(out, [0, 0, 0, 3, jnp.inf, 0])
    np.testing.assert_array_equal(pull(jnp.ones(6))[0], [0, 0, 0, 1, 1, 0])
    second = jax.grad(lambda x: jax.grad(lambda x: (relu(x) ** 2).sum())(x).sum())(x[:4])
    np.testing.assert_array_equal(second, [0, 0, 0, 2])
    assert jnp.isnan(relu(jnp.nan * x[:1])).all()
    assert sum(leaf.size for leaf in jax.tree.leaves(pull)) == x.size


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_size_gate_is_finite_at_extremes(dtype):
    width = 100_000
    activations = jnp.ones((2, width), dtype)

    @jax.jit
    def everything(size, slope):
        def loss(*arguments):
            return jnp.sum(jnp.sin(size_gate(*arguments)))

        gradient = functools.partial(jax.grad(loss, (0, 1, 2)), activations)
        second = jax.jvp(gradient, (size, slope), (jnp.ones_like(size), jnp.ones_like(slope)))
        return loss(activations, size, slope), second, size_gates(size, slope, width)

    for size, slope in itertools.product([-1e6, -3.0, 0.0, 256.5, 5e4, 1e5, 1e6], [0.0, 1e-6, 1.0, 1e4]):
        results = everything(jnp.asarray(size, dtype), jnp.asarray(slope, dtype))
        chex.assert_tree_all_finite(results, custom_message=f"size {size}, slope {slope}")


def test_size_gates_open_in_order_and_know_every_index_in_bfloat16():
    gates = size_gates(jnp.bfloat16(300), 2.0, 1000)  # 300 is a bfloat16, 301 is not
    assert gates.dtype == jnp.bfloat16
    wanted = np.exp(-np.logaddexp(0, -2 * (300 - np.arange(1000.0))))
    np.testing.assert_allclose(gates.astype(jnp.float32), wanted, rtol=2**-8, atol=1e-38)
    gated = size_gate(jnp.ones((1, 1000), jnp.bfloat16), jnp.float32(300), jnp.float32(2))
    np.testing.assert_array_equal(gated[0], gates)


def test_size_gate_gradients_reach_into_both_tails():
    # One unit far below or above the ramp: d_size = slope sigmoid'(slope (size - i)), a very small number.
    gradient = jax.jit(jax.grad(lambda *arguments: size_gate(*arguments).sum(), (0, 1, 2)))
    for index, size in ((0, 40.0), (0, -40.0), (60, 20.0), (3, 43.0)):
        activations = jax.nn.one_hot(index, 64)
        _, by_size, by_slope = gradient(activations, jnp.float32(size), jnp.float32(1.5))
        distance = size - index
        rate = np.exp(-1.5 * abs(distance)) / (1 + np.exp(-1.5 * abs(distance))) ** 2
        np.testing.assert_allclose([by_size, by_slope], [1.5 * rate, distance * rate], rtol=1e-5)


def compiled_bytes(widths, batch_size, gated, activation):
    """Temporary memory of the compiled gradient of a dense network."""
    layers = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in itertools.pairwise(widths)]
    liveness = [jax.ShapeDtypeStruct((width,), jnp.float32) for width in widths[1:-1]]

    def loss(layers, liveness, x, labels):
        x = x @ layers[0]
        for layer, level in zip(layers[1:], liveness, strict=True):
            x = activation(x)
            x = gated_matmul(x, relu(level), layer) if gated else x @ layer
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], axis=1))

    images = jax.ShapeDtypeStruct((batch_size, widths[0]), jnp.float32)
    labels = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    gradient = jit_for_users(jax.value_and_grad(loss, (0, 1)))
    report = gradient.lower(layers, liveness, images, labels).compile().memory_analysis()
    assert report is not None
    return report.temp_size_in_bytes


@pytest.mark.parametrize(("widths", "batch_size"), [((784, 2048, 2048, 10), 1024), ((784, 500, 10), 128)])
def test_a_gate_is_free(widths, batch_size):
    ungated = [compiled_bytes(widths, batch_size, False, activation) for activation in (relu, jax.nn.relu)]
    assert compiled_bytes(widths, batch_size, True, relu) <= 1.02 * min(ungated)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (
            liveness_gate,
            (jnp.ones((2, 3)), jnp.ones(4)),
            r"`liveness` must be .*float32\[2, 3\], got float32\[4\]",
        ),
        (liveness_gate, (jnp.ones((2, 3)), jnp.ones(())), r"`liveness` must be \[U\].*got float32\[\]"),
        (liveness_gate, (jnp.ones(()), jnp.ones(())), r"`liveness` must be \[U\].*got float32\[\]"),
        (liveness_gate, (jnp.ones((2, 3), int), jnp.ones(3)), r"`activations` must be floating, got int32\[2, 3\]"),
        (liveness_gate, (jnp.ones((2, 3)), jnp.ones(3, bool)), r"`liveness` must be floating, got bool\[3\]"),
        (relu, (jnp.ones(3, int),), r"relu: `x` must be floating, got int32\[3\]"),
        (size_gate, (jnp.ones(()), jnp.ones(()), jnp.ones(())), r"`activations` must be \[..., U\], got float32\[\]"),
        (size_gate, (jnp.ones(3), jnp.ones(3), jnp.ones(())), r"`size` must be floating \[\], got float32\[3\]"),
        (size_gate, (jnp.ones(3), jnp.ones((), int), jnp.ones(())), r"`size` must be floating \[\], got int32\[\]"),
        (size_gate, (jnp.ones(3), jnp.ones(()), jnp.ones((1,))), r"`slope` must be floating \[\], got float32\[1\]"),
        (functools.partial(size_gates, width=-1), (jnp.ones(()), 1.0), r"`width` must be at least 0, got -1"),
        (gated_matmul, (jnp.ones((2, 3)), jnp.ones(4), jnp.ones((3, 5))), r"`gate` must be \[U\].*got float32\[4\]"),
        (gated_matmul, (jnp.ones((2, 3)), jnp.ones(3), jnp.ones((4, 5))), r"U = 3.*got float32\[4, 5\]"),
        (gated_matmul, (jnp.ones((2, 3)), jnp.ones(3), jnp.ones(3)), r"float32 \[U, O\].*got float32\[3\]"),
        (
            gated_matmul,
            (jnp.ones((2, 3), "bfloat16"), jnp.ones(3), jnp.ones((3, 5))),
            r"bfloat16.*got float32",
        ),
        (gated_conv, (jnp.ones((2, 3)), jnp.ones(3), jnp.ones((3, 5))), r"\[N, H, W, U\], got float32\[2, 3\]"),
        (
            gated_conv,
            (jnp.ones((1, 2, 2, 3)), jnp.ones(3), jnp.ones((1, 1, 4, 5))),
            r"U = 3.*got float32\[1, 1, 4",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(function, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        jax.eval_shape(function, *arguments)
    assert "\n" not in str(caught.value)
