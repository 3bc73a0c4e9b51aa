"""Checks of lesson 2: rotations (exercise 2) and tracking (exercise 3)."""

import sys
import time

import numpy as np
import torch

from ..video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras
from .core import Complaint, Exercise, Problem, Property, close, probable, tensor

HALF_TURNS = "In q = (cos a/2, sin a/2 · axis) it is half of the angle that counts"


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def cross_matrix(v):
    """(..., 3) -> (..., 3, 3): K x = v x x"""
    x, y, z = v.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).unflatten(-1, (3, 3))


def turned(theta):
    """The rotation matrices of rotation vectors, by the matrix exponential: a way that nobody needs to
    write."""
    return torch.matrix_exp(cross_matrix(theta))


def random_rotvecs(rng, n, largest=3.0):
    axis = unit(torch.from_numpy(rng.normal(size=(n, 3))))
    return (axis * torch.from_numpy(rng.uniform(0.3, largest, size=(n, 1)))).float()


def rotation_guesses(R, theta):
    """What the usual mistakes make of batch_rodrigues."""
    a = theta.norm(dim=-1, keepdim=True)
    about_x, about_y, about_z = (turned(theta * axis) for axis in torch.eye(3))
    euler = (
        "euler-angles",
        "These are three rotations, about x, then y, then z (Euler angles). A rotation vector means ONE "
        "rotation, about theta itself as the axis.",
    )
    return [
        *batch_guesses(R),
        (
            "transposed",
            "These are the transposes of the right matrices: they turn the other way. Are the signs of the terms with "
            "w (or sin) flipped, or rows and columns exchanged?",
            R.transpose(-1, -2),
        ),
        ("angle-doubled", f"These turn by twice the angle. {HALF_TURNS}.", lambda: turned(2 * theta)),
        (
            "angle-halved",
            f"These turn by half of the angle. {HALF_TURNS}, but only once.",
            lambda: turned(theta / 2),
        ),
        (
            "degrees",
            "These turn by the angle in degrees: theta is in radians already.",
            lambda: turned(torch.deg2rad(theta)),
        ),
        (
            "axis-not-normalised",
            "The axis in your formula does not have length 1: divide theta by its own length.",
            lambda: unnormalised(theta),
        ),
        (
            "axis-not-normalised",
            "The axis in your quaternion does not have length 1: divide theta by its own length.",
            lambda: quat_matrix(torch.cat([(a / 2).cos(), (a / 2).sin() * theta], -1)),
        ),
        (
            "norm-over-batch",
            "All of the batch is divided by one length. Each rotation vector has its own: `dim=-1, "
            "keepdim=True`.",
            lambda: over_batch(theta),
        ),
        (
            "quaternion-order",
            "The quaternion's numbers are taken in another order than they were put together in: here it is (w, "
            "x, y, z).",
            lambda: quat_matrix(rotvec_quat(theta)[:, [1, 2, 3, 0]]),
        ),
        (
            "quaternion-order",
            "The quaternion's numbers are taken in another order than they were put together in: here it is (w, "
            "x, y, z).",
            lambda: quat_matrix(rotvec_quat(theta)[:, [3, 0, 1, 2]]),
        ),
        (*euler, lambda: about_x @ about_y @ about_z),
        (*euler, lambda: about_z @ about_y @ about_x),
        (
            "identity",
            "These are all the identity: theta does not reach the result.",
            lambda: torch.eye(3).expand_as(R),
        ),
    ]


BATCH_LAST = (
    "The right numbers, in the wrong places: with several rotations at once, numbers of different ones share a "
    "matrix. The batch must stay the first dimension: `torch.stack(entries, dim=-1)`, then `.reshape(-1, 3, 3)`."
)


def batch_guesses(right):
    """Entries (B,), or rows (B, 3), that were stacked along a new first dimension and then cut into
    matrices."""
    return [
        ("batch-last", BATCH_LAST, right.flatten(1).T.reshape(-1, 3, 3)),
        ("batch-last", BATCH_LAST, right.transpose(0, 1).reshape(-1, 3, 3)),
    ]


def rotvec_quat(theta):
    a = theta.norm(dim=-1, keepdim=True)
    return torch.cat([(a / 2).cos(), (a / 2).sin() * theta / a], -1)


