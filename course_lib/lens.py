"""The camera under a drone: what its lens and sensor are, and pictures without its distortion.

    camera_of("DJI Mavic 3")                           from the table
    camera_of(focal_mm=8.38, sensor_width_mm=13.2)     numbers
    camera_of(fov_deg=71.5)                            the horizontal field of view of the video's picture

Only the ratio of sensor width to focal length counts: at an altitude h, a picture shows h * width / focal
metres of the sea. An error of 1 % in it is one of 1 % in every length.
"""

import difflib
import functools
import math
import re
from dataclasses import dataclass, replace

import numpy as np

from .errors import CourseError

# Focal length and width of the sensor, mm, and the focal length that the maker publishes, as of a camera for
# 35 mm film; of the whole width of a photograph. Focal lengths as the drones write them into photographs
# (EXIF). Widths: Mavic 3, those of the tutorial; of the others, what calibrations with photographs gave,
# collected in Theta Limited's DroneModels (github.com/Theta-Limited/DroneModels, droneModels.json); those
# with * follow from the diagonal field of view on DJI's pages of specifications. For one model different
# sources differ by up to 4 %. A video mode that shows less of the sensor is described by `crop`.
DRONES = {
    "DJI Mavic 3": (12.29, 17.27, 24),  # also Classic, Cine, and the main camera of the Pro
    "DJI Mavic 3 Enterprise": (12.29, 17.46, 24),
    "DJI Mavic 2 Pro": (10.26, 12.83, 28),
    "DJI Mavic Pro": (4.73, 6.33, 26),
    "DJI Mavic Air 2": (4.5, 6.62, 24),
    "DJI Mavic Mini": (4.49, 6.58, 24),
    "DJI Air 2S": (8.38, 13.19, 22),
    "DJI Air 3": (6.72, 9.35, 24),  # * 82 degrees; the wide camera
    "DJI Mini 2": (4.49, 6.35, 24),  # * 83 degrees
    "DJI Mini 3": (6.7, 9.26, 24),
    "DJI Mini 3 Pro": (6.72, 9.63, 24),
    "DJI Mini 4 Pro": (6.72, 9.36, 24),  # * 82.1 degrees
    "DJI Phantom 3": (3.61, 6.32, 20),
    "DJI Phantom 4": (3.61, 6.32, 20),
    "DJI Phantom 4 Pro": (8.8, 12.83, 24),  # also Advanced and RTK
    "DJI Inspire 2 X4S": (8.8, 12.81, 24),
    "DJI Inspire 2 X5S 15 mm": (15.0, 17.89, 30),
}
ALSO = {"mavic3classic": "DJI Mavic 3", "mavic3cine": "DJI Mavic 3", "mavic3pro": "DJI Mavic 3"}
ALSO |= {"mavic3e": "DJI Mavic 3 Enterprise", "phantom4rtk": "DJI Phantom 4 Pro", "mavicair2s": "DJI Air 2S"}
ALSO |= {"phantom4advanced": "DJI Phantom 4 Pro", "mini": "DJI Mavic Mini", "phantom3pro": "DJI Phantom 3"}
TABLE_SD = 0.03  # relative: what different sources say of one model, and modes of video


@dataclass(frozen=True)
class Lens:
    """A pinhole camera with radial distortion; the default is the drone's that filmed the tutorial's clip.

    focal_mm and sensor_width_mm: of what the width of the picture shows; principal_point: pixel (x, y) that
    the optical axis meets, (0, 0) is the centre of the upper left pixel, None: the middle of the picture. k1,
    k2: a point at x, y (in units of the focal length, from the principal point) and distance r is seen at
    (x, y) (1 + k1 r^2 + k2 r^4). tilt_deg: how far the axis leans from straight down, towards the picture's
    upper edge. model: its name in the table, "" where it is none of these. Source: Brown 1971.
    """

    focal_mm: float = 12.29
    sensor_width_mm: float = 17.27
    principal_point: tuple | None = None
    k1: float = 0.0
    k2: float = 0.0
    tilt_deg: float = 0.0
    model: str = ""

    @property
    def half_width(self):
        """The tangent of half the horizontal field of view."""
        return self.sensor_width_mm / (2 * self.focal_mm)

    @property
    def is_distorted(self):
        return bool(self.k1 or self.k2)

    def focal_pixels(self, width):
        """The focal length in pixels of a picture of `width` pixels."""
        return width / (2 * self.half_width)

    def centre(self, size_wh):
        """The principal point (x, y) in a picture of size (width, height)."""
        return self.principal_point or ((size_wh[0] - 1) / 2, (size_wh[1] - 1) / 2)

    def undone(self):
        """The same camera for pictures without its distortion."""
        return replace(self, k1=0.0, k2=0.0)


