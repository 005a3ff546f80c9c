"""Products against explicit matrices of the same functions written without jaxsize, to 1e-12 in float64."""

import functools

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
    gated_mlp,
    gates_alone,
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
    assert apart(got, explicit_hessian(problem) @ ravel_pytree(vector)[0]) < 1e-12


def test_gauss_newton_products_are_those_of_the_explicit_matrix(problem):
    vector = like(problem.params, 0)
    got = jax.jit(functools.partial(ggn_vp, problem.model, problem.loss))(problem.params, vector)
    assert apart(got, explicit_gauss_newton(problem) @ ravel_pytree(vector)[0]) < 1e-12


@pytest.mark.parametrize("name", ["autoencoder, tanh", "mlp, liveness", "mlp, size"])
def test_many_products_and_linearised_ones_are_the_single_ones(name):
    problem = PROBLEMS[name]()
    vectors = like(problem.params, 1, 3)
    single = [jax.tree.map(lambda leaf, index=index: leaf[index], vectors) for index in range(3)]
    model = (problem.model, problem.loss)
    for one, many, linear in (
        (functools.partial(hvp, problem.whole), hvps, functools.partial(linear_hvp, problem.whole)),
        (functools.partial(ggn_vp, *model), ggn_vps, functools.partial(linear_ggn, *model)),
    ):
        expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(one(problem.params, v) for v in single))
        functions = (problem.whole,) if many is hvps else model
        for batch_size in (None, 2):
            assert apart(many(*functions, problem.params, vectors, batch_size=batch_size), expected) < 1e-13
        gradient, product = linear(problem.params)
        assert apart(jax.vmap(product)(vectors), expected) < 1e-13
        assert apart(gradient, jax.grad(lambda p: problem.loss(problem.plain(p)))(problem.params)) < 1e-12


@pytest.mark.parametrize("name", ["autoencoder, relu", "mlp, liveness", "gates alone"])
def test_the_gauss_newton_matrix_is_symmetric_and_no_eigenvalue_is_below_zero(name):
    problem = PROBLEMS[name]()
    if name == "gates alone":
        problem = problem._replace(loss=lambda outputs: jnp.sum(jnp.logaddexp(outputs, 0)))  # a convex one
    flat, unravel = ravel_pytree(problem.params)
    vectors = jax.vmap(unravel)(jnp.eye(flat.size))
    products = ggn_vps(problem.model, problem.loss, problem.params, vectors)
    matrix = np.asarray(jax.vmap(lambda tree: ravel_pytree(tree)[0])(products))
    size = np.abs(matrix).max()
    assert np.abs(matrix - matrix.T).max() < 1e-12 * size
    assert np.linalg.eigvalsh((matrix + matrix.T) / 2).min() > -1e-12 * size


def test_the_price_of_a_size_has_its_products():
    params = {"size": jnp.asarray(3.3), "slope": jnp.asarray(0.7)}

    def plain(params):
        size, slope = params["size"], params["slope"]
        return (jax.nn.softplus(slope * size) - jax.nn.softplus(slope * (size - 10))) / slope

    matrix = jax.hessian(lambda flat: plain({"size": flat[0], "slope": flat[1]}))(jnp.array([3.3, 0.7]))
    got = hvp(lambda p: jaxsize.size_penalty(p["size"], p["slope"], 10), params, {"size": 1.0, "slope": -2.0})
    assert apart(got, matrix @ jnp.array([1.0, -2.0])) < 1e-12
    got = ggn_vp(
        lambda p: jaxsize.size_penalty(p["size"], p["slope"], 10), jnp.square, params, {"size": 1.0, "slope": -2.0}
    )
    jacobian = jax.grad(lambda flat: plain({"size": flat[0], "slope": flat[1]}))(jnp.array([3.3, 0.7]))
    assert apart(got, 2 * jacobian * (jacobian @ jnp.array([1.0, -2.0]))) < 1e-12


