"""Principal components against scikit-learn; what k directions miss, and outputs of what they keep, by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from jaxsize.measures import components as module
from jaxsize.measures import directions, error_curve, outputs_by_components, principal_components

GENERATOR = np.random.default_rng(0)
VALUES = (GENERATOR.normal(size=(300, 6)) * 2.0 ** -np.arange(6) @ GENERATOR.normal(size=(6, 6)) + 5).astype(np.float32)


def test_components_are_scikit_learns(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 64)
    reference = PCA().fit(VALUES.astype(float))
    components = principal_components(VALUES)
    np.testing.assert_allclose(components.mean, reference.mean_, rtol=1e-6)
    spectrum = np.asarray(reference.explained_variance_) * 299 / 300
    np.testing.assert_allclose(components.spectrum, spectrum, rtol=1e-5, atol=1e-5)
    signs = np.sum(np.asarray(components.rows) * np.asarray(reference.components_), axis=1)
    np.testing.assert_allclose(np.abs(signs), 1, atol=1e-5)


def missed(values, rows, mean):
    """The mean squared distances from what the first k directions keep, by writing it out."""
    deviations = values.astype(float) - mean
    kept = [deviations @ rows[:k].T @ rows[:k] for k in range(len(rows) + 1)]
    return np.array([np.sum((deviations - near) ** 2, 1).mean() for near in kept])


def test_error_curves_of_components_columns_and_random_directions():
    components = principal_components(VALUES)

    def at_random(key):
        rows = directions(components, "random", key)
        return rows, error_curve(components, rows)

    drawn, many = jax.jit(jax.vmap(at_random))(jax.random.split(jax.random.key(1), 99))
    bases = {kind: directions(components, kind) for kind in ("rows", "columns")} | {"random": drawn[0]}
    curves = {kind: error_curve(components, rows) for kind, rows in bases.items()}
    for kind, rows in bases.items():
        np.testing.assert_allclose(rows @ rows.T, np.eye(6), atol=1e-5)
        expected = missed(VALUES, np.asarray(rows, float), VALUES.astype(float).mean(0))
        np.testing.assert_allclose(curves[kind], expected / expected[0], atol=2e-6)
    np.testing.assert_allclose(error_curve(components), curves["rows"], rtol=1e-4, atol=1e-7)
    assert (curves["rows"] <= curves["columns"] + 1e-6).all() and (curves["rows"] <= curves["random"] + 1e-6).all()
    np.testing.assert_allclose(np.mean(many, 0), 1 - np.arange(7) / 6, atol=0.1)  # a straight line is expected


@pytest.mark.parametrize("centred", [True, False])
def test_outputs_of_what_k_components_keep(centred):
    components = principal_components(VALUES)
    rows, mean = np.asarray(components.rows), np.asarray(components.mean) * centred
    outputs = outputs_by_components(VALUES, components, (0, 2, 6), jnp.abs, centred=centred)
    for k, output in zip((0, 2, 6), outputs, strict=True):
        expected = np.abs(mean + (VALUES - mean) @ rows[:k].T @ rows[:k])
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs[-1], np.abs(VALUES), rtol=1e-5, atol=1e-5)


def test_values_that_never_change_and_huge_ones():
    still = principal_components(np.full((300, 6), 7.0))
    assert not still.deviations.any() and not error_curve(still).any()
    huge, usual = principal_components(1e30 * VALUES), principal_components(VALUES)
    np.testing.assert_allclose(huge.deviations[:5], 1e30 * usual.deviations[:5], rtol=1e-4)
    np.testing.assert_allclose(error_curve(huge), error_curve(usual), atol=1e-5)
