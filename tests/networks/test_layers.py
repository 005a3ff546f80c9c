import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.networks.initializers import init_bias, init_kernel
from jaxsize.networks.layers import conv, dense, init_conv, init_dense, init_gate, unit_gates

SETTINGS = hypothesis.settings(deadline=None, max_examples=15)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def numpy_conv(inputs, kernel, strides, padding):
    """Cross-correlation by loops, float64. SAME pads as TensorFlow documents it: the odd pixel goes at the end."""
    sizes, windows = inputs.shape[1:3], kernel.shape[:2]
    if padding == "SAME":
        outs = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
        pads = [
            max((out - 1) * stride + window - size, 0)
            for out, stride, window, size in zip(outs, strides, windows, sizes, strict=True)
        ]
        inputs = np.pad(inputs, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    else:
        outs = [(size - window) // stride + 1 for size, window, stride in zip(sizes, windows, strides, strict=True)]
    result = np.zeros((len(inputs), *outs, kernel.shape[-1]))
    for row in range(outs[0]):
        for column in range(outs[1]):
            top, left = row * strides[0], column * strides[1]
            patch = inputs[:, top : top + windows[0], left : left + windows[1]].astype(np.float64)
            result[:, row, column] = np.einsum("bhwd,hwdu->bu", patch, kernel.astype(np.float64))
    return result


@SETTINGS
@hypothesis.given(
    lead=st.sampled_from([(), (1,), (5,), (2, 3)]),
    widths=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    gated=st.booleans(),
    bias=st.sampled_from([None, "normal"]),
)
def test_dense_is_the_affine_map(lead, widths, gated, bias):
    params = init_dense(0, "a", *widths, bias=bias)
    assert {name: (leaf.shape, leaf.dtype) for name, leaf in params.items()} == {
        "kernel": (widths, np.float32),
        **({"bias": ((widths[1],), np.float32)} if bias else {}),
    }
    inputs, gate = normal(1, *lead, widths[0]), np.maximum(normal(2, widths[0]), 0)
    outputs = dense(params, jnp.asarray(inputs), jnp.asarray(gate) if gated else None)
    expected = (inputs.astype(float) * (gate if gated else 1)) @ params["kernel"] + params.get("bias", 0)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_conv_is_the_sum_over_patches(gated, strides, padding):
    params = init_conv(0, "a", 3, 4, window=(3, 2), bias="normal")
    assert params["kernel"].shape == (3, 2, 3, 4)
    images, gate = normal(1, 2, 7, 6, 3), np.array([0.5, 0, 2], np.float32)
    outputs = conv(params, jnp.asarray(images), jnp.asarray(gate) if gated else None, strides=strides, padding=padding)
    expected = numpy_conv(images * gate if gated else images, params["kernel"], strides, padding) + params["bias"]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_conv_without_bias_and_on_the_whole_window_is_dense():
    params = init_conv(0, "a", 3, 4, window=(5, 5), bias=None)
    assert set(params) == {"kernel"}
    images = normal(1, 2, 5, 5, 3)
    outputs = conv(params, jnp.asarray(images), padding="VALID")
    expected = images.reshape(2, -1).astype(float) @ params["kernel"].reshape(-1, 4)
    np.testing.assert_allclose(outputs[:, 0, 0], expected, rtol=1e-5, atol=1e-5)


def test_a_unit_of_a_layer_is_a_row_of_the_draw():
    rows = init_kernel(7, "a", 4, 3 * 2 * 5, initializer="he_normal")
    kernel = init_dense(7, "a", 30, 4, initializer="he_normal")["kernel"]
    np.testing.assert_array_equal(kernel.T, rows)
    window = init_conv(7, "a", 5, 4, window=(3, 2), initializer="he_normal")
    np.testing.assert_array_equal(np.moveaxis(window["kernel"], (3, 2), (0, 1)).reshape(4, 30), rows)
    np.testing.assert_array_equal(window["bias"], init_bias(7, "a", 4, 30))
    fewer = init_conv(7, "a", 2, 3, window=(3, 2), initializer="he_normal")["kernel"]  # channels in and out
    scale = np.sqrt(2 / 12) / np.sqrt(2 / 30)
    np.testing.assert_allclose(fewer, scale * window["kernel"][:, :, :2, :3], rtol=1e-5)


def test_gradients_of_gated_layers_are_those_of_the_product():
    gate = jnp.asarray([0.5, 0.0, 2.0])
    layers = [
        (init_dense(0, "a", 3, 4), lambda params, inputs, gate: dense(params, inputs, gate), normal(1, 5, 3)),
        (init_conv(0, "a", 3, 4), lambda params, inputs, gate: conv(params, inputs, gate), normal(1, 2, 4, 4, 3)),
    ]
    for params, layer, inputs in layers:
        weights = normal(3, *jax.eval_shape(layer, params, inputs, gate).shape)

        def loss(apply, params, inputs, gate, weights=weights):
            return jnp.sum(apply(params, inputs, gate) * weights)

        def explicit(params, inputs, gate, layer=layer):
            return layer(params, inputs * jnp.broadcast_to(gate, inputs.shape), None)

        actual, expected = (jax.grad(loss, (1, 2, 3))(apply, params, inputs, gate) for apply in (layer, explicit))
        chex.assert_trees_all_close(actual, expected, rtol=1e-4, atol=1e-5, strict=True)


def test_gates_of_a_layer_are_read_off_its_leaves():
    assert init_gate(0, "a", 5, None) == {} and unit_gates({}, 5) is None
    np.testing.assert_array_equal(init_gate(0, "a", 3, "liveness", liveness=0.5)["liveness"], [0.5, 0.5, 0.5])
    gates = unit_gates({"liveness": jnp.asarray([-1.0, 0.0, 0.3, 2.0])}, 4)
    np.testing.assert_array_equal(gates, np.array([0, 0, 0.3, 2], np.float32))
    signed = init_gate(0, "a", 3, "signed", liveness="uniform")
    chex.assert_trees_all_equal(signed, init_gate(0, "a", 3, "liveness", liveness="uniform"), strict=True)
    both = jnp.asarray([-1.0, -0.0, 0.3, 2.0])
    np.testing.assert_array_equal(unit_gates({"liveness": both}, 4, signed=True), both)
    assert unit_gates({}, 4, signed=True) is None
    leaves = init_gate(0, "a", 7, "size", slope=0.4)
    assert (leaves["size"], leaves["slope"]) == (3.5, np.float32(0.4))  # half the units
    expected = 1 / (1 + np.exp(-0.4 * (3.5 - np.arange(7))))
    gates = unit_gates(leaves, 7)
    assert gates is not None
    np.testing.assert_allclose(gates, expected, rtol=1e-6)
    assert init_gate(0, "a", 7, "size", size=2)["size"] == 2
    with pytest.raises(ValueError, match="'liveness', 'signed', 'size' or None, got 'width'"):
        init_gate(0, "a", 5, "width")  # pyright: ignore[reportArgumentType]
