"""Partners of found networks: their widths, what is pruned, and that padding changes nothing of their training."""

import dataclasses
import itertools
from collections import Counter as Count

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.shrinking import TEACHER, Counter, assert_rows_agree, folder_in, rows_of
from scipy import stats

from experiments.compress.networks import compress_network
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.layers import Gate
from jaxsize.networks.mlp import mlp
from jaxsize.networks.padding import with_gates
from jaxsize.programs.config import Config
from jaxsize.sweeps.partners import Partner, partner_batches, random_widths, sizes_of
from jaxsize.training import _train as training
from jaxsize.units.pruning import prune_by_magnitude

WIDE = (3, 9, 7, 4)
INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)), jnp.float32)


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


def some_params(seed, widths=WIDE, gate: Gate | None = "liveness"):
    """Every leaf random; about a third of the gates closed."""
    rng = np.random.default_rng(seed)
    params = mlp(widths, gate=gate).init(seed)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), params)
    for layer in params["hidden"]:
        if "liveness" in layer:
            layer["liveness"] += 0.5
    return params


def one_at_a_time(params, widths):
    """Ungated layers [(kernel, bias), ...] as the definition has them, unit by unit."""
    layers = [*params["hidden"], params["output"]]
    gates = [np.maximum(layer.get("liveness", np.ones(len(layer["bias"]))), 0).astype(float) for layer in layers[:-1]]
    kept = [list(range(len(layers[0]["kernel"])))]
    for number, width in enumerate(widths):
        strength = {}
        for unit, gate in enumerate(gates[number]):
            before = gates[number - 1] if number else np.ones(len(kept[0]))
            into = [weight * by for weight, by in zip(layers[number]["kernel"][:, unit].tolist(), before, strict=True)]
            out = [weight * gate for weight in layers[number + 1]["kernel"][unit].tolist()]
            bias = float(layers[number]["bias"][unit])
            strength[unit] = np.sqrt(sum(w * w for w in into) + bias * bias) * np.sqrt(sum(w * w for w in out))
        kept.append(sorted(sorted(strength, key=lambda unit: -strength[unit])[:width]))
    kept.append(list(range(len(layers[-1]["bias"]))))
    small = []
    for number, layer in enumerate(layers):
        rows, columns = kept[number], kept[number + 1]
        gate = gates[number - 1] if number else np.ones(len(kept[0]))
        kernel = [[layer["kernel"][row, column] * gate[row] for column in columns] for row in rows]
        small.append((np.array(kernel), layer["bias"][columns]))
    return small


def layers_of(params):
    return [*params["hidden"], params["output"]]


