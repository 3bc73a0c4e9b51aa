"""Check of lesson 1: look at the data (exercise 1)."""

import contextlib
from collections import Counter

import numpy as np
import torch

from ..video import SegmentedVideo
from .core import Complaint, Exercise, Problem, Property, describe

CALL = "show_samples(dataset, indices)"
KIND_TEXTS = {  # what is said of a picture that is not as it should be
    "bgr": "The frames' red and blue are exchanged. The dataset gives RGB, which is what `imshow` takes: show it as it is.",
    "grey": 'The frames have lost their colour. Show `sample["original"]`, all three channels of it.',
    "upside-down": "A picture stands on its head or is mirrored. Row 0 is the top row: leave `origin` of `imshow` as it is.",
    "faint": "A mask can hardly be told from nothing: its 0 and 1 get nearly the same colour. For values from 0 to 1, "
    '`cmap="gray", vmin=0, vmax=1`.',
    "black": "A picture is of one colour all over. The values are floats from 0 to 1: do not make them integers, and let "
    "the colours run from 0 to 1.",
    "unknown": "A picture is neither a frame nor a mask of the dataset. "
    'Show `sample["original"]` and `sample["segmented"]` as they are.',
}


# --- from a figure to arrays
# ----------------------------------------------------------------------------------------


def dataset_of(frames, masks):
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


def shown(given, frames, masks, indices):
    """What the student's figure shows: tiles (N, H, W, 3) as they look, boxes (N, 4) left, top, right,
    bottom, in pixels."""
    from matplotlib.figure import Figure

    with own_figures() as opened:
        figure = given.show_samples(dataset_of(frames, masks), indices.tolist())
        if figure is None:
            if opened():
                raise Problem.of(f"""shown-not-returned: `{CALL}` draws a figure but gives None. End it with
                    `return figure`; a notebook shows a figure that is returned, `plt.show()` is not
                    needed.""")
            raise Problem.of(f"""none: `{CALL}` gives None, expected a matplotlib Figure. Is the `return`
                missing?""")
        if not isinstance(figure, Figure):
            if isinstance(figure, (tuple, list)) and any(isinstance(part, Figure) for part in figure):
                how = " It is among them: return the figure alone."
            elif hasattr(figure, "figure") or isinstance(figure, np.ndarray):
                how = " These are axes; `figure, axes = plt.subplots(...)` gives both: return the figure."
            else:
                how = ""
            raise Problem.of(f"""not-a-figure: `{CALL}` gives {describe(figure)}, expected a matplotlib
                Figure.{how}""")
        return tiles_of(figure, masks.shape[1:])


