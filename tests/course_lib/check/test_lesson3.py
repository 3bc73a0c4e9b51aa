"""Banks of mistakes and of right solutions for exercises 4, 5 and 6."""

import re
import time
import types
from functools import partial

import numpy as np
import pytest
import torch

from course_lib import check, kal
from course_lib.assets import find_pack
from course_lib.check import core, lesson3, same
from course_lib.check import spare_renderer as spare
from course_lib.check.core import grade, report
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene, init_translations
from course_lib.shading import lighting, sunlight, texturing
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND, window_camera
from solutions import rendering

from .bank import assert_named, assert_right, given, mistakes

rasterize, soft_mask_of = kal.render.mesh.rasterize, kal.render.mesh.dibr_soft_mask
by_faces, face_normals = kal.ops.mesh.index_vertices_by_faces, kal.ops.mesh.face_normals
dibr_rendering, absorb = rendering.dibr_rendering, rendering.absorb
OTHER_SEEDS = range(2, 8)
# The pose applied twice shows nothing; the same depth everywhere shows the farther face.
ALSO = "empty", "depth-sign"


def graded(exercise, function, seed=0, reference=None):
    return grade(exercise, given(exercise, function), seed=seed, reference=reference)


# --- exercise 4: basic rendering


def write(**changes):
    """A dibr_rendering as students write it, with some of its steps replaced by the functions `changes`."""

    def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
        s = types.SimpleNamespace(verts=verts, cam=cam, model=model, argument=band)

        def step(name, right):
            setattr(s, name, changes[name](s) if name in changes else right())

        s.mesh = kal.rep.SurfaceMesh(verts, model.F)
        s.corners = s.mesh.face_vertices
        s.uvs = model.face_uvs.repeat(len(verts), 1, 1, 1)
        step("uv", lambda: torch.stack([s.uvs[..., 0], 1 - s.uvs[..., 1]], -1))
        step("in_camera", lambda: cam.extrinsics.transform(verts))
        step("projected", lambda: cam.intrinsics.transform(s.in_camera))
        step("on_image", lambda: s.projected[..., :2])
        s.faces_camera = by_faces(s.in_camera, model.F)
        step("faces_image", lambda: by_faces(s.on_image, model.F))
        step("facing", lambda: face_normals(s.faces_camera)[..., 2] >= 0)
        step("normal", lambda: s.mesh.face_normals)
        step("height", lambda: s.corners[..., 1:2])
        step("depth", lambda: s.faces_camera[..., 2])
        step("ones", lambda: torch.ones_like(s.corners[..., :1]))
        step("features", lambda: [s.uv, s.normal, s.height, s.ones])
        step("size", lambda: (cam.height, cam.width))
        s.images, s.seen = rasterize(*s.size, s.depth, s.faces_image, s.features, valid_faces=s.facing)
        step("band", lambda: band.seen_by(cam))
        step("soft", lambda: soft(s, s.faces_image))
        step("result", lambda: (s.images, s.soft))
        return s.result

    return dibr_rendering


def soft(s, faces_image):
    return soft_mask_of(faces_image, s.seen, *s.band)[..., None]


def at_corners(values):
    return values[:, :, None].repeat(1, 1, 3, 1)


def as_in_the_tutorial(verts, cam, model, band=TUTORIAL_BAND):
    mesh = kal.rep.SurfaceMesh(verts, model.F, face_uvs=model.face_uvs.repeat(len(verts), 1, 1, 1))
    mesh.face_uvs[..., 1] = 1 - mesh.face_uvs[..., 1]
    in_camera = cam.extrinsics.transform(verts)
    in_image = cam.intrinsics.transform(in_camera)[..., :2]
    faces_camera, faces_image = by_faces(in_camera, mesh.faces), by_faces(in_image, mesh.faces)
    heights = by_faces(verts[..., 1].unsqueeze(-1), mesh.faces)
    ones = torch.ones((len(verts), mesh.faces.shape[0], 3, 1))
    features = [mesh.face_uvs, mesh.face_normals, heights, ones]
    how = dict(valid_faces=face_normals(faces_camera)[:, :, 2] >= 0, backend="cuda")
    images, seen = rasterize(cam.height, cam.width, faces_camera[..., 2], faces_image, features, **how)
    return images, soft_mask_of(faces_image, seen, *band.seen_by(cam)).unsqueeze(3)


def in_one_call(verts, cam, model, band=TUTORIAL_BAND):
    """By dibr_rasterization, all features in one tensor."""
    in_camera = cam.extrinsics.transform(verts)
    faces_camera = by_faces(in_camera, model.F)
    faces_image = by_faces(cam.intrinsics.transform(in_camera), model.F)[..., :2]
    corners = by_faces(verts, model.F)
    u, v = model.face_uvs.expand(len(verts), -1, -1, -1).split(1, -1)
    normal = at_corners(face_normals(corners, unit=True))
    everything = torch.cat([u, 1 - v, normal, corners[..., 1:2], torch.ones_like(u)], -1)
    faces = faces_camera[..., 2], faces_image, everything, face_normals(faces_camera)[..., 2]
    rasterization = kal.render.mesh.dibr_rasterization
    image, soft, _ = rasterization(cam.height, cam.width, *faces, *band.seen_by(cam))
    return image.split([2, 3, 1, 1], -1), soft[..., None]


