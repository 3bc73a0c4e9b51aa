"""Altitudes of frames, apparent depth, the interval of a length, the volume of a body from its widths."""

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.photogrammetry import STATIONS, elliptical_volume
from course_lib.refraction import SEA_WATER, apparent_exactly
from solutions.measuring import altitude_per_frame, apparent_depth, length_interval, volume_from_widths

close = functools.partial(torch.testing.assert_close, rtol=0, equal_nan=True)
NAN = math.nan


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- altitudes


TIMES, HEIGHTS = doubles(0, 1, 2, 3, 3.4, 5.4), doubles(10, 12, NAN, 16, 15, 11)
FRAMES = [
    (-0.1, NAN),
    (0, 10),
    (0.25, 10.5),
    (1, 12),
    (1.5, NAN),  # within 1 s of a sample that is NaN: 2 s to the next
    (3, 16),
    (3.2, 15.5),
    (3.4, 15),  # at a sample, where a gap begins
    (3.5, NAN),
    (5.4, 11),
    (5.41, NAN),
]


@pytest.mark.parametrize("launch", [0.0, 35.2])
def test_altitudes_are_linear_between_known_samples_and_nan_elsewhere(launch):
    frames, right = (doubles(*each) for each in zip(*FRAMES))
    close(altitude_per_frame(TIMES, HEIGHTS, frames, launch), right + launch, atol=1e-12)


def test_a_longer_gap_is_bridged_on_request():
    found = altitude_per_frame(TIMES, HEIGHTS, doubles(1.5, 4.4), longest_gap=2.1)
    close(found, doubles(13, 13), atol=1e-12)
    assert altitude_per_frame(TIMES, HEIGHTS, doubles(3.2), longest_gap=0.1).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_altitudes_of_whole_flights_are_those_of_numpy(dtype):
    rng = np.random.default_rng(0)
    times = torch.from_numpy(rng.uniform(0.02, 0.9, 400).cumsum()).to(dtype)
    heights = torch.from_numpy(rng.uniform(5, 40, 400)).to(dtype)
    frames = torch.arange(float(times[0]) + 0.01, float(times[-1]), 1 / 25).to(dtype)
    found = altitude_per_frame(times, heights, frames)
    assert found.dtype == dtype
    expected = np.interp(frames.double(), times.double(), heights.double())
    close(found.double(), torch.from_numpy(expected), atol=1e-2 if dtype == torch.float32 else 1e-9)


# --- apparent depth


def seen_exactly(depth, distance, altitude, index=SEA_WATER):
    """By the course's own formula, for one camera each. -> apparent depths"""
    zero = torch.zeros_like(depth)
    points = torch.stack([distance, -depth, zero], -1)[:, None]
    return -apparent_exactly(points, torch.stack([zero, altitude, zero], -1), index)[:, 0, 1]


def views(count=200, angle=70):
    g = torch.Generator().manual_seed(1)
    depth, altitude, a = (torch.rand(count, generator=g, dtype=torch.float64) for _ in range(3))
    altitude = 3 + 30 * altitude
    return 6 * depth - 1, torch.deg2rad(angle * a).tan() * altitude, altitude


def test_apparent_depths_are_those_of_the_camera():
    depth, distance, altitude = views(angle=58)  # where that one is exact
    q, _ = apparent_depth(depth, distance, altitude)
    close(q, seen_exactly(depth, distance, altitude), atol=1e-9)


@given(st.floats(0.01, 30), st.floats(0, 72), st.floats(2, 60), st.floats(1.05, 1.6))
@settings(deadline=None, max_examples=200)
def test_the_ray_through_the_apparent_point_obeys_snells_law(depth, angle, altitude, index):
    distance = math.tan(math.radians(angle)) * altitude
    q, _ = apparent_depth(*doubles(depth, distance, altitude).unbind(), index)
    q = float(q)
    a = math.atan2(distance, altitude + q)
    b = math.asin(math.sin(a) / index)
    assert 0 < q <= depth / index + 1e-12
    assert altitude * math.tan(a) + depth * math.tan(b) == pytest.approx(distance, rel=1e-9, abs=1e-9)


def test_the_derivative_is_that_of_the_depth():
    depth, distance, altitude = views()
    leaf = depth.clone().requires_grad_()
    q, slope = apparent_depth(leaf, distance, altitude)
    close(slope.detach(), torch.autograd.grad(q.sum(), leaf)[0], atol=1e-9)
    step = 1e-6
    ends = [apparent_depth(depth + by, distance, altitude)[0] for by in (-step, step)]
    close(slope.detach(), (ends[1] - ends[0]) / (2 * step), atol=1e-7)
    assert (slope[depth < 0] == 1).all()