def tiles_of(figure, size):
    """The pictures of a figure, as they look and where they are.

    A picture that was put together from several is cut up again.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # computes layout and aspect, whatever the notebook's backend
    figure.draw_without_rendering()
    H, W = size
    tiles, boxes = [], []
    for ax in figure.axes:
        for picture in ax.images if ax.get_visible() else ():
            if not picture.get_visible():
                continue
            look = np.asarray(picture.to_rgba(picture.get_array()), float)  # (h, w, 4)
            look = look[..., :3] * look[..., 3:] + (1 - look[..., 3:])
            left, right, bottom, top = picture.get_extent()
            first, last = (
                (top, bottom) if picture.origin == "upper" else (bottom, top)
            )  # row 0 and the last one
            (x0, y0), (x1, y1) = ax.transData.transform([(left, first), (right, last)])
            look = look[:, ::-1] if x0 > x1 else look
            look = look[::-1] if y0 < y1 else look  # matplotlib's y goes up
            h, w = look.shape[:2]
            if h % H or w % W:
                raise Problem.of(f"""resized: A picture of {w} x {h} pixels is shown, where frames and masks are
                    {W} x {H}. Show them whole and unchanged, with channels last: (H, W, 3), and (H, W) for
                    the mask.""")
            rows, columns = h // H, w // W
            x, y = (
                np.linspace(min(x0, x1), max(x0, x1), columns + 1),
                np.linspace(-max(y0, y1), -min(y0, y1), rows + 1),
            )
            for i in range(rows):
                for j in range(columns):
                    tiles.append(look[i * H : (i + 1) * H, j * W : (j + 1) * W])
                    boxes.append((x[j], y[i], x[j + 1], y[i + 1]))
    if len(tiles) > 100:
        raise Problem.of(f"""too-many: {len(tiles)} pictures are shown. One frame and one mask for each index,
            and no others.""")
    return {
        "tiles": torch.from_numpy(np.stack(tiles)) if tiles else torch.zeros(0, H, W, 3, dtype=torch.float64),
        "boxes": torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4),
    }


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
# --------------------------------------------------------------------------------------------


def recognise(tile, frames, masks):
    """Which picture of the dataset a tile is: ("frame", t), ("mask", t), or (what is wrong with it, None)."""
    if float((tile - tile[:1, :1]).abs().max()) < 0.02:
        return "black", None
    for t, frame in enumerate(frames):
        frame = frame.double() / 255
        for kind, look in (
            ("frame", frame),
            ("bgr", frame.flip(-1)),
            ("upside-down", frame.flip(0)),
            ("upside-down", frame.flip(1)),
            ("upside-down", frame.flip(0, 1)),
        ):
            if float((tile - look).abs().max()) < 0.02:
                return kind, t
    found = []
    for t, mask in enumerate(masks):
        for kind, on in (
            ("mask", mask > 0),
            ("upside-down", mask.flip(0) > 0),
            ("upside-down", mask.flip(1) > 0),
        ):
            inside, outside = tile[on], tile[~on]
            if max(float((part - part[:1]).abs().max()) for part in (inside, outside)) < 0.02:
                contrast = float((inside[0] - outside[0]).norm())
                found.append(("faint" if contrast < 0.4 else kind, t))
    if found:
        return found[0]
    if float((tile - tile.mean(-1, keepdim=True)).abs().max()) < 0.02:
        return "grey", None
    return "unknown", None


def in_reading_order(items, axis):
    """Their pictures by place along an axis, 0 from left to right, 1 from top to bottom. items: (t, box) ->
    [t, ...]"""
    return [t for t, _ in sorted(items, key=lambda item: float(item[1][axis]))]


def complaint_on(outputs, frames, masks, indices):
    """What is wrong with what is shown, the gravest first; None if each column has its frame above its
    mask."""
    tiles, boxes, wanted = outputs["tiles"], outputs["boxes"], indices.tolist()
    if len(tiles) == 0:
        return Complaint.of("""empty-figure: The figure shows no picture. `axis.imshow(...)` puts one into an
            axis.""")
    kinds = [recognise(tile, frames, masks) for tile in tiles]
    wrong = [kind for kind, _ in kinds if kind in KIND_TEXTS]
    if wrong:
        kind = "faint" if set(wrong) == {"black"} and any(kind == "frame" for kind, _ in kinds) else wrong[0]
        key = {"faint": "mask-hidden", "unknown": "not-the-data"}.get(kind, kind)
        return Complaint(key, KIND_TEXTS[kind])
    shown_frames = [(t, box) for (kind, t), box in zip(kinds, boxes) if kind == "frame"]
    shown_masks = [(t, box) for (kind, t), box in zip(kinds, boxes) if kind == "mask"]
    for missing, items, name in (("masks", shown_masks, "segmented"), ("frames", shown_frames, "original")):
        if not items:
            return Complaint(f"{missing}-missing", f'The {missing} are not shown: `sample["{name}"]`.')
    found, found_masks = [t for t, _ in shown_frames], [t for t, _ in shown_masks]
    if Counter(found) != Counter(wanted):
        if set(found) == {wanted[0]} and len(wanted) > 1:
            return Complaint.of(f"""only-first: Only frame {wanted[0]} is shown, the first of the indices.
                Each of them gets a column.""")
        if sorted(found) == list(range(len(found))):
            return Complaint.of(f"""indices-ignored: Frames {listed(sorted(found))} are shown, whatever the
                indices are. For each column k, ask for `dataset[indices[k]]`, not `dataset[k]`.""")
        return Complaint.of(f"wrong-frames: Frames {listed(found)} are shown, expected {listed(wanted)}.")
    if Counter(found_masks) != Counter(found):
        return Complaint.of(f"""mask-of-another: The masks shown are of frames {listed(found_masks)}, the
            frames are {listed(found)}. Take both from one `sample = dataset[index]`.""")
    height = float((boxes[:, 3] - boxes[:, 1]).mean())
    tops = [[float(box[1]) for _, box in items] for items in (shown_frames, shown_masks)]
    if any(max(row) - min(row) > height / 2 for row in tops) or abs(min(tops[0]) - min(tops[1])) < height / 2:
        return Complaint.of("""side-by-side: Frame and mask of an index do not stand one above the other in a
            column of their own: 2 rows, and as many columns as there are indices.""")
    if min(tops[0]) > min(tops[1]):
        return Complaint.of("""masks-above: The masks stand above the frames. The frames go into the first
            row.""")
    order = in_reading_order(shown_frames, 0)
    if order != wanted:
        return Complaint.of(f"""wrong-order: From left to right these are frames {listed(order)}, expected
            {listed(wanted)}, as the indices say.""")
    if in_reading_order(shown_masks, 0) != wanted:
        return Complaint.of("""mask-of-another: Below a frame stands the mask of another one. Take both from
            one `sample = dataset[index]`.""")
    return None


def listed(numbers):
    return ", ".join(map(str, numbers))


def case(rng, indices, T=9, H=12, W=20):
    """Random frames; masks are boxes, each of another size and place."""
    frames = torch.from_numpy(rng.integers(0, 256, size=(T, H, W, 3), dtype=np.uint8))
    masks = torch.zeros(T, H, W, dtype=torch.uint8)
    for t in range(T):
        top, left = 1 + t % 4, 1 + t
        masks[t, top : top + 3 + t % 3, left : left + 3 + t // 2] = 255
    return {"frames": frames, "masks": masks, "indices": torch.tensor(indices)}


# --- the properties
# -------------------------------------------------------------------------------------------------


class FrameAboveMask(Property):
    name = "each index has a column: its frame above its mask"
    points = 3
    hidden = ("tiles", "boxes")  # colours of the mask and sizes are the student's to choose

    def inputs(self, rng):
        return case(rng, [4, 7, 2])

    def call(self, given, frames, masks, indices):
        return shown(given, frames, masks, indices)

    def judge(self, outputs, frames, masks, indices):
        return complaint_on(outputs, frames, masks, indices)


class AnyNumber(Property):
    name = "one index, or five of them, the same twice"
    points = 1
    after = (FrameAboveMask,)
    hidden = ("tiles", "boxes", "tiles_of_one", "boxes_of_one")

    def inputs(self, rng):
        return case(rng, [8, 3, 3, 0, 5])

    def call(self, given, frames, masks, indices):
        try:
            one = shown(given, frames, masks, indices[:1])
        except (TypeError, IndexError, AttributeError, ValueError) as error:
            raise Problem.of(f"""one-index: For one index your code raises {type(error).__name__}
                ({" ".join(str(error).split())[:80]}). `plt.subplots(2, n)` gives an array of another shape
                where n is 1; with `squeeze=False` it is always (2, n).""") from None
        return {
            **shown(given, frames, masks, indices),
            **{f"{name}_of_one": value for name, value in one.items()},
        }

    def judge(self, outputs, frames, masks, indices):
        one = {name: outputs[f"{name}_of_one"] for name in ("tiles", "boxes")}
        wrong = complaint_on(one, frames, masks, indices[:1])
        if wrong:
            return Complaint.of(f"one-index: For one index: {wrong.text}")
        wrong = complaint_on(outputs, frames, masks, indices)
        return wrong and Complaint.of(f"""five-indices: For the indices {listed(indices.tolist())}:
            {wrong.text}""")


class Undistorted(Property):
    name = "the pictures keep their proportions"
    points = 1
    after = (FrameAboveMask,)
    hidden = ("tiles", "boxes")

    def inputs(self, rng):
        return case(rng, [1, 6])

    def call(self, given, frames, masks, indices):
        return shown(given, frames, masks, indices)

    def judge(self, outputs, frames, masks, indices):
        H, W = masks.shape[1:]
        left, top, right, bottom = outputs["boxes"].unbind(-1)
        stretch = ((right - left) / W) / ((bottom - top) / H)  # 1: pixels are square
        if len(stretch) and float((stretch - 1).abs().max()) < 0.05:
            return complaint_on(outputs, frames, masks, indices)  # proportions of the right pictures
        return Complaint.of("""stretched: The pictures are stretched: pixels are not square. Leave `aspect` of
            `imshow` as it is ("equal"): a stretched dolphin has the wrong shape.""")


samples = Exercise(1, "Look at the data", ("show_samples",), (FrameAboveMask(), AnyNumber(), Undistorted()))
