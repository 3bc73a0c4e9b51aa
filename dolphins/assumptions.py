"""What is assumed about a clip of one's own, in sentences, and what each assumption costs."""

import math

import numpy as np

from course_lib.assets import clip_files
from course_lib.assets.clip_info import read_clip_info
from course_lib.errors import fold
from course_lib.lens import TABLE_SD
from course_lib.refraction import SEA_WATER

TOO_SMALL, TOO_LARGE = 40, 0.6  # length of the animal: pixels; share of the picture's width
LARGE = 200  # pixels: an outline that is a quarter of one off is then 0.25 % of length
ANIMAL_M = 2.6  # a usual length, metres


def assumptions(pack):
    """What is assumed about the clip of a pack. -> list of (subject, what, what that costs)

    Empty for a clip of the tutorial, whose drone and rate are known.
    """
    frames = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
    size = clip_files.image_size(frames[0])
    known = read_clip_info(pack.clip_dir, len(frames), size)
    if not known.source and known.altitude_sd_m is None:
        return []
    height = float(np.median(known.altitude_m))
    lines = [_altitude(known, height), _camera(known), _view(known, height), _depth(known, height)]
    lines += [_size(known, height, size), _time(known, len(frames))]
    return [(subject, what, fold(cost)) for subject, what, cost in lines]


def _altitude(known, height):
    source, sd = known.source, known.altitude_sd_m
    by = source.get("altitude_by", "somebody")
    what = f"{height:.2f} m above the sea, by {by}" + (f", give or take {sd:g} m" if sd is not None else "")
    if sd is None:
        return "altitude", what, "nobody says how good it is: 1 % of altitude is 1 % of every length"
    cost = f"every length may be off by {100 * sd / height:.1f} % for that alone (one standard deviation)"
    if bias := source.get("known_length"):
        return "altitude", what, f"{cost}; a thing of known length moved it by {bias.get('bias_m', 0):+.2f} m"
    if source.get("altitude_above") == "launch" and source.get("launch_height_m") is None:
        cost += f"""; it counts from the launch, which was taken to be at the height of the sea: each metre
        that it was higher makes the animal {100 / height:.1f} % too short (--launch-height)"""
    if source.get("altitude_field") == "altitude" and source.get("altitude_above") == "launch":
        cost += """; its telemetry does not say above what that is: if it is above sea level by GPS, it may be
        off by several metres"""
    if by != "laser":
        cost += "; a floating thing of known length would tell it better (--known-length)"
    return "altitude", what, cost


def _camera(known):
    lens = known.lens
    numbers = f"{lens.focal_mm:g} mm, sensor {lens.sensor_width_mm:.4g} mm wide"
    if known.source.get("known_length"):
        cost = "its error is in the altitude's bias, which the thing of known length gave"
    elif lens.model:
        cost = f"""from a table, good to {100 * TABLE_SD:.0f} %, and so is every length; a video mode that
        shows less of the sensor makes lengths wrong by as much as it shows less"""
    else:
        cost = "1 % of the ratio of these two is 1 % of every length"
    known_lens = known.source.get("lens") or {}
    if not (lens.is_distorted or known_lens.get("k1") or known_lens.get("k2")):
        cost += "; the lens was taken to be free of distortion, which shows at the picture's rim (--k1, --k2)"
    return "camera", f"{lens.model} {numbers}".strip(), cost


def _view(known, height):
    tilt = known.lens.tilt_deg
    shorter = 100 * (1 - math.cos(math.radians(5)))
    cost = f"""if it leans by 5 degrees more, a length along the lean looks {shorter:.1f} % shorter, and what
        is in the picture's middle is {height * math.tan(math.radians(5)):.1f} m away from where it was taken
        to be"""
    return "view", f"{f'leaning {tilt:g} degrees' if tilt else 'straight down'}, on a level sea", cost


def _depth(known, height):
    per_metre = 100 / (SEA_WATER * height)  # of length, seen through the water
    cost = f"""an animal that swims deeper looks smaller: by {per_metre:.1f} % for each metre of water (the
        sea is flat, its refractive index {SEA_WATER}), so every length may be off by
        {per_metre * known.fin_out_sd_m:.1f} % for that alone (one standard deviation); --fin-out says it
        better"""
    return "depth", fin_told(known), cost


def fin_told(known):
    """How deep the animal of a clip swims, in words; known: its `ClipInfo`."""
    fin = known.fin_out_m
    where = f"{abs(fin):g} m {'above' if fin >= 0 else 'under'} the surface"
    return f"the dorsal fin's tip is {where} on average, give or take {known.fin_out_sd_m:g} m"


def _size(known, height, size):
    width, _ = size
    pixels = ANIMAL_M / (2 * known.lens.half_width * height) * width
    what = f"an animal of {ANIMAL_M} m is some {pixels:.0f} pixels long"
    nearer = (
        pixels * known.source.get("video_size", size)[0] / width
    )  # pixels of the video as it was recorded
    follow = ""
    if known.centres is None and nearer > 1.4 * pixels and pixels < LARGE:
        follow = (
            f"; the video shows it with {nearer:.0f} pixels, and dolphins clip --follow makes use of them"
        )
    if pixels < TOO_SMALL:
        return "size", what, "too small: film from lower down" + follow
    if pixels > TOO_LARGE * width:
        return "size", what, "it fills the picture: frames in which a part of it is outside cannot be fitted"
    cost = f"an outline that is off by a quarter of a pixel at both ends is {50 / pixels:.1f} % of length"
    return "size", what, cost + follow


def _time(known, n_frames):
    what = f"{n_frames} frames at {known.fps:g} a second, {n_frames / known.fps:.1f} s"
    return "time", what, "speeds and turns follow from it, lengths do not"
