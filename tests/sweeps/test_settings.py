"""setting_sweep: whatever a setting names is swept, for every run or for none."""

import numpy as np
import optax
import pytest

from jaxsize.data import load
from jaxsize.learners import supervised, task_of
from jaxsize.programs import Config
from jaxsize.sweeps import setting_sweep

DATASET = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
LEARNER = supervised(
    lambda params, x: x @ params, task_of(DATASET), lambda hparams: optax.sgd(hparams.learning_rate), weight_decay=0.0
)


def init(seed):
    return np.full((3, 3), seed, np.float32)


def sweep(*settings, **more):
    fields = {"name": "linear", "label": {"arm": "all"}, "first_run": 4, "config": Config(), "num_epochs": 1}
    return setting_sweep(DATASET, settings, init=init, learner=LEARNER, **fields | more)


def test_runs_have_their_settings_and_the_network_of_their_seed():
    batch = sweep(*({"seed": seed, "learning_rate": rate, "note": "n"} for rate in (0.5, 0.25) for seed in (0, 2)))
    assert batch.hparams.learning_rate.tolist() == [0.5, 0.5, 0.25, 0.25]
    assert [batch.init(run)[0, 0] for run in range(4)] == [0, 2, 0, 2]
    assert batch.labels[3] == {"arm": "all", "run": 7, "seed": 2, "learning_rate": 0.25, "note": "n"}
    assert batch.num_parameters == 9 and batch.shrinking is None
    assert batch.hparams.weight_decay.tolist() == [0] * 4  # the default of the learner


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ([{"seed": 0}, {"seed": 1, "weight_decay": 0.5}], "weight_decay"),
        ([{"seed": 0, "learning_rate": 1.0}, {"seed": 1}], "learning_rate"),
        ([{"learning_rate": 1.0}], "seed"),
    ],
)
def test_a_setting_that_some_runs_lack_is_refused(settings, lacks):
    with pytest.raises(ValueError, match=f"settings: expected {lacks} in every setting"):
        sweep(*settings)


def test_no_setting_is_refused_and_further_fields_of_a_batch_win():
    with pytest.raises(ValueError, match="expected one setting or more"):
        sweep()
    assert sweep({"seed": 0}, columns=lambda before, after: {"a": 1}).columns(np.zeros(0), np.zeros(0)) == {"a": 1}
