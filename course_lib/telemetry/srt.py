"""The subtitles in which DJI's drones write their telemetry (.SRT), in the dialects of many models.

A block is a counter, a line of times, and text. The text differs from model to model:

    [rel_alt: 1.300 abs_alt: 132.860]                            Mavic 3, Air 2S, Air 3, Mini 3 Pro and newer
    [altitude: 117.000000]                                       Mavic Air 2, Mavic 2, FPV
    GPS(149.0251,-20.2532,14) BAROMETER:1.9                      Mavic Pro, Phantom; HOME(...) beside it
    GPS(36.6146,-6.1120,0.0M) BAROMETER:0.3M                     Matrice 300
    GPS (-58.8517, -34.2379, 15), D 698.70m, H 85.80m, H.S ...   Phantom 4 RTK, Mavic Mini, Mini 2
    HS: 1.5 HB: 20.1                                             Inspire 1, Phantom 3
    GPS(W: -117.96, N: 33.63, -37) ReH:12.3                      Autel EVO, in .ass

The third number of GPS(...) is a height on some and the number of satellites on others, so it does not count
unless a unit stands behind it. The counter is not looked at: it may begin anywhere.
"""

import datetime
import re

import numpy as np

from ..errors import CourseError
from .series import BAROMETER, GPS, Telemetry, increasing

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[,.](\d{1,6}))?"
TIMES = re.compile(rf"{_TIME}[ \t]*-->[ \t]*{_TIME}[^\n]*")
# A number whose unit is metres, or not said; another unit behind it, or more digits, and it does not count.
_OTHER = r"[\d%']|[.,]\d|[ \t]*(?:ft|feet|foot|cm|mm|km)\b|(?!(?i:m|met(?:er|re)s?)\b)[A-Za-z]"
_NUMBER = rf"([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)(?!{_OTHER})"
_KEY = r"(?i:(?<![\w.]){})[ \t]*[:=(][ \t]*" + _NUMBER
_REL, _ABS = (rf"{word}[ _-]?alt(?:itude)?" for word in ("rel(?:ative)?", "abs(?:olute)?"))
_PLAIN = r"(?<![a-z_-][ ])(?<![a-z_-][ ][ ])altitude"  # no "home altitude", no "max altitude"
# Field, above what, measured by, how it is written. The first that most blocks have counts.
_FIELDS = (
    ("rel_alt", "launch", BAROMETER, _KEY.format(_REL)),
    ("BAROMETER", "launch", BAROMETER, _KEY.format("barometer")),
    ("H", "launch", BAROMETER, rf"(?<![\w.])H[ \t]*[:=]?[ \t]*{_NUMBER}[ \t]*m(?![\w/])"),
    ("HB", "launch", BAROMETER, _KEY.format("hb")),
    ("ReH", "launch", BAROMETER, _KEY.format("reh")),
    ("altitude", "launch", BAROMETER, _KEY.format(_PLAIN)),
    ("abs_alt", "sea", GPS, _KEY.format(_ABS)),
    ("GPS(...)", "sea", GPS, rf"(?i:gps)\s*\([^(),]*,[^(),]*,\s*{_NUMBER}\s*[mM]\s*\)"),
)
_ABSOLUTE = re.compile(_KEY.format(_ABS))
_FEET = re.compile(
    rf"(?i:\b(?:{_REL}|altitude|barometer|h)[ \t]*[:=(]?[ \t]*-?[\d.,]+[ \t]*(?:ft|feet|foot|')(?!\w))"
)
_EXTRAS = {
    "focal_35mm": re.compile(_KEY.format("focal_len")),
    "zoom": re.compile(r"(?<![\w.])(?:dzoom_ratio\s*:|DZOOM)\s*" + _NUMBER),
    "pitch": re.compile(_KEY.format("(?:gb|gimbal)_pitch")),
}


