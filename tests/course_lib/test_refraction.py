"""course_lib.refraction: Snell's law, Fermat's principle, and cameras that see through the surface."""

import math

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.kal.render.camera import Camera
from course_lib.refraction import SEA_WATER, apparent, apparent_exactly, apparent_height, through_water
from course_lib.window import window_camera


def camera(tilt=0.0, height=11.0, count=1):
    eye = torch.tensor([[0.3 * i, height + i, -0.2] for i in range(count)], dtype=torch.float64)
    at = eye * torch.tensor([1.0, 0, 1]) + torch.tensor([0, 0, height * math.tan(math.radians(tilt))])
    lens = dict(width=640, height=360, focal_x=455.0, dtype=torch.float64)
    return Camera.from_args(eye=eye, at=at, up=torch.tensor([0.0, 0, 1]), **lens)


def cloud(count=2, points=300, seed=0):
    """Points (count, points, 3) up to 8 m beside the origin, from 3 m under the sea to 1 m above."""
    g = torch.Generator().manual_seed(seed)
    unit = torch.rand(count, points, 3, generator=g, dtype=torch.float64)
    return unit * torch.tensor([16.0, 4, 16]) - torch.tensor([8.0, 3, 8])


def crossing_by_fermat(point, eye, index=SEA_WATER):
    """Where light crosses the surface: the shortest optical path, by brute force in ever finer steps."""
    a, b = np.asarray(eye)[[0, 2]], np.asarray(point)[[0, 2]]
    low, high = 0.0, 1.0
    for _ in range(12):
        share = np.linspace(low, high, 41)
        place = a + share[:, None] * (b - a)
        in_air = np.hypot(np.linalg.norm(place - a, axis=1), eye[1])
        in_water = np.hypot(np.linalg.norm(place - b, axis=1), point[1])
        best, step = share[np.argmin(in_air + index * in_water)], (high - low) / 40
        low, high = max(best - 2 * step, 0), min(best + 2 * step, 1)
    return a + best * (b - a)


@pytest.mark.parametrize("tilt", [0, 25, 50])
def test_the_exact_form_is_on_the_ray_of_the_shortest_optical_path(tilt):
    cam = camera(tilt, 6.0, 2)
    eye, points = cam.cam_pos()[..., 0], cloud(2, 40)
    seen = apparent_exactly(points, eye)
    for c in range(2):
        for point, place in zip(points[c], seen[c]):
            if point[1] < -1e-3:
                x, z = crossing_by_fermat(point.numpy(), eye[c].numpy())
                surface = torch.tensor([[x, 0.0, z]], dtype=torch.float64)
                a, b = (cam[c].transform(p)[0, :2] for p in (place[None], surface))
                assert torch.allclose(a, b, atol=2e-6)


def test_snells_law_holds_to_the_last_digits():
    points, eye = cloud(), torch.tensor([[0.0, 6, 0], [2, 3, 1]], dtype=torch.float64)
    seen = apparent_exactly(points, eye)
    r = (points - eye[:, None])[..., [0, 2]].norm(dim=-1)
    depth, q = (-points[..., 1]).clamp(min=0), (-seen[..., 1]).clamp(min=0)
    in_air = r * eye[:, 1:2] / (eye[:, 1:2] + q)  # the way to where the ray crosses the surface
    above = in_air / in_air.hypot(eye[:, 1:2])
    below = (r - in_air) / (r - in_air).hypot(depth)
    under = depth > 1e-6
    assert under.sum() > 300
    assert (above - SEA_WATER * below)[under].abs().max() < 1e-10


