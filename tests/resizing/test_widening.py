"""widening.py: wider networks put out the same, train on as if they had been allocated wide, and survive a kill."""

import math

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
import scipy.special
from helpers.flexible import TEACHER, cross_entropy, forward, named, small_batch
from helpers.hparams import flexible_hparams
from helpers.shrinking import Counter, Stopped, events_of, folder_in, rows_of, share_programs

from jaxsize.data import load
from jaxsize.learners.flexible import FlexibleConfig, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.programs._program import Program
from jaxsize.programs.epoch import init_state
from jaxsize.resizing.buckets import bucket
from jaxsize.resizing.widening import Widening, widen
from jaxsize.results import checkpoints
from jaxsize.sweeps.sizes import units_needed
from jaxsize.training import _train as training
from jaxsize.training._widening import widened_state

INPUTS = TEACHER.test.inputs.astype(float)


def sized(params, *sizes):
    """These sizes, at a slope of 2: a gray zone of 4.6 units."""
    layers = zip(params["hidden"], sizes, strict=True)
    hidden = [layer | {"size": np.float32(size), "slope": np.float32(2)} for layer, size in layers]
    return params | {"hidden": hidden}


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    pairs=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=3), seed=st.integers(0, 99)
)
def test_widening_keeps_what_was_there_and_fills_with_what_is_fresh(pairs, seed):
    before, after = ([width + extra * more for width, extra in pairs] for more in (0, 1))
    old, fresh = (mlp((3, *widths, 2), gate="size").init(number) for widths, number in ((before, seed), (after, 100)))
    old = sized(old, *(-50.0 for _ in pairs))
    wide = named(widen(old, fresh))
    for leaf, value in named(old).items():
        corner = tuple(slice(size) for size in value.shape)
        np.testing.assert_array_equal(wide[leaf][corner], value)
        outside = np.ones(wide[leaf].shape, bool)
        outside[corner] = False
        np.testing.assert_array_equal(wide[leaf][outside], named(fresh)[leaf][outside])
        assert wide[leaf].shape == named(fresh)[leaf].shape


@pytest.mark.parametrize("sizes", [(-40.0, -40.0), (3.0, 2.0), (8.0, 5.0)])
def test_new_units_are_felt_only_as_far_as_their_gates_are_open(sizes):
    """Beyond the edge by d gray zones a gate is 99^-2d: nothing at first (size far below), then a bound by hand."""
    old, fresh = (mlp((3, *hidden, 3), gate="size").init(0) for hidden in ((20, 16), (48, 32)))
    old = sized(old, *sizes)
    wide = widen(old, sized(fresh, 5.0, 5.0))
    assert [float(layer["size"]) for layer in wide["hidden"]] == list(sizes)  # of the run, not of the fresh network
    moved = np.abs(forward(named(wide), INPUTS)[-1] - forward(named(old), INPUTS)[-1]).max()
    _, hidden, gates, _ = forward(named(wide), INPUTS)
    new = [(hidden[n] * gates[n])[:, width:].sum(axis=1).max() for n, width in enumerate((20, 16))]
    assert moved <= 2 * sum(new) + 1e-12  # weights are below 1
    assert moved > 0 and moved < 1e-6 if sizes[0] > 0 else moved < 1e-12


@pytest.mark.parametrize("order", ["none", "spread"])
def test_moments_of_new_units_are_zero_and_the_step_count_goes_on(order):
    config = FlexibleConfig(order=order, slope="trained")
    narrow, wide = (mlp((3, *hidden, 3), gate="size") for hidden in ((6, 5), (11, 7)))
    learners = [make_learner(network, TASKS["classification"], config) for network in (narrow, wide)]
    states = []
    for learner, network in zip(learners, (narrow, wide), strict=True):
        states.append(jax.device_get(init_state(learner, network.init(2), np.array(2, np.uint32), flexible_hparams())))
    old = jax.tree.map(lambda leaf: leaf + np.asarray(3, leaf.dtype), states[0])  # none of it is 0
    widened = widened_state(old, wide.init(2), states[1])
    chex.assert_trees_all_equal_shapes_and_dtypes(widened, states[1])
    for part in ("opt_state", "bookkeeping"):
        leaves = [jax.tree.leaves(getattr(state, part)) for state in (old, widened)]
        for small, large in zip(*leaves, strict=True):
            corner = tuple(slice(size) for size in small.shape)
            np.testing.assert_array_equal(large[corner], small)
            assert np.count_nonzero(large) == small.size  # and 0 elsewhere
    weights = widened.opt_state.inner_states["weights"].inner_state
    assert [int(part.count) for part in weights if hasattr(part, "mu")] == [3]
    assert (int(widened.epoch), int(widened.seed)) == (3, 5)