def camera_of(name=None, focal_mm=None, sensor_width_mm=None, fov_deg=None, crop=1.0, hint="", **more):
    """A camera from its name in the table, from numbers, or from a horizontal field of view. -> Lens

    crop: how many times wider than the video's picture the whole sensor is, for modes that show a part of it;
    hint: what else is known, for messages; more: fields of `Lens`. Raises CourseError.
    """
    given = [name is not None, focal_mm is not None or sensor_width_mm is not None, fov_deg is not None]
    if sum(given) != 1:
        known = ", ".join(DRONES)
        raise CourseError(f"""Say which camera it was, in one of three ways: --camera NAME, or --focal-mm and
            --sensor-width-mm, or --fov DEGREES (horizontal). Known names: {known}.{hint}""")
    if given[1] and (focal_mm is None or sensor_width_mm is None):
        raise CourseError("""--focal-mm and --sensor-width-mm belong together: one is not given. (Of a 35 mm
            equivalent the width is 36 mm, good to 5 % at best.)""")
    if name is not None:
        name = _known(name)
        focal_mm, sensor_width_mm, _ = DRONES[name]
    if fov_deg is not None:
        _check("--fov", fov_deg, 5, 150, "degrees")
        focal_mm, sensor_width_mm = 1.0, 2 * math.tan(math.radians(fov_deg) / 2)
    else:
        _check("--focal-mm", focal_mm, 0.5, 500, "millimetres")
        _check("--sensor-width-mm", sensor_width_mm, 1, 100, "millimetres")
    _check("--crop", crop, 1, 10, "")
    lens = Lens(focal_mm, sensor_width_mm / crop, model=name or "", **more)
    if not 0.05 < lens.half_width < 4:
        raise CourseError(f"""A focal length of {focal_mm:g} mm and a sensor of {sensor_width_mm:g} mm are no
            camera's; is one of them a 35 mm equivalent?""")
    return lens


def _known(name):
    """The name of a drone as the table has it."""
    plain = {_plain(known): known for known in DRONES} | ALSO
    if (found := plain.get(_plain(name))) is not None:
        return found
    like = difflib.get_close_matches(_plain(name), plain, n=3, cutoff=0.6)
    like = f" Did you mean {' or '.join(dict.fromkeys(plain[match] for match in like))}?" if like else ""
    raise CourseError(f"""The camera {name!r} is not in the table ({", ".join(DRONES)}).{like} Else give
        numbers: --focal-mm and --sensor-width-mm, or --fov.""")


def _plain(name):
    return re.sub(r"^dji", "", re.sub(r"[^a-z0-9]", "", name.lower()))


def _check(option, value, low, high, unit):
    if not (math.isfinite(value) and low <= value <= high):
        raise CourseError(f"{option} is {value:g}, expected {low:g} to {high:g} {unit}.".replace(" .", "."))


def check_distortion(lens, size_wh, whose="The distortion"):
    """Raises CourseError for k1 and k2 that would fold a picture of size (width, height).

    whose: how the message begins.
    """
    r = math.hypot(*(lens.half_width * side / size_wh[0] for side in size_wh)) * np.linspace(0, 1.05, 50)
    if (1 + 3 * lens.k1 * r**2 + 5 * lens.k2 * r**4).min() <= 0.05:
        raise CourseError(f"""{whose} k1 = {lens.k1:g}, k2 = {lens.k2:g} folds the picture's corners:
            these are not of this camera. They count in units of the focal length, as OpenCV gives them.""")


def undistort(image, lens, window=None):
    """A picture as a lens without distortion would show it. (H, W, 3) uint8 -> the same shape

    window: (left, top, width, height) of the part that is wanted, whole pixels, within the picture; all of it
    if None.
    """
    if not lens.is_distorted and window is None:
        return image
    left, top, width, height = window or (0, 0, *image.shape[1::-1])
    if not lens.is_distorted:
        return image[top : top + height, left : left + width]
    from scipy.ndimage import map_coordinates

    where = _seen_at(lens, image.shape[1::-1], (left, top, width, height))  # (2, height, width)
    channels = [
        map_coordinates(channel, where, order=1, mode="nearest") for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1)


@functools.lru_cache(maxsize=2)
def _seen_at(lens, size_wh, window):
    """The row and column at which each pixel of a window of the picture without distortion is seen.

    -> (2, height, width)
    """
    check_distortion(lens, size_wh)
    (cx, cy), focal = lens.centre(size_wh), lens.focal_pixels(size_wh[0])
    left, top, width, height = window
    y, x = np.mgrid[top : top + height, left : left + width].astype(np.float32)
    x, y = (x - cx) / focal, (y - cy) / focal
    r2 = x * x + y * y
    factor = focal * (1 + r2 * (lens.k1 + lens.k2 * r2))
    return np.stack([cy + y * factor, cx + x * factor])


def undistort_points(points, lens, size_wh):
    """Where points of a picture are without distortion. (N, 2) pixels -> (N, 2)"""
    centre, focal = np.array(lens.centre(size_wh)), lens.focal_pixels(size_wh[0])
    seen = (np.asarray(points, float) - centre) / focal
    free = seen
    for _ in range(50):  # a fixed point: what is free of distortion is `seen` over the factor there
        r2 = (free**2).sum(-1, keepdims=True)
        free = seen / (1 + r2 * (lens.k1 + lens.k2 * r2))
    return centre + free * focal
