"""How many steps a gate needs to close, so that a recipe in which no unit can die is noticed before it trains.

Adam moves a gate by at most about its learning rate per step, whatever the size of its gradient: with the usual 1e-3,
a gate that starts at 1 needs about 1000 steps, and 600 steps leave every unit alive.
"""

import math
from typing import Literal

import numpy as np

from jaxsize.errors import InputError

_DECAY, _SQUARE_DECAY = 0.9, 0.999  # optax.adam's, with which the sparsifier moves gates
_SETTLED = 20_000  # steps after which the bound of a step grows no more


def steps_to_close(
    gate_learning_rate: float, *, start: float = 1.0, gradients: Literal["steady", "any"] = "steady"
) -> int:
    """Count the steps of Adam that carry a gate from its start to 0.

    A gradient of one size and sign moves a gate by the learning rate in every step, the first ones too, as the
    correction of the bias divides the mean of the gradients and the root of their mean square by the same number. Noise
    and changes of sign make steps shorter. Only gradients that grow make them longer: by Cauchy and Schwarz, step t is
    at most the learning rate times

        (1 - a) / sqrt(1 - b) * sqrt(sum of (a² / b)**k for k < t) * sqrt(1 - b**t) / (1 - a**t),

    with a = .9 and b = .999 the decays of Adam. That is 1 in the first step, 1.04 in the tenth, 2.2 in the hundredth
    and 7.3 in the end.

    Args:
        gate_learning_rate: above 0.
        start: the gate before training, above 0.
        gradients: `steady` counts the steps under a gradient of one size and sign; with `any` no gradients at all close
            a gate in fewer steps.

    Returns:
        The number of steps.

    Raises:
        InputError: when an argument is out of its range.

    Example:
        >>> from jaxsize.learners import steps_to_close
        >>> steps_to_close(1e-3), steps_to_close(1e-3, gradients="any"), steps_to_close(0.02)
        (1000, 360, 50)
    """
    for name, value in (("gate_learning_rate", gate_learning_rate), ("start", start)):
        if not 0 < value < math.inf:
            raise InputError(f"expected a finite number above 0, got {value}", field=name)
    strides = start / gate_learning_rate
    if gradients == "steady":
        return max(1, math.ceil(round(strides, 6)))  # 1 / 1e-3 is 1000, not a little more
    if gradients != "any":
        raise InputError(f"expected steady or any, got {gradients!r}", field="gradients")
    longest = _longest_step(np.arange(1, min(_SETTLED, max(1, math.ceil(strides))) + 1))
    way = np.cumsum(longest)
    if way[-1] < strides * (1 - 1e-9):
        return _SETTLED + math.ceil((strides - way[-1]) / longest[-1])
    return int(np.searchsorted(way, strides * (1 - 1e-9)) + 1)


def _longest_step(step: np.ndarray) -> np.ndarray:
    """Bound the steps of Adam with these numbers, counted from 1, in learning rates; see `steps_to_close`."""
    ratio = _DECAY**2 / _SQUARE_DECAY
    gradients = (1 - ratio**step) / (1 - ratio)
    root = np.sqrt(gradients * (1 - _SQUARE_DECAY**step) / (1 - _SQUARE_DECAY))
    return (1 - _DECAY) * root / (1 - _DECAY**step)


def cannot_close(num_steps: int, gate_learning_rate: float, *, start: float = 1.0, cure: str = "") -> str:
    """Say that Adam closes no gate in the steps that are planned, in one line, or return an empty text.

    Args:
        num_steps: the steps planned.
        gate_learning_rate: above 0.
        start: the smallest gate before training, above 0.
        cure: what to raise, in the words of the caller, such as "raise --gate-learning-rate or --epochs".

    Raises:
        InputError: when a number is out of its range.

    Example:
        >>> from jaxsize.learners import cannot_close
        >>> cannot_close(300, 1e-3, cure="raise the rate")
        '300 steps at gate rate 0.001: no gate can close (about 1000 are needed); raise the rate'
        >>> cannot_close(630, 1e-3)
        '630 steps at gate rate 0.001: no gate closes unless its gradient keeps growing (about 1000 are needed)'
        >>> cannot_close(1200, 1e-3)
        ''
    """
    needed = steps_to_close(gate_learning_rate, start=start)
    if num_steps >= needed:
        return ""
    never = num_steps < steps_to_close(gate_learning_rate, start=start, gradients="any")
    what = "no gate can close" if never else "no gate closes unless its gradient keeps growing"
    steps = f"{num_steps} step{'s' if num_steps != 1 else ''} at gate rate {gate_learning_rate:g}"
    return f"{steps}: {what} (about {needed} are needed)" + (f"; {cure}" if cure else "")
