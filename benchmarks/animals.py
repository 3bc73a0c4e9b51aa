"""Other animals than the template: clips of masks alone, and what the default recipe makes of them.

An animal (benchmarks/bodies.py) swims as a bent beam, not by linear blend skinning. Its masks are what
truly covers the pixels, with the errors of a segmenter; there is no photograph, as colours do not move a fit.
Half of the animals were looked at while the modes and weights were chosen, the others were not.
"""

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from course_lib import metrics
from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.dolphin_model.shape_modes import GRID, sections, stock_length
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from dolphins import demo
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe
from solutions.rotations import batch_rodrigues

from .bodies import ANIMALS, Body
from .clip_programs import make_clip, volume

FRAMES = 100
FPS, HEIGHT, WIDTH = make_clip.FPS, make_clip.HEIGHT, make_clip.WIDTH
FIN_OUT = 0.05  # m, of the dorsal fin's tip above the surface: depth is not what is tried here
WIDTHS_AT = np.linspace(0.1, 0.85, 16)  # of length, from the flukes: where widths are compared


def widths(vertices, body):
    """Of the body without its fins at WIDTHS_AT, metres. vertices (V, 3), body (V,) bool"""
    z = vertices[:, 2]
    half, _, _ = sections(vertices, body, (z - z.min()) / np.ptp(z))
    return 2 * np.interp(WIDTHS_AT, GRID, half)


class Swimmer:
    """An animal under way: a beam that bends, with flippers that flap."""

    def __init__(self, animal, model):
        self.animal, self.rest = animal, Body(animal, model)
        fine = np.arange(-0.1, FRAMES / FPS + 0.1, 1e-3)
        heading, speed = np.deg2rad(self.heading(fine)), 0.7 * animal.length
        path = np.cumsum(speed * np.stack([np.sin(heading), np.cos(heading)], -1) * 1e-3, 0)
        self.fine, self.path = fine, path - (path.min(0) + path.max(0)) / 2
        self.up = FIN_OUT - self.rest.vertices[:, 1].max()

    def heading(self, t):
        """Degrees."""
        start, rate, swing = self.animal.heading
        return start + rate * t + swing * np.sin(2.2 * t + 0.4)

    def surface(self, t):
        """World vertices (V, 3)."""
        rest, rate = self.rest, self.animal.heading[1]
        beat = 2 * np.pi * self.animal.beat * t
        spine, side, over = self.beam(t, beat)  # each (V, 3)
        y = rest.vertices[:, 1] + rest.flap * np.sin(np.deg2rad(6 + 8 * np.sin(0.9 * t)))
        bent = spine + rest.vertices[:, :1] * side + y[:, None] * over
        turn = make_clip.rotation(1, np.deg2rad(self.heading(t)))
        turn = turn @ make_clip.rotation(0, np.deg2rad(1.5 + 2 * np.sin(beat + 0.9)))
        turn = turn @ make_clip.rotation(2, np.deg2rad(-0.25 * rate + 2 * np.sin(2.1 * t)))
        x, z = (np.interp(t, self.fine, self.path[:, axis]) for axis in (0, 1))
        return bent @ turn.T + [x, self.up + 0.02 * np.sin(1.4 * t), z]

    def beam(self, t, beat):
        """Where the bent axis runs at each vertex, and what is left and up there. -> three of (V, 3)"""
        at = self.rest.vertices[:, 2]
        z = np.linspace(at.min(), at.max(), 160)
        behind, ahead = np.clip(z / at.min(), 0, None), np.clip(z / at.max(), 0, None)  # 0 to 1 at the ends
        yaw = 0.35 * self.animal.heading[1] * (ahead - 1.4 * behind) + 2.0 * np.sin(2.1 * t) * behind**2
        pitch = 26.0 * behind**2 * np.sin(beat - 1.9 * behind) + 2.5 * ahead * np.sin(beat + 1.8)
        yaw, pitch = np.deg2rad(yaw), np.deg2rad(pitch)
        ahead = np.stack([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1)
        side = np.stack([np.cos(yaw), 0 * yaw, -np.sin(yaw)], -1)
        spine = np.cumsum(ahead * (z[1] - z[0]), 0)
        along = spine - spine[np.argmin(np.abs(z))], side, np.cross(ahead, side)
        return [np.stack([np.interp(at, z, axis) for axis in field.T], 1) for field in along]

    def landmarks(self, vertices, up):
        """Pixel and radius of the tips that a segmenter may lose, as in make_clip."""
        x, s = self.rest.vertices[:, 0], self.rest.s
        pixels = (make_clip.project(vertices, up) * [1, -1] + 1) / 2 * [WIDTH, HEIGHT]
        per_metre, found = WIDTH / (2 * make_clip.HALF_WIDTH * up), {}
        for name, where, radius in (("fluke", s < 0.15, 0.08), ("fin", (s > 0.5) & (s < 0.85), 0.09)):
            for label, sign in (("left", 1), ("right", -1)):
                tip = np.argmax(np.where(where, sign * x, -9))
                found[f"{label} {name}"] = pixels[tip], radius * self.animal.length * per_metre
        return found


def make_clip_of(animal, model, folder):
    """Writes the clip of an animal: black frames, masks, altitudes. -> Swimmer, true masks (FRAMES, H, W)"""
    swimmer = Swimmer(animal, model)
    segment = make_clip.Segmenter(FRAMES)
    for name in ("frames", "segmentation", "metadata"):
        (folder / name).mkdir(parents=True)
    ups = make_clip.altitude(np.arange(FRAMES)) - make_clip.HOVER + animal.hover
    true = []
    for frame, up in enumerate(ups):
        vertices = swimmer.surface(frame / FPS)
        covered = make_clip.coverage(vertices, swimmer.rest.faces, up, 4)
        true.append(covered > 0.5)
        covered = seen_through_waves(covered, animal.waves, frame)
        mask = segment(frame, covered, swimmer.landmarks(vertices, up))
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "segmentation" / f"{frame:06d}.png")
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "frames" / f"{frame:06d}.jpg")
    np.save(
        folder / "metadata" / "altitude.npy", np.concatenate([np.zeros(50), 100 * ups]).astype(np.float32)
    )
    return swimmer, torch.from_numpy(np.stack(true))


