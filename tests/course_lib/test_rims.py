"""Outlines looked for across a fit: where colours change, whatever its size, and where they do not."""

import numpy as np
import pytest

from course_lib.rims import Pieces, Rim, across_outlines, confidence

SHAPE, FRAMES, FINER = (70, 120), 8, 3


def ellipse(grow=0.0, finer=1):
    y, x = (np.mgrid[: SHAPE[0] * finer, : SHAPE[1] * finer] + 0.5) / finer - 0.5
    return ((x - 60) / (36 + grow)) ** 2 + ((y - 35) / (10 + grow)) ** 2 < 1


def rims_of(grow):
    """The rim of an ellipse whose faces are 24 sectors, in each frame, and its pieces."""
    y, x = (np.mgrid[: SHAPE[0] * FINER, : SHAPE[1] * FINER] + 0.5) / FINER - 0.5
    sector = ((np.arctan2((y - 35) / 10, (x - 60) / 36) / (2 * np.pi) + 0.5) * 24).astype(int).clip(0, 23)
    rim = Rim.of(np.where(ellipse(grow, FINER), sector, -1), (0, 0), FINER)
    turn = (np.arange(24) + 0.5) / 24 * 2 * np.pi - np.pi
    rest = np.repeat(np.stack([10 * np.sin(turn), 0 * turn, 36 * np.cos(turn)], 1), 3, 0)
    rims = [rim] * FRAMES
    return rims, Pieces.of(rest, np.arange(72).reshape(24, 3), rims, 1.0)


def picture(t, contrast=40):
    rng = np.random.default_rng(t)
    image = np.full((*SHAPE, 3), 90.0) + contrast * ellipse()[..., None] + rng.normal(0, 6, (*SHAPE, 3))
    return image.clip(0, 255).astype(np.uint8)


def masks_from(grow, read=picture, sure=1.0):
    rims, pieces = rims_of(grow)
    moved, step = across_outlines(read, rims, pieces, np.full(FRAMES, sure))
    masks = [rim.mask(moved[t][pieces.of_face[rim.faces]], SHAPE) for t, rim in enumerate(rims)]
    return np.stack(masks), step


def overlap(masks):
    return (masks & ellipse()).sum((1, 2)) / (masks | ellipse()).sum((1, 2))


@pytest.mark.parametrize("grow", [-2.0, 0.0, 2.0])
def test_the_outline_is_found_from_a_fit_that_is_too_small_or_too_large(grow):
    masks, step = masks_from(grow)
    assert overlap(masks).min() > 0.93
    assert abs(masks.sum() / (FRAMES * ellipse().sum()) - 1) < 0.05
    assert confidence(step).min() > 0.8


def test_without_an_animal_nobody_is_sure():
    _, step = masks_from(0.0, lambda t: picture(t, contrast=0))
    assert confidence(step).max() < 0.4


def test_what_foam_hides_is_taken_from_the_fit():
    def read(t):
        image = picture(t)
        image[15:35, 40:60] = 250
        return image

    masks, _ = masks_from(0.0, read)
    assert overlap(masks).min() > 0.9


def test_a_frame_without_an_outline_is_left_out():
    rims, pieces = rims_of(0.0)
    moved, step = across_outlines(picture, [None, *rims[1:]], pieces, np.ones(FRAMES))
    assert step[0] == 0 and confidence(step)[0] == 0 and not moved[0].any()
    assert Rim.of(np.full((30, 30), -1), (0, 0), 3) is None
