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
from .difference import apart, difference, in_words, which
from .fitted import cross_matrix, other_formula, other_lines, turned_otherwise
from .lesson1 import own_figures
from .same import Same, SameGradient

# --- exercise 2: the formulas, right, and with steps of one's own


def _random_rotvecs(rng, n, least=0.3, most=3.0):
    axis = normalize(torch.from_numpy(rng.normal(size=(n, 3))))
    return (axis * torch.from_numpy(rng.uniform(least, most, size=(n, 1)))).float()


def _length(x):
    return x.norm(dim=-1, keepdim=True)


def _never_zero(x):
    return (x.square().sum(-1, keepdim=True) + 1e-30).sqrt()


def _quat(theta, half=0.5, length=_length, axis=torch.div, cosine=torch.cos, sine=torch.sin):
    """Quaternions (B, 4) of rotation vectors (B, 3): (cos a/2, sin a/2 · axis)."""
    a = length(theta).expand(len(theta), 1)
    return torch.cat([cosine(half * a), sine(half * a) * axis(theta, a)], -1)


def _by_quat(theta, of=None, **steps):
    """What `of`, else the right one, makes of such a quaternion."""
    return (of or _quat_to_rotmat)(_quat(theta, **steps))


def _exponential(theta):
    """The matrix exponential of the cross matrix: the definition, and a way that nobody needs to write."""
    return torch.linalg.matrix_exp(cross_matrix(theta))


def _quat_to_rotmat(quat):
    """By the matrix exponential as well."""
    return _exponential(quat_to_rotvec(normalize(quat)))


def _by_formula(quat, one=1.0, turning=2.0, diagonal=2.0, beside=2.0):
    """R = 1 + 2 w K + 2 K K, without normalisation. diagonal, beside: the factors of K K. (B, 4) -> (B, 3,
    3)"""
    K, eye = cross_matrix(quat[:, 1:]), torch.eye(3).to(quat)
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
    K = cross_matrix(axis(theta, a))
    return one * torch.eye(3).to(theta) + sine(a)[..., None] * K + rest(a)[..., None] * square(K)


def _crossed_along_the_batch(theta):
    """By the cross product of rows along the first dimension of length 3: `torch.cross` without `dim`."""
    q = normalize(_quat(theta))
    u, eye = q[:, None, 1:].expand(-1, 3, 3), torch.eye(3).to(q).expand(len(q), 3, 3)
    dim = 0 if len(q) == 3 else -1
    once = torch.linalg.cross(u, eye, dim=dim)  # (B, 3, 3): u × e_k
    return (eye + 2 * q[:, :1, None] * once + 2 * torch.linalg.cross(u, once, dim=dim)).mT


def _reordered(order, quat):
    return _quat_to_rotmat(quat[:, order])


def _one_by_one(order, theta):
    """A rotation about each axis of the world, by the numbers of theta."""
    a, b, c = (_exponential(theta * torch.eye(3).to(theta)[k]) for k in order)
    return a @ b @ c


def _none_below(limit, theta):
    """Right but for small rotations, which come out as the identity."""
    return torch.where(_length(theta)[..., None] < limit, torch.eye(3).to(theta), _exponential(theta))


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


ORDERS = [3, 0, 1, 2], [1, 2, 3, 0], *([0, *r] for r in itertools.permutations((1, 2, 3)) if r != (1, 2, 3))
BATCH_LAST = """batch-last: The right numbers, in the wrong places: with several rotations at once, numbers
    of different ones share a matrix. The batch must stay the first dimension: `torch.stack(entries,
    dim=-1)`, then `.reshape(-1, 3, 3)`."""
TRANSPOSED = """transposed: These are the transposes of the right matrices: they turn the other way. Are the
    signs of the terms with w (or sin) flipped, or rows and columns exchanged?"""
ONE_LENGTH = """norm-over-batch: All of the batch is divided by one length. Each row has its own: `dim=-1,
    keepdim=True`."""
ALONG_BATCH = """norm-along-batch: The length is taken along the batch (`dim=0`). Each row has its own:
    `dim=-1, keepdim=True`."""


