"""Checks of lesson 2: rotations (exercise 2) and tracking (exercise 3)."""

import itertools
import time
from functools import partial

import numpy as np
import torch
from torch.nn.functional import normalize

from ..rotations import quat_to_rotvec
from ..video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras
from .card import Shown
from .core import Complaint, Exercise, Problem, Property, close, probable, tensor
from .difference import difference
from .lesson1 import own_figures
from .same import Same, SameGradient

# --- exercise 2: the formulas, right, and with steps of one's own


def _random_rotvecs(rng, n):
    axis = normalize(torch.from_numpy(rng.normal(size=(n, 3))))
    return (axis * torch.from_numpy(rng.uniform(0.3, 3.0, size=(n, 1)))).float()


def _length(x):
    return x.norm(dim=-1, keepdim=True)


def _never_zero(x):
    return (x.square().sum(-1, keepdim=True) + 1e-30).sqrt()


def _quat(theta, half=0.5, length=_length, axis=torch.div, cosine=torch.cos, sine=torch.sin):
    """Quaternions (B, 4) of rotation vectors (B, 3): (cos a/2, sin a/2 · axis)."""
    a = length(theta).expand(len(theta), 1)
    return torch.cat([cosine(half * a), sine(half * a) * axis(theta, a)], -1)


def _cross_matrix(v):
    """K with K x = v × x. (B, 3) -> (B, 3, 3)"""
    return torch.linalg.cross(v[:, None], torch.eye(3).to(v)[None]).mT


def _exponential(theta):
    """The matrix exponential of the cross matrix: the definition, and a way that nobody needs to write."""
    return torch.linalg.matrix_exp(_cross_matrix(theta))


def _quat_to_rotmat(quat):
    """By the matrix exponential as well."""
    return _exponential(quat_to_rotvec(normalize(quat)))


def _by_formula(quat, one=1.0, turning=2.0, diagonal=2.0, beside=2.0):
    """R = 1 + 2 w K + 2 K K, without normalisation. diagonal, beside: the factors of K K. (B, 4) -> (B, 3,
    3)"""
    K, eye = _cross_matrix(quat[:, 1:]), torch.eye(3).to(quat)
    return one * eye + turning * quat[:, :1, None] * K + (beside + (diagonal - beside) * eye) * (K @ K)


def _by_angle(theta, one=1.0, sine=torch.sin, rest=lambda a: 1 - a.cos(), length=_length, axis=torch.div):
    """Rodrigues' formula, R = 1 + sin a K + (1 - cos a) K K with K of the axis. (B, 3) -> (B, 3, 3)"""
    a = length(theta).expand(len(theta), 1)
    K = _cross_matrix(axis(theta, a))
    return one * torch.eye(3).to(theta) + sine(a)[..., None] * K + rest(a)[..., None] * (K @ K)


def _crossed_along_the_batch(theta):
    """By the cross product of rows along the first dimension of length 3: `torch.cross` without `dim`."""
    q = normalize(_quat(theta))
    u, eye = q[:, None, 1:].expand(-1, 3, 3), torch.eye(3).to(q).expand(len(q), 3, 3)
    dim = 0 if len(q) == 3 else -1
    once = torch.linalg.cross(u, eye, dim=dim)  # (B, 3, 3): u × e_k
    return (eye + 2 * q[:, :1, None] * once + 2 * torch.linalg.cross(u, once, dim=dim)).mT


def _with_w_of_one(quat):
    """The quaternions with w = 1, without normalisation."""
    return torch.cat([torch.ones_like(quat[:, :1]), quat[:, 1:]], -1)


def _reordered(order, quat):
    return _quat_to_rotmat(quat[:, order])


def _exchanged(R, i, j):
    """Two numbers of the diagonal exchanged."""
    R = R.clone()
    R[:, [i, j], [i, j]] = R[:, [j, i], [j, i]]
    return R


def _one_by_one(order, theta):
    """A rotation about each axis of the world, by the numbers of theta."""
    a, b, c = (_exponential(theta * torch.eye(3).to(theta)[k]) for k in order)
    return a @ b @ c


def _by_way_of(makes, theta):
    """What a quat_to_rotmat makes of the right quaternions."""
    return makes(_quat(theta))


# --- exercise 2: what goes wrong


def _read_as(order):
    """What is said where `order` of a quaternion's numbers are taken for w, x, y and z."""
    names = dict(zip(order, "wxyz"))
    return f"""quaternion-order: The numbers of the quaternion are taken for
        ({", ".join(names[k] for k in range(4))}). Here they are (w, x, y, z)."""


ORDERS = [3, 0, 1, 2], [1, 2, 3, 0], *([0, *rest] for rest in itertools.permutations((1, 2, 3)))
BATCH_LAST = """batch-last: The right numbers, in the wrong places: with several rotations at once, numbers
    of different ones share a matrix. The batch must stay the first dimension: `torch.stack(entries,
    dim=-1)`, then `.reshape(-1, 3, 3)`."""
