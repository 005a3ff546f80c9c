"""Which law a size follows over time: logarithmic, saturating or a power. Least squares, compared by AIC."""

from typing import Any

import numpy as np

from jaxsize.errors import InputError

LAWS = ("logarithmic", "saturating", "power")


def fit_laws(times: np.ndarray, values: np.ndarray) -> dict[str, dict[str, Any]]:
    """Fit each of the `LAWS` to values over time by least squares.

    `logarithmic`: a + b ln t. `saturating`: a (1 - exp(-t / b)). `power`: a t^b.

    Args:
        times: [n], above 0; n at least 4.
        values: [n].

    Returns:
        By law "parameters", [a, b], and "aic", Akaike's criterion n ln(RSS / n) + 2 k with k = 3: the two parameters
        and the variance of the error. The law with the least criterion fits best.

    Raises:
        InputError: when there are fewer than 4 points, the shapes differ or a time is not above 0.

    Example:
        >>> import numpy as np
        >>> from jaxsize.statistics import fit_laws
        >>> times = np.arange(1.0, 11.0)
        >>> fits = fit_laws(times, 2 * times**0.5)
        >>> min(fits, key=lambda law: fits[law]["aic"]), np.round(fits["power"]["parameters"], 3).tolist()
        ('power', [2.0, 0.5])
    """
    from scipy.optimize import curve_fit

    times, values = np.asarray(times, float), np.asarray(values, float)
    if times.shape != values.shape or times.ndim != 1 or times.size < 4 or not (times > 0).all():
        raise InputError(f"fit_laws: expected 4 or more values at times above 0, got {values.shape} at {times.shape}")
    scale = max(float(np.abs(values).max()), 1e-12)
    laws = {
        "logarithmic": (lambda t, a, b: a + b * np.log(t), (values[0], scale / (1 + np.log(times[-1])))),
        "saturating": (lambda t, a, b: a * -np.expm1(-t / b), (scale, times.mean())),
        "power": (lambda t, a, b: a * t**b, (max(values[0], 1e-3 * scale), 0.5)),
    }
    bounds = {"saturating": ([-np.inf, 1e-6], [np.inf, 1e6]), "power": ([-np.inf, -10], [np.inf, 10])}
    fits = {}
    for name, (law, start) in laws.items():
        parameters, _ = curve_fit(
            law, times, values, p0=start, bounds=bounds.get(name, (-np.inf, np.inf)), maxfev=20000
        )
        residual = float(np.sum((law(times, *parameters) - values) ** 2))
        aic = times.size * np.log(max(residual, 1e-24) / times.size) + 6
        fits[name] = {"parameters": parameters.tolist(), "aic": float(aic)}
    return fits
