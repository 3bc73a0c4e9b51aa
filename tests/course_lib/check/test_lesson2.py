"""Banks of mistakes and of right solutions for exercises 2 and 3."""

import math

import numpy as np
import pytest
import torch
from matplotlib import colormaps, pyplot
from torch.nn.functional import normalize

from autograder import sample_class
from course_lib import check
from course_lib.check.core import grade
from solutions.rotations import batch_rodrigues as RIGHT_RODRIGUES
from solutions.rotations import quat_to_rotmat as RIGHT_QUAT
from solutions.tracking import draw_track as RIGHT_TRACK
from solutions.tracking import project_to_pixels as RIGHT_PROJECTION

from .bank import assert_named, assert_right, given, then

EXPONENTIAL, TAYLOR = {}, {}  # what students of the sample class wrote
exec(sample_class.EXPONENTIAL, EXPONENTIAL)
exec(sample_class.TAYLOR, TAYLOR)
cross_matrix = TAYLOR["cross_matrix"]
BY_PRODUCTS, BY_OUTER_PRODUCT = EXPONENTIAL["quat_to_rotmat"], TAYLOR["quat_to_rotmat"]


def length(theta):
    return theta.norm(dim=-1, keepdim=True)


def never_zero(theta):
    squared = theta.square().sum(-1, keepdim=True)
    return torch.where(squared > 0, squared, 1e-30).sqrt()


def rodrigues(quat_to_rotmat=RIGHT_QUAT, half=0.5, order=(0, 1, 2, 3), length=never_zero, axis=torch.div):
    """A batch_rodrigues as it is often written, or with one of its steps wrong."""

    def batch_rodrigues(theta):
        a = length(theta)
        quat = torch.cat([torch.cos(half * a), torch.sin(half * a) * axis(theta, a)], dim=-1)
        return quat_to_rotmat(quat[:, list(order)])

    return batch_rodrigues


# --- exercise 2: right solutions


def by_sinc(theta):
    """R = 1 + sin(a)/a K + (1 - cos(a))/a^2 K^2 by torch.sinc, whose gradient at 0 is right."""
    squared = theta.square().sum(1)
    a = torch.where(squared > 0, squared, torch.ones_like(squared)).sqrt() * (squared > 0)
    K = cross_matrix(theta)
    one = torch.sinc(a / math.pi)[:, None, None]
    two = 0.5 * torch.sinc(a / (2 * math.pi))[:, None, None] ** 2
    return torch.eye(3, dtype=theta.dtype, device=theta.device) + one * K + two * K @ K


def never_quite_zero(theta):
    """The usual trick: a tiny number below the root."""
    return (theta.square().sum(1, keepdim=True) + torch.finfo(theta.dtype).tiny ** 0.5).sqrt()


RIGHT_ROTATIONS = {
    "reference": (RIGHT_QUAT, RIGHT_RODRIGUES),
    "never zero": (BY_PRODUCTS, rodrigues(BY_PRODUCTS, length=never_quite_zero)),
    "sinc": (BY_OUTER_PRODUCT, by_sinc),
    "double where": (RIGHT_QUAT, TAYLOR["batch_rodrigues"]),
    "exponential": (BY_PRODUCTS, EXPONENTIAL["batch_rodrigues"]),
    # As many bodies' models have it: the norm of a vector that is hardly ever zero.
    "shifted norm": (BY_OUTER_PRODUCT, rodrigues(length=lambda theta: length(theta + 1e-8))),
    # torch gives the norm the gradient 0 at 0, so no `where` is needed.
    "a norm and a little more": (RIGHT_QUAT, rodrigues(length=lambda theta: length(theta) + 1e-8)),
}


@pytest.mark.parametrize("name", RIGHT_ROTATIONS)
def test_right_rotations(name):
    assert_right(check.rodrigues, *RIGHT_ROTATIONS[name])


# --- exercise 2: mistakes


def not_normalised(quat):
    w, K = quat[:, 0, None, None], cross_matrix(quat[:, 1:])
    return torch.eye(3, dtype=quat.dtype) + 2 * w * K + 2 * K @ K


