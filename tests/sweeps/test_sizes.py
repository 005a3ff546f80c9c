"""sizes.py: batches of settings in one program, what rows say, and networks cut to their trained sizes."""

import copy
import itertools
import math

import chex
import jax
import jax.monitoring
import numpy as np
import pytest
from helpers.flexible import TEACHER, cross_entropy, forward, named, ramp, run_of, small_batch
from helpers.shrinking import Counter, folder_in
from helpers.training import normal

from jaxsize.learners.flexible import FORMS, FlexibleConfig
from jaxsize.networks.mlp import mlp
from jaxsize.programs._program import Program
from jaxsize.sweeps.cutting import cut
from jaxsize.sweeps.sizes import DEFAULTS, IGNORED_START, live_units, size_columns
from jaxsize.training import _train as training
from jaxsize.units.reading import unit_groups

GRID = {
    "penalty": (0.0, 1e-3, 0.1),
    "start_size": (0.0, 5.0),
    "slope": (0.4, 3.0),
    "learning_rate": (1e-3, 1e-2),
    "size_learning_rate": (1.0, 0.1),
    "weight_decay": (0.0, 0.1),
    "seed": (0, 1),
}
CHANGES = [{name: value} for name, values in GRID.items() for value in values[1:]]
SETTINGS = [{}, *CHANGES, {name: values[-1] for name, values in GRID.items()} | {"arm": "all"}]


def sizes_of(folder, layer=0):
    return np.load(folder.path / "steps" / f"teacher.size_{layer}.npy")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(folder, Trained, names of the programs compiled while training) of a sweep over every setting, two layers."""
    names = []

    def listen(event, duration_secs, **kwargs):
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(kwargs["fun_name"])

    folder, batch = folder_in(tmp_path_factory.mktemp("swept")), small_batch(SETTINGS, hidden=(12, 9))
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        trained = training.train(batch, folder, Counter(), devices=jax.devices()[:2])
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return folder, trained, names


def test_a_sweep_of_every_setting_is_one_program(swept):
    folder, trained, names = swept
    assert names.count("jit(epoch)") == 1
    (event,) = [event for event in folder.events.read() if event["event"] == "programs"]
    assert event["compiled"] == 1 and event["runs"] == list(range(len(SETTINGS)))
    ends = {row["run"]: (row["train_loss"], row["size"]) for row in trained.rows if row["epoch"] == 3}
    assert len(set(ends.values())) == len(SETTINGS)  # every setting is felt


def test_rows_carry_every_setting_and_what_it_is_where_it_is_not_given(swept):
    _, trained, _ = swept
    for row in trained.rows:
        expected = {"group": "tests", "seed": 0, **DEFAULTS, **SETTINGS[row["run"]]}
        assert {key: row[key] for key in expected} == expected
    assert DEFAULTS["size_learning_rate"] == 1.0 and DEFAULTS["learning_rate"] == 1e-3  # J7


def test_rows_say_sizes_and_count_the_network_cut_there_by_hand(swept):
    folder, trained, _ = swept
    first, second = sizes_of(folder, 0), sizes_of(folder, 1)
    assert first.shape == (len(SETTINGS), 3 * 4)
    for row in trained.rows:
        pair = [sizes[row["run"], 4 * row["epoch"] - 1] for sizes in (first, second)]
        assert row["size_per_layer"] == pytest.approx(pair) and row["size"] == pytest.approx(sum(pair))
        assert row["slope_per_layer"] == pytest.approx([row["slope"]] * 2)
        zone = 2 * math.log(99) / row["slope"]
        live = [min(most, max(1, math.ceil(size + zone))) for size, most in zip(pair, (12, 9), strict=True)]
        assert row["live_units_per_layer"] == live and row["live_units"] == sum(live)
        assert row["parameters"] == 4 * live[0] + (live[0] + 1) * live[1] + (live[1] + 1) * 3
        assert row["multiply_adds"] == 3 * live[0] + live[0] * live[1] + live[1] * 3
    assert len({row["live_units"] for row in trained.rows}) > 3


def test_histories_hold_sizes_after_and_derivatives_before_every_step(swept):
    """Where weights are frozen and there is nothing but the penalty at start, Adam's first step is lr, downhill."""
    folder, _, _ = swept
    for layer in (0, 1):
        sizes = sizes_of(folder, layer)
        slopes = np.load(folder.path / "steps" / f"teacher.size_gradient_{layer}.npy")
        for run, setting in enumerate(SETTINGS):
            options = DEFAULTS | setting
            step = sizes[run, 0] - options["start_size"]
            np.testing.assert_allclose(step, -options["size_learning_rate"] * np.sign(slopes[run, 0]), rtol=1e-3)


