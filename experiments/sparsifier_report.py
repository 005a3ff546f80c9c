"""What the sparsifier's runs say: the table, the claims C26 to C30, the sentences at the end. Test data select
nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsize.datasets import Dataset
from jaxsize.records import Folder
from jaxsize.statistics import (
    Estimate,
    describe,
    equivalence_ratio,
    holm,
    paired_difference,
    trend,
)
from jaxsize.study import Trained
from jaxsize.tables import format_table, spread
from jaxsize.verdicts import Verdict, equivalence_verdict, trend_verdict, verdict


class Finals:
    """The last row of every run, by what it is: columns over seeds, ready to be paired."""

    def __init__(self, rows: Sequence[dict[str, Any]], settings: dict[str, Any]):
        self.settings = settings
        self.datasets: list[str] = list(settings["dataset"])
        self.widths: list[int] = sorted(settings["start_width"])
        self.penalties: list[float] = [0.0, *sorted(settings["penalties"])]
        self.rows = [row for row in rows if row["epoch"] == settings["epochs"]]
        self._by_key = {self._key(row): row for row in self.rows}

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple:
        return row["arm"], row["dataset"], row["start_width"], row["penalty"], row["seed"]

    def column(self, name: str, dataset: str, width: int, penalty: float, arm: str = "learned") -> np.ndarray:
        """[num_seeds], NaN for a run that does not exist or whose loss is not finite."""
        found = [
            self._by_key.get((arm, dataset, width, penalty, seed), {}) for seed in range(self.settings["num_seeds"])
        ]
        values = [None if row.get("train_loss") is None else row.get(name) for row in found]
        return np.array([np.nan if value is None else value for value in values], float)

    def score(self, dataset: str) -> tuple[str, int]:
        """The column of the test score, and 1 if more of it is better, -1 if less."""
        is_error = any("test_error" in row for row in self.rows if row["dataset"] == dataset)
        return ("test_error", -1) if is_error else ("test_accuracy", 1)

    def gain(self, dataset: str, width: int, penalty: float, over: tuple[float, str]) -> Estimate:
        """How much better the learned network's test score is than that of (penalty, arm) with the same seeds."""
        name, sign = self.score(dataset)
        mine, theirs = (self.column(name, dataset, width, *arm) for arm in ((penalty, "learned"), over))
        return paired_difference(sign * _rounded(mine, name), sign * _rounded(theirs, name))


def _rounded(scores: np.ndarray, name: str) -> np.ndarray:
    """Accuracies that are equal but for the order of a sum become equal: ties in the test. Errors stay as they are."""
    return np.round(scores, 6) if name.endswith("accuracy") else scores


def last_rows(learned: Sequence[Trained], dataset: str) -> list[dict[str, Any]]:
    """The rows of the last epoch of one data set's runs."""
    rows = [row for trained in learned for row in trained.rows if row["dataset"] == dataset]
    return [row for row in rows if row["epoch"] == max(row["epoch"] for row in rows)]


def summarize(folder: Folder, data: Sequence[Dataset], settings: dict[str, Any]) -> dict[str, Any]:
    """The content of summary.json."""
    finals = Finals(folder.rows.read(), settings)
    tested = [(dataset.name, width) for dataset in data for width in finals.widths]
    return {
        "settings": settings,
        "data": {dataset.name: {"source": dataset.source} | dataset.info for dataset in data},
        "results": [result(finals, *pair, penalty) for pair in tested for penalty in finals.penalties],
        "claims": {
            "C26": size_falls(finals, tested),
            "C27": mild_penalty_helps(finals, tested),
            "C28": fashion_keeps_more(finals),
            "C29": accuracy_dips(finals, folder, tested),
            "C30": start_matters(finals, folder),
        },
        "not_finite": [
            {key: row[key] for key in ("run", "dataset", "arm", "seed", "penalty", "start_width")}
            for row in finals.rows
            if row["train_loss"] is None
        ],
        "collapsed": [row["run"] for row in finals.rows if row["live_units"] == 0 and row["train_loss"] is not None],
    }


def result(finals: Finals, dataset: str, width: int, penalty: float) -> dict[str, Any]:
    """What one penalty led to, over seeds: sizes, scores, and paired gains over the two controls."""
    names = ["live_units", "parameters", "train_loss"]
    scores = [f"{split}_{finals.score(dataset)[0].split('_')[1]}" for split in ("train", "validation", "test")]
    if scores[0].endswith("_error"):
        scores.append("test_noiseless_error")
    columns = {name: describe(finals.column(name, dataset, width, penalty)) for name in [*names, *scores]}
    label = {"dataset": dataset, "start_width": width, "penalty": penalty}
    return (
        label
        | columns
        | {
            "from_scratch": {
                name: describe(finals.column(name, dataset, width, penalty, "from_scratch")) for name in scores
            },
            "test_gain_over_unpenalised": finals.gain(dataset, width, penalty, (0.0, "learned")).as_dict()
            if penalty
            else None,
            "test_gain_over_from_scratch": finals.gain(dataset, width, penalty, (penalty, "from_scratch")).as_dict(),
        }
    )


