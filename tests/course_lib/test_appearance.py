"""Skin, light and water: found again where they are known, without seams, holes and speckles."""

import math
from dataclasses import replace

import pytest
import torch

from course_lib import appearance, heave
from course_lib.assets import find_pack, ready_fit
from course_lib.kal.render.mesh import texture_mapping
from course_lib.metrics import ColourErrors
from course_lib.scene import DolphinScene
from course_lib.shading import colours_of_pixels, seen_normals
from course_lib.video import SegmentedVideo
from solutions.rendering import absorb, rasterize_features, render, render_in_waves
from solutions.results import body_length

FRAMES = 5
LIGHT = dict(sun_colour=[1.1, 1.0, 0.9], sky_light=[0.3, 0.35, 0.4], water_light=[0.1, 0.4, 0.45])


@pytest.fixture
def scene(model):
    """The dolphin of the ready fit in its first frames, under a light that is known."""
    scene = DolphinScene(model, FRAMES, texture_size=128)
    values = torch.load(ready_fit("default"), weights_only=True)
    with torch.no_grad():
        for name in ("global_poses", "joint_poses", "translations"):
            getattr(scene, name).copy_(values[name][:FRAMES])
        scene.azimuth.fill_(2.0)
        scene.elevation.fill_(0.3)
        scene.water_absorption.copy_(torch.tensor([0.8, 0.4, 0.3]))
    for name, value in LIGHT.items():
        setattr(scene, name, torch.tensor(value))
    return scene


def filmed(scene, gain=1.0):
    """A clip that shows exactly what the scene looks like, over dark water; frame 1 is `gain` as bright."""
    clip = SegmentedVideo(find_pack(), frames=FRAMES)
    t = torch.arange(FRAMES)
    with torch.no_grad():
        image, hard, _ = render(scene, t, clip.cameras(t))
    image[1] *= gain
    clip.frames = (image * 255).round().clamp(0, 255).byte()
    return clip, image, hard


def errors(scene, clip, image, hard):
    t = torch.arange(FRAMES)
    with torch.no_grad():
        lit, still, _, _ = render_in_waves(scene, t, clip.cameras(t))
    found = ColourErrors({"all": hard[..., 0] > 0})
    for k in range(FRAMES):
        found.add(k, image[k], {"lit": lit[k], "still": still[k]}, hard[k, ..., 0] > 0)
    return found


def test_a_known_look_is_found_again(scene):
    values = 0.5 + 0.2 * torch.sin(4 * scene.model.V[0, :, 2])
    with torch.no_grad():
        scene.dolphin_albedo.copy_(appearance.texture_of(scene.model, values, 128))
    clip, image, hard = filmed(scene)
    before = {name: value.clone() for name, value in scene.parameter_dict().items()}
    appearance.fit_appearance(scene, clip, rasterize_features, absorb)
    assert errors(scene, clip, image, hard).psnr("still", "all") > 38
    assert scene.caustics.abs().max() < 0.2 and scene.caustics.abs().mean() < 0.02
    posed = "global_poses", "joint_poses", "part_scales"
    assert all(torch.equal(getattr(scene, name), before[name]) for name in posed)
    assert torch.allclose(scene.translations, before["translations"], atol=0.005)
    skin = scene.dolphin_albedo
    assert 0.1 < skin.min() and skin.max() < 0.95  # what is hidden is no other animal's


def test_the_water_over_it_says_how_an_animal_rises_and_sinks(scene):
    """Frames that were put too deep or too high come back, along their rays: the pictures stay the same."""
    clip, image, hard = filmed(scene)
    clip.fps, true = 2, scene.translations.clone()
    off = torch.tensor([0.05, -0.05, 0.08, 0.0, -0.08])
    heave.raise_by(scene, clip, off)
    cameras = clip.cameras(torch.arange(FRAMES), scene.water_index)
    seen = [cameras.transform(place)[..., :2] for place in (true, scene.translations.detach())]
    assert torch.allclose(*seen, atol=1e-5)
    rise, sd = appearance.fit_appearance(scene, clip, rasterize_features, absorb)
    left = (scene.translations - true)[:, 0, 1]
    assert left.abs().max() < 0.025 and abs(float(rise.mean())) < 1e-6
    assert 0.002 < sd.max() < 0.05


@torch.no_grad()
def test_a_frame_in_which_it_surfaces_settles_its_depth_and_its_size(scene):
    clip, *_ = filmed(scene)
    clip.known, before = replace(clip.known, surfaced=(("fin", 1),)), scene.translations.clone()
    assumed, length = clip.known.fin_tip[0], float(body_length(scene.rest_shape()))
    off = torch.tensor([0.06, -0.06, 0.06, 0.0, -0.06])  # the tip is out of the water in the others
    heave.raise_by(scene, clip, off)
    heave.settle_mean(scene, clip, torch.full((FRAMES,), 0.005))
    tip, sd = clip.known.fin_tip
    assert 0.04 < tip < 0.09 and sd == pytest.approx(0.03, abs=0.002)
    rise = (scene.translations - before)[:, 0, 1].mean()
    assert rise == pytest.approx(tip - assumed, abs=1e-3)
    assert float(body_length(scene.rest_shape())) / length == pytest.approx(1 - float(rise) / 15, abs=2e-3)


