"""Exercises 8 and 10: a video to look at, and the dolphin's length, volume and mass."""

import torch


def compose_frame(original, segmentation, render, soft_mask):
    """One frame of the video: what went in, what came out. Exercise 8. -> (2 H, 2 W, 3)

    original, render: (H, W, 3); segmentation, soft_mask: (H, W, 1); all in [0, 1], and
    so is the result.

        original          | segmentation
        ------------------+-------------
        render over       | soft mask
        the original      |
    """
    # The render has no sea of its own: it covers the original where the dolphin is.
    composite = torch.where(soft_mask > 0.5, render, original)  # (H, W, 3)
    segmentation = segmentation.expand_as(original)
    soft_mask = soft_mask.expand_as(original)
    top = torch.cat([original, segmentation], dim=1)  # (H, 2 W, 3)
    bottom = torch.cat([composite, soft_mask], dim=1)
    return torch.cat([top, bottom], dim=0).clamp(0, 1)


def body_length(vertices):
    """Length of a straight dolphin, from rostrum to flukes. Exercise 10. -> (), metres

    vertices: (V, 3), metres, as `scene.rest_shape()` gives them: the body axis is z.
    """
    z = vertices[:, 2]
    return z.max() - z.min()


def mesh_volume(vertices, faces):
    """Volume inside a closed surface. Exercise 10. -> (), cubic metres

    vertices: (V, 3), metres; faces: (F, 3), vertex numbers, counter-clockwise seen from
    outside.
    """
    # Divergence theorem: each triangle (a, b, c) spans with the origin a tetrahedron of
    # signed volume a . (b x c) / 6. What lies outside the body is counted as often with
    # a plus as with a minus.
    a, b, c = vertices[faces].unbind(1)  # (F, 3) each
    return (a * torch.linalg.cross(b, c)).sum() / 6


def body_mass(volume, density=1025.0):
    """Mass in kg of a body: volume, m^3, times mean density, kg/m^3. Exercise 10."""
    # The default is sea water's at 20 degrees C and 35 g/kg salinity. Dolphins are
    # close to neutrally buoyant: their mean density is that of sea water within a few
    # per cent, with full lungs or empty ones.
    return density * volume
