"""Gates on units, what they cost, and the rules by which units die.

A gate is a vector with one value per unit; it multiplies the activations of its layer. `liveness_gate` has a trained
value per unit; `size_gate` a trained width. `gated_matmul` and `gated_conv` fuse any gate with the layer that reads it.
"""

from jaxsize.gates.deaths import DeathRule, SignMoments, absorbing, count_live, sign_variance, threshold
from jaxsize.gates.fused import gated_conv, gated_matmul
from jaxsize.gates.group_lasso import group_norms
from jaxsize.gates.leaves import hand_in, read_liveness, read_sizes, replace_liveness, units_beside, with_sizes
from jaxsize.gates.liveness import liveness_gate, liveness_penalty, relu
from jaxsize.gates.ramp import gray_zone, size_gate, size_gates, size_penalty, slope_of

__all__ = [
    "DeathRule",
    "SignMoments",
    "absorbing",
    "count_live",
    "gated_conv",
    "gated_matmul",
    "gray_zone",
    "group_norms",
    "hand_in",
    "liveness_gate",
    "liveness_penalty",
    "read_liveness",
    "read_sizes",
    "relu",
    "replace_liveness",
    "sign_variance",
    "size_gate",
    "size_gates",
    "size_penalty",
    "slope_of",
    "threshold",
    "units_beside",
    "with_sizes",
]
