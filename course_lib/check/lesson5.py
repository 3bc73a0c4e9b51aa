"""Checks of lesson 5: the output video (exercise 8), the orientation (9) and the dolphin's measures (10)."""

import itertools
import math
import re
from functools import partial

import numpy as np
import torch
from torch.nn.functional import normalize

from ..errors import fold
from ..metrics import rotation_steps
from ..rotations import rotmat_to_rotvec, rotvec_to_rotmat
from .card import Shown
from .core import Complaint, Exercise, Problem, close, describe, number, tensor
from .difference import apart, difference, in_digits, in_words, linear, of_all
from .same import Same, SameGradient

TURN = 2 * math.pi

# --- exercise 8: the frame, right, and with tiles of one's own

PICTURES = ("original", "segmentation", "render", "soft_mask")
FRAME = f"compose_frame({', '.join(PICTURES)})"
# What belongs in each tile.
TILES = {
    "top left": "the original",
    "top right": "the segmentation",
    "bottom left": "the render where the soft mask is above 1/2, else the original",
    "bottom right": "the soft mask",
}


def _joined(tiles):
    a, b, c, d = tiles
    return torch.cat([torch.cat([a, b], 1), torch.cat([c, d], 1)], 0)


def _tiles(o, m, r, s):
    """The right tiles, (H, W, 3) each, in the order of TILES."""
    return [o, m.expand_as(o), torch.where(s.expand_as(r) > 0.5, r, o), s.expand_as(o)]


def _frame(*pictures):
    return _joined(_tiles(*pictures))


def _whole(change):
    """The right frame, changed."""
    return lambda *pictures: change(_frame(*pictures))


def _reordered(order):
    return lambda *pictures: _joined([_tiles(*pictures)[k] for k in order])


def _reshaped(order):
    """The tiles as one tensor (2, 2, H, W, 3), its first four dimensions in this order, read off in rows."""

    def frame(*pictures):
        tiles = torch.stack(_tiles(*pictures)).unflatten(0, (2, 2))
        return tiles.permute(*order, 4).reshape(2 * tiles.shape[2], 2 * tiles.shape[3], 3)

    return frame


# --- exercise 8: what goes wrong


def _places(order):
    """What is said where the tiles stand in another order."""
    names = "original", "segmentation", "composite", "soft mask"
    places = ", ".join(f"{place}: {names[k]}" for place, k in zip(TILES, order))
    return f"""tiles-swapped: All tiles are there, in other places ({places}). Above belong original and
        segmentation, below composite and soft mask."""


ORDERS = [order for order in itertools.permutations(range(4)) if order != (0, 1, 2, 3)]
OF_WHOLE = {
    """reshaped: The pixels of the tiles are mixed: `reshape` and `view` read numbers off row by row, and do
        not put tiles side by side. Join them with `torch.cat`: two in a row (dim=1), then the rows
        (dim=0).""": tuple(
        _reshaped(order)
        for order in itertools.permutations(range(4))
        if order not in ((0, 2, 1, 3), (1, 2, 0, 3))
    )
}
OF_FRAMES = OF_WHOLE | {
    **{_places(order): _reordered(order) for order in ORDERS},
    """rounded: The numbers are rounded to bytes, 0 to 255. Leave them as they are; `write_video` makes bytes
        of them.""": (
        _whole(lambda frame: (frame * 255).round() / 255),
        _whole(lambda frame: (frame * 255).floor() / 255),
    ),
    """overflow: White has become black: a byte ends at 255, and 256 begins again at 0. Leave the frame in
        [0, 1].""": tuple(_whole(lambda frame, n=n: (frame * 256).floor() % 256 / n) for n in (255, 256)),
}
# What may stand in a tile, as code: it is shown to the student.
CONDITIONS = (
    "soft_mask > 0.5",
    "segmentation > 0.5",
    "(soft_mask > 0.5) & (segmentation > 0.5)",
    "(soft_mask > 0.5) | (segmentation > 0.5)",
    "render > 0",
    "(render > 0) & (soft_mask > 0.5)",
    "soft_mask > 0",
)
CHOICES = (
    "original",
    "render",
    "segmentation",
    "soft_mask",
    "0",
    "1",
    "(original + render) / 2",
    "render.flip(-1)",
)
STANDS = [
    "original + render",
    *("original.mean(-1, keepdim=True)", "(original - render).abs()", "(segmentation - soft_mask).abs()"),
    *(f"torch.{which}imum(original, render)" for which in ("max", "min")),
    *(f"{a} * {b}" for a in ("original", "render") for b in ("segmentation", "soft_mask", "render")),
    *(f"original + render * {mask}" for mask in ("soft_mask", "(soft_mask > 0.5)", "segmentation")),
    *(f"render + original * (1 - {mask})" for mask in ("soft_mask", "(soft_mask > 0.5) * 1", "segmentation")),
    *(
        f"{a} * {b} + (1 - {a}) * {c}"
        for a in ("soft_mask", "segmentation")
        for b, c in itertools.permutations(("original", "render"))
    ),
    *("(soft_mask > 0.5) * render + (1 - segmentation) * original", "soft_mask / soft_mask.max()"),
    *(f"torch.where({c}, {a}, {b})" for c in CONDITIONS for a, b in itertools.permutations(CHOICES, 2)),
]
HINTS = {
    "original": """No pixel of the soft mask is above the threshold, or the result of a replacement is thrown
        away. Here the mask goes up to 0.9.""",
    "torch.where(render > 0, render, original)": "A dolphin can be black too.",
}
TWO_AND_TWO = """Two and two: join two tiles side by side (dim=1), twice, then one pair above the other
    (dim=0), to (2 H, 2 W, 3)."""


def _stands(tile, pictures):
    """The code that gives what stands in a tile, brought into [0, 1] or not. -> text, '' where none does"""
    names = {"torch": torch, **pictures}
    for code in STANDS:
        made = torch.as_tensor(eval(code, names)).to(tile).expand_as(tile)
        if close(tile, made) or close(tile, made.clamp(0, 1)):
            return code
    return ""


def _mix(tile, pictures, where=slice(None)):
    """The code of the sum of pictures, each times a number, that stands in a tile. -> text, or ''

    where: flags (H, W) of the pixels that are asked about; there a picture may be times the soft mask too.
    """
    columns = dict(pictures)
    if torch.is_tensor(where):
        columns |= {f"soft_mask * {name}": pictures["soft_mask"] * pictures[name] for name in pictures}
    tile, names = tile[where].flatten(), [*columns, ""]
    columns = [picture.expand(*picture.shape[:2], 3)[where].flatten() for picture in columns.values()]
    columns = torch.stack([*columns, torch.ones(tile.numel())], -1).double()
    if len(tile) < 2 * len(names):
        return ""
    factors = torch.linalg.lstsq(columns, tile.double()[:, None], driver="gelsd").solution[:, 0]
    parts = {name: float(f) for name, f in zip(names, factors) if abs(f) > 1e-4}
    one = len(parts) == 1 and abs(sum(parts.values()) - 1) > 1e-4 or len(parts) == 2 and "" in parts
    if one and not torch.is_tensor(where) or apart(columns @ factors, tile) > 1e-4 or len(parts) > 4:
        return ""  # of one picture `difference` says more
    text = " + ".join(f"{factor:.3g} * {name}".removesuffix(" * ") for name, factor in parts.items())
    return re.sub(r"\b1 \* ", "", text).replace("+ -", "- ") or "0"


