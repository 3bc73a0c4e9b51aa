"""Cameras: the table, numbers, fields of view, and pictures without distortion."""

import math

import numpy as np
import pytest

from course_lib.errors import CourseError
from course_lib.lens import DRONES, Lens, camera_of, undistort, undistort_points


def test_the_default_is_the_tutorials():
    assert (Lens().focal_mm, Lens().sensor_width_mm) == (12.29, 17.27) == DRONES["DJI Mavic 3"][:2]


@pytest.mark.parametrize("name", DRONES)
def test_the_table_agrees_with_what_makers_publish(name):
    """The width of a picture by the table and by the equivalent of 35 mm film, whose diagonal counts."""
    focal, width, equivalent = DRONES[name]
    aspect = 3 / 2 if 12 < width < 14 else 4 / 3
    published = math.hypot(36, 24) / math.hypot(1, 1 / aspect) / equivalent
    assert width / focal == pytest.approx(published, rel=0.07)
    assert camera_of(name) == Lens(focal, width, model=name)


@pytest.mark.parametrize("name", ["Mavic 3", "dji mavic3", "DJI Mavic 3 Cine", "MAVIC-3"])
def test_names_as_people_write_them(name):
    assert camera_of(name).model == "DJI Mavic 3"


def test_numbers_and_fields_of_view():
    assert camera_of(focal_mm=8, sensor_width_mm=12).half_width == 0.75
    assert camera_of(fov_deg=90).half_width == pytest.approx(1)
    assert camera_of(focal_mm=8, sensor_width_mm=12, crop=1.5).half_width == pytest.approx(0.5)
    assert camera_of("Mavic 3", k1=0.1).is_distorted and not camera_of("Mavic 3").is_distorted
    assert camera_of(fov_deg=90).focal_pixels(640) == pytest.approx(320)


MISTAKES = [
    (dict(), "in one of three ways: --camera NAME"),
    (dict(name="Mavic 3", fov_deg=80), "in one of three ways"),
    (dict(focal_mm=8), "belong together"),
    (dict(name="Mavic 33"), "is not in the table .*Did you mean DJI Mavic 3"),
    (dict(name="Canon"), "is not in the table .* Else give numbers"),
    (dict(fov_deg=0), "--fov is 0, expected 5 to 150 degrees"),
    (dict(fov_deg=math.nan), "--fov is nan"),
    (dict(focal_mm=0, sensor_width_mm=17), "--focal-mm is 0"),
    (dict(focal_mm=24, sensor_width_mm=1.5), "is one of them a 35 mm equivalent"),
    (dict(name="Mavic 3", crop=0.5), "--crop is 0.5, expected 1 to 10[.]"),
]


@pytest.mark.parametrize("given, message", MISTAKES)
def test_mistakes(given, message):
    with pytest.raises(CourseError, match=message):
        camera_of(**given)


def test_distortion_is_undone():
    """A pattern that is smooth, seen through a lens that bends it, and set right again."""
    lens = Lens(1.0, 1.5, principal_point=(150.0, 95.0), k1=-0.12, k2=0.03)
    size = width, height = 320, 180
    focal = lens.focal_pixels(width)

    def pattern(x, y):
        return np.stack([120 + 80 * np.sin(x / 9), 120 + 80 * np.cos(y / 7), 120 + 0.2 * x], -1)

    y, x = np.mgrid[:height, :width].astype(float)
    free = undistort_points(np.stack([x, y], -1).reshape(-1, 2), lens, size).reshape(height, width, 2)
    seen = pattern(free[..., 0], free[..., 1]).round().astype(np.uint8)
    right = undistort(seen, lens)
    assert right.dtype == np.uint8 and right.shape == seen.shape
    off = np.abs(right.astype(float) - pattern(x, y))[20:-20, 20:-20]
    assert off.max() < 5 and np.abs(seen - pattern(x, y))[20:-20, 20:-20].max() > 40
    # the formula, there and back
    at = (np.array([[30.0, 20.0]]) - lens.principal_point) / focal
    r2 = (at**2).sum()
    bent = lens.principal_point + at * (1 + lens.k1 * r2 + lens.k2 * r2**2) * focal
    assert undistort_points(bent, lens, size) == pytest.approx(np.array([[30.0, 20.0]]), abs=1e-6)
    assert undistort(seen, lens.undone()) is seen


def test_distortion_that_folds_the_picture():
    with pytest.raises(CourseError, match="folds the picture's corners"):
        undistort(np.zeros((36, 64, 3), np.uint8), Lens(k1=-2.0))


def test_the_middle_of_a_picture():
    assert Lens().centre((640, 360)) == (319.5, 179.5)
    assert Lens(principal_point=(300, 200)).centre((640, 360)) == (300, 200)


def test_a_window_of_a_picture_without_distortion():
    lens = Lens(k1=-0.2, k2=0.03, principal_point=(70.0, 30.0))
    image = np.random.default_rng(0).integers(0, 255, (72, 128, 3), np.uint8)
    window = undistort(image, lens, (30, 10, 64, 36))
    assert np.array_equal(window, undistort(image, lens)[10:46, 30:94])
    assert np.array_equal(undistort(image, Lens(), (30, 10, 64, 36)), image[10:46, 30:94])
