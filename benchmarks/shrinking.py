"""What removing dead units saves: a network of 784-2048-2048-10 units whose live units fall to 128 over 30 epochs.

    python -m benchmarks.shrinking                              one run, 234 steps an epoch: minutes
    python -m benchmarks.shrinking --steps 20                   short epochs
    python -m benchmarks.shrinking --runs 11 --steps 60         11 runs at once
    python -m benchmarks.shrinking --runs 11 --steps 60 --spread    11 runs, of which half keep all their units

Batch 256, Adam, a gate on every unit. A schedule (geometric, at the end of every epoch) says which units die when, so
that all contenders do the same. What is timed: compiling, training with an evaluation per epoch, fetching the state and
removing units; records and checkpoints are not written. The contenders are "masks only" (the time of compiling, plus
the median of a few epochs for each epoch; its state is not even fetched) and "bound" (every epoch at exactly the live
units, in programs compiled before, with nothing fetched or removed).

Promised for one run at 234 steps: 3.5 times faster than masks only, at most 1.15 times the bound, removal below 1 % of
the time, fewer than 16 compilations. For short epochs: no slower than masks only. For 11 runs: 2.5 times faster.

Checked first, at a small scale: the outputs after a training that removes units equal those of the masked training.
"""

import dataclasses
import statistics
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks._timing import Promise, device_name, machine, report
from jaxsize.data import Dataset, Split
from jaxsize.gates import count_live, read_liveness, replace_liveness
from jaxsize.learners import TASKS, Hparams, Learner
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.networks import mlp, num_mlp_parameters
from jaxsize.programs import Batch, Config, use_all_cores
from jaxsize.programs._program import Program
from jaxsize.resizing import Shrinking
from jaxsize.text_tables import format_table
from jaxsize.training._teams import Teams

BATCH_SIZE = 256
TOLERANCE = 1e-4
"""Largest difference of the outputs of a shrunk and a masked network, relative to the largest output."""

Tree = Any


@dataclasses.dataclass(frozen=True)
class Flags:
    """The network, its schedule, and how long it trains."""

    runs: int = 1
    """Seeds trained at once."""
    steps: int = 234
    """Steps per epoch."""
    epochs: int = 30
    """Epochs of a training."""
    width: int = 2048
    """Units of both hidden layers before training."""
    final: int = 128
    """Live units at the end."""
    spread: bool = False
    """Let every second run keep all its units."""
    masked_epochs: int = 4
    """Epochs of the masked network that are timed."""


def live_units(flags: Flags, epochs_done: int, final: int | None = None) -> int:
    """Return the live units of a layer after a number of epochs, by the schedule."""
    share = (final or flags.final) / flags.width
    return round(flags.width * share ** (epochs_done / (flags.epochs - 1)))


def scheduled_learner(flags: Flags, network: Any) -> Learner:
    """Make the sparsifier's learner, except that units die by the schedule, in the order of their gates at the start.

    The penalty weight of a run is the share of its units that lives at the end.
    """
    plain = make_learner(network, TASKS["classification"], FORMS["corrected"])

    def init_bookkeeping(params: Tree) -> Tree:
        gates = read_liveness(params)
        live = {name: gate > 0 for name, gate in gates.items()}
        return {"order": gates, "live": live, "step": jnp.int32(-1)}

    def after_step(params: Tree, bookkeeping: Tree, hparams: Hparams) -> tuple[Tree, Tree]:
        step = bookkeeping["step"] + 1  # the state before training is projected as well
        epochs_done = step // flags.steps
        share = hparams.penalty_weight ** (epochs_done / (flags.epochs - 1))
        live = {name: order < share for name, order in bookkeeping["order"].items()}
        gates = {k: jnp.where(live[k], jnp.maximum(gate, 0.01), 0) for k, gate in read_liveness(params).items()}
        return replace_liveness(params, gates), bookkeeping | {"live": live, "step": step}

    def objective(params, inputs, targets, weights, hparams):
        return plain.objective(params, inputs, targets, weights, hparams._replace(penalty_weight=0.0))

    return plain._replace(
        objective=objective,
        after_step=after_step,
        init_bookkeeping=init_bookkeeping,
        observe=lambda bookkeeping: count_live(bookkeeping["live"]),
        live=lambda bookkeeping: bookkeeping["live"],
    )


