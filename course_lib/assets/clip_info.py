"""What is known of a clip besides its pictures: frame rate, altitudes, camera. The one door to them.

A clip made by `dolphins clip` says it in metadata/clip.json:

    {"fps": 29.97, "altitude_m": [11.2, ...], "altitude_sd_m": 1.0, "fin_out_m": 0.05, "fin_out_sd_m": 0.05,
     "camera": {"focal_mm": 12.29, "sensor_width_mm": 17.27, "principal_point": [319.5, 179.5],
                "k1": 0.0, "k2": 0.0, "tilt_deg": 0.0},
     "source": {...}}

Where the frames are windows that follow the animal (`dolphins clip --follow`), principal_point is a list of
one pixel for each frame, most of them outside of it: only the principal point moves with a window
(course_lib.window).

source says where the clip came from, and what a thing of known length told ("known_length"): its bias_m is
what the drone's own altitude is too high by, negative where it is too low; altitude_m is corrected already.

A clip of the tutorial has metadata/altitude.npy instead, was filmed by the tutorial's drone, and has 50
frames a second.

One camera does not see how deep an animal swims: fin_out_m says how far the tip of its dorsal fin is out of
the water, on average over the clip, negative where it is under water. Where nobody says it, the fin just cuts
the surface. Frames in which it breaks the surface say it better (course_lib.surfacing); they may stand in
clip.json as "surfaced": ["12", "back:40"].
"""

import json
import math
from dataclasses import asdict, dataclass, field

import numpy as np

from ..errors import CourseError
from ..lens import Lens, check_distortion
from ..surfacing import UNSAID_SD, at_odds, check_frames, mean_of_tip, surfaced_of
from . import clip_files

CLIP_JSON = "clip.json"
TUTORIAL_FPS = 50
FIN_OUT, FIN_OUT_SD = 0.05, 0.05  # metres: of a fin that cuts the surface
HIGHEST_FIN, DEEPEST_FIN = 2.0, -20.0  # metres; an orca's fin is 1.8 m high, and so deep no drone sees one
FINEST_SD, COARSEST_SD = 0.01, 5.0  # metres
FINEST_ALTITUDE_SD = 0.001  # metres; nobody knows an altitude exactly
NARROWEST = 0.005  # tangent of half the field of view, of a small window of a picture
_CAMERA = dict(
    focal_mm=(0.1, 1000), sensor_width_mm=(0.1, 1000), k1=(-5, 5), k2=(-50, 50), tilt_deg=(-60, 60)
)


@dataclass(frozen=True)
class ClipInfo:
    """fps: frames a second; altitude_m: (T,) float32, metres; altitude_sd_m: its standard deviation, None
    where nobody knows it; lens: the `Lens`; source: where the clip came from, {} for the tutorial's;
    fin_out_m, fin_out_sd_m: mean height of the dorsal fin's tip above the sea and its standard deviation;
    surfaced: frames in which it breaks the surface, pairs of part and frame; heave: what a fit knows of how
    the tip rises and sinks, see `surfacing.mean_of_tip`; centres: the principal point of
    each frame (T, 2), None where all have the lens's."""

    fps: float
    altitude_m: np.ndarray
    altitude_sd_m: float | None = None
    lens: Lens = Lens()
    source: dict = field(default_factory=dict)
    fin_out_m: float = FIN_OUT
    fin_out_sd_m: float = FIN_OUT_SD
    centres: np.ndarray | None = None
    surfaced: tuple = ()
    heave: tuple | None = None

    @property
    def said(self):
        """What was said of the fin's tip on average, and its standard deviation: metres.

        Where frames are named in which it surfaces, what is usual counts for nothing.
        """
        usual = (self.fin_out_m, self.fin_out_sd_m) == (FIN_OUT, FIN_OUT_SD)
        return (FIN_OUT, UNSAID_SD) if usual and self.surfaced else (self.fin_out_m, self.fin_out_sd_m)

    @property
    def fin_tip(self):
        """How far the fin's tip is out of the water on average, by all that is known: mean and sd, metres."""
        return mean_of_tip(*self.said, self.surfaced, len(self.altitude_m), self.fps, self.heave)

    @property
    def at_odds(self):
        """By how many metres what was said and frames in which it surfaces disagree; None: they do not."""
        return at_odds(*self.said, self.surfaced, len(self.altitude_m), self.fps, self.heave)

    def to_json(self):
        """The text of clip.json."""
        camera = asdict(self.lens)
        if self.centres is not None:
            camera["principal_point"] = np.round(self.centres, 3).tolist()
        elif self.lens.principal_point is None:
            del camera["principal_point"]
        altitudes = [round(float(value), 4) for value in self.altitude_m]
        values = {"fps": self.fps, "altitude_m": altitudes, "altitude_sd_m": self.altitude_sd_m}
        values |= {"fin_out_m": self.fin_out_m, "fin_out_sd_m": self.fin_out_sd_m}
        if self.surfaced:
            values["surfaced"] = [f"{part}:{frame}" for part, frame in self.surfaced]
        return json.dumps(values | {"camera": camera, "source": self.source}, indent=1) + "\n"


