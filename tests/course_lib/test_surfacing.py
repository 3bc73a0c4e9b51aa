"""course_lib.surfacing: what frames in which an animal surfaces say of its depth."""

import numpy as np
import pytest

from course_lib.assets.clip_info import FIN_OUT, ClipInfo
from course_lib.errors import CourseError
from course_lib.surfacing import HEAVE, HEAVE_S, SEEN_SD, at_odds, check_frames, mean_of_tip, surfaced_of

CLIP = dict(n_frames=100, fps=25)


def known(**values):
    return ClipInfo(25, np.full(100, 11, np.float32), **values)


def test_without_frames_the_depth_is_as_it_was_said():
    assert mean_of_tip(-0.2, 0.1, (), **CLIP) == (-0.2, 0.1)
    assert known().fin_tip == (FIN_OUT, 0.05)


def test_a_frame_measures_the_mean_as_well_as_animals_keep_their_depth():
    mean, sd = mean_of_tip(0.3, 10.0, [("fin", 50)], **CLIP)
    assert abs(mean) < 1e-3 and SEEN_SD < sd < np.hypot(HEAVE, SEEN_SD)
    assert mean_of_tip(0.3, 10.0, [("back", 50)], **CLIP)[0] == pytest.approx(0.21, abs=1e-3)


def test_frames_far_apart_say_more_than_neighbours():
    sds = [
        mean_of_tip(0, 1, [("fin", t) for t in frames], **CLIP)[1] for frames in ([20], [20, 21], [20, 80])
    ]
    assert sds[0] > sds[1] > 1.1 * sds[2]


def test_it_is_as_sure_as_it_says():
    rng, times = np.random.default_rng(0), np.arange(100) / 25
    covariance = HEAVE**2 * np.exp(-0.5 * ((times[:, None] - times) / HEAVE_S) ** 2)
    off = []
    for _ in range(300):
        mean, frames = rng.normal(0.05, 0.15), rng.choice(100, 2, replace=False)
        heave = rng.multivariate_normal(np.zeros(100), covariance)
        tip = mean + heave - heave.mean()
        # what a person sees: the tip at the surface, in a sea whose waves hide the difference
        seen = tip[frames] + rng.normal(0, SEEN_SD, 2)
        found, sd = mean_of_tip(0.05 - seen.mean(), 0.15, [("fin", int(t)) for t in frames], **CLIP)
        off.append((found + seen.mean() - mean) / sd)
    assert 0.8 < np.std(off) < 1.2


def test_where_the_heave_is_known_a_frame_says_nearly_all():
    heave = 0.1 * np.sin(np.arange(100) / 10), np.full(100, 0.01)
    mean, sd = mean_of_tip(0.3, 10.0, [("fin", 30)], **CLIP, heave=heave)
    assert mean == pytest.approx(-heave[0][30], abs=1e-3) and sd == pytest.approx(
        np.hypot(SEEN_SD, 0.01), rel=0.01
    )


def test_what_is_usual_counts_for_nothing_where_frames_are_named():
    mean, sd = known(surfaced=(("fin", 50),)).fin_tip
    assert abs(mean) < 0.01 and sd < 0.07
    mean, _ = known(surfaced=(("fin", 50),), fin_out_m=-0.3, fin_out_sd_m=0.05).fin_tip
    assert -0.3 < mean < -0.1


def test_frames_and_words_that_are_at_odds():
    assert at_odds(0.05, 0.05, (), **CLIP) is None
    assert at_odds(0.05, 0.05, [("fin", 50)], **CLIP) is None
    assert at_odds(-0.5, 0.05, [("fin", 50)], **CLIP) == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["", "fin", "-3", "1.5", "beak:3", "nan", "back:", "12 13"])
def test_what_is_no_frame_is_refused(text):
    with pytest.raises(CourseError, match="expected the number of a frame"):
        surfaced_of(text)


def test_frames_as_they_are_written():
    assert [surfaced_of(text) for text in ("12", 12, "fin:12", "back:7")] == [("fin", 12)] * 3 + [("back", 7)]
    with pytest.raises(CourseError, match="there is no frame 100, the clip has 0 to 99"):
        check_frames([("fin", 100)], 100)
