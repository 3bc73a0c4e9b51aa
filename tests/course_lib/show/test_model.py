"""Figures of the template: what they show, that they are plain plotly figures, and that any axis will do."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from course_lib import show
from course_lib.errors import CourseError
from course_lib.show.model import part_colours


def test_rotation_figure_takes_whole_numbers_and_ends_where_it_began():
    figure = show.rotation_figure(axis=(1, 2, 2), vector=(1, 0, 0), steps=25)
    tips = np.array([[frame.data[1][c][1] for c in "yzx"] for frame in figure.frames], float)  # (N, 3): R v
    assert type(figure) is go.Figure and len(figure.frames) == 25
    np.testing.assert_allclose(tips[[0, -1]], [[1, 0, 0]] * 2, atol=1e-3)
    np.testing.assert_allclose(tips[12], [-7 / 9, 4 / 9, 4 / 9], atol=1e-3)  # half a turn: 2 n (n . v) - v


def test_bend_figure_leaves_out_what_never_rotates(model):
    figure = show.bend_figure(model, axis="y", steps=3)
    menu = [button.label for button in figure.layout.updatemenus[0].buttons]
    assert menu == [f"part {p}, about y" for p in (1, 2, 3, 5, 6)]
    assert len(figure.frames) == 3 * len(menu)
    assert [slider.visible for slider in figure.layout.sliders] == [True] + [False] * 4
    step = figure.layout.sliders[4].steps[2]
    assert step.label == "40°" and list(step.args[0]) == ["14"]


def test_scale_figure_scales(model):
    figure = show.scale_figure(model, parts=(1,), largest=0.2, steps=3)
    frame = figure.frames[3 * 1 + 2].data[0]  # all parts, x, +0.2; plotly's y is the world's x
    width, height = np.ptp(model.V[0, :, :2].numpy(), axis=0)
    assert np.ptp(np.asarray(frame.y)) == pytest.approx(1.2 * width, rel=5e-3)
    assert np.ptp(np.asarray(frame.z)) == pytest.approx(height, rel=5e-3)


def test_parts_and_weights(model):
    assert part_colours(model).shape == (model.V.shape[1], 3)
    assert [trace.name for trace in show.parts_figure(model).data[1:]] == [f"part {p}" for p in range(7)]
    drawn = show.weights_figure(model, 7).data[0].intensity
    np.testing.assert_allclose(drawn, model.weights[:, 7].numpy(), atol=6e-3)


def test_turns_figure_uses_the_function_it_is_given(model):
    seen = []

    def rodrigues(theta):
        seen.append(theta)
        return torch.eye(3).repeat(len(theta), 1, 1)

    assert len(show.turns_figure(model, rodrigues).axes) == 4
    assert seen[0].shape == (4, 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda R: R.flatten(1), "shape"),
        (lambda R: R / 0, "theta is \\(0.0, 0.0, 0.0\\)"),
        (lambda R: None, "must be a tensor"),
        (torch.Tensor.double, "float32"),
    ],
)
def test_what_turns_the_dolphin_is_blamed_where_it_is_wrong(model, wrong, said):
    def rodrigues(theta):
        return wrong(torch.eye(3).repeat(len(theta), 1, 1))

    with pytest.raises(CourseError, match=f"rodrigues.*{said}"):
        show.turns_figure(model, rodrigues)
