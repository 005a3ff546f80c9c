"""Claims: a sentence, the arms that it speaks of, and a measure that yields its parts."""

import dataclasses
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxsize.statistics import Part, claim, family, seeds_to_settle
from jaxsize.studies.arms import Arms
from jaxsize.studies.choosing import Chooser
from jaxsize.studies.parts import listed


def any_part(parts: Sequence[Mapping[str, Any]]) -> str:
    """Decide a claim that says "some": it needs one part that holds in every family, after Holm's adjustment.

    It is refuted if all parts are. See `statistics.family`.

    Example:
        >>> from jaxsize.studies.claims import any_part
        >>> any_part([{"verdict": "holds", "p_value_holm": 0.01}, {"verdict": "open", "p_value_holm": 0.7}])
        'holds'
    """
    outcomes, counting = set(), [part for part in parts if "uninformative" not in part]
    for together in {family(dict(part)) for part in counting}:
        rows = [part for part in counting if family(dict(part)) == together]
        adjusted = [row["p_value_holm"] for row in rows if row["verdict"] == "holds"]
        holds = any(p_value is not None and p_value <= 0.05 for p_value in adjusted)
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

    controls: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Arms whose parts are listed and do not count, by name, in which * stands for any text; and why. Of arms that are
    judged together the first one is meant."""

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
        parts: list[Part] = []
        for label, chosen in self.arms(arms):
            why = [reason for name, reason in self.controls.items() if fnmatch.fnmatchcase(chosen[0].name, name)]
            for more, estimate, outcome in self.measure(*chosen):
                part = label | more, estimate, outcome
                parts.append(listed(part, why[0]) if why and "uninformative" not in more else part)
        judged = claim(self.text, parts, self.untested)
        if self.decide is not None and any("uninformative" not in part for part in judged["parts"]):
            judged["verdict"] = self.decide(judged["parts"])
        return judged

    def needed(self, flags: Any) -> int:
        """Return how many seeds the claim needs to be settled, by the flags of its study."""
        return self.seeds(flags) if callable(self.seeds) else self.seeds

    def settling(self, judged: Mapping[str, Any], flags: Any) -> str:
        """Say what would settle a claim that is open; "" where it is not, or where nothing sensible can be said.

        Args:
            judged: the claim, judged. Parts with a label `over` are estimates over something else than seeds.
            flags: the flags of the study.
        """
        counting = [part for part in judged["parts"] if not {"uninformative", "over"} & part.keys()]
        if judged["verdict"] != "open" or not counting:
            return ""
        if (needed := self.needed(flags)) > flags.num_seeds:
            return f"{needed} seeds: --num-seeds {needed}"
        if self.decide is None and len({part["verdict"] for part in counting} & {"holds", "refuted"}) > 1:
            return ""  # its parts contradict each other, however many seeds there are
        needs = [
            seeds_to_settle([part], tests=_num_tests(part, counting), bounds=part.get("bounds", (0.0,)))
            for part in counting
            if part["verdict"] == "open"
        ]
        known = [need for need in needs if need]
        if self.decide is any_part:
            more = min(known, default=0)
        else:
            more = max(known) if known and len(known) == len(needs) else 0
        return f"about {more} seeds, if medians and spreads stay: --num-seeds {more}" if more > flags.num_seeds else ""


def _num_tests(part: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> int:
    """How many p values are adjusted together with that of a part, itself included."""
    same = [other for other in parts if family(dict(other)) == family(dict(part))]
    return max(1, sum(other["p_value"] is not None for other in same))