def read_srt(text, path):
    """The telemetry in the text of subtitles. -> Telemetry

    Blocks that are empty, repeated or cut off are left out. Raises CourseError where no block holds a height.
    """
    starts, ends, bodies = _blocks(text)
    found = [_numbers(pattern, bodies) for *_, pattern in _FIELDS]
    counts = [int(np.isfinite(values).sum()) for values in found]
    enough = [k for k, count in enumerate(counts) if count and count >= 0.5 * max(counts)]
    if not enough:
        raise CourseError(_no_height(path, bodies))
    (what, above, by, _), height = _FIELDS[enough[0]], found[enough[0]]
    kept = np.isfinite(height) & np.isfinite(starts)
    others = [ends, height, _numbers(_ABSOLUTE, bodies), *(_extra(name, bodies) for name in _EXTRAS)]
    time_s, others, repeated = increasing(path, starts[kept], [column[kept] for column in others])
    ends, height, absolute, *extras = others
    if not height.any() and len(height) > 1:
        raise CourseError(f"""{path}: {what} is 0 in each of its {len(height)} blocks, as a drone writes it
            before it takes off, or where it knows no altitude. Take the altitudes from a table of time and
            altitude (.csv), such as the app's flight log.""")
    step = np.median(np.diff(time_s)) if len(time_s) > 1 else 0.0
    end = max(min(ends[-1], time_s[-1] + max(2 * step, 1.0)), time_s[-1])
    if above == "launch" and what != "rel_alt":
        absolute = np.full_like(height, np.nan)
    telemetry = Telemetry(path, time_s, height, above, what, by, float(end), absolute)
    telemetry.extras, telemetry.written = dict(zip(_EXTRAS, extras)), _date(bodies[0])
    left_out = len(starts) - int(kept.sum()) + repeated
    if left_out:
        said = f"{left_out} of {len(starts)} blocks hold no {what} or repeat a time, and were left out"
        telemetry.notes.append(said)
    if what == "altitude":
        telemetry.notes.append("this drone does not say above what its altitude is: the launch was assumed")
    return telemetry


def of_ass(text):
    """The text of subtitles as .SRT has it; what is no Advanced SubStation Alpha (.ass) is left as it is."""
    lines = re.findall(r"^Dialogue:[^,]*,([^,]*),([^,]*),(?:[^,]*,){6}(.*)$", text, re.MULTILINE)
    blocks = [f"{start} --> {end}\n{body}\n" for start, end, body in lines]
    return "\n".join(blocks).replace("\\N", "\n") if lines and "[Script Info]" in text else text


def _blocks(text):
    """The blocks of subtitles. -> starts, ends (N,) seconds, texts"""
    heads = list(TIMES.finditer(text))
    fractions = {len(head[k]) for head in heads for k in (4, 8) if head[k]}
    places = 3 if len(fractions) > 1 and max(fractions) <= 3 else None  # 7 is then 7 ms, without its zeros
    starts = np.array([_seconds(head.groups()[:4], places) for head in heads])
    ends = np.array([_seconds(head.groups()[4:], places) for head in heads])
    stops = [head.start() for head in heads[1:]] + [len(text)]
    return starts, ends, [text[head.end() : stop] for head, stop in zip(heads, stops)]


def _date(body):
    """When a block was written; None where it does not say it."""
    found = re.search(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})\s+(\d{1,2}):(\d\d):(\d\d)", body)
    try:
        return datetime.datetime(*map(int, found.groups()))
    except (AttributeError, ValueError):
        return None


def _seconds(parts, places=None):
    """A time as seconds. places: digits of its fraction where zeros before it were left out."""
    hours, minutes, seconds, fraction = parts
    fraction = (fraction or "0").rjust(places or 0, "0")
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _numbers(pattern, bodies):
    """A number of each block, NaN where there is none. -> (N,)

    What stands at the very end of the file may be cut off: it counts if it has the digits of the others.
    """
    matches = [re.search(pattern, body) for body in bodies]
    values = np.array([float(match[1].replace(",", ".")) if match else np.nan for match in matches])
    if matches and matches[-1] and bodies[-1][matches[-1].end(1) :] in ("", ".", ","):
        digits = {_decimals(match[1]) for match in matches[:-1] if match}
        if digits != {_decimals(matches[-1][1])} or digits == {0}:
            values[-1] = np.nan
    return values


def _decimals(number):
    return len(number.replace(",", ".").partition(".")[2])


def _extra(name, bodies):
    """A number that is not a height. DJI writes 24 mm as 24.00 or as 240, and no zoom as 1.000 or 10000."""
    values = _numbers(_EXTRAS[name], bodies)
    if name == "focal_35mm":
        return np.where(values >= 200, values / 10, values)
    return np.where(values >= 1000, values / 10000, values) if name == "zoom" else values


def _no_height(path, bodies):
    """Why no altitude was found."""
    said = " ".join(" ".join(bodies[:50]).split())
    if _FEET.search(said):
        return f"""{path}: its altitudes are in feet, and a drone's subtitles are read in metres. Switch the
            app to metres; or write a table (.csv) with the columns time_s,altitude_ft."""
    if re.search(r"(?i)gps\s*\(", said):
        return f"""{path}: its blocks hold GPS(...), but no altitude (rel_alt, BAROMETER, H or altitude): the
            third number may be the number of satellites. Take the altitudes from a table of time and
            altitude (.csv), such as the app's flight log."""
    shown = re.sub(r"<[^>]*>", "", said)[:60].strip()
    shown = f"the first ones say {shown!r}" if shown else "its blocks are empty"
    return f"""{path}: none of its {len(bodies)} blocks holds an altitude (rel_alt, BAROMETER, H or altitude);
        {shown}. Take the altitudes from a table of time and altitude (.csv), such as the app's flight log."""
