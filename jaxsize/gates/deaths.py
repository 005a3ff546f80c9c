"""The rules by which units die. No rule brings a unit back."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates.leaves import read_liveness, replace_liveness
from jaxsize.trees import Tree


def _init_live(params: Tree) -> dict[str, jax.Array]:
    """Return the bookkeeping before training: which units have an open gate, bool [U] per gate; not differentiated."""
    return {name: jnp.asarray(gate > 0) for name, gate in read_liveness(params).items()}


def _absorb(params: Tree, live: dict[str, jax.Array]) -> tuple[Tree, dict[str, jax.Array]]:
    """Keep every gate closed that was ever at or below 0.

    Death is absorbing. Adam's momentum can push a closed gate only further down: the gate closed because the momentum
    was positive, and relu passes no gradient from then on. So under Adam this function changes no number, unless
    coupled weight decay lifts the gate. It makes the rule hold under every optimiser.
    Source: seed `003_d2c286111c329776.txt`.

    Returns:
        The parameters with the gates of dead units held at or below 0, and the units that are still alive.
    """
    gates = {name: jnp.where(live[name], gate, jnp.minimum(gate, 0)) for name, gate in read_liveness(params).items()}
    return replace_liveness(params, gates), {name: live[name] & (gate > 0) for name, gate in gates.items()}


class DeathRule(NamedTuple):
    """The rule that decides when a unit dies: pure functions of one run, which are never differentiated.

    No rule brings a unit back. Every leaf of the bookkeeping is [U], with one value per unit of the gate that names
    the leaf, so that dead units can be cut out of all leaves in the same way. A gate that is NaN is dead and stays NaN,
    so that the loss shows it. A gate below the smallest normal number (1.2e-38 in float32) counts as 0 where the device
    takes it for 0, as CPUs do under XLA.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import DeathRule, absorbing
        >>> rule: DeathRule = absorbing()
        >>> bookkeeping = rule.init({"liveness": jnp.array([0.5, 0.25])})
        >>> after_step = {"liveness": jnp.array([0.25, -0.5])}
        >>> params, bookkeeping = rule.update(after_step, bookkeeping)
        >>> rule.live(bookkeeping)["liveness"].tolist()
        [True, False]
    """

    init: Callable[[Tree], dict[str, Any]]
    """Function of the parameters before training; returns the bookkeeping by the name of the gate."""
    update: Callable[[Tree, dict[str, Any]], tuple[Tree, dict[str, Any]]]
    """Function of (parameters, bookkeeping) after a step of the optimiser; returns both, with dead gates shut."""
    live: Callable[[dict[str, Any]], dict[str, jax.Array]]
    """Function of the bookkeeping; returns bool [U] by the name of the gate, True while a unit lives."""


def absorbing() -> DeathRule:
    """Make the rule for relu gates by which a unit is dead once relu(liveness) is 0.

    A dead unit's gate is held at or below 0. Under Adam this changes no number, unless coupled weight decay lifts the
    gate; it makes the rule hold under every optimiser. The bookkeeping is bool [U], True where a unit is alive.
    Source: seed `003_d2c286111c329776.txt`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import absorbing
        >>> rule = absorbing()
        >>> live = rule.init({"liveness": jnp.array([0.5, 0.0])})
        >>> params, live = rule.update({"liveness": jnp.array([0.5, 0.25])}, live)
        >>> params["liveness"].tolist()  # the dead unit does not open again
        [0.5, 0.0]
    """
    return DeathRule(_init_live, _absorb, lambda live: live)


def threshold(level: float = 1e-5) -> DeathRule:
    """Make the rule by which a unit is dead once |liveness| <= level.

    The gate of a dead unit is exactly 0. The bookkeeping is bool [U], True where a unit is alive. An infinite gate is
    alive. The rule is for signed gates, and for relu gates that are never below 0, such as those of proximal steps:
    any other relu gate can jump past the level in one step, and is then closed and yet alive.
    Source: D7 (ii), with level 1e-5.

    Args:
        level: finite and at least 0.

    Raises:
        InputError: when `level` is negative, infinite or NaN.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import threshold
        >>> rule = threshold(0.125)
        >>> live = rule.init({"liveness": jnp.array([1.0, 1.0])})
        >>> params, live = rule.update({"liveness": jnp.array([-1.0, 0.125])}, live)
        >>> params["liveness"].tolist()
        [-1.0, 0.0]
    """
    if not 0 <= level < math.inf:
        raise InputError(f"threshold: `level` must be finite and at least 0, got {level}")

    def init(params: Tree) -> dict[str, jax.Array]:
        return {name: jnp.abs(gate) > level for name, gate in read_liveness(params).items()}

    def update(params: Tree, live: dict[str, jax.Array]) -> tuple[Tree, dict[str, jax.Array]]:
        gates = read_liveness(params)
        live = {name: live[name] & (jnp.abs(gate) > level) for name, gate in gates.items()}
        return _shut(params, gates, live), live

    return DeathRule(init, update, lambda live: live)


class SignMoments(NamedTuple):
    """The bookkeeping of `sign_variance` for one gate: which units live, and the moments of the signs.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import SignMoments, sign_variance
        >>> moments = sign_variance(0.5).init({"liveness": jnp.array([3.0, -3.0])})["liveness"]
        >>> isinstance(moments, SignMoments), moments.mean.tolist(), moments.spread.tolist()
        (True, [1.0, -1.0], [0.0, 0.0])
    """

    live: jax.Array
    """Whether a unit is alive: bool [U]."""
    mean: jax.Array
    """Moving mean of the sign of the gate: floating [U], at least float32."""
    spread: jax.Array
    """Moving second moment of the sign about the mean of the step before: floating [U], at least float32."""


def sign_variance(decay: float) -> DeathRule:
    """Make the rule for signed gates by which a unit is dead once the sign of its gate spreads too much.

    The gate of a dead unit is exactly 0. The bookkeeping is a `SignMoments` per gate.

    Rule: after every step, with b = sign(liveness), g = decay and d = b - mean (the mean before the step),
        spread <- g spread + (1 - g) d^2;  mean <- mean + (1 - g) d;  live <- live and spread <= 1/2.
    Before training mean = b and spread = 0. `spread` is a moment about the lagged mean, not a variance.
    Change of sign: a gate that changes sign and keeps the new sign has spread (4 / g) u (1 - u) after t steps, where
    u = g^t (for g = 0 the spread is 4 at the first step). It dies at step 1, 2, 16, 159 for g = 0, .9, .99, .999; a
    shorter visit to the other side does not kill. A gate that changes sign at every step dies at step 1, 3, 33, 345.
    Gates of 0: a gate of exactly 0 has sign 0, and lives if it stays 0. Its first move is half a change of sign, so its
    spread is a quarter of the one above: it dies at once for g < 1/2, and survives this move for g >= 1/2. A gate that
    is set to 0 during training makes half a change of sign as well.
    Source: D7 (iv). The mean is moved by (1 - g) d, so that it is exact while the sign does not change.

    Args:
        decay: the decay g of both moments per step, from 0 to below 1, in float32 too.

    Raises:
        InputError: when `decay` is out of range, or rounds to 1 in float32.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import sign_variance
        >>> rule = sign_variance(0.9)
        >>> update = jax.jit(rule.update)
        >>> moments = rule.init({"liveness": jnp.array([1.0])})
        >>> for step in (1, 2):
        ...     params, moments = update({"liveness": jnp.array([-1.0])}, moments)
        ...     print(step, round(moments["liveness"].spread.item(), 3), params["liveness"].item())
        1 0.4 -1.0
        2 0.684 0.0
    """
    if not (0 <= decay < 1 and np.float32(decay) < 1):
        raise InputError(f"sign_variance: `decay` must be from 0 to below 1 in float32, got {decay}")

    def sign(gate: jax.Array) -> jax.Array:
        signs = jnp.sign(gate)
        return signs if signs.dtype.itemsize >= 4 else signs.astype(jnp.float32)

    def init_gate(gate: jax.Array) -> SignMoments:
        mean = sign(gate)
        return SignMoments(jnp.ones(mean.shape, bool), mean, jnp.zeros_like(mean))

    def update_gate(gate: jax.Array, before: SignMoments) -> SignMoments:
        distance = sign(gate) - before.mean
        spread = decay * before.spread + (1 - decay) * distance * distance
        return SignMoments(before.live & (spread <= 0.5), before.mean + (1 - decay) * distance, spread)

    def live(moments: dict[str, SignMoments]) -> dict[str, jax.Array]:
        return {name: moment.live for name, moment in moments.items()}

    def update(params: Tree, moments: dict[str, SignMoments]) -> tuple[Tree, dict[str, SignMoments]]:
        gates = read_liveness(params)
        moments = {name: update_gate(gate, moments[name]) for name, gate in gates.items()}
        return _shut(params, gates, live(moments)), moments

    return DeathRule(lambda params: {k: init_gate(gate) for k, gate in read_liveness(params).items()}, update, live)


def _shut(params: Tree, gates: dict[str, jax.Array], live: dict[str, jax.Array]) -> Tree:
    """Return `params` with the gates of dead units at exactly 0, or NaN where they are NaN."""
    stays = {name: live[name] | jnp.isnan(gate) for name, gate in gates.items()}
    return replace_liveness(params, {k: jnp.where(stays[k], gate, jnp.zeros_like(gate)) for k, gate in gates.items()})


def count_live(live: dict[str, jax.Array]) -> jax.Array:
    """Count the live units of every gate.

    Args:
        live: bool [U] by the name of the gate.

    Returns:
        int32 [number of gates], sorted by the name of the gate, which is the order of the leaves of `live`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import count_live
        >>> count_live({"hidden.1": jnp.array([True, True]), "hidden.0": jnp.array([True, False])}).tolist()
        [1, 2]
    """
    if not live:
        return jnp.zeros(0, jnp.int32)
    return jnp.stack([jnp.sum(live[name], dtype=jnp.int32) for name in sorted(live)])
