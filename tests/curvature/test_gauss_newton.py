"""The Hessian-free optimiser: closed forms, ill-conditioned problems, and a damping that adapts."""

import itertools
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.curvature import gated_mlp, normal

import jaxsize
from jaxsize.curvature import hessian_free

DESIGN, GOAL = normal(0, 12, 5), normal(1, 12)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def least_squares(z):
    return (z**2).sum() / 2


def linear_model(x):
    return DESIGN @ x - GOAL


def one_step(optimizer, state, params, model_fn, loss_fn=least_squares, **more) -> Any:
    @jax.jit
    def step(params, state):
        gradient = jax.grad(more.get("value_fn") or (lambda p: loss_fn(model_fn(p))))(params)
        return optimizer.update(gradient, state, params, model_fn=model_fn, loss_fn=loss_fn, **more)

    return step(params, state)


def descend(optimizer, params, model_fn, num_steps, loss_fn=least_squares) -> Any:
    """All steps as one scan; returns the parameters at the end, and the states after every step."""

    def step(carry, _):
        params, state = carry
        updates, state = one_step(optimizer, state, params, model_fn, loss_fn)
        return (optax.apply_updates(params, updates), state), state

    def run(params):
        (params, _), states = jax.lax.scan(step, (params, optimizer.init(params)), length=num_steps)
        return params, states

    return cast(Any, jax.jit(run))(params)


def test_one_step_without_damping_solves_a_quadratic():
    optimizer = hessian_free(damping=0.0, num_cg_steps=5, tolerance=0.0)
    start = normal(2, 5)
    updates, state = one_step(optimizer, optimizer.init(start), start, linear_model)
    np.testing.assert_allclose(start + updates, np.linalg.lstsq(DESIGN, GOAL)[0], rtol=1e-10)
    assert abs(state.ratio - 1) < 1e-10 and state.accepted and state.damping == 0


@pytest.mark.parametrize("damping", [0.1, 10.0])
def test_a_damped_step_has_its_closed_form(damping):
    optimizer = hessian_free(damping=damping, num_cg_steps=5, tolerance=0.0)
    start = normal(2, 5)
    updates, state = one_step(optimizer, optimizer.init(start), start, linear_model)
    gradient = DESIGN.T @ (DESIGN @ start - GOAL)
    expected = -np.linalg.solve(DESIGN.T @ DESIGN + damping * np.eye(5), gradient)
    np.testing.assert_allclose(updates, expected, rtol=1e-10)
    assert abs(state.ratio - 1) < 1e-10  # the undamped model of a quadratic is exact for every step
    np.testing.assert_allclose(state.damping, damping / 1.5)


def test_few_products_go_as_far_as_conjugate_gradients_do():
    """One product is the steepest descent with the exact step length."""
    optimizer = hessian_free(damping=0.0, num_cg_steps=1)
    updates, _ = one_step(optimizer, optimizer.init(jnp.zeros(5)), jnp.zeros(5), linear_model)
    gradient = -DESIGN.T @ GOAL
    np.testing.assert_allclose(
        updates, -gradient * (gradient @ gradient) / ((DESIGN @ gradient) ** 2).sum(), rtol=1e-12
    )


def test_it_beats_gradient_descent_on_an_ill_conditioned_problem():
    scales = np.logspace(0, -2, 20)  # the condition of the Hessian is 1e4

    def model(x):
        return scales * (jnp.sinh(x) - 1)  # the minimum is at arsinh 1

    found, states = descend(hessian_free(damping=1e-3, num_cg_steps=20), np.zeros(20), model, 8)
    assert least_squares(model(found)) < 1e-7 and states.accepted.all()

    def descent(rate):
        gradient = jax.grad(lambda x: least_squares(model(x)))
        return jax.lax.fori_loop(0, 8 * 22 * 2, lambda _, x: x - rate * gradient(x), jnp.zeros(20))  # as much work

    losses = jax.jit(jax.vmap(lambda rate: least_squares(model(descent(rate)))))(np.logspace(-2, 0.2, 23))
    assert np.nanmin(losses) > 1e-5


