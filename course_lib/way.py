"""The way of an animal through a clip: looked for in every frame alone, then in all of them together.

A tracker that knows the last frame alone follows what is near: foam that drifts past takes it along. Here
each frame is asked where a form like the first mask's could lie: what looks like the animal inside of it, and
less so in a ring around it. Of the best answers of all frames those are chosen that make the best way
together, as an animal neither jumps nor turns at once (Viterbi's algorithm). Frames in which nothing fits are
passed over, so it is found again after foam.
"""

import numpy as np
from PIL import Image
from scipy import fft, ndimage

from .two_sides import BINS, LET, UNSEEN, K, Palette, blurred, open_shares

LENGTH = 32.0  # pixels of the animal in the small pictures that are looked at
WINDOW = 4.0  # animal's lengths that are looked at, around the end of the best way so far
TURNS = 36  # angles at which the form is tried
PLACES, EACH = 8, 14  # places of a frame that are kept, and angles at each of them
STEP, TURN = 0.06, 0.2  # by how much an animal moves, of its length, and turns, radians, per frame
PASSED = 6  # most frames that are passed over at once
WEIGHT, LEAST = 6.0, 0.35  # of a score against steps and turns, and the score that is worth it; 1: the first
HIDES = 0.15  # share of glare in a small pixel that hides it
FADES = 0.8  # per frame: the colours of the water


