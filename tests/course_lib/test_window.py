"""Windows of an image are exact: same pixels, same rays."""

import pytest
import torch

from course_lib.kal.render.camera import Camera, generate_pinhole_rays, pinhole_ray_directions
from course_lib.window import window_camera

from .kal.kaolins import close, to_pixels

LEFT, TOP = torch.tensor([100, 431, -20]), torch.tensor([37, 0, 290])
WIDTH, HEIGHT = 192, 108
CENTRAL = dict(focal_x=455.45)
OFF_CENTRE = dict(focal_x=torch.tensor([450.0, 460.0, 470.0]), focal_y=455.0)
OFF_CENTRE |= dict(x0=torch.tensor([7.3, 0.0, -2.0]), y0=-11.7)


def full_camera(dtype=torch.float64, **lens):
    eye = torch.tensor([[0.0, 17.0, 0.0], [1.0, 15.0, 2.0], [-3.0, 20.0, 1.0]])
    pose = dict(eye=eye, at=[0.0, 0.0, 0.0], up=[0.0, 0.0, 1.0])
    size = dict(width=640, height=360, near=0.1, far=50.0)
    return Camera.from_args(**pose, **size, **(lens or CENTRAL), dtype=dtype)


@pytest.mark.parametrize("lens", [CENTRAL, OFF_CENTRE], ids=["central", "off centre"])
def test_points_shift_by_whole_pixels(lens):
    camera = full_camera(**lens)
    window = window_camera(camera, LEFT, TOP, WIDTH, HEIGHT)
    assert (len(window), window.width, window.height) == (3, WIDTH, HEIGHT)
    points = 3 * torch.randn(3, 200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shift = torch.stack([LEFT, TOP], dim=-1).double().unsqueeze(1)  # (B, 1, 2)
    close(to_pixels(window, points), to_pixels(camera, points) - shift, atol=1e-11)
    assert torch.equal(window.transform(points)[..., 2], camera.transform(points)[..., 2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rays_are_those_of_the_full_image(dtype):
    camera = full_camera(dtype)
    left, top = LEFT.clamp(0, 640 - WIDTH), TOP.clamp(0, 360 - HEIGHT)
    window = window_camera(camera, left, top, WIDTH, HEIGHT)
    full, cut = pinhole_ray_directions(camera), pinhole_ray_directions(window)
    for b, (x, y) in enumerate(zip(left.tolist(), top.tolist())):
        assert torch.equal(cut[b], full[b, y : y + HEIGHT, x : x + WIDTH])  # to the last bit
        origins, directions = generate_pinhole_rays(window[b])
        assert torch.equal(directions.reshape(HEIGHT, WIDTH, 3), cut[b])
        assert torch.equal(origins[0], camera.extrinsics.cam_pos()[b, :, 0])


def test_rays_with_a_principal_point_of_its_own():
    camera = full_camera(focal_x=455.45, x0=torch.tensor([7.3, 0.0, -2.1]), y0=-11.7)
    window = window_camera(camera, 50, 60, 31, 17)  # odd sizes move the centre by half a pixel
    expected = pinhole_ray_directions(camera)[:, 60:77, 50:81]
    close(pinhole_ray_directions(window), expected, atol=1e-15)


def test_windows_compose_and_the_whole_is_a_window():
    camera = full_camera()
    assert torch.equal(window_camera(camera, 0, 0, 640, 360).intrinsics.params, camera.intrinsics.params)
    twice = window_camera(window_camera(camera, LEFT, TOP, WIDTH, HEIGHT), 11, 5, 64, 36)
    once = window_camera(camera, LEFT + 11, TOP + 5, 64, 36)
    assert torch.equal(twice.intrinsics.params, once.intrinsics.params)


@pytest.mark.parametrize(
    "left, message",
    [
        (1.5, "whole pixels"),
        (torch.tensor([1.0, 2.0, 3.0]), "whole pixels"),
        (torch.tensor([1, 2]), r"\(3,\), got \(2,\)"),
    ],
)
def test_offsets_must_be_whole_and_one_per_camera(left, message):
    with pytest.raises(ValueError, match=message):
        window_camera(full_camera(), left, 0, WIDTH, HEIGHT)
