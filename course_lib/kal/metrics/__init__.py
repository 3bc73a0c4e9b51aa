"""How well a render agrees with an image."""

from . import render
