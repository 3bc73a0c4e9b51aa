"""Banks of mistakes and of right solutions for exercises 2 and 3."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import colormaps

from course_lib import check
from course_lib.check.core import grade
from solutions import rotations
from solutions import tracking as reference

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported from their files
from bank import assert_named, assert_right, given  # noqa: E402

normalize = torch.nn.functional.normalize


# --- exercise 2: right solutions
# -------------------------------------------------------------------------------


def cross_matrix(v):
    x, y, z = v.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([torch.stack(row, -1) for row in ([o, -z, y], [z, o, -x], [-y, x, o])], -2)


def quat_by_cross_products(quat):
    q = quat / quat.norm(dim=1, keepdim=True)
    w, u = q[:, :1], q[:, 1:]
    columns = []
    for axis in range(3):
        v = torch.zeros_like(u)
        v[:, axis] = 1
        t = torch.linalg.cross(u, v)
        columns.append(v + 2 * w * t + 2 * torch.linalg.cross(u, t))
    return torch.stack(columns, dim=2)


def quat_by_outer_product(quat):
    q = quat / quat.square().sum(1, keepdim=True).sqrt()
    w, u = q[:, 0, None, None], q[:, 1:]
    eye = torch.eye(3, dtype=quat.dtype, device=quat.device)
    return (2 * w**2 - 1) * eye + 2 * u[:, :, None] * u[:, None, :] + 2 * w * cross_matrix(u)


def rodrigues_by_sinc(theta):
    """R = 1 + sin(a)/a K + (1 - cos(a))/a^2 K^2, both quotients by torch.sinc, whose gradient at 0 is
    right."""
    squared = theta.square().sum(1)
    a = torch.where(squared > 0, squared, torch.ones_like(squared)).sqrt() * (squared > 0)
    K = cross_matrix(theta)
    one = torch.sinc(a / math.pi)[:, None, None]
    two = 0.5 * torch.sinc(a / (2 * math.pi))[:, None, None] ** 2
    return torch.eye(3, dtype=theta.dtype, device=theta.device) + one * K + two * K @ K


def rodrigues_by_tiny_length(theta):
    """The usual trick: a length that is never zero."""
    tiny = torch.finfo(theta.dtype).tiny ** 0.5
    a = (theta.square().sum(1, keepdim=True) + tiny).sqrt()
    return quat_by_cross_products(torch.cat([torch.cos(a / 2), torch.sin(a / 2) * theta / a], dim=1))


def rodrigues_with_shifted_norm(theta):
    """As many bodies' models have it: the norm of a vector that is hardly ever zero."""
    a = torch.norm(theta + 1e-8, p=2, dim=1, keepdim=True)
    return rotations.quat_to_rotmat(torch.cat([torch.cos(a * 0.5), torch.sin(a * 0.5) * (theta / a)], dim=1))


def rodrigues_with_double_where(theta):
    squared = (theta * theta).sum(dim=-1, keepdim=True)
    small = squared < 1e-8
    a = torch.sqrt(torch.where(small, torch.ones_like(squared), squared))
    K = cross_matrix(theta)
    first = torch.where(small, 1 - squared / 6, torch.sin(a) / a)[..., None]
    second = torch.where(small, 0.5 - squared / 24, (1 - torch.cos(a)) / a**2)[..., None]
    return torch.eye(3, dtype=theta.dtype) + first * K + second * (K @ K)


@pytest.mark.parametrize(
    "functions",
    [
        (rotations.quat_to_rotmat, rotations.batch_rodrigues),
        (quat_by_cross_products, rodrigues_by_tiny_length),
        (quat_by_outer_product, rodrigues_by_sinc),
        (rotations.quat_to_rotmat, rodrigues_with_double_where),
        (quat_by_cross_products, lambda theta: torch.linalg.matrix_exp(cross_matrix(theta))),
        (quat_by_outer_product, rodrigues_with_shifted_norm),
    ],
    ids=["reference", "never-zero", "sinc", "double-where", "exponential", "shifted-norm"],
)
def test_right_rotations(functions):
    assert_right(check.rodrigues, *functions)


