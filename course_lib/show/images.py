"""Images that a person gave: the one door through which they come, and their way onto a page."""

import base64
import io

import numpy as np

from ..errors import CourseError
from ..shapes import fits, spell
from .values import as_array, as_colour, as_points, to_uint8

PAD = 90  # of 255: a third channel where an image has two
BRIGHT = 50.0  # floats: highlights pass 1, they do not reach this; what was made for 0 to 255 does


def as_image(value, name, channels=(1, 3)):
    """An image as bytes. -> (H, W, C) uint8

    value: (H, W) or (H, W, C), C one of `channels`; tensor, array or list: uint8; other whole numbers or
    booleans, 0 and 1 or 0 to 255; floats from 0 to 1, what is beyond is clipped. Raises CourseError.
    """
    image = as_array(value, name)
    layouts = ["H W", *(f"H W {n}" for n in channels)]
    if not any(fits(image.shape, layout) for layout in layouts) or 0 in image.shape:
        raise CourseError(f"""{name} has shape {image.shape}; expected an image,
            {spell(*layouts)}.{_how(image.shape)}""")
    return _as_bytes(image[..., None] if image.ndim == 2 else image, name)


def _how(shape):
    """What to do with what is no image."""
    if len(shape) == 4:
        return " Of a batch, take one: images[0]."
    if len(shape) == 3 and shape[0] in (1, 3) and shape[-1] > 4:
        return " Its channels come first, and belong last: image.permute(1, 2, 0)."
    return " Leave out the fourth channel: image[..., :3]." if shape[-1:] == (4,) else ""


def _as_bytes(image, name):
    """Numbers as bytes, each kind in its own range."""
    if image.dtype == np.uint8:
        return image
    low, high = image.min(), image.max()
    if not np.isfinite(low) or not np.isfinite(high):
        raise CourseError(f"{name} holds values that are not finite numbers (NaN or infinity).")
    floats = image.dtype.kind == "f"
    if high > (BRIGHT if floats else 255) or low < (-BRIGHT if floats else 0):
        raise CourseError(f"""{name} is {image.dtype} with values from {low:g} to {high:g}; expected bytes
            from 0 to 255, or floats from 0 to 1 (divide by 255?).""")
    if not floats and high > 1:
        return image.astype(np.uint8)
    return to_uint8(image)


def as_rgb(value, name, channels=(1, 2, 3)):
    """An image in colour, also one of one or two channels. -> (H, W, 3) uint8; see `as_image`"""
    image = as_image(value, name, channels)
    if image.shape[-1] == 1:
        return image.repeat(3, -1)
    if image.shape[-1] == 2:
        return np.concatenate([image, PAD * (image.max(-1, keepdims=True) > 0).astype(np.uint8)], -1)
    return image


def as_colours(value, V, name="colour"):
    """One colour for all, as "#rrggbb", or one for each of V vertices: (V, 3) uint8."""
    if isinstance(value, str) or as_array(value, name).shape == (3,):
        return as_colour(value, name)
    return as_image(as_points(value, name, V)[None], name, (3,))[0]


def enlarged(image, zoom):
    """An image with `zoom` pixels for each, to a side."""
    return image.repeat(zoom, 0).repeat(zoom, 1)


def png_uri(image):
    """An image (H, W, C) of bytes as a data: address; where it is transparent, a drawing, in 64 colours."""
    from PIL import Image

    file, picture = io.BytesIO(), Image.fromarray(image)
    (picture.quantize(64) if image.shape[-1] == 4 else picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
