"""The embedded bottlenose dolphin as a shape: cross-sections, fins, mesh, UVs, bones.

The animal is described by a few tables in hundredths of its standard length (tip of the rostrum to the fluke
notch, the length that the literature uses): `SECTIONS` for the body, one planform per fin. `build()` turns
them into a mesh. The left half is made of one grid of rings (rostrum to tail, dorsal to ventral midline) with
rectangular holes; a fin is a stack of closed loops that starts on the rim of its hole. The seams are then
faired and the half is mirrored, so that the mesh is watertight, symmetric and its edges follow the anatomy by
construction.

Axes: z forward, y up, x to the animal's left; metres. The origin is the root joint. It lies under the
centroid of the outline seen from above, so that a turn about it leaves the outline in its place.
"""

import functools
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.linalg import spsolve

Z_EXTENT = 2.6  # m, rostrum tip to the hindmost point of the flukes; what the loader scales to

# Body, in % of standard length: s from the rostrum tip, dorsal and ventral profile, half width, height of the
# widest point, and the exponents of the superellipses above and below it (2 = ellipse, less = keeled, more =
# boxy).
SECTIONS = np.array([
    # s      top    bottom  width  y_wide  n_up  n_low
    [0.0,   -2.60,  -2.60,  0.00,  -2.60,  2.0,  2.0],
    [0.15,  -2.20,  -3.02,  0.62,  -2.60,  2.1,  2.1],
    [0.5,   -1.92,  -3.36,  1.02,  -2.60,  2.2,  2.1],
    [1.2,   -1.66,  -3.66,  1.30,  -2.58,  2.3,  2.1],
    [2.2,   -1.48,  -3.92,  1.46,  -2.55,  2.3,  2.1],
    [3.3,   -1.36,  -4.14,  1.60,  -2.52,  2.2,  2.1],
    [4.2,   -1.12,  -4.32,  1.80,  -2.50,  2.0,  2.1],
    [4.8,   -0.25,  -4.45,  2.10,  -2.45,  1.75, 2.1],
    [5.6,    1.20,  -4.63,  2.65,  -2.32,  1.75, 2.1],
    [6.6,    2.62,  -4.90,  3.32,  -2.10,  1.85, 2.1],
    [8.0,    3.86,  -5.30,  4.02,  -1.80,  2.0,  2.1],
    [10.0,   4.95,  -5.88,  4.66,  -1.50,  2.1,  2.1],
    [12.5,   5.72,  -6.58,  5.20,  -1.25,  2.1,  2.1],
    [16.0,   6.40,  -7.45,  5.95,  -1.00,  2.1,  2.1],
    [22.0,   7.35,  -8.60,  7.05,  -0.80,  2.1,  2.15],
    [30.0,   8.40,  -9.40,  8.00,  -0.50,  2.1,  2.15],
    [38.0,   9.05,  -9.60,  8.35,  -0.20,  2.1,  2.1],
    [46.0,   9.15,  -9.25,  8.20,   0.00,  2.1,  2.1],
    [54.0,   8.60,  -8.40,  7.45,   0.10,  2.05, 2.05],
    [62.0,   7.45,  -7.15,  6.15,   0.15,  2.0,  2.0],
    [70.0,   6.05,  -5.70,  4.60,   0.20,  1.95, 1.95],
    [78.0,   4.72,  -4.30,  3.10,   0.22,  1.9,  1.9],
    [85.0,   3.58,  -3.12,  2.00,   0.22,  1.85, 1.85],
    [91.0,   2.50,  -2.05,  1.32,   0.22,  1.85, 1.85],
    [95.0,   1.62,  -1.20,  1.12,   0.20,  1.9,  1.9],
    [98.0,   0.92,  -0.52,  1.02,   0.20,  2.0,  2.0],
    [99.4,   0.60,  -0.20,  1.00,   0.20,  2.0,  2.0],
    [100.0,  0.20,   0.20,  0.00,   0.20,  2.0,  2.0],
])  # fmt: skip

HALF_COLUMNS = 12  # quads from the dorsal to the ventral midline


