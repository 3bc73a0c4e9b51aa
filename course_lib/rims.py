"""Where the outline of a fitted animal really runs: looked for across it, in all frames of a clip at once.

A mask made pixel by pixel is as uncertain as a pixel's colour, and once it is too large, the water that it
holds is learned as the animal's. A fit says about where the outline is, and which piece of the animal each of
its points belongs to. So colours are read across the outline, along its normals. The animal's colour at a
piece is its mean over some frames, as the animal takes it along; the water's is that beside it in the frame,
as it stays behind. The outline runs where colours begin to be nearer to the water's, summed over neighbouring
points, neighbouring frames and the whole clip.

A piece may move by a few pixels, all over the clip as far as the colours say so: an animal of other
proportions keeps them. In a single frame it moves less, as far as those beside it agree.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

MOST = 400  # points on an outline
PIECES = 64  # of the animal's surface, that move together
ACROSS = np.arange(-6, 6.01, 0.5, dtype=np.float32)  # where colours are read across an outline
# Where they are the animal's and the water's: middle, width. At first deep inside, where it is the animal;
# then nearer to the outline, as flanks in shade or haze are half way to the water.
INSIDE, BESIDE = ((-1.75, 0.9), (-1.5, 0.8), (-1.3, 0.7)), (3.0, 1.5)
ALONG, IN_TIME = 2.5, 0.8  # over how many pixels, and frames, neighbours are heard
HEARD = 0.1  # of what a point says: those beside it see the same
CLIP_SD, FRAME_SD = 1.5, 0.7  # by how much a piece may move in all frames, and in one
USUAL = 42.0  # root of an animal's area in pixels; of a smaller one, pieces may move less
EDGE = 0.45  # share of the skin's colour at the outline: less than half, as flanks turn away from the light
# Log odds at the outline, and the overlap, IoU, that masks of benchmarks/seas.py with these had.
TRUST = (0.3, 1.4, 1.9, 2.6), (0.0, 0.4, 0.8, 0.88)
LIT_FOR = 6.0  # frames over which a piece is lit alike
CLIP = 7.0  # frames that say what they say by themselves, of all
LET = 2.0  # log odds of one reading are at most this
LARGEST = 70.0  # root of an animal's area in pixels, up to which all these lengths are pixels


@dataclass
class Rim:
    """The outline of an animal in a window (h, w) of a frame.

    corner (x, y) of the window; points (N, 2) on the outline, in pixels of the window, x right and y down;
    normals (N, 2), outward; faces (N,): the mesh's that are seen there; signed (h, w): distance to the
    outline, negative inside; nearest (h, w): which point is nearest.
    """

    corner: tuple
    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    signed: np.ndarray
    nearest: np.ndarray

    @classmethod
    def of(cls, face_idx, corner, finer):
        """From the face (h finer, w finer) that each part of a pixel sees, -1 for none; None if all are."""
        h, w = (n // finer for n in face_idx.shape)
        seen = face_idx >= 0
        covered = seen.reshape(h, finer, w, finer).mean((1, 3), dtype=np.float32)
        rows, columns = np.nonzero(seen & ~ndimage.binary_erosion(seen, border_value=1))
        if len(rows) == 0:
            return None
        chosen = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int)
        rows, columns = rows[chosen], columns[chosen]
        points = (np.stack([columns, rows], 1) + 0.5) / finer - 0.5
        slope = np.gradient(ndimage.gaussian_filter(covered, 1.2))[::-1]
        normals = -np.stack([ndimage.map_coordinates(s, points.T[::-1], order=1) for s in slope], 1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        points = (points + normals * 0.5 / finer).astype(np.float32)
        inside = covered > 0.5
        y, x = np.mgrid[:h, :w]
        away, nearest = cKDTree(points).query(np.stack([x.ravel(), y.ravel()], 1))
        signed = np.where(inside, -1, 1) * away.reshape(h, w).astype(np.float32)
        return cls(
            corner, points, normals.astype(np.float32), face_idx[rows, columns], signed, nearest.reshape(h, w)
        )

    def on_this_side(self, across):
        """Which places (N, D) across the outline, by pixels outward, lie nearer to it than to the other side.

        A tail stock is a few pixels wide: farther inside, behind its middle, the water beyond it begins.
        """
        at = self.points[:, None] + across[None, :, None] * self.normals[:, None]  # (N, D, 2)
        depth = -ndimage.map_coordinates(self.signed, [at[..., 1], at[..., 0]], order=1, mode="nearest")
        return (across >= 0) | (depth > -across - 0.75)

    def mask(self, moved, shape):
        """The mask (H, W) bool within the outline, whose points are moved outward by moved (N,) pixels."""
        within, (h, w), (x, y) = np.zeros(shape, bool), self.signed.shape, self.corner
        within[y : y + h, x : x + w] = ndimage.gaussian_filter(self.signed - moved[self.nearest], 0.5) < 0
        return within


@dataclass
class Pieces:
    """Of which piece of the animal each face is, (F,), and how much pieces hear of each other, (P, P)."""

    of_face: np.ndarray
    hears: np.ndarray

    @classmethod
    def of(cls, rest, faces, rims, per_metre):
        """rest (V, 3) metres, faces (F, 3), of the animal at rest; rims: of its frames; per_metre: pixels."""
        middle = rest[faces].mean(1)[:, [0, 2]] * per_metre  # seen from above
        used = np.unique(np.concatenate([rim.faces for rim in rims if rim is not None]))
        at = middle[used]
        chosen, away = [0], np.full(len(at), np.inf)
        for _ in range(min(PIECES, len(at)) - 1):  # each as far as can be from those before it
            away = np.minimum(away, np.square(at - at[chosen[-1]]).sum(1))
            chosen.append(int(away.argmax()))
        of_face = np.zeros(len(faces), int)
        of_face[used] = cKDTree(at[chosen]).query(at)[1]
        apart = np.square(at[chosen][:, None] - at[chosen]).sum(-1)
        return cls(of_face, np.exp(-apart / (2 * ALONG**2)))


class Readings:
    """The colours across the outlines of a clip. read(t) gives frame t; rims: of each, None where none is.

    colours (N, D, 3) and open (N, D) bool, by frame: what was read, and where neither foam nor a glint hides
    what is there; pieces (P, N): a sparse matrix, which point is of which piece.
    """

    def __init__(self, read, rims, pieces, unit):
        self.rims, self.across = rims, ACROSS * unit
        self.colours, self.open, self.pieces = [], [], []
        bright = [self._colours(read(t), rim) for t, rim in enumerate(rims) if rim is not None]
        inside = np.concatenate([brightness[:, :6].ravel() for brightness in bright])
        usual = np.median(inside)
        self.glare = usual + max(6 * np.median(np.abs(inside - usual)), 45)
        for rim, brightness in zip((rim for rim in rims if rim is not None), bright):
            hidden = ndimage.binary_dilation(brightness > self.glare, np.ones((1, 5)))
            self.open.append(~hidden & rim.on_this_side(self.across))
            of = pieces.of_face[rim.faces]
            one = (np.ones(len(of), np.float32), (of, np.arange(len(of))))
            self.pieces.append(sparse.csr_matrix(one, (len(pieces.hears), len(of))))

    def _colours(self, image, rim):
        h, w = rim.signed.shape
        x, y = rim.corner
        crop = ndimage.gaussian_filter(image[y : y + h, x : x + w].astype(np.float32), (0.6, 0.6, 0))
        at = rim.points[:, None] + self.across[None, :, None] * rim.normals[:, None]  # (N, D, 2)
        where = [at[..., 1], at[..., 0]]
        read = [ndimage.map_coordinates(c, where, order=1, mode="nearest") for c in np.moveaxis(crop, -1, 0)]
        self.colours.append(np.stack(read, -1))
        return self.colours[-1].mean(-1)


def confidence(step):
    """How far masks can be trusted, from the step of `across_outlines`: about their overlap, IoU. -> (T,)

    0 where there is no outline to speak of: the animal is lost.
    """
    return np.interp(step, *TRUST).astype(np.float32)


def _weights(across, where):
    return np.exp(-np.square((across - where[0]) / where[1]))


def across_outlines(read, rims, pieces, sure, unit=1.0):
    """How far the outline of each frame runs beside that of the fit. -> moved (T, P) pixels, step (T,)

    Arguments as of `Readings`; sure (T,): how far each frame can be trusted; unit: by how much the animal is
    larger than LARGEST. Positive is outward. step: by how much log odds change at the outline, 0 to 4.
    """
    there = [t for t, rim in enumerate(rims) if rim is not None]
    seen, sure = Readings(read, rims, pieces, unit), np.asarray(sure, np.float32)[there]
    T, P, D = len(there), len(pieces.hears), len(ACROSS)
    size = np.sqrt(np.mean([(rims[t].signed < 0).sum() for t in there])) / unit
    clip_sd, frame_sd = np.array([CLIP_SD, FRAME_SD]) * min(1.0, size / USUAL)
    mean = pieces.hears / pieces.hears.sum(1, keepdims=True)
    moved, step = np.zeros((T, P), np.float32), np.zeros(T, np.float32)
    for inside in INSIDE:  # each time with a better idea of where the animal ends, and so of its colours
        skin, total = np.zeros((T, P, 3)), np.zeros((T, P, 1))
        away = [ACROSS - (of.T @ moved[t])[:, None] for t, of in enumerate(seen.pieces)]  # (N, D) each
        for t, of in enumerate(seen.pieces):
            weight = sure[t] * _weights(away[t], inside) * seen.open[t]
            skin[t] = of @ (weight[..., None] * seen.colours[t]).sum(1)
            total[t] = (of @ weight.sum(1))[:, None]
        skin, total = (
            ndimage.gaussian_filter1d(mean @ of, LIT_FOR, axis=0, mode="nearest") for of in (skin, total)
        )
        skin = skin / np.maximum(total, 1e-6)
        said = np.zeros((T, P, D), np.float32)
        for t, of in enumerate(seen.pieces):
            odds = _odds(seen.colours[t], seen.open[t], of, skin[t], pieces.hears, away[t], inside)
            said[t] = of @ (np.cumsum(odds, 1) - odds / 2)
            within, beside = (np.abs(away[t] + side) < 1.5 for side in (1.5, -1.5))
            means = [(odds * side).sum() / max(side.sum(), 1) for side in (within, beside)]
            step[t] = means[0] - means[1]
        said = np.einsum("ab,tbd->tad", pieces.hears, said) * HEARD
        always = CLIP * (sure[:, None, None] * said).sum(0) / max(sure.sum(), 1e-6) - np.square(ACROSS) / (
            2 * clip_sd**2
        )
        usual = mean @ ACROSS[always.argmax(1)]  # (P,)
        said = ndimage.gaussian_filter1d(said, IN_TIME, axis=0, mode="nearest")
        moved = _peak(said - np.square(ACROSS - usual[:, None]) / (2 * frame_sd**2))
    every = np.zeros((len(rims), P), np.float32), np.zeros(len(rims), np.float32)
    every[0][there], every[1][there] = moved * unit, step
    return every


def _odds(colours, open, of, skin, hears, away, inside):
    """Log odds of animal against the water beside it, of colours (N, D, 3) across an outline. -> (N, D)"""
    beside, within = _weights(away, BESIDE) * open * (away > 1), _weights(away, inside) * open
    water = hears @ (of @ (beside[..., None] * colours).sum(1))
    water = water / np.maximum(hears @ (of @ beside.sum(1)), 1e-6)[:, None]
    skin, water = (of.T @ side for side in (skin, water))  # (N, 3)
    spread = 2.0
    for weight, side in ((beside, water), (within, skin)):
        off = (weight[..., None] * np.square(colours - side[:, None])).sum((0, 1))
        spread = spread + off / max(weight.sum(), 1e-6) / 2
    odds = (colours - (EDGE * skin + (1 - EDGE) * water)[:, None]) * ((skin - water) / spread)[:, None]
    return odds.sum(-1).clip(-LET, LET) * open


def _peak(said):
    """Where each row of said (..., D) is highest, between its steps too. -> (...) pixels"""
    k = said.argmax(-1).clip(1, len(ACROSS) - 2)
    before, here, after = (np.take_along_axis(said, (k + o)[..., None], -1)[..., 0] for o in (-1, 0, 1))
    bend = np.minimum(before - 2 * here + after, -1e-9)
    return (ACROSS[k] + 0.25 * ((before - after) / bend).clip(-1, 1)).astype(np.float32)
