"""What an animal and the water around it look like, and the smooth outline between the two.

Both sides are histograms of colour and place, (rows, columns, K): of the water over cells of the image, of
the animal as a whole. A cell shares what it says with its whole side. Whether a pixel is the animal is then a
question of odds:

    log odds = log p(colour | animal) - log p(colour | water, place in the image)

Speckle says little about one pixel and much about many. `smooth_mask` finds the region that has the best
odds for the shortest outline, where outlines along edges of the image count less.
"""

import numpy as np
from scipy import ndimage

BINS = (16, 12, 10)  # of the three colours: brightness, then the two in which the clip varies most
FINEST = 1.0  # grey levels that are told apart
K = int(np.prod(BINS))
LET = 2.0  # log odds of one pixel are at most this: it may be a glint
HELP = 40.0  # pixels of which a cell must have seen more to have much to say; it never has more than half
# Share of each side whose colours may be any: nobody has shown all of the animal.
UNSEEN = {"water": 0.02, "skin": 0.1}
STEPS = 40  # of the smooth mask's descent
PULL = 0.35  # its step size; below 1 / sqrt(8) it converges (Chambolle and Pock 2011, algorithm 1)


class Palette:
    """Colours as numbers 0 to K - 1, fine where this clip needs it.

    Axes are those in which the colours (N, 3) vary, measured in their usual deviation from the middle. Bins
    are even there, and wider and wider further out (asinh), where glints and foam are.
    """

    def __init__(self, colours):
        self.middle = np.median(colours, axis=0).astype(np.float32)
        off = colours - self.middle
        usual = off[np.abs(off).sum(1) <= np.quantile(np.abs(off).sum(1), 0.9)]
        self.axes = np.linalg.eigh(usual.T @ usual)[1][:, ::-1].astype(np.float32)  # (3, 3), the widest first
        off = off @ self.axes
        self.usual = np.maximum(np.median(np.abs(off), axis=0), FINEST).astype(np.float32)
        low, high = np.quantile(np.arcsinh(off / self.usual), [0.002, 0.998], axis=0)
        self.low, self.step = low.astype(np.float32), ((high - low) / BINS).astype(np.float32)

    def __call__(self, image):
        """image (..., 3) -> (...) int"""
        at = (np.arcsinh((image - self.middle) @ self.axes / self.usual) - self.low) / self.step
        a, b, c = np.moveaxis(at.astype(np.int32).clip(0, np.array(BINS) - 1), -1, 0)
        return (a * BINS[1] + b) * BINS[2] + c


class Side:
    """Colours of one side by place. unseen: the share of them that may be any."""

    def __init__(self, shape, unseen):
        self.counts, self.unseen = np.zeros((*shape, K), np.float32), unseen

    def learn(self, rows, columns, colours):
        """Adds pixels: cells (N,) int and colours (N,) int."""
        flat = (rows * self.counts.shape[1] + columns) * K + colours
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def shares(self, rows, columns, colours, spread=1):
        """The share of each pixel's colour at its place: cells (N,) float, colours (N,) int -> (N,)

        Between cells it goes over smoothly.
        """
        grid = self.counts.reshape(*self.counts.shape[:2], *BINS)
        for axis in (2, 3, 4):
            for _ in range(spread):
                grid = blurred(grid, axis)
        whole = open_shares(grid.sum((0, 1)).reshape(-1), self.unseen)
        for axis in (0, 1):
            grid = blurred(grid, axis)
        grid = grid.reshape(self.counts.shape)
        seen = grid.sum(-1)
        y, x = (rows - 0.5).clip(0, seen.shape[0] - 1), (columns - 0.5).clip(0, seen.shape[1] - 1)
        j, i = (np.minimum(v.astype(np.int32), n - 2).clip(0) for v, n in zip((y, x), seen.shape))
        v, u = (y - j).clip(0, 1), (x - i).clip(0, 1)
        mine, total = np.zeros(len(y), np.float32), np.zeros(len(y), np.float32)
        flat, seen = grid.reshape(-1), seen.reshape(-1)
        for dj, wj in ((0, 1 - v), (1, v)):
            for di, wi in ((0, 1 - u), (1, u)):
                cell = np.minimum(j + dj, grid.shape[0] - 1) * grid.shape[1]
                cell = cell + np.minimum(i + di, grid.shape[1] - 1)
                mine += wj * wi * flat[cell * K + colours]
                total += wj * wi * seen[cell]
        here = 0.5 * total / (total + HELP)  # the rest has the whole side to say
        return here * mine / np.maximum(total, 1e-6) + (1 - here) * whole[colours]