def make_batch(flags: Flags, width: int, shrinking: Shrinking | None) -> Batch:
    """Make the batch of all runs from `width` units, on random data of MNIST's shape and type."""
    widths = (784, width, width, 10)
    network = mlp(widths)
    rng = np.random.default_rng(0)

    def init(seed: int) -> Tree:
        params, order = network.init(seed), np.random.default_rng(seed)
        for layer in params["hidden"]:
            layer["liveness"] = ((order.permutation(width) + 0.5) / width).astype(np.float32)
        return params

    def split(rows: int) -> Split:
        return Split(rng.integers(0, 256, (rows, 784), np.uint8), rng.integers(0, 10, rows).astype(np.int32))

    dataset = Dataset(
        name="random",
        task="classification",
        num_outputs=10,
        train=split(flags.steps * BATCH_SIZE),
        validation=None,
        test=split(BATCH_SIZE),
        input_scale=np.float32(1 / 255) * np.ones((), np.float32),
        input_shift=np.zeros((), np.float32),
        input_shape=(28, 28, 1),
        source="random",
    )

    def constant(value: float) -> np.ndarray:
        return np.full(flags.runs, value, np.float32)

    shares = constant(flags.final / flags.width)
    if flags.spread:
        shares[::2] = 1
    return Batch(
        name="shrinking",
        labels=[{"run": run, "seed": run} for run in range(flags.runs)],
        init=init,
        num_parameters=num_mlp_parameters(widths),
        hparams=Hparams(constant(1e-3), shares, constant(0), constant(1e-3)),
        learner=scheduled_learner(flags, network),
        dataset=dataset,
        config=Config(batch_size=BATCH_SIZE),
        num_epochs=flags.epochs,
        columns=lambda before, after: {},
        shrinking=shrinking,
    )


def shrunk(flags: Flags) -> tuple[dict[str, float], Teams, list[Any]]:
    """Run a whole training that removes units.

    Returns:
        Its seconds (in total, of compiling, and of removing), the training's teams, and those that are left at the end.
    """
    batch = make_batch(flags, flags.width, Shrinking())
    for index in range(flags.runs):
        batch.init(index)  # so that drawing weights is not timed
    start, removing = time.perf_counter(), 0.0
    roster = Teams(batch, range(flags.runs))
    teams = roster.start()
    for epoch in range(1, flags.epochs + 1):
        results = [team.program.epoch(team.cohort.runs, team.state, epoch) for team in teams]
        for team, (team.state, _, _) in zip(teams, results, strict=True):
            team.host = team.program.axis.fetch(team.state)
        clock, compiling = time.perf_counter(), roster.compiler.seconds_waited
        teams = roster.remake(teams, flags.epochs - epoch)
        removing += time.perf_counter() - clock - (roster.compiler.seconds_waited - compiling)
    total = time.perf_counter() - start
    return {"total": total, "compiling": roster.compiler.seconds_waited, "removing": removing}, roster, teams


def epoch_seconds(program: Program, runs: range, epochs: range) -> list[float]:
    """Return the seconds of some epochs of a compiled program, which begins anew."""
    state, seconds = program.start(runs), []
    for epoch in epochs:
        clock = time.perf_counter()
        state, _, scores = program.epoch(runs, state, epoch)
        jax.block_until_ready((state, scores))
        seconds.append(time.perf_counter() - clock)
    return seconds


def masked(flags: Flags) -> dict[str, Any]:
    """Return the seconds of a training with masks only; of its epochs a few are timed."""
    clock = time.perf_counter()
    program = Program(make_batch(flags, flags.width, None), flags.runs)
    compiling = time.perf_counter() - clock
    seconds = epoch_seconds(program, range(flags.runs), range(1, flags.masked_epochs + 1))
    total = compiling + flags.epochs * statistics.median(seconds)
    return {"total": total, "compiling": compiling, "epochs": seconds}


