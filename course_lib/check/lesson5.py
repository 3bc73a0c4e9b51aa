"""Checks of lesson 5: the output video (exercise 8), the orientation (9) and the dolphin's measures (10)."""

import itertools
import math

import numpy as np
import torch

from course_lib.metrics import rotation_steps
from course_lib.rotations import rotmat_to_rotvec, rotmat_to_steady_rotvec

from .core import Complaint, Exercise, Problem, Property, close, describe, probable, shape_text, tensor

TURN = 2 * math.pi


# --- exercise 8: the output video
# ----------------------------------------------------------------------------

FRAME = "compose_frame(original, segmentation, render, soft_mask)"
PLACES = ("top left", "top right", "bottom left", "bottom right")


def composed(given, original, segmentation, render, soft_mask):
    """The student's frame, if it is one: (2 H, 2 W, 3); else a Problem that says how it is put together
    instead."""
    height, width = original.shape[:2]
    handed = {"original": original, "segmentation": segmentation, "render": render, "soft_mask": soft_mask}
    before = {name: picture.clone() for name, picture in handed.items()}
    try:
        frame = given.compose_frame(original, segmentation, render, soft_mask)
    except (RuntimeError, ValueError) as error:
        if "expanded size" in str(error) or "could not broadcast input array" in str(error):
            raise Problem.of(f"""fixed-size: Your code does not take frames of {width} x {height}. Read the size
                from the input: `H, W = original.shape[:2]`.""") from None
        if "must match" in str(error):
            raise Problem.of("""mask-channels: Tiles that do not fit together are joined. The masks have one
                channel, the pictures three: repeat the masks' channel first (`mask.expand(-1, -1, 3)`), and
                join rows of tiles of one height.""") from None
        raise
    for name, picture in handed.items():
        if not torch.equal(picture, before[name]):
            raise Problem.of(f"""changed-input: Your code writes into its input `{name}`. Whoever called it needs
                that still: write into a copy, `{name}.clone()`, or choose with `torch.where`, which makes a
                new picture.""")
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
    pictures = {
        name: torch.from_numpy(rng.uniform(0.1, 0.9, size=(height, width, 3))).float()
        for name in ("original", "render")
    }
    mask = torch.from_numpy(rng.integers(0, 2, size=(height, width, 1))).float()
    return {
        "original": pictures["original"],
        "segmentation": mask,
        "render": pictures["render"],
        "soft_mask": torch.from_numpy(soft).float(),
    }


