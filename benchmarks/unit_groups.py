"""How long `unit_groups` takes, in times that one trace of the network takes.

    python -m benchmarks.unit_groups

Promised, for networks of Flax Linen of the size of GPT-2 small and of ResNet-50, with a gate on every inner unit and
modules that fix other sizes themselves: at most 10 times one trace in the same run, which is below 4 seconds on a
quiet machine, where a trace takes .2 to .4 s. For the transformer with 3, 6, 12 and 24 layers, the times per layer at
24 are at most 1.5 times those at 6: the time is linear in depth. Only shapes are traced; times are those that the
process spends on its processor.

Checked first: exactly the gated groups can be removed.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from benchmarks._timing import Promise, device_name, machine, medians, report, run
from jaxsize.text_tables import format_table
from jaxsize.units import unit_groups

MOST_TRACES, MOST_GROWTH = 10, 1.5


@dataclasses.dataclass(frozen=True)
class Flags:
    """How often each network is read."""

    repetitions: int = 3
    """Readings and traces of each network; their medians count."""
    smoke: bool = False
    """Tiny networks, to show that everything works; nothing is written."""


def gate(module: nn.Module, units: int) -> jax.Array:
    """Make the gate of a module's units."""
    return nn.relu(module.param("liveness", nn.initializers.ones, (units,)))


class Block(nn.Module):
    """A block of a transformer, with a gate on the units of its perceptron."""

    units: int
    heads: int

    @nn.compact
    def __call__(self, stream: jax.Array) -> jax.Array:
        mask = nn.make_causal_mask(jnp.ones(stream.shape[:2]))
        stream = stream + nn.MultiHeadDotProductAttention(self.heads)(nn.LayerNorm()(stream), mask=mask)
        units = nn.gelu(nn.Dense(self.units)(nn.LayerNorm()(stream))) * gate(self, self.units)
        return stream + nn.Dense(stream.shape[-1])(units)


class Transformer(nn.Module):
    """A language model whose blocks have these numbers of units."""

    units: tuple[int, ...]
    width: int
    heads: int
    words: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        embedding = nn.Embed(self.words, self.width)
        stream = embedding(tokens)
        for number, units in enumerate(self.units):
            stream = Block(units, self.heads, name=f"block{number}")(stream)
        return embedding.attend(nn.LayerNorm()(stream))


class Bottleneck(nn.Module):
    """A block of a residual network: 1 x 1, 3 x 3 and 1 x 1, with gates on the units of the first two."""

    units: tuple[int, int]
    stride: int

    @nn.compact
    def __call__(self, stream: jax.Array, out: int) -> jax.Array:
        def norm(values: jax.Array) -> jax.Array:
            return nn.BatchNorm(use_running_average=True)(values)

        first, second = self.units
        units = nn.relu(norm(nn.Conv(first, (1, 1), use_bias=False)(stream)))
        units = units * nn.relu(self.param("a_liveness", nn.initializers.ones, (first,)))
        units = nn.relu(norm(nn.Conv(second, (3, 3), (self.stride, self.stride), use_bias=False)(units)))
        units = units * nn.relu(self.param("b_liveness", nn.initializers.ones, (second,)))
        units = norm(nn.Conv(out, (1, 1), use_bias=False)(units))
        if stream.shape != units.shape:
            stream = norm(nn.Conv(out, (1, 1), (self.stride, self.stride), use_bias=False)(stream))
        return nn.relu(stream + units)


class Residual(nn.Module):
    """A residual network; units: of every block of every stage; a stage has 4 times its first width as output."""

    units: tuple[tuple[tuple[int, int], ...], ...]
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        stream = nn.Conv(self.widths[0], (7, 7), (2, 2), use_bias=False)(images)
        stream = nn.relu(nn.BatchNorm(use_running_average=True)(stream))
        for stage, blocks in enumerate(self.units):
            for number, units in enumerate(blocks):
                stride = 2 if number == 0 and stage else 1
                stream = Bottleneck(units, stride, name=f"stage{stage}block{number}")(stream, 4 * self.widths[stage])
        return nn.Dense(1000)(stream.mean((1, 2)))


@dataclasses.dataclass(frozen=True)
class Case:
    """A network as a function of its parameters, with shapes of its arguments and how many groups can be removed."""

    name: str
    apply: Callable[..., Any]
    params: Any
    inputs: jax.ShapeDtypeStruct
    groups: int


