"""Whole fits against the known truth: both recipes of `dolphins demo`, and variants of the default one."""

import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from course_lib import losses, metrics
from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND, Band
from dolphins import demo
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe, TutorialRecipe
from solutions.rendering import dibr_rendering, rasterize_features, shade
from solutions.results import body_length
from solutions.rotations import batch_rodrigues

from .clip_programs import make_clip

ROOT = Path(__file__).parents[1]
SEED = 123456789  # of `dolphins demo`
VARYING = ("seconds_fit", "seconds_total", "peak_rss_mb", "process_seconds", "processor_seconds")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}  # of programs that run elsewhere


def measure_fits(frames=None, epochs=50, runs=3):
    """Each recipe `runs` times by turns, each in its own process. -> {recipe: figures}

    What varies between the runs is a list.
    """
    found = {"default": [], "tutorial": []}
    for i in range(runs):
        for recipe, done in found.items():
            print(f"fit {i + 1} of {runs}, {recipe} recipe", flush=True)
            done.append(run_demo(recipe, frames, epochs))
    return {recipe: summary(done) for recipe, done in found.items()}


def measure_other(frames=None, epochs=50):
    """Each recipe once on another clip, see README.md. -> {recipe: figures}"""
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder, "pack")
        print("making another clip", flush=True)
        command = [sys.executable, ROOT / "assets" / "make_clip.py", "--other", pack]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        recipes = ("default", "tutorial")
        return {recipe: summary([run_demo(recipe, frames, epochs, pack)]) for recipe in recipes}


def run_demo(recipe, frames, epochs, pack=None, device=None, python=(sys.executable,)):
    """`dolphins demo` in a new process and an empty folder. -> its metrics.json, and the process's seconds"""
    given = dict(recipe=recipe, epochs=epochs, out="out", frames=frames, pack=pack, device=device)
    command = [*map(str, python), "-m", "dolphins", "demo"]
    for name, value in given.items():
        command += [] if value is None else [f"--{name}", str(value)]
    with tempfile.TemporaryDirectory() as folder:
        with open(Path(folder, "messages"), "w+") as messages:
            where = dict(cwd=folder, env=ENVIRONMENT, stdout=messages, stderr=messages)
            start = time.perf_counter()
            process = subprocess.Popen(command, **where)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                messages.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed:\n{messages.read()[-3000:]}")
        figures = json.loads(Path(folder, "out", "metrics.json").read_text())
    busy = usage.ru_utime + usage.ru_stime
    return figures | {"process_seconds": round(seconds, 2), "processor_seconds": round(busy, 2)}


def summary(runs):
    """The figures of one run, times as lists, and by how much the others differ: a fit is repeatable."""
    fixed = {name: value for name, value in runs[0].items() if name not in VARYING}
    numbers = [name for name, value in fixed.items() if isinstance(value, (int, float))]
    spread = max(abs(run[name] - fixed[name]) for run in runs for name in numbers)
    counted = {"runs": len(runs), "largest_difference_between_runs": spread}
    return fixed | counted | {name: [run[name] for run in runs] for name in VARYING}


def prepare(recipe, dataset, epochs=50, batch_size=7):
    """What `dolphins demo` fits, at its start: scene and recipe."""
    pack = find_pack()
    torch.manual_seed(SEED)
    model = DolphinModel(pack, rodrigues=batch_rodrigues)
    scene = DolphinScene(model, len(dataset), init_rot_up=pack.init_rot_up_deg)
    return scene, recipe(scene, dataset, batch_size, epochs, SEED)


def seconds_of_fit(scene, way, epochs):
    """Fits a scene in the way of a recipe, all passes, without what it does afterwards. -> seconds"""
    start = time.perf_counter()
    parts = way.loader, way.render, way.compute_loss, way.optimizer
    fit(scene, *parts, epochs)
    return time.perf_counter() - start


