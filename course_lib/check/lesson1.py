"""Check of lesson 1: look at the data (exercise 1)."""

import contextlib
from collections import Counter

import numpy as np
import torch

from ..errors import fold
from ..video import SegmentedVideo
from .core import Complaint, Exercise, Problem, Property, describe
from .difference import apart, difference

CALL = "show_samples(dataset, indices)"
TURNS = {
    "upside-down: The {} stands on its head: leave `origin` of `imshow`, row 0 is the top row.": (0,),
    "mirrored: The {} is mirrored: left and right are exchanged.": (1,),
    "turned: The {} is turned by 180 degrees.": (0, 1),
}
# What a picture shows instead of a frame: of frame (H, W, 3) and mask (H, W, 1), from 0 to 1.
OF_FRAMES = {
    """bgr: The frames' red and blue are exchanged. The dataset gives RGB, which is what `imshow` takes: show
    it as it is.""": lambda f, m: f.flip(-1),
    **{said.format("frame"): lambda f, m, dims=dims: f.flip(dims) for said, dims in TURNS.items()},
    """times-255: The frames are multiplied by 255, and `imshow` cuts off all floats above 1. The dataset's
    values go from 0 to 1: show them as they are.""": lambda f, m: (255 * f).clamp(0, 1),
    """black: The frames' values are cut off to whole numbers, so all below 1 are black. They are floats from
    0 to 1: show them as they are.""": (lambda f, m: f.floor() / 255, lambda f, m: f.floor()),
    """masked: The frames are multiplied by their masks: nothing is left but the dolphin. Show
    `sample["original"]` whole.""": lambda f, m: f * m,
    """masked: The frames have lost the dolphin: they are multiplied by 1 - mask. Show `sample["original"]`
    whole.""": lambda f, m: f * (1 - m),
    **{
        f"one-channel: The frames have only their {name}. Show all three channels.": lambda f, m, k=k: (
            f * torch.eye(3).to(f)[k]
        )
        for k, name in enumerate(("red", "green", "blue"))
    },
    "mixed: The frame is mixed with its mask. Show them one above the other.": lambda f, m: (f + m) / 2,
}
GREY = """grey: The frames have lost their colour: one channel is shown, or a mean of them. Show
    `sample["original"]`, all three channels of it."""
INVERTED = """inverted: The mask is inverted: its values are 1 beside the dolphin and 0 on it. Show
    `sample["segmented"]` as it is."""
DIVIDED = """mask-divided: The mask's values are divided by 255: the dolphin is 1/255, not 1. They go from 0
    to 1 already: show `sample["segmented"]` as it is."""
HIDDEN = """mask-hidden: A mask can hardly be told from nothing: its 0 and 1 get nearly the same colour. For
    values from 0 to 1, `cmap="gray", vmin=0, vmax=1`."""


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


def _shown(given, frames, masks, indices, beside=False, higher=1):
    """What the student's figure shows, as `_tiles_of` gives it.

    beside: another figure is open already. higher: by how much the figure is made higher before it is drawn.
    """
    from matplotlib.figure import Figure

    dataset, numbers = _dataset_of(frames.cpu(), masks.cpu()), indices.tolist()
    with own_figures(beside) as opened:
        try:
            figure = given.show_samples(dataset, numbers)
        except KeyError as error:
            if error.args[0] in dataset[0]:
                raise
            raise Problem.of(f"""no-such-key: {error} is asked of a sample, which has
                {", ".join(dataset[0])}.""") from None
        except TypeError as error:
            if "Invalid shape" not in str(error):
                raise
            raise Problem.of(f"""picture-shape: `imshow` takes (H, W, 3), channels last, as colours, and (H,
                W) as numbers. It says: {error}.""") from None
        except Exception as error:
            error.case = f" for the indices {_listed(indices.tolist())}"
            raise
        if numbers != indices.tolist():
            raise Problem.of(f"""changed-input: Your code changes the list `indices` that it is given, from
                {indices.tolist()} to {numbers}. Whoever called it needs that still: work on a copy,
                `list(indices)`.""")
        if isinstance(figure, Figure):
            opened()
            figure.set_figheight(higher * figure.get_figheight())
            return _tiles_of(figure, masks.shape[1:], 2 * len(numbers))
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