def rosenbrock(x):
    return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def test_the_damping_falls_where_the_model_is_good():
    found, states = descend(hessian_free(num_cg_steps=2, tolerance=0.0), jnp.array([-1.2, 1.0]), rosenbrock, 60)
    np.testing.assert_allclose(found, [1, 1], atol=1e-8)
    assert states.damping[-1] < 1e-3 < 0.1 < states.damping[0]


def test_a_step_that_goes_too_far_is_not_taken_and_the_damping_grows():
    """Gauss-Newton on arctan diverges from beyond 1.39: from 2 its step leads to -3.5."""
    optimizer = hessian_free(damping=1e-3, factor=4.0)
    start = jnp.array([2.0])
    updates, state = one_step(optimizer, optimizer.init(start), start, jnp.arctan)
    assert updates.tolist() == [0] and not state.accepted and state.ratio < 0
    np.testing.assert_allclose(state.damping, 4e-3)
    found, states = descend(optimizer, start, jnp.arctan, 30)
    assert abs(found[0]) < 1e-8
    assert states.damping.max() > 10 * states.damping[-1]


@pytest.mark.parametrize("broken", [lambda x: jnp.where(x < 0.9, jnp.nan, x), lambda x: jnp.where(x < 0.9, 1e9, x)])
def test_a_step_into_nan_or_a_cliff_is_not_taken(broken):
    optimizer, start = hessian_free(damping=0.0), jnp.ones(1)
    updates, state = one_step(optimizer, optimizer.init(start), start, broken)
    assert updates.tolist() == [0] and not state.accepted


def test_at_the_minimum_nothing_moves_and_the_damping_stays():
    optimizer, start = hessian_free(), jnp.zeros(3)
    updates, state = one_step(optimizer, optimizer.init(start), start, lambda x: x)
    assert updates.tolist() == [0, 0, 0]
    assert (state.damping, state.ratio, state.accepted) == (1, 0, True)


def test_runs_are_mapped_over_and_go_as_they_would_alone():
    optimizer = hessian_free(num_cg_steps=2)
    starts = jnp.asarray([[-1.2, 1.0], [0.5, 2.0], [3.0, -1.0]])
    mapped = cast(Any, jax.vmap(lambda start: descend(optimizer, start, rosenbrock, 5)))
    together, states = mapped(starts)
    for run, start in enumerate(starts):
        alone, states_alone = descend(optimizer, start, rosenbrock, 5)
        np.testing.assert_allclose(together[run], alone, rtol=1e-9)
        np.testing.assert_allclose(states.damping[run], states_alone.damping)


def test_the_state_keeps_the_precision_of_the_parameters():
    params = jnp.ones(3, jnp.float32)
    optimizer = hessian_free()
    state = cast(Any, optimizer.init(params))
    updates, after = one_step(optimizer, state, params, lambda x: x**2)
    assert [leaf.dtype for leaf in (updates, *state)] == [leaf.dtype for leaf in (updates, *after)]
    assert updates.dtype == state.damping.dtype == jnp.float32


def test_gates_with_a_price_are_judged_by_the_whole_objective():
    problem = gated_mlp("liveness", (3, 4, 2))

    def objective(params):
        return problem.whole(params) + 0.01 * sum(jaxsize.liveness_penalty(h["liveness"]) for h in params["hidden"])

    optimizer, params = hessian_free(num_cg_steps=10), problem.params
    state, values = optimizer.init(params), [objective(params)]

    @jax.jit
    def step(params, state):
        updates, state = one_step(optimizer, state, params, problem.model, problem.loss, value_fn=objective)
        return optax.apply_updates(params, updates), state

    for _ in range(10):
        params, state = step(params, state)
        values.append(objective(params))
    assert all(after <= before for before, after in itertools.pairwise(values))
    assert values[-1] < 0.8 * values[0]


def test_it_stands_in_a_chain_and_takes_no_notice_of_others_arguments():
    optimizer = optax.chain(optax.identity(), hessian_free(damping=0.0, num_cg_steps=5, tolerance=0.0))
    start = jnp.zeros(5)
    updates, _ = one_step(optimizer, optimizer.init(start), start, linear_model, unknown=1)
    np.testing.assert_allclose(updates, np.linalg.lstsq(DESIGN, GOAL)[0], rtol=1e-10)