def quat_matrix(q):
    q = unit(q)
    w, u = q[:, 0, None, None], q[:, 1:]
    K = cross_matrix(u)
    return torch.eye(3, dtype=q.dtype) + 2 * w * K + 2 * K @ K


def unnormalised(theta):
    a = theta.norm(dim=-1)[:, None, None]
    K = cross_matrix(theta)
    return torch.eye(3) + a.sin() * K + (1 - a.cos()) * K @ K


def over_batch(theta):
    a = theta.norm()
    return quat_matrix(torch.cat([(a / 2).cos().expand(len(theta), 1), (a / 2).sin() * theta / a], -1))


class QuaternionToMatrix(Property):
    name = "quat_to_rotmat gives the rotation that a unit quaternion means"
    points = 5

    def inputs(self, rng):
        return {"quat": unit(torch.from_numpy(rng.normal(size=(6, 4)))).float()}

    def call(self, given, quat):
        return {"R": tensor("quat_to_rotmat(quat)", given.quat_to_rotmat(quat), (len(quat), 3, 3), quat)}

    def judge(self, outputs, quat):
        R = outputs["R"]
        right = quat_matrix(quat)
        if close(R, right):
            return None
        return probable(
            R,
            [
                *batch_guesses(right),
                (
                    "transposed",
                    "These are the transposes of the right matrices. Are the signs of the terms with w flipped, or rows "
                    "and columns exchanged?",
                    right.transpose(-1, -2),
                ),
                (
                    "quaternion-order",
                    "Your code reads the quaternion as (x, y, z, w). Here it is (w, x, y, z).",
                    quat_matrix(quat[:, [3, 0, 1, 2]]),
                ),
            ],
        ) or Complaint.of("""wrong-rotation: For the quaternion (cos 45°, 0, 0, sin 45°), a quarter turn about
            z, the matrix should be [[0, -1, 0], [1, 0, 0], [0, 0, 1]]. Compare yours entry by entry.""")


class UnnormalisedQuaternion(Property):
    name = "quat_to_rotmat takes quaternions of any length"
    points = 2
    after = (QuaternionToMatrix,)  # else it would blame the length for other mistakes

    def inputs(self, rng):
        return {"quat": torch.from_numpy(rng.normal(size=(5, 4)) * 3).float()}

    def call(self, given, quat):
        return {"R": tensor("quat_to_rotmat(quat)", given.quat_to_rotmat(quat), (len(quat), 3, 3), quat)}

    def judge(self, outputs, quat):
        if close(outputs["R"], quat_matrix(quat), 1e-3):
            return None
        return Complaint.of("""not-normalised: Right for quaternions of length 1, wrong for others. Divide
            each by its own length first: `torch.nn.functional.normalize(quat, dim=-1)`.""")


class Rotations(Property):
    name = "batch_rodrigues agrees with the matrix exponential"
    points = 5

    def inputs(self, rng):
        return {"theta": random_rotvecs(rng, 8)}

    def call(self, given, theta):
        return {
            "R": tensor("batch_rodrigues(theta)", given.batch_rodrigues(theta), (len(theta), 3, 3), theta)
        }

    def judge(self, outputs, theta):
        R, right = outputs["R"], turned(theta)
        if close(R, right):
            return None
        return probable(R, rotation_guesses(right, theta)) or Complaint.of(f"""wrong-rotation: For theta =
            {rounded(theta[0])} the matrix should begin with {rounded(right[0, 0])}, yours with
            {rounded(R[0, 0])}.""")