@dataclass(frozen=True)
class Fin:
    """One fin: where its hole lies in the body grid, and its planform in % of standard length.

    `leading` and `trailing` are (distance from the root, s) pairs; `thickness` (distance from the root,
    greatest thickness).
    """

    name: str
    s_root: tuple[float, float]  # hole along the body
    v_root: tuple[float, float]  # hole around the body: fraction of the half girth, dorsal 0, ventral 1
    columns: tuple[int, int]  # hole in the grid's columns (HALF_COLUMNS of them)
    cells: int  # hole length in rings
    leading: tuple
    trailing: tuple
    thickness: tuple
    stations: tuple  # distances from the root at which loops lie; the last one is the rounded tip
    dihedral_deg: float  # direction of the span in the frontal plane, from +x towards +y
    pitch_deg: float = 0.0  # leading edge raised


DORSAL = Fin(
    "dorsal", (43.0, 57.5), (0.0, 0.045), (0, 1), 7,
    leading=((0, 43.0), (1.5, 45.0), (3, 47.0), (5, 50.0), (7, 53.5), (8.4, 56.8), (9.0, 58.6), (9.4, 60.15)),
    trailing=((0, 57.5), (1.5, 57.1), (3, 57.2), (5, 57.8), (7, 59.0), (8.4, 60.2), (9, 60.7), (9.4, 61.05)),
    thickness=((0, 2.6), (3, 1.6), (6, 1.0), (9.4, 0.6)),
    stations=(0.9, 2.0, 3.2, 4.5, 5.8, 7.0, 8.1, 8.95, 9.4), dihedral_deg=90.0)  # fmt: skip

PECTORAL = Fin(
    "pectoral", (20.5, 26.3), (0.60, 0.70), (7, 9), 4,
    leading=((0, 20.5), (1.5, 20.9), (3, 21.6), (5, 23.1), (7, 25.3), (9, 28.3), (10.4, 31.0),
             (10.9, 32.15), (11.2, 33.1)),
    trailing=((0, 26.4), (1.5, 27.5), (3, 28.9), (5, 30.7), (7, 32.0), (9, 33.0), (10.4, 33.5),
              (10.9, 33.7), (11.2, 33.85)),
    thickness=((0, 2.2), (3, 1.4), (7, 0.9), (11.2, 0.6)),
    stations=(1.2, 2.6, 4.1, 5.6, 7.1, 8.5, 9.7, 10.7, 11.2), dihedral_deg=-38.0, pitch_deg=8.0)  # fmt: skip

FLUKE = Fin(
    "fluke", (93.2, 99.4), (0.44, 0.56), (5, 7), 4,
    leading=((0, 93.2), (1.0, 93.7), (2.5, 94.45), (4.5, 95.85), (6.5, 97.6), (8.5, 99.65),
             (10.2, 101.45), (10.8, 102.1), (11.2, 102.6)),
    trailing=((0, 100.55), (0.8, 101.15), (2.0, 101.5), (4.0, 101.5), (6.5, 101.5), (8.5, 101.8),
              (10.2, 102.5), (10.8, 102.85), (11.2, 103.15)),
    thickness=((0, 2.0), (2.5, 1.35), (6, 0.95), (11.2, 0.6)),
    stations=(0.8, 1.8, 3.0, 4.3, 5.7, 7.1, 8.4, 9.6, 10.6, 11.2), dihedral_deg=0.0)  # fmt: skip
NOTCH = 1.15  # % of length by which the flukes' roots reach behind the end of the body: the median notch

FINS = (DORSAL, PECTORAL, FLUKE)
EDGE_THICKNESS = 0.60  # % of standard length (1.5 cm): fins end in a rounded edge, not in a knife

# Bones: name, parent, s of the joint on the body axis (fins: at their root; trunk: at the origin).
# Parts: name, bones. A part has one pose and one shape. dorsal_fin and chest never rotate.
BONES = (
    ("trunk", -1, None), ("head", 0, 17.0), ("dorsal_fin", 0, None), ("chest", 0, 31.0),
    ("left_flipper", 3, None), ("right_flipper", 3, None),
    ("tail_stock_front", 0, 60.0), ("tail_stock_rear", 6, 78.0),
    ("left_fluke", 7, None), ("right_fluke", 7, None),
)  # fmt: skip
PARTS = (("trunk", (0, 3)), ("head", (1,)), ("tail_stock_front", (6,)), ("tail_stock_rear", (7,)),
         ("dorsal_fin", (2,)), ("flippers", (4, 5)), ("flukes", (8, 9)))  # fmt: skip


