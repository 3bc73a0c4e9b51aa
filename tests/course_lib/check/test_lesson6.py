"""Banks of mistakes and of right solutions for exercises 11 to 14."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from course_lib.check import altitudes, apparent_depth, length_interval, volume_from_widths
from course_lib.check.core import grade
from course_lib.photogrammetry import STATIONS
from solutions import measuring

from .bank import assert_named, assert_right, given, mistakes, then

EXERCISES = altitudes, apparent_depth, length_interval, volume_from_widths


def nothing(*inputs, **more):
    return None


def first_said(exercise, wrong):
    return grade(exercise, given(exercise, wrong)).complaints[0].text


def test_points_fit_the_minutes():
    assert [exercise.points for exercise in EXERCISES] == [10, 15, 10, 10]


# --- exercise 11


def by_numpy(sample_times, sample_altitudes, frame_times, launch_height=0.0, longest_gap=1.0):
    t, h, f = sample_times.numpy(), sample_altitudes.numpy(), frame_times.numpy()
    t, h = t[~np.isnan(h)], h[~np.isnan(h)]
    made = np.interp(f, t, h, left=np.nan, right=np.nan) + launch_height
    for start, end in zip(t[:-1], t[1:]):
        if end - start > longest_gap:
            made[(f > start) & (f < end)] = np.nan
    return torch.from_numpy(made)


def by_loops(sample_times, sample_altitudes, frame_times, launch_height=0.0, longest_gap=1.0):
    samples = [(t, h) for t, h in zip(sample_times.tolist(), sample_altitudes.tolist()) if not math.isnan(h)]
    found = []
    for f in frame_times.tolist():
        altitude = math.nan
        for (t0, h0), (t1, h1) in zip(samples, samples[1:]):
            if t0 <= f <= t1 and t1 - t0 <= longest_gap:
                altitude = h0 + (f - t0) / (t1 - t0) * (h1 - h0) + launch_height
        found.append(altitude)
    return torch.tensor(found)  # float32


def by_bucketize(sample_times, sample_altitudes, frame_times, launch_height=0.0, longest_gap=1.0):
    kept = torch.isfinite(sample_altitudes).nonzero()[:, 0]
    t, h = sample_times[kept], sample_altitudes[kept] + launch_height
    i = (torch.bucketize(frame_times, t, right=True) - 1).clamp(0, len(t) - 2)
    slopes = h.diff() / t.diff()
    made = h[i] + slopes[i] * (frame_times - t[i])
    made[
        (frame_times < t[0]) | (frame_times > t[-1]) | ((t.diff()[i] > longest_gap) & (frame_times > t[i]))
    ] = float("nan")
    return made


@pytest.mark.parametrize("solution", [measuring.altitude_per_frame, by_numpy, by_loops, by_bucketize])
def test_right_altitudes(solution):
    assert_right(altitudes, solution)


def plain(t, h, f, launch=0.0, gap=1.0):
    """np.interp, and nothing else."""
    return torch.from_numpy(np.interp(f, t, h)) + launch


def cleaned(t, h, f, launch=0.0, gap=1.0):
    return plain(t[~h.isnan()], h[~h.isnan()], f, launch)


def nearest(t, h, f, launch=0.0, gap=1.0):
    return h[(f[:, None] - t).abs().argmin(1)] + launch


def before(t, h, f, launch=0.0, gap=1.0):
    return h[(torch.searchsorted(t, f, right=True) - 1).clamp(min=0)] + launch


def splined(t, h, f, launch=0.0, gap=1.0):
    return torch.from_numpy(CubicSpline(t.numpy(), h.numpy(), bc_type="not-a-knot")(f.numpy())) + launch


def raising(t, h, f, launch=0.0, gap=1.0):
    if h.isnan().any() or (t.diff() > gap).any() or f[0] < t[0]:
        raise ValueError("the telemetry has gaps")
    return cleaned(t, h, f, launch)


def gaps_of_all_samples(t, h, f, launch=0.0, gap=1.0):
    made = by_numpy(t, h, f, launch, math.inf)
    after = torch.searchsorted(t, f).clamp(1, len(t) - 1)
    return torch.where(t[after] - t[after - 1] > gap, torch.nan, made)


def in_place(t, h, f, launch=0.0, gap=1.0):
    h += launch
    return by_numpy(t, h, f, 0.0, gap)


def only_the_first(t, h, f, launch=0.0, gap=1.0):
    return by_numpy(t, h, f, launch, gap)[:1]


def zeros_outside(t, h, f, launch=0.0, gap=1.0):
    return by_numpy(t, h, f, launch, gap).nan_to_num()


def tens_outside(t, h, f, launch=0.0, gap=1.0):
    return by_numpy(t, h, f, launch, gap).nan_to_num(10.0)


def as_hinted(usable, right=False, clamped=True):
    """By the hints, but for one step: usable(share, gap, longest_gap)."""

    def solution(t, h, f, launch=0.0, longest=1.0):
        t, h = t[~h.isnan()], h[~h.isnan()]
        j = torch.searchsorted(t, f, right=right)
        j = j.clamp(1, len(t) - 1) if clamped else j
        gap = t[j] - t[j - 1]
        share = (f - t[j - 1]) / gap
        made = h[j - 1] + share * (h[j] - h[j - 1]) + launch
        return torch.where(usable(share, gap, longest), made, torch.nan)

    return solution


def within(share, gap, longest):
    return (share >= 0) & (share <= 1) & ((gap <= longest) | (share == 0) | (share == 1))


def strictly_within(share, gap, longest):
    return (share > 0) & (share < 1) & (gap <= longest)


def in_no_gap(share, gap, longest):
    return (share >= 0) & (share <= 1) & (gap <= longest)


def in_no_exact_gap(share, gap, longest):
    return (share >= 0) & (share <= 1) & ((gap < longest) | (share == 0) | (share == 1))


right_altitudes = measuring.altitude_per_frame
ALTITUDES = [
    ("nearest", nearest),
    ("steps", before),
    ("curved", splined),
    ("nan-spreads", plain),
    ("ends-and-gaps: as `np.interp` does it", cleaned),
    ("raised", raising),
    ("gaps: before the samples that are NaN are left out", gaps_of_all_samples),
    ("gaps: `longest_gap` is not used", lambda t, h, f, launch=0.0, gap=1.0: by_numpy(t, h, f, launch)),
    ("launch-forgotten", lambda t, h, f, launch=0.0, gap=1.0: by_numpy(t, h, f, 0.0, gap)),
    ("launch-subtracted", lambda t, h, f, launch=0.0, gap=1.0: by_numpy(t, h, f, -launch, gap)),
    ("changed-input", in_place),
    ("shape", only_the_first),
    ("gaps: Wherever the altitude is not known stands 0", zeros_outside),
    ("made-up", tens_outside),
    ("none", nothing),
    ("not-a-tensor", then(torch.Tensor.numpy, by_numpy)),
    ("not-a-tensor", then(torch.Tensor.tolist, by_numpy)),
    ("not-finite", lambda *a, **k: right_altitudes(*a, **k) / 0),
    ("ends: Known is where 0 <= share <= 1: compare by <= and >=", as_hinted(strictly_within)),
    ("no-clamp: Frames after the last sample have no sample after them", as_hinted(within, clamped=False)),
    ("exact-gap: compare by <=", as_hinted(in_no_exact_gap)),
    ("sample-in-gap: where a long gap begins", as_hinted(in_no_gap, right=True)),
    ("sample-in-gap: where a long gap ends", as_hinted(in_no_gap)),
    ("altitudes: larger than the right one by 1", lambda *a, **k: right_altitudes(*a, **k) + 1),
    ("altitudes: 3.28 times the right one", lambda *a, **k: right_altitudes(*a, **k) * 3.28084),
    ("raised", lambda t, h, f, launch=0.0, gap=1.0: h[f.long() + 1000]),
    ("parameters", lambda frame_times, sample_times, sample_altitudes, launch_height=0, longest_gap=1: None),
]


@mistakes(ALTITUDES)
def test_mistakes_in_altitudes(key, wrong):
    assert_named(altitudes, key, wrong)


def shrunk(t, h, f, launch=0.0, gap=1.0):
    """Right, but that frames beside a gap count as in it."""
    made = by_numpy(t, h, f, launch, gap)
    return torch.where(made[torch.arange(len(made)).sub(1).clamp(min=0)].isnan(), torch.nan, made)


def test_where_nothing_explains_a_frame_it_is_said_what_lies_beside_it():
    lost, made_up = first_said(altitudes, shrunk), first_said(altitudes, tens_outside)
    assert "yours is NaN. That frame is at" in lost and "`longest_gap` is 1 s" in lost
    assert "should be NaN, yours is 10. That frame is at" in made_up
    assert "The first known sample is at" in made_up


# --- exercise 12


def f_of(q, depth, distance, altitude, n):
    return q * torch.sqrt(n**2 + (n**2 - 1) * (distance / (altitude + q)) ** 2) - depth


def newton(steps, sign=1):
    def solution(depth, distance, altitude, index=1.34):
        h = depth.clamp(min=0)
        q = h / index
        for _ in range(steps):
            q = q.detach().requires_grad_()
            value = f_of(q, h, distance, altitude, index)
            slope = torch.autograd.grad(value.sum(), q)[0]
            q = q - sign * value / slope
        above = depth <= 0
        return torch.where(above, depth, q.detach()), torch.where(above, torch.ones_like(q), 1 / slope)

    return solution


def bisected(depth, distance, altitude, index=1.34):
    low, high = torch.zeros_like(depth), depth.clamp(min=0) / index
    for _ in range(50):
        q = (low + high) / 2
        over = f_of(q, depth, distance, altitude, index) > 0
        low, high = torch.where(over, low, q), torch.where(over, q, high)
    leaf = q.clone().requires_grad_()
    slope = torch.autograd.grad(f_of(leaf, depth, distance, altitude, index).sum(), leaf)[0]
    return torch.where(depth > 0, q, depth), torch.where(depth > 0, 1 / slope, torch.ones_like(q))


def through_the_steps(depth, distance, altitude, index=1.34):
    """Autograd through Newton's steps."""
    depth = depth.detach().clone().requires_grad_()
    q = depth / index
    for _ in range(8):
        tan2 = (distance / (altitude + q)) ** 2
        root = (index**2 + (index**2 - 1) * tan2) ** 0.5
        q = q - (q * root - depth) / (root - (index**2 - 1) * tan2 * q / ((altitude + q) * root))
    q = torch.where(depth > 0, q, depth)
    return q, torch.autograd.grad(q.sum(), depth)[0]


