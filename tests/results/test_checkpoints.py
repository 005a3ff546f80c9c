"""checkpoints.py: bit-for-bit round trips, and refusal of anything else."""

import asyncio
import logging
import os
import random
import shutil
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from helpers.checkpoints import CONFIG, State, assert_same, some_state
from jax.sharding import NamedSharding, PartitionSpec

from jaxsize.results import _arrays as arrays
from jaxsize.results import checkpoints
from jaxsize.results.checkpoints import latest, restore, save


class Pair(NamedTuple):
    first: Any
    second: Any


def shapes(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


@pytest.fixture
def saved(tmp_path):
    save(tmp_path / "checkpoints", some_state(3), step=3, manifest=CONFIG)
    return tmp_path / "checkpoints"


# Round trips


def test_every_dtype_and_shape_comes_back_bit_for_bit(tmp_path):
    tree = {
        "float32": np.array([np.nan, -0.0, np.inf, 1e-45, np.float32(0.1)], np.float32),
        "nan payload": np.array([0x7FC00001, 0xFFC0BEEF], np.uint32).view(np.float32),
        "bfloat16": jnp.array([1.5, -0.0, jnp.nan], jnp.bfloat16),
        "float16": np.array([1.5], np.float16),
        "float8": np.ones(3, ml_dtypes.float8_e5m2),
        "float64": np.array(np.pi),
        "int64": np.array([2**62 + 1]),
        "uint32": np.array([0, 2**32 - 1], np.uint32),
        "bool": np.array([[True], [False]]),
        "scalars": (jnp.int32(7), np.float32(0.1), jnp.asarray(True)),
        "empty": [np.zeros((0, 3), np.float32), jnp.zeros((2, 0), jnp.bfloat16)],
        "complex": np.array([1 + 2j], np.complex64),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(12)[::-2],
        "none": None,
        "dots.and/slashes": {3: {"[0]": np.zeros(1)}},
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(1, impl="rbg"), 5),
        "no keys": jax.random.split(jax.random.key(2), 4)[:0],
    }
    save(tmp_path, tree, step=0, manifest=CONFIG)
    for template in (tree, shapes(tree)):
        restored = restore(tmp_path, template, manifest=CONFIG)
        assert_same(restored, tree)
    assert jax.random.normal(restored["key"], (3,)).tolist() == jax.random.normal(jax.random.key(3), (3,)).tolist()


def test_optimiser_states_and_sharded_arrays(tmp_path):
    assert jax.device_count() == 4
    mesh = jax.make_mesh((4,), ("run",), axis_types=(jax.sharding.AxisType.Auto,))
    placed = jax.device_put(jnp.arange(32.0).reshape(8, 4), NamedSharding(mesh, PartitionSpec("run")))
    params = [{"w": placed, "b": jnp.zeros(4, jnp.bfloat16)}, ()]
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.masked(optax.adam(1e-3), {"w": True, "b": False}))
    state = State(params, Pair(optimizer.init(params[0]), optax.sgd(0.1, 0.9).init(params)), np.int64(2))
    save(tmp_path, state, step=5, manifest=CONFIG)
    restored = restore(tmp_path, state, manifest=CONFIG)
    assert_same(restored, state)
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(restored))
    again = jax.device_put(restored.params[0]["w"], placed.sharding)
    assert again.sharding == placed.sharding and bool((again == placed).all())


@pytest.mark.parametrize("tree", [{}, (), np.float32(1.0), {"a": np.zeros((0, 2))}, [None, {}]])
def test_trees_of_few_leaves(tmp_path, tree):
    save(tmp_path, tree, step=0, manifest=None)
    assert_same(restore(tmp_path, tree, manifest=None), tree)


# Steps


def test_a_save_replaces_the_earlier_steps(tmp_path):
    assert latest(tmp_path / "none") is None
    for step in (0, 1, 12, 123456789):
        save(tmp_path, some_state(step), step=step, manifest=CONFIG)
        assert os.listdir(tmp_path) == [f"step_{step:08d}"] and latest(tmp_path) == step
        assert_same(restore(tmp_path, some_state(), manifest=CONFIG), some_state(step))
    assert_same(restore(tmp_path, some_state(), manifest=CONFIG, step=step), some_state(step))


