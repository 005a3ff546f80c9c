"""How large an `mlp` is: parameters and multiply-adds."""

import itertools
from collections.abc import Mapping, Sequence


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


def mlp_sizes(num_inputs: int, live: Mapping[str, int], num_outputs: int) -> dict[str, int]:
    """Count the parameters and the multiply-adds of an `mlp` without its dead units.

    Args:
        num_inputs: inputs of the network before any is removed.
        live: live units per gate: "hidden.0", "hidden.1", ..., and "inputs" where the inputs have gates.
        num_outputs: outputs of the network.

    Returns:
        `parameters` and `multiply_adds` (of one row).

    Example:
        >>> from jaxsize.networks import mlp_sizes
        >>> mlp_sizes(4, {"hidden.0": 8}, 3)
        {'parameters': 67, 'multiply_adds': 56}
        >>> mlp_sizes(4, {"hidden.0": 8, "inputs": 2}, 3)
        {'parameters': 51, 'multiply_adds': 40}
    """
    hidden = [live[f"hidden.{layer}"] for layer in range(len(live) - ("inputs" in live))]
    widths = (live.get("inputs", num_inputs), *hidden, num_outputs)
    return {"parameters": num_mlp_parameters(widths), "multiply_adds": num_mlp_multiply_adds(widths)}