def by_matrices(verts, cam, model, band=TUTORIAL_BAND):
    """With homogeneous coordinates, and facing from the order of the corners, without perspective."""
    homogeneous = torch.cat([verts, torch.ones_like(verts[..., :1])], -1)
    clip = homogeneous @ cam.view_projection_matrix().transpose(1, 2)
    image = clip[..., :2] / clip[..., 3:]
    in_camera = homogeneous @ cam.extrinsics.view_matrix().transpose(1, 2)
    depth = in_camera[..., 2]
    a, b, c = (in_camera[:, model.F[:, k]] for k in range(3))
    facing = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0] >= 0
    faces_image = image[:, model.F]
    mesh = kal.rep.SurfaceMesh(verts, model.F)
    uv = model.face_uvs.clone()
    uv[..., 1] = 1 - uv[..., 1]
    height = mesh.face_vertices[..., [1]]
    features = [uv.repeat(len(verts), 1, 1, 1), mesh.face_normals, height, height * 0 + 1]
    features, seen = rasterize(cam.height, cam.width, depth[:, model.F], faces_image, features, facing)
    return list(features), soft_mask_of(faces_image, seen, *band.seen_by(cam))[..., None]


def facing_by_the_image(*arguments):
    def turn(s):
        a, b, c = s.faces_image.unbind(2)
        return spare.cross(b - a, c - a) >= 0

    return write(facing=turn)(*arguments)


strictly_facing = write(facing=lambda s: face_normals(s.faces_camera)[..., 2] > 0)
by_the_definition = partial(spare.dibr_rendering)  # itself is no solution
RENDERINGS = [dibr_rendering, write(), as_in_the_tutorial, in_one_call, by_matrices, by_the_definition]
RENDERINGS += [facing_by_the_image, strictly_facing]


@pytest.mark.parametrize("right", RENDERINGS)
def test_right_renderings_pass(right):
    assert_right(check.dibr, right)


def flip_in_the_model(s):
    s.model.face_uvs[..., 1] = 1 - s.model.face_uvs[..., 1]
    return s.model.face_uvs.repeat(len(s.verts), 1, 1, 1)


upside_down = write(on_image=lambda s: s.projected[..., :2] * torch.tensor([1.0, -1]))
back_faces = write(facing=lambda s: None)
facing_by_world_y = write(facing=lambda s: s.mesh.face_normals[..., 0, 1] >= 0)
depth_negated = write(depth=lambda s: -s.faces_camera[..., 2])
depth_of_the_world = write(depth=lambda s: s.corners[..., 2])
height_in_camera = write(height=lambda s: s.faces_camera[..., 1:2])
band_of_a_frame = write(band=lambda s: (100000.0, 0.01, 40))
band_of_the_tutorial = write(band=lambda s: TUTORIAL_BAND.seen_by(s.cam))


def in_camera(s):
    return s.cam.extrinsics.transform(s.verts)


def narrow(s):
    """The focal length of y divided by the width."""
    o = 2 * s.cam.intrinsics.y0[:, None] / s.cam.height
    y = (s.projected[..., 1] - o) * s.cam.height / s.cam.width + o
    return torch.stack([s.projected[..., 0], y], -1)


def by_distance(s):
    """Divided by the distance, not by -z."""
    o = torch.stack([s.cam.intrinsics.x0 / s.cam.width, s.cam.intrinsics.y0 / s.cam.height], -1)[:, None] * 2
    return (s.projected[..., :2] - o) * -s.in_camera[..., 2:] / s.in_camera.norm(dim=-1, keepdim=True) + o


def facing_in(change):
    """Faces that look at the camera in other frames than their own."""
    return write(facing=lambda s: change(face_normals(s.faces_camera)[..., 2] >= 0))


