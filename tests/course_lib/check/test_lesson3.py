"""Banks of mistakes and of right solutions for exercises 4, 5 and 6."""

import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import check, kal
from course_lib.assets import find_pack
from course_lib.check import fallback_renderer as spare
from course_lib.check import lesson3
from course_lib.check.core import grade, report
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene, init_translations
from course_lib.shading import lighting, sunlight, texturing
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND, window_camera
from solutions import rendering

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported from their files
from bank import assert_named, assert_right, given  # noqa: E402

rasterize, soft_mask_of = kal.render.mesh.rasterize, kal.render.mesh.dibr_soft_mask
by_faces, face_normals = kal.ops.mesh.index_vertices_by_faces, kal.ops.mesh.face_normals


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small tensors: threads that wait for each other cost more than they save, most of all on a busy
    machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- exercise 4: basic rendering
# ------------------------------------------------------------------------------


def write(**changes):
    """A dibr_rendering as students write it, with some of its steps replaced by the functions `changes`."""

    def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
        s = dict(verts=verts, cam=cam, model=model, argument=band)

        def step(name, right):
            s[name] = changes[name](s) if name in changes else right()
            return s[name]

        mesh = s["mesh"] = kal.rep.SurfaceMesh(verts, model.F)
        uv = model.face_uvs.repeat(len(verts), 1, 1, 1)
        step("uv", lambda: torch.stack([uv[..., 0], 1 - uv[..., 1]], -1))
        step("in_camera", lambda: cam.extrinsics.transform(verts))
        step("projected", lambda: cam.intrinsics.transform(s["in_camera"]))
        step("on_image", lambda: s["projected"][..., :2])
        s["faces_camera"] = by_faces(s["in_camera"], model.F)
        step("faces_image", lambda: by_faces(s["on_image"], model.F))
        step("facing", lambda: face_normals(s["faces_camera"])[..., 2] >= 0)
        step("normal", lambda: mesh.face_normals)
        step("height", lambda: mesh.face_vertices[..., 1:2])
        step("depth", lambda: s["faces_camera"][..., 2])
        step("ones", lambda: torch.ones_like(mesh.face_vertices[..., :1]))
        step("features", lambda: [s["uv"], s["normal"], s["height"], s["ones"]])
        step("size", lambda: (cam.height, cam.width))
        s["images"], s["seen"] = rasterize(
            *s["size"], s["depth"], s["faces_image"], s["features"], valid_faces=s["facing"]
        )
        step("band", lambda: band.seen_by(cam))
        step("soft", lambda: soft_mask_of(s["faces_image"], s["seen"], *s["band"])[..., None])
        return step("result", lambda: (s["images"], s["soft"]))

    return dibr_rendering


def as_in_the_tutorial(verts, cam, model, band=TUTORIAL_BAND):
    mesh = kal.rep.SurfaceMesh(verts, model.F, face_uvs=model.face_uvs.repeat(len(verts), 1, 1, 1))
    mesh.face_uvs[..., 1] = 1 - mesh.face_uvs[..., 1]
    in_camera = cam.extrinsics.transform(verts)
    in_image = cam.intrinsics.transform(in_camera)[..., :2]
    faces_camera, faces_image = by_faces(in_camera, mesh.faces), by_faces(in_image, mesh.faces)
    heights = by_faces(verts[..., 1].unsqueeze(-1), mesh.faces)
    ones = torch.ones((len(verts), mesh.faces.shape[0], 3, 1))
    images, seen = rasterize(
        cam.height,
        cam.width,
        faces_camera[..., 2],
        faces_image,
        [mesh.face_uvs, mesh.face_normals, heights, ones],
        valid_faces=face_normals(faces_camera)[:, :, 2] > 0,
        backend="cuda",
    )
    return images, soft_mask_of(faces_image, seen, *band.seen_by(cam)).unsqueeze(3)


