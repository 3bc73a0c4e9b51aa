"""Spherical and Cartesian coordinates: x towards the viewer, y to the right, z up; angles in radians."""

import torch


def spherical2cartesian(azimuth, elevation, distance=None):
    """Azimuth (about z, from x towards y) and elevation (above the xy plane) to Cartesian. -> x, y, z

        x = d cos(elevation) cos(azimuth),  y = d cos(elevation) sin(azimuth),  z = d sin(elevation)

    azimuth, elevation: tensors of one shape. distance: of the same shape, or a number; None means 1.
    """
    horizontal, z = torch.cos(elevation), torch.sin(elevation)
    if distance is not None:
        horizontal, z = horizontal * distance, z * distance
    return horizontal * torch.cos(azimuth), horizontal * torch.sin(azimuth), z


def cartesian2spherical(x, y, z):
    """The inverse of `spherical2cartesian`, of tensors of one shape. -> azimuth, elevation, distance

    Azimuth in (-pi, pi], elevation in [-pi/2, pi/2]. The elevation is atan2(z, hypot(x, y)), which keeps its
    digits near the poles where asin(z / distance) loses half of them.
    """
    horizontal = torch.hypot(x, y)
    return torch.atan2(y, x), torch.atan2(z, horizontal), torch.hypot(horizontal, z)
