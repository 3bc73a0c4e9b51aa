"""Representations of shapes."""

from .surface_mesh import SurfaceMesh
