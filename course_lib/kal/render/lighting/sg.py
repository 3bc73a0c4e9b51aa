"""Lights, and what surfaces reflect of them, as spherical Gaussians.

A spherical Gaussian (SG) is a lobe on the sphere of directions v,

    G(v) = amplitude * exp(sharpness * (v . direction - 1)),

brightest along its unit `direction`; amplitudes have three colour channels. Lights here are M lobes:
amplitude (M, 3), direction (M, 3), sharpness (M,). Points of a surface are N rows: normal (N, 3), ...
Everything is differentiable in all its tensors.

Sources: Wang, Ren, Gong, Snyder, Guo, All-Frequency Rendering of Dynamic, Spatially-Varying Reflectance, ACM
TOG 28(5), 2009 (SG algebra, the warp); Chen et al., DIB-R++, NeurIPS 2021 (arXiv 2111.00140: their use here);
S. Hill's fit of the diffuse term, published in Pettineo, SG Series (2016), part 3.
"""

import math

import torch

from ....shapes import ShapeError, check_shape


class SgLightingParameters:
    """M lights: `amplitude` (M, 3), unit `direction` towards the light (M, 3), `sharpness` (M,).

    amplitude: strength times colour; a number, or a tensor (M, 3).
    direction: (M, 3) or (3,), of any length.
    sharpness: a number, or a tensor (M,).

    Numbers take the dtype and device of the direction where it is a tensor (kaolin: always float32).
    """

    def __init__(self, amplitude=3.0, direction=(1.0, 0.0, 0.0), sharpness=5.0):
        given = next((t for t in (direction, amplitude, sharpness) if torch.is_tensor(t)), None)
        direction = _like(direction, given)
        check_shape("direction", direction, "M 3", "3")
        self.direction = torch.nn.functional.normalize(direction.reshape(-1, 3), dim=-1)
        self.amplitude = _per_light("amplitude", amplitude, self.direction, 3)
        self.sharpness = _per_light("sharpness", sharpness, self.direction)

    @staticmethod
    def from_sun(direction, strength=3.0, angle=math.pi / 4, color=None):
        """Lights from suns, see `sg_from_sun`.

        direction: (M, 3), towards the suns.
        strength: number or (M,), greater than 0.5.
        angle: number or (M,), angular diameter in radians.
        color: None for white, or (M, 3).
        """
        direction = _like(direction, None).reshape(-1, 3)
        strength = _per_light("strength", strength, direction)
        angle = _per_light("angle", angle, direction)
        color = _per_light("color", 1.0 if color is None else color, direction, 3)
        return SgLightingParameters(*sg_from_sun(direction, strength, angle, color))

    def to(self, *args, **kwargs):
        """The same lights on another device or in another dtype, as torch.Tensor.to."""
        lobes = self.amplitude, self.direction, self.sharpness
        return SgLightingParameters(*(tensor.to(*args, **kwargs) for tensor in lobes))


def _like(value, tensor):
    """As a floating-point tensor; what is none yet takes the dtype and device of `tensor`, if given."""
    if torch.is_tensor(value):
        return value
    kind = {"dtype": torch.float32} if tensor is None else {"dtype": tensor.dtype, "device": tensor.device}
    return torch.as_tensor(value, **kind)


def _per_light(name, value, direction, *channels):
    """Spread a number, or check a tensor: (M, *channels) for the M directions."""
    value = _like(value, direction)
    shape = len(direction), *channels
    if value.numel() == 1:
        return value.reshape(()).expand(shape)
    if value.numel() != math.prod(shape):
        raise ShapeError(f"{name} must be a number or have shape {shape}, got {tuple(value.shape)}")
    return value.reshape(shape)


def sg_from_sun(direction, strength, angle, color):
    """The SG as bright as the sun at its centre, and 1/2 at its rim. -> amplitude, direction, sharpness

        amplitude = color * strength,   sharpness = log(0.5 / strength) / (cos(angle / 2) - 1)

    (1/2 in absolute terms: the stronger the sun, the sharper; at strength 0.5 the lobe is flat, below it is
    inverted and the terms of this module have no meaning.)

    direction: (M, 3); strength: (M,); angle: (M,), angular diameter in radians; color: (M, 3).
    """
    check_shape("direction", direction, "M 3")
    check_shape("strength", strength, "M")
    check_shape("angle", angle, "M")
    check_shape("color", color, "M 3")
    return color * strength.unsqueeze(-1), direction, torch.log(0.5 / strength) / (torch.cos(angle / 2) - 1)


