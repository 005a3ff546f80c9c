"""How many units does a network keep when every unit has a price, and is it the better for it?

    python -m experiments.sparsifier                              digits, 10 seeds, about a minute
    python -m experiments.sparsifier --dataset mnist fashion_mnist    two sets compared, minutes
    python -m experiments.sparsifier --dataset mnist fashion_mnist --full    J14's scale, hours

One hidden layer with a trained gate per unit (seed `003_d2c286111c329776.txt`, "Implement the first version of a
Sparsifier Network"; experiment J14). Every combination of penalty and seed is trained at once; beside them the
unpenalised network, and each size found, trained from scratch with the same seed. summary.json answers the claims C26
to C30.
"""

import dataclasses
import functools
import math
import sys
from typing import Any, Literal

import numpy as np

from experiments import sparsifier_report as report
from experiments.command_line import Flags, flag, load_datasets, main, told
from experiments.sparsifier_pictures import draw
from jaxsize.batches import Batch
from jaxsize.buckets import bucket
from jaxsize.datasets import Dataset
from jaxsize.networks import Network, mlp, num_mlp_parameters, pad_mlp
from jaxsize.records import open_folder
from jaxsize.runs import describe_devices
from jaxsize.sparsifier import FORMS, SparsifierConfig, make_columns, make_total, make_trainer
from jaxsize.study import Progress, require_room, train
from jaxsize.training import TASKS, Config, Hparams

