"""Magnitude pruning: which units stay, against the definition written out unit by unit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import conv

from jaxsize.errors import InputError
from jaxsize.export.folding import fold_gates
from jaxsize.gates.liveness import liveness_gate
from jaxsize.networks.layers import Gate
from jaxsize.networks.mlp import mlp
from jaxsize.units.pruning import prune_by_magnitude
from jaxsize.units.reading import unit_groups

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


def pruned_to(params, widths):
    """An `mlp`, its gates folded into its weights first, pruned to these widths."""
    folded = fold_gates(params)
    groups = unit_groups(mlp(WIDE, gate=None).apply, folded, INPUTS[:1])
    return prune_by_magnitude(groups, folded, {f"hidden.{n}": width for n, width in enumerate(widths)})


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
    pruned = pruned_to(params, widths)
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
    pruned = pruned_to(params, (6, 5))
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
    outputs, expected = (mlp((3, 4, 3, 4), gate=None).apply(pruned_to(p, (4, 3)), INPUTS) for p in (moved, params))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [{"hidden.0": 10}, {"hidden.1": 8}, {"hidden.0": 0}, {"hidden.2": 1}])
def test_only_sizes_that_are_there_can_be_pruned_to(sizes):
    params = some_params(0)
    groups = unit_groups(mlp(WIDE).apply, params, INPUTS[:1])
    with pytest.raises(InputError, match=r"^prune_by_magnitude: expected "):
        prune_by_magnitude(groups, params, sizes)


@pytest.mark.parametrize("gate", ["liveness", "signed"])
def test_gates_count_as_outgoing_weights_and_stay(gate):
    """An `mlp` keeps the same units whether its gates are folded first or not."""
    params = some_params(6, gate=gate)
    network = mlp(WIDE, gate=gate)
    groups = unit_groups(network.apply, params, INPUTS[:1])
    small = prune_by_magnitude(groups, params, {"hidden.0": 5, "hidden.1": 4})
    folded = fold_gates(params, signed=gate == "signed")
    plain = unit_groups(mlp(WIDE, gate=None).apply, folded, INPUTS[:1])
    expected = prune_by_magnitude(plain, folded, {"hidden.0": 5, "hidden.1": 4})
    chex.assert_trees_all_close(fold_gates(small, signed=gate == "signed"), expected, rtol=1e-6)


def test_channels_that_are_flattened_before_a_dense_layer():
    def apply(params, images):
        hidden = jnp.tanh(conv(images, params["c"]["k"]) + jnp.expand_dims(params["c"]["b"], (0, 1, 2)))
        return hidden.reshape(len(images), -1) @ params["top"]

    rng = np.random.default_rng(1)
    params = {"c": {"k": rng.normal(size=(3, 3, 2, 6)), "b": rng.normal(size=6)}, "top": rng.normal(size=(20 * 6, 3))}
    groups = unit_groups(apply, params, np.ones((1, 5, 4, 2)))
    into = np.sqrt((params["c"]["k"] ** 2).sum((0, 1, 2)) + params["c"]["b"] ** 2)
    out = np.sqrt((params["top"].reshape(20, 6, 3) ** 2).sum((0, 2)))
    kept = np.sort(np.argsort(-into * out)[:4])
    small = prune_by_magnitude(groups, params, {"c": 4})
    np.testing.assert_array_equal(small["c"]["k"], params["c"]["k"][..., kept])
    np.testing.assert_array_equal(small["c"]["b"], params["c"]["b"][kept])
    np.testing.assert_array_equal(small["top"], params["top"].reshape(20, 6, 3)[:, kept].reshape(80, 3))


def test_a_recurrent_kernel_makes_by_its_columns_and_reads_by_its_rows():
    def apply(params, x):
        hidden = jnp.tanh(x @ params["in"])
        return jnp.tanh(hidden @ params["square"] + hidden) @ params["out"]

    rng = np.random.default_rng(2)
    params = {"in": rng.normal(size=(3, 5)), "square": rng.normal(size=(5, 5)), "out": rng.normal(size=(5, 2))}
    groups = unit_groups(apply, params, np.ones((1, 3)))
    (name,) = [name for name, group in groups.groups.items() if not group.fixed]
    into = (params["in"] ** 2).sum(0) + (params["square"] ** 2).sum(0)
    out = (params["out"] ** 2).sum(1) + (params["square"] ** 2).sum(1)
    kept = np.sort(np.argsort(-into * out)[:3])
    small = prune_by_magnitude(groups, params, {name: 3})
    np.testing.assert_array_equal(small["square"], params["square"][kept][:, kept])


def test_gates_of_which_several_act_on_the_same_units_are_refused():
    def apply(params, x):
        hidden = liveness_gate(x @ params["a"], params["one"]["liveness"])
        return (hidden + liveness_gate(x @ params["b"], params["two"]["liveness"])) @ params["c"]

    ones = {"liveness": np.ones(5, np.float32)}
    params = {"a": np.ones((3, 5)), "b": np.ones((3, 5)), "c": np.ones((5, 2)), "one": ones, "two": ones}
    params = jax.tree.map(np.float32, params)
    groups = unit_groups(apply, params, np.ones((1, 3), np.float32))
    with pytest.raises(InputError, match=r"expected one gate for the units of one, got one.liveness, two.liveness$"):
        prune_by_magnitude(groups, params, {"one": 3})
