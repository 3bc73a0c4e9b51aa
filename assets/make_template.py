"""Makes the embedded dolphin's model files, its skin, its measurements and its pictures.

    python assets/make_template.py                the files of assets/pack/model, the same bytes each time
    python assets/make_template.py --measure      the table that compares the template with published figures
    python assets/make_template.py --pictures     the pictures of assets/README.md

The shape itself is in `dolphin_shape.py`. `albedo` is the dark back and white belly that the clip's dolphin
wears; the model files hold none, because finding the skin's brightness is part of the fit.
"""

import argparse
import functools
import io
import pickle
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import distance_transform_edt
from scipy.spatial import ConvexHull

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "assets")]

import dolphin_shape as shape  # noqa: E402
from dolphin_shape import smoothstep  # noqa: E402

from course_lib.files import write  # noqa: E402

MODEL_DIR = ROOT / "assets" / "pack" / "model"
PICTURES_DIR = ROOT / "assets" / "pictures"
ROOT_MARKER = 4294967295  # what SMPL files hold as the parent of the root


@functools.lru_cache(maxsize=1)
def dolphin():
    """The shape, built once."""
    return shape.build()


# ---- The model files ---------------------------------------------------------------------------------------


def bone_labels(d):
    """Bone (V,) and part (V,) of each vertex: where its largest weight is.

    The flukes' midline stays with the tail stock.
    """
    bone = d.weights.argmax(1)
    on_midline = d.mirror == np.arange(len(d.mirror))
    bone[on_midline & (bone >= 8)] = 7  # neither left nor right
    part_of_bone = np.zeros(len(shape.BONES), int)
    for part, (_, bones) in enumerate(shape.PARTS):
        part_of_bone[list(bones)] = part
    return bone, part_of_bone[bone]


def shape_directions(vertices):
    """Directions (V, 3, 4) for the shape parameters global, x, y, z.

    v + directions @ beta is v, enlarged by 1 + beta.
    """
    directions = np.zeros((*vertices.shape, 4))
    directions[:, :, 0] = vertices
    for axis in range(3):
        directions[:, axis, 1 + axis] = vertices[:, axis]
    return directions


def keypoint_regressor(d):
    """Landmarks as rows (K, V) of a regressor, each of one vertex; in the order of `d.landmarks`."""
    return np.eye(len(d.vertices), dtype=np.float32)[list(d.landmarks.values())]


def model_files(d):
    """Contents of every file of pack/model, by name."""
    vertices = np.round(d.vertices, 6) + 0.0  # micrometres; no negative zeros
    bone, part = bone_labels(d)
    regressor = sp.csc_matrix(d.joint_regressor)
    parents = [ROOT_MARKER] + [parent for _, parent, _ in shape.BONES[1:]]
    model = {
        "v_template": vertices.astype(np.float32),
        "f": d.faces.astype(np.uint32),
        "weights": d.weights.astype(np.float32),
        "J_regressor": regressor,
        "J": (np.round(regressor @ vertices, 6) + 0.0).astype(np.float32),
        "kintree_table": np.array([parents, np.arange(len(parents))], dtype=np.int64),
        "shapedirs": shape_directions(vertices).astype(np.float32),
        "posedirs": np.zeros((len(vertices), 3, 9 * (len(parents) - 1)), np.int8),  # none: small
        "bs_type": "lrotmin",
        "bs_style": "lbs",
    }
    labels = {"v_labels": bone.astype(np.int64)}
    parts = [list(bones) for _, bones in shape.PARTS]
    coarse = {"coarse_v_labels": part.astype(np.int64), "coarse_parts_idx": parts}
    keypoints = io.BytesIO()
    np.save(keypoints, keypoint_regressor(d))

    obj = ["mtllib dolphin_template.mtl", "o dolphin"]
    obj += ["v %.6f %.6f %.6f" % tuple(v) for v in vertices]
    obj += ["vt %.6f %.6f" % tuple(uv) for uv in d.uvs]
    obj += ["usemtl skin"]
    obj += ["f " + " ".join(f"{a + 1}/{b + 1}" for a, b in zip(f, t)) for f, t in zip(d.faces, d.face_uvs)]
    return {
        "dolphin_model.pkl": pickle.dumps(model, protocol=4),
        "dolphin_template.obj": ("\n".join(obj) + "\n").encode(),
        "dolphin_template.mtl": b"newmtl skin\nKd 0.5 0.5 0.5\n",
        "dolphin_seg_gloss.pkl": pickle.dumps(labels, protocol=4),
        "dolphin_coarse_seg.pkl": pickle.dumps(coarse, protocol=4),
        "dol_verts2kp.npy": keypoints.getvalue(),
    }


