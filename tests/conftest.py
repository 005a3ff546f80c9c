"""Stricter than users' code: warnings are errors (pyproject.toml), ranks never promote, a key is used once."""

import atexit
import gc
import json
import os
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from helpers.compiling import compile_quickly

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers, and the processes that tests start, inherit it
    # What one test has compiled no other compiles again: most of the time of the suite is XLA's.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxsize-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"  # programs need not know which lines they came from
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # every core has a worker of its own
    compile_quickly()

import jax
import jsonschema
import pytest

gc.set_threshold(50_000, 20, 20)  # tracing makes many small objects, and looking through them took a tenth of the time
jax.config.update("jax_num_cpu_devices", 4)  # the run axis is tested on several devices, whatever the machine has
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture(scope="session", autouse=True)
def save_every_epoch():
    """Every epoch is saved, however short: what is saved is tested. Standard error says nothing of progress."""
    from jaxsize.training import _loop as loop
    from jaxsize.training import progress

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVE_SECONDS", 0.0)
        patch.setattr(progress, "PIPED_SECONDS", float("inf"))  # a slow machine says no more than a fast one
        yield


@pytest.fixture
def command(request, monkeypatch, capsys):
    """Runs an experiment's command in this process: (exit status, standard output, standard error).

    That of the sparsifier, unless the test's module has another `COMMAND`.
    """
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")

    from experiments import sparsifier

    default = getattr(request.module, "COMMAND", sparsifier.COMMAND)

    def call(*arguments, study=default):
        status = study.main(list(arguments))
        if status == 0 and "--out" in arguments:  # every study's summary is of the one form
            folder = Path(arguments[arguments.index("--out") + 1])
            schema = json.loads((files("jaxsize.studies") / "summary.schema.json").read_text())
            jsonschema.Draft202012Validator(schema).validate(json.loads((folder / "summary.json").read_text()))
        return (status, *capsys.readouterr())

    return call
