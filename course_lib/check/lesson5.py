"""Checks of lesson 5: the output video (exercise 8), the orientation (9) and the dolphin's measures (10)."""

import itertools
import math
from functools import partial

import numpy as np
import torch
from torch.nn.functional import normalize

from ..errors import fold
from ..metrics import rotation_steps
from ..rotations import rotmat_to_rotvec, rotmat_to_steady_rotvec, rotvec_to_rotmat
from .card import Shown
from .core import Complaint, Exercise, Problem, Property, clone, close, describe, probable, shape_text, tensor

TURN = 2 * math.pi

# What is said of a mistake whose wrong result is known. Where one mistake has several texts, a comma and more
# words tell them apart.
MISTAKES = {
    # exercise 8: the frame
    "bgr, frame": "Red and blue are exchanged. OpenCV's writer wants BGR; `write_video` takes RGB as it is.",
    "bytes, frame": fold("""The frame goes up to 255. Leave it in [0, 1] as the inputs are; `write_video`
        makes bytes of it."""),
    "upside-down": "The frame is upside down: row 0 is the top.",
    "mirrored": "The frame is mirrored: column 0 is on the left.",
    "overflow": fold("""White has become black: a byte ends at 255, and 256 begins again at 0. Leave the frame
        in [0, 1]."""),
    "bgr, original": fold("""In the original red and blue are exchanged. OpenCV's writer wants BGR;
        `write_video` takes RGB."""),
    "composite-above": "The original's tile shows the render: was it painted into it in place? Copy before.",
    "tiles-swapped, render": "The render stands where the original belongs.",
    "bytes, original": "The original goes up to 255. Leave it in [0, 1].",
    # its masks
    "tiles-swapped, mask": "Top right stands the {other}, which is another tile.",
    "mask-255, multiplied": "The {name} is multiplied by 255: it is in [0, 1] already, as the pictures are.",
    "mask-255, divided": "The {name} is divided by 255: it is in [0, 1] already, as the pictures are.",
    "hardened": "The {name} is shown as 0 or 1. Show it as it is: its grey rim is what the fit follows.",
    "mask-reversed": "The {name} is shown as its negative.",
    "masked-picture": "The tile of the {name} shows a picture cut out by it. Show the mask itself.",
    # its composite
    "black-background, all": fold("""The render stands on its own black. Copy the original and replace the
        pixels where the soft mask is above 1/2."""),
    "black-background, around": "Around the dolphin it is black: keep the original's pixels there.",
    "threshold-reversed": fold("""It is the other way round: the sea is rendered and the dolphin is original.
        Where the soft mask is *above* 1/2 the render goes."""),
    "blended": fold("""Render and original are mixed by the soft mask. Here an edge is asked for: one or the
        other, by `soft_mask > 0.5`."""),
    "not-composited": fold("""It is the original alone: nothing is replaced. The soft mask is in [0, 1]: is
        the threshold one for 0 to 255? Is the result of the replacement thrown away?"""),
    "wrong-mask": fold("""The render is cut out by the segmentation. Take the soft mask: what we look at is
        how well the *fit* covers the animal."""),
    "threshold": fold("""The render is laid over wherever the soft mask is above 0: the whole soft rim. The
        threshold is 1/2."""),
    "added": "The render is added to the original, so both shine through. Replace the pixels.",
    "bgr, composite": "In the composite red and blue of the render are exchanged.",
    # exercise 9
    "transposed": fold("""These turn the other way: they are the vectors of the transposed matrices, or have
        the wrong sign."""),
    "degrees": "These are in degrees. Leave them in radians.",
    "still-shortest": fold("""These are the shortest vectors, which leap from frame {before} to {t}. Their
        lengths never jump: what jumps is the axis, which turns round as the length reaches pi. So add whole
        turns along the axis."""),
    "per-component": fold("""Each component is unwrapped by itself. One that leaps by less than pi then stays
        as it is, and the three together mean another rotation: whole turns must be added along the axis of
        the frame."""),
    "compares-with-raw": fold("""Frame {t} is right, the next ones leap back: each is compared with the
        shortest vector of the frame before. Compare with the vector that you chose for it."""),
    "stays-flipped": fold("""After the first leap every vector gets another turn, also where the shortest is
        the nearest again. Decide anew in each frame."""),
    "longest": fold("""Each frame takes the longer of its two shortest names, by itself. Compare it with the
        frame before."""),
    # exercise 10: the length
    "wrong-axis, x": "That is the extent along x. The body axis is z, the third coordinate.",
    "wrong-axis, y": "That is the extent along y. The body axis is z, the third coordinate.",
    "diagonal": "That is the diagonal of the bounding box, longer than the animal. Only z counts.",
    "farthest-pair": fold("""That is the distance of the two vertices farthest apart, which goes aslant to a
        fluke's tip. Only z counts."""),
    "one-end": fold("""That is where one end lies. The length is the difference of both ends: it must not
        change when the dolphin moves."""),
    "one-end, twice": fold("""That is twice the distance of one end from the origin, which need not lie in the
        middle. Take the difference of both ends."""),
    "one-end, from the origin": fold("""That is how far the farthest vertex is from the origin. Take the
        difference of both ends along z."""),
    "mixed-axes": fold("""That is the largest of all coordinates minus the smallest, here an x minus a z. Take
        the third column alone, `vertices[:, 2]`."""),
    "sign": "That is the length with a minus: largest z minus smallest.",
    "centimetres": "That is in centimetres. The vertices are in metres, and so is the length.",
    "half-length": "That is half of it.",
    # the volume
    "negative": fold("""It comes out negative: the order of a, b, c is reversed. Seen from outside the corners
        go counter-clockwise; a · (b × c)."""),
    "unsigned": fold("""Every tetrahedron is counted as positive. Leave the signs: those outside of the body
        must cancel."""),
    "norms-multiplied": fold("""The lengths of a and of b × c are multiplied, as if they had one direction. a
        · (b × c) is the dot product: `(a * torch.linalg.cross(b, c)).sum(-1)`."""),
    "bounding-box": "That is the volume of the bounding box.",
    "surface-area": "That is the area of the surface, in square metres.",
    "missing-sixth": "It is six times too large: a tetrahedron is a sixth of the box that its edges span.",
    "missing-sixth, twice": fold("""It is twice too large: 1/3 is a pyramid's share, and the triangle at its
        foot is half of a parallelogram: 1/6."""),
    "missing-sixth, thrice": fold("""It is three times too large: 1/2 is the triangle's share, a pyramid is a
        third of a prism: 1/6."""),
    "litres": "That is in litres. The vertices are in metres, so the volume is in cubic metres.",
    "convex-hull": fold("""That is the volume of the convex hull: what lies between flukes and fins is counted
        as dolphin."""),
    "unsigned, bent": fold("""Every tetrahedron is counted as positive. From no point is all of a bent body
        seen: leave the signs."""),
}


