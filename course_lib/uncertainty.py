"""How sure a fitted dolphin's size is: 95 % intervals, and what makes them as wide as they are.

A fit has found its optimum where the pull of the outlines and that of the priors add up to zero: F(x) = 0,
for all its parameters x. Had something been otherwise that nobody knows exactly, the altitude, the outline of
a mask, then F would be another by dF, and the optimum would lie elsewhere: by dx = -A^-1 dF, where A = dF/dx.
A length or a volume q follows by dq = (dq/dx) dx. So each unknown, which has a standard deviation of its own
(`Beliefs`), gives one of q; all of them are independent, their squares add up, and a share of the sum says
what each contributes. This is the delta method; it follows the recipe as it is, with its weights, whether or
not these are the logarithms of probabilities.

Outlines count by points on the fitted silhouette. A point moves along the silhouette's normal when the animal
moves, bends or changes its form; the outline term of the default recipe is, to second order, the mean square
of these distances in units of its last `reach` (course_lib.outline).

Sources: Gauss-Newton and the delta method are in every textbook; the pull of what is not in the model is
treated as by White, Maximum likelihood estimation of misspecified models, Econometrica 50, 1982.
"""

import copy
import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from . import metrics
from .errors import CourseError
from .lens import TABLE_SD
from .outline import silhouette
from .scene import DolphinScene
from .window import window_camera

IN_95 = 1.96  # standard deviations to both sides hold 95 % of a normal distribution
REACH = 2.0  # pixels, of the default recipe's last pass
MOST_FRAMES, MOST_POINTS = 32, 96  # the clip is thinned to so many, and the outline of a frame
POSES = ("translations", "global_poses", "joint_poses")  # parameters of single frames
STEP, BEND = 0.01, 0.15  # metres, radians, shares: for differences; radians: for differences of squares
PATCHES = np.linspace(0.03, 0.93, 11)  # where form is uncertain: shares of the length from the rostrum
PATCH = 0.085  # their width, in the same unit
SOURCES = {
    "altitude": "the drone's altitude",
    "camera": "the camera's focal length and sensor",
    "depth": "how deep the animal swims",
    "tilt": "the camera's tilt",
    "outline": "the outline in the masks",
    "shape": "the animal's form beyond the model",
    "pose": "how it rolls and beats its flukes",
    "density": "the animal's density",
}


