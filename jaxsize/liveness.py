"""Which units are alive: reading gates out of parameters, and the rules by which a unit dies, always for good.

A gate is any leaf named `liveness`, wherever it stands in the parameters. Here it goes by the path that leads to it,
such as `hidden.0` for params["hidden"][0]["liveness"] (`liveness` where nothing does). A relu gate is relu(liveness), a
signed gate the value itself.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import tree_map_with_path

from jaxsize.paths import leaf_name, named_leaves

Tree = Any
LEAF = "liveness"


def is_gate(name: str) -> bool:
    """Whether a parameter of this name is a gate: `hidden.0.liveness`; Flax NNX adds `.value`."""
    return name.removesuffix(".value").split(".")[-1] == LEAF


def gate_name(leaf: str) -> str:
    """The name of the gate that a parameter is: `hidden.0` for `hidden.0.liveness`."""
    return leaf.removesuffix(".value").rsplit(".", 1)[0]


def is_liveness(path: tuple) -> bool:
    """Whether a tree path (of jax.tree_util) ends at a gate."""
    return is_gate(leaf_name(path))


def read_liveness(params: Tree) -> dict[str, jax.Array]:
    """The gates of `params` by name, each [U]."""
    return {gate_name(name): leaf for name, leaf in named_leaves(params).items() if is_gate(name)}


def replace_liveness(params: Tree, gates: dict[str, jax.Array]) -> Tree:
    """`params` with its gates replaced by those of `gates` (all of them, by name)."""
    return tree_map_with_path(
        lambda path, leaf: gates[gate_name(leaf_name(path))] if is_liveness(path) else leaf, params
    )


def init_live(params: Tree) -> dict[str, jax.Array]:
    """Bookkeeping before training: which units have an open gate, bool [U] per gate. Never differentiated."""
    return {name: jnp.asarray(gate > 0) for name, gate in read_liveness(params).items()}


def absorb(params: Tree, live: dict[str, jax.Array]) -> tuple[Tree, dict[str, jax.Array]]:
    """Death is absorbing (seed `003_d2c286111c329776.txt`): a unit whose gate was ever at or below 0 never opens again.

    Returns the parameters with the gates of dead units held at or below 0, and the units still alive. Adam's momentum
    can push a closed gate only further down (it died because the momentum was positive, and relu passes no gradient
    from then on), so under Adam this changes no number, unless coupled weight decay lifts the gate; it makes the rule
    hold under every optimiser.
    """
    gates = {name: jnp.where(live[name], gate, jnp.minimum(gate, 0)) for name, gate in read_liveness(params).items()}
    return replace_liveness(params, gates), {name: live[name] & (gate > 0) for name, gate in gates.items()}


class DeathRule(NamedTuple):
    """When a unit dies: pure functions of one run, never differentiated. No rule ever brings a unit back.

    Every leaf of the bookkeeping is [U], one value per unit of the gate that names it, so that dead units can be cut
    out of all leaves alike. A gate that is NaN is dead and stays NaN, so that the loss shows it. A gate below the
    smallest normal number (1.2e-38 in float32) counts as 0 where the device takes it for 0, as CPUs do under XLA.
    """

    init: Callable[[Tree], dict[str, Any]]
    """params -> {gate name: bookkeeping}, before training."""
    update: Callable[[Tree, dict[str, Any]], tuple[Tree, dict[str, Any]]]
    """(params, bookkeeping) after a step of the optimiser -> the same, with dead gates shut."""
    live: Callable[[dict[str, Any]], dict[str, jax.Array]]
    """bookkeeping -> {gate name: bool [U]}, True while a unit lives."""


def absorbing() -> DeathRule:
    """Dead once relu(liveness) is 0, for relu gates: `init_live` and `absorb`. The bookkeeping is what is alive."""
    return DeathRule(init_live, absorb, lambda live: live)


def threshold(level: float = 1e-5) -> DeathRule:
    """Dead once |liveness| <= level; the gate of a dead unit is exactly 0. The bookkeeping is what is alive.

    For signed gates, and for relu gates that are never below 0, such as those of proximal steps: any other relu gate
    can jump past the level, closed and yet alive. A gate that is infinite is alive.
    ValueError unless level is finite and at least 0. Source: REFERENCE D7 (ii), with level 1e-5.
    """
    if not 0 <= level < math.inf:
        raise ValueError(f"threshold: `level` must be finite and at least 0, got {level}")

    def init(params: Tree) -> dict[str, jax.Array]:
        return {name: jnp.abs(gate) > level for name, gate in read_liveness(params).items()}

    def update(params: Tree, live: dict[str, jax.Array]) -> tuple[Tree, dict[str, jax.Array]]:
        gates = read_liveness(params)
        live = {name: live[name] & (jnp.abs(gate) > level) for name, gate in gates.items()}
        return _shut(params, gates, live), live

    return DeathRule(init, update, lambda live: live)


class SignMoments(NamedTuple):
    """What `sign_variance` knows of a gate, each [U]: bool `live`; `mean` of its sign and `spread` about it, floating
    (at least float32)."""

    live: jax.Array
    mean: jax.Array
    spread: jax.Array


def sign_variance(decay: float) -> DeathRule:
    """Dead once the sign of a signed gate spreads too much; the gate of a dead unit is exactly 0.

    After every step, with b = sign(liveness), g = decay and d = b - mean (the old mean):
        spread <- g spread + (1 - g) d^2;  mean <- mean + (1 - g) d;  live <- live and spread <= 1/2;
    before training mean = b, spread = 0. `spread` is a moment about the lagged mean, not a variance.
    A gate that changes sign and stays there has spread (4 / g) u (1 - u) after t steps, u = g^t (4 at the first step
    for g = 0), and dies at step 1, 2, 16, 159 for g = 0, .9, .99, .999; a shorter visit to the other side does not
    kill. One that changes sign at every step dies at step 1, 3, 33, 345.
    A gate of exactly 0 has sign 0, and one that stays there lives. Its first move is half a change of sign, so its
    spread is a quarter of that above: it dies at once for g < 1/2 and never of this move for g >= 1/2.
    A gate set to 0 on the way is half a change of sign as well. ValueError unless 0 <= decay < 1, in float32 too.
    Source: REFERENCE D7 (iv); the mean is moved by (1 - g) d, so that it is exact while the sign rests.
    """
    if not (0 <= decay < 1 and np.float32(decay) < 1):
        raise ValueError(f"sign_variance: `decay` must be from 0 to below 1 in float32, got {decay}")

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
    """`params` with the gates of dead units at exactly 0, or NaN where they are NaN."""
    stays = {name: live[name] | jnp.isnan(gate) for name, gate in gates.items()}
    return replace_liveness(params, {k: jnp.where(stays[k], gate, jnp.zeros_like(gate)) for k, gate in gates.items()})


def count_live(live: dict[str, jax.Array]) -> jax.Array:
    """Live units per gate, int32 [number of gates], in the order of `live` (sorted by name, as in every pytree of
    it)."""
    if not live:
        return jnp.zeros(0, jnp.int32)
    return jnp.stack([jnp.sum(live[name], dtype=jnp.int32) for name in sorted(live)])
