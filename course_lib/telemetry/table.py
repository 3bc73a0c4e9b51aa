"""A table of time and altitude: the log of a laser altimeter, or the flight log of an app, as .csv."""

import csv
import datetime
import re

import numpy as np

from ..errors import CourseError
from .series import BAROMETER, GPS, LASER, Telemetry, increasing

# The words of which columns' names are made, in pieces that are written together. A name in which there is a
# word that is in none of these lists is of another column: max_altitude, home altitude, speed.
_WHOSE = """osd custom data gps gnss imu atti clock aircraft drone uav vehicle flight record log video local
    unix epoch raw corrected at of the from since start""".split()
_TIME = "time timestamp date datetime seconds second sec elapsed offset t utc gmt".split()
_OF_TIME = "fly update boot launch takeoff take off s".split()
_LASER = "laser lidar rangefinder range distance".split()
_ECHO = {"range", "distance"}  # of a laser's own log; in a drone's, how far away its pilot is
_LAUNCH = "ascent height barometer baro barometric altitude alt agl".split()
_SEA = "abs absolute asl amsl msl sea level sealevel elevation ele".split()
_WATER = "water surface".split()
_OF_HEIGHT = "relative rel above over takeoff take off launch ground".split()
_PRECISE = {*_OF_HEIGHT, "ascent", "agl"}  # above the launch, and no height above the sea by GPS
_PLACES = "lat latitude lon lng long longitude longtitude".split()
_HEIGHTS = {*_LASER, *_LAUNCH, "asl", "amsl", "msl", "elevation", "ele"}
_ALL = sorted({*_WHOSE, *_TIME, *_OF_TIME, *_LASER, *_LAUNCH, *_SEA, *_WATER, *_OF_HEIGHT}, key=len)[::-1]
_WORDS = re.compile("|".join(word for word in _ALL if len(word) > 1))
_UNITS = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "cm": 0.01, "mm": 0.001}
_UNITS |= {"ft": 0.3048, "feet": 0.3048, "foot": 0.3048}
_CLOCKS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
_CLOCKS |= {"millisecond": 1e-3, "milliseconds": 1e-3, "microseconds": 1e-6, "min": 60.0, "minutes": 60.0}
_ZONES = "", "utc", "gmt", "local", "z"  # behind the name of a time
_FEET = re.compile(r"(?i)(?<![a-z])(?:ft|feet|foot)(?![a-z])")
_EXPECTED = """expected a table with a column of time (seconds) and one of altitude (metres), with names such
        as time_s,altitude_m"""
_SEARCHED = 100  # lines that may stand above the names
_DAY = 86400.0


def read_table(text, path, video_start=None):
    """The telemetry in the text of a table with commas, semicolons, tabs or bars. -> Telemetry

    Units stand behind names or numbers, or in a row of their own: time_ms, altitude_cm, height(feet); seconds
    and metres where there are none. Columns called laser, lidar, range or distance are heights above the
    water, those of GPS above the sea, others above the launch. video_start: see `read_telemetry`. Raises
    CourseError for other tables.
    """
    header, rows = _rows(text, path)
    j, metres, above, by = _height_column(header, path)
    _check_feet(text, header, rows, j, path)
    cells = [row + [""] * (len(header) + 2 - len(row)) for row in rows]
    metres = 1.0 if _have_units(cells, j, path) else metres
    heights = np.array([_number(row[j]) for row in cells]) * metres
    if _is_cut(text, cells, j):
        heights[-1] = np.nan
    if by == LASER:
        heights[heights <= 0] = np.nan  # no echo
    cells = [row for row, height in zip(cells, heights) if np.isfinite(height)]
    times = _times(header, cells, path, video_start)
    kept = np.array([time is not None for time in times], bool)
    if not kept.any():
        raise CourseError(f"{path}: none of its {len(rows)} rows holds a time and an altitude, {_EXPECTED}.")
    time_s = _of_video([time for time in times if time is not None], path, video_start)
    time_s, (heights,), repeated = increasing(path, time_s, [heights[np.isfinite(heights)][kept]])
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
    names, and what stands above the names is left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    start, sign, header = _header(lines)
    lines = [line for line in lines[start:] if not line.lstrip().startswith("#")]
    if header is None:
        signs = [sign for sign in ";\t,|" if lines and sign in lines[0]]
        if not signs:
            raise CourseError(f"{path}: neither subtitles nor a table of several columns, {_EXPECTED}.")
        sign = signs[0]
    try:
        rows = [_cells(line, sign) for line in lines]
    except csv.Error as error:
        raise CourseError(f"{path}: not a table ({error}), {_EXPECTED}.") from None
    if header is None and not _is_text(rows[0][0]):
        if len(rows[0]) != 2:
            raise CourseError(f"""{path}: has {len(rows[0])} columns and no names for them. Write a first line
                that names them, such as time_s,altitude_m.""")
        return [], rows
    if header is None:
        header, rows = rows[0], rows[1:]
    if rows and all(_is_text(cell) for cell in rows[0]):
        units = [unit.strip("()[] ") for unit in rows[0]]
        header = [f"{name} ({unit})" if unit else name for name, unit in zip(header, units)]
        rows = rows[1:]
    wide = [row for row in rows if len(row) > len(header) and any(row[len(header) :])]
    if wide:
        raise CourseError(f"""{path}: has rows with more cells than its {len(header)} names, such as
            {sign.join(wide[0])[:60]}. Decimals with commas need semicolons between the columns.""")
    return header, rows