DIBR_MISTAKES = [
    ("y-flipped", upside_down),
    ("x-flipped", write(on_image=lambda s: s.projected[..., :2] * torch.tensor([-1.0, 1]))),
    ("no-perspective", write(on_image=lambda s: s.verts[..., :2])),
    ("no-perspective", write(on_image=lambda s: s.in_camera[..., :2])),
    (
        "silhouette: yours is 0 everywhere",
        write(on_image=lambda s: s.in_camera[..., :2] / -s.in_camera[..., 2:]),
    ),
    ("extrinsics-missing", write(projected=lambda s: s.cam.intrinsics.transform(s.verts))),
    ("back-faces-kept", back_faces),
    ("facing-sign", write(facing=lambda s: face_normals(s.faces_camera)[..., 2] <= 0)),
    (
        "culling: z of their normals in the world is >= 0",
        write(facing=lambda s: s.mesh.face_normals[..., 0, 2] >= 0),
    ),
    ("culling: are missing", facing_by_world_y),
    ("valid-faces", write(facing=lambda s: s.mesh.face_normals[..., 2] >= 0)),
    ("valid-faces", write(facing=lambda s: face_normals(s.faces_camera)[..., 2])),
    ("culling-of-one-frame", facing_in(lambda facing: facing[:1].expand_as(facing))),
    ("culling-of-all-frames", facing_in(lambda facing: facing.all(0).expand_as(facing))),
    (
        "depth-per-face",
        write(depth=lambda s: at_corners(s.faces_camera[..., 2].mean(2, keepdim=True))[..., 0]),
    ),
    ("depth-along-rays", write(depth=lambda s: -s.faces_camera.norm(dim=-1))),
    ("camera-normals", write(normal=lambda s: at_corners(face_normals(s.faces_camera, unit=True)))),
    ("normal-length", write(normal=lambda s: at_corners(face_normals(s.corners)))),
    ("normals: opposite sign", write(normal=lambda s: -s.mesh.face_normals)),
    ("depth-sign", depth_negated),
    ("depth-sign", write(depth=lambda s: by_faces(s.projected, s.model.F)[..., 2])),
    ("depth-sign", depth_of_the_world),
    ("depth-shape", write(depth=lambda s: s.faces_camera)),
    ("camera-height", height_in_camera),
    ("camera-height", write(height=lambda s: s.faces_camera[..., 2:])),
    ("camera-height", write(height=lambda s: s.corners[..., 2:])),
    ("wrong-axis", write(height=lambda s: s.corners[..., :1])),
    ("height-per-face", write(height=lambda s: at_corners(s.corners[..., 1:2].mean(2)))),
    ("feature-per-vertex", write(height=lambda s: s.verts[..., 1:2])),
    ("feature-per-vertex", write(height=lambda s: s.verts[:, None, :, 1:2])),
    ("feature-per-vertex", write(height=lambda s: s.verts)),
    ("feature-dimension", write(height=lambda s: s.corners[..., 1])),
    ("three-coordinates", write(on_image=lambda s: s.projected)),
    ("uv-not-flipped", write(uv=lambda s: s.uvs)),
    ("uv: those of [..., [1, 0]]", write(uv=lambda s: torch.cat([1 - s.uvs[..., 1:], s.uvs[..., :1]], -1))),
    ("changed-input", write(uv=flip_in_the_model)),
    ("feature-order", write(features=lambda s: [s.normal, s.uv, s.height, s.ones])),
    ("feature-order", write(features=lambda s: [s.uv, s.normal, s.ones, s.height])),
    ("one-image", write(features=lambda s: torch.cat([s.uv, s.normal, s.height, s.ones], -1))),
    ("order", write(result=lambda s: (s.soft, s.images))),
    ("height-and-width", write(size=lambda s: (s.cam.width, s.cam.height))),
    ("size", write(size=lambda s: (360, 640))),
    ("shape: [..., None]", write(result=lambda s: (s.images, s.soft[..., 0]))),
    ("band-ignored", band_of_a_frame),
    ("band-not-seen", write(band=lambda s: (*s.argument,))),
    ("band-not-seen", write(band=lambda s: (s.argument,))),
    ("default-band", write(band=lambda s: ())),
    ("band-fixed", band_of_the_tutorial),
    ("band-fixed", write(band=lambda s: TUTORIAL_BAND.seen_by(s.cam)[:1] + s.argument.seen_by(s.cam)[1:])),
    ("band-missing", lambda verts, cam, model: write()(verts, cam, model)),
    ("soft-is-hard", write(soft=lambda s: s.images[3])),
    ("soft-mask: 1 minus the right one", write(soft=lambda s: 1 - soft(s, s.faces_image))),
    ("mask-detached", write(soft=lambda s: soft(s, s.faces_image.detach()))),
    ("features-detached", write(result=lambda s: ([image.detach() for image in s.images], s.soft))),
    ("blank", write(facing=lambda s: ...)),
    ("misplaced: (x, 0.56 y)", write(on_image=narrow)),
    ("misplaced-slightly", write(on_image=by_distance)),
    ("translation-minus", write(in_camera=lambda s: 2 * s.verts @ s.cam.extrinsics.R.mT - in_camera(s))),
    ("culling: 16 are missing", write(facing=lambda s: (face_normals(s.faces_camera) >= 0).all(-1))),
    ("soft-as-hard", write(result=lambda s: ([*s.images[:3], (s.soft > 0.5).float()], s.soft))),
    ("depth-sign: pixels", write(depth=lambda s: s.faces_camera[:, :, 2])),
    ("height: 0.89", write(height=lambda s: 0.89 * s.corners[..., 1:2] + 0.4)),
    ("other-sharpness: 6,250", write(band=lambda s: (6250, 0.04, 40))),
    ("several-faces", write(band=lambda s: (*s.argument.seen_by(s.cam)[:2], 1))),
    ("band-not-unpacked", write(soft=lambda s: soft_mask_of(s.faces_image, s.seen, s.band)[..., None])),
    ("face-index", write(soft=lambda s: soft_mask_of(s.faces_image, s.facing, *s.band)[..., None])),
    ("two-vertices", write(on_image=lambda s: s.projected[:, :2])),
    ("feature-of-one", write(uv=lambda s: s.uvs[:1])),
    ("shape: in another order", write(result=lambda s: (s.images, s.soft.permute(0, 3, 1, 2)))),
    ("parameters", lambda cam, verts, model, band=TUTORIAL_BAND: write()(verts, cam, model, band)),
    ("none", write(result=lambda s: None)),
    ("not-a-tuple", write(result=lambda s: s.soft)),
    ("not-a-tensor", write(result=lambda s: (s.images, s.soft.detach().numpy()))),
    ("not-finite", write(height=lambda s: s.corners[..., 1:2] / 0)),
    ("dtype", write(soft=lambda s: soft(s, s.faces_image).double())),
]