def fit_and_measure(recipe, dataset, epochs=50):
    """A whole fit with a recipe class of your own. -> figures as in metrics.json, and one more

    That is depth_error_m_mean, the mean depth error with its sign.
    """
    scene, way = prepare(recipe, dataset, epochs)
    start = time.perf_counter()
    seconds_of_fit(scene, way, epochs)
    way.finish()
    seconds = time.perf_counter() - start
    hard_masks = torch.stack([hard[..., 0] > 0 for *_, hard, _ in demo.rendered_frames(scene, dataset)])
    truth = metrics.load_truth(find_pack().truth_path, len(dataset))
    figures, per_frame = demo.measure(scene, demo.Fitted.of(scene), hard_masks, dataset.masks, truth)
    depth_error = float(per_frame["depth_error_m"].mean())
    return figures | {"depth_error_m_mean": depth_error, "seconds_fit": round(seconds, 2)}


def measure_variants(variants, frames=None, epochs=50):
    """Whole fits with the recipe classes `variants`, a dict. -> {name: figures}"""
    dataset, found = SegmentedVideo(find_pack(), frames=frames), {}
    for name, recipe in variants.items():
        print(f"fit: {name}", flush=True)
        found[name] = fit_and_measure(recipe, dataset, epochs)
    return found


class TutorialFromOurStart(TutorialRecipe):
    """Place and heading of the default start; then the tutorial's losses and rates."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        DefaultRecipe(*arguments)  # for what it does to the scene


class DefaultFromTutorialsStart(DefaultRecipe):
    """Every frame at one heading, at the surface; then the default's losses and rates."""

    def __init__(self, scene, *arguments):
        start = scene.rotations().detach()
        super().__init__(scene, *arguments)
        TutorialRecipe(scene, *arguments)  # for where it places the dolphin
        scene.anchor(start)


class SoftMask(DefaultRecipe):
    """The IoU of a soft mask, as in the tutorial, instead of distances to the outline."""

    BAND, CORRECTED = TUTORIAL_BAND, ()

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.loader.images = ("segmented",)

    def render(self, scene, t, cam):
        features, soft_mask = dibr_rendering(scene.skin(t), cam, scene.model, self.BAND)
        return None, features[-1], soft_mask

    def compute_loss(self, scene, frames, image, hard_mask, soft_mask):
        terms = super().compute_loss(scene, frames, image, hard_mask, frames["outline"])
        terms["outline"] = losses.iou_loss(soft_mask, frames["segmented"], frames["segmented_outside"])
        return terms


class SharpSoftMask(SoftMask):
    """The same with a band ten times as sharp."""

    BAND = Band(sigmainv=10 * TUTORIAL_BAND.sigmainv)


class ColourMoves(DefaultRecipe):
    """The picture moves the animal, from the first pass on."""

    RATES = DefaultRecipe.RATES | {"skin": 0.02, "light": 0.02}

    def __init__(self, scene, *arguments):
        super().__init__(scene, *arguments)
        self.loader.images = ("original",)
        light = [scene.azimuth, scene.elevation, scene.strength, scene.angle]
        for name, values in ("skin", [scene.dolphin_albedo, scene.water_absorption]), ("light", light):
            self.optimizer.add_param_group({"params": values, "name": name})

    def render(self, scene, t, cam):
        *_, distance = super().render(scene, t, cam)
        features, *_ = rasterize_features(scene.skin(t), cam, scene.model)
        return shade(scene, cam, features), features[-1], distance


class WideBand(DefaultRecipe):
    """The outline's band stays 4 pixels wide."""

    REACH = (4.0, 4.0)


def without(*terms):
    """The default recipe without some of its terms."""
    return type("Without", (DefaultRecipe,), {"WEIGHTS": DefaultRecipe.WEIGHTS | dict.fromkeys(terms, 0.0)})