class FourTiles(Property):
    name = "each tile is in its place"
    points = 2
    hidden = ("frame",)  # what the composite looks like is for the next property

    def inputs(self, rng):
        return video_case(rng)

    def call(self, given, original, segmentation, render, soft_mask):
        return {"frame": composed(given, original, segmentation, render, soft_mask)}

    def judge(self, outputs, original, segmentation, render, soft_mask):
        frame = outputs["frame"]
        mask, soft = segmentation.expand_as(original), soft_mask.expand_as(original)
        tiles = tiles_of(frame)
        wrong = [
            place for place in (0, 1, 3) if not close(tiles[place], {0: original, 1: mask, 3: soft}[place])
        ]
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
            return Complaint.of(f"""tiles-swapped: All tiles are there, in other places:
                {", ".join(f"{p}: {f}" for p, f in zip(PLACES, found))}. Above: original, segmentation; below:
                render, soft mask.""")
        right = torch.cat([torch.cat([original, mask], 1), torch.cat([composite, soft], 1)], 0)
        whole = probable(
            frame,
            [
                (
                    "bgr",
                    "Red and blue are exchanged. OpenCV's writer wants BGR; `write_video` takes RGB as it is.",
                    right.flip(-1),
                ),
                (
                    "bytes",
                    "The frame goes up to 255. Leave it in [0, 1] as the inputs are; `write_video` makes bytes of it.",
                    255 * right,
                ),
                ("upside-down", "The frame is upside down: row 0 is the top.", right.flip(0)),
                ("mirrored", "The frame is mirrored: column 0 is on the left.", right.flip(1)),
            ],
        ) or probable(
            frame,
            [
                (
                    "overflow",
                    "White has become black: a byte ends at 255, and 256 begins again at 0. Leave the frame in [0, 1].",
                    wrapped,
                )
                for wrapped in (((right * 256).floor() % 256) / 255, ((right * 256).floor() % 256) / 256)
            ],
            tolerance=0.005,
        )
        if whole:
            return whole
        tile, place = tiles[wrong[0]], PLACES[wrong[0]]
        if wrong[0] == 0:
            return probable(
                tile,
                [
                    (
                        "bgr",
                        "In the original red and blue are exchanged. OpenCV's writer wants BGR; `write_video` takes RGB.",
                        original.flip(-1),
                    ),
                    (
                        "composite-above",
                        "The original's tile shows the render: was it painted into it in place? Copy before.",
                        composite,
                    ),
                    ("tiles-swapped", "The render stands where the original belongs.", render),
                    ("bytes", "The original goes up to 255. Leave it in [0, 1].", 255 * original),
                ],
            ) or Complaint.of("wrong-tile: The tile top left is not the original as it came in.")
        given, name = (mask, "segmentation") if wrong[0] == 1 else (soft, "soft mask")
        if any(close(tile[..., c], given[..., c]) and tile.sum() < given.sum() * 0.4 for c in range(3)):
            return Complaint.of(f"""one-channel: The {name} is in one of three channels only, so it is
                coloured. Repeat it: `mask.expand(-1, -1, 3)`.""")
        return probable(
            tile,
            [
                (
                    "tiles-swapped",
                    f"Top right stands the {'soft mask' if wrong[0] == 1 else 'segmentation'}, which is another tile.",
                    soft if wrong[0] == 1 else mask,
                ),
                (
                    "mask-255",
                    f"The {name} is multiplied by 255: it is in [0, 1] already, as the pictures are.",
                    255 * given,
                ),
                (
                    "mask-255",
                    f"The {name} is divided by 255: it is in [0, 1] already, as the pictures are.",
                    given / 255,
                ),
                (
                    "hardened",
                    f"The {name} is shown as 0 or 1. Show it as it is: its grey rim is what the fit follows.",
                    (given > 0.5).float(),
                ),
                ("mask-reversed", f"The {name} is shown as its negative.", 1 - given),
                (
                    "masked-picture",
                    f"The tile of the {name} shows a picture cut out by it. Show the mask itself.",
                    given * original,
                ),
                (
                    "masked-picture",
                    f"The tile of the {name} shows a picture cut out by it. Show the mask itself.",
                    given * render,
                ),
            ],
        ) or Complaint.of(f"wrong-tile: The tile {place} is not the {name} in three equal channels.")


