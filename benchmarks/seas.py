"""The tracker on other water: short clips that share nothing with the embedded one but the movement.

Every sea is drawn here, from a spectrum of waves, a bed in patches, foam, glints and noise; the animal is the
embedded clip's true surface in other colours, at another size, on another course. Each clip goes through
H.264 and back. `TRIED` were looked at while the tracker was made, `UNSEEN` were not. Some were made up by
hand, the others are drawn at random (`drawn_at_random`).
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from course_lib.assets import clip_files, find_pack
from course_lib.assets.clip_info import CLIP_JSON, ClipInfo
from course_lib.dolphin_model import DolphinModel
from course_lib.doubts import UNSURE
from course_lib.first_mask import from_above
from course_lib.footage import Frames, look_at
from course_lib.kal.dibr import rasterize
from course_lib.lens import Lens
from course_lib.metrics import load_truth
from course_lib.show import write_video
from course_lib.tracker import Tracker
from course_lib.video import SegmentedVideo
from dolphins.second_round import improve

H, W, FPS = 360, 640, 50
LENGTH = 2.65  # metres, of the embedded clip's animal
FINE = 3  # samples along each side of a pixel of the animal
PALE_BONES = (4, 5, 8, 9)  # flippers and flukes
FOAM = np.array([0.88, 0.93, 0.95])


@dataclass(frozen=True)
class Sea:
    """What makes a clip. Colours are (R, G, B) in [0, 1], lengths pixels, speeds pixels a frame."""

    seed: int
    water: tuple = (0.10, 0.33, 0.38)
    bed: tuple = ()  # colours of its two kinds of patches; () is open water
    patch: float = 40.0  # size of the patches
    clear: float = 0.6  # share of the bed's light that comes up
    caustics: float = 0.5
    sky: float = 0.04  # brightness of the waves' mirror
    ripple: float = 0.3  # by how much waves shift what is under them
    glints: float = 2.6  # slope, in standard deviations, that mirrors the sun; 9 for none
    streaks: float = 0.0  # how opaque streaks of foam are
    patches: int = 0  # of foam, each drifts over the animal's path
    skin: tuple = (0.25, 0.28, 0.30)
    pale: float = 0.15  # by how much flukes and flippers are paler
    belly: float = 0.15  # by how much flanks are paler than the back
    haze: float = 0.45  # of the deepest parts
    length: float = 105.0  # of the animal
    girth: float = 1.0  # by how much it is wider than the embedded clip's
    turn: float = 0.0  # degrees by which its course is turned
    mirror: bool = False
    stride: int = 2  # frames of the embedded clip per frame
    start: int = 0
    follow: float = 0.0  # share of its way that the drone flies along
    drift: tuple = (0.15, 0.05)  # of foam and bed
    noise: float = 1.5  # grey levels
    speckle: float = 0.0  # share of the brightness
    crf: int = 18
    frames: int = 60


SAND, WEED, ROCK = (0.74, 0.70, 0.55), (0.16, 0.25, 0.17), (0.40, 0.36, 0.30)
PATCHES = Sea(1, bed=(SAND, WEED), skin=(0.30, 0.34, 0.36), pale=0.22)
OPEN = Sea(2, water=(0.07, 0.22, 0.33), skin=(0.26, 0.33, 0.38), pale=0.12, length=76, sky=0.10, ripple=0.4)
TRIED = {
    "sand and weed": PATCHES,
    "sand and weed, speckled": Sea(3, bed=(SAND, WEED), skin=(0.30, 0.34, 0.36), speckle=0.10, turn=70),
    "pale sand, pale animal": Sea(
        4, bed=(SAND, ROCK), clear=0.5, skin=(0.50, 0.52, 0.50), pale=0.1, turn=140, start=20, caustics=0.7
    ),
    "open water, foam": Sea(
        5, water=OPEN.water, skin=OPEN.skin, length=76, sky=0.07, ripple=0.4, streaks=0.5, patches=5, turn=30
    ),
    "open water, whitecaps, small animal": Sea(
        6, water=(0.10, 0.27, 0.30), skin=(0.24, 0.30, 0.33), length=68, sky=0.1, glints=2.2, streaks=0.8,
        patches=6, ripple=0.4, drift=(0.9, 0.5), turn=200, mirror=True, start=40, crf=21,
    ),
    "weed, dark animal": Sea(
        11, bed=(WEED, ROCK), patch=25, clear=0.7, skin=(0.17, 0.20, 0.22), pale=0.3, mirror=True, turn=50
    ),
    "turbid green, drone follows": Sea(
        12, water=(0.24, 0.36, 0.22), bed=(SAND, ROCK), clear=0.2, skin=(0.33, 0.37, 0.33), follow=0.8,
        haze=0.6, turn=250, start=60, stride=1, speckle=0.06,
    ),
    "lagoon, small patches": Sea(
        13, water=(0.12, 0.45, 0.48), bed=(SAND, WEED), patch=14, caustics=0.8, skin=(0.34, 0.40, 0.42),
        turn=310, length=120, start=20, glints=2.3,
    ),
    "blue water, foam drifts with it": Sea(
        14, water=(0.05, 0.17, 0.30), skin=(0.20, 0.27, 0.34), length=80, sky=0.08, streaks=0.6, patches=6,
        drift=(-0.8, 0.6), ripple=0.4, turn=110, mirror=True, start=20, crf=20,
    ),
    "grey water, speckled": Sea(
        15, water=(0.28, 0.34, 0.36), skin=(0.22, 0.25, 0.27), pale=0.05, length=76, speckle=0.08, sky=0.08,
        streaks=0.3, patches=4, turn=170, crf=21,
    ),
    "patches, glints, speckle": Sea(
        21, water=(0.09, 0.30, 0.36), bed=(SAND, ROCK), patch=30, clear=0.55, caustics=0.6,
        skin=(0.27, 0.31, 0.33), pale=0.2, speckle=0.07, glints=2.3, turn=20, length=96, start=10, crf=23,
    ),
    "open water, foam drifts past": Sea(
        22, water=(0.06, 0.20, 0.30), skin=(0.23, 0.29, 0.34), length=76, sky=0.09, ripple=0.4, streaks=0.4,
        patches=4, drift=(1.2, -0.4), glints=2.4, turn=205, stride=1, start=30, crf=23,
    ),
    "green shallows, weed": Sea(
        23, water=(0.16, 0.34, 0.26), bed=(WEED, SAND), patch=55, clear=0.45, skin=(0.30, 0.33, 0.33),
        pale=0.18, turn=95, length=115, mirror=True, start=5, stride=1, crf=23,
    ),
    "grey water, glints": Sea(
        24, water=(0.22, 0.32, 0.36), skin=(0.16, 0.20, 0.23), pale=0.1, length=88, sky=0.08, glints=2.0,
        streaks=0.2, patches=2, turn=330, follow=0.6, start=20, crf=23,
    ),
}  # fmt: skip


def drawn_at_random(seed, kind):
    """A sea of one of two kinds: "bed", a stout animal over patches, or "open", a lean one among foam."""
    rng, bed = np.random.default_rng([seed, 14]), kind == "bed"
    own = rng.uniform
    ground = np.array([0.12, 0.18, 0.15]) + own(0, 0.5) * np.array([0.62, 0.55, 0.42])
    other = np.array([0.12, 0.18, 0.15]) + own(0.5, 1) * np.array([0.62, 0.55, 0.42])
    water = np.array([own(0.04, 0.2), own(0.2, 0.38), own(0.25, 0.42)])
    skin = own(0.15, 0.4) * np.array([own(0.9, 1.05), own(1.0, 1.15), own(1.05, 1.3)])
    return Sea(
        seed, water=tuple(water), bed=(tuple(ground), tuple(other)) if bed else (), patch=own(15, 60),
        clear=own(0.3, 0.65), caustics=own(0.3, 0.9), sky=own(0.03, 0.06) if bed else own(0.06, 0.1),
        ripple=own(0.25, 0.5), glints=own(2.0, 2.7), streaks=0.0 if bed else own(0.2, 0.8),
        patches=0 if bed else int(rng.integers(2, 7)), skin=tuple(skin), pale=own(0.03, 0.3),
        belly=own(0.03, 0.2), haze=own(0.3, 0.6), length=own(85, 125) if bed else own(66, 90),
        girth=own(1.05, 1.2) if bed else own(0.82, 0.95), turn=own(0, 360), mirror=rng.random() < 0.5,
        stride=1, start=int(rng.integers(0, 100)), follow=rng.choice([0.0, 0.0, own(0.2, 0.9)]),
        drift=tuple(own(-1, 1, 2)), speckle=rng.choice([0.0, own(0.02, 0.08)]), crf=int(rng.integers(20, 29)),
        frames=100,
    )  # fmt: skip


UNSEEN = {}
for group, seeds in (
    (TRIED, {"bed": (101, 102), "open": (103, 104)}),
    (UNSEEN, {"bed": (201, 202, 203), "open": (204, 205, 206)}),
):
    for kind, those in seeds.items():
        group |= {f"{kind}, at random, {seed}": drawn_at_random(seed, kind) for seed in those}


# --- fields of the sea --------------------------------------------------------------------------------------


def cloud(rng, shape, size, slope=2.0, stretch=1.0):
    """A smooth random field (h, w) of mean 0 and deviation 1, with structures of `size` pixels and more.

    stretch: how many times longer they are along x.
    """
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None] * stretch
    k = np.hypot(fy, fx)
    amplitude = (k**2 + 1 / (4 * size) ** 2) ** (-slope / 2) * np.exp(-((k * size / 3) ** 2))
    phase = np.exp(2j * np.pi * rng.random(k.shape))
    field = np.fft.irfft2(amplitude * phase, shape)
    return (field - field.mean()) / field.std()


class Waves:
    """Slopes and caustics of a small wind sea over the frame, periodic, at any time."""

    def __init__(self, rng, per_metre):
        ky = 2 * np.pi * np.fft.fftfreq(H)[:, None] * per_metre
        kx = 2 * np.pi * np.fft.fftfreq(W)[None] * per_metre
        k = np.hypot(kx, ky) + 1e-9  # 1/m
        wind = np.arctan2(ky, kx) - rng.uniform(0, 2 * np.pi)
        power = k**-4.0 * np.exp(-((2.5 / k) ** 2) - (k / 60) ** 2) * (0.15 + np.cos(wind) ** 2)
        self.height = np.sqrt(power) * (rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape))
        self.omega = np.sqrt(9.81 * k + 7.4e-5 * k**3)
        self.kx, self.ky, self.scale = kx, ky, 1.0
        self.scale = 1 / self.slopes(0.0)[0].std()

    def _field(self, factor, t):
        return self.scale * np.fft.ifft2(factor * self.height * np.exp(-1j * self.omega * t)).real

    def slopes(self, t):
        """Slopes along x and y in standard deviations: (H, W) each."""
        return self._field(1j * self.kx, t), self._field(1j * self.ky, t)

    def caustics(self, t, depth):
        """How bright the sun is on a plane under the waves, 1 on average: (H, W)."""
        low = np.exp(-((np.hypot(self.kx, self.ky) / 18) ** 2))
        xx, yy, xy = (
            depth * self._field(-a * b * low, t)
            for a, b in ((self.kx, self.kx), (self.ky, self.ky), (self.kx, self.ky))
        )
        light = 1 / np.sqrt(((1 + xx) * (1 + yy) - xy**2) ** 2 + 0.08)
        return light / light.mean()


def warp(image, dx, dy):
    """An image (H, W, ...) seen through a shift in pixels, (H, W) each."""
    y, x = np.mgrid[:H, :W]
    where = [(y + dy).clip(0, image.shape[0] - 1), (x + dx).clip(0, image.shape[1] - 1)]
    if image.ndim == 2:
        return ndimage.map_coordinates(image, where, order=1, mode="nearest")
    return np.stack(
        [ndimage.map_coordinates(c, where, order=1, mode="nearest") for c in np.moveaxis(image, -1, 0)], -1
    )


# --- the animal ---------------------------------------------------------------------------------------------


class Animal:
    """The embedded clip's true surface, seen from above at another size and on another course."""

    def __init__(self, sea):
        pack = find_pack()
        model = DolphinModel(pack)
        truth = load_truth(pack.truth_path).vertices.numpy()[sea.start :: sea.stride]  # (T, V, 3)
        assert len(truth) >= sea.frames, (sea, len(truth))
        truth = truth[: sea.frames]
        self.faces = model.F.numpy()
        bone = model.weights.numpy().argmax(1)
        self.paler = np.isin(bone, PALE_BONES).astype(np.float32)
        rest = model.V[0].numpy()
        self.flank = np.clip(-rest[:, 1] / np.abs(rest[:, 1]).max() + 0.2, 0, 1)
        across = np.stack([-truth[..., 0], -truth[..., 2]], -1)  # (T, V, 2), right and down
        if sea.mirror:
            across[..., 0] *= -1
        turn = np.deg2rad(sea.turn)
        across = across @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        self.per_metre = sea.length / LENGTH
        middle = across.mean(1)  # (T, 2)
        self.moved = sea.follow * self.per_metre * (middle - middle[:1])  # the drone's own way
        course = across - sea.follow * (middle - middle[:1])[:, None]
        middle = course.mean(1)
        centre = (middle.min(0) + middle.max(0)) / 2
        course = self._wider(course, sea.girth)
        self.on_image = ((course - centre) * self.per_metre + [W / 2, H / 2]).astype(np.float32)  # (T, V, 2)
        self.up = truth[..., 1]
        self.normal_up = np.stack([self._normals(v) for v in truth])
        if sea.mirror:  # the faces are seen from the other side
            self.faces = self.faces[:, ::-1].copy()

    @staticmethod
    def _wider(points, girth):
        """Points (T, V, 2) farther from the animal's long axis, in each frame."""
        away = points - points.mean(1, keepdims=True)
        across = np.linalg.eigh(np.einsum("tvi,tvj->tij", away, away))[1][:, :, 0]  # (T, 2)
        return points + (girth - 1) * np.einsum("tvi,ti->tv", away, across)[..., None] * across[:, None]

    def _normals(self, vertices):
        corners = vertices[self.faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        total = np.zeros_like(vertices)
        for k in range(3):
            np.add.at(total, self.faces[:, k], normal)
        return total[:, 1] / np.linalg.norm(total, axis=1).clip(1e-12)

    def draw(self, t, sea):
        """Its colours (H, W, 3), how much of each pixel it covers (H, W), and how deep that is, 0 to 1."""
        points = self.on_image[t]
        deep = (self.up[t].max() - self.up[t]) / 0.7
        shade = 0.72 + 0.28 * self.normal_up[t].clip(-0.3, 1)
        tone = (
            np.array(sea.skin) * shade[:, None]
            + sea.pale * self.paler[:, None]
            + sea.belly * self.flank[:, None]
        )
        features = np.concatenate([tone, deep[:, None]], 1).astype(np.float32)
        ndc = np.stack([2 * (points[:, 0] + 0.5) / W - 1, 1 - 2 * (points[:, 1] + 0.5) / H], -1)
        corners = [
            torch.from_numpy(a[self.faces][None])
            for a in (self.up[t].astype(np.float32), ndc.astype(np.float32), features)
        ]
        image, face = rasterize(H * FINE, W * FINE, *corners)
        image, hit = (
            sum(fine[i::FINE, j::FINE] for i in range(FINE) for j in range(FINE))
            for fine in (image[0].numpy(), (face[0] >= 0).numpy().astype(np.float32))
        )
        image = image / np.maximum(hit, 1)[..., None]
        return image[..., :3], (hit / FINE**2).astype(np.float32), image[..., 3]


# --- the clip -----------------------------------------------------------------------------------------------


class Painter:
    """Draws the frames of a sea."""

    def __init__(self, sea):
        self.sea, self.rng = sea, np.random.default_rng(sea.seed)
        self.animal = Animal(sea)
        self.waves = Waves(self.rng, self.animal.per_metre)
        size = (H + 500, W + 500)
        if sea.bed:
            kind = 1 / (1 + np.exp(-6 * (cloud(self.rng, size, sea.patch) + 0.2)))[..., None]
            grain = 1 + 0.10 * cloud(self.rng, size, 3, 1.0)[..., None] * (1.6 - kind)
            self.bed = (np.array(sea.bed[0]) * kind + np.array(sea.bed[1]) * (1 - kind)) * grain
        self.tint = cloud(self.rng, (H, W), 150)
        self.froth = cloud(self.rng, size, 3, 1.2)
        self.bands = cloud(self.rng, size, 14, 2.2, stretch=5.0)
        steps = self.rng.integers(0, sea.frames, sea.patches)
        on_path = self.animal.on_image.mean(1)[steps] + self.rng.normal(
            0, 0.45 * sea.length, (sea.patches, 2)
        )
        drift = np.array(sea.drift) + self.rng.normal(0, 0.15, (sea.patches, 2))
        self.blobs = [
            (p, v, s, self.rng.uniform(0.05, 0.14) * sea.length) for p, v, s in zip(on_path, drift, steps)
        ]

    def foam(self, t):
        """How opaque the foam is: (H, W)."""
        sea, alpha = self.sea, np.zeros((H, W))
        moved = np.array(sea.drift) * t - self.animal.moved[t] + 200
        y, x = np.mgrid[:H, :W]
        froth = warp(self.froth, 250 - moved[0], 250 - moved[1])
        if sea.streaks:
            bands = warp(self.bands, 250 - moved[0], 250 - moved[1])
            alpha = sea.streaks * np.clip(1.2 * bands + 0.6 * froth - 2.0, 0, 1)
        for place, velocity, step, radius in self.blobs:
            px, py = place + velocity * (t - step) - self.animal.moved[t] + self.animal.moved[step]
            near = 1.3 - np.hypot((x - px) / 1.6, y - py) / radius
            alpha = np.maximum(alpha, np.clip(near + 0.5 * froth - 0.3, 0, 1) * 0.85)
        return alpha[..., None]

    def frame(self, t):
        """Image (H, W, 3) uint8, the mask of what is there, that of what is seen through the waves."""
        sea, seconds = self.sea, t / FPS * self.sea.stride
        sx, sy = self.waves.slopes(seconds)
        light = self.waves.caustics(seconds, 0.05)
        water = np.array(sea.water) * (1 + 0.05 * self.tint[..., None])
        image = np.broadcast_to(water, (H, W, 3))
        if sea.bed:
            moved = self.animal.moved[t]
            bed = warp(self.bed, 250 + moved[0] + 1.5 * sx, 250 + moved[1] + 1.5 * sy)
            lit = (1 + sea.caustics * (light - 1)).clip(0.4, 2.2)[..., None]
            image = sea.clear * bed * lit + (1 - sea.clear) * water
        colours, covers, deep = self.animal.draw(t, sea)
        bright = 1 + 0.15 * sea.caustics * (light - 1)
        haze = (sea.haze * deep.clip(0, 1))[..., None]
        colours = colours * bright[..., None] * (1 - haze) + water * haze
        seen = warp(covers, sea.ripple * sx, sea.ripple * sy)[..., None]
        colours = warp(colours * covers[..., None], sea.ripple * sx, sea.ripple * sy) / np.maximum(seen, 1e-3)
        image = image * (1 - seen) + colours * seen
        image = image + sea.sky * (0.5 * sx + 0.3 * sy)[..., None] * np.array([0.8, 0.95, 1.0])
        sun = np.hypot(sx - sea.glints, sy - 0.4 * sea.glints)
        glint = np.clip(1.5 - 2.5 * sun, 0, 1)[..., None]
        foam = self.foam(t)
        image = image * (1 - foam) + FOAM * foam
        image = image * (1 - glint) + glint
        image = ndimage.gaussian_filter(image, (0.45, 0.45, 0))
        rng = np.random.default_rng([sea.seed, t])
        image = image * (1 + sea.speckle * rng.normal(size=(H, W, 1))) * 255 + rng.normal(
            0, sea.noise, (H, W, 3)
        )
        return image.clip(0, 255).astype(np.uint8), covers > 0.5, seen[..., 0] > 0.5


@dataclass
class SeaClip:
    """frames (T, H, W, 3) uint8 as a video player shows them; true and seen (T, H, W) bool; prompts."""

    frames: np.ndarray
    true: np.ndarray
    seen: np.ndarray
    prompts: dict


def draw(sea, frames=None):
    """A sea as a clip that went through H.264."""
    painter, count = Painter(sea), frames or sea.frames
    images, true, seen = (np.stack(parts) for parts in zip(*(painter.frame(t) for t in range(count))))
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "sea.mp4", images, FPS, crf=sea.crf)
        images = np.stack(list(Frames(look_at(path), 0, count / FPS, W)))
    return SeaClip(images, true, seen, prompts_of(seen[0], np.random.default_rng(sea.seed)))