def _claim(text: str, parts: Sequence[tuple[dict[str, Any], Estimate, Verdict]], untested: str = "") -> dict[str, Any]:
    """A claim with its parts; it holds if every part holds, is refuted if every part is refuted, else is open."""
    outcomes = {found.outcome for _, _, found in parts}
    outcome = outcomes.pop() if len(outcomes) == 1 else "open" if parts else "not tested"
    rows = [label | estimate.as_dict() | {"verdict": v.outcome, "reason": v.reason} for label, estimate, v in parts]
    return {"claim": text, "verdict": outcome, "parts": rows} | ({"reason": untested} if not parts else {})


def size_falls(finals: Finals, tested: Sequence[tuple[str, int]]) -> dict[str, Any]:
    parts = []
    for dataset, width in tested:
        sizes = np.stack([finals.column("live_units", dataset, width, penalty) for penalty in finals.penalties], axis=1)
        found = trend(finals.penalties, sizes, direction="negative")
        fits = {f"{p:g}": describe(finals.column("train_accuracy", dataset, width, p)) for p in finals.penalties}
        parts.append(
            (
                {"dataset": dataset, "start_width": width, "train_accuracy": fits},
                found,
                trend_verdict(found, "negative"),
            )
        )
    return _claim("live units fall as the penalty rises (and training reaches about 100 %)", parts)


