"""The study behind `learn_widths`: a network at several prices of a unit, beside none, and beside its widths alone."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxsize import plots
from jaxsize.data import Dataset
from jaxsize.gates.leaves import read_liveness, replace_liveness
from jaxsize.learners.closing import cannot_close
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.learners.tasks import Task
from jaxsize.networks.network import Network
from jaxsize.programs.batch import Batch
from jaxsize.resizing.shrinking import Shrinking
from jaxsize.statistics import Part, describe
from jaxsize.studies import (
    Arms,
    ArmView,
    Claim,
    Learned,
    Setup,
    Study,
    above,
    any_part,
    columns,
    each,
    gain,
    gain_over,
    per,
)
from jaxsize.sweeps.columns import in_order
from jaxsize.sweeps.penalties import penalty_sweep
from jaxsize.trees import Tree
from jaxsize.units import input_gates, unit_groups
from jaxsize.widths._flags import WidthsFlags
from jaxsize.widths._saved import save_params

FRESH = 10_000
"""Networks of a found width start from the weights of the run's seed plus this: weights that nothing was learned on."""


def make_study(
    network: Network, task: Task, dataset: Dataset, name: str, config: SparsifierConfig, *, controls: bool
) -> Study:
    """Declare the study of a network on a data set.

    Args:
        network: the network; its gates are leaves named `liveness`.
        task: what it learns.
        dataset: the rows.
        name: the name of the study, and of its results folder.
        config: what a gate is and how it is trained.
        controls: whether networks of the widths found are trained from fresh weights, which `network` must draw.
    """
    start_units = {name: leaf.size for name, leaf in read_liveness(network.shapes()).items()}
    start = min(float(np.abs(leaf).min()) for leaf in read_liveness(network.init(0)).values())
    groups = unit_groups(network.apply, network.shapes(), dataset.network_inputs(1))
    of_inputs = input_gates(groups, start_units)
    gates = [name for name in in_order(start_units) if name not in of_inputs]

    def learned(setup: Setup) -> Iterator[Batch]:
        flags = setup.flags
        yield penalty_sweep(
            setup.dataset,
            network,
            config,
            task=task,
            penalties=(0.0, *flags.penalties),
            num_seeds=flags.num_seeds,
            hparams=flags.hparams(),
            shrinking=Shrinking() if flags.shrink else None,
            **setup.fields("learned"),
        )

    def from_scratch(setup: Setup, trained: Learned) -> Iterator[Batch]:
        """Make the controls: networks of the widths found, whose gates have no price, with fresh weights.

        The weights have the scales that the wide network's have; what draws them knows no other width.

        A unit that was not found has a gate that is closed before training. A run whose units all live, or that ended
        with a layer without any, or with a loss that is not finite, has no control.
        """
        ((batch, result),) = trained.values()
        ends = [row for row in result.rows if row["epoch"] == setup.flags.epochs and row["penalty"]]
        whole = sum(start_units[gate] for gate in gates)
        rows = [
            row
            for row in ends
            if row["train_loss"] is not None
            if all(row["live_units_per_layer"]) and row["live_units"] < whole
        ]
        if not rows or not controls:
            return
        fields = setup.fields("from_scratch")
        named = {name: fields.pop(name) for name in ("label", "first_run")}
        labels = [
            named["label"] | {"run": named["first_run"] + number, "seed": row["seed"], "penalty": row["penalty"]}
            for number, row in enumerate(rows)
        ]

        def init(index: int) -> Tree:
            params = network.init(rows[index]["seed"] + FRESH)
            kept = start_units | dict(zip(gates, rows[index]["live_units_per_layer"], strict=True))
            closed: dict[str, Any] = {
                gate: np.where(np.arange(leaf.size).reshape(leaf.shape) < kept[gate], leaf, np.zeros_like(leaf))
                for gate, leaf in read_liveness(params).items()
            }
            return replace_liveness(params, closed)

        yield dataclasses.replace(batch, **fields, labels=labels, init=init, hparams=setup.flags.hparams())

    def units(view: ArmView) -> dict[str, Any]:
        """Return the median of the live units of every gate."""
        ends = [path[-1]["live_units_per_layer"] for path in view.paths.values()]
        return dict(zip(gates, np.median(ends, axis=0).tolist(), strict=True)) if ends else {}

    return Study(
        name=name,
        flags=WidthsFlags,
        presets={},
        data=lambda flags, form: [dataset],
        arms=learned,
        followers=from_scratch,
        cautions=lambda setup: _gates_that_stay(setup, start),
        table=columns(
            *("live_units", "parameters", "multiply_adds", "train_score", "validation_score", "test_score"),
            arms=("learned",),
            by=("penalty",),
            units=units,
            gain_over_unpenalised=gain_over(penalty=0.0),
            gain_over_from_scratch=gain_over(arm="from_scratch"),
        ),
        claims=CLAIMS,
        pictures={"curves": curves, "sizes": sizes},
        answer=answer,
        checks=[save_params],
    )


