"""Labels on the frames of a video."""

import functools

import numpy as np

from ..errors import CourseError
from .style import as_array


def draw_labels(frame, labels, *, columns=2, font_size=None):
    """Write a label into the upper left corner of each tile of a frame that is put together from tiles.

    frame: (H, W, 3) uint8, or floats in [0, 1]; a copy of the same kind is returned. labels: one text per
    tile, row by row ("" for none); columns: tiles per row. font_size: pixels (default: 1/18 of a tile's
    height, at least 11).
    """
    frame = as_array(frame, "frame")
    labels = tuple(labels)
    if frame.ndim != 3 or frame.shape[2] != 3 or not labels or len(labels) % columns:
        raise CourseError(f"""draw_labels got a frame of shape {frame.shape} and {len(labels)} labels for
            {columns} columns; expected (H, W, 3) and as many labels as tiles.""")
    out = frame.copy()
    scale = 255.0 if frame.dtype == np.uint8 else 1.0
    for (rows, cols), white, shade in _label_patches(frame.shape[:2], labels, columns, font_size):
        patch = out[rows, cols].astype(np.float32) / scale
        patch = patch * (1 - shade) * (1 - white) + white
        out[rows, cols] = (np.rint(patch * scale) if frame.dtype == np.uint8 else patch).astype(frame.dtype)
    return out


@functools.lru_cache(maxsize=8)
def _label_patches(size, labels, columns, font_size):
    """Draw the labels once for all frames: where each goes, how white its letters, how dark its ground."""
    from PIL import Image, ImageDraw, ImageFont

    tile_h, tile_w = size[0] // (len(labels) // columns), size[1] // columns
    px = font_size or max(11, round(tile_h / 18))
    font = ImageFont.load_default(size=px)
    patches = []
    for n, text in enumerate(labels):
        if not text:
            continue
        pad = max(2, round(0.4 * px))
        left, top, right, bottom = font.getbbox(text)
        ascent, descent = font.getmetrics()
        w, h = min(round(right) + 2 * pad, tile_w - 2 * pad), min(ascent + descent + pad, tile_h - 2 * pad)
        if w < 1 or h < 1:
            continue
        image = Image.new("L", (w, h), 0)
        ImageDraw.Draw(image).text((pad, pad / 2), text, fill=255, font=font)
        ground = Image.new("L", (w, h), 0)
        ImageDraw.Draw(ground).rounded_rectangle((0, 0, w - 1, h - 1), radius=round(0.3 * px), fill=140)
        y, x = n // columns * tile_h + pad, n % columns * tile_w + pad
        patches.append(
            (
                (slice(y, y + h), slice(x, x + w)),
                np.asarray(image, np.float32)[..., None] / 255,
                np.asarray(ground, np.float32)[..., None] / 255,
            )
        )
    return tuple(patches)