@pytest.mark.parametrize("name", ["autoencoder, tanh", "mlp, size"])
def test_runs_are_mapped_over(name):
    problem = PROBLEMS[name]()
    runs, vectors = (like(problem.params, seed, 3) for seed in (2, 3))
    for product in (
        functools.partial(hvp, problem.whole),
        functools.partial(ggn_vp, problem.model, problem.loss),
        lambda params, vector: linear_ggn(problem.model, problem.loss, params)[1](vector),
    ):
        got = jax.jit(jax.vmap(product))(runs, vectors)
        for run in range(3):
            params, vector, of_run = (jax.tree.map(lambda leaf: leaf[run], tree) for tree in (runs, vectors, got))  # noqa: B023
            assert apart(of_run, product(params, vector)) < 1e-12


def test_hessian_products_are_differences_of_gradients_and_gauss_newton_products_are_not():
    problem, _ = autoencoder((6, 5, 2, 5, 6), "tanh")
    vector, step = like(problem.params, 4), 1e-5
    above, below = (
        jax.grad(problem.whole)(jax.tree.map(lambda leaf, v, sign=sign: leaf + sign * step * v, problem.params, vector))
        for sign in (1, -1)
    )
    differences = jax.tree.map(lambda high, low: (high - low) / (2 * step), above, below)
    gauss_newton = ggn_vp(problem.model, problem.loss, problem.params, vector)
    assert apart(hvp(problem.whole, problem.params, vector), differences) < 1e-6
    assert apart(gauss_newton, differences) > 0.1  # the "error" that was read off such a comparison is a residual


def test_both_matrices_agree_at_a_residual_of_zero_and_not_before():
    problem, inputs = autoencoder((6, 5, 2, 5, 6), "tanh")
    vector, outputs = like(problem.params, 5), problem.model(problem.params)

    def cosine_and_distance(share):
        """At the share of the residual that is left: targets between the outputs and the inputs."""
        targets = outputs + share * (inputs - outputs)

        def loss(z):
            return ((z - targets) ** 2).sum() / (2 * len(targets))

        hessian = hvp(lambda p: loss(problem.model(p)), problem.params, vector)
        gauss_newton = ggn_vp(problem.model, loss, problem.params, vector)
        left, right = ravel_pytree(hessian)[0], ravel_pytree(gauss_newton)[0]
        cosine = left @ right / jnp.linalg.norm(left) / jnp.linalg.norm(right)
        return float(cosine), apart(gauss_newton, hessian)

    cosines, distances = zip(*(cosine_and_distance(share) for share in (1.0, 0.1, 0.01, 0.0)), strict=True)
    assert list(cosines) == sorted(cosines) and cosines[0] < 0.99 and cosines[-1] > 1 - 1e-12
    assert list(distances) == sorted(distances, reverse=True) and distances[0] > 0.1 and distances[-1] < 1e-12


def test_where_model_and_loss_are_split_decides():
    """Squared error of sigmoid outputs: positive with the sigmoid in the model, not with it in the loss."""
    logits, target = jnp.asarray([3.0]), 0.0

    def loss(z):
        return ((z - target) ** 2).sum() / 2

    at_outputs = ggn_vp(jax.nn.sigmoid, loss, logits, jnp.ones(1))
    at_logits = ggn_vp(lambda u: u, lambda u: loss(jax.nn.sigmoid(u)), logits, jnp.ones(1))
    assert at_outputs[0] > 0 > at_logits[0]


def test_a_rule_that_is_no_derivative_counts_as_it_is():
    """A straight-through estimator: its Gauss-Newton matrix is made of its own backward rule, and symmetric."""

    @jax.custom_vjp
    def rounded(x):
        return jnp.round(x)

    rounded.defvjp(lambda x: (jnp.round(x), None), lambda _, ct: (ct,))
    weights = jnp.asarray(normal(0, 3, 4))
    got = ggn_vp(lambda x: weights @ rounded(x), lambda z: (z**2).sum() / 2, jnp.arange(4.0) / 3, jnp.ones(4))
    assert apart(got, weights.T @ weights @ jnp.ones(4)) < 1e-14


def test_parameters_that_nothing_depends_on_have_products_of_zero():
    params = {"used": jnp.ones(2), "unused": jnp.ones(3)}
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
    assert np.allclose(ravel_pytree(got)[0], expected, rtol=1e-14)