def test_live_units_end_a_gray_zone_beyond_the_size():
    assert live_units(10.0, 1.0) == 20 and live_units(10.0, 1.0, 15) == 15  # 10 + 9.19
    assert live_units(-1e6, 1.0) == 1 and live_units(1e6, 1.0, 7) == 7
    assert live_units(3.0, 0.0, 40) == 40  # all gates are 1/2
    for size, slope in itertools.product((-3.2, 0.0, 4.9, 30.0), (0.4, 1.0, 7.0)):
        units = live_units(size, slope, 100)
        gates = ramp(size, slope, 100)
        assert (gates[units:] < 0.011).all() and (gates[: max(units - 2 * math.ceil(9.19 / slope) - 1, 0)] > 0.99).all()


def test_of_a_size_that_is_not_finite_nothing_is_counted():
    network = mlp((3, 12, 9, 3), gate="size")
    groups = unit_groups(network.apply, network.init(0), TEACHER.network_inputs(1))
    columns = size_columns(groups, ["hidden.0", "hidden.1"])
    for broken in (np.nan, np.inf):
        row = columns(np.zeros((3, 2)), np.array([[broken, 2.0], [1.0, 1.0], [12.0, 9.0]]))
        counts = [row[name] for name in ("live_units", "parameters", "multiply_adds")]
        assert np.isnan(counts).all() and "live_units_per_layer" not in row
        assert row["size_per_layer"][1] == 2.0 and not np.isfinite(row["size"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"start_size": math.nan}, "expected sizes up to 1e6"),
        ({"start_size": 1e300}, "expected sizes up to 1e6"),
        ({"start_size": -math.inf}, "expected sizes up to 1e6"),
        ({"slope": -0.1}, "slopes from 0 to 1e4"),
        ({"slope": 1.1e4}, "slopes from 0 to 1e4"),
        ({"slope": math.nan}, "slopes from 0 to 1e4"),
    ],
)
def test_starts_and_slopes_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        small_batch([{}, setting])


def test_widening_at_slope_zero_is_refused():
    """All gates are 1/2 there: no width is enough, and none is told by the size."""
    assert len(small_batch([{"slope": 0.0}])) == 1
    with pytest.raises(ValueError, match="at slope 0"):
        small_batch([{"slope": 0.0}], widen=True)


def test_an_ignored_start_is_one_whatever_was_asked_and_nothing_else_differs():
    """The erratum (E6): the same start for all, bit for bit the run that asks for 1."""
    starts, ends, program = (0.0, 1.0, 6.5), {}, None
    for ignored in (True, False):
        settings = [{"start_size": start, "penalty": 0.01, "seed": 3} for start in starts]
        batch = small_batch(settings, flexible=FORMS["original"], ignore_start=ignored)
        program = copy.copy(program) or Program(batch, 3, jax.devices()[:1])
        program.batch = batch
        state = program.start(range(3))
        honoured = [1.0 if ignored else start for start in starts]
        assert state.params["hidden"][0]["size"].tolist() == honoured
        assert state.bookkeeping["size"][:, 0].tolist() == honoured
        for epoch in (1, 2):
            state, history, _ = program.epoch(range(3), state, epoch)
        ends[ignored] = jax.tree.map(np.asarray, (state.params, state.opt_state, history))
    for run in range(3):
        chex.assert_trees_all_equal(run_of(ends[True], run), run_of(ends[False], 1), strict=True)
    kernels = ends[False][0]["hidden"][0]["kernel"]
    assert all((kernels[run] != kernels[1]).any() for run in (0, 2)) and IGNORED_START == 1.0