def in_one_call(verts, cam, model, band=TUTORIAL_BAND):
    """By dibr_rasterization, all features in one tensor."""
    in_camera = cam.extrinsics.transform(verts)
    faces_camera = by_faces(in_camera, model.F)
    faces_image = by_faces(cam.intrinsics.transform(in_camera), model.F)[..., :2]
    corners = by_faces(verts, model.F)
    u, v = model.face_uvs.expand(len(verts), -1, -1, -1).split(1, -1)
    normal = face_normals(corners, unit=True)[:, :, None].expand(-1, -1, 3, -1)
    everything = torch.cat([u, 1 - v, normal, corners[..., 1:2], torch.ones_like(u)], -1)
    image, soft, _ = kal.render.mesh.dibr_rasterization(
        cam.height,
        cam.width,
        faces_camera[..., 2],
        faces_image,
        everything,
        face_normals(faces_camera)[..., 2],
        *band.seen_by(cam),
    )
    return image.split([2, 3, 1, 1], -1), soft[..., None]


def by_matrices(verts, cam, model, band=TUTORIAL_BAND):
    """With homogeneous coordinates, and facing from the order of the corners in the image."""
    homogeneous = torch.cat([verts, torch.ones_like(verts[..., :1])], -1)
    clip = homogeneous @ cam.view_projection_matrix().transpose(1, 2)
    image = clip[..., :2] / clip[..., 3:]
    depth = (homogeneous @ cam.extrinsics.view_matrix().transpose(1, 2))[..., 2]
    a, b, c = (image[:, model.F[:, k]] for k in range(3))
    facing = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0] > 0
    faces_image = torch.stack([a, b, c], 2)
    mesh = kal.rep.SurfaceMesh(verts, model.F)
    uv = model.face_uvs.clone()
    uv[..., 1] = 1 - uv[..., 1]
    height = mesh.face_vertices[..., [1]]
    features = [uv.repeat(len(verts), 1, 1, 1), mesh.face_normals, height, height * 0 + 1]
    features, seen = rasterize(cam.height, cam.width, depth[:, model.F], faces_image, features, facing)
    return list(features), soft_mask_of(faces_image, seen, *band.seen_by(cam))[..., None]


def by_the_definition(verts, cam, model, band=TUTORIAL_BAND):
    return spare.dibr_rendering(verts, cam, model, band)


@pytest.mark.parametrize(
    "right",
    [rendering.dibr_rendering, write(), as_in_the_tutorial, in_one_call, by_matrices, by_the_definition],
)
def test_right_renderings_pass(right):
    assert_right(check.dibr, right)


def flip_in_the_model(s):
    s["model"].face_uvs[..., 1] = 1 - s["model"].face_uvs[..., 1]
    return s["model"].face_uvs.repeat(len(s["verts"]), 1, 1, 1)


def with_a_star(verts, cam, model, band=TUTORIAL_BAND):
    return write(band=lambda s: (*s["argument"],))(verts, cam, model, band)


def without_band(verts, cam, model):
    return write()(verts, cam, model)


def swap_uv(s):
    u, v = s["model"].face_uvs.split(1, -1)
    return torch.cat([1 - v, u], -1).repeat(len(s["verts"]), 1, 1, 1)


