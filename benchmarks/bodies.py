"""Animals of other proportions than the template's, at rest: for benchmarks/animals.py.

An animal is the template pulled out of shape by splines that no mode and no part scale can follow, or a mesh
of its own, from its own tables.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator

from course_lib.dolphin_model.shape_modes import GRID, sections, stock_length

from .clip_programs import volume


@dataclass(frozen=True)
class Animal:
    """What one animal is and how it is filmed; places along it are shares of its length, 0 at the flukes.

    length, hover: metres, of the animal and of the drone over the sea. Of the template: `along` says where
    places of it come to lie; `width` and `height` are factors of the body at places; `fins` factors of
    flippers, flukes and dorsal fin; `set_back` of the first two, metres back per metre out; `lopsided` the
    share of the length by which the left flank bulges. `mesh`: a table in MESHES instead of the template.
    """

    length: float
    hover: float
    along: dict = field(default_factory=dict)
    width: dict = field(default_factory=dict)
    height: dict = field(default_factory=dict)
    fins: tuple = (1.0, 1.0, 1.0)
    set_back: tuple = (0.0, 0.0)
    lopsided: float = 0.0
    mesh: str = ""
    heading: tuple = (40.0, 25.0, 8.0)  # degrees at the start, degrees a second, degrees of swinging
    beat: float = 1.4  # Hz
    waves: float = 0.0  # pixels by which waves shift what is seen, RMS
    chosen_with: bool = True  # modes and weights were chosen while looking at this one


ANIMALS = {
    "lean": Animal(
        2.75, 16.0,
        along={0.3: 0.325, 0.62: 0.63, 0.85: 0.84},
        width={0.2: 0.95, 0.45: 0.8, 0.6: 0.84, 0.78: 0.95, 0.93: 0.98},
        height={0.2: 0.95, 0.45: 0.86, 0.62: 0.84, 0.8: 0.97},
        fins=(0.95, 1.06, 1.0), set_back=(0.1, 0.0),
    ),
    "stout": Animal(
        2.3, 10.5,
        along={0.25: 0.22, 0.55: 0.54, 0.84: 0.83},
        width={0.1: 1.05, 0.35: 1.3, 0.55: 1.2, 0.72: 1.17, 0.86: 1.22, 0.95: 1.05},
        height={0.1: 1.0, 0.4: 1.22, 0.7: 1.16, 0.9: 1.1},
        fins=(1.08, 1.1, 0.9), set_back=(0.0, 0.15), heading=(200.0, -30.0, 5.0),
    ),
    "calf": Animal(
        1.6, 9.0,
        along={0.3: 0.275, 0.62: 0.585, 0.84: 0.795},
        width={0.2: 1.15, 0.5: 1.07, 0.85: 1.14, 0.96: 1.25},
        height={0.2: 1.1, 0.5: 1.05, 0.85: 1.16},
        fins=(1.2, 1.05, 1.1), set_back=(0.12, -0.1), heading=(-60.0, 35.0, 10.0), beat=2.2,
    ),
    "slender, another mesh": Animal(2.5, 12.0, mesh="slender", heading=(120.0, 20.0, 8.0)),
    "spread, another mesh": Animal(2.75, 16.5, mesh="spread", heading=(95.0, 24.0, 8.0), waves=0.35),
    "pregnant": Animal(
        2.6, 11.0,
        along={0.35: 0.36, 0.6: 0.615},
        width={0.22: 1.0, 0.37: 1.2, 0.5: 1.27, 0.62: 1.08, 0.75: 1.0},
        height={0.22: 1.0, 0.38: 1.15, 0.5: 1.2, 0.65: 1.04},
        heading=(-150.0, 22.0, 6.0), chosen_with=False,
    ),
    "short beak, large fins": Animal(
        2.1, 10.0,
        along={0.3: 0.31, 0.8: 0.83, 0.955: 0.982},
        width={0.1: 1.15, 0.3: 0.92, 0.6: 1.1, 0.9: 1.16, 0.97: 1.35},
        height={0.1: 1.3, 0.3: 1.05, 0.6: 1.05, 0.9: 1.1},
        fins=(1.22, 1.2, 1.3), set_back=(0.25, 0.2), heading=(10.0, -28.0, 9.0), chosen_with=False,
    ),
    "lean and lopsided": Animal(
        2.85, 17.0,
        along={0.28: 0.25, 0.6: 0.57, 0.85: 0.835},
        width={0.15: 0.9, 0.3: 0.82, 0.55: 0.88, 0.7: 0.84, 0.9: 0.9},
        height={0.2: 0.93, 0.5: 0.9, 0.8: 0.9},
        fins=(1.05, 0.9, 1.0), set_back=(-0.1, 0.1), lopsided=0.012, heading=(70.0, 18.0, 8.0),
        chosen_with=False,
    ),
    "stout, another mesh": Animal(
        2.2, 11.5, mesh="stout", heading=(-20.0, 30.0, 7.0), chosen_with=False,
    ),
    "blunt, another mesh": Animal(
        2.4, 12.5, mesh="blunt", heading=(160.0, -26.0, 7.0), waves=0.35, chosen_with=False,
    ),
}  # fmt: skip

# Meshes of other modellers. Body: place from the rostrum's tip, half width, top, bottom; fins: distance from
# the root, leading and trailing edge; all in % of the length without flukes. root: across, up; tilt: degrees.
MESHES = {
    "slender": dict(
        body=[
            [0, 0.3, -1.9, -2.7], [2, 1.2, -1.3, -3.3], [6, 1.7, -0.9, -4], [9, 2.2, 0.2, -4.5],
            [11.5, 4.2, 3.4, -5.2], [16, 5.6, 5.6, -6.4], [24, 6.7, 7, -7.9], [34, 7.3, 8, -8.7],
            [45, 7.4, 8.3, -8.5], [56, 6.3, 7.4, -7.2], [67, 4.4, 5.9, -5.3], [78, 2.6, 4.2, -3.6],
            [88, 1.4, 2.8, -2.2], [96, 1, 1.3, -1], [100, 0.4, 0.4, -0.2],
        ],
        flipper=dict(
            out=[0, 2, 4, 6, 8, 10, 12],
            front=[22, 22.6, 23.9, 26, 28.8, 32, 35.2],
            back=[28, 28.9, 30.4, 32, 33.8, 35.2, 36.2],
            root=(4.6, -5.2), tilt=-30,
        ),
        fluke=dict(
            out=[0, 2, 4, 6, 8, 10, 12],
            front=[92.5, 93.6, 95.2, 97.4, 99.9, 102.4, 104.6],
            back=[100.8, 101.5, 102, 102.5, 103.4, 104.5, 105.6],
            root=(0.4, 0.1), tilt=2,
        ),
        dorsal=dict(
            out=[0, 2, 4, 6, 8, 9.5],
            front=[44, 46.4, 49, 52, 55.4, 58.4],
            back=[57, 56.8, 57.2, 58, 59.4, 60.6],
            root=(0, 7.9), tilt=90,
        ),
    ),
    "spread": dict(
        body=[
            [0, 0.5, -0.55, -1.7], [3, 1.7, 0.34, -2.7], [7, 2.6, 1.9, -3.9], [12, 4.6, 4.7, -5.5],
            [20, 6.2, 6.8, -7], [32, 7.2, 8.1, -8.1], [46, 7.6, 8.7, -8.4], [58, 7, 8.1, -7.5],
            [70, 5.2, 6.5, -5.8], [80, 3.6, 4.8, -4.1], [88, 2.4, 3.4, -2.8], [95, 1.5, 2.1, -1.6],
            [100, 0.8, 0.76, -0.46],
        ],
        flipper=dict(
            out=[0, 3, 6, 9, 12, 15],
            front=[25, 25.4, 26.4, 28, 30.2, 33],
            back=[32, 32.4, 32.8, 33.2, 33.8, 34.6],
            root=(5, -3.6), tilt=-14,
        ),
        fluke=dict(
            out=[0, 3, 6, 9, 12, 15.5],
            front=[90, 91.2, 93.4, 96.2, 99.4, 103.6],
            back=[103, 102.2, 102, 102.4, 103.2, 104.6],
            root=(0.6, 0.1), tilt=4,
        ),
        dorsal=dict(
            out=[0, 3, 6, 9],
            front=[42, 45.5, 50, 55.4],
            back=[54, 54.4, 55.6, 57.6],
            root=(0, 7.6), tilt=90,
        ),
    ),
    "blunt": dict(
        body=[
            [0, 1.4, 0.4, -3.4], [1.5, 3.4, 2.6, -5.2], [4, 4.9, 4.6, -6.4], [9, 6.2, 6, -7.6],
            [18, 7.8, 7.6, -9], [30, 9.2, 9.2, -10.2], [40, 9.5, 9.7, -10.2], [50, 9, 9.3, -9.2],
            [62, 7, 7.9, -7.3], [74, 4.4, 6, -5], [84, 2.2, 4.2, -3.2], [93, 1.2, 2.3, -1.6],
            [100, 0.5, 0.5, -0.3],
        ],
        flipper=dict(
            out=[0, 3, 6, 9, 12, 14.5],
            front=[17, 17.8, 19.6, 22.2, 25.6, 29.4],
            back=[25, 26.2, 27.2, 28.4, 30, 31.6],
            root=(6, -5.6), tilt=-20,
        ),
        fluke=dict(
            out=[0, 3, 6, 9, 12, 14],
            front=[91, 92.4, 94.6, 97.2, 100.2, 102.4],
            back=[100.6, 102, 101.8, 101.6, 102.2, 103.2],
            root=(0.5, 0.1), tilt=0,
        ),
        dorsal=dict(
            out=[0, 3, 6, 9, 12],
            front=[38, 41.4, 45.4, 50, 54.6],
            back=[54, 53.6, 54, 55, 56.6],
            root=(0, 9.4), tilt=90,
        ),
    ),
    "stout": dict(
        body=[
            [0, 0.8, -1.2, -3.2], [1.5, 2.8, 0.6, -4.6], [4, 4.6, 2.7, -5.8], [8, 6.4, 4.9, -7.4],
            [14, 8.1, 7.2, -9.2], [22, 9.6, 9, -11], [32, 10.6, 10.2, -12.1], [43, 10.5, 10.4, -11.7],
            [54, 9, 9.3, -9.6], [65, 6.2, 7.4, -6.9], [76, 3.6, 5.4, -4.4], [86, 1.9, 3.5, -2.6],
            [95, 1.2, 1.7, -1.2], [100, 0.5, 0.4, -0.2],
        ],
        flipper=dict(
            out=[0, 2, 4, 6, 8, 10],
            front=[19.5, 19.8, 21, 22.9, 25.4, 28.4],
            back=[27, 28.4, 29.4, 30, 30.3, 30.2],
            root=(6.6, -7.2), tilt=-35,
        ),
        fluke=dict(
            out=[0, 2.5, 5, 7.5, 10, 13],
            front=[92, 93.2, 95, 97.3, 99.7, 102.6],
            back=[101.2, 102.4, 102.4, 102.2, 102.5, 103.6],
            root=(0.5, 0.1), tilt=-3,
        ),
        dorsal=dict(
            out=[0, 2, 4, 6, 7.5],
            front=[46, 48.6, 51.4, 54.6, 57.4],
            back=[62, 61, 60.6, 60.6, 60.8],
            root=(0, 10), tilt=90,
        ),
    ),
}  # fmt: skip


def smooth(table, s, identity=False):
    """A table {place: value} as a function without overshoot, at s (V,); 1, or with `identity` the place
    itself, at both ends."""
    table = {0.0: 0.0 if identity else 1.0, **table, 1.0: 1.0}
    return PchipInterpolator(list(table), list(table.values()))(s)


class Body:
    """An animal at rest.

    vertices (V, 3), metres; faces (F, 3); body (V,) bool: what is no fin; flap (V,): how far out on a
    flipper, metres; volume_m3; stock_m: length of the tail stock, None for another mesh.
    """

    def __init__(self, animal, model):
        self._of_tables(MESHES[animal.mesh]) if animal.mesh else self._of_template(animal, model)
        size = animal.length / np.ptp(self.vertices[:, 2])
        self.vertices, self.flap = size * self.vertices, size * self.flap
        self.volume_m3 *= size**3
        self.stock_m = None if self.stock_m is None else size * self.stock_m
        self.vertices[:, 2] -= self.vertices[:, 2].min() + 0.56 * animal.length

    @property
    def s(self):
        """Where along the animal, 0 at the flukes, 1 at the rostrum. (V,)"""
        return (self.vertices[:, 2] - self.vertices[:, 2].min()) / self.length_m

    @property
    def length_m(self):
        return np.ptp(self.vertices[:, 2])

    def _of_template(self, animal, model):
        known, template = model.anatomy, model.V[0].numpy().astype(float)
        part_of_bone, regressor = model.LBS.seg_grouping.numpy(), model.J_regressor[0].numpy().astype(float)
        wide, middle, high = (np.interp(known.s, GRID, of) for of in sections(template, known.body, known.s))
        self.faces, self.body, self.flap = model.F.numpy(), known.body, np.zeros(len(template))
        vertices, side = (
            template.copy(),
            np.sign(template[:, :1]) ** [[1, 0, 0]],
        )  # (V, 3): mirrors left to right
        fins = zip((known.flippers, known.flukes, known.dorsal_fin), animal.fins, (*animal.set_back, 0))
        for part, factor, back in fins:
            bones = np.flatnonzero(part_of_bone == part)
            root = regressor[bones] @ template
            mirror = side if len(bones) > 1 else 1.0
            share = model.weights.numpy()[:, bones].sum(1, keepdims=True) ** 1.5
            from_root = template * mirror - np.abs(root).mean(0) * np.sign(root.sum(0)) ** [0, 1, 1]
            out = share[:, 0] * np.clip(from_root[:, 0], 0, None)
            vertices += share * (factor - 1) * from_root * mirror
            vertices[:, 2] -= back * out
            if part == known.flippers:
                self.flap = out
        x, y, z = vertices.T
        x, y = (
            x + np.clip(x, -wide, wide) * (smooth(animal.width, known.s) - 1),
            y + np.clip(y - middle, -high, high) * (smooth(animal.height, known.s) - 1),
        )
        bulge = np.exp(-0.5 * ((known.s - 0.5) / 0.12) ** 2) - 0.7 * np.exp(
            -0.5 * ((known.s - 0.05) / 0.03) ** 2
        )
        low, length = template[:, 2].min(), np.ptp(template[:, 2])
        x = x + animal.lopsided * length * bulge * np.clip(x / wide, 0, 1)
        along = smooth(animal.along, np.clip((z - low) / length, 0, 1), identity=True)
        self.vertices = np.stack([x, y, along * length], 1)
        self.volume_m3 = abs(volume(self.vertices, self.faces))
        self.stock_m = stock_length(regressor @ self.vertices, part_of_bone, known)

    def _of_tables(self, mesh):
        pieces = [(*tube(np.array(mesh["body"], float)), 0.0)]
        for name, sides in (("flipper", (1, -1)), ("fluke", (1, -1)), ("dorsal", (1,))):
            for side in sides:
                vertices, faces, out = fin(**mesh[name], side=side)
                pieces.append((vertices, faces, out if name == "flipper" else 0.0))
        before = np.cumsum([0, *(len(vertices) for vertices, *_ in pieces)])
        self.vertices = np.concatenate([vertices for vertices, *_ in pieces])
        self.faces = np.concatenate([faces + n for (_, faces, _), n in zip(pieces, before)])
        self.flap = np.concatenate([np.broadcast_to(out, len(vertices)) for vertices, _, out in pieces])
        self.body = np.arange(len(self.vertices)) < before[1]
        self.volume_m3 = sum(abs(volume(vertices, faces)) for vertices, faces, _ in pieces)
        self.stock_m = None


def tube(table, rings=70, around=28):
    """A closed body from a table: place from the rostrum, half width, top, bottom. -> vertices, faces"""
    place = table[-1, 0] * (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, rings)))
    wide, top, bottom = (PchipInterpolator(table[:, 0], column)(place) for column in table[:, 1:].T)
    angle = 2 * np.pi * np.arange(around) / around
    across, up = (np.sign(f(angle)) * np.abs(f(angle)) ** 0.93 for f in (np.cos, np.sin))
    x, y = wide[:, None] * across, (top + bottom)[:, None] / 2 + (top - bottom)[:, None] / 2 * up
    loops = np.stack([x, y, np.broadcast_to(-place[:, None], x.shape)], -1)
    return closed(loops)


def fin(out, front, back, root, tilt, side):
    """A fin from its planform. -> vertices, faces, distances from its root (V,)"""
    out, front, back = (np.array(values, float) for values in (out, front, back))
    fine = np.linspace(0, out[-1], 14)
    front, back = (PchipInterpolator(out, values)(fine) for values in (front, back))
    angle = 2 * np.pi * np.arange(12) / 12
    along = (front + back)[:, None] / 2 + (back - front)[:, None] / 2 * np.cos(angle)
    thick = (0.9 - 0.6 * fine / fine[-1])[:, None] * np.sin(angle)
    tilt = np.deg2rad(tilt)
    x = root[0] + fine[:, None] * np.cos(tilt) - thick * np.sin(tilt)
    y = root[1] + fine[:, None] * np.sin(tilt) + thick * np.cos(tilt)
    vertices, faces = closed(np.stack([side * x, y, -along], -1))
    return vertices, faces, np.concatenate([np.repeat(fine, 12), [0, fine[-1]]])


def closed(loops):
    """A closed mesh of stacked loops (N, M, 3), with a point in the middle of the first and the last."""
    n, m = loops.shape[:2]
    index = np.arange(n * m).reshape(n, m)
    a, b = index[:-1], index[1:]
    c, d = np.roll(a, -1, 1), np.roll(b, -1, 1)
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([c, b, d], -1).reshape(-1, 3)]
    for ring, tip, turn in ((index[0], n * m, 1), (index[-1], n * m + 1, -1)):
        faces.append(np.stack([ring, np.roll(ring, -1), np.full(m, tip)], -1)[:, ::turn])
    tips = loops[[0, -1]].mean(1)
    return np.concatenate([loops.reshape(-1, 3), tips]), np.concatenate(faces)
