"""How far a clip's masks can be trusted: what is said of them, and a picture of those to look at.

Each mask's file may say how sure its maker was (`clip_files.read_confidence`), 0 where the animal was lost.
The rest is seen in the masks themselves: one that touches the border lacks a part, and one whose area
leaves that of the first has lost the animal or taken in what is none of it.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import files
from .assets import clip_files
from .errors import fold

UNSURE = 0.7  # of confidence; below it a mask is to be looked at
AREA = 0.6, 1.6  # of the first mask's
TILE, COLUMNS, MOST = (240, 180), 4, 12  # of the picture: a tile's pixels, tiles side by side, tiles in all
GOLDEN = 0.618034  # steps of this share of a whole spread evenly
OUTLINE = (255, 214, 64)


@dataclass
class Masks:
    """What is looked at: confidence, area (T,), and whether each touches the border (T,) bool."""

    confidence: np.ndarray
    area: np.ndarray
    at_border: np.ndarray

    @classmethod
    def of(cls, folder, clip):
        """The masks of a `segmentation.Clip` in a folder."""
        paths, found = clip_files.numbered_masks(folder, len(clip)), []
        for path in paths:
            mask = clip_files.read_image(path, "L", clip.size_wh, clip.paths[0]) > 0
            found.append((clip_files.read_confidence(path), mask.sum(), at_border(mask)))
        confidence, area, touch = map(np.array, zip(*found))
        return cls(confidence, area / area[clip.prompts["frame"]], touch)

    @property
    def doubtful(self):
        """(T,) bool"""
        return (self.confidence < UNSURE) | self.at_border | (self.area < AREA[0]) | (self.area > AREA[1])


def summary(folder, clip, masks):
    """How far the `Masks` of a clip in a folder can be trusted. -> lines"""
    T, first = len(clip), clip.prompts["frame"]
    seen = masks.confidence[masks.confidence > 0]
    sure = masks.confidence
    found = {
        "the animal was not found and where it should be stands in; a fit leaves these out": sure == 0,
        f"the mask is doubtful (confidence below {UNSURE})": (sure > 0) & (sure < UNSURE),
        "the mask touches the border: a part of the animal is missing": masks.at_border,
        f"the mask has less than {AREA[0]} of the first one's area: is a part missing?": (sure > 0)
        & (masks.area < AREA[0]),
        f"the mask has more than {AREA[1]} of the first one's area: what else is in it?": (sure > 0)
        & (masks.area > AREA[1]),
    }
    lines = points_missed(_mask(folder, clip, first), clip.prompts)
    lines += [
        f"In {where.sum()} of {T} frames {what} ({listed(np.nonzero(where)[0])})."
        for what, where in found.items()
        if where.any()
    ]
    if len(seen):
        least = int(np.argmin(np.where(masks.confidence > 0, masks.confidence, 2)))
        text = fold(f"""How far the masks can be trusted, 0 to 1: half of them {np.median(seen):.2f} or
            more; least in frame {least}, {masks.confidence[least]:.2f}. {masks.doubtful.sum()} of {T} frames
            are doubtful.""")
        lines.append(text)
    return lines


def at_border(masks):
    """Whether masks (..., H, W) bool, arrays or tensors, touch the picture's border. -> (...)"""
    return masks[..., [0, -1], :].any(-1).any(-1) | masks[..., [0, -1]].any(-1).any(-1)


def listed(numbers):
    """Numbers of frames, in order, as a text: 3 to 7, 12."""
    runs = np.split(numbers, np.nonzero(np.diff(numbers) != 1)[0] + 1) if len(numbers) else []
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(texts[:8] + ["..."] * (len(texts) > 8))


def points_missed(mask, prompts):
    """A line for each point that a mask (H, W) of the prompts' frame does not honour."""
    lines = []
    for k, ((x, y), label) in enumerate(zip(prompts["points"], prompts["labels"]), 1):
        row, column = (min(int(round(v)), n - 1) for v, n in zip((y, x), mask.shape))
        if bool(mask[row, column]) == bool(label):
            continue
        where = "beside the mask and is said to be on" if label else "in the mask and is said to be beside"
        lines.append(f"Point {k} of the prompts, [{x:g}, {y:g}], lies {where} the animal (label {label}).")
    return lines


def draw(folder, clip, masks):
    """Draws the least sure frames with their outlines, a PNG beside the folder of the masks. -> its path"""
    how_bad = masks.confidence - masks.doubtful
    spread = np.arange(len(how_bad)) * GOLDEN % 1  # equally sure ones are shown from all of the clip
    chosen = sorted(np.lexsort((spread, how_bad))[:MOST].tolist())
    rows = -(-len(chosen) // COLUMNS)
    w, h = TILE
    sheet = Image.new("RGB", (w * min(COLUMNS, len(chosen)), (h + 20) * rows), "white")
    write, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for k, t in enumerate(chosen):
        x, y = w * (k % COLUMNS), (h + 20) * (k // COLUMNS)
        sheet.paste(_tile(clip.read(t), _mask(folder, clip, t)), (x, y + 20))
        text = f"frame {t}: " + ("lost" if masks.confidence[t] == 0 else f"{masks.confidence[t]:.2f}")
        write.text((x + 4, y + 2), text, fill="black", font=font)
    path = folder.parent / f"{folder.name}_doubtful.png"
    with files.replacing(path) as part:
        sheet.save(part, format="PNG")
    return path


def _mask(folder, clip, t):
    return clip_files.read_image(folder / f"{t:06d}.png", "L", clip.size_wh, clip.paths[0]) > 0


def _tile(image, mask):
    """A frame (H, W, 3) around the mask (H, W), with its outline, of the size of a tile."""
    from scipy import ndimage

    H, W = mask.shape
    rows, columns = np.nonzero(mask)
    middle = [(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2]
    half = max(1.3 * np.ptp(columns), 1.3 * np.ptp(rows) * TILE[0] / TILE[1], 32) / 2
    half = [min(half, W / 2), min(half * TILE[1] / TILE[0], H / 2)]
    x0, y0 = (min(max(m - r, 0), n - 2 * r) for m, r, n in zip(middle, half, (W, H)))
    box = (x0, y0, x0 + 2 * half[0], y0 + 2 * half[1])
    tile = np.array(Image.fromarray(image).resize(TILE, Image.Resampling.BICUBIC, box=box))
    large = Image.fromarray(mask.astype(np.float32)).resize(TILE, Image.Resampling.BILINEAR, box=box)
    inside = np.asarray(large) > 0.5
    tile[ndimage.binary_dilation(inside) & ~inside] = OUTLINE
    return Image.fromarray(tile)