def test_where_water_takes_no_light_colours_say_nothing_of_depth(scene):
    with torch.no_grad():
        scene.translations[..., 1] += 2.0  # in the air
    clip, *_ = filmed(scene)
    clip.fps = 2
    rise, sd = appearance.fit_appearance(scene, clip, rasterize_features, absorb)
    assert rise.abs().max() < 1e-3 and sd.min() > 0.03  # as much as is usual


def test_waves_change_the_light_of_their_frame_alone(scene):
    clip, image, hard = filmed(scene, gain=1.3)
    appearance.fit_appearance(scene, clip, rasterize_features, absorb)
    found = errors(scene, clip, image, hard)
    assert found.psnr("lit", "all") > 36 > found.psnr("still", "all")
    bright, *others = (scene.caustics[k][scene.caustics[k] != 0].mean() for k in (1, 0, 2, 3, 4))
    assert bright > max(others) + 0.02


def test_a_scene_without_light_of_its_own_is_the_tutorials(scene):
    for name in LIGHT:
        setattr(scene, name, None)
    t = torch.arange(2)
    cam = SegmentedVideo(find_pack(), frames=2).cameras(t)
    with torch.no_grad():
        lit, still, hard, soft = render_in_waves(scene, t, cam)
        for got, expected in zip((lit, hard, soft), render(scene, t, cam)):
            assert torch.equal(got, expected)
    assert torch.equal(lit, still)


@pytest.mark.parametrize("depth, shows", [(0.0, 0.0), (50.0, 1.0), (math.log(2), 0.5)])
def test_deep_water_shows_its_own_light(scene, depth, shows):
    scene.water_absorption.data.fill_(1.0)
    skin, normal = torch.full((1, 3), 0.5), torch.tensor([[0.0, 1.0, 0.0]])

    def seen(height):
        pixel = None, skin, normal, torch.tensor([[height]]), torch.ones(1, 1)
        return colours_of_pixels(scene, *pixel, absorb)[0].detach()

    water = torch.tensor(LIGHT["water_light"])
    torch.testing.assert_close(seen(-depth), shows * water + (1 - shows) * seen(0.5))


def test_a_texture_has_its_vertices_values_on_both_sides_of_a_seam(model):
    values = model.V[0, :, 2]  # along the body
    texture = appearance.texture_of(model, values, 512)
    corners = model.face_uvs[0] * torch.tensor([1, -1]) + torch.tensor([0, 1])  # (F, 3, 2)
    middle = texture_mapping(corners.mean(1)[None], texture, mode="bilinear")[0, :, 0]  # (F,)
    expected = values[model.F].mean(1)
    assert (middle - expected).abs().max() < 0.03
    assert texture.min() >= values.min() - 1e-5 and texture.max() <= values.max() + 1e-5


def test_shares_put_a_point_where_it_is(model):
    face = torch.arange(0, len(model.F), 7)
    given = torch.rand(len(face), 3, generator=torch.Generator().manual_seed(0))
    given = given / given.sum(1, keepdim=True)
    corners = model.face_uvs[0, face] * torch.tensor([1, -1]) + torch.tensor([0, 1])
    found = appearance.shares_of(model, face, (corners * given[..., None]).sum(1))
    assert (found - given).abs().max() < 1e-2


def test_the_normals_of_a_thin_fin_do_not_jump():
    normals = torch.zeros(1, 3, 8, 3)
    normals[0, 1, :, 0] = torch.tensor([1.0, -1.0]).repeat(4)  # left side, right side, by turns
    normals[0, 1, :, 1] = 0.2
    seen = seen_normals(normals, torch.ones(1, 3, 8, 1))[0, 1, 1:-1]
    assert (seen.norm(dim=-1) - 1).abs().max() < 1e-5
    assert (seen[1:, 0] - seen[:-1, 0]).abs().max() < 1.75  # from 1.96


def test_an_animal_that_is_never_seen_leaves_the_scene_as_it_was(scene):
    clip, albedo = filmed(scene)[0], scene.dolphin_albedo.clone()

    def nothing(*given):
        features, faces, face_idx = rasterize_features(*given)
        return [torch.zeros_like(feature) for feature in features], faces, torch.full_like(face_idx, -1)

    appearance.fit_appearance(scene, clip, nothing, absorb)
    assert torch.equal(scene.dolphin_albedo, albedo) and scene.caustics is None


def test_long_clips_and_large_animals_are_thinned(scene, monkeypatch):
    clip = filmed(scene)[0]
    every = len(appearance.gather(scene, clip, rasterize_features).frame)
    monkeypatch.setattr(appearance, "MOST_PIXELS", 400 * FRAMES)
    fewer = appearance.gather(scene, clip, rasterize_features)
    assert 200 * FRAMES < len(fewer.frame) <= 400 * FRAMES < every
    assert len(fewer.frame.unique()) == FRAMES
