"""A thing of known length that floats in the picture: what it says of the drone's altitude.

A board, a boat, a pole of length L lies on the sea at y = 0. Its ends are clicked at two pixels; the rays
through these meet the sea, for a drone at altitude 1, at a distance d from each other. So the altitude is
h = L / d, and what the drone's own reading is off by is known, too. The lens's error goes into it as well:
close to the altitude of that picture the two cannot be told apart, and need not be.
"""

import math

import numpy as np

from .errors import CourseError
from .lens import undistort_points

CLICK_SD = 1.0  # pixels, of each clicked end along the thing
# How far the correction wanders between the picture of the known length and the clip, metres, by what
# measured the altitude.
DRIFT_SD = {"barometer": 0.3, "laser": 0.1, "GPS": 2.0}
SHORTEST = 10  # pixels


def altitude_of(length_m, ends, lens, size_wh):
    """The altitude from which a thing of known length on the sea looks as it does. -> (metres, their sd)

    ends: (x0, y0, x1, y1), pixels of a picture of size (width, height). The standard deviation is that of
    clicking. Raises CourseError.
    """
    if not (math.isfinite(length_m) and length_m > 0):
        raise CourseError(f"--known-length is {length_m:g}, expected metres, more than 0.")
    points = np.reshape(np.asarray(ends, float), (2, 2))
    width, height = size_wh
    if not ((points >= 0) & (points <= [width - 1, height - 1])).all():
        raise CourseError(f"""--at: the points {_spelt(ends)} are not all in the picture, expected x0,y0,x1,y1
            in pixels of the video as it was recorded, {width} x {height}.""")
    pixels = float(np.hypot(*(points[1] - points[0])))
    if pixels < SHORTEST:
        raise CourseError(f"""--at: the points {_spelt(ends)} are {pixels:.1f} pixels apart, expected at least
            {SHORTEST}: the ends of the thing of known length.""")
    on_sea = _on_sea(undistort_points(points, lens, size_wh), lens, size_wh)
    altitude = length_m / float(np.hypot(*(on_sea[1] - on_sea[0])))
    return altitude, altitude * math.sqrt(2) * CLICK_SD / pixels


def _on_sea(points, lens, size_wh):
    """Where the rays through pixels (N, 2) meet the sea for a camera at altitude 1. -> (N, 2): right, up"""
    (cx, cy), focal = lens.centre(size_wh), lens.focal_pixels(size_wh[0])
    right, up = (points[:, 0] - cx) / focal, (cy - points[:, 1]) / focal
    tilt = math.radians(lens.tilt_deg)
    down = math.cos(tilt) - up * math.sin(tilt)
    if (down <= 0.05).any():
        raise CourseError("--at: a point is at the horizon or above it, expected points on the sea.")
    return np.stack([right, math.sin(tilt) + up * math.cos(tilt)], -1) / down[:, None]


def _spelt(ends):
    return ",".join(f"{value:g}" for value in np.ravel(ends))
