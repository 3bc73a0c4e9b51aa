"""Checks of lesson 6: altitudes (11), apparent depth (12), a length's interval (13), a volume (14)."""

import math
from functools import partial

import numpy as np
import torch

from ..photogrammetry import STATIONS
from .card import Shown
from .core import Complaint, Exercise, Problem, close, describe, items, shape_text, tensor
from .difference import apart, difference, in_digits, pattern
from .same import Same, SameGradient

# --- exercise 11: right, and with steps of one's own

HEIGHTS = "altitude_per_frame(sample_times, sample_altitudes, frame_times, launch_height, longest_gap)"
LONGEST = 1.0  # seconds, the default


def _known(times, heights):
    """Samples without those that are NaN."""
    known = ~heights.isnan()
    return times[known], heights[known]


def _between(times, frames):
    """The samples before and after each frame, and how far it is from the one to the other, 0 to 1."""
    after = torch.searchsorted(times, frames).clamp(1, len(times) - 1)
    return after - 1, after, (frames - times[after - 1]) / (times[after] - times[after - 1])


def _evenly(times, heights, frames):
    """Linear between samples, and on beyond the ends."""
    before, after, share = _between(times, frames)
    return heights[before] + share * (heights[after] - heights[before])


def _nan_where(flags, values):
    return torch.where(flags, torch.nan, values)


def _outside(times, frames):
    return (frames < times[0]) | (frames > times[-1])


def _in_gap(times, frames, longest):
    before, after, share = _between(times, frames)
    return (times[after] - times[before] > longest) & (share > 0) & (share < 1)


def _altitudes(
    times, heights, frames, launch=0.0, longest=LONGEST, *, clean=_known, value=_evenly, add=torch.add
):
    """Right but for its steps: clean(times, heights), value(times, heights, frames), add(value, launch)."""
    times, heights = clean(times, heights)
    unknown = _outside(times, frames) | _in_gap(times, frames, longest)
    return _nan_where(unknown, add(value(times, heights, frames), launch))


# --- exercise 11: what goes wrong


def _of_neighbours(make):
    """A value of the samples before and after, and the share: make(h0, h1, share, t0, t1)."""

    def value(times, heights, frames):
        i, j, share = _between(times, frames)
        return make(heights[i], heights[j], share, times[i], times[j])

    return partial(_altitudes, value=value)


def _resampled(**how):
    """The samples stretched to as many as there are frames."""

    def value(times, heights, frames):
        made = torch.nn.functional.interpolate(heights[None, None], size=len(frames), **how)
        return made[0, 0]

    return partial(_altitudes, value=value)


def _of_numbers(number):
    """The sample of a number: number(count of samples, count of frames) -> (F,)"""
    return partial(_altitudes, value=lambda t, h, f: h[number(len(h), len(f)).long().clamp(0, len(h) - 1)])


def _at_an_even_rate(times, heights, frames):
    return _evenly(torch.linspace(float(times[0]), float(times[-1]), len(times)).to(times), heights, frames)


def _curve(kind):
    def value(times, heights, frames):
        from scipy.interpolate import interp1d

        curve = interp1d(times.numpy(), heights.numpy(), kind, fill_value="extrapolate")
        return torch.from_numpy(curve(frames.numpy()))

    return partial(_altitudes, value=value)


def _one_off(by):
    """The share is right, and belongs to the pair of samples one earlier or later."""

    def value(times, heights, frames):
        i, j, share = _between(times, frames)
        i, j = ((k + by).clamp(0, len(times) - 1) for k in (i, j))
        return heights[i] + share * (heights[j] - heights[i])

    return partial(_altitudes, value=value)


def _line_beside(by):
    """The line through the pair of samples one earlier or later."""

    def value(times, heights, frames):
        i = (_between(times, frames)[0] + by).clamp(0, len(times) - 2)
        slope = (heights[i + 1] - heights[i]) / (times[i + 1] - times[i])
        return heights[i] + slope * (frames - times[i])

    return partial(_altitudes, value=value)


