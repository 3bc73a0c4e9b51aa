"""Where cameras stand and look: the rigid transform from world to camera space."""

import torch

from ....errors import CourseError
from ....shapes import ShapeError, check_shape
from .batch import Batch, as_floats


class CameraExtrinsics(Batch):
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

        eye, at, up: (3,), (3, 1), (C, 3) or (C, 3, 1), tensors or anything torch.as_tensor takes; one
            camera's vector serves all. World units; up need not be perpendicular to the line of sight.
        dtype: of the view matrix; None means torch's default (float32), whatever the inputs' is.
        device: None means that of the first tensor given.

        Raises CourseError where `eye` and `at` are one point, or `up` is parallel to the line of sight.
        """
        device = device or _device_of(eye, at, up)
        given = {"eye": eye, "at": at, "up": up}
        vectors = [_vectors(name, value, dtype, device) for name, value in given.items()]
        eye, at, up = torch.broadcast_tensors(*vectors)  # (C, 3) each
        backward = -torch.nn.functional.normalize(at - eye, dim=-1)
        right = torch.linalg.cross(up, backward)
        flat = (torch.linalg.vector_norm(right, dim=-1) == 0).nonzero().flatten().tolist()
        if flat:
            i = flat[0]
            raise CourseError(f"""camera {i} has no orientation: eye {eye[i].tolist()}, at {at[i].tolist()},
                up {up[i].tolist()}; eye and at must differ, up must not be parallel to at - eye""")
        right = torch.nn.functional.normalize(right, dim=-1)
        R = torch.stack([right, torch.linalg.cross(backward, right), backward], dim=1)  # (C, 3, 3)
        return cls(_rigid(R, -R @ eye.unsqueeze(-1)))

    @classmethod
    def from_camera_pose(cls, cam_pos, cam_dir, dtype=None, device=None):
        """Cameras from positions (C, 3) and matrices (C, 3, 3) whose columns are the axes, in the world."""
        device = device or _device_of(cam_pos, cam_dir)
        cam_pos = _vectors("cam_pos", cam_pos, dtype, device)  # (C, 3)
        cam_dir = as_floats(cam_dir, dtype, device)
        check_shape("cam_dir", cam_dir, "C 3 3", "3 3")
        R = cam_dir.reshape(-1, 3, 3).transpose(1, 2)
        return cls(_rigid(R, -R @ cam_pos.unsqueeze(-1)))

    @classmethod
    def from_view_matrix(cls, view_matrix, dtype=None, device=None):
        """Cameras from their world-to-camera matrices, (C, 4, 4) or (4, 4), the rotation part orthonormal."""
        view_matrix = as_floats(view_matrix, dtype, device)
        check_shape("view_matrix", view_matrix, "C 4 4", "4 4")
        return cls(view_matrix.reshape(-1, 4, 4))

    @property
    def R(self):
        """(C, 3, 3), world axes to camera axes."""
        return self._view[:, :3, :3]

    @property
    def t(self):
        """(C, 3, 1), the world's origin in camera space."""
        return self._view[:, :3, 3:]

    def view_matrix(self):
        """World to camera, for column vectors. -> (C, 4, 4)"""
        return self._view

    def inv_view_matrix(self):
        """Camera to world. -> (C, 4, 4)"""
        return _rigid(self.R.transpose(1, 2), self.cam_pos())

    def cam_pos(self):
        """The cameras' positions in the world: -R^T t. -> (C, 3, 1)"""
        return -self.R.transpose(1, 2) @ self.t

    def transform(self, vectors):
        """World points, (N, 3) for all cameras or (C, N, 3), to camera space. -> (C, N, 3)

        They need the dtype and device of the cameras. Raises ShapeError.
        """
        check_shape("vectors", vectors, "N 3", "C N 3", like=self)
        if vectors.ndim == 3 and len(vectors) != len(self) and 1 not in (len(vectors), len(self)):
            raise ShapeError(f"""vectors of shape {tuple(vectors.shape)} do not fit {len(self)} cameras;
                expected (N, 3) or ({len(self)}, N, 3)""")
        return vectors @ self.R.transpose(1, 2) + self.t.transpose(1, 2)

    @classmethod
    def cat(cls, extrinsics):
        """One batch from a sequence of batches."""
        return cls(torch.cat([part._view for part in extrinsics]))

    device = property(lambda self: self._view.device)
    dtype = property(lambda self: self._view.dtype)

    def _map(self, function):
        return CameraExtrinsics(function(self._view))

    def __len__(self):
        return len(self._view)


def _rigid(R, t):
    """[[R, t], [0, 1]], (C, 4, 4), of R (C, 3, 3) and t (C, 3, 1)."""
    last_row = R.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(R), 1, 4)
    return torch.cat([torch.cat([R, t], dim=2), last_row], dim=1)


def _device_of(*values):
    """The device of the first tensor among the values; None without one."""
    return next((value.device for value in values if torch.is_tensor(value)), None)


def _vectors(name, value, dtype, device):
    """Bring (3,), (3, 1), (C, 3) or (C, 3, 1) to (C, 3)."""
    value = as_floats(value, dtype, device)
    check_shape(name, value, "3", "C 3", "3 1", "C 3 1")
    return value.reshape(-1, 3)