@mistakes(DIBR_MISTAKES)
def test_mistakes_in_rendering_are_named(key, wrong):
    assert_named(check.dibr, key, wrong)


def test_where_nothing_is_drawn_it_is_said_what_rasterize_got(monkeypatch):
    through_kal = lambda *given, **options: kal.render.mesh.rasterize(*given, **options)  # noqa: E731
    monkeypatch.setitem(globals(), "rasterize", through_kal)  # as the notebook calls it
    none = write(facing=lambda s: face_normals(s.faces_camera)[..., 2] > 1e3)
    assert_named(check.dibr, "empty: lets none through", none)
    twice = write(projected=lambda s: s.cam.transform(s.in_camera))
    text = assert_named(check.dibr, "empty: `face_vertices_image` their x go from", twice).complaints[0].text
    assert "lets none" not in text


def test_a_batch_of_one_keeps_its_dimension():
    def squeezed(*given):
        return tuple(image.squeeze(0) for image in rendering.render(*given))

    assert_named(check.renderer, "shape: expected (1, 54, 96, 3)", squeezed)


POINTS = [
    (20, height_in_camera),  # its own three, and its gradient
    (18, band_of_a_frame),
    (24, band_of_the_tutorial),
    (23, back_faces),
    (18, write(facing=lambda s: None, height=lambda s: s.faces_camera[..., 1:2])),
]


@pytest.mark.parametrize(("points", "wrong"), POINTS)
def test_one_mistake_costs_its_own_points_only(points, wrong):
    assert graded(check.dibr, wrong).points == points


def test_one_mistake_costs_few_points():
    assert graded(check.dibr, depth_negated).points >= 18


def test_one_mistake_costs_its_own_points_only_beside_a_reference_too():
    reference = given(check.dibr, dibr_rendering)
    for points, wrong in (POINTS[0], POINTS[3]):
        assert graded(check.dibr, wrong, 5, reference).points == points
    reference = given(check.renderer, rendering.render)
    assert graded(check.renderer, dict(RENDER_MISTAKES)["no-water"], 5, reference).points >= 5


@pytest.mark.parametrize("seed", OTHER_SEEDS)
def test_other_cases_do_not_trouble_the_right_solution(seed):
    assert graded(check.dibr, dibr_rendering, seed).points == 25
    assert graded(check.renderer, rendering.render, seed).points == 10


@pytest.mark.parametrize("wrong", [facing_by_world_y, depth_of_the_world])
@pytest.mark.parametrize("seed", OTHER_SEEDS)
def test_other_cases_show_what_is_right_only_from_straight_above(seed, wrong):
    assert graded(check.dibr, wrong, seed).points <= 22


# --- exercise 5: light under water


def under(l, mask):
    return (l < 0) & (mask > 0)


def with_where(image, sea_level_height, hard_mask, water_absorption):
    faded = image * torch.exp(water_absorption * sea_level_height)
    return torch.where(under(sea_level_height, hard_mask), faded, image)


def on_a_copy(image, sea_level_height, hard_mask, water_absorption):
    image = image.clone()
    under = (sea_level_height[..., 0] < 0) & (hard_mask[..., 0] > 0.5)
    image[under] = image[under] * torch.exp(water_absorption[None] * sea_level_height[under])
    return image


def channel_by_channel(image, sea_level_height, hard_mask, water_absorption):
    depth = torch.minimum(sea_level_height, torch.zeros_like(sea_level_height)) * hard_mask
    return torch.cat([image[..., k : k + 1] * torch.exp(water_absorption[k] * depth) for k in range(3)], -1)


ABSORPTIONS = [absorb, with_where, on_a_copy, channel_by_channel, partial(spare.absorb)]


@pytest.mark.parametrize("right", ABSORPTIONS)
def test_right_absorptions_pass(right):
    assert_right(check.absorption, right)