TRANSPOSED = """transposed: These are the transposes of the right matrices: they turn the other way. Are the
    signs of the terms with w (or sin) flipped, or rows and columns exchanged?"""
ONE_LENGTH = """norm-over-batch: All of the batch is divided by one length. Each row has its own: `dim=-1,
    keepdim=True`."""
ALONG_BATCH = """norm-along-batch: The length is taken along the batch (`dim=0`). Each row has its own:
    `dim=-1, keepdim=True`."""
OF_LENGTHS = {
    """not-normalised: Right for quaternions of length 1, wrong for others. Divide each by its own length
    first: `torch.nn.functional.normalize(quat, dim=-1)`.""": (
        _by_formula,
        lambda q: _quat_to_rotmat(q) * _length(q)[..., None] ** 2,
    ),
    ONE_LENGTH: lambda q: _by_formula(q / q.norm()),
    ALONG_BATCH: lambda q: _by_formula(q / q.norm(dim=0)),
    """squared-length: The quaternions are divided by the square of their length. Divide by the
    length.""": lambda q: _by_formula(q / _length(q) ** 2),
}
OF_QUATERNIONS = {
    BATCH_LAST: (
        lambda q: _quat_to_rotmat(q).flatten(1).T.reshape(-1, 3, 3),
        lambda q: _quat_to_rotmat(q).transpose(0, 1).reshape(-1, 3, 3),
    ),
    TRANSPOSED: lambda q: _quat_to_rotmat(q).mT,
    **{_read_as(order): partial(_reordered, order) for order in ORDERS if order != [0, 1, 2, 3]},
    ONE_LENGTH: lambda q: _by_formula(q / q.norm()),
    ALONG_BATCH: lambda q: _by_formula(q / q.norm(dim=0)),
    """factor-2: The factor 2 is missing on the diagonal: 1 - 2 (y² + z²), and so
    on.""": lambda q: _by_formula(q, diagonal=1),
    """factor-2: The factor 2 is missing beside the diagonal: 2 (x y - w z), and so
    on.""": lambda q: _by_formula(q, turning=1, beside=1),
    """factor-2: The factor 2 is missing: the rotation is v + 2 w (u × v) + 2 u × (u ×
    v).""": lambda q: _by_formula(q, turning=1, diagonal=1, beside=1),
    "factor-2: The factor 2 is missing in the terms with w: 2 w (u × v).": lambda q: _by_formula(
        q, turning=1
    ),
    """factor-2: The factor 2 is missing in the terms without w: 2 u × (u ×
    v).""": lambda q: _by_formula(q, diagonal=1, beside=1),
    "no-w: The factor w is missing in the terms 2 w (u × v).": lambda q: _by_formula(_with_w_of_one(q)),
    "no-identity: The 1 on the diagonal is missing: R v = v + ...": lambda q: _by_formula(q, one=0),
    """sign: The terms without w have the wrong sign: it is v + ... + 2 u × (u × v), on the diagonal 1 - 2
    (y² + z²).""": lambda q: _by_formula(q, diagonal=-2, beside=-2),
    "sign: The diagonal has 1 + 2 (...) where 1 - 2 (...) belongs.": lambda q: _by_formula(q, diagonal=-2),
    """diagonal-exchanged: On the diagonal two numbers are exchanged. The row of x has 1 - 2 (y² + z²), that
    of y 1 - 2 (x² + z²), that of z 1 - 2 (x² + y²).""": (
        lambda q: _exchanged(_quat_to_rotmat(q), 0, 1),
        lambda q: _exchanged(_quat_to_rotmat(q), 0, 2),
        lambda q: _exchanged(_quat_to_rotmat(q), 1, 2),
    ),
}
DEGREES = "degrees: The angle is turned into degrees, or back. theta is in radians, as sin and cos take it."
OF_VECTORS = {
    BATCH_LAST: (
        lambda t: _exponential(t).flatten(1).T.reshape(-1, 3, 3),
        lambda t: _exponential(t).transpose(0, 1).reshape(-1, 3, 3),
    ),
    TRANSPOSED: lambda t: _exponential(-t),
    """angle-doubled: These turn by twice the angle. In q = (cos a/2, sin a/2 · axis) it is half of the
    angle that counts.""": lambda t: _exponential(2 * t),
    """angle-halved: These turn by half of the angle. In q = (cos a/2, sin a/2 · axis) it is half of the angle
    that counts, but only once.""": lambda t: _exponential(t / 2),
    DEGREES: (lambda t: _exponential(torch.deg2rad(t)), lambda t: _exponential(torch.rad2deg(t))),
    """axis-not-normalised: The axis in your formula does not have length 1: divide theta by its own
        length.""": (
        lambda t: _by_angle(t, axis=lambda t, a: t),
        lambda t: _quat_to_rotmat(_quat(t, axis=lambda t, a: t)),
        lambda t: _by_formula(_quat(t, axis=lambda t, a: t)),
    ),
    ONE_LENGTH: (
        lambda t: _quat_to_rotmat(_quat(t, length=torch.norm)),
        lambda t: _by_formula(_quat(t, length=torch.norm)),
        lambda t: _by_formula(_quat(t, axis=lambda t, a: t / t.norm())),
        lambda t: _quat_to_rotmat(_quat(t, axis=lambda t, a: t / t.norm())),
        lambda t: _by_angle(t, axis=lambda t, a: t / t.norm()),
        lambda t: _by_angle(t, length=torch.norm),
    ),
    ALONG_BATCH: (
        lambda t: _quat_to_rotmat(_quat(t, axis=lambda t, a: t / t.norm(dim=0))),
        lambda t: _by_formula(_quat(t, axis=lambda t, a: t / t.norm(dim=0))),
        lambda t: _by_angle(t, axis=lambda t, a: t / t.norm(dim=0)),
    ),
    """half-once: Half of the angle belongs under cos and under sin: q = (cos a/2, sin a/2 ·
    axis).""": (
        lambda t: _quat_to_rotmat(_quat(t, half=1.0, sine=lambda a: (a / 2).sin())),
        lambda t: _quat_to_rotmat(_quat(t, half=1.0, cosine=lambda a: (a / 2).cos())),
    ),
    "sine-for-cosine: sin and cos are exchanged.": (
        lambda t: _quat_to_rotmat(_quat(t, cosine=torch.sin, sine=torch.cos)),
        lambda t: _by_angle(t, sine=torch.cos, rest=lambda a: 1 - a.sin()),
    ),
    "no-identity: The identity is missing: R v = v + ...": lambda t: _by_angle(t, one=0),
    "one-minus-cosine: The last term has cos a where 1 - cos a belongs.": lambda t: _by_angle(
        t, rest=torch.cos
    ),
    """term-missing: The term with K K is missing: R = 1 + sin a K + (1 - cos a) K
    K.""": lambda t: _by_angle(t, rest=torch.zeros_like),
    """term-missing: The term with sin a is missing: R = 1 + sin a K + (1 - cos a) K
    K.""": lambda t: _by_angle(t, sine=torch.zeros_like),
    """euler-angles: These are three rotations, about x, y and z one after the other (Euler angles). A
    rotation vector means ONE rotation, about theta itself as the axis.""": tuple(
        partial(_one_by_one, order) for order in itertools.permutations(range(3))
    ),
    "identity: These are all the identity: theta does not reach the result.": lambda t: _by_formula(
        0 * _quat(t)
    ),
    **{
        said: tuple(partial(_by_way_of, one) for one in (makes if isinstance(makes, tuple) else (makes,)))
        for said, makes in OF_QUATERNIONS.items()
        if said not in (BATCH_LAST, TRANSPOSED, ONE_LENGTH, ALONG_BATCH)
    },
}
SMALL = {
    """small-angles: Small rotations come out as none. Near 0 the result should still depend on theta, to
    first order R = 1 + [theta]x.""": lambda t: torch.eye(3).to(t).expand(len(t), 3, 3)
}
NO_GRADIENT_AT_ZERO = """gradient-at-zero: At theta = 0 the gradient is 0: no small change of theta changes
    the result. Near 0 it should still depend on theta, to first order R = 1 + [theta]x. A constant there
    stops the fit before it starts."""
