"""Small batches that are trained with and without removing dead units, and what they leave."""

import copy
import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path

from helpers.hparams import sparsifier_hparams
from helpers.networks import mlp_sizes
from jaxsize.data import load
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.counts import num_mlp_parameters
from jaxsize.networks.mlp import mlp
from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.config import Config
from jaxsize.programs.run_axis import RunAxis
from jaxsize.resizing.shrinking import Shrinking
from jaxsize.results.folder import open_folder
from jaxsize.sweeps.columns import gate_columns
from jaxsize.training import _compiler as compiler
from jaxsize.training import _teams as teams
from jaxsize.training import _train as training
from jaxsize.training.progress import Progress

TEACHER = load("teacher", seed=0, num_rows=60, num_inputs=3, width=2, num_classes=3)
WIDTHS, NUM_EPOCHS = (3, 8, 6, 3), 5
SETTINGS = [(penalty, seed) for penalty in (0.0, 0.03, 1.0) for seed in (0, 1)]
EAGER = Shrinking(program_cost=0, multiple=1, factor=4, hysteresis=0, ahead=False)  # widths 1, 4 and what there is
FEW_WIDTHS = dataclasses.replace(EAGER, min_width=4)  # 4 and what there is, so that few programs are compiled
GATED = mlp(WIDTHS, liveness="uniform")


class Stopped(Exception):
    pass


class Counter(Progress):
    """Counts epochs; stops the program after `limit` of them."""

    def __init__(self, limit=None):
        super().__init__(0)
        self.epochs, self.limit = 0, limit

    def advance(self, name, num_epochs, rows=()):
        super().advance(name, num_epochs, rows)
        self.epochs += num_epochs
        if self.epochs == self.limit:
            raise Stopped


@functools.cache
def learner_of(network=GATED, config=FORMS["corrected"]):
    return make_learner(network, TASKS["classification"], config)


def make_batch(
    shrinking,
    network=GATED,
    config=FORMS["corrected"],
    gates=("hidden.0", "hidden.1"),
    runs: Sequence[int] = range(6),
    **changes,
):
    """Some of six runs: three penalties, the largest of which closes all gates, with two seeds each."""
    penalties = np.array([SETTINGS[run][0] for run in runs], np.float32)
    same = np.ones_like(penalties)
    columns = gate_columns(gates, lambda live: mlp_sizes(3, live, 3), [gate for gate in gates if gate == "inputs"])
    settings = {
        "name": "teacher",
        "labels": [{"run": 10 + run, "seed": SETTINGS[run][1], "penalty": SETTINGS[run][0]} for run in runs],
        "init": lambda index: network.init(SETTINGS[runs[index]][1]),
        "num_parameters": num_mlp_parameters(WIDTHS),
        "hparams": sparsifier_hparams(
            learning_rate=0.01 * same, penalty_weight=penalties, gate_learning_rate=0.05 * same
        ),
        "learner": learner_of(network, config),
        "dataset": TEACHER,
        "config": Config(batch_size=16),
        "num_epochs": NUM_EPOCHS,
        "columns": columns if gates else lambda before, after: {},
        "shrinking": shrinking,
    }
    return Batch(**settings | changes)


def share_programs(patch):
    """What is compiled once serves every batch with the same learner, data and shapes. Returns the programs.

    So do the unit groups of the network, and which of them can lose units.
    """
    programs, read, tried = {}, {}, {}

    def shapes_of(params):
        return tuple((keystr(path), leaf.shape, leaf.dtype) for path, leaf in tree_leaves_with_path(params))

    def unit_groups(outputs, params, inputs):
        key = (outputs, shapes_of(params), inputs.shape)
        if key not in read:
            read[key] = read_groups(outputs, params, inputs)
        return read[key]

    def removable(batch, learner, groups, params, loss_fn):
        key = (id(learner), shapes_of(params))
        if key not in tried:
            tried[key] = learner, find_removable(batch, learner, groups, params, loss_fn)
        return tried[key][1]

    read_groups, find_removable = teams.unit_groups, teams.removable
    patch.setattr(teams, "unit_groups", unit_groups)
    patch.setattr(teams, "removable", removable)

    def program(batch, num_runs, devices=(), *, params=None, data=None):
        shapes = params and shapes_of(params)
        used = RunAxis(num_runs, tuple(devices)).devices
        key = (id(batch.learner), id(batch.dataset), batch.config, num_runs, used, shapes)
        if key not in programs:
            programs[key] = Program(batch, num_runs, devices, params=params, data=data)
        of_batch = copy.copy(programs[key])
        of_batch.batch = batch
        if data is not None:
            of_batch.data = of_batch.axis.replicate(data)
        return of_batch

    patch.setattr(training, "Program", program)
    patch.setattr(compiler, "Program", program)
    return programs


def folder_in(path):
    return open_folder(path / "out", {}, resume=True)


def rows_of(trained):
    """Rows by run and epoch, without what tells how and how fast they came about."""
    left_out = ("seconds", "run_seconds", "allocated_units")
    rows = sorted(trained.rows, key=lambda row: (row["run"], row["epoch"]))
    return [{key: value for key, value in row.items() if key not in left_out} for row in rows]


def steps_of(folder, batch):
    return {name: np.load(folder.path / "steps" / f"{batch.name}.{name}.npy") for name in ("loss", "observed")}


def events_of(folder, kind):
    """Events of a kind by epoch, runs and gate, without how long they took."""
    events = [
        {key: value for key, value in event.items() if not key.endswith("seconds")}
        for event in folder.events.read()
        if event["event"] == kind
    ]
    return sorted(events, key=lambda event: (event["epoch"], event["runs"], event.get("gate")))


def assert_rows_agree(rows, expected, rtol=1e-4, atol=1e-5):
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for key, value in row.items():
            if isinstance(value, float):
                np.testing.assert_allclose(value, other[key], rtol=rtol, atol=atol, err_msg=key)
            else:
                assert value == other[key], key


def assert_networks_agree(small, masked, apply, rtol=1e-4, atol=1e-5, is_live=lambda gate: gate > 0):
    """The small networks are the masked ones without their dead units; a layer keeps at least one."""
    inputs = jnp.asarray(TEACHER.test.inputs)
    for network, whole in zip(small, masked, strict=True):
        assert whole.survivors == {}
        outputs = jax.jit(apply)
        np.testing.assert_allclose(
            outputs(network.params, inputs), outputs(whole.params, inputs), rtol=10 * rtol, atol=10 * atol
        )
        before = None
        layers = zip(network.params["hidden"], whole.params["hidden"], strict=True)
        for number, (layer, full) in enumerate(layers):
            live, everything = np.flatnonzero(is_live(full["liveness"])), np.arange(WIDTHS[number + 1])
            units = network.survivors.get(f"hidden.{number}", everything)
            assert units is everything or units.tolist() == live.tolist() or (live.size == 0 and units.size == 1)
            kernel = full["kernel"] if before is None else full["kernel"][before]
            np.testing.assert_allclose(layer["kernel"], kernel[:, units], rtol=rtol, atol=atol)
            for name in ("bias", "liveness"):
                np.testing.assert_allclose(layer[name], full[name][units], rtol=rtol, atol=atol)
            before = units
        kernel = whole.params["output"]["kernel"][before]
        np.testing.assert_allclose(network.params["output"]["kernel"], kernel, rtol=rtol, atol=atol)
