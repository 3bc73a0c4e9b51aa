"""The recipes: what they ask for does not depend on how a clip was filmed, and through what they look."""

from dataclasses import replace

import pytest
import torch

from course_lib import refraction
from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from course_lib.window import window_camera
from solutions.recipes import DefaultRecipe, TutorialRecipe
from solutions.rendering import rasterize_features


def test_changes_of_velocity_cost_the_same_at_any_frame_rate():
    """Of the same motion, half as many frames a second show changes four times as large, squared 16 times."""
    model, paces = DolphinModel(find_pack()), []
    for fps in (50, 25):
        clip = SegmentedVideo(find_pack(), fps, 4)
        paces.append(DefaultRecipe(DolphinScene(model, 4), clip, batch_size=2, steps=1, seed=0).pace)
    assert paces == [1, 1 / 16]


def recipe_of(kind, model, known=None, frames=4):
    clip = SegmentedVideo(find_pack(), frames=frames)
    clip.known = replace(clip.known, **(known or {}))
    scene = DolphinScene(model, frames)
    return kind(scene, clip, batch_size=2, steps=1, seed=0), scene, clip


def test_only_the_default_recipe_looks_through_water():
    model = DolphinModel(find_pack())
    assert recipe_of(DefaultRecipe, model)[1].water_index == 1.34
    assert recipe_of(TutorialRecipe, model)[1].water_index == 1


def test_the_fins_height_places_the_dolphin():
    model = DolphinModel(find_pack())
    recipe, scene, _ = recipe_of(DefaultRecipe, model, dict(fin_out_m=-0.2, fin_out_sd_m=0.1))
    tip = float(scene.rest_shape()[:, 1].detach().max())
    heights = scene.translations[:, 0, 1].detach()
    assert torch.allclose(heights, torch.full((4,), -0.2 - tip)) and recipe.weights["depth"] == 2.5
    assert recipe_of(DefaultRecipe, model)[0].weights["depth"] == 10


def test_the_default_recipe_draws_the_dolphin_where_it_seems_to_be():
    """What is drawn of a scene through water is what is drawn without of its apparent surface; the water
    above it stays."""
    model = DolphinModel(find_pack())
    recipe, scene, clip = recipe_of(DefaultRecipe, model, dict(fin_out_m=-1.0))
    recipe.before_pass(0)
    frames = recipe.loader.batch(torch.arange(4))
    verts = scene.skin(frames["t"]).detach()
    dry = window_camera(clip.cameras(torch.arange(4)), *place_of(frames["cam"], clip))
    features, faces_image, _ = rasterize_features(verts, frames["cam"], model)
    apparent, expected, _ = rasterize_features(refraction.apparent(verts), dry, model)
    assert torch.allclose(faces_image, expected, atol=1e-5)
    assert (features[3] != apparent[3]).float().mean() < 1e-4  # the silhouettes
    both = (features[3] * apparent[3])[..., 0] > 0
    assert torch.allclose(features[2][both], 1.34 * apparent[2][both], atol=0.02)  # the true depth absorbs
    straight = rasterize_features(verts, dry, model)[0]
    assert features[3].sum() > 1.02 * straight[3].sum()


def place_of(cam, clip):
    """left, top, width, height of a batch of windows."""
    full, lens = clip.cameras(torch.arange(len(cam))).intrinsics, cam.intrinsics
    left = (full.width - lens.width) / 2 - (lens.x0 - full.x0)
    top = (full.height - lens.height) / 2 + (lens.y0 - full.y0)
    return left.round().long(), top.round().long(), lens.width, lens.height


def default_recipe(frames=4, steps=8):
    clip = SegmentedVideo(find_pack(), frames=frames)
    return DefaultRecipe(DolphinScene(DolphinModel(find_pack()), frames), clip, 2, steps, seed=0)


def test_the_assumed_depth_follows_the_animals_size():
    """The fin's tip is where it is assumed to be, so the origin of a small animal is less deep."""
    way = default_recipe()
    before = way.depth
    with torch.no_grad():
        way.scene.part_scales[:, 0] = -0.4
    way.before_pass(0)
    assert way.depth - way.fin_out == pytest.approx(0.6 * (before - way.fin_out))


def test_targets_are_corrected_when_half_of_the_passes_are_done():
    way = default_recipe()
    tiles = [tile.clone() for *_, tile in way.targets.tiles]
    for step, changed in ((0, False), (3, False), (4, True)):
        way.before_pass(step)
        now = [tile for *_, tile in way.targets.tiles]
        assert changed == any(not torch.equal(*pair) for pair in zip(tiles, now))
    assert way.targets.reach == pytest.approx(4 - 2 * 4 / 7)


def test_a_recipe_that_goes_on_has_the_same_targets():
    way, again = default_recipe(), default_recipe()
    with torch.no_grad():
        way.scene.shape_modes[0] = 1.0
    way.before_pass(4)
    with torch.no_grad():
        way.scene.translations.add_(0.01)
    again.scene.load_parameters(way.scene.parameter_dict())
    again.load_state_dict(way.state_dict())
    for (*_, one), (*_, other) in zip(way.targets.tiles, again.targets.tiles):
        assert torch.equal(one, other)
    assert torch.equal(again.scene.translations, way.scene.translations)


def test_the_default_recipe_alone_fits_the_shape_modes():
    clip, model = SegmentedVideo(find_pack(), frames=4), DolphinModel(find_pack())
    for recipe in (DefaultRecipe, TutorialRecipe):
        scene = DolphinScene(model, 4)
        groups = recipe(scene, clip, 2, 3, seed=0).optimizer.param_groups
        fitted = any(parameter is scene.shape_modes for group in groups for parameter in group["params"])
        assert fitted == (recipe is DefaultRecipe)