def attempt(function):
    """The function, to be called with the names of exercise 5."""

    def absorb(image, sea_level_height, hard_mask, water_absorption):
        return function(image, sea_level_height, hard_mask, water_absorption)

    return absorb


def under_water(becomes):
    """An absorb that is right but for what becomes of the image under water."""
    return attempt(lambda i, l, m, w: torch.where(under(l, m), becomes(i, l, w), i))


def where(changes):
    """An absorb that is right but for where the image changes."""
    return attempt(lambda i, l, m, w: torch.where(changes(l, m), i * (w * l).exp(), i))


@attempt
def in_place(image, l, mask, w):
    where = under(l, mask)[..., 0]
    image[where] = image[where] * (w * l[where]).exp()
    return image


@attempt
def in_place_where_it_matters(image, l, mask, w):
    if image.requires_grad:
        image *= (w * (l * mask).clamp(max=0)).exp()
        return image
    return with_where(image, l, mask, w)


@attempt
def without_grad(image, l, mask, w):
    with torch.no_grad():
        return with_where(image, l, mask, w)


wrong_sign = under_water(lambda i, l, w: i * (-w * l).exp())
compared_with_one = where(lambda l, m: (l < 0) & (m == 1))
everywhere = attempt(lambda i, l, m, w: i * (w * l).exp())
masked = attempt(lambda i, l, m, w: i * (w * l).exp() * m)

ABSORB_MISTAKES = [
    ("mask-compared-with-one", compared_with_one),
    ("mask-compared-with-one", where(lambda l, m: (l < 0) & (m >= 1))),
    ("mask-compared-with-one", where(lambda l, m: (l < 0) & (m.long() == 1))),
    ("wrong-sign", wrong_sign),
    ("above-water", where(lambda l, m: m > 0)),
    ("above-water", attempt(lambda i, l, m, w: torch.where(m > 0, i * (-w * l.abs()).exp(), i))),
    ("above-water-black", attempt(lambda i, l, m, w: i * under(l, m) * (w * l).exp())),
    ("off-the-dolphin", attempt(lambda i, l, m, w: i * (w * l.clamp(max=0)).exp())),
    ("off-black", attempt(lambda i, l, m, w: with_where(i, l, m, w) * m)),
    ("clamped: at 0, and", attempt(lambda i, l, m, w: with_where(i, l, m, w).clamp(min=0))),
    ("shape: of one image", attempt(lambda i, l, m, w: with_where(i, l, m, w).squeeze(0))),
    ("at-the-surface: yours is `image`", where(lambda l, m: (l < -0.1) & (m > 0))),
    ("one-colour", under_water(lambda i, l, w: i * (w.mean() * l).exp())),
    ("one-colour", under_water(lambda i, l, w: i * (w[0] * l).exp())),
    ("colours-reversed", under_water(lambda i, l, w: i * (w.flip(0) * l).exp())),
    ("other-formula: image · (w · l)", under_water(lambda i, l, w: i * w * l)),
    ("above-water", everywhere),
    ("above-water", masked),
    ("other-formula: The image is missing", under_water(lambda i, l, w: (w * l).exp())),
    ("other-formula: image / (1 - w · l)", under_water(lambda i, l, w: i / (1 - w * l))),
    ("other-formula: image · exp(w) · l", under_water(lambda i, l, w: i * w.exp() * l)),
    ("condition-reversed", where(lambda l, m: l > 0)),
    ("changed-input", in_place),
    ("in-place", in_place_where_it_matters),
    ("no-gradient", without_grad),
    ("no-gradient", attempt(lambda i, l, m, w: with_where(i, l, m, w.detach()))),
    ("no-gradient", attempt(lambda i, l, m, w: with_where(i.detach(), l, m, w))),
    ("times", under_water(lambda i, l, w: i * (3 * w * l).exp())),
    (
        "other-heights: larger than the right one by 0.2",
        under_water(lambda i, l, w: i * (w * (l + 0.2)).exp()),
    ),
    ("other-heights: above -0.5", where(lambda l, m: (l < -0.5) & (m > 0))),
    (
        "other-absorption: 0.9, 0.3, 0.1",
        under_water(lambda i, l, w: i * (l * w.new_tensor([0.9, 0.3, 0.1])).exp()),
    ),
    ("other-formula: log", under_water(lambda i, l, w: i * (-w * l).log())),
    ("absorption: plus that of `image`", attempt(lambda i, l, m, w: i + with_where(i, l, m, w))),
    ("branches-exchanged", where(lambda l, m: ~under(l, m))),
    ("none", attempt(lambda i, l, m, w: None)),
    ("shape", attempt(lambda i, l, m, w: with_where(i, l, m, w)[..., :1])),
    ("not-a-tensor", attempt(lambda i, l, m, w: np.ones(3))),
    ("not-finite", attempt(lambda i, l, m, w: with_where(i, l, m, w) * torch.nan)),
    ("dtype", attempt(lambda i, l, m, w: with_where(i, l, m, w).double())),
]


