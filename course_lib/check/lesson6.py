"""Checks of lesson 6: altitudes (11), apparent depth (12), a length's interval (13), a volume (14).

For each exercise the right function is written in steps. A usual mistake is that function with another step,
in a table by what is said of it (`same.steps`), where {} stands for the formula at the table's end.
"""

import itertools
import math
import types
from functools import partial

import numpy as np
import torch
from torch import where
from torch.nn.functional import interpolate, pad

from ..photogrammetry import STATIONS
from .card import Shown
from .core import Complaint, Exercise, Problem, close, describe, items, number, shape_text, tensor
from .difference import apart, difference, in_digits, linear, of_all, pattern
from .same import Same, SameGradient, steps


def _in(dtype, value):
    """A student's value in the dtype of what is right, if it is of numbers with a point: either will do."""
    return value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value


def _drawn(make, *given, **more):
    """The `cases` of a property: make(rng, ...)."""
    return lambda self, rng: make(rng, *given, **more)


def _worst(yours, right):
    """Where two values differ most: the number of the entry, and both there. -> int, text, text"""
    k = int((yours - right).abs().argmax())
    return k, *in_digits(yours[k], right[k])


# --- exercise 11: right, and with steps of one's own

HEIGHTS = "altitude_per_frame(sample_times, sample_altitudes, frame_times, launch_height, longest_gap)"
LONGEST = 1.0  # seconds, the default


def _known(times, heights):
    """Samples without those that are NaN."""
    return times[~heights.isnan()], heights[~heights.isnan()]


def _beside(t, h, f, by=0):
    """Samples and frames; of each frame the sample 0 before it and 1 after it, and its share of the way.

    by: so many samples later.
    """
    j = (torch.searchsorted(t, f).clamp(1, len(t) - 1) + by).clamp(1, len(t) - 1)
    x = types.SimpleNamespace(t=t, h=h, f=f, i=j - 1, j=j, t0=t[j - 1], t1=t[j], h0=h[j - 1], h1=h[j])
    x.share = (f - x.t0) / (x.t1 - x.t0)
    return x


def _evenly(*samples_and_frames):
    """Linear between samples, and on beyond the ends."""
    return _linear(_beside(*samples_and_frames))


def _linear(x):
    return x.h0 + x.share * (x.h1 - x.h0)


def _outside(times, frames):
    return (frames < times[0]) | (frames > times[-1])


def _in_gap(times, frames, longest, *_, begin=torch.gt, end=torch.lt, long=torch.gt):
    """Which frames lie in a gap. begin, end: of a frame and a gap's ends; long: of a gap and `longest`."""
    gap = long(times.diff(), longest)
    return (begin(frames[:, None], times[:-1][gap]) & end(frames[:, None], times[1:][gap])).any(1)


def _altitudes(t, h, frames, launch=0.0, longest=LONGEST, *, clean=_known, value=_linear, add=torch.add):
    """Right but for its steps: clean(times, heights), value of `_beside`, add(value, launch)."""
    t, h = clean(t, h)
    unknown = _outside(t, frames) | _in_gap(t, frames, longest)
    return where(unknown, torch.nan, add(value(_beside(t, h, frames)), launch))


# --- exercise 11: what goes wrong


def _of_numbers(number):
    """The sample of a number: number(count of samples, count of frames) -> (F,)"""
    return lambda x: x.h[number(len(x.h), len(x.f)).long().clamp(0, len(x.h) - 1)]


def _curve(x, kind):
    from scipy.interpolate import interp1d

    curve = interp1d(x.t.numpy(), x.h.numpy(), kind, fill_value="extrapolate")
    return torch.from_numpy(curve(x.f.numpy()))


def _one_off(by):
    """The share is right, and belongs to the pair of samples one earlier or later."""
    return lambda x: torch.lerp(*(x.h[(k + by).clamp(0, len(x.h) - 1)] for k in (x.i, x.j)), x.share)


def _line_beside(by):
    """The line through the pair of samples one earlier or later."""
    return lambda x: _linear(_beside(x.t, x.h, x.f, by))


