"""What is read off the networks and rows whose curvature was measured."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments.common.structures import widths_of
from jaxsize.curvature import MlpProducts, SpectralDensity, ggn_vp, hvp, mlp_r_operator
from jaxsize.data import Dataset
from jaxsize.gates import relu
from jaxsize.networks import Network, autoencoder, autoencoder_layers
from jaxsize.studies import ArmView
from jaxsize.trees import Tree

ACTIVATIONS: dict[str, Any] = {"tanh": jnp.tanh, "relu": relu}
SHARES = (1.0, 0.1, 0.01, 0.0)
"""Of the residuals, at which both matrices are compared."""
AGREEMENT = ("random_cosine", "gradient_cosine", "curvature_loss")
"""What is also measured before training, in this order."""
MEASURED = "curvature"
"""The name of that measure."""
STEP = 1e-5
"""Of the differences of gradients, on both sides."""


def network_of(
    dataset: Dataset, structure: str, activation: str, *, gated: bool, hidden: tuple[tuple[int, ...], ...] = ()
) -> Network:
    """Make the network of a structure such as "200-2": the centre linear, no biases in the last layer.

    Args:
        dataset: its images give the number of inputs.
        structure: widths from the images to the latent units.
        activation: the name of the activation.
        gated: whether hidden units have gates.
        hidden: other widths in place of the structure's, of the encoder and of the decoder.
    """
    *widths, latent = widths_of(structure)
    encoder, decoder = hidden or (tuple(widths), tuple(reversed(widths)))
    return autoencoder(
        (dataset.num_inputs, *encoder),
        latent,
        decoder=decoder,
        activation=ACTIVATIONS[activation],
        activate_decoder=True,
        output_bias=False,
        gate="liveness" if gated else None,
        gate_latent=False,
    )


def half_squares(pixels: jax.Array, targets: jax.Array) -> jax.Array:
    """Compute half the squared error of every image, [B]."""
    return jnp.sum((pixels - targets) ** 2, axis=1) / 2


def first_rows(dataset: Dataset, count: int) -> np.ndarray:
    """Return the first training images as pixels, or all where there are fewer, [B, D]."""
    return dataset.as_inputs(dataset.train.inputs[:count])


def measured(view: ArmView, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs after which curvature was measured [K], and a column there, [num_seeds, K]."""
    curve = view.curve(column)
    every = min(view.settings["curvature_every"], view.settings["epochs"])
    epochs = np.arange(every, curve.shape[1] + 1, every)
    return epochs, curve[:, epochs - 1]