def _tiles_of(figure, size, wanted):
    """The pictures of a figure, of which so many are wanted: made of what, how they look, where they are.

    -> values and looks (N, H, W, 3), colours; mapped (N,) bool: whether a colour map makes colours of the
    values; boxes (N, 4): left, top, right, bottom, in pixels. A picture that was put together from several is
    cut up again.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # computes layout and aspect, whatever the notebook's backend
    figure.draw_without_rendering()
    found = {"values": [], "looks": [], "mapped": [], "boxes": []}
    shown = [(ax, picture) for ax in figure.axes if ax.get_visible() for picture in ax.images]
    for ax, picture in shown:
        if picture.get_visible():
            for name, value in _parts_of(ax, picture, size).items():
                found[name].append(value)
    if (count := sum(map(len, found["boxes"]))) > 100:
        raise Problem.of(f"""too-many: {count} pictures are shown. One frame and one mask for each index, and
            no others.""")
    if not count:
        how = "" if figure.axes else " It has no axes at all: were they made in another one, or cleared?"
        raise Problem.of(f"""empty-figure: The figure shows no picture. `axis.imshow(...)` puts one into an
            axis.{how}""")
    empty = sum(ax.get_visible() and ax.axison and not ax.has_data() for ax in figure.axes)
    if empty and count == wanted:
        raise Problem.of(f"""empty-axes: Besides the {count} pictures the figure has {empty} empty axes. Make
            as many as there are pictures: 2 rows, and a column for each index.""")
    return {name: torch.cat(parts) for name, parts in found.items()}


def _parts_of(ax, picture, size):
    """What `_tiles_of` gives, of one picture."""
    (H, W), array = size, np.ma.filled(picture.get_array(), 0)
    look = np.asarray(picture.to_rgba(picture.get_array(), picture.get_alpha()), float)  # (h, w, 4)
    look = look[..., :3] * look[..., 3:] + (1 - look[..., 3:])
    mapped = array.ndim == 2
    values = np.repeat(array[..., None], 3, -1) if mapped else look
    left, right, bottom, top = picture.get_extent()
    first, last = (top, bottom) if picture.origin == "upper" else (bottom, top)  # row 0 and the last one
    (x0, y0), (x1, y1) = ax.transData.transform([(left, first), (right, last)])
    h, w = look.shape[:2]
    beyond = np.abs(
        [(x1 + x0) / 2 - (ax.bbox.x1 + ax.bbox.x0) / 2, (y1 + y0) / 2 - (ax.bbox.y1 + ax.bbox.y0) / 2]
    )
    beyond += (np.abs([x1 - x0, y1 - y0]) - ax.bbox.size) / 2  # how far the picture is cut off, pixels
    if (beyond > 0.6 * np.abs([(x1 - x0) / w, (y1 - y0) / h])).any():
        raise Problem.of("""cut-off: Only a part of a picture is seen: the limits of its axis, as `set_xlim`,
            `set_ylim` and `axis` set them, are narrower than the picture. Leave them as `imshow` makes
            them.""")
    if (h, w) == (W, H):
        raise Problem.of(f"""transposed: A picture has its rows and columns exchanged: it is {w} pixels wide
            and {h} high, the dataset's are {W} x {H}.""")
    if h % H or w % W:
        raise Problem.of(f"""resized: A picture of {w} x {h} pixels is shown, where frames and masks are {W} x
            {H}. Show them whole and unchanged, with channels last: (H, W, 3), and (H, W) for the mask.""")
    rows, columns = h // H, w // W

    def cut(pixels):
        pixels = pixels[:, ::-1] if x0 > x1 else pixels
        pixels = pixels[::-1] if y0 < y1 else pixels  # matplotlib's y goes up
        parts = torch.from_numpy(np.array(pixels, float)).reshape(rows, H, columns, W, 3)
        return parts.transpose(1, 2).flatten(0, 1)

    x = np.linspace(min(x0, x1), max(x0, x1), columns + 1)
    y = np.linspace(-max(y0, y1), -min(y0, y1), rows + 1)
    boxes = [(x[j], y[i], x[j + 1], y[i + 1]) for i in range(rows) for j in range(columns)]
    boxes = torch.tensor(boxes, dtype=torch.float64)
    mapped = torch.full((len(boxes),), mapped)
    return {"values": cut(values), "looks": cut(look), "mapped": mapped, "boxes": boxes}


