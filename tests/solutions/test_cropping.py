"""Exact cropping: the window's loss is the frame's, in every term and every gradient."""

import pytest
import torch

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.losses import compute_loss
from course_lib.metrics import load_truth
from course_lib.outline import OutlineTargets, outline_distance
from course_lib.scene import PARAMETERS, DolphinScene, init_translations
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND, WindowLoader, window_camera, window_size
from solutions.rendering import rasterize_features, render
from solutions.rotations import batch_rodrigues

FRAMES = 5
# Like kaolin, the kernels take pixel centres in float32 whatever they are given: two images of one point
# differ by up to 2^-24. The exponent of the soft mask, sigmainv d^2 with d up to boxlen, then differs by up
# to 2 sigmainv boxlen 2^-24.
ROUNDING = 2 * TUTORIAL_BAND.sigmainv * TUTORIAL_BAND.boxlen * 2**-24  # 1.2e-4


@pytest.fixture(scope="module")
def clip():
    return SegmentedVideo(find_pack(), frames=FRAMES)


@pytest.fixture(scope="module")
def scene(clip):
    """A start that is off by some pixels, in double precision."""
    pack = find_pack()
    model = DolphinModel(pack, rodrigues=batch_rodrigues, dtype=torch.float64)
    heading = float(load_truth(pack.truth_path).heading_deg[0])
    scene = DolphinScene(model, FRAMES, texture_size=64, init_rot_up=heading).double()
    g = torch.Generator().manual_seed(3)  # no gradient is so small, as a sum, that it is of rounding alone
    with torch.no_grad():
        scene.translations.copy_(init_translations(clip))
        for name in ("joint_poses", "part_scales", "translations", "global_poses"):
            parameter = getattr(scene, name)
            parameter += 0.05 * torch.randn(parameter.shape, generator=g, dtype=torch.float64)
        scene.dolphin_albedo.copy_(torch.rand(1, 1, 64, 64, generator=g))
        scene.water_absorption.copy_(torch.tensor([0.5, 0.2, 0.1]))
    return scene


def both_views(clip, scene):
    """The same five frames whole and cropped, in double precision."""
    t = torch.arange(FRAMES)
    cam = clip.cameras(t).double()
    whole = {"t": t, "cam": cam, "original": clip.frames / 255.0, "segmented": clip.masks[..., None] / 255.0}
    loader = WindowLoader(clip, scene, batch_size=FRAMES)
    left, top, width, height = loader.place(t, cam)
    cropped = loader.batch(t) | {"cam": window_camera(cam, left, top, width, height)}
    for frames in (whole, cropped):
        frames |= {name: frames[name].double() for name in ("original", "segmented")}
    return whole, cropped, (left, top, width, height)


def test_window_is_a_small_part_of_the_frame(clip, scene):
    _, cropped, (left, top, width, height) = both_views(clip, scene)
    assert width * height < 0.25 * 640 * 360
    assert width * 360 == height * 640
    assert (left >= 0).all() and (left + width <= 640).all()
    assert (top >= 0).all() and (top + height <= 360).all()
    assert cropped["segmented_outside"].min() >= 0


def test_the_tutorials_loss_and_its_gradients_are_unchanged(clip, scene):
    results = []
    for frames in both_views(clip, scene)[:2]:
        scene.zero_grad()
        terms = compute_loss(scene, frames, *render(scene, frames["t"], frames["cam"]))
        sum(terms.values()).backward()
        results.append((terms, {name: getattr(scene, name).grad.clone() for name in PARAMETERS}))
    (terms, gradients), (cropped_terms, cropped_gradients) = results
    for name, value in terms.items():
        torch.testing.assert_close(cropped_terms[name], value, rtol=1e-7, atol=1e-12, msg=name)
    for name, gradient in gradients.items():
        scale = gradient.abs().max().clamp(min=1e-12)
        assert (cropped_gradients[name] - gradient).abs().max() / scale < ROUNDING, name


def test_a_mask_beyond_the_window_counts(clip, scene):
    """The dolphin is moved away from its mask, so that the window shows none of it."""
    with torch.no_grad():
        scene.translations[:, 0, 0] += 1.6
    try:
        whole, cropped, _ = both_views(clip, scene)
        assert cropped["segmented_outside"].min() > 100
        for frames in (whole, cropped):
            frames["terms"] = compute_loss(scene, frames, *render(scene, frames["t"], frames["cam"]))
        torch.testing.assert_close(cropped["terms"]["mask"], whole["terms"]["mask"], rtol=1e-7, atol=0)
    finally:
        with torch.no_grad():
            scene.translations[:, 0, 0] -= 1.6


def test_the_outline_term_is_unchanged(clip, scene):
    reach = 3.0
    whole, cropped, (left, top, width, height) = both_views(clip, scene)
    targets = OutlineTargets(clip.masks, reach)
    zero, t = torch.zeros(FRAMES).long(), torch.arange(FRAMES)
    losses = []
    for frames, window in ((whole, (zero, zero, 640, 360)), (cropped, (left, top, width, height))):
        _, faces_image, face_idx = rasterize_features(scene.skin(t), frames["cam"], scene.model)
        distance = outline_distance(faces_image, face_idx, frames["cam"], reach)
        target = targets(t, *window)
        difference = (distance - target["outline"]).square().flatten(1).sum(1) + target["outline_outside"]
        losses.append(difference)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-3)  # targets are float32


WINDOWS = [
    ((1, 1), (640, 360), (32, 18)),
    ((100, 20), (640, 360), (128, 72)),
    ((20, 80), (640, 360), (160, 90)),
    ((5000, 5), (640, 360), (640, 360)),
    ((30, 30), (641, 360), (641, 360)),
    ((110, 60), (1280, 720), (128, 72)),
]


@pytest.mark.parametrize("extent, resolution, expected", WINDOWS)
def test_windows_have_the_frames_aspect_ratio(extent, resolution, expected):
    assert window_size(extent, resolution) == expected


def test_every_pass_has_its_own_order_whatever_came_before(clip, scene):
    def order(passes):
        loader = WindowLoader(clip, scene, batch_size=2, seed=3)
        loader.passes = passes
        return [frames["t"].tolist() for frames in loader]

    loader = WindowLoader(clip, scene, batch_size=2, seed=3)
    first, second = ([frames["t"].tolist() for frames in loader] for _ in range(2))
    assert (order(0), order(1)) == (first, second)
    assert sorted(sum(first, [])) == list(range(FRAMES)) and len(loader) == 3
