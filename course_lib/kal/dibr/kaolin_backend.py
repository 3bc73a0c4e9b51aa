"""kaolin's own CUDA kernels (kaolin 0.16 to 0.18). They take the same arguments in the same order."""

from kaolin.render import mesh
from kaolin.render.mesh import dibr_soft_mask

from .reference import squared_distances  # kaolin has no such operation

__all__ = ["dibr_soft_mask", "rasterize", "squared_distances"]


def rasterize(height, width, z, corners, features, *options):
    """kaolin's own; where no features are asked for, its kernels still want one."""
    images, face_idx = mesh.rasterize(height, width, z, corners, features or [z[..., None]], *options)
    return images if features else (), face_idx
