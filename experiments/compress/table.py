"""What `python -m experiments.compress` prints of its summary: tables and answers in words."""

from typing import Any

from jaxsize.statistics import smallest_sample
from jaxsize.text_tables import format_table, spread


def as_text(summary: dict[str, Any]) -> str:
    """Format the tables of results and the answers in words."""
    blocks = []
    for dataset, depth in dict.fromkeys((row["dataset"], row["depth"]) for row in summary["results"]):
        rows = [row for row in summary["results"] if (row["dataset"], row["depth"]) == (dataset, depth)]
        kind = "accuracy" if "test_accuracy" in rows[0] else "error"
        form = ".4f" if kind == "accuracy" else ".3g"
        seeds = summary["settings"]["num_seeds"]
        brackets = "95 % interval" if seeds >= smallest_sample() else "range"
        blocks.append(f"{dataset}, {depth} hidden, {seeds} seeds, at the best validation epoch: median [{brackets}]")
        cells = [
            [
                f"{row['penalty']:g}",
                spread(row["epoch"], ".0f"),
                "x".join(f"{w:.0f}" for w in row["median_widths"] or []) or "-",
            ]
            + [spread(row["parameters"], ".0f"), spread(row["multiply_adds"], ".0f")]
            + [spread(row[f"{split}_{kind}"], form) for split in ("train", "validation", "test")]
            for row in rows
        ]
        header = ["penalty", "epoch", "median widths", "parameters", "multiply-adds", f"train {kind}"]
        blocks[-1] += "\n" + format_table([*header, f"validation {kind}", f"test {kind}"], cells)
        if "test_balanced_accuracy" in rows[0]:
            cells = [[f"{row['penalty']:g}", spread(row["test_balanced_accuracy"], form)] for row in rows]
            blocks.append(format_table(["penalty", "test accuracy, classes alike"], cells))
        names = list(dict.fromkeys(name for row in rows for name in row["gains"]))
        cells = [[name] + [_gain(row["gains"].get(name), form) for row in rows if row["penalty"]] for name in names]
        header = ["compressed minus ...", *(f"{row['penalty']:g}" for row in rows if row["penalty"])]
        if cells:
            blocks.append(f"gain in test {kind} by penalty, paired (raw p)\n" + format_table(header, cells))
    for name, answer in summary["claims"].items():
        counts = [part["verdict"] for part in answer["parts"] if "uninformative" not in part]
        detail = answer.get("reason") or ", ".join(f"{counts.count(o)} {o}" for o in dict.fromkeys(counts))
        blocks.append(f"{name} {answer['claim']}: {answer['verdict']} ({detail})")
    blocks += [
        f"{row['dataset']}, {row['depth']} hidden: compressed networks took {row['device_seconds']:.0f} "
        f"device-seconds, {row['ratio']:.2f} times what equal time charges them "
        f"({row['removal_share']:.1%} removing units, {row['compile_share']:.1%} waiting for programs)"
        for row in summary.get("overhead", [])
    ]
    for text, runs in (
        ("loss not finite, left out", summary["not_finite"]),
        ("a layer lost all its units", summary["collapsed"]),
    ):
        if runs:
            blocks.append(f"{text}: runs {', '.join(map(str, runs))}")
    blocks += [f"{count} batches stopped on {reason}" for reason, count in summary["stopped"].items() if count]
    return "\n\n".join(blocks)


def _gain(gain: dict[str, Any] | None, form: str) -> str:
    if gain is None or gain["estimate"] is None:
        return "-"
    p_value = "" if gain["p_value"] is None else f" (p {gain['p_value']:.2g})"
    short = f" {gain['short']} short" if gain.get("short") else ""
    return f"{gain['estimate']:+{form}}{p_value}{short}"