def _mixed_up(right):
    """What gives numbers of several matrices to one."""
    return (
        lambda x: right(x).flatten(1).T.reshape(-1, 3, 3),
        lambda x: right(x).transpose(0, 1).reshape(-1, 3, 3),
    )


OF_QUATERNIONS = {
    BATCH_LAST: _mixed_up(_quat_to_rotmat),
    TRANSPOSED: lambda q: _quat_to_rotmat(q).mT,
    **{_read_as(order): partial(_reordered, order) for order in ORDERS},
    ALONG_BATCH: lambda q: _by_formula(q / q.norm(dim=0)),
    """half-turn: Where w is 0, at half a turn, the quaternion is lost: `sign(0)` is 0. (q and -q are one
    rotation: nothing needs to be done about the sign.)""": lambda q: _by_formula(q * q[:, :1].sign()),
    """axis-alone: (x, y, z) alone is brought to length 1. Divide the whole quaternion by its
    length.""": lambda q: _by_formula(torch.cat([q[:, :1], normalize(q[:, 1:])], -1)),
}
OF_VECTORS = {
    BATCH_LAST: _mixed_up(_exponential),
    TRANSPOSED: lambda t: _exponential(-t),
    """axis-not-normalised: The axis in your formula does not have length 1: divide theta by its own
        length.""": (
        lambda t: _by_angle(t, axis=lambda t, a: t),
        lambda t: _quat_to_rotmat(_quat(t, axis=lambda t, a: t)),
        lambda t: _by_formula(_quat(t, axis=lambda t, a: t)),
    ),
    ONE_LENGTH: tuple(
        partial(one, length=torch.norm) for one in (_by_angle, _by_quat, partial(_by_quat, of=_by_formula))
    )
    + tuple(
        partial(one, axis=lambda t, a: t / t.norm())
        for one in (_by_angle, _by_quat, partial(_by_quat, of=_by_formula))
    ),
    ALONG_BATCH: tuple(
        partial(one, axis=lambda t, a: t / t.norm(dim=0))
        for one in (_by_angle, _by_quat, partial(_by_quat, of=_by_formula))
    )
    + (partial(_by_quat, of=lambda q: _by_formula(q / q.norm(dim=0))),),
    """elementwise: K is multiplied by itself number by number, `K * K`. The formula means the product of
    matrices, `K @ K`.""": lambda t: _by_angle(t, square=torch.square),
    """euler-angles: These are three rotations, about x, y and z one after the other (Euler angles). A
    rotation vector means ONE rotation, about theta itself as the axis.""": tuple(
        partial(_one_by_one, order) for order in itertools.permutations(range(3))
    ),
    **{_put_together(order): lambda t, order=order: _reordered(order, _quat(t)) for order in ORDERS},
}


NO_GRADIENT_AT_ZERO = """gradient-at-zero: At theta = 0 the gradient is 0, but it should be that of R = 1 +
    [theta]x, as for all small theta. Let the result be sin(a/2) / a (at 0 its limit, 1/2) times theta. It
    must not be put in from elsewhere at 0, as the identity; and theta / a times sin(a/2) has the gradient 0
    there, whatever is added to a."""
DETACHED = "wrong-gradient: No gradient flows through {}: is it detached, or computed from a number?"


def _as_quat(length=_never_zero, **steps):
    """By a quaternion with steps of one's own, normalised or not."""
    made = partial(_by_quat, length=length, **steps)
    return partial(made, of=_by_formula), partial(made, of=lambda q: _by_formula(normalize(q)))


OF_GRADIENTS = {
    NO_GRADIENT_AT_ZERO: partial(_none_below, 0.1),
    DETACHED.format("the axis, theta / a"): _as_quat(axis=lambda t, a: (t / a).detach()),
    DETACHED.format("the angle, the length of theta"): (
        *_as_quat(length=lambda t: _never_zero(t).detach()),
        *_as_quat(axis=lambda t, a: t / a.detach()),
    ),
    DETACHED.format("cos a/2"): _as_quat(cosine=lambda a: a.cos().detach()),
    DETACHED.format("sin a/2"): _as_quat(sine=lambda a: a.sin().detach()),
}


