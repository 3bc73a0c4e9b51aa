"""Spherical and Cartesian coordinates."""

import math

import pytest
import torch

from course_lib import kal

from .kaolins import close, numbers

lighting, mesh = numbers("lighting"), numbers("mesh")


def test_spherical2cartesian_equals_kaolins():
    xyz = kal.ops.coords.spherical2cartesian(lighting("azimuth"), lighting("elevation"))
    close(torch.stack(xyz), lighting("spherical2cartesian"), atol=1e-12)


def test_cartesian2spherical_equals_kaolins():
    spherical = kal.ops.coords.cartesian2spherical(*mesh("cart"))
    close(torch.stack(spherical), mesh("cartesian2spherical"), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back(dtype):
    azimuth = torch.linspace(-3.1, 3.1, 15, dtype=dtype)[:, None].expand(15, 9)
    elevation = torch.linspace(-1.57, 1.57, 9, dtype=dtype).expand(15, 9)
    distance = torch.linspace(0.5, 8.0, 15, dtype=dtype)[:, None].expand(15, 9)
    xyz = kal.ops.coords.spherical2cartesian(azimuth, elevation, distance)
    back = kal.ops.coords.cartesian2spherical(*xyz)
    for got, expected in zip(back, (azimuth, elevation, distance)):
        close(got, expected, atol=100 * torch.finfo(dtype).eps)


def test_axes():
    azimuth, elevation = torch.tensor([[0.0, math.pi / 2, 0.0], [0.0, 0.0, math.pi / 2]])
    xyz = kal.ops.coords.spherical2cartesian(azimuth, elevation, 2.0)
    close(torch.stack(xyz), 2 * torch.eye(3), atol=1e-6)
