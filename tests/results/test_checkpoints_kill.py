"""checkpoints.py: full disks, and kills at any moment, leave one complete checkpoint."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.checkpoints import CONFIG, assert_same, some_state
from helpers.files import full_disk

from jaxsize.results import checkpoints
from jaxsize.results.checkpoints import latest, restore, save


@pytest.fixture
def saved(tmp_path):
    save(tmp_path / "checkpoints", some_state(3), step=3, manifest=CONFIG)
    return tmp_path / "checkpoints"


def test_a_full_disk_leaves_the_last_checkpoint(saved):
    with full_disk(20_000), pytest.raises(OSError, match="could not be written"):
        save(saved, {"w": np.random.default_rng(0).normal(size=100_000)}, step=4, manifest=CONFIG)
    assert os.listdir(saved) == ["step_00000003"]
    assert_same(restore(saved, some_state(), manifest=CONFIG), some_state(3))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize(
    ("module", "name", "call", "survivor"),
    [
        (checkpoints, "write_arrays", 1, 3),
        (checkpoints, "write_json", 1, 3),
        (os, "replace", 2, 3),  # the first renames manifest.json
        (os, "replace", 3, 4),
        (shutil, "rmtree", 1, 4),
    ],
)
def test_a_stop_at_any_step_leaves_one_complete_checkpoint(saved, monkeypatch, module, name, call, survivor, cleaned):
    original, calls = getattr(module, name), []

    def stop(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            if not cleaned:  # as after SIGKILL
                monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, stop)
    with pytest.raises(Killed):
        save(saved, some_state(4), step=4, manifest=CONFIG)
    assert len(calls) == call
    monkeypatch.undo()
    assert latest(saved) == survivor
    assert_same(restore(saved, some_state(), manifest=CONFIG), some_state(survivor))
    save(saved, some_state(5), step=5, manifest=CONFIG)
    assert os.listdir(saved) == ["step_00000005"]


SAVE_FOREVER = """
import sys
import numpy as np
import orbax.checkpoint
from jaxsize.results.checkpoints import latest, save

input()  # wait to be told
step = -1 if latest(sys.argv[1]) is None else latest(sys.argv[1])
while True:
    step += 1
    save(sys.argv[1], [np.full((64, 64), step + i, np.float32) for i in range(8)], step=step, manifest={"a": 1})
    print(step, flush=True)
"""


def test_sigkill_while_saving_leaves_a_complete_checkpoint(tmp_path):
    rng = random.Random(1)
    template = [np.zeros((64, 64), np.float32)] * 8
    environment = os.environ | {"PYTHONPATH": str(Path(checkpoints.__file__).parents[2])}
    command, pipe = [sys.executable, "-c", SAVE_FOREVER, str(tmp_path)], subprocess.PIPE

    def start():
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)

    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(start()) for _ in range(5)]  # they start up together, then take turns
        for child in children:
            assert child.stdin is not None and child.stdout is not None and child.stderr is not None
            child.stdin.write(b"\n")
            child.stdin.flush()
            first = child.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.15))
            child.send_signal(signal.SIGKILL)
            lines = (first + child.stdout.read()).split(b"\n")[:-1]
            assert child.stderr.read() == b"" and lines
            step = latest(tmp_path)
            assert step in (int(lines[-1]), int(lines[-1]) + 1)
            restored = restore(tmp_path, template, manifest={"a": 1})
            assert_same(restored, [np.full((64, 64), step + i, np.float32) for i in range(8)])
