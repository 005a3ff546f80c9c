"""The claims C26 to C30, answered from the runs. A claim has parts, one per data set, start width and penalty.

A part holds if its 95 % interval excludes 0 in the stated direction, is refuted if the interval excludes 0 in the other
direction, and is open otherwise. A claim holds, or is refuted, if all its parts are. p values are given raw, and
adjusted by Holm within a data set and start width.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.sparsifier.ends import Finals, rounded
from jaxsize.results import Folder
from jaxsize.statistics import (
    Verdict,
    claim,
    describe,
    equivalence_ratio,
    equivalence_verdict,
    family,
    paired_difference,
    trend,
    verdict,
)


def answer(finals: Finals, folder: Folder, tested: Sequence[tuple[str, int]]) -> dict[str, dict[str, Any]]:
    """Answer every claim, by its mark.

    Args:
        finals: the last rows of all runs.
        folder: the results folder, with the rows of all epochs and the histories of all steps.
        tested: data set and start width of the runs.
    """
    return {
        "C26": size_falls(finals, tested),
        "C27": mild_penalty_helps(finals, tested),
        "C28": fashion_keeps_more(finals),
        "C29": score_dips(finals, folder, tested),
        "C30": start_does_not_matter(finals, folder),
    }


def size_falls(finals: Finals, tested: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Answer C26: the number of live units falls as the penalty rises.

    Every part also lists the training score by penalty: does it reach about 100 %, as the source says?
    """
    parts = []
    for dataset, width in tested:
        sizes = np.stack([finals.column("live_units", dataset, width, penalty) for penalty in finals.penalties], axis=1)
        estimate = trend(finals.penalties, sizes, direction="negative")
        name = finals.score(dataset)[0].replace("test", "train")
        fits = {f"{p:g}": describe(finals.column(name, dataset, width, p)) for p in finals.penalties}
        parts.append(({"dataset": dataset, "start_width": width, name: fits}, estimate, verdict(estimate, "negative")))
    return claim("live units fall as the penalty rises", parts)


