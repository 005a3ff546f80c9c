"""What a gate on every unit costs: memory and time of a training step, against the same network without gates.

    python -m benchmarks.gate_cost

Promised: the gradient of the gated network takes at most 1.02 times the temporary memory of the ungated one (the
compiler's figure), and a training step (gradient and SGD) takes at most 1.05 times the time. The plain gate,
jax.nn.relu(x) * jax.nn.relu(liveness) with the gradient of automatic differentiation, is measured beside them: it is
not free. One quarter of all gates is exactly 0.

Checked first: the gradients of both forms of gate agree, at closed gates too.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks._timing import Promise, device_name, machine, medians, report, run, time_in_turns
from jaxsize.gates import relu
from jaxsize.networks import Network, conv, dense, init_conv, init_dense, init_gate, mlp, unit_gates
from jaxsize.text_tables import format_table

MOST_MEMORY, MOST_TIME = 1.02, 1.05
TOLERANCE = 1e-4
"""Largest difference of the two gradients that is allowed, per leaf and relative to the leaf's norm.

It is not 0, because sums in float32 are in another order.
"""
FORMS = ("no gate", "gate", "plain gate")

Tree = Any


@dataclasses.dataclass(frozen=True)
class Flags:
    """How often each form is timed."""

    repetitions: int = 31
    """Timings of each form; their median counts."""
    seconds: float = 0.1
    """Length of one timing, about: as many steps as fit in, at least one."""
    smoke: bool = False
    """Tiny sizes, to show that everything works; nothing is written."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A network in three forms that differ only in their gates, and the shape of its batch."""

    name: str
    networks: dict[str, Network]
    input_shape: tuple[int, ...]
    batch_size: int


def mlp_case(widths: tuple[int, ...], batch_size: int) -> Case:
    """Make the case of a multilayer perceptron of these widths, inputs and outputs included."""

    def plain(params: Tree, inputs: jax.Array) -> jax.Array:
        for layer in params["hidden"]:
            inputs = jax.nn.relu(dense(layer, inputs)) * jax.nn.relu(layer["liveness"])[None, :]
        return dense(params["output"], inputs)

    gated = mlp(widths)
    networks = {"no gate": mlp(widths, gate=None), "gate": gated, "plain gate": Network(gated.init, plain)}
    return Case("-".join(map(str, widths)), networks, widths[:1], batch_size)


def conv_case(channels: tuple[int, int, int], size: int, batch_size: int) -> Case:
    """Make the case of two convolutions of 3 x 3, the second with stride 2, and a dense layer with 10 outputs."""
    positions = math.ceil(size / 2) ** 2

    def init(seed: int, gated: bool) -> Tree:
        params = {}
        for layer, (inputs, units) in enumerate(itertools.pairwise(channels)):
            gate = init_gate(seed, f"conv.{layer}", units, "liveness" if gated else None)
            params[f"conv.{layer}"] = init_conv(seed, f"conv.{layer}", inputs, units) | gate
        return params | {"output": init_dense(seed, "output", positions * channels[-1], 10)}

    def apply(params: Tree, inputs: jax.Array) -> jax.Array:
        first, second = params["conv.0"], params["conv.1"]
        activations = relu(conv(first, inputs))
        activations = relu(conv(second, activations, unit_gates(first, channels[1]), strides=(2, 2)))
        gate = unit_gates(second, channels[2])
        flat = activations.reshape(len(inputs), -1)  # channels vary fastest
        return dense(params["output"], flat, None if gate is None else jnp.tile(gate, positions))

    def plain(params: Tree, inputs: jax.Array) -> jax.Array:
        def gated(layer: Tree, outputs: jax.Array) -> jax.Array:
            return jax.nn.relu(outputs) * jax.nn.relu(layer["liveness"]).reshape(1, 1, 1, -1)

        first, second = params["conv.0"], params["conv.1"]
        activations = gated(second, conv(second, gated(first, conv(first, inputs)), strides=(2, 2)))
        return dense(params["output"], activations.reshape(len(inputs), -1))

    networks = {
        "no gate": Network(lambda seed: init(seed, False), apply),
        "gate": Network(lambda seed: init(seed, True), apply),
        "plain gate": Network(lambda seed: init(seed, True), plain),
    }
    return Case("conv " + "-".join(map(str, channels)), networks, (size, size, channels[0]), batch_size)


CASES = (
    mlp_case((784, 2048, 2048, 10), 1024),
    mlp_case((784, 500, 10), 128),
    conv_case((1, 32, 64), 28, 128),
)


SMALL = (mlp_case((8, 16, 4), 8), conv_case((1, 4, 8), 8, 4))
SMOKE = {"repetitions": 1, "seconds": 1e-4}


