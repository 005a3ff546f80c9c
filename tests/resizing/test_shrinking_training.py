"""Removing dead units while training changes no number: every run against the same run whose units are only masked.

In float32 rows, histories and parameters agree to 1e-4, since sums over fewer units are rounded otherwise, and live
units exactly; in float64 all agree to 1e-9.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.shrinking import (
    EAGER,
    GATED,
    NUM_EPOCHS,
    TEACHER,
    WIDTHS,
    Counter,
    assert_networks_agree,
    assert_rows_agree,
    events_of,
    folder_in,
    make_batch,
    rows_of,
    share_programs,
    steps_of,
)

import jaxsize
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks.mlp import mlp
from jaxsize.training import _train as training

RUNS = [10, 11, 12, 13, 14, 15]
RUNS_ON = {1: range(6), 4: (0, 2, 5)}  # by number of devices


@pytest.fixture(autouse=True, scope="module")
def compilations():
    """The names of all programs that XLA compiles, and the programs that the tests share."""
    names = []

    def listen(event, duration_secs, **kwargs):
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(kwargs["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(listen)
    with pytest.MonkeyPatch.context() as patch:
        yield names, share_programs(patch)
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, compilations):
    """(batch, folder, Trained, XLA compilations of epochs) by number of devices and whether units are removed."""

    @functools.cache
    def call(num_devices, small):
        batch, (names, programs) = make_batch(EAGER if small else None, runs=RUNS_ON[num_devices]), compilations
        if small:
            programs.clear()
        folder, before = folder_in(tmp_path_factory.mktemp("out")), names.count("jit(epoch)")
        result = training.train(batch, folder, Counter(), devices=jax.devices()[:num_devices])
        return batch, folder, result, names.count("jit(epoch)") - before

    return call


@pytest.mark.parametrize("num_devices", [4, 1])
def test_every_run_trains_as_if_its_units_were_masked(trained, num_devices):
    batch, folder, small, _ = trained(num_devices, True)
    _, masked_folder, masked, _ = trained(num_devices, False)
    assert_rows_agree(rows_of(small), rows_of(masked))
    runs = [10 + run for run in RUNS_ON[num_devices]]
    assert [row["run"] for row in small.rows] == runs * NUM_EPOCHS  # in the order of runs, whatever their teams
    steps, expected = steps_of(folder, batch), steps_of(masked_folder, batch)
    np.testing.assert_array_equal(steps["observed"], expected["observed"])
    np.testing.assert_allclose(steps["loss"], expected["loss"], rtol=1e-4)
    assert steps["loss"].shape == (len(runs), NUM_EPOCHS * batch.steps_per_epoch) and np.isfinite(steps["loss"]).all()
    assert_networks_agree(small.networks, masked.networks, GATED.apply)
    assert "allocated_units" not in masked.rows[0] and events_of(masked_folder, "compaction") == []


def test_runs_of_different_sizes_part_and_the_events_say_so(trained):
    _, folder, small, compiled = trained(1, True)
    events = events_of(folder, "compaction")
    assert len(events) >= 2 and sum(len(event["cohorts"]) > 1 for event in events) >= 2
    widths = {run: {"hidden.0": WIDTHS[1], "hidden.1": WIDTHS[2]} for run in RUNS}
    by_epoch = {event["epoch"]: event for event in events}
    for row in small.rows:
        assert row["allocated_units"] == sum(widths[row["run"]].values())
        assert row["live_units"] <= row["allocated_units"]
        if row["run"] == RUNS[-1] and (event := by_epoch.get(row["epoch"])):
            assert event["runs"] == RUNS == sorted(run for cohort in event["cohorts"] for run in cohort["runs"])
            for cohort in event["cohorts"]:
                for run in cohort["runs"]:
                    assert all(width <= widths[run][name] for name, width in cohort["widths"].items())
                    widths[run] = cohort["widths"]
    assert widths[13] == {"hidden.0": 4, "hidden.1": 1}  # also where nothing lives
    assert widths[10] == {"hidden.0": 8, "hidden.1": 6}
    counted = sum(event["compiled"] for event in events_of(folder, "programs"))
    assert compiled == counted >= 4  # each epoch once; the masked runs compile nothing more
    assert trained(1, False)[-1] == 0
    for event in folder.events.read():
        if event["event"] == "compaction":
            assert event["seconds"] >= 0 and event["compile_seconds"] >= 0


@pytest.mark.parametrize("small", [True, False])
def test_a_run_without_units_goes_on(trained, small):
    _, folder, result, _ = trained(1, small)
    expected = []
    for run in RUNS:
        counts = np.array([row["live_units_per_layer"] for row in result.rows if row["run"] == run])
        for layer in range(2):
            if (empty := np.flatnonzero(counts[:, layer] == 0)).size:
                expected.append({"event": "collapse", "runs": [run], "epoch": empty[0] + 1, "gate": f"hidden.{layer}"})
    events = events_of(folder, "collapse")
    assert events == sorted(expected, key=lambda event: (event["epoch"], event["runs"])) and len(events) >= 5
    collapsed = {event["runs"][0] for event in events}
    assert collapsed == {13, 14, 15}
    for run, network in zip(RUNS, result.networks, strict=True):
        outputs = np.asarray(GATED.apply(network.params, jnp.asarray(TEACHER.test.inputs)))
        assert np.isfinite(outputs).all()
        assert (np.ptp(outputs, axis=0) == 0).all() == (run in collapsed)
        losses = [row["train_loss"] for row in result.rows if row["run"] == run]
        assert len(losses) == NUM_EPOCHS and losses[-1] < losses[0]


def test_parts_of_a_batch_shrink_each_for_itself(trained, tmp_path):
    batch, folder = make_batch(EAGER), folder_in(tmp_path)
    (folder.checkpoints / batch.name).mkdir(parents=True)
    (folder.checkpoints / batch.name / "parts.json").write_text("[3, 3]")  # as if there were memory for 3 runs
    small = training.train(batch, folder, Counter(), devices=jax.devices()[:1])
    events = events_of(folder, "compaction")
    assert {tuple(event["runs"]) for event in events} == {(10, 11, 12), (13, 14, 15)}
    _, whole_folder, masked, _ = trained(1, False)
    assert_rows_agree(rows_of(small), rows_of(masked))
    assert_networks_agree(small.networks, masked.networks, GATED.apply)
    assert events_of(folder, "collapse") == events_of(whole_folder, "collapse")


SIGNED = mlp(WIDTHS, gate="signed", liveness="uniform")
INPUTS = mlp(WIDTHS, gate_inputs=True, liveness="uniform")


@pytest.mark.parametrize(
    ("network", "config", "gates"),
    [
        (SIGNED, SparsifierConfig(gate="signed", death_rule="threshold"), ("hidden.0", "hidden.1")),
        (INPUTS, SparsifierConfig(unit_norm=True), ("hidden.0", "hidden.1", "inputs")),
    ],
    ids=["signed", "inputs and unit norm"],
)
def test_other_gates_shrink_as_well(tmp_path, network, config, gates):
    results = []
    for name, shrinking in (("small", EAGER), ("masked", None)):
        batch = make_batch(shrinking, network, config, gates, runs=(0, 4), num_epochs=4)
        folder = folder_in(tmp_path / name)
        results.append(training.train(batch, folder, Counter(), devices=jax.devices()[:1]))
        assert bool(events_of(folder, "compaction")) == (shrinking is not None)
    small, masked = results
    assert_rows_agree(rows_of(small), rows_of(masked))
    signed = network is SIGNED
    assert_networks_agree(
        small.networks, masked.networks, network.apply, is_live=lambda gate: gate != 0 if signed else gate > 0
    )
    if network is INPUTS:  # a gate on the inputs closes, but inputs stay
        assert min(row["live_inputs"] for row in small.rows) < 3
        assert {one.params["inputs"]["liveness"].shape for one in small.networks} == {(3,)}
        # hidden.1 is normalised by weights that read the units of hidden.0, dead ones too
        assert {tuple(one.survivors) for one in small.networks} == {("hidden.1",)}


@pytest.mark.parametrize("gate", [None, "size"])
def test_networks_whose_units_cannot_die_train_as_before(tmp_path, gate):
    network = mlp(WIDTHS, gate=gate, size=4.0)
    batch = make_batch(EAGER, network, gates=(), runs=(0, 4), num_epochs=2)
    folder = folder_in(tmp_path)
    result = training.train(batch, folder, Counter(), devices=jax.devices()[:1])
    assert [event["event"] for event in folder.events.read()] == ["programs"] and "allocated_units" not in result.rows[
        0
    ]
    assert [one.survivors for one in result.networks] == [{}] * 2
    chex.assert_trees_all_equal_shapes_and_dtypes(network.init(0), *(one.params for one in result.networks))


IN_FLOAT64 = """
import dataclasses, pathlib, sys
import jax
import jax.numpy as jnp
import numpy as np
from helpers import shrinking as helpers
from jaxsize.training import train

