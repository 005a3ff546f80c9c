"""Autoencoders of dense layers, in the structures of two seeds, with gates on hidden and latent units."""

import itertools
import numbers
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax

from jaxsize.errors import InputError
from jaxsize.gates.liveness import relu
from jaxsize.networks._dense_layers import Activation, apply_dense_layers, gated_dense_shapes, init_gated_dense
from jaxsize.networks.initializers import BiasInitializer, Initializer
from jaxsize.networks.layers import Gate
from jaxsize.networks.network import Network
from jaxsize.trees import Tree


class _Layer(NamedTuple):
    """A layer of an autoencoder: where its parameters are, its units, what follows it."""

    name: str
    fan_in: int
    width: int
    activation: Activation | None
    gate: Gate | None
    bias: BiasInitializer | None


def autoencoder(
    widths: Sequence[int],
    latent: int,
    *,
    decoder: Sequence[int] | None = None,
    activation: Activation = relu,
    activate_latent: bool = False,
    activate_decoder: bool = False,
    gate: Gate | None = None,
    gate_latent: bool = True,
    liveness: float | Literal["uniform"] = 1.0,
    size: float | None = None,
    slope: float = 1.0,
    initializer: Initializer = "pytorch",
    bias: BiasInitializer | None = "pytorch",
    output_bias: bool = True,
) -> Network:
    """Make an autoencoder: an encoder to `latent` units, and a decoder with the widths of the encoder in reverse.

    The latent units are linear. So are, by default, the units of the decoder's first layer, as in seed
    `000_1e759a4f1a03c71d.txt` ("Model dimension"); the autoencoders of seed `002_2034385bae2412e3.txt` have
    `activate_decoder=True` and `output_bias=False`. Outputs are logits: a sigmoid makes them pixels.

    The parameters are {"encoder": [layer, ...], "latent": layer, "decoder": [layer, ...], "output": layer}; a layer
    holds `kernel` [D, U], `bias` [U] and the leaves of its gate, as in an `mlp`. What the latent units put out is
    `units.activations(network.apply, params, inputs, names=["latent"])["latent"]`.

    Args:
        widths: (inputs, hidden ...), positive integers; the inputs alone for no hidden layer.
        latent: latent units, 1 or more.
        decoder: hidden widths of the decoder, from the latent units on. None: those of the encoder in reverse.
        activation: the elementwise function of hidden layers.
        activate_latent: whether latent units have the activation, too.
        activate_decoder: whether the decoder's first layer has it.
        gate: the kind of gate of hidden and latent units, as in an `mlp`, or None.
        gate_latent: whether the latent units have gates where hidden units have.
        liveness: the gates before training: one value above 0, or "uniform" for U(0, 1].
        size: the size of every gated layer before training; half the units by default.
        slope: the slope of every gated layer before training, at least 0.
        initializer: the distribution of the weights (see `init_kernel`).
        bias: the distribution of the biases (see `init_bias`); None for layers without biases.
        output_bias: whether the last layer has a bias where the others have.

    Returns:
        The network; its `apply` maps inputs [B, inputs] to logits [B, inputs].

    Raises:
        InputError: when `widths` are not one or more positive integers, or `latent` is not a positive integer.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.networks import autoencoder
        >>> network = autoencoder((6, 5, 4), latent=2)
        >>> params = network.init(0)
        >>> [layer["kernel"].shape for layer in [*params["encoder"], params["latent"]]]
        [(6, 5), (5, 4), (4, 2)]
        >>> [layer["kernel"].shape for layer in [*params["decoder"], params["output"]]]
        [(2, 4), (4, 5), (5, 6)]
        >>> network.apply(params, jnp.ones((3, 6))).shape
        (3, 6)
    """
    _require_counts("widths", "(inputs, hidden ...), all positive integers", widths)
    _require_counts("latent", "a positive integer", [latent], latent)
    inputs, *hidden = widths
    back = list(reversed(hidden)) if decoder is None else list(decoder)
    _require_counts("decoder", "hidden widths, all positive integers", back, some=False)
    layers = [
        *(
            _Layer(f"encoder.{index}", *fans, activation, gate, bias)
            for index, fans in enumerate(itertools.pairwise(widths))
        ),
        _Layer(
            "latent",
            widths[-1],
            latent,
            activation if activate_latent else None,
            gate if gate_latent else None,
            bias,
        ),
        *(
            _Layer(f"decoder.{index}", *fans, activation if index or activate_decoder else None, gate, bias)
            for index, fans in enumerate(itertools.pairwise([latent, *back]))
        ),
        _Layer("output", back[-1] if back else latent, inputs, None, None, bias if output_bias else None),
    ]
    gates = {"liveness": liveness, "size": size, "slope": slope}
    signed = gate == "signed"

    def init(seed: int) -> Tree:
        def draw(layer: _Layer) -> Tree:
            options: dict[str, Any] = {"initializer": initializer, "bias": layer.bias}
            return init_gated_dense(seed, layer.name, layer.fan_in, layer.width, layer.gate, gates, **options)

        return _as_params([draw(layer) for layer in layers], len(hidden))

    def structure() -> Tree:
        shapes = [gated_dense_shapes(layer.fan_in, layer.width, layer.gate, layer.bias) for layer in layers]
        return _as_params(shapes, len(hidden))

    def apply(params: Tree, inputs: jax.Array) -> jax.Array:
        return apply_dense_layers(
            autoencoder_layers(params), [layer.activation for layer in layers], inputs, signed=signed
        )

    names = tuple(layer.name for layer in layers if layer.gate)
    kind = signed if gate in ("liveness", "signed") and names else None
    return Network(init, apply, kind, (inputs,), names, structure)