@pytest.mark.parametrize(
    ("old", "fresh"), [(np.ones((4, 3)), np.ones((4, 2))), (np.ones(3), np.ones((3, 3))), (np.ones((2, 2)), np.ones(4))]
)
def test_what_does_not_fit_is_refused(old, fresh):
    with pytest.raises(ValueError, match="widen: expected at most") as error:
        widen({"a": old}, {"a": fresh})
    assert str(list(fresh.shape)) in str(error.value) and str(list(old.shape)) in str(error.value)


def planned(wants, widths, **more):
    """Widths for runs that want so many units each: the runs stand for their wants."""
    return Widening(needed=lambda want: want, init=lambda index, hidden: None, **more).widths_for(widths, wants)


def test_widths_grow_for_the_run_that_needs_most_to_multiples_of_sixteen():
    assert planned([(10, 40), (30, 20)], (32, 40)) == (32, 40)  # enough
    assert planned([(10, 41), (33, 20)], (32, 40)) == (48, 64)  # half as many again: 48, and 60 rounded up
    assert planned([(500,)], (32,)) == (bucket(500),)
    assert planned([(33,)], (32,), factor=1.0) == (48,)
    assert planned([(33,)], (32,), factor=4.0) == (bucket(128),)


def test_no_layer_becomes_wider_than_the_most_nor_narrower_than_it_is():
    assert planned([(500,)], (32,), most=100) == (100,)
    assert planned([(500,)], (100,), most=100) == (100,)
    assert planned([(500, 90)], (200, 64), most=100) == (200, 100)  # allocated wider than that from the start


@pytest.mark.parametrize("size", [-30.0, 0.0, 31.5])
def test_units_needed_leave_gates_beyond_the_edge_shut(size):
    (units,) = units_needed(sized(mlp((3, 8, 3), gate="size").init(0), size))
    assert units == math.ceil(size + 4 * math.log(99) / 2) + 64
    assert scipy.special.expit(2 * (size - units)) < 1e-50
    (faster,) = units_needed(sized(mlp((3, 8, 3), gate="size").init(0), size), 10.0)
    assert faster == units + 9 * 64 and units_needed(sized(mlp((3, 8, 3), gate="size").init(0), size), 0.1) == [units]
    assert units_needed(sized(mlp((3, 8, 3), gate="size").init(0), math.nan)) == [1]  # diverged: nothing helps


# Studies: 24 units at first; the size of run 0 stays small, those of the others outgrow them

STUDY = load("teacher", seed=0, num_rows=256, num_inputs=3, width=8, num_classes=3)
SETTINGS = [
    {"start_size": 2.0, "slope": 2.0, "size_learning_rate": 0.05, "learning_rate": 0.02},
    {"start_size": 20.0, "slope": 2.0, "size_learning_rate": 1.0, "learning_rate": 0.02, "seed": 1},
    {"start_size": 24.0, "slope": 2.0, "size_learning_rate": 1.0, "learning_rate": 0.02, "seed": 2},
]
NUM_EPOCHS = 6
GROWING = small_batch(SETTINGS, hidden=(24,), widen=True, dataset=STUDY, num_epochs=NUM_EPOCHS)


@pytest.fixture(scope="module", autouse=True)
def programs():
    with pytest.MonkeyPatch.context() as patch:
        yield share_programs(patch)


