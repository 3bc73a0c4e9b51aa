"""Reading a clip's files: numbered images, masks, altitudes, prompts. What cannot be read says why."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from ..dolphin_model.model_file import load_array
from ..errors import CourseError

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")
MASK_SUFFIXES = (".png",)
MAX_PIXELS = 50_000_000  # of one frame
ALTITUDES_BEFORE = 50  # the tutorial's 500 altitudes begin this many frames before its clip
_JUNK = ("Thumbs.db", "desktop.ini", "__MACOSX")


def numbered_images(folder, suffixes):
    """The images of a folder in order; they must be numbered without a gap, as in 000000.jpg, 000001.jpg, ...

    Raises CourseError for a missing or empty folder, and for a file with another name.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder}: no such folder, expected images {_example(suffixes)}")
    paths = sorted(p for p in folder.iterdir() if not is_junk(p.name))
    if not paths:
        raise CourseError(f"{folder}: is empty, expected images {_example(suffixes)}")
    for path in paths:
        if (
            path.suffix.lower() not in suffixes
            or not (path.stem.isascii() and path.stem.isdigit())
            or not path.is_file()
        ):
            raise CourseError(f"""{path}: has an unexpected name, expected images {_example(suffixes)}; rename
                it or take it away""")
    paths.sort(key=lambda p: int(p.stem))
    first = int(paths[0].stem)
    for i, path in enumerate(paths):
        if int(path.stem) != first + i:
            wanted = f"{first + i:0{len(path.stem)}d}"
            raise CourseError(f"""{folder / wanted}{path.suffix}: is missing (found {path.name} in its place),
                expected images numbered without a gap from {paths[0].name} to {paths[-1].name}""")
    return paths


def image_size(path):
    """(width, height) of an image, from its header."""
    with open_image(path) as image:
        return image.size


def open_image(path):
    """An image whose header has been read and found sane. Raises CourseError."""
    try:
        image = Image.open(path, formats=("JPEG", "PNG"))
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file, expected an image") from None
    except Exception as error:  # Pillow's readers raise many kinds for a damaged file
        raise CourseError(f"""{path}: not a whole JPEG or PNG image ({_reason(error, path)}); copy or import
            it again""") from None
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        image.close()
        raise CourseError(f"{path}: is {width} x {height}, expected at most {MAX_PIXELS} pixels")
    return image


def decode_image(image, path, mode):
    """All of an image, in `mode`. Raises CourseError for a truncated or damaged file."""
    try:
        image.load()
        return image if image.mode == mode else image.convert(mode)
    except Exception as error:  # Pillow's readers raise many kinds for a damaged file
        raise CourseError(f"""{path}: is truncated or damaged ({_reason(error, path)}), expected a whole
            image; copy or import it again""") from None


def check_mask(mask, path):
    """Raise CourseError unless a decoded mask (mode L) holds 0 and 255 alone, and some 255."""
    counts = mask.histogram()
    if counts[0] + counts[255] != mask.width * mask.height:
        value = next(v for v in range(1, 255) if counts[v])
        raise CourseError(f"{path}: holds the value {value}, expected a mask of 0 and 255 alone")
    if counts[255] == 0:
        raise CourseError(f"""{path}: is empty (no pixel is white), expected a mask of the dolphin; segment
            the clip again or leave this frame and its mask out""")


def load_altitudes(path, n_frames):
    """The drone's altitude in each of a clip's frames: (n_frames,) float32, metres.

    The file holds centimetres: one number per frame, or at least 50 more than frames, of which
    50..50+n_frames-1 count (as in the tutorial's clip). Raises CourseError for other counts, and for values
    that are not finite and positive.
    """
    values = load_array(path)
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise CourseError(f"{path}: has shape {values.shape}, expected one altitude per frame")
    if len(values) == n_frames:
        first = 0
    elif len(values) >= ALTITUDES_BEFORE + n_frames:
        first = ALTITUDES_BEFORE
    else:
        raise CourseError(f"""{path}: holds {len(values)} altitudes for {n_frames} frames, expected
            {n_frames}, or at least {ALTITUDES_BEFORE + n_frames} (of which the first {ALTITUDES_BEFORE} are
            left out)""")
    used = values[first : first + n_frames].astype(np.float32) / np.float32(100)  # (T,)
    bad = ~np.isfinite(used) | (used <= 0)
    if bad.any():
        i = int(bad.argmax())
        raise CourseError(f"""{path}: altitude {first + i} (frame {i}) is {values[first + i]} cm, expected a
            positive number ({int(bad.sum())} of {n_frames} are bad)""")
    return used


def load_prompts(path, size_wh, n_frames):
    """The points to segment a clip from: {"frame": int, "points": [[x, y], ...], "labels": [1, 0, ...]},
    checked.

    Points are pixels of a frame of size (width, height); label 1 is on the animal, 0 is not. Raises
    CourseError.
    """
    prompts = read_json(path)

    def fail(key, expected):
        found = json.dumps(prompts.get(key)) if isinstance(prompts, dict) else json.dumps(prompts)
        raise CourseError(f"{path}: {key} is {found[:60]}, expected {expected}")

    if not isinstance(prompts, dict):
        fail("the file", 'an object {"frame": 0, "points": [[x, y], ...], "labels": [1, 0, ...]}')
    if type(prompts.get("frame")) is not int or not 0 <= prompts["frame"] < n_frames:
        fail("frame", f"a frame's number, 0 to {n_frames - 1}")
    points, labels = prompts.get("points"), prompts.get("labels")
    if (
        not isinstance(points, list)
        or not points
        or not all(
            isinstance(p, list)
            and len(p) == 2
            and all(type(x) in (int, float) and 0 <= x < n for x, n in zip(p, size_wh))
            for p in points
        )
    ):
        fail("points", f"a list of [x, y] within {size_wh[0]} x {size_wh[1]} pixels")
    if (
        not isinstance(labels, list)
        or len(labels) != len(points)
        or not all(type(n) is int and n in (0, 1) for n in labels)
        or 1 not in labels
    ):
        fail("labels", f"{len(points)} numbers, 1 on the dolphin and 0 beside it, at least one of them 1")
    return prompts


def read_json(path):
    try:
        if path.stat().st_size > 1 << 24:
            raise CourseError(f"{path}: is {path.stat().st_size} bytes long, expected a short JSON file")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file, expected JSON") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CourseError(f"{path}: not a JSON file ({one_line(error)}); mend it or copy it again") from None


def is_junk(name):
    """What file managers leave behind."""
    return name.startswith(".") or name in _JUNK


def _example(suffixes):
    return f"numbered without a gap, 000000{suffixes[0]}, 000001{suffixes[0]}, ..."


def printable(text):
    text = text if len(text) <= 80 else text[:80] + "..."
    return text if text.isprintable() else ascii(text)


def _reason(error, path):
    """What a library says of a file, without the file's name, which the message begins with."""
    return one_line(error).replace(f" {str(path)!r}", "").replace(f"'{path}'", "the file")


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__