class Composite(Property):
    name = "the render lies over the original, where the soft mask is above 1/2"
    points = 2

    def inputs(self, rng):
        return video_case(rng)

    def call(self, given, original, segmentation, render, soft_mask):
        return {"frame": composed(given, original, segmentation, render, soft_mask)}

    def judge(self, outputs, original, segmentation, render, soft_mask):
        frame = outputs["frame"]
        right = laid_over(soft_mask > 0.5, render, original)
        kinds = [frame, frame.flip(-1), frame / 255]  # those were said above
        if any(close(there, right) for kind in kinds for there in tiles_of(kind)):
            return None
        tile = tiles_of(frame)[2]
        return probable(
            tile,
            [
                (
                    "black-background",
                    "The render stands on its own black. Copy the original and replace the pixels where the soft "
                    "mask is above 1/2.",
                    render,
                ),
                (
                    "black-background",
                    "Around the dolphin it is black: keep the original's pixels there.",
                    render * (soft_mask > 0.5),
                ),
                (
                    "threshold-reversed",
                    "It is the other way round: the sea is rendered and the dolphin is original. Where the soft "
                    "mask is *above* 1/2 the render goes.",
                    laid_over(soft_mask <= 0.5, render, original),
                ),
                (
                    "blended",
                    "Render and original are mixed by the soft mask. Here an edge is asked for: one or the other, by "
                    "`soft_mask > 0.5`.",
                    soft_mask * render + (1 - soft_mask) * original,
                ),
                (
                    "not-composited",
                    "It is the original alone: nothing is replaced. The soft mask is in [0, 1]: is the threshold one "
                    "for 0 to 255? Is the result of the replacement thrown away?",
                    original,
                ),
                (
                    "wrong-mask",
                    "The render is cut out by the segmentation. Take the soft mask: what we look at is how well the *fit* "
                    "covers the animal.",
                    laid_over(segmentation > 0.5, render, original),
                ),
                (
                    "threshold",
                    "The render is laid over wherever the soft mask is above 0: the whole soft rim. The threshold is 1/2.",
                    laid_over(soft_mask > 0, render, original),
                ),
                (
                    "added",
                    "The render is added to the original, so both shine through. Replace the pixels.",
                    original + render,
                ),
                (
                    "added",
                    "The render is added to the original, so both shine through. Replace the pixels.",
                    original + render * (soft_mask > 0.5),
                ),
                (
                    "added",
                    "The render is added to the original, so both shine through. Replace the pixels.",
                    (original + render * (soft_mask > 0.5)).clamp(max=1),
                ),
                (
                    "added",
                    "The render is added to the original, so both shine through. Replace the pixels.",
                    (original + render).clamp(max=1),
                ),
                (
                    "bgr",
                    "In the composite red and blue of the render are exchanged.",
                    laid_over(soft_mask > 0.5, render.flip(-1), original),
                ),
            ],
        ) or Complaint.of("""wrong-composite: Bottom left there should be the render where the soft mask is
            above 1/2, and the original elsewhere.""")


class AnySize(Property):
    name = "frames of any size, and float64 stays float64"
    points = 1
    after = (FourTiles,)
    hidden = ("small", "tall")

    def inputs(self, rng):
        small, tall = video_case(rng, 3, 4), video_case(rng, 7, 2)
        return {
            **{f"small_{k}": v.double() for k, v in small.items()},
            **{f"tall_{k}": v for k, v in tall.items()},
        }

    def call(self, given, **inputs):
        names = ("original", "segmentation", "render", "soft_mask")
        return {
            size: composed(given, *[inputs[f"{size}_{name}"] for name in names]) for size in ("small", "tall")
        }

    def judge(self, outputs, **inputs):
        for size, frame in outputs.items():
            case = {
                name: inputs[f"{size}_{name}"] for name in ("original", "segmentation", "render", "soft_mask")
            }
            if FourTiles().judge({"frame": frame}, **case) is not None:
                height, width = (
                    case["original"].shape[1:3] if case["original"].dim() == 4 else case["original"].shape[:2]
                )
                return Complaint.of(f"""size: With frames of {height} x {width} pixels the tiles are not in
                    their places. Is a size written into your code?""")
        return None


video = Exercise(8, "Output video", ("compose_frame",), (FourTiles(), Composite(), AnySize()))


# --- exercise 9: an orientation without jumps
# ----------------------------------------------------------------

VECTORS = "continuous_rotvecs(rotmats)"


def unit(v):
    return v / v.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def rotations(vectors):
    """Rotation vectors (T, 3) to matrices (T, 3, 3), by the matrix exponential."""
    x, y, z = vectors.unbind(-1)
    o = torch.zeros_like(x)
    return torch.matrix_exp(torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).unflatten(-1, (3, 3)))


def continuous(rotmats):
    """The vectors that are asked for, by a way that nobody needs to write: quaternions of one sign.

    Right below a whole turn.
    """
    return rotmat_to_steady_rotvec(rotmats.double())


def degrees(radians):
    return math.degrees(float(radians))


