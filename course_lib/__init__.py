"""Dolphins in 3D: the provided code of the course.

The modules in the order in which data flows through them: `environment`, `assets`, `video`, `template`, `scene`,
`kal`, `shading`, `losses`, `window`, `metrics`, `show`. Importing the package does no work.
"""

__version__ = "0.1.0"