def _by_region(tile, pictures):
    """What stands where the soft mask is above 1/2, and elsewhere. -> a sentence, or ''"""
    over = pictures["soft_mask"][..., 0] > 0.5
    there, elsewhere = (_mix(tile, pictures, where) for where in (over, ~over))
    shows = f"It shows `{there}` where the soft mask is above 1/2, and `{elsewhere}` elsewhere."
    return shows if there and elsewhere else ""


def _edge(tile, original, segmentation, render, soft_mask):
    """Which numbers the pixels have where the render lies over the original. -> a sentence, or ''"""
    far = [(tile - picture).abs().amax(-1) > 1e-4 for picture in (render, original)]
    over, kept = far[1] & ~far[0], far[0] & ~far[1]
    if (far[0] & far[1]).any() or not over.any() or not kept.any():
        return ""
    for name, value in (("soft mask", soft_mask), ("segmentation", segmentation)):
        over_there, beside = value[over], value[kept]
        if name == "soft mask" and beside.max() < over_there.min() == 0.5:
            return """The render lies also where the soft mask is just 1/2. There the original belongs:
                compare with `>`."""
        known = {}
        if name == "soft mask":
            known = {", such as its mean": value.mean(), ", such as half of its largest": value.max() / 2}
        for low, high, where in ((beside, over_there, "above"), (over_there, beside, "below")):
            low, high = low.max(), high.min()
            if low < high:
                more = next((said for said, number in known.items() if low <= number < high), "")
                return f"""The render lies where the {name} is {where} a number between {in_words(low)} and
                    {in_words(high)}{more}."""
    return ""


class Frames(Same):
    """Frames that are composed of random pictures, tile by tile; of `own` places it is said what is wrong."""

    function, shows, otherwise = "compose_frame", FRAME, "wrong-tile"
    right, mistakes = staticmethod(_frame), OF_FRAMES
    own = ("top left", "top right", "bottom right")

    def cases(self, rng):
        return video_case(rng)

    def value(self, function, *pictures):
        height, width = pictures[0].shape[:2]
        try:
            return function(*pictures)
        except (RuntimeError, ValueError) as error:
            if "expanded size" in str(error) or "could not broadcast input array" in str(error):
                raise Problem.of(f"""fixed-size: Your code does not take frames of {width} x {height}. Read
                    the size from the input: `H, W = original.shape[:2]`.""") from None
            if "must match" in str(error):
                raise Problem.of("""mask-channels: Tiles that do not fit together are joined. The masks have
                    one channel, the pictures three: repeat the masks' channel first (`mask.expand(-1, -1,
                    3)`), and join rows of tiles of one height.""") from None
            raise

    def taken(self, shows, value, *pictures):
        height, width = pictures[0].shape[:2]
        if isinstance(value, np.ndarray):
            raise Problem.of(f"""not-a-tensor: `{FRAME}` gives {describe(value)}, expected a tensor, as the
                inputs are: `torch.from_numpy(frame)` makes one of it.""")
        if isinstance(value, (list, tuple)):
            raise Problem.of(
                f"not-a-tensor: `{FRAME}` gives {describe(value)}, expected one frame. {TWO_AND_TWO}"
            )
        if torch.is_tensor(value):
            if not value.is_floating_point():
                raise Problem.of(f"""bytes: The frame is of {value.dtype}. Leave it in floats in [0, 1] as the
                    inputs are; `write_video` makes bytes of it.""")
            value = value.to(pictures[0].dtype)  # a picture is as good in any floats
        try:
            return tensor(shows, value, (2 * height, 2 * width, 3), pictures[0])
        except Problem as problem:
            key, text = problem.complaint
            raise Problem(key, fold(f"{text} {TWO_AND_TWO}") if key == "shape" else text) from None

    def call(self, given, **inputs):
        return self.split(super().call(given, **inputs))

    def made(self, function, inputs):
        return self.split(super().made(function, inputs))

    def split(self, frames):
        """The tiles of frames by call. -> {a place, and what is said of a call: (H, W, 3)}"""
        tiles = {}
        for said, frame in frames.items():
            height, width = frame.shape[0] // 2, frame.shape[1] // 2
            rows = [row.split(width, dim=1) for row in frame.split(height)]
            tiles |= {f"{place}{said}": tile for place, tile in zip(TILES, itertools.chain(*rows))}
        return tiles

    def judge(self, outputs, **pictures):
        right = self.made(self.right, pictures)
        mine = [said for said in right if said.startswith(self.own)]
        wrong = [said for said in mine if not close(outputs[said], right[said], self.tolerance)]
        if not wrong:
            return None
        found = super().judge(outputs, **pictures)
        if found.key != self.otherwise:
            return found
        all_wrong = not any(close(outputs[said], right[said]) for said in right)
        frames = _joined(outputs.values()), _joined(right.values())
        if len(right) == len(TILES) and all_wrong and (more := of_all(*frames)):
            return Complaint("whole-frame", f"Of the whole frame: {more}")
        said = [self.of_tile(said, outputs[said], right[said], pictures) for said in wrong]
        return Complaint.of(f"{self.otherwise}: {' '.join(said)}")

    def unexplained(self, said, yours, right, inputs):
        return Complaint(self.otherwise, "")  # `judge` says more

    def of_tile(self, said, yours, right, inputs):
        """What is said of a wrong tile. -> a sentence or more"""
        place = next(place for place in TILES if said.startswith(place))
        call = said.removeprefix(place)
        pictures = dict(zip(PICTURES, self.calls(**inputs)[call]))
        shown, everywhere = "", torch.ones_like(pictures["soft_mask"][..., 0], dtype=torch.bool)
        edge = "" if place in Frames.own else _edge(yours, **pictures)
        code = _mix(yours, pictures) or _stands(yours, pictures)
        if not code and place in Frames.own and not of_all(yours, right):
            code = _mix(yours, pictures, everywhere)
        if edge or code:
            shown = edge or f"It shows `{code}`. {'' if place in Frames.own else HINTS.get(code, '')}"
        elif place not in Frames.own:
            shown = _by_region(yours, pictures)
        if shown:
            return f"In the {place} tile{call} belongs {TILES[place]}. {shown}"
        corner = (place.startswith("bottom") * yours.shape[0], place.endswith("right") * yours.shape[1], 0)
        where = f"{call}, in the {place} tile,"
        options = dict(of=where, corner=corner, item="row", part="In that tile")
        return difference(self.shows, yours, right, {}, self.tolerance, **options)


def video_case(rng, height=6, width=8, most=0.9):
    """Random pictures. Of the soft mask one pixel is 1/2, some are near it, some 0, and none is above `most`;
    neither its mean nor half of its largest number is near 1/2. Some pixels are black, and nothing is 1."""
    soft = most * rng.uniform(0.05, 1, size=(height, width, 1)) ** 2
    original, render = rng.uniform(0.1, 0.9, size=(2, height, width, 3))
    mask = 0.97 * rng.integers(0, 2, size=(height, width, 1))
    place = rng.permutation(soft.size)
    soft.reshape(-1)[place[:7]] = (0, 0, most, most, 0.5, 0.48, 0.53)
    mask.reshape(-1)[place[7:9]] = (0.3, 0.7)
    render.reshape(-1, 3)[rng.random(soft.size) < 0.3] = 0
    pictures = zip(PICTURES, (original, mask, render, soft))
    return {name: torch.from_numpy(picture).float() for name, picture in pictures}


class Public(Frames):
    """Of pictures of one size."""

    hidden = tuple(TILES)

    def picture(self, outputs, **pictures):
        right = self.made(self.right, pictures)
        return Shown("the frame, of random pictures", _joined(outputs.values()), _joined(right.values()))


