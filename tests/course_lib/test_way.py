"""The way of an animal: through foam that drifts past it, and over frames in which it is hidden."""

import numpy as np

from course_lib.way import Search, Ways, way

N = 24


def best_way(poses, scores, length):
    """The best way through each frame's candidates (N, 3) and their scores (N,)."""
    ways = Ways(poses[0][0], length)
    for each in zip(poses[1:], scores[1:]):
        ways.add(*each)
    return ways.best()


def at(t):
    return 60 + 5.0 * t, 60 + 1.5 * t


def frame(t, foam=True):
    """A grey ellipse that swims to the right, under froth that drifts to the left. -> image, mask"""
    rng = np.random.default_rng(t)
    y, x = np.mgrid[:160, :260]
    mask = ((x - at(t)[0]) / 26) ** 2 + ((y - at(t)[1]) / 7) ** 2 < 1
    image = np.array([20.0, 60, 90]) + rng.normal(0, 4, (160, 260, 1))
    image = np.where(mask[..., None], [62, 88, 104], image)
    if foam:
        froth = np.hypot((x - 160 + 2 * t) / 1.5, y - 72) < 14
        image[froth & (np.random.default_rng(7).random((160, 260)) < 0.6)] = 235
    return image.clip(0, 255).astype(np.uint8), mask


def test_it_goes_on_behind_foam_and_does_not_take_the_foam_along():
    image, mask = frame(0)
    start = (*at(0), 0.0)
    poses, seen = way(Search(image, mask, start, 150), lambda t: frame(t)[0], list(range(N)), start)
    off = [np.hypot(*(poses[t, :2] - at(t))) for t in range(N)]
    assert max(off) < 13 and np.median(off) < 4, off
    assert seen.sum() > 0.7 * N


def test_frames_that_lead_nowhere_are_passed_over():
    poses = [np.array([[10.0 * t, 0, 0.0], [200, 90, 1.0]]) for t in range(10)]
    scores = [np.array([1.0, 0.5])] * 10
    poses[5], scores[5] = np.array([[200.0, 90, 1.0]]), np.array([0.9])  # only something else is seen
    found, seen = best_way(poses, scores, 100)
    assert list(np.nonzero(~seen)[0]) == [5]
    assert np.allclose(found[:, 0], 10.0 * np.arange(10)) and np.allclose(found[:, 1], 0)


def test_it_turns_the_short_way():
    angles = np.linspace(2.6, 4.0, 8)
    poses = [np.array([[10.0 * t, 0, np.angle(np.exp(1j * a))]]) for t, a in enumerate(angles)]
    found, seen = best_way(poses, [np.ones(1)] * 8, 100)
    assert seen.all() and np.abs(np.diff(found[:, 2])).max() < 0.3
