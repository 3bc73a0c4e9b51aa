"""Spherical and Cartesian coordinates."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import kal

LIGHTING = np.load(Path(__file__).parents[2] / "golden" / "kaolin_lighting.npz")
MESH = np.load(Path(__file__).parents[2] / "golden" / "kaolin_mesh.npz")


def test_spherical2cartesian_equals_kaolins():
    azimuth, elevation, expected = (
        torch.from_numpy(LIGHTING[k]) for k in ("azimuth", "elevation", "spherical2cartesian")
    )
    xyz = kal.ops.coords.spherical2cartesian(azimuth, elevation)
    torch.testing.assert_close(torch.stack(xyz), expected, rtol=0, atol=1e-12)


def test_cartesian2spherical_equals_kaolins():
    spherical = kal.ops.coords.cartesian2spherical(*torch.from_numpy(MESH["cart"]))
    torch.testing.assert_close(
        torch.stack(spherical), torch.from_numpy(MESH["cartesian2spherical"]), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back(dtype):
    azimuth = torch.linspace(-3.1, 3.1, 15, dtype=dtype)[:, None].expand(15, 9)
    elevation = torch.linspace(-1.57, 1.57, 9, dtype=dtype).expand(15, 9)
    distance = torch.linspace(0.5, 8.0, 15, dtype=dtype)[:, None].expand(15, 9)
    xyz = kal.ops.coords.spherical2cartesian(azimuth, elevation, distance)
    back = kal.ops.coords.cartesian2spherical(*xyz)
    for got, expected in zip(back, (azimuth, elevation, distance)):
        torch.testing.assert_close(got, expected, rtol=0, atol=100 * torch.finfo(dtype).eps)


def test_axes():
    x, y, z = kal.ops.coords.spherical2cartesian(
        torch.tensor([0.0, math.pi / 2, 0.0]), torch.tensor([0.0, 0.0, math.pi / 2]), 2.0
    )
    torch.testing.assert_close(torch.stack([x, y, z]), 2 * torch.eye(3), rtol=0, atol=1e-6)