DIBR_MISTAKES = [
    ("y-flipped", write(on_image=lambda s: s["projected"][..., :2] * torch.tensor([1.0, -1]))),
    ("x-flipped", write(on_image=lambda s: s["projected"][..., :2] * torch.tensor([-1.0, 1]))),
    ("no-perspective", write(on_image=lambda s: s["verts"][..., :2])),
    ("no-perspective", write(on_image=lambda s: s["in_camera"][..., :2])),
    ("no-focal-length", write(on_image=lambda s: s["in_camera"][..., :2] / -s["in_camera"][..., 2:])),
    ("extrinsics-missing", write(projected=lambda s: s["cam"].intrinsics.transform(s["verts"]))),
    ("back-faces-kept", write(facing=lambda s: None)),
    ("facing-sign", write(facing=lambda s: face_normals(s["faces_camera"])[..., 2] <= 0)),
    ("world-normals-for-facing", write(facing=lambda s: s["mesh"].face_normals[..., 0, 2] >= 0)),
    ("world-normals-for-facing", write(facing=lambda s: s["mesh"].face_normals[..., 0, 1] >= 0)),
    ("valid-faces", write(facing=lambda s: s["mesh"].face_normals[..., 2] >= 0)),
    ("valid-faces", write(facing=lambda s: face_normals(s["faces_camera"])[..., 2])),
    (
        "camera-normals",
        write(normal=lambda s: face_normals(s["faces_camera"], unit=True)[:, :, None].repeat(1, 1, 3, 1)),
    ),
    (
        "normal-length",
        write(normal=lambda s: face_normals(s["mesh"].face_vertices)[:, :, None].repeat(1, 1, 3, 1)),
    ),
    ("normals-flipped", write(normal=lambda s: -s["mesh"].face_normals)),
    ("depth-sign", write(depth=lambda s: -s["faces_camera"][..., 2])),
    ("depth-sign", write(depth=lambda s: by_faces(s["projected"], s["model"].F)[..., 2])),
    ("depth-wrong", write(depth=lambda s: s["mesh"].face_vertices[..., 2])),
    ("depth-shape", write(depth=lambda s: s["faces_camera"])),
    ("camera-height", write(height=lambda s: s["faces_camera"][..., 1:2])),
    ("camera-height", write(height=lambda s: s["faces_camera"][..., 2:])),
    ("camera-height", write(height=lambda s: s["mesh"].face_vertices[..., 2:])),
    ("wrong-axis", write(height=lambda s: s["mesh"].face_vertices[..., :1])),
    (
        "height-per-face",
        write(height=lambda s: s["mesh"].face_vertices[..., 1:2].mean(2, keepdim=True).repeat(1, 1, 3, 1)),
    ),
    ("feature-per-vertex", write(height=lambda s: s["verts"][..., 1:2])),
    ("feature-per-vertex", write(height=lambda s: s["verts"][:, None, :, 1:2])),
    ("feature-per-vertex", write(height=lambda s: s["verts"])),
    ("feature-dimension", write(height=lambda s: s["mesh"].face_vertices[..., 1])),
    ("three-coordinates", write(on_image=lambda s: s["projected"])),
    ("uv-not-flipped", write(uv=lambda s: s["model"].face_uvs.repeat(len(s["verts"]), 1, 1, 1))),
    ("uv-swapped", write(uv=swap_uv)),
    ("changed-input", write(uv=flip_in_the_model)),
    ("feature-order", write(features=lambda s: [s["normal"], s["uv"], s["height"], s["ones"]])),
    ("feature-order", write(features=lambda s: [s["uv"], s["normal"], s["ones"], s["height"]])),
    ("one-image", write(features=lambda s: torch.cat([s["uv"], s["normal"], s["height"], s["ones"]], -1))),
    ("order", write(result=lambda s: (s["soft"], s["images"]))),
    ("height-and-width", write(size=lambda s: (s["cam"].width, s["cam"].height))),
    ("shape", write(size=lambda s: (360, 640))),
    ("soft-mask-dimension", write(result=lambda s: (s["images"], s["soft"][..., 0]))),
    ("band-ignored", write(band=lambda s: (100000.0, 0.01, 40))),
    ("band-not-seen", with_a_star),
    ("band-not-seen", write(band=lambda s: (s["argument"],))),
    ("default-band", write(band=lambda s: ())),
    ("band-fixed", write(band=lambda s: TUTORIAL_BAND.seen_by(s["cam"]))),
    (
        "band-fixed",
        write(band=lambda s: TUTORIAL_BAND.seen_by(s["cam"])[:1] + s["argument"].seen_by(s["cam"])[1:]),
    ),
    ("band-missing", without_band),
    ("soft-is-hard", write(soft=lambda s: s["images"][3])),
    (
        "soft-inverted",
        write(soft=lambda s: 1 - soft_mask_of(s["faces_image"], s["seen"], *s["band"])[..., None]),
    ),
    (
        "mask-detached",
        write(soft=lambda s: soft_mask_of(s["faces_image"].detach(), s["seen"], *s["band"])[..., None]),
    ),
    ("features-detached", write(result=lambda s: ([image.detach() for image in s["images"]], s["soft"]))),
    ("blank", write(facing=lambda s: ...)),
    ("none", write(result=lambda s: None)),
    ("not-a-tuple", write(result=lambda s: s["soft"])),
    ("not-a-tensor", write(result=lambda s: (s["images"], s["soft"].detach().numpy()))),
    ("not-finite", write(height=lambda s: s["mesh"].face_vertices[..., 1:2] / 0)),
    (
        "dtype",
        write(soft=lambda s: soft_mask_of(s["faces_image"], s["seen"], *s["band"])[..., None].double()),
    ),
]


