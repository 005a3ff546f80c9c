"""The parts of `benchmarks.on_gpu` that run other programs: PyTorch, the kernels' tests, a study from end to end."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks._gpu_parts import SMOKE, Answer, Scale

ROOT = Path(__file__).parents[1]


def torch(scale: Scale, data_dir: str | None) -> Answer:
    """Time the epoch of `seeds` in PyTorch on the same device, both in full float32; compare the results."""
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"  # read by the processes that are started below
    from benchmarks._agreement import TOLERANCES, differences, require_close
    from benchmarks._seeds_jax import flat, make_problem
    from benchmarks._timing import medians, time_in_turns
    from benchmarks._workers import Worker

    problem = make_problem(scale.torch_runs, scale.steps, scale.batch_size)
    contenders = {
        "jaxsize": "benchmarks._seeds_jax:Jaxsize",
        "PyTorch, seed by seed": "benchmarks._seeds_torch:TorchLoop",
        "torch.func.vmap": "benchmarks._seeds_torch:TorchVmap",
    }
    workers: dict[str, Worker] = {}
    try:
        for name, contender in contenders.items():
            workers[name] = Worker(contender, problem, [range(scale.torch_runs)])
            workers[name].epoch(first=True)
        start = flat(problem.params)
        results = {name: worker.result() for name, worker in workers.items()}
        apart = require_close(results, lambda ours, other: differences(ours, other, start), TOLERANCES)
        measures = {name: worker.epoch for name, worker in workers.items()}
        time_in_turns(measures, 1)
        seconds = time_in_turns(measures, scale.repetitions)
    finally:
        for worker in workers.values():
            worker.close()
    answer = Answer(numbers={"runs": scale.torch_runs, "seconds": seconds, "differences": apart})
    typical = medians(seconds)
    for name, median in typical.items():
        times = f"{median / typical['jaxsize']:.2f} times jaxsize"
        answer.say(f"{name}, {scale.torch_runs} runs: an epoch", f"{median:.4f} s, {times}")
    return answer


def kernels(scale: Scale, data_dir: str | None) -> Answer:
    """Run the tests of `jaxsize.gates` on this device, in JAX's default precision and in full float32."""
    answer = Answer()
    for precision in ("highest", "default"):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "tests.xml")
            tests = ["tests/gates/test_leaves.py"] if scale is SMOKE else ["tests/gates"]
            apart = scale is not SMOKE and importlib.util.find_spec("xdist")
            workers = " -n 8 --dist load -p no:benchmark" if apart else ""  # pytest-benchmark warns beside xdist
            command = [sys.executable, "-m", "pytest", "-q", "-o", f"addopts=--import-mode=importlib{workers}"]
            subprocess.run(
                [*command, "-p", "no:cacheprovider", f"--junitxml={report}", *tests],
                cwd=ROOT,
                env=os.environ | {"JAX_DEFAULT_MATMUL_PRECISION": precision},
                stdout=sys.stderr,
            )
            cases = list(ElementTree.parse(report).getroot().iter("testcase"))
        failed = [
            {"test": case.get("name"), "message": (problem.get("message") or "")[:300]}
            for case in cases
            for problem in case
            if problem.tag in ("failure", "error")
        ]
        answer.numbers[precision] = {"tests": len(cases), "failed": failed}
        answer.say(f"tests of jaxsize.gates, {precision} precision", f"{len(cases)} run, {len(failed)} failed")
        for one in failed:
            answer.say(f"failed: {one['test']}", one["message"].split("\n")[0][:100])
    return answer


def study_digits(scale: Scale, data_dir: str | None) -> Answer:
    """Run `python -m experiments.sparsifier` as a person would, with nothing compiled before."""
    return _study(scale, "--dataset", "digits")


def study_mnist(scale: Scale, data_dir: str | None) -> Answer:
    """The same on MNIST, with its files from `data_dir`."""
    if data_dir is None:
        raise SystemExit("study_mnist: needs --data-dir DIR, with MNIST's files in DIR/mnist")
    return _study(scale, "--dataset", "mnist", "--data-dir", data_dir)


def _study(scale: Scale, *flags: str) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        smoke = ["--smoke"] if scale is SMOKE else []
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "experiments.sparsifier", *flags, "--out", f"{folder}/study", *smoke],
            cwd=ROOT,
            env=os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/programs"},
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - began
    print(done.stdout, file=sys.stderr)
    if done.returncode:
        raise SystemExit(f"experiments.sparsifier {' '.join(flags)} ended with exit status {done.returncode}")
    answer = Answer(numbers={"seconds": seconds, "output": done.stdout.replace(f"{folder}/study", "FOLDER")})
    answer.say(f"experiments.sparsifier {flags[0]} {flags[1]}, nothing compiled before", f"{seconds:.1f} s")
    return answer
