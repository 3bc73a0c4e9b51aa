"""Makes the clip of the embedded pack: a drone's view of a dolphin turning under the surface, and its truth.

    python assets/make_clip.py                     frames, masks, altitudes, prompts, truth, manifest
    python assets/make_clip.py --other PACK        another clip, as a pack of its own, for the benchmarks
    python assets/make_clip.py --preview OUT       a video and a contact sheet in the folder OUT, no pack
    python assets/make_clip.py --preview OUT --frames 0,50,100      these frames alone, and enlarged

What is true is made first, in `Swimmer`: path, pose, shape and the surface that results, with deformations
that no part scales and no skinning weights express. Only then is it photographed, by `Camera`, through a sea
that refracts, with shading that shares nothing with the course's, and segmented, by `Segmenter`, with a
segmenter's errors. Same seed, same pack.
"""

import argparse
import copy
import json
import multiprocessing
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "assets")]

import make_manifest  # noqa: E402
import ocean  # noqa: E402
from make_manifest import CLIP  # noqa: E402
from make_template import albedo, vertex_normals, volume  # noqa: E402

from course_lib.dolphin_model import DolphinModel  # noqa: E402
from course_lib.kal.render.mesh import rasterize  # noqa: E402
from course_lib.show import write_video  # noqa: E402
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH  # noqa: E402

# ---- The shot: what one turns to change the problem that the course solves -------------------------------
PACK = ROOT / "assets" / "pack"
MODEL = PACK / "model"
FRAMES, FPS, WIDTH, HEIGHT = 200, 50, 640, 360
HALF_WIDTH = SENSOR_WIDTH / (2 * CAMERA_FOCAL)  # tan of half the horizontal field of view
HOVER = 11.05  # m, the drone's mean altitude
FIRST_ALTITUDE, ALTITUDES = 50, 500  # altitude.npy is longer than the clip: index 50 is frame 0
# Heading in degrees: a wide turn, a sharp one in the middle, a wide one again. The tutorial's recipe starts
# all frames at one heading and finds its way from up to some 105 degrees off: so the first and the last
# frames come right from their two sides, one of them past 180, and the few in between do not. Its rotation
# vectors then jump where the animal only turns.
HEADING_MIDDLE, SHARP_TURN, SHARP_TIME, WIDE_TURN = 90.0, 76.0, 0.3, 42.0  # degrees, degrees, s, degrees/s
# The one heading from which the tutorial's recipe starts all frames: INIT_ROT_UP_DEG in make_manifest.py.
SPEED = 1.55  # m/s
PATH_CENTRE = (0.35, 0.05)  # m, x and z: where the middle of the path's bounding box lies
DEPTH = 0.40  # m, of the template's origin under the surface, on average
HEAVE = 0.03  # m
BEAT = 1.25  # Hz, of the flukes
BANK = 13.0  # degrees, at the most, into the turn
SEED = 20240820
# Another shot of the same animal, on which nothing was tuned: another sea, a wide turn to the other side,
# faster, from higher up.
OTHER_SHOT = dict(SEED=7, HEADING_MIDDLE=-35.0, SHARP_TURN=0.0, WIDE_TURN=-38.0, SPEED=2.1, HOVER=11.9)
OTHER_SHOT |= dict(PATH_CENTRE=(-0.4, 0.2), DEPTH=0.42, HEAVE=0.04, BEAT=1.7, BANK=8.0)
HEAD, STOCK_FRONT, STOCK_REAR, FLIPPERS, FLUKES = 1, 2, 3, 5, 6  # parts of the template

SUPERSAMPLE = 3  # samples along each side of a pixel
SHUTTER = (-1 / 700, 0.0, 1 / 700)  # s: three instants of an exposure of 1/233 s
QUALITY = 80

# ---- Light -----------------------------------------------------------------------------------------------
SUN_ZENITH, SUN_AZIMUTH = 50.0, 62.0  # degrees; azimuth from the image's upper edge, clockwise
SUN, SKY = np.array([1.00, 0.96, 0.88]), np.array([0.20, 0.27, 0.36])  # irradiance of a level plane, by each
SUN_RADIANCE, GLINT_SLOPE = 2.6, 0.035  # of the sun's mirror images; rms slope of the finest ripples
SKY_ZENITH, SKY_HORIZON = np.array([0.30, 0.50, 0.85]), np.array([1.60, 1.75, 1.90])
BOTTOM_DEPTH = 4.6  # m
COLUMN = np.array([1.00, 0.22, 0.19])  # 1/m, attenuation of what is seen through the water, there and back
HAZE = np.array([1.60, 0.60, 0.52])  # 1/m, along the way from the skin up to the surface
INHERENT = np.array([0.018, 0.122, 0.165])  # light that the water itself sends up
DRIFT = np.array([0.16, 0.07])  # m/s: the drone hovers, wind and tide do not


def sun_direction(zenith_deg):
    """The unit vector (3,) towards the sun at a zenith angle."""
    zenith, azimuth = np.deg2rad(zenith_deg), np.deg2rad(SUN_AZIMUTH)
    level = np.sin(zenith)
    return np.array([-level * np.sin(azimuth), np.cos(zenith), level * np.cos(azimuth)])  # image right is -x


def altitude(frame):
    """Metres above the sea, of any (fractional) frame: a hover that wanders a little."""
    t = np.asarray(frame, float) / FPS
    return HOVER + 0.42 * np.sin(0.55 * t + 2.2) + 0.06 * np.sin(1.9 * t + 0.4)


def project(points, camera_height):
    """World points (..., 3) to NDC (..., 2), by the drone's pinhole camera: right is -x, up is +z.

    What is under water is seen through a flat sea; what waves do to that is added in `ocean.shade`.
    """
    points = ocean.apparent(points, camera_height)
    distance = (camera_height - points[..., 1]) * HALF_WIDTH
    return np.stack([-points[..., 0] / distance, points[..., 2] / distance * WIDTH / HEIGHT], -1)