def test_gradients():
    points = cloud(2, 5).requires_grad_()
    eye = torch.tensor([[0.0, 6, 0], [2, 3, 1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(apparent_exactly, (points, eye))
    assert torch.autograd.gradcheck(apparent, points)


def test_right_under_the_camera_and_at_the_surface_gradients_are_finite():
    places = [[0.0, -1, 0], [0, 0, 0], [1, 0, 1], [1, -1e-12, 1], [0, 2, 0]]
    points = torch.tensor(places, dtype=torch.float64, requires_grad=True)
    eye = torch.tensor([[0.0, 6, 0]], dtype=torch.float64)
    for seen in (apparent_exactly(points, eye), apparent(points)):
        [grad] = torch.autograd.grad(seen.sum(), points)
        assert torch.isfinite(grad).all()
    assert apparent_exactly(points, eye)[0, 0, 1].item() == pytest.approx(-1 / SEA_WATER)


def test_the_paraxial_form_is_the_exact_one_straight_down():
    points = cloud(1) * torch.tensor([1e-3, 1, 1e-3])
    eye = torch.tensor([[0.0, 11, 0]], dtype=torch.float64)
    assert torch.allclose(apparent(points), apparent_exactly(points, eye), atol=1e-6)


def test_the_paraxial_form_is_as_far_off_as_its_docstring_says():
    for degrees, error in ((10, 0.007), (20, 0.03), (35, 0.10)):
        beside = 100 * math.tan(math.radians(degrees))
        points = torch.tensor([[beside, -0.01, 0.0]], dtype=torch.float64)
        exact = apparent_exactly(points, torch.tensor([[0.0, 100, 0]], dtype=torch.float64))
        assert float(apparent(points)[0, 1] / exact[0, 0, 1]) - 1 == pytest.approx(error, rel=0.05)


def test_above_the_water_things_are_where_they_are_and_nothing_jumps_at_the_surface():
    points = cloud()
    above, eye = points[..., 1] > 0, torch.tensor([[0.0, 6, 0], [2, 3, 1]], dtype=torch.float64)
    for seen in (apparent(points), apparent_exactly(points, eye)):
        assert torch.equal(seen[above], points[above])
        assert torch.equal(seen[..., [0, 2]], points[..., [0, 2]])
        assert (seen[..., 1] >= points[..., 1]).all()
    heights = torch.tensor([-1e-9, 0.0, 1e-9], dtype=torch.float64)
    line = torch.stack([heights + 1, heights, heights], dim=-1)
    assert (apparent(line) - line).abs().max() < 1e-9
    assert [apparent_height(h) for h in (-1.34, 0.0, 0.7)] == [pytest.approx(-1), 0, 0.7]


def test_the_water_changes_nothing_with_the_index_of_air():
    points, eye = cloud(), torch.tensor([[0.0, 6, 0], [2, 3, 1]], dtype=torch.float64)
    assert torch.allclose(apparent_exactly(points, eye, 1.0), points)
    assert torch.equal(apparent(points, 1.0), points)
    cam = camera()
    assert through_water(cam, 1.0) is cam


def test_precision_of_the_inputs_is_kept():
    points = cloud(1).float()
    assert apparent(points).dtype == torch.float32
    with torch.inference_mode():
        apparent(points.double(), 1.2)
    points = points.double().requires_grad_()
    apparent(points, 1.2).sum().backward()  # also what inference made first


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("tilt", [0, 20])
def test_cameras_see_through_the_surface(tilt, exact):
    cam, points = camera(tilt, count=2), cloud()
    wet = through_water(cam, exact=exact)
    seen = apparent_exactly(points, cam.cam_pos()[..., 0]) if exact else apparent(points)
    for view in (lambda cam: cam, lambda cam: window_camera(cam, 100, 50, 64, 36)):
        assert torch.allclose(view(wet).transform(points), view(cam).transform(seen))
    turned = torch.tensor([1, 0])
    assert torch.allclose(wet[turned].transform(points.flip(0)), cam[turned].transform(seen.flip(0)))
    assert torch.allclose(wet.float().transform(points.float()).double(), cam.transform(seen), atol=1e-4)
    assert torch.equal(wet.cam_pos(), cam.cam_pos()) and len(wet) == 2


def test_one_camera_takes_points_of_either_shape():
    cam, points = through_water(camera()), cloud(1)
    assert torch.equal(cam.transform(points[0]), cam.transform(points)[0])


@pytest.mark.parametrize("height", [0.0, -2.0, float("nan")])
def test_a_camera_under_water_is_refused(height):
    eye = torch.tensor([[0.0, 5, 0], [0, height, 0]], dtype=torch.float64)
    with pytest.raises(CourseError, match="camera 1 is at a height of .* expected more than 0"):
        apparent_exactly(cloud(), eye)


@pytest.mark.parametrize("index", [0.75, 0, float("nan"), float("inf")])
def test_an_index_that_no_water_has_is_refused(index):
    with pytest.raises(CourseError, match="the refractive index is .*expected 1"):
        through_water(camera(), index)