LINEAR = "Between the samples (t0, h0) and (t1, h1) it is h0 + (t - t0) / (t1 - t0) · (h1 - h0)."
OF_RATES = {
    f"nearest: Each frame has the altitude of the sample nearest in time. {LINEAR}": _of_neighbours(
        lambda h0, h1, share, *_: torch.where(share < 0.5, h0, h1)
    ),
    f"""steps: Each frame has the altitude of the last sample before it, which stays until the next one.
        {LINEAR}""": _of_neighbours(lambda h0, h1, *_: h0),
    f"steps: Each frame has the altitude of the first sample after it. {LINEAR}": _of_neighbours(
        lambda h0, h1, *_: h1
    ),
    f"mean: Each frame has the mean of the samples before and after it. {LINEAR}": _of_neighbours(
        lambda h0, h1, *_: (h0 + h1) / 2
    ),
    f"""share-swapped: The two samples' shares are exchanged: a frame right after a sample has nearly the
        altitude of the next one. {LINEAR}""": _of_neighbours(
        lambda h0, h1, share, *_: h1 + share * (h0 - h1)
    ),
    f"""not-divided: The time since the sample before is not divided by the time between both samples.
        {LINEAR}""": _of_neighbours(lambda h0, h1, share, t0, t1: h0 + share * (t1 - t0) * (h1 - h0)),
    f"one-off: The share is right, but it belongs to the samples one later. {LINEAR}": _one_off(1),
    f"one-off: The share is right, but it belongs to the samples one earlier. {LINEAR}": _one_off(-1),
    f"one-off: Each frame lies on the line through the next two samples after it. {LINEAR}": _line_beside(1),
    f"one-off: Each frame lies on the line through the last two samples before it. {LINEAR}": _line_beside(
        -1
    ),
    """by-number: Frame k has the altitude of sample k. But samples come at another rate than frames: look
        for the samples by their times.""": (
        _of_numbers(lambda n, f: torch.arange(f)),
        _of_numbers(lambda n, f: torch.arange(f) % n),
    ),
    """by-number: The samples are stretched to the number of frames, and their times are not looked at: they
        do not come at an even rate.""": (
        *(_resampled(mode="linear", align_corners=ends) for ends in (True, False)),
        *(_resampled(mode=mode) for mode in ("nearest", "nearest-exact")),
        _of_numbers(lambda n, f: torch.arange(f) * n // f),
        _of_numbers(lambda n, f: torch.linspace(0, n - 1, f)),
        _of_numbers(lambda n, f: torch.linspace(0, n - 1, f).round()),
    ),
    """even-rate: Between the first sample and the last the others are taken to come at an even rate. They do
        not: use `sample_times`.""": partial(_altitudes, value=_at_an_even_rate),
    """clocks: The frames' times are counted from the first frame, and the samples' from the first sample.
        Both are seconds of one clock already: take nothing off.""": partial(
        _altitudes, value=lambda t, h, f: _evenly(t - t[0], h, f - f[0])
    ),
    f"curved: Between the samples it follows a curve. {LINEAR}": tuple(map(_curve, ("cubic", "quadratic"))),
    f"one-for-all: All frames have the mean of the samples. {LINEAR}": partial(
        _altitudes, value=lambda t, h, f: h.mean() + 0 * f
    ),
}
OF_LAUNCHES = {
    """launch-forgotten: `launch_height` is not added: these are heights above the place where the drone took
        off. That place lies launch_height above the sea.""": partial(_altitudes, add=lambda h, launch: h),
    """launch-subtracted: `launch_height` is subtracted. The place of take-off lies that much above the sea,
        and the drone reports heights above it: add it.""": partial(_altitudes, add=torch.sub),
    "launch-subtracted: The altitudes are subtracted from `launch_height`. Add both.": partial(
        _altitudes, add=lambda h, launch: launch - h
    ),
    "launch-twice: `launch_height` is added twice.": partial(
        _altitudes, add=lambda h, launch: h + 2 * launch
    ),
    "launch-times: The heights are multiplied by `launch_height`. Add it.": partial(
        _altitudes, add=torch.mul
    ),
    """launch-instead: The heights are counted from the first sample or frame, whose height is set to
        launch_height. The drone's heights are above the place of take-off already: only add.""": (
        partial(_altitudes, value=lambda t, h, f: _evenly(t, h - h[0], f)),
        partial(_altitudes, value=lambda t, h, f: _evenly(t, h, f) - _evenly(t, h, f[:1])),
    ),
    """launch-clamped: Where the drone is below the place of take-off, its height counts as 0. It may well fly
        lower than that: from a ship or a cliff. Add launch_height to what it reports.""": partial(
        _altitudes, add=lambda h, launch: h.clamp(min=0) + launch
    ),
    """launch-clamped: Where the drone is below the place of take-off, its height has lost its sign. It may
        well fly lower than that: from a ship or a cliff. Add launch_height to what it reports.""": partial(
        _altitudes, add=lambda h, launch: h.abs() + launch
    ),
}


def _filled(fill):
    """NaN replaced before: fill(times, heights) -> heights"""
    return partial(_altitudes, clean=lambda t, h: (t, fill(t, h)))


def _carried(heights):
    """Where a sample is NaN, the last one before it that is not."""
    place = torch.where(heights.isnan(), 0, torch.arange(len(heights))).cummax(0).values
    return heights[place]


def _middle(times, heights):
    before, after = _carried(heights), _carried(heights.flip(0)).flip(0)
    return (before + after) / 2


def _by_number(times, heights):
    known = (~heights.isnan()).nonzero()[:, 0].to(heights)
    return _evenly(known, heights[~heights.isnan()], torch.arange(len(heights)).to(heights))


AS_IF_NOT_THERE = "A sample that is NaN counts as if it were not there: leave out its time too."
OF_MISSING = {
    f"""nan-spreads: Frames beside a sample that is NaN come out as NaN, though there are known samples on
        both sides. {AS_IF_NOT_THERE}""": partial(_altitudes, clean=lambda t, h: (t, h)),
    f"""all-nan: All frames are NaN, as soon as one sample is: does a sum or a mean run over all samples?
        {AS_IF_NOT_THERE}""": lambda t, h, f, *_: torch.full_like(f, torch.nan),
    f"""nan-to-zero: A sample that is NaN counts as 0 m, so that the altitude dips there.
        {AS_IF_NOT_THERE}""": _filled(lambda t, h: h.nan_to_num()),
    f"""nan-carried: A sample that is NaN takes the altitude of the known one before it.
        {AS_IF_NOT_THERE}""": _filled(lambda t, h: _carried(h)),
    f"""nan-carried: A sample that is NaN takes the altitude of the known one after it.
        {AS_IF_NOT_THERE}""": _filled(lambda t, h: _carried(h.flip(0)).flip(0)),
    f"""nan-mean: A sample that is NaN takes the mean of the known ones before and after it.
        {AS_IF_NOT_THERE}""": _filled(_middle),
    f"""nan-by-number: Samples that are NaN are filled up evenly from one to the next, as if they came at an
        even rate. {AS_IF_NOT_THERE}""": _filled(_by_number),
    f"""nan-mean: A sample that is NaN takes the mean of all known ones.
        {AS_IF_NOT_THERE}""": _filled(lambda t, h: torch.where(h.isnan(), h.nanmean(), h)),
    f"""times-kept: The altitudes that are NaN are left out, but their times are not: after them each altitude
        stands beside an earlier time. {AS_IF_NOT_THERE}""": partial(
        _altitudes, clean=lambda t, h: (t[: (~h.isnan()).sum()], h[~h.isnan()])
    ),
}

# What may come out of frames before the first known sample and after the last: the value of all frames, as
# if they were known; of the known samples, the frames, and the times of all samples.
ENDS = {
    "": None,
    """Frames before the first known sample get its altitude, and those after the last that one's, as
        `np.interp` does it.""": lambda t, h, f, _: _evenly(t, h, f.clamp(t[0], t[-1])),
    "Beyond the ends the line through the two samples there goes on.": lambda t, h, f, _: _evenly(t, h, f),
    "Frames before the first known sample and after the last are 0.": lambda t, h, f, _: (
        _evenly(t, h, f) * ~_outside(t, f)
    ),
    """Frames beyond the first known sample and the last get their altitudes, as long as there are samples
        that are NaN: these do not count.""": lambda t, h, f, times: _nan_where(
        _outside(times, f), _evenly(t, h, f.clamp(t[0], t[-1]))
    ),
    """Beyond the first known sample and the last the line goes on, as long as there are samples that are NaN:
        these do not count.""": lambda t, h, f, times: _nan_where(_outside(times, f), _evenly(t, h, f)),
    """Frames before the first known sample are right, but those after the last one get its
        altitude.""": lambda t, h, f, _: _nan_where(f < t[0], _evenly(t, h, f.clamp(max=t[-1]))),
    """Frames after the last known sample are right, but those before the first one get its
        altitude.""": lambda t, h, f, _: _nan_where(f > t[-1], _evenly(t, h, f.clamp(t[0]))),
    """The frames at the very moments of the first known sample and of the last are NaN, though their altitude
        is known. Known is where 0 <= share <= 1: compare by <= and >=.""": lambda t, h, f, _: _nan_where(
        (f <= t[0]) | (f >= t[-1]), _evenly(t, h, f)
    ),
    """The frame at the very moment of the first known sample is NaN, though its altitude is known.""": (
        lambda t, h, f, _: _nan_where((f <= t[0]) | (f > t[-1]), _evenly(t, h, f))
    ),
    """The frame at the very moment of the last known sample is NaN, though its altitude is known.""": (
        lambda t, h, f, _: _nan_where((f < t[0]) | (f >= t[-1]), _evenly(t, h, f))
    ),
}
# Which frames lie in a gap: of known times, frames, longest_gap, and the times of all samples.
GAPS = {
    "": lambda t, f, longest, _: _in_gap(t, f, longest),
    """Frames in a gap longer than `longest_gap` get a number all the same.""": lambda t, f, *_: f != f,
    """`longest_gap` is not used: there always stands 1 s.""": lambda t, f, longest, _: _in_gap(
        t, f, LONGEST
    ),
    """The gaps are measured before the samples that are NaN are left out: a run of these is a gap
        too.""": lambda t, f, longest, times: _in_gap(times, f, longest),
    """In a gap only those frames are NaN that are more than `longest_gap` away from both of its ends. All
        frames in it are to be NaN.""": lambda t, f, longest, _: (f[:, None] - t).abs().amin(1) > longest,
    """Not the gap between two known samples is compared with `longest_gap`, but the time since the last one
        before the frame.""": lambda t, f, longest, _: f - t[_between(t, f)[0]] > longest,
    """Not the gap between two known samples is compared with `longest_gap`, but the time until the next one
        after the frame.""": lambda t, f, longest, _: t[_between(t, f)[1]] - f > longest,
    """After the first gap all frames are NaN: only those within it are to be.""": lambda t, f, longest, _: (
        _in_gap(t, f, longest).cumsum(0) > 0
    ),
    """It is the wrong way round: frames between samples that are near to each other are NaN, and those in a
        gap longer than `longest_gap` are not.""": lambda t, f, longest, _: (
        ~_in_gap(t, f, longest) & ~_outside(t, f)
    ),
}


def _with(end, gap, missing=torch.nan):
    """The altitudes with other ends and gaps; missing: what stands in a gap."""

    def altitudes(times, heights, frames, launch=0.0, longest=LONGEST):
        t, h = _known(times, heights)
        if end is None:
            value = _nan_where(_outside(t, frames), _evenly(t, h, frames))
        else:
            value = end(t, h, frames, times)
        inside = gap(t, frames, longest, times) & ~_outside(t, frames)
        return torch.where(inside, missing, value) + launch

    return altitudes


def _of_ends_and_gaps():
    """What is said of other ends and gaps, single ones before both at once. -> {said: function}"""
    ends, gaps = [*ENDS][1:], [*GAPS]
    pairs = [("", gap) for gap in gaps[1:]] + [(end, "") for end in ends]
    # The last gaps are the wrong way round, and say nothing of ends; rare ends are with bridged gaps alone.
    pairs += [(end, gap) for end in ends[:3] for gap in gaps[1:-1]] + [(end, gaps[1]) for end in ends[3:]]
    said = {}
    for end, gap in pairs:
        key = "ends" if end and not gap else "gaps" if gap and not end else "ends-and-gaps"
        said[f"{key}: {end} {gap} What is not known is to be NaN, and nothing else."] = _with(
            ENDS[end], GAPS[gap]
        )
    said["gaps: In a longer gap stands 0. What is not known is to be NaN: 0 is an altitude too."] = _with(
        None, GAPS[""], 0.0
    )
    zeros = "gaps: Wherever the altitude is not known stands 0. It is to be NaN: 0 is an altitude too."
    said[zeros] = lambda *given: _altitudes(*given).nan_to_num()
    return said


class Altitudes(Same):
    """What is compared: which frames are NaN, 0 or 1, and the altitudes, 0 where they are NaN. (2, F)"""

    function, shows, otherwise = "altitude_per_frame", HEIGHTS, "altitudes"
    right = staticmethod(_altitudes)
    tolerance = 2e-5  # some 0.5 mm

    def value(self, function, *arguments):
        return function(*arguments)

    def taken(self, shows, value, times, heights, frames, *_):
        if isinstance(value, np.ndarray):
            raise Problem.of(f"""not-a-tensor: `{shows}` gives {describe(value)}, expected a tensor of shape
                {shape_text(frames.shape)}: `torch.from_numpy(...)` makes one of it.""")
        if torch.is_tensor(value) and value.is_floating_point():
            value = value.to(heights.dtype)
        value = tensor(shows, value, frames.shape, heights, finite=False)
        if value.isinf().any():
            raise Problem.of(
                f"not-finite: `{shows}` has {int(value.isinf().sum())} entries that are infinite."
            )
        return _encoded(value)

    def made(self, function, inputs):
        calls = self.calls(**inputs).items()
        return {said: _encoded(function(*arguments)) for said, arguments in calls}

    def unexplained(self, said, yours, right, inputs):
        times, heights, frames, *rest = self.calls(**inputs)[said]
        (lost, yours), (unknown, right) = yours, right
        made_up, lost = unknown > lost, lost > unknown
        known, _ = _known(times, heights)
        call = f"`{self.function}(...)"
        if made_up.any() or lost.any():
            k = int((made_up if made_up.any() else lost).nonzero()[0])
            is_, should = ("NaN", in_digits(right[k])[0])
            if made_up.any():
                is_, should = in_digits(yours[k])[0], "NaN"
            at, first, last = (in_digits(float(t))[0] for t in (frames[k], known[0], known[-1]))
            i, j, _ = _between(known, frames[k : k + 1])
            gap, longest = float(known[j] - known[i]), rest[1] if len(rest) > 1 else LONGEST
            apart = in_digits(gap)[0]
            why = f"The known samples beside it are {apart} s apart; `longest_gap` is {longest:g} s."
            if frames[k] < known[0]:
                why = f"The first known sample is at {first} s."
            elif frames[k] > known[-1]:
                why = f"The last known sample is at {last} s."
            key = "made-up" if made_up.any() else "lost"
            return Complaint.of(f"""{key}: {call}[{k}]`{said} should be {should}, yours is {is_}. That frame
                is at {at} s. {why}""")
        k = int((yours - right).abs().argmax())
        is_, should = in_digits(yours[k], right[k])
        i, j = (int(n[0]) for n in _between(known, frames[k : k + 1])[:2])
        t0, h0, t1, h1 = (
            in_digits(float(x))[0] for n in (i, j) for x in (known[n], _known(times, heights)[1][n])
        )
        more = pattern(yours[unknown < 1], right[unknown < 1], self.tolerance, "known frame", {})
        return Complaint.of(f"""{self.otherwise}: {call}[{k}]`{said} should be {should}, yours is {is_}. That
            frame is at {in_digits(float(frames[k]))[0]} s, between the samples ({t0} s, {h0} m) and ({t1} s,
            {h1} m). {more}""")

    def picture(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        call = next(call for call in right if not close(outputs[call], right[call], self.tolerance))
        both = (torch.where(values[call][0] > 0, torch.nan, values[call][1]) for values in (outputs, right))
        return Shown("altitude over the frames", *(curve[:, None] for curve in both), "curves")


def _encoded(altitudes):
    """Altitudes with NaN as numbers: whether they are NaN, and they themselves, else 0. -> (2, F)"""
    return torch.stack([altitudes.isnan().to(altitudes), altitudes.nan_to_num()])


def _flight(rng, count, low=8.0, high=30.0):
    """Samples at uneven times, of a drone that climbs and sinks. -> times, altitudes (N,), float64"""
    times = torch.from_numpy(rng.uniform(0.12, 0.6, size=count)).cumsum(0)
    return times, torch.from_numpy(rng.uniform(low, high, size=count))


class Rates(Altitudes):
    name = "linear between samples, which come at another rate than frames"
    points = 3
    mistakes = OF_RATES

    def cases(self, rng):
        times, heights = _flight(rng, 14)
        frames = torch.linspace(float(times[0]) + 0.03, float(times[-1]) - 0.02, 25).double()
        return {"sample_times": times, "sample_altitudes": heights, "frame_times": frames}


class Launch(Altitudes):
    name = "launch_height makes altitudes above the sea of them"
    points = 2
    after = (Rates,)
    mistakes = OF_LAUNCHES
    launch = 23.5

    def cases(self, rng):
        times, heights = _flight(rng, 12, -9.0, 14.0)
        heights[0] = 5.0
        frames = torch.linspace(float(times[0]) + 0.05, float(times[-1]) - 0.05, 20).double()
        return {"sample_times": times, "sample_altitudes": heights, "frame_times": frames}

    def calls(self, **inputs):
        return {f" with launch_height = {self.launch}": (*inputs.values(), self.launch)}


class Missing(Altitudes):
    name = "samples that are NaN do not count"
    points = 2
    after = (Rates,)
    mistakes = OF_MISSING

    def cases(self, rng):
        times, heights = _flight(rng, 16)
        times = times / 2  # so that no gap is too long
        heights[torch.tensor([3, 7, 8, 12])] = torch.nan
        frames = torch.linspace(float(times[0]) + 0.02, float(times[-1]) - 0.01, 40).double()
        return {"sample_times": times, "sample_altitudes": heights, "frame_times": frames}


class Unknown(Altitudes):
    name = "NaN before the first known sample, after the last, and in gaps that are too long"
    points = 2
    after = (Rates, Missing)
    mistakes = _of_ends_and_gaps()

    def cases(self, rng):
        steps = torch.from_numpy(rng.uniform(0.15, 0.35, size=34))
        steps[[6, 12, 18]] = torch.tensor([3.2, 0.75, 1.6]).double()
        times = steps.cumsum(0)
        heights = torch.from_numpy(rng.uniform(8, 30, size=34))
        heights[[0, 1, 32, 33]] = torch.nan
        heights[23:30] = torch.nan  # a gap of some 2 s
        frames = torch.arange(float(times[0]) - 0.5, float(times[-1]) + 0.5, 0.1).double()
        frames = torch.cat([frames, times[[2, 31]]]).sort().values
        return {"sample_times": times, "sample_altitudes": heights, "frame_times": frames}

    def calls(self, **inputs):
        calls = {
            f" with longest_gap = {longest:g}": (*inputs.values(), 0.0, longest) for longest in (0.5, 2.5)
        }
        return {"": tuple(inputs.values()), **calls}

    def call(self, given, **inputs):
        try:
            return super().call(given, **inputs)
        except IndexError as error:
            if "out of bounds" not in str(error) and "out of range" not in str(error):
                raise
            raise Problem.of(f"""no-clamp: `{self.shows}` ends in an IndexError, {error}. Frames after the
                last sample have no sample after them, and those before the first one have none before: hint 2
                keeps both numbers within the samples by `.clamp(1, len(times) - 1)`.""") from None


def _with_edges(begin, end, exact):
    """The altitudes with a gap's first moment, its last one, or gaps of exactly `longest_gap` as unknown."""

    def altitudes(times, heights, frames, launch=0.0, longest=LONGEST):
        t, h = _known(times, heights)
        unknown = _outside(t, frames)
        for start, stop in zip(t[:-1], t[1:]):
            if stop - start > longest or (exact and stop - start == longest):
                after = frames >= start if begin else frames > start
                unknown = unknown | after & (frames <= stop if end else frames < stop)
        return _nan_where(unknown, _evenly(t, h, frames) + launch)

    return altitudes


EXACT = """A gap of exactly `longest_gap` counts as too long. Bridged is where gap <= longest_gap: compare by
    <=."""
AT_EDGES = {
    (True, False): """The frame at the very moment of the sample where a long gap begins is NaN, though its
        altitude is known. (`torch.searchsorted` with `right=True` puts it into the gap.) There the share is
        0.""",
    (False, True): """The frame at the very moment of the sample where a long gap ends is NaN, though its
        altitude is known. There the share is 1.""",
    (True, True): """The frames at the very moments of the samples where a long gap begins and where it ends
        are NaN, though their altitudes are known. There the share is 0 or 1.""",
}
OF_EDGES = {
    f"exact-gap: {EXACT}": _with_edges(False, False, True),
    **{f"sample-in-gap: {said}": _with_edges(*edges, False) for edges, said in AT_EDGES.items()},
    **{f"sample-in-gap: {said} {EXACT}": _with_edges(*edges, True) for edges, said in AT_EDGES.items()},
}


class Edges(Altitudes):
    name = "a frame at the very moment of a sample, and a gap of exactly longest_gap"
    points = 1
    after = (Unknown,)
    mistakes = OF_EDGES

    def cases(self, rng):
        steps = torch.from_numpy(rng.uniform(0.15, 0.6, size=14))
        steps[[4, 9]] = torch.tensor([LONGEST, 2.0]).double()
        times = ((64 * steps).round() / 64).cumsum(0)  # exact, in float32 too
        heights = torch.from_numpy(rng.uniform(8, 30, size=14))
        frames = torch.arange(float(times[0]) + 0.05, float(times[-1]), 0.1).double()
        frames = torch.cat([frames, times[[8, 9]]]).sort().values  # where the long gap begins and ends
        return {"sample_times": times, "sample_altitudes": heights, "frame_times": frames}


ALTITUDES = Rates(), Launch(), Missing(), Unknown(), Edges()
altitudes = Exercise(11, "The altitude of every frame", ("altitude_per_frame",), ALTITUDES)


# --- exercise 12: right, and with steps of one's own

INDEX = 1.34
DEPTH = "apparent_depth(depth, distance, altitude, index)"


def _ratio(q, depth, distance, altitude, n):
    """depth / q, by Snell's law."""
    return (n**2 + (n**2 - 1) * (distance / (altitude + q)) ** 2).sqrt()


def _growth(q, depth, distance, altitude, n):
    """How fast q · ratio(q) grows with q: d(depth)/dq."""
    ratio = _ratio(q, depth, distance, altitude, n)
    return ratio - (n**2 - 1) * q / ratio * distance**2 / (altitude + q) ** 3


def _solved(depth, distance, altitude, index=INDEX, ratio=_ratio, halvings=60, above=None):
    """The apparent depth by bisection. above(depth): what comes out above the water, the depth itself."""
    h, r, H = (x.double() for x in (depth, distance, altitude))
    low, high = torch.zeros_like(h), 20 * h.abs()
    for _ in range(halvings):
        q = (low + high) / 2
        over = q * ratio(q, h, r, H, index) > h
        low, high = torch.where(over, low, q), torch.where(over, q, high)
    q = (low + high) / 2
    return torch.where(h > 0, q, h if above is None else above(h)).to(depth)


def _slope(depth, distance, altitude, index=INDEX, of=lambda slope, ratio: 1 / slope, above=1.0):
    """dq/d(depth), or what is made `of` the slope of q · ratio(q), and of ratio."""
    h, r, H = (x.double() for x in (depth, distance, altitude))
    q = _solved(h, r, H, index).clamp(min=0)
    return torch.where(h > 0, of(_growth(q, h, r, H, index), _ratio(q, h, r, H, index)), above).to(depth)


# --- exercise 12: what goes wrong


def _by(make):
    """The apparent depth with another depth / q: make(tan of a, n)"""
    return partial(_solved, ratio=lambda q, h, r, H, n: make(r / (H + q), n))


def _repeated(steps, start):
    """So many steps of q = depth / ratio(q). start(depth, n)"""

    def depths(depth, distance, altitude, index=INDEX):
        h, *rest = depth.clamp(min=0), distance, altitude, index
        q = start(h, index)
        for _ in range(steps):
            q = h / _ratio(q, h, *rest)
        return torch.where(depth > 0, q, depth)

    return depths


def _newton(steps, start=lambda depth, n: depth / n):
    """So many steps of Newton's method."""

    def depths(depth, distance, altitude, index=INDEX):
        h, *rest = depth.clamp(min=0), distance, altitude, index
        q = start(h, index)
        for _ in range(steps):
            q = q - (q * _ratio(q, h, *rest) - h) / _growth(q, h, *rest)
        return torch.where(depth > 0, q, depth)

    return depths


def _halved(steps, high):
    """So many halvings of what lies between 0 and high(depth, n)."""

    def depths(depth, distance, altitude, index=INDEX):
        low, top = torch.zeros_like(depth), high(depth.clamp(min=0), index)
        for _ in range(steps):
            q = (low + top) / 2
            over = q * _ratio(q, depth, distance, altitude, index) > depth
            low, top = torch.where(over, low, q), torch.where(over, q, top)
        return torch.where(depth > 0, (low + top) / 2, depth)

    return depths


def _away(steps, start):
    """So many steps of Newton's method with a plus, each of which leads further away."""

    def depths(depth, distance, altitude, index=INDEX):
        h, *rest = depth.clamp(min=0), distance, altitude, index
        q = start(h, index)
        for _ in range(steps):
            q = q + (q * _ratio(q, h, *rest) - h) / _growth(q, h, *rest)
        return torch.where(depth > 0, q, depth)

    return depths


def _turned_over(depth, distance, altitude, index):
    """q = depth · ratio(q)."""
    q = depth
    for _ in range(100):
        q = depth * _ratio(q, depth, distance, altitude, index)
    return q


STARTS = lambda depth, n: depth / n, lambda depth, n: depth, lambda depth, n: 0 * depth
STEPS = "not-converged: That is where {} is after {}. Go on until nothing changes any more."


def _so_far(what, unit, makes, most, starts=STARTS, more=""):
    """What is said of too few steps of some way to solve it. -> {said: functions}

    more: is said of the next number too.
    """
    many = {k: f"{k} {unit}{'s' * (k > 1)}{more.format(k + 1)}" for k in range(1, most + 1)}
    return {STEPS.format(what, text): tuple(makes(k, start) for start in starts) for k, text in many.items()}


# Told apart by what is left to do, however little that is.
NOT_CONVERGED = {
    """plus: That is what q ← q + f(q)/f'(q) gives: each step leads further away. Newton's method has a minus:
        q ← q - f(q)/f'(q).""": tuple(_away(k, start) for k in range(1, 21) for start in STARTS)
    + tuple(_away(k, start) for k in (25, 30, 40, 50, 60, 100) for start in STARTS),
    **_so_far("Newton's method", "step", _newton, 4),
    **_so_far("q ← depth / sqrt(...)", "step", _repeated, 12),
    # The middle that is tried in the last halving is the middle of what the halvings before it have left.
    **_so_far("the bisection", "halving", _halved, 16, STARTS[:2], ", or {} whose last middle is the result"),
}
SNELL = "With tan(a) = distance / (altitude + q): depth / q = sqrt(n² + (n² - 1) tan(a)²)."
OF_DEPTHS = {
    f"""straight-down: That is depth / index, right only for what is seen from straight above: the distance
        does not count in it. {SNELL}""": lambda h, r, H, n=INDEX: torch.where(h > 0, h / n, h),
    """wrong-half: q is 0 everywhere: the wrong half is kept. Where f(q) > 0, the right q is smaller: there q
        becomes the new upper end, elsewhere the new lower one.""": lambda h, *_: torch.where(h > 0, 0.0, h),
    """wrong-half: q is twice the depth everywhere, as if the upper half were kept each time. Where f(q) > 0,
        the right q is smaller: there q becomes the new upper end, elsewhere the new lower one.""": (
        lambda h, *_: torch.where(h > 0, 2 * h, h)
    ),
    "exchanged: That is the derivative. q is the first result, its derivative the second.": _slope,
    f"unchanged: That is the depth itself. Under water things seem nearer. {SNELL}": lambda h, *_: h,
    **{
        f"other-index: That is right for the index {n:g}. Take the argument `index`, 1.34 here.": (
            lambda h, r, H, n=n: _solved(h, r, H, n)
        )
        for n in (1.33, 1.333, 1.3, 1.5)
    },
    f"""index-inverted: That is depth · index: deeper than it is. Under water things seem nearer.
        {SNELL}""": lambda h, r, H, n=INDEX: h * n,
    f"""index-inverted: 1 / index stands where the index belongs, so that things seem deeper than they are.
        {SNELL}""": _by(lambda t, n: (n**-2 + (n**-2 - 1) * t**2).clamp(min=1e-6).sqrt()),
    f"""other-tangent: It is computed with tan(a) = distance / altitude: the ray is followed to the surface
        only. {SNELL}""": partial(_solved, ratio=lambda q, h, r, H, n: _ratio(0, h, r, H, n)),
    f"""other-tangent: It is computed with tan(a) = distance / (altitude + depth): the ray in the air points
        at the apparent depth. {SNELL}""": partial(
        _solved, ratio=lambda q, h, r, H, n: _ratio(h, h, r, H, n)
    ),
    f"""other-tangent: It is computed with tan(a) = distance / (altitude - q): q counts downwards, the
        altitude upwards, so they add up. {SNELL}""": partial(
        _solved, ratio=lambda q, h, r, H, n: _ratio(-q, h, r, H, n)
    ),
    f"no-root: The root is missing: q is depth / (n² + (n² - 1) tan(a)²). {SNELL}": _by(
        lambda t, n: n**2 + (n**2 - 1) * t**2
    ),
    f"no-square: tan(a) is not squared. {SNELL}": _by(lambda t, n: (n**2 + (n**2 - 1) * t).sqrt()),
    f"no-square: The index is not squared. {SNELL}": _by(lambda t, n: (n + (n - 1) * t**2).sqrt()),
    f"""sine: The sine of a stands in the place of its tangent: distance over the whole way of the ray.
        {SNELL}""": _by(lambda t, n: (n**2 + (n**2 - 1) * t**2 / (1 + t**2)).sqrt()),
    f"""sine: It is sqrt(n² - sin(a)²), n times the cosine of the angle in the water: divide by cos(a).
        {SNELL}""": _by(lambda t, n: (n**2 - t**2 / (1 + t**2)).sqrt()),
    f"cosine: The cosine of a stands in the place of its tangent. {SNELL}": _by(
        lambda t, n: (n**2 + (n**2 - 1) / (1 + t**2)).sqrt()
    ),
    f"angle: The angle a itself stands in the place of its tangent. {SNELL}": _by(
        lambda t, n: (n**2 + (n**2 - 1) * t.atan() ** 2).sqrt()
    ),
    f"angle: The tangent is turned over: (altitude + q) / distance. {SNELL}": _by(
        lambda t, n: (n**2 + (n**2 - 1) / t**2).sqrt()
    ),
    f"angle: tan(a) is taken for an angle, and its tangent taken again. {SNELL}": _by(
        lambda t, n: (n**2 + (n**2 - 1) * t.tan() ** 2).sqrt()
    ),
    f"constant: In the root stands n² + (n - 1)² tan(a)². {SNELL}": _by(
        lambda t, n: (n**2 + (n - 1) ** 2 * t**2).sqrt()
    ),
    f"constant: In the root stands n² + (n² + 1) tan(a)². {SNELL}": _by(
        lambda t, n: (n**2 + (n**2 + 1) * t**2).sqrt()
    ),
    f"constant: In the root stands n² + n² tan(a)². {SNELL}": _by(lambda t, n: (n**2 + n**2 * t**2).sqrt()),
    f"constant: In the root stands n² - (n² - 1) tan(a)². {SNELL}": _by(
        lambda t, n: (n**2 - (n**2 - 1) * t**2).clamp(min=1e-6).sqrt()
    ),
    f"constant: In the root stands 1 + (n² - 1) tan(a)². {SNELL}": _by(
        lambda t, n: (1 + (n**2 - 1) * t**2).sqrt()
    ),
    f"constant: In the root stands (n² - 1) + n² tan(a)². {SNELL}": _by(
        lambda t, n: (n**2 - 1 + n**2 * t**2).sqrt()
    ),
    f"constant: In the root stands 2 n² - tan(a)²: brackets are missing, (n² - 1) · tan(a)². {SNELL}": _by(
        lambda t, n: (2 * n**2 - t**2).clamp(min=1e-6).sqrt()
    ),
    f"turned-over: It is solved with q / depth on the left side. {SNELL}": lambda h, r, H, n=INDEX: (
        _turned_over(h, r, H, n)
    ),
    f"ratio: That is depth / q, not q. {SNELL}": lambda h, r, H, n=INDEX: h / _solved(h, r, H, n),
    "sign: That is -q. Depths count downwards, the apparent one too.": lambda h, r, H, n=INDEX: (
        -_solved(h, r, H, n)
    ),
    """from-the-camera: That is q + altitude, the distance below the camera. The depth below the surface is
        asked for.""": lambda h, r, H, n=INDEX: _solved(h, r, H, n) + H,
    "lifted: That is depth - q: by how much the thing seems lifted.": lambda h, r, H, n=INDEX: (
        h - _solved(h, r, H, n)
    ),
    """swapped: `distance` and `altitude` are exchanged. The distance is horizontal, the altitude
        vertical.""": lambda h, r, H, n=INDEX: _solved(h, H, r, n),
}
OF_INDICES = {
    f"index-ignored: The argument `index` is not used: there always stands {n}.": (
        lambda h, r, H, _=INDEX, n=n: _solved(h, r, H, n)
    )
    for n in (1.34, 1.33, 1.333, 1.3)
}
STAYS = "What is above the water, where depth is negative, is seen where it is: q = depth."
OF_ABOVE = {
    f"above-divided: Above the water the depth is divided by the index. {STAYS}": lambda h, r, H, n=INDEX: (
        _solved(h, r, H, n, above=lambda h: h / n)
    ),
    f"above-zero: Above the water q is 0. {STAYS}": partial(_solved, above=lambda h: 0 * h),
    f"above-sign: Above the water q is -depth. {STAYS}": partial(_solved, above=lambda h: -h),
    f"""above-bent: Above the water the depth is computed as under it, with a negative q. {STAYS}""": (
        lambda h, r, H, n=INDEX: torch.where(h > 0, _solved(h, r, H, n), _bent_above(h, r, H, n)),
        lambda h, r, H, n=INDEX: torch.where(h > 0, _solved(h, r, H, n), -_solved(-h, r, H, n)),
    ),
}


def _bent_above(*given):
    """What Newton's method makes of what is above the water."""
    h, q = given[0], given[0] / given[-1]
    for _ in range(20):
        q = q - (q * _ratio(q, *given) - h) / _growth(q, *given)
    return q


DERIVED = "q sqrt(n² + (n² - 1) tan(a)²) = depth, with q in tan(a) as well: differentiate both sides."


def _quotient(step, side):
    """The derivative by a quotient of differences. side: 0 forwards, 1 central, 2 backwards"""

    def derivative(depth, distance, altitude, index=INDEX):
        h, r, H = (x.double() for x in (depth, distance, altitude))
        ends = [_solved(h + by, r, H, index) for by in ((0, step), (-step, step), (-step, 0))[side]]
        return ((ends[1] - ends[0]) / (step if side != 1 else 2 * step)).to(depth)

    return derivative


def _with_respect_to(which):
    """The derivative with respect to distance, altitude or index, by a small difference."""

    def derivative(depth, distance, altitude, index=INDEX):
        arguments = [x.double() for x in (depth, distance, altitude)] + [index]
        ends = []
        for by in (-1e-5, 1e-5):
            moved = list(arguments)
            moved[which] = moved[which] + by
            ends.append(_solved(*moved))
        return ((ends[1] - ends[0]) / 2e-5).to(depth)

    return derivative


OF_SLOPES = {
    f"""straight-down: That is 1 / index, right only under water, from straight above. {DERIVED}""": tuple(
        partial(_slope, of=lambda slope, ratio: INDEX**-1 + 0 * slope, above=above)
        for above in (1.0, 1 / INDEX)
    ),
    f"""frozen-angle: That is q / depth, as if tan(a) stayed when the depth changes. {DERIVED}""": partial(
        _slope, of=lambda slope, ratio: 1 / ratio
    ),
    f"""not-inverted: That is d(depth)/dq: its inverse is asked for. {DERIVED}""": partial(
        _slope, of=lambda slope, ratio: slope
    ),
    f"""not-inverted: That is depth / q. {DERIVED}""": partial(_slope, of=lambda slope, ratio: ratio),
    f"""wrong-sign: In d(depth)/dq = ratio - (n² - 1) tan(a)² q / ((altitude + q) ratio) the second term has a
        plus. {DERIVED}""": partial(_slope, of=lambda slope, ratio: 1 / (2 * ratio - slope)),
    f"wrong-sign: That is the derivative with the opposite sign: q grows with the depth. {DERIVED}": partial(
        _slope, of=lambda slope, ratio: -1 / slope
    ),
    f"""no-derivative: That is 1 everywhere, as above the water. {DERIVED}""": partial(
        _slope, of=lambda slope, ratio: 1 + 0 * slope
    ),
    f"""no-derivative: That is 0 under water: is q detached, or does only the start of a bisection depend on
        the depth? {DERIVED}""": partial(_slope, of=lambda slope, ratio: 0 * slope),
    """above: Under water it is right. Above it the derivative is 1, for there q = depth; yours is
        0.""": partial(_slope, above=0.0),
    """above: Under water it is right. Above it the derivative is 1, for there q = depth; yours is 1 /
        index.""": partial(_slope, above=1 / INDEX),
    """above: Under water it is right. Above it the derivative is 1, for there q = depth; yours is that just
        below the surface.""": lambda h, r, H, n=INDEX: torch.where(
        h > 0, _slope(h, r, H, n), 1 / _ratio(0, h, r, H, n)
    ),
    """other-variable: That is the derivative with respect to the distance. Asked for is that with respect to
        the depth.""": _with_respect_to(1),
    """other-variable: That is the derivative with respect to the altitude. Asked for is that with respect to
        the depth.""": _with_respect_to(2),
    """other-variable: That is the derivative with respect to the index. Asked for is that with respect to the
        depth.""": _with_respect_to(3),
    "value: That is q, not its derivative.": _solved,
}
COARSE = {
    f"""coarse: That is a quotient of differences with a step of {step:g} m: too coarse where the curve
        bends. {DERIVED}""": tuple(_quotient(step, side) for side in range(3))
    for step in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
}


class OfDepth(Same):
    """One of the two results; part: its number."""

    function, shows, otherwise = "apparent_depth", DEPTH, "apparent-depth"
    right, part = staticmethod(_solved), 0
    nearly = NOT_CONVERGED  # mistakes that need not be visible

    def taken(self, shows, value, depth, *_):
        one = items(shows, value, 2, "q and its derivative")[self.part]
        if torch.is_tensor(one) and one.is_floating_point():
            one = one.to(depth.dtype)
        try:
            return tensor(f"{shows}[{self.part}]", one, depth.shape, depth)
        except Problem as problem:
            key, text = problem.complaint
            which = f"The {('first', 'second')[self.part]} result of `{shows}`"
            raise Problem(key, text.replace(f"`{shows}[{self.part}]`", which, 1)) from None

    def unexplained(self, said, yours, right, inputs):
        off = apart(yours, right)
        for what, functions in self.nearly.items():
            made = (makes(*self.calls(**inputs)[said]) for makes in functions)
            if any(apart(one, yours) < 0.05 * off for one in made):
                return Complaint.of(what)
        shown, call = self.shown(said, inputs), f"{self.shows}[{self.part}]"
        text = difference(call, yours, right, shown, self.tolerance, of=said)
        # What is not solved to the end may look as if it were rounded.
        rounded = "something is rounded, or has few digits"
        text = text.replace(rounded, "the equation is not solved to the end, or digits are lost")
        return Complaint(self.otherwise, text)


def _views(rng, count, depths, angles, altitudes=(6.0, 25.0)):
    """Things in the water: depths, distances, altitudes (N,), float64; angles: degrees to the vertical."""
    depth, angle, altitude = (
        torch.from_numpy(rng.uniform(*ends, size=count)) for ends in (depths, angles, altitudes)
    )
    distance = torch.deg2rad(angle).tan() * altitude
    return {"depth": depth, "distance": distance, "altitude": altitude}


class Depths(OfDepth):
    name = "q solves Snell's law"
    points = 5
    mistakes = OF_DEPTHS

    def cases(self, rng):
        views = _views(rng, 12, (0.5, 4.0), (8.0, 55.0))
        return {name: value.float() for name, value in views.items()}


class Above(OfDepth):
    name = "what is above the water is seen where it is"
    points = 2
    after = (Depths,)
    mistakes = OF_ABOVE

    def cases(self, rng):
        views = _views(rng, 8, (0.3, 1.2), (8.0, 50.0))
        views["depth"][::2] *= -1
        return {name: value.float() for name, value in views.items()}


class Slopes(OfDepth):
    name = "the derivative with respect to depth"
    points = 4
    after = (Depths, Above)
    right, mistakes, otherwise = staticmethod(_slope), OF_SLOPES, "wrong-derivative"
    part, nearly, tolerance = 1, COARSE, 1e-3

    def cases(self, rng):
        views = _views(rng, 12, (0.5, 5.0), (25.0, 60.0), (3.0, 9.0))  # near, so that it bends
        views["depth"][9:] *= -0.2
        return views


class Indices(OfDepth):
    name = "another index: fresh water, glass"
    points = 1
    after = (Depths,)
    mistakes = OF_INDICES

    def cases(self, rng):
        return _views(rng, 6, (0.5, 4.0), (8.0, 50.0))

    def calls(self, **inputs):
        return {f" with index = {n}": (*inputs.values(), n) for n in (1.333, 1.52)}


class Shapes(OfDepth):
    name = "tensors of any shape; right above, too"
    points = 1
    after = (Depths,)

    def cases(self, rng):
        return {name: value.float() for name, value in _views(rng, 8, (0.5, 4.0), (8.0, 50.0)).items()}

    def calls(self, **inputs):
        depth, distance, altitude = inputs.values()
        few = (depth[:6], distance[:6], altitude[:6])
        return {
            " of shape (2, 3)": tuple(x.reshape(2, 3) for x in few),
            " of shape ()": (depth[6], distance[6], altitude[6]),
            " of shape (1), with the distance 0": (depth[7:], 0 * distance[7:], altitude[7:]),
        }


class Far(OfDepth):
    name = "far to the side, and deep"
    points = 2
    after = (Depths,)
    otherwise = "far"

    def cases(self, rng):
        return _views(rng, 10, (3.0, 15.0), (60.0, 74.0), (4.0, 9.0))


DEPTHS = Depths(), Above(), Slopes(), Indices(), Shapes(), Far()
apparent_depth = Exercise(
    12, "Apparent depth", ("apparent_depth",), DEPTHS, withheld=("course_lib.refraction.apparent_exactly",)
)


# --- exercise 13: lengths to ask for, right, and with steps of one's own


def _on_the_picture(x):
    return x["pixels"] * x["altitude_m"] / x["focal_px"]


def _under_water(x):
    return x["pixels"] * (x["altitude_m"] + x["depth_m"] / 1.34) / x["focal_px"]


def _between_two_points(x):
    across = (x["right_px"] - x["left_px"]) ** 2 + (x["lower_px"] - x["upper_px"]) ** 2
    return x["altitude_m"] / 900 * across.sqrt() / torch.cos(x["tilt_rad"])


# A length, the names of its sources in the order of `values`, and those in the order of `sds`.
LENGTHS = {
    "picture": (_on_the_picture, ("pixels", "altitude_m", "focal_px"), (0, 1, 2)),
    "water": (_under_water, ("altitude_m", "depth_m", "pixels", "focal_px", "wind_m_s"), (0, 1, 2, 3, 4)),
    "points": (
        _between_two_points,
        ("left_px", "upper_px", "right_px", "lower_px", "altitude_m", "tilt_rad"),
        (5, 3, 1, 0, 4, 2),
    ),
}
INTERVAL = "length_interval(length_of, values, sds)"
REACH = 1.96
NEGATIVE = "each source's part of the variance is (derivative · sd)², never below 0."


def _linearised(length_of, values, sds):
    """The length, its derivatives and the standard deviations, in the order of values. float64"""
    x = torch.tensor(list(values.values()), dtype=torch.float64)

    def length(x):
        return length_of(dict(zip(values, x.unbind())))

    slopes = torch.autograd.functional.jacobian(length, x)
    return length(x), slopes, torch.tensor([sds[name] for name in values], dtype=torch.float64)


def _share(parts):
    whole = parts.sum()
    return parts / whole if whole else parts


def _interval(
    length_of,
    values,
    sds,
    reach=lambda L, g, s: REACH * (g * s).norm(),
    share=lambda g, s: _share((g * s) ** 2),
):
    """Right but for its steps: reach(length, derivatives, sds), share(derivatives, sds)."""
    L, g, s = _linearised(length_of, values, sds)
    by = reach(L, g, s)
    low, high = by if isinstance(by, tuple) else (L - by, L + by)
    return low, high, dict(zip(values, share(g, s)))


# --- exercise 13: what goes wrong

HOW = "The variance is the sum of (derivative · sd)²; low and high are 1.96 · sqrt(variance) away."


def _reaching(reach):
    return partial(_interval, reach=reach)


def _all_off(k):
    """Values off by k standard deviations, all at once."""

    def interval(length_of, values, sds):
        ends = [
            length_of({n: torch.tensor(v + by * sds[n], dtype=torch.float64) for n, v in values.items()})
            for by in (-k, k)
        ]
        return min(ends), max(ends), {}

    return interval


def _in_other_order(length_of, values, sds):
    """The standard deviations matched by their place."""
    return _interval(length_of, values, dict(zip(values, sds.values())))


def _relative(length_of, values, sds):
    """As if the length were a product of all sources."""
    of = torch.tensor(list(values.values()), dtype=torch.float64)
    return _interval(length_of, values, sds, reach=lambda L, g, s: REACH * L * (s / of).norm())


BY_PLACE = """by-place: Values and standard deviations are matched by their places in the two dicts. The names
    count: the order may differ. `sds[name]`."""
RELATIVE = f"""relative: The relative standard deviations, sd / value, are taken in place of derivative · sd,
    as if the length were a product of all sources. {HOW}"""
OF_INTERVALS = {
    f"""one-sd: That is one standard deviation to both sides, which holds 68 % only; 95 % need 1.96.
        {HOW}""": _reaching(lambda L, g, s: (g * s).norm()),
    **{
        f"other-share: That is {k:g} standard deviations to both sides; asked for is 1.96, for 95 %. {HOW}": (
            _reaching(lambda L, g, s, k=k: k * (g * s).norm())
        )
        for k in (2.0, 1.645, 2.576, 3.0, 0.98, 2 * 1.96, 1.96**2)
    },
    f"""variance: To both sides lies 1.96 times the variance: the root is missing.
        {HOW}""": _reaching(lambda L, g, s: REACH * (g * s).square().sum()),
    f"""variance: To both sides lies the variance: the root is missing, and the factor 1.96.
        {HOW}""": _reaching(lambda L, g, s: (g * s).square().sum()),
    f"""variance: The root is taken of 1.96 times the variance: 1.96 belongs outside of it.
        {HOW}""": _reaching(lambda L, g, s: (REACH * (g * s).square().sum()).sqrt()),
    f"""added: The sources' standard deviations are added up. Errors that are independent seldom all go one
        way: their squares add up. {HOW}""": tuple(
        _reaching(lambda L, g, s, k=k: k * (g * s).abs().sum()) for k in (REACH, 1.0)
    ),
    f"""added: The sources' standard deviations are added up with the signs of the derivatives, so that they
        cancel. Their squares add up. {HOW}""": tuple(
        _reaching(lambda L, g, s, k=k: k * (g * s).sum().abs()) for k in (REACH, 1.0)
    )
    + tuple(_reaching(lambda L, g, s, k=k: k * (g * s).sum()) for k in (REACH, 1.0)),
    f"""no-derivative: The derivatives are missing: standard deviations in different units are added up as
        they are. {HOW}""": tuple(
        _reaching(lambda L, g, s, k=k, p=p: k * s.norm(p=p)) for k in (REACH, 1.0) for p in (2, 1)
    ),
    f"no-sd: The derivatives are not multiplied by the standard deviations. {HOW}": _reaching(
        lambda L, g, s: REACH * g.norm()
    ),
    f"""not-squared: The derivative is not squared: each source's part is derivative · sd².
        {HOW}""": (
        _reaching(lambda L, g, s: REACH * (g.abs() * s**2).sum().sqrt()),
        _reaching(lambda L, g, s: REACH * (g * s**2).sum().abs().sqrt()),
    ),
    f"""not-squared: The standard deviation is not squared, as if it were a variance.
        {HOW}""": _reaching(lambda L, g, s: REACH * (g**2 * s).sum().sqrt()),
    f"mean: The mean of the squares is taken, not their sum. {HOW}": _reaching(
        lambda L, g, s: REACH * (g * s).square().mean().sqrt()
    ),
    f"largest: Only the source that matters most is counted. {HOW}": _reaching(
        lambda L, g, s: REACH * (g * s).abs().max()
    ),
    f"""logarithm: The interval is symmetric in the logarithm, L · exp(± 1.96 sd / L). Asked for is the same
        distance to both sides. {HOW}""": _reaching(
        lambda L, g, s: (
            L * torch.exp(-REACH * (g * s).norm() / L),
            L * torch.exp(REACH * (g * s).norm() / L),
        )
    ),
    f"""times-the-length: The distance to low and high is multiplied by the length, as if it were a share of
        it. {HOW}""": _reaching(lambda L, g, s: REACH * L * (g * s).norm()),
    f"""apart: The squares of derivatives and of standard deviations are added up apart, and the sums
        multiplied. Each derivative belongs to one standard deviation. {HOW}""": tuple(
        _reaching(lambda L, g, s, k=k: k * g.norm() * s.norm()) for k in (REACH, 1.0)
    ),
    "rounded: low and high are rounded: leave all digits.": tuple(
        _reaching(
            lambda L, g, s, k=k: (
                torch.round(L - REACH * (g * s).norm(), decimals=k),
                torch.round(L + REACH * (g * s).norm(), decimals=k),
            )
        )
        for k in range(3)
    ),
    "swapped: low and high are exchanged.": _reaching(lambda L, g, s: -REACH * (g * s).norm()),
    f"""all-at-once: All values are moved by their standard deviations at once. Errors that are independent
        seldom all go one way. {HOW}""": tuple(_all_off(k) for k in (REACH, 1.0)),
    f"""not-around-the-length: low and high are the ends of an interval around 0: the length is missing.
        {HOW}""": _reaching(lambda L, g, s: (-REACH * (g * s).norm(), REACH * (g * s).norm())),
}
WHOLE = "A source's share is its (derivative · sd)², divided by the sum of all of these."
OF_SHARES = {
    f"""of-deviations: These are shares of the sum of standard deviations. Asked for are those of the
        variance, of the sum of squares. {WHOLE}""": lambda g, s: _share((g * s).abs()),
    f"""of-deviations: These are each source's standard deviation over that of the length: the squares of them
        sum to 1. {WHOLE}""": lambda g, s: (g * s).abs() / (g * s).norm(),
    f"""with-sign: Some shares are negative: derivative · sd is not squared. {WHOLE}""": lambda g, s: _share(
        g * s
    ),
    f"no-derivative: The derivatives are missing: these are shares of the sources' own variances. {WHOLE}": (
        lambda g, s: _share(s**2)
    ),
    f"""no-derivative: The derivatives are missing: these are shares of the sources' own standard deviations.
        {WHOLE}""": lambda g, s: _share(s),
    f"no-sd: The standard deviations are missing: these are shares of the squared derivatives. {WHOLE}": (
        lambda g, s: _share(g**2)
    ),
    f"no-sd: The standard deviations are missing: these are shares of the derivatives. {WHOLE}": (
        lambda g, s: _share(g.abs())
    ),
    f"not-divided: These are the parts of the variance, square metres: divide by their sum. {WHOLE}": (
        lambda g, s: (g * s) ** 2
    ),
    f"not-divided: These are the standard deviations, metres. {WHOLE}": lambda g, s: (g * s).abs(),
    f"""percent: These are per cent: shares sum to 1, not to 100. {WHOLE}""": lambda g, s: (
        100 * _share((g * s) ** 2)
    ),
    f"of-largest: These are shares of the largest part, not of the sum. {WHOLE}": lambda g, s: (
        (g * s) ** 2 / (g * s).square().max()
    ),
    f"squared-again: The shares are squared once too often: (derivative · sd)⁴. {WHOLE}": (
        lambda g, s: _share((g * s) ** 4),
        lambda g, s: _share((g * s) ** 2) ** 2,
    ),
    f"not-squared: The derivative is not squared: derivative · sd². {WHOLE}": (
        lambda g, s: _share(g.abs() * s**2),
        lambda g, s: _share(g * s**2),
    ),
    f"not-squared: The standard deviation is not squared: derivative² · sd. {WHOLE}": lambda g, s: _share(
        g**2 * s
    ),
    "rounded: The shares are rounded: leave all digits.": tuple(
        lambda g, s, k=k: torch.round(_share((g * s) ** 2), decimals=k) for k in range(3)
    ),
    f"rest: These are 1 minus the shares. {WHOLE}": lambda g, s: 1 - _share((g * s) ** 2),
    f"with-factor: The 1.96 is in the parts, but not in their sum. {WHOLE}": (
        lambda g, s: REACH**2 * _share((g * s) ** 2),
        lambda g, s: REACH * _share((g * s) ** 2),
    ),
}


class OfInterval(Same):
    """Some of what the function gives, for one of LENGTHS."""

    function, shows = "length_interval", INTERVAL
    right, explained = staticmethod(_interval), 1e-5
    length = "picture"
    ends, parts = True, False  # which of the results it looks at

    def value(self, function, length, values, sds):
        """What a function gives, for fresh dicts."""
        length_of, names, order = LENGTHS[length]
        pairs = list(zip(names, sds.tolist()))
        try:
            return function(length_of, dict(zip(names, values.tolist())), dict(pairs[k] for k in order))
        except ZeroDivisionError:
            if sds.any():
                raise
            raise Problem.of(f"""zero-variance: `{self.shows}` ends in a ZeroDivisionError. With all standard
                deviations 0 the variance is 0: do not divide by it, all shares are 0 then.""") from None
        except ValueError as error:
            if "math domain" not in str(error) and "nonnegative" not in str(error):
                raise
            raise Problem.of(f"""not-squared: `{self.shows}` takes the root of a negative number, {error}:
                {NEGATIVE} {HOW}""") from None

    def calls(self, values, sds):
        """One, or two where there are values of two: what explains both is no coincidence."""
        asked = f" of {self.asked}", f" of {self.asked}, another one"
        pairs = zip(values.reshape(-1, values.shape[-1]), sds.reshape(-1, sds.shape[-1]))
        return {said: (self.length, *pair) for said, pair in zip(asked, pairs)}

    def made(self, function, inputs):
        calls = self.calls(**inputs).items()
        return {said: self.part(self.value(function, *each), each[0]) for said, each in calls}

    def taken(self, shows, value, length, *_):
        low, high, shares = items(shows, value, 3, "low, high and the shares")
        low, high = (self.ends and _number(*end) for end in (("`low`", low), ("`high`", high)))
        return self.part(
            (low, high, _shares(shows, shares, LENGTHS[length][1]) if self.parts else {}), length
        )

    def shown(self, said, inputs):
        return {}


def _shares(shows, shares, names):
    """The shares that a student gives, of sources of these names. -> {name: tensor ()}"""
    if not isinstance(shares, dict):
        raise Problem.of(f"""not-a-dict: The third result of `{shows}` is {describe(shares)}, expected a dict
            with the share of each source: {", ".join(names)}.""")
    if missing := [name for name in names if name not in shares]:
        raise Problem.of(f"""missing-share: `{shows}` gives no share of {", ".join(missing)}. Each name of
            `values` has one; where the length does not depend on it, it is 0.""")
    if strange := [str(name) for name in shares if name not in names]:
        raise Problem.of(f"""strange-share: `{shows}` gives a share of {", ".join(strange)[:80]}, which is no
            name of `values`.""")
    return {name: _number(f"The share of {name}", shares[name]) for name in names}


def _number(name, value):
    """A number that a student gives, as a tensor (), float64. name: what it is"""
    if isinstance(value, (torch.Tensor, np.ndarray, np.number, int, float)) and not isinstance(value, bool):
        found = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
        if found.dim():
            raise Problem.of(f"shape: {name} has the shape {shape_text(found.shape)}, expected one number.")
        if not found.isfinite():
            how = " 0 / 0 is NaN: where the variance is 0, all shares are 0." * ("share" in name)
            if found.isnan() and "share" not in name:
                how = f" The root of a negative number is NaN: {NEGATIVE}"
            raise Problem.of(f"not-finite: {name} is {float(found)}, expected a number.{how}")
        return found
    how = " Is a derivative None, of a source that does not matter? Its share is 0." * (value is None)
    if isinstance(value, complex):
        how = f" The root of a negative number is complex: {NEGATIVE}"
    raise Problem.of(f"not-a-number: {name} is {describe(value)}, expected one number.{how}")


def _spread(rng, values, shares):
    """Values a little off, and standard deviations that are some share of them. -> dict of (K,), float64"""
    values = torch.tensor(values, dtype=torch.float64)
    values = values * torch.from_numpy(rng.uniform(0.9, 1.1, size=len(values)))
    shares = torch.tensor(shares, dtype=torch.float64)
    return {
        "values": values,
        "sds": values.abs() * shares * torch.from_numpy(rng.uniform(0.8, 1.2, len(values))),
    }


class Ends(OfInterval):
    name = "low and high, 1.96 standard deviations from the length"
    points = 4
    otherwise, mistakes, asked = "wrong-interval", OF_INTERVALS, "a length on the picture"

    def part(self, result, length):
        return torch.stack(result[:2])

    def cases(self, rng):
        two = [_spread(rng, (90.0, 22.0, 700.0), (0.1, 0.13, 0.07)) for _ in range(2)]
        return {name: torch.stack([one[name] for one in two]) for name in two[0]}

    def unexplained(self, said, yours, right, inputs):
        (low, high), (a, b) = yours.tolist(), right.tolist()
        values, sds = (x.tolist() for x in self.calls(**inputs)[said][1:])
        given = [
            f"{name} {in_digits(v)[0]} ± {in_digits(s)[0]}"
            for name, v, s in zip(LENGTHS[self.length][1], values, sds)
        ]
        ends = in_digits(low, a), in_digits(high, b)
        mine, should = (" to ".join(each) for each in zip(*ends))
        middle = (low + high) / 2
        off = abs(middle - (a + b) / 2) > self.tolerance * max(1, abs(a), abs(b))
        more = f"The middle of yours is {in_digits(middle, (a + b) / 2)[0]}; the length is" + (
            f" {in_digits((a + b) / 2, middle)[0]}."
        )
        if not off:
            times = (high - low) / (b - a)
            more = f"The middle is right, and the width is {in_digits(times, 1.0)[0]} times the right one."
        return Complaint.of(f"""{self.otherwise}: `{self.shows}`{said} should give {should} m, yours gives
            {mine} m. The values and their standard deviations: {", ".join(given)}. {more} {HOW}""")


class Parts(OfInterval):
    name = "each source's share of the variance"
    points = 3
    otherwise, asked = "wrong-shares", "a length on the picture"
    ends, parts = False, True
    mistakes = OF_SHARES

    def part(self, result, length):
        return torch.stack([torch.as_tensor(result[2][name]) for name in LENGTHS[length][1]])

    def named(self):
        for said, share in super().named():
            yield said, partial(_interval, share=share)

    cases = Ends.cases

    def unexplained(self, said, yours, right, inputs):
        k = int((yours - right).abs().argmax())
        is_, should = in_digits(yours[k], right[k])
        sums = in_digits(float(yours.sum()))[0]
        name = LENGTHS[self.length][1][k]
        return Complaint.of(f"""{self.otherwise}: The share of {name} should be {should}, yours is {is_}.
            Yours sum to {sums}. {WHOLE}""")


class NotAll(Parts):
    name = "a source that does not matter has the share 0"
    points = 1
    after = (Parts,)
    length, asked = "water", "a length under water, where wind_m_s does not matter"
    mistakes = {}
    otherwise = "unused"

    def cases(self, rng):
        return _spread(rng, (18.0, 0.8, 95.0, 720.0, 5.0), (0.06, 0.5, 0.05, 0.04, 0.4))


class Certain(OfInterval):
    name = "all standard deviations 0: the length itself, all shares 0"
    points = 1
    after = (Ends, Parts)
    asked, otherwise = "a length that is known exactly", "certain"
    parts = True
    mistakes = {
        """equal-shares: With all standard deviations 0 the sources share the variance evenly in yours; there
            is none, so the shares are 0.""": lambda *given: (
            *_interval(*given)[:2],
            {name: torch.tensor(1 / len(given[1])) for name in given[1]},
        )
    }

    def part(self, result, length):
        return torch.stack([*result[:2], *(torch.as_tensor(x).double() for x in result[2].values())])

    def cases(self, rng):
        return {
            "values": _spread(rng, (90.0, 22.0, 700.0), (1, 1, 1))["values"],
            "sds": torch.zeros(3).double(),
        }

    def unexplained(self, said, yours, right, inputs):
        names = "low", "high", *(f"the share of {name}" for name in LENGTHS[self.length][1])
        k = int((yours - right).abs().argmax())
        is_, should = in_digits(yours[k], right[k])
        return Complaint.of(f"""{self.otherwise}: With all standard deviations 0, {names[k]} should be
            {should}, yours is {is_}.""")


class OtherLength(Ends):
    name = "any other length, with the standard deviations in another order"
    points = 1
    after = (Ends,)
    length, asked, otherwise = "points", "the distance of two points", "other-length"
    mistakes = {BY_PLACE: _in_other_order, RELATIVE: _relative}

    def cases(self, rng):
        found = _spread(rng, (100.0, 80.0, 150.0, 190.0, 22.0, 0.3), (0.03, 0.04, 0.02, 0.01, 0.05, 0.2))
        return found


SOURCES = Ends(), Parts(), NotAll(), Certain(), OtherLength()
length_interval = Exercise(13, "The interval of a length", ("length_interval",), SOURCES)


# --- exercise 14: right, and with steps of one's own

VOLUME = "volume_from_widths(length, widths, heights)"
PLACES = (0.0, *STATIONS, 1.0)


def _rule(w0, w1, h0, h1):
    """The mean area of a piece, by Simpson's rule: exact, as the area is a polynomial of degree 2."""
    return math.pi / 24 * (w0 * h0 + (w0 + w1) * (h0 + h1) + w1 * h1)


def _padded(x):
    return torch.nn.functional.pad(x, (1, 1))


def _volume(length, widths, heights, rule=_rule, ends=_padded, places=PLACES, factor=1.0):
    """Right but for its steps: rule(w0, w1, h0, h1), the area of a piece; ends, which are added; places."""
    w, h = (ends(x.double()) for x in (widths, heights))
    pieces = torch.tensor(places, dtype=torch.float64).diff()
    areas = rule(w[..., :-1], w[..., 1:], h[..., :-1], h[..., 1:])
    return factor * length * (pieces * areas).sum(-1)


# --- exercise 14: what goes wrong


def _by_rule(rule):
    return partial(_volume, rule=rule)


def _area(w, h):
    return math.pi / 4 * w * h


def _closed(x):
    """The first and the last once more, in place of zeros."""
    return torch.cat([x[..., :1], x, x[..., -1:]], -1)


def _of_areas(function):
    """A volume that is length times something of all stations' areas. function(areas)"""
    return lambda length, widths, heights: length * function(_area(widths.double(), heights.double()))


def _simpson(length, widths, heights):
    """The composite rule, of areas at all places."""
    from scipy.integrate import simpson

    areas = _area(_padded(widths.double()), _padded(heights.double()))
    return length * torch.from_numpy(np.asarray(simpson(areas.numpy(), x=PLACES)))


PIECE = "Each piece holds π d / 24 · (2 w0 h0 + w0 h1 + w1 h0 + 2 w1 h1), and at both ends w and h are 0."
EVEN = tuple(np.linspace(0, 1, len(PLACES)))
OF_VOLUMES = {
    f"""no-pi: The factor is 1/6 where π / 24 belongs: the sections are taken for rectangles, w · h, not for
        ellipses, π / 4 · w h. {PIECE}""": partial(_volume, factor=4 / math.pi),
    f"""radius: It is four times the volume. Widths and heights are full axes, not half ones: an ellipse has
        the area π / 4 · w h. {PIECE}""": partial(_volume, factor=4.0),
    f"""radius: It is a quarter of the volume. Of full axes an ellipse has the area π / 4 · w h, of half axes
        π · a b: do not halve twice. {PIECE}""": partial(_volume, factor=0.25),
    f"""half: It is twice the volume. An ellipse has the area π / 4 · w h, not π / 2 · w h.
        {PIECE}""": partial(_volume, factor=2.0),
    f"""half: It is half of the volume. Of full axes an ellipse has the area π / 4 · w h: halve neither of
        them. {PIECE}""": partial(_volume, factor=0.5),
    f"""trapezoids: The area of each piece is the mean of those at its ends. Where a body tapers this is too
        much: for a cone it gives 1/2 of base times height, and not 1/3. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: (_area(w0, h0) + _area(w1, h1)) / 2
    ),
    f"""trapezoids: The area of each piece is the mean of those at its ends, and the two end pieces are left
        out. {PIECE}""": partial(
        _volume,
        rule=lambda w0, w1, h0, h1: (_area(w0, h0) + _area(w1, h1)) / 2,
        ends=lambda x: x,
        places=STATIONS,
    ),
    f"""middle: The area of each piece is that of the ellipse with the mean width and the mean height, in
        which all four products weigh the same. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: _area((w0 + w1) / 2, (h0 + h1) / 2)
    ),
    f"""cylinders: Each piece is a cylinder with the section at its front end. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: _area(w0, h0)
    ),
    f"""cylinders: Each piece is a cylinder with the section at its rear end, so that each station stands for
        5 % of the length. {PIECE}""": _by_rule(lambda w0, w1, h0, h1: _area(w1, h1)),
    f"""cylinders: The mean of all stations' areas is multiplied by the length. {PIECE}""": _of_areas(
        lambda areas: areas.mean(-1)
    ),
    f"""circular-cones: It is the rule of circular cones, (A0 + sqrt(A0 A1) + A1) / 3. Width and height change
        at different rates here. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: (_area(w0, h0) + (_area(w0, h0) * _area(w1, h1)).sqrt() + _area(w1, h1)) / 3
    ),
    f"""curved: Between the stations the area follows parabolas, by the composite rule of Simpson. Width and
        height change evenly here. {PIECE}""": _simpson,
    f"no-ends: Both end pieces are left out, before 5 % and behind 85 %. {PIECE}": partial(
        _volume, ends=lambda x: x, places=STATIONS
    ),
    f"no-ends: The front piece is left out, from the rostrum's tip to 5 %. {PIECE}": partial(
        _volume, ends=lambda x: torch.nn.functional.pad(x, (0, 1)), places=PLACES[1:]
    ),
    f"no-ends: The rear piece is left out, from 85 % to the end. {PIECE}": partial(
        _volume, ends=lambda x: torch.nn.functional.pad(x, (1, 0)), places=PLACES[:-1]
    ),
    f"""blunt-ends: The end pieces are cylinders, as wide as the first and the last station: at the tip of the
        rostrum and at the end both axes are 0. {PIECE}""": partial(_volume, ends=_closed),
    f"""short-end: The last piece is taken to be as long as the others, 5 % of the length. It goes from 85 %
        to 100 %. {PIECE}""": partial(_volume, places=(*PLACES[:-1], 0.9)),
    f"""spacing: All {len(PLACES) - 1} pieces have the same length. But the stations are at 5 %, 10 %, ...
        85 %, and the last piece is 15 % long. {PIECE}""": (
        partial(_volume, places=EVEN),
        partial(_volume, places=tuple(np.arange(len(PLACES)) / (len(PLACES) - 2))),
        partial(_volume, places=tuple(np.arange(len(PLACES)) / len(PLACES))),
    ),
    f"""circles: The sections are circles as wide as the body: the heights are not used.
        {PIECE}""": lambda length, widths, heights: _volume(length, widths, widths),
    f"""circles: The sections are circles as high as the body: the widths are not used.
        {PIECE}""": lambda length, widths, heights: _volume(length, heights, heights),
    f"""circles: The sections are circles with the mean of width and height. {PIECE}""": (
        lambda length, widths, heights: _volume(length, (widths + heights) / 2, (widths + heights) / 2)
    ),
    f"""no-length: The pieces' lengths are shares of the length: multiply by the length.
        {PIECE}""": lambda length, widths, heights: _volume(1.0, widths, heights),
    f"length-twice: It is multiplied by the length twice. {PIECE}": lambda length, widths, heights: _volume(
        length**2, widths, heights
    ),
    f"""shares: Widths and heights are multiplied by the length, as if they were shares of it. They are
        metres. {PIECE}""": lambda length, widths, heights: _volume(length**3, widths, heights),
    f"""no-sixth: It is six times the volume: the 1/6 of the rule is missing. {PIECE}""": partial(
        _volume, factor=6.0
    ),
    f"""no-sixth: It is three times the volume. {PIECE}""": partial(_volume, factor=3.0),
    f"""unequal-terms: The mixed products w0 h1 and w1 h0 are missing. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: math.pi / 12 * (w0 * h0 + w1 * h1)
    ),
    f"""unequal-terms: w0 h0 and w1 h1 are not doubled. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: math.pi / 24 * (w0 * h0 + w0 * h1 + w1 * h0 + w1 * h1)
    ),
    f"""mixed: w0 w1 + h0 h1 stands where w0 h1 + w1 h0 belongs: each mixed product has the width of one end
        and the height of the other. {PIECE}""": _by_rule(
        lambda w0, w1, h0, h1: math.pi / 24 * (2 * w0 * h0 + w0 * w1 + h0 * h1 + 2 * w1 * h1)
    ),
    f"""unequal-terms: Half of the mixed products is missing. {PIECE}""": (
        _by_rule(lambda w0, w1, h0, h1: math.pi / 24 * (2 * w0 * h0 + w0 * h1 + 2 * w1 * h1)),
        _by_rule(lambda w0, w1, h0, h1: math.pi / 24 * (2 * w0 * h0 + w1 * h0 + 2 * w1 * h1)),
    ),
    f"""turned-round: The stations run backwards. The first one is at 5 %, near the tip of the rostrum; the
        last piece, behind 85 %, is the long one. {PIECE}""": lambda length, widths, heights: _volume(
        length, widths.flip(-1), heights.flip(-1)
    ),
}
OF_HERDS = {
    "one-sum: All animals have the sum of all volumes: sum over the stations alone, `dim=-1`.": (
        lambda length, widths, heights: _volume(length, widths, heights).sum().expand(len(length)),
        lambda length, widths, heights: length * _pieces(widths, heights).sum(),
    ),
    "one-length: All animals have the length of the first one.": lambda length, widths, heights: _volume(
        length[:1], widths, heights
    ),
    "one-length: All animals have the mean of the lengths.": lambda length, widths, heights: _volume(
        length.mean(), widths, heights
    ),
    """along-the-body: With as many animals as pieces, piece k is multiplied by the length of animal k:
        lengths (B,) and pieces (B, 18) meet in the last dimension. `length[..., None]`, or multiply after
        the sum.""": lambda length, widths, heights: (
        _pieces(widths, heights) * (length if len(length) == len(PLACES) - 1 else length[:, None])
    ).sum(-1),
    """along-the-batch: The sum runs over the animals, not over the pieces: `dim=-1`.""": (
        lambda length, widths, heights: (_pieces(widths, heights) * length[:, None]).sum(0)[: len(length)]
    ),
}


def _pieces(widths, heights):
    """The pieces' volumes of animals 1 m long. -> (..., 18)"""
    w, h = (_padded(x.double()) for x in (widths, heights))
    areas = _rule(w[..., :-1], w[..., 1:], h[..., :-1], h[..., 1:])
    return torch.tensor(PLACES, dtype=torch.float64).diff() * areas