def mild_penalty_helps(finals: Finals, tested: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Holds on a data set if some penalty gains there, after Holm over its penalties; is refuted if each one loses."""
    parts, outcomes = [], []
    for dataset, width in tested:
        found = [finals.gain(dataset, width, penalty, (0.0, "learned")) for penalty in finals.penalties[1:]]
        adjusted = holm([estimate.p_value for estimate in found])
        verdicts = [verdict(estimate, "positive") for estimate in found]
        better = [v.outcome == "holds" and p is not None and p <= 0.05 for v, p in zip(verdicts, adjusted, strict=True)]
        worse = all(v.outcome == "refuted" for v in verdicts)
        outcomes.append("holds" if any(better) else "refuted" if worse else "open")
        for penalty, estimate, p_value, v in zip(finals.penalties[1:], found, adjusted, verdicts, strict=True):
            label = {"dataset": dataset, "start_width": width, "penalty": penalty, "p_value_holm": p_value}
            parts.append((label, estimate, v))
    claim = _claim("some penalty gives a better test score than none", parts)
    return claim | {"verdict": outcomes[0] if len(set(outcomes)) == 1 else "open"}


def fashion_keeps_more(finals: Finals) -> dict[str, Any]:
    text = "at the same penalty fashion_mnist keeps more units than mnist"
    if not {"mnist", "fashion_mnist"} <= set(finals.datasets):
        return _claim(text, [], "needs --dataset mnist fashion_mnist")
    parts = []
    for width in finals.widths:
        for penalty in finals.penalties[1:]:
            fashion, mnist = (finals.column("live_units", name, width, penalty) for name in ("fashion_mnist", "mnist"))
            found = paired_difference(fashion, mnist)
            parts.append(({"start_width": width, "penalty": penalty}, found, verdict(found, "positive")))
    return _claim(text, parts)


def accuracy_dips(finals: Finals, folder: Folder, tested: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Depth: fall of the score in the epoch in which most units die, beyond that of the unpenalised run of the seed."""
    rows = [row for row in folder.rows.read() if row["arm"] == "learned"]
    split = "validation" if any("validation_loss" in row for row in rows) else "test"
    parts = []
    for dataset, width in tested:
        name, sign = f"{split}_{finals.score(dataset)[0].split('_')[1]}", finals.score(dataset)[1]
        chosen = [row for row in rows if (row["dataset"], row["start_width"]) == (dataset, width)]
        by_run = {(row["penalty"], row["seed"], row["epoch"]): row for row in chosen}
        observed = np.load(folder.path / "steps" / f"{dataset}.learned.{width}.observed.npy", mmap_mode="r")
        first_run = min((row["run"] for row in chosen), default=0)
        for penalty in finals.penalties[1:]:
            depths, epochs, steps = [], [], []
            for seed in range(finals.settings["num_seeds"]):
                path = [by_run[penalty, seed, epoch + 1] for epoch in range(finals.settings["epochs"])]
                deaths = [sum(row["deaths_per_layer"]) for row in path]
                worst = int(np.argmax(deaths))
                if not deaths[worst] or path[-1]["train_loss"] is None:
                    continue
                live = observed[path[0]["run"] - first_run]
                epochs.append(worst + 1)
                steps.append(int(np.argmax(live <= (live[0] + live[-1]) / 2)) + 1)
                if worst:
                    both = (by_run[p, seed, epoch][name] for p in (penalty, 0.0) for epoch in (worst, worst + 1))
                    before, after, alone_before, alone_after = (np.nan if score is None else score for score in both)
                    depths.append(sign * ((before - after) - (alone_before - alone_after)))
            found = paired_difference(_rounded(np.array(depths), name), np.zeros(len(depths)))
            times = {"epoch_of_most_deaths": describe(epochs), "step_of_half_of_deaths": describe(steps)}
            label = {"dataset": dataset, "start_width": width, "penalty": penalty, "score": name} | times
            parts.append((label, found, verdict(found, "positive")))
    return _claim("the score dips when most gates close, in epoch 2 (see epoch_of_most_deaths)", parts)


def start_matters(finals: Finals, folder: Folder) -> dict[str, Any]:
    text = "the end size does not depend on the start size (ratio within 15 %)"
    if len(finals.widths) < 2:
        return _claim(text, [], "needs several values of --start-width")
    rows, parts, last = folder.rows.read(), [], finals.settings["epochs"]
    for dataset in finals.datasets:
        for penalty in finals.penalties[1:]:
            for small, large in zip(finals.widths, finals.widths[1:], strict=False):
                sizes = {w: finals.column("live_units", dataset, w, penalty) for w in (small, large)}
                found = equivalence_ratio(sizes[large], sizes[small])
                mine = [r for r in rows if (r["arm"], r["dataset"], r["penalty"]) == ("learned", dataset, penalty)]
                earlier = {r["run"]: r["live_units"] for r in mine if r["epoch"] == max(1, last - 10)}
                still = [earlier[r["run"]] - r["live_units"] for r in mine if r["epoch"] == last]
                label = {"dataset": dataset, "penalty": penalty, "start_widths": [small, large]}
                label["deaths_in_last_10_epochs"] = describe(np.array(still, float))
                parts.append((label, found, equivalence_verdict(found)))
    return _claim(text, parts)


def as_text(summary: dict[str, Any]) -> str:
    """The table and the answers in words."""
    blocks = []
    for dataset, width in dict.fromkeys((row["dataset"], row["start_width"]) for row in summary["results"]):
        rows = [row for row in summary["results"] if (row["dataset"], row["start_width"]) == (dataset, width)]
        kind = "accuracy" if "test_accuracy" in rows[0] else "error"  # of regression: the mean squared error
        form = ".4f" if kind == "accuracy" else ".2g"
        seeds = summary["settings"]["num_seeds"]
        heading = f"{dataset}, from {width} units, {seeds} seeds: median [spread], gains in test {kind}"
        header = ["penalty", "live units", "parameters", f"train {kind}", f"validation {kind}", f"test {kind}"]
        cells = [
            [f"{row['penalty']:g}", spread(row["live_units"], ".0f"), spread(row["parameters"], ".0f")]
            + [spread(row[f"{split}_{kind}"], form) for split in ("train", "validation", "test")]
            + [_gain(row["test_gain_over_unpenalised"], form), _gain(row["test_gain_over_from_scratch"], form)]
            for row in rows
        ]
        blocks.append(heading + "\n" + format_table([*header, "vs unpenalised", "vs from scratch"], cells))
    for name, claim in summary["claims"].items():
        counts = [part["verdict"] for part in claim["parts"]]
        detail = claim.get("reason") or ", ".join(f"{counts.count(o)} {o}" for o in dict.fromkeys(counts))
        why = claim["parts"][0]["reason"] if len(counts) == 1 or set(counts) == {"open"} else ""
        blocks.append(f"{name} {claim['claim']}: {claim['verdict']} ({detail}{'; ' + why if why else ''})")
    for run in summary["not_finite"]:
        blocks.append(
            "run {run} ({dataset}, {arm}, seed {seed}, penalty {penalty:g}): loss not finite, left out".format(**run)
        )
    if summary["collapsed"]:
        blocks.append(f"collapsed, no unit left: runs {', '.join(map(str, summary['collapsed']))}")
    return "\n\n".join(blocks[: len(blocks)])


def _gain(estimate: dict[str, Any] | None, form: str) -> str:
    if estimate is None or estimate["estimate"] is None:
        return "-"
    p_value = "" if estimate["p_value"] is None else f" (p {estimate['p_value']:.2g})"
    return f"{estimate['estimate']:+{form}}{p_value}"
