"""Light as spherical Gaussians."""

from . import sg
from .sg import (
    SgLightingParameters,
    approximate_sg_integral,
    fresnel,
    sg_diffuse_fitted,
    sg_distribution_term,
    sg_from_sun,
    sg_irradiance_fitted,
    sg_warp_distribution,
    sg_warp_specular_term,
)

__all__ = [
    "SgLightingParameters",
    "approximate_sg_integral",
    "fresnel",
    "sg",
    "sg_diffuse_fitted",
    "sg_distribution_term",
    "sg_from_sun",
    "sg_irradiance_fitted",
    "sg_warp_distribution",
    "sg_warp_specular_term",
]
