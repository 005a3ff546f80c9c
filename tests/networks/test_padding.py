"""Units and gates that change nothing."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.networks.mlp import mlp
from jaxsize.networks.padding import pad_mlp, with_gates

WIDE = (3, 9, 7, 4)
INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)), jnp.float32)


@pytest.mark.parametrize("bias", ["pytorch", None])
def test_gates_at_one_change_no_output(bias):
    params = mlp(WIDE, gate=None, bias=bias).init(1)
    gated = with_gates(params)
    assert [layer["liveness"].tolist() for layer in gated["hidden"]] == [[1] * 9, [1] * 7]
    assert "liveness" not in params["hidden"][0] and gated["hidden"][0]["liveness"].dtype == np.float32
    np.testing.assert_array_equal(mlp(WIDE).apply(gated, INPUTS), mlp(WIDE, gate=None).apply(params, INPUTS))


@pytest.mark.parametrize("widths", [[9], [9, 7, 5], [8, 7]])
def test_only_widths_for_every_layer_and_no_narrower_ones_are_padded_to(widths):
    with pytest.raises(ValueError, match="pad_mlp: expected"):
        pad_mlp(mlp(WIDE, gate=None).init(0), widths)
