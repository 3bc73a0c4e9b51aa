"""What biologists measure on an animal seen from above: its widths along the body, and a volume from these.

Stations are fractions of the length from the tip of the rostrum, every 5 %. Widths are those of the body:
flippers, dorsal fin and flukes do not count, and so the last stations, where there are only flukes, are left
out.
"""

import numpy as np

from .errors import CourseError

STATIONS = tuple(round(0.05 * k, 2) for k in range(1, 18))  # 5 % to 85 % of the length


def body_edges(model):
    """The edges of the body's faces, fins left out: (E, 2) vertex numbers. model: a `DolphinModel`."""
    faces = model.F.cpu().numpy()
    faces = faces[model.anatomy.body[faces].all(1)]
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2))
    return np.unique(edges, axis=0)


def body_spans(vertices, edges, axis=0):
    """How far the body reaches across at the stations, metres; NaN where there is no body. -> (S,)

    vertices (V, 3): straight, the body axis z, the rostrum at the largest z, as `scene.rest_shape()` gives
    them; edges: of `body_edges`; axis: 0 for widths, 1 for heights.
    """
    z, across = vertices[:, 2], vertices[:, axis]
    front, length = z.max(), np.ptp(z)
    za, zb = z[edges[:, 0]], z[edges[:, 1]]
    spans = []
    for station in STATIONS:
        level = front - station * length
        cut = (za - level) * (zb - level) < 0
        share = (level - za[cut]) / (zb[cut] - za[cut])
        a, b = across[edges[cut]].T
        spans.append(np.ptp(a + share * (b - a)) if cut.any() else np.nan)
    return np.array(spans)


def elliptical_volume(length, widths, heights):
    """The volume of a body of elliptical cross-sections, cubic metres; the flukes' end is drawn to a point.

    length: metres; widths, heights (S,): metres, at the stations. Between two stations width and height
    change evenly, so a piece of length d holds

        pi d / 4 (w0 h0 + (w0 (h1 - h0) + h0 (w1 - w0)) / 2 + (w1 - w0)(h1 - h0) / 3).

    Source: Christiansen et al., Estimating body mass of free-living whales using aerial photogrammetry and 3D
    volumetrics, Methods in Ecology and Evolution 2019, DOI 10.1111/2041-210X.13298.
    """
    places = np.concatenate([[0.0], STATIONS, [1.0]]) * length
    w, h = (np.concatenate([[0.0], values, [0.0]]) for values in (widths, heights))
    dw, dh = np.diff(w), np.diff(h)
    mean = w[:-1] * h[:-1] + (w[:-1] * dh + h[:-1] * dw) / 2 + dw * dh / 3
    return float(np.pi / 4 * (np.diff(places) * mean).sum())


def along_and_across(mask):
    """A mask's pixels by its own axes. -> (N, 2) along and across from its middle, (2, 2) the axes

    mask (H, W) bool. Each axis is (row, column), of length 1, the long one first; its direction is by chance.
    """
    points = np.argwhere(mask).astype(float)
    points -= points.mean(0) if len(points) else 0.0
    axes = np.linalg.eigh(points.T @ points)[1].T[::-1]
    return points @ axes.T, axes


def elliptical_model(mask, metres_per_pixel, ratios):
    """Length, widths and volume from one mask seen from straight above. -> (m, (S,) m, cubic metres)

    mask (H, W) bool: the animal, straight; metres_per_pixel: at the animal; ratios (S,): height over width of
    its kind at the stations. Its long axis is that of the mask; the end with more width within a third of the
    length is the front. Flippers, which stick out beside the body, are cut off by the trend of its width.
    Raises CourseError for a mask that is no long body. Source: as `elliptical_volume`.
    """
    if (area := np.count_nonzero(mask)) < 30:
        raise CourseError(f"a mask of {area} pixels is too small to be measured, expected 30 or more")
    along, across = along_and_across(mask)[0].T
    length = np.ptp(along) + 1
    place = (along - along.min() + 0.5) / length
    if (place < 1 / 3).sum() < (place > 2 / 3).sum():
        place = 1 - place
    half = max(0.75 / length, 0.01)  # a strip of a pixel and a half
    strips = [across[np.abs(place - station) < half] for station in STATIONS]
    if not all(len(strip) for strip in strips):
        raise CourseError("the mask is not of one piece along its axis, expected an animal seen from above")
    widths = np.array([len(strip) / (2 * half * length) for strip in strips])  # area over length
    widths = _without_flippers(widths, np.array(STATIONS)) * metres_per_pixel
    length = length * metres_per_pixel
    return length, widths, elliptical_volume(length, widths, widths * ratios)


def _without_flippers(widths, stations):
    """Widths (S,) at the flippers, 20 to 40 % of the length, as the line between those around them allows."""
    beside = (stations >= 0.2 - 1e-9) & (stations <= 0.4 + 1e-9)
    line = np.interp(stations[beside], stations[~beside], widths[~beside])
    # A body bulges a little above the line between the neck and the dorsal fin.
    widths = widths.copy()
    widths[beside] = np.minimum(widths[beside], 1.08 * line)
    return widths