DETACHED = "wrong-gradient: No gradient flows through {}: is it detached, or computed from a number?"
OF_GRADIENTS = {
    NO_GRADIENT_AT_ZERO: lambda t: torch.eye(3).to(t) + 0 * t[..., None],
    DETACHED.format("the axis, theta / a"): lambda t: _by_formula(
        _quat(t, length=_never_zero, axis=lambda t, a: (t / a).detach())
    ),
    DETACHED.format("the angle, the length of theta"): (
        lambda t: _by_formula(_quat(t, length=lambda t: _never_zero(t).detach())),
        lambda t: _by_formula(_quat(t, length=_never_zero, axis=lambda t, a: t / a.detach())),
    ),
    DETACHED.format("cos a/2"): lambda t: _by_formula(
        _quat(t, length=_never_zero, cosine=lambda a: a.cos().detach())
    ),
    DETACHED.format("sin a/2"): lambda t: _by_formula(
        _quat(t, length=_never_zero, sine=lambda a: a.sin().detach())
    ),
}


TURNED = "the dolphin, turned by a matrix", "rotation"


class OfQuaternions(Same):
    function, shows = "quat_to_rotmat", "quat_to_rotmat(quat)"
    right, otherwise = staticmethod(_quat_to_rotmat), "wrong-rotation"
    looks = TURNED

    def shape(self, quat):
        return len(quat), 3, 3


class QuaternionToMatrix(OfQuaternions):
    name = "quat_to_rotmat gives the rotation that a unit quaternion means"
    points = 5
    mistakes = OF_QUATERNIONS

    def cases(self, rng):
        return {"quat": normalize(torch.from_numpy(rng.normal(size=(6, 4)))).float()}


