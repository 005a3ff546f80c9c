"""Which law does a size follow over time: logarithmic, saturating, or a power? Least squares and AIC over seeds."""

from typing import Any

import numpy as np

LAWS = ("logarithmic", "saturating", "power")


def fit_laws(times: np.ndarray, values: np.ndarray) -> dict[str, dict[str, Any]]:
    """Fits of values [n] at times [n] > 0, two parameters each.

    `logarithmic`: a + b ln t. `saturating`: a (1 - exp(-t / b)). `power`: a t^b. By law: `parameters` and `aic`,
    Akaike's criterion n ln(RSS / n) + 2 k with k = 3, the error's variance included. ValueError for fewer than 4
    points.
    """
    from scipy.optimize import curve_fit

    times, values = np.asarray(times, float), np.asarray(values, float)
    if times.shape != values.shape or times.ndim != 1 or times.size < 4 or not (times > 0).all():
        raise ValueError(f"fit_laws: expected 4 or more values at times above 0, got {values.shape} at {times.shape}")
    scale = max(float(np.abs(values).max()), 1e-12)
    laws = {
        "logarithmic": (lambda t, a, b: a + b * np.log(t), (values[0], scale / (1 + np.log(times[-1])))),
        "saturating": (lambda t, a, b: a * -np.expm1(-t / b), (scale, times.mean())),
        "power": (lambda t, a, b: a * t**b, (max(values[0], 1e-3 * scale), 0.5)),
    }
    bounds = {"saturating": ([-np.inf, 1e-6], [np.inf, 1e6]), "power": ([-np.inf, -10], [np.inf, 10])}
    found = {}
    for name, (law, start) in laws.items():
        parameters, _ = curve_fit(
            law, times, values, p0=start, bounds=bounds.get(name, (-np.inf, np.inf)), maxfev=20000
        )
        residual = float(np.sum((law(times, *parameters) - values) ** 2))
        aic = times.size * np.log(max(residual, 1e-24) / times.size) + 6
        found[name] = {"parameters": parameters.tolist(), "aic": float(aic)}
    return found
