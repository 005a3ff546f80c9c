"""What the tests of curvature share: small autoencoders and gated networks in float64, and explicit matrices."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxsize

FUNCTIONS = {
    "identity": lambda u: u,
    "relu": jax.nn.relu,
    "leaky_relu": lambda u: jax.nn.leaky_relu(u, 0.01),
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
}
STRUCTURES = {  # widths and where the latent layer is, as in the report on autoencoders, only smaller
    "6-2-6": (6, 2, 6),
    "6-5-2-5-6": (6, 5, 2, 5, 6),
    "6-7-5-2-5-7-6": (6, 7, 5, 2, 5, 7, 6),
}


class Problem(NamedTuple):
    """A model and a loss, written with jaxsize and, as `plain`, with nothing of it; all in float64."""

    model: Callable[[Any], Any]
    loss: Callable[[Any], Any]
    plain: Callable[[Any], Any]
    params: Any

    def whole(self, params):
        return self.loss(self.model(params))


def wide(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def like(tree, seed, *leading):
    """A tree of normal numbers, of the form of another."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(structure, [rng.normal(size=(*leading, *leaf.shape)) for leaf in leaves])


def flat(tree):
    """All leaves as one vector, in the order of `ravel_pytree`."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def apart(got, expected):
    """The distance of two trees over the norm of the second one."""
    return np.linalg.norm(flat(got) - flat(expected)) / np.linalg.norm(flat(expected))


def autoencoder_activations(widths, hidden):
    half = len(widths) // 2
    return [hidden] * (half - 1) + ["identity"] + [hidden] * (half - 1) + ["sigmoid"]


def autoencoder_layers(widths, seed=0):
    """Layers with biases, except in the last one."""
    layers = [
        {"kernel": normal((seed, index), *sizes) / np.sqrt(sizes[0]), "bias": normal((seed, index, 1), sizes[1])}
        for index, sizes in enumerate(itertools.pairwise(widths))
    ]
    del layers[-1]["bias"]
    return layers


def autoencoder(widths, hidden, rows=4):
    """Half the squared error of an autoencoder with sigmoid outputs; rows in [0, 1]."""
    inputs = np.random.default_rng(7).uniform(size=(rows, widths[0]))
    activations = [FUNCTIONS[name] for name in autoencoder_activations(widths, hidden)]

    def model(layers):
        units = inputs
        for layer, activation in zip(layers, activations, strict=True):
            units = units @ layer["kernel"]
            units = activation(units + layer["bias"][None, :] if "bias" in layer else units)
        return units

    def loss(outputs):
        return ((outputs - inputs) ** 2).sum() / (2 * rows)

    return Problem(model, loss, model, wide(autoencoder_layers(widths))), inputs


def cross_entropy(labels):
    return lambda logits: -jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(labels)[:, None], 1).mean()


def gated_mlp(gate, widths=(5, 4, 3, 2)):
    """A network of `jaxsize.mlp` with gates; the plain one knows only jax.nn. Every third relu gate is closed."""
    network = jaxsize.mlp(widths, gate=gate, size=1.7, slope=0.8)
    inputs = normal(1, 6, widths[0])
    params = wide(network.init(0))
    for layer in params["hidden"]:
        if "liveness" in layer:
            index = np.arange(layer["liveness"].size)
            layer["liveness"] = np.where(index % 3 == 2, -0.5, 0.5 + 0.2 * index)

    def factors(layer, units):
        if gate == "size":
            return jax.nn.sigmoid(layer["slope"] * (layer["size"] - jnp.arange(units)))
        return layer["liveness"] if gate == "signed" else jax.nn.relu(layer["liveness"])

    def plain(params):
        units = inputs
        for layer in params["hidden"]:
            units = jax.nn.relu(units @ layer["kernel"] + layer["bias"][None, :])
            units = units * factors(layer, units.shape[1])[None, :]
        return units @ params["output"]["kernel"] + params["output"]["bias"][None, :]

    loss = cross_entropy(np.arange(6) % widths[-1])
    return Problem(lambda params: network.apply(params, jnp.asarray(inputs)), loss, plain, params)


def gates_alone():
    """`liveness_gate` and `size_gate` on the same units, whose layer has no parameters."""
    units = normal(2, 6, 4)
    params = {"weights": normal(3, 4, 4), "liveness": np.array([0.7, -0.3, 1.2, 0.4])}
    params |= {"size": np.array(1.6), "slope": np.array(0.9)}

    def model(params):
        gated = jaxsize.liveness_gate(jaxsize.relu(jnp.asarray(units) @ params["weights"]), params["liveness"])
        return jaxsize.size_gate(gated, params["size"], params["slope"])

    def plain(params):
        gated = jax.nn.relu(units @ params["weights"]) * jax.nn.relu(params["liveness"])[None, :]
        return gated * jax.nn.sigmoid(params["slope"] * (params["size"] - jnp.arange(4)))[None, :]

    return Problem(model, lambda outputs: jnp.sum(jnp.tanh(outputs - 0.3) ** 2), plain, wide(params))


def handed_in_gates(widths=(5, 4, 3, 2)):
    """Factors handed in from outside are differentiated, too: of each unit in a layer, of each row in the other."""
    network, inputs = jaxsize.mlp(widths), normal(1, 6, widths[0])
    params = {"network": wide(network.init(0))}
    params["factors"] = {"hidden.0": normal(2, widths[1]), "hidden.1": normal(3, 6, widths[2])}

    def plain(params):
        units = inputs
        for layer, factors in zip(params["network"]["hidden"], params["factors"].values(), strict=True):
            units = jax.nn.relu(units @ layer["kernel"] + layer["bias"][None, :])
            units = units * jnp.reshape(factors, (-1, units.shape[1]))
        output = params["network"]["output"]
        return units @ output["kernel"] + output["bias"][None, :]

    def model(params):
        handed = jaxsize.gates.hand_in(params["network"], params["factors"])
        return network.apply(handed, jnp.asarray(inputs))

    return Problem(model, cross_entropy(np.arange(6) % widths[-1]), plain, params)


def convolution(kernel_is_large):
    """`gated_conv` below a dense layer, with the gate on either of the two arrays that it can be multiplied onto."""
    images: Any = normal(4, *((1, 2, 2, 3) if kernel_is_large else (2, 5, 5, 3)))
    params = {"kernel": normal(5, 3, 3, 3, 2) / 3, "liveness": np.array([0.8, -0.2, 1.1])}
    params["output"] = normal(6, images.shape[1] * images.shape[2] * 2, 2) / 3

    def head(params, units):
        return jnp.tanh(units).reshape(len(images), -1) @ params["output"]

    def model(params):
        gate = jaxsize.relu(params["liveness"])
        return head(params, jaxsize.gated_conv(jnp.tanh(images), gate, params["kernel"]))

    def plain(params):
        gated = jnp.tanh(images) * jax.nn.relu(params["liveness"]).reshape(1, 1, 1, 3)
        numbers = ("NHWC", "HWIO", "NHWC")
        units = jax.lax.conv_general_dilated(gated, params["kernel"], (1, 1), "SAME", dimension_numbers=numbers)
        return head(params, units)

    return Problem(model, cross_entropy(np.arange(len(images))), plain, wide(params))


def explicit_hessian(problem):
    """The Hessian of the plain form, as a matrix, by two reverse passes."""

    @jax.jit
    def matrix(params):
        vector, unravel = ravel_pytree(params)
        return jax.jacrev(jax.grad(lambda vector: problem.loss(problem.plain(unravel(vector)))))(vector)

    return np.asarray(matrix(problem.params))


def explicit_gauss_newton(problem):
    """J^T H_L J of the plain form, from the Jacobian and the Hessian of the loss as matrices."""

    @jax.jit
    def factors(params):
        vector, unravel = ravel_pytree(params)
        outputs = problem.plain(params)
        jacobian = jax.jacfwd(lambda vector: problem.plain(unravel(vector)).ravel())(vector)
        return jacobian, jax.hessian(lambda z: problem.loss(z.reshape(outputs.shape)))(outputs.ravel())

    jacobian, by_outputs = map(np.asarray, factors(problem.params))
    return jacobian.T @ by_outputs @ jacobian
