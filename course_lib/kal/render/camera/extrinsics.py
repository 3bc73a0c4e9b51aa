"""Where cameras stand and look: the rigid transform from world to camera space."""

import torch

from ....shapes import check_shape


class CameraExtrinsics:
    """View matrices of C cameras, [[R, t], [0, 1]]: camera-space point = R @ world point + t.

    The rows of R are the camera's right, up and backward axes in world coordinates: the camera looks down its
    own -z. Read-only; gradients flow to the tensors it was made from. Made by `from_lookat`,
    `from_camera_pose` or `from_view_matrix`.
    """

    def __init__(self, view_matrix):
        check_shape("view_matrix", view_matrix, "C 4 4")
        self._view = view_matrix

    @classmethod
    def from_lookat(cls, eye, at, up, dtype=None, device=None):
        """Cameras at `eye` looking at `at`, with `up` pointing upwards in the image (as gluLookAt).

        Args:
            eye, at, up: (3,), (3, 1), (C, 3) or (C, 3, 1), tensors or anything torch.as_tensor takes; one
                camera's vector serves all. World units; up need not be perpendicular to the line of sight.
            dtype: of the view matrix; None means torch's default (float32), whatever the inputs' is.
            device: None means that of the first tensor given.

        Raises:
            ValueError: `eye` and `at` are the same point, or `up` is parallel to the line of sight.
        """
        device = device or _device_of(eye, at, up)
        eye, at, up = torch.broadcast_tensors(
            *(_vectors(name, value, dtype, device) for name, value in (("eye", eye), ("at", at), ("up", up)))
        )
        sight = at - eye  # (C, 3)
        backward = -torch.nn.functional.normalize(sight, dim=-1)
        right = torch.linalg.cross(up, backward)
        flat = (torch.linalg.vector_norm(right, dim=-1) == 0).nonzero().flatten().tolist()
        if flat:
            i = flat[0]
            raise ValueError(
                f"camera {i} has no orientation: eye {eye[i].tolist()}, at {at[i].tolist()}, up "
                f"{up[i].tolist()}; eye and at must differ, up must not be parallel to at - eye"
            )
        right = torch.nn.functional.normalize(right, dim=-1)
        R = torch.stack([right, torch.linalg.cross(backward, right), backward], dim=1)  # (C, 3, 3)
        return cls._from_rotation_translation(R, -R @ eye.unsqueeze(-1))

    @classmethod
    def from_camera_pose(cls, cam_pos, cam_dir, dtype=None, device=None):
        """Cameras from positions (C, 3) and matrices (C, 3, 3) whose columns are the axes, in the world."""
        device = device or _device_of(cam_pos, cam_dir)
        cam_pos = _vectors("cam_pos", cam_pos, dtype, device)  # (C, 3)
        cam_dir = _as_tensor(cam_dir, dtype, device)
        check_shape("cam_dir", cam_dir, "C 3 3", "3 3")
        R = cam_dir.reshape(-1, 3, 3).transpose(1, 2)
        return cls._from_rotation_translation(R, -R @ cam_pos.unsqueeze(-1))

    @classmethod
    def from_view_matrix(cls, view_matrix, dtype=None, device=None):
        """Cameras from their world-to-camera matrices, (C, 4, 4) or (4, 4), the rotation part orthonormal."""
        view_matrix = _as_tensor(view_matrix, dtype, device)
        check_shape("view_matrix", view_matrix, "C 4 4", "4 4")
        return cls(view_matrix.reshape(-1, 4, 4))

    @classmethod
    def _from_rotation_translation(cls, R, t):
        last_row = R.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(R.shape[0], 1, 4)
        return cls(torch.cat([torch.cat([R, t], dim=2), last_row], dim=1))

    @property
    def R(self):
        """(C, 3, 3), world axes to camera axes."""
        return self._view[:, :3, :3]

    @property
    def t(self):
        """(C, 3, 1), the world's origin in camera space."""
        return self._view[:, :3, 3:]

    def view_matrix(self):
        """(C, 4, 4), world to camera, for column vectors."""
        return self._view

    def inv_view_matrix(self):
        """(C, 4, 4), camera to world."""
        return self._from_rotation_translation(self.R.transpose(1, 2), self.cam_pos())._view

    def cam_pos(self):
        """(C, 3, 1), the cameras' positions in the world: -R^T t."""
        return -self.R.transpose(1, 2) @ self.t

    def cam_right(self):
        """(C, 3, 1), the image's rightward axis in the world."""
        return self.R[:, 0, :, None]

    def cam_up(self):
        """(C, 3, 1), the image's upward axis in the world."""
        return self.R[:, 1, :, None]

    def cam_forward(self):
        """(C, 3, 1), the camera's +z axis in the world. It points BEHIND the camera (kaolin's naming)."""
        return self.R[:, 2, :, None]

    def transform(self, vectors):
        """World points to camera space.

        Args:
            vectors: (N, 3) for all cameras, or (C, N, 3); dtype and device of the camera.

        Returns:
            (C, N, 3)
        """
        self._check_points("vectors", vectors)
        return vectors @ self.R.transpose(1, 2) + self.t.transpose(1, 2)

    def inv_transform_rays(self, ray_orig, ray_dir):
        """Rays from camera space to the world: origins are moved and turned, directions only turned.

        Args:
            ray_orig, ray_dir: (N, 3) for all cameras, or (C, N, 3).

        Returns:
            Two tensors (C, N, 3).
        """
        self._check_points("ray_orig", ray_orig)
        self._check_points("ray_dir", ray_dir)
        return (ray_orig - self.t.transpose(1, 2)) @ self.R, ray_dir @ self.R

    def _check_points(self, name, points):
        check_shape(name, points, "N 3", "C N 3")
        if points.ndim == 3 and points.shape[0] != len(self) and 1 not in (points.shape[0], len(self)):
            raise ValueError(
                f"{name} of shape {tuple(points.shape)} do not fit {len(self)} cameras; "
                f"expected (N, 3) or ({len(self)}, N, 3)"
            )
        check_shape(name, points, "N 3", "C N 3", like=self)

    @property
    def device(self):
        return self._view.device

    @property
    def dtype(self):
        return self._view.dtype

    def to(self, *args, **kwargs):
        """The same cameras on another device or in another dtype, as torch.Tensor.to."""
        return CameraExtrinsics(self._view.to(*args, **kwargs))

    @classmethod
    def cat(cls, extrinsics):
        """One batch from a sequence of batches."""
        return cls(torch.cat([e._view for e in extrinsics]))

    def __getitem__(self, item):
        return CameraExtrinsics(self._view[item].reshape(-1, 4, 4))

    def __len__(self):
        return self._view.shape[0]


def _device_of(*values):
    """The device of the first tensor among the values; None without one."""
    return next((value.device for value in values if torch.is_tensor(value)), None)


def _as_tensor(value, dtype, device):
    return torch.as_tensor(value, dtype=dtype or torch.get_default_dtype(), device=device)


def _vectors(name, value, dtype, device):
    """Bring (3,), (3, 1), (C, 3) or (C, 3, 1) to (C, 3)."""
    value = _as_tensor(value, dtype, device)
    check_shape(name, value, "3", "C 3", "3 1", "C 3 1")
    return value.reshape(-1, 3)
