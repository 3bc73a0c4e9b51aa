"""Numbers for figures: checked, and as small as a page can carry them."""

import numpy as np
import torch

from ..errors import CourseError
from ..shapes import fits


def as_array(values, name):
    """A tensor, list or array as a numpy array of numbers."""
    values = values.detach().cpu().numpy() if torch.is_tensor(values) else np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise CourseError(f"{name} is not an array of numbers (its type is {values.dtype}).")
    return values


def as_column(values, T, name):
    """One number per frame, checked: (T,) float64."""
    values = as_array(values, name).reshape(-1)
    if len(values) != T:
        raise CourseError(f"{name} has {len(values)} values for {T} frames; expected one per frame.")
    return values.astype(np.float64)


def as_points(values, name, T="T"):
    """One 3-vector per frame, checked: (T, 3) float64, also from (T, 1, 3) as the scene stores it."""
    values = as_array(values, name)
    values = values[:, 0] if fits(values.shape, "T 1 3") else values
    if not fits(values.shape, f"{T} 3") or len(values) == 0:
        raise CourseError(f"{name} has shape {values.shape}; expected ({T}, 3).")
    return values.astype(np.float64)


def as_times(time_s, T):
    """When each of T frames is, in seconds or in frames, (T,), and what that axis is called."""
    if time_s is None:
        return np.arange(T), "frame"
    return as_column(time_s, T, "time_s"), "time (s)"


def to_uint8(values):
    """[0, 1] floats or booleans to uint8; uint8 stays."""
    if values.dtype == np.uint8:
        return values
    scaled = values * np.float32(255.0) + np.float32(0.5)
    return np.clip(scaled, 0.0, 255.0, out=scaled).astype(np.uint8)


def compact(values, decimals=3):
    """Round for a small file: plotly 6 and later pack float32 as base64, earlier ones write digits."""
    import plotly

    values = np.round(np.asarray(values, np.float64), decimals) + 0.0
    return values.astype(np.float32) if int(plotly.__version__.split(".")[0]) >= 6 else values


def upright(points):
    """World coordinates (N, 3) as plotly's x, y and z: (z, x, y), so that y goes up and left stays left."""
    x, y, z = compact(points).T
    return dict(x=z, y=x, z=y)


def significant(values):
    """Round to five significant digits, for numbers of any size."""
    return np.array([float(f"{v:.5g}") for v in values], np.float64)
