"""Banks of mistakes and of right solutions for exercises 8, 9 and 10."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from course_lib.check import measures, orientation, video
from course_lib.check.core import grade, report
from course_lib.check.lesson5 import CUBE, CUBE_FACES, u_shape
from course_lib.rotations import rotmat_to_quat, rotmat_to_rotvec
from solutions.results import body_length, body_mass, compose_frame, mesh_volume
from solutions.rotations import continuous_rotvecs

sys.path.insert(0, str(Path(__file__).parent))
from bank import assert_named, assert_right, given  # noqa: E402

PI, TURN = math.pi, 2 * math.pi


# --- exercise 8
# ----------------------------------------------------------------------------------------------


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


def into_a_canvas(original, segmentation, render, soft_mask):
    h, w, _ = original.shape
    frame = original.new_zeros(2 * h, 2 * w, 3)
    frame[:h, :w] = original
    frame[:h, w:] = segmentation
    frame[h:, :w] = original
    frame[h:, w:] = soft_mask
    inside = (soft_mask > 0.5).squeeze(-1)
    frame[h:, :w][inside] = render[inside]
    return frame


def by_arithmetic(original, segmentation, render, soft_mask):
    hard = torch.round(soft_mask)
    tiles = torch.stack(
        [original, grey(segmentation), hard * render + (1 - hard) * original, grey(soft_mask)]
    )
    h, w = original.shape[:2]
    return tiles.reshape(2, 2, h, w, 3).permute(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, 3)


@pytest.mark.parametrize("solution", [compose_frame, with_numpy, into_a_canvas, by_arithmetic])
def test_right_frames(solution):
    assert_right(video, solution)


def in_place(o, m, r, s):
    o[s[..., 0] > 0.5] = r[s[..., 0] > 0.5]
    return four(o, grey(m), o, grey(s))


def into_a_copy_too_late(o, m, r, s):
    o = o.clone()
    o[s[..., 0] > 0.5] = r[s[..., 0] > 0.5]
    return four(o, grey(m), o, grey(s))


def red_mask(o, m, r, s):
    red = torch.zeros_like(o)
    red[..., :1] = m
    return four(o, red, over(r, o, s), grey(s))


def hard_coded(o, m, r, s):
    frame = torch.zeros(12, 16, 3)
    frame[:6, :8], frame[:6, 8:], frame[6:, :8], frame[6:, 8:] = o, m, over(r, o, s), s
    return frame


def bytes_overflow(o, m, r, s):
    frame = four(o, grey(m), over(r, o, s), grey(s))
    return ((frame * 256).long() % 256).to(frame.dtype) / 255


FRAMES = {
    "tiles-swapped": [
        lambda o, m, r, s: four(o, over(r, o, s), grey(m), grey(s)),
        lambda o, m, r, s: four(grey(m), o, grey(s), over(r, o, s)),
        lambda o, m, r, s: four(o, grey(s), over(r, o, s), grey(m)),
    ],
    "bgr": [
        lambda o, m, r, s: compose_frame(o, m, r, s).flip(-1),
        lambda o, m, r, s: four(o.flip(-1), grey(m), over(r, o, s), grey(s)),
    ],
    "bytes": [
        lambda o, m, r, s: 255 * compose_frame(o, m, r, s),
        lambda o, m, r, s: (255 * compose_frame(o, m, r, s)).to(torch.uint8),
    ],
    "overflow": [bytes_overflow],
    "upside-down": [lambda o, m, r, s: compose_frame(o, m, r, s).flip(0)],
    "mask-255": [
        lambda o, m, r, s: four(o, grey(m), over(r, o, s), grey(255 * s)),
        lambda o, m, r, s: four(o, grey(m) / 255, over(r, o, s), grey(s) / 255),
    ],
    "hardened": [lambda o, m, r, s: four(o, grey(m), over(r, o, s), grey((s > 0.5).float()))],
    "mask-channels": [
        lambda o, m, r, s: four(o, m, over(r, o, s), s),
        lambda o, m, r, s: torch.from_numpy(np.vstack([np.hstack([o, m]), np.hstack([over(r, o, s), s])])),
    ],
    "one-channel": [
        red_mask,
        lambda o, m, r, s: four(o.mean(-1, keepdim=True), m, r.mean(-1, keepdim=True), s),
    ],
    "masked-picture": [lambda o, m, r, s: four(o, m * o, over(r, o, s), grey(s))],
    "stacked-wrong-way": [
        lambda o, m, r, s: torch.cat([o, grey(m), over(r, o, s), grey(s)], 0),
        lambda o, m, r, s: torch.cat([o, grey(m), over(r, o, s), grey(s)], 1),
    ],
    "channels-first": [lambda o, m, r, s: compose_frame(o, m, r, s).permute(2, 0, 1)],
    "changed-input": [in_place],
    "composite-above": [into_a_copy_too_late],
    "black-background": [
        lambda o, m, r, s: four(o, grey(m), r, grey(s)),
        lambda o, m, r, s: four(o, grey(m), r * (s > 0.5), grey(s)),
    ],
    "threshold-reversed": [lambda o, m, r, s: four(o, grey(m), over(o, r, s), grey(s))],
    "threshold": [lambda o, m, r, s: four(o, grey(m), torch.where(s > 0, r, o), grey(s))],
    "blended": [lambda o, m, r, s: four(o, grey(m), s * r + (1 - s) * o, grey(s))],
    "not-composited": [
        lambda o, m, r, s: four(o, grey(m), over(r, o, s / 255), grey(s)),
        lambda o, m, r, s: four(o, grey(m), o, grey(s)),
    ],
    "wrong-mask": [lambda o, m, r, s: four(o, grey(m), over(r, o, m), grey(s))],
    "added": [
        lambda o, m, r, s: four(o, grey(m), o + r * (s > 0.5), grey(s)),
        lambda o, m, r, s: four(o, grey(m), (o + r).clamp(0, 1), grey(s)),
    ],
    "fixed-size": [hard_coded],
    "none": [lambda o, m, r, s: None],
    "not-a-tensor": [lambda o, m, r, s: compose_frame(o, m, r, s).numpy(), lambda o, m, r, s: [o, m, r, s]],
    "dtype": [lambda o, m, r, s: compose_frame(o, m, r, s).double()],
    "not-finite": [lambda o, m, r, s: compose_frame(o, m, r, s) * float("nan")],
    "raised": [lambda o, m, r, s: 1 / 0],
}


@pytest.mark.parametrize(
    "key, mistake", [(key, mistake) for key, mistakes in FRAMES.items() for mistake in mistakes]
)
def test_mistakes_in_frames(key, mistake):
    assert_named(video, key, mistake)


def test_the_advice_fits_a_frame_of_a_video():
    """Neither gradients nor `x = x * 2` have anything to do with it."""
    array = grade(video, given(video, FRAMES["not-a-tensor"][0])).complaints[0].text
    written_into = grade(video, given(video, in_place)).complaints[0].text
    assert "torch.from_numpy" in array and "gradient" not in array
    assert "`original.clone()`" in written_into and "torch.where" in written_into


def test_a_wrong_composite_still_earns_the_tiles():
    result = grade(video, given(video, FRAMES["blended"][0]))
    assert result.points == 3
    assert "mixed" in report(result)


# --- exercise 9
# ----------------------------------------------------------------------------------------------


def lengths(v):
    return v.norm(dim=-1, keepdim=True)


def try_all_names(rotmats):
    names = rotmat_to_rotvec(rotmats)
    axes = torch.nn.functional.normalize(names, dim=-1)
    turns = TURN * torch.arange(-4, 5, dtype=names.dtype)[:, None]
    chosen = [names[0]]
    for name, axis in zip(names[1:], axes[1:]):
        candidates = name + turns * axis
        chosen.append(candidates[lengths(candidates - chosen[-1])[:, 0].argmin()])
    return torch.stack(chosen)


def without_a_loop(rotmats):
    names = rotmat_to_rotvec(rotmats)
    axes = torch.nn.functional.normalize(names, dim=-1)
    sides = torch.where((axes[1:] * axes[:-1]).sum(-1) < 0, -1.0, 1.0).cumprod(0)
    sides = torch.cat([torch.ones(1), sides])[:, None].to(names)
    angles = sides * lengths(names)
    angles = torch.from_numpy(np.unwrap(angles.numpy(), axis=0)).to(names)
    return angles * sides * axes


def turn_by_turn(rotmats):
    out = rotmat_to_rotvec(rotmats).clone()
    for t in range(1, len(out)):
        v = out[t].clone()
        if v.norm() > 1e-5:
            step = TURN * v / v.norm()
            while (v + step - out[t - 1]).norm() < (v - out[t - 1]).norm():
                v = v + step
            while (v - step - out[t - 1]).norm() < (v - out[t - 1]).norm():
                v = v - step
        out[t] = v
    return out


@pytest.mark.parametrize("solution", [continuous_rotvecs, try_all_names, without_a_loop, turn_by_turn])
def test_right_vectors(solution):
    assert_right(orientation, solution)


def unwrap_lengths(rotmats):
    names = rotmat_to_rotvec(rotmats)
    angle = lengths(names)
    return torch.from_numpy(np.unwrap(angle.numpy(), axis=0)).to(names) * torch.nn.functional.normalize(
        names, dim=-1
    )


def unwrap_components(rotmats):
    return torch.from_numpy(np.unwrap(rotmat_to_rotvec(rotmats).numpy(), axis=0))


def nearest(name, before):
    axis = torch.nn.functional.normalize(name, dim=0)
    return name + TURN * torch.round((before - name) @ axis / TURN) * axis


def half_turns(rotmats):
    out = list(rotmat_to_rotvec(rotmats))
    for t in range(1, len(out)):
        if (out[t] - out[t - 1]).norm() > PI / 2:
            out[t] = out[t] - PI * torch.nn.functional.normalize(out[t], dim=0)
    return torch.stack(out)


def compares_with_raw(rotmats):
    names = rotmat_to_rotvec(rotmats)
    return torch.stack([names[0], *[nearest(name, before) for name, before in zip(names[1:], names[:-1])]])


def first_frame_zero(rotmats):
    out = continuous_rotvecs(rotmats)
    out[0] = 0
    return out


def flips_for_ever(rotmats):
    names = rotmat_to_rotvec(rotmats)
    other = names - TURN * torch.nn.functional.normalize(names, dim=-1)
    leaps = torch.cat([torch.zeros(1, dtype=torch.bool), lengths(names[1:] - names[:-1])[:, 0] > PI])
    return torch.where(leaps.cumsum(0)[:, None] > 0, other, names)


def flips_at_each_leap(rotmats):
    names = rotmat_to_rotvec(rotmats)
    other = names - TURN * torch.nn.functional.normalize(names, dim=-1)
    leaps = torch.cat([torch.zeros(1, dtype=torch.bool), lengths(names[1:] - names[:-1])[:, 0] > PI])
    return torch.where(leaps.cumsum(0)[:, None] % 2 > 0, other, names)


def quaternion_signs(rotmats):
    q = list(rotmat_to_quat(rotmats))
    q[0] = q[0] if q[0][0] > 0 else -q[0]
    for t in range(1, len(q)):
        q[t] = q[t] if q[t] @ q[t - 1] > 0 else -q[t]
    q = torch.stack(q)
    return 2 * torch.atan2(lengths(q[:, 1:]), q[:, :1]) * torch.nn.functional.normalize(q[:, 1:], dim=-1)


def divides_by_zero(rotmats):
    names = rotmat_to_rotvec(rotmats)
    out = [names[0]]
    for name in names[1:]:
        axis = name / name.norm()
        out.append(name + TURN * torch.round((out[-1] - name) @ axis / TURN) * axis)
    return torch.stack(out)


def euler(rotmats):
    R = rotmats  # R = Rz(c) Ry(b) Rx(a)
    return torch.stack(
        [torch.atan2(R[:, 2, 1], R[:, 2, 2]), -torch.asin(R[:, 2, 0]), torch.atan2(R[:, 1, 0], R[:, 0, 0])],
        -1,
    )


def euler_yxz(rotmats):
    R = rotmats  # R = Ry(a) Rx(b) Rz(c)
    return torch.stack(
        [torch.atan2(R[:, 0, 2], R[:, 2, 2]), -torch.asin(R[:, 1, 2]), torch.atan2(R[:, 1, 0], R[:, 1, 1])],
        -1,
    )


def one_axis(rotmats):
    out = continuous_rotvecs(rotmats)
    return lengths(out) * torch.nn.functional.normalize(out[:1], dim=-1)


def smoothed(rotmats):
    out = rotmat_to_rotvec(rotmats).clone()
    out[1:-1] = (out[:-2] + out[1:-1] + out[2:]) / 3
    return out


def another_beginning(rotmats):
    out = continuous_rotvecs(rotmats)
    first = out[0] - TURN * torch.nn.functional.normalize(out[0], dim=0)
    vectors = [first]
    for name in rotmat_to_rotvec(rotmats)[1:]:
        vectors.append(nearest(name, vectors[-1]))
    return torch.stack(vectors)


def changes_matrices(rotmats):
    out = continuous_rotvecs(rotmats)
    rotmats.mul_(2)
    return out


def filled_in(rotmats):
    out = torch.zeros(len(rotmats), 3)
    out[:] = continuous_rotvecs(rotmats)
    return out


def longest(rotmats):
    names = rotmat_to_rotvec(rotmats)
    return names - TURN * torch.nn.functional.normalize(names, dim=-1)


VECTORS = {
    "still-shortest": [rotmat_to_rotvec, unwrap_lengths],
    "per-component": [unwrap_components],
    "half-turns": [half_turns],
    "compares-with-raw": [compares_with_raw],
    "first-frame": [first_frame_zero],
    "stays-flipped": [flips_for_ever],
    "one-turn": [flips_at_each_leap, quaternion_signs],
    "nan-at-zero": [divides_by_zero],
    "euler": [euler, euler_yxz],
    "frozen-axis": [one_axis],
    "changes-rotation": [smoothed],
    "not-shortest-first": [another_beginning],
    "transposed": [lambda R: continuous_rotvecs(R.transpose(1, 2)), lambda R: -rotmat_to_rotvec(R)],
    "degrees": [lambda R: torch.rad2deg(continuous_rotvecs(R))],
    "not-a-tensor": [lambda R: list(continuous_rotvecs(R)), lambda R: continuous_rotvecs(R).numpy()],
    "shape": [rotmat_to_quat, lambda R: continuous_rotvecs(R)[1:], lambda R: continuous_rotvecs(R)[:, None]],
    "dtype": [filled_in],
    "changed-input": [changes_matrices],
    "none": [lambda R: None],
    "not-finite": [lambda R: torch.log(-continuous_rotvecs(R).abs())],
    "raised": [lambda R: R[1000]],
}


@pytest.mark.parametrize(
    "key, mistake", [(key, mistake) for key, mistakes in VECTORS.items() for mistake in mistakes]
)
def test_mistakes_in_vectors(key, mistake):
    assert_named(orientation, key, mistake)


def test_the_longer_name_everywhere_is_wrong():
    assert_named(orientation, "not-shortest-first", longest)


# --- exercise 10
# ---------------------------------------------------------------------------------------------


def test_the_bodies_of_the_check_are_closed_and_face_outwards():
    for vertices, faces in ((CUBE, CUBE_FACES), u_shape(1.4, 1.7, 0.25, 0.6)):
        mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
        assert mesh.is_volume and mesh.volume > 0


def sorted_length(vertices):
    z = vertices[:, 2].sort().values
    return z[-1] - z[0]


def largest_extent(vertices):
    return (vertices.amax(dim=0) - vertices.amin(dim=0)).max()


def aminmax_length(vertices):
    low, high = torch.aminmax(vertices[:, 2])
    return (high - low)[None]


def determinant_volume(vertices, faces):
    return torch.linalg.det(vertices[faces]).sum() / 6


def flux_volume(vertices, faces):
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    normal = torch.cross(b - a, c - a, dim=-1) / 2
    return ((a + b + c)[:, 1] / 3 * normal[:, 1]).sum()


def loop_volume(vertices, faces):
    total = 0
    centre = vertices.mean(0)
    for i, j, k in faces.tolist():
        total = total + torch.dot(
            vertices[i] - centre, torch.linalg.cross(vertices[j] - centre, vertices[k] - centre)
        )
    return total.abs() / 6


@pytest.mark.parametrize(
    "solution",
    [
        (body_length, mesh_volume, body_mass),
        (sorted_length, determinant_volume, lambda volume, density=1026.0: volume * density),
        (largest_extent, flux_volume, lambda volume, density=1030: density * volume),
        (aminmax_length, loop_volume, body_mass),
    ],
)
def test_right_measures(solution):
    assert_right(measures, *solution)


def parts(vertices, faces):
    a, b, c = vertices[faces].unbind(1)
    return (a * torch.linalg.cross(b, c)).sum(-1) / 6


def size(vertices):
    return vertices.amax(0) - vertices.amin(0)


def area(vertices, faces):
    a, b, c = vertices[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=-1).sum() / 2


def norms(vertices, faces):
    a, b, c = vertices[faces].unbind(1)
    return (a.norm(dim=-1) * torch.linalg.cross(b, c).norm(dim=-1)).sum() / 6


def hull(vertices, faces):
    return torch.tensor(
        trimesh.Trimesh(vertices.detach().numpy(), faces.numpy(), process=False).convex_hull.volume
    )


LENGTHS = {
    "wrong-axis": [lambda v: v[:, 0].max() - v[:, 0].min(), lambda v: size(v)[1]],
    "diagonal": [lambda v: size(v).norm()],
    "farthest-pair": [lambda v: torch.cdist(v, v).max()],
    "one-end": [lambda v: v[:, 2].max(), lambda v: 2 * v[:, 2].abs().max(), lambda v: v.norm(dim=-1).max()],
    "mixed-axes": [lambda v: v.max() - v.min()],
    "sign": [lambda v: v[:, 2].min() - v[:, 2].max()],
    "centimetres": [lambda v: 100 * body_length(v)],
    "shape": [size],
    "none": [lambda v: None],
    "not-a-number": [lambda v: [body_length(v)]],
    "no-gradient": [
        lambda v: body_length(v).item(),
        lambda v: float(np.ptp(v.detach().numpy()[:, 2])),
        lambda v: np.ptp(v.numpy()[:, 2]),
    ],
}


@pytest.mark.parametrize(
    "key, mistake", [(key, mistake) for key, mistakes in LENGTHS.items() for mistake in mistakes]
)
def test_mistakes_in_lengths(key, mistake):
    assert_named(measures, key, mistake, mesh_volume, body_mass)


VOLUMES = {
    "missing-sixth": [
        lambda v, f: 6 * mesh_volume(v, f),
        lambda v, f: 2 * mesh_volume(v, f),
        lambda v, f: 3 * mesh_volume(v, f),
    ],
    "negative": [lambda v, f: -mesh_volume(v, f), lambda v, f: mesh_volume(v, f.flip(1))],
    "unsigned": [lambda v, f: parts(v, f).abs().sum(), lambda v, f: parts(v - v.mean(0), f).abs().sum()],
    "norms-multiplied": [norms],
    "bounding-box": [lambda v, f: size(v).prod()],
    "surface-area": [area],
    "convex-hull": [hull],
    "litres": [lambda v, f: 1000 * mesh_volume(v, f)],
    "origin": [lambda v, f: parts(v, f).abs().sum() * 0.5 + 0.5 * mesh_volume(v, f)],
    "wrong-volume": [lambda v, f: 0.9 * mesh_volume(v, f)],
    "no-gradient": [
        lambda v, f: float(mesh_volume(v, f)),
        lambda v, f: mesh_volume(v.detach(), f),
        lambda v, f: mesh_volume(v, f).detach().numpy(),
    ],
    "shape": [parts],
    "none": [lambda v, f: None],
    "not-finite": [lambda v, f: torch.log(-mesh_volume(v, f))],
    "raised": [lambda v, f: v[f[1000]]],
}


@pytest.mark.parametrize(
    "key, mistake", [(key, mistake) for key, mistakes in VOLUMES.items() for mistake in mistakes]
)
def test_mistakes_in_volumes(key, mistake):
    assert_named(measures, key, body_length, mistake, body_mass)


def test_nothing_false_is_said_of_gradients_where_a_volume_is_wrong():
    for mistake in (lambda v, f: parts(v, f).abs().sum(), hull):
        text = report(grade(measures, given(measures, body_length, mistake, body_mass)))
        assert "The values are right" not in text and "first mend what is wrong above" in text


MASSES = {
    "no-density": [lambda volume, density=1025.0: volume],
    "grams-per-cm3": [
        lambda volume, density=1.025: volume * density,
        lambda volume, density=1025.0: volume * density / 1000,
    ],
    "grams": [lambda volume, density=1025.0: 1000 * volume * density],
    "divides": [
        lambda volume, density=1025.0: volume / density,
        lambda volume, density=1025.0: density / volume,
    ],
    "density-ignored": [lambda volume, density=1025.0: 1025.0 * volume],
    "wrong-mass": [lambda volume, density=1025.0: volume + density],
    "none": [lambda volume, density=1025.0: None],
    "raised": [lambda volume: 1025 * volume],
}


@pytest.mark.parametrize(
    "key, mistake", [(key, mistake) for key, mistakes in MASSES.items() for mistake in mistakes]
)
def test_mistakes_in_masses(key, mistake):
    assert_named(measures, key, body_length, mesh_volume, mistake)


# --- all three
# -----------------------------------------------------------------------------------------------

RIGHT = {
    video: (compose_frame,),
    orientation: (continuous_rotvecs,),
    measures: (body_length, mesh_volume, body_mass),
}


@pytest.mark.parametrize("exercise, points", [(video, 5), (orientation, 10), (measures, 10)])
def test_points_and_the_reference_agrees_with_itself(exercise, points):
    assert exercise.points == points
    reference = given(exercise, *RIGHT[exercise])
    assert grade(exercise, reference, seed=5, reference=reference).points == points


@pytest.mark.parametrize(
    "exercise, others",
    [
        (video, [(with_numpy,), (by_arithmetic,)]),
        (orientation, [(try_all_names,), (without_a_loop,)]),
        (measures, [(sorted_length, determinant_volume, body_mass)]),
    ],
)
def test_right_solutions_agree_with_the_reference_on_fresh_cases(exercise, others):
    for seed in range(2, 8):
        for solution in others:
            result = grade(
                exercise, given(exercise, *solution), seed=seed, reference=given(exercise, *RIGHT[exercise])
            )
            assert result.complaints == [], result.complaints


@pytest.mark.parametrize("exercise", [video, orientation, measures])
def test_what_is_not_written_yet_or_nonsense_is_one_clear_line(exercise):
    def stub(*arguments):
        raise NotImplementedError("yours to write")

    assert grade(exercise, given(exercise, *[stub] * len(exercise.functions))).untouched
    missing = report(grade(exercise, given(exercise, *[None] * len(exercise.functions))))
    assert "is not defined" in missing and "\n" not in missing
