"""kaolin's own CUDA kernels behind our interface (kaolin 0.16 to 0.18)."""

from kaolin.render.mesh import dibr_soft_mask as kaolin_soft_mask
from kaolin.render.mesh import rasterize as kaolin_rasterize

from .reference import nearest_soft_mask  # kaolin has no such operation

__all__ = ["dibr_soft_mask", "nearest_soft_mask", "rasterize"]


def rasterize(
    height, width, face_vertices_z, face_vertices_image, face_features, valid_faces, multiplier, eps
):
    """Features of the visible face in each pixel, one image (B, H, W, D) per tensor in the list
    `face_features`, and the face's index (B, H, W)."""
    return kaolin_rasterize(
        height,
        width,
        face_vertices_z,
        face_vertices_image,
        face_features,
        valid_faces=valid_faces,
        multiplier=multiplier,
        eps=eps,
        backend="cuda",
    )


def dibr_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier):
    """The soft mask (B, H, W) of the first `knum` faces near each pixel."""
    return kaolin_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier)
