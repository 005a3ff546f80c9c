"""What `benchmarks.curvature` multiplies, and jaxsize's products of it.

A contender is made of a `Problem` and has three methods: `can` names the products that it can do, `repeat` does one of
them some times and returns when it is done, and `result` returns it as an array.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.curvature import ggn_vp, ggn_vps, hvp, hvps, mlp_r_operator
from jaxsize.networks import dense, init_dense

Layers = list[dict[str, Any]]
GRADIENT, HESSIAN, HESSIANS = "gradient", "Hessian product", "Hessian products"
GAUSS_NEWTON, GAUSS_NEWTONS = "Gauss-Newton product", "Gauss-Newton products"
MANY = (HESSIANS, GAUSS_NEWTONS)
"""Products with all vectors; the others are with the first one."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """An autoencoder with its rows, and the vectors. All layers but the last have biases; the middle one is linear."""

    layers: Layers
    inputs: np.ndarray  # [B, inputs], in [0, 1]
    vectors: Layers  # as layers, with an axis of vectors in front

    @property
    def activations(self) -> list[str]:
        """The activations of the layers, by their names in `mlp_r_operator`."""
        half = len(self.layers) // 2
        return ["relu"] * (half - 1) + ["identity"] + ["relu"] * (half - 1) + ["sigmoid"]

    @property
    def vector(self) -> Layers:
        """The first vector."""
        return [{name: leaf[0] for name, leaf in layer.items()} for layer in self.vectors]

    def only(self, part: Sequence[int]) -> "Problem":
        """Return the problem for one process; there is only one."""
        return self


def make_problem(widths: Sequence[int], batch_size: int, num_vectors: int) -> Problem:
    """Draw rows, weights and vectors; `widths` has an odd number of entries, symmetric about the latent one."""
    rng = np.random.default_rng(0)
    last = len(widths) - 2
    layers: Layers = [
        init_dense(0, f"layer.{layer}", *sizes, bias=None if layer == last else "pytorch")
        for layer, sizes in enumerate(itertools.pairwise(widths))
    ]
    vectors = [
        {name: rng.standard_normal((num_vectors, *leaf.shape), np.float32) for name, leaf in layer.items()}
        for layer in layers
    ]
    return Problem(layers, rng.random((batch_size, widths[0]), np.float32), vectors)


def reference(problem: Problem) -> dict[str, np.ndarray]:
    """Return gradient and products with the first vector by the R-operator in float64, each as one flat vector."""
    products = mlp_r_operator(problem.layers, problem.activations, problem.inputs, problem.inputs, problem.vector)
    of_name = {GRADIENT: products.gradient, HESSIAN: products.hessian, GAUSS_NEWTON: products.gauss_newton}
    return {name: flat(layers) for name, layers in of_name.items()}


def flat(layers: Layers, axes: int = 0) -> np.ndarray:
    """Return all leaves as one vector, or one per entry of the first `axes` axes."""
    leaves = [np.asarray(layer[name]) for layer in layers for name in ("bias", "kernel") if name in layer]
    return np.concatenate([leaf.reshape(*leaf.shape[:axes], -1) for leaf in leaves], axis=-1)


class Jaxsize:
    """The products of `jaxsize.curvature`, each in one compiled program that starts from the parameters."""

    def __init__(self, problem: Problem):
        functions = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "identity": lambda u: u}
        activations = [functions[name] for name in problem.activations]

        def model(layers: Layers, inputs: jax.Array) -> jax.Array:
            for layer, activation in zip(layers, activations, strict=True):
                inputs = activation(dense(layer, inputs))
            return inputs

        def loss(outputs: jax.Array, inputs: jax.Array) -> jax.Array:
            return jnp.sum((outputs - inputs) ** 2) / (2 * len(inputs))

        def both(inputs: jax.Array) -> tuple[Any, Any]:
            return lambda layers: model(layers, inputs), lambda outputs: loss(outputs, inputs)

        def whole(inputs: jax.Array) -> Any:
            return lambda layers: loss(model(layers, inputs), inputs)

        self.arguments = jax.device_put((problem.layers, problem.inputs, problem.vectors))
        self.programs = {
            GRADIENT: jax.jit(lambda p, x, v: jax.grad(whole(x))(p)),
            HESSIAN: jax.jit(lambda p, x, v: hvp(whole(x), p, jax.tree.map(lambda leaf: leaf[0], v))),
            HESSIANS: jax.jit(lambda p, x, v: hvps(whole(x), p, v)),
            GAUSS_NEWTON: jax.jit(lambda p, x, v: ggn_vp(*both(x), p, jax.tree.map(lambda leaf: leaf[0], v))),
            GAUSS_NEWTONS: jax.jit(lambda p, x, v: ggn_vps(*both(x), p, v)),
        }

    def repeat(self, name: str, times: int) -> None:
        """Do it some times."""
        for _ in range(times):
            done = self.programs[name](*self.arguments)
        jax.block_until_ready(done)

    def result(self, name: str) -> np.ndarray:
        """Return what it gives, as one vector, or one per vector."""
        return flat(self.programs[name](*self.arguments), axes=int(name in MANY))

    def can(self) -> list[str]:
        """Return the names of what it can do."""
        return list(self.programs)
