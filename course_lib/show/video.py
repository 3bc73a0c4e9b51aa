"""Videos that play in a browser."""

import base64
import contextlib
import html
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ..errors import CourseError
from ..file_kind import check
from ..files import replacing
from ..shapes import fits
from .values import as_array, to_uint8


def write_video(path, frames, fps=50.0, *, crf=23):
    """Write frames as an H.264 video that plays in every browser (yuv420p, index at the start). -> path

    frames: iterable of (H, W, 3), (H, W, 1) or (H, W) images of one size, arrays or tensors; uint8, or floats
    in [0, 1] (what is beyond is clipped). Odd sizes are padded by repeating the last row or column. crf: 18
    is fine and big, 28 coarse and small. The file appears under its name only when it is complete. Raises
    CourseError when ffmpeg is missing or fails (its own words are quoted: no space left, no H.264 encoder)
    and on bad frames.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise CourseError(f"write_video writes .mp4 files; got the name {path.name}.")
    ffmpeg = _find_ffmpeg()
    frames = (_video_frame(frame, n) for n, frame in enumerate(frames))
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
    """Make a notebook show an mp4 that travels inside it; `description` is what a screen reader says."""
    description, source = html.escape(description), video_data_uri(path)
    style = f"max-width:100%;width:{html.escape(str(width))}"
    look = f'controls loop muted playsinline style="{style}" aria-label="{description}"'
    return InlineVideo(f'<video {look} src="{source}">{description}</video>')


def video_data_uri(path):
    """A video file as a data: address. Raises CourseError when it is not there or is no mp4."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"cannot read the video {path}: {error.strerror or error}.") from error
    if data[4:8] != b"ftyp":
        check(path, "an mp4 video", "", "write it with course_lib.show.write_video", data=data)
        raise CourseError(f"""{path} is not an mp4 video ({len(data)} bytes); write it with
            course_lib.show.write_video.""")
    return "data:video/mp4;base64," + base64.b64encode(data).decode("ascii")


def _find_ffmpeg():
    """The path of an ffmpeg: the one that comes with imageio-ffmpeg, or the system's."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise CourseError("""no ffmpeg was found, so no video can be written. Install it with `pip install
            imageio-ffmpeg` (it brings its own).""")
    return found


def _video_frame(frame, n):
    """One frame as (H, W, 3) uint8 with even sides."""
    frame = as_array(frame, f"frame {n}")
    frame = frame[..., None] if frame.ndim == 2 else frame
    if not any(fits(frame.shape, f"H W {channels}") for channels in (1, 3)) or 0 in frame.shape:
        raise CourseError(f"frame {n} has shape {frame.shape}; expected (H, W, 3), (H, W, 1) or (H, W).")
    if frame.dtype not in (np.uint8, bool):
        low, high = frame.min(), frame.max()
        if not np.isfinite(low) or not np.isfinite(high):
            raise CourseError(f"frame {n} holds values that are not finite numbers (NaN or infinity).")
        if high > 50:  # bright highlights pass 1, they do not reach 50
            raise CourseError(f"""frame {n} is {frame.dtype} with values up to {high:g}; expected uint8 in [0,
                255] or floats in [0, 1] (divide by 255?).""")
    frame = np.broadcast_to(to_uint8(frame), (*frame.shape[:2], 3))
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
