"""Autoencoders: their structures by hand, what their latent is worth, and units that are removed exactly."""

import jax
import numpy as np
import pytest
from helpers.training import normal

from jaxsize.gates import read_liveness
from jaxsize.networks import autoencoder
from jaxsize.trees import named_leaves
from jaxsize.units import activations, compact, unit_groups

INPUTS = normal(0, 7, 6)


def by_hand(params, inputs, *, activate_latent=False, activate_decoder=False):
    """Layer by layer, in float64."""

    def layer(layer, x):
        return x @ np.asarray(layer["kernel"], float) + np.asarray(layer.get("bias", 0), float)

    x = np.asarray(inputs, float)
    for encoder in params["encoder"]:
        x = np.maximum(layer(encoder, x), 0)
    x = layer(params["latent"], x)
    x = np.maximum(x, 0) if activate_latent else x
    for number, decoder in enumerate(params["decoder"]):
        x = layer(decoder, x)
        x = np.maximum(x, 0) if number or activate_decoder else x
    return layer(params["output"], x)


SEEDS = {"S0": {}, "S2": {"activate_decoder": True, "output_bias": False}, "relu": {"activate_latent": True}}


@pytest.mark.parametrize("options", SEEDS.values(), ids=SEEDS)
def test_structures_of_the_two_seeds(options):
    network = autoencoder((6, 5, 4), 3, **options)
    params = network.init(1)
    assert ("bias" in params["output"]) == options.get("output_bias", True)
    options = {name: of for name, of in options.items() if name != "output_bias"}
    np.testing.assert_allclose(network.apply(params, INPUTS), by_hand(params, INPUTS, **options), rtol=1e-5, atol=1e-6)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), network.shapes()
    )
    names = named_leaves(params)
    assert len({names[name].tobytes() for name in names}) == len(names)  # no two layers are drawn alike


@pytest.mark.parametrize("latent", [3, 4, 9])
def test_without_an_activation_around_it_no_latent_is_worth_more_than_the_last_hidden_width(latent):
    """D16: encoder's last and decoder's first linear maps are one of rank at most the latent, or the last width."""
    network = autoencoder((6, 5, 4), latent)
    params = network.init(2)
    joined = params["latent"]["kernel"] @ params["decoder"][0]["kernel"]
    assert np.linalg.matrix_rank(joined) == min(latent, 4)
    left, sizes, right = np.linalg.svd(joined.astype(float))
    small = autoencoder((6, 5, 4), 4).init(0) | {"encoder": params["encoder"], "output": params["output"]}
    bias = params["latent"]["bias"].astype(float) @ params["decoder"][0]["kernel"] + params["decoder"][0]["bias"]
    small["latent"] = {"kernel": left * np.sqrt(sizes), "bias": np.zeros(4)}
    small["decoder"] = [{"kernel": np.sqrt(sizes)[:, None] * right, "bias": bias}, *params["decoder"][1:]]
    same = autoencoder((6, 5, 4), 4).apply(small, INPUTS)
    np.testing.assert_allclose(same, network.apply(params, INPUTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gate", ["liveness", "signed"])
def test_dead_hidden_and_latent_units_are_removed_exactly(gate):
    network = autoencoder((6, 5, 4), 3, gate=gate)
    assert network.gates == ("encoder.0", "encoder.1", "latent", "decoder.0", "decoder.1")
    params = network.init(3)
    assert sorted(read_liveness(params)) == sorted(network.gates)
    for name, unit in (("latent", 1), ("encoder", 2), ("decoder", 0)):
        layer = params[name] if name == "latent" else params[name][0]
        layer["liveness"][unit] = 0
    groups = unit_groups(network.apply, params, INPUTS[:1])
    small = compact(groups, params, groups.live(params))
    assert [small.params[name]["kernel"].shape for name in ("latent", "output")] == [(4, 2), (5, 6)]
    np.testing.assert_allclose(network.apply(small.params, INPUTS), network.apply(params, INPUTS), rtol=1e-5, atol=1e-6)


def test_latents_are_read_off_the_function():
    network = autoencoder((6, 4), 2, activation=jax.nn.softplus)
    params = network.init(0)
    latents = activations(network.apply, params, INPUTS, names=["latent"])["latent"]
    hidden = np.logaddexp(0, INPUTS @ params["encoder"][0]["kernel"] + params["encoder"][0]["bias"])
    expected = hidden @ params["latent"]["kernel"] + params["latent"]["bias"]
    np.testing.assert_allclose(latents, expected, rtol=1e-5, atol=1e-6)


def test_a_decoder_of_its_own_widths():
    network = autoencoder((6, 5), 2, decoder=(3, 7, 4))
    params = network.init(0)
    assert [layer["kernel"].shape for layer in params["decoder"]] == [(2, 3), (3, 7), (7, 4)]
    np.testing.assert_allclose(network.apply(params, INPUTS), by_hand(params, INPUTS), rtol=1e-5, atol=1e-6)
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, network.shapes())
    bare = autoencoder((6,), 2, decoder=()).init(0)
    assert bare["output"]["kernel"].shape == (2, 6)
    with pytest.raises(ValueError, match=r"autoencoder: expected decoder hidden widths, .*, got \(0,\)"):
        autoencoder((6,), 2, decoder=(0,))


def test_a_single_layer_each_way_and_trained_sizes():
    bare = autoencoder((6,), 2, output_bias=False, activate_decoder=True)
    params = bare.init(0)
    expected = (INPUTS @ params["latent"]["kernel"] + params["latent"]["bias"]) @ params["output"]["kernel"]
    np.testing.assert_allclose(bare.apply(params, INPUTS), expected, rtol=1e-5, atol=1e-6)
    sized = autoencoder((6, 8), 4, gate="size", gate_latent=False).init(0)
    assert sized["encoder"][0]["size"] == 4 and "size" not in sized["latent"]


@pytest.mark.parametrize(
    ("widths", "latent", "message"),
    [
        ((6, 0), 2, r"widths \(inputs, hidden ...\), all positive integers, got \(6, 0\)"),
        ((), 2, r"widths .*, got \(\)"),
        ((6, 4), 0, "latent a positive integer, got 0"),
        ((6, 4), 2.5, "latent a positive integer, got 2.5"),
    ],
)
def test_widths_and_latents_that_are_no_counts_are_refused(widths, latent, message):
    with pytest.raises(ValueError, match=f"autoencoder: expected {message}"):
        autoencoder(widths, latent)