def from_the_start(view: ArmView, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what `measured` returns of a column of `AGREEMENT`, with the network before training as epoch 0."""
    epochs, values = measured(view, column)
    before, _ = view.before_and_after(MEASURED)
    return np.append(0, epochs), np.column_stack([before[:, AGREEMENT.index(column)], values])


def last(view: ArmView, column: str) -> np.ndarray:
    """Return a column where it was measured last, [num_seeds]."""
    return measured(view, column)[1][:, -1]


def density(view: ArmView, matrix: str, epoch: int) -> SpectralDensity | None:
    """Put the spectral densities of all seeds after an epoch together; None where there is none.

    Args:
        view: the runs.
        matrix: `hessian` or `gauss_newton`.
        epoch: one after which curvature was measured.
    """
    rows = [path[epoch - 1] for path in view.paths.values() if len(path) >= epoch]
    nodes = [row[f"{matrix}_nodes"] for row in rows]
    known = [number for number, values in enumerate(nodes) if values is not None and None not in values]
    if not known:
        return None
    weights = np.array([rows[number][f"{matrix}_weights"] for number in known], np.float32) / len(known)
    return SpectralDensity(jnp.array([nodes[number] for number in known]), jnp.asarray(weights))


def half_way(view: ArmView) -> int:
    """Return the measured epoch after which, in the median over seeds, half of the units that die are gone."""
    epochs, units = measured(view, "live_units")
    middle = np.nanmedian(units, axis=0)
    return int(epochs[np.argmax(middle <= (middle[0] + middle[-1]) / 2)])


class _Problem:
    """Half the squared error of the networks of an arm, without gates, on its images, in float64."""

    def __init__(self, view: ArmView):
        self.pixels = first_rows(view.data, view.settings["curvature_rows"]).astype(np.float64)
        structure, self.activation = (view.values(name)[0] for name in ("structure", "activation"))
        self.network = network_of(view.data, structure, self.activation, gated=False)
        self.both, self.gradient = jax.jit(self._both), jax.jit(jax.grad(self._whole))

    def by_hand(self, params: Tree, vector: Tree) -> MlpProducts:
        """Compute gradient and products by the R-operator."""
        layers = autoencoder_layers(params)
        names = [self.activation] * (len(layers) // 2 - 1)
        activations = [*names, "identity", *names, "sigmoid"]
        return mlp_r_operator(layers, activations, self.pixels, self.pixels, autoencoder_layers(vector))

    def differences(self, params: Tree, vector: Tree) -> np.ndarray:
        """Compute central differences of gradients in the direction of a vector, flat."""
        above, below = (
            self.gradient(jax.tree.map(lambda leaf, v, side=side: leaf + side * STEP * v, params, vector))
            for side in (1, -1)
        )
        return (_flat(above) - _flat(below)) / (2 * STEP)

    def _pixels(self, params: Tree) -> jax.Array:
        return jax.nn.sigmoid(self.network.apply(params, jnp.asarray(self.pixels)))

    def _whole(self, params: Tree) -> jax.Array:
        return jnp.mean(half_squares(self._pixels(params), jnp.asarray(self.pixels)))

    def _both(self, params: Tree, vector: Tree, share: float) -> tuple[Tree, Tree]:
        outputs = self._pixels(params)
        targets = jax.lax.stop_gradient(outputs + share * (self.pixels - outputs))

        def loss(outputs: jax.Array) -> jax.Array:
            return jnp.mean(half_squares(outputs, targets))

        return hvp(lambda p: loss(self._pixels(p)), params, vector), ggn_vp(self._pixels, loss, params, vector)


def products(view: ArmView) -> dict[str, np.ndarray]:
    """Compare products at the trained networks of an arm, in float64, each with a random vector.

    Args:
        view: runs without gates, whose networks were kept; those that diverged are left out.

    Returns:
        By name, [networks] each. Distances, relative to the norm: `gradient`, `hessian` and `gauss_newton`, of what
        automatic differentiation gives from what the R-operator gives (D12, D13); `differences`, of the product with
        the Hessian from central differences of gradients. Cosines of the angles between such differences and the
        product with the Gauss-Newton matrix: `trained`, and `untrained`, before training.
    """

    def of_network(problem: _Problem, params: Tree, vector: Tree, number: int) -> dict[str, float]:
        hessian, gauss_newton = problem.both(params, vector, 1.0)
        by_hand = problem.by_hand(params, vector)
        ours = {"gradient": problem.gradient(params), "hessian": hessian, "gauss_newton": gauss_newton}
        found = {
            name: _apart(_flat(autoencoder_layers(of)), _flat(getattr(by_hand, name))) for name, of in ours.items()
        }
        differences = problem.differences(params, vector)
        found |= {"differences": _apart(_flat(hessian), differences)}
        start = _wide(problem.network.init(number))
        before = _flat(problem.both(start, vector, 1.0)[1]), problem.differences(start, vector)
        return found | {"trained": _cosine(_flat(gauss_newton), differences), "untrained": _cosine(*before)}

    return _of_networks(view, of_network)


def shrunken(view: ArmView) -> dict[str, np.ndarray]:
    """Compare H v and G v at trained networks, with targets so near to their outputs that a share of residuals is left.

    Returns:
        By share of `SHARES`, as text: the cosine between both products, [networks].
    """

    def of_network(problem: _Problem, params: Tree, vector: Tree, number: int) -> dict[str, float]:
        return {f"{share:g}": _cosine(*map(_flat, problem.both(params, vector, share))) for share in SHARES}

    return _of_networks(view, of_network)


def _of_networks(view: ArmView, of: Callable[[_Problem, Tree, Tree, int], dict[str, float]]) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        problem, found = _Problem(view), []
        for number, params in enumerate(map(_wide, view.networks)):
            flat, unflat = ravel_pytree(params)
            if np.isfinite(flat).all():
                vector = unflat(jnp.asarray(np.random.default_rng(number).normal(size=flat.size)))
                found.append(of(problem, params, vector, number))
    return {name: np.array([one[name] for one in found]) for name in found[0]} if found else {}


def _wide(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def _flat(tree: Tree) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def _apart(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
