"""The claims about spreads, C1 to C9: what is measured of the runs, and what would settle it."""

from collections.abc import Iterator

import numpy as np

from experiments.activation_spread.layers import read_layers
from experiments.common.widths import plateau, widths_of
from jaxsize import studies
from jaxsize.statistics import Part, fit_laws, median_interval, trend
from jaxsize.studies import ArmView, Claim, above, across, below, each, trending, unclear, within

LINE = 0.025
"""The share of useless units from which on the journal calls a network too large (J4)."""
SAMPLE = 64
"""Units of a sample whose W is computed (E2)."""
SMALL, LARGE = 362, 2896
"""The widths at which the journal compares the two data sets (C9)."""


def score(arm: ArmView) -> np.ndarray:
    """Read the accuracy of every width, [seeds, widths]: on training rows in the original form, as the journal did."""
    return arm.matrix("train_score" if arm.form == "original" else "test_score", over="width")


def comparable_w(arm: ArmView) -> np.ndarray:
    """Read W of every width, [seeds, widths].

    In the original form it is of all seeds' units together. In the corrected one it is NaN for widths below 64, where
    samples are smaller: W depends on their size.
    """
    if arm.form == "original":
        return read_layers(arm)["pooled_w"]
    return np.where(widths_of(arm)[None] >= SAMPLE, read_layers(arm)["w"], np.nan)


def peak_of_w(arm: ArmView) -> np.ndarray:
    """Return the log2 of the width at which W is largest, [seeds]."""
    w = comparable_w(arm)
    known = np.where(np.isfinite(w), w, -np.inf)
    return np.where(np.isfinite(w).any(1), np.log2(widths_of(arm)[np.argmax(known, axis=1)]), np.nan)


def crossing(arm: ArmView, share: str) -> np.ndarray:
    """Return the log2 of the first width from which on a share stays above the line, [seeds].

    Where it never does, this is the largest width, a lower bound: the metric calls no layer of these too large.
    """
    above_line = read_layers(arm)[share] > LINE
    stays = np.logical_and.accumulate(above_line[:, ::-1], axis=1)[:, ::-1]
    first = np.where(stays.any(1), np.argmax(stays, axis=1), stays.shape[1] - 1)
    return np.log2(widths_of(arm)[first])


def moves_to_0(arm: ArmView) -> Iterator[Part]:
    """Yield the trend of the median spread with the width."""
    yield trending(trend(widths_of(arm), read_layers(arm)["median_spread"], direction="negative"), of="median spread")


