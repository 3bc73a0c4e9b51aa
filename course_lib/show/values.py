"""What a person gave for a figure: the door through which numbers come, and their way onto a small page.

`images` is the door for images. What is no number, colour or the like raises CourseError, in one line.
"""

import contextlib
import math

import numpy as np
import torch

from ..errors import CourseError
from ..shapes import describe, fits

NUMPY_HAS = (torch.float16, torch.float32, torch.float64)


def as_array(values, name):
    """A tensor of any device and type, a list of them, of numbers, or an array. -> NumPy array of numbers"""
    try:
        array = _as_array(values)
    except Exception:  # whatever NumPy or torch say of it, such as rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise CourseError(f"{name} is not an array of numbers; it is {describe(values)}.")
    return array


def _as_array(values):
    if torch.is_tensor(values):
        values = values.detach().cpu().to_dense().resolve_neg()
        exotic = values.is_floating_point() and values.dtype not in NUMPY_HAS  # bfloat16 and kin
        return (values.float() if exotic else values).numpy()
    if isinstance(values, (list, tuple)) and any(torch.is_tensor(value) for value in values):
        return np.stack([_as_array(value) for value in values])
    return np.asarray(values)


def as_number(value, name, low=-math.inf, high=math.inf, whole=False):
    """One number within bounds, also from a text, an array or a tensor. -> float, int if it is to be whole"""
    try:
        number = float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and low <= number <= high) or whole and number != int(number):
        bounds = [f"from {low:g}"] * (low > -math.inf) + [f"to {high:g}"] * (high < math.inf)
        kind = "whole number" if whole else "number"
        raise CourseError(f"{name} is {describe(value)}; expected one {' '.join([kind, *bounds])}.")
    return int(number) if whole else number


def as_colour(value, name="colour"):
    """A colour by a name of CSS or matplotlib, as "#rrggbb" or the like, or as three numbers from 0 to 1."""
    from matplotlib.colors import to_hex
    from PIL import ImageColor

    if isinstance(value, str):
        for known in (lambda: "#%02x%02x%02x" % ImageColor.getrgb(value)[:3], lambda: to_hex(value)):
            with contextlib.suppress(ValueError, TypeError):
                return known()
    else:
        with contextlib.suppress(CourseError):
            rgb = as_array(value, name)
            if rgb.shape == (3,) and ((rgb >= 0) & (rgb <= 1)).all():
                return to_hex(rgb.astype(float))
    raise CourseError(f"""{name} is {describe(value)}; expected a colour: its name, "#2a62d9" or the like, or
        three numbers from 0 to 1.""")


def as_model(value):
    """A DolphinModel, or what has its parts."""
    if not hasattr(value, "LBS") or not hasattr(value, "global_scale"):
        raise CourseError(f"model is {describe(value)}; expected the dolphin's, DolphinModel(find_pack()).")
    return value


def as_names(value, name, count=None):
    """Names, of `count` things or of any number."""
    if not isinstance(value, (list, tuple)) or count not in (None, len(value)):
        raise CourseError(f"{name} is {describe(value)}; expected a list of {count or 'some'} names.")
    return [str(one) for one in value]


def as_named(value, name, what):
    """A dict with something in it. what: its values, for the message"""
    if not isinstance(value, dict) or not value:
        raise CourseError(f"{name} is {describe(value)}; expected {{name: {what}}}, one or more.")
    return value


def as_column(values, T, name, frames=True):
    """T numbers, one per frame if they are for frames: (T,) float64."""
    values = as_array(values, name).reshape(-1)
    if len(values) != T:
        wanted = f" for {T} frames; expected one per frame" if frames else f"; expected {T}"
        raise CourseError(f"{name} has {len(values)} values{wanted}.")
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