def test_shapes_are_told_without_a_template(saved, tmp_path):
    tree = {"a": [np.zeros((2, 0)), jnp.ones(3, jnp.bfloat16)], "key": jax.random.key(0), "n": np.float32(1)}
    save(tmp_path / "new", tree, step=7, manifest=None)
    assert checkpoints.shapes(tmp_path / "new") == {"['a'][0]": (2, 0), "['a'][1]": (3,), "['key']": (), "['n']": ()}
    assert checkpoints.shapes(tmp_path / "new", step=7) == checkpoints.shapes(tmp_path / "new")
    leaves, _ = jax.tree_util.tree_flatten_with_path(some_state())
    assert checkpoints.shapes(saved) == {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in leaves}
    for directory, step in ((tmp_path / "none", None), (saved, 4)):
        with pytest.raises(ValueError, match="holds no checkpoint"):
            checkpoints.shapes(directory, step=step)
    record = saved / "step_00000003" / "manifest.json"
    for content in (record.read_bytes()[:-9], record.read_bytes().replace(b"kernel", b"colonel", 1)):
        record.write_bytes(content)
        with pytest.raises(ValueError, match="step_00000003 is damaged") as caught:
            checkpoints.shapes(saved)
        assert "\n" not in str(caught.value)


def test_a_renamed_checkpoint_or_one_without_manifest_is_refused(saved):
    (saved / "step_00000003").rename(saved / "step_00000099")
    with pytest.raises(ValueError, match=r"step_00000099 was renamed: it holds step 3$"):
        checkpoints.shapes(saved)
    (saved / "step_00000099" / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="step_00000099 is damaged"):
        checkpoints.shapes(saved)
    (saved / "step_00000099" / "manifest.json").unlink()
    with pytest.raises(ValueError, match="step_00000099 is damaged") as caught:
        checkpoints.shapes(saved)
    assert "\n" not in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_not_no_checkpoint(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "runs_0"):
        with pytest.raises(NotADirectoryError):
            latest(directory)


def test_incomplete_and_foreign_entries_are_no_checkpoints(saved):
    for name in (".aside_step_00000010", "step_x", "step_11"):
        (saved / name).mkdir()
    (saved / ".aside_step_00000010" / "manifest.json").touch()
    (saved / "step_00000012").touch()
    assert latest(saved) == 3
    assert_same(restore(saved, some_state(), manifest=CONFIG), some_state(3))
    save(saved, some_state(4), step=4, manifest=CONFIG)
    assert latest(saved) == 4 and not (saved / ".aside_step_00000010").exists()


def test_steps_only_grow(saved):
    for step in (3, 2, -1):
        with pytest.raises(ValueError, match="it must be later than 3"):
            save(saved, some_state(), step=step, manifest=CONFIG)
    assert_same(restore(saved, some_state(), manifest=CONFIG), some_state(3))


@pytest.mark.parametrize("step", [None, 4])
def test_no_checkpoint(saved, step):
    directory = saved if step else saved / "none"
    with pytest.raises(ValueError, match="holds no checkpoint" + (" of step 4" if step else "$")):
        restore(directory, some_state(), manifest=CONFIG, step=step)


# Refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.replace(epoch=np.zeros(1, np.int32)), r'leaf \.epoch: expected "int32\[1\]", found "int32\[\]"'),
        (lambda s: s.replace(epoch=np.int64(0)), r'leaf \.epoch: expected "int64\[\]", found "int32\[\]"'),
        (lambda s: s.replace(epoch=None), r'leaf \.epoch: expected absent, found "int32\[\]"'),
        (lambda s: s.replace(params=s.params | {"x": np.ones(2)}), r"leaf \.params\['x'\]: expected .*, found absent"),
        (
            lambda s: s.replace(opt_state=optax.sgd(0.1).init(s.params)),
            r"leaf .*: expected absent, found .*and \d+ more",
        ),
        (lambda s: s.replace(opt_state=list(s.opt_state)), r'container \.opt_state: expected "list", found "tuple"'),
        (lambda s: s.replace(opt_state=s.opt_state[:1]), r"container .*: expected absent, found \"EmptyState\""),
        (lambda s: s.replace(params=s.params | {"x": ()}), r'container .*: expected "tuple", found absent'),
    ],
)
def test_another_tree_is_refused_in_one_line(saved, change, message):
    with pytest.raises(ValueError, match="step_00000003 does not fit: " + message) as caught:
        restore(saved, change(some_state()), manifest=CONFIG)
    assert "\n" not in str(caught.value)


