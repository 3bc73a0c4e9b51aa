"""Reading meshes."""

from . import obj

__all__ = ["obj"]
