import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hparams import sparsifier_hparams
from helpers.training import normal

from jaxsize.gates.leaves import read_liveness
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.layers import conv, dense, init_conv, init_dense, init_gate, unit_gates
from jaxsize.networks.mlp import mlp
from jaxsize.units.prices import unit_prices
from jaxsize.units.reading import unit_groups

WIDTHS = (7, 12, 5, 3)


def mlp_groups(**options):
    network = mlp(WIDTHS, **options)
    params = network.init(0)
    return unit_groups(network.apply, params, jax.ShapeDtypeStruct((4, 7), jnp.float32)), list(read_liveness(params))


def mean_of(costs, sizes):
    return sum(costs[gate] * size for gate, size in sizes.items()) / sum(sizes.values())


@pytest.mark.parametrize(
    ("per", "first", "second"),
    [
        ("unit", 1, 1),
        ("parameter", 7 + 1 + 1 + 5, 12 + 1 + 1 + 3),  # incoming weights, bias, gate, outgoing weights
        ("multiply_add", 7 + 5, 12 + 3),
    ],
)
def test_costs_of_a_dense_network_are_those_of_its_weights(per, first, second):
    costs = unit_prices(*mlp_groups(), per=per)
    assert costs["hidden.0"] / costs["hidden.1"] == pytest.approx(first / second)
    assert mean_of(costs, {"hidden.0": 12, "hidden.1": 5}) == pytest.approx(1)


def test_gated_inputs_have_a_price_although_they_cannot_be_removed():
    costs = unit_prices(*mlp_groups(gate_inputs=True), per="multiply_add")
    assert costs["inputs"] / costs["hidden.0"] == pytest.approx(12 / (7 + 5))


def test_a_channel_costs_its_positions_in_multiply_adds_but_not_in_parameters():
    params = {
        "conv": init_conv(0, "conv", 2, 6) | init_gate(0, "conv", 6, "liveness"),
        "dense": init_dense(0, "dense", 6 * 16, 8) | init_gate(0, "dense", 8, "liveness"),
        "output": init_dense(0, "output", 8, 3),
    }

    def apply(params, inputs):
        channels = conv(params["conv"], inputs) * params["conv"]["liveness"][None, None, None, :]
        flat = channels.reshape(len(inputs), -1)
        return dense(params["output"], dense(params["dense"], flat), unit_gates(params["dense"], 8))

    groups = unit_groups(apply, params, jax.ShapeDtypeStruct((5, 4, 4, 2), jnp.float32))
    by_parameter = unit_prices(groups, ["conv", "dense"], per="parameter")
    by_work = unit_prices(groups, ["conv", "dense"], per="multiply_add")
    assert by_parameter["conv"] / by_parameter["dense"] == pytest.approx((18 + 1 + 1 + 16 * 8) / (96 + 1 + 1 + 3))
    assert by_work["conv"] / by_work["dense"] == pytest.approx((16 * 18 + 16 * 8) / (96 + 3))


def test_a_learner_pays_the_prices():
    network = mlp(WIDTHS)
    params = network.init(0)
    costs = unit_prices(*mlp_groups(), per="parameter")
    learner = make_learner(network, TASKS["classification"], FORMS["corrected"], unit_prices=costs)
    hparams = sparsifier_hparams(penalty_weight=0.5)
    rows = jnp.asarray(normal(0, 4, 7)), jnp.zeros(4, jnp.int32), jnp.ones(4)
    total, recorded = learner.objective(params, *rows, hparams)
    loss = recorded["loss"]
    expected = sum(costs[gate] * np.maximum(value, 0).sum() for gate, value in read_liveness(params).items())
    assert float(total - loss) == pytest.approx(0.5 * expected, rel=1e-5)


def test_an_unknown_gate_is_told():
    groups, _ = mlp_groups()
    with pytest.raises(ValueError, match=r"^unit_prices: expected a group, a gate or a layer .* got 'hidden.7'$"):
        unit_prices(groups, ["hidden.7"], per="parameter")