# --- exercise 8: the output video

PICTURES = ("original", "segmentation", "render", "soft_mask")
FRAME = f"compose_frame({', '.join(PICTURES)})"
PLACES = ("top left", "top right", "bottom left", "bottom right")


def composed(given, **pictures):
    """The student's frame (2 H, 2 W, 3). Raises a Problem that says how another one is put together."""
    original, before = pictures["original"], clone(pictures)
    height, width = original.shape[:2]
    try:
        frame = given.compose_frame(*(pictures[name] for name in PICTURES))
    except (RuntimeError, ValueError) as error:
        if "expanded size" in str(error) or "could not broadcast input array" in str(error):
            raise Problem.of(f"""fixed-size: Your code does not take frames of {width} x {height}. Read the
                size from the input: `H, W = original.shape[:2]`.""") from None
        if "must match" in str(error):
            raise Problem.of("""mask-channels: Tiles that do not fit together are joined. The masks have one
                channel, the pictures three: repeat the masks' channel first (`mask.expand(-1, -1, 3)`), and
                join rows of tiles of one height.""") from None
        raise
    for name in PICTURES:
        if not torch.equal(pictures[name], before[name]):
            raise Problem.of(f"""changed-input: Your code writes into its input `{name}`. Whoever called it
                needs that still: write into a copy, `{name}.clone()`, or choose with `torch.where`, which
                makes a new picture.""")
    if isinstance(frame, np.ndarray):
        raise Problem.of(f"""not-a-tensor: `{FRAME}` gives {describe(frame)}, expected a tensor, as the inputs
            are: `torch.from_numpy(frame)` makes one of it.""")
    if torch.is_tensor(frame):
        shape = tuple(frame.shape)
        if shape in ((4 * height, width, 3), (height, 4 * width, 3)):
            raise Problem.of(f"""stacked-wrong-way: The four tiles stand in one
                {"column" if shape[1] == width else "row"}. Two and two: join two tiles side by side (dim=1),
                twice, then one pair above the other (dim=0).""")
        if shape == (3, 2 * height, 2 * width):
            raise Problem.of("""channels-first: The channels come first. A frame has them last, as the inputs
                have: (2 H, 2 W, 3).""")
        if shape in ((2 * height, 2 * width), (2 * height, 2 * width, 1)):
            raise Problem.of("""one-channel: The frame has one channel. Repeat the masks' three times; the
                pictures stay in colour.""")
        if frame.dtype == torch.uint8:
            raise Problem.of("""bytes: The frame is in bytes, 0 to 255. Leave it in [0, 1] as the inputs are;
                `write_video` makes bytes of it.""")
    return tensor(FRAME, frame, (2 * height, 2 * width, 3), original)