def mistake(out, rotmats):
    """Which mistake made the vectors `out` (T, 3), float64, of `rotmats` (T, 3, 3). -> Complaint"""
    want, short = continuous(rotmats), rotmat_to_rotvec(rotmats.double())
    other = short - TURN * unit(short)
    leaps = torch.cat([torch.zeros(1, dtype=torch.bool), (short[1:] - short[:-1]).norm(dim=-1) > math.pi])[
        :, None
    ]
    wraps = bool(leaps.any())
    guesses = [
        (
            "transposed",
            "These turn the other way: they are the vectors of the transposed matrices, or have the wrong sign.",
            -want,
        ),
        (
            "transposed",
            "These turn the other way: they are the vectors of the transposed matrices, or have the wrong sign.",
            -short,
        ),
        ("degrees", "These are in degrees. Leave them in radians.", torch.rad2deg(want)),
        ("degrees", "These are in degrees. Leave them in radians.", torch.rad2deg(short)),
    ]
    if wraps:
        t = int(leaps[:, 0].nonzero()[0])
        guesses += [
            (
                "still-shortest",
                f"These are the shortest vectors, which leap from frame {t - 1} to {t}. Their lengths never jump: "
                "what jumps is the axis, which turns round as the length reaches pi. So add whole turns along the "
                "axis.",
                short,
            ),
            (
                "per-component",
                "Each component is unwrapped by itself. One that leaps by less than pi then stays as it is, and "
                "the three together mean another rotation: whole turns must be added along the axis of the frame.",
                lambda: torch.from_numpy(np.unwrap(short.numpy(), axis=0)),
            ),
            (
                "compares-with-raw",
                f"Frame {t} is right, the next ones leap back: each is compared with the shortest vector of "
                "the frame before. Compare with the vector that you chose for it.",
                torch.where(leaps, other, short),
            ),
            (
                "stays-flipped",
                "After the first leap every vector gets another turn, also where the shortest is the nearest "
                "again. Decide anew in each frame.",
                torch.where(leaps.cumsum(0) > 0, other, short),
            ),
            (
                "longest",
                "Each frame takes the longer of its two shortest names, by itself. Compare it with the frame before.",
                other,
            ),
        ]
    named = probable(out, guesses, 2e-3)
    if named:
        return named
    if len(want) > 1 and close(out[1:], want[1:], 2e-3):
        return Complaint.of("""first-frame: Only frame 0 is wrong. It has no frame before it: it takes the
            shortest vector, `rotmat_to_rotvec(rotmats)[0]`.""")
    added = out - short
    along = (added * unit(short)).sum(-1)
    across = (added - along[:, None] * unit(short)).norm(dim=-1)
    halves = along / math.pi
    if (
        across.max() < 1e-2
        and (halves - halves.round()).abs().max() < 1e-2
        and (halves.round() % 2 != 0).any()
    ):
        return Complaint.of("""half-turns: Multiples of pi are added. A rotation is the same again after a
            whole turn, 2 pi.""")
    if is_euler(out, rotmats):
        return Complaint.of("""euler: These are Euler angles: three turns one after the other. Asked for is
            one rotation vector, axis times angle; `rotmat_to_rotvec` gives the shortest.""")
    wrong = (rotations(out) - rotmats.double()).flatten(1).norm(dim=-1) > 1e-2
    if wrong.any():
        t = int(wrong.nonzero()[0])
        size = torch.linalg.svdvals(out)
        if size[1] < 1e-3 * size[0]:
            return Complaint.of("""frozen-axis: All vectors lie along one axis. The axis changes from frame to
                frame as well: use that of each frame.""")
        return Complaint.of(f"""changes-rotation: In frame {t} your vector
            ({", ".join(f"{x:.2f}" for x in out[t].tolist())}) means another rotation than its matrix. Only
            whole turns, 2 pi, along the axis of that frame may be added to what `rotmat_to_rotvec` gives.""")
    leap = (out[1:] - out[:-1]).norm(dim=-1)
    if len(out) > 1 and leap.max() > math.pi / 2:
        t = int(leap.argmax())
        turn = float(rotation_steps(rotmats.double())[t])
        return Complaint.of(f"""jumps: Between frames {t} and {t + 1} your vector leaps by
            {degrees(leap.max()):.0f}°, while the animal turns by {turn:.0f}°. Of all vectors that mean the
            rotation, take the one nearest to the frame before.""")
    return Complaint.of("""not-shortest-first: It is continuous, but begins with another name: frame 0 takes
        the shortest vector.""")


