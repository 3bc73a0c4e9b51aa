"""Do the 95 % intervals hold the truth? Short clips of many animals, with everything drawn at random.

Each clip has an animal, a sea and a drone of its own: the animal's size, proportions and form, how it swims,
how deep, the drone's altitude and what it reads of it, the camera's tilt, the errors of the masks. All are
drawn from what `course_lib.uncertainty.Beliefs` states. The form is drawn from waves along the body, which
neither the model's parts nor the bumps of `course_lib.uncertainty` can represent exactly. No picture is
taken: the default recipe places the animal by masks alone.
"""

import contextlib
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from course_lib import refraction
from course_lib.assets import find_pack
from course_lib.assets.clip_info import FIN_OUT, ClipInfo
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.metrics import mask_iou
from course_lib.photogrammetry import STATIONS, body_edges, body_spans, elliptical_model
from course_lib.scene import DolphinScene
from course_lib.uncertainty import SOURCES, Beliefs, intervals
from course_lib.video import SegmentedVideo
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe
from solutions.results import body_length, body_mass, mesh_volume
from solutions.rotations import batch_rodrigues

sys.path.append(str(Path(__file__).parents[1] / "assets"))

CLIPS, FRAMES, FPS, EPOCHS = 40, 36, 25, 30
BELIEFS = Beliefs()
SIZES = ("length", "volume", "mass")
POWERS = {"volume": 3, "mass": 3}  # of the length
WAVES = 4  # of the animal's form, along the body
READING = 0.03  # m, by which altitudes of single frames are off


@contextlib.contextmanager
def shot(**constants):
    """The program that makes clips, with other constants at its top."""
    import make_clip

    before = {name: getattr(make_clip, name) for name in constants}
    vars(make_clip).update(constants)
    try:
        yield make_clip
    finally:
        vars(make_clip).update(before)


def drawn_shot(rng):
    """How the animal swims and the drone hovers, as constants of make_clip.py."""
    values = dict(SEED=int(rng.integers(1 << 30)), FRAMES=FRAMES, FPS=FPS)
    side = rng.choice([-1, 1])  # both turns are to the same one
    values |= dict(HEADING_MIDDLE=rng.uniform(-180, 180), SHARP_TURN=side * rng.uniform(5, 30))
    values |= dict(WIDE_TURN=side * rng.uniform(5, 40))
    values |= dict(SPEED=rng.uniform(1.0, 2.2), HOVER=rng.uniform(9.5, 13.5), BEAT=rng.uniform(1.0, 1.8))
    values |= dict(BANK=rng.uniform(4, 12), PATH_CENTRE=tuple(rng.uniform(-0.8, 0.8, 2)))
    return values


def animal_class(make_clip):
    """The class of animals, made when the program that makes clips has been imported."""

    class Animal(make_clip.Swimmer):
        """A dolphin of its own proportions and form. rng: a NumPy generator; beliefs: `Beliefs`."""

        def __init__(self, rng, beliefs):
            self.rng, self.beliefs = rng, beliefs
            self.late = rng.uniform(0, 30)  # seconds: breath and beat are anywhere when the clip begins
            super().__init__(make_clip.MODEL)

        def living(self, t):
            return super().living(t + self.late)

        def joints(self, t):
            return super().joints(t + self.late)

        def _part_scales(self):
            parts = self.model.LBS.n_groups
            whole = self.rng.normal(0, self.beliefs.size)
            own = self.rng.normal(0, 0.02, (parts, 4)) * [0, 1, 1, 1]
            return (own + [whole, 0, 0, 0]).astype(np.float32)

        def _residual(self):
            (x, y, _), s = self.template.T, self.along
            out = np.zeros_like(self.template)
            girth, sd = self._waves, self.beliefs.girth
            out[:, 0] = x * girth(s, sd)
            out[:, 1] = y * (girth(s, sd) + self.rng.normal(0, self.beliefs.height))
            out[:, 1] += girth(s, 0.005)
            out[:, 2] = girth(s, 0.006) * np.sin(np.pi * s)
            return out

        def _waves(self, s, sd):
            """A random function of the place along the body, with this standard deviation."""
            sizes, phases = self.rng.normal(0, sd, WAVES), self.rng.uniform(0, 2 * np.pi, WAVES)
            numbers = np.arange(1, WAVES + 1)
            return (sizes * np.cos(2 * np.pi * numbers * s[:, None] + phases)).sum(1) * math.sqrt(2 / WAVES)

    return Animal