class Search:
    """Looks for an animal in small pictures of whole frames.

    image (H, W, 3) uint8, mask (H, W) bool: of the first frame; pose: its place (x, y) and angle there;
    glare: grey level from which on something is foam or a glint.
    """

    def __init__(self, image, mask, pose, glare):
        x, y, angle = pose
        rows, columns = np.nonzero(mask)
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        self.length, self.glare = float(np.ptp(along)) + 1, glare
        self.zoom = max(1.0, self.length / LENGTH)
        small = self._small(image)
        self.palette = Palette(small.reshape(-1, 3))
        box = max(1, round(self.zoom))
        dense = ndimage.uniform_filter(image.astype(np.float32), (box, box, 0))  # small pixels, everywhere
        own = ndimage.binary_erosion(mask, iterations=max(1, box // 2)) & (dense.mean(-1) < glare)
        counts = np.bincount(self.palette(dense[own if own.any() else mask]), minlength=K)
        self.skin, self.water = _blurred(_blurred(counts)), np.zeros(K)
        self.last, self.usual = np.array(pose[:2], float), None  # where to look; the first frame's score
        self.angles = 2 * np.pi * np.arange(TURNS) / TURNS
        self.kernels = self._kernels(self._small(mask.astype(np.float32)), pose)
        self.window = np.minimum(small.shape[:2], int(WINDOW * self.length / self.zoom))
        full = self.window + 2 * (self.kernels.shape[-1] // 2)
        self.size = tuple(fft.next_fast_len(int(n), real=True) for n in full)
        self.spectra = fft.rfft2(self.kernels[:, ::-1, ::-1], self.size)

    def _small(self, image):
        size = [max(8, int(n / self.zoom)) for n in image.shape[1::-1]]
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)).astype(np.float32)

    def _kernels(self, share, pose):
        """The form's pixels less those around it, at each angle: (TURNS, n, n)."""
        r, found = int(0.75 * self.length / self.zoom) + 4, []
        down, right = np.mgrid[-r : r + 1, -r : r + 1].astype(np.float32)
        x, y = ((v + 0.5) / self.zoom - 0.5 for v in pose[:2])
        for turn in self.angles:
            c, s = np.cos(pose[2] - turn), np.sin(pose[2] - turn)
            form = ndimage.map_coordinates(
                share, [y + s * right + c * down, x + c * right - s * down], order=1
            )
            near = ndimage.gaussian_filter((form > 0.3).astype(np.float32), 2.0) > 0.02
            ring = near & (ndimage.maximum_filter(form, 3) < 0.3)
            found.append(form / max(form.sum(), 1e-6) - ring / max(ring.sum(), 1))
        return np.stack(found).astype(np.float32)

    def _odds(self, image):
        """Log odds of animal against water of each small pixel (h, w), 0 where something hides it."""
        small = self._small(image)
        hidden = self._small((image.mean(-1) > self.glare).astype(np.float32)) > HIDES
        colours = self.palette(small)
        y, x = np.ogrid[: small.shape[0], : small.shape[1]]
        at = (self.last + 0.5) / self.zoom - 0.5
        water = (np.hypot(y - at[1], x - at[0]) > 0.6 * self.length / self.zoom) & ~hidden
        self.water = FADES * self.water + _blurred(np.bincount(colours[water], minlength=K))
        skin, sea = open_shares(self.skin, UNSEEN["skin"]), open_shares(self.water, UNSEEN["water"])
        odds = np.log(skin / sea).clip(-LET, LET)[colours]
        usual = np.median(odds[water]) if water.any() else 0.0
        return np.where(hidden, 0, odds - usual).astype(np.float32)

    def _window(self, odds):
        """The part of the odds (h, w) that is looked at, and its corner (x, y)."""
        corner = (self.last[::-1] / self.zoom - self.window / 2).astype(int)
        y, x = np.clip(corner, 0, odds.shape - self.window)
        return odds[y : y + self.window[0], x : x + self.window[1]], np.array([x, y])

    def candidates(self, image):
        """The best poses (x, y, angle) in a frame, (N, 3), and their scores (N,); the first frame's is 1."""
        odds, corner = self._window(self._odds(image))
        found = fft.irfft2(fft.rfft2(odds, self.size) * self.spectra, self.size, workers=2)
        r = self.kernels.shape[-1] // 2
        h, w = (n // 3 * 3 for n in odds.shape)
        scores = found[:, r : r + h, r : r + w].reshape(TURNS, h // 3, 3, w // 3, 3)
        scores = scores.transpose(0, 1, 3, 2, 4).reshape(TURNS, h // 3, w // 3, 9)
        top = self._apart(scores.max(-1))
        best, k = scores[top].max(-1), scores[top].argmax(-1)
        at = np.stack([3 * top[2] + k % 3, 3 * top[1] + k // 3], 1) + corner
        at = (at + 0.5) * self.zoom - 0.5
        self.usual = max(float(best.max()), 1e-3) if self.usual is None else self.usual
        return np.concatenate([at, self.angles[top[0]][:, None]], 1), best / self.usual

    def _apart(self, scores):
        """The best of scores (TURNS, h, w), a few of each place: one that looks like it fills no list."""
        best = scores.max(0)
        size = max(3, 2 * round(0.12 * LENGTH) - 1)
        peak = best == ndimage.maximum_filter(best, size)
        rows, columns = np.nonzero(peak)
        first = np.argsort(best[peak])[::-1][:PLACES]
        found = []
        for y, x in zip(rows[first], columns[first]):
            y0, x0 = max(y - 1, 0), max(x - 1, 0)
            near = scores[:, y0 : y + 2, x0 : x + 2]
            flat = near.reshape(len(near), -1)
            turn = np.argpartition(flat.max(1), -EACH)[-EACH:]
            dy, dx = np.unravel_index(flat[turn].argmax(1), near.shape[1:])
            found.append(np.stack([turn, dy + y0, dx + x0]))
        return tuple(np.concatenate(found, 1))


def _blurred(counts):
    grid = counts.reshape(BINS).astype(float)
    for axis in (0, 1, 2):
        grid = blurred(grid, axis)
    return grid.ravel()


class Ways:
    """The best ways to the candidates of each frame, by Viterbi's algorithm, as frames come.

    pose (3,): where they begin; length: the animal's.
    """

    def __init__(self, pose, length):
        self.poses, self.length = [np.array([pose], float)], length
        self.totals, self.back = [np.zeros(1)], [None]

    def add(self, poses, scores):
        """The next frame's candidates (N, 3) and their scores (N,). -> where the best way ends, (3,)"""
        t = len(self.poses)
        past = range(max(0, t - PASSED), t)
        gains, froms = [], []
        for s in past:
            apart, gap = poses[:, None] - self.poses[s], t - s  # (N, M, 3)
            moved = np.square(apart[..., :2] / (STEP * self.length)).sum(-1) / gap**1.5
            turned = np.square(np.angle(np.exp(1j * apart[..., 2])) / TURN) / gap
            gain = self.totals[s] - 0.5 * (moved + turned)
            froms.append(gain.argmax(1))
            gains.append(gain.max(1))
        via = np.argmax(gains, 0)  # (N,)
        self.poses.append(poses)
        self.back.append([(past[v], froms[v][k]) for k, v in enumerate(via)])
        self.totals.append(np.max(gains, 0) + WEIGHT * (scores.clip(-1, 1.5) - LEAST))
        end, k = self.end()
        return self.poses[end][k]

    def end(self):
        """The frame and the candidate in which the best way ends, of late."""
        t = len(self.poses)
        t = max(range(max(0, t - PASSED), t), key=lambda t: self.totals[t].max())
        return t, int(self.totals[t].argmax())

    def best(self):
        """-> poses (T, 3), seen (T,) bool; frames that are passed over lie between the others"""
        (t, k), chosen = self.end(), {}
        while t:
            chosen[t] = self.poses[t][k]
            t, k = self.back[t][k]
        chosen[0] = self.poses[0][k]
        at = sorted(chosen)
        way = np.stack([chosen[t] for t in at])
        way[:, 2] = np.unwrap(way[:, 2])
        every = np.arange(len(self.poses))
        return np.stack([np.interp(every, at, axis) for axis in way.T], 1), np.isin(every, at)


def way(search, read, frames, start):
    """The poses (x, y, angle) of an animal in some frames, a list of numbers. -> (T, 3), seen (T,) bool

    start: its pose in the first of them; read(t) gives frame t.
    """
    ways = Ways(start, search.length)
    for t in frames[1:]:
        search.last = ways.add(*search.candidates(read(t)))[:2]
    return ways.best()
