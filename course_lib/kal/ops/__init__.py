"""Operations on meshes and coordinates."""

from . import coords, mesh