class FourTiles(Public):
    name = "each tile is in its place"
    points = 2


class Composite(Public):
    name = "the render lies over the original, where the soft mask is above 1/2"
    points = 2
    own, otherwise, mistakes = ("bottom left",), "wrong-composite", OF_WHOLE

    def judge(self, outputs, **pictures):
        right = self.made(self.right, pictures)[self.own[0]]
        # In another place, in BGR or bytes: that was said of all tiles.
        kinds = [(kind, 1e-4) for tile in outputs.values() for kind in (tile, tile.flip(-1))]
        kinds += [(tile / 255, 1 / 255) for tile in outputs.values()]
        told = any(close(kind, right, within) for kind, within in kinds)
        return None if told else super().judge(outputs, **pictures)


class AnySize(Frames):
    name = "frames of any size"
    points = 1
    after = (FourTiles,)
    otherwise, mistakes = "size", {}
    hidden = ("bottom left of 4 x 3 pixels", "bottom left of 2 x 7 pixels")

    def cases(self, rng):
        cases = {"small": video_case(rng, 3, 4), "tall": video_case(rng, 7, 2, most=0.8)}
        return {f"{size}_{name}": picture for size, case in cases.items() for name, picture in case.items()}

    def calls(self, **pictures):
        pictures = tuple(pictures.values())
        return {" of 4 x 3 pixels": pictures[:4], " of 2 x 7 pixels": pictures[4:]}


video = Exercise(8, "Output video", ("compose_frame",), (FourTiles(), Composite(), AnySize()))


# --- exercise 9: the formula, right, and with steps of one's own

VECTORS = "continuous_rotvecs(rotmats)"


def _axes(names):
    return normalize(names, dim=-1)


def _way(before, name, axis):
    """How far it is from a name to the vector before, along the axis, in whole turns."""
    return float((before - name) @ axis) / TURN


def _one_by_one(step):
    """Vectors that are chosen frame by frame: step(the vector before, the shortest, its axis) -> vector."""

    def chosen(rotmats):
        names = rotmat_to_rotvec(rotmats.double())
        out = [names[0].numpy()]
        for name, axis in zip(names[1:].numpy(), _axes(names)[1:].numpy()):
            out.append(step(out[-1], name, axis))
        return torch.from_numpy(np.stack(out))

    return chosen


def _turns(k):
    """The formula: whole turns are added along the axis, as many as k(the vector before, the shortest, its
    axis) gives."""
    return _one_by_one(lambda before, name, axis: name + TURN * k(before, name, axis) * axis)


_continuous = _turns(lambda *given: round(_way(*given)))


def _nearest(far):
    """Of some names, to so many turns, that for which far(the vector before, name) is least."""
    return tuple(
        _one_by_one(
            lambda before, name, axis, most=most: min(
                (name + TURN * k * axis for k in range(-most, most + 1)), key=lambda v: far(before, v)
            )
        )
        for most in (1, 2, 3, 4)
    )


def _of_names(change):
    """What is made of the shortest vectors."""
    return lambda rotmats: change(rotmat_to_rotvec(rotmats.double()))


def _compared_with(before):
    """Each frame's nearest name to before(the shortest vectors), (T, 3) or (1, 3)."""

    def vectors(names):
        turns = ((before(names) - names) * _axes(names)).sum(-1, keepdim=True) / TURN
        return names + TURN * turns.round() * _axes(names)

    return _of_names(vectors)


def _flipped(names):
    """The longer name after the first leap."""
    leaps = torch.diff(names, dim=0, prepend=names[:1]).norm(dim=-1) > math.pi
    return torch.where(leaps.cumsum(0)[:, None] > 0, names - TURN * _axes(names), names)


def _steps_added(steps):
    """The first vector, to which the small turns from frame to frame are added: steps(R before, R)."""

    def vectors(rotmats):
        R = rotmats.double()
        return torch.cat([rotmat_to_rotvec(R[:1]), rotmat_to_rotvec(steps(R[:-1], R[1:]))]).cumsum(0)

    return vectors


# --- exercise 9: what goes wrong

ROUNDED = {
    "not-rounded: The number of turns is rounded down. Round to the nearest whole number.": _turns(
        lambda *given: math.floor(_way(*given))
    ),
    "not-rounded: The number of turns is rounded up. Round to the nearest whole number.": _turns(
        lambda *given: math.ceil(_way(*given))
    ),
    "not-rounded: The number of turns is not rounded. Only whole turns keep the rotation.": _turns(_way),
    """not-divided: The way along the axis is divided by 2 and multiplied by pi: `/ (2 * torch.pi)` wants its
        brackets.""": _turns(lambda *given: round(_way(*given) * TURN / 2 * math.pi)),
}
OF_TURNS = ROUNDED | {
    """summed-steps: The small turns from frame to frame are added up. The vectors of turns about different
        axes do not add up to that of the whole turn.""": (
        _steps_added(lambda before, now: before.mT @ now),
        _steps_added(lambda before, now: now @ before.mT),
    ),
    """smoothed: The vectors are averaged over frames: that changes the rotations. Only names are to be
        chosen.""": _of_names(lambda v: torch.cat([v[:1], (v[:-2] + v[1:-1] + v[2:]) / 3, v[-1:]])),
    """relative: These are the turns since frame 0. The rotation of each frame is asked
        for.""": lambda R: _continuous(R[:1].mT @ R),
    "wrapped: Each number is brought into [0, 2 pi) by itself: that is another rotation.": _of_names(
        lambda v: v % TURN
    ),
    """signed-sum: The name is chosen by the sum of the three differences, in which they cancel out. Take the
        distance: `(v - before).norm(dim=-1)`.""": (*_nearest(lambda before, v: (v - before).sum()),),
    """one-number: The name is chosen by the distance in y alone. Take that of the vectors: `(v -
        before).norm(dim=-1)`.""": _nearest(lambda before, v: abs(v[1] - before[1])),
    """largest-product: The name with the largest dot product is taken, which is the longest one. Take the
        smallest distance: `(v - before).norm(dim=-1)`.""": _nearest(lambda before, v: -v @ before),
    "farthest: The farthest of the names is taken, not the nearest.": _nearest(
        lambda before, v: -np.linalg.norm(v - before)
    ),
}
STILL_SHORTEST = """still-shortest: These are the shortest vectors still: they leap where the turn passes
    180 degrees. Their lengths never jump; it is the axis that turns round as the length reaches pi. So
    whole turns must be added along the axis: 2 pi, in radians. If your code does add some: the axis has
    length 1 (`normalize(v, dim=-1)`), k may be negative, and is to be rounded (`int` makes 0 of -0.98)."""
PER_COMPONENT = """per-component: Whole turns are added to a component by itself, and the others, which leap
    too, stay as they are. The three together then mean another rotation: whole turns must be added along the
    axis of the frame."""
HALF_TURNS = """half-turns: Multiples of pi are added. A rotation is the same again after a whole turn, 2
    pi."""
LONGER_FIRST = """not-shortest-first: The vector of frame 0 means its rotation, but is not the shortest. Frame
    0 takes the shortest vector, each other one the nearest to the frame before."""
