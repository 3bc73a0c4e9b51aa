import math

import pytest
import torch

from course_lib import metrics
from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.dolphin_model.skinning import rotvec_to_rotmat
from course_lib.errors import CourseError
from course_lib.losses import photometric_loss, steadiness_prior
from course_lib.scene import DolphinScene, load_tensors


@pytest.fixture(scope="module")
def model():
    return DolphinModel(find_pack())


def random_scene(model, frames=4, seed=0):
    scene = DolphinScene(model, frames, texture_size=8)
    g = torch.Generator().manual_seed(seed)
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
    scene, t = random_scene(model), torch.arange(4)
    bones = scene.joint_poses[:, model.LBS.seg_grouping][:, 1:]
    by_vectors = model(scene.global_poses, bones, scene.translations, scene.part_scales)["vertices"]
    torch.testing.assert_close(scene.skin(t), by_vectors, atol=1e-5, rtol=0)


def test_an_anchor_moves_nothing_by_itself(model):
    scene, t = random_scene(model), torch.arange(4)
    before = scene.skin(t).detach()
    scene.anchor(scene.rotations())
    assert scene.global_poses.abs().max() == 0
    torch.testing.assert_close(scene.skin(t).detach(), before, atol=1e-5, rtol=0)


def test_saved_scene_comes_back(model, tmp_path):
    scene = random_scene(model)
    scene.anchor(rotvec_to_rotmat(torch.randn(4, 3)))
    scene.save(tmp_path / "fit.pth")
    again = DolphinScene(model, 4, texture_size=8)
    again.load(tmp_path / "fit.pth")
    torch.testing.assert_close(again.skin(torch.arange(4)), scene.skin(torch.arange(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pth"]


def test_a_file_of_the_tutorial_has_no_anchors(model, tmp_path):
    scene = random_scene(model)
    values = scene.parameter_dict()
    del values["anchors"]
    torch.save(values, tmp_path / "theirs.pth")
    again = DolphinScene(model, 4, texture_size=8)
    again.load(tmp_path / "theirs.pth")
    torch.testing.assert_close(again.skin(torch.arange(4)), scene.skin(torch.arange(4)))


def test_a_scene_of_another_clip_is_refused(model, tmp_path):
    random_scene(model, frames=5).save(tmp_path / "fit.pth")
    with pytest.raises(
        CourseError, match=r"translations should have shape \(4, 1, 3\), but its shape is \(5, 1, 3\)"
    ):
        random_scene(model, frames=4).load(tmp_path / "fit.pth")


@pytest.mark.parametrize("content", [b"", b"not tensors", b"PK\x03\x04 cut"])
def test_a_broken_file_is_named(content, tmp_path):
    (tmp_path / "fit.pth").write_bytes(content)
    with pytest.raises(CourseError, match="fit.pth is not a file of saved tensors"):
        load_tensors(tmp_path / "fit.pth")
    with pytest.raises(CourseError, match="no file"):
        load_tensors(tmp_path / "other.pth")


def test_code_in_a_file_is_not_run(tmp_path):
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    (tmp_path / "fit.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CourseError):
        load_tensors(tmp_path / "fit.pth")
    assert not (tmp_path / "ran").exists()


def test_clamps_what_the_tutorial_clamps(model):
    scene = random_scene(model)
    with torch.no_grad():
        for name in ("dolphin_albedo", "water_absorption", "strength", "azimuth", "angle", "elevation"):
            getattr(scene, name).fill_(-3)
    scene.clamp_()
    assert all(
        getattr(scene, name).min() == 0
        for name in ("dolphin_albedo", "water_absorption", "strength", "azimuth")
    )
    with torch.no_grad():
        for name in ("dolphin_albedo", "water_absorption", "strength", "elevation"):
            getattr(scene, name).fill_(30)
    scene.clamp_()
    assert (
        scene.dolphin_albedo.max() == 1 and scene.water_absorption.max() == 1 and scene.strength.item() == 30
    )
    assert scene.elevation.item() == pytest.approx(2 * math.pi)


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
    rotvecs = torch.tensor([[0, 0.1, 0], [0, math.pi / 2, 0], [0, 3.5, 0]])
    torch.testing.assert_close(
        metrics.heading(rotvec_to_rotmat(rotvecs)),
        torch.tensor([math.degrees(0.1), 90, math.degrees(3.5) - 360]),
        atol=1e-3,
        rtol=0,
    )
    assert metrics.angle_between(torch.tensor(179.0), torch.tensor(-179.0)) == 2


def test_a_wrap_is_a_jump_of_the_vector_and_a_small_step_of_the_rotation():
    rotvecs = torch.tensor([[0, math.radians(179), 0], [0, math.radians(-179), 0]])
    assert metrics.chart_jumps(rotvecs) == pytest.approx(358)
    assert metrics.rotation_steps(rotvec_to_rotmat(rotvecs)).item() == pytest.approx(2, abs=1e-3)


def test_truth_against_itself_has_no_error():
    pack = find_pack()
    truth = metrics.load_truth(pack.truth_path, 6)
    rotmats = rotvec_to_rotmat(truth.rotvecs)
    figures, per_frame = metrics.against_truth(
        truth, truth.vertices, rotmats, truth.masks, truth.length_m, truth.volume_m3
    )
    assert figures["iou_mean"] == figures["iou_min"] == 1
    assert all(
        abs(figures[name]) < 1e-6
        for name in ("position_rmse_m", "depth_rmse_m", "length_error_pct", "volume_error_pct")
    )
    assert figures["heading_error_deg_max"] < 5  # yaw of the pose, pitch and roll aside
    assert {values.shape for values in per_frame.values()} == {(6,)}


def test_errors_are_what_they_are_called():
    truth = metrics.load_truth(find_pack().truth_path, 6)
    moved = truth.vertices + torch.tensor([0.03, -0.04, 0])
    figures, _ = metrics.against_truth(
        truth, moved, rotvec_to_rotmat(truth.rotvecs), truth.masks, 1.1 * truth.length_m, truth.volume_m3 / 2
    )
    assert figures["position_rmse_m"] == pytest.approx(0.05, rel=1e-3)
    assert figures["depth_rmse_m"] == pytest.approx(0.04, rel=1e-3)
    assert figures["vertex_error_cm_mean"] == pytest.approx(5, rel=1e-3)
    assert figures["length_error_pct"] == pytest.approx(10)
    assert figures["volume_error_pct"] == pytest.approx(-50)
