"""Widths along a body, and the volume of ellipses."""

import numpy as np
import pytest
import torch

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.photogrammetry import STATIONS, body_edges, body_spans, elliptical_model, elliptical_volume


@pytest.fixture(scope="module")
def template():
    model = DolphinModel(find_pack())
    return model, (model.V[0] * model.global_scale).numpy(), body_edges(model)


def test_widths_of_the_template_are_its_bodys(template):
    """assets/README.md has its greatest width and height without fins, 16.7 % and 19.1 % of 2.52 m."""
    _, vertices, edges = template
    widths, heights = (body_spans(vertices, edges, axis) for axis in (0, 1))
    assert len(widths) == len(STATIONS) == 17 and np.isfinite(widths).all()
    assert widths.max() == pytest.approx(0.167 * 2.52, rel=0.03)
    assert heights.max() == pytest.approx(0.191 * 2.52, rel=0.03)
    assert widths[0] < widths[3] < widths[7] > widths[12] > widths[16]


def test_widths_scale_and_do_not_depend_on_the_place(template):
    _, vertices, edges = template
    widths = body_spans(vertices, edges)
    np.testing.assert_allclose(body_spans(2 * vertices + [3, 1, -7], edges), 2 * widths, rtol=1e-4)


def test_volume_of_cones():
    """Two cones base to base: a third of base times length."""
    at = np.minimum(STATIONS, 1 - np.array(STATIONS))
    at = np.where(np.array(STATIONS) > 0.5, 1 - np.array(STATIONS), at)
    volume = elliptical_volume(3.0, 0.4 * 2 * at, 0.2 * 2 * at)
    assert volume == pytest.approx(np.pi / 4 * 0.4 * 0.2 * 3.0 / 3, rel=1e-6)


def drawn(angle, pixels=300):
    """An ellipse, 300 x 60 pixels, turned."""
    rows, columns = np.mgrid[:400, :400] - 199.5
    along, across = (
        columns * np.cos(angle) + rows * np.sin(angle),
        rows * np.cos(angle) - columns * np.sin(angle),
    )
    return (along / (pixels / 2)) ** 2 + (across / (pixels / 10)) ** 2 <= 1


@pytest.mark.parametrize("angle", [0, 0.4, 1.3, 2.5])
def test_an_ellipse_is_measured(angle):
    length, widths, volume = elliptical_model(drawn(angle), 0.01, np.ones(len(STATIONS)))
    assert length == pytest.approx(3.0, rel=0.01)
    expected = 0.6 * np.sqrt(1 - (2 * np.array(STATIONS) - 1) ** 2)
    beside = np.array(STATIONS) > 0.42
    np.testing.assert_allclose(widths[beside], expected[beside], rtol=0.03)
    assert volume == pytest.approx(np.pi / 6 * 3 * 0.6**2, rel=0.06)


@pytest.mark.parametrize("mask", [np.zeros((9, 9), bool), np.eye(9, dtype=bool)], ids=["empty", "tiny"])
def test_what_is_no_body_is_said(mask):
    with pytest.raises(CourseError, match="too small"):
        elliptical_model(mask, 0.01, np.ones(len(STATIONS)))


def test_two_pieces_are_said():
    mask = np.zeros((40, 300), bool)
    mask[15:25, 10:60] = mask[15:25, 200:290] = True
    with pytest.raises(CourseError, match="one piece"):
        elliptical_model(mask, 0.01, np.ones(len(STATIONS)))


def test_edges_are_of_the_body_alone(template):
    model, _, edges = template
    parts = model.LBS.v_labels_coarse[torch.from_numpy(edges)].unique()
    assert parts.tolist() == [0, 1, 2, 3]  # trunk, head and tail stock
