"""How cameras project: focal length and principal point."""

import math
from enum import IntEnum

import torch

from ....errors import fold
from ....shapes import check_shape


class CameraFOV(IntEnum):
    """Which way a field of view is measured."""

    HORIZONTAL = 0
    VERTICAL = 1
    DIAGONAL = 2


class PinholeIntrinsics:
    """C pinhole cameras of one image size; all lengths are in pixels.

    A point (x, y, z) in camera space (z < 0 in front) lands at NDC

        ndc_x = 2 / W * (focal_x * x / -z + x0)        column u = W / 2 + focal_x * x / -z + x0
        ndc_y = 2 / H * (focal_y * y / -z + y0)        row    v = H / 2 - focal_y * y / -z - y0

    so a positive x0 shifts the picture to the right and a positive y0 shifts it UP; (u, v) is measured from
    the image's top left corner. Depth: ndc_z is -1 at the near plane and 1 at the far plane (OpenGL).

    Args:
        width, height: pixels.
        params: (C, 4), the columns x0, y0, focal_x, focal_y.
        near, far: distances of the clipping planes, world units; only ndc_z depends on them.
    """

    def __init__(self, width, height, params, near=1e-2, far=1e2):
        check_shape("params", params, "C 4")
        self.width, self.height = _pixels("width", width), _pixels("height", height)
        self.near, self.far = float(near), float(far)
        if not 0 < self.near < self.far:
            raise ValueError(f"expected 0 < near < far, got near = {near}, far = {far}")
        self.params = params  # (C, 4)

    @classmethod
    def from_focal(
        cls,
        width,
        height,
        focal_x,
        focal_y=None,
        x0=None,
        y0=None,
        near=1e-2,
        far=1e2,
        num_cameras=1,
        dtype=None,
        device=None,
    ):
        """Cameras from focal lengths in pixels; each value a number for all or a tensor (C,)."""
        values = (
            0.0 if x0 is None else x0,
            0.0 if y0 is None else y0,
            focal_x,
            focal_x if focal_y is None else focal_y,
        )
        columns = []
        for name, value in zip(("x0", "y0", "focal_x", "focal_y"), values):
            value = torch.as_tensor(value, dtype=dtype or torch.get_default_dtype(), device=device)
            if value.ndim > 1 or value.numel() not in (1, num_cameras):
                raise ValueError(
                    f"{name} must be a number or a tensor of shape ({num_cameras},), "
                    f"got shape {tuple(value.shape)}"
                )
            columns.append(value.reshape(-1).expand(num_cameras))
        return cls(width, height, torch.stack(columns, dim=1), near, far)

    @classmethod
    def from_fov(
        cls,
        width,
        height,
        fov,
        fov_direction=CameraFOV.VERTICAL,
        x0=0.0,
        y0=0.0,
        near=1e-2,
        far=1e2,
        num_cameras=1,
        dtype=None,
        device=None,
    ):
        """Cameras with square pixels from a field of view in radians: focal = (size / 2) / tan(fov / 2)."""
        if fov_direction not in (CameraFOV.HORIZONTAL, CameraFOV.VERTICAL):
            raise ValueError(
                f"fov_direction must be CameraFOV.HORIZONTAL or CameraFOV.VERTICAL, got {fov_direction!r}"
            )
        half = torch.as_tensor(fov, dtype=torch.float64) / 2
        if not bool(((half > 0) & (half < math.pi / 2)).all()):
            raise ValueError(f"fov must lie between 0 and pi radians, got {fov}")
        focal = (width if fov_direction == CameraFOV.HORIZONTAL else height) / 2 / torch.tan(half)
        return cls.from_focal(width, height, focal, None, x0, y0, near, far, num_cameras, dtype, device)

    @property
    def x0(self):
        """(C,), how far the principal point lies to the right of the image's centre."""
        return self.params[:, 0]

    @property
    def y0(self):
        """(C,), how far the principal point lies above the image's centre."""
        return self.params[:, 1]

    @property
    def focal_x(self):
        """(C,), pixels."""
        return self.params[:, 2]

    @property
    def focal_y(self):
        """(C,), pixels."""
        return self.params[:, 3]

    def tan_half_fov(self, camera_fov_direction=CameraFOV.VERTICAL):
        """(C,), tan(fov / 2) = (size / 2) / focal, principal point aside."""
        if camera_fov_direction == CameraFOV.HORIZONTAL:
            return self.width / 2 / self.focal_x
        if camera_fov_direction == CameraFOV.VERTICAL:
            return self.height / 2 / self.focal_y
        raise ValueError(f"expected CameraFOV.HORIZONTAL or CameraFOV.VERTICAL, got {camera_fov_direction!r}")

    def fov(self, camera_fov_direction=CameraFOV.VERTICAL, in_degrees=True):
        """(C,), the field of view; in degrees unless told otherwise (while `from_fov` takes radians)."""
        fov = 2 * torch.atan(self.tan_half_fov(camera_fov_direction))
        return torch.rad2deg(fov) if in_degrees else fov

    @property
    def fov_x(self):
        """(C,), the horizontal field of view, degrees."""
        return self.fov(CameraFOV.HORIZONTAL)

    @property
    def fov_y(self):
        """(C,), the vertical field of view, degrees."""
        return self.fov(CameraFOV.VERTICAL)

    def projection_matrix(self):
        """(C, 4, 4), camera space to clip space, for column vectors; dividing by w = -z gives NDC.

        [2 fx / W     0      -2 x0 / W   0]        U = -2 near far / (far - near)
        [   0      2 fy / H  -2 y0 / H   0]        V = -(far + near) / (far - near)
        [   0         0          V       U]
        [   0         0         -1       0]
        """
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
        """Camera space to clip space, before the division by w.

        Args:
            vectors: (N, 3) or (C, N, 3), or homogeneous with a last axis of 4; dtype and device of the
                camera.

        Returns:
            (C, N, 4)
        """
        check_shape("vectors", vectors, "N 3", "C N 3", "N 4", "C N 4", like=self)
        matrix = self.projection_matrix().transpose(1, 2)  # (C, 4, 4), for row vectors
        if vectors.shape[-1] == 4:
            return vectors @ matrix
        return vectors @ matrix[:, :3] + matrix[:, 3:]

    def transform(self, vectors):
        """Camera space to NDC: `project`, then the perspective division; (C, N, 3)."""
        clip = self.project(vectors)
        return clip[..., :3] / clip[..., 3:]

    @property
    def lens_type(self):
        return "pinhole"

    @property
    def device(self):
        return self.params.device

    @property
    def dtype(self):
        return self.params.dtype

    def to(self, *args, **kwargs):
        """The same cameras on another device or in another dtype, as torch.Tensor.to."""
        return self._with_params(self.params.to(*args, **kwargs))

    @classmethod
    def cat(cls, intrinsics):
        """One batch from a sequence of batches of one image size and one pair of clipping planes."""
        first = intrinsics[0]
        for i, other in enumerate(intrinsics):
            if (other.width, other.height, other.near, other.far) != (
                first.width,
                first.height,
                first.near,
                first.far,
            ):
                raise ValueError(
                    f"cameras of one batch share size, near and far: the first is {first!r}, "
                    f"number {i} is {other!r}"
                )
        return first._with_params(torch.cat([i.params for i in intrinsics]))

    def _with_params(self, params):
        return PinholeIntrinsics(self.width, self.height, params, self.near, self.far)

    def __getitem__(self, item):
        return self._with_params(self.params[item].reshape(-1, 4))

    def __len__(self):
        return self.params.shape[0]

    def __repr__(self):
        return fold(f"""PinholeIntrinsics({len(self)} cameras of {self.width} x {self.height} pixels, near
            {self.near:g}, far {self.far:g})""")


CameraIntrinsics = PinholeIntrinsics  # kaolin's base class; the pinhole is the one lens here


def _pixels(name, value):
    if int(value) != value or value <= 0:
        raise ValueError(f"{name} must be a positive whole number of pixels, got {value!r}")
    return int(value)
