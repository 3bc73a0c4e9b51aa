"""Colours can be told apart by everybody, and importing `show` is light."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from course_lib import show
from course_lib.show.curves import SEA, TIME_SCALE


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """WCAG 2 contrast ratio."""
    low, high = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = to_xyz @ np.clip(rgb, 0, 1)
    f = np.cbrt(np.maximum(xyz / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_colours_can_be_read_on_light_and_dark_paper():
    for colour, least in [*zip(show.SERIES, [3] * 5), (show.INK, 4)]:
        assert min(contrast(colour, "#ffffff"), contrast(colour, "#12191e")) >= least
    lightness = [lab(linear(colour))[0] for _, colour in TIME_SCALE]
    assert lightness == sorted(lightness) and contrast(TIME_SCALE[0][1], SEA) >= 3


@pytest.mark.parametrize(
    "sight",
    [  # Machado, Oliveira and Fernandes 2009, table for severity 1
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ],
)
def test_colours_differ_for_every_sight(sight):
    seen = [lab(np.array(sight) @ linear(colour)) for colour in show.SERIES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 20


def test_import_is_light():
    code = """import sys, course_lib.show
print([m for m in ("plotly", "matplotlib", "scipy", "numba", "cv2") if m in sys.modules])"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