class AtZero(Property):
    name = "no rotation at theta = 0, and very small ones beside it"
    points = 3
    after = (Rotations,)

    def inputs(self, rng):
        tiny = (
            torch.from_numpy(rng.normal(size=(4, 3))).float()
            * torch.tensor([1e-2, 1e-4, 1e-6, 1e-9])[:, None]
        )
        return {"theta": torch.cat([torch.zeros(2, 3), tiny])}

    def call(self, given, theta):
        return {
            "R": tensor(
                "batch_rodrigues(theta)",
                given.batch_rodrigues(theta),
                (len(theta), 3, 3),
                theta,
                finite=False,
            )
        }

    def judge(self, outputs, theta):
        R = outputs["R"]
        if not torch.isfinite(R).all():
            return Complaint.of("""nan-at-zero: At theta = 0 it gives NaN: 0 / 0, where the length of theta
                divides theta. All poses start there. sin(a/2) / a has a limit at a = 0: use it where a is
                small.""")
        if close(R, turned(theta), 1e-5):
            return None
        if close(R[:2], torch.eye(3).expand(2, 3, 3), 1e-5):
            return Complaint.of("""small-angles: At 0 it is right, but small rotations are wrong: is something
                added to theta or cut off?""")
        return Complaint.of("""not-identity-at-zero: theta = 0 means no rotation: the result should be the
            identity matrix.""")


class GradientAtZero(Property):
    name = "gradients at theta = 0 are finite, and right"
    points = 3
    after = (Rotations, AtZero)

    def inputs(self, rng):
        return {
            "theta": torch.cat([torch.zeros(1, 3), random_rotvecs(rng, 2)]),
            "weights": torch.from_numpy(rng.normal(size=(3, 3, 3))).float(),
        }

    def call(self, given, theta, weights):
        theta = theta.clone().requires_grad_()
        R = tensor("batch_rodrigues(theta)", given.batch_rodrigues(theta), (3, 3, 3), theta, finite=False)
        if not R.requires_grad:
            raise Problem.of("""no-gradient: No gradient flows from the result back to theta. Is there a
                `.detach()`, `.item()`, `.numpy()`, or a new tensor that is filled in?""")
        (R * weights).sum().backward()
        return {"grad": theta.grad}

    def judge(self, outputs, theta, weights):
        grad = outputs["grad"]
        if not torch.isfinite(grad).all():
            return Complaint.of("""nan-gradient-at-zero: At theta = 0 the result is right, but its gradient is
                NaN: a division by the length is 0 / 0 there, a square root has an infinite slope, and
                `torch.where` passes on the NaN of the branch that it does not take. Keep the unused branch
                finite too, or work with the square of the length.""")
        exact = theta.clone().requires_grad_()
        (turned(exact) * weights).sum().backward()
        if close(grad, exact.grad, 1e-3):
            return None
        if close(grad[1:], exact.grad[1:], 1e-3):
            return Complaint.of("""gradient-at-zero: At theta = 0 the gradient is wrong: near 0 the result
                should still depend on theta, to first order R = 1 + [theta]x. A constant there stops the fit
                before it starts.""")
        return Complaint.of("""wrong-gradient: The gradients differ from finite differences. Is a part of the
            computation detached?""")


class Batches(Property):
    name = "any batch size, float64 stays float64"
    points = 2
    after = (Rotations,)

    def inputs(self, rng):
        return {"one": random_rotvecs(rng, 1).double(), "many": random_rotvecs(rng, 200)}

    def call(self, given, one, many):
        return {
            "one": tensor("batch_rodrigues(theta)", given.batch_rodrigues(one), (1, 3, 3), one),
            "many": tensor("batch_rodrigues(theta)", given.batch_rodrigues(many), (200, 3, 3), many),
            "none": tensor(
                "batch_rodrigues(theta) for an empty batch", given.batch_rodrigues(many[:0]), (0, 3, 3), many
            ),
        }

    def judge(self, outputs, one, many):
        if close(outputs["one"], turned(one), 1e-3) and close(outputs["many"], turned(many), 1e-3):
            return None
        return Complaint.of("""batch: Within a larger batch the same vectors give other matrices. Does a sum
            or a norm run over the batch?""")


class Vectorised(Property):
    name = "no loop over the batch"
    points = 0
    after = (Rotations,)
    hidden = ("few", "many")

    def inputs(self, rng):
        return {"theta": random_rotvecs(rng, 4000)}

    def call(self, given, theta):
        def seconds(theta):
            start = time.perf_counter()
            given.batch_rodrigues(theta)
            return time.perf_counter() - start

        few = min(seconds(theta[:40]) for _ in range(3))
        many = seconds(theta)
        return {
            "few": torch.tensor(few),
            "many": torch.tensor(many if many < 0.1 else min(many, seconds(theta))),
        }

    def judge(self, outputs, theta):
        few, many = float(outputs["few"]), float(outputs["many"])
        if (
            many < 0.1 or many < 40 * few
        ):  # a loop takes 100 times as long for 100 times as many, on any machine
            return None
        return Complaint.of(f"""slow: 4,000 rotations took {1000 * many:.0f} ms, {many / few:.0f} times as
            long as 40. Operations on the whole tensor take a few ms. The fit asks for millions: let torch do
            the loop.""")


