"""What the tests of checkpoints share: a state to save, and what it means to come back the same."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

CONFIG = {"width": 64, "rate": 0.1, "layers": (300, 100), "seed": None}


@flax.struct.dataclass
class State:
    params: Any
    opt_state: Any
    epoch: Any


def some_state(step=0):
    params = {"dense": {"kernel": jnp.full((4, 3), 0.5 + step), "bias": jnp.arange(3, dtype=jnp.bfloat16)}}
    return State(params, optax.adamw(1e-3).init(params), jnp.int32(step))


def bits(leaf):
    """Dtype, shape and bytes, so that NaN equals NaN and -0.0 differs from 0.0."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), leaf.shape, np.asarray(jax.random.key_data(leaf)).tobytes()
    return leaf.dtype.name, leaf.shape, np.asarray(leaf).tobytes()


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert [bits(leaf) for leaf in jax.tree.leaves(found)] == [bits(leaf) for leaf in jax.tree.leaves(expected)]
