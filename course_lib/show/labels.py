"""Labels on the frames of a video."""

import functools

import numpy as np

from ..errors import CourseError
from .images import as_rgb
from .values import as_array, as_number


def draw_labels(frame, labels, *, columns=2):
    """Write a label into the upper left corner of each tile of a frame that is put together from tiles.

    frame: an image (see `images.as_image`). -> a copy with the labels, (H, W, 3), floats where it has floats
    for three channels, else uint8. labels: one text per
    tile, row by row ("" for none); columns: tiles per row. Raises CourseError on other shapes and numbers.
    """
    checked, frame = as_rgb(frame, "frame", (1, 3)), as_array(frame, "frame")
    frame = frame if frame.shape == checked.shape and frame.dtype.kind == "f" else checked
    labels = tuple(map(str, labels)) if isinstance(labels, (list, tuple)) else (str(labels),)
    columns = as_number(columns, "columns", low=1, whole=True)
    if not labels or len(labels) % columns:
        raise CourseError(f"""draw_labels got {len(labels)} labels for {columns} columns; expected as many as
            there are tiles.""")
    out = frame.copy()
    scale = 255.0 if frame.dtype == np.uint8 else 1.0
    for place, white, shade in _label_patches(frame.shape[:2], labels, columns):
        patch = out[place].astype(np.float32) / scale
        patch = patch * (1 - shade) * (1 - white) + white
        out[place] = (np.rint(patch * scale) if frame.dtype == np.uint8 else patch).astype(frame.dtype)
    return out


@functools.lru_cache(maxsize=8)
def _label_patches(size, labels, columns):
    """Draw the labels once for all frames: where each goes, how white its letters, how dark its ground."""
    from PIL import Image, ImageDraw, ImageFont

    tile_h, tile_w = size[0] // (len(labels) // columns), size[1] // columns
    px = max(11, round(tile_h / 18))
    pad = max(2, round(0.4 * px))
    font = ImageFont.load_default(size=px)
    patches = []
    for n, text in enumerate(labels):
        width = round(font.getbbox(text)[2])
        w, h = min(width + 2 * pad, tile_w - 2 * pad), min(sum(font.getmetrics()) + pad, tile_h - 2 * pad)
        if not text or w < 1 or h < 1:
            continue
        letters, ground = Image.new("L", (w, h), 0), Image.new("L", (w, h), 0)
        ImageDraw.Draw(letters).text((pad, pad / 2), text, fill=255, font=font)
        ImageDraw.Draw(ground).rounded_rectangle((0, 0, w - 1, h - 1), radius=round(0.3 * px), fill=140)
        y, x = n // columns * tile_h + pad, n % columns * tile_w + pad
        white, shade = (np.asarray(image, np.float32)[..., None] / 255 for image in (letters, ground))
        patches.append(((slice(y, y + h), slice(x, x + w)), white, shade))
    return patches
