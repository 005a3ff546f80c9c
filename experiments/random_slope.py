"""Does a gate whose steepness changes at every step let a network find its size, and what do random gates learn?

    python -m experiments.random_slope                                 digits, 10 seeds, a minute or two
    python -m experiments.random_slope --dataset mnist fashion_mnist      two sets, 6 seeds
    python -m experiments.random_slope --dataset mnist fashion_mnist --full    J10's scale: 30 seeds, 60 epochs

One hidden layer that starts at size 0 and costs nothing (the journal, seed `003_d2c286111c329776.txt`, "Random Slope"
and "Random activation"; experiments J10 and J11). `original`: random gray zones from U(1, 20) against the fixed slope
.4, as the journal ran it. `corrected`: against two fixed slopes, one with the same mean gray zone (10.5) and one with
the same mean slope, which are not the same thing; units are added when the size comes near the width. Answers C21, C22
and C23.
"""

import dataclasses
import sys
from typing import Any, Literal

import numpy as np

from experiments.flags.flexible import FlexibleFlags
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.gates import slope_of
from jaxsize.gates.ramp import ODDS
from jaxsize.learners.flexible import FORMS
from jaxsize.plots import growth
from jaxsize.programs import Batch
from jaxsize.results import Runs
from jaxsize.statistics import Part, Verdict, bootstrap_interval, claim, fit_laws, paired_difference, verdict
from jaxsize.studies import Command, listing
from jaxsize.studies.study import Question, Setup, run_question

NAME = "random_slope"
LOW, HIGH = 1.0, 20.0
"""The ends of the uniform distribution of gray zones, in units."""
MEAN_SLOPE = ODDS * np.log(HIGH / LOW) / (HIGH - LOW)
CONTROLS: dict[Form, dict[str, float]] = {
    "original": {"slope .4": 0.4, "slope 1": 1.0},  # as run, and as the text says
    "corrected": {"mean gray zone": slope_of((LOW + HIGH) / 2), "mean slope": float(MEAN_SLOPE)},
}