@pytest.mark.parametrize(
    ("key", "wrong"), DIBR_MISTAKES, ids=[f"{k}-{n}" for n, (k, _) in enumerate(DIBR_MISTAKES)]
)
def test_mistakes_in_rendering_are_named(key, wrong):
    assert_named(check.dibr, key, wrong)


def test_one_mistake_costs_its_own_points_only():
    def points(wrong):
        return grade(check.dibr, given(check.dibr, wrong)).points

    assert points(write(depth=lambda s: -s["faces_camera"][..., 2])) >= 14
    assert points(write(height=lambda s: s["faces_camera"][..., 1:2])) == 17
    assert points(write(band=lambda s: (100000.0, 0.01, 40))) == 17
    assert points(write(band=lambda s: TUTORIAL_BAND.seen_by(s["cam"]))) == 19
    assert (
        points(write(facing=lambda s: None)) == 15
    )  # a picture that looks right: normals and all are judged
    assert points(write(facing=lambda s: None, height=lambda s: s["faces_camera"][..., 1:2])) == 12


def test_one_mistake_costs_its_own_points_only_beside_a_reference_too():
    reference = given(check.dibr, rendering.dibr_rendering)
    for points, wrong in (
        (17, write(height=lambda s: s["faces_camera"][..., 1:2])),
        (15, write(facing=lambda s: None)),
    ):
        assert grade(check.dibr, given(check.dibr, wrong), seed=5, reference=reference).points == points
    reference = given(check.renderer, rendering.render)
    assert (
        grade(check.renderer, given(check.renderer, without_water), seed=5, reference=reference).points >= 5
    )


def test_other_cases_do_not_trouble_the_right_solution():
    for seed in range(2, 8):
        assert grade(check.dibr, given(check.dibr, rendering.dibr_rendering), seed=seed).points == 20
        assert grade(check.renderer, given(check.renderer, rendering.render), seed=seed).points == 10


def test_other_cases_show_what_is_right_only_from_straight_above():
    for seed in range(2, 8):
        for wrong in (
            write(facing=lambda s: s["mesh"].face_normals[..., 0, 1] >= 0),
            write(depth=lambda s: s["mesh"].face_vertices[..., 2]),
        ):
            assert grade(check.dibr, given(check.dibr, wrong), seed=seed).points <= 17


# --- exercise 5: light under water
# ----------------------------------------------------------------------------


def with_where(image, sea_level_height, hard_mask, water_absorption):
    under = (sea_level_height < 0) & hard_mask.bool()
    return torch.where(under, image * torch.exp(water_absorption * sea_level_height), image)


def on_a_copy(image, sea_level_height, hard_mask, water_absorption):
    image = image.clone()
    under = (sea_level_height[..., 0] < 0) & (hard_mask[..., 0] > 0.5)
    image[under] = image[under] * torch.exp(water_absorption[None] * sea_level_height[under])
    return image


def channel_by_channel(image, sea_level_height, hard_mask, water_absorption):
    depth = torch.minimum(sea_level_height, torch.zeros_like(sea_level_height)) * hard_mask
    return torch.cat([image[..., k : k + 1] * torch.exp(water_absorption[k] * depth) for k in range(3)], -1)


@pytest.mark.parametrize(
    "right",
    [
        rendering.absorb,
        with_where,
        on_a_copy,
        channel_by_channel,
        lambda *given, **named: spare.absorb(*given, **named),
    ],
)
def test_right_absorptions_pass(right):
    assert_right(check.absorption, right)


