"""Training a small network for a few steps, as the tests of the sparsifier do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.programs.config import Config
from jaxsize.programs.epoch import init_state, make_epoch


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@functools.cache
def jitted_epoch(learner, batch_size):
    return jax.jit(make_epoch(learner, Config(batch_size=batch_size)))


def train(learner, params, data, hparams, *, epochs=1, batch_size=8, seed=0):
    """Trains; returns the state and the observations of all steps."""
    state, observed = init_state(learner, params, jnp.uint32(seed), hparams), []
    for _ in range(epochs):
        state, history = jitted_epoch(learner, batch_size)(state, hparams, data)
        observed += [history["observed"]]
    return state, np.concatenate(observed)