def rotation(axis, angle):
    """The rotation matrix (3, 3) about a world axis, 0 to 2, by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out = np.eye(3)
    out[i, i], out[i, j], out[j, i], out[j, j] = c, -s, s, c
    return out


def rotvec(matrix, near):
    """The rotation vector of a matrix, of its many the one nearest to `near`: it may grow beyond pi."""
    vector = cv2.Rodrigues(matrix)[0][:, 0]
    angle = np.linalg.norm(vector)
    axis = vector / max(angle, 1e-12)
    turns = np.round((near @ axis - angle) / (2 * np.pi))
    return vector + 2 * np.pi * turns * axis


def bump(x, centre, width):
    """1 at the centre, towards 0 beyond the width."""
    return np.exp(-(((x - centre) / width) ** 2))


def _float32(array):
    return torch.from_numpy(np.asarray(array, np.float32))


# ---- The truth -------------------------------------------------------------------------------------------
class Swimmer:
    """The true dolphin: where it is, how it bends, and its surface, at any time."""

    def __init__(self, model_dir):
        self.model = DolphinModel(model_dir)
        self.template = self.model.V[0].numpy().astype(np.float64) * float(self.model.global_scale)
        z = self.template[:, 2]
        self.along = (z - z.min()) / (z.max() - z.min())  # 0 at the flukes, 1 at the rostrum
        self.faces = self.model.F.numpy()
        self.face_uvs = self.model.face_uvs[0].numpy()
        self.part_scales = self._part_scales()
        self.residual = self._residual()
        fine = np.arange(-0.2, FRAMES / FPS + 0.2, 1 / 1000)
        heading = np.deg2rad([self.heading(t) for t in fine])
        speed = SPEED * (1 + 0.03 * np.sin(2 * np.pi * 2 * BEAT * fine))
        slip = np.deg2rad(1.5) * np.sin(0.9 * fine)
        steps = speed[:, None] * np.stack([np.sin(heading + slip), np.cos(heading + slip)], -1) / 1000
        path = np.cumsum(steps, 0)
        seen = path[(fine >= 0) & (fine <= FRAMES / FPS)]
        path += np.array(PATH_CENTRE) - (seen.min(0) + seen.max(0)) / 2
        self.fine, self.path = fine, path

    def heading(self, t):
        """Degrees."""
        s = t - FRAMES / FPS / 2
        return HEADING_MIDDLE + SHARP_TURN * np.tanh(s / SHARP_TIME) + WIDE_TURN * s

    def _part_scales(self):
        """(7, 4): a dolphin 2 % longer than the template, somewhat wider, less deep, with larger fins."""
        scales = np.tile([0.014, 0.010, -0.012, 0.006], (self.model.LBS.n_groups, 1))
        for part in range(self.model.LBS.n_groups):
            scales[part] += 0.004 * np.sin(np.array([1.3, 2.1, 3.7, 4.9]) * (part + 1))
        return scales.astype(np.float32)

    def _residual(self):
        """(V, 3) m: the form of this one animal, beyond what scaling parts can give: smooth, centimetres."""
        (x, y, _), s = self.template.T, self.along
        out = np.zeros_like(self.template)
        body = bump(s, 0.55, 0.33)
        out[:, 0] = x * (0.040 * bump(s, 0.62, 0.09) - 0.050 * bump(s, 0.38, 0.11))
        out[:, 0] += 0.004 * body * np.sin(7 * s + 0.6)
        out[:, 1] = y * (0.032 * bump(s, 0.66, 0.11) - 0.036 * bump(s, 0.30, 0.10))
        out[:, 1] -= 0.004 * bump(s, 0.52, 0.14) * (y < 0)
        out[:, 1] += 0.006 * np.sin(2 * np.pi * 1.3 * s + 0.4)
        out[:, 2] = 0.007 * np.sin(2 * np.pi * 1.1 * s + 1.0) * np.sin(np.pi * s)
        top = np.clip((y - 0.20) / 0.25, 0, 1) * bump(s, 0.50, 0.2)
        out[:, 2] -= 0.030 * top  # a dorsal fin that leans back
        out[:, 0] += 0.010 * top**2  # and is not quite straight
        return out

    def rest(self, posed=None):
        """The true surface (V, 3) at the origin, at rest, or `posed`: (global_pose, body_pose, living)."""
        pose, body, living = (np.zeros((1, 3)), np.zeros((9, 3)), 0) if posed is None else posed
        model = copy.copy(self.model)
        moved = self.residual + living
        moved = moved - model.J_regressor[0, 0].numpy() @ moved  # the root joint stays where it is
        model.V = _float32((self.template + moved) / float(model.global_scale))[None]
        nowhere, shape = torch.zeros(1, 1, 3), _float32(self.part_scales)
        out = model(_float32(pose)[None], _float32(body)[None], nowhere, part_scales=shape)
        return out["vertices"][0].numpy().astype(np.float64)

    def living(self, t):
        """(V, 3) m: what moves in an animal and in no skeleton: breath, a curved spine, bent flukes."""
        (x, y, _), s = self.template.T, self.along
        turning = self.turning(t)
        out = np.zeros_like(self.template)
        girth = 0.014 * np.sin(2 * np.pi * 0.42 * t + 0.5) * bump(s, 0.6, 0.18)
        girth += 0.008 * np.sin(2 * np.pi * (BEAT * t - 1.1 * s)) * bump(s, 0.3, 0.16)  # the tail's muscles
        out[:, 0], out[:, 1] = x * girth, y * girth
        curve = 0.030 * turning + 0.007 * np.sin(2 * np.pi * 0.8 * t)
        out[:, 0] += curve * (((s - 0.55) / 0.5) ** 2 - 0.25)
        tips = np.clip((0.13 - s) / 0.1, 0, 1) * np.clip(np.abs(x) / 0.30, 0, 1) ** 2
        out[:, 1] += 0.035 * tips * np.cos(2 * np.pi * BEAT * t + 0.3)
        return out

    def joints(self, t):
        """(7, 3) rotation vectors of the parts: a wave that runs from the head to the flukes and grows."""
        beat = 2 * np.pi * BEAT * t
        turning = self.turning(t)
        out = np.zeros((self.model.LBS.n_groups, 3))
        sway = 1.5 * np.sin(2.3 * t - 0.8)
        out[HEAD] = 1.5 + 2.0 * np.sin(beat + 2.0), 4.0 * turning + 1.5 * np.sin(1.9 * t + 1.0), 0
        out[STOCK_FRONT] = -1.0 + 6.5 * np.sin(beat), -3.5 * turning + 1.0 * np.sin(2.3 * t), 0
        out[STOCK_REAR] = 11.0 * np.sin(beat - 0.8), -4.5 * turning + sway, 0
        out[FLUKES] = 17.0 * np.sin(beat - 1.9), -1.5 * turning, 2.0 * np.sin(1.6 * t)
        out[FLIPPERS] = 6.0 + 7.0 * np.sin(0.9 * t + 0.4), 2.0 * turning, 2.0 * np.sin(beat / 2)
        return np.deg2rad(out)

    def turning(self, t):
        """How hard it turns: 1.5 at the sharpest."""
        fastest = SHARP_TURN / SHARP_TIME + WIDE_TURN
        return 1.5 * (self.heading(t + 0.02) - self.heading(t - 0.02)) / 0.04 / fastest

    def pose(self, t):
        """global_pose matrix (3, 3), joint poses (7, 3), position (3,) of the template's origin."""
        beat = 2 * np.pi * BEAT * t
        yaw = np.deg2rad(self.heading(t) + 0.6 * np.sin(1.7 * t))
        pitch = np.deg2rad(1.5 + 2.2 * np.sin(beat + 0.9))
        roll = np.deg2rad(-BANK * self.turning(t) + 2.0 * np.sin(2.1 * t + 0.5))
        matrix = rotation(1, yaw) @ rotation(0, pitch) @ rotation(2, roll)
        x, z = (np.interp(t, self.fine, self.path[:, axis]) for axis in (0, 1))
        height = -DEPTH + HEAVE * (0.6 * np.sin(beat - 1.0) + 0.8 * np.sin(1.35 * t + 0.2))
        return matrix, self.joints(t), np.array([x, height, z])

    def surface(self, t):
        """World vertices (V, 3) of the true surface."""
        matrix, joints, position = self.pose(t)
        vector = cv2.Rodrigues(matrix)[0].T
        body = joints[self.model.LBS.seg_grouping.numpy()][1:]
        return self.rest((vector, body, self.living(t))) + position


