"""The scene: how it starts, what it saves and loads; losses and metrics of known cases."""

import copy
import math
import os
import pickle

import pytest
import torch

from course_lib import metrics
from course_lib.assets import find_pack
from course_lib.dolphin_model import rotvec_to_rotmat
from course_lib.errors import CourseError
from course_lib.losses import photometric_loss, steadiness_prior
from course_lib.scene import LIGHT, DolphinScene, load_tensors

from .damage import Call

T = torch.arange(4)


@pytest.fixture(scope="module")
def truth():
    return metrics.load_truth(find_pack().truth_path, 6)


def random_scene(model, frames=4):
    scene = DolphinScene(model, frames, texture_size=8)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name in ("global_poses", "joint_poses", "translations", "part_scales"):
            parameter = getattr(scene, name)
            parameter += 0.2 * torch.randn(parameter.shape, generator=g)
    return scene


def test_starts_where_the_tutorial_does(model):
    scene = DolphinScene(model, 3, init_rot_up=90)
    assert torch.allclose(scene.global_poses, torch.tensor([0, math.pi / 2, 0]))
    forward = scene.rotations() @ model.fwd_vector
    torch.testing.assert_close(forward, torch.tensor([1.0, 0, 0]).expand(3, 3), atol=1e-6, rtol=0)
    assert scene.dolphin_albedo.shape == (1, 1, 512, 512) and not scene.dolphin_roughness.requires_grad


def test_skinning_by_matrices_is_skinning_by_vectors(model):
    scene = random_scene(model)
    bones = scene.joint_poses[:, model.LBS.seg_grouping][:, 1:]
    by_vectors = model(scene.global_poses, bones, scene.translations, scene.part_scales)["vertices"]
    torch.testing.assert_close(scene.skin(T), by_vectors, atol=1e-5, rtol=0)


def test_an_anchor_moves_nothing_by_itself(model):
    scene = random_scene(model)
    before = scene.skin(T).detach()
    scene.anchor(scene.rotations())
    assert scene.global_poses.abs().max() == 0
    torch.testing.assert_close(scene.skin(T).detach(), before, atol=1e-5, rtol=0)


def test_what_is_skinned_ahead_is_taken_once_and_only_where_it_is_right(model, monkeypatch):
    scene, other = random_scene(model), T.clone()
    fresh = scene.skin(T)
    made = scene.skin_ahead(T)
    assert scene.skin(T) is made and scene.skin(T) is not made  # once
    torch.testing.assert_close(made, fresh)
    for spoil in (
        lambda: scene.translations.add_(0.1),
        lambda: scene.anchor(scene.rotations()),
        lambda: scene.load_parameters(scene.parameter_dict()),
    ):
        made = scene.skin_ahead(T)
        with torch.no_grad():
            spoil()
        assert scene.skin(T) is not made
    made = scene.skin_ahead(T)
    assert scene.skin(other) is not made and scene.skin(T) is not made  # of another t, and then gone
    with torch.no_grad():
        made = scene.skin_ahead(T)
    assert scene.skin(T).requires_grad  # that one had no gradients
    scene.skin_ahead(T)
    assert not copy.deepcopy(scene)._ahead.made
    pickle.loads(pickle.dumps(scene._ahead))


def test_orientations_are_made_ahead_too(model):
    scene = random_scene(model)
    fresh = scene.rotations()
    scene.skin_ahead(T)
    made = scene.rotations()
    torch.testing.assert_close(made, fresh)
    torch.testing.assert_close(scene.rotations(T), fresh[T])

    def gradient(rotations, vertices):
        loss = (rotations * torch.arange(9.0).view(3, 3)).sum() + vertices.square().sum()
        return torch.autograd.grad(loss, [scene.global_poses, scene.joint_poses])

    vertices = scene.skin_ahead(T)
    ahead, apart = gradient(scene.rotations(), vertices), gradient(scene.rotations(), scene.skin(T))
    torch.testing.assert_close(ahead, apart, rtol=1e-3, atol=1e-3)


def test_what_is_made_ahead_is_gone_after_a_backward_pass(model):
    scene = random_scene(model)
    scene.skin_ahead(T).sum().backward()
    scene.rotations().sum().backward()
    scene.skin(T).sum().backward()