def tiles_of(frame):
    """The four tiles, in the order of PLACES: each (H, W, 3)."""
    height, width = frame.shape[0] // 2, frame.shape[1] // 2
    return [frame[:height, :width], frame[:height, width:], frame[height:, :width], frame[height:, width:]]


def laid_over(hard, render, original):
    """The render where `hard` holds, else the original."""
    return torch.where(hard.expand_as(render), render, original)


def video_case(rng, height=6, width=8):
    """Random pictures; the soft mask is 0 in places, 1 in places, and keeps away from 1/2."""
    soft = rng.uniform(0.05, 0.4, size=(height, width, 1))
    soft = np.where(rng.random(soft.shape) < 0.5, soft, soft + 0.55)
    soft.reshape(-1)[rng.permutation(soft.size)[:4]] = (0, 0, 1, 1)
    original, render = rng.uniform(0.1, 0.9, size=(2, height, width, 3))
    mask = rng.integers(0, 2, size=(height, width, 1))
    pictures = zip(PICTURES, (original, mask, render, soft))
    return {name: torch.from_numpy(picture).float() for name, picture in pictures}


class OneFrame(Property):
    """A property of a frame that is composed of random pictures."""

    def inputs(self, rng):
        return video_case(rng)

    def call(self, given, **pictures):
        return {"frame": composed(given, **pictures)}

    def picture(self, outputs, original, segmentation, render, soft_mask):
        masks = (mask.expand_as(original) for mask in (segmentation, soft_mask))
        above, below = original, laid_over(soft_mask > 0.5, render, original)
        right = torch.cat([torch.cat(row, 1) for row in zip((above, below), masks)])
        return Shown("the frame, of random pictures", outputs["frame"], right)


class FourTiles(OneFrame):
    name = "each tile is in its place"
    points = 2
    hidden = ("frame",)  # what the composite looks like is for the next property

    def judge(self, outputs, original, segmentation, render, soft_mask):
        frame = outputs["frame"]
        mask, soft = segmentation.expand_as(original), soft_mask.expand_as(original)
        tiles, wanted = tiles_of(frame), {0: original, 1: mask, 3: soft}
        wrong = [place for place in wanted if not close(tiles[place], wanted[place])]
        if not wrong:
            return None
        composite = laid_over(soft_mask > 0.5, render, original)
        known = {
            "the original": original,
            "the segmentation": mask,
            "the render over the original": composite,
            "the soft mask": soft,
            "the bare render": render,
        }
        found = [next((name for name, tile in known.items() if close(tile, there)), None) for there in tiles]
        if all(found) and len(set(found)) == 4:
            places = ", ".join(f"{place}: {what}" for place, what in zip(PLACES, found))
            return Complaint.of(f"""tiles-swapped: All tiles are there, in other places: {places}. Above:
                original, segmentation; below: render, soft mask.""")
        right = torch.cat([torch.cat([original, mask], 1), torch.cat([composite, soft], 1)], 0)
        if whole := whole_frame(frame, right):
            return whole
        if wrong[0] == 0:
            guesses = [
                ("bgr, original", original.flip(-1)),
                ("composite-above", composite),
                ("tiles-swapped, render", render),
                ("bytes, original", 255 * original),
            ]
            missing = Complaint.of("wrong-tile: The tile top left is not the original as it came in.")
            return probable(tiles[0], guesses, MISTAKES) or missing
        masks = {"segmentation": mask, "soft mask": soft}
        return mask_tile(tiles[wrong[0]], PLACES[wrong[0]], masks, wrong[0] == 1, original, render)


def whole_frame(frame, right):
    """What is wrong with all tiles alike. -> Complaint or None"""
    guesses = [
        ("bgr, frame", right.flip(-1)),
        ("bytes, frame", 255 * right),
        ("upside-down", right.flip(0)),
        ("mirrored", right.flip(1)),
    ]
    byte = (right * 256).floor() % 256
    overflow = [("overflow", byte / 255), ("overflow", byte / 256)]
    return probable(frame, guesses, MISTAKES) or probable(frame, overflow, MISTAKES, tolerance=0.005)


def mask_tile(tile, place, masks, above, original, render):
    """What is wrong with a mask's tile: above the segmentation's, else the soft mask's. -> Complaint"""
    name, other = ("segmentation", "soft mask") if above else ("soft mask", "segmentation")
    mask = masks[name]
    if any(close(tile[..., c], mask[..., c]) and tile.sum() < mask.sum() * 0.4 for c in range(3)):
        return Complaint.of(f"""one-channel: The {name} is in one of three channels only, so it is coloured.
            Repeat it: `mask.expand(-1, -1, 3)`.""")
    guesses = [
        ("tiles-swapped, mask", masks[other]),
        ("mask-255, multiplied", 255 * mask),
        ("mask-255, divided", mask / 255),
        ("hardened", (mask > 0.5).float()),
        ("mask-reversed", 1 - mask),
        ("masked-picture", mask * original),
        ("masked-picture", mask * render),
    ]
    texts = {key: MISTAKES[key].format(name=name, other=other) for key, _ in guesses}
    missing = Complaint.of(f"wrong-tile: The tile {place} is not the {name} in three equal channels.")
    return probable(tile, guesses, texts) or missing


