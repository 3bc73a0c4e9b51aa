"""How far a clip's masks can be trusted: what is said of them, and a picture of those to look at.

Each mask's file may say how sure its maker was (`clip_files.read_confidence`), 0 where the animal was lost.
The rest is seen in the masks themselves: one that touches the border lacks a part, and one whose area
leaves that of the first has lost the animal or taken in what is none of it. And it is seen beside them: a
patch of the animal's colours that touches its mask, alone in the water, is another animal, or a part of this
one that the mask has lost.
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
GONE = 0.8  # of the frames behind the border are doubtful: the animal is outside
GOLDEN = 0.618034  # steps of this share of a whole spread evenly
PATCH = 0.12, 1.6  # of the mask's area: what touches it and looks like an animal
ALONE = 0.3  # of the patch's area: as much as that may look like the animal elsewhere
BINS, GAP = 12, 4  # of each colour; pixels between a mask and what touches it
OUTLINE = (255, 214, 64)


@dataclass
class Masks:
    """What is looked at: confidence, area (T,), and whether each touches the border, or is touched by what
    looks like another animal (T,) bool."""

    confidence: np.ndarray
    area: np.ndarray
    at_border: np.ndarray
    touched: np.ndarray

    @classmethod
    def of(cls, folder, clip):
        """The masks of a `segmentation.Clip` in a folder."""
        paths, found = clip_files.numbered_masks(folder, len(clip)), []
        masks = [clip_files.read_image(path, "L", clip.size_wh, clip.paths[0]) > 0 for path in paths]
        for path, mask in zip(paths, masks):
            found.append((clip_files.read_confidence(path), mask.sum(), at_border(mask)))
        confidence, area, edge = map(np.array, zip(*found))
        first = area[clip.prompts["frame"]]
        return cls(confidence, area / first, edge.astype(bool), touched(clip.read, masks))

    @property
    def doubtful(self):
        """(T,) bool"""
        return (self.confidence < UNSURE) | self.at_border | (self.area < AREA[0]) | (self.area > AREA[1])


def touched(read, masks):
    """Which masks are touched by a patch that looks like the animal. -> (T,) bool

    read(t): frame t (H, W, 3) uint8; masks: T of (H, W) bool. What the animal's colours are, and the water's
    around it, is counted over the whole clip. Where the sea is full of such colours, nothing can be told.
    """
    from scipy import ndimage

    counts, seen = np.zeros((2, BINS, BINS, BINS)), []
    for t, mask in enumerate(masks):
        rows, columns = np.nonzero(mask)
        if not len(rows):
            seen.append(None)
            continue
        reach = max(np.ptp(rows), np.ptp(columns))
        window = tuple(slice(max(i.min() - reach, 0), i.max() + reach + 1) for i in (rows, columns))
        smooth = ndimage.gaussian_filter(read(t)[window].astype(np.float32), (0.7, 0.7, 0))
        bins = (smooth * (BINS / 256)).astype(np.uint8)
        inside, away = mask[window], ndimage.distance_transform_edt(~mask[window]).astype(np.float32)
        for of, where in zip(counts, (ndimage.binary_erosion(inside), away > GAP)):
            np.add.at(of, tuple(bins[where].T), 1)
        seen.append((bins, inside.sum(), away))
    animal, water = (ndimage.gaussian_filter(of, 0.7) / max(of.sum(), 1) + 1e-5 for of in counts)
    found = np.zeros(len(masks), bool)
    for t in [t for t, one in enumerate(seen) if one is not None]:
        bins, area, away = seen[t]
        alike = (animal > water)[tuple(np.moveaxis(bins, -1, 0))] & (away > 1.5)
        patches, n = ndimage.label(ndimage.binary_opening(alike))
        sizes = np.bincount(patches.ravel(), minlength=n + 1)[1:] / area
        near = np.unique(patches[(away <= GAP) & (patches > 0)]) - 1
        patch = sizes[near].max(initial=0)
        found[t] = PATCH[0] < patch < PATCH[1] and sizes.sum() - patch < ALONE * patch
    return found


def summary(folder, clip, masks):
    """How far the `Masks` of a clip in a folder can be trusted. -> lines"""
    T, first = len(clip), clip.prompts["frame"]
    seen = masks.confidence[masks.confidence > 0]
    sure = masks.confidence
    found = {
        "the animal was not found and where it should be stands in; a fit leaves these out": sure == 0,
        f"the mask is doubtful (confidence below {UNSURE})": (sure > 0) & (sure < UNSURE),
        "the mask touches the border: a part of the animal is missing": masks.at_border,
        "what looks like the animal touches the mask: do two touch or cross, or has it lost a part? Take "
        "other seconds if the masks are not of the one alone": masks.touched,
        f"the mask has less than {AREA[0]} of the first one's area: is a part missing?": (sure > 0)
        & (masks.area < AREA[0]),
        f"the mask has more than {AREA[1]} of the first one's area: what else is in it?": (sure > 0)
        & (masks.area > AREA[1]),
    }
    lines = points_missed(_mask(folder, clip, first), clip.prompts) + outside(masks)
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
    edges = masks[..., 0, :], masks[..., -1, :], masks[..., 0], masks[..., -1]
    return sum(edge.any(-1) for edge in edges) > 0


def outside(masks):
    """A line for each end of a clip at which the animal is out of the picture: there it reaches the border,
    and beyond hardly anything is sure."""
    at, gone = np.flatnonzero(masks.at_border), masks.confidence < UNSURE
    if not len(at):
        return []
    beyond = {
        f"leaves the picture in frame {at[0]}: end the clip before it": gone[at[-1] + 1 :],
        f"is in the picture from frame {at[-1]} on: begin the clip after it": gone[: at[0]],
    }
    return [f"The animal {what}." for what, there in beyond.items() if len(there) and there.mean() > GONE]


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
    how_bad = masks.confidence - (masks.doubtful | masks.touched)
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