def under(l, mask):
    return (l < 0) & (mask > 0)


def in_place(image, l, mask, w):
    where = under(l, mask)[..., 0]
    image[where] = image[where] * (w * l[where]).exp()
    return image


def in_place_where_it_matters(image, l, mask, w):
    if image.requires_grad:
        image *= (w * (l * mask).clamp(max=0)).exp()
        return image
    return with_where(image, l, mask, w)


def without_grad(image, l, mask, w):
    with torch.no_grad():
        return with_where(image, l, mask, w)


ABSORB_MISTAKES = [
    ("mask-compared-with-one", lambda i, l, m, w: torch.where((l < 0) & (m == 1), i * (w * l).exp(), i)),
    ("mask-compared-with-one", lambda i, l, m, w: torch.where((l < 0) & (m >= 1), i * (w * l).exp(), i)),
    (
        "mask-compared-with-one",
        lambda i, l, m, w: torch.where((l < 0) & (m.long() == 1), i * (w * l).exp(), i),
    ),
    ("wrong-sign", lambda i, l, m, w: torch.where(under(l, m), i * (-w * l).exp(), i)),
    ("above-water", lambda i, l, m, w: torch.where(m > 0, i * (w * l).exp(), i)),
    ("above-water", lambda i, l, m, w: torch.where(m > 0, i * (-w * l.abs()).exp(), i)),
    ("above-water-black", lambda i, l, m, w: i * under(l, m) * (w * l).exp()),
    ("off-the-dolphin", lambda i, l, m, w: i * (w * l.clamp(max=0)).exp()),
    ("off-black", lambda i, l, m, w: with_where(i, l, m, w) * m),
    ("one-colour", lambda i, l, m, w: torch.where(under(l, m), i * (w.mean() * l).exp(), i)),
    ("one-colour", lambda i, l, m, w: torch.where(under(l, m), i * (w[0] * l).exp(), i)),
    ("colours-reversed", lambda i, l, m, w: torch.where(under(l, m), i * (w.flip(0) * l).exp(), i)),
    ("no-exponential", lambda i, l, m, w: torch.where(under(l, m), i * w * l, i)),
    ("above-water", lambda i, l, m, w: i * (w * l).exp()),
    ("above-water", lambda i, l, m, w: i * (w * l).exp() * m),
    ("factor-only", lambda i, l, m, w: torch.where(under(l, m), (w * l).exp(), i)),
    ("unchanged", lambda i, l, m, w: torch.where(l > 0, i * (w * l).exp(), i)),
    ("changed-input", in_place),
    ("in-place", in_place_where_it_matters),
    ("no-gradient", without_grad),
    ("no-gradient", lambda i, l, m, w: with_where(i, l, m, w.detach())),
    ("no-gradient", lambda i, l, m, w: with_where(i.detach(), l, m, w)),
    ("none", lambda i, l, m, w: None),
    ("shape", lambda i, l, m, w: with_where(i, l, m, w)[..., :1]),
    ("not-a-tensor", lambda i, l, m, w: np.ones(3)),
    ("not-finite", lambda i, l, m, w: with_where(i, l, m, w) * torch.nan),
    ("dtype", lambda i, l, m, w: with_where(i, l, m, w).double()),
]


def named_arguments(function):
    """The function, to be called with the names of exercise 5."""

    def absorb(image, sea_level_height, hard_mask, water_absorption):
        return function(image, sea_level_height, hard_mask, water_absorption)

    return absorb


@pytest.mark.parametrize(
    ("key", "wrong"), ABSORB_MISTAKES, ids=[f"{k}-{n}" for n, (k, _) in enumerate(ABSORB_MISTAKES)]
)
def test_mistakes_in_absorption_are_named(key, wrong):
    assert_named(check.absorption, key, named_arguments(wrong))


