"""A person's video, read frame by frame with ffmpeg: what it is, and the frames of some seconds of it.

Nothing is kept but the frame at hand: ffmpeg seeks to the first second asked for, resizes, and sends pixels.
"""

import datetime
import math
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import CourseError, fold
from .file_kind import told
from .telemetry import clock

TAKE_ORIGINAL = "take the file that the drone wrote, not one that was cut, sent or edited"
DAMAGE = re.compile("concealing|error while decoding|Error submitting packet|corrupt|Invalid NAL")


@dataclass(frozen=True)
class Video:
    """What a video is: width, height in pixels as recorded, fps, seconds (None where unknown), when it was
    made by the drone's clock (UTC, None where unknown), and the rest."""

    path: Path
    width: int
    height: int
    fps: float
    seconds: float | None
    start: float
    codec: str
    pixels: str
    maker: str
    notes: tuple = ()
    created: datetime.datetime | None = None


def find_ffmpeg():
    """The path of an ffmpeg: the one that comes with imageio-ffmpeg, or the system's. Raises CourseError."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise CourseError("""no ffmpeg was found, so no video can be read or written. Install it with `pip
            install imageio-ffmpeg` (it brings its own).""")
    return found


def look_at(path):
    """What a video is, by what ffmpeg says of it. -> Video

    Raises CourseError, in one line, for what is no video or whose pictures no camera of ours describes.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise CourseError(f"{path}: {what}, expected a video, as the drone wrote it.")
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-i", str(path.resolve())]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    said = done.stderr.decode(errors="replace")
    stream = re.search(r"Stream #\S+.*?: Video: (\w+)[^,]*, (\w+)[^\n]*?, (\d+)x(\d+)([^\n]*)", said)
    if stream is None:
        raise CourseError(f"{path}: {_why_unreadable(path, said)}; {TAKE_ORIGINAL}.")
    codec, pixels, width, height, rest = stream.groups()
    fps = re.search(r"([\d.]+)(k?) fps", rest) or re.search(r"([\d.]+)(k?) tbr", rest)
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)(?:, start: (-?[\d.]+))?", said)
    if fps is None:
        raise CourseError(f"{path}: ffmpeg cannot tell its frame rate; {TAKE_ORIGINAL}.")
    seconds = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None
    start = float(length[4] or 0) if length else 0.0
    maker = re.search(r"encoder\s*: (DJI[^\n]*)", said)
    aspect = re.search(r"SAR (\d+):(\d+)", rest)
    if aspect and aspect[1] != aspect[2] and aspect[1] != "0":
        raise CourseError(f"{path}: its pixels are not square ({aspect[0]}); {TAKE_ORIGINAL}.")
    if int(height) > int(width):
        raise CourseError(f"""{path}: is {width} x {height}, higher than wide, so it is rotated or cut for
            telephones; {TAKE_ORIGINAL}.""")
    rate = float(fps[1]) * (1000 if fps[2] else 1)
    about = codec, pixels, maker[1].strip() if maker else "", tuple(_notes(said, pixels))
    created = re.search(r"creation_time\s*: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", said)
    created = datetime.datetime.fromisoformat(created[1]) if created else None
    return Video(path, int(width), int(height), rate, seconds, start, *about, created)


def _why_unreadable(path, said):
    """Why ffmpeg finds no pictures in a file."""
    if kind := told(path, "a video", "a video"):
        return kind
    if "Audio:" in said:
        return "holds sound and no pictures"
    if "moov atom not found" in said:
        return "the recording was not finished or not copied as a whole (its index is missing)"
    lines = [line for line in said.strip().splitlines() if "output file" not in line]
    reason = re.sub(r"^\[[^\]]*\] ", "", lines[-1])[:120].rstrip(".") if lines else "it gives no reason"
    return f"ffmpeg cannot read it ({reason.replace(str(path.resolve()), path.name)})"


def _notes(said, pixels):
    """What is worth knowing of a video that is read all the same."""
    turned = re.search(r"rotation of (-?[\d.]+) degrees|rotate\s*: (-?\d+)", said)
    if turned and float(turned[1] or turned[2]) % 360:
        yield fold("""the video says that players should rotate it; it is read as the camera recorded it, for
        the camera's numbers are those of the sensor""")
    if re.search(r"1[0-6](le|be)$", pixels):
        yield "the video has more than 8 bits a colour; 8 are kept"
    if re.search(r"arib-std-b67|smpte2084", said):
        yield "the video is in HDR (HLG or PQ): its colours look flat, which the outline does not mind"


