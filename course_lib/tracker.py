"""Masks of a swimming animal from a few points, without a network: what looks like it, and what like water.

For each frame, in steps that are functions below:

    Animal.ahead    where the animal should be by now: its place, direction and shape so far
    follow          by how much it is elsewhere: where most of what looks like it is covered
    odds            of each pixel, by its colour, on the animal and in the water there (`two_sides`)
    smooth_mask     the outline that fits these odds and is short
    best_part       of it, what lies on the animal: foam and streaks that drift past do not
    Animal.learn    how it and the water look now

It is made for one animal. What hides it (foam) is not taken for it; where too little is left, it is lost
until it is found again. It needs NumPy, SciPy and Pillow.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, signal

from .errors import CourseError
from .machine import has_gpu, has_module
from .two_sides import LET, UNSEEN, Palette, Side, best_part, edge_weights, half_way, smooth_mask
from .way import Search, way

BLUR = 0.6  # pixels; takes the sharpest of the noise away, and of the outline little
LARGEST = 70.0  # root of an animal's area in pixels; a larger one is looked at in less detail
KIND, SO_FAR = 3.0, 2.5  # how much the kind's silhouette, and the animal's shape so far, have to say, in odds
FADES = 0.98  # per frame: the shape so far
LENGTH = 0.8  # log odds that a pixel of outline costs
BAND = 2.4  # pixels beside an outline: where it is moved to half of the contrast
AROUND = 7  # pixels over which that contrast is measured
COLOURS = 0.15  # weight of the histograms' odds beside that contrast
TURN = 0.12  # radians: by how much the animal may turn more, or less, than before
# Half lengths, radians: so far from the clip's best way it is astray, if it is trusted less than that.
ASTRAY, ASTRAY_TURN, DOUBTED = 0.25, 0.4, 0.6
HIDDEN = -0.25  # of the least odds: what foam or a glint says of a pixel
LOST = (0.45, 2.2)  # of the first area: outside of these it is not the animal that was found
CLEAR = 0.5  # mean log odds on the animal, from which on it is found
# How the overlap goes with the step of the odds at the outline, the share of pixels that look
# like the animal, and the overlap with the shape so far: least squares over seas of benchmarks/seas.py.
TRUST = (-1.23, 0.06, 0.96, 1.14)
UNFOUND = 0.3  # of that overlap: with less the animal is lost
LONGER = 1.2  # than what stands out: thin stocks and flukes do not; a silhouette is laid on from both lengths
MISSED = 4.0  # what it costs, beside mean odds, that a silhouette leaves out all points
CLEAR_FIRST = 1.25  # the same on the first frame, whose own mask taught the colours


class Tracker:
    """Follows the animal of a clip from its prompts.

    read: gives frame t as (H, W, 3) uint8; prompts: see `clip_files.load_prompts`. `confidence` says of
    each frame how far its mask can be trusted, 0 to 1. `lost` collects the frames in which the animal was
    not found: their confidence is 0, and where it should be by its last movement stands in.
    """

    name = "the tracker"

    def __init__(self, read, n_frames, prompts, form=None):
        self.read, self.n_frames, self.prompts, self.form = read, n_frames, prompts, form
        self.lost, self.confidence = [], {}

    def propagate(self, done):
        """Yields (t, mask (H, W) bool) for each frame that is not in `done`, {t: mask}.

        From the prompts' frame to the end, then back to the start. What was learned from the masks that are
        done is learned from them again, so a resumed run makes the same masks.
        """
        first = self.prompts["frame"]
        image, mask = self.read(first), done.get(first)
        if mask is None:
            mask = first_mask(image, self.prompts["points"], self.prompts["labels"], self.form)
            self.confidence[first] = 1.0
            yield first, mask
        for ahead in (range(first + 1, self.n_frames), range(first - 1, -1, -1)):
            if not ahead:
                continue
            animal = Animal(image, mask)
            poses, seen = animal.way(self.read, [first, *ahead])
            for k, t in enumerate(ahead, 1):
                guide = poses[k] if seen[k] else None
                if t in done:
                    view = animal.expect(self.read(t), guide)
                    animal.accept(view, done[t], self.confidence.get(t, 1.0))
                    continue
                found, self.confidence[t] = animal.find(self.read(t), guide)
                if self.confidence[t] == 0:
                    self.lost.append(t)
                yield t, found


@dataclass
class View:
    """A frame around the animal, and where it should be.

    crop (h, w, 3), corner (x, y), colours (h, w), odds (h, w); guess (h, w) in [0, 1]: the shape so far, at
    its place and angle.
    """

    crop: np.ndarray
    corner: np.ndarray
    colours: np.ndarray
    odds: np.ndarray
    guess: np.ndarray
    place: np.ndarray
    angle: float

    def shape_odds(self, thick):
        """What the shape so far says of each pixel, as log odds; far from it there is no animal."""
        odds = SO_FAR * np.log((self.guess + 0.02) / (1.02 - self.guess))
        far = ndimage.distance_transform_edt(self.guess < 0.5) > max(4, thick)
        return np.where(far, -4 * LET, odds)


class Animal:
    """What is known of an animal while it is followed: place, movement, shape, and both sides' colours.

    image (H, W, 3), mask (H, W) bool: of the first frame. Lengths are pixels of an image that is smaller by
    `zoom`; place is (x, y), angle radians, from x towards y. `form` is its shape in coordinates of the
    body, the place in the middle: how often each pixel was the animal, of late.
    """

    def __init__(self, image, mask):
        self.zoom = max(1.0, mask.sum() ** 0.5 / LARGEST)
        self.full, self.start = mask.shape, (image, mask)
        self.size = [max(1, int(n / self.zoom)) for n in mask.shape]
        small = shrunk(mask.astype(np.float32), self.zoom, (0, 0), self.size) > 0.5
        rows, columns = np.nonzero(small)
        self.area, self.thick = float(len(rows)), thickness(small)
        self.place = np.array([columns.mean(), rows.mean()])
        away = np.stack([columns, rows], 1) - self.place
        self.angle = float(np.arctan2(*np.linalg.eigh(away.T @ away)[1][::-1, -1]))
        self.velocity, self.turning, self.missed, self.sure = np.zeros(2), 0.0, 0, 1.0
        self.reach = int(np.hypot(*away.T).max() * 1.2 + 3)
        self.margin = int(max(2.5 * self.thick, 16))
        self.cell = max(4.0, 0.8 * self.thick)
        self.form = np.zeros((2 * self.reach + 1,) * 2, np.float32)
        self.water = Side([int(n / self.cell) + 2 for n in self.size], 0.97, UNSEEN["water"])
        self.skin = Side([int(n / self.cell) + 2 for n in self.form.shape], 0.95, UNSEEN["skin"])
        crop, corner = self.look(image, self.place)
        self.palette, self.first = Palette(crop.reshape(-1, 3)), 0
        mask = small[corner[1] : corner[1] + crop.shape[0], corner[0] : corner[0] + crop.shape[1]]
        self.form = self.on_body(mask, corner)
        bright = crop.mean(-1)[mask]
        usual = np.median(bright)
        self.glare = usual + max(6 * np.median(np.abs(bright - usual)), 45)
        self.learn(self.palette(crop), mask, mask.astype(np.float32), corner, self.glares(crop))
        self.first = self.skin.counts.copy()

    def look(self, image, place):
        """The surroundings of a place: (h, w, 3) float32, smaller by `zoom`, and their corner (x, y)."""
        around = self.reach + self.margin
        low = np.maximum(np.floor(place).astype(int) - around, 0)
        high = np.minimum(np.ceil(place).astype(int) + around + 1, self.size[::-1])
        low = np.minimum(low, high - 8).clip(0)
        crop = shrunk(image, self.zoom, low, (high - low)[::-1])
        return smooth(crop), low

    def grid(self, place, angle, corner, shape):
        """Where the pixels (h, w) of a window are on the body, in pixels of `form`: along, across."""
        x = np.arange(shape[1], dtype=np.float32)[None] + np.float32(corner[0] - place[0])
        y = np.arange(shape[0], dtype=np.float32)[:, None] + np.float32(corner[1] - place[1])
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return c * x + s * y + self.reach, c * y - s * x + self.reach

    def ahead(self, place, angle, corner, shape):
        """The shape so far at a place and angle, (h, w) in [0, 1]."""
        along, across = self.grid(place, angle, corner, shape)
        return ndimage.map_coordinates(self.form, [across, along], order=1)

    def on_body(self, mask, corner):
        """A mask of a window in coordinates of the body, as `form`."""
        r = np.arange(-self.reach, self.reach + 1, dtype=np.float32)
        c, s = np.cos(self.angle), np.sin(self.angle)
        x = self.place[0] - corner[0] + c * r[None] - s * r[:, None]
        y = self.place[1] - corner[1] + s * r[None] + c * r[:, None]
        return ndimage.map_coordinates(mask.astype(np.float32), [y, x], order=1)

    def odds(self, colours, place, angle, corner):
        """Log odds of animal against water of each pixel's colour (h, w) at its place."""
        along, across = self.grid(place, angle, corner, colours.shape)
        inside = (np.abs(along - self.reach) <= self.reach) & (np.abs(across - self.reach) <= self.reach)
        y, x = np.nonzero(inside)
        odds = np.full(colours.shape, -LET, np.float32)
        cells = ((across[inside] / self.cell), (along[inside] / self.cell))
        skin = self.skin.shares(*cells, colours[inside], self.first)
        cells = ((y + corner[1] + 0.5) / self.cell, (x + corner[0] + 0.5) / self.cell)
        water = self.water.shares(*cells, colours[inside])
        odds[inside] = np.log(skin / water).clip(-LET, LET)
        return odds

    def way(self, read, frames):
        """Its poses in frames as `way.way` finds them; it must still be in the first of them."""
        place = (self.place + 0.5) * self.zoom - 0.5
        pose = [*place, self.angle]
        return way(Search(*self.start, pose, self.glare), read, frames, pose)

    def find(self, image, guide=None):
        """The mask in the next frame (H, W) bool, and how far it can be trusted; 0: the animal is lost.

        guide: its pose (x, y, angle) there in the whole clip's best way, or None.
        """
        view = self.expect(image, guide)
        weights, odds = edge_weights(view.crop), view.odds + view.shape_odds(self.thick)
        u = smooth_mask(odds, weights, LENGTH)
        found = best_part(u, view.guess > 0.5)
        if found.any():
            u = refined(view.crop, found, odds, weights)
            found = best_part(u, view.guess > 0.5)
        whole = enlarged(
            np.where(found, np.maximum(u, 0.51), np.minimum(u, 0.49)), self.zoom, view.corner, self.full
        )
        sure = self.trust(found, view)
        return self.accept(view, whole, sure), sure

    def lead(self, guide):
        """Takes the pose of a guide (x, y, angle) where the animal was not followed to there."""
        apart = (guide[:2] + 0.5) / self.zoom - 0.5 - self.place - self.velocity
        turn = float(np.angle(np.exp(1j * (guide[2] - self.angle - self.turning))))
        astray = np.hypot(*apart) > ASTRAY * self.reach or abs(turn) > ASTRAY_TURN
        if self.missed or astray and self.sure < DOUBTED:
            self.place, self.angle = self.place + apart, self.angle + turn

    def expect(self, image, guide=None):
        """What is seen in the next frame, and where the animal should be in it. -> View"""
        if guide is not None:
            self.lead(guide)
        place, angle = self.place + self.velocity, self.angle + self.turning
        crop, corner = self.look(image, place)
        colours = self.palette(crop)
        odds = self.odds(colours, place, angle, corner)
        reach = (0.6 * self.thick + 2 + np.hypot(*self.velocity)) * (1 + 0.3 * self.missed)
        found = []
        for turn in (0.0, -TURN, TURN):
            form = self.ahead(place, angle + turn, corner, colours.shape)
            found.append((*follow(odds, form, min(reach, self.margin)), turn))
        _, shift, turn = max(found, key=lambda each: each[0] - 0.1 * (each[2] != 0))
        place, angle = place + shift, angle + turn
        if np.hypot(*shift) > 1.5 or turn:
            odds = self.odds(colours, place, angle, corner)
        odds = np.where(self.glares(crop), np.clip(odds, HIDDEN * LET, 0), odds)
        guess = ndimage.gaussian_filter(self.ahead(place, angle, corner, colours.shape), 0.2 * self.thick)
        return View(crop, corner, colours, odds, guess, place, angle)

    def accept(self, view, mask, sure):
        """Learns from a mask (H, W) that was found in a view. -> it, or its stand-in if the animal is lost"""
        self.sure = sure
        if sure == 0:
            self.place, self.angle = self.place + self.velocity, self.angle + self.turning
            self.velocity, self.turning, self.missed = (
                0.8 * self.velocity,
                0.8 * self.turning,
                self.missed + 1,
            )
            stand_in = self.ahead(self.place, self.angle, (0, 0), self.size)
            return enlarged(stand_in, self.zoom, (0, 0), self.full)
        small = shrunk(mask.astype(np.float32), self.zoom, view.corner, view.colours.shape) > 0.5
        self.settle(small, view)
        self.learn(view.colours, small, view.guess, view.corner, self.glares(view.crop))
        return mask

    def trust(self, mask, view):
        """How far a mask can be trusted: about its overlap with the animal, IoU; 0 if that is lost."""
        area, guess, odds = mask.sum() / self.area, view.guess > 0.5, view.odds
        if not LOST[0] < area < LOST[1] or odds[mask].mean() < CLEAR:
            return 0.0
        within = mask & ~ndimage.binary_erosion(mask, iterations=2)
        beside = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask)
        signs = (
            odds[within].mean() - odds[beside].mean(),
            (odds[mask] > 0).mean(),
            (mask & guess).sum() / (mask | guess).sum(),
        )
        sure = float(np.clip(TRUST[0] + np.dot(TRUST[1:], signs), 0, 1))
        return sure if sure > UNFOUND else 0.0

    def settle(self, mask, view):
        """Takes the place and angle at which the shape so far lies best on a mask, and the movement there."""
        old_place, old_angle = self.place, self.angle
        place, angle, corner = view.place, view.angle, view.corner
        wanted = ndimage.gaussian_filter(mask.astype(np.float32), 1.5)
        for _ in range(3):  # Gauss-Newton: a part that is hidden pulls only where it ends
            now = ndimage.gaussian_filter(self.ahead(place, angle, corner, mask.shape), 1.5)
            down, right = np.gradient(now)
            y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
            y, x = y + corner[1] - place[1], x + corner[0] - place[0]
            slopes = np.stack([-right, -down, (right * y - down * x) / self.reach], -1).reshape(-1, 3)
            normal = slopes.T @ slopes + 1e-3 * np.eye(3) * (slopes**2).sum() / 3
            dx, dy, da = np.linalg.solve(normal, slopes.T @ (wanted - now).reshape(-1))
            limit = max(3.0, 0.5 * self.thick)
            place = place + np.clip([dx, dy], -limit, limit)
            angle = angle + float(np.clip(da / self.reach, -0.1, 0.1))
        self.velocity = 0.5 * self.velocity + 0.5 * (place - old_place)
        self.turning = 0.5 * self.turning + 0.5 * (angle - old_angle)
        self.place, self.angle, self.missed = place, angle, 0
        self.form = FADES * self.form + (1 - FADES) * self.on_body(mask, corner)

    def glares(self, crop):
        """Pixels (h, w) far brighter than the animal was at first: foam and glints hide what is there."""
        return crop.mean(-1) > self.glare

    def learn(self, colours, mask, guess, corner, glare):
        """Learns both sides' colours (h, w) from a mask; what may be either is left out."""
        y, x = np.nonzero(ndimage.binary_erosion(mask) & ~glare)
        along, across = self.grid(self.place, self.angle, corner, mask.shape)
        cells = [
            (v[y, x] / self.cell).astype(int).clip(0, n - 1)
            for v, n in zip((across, along), self.skin.counts.shape)
        ]
        self.skin.learn(*cells, colours[y, x])
        near = ndimage.binary_dilation(mask, iterations=1) | (guess > 0.1)
        y, x = np.nonzero(~near)
        cells = [((v + c) / self.cell).astype(int) for v, c in ((y, corner[1]), (x, corner[0]))]
        self.water.learn(*cells, colours[y, x])