class Turning(Same):
    """A function that gives rotation matrices."""

    def vectors(self, argument):
        """The rotation vectors of what the function is called with."""
        raise NotImplementedError

    def unexplained(self, said, yours, right, inputs):
        complaint = super().unexplained(said, yours, right, inputs)
        theta = self.vectors(self.calls(**inputs)[said][0])
        if yours.dim() < 3:  # a gradient
            return complaint
        shown = self.shown(said, inputs)
        seen = theta.norm(dim=-1) > 1e-7  # of smaller ones nothing can be told
        yours, right, theta = (x[seen] for x in (yours, right, theta))
        shown = {name: x[seen] for name, x in shown.items()}
        off, a = (yours - right).abs().flatten(1).amax(1), theta.norm(dim=-1)
        wrong = off > (self.tolerance * a.clamp(max=1)).clamp(min=3e-7)
        if not wrong.any():
            return complaint
        told = turned_otherwise(yours[wrong], theta[wrong]), other_formula(yours, right, theta)
        told = next(filter(None, told[::-1] if self.formula_first else told), "")
        if not told:
            return complaint
        key, text = Complaint.of(told)
        of, where = f"`{self.shows}`{said}: " * bool(said), which(wrong, shown) * (key != "formula")
        return Complaint(key, f"{of}{text} {where}".strip())


TURNED = "the dolphin, turned by a matrix", "rotation"


class OfQuaternions(Turning):
    function, shows = "quat_to_rotmat", "quat_to_rotmat(quat)"
    right, otherwise = staticmethod(_quat_to_rotmat), "wrong-rotation"
    formula_first = True
    looks = TURNED

    def shape(self, quat):
        return len(quat), 3, 3

    def vectors(self, quat):
        return quat_to_rotvec(normalize(quat))


class QuaternionToMatrix(OfQuaternions):
    name = "quat_to_rotmat gives the rotation that a unit quaternion means"
    points = 5
    mistakes = OF_QUATERNIONS

    def cases(self, rng):
        quat = torch.from_numpy(rng.normal(size=(24, 4)))
        quat[:2, 0] = 0  # half a turn
        return {"quat": normalize(quat).float()}


class UnnormalisedQuaternion(OfQuaternions):
    name = "quat_to_rotmat takes quaternions of any length"
    points = 1
    after = (QuaternionToMatrix,)  # else it would blame the length for other mistakes
    tolerance = 1e-3

    def cases(self, rng):
        lengths = torch.tensor([0.02, 0.2, 0.4, 0.6, 0.8, 1.5, 2, 3, 5, 9])[:, None]
        quats = normalize(torch.from_numpy(rng.normal(size=(11, 4))))
        return {"quat": quats[:10].float() * lengths, "one": 2 * quats[10:]}

    def calls(self, quat, one):
        return {"": (quat,), " of one, in float64": (one,)}


class QuaternionGradient(SameGradient, OfQuaternions):
    name = "... and the gradient flows through it"
    points = 1
    after = (QuaternionToMatrix, UnnormalisedQuaternion)
    tolerance, otherwise = 1e-3, "wrong-gradient"
    mistakes = {
        DETACHED.format("the length of the quaternions"): lambda q: _by_formula(q / _length(q).detach())
    }

    def cases(self, rng):
        quat = normalize(torch.from_numpy(rng.normal(size=(4, 4)))) * torch.tensor([[0.5], [0.8], [1.3], [2]])
        return {"quat": quat.float(), "weights": torch.from_numpy(rng.normal(size=(4, 3, 3))).float()}


class OfVectors(Turning):
    function, shows = "batch_rodrigues", "batch_rodrigues(theta)"
    right, otherwise = staticmethod(_exponential), "wrong-rotation"
    formula_first = False
    looks = TURNED

    def shape(self, theta):
        return len(theta), 3, 3

    def taken(self, shows, value, theta):
        return tensor(shows, value, self.shape(theta), theta, self.finite)

    def vectors(self, theta):
        return theta