def one_by_one(depth, distance, altitude, index=1.34):
    """Floats and a loop, the derivative by a small difference."""

    def root(q, r, H):
        return math.sqrt(index**2 + (index**2 - 1) * (r / (H + q)) ** 2)

    def solve(h, r, H):
        if h <= 0:
            return h
        low, high = 0.0, h / index
        while high - low > 1e-12:
            q = (low + high) / 2
            low, high = (low, q) if q * root(q, r, H) > h else (q, high)
        return low

    rows = list(zip(*(x.double().flatten().tolist() for x in (depth, distance, altitude))))
    q = [solve(*row) for row in rows]
    slope = [(solve(h + 1e-5, r, H) - solve(h - 1e-5, r, H)) / 2e-5 for h, r, H in rows]
    return torch.tensor(q).reshape(depth.shape), torch.tensor(slope).reshape(depth.shape)


def by_scipy(depth, distance, altitude, index=1.34):
    """A root for each entry, of the angle; fixed-point iteration would do as well."""
    q, slope = np.array(depth, dtype=float), np.ones(depth.shape)
    for k in np.ndindex(*depth.shape):
        h, r, H = (float(x[k]) for x in (depth, distance, altitude))
        if h > 0:
            q[k] = brentq(
                lambda x: float(f_of(*torch.tensor([x, h, r, H]).double(), index)), 0, h, xtol=1e-12
            )
            tan2 = (r / (H + q[k])) ** 2
            ratio = math.sqrt(index**2 + (index**2 - 1) * tan2)
            slope[k] = 1 / (ratio - (index**2 - 1) * tan2 * q[k] / ((H + q[k]) * ratio))
    return torch.from_numpy(q), torch.from_numpy(slope)


