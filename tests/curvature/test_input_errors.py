"""What is no tree of floating numbers, or unlike the parameters, gets one line that names the leaf."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize import InputError
from jaxsize.curvature import ggn_vp, ggn_vps, hessian_free, hvp, hvps, linear_ggn, linear_hvp, mlp_r_operator

PARAMS = {"hidden": [{"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}], "output": jnp.ones(3)}


def with_bias(bias):
    return PARAMS | {"hidden": [PARAMS["hidden"][0] | {"bias": bias}]}


def loss(params):
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))


WRONG = {
    "shape": (with_bias(jnp.ones(4)), "vector: expected float32[3] at leaf 'hidden.0.bias', got float32[4]"),
    "dtype": (with_bias(jnp.ones(3, "bfloat16")), "vector: expected float32[3] at leaf 'hidden.0.bias', got bfloat16"),
    "integers": (with_bias(jnp.ones(3, int)), "vector: expected float32[3] at leaf 'hidden.0.bias', got int32[3]"),
    "missing": ({"hidden": PARAMS["hidden"]}, "vector: expected the structure of the parameters, got no leaf 'output'"),
    "extra": (PARAMS | {"gate": 1.0}, "expected the structure of the parameters, which have no leaf 'gate'"),
    "containers": (PARAMS | {"hidden": tuple(PARAMS["hidden"])}, "expected the structure of the parameters, PyTreeDef"),
    "none": (None, "vector: expected the structure of the parameters, got no leaf 'hidden.0.bias'"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(
    "product",
    [
        lambda vector: hvp(loss, PARAMS, vector),
        lambda vector: linear_hvp(loss, PARAMS)[1](vector),
        lambda vector: ggn_vp(lambda p: p, loss, PARAMS, vector),
        lambda vector: linear_ggn(lambda p: p, loss, PARAMS)[1](vector),
    ],
    ids=["hvp", "linear_hvp", "ggn_vp", "linear_ggn"],
)
def test_a_vector_of_another_form_is_refused(product, wrong):
    vector, message = WRONG[wrong]
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        product(vector)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("leaf", "form"), [(jnp.ones(3, int), "int32[3]"), (np.array([True]), "bool[1]"), (2, "int32[]")]
)
@pytest.mark.parametrize("function", [linear_hvp, lambda f, p: linear_ggn(f, jnp.sum, p)], ids=["hvp", "ggn"])
def test_parameters_that_have_no_derivative_are_refused(function, leaf, form):
    expected = f"params: expected floating leaves, which have derivatives, got {form} at leaf 'hidden.0.bias'"
    with pytest.raises(InputError, match=re.escape(expected)):
        function(loss, with_bias(leaf))


def test_outputs_that_have_no_derivative_are_refused():
    with pytest.raises(InputError, match=r"outputs of model_fn: expected floating leaves.* int32.* at the only leaf"):
        linear_ggn(lambda p: jnp.ones(3, int), jnp.sum, jnp.ones(2))


def test_no_parameters_are_refused():
    with pytest.raises(InputError, match="params: expected a tree with at least one leaf, got none"):
        hvp(loss, {}, {})


def stacked(bias):
    return jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), PARAMS) | {
        "hidden": [{"kernel": jnp.ones((2, 2, 3)), "bias": bias}]
    }


@pytest.mark.parametrize("function", [hvps, lambda f, *rest: ggn_vps(lambda p: p, f, *rest)], ids=["hvps", "ggn_vps"])
def test_vectors_of_different_number_are_refused(function):
    with pytest.raises(InputError, match=re.escape("vectors: expected float32[3, 2, 3] at leaf 'hidden.0.kernel'")):
        function(loss, PARAMS, stacked(jnp.ones((3, 3))))
    with pytest.raises(InputError, match="vectors: expected float32"):
        function(loss, PARAMS, PARAMS)
    with pytest.raises(InputError, match=r"vectors: expected an axis of vectors in front, got float32.* at the only"):
        function(jnp.square, jnp.float32(1), jnp.float32(1))


LAYERS = [{"kernel": np.ones((2, 3)), "bias": np.ones(3)}, {"kernel": np.ones((3, 2))}]
ROWS = np.ones((4, 2))


@pytest.mark.parametrize(
    ("layers", "activations", "vector", "message"),
    [
        (LAYERS, ["tanh"], LAYERS, "activations: expected one per layer, for one layer or more, got 1 for 2 layers"),
        (LAYERS, ["tanh", "gelu"], LAYERS, "activations: expected each one of identity, .*, got 'gelu'"),
        (LAYERS, ["tanh"] * 2, LAYERS[:1], "vector: expected .3, 2. at leaf '1.kernel', as in layers, got nothing"),
        (LAYERS, ["tanh"] * 2, [LAYERS[0] | {"bias": np.ones(2)}, LAYERS[1]], "vector: expected .3,. at leaf '0.bias'"),
        ([{"weight": np.ones((2, 2))}], ["tanh"], [], "layers: expected layers of `kernel` and `bias`, got .*weight"),
        ([], [], [], "activations: expected one per layer, for one layer or more"),
    ],
)
def test_the_r_operator_refuses_what_is_no_mlp(layers, activations, vector, message):
    with pytest.raises(InputError, match=message):
        mlp_r_operator(layers, activations, ROWS, ROWS, vector)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("damping", value) for value in (-1.0, float("nan"), float("inf"))),
        *(("factor", value) for value in (1.0, 0.5)),
        *(("num_cg_steps", value) for value in (0, 1.5)),
        ("tolerance", -1e-3),
    ],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(InputError, match=f"{setting}: expected"):
        hessian_free(**{setting: value})


def test_an_update_needs_parameters_and_a_gradient_like_them():
    optimizer = hessian_free()
    state = optimizer.init(PARAMS)
    functions = {"model_fn": lambda p: p, "loss_fn": loss}
    with pytest.raises(InputError, match="params: expected the parameters"):
        optimizer.update(PARAMS, state, **functions)
    with pytest.raises(InputError, match=re.escape("updates: expected float32[3] at leaf 'hidden.0.bias'")):
        optimizer.update(with_bias(jnp.ones(2)), state, PARAMS, **functions)
    with pytest.raises(InputError, match=r"params: expected floating leaves.* int32\[3\] at leaf 'hidden.0.bias'"):
        optimizer.init(with_bias(jnp.ones(3, int)))