def refined(crop, mask, odds, weights):
    """The share of animal (h, w) where the outline of a mask is moved to half of the contrast close by.

    Where the animal is too thin to have colours of its own there, its odds alone say where it ends.
    """
    depth = ndimage.distance_transform_edt(mask)
    near = np.maximum(depth, ndimage.distance_transform_edt(~mask)) < BAND
    thick = (ndimage.uniform_filter((depth > 1.5).astype(np.float32), AROUND) * AROUND**2 / 6).clip(0, 1)
    close = thick * half_way(crop, mask, AROUND).clip(-LET, LET) + (1 - thick * (1 - COLOURS)) * odds
    return smooth_mask(np.where(near, close, np.where(mask, 4 * LET, -4 * LET)), weights, LENGTH)


def thickness(mask):
    """Half of the animal's width in pixels: the radius of the largest disc inside the mask."""
    return float(ndimage.distance_transform_edt(np.pad(mask, 1)).max())


def follow(odds, form, reach):
    """How much of what looks like the animal a form can cover, and the whole shift (x, y) to there."""
    r = int(np.ceil(reach))
    score = signal.fftconvolve(np.pad(odds, r, constant_values=-LET), form[::-1, ::-1], mode="valid")
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    score = score / max(form.sum(), 1.0) - 0.3 * (x**2 + y**2) / r**2  # rather near than far
    dy, dx = np.unravel_index(score.argmax(), score.shape)
    return float(score.max()), np.array([dx - r, dy - r], float)


