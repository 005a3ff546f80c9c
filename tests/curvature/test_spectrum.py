"""Lanczos against eigenvalues by NumPy, and moments of the density against traces of powers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.curvature import autoencoder, explicit_gauss_newton, explicit_hessian

from jaxsize import InputError
from jaxsize.curvature import density_curve, extreme_eigenvalues, linear_ggn, linear_hvp, spectral_density

KEY = 3


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def matrix_of(eigenvalues, seed=0):
    size = len(eigenvalues)
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return basis * eigenvalues @ basis.T


def ends_of(matrix, num_steps, seed=KEY):
    @jax.jit
    def ends(matrix):
        like = jnp.zeros(len(matrix), matrix.dtype)
        return extreme_eigenvalues(lambda vector: matrix @ vector, like, jax.random.key(seed), num_steps)

    return ends(matrix)


def test_as_many_steps_as_there_are_eigenvalues_find_the_ends():
    eigenvalues = np.random.default_rng(0).normal(size=40)
    ends = ends_of(matrix_of(eigenvalues), 40)
    assert abs(ends.smallest - eigenvalues.min()) < 1e-12 and abs(ends.largest - eigenvalues.max()) < 1e-12


@pytest.mark.parametrize("num_steps", [3, 8, 15])
def test_fewer_steps_stay_inside_and_know_how_far_off_they_are(num_steps):
    eigenvalues = np.random.default_rng(1).normal(size=40)
    ends = ends_of(matrix_of(eigenvalues), num_steps)
    for value, error in ((ends.smallest, ends.smallest_error), (ends.largest, ends.largest_error)):
        assert eigenvalues.min() - 1e-12 <= value <= eigenvalues.max() + 1e-12
        assert np.abs(eigenvalues - float(value)).min() <= error + 1e-12


SPACES = {
    "rank 3": [5.0, 2.0, -1.0] + [0.0] * 27,
    "one eigenvalue": [2.0] * 30,
    "zero": [0.0] * 30,
    "two eigenvalues, far apart": [1e8] * 5 + [1.0] * 25,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("space", SPACES)
def test_a_space_that_is_exhausted_early_is_no_end(space, dtype):
    eigenvalues = np.array(SPACES[space])
    ends = ends_of(matrix_of(eigenvalues).astype(dtype), 30)
    tolerance = 50 * np.finfo(dtype).eps * max(np.abs(eigenvalues).max(), 1)
    assert abs(ends.smallest - eigenvalues.min()) < tolerance and abs(ends.largest - eigenvalues.max()) < tolerance
    assert ends.smallest.dtype == dtype


def test_the_ends_of_a_networks_curvature():
    problem, _ = autoencoder((6, 5, 2, 5, 6), "tanh")

    @jax.jit
    def both(params):
        products = linear_hvp(problem.whole, params)[1], linear_ggn(problem.model, problem.loss, params)[1]
        return [extreme_eigenvalues(product, params, jax.random.key(0), 40) for product in products]

    matrices = explicit_hessian(problem), explicit_gauss_newton(problem)
    for matrix, ends in zip(matrices, both(problem.params), strict=True):
        eigenvalues = np.linalg.eigvalsh(matrix)
        assert abs(ends.largest - eigenvalues[-1]) < 1e-9 * eigenvalues[-1]
        assert abs(ends.smallest - eigenvalues[0]) < 1e-6 * eigenvalues[-1]


def test_spectra_of_many_runs_are_one_program():
    traces = 0

    @jax.jit
    @jax.vmap
    def largest(matrix, key):
        nonlocal traces
        traces += 1
        return extreme_eigenvalues(functools.partial(jnp.matmul, matrix), jnp.zeros(20), key, 20).largest

    for seed in (0, 1):
        eigenvalues = np.random.default_rng(seed).normal(size=(3, 20))
        matrices = np.stack([matrix_of(each, run) for run, each in enumerate(eigenvalues)])
        got = largest(matrices, jax.random.split(jax.random.key(seed), 3))
        np.testing.assert_allclose(got, eigenvalues.max(1), rtol=1e-11)
    assert traces == 1


def moment(density, power):
    return float((density.weights * density.nodes**power).sum())


def test_moments_of_the_density_of_a_diagonal_matrix_are_exact():
    """A vector of signs sees every eigenvalue of a diagonal matrix alike; 4 steps make 7 moments exact."""
    eigenvalues = np.random.default_rng(2).uniform(-1, 2, size=50)
    density = spectral_density(lambda vector: eigenvalues * vector, jnp.zeros(50), jax.random.key(KEY), 4, 2)
    assert density.nodes.shape == density.weights.shape == (2, 4)
    for power in range(8):
        assert abs(moment(density, power) - (eigenvalues**power).mean()) < 1e-12
    assert abs(moment(density, 8) - (eigenvalues**8).mean()) > 1e-6


def test_moments_of_the_density_of_any_matrix_are_those_within_the_noise_of_the_vectors():
    matrix = matrix_of(np.random.default_rng(3).uniform(-1, 2, size=30), 1)
    num_vectors = 200
    density = spectral_density(lambda vector: matrix @ vector, jnp.zeros(30), jax.random.key(KEY), 5, num_vectors)
    for power in (1, 2, 3):
        raised = np.linalg.matrix_power(matrix, power)
        spread = np.sqrt(2 * ((raised**2).sum() - (np.diag(raised) ** 2).sum()) / num_vectors) / 30
        assert abs(moment(density, power) - np.trace(raised) / 30) < 3 * spread


def test_low_rank_has_the_weight_of_its_zeros():
    eigenvalues = np.array([4.0, 1.0] + [0.0] * 18)
    density = spectral_density(lambda v: eigenvalues * v, jnp.zeros(20), jax.random.key(KEY), 10, 3)
    near_zero = np.abs(density.nodes) < 1e-9
    assert abs(float(density.weights[near_zero].sum()) - 0.9) < 1e-12


def test_the_curve_is_a_density_about_the_eigenvalues():
    density = spectral_density(lambda v: jnp.array([1.0, 1.0, 3.0]) * v, jnp.zeros(3), jax.random.key(KEY), 2, 1)
    points = jnp.linspace(-2, 6, 801)
    curve = density_curve(density, points, 0.2)
    assert abs(np.trapezoid(curve, points) - 1) < 1e-6
    assert abs(np.trapezoid(curve[points > 2], points[points > 2]) - 1 / 3) < 1e-3


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1), "num_steps: expected a whole number, at least 1, got 0"),
        ((1.5, 1), "num_steps: expected a whole number, at least 1, got 1.5"),
        ((4, 1), "num_steps: expected at most 3, the number of parameters, got 4"),
        ((2, 0), "num_vectors: expected a whole number, at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers, message):
    with pytest.raises(InputError, match=message):
        spectral_density(lambda v: v, jnp.zeros(3), jax.random.key(0), *numbers)


def test_what_has_no_spectrum_is_refused():
    with pytest.raises(InputError, match="like: expected floating leaves"):
        extreme_eigenvalues(lambda v: v, jnp.zeros(3, int), jax.random.key(0), 1)
    with pytest.raises(InputError, match="width: expected a number above 0, got 0"):
        density_curve(spectral_density(lambda v: v, jnp.zeros(3), jax.random.key(0), 1, 1), jnp.zeros(2), 0)
