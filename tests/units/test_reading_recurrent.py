"""reading.py on recurrent cells with the gate inside the recurrence: by hand, with fused kernels, and Flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from helpers.groups import assert_cut_equals_twin, gates, normal, random_params, shape, shapes_of

UNITS, INPUTS = 6, 5
KERNEL, RECURRENT, STATE = shape(INPUTS, UNITS), shape(UNITS, UNITS), shape(2, UNITS)


def run(turn, carry, params, x):
    """The outputs of all turns, read by a layer."""
    return jax.lax.scan(turn, carry, x)[1] @ params["output"]


def start(params, x):
    return jnp.zeros((x.shape[1], params["liveness"].shape[0]))


def gate(params):
    return jax.nn.relu(params["liveness"])[None]


def gated_recurrent_unit(params, x):
    def turn(h, inputs):
        update = jax.nn.sigmoid(inputs @ params["wz"] + h @ params["uz"])
        reset = jax.nn.sigmoid(inputs @ params["wr"] + h @ params["ur"])
        candidate = jnp.tanh(inputs @ params["wn"] + reset * (h @ params["un"]))
        h = ((1 - update) * candidate + update * h) * gate(params)
        return h, h

    return run(turn, start(params, x), params, x)


def gated_candidate(params, x):
    """Closed because the state starts at 0 and only gated candidates are added to it."""

    def turn(h, inputs):
        update = jax.nn.sigmoid(inputs @ params["wz"] + h @ params["uz"])
        h = (1 - update) * jnp.tanh(inputs @ params["wn"] + h @ params["un"]) * gate(params) + update * h
        return h, h

    return run(turn, start(params, x), params, x)


def fused_long_short_term_memory(params, x):
    """Four kernels in one, cut by split."""

    def turn(carry, inputs):
        h, cell = carry
        i, f, o, c = jnp.split(inputs @ params["w"] + h @ params["u"] + params["b"][None], 4, -1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
        h = jax.nn.sigmoid(o) * jnp.tanh(cell) * gate(params)
        return (h, cell), h

    return run(turn, (start(params, x), start(params, x)), params, x)


def one_kernel_for_inputs_and_state(params, x):
    def turn(h, inputs):
        h = jnp.tanh(jnp.concatenate([inputs, h], -1) @ params["w"]) * gate(params)
        return h, h

    return run(turn, start(params, x), params, x)


def linen_gru(params, x):
    def turn(h, inputs):
        h, _ = nn.GRUCell(params["liveness"].shape[0]).apply({"params": params["cell"]}, h * gate(params), inputs)
        return h, h * gate(params)

    return run(turn, start(params, x), params, x)


def linen_lstm(params, x):
    def turn(carry, inputs):
        cell, h = carry
        module = nn.OptimizedLSTMCell(params["liveness"].shape[0])
        (cell, h), _ = module.apply({"params": params["cell"]}, (cell, h * gate(params)), inputs)
        return (cell, h), h * gate(params)

    return run(turn, (start(params, x), start(params, x)), params, x)


CELL = nnx.split(nnx.SimpleCell(INPUTS, UNITS, rngs=nnx.Rngs(0)), nnx.Param, ...)


def nnx_simple(params, x):
    cell = nnx.merge(CELL[0], params["cell"], CELL[2])

    def turn(h, inputs):
        h, _ = cell(h * gate(params), inputs)
        return h, h * gate(params)

    return run(turn, start(params, x), params, x)


def linen_params(module, state):
    return jax.eval_shape(module.init, jax.random.key(0), state, shape(2, INPUTS))["params"]


SIX = {"wz": KERNEL, "uz": RECURRENT, "wr": KERNEL, "ur": RECURRENT, "wn": KERNEL, "un": RECURRENT}
CELLS = {
    gated_recurrent_unit: SIX,
    gated_candidate: SIX,
    fused_long_short_term_memory: {
        "w": shape(INPUTS, 4 * UNITS),
        "u": shape(UNITS, 4 * UNITS),
        "b": shape(4 * UNITS),
    },
    one_kernel_for_inputs_and_state: {"w": shape(INPUTS + UNITS, UNITS)},
    linen_gru: {"cell": linen_params(nn.GRUCell(UNITS), STATE)},
    linen_lstm: {"cell": linen_params(nn.OptimizedLSTMCell(UNITS), (STATE, STATE))},
    nnx_simple: {"cell": shapes_of(CELL[1])},
}


@pytest.mark.parametrize("apply", CELLS, ids=lambda apply: apply.__name__)
def test_units_of_a_cell_with_its_gate_inside(apply):
    params = random_params(0, CELLS[apply] | {"liveness": shape(UNITS), "output": shape(UNITS, 3)})
    (group,) = assert_cut_equals_twin(apply, params, normal(1, 4, 2, INPUTS), units=(1, 3))
    assert group.size == UNITS and gates(group) == {"liveness <= 0"}