class UnnormalisedQuaternion(OfQuaternions):
    name = "quat_to_rotmat takes quaternions of any length"
    points = 2
    after = (QuaternionToMatrix,)  # else it would blame the length for other mistakes
    mistakes, tolerance = OF_LENGTHS, 1e-3

    def cases(self, rng):
        return {"quat": torch.from_numpy(rng.normal(size=(5, 4)) * 3).float()}


class OfVectors(Same):
    function, shows = "batch_rodrigues", "batch_rodrigues(theta)"
    right, otherwise = staticmethod(_exponential), "wrong-rotation"
    looks = TURNED
    finite = True

    def shape(self, theta):
        return len(theta), 3, 3

    def taken(self, shows, value, theta):
        return tensor(shows, value, self.shape(theta), theta, self.finite)


class Rotations(OfVectors):
    name = "batch_rodrigues agrees with the matrix exponential"
    points = 5
    mistakes = OF_VECTORS

    def cases(self, rng):
        return {"theta": _random_rotvecs(rng, 8)}


class AtZero(OfVectors):
    name = "no rotation at theta = 0, and very small ones beside it"
    points = 3
    after = (Rotations,)
    mistakes, finite, tolerance = SMALL, False, 1e-5

    def cases(self, rng):
        lengths = torch.tensor([1e-2, 1e-4, 1e-6, 1e-9])[:, None]
        return {
            "zero": torch.zeros(2, 3),
            "small": torch.from_numpy(rng.normal(size=(4, 3))).float() * lengths,
        }

    def calls(self, zero, small):
        return {" at theta = 0": (zero,), " of a small theta": (small,)}

    def judge(self, outputs, **inputs):
        zero, small = outputs.values()
        if not torch.isfinite(zero).all():
            return Complaint.of("""nan-at-zero: At theta = 0 it gives NaN: 0 / 0, where the length of theta
                divides theta. All poses start there. sin(a/2) / a has a limit at a = 0: use it where a is
                small.""")
        if not torch.isfinite(small).all():
            return Complaint.of("""nan-near-zero: It gives NaN where theta is very small, 1e-9 long and
                less: its square is 0 in floats. Use the limit of sin(a/2) / a wherever a is small.""")
        if not close(zero, torch.eye(3).expand(2, 3, 3), self.tolerance):
            text = difference(self.shows, zero, torch.eye(3).expand(2, 3, 3))
            return Complaint.of(f"not-identity-at-zero: theta = 0 means no rotation, the identity. {text}")
        return super().judge(outputs, **inputs)


class GradientAtZero(SameGradient, OfVectors):
    name = "gradients at theta = 0 are finite, and right"
    points = 3
    after = (Rotations, AtZero)
    mistakes, finite, tolerance, otherwise = OF_GRADIENTS, False, 1e-3, "wrong-gradient"

    def cases(self, rng):
        weights = torch.from_numpy(rng.normal(size=(5, 3, 3))).float()
        return {"zero": torch.zeros(1, 3), "theta": _random_rotvecs(rng, 4), "weights": weights}

    def calls(self, zero, theta, weights):
        return {" at theta = 0": (zero, weights[:1]), " elsewhere": (theta, weights[1:])}

    def judge(self, outputs, **inputs):
        zero, elsewhere = outputs.values()
        if not torch.isfinite(zero).all():
            return Complaint.of("""nan-gradient-at-zero: At theta = 0 the result is right, but its gradient is
                NaN: a division by the length is 0 / 0 there, a square root has an infinite slope, and
                `torch.where` passes on the NaN of the branch that it does not take. Keep the unused branch
                finite too, or work with the square of the length.""")
        if not torch.isfinite(elsewhere).all():
            return Complaint.of("nan-gradient: The result is right, but its gradient is NaN or infinite.")
        return super().judge(outputs, **inputs)


class Batches(OfVectors):
    name = "any batch size, float64 stays float64"
    points = 2
    after = (Rotations,)
    tolerance, otherwise = 1e-3, "batch"
    mistakes = {
        """cross-along-batch: Right for other batches, wrong for three rotations: `torch.cross` without
        `dim` takes the first dimension of length 3, and here that is the batch. `torch.linalg.cross`, or
        `dim=-1`.""": _crossed_along_the_batch,
        ONE_LENGTH: OF_VECTORS[ONE_LENGTH],
    }

    def cases(self, rng):
        numbers = _random_rotvecs(rng, 1).double(), _random_rotvecs(rng, 3), _random_rotvecs(rng, 200)
        return dict(zip(("one", "three", "many"), numbers))

    def calls(self, one, three, many):
        return {" of one, in float64": (one,), " of three": (three,), " of 200": (many,)}


