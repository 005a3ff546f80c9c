"""Curvature of any pure function without its matrix: products, the ends and the density of a spectrum, a second-order
optimiser.

A product is a matrix times a vector, where vectors have the structure of the parameters: of the Hessian of a loss
(`hvp`), or of its generalised Gauss-Newton matrix (`ggn_vp`). Spectra and the optimiser need nothing but products.
"""

from jaxsize.curvature.gauss_newton import HessianFreeState, hessian_free
from jaxsize.curvature.products import ggn_vp, ggn_vps, hvp, hvps, linear_ggn, linear_hvp
from jaxsize.curvature.r_operator import MlpProducts, mlp_r_operator
from jaxsize.curvature.spectrum import (
    ExtremeEigenvalues,
    SpectralDensity,
    density_curve,
    extreme_eigenvalues,
    spectral_density,
)
from jaxsize.curvature.summary import CurvatureSummary, SpectrumSummary, summarise

__all__ = [
    "CurvatureSummary",
    "ExtremeEigenvalues",
    "HessianFreeState",
    "MlpProducts",
    "SpectralDensity",
    "SpectrumSummary",
    "density_curve",
    "extreme_eigenvalues",
    "ggn_vp",
    "ggn_vps",
    "hessian_free",
    "hvp",
    "hvps",
    "linear_ggn",
    "linear_hvp",
    "mlp_r_operator",
    "spectral_density",
    "summarise",
]
