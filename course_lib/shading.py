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
    view = -kal.render.camera.pinhole_ray_directions(cam, pixels=covered)  # (N, 3), back to the camera
    return _lit(scene, pixels_of(image, covered), pixels_of(normals, covered), view)


def _lit(scene, skin, normal, view):
    """Light that skin (N, 3) reflects, without the water above it. normal, view: (N, 3) -> (N, 3)

    The tutorial's: the sun, white, and its mirror image. Where the scene has a `sky_light`: a coloured sun
    and a sky, of which a surface sees the more, the more it faces up. Under water skin mirrors nothing: its
    refractive index is nearly that of water.
    """
    sg = kal.render.lighting
    direction = torch.cat(kal.ops.coords.spherical2cartesian(scene.azimuth, scene.elevation), dim=-1)[None]
    sun = sg.SgLightingParameters.from_sun(direction, scene.strength, scene.angle)
    lobe = sun.amplitude, direction, sun.sharpness  # (1, 3), (1, 3), (1,)
    diffuse = sg.sg_diffuse_fitted(*lobe, normal, skin)
    if scene.sky_light is not None:
        return scene.sun_colour * diffuse + scene.sky_light * skin * (0.5 + 0.5 * normal[:, 1:2])
    roughness = scene.dolphin_roughness.expand(len(normal))  # (N,)
    specular_albedo = scene.dolphin_specular_color.expand(len(normal), 3)  # (N, 3)
    return diffuse + sg.sg_warp_specular_term(*lobe, normal, roughness, view, specular_albedo)


def lighting(scene, cam, hard_mask, image, normals, sea_level_height, absorb):
    """Sun, then the water above the dolphin.

    image, normals (B, H, W, 3), hard_mask, sea_level_height (B, H, W, 1) -> image (B, H, W, 3).
    `absorb(image, sea_level_height, hard_mask, water_absorption)` is exercise 5. It is given the N pixels
    that show the dolphin, as one image (1, 1, N, 3).
    """
    covered = covered_pixels(hard_mask)
    if scene.sky_light is None:
        view = -kal.render.camera.pinhole_ray_directions(cam, pixels=covered)  # (N, 3)
    else:
        view, normals = None, seen_normals(normals, hard_mask)
    parts = (pixels_of(given, covered) for given in (image, normals, sea_level_height, hard_mask))
    return with_pixels(image, covered, colours_of_pixels(scene, view, *parts, absorb))


def seen_normals(normals, hard_mask):
    """Normals (B, H, W, 3) as a camera sees them: the mean over a pixel and its neighbours on the dolphin.

    A face is flat, and a fin seen from above is narrower than a pixel, whose middle hits its left or its
    right side: without this the light would jump from face to face.
    """
    shown = (normals * hard_mask).movedim(-1, 1)  # (B, 3, H, W)
    mean = torch.nn.functional.avg_pool2d(shown, 3, 1, 1).movedim(1, -1)  # (B, H, W, 3)
    return torch.nn.functional.normalize(mean, dim=-1)


def colours_of_pixels(scene, view, skin, normal, height, hard_mask, absorb):
    """What the drone sees of skin in the sun, under water. -> (N, 3)

    view: (N, 3), back to the camera, None where the scene has a `sky_light`; skin, normal: (N, 3); height
    over the sea, hard_mask: (N, 1); absorb: exercise 5.

    Water takes light away, I exp(w l), and where the scene has a `water_light` S it also sends some up, the
    more, the more of it there is: I exp(w l) + S (1 - exp(w l)), which is (I - S) exp(w l) + S.
    """
    lit = _lit(scene, skin, normal, view)
    above = height[None, None], hard_mask[None, None], scene.water_absorption  # (1, 1, N, 1) twice, (3,)
    if scene.water_light is None:
        return absorb(lit[None, None], *above)[0, 0]
    return absorb((lit - scene.water_light)[None, None], *above)[0, 0] + scene.water_light