@dataclass(frozen=True)
class Clip:
    """A clip as a fit gets it, and the truth. true_masks (T, H, W) bool,
    rest (V, 3) metres, density kg/m^3, altitude_m: the true one, on average."""

    dataset: SegmentedVideo
    true_masks: torch.Tensor
    rest: np.ndarray
    density: float
    altitude_m: float


def make(seed, beliefs=BELIEFS):
    """The clip number `seed`. -> Clip"""
    rng = np.random.default_rng([20261130, seed])
    with shot(**drawn_shot(rng), project=_pinhole) as make_clip:
        animal = animal_class(make_clip)(rng, beliefs)
        when = np.arange(FRAMES) / FPS
        up = make_clip.altitude(np.arange(FRAMES))
        surfaces = np.stack([animal.surface(t) for t in when])
        tip = np.argmax(animal.template[:, 1])
        out = FIN_OUT + rng.normal(0, beliefs.depth_m)
        surfaces[..., 1] += out - surfaces[:, tip, 1].mean()
        eye = torch.from_numpy(np.stack([0 * up, up, 0 * up], 1))
        seen = refraction.apparent_exactly(torch.from_numpy(surfaces), eye).numpy()
        tilted = _tilted(seen, up, np.deg2rad(rng.normal(0, beliefs.tilt_deg, 2)))
        true_masks, masks = _masks(make_clip, rng, animal, tilted, up, beliefs)
        read = up - rng.normal(0, beliefs.altitude_m) - rng.normal(0, READING, FRAMES)
        rest = animal.rest()
    dataset = _dataset(masks, read.astype(np.float32), beliefs)
    density = 1025 * (1 + rng.normal(0, beliefs.density))
    return Clip(dataset, torch.from_numpy(true_masks), rest, density, float(up.mean()))


def _pinhole(points, camera_height):
    """World points (..., 3) to NDC (..., 2), as make_clip.py does it, of what is where it seems to be."""
    import make_clip

    distance = (camera_height - points[..., 1]) * make_clip.HALF_WIDTH
    aspect = make_clip.WIDTH / make_clip.HEIGHT
    return np.stack([-points[..., 0] / distance, points[..., 2] / distance * aspect], -1)


def _tilted(surfaces, up, angles):
    """What a camera that leans by two angles sees, as a camera that looks straight down would see it."""
    (a, b), eye = angles, np.stack([0 * up, up, 0 * up], 1)[:, None]
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return eye + (surfaces - eye) @ (about_x @ about_z).T


def _masks(make_clip, rng, animal, surfaces, up, beliefs):
    """True masks and those of a segmenter with the stated errors. -> two of (T, H, W) bool"""
    from scipy.special import ndtr

    segmenter = make_clip.Segmenter(FRAMES)
    lost = segmenter.losses[:1]  # as many in a second as in the embedded clip
    bias, fixed = rng.normal(0, beliefs.bias_px), _field_on(rng, animal.template, 0.2)
    true_masks, masks, blur = [], [], segmenter.BLUR
    for t, vertices in enumerate(surfaces):
        visible = make_clip.coverage(vertices, animal.faces, up[t], 4)
        marks = make_clip.landmarks(animal, t / FPS)
        keep = visible * _kept(make_clip, lost, t, marks, visible.shape)
        soft = make_clip.cv2.GaussianBlur(keep, (0, 0), blur)
        wander = make_clip.cv2.resize(segmenter.field[t].astype(np.float32), visible.shape[::-1])
        pixels = (make_clip.project(vertices, up[t]) * [1, -1] + 1) / 2 * visible.shape[::-1]
        out = bias + beliefs.noise_px * wander + beliefs.fixed_px * _spread(pixels, fixed, visible.shape)
        masks.append(soft > ndtr(-out / math.hypot(blur, 0.3)))
        true_masks.append(visible > 0.5)
    return np.stack(true_masks), np.stack(masks)


def _kept(make_clip, losses, frame, marks, shape):
    """What a segmenter keeps of each pixel (H, W): 0 where a thin part is lost."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    keep = np.ones(shape, np.float32)
    for start, end, part, strength in losses:
        if start <= frame < end:
            (x, y), radius = marks[part]
            near = np.hypot(columns + 0.5 - x, rows + 0.5 - y) / (radius * strength)
            keep *= np.clip((near - 1) * 3, 0, 1).astype(np.float32)
    return keep


def _field_on(rng, template, length):
    """A random function on the animal's skin, smooth over `length` metres, of standard deviation 1. (V,)"""
    waves = rng.normal(0, 1 / length, (64, 3))
    return (np.cos(template @ waves.T + rng.uniform(0, 2 * np.pi, 64))).sum(1) * math.sqrt(2 / 64)


