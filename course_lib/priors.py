"""What the default recipe asks of a scene itself, whatever the picture shows: its priors.

They hold what one camera from above does not tell: that an animal swims steadily, that its shape is one of
its kind, how deep it is. So they also decide what an outline's error does to a length
(course_lib.uncertainty). The tutorial's are in `losses`.
"""

from . import losses
from .assets.clip_info import FIN_OUT_SD

WEIGHTS = {
    "pose": 0.3,
    "tilt": 0.2,
    "scale_global": 0.3,
    "scale_axes": 0.3,
    "scale_smoothness": 3.0,
    "modes": 0.0003,
    "steady_place": 2000.0,
    "steady_turn": 300.0,
    "steady_joints": 500.0,
    "depth": 10.0,  # where fin_out_sd_m is what it usually is
    "level": 5.0,
}


# What a roll costs beside a pitch: an animal that turns banks, by ten degrees and more, while it does.
ROLLS = 1 / 8


def pace_of(fps):
    """By what squared changes of velocity are multiplied, to be what they would be at 50 frames a second."""
    return (fps / 50) ** 4


def weights_for(known, weights=WEIGHTS):
    """The weights for a clip of which `known` is known: a `ClipInfo`. -> dict"""
    sureness = (FIN_OUT_SD / known.fin_tip[1]) ** 2
    return weights | {"depth": weights["depth"] * sureness}


def terms(scene, pace, depth):
    """The priors by name, without weights. -> dict of ()

    pace: of `pace_of`; depth: the mean height that is assumed of the scene's origin, metres.
    """
    rotations = scene.rotations()  # (T, 3, 3)
    heights = scene.translations[:, 0, 1]  # (T,)
    mean = heights.mean()
    roll, pitch = rotations[:, 1, 0], rotations[:, 1, 2]  # (T,), their sines
    return {
        "pose": losses.pose_prior(scene.joint_poses),
        "tilt": pitch.square().mean() + ROLLS * roll.square().mean(),
        **losses.scale_priors(scene.part_scales, scene.model.LBS),
        "modes": scene.shape_modes @ scene.shape_modes,
        "steady_place": pace * losses.steadiness_prior(scene.translations),
        "steady_turn": pace * losses.steadiness_prior(rotations),
        "steady_joints": pace * losses.steadiness_prior(scene.joint_poses),
        "depth": (mean - depth).square(),
        "level": (heights - mean).square().mean(),
    }


def held_by(known, weights=WEIGHTS):
    """The weighted sum of the priors, as `course_lib.uncertainty` asks for it. -> function

    It takes a scene, its frames a second and the mean height that is assumed of its origin, metres.
    """
    weights = weights_for(known, weights)

    def summed(scene, fps, depth):
        return sum(losses.weighted(terms(scene, pace_of(fps), depth), weights).values())

    return summed
