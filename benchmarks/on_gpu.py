"""Everything worth measuring on a GPU, in one script of at most eight minutes.

    python -m benchmarks.on_gpu                             all parts
    python -m benchmarks.on_gpu --data-dir DIR              the study on MNIST too, from DIR/mnist
    python -m benchmarks.on_gpu --only seeds --minutes 2    some parts; the others keep the figures they have
    python -m benchmarks.on_gpu --smoke                     tiny sizes: shows that every part works, on a CPU too

Needs jax 0.10 or 0.11, flax, optax, orbax, scipy, scikit-learn, NumPy, tqdm and filelock. Some parts need more, and
are left out with a line that says so where it is missing: `penalty` mpmath; `kernels` pytest, hypothesis, mpmath and
chex; `torch` PyTorch; `study_digits` and `study_mnist` tyro, platformdirs, safetensors and matplotlib. jaxsize need not
be installed.

Promised: 30 runs take at most twice the time of 1. In full float32, all runs give the results of one run alone, and
those of a CPU, within the tolerances of `benchmarks.seeds`. A gate costs at most 1.02 times the memory and 1.05 times
the time. `size_penalty` is right to 1e-6. Every part is a process of its own: one that fails, or takes too long, leaves
the others alone. The results file is written after each.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks._timing import Promise, device_name, machine, report, report_path
from jaxsize.text_tables import format_table


@dataclasses.dataclass(frozen=True)
class Part:
    """A part: the packages it needs, and the most seconds it may take."""

    needs: tuple[str, ...] = ()
    seconds: int = 90


STUDY = ("tyro", "platformdirs", "safetensors", "matplotlib")
PARTS = {
    "ceilings": Part(),
    "seeds": Part(),
    "penalty": Part(("mpmath",)),
    "gate": Part(),
    "torch": Part(("torch",)),
    "study_digits": Part(STUDY, 120),
    "kernels": Part(("pytest", "hypothesis", "mpmath", "chex"), 150),
    "study_mnist": Part(STUDY, 240),
}


def run_here(name: str, smoke: bool, data_dir: str | None) -> dict[str, Any]:
    """Run one part in this process, and return its answer and the device as values that JSON has."""
    from benchmarks import _gpu_commands, _gpu_parts

    scale = _gpu_parts.SMOKE if smoke else _gpu_parts.Scale()
    part: Callable = getattr(_gpu_parts, name, None) or getattr(_gpu_commands, name)
    began = time.perf_counter()
    answer = part(scale, data_dir)
    return dataclasses.asdict(answer) | {"seconds": time.perf_counter() - began, "device": device_name()}


def run_apart(name: str, smoke: bool, data_dir: str | None, limit: float) -> dict[str, Any]:
    """Run one part in a process of its own, and return its answer, or {"failed": why}."""
    missing = [package for package in PARTS[name].needs if importlib.util.find_spec(package) is None]
    if missing:
        return {"failed": f"not run: {', '.join(missing)} not installed"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer.json")
        command = [sys.executable, "-m", "benchmarks.on_gpu", "--part", name, "--answer", str(path)]
        command += ["--smoke"] if smoke else []
        command += ["--data-dir", data_dir] if data_dir else []
        # Each process takes the memory it needs: those of PyTorch and of tests run at the same time.
        environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        try:
            done = subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, timeout=limit)
        except subprocess.TimeoutExpired:
            return {"failed": f"stopped after {limit:.0f} s"}
        if done.returncode:
            return {"failed": f"exit status {done.returncode}; its error is above"}
        return json.loads(path.read_text())


def write(answers: dict[str, dict[str, Any]], smoke: bool) -> int:
    """Print what the last part measured, write the results file, and return the exit status.

    Parts that the file holds from before, of the same versions, stay in it.
    """
    answered = [answer for answer in answers.values() if "failed" not in answer]
    name, last = list(answers.items())[-1]
    device = answered[0]["device"] if answered else "no device"
    print("\n" + format_table([name, device], last.get("lines") or [("", last["failed"])]), flush=True)
    failed = int(len(answered) < len(answers))
    if smoke or not answered:  # tiny sizes say nothing about speed
        return failed
    row = machine("torch") | {"device": device}
    with contextlib.suppress(FileNotFoundError):
        before = json.loads(report_path("on_gpu", device).read_text())
        if before["versions"] == row["versions"]:
            answers = {name: part for name, part in before["parts"].items() if name in PARTS} | answers
    measured = [answer for answer in answers.values() if "failed" not in answer]
    promises = [Promise(**promise) for answer in measured for promise in answer["promises"]]
    return max(report("on_gpu", device, row | {"parts": answers}, promises), failed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, one after the other; return the exit status: 1 when a promise is broken or a part failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_gpu", description="Measure jaxsize on a GPU.")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, nothing written")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts (default: all that have data)")
    parser.add_argument("--minutes", type=float, default=8, help="what does not fit is left out (default: 8)")
    parser.add_argument("--data-dir", help="the folder that holds mnist/, for the study on MNIST")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    flags = parser.parse_args(arguments)
    if flags.part:
        flags.answer.write_text(json.dumps(run_here(flags.part, flags.smoke, flags.data_dir)))
        return 0
    end, status = time.monotonic() + 60 * flags.minutes, 0
    answers: dict[str, dict[str, Any]] = {}
    for name in flags.only or [name for name in PARTS if flags.data_dir or name != "study_mnist"]:
        limit = min(PARTS[name].seconds, end - time.monotonic())
        print(f"{name}: at most {limit:.0f} s", flush=True)
        answers[name] = run_apart(name, flags.smoke, flags.data_dir, limit) if limit > 5 else {"failed": "no time left"}
        status = write(answers, flags.smoke)
    return status


if __name__ == "__main__":
    sys.exit(main())