class Composite(OneFrame):
    name = "the render lies over the original, where the soft mask is above 1/2"
    points = 2

    def judge(self, outputs, original, segmentation, render, soft_mask):
        frame = outputs["frame"]
        sharp, both = soft_mask > 0.5, original + render
        right = laid_over(sharp, render, original)
        kinds = [frame, frame.flip(-1), frame / 255]  # those were said above
        if any(close(there, right) for kind in kinds for there in tiles_of(kind)):
            return None
        guesses = [
            ("black-background, all", render),
            ("black-background, around", render * sharp),
            ("threshold-reversed", laid_over(sharp, original, render)),
            ("blended", soft_mask * render + (1 - soft_mask) * original),
            ("not-composited", original),
            ("wrong-mask", laid_over(segmentation > 0.5, render, original)),
            ("threshold", laid_over(soft_mask > 0, render, original)),
            ("added", both),
            ("added", original + render * sharp),
            ("added", (original + render * sharp).clamp(max=1)),
            ("added", both.clamp(max=1)),
            ("bgr, composite", laid_over(sharp, render.flip(-1), original)),
        ]
        missing = Complaint.of("""wrong-composite: Bottom left there should be the render where the soft mask
            is above 1/2, and the original elsewhere.""")
        return probable(tiles_of(frame)[2], guesses, MISTAKES) or missing


class AnySize(Property):
    name = "frames of any size, and float64 stays float64"
    points = 1
    after = (FourTiles,)
    hidden = ("small", "tall")

    def inputs(self, rng):
        cases = {"small": video_case(rng, 3, 4), "tall": video_case(rng, 7, 2)}
        cases["small"] = {name: picture.double() for name, picture in cases["small"].items()}
        return {f"{size}_{name}": picture for size, case in cases.items() for name, picture in case.items()}

    def call(self, given, **inputs):
        return {size: composed(given, **self.case(size, inputs)) for size in ("small", "tall")}

    def judge(self, outputs, **inputs):
        for size, frame in outputs.items():
            case = self.case(size, inputs)
            if FourTiles().judge({"frame": frame}, **case) is not None:
                height, width = case["original"].shape[:2]
                return Complaint.of(f"""size: With frames of {height} x {width} pixels the tiles are not in
                    their places. Is a size written into your code?""")
        return None

    @staticmethod
    def case(size, inputs):
        return {name: inputs[f"{size}_{name}"] for name in PICTURES}


video = Exercise(8, "Output video", ("compose_frame",), (FourTiles(), Composite(), AnySize()))


# --- exercise 9: an orientation without jumps

VECTORS = "continuous_rotvecs(rotmats)"


def _leaps(vectors):
    """How far each vector is from that of the frame before; 0 for the first. -> (T,)"""
    return torch.diff(vectors, dim=0, prepend=vectors[:1]).norm(dim=-1)


def mistake(out, rotmats):
    """Which mistake made the vectors `out` (T, 3), float64, of `rotmats` (T, 3, 3). -> Complaint"""
    rotmats = rotmats.double()
    want = rotmat_to_steady_rotvec(rotmats)  # another way than the exercise's; right below a whole turn
    short = rotmat_to_rotvec(rotmats)
    if known := known_vectors(out, want, short):
        return known
    if len(want) > 1 and close(out[1:], want[1:], 2e-3):
        return Complaint.of("""first-frame: Only frame 0 is wrong. It has no frame before it: it takes the
            shortest vector, `rotmat_to_rotvec(rotmats)[0]`.""")
    added, axes = out - short, normalize(short, dim=-1)
    along = (added * axes).sum(-1, keepdim=True)
    halves = along / math.pi
    whole = (halves - halves.round()).abs().max() < 1e-2 and (added - along * axes).norm(dim=-1).max() < 1e-2
    if whole and (halves.round() % 2 != 0).any():
        return Complaint.of("""half-turns: Multiples of pi are added. A rotation is the same again after a
            whole turn, 2 pi.""")
    if is_euler(out, rotmats):
        return Complaint.of("""euler: These are Euler angles: three turns one after the other. Asked for is
            one rotation vector, axis times angle; `rotmat_to_rotvec` gives the shortest.""")
    wrong = (rotvec_to_rotmat(out) - rotmats).flatten(1).norm(dim=-1) > 1e-2
    if wrong.any():
        t = int(wrong.nonzero()[0])
        size = torch.linalg.svdvals(out)
        if len(size) > 1 and size[1] < 1e-3 * size[0]:
            return Complaint.of("""frozen-axis: All vectors lie along one axis. The axis changes from frame to
                frame as well: use that of each frame.""")
        vector = ", ".join(f"{x:.2f}" for x in out[t].tolist())
        return Complaint.of(f"""changes-rotation: In frame {t} your vector ({vector}) means another rotation
            than its matrix. Only whole turns, 2 pi, along the axis of that frame may be added to what
            `rotmat_to_rotvec` gives.""")
    leap, t = (largest.item() for largest in _leaps(out).max(0))
    if leap > math.pi / 2:
        turn = float(rotation_steps(rotmats)[t - 1])
        return Complaint.of(f"""jumps: Between frames {t - 1} and {t} your vector leaps by
            {math.degrees(leap):.0f}°, while the animal turns by {turn:.0f}°. Of all vectors that mean the
            rotation, take the one nearest to the frame before.""")
    return Complaint.of("""not-shortest-first: It is continuous, but begins with another name: frame 0 takes
        the shortest vector.""")


