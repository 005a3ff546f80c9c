"""Sizes of an `mlp` in closed form."""

from jaxsize.networks.counts import num_mlp_multiply_adds, num_mlp_parameters


def mlp_sizes(num_inputs, live, num_outputs):
    """Parameters and multiply-adds of an `mlp` with these live units, by gate: "hidden.0", ..., "inputs"."""
    hidden = [live[f"hidden.{layer}"] for layer in range(len(live) - ("inputs" in live))]
    widths = (live.get("inputs", num_inputs), *hidden, num_outputs)
    return {"parameters": num_mlp_parameters(widths), "multiply_adds": num_mlp_multiply_adds(widths)}