def _works_unsqueezed(given, *case):
    """Whether it works where `subplots` gives a two-dimensional array of axes, always."""
    from matplotlib.figure import Figure

    subplots = Figure.subplots
    Figure.subplots = lambda *args, **options: subplots(*args, **{**options, "squeeze": False})
    try:
        return bool(_shown(given, *case))
    except Exception:
        return False
    finally:
        Figure.subplots = subplots


@contextlib.contextmanager
def own_figures(beside=False):
    """Shows none of the student's figures while checking, and closes them.

    Gives a function: how many there were. beside: another figure is open all the while; the function raises a
    Problem where it was drawn into.
    """
    from matplotlib import pyplot

    before, show, count = set(pyplot.get_fignums()), pyplot.show, []
    pyplot.show = lambda *args, **options: count.append(1)
    other = pyplot.figure(None if 1 in before else 1) if beside else None

    def opened():
        if other and other.axes:
            raise Problem.of("""same-figure: It draws into a figure that was there before, and may belong to
                another call: `plt.gcf()`, `plt.subplot`, `plt.imshow` and `plt.figure(1)` take the one that
                is open. Make a new one in each call, `figure, axes = plt.subplots(...)`.""")
        return len(set(pyplot.get_fignums()) - before) - bool(other) + len(count)

    try:
        yield opened
    finally:
        pyplot.show = show
        for number in set(pyplot.get_fignums()) - before:
            pyplot.close(number)


# --- what the arrays are


def _near(tile, picture):
    return apart(tile, picture.expand_as(tile)) <= 0.02 * float(picture.abs().max())


def _recognise(values, look, mapped, frames, masks):
    """Which picture of the dataset a tile is. -> ("frame" or "mask", t), or (what is said of it, None)"""
    if _near(values, values[:1, :1]):
        return f"one-colour: A picture is {float(values[0, 0, 0]):.3g} all over.", None
    for t, mask in enumerate(masks):
        if kind := _as_mask(values, look, mapped, mask > 0):
            return kind, t
    for t, (frame, mask) in enumerate(zip(frames, masks[..., None] / 255.0)):
        if not mapped and _near(values, frame):
            return "frame", t
        if any(_near(values[..., k], _mix(values[..., k], frame)) for k in range(3)) and _near(
            values, values[..., :1]
        ):
            return GREY, t
        for said, makes in OF_FRAMES.items():
            for one in makes if isinstance(makes, tuple) else (makes,):
                if not mapped and _near(values, one(frame, mask)):
                    return said, t
    by = [float((values - frame).abs().mean()) for frame in frames]
    t = int(np.argmin(by))
    text = difference("picture", values, frames[t], tolerance=0.02)
    return f"not-the-data: A picture is no frame and no mask of the dataset. Of frame {t}, {text}", None


def _as_mask(values, look, mapped, mask):
    """The kind of a tile that shows a mask (H, W), or what is said of it; None if it does not."""
    for said, dims in ({"mask": ()} | TURNS).items():
        inside = mask.flip(dims)
        on, beside = values[inside], values[~inside]
        if _near(on, on[:1]) and _near(beside, beside[:1]) and not _near(on[:1], beside[:1]):
            contrast = float((look[inside][0] - look[~inside][0]).norm())
            inverted = on[0, 0] < beside[0, 0] if mapped else _near(values, 1.0 - inside[..., None].double())
            wrong = HIDDEN * (contrast < 0.4) or INVERTED * inverted
            small = mapped and 255 * (on[0, 0] - beside[0, 0]) < 2
            return wrong or DIVIDED * bool(small) or said.format("mask")
    return None


def _mix(values, frame):
    """The mix of a frame's channels, and a constant, that is nearest to values (H, W)."""
    columns = torch.cat([frame.flatten(0, 1), torch.ones(len(frame) * frame.shape[1], 1).to(frame)], 1)
    weights = torch.linalg.lstsq(columns, values.reshape(-1, 1)).solution
    return (columns @ weights).reshape(values.shape)