class Vectorised(Property):
    name = "no loop over the batch"
    points = 0
    after = (Rotations,)
    hidden = ("few", "many")

    def inputs(self, rng):
        return {"theta": _random_rotvecs(rng, 4000)}

    def call(self, given, theta):
        def seconds(theta):
            start = time.thread_time()  # what this thread computes, whatever else the machine does
            given.batch_rodrigues(theta)
            return torch.tensor(time.thread_time() - start)

        return {"few": min(seconds(theta[:40]) for _ in range(10)), "many": seconds(theta)}

    def judge(self, outputs, theta):
        few, many = float(outputs["few"]), float(outputs["many"])
        if many < 0.1 or many < 40 * few:  # a loop takes 100 times as long for 100 times as many
            return None
        return Complaint.of(f"""slow: 4,000 rotations took {1000 * many:.0f} ms, {many / few:.0f} times as
            long as 40. Operations on the whole tensor take a few ms. The fit asks for millions: let torch do
            the loop.""")


def _rounded(v):
    return "(" + ", ".join(f"{float(x):.2f}" for x in v) + ")"


QUATERNIONS = QuaternionToMatrix(), UnnormalisedQuaternion()
VECTORS = Rotations(), AtZero(), GradientAtZero(), Batches(), Vectorised()
GIVEN = ("course_lib.rotations.rotvec_to_rotmat",)
rodrigues = Exercise(
    2,
    "Rodrigues",
    ("quat_to_rotmat", "batch_rodrigues"),
    (*QUATERNIONS, *VECTORS),
    on_gpu=(QuaternionToMatrix, Rotations),
    withheld=GIVEN,
)


# --- exercise 3

MISTAKES = {  # what is said of the usual ones
    # of pixels
    "y-flipped": "The picture is upside down: the camera's y goes up, an image's rows go down.",
    "x-flipped": "Left and right are exchanged: x grows to the right, in the camera and in the image.",
    "depth-sign": "Both axes are mirrored. Points in front of the camera have negative z: divide by -z.",
    "xy-swapped": "x and y are exchanged: the first number is the column (x), the second the row (y).",
    "normalised": "These are still normalised coordinates, from -1 to 1. The image is W pixels wide and H "
    "high: scale them.",
    "normalised, 0 to 1": "These are parts of the image's size, from 0 to 1. Multiply by W and H.",
    "no-perspective-division": "Far things come out as large as near ones. After the projection matrix, "
    "divide by the depth: -z, the fourth homogeneous coordinate.",
    "world-coordinates": "The points are projected as they stand in the world. Bring them into the camera's "
    "coordinates first (`cameras.extrinsics`); `cameras.transform` does all of it.",
    "no-intrinsics": "Camera coordinates, in metres, are taken for normalised ones. The projection is "
    "missing (`cameras.intrinsics`).",
    "no-intrinsics, divided": "The focal length is missing: x / -z is not a normalised coordinate yet. The "
    "projection matrix is in `cameras.intrinsics`.",
    "size-swapped": "Width and height are exchanged: x goes with W, y with H.",
    "doubled": "All is twice as large: from -1 to 1 there are two units for W pixels, so it is (x + 1) / 2 "
    "that goes from 0 to 1.",
    "not-centred": "The middle of the image comes out at pixel (0, 0). Normalised coordinates begin at -1: "
    "add 1 first.",
    "one-camera": "All points are seen by the first camera. The points i belong to camera i: the drone "
    "moves.",
    "rows-columns-swapped": "Rows and columns are exchanged: the pixel (x, y) is `image[y, x]`, row first.",
    "image-y-flipped": "The image is upside down. The pixels count rows from the top, as the image does: "
    "nothing is left to flip.",
    "first-black": "The first point is drawn in black, on black. Begin with a brighter colour.",
}

WIDTH, HEIGHT = 64, 36  # of the check's images: small, and no square


def _look_at(eye, at, size):
    """The drone's cameras at `eye` (B, 3), looking at `at` (B, 3), the world's +z up in the image."""
    return drone_cameras(eye, at, torch.tensor([0.0, 0.0, 1.0]).expand_as(eye), *size.tolist())


def _in_camera(points, cameras):
    """World to camera: R p + t. (B, N, 3) -> (B, N, 3)"""
    return points @ cameras.extrinsics.R.transpose(1, 2) + cameras.extrinsics.t.transpose(1, 2)


def _seen_at(points, size):
    """Pixels (..., 2) of points (..., 3) in camera coordinates, by the focal length: not normalised first."""
    width, height = size.tolist()
    focal = width * CAMERA_FOCAL / SENSOR_WIDTH
    x, y, z = points.unbind(-1)
    return torch.stack([(width - 1) / 2 - focal * x / z, (height - 1) / 2 + focal * y / z], -1)


def _call_projection(given, points, eye, at, size):
    """What project_to_pixels gives, as floats: `PartsOfPixels` says that whole numbers are too few."""
    pixels = given.project_to_pixels(points, _look_at(eye, at, size))
    whole = torch.is_tensor(pixels) and not (pixels.is_floating_point() or pixels.is_complex())
    like = None if whole else points
    return tensor("project_to_pixels(points, cameras)", pixels, (*points.shape[:2], 2), like).to(points)


