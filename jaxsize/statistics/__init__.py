"""Estimates with intervals over seeds, comparisons of paired runs, and what they say about a claim."""

from jaxsize.statistics._values import Direction
from jaxsize.statistics.claims import Part, claim, family
from jaxsize.statistics.comparisons import equivalence_ratio, holm, paired_difference, trend
from jaxsize.statistics.estimates import Estimate, bootstrap_interval, describe, smallest_sample
from jaxsize.statistics.fronts import Front, front, size_at
from jaxsize.statistics.growth_laws import LAWS, fit_laws
from jaxsize.statistics.verdicts import Verdict, equivalence_verdict, range_verdict, verdict

__all__ = [
    "LAWS",
    "Direction",
    "Estimate",
    "Front",
    "Part",
    "Verdict",
    "bootstrap_interval",
    "claim",
    "describe",
    "equivalence_ratio",
    "equivalence_verdict",
    "family",
    "fit_laws",
    "front",
    "holm",
    "paired_difference",
    "range_verdict",
    "size_at",
    "smallest_sample",
    "trend",
    "verdict",
]
