"""The parts of `benchmarks.on_gpu` that JAX computes: each measures one thing and returns an `Answer`.

A part is a function of a `Scale` and of the folder with data sets, if there is one; `on_gpu` runs each in a process of
its own.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import gate_cost
from benchmarks._agreement import TOLERANCES, Result, differences
from benchmarks._seeds_jax import Jaxsize, Problem, flat, make_problem
from benchmarks._timing import Promise, medians, time_in_turns

MOST_TIMES_ONE_RUN = 2.0
PRECISIONS = ("default", "highest")
"""JAX's matrix products of float32 on a GPU: in TF32 (10 bits of the significand), and in float32."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large everything is; `SMOKE` shows in seconds that all parts work."""

    runs: tuple[int, ...] = (1, 30, 300)
    torch_runs: int = 30
    steps: int = 100
    batch_size: int = 128
    repetitions: int = 7
    product: int = 8192
    copied_bytes: int = 2**31
    penalty_points: int = 3000
    gate_seconds: float = 0.05
    gate_cases: tuple[gate_cost.Case, ...] = gate_cost.CASES


SMOKE = Scale((1, 2, 3), 2, 4, 16, 1, 64, 2**12, 50, 1e-4, gate_cost.SMALL)


@dataclasses.dataclass
class Answer:
    """What a part measured: lines of text for a person, numbers for a file, and promises."""

    lines: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    numbers: dict[str, Any] = dataclasses.field(default_factory=dict)
    promises: list[Promise] = dataclasses.field(default_factory=list)

    def say(self, what: str, value: str) -> None:
        """Add a line."""
        self.lines.append((what, value))


def _seconds(work: Callable[[], object], repetitions: int) -> list[float]:
    """Time `work`, once it has compiled."""
    work()
    return time_in_turns({"": work}, repetitions)[""]


# --- Ceilings: what any program could reach here.


