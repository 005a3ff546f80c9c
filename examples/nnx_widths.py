"""How wide need a Flax NNX network be? Its hidden layer, learned over 6 seeds and two prices of a unit."""

import jax.numpy as jnp
from flax import nnx

import jaxsize


class Net(nnx.Module):
    def __init__(self, rngs, width=100):
        self.first, self.last = nnx.Linear(64, width, rngs=rngs), nnx.Linear(width, 10, rngs=rngs)
        self.liveness = nnx.Param(jnp.ones(width))  # the gates: one per unit

    def __call__(self, x):
        return self.last(jaxsize.liveness_gate(nnx.relu(self.first(x)), self.liveness[...]))


graph, _ = nnx.split(Net(nnx.Rngs(0)))
found = jaxsize.learn_widths(
    lambda params, x: nnx.merge(graph, params)(x),
    lambda seed: nnx.state(Net(nnx.Rngs(seed)), nnx.Param),
    jaxsize.data.load("digits"),
    name="nnx_widths",
)
print(found.params(penalty=1e-2)["liveness"][...].shape, found.report)
