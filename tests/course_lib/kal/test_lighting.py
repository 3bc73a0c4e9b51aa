"""Spherical-Gaussian lighting against kaolin's numbers and against what it stands for."""

import functools
import math

import pytest
import torch

from course_lib import kal
from course_lib.kal.render import lighting
from course_lib.shapes import ShapeError

from . import kaolins

golden = kaolins.numbers("lighting")
LOBE = ("amplitude", "direction", "sharpness")
UP = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
unit = functools.partial(torch.nn.functional.normalize, dim=-1)


def sun(dtype=torch.float64, requires_grad=False):
    return [golden("sg_" + k, dtype).requires_grad_(requires_grad) for k in LOBE]


def assert_matches(value, name, tolerance, dtype):
    assert value.dtype == dtype, name
    kaolins.assert_matches(value, golden(name), tolerance)


BOTH = pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 5e-5)])


def test_from_sun_equals_kaolins():
    suns = [golden(f"sun_{name}", torch.float32) for name in ("direction", "strength", "angle")]
    lights = lighting.SgLightingParameters.from_sun(*suns)
    for name in LOBE:
        assert_matches(getattr(lights, name), "sg_" + name, 1e-6, torch.float32)


@BOTH
def test_diffuse_equals_kaolins(dtype, tolerance):
    lights = sun(dtype, requires_grad=True)
    normal, albedo = (golden(k, dtype).requires_grad_() for k in ("normal", "albedo"))
    diffuse = lighting.sg_diffuse_fitted(*lights, normal, albedo)
    (diffuse * golden("cotangent", dtype)).sum().backward()
    assert_matches(diffuse, "diffuse", tolerance, dtype)
    for tensor, name in zip((*lights, normal, albedo), (*LOBE, "normal", "albedo")):
        assert_matches(tensor.grad, "diffuse_grad_" + name, tolerance, dtype)


@BOTH
def test_distribution_and_warp_equal_kaolins(dtype, tolerance):
    ndf = lighting.sg_distribution_term(golden("normal", dtype), golden("roughness", dtype))
    warped = lighting.sg_warp_distribution(*ndf, golden("view", dtype))
    for k, name in enumerate(LOBE):
        assert_matches(ndf[k], "ndf_" + name, tolerance, dtype)
        assert_matches(warped[k], "warped_" + name, tolerance, dtype)


# in float32, exp(d - s1 - s2) with sharpnesses of 10^6 keeps few digits: the formula's own limit
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-11), (torch.float32, 5e-3)])
def test_inner_product_equals_kaolins(dtype, tolerance):
    lights = sun(dtype, requires_grad=True)
    normal, roughness = (golden(k, dtype).requires_grad_() for k in ("normal", "roughness"))
    ndf = lighting.sg_distribution_term(normal, roughness)
    ndf = lighting.sg_warp_distribution(*ndf, golden("view", dtype))
    product = lighting.sg.unbatched_reduced_sg_inner_product(*ndf, *lights)
    (product * golden("cotangent", dtype)).sum().backward()
    assert_matches(product, "inner_product", tolerance, dtype)
    for tensor, name in zip((*lights, normal, roughness), (*LOBE, "normal", "roughness")):
        assert_matches(tensor.grad, "inner_product_grad_" + name, tolerance, dtype)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-11), (torch.float32, 2e-3)])
def test_specular_and_fresnel_equal_kaolins(dtype, tolerance):
    surface = [golden(k, dtype) for k in ("normal", "roughness", "view", "albedo")]
    specular = lighting.sg_warp_specular_term(*sun(dtype), *surface)
    assert_matches(specular, "specular", tolerance, dtype)
    reflectance = lighting.fresnel(golden("fresnel_ldh", dtype), golden("albedo", dtype))
    assert_matches(reflectance, "fresnel", min(tolerance, 1e-6), dtype)


def test_five_lights_equal_kaolins():
    lights = [golden("five_" + k) for k in LOBE]
    normal, roughness, view = (golden(k) for k in ("normal", "roughness", "view"))
    diffuse = lighting.sg_diffuse_fitted(*lights, normal, golden("albedo"))
    assert_matches(diffuse, "five_diffuse", 1e-12, torch.float64)
    ndf = lighting.sg_warp_distribution(*lighting.sg_distribution_term(normal, roughness), view)
    product = lighting.sg.unbatched_reduced_sg_inner_product(*ndf, *lights)
    assert_matches(product, "five_inner_product", 1e-11, torch.float64)


def sphere(n=200_000):
    """n directions spread evenly over the sphere (a Fibonacci lattice), (n, 3), for 4 pi / n each."""
    k = torch.arange(n, dtype=torch.float64) + 0.5
    z, azimuth = 1 - 2 * k / n, math.pi * (1 + 5**0.5) * k
    return torch.stack([(1 - z * z).sqrt() * azimuth.cos(), (1 - z * z).sqrt() * azimuth.sin(), z], dim=-1)


def lobe(amplitude, direction, sharpness, v):
    return amplitude * torch.exp(sharpness * (v @ direction - 1)).unsqueeze(-1)


