"""All frames of a clip laid on each other where the animal is: it stays and gets clear, the water blurs away.

One frame shows pale flukes before pale sand, a glint on the back, foam beside it. In coordinates of the body
these are elsewhere in every frame, and the animal is not. So the mean of all frames, the *sprite*, shows an
animal before even water. Each frame is laid on the sprite by its place, its angle, its bend and its
size; these move evenly from frame to frame, so what one frame does not show its neighbours say. (Lucas and
Kanade's registration, 1981, of the one layer of Frey and Jojic's transformed mixtures, 2003, that moves.)
"""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

DETAIL = 128.0  # pixels of the animal's length in coordinates of the body
ALONG, ACROSS = 0.68, 0.32  # animal's lengths that are looked at, to both sides of its middle
# By how much place (lengths), angle (radians), bend and size (its logarithm) change their speed in a frame.
PACE = np.array([0.0015, 0.0015, 0.006, 0.003, 0.00003])
ROUGH = np.array([0.03, 0.03, 0.1, 0.1, 0.05])  # by how much the way through the clip may be wrong
USUAL = np.array([0.08, 0.03])  # bend and size
OFTEN = 0.08  # share of pixels that say something of their own
ASTRAY = 2.0  # pixels by which frames may lie beside each other
MOST = 3.0  # pixels by which a frame is moved in a round


@dataclass
class Body:
    """Coordinates of the body: x along it, y across, pixels of which its length has DETAIL."""

    length: float  # of the animal, pixels of the image
    x: np.ndarray = field(init=False)
    y: np.ndarray = field(init=False)
    middle: np.ndarray = field(init=False)  # its pixel (column, row)

    def __post_init__(self):
        self.step = self.length / DETAIL
        a, b = int(ALONG * DETAIL), int(ACROSS * DETAIL)
        self.middle = np.array([a, b])
        self.y, self.x = np.mgrid[-b : b + 1, -a : a + 1].astype(np.float32)

    def on_image(self, pose, x=None, y=None):
        """Where points of the body are on the image: x, y.

        pose: x, y, angle, bend, size; the size is the logarithm of how much larger it is than usual.
        """
        x, y = (self.x, self.y) if x is None else (x, y)
        across, step = y + np.float32(pose[3] / DETAIL) * np.square(x), self.step * np.exp(pose[4])
        c, s = np.float32(np.cos(pose[2]) * step), np.float32(np.sin(pose[2]) * step)
        return np.float32(pose[0]) + c * x - s * across, np.float32(pose[1]) + s * x + c * across

    def on_body(self, pose, x, y):
        """Where points of the image are on the body."""
        step = self.step * np.exp(pose[4])
        c, s = np.cos(pose[2]) / step, np.sin(pose[2]) / step
        x, y = x - pose[0], y - pose[1]
        along = c * x + s * y
        return along, c * y - s * x - pose[3] / DETAIL * np.square(along)


@dataclass
class Patch:
    """A part of an image around the animal, smaller by `zoom`.

    pixels (h, w, 4) uint8: colours, and how bright it is close by; corner (x, y).
    """

    pixels: np.ndarray
    corner: np.ndarray
    zoom: float

    @classmethod
    def of(cls, image, place, reach, zoom):
        """From an image (H, W, 3): `reach` pixels around a place (x, y); never larger than it is."""
        top = np.array(image.shape[1::-1])
        low = np.floor(np.asarray(place) - reach).astype(int).clip(0, top - 2)
        high = np.ceil(np.asarray(place) + reach + 1).astype(int).clip(low + 2, top)
        part, zoom = image[low[1] : high[1], low[0] : high[0]], max(zoom, 1.0)
        if zoom > 1:
            size = np.maximum((high - low) // zoom, 2).astype(int)
            box = (0, 0, *(size * zoom).clip(max=high - low))
            small = Image.fromarray(part).resize(tuple(size.tolist()), Image.Resampling.BOX, box=box)
            part = np.asarray(small)
        bright = ndimage.maximum_filter(part.mean(-1), 3).astype(np.uint8)  # foam goes on beside itself
        return cls(np.dstack([part, bright]), low, zoom)

    def at(self, x, y):
        """Pixels at places of the image: (..., 4)"""
        where = [(v - low + 0.5) / self.zoom - 0.5 for v, low in zip((y, x), self.corner[::-1])]
        how = dict(output=np.float32, order=1, mode="nearest")
        colours = np.moveaxis(self.pixels, -1, 0)
        return np.stack([ndimage.map_coordinates(c, where, **how) for c in colours], -1)

    def shows(self, x, y):
        """Which places of the image (...) lie in it."""
        ends = self.corner + self.zoom * np.array(self.pixels.shape[1::-1])
        inside = [(v > low - 1) & (v < high) for v, low, high in zip((x, y), self.corner, ends)]
        return inside[0] & inside[1]


def laid(patches, body, poses, glare, x=None, y=None):
    """Frames in coordinates of the body, or at some places (N,) of it, and where something is seen of it.

    -> (T, ..., 3), (T, ...) bool; glare: grey level from which on a pixel hides what is there.
    """
    at = [body.on_image(pose, x, y) for pose in poses]
    stack = np.stack([patch.at(*where) for patch, where in zip(patches, at)])
    inside = np.stack([patch.shows(*where) for patch, where in zip(patches, at)])
    return stack[..., :3], inside & (stack[..., 3] < glare)


def evenly(wanted, weights, length):
    """Poses (T, 5) that follow wanted ones (T, 5), by weights (T, 5, 5), and change their speed little."""
    T = len(wanted)
    unit = PACE * [length, length, 1, 1, 1]
    bend = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(T - 2, T)) if T > 2 else sparse.csr_matrix((0, T))
    even = sparse.kron(bend.T @ bend, sparse.diags(1 / unit**2))
    blocks = sparse.block_diag(list(weights))
    straight = sparse.kron(sparse.eye(T), sparse.diags([0, 0, 0, *1 / USUAL**2]))
    right = np.einsum("tij,tj->ti", weights, wanted).ravel()
    return spsolve((even + blocks + straight).tocsc(), right).reshape(T, 5)