def one_sign_wrong(quat):
    w, _, _, z = normalize(quat, dim=-1).unbind(-1)
    one = torch.zeros(3, 3, dtype=quat.dtype)
    one[0, 1] = 1
    return RIGHT_QUAT(quat) + 4 * (w * z)[:, None, None] * one


def filled_in(theta):
    """Into a matrix of zeros, of torch's own dtype."""
    out = torch.zeros(len(theta), 3, 3)
    out[torch.arange(len(theta))] = RIGHT_RODRIGUES(theta)
    return out


def constant_at_zero(theta):
    moving = theta.norm(dim=1) > 1e-12
    eye = torch.eye(3, dtype=theta.dtype).repeat(len(theta), 1, 1)
    return eye.index_put((moving,), RIGHT_RODRIGUES(theta[moving]))


def nan_gradient(theta):
    """Right values everywhere; torch.where alone does not keep NaN out of the backward pass."""
    a = length(theta)
    sin_over = torch.where(a < 1e-6, 0.5, torch.sin(a / 2) / a)
    return RIGHT_QUAT(torch.cat([torch.cos(a / 2), sin_over * theta], 1))


def none_below_three_degrees(theta):
    small = theta.square().sum(1)[:, None, None] < 0.05**2
    return torch.where(small, torch.eye(3, dtype=theta.dtype), RIGHT_RODRIGUES(theta))


def at_zero_by_mask(theta):
    """Zero is all that it treats as small, and leaves it zero."""
    out = rodrigues(length=length)(theta)
    return torch.where((theta == 0).all(1)[:, None, None], torch.zeros_like(out), out)


def in_a_loop(theta):
    matrices = [EXPONENTIAL["batch_rodrigues"](t) for t in theta]
    return torch.stack(matrices) if matrices else theta.new_zeros(0, 3, 3)


def in_place(theta):
    theta *= 0.5
    return RIGHT_RODRIGUES(2 * theta)


def per_number(theta):
    """One rotation about x, one about y, one about z: these are not Euler angles."""
    about_x, about_y, about_z = (RIGHT_RODRIGUES(theta * axis) for axis in torch.eye(3, dtype=theta.dtype))
    return about_x @ about_y @ about_z


WRONG_RODRIGUES = {
    "transposed, in batch_rodrigues": lambda theta: RIGHT_RODRIGUES(theta).mT,
    "angle-doubled": rodrigues(half=1),
    "angle-halved": rodrigues(half=0.25),
    "quaternion-order, put together": rodrigues(order=(1, 2, 3, 0)),
    "quaternion-order, read": rodrigues(order=(3, 0, 1, 2)),
    "nan-at-zero": rodrigues(length=length),
    "nan-gradient-at-zero": nan_gradient,
    "nan-gradient-at-zero, clamped": rodrigues(length=lambda t: t.square().sum(1, True).sqrt().clamp(1e-12)),
    "gradient-at-zero": constant_at_zero,
    "not-identity-at-zero": at_zero_by_mask,
    "identity, where small": none_below_three_degrees,
    "norm-over-batch": rodrigues(length=lambda theta: theta.norm().expand(len(theta), 1)),
    "axis-not-normalised": rodrigues(not_normalised, axis=lambda theta, a: theta),
    "axis-not-normalised, quaternion normalised": rodrigues(axis=lambda theta, a: theta),
    "euler-angles": per_number,
    "no-gradient": lambda theta: RIGHT_RODRIGUES(theta.detach()),
    "wrong-gradient": rodrigues(axis=lambda theta, a: (theta / a).detach()),
    "degrees": lambda theta: RIGHT_RODRIGUES(torch.deg2rad(theta)),
    "identity": lambda theta: RIGHT_RODRIGUES(0 * theta),
    "dtype": lambda theta: RIGHT_RODRIGUES(theta.float()),
    "changed-input": in_place,
    "none": lambda theta: None,
    "shape": lambda theta: RIGHT_RODRIGUES(theta).flatten(1),
    "not-a-tensor": lambda theta: RIGHT_RODRIGUES(theta).detach().numpy(),
    "not-a-tensor, a list": lambda theta: list(RIGHT_RODRIGUES(theta)),
}
WRONG_QUATS = {  # used by batch_rodrigues, too
    "transposed": lambda quat: RIGHT_QUAT(quat).mT,
    "quaternion-order": lambda quat: RIGHT_QUAT(quat[:, [3, 0, 1, 2]]),
    "formula": one_sign_wrong,
    "wrong-rotation": lambda quat: RIGHT_QUAT(quat.clamp(min=0)),
    "half-turn": lambda quat: not_normalised(quat * quat[:, :1].sign() / quat.norm(dim=-1, keepdim=True)),
    # Nine entries, each (B,), stacked along a new first dimension, and cut into matrices there.
    "batch-last": lambda quat: RIGHT_QUAT(quat).flatten(1).T.reshape(-1, 3, 3),
    "batch-last, rows": lambda quat: torch.stack(RIGHT_QUAT(quat).unbind(1)).reshape(-1, 3, 3),
}
WRONG_ROTATIONS = {
    **{name: (RIGHT_QUAT, function) for name, function in WRONG_RODRIGUES.items()},
    **{name: (function, rodrigues(function)) for name, function in WRONG_QUATS.items()},
    "length": (not_normalised, RIGHT_RODRIGUES),
    "none, from quat_to_rotmat": (lambda quat: None, RIGHT_RODRIGUES),
}