# ---- The photograph --------------------------------------------------------------------------------------
def raster(ndc, nearness, faces, features, width, height, box):
    """A mesh in a box of the NDC plane. -> features (height, width, D), hit mask (height, width)

    box = (left, right, low, high); ndc (V, 2); nearness (V,): larger is closer; features (F, 3, D) of the
    faces' corners.
    """
    left, right, low, high = box
    inside = (ndc - [(left + right) / 2, (low + high) / 2]) / [(right - left) / 2, (high - low) / 2]
    corners = (_float32(array)[None] for array in (nearness[faces], inside[faces], features))
    image, face = rasterize(height, width, *corners)
    return image[0].numpy(), (face[0] >= 0).numpy()


def pixel_box(x, y, w, h):
    """The NDC box of the pixels [x, x + w) x [y, y + h) of the frame."""
    return 2 * x / WIDTH - 1, 2 * (x + w) / WIDTH - 1, 1 - 2 * (y + h) / HEIGHT, 1 - 2 * y / HEIGHT


def coverage(vertices, faces, camera_height, supersample):
    """Share of each pixel (HEIGHT, WIDTH) that a surface covers, seen through a flat sea."""
    ndc = project(vertices, camera_height)
    x, y, w, h = window_around(ndc, 3)
    nothing, size = np.ones(faces.shape + (1,)), (w * supersample, h * supersample)
    _, hit = raster(ndc, vertices[:, 1], faces, nothing, *size, pixel_box(x, y, w, h))
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    out[y : y + h, x : x + w] = hit.reshape(h, supersample, w, supersample).mean((1, 3))
    return out


def window_around(ndc, margin):
    """Pixels (x, y, w, h) of the frame that hold the points, with a margin."""
    x = (ndc[:, 0] + 1) / 2 * WIDTH
    y = (1 - ndc[:, 1]) / 2 * HEIGHT
    x0, y0 = max(int(x.min()) - margin, 0), max(int(y.min()) - margin, 0)
    return x0, y0, min(int(x.max()) + margin + 1, WIDTH) - x0, min(int(y.max()) + margin + 1, HEIGHT) - y0


def look_up(picture, column, row, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_REPLICATE, outside=0.0):
    """Samples (N,) of a picture (H, W) at columns and rows (N,); whole numbers are the pixels' centres."""
    at = np.stack([column, row]).astype(np.float32)[..., None]
    return cv2.remap(picture, at[0], at[1], interpolation, borderMode=border, borderValue=outside)[:, 0]


class Skin:
    """What the template's paint lacks: colour, blotches, fine speckle, old tooth rakes."""

    CELL = 2.8 / 1024  # m of the rest pose's dorsal plane

    def __init__(self, rng):
        shape = (1024, 1024)  # z, x
        self.blotch = ocean.fractal(rng, shape, 1.4, low=6)
        self.speckle = ocean.fractal(rng, shape, 0.6, low=60, high=260)
        marks = np.zeros(shape, np.float32)
        for _ in range(16):  # each rake is a few parallel lines, as wide apart as teeth
            centre = np.array([rng.normal(0, 0.13), rng.uniform(-0.75, 0.75)])
            turn = rng.normal(0, 0.6)
            along = np.array([np.sin(turn), np.cos(turn)])
            size, lines = rng.uniform(0.08, 0.24), rng.integers(1, 5)
            for line in range(lines):
                middle = centre + 0.012 * line * np.array([along[1], -along[0]])
                ends = [((middle + k * size / 2 * along) / self.CELL + 512) * 16 for k in (-1, 1)]
                start, end = (tuple(int(v) for v in end) for end in ends)  # in sixteenths of a pixel
                cv2.line(marks, start, end, float(rng.uniform(0.3, 1.0)), 2, cv2.LINE_AA, 4)
        self.marks = cv2.GaussianBlur(marks, (0, 0), 0.8)

    def _at(self, picture, across, z):
        return look_up(picture, across / self.CELL + 512, z / self.CELL + 512, border=cv2.BORDER_WRAP)

    def __call__(self, rest, paint):
        """Albedo (N, 3) at rest positions (N, 3), from the template's paint (N,) there."""
        x, z = rest[:, 0], rest[:, 2]
        across = x + 0.35 * rest[:, 1]
        tone = 1 + 0.07 * self._at(self.blotch, across, z) + 0.035 * self._at(self.speckle, across, z)
        hue = 1 + np.outer(self._at(self.blotch, z, across), [0.025, 0.005, -0.02])
        colour = 0.62 * np.outer(paint * tone, [0.97, 1.00, 1.03]) * hue
        return np.clip(colour + 0.09 * self._at(self.marks, x, z)[:, None], 0.01, 0.9)