def first_mask(image, points, labels, form=None):
    """The mask (H, W) bool from points [x, y]: label 1 on the animal, 0 beside it. Raises CourseError."""
    H, W = image.shape[:2]
    points, on = np.asarray(points, float).clip(0, [W - 1, H - 1]), np.asarray(labels, bool)
    length = max(np.hypot(*np.ptp(points[on], axis=0)), min(H, W) / 12)  # of the animal, if the points say it
    zoom = max(1.0, length / 130)
    margin = int(max(0.6 * length, min(H, W) / 5) / zoom)
    where = np.floor((points + 0.5) / zoom).astype(int)
    low = np.maximum(where[on].min(0) - margin, 0)
    size = np.minimum(where[on].max(0) + margin + 1, [int(W / zoom), int(H / zoom)]) - low
    crop = smooth(shrunk(image, zoom, low, size[::-1]))
    seeds, others = (marked(where[chosen] - low, crop.shape[:2]) for chosen in (on, ~on))
    u, clear = first_guess(crop, line(where[on] - low, crop.shape[:2]), seeds, others, length / zoom, form)
    wanted = (
        CLEAR_FIRST + 4 / max(float((u > 0.5).sum()), 1.0) ** 0.5
    )  # a few pixels are unlike others by chance
    if 0 < clear < wanted:
        sam2 = ", or use SAM-2 (--method sam2)" if has_module("sam2") and has_gpu() else ""
        raise CourseError(f"""the points on the animal (label 1) look like the water around them: by its
            colour the animal cannot be told from the sea there. Do they belong to this clip and to this
            frame, and lie on the animal? Click them anew (dolphins prompts){sam2}""")
    if not (u > 0.5).any():
        raise CourseError("""nothing around the points on the animal (label 1) hangs together; put more of
            them along its body""")
    return enlarged(u, zoom, low, image.shape[:2])