@pytest.mark.parametrize("name", WRONG_ROTATIONS)
def test_wrong_rotations_are_named(name):
    result = assert_named(check.rodrigues, name.split(",")[0], *WRONG_ROTATIONS[name])
    # Nobody who normalises is told to, and a mistake at zero alone costs its share.
    assert name == "length" or "length" not in {c.key for c in result.complaints}
    assert name != "nan-at-zero" or result.points == 14


def test_another_dtype_is_said_where_dtypes_are_judged():
    result = grade(check.rodrigues, given(check.rodrigues, RIGHT_QUAT, filled_in))
    [wrong] = [outcome for outcome in result.outcomes if outcome.complaint]
    assert result.points == 18 and "float64" in wrong.name and "float" in wrong.complaint.text.lower()


def test_a_loop_over_the_batch_costs_advice_alone():
    result = grade(check.rodrigues, given(check.rodrigues, RIGHT_QUAT, in_a_loop))
    assert result.points == 20 and [complaint.key for complaint in result.complaints] == ["slow"]


# --- exercise 3: right solutions


def by_matrices(points, cameras):
    """All of it by hand, in homogeneous coordinates."""
    ones = torch.ones_like(points[..., :1])
    matrix = cameras.intrinsics.projection_matrix() @ cameras.extrinsics.view_matrix()
    clip = torch.cat([points, ones], -1) @ matrix.transpose(1, 2)
    x, y = (clip[..., :2] / clip[..., 3:]).unbind(-1)
    return torch.stack([(x + 1) * cameras.width / 2 - 0.5, (1 - y) * cameras.height / 2 - 0.5], dim=-1)


def by_focal_length(points, cameras):
    x, y, z = cameras.extrinsics.transform(points).unbind(-1)
    columns = cameras.width / 2 + cameras.focal_x[:, None] * x / -z - 0.5
    rows = cameras.height / 2 - cameras.focal_y[:, None] * y / -z - 0.5
    return torch.stack([columns, rows], dim=-1)


def camera_by_camera(points, cameras):
    pixels = []
    for p, camera in zip(points, cameras):
        x, y = camera.transform(p)[:, :2].unbind(-1)
        columns = (x * camera.width + camera.width - 1) / 2
        pixels.append(torch.stack([columns, (camera.height - 1 - y * camera.height) / 2], 1))
    return torch.stack(pixels)


def at_once(pixels, resolution):
    width, height = resolution
    image = torch.zeros(height, width, 3)
    time = torch.linspace(0, 1, len(pixels))
    nearest = (pixels + 0.5).floor().long()
    keep = (nearest >= 0).all(1) & (nearest[:, 0] < width) & (nearest[:, 1] < height)
    image[nearest[keep, 1], nearest[keep, 0]] = torch.stack([time, 0.2 + 0 * time, 1 - time], 1)[keep]
    return image


