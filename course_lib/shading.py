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


def sunlight(scene, cam, hard_mask, image, normals):
    """Lights the textured dolphin by the sun: diffuse plus specular reflection.

    hard_mask (B, H, W, 1), image (B, H, W, 3) textured, normals (B, H, W, 3) -> image (B, H, W, 3).
    """
    covered = hard_mask[..., 0].nonzero(as_tuple=True)  # three of (N,)
    sg = kal.render.lighting
    direction = torch.cat(kal.ops.coords.spherical2cartesian(scene.azimuth, scene.elevation), dim=-1)[None]
    sun = sg.SgLightingParameters.from_sun(direction, scene.strength, scene.angle)
    lobe = sun.amplitude, direction, sun.sharpness  # (1, 3), (1, 3), (1,)
    normal, skin = normals[covered], image[covered]  # (N, 3)
    view = -kal.render.camera.pinhole_ray_directions(cam)[covered]  # (N, 3), back to the camera
    roughness = scene.dolphin_roughness.expand(len(normal))  # (N,)
    specular_albedo = scene.dolphin_specular_color.expand(len(normal), 3)  # (N, 3)
    diffuse = sg.sg_diffuse_fitted(*lobe, normal, skin)
    specular = sg.sg_warp_specular_term(*lobe, normal, roughness, view, specular_albedo)
    return image.index_put(covered, diffuse + specular)


def lighting(scene, cam, hard_mask, image, normals, sea_level_height, absorb):
    """Sun, then the water above the dolphin.

    image, normals (B, H, W, 3), hard_mask, sea_level_height (B, H, W, 1) -> image (B, H, W, 3).
    `absorb(image, sea_level_height, hard_mask, water_absorption)` is exercise 5.
    """
    image = sunlight(scene, cam, hard_mask, image, normals)
    return absorb(image, sea_level_height, hard_mask, scene.water_absorption)
