import functools
import os
import subprocess
import sys

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.hparams import sparsifier_hparams

from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import init_state, make_epoch
from jaxsize.programs.run_axis import RunAxis, describe_devices, stack, unstack, use_all_cores

SIZES = pytest.mark.parametrize("num_devices", [1, 2, 3, 4])
RUNS = range(7)
NETWORK = mlp((3, 6, 2))
LEARNER = make_learner(NETWORK, TASKS["classification"], FORMS["corrected"])


def axis_of(num_runs, num_devices=4, execution=None):
    return RunAxis(num_runs, tuple(jax.devices()[:num_devices]), execution)


@SIZES
@hypothesis.settings(deadline=None, max_examples=12)
@hypothesis.given(num_runs=st.integers(1, 9), seed=st.integers(0, 99))
def test_what_is_put_is_fetched(num_devices, num_runs, seed):
    rng, axis = np.random.default_rng(seed), axis_of(num_runs, num_devices)
    runs = {
        "a": rng.normal(size=(num_runs, 2, 3)).astype(np.float32),
        "b": (rng.integers(0, 9, num_runs).astype(np.int32), rng.random((num_runs, 0)) > 0.5),
    }
    put, used = axis.put(runs), min(num_devices, num_runs)
    for leaf, host in zip(jax.tree.leaves(put), jax.tree.leaves(runs), strict=True):
        assert len(leaf.sharding.device_set) == len(axis.devices) == used
        assert leaf.shape == (used * axis.runs_per_device, *host.shape[1:])
        assert 0 <= leaf.shape[0] - num_runs < used  # padded by less than a run per device
        np.testing.assert_array_equal(leaf[num_runs:], np.repeat(host[-1:], leaf.shape[0] - num_runs, axis=0))
        assert {shard.data.shape[0] for shard in leaf.addressable_shards} == {axis.runs_per_device}
    fetched = axis.fetch(put)
    chex.assert_trees_all_equal(fetched, runs, strict=True)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(fetched))
    shapes = axis.shapes(unstack(runs, 0))
    for shape, leaf in zip(jax.tree.leaves(shapes), jax.tree.leaves(put), strict=True):
        assert (shape.shape, shape.dtype, shape.sharding) == (leaf.shape, leaf.dtype, leaf.sharding)