def iterated(depth, distance, altitude, index=1.34):
    q = depth / index
    while True:
        new = depth / torch.sqrt(index**2 + (index**2 - 1) * (distance / (altitude + q)) ** 2)
        new = torch.where(depth < 0, depth, new)
        if torch.allclose(new, q, rtol=0, atol=1e-6):
            break
        q = new
    return new, torch.func.grad(lambda d: newton_of_one(d, distance, altitude, index)[0].sum())(depth)


def by_vmap(depth, distance, altitude, index=1.34):
    made = [torch.vmap(newton_of_one)(*(x.flatten() for x in (depth, distance, altitude, index + 0 * depth)))]
    return tuple(x.reshape(depth.shape) for x in made[0])


def newton_of_one(depth, distance, altitude, index):
    q, slope = measuring.apparent_depth(depth, distance, altitude, index)
    return q, slope


RIGHT_DEPTHS = {
    "reference": measuring.apparent_depth,
    "newton": newton(6),
    "bisected": bisected,
    "autograd": through_the_steps,
    "loop": one_by_one,
    "scipy": by_scipy,
    "iterated": iterated,
    "vmap": by_vmap,
}


@pytest.mark.parametrize("solution", RIGHT_DEPTHS.values(), ids=RIGHT_DEPTHS)
def test_right_depths(solution):
    assert_right(apparent_depth, solution)


