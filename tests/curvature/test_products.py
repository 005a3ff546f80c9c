"""Products against explicit matrices of the same functions written without jaxsize, to 1e-12 in float64."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.curvature import (
    apart,
    autoencoder,
    convolution,
    explicit_gauss_newton,
    explicit_hessian,
    flat,
    gated_mlp,
    gates_alone,
    handed_in_gates,
    like,
    normal,
)
from jax.flatten_util import ravel_pytree

import jaxsize
from jaxsize.curvature import ggn_vp, ggn_vps, hvp, hvps, linear_ggn, linear_hvp

PROBLEMS = {
    "autoencoder, tanh": lambda: autoencoder((6, 5, 2, 5, 6), "tanh")[0],
    "autoencoder, relu": lambda: autoencoder((6, 5, 2, 5, 6), "relu")[0],
    "mlp, liveness": lambda: gated_mlp("liveness"),
    "mlp, signed": lambda: gated_mlp("signed"),
    "mlp, size": lambda: gated_mlp("size"),
    "gates handed in": handed_in_gates,
    "gates alone": gates_alone,
    "conv": lambda: convolution(kernel_is_large=False),
    "conv, large kernel": lambda: convolution(kernel_is_large=True),
}


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param]()


def test_hessian_products_are_those_of_the_explicit_matrix(problem):
    vector = like(problem.params, 0)
    got = jax.jit(functools.partial(hvp, problem.whole))(problem.params, vector)
    assert apart(got, explicit_hessian(problem) @ flat(vector)) < 1e-12


def test_gauss_newton_products_are_those_of_the_explicit_matrix(problem):
    vector = like(problem.params, 0)
    got = jax.jit(functools.partial(ggn_vp, problem.model, problem.loss))(problem.params, vector)
    assert apart(got, explicit_gauss_newton(problem) @ flat(vector)) < 1e-12


@pytest.mark.parametrize("matrix", ["hessian", "gauss_newton"])
@pytest.mark.parametrize("gate", ["liveness", "size"])
def test_many_products_and_linearised_ones_are_the_single_ones(gate, matrix):
    problem = gated_mlp(gate, (3, 4, 2))
    functions: Any = (problem.whole,) if matrix == "hessian" else (problem.model, problem.loss)
    ways: Any = (hvp, hvps, linear_hvp) if matrix == "hessian" else (ggn_vp, ggn_vps, linear_ggn)
    one, many, linear = ways
    vectors = like(problem.params, 1, 3)

    @jax.jit
    def several_ways(params, vectors):
        gradient, product = linear(*functions, params)
        return gradient, [many(*functions, params, vectors, batch_size=2), jax.lax.map(product, vectors)]

    single = jax.jit(functools.partial(one, *functions))
    expected = [single(problem.params, jax.tree.map(lambda leaf, i=i: leaf[i], vectors)) for i in range(3)]
    gradient, several = several_ways(problem.params, vectors)
    assert apart(gradient, jax.jit(jax.grad(lambda p: problem.loss(problem.plain(p))))(problem.params)) < 1e-12
    for got in several:
        assert apart(got, jax.tree.map(lambda *leaves: np.stack(leaves), *expected)) < 1e-13


@pytest.mark.parametrize("name", ["autoencoder, relu", "mlp, liveness", "gates alone"])
def test_the_gauss_newton_matrix_is_symmetric_and_no_eigenvalue_is_below_zero(name):
    problem = PROBLEMS[name]()
    if name == "gates alone":
        problem = problem._replace(loss=lambda outputs: jnp.sum(jnp.logaddexp(outputs, 0)))  # a convex one

    @jax.jit
    def rows(params):
        vector, unravel = ravel_pytree(params)
        products = ggn_vps(problem.model, problem.loss, params, jax.vmap(unravel)(jnp.eye(vector.size)))
        return jax.vmap(lambda tree: ravel_pytree(tree)[0])(products)

    matrix = np.asarray(rows(problem.params))
    size = np.abs(matrix).max()
    assert np.abs(matrix - matrix.T).max() < 1e-12 * size
    assert np.linalg.eigvalsh((matrix + matrix.T) / 2).min() > -1e-12 * size


def test_the_price_of_a_size_has_its_products():
    params, vector = np.array([3.3, 0.7]), np.array([1.0, -2.0])

    def price(params):
        return jaxsize.size_penalty(params[0], params[1], 10)

    def plain(params):
        size, slope = params
        return (jax.nn.softplus(slope * size) - jax.nn.softplus(slope * (size - 10))) / slope

    @jax.jit
    def both(params, vector):
        gauss_newton = ggn_vp(price, jnp.square, params, vector)
        return hvp(price, params, vector), gauss_newton, jax.hessian(plain)(params), jax.grad(plain)(params)

    product, gauss_newton, matrix, jacobian = map(np.asarray, both(params, vector))
    assert apart(product, matrix @ vector) < 1e-12
    assert apart(gauss_newton, 2 * jacobian * (jacobian @ vector)) < 1e-12


@pytest.mark.parametrize("gate", ["liveness", "size"])
def test_runs_are_mapped_over(gate):
    problem = gated_mlp(gate, (3, 4, 2))
    runs, vectors = (like(problem.params, seed, 3) for seed in (2, 3))

    def products(params, vector):
        return hvp(problem.whole, params, vector), ggn_vp(problem.model, problem.loss, params, vector)

    together, alone = jax.jit(jax.vmap(products))(runs, vectors), jax.jit(products)
    for run in range(3):
        params, vector, mapped = (
            jax.tree.map(lambda leaf, run=run: leaf[run], each) for each in (runs, vectors, together)
        )
        assert apart(mapped, alone(params, vector)) < 1e-12


def test_hessian_products_are_differences_of_gradients_and_gauss_newton_products_are_not():
    problem, _ = autoencoder((6, 5, 2, 5, 6), "tanh")
    vector, step = like(problem.params, 4), 1e-5
    gradient = jax.jit(jax.grad(problem.whole))
    above, below = (
        gradient(jax.tree.map(lambda leaf, v, sign=sign: leaf + sign * step * v, problem.params, vector))
        for sign in (1, -1)
    )
    differences = (flat(above) - flat(below)) / (2 * step)
    hessian = jax.jit(functools.partial(hvp, problem.whole))(problem.params, vector)
    gauss_newton = jax.jit(functools.partial(ggn_vp, problem.model, problem.loss))(problem.params, vector)
    assert apart(hessian, differences) < 1e-6
    assert apart(gauss_newton, differences) > 0.1  # no error of the product: the residuals' part of the Hessian


def test_both_matrices_agree_at_a_residual_of_zero_and_not_before():
    problem, inputs = autoencoder((6, 5, 2, 5, 6), "tanh")
    vector = like(problem.params, 5)

    @jax.jit
    def products(share):
        """With targets between the outputs and the inputs, so that this share of the residual is left."""
        outputs = problem.model(problem.params)
        targets = outputs + share * (inputs - outputs)

        def loss(z):
            return ((z - targets) ** 2).sum() / (2 * len(targets))

        gauss_newton = ggn_vp(problem.model, loss, problem.params, vector)
        return hvp(lambda p: loss(problem.model(p)), problem.params, vector), gauss_newton

    pairs = [tuple(map(flat, products(share))) for share in (1.0, 0.1, 0.01, 0.0)]
    cosines = [hessian @ other / np.linalg.norm(hessian) / np.linalg.norm(other) for hessian, other in pairs]
    distances = [apart(other, hessian) for hessian, other in pairs]
    assert cosines == sorted(cosines) and cosines[0] < 0.99 and cosines[-1] > 1 - 1e-12
    assert distances == sorted(distances, reverse=True) and distances[0] > 0.1 and distances[-1] < 1e-12


def test_where_model_and_loss_are_split_decides():
    """Squared error of sigmoid outputs: positive with the sigmoid in the model, not with it in the loss."""

    def loss(z):  # the target is 0
        return (z**2).sum() / 2

    @jax.jit
    def both(logits):
        at_logits = ggn_vp(lambda u: u, lambda u: loss(jax.nn.sigmoid(u)), logits, np.ones(1))
        return ggn_vp(jax.nn.sigmoid, loss, logits, np.ones(1)), at_logits

    at_outputs, at_logits = both(np.array([3.0]))
    assert at_outputs[0] > 0 > at_logits[0]


def test_a_rule_that_is_no_derivative_counts_as_it_is():
    """A straight-through estimator: its Gauss-Newton matrix is made of its own backward rule, and symmetric."""

    @jax.custom_vjp
    def rounded(x):
        return jnp.round(x)

    rounded.defvjp(lambda x: (jnp.round(x), None), lambda _, ct: (ct,))
    weights = normal(0, 3, 4)
    got = ggn_vp(lambda x: weights @ rounded(x), lambda z: (z**2).sum() / 2, np.arange(4.0) / 3, np.ones(4))
    assert apart(got, weights.T @ weights @ np.ones(4)) < 1e-14


def test_parameters_that_nothing_depends_on_have_products_of_zero():
    params = {"used": np.ones(2), "unused": np.ones(3)}
    for got in (
        ggn_vp(lambda p: p["used"] ** 2, jnp.sum, params, params),
        ggn_vp(lambda p: p["used"] ** 2, lambda z: (z**2).sum(), params, params),
        hvp(lambda p: (p["used"] ** 3).sum(), params, params),
    ):
        assert got["unused"].tolist() == [0, 0, 0]


def test_outputs_may_be_a_tree_and_parameters_numpy_arrays():
    params = {"a": np.array([1.0, 2.0]), "b": np.array(3.0)}

    def model(p):
        return {"square": p["a"] ** 2, "product": p["a"] * p["b"]}

    def loss(z):
        return (z["square"] ** 2).sum() / 2 + (z["product"] ** 2).sum()

    jacobian = np.array([[2.0, 0, 0], [0, 4, 0], [3, 0, 1], [0, 3, 2]])
    expected = jacobian.T @ np.diag([1.0, 1, 2, 2]) @ jacobian @ np.array([1.0, -1, 2])
    got = ggn_vp(model, loss, params, {"a": np.array([1.0, -1.0]), "b": np.array(2.0)})
    assert np.allclose(flat(got), expected, rtol=1e-14)
