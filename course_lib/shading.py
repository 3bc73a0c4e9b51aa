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
    covered = covered_pixels(hard_mask)
    places = pixels_of(texture_coords, covered)[None]  # (1, N, 2)
    grey = kal.render.mesh.texture_mapping(places, albedo, mode="bilinear")[0]  # (N, 1)
    image = with_pixels(grey.new_zeros(hard_mask.shape), covered, grey * pixels_of(hard_mask, covered))
    return image.expand(*hard_mask.shape[:-1], 3)


def covered_pixels(hard_mask):
    """Which pixels show the dolphin, counted through the batch. hard_mask (B, H, W, 1) -> (N,)"""
    return hard_mask.reshape(-1).nonzero()[:, 0]


def pixels_of(images, covered):
    """The values of images (B, H, W, C) at the pixels `covered` (N,). -> (N, C)"""
    return images.reshape(-1, images.shape[-1]).index_select(0, covered)


def with_pixels(images, covered, values):
    """A copy of images (B, H, W, C) with other values (N, C) at the pixels `covered` (N,)."""
    return images.reshape(-1, images.shape[-1]).index_copy(0, covered, values).reshape(images.shape)


def sunlight(scene, cam, hard_mask, image, normals):
    """Lights the textured dolphin by the sun: diffuse plus specular reflection.

    hard_mask (B, H, W, 1), image (B, H, W, 3) textured, normals (B, H, W, 3) -> image (B, H, W, 3).
    """
    covered = covered_pixels(hard_mask)
    return with_pixels(image, covered, _sunlit(scene, cam, covered, image, normals))


def _sunlit(scene, cam, covered, image, normals):
    """The colours of the pixels `covered` (N,) in the sun. -> (N, 3)"""
    sg = kal.render.lighting
    direction = torch.cat(kal.ops.coords.spherical2cartesian(scene.azimuth, scene.elevation), dim=-1)[None]
    sun = sg.SgLightingParameters.from_sun(direction, scene.strength, scene.angle)
    lobe = sun.amplitude, direction, sun.sharpness  # (1, 3), (1, 3), (1,)
    normal, skin = pixels_of(normals, covered), pixels_of(image, covered)  # (N, 3)
    view = -kal.render.camera.pinhole_ray_directions(cam, pixels=covered)  # (N, 3), back to the camera
    roughness = scene.dolphin_roughness.expand(len(normal))  # (N,)
    specular_albedo = scene.dolphin_specular_color.expand(len(normal), 3)  # (N, 3)
    diffuse = sg.sg_diffuse_fitted(*lobe, normal, skin)
    specular = sg.sg_warp_specular_term(*lobe, normal, roughness, view, specular_albedo)
    return diffuse + specular


def lighting(scene, cam, hard_mask, image, normals, sea_level_height, absorb):
    """Sun, then the water above the dolphin.

    image, normals (B, H, W, 3), hard_mask, sea_level_height (B, H, W, 1) -> image (B, H, W, 3).
    `absorb(image, sea_level_height, hard_mask, water_absorption)` is exercise 5. It is given the N pixels
    that show the dolphin, as one image (1, 1, N, 3).
    """
    covered = covered_pixels(hard_mask)
    lit = _sunlit(scene, cam, covered, image, normals)[None, None]  # (1, 1, N, 3)
    above = (pixels_of(given, covered)[None, None] for given in (sea_level_height, hard_mask))
    return with_pixels(image, covered, absorb(lit, *above, scene.water_absorption)[0, 0])