def is_euler(out, rotmats):
    """Whether three turns about x, y and z, in any order, by these angles give the rotations."""
    axes = torch.eye(3, dtype=out.dtype)
    for order in itertools.permutations(range(3)):
        for angles in (out, out[:, list(np.argsort(order))]):  # named by axis, or in the order of turning
            turned = [rotations(angles[:, i, None] * axes[i]) for i in order]
            if close(turned[0] @ turned[1] @ turned[2], rotmats, 1e-3):
                return True
    return False


class Vectors(Property):
    """A turn by small steps, `rotmats` (T, 3, 3).

    What the vectors mean, their steps and their beginning make them unique.
    """

    def call(self, given, rotmats):
        return {
            "rotvecs": tensor(VECTORS, given.continuous_rotvecs(rotmats), (len(rotmats), 3), rotmats).detach()
        }

    def judge(self, outputs, rotmats):
        out = outputs["rotvecs"].double()
        meant = close(rotations(out), rotmats, 1e-3)
        steady = len(out) < 2 or (out[1:] - out[:-1]).norm(dim=-1).max() < math.pi / 2
        return None if meant and steady and out[0].norm() < math.pi + 1e-3 else mistake(out, rotmats)


class SameRotations(Vectors):
    name = "a gentle turn: each vector means the rotation of its matrix"
    points = 2

    def inputs(self, rng):
        s = torch.linspace(0, 1, 12).double()[:, None]
        start, end = unit(torch.from_numpy(rng.normal(size=(2, 3))))
        return {"rotmats": rotations(0.8 * start + s * 1.5 * end).float()}


class PastHalfATurn(Vectors):
    name = "no jump where the dolphin turns past 180°"
    points = 4

    def inputs(self, rng):
        s = torch.linspace(0, 1, 40).double()
        roll, pitch = torch.from_numpy(rng.uniform(0.1, 0.3, size=2))
        heading = torch.deg2rad(60 + 180 * s)
        return {
            "rotmats": rotations(
                torch.stack([pitch * torch.cos(3 * s), heading, roll * (1 + torch.sin(5 * s))], -1)
            ).float()
        }


class ThereAndBack(Vectors):
    name = "past 180° to one side, back, and to the other; float64"
    points = 2
    after = (SameRotations, PastHalfATurn)

    def inputs(self, rng):
        s = torch.linspace(0, 1, 121).double()[:, None]
        start, drift = unit(torch.from_numpy(rng.normal(size=(2, 3))))
        return {"rotmats": rotations(4.3 * torch.sin(TURN * s + 0.017) * unit(start + 0.4 * s * drift))}


class AtRest(Vectors):
    name = "no rotation at all, and a single frame"
    points = 1
    after = (SameRotations,)

    def inputs(self, rng):
        axis = unit(torch.from_numpy(rng.normal(size=3)))
        angle = torch.cat([torch.zeros(3), torch.linspace(0, 1, 6), torch.zeros(2)]).double()
        return {"rotmats": rotations(angle[:, None] * axis).float(), "one": rotations(2 * axis[None]).float()}

    def call(self, given, rotmats, one):
        return {
            "rotvecs": tensor(
                VECTORS, given.continuous_rotvecs(rotmats), (len(rotmats), 3), rotmats, finite=False
            ).detach(),
            "one": tensor(VECTORS + " of one frame", given.continuous_rotvecs(one), (1, 3), one).detach(),
        }

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
        axis = unit(torch.from_numpy(rng.normal(size=3)))
        return {"rotmats": rotations(torch.linspace(0.3, 14.5, 61).double()[:, None] * axis).float()}

    def judge(self, outputs, rotmats):
        out = outputs["rotvecs"].double()
        leap = (out[1:] - out[:-1]).norm(dim=-1)
        if not close(rotations(out), rotmats, 1e-3):
            return mistake(out, rotmats)
        if leap.max() < math.pi / 2:
            return None
        t = int((leap >= math.pi / 2).nonzero()[0])
        return Complaint.of(f"""one-turn: It goes well up to {degrees(out[t].norm()):.0f}°, then the vector
            leaps. A rotation has more than two names: (a + 2 pi k) n for every whole k: work out k, or add
            turns until the nearest is reached.""")