def smoothstep(x, a, b):
    """0 at and before a, 1 at and beyond b, smooth between; a may be the larger."""
    t = np.clip((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


# ---- The body ----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _profiles():
    """Smooth functions of s for the columns of SECTIONS, as values at even steps of sqrt(s / 100).

    The spline runs over sqrt(s), which rounds the rostrum's tip.
    """
    q = np.sqrt(SECTIONS[:, 0] / 100.0)
    dense = np.linspace(0.0, 1.0, 2001)
    curves = []
    for column in SECTIONS[:, 1:].T:
        y = PchipInterpolator(q, column)(dense)
        y = gaussian_filter1d(np.r_[2 * y[0] - y[:0:-1], y, 2 * y[-1] - y[-2::-1]], 14.0)[2000:4001]
        curves.append(y)
    return dense, np.array(curves)


def section_parameters(s):
    """Top, bottom, half width, height of the widest point (% of length), upper and lower exponent at s."""
    dense, curves = _profiles()
    return np.array([np.interp(np.sqrt(max(s, 0.0) / 100.0), dense, c) for c in curves])


def section(s, v):
    """The left half of the cross-section at s: points (n, 2) as (x, y) at fractions v of its half girth.

    -> points, the half girth
    """
    top, bottom, width, y_wide, n_up, n_low = section_parameters(s)
    phi = np.linspace(0.0, np.pi, 721)
    upper = phi <= np.pi / 2
    n = np.where(upper, n_up, n_low)
    height = np.where(upper, top - y_wide, y_wide - bottom)
    x = width * np.abs(np.sin(phi)) ** (2.0 / n)
    y = y_wide + height * np.sign(np.cos(phi)) * np.abs(np.cos(phi)) ** (2.0 / n)
    arc = np.r_[0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y)))]
    at = np.asarray(v) * arc[-1]
    return np.stack([np.interp(at, arc, x), np.interp(at, arc, y)], axis=-1), arc[-1]


def ring_positions():
    """s of every ring of the body grid: fine on head and tail stock, with a ring on the rim of every hole."""
    stretches = [
        (4.6, 8.6, 5, 1.0),
        (8.6, PECTORAL.s_root[0], 7, 0.9),
        (*PECTORAL.s_root, PECTORAL.cells, 1.0),
        (PECTORAL.s_root[1], DORSAL.s_root[0], 8, 1.0),
        (*DORSAL.s_root, DORSAL.cells, 1.0),
        (DORSAL.s_root[1], FLUKE.s_root[0], 20, 1.25),
        (*FLUKE.s_root, FLUKE.cells, 1.0),
    ]
    s = [0.12, 0.5, 1.1, 1.9, 2.8, 3.6, 4.2, 4.6]
    for start, end, cells, grading in stretches:  # grading > 1: cells shrink towards the tail
        t = np.linspace(0.0, 1.0, cells + 1)[1:]
        s += list(start + (end - start) * (1.0 - (1.0 - t) ** grading))
    return np.array(s)


def column_positions(s):
    """Fractions v of the half girth of the grid's 13 columns at s: even, but closer at a fin's root."""
    v = np.linspace(0.0, 1.0, HALF_COLUMNS + 1)
    out = v.copy()
    for fin in FINS:
        a, b = fin.columns
        lo, hi = fin.s_root
        reach = 9.0 if fin is not FLUKE else 14.0
        outside = max(lo - s, s - hi, 0.0) / reach
        window = np.exp(-((1.6 * outside) ** 2))
        knots_from = [0.0, v[a], v[b], 1.0]
        knots_to = [0.0, fin.v_root[0], fin.v_root[1], 1.0]
        if fin is DORSAL:
            knots_from, knots_to = [0.0, v[1], 0.5, 1.0], [0.0, fin.v_root[1], 0.48, 1.0]
        warped = PchipInterpolator(knots_from, knots_to)(v)
        out = out + window * (warped - v)
    return out


