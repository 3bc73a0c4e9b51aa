"""A table of time and altitude: the log of a laser altimeter, or the flight log of an app, as .csv."""

import csv
import datetime
import io
import re

import numpy as np

from ..errors import CourseError
from .series import BAROMETER, GPS, LASER, Telemetry, increasing

# Names of columns, without units, signs and case; the first that is there counts.
_TIMES = """time seconds second sec t elapsed timestamp datetime offset videotime flytime utc gpstime
    date updatetime""".split()
_LASER = "laser lidar laseraltitude lidaraltitude laserdistance lidardistance rangefinder".split()
_ECHO = "range distance".split()  # of a laser's own log; in a drone's, how far away its pilot is
_LAUNCH = "relalt relativealt relativealtitude heightabovetakeoff height barometer altitude alt agl".split()
_SEA = """absalt absolutealtitude altitudeabovesealevel altitudeabovesea asl msl mslaltitude altitudemsl
    gpsaltitude altitudegps gpsalt gnssaltitude elevation ele""".split()
_HEIGHTS = {name: ("sea", LASER) for name in (*_LASER, *_ECHO)}
_HEIGHTS |= {name: ("launch", BAROMETER) for name in _LAUNCH} | {name: ("sea", GPS) for name in _SEA}
_PLACES = "lat latitude lon lng long longitude longtitude".split()
_UNITS = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "cm": 0.01, "mm": 0.001}
_UNITS |= {"ft": 0.3048, "feet": 0.3048, "foot": 0.3048}
_CLOCKS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3}
_CLOCKS |= {"us": 1e-6, "microseconds": 1e-6}
_FEET = re.compile(r"(?i)(?<![a-z])(?:ft|feet|foot)(?![a-z])")
_EXPECTED = """expected a table with a column of time (seconds) and one of altitude (metres), with names such
        as time_s,altitude_m"""


def read_table(text, path, video_start=None):
    """The telemetry in the text of a table with commas, semicolons or tabs. -> Telemetry

    Units stand behind names or numbers, or in a row of their own: time_ms, altitude_cm, height(feet); seconds
    and metres where there are none. Columns called laser, lidar, range or distance are heights above the
    water, those of GPS above the sea, others above the launch. video_start: see `read_telemetry`. Raises
    CourseError for other tables.
    """
    header, rows = _rows(text, path)
    (k, per_second), (j, metres, name) = _columns(header, path)
    _check_feet(text, header, rows, j, path)
    above, by = _HEIGHTS.get(name, ("launch", BAROMETER))
    cells = [row + [""] * (max(j, k) + 1 - len(row)) for row in rows]
    per_second = 1.0 if _have_units(cells, k, path) else per_second
    metres = 1.0 if _have_units(cells, j, path) else metres
    times = [_time(row[k]) for row in cells]
    if isinstance(_time(str(video_start).strip()), datetime.datetime):
        times = _dated(times, per_second, header, cells)
    heights = np.array([_number(row[j]) for row in cells]) * metres
    if _is_cut(text, cells, j):
        heights[-1] = np.nan
    if by == LASER:
        heights[heights <= 0] = np.nan  # no echo
    kept = np.isfinite(heights) & np.array([time is not None for time in times], bool)
    if not kept.any():
        raise CourseError(f"{path}: none of its {len(rows)} rows holds a time and an altitude, {_EXPECTED}.")
    times = [time for time, keep in zip(times, kept) if keep]
    time_s = _of_video(times, per_second, path, video_start)
    time_s, (heights,), repeated = increasing(path, time_s, [heights[kept]])
    what = header[j] if header else "its second column"
    telemetry = Telemetry(path, time_s, heights, above, what, by, float(time_s[-1]), is_table=True)
    if video_start is None:
        said = "its times were taken to count from the video's first frame (--video-start says another)"
        telemetry.notes.append(said)
    if left_out := len(rows) - int(kept.sum()) + repeated:
        said = f"{left_out} of {len(rows)} rows hold no altitude or repeat a time, and were left out"
        telemetry.notes.append(said)
    return telemetry