def in_doubles(pixels, resolution):
    """By NumPy's floats, in the colours of an almost black map."""
    image = np.zeros((resolution[1], resolution[0], 3))
    for k, pixel in enumerate(np.rint(pixels.numpy())):
        if (pixel >= 0).all() and (pixel < resolution).all():
            image[int(pixel[1]), int(pixel[0])] = colormaps["inferno"](k / (len(pixels) - 1))[:3]
    return torch.from_numpy(image)


def in_turbo(pixels, resolution):
    """A map that is neither dark nor light at its ends."""
    return draw(colour=lambda k, count, pixel: colormaps["turbo"](k / (count - 1)))(pixels, resolution)


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


def with_a_figure(pixels, resolution):
    image = RIGHT_TRACK(pixels, resolution)
    pyplot.figure()
    pyplot.imshow(image)
    return image


@pytest.mark.parametrize(
    "functions",
    [
        (RIGHT_PROJECTION, RIGHT_TRACK),
        (by_matrices, at_once),
        (by_focal_length, in_viridis),
        (camera_by_camera, in_grey),
        (RIGHT_PROJECTION, in_turbo),
        (RIGHT_PROJECTION, with_a_figure),
        (then(torch.Tensor.double, RIGHT_PROJECTION), in_doubles),
    ],
    ids=lambda functions: f"{functions[0].__name__}, {functions[1].__name__}",
)
def test_right_tracking(functions):
    before = pyplot.get_fignums()
    assert_right(check.tracking, *functions)
    assert pyplot.get_fignums() == before  # what is drawn on the side is closed again


# --- exercise 3: mistakes


def pixels_of(normalised, size):
    return ((normalised * torch.tensor([1, -1]) + 1) * size - 1) / 2


def project(to_pixels=pixels_of, normalised=lambda points, cameras: cameras.transform(points)):
    """A project_to_pixels with its own way to normalised coordinates, or from there and (W, H) to pixels."""

    def project_to_pixels(points, cameras):
        size = torch.tensor([cameras.width, cameras.height])
        return to_pixels(normalised(points, cameras)[..., :2], size)

    return project_to_pixels


def wrong_depth_sign(points, cameras):
    clip = cameras.intrinsics.project(cameras.extrinsics.transform(points))
    return clip / -clip[..., 3:]


def first_camera(points, cameras):
    return torch.stack([RIGHT_PROJECTION(p[None], cameras[:1])[0] for p in points])


def five_points_of_three_cameras(points, cameras):
    out = torch.zeros(len(points), points.shape[1], 2)
    for b in range(3):
        for n in range(min(5, points.shape[1])):
            if b < len(points):
                out[b, n] = RIGHT_PROJECTION(points[b : b + 1, n : n + 1], cameras[b])[0, 0]
    return out


def plasma(i, count, pixel):
    return colormaps["plasma"](i / max(count - 1, 1))


def draw(nearest=torch.round, colour=plasma, inside=True, index=lambda image, r, c: (r, c)):
    """A draw_track as it is often written, or with one of its steps wrong."""

    def draw_track(pixels, resolution):
        W, H = resolution
        image = torch.zeros(H, W, 3)
        for i, (c, r) in enumerate(nearest(pixels).long().tolist()):
            if not inside or (0 <= r < H and 0 <= c < W):
                image[index(image, r, c)] = torch.tensor(colour(i, len(pixels), pixels[i])[:3]).float()
        return image

    return draw_track


def swapped_within(image, r, c):
    return (c, r) if c < image.shape[0] and r < image.shape[1] else (r, c)


def clamped(pixels, resolution):
    limits = torch.tensor(resolution) - 1
    return RIGHT_TRACK(torch.minimum(pixels.clamp(min=0), limits), resolution)


def where_two_meet(mix):
    """A draw_track that mixes the colours of two points that fall on one pixel."""

    def draw_track(pixels, resolution):
        image = torch.zeros_like(RIGHT_TRACK(pixels, resolution))
        for k in range(len(pixels)):
            alone = pixels + 1e4 * (torch.arange(len(pixels)) != k)[:, None]  # all others are outside
            added = RIGHT_TRACK(alone, resolution)
            image = torch.where(
                (image > 0).any(-1, keepdim=True) & (added > 0).any(-1, keepdim=True),
                mix(image, added),
                image + added,
            )
        return image.clamp(max=1)

    return draw_track