def write_model(folder):
    """Writes the model files into `folder`."""
    for name, content in model_files(dolphin()).items():
        write(folder / name, content)
        print(f"{len(content):>9,d} bytes  {name}")


# ---- The skin ----------------------------------------------------------------------------------------------


def surface_at_texels(resolution):
    """What lies under the texels of the skin.

    -> which texels the charts cover, (H, W) bool; of the N that they do, rest position (N, 3), normal (N, 3),
    s (N,), fin (N, 3)

    Image rows count from the top: texel (row r, column c) has its centre at u = (c + 0.5) / W and
    v = 1 - (r + 0.5) / H.
    """
    d = dolphin()
    corners = np.stack([d.uvs[:, 0], 1.0 - d.uvs[:, 1]], 1)[d.face_uvs] * resolution - 0.5  # (F, 3, 2)
    normals = vertex_normals(d.vertices, d.faces)
    values = np.concatenate([d.vertices, normals, d.s[:, None], d.fin], 1).astype(np.float32)
    out = np.zeros((resolution, resolution, values.shape[1]), np.float32)
    covered = np.zeros((resolution, resolution), bool)
    for face, (a, b, c) in zip(d.faces, corners):
        x0, y0 = np.floor(np.minimum(np.minimum(a, b), c)).astype(int)
        x1, y1 = np.ceil(np.maximum(np.maximum(a, b), c)).astype(int)
        x, y = np.meshgrid(np.arange(x0, x1 + 1), np.arange(y0, y1 + 1))
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        w1 = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        w2 = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        hit = (w1 >= -1e-9) & (w2 >= -1e-9) & (w1 + w2 <= 1 + 1e-9)
        out[y[hit], x[hit]] = np.stack([1 - w1 - w2, w1, w2], -1)[hit] @ values[face]
        covered[y[hit], x[hit]] = True
    out = out[covered]
    return covered, out[:, :3], out[:, 3:6], out[:, 6], out[:, 7:]


