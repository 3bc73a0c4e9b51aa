"""The outline term: unbiased where the soft mask is not."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from course_lib import kal
from course_lib.losses import iou_loss
from course_lib.outline import (
    OutlineTargets,
    as_segmented,
    face_neighbours,
    outline_distance,
    outline_loss,
    rim_faces,
    silhouette,
)
from course_lib.video import drone_cameras
from course_lib.window import TUTORIAL_BAND
from solutions.rendering import rasterize_features

SIZES = (0.94, 0.97, 0.985, 1.0, 1.015, 1.03, 1.06)
N = 16  # headings and places from which the template is seen


@pytest.fixture(scope="module")
def views(model):
    """The template at its true size and others. -> {size: (faces_image, face_idx)}, cam"""
    heading = torch.zeros(N, 1, 3)
    heading[:, 0, 1] = torch.linspace(0, 6, N)
    chance = torch.rand(N, 1, 3, generator=torch.Generator().manual_seed(0))
    place = chance * 0.1 - torch.tensor([0, 0.4, 0])
    eye, at, up = torch.tensor([[0.0, 5.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])[:, None].expand(3, N, 3)
    cam = drone_cameras(eye, at, up, 320, 180)
    out = {}
    for size in SIZES:
        scales = torch.zeros(7, 4)
        scales[:, 0] = size - 1
        verts = model(heading, torch.zeros(N, 9, 3), place, scales)["vertices"]
        _, faces_image, face_idx = rasterize_features(verts, cam, model)
        out[size] = faces_image, face_idx
    return out, cam


def best_size(losses):
    """Minimum of a parabola through the three sizes around the smallest loss."""
    i = np.clip(np.argmin(losses), 1, len(SIZES) - 2)
    a, b, _ = np.polyfit(SIZES[i - 1 : i + 2], losses[i - 1 : i + 2], 2)
    return -b / (2 * a)


@pytest.mark.parametrize("reach", [2.0, 4.0])
def test_the_true_size_is_best(views, reach):
    views, cam = views
    masks = (views[1.0][1] >= 0).to(torch.uint8) * 255
    zero = torch.zeros(N, dtype=torch.long)
    target = OutlineTargets(masks, reach)(torch.arange(N), zero, zero, 320, 180)
    assert target["outline_outside"].abs().max() < 1e-2
    distances = [outline_distance(*views[size], cam, reach) for size in SIZES]
    losses = [float(outline_loss(distance, target["outline"], reach)) for distance in distances]
    assert best_size(losses) == pytest.approx(1, abs=0.005)


def test_the_tutorials_term_prefers_a_smaller_dolphin(views):
    """What the course teaches about the soft mask is so."""
    views, cam = views
    masks = (views[1.0][1] >= 0).float()[..., None]
    band = TUTORIAL_BAND.seen_by(cam)
    soft = [kal.render.mesh.dibr_soft_mask(*views[size], *band)[..., None] for size in SIZES]
    assert best_size([float(iou_loss(mask, masks)) for mask in soft]) < 0.99


def test_distance_is_zero_inside_and_grows_by_one_per_pixel(views):
    views, cam = views
    faces_image, face_idx = views[1.0]
    distance = outline_distance(faces_image, face_idx, cam, reach=6.0)
    assert distance[face_idx >= 0].max() < 0.01
    for ours, seen in zip(distance[:4], face_idx[:4] >= 0):
        exact = torch.from_numpy(distance_transform_edt(~seen.numpy())).clamp(max=7)
        near = (exact > 1.5) & (exact < 6)
        # a mask knows its outline to half a pixel along an axis, and misses tips that are thinner than one
        off = (ours - (exact - 0.5))[near]
        assert off.abs().quantile(0.97) < 1.0 and off.mean().abs() < 0.2


def test_looking_at_the_rim_alone_changes_nothing(views, model):
    views, cam = views
    neighbours = face_neighbours(model.F)
    assert (neighbours >= 0).all()  # the template is closed
    faces_image, face_idx = views[1.0]
    assert rim_faces(faces_image, neighbours).shape[1] < 0.25 * len(model.F)
    results = []
    for given in (None, neighbours):
        corners = faces_image.clone().requires_grad_()
        distance = outline_distance(corners, face_idx, cam, 4.0, given)
        weights = torch.rand(distance.shape, generator=torch.Generator().manual_seed(0))
        (distance * weights).sum().backward()
        at_vertices = torch.zeros(N, model.V.shape[1], 2)
        at_vertices.index_add_(1, model.F.flatten(), corners.grad.flatten(1, 2))
        results.append((distance.detach(), at_vertices))
    (distance, gradient), (rim_distance, rim_gradient) = results
    torch.testing.assert_close(rim_distance, distance, atol=1e-4, rtol=0)
    assert (rim_gradient - gradient).abs().max() < 1e-3 * gradient.abs().max()


def test_neighbours_of_an_open_mesh():
    faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    assert face_neighbours(faces).tolist() == [[-1, 1, -1], [0, -1, -1]]


def test_targets_of_a_window_are_those_of_the_frame():
    g = torch.Generator().manual_seed(1)
    masks = torch.zeros(5, 60, 80, dtype=torch.uint8)
    for mask in masks:
        y, x = torch.randint(5, 40, (2,), generator=g).tolist()
        mask[y : y + 9, x : x + 14] = 255
    masks[4, 0:5, 0:7] = 255  # at the frame's corner
    targets = OutlineTargets(masks, 4.0)
    targets.set_reach(3.0)
    zero = torch.zeros(5, dtype=torch.long)
    whole = targets(torch.arange(5), zero, zero, 80, 60)
    left, top = torch.tensor([0, 10, 20, 40, 3]), torch.tensor([0, 5, 12, 30, 2])
    window = targets(torch.arange(5), left, top, 32, 24)
    for i, (x, y) in enumerate(zip(left, top)):
        part = whole["outline"][i, y : y + 24, x : x + 32]
        torch.testing.assert_close(window["outline"][i], part)
        rest = (3 - whole["outline"][i]).square().sum() - (3 - part).square().sum()
        torch.testing.assert_close(window["outline_outside"][i], rest, atol=1e-3, rtol=1e-5)


# --- what pixels do to thin tips ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_views(model):
    """The template, tips thinner than a pixel, and its flukes larger and smaller. -> {size: views}, cam"""
    heading, place = torch.zeros(N, 1, 3), torch.tensor([[[0.0, -0.4, 0.0]]]).repeat(N, 1, 1)
    heading[:, 0, 1] = torch.linspace(0, 6, N)
    eye, at, up = torch.tensor([[0.0, 9.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])[:, None].expand(3, N, 3)
    cam, out = drone_cameras(eye, at, up, 320, 180), {}
    for size in SIZES:
        scales = torch.zeros(7, 4)
        scales[6, 0] = 5 * (size - 1)
        verts = model(heading, torch.zeros(N, 9, 3), place, scales)["vertices"]
        in_camera = cam.extrinsics.transform(verts)
        out[size] = in_camera, cam.intrinsics.transform(in_camera)[..., :2]
    return out, cam


def distances_of(view, cam, model, reach):
    faces_image, face_idx = silhouette(*view, cam, model.F)
    return outline_distance(faces_image, face_idx, cam, reach)


def test_a_corrected_target_does_not_shrink_what_has_thin_tips(small_views, model):
    """A segmenter's masks lose the flukes' tips; seen from a fit near the truth, the truth is best again."""
    views, cam = small_views
    masks = as_segmented(*views[1.0], cam, model.F).to(torch.uint8) * 255
    zero, frames = torch.zeros(N, dtype=torch.long), torch.arange(N)
    targets, best = OutlineTargets(masks, 4.0), []
    for near in (None, 0.985):
        if near is not None:
            own = as_segmented(*views[near], cam, model.F)
            targets.correct([(frames, zero, zero, own, distances_of(views[near], cam, model, 4.0))])
        targets.set_reach(2.0)
        given = targets(frames, zero, zero, 320, 180)
        assert given["outline_outside"].abs().max() < 1e-2
        distances = [distances_of(views[size], cam, model, 2.0) for size in SIZES]
        best.append(best_size([float(outline_loss(d, given["outline"], 2.0)) for d in distances]))
    assert best[0] < 0.98
    assert best[1] == pytest.approx(1, abs=0.006)


def test_a_correction_takes_the_place_of_the_one_before(small_views, model):
    views, cam = small_views
    masks = as_segmented(*views[1.0], cam, model.F).to(torch.uint8) * 255
    zero, frames, seen = torch.zeros(N, dtype=torch.long), torch.arange(N), []
    for sizes in ((0.985,), (0.94, 0.985)):
        targets = OutlineTargets(masks, 4.0)
        for size in sizes:
            own = as_segmented(*views[size], cam, model.F)
            targets.correct([(frames, zero, zero, own, distances_of(views[size], cam, model, 4.0))])
        seen.append(targets(frames, zero, zero, 320, 180)["outline"])
    assert torch.equal(*seen)


def test_masks_as_segmented_follow_the_silhouette(small_views, model):
    views, cam = small_views
    masks = as_segmented(*views[1.0], cam, model.F)
    hard = silhouette(*views[1.0], cam, model.F)[1] >= 0
    assert (masks & hard).sum() / (masks | hard).sum() > 0.9 and masks.sum() < hard.sum()


def test_masks_weigh_as_much_as_they_can_be_trusted():
    masks = torch.zeros(3, 40, 40, dtype=torch.uint8)
    masks[:, 10:20, 10:30] = 255
    targets = OutlineTargets(masks, 4.0, confidence=torch.tensor([1.0, 0.5, 0.0]))
    t, zero = torch.arange(3), torch.zeros(3, dtype=torch.long)
    weight = targets(t, zero, zero, 40, 40)["outline_weight"]
    assert torch.allclose(weight, torch.tensor([2.0, 1.0, 0.0]))
    distance, target = torch.zeros(3, 40, 40), torch.full((3, 40, 40), 2.0)
    one = outline_loss(distance[:1], target[:1], 4.0)
    assert torch.allclose(outline_loss(distance, target, 4.0, weight=weight), one)
