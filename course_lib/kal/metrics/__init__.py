"""How well a render agrees with an image."""

from . import render

__all__ = ["render"]
