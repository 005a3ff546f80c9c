"""Claims: a sentence, the arms that it speaks of, and a measure that yields its parts."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsize.statistics import (
    Estimate,
    Part,
    Verdict,
    claim,
    equivalence_verdict,
    family,
    not_decided,
    paired_difference,
    range_verdict,
    seeds_to_settle,
    trend_verdict,
    verdict,
)
from jaxsize.studies.arms import Arms, ArmView
from jaxsize.studies.choosing import Chooser

TIES = {"accuracy": 6, "error": 12}
"""Scores that are equal up to so many digits differ only by the order of a sum: they are ties."""


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
        if judged["verdict"] != "open":
            return ""
        if (needed := self.needed(flags)) > flags.num_seeds:
            return f"{needed} seeds: --num-seeds {needed}"
        numbers = [
            number
            for part in judged["parts"]
            if part["verdict"] == "open" and "uninformative" not in part
            if (number := seeds_to_settle([part], bounds=part.get("bounds", (0.0,))))
        ]
        more = max(numbers, default=0)
        return f"about {more} seeds, if medians and spreads stay: --num-seeds {more}" if more > flags.num_seeds else ""


def gain(one: ArmView, other: ArmView, column: str = "test_score") -> Estimate:
    """Estimate how much better one arm's score is than another's at the end, paired over seeds.

    Differences are rounded to `TIES`. A run that diverged is lost, and counts as `paired_difference` says; a seed
    without a run in either arm is left out. Any other column is compared likewise, more of it counting as better.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import ArmView, gain
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "arm", "seed", "test_error")
        ...     lines = [("a", 0, "add10", "new", 0, 3.0), ("a", 1, "add10", "old", 0, 4.0)]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     runs = Runs(folder, {"num_seeds": 1})
        >>> gain(ArmView(runs, {"dataset": "add10", "arm": "new"}), ArmView(runs, {"dataset": "add10", "arm": "old"}))
        Estimate(estimate=1.0, ...
    """
    return paired_difference(
        gains(one, other, column), np.zeros(one.runs.num_seeds), missing=~(one.exists & other.exists)
    )


def gains(one: ArmView, other: ArmView, column: str = "test_score") -> np.ndarray:
    """Subtract another arm's score at the end from one arm's, rounded to `TIES`: [num_seeds]; see `gain`."""
    name = one.score(column.removesuffix("_score"))[0] if column.endswith("_score") else column
    return np.round(one.end(column) - other.end(column), TIES.get(name.rpartition("_")[2], 12))


def above(estimate: Estimate, **label: Any) -> Part:
    """Claim that a number is above 0.

    Args:
        estimate: the number, with its interval.
        **label: what tells this part of the claim from the others.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above
        >>> above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap"), of="size")[2].outcome
        'holds'
    """
    return label, estimate, verdict(estimate, "positive")


def below(estimate: Estimate, **label: Any) -> Part:
    """Claim that a number is below 0; see `above`."""
    return label, estimate, verdict(estimate, "negative")


def within(estimate: Estimate, low: float, high: float, **label: Any) -> Part:
    """Claim that a number lies in a range; see `above` and `statistics.range_verdict`."""
    return label | {"bounds": [low, high]}, estimate, range_verdict(estimate, low, high)


def equal(ratio: Estimate, margin: float = 0.15, **label: Any) -> Part:
    """Claim that a ratio is 1 up to a factor of 1 + margin; see `above` and `statistics.equivalence_verdict`."""
    return label | {"bounds": [1 / (1 + margin), 1 + margin]}, ratio, equivalence_verdict(ratio, margin)


def trending(estimate: Estimate, **label: Any) -> Part:
    """Claim that values rise, or fall, with a setting; the estimate's trend test decides.

    Args:
        estimate: the trend, from `statistics.trend`, which also says in which direction.
        **label: what tells this part of the claim from the others.

    Example:
        >>> from jaxsize.statistics import trend
        >>> from jaxsize.studies import trending
        >>> sizes = [[9, 7, 5, 2], [8, 8, 4, 3], [9, 6, 2, 1]]
        >>> trending(trend([0.1, 1, 10, 100], sizes, direction="negative"))[2].outcome
        'holds'
    """
    return label, estimate, trend_verdict(estimate)


def unclear(part: Part, why: str) -> Part:
    """Give a part's estimate without a verdict, where the words of the source leave open what would count as true.

    Args:
        part: the part.
        why: what the source leaves open.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above, unclear
        >>> unclear(above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")), 'it says "nearly"')[2].outcome
        'not decided'
    """
    label, estimate, _ = part
    return label, estimate, not_decided(estimate, why)


def exactly(wanted: float, values: np.ndarray, estimate: Estimate, **label: Any) -> Part:
    """Claim that every run has this very number; open if a run is missing.

    Args:
        wanted: the number.
        values: [num_seeds].
        estimate: what is told of the values.
        **label: what tells this part of the claim from the others.

    Example:
        >>> import numpy as np
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import exactly
        >>> exactly(0.0, np.zeros(3), Estimate(0.0, 0.0, 0.0, 0.95, 3, "bootstrap"))[2].outcome
        'holds'
    """
    if missing := np.count_nonzero(~np.isfinite(values)):
        return label, estimate, Verdict("open", f"{missing} of {values.size} runs have no such number")
    other = np.count_nonzero(values != wanted)
    told = f"{other} of {values.size} runs differ from {wanted:g}"
    return label, estimate, Verdict("refuted" if other else "holds", told)


def listed(part: Part, why: str) -> Part:
    """List a part of a claim that does not count.

    Args:
        part: the part.
        why: why it does not count.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above, listed
        >>> listed(above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")), "a control")[0]
        {'uninformative': 'a control'}
    """
    label, estimate, outcome = part
    return label | {"uninformative": why}, estimate, outcome


def still_open(part: Part, why: str) -> Part:
    """Leave a part of a claim open, whatever its estimate says.

    Args:
        part: the part.
        why: why nothing can be said yet; it is put before the part's own reason.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above, still_open
        >>> still_open(above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")), "not converged")[2].outcome
        'open'
    """
    label, estimate, outcome = part
    return label, estimate, Verdict("open", f"{why}; {outcome.reason}")
