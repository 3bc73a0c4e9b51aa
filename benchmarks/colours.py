"""How far what is read from each frame as light in waves is light, and how far it is noise."""

import math
from unittest import mock

import torch

from course_lib import appearance
from course_lib.assets import find_pack, ready_fit
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from solutions.rendering import absorb, rasterize_features
from solutions.rotations import batch_rodrigues

GRIDS = (26, 33, 44, 55, 66)  # cells of the caustics' grid along the body
KEPT_OUT = 0.2  # of the pixels


@torch.no_grad()
def measure_colours(frames=None):
    """Skin, light and water of the ready fit, fitted anew. -> {size of a cell: figures}

    Caustics are read from four fifths of the pixels, on several grids. Figures are PSNR in dB over pixels of
    the dolphin by fit and given mask: without waves, and with them, read and kept out.
    """
    pack = find_pack()
    dataset = SegmentedVideo(pack)
    model = DolphinModel(pack, rodrigues=batch_rodrigues)
    scene = DolphinScene(model, len(dataset))
    scene.load(ready_fit("default"))
    length = 100 * float(model.global_scale * (model.V[0, :, 2].max() - model.V[0, :, 2].min()))
    pixels = appearance.gather(scene, dataset, rasterize_features)
    if frames is not None:
        pixels = pixels.some(pixels.frame < frames)
    still = appearance.fit_still_water(scene, dataset, pixels, absorb)
    kept_out = torch.rand(len(still), generator=torch.Generator().manual_seed(0)) < KEPT_OUT
    found = {}
    for cells in GRIDS:
        with mock.patch.object(appearance, "CELLS_ALONG", cells):
            scene.caustics = appearance.fit_caustics(scene, pixels.some(~kept_out), still[~kept_out])
            lit = still * appearance.caustics_of(scene, pixels.frame, pixels.corners, pixels.shares)
        off = lit - pixels.colour
        kinds = {"still": still - pixels.colour, "read": off[~kept_out], "kept_out": off[kept_out]}
        found[f"{length / cells:.1f} cm"] = {kind: psnr(difference) for kind, difference in kinds.items()}
    return found


def psnr(difference):
    """dB, of differences of colours in [0, 1]."""
    return -10 * math.log10(float(difference.square().mean()))