@mistakes(ABSORB_MISTAKES)
def test_mistakes_in_absorption_are_named(key, wrong):
    assert_named(check.absorption, key, wrong)


@pytest.mark.parametrize("wrong", [everywhere, masked, compared_with_one])
def test_nothing_false_is_said_of_gradients_where_the_result_is_wrong(wrong):
    text = report(graded(check.absorption, wrong))
    assert "the result is right" not in text and "detached" not in text


def test_its_masks_are_as_they_come_from_the_rasteriser():
    """Interpolated ones are not all exactly 1."""
    cases = [prop.inputs(np.random.default_rng(3)) for prop in check.absorption.properties]
    values = torch.cat([case["hard_mask"].unique() for case in cases])
    ones = values[values > 0]
    assert (ones < 1).any() and (ones > 1).any() and (ones == 1).any() and ((ones - 1).abs() < 1e-6).all()


# --- exercise 6: the renderer


def of_vertices(verts, scene, cam, band=TUTORIAL_BAND):
    features, soft = dibr_rendering(verts, cam, scene.model, band)
    uv, normals, height, hard = features
    image = texturing(uv, hard, scene.dolphin_albedo)
    return lighting(scene, cam, hard, image, normals, height, absorb), hard, soft


def plainly(scene, t, cam, band=TUTORIAL_BAND):
    return of_vertices(scene.skin(t), scene, cam, band)


def in_steps(scene, t, cam, band=TUTORIAL_BAND):
    (uv, normals, height, hard), soft = dibr_rendering(scene.skin(t), cam, scene.model, band)
    image = sunlight(scene, cam, hard, texturing(uv, hard, scene.dolphin_albedo), normals)
    return [absorb(image, height, hard, scene.water_absorption), hard, soft]


def frame_by_frame(scene, t, cam, band=TUTORIAL_BAND):
    parts = [plainly(scene, t[k : k + 1], cam[k : k + 1], band) for k in range(len(t))]
    return tuple(torch.cat(images) for images in zip(*parts))


@pytest.mark.parametrize("right", [rendering.render, plainly, in_steps, frame_by_frame])
def test_right_renderers_pass(right):
    assert_right(check.renderer, right)


def picture(image):
    """A render whose masks are right, and whose image is `image(p)` of its parts."""

    def render(scene, t, cam, band=TUTORIAL_BAND):
        (uv, normal, height, hard), soft = dibr_rendering(scene.skin(t), cam, scene.model, band)
        skin, white = texturing(uv, hard, scene.dolphin_albedo), hard.repeat(1, 1, 1, 3)
        p = types.SimpleNamespace(scene=scene, cam=cam, skin=skin, white=white)
        p.uv, p.normal, p.height, p.hard, p.soft = uv, normal, height, hard, soft
        return image(p), hard, soft

    return render


def sunlit(p, image):
    return sunlight(p.scene, p.cam, p.hard, image, p.normal)


def watered(p, image):
    return absorb(image, p.height, p.hard, p.scene.water_absorption)


def lit(p, image):
    return watered(p, sunlit(p, image))


def shaded(p, *given):
    return lighting(p.scene, p.cam, p.hard, p.skin, *given)


def softly(p):
    """All of it with the soft mask for the hard one."""
    image = texturing(p.uv, p.soft, p.scene.dolphin_albedo)
    return lighting(p.scene, p.cam, p.soft, image, p.normal, p.height, absorb)


def picked(*order):
    """A render that gives other ones of its three results."""
    return lambda scene, t, cam: [plainly(scene, t, cam)[k] for k in order]


def of_no_grad(scene, t, cam):
    with torch.no_grad():
        return plainly(scene, t, cam)


def binary_soft(scene, t, cam):
    image, hard, soft = plainly(scene, t, cam)
    return image, hard, (soft > 0.5).float()


def height_as_mask(scene, t, cam):
    features, soft = dibr_rendering(scene.skin(t), cam, scene.model)
    return plainly(scene, t, cam)[0], features[2], soft


def with_another_mesh(scene, t, cam, band=TUTORIAL_BAND):
    """As with the notebook's model: its faces have more corners than the scene's mesh."""
    model = types.SimpleNamespace(F=torch.arange(300).reshape(-1, 3), face_uvs=torch.rand(1, 100, 3, 2))
    dibr_rendering(scene.skin(t), cam, model, band)


def with_the_dolphin(scene, t, cam, band=TUTORIAL_BAND):
    return spare.dibr_rendering(scene.skin(t), cam, DolphinModel(find_pack()), band)


def by_the_first_camera(p):
    """The light as the first camera sees it."""
    first = p.cam[torch.zeros(len(p.skin), dtype=torch.long)]
    return lighting(p.scene, first, p.hard, p.skin, p.normal, p.height, absorb)


