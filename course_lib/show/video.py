"""Videos that play in a browser."""

import base64
import contextlib
import html
import itertools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ..errors import CourseError
from ..file_kind import check
from ..files import replacing
from ..footage import find_ffmpeg
from ..shapes import describe
from .images import as_rgb
from .values import as_array, as_number


def write_video(path, frames, fps=50.0, *, crf=23):
    """Write frames as an H.264 video that plays in every browser (yuv420p, index at the start). -> path

    frames: iterable of images of one size, (H, W, 3), (H, W, 1) or (H, W); see `images.as_image`. A tensor or
    an array has all of them, (T, H, W, 3) or the like. Odd sizes are padded by repeating the last row or
    column. fps: frames a second. crf: 18 is fine and big, 28 coarse and small. The file appears under its
    name only when it is complete. Raises CourseError when ffmpeg is missing or fails (its own words are
    quoted: no space left, no H.264 encoder) and on bad frames.
    """
    path, fps = _as_path(path), as_number(fps, "fps", low=0.01, high=1000)
    crf = as_number(crf, "crf", low=0, high=51, whole=True)
    if path.suffix.lower() != ".mp4":
        raise CourseError(f"write_video writes .mp4 files; got the name {path.name}.")
    ffmpeg = find_ffmpeg()
    frames = (_video_frame(frame, n) for n, frame in enumerate(_several(frames)))
    first = next(frames, None)
    if first is None:
        raise CourseError(f"there are no frames to write to {path}.")
    size = f"{first.shape[1]}x{first.shape[0]}"
    options = f"""-y -loglevel error -f rawvideo -pix_fmt rgb24 -s {size} -r {fps:g} -i - -an
        -c:v libx264 -preset veryfast -crf {crf} -pix_fmt yuv420p -movflags +faststart"""
    try:
        with replacing(path, suffix=".mp4") as part:
            _encode([ffmpeg, *options.split(), str(part)], itertools.chain([first], frames), path)
    except OSError as error:
        raise CourseError(f"""cannot write the video {path}: {error.strerror or error}. Check that the folder
            can be written to and has space left.""") from error
    return path


def _encode(command, frames, path):
    """Pipe the frames through ffmpeg; errors speak of `path`."""
    size = None
    with tempfile.TemporaryFile() as words:
        encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words)
        try:
            for n, frame in enumerate(frames):
                size = size or frame.shape
                if frame.shape != size:
                    raise CourseError(f"""frame {n} is {frame.shape[1]} x {frame.shape[0]} pixels, the first
                        one {size[1]} x {size[0]}; a video needs frames of one size.""")
                try:
                    encoder.stdin.write(frame.tobytes())
                except OSError:  # ffmpeg has gone; what it said comes below
                    break
            with contextlib.suppress(OSError):
                encoder.stdin.close()
            if encoder.wait() != 0:
                words.seek(0)
                said = " / ".join(words.read().decode(errors="replace").strip().splitlines()[-3:])
                raise CourseError(f"""ffmpeg could not write {path}: {said or "it gave no reason"}. Free on
                    that disk: {shutil.disk_usage(path.parent).free / 1e6:.0f} MB.""")
        finally:
            encoder.kill()  # where it still runs: interrupted, or a bad frame
            encoder.wait()


class InlineVideo:
    """A video that a notebook shows by itself: `html` holds the whole of it, no file needed any more."""

    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html


def inline_video(path, *, width="100%", description="video of the fit"):
    """Make a notebook show an mp4 that travels inside it; `description` is what a screen reader says.

    width: in pixels, or a length of CSS, such as "50%".
    """
    description, source = html.escape(str(description)), video_data_uri(path)
    style = f"max-width:100%;width:{_css_width(width)}"
    look = f'controls loop muted playsinline style="{style}" aria-label="{description}"'
    return InlineVideo(f'<video {look} src="{source}">{description}</video>')


def video_data_uri(path):
    """A video file as a data: address. Raises CourseError when it is not there or is no mp4."""
    path = _as_path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"cannot read the video {path}: {error.strerror or error}.") from error
    if data[4:8] != b"ftyp":
        check(path, "an mp4 video", "", "write it with course_lib.show.write_video", data=data)
        raise CourseError(f"""{path} is not an mp4 video ({len(data)} bytes); write it with
            course_lib.show.write_video.""")
    return "data:video/mp4;base64," + base64.b64encode(data).decode("ascii")


def _css_width(width):
    if isinstance(width, str) and re.fullmatch(r"\d+(\.\d+)?(px|%|r?em|v[wh])", width.strip()):
        return width.strip()
    return f"{as_number(width, 'width', low=1, high=100_000):g}px"


def _as_path(path):
    """The path of a video. Raises CourseError for what is none, such as the frames."""
    try:
        return Path(path)
    except TypeError:
        raise CourseError(f"""The path of a video is to be a name such as "dolphin.mp4", and is
            {describe(path)}.""") from None


def _several(frames):
    """Frames one by one. Raises CourseError for one image, whose rows would be taken for frames."""
    if hasattr(frames, "shape"):
        frames = as_array(frames, "frames")
        if frames.ndim < 3 or frames.ndim == 3 and frames.shape[-1] in (1, 3, 4):
            raise CourseError(f"""frames is one image of shape {frames.shape}; expected several, (T, H, W, 3),
                or a list: [image].""")
    if isinstance(frames, (str, bytes, dict)) or not hasattr(frames, "__iter__"):
        raise CourseError(f"frames is {describe(frames)}; expected images: a list, or a function's `yield`s.")
    return frames


def _video_frame(frame, n):
    """One frame as (H, W, 3) uint8 with even sides."""
    frame = as_rgb(frame, f"frame {n}", (1, 3))
    if frame.shape[1] <= 4:
        raise CourseError(f"""frame {n} is {frame.shape[1]} pixels wide: is it a row of an image? Expected
            images, one after the other: [image].""")
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
