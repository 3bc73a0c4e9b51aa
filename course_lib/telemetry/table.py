"""A table of time and altitude: the log of a laser altimeter, or the flight log of an app, as .csv."""

import csv
import datetime
import io
import re

import numpy as np

from ..errors import CourseError
from .series import BAROMETER, GPS, LASER, Telemetry, increasing

# Names of columns, without units, signs and case; the first that is there counts.
_TIMES = "time seconds second sec t elapsed timestamp datetime offset videotime flytime utc gpstime".split()
_HEIGHTS = {name: ("sea", LASER) for name in ("laser", "lidar", "range", "distance", "laseraltitude")}
_HEIGHTS |= {"lidaraltitude": ("sea", LASER), "laserdistance": ("sea", LASER), "rangefinder": ("sea", LASER)}
_LAUNCH = "relalt relativealtitude heightabovetakeoff height barometer altitude alt agl elevation".split()
_HEIGHTS |= {name: ("launch", BAROMETER) for name in _LAUNCH}
_HEIGHTS |= {name: ("sea", GPS) for name in ("absalt", "altitudeabovesealevel", "altitudeabovesea", "asl")}
_UNITS = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "cm": 0.01, "mm": 0.001}
_UNITS |= {"ft": 0.3048, "feet": 0.3048, "foot": 0.3048}
_CLOCKS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3}
_CLOCKS |= {"us": 1e-6, "microseconds": 1e-6}
_EXPECTED = """expected a table with a column of time (seconds) and one of altitude (metres), with names such
        as time_s,altitude_m"""


def read_table(text, path, video_start=None):
    """The telemetry in the text of a table with commas, semicolons or tabs. -> Telemetry

    Units stand behind names: time_ms, altitude_cm, height(feet); seconds and metres where there are none.
    Columns called laser, lidar, range or distance are heights above the water, others above the launch.
    video_start: see `read_telemetry`. Raises CourseError for other tables.
    """
    header, rows = _rows(text, path)
    (k, per_second), (j, metres, name) = _columns(header, path)
    above, by = _HEIGHTS.get(name, ("launch", BAROMETER))
    times = [_time(row[k]) if k < len(row) else None for row in rows]
    heights = np.array([_number(row[j]) if j < len(row) else np.nan for row in rows]) * metres
    if by == LASER:
        heights[heights <= 0] = np.nan  # no echo
    kept = np.isfinite(heights) & np.array([time is not None for time in times], bool)
    if not kept.any():
        raise CourseError(f"{path}: none of its {len(rows)} rows holds a time and an altitude, {_EXPECTED}.")
    absolute = {isinstance(time, datetime.datetime) for time, keep in zip(times, kept) if keep}
    if len(absolute) > 1:
        raise CourseError(f"{path}: some of its times are of a day and others are not, {_EXPECTED}.")
    times = [time for time, keep in zip(times, kept) if keep]
    time_s = _of_video(
        np.array([_seconds(time, per_second) for time in times]), absolute.pop(), path, video_start
    )
    time_s, (heights,), repeated = increasing(path, time_s, [heights[kept]])
    what = header[j] if header else "its second column"
    telemetry = Telemetry(path, time_s, heights, above, what, by, float(time_s[-1]))
    if left_out := len(rows) - int(kept.sum()) + repeated:
        said = f"{left_out} of {len(rows)} rows hold no altitude or repeat a time, and were left out"
        telemetry.notes.append(said)
    return telemetry


def _rows(text, path):
    """The header, [] where there is none, and the rows of a table."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    counts = {sign: lines[0].count(sign) for sign in ";\t,"} if lines else {}
    if not lines or not any(counts.values()):
        raise CourseError(f"{path}: neither subtitles nor a table of several columns, {_EXPECTED}.")
    sign = next(sign for sign in ";\t," if counts[sign])
    try:
        rows = [
            [cell.strip() for cell in row]
            for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=sign)
        ]
    except csv.Error as error:
        raise CourseError(f"{path}: not a table ({error}), {_EXPECTED}.") from None
    if sign != ",":  # commas are free for decimals
        rows = [[re.sub(r"^([-+]?\d+),(\d+)$", r"\1.\2", cell) for cell in row] for row in rows]
    has_header = np.isnan(_number(rows[0][0])) and _time(rows[0][0]) is None
    return (rows[0], rows[1:]) if has_header else ([], rows)


def _columns(header, path):
    """Which columns hold time and altitude: (index, seconds a unit), (index, metres a unit, name)."""
    if not header:
        return (0, 1.0), (1, 1.0, "altitude")
    named = [_split(name) for name in header]
    times = [
        (_TIMES.index(name), k, _CLOCKS.get(unit, 1.0))
        for k, (name, unit) in enumerate(named)
        if name in _TIMES
    ]
    order = list(_HEIGHTS)
    heights = [(order.index(name), k, unit, name) for k, (name, unit) in enumerate(named) if name in _HEIGHTS]
    if not times or not heights:
        missing = "time" if not times else "altitude"
        raise CourseError(f"""{path}: has no column of {missing} that is known (its columns:
            {", ".join(header[:12])}), {_EXPECTED}.""")
    _, k, per_second = min(times)
    _, j, unit, name = min(heights)
    if unit and unit not in _UNITS:
        raise CourseError(f"""{path}: the unit of the column {header[j]} is not known, expected one of
            {", ".join(_UNITS)}, as in altitude_m.""")
    return (k, per_second), (j, _UNITS.get(unit, 1.0), name)


def _split(name):
    """A column's plain name and unit: "Height_above_takeoff (feet)" -> "heightabovetakeoff", "feet"."""
    name = name.strip().lower()
    behind = re.fullmatch(r"(.*?)[\s_]*[(\[]\s*(\w+)\s*[)\]]", name)
    if behind is None:
        units = "|".join(sorted([*_UNITS, *_CLOCKS], key=len, reverse=True))
        behind = re.fullmatch(rf"(.+?)[\s_.]+({units})", name)
    name, unit = behind.groups() if behind else (name, "")
    return re.sub(r"[^a-z]", "", name), unit


def _number(cell):
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _time(cell):
    """A time: a number, H:MM:SS as seconds, or a date with a time; None for what is none."""
    number = _number(cell)
    if np.isfinite(number):
        return number
    clock = re.fullmatch(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)", cell)
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    text = re.sub(r"[Zz]$", "", cell).replace("/", "-").replace(",", ".")
    text = re.sub(r"^(\d{4})\.(\d{1,2})\.(\d{1,2})", r"\1-\2-\3", text)
    text = re.sub(r"\.(\d{1,6})\d*$", lambda found: "." + found[1].ljust(6, "0"), text)
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _seconds(time, per_second):
    if isinstance(time, datetime.datetime):
        return (time - datetime.datetime(1970, 1, 1)).total_seconds()
    return time * per_second


def _of_video(time_s, is_date, path, video_start):
    """Times of the log's clock as seconds of the video."""
    if video_start is None:
        if is_date or time_s[0] > 1e8:
            raise CourseError(f"""{path}: its times are those of a clock. Say when the video begins by
                the same clock: --video-start "2026-05-02 10:11:12.5".""")
        return time_s
    start = _time(str(video_start).strip())
    if start is None or isinstance(start, datetime.datetime) != is_date:
        wanted = "2026-05-02 10:11:12.5" if is_date else "12.5 (seconds of the log)"
        raise CourseError(f"--video-start is {video_start!r}, expected a time as in {path}: {wanted}.")
    return time_s - _seconds(start, 1.0)
