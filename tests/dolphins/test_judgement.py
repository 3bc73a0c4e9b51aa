"""dolphins.judgement: a bad fit says so without the truth, a good one says nothing."""

import subprocess
import sys

import pytest
import torch

from dolphins.judgement import doubts

T = 40


def fit(**changes):
    """A good fit of a dolphin that swims 2 m/s straight ahead, and how it differs from it."""
    masks = torch.zeros(T, 60, 80, dtype=torch.uint8)
    for t in range(T):
        masks[t, 25:35, 10 + t % 2 : 60 + t % 2] = 255
    positions = torch.zeros(T, 3)
    positions[:, 2] = 0.04 * torch.arange(T)
    good = dict(overlap=torch.full((T,), 0.93), history=[{"outline": 0.5**k} for k in range(10)])
    good |= dict(odd_form=[], rotmats=torch.eye(3).repeat(T, 1, 1))
    good |= dict(positions=positions, fps=50, length_m=2.6, masks=masks, reach=None)
    return good | changes


def turned(frames):
    rotmats = torch.eye(3).repeat(T, 1, 1)
    rotmats[frames] = torch.diag(torch.tensor([-1.0, 1, -1]))
    return rotmats


def astray(frames):
    overlap = torch.full((T,), 0.93)
    overlap[frames] = 0.4
    return overlap


def masks_without(frames):
    masks = fit()["masks"].clone()
    masks[frames, :, 20:] = 0
    return masks


def round_masks():
    masks = torch.zeros(T, 60, 80, dtype=torch.uint8)
    masks[:, 20:40, 20:40] = 255
    return masks


def at_the_border(count):
    masks = fit()["masks"].clone()
    masks[T - count :] = masks[T - count :].roll(20, dims=2)
    return masks


def leaping():
    positions = fit()["positions"].clone()
    positions[20, 0] += 0.5
    return positions


def test_a_good_fit_says_nothing():
    assert doubts(**fit()) == []


CASES = {
    "overlap 0.27": (dict(overlap=torch.full((T,), 0.27)), True, "not to be trusted"),
    "overlap 0.85": (dict(overlap=torch.full((T,), 0.85)), False, "0.85"),
    "a frame astray": (dict(overlap=astray([7])), False, "Frame 7 covers far less of its mask"),
    "half astray": (dict(overlap=astray(slice(0, 15))), True, "15 frames (0 to 14) cover"),
    "loss rises": (dict(history=[{"outline": v} for v in (4, 2, 1, 1, 1.5)]), False, "rose again"),
    "loss rises above its start": (dict(history=[{"outline": v} for v in (1, 1, 1.5, 2)]), True, "astray"),
    "a whale": (dict(length_m=13.0), True, "13.00 m"),
    "a herring": (dict(length_m=0.3), True, "newborn"),
    "a short tail stock": (dict(odd_form=["The stock is short."]), False, "The stock is short. Is it"),
    "nothing right": (dict(odd_form=["The stock is short."] * 3), True, "The stock is short. Is it"),
    "tail first": (dict(rotmats=turned([11])), True, "From frame 10 to the next the body turns by 180"),
    "a leap": (dict(positions=leaping()), False, "leaps"),
    "a mask of a fin": (dict(masks=masks_without([5])), False, "1 of 40 masks (first that of frame 5)"),
    "a third of the masks": (dict(masks=masks_without(slice(0, 15))), True, "15 of 40 masks"),
    "leaves the picture": (dict(masks=at_the_border(12)), False, "In 12 of 40 frames (first in frame 28)"),
    "never seen whole": (dict(masks=at_the_border(40)), True, "touches the picture's border"),
    "a patch of foam": (dict(masks=round_masks()), True, "are they of the animal?"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said(name):
    changes, grave, words = CASES[name]
    found = doubts(**fit(**changes))
    assert any(words in doubt.text for doubt in found), found
    assert any(doubt.grave for doubt in found) == grave
    assert all("\n" not in doubt.text and "  " not in doubt.text for doubt in found)


def test_a_band_that_narrows_is_no_rising_loss():
    """The outline's loss is in units of the band's reach: the same misfit of pixels is four times as much."""
    reach = torch.linspace(4, 2, 20)
    history = [{"outline": float(2 / of**2)} for of in reach]
    assert doubts(**fit(history=history, reach=(4.0, 2.0))) == []


def test_frames_in_which_the_animal_was_lost_are_said_and_not_judged():
    sure = torch.ones(T)
    sure[:6] = 0
    [doubt] = doubts(**fit(overlap=astray(slice(0, 6)), sure=sure))
    assert "In 6 of 40 frames the animal was lost" in doubt.text and not doubt.grave
    [_, doubt] = doubts(**fit(overlap=astray([0, 1, 2, 9]), sure=sure))
    assert "Frame 9 covers" in doubt.text
    sure[:20] = 0
    assert doubts(**fit(sure=sure))[0].grave


def test_three_frames_are_few():
    short = fit(overlap=torch.full((3,), 0.93), rotmats=torch.eye(3).repeat(3, 1, 1))
    short |= dict(positions=short["positions"][:3], masks=short["masks"][:3])
    assert "3 frames" in doubts(**short)[0].text


def pictures(at, animal=60):
    """Grey pictures with noise, in which something darker lies `at` rows from the masks of `fit`."""
    noise = torch.randint(0, 12, (T, 60, 80, 3), generator=torch.Generator().manual_seed(0))
    inside = fit()["masks"].roll(at, 1)[..., None] > 127
    return torch.where(inside, animal, 120).add(noise).to(torch.uint8)


def test_masks_that_lie_where_there_is_water_are_not_of_the_animal():
    assert doubts(**fit(frames=pictures(0))) == []
    [doubt] = doubts(**fit(frames=pictures(20)))
    assert doubt.grave and "colours of the water around" in doubt.text
    [doubt] = doubts(**fit(frames=pictures(0, animal=120)))
    assert doubt.grave


def test_one_mask_for_all_frames_is_no_swimming_animals():
    masks = fit()["masks"][:1].repeat(T, 1, 1)
    [doubt] = doubts(**fit(masks=masks))
    assert doubt.grave and f"{T - 1} of {T} masks are the very ones of the frame before" in doubt.text


@pytest.mark.parametrize("unsure, graves", [(4, []), (15, [False]), (30, [True])])
def test_masks_that_their_maker_doubts(unsure, graves):
    sure = torch.full((T,), 0.9)
    sure[:unsure] = 0.5
    assert [doubt.grave for doubt in doubts(**fit(sure=sure))] == graves


def test_frames_in_which_it_surfaces_that_are_at_odds_with_what_was_said():
    [doubt] = doubts(**fit(off=-0.3))
    assert not doubt.grave and "put it 0.30 m lower" in doubt.text


WEIGHED = """
import torch
from course_lib.machine import peak_rss_mb
from dolphins import judgement
masks = torch.zeros(200, 360, 640, dtype=torch.uint8)
masks[::2, 100:120, 100:200] = masks[1::2, 100:120, 101:201] = 255
few = masks[:20].clone()
list(judgement._of_masks(few, torch.arange(20)))
before = peak_rss_mb()
assert not list(judgement._of_masks(masks, torch.arange(200)))
print(peak_rss_mb() - before)
"""


def test_looking_at_the_masks_takes_no_more_memory_than_a_copy_of_them():
    done = subprocess.run([sys.executable, "-c", WEIGHED], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100  # MB, for 46 MB of masks