def _complaint_on(outputs, frames, masks, indices):
    """What is wrong with what is shown, the gravest first. -> Complaint or None"""
    frames, pictures = frames.double() / 255, (outputs[name] for name in ("values", "looks", "mapped"))
    kinds = [_recognise(*picture, frames, masks) for picture in zip(*pictures)]
    found, wanted = {"frame": [], "mask": []}, indices.tolist()
    others = [kind for kind, _ in kinds if kind not in found]
    for (kind, t), box in zip(kinds, outputs["boxes"].tolist()):
        found.get(kind, []).append((t, box))
    if others and all(Counter(t for t, _ in found[kind]) == Counter(wanted) for kind in found):
        return Complaint.of(f"""more-pictures: {len(others)} more pictures are shown than the frames and masks
            of the indices. Show these alone, in 2 rows.""")
    if others:  # of one that is white or black all over another tells more
        key, text = Complaint.of(min(others, key=lambda said: said.startswith("one-colour")))
        if Counter(t for t, _ in found["frame"]) == Counter(wanted) and not found["mask"] and "frame" in text:
            text = f"""The frames are there, and where their masks belong it shows them again, changed.
                {text.partition(". ")[0]}. A mask is `sample["segmented"]`, alone."""
        return Complaint(key, fold(text))
    for kind, name in (("mask", "segmented"), ("frame", "original")):
        if not found[kind]:
            return Complaint(f"{kind}s-missing", f'The {kind}s are not shown: `sample["{name}"]`.')
    for kind in found:
        if wrong := _wrong_choice([t for t, _ in found[kind]], wanted, kind):
            return wrong
    return _wrong_places(found, wanted)


def _wrong_choice(shown, wanted, kind):
    """Whether other frames or masks are shown than those that are wanted. -> Complaint or None"""
    if Counter(shown) == Counter(wanted):
        return None
    steps = {t - index for t, index in zip(shown, wanted)} if len(shown) == len(wanted) else {}
    these, those = f"{kind}s {_listed(shown)} are shown", f"expected {_listed(wanted)}"
    for end, only in {"first": wanted[0], "last": wanted[-1]}.items():
        if set(shown) == {only} and len(set(wanted)) > 1:
            return Complaint.of(f"""only-{end}: Only {kind} {only} is shown, the {end} of the indices. Each of
                them gets a column: `imshow` belongs into the loop, the figure is made before it.""")
    if sorted(shown) == list(range(len(wanted))):
        return Complaint.of(f"""indices-ignored: {these.capitalize()}, whatever the indices are. For each
            column k, ask for `dataset[indices[k]]`, not `dataset[k]`.""")
    if len(steps) == 1:
        [step] = steps
        return Complaint.of(f"""shifted: {these.capitalize()}, {those}: each is {abs(step)} too
            {"late" if step > 0 else "early"}.""")
    if Counter(shown) == Counter(2 * wanted):
        return Complaint.of(f"twice: {these.capitalize()}, each of them twice.")
    if Counter(shown) == Counter(set(wanted)):
        return Complaint.of(f"""once-each: {these.capitalize()}, {those}: an index that is there twice gets
            two columns.""")
    key = (
        "first-missing"
        if shown == wanted[1:]
        else "last-missing"
        if shown == wanted[:-1]
        else f"wrong-{kind}s"
    )
    missing = Counter(wanted) - Counter(shown)
    what = f": {_listed(sorted(missing.elements()))} is missing" if len(missing) == 1 else ""
    return Complaint.of(f"{key}: {these.capitalize()}, {those}{what}.")