def first_guess(crop, core, seeds, others, length, form=None):
    """The share of animal in each pixel of a crop (h, w, 3), and the mean log odds on it.

    core (h, w) bool: between the points on it; seeds: those points, others: points beside it; length: about
    the animal's.
    """
    shape, colours = crop.shape[:2], Palette(crop.reshape(-1, 3))(crop)
    away = ndimage.distance_transform_edt(~core)
    alone = seeds.sum() == 1  # how long it is, a point alone does not say: it may reach far
    far = 1.5 * length if alone else max(0.3 * length, 12)
    beside = away > min(far, 0.8 * away.max())
    known = np.zeros(shape, np.float32)
    known[ndimage.binary_dilation(seeds)], known[ndimage.binary_dilation(others)] = 4 * LET, -4 * LET
    prior = 0.5 - away / far if alone else (1.5 - away / (0.07 * length)).clip(-3, 1.5)
    weights, cell = edge_weights(crop), max(6.0, 0.1 * length)
    mask, y, x = ndimage.binary_dilation(core), *np.mgrid[: shape[0], : shape[1]]
    for turn in range(6):  # the colours, the outline, each time with a better idea of the animal
        skin, water = (
            Side((1, 1), 1.0, UNSEEN["skin"]),
            Side([int(n / cell) + 2 for n in shape], 1.0, UNSEEN["water"]),
        )
        skin.learn(0 * y[mask], 0 * x[mask], colours[mask])
        if turn:
            beside = ~ndimage.binary_dilation(mask, iterations=3)
        water.learn((y[beside] / cell).astype(int), (x[beside] / cell).astype(int), colours[beside])
        places = ((y.ravel() + 0.5) / cell, (x.ravel() + 0.5) / cell)
        share = skin.shares(0 * places[0], 0 * places[1], colours.ravel(), spread=2 if turn < 2 else 1)
        odds = np.log(share / water.shares(*places, colours.ravel())).clip(-LET, LET).reshape(shape)
        u = smooth_mask(odds + prior + known, weights, LENGTH)
        mask = best_part(u, ndimage.binary_dilation(core, iterations=2) | mask, others)
        for _ in range(2 * mask.any()):
            u = refined(crop, mask, odds + prior + 10 * known, weights)
            mask = best_part(u, ndimage.binary_dilation(core, iterations=2) | mask, others)
        if not mask.any():
            break
    clear = float(odds[mask].mean()) if mask.any() else 0.0
    if form is not None and mask.any() and clear >= CLEAR:
        guess = laid_on(form, odds + known, mask, seeds, others)
        u = smooth_mask(odds + KIND * np.log((guess + 0.02) / (1.02 - guess)) + known, weights, LENGTH)
        mask = best_part(u, guess > 0.5, others)
        if mask.any():
            u = refined(
                crop, mask, odds + KIND * np.log((guess + 0.02) / (1.02 - guess)) + 10 * known, weights
            )
            mask = best_part(u, mask, others)
    return np.where(mask, np.maximum(u, 0.51), np.minimum(u, 0.49)), clear