def turned_by_poses_alone(scene, t, cam, band=TUTORIAL_BAND):
    bones = torch.zeros(len(t), 1, 3)
    posed = scene.model(scene.global_poses[t], bones, scene.translations[t], scene.part_scales)
    return of_vertices(posed["vertices"], scene, cam, band)


def clamping(scene, t, cam, band=TUTORIAL_BAND):
    scene.clamp_()
    return plainly(scene, t, cam, band)


RENDER_MISTAKES = [
    ("model-of-the-notebook", with_another_mesh),
    ("model-of-the-notebook", with_the_dolphin),
    ("rendering-arguments: DolphinScene for `model`", lambda s, t, c: dibr_rendering(s.skin(t), c, s)),
    ("absorb-called", picture(lambda p: shaded(p, p.normal, p.height, watered(p, p.skin)))),
    ("band-not-seen", lambda s, t, c, b=TUTORIAL_BAND: dibr_rendering(s.skin(t), c, s.model, *b)),
    ("coloured-beside", picture(softly)),
    ("normals-and-height", picture(lambda p: shaded(p, p.height, p.normal, absorb))),
    ("band-fixed", lambda s, t, c, b=TUTORIAL_BAND: plainly(s, t, c)),
    ("band-missing", lambda s, t, c: plainly(s, t, c)),
    ("t-of-the-notebook", lambda s, t, c: plainly(s, torch.tensor([100]), c)),
    ("no-lighting", picture(lambda p: p.skin)),
    ("no-texture", picture(lambda p: lit(p, p.white))),
    ("no-water", picture(lambda p: sunlit(p, p.skin))),
    ("light-before-texture", picture(lambda p: lit(p, p.white) * p.skin)),
    ("water-before-sun", picture(lambda p: sunlit(p, watered(p, p.skin)))),
    ("times: 2 times w · l", picture(lambda p: watered(p, lit(p, p.skin)))),
    ("no-texture: 0.5 everywhere", picture(lambda p: lit(p, 0.5 * p.white))),
    ("other-skin: 1/2 times", picture(lambda p: lit(p, 0.5 * p.skin))),
    ("no-water", picture(lambda p: shaded(p, p.normal, p.height.abs(), absorb))),
    ("coloured-beside: 1 everywhere", picture(lambda p: lit(p, p.skin) + 1 - p.hard)),
    ("picture: cut off above 1", picture(lambda p: lit(p, p.skin).clamp(0, 1))),
    ("picture: runs backwards", picture(lambda p: lit(p, p.skin).flip(1))),
    ("first-camera", picture(by_the_first_camera)),
    ("at-rest", lambda s, t, c: of_vertices(s.rest_shape().expand(len(t), -1, -1), s, c)),
    ("anchors", turned_by_poses_alone),
    ("changed-input", clamping),
    ("rendering-arguments: for `cam`", lambda s, t, c: dibr_rendering(s.skin(t), s.model, c)),
    ("absorb-called", picture(lambda p: shaded(p, p.normal, p.height, absorb()))),
    ("order", picked(2, 1, 0)),
    ("order", picked(1, 0, 2)),
    ("masks-exchanged", picked(0, 2, 1)),
    ("soft-twice", picked(0, 2, 2)),
    ("hard-twice", picked(0, 1, 1)),
    ("height-as-mask", height_as_mask),
    ("t-ignored", lambda s, t, c: plainly(s, torch.arange(len(t)), c)),
    ("t-ignored", lambda s, t, c: plainly(s, torch.zeros_like(t), c)),
    ("t-ignored", lambda s, t, c: plainly(s, torch.arange(s.num_frames), c)),
    ("detached", of_no_grad),
    ("detached", picture(lambda p: lit(p, p.skin).detach())),
    ("detached", lambda s, t, c: of_vertices(s.skin(t).detach(), s, c)),
    ("soft-binary", binary_soft),
    ("not-a-tuple", picked(0, 1)),
    ("not-a-tuple", lambda s, t, c: plainly(s, t, c)[0]),
    ("none", lambda s, t, c: None),
    ("grey", picture(lambda p: lit(p, p.skin)[..., :1])),
    ("raised", lambda s, t, c: plainly(s, t)),
]


@mistakes(RENDER_MISTAKES)
def test_mistakes_in_the_renderer_are_named(key, wrong):
    assert_named(check.renderer, key, wrong)


def notebook(source, **names):
    """A notebook's names after a cell."""
    names = dict(texturing=texturing, lighting=lighting, **names)
    exec(source, names)
    return names


RENDER = """
def render(scene, t, cam, band=None):
    features, soft = dibr_rendering(scene.skin(t), cam, scene.model, *([band] if band else []))
    uv, normals, height, hard = features
    image = texturing(uv, hard, scene.dolphin_albedo)
    return lighting(scene, cam, hard, image, normals, height, absorb), hard, soft
"""


def unsolved(*_, **__):
    raise NotImplementedError("Exercise 4: dibr_rendering is yours to write")


