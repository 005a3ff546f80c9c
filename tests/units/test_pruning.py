"""Magnitude pruning: which units stay, against the definition written out unit by unit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.networks.layers import Gate
from jaxsize.networks.mlp import mlp
from jaxsize.units.pruning import prune_by_magnitude

WIDE = (3, 9, 7, 4)
INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)), jnp.float32)


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
