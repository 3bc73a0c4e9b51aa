"""Videos play in a browser, their frames bear labels, and what goes wrong is said."""

import shutil
import sys

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from course_lib import show
from course_lib.errors import CourseError

BLACK = np.zeros((16, 16, 3), np.uint8)


def probe(path):
    """What a decoder says of a video, and its number of frames."""
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    return meta, sum(1 for _ in reader)


GREY = np.linspace(0, 1.3, 63 * 37).reshape(37, 63)
IMAGE = np.repeat(GREY[..., None], 3, -1)
KINDS = {
    "uint8": np.clip(IMAGE * 255, 0, 255).astype(np.uint8),
    "float": IMAGE.astype(np.float32),
    "grey": GREY,
    "tensor": torch.tensor(IMAGE, requires_grad=True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_videos_play_in_a_browser(tmp_path, kind):
    path = show.write_video(tmp_path / "new folder" / "clip.mp4", (KINDS[kind] for _ in range(7)), fps=25)
    meta, count = probe(path)
    assert (meta["size"], meta["fps"], meta["codec"], count) == ((64, 38), 25, "h264", 7)
    assert "yuv420p" in meta["pix_fmt"]
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # can start before it has all arrived
    assert [p.name for p in path.parent.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    "frames, says",
    [
        ([], "no frames"),
        ([np.zeros((8, 8, 4))], "expected"),
        ([np.full((8, 8, 3), 200.0)], "divide by 255"),
        ([np.full((8, 8, 3), np.nan)], "frame 0"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 10, 3))], "frame 1 is 10 x 8"),
    ],
)
def test_bad_frames_leave_an_older_video_alone(tmp_path, frames, says):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    with pytest.raises(CourseError, match=says):
        show.write_video(path, frames)
    assert path.read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


def test_an_interrupted_video_leaves_nothing_behind(tmp_path):
    def frames():
        yield BLACK
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show.write_video(tmp_path / "clip.mp4", frames())
    assert list(tmp_path.iterdir()) == []


def test_ffmpeg_that_fails_is_quoted(tmp_path, monkeypatch):
    failing = tmp_path / "ffmpeg"
    failing.write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(failing))
    with pytest.raises(CourseError, match="No space left on device"):
        show.write_video(tmp_path / "clip.mp4", (np.zeros((400, 400, 3), np.uint8) for _ in range(20)))


def test_ffmpeg_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CourseError, match="pip install imageio-ffmpeg"):
        show.write_video(tmp_path / "clip.mp4", [BLACK])


@pytest.mark.parametrize(
    "name, says", [("clip.avi", "writes .mp4 files"), ("file/clip.mp4", "cannot write the video")]
)
def test_a_name_that_cannot_be_written_is_told(tmp_path, name, says):
    (tmp_path / "file").write_text("a file, no folder")
    with pytest.raises(CourseError, match=says):
        show.write_video(tmp_path / name, [BLACK])


def test_inline_video_carries_the_file(tmp_path):
    path = show.write_video(tmp_path / "clip.mp4", [BLACK] * 3)
    page = show.inline_video(path, width="50%", description='a "dolphin"')._repr_html_()
    assert page.startswith("<video controls") and "data:video/mp4;base64," in page
    assert 'aria-label="a &quot;dolphin&quot;"' in page and "width:50%" in page and "http" not in page


@pytest.mark.parametrize("name, says", [("none.mp4", "cannot read"), ("text.mp4", "not an mp4")])
def test_what_is_no_video_is_not_shown(tmp_path, name, says):
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(CourseError, match=says):
        show.inline_video(tmp_path / name)


@pytest.mark.parametrize("dtype, grey, bright", [(np.uint8, 120, 240), (np.float32, 0.47, 0.94)])
def test_labels_go_into_the_corner_of_their_tile(dtype, grey, bright):
    frame = np.full((200, 400, 3), grey, dtype)
    out = show.draw_labels(frame, ["original", "", "render", "soft mask"])
    assert out.dtype == dtype and (frame == frame[0, 0]).all()
    changed = (out != frame).any(-1)
    assert not changed[:100, 200:].any()
    for rows, cols in ((0, 0), (100, 0), (100, 200)):
        tile = changed[rows : rows + 100, cols : cols + 200]
        assert tile[:30].any() and not tile[30:].any()
    assert out.max() > bright  # white letters
    tiny = show.draw_labels(np.zeros((8, 8, 3), dtype), ["a long label"] * 4)
    assert tiny.shape == (8, 8, 3)
    with pytest.raises(CourseError, match="3 labels for 2 columns"):
        show.draw_labels(frame, ["a", "b", "c"])
