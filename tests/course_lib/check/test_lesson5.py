"""Banks of mistakes and of right solutions for exercises 8, 9 and 10."""

import math
import types
from functools import partial
from itertools import accumulate

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation
from torch.nn.functional import normalize

from course_lib.check import measures, orientation, video
from course_lib.check.core import grade, report
from course_lib.check.lesson5 import BOX, BOX_FACES, u_shape
from course_lib.rotations import rotmat_to_quat, rotmat_to_rotvec, rotmat_to_steady_rotvec
from solutions.results import body_length, body_mass, compose_frame, mesh_volume
from solutions.rotations import continuous_rotvecs

from .bank import assert_named, assert_right, given, mistakes, then

TURN = 2 * math.pi
# As if its code were written down: called by its own name it is refused.
COPIED = types.FunctionType(rotmat_to_steady_rotvec.__code__, rotmat_to_steady_rotvec.__globals__)


def nothing(*inputs):
    return None


# --- exercise 8


def four(a, b, c, d):
    return torch.cat([torch.cat([a, b], 1), torch.cat([c, d], 1)], 0)


def grey(mask):
    return mask.repeat(1, 1, 3)


def over(render, original, soft):
    return torch.where(soft > 0.5, render, original)


def with_numpy(original, segmentation, render, soft_mask):
    shown = original.numpy().copy()
    inside = soft_mask.numpy()[..., 0] > 0.5
    shown[inside] = render.numpy()[inside]
    above = np.hstack([original.numpy(), np.repeat(segmentation.numpy(), 3, axis=2)])
    below = np.hstack([shown, np.repeat(soft_mask.numpy(), 3, axis=2)])
    return torch.from_numpy(np.vstack([above, below]))


def canvas(size_of):
    """Fills in the tiles; size_of: the picture's (H, W), from the original."""

    def compose_frame(original, segmentation, render, soft_mask):
        h, w = size_of(original)
        frame = original.new_zeros(2 * h, 2 * w, 3)
        frame[:h, :w] = frame[h:, :w] = original
        frame[:h, w:] = segmentation
        frame[h:, w:] = soft_mask
        inside = (soft_mask > 0.5).squeeze(-1)
        frame[h:, :w][inside] = render[inside]
        return frame

    return compose_frame


def by_arithmetic(original, segmentation, render, soft_mask):
    hard = torch.round(soft_mask)
    composite = hard * render + (1 - hard) * original
    tiles = torch.stack([original, grey(segmentation), composite, grey(soft_mask)])
    h, w = original.shape[:2]
    return tiles.reshape(2, 2, h, w, 3).permute(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, 3)


into_a_canvas = canvas(lambda original: original.shape[:2])


in_float64 = then(torch.Tensor.double, compose_frame)


@pytest.mark.parametrize("solution", [compose_frame, with_numpy, into_a_canvas, by_arithmetic, in_float64])
def test_right_frames(solution):
    assert_right(video, solution)


def draw(join=four, **tiles):
    """A compose_frame as it is often written, with some of its tiles, a to d, replaced by functions."""

    def compose_frame(*inputs):
        o, m, r, s = inputs
        right = {"a": o, "b": grey(m), "c": over(r, o, s), "d": grey(s)}
        return join(*(tiles[name](*inputs) if name in tiles else tile for name, tile in right.items()))

    return compose_frame


def in_place(o, m, r, s):
    o[s[..., 0] > 0.5] = r[s[..., 0] > 0.5]
    return four(o, grey(m), o, grey(s))


def into_a_copy_too_late(o, m, r, s):
    return in_place(o.clone(), m, r, s)


def numpy_without_repeating(o, m, r, s):
    return torch.from_numpy(np.vstack([np.hstack([o, m]), np.hstack([over(r, o, s), s])]))


blended = draw(c=lambda o, m, r, s: s * r + (1 - s) * o)
as_array = then(torch.Tensor.numpy, compose_frame)