def bound(flags: Flags) -> dict[str, Any]:
    """Return the seconds of a training in which every epoch has exactly its live units, in programs compiled before."""
    seconds = []
    for epoch in range(flags.epochs):
        width = live_units(flags, epoch)
        batch = make_batch(dataclasses.replace(flags, width=width, final=width), width, None)
        seconds += epoch_seconds(Program(batch, flags.runs), range(flags.runs), range(1, 2))
    return {"total": sum(seconds), "epochs": seconds}


def check() -> float:
    """Return the largest difference of the outputs of a shrunk and a masked network, relative to the largest output.

    Raises:
        SystemExit: when it is above `TOLERANCE`.
    """
    flags = Flags(runs=2, steps=4, epochs=4, width=64, final=8)
    finals = []
    for shrinking in (Shrinking(program_cost=0), None):
        batch = make_batch(flags, flags.width, shrinking)
        roster = Teams(batch, range(flags.runs))
        teams = roster.start()
        for epoch in range(1, flags.epochs + 1):
            for team in teams:
                team.state, _, _ = team.program.epoch(team.cohort.runs, team.state, epoch)
                team.host = team.program.axis.fetch(team.state)
            teams = roster.remake(teams, flags.epochs - epoch)
        networks = {run: roster.network(team, run) for team in teams for run in team.cohort.runs}
        inputs = jnp.asarray(np.random.default_rng(1).uniform(size=(64, 784)), jnp.float32)
        finals.append([np.asarray(batch.learner.outputs(networks[run].params, inputs)) for run in range(flags.runs)])
    shrunken, masked_outputs = map(np.stack, finals)
    difference = float(np.abs(shrunken - masked_outputs).max() / np.abs(masked_outputs).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"the shrunk network differs from the masked one by {difference:.1e}")
    return difference


def main(flags: Flags) -> int:
    """Check, measure, print and write the results; return the exit status."""
    checked = check()
    # Masks are timed before and after, so that a machine that slows down in between shows.
    before = masked(flags)
    seconds, roster, teams = shrunk(flags)
    after = masked(flags)
    plain = before if before["total"] <= after["total"] else after
    rows = {"masks only": plain, "removed": seconds} | ({} if flags.runs > 1 else {"bound": bound(flags)})
    table = [
        [name, f"{row['total']:.1f}", f"{row.get('compiling', 0):.1f}", f"{plain['total'] / row['total']:.2f}"]
        for name, row in rows.items()
    ]
    print(format_table(["", "seconds", "compiling", "times masks"], table))
    for team in teams:
        print(f"{len(team.cohort.runs)} runs end at widths {team.cohort.widths}")
    faster = plain["total"] / seconds["total"]
    least = 2.5 if flags.runs > 1 else 3.5 if flags.steps >= 234 else 1.0
    promises = [Promise("times faster than masks only", faster, at_least=1.0 if flags.spread else least)]
    share = seconds["removing"] / seconds["total"]
    print(f"{roster.compiler.num_programs} programs compiled; removal took {share:.1%} of the time")
    if flags.runs == 1 and flags.steps >= 234:
        promises += [
            Promise("time over the bound", seconds["total"] / rows["bound"]["total"], at_most=1.15),
            Promise("share of the time that removal takes", share, at_most=0.01),
            Promise("programs compiled", roster.compiler.num_programs, at_most=15),
        ]
    row = machine("tyro") | {
        "device": device_name(),
        "dtype": "float32",
        "settings": dataclasses.asdict(flags),
        "programs": roster.compiler.num_programs,
        "difference_of_outputs": checked,
        "tolerance": TOLERANCE,
        "seconds": rows | {"masks only, again": after if plain is before else before},
    }
    name = f"shrinking-{flags.runs}-runs-{flags.steps}-steps" + ("-spread" if flags.spread else "")
    return report(name, device_name(), row, promises)


if __name__ == "__main__":
    parsed = tyro.cli(Flags)
    use_all_cores()
    sys.exit(main(parsed))
