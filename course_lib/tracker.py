"""Masks of a swimming animal from a few points, without a network: what stands out from the water around it.

Three steps for each frame, each a function below:

    stand_out   how unlike the water beside it each pixel is, in standard deviations of that water's colour
    follow      where the last mask has gone: the shift under which it covers most of what stands out now
    outline     which pixels stand out half as much as the animal close by or more, and hang together with it

It is made for one animal on water that is smooth against it. It knows no shapes: what hides the animal, or
looks as unlike the water and touches it (foam, a second animal), is taken with it. Runs on NumPy and SciPy
alone.
"""

import numpy as np
from scipy import ndimage, signal

from .errors import CourseError

BLUR = 0.7  # pixels; takes the sharpest of the noise away, and of the outline little
SURE = 6.0  # standard deviations from which on a pixel is surely not water
HALF = 0.5  # of the contrast close by: an outline runs where animal and water have equal shares of a pixel


class Tracker:
    """Follows the animal of a clip from its prompts.

    read: gives frame t as (H, W, 3) uint8; prompts: see `clip_files.load_prompts`. `held` collects the frames
    in which the animal did not stand out, and where the mask of the frame beside it stands in.
    """

    name = "the tracker"

    def __init__(self, read, n_frames, prompts):
        self.read, self.n_frames, self.prompts = read, n_frames, prompts
        self.held = []

    def propagate(self, done):
        """Yields (t, mask (H, W) bool) for each frame that is not in `done`, {t: mask}.

        From the prompts' frame to the end, then back to the start. A mask depends on the frame, on its
        neighbour's mask and on the first one, so a run that goes on makes the same as one that was never
        interrupted.
        """
        first = self.prompts["frame"]
        mask = done.get(first)
        if mask is None:
            mask = first_mask(self.read(first), self.prompts["points"], self.prompts["labels"])
            yield first, mask
        first_one, thick = mask, thickness(mask)
        for ahead in (range(first + 1, self.n_frames), range(first - 1, -1, -1)):
            mask = first_one
            for t in ahead:
                if t in done:
                    mask = done[t]
                    continue
                found = next_mask(self.read(t), mask, thick)
                if found is None:
                    self.held.append(t)
                else:
                    mask = found
                yield t, mask


def thickness(mask):
    """Half of the animal's width in pixels: the radius of the largest disc inside the mask."""
    return float(ndimage.distance_transform_edt(np.pad(mask, 1)).max())