def _rows(text, path):
    """The header, [] where there is none, and the rows of a table. Units in a row of their own go to their
    names."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    lines = lines[1:] if lines and re.fullmatch(r"\"?sep=.\"?", lines[0].strip()) else lines
    counts = {sign: lines[0].count(sign) for sign in ";\t,"} if lines else {}
    if not lines or not any(counts.values()):
        raise CourseError(f"{path}: neither subtitles nor a table of several columns, {_EXPECTED}.")
    sign = next(sign for sign in ";\t," if counts[sign])
    try:
        read = csv.reader(io.StringIO("\n".join(lines)), delimiter=sign)
        rows = [[_cell(cell) for cell in row] for row in read]
    except csv.Error as error:
        raise CourseError(f"{path}: not a table ({error}), {_EXPECTED}.") from None
    if not _is_text(rows[0][0]):
        if len(rows[0]) != 2:
            raise CourseError(f"""{path}: has {len(rows[0])} columns and no names for them. Write a first line
                that names them, such as time_s,altitude_m.""")
        return [], rows
    header, rows = rows[0], rows[1:]
    if rows and all(_is_text(cell) for cell in rows[0]):
        header = [f"{name} ({unit})" if unit else name for name, unit in zip(header, rows[0])]
        rows = rows[1:]
    wide = [row for row in rows if len(row) > len(header) and any(row[len(header) :])]
    if wide:
        raise CourseError(f"""{path}: has rows with more cells than its {len(header)} names, such as
            {sign.join(wide[0])[:60]}. Decimals with commas need semicolons between the columns.""")
    return header, rows


def _cell(text):
    """A cell in one line; a comma within a number is that of a decimal."""
    return re.sub(r"^([-+]?\d+),(\d+)\b", r"\1.\2", " ".join(text.split()))


def _is_text(cell):
    return np.isnan(_number(cell)) and _time(cell) is None


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
    heights = _without_ways(heights, named, header, path)
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


def _without_ways(heights, named, header, path):
    """Columns of height without a distance that may be that from the pilot. Raises CourseError for doubts."""
    if not heights or min(heights)[-1] not in _ECHO:
        return heights
    echo = header[min(heights)[1]]
    others = [one for one in heights if one[-1] not in _ECHO]
    precise = [one for one in others if _HEIGHTS[one[-1]][0] == "launch" and one[-1] != "altitude"]
    if precise and any(name in _PLACES for name, _ in named):
        return others
    if others:
        raise CourseError(f"""{path}: {echo} and {header[min(others)[1]]} both may be the altitude. Take one
            of the columns away, or call the one that counts laser_m or relative_altitude_m.""")
    if any(name in _PLACES for name, _ in named):
        raise CourseError(f"""{path}: {echo} may be the distance from the pilot. If a laser measured it down
            to the water, call the column laser_m.""")
    return heights


def _check_feet(text, header, rows, j, path):
    """Refuses an altitude without a unit in a table that speaks of feet."""
    said = [line for line in text.splitlines() if line.lstrip().startswith("#")] + header
    in_cells = any(re.search("[a-z]", row[j], re.IGNORECASE) for row in rows[:50] if j < len(row))
    if header and not _split(header[j])[1] and not in_cells and any(map(_FEET.search, said)):
        raise CourseError(f"""{path}: speaks of feet, and does not say the unit of its column {header[j]}.
            Call it altitude_ft or altitude_m.""")


def _dated(times, per_second, header, cells):
    """Times that count from some moment as dates, where a column beside them has dates; else as they are.

    Such dates are often cut to whole seconds, and the latest of them, by the times, is the nearest to a tick.
    """
    if not all(isinstance(time, float) for time in times if time is not None):
        return times
    for j, name in enumerate(header):
        dates = [_time(row[j]) if j < len(row) else None for row in cells]
        both = [
            (time * per_second, date)
            for time, date in zip(times, dates)
            if time is not None and isinstance(date, datetime.datetime)
        ]
        if _split(name)[0] in _TIMES and len({date.tzinfo for _, date in both}) == 1:
            zero = max(date - datetime.timedelta(seconds=time) for time, date in both)
            return [
                None if time is None else zero + datetime.timedelta(seconds=time * per_second)
                for time in times
            ]
    return times


def _have_units(cells, j, path):
    """Whether the numbers of a column have units behind them. Raises CourseError where only some have."""
    have = {bool(re.search(r"[a-zA-Z]\s*$", row[j])) for row in cells if np.isfinite(_number(row[j]))}
    if len(have) > 1:
        raise CourseError(f"{path}: some numbers of a column have a unit and others none, {_EXPECTED}.")
    return True in have


def _is_cut(text, cells, j):
    """Whether the last altitude may have lost digits: it is the last thing in a file cut off there."""
    if text.endswith("\n") or not cells or any(cells[-1][j + 1 :]):
        return False
    digits = {len(row[j].partition(".")[2]) for row in cells[:-1] if np.isfinite(_number(row[j]))}
    return digits != {len(cells[-1][j].partition(".")[2])} or digits == {0}


def _split(name):
    """A column's plain name and unit: "Height_above_takeoff (feet)" -> "heightabovetakeoff", "feet"."""
    name = re.sub(r"^(?:osd|custom)\.", "", name.strip().lower())  # of flight records
    behind = re.fullmatch(r"(.*?)[\s_]*[(\[]\s*(\w+)\s*[)\]]", name)
    if behind is None:
        units = "|".join(sorted([*_UNITS, *_CLOCKS], key=len, reverse=True))
        behind = re.fullmatch(rf"(.+?)[\s_.-]+({units})", name)
    name, unit = behind.groups() if behind else (name, "")
    return re.sub(r"[^a-z]", "", name), unit