def _spread(pixels, values, shape):
    """Values (V,) at pixels (V, 2) as a picture (H, W), each pixel around them with that of the nearest."""
    from scipy.spatial import cKDTree

    picture = np.zeros(shape)
    low, high = np.floor(pixels.min(0)).astype(int) - 4, np.ceil(pixels.max(0)).astype(int) + 4
    low, high = np.maximum(low, 0), np.minimum(high, shape[::-1])
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]]
    _, nearest = cKDTree(pixels).query(np.stack([columns + 0.5, rows + 0.5], -1))
    picture[low[1] : high[1], low[0] : high[0]] = values[nearest]
    return picture


def _dataset(masks, altitudes, beliefs):
    """A clip that is put together without files."""
    T, H, W = masks.shape
    clip = SegmentedVideo.__new__(SegmentedVideo)
    clip.fps, clip.data_resolution = FPS, (W, H)
    clip.known = ClipInfo(FPS, altitudes, beliefs.altitude_m, fin_out_sd_m=beliefs.depth_m)
    clip.center_normalization = torch.tensor([W, H])
    clip.frames = torch.zeros((), dtype=torch.uint8).expand(T, H, W, 3)
    clip.masks = torch.from_numpy(masks.astype(np.uint8) * 255)
    rows, columns = np.arange(H), np.arange(W)
    centres = [(m.sum(0) @ columns / m.sum(), m.sum(1) @ rows / m.sum()) for m in masks]
    clip.segment_centers = torch.tensor(centres, dtype=torch.float32)
    clip.cam_eye = torch.zeros(T, 3)
    clip.cam_eye[:, 1] = torch.from_numpy(altitudes)
    clip.cam_at, clip.cam_up = torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])
    return clip


def measured(rest, faces, edges):
    """What is measured on an animal at rest (V, 3). -> {name: number}"""
    vertices = torch.as_tensor(rest)
    found = {"length": float(body_length(vertices)), "volume": float(mesh_volume(vertices, faces))}
    spans = body_spans(vertices.cpu().numpy(), edges)
    return found | {f"width {100 * s:.0f} %": float(span) for s, span in zip(STATIONS, spans)}


def fit_clip(clip, model, beliefs=BELIEFS, epochs=EPOCHS):
    """Fits a clip. -> what was found of it, for results.json"""
    start = time.perf_counter()
    torch.manual_seed(0)
    scene = DolphinScene(model, len(clip.dataset), texture_size=8)
    way = DefaultRecipe(scene, clip.dataset, 7, epochs, 0)
    depth = refraction.apparent_height(way.depth)
    with contextlib.redirect_stderr(None):
        fit(scene, way.loader, way.render, way.compute_loss, way.optimizer, epochs)
    fitted = time.perf_counter()
    edges = body_edges(model)

    def measure(rest):
        return measured(rest, model.F, edges)

    found = intervals(scene, clip.dataset, way.held_by(clip.dataset.known), measure, beliefs)
    found["mass"] = found["volume"].times(body_mass(1.0), density=beliefs.density)
    seconds = [fitted - start, time.perf_counter() - fitted]
    truth = measured(clip.rest, model.F, edges)
    truth["mass"] = truth["volume"] * clip.density
    rows = {name: [one.median, one.low, one.high, truth[name]] for name, one in found.items()}
    read = float(clip.dataset.cam_eye[:, 1].mean())
    off = math.log((read - depth) / (clip.altitude_m - depth))
    by = {name: found[name].sources for name in SIZES}
    given, true = clip.dataset.masks > 127, clip.true_masks
    more = dict(by=by, altitude_off=off, masks=float(mask_iou(true, given).mean()), seconds=seconds)
    rest = scene.rest_shape().detach().cpu().numpy()
    more |= dict(shift=shift_of(given.numpy(), true.numpy()), flatness=flatness(rest, clip.rest, edges))
    return dict(numbers=rows, elliptical=by_ellipses(clip.dataset, model, depth), **more)


def shift_of(masks, true_masks):
    """By how many pixels masks lie outside the true ones, over all frames and all around. (T, H, W) bool"""
    from scipy.ndimage import gaussian_filter

    around = sum(
        np.hypot(*np.gradient(gaussian_filter(mask.astype(float), 1.0))).sum() for mask in true_masks
    )
    return float((np.sum(masks, dtype=float) - np.sum(true_masks, dtype=float)) / around)