reference = measuring.apparent_depth


def other_q(make):
    """The right derivative beside another q: make(depth, distance, altitude, index, q)"""

    def solution(depth, distance, altitude, index=1.34):
        q, slope = reference(depth, distance, altitude, index)
        return make(depth, distance, altitude, index, q), slope

    return solution


def other_slope(make):
    def solution(depth, distance, altitude, index=1.34):
        q, slope = reference(depth, distance, altitude, index)
        return q, make(depth, distance, altitude, index, q, slope)

    return solution


def of_one_step(h, r, H, n, q):
    """Snell's law for the ray that hits the surface right above the thing."""
    return torch.where(h > 0, h / torch.sqrt(n**2 + (n**2 - 1) * (r / H) ** 2), h)


def by_sines(h, r, H, n, q):
    sine = r / torch.sqrt(r**2 + (H + h) ** 2)
    return torch.where(h > 0, h * torch.sqrt(1 - sine**2) / torch.sqrt(n**2 - sine**2), h)


def quotient(step):
    return other_slope(lambda h, r, H, n, q, s: (reference(h + step, r, H, n)[0] - q) / step)


# Each mistake of the lists is tried in test_same.py. Here is what is written otherwise, or is of no list.
DEPTHS = [
    ("other-index: index 1.33.", lambda h, r, H, n=1.33: reference(h, r, H, n)),
    ("straight-down", lambda h, r, H, n=1.34: (h / n, torch.full_like(h, 1 / n))),
    ("index-inverted", lambda h, r, H, n=1.34: (h * n, torch.full_like(h, n))),
    ("unchanged", lambda h, r, H, n=1.34: (h, torch.ones_like(h))),
    ("other-tangent: distance / altitude:", other_q(of_one_step)),
    ("other-tangent: distance / (altitude + depth)", other_q(by_sines)),
    ("not-converged: Newton's method is after 1 step", newton(1)),
    ("not-converged: the bisection is after 10 halvings", lambda *a: halvings(10, *a)),
    ("wrong-half: q is 0 everywhere: the wrong half is kept", lambda *a: halvings(40, *a, keep=-1)),
    ("wrong-half: q is twice the depth", lambda *a: halvings(40, *a, keep=-1, top=2.0)),
    ("not-converged: after 4 halvings, or 5 whose last middle", lambda *a: halvings(4, *a)),
    ("exchanged", then(lambda both: both[::-1], reference)),
    *(("plus", newton(steps, -1)) for steps in (3, 5, 8, 20)),
    ("above-zero", other_q(lambda h, r, H, n, q: q.clamp(min=0))),
    ("index-ignored: there always stands 1.34", other_q(lambda h, r, H, n, q: reference(h, r, H)[0])),
    ("straight-down: 1 / index", other_slope(lambda h, r, H, n, q, s: torch.full_like(h, 1 / n))),
    ("above: yours is 0", other_slope(lambda h, r, H, n, q, s: s * (h > 0))),
    ("coarse: a step of 1 m", quotient(1.0)),
    ("coarse: a step of 0.1 m", quotient(0.1)),
    ("wrong-derivative: 2 times", other_slope(lambda h, r, H, n, q, s: 2 * s)),
    ("apparent-depth: 1.1 times", other_q(lambda h, r, H, n, q: 1.1 * q)),
    ("not-a-tuple", then(lambda both: both[0], reference)),
    (
        "none: The second result of `apparent_depth(depth, distance, altitude, index)` gives None",
        then(lambda both: (both[0], None), reference),
    ),
    ("none", nothing),
    ("shape", then(lambda both: (both[0].sum(), both[1]), reference)),
    ("not-a-tensor", then(lambda both: (both[0], float(both[1].flatten()[0])), reference)),
    ("not-finite", then(lambda both: (both[0].log().log(), both[1]), reference)),
    ("changed-input", lambda h, r, H, n=1.34: reference(h.clamp_(min=0), r, H, n)),
    ("raised", lambda h, r, H, n=1.34: (h / 1.34, 1) if h > 0 else (h, 1)),
    ("parameters", lambda altitude, distance, depth, index=1.34: None),
]


