"""The state of a claim, from what all folders say about it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.book.folders import Entry, StudyFolder

SETTLED = ("holds", "refuted")
NOT_RUN = "not run"
TOPICS = json.loads(Path(__file__).with_name("claims.json").read_text("utf-8"))
"""Topics with their claims: mark, sentence, source."""


class Source(NamedTuple):
    """An entry and the folder that it is from."""

    folder: StudyFolder
    entry: Entry


class State(NamedTuple):
    """How a claim stands in one form, or over all."""

    verdict: str
    """"holds", "refuted", "open", "not decided" or "not run"."""
    note: str = ""
    """What stands against what, where not all say the same."""
    conflict: bool = False
    """Whether one folder says that it holds and another that it is refuted, about the same thing and data sets."""


def sources_of(mark: str, folders: Sequence[StudyFolder]) -> list[Source]:
    """List what the folders say about a claim, under its name or a refinement of it."""
    return [Source(folder, entry) for folder in folders for entry in folder.entries if entry.mark == mark]


def state_of(sources: Sequence[Source]) -> State:
    """Decide how a claim stands: in the corrected form, or in the original one where only that was tested.

    Args:
        sources: what the folders say about the claim.
    """
    by_form = states_by_form(sources)
    tested = [by_form[form] for form in ("corrected", *by_form) if form in by_form and by_form[form].verdict != NOT_RUN]
    return tested[0] if tested else State(NOT_RUN)


def states_by_form(sources: Sequence[Source]) -> dict[str, State]:
    """Decide how a claim stands in each form.

    Folders about the same refinement and the same data sets are compared: those with the most values count, a settled
    one over an open one; if one says that it holds and another that it is refuted, that is a conflict, and the claim
    open. Then all refinements and data sets have to agree; else the claim is open.

    Args:
        sources: what the folders say about the claim.
    """
    forms = dict.fromkeys(source.entry.form for source in sources)
    return {form: _state([source for source in sources if source.entry.form == form]) for form in forms}


def _state(sources: Sequence[Source]) -> State:
    groups: dict[tuple, list[Entry]] = {}
    for _, entry in sources:
        if entry.verdict != "not tested":
            groups.setdefault((entry.name, entry.datasets), []).append(entry)
    outcomes = {key: _outcome(entries) for key, entries in groups.items()}
    if not outcomes:
        return State(NOT_RUN)
    conflict = "conflict" in outcomes.values()
    if len(set(outcomes.values())) == 1 and not conflict:
        return State(next(iter(outcomes.values())))
    by_outcome: dict[str, list[str]] = {}
    for (name, datasets), outcome in outcomes.items():
        by_outcome.setdefault(outcome, []).append(f"{name} on {', '.join(datasets) or 'no data set'}")
    note = "; ".join(f"{outcome}: {', '.join(names)}" for outcome, names in by_outcome.items())
    if set(outcomes.values()) in ({"not decided", "holds"}, {"not decided", "refuted"}):
        return State("not decided", note)
    return State("open", note.replace("conflict: ", "holds in one folder and is refuted in another: "), conflict)


def _outcome(entries: Sequence[Entry]) -> str:
    verdicts = {entry.verdict for entry in entries}
    if verdicts >= set(SETTLED):
        return "conflict"
    most = max(max(entry.n, default=0) for entry in entries)
    deciding = [entry.verdict for entry in entries if max(entry.n, default=0) == most]
    return next((verdict for verdict in deciding if verdict in SETTLED), deciding[0])