# ---- The fins ----------------------------------------------------------------------------------------------


def _wing(c):
    """Half thickness of a fin section at chord fraction c, of greatest thickness 1 (NACA four-digit)."""
    return 5.0 * (0.2969 * np.sqrt(c) - 0.1260 * c - 0.3516 * c**2 + 0.2843 * c**3 - 0.1036 * c**4)


def chord_fractions(fin):
    """Chord fractions (stations, n) of a loop's points on one side.

    In their order: leading edge, front corner, inner points, rear corner, trailing edge. The corners keep
    close to the edges, which are thus round; towards the tip the spacing evens out, and at the tip the points
    fall together into three.
    """
    root = np.r_[0.0, 0.045 + 0.91 * np.linspace(0.0, 1.0, fin.cells + 1), 1.0]
    even = np.linspace(0.0, 1.0, len(root))
    b = np.array(fin.stations) / fin.stations[-1]
    fractions = root + smoothstep(b, 0.6, 1.0)[:, None] * (even - root)
    fractions[-1] = np.where(even < 0.25, 0.0, np.where(even > 0.75, 1.0, 0.5))
    return fractions


def fin_planform(fin, b):
    """Leading edge, trailing edge and thickness at distances b from the root."""
    tables = (fin.leading, fin.trailing, fin.thickness)
    return [PchipInterpolator(*np.array(table).T)(np.minimum(b, table[-1][0])) for table in tables]


def fin_loops(fin, root_centre):
    """Loops of a left fin, front to back: (stations, 2 sides, n, 3) in (x, y, s).

    The sides are upper or left, lower or right.
    """
    c = chord_fractions(fin)
    b = np.array(fin.stations)
    le, te, thick = fin_planform(fin, b)
    chord = (te - le)[:, None]
    edge = 0.5 * EDGE_THICKNESS * np.clip(np.sqrt(1 - np.abs(2 * c - 1) ** 12), 0, 1)
    half = np.maximum(thick[:, None] * _wing(c), edge)
    half = np.minimum(half, 0.30 * np.maximum(chord, EDGE_THICKNESS))
    half[:, 0] = half[:, -1] = 0.0
    half[-1] = 0.0  # the tip: both sides meet in a ridge
    angle, pitch = np.deg2rad(fin.dihedral_deg), np.deg2rad(fin.pitch_deg)
    span = np.array([np.cos(angle), np.sin(angle), 0.0])
    up = np.array([-np.sin(angle), np.cos(angle), 0.0])
    s = le[:, None] + chord * c
    mid = 0.5 * (fin.s_root[0] + fin.s_root[1])
    sides = []
    for sign in (1.0, -1.0):
        rise = sign * half * np.cos(pitch) - (s - mid) * np.sin(pitch)
        along = mid + (s - mid) * np.cos(pitch) + sign * half * np.sin(pitch)
        p = root_centre + b[:, None, None] * span + rise[..., None] * up
        p[..., 2] = along
        sides.append(p)
    return np.stack(sides, axis=1)


# ---- The mesh ----------------------------------------------------------------------------------------------


class _Half:
    """The left half under construction, in (x, y, s).

    A face has three or four corners and belongs to a chart of the UV map; `root` tells where each vertex
    lies: (fin or "", station), station 0 being the rim of the fin's hole.
    """

    def __init__(self):
        self.points, self.root, self.faces, self.charts = [], [], [], []
        self.uv = {}  # chart -> {vertex: (along the body, across), in % of length}

    def vertex(self, point, root=("", 0)):
        self.points.append(np.asarray(point, float))
        self.root.append(root)
        return len(self.points) - 1

    def face(self, corners, chart):
        corners = tuple(dict.fromkeys(corners))  # corners that fell together count once
        if len(corners) > 2:
            self.faces.append(corners)
            self.charts.append(chart)