def halvings(count, depth, distance, altitude, index=1.34, keep=1, top=1.0):
    low, high = torch.zeros_like(depth), top * depth.clamp(min=0)
    for _ in range(count):
        q = (low + high) / 2
        over = keep * f_of(q, depth, distance, altitude, index) > 0
        low, high = torch.where(over, low, q), torch.where(over, q, high)
    q = torch.where(depth > 0, (low + high) / 2, depth)
    return q, reference(depth, distance, altitude, index)[1]


def test_what_is_not_solved_to_the_end_is_not_called_rounded():
    def secant(depth, distance, altitude, index=1.34):
        q, slope = reference(depth, distance, altitude, index)
        return q + 1e-3 * torch.sin(30 * depth), slope

    said = first_said(apparent_depth, secant)
    assert "not solved to the end" in said and "rounded" not in said


@mistakes(DEPTHS)
def test_mistakes_in_depths(key, wrong):
    assert_named(apparent_depth, key, wrong)


def by_angle(depth, distance, altitude, index=1.34):
    """0 / 0 from straight above."""
    q, slope = reference(depth, distance, altitude, index)
    a = torch.atan2(distance, altitude + q)
    b = torch.asin(torch.sin(a) / index)
    return torch.where(depth > 0, depth * torch.tan(b) / torch.tan(a), depth), slope


def test_it_is_said_which_call_gives_nan():
    said = first_said(apparent_depth, by_angle)
    assert "of shape (1), with the distance 0 has 1 of 1 entries that are NaN" in said


def test_steps_that_do_for_moderate_views_may_be_too_few_far_to_the_side():
    result = grade(apparent_depth, given(apparent_depth, newton(2)))
    assert [complaint.key for complaint in result.complaints] == ["not-converged"]
    assert result.points == 13 and "Newton's method is after 2 steps" in result.complaints[0].text


# --- exercise 13


def by_backward(length_of, values, sds):
    x = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}  # float32
    length = length_of(x)
    length.backward()
    parts = {name: 0.0 if t.grad is None else (t.grad * sds[name]) ** 2 for name, t in x.items()}
    variance = sum(parts.values())
    sd = torch.sqrt(torch.as_tensor(variance))
    shares = {name: part / variance if variance > 0 else torch.tensor(0.0) for name, part in parts.items()}
    return length - 1.96 * sd, length + 1.96 * sd, shares


def by_jacobian(length_of, values, sds):
    names = list(values)
    at = torch.tensor([values[name] for name in names]).double()
    slopes = torch.func.grad(lambda x: length_of(dict(zip(names, x))))(at)
    parts = (slopes * torch.tensor([sds[name] for name in names])) ** 2
    length, sd = length_of(dict(zip(names, at))), parts.sum().sqrt()
    shares = parts / parts.sum() if parts.sum() > 0 else torch.zeros_like(parts)
    return float(length - 1.96 * sd), float(length + 1.96 * sd), dict(zip(names, shares.tolist()))


