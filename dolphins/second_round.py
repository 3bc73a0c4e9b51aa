"""The masks' second round: an animal is fitted to them, and its outline is looked for in the pictures again.

`dolphins segment` does this once the tracker has made a mask for each frame. A short fit says what the frames
have in common: one animal, that swims steadily. Frames that are doubtful hardly count; the fit's motion says
where to look there. Where the outline runs, colours decide (course_lib.rims).

Where the first masks follow something else for most of the clip, so does the fit. Then colours do not change
at its outline, and the first masks are kept.
"""

import contextlib
import io

import numpy as np
import torch

from course_lib import metrics
from course_lib.assets import clip_files
from course_lib.assets.clip_info import CLIP_JSON
from course_lib.dolphin_model import DolphinModel
from course_lib.doubts import UNSURE
from course_lib.errors import fold
from course_lib.outline import OutlineTargets, silhouette
from course_lib.progress import tqdm
from course_lib.rims import LARGEST, Pieces, Rim, across_outlines, confidence
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe, projected
from solutions.rotations import batch_rodrigues

BATCH, PASSES, STEPS = 7, 16, 160  # frames of a step, and passes of the fit, of so many steps at least
LOOKS = 0.45, 0.75  # shares of the passes after which the pictures are looked at
STIFF = 30.0, 5.0, 1.0  # before each look, and after the last: so much more a shape of its own costs
SHAPE = "scale_axes", "scale_smoothness", "modes"
HARDLY = 0.1  # of its confidence a doubtful mask counts; where foam was taken, many agree on foam
FINER = 3  # samples along each side of a pixel of the outline
AROUND = 9  # pixels
FOUND = 0.5  # of confidence: the animal was found again
CLEAR = 1.7  # change of log odds at the outline; with less in most frames it is no animal's
AREA = 0.5, 1.7  # of the first masks' area; outside, one of the two is not the animal
# Pixels of a mask. With fewer, colours beside an outline are those of water and animal mixed, and the first
# outline, which all frames together say, is the better one: see the small animals of `benchmarks seas`.
FEWEST = 900


class Looking(DefaultRecipe):
    """The default recipe, which looks at the pictures twice and goes on with what it has seen."""

    def __init__(self, scene, dataset, batch_size, steps, seed):
        super().__init__(scene, dataset, batch_size, steps, seed)
        self.usual, self.looks = self.weights, [int(share * steps) for share in LOOKS]

    def finish(self):
        """Leaves the scene as it is: colours are not asked for."""

    def before_pass(self, step):
        """As the default recipe's; where it is time to, the masks are made anew."""
        if step in self.looks:
            dataset, (masks, clear) = self.dataset, look(self)
            dataset.masks = torch.from_numpy(masks.astype(np.uint8) * 255)
            dataset.confidence = torch.from_numpy(confidence(clear)).clamp(min=0.02)
            self.targets = OutlineTargets(dataset.masks, self.REACH[0], "cpu", dataset.confidence)
            self.loader.layers = [self.targets]
        stiff = STIFF[sum(step >= look for look in self.looks)]
        self.weights = self.usual | {name: stiff * self.usual[name] for name in SHAPE}
        super().before_pass(step)


@torch.no_grad()
def look(recipe):
    """Where the outlines of a recipe's scene run in the pictures. -> masks (T, H, W) bool, step (T,)

    step: by how much log odds of animal against water change there.
    """
    scene, dataset, loader = recipe.scene, recipe.dataset, recipe.loader
    T, H, W = dataset.masks.shape
    unit = max(1.0, float(metrics.areas(dataset.masks > 127).sum() / T) ** 0.5 / LARGEST)
    finer, layers, margin, rims = FINER if unit == 1 else 1, loader.layers, loader.margin, []
    loader.layers, loader.margin = [lambda t, *window: {"corner": window[:2]}], int(AROUND * unit)
    for t in torch.arange(T).split(loader.batch_size):
        frames = loader.batch(t)
        seen = projected(scene, frames["t"], frames["cam"])
        _, face_idx = silhouette(*seen, frames["cam"], scene.model.F, finer)
        corners = zip(*(side.tolist() for side in frames["corner"]))
        rims += [Rim.of(of, corner, finer) for of, corner in zip(face_idx.numpy(), corners)]
    loader.layers, loader.margin = layers, margin
    if not any(rims):
        return np.zeros((T, H, W), bool), np.zeros(T, np.float32)
    per_metre = dataset.lens.focal_pixels(W) / float(dataset.cam_eye[:, 1].mean())
    faces = scene.model.F.numpy()
    pieces = Pieces.of(scene.rest_shape().numpy(), faces, rims, per_metre / unit)
    moved, step = across_outlines(lambda t: dataset.frames[t].numpy(), rims, pieces, dataset.confidence, unit)
    masks = np.zeros((T, H, W), bool)
    for t, rim in enumerate(rims):
        if rim is not None:
            masks[t] = rim.mask(moved[t][pieces.of_face[rim.faces]], (H, W))
    return masks, step