def _projection_guesses(points, cameras, size):
    """What the usual mistakes make of project_to_pixels. They may be half a pixel off."""
    local = _in_camera(points, cameras)
    depth = -local[..., 2:]  # (B, N, 1)
    right = _seen_at(local, size)
    up = torch.tensor([1.0, -1.0])  # normalised coordinates have y up
    normalised = ((2 * right + 1) / size - 1) * up

    def to_pixels(normalised, size=size):
        return ((normalised * up + 1) * size - 1) / 2

    return [
        ("y-flipped", to_pixels(normalised * up)),
        ("x-flipped", to_pixels(-normalised * up)),
        ("depth-sign", to_pixels(-normalised)),
        ("xy-swapped", right.flip(-1)),
        ("normalised", normalised),
        ("normalised, 0 to 1", (normalised * up + 1) / 2),
        ("no-perspective-division", to_pixels(normalised * depth)),
        ("world-coordinates", _seen_at(points, size)),
        ("no-intrinsics", to_pixels(local[..., :2])),
        ("no-intrinsics, divided", to_pixels(local[..., :2] / depth)),
        ("size-swapped", to_pixels(normalised, size.flip(0))),
        ("doubled", to_pixels(2 * normalised + up)),
        ("not-centred", right - size / 2),
        ("one-camera", _seen_at(_in_camera(points, cameras[0]), size)),
    ]


class Projection(Property):
    name = "project_to_pixels gives the right pixel"
    points = 4
    hidden = ("pixels",)  # the parts of a pixel are for the next property
    cameras, points_each, size = 3, 5, (640, 360)

    def inputs(self, rng):
        """Cameras somewhere above the sea, a little tilted, and points near the surface that they see."""

        def between(*scale, count=()):
            numbers = rng.uniform(-1, 1, size=(self.cameras, *count, 3))
            return torch.from_numpy(numbers).float() * torch.tensor(scale)

        return {
            "eye": torch.tensor([0.0, 12.0, 0.0]) + between(1.0, 2.0, 1.0),
            "at": between(1.0, 0.0, 1.0),
            "points": between(3.0, 1.0, 2.0, count=(self.points_each,)),
            "size": torch.tensor(self.size),
        }

    def call(self, given, **inputs):
        return {"pixels": _call_projection(given, **inputs)}

    def judge(self, outputs, points, eye, at, size):
        pixels, cameras = outputs["pixels"], _look_at(eye, at, size)
        right = _seen_at(_in_camera(points, cameras), size)
        if _within(pixels, right, 1.01):  # parts of a pixel are the next property's
            return None
        for key, wrong in _projection_guesses(points, cameras, size):
            name = key.partition(",")[0]
            if _within(pixels, wrong, 0.05 if name == "normalised" else 1.01):
                return Complaint(name, MISTAKES[key])
        return Complaint.of(f"""wrong-pixel: The camera at {_rounded(eye[0])}, looking at {_rounded(at[0])},
            sees the point {_rounded(points[0, 0])} at pixel {_rounded(right[0, 0])}; yours is
            {_rounded(pixels[0, 0])}. Print each step: camera coordinates, normalised coordinates (here all
            within -1 to 1), pixels.""")


class PartsOfPixels(Projection):
    name = "... to a part of a pixel"
    points = 2
    after = (Projection,)
    hidden = ()
    size = WIDTH, HEIGHT

    def judge(self, outputs, points, eye, at, size):
        pixels, (width, height) = outputs["pixels"], size.tolist()
        right = _seen_at(_in_camera(points, _look_at(eye, at, size)), size)
        if _within(pixels, right, 0.02):
            return None
        if _within(pixels, pixels.round(), 1e-6) and _within(pixels, right, 1.51):
            return Complaint.of("""rounded: The pixels are whole numbers. Keep the parts: rounding belongs to
                drawing, and what is cut off here is lost to everything else.""")
        if _within(pixels - 0.5, right, 0.02) or _within(pixels + 0.5, right, 0.02):
            return Complaint.of("""half-pixel: All pixels are half a pixel off. Pixel (0, 0) is the CENTRE of
                the upper left pixel, and that lies at x = (1 - W) / W, not at -1.""")
        if _within(pixels, (right + 0.5) * (1 - 1 / size), 0.02):
            return Complaint.of("""pixel-scale: The scale is (W - 1) / 2 where W / 2 belongs: -1 and 1 are the
                outer EDGES of the image, W pixels apart, not the centres of its first and last pixel.""")
        if _within(pixels, ((right * 2 + 1) / size * torch.tensor(Projection.size) - 1) / 2, 0.6):
            return Complaint.of("""fixed-size: For an image of 64 x 36 pixels it gives the pixels of one of
                640 x 360. Take the size from `cameras.width` and `cameras.height`.""")
        return Complaint.of(f"""wrong-pixel: For an image of {width} x {height} pixels the first point belongs
            to {_rounded(right[0, 0])}, yours is {_rounded(pixels[0, 0])}.""")


