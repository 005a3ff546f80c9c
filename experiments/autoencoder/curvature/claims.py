"""C48: whether products are exact, how far both matrices are from each other; and what compression does to them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.autoencoder.curvature.views import SHARES, from_the_start, last, products, shrunken
from jaxsize.statistics import Estimate, Part, Verdict, median_interval, paired_difference, trend
from jaxsize.studies import Arms, ArmView, Claim, below, each, listed, trending
from jaxsize.studies.choosing import Choice

ROUNDING = 1e-12
"""The largest distance of two products in float64, relative to their norm, that rounding explains."""
BY_DIFFERENCES = 1e-6
"""The same, of a product from central differences of gradients, which are off themselves."""
UNTESTED = "the curvature was not measured (--no-curvature)"
SILENT = "the seed claims nothing about it"


def at_most(values: np.ndarray, bound: float, **label: str) -> Part:
    """Claim that the largest of some numbers, which no seed decides, is at most a bound."""
    most = float(np.max(values))
    estimate = Estimate(most, None, None, 0.95, values.size, "largest of all networks")
    reason = f"{most:.2g} against {bound:g}"
    return label | {"bounds": [0, bound]}, estimate, Verdict("holds" if most <= bound else "refuted", reason)


def inexact(values: np.ndarray, bound: float, **label: str) -> Part:
    """Claim the contrary of `at_most`."""
    label_of, estimate, outcome = at_most(values, bound, **label)
    return label_of, estimate, Verdict("refuted" if outcome.outcome == "holds" else "holds", outcome.reason)


def exact(view: ArmView) -> Iterator[Part]:
    """Yield how far products are from those of the R-operator, and from differences of gradients.

    Differences are taken with the smooth activation alone, as they step across the kinks of the other (E28).
    """
    found = products(view)
    if not found:
        return
    yield at_most(found["gradient"], ROUNDING, of="gradient: relative distance from the R-operator's")
    yield at_most(found["hessian"], ROUNDING, of="H v: relative distance from the R-operator's")
    yield inexact(found["gauss_newton"], ROUNDING, of="G v, claimed to be inexact: the same distance")
    if view.values("activation") == ["tanh"]:
        yield at_most(found["differences"], BY_DIFFERENCES, of="H v: relative distance from differences of gradients")
        for name, cosines in (("trained", found["trained"]), ("before training", found["untrained"])):
            part = below(median_interval(cosines, what="networks"), of=f"cosine of G v and those differences, {name}")
            yield listed(part, "they give H v; that G v is another vector is no error (E27)")


def all_of_it(parts: Sequence[Mapping[str, Any]]) -> str:
    """Decide a claim that says several things at once: it is refuted as soon as one of them is."""
    outcomes = {part["verdict"] for part in parts if "uninformative" not in part}
    return "refuted" if "refuted" in outcomes else "holds" if outcomes == {"holds"} else "open"


def differ(view: ArmView) -> Iterator[Part]:
    """Claim that H v and G v have a cosine below 1 from the start to the end, of random vectors and of the gradient."""
    for column in ("random_cosine", "gradient_cosine"):
        most = np.max(from_the_start(view, column)[1], axis=1) - 1
        yield below(median_interval(most, what="seeds"), of=f"largest {column.replace('_', ' ')} less 1")


def rises(view: ArmView) -> Iterator[Part]:
    """Yield whether the cosine rises along training, and falls with the loss at the same epochs."""
    for column in ("random_cosine", "gradient_cosine"):
        epochs, values = from_the_start(view, column)
        name = column.replace("_", " ")
        if len(epochs) >= 3:
            yield trending(trend(epochs, values, direction="positive"), of=f"{name} along training")
            losses = from_the_start(view, "curvature_loss")[1]
            yield below(median_interval(_taus(losses, values), what="seeds"), of=f"tau of {name} and loss")


def _taus(losses: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Compute Kendall's tau_b of both, seed by seed; NaN for a seed that lost a number."""
    from scipy.stats import kendalltau

    known = np.isfinite(losses).all(axis=1) & np.isfinite(values).all(axis=1)
    taus = np.full(len(losses), np.nan)
    taus[known] = [kendalltau(*pair)[0] for pair in zip(losses[known], values[known], strict=True)]
    return taus


