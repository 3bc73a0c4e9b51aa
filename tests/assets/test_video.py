"""The video of lesson 6: its files, the traps in them, and that they agree with their truth."""

import json

import make_clip
import make_video
import numpy as np
import pytest

from course_lib.assets import FOOTAGE, clip_files
from course_lib.footage import Frames, look_at
from course_lib.known_length import altitude_of
from course_lib.lens import camera_of
from course_lib.telemetry import read_telemetry

VIDEO, TELEMETRY = FOOTAGE / "dolphin_0042.mp4", FOOTAGE / "dolphin_0042.srt"
NOTES, TRUTH = (json.loads((FOOTAGE / f"{name}.json").read_text()) for name in ("notes", "truth"))
HERE = {name: getattr(make_clip, name) for name in make_video.SHOT} | {"DEPTH": make_clip.DEPTH}


@pytest.fixture(autouse=True)
def shot():
    """The shot of the video, for as long as a test lasts."""
    make_clip.take(make_video.SHOT)
    yield
    make_clip.take(HERE)


def test_the_video_is_another_than_the_courses():
    video = look_at(VIDEO)
    assert (video.width, video.height, video.fps, video.codec) == (800, 450, 29.97, "h264")
    assert round(video.seconds * video.fps) == make_video.FRAMES == len(TRUTH["altitude_m"])
    assert camera_of(NOTES["camera"]).half_width == pytest.approx(make_clip.HALF_WIDTH)
    assert sum(path.stat().st_size for path in FOOTAGE.iterdir()) < 3e6


def test_the_telemetry_is_what_the_program_writes():
    assert TELEMETRY.read_text() == make_video.telemetry()


def test_the_truth_is_that_of_the_swimmer():
    swimmer = make_video.Swimmer(make_clip.MODEL)
    for name, value in make_video.truth(swimmer).items():
        assert value == pytest.approx(TRUTH[name], abs=1e-3)
    assert TRUTH["length_m"] == make_video.LENGTH
    clicks = make_video.clicks(swimmer, round(make_video.FIRST * make_video.FPS))
    assert json.loads((FOOTAGE / "prompts.json").read_text()) == clicks
    assert clip_files.load_prompts(FOOTAGE / "prompts.json", (800, 450), 105)["frame"] == 0


def test_readings_are_rarer_than_frames_off_and_with_gaps():
    telemetry = read_telemetry(TELEMETRY)
    gaps = np.diff(telemetry.time_s)
    assert telemetry.above == "launch" and telemetry.step == pytest.approx(0.1)
    assert sorted(gaps.round(1))[-2:] == [0.8, 1.4]
    true = np.interp(telemetry.time_s, np.arange(make_video.FRAMES) / make_video.FPS, TRUTH["altitude_m"])
    off = telemetry.height_m + NOTES["launch_height_m"] - true
    assert off.mean() == pytest.approx(TRUTH["barometer_bias_m"], abs=0.03) and off.std() < 0.06


def test_the_board_says_how_high_the_drone_was():
    frame, ends = NOTES["board_frame"], NOTES["board_ends"]
    assert ends == make_video.board_ends()
    found, sd = altitude_of(NOTES["board_m"], ends, camera_of(NOTES["camera"]), (800, 450))
    assert found == pytest.approx(TRUTH["altitude_m"][frame], abs=sd) and sd < 0.1


def test_the_boards_ends_are_where_the_picture_shows_them():
    """White along the board up to its ends, and water half a metre beyond."""
    video, frame = look_at(VIDEO), NOTES["board_frame"]
    picture = next(iter(Frames(video, frame / video.fps, (frame + 2) / video.fps, 800))).astype(float)
    first, last = np.reshape(NOTES["board_ends"], (2, 2))
    along = (last - first) / np.hypot(*(last - first))

    def red(place):
        x, y = np.round(place).astype(int)
        return picture[y - 1 : y + 2, x - 1 : x + 2, 0].mean()

    for end, inwards in ((first, along), (last, -along)):
        assert red(end + 5 * inwards) > red(end - 8 * inwards) + 60


def test_another_shot_draws_the_same_frame_again():
    """One frame of the video, but for what H.264 makes of it."""
    camera = make_video.Camera(make_video.Swimmer(make_clip.MODEL))
    image, _, _ = camera.expose(make_video.BOARD_FRAME)
    video = look_at(VIDEO)
    at = make_video.BOARD_FRAME / video.fps
    seen = next(iter(Frames(video, at, at + 0.1, 800)))
    assert np.abs(image.astype(float) - seen).mean() < 6
