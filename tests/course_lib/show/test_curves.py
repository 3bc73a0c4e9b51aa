"""Tracks, losses, series, orientation: what the figures hold."""

import numpy as np
import pytest

from course_lib import show
from course_lib.errors import CourseError

T = 12
TIME = np.arange(T) / 50


def test_track_is_drawn_as_the_drone_sees_it():
    track = np.stack([0 * TIME + 1, 0 * TIME - 0.4, 2 * TIME], -1)
    known = dict(heading_deg=np.full(T, 30.0), truth=track, altitude_m=10.0)
    figure = show.track_figure(track[:, None], time_s=TIME, **known)
    high, low = figure.layout.xaxis.range
    assert high > low and figure.layout.yaxis.scaleanchor == "x"  # +x to the left, equal scales
    traces = {trace.name: trace for trace in figure.data}
    assert set(traces) == {"seen by the camera", "truth", "fit", "heading"}
    assert max(traces["seen by the camera"].x) == pytest.approx(5 * 17.27 / 12.29)
    # heading 30 deg is towards +x, so to the left of the page's up: marker angles grow clockwise
    assert set(np.round(traces["heading"].marker.angle)) == {-30.0}
    assert len(show.track_figure(track[:1]).data) == 1


@pytest.mark.parametrize(
    "history",
    [
        [{"total": 2.0, "mask_iou": 1.0}, {"total": 1.0, "mask_iou": 0.25, "late": 3.0}],
        {"mask_iou": [1.0, 0.25], "total": np.array([2.0, 1.0]), "late": [np.nan, 3.0]},
    ],
)
def test_loss_curves_take_both_forms_and_both_axes(history):
    figure = show.loss_curves(history)
    curves = {trace.name: list(trace.y) for trace in figure.data}
    assert list(curves)[0] == "total" and curves["mask iou"] == [1.0, 0.25]
    assert figure.layout.yaxis.type == "log"
    assert show.loss_curves(history, log=False).layout.yaxis.type == "linear"


def test_loss_curves_show_the_terms_that_are_asked_for_and_their_buttons_leave_the_legend_free():
    figure = show.loss_curves([{"mask_iou": 1.0, "pose": 0.1, "loss": 1.1}], shown=("mask_iou",))
    visible = {trace.name: trace.visible for trace in figure.data}
    assert visible == {"loss": True, "mask iou": True, "pose": "legendonly"}
    assert figure.layout.updatemenus[0].yanchor == "top" and figure.layout.updatemenus[0].y == 0
    assert figure.layout.legend.yanchor == "bottom" and figure.layout.legend.y > 1


@pytest.mark.parametrize("history", [[], {}, {"total": []}, {"total": [1.0, 2.0], "iou": [1.0]}])
def test_loss_curves_refuse_histories_without_sense(history):
    with pytest.raises(CourseError, match="history"):
        show.loss_curves(history)


def test_series_are_stacked_and_the_truth_lies_under_the_fit():
    panels = {"IoU": np.ones(T), "height (m)": {"fit": np.zeros(T), "truth": np.ones(T)}}
    figure = show.series_over_time(panels, TIME)
    drawn = [(trace.name, trace.yaxis) for trace in figure.data]
    assert drawn == [("IoU", "y"), ("truth", "y2"), ("fit", "y2")]


@pytest.mark.parametrize(
    "panels, says", [({"IoU": np.ones(T), "other": np.ones(3)}, "3 values for 12"), ({}, "panels is dict")]
)
def test_series_that_do_not_fit_are_refused(panels, says):
    with pytest.raises(CourseError, match=says):
        show.series_over_time(panels)


def test_a_series_has_the_colour_of_the_legend_in_every_panel():
    one, two = np.zeros(T), np.ones(T)
    panels = {"a": {"first": one, "second": two}, "b": {"truth": one, "second": two, "third": one}}
    figure = show.series_over_time(panels, TIME)
    first, second, again, third = (trace.line.color for trace in figure.data if trace.name != "truth")
    assert second == again and second not in (first, third)


def turning(start_deg, stop_deg, n=50):
    """A steady turn about a slightly tilted vertical axis: continuous vectors, and the same within pi."""
    axis = np.array([0.05, 1.0, -0.03]) / np.linalg.norm([0.05, 1.0, -0.03])
    angle = np.radians(np.linspace(start_deg, stop_deg, n))[:, None]
    return angle * axis, (np.mod(angle + np.pi, 2 * np.pi) - np.pi) * axis


def test_a_wrap_is_a_leap_of_a_small_turn():
    continuous, stored = turning(120, 240)
    assert show.orientation_jumps(continuous) == []
    [(t, leap, turn)] = show.orientation_jumps(stored)
    assert continuous[t, 1] < np.pi < np.linalg.norm(continuous[t + 1])
    assert leap == pytest.approx(360, abs=3) and turn == pytest.approx(120 / 49, abs=1e-3)


@pytest.mark.parametrize(
    "first, second, expected", [(3.1, -0.5, 360 - np.degrees(3.6)), (1.2, -1.2, np.degrees(2.4))]
)
def test_a_flip_is_a_leap_of_a_large_turn(first, second, expected):
    [(_, _, turn)] = show.orientation_jumps([[0.0, first, 0.0], [0.0, second, 0.0]])
    assert turn == pytest.approx(expected, abs=1e-6)


def test_orientation_figure_marks_the_jump_and_says_what_it_is():
    continuous, stored = turning(120, 240)
    known = dict(truth_heading_deg=np.linspace(120, 240, 50) - 360, time_s=np.arange(50) / 50)
    figure = show.orientation_figure(stored[:, None], continuous, **known)
    [label] = [a for a in figure.layout.annotations if "jumps" in a.text]
    assert "turns by 2.4°" in label.text
    above_the_panel = ("y domain", 1, "bottom")  # not on the curves
    assert (label.yref, label.y, label.yanchor) == above_the_panel
    assert not any("gimbal" in (a.text or "").lower() for a in figure.layout.annotations)
    y = {(trace.name, trace.yaxis): np.array(trace.y) for trace in figure.data}
    assert np.abs(np.diff(y["y", "y"])).max() > 350 and np.abs(np.diff(y["y", "y2"])).max() < 5
    # the truth is a whole turn apart, as unwrapped angles may be, and is brought back
    assert np.abs(y["heading, fit", "y3"] - y["heading, truth", "y3"]).max() < 5
    assert len({trace.yaxis for trace in show.orientation_figure(stored).data}) == 2


def test_heading_of_known_rotations():
    figure = show.orientation_figure([[0.0, 0.0, 0.0], [0.0, np.pi / 2, 0.0]])
    assert list(figure.data[-1].y) == pytest.approx([0, 90])