def laid_on(form, odds, mask, seeds, others):
    """A form turned, moved and scaled to cover what looks most like the animal: (h, w) in [0, 1].

    form (n, n): a silhouette, its head to the right, an image's width long. odds, mask (h, w): where to
    begin; seeds, others (h, w) bool: points on the animal and beside it. Points say how long it is at least:
    a person sees flukes and a head where colours show none.
    """
    from scipy.optimize import minimize

    y, x = np.nonzero(mask | seeds)
    away = np.stack([x - x.mean(), y - y.mean()], 1)
    axis = np.linalg.eigh(away.T @ away)[1][:, -1]
    clicked = np.argwhere(seeds)[:, ::-1] @ axis
    length = max(np.ptp(np.quantile(away @ axis, [0.02, 0.98])) * 1.1, np.ptp(clicked) * 1.04)
    points = np.concatenate([np.argwhere(seeds), np.argwhere(others)])
    on = np.repeat([True, False], [seeds.sum(), others.sum()])
    n, rows, columns = form.shape[0], *np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    start = np.array([x.mean(), y.mean(), np.arctan2(axis[1], axis[0]), np.log(length), 0.0])

    def placed(p):
        c, s, scale = np.cos(p[2]), np.sin(p[2]), n / np.exp(p[3])
        dx, dy = columns - p[0], rows - p[1]
        where = [
            (c * dy - s * dx) * scale / np.exp(p[4]) + n / 2 - 0.5,
            (c * dx + s * dy) * scale + n / 2 - 0.5,
        ]
        return ndimage.map_coordinates(form, where, order=1)

    def cost(p):
        unusual = (p[4] / 0.12) ** 2 + ((p[3] - start[3]) / 0.15) ** 2
        laid = placed(p)
        missed = np.abs(ndimage.uniform_filter(laid, 3)[tuple(points.T)] - on).mean()
        return -(laid * odds).sum() / mask.sum() + 0.05 * unusual + MISSED * missed

    size = np.diag([0.06 * length, 0.06 * length, 0.12, 0.08, 0.1])
    best = None
    for turn, longer in itertools.product((0, np.pi), (1.0, LONGER)):
        begin = start + [0, 0, turn, np.log(longer), 0]
        simplex = np.concatenate([begin[None], begin + size])
        found = minimize(
            cost,
            begin,
            method="Nelder-Mead",
            options=dict(initial_simplex=simplex, maxfev=300, xatol=0.02, fatol=0.003),
        )
        if best is None or found.fun < best.fun:
            best = found
    return ndimage.gaussian_filter(placed(best.x), max(1.0, 0.015 * np.exp(best.x[3])))