def test_a_saved_scene_knows_through_what_it_is_seen(model, tmp_path):
    scene = random_scene(model)
    assert scene.water_index == 1
    scene.water_index = 1.34
    scene.save(tmp_path / "fit.pth")
    again = DolphinScene(model, 4, texture_size=8)
    again.load(tmp_path / "fit.pth")
    assert again.water_index == 1.34
    values = scene.parameter_dict()
    del values["water_index"]  # an older file: light travels straight
    again.load_parameters(values)
    assert again.water_index == 1


@pytest.mark.parametrize("index", [0.5, 3.0, math.nan, torch.zeros(2), "water"])
def test_a_saved_scene_with_an_index_that_no_water_has(model, index):
    scene = random_scene(model)
    index = index if isinstance(index, (str, torch.Tensor)) else torch.tensor(index)
    with pytest.raises(CourseError, match="water_index is .*expected a refractive index from 1 to 2"):
        scene.load_parameters(scene.parameter_dict() | {"water_index": index})


@pytest.mark.parametrize("whose", ["ours", "the tutorial's, which has no anchors"])
def test_a_saved_scene_comes_back(model, tmp_path, whose):
    scene = random_scene(model)
    if whose == "ours":
        scene.anchor(rotvec_to_rotmat(torch.randn(4, 3)))
        scene.save(tmp_path / "fit.pth")
    else:
        values = scene.parameter_dict()
        del values["anchors"]
        torch.save(values, tmp_path / "fit.pth")
    again = DolphinScene(model, 4, texture_size=8)
    again.load(tmp_path / "fit.pth")
    torch.testing.assert_close(again.skin(T), scene.skin(T))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pth"]


def test_its_light_comes_back_and_that_of_an_older_file_is_the_tutorials(model, tmp_path):
    scene, again = random_scene(model), DolphinScene(model, 4, texture_size=8)
    scene.save(tmp_path / "older.pth")
    scene.sun_colour, scene.sky_light, scene.water_light = torch.rand(3, 3)
    scene.caustics = torch.rand(4, 6, 5)
    scene.save(tmp_path / "fit.pth")
    again.load(tmp_path / "fit.pth")
    assert all(torch.equal(getattr(again, name), getattr(scene, name)) for name in LIGHT)
    again.load(tmp_path / "older.pth")
    assert all(getattr(again, name) is None for name in LIGHT)


def test_light_of_another_clip_is_refused(model):
    values = random_scene(model).parameter_dict() | {"caustics": torch.zeros(5, 6, 5)}
    with pytest.raises(CourseError, match=r"caustics must have shape \(4, H, W\), got \(5, 6, 5\)"):
        random_scene(model).load_parameters(values)


def test_a_scene_that_cannot_be_written_leaves_the_old_file(model, tmp_path, monkeypatch):
    (tmp_path / "fit.pth").write_bytes(b"older")

    def full(tensors, file):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CourseError, match="Could not write .*fit.pth: No space left on device"):
        random_scene(model).save(tmp_path / "fit.pth")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("fit.pth", b"older")]


def test_a_scene_of_another_clip_is_refused(model, tmp_path):
    random_scene(model, frames=5).save(tmp_path / "fit.pth")
    says = r"translations should have shape \(4, 1, 3\), but its shape is \(5, 1, 3\)"
    with pytest.raises(CourseError, match=says):
        random_scene(model).load(tmp_path / "fit.pth")


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "fit.pth: the file is empty"),
        (b"not tensors", "fit.pth: not a file of saved tensors but text"),
        (b"PK\x03\x04 cut", "fit.pth: not a file of saved tensors but a zip archive"),
        (b"\x80\xff\0", "fit.pth is not a file of saved tensors, or it is truncated"),
    ],
)
def test_a_broken_file_is_named(content, told, tmp_path):
    (tmp_path / "fit.pth").write_bytes(content)
    with pytest.raises(CourseError, match=told):
        load_tensors(tmp_path / "fit.pth")
    with pytest.raises(CourseError, match="no file"):
        load_tensors(tmp_path / "other.pth")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_not_run(tmp_path):
    evil = Call(os.system, f"touch {tmp_path / 'ran'}")
    (tmp_path / "fit.pth").write_bytes(pickle.dumps(evil))
    with pytest.raises(CourseError):
        load_tensors(tmp_path / "fit.pth")
    assert not (tmp_path / "ran").exists()