def rounded(v):
    return "(" + ", ".join(f"{float(x):.2f}" for x in v) + ")"


rodrigues = Exercise(
    2,
    "Rodrigues",
    ("quat_to_rotmat", "batch_rodrigues"),
    (
        QuaternionToMatrix(),
        UnnormalisedQuaternion(),
        Rotations(),
        AtZero(),
        GradientAtZero(),
        Batches(),
        Vectorised(),
    ),
)


# --- exercise 3
# ----------------------------------------------------------------------------------------------


def look_at(eye, at, width, height):
    """Cameras with the drone's lens at `eye` (B, 3), looking at `at` (B, 3), the world's +z upwards in the
    image."""
    return drone_cameras(eye, at, torch.tensor([0.0, 0.0, 1.0]).expand_as(eye), int(width), int(height))


def random_views(rng, cameras, points):
    """Cameras somewhere above the sea, a little tilted, and points (B, N, 3) near the surface that they
    see."""
    spread = torch.tensor([1.0, 2.0, 1.0])
    eye = (
        torch.tensor([0.0, 12.0, 0.0])
        + spread * torch.from_numpy(rng.uniform(-1, 1, size=(cameras, 3))).float()
    )
    at = torch.from_numpy(rng.uniform(-1, 1, size=(cameras, 3))).float() * torch.tensor([1.0, 0.0, 1.0])
    where = torch.from_numpy(rng.uniform(-1, 1, size=(cameras, points, 3))).float()
    return {"eye": eye, "at": at, "points": where * torch.tensor([3.0, 1.0, 2.0])}


def in_camera(points, cameras):
    """World to camera: R p + t. (B, N, 3) -> (B, N, 3)"""
    return points @ cameras.extrinsics.R.transpose(1, 2) + cameras.extrinsics.t.transpose(1, 2)


def seen_at(points, width, height):
    """Pixels (..., 2) of points (..., 3) in camera coordinates, by the focal length in pixels: without
    normalised coordinates."""
    focal = width * CAMERA_FOCAL / SENSOR_WIDTH
    x, y, z = points.unbind(-1)
    return torch.stack([(width - 1) / 2 - focal * x / z, (height - 1) / 2 + focal * y / z], -1)


def call_projection(given, points, eye, at, width, height):
    """What project_to_pixels gives, as floats: that whole numbers are too few is what `PartsOfPixels`
    says."""
    name, shape = "project_to_pixels(points, cameras)", (*points.shape[:2], 2)
    pixels = given.project_to_pixels(points, look_at(eye, at, width, height))
    if torch.is_tensor(pixels) and not (pixels.is_floating_point() or pixels.is_complex()):
        return tensor(name, pixels, shape).to(points)
    return tensor(name, pixels, shape, points)