def _triangulate(points, polygons, charts):
    """Triangles (F, 3) and their charts: each quad is cut along its shorter diagonal."""
    faces, face_charts = [], []
    for q, chart in zip(polygons, charts):
        triangles = [q]
        if len(q) == 4:
            p = points[list(q)]
            triangles = [(q[0], q[1], q[3]), (q[1], q[2], q[3])]
            if np.linalg.norm(p[0] - p[2]) <= np.linalg.norm(p[1] - p[3]) + 1e-9:
                triangles = [(q[0], q[1], q[2]), (q[0], q[2], q[3])]
        faces += triangles
        face_charts += [chart] * len(triangles)
    return np.array(faces), face_charts


@dataclass
class Dolphin:
    """The finished shape."""

    vertices: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3)
    uvs: np.ndarray  # (T, 2)
    face_uvs: np.ndarray  # (F, 3) indices into uvs
    weights: np.ndarray  # (V, 10)
    joint_regressor: np.ndarray  # (10, V)
    mirror: np.ndarray  # (V,) index of each vertex's mirror image
    s: np.ndarray  # (V,) % of length
    landmarks: dict  # name -> vertex
    fin: np.ndarray  # (V, 3) how far from the body, on dorsal fin, flippers, flukes: 0 at the rim to 1
    unit: float  # metres per % of standard length


def _laplacian(n, faces):
    """Uniform graph Laplacian (n, n): identity minus the mean of the neighbours."""
    here, there = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    i, j = np.r_[here, there], np.r_[there, here]
    a = sp.csr_matrix((np.ones(len(i)), (i, j)), shape=(n, n))
    a.data[:] = 1.0
    return (sp.eye(n) - sp.diags(1.0 / np.asarray(a.sum(1)).ravel()) @ a).tocsr()


def _body_grid(half):
    """The body's rings. -> their s, the vertex at each ring and column (-1: hole), the holes' indices"""
    rings = ring_positions()
    holes = {}
    for fin in FINS:
        first = int(np.argmin(np.abs(rings - fin.s_root[0])))
        holes[fin.name] = (first, first + fin.cells, *fin.columns)
    # Vertices strictly inside are left out; the dorsal hole goes on beyond the midline.
    inside = [(i0, i1, j0 if name != "dorsal" else -1, j1) for name, (i0, i1, j0, j1) in holes.items()]

    grid = -np.ones((len(rings), HALF_COLUMNS + 1), int)
    half.uv["body"] = {}
    girth_max = max(section(s, [0.0])[1] for s in rings)
    for i, s in enumerate(rings):
        v = column_positions(s)
        xy, girth = section(s, v)
        xy[[0, -1], 0] = 0.0
        for j in range(HALF_COLUMNS + 1):
            if not any(i0 < i < i1 and j0 < j < j1 for i0, i1, j0, j1 in inside):
                notch = NOTCH * xy[j, 0] / xy[:, 0].max() * smoothstep(s, 95.0, 99.4)
                grid[i, j] = half.vertex([*xy[j], s + notch])
                across = v[j] * girth_max * (girth / girth_max) ** 0.7  # the head gets more room
                half.uv["body"][grid[i, j]] = s, across
    for i in range(len(rings) - 1):
        for j in range(HALF_COLUMNS):
            if not any(i0 <= i < i1 and j0 <= j < j1 for i0, i1, j0, j1 in holes.values()):
                half.face((grid[i, j], grid[i, j + 1], grid[i + 1, j + 1], grid[i + 1, j]), "body")
    return rings, grid, holes


def _close_ends(half, grid):
    """Closes the body with a fan at either end. -> the vertices at rostrum tip and fluke notch"""
    ends = []
    for row, s in ((grid[0, ::-1], 0.0), (grid[-1], 100.0)):
        apex = half.vertex([0.0, section_parameters(s)[0], s])
        half.uv["body"][apex] = (s, 0.0)
        for j in range(HALF_COLUMNS):
            half.face((row[j], row[j + 1], apex), "body")
        ends.append(apex)
    return ends


