"""The clips on which intervals are tried: what is drawn is what is stated."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from benchmarks import calibration
from course_lib.metrics import mask_iou
from course_lib.uncertainty import Beliefs

NOTHING = replace(Beliefs(**{one.name: 0.0 for one in fields(Beliefs)}), depth_m=0.01)


@pytest.fixture(scope="module")
def make():
    """Clip number 5, short, where something is unknown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "FRAMES", 14)
        yield lambda **unknown: calibration.make(5, replace(NOTHING, **unknown))


@pytest.fixture(scope="module")
def exact(make):
    return make()


def altitude_off(clip):
    return float(clip.dataset.cam_eye[:, 1].mean()) - clip.altitude_m


def test_where_nothing_is_unknown_the_clip_says_the_truth(exact):
    overlap = mask_iou(exact.dataset.masks > 127, exact.true_masks)
    assert overlap.max() > 0.98 and overlap.min() > 0.93  # a flipper may be lost for a while
    assert abs(altitude_off(exact)) < 3 * calibration.READING
    assert exact.density == 1025


def test_what_is_unknown_is_drawn_and_the_same_clip_is_the_same_again(make, exact):
    once, twice = (make(altitude_m=sd) for sd in (0.5, 1.0))
    off = [altitude_off(clip) - altitude_off(exact) for clip in (once, twice)]
    assert abs(off[0]) > 0.01 and off[1] == pytest.approx(2 * off[0], rel=1e-3)
    assert once.dataset.masks.equal(exact.dataset.masks)


def test_masks_may_be_too_large_or_too_small(make, exact):
    areas = [float((clip.dataset.masks > 127).sum()) for clip in (make(bias_px=1.0), exact)]
    assert abs(areas[0] / areas[1] - 1) > 0.02


def test_the_programs_constants_are_what_they_were(make):
    import make_clip

    before = dict(vars(make_clip))
    make()
    assert all(vars(make_clip)[name] is value for name, value in before.items())


def test_the_altitudes_bias_is_put_aside():
    of_volume = {"found": f"{1.03**3} 1", "low": "0.9 0.9", "high": "1.2 1.2", "truth": "1 1"}
    figures = {"numbers": {"volume": of_volume}, "altitude_off": f"{math.log(1.03)} 0"}
    off, half = calibration.errors(figures, "volume")
    np.testing.assert_allclose(off, [3 * math.log(1.03), 0])
    np.testing.assert_allclose(half, math.log(1.2 / 0.9) / 2)
    np.testing.assert_allclose(calibration.errors(figures, "volume", aside=True)[0], 0, atol=1e-12)


def test_what_made_the_volumes_errors_adds_up():
    off = {"shift": "0.2 -0.1", "flatness": "0.04 -0.02", "altitude_off": "0.01 0"}
    found = [math.exp(3 * 0.01 + 0.04 + 0.2 * 0.25), math.exp(-0.02 - 0.1 * 0.25)]
    lists = {"found": " ".join(map(str, found)), "low": "0.9 0.9", "high": "1.2 1.2", "truth": "1 1"}
    made = calibration.parts_of_volume(off | {"numbers": {"volume": lists}})
    assert made["the rest"] < 1e-6
    assert made["height over width, which no outline shows"] == pytest.approx(math.hypot(0.04, 0.02) / 2**0.5)


def test_masks_that_are_a_pixel_too_large_are_shifted_by_one():
    rows, columns = np.mgrid[:80, :80] - 40
    discs = [np.hypot(rows, columns)[None] < radius for radius in (20, 21)]
    assert calibration.shift_of(*discs[::-1]) == pytest.approx(1, abs=0.1)