def projection_guesses(points, cameras, width, height):
    """What the usual mistakes make of project_to_pixels.

    `close` compares them, so they may be half a pixel off.
    """
    local = in_camera(points, cameras)
    depth = -local[..., 2]  # (B, N)
    right = seen_at(local, width, height)
    u, v = right.unbind(-1)
    x, y = (2 * u + 1) / width - 1, 1 - (2 * v + 1) / height  # normalised coordinates, y up

    def to_pixels(x, y, width=width, height=height):
        return torch.stack([((x + 1) * width - 1) / 2, ((1 - y) * height - 1) / 2], -1)

    return [
        (
            "y-flipped",
            "The picture is upside down: the camera's y goes up, an image's rows go down.",
            to_pixels(x, -y),
        ),
        (
            "x-flipped",
            "Left and right are exchanged: x grows to the right, in the camera and in the image.",
            to_pixels(-x, y),
        ),
        (
            "depth-sign",
            "Both axes are mirrored. Points in front of the camera have negative z: divide by -z.",
            to_pixels(-x, -y),
        ),
        (
            "xy-swapped",
            "x and y are exchanged: the first number is the column (x), the second the row (y).",
            right.flip(-1),
        ),
        (
            "normalised",
            "These are still normalised coordinates, from -1 to 1. The image is W pixels wide and H high: scale them.",
            torch.stack([x, y], -1),
        ),
        (
            "normalised",
            "These are parts of the image's size, from 0 to 1. Multiply by W and H.",
            torch.stack([(x + 1) / 2, (1 - y) / 2], -1),
        ),
        (
            "no-perspective-division",
            "Far things come out as large as near ones. After the projection matrix, divide by the "
            "depth: -z, the fourth homogeneous coordinate.",
            to_pixels(x * depth, y * depth),
        ),
        (
            "world-coordinates",
            "The points are projected as they stand in the world. Bring them into the camera's coordinates "
            "first (`cameras.extrinsics`); `cameras.transform` does all of it.",
            seen_at(points, width, height),
        ),
        (
            "no-intrinsics",
            "Camera coordinates, in metres, are taken for normalised ones. The projection is missing "
            "(`cameras.intrinsics`).",
            to_pixels(local[..., 0], local[..., 1]),
        ),
        (
            "no-intrinsics",
            "The focal length is missing: x / -z is not a normalised coordinate yet. The projection matrix is in "
            "`cameras.intrinsics`.",
            to_pixels(local[..., 0] / depth, local[..., 1] / depth),
        ),
        (
            "size-swapped",
            "Width and height are exchanged: x goes with W, y with H.",
            to_pixels(x, y, height, width),
        ),
        (
            "doubled",
            "All is twice as large: from -1 to 1 there are two units for W pixels, so it is (x + 1) / 2 that goes from 0 "
            "to 1.",
            to_pixels(2 * x + 1, 2 * y - 1),
        ),
        (
            "not-centred",
            "The middle of the image comes out at pixel (0, 0). Normalised coordinates begin at -1: add 1 first.",
            right - torch.tensor([width, height]) / 2,
        ),
        (
            "one-camera",
            "All points are seen by the first camera. The points i belong to camera i: the drone moves.",
            seen_at(in_camera(points, cameras[0]), width, height),
        ),
    ]


WIDTH, HEIGHT = 64, 36  # of the check's images: small, and no square


class Projection(Property):
    name = "project_to_pixels gives the right pixel"
    points = 4
    hidden = ("pixels",)  # the parts of a pixel are for the next property

    def inputs(self, rng):
        return {**random_views(rng, 3, 5), "size": torch.tensor([640, 360])}

    def call(self, given, points, eye, at, size):
        return {"pixels": call_projection(given, points, eye, at, *size.tolist())}

    def judge(self, outputs, points, eye, at, size):
        pixels, (width, height) = outputs["pixels"], size.tolist()
        cameras = look_at(eye, at, width, height)
        right = seen_at(in_camera(points, cameras), width, height)
        if within(pixels, right, 1.01):  # parts of a pixel are the next property's
            return None
        for key, text, wrong in projection_guesses(points, cameras, width, height):
            if within(pixels, wrong, 0.05 if key == "normalised" else 1.01):
                return Complaint(key, text)
        return Complaint.of(f"""wrong-pixel: The camera at {rounded(eye[0])}, looking at {rounded(at[0])},
            sees the point {rounded(points[0, 0])} at pixel {rounded(right[0, 0])}; yours is
            {rounded(pixels[0, 0])}. Print each step: camera coordinates, normalised coordinates (here all
            within -1 to 1), pixels.""")


