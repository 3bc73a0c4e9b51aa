"""course_lib.uncertainty: intervals follow what is not known, as geometry says they must."""

import copy
import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from course_lib.assets import find_pack, ready_fit
from course_lib.assets.clip_info import ClipInfo
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.lens import Lens
from course_lib.metrics import mask_iou
from course_lib.scene import DolphinScene
from course_lib.uncertainty import Beliefs, Interval, Linearised, beliefs_about, intervals, outline_error
from course_lib.video import SegmentedVideo
from solutions.recipes import DefaultRecipe
from solutions.results import body_length, mesh_volume

NOTHING = Beliefs(**{one.name: 0.0 for one in fields(Beliefs)})


def only(**values):
    """Beliefs in which everything else is known exactly."""
    return Beliefs(**{one.name: values.get(one.name, 0.0) for one in fields(Beliefs)})


@pytest.fixture(scope="module")
def fitted():
    dataset = SegmentedVideo(find_pack())
    scene = DolphinScene(DolphinModel(find_pack()), len(dataset))
    scene.load(ready_fit("default"))
    return scene, dataset


@pytest.fixture(scope="module")
def measure(fitted):
    faces = fitted[0].model.F
    return lambda rest: {"length": float(body_length(rest)), "volume": float(mesh_volume(rest, faces))}


@pytest.fixture(scope="module")
def linearised(fitted, measure):
    return Linearised(*fitted, DefaultRecipe.held_by(fitted[1].known), measure, stride=20)


def distance(dataset, scene):
    """Of the camera from the animal, metres."""
    return float((dataset.cam_eye[:, 1] - scene.translations[:, 0, 1]).mean().detach())


def test_altitude_is_a_scale(fitted, linearised):
    """A drone that is 1 % farther away than it thinks sees an animal that is 1 % longer, 3 % larger."""
    scene, dataset = fitted
    found = linearised.intervals(only(altitude_m=0.3))
    share = 0.3 / distance(dataset, scene)
    assert found["length"].sd == pytest.approx(share, rel=0.12)
    assert found["volume"].sd == pytest.approx(3 * share, rel=0.12)
    assert set(name for name, sd in found["length"].sources.items() if sd > 1e-9) == {"altitude"}


def test_focal_length_is_a_scale(linearised):
    found = linearised.intervals(only(focal=0.03))
    assert found["length"].sd == pytest.approx(0.03, rel=0.12)
    assert found["volume"].sd == pytest.approx(0.09, rel=0.12)


def test_sources_are_independent(linearised):
    both = linearised.intervals(only(altitude_m=0.3, noise_px=0.5))["length"]
    one, other = (linearised.intervals(only(**{name: value}))["length"].sd for name, value in
                  (("altitude_m", 0.3), ("noise_px", 0.5)))  # fmt: skip
    assert both.sd == pytest.approx(math.hypot(one, other), rel=0.02)


def test_masks_that_are_too_large_make_more_of_the_volume_than_of_the_length(linearised):
    found = linearised.intervals(only(bias_px=0.3))
    assert found["volume"].sd > 3 * found["length"].sd > 0


def test_the_unseen_height_is_in_the_volume_alone(linearised):
    found = linearised.intervals(only(height=0.05))
    assert found["volume"].sd == pytest.approx(0.05, rel=0.25)
    assert found["length"].sd < 0.005


def test_a_beat_of_the_flukes_shortens_by_its_square(linearised):
    small, large = (linearised.intervals(only(beat_deg=of))["length"].sd for of in (5.0, 10.0))
    assert large == pytest.approx(4 * small, rel=1e-6) and 0.003 < large < 0.03