# --- exercise 2: mistakes
# --------------------------------------------------------------------------------------


def rodrigues(
    quat_to_rotmat=rotations.quat_to_rotmat, half=0.5, order=(0, 1, 2, 3), dim=-1, divide=True, eps=None
):
    """A batch_rodrigues as it is often written, or with one of its steps wrong."""

    def batch_rodrigues(theta):
        if eps is None:
            squared = theta.square().sum(-1, keepdim=True)
            a = (
                torch.where(squared > 0, squared, 1e-30).sqrt()
                if dim == -1
                else theta.norm().expand(len(theta), 1)
            )
        else:
            a = eps(theta)
        axis = theta / a if divide else theta
        quat = torch.cat([torch.cos(half * a), torch.sin(half * a) * axis], dim=-1)
        return quat_to_rotmat(quat[:, list(order)])

    return batch_rodrigues


def transposed(quat):
    return rotations.quat_to_rotmat(quat).transpose(1, 2)


def scalar_last(quat):
    return rotations.quat_to_rotmat(quat[:, [3, 0, 1, 2]])


def not_normalised(quat):
    w, x, y, z = quat.unbind(-1)
    return torch.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y - w * z),
            2 * (x * z + w * y),
            2 * (x * y + w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z - w * x),
            2 * (x * z - w * y),
            2 * (y * z + w * x),
            1 - 2 * (x * x + y * y),
        ],
        -1,
    ).view(-1, 3, 3)


def batch_last(quat):
    """Nine entries, each (B,): stacked along a new first dimension, and cut into matrices there."""
    return rotations.quat_to_rotmat(quat).flatten(1).T.reshape(-1, 3, 3)


def rows_first(quat):
    return torch.stack(rotations.quat_to_rotmat(quat).unbind(1)).reshape(-1, 3, 3)


def filled_in(dtype=None):
    """Into a matrix of zeros, of torch's own dtype or of theta's."""

    def batch_rodrigues(theta):
        out = torch.zeros(len(theta), 3, 3, dtype=dtype or torch.float32)
        out[torch.arange(len(theta))] = rotations.batch_rodrigues(theta)
        return out

    return batch_rodrigues


def norm_with_a_little_more(theta):
    """torch gives the norm the gradient 0 at 0, so no `where` is needed: right."""
    a = theta.norm(dim=-1, keepdim=True) + 1e-8
    return rotations.quat_to_rotmat(torch.cat([torch.cos(a / 2), torch.sin(a / 2) * theta / a], -1))


def one_sign_wrong(quat):
    w, x, y, z = normalize(quat, dim=-1).unbind(-1)
    return torch.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y + w * z),
            2 * (x * z + w * y),
            2 * (x * y + w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z - w * x),
            2 * (x * z - w * y),
            2 * (y * z + w * x),
            1 - 2 * (x * x + y * y),
        ],
        -1,
    ).view(-1, 3, 3)


def constant_at_zero(theta):
    moving = theta.norm(dim=1) > 1e-12
    eye = torch.eye(3, dtype=theta.dtype).repeat(len(theta), 1, 1)
    return eye.index_put((moving,), rotations.batch_rodrigues(theta[moving]))


def nan_gradient(theta):
    """Right values everywhere; torch.where alone does not keep NaN out of the backward pass."""
    a = theta.norm(dim=1, keepdim=True)
    sin_over = torch.where(a < 1e-6, 0.5, torch.sin(a / 2) / a)
    return rotations.quat_to_rotmat(torch.cat([torch.cos(a / 2), sin_over * theta], 1))


def none_below_three_degrees(theta):
    small = theta.square().sum(1)[:, None, None] < 0.05**2
    return torch.where(small, torch.eye(3, dtype=theta.dtype), rotations.batch_rodrigues(theta))


def at_zero_by_mask(theta):
    """Zero is all that it treats as small, and leaves it zero."""
    out = rodrigues(eps=lambda t: t.norm(dim=1, keepdim=True))(theta)
    return torch.where((theta == 0).all(1)[:, None, None], torch.zeros_like(out), out)


