"""Cameras, rasterisation, lighting."""

from . import camera, lighting, mesh
