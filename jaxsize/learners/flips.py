"""Gates that are flipped at random while they train, to see which death rule takes a flip for a worthless unit."""

import jax
import jax.numpy as jnp

from jaxsize.gates.leaves import read_liveness, replace_liveness
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.trees import Tree


def flip_gates(learner: Learner, rate: float) -> Learner:
    """Make a learner that changes the sign of some gates after every step, before units die, and back after the next.

    A flip tells nothing of a unit's worth. Units may only be masked while such a learner trains, as its bookkeeping
    holds more than the death rule's.

    Args:
        learner: the learner of a network whose gates are leaves named `liveness`, such as `sparsifier.make_learner`.
        rate: the chance of a gate to be flipped in a step, from 0 to 1.

    Returns:
        The learner; its bookkeeping is {"rule": that of `learner`, "flipped": {gate name: bool [U]}}.

    Example:
        >>> import jax
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import TASKS, Hparams, sparsifier
        >>> from jaxsize.learners.flips import flip_gates
        >>> network, config = mlp((4, 3, 2)), sparsifier.SparsifierConfig()
        >>> learner = flip_gates(sparsifier.make_learner(network, TASKS["classification"], config), rate=1.0)
        >>> params = network.init(0)
        >>> params, bookkeeping = jax.jit(learner.after_step)(
        ...     params, learner.init_bookkeeping(params), Hparams(key=jax.random.key(0))
        ... )
        >>> learner.live(bookkeeping)["hidden.0"].tolist()  # relu gates below 0 are closed
        [False, False, False]
    """

    def after_step(params: Tree, bookkeeping: Tree, hparams: Hparams) -> tuple[Tree, Tree]:
        gates, before = read_liveness(params), bookkeeping["flipped"]
        now = before
        if hparams.key is not None:  # None before training, when nothing is drawn
            keys = dict(zip(gates, jax.random.split(hparams.key, len(gates)), strict=True))
            now = {name: jax.random.bernoulli(key, rate, gates[name].shape) for name, key in keys.items()}
        turned = {name: jnp.where(now[name] ^ before[name], -gate, gate) for name, gate in gates.items()}
        params, rule = learner.after_step(replace_liveness(params, turned), bookkeeping["rule"], hparams)
        return params, {"rule": rule, "flipped": now}

    def init(params: Tree) -> Tree:
        unflipped = {name: jnp.zeros(gate.shape, bool) for name, gate in read_liveness(params).items()}
        return {"rule": learner.init_bookkeeping(params), "flipped": unflipped}

    return learner._replace(
        after_step=after_step,
        init_bookkeeping=init,
        observe=lambda bookkeeping: learner.observe(bookkeeping["rule"]),
        live=lambda bookkeeping: learner.live(bookkeeping["rule"]),
    )