def in_a_loop(theta):
    return (
        torch.stack([rotations.batch_rodrigues(t[None])[0] for t in theta])
        if len(theta)
        else theta.new_zeros(0, 3, 3)
    )


def detached(theta):
    return rotations.batch_rodrigues(theta.detach())


def axis_detached(theta):
    squared = theta.square().sum(-1, keepdim=True)
    a = torch.where(squared > 0, squared, 1e-30).sqrt()
    return rotations.quat_to_rotmat(
        torch.cat([torch.cos(a / 2), torch.sin(a / 2) * (theta / a).detach()], -1)
    )


def in_float32(theta):
    return rotations.batch_rodrigues(theta.float())


def in_place(theta):
    theta *= 0.5
    squared = theta.square().sum(-1, keepdim=True)
    a = torch.where(squared > 0, squared, 1e-30).sqrt()
    return rotations.quat_to_rotmat(torch.cat([torch.cos(a), torch.sin(a) * theta / a], -1))


def per_number(theta):
    """One rotation about x, one about y, one about z: these are not Euler angles."""
    zero = torch.zeros_like(theta[:, 0])
    x, y, z = theta.unbind(-1)
    vectors = [x, zero, zero], [zero, y, zero], [zero, zero, z]
    about_x, about_y, about_z = (rotations.batch_rodrigues(torch.stack(vector, -1)) for vector in vectors)
    return about_x @ about_y @ about_z


RIGHT_QUAT = rotations.quat_to_rotmat
MISTAKES_2 = {
    "transposed": (transposed, rodrigues(transposed)),
    "transposed, in batch_rodrigues": (RIGHT_QUAT, rodrigues(transposed)),
    "angle-doubled": (RIGHT_QUAT, rodrigues(half=1)),
    "angle-halved": (RIGHT_QUAT, rodrigues(half=0.25)),
    "quaternion-order": (scalar_last, rodrigues(scalar_last)),
    "quaternion-order, put together": (RIGHT_QUAT, rodrigues(order=(1, 2, 3, 0))),
    "quaternion-order, read": (RIGHT_QUAT, rodrigues(scalar_last)),
    "nan-at-zero": (RIGHT_QUAT, rodrigues(eps=lambda t: t.norm(dim=1, keepdim=True))),
    "nan-gradient-at-zero": (RIGHT_QUAT, nan_gradient),
    "nan-gradient-at-zero, clamped": (
        RIGHT_QUAT,
        rodrigues(eps=lambda t: t.square().sum(1, True).sqrt().clamp(1e-12)),
    ),
    "gradient-at-zero": (RIGHT_QUAT, constant_at_zero),
    "not-identity-at-zero": (RIGHT_QUAT, at_zero_by_mask),
    "small-angles": (RIGHT_QUAT, none_below_three_degrees),
    "norm-over-batch": (RIGHT_QUAT, rodrigues(dim=None)),
    "axis-not-normalised": (RIGHT_QUAT, rodrigues(not_normalised, divide=False)),
    "axis-not-normalised, quaternion normalised": (RIGHT_QUAT, rodrigues(divide=False)),
    "not-normalised": (not_normalised, rotations.batch_rodrigues),
    "wrong-rotation": (one_sign_wrong, rodrigues(one_sign_wrong)),
    "batch-last": (batch_last, rodrigues(batch_last)),
    "batch-last, rows": (rows_first, rodrigues(rows_first)),
    "euler-angles": (RIGHT_QUAT, per_number),
    "no-gradient": (RIGHT_QUAT, detached),
    "wrong-gradient": (RIGHT_QUAT, axis_detached),
    "degrees": (RIGHT_QUAT, lambda theta: rotations.batch_rodrigues(torch.deg2rad(theta))),
    "identity": (RIGHT_QUAT, lambda theta: rotations.batch_rodrigues(0 * theta)),
    "dtype": (RIGHT_QUAT, in_float32),
    "changed-input": (RIGHT_QUAT, in_place),
    "none": (RIGHT_QUAT, lambda theta: None),
    "none, from quat_to_rotmat": (lambda quat: None, rotations.batch_rodrigues),
    "shape": (RIGHT_QUAT, lambda theta: rotations.batch_rodrigues(theta).flatten(1)),
    "not-a-tensor": (RIGHT_QUAT, lambda theta: rotations.batch_rodrigues(theta).detach().numpy()),
    "not-a-tensor, a list": (RIGHT_QUAT, lambda theta: list(rotations.batch_rodrigues(theta))),
}