def mild_penalty_helps(finals: Finals, tested: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Answer C27: some penalty gives a better test score than none.

    It holds on a data set if some penalty gains there, after Holm's adjustment over the penalties of that data set. It
    is refuted if every penalty loses.
    """
    parts = []
    for dataset, width in tested:
        for penalty in finals.penalties[1:]:
            gain = finals.gain(dataset, width, penalty, (0.0, "learned"))
            label = {"dataset": dataset, "start_width": width, "penalty": penalty}
            parts.append((label, gain, verdict(gain, "positive")))
    helps = claim("some penalty gives a better test score than none", parts)
    outcomes = set()
    for tested_together in {family(row) for row in helps["parts"]}:
        rows = [row for row in helps["parts"] if family(row) == tested_together]
        gains = any(row["verdict"] == "holds" and (row["p_value_holm"] or 0) <= 0.05 for row in rows)
        outcomes.add("holds" if gains else "refuted" if all(row["verdict"] == "refuted" for row in rows) else "open")
    return helps | {"verdict": outcomes.pop() if len(outcomes) == 1 else "open"}


def fashion_keeps_more(finals: Finals) -> dict[str, Any]:
    """Answer C28: at the same penalty Fashion-MNIST keeps more units than MNIST.

    Every part also lists the test accuracy of both sizes. A part in which all runs kept all their units, or none, says
    nothing and is marked.
    """
    text = "at the same penalty fashion_mnist keeps more units than mnist"
    sets = ("fashion_mnist", "mnist")
    if not set(sets) <= set(finals.datasets):
        return claim(text, [], "needs --dataset mnist fashion_mnist")
    parts = []
    for width, penalty in itertools.product(finals.widths, finals.penalties[1:]):
        sizes = [finals.column("live_units", name, width, penalty) for name in sets]
        difference = paired_difference(*sizes)
        label: dict[str, Any] = {"start_width": width, "penalty": penalty}
        for name in sets:
            label[f"test_accuracy_{name}"] = describe(finals.column("test_accuracy", name, width, penalty))
        if any(np.all(np.concatenate(sizes) == size) for size in (0, width)):
            label["uninformative"] = "both sets keep all units" if sizes[0][0] else "both sets keep none"
        parts.append((label, difference, verdict(difference, "positive")))
    return claim(text, parts)


def score_dips(finals: Finals, folder: Folder, tested: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Answer C29: the score dips in the epoch in which the first gates close.

    What is estimated is the depth of the dip: how much more the score falls in the epoch of a run's first deaths than
    in the unpenalised run with the same seed. The label's `epoch_of_first_deaths` (counted from 1) says whether that is
    epoch 2, as the source says. Runs without deaths, with deaths in the first epoch already (there is no score before
    them), and with a loss that is not finite are left out.
    """
    rows = [row for row in folder.rows.read() if row["arm"] == "learned"]
    split = "validation" if any("validation_loss" in row for row in rows) else "test"
    parts = []
    for dataset, width in tested:
        name, sign = finals.score(dataset)[0].replace("test", split), finals.score(dataset)[1]
        chosen = [row for row in rows if (row["dataset"], row["start_width"]) == (dataset, width)]
        by_run = {(row["penalty"], row["seed"], row["epoch"]): row for row in chosen}
        history = np.load(folder.path / "steps" / f"{dataset}.learned.{width}.observed.npy", mmap_mode="r")
        first_run = min(row["run"] for row in chosen)
        for penalty in finals.penalties[1:]:
            depths, times = [], {"epoch_of_first_deaths": [], "step_of_first_death": [], "step_of_half_of_deaths": []}
            for seed in range(finals.settings["num_seeds"]):
                path = [by_run[penalty, seed, epoch + 1] for epoch in range(finals.settings["epochs"])]
                live = np.asarray(history[path[0]["run"] - first_run])
                if live[-1] == width or path[-1]["train_loss"] is None:
                    continue
                epoch = next(row["epoch"] for row in path if sum(row["deaths_per_layer"]))
                times["epoch_of_first_deaths"].append(epoch)
                times["step_of_first_death"].append(int(np.argmax(live < width)) + 1)
                times["step_of_half_of_deaths"].append(int(np.argmax(live <= (width + live[-1]) / 2)) + 1)
                if epoch > 1:
                    both = (by_run[p, seed, e][name] for p in (penalty, 0.0) for e in (epoch - 1, epoch))
                    before, after, alone_before, alone_after = (np.nan if score is None else score for score in both)
                    depths.append(sign * ((before - after) - (alone_before - alone_after)))
            depth = paired_difference(rounded(np.array(depths), name), np.zeros(len(depths)))
            label = {"dataset": dataset, "start_width": width, "penalty": penalty, "score": name}
            label |= {key: describe(values) for key, values in times.items()}
            parts.append((label, depth, verdict(depth, "positive")))
    return claim("the score dips in the epoch in which the first gates close", parts)


def start_does_not_matter(finals: Finals, folder: Folder) -> dict[str, Any]:
    """Answer C30 for every pair of start widths: the end size does not depend on the start size.

    A part stays open while units are still dying: more than 1 % of them in the last 10 epochs.
    """
    text = "the end size does not depend on the start size (ratio within 15 %)"
    if len(finals.widths) < 2:
        return claim(text, [], "needs several values of --start-width")
    last, parts = finals.settings["epochs"], []
    rows = [row for row in folder.rows.read() if row["arm"] == "learned" and row["penalty"]]
    pairs = itertools.combinations(finals.widths, 2)
    for dataset, penalty, widths in itertools.product(finals.datasets, finals.penalties[1:], pairs):
        sizes = {width: finals.column("live_units", dataset, width, penalty) for width in widths}
        ratio = equivalence_ratio(sizes[widths[1]], sizes[widths[0]])
        chosen = [r for r in rows if (r["dataset"], r["penalty"]) == (dataset, penalty) and r["start_width"] in widths]
        before = {row["run"]: row["live_units"] for row in chosen if row["epoch"] == max(1, last - 10)}
        now = {row["run"]: row["live_units"] for row in chosen if row["epoch"] == last}
        dying = describe([(before[run] - now[run]) / max(before[run], 1) for run in now])
        label: dict[str, Any] = {"dataset": dataset, "penalty": penalty, "start_widths": list(widths)}
        label["share_dying_in_last_10_epochs"] = dying
        part_verdict = equivalence_verdict(ratio)
        if all(np.all(size == 0) for size in sizes.values()):
            label["uninformative"] = "no unit is left from either start"
        elif dying["median"] > 0.01:
            share = f"{dying['median']:.1%} of the units died in the last 10 epochs"
            part_verdict = Verdict("open", f"not converged: {share}; {part_verdict.reason}")
        parts.append((label, ratio, part_verdict))
    return claim(text, parts)
