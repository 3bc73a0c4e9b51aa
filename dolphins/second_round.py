"""The masks' second round: an animal is fitted to them, and its outline is looked for in the pictures again.

`dolphins segment` does this once the tracker has made a mask for each frame. A short fit says what the frames
have in common: one animal, that swims steadily. Frames in which the tracker lost it do not count; the fit's
motion says where to look there. Where the outline runs, colours decide (course_lib.rims).
"""

import contextlib
import io

import numpy as np
import torch

from course_lib.assets import clip_files
from course_lib.assets.clip_info import CLIP_JSON
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.outline import OutlineTargets, silhouette
from course_lib.progress import tqdm
from course_lib.rims import LARGEST, Pieces, Rim, across_outlines
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe, projected
from solutions.rotations import batch_rodrigues

PASSES, LOOKS = 16, (7, 12)  # passes of the fit, and before which of them the pictures are looked at
FINER = 3  # samples along each side of a pixel of the outline
AROUND = 9  # pixels


class Looking(DefaultRecipe):
    """The default recipe, which looks at the pictures again and again and goes on with what it has seen."""

    def finish(self):
        """Leaves the scene as it is: colours are not asked for."""

    def before_pass(self, step):
        if step in LOOKS:
            masks, _, _ = look(self)
            self.dataset.masks = torch.from_numpy(masks.astype(np.uint8) * 255)
            sure = self.dataset.confidence
            self.targets = OutlineTargets(self.dataset.masks, self.REACH[0], "cpu", sure)
            self.loader.layers = [self.targets]
        super().before_pass(step)


@torch.no_grad()
def look(recipe):
    """Where the outlines of a recipe's scene run in the pictures. -> masks (T, H, W) bool, step (T,), rims"""
    scene, dataset, loader = recipe.scene, recipe.dataset, recipe.loader
    layers, margin, rims = loader.layers, loader.margin, []
    unit = max(1.0, float((dataset.masks > 127).sum() / len(dataset)) ** 0.5 / LARGEST)
    finer = FINER if unit == 1 else 1
    loader.layers, loader.margin = [lambda t, *window: {"corner": window[:2]}], int(AROUND * unit)
    for t in torch.arange(len(dataset)).split(loader.batch_size):
        frames = loader.batch(t)
        seen = projected(scene, frames["t"], frames["cam"])
        _, face_idx = silhouette(*seen, frames["cam"], scene.model.F, finer)
        corners = zip(*(side.tolist() for side in frames["corner"]))
        rims += [Rim.of(of, corner, finer) for of, corner in zip(face_idx.numpy(), corners)]
    loader.layers, loader.margin = layers, margin
    per_metre = dataset.lens.focal_pixels(dataset.data_resolution[0]) / float(dataset.cam_eye[:, 1].mean())
    faces = scene.model.F.numpy()
    pieces = Pieces.of(scene.rest_shape().numpy(), faces, rims, per_metre / unit)
    moved, step = across_outlines(lambda t: dataset.frames[t].numpy(), rims, pieces, dataset.confidence, unit)
    shape = dataset.masks.shape[1:]
    masks = [
        np.zeros(shape, bool) if rim is None else rim.mask(moved[t][pieces.of_face[rim.faces]], shape)
        for t, rim in enumerate(rims)
    ]
    return np.stack(masks), step, rims


def second_round(dataset, model):
    """Better masks of a `SegmentedVideo`, from a short fit to those that it has. -> masks (T, H, W), step"""
    scene = DolphinScene(model, len(dataset))
    recipe = Looking(scene, dataset, batch_size=7, steps=PASSES, seed=0)
    for _ in tqdm(range(PASSES), desc="second round"):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            fit(scene, recipe.loader, recipe.render, recipe.compute_loss, recipe.optimizer, steps=1)
    masks, step, _ = look(recipe)
    return masks, step
