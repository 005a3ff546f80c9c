"""The size penalty in mpmath, points where it is hard, and how far a result is from the truth."""

import mpmath
import numpy as np

DIGITS = {"float32": 100, "float64": 420}  # the reference cancels; results reach down to 1e-38 and 1e-308


def exact_integral(size, slope, width):
    """The textbook difference of softplus, in mpmath numbers with digits to spare."""
    return (mpmath.log1p(mpmath.exp(slope * size)) - mpmath.log1p(mpmath.exp(slope * (size - width)))) / slope


def exact(size, slope, width):
    """Value and derivatives by size, slope and width."""
    size, slope, width = (mpmath.mpf(float(number)) for number in (size, slope, width))
    if slope == 0:
        return width / 2, mpmath.mpf(0), width * (size - width / 2) / 4, mpmath.mpf(0.5)
    upper, lower = (1 / (1 + mpmath.exp(-slope * place)) for place in (size, size - width))
    value = exact_integral(size, slope, width)
    return value, upper - lower, (size * upper - (size - width) * lower - value) / slope, lower


def random_points(num, seed):
    """Slope 1e-6..1e4, width 1..1e5, |size| up to 1e6, log-uniform; also near both ends, inside, near the middle."""
    rng = np.random.default_rng(seed)
    slope, width = 10 ** rng.uniform(-6, 4, num), 10 ** rng.uniform(0, 5, num)
    sign, corner = rng.choice([-1, 1], num), rng.uniform(0, 100, num) / slope
    places = [
        sign * 10 ** rng.uniform(-3, 6, num),
        sign * corner,
        width + sign * corner,
        rng.uniform(0, 1, num) * width,
        width / 2 * (1 + sign * 10 ** rng.uniform(-6, 0, num)),
        0 * width,
        width,
    ]
    size = np.clip(np.choose(rng.integers(0, len(places), num), places), -1e6, 1e6)
    return np.stack([size, slope, width], axis=1)


def edge_points():
    return np.array(
        [
            (size, slope, width)
            for slope in (0, 1e-30, 1e-12, 1e-6, 1e-3, 1, 1e4)
            for width in (1e-3, 1, 7, 1e5)
            for size in (-1e6, -1, -1e-30, 0, 0.3 * width, width / 2, width, width + 1, 1e6)
        ]
    )


def largest_relative_error(got, wanted, dtype):
    """Largest |got - wanted| / |wanted|; a wanted value below the smallest normal number asks for no more than that."""
    tiny = mpmath.mpf(float(np.finfo(dtype).tiny))
    errors = []
    for number, target in zip(np.asarray(got, np.float64), wanted, strict=True):
        if abs(target) < tiny:
            errors.append(0.0 if abs(number) <= tiny else np.inf)
        else:
            errors.append(float(abs(mpmath.mpf(float(number)) - target) / abs(target)))
    return max(errors)
