import builtins
import functools
import os
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hparams import sparsifier_hparams

from jaxsize.data import load
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.counts import num_mlp_parameters
from jaxsize.networks.mlp import mlp
from jaxsize.programs import _memory as memory
from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import init_state, make_epoch, row_order
from jaxsize.programs.run_axis import unstack

NOISE = 0.5
TEACHER = load("teacher", seed=0, num_rows=30, num_inputs=3, width=2, task="regression", noise=NOISE)
WIDTHS = (3, 6, 1)
NETWORK = mlp(WIDTHS)
SEEDS = [5, 5, 6, 8, 9]
ONE_DEVICE = tuple(jax.devices()[:1])


def make_batch(num_epochs=2, **config):
    return Batch(
        name="teacher",
        labels=[{"run": run, "seed": seed} for run, seed in enumerate(SEEDS)],
        init=lambda index: NETWORK.init(index // 2),  # runs 0 and 1 start from the same weights
        num_parameters=num_mlp_parameters(WIDTHS),
        hparams=sparsifier_hparams(learning_rate=0.01, penalty_weight=0.01, weight_decay=0.1, gate_learning_rate=0.02),
        learner=make_learner(NETWORK, TASKS["regression"], FORMS["corrected"]),
        dataset=TEACHER,
        config=Config(batch_size=8, **config),
        num_epochs=num_epochs,
        columns=lambda before, after: {},
    )


@functools.cache
def program(shuffle, num_runs):
    return Program(make_batch(shuffle=shuffle), num_runs, ONE_DEVICE)


def finished(program, runs):
    """Parameters and scores after two epochs."""
    state = program.start(runs)
    for epoch in (1, 2):
        state, _, scores = program.epoch(runs, state, epoch)
    return program.axis.fetch(state.params), program.axis.fetch(scores)


def one_run(run, shuffle):
    """The same run by itself, without a run axis."""
    batch = make_batch(shuffle=shuffle)
    hparams = jax.tree.map(lambda values: float(values[run]), batch.hparams)
    rows = Rows(jnp.asarray(TEACHER.train.inputs), jnp.asarray(TEACHER.train.targets))
    data = Data(rows, jnp.asarray(TEACHER.input_scale), jnp.asarray(TEACHER.input_shift))
    state = init_state(batch.learner, batch.init(run), jnp.asarray(SEEDS[run], jnp.uint32), hparams)
    epoch = jax.jit(make_epoch(batch.learner, batch.config))
    for number in range(2):
        seed = 0 if shuffle == "shared" else SEEDS[run]  # shared: the order depends on the epoch only
        state, _ = epoch(state, hparams, data, row_order(jnp.uint32(seed), jnp.int32(number), len(TEACHER.train)))
    return state.params


@pytest.mark.parametrize("shuffle", ["per_run", "shared"])
def test_a_program_trains_the_runs_it_is_given(shuffle):
    runs = range(2, 5)
    params, _ = finished(program(shuffle, 3), runs)
    for index, run in enumerate(runs):
        alone = one_run(run, shuffle)
        chex.assert_trees_all_close(unstack(params, index), alone, rtol=1e-4, atol=1e-6, strict=True)


def test_runs_that_differ_in_the_seed_alone_share_an_order_only_if_told():
    for shuffle, same in (("per_run", False), ("shared", True)):
        params, _ = finished(program(shuffle, 3), range(0, 3))
        kernel = params["hidden"][0]["kernel"]
        assert np.array_equal(kernel[0], kernel[1]) == (SEEDS[0] == SEEDS[1])
        params, _ = finished(program(shuffle, 3), range(2, 5))  # runs 2 and 3: the same weights, seeds 6 and 8
        kernel = params["hidden"][0]["kernel"]
        assert np.array_equal(kernel[0], kernel[1]) == same


def test_all_splits_are_scored():
    params, scores = finished(program("per_run", 3), range(0, 3))
    targets = {name: (split.inputs, split.targets) for name, split in vars(TEACHER).items() if name in scores}
    targets["test_noiseless"] = (TEACHER.test.inputs, TEACHER.test.clean_targets)
    assert set(scores) == set(targets) == {"train", "validation", "test", "test_noiseless"}
    for name, (inputs, target) in targets.items():
        for run in range(3):
            own = jax.tree.map(lambda leaf, run=run: leaf[run].astype(np.float64), params)
            layer = own["hidden"][0]
            hidden = np.maximum(inputs @ layer["kernel"] + layer["bias"], 0) * np.maximum(layer["liveness"], 0)
            outputs = (hidden @ own["output"]["kernel"] + own["output"]["bias"])[:, 0]
            np.testing.assert_allclose(scores[name]["error"][run], np.mean((outputs - target) ** 2), rtol=1e-4)
            np.testing.assert_array_equal(scores[name]["loss"][run], scores[name]["error"][run])


def test_bytes_of_a_program_are_at_least_its_states_and_data():
    state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(program("per_run", 3).state_shape))
    assert state > 3 * 4 * (num_mlp_parameters(WIDTHS) + WIDTHS[1])  # weights, gates and two moments of each
    splits = [split for split in (TEACHER.train, TEACHER.validation, TEACHER.test) if split is not None]
    data = sum(split.inputs.nbytes + split.targets.nbytes for split in splits)
    few, more = (program("per_run", num).num_bytes for num in (3, 5))
    assert few >= data + 3 * state
    assert more - few >= 2 * state
    assert more < 20 * few  # the state is not counted once per step or epoch


def test_free_memory_is_shared_by_the_devices_in_use(monkeypatch):
    with open("/proc/meminfo") as lines:
        (free,) = (1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    one, four = memory.available_bytes(jax.devices()[:1]), memory.available_bytes(jax.devices())
    assert one == pytest.approx(memory.USABLE * free, rel=0.2)
    assert four == pytest.approx(one / 4, rel=0.2)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < one < total

    def fail(path, *args):
        raise FileNotFoundError(path)

    monkeypatch.setattr(builtins, "open", fail)  # a system without /proc
    assert memory.available_bytes(jax.devices()[:2]) == int(memory.USABLE * total / 2)


def test_accelerators_tell_their_own_memory():
    def device(stats):
        return SimpleNamespace(platform="gpu", memory_stats=lambda: stats)

    devices = [device({"bytes_limit": 1000, "bytes_in_use": 500}), device({"bytes_limit": 1000})]
    assert memory.available_bytes(devices[1:]) == 800
    assert memory.available_bytes(devices) == 400  # each may use what the fullest has left
    assert memory.available_bytes([*devices, device(None)]) > 1e6  # one does not say: the host's
    assert [memory.gib(2**30), memory.gib(1.26 * 2**34), memory.gib(2**20)] == ["1 GiB", "20 GiB", "0.00098 GiB"]