OF_LEAPS = ROUNDED | {
    STILL_SHORTEST: _of_names(lambda v: v),
    PER_COMPONENT: _of_names(lambda v: torch.from_numpy(np.unwrap(v.numpy(), axis=0))),
    """compares-with-raw: Only the frame of the leap is mended, and it leaps back one frame later. Each
        frame must lie near the vector that you chose for the frame before, not near the shortest one of
        it.""": _compared_with(lambda v: torch.cat([v[:1], v[:-1]])),
    """compares-with-first: Each frame is compared with frame 0. Compare with the vector chosen for the frame
        before.""": _compared_with(lambda v: v[:1]),
    """sign-flipped: Where it leaps the vector is turned round: -v means the inverse rotation. Add whole turns
        along the axis.""": _one_by_one(
        lambda before, name, axis: min(name, -name, key=lambda v: np.linalg.norm(v - before))
    ),
    "wrong-way: A turn is added where it should be subtracted: the vector leaps twice as far.": (
        _turns(lambda *given: -round(_way(*given))),
        _turns(lambda *given: abs(round(_way(*given)))),
        _turns(lambda before, name, axis: float(np.linalg.norm(name - before) > math.pi)),
    ),
    """axis-not-normalised: k is worked out along the vector. The axis has length 1: divide the vector by its
        length there too.""": _turns(lambda before, name, axis: round(_way(before, name, name))),
    "not-divided: The way along the axis is rounded, but not divided by 2 pi before.": _turns(
        lambda *given: round(TURN * _way(*given))
    ),
}


def _is_euler(out, rotmats):
    """Whether three turns about x, y and z, in any order, by these angles give the rotations."""
    axes = torch.eye(3, dtype=out.dtype)
    for order in itertools.permutations(range(3)):
        back = list(np.argsort(order))
        for angles in (out, out[:, back], out.flip(-1)[:, back]):  # by axis, or in the order of turning
            first, second, third = (rotvec_to_rotmat(angles[:, i, None] * axes[i]) for i in order)
            if close(first @ second @ third, rotmats, 1e-3):
                return True
    return False


def _what_is_added(t, out, right, short):
    """How out[t] comes to mean another rotation, by what it adds to the shortest vector. -> "key: text"

    out, right, short: (T, 3), float64: the student's, the right and the shortest vectors.
    """
    axis, added, step = _axes(short)[t], out[t] - short[t], right[t] - right[t - 1]
    along, size = float(added @ axis), float(added.norm())
    equal = [u for u in range(len(out)) if u != t and (right[u] - out[t]).norm() < 1e-3]
    if not out[t].any():
        return "changes-rotation: It is zero, which means no rotation at all."
    if equal:
        return f"changes-rotation: It is the vector of frame {equal[0]}."
    part = float((out[t] - right[t - 1]) @ step / (step @ step))
    if (
        abs(along) < 1
        and 0.02 < part < 0.98
        and (right[t - 1] + part * step - out[t]).norm() < 1e-2 * step.norm()
    ):
        return f"""changes-rotation: It lies between the vectors of frames {t - 1} and {t}. Averages are other
            rotations; only names are to be chosen."""
    if (added - along * axis).norm() < 2e-3 * size:
        halves = along / math.pi
        if abs(halves - round(halves)) < 1e-3 and round(halves) % 2:
            return HALF_TURNS
        mine, whole = in_digits(abs(along), TURN * max(1, round(abs(along) / TURN)))
        return f"""other-turn: Along the axis it differs from the shortest vector by {mine}. Only multiples of
            2 pi keep the rotation, such as {whole}: has the axis the length 1, and is a turn `2 * torch.pi`,
            in radians?"""
    if (added - (added / TURN).round() * TURN).norm() < 1e-2 * size and added.std() > 0.1:
        return PER_COMPONENT
    said = " That is the same number three times." if added.std() < 1e-3 * size else ""
    for name, v in {"of the frame before": out[t - 1], "of frame 0": short[0]}.items():
        if torch.linalg.cross(added, v).norm() < 2e-3 * size * v.norm():
            said = f" It lies along the vector {name}."
    return f"""other-axis: It differs from the shortest vector by {in_words(added)}, which does not lie along
        the axis of that frame.{said} Only whole turns along that axis keep the rotation: `k * 2 * torch.pi *
        axis`."""


