"""What cannot be measured gets one line that names the argument."""

import re
from typing import Any

import numpy as np
import pytest

from jaxsize import InputError, measures, mlp
from jaxsize.learners import TASKS

ANY: Any = measures  # as a caller without a type checker
ROWS = np.arange(12.0).reshape(4, 3)
COMPONENTS = measures.principal_components(ROWS)
NETWORK = mlp((3, 2, 2))


def left_out(targets=(0, 1, 0, 1), **options):
    loss = TASKS["classification"].loss
    return measures.leave_one_out(NETWORK.apply, NETWORK.init(0), ROWS, np.array(targets), loss, **options)


WRONG = {
    "NaN activations": (lambda: measures.activation_spread(ROWS / 0), "values: expected finite numbers, got 12"),
    "one axis": (lambda: measures.activation_spread(ROWS[0]), "values: expected real numbers [N, U], got float32[3]"),
    "no rows": (lambda: measures.principal_components(ROWS[:0]), "values: expected real numbers [N, U], got"),
    "batch": (lambda: measures.activation_spread(ROWS, batch_size=0), "batch_size: expected a whole number, 1 or more"),
    "form": (lambda: ANY.activation_spread(ROWS, form="new"), "form: expected original or corrected, got 'new'"),
    "threshold": (
        lambda: measures.dead_units(measures.batch_moments(ROWS), threshold=2),
        "threshold: expected a number from 0 to 1, got 2",
    ),
    "constant": (lambda: measures.shapiro_w(np.ones(9)), "values: expected values that differ, got 9 times 1"),
    "two values": (lambda: measures.shapiro_w(ROWS[0, :2]), "values: expected at least 3 values, got 2"),
    "sample": (lambda: measures.shapiro_w(ROWS[0], sample_size=2), "sample_size: expected a whole number, 3 or more"),
    "zeros": (lambda: measures.exponential_normal_mixture(ROWS[0]), "values: expected numbers above 0, got 0; give"),
    "weights": (lambda: measures.two_gamma_mixture(ROWS[1], -ROWS[1]), "weights: expected numbers that are not nega"),
    "lengths": (lambda: measures.two_gamma_mixture(ROWS[1], ROWS[:, 1]), "weights: expected [3], like values, got [4]"),
    "rounds": (lambda: measures.two_gamma_mixture(ROWS[1], max_rounds=0), "max_rounds: expected a whole number, 1 or"),
    "kind": (lambda: ANY.directions(COMPONENTS, "best"), "kind: expected rows, columns or random, got 'best'"),
    "key": (lambda: measures.directions(COMPONENTS, "random"), "key: expected a key of jax.random for random direct"),
    "counts": (
        lambda: measures.outputs_by_components(ROWS, COMPONENTS, (1, 4), abs),
        "counts: expected a whole number, 0 to 3, the number of units, got 4",
    ),
    "order": (
        lambda: measures.outputs_by_components(ROWS, COMPONENTS, (2, 1), abs),
        "counts: expected numbers in ascending order, got (2, 1)",
    ),
    "neighbours": (
        lambda: measures.likelihood_dimension(ROWS),
        "neighbours: expected a whole number, 2 to 3, the other rows, got 20",
    ),
    "few rows": (lambda: measures.two_nn_dimension(ROWS[:2]), "values: expected at least 3 rows, got 2"),
    "targets": (lambda: left_out(targets=(1,)), "targets: expected targets of 4 rows, 1 or more, got 1"),
    "row weights": (lambda: left_out(weights=np.ones(2)), "weights: expected weights of 4 rows, got 2"),
    "outputs": (lambda: left_out(names=["output"]), "leave_one_out: expected units that weights read, got 'output'"),
    "unknown": (lambda: left_out(names=["hidden.9"]), "leave_one_out: expected a group, a gate or a layer of the func"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value)")
def test_wrong_input_is_one_line(wrong):
    call, line = WRONG[wrong]
    with pytest.raises(InputError, match=re.escape(line)) as error:
        call()
    assert "\n" not in str(error.value)
