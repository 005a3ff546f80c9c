"""How many channels need a Flax Linen CNN? Learned over 6 seeds and two prices of a channel."""

import flax.linen as nn
import jax
import jax.numpy as jnp

import jaxsize


class Net(nn.Module):
    channels: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(self.channels, (3, 3), name="conv")(x))
        x = jaxsize.liveness_gate(x, self.param("liveness", nn.initializers.ones, (self.channels,)))
        return nn.Dense(10, name="last")(nn.max_pool(x, (2, 2), (2, 2)).reshape(len(x), -1))


def apply(params, x):  # takes its sizes from its parameters
    return Net(params["liveness"].size).apply({"params": params}, x)


images = jaxsize.data.as_images(jaxsize.data.load("digits"))
start = Net(16).init
print(jaxsize.learn_widths(apply, lambda seed: start(jax.random.key(seed), jnp.ones((1, 8, 8, 1)))["params"], images))
