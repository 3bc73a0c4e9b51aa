"""Spherical and Cartesian coordinates: x towards the viewer, y to the right, z up; angles in radians."""

import torch


def spherical2cartesian(azimuth, elevation, distance=None):
    """Turn azimuth (about z, from x towards y) and elevation (above the xy plane) into x, y, z.

        x = d cos(elevation) cos(azimuth),  y = d cos(elevation) sin(azimuth),  z = d sin(elevation)

    Args:
        azimuth, elevation: tensors of one shape, radians.
        distance: tensor of the same shape or a number; None means 1.

    Returns:
        x, y, z: three tensors of the inputs' shape.
    """
    horizontal, z = torch.cos(elevation), torch.sin(elevation)
    if distance is not None:
        horizontal, z = horizontal * distance, z * distance
    return horizontal * torch.cos(azimuth), horizontal * torch.sin(azimuth), z


def cartesian2spherical(x, y, z):
    """Turn x, y, z into azimuth in (-pi, pi], elevation in [-pi/2, pi/2] and distance.

    The inverse of `spherical2cartesian`. The elevation is atan2(z, hypot(x, y)), which keeps its digits near
    the poles where asin(z / distance) loses half of them.

    Args:
        x, y, z: tensors of one shape.

    Returns:
        azimuth, elevation, distance: three tensors of the inputs' shape.
    """
    horizontal = torch.hypot(x, y)
    return torch.atan2(y, x), torch.atan2(z, horizontal), torch.hypot(horizontal, z)