def _gates_that_stay(setup: Setup, start: float) -> list[str]:
    flags, dataset = setup.flags, setup.dataset
    num_steps = flags.epochs * flags.config(dataset).steps_per_epoch(len(dataset.train))
    problem = cannot_close(num_steps, flags.gate_learning_rate, start=start, cure="raise gate_learning_rate or epochs")
    return [problem] if problem else []


def helps(learned: ArmView) -> Iterator[Part]:
    """Yield by how much every price makes the test score better."""
    for penalty, one in learned.by("penalty", skip=0.0).items():
        yield above(gain(one, one.at(penalty=0.0)), penalty=penalty)


def learned_is_better(learned: ArmView) -> Iterator[Part]:
    """Yield by how much the test score of learned networks is better than that of their widths from fresh weights."""
    for penalty, one in learned.by("penalty", skip=0.0).items():
        if (estimate := gain_over(arm="from_scratch")(one)) is not None:
            yield above(estimate, penalty=penalty)


CLAIMS = {
    "price": Claim("some price gives a better test score than none", each("learned"), helps, decide=any_part),
    "start large": Claim(
        "networks that found their widths while they trained are better than networks of these widths from fresh "
        "weights, drawn as for the wide network",
        each("learned"),
        learned_is_better,
        "no unit died, all of a layer did, or no weights could be drawn",
    ),
}


def answer(arms: Arms) -> Iterator[str]:
    """Say how many units were left at every price, and what the networks were worth."""
    learned = arms["learned"]
    score, _ = learned.score()
    for penalty, view in learned.by("penalty").items():
        units, size, worth = (describe(view.end(name))["median"] for name in ("live_units", "parameters", score))
        price = f"A price of {penalty:g} per unit" if penalty else "No price"
        if units is None:
            yield f"{price}: all runs diverged."
        else:
            yield f"{price} left {units:.4g} units and {size:.6g} parameters; {score.replace('_', ' ')} {worth:.4g}."
    yield f"Numbers are medians over {learned.runs.num_seeds} seeds."


@per("dataset")
def curves(arms: Arms) -> Any:
    """Scores and live units against epochs, a line per price of a unit: the median over seeds, and the range."""
    learned = arms["learned"]
    names = [*learned.scores, "live_units"]
    figure, panels = plots.subplots(1, len(names))
    plots.curves(panels[0], learned.by("penalty"), names, log=["live_units"])
    plots.legend(figure, panels[0, -1], "price of a unit")
    figure.suptitle(f"{learned.dataset}, {learned.runs.num_seeds} seeds: median and range", x=0.01, ha="left")
    return figure


@per("dataset")
def sizes(arms: Arms) -> Any:
    """Where every run ended, by price: live units, and the test score beside that of these widths from fresh weights.

    Faint marks are runs, large ones their medians.
    """
    learned, (first, second) = arms["learned"], plots.looks(2)
    figure, ((left, right),) = plots.subplots(1, 2, width=4)
    groups, score = learned.by("penalty"), learned.score()[0]
    plots.ends(left, groups, "live_units", **first.marks)
    plots.log_axis(left, "y")
    scratch = {name: one.at(arm="from_scratch") for name, one in groups.items()}
    plots.ends(right, groups, score, **first.marks, label="learned", shift=-0.1)
    plots.ends(right, scratch, score, **second.marks, label="widths found, fresh weights", shift=0.1)
    for axes in (left, right):
        axes.set(xlabel="price of a unit")
    plots.legend_beside(right)
    figure.suptitle(f"{learned.dataset}, {learned.runs.num_seeds} seeds: every seed and the median", x=0.01, ha="left")
    return figure