FRAMES = [
    # two mistakes at once: the first is named for itself
    ("wrong-tile", draw(lambda a, b, c, d: four(a, b / 255, c, d / 255))),
    ("wrong-tile", draw(c=lambda o, m, r, s: s * r, d=lambda o, m, r, s: grey((s > 0.5).float()))),
    ("wrong-tile", draw(a=lambda o, m, r, s: o + 0.1)),
    ("wrong-composite", draw(c=lambda o, m, r, s: over(r, o, s) + 0.1)),
    ("wrong-tile", into_a_copy_too_late),
    ("whole-frame", then(lambda frame: 255 * frame, compose_frame)),
    ("whole-frame", then(lambda frame: frame.flip(0), compose_frame)),
    # not even a frame
    ("bytes", then(lambda frame: (255 * frame).to(torch.uint8), compose_frame)),
    ("mask-channels", draw(b=lambda o, m, r, s: m, d=lambda o, m, r, s: s)),
    ("mask-channels", numpy_without_repeating),
    ("shape", then(lambda frame: frame.mean(-1, keepdim=True), compose_frame)),
    ("shape", draw(lambda *tiles: torch.cat(tiles, 0))),
    ("shape", draw(lambda *tiles: torch.cat(tiles, 1))),
    ("shape", draw(lambda *tiles: torch.stack(tiles))),
    ("shape", draw(lambda a, b, c, d: torch.cat([a, b], 1))),
    ("shape", draw(lambda a, b, c, d: c)),
    ("shape", then(lambda frame: frame.permute(2, 0, 1), compose_frame)),
    ("shape", then(lambda frame: frame.transpose(0, 1), compose_frame)),
    ("changed-input", in_place),
    ("fixed-size", canvas(lambda original: (6, 8))),
    ("none", nothing),
    ("not-a-tensor", as_array),
    ("not-a-tensor", draw(lambda *tiles: [*tiles])),
    ("not-finite", then(lambda frame: frame * math.nan, compose_frame)),
    ("raised", lambda o, m, r, s: 1 / 0),
]


@mistakes(FRAMES)
def test_mistakes_in_frames(key, wrong):
    assert_named(video, key, wrong)


def with_c(choose, flip=False):
    """The composite by a condition, choose(*pictures): where the render goes."""
    return draw(c=lambda o, m, r, s: torch.where(choose(o, m, r, s), r.flip(-1) if flip else r, o))


SHOWN = [
    ("`soft_mask * render + (1 - soft_mask) * original`", blended),
    ("`render + original * (1 - soft_mask)`", draw(c=lambda o, m, r, s: (r + (1 - s) * o).clamp(0, 1))),
    ("`torch.where(soft_mask > 0.5, render, 0)`", draw(c=lambda o, m, r, s: r * (s > 0.5))),
    ("`torch.where(render > 0, render, original)`", with_c(lambda o, m, r, s: r.sum(-1, keepdim=True) > 0)),
    ("No pixel of the soft mask is above the threshold", with_c(lambda o, m, r, s: s > 127)),
    ("compare with `>`", with_c(lambda o, m, r, s: s >= 0.5)),
    ("above a number between", with_c(lambda o, m, r, s: s > 0.3)),
    ("such as its mean", with_c(lambda o, m, r, s: s > s.mean())),
    ("such as half of its largest", with_c(lambda o, m, r, s: s > s.max() / 2)),
    ("soft mask is below a number", with_c(lambda o, m, r, s: s < 0.5)),
    ("the segmentation is above a number", with_c(lambda o, m, r, s: m > 0.5)),
    ("`torch.where((soft_mask > 0.5) | (seg", with_c(lambda o, m, r, s: (s > 0.5) | (m > 0.5))),
    ("belongs the original. It shows `torch.where(soft_mask > 0.5, render, ", into_a_copy_too_late),
    ("belongs the segmentation. It shows `render`", draw(b=lambda o, m, r, s: r)),
    ("It shows `soft_mask / soft_mask.max()`", draw(d=lambda o, m, r, s: grey(s / s.max()))),
    ("It shows `0.5 * original + 0.5 * render`", draw(a=lambda o, m, r, s: (o + r) / 2)),
    ("It shows `original.mean(-1", draw(a=lambda o, m, r, s: o.mean(-1, keepdim=True).expand_as(o))),
    ("render.flip(-1), original)`", with_c(lambda o, m, r, s: s > 0.5, flip=True)),
    ("1 minus the right one", draw(d=lambda o, m, r, s: grey(1 - s))),
    ("of [..., 1]: yours is 0 everywhere", draw(b=lambda o, m, r, s: m * torch.tensor([1.0, 0, 0]))),
    ("dimension 0 runs backwards", draw(d=lambda o, m, r, s: grey(s.flip(0)))),
    ("255 times the right one", draw(d=lambda o, m, r, s: grey(255 * s))),
]