def transformer(layers: int, width: int = 768, heads: int = 12, words: int = 50257) -> Case:
    """Make the case of a transformer, by default as wide as GPT-2 small."""

    def network(units: tuple[int, ...]) -> Transformer:
        return Transformer(units, width, heads, words)

    def apply(params: Any, tokens: jax.Array) -> Any:
        units = tuple(params[f"block{number}"]["liveness"].shape[0] for number in range(layers))
        return network(units).apply({"params": params}, tokens)

    tokens = jax.ShapeDtypeStruct((1, 128), jnp.int32)
    params = jax.eval_shape(network((4 * width,) * layers).init, jax.random.key(0), tokens)["params"]
    return Case(f"transformer, {layers} layers", apply, params, tokens, layers)


def residual(depths: tuple[int, ...] = (3, 4, 6, 3), widths: tuple[int, ...] = (64, 128, 256, 512)) -> Case:
    """Make the case of a residual network, by default ResNet-50."""

    def network(units: tuple[tuple[tuple[int, int], ...], ...]) -> Residual:
        return Residual(units, widths)

    def apply(variables: Any, images: jax.Array) -> Any:
        blocks = [[variables["params"][f"stage{s}block{n}"] for n in range(depth)] for s, depth in enumerate(depths)]
        units = tuple(tuple((b["a_liveness"].shape[0], b["b_liveness"].shape[0]) for b in stage) for stage in blocks)
        return network(units).apply(variables, images)

    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    full = tuple(((width, width),) * depth for width, depth in zip(widths, depths, strict=True))
    variables = jax.eval_shape(network(full).init, jax.random.key(0), images)
    return Case(f"residual, {3 * sum(depths) + 2} layers", apply, variables, images, 2 * sum(depths))


def measure(case: Case, repetitions: int) -> dict[str, list[float]]:
    """Check what is read off a case, and return the seconds of every trace and of every reading, taken in turns.

    Raises:
        SystemExit: when other groups can be removed than those with gates.
    """

    def is_gate(name: str) -> bool:
        return name.endswith("liveness")

    def trace() -> None:
        jax.make_jaxpr(lambda *arguments: case.apply(*arguments))(case.params, case.inputs)

    groups = unit_groups(case.apply, case.params, case.inputs, is_gate=is_gate)
    removable = sum(group.exact for group in groups.groups.values())
    if removable != case.groups:
        raise SystemExit(f"{case.name}: {removable} groups can be removed, expected {case.groups}; not timed")

    def read() -> None:  # of a new function, since JAX remembers the traces of one that it knows
        unit_groups(lambda *arguments: case.apply(*arguments), case.params, case.inputs, is_gate=is_gate)

    measures = {"trace": trace, "groups": read}
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repetitions):
        for name, call in measures.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return seconds


def main(flags: Flags) -> int:
    """Check, measure, print and write the results; return the exit status."""
    if flags.smoke:
        cases = [transformer(2, width=12, heads=3, words=20), residual((1, 2), (4, 6))]
    else:
        cases = [*(transformer(layers) for layers in (3, 6, 12, 24)), residual()]
    rows, promises, lines, per_layer = [], [], [], {}
    for case in cases:
        seconds = measure(case, flags.repetitions)
        typical = medians(seconds)
        ratio = typical["groups"] / typical["trace"]
        rows.append({"case": case.name, "seconds": seconds, "traces": ratio})
        lines.append([case.name, f"{typical['trace']:.2f}", f"{typical['groups']:.2f}", f"{ratio:.1f}"])
        per_layer[case.name] = typical["groups"] / case.groups
        promises.append(Promise(f"{case.name}: traces", ratio, at_most=MOST_TRACES))
    if not flags.smoke:
        growth = per_layer["transformer, 24 layers"] / per_layer["transformer, 6 layers"]
        promises.append(Promise("transformer: seconds per layer, 24 layers to 6", growth, at_most=MOST_GROWTH))
    print(format_table(["", "one trace, s", "unit groups, s", "traces"], lines))
    row = machine("flax") | {"device": device_name(), "settings": dataclasses.asdict(flags), "cases": rows}
    return report("unit_groups", device_name(), row, promises, smoke=flags.smoke)


if __name__ == "__main__":
    run(main, Flags, {"repetitions": 1})