class PartsOfPixels(Property):
    name = "... to a part of a pixel"
    points = 2
    after = (Projection,)

    def inputs(self, rng):
        return {**random_views(rng, 3, 5), "size": torch.tensor([WIDTH, HEIGHT])}

    def call(self, given, points, eye, at, size):
        return {"pixels": call_projection(given, points, eye, at, *size.tolist())}

    def judge(self, outputs, points, eye, at, size):
        pixels, (width, height) = outputs["pixels"], size.tolist()
        right = seen_at(in_camera(points, look_at(eye, at, width, height)), width, height)
        if within(pixels, right, 0.02):
            return None
        if within(pixels, pixels.round(), 1e-6) and within(pixels, right, 1.51):
            return Complaint.of("""rounded: The pixels are whole numbers. Keep the parts: rounding belongs to
                drawing, and what is cut off here is lost to everything else.""")
        if within(pixels - 0.5, right, 0.02) or within(pixels + 0.5, right, 0.02):
            return Complaint.of("""half-pixel: All pixels are half a pixel off. Pixel (0, 0) is the CENTRE of
                the upper left pixel, and that lies at x = (1 - W) / W, not at -1.""")
        if within(pixels, (right + 0.5) * (1 - 1 / size), 0.02):
            return Complaint.of("""pixel-scale: The scale is (W - 1) / 2 where W / 2 belongs: -1 and 1 are the
                outer EDGES of the image, W pixels apart, not the centres of its first and last pixel.""")
        return differs_by_size(pixels, right, width, height)


def differs_by_size(pixels, right, width, height):
    """For an image of another size than that of the clip."""
    clip = (right * 2 + 1) / torch.tensor([width, height])
    clip = (clip * torch.tensor([640, 360]) - 1) / 2
    if within(pixels, clip, 0.6):
        return Complaint.of("""fixed-size: For an image of 64 x 36 pixels it gives the pixels of one of 640 x
            360. Take the size from `cameras.width` and `cameras.height`.""")
    return Complaint.of(f"""wrong-pixel: For an image of {width} x {height} pixels the first point belongs to
        {rounded(right[0, 0])}, yours is {rounded(pixels[0, 0])}.""")


class OneCamera(Property):
    name = "... for one camera, for many, for one point each"
    points = 2
    after = (Projection,)
    hidden = ("many", "one")

    def inputs(self, rng):
        return {**random_views(rng, 20, 1), "size": torch.tensor([640, 360])}

    def call(self, given, points, eye, at, size):
        width, height = size.tolist()
        return {
            "many": call_projection(given, points, eye, at, width, height),
            "one": call_projection(given, points[:1].expand(1, 4, 3).clone(), eye[:1], at[:1], width, height),
        }

    def judge(self, outputs, points, eye, at, size):
        width, height = size.tolist()
        right = seen_at(in_camera(points, look_at(eye, at, width, height)), width, height)
        if within(outputs["many"], right, 1.51) and within(outputs["one"], right[:1].expand(1, 4, 2), 1.51):
            return None
        return Complaint.of("""batch: With 20 cameras and a point each, or one camera, the same points land
            elsewhere. Does a sum, a mean or a reshape mix them?""")


def within(a, b, pixels):
    return bool(((a - b).abs() <= pixels).all())


def call_track(given, pixels, size):
    """The image that draw_track gives. Mix-ups of its axes have names of their own."""
    width, height = size.tolist()
    name = "draw_track(pixels, resolution)"
    figures = open_figures()
    try:
        image = given.draw_track(pixels, (width, height))
    finally:
        close_figures(figures)
    if torch.is_tensor(image):
        shape = tuple(image.shape)
        if shape == (width, height, 3):
            raise Problem.of(f"""resolution-swapped: `{name}` gives shape {shape}. resolution is (W, H), but an
                image has its rows first: (H, W, 3), here ({height}, {width}, 3).""")
        if shape == (3, height, width):
            raise Problem.of(f"""channels-first: `{name}` gives shape {shape}; here colours come last, as
                `plt.imshow` takes them: ({height}, {width}, 3).""")
        if not image.is_floating_point():
            raise Problem.of(f"""not-floats: `{name}` gives {image.dtype}, expected floats in [0, 1]. Whole
                numbers cannot hold these colours.""")
    return tensor(name, image, (height, width, 3)).detach()


def open_figures():
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def close_figures(before):
    """Closes what the student's function has drawn on the side, so that it does not appear below the
    check."""
    for number in open_figures() - before:
        sys.modules["matplotlib.pyplot"].close(number)


def lit(image):
    """(H, W, 3) -> (H, W) bool: what is not black."""
    return (image > 0.02).any(-1)


def stamped(columns, rows, height, width):
    """(H, W) bool: the pixels at these columns and rows."""
    image = torch.zeros(height, width, dtype=torch.bool)
    image[rows, columns] = True
    return image