def prompts_of(mask, rng):
    """What a person clicks on the first frame: seven points along the animal, seven beside it."""
    inside = ndimage.distance_transform_edt(mask)
    y, x = np.nonzero(inside > min(2.0, 0.5 * inside.max()))
    centred = np.stack([x - x.mean(), y - y.mean()], 1)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    order = np.argsort(along)
    on = [order[int(q * (len(order) - 1))] for q in np.linspace(0.04, 0.96, 7)]
    points = [[int(x[k]), int(y[k])] for k in on]
    away = ndimage.distance_transform_edt(~mask)
    ring = np.argwhere((away > 10) & (away < 40))
    points += [[int(c), int(r)] for r, c in ring[rng.choice(len(ring), 7, replace=False)]]
    return {"frame": 0, "points": points, "labels": [1] * 7 + [0] * 7}


# --- the measurement ----------------------------------------------------------------------------------------


def overlap(a, b):
    """Intersection over union, frame by frame: (T, H, W) bool twice -> (T,)."""
    return (a & b).sum((1, 2)) / np.maximum((a | b).sum((1, 2)), 1)


def make_pack(folder, clip, sea, masks, sure):
    """A pack of a clip with masks (T, H, W) bool and their confidence (T,). -> AssetPack"""
    where = folder / "data" / "sea"
    for name in ("frames", "segmentation", "metadata"):
        (where / name).mkdir(parents=True)
    (folder / "model").symlink_to(find_pack().model_dir)
    for t, (frame, mask, trust) in enumerate(zip(clip.frames, masks, sure)):
        Image.fromarray(frame).save(where / "frames" / f"{t:06d}.png", compress_level=1)
        clip_files.write_mask(mask, where / "segmentation" / f"{t:06d}.png", float(trust))
    up = Lens().focal_pixels(W) * LENGTH / sea.length
    info = ClipInfo(FPS / sea.stride, np.full(len(masks), up, np.float32))
    (where / "metadata" / CLIP_JSON).write_text(info.to_json())
    return find_pack(folder)


