"""What the tests of checkpoints share: a state to save, and what it means to come back the same."""

from typing import Any

import chex
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
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf).tobytes()


def assert_same(actual, expected):
    """Structure, shapes, dtypes and every bit: NaN equals NaN, and -0.0 differs from 0.0."""
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    assert [bits(leaf) for leaf in jax.tree.leaves(actual)] == [bits(leaf) for leaf in jax.tree.leaves(expected)]
