"""Exercises 2 and 9: rotation vectors, the matrices they mean, and how to read them without jumps.

A rotation vector v turns by the angle |v| (radians) about the axis v / |v|. The vectors v and
v - 2 pi v / |v| mean the same rotation: a long way round one axis is a short way round the opposite one. As a
map from vectors to rotations this is smooth everywhere; as a map back it must choose, and the usual choice,
|v| <= pi, jumps where |v| passes pi.
"""

import torch

from course_lib.rotations import rotmat_to_rotvec


def quat_to_rotmat(quat):
    """Rotation matrices of quaternions (w, x, y, z), which need not have unit length. -> (B, 3, 3)

    quat: (B, 4). With the unit quaternion (w, u), u = (x, y, z): R v = v + 2 w (u x v) + 2 u x (u x v).
    """
    w, x, y, z = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)  # (B,) each
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def batch_rodrigues(theta):
    """Rotation matrices of rotation vectors, by way of quaternions. -> (B, 3, 3)

    theta: (B, 3), radians. With a = |theta|: q = (cos a/2, sin(a/2) theta / a).
    """
    # sin(a/2)/a has the limit 1/2 at a = 0, but a itself has no derivative there, and the gradient of 0/0 is
    # NaN. All poses start at zero, so this happens. Near zero the Taylor series takes over, in a^2 only.
    a2 = theta.square().sum(-1, keepdim=True)  # (B, 1)
    small = a2 < 1e-6
    a = torch.where(small, 1.0, a2).sqrt()  # the branch not taken stays finite
    cos_half = torch.where(small, 1 - a2 / 8, torch.cos(a / 2))
    sin_half_over_a = torch.where(small, 0.5 - a2 / 48, torch.sin(a / 2) / a)
    return quat_to_rotmat(torch.cat([cos_half, sin_half_over_a * theta], dim=-1))


def continuous_rotvecs(rotmats):
    """Rotation vectors over time that do not jump. Exercise 9. -> (T, 3), radians

    rotmats: (T, 3, 3), rotation matrices, each close to the one before. The vectors mean the same
    rotations. The first is the shortest that does; each following one is, of all that do, the one nearest to
    its predecessor.
    """
    # Every rotation by the angle a about the axis n has the names (a + 2 pi k) n for all whole k. To choose k
    # is to unwrap one angle, along the axis of each frame. It helps up to almost a whole turn. At |v| = 2 pi
    # every axis means "no rotation at all", and no choice of names is continuous there: an animal that
    # circles on needs another origin to measure from (`DolphinScene.anchor`).
    names = rotmat_to_rotvec(rotmats)
    turn = 2 * torch.pi
    out = [names[0]]
    for name in names[1:]:
        angle = name.norm()
        # A rotation near none at all has no axis of its own: its other names may lie along the last one's.
        axis = name / angle if angle > 1e-6 else torch.nn.functional.normalize(out[-1], dim=0)
        k = torch.round((out[-1] @ axis - name @ axis) / turn)
        out.append(name + k * turn * axis)
    return torch.stack(out)