class OneCamera(Projection):
    name = "... for one camera, for many, for one point each"
    points = 2
    after = (Projection,)
    hidden = ("many", "one")
    cameras, points_each = 20, 1

    def call(self, given, points, eye, at, size):
        four = points[:1].expand(1, 4, 3).clone()
        return {
            "many": _call_projection(given, points, eye, at, size),
            "one": _call_projection(given, four, eye[:1], at[:1], size),
        }

    def judge(self, outputs, points, eye, at, size):
        right = _seen_at(_in_camera(points, _look_at(eye, at, size)), size)
        if _within(outputs["many"], right, 1.51) and _within(outputs["one"], right[:1], 1.51):
            return None
        return Complaint.of("""batch: With 20 cameras and a point each, or one camera, the same points land
            elsewhere. Does a sum, a mean or a reshape mix them?""")


def _within(a, b, pixels):
    return bool(((a - b).abs() <= pixels).all())


def _call_track(given, pixels, size):
    """The image that draw_track gives. Mix-ups of its axes have names of their own."""
    width, height = size.tolist()
    name = "draw_track(pixels, resolution)"
    with own_figures():  # what is drawn on the side does not appear below the check
        image = given.draw_track(pixels, (width, height))
    if torch.is_tensor(image):
        shape = tuple(image.shape)
        if shape == (width, height, 3):
            raise Problem.of(f"""resolution-swapped: `{name}` gives shape {shape}. resolution is (W, H), but
                an image has its rows first: (H, W, 3), here ({height}, {width}, 3).""")
        if shape == (3, height, width):
            raise Problem.of(f"""channels-first: `{name}` gives shape {shape}; here colours come last, as
                `plt.imshow` takes them: ({height}, {width}, 3).""")
        if not image.is_floating_point():
            raise Problem.of(f"""not-floats: `{name}` gives {image.dtype}, expected floats in [0, 1]. Whole
                numbers cannot hold these colours.""")
    return tensor(name, image, (height, width, 3)).detach()


def _lit(image):
    """(H, W, 3) -> (H, W) bool: what is not black."""
    return (image > 0.02).any(-1)


def _picture_of(image, pixels, size):
    """A student's image of a track, and one that is right."""
    inside = ((pixels >= 0) & (pixels.round() < size)).all(-1)
    columns, rows = pixels.round().long()[inside].unbind(-1)
    colours = torch.tensor([[0.05, 0.03, 0.53], [0.94, 0.98, 0.13]])  # the ends of plasma
    right = torch.zeros_like(image)
    right[rows, columns] = torch.lerp(*colours, torch.linspace(0, 1, len(pixels))[inside, None]).to(image)
    return Shown("the track (other colours may be right too)", image, right)


def _stamped(pixels, size):
    """(H, W) bool: these pixels (N, 2); what is behind their points is cut off."""
    width, height = size.tolist()
    columns, rows = pixels.long().unbind(-1)
    image = torch.zeros(height, width, dtype=torch.bool)
    image[rows, columns] = True
    return image