def test_from_straight_above_depths_are_divided_by_the_index():
    depth = doubles(-0.4, 0.5, 2)
    q, slope = apparent_depth(depth, torch.zeros(3).double(), torch.full((3,), 20.0).double())
    close(q, doubles(-0.4, 0.5 / 1.34, 2 / 1.34), atol=1e-12)
    close(slope, doubles(1, 1 / 1.34, 1 / 1.34), atol=1e-12)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_depths_have_the_shape_and_type_of_what_is_given(shape, dtype):
    for result in apparent_depth(*(torch.full(shape, value, dtype=dtype) for value in (1.0, 5.0, 12.0))):
        assert result.shape == shape and result.dtype == dtype


# --- the interval of a length


def on_the_picture(x):
    return x["pixels"] * x["altitude_m"] / x["focal_px"]


VALUES = {"pixels": 90.0, "altitude_m": 22.0, "focal_px": 700.0}


def test_of_a_product_the_relative_errors_add_up_in_squares():
    sds = {"altitude_m": 0.04 * 22, "focal_px": 0.0, "pixels": 0.03 * 90}
    low, high, shares = length_interval(on_the_picture, VALUES, sds)
    length = 90 * 22 / 700
    assert (low + high) / 2 == pytest.approx(length)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.05 * length)
    assert shares == pytest.approx({"pixels": 0.36, "altitude_m": 0.64, "focal_px": 0.0})


def test_a_source_that_does_not_matter_and_one_that_is_exact_have_no_share():
    values = VALUES | {"wind_m_s": 5.0}
    sds = dict.fromkeys(values, 0.0) | {"wind_m_s": 3.0, "pixels": 1.0}
    shares = length_interval(on_the_picture, values, sds)[2]
    assert shares == {"pixels": 1.0, "altitude_m": 0.0, "focal_px": 0.0, "wind_m_s": 0.0}


def test_without_errors_the_interval_is_the_length():
    low, high, shares = length_interval(on_the_picture, VALUES, dict.fromkeys(VALUES, 0.0))
    assert low == high == pytest.approx(90 * 22 / 700)
    assert set(shares.values()) == {0.0}


def test_nineteen_of_twenty_lengths_lie_in_the_interval():
    rng, sds = np.random.default_rng(0), {"pixels": 2.0, "altitude_m": 0.7, "focal_px": 6.0}
    low, high, _ = length_interval(on_the_picture, VALUES, sds)
    drawn = {name: torch.from_numpy(rng.normal(VALUES[name], sds[name], 20_000)) for name in VALUES}
    length = on_the_picture(drawn)
    assert float(((low < length) & (length < high)).double().mean()) == pytest.approx(0.95, abs=0.005)


# --- the volume of a body from its widths


def test_volumes_are_those_of_the_course_of_one_body_and_of_many():
    rng = np.random.default_rng(2)
    length, widths, heights = (
        rng.uniform(1.5, 3, 4),
        rng.uniform(0.1, 0.5, (4, 17)),
        rng.uniform(0.1, 0.5, (4, 17)),
    )
    right = [elliptical_volume(*body) for body in zip(length, widths, heights)]
    many = volume_from_widths(*map(torch.from_numpy, (length, widths, heights)))
    close(many, doubles(*right), atol=1e-12)
    for k, volume in enumerate(right):
        one = volume_from_widths(
            torch.tensor(length[k]), *(torch.from_numpy(x[k]) for x in (widths, heights))
        )
        assert one.shape == () and float(one) == pytest.approx(volume)


def test_an_elliptical_double_cone_has_a_third_of_base_times_height():
    along = torch.tensor(STATIONS).double()
    top = 0.5  # a station, so that the body is what is computed
    tent = torch.minimum(along / top, (1 - along) / (1 - top))
    volume = volume_from_widths(doubles(3).squeeze(), 0.4 * tent, 0.2 * tent)
    assert float(volume) == pytest.approx(math.pi / 4 * 0.4 * 0.2 * 3 / 3)


def test_the_volume_can_be_differentiated():
    body = (doubles(2.5, 2.0), torch.rand(2, 17).double() + 0.1, torch.rand(2, 17).double() + 0.1)
    assert torch.autograd.gradcheck(volume_from_widths, [x.requires_grad_() for x in body])