@pytest.mark.parametrize(("said", "wrong"), SHOWN, ids=[said for said, _ in SHOWN])
def test_it_is_said_what_stands_in_a_tile(said, wrong):
    first = grade(video, given(video, wrong)).complaints[0].text
    assert said in first and "  " not in first, first


def test_the_advice_fits_a_frame_of_a_video():
    """Neither gradients nor `x = x * 2` have anything to do with it."""
    array = grade(video, given(video, as_array)).complaints[0].text
    written_into = grade(video, given(video, in_place)).complaints[0].text
    assert "torch.from_numpy" in array and "gradient" not in array
    assert "`original.clone()`" in written_into


def test_a_wrong_composite_still_earns_the_tiles():
    result = grade(video, given(video, blended))
    assert result.points == 3 and "`soft_mask * render +" in report(result)


# --- exercise 9


def lengths(v):
    return v.norm(dim=-1, keepdim=True)


def unwrapped(values):
    return torch.from_numpy(np.unwrap(values.numpy(), axis=0)).to(values)


def one_by_one(step, begin=rotmat_to_rotvec):
    """Chooses each vector by the one before: step(the vector before, the shortest)."""
    return lambda rotmats: torch.stack(list(accumulate(begin(rotmats), step)))


def nearest_of_many(before, name):
    turns = TURN * torch.arange(-4, 5, dtype=name.dtype)[:, None]
    candidates = name + turns * normalize(name, dim=0)
    return candidates[(candidates - before).norm(dim=-1).argmin()]


def turn_by_turn(before, name):
    turn = TURN * normalize(name, dim=0)
    for step in (turn, -turn):
        while (name + step - before).norm() < (name - before).norm():
            name = name + step
    return name


def without_a_loop(rotmats):
    names = rotmat_to_rotvec(rotmats)
    axes = normalize(names, dim=-1)
    sides = torch.where((axes[1:] * axes[:-1]).sum(-1) < 0, -1.0, 1.0).cumprod(0)
    sides = torch.cat([torch.ones(1), sides])[:, None].to(names)
    return unwrapped(sides * lengths(names)) * sides * axes


try_many = one_by_one(nearest_of_many)
in_float32 = then(torch.Tensor.float, continuous_rotvecs)
RIGHT_VECTORS = [continuous_rotvecs, try_many, without_a_loop, one_by_one(turn_by_turn), in_float32]


@pytest.mark.parametrize("solution", RIGHT_VECTORS)
def test_right_vectors(solution):
    assert_right(orientation, solution)


def nearest(before, name, unit=lambda v: normalize(v, dim=0)):
    axis = unit(name)
    return name + TURN * torch.round((before - name) @ axis / TURN) * axis


def half_turn(before, name):
    return name - math.pi * normalize(name, dim=0) if (name - before).norm() > math.pi / 2 else name


def half_steps(before, name):
    axis = normalize(name, dim=0)
    return name + math.pi * torch.round((before - name) @ axis / math.pi) * axis


def unwrap_lengths(names):
    return unwrapped(lengths(names)) * normalize(names, dim=-1)


def longer(names):
    return names - TURN * normalize(names, dim=-1)


