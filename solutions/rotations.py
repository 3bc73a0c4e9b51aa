"""Exercises 2 and 9: rotation vectors, their matrices, and how to read them without jumps.

A rotation vector v turns by the angle |v| (radians) about the axis v / |v|. The vectors v
and v - 2 pi v / |v| mean the same rotation: a long way round one axis is a short way round
the opposite one. The map from vectors to rotations is smooth everywhere. The map back must
choose, and the usual choice, |v| <= pi, jumps where |v| passes pi.
"""

import torch

from course_lib.rotations import rotmat_to_rotvec


def quat_to_rotmat(quat):
    """Rotation matrices of quaternions (w, x, y, z) of any length. -> (B, 3, 3)

    quat: (B, 4). With the unit quaternion (w, u), u = (x, y, z):
    R v = v + 2 w (u x v) + 2 u x (u x v).
    """
    w, x, y, z = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)  # (B,) each
    o = torch.zeros_like(w)
    # cross v is u x v
    cross = torch.stack([o, -z, y, z, o, -x, -y, x, o], dim=-1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=quat.dtype, device=quat.device)
    return identity + 2 * (w[:, None, None] * cross + cross @ cross)


def batch_rodrigues(theta):
    """Rotation matrices of rotation vectors, by way of quaternions. -> (B, 3, 3)

    theta: (B, 3), radians. With a = |theta|: q = (cos a/2, sin(a/2) theta / a).
    """
    # sin(a/2)/a has the limit 1/2 at a = 0, but a itself has no derivative there, and
    # the gradient of 0/0 is NaN. All poses start at zero, so this happens. Near zero
    # the Taylor series takes over, in a^2 only.
    a2 = theta.square().sum(-1, keepdim=True)  # (B, 1)
    small = a2 < 1e-6
    a = torch.where(small, 1.0, a2).sqrt()  # the branch not taken stays finite
    cos_half = torch.where(small, 1 - a2 / 8, torch.cos(a / 2))
    sin_half_over_a = torch.where(small, 0.5 - a2 / 48, torch.sin(a / 2) / a)
    return quat_to_rotmat(torch.cat([cos_half, sin_half_over_a * theta], dim=-1))


def continuous_rotvecs(rotmats):
    """Rotation vectors over time that do not jump. Exercise 9. -> (T, 3), radians

    rotmats: (T, 3, 3), rotation matrices, each close to the one before. Each vector
    means the rotation of its frame. The first is the shortest that does; each of the
    others is the one nearest to the vector before it.
    """
    # The vectors (a + 2 pi k) n mean one rotation for all whole k. To choose k is to
    # unwrap one angle, along the axis of each frame. This helps up to almost a whole
    # turn. At |v| = 2 pi every axis means "no rotation at all", and no choice of k is
    # continuous there: see `DolphinScene.anchor`.
    names = rotmat_to_rotvec(rotmats)
    turn = 2 * torch.pi
    out = [names[0]]
    for name in names[1:]:
        angle = name.norm()
        # Without a rotation there is no axis: the last one's will do.
        near = out[-1] if angle < 1e-6 else name
        axis = torch.nn.functional.normalize(near, dim=0)
        k = torch.round((out[-1] @ axis - name @ axis) / turn)
        out.append(name + k * turn * axis)
    return torch.stack(out)