def test_inner_product_and_irradiance_are_integrals():
    lights = sun()
    directions = sphere()
    cell = 4 * math.pi / len(directions)
    colour, sharpness = torch.tensor([[0.5, 1.0, 2.0]]), torch.tensor([3.0])
    other = colour.double(), unit(torch.ones(1, 3).double()), sharpness.double()
    first, second = (lobe(*(t[0] for t in lobes), directions) for lobes in (lights, other))
    integral = (first * second).sum(0) * cell
    product = lighting.sg.unbatched_reduced_sg_inner_product(*other, *lights)[0]
    torch.testing.assert_close(product, integral, rtol=1e-4, atol=0)
    normal = golden("normal")[:40]
    cosine = (directions @ normal.T).clamp(min=0)  # (n, N)
    irradiance = torch.einsum("vn,vc->nc", cosine, first) * cell
    fitted = lighting.sg_irradiance_fitted(*lights, normal)[:, 0]
    assert (fitted - irradiance).abs().max() < 0.02 * irradiance.max()  # a fit, good to a percent or two


def test_sun_is_half_bright_at_its_rim():
    lights = lighting.SgLightingParameters.from_sun(UP, strength=3.0, angle=0.4)
    assert lights.amplitude.dtype == lights.sharpness.dtype == torch.float64
    rim = torch.tensor([[math.sin(0.2), 0.0, math.cos(0.2)]], dtype=torch.float64)
    brightness = lobe(lights.amplitude[0], lights.direction[0], lights.sharpness[0], rim)
    torch.testing.assert_close(brightness, torch.full((1, 3), 0.5, dtype=torch.float64))


def test_gradients_reach_everything():
    generator = torch.Generator().manual_seed(3)
    random = functools.partial(torch.rand, dtype=torch.float64, generator=generator)
    normal, view = unit(random(4, 3) + UP), unit(random(4, 3) + 2 * UP)
    lights = random(2, 3), unit(random(2, 3)), 2 + 3 * random(2)
    inputs = [t.requires_grad_() for t in (*lights, normal, 0.3 + random(4), view, random(4, 3))]
    assert torch.autograd.gradcheck(lighting.sg_warp_specular_term, inputs)
    assert torch.autograd.gradcheck(lighting.sg_diffuse_fitted, (*inputs[:4], inputs[6]))

    def light_up(azimuth, elevation, strength, angle):
        direction = torch.cat(kal.ops.coords.spherical2cartesian(azimuth, elevation), dim=-1).unsqueeze(0)
        lights = lighting.SgLightingParameters.from_sun(direction, strength, angle)
        return lights.amplitude, lights.direction, lights.sharpness

    values = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (0.7, 1.1, 1.7, 1.2)]
    assert torch.autograd.gradcheck(light_up, values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_nan_where_lobes_cancel_or_the_view_grazes(dtype):
    up = UP.to(dtype)
    one, white = torch.ones(1, dtype=dtype), torch.ones(1, 3, dtype=dtype)
    direction = up.clone().requires_grad_()
    product = lighting.sg.unbatched_reduced_sg_inner_product(white, direction, one, white, -up, one)
    torch.testing.assert_close(product, torch.full((1, 3), 4 * math.pi * math.exp(-2), dtype=dtype))
    product.sum().backward()
    assert direction.grad.isfinite().all()

    normal = up.clone().requires_grad_()
    along = torch.tensor([[1.0, 0.0, 0.0]], dtype=dtype)
    specular = lighting.sg_warp_specular_term(white, up, one, normal, 0.1 * one, along, white)
    specular.sum().backward()
    assert specular.eq(0).all() and normal.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strength", [0.49, 0.3, 0.05])
def test_no_nan_in_the_gradients_of_a_weak_sun(strength, dtype):
    """Below strength 1/2 kaolin's values are finite and its gradients NaN: a fit that dims its sun that far
    was lost."""
    direction = UP.to(dtype)
    strength, angle = (torch.tensor([x], dtype=dtype, requires_grad=True) for x in (strength, 1.6))
    normal = unit(torch.tensor([[0.1, 0.2, 1.0], [1.0, 0.0, 0.01], [0.0, 1.0, -1.0]], dtype=dtype))
    normal.requires_grad_()
    sun = lighting.SgLightingParameters.from_sun(direction, strength, angle)
    lit = lighting.sg_diffuse_fitted(sun.amplitude, direction, sun.sharpness, normal, torch.ones_like(normal))
    (lit - 0.5).square().sum().backward()
    assert lit.isfinite().all()
    for leaf in (strength, angle, normal):
        assert leaf.grad.isfinite().all()


def test_lights_from_numbers_and_tensors():
    light = lighting.SgLightingParameters()
    assert light.amplitude.tolist() == [[3.0, 3.0, 3.0]] and light.sharpness.tolist() == [5.0]
    assert light.direction.tolist() == [[1.0, 0.0, 0.0]]
    eye = torch.eye(3).double()
    three = lighting.SgLightingParameters(1.0, 2 * eye, torch.tensor([1.0, 2.0, 3.0]).double())
    assert torch.equal(three.direction, eye) and three.amplitude.shape == (3, 3)
    assert three.to(torch.float32).sharpness.dtype == torch.float32


def test_shapes():
    with pytest.raises(ShapeError, match=r"sharpness must be a number or have shape \(3,\), got \(2,\)"):
        lighting.SgLightingParameters(1.0, torch.eye(3), torch.ones(2))
    one, seven = torch.ones(1, 3), torch.ones(7, 3)
    with pytest.raises(ShapeError, match=r"\(1,\).*got \(4,\)"):
        lighting.sg_diffuse_fitted(one, one, torch.ones(4), seven, seven)
    with pytest.raises(ShapeError, match=r"roughness .*\(7,\).*got \(7, 1\)"):
        lighting.sg_distribution_term(seven, torch.ones(7, 1))
