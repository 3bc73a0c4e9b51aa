"""Refraction: where a thing under flat water seems to be, for a camera above it.

Water bends light at its surface, so that what lies under it seems to be nearer to the surface than it is. Of
a point at depth h the camera sees the ray that crosses the surface at some place, and takes it for straight:
the *apparent* point lies on the continuation of the ray in the air, here the one right above the true point.
With the angle a of that ray to the vertical it is at the apparent depth q,

    h / q = sqrt(n^2 + (n^2 - 1) tan(a)^2),   tan(a) = r / (H + q),

for a camera at height H and a horizontal distance r: Snell's law, sin(a) = n sin(b), with the angle b in the
water, and r = H tan(a) + h tan(b). Where a is small, q = h / n: the paraxial form, of which a fit makes use.
At 10 degrees off the vertical its depth is 0.7 % too large, at 20 degrees 3 %, at 35 degrees 10 %. What is
above the water stays where it is.

The world is the course's: y up, sea level y = 0, metres. Source: Born and Wolf, Principles of Optics, 3.2.
"""

import functools

import torch

from .errors import CourseError
from .kal.render.camera import Camera, CameraExtrinsics
from .shapes import check_shape

SEA_WATER = 1.34  # refractive index against air, of green light
AIR = 1.0  # the same: light travels straight
NEWTON_STEPS = 4  # from the paraxial form: exact to float64 up to 60 degrees off the vertical


def apparent_height(height, index=SEA_WATER):
    """The height at which a thing at `height` seems to be from straight above, metres. Numbers."""
    return max(height, height / index)


def apparent(points, index=SEA_WATER):
    """Where points (..., 3) in the world seem to be, seen from nearly straight above. -> (..., 3)

    The paraxial form: y becomes y / index under water. It does not depend on the camera.
    """
    slopes = _slopes(float(index), points.dtype, points.device)
    # One operation, not five: prelu is x above zero and slope * x below it, with a slope for each coordinate.
    return torch.nn.functional.prelu(points.reshape(-1, 3), slopes).reshape(points.shape)


@functools.lru_cache(maxsize=16)
def _slopes(index, dtype, device):
    """(3,), made once: a GPU would be waited for each time."""
    with torch.inference_mode(False):  # or a fit could not use it afterwards
        return torch.tensor([1.0, 1 / index, 1.0], dtype=dtype, device=device)


def apparent_exactly(points, eye, index=SEA_WATER):
    """Where points seem to be from any angle, by Snell's law. -> (C, V, 3)

    points: (V, 3) or (C, V, 3); eye: (C, 3), the cameras' places. Raises CourseError for a camera that is
    not above the water. Gradients go to the points and to the cameras' places.
    """
    check_shape("points", points, "V 3", "C V 3")
    check_shape("eye", eye, "C 3")
    check_above_water(eye)
    offset = points[..., [0, 2]] - eye[:, None, [0, 2]]  # (C, V, 2)
    r2, above = offset.square().sum(-1), eye[:, 1:2]  # (C, V), (C, 1)
    height = points[..., 1].expand(r2.shape)
    depth = (-height).clamp(min=0)
    q = depth / index
    for _ in range(NEWTON_STEPS):  # q * ratio = depth
        nearer = r2 / (above + q).square()  # tan(a)^2
        ratio = (index**2 + (index**2 - 1) * nearer).sqrt()
        slope = ratio - (index**2 - 1) * nearer * q / ((above + q) * ratio)
        q = q - (q * ratio - depth) / slope
    seen = torch.where(height < 0, -q, height)
    x, z = (points[..., i].expand(r2.shape) for i in (0, 2))
    return torch.stack([x, seen, z], dim=-1)


def check_above_water(eye):
    """Raises CourseError where one of the cameras at `eye` (C, 3) is not above the sea."""
    low = (~(eye[:, 1] > 0)).nonzero()
    if len(low):
        i = int(low[0])
        raise CourseError(f"""camera {i} is at a height of {float(eye[i, 1]):g} m, expected more than 0: one
            looks through the surface from above. y is up, and the sea is at y = 0.""")


class _ThroughWater(CameraExtrinsics):
    """Extrinsics that transform what is under water from where it seems to be."""

    def __init__(self, view_matrix, index, exact):
        super().__init__(view_matrix)
        self.index, self.exact = index, exact

    def transform(self, vectors):
        """As of a camera in the air, of the apparent points. -> (C, N, 3)"""
        check_shape("vectors", vectors, "N 3", "C N 3", like=self)
        if self.exact:
            return super().transform(apparent_exactly(vectors, self.cam_pos()[..., 0], self.index))
        return super().transform(apparent(vectors, self.index))

    def _map(self, function):
        return _ThroughWater(function(self.view_matrix()), self.index, self.exact)


def through_water(camera, index=SEA_WATER, exact=False):
    """The same cameras, which see what is under water where it seems to be. -> C cameras

    Whatever transforms points with them sees through the surface: `Camera.transform`, exercise 4, windows of
    them. The rays through their pixels are those in the air. exact: by `apparent_exactly`; the paraxial form
    otherwise. With an index of 1 they are the given ones. Raises CourseError for an index below 1.
    """
    if not 1 <= index <= 2:
        raise CourseError(f"""the refractive index is {index:g}, expected 1 (light travels straight) to 2;
            that of sea water is {SEA_WATER:g}""")
    if index == AIR:
        return camera
    extrinsics = _ThroughWater(camera.extrinsics.view_matrix(), float(index), exact)
    return Camera(extrinsics, camera.intrinsics)
