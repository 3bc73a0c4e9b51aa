"""Masks of a swimming animal from a few points, without a network: all frames of the clip say where it ends.

In steps that are functions here and elsewhere:

    first_mask      the points' frame: what looks like the animal, and what like the water
    way             about where it is in every frame, by its colours: the best way through the whole clip
    lay             there the frames are laid on each other, more and more exactly: the sprite
    Tracker.outline the sprite's outline: the animal before even water, with nothing drifting past
    Tracker.mask    in each frame that outline, moved to where a few frames around it have it

It is made for one animal. What hides it (foam, glints) is left out; where too little is left, it is lost, and
where its neighbours say that it should be stands in. It needs NumPy, SciPy and Pillow.
"""

import numpy as np
from scipy import ndimage

from .first_mask import KIND, LENGTH, first_mask, laid_on, marked, odds_of, refined
from .sprite import ROUGH, Body, Patch, evenly, laid, lay, local_mean, spread_mean, steady_mean
from .two_sides import LET, best_part, edge_weights, settled, smooth_mask
from .way import Search, way

LOOK = 0.85  # animal's lengths around its place that are kept of a frame
MARGIN = 6  # pixels of the body beside an outline that are looked at
FREE = 2.5  # pixels of the body by which an outline may be elsewhere than it is expected
# Shares of the contrast: by which even water varies, and that an outline shows before it.
EVEN, FLANK = 0.07, 0.25
# Pixels of the animal's length. Of a smaller one flanks are less than a pixel wide, and a pixel's blur, which
# is alike on both sides, counts more: its outline is nearer to half of the contrast.
LARGE = 100.0
TRUST = 0.09, 0.83  # how the overlap goes with how like the sprite a frame is, on seas of the benchmarks
STEPS = 4  # by which a frame's outline goes on from the sprite's, in a clear picture
SHOWN = 0.3  # of the sprite's contrast, and of the animal beside what hides it; with less it is lost
NEAR = 3.0  # frames that say where the outline of one runs
CORE = 0.5  # of the largest depth in a mask; deeper inside it is surely the animal
RING = 5.0, 40.0  # pixels of the body beside a mask, between which it is surely water


