"""Estimates with intervals over seeds, comparisons of paired runs, and what they say about a claim."""

from jaxsize.statistics._values import Direction
from jaxsize.statistics.bootstrap import bootstrap_interval
from jaxsize.statistics.breaks import Break, fit_break
from jaxsize.statistics.claims import Part, claim, family
from jaxsize.statistics.comparisons import equivalence_ratio, holm, paired_difference
from jaxsize.statistics.estimates import Estimate, describe, median_interval, smallest_sample
from jaxsize.statistics.fronts import Front, front, on_front, size_at
from jaxsize.statistics.growth_laws import LAWS, fit_laws
from jaxsize.statistics.planning import seeds_to_settle
from jaxsize.statistics.ranks import rank_agreement
from jaxsize.statistics.trends import trend
from jaxsize.statistics.verdicts import (
    Verdict,
    equivalence_verdict,
    not_decided,
    range_verdict,
    trend_verdict,
    verdict,
)

__all__ = [
    "LAWS",
    "Break",
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
    "fit_break",
    "fit_laws",
    "front",
    "holm",
    "median_interval",
    "not_decided",
    "on_front",
    "paired_difference",
    "range_verdict",
    "rank_agreement",
    "seeds_to_settle",
    "size_at",
    "smallest_sample",
    "trend",
    "trend_verdict",
    "verdict",
]