@pytest.mark.parametrize("name", MISTAKES_2)
def test_wrong_rotations_are_named(name):
    assert_named(check.rodrigues, name.split(",")[0], *MISTAKES_2[name])


def test_nobody_who_normalises_is_told_to():
    for wrong in (one_sign_wrong, batch_last, rows_first):
        result = grade(check.rodrigues, given(check.rodrigues, wrong, rodrigues(wrong)))
        assert "not-normalised" not in [complaint.key for complaint in result.complaints]


def test_another_dtype_is_said_where_dtypes_are_judged():
    result = grade(check.rodrigues, given(check.rodrigues, RIGHT_QUAT, filled_in()))
    wrong = [(outcome.name, outcome.complaint.text) for outcome in result.outcomes if outcome.complaint]
    assert (
        result.points == 18
        and len(wrong) == 1
        and "float64" in wrong[0][0]
        and "float" in wrong[0][1].lower()
    ), wrong


def test_a_norm_is_enough():
    assert_right(check.rodrigues, RIGHT_QUAT, norm_with_a_little_more)


def test_a_loop_over_the_batch_costs_advice_alone():
    result = grade(check.rodrigues, given(check.rodrigues, RIGHT_QUAT, in_a_loop))
    assert result.points == 20 and [complaint.key for complaint in result.complaints] == ["slow"]


def test_a_mistake_at_zero_alone_costs_its_share():
    result = grade(check.rodrigues, given(check.rodrigues, *MISTAKES_2["nan-at-zero"]))
    assert result.points == 14


# --- exercise 3: right solutions
# -------------------------------------------------------------------------------


def by_matrices(points, cameras):
    """All of it by hand, in homogeneous coordinates."""
    ones = torch.ones_like(points[..., :1])
    matrix = cameras.intrinsics.projection_matrix() @ cameras.extrinsics.view_matrix()
    clip = torch.cat([points, ones], -1) @ matrix.transpose(1, 2)
    x, y = (clip[..., :2] / clip[..., 3:]).unbind(-1)
    return torch.stack([(x + 1) * cameras.width / 2 - 0.5, (1 - y) * cameras.height / 2 - 0.5], dim=-1)


def by_focal_length(points, cameras):
    x, y, z = cameras.extrinsics.transform(points).unbind(-1)
    return torch.stack(
        [
            cameras.width / 2 + cameras.focal_x[:, None] * x / -z - 0.5,
            cameras.height / 2 - cameras.focal_y[:, None] * y / -z - 0.5,
        ],
        dim=-1,
    )


def camera_by_camera(points, cameras):
    pixels = []
    for p, camera in zip(points, cameras):
        ndc = camera.transform(p)
        pixels.append(
            torch.stack(
                [
                    (ndc[:, 0] * camera.width + camera.width - 1) / 2,
                    (camera.height - 1 - ndc[:, 1] * camera.height) / 2,
                ],
                1,
            )
        )
    return torch.stack(pixels)


def at_once(pixels, resolution):
    width, height = resolution
    image = torch.zeros(height, width, 3)
    time = torch.linspace(0, 1, len(pixels))
    nearest = (pixels + 0.5).floor().long()
    keep = (nearest >= 0).all(1) & (nearest[:, 0] < width) & (nearest[:, 1] < height)
    image[nearest[keep, 1], nearest[keep, 0]] = torch.stack([time, 0.2 + 0 * time, 1 - time], 1)[keep]
    return image


def in_viridis(pixels, resolution):
    image = np.zeros((resolution[1], resolution[0], 3), np.float32)
    for i, (x, y) in enumerate(pixels.tolist()):
        column, row = round(x), round(y)
        if 0 <= column < resolution[0] and 0 <= row < resolution[1]:
            image[row, column] = colormaps["viridis"](i / max(len(pixels) - 1, 1))[:3]
    return torch.from_numpy(image)