def assuming(offset):
    """The default recipe, which takes the animal to swim `offset` metres higher than the clip says."""

    class Assuming(DefaultRecipe):
        def __init__(self, scene, dataset, *others):
            clip = copy.copy(dataset)
            clip.known = replace(clip.known, fin_out_m=clip.known.fin_out_m + offset)
            super().__init__(scene, clip, *others)

    return Assuming


ABLATIONS = {
    "default recipe": DefaultRecipe,
    "its start, then the tutorial's losses and rates": TutorialFromOurStart,
    "the tutorial's start, then its losses and rates": DefaultFromTutorialsStart,
    "IoU of the tutorial's soft mask": SoftMask,
    "IoU of a soft mask ten times as sharp": SharpSoftMask,
    "the band stays 4 pixels wide": WideBand,
    "colour moves the animal, from the first pass": ColourMoves,
    "no steadiness over time": without("steady_place", "steady_turn", "steady_joints"),
    "no shape priors": without("scale_global", "scale_axes", "scale_smoothness"),
    "no depth prior": without("depth"),
}
DEPTHS = {f"{offset:+.1f} m": assuming(offset) for offset in (-0.2, 0.0, 0.2)}

RISING = dict(SEED=11, FRAMES=50, FPS=20, HEAVE=0.10, DEPTH=0.50, SHARP_TURN=0.0, WIDE_TURN=-25.0, BANK=7.0)
RISING |= dict(HEADING_MIDDLE=-20.0, SPEED=1.4, BEAT=1.4, HOVER=11.3, PATH_CENTRE=(0.2, 0.1))
WRONG, WRONG_SD = (-0.07, -0.15), 0.1  # metres: by which what is said of the fin is off; the sd that is said
APART = 8  # frames


def measure_cues(pack=None, epochs=30):
    """What tells the depth where it was said wrongly. -> {row: figures}

    Frames in which the fin surfaces, and colours: figures with and without what these say of the heave. pack:
    of a clip in which the animal rises and sinks; it is drawn if none is given.
    """
    if pack is None:
        with tempfile.TemporaryDirectory() as folder:
            make_clip.make_pack(Path(folder, "pack"), os.cpu_count(), RISING)
            return measure_cues(Path(folder, "pack"), epochs)
    pack, found = find_pack(pack), {}
    truth = metrics.load_truth(pack.truth_path)
    tip = int(DolphinModel(pack).V[0, :, 1].argmax())
    heights = truth.vertices[:, tip, 1]
    frames = []
    for t in heights.abs().argsort().tolist():  # a person sees when it breaks the surface
        if all(abs(t - other) >= APART for other in frames):
            frames.append(t)
    for off in WRONG:
        for count in (0, 1, 3):
            dataset = SegmentedVideo(pack, fps=RISING["FPS"])
            said = dict(fps=dataset.fps, surfaced=tuple(("fin", t) for t in frames[:count]))
            said |= dict(fin_out_m=float(heights.mean()) + off, fin_out_sd_m=WRONG_SD)
            dataset.known = replace(dataset.known, **said)
            scene, way = prepare(DefaultRecipe, dataset, epochs)
            seconds_of_fit(scene, way, epochs)
            figures = _of_depth(scene, dataset, truth, tip, "outline")
            way.finish()
            row = f"{-100 * off:.0f} cm too deep, {count or 'no'} frame{'' if count == 1 else 's'} named"
            found[row] = figures | _of_depth(scene, dataset, truth, tip, "colour")
            print(row, found[row], flush=True)
    return found


@torch.no_grad()
def _of_depth(scene, dataset, truth, tip, after):
    off = scene.skin(torch.arange(len(dataset)))[:, tip, 1] - truth.vertices[: len(dataset), tip, 1]
    length = float(body_length(scene.rest_shape())) / truth.length_m - 1
    figures = dict(depth_error_m=off.mean(), heave_error_m=off.std(), depth_sd_m=dataset.known.fin_tip[1])
    figures |= dict(length_error_pct=100 * length)
    return {f"{name}_{after}": float(value) for name, value in figures.items()}