def steady_mean(stack, open):
    """The mean (N, 3) of frames (T, N, 3) where they are open (T, N), and how far off it most are (N,).

    What is far off counts less.
    """
    some = stack[:: max(1, len(stack) // 25)]
    weight, mean = open[..., None].astype(np.float32), np.median(some, 0)
    for _ in range(2):
        off = np.abs(stack - mean).sum(-1, keepdims=True)
        usual = np.median(off[:: max(1, len(stack) // 25)], 0) + 2
        now = weight / (1 + np.square(off / usual)) + 1e-6
        mean = (stack * now).sum(0) / now.sum(0)
    return mean, usual[:, 0]


def lay(body, patches, poses, counts, glare, blurs):
    """Lays frames on each other: each is moved to lie on the mean of all, together evenly. -> poses (T, 5)

    patches, poses (T, 5): of each frame; counts (h, w) in [0, 1]: where the body is looked at; glare: grey
    level from which on a pixel hides what is there; blurs: of the mean, pixels, one of each round.
    """
    where = counts > 0.02
    inner = ndimage.binary_erosion(where)[where]
    x, y, weight, arm = body.x[where], body.y[where], counts[where] * inner, DETAIL / 3
    grid = np.zeros((*where.shape, 3), np.float32)
    filled = ndimage.distance_transform_edt(~where, return_distances=False, return_indices=True)
    for blur in blurs:
        stack, open = laid(patches, body, poses, glare, x, y)
        mean, usual = steady_mean(stack, open)
        grid[where] = mean
        down, right = np.gradient(ndimage.gaussian_filter(grid[tuple(filled)], (blur, blur, 0)), axis=(0, 1))
        gx, gy = right[where], down[where]  # (N, 3)
        bend = gy * np.square(x / DETAIL)[:, None] * 4
        turning, growing = gy * x[:, None] - gx * y[:, None], gx * x[:, None] + gy * y[:, None]
        slopes = np.stack([gx, gy, turning / arm, bend, growing / arm], 1)  # (N, 5, 3)
        off = stack - mean  # (T, N, 3)
        steep = np.hypot(gx, gy).sum(-1)  # a pixel varies, too, where frames do not yet lie on each other
        usual = np.maximum(usual - ASTRAY * steep, np.quantile(usual, 0.3))
        size = np.abs(off).sum(-1) / usual
        often = np.maximum(np.median(size, 1), 1)[:, None]  # (T, 1): a frame may be another than most
        trust = OFTEN * weight * open / np.square(usual / 3) / np.square(often)
        trust = trust / (1 + np.square(size / (2 * often + ASTRAY * steep / usual)))
        product = np.einsum("nic,njc->nij", slopes, slopes).reshape(-1, 25)
        normal = (trust @ product).reshape(-1, 5, 5)
        pull = np.einsum("tnc,nic->ti", trust[..., None] * off, slopes, optimize=True)
        # A frame that shows nothing of the body, as it left the picture, says nothing, and stays where it is.
        normal += (1e-4 * np.einsum("tii->t", normal)[:, None, None] + 1e-9) * np.eye(5)
        move = -np.linalg.solve(normal, pull[..., None])[..., 0]
        # from pixels of the body to place, angle, bend and size
        c, s = np.cos(poses[:, 2]) * body.step, np.sin(poses[:, 2]) * body.step
        turn = np.zeros((len(poses), 5, 5))
        turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = c, -s, s, c
        turn[:, 2, 2], turn[:, 3, 3], turn[:, 4, 4] = 1 / arm, 4 / DETAIL, 1 / arm
        back = np.linalg.inv(turn)
        weights = np.einsum("tki,tkl,tlj->tij", back, normal, back)
        new = evenly(poses + np.einsum("tij,tj->ti", turn, move), weights, body.length)
        most = MOST * np.array([body.step, body.step, 1 / arm, 4 / DETAIL, 1 / arm])
        poses = poses + (new - poses).clip(-most, most)
    return poses


def local_mean(stack, open, t, near):
    """The mean (h, w, 3) of frames around t, weights falling with their distance, `near` frames."""
    reach = int(3 * near)
    low, high = max(0, t - reach), min(len(stack), t + reach + 1)
    ahead = np.arange(low, high) - t
    weight = np.exp(-0.5 * np.square(ahead / near)).astype(np.float32)[:, None, None] * open[low:high]
    total = weight.sum(0)
    return np.einsum("tyx,tyxc->yxc", weight, stack[low:high]) / np.maximum(total, 1e-6)[..., None], total


def spread_mean(image, where, sd):
    """The mean colour close by of pixels `where` (h, w) bool, carried on beyond them: (h, w, 3)"""
    weight = where.astype(np.float32)
    total = ndimage.gaussian_filter(weight, sd) + 0.002
    usual = image[where].mean(0) if where.any() else image.mean((0, 1))
    pairs = zip(np.moveaxis(image, -1, 0), usual)
    return np.stack([ndimage.gaussian_filter(weight * (c - b), sd) / total + b for c, b in pairs], -1)
