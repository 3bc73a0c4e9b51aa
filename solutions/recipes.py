"""The default recipe and the tutorial's: start, losses, weights and learning rates of a fit.

A recipe says how the scene starts, what is rendered, what is minimised, and at which rates: all that `fit`
takes besides the scene. benchmarks/README.md has both measured against the known truth.
"""

import math

import numpy as np
import torch

from course_lib import losses, priors, refraction
from course_lib.appearance import fit_appearance
from course_lib.heave import settle_mean
from course_lib.outline import (
    OutlineTargets,
    as_segmented,
    face_neighbours,
    outline_distance,
    outline_loss,
    rim_corners,
    silhouette,
)
from course_lib.photogrammetry import along_and_across
from course_lib.rotations import rotmat_to_steady_rotvec
from course_lib.scene import init_translations
from course_lib.window import TUTORIAL_BAND, WindowLoader

from .rendering import absorb, rasterize_features, render
from .rotations import batch_rodrigues

# What moves the outline of a scene.
MOVING = ("global_poses", "joint_poses", "translations", "part_scales", "shape_modes", "anchors")


class TutorialRecipe:
    """The tutorial's losses, weights and learning rates; at the start every frame has one heading.

    The heading is the scene's `init_rot_up`. The tutorial takes 0 degrees, which suits its clip; the embedded
    pack says -90: from there three quarters of its frames are within 90 degrees of the true heading, from 0
    only half. Only the window around the dolphin is rendered, which changes nothing but the time
    (course_lib.window).
    """

    name = "tutorial"

    def __init__(self, scene, dataset, batch_size, steps, seed):
        self.scene, self.band = scene, TUTORIAL_BAND.for_lens(dataset.lens)
        with torch.no_grad():
            scene.translations.copy_(init_translations(dataset))
        self.loader = WindowLoader(dataset, scene, batch_size, seed=seed)
        groups = [
            {"params": [scene.translations, scene.part_scales], "lr": 0.01},
            {"params": [scene.global_poses, scene.joint_poses], "lr": 0.01},
            {"params": [scene.dolphin_albedo, scene.water_absorption], "lr": 0.001},
            {"params": [scene.azimuth, scene.elevation, scene.strength, scene.angle], "lr": 0.01},
        ]
        self.optimizer = torch.optim.Adam(groups, fused=True)

    def finish(self):
        """Leaves the orientation as it was optimised, jumps and all: the epilogue looks at them."""

    def state_dict(self):
        """Nothing: scene, optimiser and passes are all that going on after an interruption needs."""
        return {}

    def load_state_dict(self, state):
        """Takes over what `state_dict` gave."""

    def render(self, scene, t, cam):
        return render(scene, t, cam, self.band)

    def compute_loss(self, scene, frames, image, hard_mask, silhouette):
        return losses.compute_loss(scene, frames, image, hard_mask, silhouette)