def judge(clip, form, sea):
    """The masks of a clip, after both rounds, against what is seen and what is there. -> figures

    form: the template's silhouette, see `Tracker`; sea: what the clip shows.
    """
    tracker = Tracker(lambda t: clip.frames[t], len(clip.frames), clip.prompts, form)
    begun = time.process_time()
    masks = dict(tracker.propagate({}))
    seconds = time.process_time() - begun
    masks = np.stack([masks[t] for t in range(len(clip.frames))])
    sure = np.array([tracker.confidence[t] for t in range(len(masks))])
    once = overlap(masks, clip.seen)
    with tempfile.TemporaryDirectory() as folder:
        pack = make_pack(Path(folder), clip, sea, masks, sure)
        begun = time.process_time()
        improve(pack, pack.segmentation_dir)
        seconds_again = time.process_time() - begun
        video = SegmentedVideo(pack)
    masks, sure = video.masks.numpy() > 127, video.confidence.numpy()
    seen, true = overlap(masks, clip.seen), overlap(masks, clip.true)
    bad = seen < 0.6
    poor = seen < UNSURE
    return {
        "iou_once_mean": float(once.mean()),
        "iou_seen_mean": float(seen.mean()),
        "iou_seen_min": float(seen.min()),
        "iou_first": float(seen[0]),
        "iou_true_mean": float(true.mean()),
        "iou_of_seen_with_true": float(overlap(clip.seen, clip.true).mean()),
        "area_pct": float(100 * (masks.sum() / clip.seen.sum() - 1)),
        "bad_frames": int(bad.sum()),
        "bad_and_said": int((bad & (sure < UNSURE)).sum()),
        "ranked": float((sure[poor] < sure[~poor][:, None]).mean()) if 0 < poor.sum() < len(poor) else None,
        "ms_per_frame": 1000 * seconds / len(masks),
        "ms_per_frame_again": 1000 * seconds_again / len(masks),
    }


def measure(frames=None, seas=None):
    """The tracker on every sea, or on some of them by name. -> {name: figures}"""
    model, found = DolphinModel(find_pack()), {}
    form = from_above(model.V[0].numpy(), model.F.numpy())
    for group, of in (("tried", TRIED), ("unseen", UNSEEN)):
        for name, sea in of.items():
            if seas is None or name in seas:
                found[name] = {"group": group} | judge(draw(sea, frames), form, sea)
    return found