def scattered(rng, count):
    """Pixels (count, 2), no two of them neighbours, within a square: exchanged axes stay within the image
    too."""
    cells = rng.permutation(11 * 11)[:count]
    whole = torch.from_numpy(np.stack([cells % 11, cells // 11], -1)) * 3 + 1  # (count, 2), 1 to 31
    return (whole + torch.from_numpy(rng.choice([-0.35, -0.2, 0.2, 0.35], size=(count, 2)))).float()


class Image(Property):
    name = "draw_track gives a black image (H, W, 3) with something on it"
    points = 1
    hidden = ("image",)  # the colours are the student's choice

    def inputs(self, rng):
        return {"pixels": scattered(rng, 20), "size": torch.tensor([WIDTH, HEIGHT])}

    def call(self, given, pixels, size):
        return {"image": call_track(given, pixels, size)}

    def judge(self, outputs, pixels, size):
        image = outputs["image"]
        if image.min() < 0 or image.max() > 1:
            return Complaint.of(f"""range: Colours go from {float(image.min()):.3g} to
                {float(image.max()):.3g}, expected 0 to 1: outside of that `plt.imshow` clips them. Divide by
                255?""")
        if not lit(image).any():
            return Complaint.of("empty: All is black: none of the pixels is coloured.")
        if lit(image).float().mean() > 0.5:
            return Complaint.of("""not-black: Most of the image is not black. Begin with `torch.zeros`, and
                colour the track's pixels alone.""")
        return None


class Places(Image):
    name = "each point colours its pixel"
    after = (Image,)

    def inputs(self, rng):
        return {"pixels": scattered(rng, 20).round(), "size": torch.tensor([WIDTH, HEIGHT])}

    def judge(self, outputs, pixels, size):
        width, height = size.tolist()
        got = lit(outputs["image"])
        columns, rows = pixels.long().unbind(-1)
        right = stamped(columns, rows, height, width)
        if torch.equal(got, right):
            return None
        for key, text, wrong in [
            (
                "rows-columns-swapped",
                "Rows and columns are exchanged: the pixel (x, y) is `image[y, x]`, row first.",
                stamped(rows, columns, height, width),
            ),
            (
                "image-y-flipped",
                "The image is upside down. The pixels count rows from the top, as the image does: nothing is "
                "left to flip.",
                stamped(columns, height - 1 - rows, height, width),
            ),
            (
                "first-black",
                "The first point is drawn in black, on black. Begin with a brighter colour.",
                right & ~stamped(columns[:1], rows[:1], height, width),
            ),
        ]:
            if torch.equal(got, wrong):
                return Complaint(key, text)
        if (got & right).sum() == right.sum():
            return Complaint.of(f"""extra-pixels: {int(got.sum())} pixels are coloured for {len(pixels)}
                points: one for each, please, and nothing else.""")
        return Complaint.of(f"""misplaced: {int((right & ~got).sum())} of {len(pixels)} points are missing,
            and {int((got & ~right).sum())} pixels are coloured where no point is.""")


class Nearest(Image):
    name = "... the nearest one, where a point lies between pixels"
    after = (Image, Places)

    def judge(self, outputs, pixels, size):
        width, height = size.tolist()
        got = lit(outputs["image"])
        if torch.equal(got, stamped(*pixels.round().long().unbind(-1), height, width)):
            return None
        if torch.equal(got, stamped(*pixels.long().unbind(-1), height, width)):
            return Complaint.of("""floored: `.long()` cuts off what is behind the point, so 2.9 becomes 2. (0,
                0) is the centre of a pixel, and the nearest one is that of `pixels.round()`.""")
        return Complaint.of("""not-nearest: Points between pixels land on others than the nearest:
            `pixels.round()` gives that one.""")


class Order(Property):
    name = "colours follow the order in time"
    points = 2
    after = (Image, Places)
    hidden = ("forwards", "backwards")

    def inputs(self, rng):
        return {"pixels": scattered(rng, 40).round(), "size": torch.tensor([WIDTH, HEIGHT])}

    def call(self, given, pixels, size):
        return {
            "forwards": call_track(given, pixels, size),
            "backwards": call_track(given, pixels.flip(0), size),
        }

    def judge(self, outputs, pixels, size):
        columns, rows = pixels.long().unbind(-1)
        for image in outputs.values():
            wrong = Image().judge({"image": image}, pixels, size) or Places().judge(
                {"image": image}, pixels, size
            )
            if wrong:
                return wrong
        forwards = outputs["forwards"][rows, columns]  # (T, 3): the colour of each time
        backwards = outputs["backwards"][rows, columns].flip(0)
        steps = (forwards[1:] - forwards[:-1]).abs().amax(-1)  # (T - 1,)
        if steps.max() < 1e-4:
            return Complaint.of("""one-colour: All points have one colour. Give each its own by its place in
                time: i / (T - 1) through a colour map.""")
        if not close(forwards, backwards, 1e-2):
            return Complaint.of("""colour-by-place: With the points in the opposite order, the colours are not
                the opposite: they depend on something else than time. The first point has the first colour,
                wherever it lies.""")
        if steps.max() > 0.4:
            return Complaint.of("""no-order: Colours leap from one point to the next, so nobody can read the
                order. Let them change gradually.""")
        if (forwards[0] - forwards[-1]).abs().amax() < 0.2:
            return Complaint.of("""cyclic: The first and the last point have nearly the same colour. Take a
                map whose ends differ, as plasma or viridis do.""")
        if (steps < 1e-4).float().mean() > 0.5:
            return Complaint.of("""few-colours: Most points have the colour of the one before. Is i / T
                rounded to whole numbers?""")
        if (forwards[0] - forwards[-1]).abs().amax() < 0.45:
            return Complaint.of("""narrow: The first and the last point have much the same colour. A colour
                map takes the place in time from 0 to 1, k / (T - 1); of a whole number k it takes the k-th of
                its 256 colours.""")
        light = forwards @ torch.tensor([0.299, 0.587, 0.114])  # (T,), as bright as it looks
        if light[-1] <= light[0]:
            return Complaint.of("""reversed: The last point is darker than the first. Let the colours go from
                dark to light: k / (T - 1), not 1 - k / (T - 1), through plasma or viridis.""")
        return None


class Outside(Property):
    name = "points outside of the image are left out"
    points = 2
    after = (Image, Places)
    hidden = ("image",)

    def inputs(self, rng):
        beyond = torch.tensor(
            [[-3, 10], [10, -3], [WIDTH + 5, 20], [20, HEIGHT + 5], [-1000, 5000], [WIDTH, 3], [3, HEIGHT]],
            dtype=torch.float32,
        )
        inside = scattered(rng, 8).round()
        return {"pixels": torch.cat([inside[:4], beyond, inside[4:]]), "size": torch.tensor([WIDTH, HEIGHT])}

    def call(self, given, pixels, size):
        try:
            return {"image": call_track(given, pixels, size)}
        except IndexError:
            raise Problem.of("""outside-crashes: A point outside of the image ends in an IndexError. The dolphin
                may leave the picture: skip such points, keep those with 0 <= column < W and 0 <= row <
                H.""") from None

    def judge(self, outputs, pixels, size):
        width, height = size.tolist()
        got = lit(outputs["image"])
        inside = (pixels >= 0).all(-1) & (pixels < size).all(-1)
        columns, rows = pixels.long().unbind(-1)
        right = stamped(columns[inside], rows[inside], height, width)
        if torch.equal(got, right):
            return None
        extra = got & ~right
        if not extra.any():
            return Complaint.of("""lost: With points outside of the image, some of those inside are missing
                too.""")
        if not (
            extra & ~stamped(columns.clamp(0, width - 1), rows.clamp(0, height - 1), height, width)
        ).any():
            return Complaint.of("""outside-clamped: Points outside are drawn on the image's border, where no
                dolphin was. Leave them out.""")
        return Complaint.of("""outside-wraps: Points beyond one border appear at the opposite one: in Python a
            negative index counts from the end. Leave out points whose row or column is below 0, too.""")


tracking = Exercise(
    3,
    "Tracking",
    ("project_to_pixels", "draw_track"),
    (Projection(), PartsOfPixels(), OneCamera(), Image(), Places(), Nearest(), Order(), Outside()),
)