def ceilings(scale: Scale, data_dir: str | None) -> Answer:
    """Measure the rate of a large matrix product and of a large copy: the two limits of every program."""
    answer, side = Answer(), scale.product
    left, right = (jax.random.normal(jax.random.key(seed), (side, side)) for seed in range(2))
    for precision in PRECISIONS:
        product = jax.jit(lambda a, b, precision=precision: jnp.matmul(a, b, precision=precision))
        seconds = min(_seconds(lambda product=product: product(left, right).block_until_ready(), scale.repetitions))
        answer.numbers[f"product_{precision}"] = rate = 2 * side**3 / seconds
        answer.say(f"matrix product of float32, {precision} precision", f"{rate / 1e12:.3g} TFLOP/s")
    numbers = jnp.ones(scale.copied_bytes // 4)
    copy = jax.jit(lambda values: values + 1)
    seconds = min(_seconds(lambda: copy(numbers).block_until_ready(), scale.repetitions))
    answer.numbers["copy"] = rate = 2 * numbers.nbytes / seconds
    answer.say("copy, bytes read and written", f"{rate / 1e12:.3g} TB/s")
    return answer


# --- Many runs at once.


def seeds(scale: Scale, data_dir: str | None) -> Answer:
    """Time an epoch of the sparsifier with 1 run and with many, in both precisions; compare their results."""
    answer = Answer()
    problem = make_problem(max(scale.runs), scale.steps, scale.batch_size)
    start = {name: leaf[:1] for name, leaf in flat(problem.params).items()}
    host = _first_run(_epoch(Jaxsize(problem.only([0]), jax.devices("cpu")[:1])))
    for precision in PRECISIONS:
        jax.config.update("jax_default_matmul_precision", precision)
        learners, first, results = {}, {}, {}
        for count in scale.runs:
            began = time.perf_counter()
            learners[count] = Jaxsize(problem.only(range(count)))
            results[count] = _first_run(_epoch(learners[count]))
            first[count] = time.perf_counter() - began
        measures = {str(count): lambda one=learner: one.epoch(first=False) for count, learner in learners.items()}
        time_in_turns(measures, 1)
        seconds = time_in_turns(measures, scale.repetitions)
        _seeds_lines(answer, precision, scale, problem, seconds)
        apart = {f"{count} runs from 1": differences(results[1], results[count], start) for count in scale.runs[1:]}
        apart["1 run from the CPU"] = differences(host, results[1], start)
        answer.numbers[precision] |= {"first_epoch_seconds": first, "differences": apart}
        for name, distances in apart.items():
            answer.say(f"{precision} precision, {name}", " ".join(f"{k} {v:.1e}" for k, v in distances.items()))
            if precision == "highest":
                answer.promises += [
                    Promise(f"{name}: {key}", value, at_most=TOLERANCES[key]) for key, value in distances.items()
                ]
    return answer


def _epoch(learner: Jaxsize) -> Result:
    learner.epoch(first=True)
    return learner.result()


def _first_run(result: Result) -> Result:
    losses, params = result
    return losses[:1], {name: leaf[:1] for name, leaf in params.items()}


def _seeds_lines(
    answer: Answer, precision: str, scale: Scale, problem: Problem, seconds: dict[str, list[float]]
) -> None:
    """Write down seconds of an epoch by number of runs, and the least arithmetic and traffic that it needs."""
    flops = problem.only([0]).flops
    num_params = sum(leaf[0].size for leaf in jax.tree.leaves(problem.params))
    traffic = scale.steps * num_params * 4 * 7  # Adam reads weights, gradients and two moments and writes all but one
    typical = medians(seconds)
    for name, median in typical.items():
        count = int(name)
        rates = f"{count * flops / median / 1e12:.3g} TFLOP/s, {count * traffic / median / 1e12:.3g} TB/s"
        answer.say(f"{precision} precision, {count} run{'s' * (count > 1)}: an epoch", f"{median:.4f} s; {rates}")
    answer.numbers[precision] = {"seconds": seconds, "flops_per_run": flops, "bytes_per_run": traffic}
    one, many = typical["1"], str(scale.runs[1])
    what = f"{precision} precision: time of {many} runs over that of 1"
    answer.promises.append(Promise(what, typical[many] / one, at_most=MOST_TIMES_ONE_RUN))


# --- Gates.


def gate(scale: Scale, data_dir: str | None) -> Answer:
    """Measure what a gate costs, as `benchmarks.gate_cost` does, in both precisions."""
    answer = Answer()
    flags = gate_cost.Flags(repetitions=2 * scale.repetitions + 1, seconds=scale.gate_seconds)
    for precision in PRECISIONS:
        tolerance = gate_cost.TOLERANCE if precision == "highest" else 0.1  # sums of values rounded to 5e-4
        rows = []
        with jax.default_matmul_precision(precision):
            for case in scale.gate_cases:
                row, promises = gate_cost.measure(case, flags, tolerance)
                rows.append(row)
                answer.promises += [dataclasses.replace(p, what=f"{precision}: {p.what}") for p in promises]
                milliseconds = {form: 1e3 * s for form, s in row["median_step_seconds"].items()}
                text = ", ".join(f"{form} {ms:.3g} ms" for form, ms in milliseconds.items())
                answer.say(f"{precision} precision, {case.name}", text)
        answer.numbers[precision] = rows
    return answer


def penalty(scale: Scale, data_dir: str | None) -> Answer:
    """Measure the largest relative error of `size_penalty` and its gradient against mpmath, compiled."""
    import mpmath

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from helpers.size_penalty_reference import DIGITS, edge_points, exact, largest_relative_error, random_points

    from jaxsize.gates import size_penalty

    answer = Answer()
    points = np.concatenate([random_points(scale.penalty_points, seed=1), edge_points()]).astype(np.float32)
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(size_penalty, argnums=(0, 1, 2))))(*points.T)
    names = ("value", "by size", "by slope", "by width")
    with mpmath.workdps(DIGITS["float32"]):
        wanted = zip(*[exact(*point) for point in points], strict=True)
        for name, got, target in zip(names, (value, *gradient), wanted, strict=True):
            error = largest_relative_error(got, target, "float32")
            answer.numbers[name] = error
            answer.say(f"size_penalty, {name}: largest relative error", f"{error:.2e} over {len(points)} points")
            answer.promises.append(Promise(f"size_penalty, {name}", error, at_most=1e-6))
    return answer
