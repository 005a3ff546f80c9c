"""The training frame with tokens, images, several outputs, targets that are the inputs, row weights, own losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sklearn.metrics
from helpers.shrinking import Counter, folder_in

from jaxsize.data import from_arrays
from jaxsize.learners import Learner, Task, supervised, task_of
from jaxsize.programs import Config
from jaxsize.sweeps import setting_sweep
from jaxsize.training import train

RNG = np.random.default_rng(0)


def trained(path, dataset, apply, params, task=None, *, settings=({"seed": 0},), learner=None, **more):
    learner = learner or supervised(apply, task or task_of(dataset), lambda hparams: optax.sgd(hparams.learning_rate))
    fields = {"name": "own", "label": {}, "first_run": 0, "config": Config(batch_size=8), "num_epochs": 3} | more
    batch = setting_sweep(dataset, settings, init=lambda seed: params, learner=learner, **fields)
    return train(batch, folder_in(path / "r"), Counter(), devices=jax.devices()[:1])


def leaf(*shape):
    return RNG.normal(size=shape).astype("f4")


def test_tokens_reach_the_network_as_integers(tmp_path):
    tokens = RNG.integers(0, 11, (60, 5))
    dataset = from_arrays(tokens, tokens[:, 0] % 3, tokens=True, name="words")

    def apply(params, inputs):
        assert inputs.dtype == jnp.int32
        return jnp.take(params["embedding"], inputs, axis=0).mean(axis=1)

    result = trained(tmp_path, dataset, apply, {"embedding": leaf(11, 3)})
    (params,) = (network.params for network in result.networks)
    outputs = params["embedding"][dataset.test.inputs].mean(axis=1)
    accuracy = sklearn.metrics.accuracy_score(dataset.test.targets, outputs.argmax(axis=1))
    assert result.rows[-1]["test_accuracy"] == pytest.approx(accuracy)


def test_images_keep_their_shape_and_several_outputs_are_one_error(tmp_path):
    images, targets = RNG.integers(0, 256, (60, 4, 6, 3), np.uint8), RNG.normal(5, 2, (60, 2))
    dataset = from_arrays(images, targets, name="photos")

    def apply(params, inputs):
        assert inputs.shape[1:] == (4, 6, 3)
        return inputs.mean(axis=(1, 2)) @ params

    result = trained(tmp_path, dataset, apply, leaf(3, 2))
    inputs = dataset.test.inputs * dataset.input_scale.astype(float) + dataset.input_shift
    outputs = inputs.mean(axis=(1, 2)) @ result.networks[0].params
    mean, std = (np.array(dataset.info[name]) for name in ("target_mean", "target_std"))
    error = sklearn.metrics.mean_squared_error(dataset.test.targets, outputs * std + mean)
    assert result.rows[-1]["test_error"] == pytest.approx(error, rel=1e-4)
    loss = sklearn.metrics.mean_squared_error((dataset.test.targets - mean) / std, outputs)
    assert result.rows[-1]["test_loss"] == pytest.approx(loss, rel=1e-4)


def test_targets_can_be_the_inputs(tmp_path):
    dataset = from_arrays(RNG.normal(3, 2, (60, 4)), task="reconstruction", name="codes")
    assert dataset.task == "reconstruction" and dataset.train.targets is None
    result = trained(tmp_path, dataset, lambda params, inputs: inputs @ params, leaf(4, 4))
    inputs = dataset.test.inputs * dataset.input_scale + dataset.input_shift
    expected = np.mean((inputs @ result.networks[0].params - inputs) ** 2)
    assert result.rows[-1]["test_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_row_of_weight_2_counts_like_two_rows_and_one_of_weight_0_not_at_all(tmp_path):
    inputs, targets = RNG.normal(size=(12, 3)), RNG.normal(size=12)
    weights = np.array([2, 1, 0, 1, 2, 0, 1, 1, 1, 2, 0, 1])
    held = (inputs[:4], targets[:4], np.array([1.0, 0, 3, 0]))
    weighted = from_arrays(inputs, targets, weights=weights, test=held, validation=None, standardize=False)
    copies = np.repeat(np.arange(12), weights)
    repeated = from_arrays(
        inputs[copies],
        targets[copies],
        test=(inputs[[0, 2, 2, 2]], targets[[0, 2, 2, 2]]),
        validation=None,
        standardize=False,
    )
    params, task = leaf(3, 1), Task(lambda outputs, targets: (outputs[:, 0] - targets) ** 2)
    whole = Config(batch_size=12)
    ends = [
        trained(tmp_path / name, data, lambda params, inputs: inputs @ params, params, task, config=whole)
        for name, data in (("weighted", weighted), ("repeated", repeated))
    ]
    for split in ("train", "test"):  # one step an epoch, over all rows
        losses = [[row[f"{split}_loss"] for row in end.rows] for end in ends]
        np.testing.assert_allclose(*losses, rtol=1e-5)
    np.testing.assert_allclose(*(end.networks[0].params for end in ends), rtol=1e-5)


def test_a_row_of_weight_2_counts_twice_whichever_rows_it_shares_a_step_with(tmp_path):
    """The loss is linear in the parameters, so that an epoch moves them by the weighted mean of all gradients."""
    rng = np.random.default_rng(1)
    inputs, weights = rng.normal(size=(12, 3)), np.array([20, 10, 10, 10, 20, 5, 10, 10, 10, 20, 5, 10])
    held = (inputs, inputs[:, 0])
    data = from_arrays(inputs, held[1], weights=weights, test=held, validation=None, standardize=False)
    linear, start = Task(lambda outputs, targets: outputs[:, 0]), rng.normal(size=(3, 1)).astype("f4")
    for size in (1, 4):
        config = Config(batch_size=size)
        end = trained(tmp_path / str(size), data, lambda params, inputs: inputs @ params, start, linear, config=config)
        steps = end.networks[0].epoch * 12 / size
        moved = -1e-3 * steps * np.average(inputs, axis=0, weights=weights)
        np.testing.assert_allclose(end.networks[0].params[:, 0], start[:, 0] + moved, rtol=1e-4)


def test_a_batch_of_rows_of_weight_0_moves_nothing(tmp_path):
    inputs, weights = RNG.normal(size=(16, 3)), np.r_[np.zeros(8), np.ones(8)]
    rows = from_arrays(inputs, inputs[:, 0], weights=weights, test=(inputs, inputs[:, 0]), validation=None)
    result = trained(tmp_path, rows, lambda params, inputs: inputs @ params, leaf(3, 1), config=Config(batch_size=2))
    assert np.isfinite(result.networks[0].params).all() and np.isfinite(result.rows[-1]["train_loss"])


def test_a_learner_needs_three_functions_and_declares_its_settings(tmp_path):
    inputs = RNG.normal(size=(40, 2))
    dataset = from_arrays(inputs, 3 * inputs[:, 0], task="custom", name="own")

    def objective(params, inputs, targets, weights, hparams):
        loss = jnp.sum(weights * (inputs @ params - targets) ** 2) / jnp.sum(weights)
        return loss + hparams.ridge * jnp.sum(params**2), {"loss": loss}

    def scores(params, inputs, targets):
        errors = jnp.abs(inputs @ params - targets)
        return {"loss": errors**2, "r_close": (errors < 1) * 1.0, "absolute_error": errors}

    learner = Learner(
        objective,
        lambda hparams: optax.sgd(hparams.learning_rate),
        scores,
        defaults={"learning_rate": 0.05, "ridge": 0.0},
    )
    settings = [{"seed": 0, "ridge": ridge} for ridge in (0.0, 100.0)]
    result = trained(tmp_path, dataset, None, np.zeros(2, "f4"), learner=learner, settings=settings, num_epochs=20)
    free, held = (row for row in result.rows if row["epoch"] == 20)
    assert [name for name in free if name.startswith("test_")] == ["test_loss", "test_r_close", "test_absolute_error"]
    assert free["test_absolute_error"] < 0.1 and free["ridge"] == 0
    assert not np.isfinite(held["train_loss"] or np.nan) or held["train_loss"] > 5
    with pytest.raises(ValueError, match=r"expected settings of the learner \(learning_rate, ridge\), got 'momentum'"):
        learner.hparams(momentum=0.9)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda outputs, targets: jnp.mean(outputs), r"loss: expected a number for every row \[8\]"),
        (lambda outputs, targets: outputs, r"loss: expected a number for every row \[8\]"),
    ],
)
def test_a_loss_that_is_no_number_per_row_is_refused_in_one_line(loss, message, tmp_path):
    dataset = from_arrays(RNG.normal(size=(30, 2)), RNG.normal(size=30))
    with pytest.raises(ValueError, match=message):
        trained(tmp_path, dataset, lambda params, inputs: inputs @ params, leaf(2, 1), Task(loss))