def open_shares(counts, unseen):
    """Counts of colours (K,) as shares that sum to 1, of which `unseen` may be of any colour."""
    return (1 - unseen) * counts / max(counts.sum(), 1e-6) + unseen / K


def blurred(grid, axis):
    """A histogram, blurred a little along an axis; what would fall off the ends stays there."""
    if grid.shape[axis] < 2:
        return grid
    grid = np.moveaxis(grid, axis, 0)
    out = 0.5 * grid
    out[1:] += 0.25 * grid[:-1]
    out[:-1] += 0.25 * grid[1:]
    out[0] += 0.25 * grid[0]
    out[-1] += 0.25 * grid[-1]
    return np.moveaxis(out, 0, axis)


def edge_weights(crop):
    """What an outline costs in each pixel of a crop (h, w, 3): little along edges."""
    right, down = np.zeros((2, *crop.shape[:2]), np.float32)
    down[:-1] = np.square(crop[1:] - crop[:-1]).sum(-1)
    right[:, :-1] = np.square(crop[:, 1:] - crop[:, :-1]).sum(-1)
    step = right + down
    return 0.1 + 0.9 * np.exp(-step / (2 * max(float(step.mean()), 2.0)))


def smooth_mask(odds, weights, length=1.0, steps=STEPS):
    """The share of animal in each pixel, (h, w), that balances odds against the outline's length.

    min over u in [0, 1] of  sum -odds u + length sum |weights grad u|: convex, and its minimum, cut at 1/2,
    is the best of all masks (Chan, Esedoglu and Nikolova 2006). odds (h, w); weights (h, w) of
    `edge_weights`.
    """
    odds, most = odds.astype(np.float32), np.square(length * weights)
    u = (odds > 0).astype(np.float32)
    ahead, px, py = u, np.zeros_like(u), np.zeros_like(u)
    for _ in range(steps):
        px[:, :-1] += PULL * (ahead[:, 1:] - ahead[:, :-1])
        py[:-1] += PULL * (ahead[1:] - ahead[:-1])
        within = np.sqrt(most / np.maximum(px * px + py * py, most))
        px *= within
        py *= within
        flow = px + py
        flow[:, 1:] -= px[:, :-1]
        flow[1:] -= py[:-1]
        new = np.clip(u + PULL * (flow + odds), 0, 1)
        ahead, u = 2 * new - u, new
    return u


def half_way(crop, mask, size):
    """Log odds near a mask's outline: how far each colour is from water to animal, as both are close by.

    A pixel that both share equally has 0: there the outline runs. (h, w), in units of the spread of colours
    on both sides; of no use further away. size: pixels over which colours are averaged.
    """
    depth = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    means, spread = [], 0.0
    for inside in depth:
        weight = ((inside > 0) & (inside < 4.1)).astype(np.float32)  # close by
        total = ndimage.uniform_filter(weight, size) + 1e-6
        of = [ndimage.uniform_filter(weight * c, size) / total for c in np.moveaxis(crop, -1, 0)]
        square = ndimage.uniform_filter(weight * np.square(crop).sum(-1), size) / total
        means.append(np.stack(of, -1))
        spread = spread + np.maximum(square - np.square(means[-1]).sum(-1), 0) / 6 + 0.5
    skin, water = means
    towards = skin - water
    return ((crop - (skin + water) / 2) * towards).sum(-1) / spread


def best_part(u, guess, open_at=None):
    """The mask u > 1/2, of which only the parts that lie on a guess of the animal stay, without holes.

    open_at (h, w) bool: pixels whose holes stay open.
    """
    region = u > 0.5
    parts, n = ndimage.label(region)
    if n == 0:
        return region
    size, on = (np.bincount(parts[where], minlength=n + 1)[1:] for where in (region, region & guess))
    kept = (on == on.max()) | (on > 0.6 * size) & (on > 0.02 * on.sum())
    mask = np.isin(parts, np.nonzero(kept & (on > 0))[0] + 1)
    filled = ndimage.binary_fill_holes(mask)
    if open_at is not None and (filled & ~mask & open_at).any():
        holes, _ = ndimage.label(filled & ~mask)
        filled &= ~np.isin(holes, np.unique(holes[open_at & (holes > 0)]))
    return filled


def settled(u, mask):
    """The share of animal u (h, w) that, cut at 1/2, is a mask (h, w) bool made of it, `best_part`."""
    return np.where(mask, np.maximum(u, 0.51), np.minimum(u, 0.49))
