"""What is assumed about a clip of one's own, in sentences, and what each assumption costs.

All errors are said on one scale: ±, with the probability of 95 %, which is two standard deviations (1.96).
"""

import math

import numpy as np

from course_lib.assets import clip_files
from course_lib.assets.clip_info import read_clip_info
from course_lib.errors import fold
from course_lib.lens import TABLE_SD
from course_lib.refraction import SEA_WATER
from course_lib.uncertainty import IN_95

TOO_SMALL, TOO_LARGE = 40, 0.6  # length of the animal: pixels; share of the picture's width
LARGE = 200  # pixels: an outline that is a quarter of one off is then 0.25 % of length
ANIMAL_M = 2.6  # a usual length, metres
NOTABLE = 3.0  # % of length (95 %): what costs more is pointed out


def assumptions(pack):
    """What is assumed about the clip of a pack. -> list of (subject, what, what that costs, is it much)

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
    return [(subject, what, fold(cost), percent > NOTABLE) for subject, what, cost, percent in lines]


def give_or_take(sd, unit="m"):
    """A standard deviation as what is given or taken with the probability of 95 %, in words."""
    return f"± {2 * sd:.2g} {unit} (95 %)"


def _altitude(known, height):
    source, sd = known.source, known.altitude_sd_m
    what = f"{height:.2f} m above the sea, by {source.get('altitude_by', 'somebody')}"
    if sd is None:
        cost = "it is not said how sure that is: 1 % of altitude is 1 % of every length"
        return "altitude", what, cost, math.inf
    what, percent = f"{what}, {give_or_take(sd)}", 100 * IN_95 * sd / height
    cost = f"every length may be off by ± {percent:.1f} % (95 %) for that alone"
    if known_length := source.get("known_length"):
        moved = -known_length.get("bias_m", 0)
        cost += f"; by a thing of known length it was corrected by {moved:+.2f} m"
        return "altitude", what, cost, percent
    if source.get("altitude_above") == "launch" and source.get("launch_height_m") is None:
        cost += f"""; it counts from the launch, which was taken to be at the height of the sea: each metre
        that it was higher makes the animal {100 / height:.1f} % too short (--launch-height)"""
    if source.get("altitude_field") == "altitude" and source.get("altitude_above") == "launch":
        cost += """; its telemetry does not say above what that is: if it is above sea level by GPS, it may be
        off by several metres"""
    if source.get("altitude_by") != "laser":
        cost += "; a floating thing of known length would tell it better (--known-length)"
    return "altitude", what, cost, percent


def _camera(known):
    lens, percent = known.lens, 0.0
    if known.source.get("known_length"):
        cost = "its error is in the altitude's bias, which the thing of known length gave"
    elif lens.model:
        percent = 100 * IN_95 * TABLE_SD
        cost = f"""from a table, good to ± {percent:.0f} % (95 %), and so is every length; a video mode that
        shows less of the sensor makes lengths wrong by as much as it shows less. A floating thing of known
        length finds both out (--known-length)"""
    else:
        cost = "1 % of the ratio of these two is 1 % of every length"
    known_lens = known.source.get("lens") or {}
    if not (lens.is_distorted or known_lens.get("k1") or known_lens.get("k2")):
        cost += "; the lens was taken to be free of distortion, which shows at the picture's rim (--k1, --k2)"
    return "camera", camera_told(known), cost, percent


def camera_told(known):
    """The camera of a clip of one's own in words: its own sensor, of which a window may have been taken."""
    lens, window = known.lens, ""
    sensor = lens.sensor_width_mm
    if known.centres is not None:
        width, height = known.source["window"]
        video = known.source["video_size"][0]
        sensor *= video / width
        window = f"; of its {video} pixels a window of {width} x {height} follows the animal"
    return f"{lens.model} {lens.focal_mm:g} mm, sensor {sensor:.4g} mm wide{window}".strip()


def _view(known, height):
    tilt = known.lens.tilt_deg
    shorter = 100 * (1 - math.cos(math.radians(5)))
    cost = f"""if it leans by 5 degrees more, a length along the lean looks {shorter:.1f} % shorter, and what
        is in the picture's middle is {height * math.tan(math.radians(5)):.1f} m away from where it was taken
        to be"""
    return "view", f"{f'leaning {tilt:g} degrees' if tilt else 'straight down'}, on a level sea", cost, 0.0


def _depth(known, height):
    per_metre = 100 / (SEA_WATER * height)  # of length, seen through the water
    percent = per_metre * IN_95 * known.fin_tip[1]
    better = "more of them say it better" if known.surfaced else "--fin-out or --surfaced says it better"
    cost = f"""an animal that swims deeper looks smaller: by {per_metre:.1f} % for each metre of water (the
        sea is flat, its refractive index {SEA_WATER}), so every length may be off by ± {percent:.1f} % (95 %)
        for that alone; {better}"""
    return "depth", fin_told(known), cost, percent


def fin_told(known):
    """How deep the animal of a clip swims, in words; known: its `ClipInfo`."""
    fin, sd = (round(one, 3) for one in known.fin_tip)
    where = f"{abs(fin):g} m {'above' if fin >= 0 else 'under'} the surface"
    told = f"the dorsal fin's tip is {where} on average, {give_or_take(sd)}"
    if known.surfaced:
        n = len(known.surfaced)
        told += f", by {n} frame{'s' if n > 1 else ''} in which it breaks the surface"
    return told


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
        return "size", what, "too small: film from lower down" + follow, math.inf
    if pixels > TOO_LARGE * width:
        cost = "it fills the picture: frames in which a part of it is outside cannot be fitted"
        return "size", what, cost, math.inf
    cost = f"an outline that is off by a quarter of a pixel at both ends is {50 / pixels:.1f} % of length"
    return "size", what, cost + follow, 50 / pixels


def _time(known, n_frames):
    what = f"{n_frames} frames at {known.fps:g} a second, {n_frames / known.fps:.1f} s"
    return "time", what, "speeds and turns follow from it, lengths do not", 0.0