def autoencoder_layers(params: Tree) -> list[Tree]:
    """List the layers of an autoencoder in the order in which they are applied, as `curvature.mlp_r_operator` has them.

    Args:
        params: its parameters.

    Example:
        >>> from jaxsize.networks import autoencoder, autoencoder_layers
        >>> params = autoencoder((6, 5, 4), latent=2).init(0)
        >>> [layer["kernel"].shape for layer in autoencoder_layers(params)]
        [(6, 5), (5, 4), (4, 2), (2, 4), (4, 5), (5, 6)]
    """
    return [*params["encoder"], params["latent"], *params["decoder"], params["output"]]


def autoencoder_weights(params: Tree) -> list[tuple[Any, Any]]:
    """List the kernels and biases of an autoencoder in the order in which they are applied.

    They are the arrays of `params` themselves: those that `Network.init` returns are NumPy arrays, and may be written
    to.

    Args:
        params: its parameters; a layer without a bias has None.

    Returns:
        (kernel [D, U], bias [U]) of each layer.

    Example:
        >>> from jaxsize.networks import autoencoder, autoencoder_weights
        >>> params = autoencoder((6, 5), latent=2).init(0)
        >>> [(kernel.shape, bias.shape) for kernel, bias in autoencoder_weights(params)]
        [((6, 5), (5,)), ((5, 2), (2,)), ((2, 5), (5,)), ((5, 6), (6,))]
    """
    return [(layer["kernel"], layer.get("bias")) for layer in autoencoder_layers(params)]


def _require_counts(field: str, expected: str, counts: Sequence[int], got: Any = None, *, some: bool = True) -> None:
    if (some and not len(counts)) or any(not isinstance(count, numbers.Integral) or count < 1 for count in counts):
        raise InputError(f"autoencoder: expected {field} {expected}, got {tuple(counts) if got is None else got}")


def _as_params(layers: list[Tree], depth: int) -> Tree:
    """Put the layers, in the order in which they are applied, where they stand in the parameters.

    Args:
        layers: the parameters of each.
        depth: hidden layers of the encoder.
    """
    return {
        "encoder": layers[:depth],
        "latent": layers[depth],
        "decoder": layers[depth + 1 : -1],
        "output": layers[-1],
    }
