"""Check of lesson 1: look at the data (exercise 1)."""

import contextlib
from collections import Counter

import numpy as np
import torch

from ..video import SegmentedVideo
from .core import Complaint, Exercise, Problem, Property, describe

CALL = "show_samples(dataset, indices)"
MISTAKES = {  # what is said of a picture that is not as it should be
    "bgr": "The frames' red and blue are exchanged. The dataset gives RGB, which is what `imshow` takes: "
    "show it as it is.",
    "grey": 'The frames have lost their colour. Show `sample["original"]`, all three channels of it.',
    "upside-down": "A picture stands on its head or is mirrored. Row 0 is the top row: leave `origin` of "
    "`imshow` as it is.",
    "mask-hidden": "A mask can hardly be told from nothing: its 0 and 1 get nearly the same colour. For "
    'values from 0 to 1, `cmap="gray", vmin=0, vmax=1`.',
    "black": "A picture is of one colour all over. The values are floats from 0 to 1: do not make them "
    "integers, and let the colours run from 0 to 1.",
    "not-the-data": 'A picture is neither a frame nor a mask of the dataset. Show `sample["original"]` and '
    '`sample["segmented"]` as they are.',
}


# --- from a figure to arrays


def _dataset_of(frames, masks):
    """A SegmentedVideo of frames (T, H, W, 3) and masks (T, H, W), uint8, under a drone at 10 m."""
    T, H, W = masks.shape
    dataset = SegmentedVideo.__new__(SegmentedVideo)
    dataset.fps, dataset.data_resolution = 50, (W, H)
    dataset.center_normalization = torch.tensor([W, H])
    dataset.frames, dataset.masks = frames, masks
    dataset.segment_centers = torch.stack([mask.nonzero()[:, [1, 0]].float().mean(0) for mask in masks])
    dataset.cam_eye = torch.tensor([[0.0, 10.0, 0.0]]).repeat(T, 1)
    dataset.cam_at, dataset.cam_up = torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])
    return dataset


def _shown(given, frames, masks, indices):
    """What the student's figure shows, as `_tiles_of` gives it."""
    from matplotlib.figure import Figure

    with own_figures() as opened:
        figure = given.show_samples(_dataset_of(frames.cpu(), masks.cpu()), indices.tolist())
        if isinstance(figure, Figure):
            return _tiles_of(figure, masks.shape[1:])
        if figure is None and opened():
            raise Problem.of(f"""shown-not-returned: `{CALL}` draws a figure but gives None. End it with
                `return figure`; a notebook shows a figure that is returned, `plt.show()` is not needed.""")
        if figure is None:
            raise Problem.of(f"""none: `{CALL}` gives None, expected a matplotlib Figure. Is the `return`
                missing?""")
        how = ""
        if isinstance(figure, (tuple, list)) and any(isinstance(part, Figure) for part in figure):
            how = " It is among them: return the figure alone."
        elif hasattr(figure, "figure") or isinstance(figure, np.ndarray):
            how = " These are axes; `figure, axes = plt.subplots(...)` gives both: return the figure."
        raise Problem.of(f"""not-a-figure: `{CALL}` gives {describe(figure)}, expected a matplotlib
            Figure.{how}""")


