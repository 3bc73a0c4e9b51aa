"""Exercises 11 to 14: from your own clip to numbers: altitudes, depth, an interval, a volume."""

import math

import torch

from course_lib.photogrammetry import STATIONS


def altitude_per_frame(
    sample_times, sample_altitudes, frame_times, launch_height=0.0, longest_gap=1.0
):  # fmt: skip
    """The drone's altitude in each frame, by its telemetry. Exercise 11. -> (F,)

    sample_times: (N,), seconds, increasing.
    sample_altitudes: (N,), metres above the place of take-off; NaN where there is none.
    frame_times: (F,), seconds of the same clock, increasing.
    launch_height: of the place of take-off above the sea, metres.
    longest_gap: seconds between two known samples that are still bridged.

    -> metres above the sea, linear between samples. NaN for a frame before the first
    known sample, after the last, or inside a longer gap.
    """
    known = ~sample_altitudes.isnan()
    times, altitudes = sample_times[known], sample_altitudes[known]  # (K,) each
    # The known samples before and after each frame.
    after = torch.searchsorted(times, frame_times).clamp(1, len(times) - 1)  # (F,)
    before = after - 1
    gap = times[after] - times[before]  # (F,), seconds
    share = (frame_times - times[before]) / gap  # (F,), 0 to 1 from one to the other
    between = altitudes[before] + share * (altitudes[after] - altitudes[before])
    # A frame at the very moment of a sample lies inside no gap.
    bridged = (gap <= longest_gap) | (share == 0) | (share == 1)
    usable = (share >= 0) & (share <= 1) & bridged
    return torch.where(usable, between + launch_height, torch.nan)


def apparent_depth(depth, distance, altitude, index=1.34):
    """Where a thing under flat water seems to be. Exercise 12. -> (q, dq_ddepth)

    depth: metres below the surface, negative above it; distance: of the thing from the
    camera, horizontally, metres; altitude: of the camera above the surface, metres:
    tensors of one shape, whichever. index: the water's refractive index.

    -> the apparent depth q, metres, and its derivative with respect to depth, each of
    that shape. Under water

        depth / q = sqrt(index^2 + (index^2 - 1) tan(a)^2),
        tan(a) = distance / (altitude + q).

    What is above the water is seen where it is.
    """
    # Newton's method, for q * ratio(q) = depth. The slope of the left side is what the
    # derivative needs too: a change of depth is the slope times the change of q.
    under = depth.clamp(min=0)
    q = under / index  # where it is seen from straight above
    for _ in range(8):
        tan2 = (distance / (altitude + q)) ** 2
        ratio = (index**2 + (index**2 - 1) * tan2).sqrt()
        slope = ratio - (index**2 - 1) * tan2 * q / ((altitude + q) * ratio)
        q = q - (q * ratio - under) / slope
    wet = depth > 0
    return torch.where(wet, q, depth), torch.where(wet, 1 / slope, 1.0)


def length_interval(length_of, values, sds):
    """The 95 % interval of a length, and what makes it wide. Exercise 13.

    length_of: takes a dict of tensors (), gives the length, a tensor (), metres.
    values: dict of floats, by the same names: what is measured.
    sds: dict of floats: the standard deviation of each; the errors are independent.

    -> low, high, shares. To first order: each source moves the length by derivative
    times standard deviation; the squares add up to the variance; the interval reaches
    1.96 standard deviations to both sides. shares: each source's part of the variance,
    a dict; all 0 where the variance is 0.
    """
    x = {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()}
    x = {name: tensor.requires_grad_() for name, tensor in x.items()}
    length = length_of(x)
    # What the length does not depend on has the gradient None, or zero on request.
    slopes = torch.autograd.grad(
        length, list(x.values()), allow_unused=True, materialize_grads=True
    )  # fmt: skip
    parts = {name: (s.item() * sds[name]) ** 2 for name, s in zip(x, slopes)}
    variance = sum(parts.values())
    shares = {name: part / (variance or 1.0) for name, part in parts.items()}
    reach = 1.96 * math.sqrt(variance)
    return length.item() - reach, length.item() + reach, shares


def volume_from_widths(length, widths, heights):
    """The volume of a body of elliptical slices. Exercise 14. -> () or (B,), m^3

    length: () or (B,), metres; widths, heights: (S,) or (B, S), metres, of the ellipses
    at STATIONS, which are shares of the length from the tip of the rostrum.

    Both are zero at the two ends, and change evenly from station to station. A piece of
    the length d, from w0 and h0 to w1 and h1, holds

        pi d / 24 (2 w0 h0 + w0 h1 + w1 h0 + 2 w1 h1).
    """
    w, h = (torch.nn.functional.pad(axes, (1, 1)) for axes in (widths, heights))
    places = widths.new_tensor([0.0, *STATIONS, 1.0])  # (S + 2,), shares of the length
    w0, w1, h0, h1 = w[..., :-1], w[..., 1:], h[..., :-1], h[..., 1:]  # (..., S + 1)
    areas = torch.pi / 24 * (2 * w0 * h0 + w0 * h1 + w1 * h0 + 2 * w1 * h1)
    return length * (places.diff() * areas).sum(-1)