def flatness(found, truth, edges):
    """The logarithm of height over width, found over true, where the body's volume is: of (V, 3) at rest."""
    (wide, high), (true_wide, true_high) = (
        [body_spans(of, edges, k) for k in (0, 1)] for of in (found, truth)
    )
    weights = true_wide * true_high
    return float(np.nansum(weights * np.log(high / wide * true_wide / true_high)) / np.nansum(weights))


def parts_of_volume(figures):
    """What made the volume's errors: root mean squares of what adds up to them, shares. -> {what: RMS}"""
    off, _ = errors(figures, "volume")
    altitude = POWERS["volume"] * numbers(figures["altitude_off"])
    flat, shift = numbers(figures["flatness"]), numbers(figures["shift"])
    left = off - altitude - flat
    by_shift = shift * (shift @ left / (shift @ shift))
    parts = {"all of it": off, "the altitude": altitude, "height over width, which no outline shows": flat}
    parts |= {"masks that are too large or too small all around": by_shift, "the rest": left - by_shift}
    return {what: float(np.sqrt(np.mean(np.square(values)))) for what, values in parts.items()}


def by_ellipses(dataset, model, depth):
    """What a biologist gets from the same masks. -> length, volume

    Of the frames whose mask is no smaller than usual, the one in which the animal is longest. depth: the
    apparent height of the body, metres, negative. The heights are those of its kind: the
    template's, over its widths. Altitude and depth are those that the fit was given.
    """
    plain, edges = (model.V[0] * model.global_scale).cpu().numpy(), body_edges(model)
    ratios = body_spans(plain, edges, 1) / body_spans(plain, edges)
    focal = dataset.lens.focal_pixels(dataset.data_resolution[0])
    masks, found = dataset.masks.numpy() > 127, []
    areas = masks.sum((1, 2))
    whole = areas >= np.median(areas)
    for mask, eye in zip(masks[whole], dataset.cam_eye[whole, 1].tolist()):
        with contextlib.suppress(CourseError):  # a frame whose mask is in pieces is not chosen
            length, _, volume = elliptical_model(mask, (eye - depth) / focal, ratios)
            found.append((length, volume))
    return dict(zip(("length", "volume"), max(found)))


def measure_calibration(clips=CLIPS, epochs=EPOCHS, first=0):
    """Clips of animals drawn at random. -> figures: lists of one value for each clip, by name"""
    model, rows = DolphinModel(find_pack(), rodrigues=batch_rodrigues), []
    for seed in range(first, first + clips):
        rows.append(fit_clip(make(seed), model, epochs=epochs))
        print(f"clip {seed}: {rows[-1]['seconds'][0]:.1f} s + {rows[-1]['seconds'][1]:.1f} s", flush=True)
    return summed_up(rows, epochs)


def summed_up(rows, epochs=EPOCHS):
    """The figures of clips, each as `fit_clip` gives it."""
    figures = dict(clips=len(rows), frames=FRAMES, epochs=epochs, numbers={}, elliptical={}, by={})
    for name in rows[0]["numbers"]:
        columns = zip(*(row["numbers"][name] for row in rows))
        lists = dict(zip(("found", "low", "high", "truth"), columns))
        figures["numbers"][name] = {key: written(values) for key, values in lists.items()}
    for name in ("length", "volume"):
        figures["elliptical"][name] = written(row["elliptical"][name] for row in rows)
    for name in SIZES:
        sds = {source: [row["by"][name].get(source, 0.0) for row in rows] for source in SOURCES}
        figures["by"][name] = {source: round(float(np.mean(values)), 5) for source, values in sds.items()}
    for key in ("altitude_off", "masks", "shift", "flatness"):
        figures[key] = written(row[key] for row in rows)
    seconds = np.median([row["seconds"] for row in rows], 0)
    return figures | dict(seconds_fit=round(seconds[0], 2), seconds_intervals=round(seconds[1], 2))


def written(values):
    """Numbers as one line of a text: a file of thousands stays short."""
    return " ".join(f"{value:.4g}" for value in values)


def numbers(text):
    """What `written` wrote. -> (N,)"""
    return np.array(text.split(), float)


def errors(figures, name, aside=False):
    """Logarithms of found over truth, (N,), and half of the intervals' widths, (N,); of small ones, shares.

    aside: without what the altitude's bias does.
    """
    lists = figures["numbers"][name]
    found, low, high, truth = (numbers(lists[key]) for key in ("found", "low", "high", "truth"))
    off = np.log(found / truth)
    if aside:
        off = off - numbers(figures["altitude_off"]) * POWERS.get(name, 1)
    return off, np.log(high / low) / 2
