"""Frames laid on each other at the animal: poses come right, and what drifts past leaves no trace."""

import numpy as np
import pytest

from course_lib.sprite import Body, Patch, evenly, lay, steady_mean
from course_lib.tracker import Tracker

N = 20


def pose(t, length):
    return np.array([130 + 0.012 * length * t, 100 + 0.006 * length * t, 0.02 * t, 0.0, 0.0])


def frame(t, length=90.0, shape=(220, 320)):
    """A two-coloured ellipse that swims and turns over noisy water. -> image, mask"""
    rng = np.random.default_rng(t)
    x, y = Body(length).on_body(pose(t, length), *np.meshgrid(np.arange(shape[1]), np.arange(shape[0])))
    radius = np.hypot(x / 64, y / 17)
    image = np.array([30.0, 90, 110]) + rng.normal(0, 5, (*shape, 3))
    share = ((1 - radius) * 17 / 128 * length / 1.2 + 0.5).clip(0, 1)[..., None]
    image = image * (1 - share) + share * (np.array([70, 75, 90]) + 25 * (x > 20)[..., None])
    return image.clip(0, 255).astype(np.uint8), radius < 1


def test_frames_come_to_lie_on_each_other():
    length, body = 90.0, Body(90.0)
    true = np.stack([pose(t, length) for t in range(N)])
    start = true + np.random.default_rng(0).normal(0, [1.5, 1.5, 0.04, 0, 0], (N, 5))
    patches = [Patch.of(frame(t)[0], p[:2], 80, body.step) for t, p in enumerate(start)]
    counts = (np.hypot(body.x / 72, body.y / 25) < 1).astype(np.float32)
    found = lay(body, patches, start, counts, 250, (2.5, 2.0, 1.5, 1.0, 1.0, 1.0))
    off = found - true
    off -= off.mean(0)  # where all of them lie nobody says
    assert np.abs(off[:, :2]).max() < 0.5 and np.abs(off[:, 2]).max() < 0.02, np.abs(off).max(0)


def test_what_is_hidden_moves_as_its_neighbours_say():
    wanted = np.stack([pose(t, 100) for t in range(N)])
    weights = np.tile(1e4 * np.eye(5), (N, 1, 1))
    weights[8:12] = 0
    wanted[8:12] = 0
    assert np.allclose(evenly(wanted, weights, 100), [pose(t, 100) for t in range(N)], atol=0.2)


def test_what_drifts_past_leaves_no_trace_in_the_mean():
    rng = np.random.default_rng(1)
    stack = rng.normal(100, 2, (40, 30, 3))
    stack[5:15, :10] = 230  # foam, for a quarter of the time
    mean, usual = steady_mean(stack, np.ones((40, 30), bool))
    assert np.abs(mean - 100).max() < 3 and usual.max() < 12


@pytest.mark.slow
@pytest.mark.parametrize("length", [50, 90, 180])
def test_animals_of_all_sizes_keep_their_area(length):
    points = [[130 - 0.4 * length, 100], [130, 100], [130 + 0.4 * length, 100]]
    tracker = Tracker(lambda t: frame(t, length)[0], 12, dict(frame=0, points=points, labels=[1, 1, 1]))
    masks = dict(tracker.propagate({}))
    areas = [masks[t].sum() / frame(t, length)[1].sum() for t in range(12)]
    assert abs(np.mean(areas) - 1) < 0.08, areas