def grows_as_logarithm(arm: ArmView) -> Iterator[Part]:
    """Yield how far the AIC of a logarithm is below those of a constant and of a power, over all and larger widths."""
    totals, widths = read_layers(arm)["total_spread"], widths_of(arm)
    for part in ("all widths", "upper half"):
        chosen = slice(0 if part == "all widths" else len(widths) // 2, None)
        x, lines = widths[chosen], totals[:, chosen]
        if len(x) < 4:
            continue
        fits = [fit_laws(x, line) if np.isfinite(line).all() else None for line in lines]
        for law in ("constant", "power"):
            less = [
                np.nan
                if fit is None
                else (constant_aic(line) if law == "constant" else fit[law]["aic"]) - fit["logarithmic"]["aic"]
                for fit, line in zip(fits, lines, strict=True)
            ]
            yield above(median_interval(less), aic_less_logarithm=law, over=part)


def constant_aic(values: np.ndarray) -> float:
    """Return Akaike's criterion of a constant, as `fit_laws` counts: its parameter and the variance of the error."""
    return float(len(values) * np.log(max(np.var(values), 1e-24)) + 4)


def dead_grow(arm: ArmView) -> Iterator[Part]:
    """Yield the trend of dead units over the larger widths, and how much of it a line explains."""
    half = len(widths_of(arm)) // 2
    widths, dead = widths_of(arm)[half:], read_layers(arm)["dead"][:, half:]
    yield trending(trend(widths, dead, direction="positive"), of="dead units, upper half of the widths")
    known = np.isfinite(dead).all(1) & (np.ptp(np.nan_to_num(dead), axis=1) > 0)
    line = [np.corrcoef(widths, of_seed)[0, 1] ** 2 if k else np.nan for of_seed, k in zip(dead, known, strict=True)]
    part = above(median_interval(line, missing=~known), of="share of the variance that a line explains")
    yield unclear(part, '"almost linearly after some time" has no number')


def peaks_agree(arm: ArmView) -> Iterator[Part]:
    """Yield by how many doublings W peaks beyond the plateau of the accuracy."""
    beyond = median_interval(peak_of_w(arm) - plateau(arm))
    yield above(beyond, of="log2 of W's peak less that of the plateau")
    near = within(beyond, -1, 1, of="the same, within a factor of two")
    yield unclear(near, '"around the same values" has no number')


def two_sided(arm: ArmView) -> Iterator[Part]:
    """Yield how far W falls from its peak towards both ends; each seed's peak is chosen by the other seeds."""
    w = comparable_w(arm)
    w = w[:, np.isfinite(w).any(0)]
    if arm.form == "original":
        w = w[:1]  # one number for all seeds
    if w.shape[1] < 3:
        return
    seeds = np.arange(len(w))
    others = [np.nanmedian(w[seeds != seed] if len(w) > 1 else w, axis=0) for seed in seeds]
    peak = w[seeds, [int(np.argmax(of_others)) for of_others in others]]
    for name, end in (("smallest", 0), ("largest", -1)):
        yield above(median_interval(peak - w[:, end]), of=f"W at its peak less W at the {name} width")


def mixtures(arm: ArmView) -> Iterator[Part]:
    """Yield how far the exponential's share is above the units that can go, and which mixture fits better."""
    layers = read_layers(arm)
    live_share = 1 - layers["dead"] / widths_of(arm)[None]
    # shares are of live units; dead ones can go as well, and have gone before a mixture is fitted
    unneeded = (layers["unneeded"] - (1 - live_share)) / np.maximum(live_share, 1e-9)
    more = np.nanmean(np.where(live_share > 0, layers["exponential_share"] - unneeded, np.nan), axis=1)
    yield above(median_interval(more), of="exponential's share less that of live units that cost less than 1e-4")
    better = np.nanmean(layers["bic_difference"], axis=1)
    yield above(median_interval(better), of="BIC of exponential and normal less that of two gammas")
    switched = np.nanmean(layers["switched"], axis=1)
    why = "the labels of two gammas switch only in the original form"
    yield studies.listed(above(median_interval(switched), of="share of layers whose gammas have switched"), why)


def size_is_under_estimated(arm: ArmView) -> Iterator[Part]:
    """Yield by how many doublings each metric lies below the plateau of the accuracy."""
    sizes = {"exponential's share": crossing(arm, "exponential_share"), "gamma's share": crossing(arm, "gamma_share")}
    for name, size in (sizes | {"W's peak": peak_of_w(arm)}).items():
        yield below(median_interval(size - plateau(arm)), of=f"log2 of the size by {name} less that of the plateau")


def later_plateau(fashion: ArmView, mnist: ArmView) -> Iterator[Part]:
    """Yield by how many doublings the plateau of Fashion-MNIST lies beyond that of MNIST."""
    yield above(median_interval(plateau(fashion) - plateau(mnist)), of="log2 of the plateau")


def not_as_predicted(fashion: ArmView, mnist: ArmView) -> Iterator[Part]:
    """Yield the difference of mean spreads of narrow layers, and of densities at 0 of wide ones."""
    one, other = read_layers(fashion), read_layers(mnist)
    widths = widths_of(fashion).tolist()
    if SMALL in widths:
        at = widths.index(SMALL)
        mean = median_interval(other["mean_spread"][:, at] - one["mean_spread"][:, at])
        yield above(mean, of="mean spread on MNIST less that on Fashion-MNIST", width=SMALL)
    if LARGE in widths:
        at = widths.index(LARGE)
        density = median_interval(one["density_at_0"][:, at] - other["density_at_0"][:, at])
        yield above(density, of="density at 0 on Fashion-MNIST less that on MNIST", width=LARGE)


BOTH = "needs --dataset mnist fashion_mnist"
FASHION = across("static", dataset=("fashion_mnist", "mnist"))
STATIC = each("static")
CLAIMS = {
    "C1": Claim("spreads move towards 0 as the width grows", STATIC, moves_to_0),
    "C2": Claim("the total spread grows as the logarithm of the width", STATIC, grows_as_logarithm),
    "C3": Claim("dead units grow with the width, almost linearly from some width on", STATIC, dead_grow),
    "C4": Claim("W peaks near the width of the best accuracy, on average beyond it", STATIC, peaks_agree),
    "C5": Claim(
        "W does not tell a layer that is too small from one that is too large: it falls to both sides",
        STATIC,
        two_sided,
        "needs three widths of 64 units or more",
    ),
    "C6": Claim("an exponential and a normal over-count useless units, and two gammas fit better", STATIC, mixtures),
    "C7": Claim("the three metrics of spread under-estimate the width that is needed", STATIC, size_is_under_estimated),
    "C8": Claim("the accuracy of Fashion-MNIST has its plateau at a larger width", FASHION, later_plateau, BOTH),
    "C9": Claim(
        "where layers are narrow, spreads are larger on MNIST; where they are wide, more are near 0 on Fashion-MNIST",
        FASHION,
        not_as_predicted,
        f"{BOTH} and the widths {SMALL} and {LARGE}",
    ),
}