def test_nothing_false_is_said_of_gradients_where_the_result_is_wrong():
    for wrong in (
        lambda i, l, m, w: i * (w * l).exp(),
        lambda i, l, m, w: i * (w * l).exp() * m,
        lambda i, l, m, w: torch.where((l < 0) & (m == 1), i * (w * l).exp(), i),
    ):
        text = report(grade(check.absorption, given(check.absorption, named_arguments(wrong))))
        assert "the result is right" not in text and "detached" not in text


def test_its_masks_are_as_they_come_from_the_rasteriser():
    """Interpolated ones are not all exactly 1."""
    values = torch.cat(
        [prop.inputs(np.random.default_rng(3))["hard_mask"].unique() for prop in check.absorption.properties]
    )
    ones = values[values > 0]
    assert (ones < 1).any() and (ones > 1).any() and (ones == 1).any() and ((ones - 1).abs() < 1e-6).all()


# --- exercise 6: the renderer
# -----------------------------------------------------------------------------------

dibr_rendering, absorb = rendering.dibr_rendering, rendering.absorb


def plainly(scene, t, cam, band=TUTORIAL_BAND):
    features, soft = dibr_rendering(scene.skin(t), cam, scene.model, band)
    uv, normals, height, hard = features
    image = texturing(uv, hard, scene.dolphin_albedo)
    return lighting(scene, cam, hard, image, normals, height, absorb), hard, soft


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


def parts(scene, t, cam):
    features, soft = dibr_rendering(scene.skin(t), cam, scene.model)
    return *features, soft


