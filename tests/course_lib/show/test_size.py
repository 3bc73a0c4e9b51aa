"""show.size_figure: the animal lies straight, with its widths where they were measured."""

import numpy as np
import pytest

from course_lib import show
from course_lib.errors import CourseError

# A flat rhombus, 2 m long, 0.6 m wide, whose rostrum is at z = 1.
VERTICES = np.array([[0.0, 0, 1], [0.3, 0, 0], [0, 0, -1], [-0.3, 0, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 2, 1], [0, 3, 2]])
STATIONS, WIDTHS = [0.25, 0.5], [0.3, 0.6]


def draw(**more):
    return show.size_figure(VERTICES, FACES, STATIONS, WIDTHS, **more)


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_the_rostrum_is_on_the_left_and_the_body_as_wide_as_it_is():
    [body] = named(draw(), "the animal, from above")
    assert np.nanmin(body.x) == 0 and np.nanmax(body.x) == pytest.approx(2)
    assert np.nanmax(body.y) == pytest.approx(0.3) and np.nanmin(body.y) == pytest.approx(-0.3)
    assert np.isnan(body.y).sum() == 2  # the two faces that look up, each by itself


def test_widths_are_drawn_across_at_their_places():
    [bars] = named(draw(), "width")
    np.testing.assert_allclose(bars.x[[0, 3]], [0.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(bars.y[[0, 1, 3, 4]], [-0.15, 0.15, -0.3, 0.3], atol=1e-6)


def test_intervals_are_drawn_on_both_sides_and_told():
    figure = draw(low=[0.2, 0.5], high=[0.4, 0.8])
    left, right = named(figure, "95 % interval")
    np.testing.assert_allclose(left.y[:2], [0.1, 0.2], atol=1e-6)
    np.testing.assert_allclose(right.y[:2], [-0.1, -0.2], atol=1e-6)
    assert figure.data[-1].text[1] == "50 % of the length: 60.0 cm (50.0 to 80.0)"


def test_what_does_not_fit_is_told():
    with pytest.raises(CourseError, match="widths has 1 values; expected 2"):
        show.size_figure(VERTICES, FACES, STATIONS, [0.3])
    with pytest.raises(CourseError, match="stations have shape"):
        show.size_figure(VERTICES, FACES, [], [])