def _tiles_of(figure, size):
    """The pictures of a figure, as they look and where they are.

    -> tiles (N, H, W, 3), colours; boxes (N, 4): left, top, right, bottom, in pixels. A picture that was put
    together from several is cut up again.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # computes layout and aspect, whatever the notebook's backend
    figure.draw_without_rendering()
    H, W = size
    tiles, boxes = [torch.zeros(0, H, W, 3, dtype=torch.float64)], []
    pictures = [(ax, picture) for ax in figure.axes if ax.get_visible() for picture in ax.images]
    for ax, picture in pictures:
        if not picture.get_visible():
            continue
        look = np.asarray(picture.to_rgba(picture.get_array()), float)  # (h, w, 4)
        look = look[..., :3] * look[..., 3:] + (1 - look[..., 3:])
        left, right, bottom, top = picture.get_extent()
        first, last = (top, bottom) if picture.origin == "upper" else (bottom, top)  # row 0 and the last one
        (x0, y0), (x1, y1) = ax.transData.transform([(left, first), (right, last)])
        look = look[:, ::-1] if x0 > x1 else look
        look = look[::-1] if y0 < y1 else look  # matplotlib's y goes up
        h, w = look.shape[:2]
        if h % H or w % W:
            raise Problem.of(f"""resized: A picture of {w} x {h} pixels is shown, where frames and masks are
                {W} x {H}. Show them whole and unchanged, with channels last: (H, W, 3), and (H, W) for the
                mask.""")
        rows, columns = h // H, w // W
        parts = torch.from_numpy(look.copy()).reshape(rows, H, columns, W, 3)
        tiles.append(parts.transpose(1, 2).flatten(0, 1))
        x = np.linspace(min(x0, x1), max(x0, x1), columns + 1)
        y = np.linspace(-max(y0, y1), -min(y0, y1), rows + 1)
        boxes += [(x[j], y[i], x[j + 1], y[i + 1]) for i in range(rows) for j in range(columns)]
    if len(boxes) > 100:
        raise Problem.of(f"""too-many: {len(boxes)} pictures are shown. One frame and one mask for each index,
            and no others.""")
    return {"tiles": torch.cat(tiles), "boxes": torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)}


@contextlib.contextmanager
def own_figures():
    """Shows none of the student's figures while checking, and closes them.

    Gives a function: how many there were.
    """
    from matplotlib import pyplot

    before, show, count = set(pyplot.get_fignums()), pyplot.show, []
    pyplot.show = lambda *args, **options: count.append(1)
    try:
        yield lambda: len(set(pyplot.get_fignums()) - before) + len(count)
    finally:
        pyplot.show = show
        for number in set(pyplot.get_fignums()) - before:
            pyplot.close(number)


# --- what the arrays are


def _near(tile, look):
    return float((tile - look).abs().max()) < 0.02


def _recognise(tile, frames, masks):
    """Which picture of the dataset a tile is: ("frame", t), ("mask", t), or (what is wrong with it, None)."""
    if _near(tile, tile[:1, :1]):
        return "black", None
    flips = ("upside-down", (0,)), ("upside-down", (1,)), ("upside-down", (0, 1))
    for t, frame in enumerate(frames.double() / 255):
        for kind, dims in (("frame", ()), ("bgr", (2,)), *flips):
            if _near(tile, frame.flip(dims)):
                return kind, t
    for t, mask in enumerate(masks > 0):
        for kind, dims in (("mask", ()), *flips[:2]):
            inside, outside = tile[mask.flip(dims)], tile[~mask.flip(dims)]
            if _near(inside, inside[:1]) and _near(outside, outside[:1]):
                contrast = float((inside[0] - outside[0]).norm())
                return ("mask-hidden" if contrast < 0.4 else kind), t
    return ("grey" if _near(tile, tile.mean(-1, keepdim=True)) else "not-the-data"), None


def _complaint_on(outputs, frames, masks, indices):
    """What is wrong with what is shown, the gravest first. -> Complaint or None"""
    if len(outputs["tiles"]) == 0:
        return Complaint.of("""empty-figure: The figure shows no picture. `axis.imshow(...)` puts one into an
            axis.""")
    kinds = [_recognise(tile, frames, masks) for tile in outputs["tiles"]]
    wrong = [kind for kind, _ in kinds if kind in MISTAKES]
    if wrong:
        # Black pictures beside right frames are masks whose 0 and 1 get one colour.
        hidden = set(wrong) == {"black"} and any(kind == "frame" for kind, _ in kinds)
        key = "mask-hidden" if hidden else wrong[0]
        return Complaint(key, MISTAKES[key])
    found = {"mask": [], "frame": []}
    for (kind, t), box in zip(kinds, outputs["boxes"].tolist()):
        found[kind].append((t, box))
    for kind, name in (("mask", "segmented"), ("frame", "original")):
        if not found[kind]:
            return Complaint(f"{kind}s-missing", f'The {kind}s are not shown: `sample["{name}"]`.')
    wanted = indices.tolist()
    return _wrong_choice(found, wanted) or _wrong_places(found, wanted)


def _wrong_choice(found, wanted):
    """Whether other frames or masks are shown than those that are wanted. -> Complaint or None"""
    frames, masks = ([t for t, _ in found[kind]] for kind in ("frame", "mask"))
    if Counter(frames) != Counter(wanted):
        if set(frames) == {wanted[0]} and len(wanted) > 1:
            return Complaint.of(f"""only-first: Only frame {wanted[0]} is shown, the first of the indices.
                Each of them gets a column.""")
        if sorted(frames) == list(range(len(frames))):
            return Complaint.of(f"""indices-ignored: Frames {_listed(sorted(frames))} are shown, whatever the
                indices are. For each column k, ask for `dataset[indices[k]]`, not `dataset[k]`.""")
        return Complaint.of(f"wrong-frames: Frames {_listed(frames)} are shown, expected {_listed(wanted)}.")
    if Counter(masks) != Counter(frames):
        return Complaint.of(f"""mask-of-another: The masks shown are of frames {_listed(masks)}, the
            frames are {_listed(frames)}. Take both from one `sample = dataset[index]`.""")
    return None


def _wrong_places(found, wanted):
    """Whether a frame or mask stands elsewhere than in the column of its index. -> Complaint or None"""
    boxes = [box for items in found.values() for _, box in items]  # left, top, right, bottom
    height = sum(bottom - top for _, top, _, bottom in boxes) / len(boxes)
    above, below = ([box[1] for _, box in found[kind]] for kind in ("frame", "mask"))
    uneven = any(max(row) - min(row) > height / 2 for row in (above, below))
    if uneven or abs(min(above) - min(below)) < height / 2:
        return Complaint.of("""side-by-side: Frame and mask of an index do not stand one above the other in a
            column of their own: 2 rows, and as many columns as there are indices.""")
    if min(above) > min(below):
        return Complaint.of("""masks-above: The masks stand above the frames. The frames go into the first
            row.""")
    rows = (sorted(found[kind], key=lambda item: item[1][0]) for kind in ("frame", "mask"))  # by their left
    frames, masks = ([t for t, _ in row] for row in rows)
    if frames != wanted:
        return Complaint.of(f"""wrong-order: From left to right these are frames {_listed(frames)}, expected
            {_listed(wanted)}, as the indices say.""")
    if masks != wanted:
        return Complaint.of("""mask-of-another: Below a frame stands the mask of another one. Take both from
            one `sample = dataset[index]`.""")
    return None


def _listed(numbers):
    return ", ".join(map(str, numbers))


# --- the properties


class FrameAboveMask(Property):
    name = "each index has a column: its frame above its mask"
    points = 3
    hidden = ("tiles", "boxes")  # colours of the mask and sizes are the student's to choose
    indices = (4, 7, 2)

    def inputs(self, rng):
        """Random frames; masks are boxes, each of another size and place."""
        T, H, W = 9, 12, 20
        frames = torch.from_numpy(rng.integers(0, 256, size=(T, H, W, 3), dtype=np.uint8))
        masks = torch.zeros(T, H, W, dtype=torch.uint8)
        for t in range(T):
            top, left = 1 + t % 4, 1 + t
            masks[t, top : top + 3 + t % 3, left : left + 3 + t // 2] = 255
        return {"frames": frames, "masks": masks, "indices": torch.tensor(self.indices)}

    def call(self, given, **inputs):
        return _shown(given, **inputs)

    def judge(self, outputs, **inputs):
        return _complaint_on(outputs, **inputs)


class AnyNumber(FrameAboveMask):
    name = "one index, or five of them, the same twice"
    points = 1
    after = (FrameAboveMask,)
    hidden = ("tiles", "boxes", "tiles_of_one", "boxes_of_one")
    indices = (8, 3, 3, 0, 5)

    def call(self, given, frames, masks, indices):
        try:
            one = _shown(given, frames, masks, indices[:1])
        except (TypeError, IndexError, AttributeError, ValueError) as error:
            raise Problem.of(f"""one-index: For one index your code raises {type(error).__name__}
                ({" ".join(str(error).split())[:80]}). `plt.subplots(2, n)` gives an array of another shape
                where n is 1; with `squeeze=False` it is always (2, n).""") from None
        one = {f"{name}_of_one": value for name, value in one.items()}
        return _shown(given, frames, masks, indices) | one

    def judge(self, outputs, frames, masks, indices):
        one = {name: outputs[f"{name}_of_one"] for name in ("tiles", "boxes")}
        wrong = _complaint_on(one, frames, masks, indices[:1])
        if wrong:
            return Complaint("one-index", f"For one index: {wrong.text}")
        wrong = _complaint_on(outputs, frames, masks, indices)
        text = f"For the indices {_listed(indices.tolist())}:"
        return wrong and Complaint("five-indices", f"{text} {wrong.text}")


class Undistorted(FrameAboveMask):
    name = "the pictures keep their proportions"
    points = 1
    after = (FrameAboveMask,)
    indices = (1, 6)

    def judge(self, outputs, **inputs):
        H, W = inputs["masks"].shape[1:]
        left, top, right, bottom = outputs["boxes"].unbind(-1)
        stretch = ((right - left) / W) / ((bottom - top) / H)  # 1: pixels are square
        if len(stretch) and float((stretch - 1).abs().max()) < 0.05:
            return _complaint_on(outputs, **inputs)  # proportions of the right pictures
        return Complaint.of("""stretched: The pictures are stretched: pixels are not square. Leave `aspect` of
            `imshow` as it is ("equal"): a stretched dolphin has the wrong shape.""")


samples = Exercise(1, "Look at the data", ("show_samples",), (FrameAboveMask(), AnyNumber(), Undistorted()))