def flips(where):
    """Takes the longer name after some of the leaps. where: after how many of them, (T, 1)."""

    def change(names):
        leaps = lengths(torch.diff(names, dim=0, prepend=names[:1])) > math.pi
        return torch.where(where(leaps.cumsum(0)), longer(names), names)

    return then(change, rotmat_to_rotvec)


def smoothed(names):
    out = names.clone()
    out[1:-1] = (names[:-2] + names[1:-1] + names[2:]) / 3
    return out


def from_the_longer(rotmats):
    names = rotmat_to_rotvec(rotmats)
    return torch.cat([longer(names[:1]), names[1:]])


def euler(order):
    """Euler angles; order: of the axes, as SciPy names them."""
    return lambda R: torch.from_numpy(Rotation.from_matrix(R.numpy()).as_euler(order)).to(R)


VECTORS = [
    ("still-shortest", then(unwrap_lengths, rotmat_to_rotvec)),
    ("half-turns", one_by_one(half_turn)),
    ("compares-with-raw", then(lambda v: torch.stack([v[0], *map(nearest, v, v[1:])]), rotmat_to_rotvec)),
    ("jumps", flips(lambda count: count % 2 > 0)),
    ("jumps", COPIED),  # by quaternions of one sign
    ("half-turns", one_by_one(half_steps)),
    ("differs", then(lambda v: v[-1:].expand_as(v), rotmat_to_rotvec)),
    ("nan-at-zero", one_by_one(partial(nearest, unit=lambda name: name / name.norm()))),
    ("euler", euler("xyz")),
    ("euler", euler("YXZ")),
    ("euler", then(torch.rad2deg, euler("zyx"))),
    ("differs", then(lambda v: v + 0.1, continuous_rotvecs)),
    (
        "jumps",
        lambda R: (
            continuous_rotvecs(R)
            - TURN * (torch.arange(len(R)) % 5 == 2)[:, None] * normalize(rotmat_to_rotvec(R))
        ),
    ),
    ("alone", lambda R: continuous_rotvecs(R) * (len(R) > 1)),
    ("not-shortest-first", one_by_one(nearest, from_the_longer)),
    ("not-a-tensor", then(list, continuous_rotvecs)),
    ("not-a-tensor", then(torch.Tensor.numpy, continuous_rotvecs)),
    ("shape", rotmat_to_quat),
    ("shape", then(lambda v: v[1:], continuous_rotvecs)),
    ("shape", then(lambda v: v[:, None], continuous_rotvecs)),
    ("dtype", then(torch.Tensor.int, continuous_rotvecs)),
    ("changed-input", lambda R: continuous_rotvecs(R.mul_(2))),
    ("none", nothing),
    ("not-finite", then(lambda v: torch.log(-v.abs()), continuous_rotvecs)),
    ("raised", lambda R: R[1000]),
]


@mistakes(VECTORS)
def test_mistakes_in_vectors(key, wrong):
    assert_named(orientation, key, wrong)


def of_turns(turn, unit=lambda v: normalize(v, dim=0)):
    """The formula, with other turns and axes."""

    def step(before, name):
        axis = unit(name)
        return name + turn * torch.round((before - name) @ normalize(name, dim=0) / TURN) * axis

    return one_by_one(step)


def along_the_one_before(before, name):
    other = normalize(before, dim=0)
    return name + TURN * torch.round((before - name) @ other / TURN) * other


def one_of(numbers):
    """The nearest of a few names."""

    def step(before, name):
        names = [name + TURN * k * normalize(name, dim=0) for k in numbers]
        return min(names, key=lambda v: float((v - before).norm()))

    return one_by_one(step)


