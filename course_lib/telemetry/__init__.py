"""The drone's altitude over time, from what lies beside a video: DJI's subtitles, or a log as a table.

    telemetry = read_telemetry("DJI_0042.SRT")
    altitudes = telemetry.altitudes(times)               (T,) metres above the sea at `times`, seconds

Telemetry counts its seconds from the video's first frame. What it holds is above the place of launch, or
above the sea: `launch_height` is what makes the one of the other. Nothing is guessed: where the file does not
say the altitude of a frame, `altitudes` says what to do, in one line.
"""

import codecs
import re
from pathlib import Path

from ..errors import CourseError
from ..file_kind import EMPTY, TEXT, UTF_16, from_utf_16, kind_of
from .series import BAROMETER, GPS, LASER, Telemetry, clock
from .srt import TIMES, of_ass, read_srt
from .table import read_table

MOST_BYTES = 1 << 28
TRACK = re.compile(rb"\s*(?:<\?xml[^>]*>)?\s*<(?:gpx|kml)\b")


def read_telemetry(path, video_start=None):
    """The telemetry in a file: subtitles (.SRT, .ass) or a table (.csv). -> Telemetry

    video_start: when the video begins by the clock of a table, as text ("2026-05-02 10:11:12.5", or seconds).
    Raises CourseError for files of other kinds, and where there is no altitude.
    """
    path = Path(path)
    text = of_ass(_text_of(path))
    if TIMES.search(text):
        if video_start is not None:
            raise CourseError(f"""{path}: subtitles count from the video's first frame; leave out
                --video-start.""")
        return read_srt(text, path)
    return read_table(text, path, video_start)


def _text_of(path):
    """What a text file holds. Raises CourseError for what is no text."""
    wanted = "expected the subtitles of a drone (.SRT) or a table of time and altitude (.csv)"
    try:
        if path.is_dir():
            raise CourseError(f"{path}: is a folder, {wanted}.")
        if path.stat().st_size > MOST_BYTES:
            raise CourseError(f"{path}: is {path.stat().st_size / 1e6:.0f} MB long, {wanted}.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"""{path}: no such file, {wanted}. DJI's drones write it beside the video
            where video captions are switched on in the app's camera settings.""") from None
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror or error}), {wanted}.") from None
    kind = kind_of(data)
    if kind is EMPTY:
        raise CourseError(f"{path}: the file is empty, {wanted}. Copy it from the drone's card again.")
    if kind is UTF_16 or data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return _plain_lines(from_utf_16(data))
    if TRACK.match(data):
        raise CourseError(f"""{path}: a track of GPS (GPX or KML), whose heights are several metres off;
            {wanted}. Export the flight as .csv.""")
    is_subtitles = b"-->" in data[:4096] or data.lstrip(b"\xef\xbb\xbf\r\n").startswith(b"[Script Info]")
    if b"\0" in data[:4096] or (kind is not None and kind is not TEXT and not is_subtitles):
        name = "not text" if kind is None or kind is TEXT else kind.name
        raise CourseError(f"{path}: {name}, {wanted}.")
    return _plain_lines(data.decode("utf-8-sig", "replace"))


def _plain_lines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\N{MINUS SIGN}", "-")
