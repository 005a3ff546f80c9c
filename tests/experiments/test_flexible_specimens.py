"""The broken forms of `experiments.flexible.specimens`: right where they should be, broken where they should be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.arms import made_arms

from experiments.flexible import STUDY, LearnedSizeFlags, claims, specimens
from jaxsize.data import load
from jaxsize.gates.ramp import size_gates
from jaxsize.networks.mlp import mlp
from jaxsize.studies import Setup


def test_naive_gates_are_the_stable_ones_until_the_exponential_overflows():
    size, slope = jnp.float32(3.3), jnp.float32(0.8)
    np.testing.assert_allclose(specimens.naive_gates(size, slope, 9), size_gates(size, slope, 9), rtol=1e-5, atol=1e-6)
    by_slope = jax.grad(lambda slope: jnp.sum(specimens.naive_gates(jnp.float32(100), slope, 4)))
    assert np.isnan(by_slope(jnp.float32(1)))  # exp(100) is infinite in float32
    assert np.isfinite(by_slope(jnp.float32(0.5)))


def test_naive_outputs_are_those_of_the_network():
    network = mlp((3, 7, 2), gate="size", size=4.0, slope=0.5)
    params = network.init(0)
    inputs = jnp.linspace(-1, 1, 12).reshape(4, 3)
    np.testing.assert_allclose(
        specimens.naive_outputs(network.apply, params, inputs), network.apply(params, inputs), atol=1e-6
    )
    assert float(specimens.total(specimens.size_price, params)) == 4
    expected = np.sum(1 / (1 + np.exp(-0.5 * (4 - np.arange(7)))))
    np.testing.assert_allclose(specimens.total(specimens.naive_price, params), expected, rtol=1e-5)


def test_specimens_of_a_regression_have_few_rows_too():
    flags = LearnedSizeFlags(**STUDY.presets["smoke"])
    setup = Setup(flags=flags, dataset=load("add10", form="corrected"), form="corrected")
    batches = setup.batches(specimens.arms(setup))
    assert {len(batch.dataset.train) for batch in batches} == {specimens.STEPS * flags.batch_size}


def test_only_naive_gates_have_cells_that_are_not_finite():
    counts = specimens.grid()
    assert counts["cells"] == len(specimens.SIZES) * len(specimens.SLOPES) * len(specimens.WIDTHS)
    # unit 0 overflows wherever slope x size is above 88.7, whatever the width
    products = np.outer(specimens.SIZES, specimens.SLOPES)
    assert counts["naive"] >= len(specimens.WIDTHS) * np.count_nonzero(products > 89) > 0
    assert counts["stable"] == counts["outside"] == 0


def test_the_first_step_that_is_not_finite_counts_from_one(tmp_path):
    losses = np.array([[1.0, np.nan, np.nan], [1, 2, 3], [1, 2, np.inf], [1, 2, 3]])
    cells = [("naive_gate", 0), ("naive_gate", 1), ("stable_gate", 0), ("stable_gate", 1)]
    rows = [
        {"dataset": "digits", "form": "corrected", "arm": arm, "start_size": 9.0, "seed": seed} for arm, seed in cells
    ]
    claim = claims.CLAIMS["C13"].judge(made_arms(tmp_path, rows, steps={"loss": losses}, num_seeds=2), "corrected")
    *on_the_grid, naive, stable = claim["parts"]
    assert [part["verdict"] for part in on_the_grid] == ["holds", "holds"]
    assert (naive["estimate"], naive["step"], naive["verdict"]) == (0.5, 2, "open")  # all should be lost
    assert (stable["estimate"], stable["step"], stable["verdict"]) == (0.5, 3, "refuted")


def test_speed_is_in_rates_per_step(tmp_path):
    steps = np.arange(40.0)
    sizes = np.stack([10 - 0.5 * steps, np.full(40, -13.0), 0.25 * steps])
    rows = [{"dataset": "digits", "form": "corrected", "arm": "size_price", "seed": seed} for seed in range(3)]
    arms = made_arms(tmp_path, rows, steps={"size_0": sizes}, num_seeds=3, size_learning_rate=0.5)
    np.testing.assert_allclose(claims.speed(arms["size_price"]), [-1, 0, 0.5])


def judge(path, least, integral_falls):
    """Judge C14 on sizes that fall at full speed, priced by themselves, wherever the penalty is above `least`.

    The integral's stay, or fall as well.
    """
    cells = [
        (arm, penalty) for arm in ("size_price", "integral_price") for penalty in (0.01, 0.1, 1.0) for _ in range(7)
    ]
    falling, staying = 10 - np.arange(40.0), np.full(40, 10.0)
    lines = [
        falling if penalty > least and (arm == "size_price" or integral_falls) else staying for arm, penalty in cells
    ]
    rows = [
        {"dataset": "digits", "form": "corrected", "arm": arm, "penalty": penalty, "seed": index % 7}
        for index, (arm, penalty) in enumerate(cells)
    ]
    arms = made_arms(path, rows, steps={"size_0": lines}, num_seeds=7, size_learning_rate=1.0)
    return claims.CLAIMS["C14"].judge(arms, "corrected")


@pytest.mark.parametrize(
    ("least", "integral_falls", "outcome"), [(0.5, False, "holds"), (2.0, False, "open"), (0.05, True, "open")]
)
def test_running_off_is_judged_at_the_highest_penalty(tmp_path, least, integral_falls, outcome):
    """At lower ones, of which the source does not say that they suffice, and of the integral, speeds are listed."""
    claim = judge(tmp_path, least, integral_falls)
    assert claim["verdict"] == outcome
    less = next(part for part in claim["parts"] if part.get("price") == "size less integral")
    assert less["estimate"] == (-1 if outcome == "holds" else 0)
    single = {(part["price"], part["penalty"]): part for part in claim["parts"] if "penalty" in part}
    assert single["size", 0.01]["estimate"] == 0 and single["size", 1.0]["estimate"] == (-1 if least < 1 else 0)
    assert [cell for cell, part in single.items() if "uninformative" not in part] == [("size", 1.0)]
    assert {part["verdict"] for part in single.values() if "uninformative" in part} == {"not decided"}
