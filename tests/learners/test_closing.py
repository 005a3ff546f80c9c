"""How many steps a gate needs: against optax's Adam itself, under steady gradients and under the worst there are."""

import jax
import numpy as np
import optax
import pytest

from jaxsize.errors import InputError
from jaxsize.learners import cannot_close, steps_to_close
from jaxsize.learners.closing import _longest_step


def way_of_a_gate(gradients, rate):
    """How far each step of Adam goes under these gradients [T], in float64: [T]."""
    with jax.enable_x64(True):
        adam = optax.adam(rate, eps=0.0)

        def step(state, gradient):
            update, state = adam.update(gradient, state)
            return state, -jax.numpy.asarray(update)

        return np.asarray(jax.lax.scan(step, adam.init(np.float64(1)), np.asarray(gradients, np.float64))[1])


@pytest.mark.parametrize(("rate", "start"), [(1e-3, 1.0), (0.02, 1.0), (0.03, 0.5), (0.5, 0.2), (1.0, 1.0)])
@pytest.mark.parametrize("gradient", [1e-6, 3.0])
def test_a_steady_gradient_closes_a_gate_in_the_steps_counted(rate, start, gradient):
    steps = steps_to_close(rate, start=start)
    way = np.cumsum(way_of_a_gate(np.full(steps, gradient), rate))
    assert way[-1] >= start * (1 - 1e-9) and (steps == 1 or way[-2] < start)


def test_no_gradients_take_a_step_beyond_the_bound_and_the_worst_ones_reach_it():
    bound = _longest_step(np.arange(1, 401))
    for step in (1, 2, 10, 100, 400):  # those that Cauchy and Schwarz name for this step: of growing size
        worst = (0.999 / 0.9) ** np.arange(step, dtype=float)
        assert way_of_a_gate(worst / worst[-1], 1.0)[-1] == pytest.approx(bound[step - 1], rel=1e-9)
    draw = np.random.default_rng(0)
    for gradients in (draw.normal(size=400), draw.pareto(0.5, size=400), 1.05 ** np.arange(400), np.arange(400) == 300):
        gradients = np.where(np.arange(400) == 0, 1e-9, gradients)  # without any gradient a step would be 0 / 0
        assert (np.abs(way_of_a_gate(gradients, 1.0)) <= bound * (1 + 1e-9)).all()
    assert bound[0] == pytest.approx(1) and _longest_step(np.array([100_000]))[0] == pytest.approx(7.27, abs=0.01)


def test_no_gradients_close_a_gate_before_the_least_number_of_steps():
    least = steps_to_close(1e-3, gradients="any")
    growing = [
        np.cumsum(way_of_a_gate(growth ** np.arange(least - 1.0), 1e-3))[-1] for growth in (1.0, 1.01, 1.03, 1.1)
    ]
    assert max(growing) < 1 and least < steps_to_close(1e-3)


def test_a_recipe_in_which_units_can_die_is_not_warned_of():
    assert steps_to_close(1e30) == steps_to_close(1e30, gradients="any") == 1
    assert steps_to_close(1e-9, gradients="any") == pytest.approx(1e9 / 7.27, rel=1e-3)
    assert cannot_close(50, 0.02) == "" and "50" in cannot_close(49, 0.02) and cannot_close(1, 5.0) == ""
    assert cannot_close(1, 0.01, cure="x").startswith("1 step at gate rate 0.01: no gate can close (about 100 ")


@pytest.mark.parametrize("values", [{"gate_learning_rate": 0.0}, {"gate_learning_rate": np.nan}, {"start": -1.0}])
def test_numbers_out_of_range_are_refused(values):
    with pytest.raises(InputError, match=f"^{next(iter(values))}: expected a finite number above 0, got"):
        steps_to_close(**{"gate_learning_rate": 1e-3} | values)
    with pytest.raises(InputError, match="gradients: expected steady or any, got 'noisy'"):
        steps_to_close(1e-3, gradients="noisy")  # pyright: ignore[reportArgumentType]
