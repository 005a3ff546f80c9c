"""What the runs with random slopes and random gates say: the table, C21 to C23 and the pictures."""

from typing import Any

import numpy as np

from experiments.flexible_pictures import growth
from experiments.flexible_runs import Runs
from jaxsize.datasets import Form
from jaxsize.growth_laws import fit_laws
from jaxsize.statistics import Estimate, bootstrap_interval, paired_difference
from jaxsize.verdicts import Part, Verdict, claim, verdict

BERNOULLI = ("none", "straight_through", "score_function")
FEW_EPOCHS = "needs at least 4 epochs"


def arms(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
    """By name what selects the runs of each arm, one per seed."""
    where = {"dataset": dataset, "form": form}
    controls = runs.values("control", arm="fixed", **where)
    found = {name: where | {"arm": "fixed", "control": name} for name in controls} | {
        "random": where | {"arm": "random"}
    }
    samplers = {f"bernoulli {name}": where | {"arm": f"bernoulli {name}"} for name in BERNOULLI}
    return {name: which for name, which in (found | samplers).items() if runs.values("arm", **which)}


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """A row per arm: size, live units, losses and scores at the end."""
    kind = runs.score(dataset)[0]
    rows = []
    for name, which in arms(runs, dataset, form).items():
        found = runs.described(["size", "live_units", "train_loss", "test_loss", kind], **which)
        rows.append(
            {"dataset": dataset, "form": form, "gate": name} | {k: v for k, v in found.items() if k not in which}
        )
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """C21 to C23 in one form."""
    return {"C21": grows_as_logarithm(runs, form), "C22": random_is_worse(runs, form), "C23": no_gradient(runs, form)}


def grows_as_logarithm(runs: Runs, form: Form) -> dict[str, Any]:
    """Per run, AIC of the other laws less that of the logarithm, over the sizes at the end of each epoch; and the
    growth over the last third of the epochs, as a share of the size."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for name, which in arms(runs, dataset, form).items():
            sizes = runs.curve("size", **which)
            if name.startswith("bernoulli") or sizes.shape[1] < 4:
                continue
            times = np.arange(1, sizes.shape[1] + 1)
            laws = [fit_laws(times, line) for line in sizes if np.isfinite(line).all()]
            for law in ("saturating", "power"):
                found = bootstrap_interval([fit[law]["aic"] - fit["logarithmic"]["aic"] for fit in laws])
                parts.append(
                    ({"dataset": dataset, "gate": name, "aic_less_logarithm": law}, found, verdict(found, "positive"))
                )
            late = (sizes[:, -1] - sizes[:, -1 - len(times) // 3]) / sizes[:, -1]
            found = bootstrap_interval(late)
            parts.append(
                ({"dataset": dataset, "gate": name, "growth": "last third"}, found, verdict(found, "positive"))
            )
    return claim("without a penalty, size grows as a logarithm and reaches no plateau", parts, FEW_EPOCHS)


def random_is_worse(runs: Runs, form: Form) -> dict[str, Any]:
    """Paired over seeds, random less fixed: end size, loss of the last epoch's steps, and the log of the variance of
    the size's gradient within an epoch, averaged over epochs."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        found_arms = arms(runs, dataset, form)
        random = found_arms.get("random")
        for name, which in found_arms.items():
            if which["arm"] != "fixed" or random is None:
                continue
            pairs = [(of(runs, random), of(runs, which)) for of in (_size, _loss, _noise)]
            for what, pair, direction in zip(
                ("end size", "loss", "log variance of gradient"),
                pairs,
                ("negative", "positive", "positive"),
                strict=True,
            ):
                found = paired_difference(*pair)
                parts.append(({"dataset": dataset, "random_less": name, "of": what}, found, verdict(found, direction)))
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
    """The largest gradient of the size at any step of any run: exactly 0 without an estimator."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for name, which in arms(runs, dataset, form).items():
            if not name.startswith("bernoulli"):
                continue
            largest = np.abs(runs.steps("size_gradient_0", **which)).max(-1)
            label: dict[str, Any] = {"dataset": dataset, "gate": name, "of": "largest |gradient|"}
            found = bootstrap_interval(largest)
            if name != "bernoulli none":
                label["uninformative"] = "these estimators exist to have one"
            parts.append((label, found, _zero(found, largest)))
    return claim("Bernoulli gates give the size no gradient", parts, "needs --gates bernoulli")


def _zero(found: Estimate, largest: np.ndarray) -> Verdict:
    if not np.isfinite(largest).all():
        return Verdict("open", f"{np.count_nonzero(~np.isfinite(largest))} of {largest.size} runs are not there")
    outcome = "holds" if (largest == 0).all() else "refuted"
    return Verdict(outcome, f"{np.count_nonzero(largest)} of {largest.size} runs have a gradient other than 0")


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Size, its gradient and the loss against epochs, a row per form."""
    return {"slopes": growth(runs, dataset, arms, "gate")}
