"""Checks of lesson 2: rotations (exercise 2) and tracking (exercise 3)."""

import functools
import itertools
import time
from functools import partial

import numpy as np
import torch
from torch.nn.functional import normalize

from ..rotations import quat_to_rotvec
from ..video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras
from .card import Shown
from .core import Complaint, Exercise, Problem, Property, close, tensor
from .difference import apart, difference, in_words
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


def _squared(K):
    return K @ K


def _one_minus_cosine(a):
    return 1 - a.cos()


def _by_angle(
    theta, one=1.0, sine=torch.sin, rest=_one_minus_cosine, length=_length, axis=torch.div, square=_squared
):
    """Rodrigues' formula, R = 1 + sin a K + (1 - cos a) K K with K of the axis. (B, 3) -> (B, 3, 3)"""
    a = length(theta).expand(len(theta), 1)
    K = _cross_matrix(axis(theta, a))
    return one * torch.eye(3).to(theta) + sine(a)[..., None] * K + rest(a)[..., None] * square(K)


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


def _with_entry_of_transpose(i, j, quat):
    """The right matrices but for an entry, in which w has the wrong sign."""
    R = _quat_to_rotmat(quat)
    R[:, i, j] = _quat_to_rotmat(quat)[:, j, i]
    return R


def _one_by_one(order, theta):
    """A rotation about each axis of the world, by the numbers of theta."""
    a, b, c = (_exponential(theta * torch.eye(3).to(theta)[k]) for k in order)
    return a @ b @ c


def _none_below(limit, theta):
    """Right but for small rotations, which come out as the identity."""
    return torch.where(_length(theta)[..., None] < limit, torch.eye(3).to(theta), _exponential(theta))


def _by_way_of(makes, theta):
    """What a quat_to_rotmat makes of the right quaternions."""
    return makes(_quat(theta))


# --- exercise 2: what goes wrong


def _read_as(order):
    """What is said where `order` of a quaternion's numbers are taken for w, x, y and z."""
    names = dict(zip(order, "wxyz"))
    return f"""quaternion-order: The numbers of the quaternion are taken for
        ({", ".join(names[k] for k in range(4))}). Here they are (w, x, y, z)."""


def _put_together(order):
    """What is said where a rotation vector's quaternion has its numbers in another order."""
    read = _read_as(order).partition("taken for")[2].partition(".")[0].strip()
    return f"""quaternion-order: The numbers of the quaternion are in another order: it is put together as
        ({", ".join("wxyz"[k] for k in order)}), or read as {" ".join(read.split())}. Here it is (w, x, y,
        z)."""


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
    **{
        f"""sign: In row {i}, column {j}, counted from 0, the sign of the term with w is
        wrong.""": partial(_with_entry_of_transpose, i, j)
        for i, j in itertools.permutations(range(3), 2)
    },
    """brackets: On the diagonal 2 y² + z² stands where 2 (y² + z²) belongs: both squares are doubled and
    subtracted.""": (
        lambda q: _quat_to_rotmat(q) + torch.diag_embed(3 * q[:, [3, 3, 2]] ** 2),
        lambda q: _quat_to_rotmat(q) + torch.diag_embed(q[:, [3, 3, 2]] ** 2),
    ),
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
    """sine-for-cosine: In the quaternion sin a/2 and cos a/2 are exchanged; or, if you use the formula with K
    K, it has 1 + cos a where 1 - cos a belongs.""": lambda t: _quat_to_rotmat(
        _quat(t, cosine=torch.sin, sine=torch.cos)
    ),
    "sine-for-cosine: sin and cos are exchanged.": lambda t: _by_angle(
        t, sine=torch.cos, rest=lambda a: 1 - a.sin()
    ),
    "squared-angle: The square of the length of theta is taken for the angle: the root is missing.": (
        lambda t: _quat_to_rotmat(_quat(t, length=lambda t: _length(t) ** 2)),
        lambda t: _quat_to_rotmat(_quat(t, length=lambda t: _length(t) ** 2, axis=lambda t, a: t / a.sqrt())),
        lambda t: _by_angle(t, length=lambda t: _length(t) ** 2),
    ),
    """sum-for-length: The sum of the numbers of theta, without their signs, is taken for its length. The
    length is the root of the sum of squares.""": lambda t: _quat_to_rotmat(
        _quat(t, length=lambda t: t.abs().sum(-1, keepdim=True))
    ),
    """eps: A number is added to the length of theta that is so large that all rotations change. 1e-8 is
    enough.""": tuple(
        (
            lambda t, eps=eps, axis=axis: _quat_to_rotmat(
                _quat(t, length=lambda t: _length(t) + eps, axis=axis)
            )
        )
        for eps in (0.1, 0.01)
        for axis in (torch.div, lambda t, a: t / _length(t))
    )
    + tuple(
        (lambda t, eps=eps: _quat_to_rotmat(_quat(t, axis=lambda t, a: t / (a + eps)))) for eps in (0.1, 0.01)
    ),
    """first-order: 1 + [theta]x alone is right for small rotations only.""": lambda t: (
        torch.eye(3).to(t) + _cross_matrix(t)
    ),
    """elementwise: K is multiplied by itself number by number, `K * K`. The formula means the product of
    matrices, `K @ K`.""": lambda t: _by_angle(t, square=torch.square),
    "K-once: The last term has K where K K belongs: R = 1 + sin a K + (1 - cos a) K K.": lambda t: _by_angle(
        t, square=lambda K: K
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
        and not said.startswith("quaternion-order")
    },
    **{
        _put_together(order): lambda t, order=order: _reordered(order, _quat(t))
        for order in ORDERS
        if order != [0, 1, 2, 3]
    },
}
SMALL = {
    """limit: Small rotations turn twice as far as they should: where a is small, sin(a/2) / a is
    1/2.""": tuple(
        (
            lambda t, limit=limit: torch.where(
                _length(t)[..., None] < limit, _exponential(2 * t), _exponential(t)
            )
        )
        for limit in (0.1, 5e-3)
    ),
    """small-angles: Small rotations come out as none. Near 0 the result should still depend on theta, to
    first order R = 1 + [theta]x.""": tuple(partial(_none_below, limit) for limit in (0.1, 5e-3)),
}
NO_GRADIENT_AT_ZERO = """gradient-at-zero: At theta = 0 the gradient is 0: no small change of theta changes
    the result. Near 0 it should still depend on theta, to first order R = 1 + [theta]x. A constant there
    stops the fit before it starts."""