class OfBody(Same):
    """A volume, in the dtype of the widths."""

    function, shows, otherwise = "volume_from_widths", VOLUME, "wrong-volume"
    right, explained, tolerance = staticmethod(_volume), 1e-5, 1e-5

    def taken(self, shows, value, length, *_):
        if torch.is_tensor(value) and value.is_floating_point():
            value = value.to(length.dtype)
            if not value.dim() and length.dim():
                raise Problem.of(f"""one-sum: `{shows}` gives one number, expected the shape
                    {shape_text(length.shape)}: a volume for each animal. Sum over the stations alone,
                    `dim=-1`.""")
        return tensor(shows, value, length.shape, length)


def _bodies(rng, *shape):
    """Lengths (*shape), widths and heights (*shape, S), whose ratio changes along the body. float64"""
    along = torch.tensor(STATIONS, dtype=torch.float64)
    width = (
        0.75
        * (along * (1 - along)).sqrt()
        * torch.from_numpy(rng.uniform(0.6, 1.4, size=(*shape, len(along))))
    )
    ratio = torch.from_numpy(rng.uniform(0.5, 1.6, size=(*shape, len(along))))
    length = torch.from_numpy(np.asarray(rng.uniform(1.6, 3.2, size=shape)))
    return {"length": length, "widths": width, "heights": width * ratio}