def from_above(vertices, faces, n=128):
    """The silhouette (n, n) of a mesh at rest seen from above, its head to the right, n pixels long.

    vertices (V, 3): body along z, head at the larger end, up y; faces (F, 3).
    """
    low, high = vertices.min(0), vertices.max(0)
    scale = n / (high[2] - low[2])
    at = np.stack(
        [(vertices[:, 2] - low[2]) * scale, (vertices[:, 0] - (low[0] + high[0]) / 2) * scale + n / 2], 1
    )
    drawn = Image.new("L", (n, n))
    draw = ImageDraw.Draw(drawn)
    for corners in at[faces]:
        draw.polygon([tuple(map(float, p)) for p in corners], fill=1)
    return np.array(drawn, np.float32)


def line(points, shape):
    """The points [x, y] and the line through them, from one end of the animal to the other: (h, w) bool."""
    away = points - points.mean(0)
    along = np.argsort(away @ np.linalg.eigh(away.T @ away)[1][:, -1])
    drawn = Image.new("1", shape[::-1])
    ImageDraw.Draw(drawn).line([tuple(map(int, p)) for p in points[along]], fill=1)
    return np.array(drawn) | marked(points, shape)


def smooth(crop):
    """A part of an image (h, w, 3), blurred a little, as floats."""
    return ndimage.gaussian_filter(crop.astype(np.float32), (BLUR, BLUR, 0))