def template_paint(resolution=1024):
    """The template's own paint: a function from texture coordinates (N, 2) to grey reflectance (N,)."""
    picture = albedo(resolution).astype(np.float32)
    return lambda uv: look_up(picture, *(uv * resolution - 0.5).T)


class Camera:
    """Photographs the swimmer in the sea. Each frame is made for itself: any of them, in any order."""

    FILM_CELL = 0.04  # m

    def __init__(self, swimmer):
        rng = np.random.default_rng(SEED)
        self.fin_tip = swimmer.template[np.argmax(swimmer.template[:, 1])]
        self.swimmer = swimmer
        self.sea = ocean.Sea(SEED)
        self.cell = self.sea.size[1] / self.sea.shape[1]
        self.skin = Skin(rng)
        shape, self.bottom_cell = (1024, 1024), self.sea.size[1] / 512
        patches = ocean.fractal(rng, shape, 1.7, low=3) + 0.12 * ocean.fractal(rng, shape, 1.0, low=24)
        self.weed = 1 / (1 + np.exp(-(1.3 * patches - 0.6)))[..., None]
        self.grain = (1 + 0.08 * ocean.fractal(rng, shape, 0.8, low=12))[..., None]
        self.paint = template_paint()
        self.flecks = []  # place, size, strength
        for _ in range(70):
            self.flecks.append((rng.uniform(-10, 10, 2), rng.uniform(0.015, 0.035), rng.uniform(0.05, 0.4)))

    def light_at(self, slopes, box, depth):
        """Caustics at `depth` over a box (x0, x1, z0, z1) in m: a picture in the sea's cells, its corner."""
        cell, rim = self.cell, 60
        x0, z0 = int(np.floor(box[0] / cell)), int(np.floor(box[2] / cell))
        nx, nz = int(np.ceil((box[1] - box[0]) / cell)) + 2, int(np.ceil((box[3] - box[2]) / cell)) + 2
        rows = np.arange(z0 - rim, z0 + nz + rim) % slopes.shape[0]
        columns = np.arange(x0 - rim, x0 + nx + rim) % slopes.shape[1]
        waves = cv2.GaussianBlur(slopes[np.ix_(rows, columns)], (0, 0), 2.2)  # the sun's disc blurs them
        light = ocean.caustics(waves, cell, depth, 3, rim, rim, nz, nx)
        return cv2.GaussianBlur(light, (0, 0), 1.6), (x0 + 0.5) * cell, (z0 + 0.5) * cell

    def animal(self, t, slopes):
        """The dolphin without the surface above it, in a window of pixels (x, y, w, h), supersampled S times.

        -> premultiplied radiance and coverage (h S, w S, 4), depth (h S, w S) in m, the window
        """
        swimmer, faces = self.swimmer, self.swimmer.faces
        up = altitude(t * FPS)
        instants = [swimmer.surface(t + dt) for dt in SHUTTER]
        x, y, w, h = window_around(np.concatenate([project(v, up) for v in instants]), 10)
        box = pixel_box(x, y, w, h)
        sun = sun_direction(np.rad2deg(np.arcsin(np.sin(np.deg2rad(SUN_ZENITH)) / 1.34)))
        shadow = self.shadow_map(instants[len(instants) // 2], sun)
        world = np.concatenate(instants)
        low, high = world[:, [0, 2]].min(0) - 0.3 + DRIFT * t, world[:, [0, 2]].max(0) + 0.3 + DRIFT * t
        drifted = low[0], high[0], low[1], high[1]
        lights = [(d,) + self.light_at(slopes, drifted, 0.1 + 1.6 * d) for d in (0.06, 0.25, 0.7)]
        total = np.zeros((h * SUPERSAMPLE, w * SUPERSAMPLE, 4), np.float32)
        depth_sum = np.zeros(total.shape[:2], np.float32)
        for vertices in instants:
            features = np.concatenate([swimmer.template, vertices, vertex_normals(vertices, faces)], 1)[faces]
            features = np.concatenate([features, swimmer.face_uvs], 2)
            ndc, size = project(vertices, up), total.shape[1::-1]
            image, hit = raster(ndc, vertices[:, 1], faces, features, *size, box)
            colour, depth = self.radiance(image[hit], t, up, sun, shadow, lights)
            total[hit, :3] += colour / len(instants)
            total[hit, 3] += 1 / len(instants)
            depth_sum[hit] += depth / len(instants)
        # beyond its outline the depth goes on smoothly, for the rays that the waves bend onto the animal
        weight = cv2.GaussianBlur(total[..., 3], (0, 0), 7) + 1e-4
        spread = (cv2.GaussianBlur(depth_sum, (0, 0), 7) + 1e-4 * DEPTH) / weight
        depth = np.where(total[..., 3] > 0, depth_sum / np.maximum(total[..., 3], 1e-6), spread)
        return total, cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 1.5), (x, y, w, h)

    def shadow_map(self, vertices, sun):
        """The animal seen from the sun: its nearness picture and how to look it up."""
        side = np.cross([0.0, 1.0, 0.0], sun)
        side /= np.linalg.norm(side)
        axes = np.stack([side, np.cross(sun, side), sun])
        seen = vertices @ axes.T
        low, high = seen[:, :2].min(0) - 0.05, seen[:, :2].max(0) + 0.05
        faces, box = self.swimmer.faces, (low[0], high[0], low[1], high[1])
        image, hit = raster(seen[:, :2], seen[:, 2], faces, seen[:, 2:][faces], 384, 384, box)
        return np.where(hit, image[..., 0], -1e3).astype(np.float32), axes, low, high

    def radiance(self, samples, t, up, sun, shadow, lights):
        """Linear RGB (N, 3), haze included, and depth (N,) of samples (N, 11): rest, world, normal, uv."""
        rest, world, normal, uv = np.split(samples, [3, 6, 9], axis=1)
        world = world.astype(np.float64)
        normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        depth = -world[:, 1]
        under = np.clip(depth, 0, None)[:, None]
        wet = (depth > 0)[:, None]
        picture, axes, low, high = shadow
        seen = world @ axes.T
        u = (seen[:, 0] - low[0]) / (high[0] - low[0]) * 384 - 0.5
        v = 383.5 - (seen[:, 1] - low[1]) / (high[1] - low[1]) * 384
        lit = np.zeros(len(world))
        for du in (-1.0, 0.0, 1.0):
            for dv in (-1.0, 0.0, 1.0):
                nearest = look_up(picture, u + du, v + dv, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, -1e3)
                lit += (seen[:, 2] > nearest - 0.035) / 9
        values = []
        for _, light, x0, z0 in lights:
            column = (world[:, 0] + DRIFT[0] * t - x0) / self.cell
            row = (world[:, 2] + DRIFT[1] * t - z0) / self.cell
            values.append(look_up(light, column, row, border=cv2.BORDER_REFLECT))
        depths = [d for d, *_ in lights]
        place = np.interp(depth, depths, np.arange(len(depths)))
        below = np.clip(place.astype(int), 0, len(depths) - 2)
        values = np.stack(values)
        n = np.arange(len(depth))
        focus = values[below, n] * (below + 1 - place) + values[below + 1, n] * (place - below)
        focus = 1 + 0.75 * (np.minimum(focus, 2.6) - 1)
        albedo = self.skin(rest, self.paint(uv))
        sunlight = 0.93 * SUN / np.cos(np.deg2rad(SUN_ZENITH))  # of a plane that faces the sun
        direct = (np.clip(normal @ sun, 0, None) * lit * focus)[:, None] * sunlight
        ambient = (0.5 + 0.5 * normal[:, 1:2]) * SKY + (0.5 - 0.5 * normal[:, 1:2]) * 2.2 * INHERENT
        light = (direct + ambient) * np.exp(-0.5 * COLUMN * under)
        view = np.array([0.0, up, 0.0]) - world
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        half = view + sun
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        gloss = np.clip((normal * half).sum(1), 0, 1)
        sheen = np.where(wet[:, 0], 0.03 * gloss**24, 0.12 * gloss**24 + 1.6 * gloss**160) * lit * focus
        facing = np.clip((normal * view).sum(1), 0, 1)
        rim = np.where(wet[:, 0], 0.02, 0.25) * (1 - facing) ** 3
        colour = albedo * light + sheen[:, None] * SUN + rim[:, None] * SKY
        path = under / np.sqrt(1 - (1 - view[:, 1:2] ** 2) / ocean.INDEX**2)  # steeper than in the air
        clear = np.exp(-HAZE * path)
        return (colour * clear + INHERENT * (1 - clear)).astype(np.float32), depth

    def film(self, t):
        """What is on the surface, (512, 512, 2) around the point under the camera.

        First by how much ripples are calmed in the prints of the flukes, 1 not at all; then foam, where the
        dorsal fin cuts the surface, and flecks of it that drift by.
        """
        film = np.stack([np.ones((512, 512), np.float32), np.zeros((512, 512), np.float32)], -1)

        def spot(place, size):  # the window of `film` around a place, and (distance / size)^2 in it
            at = np.asarray(place) / self.FILM_CELL + 256
            reach = int(2.5 * size / self.FILM_CELL) + 2
            cell = np.floor(at).astype(int)
            low, high = np.clip(cell - reach, 0, 512), np.clip(cell + reach, 0, 512)
            columns, rows = np.arange(low[0], high[0]) - at[0], np.arange(low[1], high[1]) - at[1]
            distance2 = (rows[:, None] ** 2 + columns[None] ** 2) * (self.FILM_CELL / size) ** 2
            return film[low[1] : high[1], low[0] : high[0]], distance2

        def left(at, body):  # where what the body left behind at time `at` is by now, and its height then
            matrix, _, position = self.swimmer.pose(at)
            if at < self.swimmer.fine[0]:  # before the clip it came straight on
                position = position - matrix[:, 2] * SPEED * (self.swimmer.fine[0] - at)
            place = position + matrix @ body
            return place[[0, 2]] - DRIFT * (t - at), place[1]

        for beat in range(int(np.floor(t * BEAT)), int(t * BEAT) - 9, -1):
            age = t - beat / BEAT
            window, distance2 = spot(left(beat / BEAT, np.array([0.02, 0, -1.15]))[0], 0.38 + 0.10 * age)
            window[..., 0] *= 1 - 0.62 * np.exp(-age / 3.5) * min(1.0, age / 0.3) * np.exp(-(distance2**2))
        for step in range(int(t * 100), int(t * 100) - 60, -1):  # every hundredth of a second
            rng = np.random.default_rng([SEED, 7, step + 10000])
            age = t - step / 100
            body = self.fin_tip + np.r_[rng.normal(0, 0.012), 0, rng.normal(-0.05, 0.04)]
            place, height = left(step / 100, body)
            if rng.random() < 0.35 and height > -0.02:
                window, distance2 = spot(place, rng.uniform(0.018, 0.045))
                strength = min(1, 0.25 + 8 * max(height, 0)) * rng.uniform(0.1, 0.6) * np.exp(-age / 0.22)
                window[..., 1] += strength * np.exp(-distance2)
        for place, size, strength in self.flecks:
            window, distance2 = spot((place - DRIFT * t + 10) % 20 - 10, size)
            window[..., 1] += strength * np.exp(-distance2)
        return np.minimum(film, 1)

    def expose(self, frame):
        """Takes the frame's picture.

        -> image (HEIGHT, WIDTH, 3) uint8, how much of each pixel (HEIGHT, WIDTH) shows the dolphin, its
        displacement by the waves, in pixels, on average
        """
        t = frame / FPS
        slopes = self.sea.slopes(t)
        animal, depth, (x, y, w, h) = self.animal(t, slopes)
        light = ocean.caustics(slopes, self.cell, 3.2, 1, 0, 0, *self.sea.shape)
        light = cv2.resize(cv2.GaussianBlur(light, (0, 0), 8), (512, 256), interpolation=cv2.INTER_AREA)
        light = np.tile(light, (4, 2))[..., None]
        sand, weed = np.array([0.46, 0.43, 0.33]), np.array([0.07, 0.11, 0.06])
        bottom = (weed + (sand - weed) * self.weed) * self.grain * (0.65 + 0.35 * light) * 0.8
        wobble = np.zeros(animal.shape[:2] + (2,), np.float32)
        surface = slopes, self.cell, self.film(t), self.FILM_CELL
        ground = bottom.astype(np.float32), self.bottom_cell, BOTTOM_DEPTH
        sea_image = ocean.shade(
            ocean.View(WIDTH, HEIGHT, SUPERSAMPLE, float(altitude(frame)), HALF_WIDTH, DRIFT * t),
            ocean.Water(*surface, *ground, INHERENT, COLUMN),
            ocean.Light(sun_direction(SUN_ZENITH), SUN_RADIANCE, GLINT_SLOPE, SKY_ZENITH, SKY_HORIZON),
            ocean.Under(np.array([y * SUPERSAMPLE, x * SUPERSAMPLE]), animal, depth, wobble),
        )
        grid = np.mgrid[: animal.shape[0], : animal.shape[1]].astype(np.float32)
        seen = cv2.remap(animal[..., 3], grid[1] + wobble[..., 0], grid[0] + wobble[..., 1], cv2.INTER_LINEAR)
        visible = np.zeros((HEIGHT, WIDTH), np.float32)
        visible[y : y + h, x : x + w] = seen.reshape(h, SUPERSAMPLE, w, SUPERSAMPLE).mean((1, 3))
        moved = np.linalg.norm(wobble[animal[..., 3] > 0.5], axis=-1).mean() / SUPERSAMPLE
        image = develop(self.floating(sea_image, frame), np.random.default_rng([SEED, frame]))
        return image, visible, moved

    def floating(self, light, frame):
        """The light (HEIGHT, WIDTH, 3) with what floats on the sea: nothing here."""
        return light


def develop(light, rng):
    """Lens, sensor and the drone's own processing: linear light (H, W, 3) to 8 bit."""
    image = cv2.GaussianBlur(light, (0, 0), 0.5)
    bright = np.minimum(np.maximum(image - 1.0, 0), 4.0)
    bloom = 0.10 * cv2.GaussianBlur(bright, (0, 0), 1.6) + 0.03 * cv2.GaussianBlur(bright, (0, 0), 9)
    image = np.minimum(image, 3.0) + bloom
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    radius2 = ((columns - WIDTH / 2) ** 2 + (rows - HEIGHT / 2) ** 2) / (WIDTH / 2) ** 2
    image = image * (1.12 * (1 - 0.20 * radius2 + 0.03 * radius2**2))[..., None]
    noise = rng.normal(size=image.shape).astype(np.float32)
    image = image + noise * np.sqrt(2.0e-5 * np.maximum(image, 0) + 2.0e-6)
    image = np.where(image > 0.75, 0.75 + 0.25 * np.tanh((image - 0.75) / 0.25), np.maximum(image, 0))
    image = np.where(image < 0.0031308, 12.92 * image, 1.055 * np.maximum(image, 1e-6) ** (1 / 2.4) - 0.055)
    image = cv2.GaussianBlur(image, (0, 0), 0.35)  # the denoiser
    image = image + 0.35 * (image - cv2.GaussianBlur(image, (0, 0), 1.1))  # and the sharpener
    return np.clip(image * 255 + rng.uniform(-0.5, 0.5, image.shape), 0, 255).round().astype(np.uint8)


# ---- The segmenter ---------------------------------------------------------------------------------------
class Segmenter:
    """Makes masks of what is visible, with a segmenter's errors: they drift, and thin parts get lost."""

    BLUR, WANDER, LOSSES = 0.7, 0.2, 5

    def __init__(self, frames=FRAMES):
        rng = np.random.default_rng(SEED + 1)
        # a field over (time, row, column), smooth over 8 pixels and 4 frames, that moves the outline
        noise = rng.normal(size=(frames, HEIGHT // 4, WIDTH // 4)).astype(np.float32)
        noise = np.stack([cv2.GaussianBlur(n, (0, 0), 2.0) for n in noise])
        kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4.0) ** 2)
        gain = np.fft.rfft(kernel, frames)[:, None, None]
        spread = np.fft.irfft(np.fft.rfft(noise, axis=0) * gain, frames, axis=0)
        self.field = (spread / spread.std()).astype(np.float16)
        self.losses = []
        for _ in range(self.LOSSES):
            start, length = rng.integers(0, frames - 12), rng.integers(7, 16)
            part = str(rng.choice(["left fluke", "right fluke", "left fin", "right fin"]))
            self.losses.append((int(start), int(start + length), part, float(rng.uniform(0.5, 1.0))))

    def __call__(self, frame, visible, landmarks):
        """Mask (HEIGHT, WIDTH) bool; landmarks: pixel and radius of the parts that may be lost."""
        keep = visible.copy()
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        for start, end, part, strength in self.losses:
            if start <= frame < end:
                rise = min(frame - start + 1, end - frame, 4) / 4
                (x, y), radius = landmarks[part]
                near = np.hypot(columns + 0.5 - x, rows + 0.5 - y) / (radius * strength * rise + 1e-6)
                keep *= np.clip((near - 1) * 3, 0, 1).astype(np.float32)
        soft = cv2.GaussianBlur(keep, (0, 0), self.BLUR)
        field = self.field[frame].astype(np.float32)
        field = cv2.resize(field, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        slope = 1 / (np.sqrt(2 * np.pi) * np.hypot(self.BLUR, 0.3))  # of `soft` across an edge, per pixel
        return soft > 0.5 - 0.015 + np.clip(self.WANDER * field * slope, -0.4, 0.4)


def landmarks(swimmer, t):
    """Pixel and radius of what a segmenter may lose: flukes and flippers, from their tips."""
    x, s = swimmer.template[:, 0], swimmer.along
    vertices = swimmer.surface(t)
    up = altitude(t * FPS)
    pixels = (project(vertices, up) * [1, -1] + 1) / 2 * [WIDTH, HEIGHT]
    per_metre = WIDTH / (2 * HALF_WIDTH * up)
    out = {}
    for name, where, radius in (("fluke", s < 0.15, 0.20), ("fin", (s > 0.5) & (s < 0.85), 0.24)):
        for side, sign in (("left", 1), ("right", -1)):
            out[f"{side} {name}"] = pixels[np.argmax(np.where(where, sign * x, -9))], radius * per_metre
    return out


# ---- The pack --------------------------------------------------------------------------------------------
def truth(swimmer):
    """What is known of the animal. -> the arrays of truth.npz, true masks (T, HEIGHT, WIDTH)"""
    times = np.arange(FRAMES) / FPS
    vector = np.array([0.0, np.deg2rad(swimmer.heading(0)), 0.0])
    vectors, joints, positions, surfaces = [], [], [], []
    for t in times:
        matrix, joint, position = swimmer.pose(t)
        vector = rotvec(matrix, vector)
        vectors.append(vector)
        joints.append(joint)
        positions.append(position)
        surfaces.append(swimmer.surface(t))
    surfaces, positions = np.array(surfaces), np.array(positions)
    masks = np.stack([coverage(v, swimmer.faces, altitude(i), 4) > 0.5 for i, v in enumerate(surfaces)])
    rest = swimmer.rest()
    forward = np.array([cv2.Rodrigues(v)[0][:, 2] for v in vectors])
    millimetres = np.round((surfaces - positions.astype(np.float32)[:, None]) * 1e3).astype(np.int16)
    arrays = dict(
        global_poses=np.array(vectors, np.float32)[:, None],
        joint_poses=np.array(joints, np.float32),
        translations=positions.astype(np.float32)[:, None],
        part_scales=swimmer.part_scales,
        # to a millimetre, and with time innermost in the file: so it packs into half the bytes
        vertices_tenth_mm=np.asfortranarray(10 * millimetres),
        masks_packed=np.packbits(masks, axis=-1),
        size_wh=np.array([WIDTH, HEIGHT]),
        heading_deg=np.rad2deg(np.unwrap(np.arctan2(forward[:, 0], forward[:, 2]))).astype(np.float32),
        length_m=np.float64(rest[:, 2].max() - rest[:, 2].min()),
        volume_m3=np.float64(volume(rest, swimmer.faces)),
        time_s=times,
    )
    return arrays, masks


_team = {}  # of this process: its camera and segmenter


def take(shot):
    """Makes this another shot: `shot` replaces constants at the top of this file."""
    globals().update(shot or {})


def start_process(shot=None):
    """Prepares this process to `shoot`. shot: see `take`."""
    take(shot)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _team["camera"], _team["segmenter"] = Camera(Swimmer(MODEL)), Segmenter()


def shoot(frame):
    """A frame. -> its number, image (HEIGHT, WIDTH, 3), what shows of the dolphin, the mask, mean wobble"""
    image, visible, wobble = _team["camera"].expose(frame)
    mask = _team["segmenter"](frame, visible, landmarks(_team["camera"].swimmer, frame / FPS))
    return frame, image, visible, mask, wobble


def photograph(frames, jobs, shot=None):
    """{frame: (image, visible coverage, mask, wobble)}, by `jobs` processes."""
    if jobs == 1:
        start_process(shot)
        return {frame: shoot(frame)[1:] for frame in frames}
    shots = {}
    with multiprocessing.get_context("spawn").Pool(jobs, start_process, (shot,)) as pool:
        for frame, *shot in pool.imap_unordered(shoot, frames):
            shots[frame] = shot
            print(f"\r{len(shots)} of {len(frames)} frames", end="", flush=True)
    print()
    return shots


def iou(a, b):
    """Intersection over union of two masks."""
    return (a & b).sum() / (a | b).sum()


def prompts(mask, visible):
    """Points to prompt a segmenter with on frame 0: seven inside the animal, seven in the water around it."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.nonzero(inside > max(0.3 * inside.max(), 2))
    centred = np.stack([columns - columns.mean(), rows - rows.mean()], 1)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    chosen = [np.argmin(np.abs(along - q)) for q in np.quantile(along, np.linspace(0.04, 0.96, 7))]
    points = [[int(columns[k]), int(rows[k])] for k in chosen]
    outside = cv2.distanceTransform((visible < 0.02).astype(np.uint8), cv2.DIST_L2, 5)
    ring = np.argwhere((outside > 12) & (outside < 60))
    middle = np.array([rows.mean(), columns.mean()])
    angles = np.arctan2(*(ring - middle).T)
    for k in range(7):
        near = np.abs(np.angle(np.exp(1j * (angles - 2 * np.pi * (k + 0.3) / 7))))
        depth = np.abs(outside[tuple(ring.T)] - (18 + 9 * (k % 3)))
        row, column = ring[np.argmin(near * 40 + depth)]
        points.append([int(column), int(row)])
    return {"frame": 0, "points": points, "labels": [1] * 7 + [0] * 7}


def make_pack(root, jobs, shot=None):
    """Makes the clip in the pack `root`; another pack than the embedded one gets the model too."""
    take(shot)
    if root != PACK:
        shutil.copytree(MODEL, root / "model", dirs_exist_ok=True)
    clip = root / "data" / CLIP
    fresh = clip.with_name(clip.name + ".tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    for folder in ("frames", "segmentation", "metadata"):
        (fresh / folder).mkdir(parents=True)
    arrays, masks = truth(Swimmer(MODEL))
    shots = photograph(list(range(FRAMES)), jobs, shot)
    for frame in range(FRAMES):
        image, _, mask, _ = shots[frame]
        save_jpeg(image, fresh / "frames" / f"{frame:06d}.jpg")
        mask = Image.fromarray(mask.astype(np.uint8) * 255)
        mask.save(fresh / "segmentation" / f"{frame:06d}.png", optimize=True)
    centimetres = 100 * altitude(np.arange(ALTITUDES) - FIRST_ALTITUDE)
    np.save(fresh / "metadata" / "altitude.npy", centimetres.astype(np.float32))
    (fresh / "metadata" / "prompts.json").write_text(json.dumps(prompts(masks[0], shots[0][1])) + "\n")
    np.savez_compressed(fresh / "truth.npz", **arrays)
    shutil.rmtree(clip, ignore_errors=True)
    fresh.rename(clip)
    make_manifest.write(root)
    if root == PACK:
        draw_pictures(shots, masks, ROOT / "assets" / "pictures")
    report(arrays, shots, masks, clip)


def save_jpeg(image, path):
    """Writes a frame as the pack has it."""
    Image.fromarray(image).save(path, quality=QUALITY, subsampling="4:2:0", optimize=True, progressive=True)


def report(arrays, shots, masks, clip):
    """Prints the figures that assets/README.md states."""
    frames = sorted(shots)
    overlap = np.array([iou(shots[f][2], masks[f]) for f in frames])
    visible = np.array([iou(shots[f][1] > 0.5, masks[f]) for f in frames])
    area = np.array([shots[f][2].sum() / masks[f].sum() for f in frames])
    wobble = np.mean([shots[f][3] for f in frames])
    size = {p.name: sum(q.stat().st_size for q in [p, *p.rglob("*")] if q.is_file()) for p in clip.iterdir()}
    heading, up = arrays["heading_deg"], altitude(np.arange(FRAMES))
    apparent = arrays["translations"][:, 0, 1] / ocean.INDEX
    pixels = arrays["length_m"] * WIDTH / (2 * HALF_WIDTH * (up - apparent))
    beyond = [int((heading < limit).sum()) for limit in (180, 225)]
    litres = 1e3 * arrays["volume_m3"]
    print(f"""\
heading: {heading[0]:.1f} to {heading[-1]:.1f} degrees, beyond 180 and 225 from frames {beyond}
altitude: {up.min():.2f} to {up.max():.2f} m
dolphin: {arrays["length_m"]:.3f} m, {pixels.min():.0f} to {pixels.max():.0f} px, {litres:.1f} l
true silhouette: {masks.sum((1, 2)).min()} to {masks.sum((1, 2)).max()} px
IoU with the true masks: mean {overlap.mean():.3f}, min {overlap.min():.3f}
area over the true masks': mean {area.mean():.3f}, {area.min():.3f} to {area.max():.3f}
waves: {wobble:.2f} px on average; IoU of what is visible with the true masks: {visible.mean():.3f}
sizes, MB: {", ".join(f"{name} {size_ / 1e6:.2f}" for name, size_ in sorted(size.items()))}""")


def close_up(image, at, size=(160, 120), times=3):
    """The part of an image around a pixel, enlarged."""
    w, h = size
    x, y = int(np.clip(at[0] - w / 2, 0, WIDTH - w)), int(np.clip(at[1] - h / 2, 0, HEIGHT - h))
    return cv2.resize(image[y : y + h, x : x + w], None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)


def middle(mask):
    """Pixel (x, y) in the middle of a mask."""
    return np.argwhere(mask).mean(0)[::-1]


def sheet(tiles, columns):
    """Pictures of one size side by side, as one."""
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.concatenate([np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)])


def draw_pictures(shots, masks, folder):
    """The pictures of assets/README.md."""
    folder.mkdir(exist_ok=True)
    Image.fromarray(shots[60][0]).save(folder / "clip_frame.jpg", quality=88)
    smaller = dict(dsize=None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    contact = sheet([cv2.resize(shots[f][0], **smaller) for f in range(0, 200, 34)], 2)
    Image.fromarray(contact).save(folder / "clip_contact.jpg", quality=80)
    beat = [close_up(shots[f][0], middle(masks[f]), (120, 120)) for f in range(100, 140, 5)]
    Image.fromarray(sheet(beat, 4)).save(folder / "clip_beat.jpg", quality=80)
    errors = []
    for f in range(20, 200, 40):
        image, mask = (0.6 * shots[f][0]).astype(np.uint8), shots[f][2]
        image[mask & ~masks[f]] = (255, 150, 0)
        image[~mask & masks[f]] = (0, 150, 255)
        both = (mask & masks[f])[..., None]
        image = np.where(both, (0.5 * image + 110).astype(np.uint8), image)
        errors.append(close_up(image, middle(masks[f]), (120, 120)))
    Image.fromarray(sheet(errors, 5)).save(folder / "clip_masks.jpg", quality=88)


def preview(out, frames, jobs):
    """Looks at frames without touching the pack: PNGs, enlarged crops, a contact sheet; of many, a video."""
    out.mkdir(parents=True, exist_ok=True)
    shots = photograph(frames, jobs)
    if len(frames) > 12:
        write_video(out / "clip.mp4", (shots[frame][0] for frame in frames), fps=FPS)
    tiles = []
    for frame in frames[:: max(1, len(frames) // 12)][:12]:
        image, visible, mask, _ = shots[frame]
        Image.fromarray(image).save(out / f"{frame:06d}.png")
        crop = close_up(image, middle(visible > 0.5), (160, 140), 4)
        Image.fromarray(crop).save(out / f"{frame:06d}_crop.png")
        outline = image.copy()
        outline[mask ^ (cv2.erode(mask.astype(np.uint8), np.ones((3, 3))) > 0)] = [255, 60, 0]
        tiles.append(cv2.resize(outline, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA))
    Image.fromarray(sheet(tiles, 3)).save(out / "contact.png")
    print(f"looked at {len(frames)} frames: {out}")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    other = "make another clip, with its own pack in this folder"
    parser.add_argument("--other", type=Path, metavar="PACK", help=other)
    parser.add_argument("--preview", type=Path, metavar="OUT", help="write looks there, no pack")
    parser.add_argument("--frames", help="with --preview: 0,50,100 or 0:200:10")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args()
    if args.preview:
        frames = list(range(FRAMES))
        if args.frames:
            numbers = [int(f) for f in args.frames.replace(":", ",").split(",")]
            frames = frames[slice(*numbers)] if ":" in args.frames else numbers
        preview(args.preview, frames, args.jobs if len(frames) > 4 else 1)
    else:
        make_pack(args.other or PACK, args.jobs, OTHER_SHOT if args.other else None)


if __name__ == "__main__":
    main()