def _header(lines):
    """Where the rows begin, what is between the columns, their names: of the first line that names a time and
    an altitude, be it a comment. -> 0, None, None where there is none"""
    for i, line in enumerate(lines[:_SEARCHED]):
        for sign in ";\t,|":
            if sign in line:
                header = _cells(line.lstrip("# "), sign)
                named = [_split(name)[0] for name in header]
                if any(map(_is_time, named)) and any(_height(words) for words in named):
                    return i + 1, sign, header
    sep = bool(lines and re.fullmatch(r"\"?sep=.\"?", lines[0].strip()))
    return int(sep), None, None


def _cells(line, sign):
    return [_cell(cell) for cell in next(csv.reader([line], delimiter=sign, skipinitialspace=True))]


def _cell(text):
    """A cell in one line; a comma within a number is that of a decimal."""
    return re.sub(r"^([-+]?\d+),(\d+)\b", r"\1.\2", " ".join(text.split()))


def _is_text(cell):
    return np.isnan(_number(cell)) and _time(cell) is None


def _split(name):
    """The words of a column's name, and its unit: "OSD.flyTime [ms]" -> {"osd", "fly", "time"}, "ms".

    The words are None where one of them is not known.
    """
    name, unit = name.strip(), ""
    if behind := re.fullmatch(r"(.*?)[\s_]*[(\[]\s*([\w/]+)\s*[)\]]", name):
        name, unit = behind.groups()
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    parts = re.findall(r"[^\W\d_]+", name.lower())
    if not unit and len(parts) > 1 and parts[-1] in _UNITS | _CLOCKS:
        unit = parts.pop()
        parts = parts[:-1] if parts[-1] == "in" else parts
    if not unit and len(parts) == 1 and parts[0] in _CLOCKS and parts[0] not in _TIME:
        parts, unit = ["time"], parts[0]
    words = set()
    for part in parts[1:] if parts[:1] == ["h"] else parts:  # hMSL
        if re.sub(_WORDS, "", part) and part not in _ALL:
            return None, unit.lower()
        words.update([part] if part in _ALL else _WORDS.findall(part))
    return words, unit.lower()


def _is_time(words):
    return bool(words) and words <= {*_WHOSE, *_TIME, *_OF_TIME} and not words.isdisjoint(_TIME)


def _height(words):
    """What a column of height is, by the words of its name. -> rank, above, by; None where it is none"""
    if not words or words.isdisjoint(_HEIGHTS) or not words.isdisjoint(["time", "date", "timestamp"]):
        return None
    if not words.isdisjoint(_LASER):
        return (1 if words & {"laser", "lidar", "rangefinder"} else 2), "sea", LASER
    if not words.isdisjoint([*_SEA, "gps", "gnss"]):
        return 6, "sea", GPS
    if not words.isdisjoint(_WATER):
        return 3, "sea", BAROMETER
    return (3 if words & _PRECISE else 4 if words & {"height", "barometer"} else 5), "launch", BAROMETER


