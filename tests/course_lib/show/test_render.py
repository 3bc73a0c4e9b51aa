"""Pictures of what a renderer makes."""

import numpy as np
import pytest
import torch

from course_lib import show
from course_lib.errors import CourseError


def test_tiles_put_images_side_by_side():
    images = {"grey": torch.rand(9, 16, 1), "flat": torch.rand(9, 16), "uv": torch.rand(9, 16, 2)}
    picture = show.tiles(images, columns=2, zoom=5)
    assert picture.size == (2 * 16 * 5, 2 * 9 * 5)
    assert np.asarray(picture)[9 * 5 :, 16 * 5 :].max() == 0  # there is no fourth


def test_what_is_no_image_is_named():
    with pytest.raises(CourseError, match=r"\(2, 9, 16, 3\).*images\[0\]"):
        show.tiles({"a batch": torch.zeros(2, 9, 16, 3)})


def test_the_slider_has_a_frame_per_image_and_large_pixels():
    images = {"a": torch.zeros(9, 16), "b": torch.ones(9, 16)}
    figure = show.image_slider(images, outline=torch.zeros(3, 2), start=1)
    assert [frame.name for frame in figure.frames] == ["a", "b"] and figure.layout.sliders[0].active == 1
    image = figure.data[0]
    assert image.source == figure.frames[1].data[0].source
    assert image.x0 - image.dx / 2 == pytest.approx(-0.5) and image.dx == pytest.approx(1 / 30)
    assert figure.data[1].x[0] == 7.5 and figure.data[1].y[0] == 4  # the middle of the image, in pixels


def test_lines_and_ball():
    curves = {"one": torch.ones(3), "two": [1, 2, 3]}
    figure = show.lines(torch.arange(3), curves, "x", "y", mark=(1.0, "here"))
    assert [trace.name for trace in figure.data] == ["one", "two"]
    normal, inside = show.ball(32)
    assert normal.shape == (32, 32, 3) and torch.allclose(normal[inside].norm(dim=-1), torch.ones(()))
