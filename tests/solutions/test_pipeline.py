"""The pipeline against the tutorial's own code, run on a small model: every value and every gradient."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_lib import losses
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import PARAMETERS, DolphinScene, init_translations
from course_lib.video import drone_cameras
from course_lib.window import Band
from solutions.rendering import dibr_rendering, render
from solutions.rotations import batch_rodrigues

GOLDEN = Path(__file__).parents[1] / "golden" / "tutorial"

# tolerances; those of a gradient in the largest magnitude of its array
VALUES, GRADIENTS, THROUGH_SOFT_MASK = 1e-4, 1e-3, 5e-3


def cameras(golden):
    eye = torch.zeros(3, 3)
    eye[:, 1] = torch.from_numpy(golden["altitude_m"])
    up = torch.tensor([0.0, 0, 1]).repeat(3, 1)
    return drone_cameras(eye, torch.zeros(3, 3), up, *map(int, golden["size_wh"]))


@pytest.fixture(scope="module", params=["pipeline", "pipeline_wide_band"])
def run(request):
    """Our pipeline with the golden inputs, gradients still to be taken."""
    golden = dict(np.load(GOLDEN / f"{request.param}.npz"))
    model = DolphinModel(GOLDEN, rodrigues=batch_rodrigues)
    scene = DolphinScene(model, num_frames=3, texture_size=golden["param_dolphin_albedo"].shape[-1])
    scene.load_parameters({name: torch.from_numpy(golden[f"param_{name}"]) for name in PARAMETERS})
    band = Band(float(golden["sigmainv"]), float(golden["boxlen"]), int(golden["knum"]))
    cam, t = cameras(golden), torch.arange(3)
    images = {"original": golden["original"], "segmented": golden["segmentation"]}
    frames = {"t": t, "cam": cam, **{name: torch.from_numpy(image) for name, image in images.items()}}
    parts = dict(golden=golden, model=model, scene=scene, band=band, cam=cam, frames=frames)
    return SimpleNamespace(**parts, rendered=render(scene, t, cam, band))


def close(ours, theirs, tolerance=VALUES):
    ours = np.asarray(ours.detach() if torch.is_tensor(ours) else ours, dtype=np.float64)
    assert ours.shape == theirs.shape
    scale = max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


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
    class Dataset:
        cam_eye = torch.from_numpy(run.golden["altitude_m"])[:, None] * torch.tensor([0.0, 1, 0])

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
    close(run.rendered[0], run.golden["image"])


def terms(run):
    """Every term of the loss, and their weighted sum, by the names of the golden file."""
    scene, frames, (image, hard_mask, soft_mask) = run.scene, run.frames, run.rendered
    return {
        "loss": sum(losses.compute_loss(scene, frames, *run.rendered).values()),
        "loss_photometric": losses.photometric_loss(image, frames["original"], hard_mask),
        "loss_iou": losses.iou_loss(soft_mask, frames["segmented"]),
        "loss_pose": losses.pose_prior(scene.joint_poses),
        "loss_smooth_transl": losses.smoothness_prior(scene.translations),
        "loss_smooth_global": losses.smoothness_prior(scene.global_poses),
        "loss_smooth_joint": losses.smoothness_prior(scene.joint_poses),
        **{f"loss_{name}": v for name, v in losses.scale_priors(scene.part_scales, run.model.LBS).items()},
    }


def test_loss_terms(run):
    for name, value in terms(run).items():
        close(value, run.golden[name])


SHAPE = ("global_poses", "joint_poses", "translations", "part_scales")  # what moves the outline


@pytest.mark.parametrize(
    "term, prefix, names, tolerance",
    [
        ("loss", "grad", PARAMETERS, THROUGH_SOFT_MASK),
        ("loss_photometric", "photometric_grad", PARAMETERS, GRADIENTS),
        ("loss_iou", "iou_grad", SHAPE, THROUGH_SOFT_MASK),
    ],
)
def test_gradients(run, term, prefix, names, tolerance):
    run.scene.zero_grad()
    terms(run)[term].backward(retain_graph=True)
    for name in names:
        ours, theirs = getattr(run.scene, name).grad, run.golden[f"{prefix}_{name}"]
        assert ours is not None, f"no gradient reaches {name}"
        error = np.abs(ours.numpy() - theirs).max() / np.abs(theirs).max()
        assert error < tolerance, f"gradient of {name}: off by {error:.1e} of its largest magnitude"
