"""Exercises 11 to 14: from your own clip to numbers: altitudes, depth, an interval, a volume from widths."""

import math

import torch

from course_lib.photogrammetry import STATIONS


def altitude_per_frame(sample_times, sample_altitudes, frame_times, launch_height=0.0, longest_gap=1.0):
    """The drone's altitude in each frame, from its telemetry. Exercise 11. -> (F,), metres above the sea

    sample_times: (N,), seconds, increasing; sample_altitudes: (N,), metres above the place where the drone
    took off, NaN where the drone wrote none; two of them or more are numbers.
    frame_times: (F,), seconds, increasing, by the same clock.
    launch_height: of the place of take-off above the sea, metres.
    longest_gap: between two samples with an altitude, seconds, that is still bridged.

    Between two samples the altitude changes evenly. A frame before the first sample with an altitude, after
    the last one, or within a longer gap gets NaN.
    """
    known = ~sample_altitudes.isnan()
    times, altitudes = sample_times[known], sample_altitudes[known]  # (K,) each
    after = torch.searchsorted(times, frame_times).clamp(1, len(times) - 1)  # (F,), the sample after
    before = after - 1
    gap = times[after] - times[before]  # (F,), seconds
    share = (frame_times - times[before]) / gap  # (F,), 0 to 1 where a frame lies between two samples
    between = altitudes[before] + share * (altitudes[after] - altitudes[before])
    # A frame at the very moment of a sample lies in no gap.
    bridged = (gap <= longest_gap) | (share == 0) | (share == 1)
    usable = (share >= 0) & (share <= 1) & bridged
    return torch.where(usable, between + launch_height, torch.nan)


def apparent_depth(depth, distance, altitude, index=1.34):
    """How deep a thing under flat water seems to be, and how that changes with its depth. Exercise 12.

    depth: metres below the surface, negative above it; distance: of the thing from the camera, horizontally,
    metres; altitude: of the camera above the surface, metres: three tensors of one shape, any. index: the
    water's refractive index.
    -> apparent depth q, metres, and its derivative dq/d(depth): two tensors of that shape. Under water

        depth / q = sqrt(index^2 + (index^2 - 1) tan(a)^2),   tan(a) = distance / (altitude + q);

    what is above the water is seen where it is.
    """
    # Newton's method solves q * ratio(q) - depth = 0. The slope of the left side is what the
    # derivative needs too: a change of depth is slope times the change of q.
    under = depth.clamp(min=0)
    q = under / index  # right where the camera looks straight down
    for _ in range(8):
        tan2 = (distance / (altitude + q)) ** 2
        ratio = (index**2 + (index**2 - 1) * tan2).sqrt()
        slope = ratio - (index**2 - 1) * tan2 * q / ((altitude + q) * ratio)
        q = q - (q * ratio - under) / slope
    return torch.where(depth > 0, q, depth), torch.where(depth > 0, 1 / slope, 1.0)


def length_interval(length_of, values, sds):
    """The 95 % interval of a length, and which part of its variance each source has. Exercise 13.

    length_of: takes a dict of tensors of shape (), gives the length, a tensor of shape ().
    values, sds: dicts of floats by the same names: what is measured, and the standard deviation of each, of
    independent errors.
    -> low, high, metres, and a dict of shares, which sum to 1. To first order a source moves the length by
    its derivative times its standard deviation; the squares add up to the length's variance, and low and
    high are 1.96 standard deviations away. Where the variance is zero, so are the shares.
    """
    x = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    for each in x.values():
        each.requires_grad_()
    length = length_of(x)
    # A source on which the length does not depend has the derivative None, or zero if one asks so.
    slopes = torch.autograd.grad(length, list(x.values()), allow_unused=True, materialize_grads=True)
    parts = {name: (slope.item() * sds[name]) ** 2 for name, slope in zip(x, slopes)}
    variance = sum(parts.values())
    shares = {name: part / variance if variance > 0 else 0.0 for name, part in parts.items()}
    reach = 1.96 * math.sqrt(variance)
    return length.item() - reach, length.item() + reach, shares


def volume_from_widths(length, widths, heights):
    """The volume of a body of elliptical cross-sections. Exercise 14. -> () or (B,), cubic metres

    length: () or (B,), metres; widths, heights: (S,) or (B, S), metres, the full axes of the ellipses at
    STATIONS, shares of the length from the tip of the rostrum. Between two stations, and from the first and
    the last one to the ends, where both are zero, width and height change evenly. With w0, h0 at the one end
    of a piece and w1, h1 at the other, a piece of length d holds

        pi d / 24 (2 w0 h0 + w0 h1 + w1 h0 + 2 w1 h1).
    """
    w, h = (torch.nn.functional.pad(axes, (1, 1)) for axes in (widths, heights))  # (..., S + 2)
    pieces = widths.new_tensor([0.0, *STATIONS, 1.0]).diff()  # (S + 1,), shares of the length
    w0, w1, h0, h1 = w[..., :-1], w[..., 1:], h[..., :-1], h[..., 1:]
    areas = torch.pi / 24 * (2 * w0 * h0 + w0 * h1 + w1 * h0 + 2 * w1 * h1)  # (..., S + 1), mean of a piece
    return length * (pieces * areas).sum(-1)
