"""How large an `mlp` is: parameters and multiply-adds."""

import itertools
from collections.abc import Sequence


def num_mlp_parameters(widths: Sequence[int]) -> int:
    """Count the weights and biases of a dense network; gates do not count, since they can be folded into weights.

    Args:
        widths: (inputs, hidden ..., outputs).

    Example:
        >>> from jaxsize.networks import num_mlp_parameters
        >>> num_mlp_parameters((4, 8, 3))  # (4 + 1) * 8 + (8 + 1) * 3
        67
    """
    return sum((fan_in + 1) * width for fan_in, width in itertools.pairwise(widths))


def num_mlp_multiply_adds(widths: Sequence[int]) -> int:
    """Count the multiply-adds of one row through a dense network.

    Args:
        widths: (inputs, hidden ..., outputs).

    Example:
        >>> from jaxsize.networks import num_mlp_multiply_adds
        >>> num_mlp_multiply_adds((4, 8, 3))  # 4 * 8 + 8 * 3
        56
    """
    return sum(fan_in * width for fan_in, width in itertools.pairwise(widths))