def by_differences(length_of, values, sds):
    def at(**moved):
        return float(
            length_of({n: torch.tensor(v, dtype=torch.float64) for n, v in (values | moved).items()})
        )

    length, parts = at(), {}
    for name, value in values.items():
        step = 1e-5 * max(abs(value), 1)
        slope = (at(**{name: value + step}) - at(**{name: value - step})) / (2 * step)
        parts[name] = np.float64(slope * sds[name]) ** 2
    sd = np.sqrt(sum(parts.values()))
    return length - 1.96 * sd, length + 1.96 * sd, {n: p / sd**2 if sd else 0 for n, p in parts.items()}


RIGHT_INTERVALS = [measuring.length_interval, by_backward, by_jacobian, by_differences]


@pytest.mark.parametrize("solution", RIGHT_INTERVALS)
def test_right_intervals(solution):
    assert_right(length_interval, solution)


interval = measuring.length_interval


def made_of(reach=1.96, power=2, of_shares=None, clean=True, by_name=True):
    """As it is often written, with a wrong step."""

    def solution(length_of, values, sds):
        x = {name: torch.tensor(value).double().requires_grad_() for name, value in values.items()}
        length = length_of(x)
        length.backward()
        sds = sds if by_name else dict(zip(values, sds.values()))
        grads = {n: t.grad if not clean or t.grad is not None else torch.tensor(0.0) for n, t in x.items()}
        moved = {name: (grads[name] * sds[name]).abs() for name in values}
        sd = sum(m**power for m in moved.values()) ** (1 / power)
        parts = {name: (of_shares or (lambda m: m**2))(m) for name, m in moved.items()}
        whole = sum(parts.values())
        shares = {name: float(p / whole) if whole else 0.0 for name, p in parts.items()}
        return float(length - reach * sd), float(length + reach * sd), shares

    return solution


def sampled(length_of, values, sds):
    torch.manual_seed(0)
    drawn = {n: v + sds[n] * torch.randn(2000).double() for n, v in values.items()}
    lengths = length_of(drawn)
    return lengths.quantile(0.025), lengths.quantile(0.975), interval(length_of, values, sds)[2]


def worst(length_of, values, sds):
    ends = [length_of({n: torch.tensor(v + k * sds[n]) for n, v in values.items()}) for k in (-1.96, 1.96)]
    return min(ends), max(ends), interval(length_of, values, sds)[2]


def without_allow_unused(length_of, values, sds):
    x = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    torch.autograd.grad(length_of(x), list(x.values()))
    return interval(length_of, values, sds)


def shares_changed(change):
    return lambda *a: (*interval(*a)[:2], change(interval(*a)[2]))


def divided_without_looking(length_of, values, sds):
    low, high, shares = interval(length_of, values, sds)
    parts = torch.tensor([*shares.values()])
    return low, high, dict(zip(shares, parts / parts.sum()))


def with_signs(root):
    """The variance as the sum of derivative · sd², whose parts have signs."""

    def solution(length_of, values, sds):
        x = {name: torch.tensor(value).double().requires_grad_() for name, value in values.items()}
        length = length_of(x)
        slopes = torch.autograd.grad(length, [*x.values()], allow_unused=True, materialize_grads=True)
        variance = float(sum(slope * sds[name] ** 2 for name, slope in zip(x, slopes)))
        reach = 1.96 * root(variance)
        return float(length) - reach, float(length) + reach, interval(length_of, values, sds)[2]

    return solution


def divided_in_python(length_of, values, sds):
    low, high, shares = interval(length_of, values, sds)
    return low, high, {name: share / sum(shares.values()) for name, share in shares.items()}