def test_an_optimiser_with_the_same_leaves_is_refused(tmp_path):
    params = {"w": jnp.ones(3)}
    save(tmp_path, optax.scale_by_adam().init(params), step=0, manifest=None)
    with pytest.raises(ValueError, match='expected "ScaleByBeliefState", found "ScaleByAdamState"'):
        restore(tmp_path, optax.scale_by_belief().init(params), manifest=None)


def test_another_config_is_refused(saved):
    same = {"seed": None, "rate": 0.1, "layers": [300, 100], "width": 64.0}
    assert_same(restore(saved, some_state(), manifest=same), some_state(3))
    for other, message in (
        (CONFIG | {"rate": 0.2}, "manifest rate: expected 0.2, found 0.1"),
        (CONFIG | {"layers": (300, 10)}, r"manifest layers\[1\]: expected 10, found 100"),
        (CONFIG | {"new": 1}, "manifest new: expected 1, found absent"),
        ({}, r"manifest width: expected absent, found 64 \(and 3 more\)"),
    ):
        with pytest.raises(ValueError, match=message):
            restore(saved, some_state(), manifest=other)


@pytest.mark.parametrize(
    "leaf", [1.0, "text", np.array(["a"]), np.array([None]), np.zeros(2, "datetime64[s]"), np.void(b"1")]
)
def test_leaves_that_are_no_numbers_are_refused_before_anything_is_written(tmp_path, leaf):
    with pytest.raises(ValueError, match=r"leaf \['a'\]\[0\] must"):
        save(tmp_path / "new", {"a": [leaf]}, step=0, manifest=None)
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        save(tmp_path / "new", {"a": np.ones(1)}, step=0, manifest={"a": object()})
    assert not (tmp_path / "new").exists()


def test_damage_of_any_file_is_noticed(saved, tmp_path, capfd):
    files = [path.relative_to(saved) for path in sorted(saved.rglob("*")) if path.is_file()]
    assert len(files) > 3
    rng = random.Random(0)
    for file in files:
        content = (saved / file).read_bytes()
        cut = content[: rng.randrange(len(content))] if content else b"x"
        flipped = bytearray(content or b"x")
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        for damage in (cut, bytes(flipped), None):
            shutil.copytree(saved, tmp_path / "copy")
            (tmp_path / "copy" / file).unlink()
            if damage is not None:
                (tmp_path / "copy" / file).write_bytes(damage)
            with pytest.raises(ValueError, match=r"step_00000003 is damaged|holds no checkpoint") as caught:
                restore(tmp_path / "copy", some_state(), manifest=CONFIG)
            assert "\n" not in str(caught.value)
            shutil.rmtree(tmp_path / "copy")
    assert capfd.readouterr() == ("", "")


def test_a_value_orbax_would_change_and_a_failure_of_orbax_are_noticed(saved, monkeypatch):
    def change(path):
        return {name: array + 1 for name, array in read_arrays(path).items()}

    read_arrays = arrays.read_arrays
    monkeypatch.setattr(checkpoints, "read_arrays", change)
    with pytest.raises(ValueError, match=r"step_00000003 is damaged: leaf .* is not what was saved"):
        restore(saved, some_state(), manifest=CONFIG)
    with pytest.raises(ValueError, match="step_00000003 is damaged: "):
        read_arrays(saved / "step_00000003" / "nothing")


def test_a_checkpoint_of_another_format_is_refused(saved, monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    with pytest.raises(ValueError, match="has checkpoint format 1, expected 2"):
        restore(saved, some_state(), manifest=CONFIG)


# Quiet


def test_saving_is_silent_and_changes_no_logging_or_warnings(tmp_path, capfd, caplog):
    logger = logging.getLogger("absl")
    caplog.set_level(logging.INFO, logger="absl")
    before = logger.level, list(warnings.filters)
    save(tmp_path, some_state(), step=0, manifest=CONFIG)
    restore(tmp_path, some_state(), manifest=CONFIG)
    assert capfd.readouterr() == ("", "") and not caplog.records
    assert (logger.level, list(warnings.filters)) == before


def test_saving_inside_an_event_loop(tmp_path):
    async def work():
        save(tmp_path, some_state(1), step=1, manifest=CONFIG)
        return restore(tmp_path, some_state(), manifest=CONFIG)

    assert_same(asyncio.run(work()), some_state(1))
