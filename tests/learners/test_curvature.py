"""A learner that measures curvature: its columns against explicit matrices, and the training as it was."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.curvature import flat, gated_mlp, normal, wide
from jax.flatten_util import ravel_pytree

import jaxsize
from jaxsize import InputError
from jaxsize.curvature import hvps
from jaxsize.learners import TASKS, with_curvature
from jaxsize.learners.sparsifier import SparsifierConfig, make_learner
from jaxsize.programs import Config, Data, Rows, init_state, make_epoch

NETWORK = jaxsize.mlp((3, 4, 2))
INPUTS, LABELS = normal(0, 8, 3), np.arange(8) % 2
LEARNER = make_learner(NETWORK, TASKS["classification"], SparsifierConfig())


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def two_epochs(learner):
    """Two runs, mapped over; histories of both epochs and the states after them."""
    data = Data(Rows(INPUTS, LABELS.astype(np.int32)), np.float64(1), np.float64(0))
    hparams = learner.hparams(penalty_weight=0.5, learning_rate=0.1)
    epoch = make_epoch(learner, Config(batch_size=4))

    def train(params):
        state, first = epoch(init_state(learner, params, jnp.uint32(5), hparams), hparams, data)
        after, second = epoch(state, hparams, data)
        return (first["of_epoch"], second["of_epoch"]), after

    runs = jax.tree.map(lambda *leaves: np.stack(leaves), *(wide(NETWORK.init(seed)) for seed in (0, 1)))
    return jax.jit(jax.vmap(train))(runs)


def test_columns_are_those_of_the_explicit_hessian_without_the_price_and_training_is_as_before():
    learner = with_curvature(
        LEARNER, NETWORK.apply, TASKS["classification"].loss, INPUTS, LABELS, every=2, num_steps=26
    )
    (first, second), after = two_epochs(learner)
    _, plain = two_epochs(LEARNER)
    assert flat(after.params).tolist() == flat(plain.params).tolist()
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(first))  # measured after every second epoch
    assert second["hessian_nodes"].shape == (2, 52)

    def loss(params):
        return TASKS["classification"].loss(NETWORK.apply(params, jnp.asarray(INPUTS)), jnp.asarray(LABELS)).mean()

    @jax.jit
    def explicit(params):
        vector, unravel = ravel_pytree(params)
        return loss(params), jax.jacrev(jax.grad(lambda vector: loss(unravel(vector))))(vector)

    for run in range(2):
        value, matrix = map(np.asarray, explicit(jax.tree.map(lambda leaf, run=run: leaf[run], after.params)))
        values = np.linalg.eigvalsh(matrix)
        assert float(second["curvature_loss"][run]) == pytest.approx(float(value), rel=1e-10)
        ends = [float(second[f"hessian_{end}"][run]) for end in ("smallest", "largest")]
        assert ends == pytest.approx([values[0], values[-1]], rel=1e-9)
        moment = float(second["hessian_weights"][run] @ second["hessian_nodes"][run])
        assert float(second["hessian_trace"][run]) == pytest.approx(len(values) * moment, rel=1e-9)


def test_removing_dead_units_takes_nothing_but_zeros_from_the_spectrum():
    problem = gated_mlp("liveness")
    groups = jaxsize.unit_groups(lambda p, x: jaxsize.mlp((5, 4, 3, 2)).apply(p, x), problem.params, normal(1, 6, 5))
    small = jaxsize.compact(groups, problem.params, groups.live(problem.params)).params

    def eigenvalues(params):
        vector, unravel = ravel_pytree(params)
        products = jax.jit(lambda params, eye: hvps(problem.whole, params, jax.vmap(unravel)(eye)))
        rows = products(params, np.eye(vector.size))
        matrix = np.concatenate([np.reshape(leaf, (vector.size, -1)) for leaf in jax.tree.leaves(rows)], axis=1)
        return np.sort(np.linalg.eigvalsh(matrix))

    before, after = eigenvalues(problem.params), eigenvalues(small)
    removed = before.size - after.size
    assert removed == 17  # one of 4 units (7 + 3 parameters) and one of 3 (5 + 2), which have no product in common
    np.testing.assert_allclose(before, np.sort(np.concatenate([after, np.zeros(removed)])), atol=1e-14)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"every": 0}, "every: expected a whole number, at least 1, got 0"),
        ({"num_vectors": 1}, "num_vectors: expected a whole number, at least 2, got 1"),
        ({"num_steps": 0}, "num_steps: expected a whole number, at least 1, got 0"),
        ({"targets": LABELS[:3]}, "targets: expected one for each of 8 inputs, got 3"),
    ],
)
def test_bad_input_is_one_line(more, message):
    arguments = {"inputs": INPUTS, "targets": LABELS, **more}
    with pytest.raises(InputError, match=message):
        with_curvature(LEARNER, NETWORK.apply, TASKS["classification"].loss, **arguments)
