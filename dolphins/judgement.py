"""What speaks against a fit, as far as that can be told without the truth.

A fit always ends with numbers. Whether they are an animal's is asked here of what a bad fit cannot hide: that
it does not cover its masks, that its loss rose, that its form is no dolphin's, that a frame does not go with
its neighbours, that the masks themselves come and go, or lie where the picture shows water.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from course_lib import metrics
from course_lib.doubts import UNSURE, at_border, listed
from course_lib.errors import fold
from course_lib.photogrammetry import along_and_across

NO_TRUST, DOUBTFUL = 0.80, 0.88  # overlap with the given masks
ASTRAY = 0.15  # by which a frame's overlap is below the clip's
RISEN = 1.15  # the outline's loss at the end, over its least
LONGEST, SHORTEST = 4.1, 0.8  # metres: of bottlenose dolphins, the largest and a newborn one
TURN, LEAP = 750.0, 25.0  # degrees a second and metres a second^2 that no dolphin reaches
AREAS = 0.5, 1.6  # of the clip's median: a mask that is smaller or larger is not of the whole animal alone
ROUND = 2.0  # a mask whose length is less than so many widths is no dolphin's
FEW = 10  # frames
CUT = 0.5  # of the frames: an animal that is so often cut off by the picture's border is not measured
STILL = 0.6  # of the frames: of a swimming animal no two masks are the same, of a video of half the rate some
LIKE_WATER = 0.4  # spreads of colours by which an animal differs from the water around it, at least
LOOKED_AT = 20  # frames of a clip
LOST = 0.3  # of the frames: an animal that is seen in fewer than the others is not measured
UNSURE_IN = 0.2, 0.5  # of the frames: so many doubtful masks are said, and so many measure something else


@dataclass(frozen=True)
class Doubt:
    """Something that speaks against a fit: grave, if its size is not to be trusted; a sentence or two."""

    grave: bool
    text: str


def verdict(doubts):
    """The doubts about a fit in a heading."""
    if any(doubt.grave for doubt in doubts):
        return "Do not trust the size."
    return "Look at this fit before you use it." if doubts else "Nothing speaks against this fit."


def doubts(
    overlap,
    history,
    odd_form,
    rotmats,
    positions,
    fps,
    length_m,
    masks,
    reach=None,
    sure=None,
    off=None,
    frames=None,
):
    """What speaks against a fit, the gravest first. -> list of Doubt

    overlap (T,): IoU with the given masks; history: of the loss, a dict for each pass; odd_form: what is far
    from the template's proportions, sentences as `shape_modes.far_from_template` gives them;
    rotmats (T, 3, 3); positions (T, 3), metres; fps: frames a second; masks (T, H, W) uint8; reach: pixels,
    of the outline's band in the first and the last pass, None where it has none; sure (T,): how far each mask
    can be trusted, 0 where the animal was lost, None for all alike; off: metres by which frames in which the
    animal surfaces are at odds with the depth that was said, None where they are not; frames (T, H, W, 3)
    uint8, None where there is no picture.
    """
    found, seen = [], torch.arange(len(overlap))  # the numbers of the frames that are judged
    if sure is not None and (sure <= 0).any():
        lost = int((sure <= 0).sum())
        said = (
            f"In {lost} of {len(sure)} frames the animal was lost: there it is where its neighbours put it."
        )
        found.append((lost > LOST * len(sure), said))
        seen = seen[sure > 0]
    if sure is not None and (unsure := (sure < UNSURE).float().mean()) > UNSURE_IN[0]:
        said = f"""The maker of the masks doubts those of {int((sure < UNSURE).sum())} of {len(sure)} frames
            (confidence below {UNSURE}). A fit goes with its masks, also where these are wrong."""
        found.append((bool(unsure > UNSURE_IN[1]), said))
    found += [
        *_of_overlap(overlap[seen], seen),
        *_of_masks(masks[seen], seen),
        *_of_colours(frames, masks[seen], seen),
        *_of_loss(history, reach),
        *_of_length(length_m),
        *_of_depth(off),
        *_of_form(odd_form),
        *_of_time(rotmats, positions, fps),
    ]
    found = [Doubt(grave, fold(text)) for grave, text in found]
    return sorted(found, key=lambda doubt: not doubt.grave)


def _of_overlap(overlap, seen):
    mean = float(overlap.mean())
    if mean < NO_TRUST:
        yield (
            True,
            f"""The fitted animal covers its masks badly: their overlap is {mean:.2f}, and below {NO_TRUST}
            the size is not to be trusted.""",
        )
    elif mean < DOUBTFUL:
        yield (
            False,
            f"""The overlap with the given masks is {mean:.2f}; good masks and a good fit reach 0.90 and
            more.""",
        )
    far = overlap < overlap.median() - ASTRAY
    astray = seen[far].tolist()
    if astray:
        yield (
            len(astray) > 0.2 * len(overlap),
            f"""{_frames(astray)} far less of {"its mask" if len(astray) == 1 else "their masks"} than
            the others ({float(overlap[far].min()):.2f} at worst, {float(overlap.median()):.2f} in the
            median): look at {"it" if len(astray) == 1 else "them"} in the video.""",
        )


def _frames(numbers):
    """Such as "Frame 3 covers", "Frames 3 to 7 cover"."""
    if len(numbers) == 1:
        return f"Frame {numbers[0]} covers"
    return f"{len(numbers)} frames ({listed(numbers)}) cover"


def _of_masks(masks, seen):
    inside = masks > 127
    areas = metrics.areas(inside).double()  # (T,)
    if len(masks) < FEW:
        yield (
            False,
            f"""The clip has {len(masks)} frames: what is wrong in one of them does not average out. Take
            {FEW} or more.""",
        )
    middle = float(areas.median())
    odd = seen[(areas < AREAS[0] * middle) | (areas > AREAS[1] * middle)].tolist()
    if odd:
        yield (
            len(odd) > 0.2 * len(areas),
            f"""{len(odd)} of {len(areas)} masks (first that of frame {odd[0]}) are less than half or more
            than {AREAS[1]} times as large as is usual in this clip: they are not of the whole animal
            alone.""",
        )
    if cut := seen[at_border(inside)].tolist():
        yield (
            len(cut) > CUT * len(masks),
            f"""In {len(cut)} of {len(masks)} frames (first in frame {cut[0]}) the mask touches the picture's
            border: a part of the animal is outside. Take seconds in which all of it is seen.""",
        )
    rounds = sum(_elongation(mask) < ROUND for mask in inside.numpy())
    if rounds > 0.5 * len(masks):
        yield (
            True,
            f"""{rounds} of {len(masks)} masks are not long as a dolphin is from above (less than {ROUND:g}
            times as long as wide): are they of the animal?""",
        )

    same = sum(bool((a == b).all()) for a, b in zip(inside[1:], inside[:-1]))
    if same > STILL * (len(masks) - 1):
        yield (
            True,
            f"""{same} of {len(masks)} masks are the very ones of the frame before: those of a swimming animal
            never are.""",
        )


def _of_colours(frames, masks, seen):
    """Whether the pictures show anything where the masks are: chance differs from frame to frame."""
    if frames is None:
        return
    apart = [
        _apart(frames[t].numpy(), mask.numpy() > 127)
        for t, mask in zip(seen.tolist(), masks)
        if t % -(-len(frames) // LOOKED_AT) == 0 and (mask > 127).any()
    ]
    if len(apart) and float(np.linalg.norm(np.mean(apart, 0))) < LIKE_WATER:
        yield (
            True,
            """What the masks show has the colours of the water around it: are they of the animal? Look at
            them in the video.""",
        )


def _apart(frame, mask):
    """By how many spreads the colours in a mask (H, W) bool differ from those around it. -> (3,)"""
    from scipy.ndimage import binary_dilation, find_objects

    [(rows, columns)] = find_objects(mask.astype(np.uint8))
    around = tuple(slice(max(side.start - 10, 0), side.stop + 10) for side in (rows, columns))
    mask, frame = mask[around], frame[around] / 255
    near = binary_dilation(mask, iterations=2)  # what lies at the edge is of both
    sides = [frame[mask], frame[binary_dilation(near, iterations=6) & ~near]]
    middles = [np.median(side, 0) for side in sides]
    spreads = [1.48 * np.median(np.abs(side - middle), 0) for side, middle in zip(sides, middles)]
    return (middles[0] - middles[1]) / np.maximum(np.hypot(*spreads) / math.sqrt(2), 0.01)


def _elongation(mask):
    """Length over width of a mask (H, W) bool, by its second moments."""
    along, across = np.square(along_and_across(mask)[0]).sum(0)
    return (along / max(across, 1e-9)) ** 0.5


def _of_loss(history, reach):
    name = "outline" if "outline" in history[0] else "mask" if "mask" in history[0] else "loss"
    values = np.array([of[name] for of in history], float)
    if reach is not None and name == "outline":  # it is in units of the band's reach, which narrows
        values = values * np.linspace(*reach, len(values)) ** 2
    if len(values) < 4:
        return
    last, least = values[-max(len(values) // 10, 1) :].mean(), values.min()
    if last > RISEN * least and last - least > 0.02 * values[0]:
        yield (
            False,
            f"""The loss of the outline rose again after its least, by {100 * (last / least - 1):.0f} %: the
            fit left a better place, or the priors pull against the masks.""",
        )
    if last > values[0]:
        yield True, "The loss of the outline is higher at the end than at the start: the fit went astray."


def _of_length(length_m):
    if length_m > LONGEST:
        yield (
            True,
            f"""The animal would be {length_m:.2f} m long; bottlenose dolphins grow to {LONGEST:g} m at most.
            Is the altitude in the right unit, the camera the right one, the animal another kind?""",
        )
    if length_m < SHORTEST:
        yield (
            True,
            f"""The animal would be {length_m:.2f} m long; a newborn bottlenose dolphin is {SHORTEST:g} m
            long. Is the altitude in the right unit, the camera the right one?""",
        )


def _of_depth(off):
    if off is not None:
        yield (
            False,
            f"""The frames in which the animal surfaces put it {abs(off):.2f} m
            {"higher" if off > 0 else "lower"} than what was said of its fin (--fin-out): one of the two is
            wrong, and the depth with it.""",
        )


def _of_form(odd_form):
    for said in odd_form:
        yield len(odd_form) > 2, f"{said} Is it another kind of animal, or does the fit stretch it?"


def _of_time(rotmats, positions, fps):
    turns = metrics.rotation_steps(rotmats) * fps  # (T - 1,) degrees a second
    fast = torch.nonzero(turns > TURN)[:, 0].tolist()
    if fast:
        yield (
            True,
            f"""From frame {fast[0]} to the next the body turns by {float(turns[fast[0]]) / fps:.0f}°,
            {len(fast)} time{"s" if len(fast) > 1 else ""} in all faster than any dolphin: some of these
            frames are tail first or on their side.""",
        )
    steps = (positions[2:] - 2 * positions[1:-1] + positions[:-2])[:, [0, 2]].norm(dim=1)  # (T - 2,)
    leaps = torch.nonzero(steps > LEAP / fps**2 + 0.05)[:, 0].tolist()
    if leaps:
        yield (
            False,
            f"""At frame {leaps[0] + 1} the animal leaps by {float(steps[leaps[0]]):.2f} m beside where its
            neighbours place it ({len(leaps)} such frames): is its mask of something else?""",
        )
