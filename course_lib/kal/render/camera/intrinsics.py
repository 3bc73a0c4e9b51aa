"""How cameras project: focal length and principal point."""

import math
from enum import IntEnum

import torch

from ....errors import CourseError, fold
from ....shapes import ShapeError, check_shape
from .batch import Batch, as_floats


class CameraFOV(IntEnum):
    """Which way a field of view is measured."""

    HORIZONTAL = 0
    VERTICAL = 1
    DIAGONAL = 2


class PinholeIntrinsics(Batch):
    """C pinhole cameras of one image size; all lengths are in pixels.

    A point (x, y, z) in camera space (z < 0 in front) lands at NDC

        ndc_x = 2 / W * (focal_x * x / -z + x0)        column u = W / 2 + focal_x * x / -z + x0
        ndc_y = 2 / H * (focal_y * y / -z + y0)        row    v = H / 2 - focal_y * y / -z - y0

    so a positive x0 shifts the picture to the right and a positive y0 shifts it UP; (u, v) is measured from
    the image's top left corner. Depth: ndc_z is -1 at the near plane and 1 at the far plane (OpenGL).

    width, height: pixels.
    params: (C, 4), the columns x0, y0, focal_x, focal_y.
    near, far: distances of the clipping planes, world units; only ndc_z depends on them.
    """

    def __init__(self, width, height, params, near=1e-2, far=1e2):
        check_shape("params", params, "C 4")
        self.width, self.height = _pixels("width", width), _pixels("height", height)
        self.near, self.far = float(near), float(far)
        if not 0 < self.near < self.far:
            raise CourseError(f"expected 0 < near < far, got near = {near}, far = {far}")
        self.params = params  # (C, 4)
        self._projection = None  # made when first asked for

    @classmethod
    def from_focal(
        cls,
        width,
        height,
        focal_x,
        focal_y=None,
        x0=0,
        y0=0,
        num_cameras=1,
        dtype=None,
        device=None,
        **planes,
    ):
        """Cameras from focal lengths in pixels; each value a number for all or a tensor (C,).

        planes: near and far.
        """
        values = {"x0": x0, "y0": y0, "focal_x": focal_x, "focal_y": focal_x if focal_y is None else focal_y}
        columns = []
        for name, value in values.items():
            value = as_floats(0 if value is None else value, dtype, device)
            if value.ndim > 1 or value.numel() not in (1, num_cameras):
                raise ShapeError(f"""{name} must be a number or a tensor of shape ({num_cameras},), got shape
                    {tuple(value.shape)}""")
            columns.append(value.reshape(-1).expand(num_cameras))
        return cls(width, height, torch.stack(columns, dim=1), **planes)

    @classmethod
    def from_fov(cls, width, height, fov, fov_direction=CameraFOV.VERTICAL, **options):
        """Cameras with square pixels from a field of view in radians: focal = (size / 2) / tan(fov / 2).

        options: x0, y0 and what else `from_focal` takes.
        """
        size = _along(fov_direction, width, height, "fov_direction must be")
        half = torch.as_tensor(fov, dtype=torch.float64) / 2
        if not bool(((half > 0) & (half < math.pi / 2)).all()):
            raise CourseError(f"fov must lie between 0 and pi radians, got {fov}")
        return cls.from_focal(width, height, size / 2 / torch.tan(half), **options)

    x0 = property(
        lambda self: self.params[:, 0], doc="(C,), the principal point right of the image's centre."
    )
    y0 = property(lambda self: self.params[:, 1], doc="(C,), the principal point above the image's centre.")
    focal_x = property(lambda self: self.params[:, 2], doc="(C,), pixels.")
    focal_y = property(lambda self: self.params[:, 3], doc="(C,), pixels.")
    fov_x = property(lambda self: self.fov(CameraFOV.HORIZONTAL), doc="(C,), degrees.")
    fov_y = property(lambda self: self.fov(CameraFOV.VERTICAL), doc="(C,), degrees.")
    device = property(lambda self: self.params.device)
    dtype = property(lambda self: self.params.dtype)

    def fov(self, camera_fov_direction=CameraFOV.VERTICAL, in_degrees=True):
        """The field of view, principal point aside, in degrees unless told otherwise. -> (C,)"""
        sides = (self.width, self.focal_x), (self.height, self.focal_y)
        size, focal = _along(camera_fov_direction, *sides, "expected")
        fov = 2 * torch.atan(size / 2 / focal)
        return torch.rad2deg(fov) if in_degrees else fov

    def projection_matrix(self):
        """Camera space to clip space, for column vectors; dividing by w = -z gives NDC. -> (C, 4, 4)

        [2 fx / W     0      -2 x0 / W   0]        U = -2 near far / (far - near)
        [   0      2 fy / H  -2 y0 / H   0]        V = -(far + near) / (far - near)
        [   0         0          V       U]
        [   0         0         -1       0]
        """
        if self._projection is not None:
            return self._projection
        matrix = self._compute_projection()
        if not (matrix.requires_grad or matrix.is_inference()):  # of these each caller wants its own
            self._projection = matrix
        return matrix

    def _compute_projection(self):
        zero, one = torch.zeros_like(self.x0), torch.ones_like(self.x0)
        depth = self.far - self.near
        rows = [
            [2 / self.width * self.focal_x, zero, -2 / self.width * self.x0, zero],
            [zero, 2 / self.height * self.focal_y, -2 / self.height * self.y0, zero],
            [zero, zero, -(self.far + self.near) / depth * one, -2 * self.near * self.far / depth * one],
            [zero, zero, -one, zero],
        ]
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)

    def project(self, vectors):
        """Camera space to clip space, before the division by w. -> (C, N, 4)

        vectors: (N, 3) or (C, N, 3), or homogeneous, with a last axis of 4; dtype and device of the cameras.
        """
        check_shape("vectors", vectors, "N 3", "C N 3", "N 4", "C N 4", like=self)
        matrix = self.projection_matrix().transpose(1, 2)  # (C, 4, 4), for row vectors
        return vectors @ matrix if vectors.shape[-1] == 4 else vectors @ matrix[:, :3] + matrix[:, 3:]

    def transform(self, vectors):
        """Camera space to NDC: `project`, then the perspective division. -> (C, N, 3)"""
        clip = self.project(vectors)
        return clip[..., :3] / clip[..., 3:]

    @classmethod
    def cat(cls, intrinsics):
        """One batch from a sequence of batches of one image size and one pair of clipping planes."""
        first = intrinsics[0]
        for i, other in enumerate(intrinsics):
            if any(
                getattr(other, name) != getattr(first, name) for name in ("width", "height", "near", "far")
            ):
                raise CourseError(f"""cameras of one batch share size, near and far: the first is {first!r},
                    number {i} is {other!r}""")
        params = torch.cat([part.params for part in intrinsics])
        return cls(first.width, first.height, params, first.near, first.far)

    def _map(self, function):
        mapped = PinholeIntrinsics(self.width, self.height, function(self.params), self.near, self.far)
        mapped._projection = None if self._projection is None else function(self._projection)
        return mapped

    def __len__(self):
        return len(self.params)

    def __repr__(self):
        return fold(f"""PinholeIntrinsics({len(self)} cameras of {self.width} x {self.height} pixels, near
            {self.near:g}, far {self.far:g})""")


def _along(direction, horizontal, vertical, words):
    """What belongs to a direction of view."""
    if direction not in (CameraFOV.HORIZONTAL, CameraFOV.VERTICAL):
        raise CourseError(f"{words} CameraFOV.HORIZONTAL or CameraFOV.VERTICAL, got {direction!r}")
    return horizontal if direction == CameraFOV.HORIZONTAL else vertical


def _pixels(name, value):
    if int(value) != value or value <= 0:
        raise CourseError(f"{name} must be a positive whole number of pixels, got {value!r}")
    return int(value)