@pytest.mark.parametrize("execution", ["map", "vmap"])
@pytest.mark.parametrize(("num_runs", "num_devices"), [(1, 4), (2, 1), (3, 2), (5, 4), (9, 4), (8, 3)])
def test_a_mapped_function_is_a_loop_over_runs(execution, num_runs, num_devices):
    axis = axis_of(num_runs, num_devices, execution)
    rng = np.random.default_rng(0)
    carry = {"x": rng.normal(size=(num_runs, 3)), "n": rng.integers(0, 9, num_runs)}
    carry = jax.tree.map(lambda leaf: leaf.astype("f4" if leaf.dtype.kind == "f" else "i4"), carry)
    factor, shared = rng.normal(size=num_runs).astype(np.float32), np.arange(3, dtype=np.float32)

    def fn(carry, factor, shared):
        assert carry["x"].shape == (3,) and factor.shape == ()
        x = carry["x"] * factor + shared
        return {"x": x, "n": carry["n"] + 1}, jnp.sum(x)

    new, sums = axis.fetch(axis.map(fn)(axis.put(carry), axis.put(factor), axis.replicate(shared)))
    for run in range(num_runs):
        expected = carry["x"][run].astype(float) * factor[run] + shared
        np.testing.assert_allclose(new["x"][run], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(sums[run], expected.sum(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(new["n"], carry["n"] + 1)


@pytest.mark.parametrize("num_devices", [1, 4])
def test_a_donated_carry_is_reused_and_nothing_else_is_touched(num_devices):
    axis = axis_of(4, num_devices)
    raw = np.zeros(4 * 2**12 + 16, np.float32)
    start = -raw.ctypes.data // 4 % 16
    host = raw[start : start + 4 * 2**12].reshape(4, -1)  # aligned: JAX can read it in place
    step = axis.map(lambda carry, addend, shared: carry + addend, donate=True)
    addend, state, fetched = axis.put(np.ones(4, np.float32)), axis.put(host), []
    program = step.lower(state, addend, ()).compile().memory_analysis()
    assert program.alias_size_in_bytes == host.nbytes // num_devices  # on every device, all of the carry is reused
    for _ in range(4):
        state = step(state, addend, ())
        fetched.append(axis.fetch(state))
    for count, carry in enumerate(fetched, 1):
        np.testing.assert_array_equal(carry, np.full_like(host, count))
    assert not host.any()
    np.testing.assert_array_equal(axis.fetch(addend), np.ones(4))


def addresses(array):
    return {shard.device: shard.data.unsafe_buffer_pointer() for shard in array.addressable_shards}


@pytest.mark.parametrize("chosen", [[0], [0, 1], [3, 1], [0, 1, 2, 3]])
def test_what_is_replicated_already_is_not_copied(chosen):
    host = {"x": np.arange(64, dtype=np.float32).reshape(8, 8), "n": np.array([1, 2], np.uint8)}
    everywhere = axis_of(4).replicate(host)
    axis = RunAxis(5, tuple(jax.devices()[device] for device in chosen))
    again = axis.replicate(everywhere)
    for name, leaf in again.items():
        assert leaf.sharding.is_fully_replicated and leaf.sharding.device_set == set(axis.devices)
        known = addresses(everywhere[name])
        assert addresses(leaf) == {device: known[device] for device in axis.devices}
        np.testing.assert_array_equal(leaf, host[name])
    double = axis.map(lambda carry, settings, shared: carry * shared["x"].sum())
    carry = axis.put(np.arange(5, dtype=np.float32))
    np.testing.assert_allclose(axis.fetch(double(carry, (), again)), np.arange(5) * host["x"].sum())


def test_what_lies_elsewhere_is_copied():
    host = np.arange(4, dtype=np.float32)
    on_two, everywhere = axis_of(2, 2), axis_of(4)
    for array in (on_two.replicate(host), jax.device_put(host, jax.devices()[1]), everywhere.put(host), host):
        replicated = everywhere.replicate(array)
        assert replicated.sharding.is_fully_replicated and replicated.sharding.device_set == set(everywhere.devices)
        np.testing.assert_array_equal(replicated, host)


def data():
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(20, 3)).astype(np.float32)
    targets = (inputs[:, 0] > inputs[:, 1]).astype(np.int32)
    return Data(Rows(inputs, targets), jnp.ones(()), jnp.zeros(()))


def hparams_of(runs):
    index = np.array(runs, np.float32)
    same = np.ones(len(index), np.float32)
    return sparsifier_hparams(
        learning_rate=0.01 + 0.002 * index,
        penalty_weight=0.01 * index,
        weight_decay=0.1 * index,
        gate_learning_rate=0.05 * same,
        penalty_decay=same,
    )


@functools.cache
def programs(num_runs, num_devices, execution):
    axis = axis_of(num_runs, num_devices, execution)
    start = axis.map(lambda run, hparams, shared: init_state(LEARNER, run[0], run[1], hparams))
    return axis, start, axis.map(make_epoch(LEARNER, Config(batch_size=8)), donate=True)


def train(runs, num_devices, execution, hparams=None):
    axis, start, epoch = programs(len(runs), num_devices, execution)
    params = stack([NETWORK.init(run) for run in runs])
    settings = axis.put(hparams or hparams_of(runs))
    state = start(axis.put((params, np.array(runs, np.uint32))), settings, ())
    histories = []
    for _ in range(2):
        state, history = epoch(state, settings, axis.replicate(data()))
        histories.append(axis.fetch(history))
    return axis.fetch(state), histories


@pytest.mark.parametrize("execution", ["map", "vmap"])
@pytest.mark.parametrize(("runs", "num_devices"), [([4], 1), ([1, 4, 6], 2), ([0, 1, 2, 3, 4, 5, 6], 1)])
def test_a_run_does_not_depend_on_the_batch_it_is_in(execution, runs, num_devices):
    state, histories = train(list(RUNS), 4, "map")
    assert state.params["output"]["kernel"].std() > 0
    expected = jax.tree.map(lambda leaf: leaf[np.array(runs)], (state, histories))
    chex.assert_trees_all_close(train(runs, num_devices, execution), expected, rtol=1e-4, atol=1e-5, strict=True)


@pytest.mark.parametrize(("num_devices", "execution"), [(4, "map"), (1, "map"), (1, "vmap")])
def test_a_run_that_explodes_leaves_its_neighbours_alone(num_devices, execution):
    runs = list(RUNS)
    calm, _ = train(runs, num_devices, execution)
    wild = hparams_of(runs)
    wild.learning_rate[2] = 1e30
    wild.learning_rate[5] = np.nan
    state, histories = train(runs, num_devices, execution, wild)
    assert not np.isfinite(histories[1]["loss"][[2, 5]]).all(axis=1).any()
    others = [run for run in runs if run not in (2, 5)]
    chex.assert_trees_all_equal(*(jax.tree.map(lambda leaf: leaf[others], tree) for tree in (state, calm)), strict=True)


def test_stacked_trees_come_apart_again():
    trees = [NETWORK.init(seed) for seed in range(3)]
    stacked = stack(trees)
    for index, tree in enumerate(trees):
        chex.assert_trees_all_equal(unstack(stacked, index), tree, strict=True)


def test_choices_that_make_no_sense_are_told():
    with pytest.raises(ValueError, match="num_runs: expected at least 1, got 0"):
        RunAxis(0)
    with pytest.raises(ValueError, match="execution: expected 'map' or 'vmap', got 'pmap'"):
        RunAxis(2, execution="pmap")  # pyright: ignore[reportArgumentType]
    assert RunAxis(2).execution == "map"  # the default on a CPU
    assert describe_devices() == {"platform": "cpu", "kind": "cpu", "count": 4}


@pytest.mark.parametrize("chosen", [{}, {"JAX_NUM_CPU_DEVICES": "3"}])
def test_all_cores_are_devices_unless_the_user_chose(chosen):
    expected = chosen.get("JAX_NUM_CPU_DEVICES", len(os.sched_getaffinity(0)))
    code = "from jaxsize import programs; programs.use_all_cores(); print(programs.describe_devices()['count'])"
    kept = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    environment = kept | {"JAX_PLATFORMS": "cpu"} | chosen
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == int(expected)


def test_cores_are_counted_where_the_system_has_no_affinity(monkeypatch):
    updates = []
    monkeypatch.setattr(jax.config, "update", lambda name, value: updates.append((name, value)))
    monkeypatch.delattr(os, "sched_getaffinity")
    for name in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    use_all_cores()
    assert updates == [("jax_num_cpu_devices", os.cpu_count())]