def test_networks_can_go_on_from_others_with_sizes_of_their_own():
    trained = mlp((3, 12, 3), gate="size", size=7.0).init(5)
    batch = small_batch([{"start_size": 2.0, "slope": 0.5}, {"seed": 9}], start=lambda index: trained)
    for run, (size, slope) in enumerate([(2.0, 0.5), (0.0, 1.0)]):
        expected = named(trained) | {(0, "size"): np.float64(size), (0, "slope"): np.float64(slope)}
        chex.assert_trees_all_equal(named(batch.init(run)), expected, strict=True)
    assert trained["hidden"][0]["size"] == 7.0


@pytest.mark.parametrize("hidden", [(40,), (40, 30), (20, 40, 30)], ids=["1 layer", "2 layers", "3 layers"])
def test_a_network_cut_to_its_sizes_puts_out_nearly_the_same(hidden):
    params = mlp((3, *hidden, 2), gate="size").init(1)
    for n, layer in enumerate(params["hidden"]):
        layer["size"], layer["slope"] = np.float32(6.3 + 4 * n), np.float32(1.0 + 0.5 * n)
    inputs = normal(0, 50, 3)
    small, moved = cut(mlp((3, 2), gate="size").apply, params, inputs)
    widths = [len(layer["bias"]) for layer in small["hidden"]]
    assert widths == [math.ceil(6.3 + 4 * n + 9.19024 / (1.0 + 0.5 * n)) for n in range(len(hidden))]
    before = named(params)
    for (n, name), value in named(small).items():
        rows = widths[n - 1] if n else 3
        whole = before[n, name]
        kept = whole[:rows, : value.shape[1]] if name == "kernel" else whole[: len(value)] if name == "bias" else whole
        np.testing.assert_array_equal(value, kept)
    outputs, less = (forward(named(tree), inputs.astype(float))[-1] for tree in (params, small))
    apart = np.abs(less - outputs).max() / np.abs(outputs).max()
    assert 0 < apart < 2e-4
    np.testing.assert_allclose(moved, apart, rtol=0.2, atol=1e-6)


def test_a_network_larger_than_its_layers_is_not_cut():
    params = mlp((3, 12, 2), gate="size", size=11.0).init(1)
    small, moved = cut(mlp((3, 2), gate="size").apply, params, normal(0, 50, 3))
    assert moved == 0 and {leaf: value.shape for leaf, value in named(small).items()} == {
        leaf: value.shape for leaf, value in named(params).items()
    }


def test_a_batch_of_three_layers_that_draws_and_orders_scores_the_ramp(tmp_path):
    """Evaluation is of the ramp at the slopes that are stored: float64 NumPy of the final networks."""
    config = FlexibleConfig(gate="bernoulli", estimator="straight_through", slope="random", order="spread")
    batch = small_batch([{}, {"seed": 1}], hidden=(6, 5, 4), flexible=config, num_epochs=2)
    trained = training.train(batch, folder_in(tmp_path), Counter(), devices=jax.devices()[:1])
    for network, row in zip(trained.networks, trained.rows[-2:], strict=True):
        logits = forward(named(network.params), TEACHER.test.inputs.astype(float))[-1]
        assert row["test_loss"] == pytest.approx(cross_entropy(logits, TEACHER.test.targets), rel=1e-4)
        assert row["slope_per_layer"] == [1.0] * 3 and row["epoch"] == 2
        assert row["size_per_layer"] == pytest.approx([float(layer["size"]) for layer in network.params["hidden"]])