orientation = Exercise(
    9,
    "An orientation without jumps",
    ("continuous_rotvecs",),
    (SameRotations(), PastHalfATurn(), ThereAndBack(), AtRest(), RoundAndRound()),
)


# --- exercise 10: measure the dolphin
# ------------------------------------------------------------------------

LENGTH, VOLUME, MASS = "body_length(vertices)", "mesh_volume(vertices, faces)", "body_mass(volume)"
CUBE = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]).double()
CUBE_FACES = torch.tensor(
    [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ]
)
U_CAP = ((0, 1, 4), (0, 4, 5), (0, 5, 7), (5, 6, 7), (1, 2, 3), (1, 3, 4))


def number(name, value):
    """The value as a tensor of shape (), float64, if it is one number; else a Problem."""
    if value is None:
        raise Problem.of(f"none: `{name}` gives None, expected one number. Is the `return` missing?")
    if not (torch.is_tensor(value) or isinstance(value, (int, float, np.number, np.ndarray))) or isinstance(
        value, bool
    ):
        raise Problem.of(f"""not-a-number: `{name}` gives {describe(value)}, expected one number, a tensor of
            shape ().""")
    found = value if torch.is_tensor(value) else torch.as_tensor(np.asarray(value))
    if found.numel() != 1:
        raise Problem.of(f"""shape: `{name}` gives shape {shape_text(found.shape)}, expected one number, a tensor
            of shape ().""")
    found = found.detach().double().cpu().reshape(())
    if not torch.isfinite(found):
        raise Problem.of(f"not-finite: `{name}` gives {float(found)}.")
    return found


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


def signed_parts(vertices, faces):
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
        along_x = "That is the extent along {}. The body axis is z, the third coordinate."
        return probable(
            outputs["length"],
            [
                ("wrong-axis", along_x.format("x"), size[0]),
                ("wrong-axis", along_x.format("y"), size[1]),
                (
                    "diagonal",
                    "That is the diagonal of the bounding box, longer than the animal. Only z counts.",
                    size.norm(),
                ),
                (
                    "farthest-pair",
                    "That is the distance of the two vertices farthest apart, which goes aslant to a fluke's tip. Only "
                    "z counts.",
                    torch.cdist(v, v).max(),
                ),
                (
                    "one-end",
                    "That is where one end lies. The length is the difference of both ends: it must not change when the "
                    "dolphin moves.",
                    v[:, 2].max(),
                ),
                (
                    "one-end",
                    "That is twice the distance of one end from the origin, which need not lie in the middle. Take the "
                    "difference of both ends.",
                    2 * v[:, 2].abs().max(),
                ),
                (
                    "one-end",
                    "That is how far the farthest vertex is from the origin. Take the difference of both ends along z.",
                    v.norm(dim=-1).max(),
                ),
                (
                    "mixed-axes",
                    "That is the largest of all coordinates minus the smallest, here an x minus a z. Take the third "
                    "column alone, `vertices[:, 2]`.",
                    v.max() - v.min(),
                ),
                ("sign", "That is the length with a minus: largest z minus smallest.", -size[2]),
                (
                    "centimetres",
                    "That is in centimetres. The vertices are in metres, and so is the length.",
                    100 * size[2],
                ),
                ("half-length", "That is half of it.", size[2] / 2),
            ],
            1e-5,
        ) or Complaint.of(f"""wrong-length: For a body from z = {float(v[:, 2].min()):.2f} m to z =
            {float(v[:, 2].max()):.2f} m it should be {float(size[2]):.2f} m; yours is
            {float(outputs["length"]):.2f}.""")