assert jax.config.jax_enable_x64
double = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
results = []
for name, shrinking in (("small", helpers.EAGER), ("masked", None)):
    batch = helpers.make_batch(shrinking, runs=(0, 5))
    init = lambda index, init=batch.init: double(init(index))
    batch = dataclasses.replace(batch, init=init, hparams=double(batch.hparams))
    folder = helpers.folder_in(pathlib.Path(sys.argv[1], name))
    trained = train(batch, folder, helpers.Counter())
    results.append((trained, helpers.steps_of(folder, batch)))
    assert bool(helpers.events_of(folder, "compaction")) == (name == "small")
    kinds = {leaf.dtype for network in trained.networks for leaf in jax.tree.leaves(network.params)}
    assert kinds == {np.dtype(np.float64)}, kinds
(small, steps), (masked, masked_steps) = results
helpers.assert_rows_agree(helpers.rows_of(small), helpers.rows_of(masked), rtol=1e-9, atol=1e-12)
helpers.assert_networks_agree(small.networks, masked.networks, helpers.GATED.apply, rtol=1e-9, atol=1e-12)
np.testing.assert_array_equal(steps["observed"], masked_steps["observed"])
np.testing.assert_allclose(steps["loss"], masked_steps["loss"], rtol=1e-6)  # kept in single precision
print("agree")
"""


def test_in_double_precision_nothing_differs(tmp_path):
    paths = os.pathsep.join(map(str, (Path(jaxsize.__file__).parents[1], Path(__file__).parents[1])))
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": paths}
    command = [sys.executable, "-c", IN_FLOAT64, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == "agree\n", done.stderr
