"""The first mask of an animal, from points that a person clicked on one frame.

What lies between the points is the animal's colour, what lies farther away the water's. Each pixel's odds
follow from both (`two_sides`); where these leave it open, the silhouette of the animal's kind has a say, laid
on at the place, angle, length and girth at which it covers most of what looks like the animal.
"""

import itertools

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .errors import CourseError
from .machine import has_gpu, has_module
from .two_sides import LET, UNSEEN, Palette, Side, best_part, edge_weights, half_way, settled, smooth_mask

BLUR = 0.6  # pixels; takes the sharpest of the noise away, and of the outline little
KIND = 3.0  # how much the kind's silhouette has to say, in odds
LENGTH = 0.8  # log odds that a pixel of outline costs
BAND = 2.4  # pixels beside an outline: where it is moved to half of the contrast
AROUND = 7  # pixels over which that contrast is measured
COLOURS = 0.15  # weight of the histograms' odds beside that contrast
CLEAR = 0.5  # mean log odds on the animal, from which on it is found
CLEAR_FIRST = 1.25  # the same for the first mask, which taught the colours itself
LONGER = 1.2  # than what stands out: thin stocks and flukes do not; a silhouette is laid on from both lengths
MISSED = 4.0  # what it costs, beside mean odds, that a silhouette leaves out all points


def refined(crop, mask, odds, weights):
    """The share of animal (h, w) where the outline of a mask is moved to half of the contrast close by.

    Where the animal is too thin to have colours of its own there, its odds alone say where it ends.
    """
    depth = ndimage.distance_transform_edt(mask)
    near = np.maximum(depth, ndimage.distance_transform_edt(~mask)) < BAND
    thick = (ndimage.uniform_filter((depth > 1.5).astype(np.float32), AROUND) * AROUND**2 / 6).clip(0, 1)
    close = thick * half_way(crop, mask, AROUND).clip(-LET, LET) + (1 - thick * (1 - COLOURS)) * odds
    return smooth_mask(np.where(near, close, np.where(mask, 4 * LET, -4 * LET)), weights, LENGTH)


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
    wanted = CLEAR_FIRST + 4 / max(float((u > 0.5).sum()), 1.0) ** 0.5  # a few are unlike others by chance
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
        skin = Side((1, 1), UNSEEN["skin"])
        water = Side([int(n / cell) + 2 for n in shape], UNSEEN["water"])
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
        likely = odds + KIND * odds_of(guess)
        u = smooth_mask(likely + known, weights, LENGTH)
        mask = best_part(u, guess > 0.5, others)
        if mask.any():
            u = refined(crop, mask, likely + 10 * known, weights)
            mask = best_part(u, mask, others)
    return settled(u, mask), clear


def odds_of(guess):
    """Log odds of a guess (h, w) in [0, 1] of where the animal is; no guess is quite sure."""
    return np.log((guess + 0.02) / (1.02 - guess))


def laid_on(form, odds, mask, seeds, others):
    """A form turned, moved and scaled to cover what looks most like the animal: (h, w) in [0, 1].

    form (n, n): a silhouette, its head to the right, an image's width long. odds, mask (h, w): where to
    begin; seeds, others (h, w) bool: points on the animal and beside it. Points say how long it is at least:
    a person sees flukes and a head where colours show none.
    """
    from scipy.optimize import minimize

    fine = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    y, x = np.nonzero(mask | seeds)
    away = np.stack([x - x.mean(), y - y.mean()], 1)
    axis = np.linalg.eigh(away.T @ away)[1][:, -1]
    clicked = np.argwhere(seeds)[:, ::-1] @ axis
    length = max(np.ptp(np.quantile(away @ axis, [0.02, 0.98])) * 1.1, np.ptp(clicked) * 1.04)
    points = np.concatenate([np.argwhere(seeds), np.argwhere(others)]).astype(np.float32)
    on = np.repeat([True, False], [seeds.sum(), others.sum()])
    n, (rows, columns) = form.shape[0], fine[:, ::2, ::2]
    coarse = ndimage.uniform_filter(odds, 2, origin=-1)[::2, ::2]
    start = np.array([x.mean(), y.mean(), np.arctan2(axis[1], axis[0]), np.log(length), 0.0])

    def placed(p, rows=rows, columns=columns):
        c, s, scale = np.cos(p[2]), np.sin(p[2]), n / np.exp(p[3])
        dx, dy = columns - p[0], rows - p[1]
        where = [
            (c * dy - s * dx) * scale / np.exp(p[4]) + n / 2 - 0.5,
            (c * dx + s * dy) * scale + n / 2 - 0.5,
        ]
        return ndimage.map_coordinates(form, where, order=1)

    def cost(p):
        unusual = (p[4] / 0.12) ** 2 + ((p[3] - start[3]) / 0.15) ** 2
        laid = placed(p, rows + 0.5, columns + 0.5)
        missed = np.abs(placed(p, *points.T) - on).mean()
        return -4 * (laid * coarse).sum() / mask.sum() + 0.05 * unusual + MISSED * missed

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
    return ndimage.gaussian_filter(placed(best.x, *fine), max(1.0, 0.015 * np.exp(best.x[3])))


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
