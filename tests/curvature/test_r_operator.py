"""The R-operator written by hand against automatic differentiation: two independent ways to the same products."""

import jax
import numpy as np
import pytest
from helpers.curvature import STRUCTURES, apart, autoencoder, autoencoder_activations, like, normal

from jaxsize.curvature import ggn_vp, hvp, mlp_r_operator


@pytest.mark.parametrize(
    ("structure", "hidden"),
    [(structure, hidden) for structure in STRUCTURES for hidden in ("relu", "tanh")]
    + [("6-5-2-5-6", hidden) for hidden in ("leaky_relu", "softplus", "sigmoid")],
)
def test_both_ways_agree_on_autoencoders(structure, hidden):
    widths = STRUCTURES[structure]
    with jax.enable_x64(True):
        problem, inputs = autoencoder(widths, hidden)
        vector = like(problem.params, 0)
        activations = autoencoder_activations(widths, hidden)
        by_hand = mlp_r_operator(problem.params, activations, inputs, inputs, vector)

        @jax.jit
        def automatically(params, vector):
            gauss_newton = ggn_vp(problem.model, problem.loss, params, vector)
            return jax.grad(problem.whole)(params), hvp(problem.whole, params, vector), gauss_newton

        for got, expected in zip(automatically(problem.params, vector), by_hand, strict=True):
            assert apart(got, expected) < 1e-12


def test_products_come_in_the_form_of_the_layers():
    layers = [{"kernel": normal(0, 3, 4), "bias": normal(1, 4)}, {"kernel": normal(2, 4, 2)}]
    products = mlp_r_operator(layers, ["tanh", "identity"], normal(3, 5, 3), normal(4, 5, 2), layers)
    for part in products:
        assert [{name: leaf.shape for name, leaf in layer.items()} for layer in part] == [
            {name: leaf.shape for name, leaf in layer.items()} for layer in layers
        ]


def test_float32_layers_are_computed_in_float64():
    layers = [{"kernel": np.float32(normal(0, 3, 3))}]
    products = mlp_r_operator(layers, ["softplus"], normal(1, 2, 3), normal(2, 2, 3), layers)
    assert products.hessian[0]["kernel"].dtype == np.float64


def test_large_arguments_neither_overflow_nor_warn():
    layers = [{"kernel": np.array([[1e3]])}, {"kernel": np.array([[-1e3]])}]
    for activation in ("sigmoid", "softplus", "tanh"):
        products = mlp_r_operator(layers, [activation] * 2, np.ones((1, 1)), np.ones((1, 1)), layers)
        assert all(np.isfinite(layer["kernel"]).all() for part in products for layer in part)
