"""Many seeds of a training loop of one's own: `RunAxis` runs them on all cores or devices, beside plain `vmap`."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.programs import RunAxis, use_all_cores

use_all_cores()  # every CPU core becomes a device; before JAX is first used
x = np.random.default_rng(0).normal(size=(1024, 64)).astype("f4")


def train(seed, rate, data):  # one run: softmax regression by gradient descent, 200 steps
    start = jax.random.normal(jax.random.key(seed), (64, 10))

    def loss(w):
        return -jnp.mean(jax.nn.log_softmax(data @ w)[jnp.arange(len(data)), jnp.arange(len(data)) % 10])

    return jax.lax.fori_loop(0, 200, lambda _, w: w - rate * jax.grad(loss)(w), start)


seeds, rates = np.arange(32, dtype=np.uint32), np.full(32, 0.1, "f4")
axis, plain = RunAxis(32), jax.jit(jax.vmap(train, (0, 0, None)))
runs = axis.map(train), axis.put(seeds), axis.put(rates), axis.replicate(x)
for name, (program, *arguments) in {"RunAxis": runs, "vmap": (plain, seeds, rates, x)}.items():
    jax.block_until_ready(program(*arguments))  # compiles
    start = time.perf_counter()
    jax.block_until_ready(program(*arguments))
    print(f"{name}: {time.perf_counter() - start:.3f} s for 32 runs")
