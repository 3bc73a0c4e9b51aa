"""Reading meshes."""

from . import obj
