"""What the removal of dead units does to the spectrum of the loss: zeros leave it, and nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxsize import compact, unit_groups
from jaxsize.curvature import ggn_vp, hvp
from jaxsize.networks import autoencoder
from jaxsize.trees import Tree

ROWS: Any = np.random.default_rng(0).uniform(size=(9, 6))


def half_squares(outputs: jax.Array, pixels: jax.Array) -> jax.Array:
    return jnp.mean(jnp.sum((outputs - pixels) ** 2, axis=1)) / 2


def eigenvalues(apply, params: Tree, matrix: str) -> np.ndarray:
    flat, as_tree = ravel_pytree(params)

    def product(vector):
        if matrix == "hessian":
            return hvp(lambda tree: half_squares(apply(tree, ROWS), ROWS), params, as_tree(vector))
        return ggn_vp(lambda tree: apply(tree, ROWS), lambda out: half_squares(out, ROWS), params, as_tree(vector))

    columns = jax.jit(jax.vmap(lambda vector: ravel_pytree(product(vector))[0]))(jnp.eye(flat.size))
    return np.linalg.eigvalsh(np.asarray(columns))


@pytest.mark.parametrize("matrix", ["hessian", "gauss_newton"])
def test_removing_dead_units_takes_only_zeros_out_of_the_spectrum(matrix):
    with jax.enable_x64(True):
        network = autoencoder((6, 5), 2, gate="liveness")
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), network.init(0))
        params["encoder"][0]["liveness"] = params["encoder"][0]["liveness"].at[jnp.array([1, 4])].set(-0.5)
        params["decoder"][0]["liveness"] = params["decoder"][0]["liveness"].at[2].set(0.0)
        groups = unit_groups(network.apply, params, ROWS)
        small = compact(groups, params, groups.live(params)).params
        before, after = eigenvalues(network.apply, params, matrix), eigenvalues(network.apply, small, matrix)
    removed = len(before) - len(after)
    assert removed == 2 * (6 + 1 + 1 + 2) + (2 + 1 + 1 + 6)  # incoming weights, bias, gate, outgoing weights
    scale = np.abs(after).max()
    np.testing.assert_allclose(before, np.sort(np.concatenate([after, np.zeros(removed)])), atol=1e-14 * scale)