INTERVALS = [
    ("not-squared: derivative", with_signs(math.sqrt)),
    ("not-squared: derivative", with_signs(lambda variance: math.sqrt(abs(variance)))),
    ("zero-variance: all shares are 0 then", divided_in_python),
    ("one-sd", made_of(reach=1.0)),
    ("other-share: 2 standard deviations", made_of(reach=2.0)),
    ("other-share: 2.576", made_of(reach=2.576)),
    ("added", made_of(power=1)),
    ("all-at-once", worst),
    ("of-deviations", made_of(of_shares=lambda m: m)),
    ("by-place", made_of(by_name=False)),
    ("raised", made_of(clean=False)),
    ("raised", without_allow_unused),
    ("wrong-interval", sampled),
    ("percent", shares_changed(lambda shares: {n: 100 * s for n, s in shares.items()})),
    ("missing-share", shares_changed(lambda shares: {n: s for n, s in shares.items() if s > 0.2})),
    ("strange-share", shares_changed(lambda shares: shares | {"sum": 1.0})),
    ("not-a-dict", shares_changed(lambda shares: [*shares.values()])),
    ("wrong-shares: Yours sum to 3", shares_changed(lambda shares: dict.fromkeys(shares, 1.0))),
    ("not-finite: 0 / 0 is NaN", divided_without_looking),
    ("none", shares_changed(lambda shares: dict.fromkeys(shares, None))),
    ("shape", lambda *a: (torch.tensor([interval(*a)[0]]), *interval(*a)[1:])),
    ("swapped", lambda *a: (interval(*a)[1], interval(*a)[0], interval(*a)[2])),
    ("not-a-tuple", lambda *a: interval(*a)[2]),
    ("not-a-tuple", lambda *a: interval(*a)[:2]),
    (
        "wrong-interval: The middle of yours",
        lambda *a: (interval(*a)[0], 1.1 * interval(*a)[1], interval(*a)[2]),
    ),
    ("none", nothing),
    ("raised", lambda length_of, values, sds: length_of(values).item()),
]


def test_wrong_shares_cost_no_points_of_the_interval_nor_the_other_way_round():
    for wrong, held in ((shares_changed(lambda shares: None), 5.0), (made_of(reach=2.0), 4.0)):
        assert grade(length_interval, given(length_interval, wrong)).points == held


@mistakes(INTERVALS)
def test_mistakes_in_intervals(key, wrong):
    assert_named(length_interval, key, wrong)


# --- exercise 14


def by_the_paper(length, widths, heights):
    zero = torch.zeros(*widths.shape[:-1], 1, dtype=widths.dtype)
    w, h = torch.cat([zero, widths, zero], -1), torch.cat([zero, heights, zero], -1)
    d = torch.diff(torch.tensor([0.0, *STATIONS, 1.0])) * length[..., None]
    w0, h0, dw, dh = w[..., :-1], h[..., :-1], w.diff(), h.diff()
    return (torch.pi / 4 * d * (w0 * h0 + (w0 * dh + h0 * dw) / 2 + dw * dh / 3)).sum(-1)


def by_slices(length, widths, heights):
    """A loop over the pieces, each by Simpson's rule; half axes."""
    places, volume, (a0, b0) = [*STATIONS, 1.0], 0.0 * length, (0.0, 0.0)
    for k, place in enumerate(places):
        last = k == len(STATIONS)
        a1, b1 = (0.0, 0.0) if last else (widths[..., k] / 2, heights[..., k] / 2)
        d = length * (place - (places[k - 1] if k else 0.0))
        middle = (a0 + a1) * (b0 + b1)
        volume = volume + math.pi * d * (a0 * b0 + middle + a1 * b1) / 6
        a0, b0 = a1, b1
    return volume


def by_vmap_over_animals(length, widths, heights):
    if widths.dim() == 1:
        return by_the_paper(length, widths, heights)
    return torch.vmap(by_slices)(length, widths, heights)


def many_thin_slices(length, widths, heights):
    """Interpolated to so many slices that the sum is right to six digits."""
    places = torch.tensor([0.0, *STATIONS, 1.0]).double()
    at = (torch.arange(20_000).double() + 0.5) / 20_000
    after = torch.searchsorted(places, at)
    share = (at - places[after - 1]) / (places[after] - places[after - 1])
    w, h = (torch.nn.functional.pad(x.double(), (1, 1)) for x in (widths, heights))
    w, h = (x[..., after - 1] + share * (x[..., after] - x[..., after - 1]) for x in (w, h))
    return length * (torch.pi / 4 * w * h).mean(-1)


RIGHT_VOLUMES = [
    measuring.volume_from_widths,
    by_the_paper,
    by_slices,
    by_vmap_over_animals,
    many_thin_slices,
]