MODES, CURVES = ("linear", "nearest", "nearest-exact"), ("cubic", "quadratic")
LINEAR = "Between the samples (t0, h0) and (t1, h1) it is h0 + (t - t0) / (t1 - t0) · (h1 - h0)."
VALUES = {
    """nearest: Each frame has the altitude of the sample nearest in time.
        {}""": lambda x: where(x.share < 0.5, x.h0, x.h1),
    """steps: Each frame has the altitude of the last sample before it, which stays until the next one.
        {}""": lambda x: x.h0,
    "steps: Each frame has the altitude of the first sample after it. {}": lambda x: x.h1,
    "mean: Each frame has the mean of the samples before and after it. {}": lambda x: (x.h0 + x.h1) / 2,
    """share-swapped: The two samples' shares are exchanged: a frame right after a sample has nearly the
        altitude of the next one. {}""": lambda x: x.h1 + x.share * (x.h0 - x.h1),
    """not-divided: The time since the sample before is not divided by the time between both samples.
        {}""": lambda x: x.h0 + (x.f - x.t0) * (x.h1 - x.h0),
    "one-off: The share is right, but it belongs to the samples one later. {}": _one_off(1),
    "one-off: The share is right, but it belongs to the samples one earlier. {}": _one_off(-1),
    "one-off: Each frame lies on the line through the next two samples after it. {}": _line_beside(1),
    "one-off: Each frame lies on the line through the last two samples before it. {}": _line_beside(-1),
    """by-number: Frame k has the altitude of sample k. But samples come at another rate than frames: look
        for the samples by their times.""": (
        _of_numbers(lambda n, f: torch.arange(f)),
        _of_numbers(lambda n, f: torch.arange(f) % n),
    ),
    """by-number: The samples are stretched to the number of frames, and their times are not looked at: they
        do not come at an even rate.""": (
        lambda x: interpolate(x.h[None, None], len(x.f), mode="linear", align_corners=True)[0, 0],
        *(lambda x, mode=mode: interpolate(x.h[None, None], len(x.f), mode=mode)[0, 0] for mode in MODES),
        _of_numbers(lambda n, f: torch.arange(f) * n // f),
        _of_numbers(lambda n, f: torch.linspace(0, n - 1, f)),
        _of_numbers(lambda n, f: torch.linspace(0, n - 1, f).round()),
    ),
    """even-rate: Between the first sample and the last the others are taken to come at an even rate. They do
        not: use `sample_times`.""": lambda x: _evenly(_frames(x.t, 0, 0, len(x.t)).to(x.t), x.h, x.f),
    """clocks: The frames' times are counted from the first frame, and the samples' from the first sample.
        Both are seconds of one clock already: take nothing
        off.""": lambda x: _evenly(x.t - x.t[0], x.h, x.f - x.f[0]),
    "curved: Between the samples it follows a curve. {}": tuple(
        partial(_curve, kind=kind) for kind in CURVES
    ),
    "one-for-all: All frames have the mean of the samples. {}": lambda x: x.h.mean() + 0 * x.f,
}
BELOW = "Where the drone is below the place of take-off,"
LOWER = "It may well fly lower than that: from a ship or a cliff. Add launch_height to what it reports."
SUMS = {
    """launch-forgotten: `launch_height` is not added: these are heights above the place where the drone took
        off. That place lies launch_height above the sea.""": lambda h, _: h,
    """launch-subtracted: `launch_height` is subtracted. The place of take-off lies that much above the sea,
        and the drone reports heights above it: add it.""": torch.sub,
    "launch-subtracted: The altitudes are subtracted from `launch_height`. Add both.": lambda h, up: up - h,
    "launch-twice: `launch_height` is added twice.": lambda h, up: h + 2 * up,
    "launch-times: The heights are multiplied by `launch_height`. Add it.": torch.mul,
    f"launch-clamped: {BELOW} its height counts as 0. {LOWER}": lambda h, up: h.clamp(min=0) + up,
    f"launch-clamped: {BELOW} its height has lost its sign. {LOWER}": lambda h, up: h.abs() + up,
}
COUNTED = {
    """launch-instead: The heights are counted from the first sample or frame, whose height is set to
        launch_height. The drone's heights are above the place of take-off already: only add.""": (
        lambda x: _linear(x) - x.h[0],
        lambda x: _linear(x) - _linear(x)[:1],
    )
}


def _carried(heights):
    """Where a sample is NaN, the last one before it that is not."""
    place = where(heights.isnan(), 0, torch.arange(len(heights))).cummax(0).values
    return heights[place]


def _filled(fill):
    """A step in which NaN are replaced: fill(heights)."""
    return lambda t, h: (t, fill(h))


AS_IF_NOT_THERE = "A sample that is NaN counts as if it were not there: leave out its time too."
TAKES = "A sample that is NaN takes the"
CLEANED = {
    """nan-spreads: Frames beside a sample that is NaN come out as NaN, though there are known samples on
        both sides. {}""": lambda t, h: (t, h),
    """all-nan: All frames are NaN, as soon as one sample is: does a sum or a mean run over all samples?
        {}""": lambda t, h: (t, h.mean() + h),
    """nan-to-zero: A sample that is NaN counts as 0 m, so that the altitude dips there.
        {}""": _filled(torch.nan_to_num),
    f"nan-carried: {TAKES} altitude of the known one before it. {{}}": _filled(_carried),
    f"nan-carried: {TAKES} altitude of the known one after it. {{}}": _filled(
        lambda h: _carried(h.flip(0)).flip(0)
    ),
    f"""nan-mean: {TAKES} mean of the known ones before and after it.
        {{}}""": _filled(lambda h: (_carried(h) + _carried(h.flip(0)).flip(0)) / 2),
    """nan-by-number: Samples that are NaN are filled up evenly from one to the next, as if they came at an
        even rate. {}""": _filled(lambda h: _evenly(*_known(n := torch.arange(len(h)).to(h), h), n)),
    f"nan-mean: {TAKES} mean of all known ones. {{}}": _filled(lambda h: where(h.isnan(), h.nanmean(), h)),
    """times-kept: The altitudes that are NaN are left out, but their times are not: after them each altitude
        stands beside an earlier time. {}""": lambda t, h: (t[: (~h.isnan()).sum()], h[~h.isnan()]),
}

ZEROS = "Frames before the first known sample and after the last are 0."
# What may come out of frames before the first known sample and after the last: which of them are NaN, and as
# what times the frames count. Of the frames, the times of known samples, and those of all.
ENDS = {
    "": lambda f, t, _: (_outside(t, f), f),
    """Frames before the first known sample get its altitude, and those after the last that one's, as
        `np.interp` does it.""": lambda f, t, _: (f != f, f.clamp(t[0], t[-1])),
    "Beyond the ends the line through the two samples there goes on.": lambda f, t, _: (f != f, f),
    ZEROS: lambda f, t, _: (_outside(t, f), f),
    """Frames beyond the first known sample and the last get their altitudes, as long as there are samples
        that are NaN: these do not count.""": lambda f, t, every: (_outside(every, f), f.clamp(t[0], t[-1])),
    """Beyond the first known sample and the last the line goes on, as long as there are samples that are NaN:
        these do not count.""": lambda f, t, every: (_outside(every, f), f),
    """Frames before the first known sample are right, but those after the last one get its
        altitude.""": lambda f, t, _: (f < t[0], f.clamp(max=t[-1])),
    """Frames after the last known sample are right, but those before the first one get its
        altitude.""": lambda f, t, _: (f > t[-1], f.clamp(t[0])),
    """The frames at the very moments of the first known sample and of the last are NaN, though their altitude
        is known. Known is where 0 <= share <= 1: compare by <= and
        >=.""": lambda f, t, _: ((f <= t[0]) | (f >= t[-1]), f),
    """The frame at the very moment of the first known sample is NaN, though its altitude is
        known.""": lambda f, t, _: ((f <= t[0]) | (f > t[-1]), f),
    """The frame at the very moment of the last known sample is NaN, though its altitude is
        known.""": lambda f, t, _: ((f < t[0]) | (f >= t[-1]), f),
}
# Which frames lie in a gap: of known times, frames, longest_gap, and the times of all samples.
GAPS = {
    "": _in_gap,
    "Frames in a gap longer than `longest_gap` get a number all the same.": lambda t, f, *_: f != f,
    "`longest_gap` is not used: there always stands 1 s.": lambda t, f, *_: _in_gap(t, f, LONGEST),
    """The gaps are measured before the samples that are NaN are left out: a run of these is a gap
        too.""": lambda t, f, longest, times: _in_gap(times, f, longest),
    """In a gap only those frames are NaN that are more than `longest_gap` away from both of its ends. All
        frames in it are to be NaN.""": lambda t, f, longest, _: (f[:, None] - t).abs().amin(1) > longest,
    """Not the gap between two known samples is compared with `longest_gap`, but the time since the last one
        before the frame.""": lambda t, f, longest, _: f - _beside(t, t, f).t0 > longest,
    """Not the gap between two known samples is compared with `longest_gap`, but the time until the next one
        after the frame.""": lambda t, f, longest, _: _beside(t, t, f).t1 - f > longest,
    """After the first gap all frames are NaN: only those within it are to
        be.""": lambda *given: _in_gap(*given).cumsum(0) > 0,
    """It is the wrong way round: frames between samples that are near to each other are NaN, and those in a
        gap longer than `longest_gap` are not.""": lambda t, f, *more: (
        ~_in_gap(t, f, *more) & ~_outside(t, f)
    ),
}


def _with(end="", gap=_in_gap, missing=torch.nan):
    """The altitudes with one of ENDS and another gap; missing: what stands in it."""

    def altitudes(times, heights, frames, launch=0.0, longest=LONGEST):
        t, h = _known(times, heights)
        inside = gap(t, frames, longest, times) & ~_outside(t, frames)
        unknown, at = ENDS[end](frames, t, times)
        value = where(unknown, 0.0 if end == ZEROS else torch.nan, _evenly(t, h, at))
        return where(inside, missing, value) + launch

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
        said[f"{key}: {end} {gap} What is not known is to be NaN, and nothing else."] = _with(end, GAPS[gap])
    return said | {
        "gaps: In a longer gap stands 0. What is not known is to be NaN: 0 is an altitude too.": _with(
            missing=0.0
        ),
        """gaps: Wherever the altitude is not known stands 0. It is to be NaN: 0 is an altitude
            too.""": lambda *given: _altitudes(*given).nan_to_num(),
    }


EXACT = """A gap of exactly `longest_gap` counts as too long. Bridged is where gap <= longest_gap: compare by
    <=."""
AT_EDGES = {  # and what compares a frame and the gap's ends then
    """The frame at the very moment of the sample where a long gap begins is NaN, though its altitude is
        known. (`torch.searchsorted` with `right=True` puts it into the gap.) There the share is
        0.""": {"begin": torch.ge},
    """The frame at the very moment of the sample where a long gap ends is NaN, though its altitude is known.
        There the share is 1.""": {"end": torch.le},
    """The frames at the very moments of the samples where a long gap begins and where it ends are NaN, though
        their altitudes are known. There the share is 0 or 1.""": {"begin": torch.ge, "end": torch.le},
}
OF_EDGES = {f"exact-gap: {EXACT}": _with(gap=partial(_in_gap, long=torch.ge))} | {
    f"sample-in-gap: {said} {exact}": _with(gap=partial(_in_gap, **edges, long=long))
    for exact, long in (("", torch.gt), (EXACT, torch.ge))
    for said, edges in AT_EDGES.items()
}


class Altitudes(Same):
    """What is compared: which frames are NaN, 0 or 1, and the altitudes, 0 where they are NaN. (2, F)"""

    function, shows, otherwise = "altitude_per_frame", HEIGHTS, "altitudes"
    right, tolerance, by_arguments = staticmethod(_altitudes), 2e-5, True  # some 0.5 mm

    def taken(self, shows, value, times, heights, frames, *_):
        if isinstance(value, np.ndarray):
            raise Problem.of(f"""not-a-tensor: `{shows}` gives {describe(value)}, expected a tensor of shape
                {shape_text(frames.shape)}: `torch.from_numpy(...)` makes one of it.""")
        value = tensor(shows, _in(heights.dtype, value), frames.shape, heights, finite=False)
        if count := int(value.isinf().sum()):
            raise Problem.of(f"not-finite: `{shows}` has {count} entries that are infinite.")
        return value

    def compared(self, altitudes):
        return torch.stack([altitudes.isnan().to(altitudes), altitudes.nan_to_num()])

    def unexplained(self, said, yours, right, inputs):
        times, heights, frames, *rest = self.calls(**inputs)[said]
        x, longest = _beside(*_known(times, heights), frames), rest[1] if len(rest) > 1 else LONGEST
        (lost, yours), (unknown, right) = yours, right
        if (unknown != lost).any():
            key, wrong = ("made-up", unknown > lost) if (unknown > lost).any() else ("lost", lost > unknown)
            k = int(wrong.nonzero()[0])
            number = in_digits((yours if key == "made-up" else right)[k])[0]
            is_, should = (number, "NaN") if key == "made-up" else ("NaN", number)
            first, last, gap = (in_digits(float(n))[0] for n in (x.t[0], x.t[-1], x.t1[k] - x.t0[k]))
            beside = "."
            more = f"The known samples beside it are {gap} s apart; `longest_gap` is {longest:g} s."
            if frames[k] < x.t[0]:
                more = f"The first known sample is at {first} s."
            elif frames[k] > x.t[-1]:
                more = f"The last known sample is at {last} s."
            else:
                more = f"{more} {_bridged(lost > 0, frames, x)}"
        else:
            key, (k, is_, should) = self.otherwise, _worst(yours, right)
            t0, h0, t1, h1 = (in_digits(float(of[k]))[0] for of in (x.t0, x.h0, x.t1, x.h1))
            beside = f", between the samples ({t0} s, {h0} m) and ({t1} s, {h1} m)."
            more = pattern(yours[unknown < 1], right[unknown < 1], self.tolerance, "known frame", {})
            mine, its = ((of - x.h0[k]) / (x.h1[k] - x.h0[k]) for of in (yours[k], right[k]))
            if 0 < mine < 1 and not rest:
                mine, its = in_digits(mine, its)
                more = f"Yours lies {mine} of the way from the one to the other, and should {its}. {more}"
        return Complaint.of(f"""{key}: `{self.function}(...)[{k}]`{said} should be {should}, yours is {is_}.
            That frame is at {in_digits(float(frames[k]))[0]} s{beside} {more}""")

    def picture(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        call = next(call for call in right if not close(outputs[call], right[call], self.tolerance))
        both = (where(values[call][0] > 0, torch.nan, values[call][1]) for values in (outputs, right))
        return Shown("altitude over the frames", *(curve[:, None] for curve in both), "curves")


def _bridged(lost, frames, x):
    """Whether the gap decides which frames between the samples are NaN, flags. -> text"""
    inside = (frames > x.t[0]) & (frames < x.t[-1])
    gap = x.t1 - x.t0
    if lost[inside].all():
        return "In yours all frames are NaN."
    if not lost[inside].any():
        return "In yours none between the samples is NaN."
    least, most = gap[inside & lost].min(), gap[inside & ~lost].max()
    least, most = in_digits(float(least))[0], in_digits(float(most))[0]
    if float(least) > float(most):
        return f"In yours frames in gaps from {least} s on are NaN, and in gaps up to {most} s they are not."
    return f"In yours some frames in gaps of {least} s are NaN, and some in gaps of {most} s are not."


def _frames(times, first, last, count):
    """So many frames, from `first` after the first sample to `last` before the last one. -> (F,), float64"""
    return torch.linspace(float(times[0]) + first, float(times[-1]) - last, count).double()


def _case(times, heights, frames):
    return {"sample_times": times, "sample_altitudes": heights, "frame_times": frames}


def _flight(rng, count, frames, heights=(8.0, 30.0), pace=1.0, known=()):
    """Samples at uneven times, of a drone that climbs and sinks, and frames. float64

    frames: as `_frames` has it; pace: how slowly samples come; known: pairs of the numbers
    of samples and their altitude.
    """
    times = torch.from_numpy(rng.uniform(0.12, 0.6, size=count)).cumsum(0) * pace
    heights = torch.from_numpy(rng.uniform(*heights, size=count))
    for numbers, height in known:
        heights[numbers] = height
    return _case(times, heights, _frames(times, *frames))


class Rates(Altitudes):
    name, points = "linear between samples, which come at another rate than frames", 3
    mistakes = steps(VALUES, _altitudes, "value", LINEAR)
    cases = _drawn(_flight, 14, (0.03, 0.02, 25))


class Launch(Altitudes):
    name, points, after = "launch_height makes altitudes above the sea of them", 2, (Rates,)
    mistakes = steps(SUMS, _altitudes, "add") | steps(COUNTED, _altitudes, "value")
    cases = _drawn(_flight, 12, (0.05, 0.05, 20), (-9.0, 14.0), known=[(0, 5.0)])

    def calls(self, **inputs):
        return {" with launch_height = 23.5": (*inputs.values(), 23.5)}


class Missing(Altitudes):
    name, points, after = "samples that are NaN do not count", 2, (Rates,)
    mistakes = steps(CLEANED, _altitudes, "clean", AS_IF_NOT_THERE)
    # At a pace at which no gap is too long.
    cases = _drawn(_flight, 16, (0.02, 0.01, 40), pace=0.5, known=[([3, 7, 8, 12], torch.nan)])


class Unknown(Altitudes):
    name = "NaN before the first known sample, after the last, and in gaps that are too long"
    points, after, mistakes = 2, (Rates, Missing), _of_ends_and_gaps()

    def cases(self, rng):
        spaces = torch.from_numpy(rng.uniform(0.15, 0.35, size=34))
        spaces[[6, 12, 18]] = torch.tensor([3.2, 0.75, 1.6]).double()
        times, heights = spaces.cumsum(0), torch.from_numpy(rng.uniform(8, 30, size=34))
        heights[[0, 1, *range(23, 30), 32, 33]] = torch.nan  # in their middle a gap of some 2 s
        frames = torch.arange(float(times[0]) - 0.5, float(times[-1]) + 0.5, 0.1).double()
        return _case(times, heights, torch.cat([frames, times[[2, 31]]]).sort().values)

    def calls(self, **inputs):
        given = tuple(inputs.values())
        return {"": given} | {f" with longest_gap = {gap:g}": (*given, 0.0, gap) for gap in (0.5, 2.5)}

    def call(self, given, **inputs):
        try:
            return super().call(given, **inputs)
        except IndexError as error:
            if "out of bounds" not in str(error) and "out of range" not in str(error):
                raise
            raise Problem.of(f"""no-clamp: `{self.shows}` ends in an IndexError, {error}. Frames after the
                last sample have no sample after them, and those before the first one have none before: hint 2
                keeps both numbers within the samples by `.clamp(1, len(times) - 1)`.""") from None


class Edges(Altitudes):
    name = "a frame at the very moment of a sample, and a gap of exactly longest_gap"
    points, after, mistakes = 1, (Unknown,), OF_EDGES

    def cases(self, rng):
        spaces = torch.from_numpy(rng.uniform(0.15, 0.6, size=14))
        spaces[[4, 9]] = torch.tensor([LONGEST, 2.0]).double()
        times = ((64 * spaces).round() / 64).cumsum(0)  # exact, in float32 too
        heights = torch.from_numpy(rng.uniform(8, 30, size=14))
        frames = torch.arange(float(times[0]) + 0.05, float(times[-1]), 0.1).double()
        # Two more are where the longer gap begins and ends.
        return _case(times, heights, torch.cat([frames, times[[8, 9]]]).sort().values)


ALTITUDES = Rates(), Launch(), Missing(), Unknown(), Edges()
altitudes = Exercise(11, "The altitude of every frame", ("altitude_per_frame",), ALTITUDES)


# --- exercise 12: right, and with steps of one's own

INDEX = 1.34
DEPTH = "apparent_depth(depth, distance, altitude, index)"


def _root(t, n):
    """depth / q of a tangent, by Snell's law."""
    return (n**2 + (n**2 - 1) * t**2).sqrt()


def _ratio(q, h, r, H, n):
    return _root(r / (H + q), n)


def _growth(q, h, r, H, n):
    """How fast q · ratio(q) grows with q: d(depth)/dq."""
    ratio = _ratio(q, h, r, H, n)
    return ratio - (n**2 - 1) * q / ratio * r**2 / (H + q) ** 3


RIGHT = {"height": lambda q, h, H: H + q, "root": _root, "under": lambda q, *_: q, "above": lambda h, *_: h}


def _solved(depth, distance, altitude, index=INDEX, **other):
    """The apparent depth by bisection, but for `other` steps than those of RIGHT.

    height(q, h, H): of the tangent's triangle; root(tangent, n): depth / q; under(q, h, H, n): what comes out
    under water; above(h, r, H, n): above it.
    """
    step = types.SimpleNamespace(**RIGHT | other)
    h, r, H = (x.double() for x in (depth, distance, altitude))
    low, high = torch.zeros_like(h), 20 * h.abs()
    for _ in range(60):
        q = (low + high) / 2
        over = q * step.root(r / step.height(q, h, H), index) > h
        low, high = where(over, low, q), where(over, q, high)
    return where(h > 0, step.under(q, h, H, index), step.above(h, r, H, index)).to(depth)


def _slope(depth, distance, altitude, index=INDEX, *, of=lambda slope, ratio: 1 / slope, above=1.0):
    """dq/d(depth), or what is made `of` the slope of q · ratio(q), and of ratio."""
    h, r, H = (x.double() for x in (depth, distance, altitude))
    q = _solved(h, r, H, index).clamp(min=0)
    return where(h > 0, of(_growth(q, h, r, H, index), _ratio(q, h, r, H, index)), above).to(depth)


# --- exercise 12: what goes wrong


def _newton(q, *given, sign=-1):
    return q + sign * (q * _ratio(q, *given) - given[0]) / _growth(q, *given)


def _moved(count, q, step, *given):
    """So many steps from q: step(q, depth, distance, altitude, n)."""
    for _ in range(count):
        q = step(q, *given)
    return q


def _after(count, start, step):
    """So many steps from start(depth, n)."""

    def depths(depth, distance, altitude, index=INDEX):
        h = depth.clamp(min=0)
        return where(depth > 0, _moved(count, start(h, index), step, h, distance, altitude, index), depth)

    return depths


def _halved(count, start):
    """The middle of what so many halvings leave of what lies between 0 and start(depth, n)."""

    def under(q, h, H, n):
        width = start(h, n) / 2**count
        return ((q / width).floor().clamp(max=2**count - 1) + 0.5) * width

    return partial(_solved, under=under)


STARTS = lambda depth, n: depth / n, lambda depth, n: depth, lambda depth, n: 0 * depth
MANY = *range(1, 21), 25, 30, 40, 50, 60, 100


def _so_far(what, unit, makes, most, starts=STARTS, more=""):
    """What is said of too few steps, 1 to `most`; more: of the next number too. -> {said: functions}"""
    said = "not-converged: That is where {} is after {} {}{}{}. Go on until nothing changes any more."
    return {
        said.format(what, k, unit, "s" * (k > 1), more.format(k + 1)): tuple(
            makes(k, start) for start in starts
        )
        for k in range(1, most + 1)
    }


# Told apart by what is left to do, however little that is. The middle that is tried in the last halving is
# the middle of what the halvings before it have left.
NOT_CONVERGED = {
    """plus: That is what q ← q + f(q)/f'(q) gives: each step leads further away. Newton's method has a minus:
        q ← q - f(q)/f'(q).""": tuple(
        _after(k, start, partial(_newton, sign=1)) for k in MANY for start in STARTS
    ),
    **_so_far("Newton's method", "step", partial(_after, step=_newton), 4),
    **_so_far(
        "q ← depth / sqrt(...)", "step", partial(_after, step=lambda q, *on: on[0] / _ratio(q, *on)), 12
    ),
    **_so_far("the bisection", "halving", _halved, 16, STARTS[:2], ", or {} whose last middle is the result"),
}
SNELL = "With tan(a) = distance / (altitude + q): depth / q = sqrt(n² + (n² - 1) tan(a)²)."
HALF = (
    "Where f(q) > 0, the right q is smaller: there q becomes the new upper end, elsewhere the new lower one."
)
UNDER = {
    """straight-down: That is depth / index, right only for what is seen from straight above: the distance
        does not count in it. {}""": lambda q, h, H, n: h / n,
    f"wrong-half: q is 0 everywhere: the wrong half is kept. {HALF}": lambda q, h, *_: 0 * h,
    f"""wrong-half: q is twice the depth everywhere, as if the upper half were kept each time.
        {HALF}""": lambda q, h, *_: 2 * h,
    "unchanged: That is the depth itself. Under water things seem nearer. {}": lambda q, h, H, n: h,
    """index-inverted: That is depth · index: deeper than it is. Under water things seem nearer.
        {}""": lambda q, h, H, n: h * n,
    "ratio: That is depth / q, not q. {}": lambda q, h, H, n: h / q,
    "sign: That is -q. Depths count downwards, the apparent one too.": lambda q, h, H, n: -q,
    """from-the-camera: That is q + altitude, the distance below the camera. The depth below the surface is
        asked for.""": lambda q, h, H, n: q + H,
    "lifted: That is depth - q: by how much the thing seems lifted.": lambda q, h, H, n: h - q,
}
WITH = "other-tangent: It is computed with tan(a) = distance /"
OF_HEIGHTS = {
    f"{WITH} altitude: the ray is followed to the surface only. {{}}": lambda q, h, H: H,
    f"{WITH} (altitude + depth): the ray in the air points at the apparent depth. {{}}": lambda q, h, H: (
        H + h
    ),
    f"""{WITH} (altitude - q): q counts downwards, the altitude upwards, so they add up.
        {{}}""": lambda q, h, H: H - q,
}
ROOTS = {
    """index-inverted: 1 / index stands where the index belongs, so that things seem deeper than they are.
        {}""": lambda t, n: (n**-2 + (n**-2 - 1) * t**2).clamp(min=1e-6).sqrt(),
    "no-root: The root is missing: q is depth / (n² + (n² - 1) tan(a)²). {}": lambda t, n: _root(t, n) ** 2,
    "no-square: tan(a) is not squared. {}": lambda t, n: (n**2 + (n**2 - 1) * t).sqrt(),
    "no-square: The index is not squared. {}": lambda t, n: (n + (n - 1) * t**2).sqrt(),
    """sine: The sine of a stands in the place of its tangent: distance over the whole way of the ray.
        {}""": lambda t, n: _root(t.atan().sin(), n),
    """sine: It is sqrt(n² - sin(a)²), n times the cosine of the angle in the water: divide by cos(a).
        {}""": lambda t, n: (n**2 - t.atan().sin() ** 2).sqrt(),
    "cosine: The cosine of a stands in the place of its tangent. {}": lambda t, n: _root(t.atan().cos(), n),
    "angle: The angle a itself stands in the place of its tangent. {}": lambda t, n: _root(t.atan(), n),
    "angle: The tangent is turned over: (altitude + q) / distance. {}": lambda t, n: _root(1 / t, n),
    "angle: tan(a) is taken for an angle, and its tangent taken again. {}": lambda t, n: _root(t.tan(), n),
    "turned-over: It is solved with q / depth on the left side. {}": lambda t, n: 1 / _root(t, n),
}
ROOTS |= {
    f"constant: In the root stands {text}. {{}}": lambda t, n, make=make: make(t, n).clamp(min=1e-6).sqrt()
    for text, make in (
        ("n² + (n - 1)² tan(a)²", lambda t, n: n**2 + ((n - 1) * t) ** 2),
        ("n² + (n² + 1) tan(a)²", lambda t, n: n**2 + (n**2 + 1) * t**2),
        ("n² + n² tan(a)²", lambda t, n: n**2 + (n * t) ** 2),
        ("n² - (n² - 1) tan(a)²", lambda t, n: n**2 - (n**2 - 1) * t**2),
        ("1 + (n² - 1) tan(a)²", lambda t, n: 1 + (n**2 - 1) * t**2),
        ("(n² - 1) + n² tan(a)²", lambda t, n: n**2 - 1 + (n * t) ** 2),
        ("2 n² - tan(a)²: brackets are missing, (n² - 1) · tan(a)²", lambda t, n: 2 * n**2 - t**2),
    )
}
OF_DEPTHS = {
    **steps(UNDER, _solved, "under", SNELL),
    **steps(OF_HEIGHTS, _solved, "height", SNELL),
    **steps(ROOTS, _solved, "root", SNELL),
    "exchanged: That is the derivative. q is the first result, its derivative the second.": _slope,
    """swapped: `distance` and `altitude` are exchanged. The distance is horizontal, the altitude
        vertical.""": lambda h, r, H: _solved(h, H, r),
    **{
        f"other-index: That is right for the index {n:g}. Take the argument `index`, 1.34 here.": partial(
            _solved, index=n
        )
        for n in (1.33, 1.333, 1.3, 1.5)
    },
}
OF_INDICES = {
    f"index-ignored: The argument `index` is not used: there always stands {n}.": partial(
        _solved, root=lambda t, _, n=n: _root(t, n)
    )
    for n in (1.34, 1.33, 1.333, 1.3)
}
OF_ABOVE = {
    "above-divided: Above the water the depth is divided by the index. {}": lambda h, r, H, n: h / n,
    "above-zero: Above the water q is 0. {}": lambda h, r, H, n: 0 * h,
    "above-sign: Above the water q is -depth. {}": lambda h, r, H, n: -h,
    "above-bent: Above the water the depth is computed as under it, with a negative q. {}": (
        lambda h, *more: _moved(20, h / more[-1], _newton, h, *more),
        lambda h, r, H, n: -_solved(-h, r, H, n),
    ),
}
STAYS = "What is above the water, where depth is negative, is seen where it is: q = depth."
DERIVED = "q sqrt(n² + (n² - 1) tan(a)²) = depth, with q in tan(a) as well: differentiate both sides."


def _quotient(step, side=1, of=0):
    """A derivative by a quotient of differences. side: 0 forwards, 1 central, 2 backwards; of: argument"""
    moves = ((0, step), (-step, step), (-step, 0))[side]

    def derivative(*given):
        exact = [*(x.double() for x in given[:3]), *(given[3:] or [INDEX])]
        low, high = (_solved(*exact[:of], exact[of] + by, *exact[of + 1 :]) for by in moves)
        return ((high - low) / (moves[1] - moves[0])).to(given[0])

    return derivative


SLOPES = {
    "frozen-angle: That is q / depth, as if tan(a) stayed when the depth changes. {}": lambda slope, ratio: (
        1 / ratio
    ),
    "not-inverted: That is d(depth)/dq: its inverse is asked for. {}": lambda slope, ratio: slope,
    "not-inverted: That is depth / q. {}": lambda slope, ratio: ratio,
    """wrong-sign: In d(depth)/dq = ratio - (n² - 1) tan(a)² q / ((altitude + q) ratio) the second term has a
        plus. {}""": lambda slope, ratio: 1 / (2 * ratio - slope),
    """wrong-sign: That is the derivative with the opposite sign: q grows with the depth.
        {}""": lambda slope, ratio: -1 / slope,
    "no-derivative: That is 1 everywhere, as above the water. {}": lambda slope, ratio: 1 + 0 * slope,
    """no-derivative: That is 0 under water: is q detached, or does only the start of a bisection depend on
        the depth? {}""": lambda slope, ratio: 0 * slope,
}
ABOVE = "above: Under water it is right. Above it the derivative is 1, for there q = depth; yours is"
OF_SLOPES = {
    f"straight-down: That is 1 / index, right only under water, from straight above. {DERIVED}": tuple(
        partial(_slope, of=lambda slope, ratio: INDEX**-1 + 0 * slope, above=above)
        for above in (1.0, 1 / INDEX)
    ),
    **steps(SLOPES, _slope, "of", DERIVED),
    **steps({f"{ABOVE} 0.": 0.0, f"{ABOVE} 1 / index.": 1 / INDEX}, _slope, "above"),
    f"{ABOVE} that just below the surface.": lambda h, r, H, n=INDEX: where(
        h > 0, _slope(h, r, H, n), 1 / _ratio(0, h, r, H, n)
    ),
    **{
        f"""other-variable: That is the derivative with respect to the {name}. Asked for is that with respect
            to the depth.""": _quotient(1e-5, of=k)
        for k, name in enumerate(("distance", "altitude", "index"), 1)
    },
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
    right, part, by_arguments = staticmethod(_solved), 0, True
    nearly = NOT_CONVERGED  # mistakes that need not be visible

    def taken(self, shows, value, depth, *_):
        one = _in(depth.dtype, items(shows, value, 2, "q and its derivative")[self.part])
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
        rounded, instead = "something is rounded, or has few digits", "the equation is not solved to the end"
        text = text.replace(rounded, f"{instead}, or digits are lost")
        text = text.replace(rounded.replace("or ", ""), f"{instead}, digits are lost")
        return Complaint(self.otherwise, text)


def _views(rng, count, depths, angles, altitudes=(6.0, 25.0), dtype=torch.float64):
    """Things in the water: depths, distances, altitudes (N,); angles: degrees to the vertical."""
    drawn = (torch.from_numpy(rng.uniform(*ends, size=count)) for ends in (depths, angles, altitudes))
    depth, angle, altitude = drawn
    views = {"depth": depth, "distance": torch.deg2rad(angle).tan() * altitude, "altitude": altitude}
    return {name: value.to(dtype) for name, value in views.items()}


class Depths(OfDepth):
    name, points, mistakes = "q solves Snell's law", 5, OF_DEPTHS
    cases = _drawn(_views, 12, (0.5, 4.0), (8.0, 55.0), dtype=torch.float32)


class Above(OfDepth):
    name, points, after = "what is above the water is seen where it is", 2, (Depths,)
    mistakes = steps(OF_ABOVE, _solved, "above", STAYS)

    def cases(self, rng):
        views = _views(rng, 8, (0.3, 1.2), (8.0, 50.0), dtype=torch.float32)
        views["depth"][::2] *= -1
        return views


class Slopes(OfDepth):
    name, points, after = "the derivative with respect to depth", 4, (Depths, Above)
    right, mistakes, otherwise = staticmethod(_slope), OF_SLOPES, "wrong-derivative"
    part, nearly, tolerance = 1, COARSE, 1e-3

    def cases(self, rng):
        views = _views(rng, 12, (0.5, 5.0), (25.0, 60.0), (3.0, 9.0))  # near, so that it bends
        views["depth"][9:] *= -0.2
        return views


class Indices(OfDepth):
    name, points, after = "another index: fresh water, glass", 1, (Depths,)
    mistakes = OF_INDICES
    cases = _drawn(_views, 6, (0.5, 4.0), (8.0, 50.0))

    def calls(self, **inputs):
        return {f" with index = {n}": (*inputs.values(), n) for n in (1.333, 1.52)}


class Shapes(OfDepth):
    name, points, after = "tensors of any shape; right above, too", 1, (Depths,)
    cases = _drawn(_views, 8, (0.5, 4.0), (8.0, 50.0), dtype=torch.float32)

    def calls(self, **inputs):
        depth, distance, altitude = given = tuple(inputs.values())
        return {
            " of shape (2, 3)": tuple(x[:6].reshape(2, 3) for x in given),
            " of shape ()": tuple(x[6] for x in given),
            " of shape (1), with the distance 0": (depth[7:], 0 * distance[7:], altitude[7:]),
        }


class Far(OfDepth):
    name, points, after, otherwise = "far to the side, and deep", 2, (Depths,), "far"
    cases = _drawn(_views, 10, (3.0, 15.0), (60.0, 74.0), (4.0, 9.0))


DEPTHS = Depths(), Above(), Slopes(), Indices(), Shapes(), Far()
apparent_depth = Exercise(
    12, "Apparent depth", ("apparent_depth",), DEPTHS, withheld=("course_lib.refraction.apparent_exactly",)
)


# --- exercise 13: lengths to ask for, right, and with steps of one's own


def _between_two_points(x):
    across = (x["right_px"] - x["left_px"]) ** 2 + (x["lower_px"] - x["upper_px"]) ** 2
    return x["altitude_m"] / 900 * across.sqrt() / torch.cos(x["tilt_rad"])


# A length, the names of its sources in the order of `values`, and those in the order of `sds`.
LENGTHS = {
    "picture": (
        lambda x: x["pixels"] * x["altitude_m"] / x["focal_px"],
        ("pixels", "altitude_m", "focal_px"),
        (0, 1, 2),
    ),
    "water": (
        lambda x: x["pixels"] * (x["altitude_m"] + x["depth_m"] / 1.34) / x["focal_px"],
        ("altitude_m", "depth_m", "pixels", "focal_px", "wind_m_s"),
        (0, 1, 2, 3, 4),
    ),
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
    """The length L, its derivatives g, the standard deviations s in the order of values, d = g s. float64"""
    x = torch.tensor(list(values.values()), dtype=torch.float64)

    def length(x):
        return length_of(dict(zip(values, x.unbind())))

    g = torch.autograd.functional.jacobian(length, x)
    s = torch.tensor([sds[name] for name in values], dtype=torch.float64)
    return types.SimpleNamespace(L=length(x), g=g, s=s, d=g * s, values=x)


def _share(parts):
    whole = parts.sum()
    return parts / whole if whole else parts


def _interval(length_of, values, sds, reach=lambda x: REACH * x.d.norm(), share=lambda x: _share(x.d**2)):
    """Right but for its steps: reach and share of what `_linearised` gives."""
    x = _linearised(length_of, values, sds)
    by = reach(x)
    low, high = by if isinstance(by, tuple) else (x.L - by, x.L + by)
    return low, high, dict(zip(values, share(x)))


# --- exercise 13: what goes wrong


def _both(reach):
    """A distance to low and high with the factor 1.96 and without it: reach(x, factor)."""
    return tuple(lambda x, k=k: reach(x, k) for k in (REACH, 1.0))


def _two_ends(make):
    """Other ends: make(length, -1.96 sd or 1.96 sd)."""
    return lambda x: tuple(make(x.L, k * x.d.norm()) for k in (-REACH, REACH))


def _all_off(length_of, values, sds, k=REACH):
    """The length with values off by k standard deviations, all at once."""
    ends = [{n: torch.tensor(v + by * sds[n]).double() for n, v in values.items()} for by in (-k, k)]
    return *sorted(map(length_of, ends)), {}


HOW = "The variance is the sum of (derivative · sd)²; low and high are 1.96 · sqrt(variance) away."
REACHES = {
    """one-sd: That is one standard deviation to both sides, which holds 68 % only; 95 % need 1.96.
        {}""": lambda x: x.d.norm(),
    """variance: To both sides lies 1.96 times the variance: the root is missing.
        {}""": lambda x: REACH * x.d @ x.d,
    """variance: To both sides lies the variance: the root is missing, and the factor 1.96.
        {}""": lambda x: x.d @ x.d,
    """variance: The root is taken of 1.96 times the variance: 1.96 belongs outside of it.
        {}""": lambda x: (REACH * x.d @ x.d).sqrt(),
    """added: The sources' standard deviations are added up. Errors that are independent seldom all go one
        way: their squares add up. {}""": _both(lambda x, k: k * x.d.abs().sum()),
    """added: The sources' standard deviations are added up with the signs of the derivatives, so that they
        cancel. Their squares add up. {}""": _both(lambda x, k: k * x.d.sum().abs())
    + _both(lambda x, k: k * x.d.sum()),
    """no-derivative: The derivatives are missing: standard deviations in different units are added up as
        they are. {}""": _both(lambda x, k: k * x.s.norm()) + _both(lambda x, k: k * x.s.sum()),
    "no-sd: The derivatives are not multiplied by the standard deviations. {}": lambda x: REACH * x.g.norm(),
    "not-squared: The derivative is not squared: each source's part is derivative · sd². {}": (
        lambda x: REACH * (x.d.abs() @ x.s).sqrt(),
        lambda x: REACH * (x.d @ x.s).abs().sqrt(),
    ),
    """not-squared: The standard deviation is not squared, as if it were a variance.
        {}""": lambda x: REACH * (x.d @ x.g).sqrt(),
    "mean: The mean of the squares is taken, not their sum. {}": lambda x: REACH * (x.d**2).mean().sqrt(),
    "largest: Only the source that matters most is counted. {}": lambda x: REACH * x.d.abs().max(),
    """logarithm: The interval is symmetric in the logarithm, L · exp(± 1.96 sd / L). Asked for is the same
        distance to both sides. {}""": _two_ends(lambda L, by: L * torch.exp(by / L)),
    """times-the-length: The distance to low and high is multiplied by the length, as if it were a share of
        it. {}""": lambda x: REACH * x.L * x.d.norm(),
    """apart: The squares of derivatives and of standard deviations are added up apart, and the sums
        multiplied. Each derivative belongs to one standard deviation. {}""": _both(
        lambda x, k: k * x.g.norm() * x.s.norm()
    ),
    "rounded: low and high are rounded: leave all digits.": tuple(
        _two_ends(lambda L, by, n=n: torch.round(L + by, decimals=n)) for n in range(3)
    ),
    "swapped: low and high are exchanged.": lambda x: -REACH * x.d.norm(),
    """not-around-the-length: low and high are the ends of an interval around 0: the length is missing.
        {}""": _two_ends(lambda L, by: by),
}
# What low and high may be some times of away from the length: what a number of times is then asked for.
DISTANCES = {
    "the standard deviation": lambda x: x.d.norm(),
    "the variance": lambda x: x.d @ x.d,
    "the sum of the sources' standard deviations": lambda x: x.d.abs().sum(),
    "the root of the sum of derivative² · sd": lambda x: (x.g**2 @ x.s).sqrt(),
    "the root of the sum of (derivative · sd · value)²": lambda x: (x.d * x.values).norm(),
    "the root of the sum of (derivative · value)²": lambda x: (x.g * x.values).norm(),
    "the standard deviation, times the length": lambda x: x.d.norm() * x.L,
    "the standard deviation, divided by the length": lambda x: x.d.norm() / x.L,
    "the length": lambda x: x.L,
}
OF_INTERVALS = steps(REACHES, _interval, "reach", HOW) | {
    f"""all-at-once: All values are moved by their standard deviations at once. Errors that are independent
        seldom all go one way. {HOW}""": (_all_off, partial(_all_off, k=1.0))
}
OF_LENGTHS = {
    """by-place: Values and standard deviations are matched by their places in the two dicts. The names
        count: the order may differ. `sds[name]`.""": lambda length_of, values, sds: _interval(
        length_of, values, dict(zip(values, sds.values()))
    ),
    f"""relative: The relative standard deviations, sd / value, are taken in place of derivative · sd, as if
        the length were a product of all sources. {HOW}""": partial(
        _interval, reach=lambda x: REACH * x.L * (x.s / x.values).norm()
    ),
}
WHOLE = "A source's share is its (derivative · sd)², divided by the sum of all of these."
SHARES = {
    """of-deviations: These are shares of the sum of standard deviations. Asked for are those of the
        variance, of the sum of squares. {}""": lambda x: _share(x.d.abs()),
    """of-deviations: These are each source's standard deviation over that of the length: the squares of them
        sum to 1. {}""": lambda x: x.d.abs() / x.d.norm(),
    "with-sign: Some shares are negative: derivative · sd is not squared. {}": lambda x: _share(x.d),
    """no-derivative: The derivatives are missing: these are shares of the sources' own variances.
        {}""": lambda x: _share(x.s**2),
    """no-derivative: The derivatives are missing: these are shares of the sources' own standard deviations.
        {}""": lambda x: _share(x.s),
    """no-sd: The standard deviations are missing: these are shares of the squared derivatives.
        {}""": lambda x: _share(x.g**2),
    """no-sd: The standard deviations are missing: these are shares of the derivatives.
        {}""": lambda x: _share(x.g.abs()),
    """not-divided: These are the parts of the variance, square metres: divide by their sum.
        {}""": lambda x: x.d**2,
    "not-divided: These are the standard deviations, metres. {}": lambda x: x.d.abs(),
    "percent: These are per cent: shares sum to 1, not to 100. {}": lambda x: 100 * _share(x.d**2),
    "of-largest: These are shares of the largest part, not of the sum. {}": lambda x: x.d**2 / (x.d**2).max(),
    "squared-again: The shares are squared once too often: (derivative · sd)⁴. {}": (
        lambda x: _share(x.d**4),
        lambda x: _share(x.d**2) ** 2,
    ),
    "not-squared: The derivative is not squared: derivative · sd². {}": (
        lambda x: _share(x.d.abs() * x.s),
        lambda x: _share(x.d * x.s),
    ),
    """not-squared: The standard deviation is not squared: derivative² · sd.
        {}""": lambda x: _share(x.g * x.d),
    "rounded: The shares are rounded: leave all digits.": tuple(
        lambda x, k=k: torch.round(_share(x.d**2), decimals=k) for k in range(3)
    ),
    "rest: These are 1 minus the shares. {}": lambda x: 1 - _share(x.d**2),
    "with-factor: The 1.96 is in the parts, but not in their sum. {}": (
        lambda x: REACH**2 * _share(x.d**2),
        lambda x: REACH * _share(x.d**2),
    ),
}


class OfInterval(Same):
    """Some of what the function gives, low, high and the shares, for one of LENGTHS."""

    function, shows = "length_interval", INTERVAL
    right, explained, by_arguments = staticmethod(_interval), 1e-5, True
    length, asked = "picture", "a length on the picture"
    ends, parts = True, True  # which of the results it looks at
    when = ""  # of what it speaks

    def value(self, function, length, values, sds):
        """What a function gives, for fresh dicts."""
        length_of, names, order = LENGTHS[length]
        pairs, known = list(zip(names, sds.tolist())), dict(zip(names, values.tolist()))
        given = {"values": known, "sds": dict(pairs[k] for k in order)}
        ids = {name: [*map(id, one.values())] for name, one in given.items()}
        try:
            result = function(length_of, *given.values())
            if changed := [name for name in given if [*map(id, given[name].values())] != ids[name]]:
                raise Problem.of(f"""changed-input: Your code changes the dict `{changed[0]}` that it is
                    given. Whoever called it needs that still: work on a new dict.""")
            return result
        except (ZeroDivisionError, ValueError) as error:
            if isinstance(error, ZeroDivisionError) and not sds.any():
                raise Problem.of(f"""zero-variance: `{self.shows}` ends in a ZeroDivisionError. With all
                    standard deviations 0 the variance is 0: do not divide by it, all shares are 0
                    then.""") from None
            if "math domain" in str(error) or "nonnegative" in str(error):
                raise Problem.of(f"""not-squared: `{self.shows}` takes the root of a negative number, {error}:
                    {NEGATIVE} {HOW}""") from None
            raise

    def calls(self, values, sds):
        """One, or two where there are values of two: what explains both is no coincidence."""
        asked = f" of {self.asked}", f" of {self.asked}, another one"
        pairs = zip(*(x.reshape(-1, x.shape[-1]) for x in (values, sds)))
        return {said: (self.length, *pair) for said, pair in zip(asked, pairs)}

    def compared(self, result):
        low, high, shares = result
        names = LENGTHS[self.length][1] if self.parts else ()
        looked_at = [*[low, high][: 2 * self.ends], *(shares[name] for name in names)]
        return torch.stack([torch.as_tensor(x).double() for x in looked_at])

    def taken(self, shows, value, *_):
        low, high, shares = items(shows, value, 3, "low, high and the shares")
        if self.ends:
            low, high = (_result(f"`{name}` is", end) for name, end in (("low", low), ("high", high)))
        if self.parts:
            shares = _shares(shows, shares, LENGTHS[self.length][1])
        return low, high, shares

    def unexplained(self, said, yours, right, inputs):
        k, is_, should = _worst(yours, right)
        of = [
            *["low", "high"][: 2 * self.ends],
            *(f"the share of {name}" for name in LENGTHS[self.length][1]),
        ][k]
        sums = f"Yours sum to {in_digits(float(yours.sum()))[0]}. {of_all(yours, right)} {WHOLE}" * (
            not self.ends
        )
        text = f"{self.when}{of} should be {should}, yours is {is_}. {sums}"
        return Complaint.of(f"{self.otherwise}: {text[0].upper()}{text[1:]}")


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
    return {name: _result(f"The share of {name} is", shares[name], True) for name in names}


def _result(said, value, is_share=False):
    """A number that a student gives, or a Problem that tells what may have made it none."""

    def why(key, value):
        if isinstance(value, complex):
            return f" The root of a negative number is complex: {NEGATIVE}"
        if key == "none":
            return " Is a derivative None, of a source that does not matter? Its share is 0."
        if key == "not-finite" and is_share:
            return " 0 / 0 is NaN: where the variance is 0, all shares are 0."
        nan = key == "not-finite" and value.isnan()
        return f" The root of a negative number is NaN: {NEGATIVE}" * nan

    return number(said, value, why)


def _spread(rng, values, shares):
    """Values a little off, and standard deviations that are some share of them. -> dict of (K,), float64"""
    values, shares = (torch.tensor(x, dtype=torch.float64) for x in (values, shares))
    values = values * torch.from_numpy(rng.uniform(0.9, 1.1, size=len(values)))
    sds = values.abs() * shares * torch.from_numpy(rng.uniform(0.8, 1.2, len(values)))
    return {"values": values, "sds": sds}


class Ends(OfInterval):
    name, points, mistakes = "low and high, 1.96 standard deviations from the length", 4, OF_INTERVALS
    parts, otherwise = False, "wrong-interval"

    def cases(self, rng):
        two = [_spread(rng, (90.0, 22.0, 700.0), (0.1, 0.13, 0.07)) for _ in range(2)]
        return {name: torch.stack([one[name] for one in two]) for name in two[0]}

    def unexplained(self, said, yours, right, inputs):
        (low, high), (a, b) = yours.tolist(), right.tolist()
        names, numbers = LENGTHS[self.length][1], (x.tolist() for x in self.calls(**inputs)[said][1:])
        given = [f"{name} {in_digits(v)[0]} ± {in_digits(s)[0]}" for name, v, s in zip(names, *numbers)]
        mine, should = (" to ".join(each) for each in zip(in_digits(low, a), in_digits(high, b)))
        is_, length = in_digits((low + high) / 2, (a + b) / 2)
        more = f"The middle of yours is {is_}; the length is {length}."
        if abs(low + high - a - b) / 2 <= self.tolerance * max(1, abs(a), abs(b)):
            times = in_digits((high - low) / (b - a), 1.0)[0]
            more = f"The middle is right, and the width is {times} times the right one."
            if abs(float(times) - 1) < 0.03:
                more += " Is a derivative a quotient of large differences, or are there few digits?"
        return Complaint.of(f"""{self.otherwise}: `{self.shows}`{said} should give {should} m, yours gives
            {mine} m. The values and their standard deviations: {", ".join(given)}. {more} {HOW}""")

    def judge(self, outputs, **inputs):
        found = super().judge(outputs, **inputs)
        if not found or found.key != self.otherwise or len(outputs) < 2:
            return found
        calls = [self.calls(**inputs)[said] for said in outputs]
        names = LENGTHS[self.length][1]
        x = [_linearised(LENGTHS[length][0], *(dict(zip(names, v)) for v in more)) for length, *more in calls]
        L = torch.stack([one.L for one in x])
        ways = [
            (_times(end - L, x, names), _times(end, x, names)) for end in torch.stack([*outputs.values()]).T
        ]
        (low, _), (high, _) = ways
        if low and high and low[1] == high[1] == "the standard deviation" and abs(low[0] + high[0]) < 1e-4:
            return Complaint.of(f"""other-share: That is {high[0]:.4g} standard deviations to both
                sides; asked for is 1.96, for 95 %. {HOW}""")
        told = []
        for end, (away, whole) in zip(("low", "high"), ways):
            if away:
                side = "below" if away[0] < 0 else "above"
                beyond = f"{in_digits(abs(away[0]))[0]} times {away[1]} {side} the length"
                told.append(f"{end} is {beyond if away[0] else 'the length itself'}")
            elif whole:
                told.append(f"{end} is {in_digits(whole[0])[0]} times {whole[1]}, without the length")
        if not told:
            return found
        more = f"In yours {' and '.join(told)}. {HOW}"
        return Complaint(found.key, found.text.replace(HOW, more))


def _times(by, x, names):
    """Numbers, one for each case x, as one number of times something. -> (number, text) or None"""
    if not by.any() or by.abs().max() < 1e-6:
        return 0.0, ""
    alone = "derivative · sd of {} alone"
    of_one = {alone.format(name): lambda x, k=k: x.d[k].abs() for k, name in enumerate(names)}
    of_one |= {
        f"the standard deviation without {name}": lambda x, k=k: (x.d @ x.d - x.d[k] ** 2).sqrt()
        for k, name in enumerate(names)
    }
    for what, makes in (DISTANCES | of_one).items():
        k = by / torch.stack([makes(one) for one in x])
        if float((k - k[0]).abs().max()) < 1e-5 * float(k[0].abs()):
            return float(k[0]), what
    return None


class Parts(OfInterval):
    name, points = "each source's share of the variance", 3
    ends, otherwise, cases = False, "wrong-shares", Ends.cases
    mistakes = steps(SHARES, _interval, "share", WHOLE)


class NotAll(Parts):
    name, points, after = "a source that does not matter has the share 0", 1, (Parts,)
    length, asked = "water", "a length under water, where wind_m_s does not matter"
    mistakes, otherwise = {}, "unused"
    cases = _drawn(_spread, (18.0, 0.8, 95.0, 720.0, 5.0), (0.06, 0.5, 0.05, 0.04, 0.4))


class Certain(OfInterval):
    name, points, after = "all standard deviations 0: the length itself, all shares 0", 1, (Ends, Parts)
    otherwise, asked, when = "certain", "a length that is known exactly", "With all standard deviations 0, "
    mistakes = {
        """equal-shares: With all standard deviations 0 the sources share the variance evenly in yours; there
            is none, so the shares are 0.""": partial(
            _interval, share=lambda x: torch.ones_like(x.s) / len(x.s)
        )
    }
    cases = _drawn(_spread, (90.0, 22.0, 700.0), (0, 0, 0))


class OtherLength(Ends):
    name, points = "any other length, with the standard deviations in another order", 1
    after, mistakes, otherwise = (Ends,), OF_LENGTHS, "other-length"
    length, asked = "points", "the distance of two points"
    cases = _drawn(_spread, (100.0, 80.0, 150.0, 190.0, 22.0, 0.3), (0.03, 0.04, 0.02, 0.01, 0.05, 0.2))


SOURCES = Ends(), Parts(), NotAll(), Certain(), OtherLength()
length_interval = Exercise(13, "The interval of a length", ("length_interval",), SOURCES)


# --- exercise 14: right, and with steps of one's own

VOLUME = "volume_from_widths(length, widths, heights)"
PLACES = np.array([0.0, *STATIONS, 1.0])


def _area(w, h):
    return math.pi / 4 * w * h


def _rule(w0, w1, h0, h1):
    """The mean area of a piece, by Simpson's rule: exact, as the area is a polynomial of degree 2."""
    return math.pi / 24 * (w0 * h0 + (w0 + w1) * (h0 + h1) + w1 * h1)


def _added(front=1, rear=1):
    """What adds zeros before and behind."""
    return lambda x: pad(x, (front, rear))


WHOLE_BODY = _added(), PLACES


def _volume(length, w, h, *, of=lambda *body: body, rule=_rule, ends=WHOLE_BODY, factor=1.0):
    """Right but for its steps.

    of(length, widths, heights): what is taken for these; rule(w0, w1, h0, h1): the area of a piece; ends:
    what adds them, and all places then.
    """
    length, w, h = of(length, w.double(), h.double())
    return factor * length * _pieces(w, h, rule, *ends).sum(-1)


def _pieces(w, h, rule=_rule, add=WHOLE_BODY[0], places=PLACES):
    """The pieces' volumes of animals 1 m long. -> (..., 18)"""
    w, h = add(w.double()), add(h.double())
    return torch.from_numpy(np.diff(places)) * rule(w[..., :-1], w[..., 1:], h[..., :-1], h[..., 1:])


# --- exercise 14: what goes wrong


def _trapezoid(w0, w1, h0, h1):
    return (_area(w0, h0) + _area(w1, h1)) / 2


def _cone(w0, w1, h0, h1):
    return (2 * _trapezoid(w0, w1, h0, h1) + (_area(w0, h0) * _area(w1, h1)).sqrt()) / 3


def _simpson(length, widths, heights):
    """The composite rule, of areas at all places."""
    from scipy.integrate import simpson

    areas = _area(*(_added()(x.double()) for x in (widths, heights)))
    return length * torch.from_numpy(np.asarray(simpson(areas.numpy(), x=PLACES)))


PIECE = "Each piece holds π d / 24 · (2 w0 h0 + w0 h1 + w1 h0 + 2 w1 h1), and at both ends w and h are 0."
FACTORS = {
    """no-pi: The factor is 1/6 where π / 24 belongs: the sections are taken for rectangles, w · h, not for
        ellipses, π / 4 · w h. {}""": 4 / math.pi,
    """radius: It is four times the volume. Widths and heights are full axes, not half ones: an ellipse has
        the area π / 4 · w h. {}""": 4.0,
    """radius: It is a quarter of the volume. Of full axes an ellipse has the area π / 4 · w h, of half axes
        π · a b: do not halve twice. {}""": 0.25,
    "half: It is twice the volume. An ellipse has the area π / 4 · w h, not π / 2 · w h. {}": 2.0,
    """half: It is half of the volume. Of full axes an ellipse has the area π / 4 · w h: halve neither of
        them. {}""": 0.5,
    "no-sixth: It is six times the volume: the 1/6 of the rule is missing. {}": 6.0,
}
RULES = {
    """trapezoids: The area of each piece is the mean of those at its ends. Where a body tapers this is too
        much: for a cone it gives 1/2 of base times height, and not 1/3. {}""": _trapezoid,
    """middle: The area of each piece is that of the ellipse with the mean width and the mean height, in
        which all four products weigh the same. {}""": lambda w0, w1, h0, h1: _area(w0 + w1, h0 + h1) / 4,
    """cylinders: Each piece is a cylinder with the section at its front end.
        {}""": lambda w0, w1, h0, h1: _area(w0, h0),
    """cylinders: Each piece is a cylinder with the section at its rear end, so that each station stands for
        5 % of the length. {}""": lambda w0, w1, h0, h1: _area(w1, h1),
    """circular-cones: It is the rule of circular cones, (A0 + sqrt(A0 A1) + A1) / 3. Width and height change
        at different rates here. {}""": _cone,
    """mixed: w0 w1 + h0 h1 stands where w0 h1 + w1 h0 belongs: each mixed product has the width of one end
        and the height of the other. {}""": lambda w0, w1, h0, h1: (
        (_area(2 * w0, h0) + _area(w0, w1) + _area(h0, h1) + _area(2 * w1, h1)) / 6
    ),
}
OF_ENDS = {  # pairs of what adds ends, and all places
    "no-ends: Both end pieces are left out, before 5 % and behind 85 %. {}": [_added(0, 0), STATIONS],
    "no-ends: The front piece is left out, from the rostrum's tip to 5 %. {}": [_added(0, 1), PLACES[1:]],
    "no-ends: The rear piece is left out, from 85 % to the end. {}": [_added(1, 0), PLACES[:-1]],
    """blunt-ends: The end pieces are cylinders, as wide as the first and the last station: at the tip of the
        rostrum and at the end both axes are 0. {}""": [
        lambda x: torch.cat([x[..., :1], x, x[..., -1:]], -1),
        PLACES,
    ],
    """short-end: The last piece is taken to be as long as the others, 5 % of the length. It goes from 85 %
        to 100 %. {}""": [_added(), (*PLACES[:-1], 0.9)],
    f"""spacing: All {len(PLACES) - 1} pieces have the same length. But the stations are at 5 %, 10 %, ...
        85 %, and the last piece is 15 % long. {{}}""": tuple(
        [_added(), np.arange(len(PLACES)) / (len(PLACES) - less)] for less in (1, 2, 0)
    ),
}
BODIES = {
    """circles: The sections are circles as wide as the body: the heights are not used.
        {}""": lambda length, w, h: (length, w, w),
    """circles: The sections are circles as high as the body: the widths are not used.
        {}""": lambda length, w, h: (length, h, h),
    """circles: The sections are circles with the mean of width and height.
        {}""": lambda length, w, h: (length, (w + h) / 2, (w + h) / 2),
    """no-length: The pieces' lengths are shares of the length: multiply by the length.
        {}""": lambda length, w, h: (1.0, w, h),
    "length-twice: It is multiplied by the length twice. {}": lambda length, w, h: (length**2, w, h),
    """shares: Widths and heights are multiplied by the length, as if they were shares of it. They are
        metres. {}""": lambda length, w, h: (length**3, w, h),
    """turned-round: The stations run backwards. The first one is at 5 %, near the tip of the rostrum; the
        last piece, behind 85 %, is the long one. {}""": lambda length, w, h: (
        length,
        w.flip(-1),
        h.flip(-1),
    ),
}
# What a formula may be made of: how widths and heights lie, what d is, and the power of the length.
LAID = {
    "": (pad, (1, 1), (1, 1)),
    ", with the widths from rear to front": (lambda x, ends: pad(x.flip(-1), ends), (1, 1), None),
    ", with the heights from rear to front": (lambda x, ends: pad(x.flip(-1), ends), None, (1, 1)),
    ", with all widths and heights a station too far back": (pad, (2, 0), (2, 0)),
    ", with all widths and heights a station too far ahead": (pad, (0, 2), (0, 2)),
    ", with the widths a station too far back": (pad, (2, 0), None),
    ", with the heights a station too far back": (pad, None, (2, 0)),
}
LONG = {
    "": np.diff(PLACES),
    ", with d from the tip to the end of the piece": PLACES[1:],
    ", with d from the tip to the beginning of the piece": PLACES[:-1],
    ", with d backwards, the long piece first": np.diff(PLACES)[::-1].copy(),
    ", with d = 1 for each piece": np.ones(len(PLACES) - 1),
}
PRODUCTS = ("w0 h0", "w0 h1", "w1 h0", "w1 h1")


def _composed(volumes, length, widths, heights):
    """The formula of volumes (N,) of animals, a sum of products over pieces. -> text or ''"""
    for (laid, (add, *ends)), (long, d), power in itertools.product(LAID.items(), LONG.items(), range(4)):
        w, h = (add(x, end) if end else pad(x, (1, 1)) for x, end in zip((widths, heights), ends))
        w0, w1, h0, h1 = w[:, :-1], w[:, 1:], h[:, :-1], h[:, 1:]
        products = torch.stack([w0 * h0, w0 * h1, w1 * h0, w1 * h1], -1)
        columns = torch.einsum("n,nsk,s->nk", length**power, products, torch.from_numpy(d)) * math.pi / 24
        factors = torch.linalg.lstsq(columns, volumes[:, None]).solution[:, 0]
        if apart(columns @ factors, volumes) < 1e-5 * float(volumes.abs().max()):
            as_right = apart(factors / factors[1], torch.tensor([2.0, 1, 1, 2])) < 1e-4
            if as_right and not laid and not long and power == 1:
                return ""  # by its factor it is told already
            more = (", without the length", "", ", times the length's square", ", times its cube")[power]
            said = f"{linear(factors.tolist(), PRODUCTS)}){laid}{long}{more}"
            return f"Yours is the sum of π d / 24 · ({said}."
    return ""


OF_VOLUMES = {
    **steps(FACTORS, _volume, "factor", PIECE),
    **steps(RULES, _volume, "rule", PIECE),
    f"""trapezoids: The area of each piece is the mean of those at its ends, and the two end pieces are left
        out. {PIECE}""": partial(_volume, rule=_trapezoid, ends=(_added(0, 0), STATIONS)),
    f"cylinders: The mean of all stations' areas is multiplied by the length. {PIECE}": lambda length, w, h: (
        length * _area(w.double(), h.double()).mean(-1)
    ),
    f"""curved: Between the stations the area follows parabolas, by the composite rule of Simpson. Width and
        height change evenly here. {PIECE}""": _simpson,
    **steps(OF_ENDS, _volume, "ends", PIECE),
    **steps(BODIES, _volume, "of", PIECE),
}


OF_HERDS = {
    "one-sum: All animals have the sum of all volumes: sum over the stations alone, `dim=-1`.": (
        lambda length, w, h: _volume(length, w, h).sum().expand(len(length)),
        lambda length, w, h: length * _pieces(w, h).sum(),
    ),
    "one-length: All animals have the length of the first one.": lambda length, w, h: _volume(
        length[:1], w, h
    ),
    "one-length: All animals have the mean of the lengths.": lambda length, w, h: _volume(
        length.mean(), w, h
    ),
    """along-the-body: With as many animals as pieces, piece k is multiplied by the length of animal k:
        lengths (B,) and pieces (B, 18) meet in the last dimension. `length[..., None]`, or multiply after
        the sum.""": lambda length, w, h: (
        _pieces(w, h) * (length if len(length) == len(PLACES) - 1 else length[:, None])
    ).sum(-1),
    """along-the-batch: The sum runs over the animals, not over the pieces:
        `dim=-1`.""": lambda length, w, h: (_pieces(w, h) * length[:, None]).sum(0)[: len(length)],
}


class OfBody(Same):
    """A volume, in the dtype of the widths."""

    function, shows, otherwise = "volume_from_widths", VOLUME, "wrong-volume"
    right, explained, tolerance, by_arguments = staticmethod(_volume), 1e-5, 1e-5, True

    def taken(self, shows, value, length, *_):
        value = _in(length.dtype, value)
        if torch.is_tensor(value) and value.is_floating_point() and not value.dim() and length.dim():
            raise Problem.of(f"""one-sum: `{shows}` gives one number, expected the shape
                {shape_text(length.shape)}: a volume for each animal. Sum over the stations alone,
                `dim=-1`.""")
        return tensor(shows, value, length.shape, length)


def _bodies(rng, *shape, dtype=torch.float64):
    """Lengths (*shape), widths and heights (*shape, S), whose ratio changes along the body."""
    along = torch.tensor(STATIONS, dtype=torch.float64)
    wide, ratio = (
        torch.from_numpy(rng.uniform(*ends, size=(*shape, len(along)))) for ends in ((0.6, 1.4), (0.5, 1.6))
    )
    width = 0.75 * (along * (1 - along)).sqrt() * wide
    length = torch.from_numpy(np.asarray(rng.uniform(1.6, 3.2, size=shape)))
    values = length, width, width * ratio
    return {name: value.to(dtype) for name, value in zip(("length", "widths", "heights"), values)}


class OneBody(OfBody):
    name, points, mistakes = "the volume of one animal", 5, OF_VOLUMES
    cases = _drawn(_bodies, 8, dtype=torch.float32)

    def calls(self, **inputs):
        """Several: what explains all volumes is no coincidence."""
        return {f" of animal {k}" if k else "": one for k, one in enumerate(zip(*inputs.values()))}

    def judge(self, outputs, **inputs):
        found = super().judge(outputs, **inputs)
        if found and found.key == self.otherwise and len(outputs) == len(inputs["length"]):
            inputs = {name: x.double() for name, x in inputs.items()}
            if said := _composed(torch.stack([*outputs.values()]).double(), **inputs):
                return Complaint.of(f"{found.key}: {said} {PIECE}")
        return found


class Herd(OfBody):
    name, points, after = "of many animals at once", 2, (OneBody,)
    mistakes, otherwise = OF_HERDS, "herd"
    cases = _drawn(_bodies, len(PLACES) - 1)

    def calls(self, **inputs):
        three = tuple(x[:3] for x in inputs.values())
        return {" of three animals": three, f" of {len(inputs['length'])} animals": tuple(inputs.values())}


def _detached(k):
    return lambda *body: tuple(x.detach() if n == k else x for n, x in enumerate(body))


class VolumeGradient(SameGradient, OfBody):
    name, points, after = "gradients flow to length, widths and heights", 3, (OneBody,)
    otherwise, tolerance = "wrong-gradient", 1e-4
    mistakes = {
        f"wrong-gradient: No gradient flows to {name}: is it detached, or turned into a number?": partial(
            _volume, of=_detached(k)
        )
        for k, name in enumerate(("the length", "the widths", "the heights"))
    }

    def cases(self, rng):
        return {"body": torch.cat([x.reshape(-1) for x in _bodies(rng).values()])}

    def value(self, function, body):
        S = len(STATIONS)
        return super().value(lambda x: function(x[0], x[1 : 1 + S], x[1 + S :]), body, torch.ones(()))

    def named_as_shown(self, arguments):
        return {"body": arguments[0]}

    def unexplained(self, said, yours, right, inputs):
        (k, is_, should), S = _worst(yours, right), len(STATIONS)
        where = "the length" if not k else f"widths[{k - 1}]" if k <= S else f"heights[{k - 1 - S}]"
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