@pytest.mark.parametrize("gate", ["liveness", None])
@pytest.mark.parametrize("widths", [(4, 3), (9, 7), (1, 1), (9, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_the_strongest_units_are_kept(seed, widths, gate):
    params = some_params(seed, gate=gate)
    before = jax.tree.map(np.copy, params)
    pruned = prune_by_magnitude(params, widths)
    for layer, (kernel, bias) in zip(layers_of(pruned), one_at_a_time(params, widths), strict=True):
        assert set(layer) == {"kernel", "bias"} and layer["kernel"].dtype == np.float32
        np.testing.assert_allclose(layer["kernel"], kernel, rtol=1e-6)
        np.testing.assert_array_equal(layer["bias"], bias)
    chex.assert_trees_all_equal(params, before, strict=True)


@pytest.mark.parametrize("how", ["nothing goes in", "nothing comes out", "closed"])
def test_units_that_do_nothing_go_first_and_no_output_changes(how):
    params = some_params(4)
    for number, dead in enumerate(([0, 3, 8], [1, 6])):
        layer, after = layers_of(params)[number : number + 2]
        layer["liveness"][:] = np.abs(layer["liveness"]) + 0.1
        if how == "nothing goes in":
            layer["kernel"][:, dead], layer["bias"][dead] = 0, 0
        elif how == "closed":
            layer["liveness"][dead] = [0, -0.5, -0.0][: len(dead)]
        else:
            after["kernel"][dead] = 0
    pruned = prune_by_magnitude(params, (6, 5))
    outputs = mlp((3, 6, 5, 4), gate=None).apply(pruned, INPUTS)
    np.testing.assert_allclose(outputs, mlp(WIDE).apply(params, INPUTS), rtol=1e-4, atol=1e-4)


def test_a_scale_that_moves_through_a_unit_changes_nothing():
    params, moved = some_params(5), some_params(5)
    for number, scale in ((0, 2.0 ** np.arange(-4, 5)), (1, 4.0 ** np.arange(-3, 4))):
        layer, after = layers_of(moved)[number : number + 2]
        layer["kernel"], layer["bias"] = layer["kernel"] * np.float32(scale), layer["bias"] * np.float32(scale)
        if number:
            layer["liveness"] = layer["liveness"] / np.float32(scale)  # a gate is outgoing weight as well
        else:
            after["kernel"] = after["kernel"] / scale[:, None].astype(np.float32)
    outputs, expected = (
        mlp((3, 4, 3, 4), gate=None).apply(prune_by_magnitude(p, (4, 3)), INPUTS) for p in (moved, params)
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("widths", [(10, 3), (4, 8), (4,), (4, 3, 2)])
def test_only_widths_that_are_there_can_be_pruned_to(widths):
    with pytest.raises(ValueError):
        prune_by_magnitude(some_params(0), widths)


def test_gates_at_one_change_no_output():
    params = some_params(1, gate=None)
    gated = with_gates(params)
    assert [layer["liveness"].tolist() for layer in gated["hidden"]] == [[1] * 9, [1] * 7]
    assert "liveness" not in params["hidden"][0] and gated["hidden"][0]["liveness"].dtype == np.float32
    np.testing.assert_array_equal(mlp(WIDE).apply(gated, INPUTS), mlp(WIDE, gate=None).apply(params, INPUTS))


@pytest.mark.parametrize("widths", [(5,), (9, 7), (3, 1, 4)])
def test_sizes_are_counted_leaf_by_leaf(widths):
    params = mlp((3, *widths, 3), gate=None).init(0)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    assert sizes_of(widths, TEACHER) == {
        "live_units": sum(len(layer["bias"]) for layer in params["hidden"]),
        "live_units_per_layer": [len(layer["bias"]) for layer in params["hidden"]],
        "parameters": sum(leaf.size for _, leaf in leaves),
        "multiply_adds": sum(leaf.size for _, leaf in leaves if leaf.ndim == 2),
    }


def partners_of(described):
    """[(hidden widths, epochs), ...] -> partners; run and seed are their place in the list."""
    for run, (widths, epochs) in enumerate(described):
        network = compress_network((3, *widths, 3), gated=False)
        label = {"run": run, "seed": run, "arm": "from_scratch", "partner": 100 + run}
        yield Partner(label, widths, lambda network=network, run=run: network.init(run), epochs)


def batches_of(described, **more):
    settings = {"name": "p", "hparams": {"learning_rate": 0.02}, "config": Config(batch_size=16)}
    return partner_batches(list(partners_of(described)), TEACHER, FORMS["corrected"], **settings | more)


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


@pytest.mark.parametrize("gated", [False, True])
def test_a_padded_partner_trains_to_the_same_numbers_as_alone(tmp_path, gated):
    described, devices = [((5, 3), 3), ((2, 6), 3)], jax.devices()[:1]
    (batch,) = batches_of(described, gated=gated, select="validation_loss")
    together = rows_of(training.train(batch, folder_in(tmp_path / "together"), Counter(), devices=devices))
    for partner in partners_of(described):
        run, network = partner.label["run"], mlp((3, *partner.widths, 3), gate="liveness" if gated else None)
        alone = dataclasses.replace(
            batch,
            labels=[batch.labels[run]],
            init=lambda index, partner=partner: (with_gates if gated else dict)(partner.init()),
            learner=make_learner(network, TASKS["classification"], FORMS["corrected"]),
            hparams=jax.tree.map(lambda values: values[:1], batch.hparams),
        )
        rows = rows_of(training.train(alone, folder_in(tmp_path / str(run)), Counter(), devices=devices))
        assert len(rows) == 3 and rows[-1]["train_loss"] < rows[0]["train_loss"]
        assert_rows_agree([row for row in together if row["run"] == run], rows, rtol=1e-5, atol=1e-6)