@dataclass(frozen=True)
class Beliefs:
    """What is not known of a clip: standard deviations, each of an error that may lie to either side.

    altitude_m: of the mean altitude, metres; focal: of the focal length over the sensor's width, a share;
    depth_m: of how far the fin's tip is out of the water, from which depth is read, metres; fin_m: of that
    tip's height on the animal, metres; tilt_deg: of the camera's direction, degrees, about each of two axes.

    The outline of a mask is off by three errors, pixels: noise_px changes along the outline and over time
    (over OUTLINE_PX pixels, over OUTLINE_S seconds), fixed_px stays over the clip at one place of the animal,
    bias_px is the same all around: a mask that is too large. Where the masks' maker says how sure it was, all
    three are larger if it was less so (`outline_error`).

    Pose, degrees: beat_deg, by which the joints of tail stock and flukes bend up and down, roll_deg, by which
    the body rolls, each beyond what the fit finds of it. Both only ever make an outline shorter or wider.

    Form, all shares: girth, of width and of height at one place of the body beyond the model; height, of the
    body's height over its width as a whole; size, of the whole animal among its kind, and part, of a part's
    width, height or length; modes, of the model's smooth modes, in their own unit. density: a share.
    """

    altitude_m: float = 0.2
    focal: float = 0.0
    depth_m: float = 0.05
    fin_m: float = 0.02
    tilt_deg: float = 1.0
    noise_px: float = 0.3
    fixed_px: float = 0.2
    bias_px: float = 0.15
    beat_deg: float = 8.0
    roll_deg: float = 5.0
    girth: float = 0.03
    height: float = 0.04
    size: float = 0.08
    part: float = 0.02
    modes: float = 1.0
    density: float = 0.02

    def __post_init__(self):
        for one in fields(self):
            value = getattr(self, one.name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
                raise CourseError(f"""{one.name} is {value}, expected the standard deviation of what is not
                    known exactly: a finite number, 0 or more. Where nobody knows it, leave it out: then
                    {one.default:g} is taken.""")


OUTLINE_PX, OUTLINE_S = 8.0, 0.08  # over which an outline's noise changes: pixels, seconds


def beliefs_about(known, masks=None, confidence=None):
    """The `Beliefs` about a clip. known: its `ClipInfo`; masks, confidence: see `outline_error`."""
    values = {"depth_m": known.fin_tip[1]}
    if known.altitude_sd_m is not None:
        values["altitude_m"] = known.altitude_sd_m
    if known.lens.model and not (known.source or {}).get("known_length"):
        values["focal"] = TABLE_SD
    beliefs = Beliefs(**values)
    if confidence is None:
        return beliefs
    usual = {name: getattr(beliefs, name) for name in ("noise_px", "fixed_px", "bias_px")}
    worse = max(1.0, outline_error(masks, confidence) / math.hypot(*usual.values()))
    return replace(beliefs, **{name: worse * value for name, value in usual.items()})


def outline_error(masks, confidence):
    """By how much the outlines of masks are off, as their maker says: a standard deviation, pixels.

    masks (T, H, W) uint8; confidence (T,), read as the overlap (IoU) with the truth that the maker expects.
    Then a share 1 - confidence of the mask's area lies between its outline and the true one: along a border
    of n pixels a mean distance of (1 - confidence) area / n, and sqrt(pi / 2) of it is the standard deviation
    of what is normally distributed. A frame counts by its confidence, as in the fit.
    """
    from scipy.ndimage import binary_erosion

    every = -(-len(masks) // MOST_FRAMES)
    inside, sure = masks[::every] > 127, confidence[::every].double()
    within = torch.stack([torch.from_numpy(binary_erosion(mask)) for mask in inside.numpy()])
    area, border = metrics.areas(inside), metrics.areas(inside & ~within).clamp(min=1)  # (T,)
    off = math.sqrt(math.pi / 2) * (1 - sure) * area / border
    return float((sure * off).sum() / sure.sum().clamp(min=1e-6))


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval, and the relative standard deviation (a share) by each source."""

    median: float
    sources: dict

    @property
    def sd(self):
        """Relative standard deviation, a share."""
        return math.sqrt(sum(share**2 for share in self.sources.values()))

    @property
    def low(self):
        return self.median * math.exp(-IN_95 * self.sd)

    @property
    def high(self):
        return self.median * math.exp(IN_95 * self.sd)

    def times(self, factor, **sources):
        """This number times another, whose own relative errors are `sources`."""
        return Interval(self.median * factor, self.sources | sources)


def intervals(scene, dataset, priors, measure, beliefs=None):
    """What is measured on the fitted animal, each with its interval. -> {name: Interval}

    scene: DolphinScene, fitted; dataset: the `SegmentedVideo` it was fitted to; priors(scene, fps, depth):
    the weighted sum of the recipe's priors, () tensor, for a scene of `fps` frames a second and the mean
    height `depth` of the origin, metres; measure(vertices (V, 3) at rest): {name: positive number}; beliefs:
    `Beliefs`, None for those about this clip. Raises CourseError.
    """
    if beliefs is None:
        beliefs = beliefs_about(dataset.known, dataset.masks, dataset.confidence)
    if len(dataset) < 3:
        raise CourseError(f"intervals need 3 frames or more, got {len(dataset)}")
    stride = -(-len(dataset) // MOST_FRAMES)
    return Linearised(scene, dataset, priors, measure, stride).intervals(beliefs)


class Linearised:
    """A fit near its optimum: how the outlines and what is measured move with everything."""

    def __init__(self, scene, dataset, priors, measure, stride=1):
        self.frames = torch.arange(0, len(dataset), stride)
        self.fps = dataset.fps / stride
        self.scene, self.priors, self.measure = _thinned(scene, self.frames), priors, measure
        self.cameras = dataset.cameras(self.frames, scene.water_index)
        device = self.scene.translations.device
        self.cameras = self.cameras.to(device, self.scene.translations.dtype)
        self.depth = float(self.scene.translations[:, 0, 1].detach().mean())
        self.shapes = _shape_parameters(self.scene, priors(self.scene, self.fps, self.depth))
        sure = torch.ones(len(dataset)) if dataset.confidence is None else dataset.confidence
        sure = (sure[self.frames] / sure[self.frames].mean().clamp(min=1e-6)).numpy()  # (T,)
        self.points = _outline_points(self.scene, self.cameras, dataset.masks[self.frames], sure)
        self._differentiate()
        self._solve()

    # ---- Parameters as one vector ----

    def get(self):
        """All parameters that move the animal: of each frame (T, D), of the shape (S,)."""
        with torch.no_grad():
            of_frames = [getattr(self.scene, name).flatten(1) for name in POSES]
            of_shape = [getattr(self.scene, name).flatten() for name in self.shapes]
            return torch.cat(of_frames, 1).clone(), torch.cat(of_shape).clone()

    def set(self, of_frames, of_shape):
        with torch.no_grad():
            for names, values, dim in ((POSES, of_frames, 1), (self.shapes, of_shape, 0)):
                there = [getattr(self.scene, name) for name in names]
                sizes = [tensor.flatten(dim).shape[-1] for tensor in there]
                for tensor, part in zip(there, values.split(sizes, dim)):
                    tensor.copy_(part.view_as(tensor))

    def seen(self):
        """Vertices in the cameras' coordinates (T, V, 3), metres."""
        with torch.no_grad():
            vertices = self.scene.skin(torch.arange(len(self.frames), device=self.scene.anchors.device))
            return self.cameras.extrinsics.transform(vertices)

    def shift(self, in_camera):
        """How far each outline point lies beyond where it was, along its normal, pixels. -> (N,)"""
        on_image = _pixels(self.cameras, in_camera)
        return self.points.along_normals(on_image - self.on_image)

    # ---- Derivatives ----

    def _differentiate(self):
        of_frames, of_shape = self.get()
        here = self.seen()
        self.on_image = _pixels(self.cameras, here)
        self.values = self._measured()
        columns = []
        for k in range(of_frames.shape[1]):
            columns.append(self._difference(of_frames, of_shape, k, 0))
        self.by_frame = np.stack(columns, 1)  # (N, D)
        found = [self._difference(of_frames, of_shape, k, 1) for k in range(len(of_shape))]
        self.by_shape = np.stack([shift for shift, _ in found], 1)  # (N, S)
        self.of_shape = np.stack([change for _, change in found], 1)  # (Q, S), relative
        self.set(of_frames, of_shape)
        found = [self._difference_of_form(field) for field in self._forms()]
        self.by_form = np.stack([shift for shift, _ in found], 1)  # (N, K)
        self.of_form = np.stack([change for _, change in found], 1)  # (Q, K)
        self.by_pose = self._bent()
        self.by_camera = {name: self.shift(moved) / STEP for name, moved in _camera_moves(self.cameras, here)}
        self.hessian, self.pull = self._prior_derivatives(of_frames, of_shape)

    def _difference(self, of_frames, of_shape, k, which):
        """The change of the outline, and of what is measured, by parameter k: of frames (0) or shape (1)."""
        parts = of_frames.clone(), of_shape.clone()
        parts[which][..., k] += STEP
        self.set(*parts)
        shift = self.shift(self.seen()) / STEP
        return shift if which == 0 else (shift, self._relative(self._measured()) / STEP)

    def _difference_of_form(self, field):
        """The same by a change of the template, field (V, 3): metres of the animal at rest."""
        model = self.scene.model
        plain = model.V
        model.V = plain + torch.as_tensor(field, dtype=plain.dtype, device=plain.device) / model.global_scale
        found = self.shift(self.seen()), self._relative(self._measured())
        model.V = plain
        return found

    def _bent(self):
        """What bends up and down, and rolls, do to the outline, per square of an angle: pixels, by name.

        A bend to either side does the same: it moves the outline by its square.
        """
        anatomy, joints, body = self.scene.model.anatomy, self.scene.joint_poses, self.scene.global_poses
        tail = [part for part in (*anatomy.stock, anatomy.flukes) if part is not None]
        turned = {"beat_deg": [joints[:, part, 0] for part in tail], "roll_deg": [body[:, 0, 2]]}
        found = {}
        for name, angles in turned.items():
            found[name] = np.zeros(len(self.points.frames))
            for angle in angles:
                for step in (BEND, -BEND):
                    with torch.no_grad():
                        angle += step
                        found[name] += self.shift(self.seen()) / (2 * BEND**2)
                        angle -= step
        return found

    def _measured(self):
        with torch.no_grad():
            return self.measure(self.scene.rest_shape())

    def _relative(self, values):
        return np.array([values[name] / self.values[name] - 1 for name in self.values])

    def _forms(self):
        """How animals differ beyond the model's parameters: fields (V, 3), metres per share, by name."""
        V = (self.scene.model.V[0] * self.scene.model.global_scale).cpu().numpy()
        along = (V[:, 2].max() - V[:, 2]) / np.ptp(V[:, 2])
        bumps = np.exp(-(((along[:, None] - PATCHES) / PATCH) ** 2))  # (V, K)
        forms = []
        for axis in (0, 1):
            for bump in bumps.T:
                field = np.zeros_like(V)
                field[:, axis] = V[:, axis] * bump
                forms.append(STEP * field)
        higher = np.zeros_like(V)
        higher[:, 1] = V[:, 1]
        return [*forms, STEP * higher]

    def _prior_derivatives(self, of_frames, of_shape):
        """dF/dx of the priors (n, n), and dF/d(depth) (n,). F: their gradient."""
        start = torch.cat([of_frames.flatten(), of_shape])
        count = of_frames.numel()

        def gradient(x, depth):
            self.set(x[:count].view_as(of_frames), x[count:])
            moving = [getattr(self.scene, name) for name in (*POSES, *self.shapes)]
            loss = self.priors(self.scene, self.fps, depth)
            found = torch.autograd.grad(loss, moving, allow_unused=True)
            found = [torch.zeros_like(x) if g is None else g for x, g in zip(moving, found)]
            T = len(of_frames)
            of_poses = torch.cat([g.reshape(T, -1) for g in found[: len(POSES)]], 1)
            return torch.cat([of_poses.flatten(), *(g.flatten() for g in found[len(POSES) :])]).double()

        here = gradient(start, self.depth)
        columns = []
        for k in range(len(start)):
            moved = start.clone()
            moved[k] += STEP
            columns.append((gradient(moved, self.depth) - here) / STEP)
        pull = (gradient(start, self.depth + STEP) - here) / STEP
        self.set(of_frames, of_shape)
        return torch.stack(columns, 1).cpu().numpy(), pull.cpu().numpy()

    # ---- What follows from them ----

    def _solve(self):
        T, D = len(self.frames), self.by_frame.shape[1]
        jacobian = np.zeros((len(self.points.frames), T * D + self.by_shape.shape[1]))
        rows = np.arange(len(jacobian))[:, None]
        jacobian[rows, self.points.frames[:, None] * D + np.arange(D)] = self.by_frame
        jacobian[:, T * D :] = self.by_shape
        weighted = 2 * self.points.weights[:, None] * jacobian
        total = self.hessian + jacobian.T @ weighted  # A
        wanted = np.zeros((len(self.values), len(total)))
        wanted[:, T * D :] = self.of_shape
        # Changes of a parameter that nothing holds do not count: a tiny stiffness for each.
        total[np.diag_indices_from(total)] += 1e-9 * np.abs(np.diag(total)).max()
        self.reply = np.linalg.solve(total.T, wanted.T).T  # (Q, n): dq = -reply @ dF
        self.influence = (weighted @ self.reply.T).T  # (Q, N): dq by a shift of one outline point

    def intervals(self, beliefs):
        """-> {name: Interval}"""
        by_source = {name: np.zeros(len(self.values)) for name in SOURCES if name != "density"}
        camera = {name: self.influence @ shift for name, shift in self.by_camera.items()}
        tilt = math.radians(beliefs.tilt_deg)
        by_source["altitude"] = np.abs(camera["altitude"]) * beliefs.altitude_m
        by_source["camera"] = np.abs(camera["focal"]) * beliefs.focal
        by_source["tilt"] = tilt * np.hypot(camera["tilt_x"], camera["tilt_y"])
        by_source["depth"] = np.abs(self.reply @ self.pull) * math.hypot(beliefs.depth_m, beliefs.fin_m)
        by_source["outline"] = self._by_outline(beliefs)
        bent = [
            self.influence @ shift * math.radians(getattr(beliefs, name)) ** 2
            for name, shift in self.by_pose.items()
        ]
        by_source["pose"] = np.hypot(*bent)
        by_source["shape"] = self._by_form(beliefs)
        found = {}
        for k, (name, value) in enumerate(self.values.items()):
            found[name] = Interval(float(value), {source: float(sd[k]) for source, sd in by_source.items()})
        return found

    def _by_outline(self, beliefs):
        """Relative standard deviations (Q,) by the outlines' errors."""
        rest = (self.points.rest / self.points.pixel_m / OUTLINE_PX).astype(np.float32)
        when = (self.points.frames / self.fps / OUTLINE_S).astype(np.float32)
        near = np.exp(-((rest[:, None] - rest) ** 2).sum(-1) / 2)  # (N, N)
        later = np.exp(-((when[:, None] - when) ** 2) / 2)
        # Masks that the fit cannot follow are trusted less.
        expected = math.sqrt(beliefs.noise_px**2 + beliefs.fixed_px**2 + PIXEL_PX**2)
        worse = max(1.0, self.points.residual / expected)
        self.worse = worse
        c = self.influence.astype(np.float32)
        variance = ((c @ (near * (beliefs.fixed_px**2 + beliefs.noise_px**2 * later))) * c).sum(1)
        variance = variance + (beliefs.bias_px * c.sum(1)) ** 2
        return worse * np.sqrt(variance)

    def _by_form(self, beliefs):
        """Relative standard deviations (Q,) by the form beyond the model, and by the pull of shape priors."""
        K = self.by_form.shape[1]
        sds = np.r_[np.full(K - 1, beliefs.girth), beliefs.height] / STEP
        of_forms = (self.influence @ self.by_form - self.of_form) * sds
        n = self.by_shape.shape[1]
        of_priors = self.reply @ self.hessian[:, -n:] @ self._among_its_kind(beliefs)
        return np.sqrt((of_forms**2).sum(1) + (of_priors**2).sum(1))

    def _among_its_kind(self, beliefs):
        """How animals of one kind differ in the shape's parameters: (n, U), by independent units."""
        columns = []
        for name in self.shapes:
            shape = tuple(getattr(self.scene, name).shape)
            before = [np.zeros(getattr(self.scene, other).numel()) for other in self.shapes]
            place = self.shapes.index(name)
            own = np.full(shape, beliefs.part if name == "part_scales" else beliefs.modes)
            whole = np.zeros(shape)
            if name == "part_scales":  # a column for the whole, which all parts share, and three axes
                own[:, 0], whole[:, 0] = 0, beliefs.size
            for unit in (whole.ravel(), *np.diag(own.ravel())):
                if unit.any():
                    columns.append(np.concatenate([*before[:place], unit, *before[place + 1 :]]))
        return np.stack(columns, 1) if columns else np.zeros((self.by_shape.shape[1], 0))


PIXEL_PX = 0.4  # pixels: what an outline of whole pixels is off by, of the mask and of the fit together


@dataclass(frozen=True)
class _Points:
    """N points of the fitted silhouettes: frames (N,), the three vertices (N, 3) around each and their
    shares (N, 3), normals (N, 2) in the image, y down, weights (N,) in the outline term, rest (N, 3): places
    on the animal at rest, metres; pixel_m: metres of a pixel there; residual: of the masks, rms, pixels."""

    frames: np.ndarray
    vertices: np.ndarray
    shares: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    rest: np.ndarray
    pixel_m: float
    residual: float

    def along_normals(self, moved):
        """Of moved vertices (T, V, 2), pixels: how far each point moves along its normal. -> (N,)"""
        there = moved[self.frames[:, None], self.vertices]  # (N, 3, 2)
        return ((there * self.shares[:, :, None]).sum(1) * self.normals).sum(1)


@torch.no_grad()
def _thinned(scene, frames):
    """A scene that has some frames of another alone, orientations measured from where they are."""
    thin = DolphinScene(copy.copy(scene.model), len(frames), texture_size=1)
    thin.water_index = scene.water_index
    for name in ("translations", "joint_poses"):
        getattr(thin, name).copy_(getattr(scene, name)[frames])
    for name in ("part_scales", "shape_modes"):
        getattr(thin, name).copy_(getattr(scene, name))
    thin.anchor(scene.rotations()[frames])
    return thin


def _shape_parameters(scene, loss):
    """Names of the parameters that change the animal at rest and that the priors' `loss` holds."""
    named = {name: value for name, value in scene.named_parameters() if name not in POSES}
    moved = torch.autograd.grad(scene.rest_shape().square().sum(), [*named.values()], allow_unused=True)
    held = torch.autograd.grad(loss, [*named.values()], allow_unused=True)
    return [name for name, a, b in zip(named, moved, held) if a is not None and b is not None]


def _pixels(cameras, in_camera):
    """Points (T, V, 3) in the cameras' coordinates as pixels (T, V, 2), x right, y down."""
    size = in_camera.new_tensor([cameras.width, cameras.height])
    ndc = cameras.intrinsics.transform(in_camera)[..., :2]
    return ((ndc * in_camera.new_tensor([1, -1]) + 1) / 2 * size - 0.5).double().cpu().numpy()


def _camera_moves(cameras, here):
    """What the camera sees, here (T, V, 3), if something of it were larger by STEP. -> (name, (T, V, 3))"""
    up = cameras.extrinsics.R[..., :, 1]  # (T, 3): the world's up in the camera
    yield "altitude", here - STEP * up[:, None]
    yield "focal", here * here.new_tensor([1 + STEP, 1 + STEP, 1])
    for name, axis in (("tilt_x", 0), ("tilt_y", 1)):
        turn = torch.zeros_like(here)
        turn[..., axis] = STEP
        yield name, here + torch.linalg.cross(turn, here)


def _outline_points(scene, cameras, masks, sure):
    """The outermost pixels of the fitted silhouettes, as `_Points`. sure (T,): how much each frame counts."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    with torch.no_grad():
        T = len(masks)
        vertices = scene.skin(torch.arange(T, device=scene.anchors.device))
        rest = scene.rest_shape().double().cpu().numpy()
        in_camera = cameras.extrinsics.transform(vertices)
    pixels = _pixels(cameras, in_camera)  # (T, V, 2)
    faces = scene.model.F.cpu().numpy()
    found, misses = [], []
    for t in range(T):
        low = np.floor(pixels[t].min(0)).astype(int) - 4
        width, height = (np.ceil(pixels[t].max(0)).astype(int) + 5 - low).tolist()
        cam = window_camera(cameras[t : t + 1], int(low[0]), int(low[1]), width, height)
        on_image = cam.intrinsics.transform(in_camera[t : t + 1])[..., :2]
        _, face = silhouette(in_camera[t : t + 1], on_image, cam, scene.model.F)
        face = face[0].cpu().numpy()
        inside = face >= 0
        y, x = np.nonzero(inside & ~binary_erosion(inside))
        normals = -np.stack(np.gradient(gaussian_filter(inside.astype(float), 1.0)), -1)[y, x, ::-1]
        size = np.linalg.norm(normals, axis=1)
        kept = np.flatnonzero(size > 1e-3)
        kept = kept[:: -(-len(kept) // MOST_POINTS) or 1]
        y, x, normals = y[kept], x[kept], normals[kept] / size[kept, None]
        corners = faces[face[y, x]]  # (n, 3)
        places = np.stack([x, y], 1) + low
        shares = _barycentric(pixels[t][corners], places)
        if sure[t] > 0:
            misses.append(_misses(masks[t].numpy() > 127, places + 0.5 * normals))
        found.append((np.full(len(x), t), corners, shares, normals, rest, places))
    if not misses or not sum(len(one[0]) for one in found):
        raise CourseError("the fitted animal is in none of the pictures: the fit has failed")
    lengths = [len(one[0]) for one in found]
    weights = np.concatenate([np.full(n, of / (T * max(n, 1) * REACH**2)) for n, of in zip(lengths, sure)])
    frames, corners, shares, normals = (np.concatenate([one[k] for one in found]) for k in range(4))
    on_rest = (rest[corners] * shares[:, :, None]).sum(1)
    distance = float(-in_camera[..., 2].mean())
    focal = float(cameras.intrinsics.focal_x.mean())
    residual = float(np.sqrt(np.mean(np.concatenate(misses) ** 2)))
    return _Points(frames, corners, shares, normals, weights, on_rest, distance / focal, residual)


def _barycentric(corners, places):
    """Shares (N, 3) of the corners (N, 3, 2) of triangles at places (N, 2)."""
    a, b, c = corners.swapaxes(0, 1)

    def doubled(p, q, r):
        return (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])

    area = doubled(a, b, c)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    shares = (
        np.stack([doubled(places, b, c), doubled(a, places, c), doubled(a, b, places)], 1) / area[:, None]
    )
    shares = np.clip(shares, 0, 1)
    return shares / np.maximum(shares.sum(1, keepdims=True), 1e-9)


def _misses(mask, places):
    """How far the edge of a mask lies beyond places (N, 2) of the fitted outline, pixels, at most 4."""
    from scipy.ndimage import distance_transform_edt, map_coordinates

    if not mask.any():
        return np.full(len(places), 4.0)
    beyond = distance_transform_edt(mask) - distance_transform_edt(~mask)
    beyond = beyond - 0.5 * np.sign(beyond)
    there = map_coordinates(beyond, places.T[::-1], order=1, mode="nearest")
    return np.clip(there, -4, 4)
