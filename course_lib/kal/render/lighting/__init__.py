"""Light as spherical Gaussians."""

from . import sg
from .sg import (
    SgLightingParameters,
    fresnel,
    sg_diffuse_fitted,
    sg_distribution_term,
    sg_from_sun,
    sg_irradiance_fitted,
    sg_warp_distribution,
    sg_warp_specular_term,
)