def read_clip_info(clip_dir, n_frames, size_wh=None):
    """What is known of the clip in a folder. -> ClipInfo

    n_frames, size_wh: number and size of its frames, which it must fit. Raises CourseError for a file that
    is missing, damaged, or says what cannot be.
    """
    path = clip_dir / "metadata" / CLIP_JSON
    if not path.exists():
        return ClipInfo(
            TUTORIAL_FPS, clip_files.load_altitudes(clip_dir / "metadata" / "altitude.npy", n_frames)
        )
    values = clip_files.read_json(path)
    if not isinstance(values, dict):
        raise CourseError(
            f"{path}: is no object of fps, altitude_m and camera; make the clip again: dolphins clip"
        )
    fps = _number(path, values, "fps", 1, 1000)
    sd = values.get("altitude_sd_m")
    sd = None if sd is None else _number(path, values, "altitude_sd_m", FINEST_ALTITUDE_SD, 1000)
    lens, centres = _lens(path, values.get("camera"), size_wh, n_frames)
    source = values.get("source") if isinstance(values.get("source"), dict) else {}
    altitudes = _altitudes(path, values.get("altitude_m"), n_frames)
    fin = check_fin_out(values.get("fin_out_m", FIN_OUT), f"{path}: fin_out_m")
    fin_sd = check_fin_out_sd(values.get("fin_out_sd_m", FIN_OUT_SD), f"{path}: fin_out_sd_m")
    surfaced = _surfaced(path, values.get("surfaced", []), n_frames)
    return ClipInfo(fps, altitudes, sd, lens, source, fin, fin_sd, centres, surfaced)


def _surfaced(path, values, n_frames):
    """The frames in which the animal breaks the surface, pairs of part and frame."""
    name = f"{path}: surfaced"
    if not (isinstance(values, list) and all(type(value) in (int, str) for value in values)):
        raise CourseError(f"""{name} is {json.dumps(values)[:60]}, expected a list of frames, such as ["12",
            "back:40"]""")
    return check_frames(tuple(surfaced_of(value, name) for value in values), n_frames, name)


def check_fin_out(value, name):
    """Raises CourseError where this is no mean height of a dorsal fin's tip. -> value, metres

    name: where it was said, as the message calls it.
    """
    if not (_is_number(value) and DEEPEST_FIN <= value <= HIGHEST_FIN):
        raise CourseError(f"""{name} is {_shown(value)}, expected how many metres (not centimetres) the tip of
            the dorsal fin is above the sea, from {DEEPEST_FIN:g} to {HIGHEST_FIN:g}, negative under water""")
    return value


def check_fin_out_sd(value, name):
    """Raises CourseError where this is no standard deviation of such a height. -> value, metres"""
    if not (_is_number(value) and FINEST_SD <= value <= COARSEST_SD):
        raise CourseError(f"""{name} is {_shown(value)}, expected the standard deviation of the fin's height,
            from {FINEST_SD:g} to {COARSEST_SD:g} metres; nobody knows it better than to a centimetre""")
    return value


