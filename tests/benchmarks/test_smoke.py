"""Every benchmark works, at sizes that say nothing about speed; none writes a results file then."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks

ROOT = Path(benchmarks.__file__).parents[1]
MORE = {"on_gpu": ["--only", "penalty"]}  # the others take longer, and are what other benchmarks and tests run
NAMES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]


@pytest.mark.parametrize("name", NAMES)
def test_benchmark_works(name):
    before = {path: path.stat().st_mtime_ns for path in ROOT.glob("benchmarks/results/*")}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--smoke", *MORE.get(name, [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in ROOT.glob("benchmarks/results/*")}
    assert importlib.import_module(f"benchmarks.{name}").__doc__
