"""Reading a clip's files: numbered images, masks, altitudes, prompts. What cannot be read says why."""

import contextlib
import json
import zipfile
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .. import files
from ..dolphin_model.model_file import load_array
from ..errors import CourseError
from ..file_kind import check
from ..lens import undistort

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")
MASK_SUFFIXES = (".png",)
CONFIDENCE = "confidence"  # text in a mask's PNG
MAX_PIXELS = 50_000_000  # of one frame
ALTITUDES_BEFORE = 50  # the tutorial's 500 altitudes begin this many frames before its clip
LOWEST, HIGHEST = 1.0, 1000.0  # metres: altitudes outside of these are in another unit
_IMAGE = ("a whole JPEG or PNG image", "a picture (JPEG or PNG)", "export it as JPEG or PNG")
_JUNK = ("Thumbs.db", "desktop.ini", "__MACOSX")


def numbered_images(folder, suffixes):
    """The images of a folder in order; they must be numbered without a gap, as in 000000.jpg, 000001.jpg, ...

    Raises CourseError for a missing or empty folder, and for a file with another name.
    """
    expected = f"expected images numbered without a gap, 000000{suffixes[0]}, 000001{suffixes[0]}, ..."
    if not folder.is_dir():
        raise CourseError(f"{folder}: no such folder, {expected}")
    paths = sorted(path for path in folder.iterdir() if not is_junk(path.name))
    if not paths:
        raise CourseError(f"{folder}: is empty, {expected}")
    for path in paths:
        numbered = path.stem.isascii() and path.stem.isdigit() and path.suffix.lower() in suffixes
        if not numbered or not path.is_file():
            raise CourseError(f"{path}: has an unexpected name, {expected}; rename it or take it away")
    paths.sort(key=lambda path: int(path.stem))
    for number, path in enumerate(paths, int(paths[0].stem)):
        if int(path.stem) != number:
            missing = folder / f"{number:0{len(path.stem)}d}{path.suffix}"
            raise CourseError(f"""{missing}: is missing (found {path.name} in its place), expected images
                numbered without a gap from {paths[0].name} to {paths[-1].name}""")
    return paths


def numbered_masks(folder, n_frames):
    """The masks of a clip in order, one for each of its frames. Raises CourseError."""
    paths = numbered_images(folder, MASK_SUFFIXES)
    if len(paths) != n_frames:
        raise CourseError(f"""{folder}: holds {len(paths)} masks for {n_frames} frames, expected one per
            frame; segment the clip again""")
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
        check(path, *_IMAGE)
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
        check(path, *_IMAGE)
        raise CourseError(f"""{path}: is truncated or damaged ({_reason(error, path)}), expected a whole
            image; copy or import it again""") from None


def read_image(path, mode, size_wh, first, lens=None):
    """An image as bytes, in mode RGB (H, W, 3), in mode L a mask (H, W), checked by `check_mask`.

    size_wh: the (width, height) that it must have, as the image `first` has. lens: the `Lens` whose
    distortion is undone, of a frame; a mask is made from such a frame. Raises CourseError.
    """
    with open_image(path) as image:
        if image.size != size_wh:
            raise CourseError(f"""{path}: is {image.width} x {image.height}, expected {size_wh[0]} x
                {size_wh[1]} as {first.name}""")
        image = decode_image(image, path, mode)
        if mode == "L":
            check_mask(image, path)
        return np.asarray(image) if lens is None else undistort(np.asarray(image), lens)


def read_images(paths, mode, size_wh, first, lens=None):
    """T images as bytes, (T, H, W, 3) or (T, H, W) uint8, each as `read_image` reads it."""
    shape = (len(paths), size_wh[1], size_wh[0], *((3,) if mode == "RGB" else ()))
    images = np.empty(shape, dtype=np.uint8)
    for image, path in zip(images, paths):
        image[:] = read_image(path, mode, size_wh, first, lens)
    return images


def check_mask(mask, path):
    """Raises CourseError unless a decoded mask (mode L) holds 0 and 255 alone, and some 255."""
    counts = mask.histogram()
    between = [value for value in range(1, 255) if counts[value]]
    if between:
        raise CourseError(f"{path}: holds the value {between[0]}, expected a mask of 0 and 255 alone")
    if counts[255] == 0:
        raise CourseError(f"""{path}: is empty (no pixel is white), expected a mask of the dolphin; segment
            the clip again or leave this frame and its mask out""")


def write_mask(mask, path, confidence=1.0):
    """Writes a mask (H, W) bool as a PNG of 0 and 255, which says how far it can be trusted, 0 to 1."""
    about = PngInfo()
    about.add_text(CONFIDENCE, f"{confidence:.4f}")
    with files.replacing(path) as part:
        Image.fromarray(mask.astype(np.uint8) * 255).save(part, format="PNG", pnginfo=about)


def read_confidence(path):
    """How far a mask can be trusted, 0 (the animal was lost) to 1 (also where its file does not say).

    It stands in the PNG's text under `CONFIDENCE`, and so is gone when somebody draws the mask anew. Raises
    CourseError.
    """
    with open_image(path) as image:
        text = str(image.info.get(CONFIDENCE, "1"))
    try:
        confidence = float(text)
    except ValueError:
        confidence = -1.0
    if not 0 <= confidence <= 1:
        raise CourseError(f"""{path}: its confidence is {text[:20]!r}, expected a number from 0 to 1; segment
            the clip again, or save the mask without it""")
    return confidence


