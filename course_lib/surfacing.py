"""How deep an animal swims, from frames in which it breaks the surface.

Where the tip of the dorsal fin just comes out of the water, or goes under, it is at the height of the sea,
give or take what waves and a look at a picture leave open. So such a frame measures the one depth that a
camera from above does not see. Between frames an animal heaves: one frame says little of the mean over some
seconds, several say more. All of it is Gaussian: the tip is at the height m + d(t), with m what was said of
the clip, give or take its standard deviation, and d a smooth random function whose mean over the clip is 0.
Where the water's colour has told d (course_lib.heave), a frame says much more. Where the back breaks the
surface, the tip is as high over it as the fin is. Source: Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, eq. 2.23 to 2.25.
"""

import re

import numpy as np

from .errors import CourseError

PARTS = {"fin": (0.0, 0.0), "back": (0.21, 0.03)}  # metres: the tip over what breaks the surface, and its sd
SEEN_SD = 0.03  # metres, by which waves and whoever looks at a picture are off
HEAVE, HEAVE_S = 0.05, 0.5  # metres by which an animal heaves about its mean, over so many seconds
UNSAID_SD = 0.3  # metres, of a mean of which nobody said anything
MOST_TIMES = 200  # of a clip, for means over it
AT_ODDS = 3.0  # standard deviations between frames and what was said


def surfaced_of(text, name="--surfaced"):
    """A frame in which something breaks the surface, as it is written: "12" or "back:12". -> (part, frame)

    Raises CourseError for a text that says none.
    """
    match = re.fullmatch(r"(?:([a-z]+):)?(\d+)", str(text).strip())
    if match is None or (match[1] or "fin") not in PARTS:
        raise CourseError(f"""{name} is {str(text)[:40]!r}, expected the number of a frame in which the tip of
            the dorsal fin just breaks the surface, such as 12, or the back: back:12""")
    return match[1] or "fin", int(match[2])


def check_frames(surfaced, n_frames, name="--surfaced"):
    """Raises CourseError for a frame that a clip of `n_frames` does not have. -> surfaced, [(part, frame)]"""
    for _, frame in surfaced:
        if not 0 <= frame < n_frames:
            raise CourseError(f"{name}: there is no frame {frame}, the clip has 0 to {n_frames - 1}")
    return surfaced


def mean_of_tip(said, said_sd, surfaced, n_frames, fps, heave=None):
    """How far the fin's tip is out of the water on average over a clip. -> mean, its sd, both metres

    said, said_sd: what is known of that mean without the frames; surfaced: (part, frame) pairs; heave: by how
    much the tip is above its mean in each frame (T,), and its standard deviation (T,), metres; None: unknown.
    """
    if not surfaced:
        return said, said_sd
    seen, total = _seen(said_sd, surfaced, n_frames, fps, heave)
    gain = said_sd**2 * np.linalg.solve(total, np.ones(len(seen)))
    mean, variance = said + gain @ (seen - said), said_sd**2 * (1 - gain.sum())
    return float(mean), float(np.sqrt(variance))


def at_odds(said, said_sd, surfaced, n_frames, fps, heave=None):
    """By how many metres frames and what was said of the mean disagree; None where they do not."""
    if not surfaced:
        return None
    seen, total = _seen(said_sd, surfaced, n_frames, fps, heave)
    weights = np.linalg.solve(total, np.ones(len(seen)))
    off = float(weights @ (seen - said) / weights.sum())
    return off if abs(off) > AT_ODDS / np.sqrt(weights.sum()) else None


def _seen(said_sd, surfaced, n_frames, fps, heave):
    """Heights of the mean by each frame (N,), and their covariance (N, N) before they were looked at."""
    over, sd = np.array([PARTS[part] for part, _ in surfaced]).T
    same = np.array([[a == b for b, _ in surfaced] for a, _ in surfaced])  # off by the same height of the fin
    frames = np.array([frame for _, frame in surfaced])
    at = frames / fps

    def alike(a, b):
        return np.exp(-0.5 * ((a[:, None] - b) / HEAVE_S) ** 2)

    if heave is None:
        times = np.linspace(0, max(n_frames - 1, 0) / fps, min(max(n_frames, 1), MOST_TIMES))
        towards = alike(at, times).mean(1)
        about_mean = HEAVE**2 * (alike(at, at) - towards[:, None] - towards + alike(times, times).mean())
    else:
        over = over - heave[0][frames]
        about_mean = np.outer(*2 * [heave[1][frames]]) * alike(at, at)
    noise = SEEN_SD**2 * np.eye(len(at)) + same * np.outer(sd, sd)
    return over, said_sd**2 + about_mean + noise
