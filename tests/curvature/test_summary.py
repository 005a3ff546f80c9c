"""The summary of curvature against explicit matrices and their eigenvalues by NumPy, in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.curvature import explicit_gauss_newton, explicit_hessian, flat, gated_mlp, normal

from jaxsize import InputError
from jaxsize.curvature import summarise


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def cosines(hessian, gauss_newton, vectors):
    h, g = vectors @ hessian, vectors @ gauss_newton
    return (h * g).sum(1) / np.linalg.norm(h, axis=1) / np.linalg.norm(g, axis=1)


def test_a_gated_network_is_summarised_as_its_explicit_matrices_are():
    problem = gated_mlp("liveness", (3, 4, 2))
    matrices = (explicit_hessian(problem), explicit_gauss_newton(problem))
    size, key = len(matrices[0]), jax.random.key(3)
    of = functools.partial(summarise, problem.model, problem.loss, num_vectors=100, num_steps=size)
    there = jax.tree.map(np.asarray, jax.jit(of)(problem.params, key))
    gradient = flat(jax.jit(jax.grad(problem.whole))(problem.params))
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (4000, size))
    expected = cosines(*matrices, signs)
    assert there.loss == pytest.approx(float(problem.whole(problem.params)), rel=1e-12)
    assert there.gradient_cosine == pytest.approx(cosines(*matrices, gradient[None])[0], rel=1e-12)
    assert there.random_cosine == pytest.approx(expected.mean(), abs=4 * expected.std() / 10)
    for spectrum, matrix in zip((there.hessian, there.gauss_newton), matrices, strict=True):
        values = np.linalg.eigvalsh(matrix)
        assert [spectrum.smallest, spectrum.largest] == pytest.approx([values[0], values[-1]], rel=1e-9, abs=1e-12)
        assert spectrum.error < 1e-9
        of_signs = np.einsum("vi,ij,vj->v", signs, matrix, signs)
        assert spectrum.trace == pytest.approx(values.sum(), abs=4 * of_signs.std() / 10)
        rank = np.abs(values).sum() ** 2 / (values**2).sum()
        assert spectrum.effective_rank == pytest.approx(rank, rel=0.2)
        assert spectrum.density.nodes.shape == (100, size) and spectrum.density.weights.sum() == pytest.approx(1)


def test_random_signs_are_exact_for_a_diagonal_matrix():
    """Also where some of the eigenvalues are negative; the Gauss-Newton matrix has the model's part alone."""
    scales, linear = np.array([2.0, 1.0, 0.5, 3.0]), np.array([-3.0, 1.0, 0.25, -1.0])

    def loss(z):
        return (z**2).sum() / 2

    @jax.jit
    def at(params):

        def model(x):
            return jnp.concatenate([scales * x, (linear * x**2 / 2).sum()[None] + 1])

        return summarise(model, loss, params, jax.random.key(0), num_steps=9)

    there = jax.tree.map(np.asarray, at(np.zeros(4)))  # the last output is 1 there, and its gradient 0
    for spectrum, values in ((there.hessian, scales**2 + linear), (there.gauss_newton, scales**2)):
        assert spectrum.trace == pytest.approx(values.sum(), rel=1e-12)
        assert spectrum.effective_rank == pytest.approx(np.abs(values).sum() ** 2 / (values**2).sum(), rel=1e-12)
        assert [spectrum.smallest, spectrum.largest] == pytest.approx([values.min(), values.max()], rel=1e-12)
    both = scales**2 * (scales**2 + linear)
    expected = both.sum() / np.linalg.norm(scales**2) / np.linalg.norm(scales**2 + linear)
    assert there.random_cosine == pytest.approx(expected, rel=1e-12) and np.isnan(there.gradient_cosine)


def test_runs_are_mapped_over_and_residuals_of_zero_make_both_matrices_one():
    inputs = normal(0, 5, 3)

    def at(weights, residual):
        def model(w):
            return jnp.tanh(inputs @ w)

        targets = model(weights) - residual
        return summarise(model, lambda z: ((z - targets) ** 2).mean(), weights, jax.random.key(1), num_steps=6)

    runs = np.stack([normal(1, 3, 2)] * 2), np.array([0.0, 0.3])
    there = jax.tree.map(np.asarray, jax.jit(jax.vmap(at))(*runs))
    assert there.random_cosine[0] == pytest.approx(1, abs=1e-12) and there.random_cosine[1] < 0.999
    assert there.hessian.largest[0] == pytest.approx(there.gauss_newton.largest[0], rel=1e-12)


@pytest.mark.parametrize(("setting", "value"), [("num_vectors", 1), ("num_steps", 0), ("num_steps", 1.5)])
def test_numbers_out_of_range_are_refused(setting, value):
    with pytest.raises(InputError, match=f"{setting}: expected a whole number, at least"):
        summarise(jnp.square, jnp.sum, jnp.ones(2), jax.random.key(0), **{setting: value})
