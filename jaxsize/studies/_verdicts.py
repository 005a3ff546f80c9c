"""The claims of a summary, by name: verdict of each form, what would settle it, its parts."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxsize.studies.grids import Grid, grid_of_parts


class Answer(NamedTuple):
    """What one form of a study says about a claim."""

    form: str
    verdict: str
    reason: str
    settle: str
    counted: str
    """How many of the parts hold, are refuted, are open."""
    parts: Grid | None


class ClaimView(NamedTuple):
    """A claim with the answers of all forms."""

    name: str
    text: str
    answers: list[Answer]


def claim_views(claims: Mapping[str, Mapping[str, Any]]) -> list[ClaimView]:
    """Sort the claims of a summary by name, in the order in which they first come.

    Args:
        claims: claims by name, by form.
    """
    names = dict.fromkeys(name for by_name in claims.values() for name in by_name)
    views = []
    for name in names:
        entries = {form: by_name[name] for form, by_name in claims.items() if name in by_name}
        answers = [_answer(form, entry) for form, entry in entries.items()]
        texts = dict.fromkeys(entry["claim"] for entry in entries.values())
        views.append(ClaimView(name, " / ".join(text[:1].upper() + text[1:] for text in texts), answers))
    return views


def _answer(form: str, entry: Mapping[str, Any]) -> Answer:
    parts = entry.get("parts") or []
    counting = [part for part in parts if not part.get("uninformative")]
    counts = Counter(part.get("verdict") for part in counting)
    words = {verdict: "hold" if verdict == "holds" and count > 1 else verdict for verdict, count in counts.items()}
    counted = ", ".join(f"{count} {words[verdict]}" for verdict, count in counts.items())
    if len(counting) < len(parts):
        counted += f"{', ' if counted else ''}{len(parts) - len(counting)} not counted"
    return Answer(
        form=form,
        verdict=entry["verdict"],
        reason=entry.get("reason") or "",
        settle=entry.get("settle") or "",
        counted=f"{len(parts)} part{'s' if len(parts) > 1 else ''}: {counted}",
        parts=grid_of_parts(parts) if parts else None,
    )
