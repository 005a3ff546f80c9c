"""Measures of a trained layer from which its right size might be read: spread, normality, mixtures, components, worth.

Functions of arrays that can be jitted and mapped over runs, except `shapiro_w`, which runs on the host. What the units
of a network put out is `units.activations`; only `leave_one_out` takes a network itself.
"""

from jaxsize.measures.components import (
    PrincipalComponents,
    directions,
    error_curve,
    outputs_by_components,
    principal_components,
)
from jaxsize.measures.dead import DeadUnits, dead_units
from jaxsize.measures.dimension import likelihood_dimension, participation_ratio, two_nn_dimension
from jaxsize.measures.exponential_normal import ExponentialNormal, exponential_normal_mixture
from jaxsize.measures.leave_one_out import LeftOut, leave_one_out
from jaxsize.measures.normality import shapiro_w
from jaxsize.measures.spread import (
    Moments,
    activation_spread,
    batch_moments,
    merge_moments,
    streamed_spread,
)
from jaxsize.measures.two_gamma import TwoGammas, two_gamma_mixture

__all__ = [
    "DeadUnits",
    "ExponentialNormal",
    "LeftOut",
    "Moments",
    "PrincipalComponents",
    "TwoGammas",
    "activation_spread",
    "batch_moments",
    "dead_units",
    "directions",
    "error_curve",
    "exponential_normal_mixture",
    "leave_one_out",
    "likelihood_dimension",
    "merge_moments",
    "outputs_by_components",
    "participation_ratio",
    "principal_components",
    "shapiro_w",
    "streamed_spread",
    "two_gamma_mixture",
    "two_nn_dimension",
]