def _graft(half, fin, grid, hole):
    """Grows a fin from the rim of its hole. -> the rim's vertices, those at its front and rear, the tip"""
    i0, i1, j0, j1 = hole
    rows, middle = range(i0, i1 + 1), (j0 + j1) // 2
    if fin is DORSAL:  # half a fin: its rim begins and ends on the midline
        rim = [[grid[i0, 0], *grid[rows, 1], grid[i1, 0]]]
    else:  # upper side, lower side
        rim = [[grid[i0, middle], *grid[rows, j], grid[i1, middle]] for j in (j0, j1)]
    members = sorted({k for side in rim for k in side})
    for k in members:
        half.root[k] = (fin.name, 0)
    centre = np.mean([half.points[k] for side in rim for k in side], axis=0)
    if fin is DORSAL:
        centre[:2] = 0.0, 0.5 * (half.points[rim[0][0]][1] + half.points[rim[0][-1]][1])
    loops = fin_loops(fin, centre * [1, 1, 0])

    fractions = chord_fractions(fin)
    n = fractions.shape[1]
    stack = [rim]  # per station, per side: n vertices from the leading to the trailing edge
    for k in range(len(fin.stations)):
        station, at_tip = (fin.name, k + 1), k + 1 == len(fin.stations)
        first = []
        for m in range(n):
            together = m > 0 and fractions[k, m] == fractions[k, m - 1]  # at the tip
            first.append(first[-1] if together else half.vertex(loops[k, 0, m], station))
        if fin is DORSAL:
            for k_first, point in zip(first, loops[k, 1]):  # its second side is the one at x > 0
                half.points[k_first][0] = 0.0 if at_tip else max(point[0], 0.0)
            stack.append([first])
        elif at_tip:
            stack.append([first, first])
        else:
            second = [half.vertex(p, station) for p in loops[k, 1, 1:-1]]
            stack.append([first, [first[0], *second, first[-1]]])

    distance = np.r_[-0.7, fin.stations]  # in the UV map the rim lies a little below the first station
    leading, trailing, _ = fin_planform(fin, np.maximum(distance, 0.0))
    at = leading[:, None] + (trailing - leading)[:, None] * np.concatenate([fractions[:1], fractions])
    for side in range(len(rim)):
        chart = f"{fin.name}{side}"
        half.uv[chart] = {}
        for k, loop in enumerate(stack):
            half.uv[chart] |= {vertex: (at[k, m], distance[k]) for m, vertex in enumerate(loop[side])}
        turned = (side == 1) != (fin is DORSAL)
        for low, high in zip(stack[:-1], stack[1:]):
            for m in range(n - 1):
                a, b, c, d = low[side][m], high[side][m], high[side][m + 1], low[side][m + 1]
                pieces = [(a, b, c, d)]
                # at the ends of the tip's ridge the two sides must not be cut along the same edge
                if high is stack[-1] and m == 0:
                    pieces = [(a, b, d), (b, c, d)]
                elif high is stack[-1] and m == n - 2:
                    pieces = [(a, b, c), (a, c, d)]
                for piece in pieces:
                    half.face(piece[::-1] if turned else piece, chart)
    return members, rim[0][0], rim[0][-1], stack[-1][0][n // 2]


def _fair_seams(vertices, faces, root):
    """Moves the seams of the fins to the minimum of the squared Laplacian.

    Each fin then grows out of the body in a fillet. Free are the rim of each hole, the fin's first loop, and
    two rows of the body around the rim; not the tail's thin end, whose outline is the notch.
    """
    on_body = np.array([name == "" for name, _ in root])
    station = np.array([station for _, station in root])
    near = ~on_body & (station == 0)
    for _ in range(2):
        touched = np.zeros(len(vertices), bool)
        touched[faces[near[faces].any(1)]] = True
        near |= touched & on_body
    free = (near | ~on_body & (station == 1)) & (vertices[:, 2] < 98.0)
    laplacian = _laplacian(len(vertices), faces)
    squared = (laplacian.T @ laplacian).tocsc()
    out = vertices.copy()
    out[free] = spsolve(squared[free][:, free], -squared[free][:, ~free] @ vertices[~free])
    return out


def _mirror_half(points, faces, charts, on_plane):
    """Whole mesh from its left half: vertices off the plane x = 0 are doubled."""
    n = len(points)
    other = np.arange(n)
    off = np.flatnonzero(~on_plane)
    other[off] = n + np.arange(len(off))
    vertices = np.concatenate([points, points[off] * [-1, 1, 1]])
    mirror = np.concatenate([other, off])
    whole = np.concatenate([faces, other[faces][:, ::-1]])
    return vertices, whole, [c + "L" for c in charts] + [c + "R" for c in charts], mirror, other


def _layout(half, other):
    """The charts in the unit square: body on top (dorsal line in its middle), fins on two shelves below."""
    of_side = {"L": np.arange(len(other)), "R": other}
    charts = {}
    scale_u, height = 0.98 / 100.0, 0.262
    top = max(v for _, v in half.uv["body"].values())
    for side, sign in (("L", 1.0), ("R", -1.0)):
        chart = charts["body" + side] = {}
        for k, (u, v) in half.uv["body"].items():
            chart[of_side[side][k]] = 0.01 + u * scale_u, 0.728 + sign * v * height / top
    scale = 0.0138
    for row, v0 in (
        ("pectoral0L pectoral0R pectoral1L pectoral1R fluke1L", 0.015),
        ("dorsal0L dorsal0R fluke0L fluke0R fluke1R", 0.235),
    ):
        u0 = 0.012
        for name in row.split():
            uv, chart = half.uv[name[:-1]], charts.setdefault(name, {})
            u, v = np.array(list(uv.values())).T
            for k, (a, b) in uv.items():
                chart[of_side[name[-1]][k]] = u0 + (a - u.min()) * scale, v0 + (b - v.min()) * scale
            u0 += (u.max() - u.min()) * scale + 0.014
    return charts


def _skin(vertices, s, root, faces, mirror):
    """Skinning weights (V, 10): smooth steps along the body, ramps at the fin roots, smoothed twice."""
    w = np.zeros((len(s), 10))
    head = 1 - smoothstep(s, 11.0, 23.0)
    chest = 1 - smoothstep(s, 26.0, 40.0)
    front = smoothstep(s, 47.0, 74.0)
    rear = smoothstep(s, 67.0, 89.0)
    fluke = smoothstep(s, 89.5, 97.0)
    left = smoothstep(vertices[:, 0], -0.03, 0.03)
    w[:, 1] = head
    w[:, 3] = (1 - head) * chest
    w[:, 0] = (1 - head) * (1 - chest) * (1 - front)
    w[:, 6] = front * (1 - rear)
    w[:, 7] = front * rear * (1 - fluke)
    w[:, 8] = front * rear * fluke * left
    w[:, 9] = front * rear * fluke * (1 - left)
    for k, (name, station) in enumerate(root):
        if not name or name == "fluke" and station == 0:
            continue
        ramp = {0: 0.25, 1: 0.7}.get(station, 1.0)
        side = 0 if vertices[k, 0] > 0 else 1
        bone = {"dorsal": 2, "pectoral": 4 + side, "fluke": 8 + side}[name]
        if name == "fluke":
            w[k] = 0.0
            w[k, 7] = (1 - fluke[k]) * 0.5 * (station <= 2)
            w[k, bone] = 1 - w[k, 7]
        else:
            w[k] *= 1 - ramp
            w[k, bone] += ramp
    smooth = sp.eye(len(s)) - 0.5 * _laplacian(len(s), faces)
    for _ in range(2):
        w = smooth @ w
    swap = [0, 1, 2, 3, 5, 4, 6, 7, 9, 8]
    w = np.round(np.clip(0.5 * (w + w[mirror][:, swap]), 0, None), 5)
    return w / w.sum(1, keepdims=True)


def _centre_from_above(vertices, faces):
    """z of the centroid of the outline seen from above: upward faces, weighted by their projected areas."""
    corners = vertices[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 1].clip(0)
    return (areas * corners[:, :, 2].mean(1)).sum() / areas.sum()


def _regress_joints(n, grid, rings, rims, other, s_root, s):
    """Joint regressor (10, n): means of the two rings beside a body joint, of the rim at a fin's.

    The root's joint is at s_root.
    """
    regressor = np.zeros((len(BONES), n))
    rim_of = {"fin": DORSAL.name, "flipper": PECTORAL.name, "fluke": FLUKE.name}
    for row, (name, _, s_joint) in zip(regressor, BONES):
        s_joint = s_root if name == "trunk" else s_joint
        if s_joint is not None:
            i = int(np.clip(np.searchsorted(rings, s_joint), 1, len(rings) - 1))
            t = (s_joint - rings[i - 1]) / (rings[i] - rings[i - 1])
            for k, share in ((i - 1, 1 - t), (i, t)):
                left = grid[k][grid[k] >= 0]
                members = np.r_[left, other[left]]  # the midline counts for both sides
                np.add.at(row, members, share / len(members))
            continue
        side, fin = name.split("_")
        left = np.array(rims[rim_of[fin]])
        if fin == "fluke":  # flukes hinge at the front of their root
            left = left[s[left] < FLUKE.s_root[0] + 2.6]
        members = {"left": left, "right": other[left], "dorsal": np.r_[left, other[left]]}[side]
        np.add.at(row, members, 1.0 / len(members))
    return regressor


def _unwrap(faces, charts, layout):
    """UVs (T, 2), each once, and the corners' indices into them (F, 3)."""
    found, uvs, face_uvs = {}, [], np.zeros_like(faces)
    for f, (face, chart) in enumerate(zip(faces, charts)):
        for corner, vertex in enumerate(face):
            uv = tuple(np.round(layout[chart][vertex], 6))
            if (vertex, uv) not in found:
                found[vertex, uv] = len(uvs)
                uvs.append(uv)
            face_uvs[f, corner] = found[vertex, uv]
    return np.array(uvs), face_uvs


def build():
    """Builds the dolphin; the same one each time."""
    half = _Half()
    rings, grid, holes = _body_grid(half)
    nose, notch = _close_ends(half, grid)
    rims, marks = {}, {}  # by fin; marks: front, rear, tip
    for fin in FINS:
        rims[fin.name], *marks[fin.name] = _graft(half, fin, grid, holes[fin.name])
    points = np.array(half.points)
    on_plane = np.abs(points[:, 0]) < 1e-9
    faces, charts = _triangulate(points, half.faces, half.charts)
    vertices, faces, charts, mirror, other = _mirror_half(points, faces, charts, on_plane)
    root = half.root + [half.root[k] for k in np.flatnonzero(~on_plane)]

    vertices = _fair_seams(vertices, faces, root)
    vertices = 0.5 * (vertices + vertices[mirror] * [-1, 1, 1])  # symmetric to the last bit
    vertices[mirror == np.arange(len(vertices)), 0] = 0.0
    s = vertices[:, 2].copy()
    unit = Z_EXTENT / np.ptp(s)
    vertices = vertices * [1, 1, -1] * unit

    s_root = -_centre_from_above(vertices, faces) / unit
    regressor = _regress_joints(len(vertices), grid, rings, rims, other, s_root, s)
    vertices = vertices - regressor[0] @ vertices
    weights = _skin(vertices, s, root, faces, mirror)
    uvs, face_uvs = _unwrap(faces, charts, _layout(half, other))

    def on_ring(s_at, column):
        return int(grid[int(np.argmin(np.abs(rings - s_at))), column])

    def both(name, vertex):
        return {"left_" + name: int(vertex), "right_" + name: int(other[vertex])}

    landmarks = {
        "rostrum_tip": nose,
        "melon_crease": on_ring(4.2, 0),
        "melon_apex": on_ring(9.0, 0),
        "blowhole": on_ring(12.4, 0),
        **both("eye", on_ring(12.9, 6)),
        **{
            f"dorsal_fin_{end}": int(vertex) for end, vertex in zip(("front", "rear", "tip"), marks["dorsal"])
        },
        **both("flipper_front", marks["pectoral"][0]),
        **both("flipper_tip", marks["pectoral"][2]),
        **both("fluke_front", marks["fluke"][0]),
        **both("fluke_tip", marks["fluke"][2]),
        "fluke_notch": notch,
    }
    fin_share = np.zeros((len(vertices), len(FINS)))
    for k, (name, station) in enumerate(root):
        if name:
            fin_share[k, [fin.name for fin in FINS].index(name)] = min(station / 2.0, 1.0)
    return Dolphin(vertices, faces, uvs, face_uvs, weights, regressor, mirror, s, landmarks, fin_share, unit)
