"""Cameras against kaolin's numbers, and what kaolin leaves to its user."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from course_lib import kal
from course_lib.errors import CourseError
from course_lib.kal.render.camera import Camera, CameraFOV, generate_pinhole_rays, pinhole_ray_directions
from course_lib.shapes import ShapeError

from .kaolins import assert_matches, close, numbers, to_pixels

golden = numbers("camera")
FOV = {"drone": 2 * math.atan(17.27 / (2 * 12.29)), "free": 0.8}
LOOK = {"eye": [0.0, 1.0, 2.0], "at": [0.0, 0.0, 0.0], "up": [0.0, 1.0, 0.0]}


def golden_camera(case, dtype=torch.float64):
    look = {name: golden(f"{case}_{name}") for name in LOOK}
    lens = dict(zip(("width", "height"), golden(f"{case}_wh").tolist()), near=1e-2, far=1e2, fov=FOV[case])
    fov_direction = CameraFOV(int(golden(f"{case}_fov_direction")))
    return Camera.from_args(**look, **lens, fov_direction=fov_direction, dtype=dtype)


def shifted_camera(dtype=torch.float64):
    """Three cameras that differ in everything an instance can differ in."""
    eye = torch.tensor([[3.0, 2.0, 4.0], [-2.0, 5.0, 1.0], [0.0, 9.0, 0.0]])
    up = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    lens = {"focal_x": [40, 35, 50], "focal_y": [45, 35, 50], "x0": [3.25, 0, -4], "y0": [-2.5, 1, 0]}
    lens = {name: torch.tensor(values) for name, values in lens.items()}
    return Camera.from_args(eye=eye, at=[0.0, 0.0, 0.0], up=up, width=30, height=20, **lens, dtype=dtype)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("case", ["drone", "free"])
def test_transforms_equal_kaolins(case, dtype, tolerance):
    camera = golden_camera(case, dtype)
    points = golden(f"{case}_points").to(dtype)
    camera_points = golden(f"{case}_camera_points").to(dtype)
    ours = {
        "R": camera.extrinsics.R,
        "t": camera.extrinsics.t,
        "view": camera.extrinsics.view_matrix(),
        "proj": camera.intrinsics.projection_matrix(),
        "camera_points": camera.extrinsics.transform(points),
        "ndc_points": camera.intrinsics.transform(camera_points),
        "transform": camera.transform(points),
    }
    for name, value in ours.items():
        expected = golden(f"{case}_{name}")
        assert value.dtype == dtype and value.shape == expected.shape, name
        scale = expected.abs().max().item()
        close(value.double(), expected, atol=tolerance * max(scale, 1), msg=name)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("case, stride", [("drone", int(golden("drone_ray_stride"))), ("free", 1)])
def test_rays_equal_kaolins(case, stride, dtype, tolerance):
    camera = golden_camera(case, dtype)
    origins, directions = generate_pinhole_rays(camera[1])
    assert origins.shape == directions.shape == (camera.width * camera.height, 3)
    for rays, name in ((origins, "origin"), (directions, "dir")):
        assert_matches(rays[::stride], golden(f"{case}_ray_{name}_of_cam1"), tolerance)


def test_principal_point_moves_the_picture_right_and_up():
    lens = {"focal_x": 40.0, "width": 30, "height": 20, "dtype": torch.float64}
    look = LOOK | {"eye": [0.0, 0.0, 5.0]}
    point = torch.zeros(1, 3, dtype=torch.float64)
    assert to_pixels(Camera.from_args(**look, **lens), point).tolist() == [[15.0, 10.0]]
    shifted = to_pixels(Camera.from_args(**look, **lens, x0=3.0, y0=2.0), point)
    torch.testing.assert_close(shifted, torch.tensor([[18.0, 8.0]], dtype=torch.float64))


@pytest.mark.parametrize("make", [shifted_camera, lambda: golden_camera("free")])
def test_points_on_a_pixels_ray_project_to_the_pixel(make):
    camera = make()
    directions = pinhole_ray_directions(camera)  # (C, H, W, 3)
    assert directions.shape == (len(camera), camera.height, camera.width, 3)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones_like(directions[..., 0]))
    points = camera.extrinsics.cam_pos().transpose(1, 2) + 2.5 * directions.flatten(1, 2)  # (C, H * W, 3)
    v, u = kal.render.camera.generate_centered_pixel_coords(camera.width, camera.height)
    expected = torch.stack([u, v], dim=-1).double().reshape(1, -1, 2).expand(len(camera), -1, -1)
    close(to_pixels(camera, points), expected, atol=1e-11)


def test_ray_grids():
    camera = shifted_camera()
    every = pinhole_ray_directions(camera)
    grid = kal.render.camera.generate_centered_pixel_coords(camera.width, camera.height)
    close(pinhole_ray_directions(camera, grid), every, atol=1e-15)
    some = tuple(points[3:7, 5] for points in grid)  # any shape will do
    close(pinhole_ray_directions(camera, some), every[:, 3:7, 5], atol=1e-15)
    for c, one in enumerate(camera):
        assert torch.equal(generate_pinhole_rays(one)[1], every[c].reshape(-1, 3))
        assert torch.equal(one.generate_rays()[1], every[c].reshape(-1, 3))
    with pytest.raises(CourseError, match="batch of 3"):
        generate_pinhole_rays(camera)


def test_a_batch_is_its_cameras():
    camera = shifted_camera()
    points = torch.randn(3, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = camera.transform(points)
    assert len(camera) == 3 and len(camera[1:]) == 2 and len(camera[torch.tensor([2, 0])]) == 2
    for c, one in enumerate(camera):
        assert len(one) == 1
        torch.testing.assert_close(one.transform(points[c]), together[c])  # (N, 3) stays (N, 3)
        torch.testing.assert_close(one.transform(points[c : c + 1]), together[c : c + 1])
    joined = Camera.cat([camera[2:], camera[:2]])
    torch.testing.assert_close(joined.transform(points), camera[[2, 0, 1]].transform(points))
    torch.testing.assert_close(camera.transform(points[0]), camera.transform(points[:1].expand(3, -1, -1)))
    with pytest.raises(IndexError):
        camera[3]
    with pytest.raises(CourseError, match="share size"):
        Camera.cat([camera, golden_camera("free")])


def test_projecting_is_transforming_before_the_division():
    intrinsics = shifted_camera().intrinsics
    points = torch.randn(5, 3, dtype=intrinsics.dtype) - torch.tensor([0, 0, 9], dtype=intrinsics.dtype)
    clip = intrinsics.project(points)  # (C, 5, 4)
    torch.testing.assert_close(clip[..., :3] / clip[..., 3:], intrinsics.transform(points))
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    torch.testing.assert_close(intrinsics.project(homogeneous), clip)


def test_view_projection_matrix_is_the_transform():
    camera = shifted_camera()
    points = torch.randn(3, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    homogeneous = torch.nn.functional.pad(points, (0, 1), value=1.0)
    clip = homogeneous @ camera.view_projection_matrix().transpose(1, 2)
    torch.testing.assert_close(clip[..., :3] / clip[..., 3:], camera.transform(points))
    identity = torch.eye(4, dtype=torch.float64).expand(3, 4, 4)
    there_and_back = camera.extrinsics.view_matrix() @ camera.extrinsics.inv_view_matrix()
    torch.testing.assert_close(there_and_back, identity)


def test_near_and_far_bound_the_depth():
    lens = {"fov": 1.0, "width": 8, "height": 8, "near": 0.5, "far": 20.0}
    camera = Camera.from_args(view_matrix=torch.eye(4), **lens, dtype=torch.float64)
    ends = torch.tensor([[0.0, 0.0, -0.5], [0.0, 0.0, -20.0]], dtype=torch.float64)
    torch.testing.assert_close(camera.transform(ends)[:, 2], torch.tensor([-1.0, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("direction, side", [(CameraFOV.HORIZONTAL, "fov_x"), (CameraFOV.VERTICAL, "fov_y")])
def test_field_of_view_round_trip(direction, side):
    lens = {"fov": 0.7, "fov_direction": direction, "width": 64, "height": 48}
    camera = Camera.from_args(**LOOK, **lens, dtype=torch.float64)
    assert math.isclose(camera.intrinsics.fov(direction, in_degrees=False).item(), 0.7)
    assert math.isclose(getattr(camera, side).item(), math.degrees(0.7))
    assert camera.focal_x == camera.focal_y
    assert kal.render.camera.intrinsics.CameraFOV is CameraFOV  # where notebooks import it from


def test_poses_come_back():
    camera = shifted_camera()
    pose = {"cam_pos": camera.cam_pos(), "cam_dir": camera.R.transpose(1, 2)}
    again = Camera.from_args(**pose, fov=1.0, width=30, height=20, dtype=torch.float64)
    torch.testing.assert_close(again.extrinsics.view_matrix(), camera.extrinsics.view_matrix())


def test_gradients_flow_to_points_and_camera():
    def project(points, eye, focal):
        lens = {"focal_x": focal, "x0": focal / 9, "width": 8, "height": 6, "dtype": torch.float64}
        camera = Camera.from_args(**LOOK | {"eye": eye}, **lens)
        return camera.transform(points), pinhole_ray_directions(camera)

    generator = torch.Generator().manual_seed(2)
    points = torch.randn(2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    eye = torch.tensor([[1.0, 2.0, 6.0], [3.0, 1.0, 7.0]], dtype=torch.float64, requires_grad=True)
    focal = torch.tensor([9.0, 11.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(project, (points, eye, focal))


def test_moving_copying_pickling():
    camera = shifted_camera()
    single = camera.to(torch.float32)
    assert single.dtype == torch.float32 and camera.dtype == torch.float64
    assert single.cpu().device == torch.device("cpu") and single.double().dtype == torch.float64
    for again in (copy.deepcopy(camera), pickle.loads(pickle.dumps(camera))):
        assert torch.equal(again.intrinsics.params, camera.intrinsics.params)
    look = {name: np.array(vector) for name, vector in LOOK.items()}
    camera = Camera.from_args(**look, fov=1.0, width=4, height=4)
    assert camera.dtype == torch.float32  # kaolin's default, whatever the inputs are


@pytest.mark.parametrize(
    "change, message",
    [
        ({"at": [0.0, 1.0, 2.0]}, "camera 0 has no orientation"),
        ({"up": [0.0, 1.0, 2.0]}, "parallel"),
        ({"eye": torch.zeros(2, 4)}, r"eye must have shape .* got \(2, 4\)"),
        ({"fov": 4.0}, "between 0 and pi"),
        ({"fov_direction": CameraFOV.DIAGONAL}, "HORIZONTAL"),
        ({"width": 0}, "width must be a positive whole number"),
        ({"near": 2.0, "far": 1.0}, "0 < near < far"),
        ({"focal_x": 10.0}, "either fov or focal_x"),
        ({"view_matrix": torch.eye(4)}, "either eye, at and up"),
        ({"focus": 1.0}, "does not know"),
        ({"x0": torch.zeros(3)}, r"x0 must be a number or a tensor of shape \(1,\), got shape \(3,\)"),
    ],
)
def test_from_args_says_what_is_wrong(change, message):
    with pytest.raises(CourseError, match=message):
        Camera.from_args(**LOOK | {"fov": 1.0, "width": 8, "height": 6} | change)


@pytest.mark.parametrize(
    "points, message",
    [
        (torch.zeros(4, 2).double(), r"\(4, 2\)"),
        (torch.zeros(4, 3), "float32"),
        (torch.zeros(2, 4, 3).double(), r"\(2, 4, 3\) do not fit 3 cameras"),
    ],
)
def test_transform_says_what_is_wrong(points, message):
    with pytest.raises(ShapeError, match=message):
        shifted_camera().transform(points)


def test_a_camera_has_no_other_attributes():
    with pytest.raises(AttributeError, match="'focus'"):
        shifted_camera().focus


def test_a_camera_that_is_taken_for_an_array_is_refused():
    """Not looked into without end, which would end Python."""
    made = shifted_camera()
    for part in (made, made.extrinsics, made.intrinsics):
        with pytest.raises(TypeError, match="is no array"):
            np.asarray(part)
        with pytest.raises(TypeError, match="self-referential"):
            torch.zeros(3, 3)[part, 0]
