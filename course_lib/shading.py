"""Skin, sun and water: from interpolated mesh features to colours.

The sun is one spherical Gaussian a exp(s (d . x - 1)) with direction d, sharpness s and amplitude a: a soft
lobe of light whose diffuse and specular reflections have closed forms (Wang et al., "All-frequency rendering
of dynamic, spatially-varying reflectance", SIGGRAPH Asia 2009). Everything here works on the pixels that show
the dolphin, as a list of N, because it covers about one per cent of a frame.
"""

import torch

from . import kal


def texturing(texture_coords, hard_mask, albedo):
    """Skin colour at every pixel.

    texture_coords (B, H, W, 2), hard_mask (B, H, W, 1), albedo (1, 1, S, S) grey -> image (B, H, W, 3).
    The texture is sampled once and shown in three channels: the skin is grey.
    """
    batch = texture_coords.shape[0]
    grey = kal.render.mesh.texture_mapping(texture_coords, albedo.expand(batch, -1, -1, -1), mode="bilinear")
    return (grey * hard_mask).expand(*grey.shape[:-1], 3)


def sun_direction(scene):
    """The direction towards the sun, (1, 3)."""
    return torch.cat(kal.ops.coords.spherical2cartesian(scene.azimuth, scene.elevation), dim=-1)[None]


def view_directions(cam):
    """Directions from every pixel's surface point back to the camera, (B, H, W, 3), unit length."""
    return -kal.render.camera.pinhole_ray_directions(cam)


def sunlight(scene, cam, hard_mask, image, normals):
    """Lights the textured dolphin by the sun: diffuse plus specular reflection.

    hard_mask (B, H, W, 1), image (B, H, W, 3) textured, normals (B, H, W, 3) -> image (B, H, W, 3).
    """
    covered = hard_mask[..., 0].bool()  # (B, H, W)
    direction = sun_direction(scene)  # (1, 3)
    sun = kal.render.lighting.SgLightingParameters.from_sun(direction, scene.strength, scene.angle)
    normal, skin = normals[covered], image[covered]  # (N, 3)
    roughness = scene.dolphin_roughness.expand(len(normal))  # (N,)
    specular_albedo = scene.dolphin_specular_color.expand(len(normal), 3)  # (N, 3)
    diffuse = kal.render.lighting.sg_diffuse_fitted(sun.amplitude, direction, sun.sharpness, normal, skin)
    specular = specular_reflection(
        sun.amplitude,
        direction,
        sun.sharpness,
        normal,
        roughness,
        view_directions(cam)[covered],
        specular_albedo,
    )
    return image.index_put((covered,), diffuse + specular)


def specular_reflection(amplitude, direction, sharpness, normal, roughness, view, specular_albedo):
    """Sun glint on a rough surface, differentiable in every argument.

    amplitude, direction (1, 3), sharpness (1,): the sun; normal, view, specular_albedo (N, 3), roughness (N,)
    -> (N, 3). The microfacet lobe is a spherical Gaussian around the normal, warped to the directions l from
    which it mirrors light towards the viewer, and integrated against the sun's; then Fresnel's factor, the
    Smith-GGX visibility of l and of the view, and the cosine of l to the normal.
    """
    sg = kal.render.lighting
    lobe = sg.sg_warp_distribution(*sg.sg_distribution_term(normal, roughness), view)
    light = lobe[1]  # (N, 3)
    n_dot_l = dot(normal, light).clamp(0, 1)  # (N, 1)
    n_dot_v = dot(normal, view).clamp(0, 1)
    half = torch.nn.functional.normalize(light + view, dim=-1)
    l_dot_h = dot(light, half).clamp(0, 1)
    m2 = roughness.square()[:, None]
    energy = sg.sg.unbatched_reduced_sg_inner_product(*lobe, amplitude, direction, sharpness)  # (N, 3)
    energy = energy * ggx_visibility(m2, n_dot_l) * ggx_visibility(m2, n_dot_v)
    return (energy * sg.fresnel(l_dot_h, specular_albedo) * n_dot_l).clamp(min=0)


def dot(a, b):
    return (a * b).sum(-1, keepdim=True)


def ggx_visibility(m2, n_dot_x):
    """Smith's masking term for the Trowbridge-Reitz distribution, over 2 n.x: 1 / (n.x + sqrt(m2 + (1 - m2)
    n.x^2))."""
    return 1 / (n_dot_x + (m2 + (1 - m2) * n_dot_x.square()).sqrt())


def lighting(scene, cam, hard_mask, image, normals, sea_level_height, absorb):
    """Sun, then the water above the dolphin.

    image, normals (B, H, W, 3), hard_mask, sea_level_height (B, H, W, 1) -> image (B, H, W, 3).
    `absorb(image, sea_level_height, hard_mask, water_absorption)` is exercise 5.
    """
    image = sunlight(scene, cam, hard_mask, image, normals)
    return absorb(image, sea_level_height, hard_mask, scene.water_absorption)
