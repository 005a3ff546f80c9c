"""Claims with their parts, and p values adjusted within families."""

from collections.abc import Collection, Sequence
from typing import Any

from jaxsize.statistics.comparisons import holm
from jaxsize.statistics.estimates import Estimate
from jaxsize.statistics.verdicts import Verdict

Part = tuple[dict[str, Any], Estimate, Verdict]


def claim(text: str, parts: Sequence[Part], untested: str = "") -> dict[str, Any]:
    """Put a claim and its parts together, ready for JSON.

    The claim holds, or is refuted, if all of its parts that count do; otherwise it is open, or, without parts, not
    tested. It is not decided by its source if that is so of all of them, or of some, and all others hold, or all are
    refuted: no more runs would settle it. A part whose label has the key `uninformative` is listed but does not count.

    Args:
        text: what the claim says.
        parts: for each part of the claim a label, an estimate and the verdict on it.
        untested: why there are no parts.

    Returns:
        "claim", "verdict" and "parts"; without parts also "reason". A part has the entries of its label and of its
        estimate, "verdict", "reason" and "p_value_holm": its p value adjusted by `holm` within its `family`.

    Example:
        >>> from jaxsize.statistics import Estimate, claim, verdict
        >>> estimate = Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap", 0.01)
        >>> parts = [({"dataset": name}, estimate, verdict(estimate, "positive")) for name in ("digits", "mnist")]
        >>> report = claim("Sizes grow.", parts)
        >>> report["verdict"], [part["p_value_holm"] for part in report["parts"]]
        ('holds', [0.01, 0.01])
        >>> claim("Sizes shrink.", [], untested="no runs")["verdict"]
        'not tested'
    """
    outcomes = {part_verdict.outcome for label, _, part_verdict in parts if "uninformative" not in label}
    outcome = _together(outcomes) if outcomes else "not tested"
    rows: list[dict[str, Any]] = []
    for label, estimate, part_verdict in parts:
        rows.append(label | estimate.as_dict() | {"verdict": part_verdict.outcome, "reason": part_verdict.reason})
    for row_family in {family(row) for row in rows}:
        members = [row for row in rows if family(row) == row_family]
        for row, adjusted in zip(members, holm([row["p_value"] for row in members]), strict=True):
            row["p_value_holm"] = adjusted
    why = untested if not parts else "" if outcomes else "none of its parts counts"
    return {"claim": text, "verdict": outcome, "parts": rows} | ({"reason": why} if why else {})


def _together(outcomes: Collection[str]) -> str:
    """Put the different outcomes of the parts together to one."""
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return "not decided" if set(outcomes) in ({"not decided", "holds"}, {"not decided", "refuted"}) else "open"


def family(row: dict[str, Any]) -> tuple:
    """Name the family of a part: parts with the same data set, depth and start are tested together.

    Args:
        row: the label of a part, or the row that `claim` makes of it. Its "dataset", "depth", "start_width" and
            "start_widths" make the family; a missing one counts as None (the last as an empty sequence).

    Example:
        >>> from jaxsize.statistics import family
        >>> family({"dataset": "digits", "depth": 2, "penalty": 0.1}) == family({"dataset": "digits", "depth": 2})
        True
        >>> family({"dataset": "digits", "depth": 2}) == family({"dataset": "digits", "depth": 3})
        False
    """
    return row.get("dataset"), row.get("depth"), row.get("start_width"), tuple(row.get("start_widths", ()))
