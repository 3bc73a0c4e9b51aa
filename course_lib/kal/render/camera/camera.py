"""A batch of cameras: extrinsics and intrinsics together."""

from ....errors import CourseError
from .batch import Batch
from .extrinsics import CameraExtrinsics
from .intrinsics import PinholeIntrinsics
from .raygen import generate_pinhole_rays

# The ways to place cameras, to measure their lenses, and what else there is to say: keywords of from_args.
_POSES = {
    ("eye", "at", "up"): CameraExtrinsics.from_lookat,
    ("cam_pos", "cam_dir"): CameraExtrinsics.from_camera_pose,
    ("view_matrix",): CameraExtrinsics.from_view_matrix,
}
_LENSES = {"fov": PinholeIntrinsics.from_fov, "focal_x": PinholeIntrinsics.from_focal}
_LENS = {"width", "height", *_LENSES, "fov_direction", "focal_y", "x0", "y0", "near", "far"}
_KNOWN = {*_LENS, *sum(_POSES, ()), "dtype", "device", "num_cameras"}


class Camera(Batch):
    """C cameras: `extrinsics` place them in the world, `intrinsics` project onto the image.

    Attributes of either part can be read through the camera: `camera.R`, `camera.width`, `camera.focal_x`,
    `camera.cam_pos()`. Iterating or indexing gives cameras again; slices and index tensors work.
    """

    def __init__(self, extrinsics, intrinsics):
        if len(extrinsics) != len(intrinsics):
            raise CourseError(f"{len(extrinsics)} extrinsics do not fit {len(intrinsics)} intrinsics")
        self.extrinsics = extrinsics
        self.intrinsics = intrinsics

    @classmethod
    def from_args(cls, **kwargs):
        """A batch of cameras from keywords. Raises CourseError where some are missing, unknown or too much.

        eye, at, up: (C, 3) or (3,), see `CameraExtrinsics.from_lookat`; or view_matrix (C, 4, 4); or cam_pos
            and cam_dir.
        width, height: pixels.
        fov: radians, along fov_direction (vertical by default); or focal_x, with focal_y = focal_x by
            default, in pixels. Numbers, or tensors (C,).
        x0, y0: offset of the principal point from the image's centre, pixels, right and up; 0 by default.
        near, far: 0.01 and 100 by default.
        dtype: torch's default (float32) if not given, whatever the inputs' dtype is.
        device: that of the tensors given.
        """
        poses = [way for way in _POSES if set(way) & set(kwargs)]
        lenses = [key for key in _LENSES if key in kwargs]
        if set(kwargs) - _KNOWN:
            raise CourseError(f"Camera.from_args does not know {sorted(set(kwargs) - _KNOWN)}")
        if len(poses) != 1 or not set(poses[0]) <= set(kwargs):
            raise CourseError(f"""Camera.from_args needs either eye, at and up, or cam_pos and cam_dir, or
                view_matrix; got {sorted(kwargs)}""")
        if len(lenses) != 1 or not {"width", "height"} <= set(kwargs):
            raise CourseError(f"""Camera.from_args needs width, height and either fov or focal_x; got
                {sorted(kwargs)}""")
        if {"fov", "focal_y"} <= set(kwargs) or {"focal_x", "fov_direction"} <= set(kwargs):
            raise CourseError(f"""fov_direction goes with fov, focal_y with focal_x; Camera.from_args got
                {sorted(kwargs)}""")
        pose = {key: kwargs[key] for key in (*poses[0], "dtype", "device") if key in kwargs}
        lens = {key: kwargs[key] for key in _LENS & set(kwargs)}
        extrinsics = _POSES[poses[0]](**pose)
        like = {"dtype": extrinsics.dtype, "device": extrinsics.device}
        return cls(extrinsics, _LENSES[lenses[0]](**lens, num_cameras=len(extrinsics), **like))

    def transform(self, vectors):
        """World points (N, 3) or (C, N, 3) to NDC. -> (C, N, 3); one camera keeps the shape it was given"""
        ndc = self.intrinsics.transform(self.extrinsics.transform(vectors))
        return ndc.reshape(vectors.shape) if len(self) == 1 else ndc

    def view_projection_matrix(self):
        """World to clip space, for column vectors. -> (C, 4, 4)"""
        return self.intrinsics.projection_matrix() @ self.extrinsics.view_matrix()

    def generate_rays(self, coords_grid=None):
        """Origins and unit directions (H * W, 3) of the rays of one camera, see `generate_pinhole_rays`."""
        return generate_pinhole_rays(self, coords_grid)

    @classmethod
    def cat(cls, cameras):
        """One batch from a sequence of cameras of one image size and one pair of clipping planes."""
        cameras = list(cameras)
        if not cameras:
            raise CourseError("Camera.cat needs at least one camera, got none")
        extrinsics = CameraExtrinsics.cat([camera.extrinsics for camera in cameras])
        return cls(extrinsics, PinholeIntrinsics.cat([camera.intrinsics for camera in cameras]))

    def _map(self, function):
        return Camera(self.extrinsics._map(function), self.intrinsics._map(function))

    def __getattr__(self, name):  # only asked for what is not found on the camera itself
        if name not in ("extrinsics", "intrinsics") and not name.startswith("_"):
            for part in (self.extrinsics, self.intrinsics):
                if hasattr(part, name):
                    return getattr(part, name)
        raise AttributeError(f"a Camera has no attribute {name!r}")

    def __len__(self):
        return len(self.extrinsics)

    def __repr__(self):
        return f"Camera({self.intrinsics!r}, {self.dtype}, {self.device})"
