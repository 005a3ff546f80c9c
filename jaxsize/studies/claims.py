"""Claims: a sentence, the arms that it speaks of, and a measure that yields its parts."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxsize.statistics import Part, claim, family, seeds_to_settle
from jaxsize.studies.arms import Arms
from jaxsize.studies.choosing import Chooser


def any_part(parts: Sequence[Mapping[str, Any]]) -> str:
    """Decide a claim that says "some": it needs one part that holds in every family, after Holm's adjustment.

    It is refuted if all parts are. See `statistics.family`.

    Example:
        >>> from jaxsize.studies.claims import any_part
        >>> any_part([{"verdict": "holds", "p_value_holm": 0.01}, {"verdict": "open", "p_value_holm": 0.7}])
        'holds'
    """
    outcomes = set()
    for together in {family(dict(part)) for part in parts}:
        rows = [part for part in parts if family(dict(part)) == together]
        holds = any(row["verdict"] == "holds" and (row["p_value_holm"] or 0) <= 0.05 for row in rows)
        outcomes.add("holds" if holds else "refuted" if all(row["verdict"] == "refuted" for row in rows) else "open")
    return outcomes.pop() if len(outcomes) == 1 else "open"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence that a study judges from its runs, in every form.

    Example:
        >>> from jaxsize.studies import Arms, Claim, above, each
        >>> def grows(arm):
        ...     yield above(bootstrap_interval(arm.end("size") - arm.end("start_size")))
        >>> Claim("sizes grow", each("fixed*"), grows).judge(Arms([]), "corrected")["verdict"]
        'not tested'
    """

    text: str
    """What is claimed."""
    arms: Chooser
    """Which arms are judged together: made by `each`, `versus`, `across` or `between`."""
    measure: Callable[..., Iterable[Part]]
    """(the chosen arms) -> parts, made by `above`, `below`, `within`, `equal`, `exactly`, `listed`."""
    untested: str = "its arms are not among these runs"
    """Why the claim is not tested where it has no parts, such as the flag that it needs."""
    decide: Callable[[Sequence[Mapping[str, Any]]], str] | None = None
    """(the parts, as rows) -> the verdict of the claim. None: all parts that count decide, as
    `statistics.claim` says."""
    skip: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Forms in which the claim is not tested, and why."""
    seeds: int | Callable[[Any], int] = 6
    """How many seeds the claim needs to be settled, or a function of the study's flags that says so."""

    def judge(self, arms: Arms, form: str) -> dict[str, Any]:
        """Judge the claim in one form.

        Args:
            arms: the arms of that form, on all data sets.
            form: "original" or "corrected".

        Returns:
            What `statistics.claim` makes of the parts.
        """
        if form in self.skip:
            return claim(self.text, [], self.skip[form])
        parts = [
            (label | more, estimate, outcome)
            for label, chosen in self.arms(arms)
            for more, estimate, outcome in self.measure(*chosen)
        ]
        judged = claim(self.text, parts, self.untested)
        if parts and self.decide is not None:
            judged["verdict"] = self.decide(judged["parts"])
        return judged

    def needed(self, flags: Any) -> int:
        """Return how many seeds the claim needs to be settled, by the flags of its study."""
        return self.seeds(flags) if callable(self.seeds) else self.seeds

    def settling(self, judged: Mapping[str, Any], flags: Any) -> str:
        """Say what would settle a claim that is open; "" where it is not, or where nothing sensible can be said.

        Args:
            judged: the claim, judged.
            flags: the flags of the study.
        """
        if judged["verdict"] != "open" or all("uninformative" in part for part in judged["parts"]):
            return ""
        if (needed := self.needed(flags)) > flags.num_seeds:
            return f"{needed} seeds: --num-seeds {needed}"
        numbers = [
            seeds_to_settle([part], bounds=part.get("bounds", (0.0,)))
            for part in judged["parts"]
            if part["verdict"] == "open" and "uninformative" not in part
        ]
        if None in numbers:  # more of the same would leave that part open
            return ""
        more = max((number for number in numbers if number), default=0)
        return f"about {more} seeds, if medians and spreads stay: --num-seeds {more}" if more > flags.num_seeds else ""
