"""From rotation matrices back to quaternions and rotation vectors. Of it exercise 9 is given
`rotmat_to_rotvec`.

The way there, from vectors to matrices, is exercise 2; here it is the exponential, by its definition.
"""

import torch

from .shapes import ShapeError, fits


def rotvec_to_rotmat(theta):
    """The rotation matrices of rotation vectors: exp([theta]x). -> (B, 3, 3)

    theta: (B, 3), radians. The definition that Rodrigues' formula is the closed form of; smooth everywhere,
    zero included. Raises ShapeError.
    """
    if not fits(theta.shape, "B 3"):
        raise ShapeError(f"rotvec_to_rotmat: theta has shape {tuple(theta.shape)}, expected (N, 3)")
    cross = torch.linalg.cross(torch.eye(3).to(theta)[None], theta[:, None])  # (B, 3, 3): [theta]x
    return torch.linalg.matrix_exp(cross)


def rotmat_to_quat(rotmat):
    """Unit quaternions (w, x, y, z) of rotation matrices: of q and -q that with its largest entry positive.

    rotmat (B, 3, 3) -> (B, 4). The ten products q_i q_j are linear in R; the row of the largest q_i^2 is the
    best conditioned multiple of q (Shepperd, "Quaternion from rotation matrix", J. Guidance and Control 1(3),
    1978).
    """
    d = torch.diagonal(rotmat, dim1=-2, dim2=-1)  # (B, 3)
    trace = d.sum(-1)
    ww, (xx, yy, zz) = 1 + trace, (1 + 2 * d - trace[:, None]).unbind(-1)
    minus, plus = rotmat - rotmat.mT, rotmat + rotmat.mT
    wx, wy, wz = minus[:, 2, 1], minus[:, 0, 2], minus[:, 1, 0]
    xy, xz, yz = plus[:, 0, 1], plus[:, 0, 2], plus[:, 1, 2]
    products = torch.stack([ww, wx, wy, wz, wx, xx, xy, xz, wy, xy, yy, yz, wz, xz, yz, zz], -1)
    products = products.unflatten(-1, (4, 4))  # (B, 4, 4): 4 q q^T
    best = torch.diagonal(products, dim1=-2, dim2=-1).argmax(-1)  # (B,)
    row = products[torch.arange(len(rotmat), device=rotmat.device), best]
    return torch.nn.functional.normalize(row, dim=-1)


def quat_to_rotvec(quat, shortest=False):
    """v = 2 atan2(|u|, w) u / |u| of unit quaternions (w, u), (B, 4). -> (B, 3); |v| <= 2 pi, shortest: pi"""
    if shortest:
        quat = torch.where(quat[:, :1] < 0, -quat, quat)
    w, u = quat[:, :1], quat[:, 1:]
    sin_half = u.norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sin_half, w)
    tiny = torch.finfo(quat.dtype).tiny
    return torch.where(sin_half < 1e-7, 2 * u * w.sign(), angle * u / sin_half.clamp(min=tiny))


def rotmat_to_rotvec(rotmat):
    """The shortest rotation vectors, |v| <= pi, of rotation matrices: the logarithm. -> (B, 3), radians

    rotmat (B, 3, 3). This map jumps: 181 degrees come back as 179 degrees about the opposite axis.
    """
    return quat_to_rotvec(rotmat_to_quat(rotmat), shortest=True)


def rotmat_to_steady_rotvec(rotmat):
    """Rotation vectors over time that do not jump at half a turn. (T, 3, 3) -> (T, 3), radians; |v| <= 2 pi.

    Of a quaternion's two signs each frame takes the one nearer to the frame before. It holds below a whole
    turn, where exercise 9 goes on; the recipes write their fits so.
    """
    quats = rotmat_to_quat(rotmat)  # (T, 4)
    first = torch.where(quats[:1, :1] < 0, -1.0, 1.0)  # the shortest vector begins
    flips = torch.where((quats[1:] * quats[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    return quat_to_rotvec(quats * torch.cat([first, flips]).cumprod(0).to(quats))
