"""The results of the sparsifier study: summary.json, the printed table and sentences. Test data select nothing."""

from collections.abc import Sequence
from typing import Any

from experiments.sparsifier.claims import answer
from experiments.sparsifier.ends import Finals
from jaxsize.data import Dataset
from jaxsize.results import Folder
from jaxsize.statistics import describe, smallest_sample
from jaxsize.text_tables import format_table, spread


def summarize(folder: Folder, data: Sequence[Dataset], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the content of summary.json."""
    finals = Finals(folder.rows.read(), settings)
    tested = [(dataset.name, width) for dataset in data for width in finals.widths]
    return {
        "settings": settings,
        "data": {dataset.name: {"source": dataset.source} | dataset.info for dataset in data},
        "results": [result(finals, *pair, penalty) for pair in tested for penalty in finals.penalties],
        "claims": answer(finals, folder, tested),
        "not_finite": [
            {key: row[key] for key in ("run", "dataset", "arm", "seed", "penalty", "start_width")}
            for row in finals.rows
            if row["train_loss"] is None
        ],
        "removals": len([event for event in folder.events.read() if event["event"] == "compaction"]),
        "collapsed": [row["run"] for row in finals.rows if row["live_units"] == 0 and row["train_loss"] is not None],
    }


def result(finals: Finals, dataset: str, width: int, penalty: float) -> dict[str, Any]:
    """Describe what one penalty led to, over seeds: sizes, scores, and paired gains over the two controls."""
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


def as_text(summary: dict[str, Any]) -> str:
    """Format the table of results and the answers in words."""
    blocks = []
    for dataset, width in dict.fromkeys((row["dataset"], row["start_width"]) for row in summary["results"]):
        rows = [row for row in summary["results"] if (row["dataset"], row["start_width"]) == (dataset, width)]
        kind = "accuracy" if "test_accuracy" in rows[0] else "error"  # of regression: the mean squared error
        form = ".4f" if kind == "accuracy" else ".2g"
        seeds = summary["settings"]["num_seeds"]
        brackets = "95 % interval" if seeds >= smallest_sample() else "range"
        heading = f"{dataset}, from {width} units, {seeds} seeds: median [{brackets}], gains in test {kind} (raw p)"
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
    if summary["removals"]:
        blocks.append(f"units were removed {summary['removals']} times while training")
    if summary["collapsed"]:
        blocks.append(f"collapsed, no unit left: runs {', '.join(map(str, summary['collapsed']))}")
    return "\n\n".join(blocks)


def programs_as_text(folder: Folder) -> str:
    """Format what this process compiled and waited for.

    It is not part of the summary, because the summary of a resumed study must equal that of one in a single go.
    """
    events = folder.events.read()
    removals = [event for event in events if event["event"] == "compaction"]
    compiled = sum(event["compiled"] for event in events if event["event"] == "programs")
    waited, removing = (sum(event[name] for event in removals) for name in ("compile_seconds", "seconds"))
    return (
        f"{compiled} programs compiled; removing units took {removing:.1f} s, waiting for its programs {waited:.1f} s"
    )


def _gain(estimate: dict[str, Any] | None, form: str) -> str:
    if estimate is None or estimate["estimate"] is None:
        return "-"
    p_value = "" if estimate["p_value"] is None else f" (p {estimate['p_value']:.2g})"
    return f"{estimate['estimate']:+{form}}{p_value}"