def sg_irradiance_fitted(amplitude, direction, sharpness, normal):
    """The light that falls on surfaces, integral of G(v) max(0, v . n) dv, by S. Hill's fit. -> (N, M, 3)

    With m = n . direction and s = sharpness, the clamped cosine blurred by the lobe is scale * y(m) + bias,
    where y is max(0, m) with its corner rounded off over |m| < ~ sqrt(1 - scale).

    amplitude, direction, sharpness: M lights; normal: (N, 3), unit.
    """
    _check_lobes(amplitude, direction, sharpness)
    check_shape("normal", normal, "N 3")
    m = normal @ direction.T  # (N, M)
    e1 = torch.exp(-sharpness)  # (M,)
    e2 = e1 * e1
    scale = 1 + 2 * e2 - 1 / sharpness
    bias = (e1 - e2) / sharpness - e2
    # A sun weaker than 1/2 is a lobe turned inside out (s < 0), and has no corner to round off. The value
    # there is kaolin's; its gradient is not, which is NaN from the root of a negative number in the branch
    # not taken.
    rounded = scale < 1  # (M,)
    width = torch.sqrt(torch.where(rounded, 1 - scale, 1.0))
    linear, corner = 0.36 * m, width / (4 * 0.36)  # (N, M), (M,)
    y = torch.where(rounded & (linear.abs() <= corner), (linear + corner) ** 2 / width, m.clamp(0, 1))
    # times the integral of an SG over the sphere, which is exact up to e^(-2 s)
    return (scale * y + bias).unsqueeze(-1) * (2 * math.pi * amplitude / sharpness.unsqueeze(-1))


def sg_diffuse_fitted(amplitude, direction, sharpness, normal, albedo):
    """What a Lambertian surface reflects: albedo / pi times the irradiance, averaged over lights. -> (N, 3)

    The MEAN over the M lights, not the sum (as in kaolin); not negative.

    amplitude, direction, sharpness: M lights. normal: (N, 3), unit; albedo: (N, 3).
    """
    check_shape("albedo", albedo, "N 3")
    check_shape("normal", normal, albedo.shape)
    irradiance = sg_irradiance_fitted(amplitude, direction, sharpness, normal).mean(dim=1)  # (N, 3)
    return irradiance.clamp(min=0) * (albedo / math.pi)


def sg_distribution_term(direction, roughness):
    """The Trowbridge-Reitz (GGX) distribution of microfacet normals as one SG about the surface normal.

        amplitude = 1 / (pi roughness^2),   sharpness = 2 / roughness^2        (Wang et al. 2009)

    direction: (N, 3), the surface normals, unit. roughness: (N,), greater than 0.

    Returns amplitude (N, 3), direction (N, 3) as given, sharpness (N,).
    """
    check_shape("direction", direction, "N 3")
    check_shape("roughness", roughness, direction.shape[:1])
    m2 = roughness * roughness
    return (1 / (math.pi * m2)).unsqueeze(-1).expand(-1, 3), direction, 2 / m2


def sg_warp_distribution(amplitude, direction, sharpness, view):
    """Turn the distribution of half vectors into one of light directions, for a given view.

    The lobe moves to the mirror image of the view in the normal, and widens by 4 (n . v):

        direction' = 2 (n . v) n - v,   sharpness' = sharpness / (4 max(n . v, 1e-4))   (Wang et al. 2009)

    amplitude, direction, sharpness: N lobes, the direction being the normal.
    view: (N, 3), unit, from the surface to the camera.

    Returns amplitude (N, 3) as given, direction (N, 3), sharpness (N,).
    """
    _check_lobes(amplitude, direction, sharpness)
    check_shape("view", view, direction.shape)
    ndv = _dot(direction, view)  # (N, 1)
    return amplitude, 2 * ndv * direction - view, sharpness / (4 * ndv.squeeze(-1).clamp(min=1e-4))