class DefaultRecipe:
    """The tutorial's recipe with its faults mended.

    Start. The heading is read from the masks: their long axis, and of its two directions the one in which the
    animal swims. The tutorial starts every frame at one heading; most frames more than 90 degrees away from
    it end up tail first.

    Orientation. Measured from that start (`DolphinScene.anchor`), so that the rotation vectors stay short.
    There is no jump at pi, pitch and roll mean the same in every frame, and smoothness over time can be asked
    of the rotation itself.

    Silhouette. Distances to the outline (course_lib.outline) instead of the IoU of a mask that is too large.
    The band narrows from 4 pixels, which catch a rough start, to 2, where only the outline counts. What
    pixels do to thin tips is taken off twice, as the fit's own masks show it (CORRECTED).

    Shape. Besides the sizes of its parts, smooth modes of girth, stretch and fins, with a prior
    (course_lib.dolphin_model.shape_modes).

    Time. Changes of velocity cost, not velocity: a swimming animal moves, and the tutorial's prior slows it
    down.

    Water. What is under it is drawn where it seems to be, at about three quarters of its depth
    (course_lib.refraction).

    Depth. One camera cannot tell a small shallow dolphin from a large deep one: from 11 m, 1 % of length
    looks like 15 cm of depth. So the mean depth is assumed, not measured: from how far the tip of the dorsal
    fin is out of the water on average, `fin_out_m` of the clip, give or take `fin_out_sd_m`. The embedded
    clip shows a trail of foam behind the fin, so its tip is a few centimetres above the surface. If your clip
    does not show that, say what you believe: `dolphins clip --fin-out`, `dolphins demo --fin-out`.

    Colour. The picture does not move the animal: waves refract it, glints cover it, and its grey skin has few
    marks. Skin, light and water are fitted once, by `finish`, when the animal is in place; and the light is
    less simple than the tutorial's (course_lib.appearance). One thing colours say that outlines do not: by
    how much the animal rises and sinks during the clip (course_lib.heave). `finish` raises it by that.
    """

    name = "default"

    REACH = (4.0, 2.0)  # pixels, first and last pass
    RATES = {"place": 0.01, "turn": 0.01, "shape": 0.005, "modes": 0.03}
    CORRECTED = (0.5, 0.75)  # shares of the passes after which the targets are corrected
    WATER_INDEX = refraction.SEA_WATER

    WEIGHTS = {"outline": 1.0, "photometric": 1.0, **priors.WEIGHTS}

    def __init__(self, scene, dataset, batch_size, steps, seed):
        self.scene, self.dataset, self.steps = scene, dataset, steps
        self.pace = priors.pace_of(dataset.fps)
        self.weights = priors.weights_for(dataset.known, self.WEIGHTS)
        scene.water_index = self.WATER_INDEX
        (self.fin_out, _), self.outline_of = dataset.known.fin_tip, None
        self.depth = self.height_of_origin()
        with torch.no_grad():
            scene.translations.copy_(init_translations(dataset, self.depth, self.WATER_INDEX))
        headings = headings_from_masks(dataset, scene.translations)
        scene.anchor(batch_rodrigues(headings.to(scene.translations)))
        self.neighbours = face_neighbours(scene.model.F)
        device, sure = scene.translations.device, dataset.confidence
        self.targets = OutlineTargets(dataset.masks, self.REACH[0], device, sure)
        margin = math.ceil(self.REACH[0]) + 2
        how = dict(seed=seed, layers=[self.targets], before_pass=self.before_pass)
        self.loader = WindowLoader(dataset, scene, batch_size, margin, **how)
        self.loader.images = ()
        groups = [
            {"params": [scene.translations], "name": "place"},
            {"params": [scene.global_poses, scene.joint_poses], "name": "turn"},
            {"params": [scene.part_scales], "name": "shape"},
            {"params": [scene.shape_modes], "name": "modes"},
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)

    @torch.no_grad()
    def height_of_origin(self):
        """Where the origin is with the fin's tip where it is assumed, at the present size. -> metres"""
        return self.fin_out - float(self.scene.rest_shape()[:, 1].max())

    def state_dict(self):
        """What going on after an interruption needs, beside the scene, the optimiser and the passes."""
        return {} if self.outline_of is None else {"outline_of": self.outline_of}

    def load_state_dict(self, state):
        """Takes over what `state_dict` gave."""
        if "outline_of" in state:
            now = self.scene.parameter_dict()
            self.scene.load_parameters(now | state["outline_of"])
            self.correct_targets()
            self.scene.load_parameters(now)

    @torch.no_grad()
    def correct_targets(self):
        """Takes off the targets what pixels do to the outline of the animal as it is now."""
        reach, layers = self.targets.reach, self.loader.layers
        now = self.scene.parameter_dict()
        self.outline_of = {name: now[name] for name in MOVING}
        self.targets.set_reach(self.REACH[0])
        self.loader.layers = [lambda t, *window: {"corner": window[:2]}]
        self.targets.correct(self._as_segmented())
        self.loader.layers = layers
        self.targets.set_reach(reach)

    def _as_segmented(self):
        """The animal as it is now, as a segmenter would see it: batches as `OutlineTargets.correct` takes."""
        scene, loader = self.scene, self.loader
        for t in torch.arange(len(self.dataset)).split(loader.batch_size):
            frames = loader.batch(t)
            seen = *projected(scene, frames["t"], frames["cam"]), frames["cam"]
            yield t, *frames["corner"], as_segmented(*seen, scene.model.F), self.distance(*seen).cpu()

    def before_pass(self, step):
        """Narrows the band, lowers the rates along a cosine, corrects the targets when it is time to."""
        self.depth = self.height_of_origin()
        if step and step in [int(share * self.steps) for share in self.CORRECTED]:
            self.correct_targets()
        done = step / max(self.steps - 1, 1)
        self.targets.set_reach(self.REACH[0] + (self.REACH[1] - self.REACH[0]) * done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.RATES[group["name"]] * (0.03 + 0.97 * (1 + math.cos(math.pi * done)) / 2)

    def render(self, scene, t, cam):
        """The distance to the outline takes the soft mask's place; the picture does not move the animal."""
        return None, None, self.distance(*projected(scene, t, cam), cam)

    def distance(self, in_camera, on_image, cam):
        """Distances (B, H, W) to the outline of the animal, whose vertices are given as by `projected`."""
        faces = self.scene.model.F
        faces_image, face_idx = silhouette(in_camera, on_image, cam, faces)
        corners = rim_corners(on_image, faces, faces_image, self.neighbours)
        return outline_distance(corners, face_idx, cam, self.targets.reach)

    def compute_loss(self, scene, frames, image, hard_mask, silhouette):
        outline, outside = frames["outline"], frames["outline_outside"]
        weight = frames["outline_weight"]
        terms = {"outline": outline_loss(silhouette, outline, self.targets.reach, outside, weight)}
        terms |= priors.terms(scene, self.pace, self.depth)
        if image is not None:
            terms["photometric"] = losses.photometric_loss(image, frames["original"], hard_mask)
        return losses.weighted(terms, self.weights)

    @classmethod
    def held_by(cls, known):
        """What holds a fit besides the outline, for `course_lib.uncertainty`; known: `ClipInfo`."""
        return priors.held_by(known, cls.WEIGHTS)

    @torch.no_grad()
    def finish(self):
        """Fits skin, light and water; writes the orientation as vectors that do not jump at half a turn."""
        # Not by exercise 9, which is a lesson later: the fit must be right where that is still to be written.
        scene = self.scene
        self.heave = fit_appearance(scene, self.dataset, rasterize_features, absorb)
        if self.heave is not None:
            settle_mean(scene, self.dataset, self.heave[1])
        vectors = rotmat_to_steady_rotvec(scene.rotations())
        scene.anchor(torch.eye(3).to(vectors).expand(len(vectors), 3, 3))
        scene.global_poses.copy_(vectors[:, None])


def projected(scene, t, cam):
    """A scene's vertices in the frames t (B,), in the cameras' space and on their images.

    -> in_camera (B, V, 3), on_image (B, V, 2)
    """
    in_camera = cam.extrinsics.transform(scene.skin(t))
    return in_camera, cam.intrinsics.transform(in_camera)[..., :2]


def headings_from_masks(dataset, translations):
    """Rotation vectors about the vertical, from the masks' long axes and the direction of travel. -> (T, 3)

    translations: (T, 1, 3), where the masks' centres are in the world. The vectors are continuous. An axis
    has two directions: its angle is known up to half a turn. Unwrapped in half turns over time and smoothed
    over 9 frames, one choice is left for the whole clip.
    """
    down, right = np.transpose([along_and_across(mask.numpy() > 127)[1][0] for mask in dataset.masks])  # (T,)
    angles = np.unwrap(np.arctan2(-right, -down), period=np.pi)  # world: +z is up, +x is left
    reach = min(4, (len(angles) - 1) // 2)
    weights = np.ones(2 * reach + 1) / (2 * reach + 1)
    angles = torch.from_numpy(np.convolve(np.pad(angles, reach, mode="edge"), weights, mode="valid"))

    travel = (translations[1:, 0] - translations[:-1, 0]).detach().cpu().double()  # (T - 1, 3)
    forward = (travel[:, 0] * angles[1:].sin() + travel[:, 2] * angles[1:].cos()).sum()
    if forward < 0:
        angles = angles + torch.pi
    return torch.nn.functional.pad(angles[:, None], (1, 1))  # zeros on both sides: about y alone


RECIPES = {recipe.name: recipe for recipe in (DefaultRecipe, TutorialRecipe)}