def _wrong_places(found, wanted):
    """Whether a frame or mask stands elsewhere than in the column of its index. -> Complaint or None"""
    rows = [sorted(found[kind], key=lambda item: item[1][0] + item[1][2]) for kind in ("frame", "mask")]
    (frames, masks), boxes = ([t for t, _ in row] for row in rows), [[box for _, box in row] for row in rows]
    boxes = torch.tensor(boxes, dtype=torch.float64)  # (2, n, 4): left, top, right, bottom
    middles, sizes = (boxes[..., 2:] + boxes[..., :2]) / 2, boxes[..., 2:] - boxes[..., :2]  # (2, n, 2)
    if len(boxes.flatten(0, 1).round().unique(dim=0)) < boxes[..., 0].numel():
        return Complaint.of("""on-one-another: Pictures lie on one another: each needs an axis of its own,
            `axes[row, k].imshow(...)`.""")
    half_wide, half_high = sizes.mean((0, 1)) / 2
    off = (middles[0] - middles[1]).abs()  # (n, 2): of a mask from its frame
    uneven = (middles[..., 1] - middles[:, :1, 1]).abs() > half_high
    if uneven.any() or (off[:, 0] > half_wide).any() or (off[:, 1] < half_high).any():
        return Complaint.of("""side-by-side: Frame and mask of an index do not stand one above the other in a
            column of their own: 2 rows, and as many columns as there are indices.""")
    if middles[0, 0, 1] > middles[1, 0, 1]:
        return Complaint.of("""masks-above: The masks stand above the frames. The frames go into the first
            row.""")
    if frames != wanted:
        return Complaint.of(f"""wrong-order: From left to right these are frames {_listed(frames)}, expected
            {_listed(wanted)}, as the indices say.""")
    if masks != wanted:
        return Complaint.of(f"""mask-of-another: From left to right these are the masks of frames
            {_listed(masks)}, below the frames {_listed(frames)}. Take both from one `sample =
            dataset[index]`.""")
    return None


def _listed(numbers):
    return ", ".join(map(str, numbers))


# --- the properties

SHOWN = ("values", "looks", "mapped", "boxes")


class FrameAboveMask(Property):
    name = "each index has a column: its frame above its mask"
    points = 3
    hidden = SHOWN  # colours of the mask and sizes are the student's to choose
    varying = SHOWN  # more pictures, or fewer, have a name
    indices, size = (4, 7, 2), (12, 20)

    def inputs(self, rng):
        """Random frames; masks are boxes, each of another size and place."""
        T, (H, W) = 9, self.size
        frames = torch.from_numpy(rng.integers(20, 236, size=(T, H, W, 3), dtype=np.uint8))
        frames[::2, 0, 0], frames[1::2, 0, 0] = 255, 0  # no frame has both: stretched to both it differs
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
    hidden = varying = (*SHOWN, *(f"{name}_of_one" for name in SHOWN))
    indices = (8, 3, 3, 0, 5)

    def call(self, given, frames, masks, indices):
        try:
            one = _shown(given, frames, masks, indices[:1], beside=True)
        except (TypeError, IndexError, AttributeError, ValueError) as error:
            text = f"For one index your code raises {type(error).__name__} ({str(error)[:80]})."
            if _works_unsqueezed(given, frames, masks, indices[:1]):
                text += """ `subplots(2, n)` gives an array of another shape where n is 1; with
                    `squeeze=False` it is always (2, n)."""
            raise Problem.of(f"one-index: {text}") from None
        one = {f"{name}_of_one": value for name, value in one.items()}
        return _shown(given, frames, masks, indices) | one

    def judge(self, outputs, frames, masks, indices):
        one = {name: outputs[f"{name}_of_one"] for name in SHOWN}
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
    indices, size = (1, 6), (36, 64)

    def call(self, given, **inputs):
        return _shown(given, **inputs, higher=2)

    def judge(self, outputs, **inputs):
        H, W = inputs["masks"].shape[1:]
        left, top, right, bottom = outputs["boxes"].unbind(-1)
        stretch = ((right - left) / W) / ((bottom - top) / H)  # 1: pixels are square
        if len(stretch) and float((stretch - 1).abs().max()) < 0.05:
            return _complaint_on(outputs, **inputs)  # proportions of the right pictures
        worst = float(stretch[(stretch.log()).abs().argmax()])
        return Complaint.of(f"""stretched: The pictures are stretched: where your figure is made twice as
            high, a pixel is {worst:.3g} times as wide as high. Leave `aspect` and `extent` of `imshow` as
            they are: a stretched dolphin has the wrong shape.""")


samples = Exercise(1, "Look at the data", ("show_samples",), (FrameAboveMask(), AnyNumber(), Undistorted()))