def fresnel(ldh, spec_albedo):
    """Schlick's approximation F0 + (1 - F0) (1 - l . h)^5. -> (N, 3)

    ldh: (N, 1), cosine between light and half vector.
    spec_albedo: (N, 3), F0, the reflectance at normal incidence. Source: Computer Graphics Forum 13(3), 1994.
    """
    return spec_albedo + (1 - spec_albedo) * (1 - ldh) ** 5


def sg_warp_specular_term(amplitude, direction, sharpness, normal, roughness, view, spec_albedo):
    """What a rough mirror (Cook-Torrance, GGX) reflects of the lights towards the camera. -> (N, 3)

        (sum over lights of <warped distribution, light>) * V(n . l) V(n . v) * F(l . h) * (n . l)

    with l the warped lobe's direction, h half-way between l and v, V(c) = 1 / (c + sqrt(m^2 + (1 - m^2) c^2))
    Smith's visibility and m the roughness (Wang et al. 2009); not negative.

    kaolin multiplies in place; its result cannot be differentiated fully. This one can.

    amplitude, direction, sharpness: M lights.
    normal: (N, 3), unit; roughness: (N,); view: (N, 3), unit, towards the camera; spec_albedo: (N, 3).
    """
    check_shape("view", view, normal.shape)
    check_shape("spec_albedo", spec_albedo, normal.shape)
    ndf = sg_warp_distribution(*sg_distribution_term(normal, roughness), view)
    light = ndf[1]  # (N, 3), where the reflected light comes from
    half = light + view
    half = half / torch.sqrt(_dot(half, half).clamp(min=torch.finfo(half.dtype).tiny))  # 0 at grazing views
    ldh = _dot(light, half).clamp(0, 1)  # (N, 1)
    cosines = (normal[:, None] * torch.stack([light, view], dim=1)).sum(dim=-1).clamp(0, 1)  # (N, 2)
    ndl, (v_light, v_view) = cosines[:, :1], _smith_ggx((roughness * roughness)[:, None], cosines).unbind(1)
    reflected = unbatched_reduced_sg_inner_product(*ndf, amplitude, direction, sharpness)
    return (reflected * (v_light * v_view)[:, None] * fresnel(ldh, spec_albedo) * ndl).clamp(min=0)


def unbatched_reduced_sg_inner_product(
    amplitude, direction, sharpness, other_amplitude, other_direction, other_sharpness
):
    """The integral over the sphere of the product of an SG with another, summed over the others. -> (N, 3)

        2 pi a1 a2 exp(d - s1 - s2) (1 - exp(-2 d)) / d,   d = |s1 p1 + s2 p2|        (Wang et al. 2009)

    amplitude (N, 3), direction (N, 3), sharpness (N,): one set; other_* with M: the other.
    """
    _check_lobes(amplitude, direction, sharpness)
    _check_lobes(other_amplitude, other_direction, other_sharpness, "other_")
    s1, s2 = sharpness.unsqueeze(-1), other_sharpness.unsqueeze(-1)  # (N, 1), (M, 1)
    mean = (s1 * direction).unsqueeze(1) + s2 * other_direction  # (N, M, 3)
    # where the two lobes cancel, (1 - exp(-2 d)) / d is 2: a tiny number under the root keeps it so
    d = torch.sqrt(_dot(mean, mean).clamp(min=torch.finfo(mean.dtype).tiny))  # (N, M, 1)
    peak = torch.exp(d - (s1 + other_sharpness).unsqueeze(-1))
    product = 2 * math.pi * amplitude.unsqueeze(1) * other_amplitude * (peak * -torch.expm1(-2 * d) / d)
    return product.sum(dim=1)


def _dot(a, b):
    return (a * b).sum(dim=-1, keepdim=True)


def _smith_ggx(m2, cosine):
    return 1 / (cosine + torch.sqrt(m2 + (1 - m2) * cosine * cosine))


def _check_lobes(amplitude, direction, sharpness, prefix=""):
    check_shape(prefix + "amplitude", amplitude, "N 3")
    check_shape(prefix + "direction", direction, amplitude.shape)
    check_shape(prefix + "sharpness", sharpness, amplitude.shape[:1])