class Rotations(OfVectors):
    name = "batch_rodrigues agrees with the matrix exponential"
    points = 5
    mistakes = OF_VECTORS

    def cases(self, rng):
        return {"theta": torch.cat([_random_rotvecs(rng, 18), _random_rotvecs(rng, 6, 3.3, 6.0)])}


class AtZero(OfVectors):
    name = "no rotation at theta = 0, and very small ones beside it"
    points = 3
    after = (Rotations,)
    finite, tolerance = False, 1e-5

    def cases(self, rng):
        lengths = [0.25, 0.08, 0.03, 8e-3, 2e-3, 8e-4, 3e-4, 8e-5, 1e-6, 1e-9]
        small = _random_rotvecs(rng, 10, 1, 1) * torch.tensor(lengths)[:, None]
        return {"zero": torch.zeros(2, 3), "small": small, "both": _random_rotvecs(rng, 4)}

    def calls(self, zero, small, both):
        calls = {" at theta = 0": zero, " of a small theta": small, " of four": both}
        calls[" of these and 0"] = torch.cat([both[:2], zero[:1], both[2:]])
        return {said: (theta,) for said, theta in calls.items()}

    def judge(self, outputs, **inputs):
        zero, small, four, both = outputs.values()
        if not (torch.isfinite(zero).all() and torch.isfinite(both).all()):
            return Complaint.of("""nan-at-zero: At theta = 0 it gives NaN, as 0 / 0 does. All poses start
                there. Does the length of theta divide theta, or is the quaternion 0 there, where it should be
                (1, 0, 0, 0)? sin(a/2) / a has a limit at a = 0, 1/2: use it where a is small.""")
        if not torch.isfinite(small).all():
            return Complaint.of("""nan-near-zero: It gives NaN where theta is very small, 1e-9 long and
                less: its square is 0 in floats. Use the limit of sin(a/2) / a wherever a is small.""")
        if not close(zero, torch.eye(3).expand(2, 3, 3), self.tolerance):
            text = difference(self.shows, zero, torch.eye(3).expand(2, 3, 3))
            return Complaint.of(f"not-identity-at-zero: theta = 0 means no rotation, the identity. {text}")
        complaint = super().judge(outputs, **inputs)
        if complaint and not close(both[[0, 1, 3, 4]], four, self.tolerance):
            return Complaint.of("""together: Where one theta of a batch is 0, others of it come out wrong,
                though without it they are right. Each row needs its own choice: `torch.where(small, a, b)`
                makes it, an `if` on `.any()` or `.all()` decides for all of them.""")
        return complaint


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
            long as 40. Operations on the whole tensor take a few ms. A fit asks for 300,000: let torch do
            the loop.""")


QUATERNIONS = QuaternionToMatrix(), UnnormalisedQuaternion(), QuaternionGradient()
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


# --- exercise 3: what goes wrong

OF_PIXELS = {
    """depth-sign: Both axes are mirrored. Points in front of the camera have negative z: divide by
    -z.""": _with(up=-UP),
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
    """clamped: Points outside of the image come out on its border. Leave them where they are; `draw_track`
    leaves them out.""": (
        lambda p, c: _pixels(p, c).clamp(min=torch.zeros(2), max=_size(c) - 1),
        lambda p, c: _pixels(p, c).clamp(min=0),
    ),
    "depth-for-y: The third number, the depth, is taken for y.": lambda p, c: _pixels(
        p, c, xy=lambda p, c: c.transform(p)[..., [0, 2]]
    ),
    """stacked-first: The right numbers, in the wrong places: columns and rows share a pair. `torch.stack([i,
    j], dim=-1)` makes pairs of them.""": lambda p, c: _pixels(p, c).movedim(-1, 0).reshape(*p.shape[:2], 2),
    "one-point: All points of a camera come out where the first one is.": lambda p, c: _pixels(p, c)[
        :, :1
    ].expand(-1, p.shape[1], -1),
    """one-camera: All points are seen by the first camera. The points i belong to camera i: the drone
    moves.""": lambda p, c: _pixels(p, c[:1]),
    "one-camera: All points are seen by the last camera. The points i belong to camera i.": (
        lambda p, c: _pixels(p, c[-1:])
    ),
}
OF_PARTS = {
    """rounded: The pixels are whole numbers. Keep the parts: rounding belongs to drawing, and what is cut off
    here is lost to everything else.""": tuple(
        (lambda p, c, to=to, minus=minus: to(_pixels(p, c, minus=minus)))
        for to in (torch.round, torch.floor, torch.trunc, torch.ceil)
        for minus in (1.0, 0.0)
    ),
    """divided-twice: It is divided by the third number that `cameras.transform` gives. The division is done;
    that number is a depth from -1 to 1, of which pixels need nothing.""": (
        _with(xy=lambda p, c: _normalised(p, c) / c.transform(p)[..., 2:]),
        lambda p, c: _pixels(p, c) / c.transform(p)[..., 2:],
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

    def unexplained(self, said, yours, right, inputs):
        points, cameras = self.calls(**inputs)[said]
        told = other_lines(yours, _normalised(points, cameras), cameras.width, cameras.height)
        return Complaint.of(told) if told else super().unexplained(said, yours, right, inputs)


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


def _drawn(pixels, resolution, to=torch.round, at=None, which=slice(None)):
    """The track (H, W, 3) in white, of some of the points.

    at: columns, rows, W, H -> columns and rows where a point is drawn.
    """
    (width, height), whole = resolution, to(pixels[which]).long()
    place = torch.stack(at(*whole.unbind(-1), width, height), -1) if at else whole
    place = place[((place >= 0) & (place < torch.tensor(resolution))).all(-1)]
    return torch.zeros(height, width, 3).index_put((place[:, 1], place[:, 0]), torch.tensor(1.0))


def _at(place):
    """`_drawn` at other places."""
    return partial(_drawn, at=place)


def _up_to_the_first_outside(pixels, resolution):
    outside = (pixels < 0).any(-1) | (pixels >= torch.tensor(resolution)).any(-1)
    return _drawn(pixels, resolution, which=slice(int(outside.int().argmax()) if outside.any() else None))


def _rounded_by(x, y, pixels):
    return torch.stack([x(pixels[..., 0]), y(pixels[..., 1])], -1)


def _elsewhere():
    """What is drawn if axes are exchanged or turned round, or a pixel is added. -> {said: function}"""
    found = {}
    for swap, *flips in itertools.product((False, True), repeat=3):
        for steps in itertools.product((0, -1, 1), repeat=2) if not swap else [(0, 0)]:

            def at(c, r, W, H, swap=swap, flips=flips, steps=steps):
                places = zip((r, c) if swap else (c, r), (W, H), flips, steps)
                return [(n - 1 - x if flip else x) + step for x, n, flip, step in places]

            key = ["beside", "image-x-flipped", "image-y-flipped", "image-turned"][flips[0] + 2 * flips[1]]
            key = "rows-columns-swapped" if swap else key
            names = zip("yx" if swap else "xy", "WH", flips, steps)
            column, row = (
                f"{f'{n} - 1 - ' if flip else ''}{x}{f' {step:+d}'.replace('1', ' 1') if step else ''}"
                for x, n, flip, step in names
            )
            said = f"{key}: The point (x, y) is drawn in column {column}, row {row}. It belongs to"
            found[f"{said} `image[y, x]`: both count from 0, from the upper left."] = _at(at)
    return dict(list(found.items())[1:])  # but for the right one


OF_PLACES = _elsewhere() | {
    """half-added: Half a pixel is added before it is rounded. `pixels.round()` alone gives the
    nearest.""": partial(_drawn, to=lambda p: (p + 0.5).round()),
    """half-subtracted: Half a pixel is subtracted before it is rounded. `pixels.round()` alone gives the
    nearest.""": partial(_drawn, to=lambda p: (p - 0.5).round()),
    """first-black: At the first point the image is black: its colour is black, or it is not drawn. Begin with
    a brighter colour.""": partial(_drawn, which=slice(1, None)),
    "last-black: At the last point the image is black: its colour is black, or it is not drawn.": partial(
        _drawn, which=slice(-1)
    ),
    "ends-black: At the first and the last point the image is black.": partial(_drawn, which=slice(1, -1)),
    "one-point: Only the first point is drawn: does the loop end after one?": partial(_drawn, which=slice(1)),
    "one-point: Only the last point is drawn.": partial(_drawn, which=slice(-1, None)),
    "every-second: Only every second point is drawn.": tuple(
        partial(_drawn, which=slice(first, None, 2)) for first in (0, 1)
    ),
}
FLOORED = """floored: {} rounded down, so 2.9 becomes 2, as `.long()` and `.int()` do. (0, 0) is the
    centre of a pixel, and the nearest one is that of `pixels.round()`."""
OF_ROUNDING = {
    FLOORED.format("Points are"): (partial(_drawn, to=torch.floor), partial(_drawn, to=torch.trunc)),
    FLOORED.format("Rows are"): partial(_drawn, to=partial(_rounded_by, torch.round, torch.floor)),
    FLOORED.format("Columns are"): partial(_drawn, to=partial(_rounded_by, torch.floor, torch.round)),
    "not-nearest: Points are rounded up, so 2.1 becomes 3. The nearest pixel is that of `pixels.round()`.": (
        partial(_drawn, to=torch.ceil)
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
    """cut-towards-0: A point at -1.2 is drawn in row or column 0: `.long()` and `int()` cut -0.7 off to 0.
    `pixels.round()` alone gives -1, which is outside.""": partial(_drawn, to=lambda p: (p + 0.5).trunc()),
    """lost: The track ends at the first point that lies outside. Go on with the next: `continue`, not `break`
    or `return`.""": _up_to_the_first_outside,
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
        nearest = in_words(pixels[(pixels - torch.tensor([column, row])).norm(dim=-1).argmin()])
        if not missing.any():
            return Complaint.of(f"""extra-pixels: {int(got.sum())} pixels are coloured where
                {int(right.sum())} should be: one for each point inside of the image, and nothing else.
                {here}; the nearest point is {nearest}.""")
        if not extra.any():
            rows, columns = missing.nonzero().unbind(-1)
            on = {"row 0": rows == 0, "column 0": columns == 0}
            on |= {"the last row": rows == HEIGHT - 1, "the last column": columns == WIDTH - 1}
            named = [name for name, flags in on.items() if flags.any()]
            border = torch.stack(list(on.values())).any(0).all()
            key, where = ("border-lost", f", all in {' or '.join(named)}") if border else ("left-out", "")
            return Complaint.of(f"""{key}: {len(rows)} of the {int(right.sum())} points that are inside of the
                image are left out{where}. {here}, where the point {nearest} belongs. Round first; inside are
                then columns from 0 to W - 1 and rows from 0 to H - 1.""")
        return Complaint.of(f"""misplaced: {int(missing.sum())} of {int(right.sum())} points are missing, and
            {int(extra.sum())} pixels are coloured where no point is. {here}; the point {nearest} belongs
            there.""")


class Nearest(Places):
    name = "... the nearest one, where a point lies between pixels"
    after = (Image, Places)
    whole, mistakes = False, OF_ROUNDING

    def cases(self, rng):
        W, H = WIDTH, HEIGHT
        border = torch.tensor([[-0.4, 34], [50, -0.4], [W - 0.6, 9], [52, H - 0.6]])
        case = super().cases(rng)
        return case | {"pixels": torch.cat([case["pixels"], border])}


class Order(Property):
    name = "colours follow the order in time"
    points = 2
    after = (Image, Places)
    hidden = ("forwards", "backwards", "again", "returning")
    count = 40

    def inputs(self, rng):
        return {"pixels": _scattered(rng, self.count).round(), "size": torch.tensor([WIDTH, HEIGHT])}

    picture = Image.picture

    def call(self, given, pixels, size):
        orders = {"forwards": pixels, "backwards": pixels.flip(0), "again": pixels}
        orders["returning"] = torch.cat([pixels[:-1], pixels[:1]])
        resolution = tuple(size.tolist())
        return {name: _image_of(given.draw_track, order, resolution) for name, order in orders.items()}

    def judge(self, outputs, pixels, size):
        columns, rows = pixels.long().unbind(-1)
        forwards, backwards, again, returning = (
            image[rows, columns] for image in outputs.values()
        )  # (T, 3) each
        for image in list(outputs.values())[:3]:
            wrong = Places().judge({"": _lit(image)}, pixels, size)
            if wrong := wrong or Image().judge({"image": image}, pixels, size):
                return wrong
        if not close(forwards, again, 1e-2):
            return Complaint.of("""by-chance: Called twice with the same pixels, it gives two different
                images. The colour of a point is to depend on its place in time alone.""")
        ends = forwards[0], forwards[-1], returning[0]
        return self.of_order(forwards, backwards) or self.of_shared(*ends) or self.of_colours(forwards)

    def of_shared(self, first, last, shared):
        """The colours of the first and the last point, and of the last where it falls on the first, (3,)."""
        if apart(shared, last) < 0.02:
            return None
        both = torch.stack([first, last], 1)
        a, b = torch.linalg.lstsq(both, shared[:, None]).solution[:, 0].mul(1e3).round().div(1e3).tolist()
        what = f" It is {a:.2g} times the first and {b:.2g} times the last."
        what = what * (apart(both @ torch.tensor([a, b]), shared) < 0.01)
        return Complaint.of(f"""shared-pixel: Where the last point falls on the pixel of the first, it has the
            colour {in_words(shared)}; the first point alone is {in_words(first)}, the last
            {in_words(last)}.{what} The later one is to be seen, so draw in the order of time, and assign:
            `image[j, i] = color`.""")

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
        if max(gain, float(colours[-1].max() - colours[0].max())) < 0.15:
            return Complaint.of(f"""not-lighter: {ends}, which is hardly lighter. Let the colours go from a
                dark one to a light one, as those of plasma and viridis do.""")
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
    hidden = ("colours", "all-inside")

    def cases(self, rng):
        W, H = WIDTH, HEIGHT
        beyond = [[-3, 10], [10, -3], [W + 5, 20], [20, H + 5], [-1000, 5000], [W, 3], [3, H]]
        beyond += [[-1.2, 34], [50, -1.2]]
        # Points on the border, and beside them some that round to what is outside: whoever looks at them
        # before rounding has an index too large. Rounded down, they are those on the border.
        border = [[0, 5], [5, 0], [W - 1, 8], [8, H - 1], [W - 0.4, 8], [8, H - 0.4]]
        inside = _scattered(rng, 8).round()
        pixels = torch.cat([inside[:4], torch.tensor([*beyond, *border]).float(), inside[4:]])
        return {"pixels": pixels, "size": torch.tensor([W, H])}

    def call(self, given, pixels, size):
        resolution = tuple(size.tolist())
        held = torch.where(((pixels > -0.5) & (pixels < size - 0.5)).all(-1, keepdim=True), pixels, 33.0)
        columns, rows = pixels[-4:].long().unbind(-1)
        try:
            outputs = super().call(given, pixels=pixels, size=size)
            images = (_image_of(given.draw_track, p, resolution) for p in (pixels, held))
            colours = [image[rows, columns] for image in images]  # of the last four points
            return outputs | {"colours": colours[0], "all-inside": colours[1]}
        except IndexError as error:
            raise Problem.of(f"""outside-crashes: With points outside of the image it ends in an IndexError
                ({error}). The dolphin may leave the picture: round first, skip such points, and keep those
                with 0 <= column < W and 0 <= row < H.""") from None

    def judge(self, outputs, pixels, size):
        complaint = super().judge(outputs, pixels=pixels, size=size)
        if complaint or "colours" not in outputs or close(outputs["colours"], outputs["all-inside"], 2e-2):
            return complaint
        found, right = in_words(outputs["colours"][-2]), in_words(outputs["all-inside"][-2])
        return Complaint.of(f"""shifted-colours: The colours of points inside change with those outside: the
            last but one is {found}, and {right} if no point is outside. The place in time counts all points:
            k / (T - 1), also where some are left out.""")


PIXELS = Projection(), PartsOfPixels(), OneCamera()
TRACKS = Image(), Places(), Nearest(), Order(), Outside()
tracking = Exercise(3, "Tracking", ("project_to_pixels", "draw_track"), (*PIXELS, *TRACKS))