class Frames:
    """The frames of a video from one second to another, resized: images (h, width, 3) uint8, one by one.

    The pictures keep their shape: where the height is no whole number of pixels, rows at the upper and lower
    edge are left out. After the last one, `times` (T,) holds when they are, seconds of the video, and
    `damage` a note, "" where all could be read well. Raises CourseError for seconds that are not there, for a
    rate that varies, for missing frames.
    """

    def __init__(self, video, first_s, last_s, width):
        _check_times(video, first_s, last_s)
        self.video, self.first_s, self.last_s = video, first_s, last_s
        self.size_wh = frame_size(video, width)
        self.count = max(round((last_s - first_s) * video.fps), 1)
        self.times, self.damage = None, ""

    def __len__(self):
        return self.count

    def __iter__(self):
        (width, height), found = self.size_wh, 0
        size = width * height * 3
        with tempfile.TemporaryFile() as words:
            pipe = dict(stdout=subprocess.PIPE, stderr=words, stdin=subprocess.DEVNULL)
            reader = subprocess.Popen(self._command(), **pipe)
            try:
                while found < self.count and len(data := reader.stdout.read(size)) == size:
                    yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
                    found += 1
                reader.stdout.close()
                reader.wait()
            finally:
                reader.kill()
                reader.wait()
            words.seek(0)
            said = words.read().decode(errors="replace")
        if found < self.count:
            asked = f"{clock(self.first_s)} and {clock(self.last_s)}"
            raise CourseError(f"""{self.video.path}: only {found} of {self.count} frames between {asked} can
                be read: it is damaged there, or shorter than it says. Take other seconds, or copy it from the
                drone's card again.""")
        if DAMAGE.search(said):
            self.damage = fold("""ffmpeg found damage in these seconds of the video and patched it: look at
                the frames, or copy the video from the drone's card again""")
        self.times = _times(said, self.count, self.video)
        if self.times[0] > self.first_s + 1.5 / self.video.fps:
            raise CourseError(f"""{self.video.path}: ffmpeg finds no frame at {clock(self.first_s)}, the first
                one is at {clock(self.times[0])}, as in a file without an index. Copy it into one with an
                index: ffmpeg -i {self.video.path.name} -c copy whole.mp4""")

    def _command(self):
        video, (width, height) = self.video, self.size_wh
        rows, top = _rows_shown(video, self.size_wh)
        cut = f"crop={video.width}:{rows}:0:{top}:exact=1"
        filters = f"showinfo=checksum=0,{cut},scale={width}:{height}:flags=area"
        where = f"-copyts -ss {max(self.first_s - 0.25 / video.fps, 0):.6f} -noautorotate -i"
        output = f"""-an -sn -dn -map 0:v:0 -frames:v {self.count} -fps_mode passthrough -vf {filters}
            -f rawvideo -pix_fmt rgb24 -"""
        command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-threads", "2", *where.split()]
        return [*command, str(video.path.resolve()), *output.split()]


def frame_size(video, width):
    """(width, height) of the frames of a video resized to a width. Raises CourseError.

    A height that shares a divisor with the width lets a fit draw small windows (window.window_size): a few
    rows are left out for that.
    """
    if not 64 <= width <= video.width:
        raise CourseError(f"--width is {width}, expected 64 to the video's own {video.width} pixels.")
    if width == video.width:
        return width, video.height
    height = int(width * video.height / video.width + 1e-9)
    more = height % 8 if math.gcd(width, height) < 8 and width % 8 == 0 else 0
    return width, height - (more if more <= 0.02 * height else 0)


def _rows_shown(video, size_wh):
    """How many rows of a video its resized frames show, and the first of them."""
    rows = min(round(size_wh[1] * video.width / size_wh[0]), video.height)
    return rows, (video.height - rows) // 4 * 2  # even, as colours are stored for two rows at once


def _scale(video, size_wh):
    """Pixels of resized frames to one of a video, (2,), and where in it the frames begin, (2,)."""
    rows, top = _rows_shown(video, size_wh)
    return np.array([size_wh[0] / video.width, size_wh[1] / rows]), np.array([0, top])


def to_frames(points, video, size_wh):
    """Where pixels (..., 2) of a video are in its frames resized to size_wh. -> (..., 2)"""
    scale, corner = _scale(video, size_wh)
    return (np.asarray(points, float) - corner + 0.5) * scale - 0.5


def from_frames(points, video, size_wh):
    """Where pixels (..., 2) of resized frames are in the video. -> (..., 2)"""
    scale, corner = _scale(video, size_wh)
    return (np.asarray(points, float) + 0.5) / scale - 0.5 + corner


def _check_times(video, first_s, last_s):
    """Refuses seconds that are not in a video."""
    asked = f"{clock(first_s)} to {clock(last_s)}"
    if not 0 <= first_s < last_s:
        raise CourseError(f"--from {clock(first_s)} is not before --to {clock(last_s)}.")
    if video.seconds is not None and last_s > video.seconds + 1.5 / video.fps:
        raise CourseError(f"""{video.path}: lasts {clock(video.seconds)}, so the seconds {asked} are not in
            it.""")


def _times(said, count, video):
    """The times of the frames that ffmpeg showed, seconds of the video. -> (count,), or CourseError"""
    times = (
        np.array([float(time) for time in re.findall(r"pts_time:\s*(-?[\d.]+)", said)][:count]) - video.start
    )
    if len(times) < count:
        raise CourseError(f"{video.path}: ffmpeg cannot tell when its frames are; {TAKE_ORIGINAL}.")
    even = np.polyval(np.polyfit(np.arange(count), times, 1), np.arange(count)) if count > 2 else times
    step = (times[-1] - times[0]) / max(count - 1, 1)
    off = np.abs(times - even).max()
    if count > 2 and off > max(0.3 * step, 0.002) or count > 2 and abs(step * video.fps - 1) > 0.02:
        if DAMAGE.search(said):
            raise CourseError(f"""{video.path}: frames are missing, as it is damaged in these seconds. Take
                others, or copy it from the drone's card again.""")
        raise CourseError(f"""{video.path}: its frame rate varies (some {1 / max(step, 1e-6):.1f} a second, by
            its header {video.fps:g}), as no drone writes it: {TAKE_ORIGINAL}; or make one of an even rate
            first: ffmpeg -i {video.path.name} -fps_mode cfr -r {math.ceil(video.fps)} -crf 12 even.mp4""")
    return times
