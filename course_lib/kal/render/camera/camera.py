"""A batch of cameras: extrinsics and intrinsics together."""

import torch

from .extrinsics import CameraExtrinsics
from .intrinsics import CameraIntrinsics, PinholeIntrinsics

_LOOKAT = ("eye", "at", "up")
_POSE = ("cam_pos", "cam_dir")
_LENS = ("width", "height", "fov", "fov_direction", "focal_x", "focal_y", "x0", "y0", "near", "far")


class Camera:
    """C cameras: `extrinsics` place them in the world, `intrinsics` project onto the image.

    Attributes of either part can be read through the camera: `camera.R`, `camera.focal_x`,
    `camera.cam_pos()`. Iterating or indexing gives cameras again; slices and index tensors work.
    """

    def __init__(self, extrinsics, intrinsics):
        if len(extrinsics) != len(intrinsics):
            raise ValueError(f"{len(extrinsics)} extrinsics do not fit {len(intrinsics)} intrinsics")
        self.extrinsics = extrinsics
        self.intrinsics = intrinsics

    @classmethod
    def from_args(cls, **kwargs):
        """Make a batch of cameras from keywords.

        Args:
            eye, at, up: (C, 3) or (3,), see `CameraExtrinsics.from_lookat`; or view_matrix (C, 4, 4); or
                cam_pos and cam_dir.
            width, height: pixels.
            fov: radians, along fov_direction (vertical by default); or focal_x, with focal_y = focal_x by
                default, in pixels. Numbers, or tensors (C,).
            x0, y0: offset of the principal point from the image's centre, pixels, right and up; 0 by default.
            near, far: 0.01 and 100 by default.
            dtype: torch's default (float32) if not given, whatever the inputs' dtype is.
            device: that of the tensors given.

        Raises:
            ValueError: keywords that are missing, unknown or contradict each other.
        """
        ways = [way for way in (_LOOKAT, _POSE, ("view_matrix",)) if set(way) & set(kwargs)]
        lens = [key for key in ("fov", "focal_x") if key in kwargs]
        unknown = set(kwargs) - {*_LOOKAT, *_POSE, "view_matrix", *_LENS, "dtype", "device", "num_cameras"}
        if unknown:
            raise ValueError(f"Camera.from_args does not know {sorted(unknown)}")
        if len(ways) != 1 or not set(ways[0]) <= set(kwargs):
            raise ValueError(
                "Camera.from_args needs either eye, at and up, or cam_pos and cam_dir, or "
                f"view_matrix; got {sorted(kwargs)}"
            )
        if len(lens) != 1 or not {"width", "height"} <= set(kwargs):
            raise ValueError(
                f"Camera.from_args needs width, height and either fov or focal_x; got {sorted(kwargs)}"
            )
        make = {
            _LOOKAT: CameraExtrinsics.from_lookat,
            _POSE: CameraExtrinsics.from_camera_pose,
            ("view_matrix",): CameraExtrinsics.from_view_matrix,
        }[ways[0]]
        extrinsics = make(
            **{key: kwargs[key] for key in ways[0]}, dtype=kwargs.get("dtype"), device=kwargs.get("device")
        )
        options = {key: kwargs[key] for key in _LENS if key in kwargs}
        if lens[0] == "focal_x" and "fov_direction" in options or lens[0] == "fov" and "focal_y" in options:
            raise ValueError(
                f"fov_direction goes with fov, focal_y with focal_x; Camera.from_args got {sorted(kwargs)}"
            )
        make = PinholeIntrinsics.from_fov if lens[0] == "fov" else PinholeIntrinsics.from_focal
        return cls(
            extrinsics,
            make(**options, num_cameras=len(extrinsics), dtype=extrinsics.dtype, device=extrinsics.device),
        )

    @property
    def width(self):
        """Pixels."""
        return self.intrinsics.width

    @property
    def height(self):
        """Pixels."""
        return self.intrinsics.height

    def transform(self, vectors):
        """World points (N, 3) or (C, N, 3) to NDC (C, N, 3); one camera keeps the shape it was given."""
        ndc = self.intrinsics.transform(self.extrinsics.transform(vectors))
        return ndc.reshape(vectors.shape) if len(self) == 1 else ndc

    def view_projection_matrix(self):
        """(C, 4, 4), world to clip space, for column vectors."""
        return self.intrinsics.projection_matrix() @ self.extrinsics.view_matrix()

    def generate_rays(self, coords_grid=None):
        """Origins and unit directions (H * W, 3) of the rays of one camera, see `generate_pinhole_rays`."""
        from .raygen import generate_pinhole_rays  # raygen builds on this module

        return generate_pinhole_rays(self, coords_grid)

    @classmethod
    def cat(cls, cameras):
        """One batch from a sequence of cameras of one image size and one pair of clipping planes."""
        cameras = list(cameras)
        if not cameras:
            raise ValueError("Camera.cat needs at least one camera, got none")
        return cls(
            CameraExtrinsics.cat([c.extrinsics for c in cameras]),
            CameraIntrinsics.cat([c.intrinsics for c in cameras]),
        )

    @property
    def device(self):
        return self.extrinsics.device

    @property
    def dtype(self):
        return self.extrinsics.dtype

    def to(self, *args, **kwargs):
        """The same cameras on another device or in another dtype, as torch.Tensor.to."""
        return Camera(self.extrinsics.to(*args, **kwargs), self.intrinsics.to(*args, **kwargs))

    def cpu(self):
        return self.to("cpu")

    def cuda(self):
        return self.to("cuda")

    def float(self):
        return self.to(torch.float32)

    def double(self):
        return self.to(torch.float64)

    def __getattr__(self, name):  # only asked for what is not found on the camera itself
        if name not in ("extrinsics", "intrinsics") and not name.startswith("_"):
            for part in (self.extrinsics, self.intrinsics):
                if hasattr(part, name):
                    return getattr(part, name)
        raise AttributeError(f"a Camera has no attribute {name!r}")

    def __getitem__(self, item):
        return Camera(self.extrinsics[item], self.intrinsics[item])

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __len__(self):
        return len(self.extrinsics)

    def __repr__(self):
        return f"Camera({self.intrinsics!r}, {self.dtype}, {self.device})"