def vanishes(view: ArmView) -> Iterator[Part]:
    """Yield the cosine at trained networks when so much of the residuals is left, and whether it goes to 1."""
    found = shrunken(view)
    if not found:
        return
    of_share = np.stack([found[f"{share:g}"] for share in SHARES], axis=1)
    for share, cosines in zip(SHARES[:-1], of_share.T, strict=False):
        part = below(median_interval(cosines - 1, what="networks"), of=f"cosine less 1, residuals x {share:g}")
        yield listed(part, "the numbers that the limit is read off")
    yield at_most(1 - of_share[:, -1], ROUNDING, of="1 less the cosine, without residuals")
    falls = np.max(np.diff(1 - of_share, axis=1), axis=1)
    yield at_most(falls, ROUNDING, of="largest rise of 1 less the cosine from one share to the next smaller one")


def compressions(arms: Arms) -> Iterator[Choice]:
    """Choose the compressed networks, beside those without a price, and beside their widths from scratch."""
    for view in arms.like("compressed"):
        free = view.at(penalty=0.0)
        for penalty, priced in view.by("penalty", skip=0.0).items():
            here, others = arms.at(dataset=view.dataset), {"without a price": free}
            if "found widths" in here:
                others["found widths from scratch"] = here["found widths"]
            for name, other in others.items():
                yield {"dataset": view.dataset, "penalty": penalty, "against": name}, (priced, other)


def per_parameter(view: ArmView, matrix: str) -> np.ndarray:
    """Return the effective rank over the number of parameters of the live network, at the last measure, [num_seeds]."""
    return last(view, f"{matrix}_effective_rank") / last(view, "parameters")


def compresses(priced: ArmView, other: ArmView) -> Iterator[Part]:
    """List what compression does to the ends of both spectra and to their effective ranks, as logarithms of ratios."""
    missing = ~other.exists
    for matrix in ("hessian", "gauss_newton"):
        name = matrix.replace("_", "-").replace("hessian", "Hessian").replace("gauss-newton", "Gauss-Newton")
        numbers = {
            "largest eigenvalue": lambda view, matrix=matrix: last(view, f"{matrix}_largest"),
            "trace": lambda view, matrix=matrix: last(view, f"{matrix}_trace"),
            "effective rank": lambda view, matrix=matrix: last(view, f"{matrix}_effective_rank"),
            "effective rank per parameter": lambda view, matrix=matrix: per_parameter(view, matrix),
        }
        for of, number in numbers.items():
            with np.errstate(invalid="ignore", divide="ignore"):
                logs = np.log(number(priced)), np.log(number(other))
            difference = paired_difference(*logs, missing=missing)
            yield listed(below(difference, of=f"log of the ratio of the {name} {of}"), SILENT)
    smallest = paired_difference(last(priced, "hessian_smallest"), last(other, "hessian_smallest"), missing=missing)
    yield listed(below(smallest, of="difference of the smallest Hessian eigenvalue"), SILENT)
    yield listed(
        below(
            paired_difference(last(priced, "random_cosine"), last(other, "random_cosine"), missing=missing),
            of="difference of the random cosine",
        ),
        SILENT,
    )


CLAIMS = {
    "C48": Claim(
        "gradients and products with the Hessian are exact, and the product with the Gauss-Newton matrix is not",
        each("spectrum", by=["activation"]),
        exact,
        untested=UNTESTED,
        decide=all_of_it,
        seeds=1,
    ),
    "E27, differ": Claim(
        "H v and G v differ while residuals are left: their cosine is below 1",
        each("spectrum", by=["activation"]),
        differ,
        untested=UNTESTED,
    ),
    "E27, training": Claim(
        "along training, as the loss falls, H v and G v come nearer to each other",
        each("spectrum", by=["activation"]),
        rises,
        untested=UNTESTED,
    ),
    "E27, limit": Claim(
        "H v and G v become one as residuals vanish",
        each("spectrum", by=["activation"]),
        vanishes,
        untested=UNTESTED,
        seeds=1,
    ),
    "Compression": Claim(
        "what the loss of units does to the spectra of both matrices",
        compressions,
        compresses,
        untested=UNTESTED,
        seeds=1,
    ),
}