def shrunk(image, zoom, low, size):
    """A part of an image (H, W) or (H, W, 3), smaller by `zoom`; low (x, y) and size (h, w) in its pixels."""
    if zoom == 1:
        return image[low[1] : low[1] + size[0], low[0] : low[0] + size[1]]
    box = [low[0] * zoom, low[1] * zoom, (low[0] + size[1]) * zoom, (low[1] + size[0]) * zoom]
    picture = Image.fromarray(image)
    return np.asarray(picture.resize((int(size[1]), int(size[0])), Image.Resampling.BOX, box=box))


def enlarged(u, zoom, low, full):
    """The share of animal in a window (h, w) that is smaller by `zoom`, as a mask of the whole image."""
    mask, (x, y), (h, w) = np.zeros(full, bool), low, u.shape
    if zoom == 1:
        mask[y : y + h, x : x + w] = u > 0.5
        return mask
    ends = [(int(np.ceil(v * zoom)), min(int((v + n) * zoom), m)) for v, n, m in zip((y, x), (h, w), full)]
    rows, columns = ((np.arange(*end) + 0.5) / zoom - 0.5 - v for end, v in zip(ends, (y, x)))
    where = np.meshgrid(rows, columns, indexing="ij")
    mask[slice(*ends[0]), slice(*ends[1])] = ndimage.map_coordinates(u, where, order=1, mode="nearest") > 0.5
    return mask


def marked(points, shape):
    """The points [x, y] as pixels (h, w) bool; what lies outside is left out."""
    image = np.zeros(shape, bool)
    x, y = points[((points >= 0) & (points < shape[::-1])).all(1)].T
    image[y, x] = True
    return image