def seen_through_waves(picture, pixels, frame, size=9.0):
    """A picture (H, W) whose points are shifted by waves of about 2 `size` pixels, by `pixels` on average."""
    if not pixels:
        return picture
    noise = np.random.default_rng(frame).normal(size=(2, HEIGHT, WIDTH)).astype(np.float32)
    shift = np.stack([cv2.GaussianBlur(n, (0, 0), size) for n in noise])
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + shift * (pixels / shift.std())
    return cv2.remap(picture, columns, rows, cv2.INTER_LINEAR)


class OutlineAlone(DefaultRecipe):
    """The default recipe without colours, which move nothing: these clips have none."""

    def finish(self):
        """Leaves the scene as it is."""


class PartsAlone(OutlineAlone):
    """Without modes: the sizes of the parts alone; and targets with what pixels do to thin tips."""

    RATES, CORRECTED = OutlineAlone.RATES | {"modes": 0.0}, ()


VARIANTS = {"parts alone": PartsAlone, "default": OutlineAlone}


def fit_animal(recipe, swimmer, true_masks, folder, epochs=50):
    """Fits the clip in a folder. -> figures: overlap, errors in %, shapes that are far from the template's"""
    dataset = SegmentedVideo(folder)
    torch.manual_seed(0)
    model = DolphinModel(find_pack(), rodrigues=batch_rodrigues)
    scene = DolphinScene(model, len(dataset))
    way = recipe(scene, dataset, 7, epochs, 0)
    started = time.perf_counter()
    fit(scene, way.loader, way.render, way.compute_loss, way.optimizer, epochs)
    seconds = time.perf_counter() - started
    way.finish()
    hard = torch.stack([hard[..., 0] > 0 for *_, hard, _ in demo.rendered_frames(scene, dataset)])
    fitted = demo.Fitted.of(scene)
    rest, body = fitted.rest.numpy(), swimmer.rest
    overlap, across = metrics.mask_iou(hard, true_masks), widths(rest, model.anatomy.body)
    figures = {
        "iou_mean": overlap.mean(),
        "iou_min": overlap.min(),
        "given_iou": metrics.mask_iou(dataset.masks > 127, true_masks).mean(),
        "length_error_pct": 100 * (np.ptp(rest[:, 2]) / body.length_m - 1),
        "volume_error_pct": 100 * (abs(volume(rest, fitted.faces.numpy())) / body.volume_m3 - 1),
        "widths_error_pct": 100
        * np.abs(across - widths(body.vertices, body.body)).mean()
        / widths(body.vertices, body.body).mean(),
        "depth_error_m": fitted.vertices[:, :, 1].amax(1).mean() - FIN_OUT,
        "seconds_fit": round(seconds, 1),
    }
    if body.stock_m:
        stock = stock_length(
            model.J_regressor[0].numpy() @ rest, model.LBS.seg_grouping.numpy(), model.anatomy
        )
        figures["stock_error_pct"] = 100 * (stock / body.stock_m - 1)
    return {name: float(value) for name, value in figures.items()}, scene


def measure(animals=tuple(ANIMALS), epochs=50):
    """Every animal's clip, fitted in each way of VARIANTS. -> {animal: {variant: figures}}"""
    model, found = DolphinModel(find_pack()), {}
    for name in animals:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder, "clip")
            swimmer, true_masks = make_clip_of(ANIMALS[name], model, folder)
            of_animal = found[name] = {"chosen_with": ANIMALS[name].chosen_with}
            for variant, recipe in VARIANTS.items():
                print(f"fit: {name}, {variant}", flush=True)
                of_animal[variant], _ = fit_animal(recipe, swimmer, true_masks, folder, epochs)
    return found