WHY = [
    ("Along the axis it differs from the shortest vector by 6.28. Only", of_turns(2 * 3.14)),
    ("by 360. Only multiples", of_turns(360)),
    ("has the axis the length 1", of_turns(TURN, lambda v: v / (v.norm() + 0.1))),
    ("has the axis the length 1", of_turns(TURN, lambda v: normalize(v, p=1, dim=0))),
    ("It lies along the vector of the frame before", one_by_one(along_the_one_before)),
    ("the same number three times", of_turns(TURN, torch.ones_like)),
    ("which does not lie along the axis", of_turns(TURN, lambda v: normalize(v.flip(0), dim=0))),
    ("It lies between the vectors of frames", one_by_one(lambda before, v: (before + v) / 2)),
    ("Nowhere are more than 1 added", one_of((-1, 0, 1))),
    ("it is the shortest one, plus 1 whole turns", one_of((-2, -1, 0, 1))),
    ("k may be negative", one_of((0, 1, 2))),
    (
        "Along the axis it differs from the shortest vector by 0.2",
        one_by_one(lambda a, b: normalize(b, dim=0)),
    ),
    ("It is the vector of frame 1", then(lambda v: torch.cat([v[1:2], v[1:]]), continuous_rotvecs)),
    ("It is the vector of frame", one_by_one(lambda a, b: a if (a - b).norm() > math.pi else b)),
    ("has the right direction, but the length 1", then(partial(normalize, dim=-1), continuous_rotvecs)),
    ("57.3 (180/pi, degrees) times", then(torch.rad2deg, continuous_rotvecs)),
    ("is the right one for the item before", then(lambda v: torch.cat([v[:1], v[:-1]]), continuous_rotvecs)),
    ("is the sum of the right ones", then(lambda v: v.cumsum(0), continuous_rotvecs)),
]


@pytest.mark.parametrize(("said", "wrong"), WHY, ids=[said for said, _ in WHY])
def test_it_is_said_what_a_vector_is(said, wrong):
    first = grade(orientation, given(orientation, wrong)).complaints[0].text
    assert said in first and "  " not in first, first


# --- exercise 10


def test_the_bodies_of_the_check_are_closed_and_face_outwards():
    for body in ((BOX, BOX_FACES), u_shape(1.4, 1.7, 0.25, 0.6)):
        mesh = solid(*body)
        assert mesh.is_volume and mesh.volume > 0


def solid(vertices, faces):
    return trimesh.Trimesh(vertices.detach().numpy(), faces.numpy(), process=False)


def parts(vertices, faces):
    """The signed volumes of the tetrahedra over the faces."""
    return torch.linalg.det(vertices[faces]) / 6


def unsigned(vertices, faces):
    return parts(vertices, faces).abs().sum()


def sorted_length(vertices):
    z = vertices[:, 2].sort().values
    return z[-1] - z[0]


def size(vertices):
    return vertices.amax(0) - vertices.amin(0)


def aminmax_length(vertices):
    low, high = torch.aminmax(vertices[:, 2])
    return high - low


def flux_volume(vertices, faces):
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    normal = torch.cross(b - a, c - a, dim=-1) / 2
    return ((a + b + c)[:, 1] / 3 * normal[:, 1]).sum()


def loop_volume(vertices, faces):
    total, about_centre = 0, vertices - vertices.mean(0)
    for i, j, k in faces.tolist():
        total = total + torch.dot(about_centre[i], torch.linalg.cross(about_centre[j], about_centre[k]))
    return total.abs() / 6


determinant_volume = then(torch.sum, parts)
RIGHT_MEASURES = [
    (body_length, mesh_volume, body_mass),
    (sorted_length, determinant_volume, lambda volume, density=1026.0: volume * density),
    (lambda v: size(v)[-1], flux_volume, lambda volume, density=1030: density * volume),
    (aminmax_length, loop_volume, body_mass),
]


@pytest.mark.parametrize("solution", RIGHT_MEASURES)
def test_right_measures(solution):
    assert_right(measures, *solution)


