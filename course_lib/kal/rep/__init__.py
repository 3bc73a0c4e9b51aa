"""Representations of shapes."""

from .surface_mesh import SurfaceMesh

__all__ = ["SurfaceMesh"]
