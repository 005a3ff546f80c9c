import contextlib
import functools
import itertools

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.gates import gated_conv, gated_matmul, liveness_gate, relu, size_gate, size_gates


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


def test_a_wide_gate_beside_narrow_activations_keeps_its_dtype_and_precision():
    activations = jnp.full((4096, 2), 0.25, jnp.bfloat16)
    out, pull = jax.vjp(liveness_gate, activations, jnp.array([0.5, 2.0]))
    d_activations, d_liveness = pull(jnp.ones_like(out))
    assert (out.dtype, d_activations.dtype, d_liveness.dtype) == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(d_liveness, 1024)  # added one by one in bfloat16, the sum would stop growing at 64


def test_death_is_absorbing():
    activations, liveness = normal(0, 6, 5), jnp.array([-1.0, -0.0, 0.0, 1e-30, 0.5])
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
        loss = loss_of(size_gate)
        gradient = functools.partial(jax.grad(loss, (0, 1, 2)), activations)
        second = jax.jvp(gradient, (size, slope), (jnp.ones_like(size), jnp.ones_like(slope)))
        return loss(activations, size, slope), second, size_gates(size, slope, width)

    for size, slope in itertools.product([-1e6, -3.0, 0.0, 256.5, 5e4, 1e5, 1e6], [0.0, 1e-6, 1.0, 1e4]):
        for leaf in jax.tree.leaves(everything(jnp.asarray(size, dtype), jnp.asarray(slope, dtype))):
            assert jnp.isfinite(leaf).all(), (size, slope)


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
    report = (
        jax.jit(jax.value_and_grad(loss, (0, 1))).lower(layers, liveness, images, labels).compile().memory_analysis()
    )
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