class Tracker:
    """Follows the animal of a clip from its prompts.

    read: gives frame t as (H, W, 3) uint8; prompts: see `clip_files.load_prompts`; form: the silhouette of
    its kind, `from_above`. `confidence` says of each frame how far its mask can be trusted, 0 to 1. `lost`
    collects the frames in which the animal was not found: their confidence is 0, and where it should be by
    its movement stands in. `looked()` is called for each frame that it looks at before it makes masks;
    there it looks at all of them, `looks` times.
    """

    name, looks = "the tracker", 2

    def __init__(self, read, n_frames, prompts, form=None):
        self.read, self.n_frames, self.prompts, self.form = read, n_frames, prompts, form
        self.lost, self.confidence, self.looked = [], {}, lambda: None

    def propagate(self, done):
        """Yields (t, mask (H, W) bool) for each frame that is not in `done`, {t: mask}.

        From the prompts' frame to the end, then back to the start. What a frame shows depends on all frames,
        so a resumed run looks at all of them again, and makes the same masks.
        """
        first, T = self.prompts["frame"], self.n_frames
        self.gather()
        for t in [*range(first, T), *range(first - 1, -1, -1)]:
            if t in done:
                continue
            found, self.confidence[t] = self.mask(t)
            if self.confidence[t] == 0:
                self.lost.append(t)
            yield t, found

    def look(self, t):
        """Reads frame t, (H, W, 3) uint8, and tells of it."""
        image = self.read(t)
        self.looked()
        return image

    def gather(self):
        """Makes the sprite: poses (T, 5), stack (T, h, w, 3) with open (T, h, w), mean (h, w, 3), outline."""
        first, T = self.prompts["frame"], self.n_frames
        image = self.look(first)
        mask = first_mask(image, self.prompts["points"], self.prompts["labels"], self.form)
        points, on = np.array(self.prompts["points"], float), np.array(self.prompts["labels"], bool)
        self.shape, pose, length = mask.shape, *lie(mask, points[on])
        bright = image.mean(-1)[mask]
        usual = np.median(bright)
        self.glare = usual + max(6 * np.median(np.abs(bright - usual)), 45)
        poses, seen = np.tile(pose, (T, 1)), np.ones(T, bool)
        for ahead in (np.arange(first, T), np.arange(first, -1, -1)):
            if len(ahead) > 1:
                search = Search(image, mask, pose, self.glare)
                poses[ahead], seen[ahead] = way(search, self.look, list(ahead), pose)
        self.poses = rough(poses, seen, first, length)
        self.body = body = Body(length)
        self.flank = 0.5 - (0.5 - FLANK) * min(1.0, length / LARGE)
        self.patches = [
            Patch.of(self.look(t), pose[:2], LOOK * length, body.step) for t, pose in enumerate(self.poses)
        ]
        x, y = body.on_image(self.poses[first])
        on = ndimage.map_coordinates(mask.astype(np.float32), [y, x], order=1)
        for blurs in ((2.5, 2.0, 1.5, 1.0), (1.0, 0.8)):
            self.poses = lay(body, self.patches, self.poses, beside(on > 0.5), self.glare, blurs)
            self.stack, self.open = laid(self.patches, body, self.poses, self.glare)
            flat, _ = steady_mean(self.stack.reshape(T, -1, 3), self.open.reshape(T, -1))
            self.mean = flat.reshape(self.stack.shape[1:])
            at = np.stack(body.on_body(self.poses[first], *points.T), 1)
            on = self.outline(on > 0.5, np.round(at + body.middle).astype(int))
        self.on = on
        self.judge()

    def judge(self):
        """Says how far each frame can be trusted, `sure` (T,), and closes pixels that something else covers.

        How much of the sprite's contrast a frame shows, and how much like the sprite's it is.
        """
        off = np.abs(self.stack - self.mean).sum(-1)
        self.open &= off < 4 * np.median(off, 0) + 10
        weight = (beside(self.on > 0.5) * self.open)[..., None]
        total = np.maximum(weight.sum((1, 2), keepdims=True), 1e-6)
        a, b = (v - (weight * v).sum((1, 2), keepdims=True) / total for v in (self.stack, self.mean))
        ab, aa, bb = ((weight * v).sum((1, 2, 3)) for v in (a * b, a * a, b * b))
        shown = ab / np.maximum(bb, 1e-6)
        alike = ab / np.sqrt(np.maximum(aa * bb, 1e-6))
        seen = (self.open & (self.on > 0.5)).sum((1, 2)) / max((self.on > 0.5).sum(), 1)
        self.sure = (TRUST[0] + TRUST[1] * alike).clip(0, 1)
        self.sure[(shown < SHOWN) | (seen < SHOWN)] = 0

    def outline(self, mask, points):
        """The share of animal in each pixel of the sprite, (h, w).

        mask (h, w) bool: where it may be; points (N, 2): the prompts' in pixels of it.
        """
        known = np.array(self.prompts["labels"], bool)
        seeds, others = (marked(points[which], mask.shape) for which in (known, ~known))
        for _ in range(2):
            odds, self.clear = unlike(self.mean, mask, flank=self.flank)
            guess = ndimage.gaussian_filter(mask.astype(np.float32), FREE)
            if self.form is not None:
                guess = laid_on(self.form, odds, mask, seeds, others)
            u = self.cut(self.mean, odds, guess)
            mask = best_part(u, guess > 0.5, others)
        for _ in range(0 if self.clear else 3):
            u = refined(self.mean, mask, odds, edge_weights(self.mean))
            mask = best_part(u, mask, others)
        return settled(u, mask)

    def cut(self, image, odds, guess):
        """The share of animal (h, w) in an image, by odds, and not far from a guess (h, w) in [0, 1]."""
        kind, length = KIND, LENGTH
        if self.clear:  # colours say nearly all
            kind, length = 0.5, 0.5 * LENGTH
            guess = ndimage.gaussian_filter((guess > 0.5).astype(np.float32), FREE)
        return smooth_mask(odds + kind * odds_of(guess), edge_weights(image), length)

    def mask(self, t):
        """The mask (H, W) bool of a frame, and how far it can be trusted."""
        near, seen = local_mean(self.stack, self.open, t, NEAR)
        near, on = np.where((seen > 0.3)[..., None], near, self.mean), self.on > 0.5
        mask = on
        for _ in range(STEPS if self.clear else 1):
            if self.clear:
                u = self.cut(near, unlike(near, mask, True, self.flank)[0], mask)
            else:
                u = refined(near, on, np.where(on, LET, -LET), edge_weights(near))
            mask = best_part(u, on)
        return self.on_image(settled(u, mask), self.poses[t]), float(self.sure[t])

    def on_image(self, u, pose):
        """A share of animal (h, w) of the sprite as a mask (H, W) bool of an image with the animal's pose."""
        mask, reach = np.zeros(self.shape, bool), 0.75 * self.body.length + 2
        x0, y0 = (int(max(v - reach, 0)) for v in pose[:2])
        x1, y1 = (int(max(min(v + reach, n), 0)) for v, n in zip(pose[:2], self.shape[::-1]))
        if x0 < x1 and y0 < y1:
            y, x = np.mgrid[y0:y1, x0:x1]
            x, y = self.body.on_body(pose, x, y)
            where = [y + self.body.middle[1], x + self.body.middle[0]]
            mask[y0:y1, x0:x1] = ndimage.map_coordinates(u, where, order=1) > 0.5
        return mask