def _is_number(value):
    return type(value) in (int, float) and math.isfinite(value)


def _shown(value):
    return f"{value:g}" if type(value) in (int, float) else json.dumps(value)[:60]


def _number(path, values, key, low, high, default=None):
    value = values.get(key, default)
    if not (_is_number(value) and low <= value <= high):
        raise CourseError(f"""{path}: {key} is {json.dumps(value)[:60]}, expected a number from {low:g} to
            {high:g}; mend it, or make the clip again: dolphins clip""")
    return value


def _altitudes(path, values, n_frames):
    """The altitudes (T,) float32."""
    numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    if not numbers:
        raise CourseError(f"""{path}: altitude_m is {json.dumps(values)[:60]}, expected a list of metres, one
            for each of the {n_frames} frames""")
    if len(values) != n_frames:
        raise CourseError(f"""{path}: altitude_m holds {len(values)} altitudes for {n_frames} frames, expected
            one each; frames were added or taken away: make the clip again: dolphins clip""")
    altitudes = np.array(values, np.float32)
    bad = ~np.isfinite(altitudes) | (altitudes <= 0)
    if bad.any():
        i = int(bad.argmax())
        raise CourseError(f"""{path}: altitude_m of frame {i} is {values[i]:g}, expected metres above the sea,
            more than 0 ({int(bad.sum())} of {n_frames} are bad)""")
    clip_files.check_altitudes(path, altitudes, "metres")
    return altitudes


def _lens(path, values, size_wh, n_frames):
    """The camera, and the principal points (T, 2) of its frames or None. Of one that is not given nothing is
    guessed."""
    if not isinstance(values, dict) or not {"focal_mm", "sensor_width_mm"} <= set(values):
        raise CourseError(f"""{path}: camera is {json.dumps(values)[:60]}, expected focal_mm and
            sensor_width_mm, such as {{"focal_mm": 12.29, "sensor_width_mm": 17.27}}""")
    numbers = {key: _number(path, values, key, *limits, default=0.0) for key, limits in _CAMERA.items()}
    point, centres = values.get("principal_point"), None
    if isinstance(point, list) and point and isinstance(point[0], list):
        point, centres = None, _centres(path, point, n_frames)
    if point is not None:
        inside = _is_point(point) and (
            size_wh is None or all(0 <= x < side for x, side in zip(point, size_wh))
        )
        if not inside:
            raise CourseError(f"""{path}: principal_point is {json.dumps(point)[:60]}, expected a pixel [x, y]
                of the frames""")
        point = tuple(point)
    lens = Lens(principal_point=point, model=str(values.get("model", "")), **numbers)
    if not (0.05 if centres is None else NARROWEST) < lens.half_width < 4:
        raise CourseError(f"""{path}: a focal length of {lens.focal_mm:g} mm and a sensor of
            {lens.sensor_width_mm:g} mm are no camera's; is one of them a 35 mm equivalent?""")
    if lens.is_distorted and centres is not None:
        raise CourseError(f"""{path}: k1 or k2 is given, and a principal point for each frame: of windows of a
            picture the distortion cannot be undone. Make the clip again: dolphins clip""")
    if lens.is_distorted and size_wh is not None:
        check_distortion(lens, size_wh, f"{path}: the distortion")
    return lens, centres


def _is_point(point):
    return isinstance(point, list) and len(point) == 2 and all(map(_is_number, point))


def _centres(path, points, n_frames):
    """The principal points of all frames: (T, 2)."""
    if len(points) != n_frames or not all(map(_is_point, points)):
        bad = [point for point in points if not _is_point(point)]
        what = f"holds {json.dumps(bad[0])[:60]}" if bad else f"holds {len(points)} points"
        raise CourseError(f"""{path}: principal_point {what}, expected one pixel [x, y], or one for each of
            the {n_frames} frames""")
    return np.array(points, float)
