"""Cameras, rasterisation, lighting."""

from . import camera, lighting, mesh

__all__ = ["camera", "lighting", "mesh"]