NAME = "sparsifier"
MOST_RUNS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierFlags(Flags):
    """How many units does a network keep when every unit has a price, and is it the better for it?"""

    penalties: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    """Costs of an open gate in the loss. The unpenalised network is always trained beside them."""
    start_width: tuple[int, ...] = (100,)
    """Hidden units before training; several values are compared. 500 unless the data set is digits."""
    epochs: int = 100
    """Passes over the training rows. 60 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    gate_learning_rate: float = 1e-3
    """Step size for the gates. The learning rate unless given."""
    gate: Literal["relu", "signed"] = "relu"
    """What multiplies a unit: relu of its gate, or the gate itself, whatever its sign."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """A unit dies when its relu gate reaches 0; when its gate is within 1e-5 of 0 (threshold unless given, for signed
    gates); when the sign of its signed gate changes for some time, or often."""
    sign_decay: float = 0.99
    """Memory of sign_variance, from 0 (the first change of sign kills) to below 1."""
    form: Literal["corrected", "original"] = "corrected"
    """original: as the journal did it, data preparation included. corrected: with its flaws mended."""
    weight_decay: float = 1e-2
    """Decoupled and never on gates; in the original form coupled, on everything, and 0 unless given."""
    gate_step: Literal["proximal", "gradient"] = "proximal"
    """proximal: closed gates are exactly 0. gradient: plain steps; the original form and sign_variance unless given."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    """What scales the steps of the gates."""
    unit_norm: bool = False
    """Keep the incoming weights of every unit at norm 1, its scale in the gate."""
    liveness_start: Literal["one", "uniform"] = "one"
    """Gates before training: all 1, or drawn from (0, 1]."""
    gate_inputs: bool = False
    """Put a gate on every input as well, so that inputs can be removed."""
    shuffle: Literal["per_run", "shared"] = "per_run"
    """Order of the rows: its own for every seed, or the same for all runs."""

    def defaults(self) -> dict[str, Any]:
        large = {"num_seeds": 3, "start_width": (500,), "epochs": 60, "batch_size": 128}
        original = {"weight_decay": 0.0, "gate_step": FORMS["original"].gate_step}
        by_sign = {"gate_step": "gradient"}  # a step that ends at 0 shows no change of sign
        return {
            "gate_learning_rate": self.learning_rate,
            **(large if self.dataset != ("digits",) else {}),
            **({"death_rule": "threshold"} if self.gate == "signed" else {}),
            **(original if self.form == "original" else {}),
            **(by_sign if self.death_rule == "sign_variance" else {}),
        }

    def check(self) -> None:
        super().check()
        self.require_whole("epochs", "batch_size", "start_width")
        num_runs = self.num_seeds * (1 + len(self.penalties)) * len(self.start_width) * len(self.dataset)
        if num_runs > MOST_RUNS:
            raise ValueError(f"--num-seeds: these flags ask for {num_runs} runs, at most {MOST_RUNS} are possible")
        penalties = self.penalties
        single = {float(np.float32(penalty)) for penalty in penalties if abs(penalty) < 1e38}  # as they will be used
        if not penalties or len(single) < len(penalties) or min(single) <= 0:
            raise ValueError(
                f"--penalties: expected different numbers above 0 (0 is always added), got {told(penalties)}"
            )
        for name in ("learning_rate", "gate_learning_rate", "weight_decay"):
            value = getattr(self, name)
            single = float(np.float32(value)) if abs(value) < 1e38 else math.inf
            if not 0 <= single < math.inf or (single == 0 and name != "weight_decay"):
                bound = "from 0 on" if name == "weight_decay" else "above 0"
                raise ValueError(f"{flag(name)}: expected a finite number {bound}, got {value}")
        if not (0 <= self.sign_decay < 1 and np.float32(self.sign_decay) < 1):
            raise ValueError(f"--sign-decay: expected a number from 0 to below 1, got {self.sign_decay}")
        try:
            self.config()
        except ValueError as error:  # gate, steps and death rule that do not fit
            name, _, reason = str(error).partition(":")
            raise ValueError(f"{flag(name)}:{reason}") from None

    def config(self) -> SparsifierConfig:
        names = ("gate", "gate_step", "gate_optimizer", "unit_norm", "death_rule", "sign_decay")
        return dataclasses.replace(FORMS[self.form], **{name: getattr(self, name) for name in names})


PRESETS = {
    "smoke": {"num_seeds": 2, "penalties": (1e-1, 1e-2), "start_width": (16,), "epochs": 3},
    "full": {
        "num_seeds": 30,
        "penalties": tuple(10.0**-power for power in range(8)),
        "start_width": (500, 1000),
        "epochs": 60,
        "batch_size": 128,
    },
}


def learning_batch(flags: SparsifierFlags, dataset: Dataset, width: int, first_run: int) -> Batch:
    """Every penalty with every seed from one start width, the unpenalised runs first."""
    num_inputs = dataset.num_inputs
    widths = (num_inputs, width, dataset.num_outputs)
    start = 1.0 if flags.liveness_start == "one" else flags.liveness_start
    gate = "signed" if flags.gate == "signed" else "liveness"
    network = mlp(widths, gate=gate, gate_inputs=flags.gate_inputs, liveness=start)
    draw = functools.cache(network.init)  # penalties share the networks of their seeds
    settings = [(penalty, seed) for penalty in (0.0, *flags.penalties) for seed in range(flags.num_seeds)]
    labels = [
        {
            "dataset": dataset.name,
            "arm": "learned",
            "run": first_run + index,
            "seed": seed,
            "penalty": penalty,
            "start_width": width,
        }
        for index, (penalty, seed) in enumerate(settings)
    ]

    def num_parameters(live: dict[str, int]) -> int:
        return num_mlp_parameters((live.get("inputs", num_inputs), live["hidden.0"], dataset.num_outputs))

    gates = ["hidden.0", *(["inputs"] if flags.gate_inputs else [])]
    return Batch(
        name=f"{dataset.name}.learned.{width}",
        labels=labels,
        init=lambda index: draw(settings[index][1]),
        num_parameters=num_mlp_parameters(widths),
        hparams=_hparams(flags, [penalty for penalty, _ in settings]),
        columns=make_columns(gates, num_parameters),
        total=make_total(gates),
        **_common(flags, dataset, network),
    )


def control_batches(
    flags: SparsifierFlags, dataset: Dataset, finals: list[dict[str, Any]], first_run: int
) -> list[Batch]:
    """The width every learned run ended with, trained from scratch without gates, with the run's seed.

    `finals`: last rows of the learned runs. Widths of one bucket share a program, padded by units that stay inert. A
    run that ended without units, or with a loss that is not finite, has no control.
    """
    num_inputs = dataset.num_inputs
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in finals:
        if row["live_units"] > 0 and row["train_loss"] is not None:
            groups.setdefault(bucket(row["live_units"], factor=1.5), []).append(row)

    def batch(width: int, partners: list[dict[str, Any]]) -> Batch:
        def init(index: int) -> Any:
            found = (num_inputs, partners[index]["live_units"], dataset.num_outputs)
            return pad_mlp(mlp(found, gate=None).init(partners[index]["seed"]), [width])

        def found_size(partner: dict[str, Any]) -> dict[str, Any]:
            found = (num_inputs, partner["live_units"], dataset.num_outputs)
            size = {"live_units": found[1], "live_units_per_layer": [found[1]], "parameters": num_mlp_parameters(found)}
            shared = {key: partner[key] for key in ("dataset", "seed", "penalty", "start_width")}
            return {"arm": "from_scratch", "run": first_run + partner["run"], "partner": partner["run"]} | shared | size

        return Batch(
            name=f"{dataset.name}.from_scratch.{width}",
            labels=[found_size(partner) for partner in partners],
            init=init,
            num_parameters=num_mlp_parameters((num_inputs, width, dataset.num_outputs)),
            hparams=_hparams(flags, [0.0] * len(partners)),
            columns=lambda before, after: {},
            keep_history=False,
            **_common(flags, dataset, mlp((num_inputs, width, dataset.num_outputs), gate=None)),
        )

    return [batch(width, partners) for width, partners in sorted(groups.items())]


def _common(flags: SparsifierFlags, dataset: Dataset, network: Network) -> dict[str, Any]:
    return {
        "trainer": make_trainer(network, TASKS[dataset.task], flags.config()),
        "dataset": dataset,
        "config": Config(batch_size=flags.batch_size, shuffle=flags.shuffle),
        "num_epochs": flags.epochs,
    }


def _hparams(flags: SparsifierFlags, penalties: list[float]) -> Hparams:
    return Hparams(
        learning_rate=np.full(len(penalties), flags.learning_rate, np.float32),
        penalty_weight=np.array(penalties, np.float32),
        weight_decay=np.full(len(penalties), flags.weight_decay, np.float32),
        gate_learning_rate=np.full(len(penalties), flags.gate_learning_rate, np.float32),
    )


def run(flags: SparsifierFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    data = load_datasets(flags, flags.form)
    for dataset in data:
        if flags.batch_size > len(dataset.train):
            rows = f"{dataset.name} has {len(dataset.train)} train rows"
            raise ValueError(f"--batch-size: expected no more than there are rows ({rows}), got {flags.batch_size}")
    starts = [(dataset, width) for dataset in data for width in flags.start_width]
    runs_each = (1 + len(flags.penalties)) * flags.num_seeds
    batches = [learning_batch(flags, *start, first_run=index * runs_each) for index, start in enumerate(starts)]
    for batch in batches:
        require_room(batch, flags.folder(NAME))
    prints = {dataset.name: dataset.fingerprint() for dataset in data}  # --resume must not go on with other rows
    folder = open_folder(
        flags.folder(NAME), flags.settings() | {"data": prints}, resume=flags.resume, device=describe_devices()
    )
    if folder.status == "finished":
        print(f"{folder.path} holds the finished run; delete it to run again\n")
        print(report.as_text(folder.read_summary()))
        return folder.read_summary()

    progress = Progress(flags.epochs * len(batches))
    learned = [train(batch, folder, progress) for batch in batches]
    ends = [row for trained in learned for row in trained.rows if row["epoch"] == flags.epochs]
    controls = [
        batch
        for dataset in data
        for batch in control_batches(
            flags, dataset, [row for row in ends if row["dataset"] == dataset.name], len(batches) * runs_each
        )
    ]
    progress.expect(flags.epochs * len(controls))
    for batch in controls:
        train(batch, folder, progress)
    progress.close()

    summary = report.summarize(folder, data, flags.settings())
    draw(folder, data, {batch.name: trained for batch, trained in zip(batches, learned, strict=True)}, flags.settings())
    folder.write_summary(summary)
    print(report.as_text(summary))
    print(f"\n{folder.path}: config.json, metrics.jsonl, summary.json, pictures, checkpoints")
    return summary


if __name__ == "__main__":
    sys.exit(main(SparsifierFlags, PRESETS, run, NAME))