def in_grey(pixels, resolution):
    """One channel at a time, from dark to bright."""
    W, H = resolution
    image = torch.zeros(3, H, W)
    for i, pixel in enumerate(pixels):
        x, y = pixel.round().int().tolist()
        if x in range(W) and y in range(H):
            image[:, y, x] = (i + 3) / (len(pixels) + 3)
    return image.permute(1, 2, 0)


@pytest.mark.parametrize(
    "functions",
    [
        (reference.project_to_pixels, reference.draw_track),
        (by_matrices, at_once),
        (by_focal_length, in_viridis),
        (camera_by_camera, in_grey),
    ],
    ids=["reference", "matrices", "focal-length", "camera-by-camera"],
)
def test_right_tracking(functions):
    assert_right(check.tracking, *functions)


# --- exercise 3: mistakes
# --------------------------------------------------------------------------------------


def pixels_of(x, y, cameras):
    return torch.stack([((x + 1) * cameras.width - 1) / 2, ((1 - y) * cameras.height - 1) / 2], dim=-1)


def project(change):
    """A project_to_pixels that gets from normalised x, y and the cameras to pixels in its own way."""
    return lambda points, cameras: change(*cameras.transform(points)[..., :2].unbind(-1), cameras)


def size(cameras):
    return torch.tensor([cameras.width, cameras.height])


def clip_coordinates(points, cameras):
    return pixels_of(
        *cameras.intrinsics.project(cameras.extrinsics.transform(points))[..., :2].unbind(-1), cameras
    )


def wrong_depth_sign(points, cameras):
    clip = cameras.intrinsics.project(cameras.extrinsics.transform(points))
    return pixels_of(*(clip[..., :2] / -clip[..., 3:]).unbind(-1), cameras)


def without_extrinsics(points, cameras):
    return pixels_of(*cameras.intrinsics.transform(points)[..., :2].unbind(-1), cameras)


def without_intrinsics(points, cameras):
    return pixels_of(*cameras.extrinsics.transform(points)[..., :2].unbind(-1), cameras)


def without_focal_length(points, cameras):
    x, y, z = cameras.extrinsics.transform(points).unbind(-1)
    return pixels_of(x / -z, y / -z, cameras)


def first_camera(points, cameras):
    return torch.stack([reference.project_to_pixels(p[None], cameras[:1])[0] for p in points])


def draw(
    columns_rows=lambda p: p.round().long().unbind(-1),
    colour=None,
    inside=True,
    index=lambda image, r, c: (r, c),
):
    """A draw_track as it is often written, or with one of its steps wrong."""
    colour = colour or (lambda i, n, p: colormaps["plasma"](i / max(n - 1, 1))[:3])

    def draw_track(pixels, resolution):
        W, H = resolution
        image = torch.zeros(H, W, 3)
        columns, rows = columns_rows(pixels)
        for i in range(len(pixels)):
            r, c = int(rows[i]), int(columns[i])
            if not inside or (0 <= r < H and 0 <= c < W):
                image[index(image, r, c)] = torch.as_tensor(
                    colour(i, len(pixels), pixels[i]), dtype=torch.float32
                )
        return image

    return draw_track


def clamped(pixels, resolution):
    limits = torch.tensor(resolution) - 1
    return reference.draw_track(torch.minimum(pixels.clamp(min=0), limits), resolution)


def upper_bound_alone(pixels, resolution):
    W, H = resolution
    image = torch.zeros(H, W, 3)
    for i, (x, y) in enumerate(pixels.round().long().tolist()):
        if -W <= x < W and -H <= y < H:
            image[y, x] = 0.5 + 0.5 * i / len(pixels)
    return image


def dots(pixels, resolution):
    image = torch.zeros(resolution[1], resolution[0], 3)
    for i, (x, y) in enumerate(pixels.round().long().tolist()):
        image[max(y - 1, 0) : max(y + 2, 0), max(x - 1, 0) : max(x + 2, 0)] = 0.3 + 0.7 * i / len(pixels)
    return image


