"""kaolin's own CUDA kernels (kaolin 0.16 to 0.18). They take the same arguments in the same order."""

from kaolin.render.mesh import dibr_soft_mask, rasterize

from .reference import nearest_soft_mask  # kaolin has no such operation

__all__ = ["dibr_soft_mask", "nearest_soft_mask", "rasterize"]