class Volume(Property):
    """A body, vertices and faces, whose volume its edges tell: `known(vertices)`."""

    def known(self, vertices):
        raise NotImplementedError

    def call(self, given, vertices, faces):
        return {"volume": number(VOLUME, given.mesh_volume(vertices, faces))}

    def judge(self, outputs, vertices, faces):
        got, volume = outputs["volume"], self.known(vertices.double())
        if close(got / volume, torch.ones(()), 1e-3):
            return None
        v = vertices.double()
        a, b, c = v[faces].unbind(1)
        parts = signed_parts(v, faces)
        # Whole-number factors are tested last: two of these wrong ways may come near one.
        return probable(
            got / volume,
            [
                (
                    "negative",
                    "It comes out negative: the order of a, b, c is reversed. Seen from outside the corners go "
                    "counter-clockwise; a · (b × c).",
                    -volume.new_ones(()),
                ),
                (
                    "unsigned",
                    "Every tetrahedron is counted as positive. Leave the signs: those outside of the body must cancel.",
                    parts.abs().sum() / volume,
                ),
                (
                    "norms-multiplied",
                    "The lengths of a and of b × c are multiplied, as if they had one direction. a · (b × c) is the "
                    "dot product: `(a * torch.linalg.cross(b, c)).sum(-1)`.",
                    (a.norm(dim=-1) * torch.linalg.cross(b, c).norm(dim=-1)).sum() / 6 / volume,
                ),
                (
                    "bounding-box",
                    "That is the volume of the bounding box.",
                    (v.amax(0) - v.amin(0)).prod() / volume,
                ),
                (
                    "surface-area",
                    "That is the area of the surface, in square metres.",
                    torch.linalg.cross(b - a, c - a).norm(dim=-1).sum() / 2 / volume,
                ),
                (
                    "missing-sixth",
                    "It is six times too large: a tetrahedron is a sixth of the box that its edges span.",
                    torch.tensor(6.0),
                ),
                (
                    "missing-sixth",
                    "It is twice too large: 1/3 is a pyramid's share, and the triangle at its foot is half of a "
                    "parallelogram: 1/6.",
                    torch.tensor(2.0),
                ),
                (
                    "missing-sixth",
                    "It is three times too large: 1/2 is the triangle's share, a pyramid is a third of a prism: 1/6.",
                    torch.tensor(3.0),
                ),
                (
                    "litres",
                    "That is in litres. The vertices are in metres, so the volume is in cubic metres.",
                    torch.tensor(1000.0),
                ),
            ],
            1e-3,
        ) or self.otherwise(got, v, faces, volume)

    def otherwise(self, got, vertices, faces, volume):
        return Complaint.of(f"wrong-volume: For a body of {float(volume):.3f} m³ it gives {float(got):.3f}.")


class Solid(Volume):
    name = "mesh_volume of a slanted box about the origin"
    points = 2

    def inputs(self, rng):
        shape = rotations(torch.from_numpy(rng.normal(size=(1, 3))))[0] @ torch.diag(
            torch.tensor([0.5, 0.7, 1.2]).double()
        )
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
        turn = rotations(torch.from_numpy(rng.normal(size=(1, 3))))[0]
        away = unit(torch.from_numpy(rng.normal(size=3))) * 3
        return {"vertices": (vertices @ turn.T + away).float(), "faces": faces}

    def known(self, vertices):
        edge = lambda i, j: (vertices[i] - vertices[j]).norm()
        return edge(0, 8) * (edge(0, 1) * edge(0, 7) - edge(4, 5) * edge(5, 6))  # the hull without its gap

    def otherwise(self, got, vertices, faces, volume):
        edge = lambda i, j: (vertices[i] - vertices[j]).norm()
        hull = edge(0, 1) * edge(0, 7) * edge(0, 8)
        about_middle = signed_parts(vertices - vertices.mean(0), faces).abs().sum()
        return probable(
            got / volume,
            [
                (
                    "convex-hull",
                    "That is the volume of the convex hull: what lies between flukes and fins is counted as dolphin.",
                    hull / volume,
                ),
                (
                    "unsigned",
                    "Every tetrahedron is counted as positive. From no point is all of a bent body seen: leave the signs.",
                    about_middle / volume,
                ),
            ],
            1e-3,
        ) or Complaint.of(f"""origin: The box about the origin was right, this body, moved away, is not: the
            result must not depend on where the body lies. It should be {float(volume):.3f} m³, yours is
            {float(got):.3f}.""")