def twice_over(pixels, resolution):
    """Breaks off at the first point outside."""
    outside = (pixels.round() < 0).any(1) | (pixels.round() >= torch.tensor(resolution)).any(1)
    end = int(outside.int().argmax()) if outside.any() else len(pixels)
    return reference.draw_track(pixels[:end], resolution)


RIGHT_PROJECTION, RIGHT_TRACK = reference.project_to_pixels, reference.draw_track
WRONG_PROJECTIONS = {
    "y-flipped": project(lambda x, y, c: pixels_of(x, -y, c)),
    "y-flipped, and half a pixel": project(lambda x, y, c: (torch.stack([x, y], -1) + 1) / 2 * size(c)),
    "x-flipped": project(lambda x, y, c: pixels_of(-x, y, c)),
    "depth-sign": wrong_depth_sign,
    "xy-swapped": project(lambda x, y, c: pixels_of(x, y, c).flip(-1)),
    "normalised": project(lambda x, y, c: torch.stack([x, y], -1)),
    "normalised, 0 to 1": project(lambda x, y, c: torch.stack([(x + 1) / 2, (1 - y) / 2], -1)),
    "no-perspective-division": clip_coordinates,
    "world-coordinates": without_extrinsics,
    "no-intrinsics": without_intrinsics,
    "no-intrinsics, divided": without_focal_length,
    "size-swapped": project(
        lambda x, y, c: torch.stack([((x + 1) * c.height - 1) / 2, ((1 - y) * c.width - 1) / 2], -1)
    ),
    "doubled": project(lambda x, y, c: torch.stack([(x + 1) * c.width, (1 - y) * c.height], -1)),
    "not-centred": project(lambda x, y, c: torch.stack([x * c.width / 2, -y * c.height / 2], -1)),
    "one-camera": first_camera,
    "half-pixel": project(lambda x, y, c: torch.stack([(x + 1) * c.width / 2, (1 - y) * c.height / 2], -1)),
    "half-pixel, the other way": project(lambda x, y, c: pixels_of(x, y, c) - 0.5),
    "pixel-scale": project(
        lambda x, y, c: torch.stack([(x + 1) * (c.width - 1) / 2, (1 - y) * (c.height - 1) / 2], -1)
    ),
    "rounded": lambda points, cameras: RIGHT_PROJECTION(points, cameras).round(),
    "rounded, down": lambda points, cameras: RIGHT_PROJECTION(points, cameras).floor(),
    "rounded, to integers": lambda points, cameras: RIGHT_PROJECTION(points, cameras).long(),
    "fixed-size": project(
        lambda x, y, c: torch.stack([((x + 1) * 640 - 1) / 2, ((1 - y) * 360 - 1) / 2], -1)
    ),
    "shape": project(lambda x, y, c: pixels_of(x, y, c)[0]),
    "shape, three numbers": lambda points, cameras: cameras.transform(points),
    "none": lambda points, cameras: None,
    "not-a-tensor": lambda points, cameras: RIGHT_PROJECTION(points, cameras).numpy(),
    "dtype": lambda points, cameras: RIGHT_PROJECTION(points, cameras).double(),
    "not-finite": lambda points, cameras: RIGHT_PROJECTION(points, cameras) / 0,
    "changed-input": lambda points, cameras: RIGHT_PROJECTION(points.mul_(2), cameras),
}
WRONG_TRACKS = {
    "rows-columns-swapped": draw(
        index=lambda image, r, c: (c, r) if c < image.shape[0] and r < image.shape[1] else (r, c)
    ),
    "image-y-flipped": draw(index=lambda image, r, c: (image.shape[0] - 1 - r, c)),
    "image-y-flipped, at the end": lambda pixels, resolution: RIGHT_TRACK(pixels, resolution).flip(0),
    "floored": draw(lambda p: p.long().unbind(-1)),
    "not-nearest": draw(lambda p: p.ceil().long().unbind(-1)),
    "resolution-swapped": lambda pixels, resolution: RIGHT_TRACK(pixels, resolution).transpose(0, 1),
    "resolution-swapped, from the start": lambda pixels, resolution: RIGHT_TRACK(
        pixels.flip(-1), resolution[::-1]
    ),
    "channels-first": lambda pixels, resolution: RIGHT_TRACK(pixels, resolution).permute(2, 0, 1),
    "shape": lambda pixels, resolution: RIGHT_TRACK(pixels, resolution).mean(-1),
    "not-floats": lambda pixels, resolution: (255 * RIGHT_TRACK(pixels, resolution)).to(torch.uint8),
    "not-a-tensor": lambda pixels, resolution: RIGHT_TRACK(pixels, resolution).numpy(),
    "none": lambda pixels, resolution: None,
    "range": lambda pixels, resolution: 255 * RIGHT_TRACK(pixels, resolution),
    "empty": lambda pixels, resolution: 0 * RIGHT_TRACK(pixels, resolution),
    "not-black": lambda pixels, resolution: 1 - RIGHT_TRACK(pixels, resolution),
    "first-black": draw(colour=lambda i, n, p: [i / (n - 1)] * 3),
    "extra-pixels": dots,
    "one-colour": draw(colour=lambda i, n, p: [1, 1, 1]),
    "colour-by-place": draw(colour=lambda i, n, p: colormaps["plasma"](float(p[0]) / 64)[:3]),
    "no-order": draw(colour=lambda i, n, p: [0.2, 0.2, 1] if i % 2 else [1, 1, 0.2]),
    "cyclic": draw(colour=lambda i, n, p: colormaps["hsv"](i / (n - 1))[:3]),
    "reversed": draw(colour=lambda i, n, p: colormaps["plasma"](1 - i / (n - 1))[:3]),
    "narrow": draw(colour=lambda i, n, p: colormaps["plasma"](i)[:3]),
    "narrow, in viridis": draw(colour=lambda i, n, p: colormaps["viridis"](i)[:3]),
    "few-colours": draw(colour=lambda i, n, p: colormaps["plasma"](4 * i // n / 16)[:3]),
    "outside-crashes": draw(inside=False),
    "outside-wraps": upper_bound_alone,
    "outside-clamped": clamped,
    "lost": twice_over,
    "misplaced": lambda pixels, resolution: RIGHT_TRACK(pixels[::2], resolution),
}


@pytest.mark.parametrize("name", WRONG_PROJECTIONS)
def test_wrong_projections_are_named(name):
    assert_named(check.tracking, name.split(",")[0], WRONG_PROJECTIONS[name], RIGHT_TRACK)
    result = grade(check.tracking, given(check.tracking, WRONG_PROJECTIONS[name], RIGHT_TRACK))
    assert result.points >= 7  # what draws the track is not blamed


@pytest.mark.parametrize("name", WRONG_TRACKS)
def test_wrong_tracks_are_named(name):
    assert_named(check.tracking, name.split(",")[0], RIGHT_PROJECTION, WRONG_TRACKS[name])
    result = grade(check.tracking, given(check.tracking, RIGHT_PROJECTION, WRONG_TRACKS[name]))
    assert result.points >= 8


def test_what_is_drawn_on_the_side_is_closed_again():
    from matplotlib import pyplot

    def draw_track(pixels, resolution):
        image = RIGHT_TRACK(pixels, resolution)
        pyplot.figure()
        pyplot.imshow(image)
        return image

    before = set(pyplot.get_fignums())
    assert_right(check.tracking, RIGHT_PROJECTION, draw_track)
    assert set(pyplot.get_fignums()) == before


def test_the_cases_are_within_the_image():
    for number, prop in enumerate(check.tracking.properties[:3]):
        inputs = prop.inputs(np.random.default_rng([0, 3, number]))
        pixels = prop.call(given(check.tracking, RIGHT_PROJECTION, RIGHT_TRACK), **inputs)
        width, height = inputs["size"].tolist()
        for values in pixels.values():
            assert (values >= 0).all() and (values[..., 0] < width).all() and (values[..., 1] < height).all()