def _scattered(rng, count):
    """Pixels (count, 2), no two of them neighbours.

    They lie within a square, so that exchanged axes stay within the image too.
    """
    cells = rng.permutation(11 * 11)[:count]
    whole = torch.from_numpy(np.stack([cells % 11, cells // 11], -1)) * 3 + 1  # (count, 2), 1 to 31
    return (whole + torch.from_numpy(rng.choice([-0.35, -0.2, 0.2, 0.35], size=(count, 2)))).float()


class Image(Property):
    name = "draw_track gives a black image (H, W, 3) with something on it"
    points = 1
    hidden = ("image",)  # the colours are the student's choice
    count, whole = 20, False  # points, and whether they are the centres of pixels

    def inputs(self, rng):
        pixels = _scattered(rng, self.count)
        return {"pixels": pixels.round() if self.whole else pixels, "size": torch.tensor([WIDTH, HEIGHT])}

    def call(self, given, pixels, size):
        return {"image": _call_track(given, pixels, size)}

    def judge(self, outputs, pixels, size):
        image = outputs["image"]
        if image.min() < 0 or image.max() > 1:
            return Complaint.of(f"""range: Colours go from {float(image.min()):.3g} to
                {float(image.max()):.3g}, expected 0 to 1: outside of that `plt.imshow` clips them. Divide by
                255?""")
        if not _lit(image).any():
            return Complaint.of("empty: All is black: none of the pixels is coloured.")
        if _lit(image).float().mean() > 0.5:
            return Complaint.of("""not-black: Most of the image is not black. Begin with `torch.zeros`, and
                colour the track's pixels alone.""")
        return None

    def picture(self, outputs, pixels, size):
        return _picture_of(next(iter(outputs.values())), pixels, size)


class Places(Image):
    name = "each point colours its pixel"
    after = (Image,)
    whole = True

    def judge(self, outputs, pixels, size):
        got, right = _lit(outputs["image"]), _stamped(pixels, size)
        if torch.equal(got, right):
            return None
        guesses = [
            ("rows-columns-swapped", _stamped(pixels.flip(-1), size)),
            ("image-y-flipped", right.flip(0)),
            ("first-black", right & ~_stamped(pixels[:1], size)),
        ]
        if named := probable(got, guesses, MISTAKES):
            return named
        if (got & right).sum() == right.sum():
            return Complaint.of(f"""extra-pixels: {int(got.sum())} pixels are coloured for {len(pixels)}
                points: one for each, please, and nothing else.""")
        return Complaint.of(f"""misplaced: {int((right & ~got).sum())} of {len(pixels)} points are missing,
            and {int((got & ~right).sum())} pixels are coloured where no point is.""")


class Nearest(Image):
    name = "... the nearest one, where a point lies between pixels"
    after = (Image, Places)

    def judge(self, outputs, pixels, size):
        got = _lit(outputs["image"])
        if torch.equal(got, _stamped(pixels.round(), size)):
            return None
        if torch.equal(got, _stamped(pixels, size)):
            return Complaint.of("""floored: `.long()` cuts off what is behind the point, so 2.9 becomes 2. (0,
                0) is the centre of a pixel, and the nearest one is that of `pixels.round()`.""")
        return Complaint.of("""not-nearest: Points between pixels land on others than the nearest:
            `pixels.round()` gives that one.""")


class Order(Image):
    name = "colours follow the order in time"
    points = 2
    after = (Image, Places)
    hidden = ("forwards", "backwards")
    count, whole = 40, True

    def call(self, given, pixels, size):
        orders = {"forwards": pixels, "backwards": pixels.flip(0)}
        return {name: _call_track(given, order, size) for name, order in orders.items()}

    def judge(self, outputs, pixels, size):
        for image in outputs.values():
            image = {"image": image}
            if wrong := Image().judge(image, pixels, size) or Places().judge(image, pixels, size):
                return wrong
        columns, rows = pixels.long().unbind(-1)
        forwards = outputs["forwards"][rows, columns]  # (T, 3): the colour of each time
        backwards = outputs["backwards"][rows, columns].flip(0)
        steps = (forwards[1:] - forwards[:-1]).abs().amax(-1)  # (T - 1,)
        from_end_to_end = (forwards[0] - forwards[-1]).abs().amax()
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
        if from_end_to_end < 0.2:
            return Complaint.of("""cyclic: The first and the last point have nearly the same colour. Take a
                map whose ends differ, as plasma or viridis do.""")
        if (steps < 1e-4).float().mean() > 0.5:
            return Complaint.of("""few-colours: Most points have the colour of the one before. Is i / T
                rounded to whole numbers?""")
        if from_end_to_end < 0.45:
            return Complaint.of("""narrow: The first and the last point have much the same colour. A colour
                map takes the place in time from 0 to 1, k / (T - 1); of a whole number k it takes the k-th of
                its 256 colours.""")
        light = forwards @ torch.tensor([0.299, 0.587, 0.114])  # (T,), as bright as it looks
        if light[-1] <= light[0]:
            return Complaint.of("""reversed: The last point is darker than the first. Let the colours go from
                dark to light: k / (T - 1), not 1 - k / (T - 1), through plasma or viridis.""")
        return None


class Outside(Image):
    name = "points outside of the image are left out"
    points = 2
    after = (Image, Places)

    def inputs(self, rng):
        W, H = WIDTH, HEIGHT
        beyond = [[-3, 10], [10, -3], [W + 5, 20], [20, H + 5], [-1000, 5000], [W, 3], [3, H]]
        inside = _scattered(rng, 8).round()
        pixels = torch.cat([inside[:4], torch.tensor(beyond).float(), inside[4:]])
        return {"pixels": pixels, "size": torch.tensor([W, H])}

    def call(self, given, pixels, size):
        try:
            return super().call(given, pixels, size)
        except IndexError:
            raise Problem.of("""outside-crashes: A point outside of the image ends in an IndexError. The
                dolphin may leave the picture: skip such points, keep those with 0 <= column < W and 0 <= row
                < H.""") from None

    def judge(self, outputs, pixels, size):
        got = _lit(outputs["image"])
        inside = (pixels >= 0).all(-1) & (pixels < size).all(-1)
        right = _stamped(pixels[inside], size)
        if torch.equal(got, right):
            return None
        extra = got & ~right
        if not extra.any():
            return Complaint.of("""lost: With points outside of the image, some of those inside are missing
                too.""")
        clamped = _stamped(torch.minimum(pixels.clamp(min=0), size - 1), size)
        if not (extra & ~clamped).any():
            return Complaint.of("""outside-clamped: Points outside are drawn on the image's border, where no
                dolphin was. Leave them out.""")
        return Complaint.of("""outside-wraps: Points beyond one border appear at the opposite one: in Python a
            negative index counts from the end. Leave out points whose row or column is below 0, too.""")


PIXELS = Projection(), PartsOfPixels(), OneCamera()
TRACK = Image(), Places(), Nearest(), Order(), Outside()
tracking = Exercise(3, "Tracking", ("project_to_pixels", "draw_track"), (*PIXELS, *TRACK))