def known_vectors(out, want, short):
    """Which mistake it is whose vectors are known. -> Complaint or None

    out, want, short: (T, 3), the student's vectors, the right ones, the shortest ones.
    """
    other = short - TURN * normalize(short, dim=-1)
    leaps = (_leaps(short) > math.pi)[:, None]  # (T, 1)
    t = int(leaps.int().argmax())  # the first of them
    guesses = [("transposed", -want), ("transposed", -short)]
    guesses += [("degrees", torch.rad2deg(want)), ("degrees", torch.rad2deg(short))]
    if leaps.any():
        guesses += [
            ("still-shortest", short),
            ("per-component", torch.from_numpy(np.unwrap(short.numpy(), axis=0))),
            ("compares-with-raw", torch.where(leaps, other, short)),
            ("stays-flipped", torch.where(leaps.cumsum(0) > 0, other, short)),
            ("longest", other),
        ]
    texts = {key: MISTAKES[key].format(t=t, before=t - 1) for key, _ in guesses}
    return probable(out, guesses, texts, 2e-3)


def is_euler(out, rotmats):
    """Whether three turns about x, y and z, in any order, by these angles give the rotations."""
    axes = torch.eye(3, dtype=out.dtype)
    for order in itertools.permutations(range(3)):
        for angles in (out, out[:, np.argsort(order)]):  # named by axis, or in the order of turning
            first, second, third = (rotvec_to_rotmat(angles[:, i, None] * axes[i]) for i in order)
            if close(first @ second @ third, rotmats, 1e-3):
                return True
    return False


def _directions(rng, *shape):
    """Random unit vectors. -> (*shape, 3), float64"""
    return normalize(torch.from_numpy(rng.normal(size=(*shape, 3))), dim=-1)


def _any_turn(rng):
    """A random rotation matrix. -> (3, 3), float64"""
    return rotvec_to_rotmat(torch.from_numpy(rng.normal(size=(1, 3))))[0]


class Vectors(Property):
    """A turn by small steps, `rotmats` (T, 3, 3).

    What the vectors mean, their steps and their beginning make them unique.
    """

    def call(self, given, rotmats):
        vectors = given.continuous_rotvecs(rotmats)
        return {"rotvecs": tensor(VECTORS, vectors, (len(rotmats), 3), rotmats).detach()}

    def judge(self, outputs, rotmats):
        out = outputs["rotvecs"].double()
        meant = close(rotvec_to_rotmat(out), rotmats, 1e-3)
        steady = _leaps(out).max() < math.pi / 2
        return None if meant and steady and out[0].norm() < math.pi + 1e-3 else mistake(out, rotmats)

    def picture(self, outputs, rotmats):
        meant, right = rotvec_to_rotmat(outputs["rotvecs"].double()), rotmats.double()
        if not close(meant, right, 1e-3):
            return Shown("the dolphin, turned by a vector", meant, right, "rotation")
        steady = rotmat_to_steady_rotvec(right)
        return Shown("x, y and z of the vectors over the frames", outputs["rotvecs"], steady, "curves")


class SameRotations(Vectors):
    name = "a gentle turn: each vector means the rotation of its matrix"
    points = 2

    def inputs(self, rng):
        s = torch.linspace(0, 1, 12).double()[:, None]
        start, end = _directions(rng, 2)
        return {"rotmats": rotvec_to_rotmat(0.8 * start + s * 1.5 * end).float()}