def load_altitudes(path, n_frames):
    """The drone's altitude in each of a clip's frames: (n_frames,) float32, metres.

    The file holds centimetres: one number per frame, or at least 50 more than frames, of which
    50..50+n_frames-1 count (as in the tutorial's clip). Raises CourseError for other counts, and for values
    that are not finite and positive, or in another unit.
    """
    values = load_array(path)
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise CourseError(f"{path}: has shape {values.shape}, expected one altitude per frame")
    first = 0 if len(values) == n_frames else ALTITUDES_BEFORE
    if first and len(values) < first + n_frames:
        raise CourseError(f"""{path}: holds {len(values)} altitudes for {n_frames} frames, expected
            {n_frames}, or at least {first + n_frames} (of which the first {first} are left out)""")
    used = values[first : first + n_frames].astype(np.float32) / np.float32(100)  # (T,)
    bad = ~np.isfinite(used) | (used <= 0)
    if bad.any():
        i = int(bad.argmax())
        raise CourseError(f"""{path}: altitude {first + i} (frame {i}) is {values[first + i]} cm, expected a
            positive number ({int(bad.sum())} of {n_frames} are bad)""")
    check_altitudes(path, used, "centimetres")
    return used


def check_altitudes(path, altitudes, written):
    """Raises CourseError for altitudes (T,), metres, that show another unit; written: which one, as a
    text."""
    middle = float(np.median(altitudes))
    if LOWEST <= middle <= HIGHEST:
        return
    guess = "metres" if middle < LOWEST else "millimetres or feet"
    if written == "metres":
        guess = "kilometres, or of a drone on the ground" if middle < LOWEST else "centimetres"
    raise CourseError(f"""{path}: by its altitudes the drone flies {middle:.3g} m above the sea; the file is
        to hold {written}. Are these {guess}? Write them in {written}.""")


def load_prompts(path, size_wh, n_frames):
    """The points to segment a clip from: {"frame": int, "points": [[x, y], ...], "labels": [1, 0, ...]}.

    Points are pixels of a frame of size (width, height); label 1 is on the animal, 0 is not. Raises
    CourseError for anything else.
    """
    return check_prompts(read_json(path), path, size_wh, n_frames)


def check_prompts(prompts, path, size_wh, n_frames):
    """As `load_prompts`, of points that were read already; path: what messages call them. -> prompts"""
    if not isinstance(prompts, dict):
        raise CourseError(f"""{path}: the file is {json.dumps(prompts)[:60]}, expected an object {{"frame": 0,
            "points": [[x, y], ...], "labels": [1, 0, ...]}}""")
    frame, points, labels = (prompts.get(key) for key in ("frame", "points", "labels"))
    width, height = size_wh
    n_points = len(points) if isinstance(points, list) else 0
    right_frame = type(frame) is int and 0 <= frame < n_frames
    right_points = n_points > 0 and all(_is_pixel(point, size_wh) for point in points)
    numbers = isinstance(labels, list) and all(type(n) is int for n in labels)
    right_labels = numbers and len(labels) == n_points and {1} <= set(labels) <= {0, 1}
    one_each = f"{n_points} numbers, 1 on the dolphin and 0 beside it, at least one of them 1"
    for key, right, expected in (
        ("frame", right_frame, f"a frame's number, 0 to {n_frames - 1}"),
        ("points", right_points, f"a list of [x, y] within {width} x {height} pixels"),
        ("labels", right_labels, one_each),
    ):
        if not right:
            raise CourseError(f"{path}: {key} is {json.dumps(prompts.get(key))[:60]}, expected {expected}")
    return prompts


def _is_pixel(point, size_wh):
    if not isinstance(point, list) or len(point) != 2:
        return False
    return all(type(x) in (int, float) and 0 <= x < size for x, size in zip(point, size_wh))


def read_json(path):
    """The contents of a short JSON file. Raises CourseError."""
    try:
        n_bytes = path.stat().st_size
        if n_bytes > 1 << 24:
            raise CourseError(f"{path}: is {n_bytes} bytes long, expected a short JSON file")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file, expected JSON") from None
    except (OSError, ValueError, RecursionError) as error:
        check(path, "a JSON file", "JSON")
        raise CourseError(f"{path}: not a JSON file ({one_line(error)}); mend it or copy it again") from None


@contextlib.contextmanager
def open_npz(path):
    """The arrays of an .npz file, numbers alone, each read when it is asked for. Raises CourseError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 1 << 30:
                raise CourseError(f"{path}: unpacks to more than 1 GiB, expected the arrays of a clip")
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        check(path, "a whole .npz file", "a NumPy archive (.npz)", convert="and save it with numpy.savez")
        raise CourseError(f"""{path}: not a whole .npz file of numbers ({one_line(error)}); copy it
            again""") from None


def is_junk(name):
    """Whether a file of this name is what file managers leave behind."""
    return name.startswith(".") or name in _JUNK


def printable(text):
    """A name from elsewhere, short and without control characters."""
    text = text if len(text) <= 80 else text[:80] + "..."
    return text if text.isprintable() else ascii(text)


def one_line(error):
    """What an error says, in one line; the name of its class if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _reason(error, path):
    """What a library says of a file, without the file's name, which the message begins with."""
    return one_line(error).replace(f" {str(path)!r}", "").replace(f"'{path}'", "the file")