def looked_at(inside):
    """A draw_track that looks at x and y, W and H before it rounds them."""

    def draw_track(pixels, resolution):
        W, H = resolution
        image = torch.zeros(H, W, 3)
        for i, (x, y) in enumerate(pixels.tolist()):
            if inside(x, y, W, H):
                image[round(y), round(x)] = 0.5 + 0.5 * i / len(pixels)
        return image

    return draw_track


def dots(pixels, resolution):
    image = torch.zeros(resolution[1], resolution[0], 3)
    for i, (x, y) in enumerate(pixels.round().long().tolist()):
        image[max(y - 1, 0) : max(y + 2, 0), max(x - 1, 0) : max(x + 2, 0)] = 0.3 + 0.7 * i / len(pixels)
    return image


def up_to_the_first_outside(pixels, resolution):
    outside = (pixels.round() < 0).any(1) | (pixels.round() >= torch.tensor(resolution)).any(1)
    end = int(outside.int().argmax()) if outside.any() else len(pixels)
    return RIGHT_TRACK(pixels[:end], resolution)


WRONG_PROJECTIONS = {  # besides those of the checks' own lists
    "y-flipped": project(lambda xy, size: (xy + 1) / 2 * size),
    "depth-sign": project(normalised=wrong_depth_sign),
    "world-coordinates": project(normalised=lambda points, cameras: cameras.intrinsics.transform(points)),
    "no-intrinsics": project(normalised=lambda points, cameras: cameras.extrinsics.transform(points)),
    "one-camera": first_camera,
    "half-pixel": project(lambda xy, size: (xy * torch.tensor([1, -1]) + 1) * size / 2),
    "rounded": then(torch.Tensor.long, RIGHT_PROJECTION),
    "other-formula, of a fixed size": project(lambda xy, size: pixels_of(xy, torch.tensor([640, 360]))),
    "other-formula": then(lambda pixels: 1.2 * pixels, RIGHT_PROJECTION),
    "wrong-pixel": then(lambda pixels: pixels + pixels**2 / 1e3, RIGHT_PROJECTION),
    "batch": five_points_of_three_cameras,
    "shape": then(lambda pixels: pixels[0], RIGHT_PROJECTION),
    "shape, three numbers": lambda points, cameras: cameras.transform(points),
    "none": lambda points, cameras: None,
    "not-a-tensor": then(torch.Tensor.numpy, RIGHT_PROJECTION),
    "not-finite": then(lambda pixels: pixels / 0, RIGHT_PROJECTION),
    "changed-input": lambda points, cameras: RIGHT_PROJECTION(points.mul_(2), cameras),
}
WRONG_TRACKS = {
    "rows-columns-swapped": draw(index=swapped_within),
    "image-y-flipped": then(lambda image: image.flip(0), RIGHT_TRACK),
    "floored": draw(lambda pixels: pixels),
    "not-nearest": draw(torch.ceil),
    "resolution-swapped": then(lambda image: image.transpose(0, 1), RIGHT_TRACK),
    "resolution-swapped, from the start": lambda pixels, size: RIGHT_TRACK(pixels.flip(-1), size[::-1]),
    "channels-first": then(lambda image: image.permute(2, 0, 1), RIGHT_TRACK),
    "shape": then(lambda image: image.mean(-1), RIGHT_TRACK),
    "not-floats": then(lambda image: (255 * image).to(torch.uint8), RIGHT_TRACK),
    "not-a-tensor": then(torch.Tensor.numpy, RIGHT_TRACK),
    "none": lambda pixels, resolution: None,
    "range": then(lambda image: 255 * image, RIGHT_TRACK),
    "empty": then(torch.zeros_like, RIGHT_TRACK),
    "not-black": then(lambda image: 1 - image, RIGHT_TRACK),
    "first-black": draw(colour=lambda i, count, pixel: [i / (count - 1)] * 3),
    "last-black": draw(colour=lambda i, count, pixel: [1 - i / (count - 1)] * 3),
    "extra-pixels": dots,
    "one-colour": draw(colour=lambda i, count, pixel: [1, 1, 1]),
    "colour-by-place": draw(colour=lambda i, count, pixel: colormaps["plasma"](float(pixel[0]) / 64)),
    "not-by-time": draw(colour=lambda i, count, pixel: [0.1 + i / count / 2, 0.1, float(pixel[0]) / 64]),
    "by-chance": draw(colour=lambda i, count, pixel: torch.rand(3).tolist()),
    "no-order": draw(colour=lambda i, count, pixel: [0.2, 0.2, 1] if i % 2 else [1, 1, 0.2]),
    "cyclic": draw(colour=lambda i, count, pixel: colormaps["hsv"](i / (count - 1))),
    "reversed": draw(colour=lambda i, count, pixel: plasma(count - 1 - i, count, pixel)),
    "narrow": draw(colour=lambda i, count, pixel: colormaps["plasma"](i)),
    "narrow, in viridis": draw(colour=lambda i, count, pixel: colormaps["viridis"](i)),
    "narrow, in grey": draw(colour=lambda i, count, pixel: [0.5 + 0.2 * i / count] * 3),
    "fixed-length": draw(colour=lambda i, count, pixel: colormaps["viridis"](i / 200)),
    "few-colours": draw(colour=lambda i, count, pixel: colormaps["plasma"](4 * i // count / 16)),
    "few-colours, of 256": draw(colour=lambda i, count, pixel: colormaps["plasma"](255.0 * i / count)),
    "shared-pixel: It is 1 times the first and 0 times the last": where_two_meet(
        lambda earlier, later: earlier
    ),
    "shared-pixel: It is 1 times the first and 1 times the last": where_two_meet(torch.add),
    "shared-pixel: It is 0.5 times the first and 1": where_two_meet(
        lambda earlier, later: earlier / 2 + later
    ),
    "shared-pixel": where_two_meet(torch.maximum),
    "not-lighter": draw(colour=lambda i, count, pixel: colormaps["jet"](i / (count - 1))),
    "outside-crashes": draw(inside=False),
    "border-lost, and more drawn at the edge": looked_at(lambda x, y, W, H: 0 <= x < W and 0 <= y < H),
    "border-lost, an index too far": looked_at(lambda x, y, W, H: 0 <= x <= W and 0 <= y <= H),
    "outside-wraps": looked_at(lambda x, y, W, H: -W <= x <= W - 0.5 and -H <= y <= H - 0.5),
    "outside-clamped": clamped,
    "lost": up_to_the_first_outside,
    "border-lost": looked_at(lambda x, y, W, H: 0 < x <= W - 1 and 0 < y <= H - 1),
    "every-second": lambda pixels, resolution: RIGHT_TRACK(pixels[::2], resolution),
    "left-out": lambda pixels, resolution: RIGHT_TRACK(pixels[:7], resolution),
    "misplaced": lambda pixels, resolution: RIGHT_TRACK(1.2 * pixels, resolution),
}


@pytest.mark.parametrize("name", WRONG_PROJECTIONS)
def test_wrong_projections_are_named(name):
    result = assert_named(check.tracking, name.split(",")[0], WRONG_PROJECTIONS[name], RIGHT_TRACK)
    assert result.points >= 7  # what draws the track is not blamed


@pytest.mark.parametrize("name", WRONG_TRACKS)
def test_wrong_tracks_are_named(name):
    result = assert_named(check.tracking, name.split(",")[0], RIGHT_PROJECTION, WRONG_TRACKS[name])
    assert result.points >= 8


def test_some_of_the_points_are_outside_of_the_image():
    prop = check.tracking.properties[0]
    inputs = prop.inputs(np.random.default_rng(0))
    [pixels] = prop.call(given(check.tracking, RIGHT_PROJECTION, RIGHT_TRACK), **inputs).values()
    inside = ((pixels >= 0) & (pixels < inputs["size"])).all(-1)
    assert 0.5 < inside.float().mean() < 1
