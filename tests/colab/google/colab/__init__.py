"""A stand-in for Colab's own package, as far as libraries look at it: that it is there, and that it has these
modules."""

from . import files, output  # noqa: F401
