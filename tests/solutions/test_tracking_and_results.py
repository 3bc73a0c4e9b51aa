"""Points to pixels, the track, the video's frame, length, volume and mass."""

import math

import numpy as np
import pytest
import torch
import trimesh

from course_lib.video import drone_cameras
from solutions.results import body_length, body_mass, compose_frame, mesh_volume
from solutions.tracking import draw_track, project_to_pixels


def test_below_the_drone_is_the_middle_forward_is_up_and_left_is_left_by_the_focal_length():
    eye, up = torch.tensor([[0.0, 10, 0]]), torch.tensor([[0.0, 0, 1]])
    points = torch.tensor([[[0.0, 0, 0], [0, 0, 1], [1, 0, 0]]])
    pixels = project_to_pixels(points, drone_cameras(eye, torch.zeros(1, 3), up, 640, 360))[0]
    per_metre = 640 * 12.29 / 17.27 / 10  # pixels per metre at a distance of 10 m
    expected = [[319.5, 179.5], [319.5, 179.5 - per_metre], [319.5 - per_metre, 179.5]]
    torch.testing.assert_close(pixels, torch.tensor(expected))


def test_track_is_coloured_in_order_and_leaves_out_what_is_outside():
    pixels = torch.tensor([[2.2, 1.0], [7.9, 3.4], [-1.0, 2.0], [3.0, 99.0]])
    image = draw_track(pixels, (10, 5))
    assert image.shape == (5, 10, 3)
    assert image.any(-1).nonzero().tolist() == [[1, 2], [3, 8]]
    assert image[3, 8].sum() > image[1, 2].sum()  # later is brighter


def test_frame_is_put_together_from_four_tiles():
    g = torch.Generator().manual_seed(0)
    original, render = torch.rand(4, 6, 3, generator=g), torch.rand(4, 6, 3, generator=g)
    mask, soft = torch.rand(4, 6, 1, generator=g).round(), torch.rand(4, 6, 1, generator=g)
    frame = compose_frame(original, mask, render, soft)
    assert frame.shape == (8, 12, 3)
    torch.testing.assert_close(frame[:4, :6], original)
    torch.testing.assert_close(frame[:4, 6:], mask.expand(4, 6, 3))
    torch.testing.assert_close(frame[4:, 6:], soft.expand(4, 6, 3))
    inside = soft[..., 0] > 0.5
    torch.testing.assert_close(frame[4:, :6][inside], render[inside])
    torch.testing.assert_close(frame[4:, :6][~inside], original[~inside])


BODIES = [
    (trimesh.creation.box((2, 3, 4)), 24, 4),
    (trimesh.creation.icosphere(subdivisions=5, radius=2), 4 / 3 * math.pi * 8, 4),
]


@pytest.mark.parametrize("mesh, volume, length", BODIES)
def test_volume_and_length_of_known_bodies(mesh, volume, length):
    moved = torch.tensor(mesh.vertices) + torch.tensor([5.0, -7, 3])
    faces = torch.tensor(np.asarray(mesh.faces))
    assert float(mesh_volume(moved, faces)) == pytest.approx(volume, rel=2e-3)
    assert float(mesh_volume(moved, faces)) == pytest.approx(mesh.volume, rel=1e-9)
    assert float(body_length(moved)) == pytest.approx(length, rel=1e-3)


def test_a_cubic_metre_of_dolphin_weighs_as_much_as_sea_water():
    assert body_mass(0.2) == pytest.approx(205)