def trained(folder, batch=GROWING, limit=None):
    return training.train(batch, folder, Counter(limit), devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = folder_in(tmp_path_factory.mktemp("whole"))
    return folder, trained(folder)


def steps_in(folder, batch=GROWING):
    return {key: np.load(folder.path / "steps" / f"{batch.name}.{key}.npy") for key in batch.histories}


def test_a_size_is_not_bounded_by_the_width_it_starts_with(whole):
    folder, result = whole
    widened = events_of(folder, "widening")
    widths = {event["epoch"]: list(event["cohorts"][0]["widths"].values()) for event in widened}
    assert len(widths) >= 2 and all(event["cohorts"][0]["runs"] == [0, 1, 2] for event in widened)
    allocated, expected = 24, []
    for epoch in range(1, NUM_EPOCHS + 1):
        rows = [row for row in result.rows if row["epoch"] == epoch]
        assert [row["allocated_units"] for row in rows] == [allocated] * 3
        needed = max(math.ceil(row["size"] + 4 * math.log(99) / 2) + 64 for row in rows)
        if needed > allocated:
            allocated = max(bucket(needed), bucket(int(1.5 * allocated)))
            expected.append((epoch, [allocated]))
    assert list(widths.items()) == expected
    last = result.rows[-3:]
    assert [row["size"] > 24 for row in last] == [False, True, True]
    for row, network in zip(last, result.networks, strict=True):
        layer = network.params["hidden"][0]
        assert layer["kernel"].shape == (3, allocated) and float(layer["size"]) == pytest.approx(row["size"])
        logits = forward(named(network.params), STUDY.test.inputs.astype(float))[-1]
        assert row["test_loss"] == pytest.approx(cross_entropy(logits, STUDY.test.targets), rel=1e-4)
    assert allocated >= last[2]["live_units"] > 24
    (programs,) = events_of(folder, "programs")
    assert programs["compiled"] == 1 + len(widened)


def test_a_run_far_from_its_edge_trains_as_if_it_had_been_allocated_wide(whole):
    """The twin has the narrow network's first weights in the corner of the wide one's: where a weight is drawn the
    scale depends on the width, so the wide network's own first weights are others."""
    folder, result = whole
    (width,) = events_of(folder, "widening")[0]["cohorts"][0]["widths"].values()
    wide = mlp((3, width, 3), gate="size")
    starts = [widen(GROWING.init(run), wide.init(SETTINGS[run].get("seed", 0))) for run in range(3)]
    options = {"dataset": STUDY, "num_epochs": NUM_EPOCHS, "start": starts.__getitem__}
    twin = small_batch(SETTINGS, hidden=(width,), **options)
    program = Program(twin, 3, jax.devices()[:1])
    state, losses, sizes, scores = program.start(range(3)), [], [], []
    for epoch in range(1, NUM_EPOCHS + 1):
        state, history, score = program.epoch(range(3), state, epoch)
        losses.append(np.asarray(history["loss"][0]))
        sizes.append(np.asarray(history["observed"][0, :, 0, 0]))
        scores.append(float(score["test"]["loss"][0]))
    steps = steps_in(folder)
    np.testing.assert_allclose(steps["loss"][0], np.concatenate(losses), rtol=1e-4)
    np.testing.assert_allclose(steps["size_0"][0], np.concatenate(sizes), rtol=1e-4)
    rows = [row["test_loss"] for row in result.rows if row["run"] == 0]
    np.testing.assert_allclose(rows, scores, rtol=1e-4)
    actual, expected = named(result.networks[0].params), named(jax.tree.map(lambda leaf: leaf[0], state.params))
    for leaf, value in expected.items():
        corner = tuple(slice(size) for size in value.shape)
        np.testing.assert_allclose(actual[leaf][corner], value, rtol=1e-3, atol=1e-5)
        moved = np.abs(value - named(starts[0])[leaf]).max()
        assert leaf[1] == "slope" or moved > 1e-2
    assert expected[0, "size"] < 12 and steps["size_0"][2].max() > 24  # the others did outgrow it


def test_stopped_and_resumed_a_study_that_widens_ends_with_the_same_rows(whole, tmp_path, monkeypatch):
    """Stopped after its first widening, then while the checkpoint after the last one is written: its event is there,
    and what it tells of is not."""
    first, expected = whole
    folder, last = folder_in(tmp_path), events_of(first, "widening")[-1]["epoch"]
    assert last > 1
    with pytest.raises(Stopped):
        trained(folder, limit=1)
    save = checkpoints.save

    def stop(directory, tree, *, step, manifest):
        if step == last:
            raise Stopped
        save(directory, tree, step=step, manifest=manifest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", stop)
        with pytest.raises(Stopped):
            trained(folder_in(tmp_path))
    assert len(events_of(folder, "widening")) == len(events_of(first, "widening"))
    result = trained(folder_in(tmp_path))
    assert rows_of(result) == rows_of(expected)
    assert [row["allocated_units"] for row in result.rows] == [row["allocated_units"] for row in expected.rows]
    assert events_of(folder, "widening") == events_of(first, "widening")
    for key, values in steps_in(first).items():
        np.testing.assert_array_equal(steps_in(folder)[key], values, err_msg=key)
    for network, other in zip(result.networks, expected.networks, strict=True):
        chex.assert_trees_all_equal(network.params, other.params, strict=True)