def _height_column(header, path):
    """Which column holds the altitude: index, metres a unit, above, by."""
    if not header:
        return 1, 1.0, "launch", BAROMETER
    named = [_split(name) for name in header]
    heights = [(*_height(words), k) for k, (words, _) in enumerate(named) if _height(words)]
    heights = _without_ways(sorted(heights, key=lambda of: (of[0], of[-1])), named, header, path)
    is_known = any(_is_time(words) for words, _ in named)
    if not heights or not is_known:
        missing = "altitude" if is_known else "time"
        raise CourseError(f"""{path}: has no column of {missing} that is known (its columns:
            {", ".join(header[:12])}), {_EXPECTED}.""")
    _, above, by, j = heights[0]
    unit = named[j][1]
    if unit and unit not in _UNITS:
        raise CourseError(f"""{path}: the unit of the column {header[j]} is not known, expected one of
            {", ".join(_UNITS)}, as in altitude_m.""")
    return j, _UNITS.get(unit, 1.0), above, by


def _without_ways(heights, named, header, path):
    """Columns of height without a distance that may be that from the pilot. Raises CourseError for doubts."""
    echoes = [of for of in heights if of[0] == 2]
    if not echoes or heights[0][0] != 2:
        return heights
    others = [of for of in heights if of[0] != 2]
    is_flight = any(words and words & {*_PLACES} for words, _ in named) or any(
        re.sub(r"\W", "", name.lower()) in _PLACES for name in header
    )
    if is_flight and any(rank in (3, 4) for rank, *_ in others):
        return others
    echo = header[echoes[0][-1]]
    if others:
        raise CourseError(f"""{path}: {echo} and {header[others[0][-1]]} both may be the altitude. Take one
            of the columns away, or call the one that counts laser_m or relative_altitude_m.""")
    if is_flight:
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


def _times(header, cells, path, video_start):
    """The times of a table's rows, as seconds or as dates, None where there is none. -> (N,)

    There may be several: seconds since the log began, the time of day, the day. `video_start` says which is
    asked for; seconds are finer than dates, which are often cut, and are put on them.
    """
    columns = [k for k, name in enumerate(header) if _is_time(_split(name)[0])] if header else [0]
    counts, clocks, days, dates = [], [], [], []
    for k in columns:
        read = [_time(row[k]) for row in cells]
        found = [time for time in read if time is not None]
        if len(found) < 0.5 * len(cells) or not found:
            continue
        if isinstance(found[0], datetime.datetime):
            (dates if any(":" in row[k] for row in cells) else days).append(read)
        elif any(":" in row[k] for row in cells):
            clocks.append(_over_midnight(read))
        else:
            counts.append(_counted(read, header[k] if header else "", _have_units(cells, k, path), path))
    if days and clocks and not dates:
        dates = [
            [None if None in pair else pair[0] + datetime.timedelta(seconds=pair[1]) for pair in zip(*both)]
            for both in [(days[0], clocks[0])]
        ]
    asked = str(video_start or "").strip()
    if dates and isinstance(_time(asked), datetime.datetime):
        return _dated(counts[0], dates[0]) if counts else dates[0]
    chosen = [*clocks, *counts] if ":" in asked else [*counts, *clocks]
    if chosen or dates:
        return [*chosen, *dates][0]
    if not cells or not columns:
        return [None] * len(cells)
    shown = ", ".join(repr(cells[0][k]) for k in columns)
    raise CourseError(f"""{path}: its times ({shown}) are written in a way that is not known. Write seconds,
        or 2026-05-02 10:11:12.5, in a column called time_s or datetime.""")


def _counted(read, name, have_units, path):
    """Times that are numbers, as seconds. -> (N,)"""
    unit = _split(name)[1]
    if unit not in {*_CLOCKS, *_ZONES}:
        raise CourseError(f"""{path}: the unit of the column {name} is not known, expected one of
            {", ".join(_CLOCKS)}, as in time_s.""")
    per_second = 1.0 if have_units else _CLOCKS.get(unit, 1.0)
    largest = max(time for time in read if time is not None)
    if unit not in _CLOCKS and largest > 1e11:  # since 1970, not in seconds
        per_second = 1e-3 if largest < 1e14 else 1e-6
    return [None if time is None else time * per_second for time in read]


def _over_midnight(read):
    """Times of day, which go on behind midnight. -> (N,)"""
    day, before, times = 0.0, None, []
    for time in read:
        if time is not None and before is not None and time < before - _DAY / 2:
            day += _DAY
        before = before if time is None else time
        times.append(None if time is None else time + day)
    return times


