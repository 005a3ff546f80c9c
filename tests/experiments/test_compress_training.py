"""Penalties that fall from epoch to epoch, and whole batches that are shuffled: against what is written out here."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hparams import sparsifier_hparams
from helpers.shrinking import GATED, TEACHER, WIDTHS, Counter, folder_in, learner_of, make_batch
from helpers.sparsifier_reference import data_gradient

from experiments.common.networks import step_histories
from jaxsize.data import Split
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import init_state, make_epoch, row_order
from jaxsize.training import _train as training

DATA = Data(Rows(TEACHER.train.inputs, TEACHER.train.targets), TEACHER.input_scale, TEACHER.input_shift)
ROWS = len(TEACHER.train)


@pytest.fixture(scope="module")
def epoch():
    """An epoch of one step, over all rows."""
    return jax.jit(make_epoch(learner_of(), Config(batch_size=ROWS)))


def hparams_of(decay, weight=0.05):
    return sparsifier_hparams(
        learning_rate=jnp.float32(0.01),
        penalty_weight=jnp.float32(weight),
        weight_decay=jnp.float32(0),
        gate_learning_rate=jnp.float32(0.05),
        penalty_decay=jnp.float32(decay),
    )


@pytest.mark.parametrize("decay", [2.0, 0.5, 1.25, 1.0])
def test_the_price_of_open_gates_is_divided_after_every_epoch(epoch, decay):
    hparams = hparams_of(decay)
    state = init_state(learner_of(), GATED.init(0), jnp.uint32(0), hparams)
    for number in range(4):
        opened = sum(np.maximum(gate, 0).sum() for gate in read_liveness(state.params).values())
        state, history = epoch(state, hparams, DATA)
        price = float(history["objective"][0]) - float(history["loss"][0])
        assert history["objective"].shape == (1,)
        np.testing.assert_allclose(price, 0.05 / decay**number * opened, rtol=1e-4)


def test_the_falling_penalty_moves_the_gates_as_the_reference_says():
    """The penalty in the gradient falls too: against the first moment of Adam, written out."""
    network, hparams = mlp((3, 4, 3), liveness="uniform"), hparams_of(3.0, weight=0.3)
    learner = make_learner(network, TASKS["classification"], FORMS["original"])
    epoch = jax.jit(make_epoch(learner, Config(batch_size=ROWS)))
    state = init_state(learner, network.init(0), jnp.uint32(0), hparams)
    first = np.zeros(4)
    for number in range(3):
        layer, output = state.params["hidden"][0], state.params["output"]
        p = {"w1": layer["kernel"], "b1": layer["bias"], "f": layer["liveness"]}
        p |= {"w2": output["kernel"], "b2": output["bias"]}
        p = {name: np.asarray(leaf, float) for name, leaf in p.items()}
        inputs = TEACHER.train.inputs * TEACHER.input_scale + TEACHER.input_shift
        by_loss = data_gradient(p, inputs.astype(float), TEACHER.train.targets)["f"]
        first = 0.9 * first + 0.1 * (by_loss + 0.3 / 3.0**number * (p["f"] > 0))
        state, _ = epoch(state, hparams, DATA)
        moments = {
            jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state.opt_state)
        }
        (moment,) = (leaf for path, leaf in moments.items() if path.endswith("['liveness']") and ".mu" in path)
        np.testing.assert_allclose(moment, first, rtol=1e-3, atol=1e-6)


def test_divided_by_one_the_penalty_stays_bit_for_bit(epoch):
    """As if every epoch were the first, whose penalty nothing has divided."""
    states = [init_state(learner_of(), GATED.init(0), jnp.uint32(0), hparams_of(1.0)) for _ in range(2)]
    for number in range(3):
        order = row_order(jnp.uint32(0), jnp.int32(number), ROWS)
        first, _ = epoch(states[0], hparams_of(1.0), DATA, order)
        fresh = dataclasses.replace(states[1], epoch=jnp.int32(0))
        other, _ = epoch(fresh, hparams_of(7.0), DATA, order)
        states = [first, other]
    chex.assert_trees_all_equal(*((state.params, state.opt_state) for state in states), strict=True)


def test_whole_batches_are_shuffled_and_every_step_is_recorded(tmp_path):
    """Nothing is learned at rate 0: the losses of the steps are those of the batches as the data set has them."""
    batch_size, epochs = 6, 3
    rows = ROWS - ROWS % batch_size
    train = Split(TEACHER.train.inputs[:rows], TEACHER.train.targets[:rows])
    batch = make_batch(
        None,
        runs=(0, 1, 1),
        init=lambda index: GATED.init(0),
        hparams=sparsifier_hparams(learning_rate=0.0, penalty_weight=0.01, gate_learning_rate=0.0),
        num_epochs=epochs,
        histories=step_histories(2),
    )
    batch = dataclasses.replace(
        batch,
        labels=[label | {"run": run} for run, label in enumerate(batch.labels)],
        dataset=dataclasses.replace(TEACHER, train=train),
        config=Config(batch_size=batch_size, shuffle="batches"),
    )
    folder = folder_in(tmp_path)
    training.train(batch, folder, Counter(), devices=jax.devices()[:1])
    names = ("loss", "objective", "score", "live_units", "live_units_0", "live_units_1")
    steps = {name: np.load(folder.path / "steps" / f"teacher.{name}.npy") for name in names}
    params = GATED.init(0)
    outputs = GATED.apply(params, jnp.asarray(train.inputs * TEACHER.input_scale + TEACHER.input_shift))
    losses = np.asarray(TASKS["classification"].loss(outputs, jnp.asarray(train.targets)), float)
    right = np.asarray(outputs).argmax(1) == train.targets
    of_batch = losses.reshape(-1, batch_size).mean(1)
    recorded = steps["loss"].reshape(3, epochs, -1)
    assert len(np.unique(of_batch.round(4))) == len(of_batch)  # each batch is known by its loss
    order = np.abs(recorded[..., None] - of_batch).argmin(-1)
    np.testing.assert_allclose(recorded, of_batch[order], rtol=1e-5)
    np.testing.assert_array_equal(np.sort(order), np.broadcast_to(np.arange(len(of_batch)), order.shape))
    np.testing.assert_allclose(
        steps["score"].reshape(order.shape), right.reshape(-1, batch_size).mean(1)[order], rtol=1e-6
    )
    np.testing.assert_array_equal(order[1], order[2])  # of the same seed
    orders = {tuple(one) for one in order[:2].reshape(2 * epochs, -1)}
    assert len(orders) == 2 * epochs and tuple(range(len(of_batch))) not in orders
    opened = sum(gate.sum() for gate in read_liveness(params).values())
    np.testing.assert_allclose(steps["objective"] - steps["loss"], 0.01 * opened, rtol=1e-3)
    assert [set(steps[name].flat) for name in names[3:]] == [{sum(WIDTHS[1:3])}, {WIDTHS[1]}, {WIDTHS[2]}]
    assert steps["live_units"].dtype.kind == "i"


def test_rows_that_leave_a_rest_are_no_whole_batches():
    batch = make_batch(None)
    with pytest.raises(ValueError, match=r"^shuffle: batches need whole ones"):
        dataclasses.replace(batch, config=Config(batch_size=ROWS - 1, shuffle="batches"))
    assert len(dataclasses.replace(batch, config=Config(batch_size=ROWS // 2, shuffle="batches"))) == 6
    with pytest.raises(ValueError, match="shuffle: expected one of per_run, shared, batches"):
        Config(shuffle="rows")  # type: ignore[arg-type]