def vertex_normals(vertices, faces):
    """Unit normals (V, 3), faces weighted by their area."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _cloud(p, rng, scale, octaves=3):
    """Smooth random field of points p (..., 3), about -1 to 1.

    Plane waves of `scale` metres and, weaker, of its fractions.
    """
    field = np.zeros(p.shape[:-1], np.float32)
    for octave in range(octaves):
        for wave in rng.normal(size=(8, 3)) * 3.8 / scale * 2**octave:
            phase = np.float32(rng.uniform(0, 2 * np.pi))
            field += 0.5**octave * np.cos(p @ wave.astype(np.float32) + phase) / np.sqrt(8)
    return field


# Colour boundaries of the left side, seen from the side: s against height, both in % of standard length,
# height from the body's axis as in `shape.SECTIONS`. General appearance of Tursiops; individuals and
# populations differ.
MOUTH = ((0, -2.62), (1, -2.72), (3, -2.86), (5, -3.02), (7, -3.22), (8.6, -3.2), (9.8, -2.92),
         (10.7, -2.5))  # fmt: skip
BELLY = ((10.7, -2.5), (11.5, -3.2), (13, -3.9), (17, -4.6), (22, -5.4), (30, -6.1), (40, -6.4),
         (50, -6.0), (58, -5.4), (66, -4.9), (72, -4.9), (100, -5.5))  # fmt: skip
CAPE = ((4.6, -0.6), (8, 1.4), (13, 3.0), (20, 4.6), (28, 5.2), (36, 4.4), (44, 2.6), (52, 2.4),
        (60, 3.6), (70, 3.0), (80, 1.8), (90, 0.9), (100, 0.3))  # fmt: skip
EYE = (12.9, -2.15)
BLOWHOLE = 12.4


def albedo(resolution=512, seed=20):
    """Grey reflectance (H, W) in [0, 1] of the skin.

    Dark cape, paler flanks, white belly, eyes, mouth, blowhole, old scars. An image in the frame of the
    template's UVs, row 0 at v = 1, as texture images are: what the course's renderer would call
    `dolphin_albedo[0, 0]`. Each texel is coloured by its place on the body, hence there are no seams. The
    wear (clouds, scratches) comes from `seed` and is not symmetric.
    """
    d, rng = dolphin(), np.random.default_rng(seed)
    covered, p, normal, s, fin = surface_at_texels(resolution)
    tip = d.vertices[d.landmarks["rostrum_tip"], 1]
    height = (p[..., 1] - tip) / d.unit + shape.SECTIONS[0, 1]  # as in SECTIONS
    across = np.abs(p[..., 0]) / d.unit
    texel = 110.0 / resolution
    wobble = 0.45 * _cloud(p, rng, 0.30) * smoothstep(s, 9, 20)

    tone = _body_tone(s, height, across, wobble, texel)
    tone = _fin_tone(tone, s, normal, fin)
    tone = _head_tone(tone, s, height, across, texel)
    tone *= 1 + 0.05 * _cloud(p, rng, 0.22) + 0.025 * _cloud(p, rng, 0.05, 2)
    around = (
        np.sign(p[..., 0]) * np.arctan2(across, height + 0.3) * 8.0
    )  # % of length from the back, left > 0
    tone = _worn_tone(tone, rng, s, around, 1 - fin.max(-1), texel)

    image = np.zeros((resolution, resolution))
    image[covered] = np.clip(tone, 0.02, 0.95)
    # beyond the charts the nearest colour: a bilinear look-up at a chart's border finds no foreign one
    return image[tuple(distance_transform_edt(~covered, return_distances=False, return_indices=True))]


def _along(s, curve):
    """The height of a boundary at s."""
    return np.interp(s, *np.transpose(curve))


def _body_tone(s, height, across, wobble, texel):
    """Cape, flank and belly, the blaze, the stripe from the eye to the flipper, the slit."""
    belly_edge = np.where(s < 10.7, _along(s, MOUTH), _along(s, BELLY))
    softness = np.interp(s, (0, 10, 20), (0.25, 0.5, 1.5))
    belly = smoothstep(height + wobble, belly_edge + softness, belly_edge - softness)
    cape_edge = _along(s, CAPE)
    cape = smoothstep(height + wobble, cape_edge - 1.4, cape_edge + 1.2)
    flank = np.interp(s, (0, 5, 12, 30, 60, 80, 100), (0.31, 0.34, 0.38, 0.41, 0.40, 0.36, 0.30))
    tone = flank + (0.235 - flank) * cape
    tone += 0.05 * np.exp(-(((s - 24) / 8) ** 2) - ((height - 2.2) / 1.8) ** 2)  # shoulder blaze
    white = np.interp(s, (0, 6, 12, 60, 72, 85), (0.62, 0.72, 0.80, 0.78, 0.60, 0.42))
    tone += (white - tone) * belly
    stripe = height - np.interp(s, (EYE[0], 20.5), (EYE[1] - 0.4, -3.4))  # from the eye to the flipper
    tone *= 1 - 0.20 * np.exp(-((stripe / 0.75) ** 2)) * smoothstep(s, 11.5, 13.5) * smoothstep(s, 22.0, 19.5)
    slit = smoothstep(across, 0.10 + 1.5 * texel, 0.10) * smoothstep(s, 62.0, 62.6)
    slit *= smoothstep(s, 67.0, 66.4)
    return tone * (1 - 0.35 * slit * (height < -2))


def _fin_tone(tone, s, normal, fin):
    """Fins: dark above, paler below, and grown into the colour of the body."""
    below = smoothstep(-normal[..., 1], -0.1, 0.7)
    dorsal, flipper, fluke = np.moveaxis(fin, -1, 0)
    fluke = np.maximum(fluke, smoothstep(s, 91, 97))
    for share, colour in ((dorsal, 0.225), (flipper, 0.25 + 0.16 * below), (fluke, 0.245 + 0.20 * below)):
        tone += (colour - tone) * smoothstep(share, 0.0, 1.0)
    return tone


def _head_tone(tone, s, height, across, texel):
    """Mouth, eyes, blowhole."""
    mouth = np.abs(height - _along(s, MOUTH))
    tone *= 1 - 0.62 * smoothstep(mouth, 0.10 + 1.5 * texel, 0.10) * smoothstep(s, 10.9, 10.6)
    eye = np.hypot(s - EYE[0], (height - EYE[1]) / 0.7)
    tone *= 1 - 0.30 * smoothstep(eye, 1.9, 0.5)
    tone += (0.045 - tone) * smoothstep(eye, 0.42 + 1.5 * texel, 0.42)
    hole = np.hypot((s - BLOWHOLE + 0.30 * (across / 0.7) ** 2) / 0.24, across / 0.72)
    return tone + (0.08 - tone) * smoothstep(hole, 1.3, 0.8) * (height > 0)


def _worn_tone(tone, rng, s, around, skin, texel):
    """Tooth rakes, a few round scars."""
    for _ in range(9):
        at = s - rng.uniform(18, 84), around - rng.uniform(-11, 11)
        turn, length = rng.uniform(-1.2, 1.2), rng.uniform(1.5, 4.5)
        along = at[0] * np.cos(turn) + at[1] * np.sin(turn)
        aside = at[1] * np.cos(turn) - at[0] * np.sin(turn) + 0.02 * along**2
        fade = 0.07 * skin * smoothstep(np.abs(along), length, 0.6 * length)
        for tooth in range(rng.integers(2, 5)):
            tone += fade * np.exp(-(((aside - 0.55 * tooth) / max(0.10, 0.6 * texel)) ** 2))
    for _ in range(7):
        distance = np.hypot(s - rng.uniform(15, 85), around - rng.uniform(-10, 10))
        radius = rng.uniform(0.4, 0.9)
        tone += 0.06 * skin * smoothstep(distance, 1.2 * radius, 0.6 * radius)
    return tone


# ---- Measurements ------------------------------------------------------------------------------------------


def section_hull(vertices, faces, z):
    """Girth, width and height of the mesh's cut with the plane at z, as a tape and a calliper find them."""
    points = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        p, q = vertices[faces[:, a]], vertices[faces[:, b]]
        cut = (p[:, 2] - z) * (q[:, 2] - z) < 0
        t = ((z - p[:, 2]) / np.where(cut, q[:, 2] - p[:, 2], 1.0))[cut, None]
        points.append((p[cut] + t * (q[cut] - p[cut]))[:, :2])
    points = np.concatenate(points)
    girth = ConvexHull(points).area  # in two dimensions this is the perimeter
    return girth, np.ptp(points[:, 0]), np.ptp(points[:, 1])