BOTH = {"`dibr_rendering` (exercise 4)", "`absorb` (exercise 5)"}


@pytest.mark.parametrize(
    ("mine", "absorb", "named"),
    [
        (unsolved, absorb, {"`dibr_rendering` (exercise 4)"}),
        (upside_down, absorb, {"`dibr_rendering` (exercise 4)"}),
        (dibr_rendering, wrong_sign, {"`absorb` (exercise 5)"}),
        (upside_down, unsolved, BOTH),
    ],
)
def test_the_renderer_is_judged_for_itself(mine, absorb, named):
    """Whoever is stuck at exercise 4 or 5 can do 6; and hears that the picture is not right yet."""
    names = notebook(RENDER, dibr_rendering=mine, absorb=absorb)
    result = graded(check.renderer, names["render"])
    assert result.points == 10 and [c.key for c in result.complaints] == ["earlier-exercise"]
    text = result.complaints[0].text
    assert {name for name in BOTH if name.split(" ")[0] in text} == named, text
    assert all(name in text for name in named), text
    assert names["dibr_rendering"] is mine and names["absorb"] is absorb


def test_the_place_that_differs_is_shown():
    """Not one where what should be and what is are the same number."""

    def spotted(p):
        image = lit(p, p.skin)
        return image + 0.3 * (image > image.median())

    complaint = graded(check.renderer, picture(spotted)).complaints[0]
    should, actually = re.search("should be ([^ ]+), yours is ([^ ]+)[.]", complaint.text).groups()
    assert complaint.key == "picture" and should != actually, complaint.text


def test_spare_parts_are_no_solution():
    result = graded(check.dibr, spare.dibr_rendering)
    assert result.points == 0 and result.complaints[0].key == "spare-part"


def test_a_broken_renderer_leaves_the_notebook_as_it_was():
    broken = "def render(scene, t, cam):\n    raise ValueError('no')"
    names = notebook(broken, dibr_rendering=unsolved, absorb=absorb)
    assert graded(check.renderer, names["render"]).points == 0 and names["dibr_rendering"] is unsolved


# --- all three


@pytest.mark.parametrize("exercise", [check.dibr, check.absorption, check.renderer])
def test_what_the_checks_know_of_is_named(exercise):
    """In any case: nothing is named by what is said of another mistake."""
    for prop in (prop for prop in exercise.properties if isinstance(prop, same.Same)):
        inputs = prop.inputs(core.rng_of(exercise, 0, 5))
        for said, makes in prop.named():
            try:
                complaint = core.verdict(prop, prop.made(makes, inputs), inputs)
            except core.Problem as problem:
                complaint = problem.complaint
            assert complaint and complaint.key in (core.Complaint.of(said).key, *ALSO), (said, complaint)


SOLVED = [
    (check.dibr, dibr_rendering, 25),
    (check.absorption, absorb, 10),
    (check.renderer, rendering.render, 10),
]
BANKS = [(check.dibr, DIBR_MISTAKES), (check.absorption, ABSORB_MISTAKES), (check.renderer, RENDER_MISTAKES)]


@pytest.mark.parametrize(("exercise", "function", "points"), SOLVED)
def test_points_and_speed(capfd, exercise, function, points):
    lesson3.warm(lesson3.CHANNELS.values())  # kernels are compiled once
    start = time.perf_counter()
    assert exercise(function) == exercise.points == points
    assert time.perf_counter() - start < 5
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("exercise", "bank"), BANKS)
def test_reports_are_readable(exercise, bank):
    for _, wrong in bank[::4]:
        text = report(graded(exercise, wrong))
        assert all(len(line) <= 130 for line in text.splitlines()) and "Traceback" not in text


def test_the_spare_parts_are_dibr():
    """On the dolphin itself, whole frame and window, values and gradients."""
    dataset = SegmentedVideo(find_pack(), frames=2)
    scene = DolphinScene(DolphinModel(find_pack()), 2)
    with torch.no_grad():
        scene.translations.copy_(init_translations(dataset, -0.4))
    t = torch.arange(2)
    verts = scene.skin(t).detach()
    left, top = (dataset.segment_centers - torch.tensor([80, 45])).long().unbind(-1)
    for cam in (dataset.cameras(t), window_camera(dataset.cameras(t), left, top, 160, 90)):
        grads = []
        for function in (dibr_rendering, spare.dibr_rendering):
            leaf = verts.clone().requires_grad_()
            features, soft = function(leaf, cam, scene.model)
            weights = torch.linspace(-1, 1, soft.numel()).reshape(soft.shape)
            (soft * weights).sum().backward()
            grads.append((features, soft.detach(), leaf.grad))
        (ours, soft, grad), (theirs, other, other_grad) = grads
        assert ours[3].sum() > 500
        assert all(lesson3.alike(a, b) for a, b in zip(ours, theirs)) and lesson3.alike(soft, other)
        assert (grad - other_grad).abs().max() < 5e-3 * grad.abs().max()