TURN = pytest.approx(2 * math.pi)
MOST = dict(dolphin_albedo=1, water_absorption=1, strength=30, azimuth=TURN, angle=TURN, elevation=TURN)


@pytest.mark.parametrize("name, high", MOST.items())
def test_clamps_what_the_tutorial_clamps(model, name, high):
    scene = DolphinScene(model, 1, texture_size=8)
    parameter = getattr(scene, name)
    for value, expected in ((-3, 0), (30, high)):
        parameter.data.fill_(value)
        scene.clamp_()
        assert parameter.min().item() == parameter.max().item() == expected


def test_photometric_loss_of_an_unseen_dolphin_is_zero_and_not_nan():
    image = torch.rand(1, 4, 4, 3, requires_grad=True)
    loss = photometric_loss(image, torch.rand(1, 4, 4, 3), torch.zeros(1, 4, 4, 1))
    loss.backward()
    assert loss == 0 and image.grad.abs().max() == 0


def test_steady_motion_costs_nothing():
    t = torch.linspace(0, 1, 9)[:, None]
    assert steadiness_prior(3 + 2 * t) < 1e-12
    assert steadiness_prior(t**2) > 1e-4


def test_heading_is_counted_like_a_turn_to_the_left():
    rotmats = rotvec_to_rotmat(torch.tensor([[0, 0.1, 0], [0, math.pi / 2, 0], [0, 3.5, 0]]))
    expected = torch.tensor([math.degrees(0.1), 90, math.degrees(3.5) - 360])
    torch.testing.assert_close(metrics.heading(rotmats), expected, atol=1e-3, rtol=0)
    assert metrics.angle_between(torch.tensor(179.0), torch.tensor(-179.0)) == 2


def test_a_wrap_is_a_jump_of_the_vector_and_a_small_step_of_the_rotation():
    rotvecs = torch.tensor([[0, math.radians(179), 0], [0, math.radians(-179), 0]])
    assert metrics.chart_jumps(rotvecs) == pytest.approx(358)
    assert metrics.rotation_steps(rotvec_to_rotmat(rotvecs)).item() == pytest.approx(2, abs=1e-3)


def test_truth_against_itself_has_no_error(truth):
    rotmats = rotvec_to_rotmat(truth.rotvecs)
    sizes = truth.length_m, truth.volume_m3
    figures, per_frame = metrics.against_truth(truth, truth.vertices, rotmats, truth.masks, *sizes)
    assert figures["iou_mean"] == figures["iou_min"] == 1
    for name in ("position_rmse_m", "depth_rmse_m", "length_error_pct", "volume_error_pct"):
        assert abs(figures[name]) < 1e-6, name
    assert figures["heading_error_deg_max"] < 5  # yaw of the pose, pitch and roll aside
    assert {values.shape for values in per_frame.values()} == {(6,)}


def test_errors_are_what_they_are_called(truth):
    moved = truth.vertices + torch.tensor([0.03, -0.04, 0])
    rotmats = rotvec_to_rotmat(truth.rotvecs)
    sizes = 1.1 * truth.length_m, truth.volume_m3 / 2
    figures, _ = metrics.against_truth(truth, moved, rotmats, truth.masks, *sizes)
    expected = dict(position_rmse_m=0.05, depth_rmse_m=0.04, vertex_error_cm_mean=5)
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert figures["length_error_pct"] == pytest.approx(10)
    assert figures["volume_error_pct"] == pytest.approx(-50)


def test_the_colour_error_counts_pixels_of_mask_and_render_alone():
    original, render = torch.zeros(2, 3, 3), torch.full((2, 3, 3), 0.1)
    render[0, 0] = 5.0  # not in the mask
    render[1, 2] = 5.0  # in the mask, but nothing is rendered there
    mask, hard = torch.ones(1, 2, 3, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)
    mask[0, 0, 0] = hard[1, 2] = False
    errors = metrics.ColourErrors({"": mask, "empty": torch.zeros_like(mask)})
    errors.add(0, original, {"a": render, "b": original}, hard)
    assert errors.psnr("a", "") == pytest.approx(20, abs=1e-4)
    assert errors.psnr("b", "") == 120 and errors.psnr("a", "empty") is None