def first_mask(image, points, labels):
    """The mask (H, W) bool that grows from points [x, y]: label 1 is on the animal, 0 beside it.

    Raises CourseError.
    """
    H, W = image.shape[:2]
    where, on = np.rint(points).astype(int).clip(0, [W - 1, H - 1]), np.asarray(labels, bool)
    # About the animal's length, if the points say it.
    reach = max(np.ptp(where[on], axis=0).max(), min(H, W) // 12)
    box = window(where[on], max(0.8 * reach, min(H, W) // 4), (H, W))
    crop = smooth(image[box])
    seeds, others = (_marked(where[chosen], box, (H, W)) for chosen in (on, ~on))
    contrast = stand_out(crop, ndimage.distance_transform_edt(~seeds) > 0.12 * reach)
    sure = np.median(ndimage.maximum_filter(contrast, 3)[seeds])
    if sure < SURE:
        raise CourseError(f"""the points on the animal (label 1) look like the water around them: {sure:.1f}
            standard deviations from it, expected more than {SURE}. Move them onto the animal, or use SAM-2
            (--method sam2)""")
    stands_out = contrast > max(SURE, HALF * sure)
    stands_out &= ~ndimage.binary_dilation(others, iterations=2)
    mask = _touching(stands_out, ndimage.binary_dilation(seeds))
    for _ in range(3):  # the water, the contrast, the outline, each time with a better idea of the animal
        mask = outline(crop, mask, thickness(mask), others)
        if not mask.any():
            raise CourseError("""nothing around the points on the animal (label 1) hangs together; put more of
                them along its body""")
    return _whole(mask, box, (H, W))


def next_mask(image, last, thick):
    """The mask in a frame from the mask in the one beside it; None where the animal does not stand out.

    thick: `thickness` of the first mask.
    """
    rows, columns = np.nonzero(last)
    box = window(np.stack([columns, rows], 1), 6 * thick, image.shape[:2])
    crop, mask = smooth(image[box]), last[box]
    mask = follow(stand_out(crop, _beside(mask, thick)), mask, thick)
    for _ in range(2):
        mask = outline(crop, mask, thick)
        if not 0.5 < mask.sum() / last.sum() < 2:
            return None
    return _whole(mask, box, image.shape[:2])


def _beside(mask, thick):
    """Pixels of the water beside the animal: one to five half widths away."""
    away = ndimage.distance_transform_edt(~mask)
    return (away > thick) & (away < 5 * thick)


def stand_out(crop, water):
    """How far each pixel's colour is from the water's, in standard deviations (Mahalanobis distance): (h, w).

    crop (h, w, 3); water (h, w) bool. The water's colour may change linearly across the crop, as haze and sun
    make it; what is no water among these pixels (glints, foam) is left out, in a few rounds.
    """
    h, w = water.shape
    y, x = np.mgrid[:h, :w] / max(h, w)
    plane = np.stack([np.ones_like(x), x, y], -1)  # (h, w, 3)
    A, colours = plane[water], crop[water]
    off = np.abs(colours - np.median(colours, axis=0)).sum(-1)
    kept = off <= np.quantile(off, 0.75)
    for _ in range(4):
        slope = np.linalg.lstsq(A[kept], colours[kept], rcond=None)[0]  # (3, 3)
        off = colours - A @ slope
        # A quarter of a grey level, squared: JPEG's rounding.
        precision = np.linalg.inv(np.cov(off[kept].T) + 0.25 * np.eye(3))
        kept = _mahalanobis(off, precision) < 3.5
    return _mahalanobis(crop - plane @ slope, precision)


def _mahalanobis(off, precision):
    """Lengths of colours in standard deviations: (..., 3), (3, 3) -> (...)."""
    return np.sqrt(((off @ precision) * off).sum(-1))


def follow(contrast, mask, thick):
    """The mask, shifted by whole pixels to where it covers most of what stands out."""
    reach = int(np.ceil(1.5 * thick))
    there = np.minimum(contrast, 2 * SURE)  # a glint counts no more than the animal
    there = np.pad(there - np.median(there), reach)
    turned = mask[::-1, ::-1].astype(float)
    score = signal.fftconvolve(there, turned, mode="valid")  # (2 reach + 1, 2 reach + 1)
    dy, dx = (int(i) - reach for i in np.unravel_index(score.argmax(), score.shape))
    return ndimage.shift(mask.astype(np.uint8), (dy, dx), order=0).astype(bool)


def outline(crop, guess, thick, others=None):
    """The animal's mask near a guess of it: (h, w) bool. `others`: pixels that are surely none of it."""
    contrast = stand_out(crop, _beside(guess, thick))
    size = 2 * max(1, int(0.5 * thick)) + 1
    inside = ndimage.uniform_filter(guess.astype(np.float32), size)
    close_by = ndimage.uniform_filter(np.where(guess, contrast, 0), size)
    close_by /= np.maximum(inside, 1e-6)  # the mean over the guess
    stands_out = contrast > np.maximum(SURE, np.where(inside > 1e-3, HALF * close_by, np.inf))
    near = ndimage.distance_transform_edt(~guess) <= max(3.0, thick)
    stands_out &= near if others is None else near & ~others
    return ndimage.binary_fill_holes(_touching(stands_out, guess))


def _touching(region, core):
    """The connected parts of a region that overlap with `core`, small crumbs left out."""
    parts, n = ndimage.label(region)
    overlap = np.bincount(parts[core & region], minlength=n + 1)
    return np.isin(parts, np.nonzero(overlap[1:] > 0.05 * overlap[1:].sum())[0] + 1)


def smooth(crop):
    """A part of an image (h, w, 3), blurred a little, as floats."""
    return ndimage.gaussian_filter(crop.astype(np.float64), (BLUR, BLUR, 0))


def window(points, margin, shape):
    """Slices (rows, columns) of the box of points [x, y], enlarged by a margin, within the image."""
    low = np.maximum(points.min(0) - int(margin), 0)
    high = np.minimum(points.max(0) + int(margin) + 1, shape[::-1])
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _marked(points, box, shape):
    """The points [x, y] as pixels of a box in an image: (h, w) bool."""
    image = np.zeros(shape, bool)
    image[points[:, 1], points[:, 0]] = True
    return image[box]


def _whole(mask, box, shape):
    """The mask of a box as one of the image."""
    image = np.zeros(shape, bool)
    image[box] = mask
    return image