def _dated(times, dates):
    """Seconds that count from some moment as dates, by dates beside them. -> (N,)

    Such dates are often cut to whole seconds, and the latest of them, by the times, is the nearest to a tick.
    """
    both = [(time, date) for time, date in zip(times, dates) if time is not None and date is not None]
    if not both or len({date.tzinfo for _, date in both}) > 1:
        return times
    zero = max(date - datetime.timedelta(seconds=time) for time, date in both)
    return [None if time is None else zero + datetime.timedelta(seconds=time) for time in times]


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


def _number(cell):
    """A number, in metres or seconds where its unit stands behind it; NaN for what is none."""
    found = re.fullmatch(r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)", cell.lower())
    try:
        value, unit = float(found[1]), found[2]
    except (TypeError, ValueError):
        return np.nan
    return value * (_UNITS | _CLOCKS).get(unit, np.nan) if unit else value


def _time(cell):
    """A time: a number, H:MM:SS as seconds, or a date, with a time or without; None for what is none."""
    number = _number(cell)
    if np.isfinite(number):
        return number
    clock = re.fullmatch(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)\s*([AaPp])?\.?(?:[Mm]\.?)?", cell)
    if clock:
        hours, minutes, seconds, half = clock.groups()
        hours = int(hours or 0) % 12 + 12 * (half in "Pp") if half else int(hours or 0)
        return hours * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    found = re.fullmatch(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T,]+(.*))?", cell)
    if found:  # with strokes the month is first, as American apps write it
        one, sign, two, year, rest = found.groups()
        month, day = (one, two) if sign == "/" and int(one) <= 12 else (two, one)
        seconds = _time(rest) if rest else 0.0
        if not isinstance(seconds, float):
            return None
        cell, late = f"{year}-{month}-{day}", datetime.timedelta(seconds=seconds)
    else:
        late = datetime.timedelta()
    text = re.sub(r"[Zz]$", "+00:00", cell).replace("/", "-").replace(",", ".")
    text = re.sub(r"^(\d{4})[.-](\d{1,2})[.-](\d{1,2})\b", _padded, text)
    text = re.sub(r"\.(\d{1,6})\d*(?=$|[-+])", lambda found: "." + found[1].ljust(6, "0"), text)
    try:
        return datetime.datetime.fromisoformat(text) + late
    except ValueError:
        return None


def _padded(found):
    return f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}"


def _of_video(times, path, video_start):
    """Times of the log's clock as seconds of the video. -> (N,)"""
    dates = {isinstance(time, datetime.datetime) for time in times}
    zones = {time.tzinfo for time in times if isinstance(time, datetime.datetime)}
    if len(dates) > 1 or len(zones) > 1:
        raise CourseError(f"""{path}: some of its times have a day or a zone and others have another or none,
            {_EXPECTED}.""")
    is_date, zone = dates.pop(), zones.pop() if zones else None
    time_s = np.array([_seconds(time) for time in times])
    since_1970 = not is_date and time_s[0] > 1e8
    if video_start is None:
        if is_date or since_1970:
            clock = "UTC" if since_1970 else "the same clock"
            raise CourseError(f"""{path}: its times are those of a clock. Say when the video begins by
                {clock}: --video-start "2026-05-02 10:11:12.5".""")
        return time_s
    start = _time(str(video_start).strip())
    if since_1970 and isinstance(start, datetime.datetime):
        is_date, zone = True, datetime.timezone.utc
    if start is None or isinstance(start, datetime.datetime) != is_date:
        wanted = "2026-05-02 10:11:12.5" if is_date else "12.5 (seconds of the log)"
        raise CourseError(f"--video-start is {video_start!r}, expected a time as in {path}: {wanted}.")
    if is_date and start.tzinfo and not zone:
        raise CourseError(f"""--video-start {video_start!r} has a zone, and the times of {path} have none.
            Give it by the clock of that file, without a zone.""")
    if is_date and start.tzinfo:
        start = start.astimezone(zone)
    return time_s - _seconds(start)


def _seconds(time):
    """A time of a log as seconds; of one with a zone those of the clock there."""
    if isinstance(time, datetime.datetime):
        return (time.replace(tzinfo=None) - datetime.datetime(1970, 1, 1)).total_seconds()
    return time