def without_light(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    return texturing(uv, hard, scene.dolphin_albedo), hard, soft


def without_texture(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    return lighting(scene, cam, hard, hard.repeat(1, 1, 1, 3), normal, height, absorb), hard, soft


def without_water(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    return sunlight(scene, cam, hard, texturing(uv, hard, scene.dolphin_albedo), normal), hard, soft


def light_first(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    image = lighting(scene, cam, hard, hard.repeat(1, 1, 1, 3), normal, height, absorb)
    return image * texturing(uv, hard, scene.dolphin_albedo), hard, soft


def water_first(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    image = absorb(texturing(uv, hard, scene.dolphin_albedo), height, hard, scene.water_absorption)
    return sunlight(scene, cam, hard, image, normal), hard, soft


def water_twice(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    image = lighting(scene, cam, hard, texturing(uv, hard, scene.dolphin_albedo), normal, height, absorb)
    return absorb(image, height, hard, scene.water_absorption), hard, soft


def soft_for_texture(scene, t, cam):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    return (
        lighting(scene, cam, hard, texturing(uv, soft, scene.dolphin_albedo), normal, height, absorb) * soft,
        hard,
        soft,
    )


def all_frames(scene, t, cam):
    everything = torch.arange(scene.num_frames)
    return plainly(scene, everything, cam)


def of_no_grad(scene, t, cam):
    with torch.no_grad():
        return plainly(scene, t, cam)


def detached_image(scene, t, cam):
    image, hard, soft = plainly(scene, t, cam)
    return image.detach(), hard, soft


def binary_soft(scene, t, cam):
    image, hard, soft = plainly(scene, t, cam)
    return image, hard, (soft > 0.5).float()


def detached_vertices(scene, t, cam):
    features, soft = dibr_rendering(scene.skin(t).detach(), cam, scene.model)
    image = texturing(features[0], features[3], scene.dolphin_albedo)
    return lighting(scene, cam, features[3], image, features[1], features[2], absorb), features[3], soft


def soft_everywhere(scene, t, cam, band=TUTORIAL_BAND):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    return (
        lighting(scene, cam, soft, texturing(uv, soft, scene.dolphin_albedo), normal, height, absorb),
        hard,
        soft,
    )


def normals_and_height_exchanged(scene, t, cam, band=TUTORIAL_BAND):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    return (
        lighting(scene, cam, hard, texturing(uv, hard, scene.dolphin_albedo), height, normal, absorb),
        hard,
        soft,
    )


def band_fixed(scene, t, cam, band=TUTORIAL_BAND):
    return plainly(scene, t, cam)


def band_missing(scene, t, cam):
    return plainly(scene, t, cam)


def of_frame_100(scene, t, cam, band=TUTORIAL_BAND):
    """As with the notebook's own t."""
    return plainly(scene, torch.tensor([100]), cam, band)


def with_another_mesh(scene, t, cam, band=TUTORIAL_BAND):
    """As with the notebook's model: its faces have more corners than the scene's mesh."""
    model = types.SimpleNamespace(F=torch.arange(300).reshape(-1, 3), face_uvs=torch.rand(1, 100, 3, 2))
    dibr_rendering(scene.skin(t), cam, model, band)


def with_the_dolphin(scene, t, cam, band=TUTORIAL_BAND):
    return spare.dibr_rendering(scene.skin(t), cam, DolphinModel(find_pack()), band)


def scene_for_model(scene, t, cam, band=TUTORIAL_BAND):
    return dibr_rendering(scene.skin(t), cam, scene, band)


def absorb_called(scene, t, cam, band=TUTORIAL_BAND):
    uv, normal, height, hard, soft = parts(scene, t, cam)
    image = texturing(uv, hard, scene.dolphin_albedo)
    wet = absorb(image, height, hard, scene.water_absorption)
    return lighting(scene, cam, hard, image, normal, height, wet), hard, soft


def band_unpacked(scene, t, cam, band=TUTORIAL_BAND):
    return dibr_rendering(scene.skin(t), cam, scene.model, *band)


RENDER_MISTAKES = [
    ("model-of-the-notebook", with_another_mesh),
    ("model-of-the-notebook", with_the_dolphin),
    ("scene-for-model", scene_for_model),
    ("absorb-called", absorb_called),
    ("band-not-seen", band_unpacked),
    ("coloured-beside", soft_everywhere),
    ("normals-and-height", normals_and_height_exchanged),
    ("band-fixed", band_fixed),
    ("band-missing", band_missing),
    ("t-of-the-notebook", of_frame_100),
    ("no-lighting", without_light),
    ("no-texture", without_texture),
    ("no-water", without_water),
    ("light-before-texture", light_first),
    ("water-before-sun", water_first),
    ("water-twice", water_twice),
    ("order", lambda s, t, c: plainly(s, t, c)[::-1]),
    ("order", lambda s, t, c: [plainly(s, t, c)[k] for k in (1, 0, 2)]),
    ("masks-exchanged", lambda s, t, c: [plainly(s, t, c)[k] for k in (0, 2, 1)]),
    ("soft-twice", lambda s, t, c: [plainly(s, t, c)[k] for k in (0, 2, 2)]),
    ("hard-twice", lambda s, t, c: [plainly(s, t, c)[k] for k in (0, 1, 1)]),
    ("height-as-mask", lambda s, t, c: (plainly(s, t, c)[0], parts(s, t, c)[2], plainly(s, t, c)[2])),
    ("t-ignored", lambda s, t, c: plainly(s, torch.arange(len(t)), c)),
    ("t-ignored", lambda s, t, c: plainly(s, torch.zeros_like(t), c)),
    ("t-ignored", all_frames),
    ("detached", of_no_grad),
    ("detached", detached_image),
    ("detached", detached_vertices),
    ("masks", binary_soft),
    ("not-a-tuple", lambda s, t, c: plainly(s, t, c)[:2]),
    ("not-a-tuple", lambda s, t, c: plainly(s, t, c)[0]),
    ("none", lambda s, t, c: None),
    ("grey", lambda s, t, c: (plainly(s, t, c)[0][..., :1], *plainly(s, t, c)[1:])),
    ("raised", lambda s, t, c: plainly(s, t)),
]


@pytest.mark.parametrize(
    ("key", "wrong"), RENDER_MISTAKES, ids=[f"{k}-{n}" for n, (k, _) in enumerate(RENDER_MISTAKES)]
)
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
    raise NotImplementedError("Exercise 4: dibr_rendering is yours to write; delete this line then")


def test_the_renderer_is_judged_for_itself():
    """Whoever is stuck at exercise 4 or 5 can do 6; and hears that the picture is not right yet."""
    flipped = write(on_image=lambda s: s["projected"][..., :2] * torch.tensor([1.0, -1]))
    for mine in (unsolved, flipped):
        names = notebook(RENDER, dibr_rendering=mine, absorb=absorb)
        result = grade(check.renderer, given(check.renderer, names["render"]))
        assert result.points == 10 and [c.key for c in result.complaints] == ["earlier-exercise"]
        text = result.complaints[0].text
        assert "`dibr_rendering` (exercise 4)" in text and "`absorb`" not in text, text
        assert names["dibr_rendering"] is mine and names["absorb"] is absorb
    names = notebook(
        RENDER, dibr_rendering=dibr_rendering, absorb=named_arguments(dict(ABSORB_MISTAKES)["wrong-sign"])
    )
    text = grade(check.renderer, given(check.renderer, names["render"])).complaints[0].text
    assert "`absorb` (exercise 5)" in text and "`dibr_rendering`" not in text, text
    names = notebook(RENDER, dibr_rendering=flipped, absorb=unsolved)
    text = grade(check.renderer, given(check.renderer, names["render"])).complaints[0].text
    assert "`absorb` (exercise 5)" in text and "`dibr_rendering` (exercise 4)" in text, text


def test_the_place_that_differs_is_shown():
    """Not one where what should be and what is are the same number."""

    def spotted(scene, t, cam, band=TUTORIAL_BAND):
        image, hard, soft = plainly(scene, t, cam, band)
        return image + 0.3 * (image > image.median()), hard, soft

    complaint = grade(check.renderer, given(check.renderer, spotted)).complaints[0]
    should, actually = (
        complaint.text.split(" it is ")[0].split("(")[1],
        complaint.text.split(" it is ")[1].split("(")[1],
    )
    assert complaint.key == "picture" and should[:4] != actually[:4], complaint.text


def test_spare_parts_are_no_solution():
    result = grade(check.dibr, given(check.dibr, spare.dibr_rendering))
    assert result.points == 0 and result.complaints[0].key == "spare-part"


def test_a_broken_renderer_leaves_the_notebook_as_it_was():
    names = notebook(
        "def render(scene, t, cam):\n    raise ValueError('no')", dibr_rendering=unsolved, absorb=absorb
    )
    result = grade(check.renderer, given(check.renderer, names["render"]))
    assert result.points == 0 and names["dibr_rendering"] is unsolved


def test_an_unsolved_exercise_says_so():
    for exercise in (check.dibr, check.absorption, check.renderer):
        assert grade(exercise, given(exercise, unsolved)).untouched


# --- all three
# ------------------------------------------------------------------------------------------------


def test_points_and_speed(capfd):
    solved = {
        check.dibr: rendering.dibr_rendering,
        check.absorption: rendering.absorb,
        check.renderer: rendering.render,
    }
    assert [exercise.points for exercise in solved] == [20, 10, 10]
    for exercise, function in solved.items():
        exercise(function)  # kernels are compiled once
        start = time.perf_counter()
        assert exercise(function) == exercise.points
        assert time.perf_counter() - start < 5
    assert capfd.readouterr().err == ""


def test_reports_are_readable():
    for exercise, bank in (
        (check.dibr, DIBR_MISTAKES),
        (check.absorption, ABSORB_MISTAKES),
        (check.renderer, RENDER_MISTAKES),
    ):
        for _, wrong in bank[::4]:
            wrong = named_arguments(wrong) if exercise is check.absorption else wrong
            text = report(grade(exercise, given(exercise, wrong)))
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
        for function in (rendering.dibr_rendering, spare.dibr_rendering):
            leaf = verts.clone().requires_grad_()
            features, soft = function(leaf, cam, scene.model)
            weights = torch.linspace(-1, 1, soft.numel()).reshape(soft.shape)
            (soft * weights).sum().backward()
            grads.append((features, soft.detach(), leaf.grad))
        (ours, soft, grad), (theirs, other, other_grad) = grads
        assert ours[3].sum() > 500
        assert all(lesson3.alike(a, b) for a, b in zip(ours, theirs)) and lesson3.alike(soft, other)
        assert (grad - other_grad).abs().max() < 5e-3 * grad.abs().max()