def volume(vertices, faces):
    """Volume of a closed mesh, m3 (divergence theorem)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def measure():
    """Measurements of the template by name; lengths in % of standard length, unless named otherwise.

    Standard length is from the rostrum's tip to the fluke notch. Girths are of the body without its fins.
    """
    d = dolphin()
    v, mark = d.vertices, d.landmarks
    tip = v[mark["rostrum_tip"], 2]
    standard = tip - v[mark["fluke_notch"], 2]

    def percent(length):
        return 100.0 * float(length) / standard

    def at(name):
        return percent(tip - v[mark[name], 2])

    cubic_metres = volume(v, d.faces)
    return {
        "total length, rostrum tip to fluke tips (m)": float(np.ptp(v[:, 2])),
        "standard length, rostrum tip to fluke notch (m)": float(standard),
        "volume (m3)": cubic_metres,
        "mass at 1030 kg/m3 (kg)": cubic_metres * 1.03e3,
        "rostrum tip to melon (rostrum length)": at("melon_crease"),
        "rostrum tip to corner of the mouth": MOUTH[-1][0],
        "rostrum tip to eye": EYE[0],
        "rostrum tip to blowhole": BLOWHOLE,
        "rostrum tip to front of the flipper": at("left_flipper_front"),
        "rostrum tip to front of the dorsal fin": at("dorsal_fin_front"),
        "rostrum tip to tip of the dorsal fin": at("dorsal_fin_tip"),
        "blowhole to front of the dorsal fin": at("dorsal_fin_front") - BLOWHOLE,
        **_girths(d, tip, standard),
        **_fin_measures(d, percent),
    }


def _girths(d, tip, standard):
    """What a tape measures around the body, in % of standard length."""
    body = d.faces[(d.fin[d.faces] == 0).all((1, 2))]  # faces without fins
    stations = np.arange(8.0, 92.0, 1.0)
    hulls = np.array([section_hull(d.vertices, body, tip - s / 100 * standard) for s in stations])
    girths, widths, heights = 100.0 * hulls.T / standard

    def girth(s):
        return float(np.interp(s, stations, girths))

    return {
        "girth at the eye": girth(EYE[0]),
        "girth behind the flippers": girth(27.0),
        "greatest girth": float(girths.max()),
        "place of the greatest girth": float(stations[girths.argmax()]),
        "girth at the anus (70 %)": girth(70.0),
        "girth of the tail stock at 90 %": girth(90.0),
        "greatest width": float(widths.max()),
        "greatest height": float(heights.max()),
        "length over greatest diameter (fineness)": float(100.0 * np.pi / girths.max()),
    }


def _fin_measures(d, percent):
    """Sizes of dorsal fin, flippers and flukes; `percent` gives lengths in % of standard length."""
    v = d.vertices
    mark = {name: v[vertex] for name, vertex in d.landmarks.items()}
    front, rear = mark["dorsal_fin_front"], mark["dorsal_fin_rear"]
    base = np.linalg.norm(rear - front)
    along = (rear - front) / base
    offset = v[d.fin[:, 0] > 0] - front
    height = np.linalg.norm(offset - (offset @ along)[:, None] * along, axis=1).max()

    axis = mark["left_flipper_tip"] - mark["left_flipper_front"]
    across = v[(d.fin[:, 1] > 0) & (v[:, 0] > 0)] - mark["left_flipper_front"]
    flat = np.linalg.svd(across - across.mean(0))[2][:2]  # the flipper's plane
    lengthwise = flat @ axis / np.linalg.norm(flat @ axis)
    flipper_width = np.ptp((across @ flat.T) @ np.array([-lengthwise[1], lengthwise[0]]))

    notch, flukes = mark["fluke_notch"], v[d.fin[:, 2] > 0]
    lobe = notch[2] - flukes[np.abs(flukes[:, 0]) < 0.1, 2].min()
    left = v[(d.fin[:, 2] == 1) & (v[:, 0] > 0)]  # its loops lie at constant x
    loops = left[:, 0].round(3)
    leading = np.array([left[loops == x][:, [0, 2]].max(0) for x in np.unique(loops)])  # (x, z)
    width = np.linalg.norm(leading - notch[[0, 2]], axis=1).min()
    return {
        "dorsal fin height": percent(height),
        "dorsal fin base": percent(base),
        "dorsal fin height over base": float(height / base),
        "flipper length, front of the base to tip": percent(np.linalg.norm(axis)),
        "flipper greatest width": percent(flipper_width),
        "fluke span": percent(np.ptp(flukes[:, 0])),
        "fluke width, notch to nearest leading edge": percent(width),
        "fluke notch depth": percent(lobe),
    }


def published(measured):
    """What is known of Tursiops: (name of the measurement, least, most, source).

    The references are in assets/README.md. The fluke regressions of [4] are evaluated at the template's
    length; the range is theirs, widened by 10 %.
    """
    length = 100.0 * measured["standard length, rostrum tip to fluke notch (m)"]  # cm, as in [4]
    spans = 14.951 * np.exp(0.0053 * length) * 100 / length, (0.2663 * length - 8.5152) * 100 / length
    widths = 6.1625 * np.exp(0.0039 * length) * 100 / length, (0.0565 * length + 2.7885) * 100 / length
    by_span = (measured["fluke span"] * length / 100 - 30.207) / 0.1579
    known = "general knowledge"
    growth = "[1]: growth ends at 2.44 and 2.46; the longest 2.7"
    mass = f"[2]: 215 at 2.6 m; [3]: 190 to 260 at 2.5 to 2.7 m; [4], from the fluke span: {by_span:.0f}"

    def regression(name, both):
        least, most = round(0.9 * min(both), 1), round(1.1 * max(both), 1)
        return name, least, most, f"[4]: both sexes {both[0]:.1f}, males {both[1]:.1f}"

    return (
        ("total length, rostrum tip to fluke tips (m)", 2.4, 2.7, growth),
        ("mass at 1030 kg/m3 (kg)", 190, 260, mass),
        ("volume (m3)", 0.185, 0.253, "from the mass"),
        regression("fluke span", spans),
        regression("fluke width, notch to nearest leading edge", widths),
        ("flipper length, front of the base to tip", 14.0, 18.0, f"[5]: 15.7; range: {known}"),
        ("flipper greatest width", 5.0, 7.0, f"[5]: 6.7; range: {known}"),
        ("rostrum tip to melon (rostrum length)", 3.0, 6.3, f"[6]: below 16 cm, 6.3; least: {known}"),
        ("rostrum tip to corner of the mouth", 9.5, 12.5, known),
        ("rostrum tip to eye", 11.5, 14.5, known),
        ("rostrum tip to blowhole", 11.0, 14.0, known),
        ("rostrum tip to front of the flipper", 18.5, 24.0, known),
        ("rostrum tip to front of the dorsal fin", 40.0, 46.0, known),
        ("rostrum tip to tip of the dorsal fin", 55.0, 63.0, known),
        ("dorsal fin height", 7.5, 11.0, known),
        ("dorsal fin base", 12.0, 17.0, known),
        ("dorsal fin height over base", 0.55, 0.80, f"index of [7]; range: {known}"),
        ("girth at the eye", 32.0, 40.0, known),
        ("girth behind the flippers", 46.0, 56.0, known),
        ("greatest girth", 50.0, 62.0, f"measured as in [8]; range: {known}"),
        ("place of the greatest girth", 34.0, 45.0, known),
        ("girth at the anus (70 %)", 29.0, 38.0, known),
        ("length over greatest diameter (fineness)", 4.8, 6.3, "from the greatest girth"),
    )


def measurement_table():
    """The table of assets/README.md, in Markdown."""
    measured = measure()
    lines = ["| measurement | template | Tursiops | from |", "|---|---|---|---|"]
    known = published(measured)
    for name, least, most, source in known:
        lines.append(f"| {name} | {measured[name]:.3g} | {least:g} to {most:g} | {source} |")
    listed = {name for name, *_ in known}
    lines += [f"| {name} | {value:.3g} | | |" for name, value in measured.items() if name not in listed]
    return "\n".join(lines)


# ---- Pictures ----------------------------------------------------------------------------------------------

# Where from, up.
ABOVE, BELOW = ((0, 1, 0), (1, 0, 0)), ((0, -1, 0), (1, 0, 0))
SIDE, FRONT = ((1, 0, 0), (0, 1, 0)), ((0, 0, 1), (0, 1, 0))
THREE_QUARTER, FROM_BEHIND = ((0.75, 0.45, 0.6), (0, 1, 0)), ((0.75, 0.55, -0.65), (0, 1, 0))
AT_THE_HEAD = ((0.9, 0.3, 0.6), (0, 1, 0))
PAPER = np.array([0.93, 0.95, 0.97])
PART_COLOURS = np.array([
    [0.55, 0.62, 0.70], [0.86, 0.60, 0.42], [0.50, 0.72, 0.55], [0.78, 0.76, 0.45],
    [0.70, 0.50, 0.66], [0.45, 0.66, 0.80], [0.80, 0.48, 0.48],
])  # fmt: skip


def _unit(vector):
    return vector / np.linalg.norm(vector)


def draw(vertices, view, size, span, paint=None, colours=None, edges=False, centre=(0, 0, -0.12)):
    """Shaded picture (H, W, 3) in [0, 1] of the dolphin, without perspective, `span` m wide, of size (W, H).

    `paint` is an albedo image in the UV frame, `colours` (F, 3) one colour per face, `edges` draws the
    triangles' edges.
    """
    import torch

    from course_lib.kal.render.mesh import rasterize

    d, (width, height) = dolphin(), (2 * size[0], 2 * size[1])  # twice as fine, then averaged
    towards, up = (np.asarray(a, float) for a in view)
    towards = _unit(towards)
    right = _unit(np.cross(up, towards))
    up = np.cross(towards, right)
    scale = [2 / span, 2 / span * width / height, 1]
    seen = (vertices - np.asarray(centre)) @ np.stack([right, up, towards], 1) * scale
    uv = np.stack([d.uvs[:, 0], 1 - d.uvs[:, 1]], 1)[d.face_uvs]
    features = np.concatenate([vertex_normals(vertices, d.faces)[d.faces], uv], -1)
    corners = torch.from_numpy(seen[d.faces])[None]
    flat, nearness = corners[..., :2].contiguous(), corners[..., 2].contiguous()
    image, index = rasterize(height, width, nearness, flat, torch.from_numpy(features)[None])
    image, index = image[0].numpy(), index[0].numpy()
    normal = image[..., :3] / np.maximum(np.linalg.norm(image[..., :3], axis=-1, keepdims=True), 1e-9)

    base = np.full((height, width, 3), 0.62) if colours is None else colours[index]
    if paint is not None:
        n = len(paint)
        row, column = (np.clip((image[..., k] * n).astype(int), 0, n - 1) for k in (4, 3))
        base = _grey(paint[row, column])
    sun = _unit(0.75 * towards + 0.6 * up - 0.3 * right)
    light = 0.40 + 0.68 * np.clip(normal @ sun, 0, 1)
    shine = np.clip(normal @ _unit(sun + towards), 0, 1)
    picture = base * light[..., None] + 0.10 * shine[..., None] ** 40
    if edges:
        border = np.zeros(index.shape, bool)
        border[:, 1:] |= index[:, 1:] != index[:, :-1]
        border[1:] |= index[1:] != index[:-1]
        picture[border] *= 0.45
    picture[index < 0] = PAPER
    return np.clip(picture, 0, 1).reshape(size[1], 2, size[0], 2, 3).mean((1, 3))


def _grey(paint):
    """Reflectance (...) as colours (..., 3) of a picture."""
    return np.repeat(np.sqrt(paint)[..., None], 3, -1)


def posed(joint_degrees=None, part_scales=None):
    """Vertices (V, 3) of the model read back from its files.

    joint_degrees: {part: axis-angle in degrees}; part_scales: {part: shape (4,)}.
    """
    import torch

    from course_lib.dolphin_model import DolphinModel

    model = DolphinModel(MODEL_DIR, dtype=torch.float64)
    names = [name for name, _ in shape.PARTS]
    joints, scales = torch.zeros(7, 3, dtype=torch.float64), torch.zeros(7, 4, dtype=torch.float64)
    for values, table in ((joint_degrees, joints), (part_scales, scales)):
        for name, value in (values or {}).items():
            table[names.index(name)] = torch.tensor(value, dtype=torch.float64)
    body_pose = torch.deg2rad(joints)[model.LBS.seg_grouping][None, 1:]
    zero = torch.zeros(1, 1, 3, dtype=torch.float64)
    return model(zero, body_pose, zero, part_scales=scales)["vertices"][0].numpy()


def save_sheet(name, columns, pictures):
    """Pictures of one size side by side, as a PNG of few colours."""
    from PIL import Image

    pictures = pictures + [np.broadcast_to(PAPER, pictures[0].shape)] * (-len(pictures) % columns)
    rows = [np.concatenate(pictures[k : k + columns], 1) for k in range(0, len(pictures), columns)]
    sheet = Image.fromarray((np.concatenate(rows) * 255).round().astype(np.uint8))
    path = PICTURES_DIR / name
    sheet.quantize(224, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.stat().st_size:>9,d} bytes  {name}")


def make_pictures():
    """Draws the pictures of assets/README.md."""
    PICTURES_DIR.mkdir(parents=True, exist_ok=True)
    rest, skin = dolphin().vertices, albedo(1024)
    whole, head = dict(size=(640, 300), span=2.8), dict(size=(480, 330), span=0.95, centre=(0, 0.0, 0.975))
    views = (ABOVE, SIDE, FRONT, THREE_QUARTER)
    save_sheet("template_views.png", 2, [draw(rest, view, **whole) for view in views])
    views = (ABOVE, SIDE, BELOW, FROM_BEHIND)
    save_sheet("template_textured.png", 2, [draw(rest, view, paint=skin, **whole) for view in views])
    views = (SIDE, AT_THE_HEAD)
    save_sheet("template_head.png", 2, [draw(rest, view, paint=skin, **head) for view in views])
    _draw_poses(skin)
    _draw_scales()
    _draw_parts(rest, whole)
    charts = _grey(albedo(512))
    charts[~surface_at_texels(512)[0]] = PAPER
    save_sheet("template_uv.png", 1, [charts])


def _draw_poses(skin):
    """Each joint bent four ways, and both ends of a stroke."""
    axes = (((30, 0, 0), SIDE), ((-30, 0, 0), SIDE), ((0, 30, 0), ABOVE), ((0, 0, 30), FROM_BEHIND))
    bent, stroke = [], []
    for part in ("head", "tail_stock_front", "tail_stock_rear", "flukes", "flippers"):
        bent += [draw(posed({part: axis}), view, (300, 180), 3.0) for axis, view in axes]
    save_sheet("template_bent.png", 4, bent)
    for k in (1, -1):
        tail = {"tail_stock_front": (k * 14, 0, 0), "tail_stock_rear": (k * 16, 0, 0)}
        vertices = posed(tail | {"flukes": (-k * 12, 0, 0)})
        stroke.append(draw(vertices, THREE_QUARTER, (560, 340), 2.6, paint=skin, centre=(0, 0.09, -0.12)))
    save_sheet("template_stroke.png", 2, stroke)


def _draw_scales():
    """All parts wider, all parts less long, larger flippers and flukes, a larger dorsal fin."""
    everywhere = [name for name, _ in shape.PARTS]
    scales = [
        dict.fromkeys(everywhere, (0, 0.25, 0, 0)),
        dict.fromkeys(everywhere, (0, 0, 0, -0.2)),
        {"flippers": (0.3, 0, 0, 0), "flukes": (0.3, 0, 0, 0)},
        {"dorsal_fin": (0.35, 0, 0, 0)},
    ]
    pictures = []
    for scale in scales:
        pictures += [draw(posed(None, scale), view, (420, 210), 3.2) for view in (ABOVE, SIDE)]
    save_sheet("template_scaled.png", 2, pictures)


def _draw_parts(rest, whole):
    """The triangles, coloured by part; where a part has two bones, the second is darker."""
    first = dolphin().faces[:, 0]
    bone, part = bone_labels(dolphin())
    shade = np.where(np.isin(bone[first], (3, 5, 9)), 0.82, 1.0)
    look = dict(colours=PART_COLOURS[part[first]] * shade[:, None], edges=True, **whole)
    save_sheet("template_mesh.png", 1, [draw(rest, view, **look) for view in (ABOVE, SIDE)])


def main():
    """The command line."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--measure", action="store_true", help="print the measurements instead")
    parser.add_argument("--pictures", action="store_true", help="draw the pictures instead")
    out = "folder for the model files (default: the pack's)"
    parser.add_argument("--out", type=Path, default=MODEL_DIR, help=out)
    arguments = parser.parse_args()
    if arguments.measure:
        print(measurement_table())
    elif arguments.pictures:
        make_pictures()
    else:
        write_model(arguments.out)


if __name__ == "__main__":
    main()