def _number(cell):
    """A number, in metres or seconds where its unit stands behind it; NaN for what is none."""
    found = re.fullmatch(r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)", cell.lower())
    try:
        value, unit = float(found[1]), found[2]
    except (TypeError, ValueError):
        return np.nan
    return value * (_UNITS | _CLOCKS).get(unit, np.nan) if unit else value


def _time(cell):
    """A time: a number, H:MM:SS as seconds, or a date with a time; None for what is none."""
    number = _number(cell)
    if np.isfinite(number):
        return number
    clock = re.fullmatch(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)", cell)
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    text = re.sub(r"[Zz]$", "+00:00", cell).replace("/", "-").replace(",", ".")
    text = re.sub(r"^(\d{4})\.(\d{1,2})\.(\d{1,2})", r"\1-\2-\3", text)
    text = re.sub(r"\.(\d{1,6})\d*(?=$|[-+])", lambda found: "." + found[1].ljust(6, "0"), text)
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def _seconds(time, per_second):
    """A time of a log as seconds; of one with a zone those of the clock there."""
    if isinstance(time, datetime.datetime):
        return (time.replace(tzinfo=None) - datetime.datetime(1970, 1, 1)).total_seconds()
    return time * per_second


def _of_video(times, per_second, path, video_start):
    """Times of the log's clock as seconds of the video. -> (N,)"""
    dates = {isinstance(time, datetime.datetime) for time in times}
    zones = {time.tzinfo for time in times if isinstance(time, datetime.datetime)}
    if len(dates) > 1 or len(zones) > 1:
        raise CourseError(f"""{path}: some of its times have a day or a zone and others have another or none,
            {_EXPECTED}.""")
    is_date, zone = dates.pop(), zones.pop() if zones else None
    time_s = np.array([_seconds(time, per_second) for time in times])
    if video_start is None:
        if is_date or time_s[0] > 1e8:
            raise CourseError(f"""{path}: its times are those of a clock. Say when the video begins by
                the same clock: --video-start "2026-05-02 10:11:12.5".""")
        return time_s
    start = _time(str(video_start).strip())
    if start is None or isinstance(start, datetime.datetime) != is_date:
        wanted = "2026-05-02 10:11:12.5" if is_date else "12.5 (seconds of the log)"
        raise CourseError(f"--video-start is {video_start!r}, expected a time as in {path}: {wanted}.")
    if is_date and start.tzinfo and not zone:
        raise CourseError(f"""--video-start {video_start!r} has a zone, and the times of {path} have none.
            Give it by the clock of that file, without a zone.""")
    if is_date and start.tzinfo:
        start = start.astimezone(zone)
    return time_s - _seconds(start, 1.0)