LENGTHS = [
    ("wrong-length", lambda v: 0.9 * body_length(v)),
    ("shape", size),
    ("none", nothing),
    ("not-a-number", lambda v: [body_length(v)]),
    ("no-gradient", then(torch.Tensor.item, body_length)),
    ("no-gradient", lambda v: float(np.ptp(v.detach().numpy()[:, 2]))),
    ("no-gradient", lambda v: np.ptp(v.numpy()[:, 2])),
]
VOLUMES = [
    ("wrong-volume", lambda v, f: mesh_volume(v, f.flip(1))),
    ("wrong-volume", lambda v, f: torch.tensor(solid(v, f).area)),
    ("wrong-volume", lambda v, f: torch.tensor(solid(v, f).convex_hull.volume)),
    ("origin", lambda v, f: mesh_volume(v, f) + 0.1 * (v.mean(0).norm() > 1)),
    ("wrong-volume", lambda v, f: 0.9 * mesh_volume(v, f)),
    ("no-gradient", then(float, mesh_volume)),
    ("no-gradient", lambda v, f: mesh_volume(v.detach(), f)),
    ("no-gradient", lambda v, f: mesh_volume(v, f).detach().numpy()),
    ("shape", parts),
    ("none", nothing),
    ("not-finite", lambda v, f: torch.log(-mesh_volume(v, f))),
    ("raised", lambda v, f: v[f[1000]]),
]
MASSES = [
    ("density-ignored", lambda volume, density=1025.0: 1030.0 * volume),
    ("default-density", lambda volume, density=900.0: volume * density),
    ("wrong-mass", lambda volume, density=1025.0: int(volume * density)),
    ("wrong-mass", lambda volume, density=1025.0: 0.9 * volume * density),
    ("none", nothing),
    ("raised", lambda volume: 1025 * volume),
]


@mistakes(LENGTHS)
def test_mistakes_in_lengths(key, wrong):
    assert_named(measures, key, wrong, mesh_volume, body_mass)


@mistakes(VOLUMES)
def test_mistakes_in_volumes(key, wrong):
    assert_named(measures, key, body_length, wrong, body_mass)


@mistakes(MASSES)
def test_mistakes_in_masses(key, wrong):
    assert_named(measures, key, body_length, mesh_volume, wrong)


def ends(v):
    return v[:, 2].max(), v[:, 2].min()


RIGHT_ONES = (body_length, mesh_volume, body_mass)


def of_products(v, f, signs):
    places = (0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)
    a, b, c = v[f].unbind(1)
    return sum(s * (a[:, i] * b[:, j] * c[:, k]).sum() for s, (i, j, k) in zip(signs, places)) / 6


SAID = [
    ("100 times the right one", 0, lambda v: 100 * body_length(v)),
    ("the right one with the opposite sign", 0, lambda v: -body_length(v)),
    ("That is the extent along x", 0, lambda v: size(v).max()),
    ("all z 1 m larger it becomes", 0, lambda v: ends(v)[0].abs() - ends(v)[1].abs()),
    ("all z 1 m larger it becomes", 0, lambda v: v[:, 2].abs().max() - v[:, 2].abs().min()),
    ("₃, a₂b₁c₃ with the wrong sign.", 1, lambda v, f: of_products(v, f, signs=(1, 1, 1, -1, -1, 1))),
    ("a₁b₂c₃, a₁b₃c₂ missing.", 1, lambda v, f: of_products(v, f, signs=(0, 1, 1, 0, -1, -1))),
    ("the z of vertex 5 minus that of vertex 3. But the ends", 0, lambda v: v[5, 2] - v[3, 2]),
    ("the standard deviation", 0, lambda v: 4 * v[:, 2].std()),
    ("without the outermost vertices", 0, lambda v: v[:, 2].quantile(0.95) - v[:, 2].quantile(0.05)),
    ("1/6 times the right one", 1, lambda v, f: mesh_volume(v, f) / 6),
    ("6 times the right one", 1, lambda v, f: 6 * mesh_volume(v, f)),
    ("The volume is the sum over all faces of a", 1, lambda v, f: 2 * mesh_volume(v, f)),
    ("an edge runs backwards", 1, lambda v, f: mesh_volume(v, f.flip(1))),
    ("6 times the sum over the first 13 of 14 faces", 1, lambda v, f: 6 * mesh_volume(v, f[:-1])),
    ("the sum over the first 995 of 1792 faces", 1, lambda v, f: mesh_volume(v, f[:995])),
    ("corners sorted by their numbers", 1, lambda v, f: mesh_volume(v, f.sort(-1).values)),
    ("in float64 gives torch.float32", 1, lambda v, f: mesh_volume(v.float(), f)),
    ("of a number gives a tensor", 2, lambda volume, density=1025.0: torch.as_tensor(volume) * density),
    ("the mass, rounded", 2, lambda volume, density=1025.0: round(float(volume * density), 1)),
    ("the convex hull", 1, lambda v, f: torch.tensor(solid(v, f).convex_hull.volume)),
    ("in which every tetrahedron is positive", 1, unsigned),
    ("That is 0", 1, lambda v, f: 0 * mesh_volume(v, f)),
    ("1000 times the right one", 2, lambda volume, density=1025.0: 1000 * volume * density),
    ("the volume divided by the density", 2, lambda volume, density=1025.0: volume / density),
    ("(1.025 g/cm³)", 2, lambda volume, density=1.025: volume * density),
    ("Those of a stub stay as they are", 2, lambda volume: 1025 * volume),
]


