"""Where the time of a step goes, and what it grows with."""

import copy
import statistics
import time
from unittest import mock

import torch

from course_lib.assets import find_pack
from course_lib.kal import dibr
from course_lib.video import SegmentedVideo
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe, TutorialRecipe

from .fits import prepare, seconds_of_fit

STAGES = ("load and crop", "skin", "render", "loss", "backward", "optimiser", "rest")


class Timed:
    """Loader, renderer, loss and optimiser of a recipe, for `fit`: they note the time, the loop is no copy.

    steps: for each step of the loop a dict of the seconds of each stage. `backward` is all between loss and
    optimiser; `rest` is clamping, bookkeeping and setting gradients to zero.
    """

    def __init__(self, scene, recipe):
        self.scene, self.recipe, self.steps = scene, recipe, []

    def fit(self, start, stop):
        """Passes start .. stop - 1 of the recipe's schedule."""
        parts = self, self.render, self.compute_loss, self
        self.recipe.loader.passes = start
        fit(self.scene, *parts, stop - start)

    def lap(self, stage):
        now = time.perf_counter()
        self.steps[-1][stage] += now - self.last
        self.last = now

    def __len__(self):
        return len(self.recipe.loader)

    def __iter__(self):
        batches = iter(self.recipe.loader)
        for _ in range(len(self)):
            self.steps.append(dict.fromkeys(STAGES, 0.0))
            self.last = time.perf_counter()
            frames = next(batches)
            self.lap("load and crop")
            yield frames
            self.lap("rest")

    def render(self, scene, t, cam):
        def skin(t):
            self.lap("render")
            vertices = type(scene).skin(scene, t)
            self.lap("skin")
            return vertices

        self.lap("rest")
        with mock.patch.object(scene, "skin", skin, create=True):
            rendered = self.recipe.render(scene, t, cam)
        self.lap("render")
        return rendered

    def compute_loss(self, *arguments):
        terms = self.recipe.compute_loss(*arguments)
        self.lap("loss")
        return terms

    def zero_grad(self):
        self.recipe.optimizer.zero_grad()

    def step(self):
        self.lap("backward")
        self.recipe.optimizer.step()
        self.lap("optimiser")


def show_whole_frames(loader):
    """Switches the exact crop of a `WindowLoader` off."""

    def place(t, cam):
        zero = torch.zeros(len(t), dtype=torch.long)
        return zero, zero, cam.width, cam.height

    loader.place = place


def only_backend(name):
    """While it lasts, rendering is done by this backend."""
    return mock.patch.object(dibr.dispatch, "available_backends", lambda device="cpu": [name])


def steps_of(recipe, dataset, crop, epochs=50):
    """A function that goes through the clip once more, and returns the seconds of its steps by stage."""
    scene, way = prepare(recipe, dataset, epochs)
    if not crop:
        show_whole_frames(way.loader)

    def once():
        timed = Timed(scene, way)
        timed.fit(0, 1)
        return timed.steps

    return once


def measure_steps(frames=70, rounds=4, torch_frames=21):
    """Medians of a step of 7 frames. -> {"recipe; backend; frames shown": {stage: ms, "step": ms}}

    The variants take turns, a pass each, so that a busy moment of the machine falls on all. The first turn
    warms up.
    """
    counts = {"numba": frames, "torch": torch_frames}
    recipes = {"default": DefaultRecipe, "tutorial": TutorialRecipe}
    variants, found = {}, {}
    for backend in dibr.available_backends("cpu"):
        video = SegmentedVideo(find_pack(), frames=counts[backend])
        for crop, shown in ((True, "crop"), (False, "whole frame")):
            for name, recipe in recipes.items():
                variants[f"{name}; {backend}; {shown}"] = backend, steps_of(recipe, video, crop)
    for turn in range(rounds + 1):
        for name, (backend, once) in variants.items():
            if backend == "torch" and turn > 2:  # slow, and only there to compare with
                continue
            with only_backend(backend):
                steps = once()
            if turn > 0:
                found.setdefault(name, []).extend(steps)
    return {name: medians(steps) for name, steps in found.items()}


def medians(steps):
    """Milliseconds of each stage, and of the steps as wholes; medians of parts do not add up."""
    of = {stage: [step[stage] for step in steps] for stage in STAGES}
    of["step"] = [sum(step.values()) for step in steps]
    found = {name: round(1000 * statistics.median(seconds), 2) for name, seconds in of.items()}
    return found | {"steps": len(steps)}


def measure_scaling(counts=(50, 100, 200), wide_frames=49, epochs=6, rounds=3):
    """Milliseconds per frame and pass, against the number of frames and against their size.

    By turns, medians of `rounds`; each is a whole fit of few passes: all parts of the schedule have their
    share. The larger frames have the dolphin as large in pixels.
    """
    video, short = SegmentedVideo(find_pack()), SegmentedVideo(find_pack(), frames=wide_frames)
    width, height = video.data_resolution
    sizes = {f"{width} x {height}": short, f"{2 * width} x {2 * height}": from_higher_up(short)}
    recipes = {"default": DefaultRecipe, "tutorial": TutorialRecipe}
    variants = {}
    for name, recipe in recipes.items():
        for n in counts:
            variants[f"{name}; {n} frames"] = recipe, first(video, n), True
    for name, recipe in recipes.items():
        for crop, shown in ((True, "crop"), (False, "whole frame")):
            for size, clip in sizes.items():
                variants[f"{name}; {shown}; {size}"] = recipe, clip, crop
    found = {name: [] for name in variants}
    for _ in range(rounds):
        for name, (recipe, clip, crop) in variants.items():
            scene, way = prepare(recipe, clip, epochs)
            if not crop:
                show_whole_frames(way.loader)
            found[name].append(1000 * seconds_of_fit(scene, way, epochs) / (epochs * len(clip)))
    kept = {"ms_per_frame": statistics.median, "least": min, "most": max}
    return {name: {key: round(of(ms), 3) for key, of in kept.items()} for name, ms in found.items()}


def first(video, frames):
    """The first frames of a clip that is in memory already."""
    clip = copy.copy(video)
    for name in ("frames", "masks", "segment_centers", "cam_eye"):
        setattr(clip, name, getattr(video, name)[:frames])
    return clip


def from_higher_up(video, times=2):
    """The same clip from `times` the altitude, with as many times the pixels each way.

    The dolphin has as many pixels as before. The sea that comes into view around the clip is one grey.
    """
    clip = copy.copy(video)
    width, height = video.data_resolution
    left, top = (times - 1) * width // 2, (times - 1) * height // 2
    clip.data_resolution = (times * width, times * height)
    clip.center_normalization = video.center_normalization * times
    clip.cam_eye = video.cam_eye * times
    clip.segment_centers = video.segment_centers + torch.tensor([left, top])
    for name, value in (("frames", 100), ("masks", 0)):
        images = getattr(video, name)
        shape = len(images), times * height, times * width, *images.shape[3:]
        larger = torch.full(shape, value, dtype=images.dtype)
        larger[:, top : top + height, left : left + width] = images
        setattr(clip, name, larger)
    return clip