def lie(mask, points):
    """How an animal lies, x, y, angle, and its length: of a mask (H, W) bool and points (N, 2) on it."""
    away = np.argwhere(mask)[:, ::-1].astype(float)
    place = away.mean(0)
    axis = np.linalg.eigh(np.cov((away - place).T))[1][:, -1]
    along = np.concatenate([(away - place) @ axis, 1.04 * (points - place) @ axis])
    place = place + axis * (along.min() + along.max()) / 2
    return np.array([*place, np.arctan2(axis[1], axis[0])]), float(np.ptp(along)) + 1


def rough(poses, seen, first, length):
    """The poses (T, 3) of a way, some of them seen (T,), as one even movement: (T, 5), with bend and size."""
    poses = np.concatenate([poses, np.zeros((len(poses), 2))], 1)
    poses[:, 2] = np.unwrap(poses[:, 2])
    seen = np.where(np.arange(len(poses)) == first, 1e3, seen + 1e-6)
    unit = ROUGH * [length, length, 1, 1, 1]
    return evenly(poses, seen[:, None, None] * np.diag(1 / unit**2), length)


def beside(mask):
    """How much pixels count for where the animal is: it and what is close by."""
    return ndimage.gaussian_filter(ndimage.binary_dilation(mask, iterations=MARGIN).astype(np.float32), 1)


def unlike(image, mask, clear=None, flank=FLANK):
    """Log odds (h, w) of animal against water of an image (h, w, 3) with about its mask (h, w), and `clear`.

    They grow with how far a colour is on the way from the water's beside the animal to the animal's own, or
    as far from the water in any other direction. Where the water is even, the picture is clear: then the
    outline is a share `flank` of the way, as flanks turn away from the light and lie deeper; else half of it.
    """
    away, depth = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    core, ring = depth > CORE * depth.max(), (away > RING[0]) & (away < RING[1])
    skin, water = spread_mean(image, core, 8.0), spread_mean(image, ring, 10.0)
    off, way = image - water, skin - water
    usual = spread_mean(np.square(off), ring, 10.0).sum(-1)
    contrast = np.square(way).sum(-1) + 1.0
    if clear is None:
        clear = bool(np.sqrt(np.median((usual / contrast)[core])) < EVEN)
    any_way = np.sqrt(np.maximum(np.square(off).sum(-1) - 4 * usual, 0) / contrast)
    share = np.maximum((off * way).sum(-1) / contrast, any_way)
    return 2 * LET * (share - (flank if clear else 0.5)).clip(-0.5, 0.5), clear