def close_a_quarter(params: Tree) -> Tree:
    """Return parameters with gates drawn from (0, 1], of which every fourth is set to exactly 0."""

    def close(path: tuple, leaf: np.ndarray) -> np.ndarray:
        if getattr(path[-1], "key", None) != "liveness":
            return leaf
        gates = 1 - np.random.default_rng(0).random(leaf.shape, np.float32)
        return np.where(np.arange(leaf.size) % 4 == 0, np.float32(0), gates)

    return jax.tree_util.tree_map_with_path(close, params)


def measure(case: Case, flags: Flags, tolerance: float = TOLERANCE) -> tuple[dict[str, Any], list[Promise]]:
    """Check and measure one case, and return a row of results and the promises.

    Raises:
        SystemExit: when the gradients of both gates differ by more than `tolerance`.
    """
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((case.batch_size, *case.input_shape), np.float32)
    batch = jax.device_put((inputs, rng.integers(0, 10, case.batch_size, np.int32)))
    params = {form: jax.device_put(close_a_quarter(net.init(0))) for form, net in case.networks.items()}
    gradients = {form: _gradient(net).lower(params[form], *batch).compile() for form, net in case.networks.items()}

    ours, plain = (gradients[form](params[form], *batch)[1] for form in ("gate", "plain gate"))
    difference = _difference(ours, plain)
    if not difference <= tolerance:
        raise SystemExit(f"{case.name}: the gradients differ by {difference:.1e}, more than {tolerance:g}; not timed")

    memory = {form: compiled.memory_analysis().temp_size_in_bytes for form, compiled in gradients.items()}
    steps = {form: _step(net) for form, net in case.networks.items()}
    repeats = 1

    def train(form: str) -> None:
        for _ in range(repeats):
            params[form] = steps[form](params[form], *batch)
        jax.block_until_ready(params[form])

    measures: dict[str, Callable[[], object]] = {form: lambda form=form: train(form) for form in FORMS}
    time_in_turns(measures, 1)
    repeats = max(1, round(flags.seconds / max(medians(time_in_turns(measures, 3)).values())))
    seconds = {
        form: [s / repeats for s in values] for form, values in time_in_turns(measures, flags.repetitions).items()
    }
    typical = medians(seconds)

    row = {
        "case": case.name,
        "batch": [case.batch_size, *case.input_shape],
        "gradient_difference": difference,
        "temporary_bytes": memory,
        "steps_per_timing": repeats,
        "step_seconds": seconds,
        "median_step_seconds": typical,
    }
    return row, [
        Promise(f"{case.name}: memory", memory["gate"] / memory["no gate"], at_most=MOST_MEMORY),
        Promise(f"{case.name}: time", typical["gate"] / typical["no gate"], at_most=MOST_TIME),
    ]


def _gradient(network: Network) -> Any:
    def loss(params: Tree, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(network.apply(params, inputs), targets))

    return jax.jit(jax.value_and_grad(loss))


def _step(network: Network) -> Any:
    gradient = _gradient(network)

    def step(params: Tree, inputs: jax.Array, targets: jax.Array) -> Tree:
        _, by_params = gradient(params, inputs, targets)
        return jax.tree.map(lambda leaf, slope: leaf - 1e-4 * slope, params, by_params)

    return jax.jit(step, donate_argnums=0)


def _difference(ours: Tree, other: Tree) -> float:
    def of_leaf(a: jax.Array, b: jax.Array) -> float:
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))

    return max(jax.tree.leaves(jax.tree.map(of_leaf, ours, other)))


def main(flags: Flags) -> int:
    """Check, measure, print and write the results; return the exit status."""
    rows, promises, lines = [], [], []
    for case in SMALL if flags.smoke else CASES:
        row, judged = measure(case, flags)
        rows.append(row)
        promises += judged
        memory, typical = row["temporary_bytes"], row["median_step_seconds"]
        lines += [
            [
                f"{case.name}, batch {case.batch_size}: {form}",
                f"{memory[form] / 2**20:.2f}",
                f"{memory[form] / memory['no gate']:.3f}",
                f"{1e3 * typical[form]:.2f}",
                f"{typical[form] / typical['no gate']:.3f}",
            ]
            for form in FORMS
        ]
    print(format_table(["", "temporary MiB", "relative", "step, ms", "relative"], lines))
    row = machine() | {"device": device_name(), "dtype": "float32", "settings": dataclasses.asdict(flags)}
    return report(
        "gate_cost", device_name(), row | {"tolerance": TOLERANCE, "cases": rows}, promises, smoke=flags.smoke
    )


if __name__ == "__main__":
    run(main, Flags, SMOKE)