BERNOULLI = ("none", "straight_through", "score_function")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSlopeFlags(FlexibleFlags):
    """Does a gate whose steepness changes at every step let a network find its size, and what do random gates learn?"""

    epochs: int = 60
    """Passes over the training rows. 30 unless the data set is digits."""
    start_size: float = 0.0
    """Units that are on before training."""
    gates: tuple[Literal["fixed", "random", "bernoulli"], ...] = ("fixed", "random", "bernoulli")
    """Which gates are trained. fixed: with fixed slopes. random: with a slope drawn for every step.
    bernoulli: units are on or off at random."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"epochs": 30} if self.dataset != ("digits",) else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_numbers("start_size", high=1e6)
        if not self.gates or len(set(self.gates)) < len(self.gates):
            raise InputError(f"expected different ones, got {listing(self.gates)}", field="gates")
        self.require_runs(max(map(len, CONTROLS.values())) + 1 + len(BERNOULLI))


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 40, "epochs": 3},
    "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """Make a batch each of fixed slopes, random slopes, and Bernoulli gates with every estimator."""
    flags, form = setup.flags, setup.form
    shared = {"start_size": flags.start_size, **flags.rates()}
    fixed = [
        {"control": name, "slope": slope, "seed": seed, **shared}
        for name, slope in CONTROLS[form].items()
        for seed in range(flags.num_seeds)
    ]
    seeds = [{"slope": next(iter(CONTROLS[form].values())), "seed": seed, **shared} for seed in range(flags.num_seeds)]
    estimators = BERNOULLI[:1] if form == "original" else BERNOULLI
    arms: dict[str, dict[str, Any]] = {"fixed": {}, "random": {"slope": "random", "gray_zones": (LOW, HIGH)}}
    arms |= {f"bernoulli {name}": {"gate": "bernoulli", "estimator": name} for name in estimators}
    made: list[Batch] = []
    for arm, config in arms.items():
        if arm.split()[0] not in flags.gates:
            continue
        flexible = dataclasses.replace(FORMS[form], **config)
        made.append(setup.flexible(arm, flexible, fixed if arm == "fixed" else seeds, made))
    return made


FEW_EPOCHS = "needs at least 4 epochs"


def arms(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
    """Return, by name, the columns that select the runs of each arm, one per seed."""
    where = {"dataset": dataset, "form": form}
    controls = runs.values("control", arm="fixed", **where)
    slopes = {name: where | {"arm": "fixed", "control": name} for name in controls} | {
        "random": where | {"arm": "random"}
    }
    samplers = {f"bernoulli {name}": where | {"arm": f"bernoulli {name}"} for name in BERNOULLI}
    return {name: which for name, which in (slopes | samplers).items() if runs.values("arm", **which)}


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table: a row per arm with size, live units, losses and score at the end."""
    kind = runs.score(dataset)[0]
    rows = []
    for name, which in arms(runs, dataset, form).items():
        ends = runs.described(["size", "live_units", "train_loss", "test_loss", kind], **which)
        rows.append(
            {"dataset": dataset, "form": form, "gate": name} | {k: v for k, v in ends.items() if k not in which}
        )
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer C21 to C23 in one form."""
    return {"C21": grows_as_logarithm(runs, form), "C22": random_is_worse(runs, form), "C23": no_gradient(runs, form)}


def grows_as_logarithm(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C21: without a penalty the size grows as a logarithm of the epochs and reaches no plateau.

    The parts are, per run, the AIC of other laws less that of the logarithm, fitted to the sizes at the end of each
    epoch; and the growth over the last third of the epochs, as a share of the size.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for name, which in arms(runs, dataset, form).items():
            sizes = runs.curve("size", **which)
            if name.startswith("bernoulli") or sizes.shape[1] < 4:
                continue
            times = np.arange(1, sizes.shape[1] + 1)
            laws = [fit_laws(times, line) for line in sizes if np.isfinite(line).all()]
            for law in ("saturating", "power"):
                worse = bootstrap_interval([fit[law]["aic"] - fit["logarithmic"]["aic"] for fit in laws])
                parts.append(
                    ({"dataset": dataset, "gate": name, "aic_less_logarithm": law}, worse, verdict(worse, "positive"))
                )
            late = bootstrap_interval((sizes[:, -1] - sizes[:, -1 - len(times) // 3]) / sizes[:, -1])
            parts.append(({"dataset": dataset, "gate": name, "growth": "last third"}, late, verdict(late, "positive")))
    return claim("without a penalty, size grows as a logarithm and reaches no plateau", parts, FEW_EPOCHS)


def random_is_worse(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C22: a random slope means a noisier gradient, slower growth and a higher loss.

    The parts are differences, random less fixed, paired over seeds: of the end size, of the loss of the last epoch's
    steps, and of the log of the variance of the size's gradient within an epoch, averaged over epochs.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        by_gate = arms(runs, dataset, form)
        random = by_gate.get("random")
        for name, which in by_gate.items():
            if which["arm"] != "fixed" or random is None:
                continue
            pairs = [(of(runs, random), of(runs, which)) for of in (_size, _loss, _noise)]
            for what, pair, direction in zip(
                ("end size", "loss", "log variance of gradient"),
                pairs,
                ("negative", "positive", "positive"),
                strict=True,
            ):
                less = paired_difference(*pair)
                parts.append(({"dataset": dataset, "random_less": name, "of": what}, less, verdict(less, direction)))
    return claim(
        "a random slope means a noisier gradient, slower growth and a higher loss", parts, "needs --gates fixed random"
    )


def _size(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    return runs.last("size", **which)


def _loss(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    return runs.per_epoch("loss", **which)[:, -1].mean(-1)


def _noise(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    variance = runs.per_epoch("size_gradient_0", **which).var(-1)
    return np.log(np.maximum(variance, 1e-30)).mean(-1)


def no_gradient(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C23: without an estimator, the gradient of the size is exactly 0 at every step of every run."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for name, which in arms(runs, dataset, form).items():
            if not name.startswith("bernoulli"):
                continue
            largest = np.abs(runs.steps("size_gradient_0", **which)).max(-1)
            label: dict[str, Any] = {"dataset": dataset, "gate": name, "of": "largest |gradient|"}
            estimate = bootstrap_interval(largest)
            if name != "bernoulli none":
                label["uninformative"] = "these estimators exist to have one"
            parts.append((label, estimate, _zero(largest)))
    return claim("Bernoulli gates give the size no gradient", parts, "needs --gates bernoulli")


def _zero(largest: np.ndarray) -> Verdict:
    if not np.isfinite(largest).all():
        return Verdict("open", f"{np.count_nonzero(~np.isfinite(largest))} of {largest.size} runs are not there")
    outcome = "holds" if (largest == 0).all() else "refuted"
    return Verdict(outcome, f"{np.count_nonzero(largest)} of {largest.size} runs have a gradient other than 0")


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw the size, its gradient and the loss against epochs, a row per form."""
    return {"slopes": growth(runs, dataset, arms, "gate")}


QUESTION = Question(NAME, batches, results, claims, pictures)


def run(flags: RandomSlopeFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, RandomSlopeFlags, PRESETS, run)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