class Differentiable(Property):
    name = "length and volume can be differentiated"
    points = 2
    after = (Length, Solid, BentAway)  # where a volume is wrong, its gradient is too

    def inputs(self, rng):
        vertices, faces = u_shape(0.8, 0.5, 0.2, 1.9)
        slanted = torch.eye(3).double() + 0.05 * torch.from_numpy(rng.normal(size=(3, 3)))
        return {
            "vertices": vertices @ slanted.T + torch.from_numpy(rng.uniform(0.5, 1, size=3)),
            "faces": faces,
        }

    def call(self, given, vertices, faces):
        out = {}
        for name, measure in (
            ("length", lambda v: given.body_length(v)),
            ("volume", lambda v: given.mesh_volume(v, faces)),
        ):
            v = vertices.clone().requires_grad_()
            try:
                value = measure(v)
            except RuntimeError as error:
                if "requires grad" in str(error):  # numpy() of a tensor that requires grad
                    value = None
                else:
                    raise
            if not torch.is_tensor(value) or not value.requires_grad:
                raise Problem.of(f"""no-gradient: No gradient flows from the {name} back to the vertices. Stay in
                    torch: no `.item()`, `float()`, `.numpy()` or `.detach()`. Then a known length, or mass,
                    could be asked for in a loss.""")
            value.reshape(()).backward()
            out[name] = v.grad
        return out

    def judge(self, outputs, vertices, faces):
        z = vertices[:, 2]
        length = torch.zeros_like(vertices)
        length[z.argmax(), 2], length[z.argmin(), 2] = 1, -1
        # The volume changes with a vertex by a sixth of the cross products of the edges opposite of it.
        a, b, c = vertices[faces].unbind(1)
        volume = torch.zeros_like(vertices)
        for corner, (p, q) in enumerate(((b, c), (c, a), (a, b))):
            volume.index_add_(0, faces[:, corner], torch.linalg.cross(p, q) / 6)
        if close(outputs["length"], length, 1e-3) and close(outputs["volume"], volume, 1e-3):
            return None
        return Complaint.of("""wrong-gradient: The values are right, their gradients are not. Is a part of the
            computation detached?""")


class Mass(Property):
    name = "body_mass is volume times density"
    points = 2
    hidden = ("default",)  # published densities differ

    def inputs(self, rng):
        return {
            "volume": torch.tensor(float(rng.uniform(0.15, 0.3))),
            "density": torch.tensor(float(rng.uniform(850, 950))),
        }

    def call(self, given, volume, density):
        return {
            "default": number(MASS, given.body_mass(volume)),
            "given": number("body_mass(volume, density)", given.body_mass(volume, float(density))),
        }

    def judge(self, outputs, volume, density):
        volume, density = volume.double(), density.double()
        default, given = outputs["default"] / volume, outputs["given"] / volume
        if 1000 <= default <= 1060 and close(given / density, torch.ones(()), 1e-4):
            return None
        if close(default, torch.ones(()), 1e-3) and close(given, torch.ones(()), 1e-3):
            return Complaint.of("no-density: That is the volume: it is not multiplied by the density.")
        if 1.0 <= default <= 1.06 or close(given * 1000 / density, torch.ones(()), 1e-4):
            return Complaint.of("""grams-per-cm3: That is a density in g/cm³ with a volume in m³: sea water
                has 1,025 kg/m³.""")
        if 1.0e6 <= default <= 1.06e6:
            return Complaint.of("grams: That is in grams. Cubic metres times kg/m³ are kilograms.")
        if close(outputs["given"], volume / density, 1e-6) or close(given * volume**2, density, 1e-4):
            return Complaint.of("divides: It divides. Mass is volume times density.")
        if 1000 <= default <= 1060:
            return Complaint.of(f"""density-ignored: The argument `density` is not used: with
                {float(density):.0f} kg/m³ the mass should be {float(density * volume):.0f} kg.""")
        return Complaint.of(f"""wrong-mass: {float(volume):.3f} m³ of 1,025 kg/m³ are
            {1025 * float(volume):.0f} kg; yours is {float(outputs["default"]):.4g}.""")


measures = Exercise(
    10,
    "Measure the dolphin",
    ("body_length", "mesh_volume", "body_mass"),
    (Length(), Solid(), BentAway(), Differentiable(), Mass()),
)