class OneBody(OfBody):
    name = "the volume of one animal"
    points = 5
    mistakes = OF_VOLUMES

    def cases(self, rng):
        return {name: value.float() for name, value in _bodies(rng, 2).items()}

    def calls(self, length, widths, heights):
        """Two: what explains both volumes is no coincidence."""
        one, other = zip(length, widths, heights)
        return {"": one, " of another animal": other}


class Herd(OfBody):
    name = "of many animals at once"
    points = 2
    after = (OneBody,)
    mistakes, otherwise = OF_HERDS, "herd"

    def cases(self, rng):
        return _bodies(rng, len(PLACES) - 1)

    def calls(self, **inputs):
        three = tuple(x[:3] for x in inputs.values())
        return {" of three animals": three, f" of {len(inputs['length'])} animals": tuple(inputs.values())}


class VolumeGradient(SameGradient, OfBody):
    name = "gradients flow to length, widths and heights"
    points = 3
    after = (OneBody,)
    otherwise, tolerance = "wrong-gradient", 1e-4
    mistakes = {
        f"wrong-gradient: No gradient flows to {name}: is it detached, or turned into a number?": (
            lambda length, widths, heights, k=k: _volume(
                *(x.detach() if n == k else x for n, x in enumerate((length, widths, heights)))
            )
        )
        for k, name in enumerate(("the length", "the widths", "the heights"))
    }

    def cases(self, rng):
        body = _bodies(rng)
        return {"body": torch.cat([body["length"][None], body["widths"], body["heights"]])}

    def calls(self, body):
        return {"": (body,)}

    def value(self, function, body):
        S = len(STATIONS)
        return super().value(lambda x: function(x[0], x[1 : 1 + S], x[1 + S :]), body, torch.ones(()))

    def named_as_shown(self, arguments):
        return {"body": arguments[0]}

    def shown(self, said, inputs):
        return {}

    def unexplained(self, said, yours, right, inputs):
        k = int((yours - right).abs().argmax())
        S = len(STATIONS)
        where = "the length" if not k else f"widths[{k - 1}]" if k <= S else f"heights[{k - 1 - S}]"
        is_, should = in_digits(yours[k], right[k])
        return Complaint.of(f"""{self.otherwise}: The volume is right, but its derivative with respect to
            {where} should be {should}, yours is {is_}: is a part of the way detached?""")


VOLUMES = OneBody(), Herd(), VolumeGradient()
volume_from_widths = Exercise(
    14,
    "A volume from widths",
    ("volume_from_widths",),
    VOLUMES,
    # In this order: where nothing else calls the first one, nothing calls the second.
    withheld=("course_lib.photogrammetry.elliptical_model", "course_lib.photogrammetry.elliptical_volume"),
)