def bridge(dataset):
    """Puts into frames in which the animal was lost the nearest mask, at a place between the others'.

    A fit starts where the masks are, and one that stands far away drags its neighbours along.
    """
    seen = np.nonzero(dataset.confidence.numpy() > 0)[0]
    centers = dataset.segment_centers.numpy()
    for t in np.nonzero(dataset.confidence.numpy() == 0)[0]:
        near = seen[np.abs(seen - t).argmin()]
        centers[t] = [np.interp(t, seen, axis) for axis in centers[seen].T]
        down, right = (centers[t] - centers[near]).round().astype(int)[::-1]
        dataset.masks[t] = torch.roll(dataset.masks[near], (int(down), int(right)), (0, 1))


def second_round(dataset, model):
    """Looks again for the animal of a `SegmentedVideo`. -> masks (T, H, W) bool, step (T,), see `look`

    The dataset's own masks and confidence are used up. model: `DolphinModel`, on the CPU.
    """
    sure = dataset.confidence
    bridge(dataset)
    dataset.confidence = torch.where(sure < UNSURE, HARDLY * sure, sure).clamp(min=1e-3)
    scene = DolphinScene(model, len(dataset))
    passes = max(PASSES, -(-STEPS // -(-len(dataset) // BATCH)))
    recipe = Looking(scene, dataset, BATCH, passes, seed=0)
    for _ in tqdm(range(passes), desc="second round"):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            fit(scene, recipe.loader, recipe.render, recipe.compute_loss, recipe.optimizer, steps=1)
    return look(recipe)


def improve(pack, folder):
    """The second round for the masks of a pack's clip in a folder. -> what was done, a line"""
    known = pack.altitude_path.exists() or (pack.clip_dir / "metadata" / CLIP_JSON).exists()
    if not known or not (pack.model_dir / "dolphin_model.pkl").exists():
        what = "template" if known else "altitude"
        return f"There is no second round: without the {what} of the clip no animal can be fitted."
    paths = sorted(folder.glob("*.png"))
    dataset = SegmentedVideo(pack, mask_paths=paths)
    first, sure = dataset.masks.numpy() > 127, dataset.confidence.numpy()
    chosen = sure >= UNSURE
    if len(sure) < 3 or chosen.sum() < 3:
        return "There is no second round: fewer than three masks are good enough to fit an animal to."
    if (size := np.median(first[chosen].sum((1, 2)))) < FEWEST:
        return fold(f"""There is no second round: the animal has {size:.0f} pixels, and with fewer than
            {FEWEST} it would not make the outline better. `dolphins clip --follow` shows it larger, where the
            video does.""")
    masks, step = second_round(dataset, DolphinModel(pack, "cpu", rodrigues=batch_rodrigues))
    grown = masks[chosen].sum() / first[chosen].sum()
    if np.median(step[chosen]) < CLEAR or not AREA[0] < grown < AREA[1]:
        return fold("""The second round was given up: the animal that fits the masks has no outline in the
            pictures. The first masks are kept; look at them.""")
    now = confidence(step)
    for path, mask, before, trust in zip(paths, masks, first, now):
        seen = mask.any()
        clip_files.write_mask(mask if seen else before, path, float(trust) if seen else 0.0)
    found = int(((sure == 0) & (now >= FOUND)).sum())
    again = (
        f"; the animal was found again in {found} frame{'s' * (found > 1)} in which it had been lost"
        if found
        else ""
    )
    return f"The outlines are those of a second round: a short fit said where to look{again}."
