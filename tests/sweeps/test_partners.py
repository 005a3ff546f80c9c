"""Partners of found networks: their widths, and that padding changes nothing of their training."""

import dataclasses
import itertools
from collections import Counter as Count

import jax
import numpy as np
import optax
import pytest
from helpers.shrinking import TEACHER, Counter, assert_rows_agree, folder_in, rows_of
from scipy import stats

from experiments.common.networks import compress_networks
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp, with_gates
from jaxsize.programs.config import Config
from jaxsize.sweeps.partners import Partner, partner_batches, random_widths
from jaxsize.training import _train as training


@pytest.mark.parametrize(("total", "num_layers"), [(5, 2), (6, 3), (7, 4), (4, 4), (3, 1), (1, 1)])
def test_every_way_to_share_units_is_equally_likely(total, num_layers):
    ways = [way for way in itertools.product(range(1, total + 1), repeat=num_layers) if sum(way) == total]
    draws = Count(random_widths(total, num_layers, seed) for seed in range(60 * len(ways)))
    assert set(draws) == set(ways)
    if len(ways) > 1:
        assert stats.chisquare([draws[way] for way in ways]).pvalue > 1e-4
    assert random_widths(total, num_layers, 3) == random_widths(total, num_layers, 3)
    assert all(type(width) is int for way in draws for width in way)


@pytest.mark.parametrize(("total", "num_layers"), [(2, 3), (0, 1), (5, 0), (-4, 2)])
def test_units_too_few_to_share_are_refused(total, num_layers):
    with pytest.raises(ValueError, match="random_widths: expected a total of at least"):
        random_widths(total, num_layers, 0)


@pytest.mark.parametrize("widths", [(5,), (9, 7), (3, 1, 4)])
def test_sizes_are_counted_leaf_by_leaf(widths):
    params = mlp((3, *widths, 3), gate=None).init(0)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    ((label,),) = (batch.labels for batch in batches_of([(widths, 1)]))
    names = ("live_units", "live_units_per_layer", "parameters", "multiply_adds")
    assert {name: label[name] for name in names} == {
        "live_units": sum(len(layer["bias"]) for layer in params["hidden"]),
        "live_units_per_layer": [len(layer["bias"]) for layer in params["hidden"]],
        "parameters": sum(leaf.size for _, leaf in leaves),
        "multiply_adds": sum(leaf.size for _, leaf in leaves if leaf.ndim == 2),
    }


def partners_of(described, gated=False):
    """[(hidden widths, epochs), ...] -> partners; run and seed are their place in the list."""
    for run, (widths, epochs) in enumerate(described):
        network = compress_networks(TEACHER, gated=False)(widths)
        label = {"run": run, "seed": run, "arm": "from_scratch", "partner": 100 + run}
        whole = with_gates if gated else dict
        yield Partner(label, widths, lambda network=network, run=run, whole=whole: whole(network.init(run)), epochs)


def batches_of(described, gated=False, **more):
    settings = {"name": "p", "hparams": {"learning_rate": 0.02}, "config": Config(batch_size=16)}
    network = compress_networks(TEACHER, gated=gated)
    return partner_batches(list(partners_of(described, gated)), TEACHER, FORMS["corrected"], network, **settings | more)


def test_partners_of_the_same_buckets_and_epochs_share_a_batch():
    described = [((5, 3), 4), ((20, 3), 4), ((16, 16), 4), ((5, 3), 9), ((17, 16), 4), ((5, 17), 4)]
    batches = batches_of(described)
    by_name = {batch.name: ([label["run"] for label in batch.labels], batch.num_epochs) for batch in batches}
    expected = {"p.16x16.4": ([0, 2], 4), "p.16x16.9": ([3], 9), "p.32x16.4": ([1, 4], 4), "p.16x32.4": ([5], 4)}
    assert by_name == expected
    for batch in batches:
        shapes = {str(jax.tree.map(np.shape, batch.init(index))) for index in range(len(batch))}
        assert len(shapes) == 1 and batch.shrinking is None and (batch.hparams.penalty_weight == 0).all()
        for label in batch.labels:
            assert label["live_units_per_layer"] == list(described[label["run"]][0])
    assert [batch.name for batch in batches_of(described[:3])] == ["p.16x16", "p.32x16"]  # one number of epochs
    assert batches_of([]) == []


def test_partners_have_settings_of_their_own_and_the_optimizer_given():
    sgd = optax.sgd(0.5)
    first, second = partners_of([((5,), 2), ((6,), 2)])
    partners = [first._replace(hparams={"weight_decay": 0.25}), second]
    settings = {"name": "p", "hparams": {"learning_rate": 0.02, "weight_decay": 0.0}, "config": Config()}
    network = compress_networks(TEACHER, gated=False)
    (batch,) = partner_batches(
        partners, TEACHER, FORMS["corrected"], network, optimizer=lambda hparams: sgd, **settings
    )
    np.testing.assert_array_equal(batch.hparams.weight_decay, np.array([0.25, 0], np.float32))
    np.testing.assert_array_equal(batch.hparams.learning_rate, np.array([0.02, 0.02], np.float32))
    assert batch.learner.optimizer(batch.hparams) is sgd


@pytest.mark.parametrize("gated", [False, True])
def test_a_padded_partner_trains_to_the_same_numbers_as_alone(tmp_path, gated):
    described, devices = [((5, 3), 3), ((2, 6), 3)], jax.devices()[:1]
    (batch,) = batches_of(described, gated=gated, select="validation_loss")
    together = rows_of(training.train(batch, folder_in(tmp_path / "together"), Counter(), devices=devices))
    for partner in partners_of(described, gated):
        run, network = partner.label["run"], mlp((3, *partner.widths, 3), gate="liveness" if gated else None)
        alone = dataclasses.replace(
            batch,
            labels=[batch.labels[run]],
            init=lambda index, partner=partner: partner.init(),
            learner=make_learner(network, TASKS["classification"], FORMS["corrected"]),
            hparams=jax.tree.map(lambda values: values[:1], batch.hparams),
        )
        rows = rows_of(training.train(alone, folder_in(tmp_path / str(run)), Counter(), devices=devices))
        assert len(rows) == 3 and rows[-1]["train_loss"] < rows[0]["train_loss"]
        assert_rows_agree([row for row in together if row["run"] == run], rows, rtol=1e-5, atol=1e-6)