def test_what_a_measure_should_not_depend_on_is_said():
    def in_the_plane(vertices):
        return (vertices[vertices[:, 2].argmax(), 1:] - vertices[vertices[:, 2].argmin(), 1:]).norm()

    text = assert_named(measures, "wrong-length", in_the_plane, *RIGHT_ONES[1:]).complaints[0].text
    assert "With all y doubled it becomes " in text and text.endswith("and should stay as it is.")
    squared = then(torch.square, body_length)
    text = assert_named(measures, "wrong-length", squared, *RIGHT_ONES[1:]).complaints[0].text
    assert text.endswith("With all z doubled it becomes 4 times as large, and should be 2 times as large.")


def test_a_leap_at_the_first_step_and_at_the_last_are_seen():
    def but_for(*frames):
        def vectors(rotmats):
            chosen, short = continuous_rotvecs(rotmats), rotmat_to_rotvec(rotmats)
            if len(chosen) > 1:
                chosen[list(frames)] = short[list(frames)]
            return chosen

        return vectors

    assert_named(orientation, "jumps", but_for(-1))
    assert_named(orientation, "jumps", but_for(1))


@pytest.mark.parametrize(("said", "which", "wrong"), SAID, ids=[said for said, _, _ in SAID])
def test_it_is_said_what_a_number_is(said, which, wrong):
    functions = [*RIGHT_ONES[:which], wrong, *RIGHT_ONES[which + 1 :]]
    first = grade(measures, given(measures, *functions)).complaints[0].text
    assert said in first and "  " not in first, first


@pytest.mark.parametrize("wrong", [unsigned, lambda v, f: 2 * mesh_volume(v, f)])
def test_nothing_false_is_said_of_gradients_where_a_volume_is_wrong(wrong):
    text = report(grade(measures, given(measures, body_length, wrong, body_mass)))
    assert "The values are right" not in text and "first mend what is wrong above" in text


# --- all three


SOLVED = [
    (video, 5, (compose_frame,), [(with_numpy,), (by_arithmetic,)]),
    (orientation, 10, (continuous_rotvecs,), [(try_many,), (without_a_loop,)]),
    (measures, 10, RIGHT_MEASURES[0], [(sorted_length, determinant_volume, body_mass)]),
]


@pytest.mark.parametrize(("exercise", "points", "right", "others"), SOLVED)
def test_points_and_the_reference_agrees_with_itself_and_others(exercise, points, right, others):
    reference = given(exercise, *right)
    assert exercise.points == points
    assert grade(exercise, reference, seed=5, reference=reference).points == points
    for solution in others:
        for seed in range(2, 8):
            assert not grade(exercise, given(exercise, *solution), seed, reference).complaints
