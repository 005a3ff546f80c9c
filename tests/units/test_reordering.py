"""reordering.py on networks that are not an `mlp`; of an `mlp`, see tests/learners/test_importance.py."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.groups import conv, normal, row

from jaxsize.errors import InputError
from jaxsize.gates.liveness import liveness_gate
from jaxsize.gates.ramp import size_gate
from jaxsize.units.reading import unit_groups
from jaxsize.units.reordering import reorder_units

IMAGES = normal(0, 5, 4, 3, 2)
PARAMS: Any = {
    "eye": {"w": normal(1, 3, 3, 2, 6), "b": normal(2, 6), "liveness": np.abs(normal(3, 6))},
    "mind": {"w": normal(4, 12 * 6, 4), "size": np.float32(2), "slope": np.float32(1)},
    "top": normal(5, 4 + 6, 2),
}


def apply(params, images):
    """Channels are flattened, and beside that averaged and put next to the units of a dense layer."""
    channels = jnp.tanh(conv(images, params["eye"]["w"]) + row(params["eye"]["b"], 4))
    channels = liveness_gate(channels, params["eye"]["liveness"])
    hidden = jnp.tanh(channels.reshape(len(images), -1) @ params["mind"]["w"])
    hidden = size_gate(hidden, params["mind"]["size"], params["mind"]["slope"])
    return jnp.concatenate([hidden, channels.mean((1, 2))], axis=1) @ params["top"]


def test_channels_move_with_all_their_entries_and_outputs_stay():
    groups, optimizer = unit_groups(apply, PARAMS, IMAGES[:1]), optax.adam(1e-3)
    scores = {"eye": jnp.asarray([2.0, 5.0, 2.0, 9.0, 0.0, 5.0])}
    state = jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), optimizer.init(PARAMS))
    moved, new_state, order = jax.jit(lambda params, state: reorder_units(optimizer, groups, params, state, scores))(
        PARAMS, state
    )
    expected = [3, 1, 5, 0, 2, 4]
    assert order["eye"].tolist() == expected
    np.testing.assert_array_equal(moved["eye"]["w"], PARAMS["eye"]["w"][..., expected])
    np.testing.assert_array_equal(moved["eye"]["liveness"], PARAMS["eye"]["liveness"][expected])
    flat = PARAMS["mind"]["w"].reshape(12, 6, 4)[:, expected].reshape(72, 4)
    np.testing.assert_array_equal(moved["mind"]["w"], flat)
    np.testing.assert_array_equal(moved["top"], PARAMS["top"][[0, 1, 2, 3, *(4 + np.array(expected))]])
    np.testing.assert_array_equal(new_state[0].mu["eye"]["b"], state[0].mu["eye"]["b"][expected])
    np.testing.assert_allclose(apply(moved, IMAGES), apply(PARAMS, IMAGES), rtol=1e-4, atol=1e-5)


def test_units_of_a_size_move_past_its_gate_which_stays():
    groups, optimizer = unit_groups(apply, PARAMS, IMAGES[:1]), optax.sgd(1e-3)
    moved, _, order = reorder_units(optimizer, groups, PARAMS, optimizer.init(PARAMS), {"mind": jnp.arange(4.0)})
    assert order["mind"].tolist() == [3, 2, 1, 0]
    np.testing.assert_array_equal(moved["mind"]["w"], PARAMS["mind"]["w"][:, ::-1])
    np.testing.assert_array_equal(moved["top"], PARAMS["top"][[3, 2, 1, 0, *range(4, 10)]])
    assert moved["mind"]["size"] == 2
    assert np.abs(apply(moved, IMAGES) - apply(PARAMS, IMAGES)).max() > 1e-2  # others are at the edge now


def test_scores_that_do_not_fit_are_refused():
    groups, optimizer = unit_groups(apply, PARAMS, IMAGES[:1]), optax.sgd(1e-3)
    state = optimizer.init(PARAMS)
    for scores, reason in (
        ({"eye": jnp.ones(5)}, r"^eye: reorder_units: expected scores \[6\], got \[5\]$"),
        ({"top[1]": jnp.ones(2)}, r"^reorder_units: the units of .* cannot change places: reaches the outputs$"),
        ({"nose": jnp.ones(2)}, r"^reorder_units: expected a group, a gate or a layer .* got 'nose'$"),
    ):
        with pytest.raises(InputError, match=reason):
            reorder_units(optimizer, groups, PARAMS, state, scores)
