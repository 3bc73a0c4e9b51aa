"""Dolphins that look the same to a camera: a slider through them, and what a loss says of each."""

import numpy as np

from course_lib import show

EYE = np.array([0.3, 11.0, -0.2])
BODY = np.stack([np.linspace(-1.3, 1.3, 60), np.zeros(60), np.tile([-0.1, 0.0, 0.1], 20)], -1)  # (V, 3)
SCALES = (1.0, 0.9, 0.8)


def figure(**terms):
    vertices = np.stack([EYE + g * (BODY - EYE) for g in SCALES])
    pixels = np.broadcast_to(np.arange(120.0).reshape(1, 60, 2), (3, 60, 2))
    dolphins = {f"g = {g}": f"{2.6 * g:.2f} m" for g in SCALES}
    return show.nearness_figure(dolphins, vertices, EYE, pixels, terms)


def test_the_world_changes_and_the_picture_does_not():
    shown = figure(mask=(0.2, 0.2, 0.2), place=(0.3, 0.2, 0.1), sum=(0.5, 0.4, 0.3))
    assert [step.label for step in shown.layout.sliders[0].steps] == ["g = 1.0", "g = 0.9", "g = 0.8"]
    body, rays, note, picture, bars = zip(*(frame.data for frame in shown.frames))
    heights = [np.mean(one.y) for one in body]
    assert heights == sorted(heights) and heights[0] < heights[-1]
    np.testing.assert_allclose([np.ptp(one.x) / np.ptp(body[0].x) for one in body], SCALES, atol=1e-3)
    assert all(np.array_equal(one.x, picture[0].x) for one in picture)
    assert [ray.x[1] for ray in rays] == [0] * 3 and [ray.y[1] for ray in rays] == [11.0] * 3
    assert note[1].text == ("2.34 m",)
    assert bars[2].y == ("sum", "place", "mask") and bars[2].text == ("0.300", "0.100", "0.200")
    first = shown.data[4].marker.color
    assert first[0] != first[1] == first[2]  # the sum stands out


def test_minima_are_marked_whatever_the_size_of_the_values():
    x = np.linspace(-1, 1, 21)
    shown = show.minima(x, {"large": 1e3 * (x - 0.2) ** 2, "flat": np.ones(21)}, "x")
    curve, dot, flat, _ = shown.data
    assert min(curve.y) == 0 and max(curve.y) == 1 and set(flat.y) == {0}
    assert dot.x[0] == np.float64(x[12]) and "customdata" in curve.hovertemplate
