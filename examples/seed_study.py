"""A study of a function of one's own on arrays of one's own: seeds x two learning rates in one program, and a claim."""

import functools
import sys

import jax.numpy as jnp
import numpy as np
import optax

from jaxsize import data, learners, studies, sweeps

x = np.random.default_rng(0).uniform(-3, 3, (600, 1))
own = data.from_arrays(x, np.abs(x[:, 0]), name="abs")


def init(seed):  # any tree of arrays
    return {name: np.random.default_rng(seed).normal(size=(1, 30)).astype("f4") for name in ("in", "shift", "out")}


def apply(params, inputs):  # any function of it
    return jnp.sin(inputs @ params["in"] + params["shift"]) @ params["out"].T


learner = learners.supervised(apply, learners.TASKS["regression"], lambda hparams: optax.adam(hparams.learning_rate))
make = functools.partial(sweeps.setting_sweep, init=init, learner=learner)
STUDY = studies.Study(
    name="abs",
    flags=studies.TrainingFlags,
    presets={},
    data=lambda flags, form: [own],
    arms=lambda setup: [studies.Arm(f"{rate:g}", {"learning_rate": rate}, make) for rate in (1e-2, 1e-3)],
    table=studies.columns("train_loss", "test_score"),
    claims={"faster": studies.Claim("a rate of .01 ends better", studies.versus("0.01", "0.001"), studies.better)},
)
if __name__ == "__main__":
    sys.exit(STUDY.main())