class Vectors(Same):
    """A turn by small steps, `rotmats` (T, 3, 3)."""

    function, shows, otherwise = "continuous_rotvecs", VECTORS, "differs"
    right, by_arguments = staticmethod(_continuous), True
    tolerance = 1e-3

    def shape(self, rotmats):
        return len(rotmats), 3

    def taken(self, shows, value, rotmats):
        if torch.is_tensor(value) and value.is_floating_point():
            value = value.to(rotmats.dtype)
        return tensor(shows, value, self.shape(rotmats), rotmats, self.finite)

    def unexplained(self, said, yours, right, inputs):
        rotmats, out, right = self.calls(**inputs)[said][0].double(), yours.double(), right.double()
        more = of_all(out, right)
        if more and "another length" not in more:
            return Complaint.of(f"{self.otherwise}: `{VECTORS}`{said} is not right. {more}")
        for angles in (out, torch.deg2rad(out)):
            if _is_euler(angles, rotmats):
                return Complaint.of("""euler: These are Euler angles: three turns one after the other. Asked
                    for is one rotation vector, axis times angle; `rotmat_to_rotvec` gives the shortest.""")
        short, meant = rotmat_to_rotvec(rotmats), rotvec_to_rotmat(out)
        off = rotation_steps(torch.stack([meant, rotmats], 1).flatten(0, 1))[::2]  # (T,) degrees
        limit = (self.tolerance + 1e-6 * out.norm(dim=-1)).rad2deg()  # of a long vector floats are coarse
        if (off > limit).any():
            t = int((off > limit).nonzero()[0])
            key, text = Complaint.of(_what_is_added(t, out, right, short))
            return Complaint.of(f"""{key}: In frame {t}{said} your vector {in_words(out[t])} means another
                rotation than its matrix, by {in_words(off[t])}°. {text}""")
        if not close(out[:1], right[:1], self.tolerance):
            return Complaint.of(LONGER_FIRST)
        return self.leap(said, out, right, short, rotmats)

    def leap(self, said, out, right, short, rotmats):
        """What is said of vectors that mean the rotations, but are not the nearest. -> Complaint"""
        t = int(((out - right).norm(dim=-1) > 1).nonzero()[0])
        mine, should = (((v - short) * _axes(short)).sum(-1).div(TURN).round().int() for v in (out, right))
        names = [
            f"the shortest one, plus {k} whole turns along its axis" for k in (int(mine[t]), int(should[t]))
        ]
        names = [name.replace(", plus 0 whole turns along its axis", "") for name in names]
        leap, turn = math.degrees((out[t] - out[t - 1]).norm()), float(rotation_steps(rotmats)[t - 1])
        most, more = int(mine.abs().max()), ""
        if most < abs(int(should[t])):
            more = f"""Nowhere are more than {most} added: try more numbers k, negative ones too, or work k
                out."""
        return Complaint.of(f"""jumps: Between frames {t - 1} and {t}{said} your vector leaps by {leap:.0f}°,
            while the animal turns by {turn:.0f}°. In frame {t} it is {names[0]}; nearest to the frame before
            is {names[1]}. {more}""")

    def picture(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        said = next(call for call in right if not close(outputs[call], right[call], self.tolerance))
        meant, rotmats = (rotvec_to_rotmat(vectors[said].double()) for vectors in (outputs, right))
        if not close(meant, rotmats, 1e-3):
            return Shown("the dolphin, turned by a vector", meant, rotmats, "rotation")
        return Shown("x, y and z of the vectors over the frames", outputs[said], right[said], "curves")


class SameRotations(Vectors):
    name = "a gentle turn: each vector means the rotation of its matrix"
    points = 2
    mistakes = OF_TURNS

    def cases(self, rng):
        s = torch.linspace(0, 1, 12).double()[:, None] ** 4  # ever faster: an average over frames shows
        # The sum of the numbers goes from below 0 to above: that tells who takes it for a distance.
        start, end = sorted(_directions(rng, 2), key=lambda v: abs(v.sum()))
        start, end = -start * start.sum().sign(), end * end.sum().sign()
        end[1] = -0.5 * start[1]  # at the end the y is nearly 0
        return {"rotmats": rotvec_to_rotmat(0.8 * start + s * 1.5 * end).float()}


class PastHalfATurn(Vectors):
    name = "no jump where the dolphin turns past 180°"
    points = 4
    mistakes = OF_LEAPS

    def cases(self, rng):
        s = torch.linspace(0, 1, 40).double()
        roll, pitch = torch.from_numpy(rng.uniform(0.1, 0.3, size=2))
        heading = torch.deg2rad(60 + 230 * s)  # in the end farther than half a turn from the first
        vectors = torch.stack([pitch * torch.cos(3 * s), heading, roll * (1 + torch.sin(5 * s))], -1)
        return {"rotmats": rotvec_to_rotmat(vectors).float()}


class ThereAndBack(Vectors):
    name = "past 180° to one side, back, and to the other"
    points = 2
    after = (SameRotations, PastHalfATurn)
    mistakes = {
        """stays-flipped: After the first leap every vector gets another turn, also where the shortest is the
            nearest again. Decide anew in each frame.""": _of_names(_flipped)
    }

    def cases(self, rng):
        s = torch.linspace(0, 1, 121).double()[:, None]
        start, drift = _directions(rng, 2)
        return {
            "rotmats": rotvec_to_rotmat(4.3 * torch.sin(TURN * s + 0.017) * _axes(start + 0.4 * s * drift))
        }


class AtRest(Vectors):
    name = "no rotation at all, and a single frame"
    points = 1
    after = (SameRotations,)
    finite = False
    mistakes = {"alone: A single frame takes its shortest vector.": lambda R: _continuous(R) * (len(R) > 1)}

    def cases(self, rng):
        axis = _directions(rng)
        angle = torch.cat([torch.zeros(3), torch.linspace(0, 1, 6), torch.zeros(2)]).double()
        angles = {"rotmats": angle, "one": torch.tensor([2.0]), "two": torch.tensor([3.0, 3.4])}
        return {name: rotvec_to_rotmat(a[:, None] * axis).float() for name, a in angles.items()}

    def calls(self, rotmats, one, two):
        return {"": (rotmats,), " of one frame": (one,), " of two frames": (two,)}

    def judge(self, outputs, **inputs):
        if not all(torch.isfinite(vectors).all() for vectors in outputs.values()):
            return Complaint.of("""nan-at-zero: It gives NaN where the matrix is the identity: the vector is
                zero, and v / |v| is 0 / 0. No rotation has no axis of its own; take that of the vector
                before, `normalize(before, dim=0)`.""")
        return super().judge(outputs, **inputs)


class RoundAndRound(Vectors):
    name = "more than two whole turns about one axis, and past a whole turn, tilted"
    points = 1
    after = (SameRotations, PastHalfATurn)
    hidden = (" of the tilted turn",)  # near a whole turn another name may be as good

    def cases(self, rng):
        axis = _directions(rng)
        # By large steps, of which none ends near half a turn or a whole one.
        steady = rotvec_to_rotmat(torch.linspace(0.35, 14.5, 31).double()[:, None] * axis)
        # So near to no rotation that the axis turns round in a few frames.
        tilt = rotvec_to_rotmat(0.03 * _directions(rng, 1))
        tilted = rotvec_to_rotmat(torch.linspace(2.8, 7.6, 61).double()[:, None] * axis) @ tilt
        return {"rotmats": steady.float(), "tilted": tilted.float()}

    def calls(self, rotmats, tilted):
        return {"": (rotmats,), " of the tilted turn": (tilted,)}

    def judge(self, outputs, **inputs):
        [tilted] = self.hidden
        right = self.made(self.right, inputs)[tilted]
        if close(rotvec_to_rotmat(outputs[tilted].double()), inputs["tilted"], self.tolerance):
            return super().judge(outputs | {tilted: right}, **inputs)
        return super().judge(outputs, **inputs) or self.unexplained(tilted, outputs[tilted], right, inputs)


def _directions(rng, *shape):
    """Random unit vectors. -> (*shape, 3), float64"""
    return normalize(torch.from_numpy(rng.normal(size=(*shape, 3))), dim=-1)


def _any_turn(rng):
    """A random rotation matrix. -> (3, 3), float64"""
    return rotvec_to_rotmat(torch.from_numpy(rng.normal(size=(1, 3))))[0]


STEPS = (SameRotations(), PastHalfATurn(), ThereAndBack(), AtRest(), RoundAndRound())
GIVEN = ("course_lib.rotations.rotmat_to_steady_rotvec",)
orientation = Exercise(9, "An orientation without jumps", ("continuous_rotvecs",), STEPS, withheld=GIVEN)


# --- exercise 10: the formulas, right, and with steps of one's own

# With a gable on one side: 9 vertices and 14 faces.
BOX = torch.tensor([*itertools.product((-1, 1), repeat=3), (-1.5, 0, 0)]).double()
BOX_FACES = torch.tensor([
    [0, 1, 8], [1, 3, 8], [3, 2, 8], [2, 0, 8], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
    [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
])  # fmt: skip
U_CAP = ((0, 1, 4), (0, 4, 5), (0, 5, 7), (5, 6, 7), (1, 2, 3), (1, 3, 4))


def u_shape(width, height, thickness, depth):
    """A body that is not convex, nor seen whole from any point: vertices (16, 3), faces (28, 3), outward."""
    w, h, t = width, height, thickness
    outline = torch.tensor([[0, 0], [w, 0], [w, h], [w - t, h], [w - t, t], [t, t], [t, h], [0, h]]).double()
    n = len(outline)
    flat = torch.zeros(n, 1).double()
    vertices = torch.cat([torch.cat([outline, flat], -1), torch.cat([outline, flat + depth], -1)])
    caps = [(i, k, j) for i, j, k in U_CAP] + [(i + n, j + n, k + n) for i, j, k in U_CAP]
    sides = [face for i in range(n) for j in [(i + 1) % n] for face in [(i, j, j + n), (i, j + n, i + n)]]
    return vertices, torch.tensor(caps + sides)


def _size(v):
    return v.amax(0) - v.amin(0)


def _length(v):
    return _size(v)[2]


def _of(make):
    """A volume as make(a, b, c, their cross product b × c) has it, of the corners (F, 3) each."""

    def volume(v, f):
        a, b, c = v.double()[f].unbind(1)
        return make(a, b, c, torch.linalg.cross(b, c)).sum() / 6

    return volume


def _parts(v, f):
    """The signed volumes of the tetrahedra over the faces. -> (F,)"""
    return torch.linalg.det(v.double()[f]) / 6


_volume = _of(lambda a, b, c, n: a * n)


def _normals(a, b, c):
    return torch.linalg.cross(b - a, c - a)


def _products(v, f):
    """The six products that a volume is the sum of, with their signs, over all faces: a₁b₂c₃ ... -> (6,)"""
    a, b, c = v.double()[f].unbind(1)
    return torch.stack(
        [sign * (a[:, i] * b[:, j] * c[:, k]).sum() / 6 for (i, j, k), sign in PRODUCTS.items()]
    )


def _of_triples(step):
    """The sum over vertices as they come, three at a time."""

    def volume(v, f):
        first = torch.arange(0, len(v) - 2, step)
        return _volume(v, torch.stack([first, first + 1, first + 2], -1))

    return volume


def _hull(v, f):
    from scipy.spatial import ConvexHull

    return torch.tensor(ConvexHull(v.numpy()).volume)


# --- exercise 10: what goes wrong; each table says what a value is: "That is ..."

PRODUCTS = dict(
    zip(((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)), (1, 1, 1, -1, -1, -1))
)
OF_LENGTHS = {
    "the extent along x": lambda v: _size(v)[0],
    "the extent along y": lambda v: _size(v)[1],
    "taken of the third vertex; z is the third column, `vertices[:, 2]`": lambda v: v[2].max() - v[2].min(),
    "the diagonal of the bounding box": lambda v: _size(v).norm(),
    "the distance of the two vertices farthest apart": lambda v: torch.cdist(v, v).max(),
    "the distance of the two end vertices in space": lambda v: (
        v[v[:, 2].argmax()] - v[v[:, 2].argmin()]
    ).norm(),
    "where one end lies": (lambda v: v[:, 2].max(), lambda v: v[:, 2].min(), lambda v: -v[:, 2].min()),
    "how far one end lies from the origin": lambda v: v[:, 2].abs().max(),
    "twice the distance of one end from the origin": lambda v: 2 * v[:, 2].abs().max(),
    "how far one end lies from the mean of all z": (
        lambda v: v[:, 2].max() - v[:, 2].mean(),
        lambda v: v[:, 2].mean() - v[:, 2].min(),
    ),
    "twice how far one end lies from the mean of all z": lambda v: 2 * (v[:, 2] - v[:, 2].mean()).abs().max(),
    "the sum of all steps along z, from vertex to vertex": lambda v: v[:, 2].diff().abs().sum(),
    "the difference of two vertices' numbers; `max` gives the z": lambda v: (
        v[:, 2].argmax() - v[:, 2].argmin()
    ).to(v),
    "the number of vertices": lambda v: torch.tensor(float(len(v))),
    "the standard deviation of z, or some times it": tuple(
        lambda v, k=k, n=n: k * v[:, 2].std(correction=n) for k in (1, 2, 3, 4, 12**0.5) for n in (0, 1)
    ),
    "the range of z without the outermost vertices": tuple(
        lambda v, q=q: v[:, 2].quantile(1 - q) - v[:, 2].quantile(q) for q in (0.005, 0.01, 0.02, 0.025, 0.05)
    ),
    "the length, rounded; leave all digits": (
        *(lambda v, k=k: torch.round(_length(v), decimals=k) for k in range(3)),
        lambda v: _length(v).floor(),
    ),
}
OF_VOLUMES = {
    """the volume with a minus: two of the corners are exchanged, or an edge runs backwards. Seen from
        outside the corners go counter-clockwise""": lambda v, f: -_volume(v, f),
    "the volume of the bounding box": lambda v, f: _size(v).prod(),
    "the volume of the convex hull: what is bent inwards is filled up": _hull,
    "the volume of an ellipsoid as large as the bounding box": lambda v, f: math.pi / 6 * _size(v).prod(),
    "the area of the surface, in square metres": _of(lambda a, b, c, n: 3 * _normals(a, b, c).norm(dim=-1)),
    """0: is a corner used twice, as in a · (a × c), is nothing added up, or does `1 // 6` stand
        there""": lambda v, f: 0 * _volume(v, f),
    "the mean over the faces, not the sum": lambda v, f: _parts(v, f).mean(),
    "the mean over faces and coordinates, not the sum": lambda v, f: _parts(v, f).mean() / 3,
    """each a multiplied by b × c of all faces, as `@` or a sum that is taken too early
        does""": _of(lambda a, b, c, n: a.sum(0) * n.sum(0)),
    "the sum of absolute numbers, not of a · (b × c) with its sign": _of(lambda a, b, c, n: (a * n).abs()),
    "the sum of a · |b × c|: the cross product has lost its signs": _of(lambda a, b, c, n: a * n.abs()),
    "the sum of b × c, without a": _of(lambda a, b, c, n: n),
    "the sum with normals of length 1: the faces' areas are missing": tuple(
        _of(lambda a, b, c, n, k=k: k * a * normalize(_normals(a, b, c), dim=-1)) for k in (1, 2, 6)
    ),
    """made of the corners of the first three faces, `faces[0]` and so on. a, b, c are the first, second and
        third corner of all faces: `vertices[faces].unbind(1)`""": lambda v, f: _volume(v, f[:3].mT),
    "the tetrahedron of the last face alone": lambda v, f: _parts(v, f)[-1],
    "made of corners sorted by their numbers: their order says which side is outside": lambda v, f: _volume(
        v, f.sort(-1).values
    ),
    "the sum without the first face": lambda v, f: _parts(v, f)[1:].sum(),
    """made of triangles of the vertices as they come. `faces` says which three belong together:
        `vertices[faces]`""": (_of_triples(1), _of_triples(3)),
    "made with `faces - 1`: the numbers count from 0 already": lambda v, f: _volume(v, f - 1),
    "the volume, rounded; leave all digits": tuple(
        lambda v, f, k=k: torch.round(_volume(v, f), decimals=k) for k in range(2)
    ),
}
OF_BENT_VOLUMES = OF_VOLUMES | {
    "the sum of the positive tetrahedra; the negative ones must cancel what lies outside": lambda v, f: (
        _parts(v, f).clamp(min=0).sum()
    ),
    "the sum in which every tetrahedron is positive; those outside of the body must cancel": (
        lambda v, f: _parts(v, f).abs().sum(),
        lambda v, f: _parts(v - v.mean(0), f).abs().sum(),
    ),
}
OF_MASSES = {
    "the volume: it is not multiplied by the density": lambda volume, density=1025.0: volume,
    "the density: it is not multiplied by the volume": lambda volume, density=1025.0: 0 * volume + density,
    "the volume divided by the density": lambda volume, density=1025.0: volume / density,
    "the density divided by the volume": lambda volume, density=1025.0: density / volume,
    "the sum of both": lambda volume, density=1025.0: volume + density,
    "the difference of both": (
        lambda volume, density=1025.0: density - volume,
        lambda volume, density=1025.0: volume - density,
    ),
    "the mass, rounded; leave all digits": tuple(
        lambda volume, density=1025.0, to=to: to(torch.as_tensor(volume * density))
        for to in (torch.floor, torch.round, partial(torch.round, decimals=1))
    ),
    "the weight in newtons; the mass is asked for": tuple(
        lambda volume, density=1025.0, g=g: g * volume * density for g in (9.81, 9.8, 10.0)
    ),
    "the density times the squared volume": lambda volume, density=1025.0: volume**2 * density,
}
IN_LENGTH = "wrong-gradient: No gradient flows through the {} z: is it detached, or taken as a number?"
OF_LENGTH_GRADIENTS = {
    IN_LENGTH.format("largest"): lambda v: v[:, 2].max().detach() - v[:, 2].min(),
    IN_LENGTH.format("smallest"): lambda v: v[:, 2].max() - v[:, 2].min().detach(),
}


def _detached(which):
    """The volume with corners detached."""

    def volume(v, f):
        corners = (x.detach() if k in which else x for k, x in enumerate(v.double()[f].unbind(1)))
        return torch.linalg.det(torch.stack([*corners], -2)).sum() / 6

    return volume


OF_VOLUME_GRADIENTS = {
    "wrong-gradient: No gradient flows through b × c: is it detached, or taken as a number?": _detached(
        (1, 2)
    ),
    "wrong-gradient: No gradient flows through some of the corners a, b, c: are they detached?": tuple(
        map(_detached, ((0,), (1,), (2,), (0, 1), (0, 2)))
    ),
}


class Measure(Same):
    """What is one number. `asked` is said of every wrong one; a mistake may be `times` what its table has.

    A number that nothing explains is tried on vertices that are `moved`, or larger, in one direction: what it
    should not depend on shows.
    """

    explained = 1e-5
    asked, times, by_arguments = "", (1,), True
    changes = {
        f" with all {name} {how}": (k, factor, step)
        for k, name in enumerate("xyz")
        for how, factor, step in (("doubled", 2.0, 0.0), ("1 m larger", 1.0, 1.0))
    }
    hidden = tuple(changes)

    def changed(self, vertices, *more):
        """Calls with vertices that are moved or larger. -> as `calls`"""
        units = torch.eye(3).to(vertices)
        made = {
            said: vertices * (1 + (f - 1) * units[k]) + s * units[k]
            for said, (k, f, s) in self.changes.items()
        }
        return {said: (changed, *more) for said, changed in made.items()}

    def judge(self, outputs, **inputs):
        judged = {said: value for said, value in outputs.items() if said not in self.changes}
        found = super().judge(judged, **inputs)
        if not found or found.key != self.otherwise or found.text.startswith(("That", "Yours would")):
            return found
        if len(judged) == len(outputs):  # none with changed vertices, as where gradients are judged
            return found
        if more := self.of_all_calls(outputs, inputs):
            return Complaint.of(f"{found.key}: {more} {self.asked}")
        right, told = self.made(self.right, inputs), []
        for said in self.changes.keys() & outputs.keys():
            mine, should = (float(values[said] / values[""]) for values in (outputs, right))
            if abs(mine - should) > 2e-3 * max(1, abs(mine)):
                told.append((list(self.changes).index(said), said.strip(), *in_digits(mine, should)))
        if not told:
            return found
        _, said, mine, should = min(told)
        becomes = f"{mine} times as large" + ", and should stay as it is" * (should == "1")
        becomes += f", and should be {should} times as large" * (should != "1")
        return Complaint.of(f"{found.key}: {found.text} {said.capitalize()} it becomes {becomes}.")

    def named(self):
        for k, (what, makes) in itertools.product(self.times, super().named()):
            that = f"{k} times {what}" if k > 1 else what
            yield (
                f"{self.otherwise}: That is {that}. {self.asked}",
                lambda *args, makes=makes, k=k: torch.as_tensor(k * makes(*args)),
            )

    def seen(self, wrong, right):
        return super().seen(wrong, {said: value for said, value in right.items() if said not in self.changes})

    def of_all_calls(self, outputs, inputs):
        """What all numbers together tell, those of changed vertices too. -> text or ''"""
        return ""

    def unexplained(self, said, yours, right, inputs):
        key, text = super().unexplained(said, yours, right, inputs)
        return Complaint.of(f"{key}: {text} {self.asked}")

    def taken(self, shows, value, *arguments):
        def hint(key, one):
            return self.hint(one, *arguments) if key == "shape" else ""

        found = number(f"`{shows}` gives", value, hint)
        given = [getattr(argument, "dtype", None) for argument in arguments]
        if torch.float64 in given and getattr(value, "dtype", None) in (torch.float32, torch.float16):
            raise Problem.of(f"""few-digits: `{shows}` gives {value.dtype} of vertices in torch.float64: half
                of the digits are lost. Leave the dtype as it comes (no `.float()`).""")
        return found

    def hint(self, found, *arguments):
        """What is said of a value of another shape, begun with a space. -> text"""
        return ""


class Length(Measure):
    name = "body_length is measured along the body axis, z"
    points = 2
    function, shows, otherwise = "body_length", "body_length(vertices)", "wrong-length"
    right, mistakes = staticmethod(_length), OF_LENGTHS
    asked = "The length is the largest z minus the smallest."

    def cases(self, rng):
        # So far along x that the largest of all coordinates is an x, and the smallest a z, and wider in x
        # than long; the vertices farthest apart are not those at the ends.
        bulk = torch.from_numpy(rng.uniform(-1, 1, size=(40, 3))) * torch.tensor([1.6, 0.25, 1.0])
        ends = torch.tensor(
            [[0.1, 0.0, 1.2 + float(rng.uniform(0, 0.2))], [-0.25, 0.2, -1.2], [-0.8, 0.4, -1.1]]
        )
        inner = torch.cat([bulk[1:-1], ends])[torch.from_numpy(rng.permutation(41))]
        vertices = torch.cat([bulk[:1], inner, bulk[-1:]])
        return {"vertices": (vertices + torch.tensor([2.4, -0.3, 0.5])).float()}

    def calls(self, vertices):
        away = vertices.new_tensor([0, 0, 2.5])
        return {
            "": (vertices,),
            " of the dolphin where all z are negative": (vertices - away,),
            " of the dolphin where all z are positive": (vertices + away,),
            **self.changed(vertices),
        }

    def of_all_calls(self, outputs, inputs):
        ends = [torch.cat([v.amax(0), v.amin(0)]).double() for (v,) in self.calls(**inputs).values()]
        ends, mine = torch.stack(ends), torch.stack([*outputs.values()]).double()
        if len(mine) < len(ends):
            return ""
        factors = torch.linalg.lstsq(ends, mine[:, None], driver="gelsd").solution[:, 0]
        simple = (factors % 0.5).minimum(-factors % 0.5).max() < 1e-3  # others may be by chance
        if not simple or apart(ends @ factors, mine) > 1e-4 * float(mine.abs().max()):
            return ""
        if not (factors[[0, 1, 3, 4]].abs() > 1e-3).any() and abs(factors[2] + factors[5]) < 1e-3:
            return ""  # the length, times a number: that is told already
        names = [f"{end} {axis}" for end in ("max", "min") for axis in "xyz"]
        return f"That is {linear(factors.tolist(), names)}."

    def hint(self, found, vertices):
        return " Take the third coordinate alone." if found.shape == (3,) else ""

    def unexplained(self, said, yours, right, inputs):
        z = self.calls(**inputs)[said][0][:, 2]
        first, last = int(z.argmin()), int(z.argmax())
        pairs = ((z - z[:, None] - yours).abs() < 2e-6).nonzero().tolist()
        if pairs and not said and pairs[0] != [last, first]:
            low, high = pairs[0]
            return Complaint.of(f"""{self.otherwise}: That is the z of vertex {high} minus that of vertex
                {low}. But the ends are the vertices {first} and {last}. {self.asked}""")
        return super().unexplained(said, yours, right, inputs)

    def shown(self, said, inputs):
        z = self.calls(**inputs)[said][0][:, 2]
        return {"the smallest z": z.min(), "the largest": z.max()}


class Solid(Measure):
    name = "mesh_volume of an uneven box about the origin"
    points = 2
    function, shows, otherwise = "mesh_volume", "mesh_volume(vertices, faces)", "wrong-volume"
    right, mistakes, tolerance = staticmethod(_volume), OF_VOLUMES, 1e-3
    asked, times = "The volume is the sum over all faces of a · (b × c) / 6, with its sign.", (1, 6)

    def calls(self, vertices, faces):
        return {"": (vertices, faces), **self.changed(vertices, faces)}

    def cases(self, rng):
        # Uneven: each tetrahedron has a volume of its own.
        uneven = BOX + 0.2 * torch.from_numpy(rng.uniform(-1, 1, size=(9, 3)))
        box = uneven * torch.tensor([0.5, 0.7, 1.2])
        return {"vertices": (box @ _any_turn(rng).T).float(), "faces": BOX_FACES.clone()}

    def of_all_calls(self, outputs, inputs):
        calls = {said: given for said, given in self.calls(**inputs).items() if said in outputs}
        yours = torch.stack([outputs[said] for said in calls]).double()
        products = torch.stack([_products(*given) for given in calls.values()])  # (calls, 6)
        signs = torch.cartesian_prod(*[torch.tensor([1.0, 0, -1]).double()] * 6)  # (729, 6)
        for k in self.times if len(calls) > 3 else ():
            off = (k * signs @ products.T - yours).abs().amax(1)
            if off.min() > 1e-4 * yours.abs().max():
                continue
            told = {0.0: [], -1.0: []}
            for sign, places in zip(signs[off.argmin()].tolist(), PRODUCTS):
                told.get(sign, []).append("".join(x + "₁₂₃"[i] for x, i in zip("abc", places)))
            told = {
                what: names for what, names in zip(("missing", "with the wrong sign"), told.values()) if names
            }
            words = " and ".join(f"{', '.join(names)} {what}" for what, names in told.items())
            return f"Of the products in a · (b × c), with x, y, z as ₁, ₂, ₃, {words}." * bool(told)
        return ""

    def hint(self, found, vertices, faces):
        if len(found) == len(faces):
            return " Add up over the faces."
        return " Add up over the coordinates too." if found.shape == (3,) else ""

    def unexplained(self, said, yours, right, inputs):
        v, f = self.calls(**inputs)[said]
        for k in self.times:
            first = (k * _parts(v, f).cumsum(0)[:-1] - yours).abs() < self.explained * max(1, float(right))
            if first.any():
                n, times = int(first.int().argmax()) + 1, f"{k} times " * (k > 1)
                return Complaint.of(f"""{self.otherwise}: That is {times}the sum over the first {n} of
                    {len(f)} faces. {self.asked}""")
        return super().unexplained(said, yours, right, inputs)


class BentAway(Solid):
    name = "mesh_volume of a body that is not convex, far from the origin"
    after = (Solid,)
    explained = 1e-4  # far from the origin floats are coarse
    mistakes = OF_BENT_VOLUMES

    def cases(self, rng):
        vertices, faces = u_shape(float(rng.uniform(1.3, 1.5)), 1.7, 0.25, 0.6)
        away = 3 * _directions(rng)
        return {"vertices": (vertices @ _any_turn(rng).T + away).float(), "faces": faces}

    def calls(self, vertices, faces):
        fine = vertices.double()[faces]  # (F, 3, 3)
        for _ in range(3):  # each triangle into four
            between = (fine + fine.roll(-1, 1)) / 2
            parts = [torch.stack([fine[:, k], between[:, k], between[:, k - 1]], 1) for k in range(3)]
            fine = torch.cat([*parts, between])
        fine = fine.flatten(0, 1), torch.arange(3 * len(fine)).view(-1, 3)
        return {"": (vertices, faces), " of many small faces, in float64": fine}

    def unexplained(self, said, yours, right, inputs):
        if (found := super().unexplained(said, yours, right, inputs)).text.startswith("That") or said:
            return found
        text = difference(self.shows, yours, right, {}, self.tolerance)
        return Complaint.of(f"""origin: The box about the origin was right. This body is not convex, and lies
            beside the origin. {text}""")


class LengthGradient(SameGradient, Length):
    name = "the length can be differentiated"
    points = 1
    after = (Length,)
    mistakes, tolerance, otherwise = OF_LENGTH_GRADIENTS, 1e-3, "wrong-gradient"
    named, unexplained, calls = Same.named, Same.unexplained, Same.calls

    def cases(self, rng):
        return {"vertices": super().cases(rng)["vertices"].double(), "weights": torch.ones(())}

    def shown(self, said, inputs):
        return {}


class VolumeGradient(SameGradient, Solid):
    name = "the volume can be differentiated"
    points = 1
    after = (Solid, BentAway)  # where a volume is wrong, its gradient is too
    mistakes, tolerance, otherwise = OF_VOLUME_GRADIENTS, 1e-3, "wrong-gradient"
    named, unexplained, calls = Same.named, Same.unexplained, Same.calls

    def cases(self, rng):
        vertices, faces = u_shape(0.8, 0.5, 0.2, 1.9)
        away = torch.from_numpy(rng.uniform(0.5, 1, size=3))
        return {"vertices": vertices @ _any_turn(rng).T + away, "faces": faces}

    def value(self, function, vertices, faces):
        return super().value(lambda v: function(v, faces), vertices, torch.ones(()))

    def shown(self, said, inputs):
        return {}


class Mass(Measure):
    name = "body_mass is volume times density"
    points = 2
    function, shows, otherwise = "body_mass", "body_mass(volume, density)", "wrong-mass"
    hidden = (" without a density",)  # published densities differ
    mistakes, asked = OF_MASSES, "The mass is the volume, m³, times the density, kg/m³."

    def right(self, volume, density=1025.0):
        return torch.as_tensor(volume * density)

    def cases(self, rng):
        volume, density = rng.uniform(0.15, 0.3), rng.uniform(850, 950)
        return {"volume": torch.tensor(volume), "density": torch.tensor(density)}

    def calls(self, volume, density):
        number = float(volume) / 20, float(density)
        return {" without a density": (volume,), "": (volume, float(density)), " of a number": number}

    def taken(self, shows, value, volume, *density):
        found = super().taken(shows, value, volume, *density)
        is_one = torch.is_tensor(value) == torch.is_tensor(volume)
        return torch.stack([found, found.new_tensor(is_one)])  # a wrong number is said first

    def judge(self, outputs, volume, density):
        # Of each call the mass, and from `taken` whether it is of the volume's kind.
        others = [said for said, found in outputs.items() if found.dim() and not found[1]]
        outputs = {said: found.flatten()[0] for said, found in outputs.items()}
        default, given, number = outputs.values()
        inputs = {"volume": volume, "density": density}
        well = close(given, self.right(volume, density)) and close(20 * number, self.right(volume, density))
        if 1020 <= default / volume <= 1030 and well:
            return self._another_kind(*others[:1]) if others else None
        if close(given, default, 1e-6) and default > volume:
            return Complaint.of(f"""density-ignored: The argument `density` is not used: with {density:.0f}
                kg/m³ the mass should be {density * volume:.1f} kg, yours is {given:.1f}, for any density.""")
        found = super().judge(outputs, **inputs)
        if found and found.key == self.otherwise and well:
            return Complaint.of(f"""default-density: With a density it is right; without one it takes
                {default / volume:.4g} kg/m³. Sea water's is asked for, about 1,025 kg/m³ (1.025 g/cm³).""")
        return found

    def _another_kind(self, said):
        other, a = ("a tensor", "a number") if said == " of a number" else ("no tensor", "a tensor")
        return Complaint.of(f"""not-a-number: `{self.shows}`{said} gives {other}, expected {a}, as the volume
            is one: multiply it as it comes.""")

    def shown(self, said, inputs):
        arguments = zip(("volume", "density"), self.calls(**inputs)[said])
        return {name: torch.as_tensor(value) for name, value in arguments}


FUNCTIONS = ("body_length", "mesh_volume", "body_mass")
MEASURES = (Length(), Solid(), BentAway(), LengthGradient(), VolumeGradient(), Mass())
measures = Exercise(10, "Measure the dolphin", FUNCTIONS, MEASURES, on_gpu=(Length, Solid, Mass))
