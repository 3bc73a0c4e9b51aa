"""Operations on meshes and coordinates."""

from . import coords, mesh

__all__ = ["coords", "mesh"]