def test_masks_that_are_not_trusted_do_not_count(fitted, measure):
    scene, dataset = fitted
    clip = copy.copy(dataset)
    clip.confidence = torch.ones(len(clip))
    clip.confidence[: len(clip) // 2] = 0
    half = Linearised(scene, clip, DefaultRecipe.held_by(clip.known), measure, stride=20)
    ignored = half.points.frames < len(half.frames) // 2
    assert (half.points.weights[ignored] == 0).all() and (half.points.weights[~ignored] > 0).all()
    whole = Linearised(scene, dataset, DefaultRecipe.held_by(clip.known), measure, stride=20)
    wide, narrow = (one.intervals(only(noise_px=0.5))["volume"].sd for one in (half, whole))
    assert wide > 1.1 * narrow


def test_what_is_known_exactly_adds_nothing(linearised):
    assert linearised.intervals(NOTHING)["volume"].sd < 0.01


def test_the_default_interval_is_what_a_biologist_would_expect(fitted, measure):
    found = intervals(*fitted, DefaultRecipe.held_by(fitted[1].known), measure)
    length, volume = found["length"], found["volume"]
    assert length.low < length.median < length.high
    assert 0.01 < length.sd < 0.04 and 0.05 < volume.sd < 0.15
    assert max(length.sources, key=length.sources.get) == "altitude"


def test_an_interval_is_of_ratios():
    one = Interval(2.0, {"altitude": 0.03, "depth": 0.04})
    assert one.sd == pytest.approx(0.05)
    assert one.low * one.high == pytest.approx(4.0) and one.high == pytest.approx(2 * math.exp(0.098))
    mass = one.times(1025, density=0.12)
    assert mass.median == 2050 and mass.sd == pytest.approx(0.13)


@pytest.mark.parametrize("value", [-1, math.inf, math.nan, "much", None])
def test_an_uncertainty_that_is_none_is_told_in_one_line(value):
    with pytest.raises(CourseError, match="altitude_m is .*expected the standard deviation") as told:
        Beliefs(altitude_m=value)
    assert "\n" not in str(told.value)


def test_beliefs_are_the_clips():
    altitudes = np.full(3, 10, np.float32)
    assert beliefs_about(ClipInfo(30, altitudes)).altitude_m == Beliefs().altitude_m
    known = ClipInfo(30, altitudes, altitude_sd_m=1.5, lens=Lens(model="a drone's"), fin_out_sd_m=0.3)
    assert beliefs_about(known).depth_m == 0.3
    assert beliefs_about(known).altitude_m == 1.5 and beliefs_about(known).focal == 0.03
    known = ClipInfo(30, altitudes, 0.2, Lens(model="a drone's"), {"known_length": {"bias_m": 0.1}})
    assert beliefs_about(known).focal == 0


def with_ragged_outlines(sd, n=20, radius=24.0):
    """Ellipses, and the same with an outline that is off by `sd` pixels. -> two masks (n, 96, 96) uint8"""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:96, :96] - 47.5
    angle, distance = np.arctan2(2 * y, x), np.hypot(x, 2 * y)
    waves = rng.normal(size=(n, 2, 5)) * np.sqrt(1 / 5)
    orders = np.arange(1, 6)[:, None, None] * angle  # (5, 96, 96)
    off = np.einsum("tk,kyx->tyx", waves[:, 0], np.cos(orders))
    off += np.einsum("tk,kyx->tyx", waves[:, 1], np.sin(orders))
    steep = np.hypot(x, 4 * y) / np.maximum(distance, 1e-6)  # of the distance, a pixel across the outline
    both = np.broadcast_to(distance < radius, off.shape), distance < radius + sd * off * steep
    return [torch.from_numpy(255 * mask.astype(np.uint8)) for mask in both]


@pytest.mark.parametrize("sd", [0.8, 1.5, 2.5])
def test_an_overlap_says_how_far_outlines_are_off(sd):
    true, masks = with_ragged_outlines(sd)
    overlap = mask_iou(true > 127, masks > 127)
    assert outline_error(masks, overlap) == pytest.approx(sd, rel=0.2)
    lost = torch.zeros(40, dtype=bool)
    lost[::2] = True  # frames in which nothing was found do not count
    masks, overlap = masks.repeat_interleave(2, 0), overlap.repeat_interleave(2, 0)
    assert outline_error(masks, overlap.where(lost, 0.0)) == pytest.approx(sd, rel=0.2)


def test_masks_that_their_maker_doubts_make_the_outline_less_sure():
    known, masks = ClipInfo(30, np.full(20, 10, np.float32)), with_ragged_outlines(1.0)[1]
    assert beliefs_about(known, masks, torch.ones(20)) == Beliefs()
    sure, less = (beliefs_about(known, masks, torch.full((20,), c)) for c in (0.9, 0.5))
    assert less.bias_px / Beliefs().bias_px == pytest.approx(less.noise_px / Beliefs().noise_px)
    assert Beliefs().bias_px < sure.bias_px < less.bias_px and less.girth == Beliefs().girth
    assert beliefs_about(known, masks, torch.zeros(20)) == Beliefs()  # nothing was seen: no error to speak of


def test_two_frames_are_too_few(fitted, measure):
    scene, _ = fitted
    with pytest.raises(CourseError, match="3 frames or more"):
        short = SegmentedVideo(find_pack(), frames=2)
        intervals(scene, short, DefaultRecipe.held_by(short.known), measure)


def test_the_fit_is_left_as_it_was(fitted, measure):
    scene, dataset = fitted
    before = {name: value.clone() for name, value in scene.parameter_dict().items()}
    Linearised(scene, dataset, DefaultRecipe.held_by(dataset.known), measure, stride=60)
    assert all(torch.equal(value, scene.parameter_dict()[name]) for name, value in before.items())
