"""Altitudes at some times, and what they are at others."""

import datetime
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import CourseError

# What measured the altitude, and the standard deviation of one reading that is assumed, metres. A barometer
# drifts with the weather, the wind and its own warmth, by a metre within a flight; a laser altimeter's data
# sheet says 0.1 m; the height of a GPS fix is off by several metres.
BAROMETER, LASER, GPS = "barometer", "laser", "GPS"
SD_M = {BAROMETER: 1.0, LASER: 0.1, GPS: 5.0}
LOWEST, HIGHEST = 1.0, 500.0  # metres: no drone films a dolphin from outside of these
FASTEST = 15.0  # m/s: no drone climbs or falls like that
ROUGH = {BAROMETER: 2.0, LASER: 2.0, GPS: 5.0}  # metres by which two readings may differ beside that
GAP = 1.0  # seconds without a reading that are bridged, where readings are not rarer anyway
LONGEST_GAP = 5.0  # and where they are
TICK = 1e-3  # seconds to which subtitles cut their times


@dataclass
class Telemetry:
    """Readings of a drone's height: time_s (N,) seconds of the video, height_m (N,) metres, increasing times.

    above: "launch" or "sea"; what: the name of the field, for messages; by: what measured it; absolute_m:
    (N,) height above sea level by GPS, NaN where unknown; extras: {name: (N,)}, NaN where unknown, of
    "focal_35mm" (mm), "zoom", "pitch" (degrees, -90 is straight down); end_s: until when the last one counts;
    is_table: whether it comes from a log with a clock of its own; written: when its first reading was, by the
    clock of the place, None where unknown.
    """

    path: object
    time_s: np.ndarray
    height_m: np.ndarray
    above: str
    what: str
    by: str
    end_s: float
    absolute_m: np.ndarray = None
    extras: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    is_table: bool = False
    written: datetime.datetime | None = None

    @property
    def step(self):
        """The usual time between two readings, seconds."""
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else self.end_s - self.time_s[0]

    @property
    def sd_m(self):
        """The standard deviation of the altitude that is assumed, metres."""
        return SD_M[self.by]

    def paced(self, fps, n_frames):
        """In step with a video of n_frames that was recorded at `fps`. -> Telemetry

        Some drones write a block a frame, and add up whole milliseconds: 33 for 33.37. After a minute that
        clock is a second behind the picture. It is known by steps that are all the same, nearly a frame, and
        as many as the video has frames; then the number of a block counts, and not its time.
        """
        ticks = np.round(self.time_s / max(self.step, TICK))
        is_even = np.abs(self.time_s - ticks * self.step).max() < TICK / 10
        off = abs(self.step * fps - 1)
        if self.is_table or not is_even or not 1e-4 < off < 0.05 or abs(ticks[-1] + 1 - n_frames) > 2:
            return self
        mine, theirs = f"{1000 * self.step:.0f} ms", f"{1000 / fps:.2f}"
        said = f"its clock counts {mine} a frame, where the video has {theirs}: its blocks were counted"
        time_s, end_s = ticks / fps, self.end_s / (self.step * fps)
        return replace(self, time_s=time_s, end_s=end_s, notes=[*self.notes, said])

    def altitudes(self, times, launch_height=None):
        """The altitude above the sea at `times` (T,), seconds of the video. -> (T,) metres

        Between two readings it is interpolated linearly; a time that is a reading's, but for what subtitles
        cut off, has what was read. launch_height: of the place of launch above the sea,
        metres. Raises CourseError where there are no readings, and for altitudes that cannot be.
        """
        times = np.asarray(times, float)
        if launch_height is not None and self.above == "sea":
            raise CourseError(f"""{self.path}: {self.what} is the height above the water already; leave out
                --launch-height.""")
        self._check_cover(times)
        heights = np.interp(times, self.time_s, self.height_m)
        near = np.searchsorted((self.time_s[1:] + self.time_s[:-1]) / 2, times)
        is_one = np.abs(times - self.time_s[near]) < min(1.1 * TICK, self.step / 4)
        heights = np.where(is_one, self.height_m[near], heights)
        self._check_heights(times, heights, launch_height)
        return heights + (launch_height or 0.0)

    def _check_cover(self, times):
        """Refuses times at which nothing was read."""
        first, last, gap = times.min(), times.max(), np.clip(2.5 * self.step, GAP, LONGEST_GAP)
        asked = f"the clip is {clock(first)} to {clock(last)} of the video"
        start, end = self.time_s[0] - max(self.step, 0.1), self.end_s + max(self.step, 0.1)
        if first < start or last > end:
            held = f"{clock(self.time_s[0])} to {clock(self.end_s)}"
            by_clock = ", or say when the video begins by its clock (--video-start)" if self.is_table else ""
            raise CourseError(f"""{self.path}: has altitudes for {held}, but {asked}. Take the telemetry of
                this very video, or seconds that it covers{by_clock}.""")
        inside = (self.time_s[1:] >= first) & (self.time_s[:-1] <= last)
        gaps = np.where(inside, np.diff(self.time_s), 0)
        if gaps.size and gaps.max() > gap:
            i = int(gaps.argmax())
            held = f"{clock(self.time_s[i])} and {clock(self.time_s[i + 1])}"
            more = ", or add lines" if self.is_table else ""
            if self.step > LONGEST_GAP:
                more += f"; readings are {self.step:g} s apart: milliseconds belong into a column time_ms"
            raise CourseError(f"""{self.path}: has no altitude between {held}, and {asked}. Take seconds
                without that gap{more}.""")

    def _check_heights(self, times, heights, launch_height):
        """Refuses heights that cannot be those of a drone over the sea."""
        i = int(heights.argmin())
        lowest, above = heights[i] + (launch_height or 0.0), f"above the {self.above}"
        if lowest < LOWEST:
            here = f"{self.what} is {heights[i]:.3f} m {above} at {clock(times[i])}"
            if self.above == "launch":
                known = f", and {launch_height:g} m with --launch-height" if launch_height else ""
                raise CourseError(f"""{self.path}: {here}{known}: that is no altitude above the sea. If the
                    drone took off from a ship or a cliff, say how high above the sea, in metres:
                    --launch-height M{self._hint()}.""")
            raise CourseError(f"{self.path}: {here}. No picture of a dolphin is taken from there.")
        if heights.max() > HIGHEST:
            raise CourseError(f"""{self.path}: {self.what} is {heights.max():.0f} m at
                {clock(times[int(heights.argmax())])}. If these are centimetres or feet, name the column
                altitude_cm or altitude_ft.""")
        lo, hi = np.searchsorted(self.time_s, [times.min(), times.max()])
        part = slice(max(lo - 1, 0), hi + 1)
        steps = np.abs(np.diff(self.height_m[part])) - FASTEST * np.diff(self.time_s[part])
        if steps.size and steps.max() > ROUGH[self.by]:
            i = int(steps.argmax()) + part.start
            jump = f"{self.height_m[i]:.1f} to {self.height_m[i + 1]:.1f} m"
            raise CourseError(f"""{self.path}: {self.what} jumps from {jump} at {clock(self.time_s[i])}. Take
                seconds without that jump.""")

    def _hint(self):
        """What GPS says of the height of the launch."""
        launch = self.launch_by_gps()
        return "" if launch is None else f" (abs_alt says some {launch:.0f}, by GPS, good to several metres)"

    def launch_by_gps(self):
        """The height of the launch above sea level by GPS, metres, good to several; None where unknown."""
        if self.absolute_m is None or not np.isfinite(self.absolute_m).any() or self.above == "sea":
            return None
        return float(np.nanmedian(self.absolute_m - self.height_m))

    def mean(self, name, times):
        """The mean of an extra over the time of a clip; None where the file does not say it."""
        values = self.extras.get(name)
        if values is None:
            return None
        near = (self.time_s >= np.min(times) - self.step) & (self.time_s <= np.max(times) + self.step)
        values = values[near & np.isfinite(values)]
        return float(values.mean()) if values.size else None


def clock(seconds):
    """Seconds of a video as a person writes them: 0:12, 1:02:03.5."""
    whole = round(max(float(seconds), 0.0), 2)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(int(minutes), 60)
    rest = f"{rest:05.2f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def increasing(path, time_s, columns):
    """Columns without what repeats a time or goes back. -> (time_s, columns, number of rows left out)"""
    latest = np.maximum.accumulate(np.concatenate([[-np.inf], time_s[:-1]]))
    kept = time_s > latest
    left_out = int((~kept).sum())
    if left_out > max(3, 0.1 * len(time_s)):
        i = int((~kept).argmax())
        if (time_s[~kept] == latest[~kept]).all():
            raise CourseError(f"""{path}: {left_out} of its {len(time_s)} readings have the time of the one
                before (first {clock(time_s[i])}): its clock is too coarse. Keep one reading for each time, or
                take a log with fractions of a second.""")
        raise CourseError(f"""{path}: its times go back at entry {i + 1} ({clock(time_s[i])}), and {left_out}
            times of {len(time_s)}. Are these two recordings in one file? Take the one of this video.""")
    return time_s[kept], [column[kept] for column in columns], left_out