@pytest.mark.parametrize("solution", RIGHT_VOLUMES)
def test_right_volumes(solution):
    assert_right(volume_from_widths, solution)


volume = measuring.volume_from_widths


def frustum(length, widths, heights):
    w, h = (torch.nn.functional.pad(x, (1, 1)) for x in (widths, heights))
    area, d = torch.pi / 4 * w * h, torch.tensor([0.0, *STATIONS, 1.0]).diff()
    a0, a1 = area[..., :-1], area[..., 1:]
    return length * (d * (a0 + a1 + (a0 * a1).sqrt()) / 3).sum(-1)


def trapezoids(length, widths, heights):
    area = torch.nn.functional.pad(torch.pi / 4 * widths * heights, (1, 1))
    return length * torch.trapezoid(area, torch.tensor([0.0, *STATIONS, 1.0]))


def of_five_per_cent(length, widths, heights):
    return (torch.pi / 4 * widths * heights).sum(-1) * 0.05 * length


def with_wrong_mixed_products(length, widths, heights):
    w, h = (torch.nn.functional.pad(x, (1, 1)) for x in (widths, heights))
    (w0, w1), (h0, h1) = ((x[..., :-1], x[..., 1:]) for x in (w, h))
    pieces = torch.tensor([0.0, *STATIONS, 1.0]).diff().to(w)
    return torch.pi / 24 * length * (pieces * (2 * w0 * h0 + w0 * w1 + h0 * h1 + 2 * w1 * h1)).sum(-1)


VOLUMES = [
    ("trapezoids", trapezoids),
    ("circular-cones", frustum),
    ("cylinders: each station stands for 5 %", of_five_per_cent),
    ("radius", lambda l, w, h: volume(l, 2 * w, 2 * h)),
    ("radius", lambda l, w, h: volume(l, w / 2, h / 2)),
    ("half", lambda l, w, h: volume(l, 2 * w, h)),
    ("shares", lambda l, w, h: volume(l, w * l[..., None], h * l[..., None])),
    ("wrong-volume: 1.5 times", lambda l, w, h: 1.5 * volume(l, w, h)),
    ("raised", lambda l, w, h: volume(l, w, h) if w.dim() == 1 else l @ w @ h),
    ("one-sum: gives one number", lambda l, w, h: volume(l, w, h).sum()),
    ("mixed: w0 w1 + h0 h1 stands where", with_wrong_mixed_products),
    ("no-gradient", lambda l, w, h: volume(l, w, h).detach()),
    ("no-gradient", lambda l, w, h: torch.tensor(volume(l, w, h).tolist())),
    ("wrong-gradient: the length", lambda l, w, h: volume(l.detach(), w, h)),
    ("wrong-gradient: the heights", lambda l, w, h: volume(l, w, h.detach())),
    ("not-a-tensor", lambda l, w, h: volume(l, w, h).tolist()),
    ("none", nothing),
    ("parameters", lambda widths, heights, length: None),
]


@mistakes(VOLUMES)
def test_mistakes_in_volumes(key, wrong):
    assert_named(volume_from_widths, key, wrong)


# --- all four


def slightly(change):
    """The reference, whose numbers are changed a little."""
    return {
        altitudes: lambda *a, **k: change(right_altitudes(*a, **k)),
        apparent_depth: lambda *a: (change(reference(*a)[0]), reference(*a)[1]),
        length_interval: lambda *a: (interval(*a)[0], change(torch.tensor(interval(*a)[1])), interval(*a)[2]),
        volume_from_widths: lambda *a: change(volume(*a)),
    }


@pytest.mark.parametrize("exercise", EXERCISES, ids=[exercise.title for exercise in EXERCISES])
@pytest.mark.parametrize(
    "change", [lambda x: x + 2e-3, lambda x: x * 1.0007, lambda x: x + 1e-3 * torch.sin(9 * x)]
)
def test_two_numbers_that_differ_look_different(change, exercise):
    said = first_said(exercise, slightly(change)[exercise])
    pair = re.search(
        r"should (?:be|give) (.+?)(?: m)?, yours (?:is|gives) (.+?)(?: m)?[.,]? (?:[A-Z]|where)", said + " A"
    )
    assert pair and pair[1] != pair[2], said
