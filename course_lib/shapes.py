"""How shapes are written, compared and complained of: "B H W 3", and what was got instead."""

import functools

import torch

from .errors import CourseError


class ShapeError(CourseError, ValueError, TypeError):
    """A value of another kind, shape, type or device than a function takes."""


def fits(shape, layout):
    """Whether a shape is of a layout, "B F 3 2": a letter is any size, twice the same; a number is itself."""
    wanted, sizes = _parsed(layout), {}
    if len(shape) != len(wanted):
        return False
    for want, size in zip(wanted, shape):  # a fit asks some fifty times a step: no generators here
        if size != (want if isinstance(want, int) else sizes.setdefault(want, size)):
            return False
    return True


@functools.lru_cache(maxsize=4096)
def _parsed(layout):
    return tuple(int(want) if want.isdigit() else want for want in layout.split())


def spell(*layouts):
    """Layouts as a person reads them: "B 3", "3" -> "(B, 3) or (3,)"."""
    sizes = [layout.split() for layout in layouts]
    return " or ".join(f"({size[0]},)" if len(size) == 1 else f"({', '.join(size)})" for size in sizes)


def describe(value):
    """What a person gave, in a few words."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        device = f" on {value.device}" if torch.is_tensor(value) else ""
        return f"{type(value).__name__} {tuple(value.shape)} of {value.dtype}{device}"
    return f"{type(value).__name__} {value!r}"[:80]


def check_shape(name, value, *layouts, like=None, dtype=None):
    """Raises ShapeError unless `value` is a tensor of one of the layouts, with the dtype and device of like.

    layouts: such as "B H W 3", or the shape that it must have. dtype: instead of that of `like`.
    """
    layouts = [layout if isinstance(layout, str) else " ".join(map(str, layout)) for layout in layouts]
    if not torch.is_tensor(value):
        raise ShapeError(f"{name} must be a tensor of shape {spell(*layouts)}, got {describe(value)}")
    if not any(fits(value.shape, layout) for layout in layouts):
        raise ShapeError(f"{name} must have shape {spell(*layouts)}, got {tuple(value.shape)}")
    if like is not None and value.device != like.device:
        raise ShapeError(f"""{name} must lie on {like.device}, got {value.device}; move it with
            .to({str(like.device)!r})""")
    dtype = dtype or (value if like is None else like).dtype
    if value.dtype != dtype:
        raise ShapeError(f"{name} must be {dtype}, got {value.dtype}; convert it with .to({dtype})")