class PastHalfATurn(Vectors):
    name = "no jump where the dolphin turns past 180°"
    points = 4

    def inputs(self, rng):
        s = torch.linspace(0, 1, 40).double()
        roll, pitch = torch.from_numpy(rng.uniform(0.1, 0.3, size=2))
        heading = torch.deg2rad(60 + 180 * s)
        vectors = torch.stack([pitch * torch.cos(3 * s), heading, roll * (1 + torch.sin(5 * s))], -1)
        return {"rotmats": rotvec_to_rotmat(vectors).float()}


class ThereAndBack(Vectors):
    name = "past 180° to one side, back, and to the other; float64"
    points = 2
    after = (SameRotations, PastHalfATurn)

    def inputs(self, rng):
        s = torch.linspace(0, 1, 121).double()[:, None]
        start, drift = _directions(rng, 2)
        vectors = 4.3 * torch.sin(TURN * s + 0.017) * normalize(start + 0.4 * s * drift, dim=-1)
        return {"rotmats": rotvec_to_rotmat(vectors)}


class AtRest(Vectors):
    name = "no rotation at all, and a single frame"
    points = 1
    after = (SameRotations,)

    def inputs(self, rng):
        axis = _directions(rng)
        angle = torch.cat([torch.zeros(3), torch.linspace(0, 1, 6), torch.zeros(2)]).double()
        rotmats, one = (rotvec_to_rotmat(a[:, None] * axis).float() for a in (angle, torch.tensor([2.0])))
        return {"rotmats": rotmats, "one": one}

    def call(self, given, rotmats, one):
        vectors = tensor(VECTORS, given.continuous_rotvecs(rotmats), (len(rotmats), 3), rotmats, finite=False)
        single = tensor(VECTORS + " of one frame", given.continuous_rotvecs(one), (1, 3), one)
        return {"rotvecs": vectors.detach(), "one": single.detach()}

    def judge(self, outputs, rotmats, one):
        if not torch.isfinite(outputs["rotvecs"]).all():
            return Complaint.of("""nan-at-zero: It gives NaN where the matrix is the identity: the vector is
                zero, and v / |v| is 0 / 0. No rotation has no axis; leave such a vector as it is.""")
        return super().judge(outputs, rotmats) or super().judge({"rotvecs": outputs["one"]}, one)


class RoundAndRound(Vectors):
    name = "more than two whole turns about one axis"
    points = 1
    after = (SameRotations, PastHalfATurn)

    def inputs(self, rng):
        axis = _directions(rng)
        return {"rotmats": rotvec_to_rotmat(torch.linspace(0.3, 14.5, 61).double()[:, None] * axis).float()}

    def judge(self, outputs, rotmats):
        out = outputs["rotvecs"].double()
        if not close(rotvec_to_rotmat(out), rotmats, 1e-3):
            return mistake(out, rotmats)
        far = _leaps(out) >= math.pi / 2
        if not far.any():
            return None
        last = math.degrees(out[int(far.nonzero()[0]) - 1].norm())
        return Complaint.of(f"""one-turn: It goes well up to {last:.0f}°, then the vector leaps. A
            rotation has more than two names: (a + 2 pi k) n for every whole k: work out k, or add turns until
            the nearest is reached.""")


STEPS = (SameRotations(), PastHalfATurn(), ThereAndBack(), AtRest(), RoundAndRound())
GIVEN = ("course_lib.rotations.rotmat_to_steady_rotvec",)
orientation = Exercise(9, "An orientation without jumps", ("continuous_rotvecs",), STEPS, withheld=GIVEN)


# --- exercise 10: measure the dolphin