DETACHED = "wrong-gradient: No gradient flows through {}: is it detached, or computed from a number?"
OF_GRADIENTS = {
    NO_GRADIENT_AT_ZERO: partial(_none_below, 0.1),
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
        lengths = torch.tensor([1e-2, 1e-3, 1e-4, 1e-6, 1e-9])[:, None]
        return {
            "zero": torch.zeros(2, 3),
            "small": torch.from_numpy(rng.normal(size=(5, 3))).float() * lengths,
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


# --- exercise 3: from metres to pixels, right, and with steps of one's own

WIDTH, HEIGHT = 64, 36  # of the check's images: small, and no square
CLIP = torch.tensor([640, 360])  # pixels of the clip that comes with the course, W and H
UP = torch.tensor([1.0, -1.0])  # normalised coordinates have y up, rows go down


def _in_camera(points, cameras):
    """World to camera: R p + t. (B, N, 3) -> (B, N, 3)"""
    return points @ cameras.extrinsics.R.mT + cameras.extrinsics.t.mT


def _depth(local):
    return -local[..., 2:]


def _focal_length(size):
    """In units of half the image's width and height."""
    return 2 * CAMERA_FOCAL / SENSOR_WIDTH * torch.stack([torch.ones(()), size[0] / size[1]])


def _normalised(points, cameras, local=_in_camera, focal=_focal_length, depth=_depth):
    """Normalised coordinates (B, N, 2) of points in the world (B, N, 3)."""
    local = local(points, cameras)
    return focal(_size(cameras)) * local[..., :2] / depth(local)


def _size(cameras):
    return torch.tensor([cameras.width, cameras.height])


def _pixels(points, cameras, xy=_normalised, size=_size, up=UP, one=1.0, minus=1.0, by=2.0):
    """Columns and rows (B, N, 2): ((x + 1) W - 1) / 2 and ((1 - y) H - 1) / 2."""
    return ((xy(points, cameras) * up + one) * size(cameras) - torch.as_tensor(minus)) / by


def _with(**steps):
    """`_pixels` with a step of one's own."""
    return partial(_pixels, **steps)


def _from(**steps):
    """`_pixels` with a step on the way to normalised coordinates of one's own."""
    return partial(_pixels, xy=partial(_normalised, **steps))


def _of_axis(k, makes, points, cameras):
    """Right but for the columns (k = 0) or the rows (k = 1)."""
    pixels = _pixels(points, cameras)
    pixels[..., k] = makes(points, cameras)[..., k]
    return pixels


def _beside(minus):
    """What is said of halves of a pixel: by `minus`, (x, y), which is (1, 1) where it is right."""
    off = {-1: "a pixel too large", 0: "half a pixel too large", 1: "right", 2: "half a pixel too small"}
    return f"""half-pixel: The columns are {off[minus[0]]}, the rows {off[minus[1]]}. Pixel (0, 0) is the
        CENTRE of the upper left pixel, and that lies at x = (1 - W) / W, not at -1."""


# --- exercise 3: what goes wrong

OF_PIXELS = {
    "y-flipped: The picture is upside down: the camera's y goes up, an image's rows go down.": _with(
        up=UP.abs()
    ),
    "x-flipped: Left and right are exchanged: x grows to the right, in the camera and in the image.": _with(
        up=-UP.abs()
    ),
    """depth-sign: Both axes are mirrored. Points in front of the camera have negative z: divide by
    -z.""": _with(up=-UP),
    """xy-swapped: x and y are exchanged: the first number is the column (x), the second the row
    (y).""": lambda p, c: _pixels(p, c).flip(-1),
    """xy-swapped: x and y are exchanged before they become pixels: x makes the column, y the
    row.""": _with(xy=lambda p, c: _normalised(p, c).flip(-1)),
    "size-swapped: Width and height are exchanged: x goes with W, y with H.": _with(
        size=lambda c: _size(c).flip(0)
    ),
    "size-of-one: The width is used for both axes: y goes with the height, H.": _with(
        size=lambda c: _size(c)[[0, 0]]
    ),
    "size-of-one: The height is used for both axes: x goes with the width, W.": _with(
        size=lambda c: _size(c)[[1, 1]]
    ),
    """normalised: These are still normalised coordinates, from -1 to 1. The image is W pixels wide and H
    high: scale them.""": (_normalised, lambda p, c: _normalised(p, c) * UP),
    "normalised: These are parts of the image's size, from 0 to 1. Multiply by W and H.": (
        lambda p, c: (_normalised(p, c) * UP + 1) / 2,
        lambda p, c: (_normalised(p, c) + 1) / 2,
    ),
    """not-solved: The formula is used as it stands, with x for i. It gives x and y of a pixel: solve it for i
    and j.""": lambda p, c: (UP * (2 * _normalised(p, c) + 1 - _size(c))) / _size(c),
    """not-centred: The middle of the image comes out at pixel (0, 0). Normalised coordinates begin at -1: add
    1 first.""": (
        _with(one=0.0),
        _with(one=0.0, by=1.0),
        _with(one=0.0, up=UP.abs()),
        _with(one=0.0, by=1.0, up=UP.abs()),
    ),
    """doubled: All is twice as large: from -1 to 1 there are two units for W pixels, so it is (x + 1) / 2
    that goes from 0 to 1.""": _with(by=1.0),
    """half-added: A half is added where 1 belongs: x goes from -1 to 1, not from -0.5 to 0.5, so it is (x +
    1) / 2 that goes from 0 to 1.""": _with(one=0.5, by=1.0),
    """no-perspective-division: Far things come out as large as near ones. After the projection matrix, divide
    by the depth: -z, the fourth homogeneous coordinate.""": _from(depth=lambda p: 1.0),
    """divided-twice: It is divided by the depth once more than needed: `cameras.transform` has done
    it.""": _from(depth=lambda p: _depth(p) ** 2),
    """world-coordinates: The points are projected as they stand in the world. Bring them into the camera's
    coordinates first (`cameras.extrinsics`); `cameras.transform` does all of it.""": (
        _from(local=lambda p, c: p),
        _with(xy=lambda p, c: p[..., :2]),
        _with(xy=lambda p, c: p[..., [0, 2]]),
    ),
    """rotation-missing: The camera's place is subtracted from the points, but they are not turned into its
    axes: R p + t (`cameras.extrinsics`).""": _from(local=lambda p, c: p - c.extrinsics.cam_pos().mT),
    """rotation-transposed: The camera's rotation is used the wrong way round. A row of coordinates is turned
    by the transpose: `points @ R.mT`.""": _from(local=lambda p, c: p @ c.extrinsics.R + c.extrinsics.t.mT),
    "translation-missing: The translation t of the camera is missing: R p + t.": _from(
        local=lambda p, c: p @ c.extrinsics.R.mT
    ),
    """no-intrinsics: Camera coordinates, in metres, are taken for normalised ones. The projection is missing
    (`cameras.intrinsics`).""": _with(xy=lambda p, c: _in_camera(p, c)[..., :2]),
    """no-intrinsics: The focal length is missing: x / -z is not a normalised coordinate yet. The projection
    matrix is in `cameras.intrinsics`.""": _from(focal=torch.ones_like),
    "focal-length: The focal length of x is used for y too: in units of half the height it is larger.": _from(
        focal=lambda size: _focal_length(size)[[0, 0]]
    ),
    """clamped: Points outside of the image come out on its border. Leave them where they are; `draw_track`
    leaves them out.""": (
        lambda p, c: _pixels(p, c).clamp(min=torch.zeros(2), max=_size(c) - 1),
        lambda p, c: _pixels(p, c).clamp(min=0),
    ),
    """not-multiplied: x is not multiplied by W, nor y by H: from 2 i + 1 - W = x W follows i = (x W + W -
    1) / 2.""": lambda p, c: (_normalised(p, c) * UP + _size(c) - 1) / 2,
    "depth-for-y: The third number, the depth, is taken for y.": lambda p, c: _pixels(
        p, c, xy=lambda p, c: c.transform(p)[..., [0, 2]]
    ),
    "one-coordinate: x is used for both axes.": _with(xy=lambda p, c: _normalised(p, c)[..., [0, 0]]),
    "one-coordinate: y is used for both axes.": _with(xy=lambda p, c: _normalised(p, c)[..., [1, 1]]),
    """stacked-first: The right numbers, in the wrong places: columns and rows share a pair. `torch.stack([i,
    j], dim=-1)` makes pairs of them.""": lambda p, c: _pixels(p, c).movedim(-1, 0).reshape(*p.shape[:2], 2),
    "one-point: All points of a camera come out where the first one is.": lambda p, c: _pixels(p, c)[
        :, :1
    ].expand(-1, p.shape[1], -1),
    "one-filled: Only the points of the first camera come out; for the others it is 0.": lambda p, c: (
        _pixels(p, c) * (torch.arange(len(p)) == 0)[:, None, None]
    ),
    """one-camera: All points are seen by the first camera. The points i belong to camera i: the drone
    moves.""": lambda p, c: _pixels(p, c[:1]),
    "one-camera: All points are seen by the last camera. The points i belong to camera i.": (
        lambda p, c: _pixels(p, c[-1:])
    ),
}
OF_PIXELS |= {
    said.replace(": ", f": Of {axis} alone: ", 1): tuple(
        partial(_of_axis, k, one) for one in (makes if isinstance(makes, tuple) else (makes,))
    )
    for said, makes in OF_PIXELS.items()
    for k, axis in enumerate(("the columns", "the rows"))
    if said.startswith(("not-centred", "doubled", "half-added", "not-multiplied"))
}
OF_PARTS = {
    """rounded: The pixels are whole numbers. Keep the parts: rounding belongs to drawing, and what is cut off
    here is lost to everything else.""": tuple(
        (lambda p, c, to=to, minus=minus: to(_pixels(p, c, minus=minus)))
        for to in (torch.round, torch.floor, torch.trunc, torch.ceil)
        for minus in (1.0, 0.0)
    ),
    **{
        _beside(minus): _with(minus=minus)
        for minus in itertools.product((1, 0, 2, -1), repeat=2)
        if minus != (1, 1)
    },
    """pixel-scale: The scale is (W - 1) / 2 where W / 2 belongs: -1 and 1 are the outer EDGES of the image, W
    pixels apart, not the centres of its first and last pixel.""": (
        _with(size=lambda c: _size(c) - 1, minus=0.0),
        _with(size=lambda c: _size(c) - 1),
    ),
    """divided-twice: It is divided by the third number that `cameras.transform` gives. The division is done;
    that number is a depth from -1 to 1, of which pixels need nothing.""": (
        _with(xy=lambda p, c: _normalised(p, c) / c.transform(p)[..., 2:]),
        lambda p, c: _pixels(p, c) / c.transform(p)[..., 2:],
    ),
    f"""fixed-size: For an image of {WIDTH} x {HEIGHT} pixels it gives the pixels of one of 640 x 360. Take
    the size from `cameras.width` and `cameras.height`.""": tuple(
        _with(size=lambda c: CLIP, minus=minus) for minus in (1.0, 0.0)
    ),
}


class Projection(Same):
    name = "project_to_pixels gives the right pixel"
    points = 4
    hidden = ("",)  # the parts of a pixel are for the next property
    function, shows = "project_to_pixels", "project_to_pixels(points, cameras)"
    right, otherwise, mistakes = staticmethod(_pixels), "wrong-pixel", OF_PIXELS
    cameras, points_each, size = 3, 5, (640, 360)
    tolerance = explained = 2.6e-3  # a pixel and a half

    def cases(self, rng):
        """Cameras somewhere above the sea, a little tilted, and points near the surface, most of them
        seen."""

        def between(*scale, count=()):
            numbers = rng.uniform(-1, 1, size=(self.cameras, *count, 3))
            return torch.from_numpy(numbers).float() * torch.tensor(scale)

        return {
            "eye": torch.tensor([0.0, 12.0, 0.0]) + between(1.0, 2.0, 1.0),
            "at": between(1.0, 0.0, 1.0),
            "points": between(9.0, 1.0, 5.0, count=(self.points_each,)),
            "size": torch.tensor(self.size),
        }

    def calls(self, eye, at, points, size):
        up = torch.tensor([0.0, 0.0, 1.0]).to(eye).expand_as(eye)
        return {"": (points, drone_cameras(eye, at, up, *size.tolist()))}

    def shape(self, points, cameras):
        return *points.shape[:2], 2

    def taken(self, shows, value, points, cameras):
        """Of any dtype: a double is as right, and that whole numbers are too few is said of their values."""
        return super().taken(
            shows, value.to(points.dtype) if torch.is_tensor(value) else value, points, cameras
        )


class PartsOfPixels(Projection):
    name = "... to a part of a pixel"
    points = 2
    after = (Projection,)
    hidden, mistakes = (), OF_PARTS
    size = WIDTH, HEIGHT
    tolerance, explained = 3e-5, 1e-3


class OneCamera(Projection):
    name = "... for one camera, for many, for one point each"
    points = 2
    after = (Projection,)
    hidden, mistakes, otherwise = (" of 20 cameras", " of one camera"), {}, "batch"
    cameras, points_each, tolerance = 20, 1, 6e-3

    def calls(self, points, **rest):
        [(points, cameras)] = super().calls(points=points, **rest).values()
        four = points[:1].expand(1, 4, 3).clone()
        return {" of 20 cameras": (points, cameras), " of one camera": (four, cameras[:1])}


# --- exercise 3: the track

TRACK = "draw_track(pixels, resolution)"


def _image_of(draw_track, pixels, resolution):
    """The image that draw_track gives. Mix-ups of its axes have names of their own."""
    width, height = resolution
    with own_figures():  # what is drawn on the side does not appear below the check
        image = draw_track(pixels, resolution)
    if torch.is_tensor(image):
        shape = tuple(image.shape)
        if shape == (width, height, 3):
            raise Problem.of(f"""resolution-swapped: `{TRACK}` gives shape {shape}. resolution is (W, H), but
                an image has its rows first: (H, W, 3), here ({height}, {width}, 3).""")
        if shape == (3, height, width):
            raise Problem.of(f"""channels-first: `{TRACK}` gives shape {shape}; here colours come last, as
                `plt.imshow` takes them: ({height}, {width}, 3).""")
        if not image.is_floating_point():
            raise Problem.of(f"""not-floats: `{TRACK}` gives {image.dtype}, expected floats in [0, 1]. Whole
                numbers cannot hold these colours.""")
    return tensor(TRACK, image, (height, width, 3)).detach().float()


def _lit(image):
    """(H, W, 3) -> (H, W) bool: what is not black."""
    return (image > 1e-3).any(-1)


def _as_it_is(columns, rows, width, height):
    return columns, rows


def _drawn(pixels, resolution, to=torch.round, at=_as_it_is):
    """The track (H, W, 3) in white. at: columns, rows, W, H -> columns and rows where a point is drawn."""
    (width, height), whole = resolution, to(pixels).long()
    place = torch.stack(at(*whole.unbind(-1), width, height), -1)
    place = place[((place >= 0) & (place < torch.tensor(resolution))).all(-1)]
    return torch.zeros(height, width, 3).index_put((place[:, 1], place[:, 0]), torch.tensor(1.0))


def _at(place):
    """`_drawn` at other places."""
    return partial(_drawn, at=place)


def _drawn_of(which, pixels, resolution):
    """The track of some of the points."""
    return _drawn(pixels[which], resolution)


def _up_to_the_first_outside(pixels, resolution):
    outside = (pixels < 0).any(-1) | (pixels >= torch.tensor(resolution)).any(-1)
    return _drawn(pixels[: int(outside.int().argmax())] if outside.any() else pixels, resolution)


def _rounded_by(x, y, pixels):
    return torch.stack([x(pixels[..., 0]), y(pixels[..., 1])], -1)


OF_PLACES = {
    "rows-columns-swapped: Rows and columns are exchanged: the pixel (x, y) is `image[y, x]`, row first.": (
        _at(lambda c, r, W, H: (r, c)),
    ),
    """image-y-flipped: The image is upside down. The pixels count rows from the top, as the image does:
    nothing is left to flip.""": (_at(lambda c, r, W, H: (c, H - 1 - r)), _at(lambda c, r, W, H: (c, H - r))),
    """image-x-flipped: Left and right are exchanged. The pixels count columns from the left, as the image
    does.""": (_at(lambda c, r, W, H: (W - 1 - c, r)), _at(lambda c, r, W, H: (W - c, r))),
    "image-turned: The image stands on its head: left and right are exchanged, top and bottom too.": (
        _at(lambda c, r, W, H: (W - 1 - c, H - 1 - r))
    ),
    """beside: Each point is drawn a pixel beside its own. The pixel (x, y) is `image[y, x]`, and both count
    from 0.""": tuple(
        _at(lambda c, r, W, H, x=x, y=y: (c + x, r + y))
        for x, y in itertools.product((0, -1, 1), repeat=2)
        if x or y
    ),
    """half-added: Half a pixel is added before it is rounded. `pixels.round()` alone gives the
    nearest.""": partial(_drawn, to=lambda p: (p + 0.5).round()),
    """half-subtracted: Half a pixel is subtracted before it is rounded. `pixels.round()` alone gives the
    nearest.""": partial(_drawn, to=lambda p: (p - 0.5).round()),
    """first-black: At the first point the image is black: its colour is black, or it is not drawn. Begin with
    a brighter colour.""": partial(_drawn_of, slice(1, None)),
    "last-black: At the last point the image is black: its colour is black, or it is not drawn.": partial(
        _drawn_of, slice(-1)
    ),
    "ends-black: At the first and the last point the image is black.": partial(_drawn_of, slice(1, -1)),
    "one-point: Only the first point is drawn: does the loop end after one?": partial(_drawn_of, slice(1)),
    "one-point: Only the last point is drawn.": partial(_drawn_of, slice(-1, None)),
    "every-second: Only every second point is drawn.": (
        partial(_drawn_of, slice(None, None, 2)),
        partial(_drawn_of, slice(1, None, 2)),
    ),
}
FLOORED = """floored: Points are rounded down, so 2.9 becomes 2, as `.long()` and `.int()` do. (0, 0) is the
    centre of a pixel, and the nearest one is that of `pixels.round()`."""
OF_ROUNDING = {
    FLOORED: partial(_drawn, to=torch.floor),
    "not-nearest: Points are rounded up, so 2.1 becomes 3. The nearest pixel is that of `pixels.round()`.": (
        partial(_drawn, to=torch.ceil)
    ),
    "not-nearest: The rows are rounded down, the columns are not. Round both: `pixels.round()`.": partial(
        _drawn, to=partial(_rounded_by, torch.round, torch.floor)
    ),
    "not-nearest: The columns are rounded down, the rows are not. Round both: `pixels.round()`.": partial(
        _drawn, to=partial(_rounded_by, torch.floor, torch.round)
    ),
}
OF_OUTSIDE = {
    """outside-clamped: Points outside are drawn on the image's border, where no dolphin was. Leave them
    out.""": _at(lambda c, r, W, H: (c.clamp(0, W - 1), r.clamp(0, H - 1))),
    """outside-wraps: Points beyond one border appear at the opposite one: in Python a negative index counts
    from the end. Leave out points whose row or column is below 0, too.""": (
        _at(lambda c, r, W, H: (c + W * (c < 0), r + H * (r < 0))),
        _at(lambda c, r, W, H: (c + W * (c < 0), r)),
        _at(lambda c, r, W, H: (c, r + H * (r < 0))),
    ),
    "outside-wraps: Points beyond one border appear at the opposite one, as `%` does. Leave them out.": (
        _at(lambda c, r, W, H: (c % W, r % H))
    ),
    "outside-mirrored: Points beyond the left or the upper border appear mirrored at it. Leave them out.": (
        _at(lambda c, r, W, H: (c.abs(), r.abs()))
    ),
    """lost: The track ends at the first point that lies outside. Go on with the next: `continue`, not `break`
    or `return`.""": _up_to_the_first_outside,
    "border-lost: Points in row 0 or column 0 are left out: they are inside, 0 <= column and 0 <= row.": (
        _at(lambda c, r, W, H: (c - W * ((c == 0) | (r == 0)), r))
    ),
    """border-lost: Points in the last row or column are left out: the last column inside is W - 1, the last
    row H - 1.""": _at(lambda c, r, W, H: (c - W * ((c == W - 1) | (r == H - 1)), r)),
    """border-lost: Points in the first and the last rows and columns are left out: 0 and W - 1, 0 and H - 1
    are inside.""": _at(lambda c, r, W, H: (c - W * ((c % (W - 1) == 0) | (r % (H - 1) == 0)), r)),
}


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

    def inputs(self, rng):
        return {"pixels": _scattered(rng, 20), "size": torch.tensor([WIDTH, HEIGHT])}

    def call(self, given, pixels, size):
        return {"image": _image_of(given.draw_track, pixels, tuple(size.tolist()))}

    def judge(self, outputs, pixels, size):
        image = outputs["image"]
        low, high, lit = float(image.min()), float(image.max()), float(_lit(image).float().mean())
        if low < -1e-3 or high > 1 + 1e-3:
            return Complaint.of(f"""range: Colours go from {low:.4g} to {high:.4g}, expected 0 to 1: what is
                outside of that `plt.imshow` cuts off.""")
        if not lit:
            return Complaint.of("empty: All is black: none of the pixels is coloured.")
        if lit > 0.5:
            return Complaint.of(f"""not-black: {100 * lit:.0f} % of the image is not black. Begin with
                `torch.zeros`, and colour the track's pixels alone.""")
        return None

    def picture(self, outputs, pixels, size):
        image = next(iter(outputs.values()))
        dark, light = torch.tensor([[0.05, 0.03, 0.53], [0.94, 0.98, 0.13]]).to(image)  # plasma's ends
        (columns, rows), right = pixels.round().long().unbind(-1), torch.zeros_like(image)
        right[rows, columns] = dark.lerp(light, torch.linspace(0, 1, len(pixels)).to(image)[:, None])
        return Shown("the track (other colours may be right too)", image, right)


class Places(Same):
    """What is compared is where the image is not black."""

    name = "each point colours its pixel"
    points = 1
    after = (Image,)
    function, shows = "draw_track", TRACK
    right, otherwise, mistakes = staticmethod(_drawn), "misplaced", OF_PLACES
    looks = "where the image is not black", "image"
    count, whole = 20, True  # points, and whether they are the centres of pixels

    def cases(self, rng):
        pixels = _scattered(rng, self.count)
        return {"pixels": pixels.round() if self.whole else pixels, "size": torch.tensor([WIDTH, HEIGHT])}

    def calls(self, pixels, size):
        return {"": (pixels, tuple(size.tolist()))}

    def value(self, function, pixels, resolution):
        return _lit(_image_of(function, pixels, resolution))

    def taken(self, shows, value, *arguments):
        return value

    def judge(self, outputs, pixels, size):
        complaint = super().judge(outputs, pixels=pixels, size=size)
        if complaint is None or complaint.key != self.otherwise:
            return complaint
        got, right = outputs[""], self.made(self.right, {"pixels": pixels, "size": size})[""]
        missing, extra = right & ~got, got & ~right
        row, column = (missing if missing.any() else extra).nonzero()[0].tolist()
        here = f"For example, `image[{row}, {column}]` is {'black' if missing.any() else 'coloured'}"
        [nearest] = pixels[(pixels - torch.tensor([column, row])).norm(dim=-1).argmin()][None]
        if not missing.any():
            return Complaint.of(f"""extra-pixels: {int(got.sum())} pixels are coloured where
                {int(right.sum())} should be: one for each point inside of the image, and nothing else.
                {here}; the nearest point is {in_words(nearest)}.""")
        return Complaint.of(f"""misplaced: {int(missing.sum())} of {int(right.sum())} points are missing, and
            {int(extra.sum())} pixels are coloured where no point is. {here}; the point {in_words(nearest)}
            belongs there.""")


class Nearest(Places):
    name = "... the nearest one, where a point lies between pixels"
    after = (Image, Places)
    whole, mistakes = False, OF_ROUNDING


class Order(Property):
    name = "colours follow the order in time"
    points = 2
    after = (Image, Places)
    hidden = ("forwards", "backwards", "again")
    count = 40

    def inputs(self, rng):
        return {"pixels": _scattered(rng, self.count).round(), "size": torch.tensor([WIDTH, HEIGHT])}

    picture = Image.picture

    def call(self, given, pixels, size):
        orders = {"forwards": pixels, "backwards": pixels.flip(0), "again": pixels}
        resolution = tuple(size.tolist())
        return {name: _image_of(given.draw_track, order, resolution) for name, order in orders.items()}

    def judge(self, outputs, pixels, size):
        for image in outputs.values():
            wrong = Places().judge({"": _lit(image)}, pixels, size)
            if wrong := wrong or Image().judge({"image": image}, pixels, size):
                return wrong
        columns, rows = pixels.long().unbind(-1)
        forwards, backwards, again = (image[rows, columns] for image in outputs.values())  # (T, 3) each
        if not close(forwards, again, 1e-2):
            return Complaint.of("""by-chance: Called twice with the same pixels, it gives two different
                images. The colour of a point is to depend on its place in time alone.""")
        return self.of_order(forwards, backwards) or self.of_colours(forwards)

    def of_order(self, colours, backwards):
        """colours, backwards: of the points (T, 3), drawn in their order and in the opposite one."""
        steps = apart(colours[1:], colours[:-1])
        if steps < 1e-4:
            return Complaint.of("""one-colour: All points have one colour. Give each its own by its place in
                time: k / (T - 1) through a colour map.""")
        if close(colours, backwards.flip(0), 1e-2):
            return None
        if close(colours, backwards, 1e-2):
            return Complaint.of("""colour-by-place: With the points in the opposite order, each pixel keeps
                its colour: it depends on where a point lies. The first point has the first colour, wherever
                it lies.""")
        first, last = in_words(colours[0]), in_words(backwards[-1])
        return Complaint.of(f"""not-by-time: The colours depend on more than the order: the first of the
            {len(colours)} points is {first}; drawn in the opposite order, the first one is {last}. The first
            point has the first colour, wherever it lies.""")

    def of_colours(self, colours):
        """colours: of the points, in their order (T, 3)."""
        T, steps = len(colours), (colours[1:] - colours[:-1]).abs().amax(-1)  # (T - 1,)
        light = colours @ torch.tensor([0.299, 0.587, 0.114])  # (T,), as bright as it looks
        ends = f"The first point is {in_words(colours[0])}, the last {in_words(colours[-1])}"
        far, gain = apart(colours[0], colours[-1]), float(light[-1] - light[0])
        if (steps < 1e-4).float().mean() > 0.5:
            count = len(colours.mul(1000).round().unique(dim=0))
            return Complaint.of(f"""few-colours: The {T} points have only {count} colours; most points have
                that of the one before. Give each its own, by k / (T - 1).""")
        if steps.max() > 0.4:
            k = int(steps.argmax())
            return Complaint.of(f"""no-order: Colours leap, so nobody can read the order: point {k} is
                {in_words(colours[k])}, point {k + 1} {in_words(colours[k + 1])}. Let them change
                gradually.""")
        if named := _of_colour_map(colours):
            return named
        if far < 0.25 and abs(gain) < 0.2:
            back = far < 0.2 < apart(colours, colours[:1].expand_as(colours)) - far
            key, how = ("cyclic", "nearly the same") if back else ("narrow", "not far apart")
            return Complaint.of(f"""{key}: {ends}: these are {how}. Take colours whose ends differ, as those
                of plasma and viridis, and go from one end to the other: k / (T - 1) from 0 to 1.""")
        if gain < -0.15:
            return Complaint.of(f"""reversed: {ends}, which is darker. Let the colours go from a dark one to a
                light one.""")
        return None


def _of_colour_map(colours):
    """The colours (T, 3) are those of a colour map, but not from its one end to the other. -> Complaint or
    None"""
    T = len(colours)
    asked = {
        f"""narrow: These are the first {T} of the 256 colours of {{}}. Of a whole number k a colour map takes
        its k-th colour; of a float the place from 0 to 1, k / (T - 1).""": (np.arange(T),),
        f"""fixed-length: These are colours of {{}} for a track of 200 points, here there are {T}. The last
        point has the last colour: k / (T - 1), with T = len(pixels).""": (
            np.arange(T) / 199,
            np.arange(T) / 200,
        ),
    }
    for name, table in _colour_maps().items():
        for said, places in asked.items():
            for place in places:
                k = place if place.dtype == int else (place * len(table)).astype(int)  # as matplotlib has it
                made = torch.from_numpy(table[k.clip(max=len(table) - 1)])
                if apart(made, made[:1].expand_as(made)) > 0.05 and apart(made, colours) < 2e-3:
                    return Complaint.of(said.format(name))
    return None


@functools.cache
def _colour_maps():
    """All colour maps of matplotlib, computed once. -> {name: (N, 3)}"""
    from matplotlib import colormaps

    return {name: made(np.arange(made.N))[:, :3] for name, made in colormaps.items()}


class Outside(Places):
    name = "points outside of the image are left out"
    points = 2
    after = (Image, Places)
    mistakes = OF_OUTSIDE

    def cases(self, rng):
        W, H = WIDTH, HEIGHT
        beyond = [[-3, 10], [10, -3], [W + 5, 20], [20, H + 5], [-1000, 5000], [W, 3], [3, H]]
        # Points on the border, and beside them some that round to what is outside: whoever looks at them
        # before rounding has an index too large. Rounded down, they are those on the border.
        border = [[0, 5], [5, 0], [W - 1, 8], [8, H - 1], [W - 0.4, 8], [8, H - 0.4]]
        inside = _scattered(rng, 8).round()
        pixels = torch.cat([inside[:4], torch.tensor([*beyond, *border]).float(), inside[4:]])
        return {"pixels": pixels, "size": torch.tensor([W, H])}

    def call(self, given, pixels, size):
        try:
            return super().call(given, pixels=pixels, size=size)
        except IndexError as error:
            raise Problem.of(f"""outside-crashes: With points outside of the image it ends in an IndexError
                ({error}). The dolphin may leave the picture: round first, skip such points, and keep those
                with 0 <= column < W and 0 <= row < H.""") from None


PIXELS = Projection(), PartsOfPixels(), OneCamera()
TRACKS = Image(), Places(), Nearest(), Order(), Outside()
tracking = Exercise(3, "Tracking", ("project_to_pixels", "draw_track"), (*PIXELS, *TRACKS))
