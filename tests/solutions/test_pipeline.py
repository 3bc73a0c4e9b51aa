"""The whole pipeline against the tutorial's own code, run on a small model: every value and every
gradient."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_lib import kal
from course_lib.dolphin_model import DolphinModel
from course_lib.losses import (
    compute_loss,
    iou_loss,
    photometric_loss,
    pose_prior,
    scale_priors,
    smoothness_prior,
)
from course_lib.scene import PARAMETERS, DolphinScene, init_translations
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH
from course_lib.window import Band
from solutions.rendering import dibr_rendering, render
from solutions.rotations import batch_rodrigues

GOLDEN = Path(__file__).parents[1] / "golden" / "tutorial"

# (file, tolerance of a gradient in the largest magnitude of its array); 5e-3 for what passes through the soft
# mask
VALUES, GRADIENTS, THROUGH_SOFT_MASK = 1e-4, 1e-3, 5e-3


def cameras(golden):
    eye = torch.zeros(3, 3)
    eye[:, 1] = torch.from_numpy(golden["altitude_m"])
    width, height = (int(n) for n in golden["size_wh"])
    return kal.render.camera.Camera.from_args(
        eye=eye,
        at=torch.zeros(3, 3),
        up=torch.tensor([0.0, 0, 1]).repeat(3, 1),
        fov=2 * np.arctan(SENSOR_WIDTH / (2 * CAMERA_FOCAL)),
        fov_direction=kal.render.camera.CameraFOV.HORIZONTAL,
        width=width,
        height=height,
        near=1e-2,
        far=1e2,
        dtype=torch.float32,
    )


@pytest.fixture(scope="module", params=["pipeline", "pipeline_wide_band"])
def run(request):
    """Our pipeline with the golden inputs, gradients still to be taken."""
    golden = dict(np.load(GOLDEN / f"{request.param}.npz"))
    model = DolphinModel(GOLDEN, rodrigues=batch_rodrigues)
    scene = DolphinScene(model, num_frames=3, texture_size=golden["param_dolphin_albedo"].shape[-1])
    scene.load_parameters({name: torch.from_numpy(golden[f"param_{name}"]) for name in PARAMETERS})
    band = Band(float(golden["sigmainv"]), float(golden["boxlen"]), int(golden["knum"]))
    cam, t = cameras(golden), torch.arange(3)
    frames = {
        "t": t,
        "cam": cam,
        "original": torch.from_numpy(golden["original"]),
        "segmented": torch.from_numpy(golden["segmentation"]),
    }
    image, hard_mask, soft_mask = render(scene, t, cam, band)
    return SimpleNamespace(
        golden=golden,
        model=model,
        scene=scene,
        band=band,
        cam=cam,
        frames=frames,
        image=image,
        hard_mask=hard_mask,
        soft_mask=soft_mask,
    )


def close(ours, theirs, tolerance=VALUES):
    ours = np.asarray(ours.detach() if torch.is_tensor(ours) else ours, dtype=np.float64)
    assert ours.shape == theirs.shape
    scale = max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def gradients(run, loss):
    run.scene.zero_grad()
    loss.backward(retain_graph=True)
    return {name: getattr(run.scene, name).grad for name in PARAMETERS}


def close_gradient(ours, theirs, tolerance, name):
    assert ours is not None, f"no gradient reaches {name}"
    error = np.abs(ours.numpy() - theirs).max() / np.abs(theirs).max()
    assert error < tolerance, f"gradient of {name}: off by {error:.1e} of its largest magnitude"


def test_model_is_the_tutorials(run):
    golden, model = run.golden, run.model
    close(model.V[0], golden["template_vertices"])
    close(model.weights, golden["weights"])
    close(model.J_regressor.reshape(10, -1), golden["joint_regressor"])
    close(model.global_scale, golden["global_scale"])
    close(model.face_uvs[0], golden["face_uvs"])
    assert np.array_equal(model.F, golden["faces"])
    assert np.array_equal(model.LBS.seg_grouping, golden["part_of_bone"])


def test_skinned_vertices(run):
    close(run.scene.skin(run.frames["t"]), run.golden["vertices"])


def test_skinned_vertices_without_part_scales(run):
    scene, model = run.scene, run.model
    bones = scene.joint_poses[:, model.LBS.seg_grouping][:, 1:]
    posed = model(scene.global_poses, bones, scene.translations)["vertices"]
    close(posed, run.golden["vertices_no_shape"])


def test_initial_translations(run):
    eye = torch.zeros(3, 3)
    eye[:, 1] = torch.from_numpy(run.golden["altitude_m"])

    class Dataset:
        cam_eye = eye

        def __len__(self):
            return 3

        def cameras(self, t):
            return run.cam

        def normalized_centers(self, t):
            return torch.from_numpy(run.golden["segm_center"])

    close(init_translations(Dataset()), run.golden["init_translations"])


def test_rendered_features(run):
    golden = run.golden
    verts = torch.from_numpy(golden["vertices"])
    (uv, normal, height, hard), soft = dibr_rendering(verts, run.cam, run.model, run.band)
    assert np.array_equal(hard.detach(), golden["hard_mask"])
    close(uv, golden["feature_uv"])
    close(normal, golden["feature_normal"])
    close(height, golden["feature_height"])
    close(soft, golden["soft_mask"])


def test_final_image(run):
    close(run.image, run.golden["image"])


def test_loss_terms(run):
    golden, scene, frames = run.golden, run.scene, run.frames
    close(photometric_loss(run.image, frames["original"], run.hard_mask), golden["loss_photometric"])
    close(iou_loss(run.soft_mask, frames["segmented"]), golden["loss_iou"])
    close(pose_prior(scene.joint_poses), golden["loss_pose"])
    for name, value in scale_priors(scene.part_scales, run.model.LBS).items():
        close(value, golden[f"loss_{name}"])
    close(smoothness_prior(scene.translations), golden["loss_smooth_transl"])
    close(smoothness_prior(scene.global_poses), golden["loss_smooth_global"])
    close(smoothness_prior(scene.joint_poses), golden["loss_smooth_joint"])
    total = sum(compute_loss(scene, frames, run.image, run.hard_mask, run.soft_mask).values())
    close(total, golden["loss"])


def test_gradients_of_the_total(run):
    loss = sum(compute_loss(run.scene, run.frames, run.image, run.hard_mask, run.soft_mask).values())
    for name, ours in gradients(run, loss).items():
        close_gradient(ours, run.golden[f"grad_{name}"], THROUGH_SOFT_MASK, name)


def test_gradients_of_the_photometric_term(run):
    loss = photometric_loss(run.image, run.frames["original"], run.hard_mask)
    for name, ours in gradients(run, loss).items():
        close_gradient(ours, run.golden[f"photometric_grad_{name}"], GRADIENTS, name)


def test_gradients_of_the_silhouette_term(run):
    ours = gradients(run, iou_loss(run.soft_mask, run.frames["segmented"]))
    for name in ("global_poses", "joint_poses", "translations", "part_scales"):
        close_gradient(ours[name], run.golden[f"iou_grad_{name}"], THROUGH_SOFT_MASK, name)