LENGTH, VOLUME, MASS = "body_length(vertices)", "mesh_volume(vertices, faces)", "body_mass(volume)"
CUBE = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]).double()
CUBE_FACES = torch.tensor([
    [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
    [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
])  # fmt: skip
U_CAP = ((0, 1, 4), (0, 4, 5), (0, 5, 7), (5, 6, 7), (1, 2, 3), (1, 3, 4))


def number(name, value):
    """The value as a tensor of shape (), float64, if it is one number; else a Problem."""
    if value is None:
        raise Problem.of(f"none: `{name}` gives None, expected one number. Is the `return` missing?")
    numeric = torch.is_tensor(value) or isinstance(value, (int, float, np.number, np.ndarray))
    if not numeric or isinstance(value, bool):
        raise Problem.of(f"""not-a-number: `{name}` gives {describe(value)}, expected one number, a tensor of
            shape ().""")
    found = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    if found.numel() != 1:
        raise Problem.of(f"""shape: `{name}` gives shape {shape_text(found.shape)}, expected one number, a
            tensor of shape ().""")
    if not torch.isfinite(found).all():
        raise Problem.of(f"not-finite: `{name}` gives {float(found)}.")
    return found.reshape(())


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


def _signed_parts(vertices, faces):
    a, b, c = vertices[faces].unbind(1)
    return (a * torch.linalg.cross(b, c)).sum(-1) / 6


class Length(Property):
    name = "body_length is measured along the body axis, z"
    points = 2

    def inputs(self, rng):
        bulk = torch.from_numpy(rng.uniform(-1, 1, size=(40, 3))) * torch.tensor([0.3, 0.25, 1.0])
        ends = torch.tensor([[0.1, 0.0, 1.2 + float(rng.uniform(0, 0.2))], [-0.25, 0.2, -1.2]])
        # So far along x that the largest of all coordinates is an x, and the smallest a z.
        return {"vertices": (torch.cat([bulk, ends]) + torch.tensor([2.4, -0.3, 0.5])).float()}

    def call(self, given, vertices):
        return {"length": number(LENGTH, given.body_length(vertices))}

    def judge(self, outputs, vertices):
        v = vertices.double()
        size = v.amax(0) - v.amin(0)
        if close(outputs["length"], size[2]):
            return None
        guesses = [
            ("wrong-axis, x", size[0]),
            ("wrong-axis, y", size[1]),
            ("diagonal", size.norm()),
            ("farthest-pair", torch.cdist(v, v).max()),
            ("one-end", v[:, 2].max()),
            ("one-end, twice", 2 * v[:, 2].abs().max()),
            ("one-end, from the origin", v.norm(dim=-1).max()),
            ("mixed-axes", v.max() - v.min()),
            ("sign", -size[2]),
            ("centimetres", 100 * size[2]),
            ("half-length", size[2] / 2),
        ]
        low, high = v[:, 2].min(), v[:, 2].max()
        missing = Complaint.of(f"""wrong-length: For a body from z = {low:.2f} m to z = {high:.2f} m it should
            be {size[2]:.2f} m; yours is {outputs["length"]:.2f}.""")
        return probable(outputs["length"], guesses, MISTAKES, 1e-5) or missing


class Volume(Property):
    """A body, vertices and faces, whose volume its edges tell: `known(vertices)`."""

    def call(self, given, vertices, faces):
        return {"volume": number(VOLUME, given.mesh_volume(vertices, faces))}

    def judge(self, outputs, vertices, faces):
        v = vertices.double()
        got, volume = outputs["volume"], self.known(v)
        if close(got / volume, torch.ones(()), 1e-3):
            return None
        a, b, c = v[faces].unbind(1)
        parts = _signed_parts(v, faces)
        areas = torch.linalg.cross(b - a, c - a).norm(dim=-1) / 2
        guesses = [
            ("negative", -volume),
            ("unsigned", parts.abs().sum()),
            ("norms-multiplied", (a.norm(dim=-1) * torch.linalg.cross(b, c).norm(dim=-1)).sum() / 6),
            ("bounding-box", (v.amax(0) - v.amin(0)).prod()),
            ("surface-area", areas.sum()),
            # Whole-number factors are tested last: two of the ways above may come near one.
            ("missing-sixth", 6 * volume),
            ("missing-sixth, twice", 2 * volume),
            ("missing-sixth, thrice", 3 * volume),
            ("litres", 1000 * volume),
        ]
        guesses = [(key, wrong / volume) for key, wrong in guesses]
        return probable(got / volume, guesses, MISTAKES, 1e-3) or self.otherwise(got, v, faces, volume)

    def otherwise(self, got, vertices, faces, volume):
        return Complaint.of(f"wrong-volume: For a body of {volume:.3f} m³ it gives {got:.3f}.")


class Solid(Volume):
    name = "mesh_volume of a slanted box about the origin"
    points = 2

    def inputs(self, rng):
        turn = _any_turn(rng)
        shape = turn @ torch.diag(torch.tensor([0.5, 0.7, 1.2]).double())
        shape = shape + 0.05 * torch.from_numpy(rng.normal(size=(3, 3)))
        return {"vertices": (CUBE @ shape.T).float(), "faces": CUBE_FACES.clone()}

    def known(self, vertices):
        return torch.linalg.det(vertices[[1, 2, 4]] - vertices[0]).abs()  # three edges that meet in a corner


class BentAway(Volume):
    name = "mesh_volume of a body that is not convex, far from the origin"
    points = 2
    after = (Solid,)

    def inputs(self, rng):
        vertices, faces = u_shape(float(rng.uniform(1.3, 1.5)), 1.7, 0.25, 0.6)
        turn = _any_turn(rng)
        away = 3 * _directions(rng)
        return {"vertices": (vertices @ turn.T + away).float(), "faces": faces}

    def known(self, vertices):
        # the hull without its gap
        gap = edge(vertices, 4, 5) * edge(vertices, 5, 6)
        return edge(vertices, 0, 8) * (edge(vertices, 0, 1) * edge(vertices, 0, 7) - gap)

    def otherwise(self, got, vertices, faces, volume):
        hull = edge(vertices, 0, 1) * edge(vertices, 0, 7) * edge(vertices, 0, 8)
        about_middle = _signed_parts(vertices - vertices.mean(0), faces).abs().sum()
        guesses = [("convex-hull", hull / volume), ("unsigned, bent", about_middle / volume)]
        missing = Complaint.of(f"""origin: The box about the origin was right, this body, moved away, is not:
            the result must not depend on where the body lies. It should be {volume:.3f} m³, yours is
            {got:.3f}.""")
        return probable(got / volume, guesses, MISTAKES, 1e-3) or missing


def edge(vertices, i, j):
    """The distance of two vertices."""
    return (vertices[i] - vertices[j]).norm()


class Differentiable(Property):
    name = "length and volume can be differentiated"
    points = 2
    after = (Length, Solid, BentAway)  # where a volume is wrong, its gradient is too

    def inputs(self, rng):
        vertices, faces = u_shape(0.8, 0.5, 0.2, 1.9)
        slanted = torch.eye(3).double() + 0.05 * torch.from_numpy(rng.normal(size=(3, 3)))
        vertices = vertices @ slanted.T + torch.from_numpy(rng.uniform(0.5, 1, size=3))
        return {"vertices": vertices, "faces": faces}

    def call(self, given, vertices, faces):
        out = {}
        measures = {"length": given.body_length, "volume": lambda v: given.mesh_volume(v, faces)}
        for name, measure in measures.items():
            v = vertices.clone().requires_grad_()
            try:
                value = measure(v)
            except RuntimeError as error:
                if "requires grad" not in str(error):
                    raise
                value = None  # numpy() of a tensor that requires grad
            if not torch.is_tensor(value) or not value.requires_grad:
                raise Problem.of(f"""no-gradient: No gradient flows from the {name} back to the vertices. Stay
                    in torch: no `.item()`, `float()`, `.numpy()` or `.detach()`. Then a known length, or
                    mass, could be asked for in a loss.""")
            value.reshape(()).backward()
            out[name] = v.grad
        return out

    def judge(self, outputs, vertices, faces):
        v = vertices.clone().requires_grad_()
        [length] = torch.autograd.grad(v[:, 2].max() - v[:, 2].min(), v)
        [volume] = torch.autograd.grad(_signed_parts(v, faces).sum(), v)
        if close(outputs["length"], length, 1e-3) and close(outputs["volume"], volume, 1e-3):
            return None
        return Complaint.of("""wrong-gradient: The values are right, their gradients are not. Is a part of the
            computation detached?""")


class Mass(Property):
    name = "body_mass is volume times density"
    points = 2
    hidden = ("default",)  # published densities differ

    def inputs(self, rng):
        volume, density = float(rng.uniform(0.15, 0.3)), float(rng.uniform(850, 950))
        return {"volume": torch.tensor(volume), "density": torch.tensor(density)}

    def call(self, given, volume, density):
        with_density = given.body_mass(volume, float(density))
        default = number(MASS, given.body_mass(volume))
        return {"default": default, "given": number("body_mass(volume, density)", with_density)}

    def judge(self, outputs, volume, density):
        volume, density, mass = float(volume), float(density), float(outputs["given"])
        default, given = float(outputs["default"]) / volume, mass / volume
        in_range, equal = 1000 <= default <= 1060, partial(math.isclose, rel_tol=1e-4)
        if in_range and equal(given, density):
            return None
        if math.isclose(default, 1, rel_tol=1e-3) and math.isclose(given, 1, rel_tol=1e-3):
            return Complaint.of("no-density: That is the volume: it is not multiplied by the density.")
        if 1.0 <= default <= 1.06 or equal(given * 1000, density):
            return Complaint.of("""grams-per-cm3: That is a density in g/cm³ with a volume in m³: sea water
                has 1,025 kg/m³.""")
        if 1.0e6 <= default <= 1.06e6:
            return Complaint.of("grams: That is in grams. Cubic metres times kg/m³ are kilograms.")
        if math.isclose(mass, volume / density, abs_tol=1e-6) or equal(mass, density / volume):
            return Complaint.of("divides: It divides. Mass is volume times density.")
        if in_range:
            return Complaint.of(f"""density-ignored: The argument `density` is not used: with
                {density:.0f} kg/m³ the mass should be {density * volume:.0f} kg.""")
        return Complaint.of(f"""wrong-mass: {volume:.3f} m³ of 1,025 kg/m³ are {1025 * volume:.0f} kg; yours
            is {float(outputs["default"]):.4g}.""")


FUNCTIONS = ("body_length", "mesh_volume", "body_mass")
MEASURES = (Length(), Solid(), BentAway(), Differentiable(), Mass())
measures = Exercise(10, "Measure the dolphin", FUNCTIONS, MEASURES, on_gpu=(Length, Solid, Mass))
