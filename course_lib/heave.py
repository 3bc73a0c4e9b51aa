"""How an animal's depth changes over a clip, by the colour of the water above it.

Water takes red light away first: an animal that goes deeper turns blue. How deep it is on average that does
not say, for nobody knows its skin; by how much it rises and sinks it does, when skin, light and water are
fitted (course_lib.appearance). Of a pixel that shows the dolphin under water, the colour I changes with the
height by dI/dh = w (I - S), with the absorption w and the light S that the water sends up. So in each frame
two numbers are fitted to all pixels: the height that is missing, and a factor for all colours, which takes
care of waves, clouds and the camera's exposure. How far the parts of the body disagree says how sure it is.
"""

from dataclasses import replace

import numpy as np
import torch

from .refraction import apparent
from .surfacing import HEAVE_S

PARTS = 6  # of the body, along it
USUAL = 0.1  # metres, by which an animal may rise and sink about its mean
SHARED_S, SHARED = 0.2, 0.02  # seconds over which frames are off together; metres by which all parts are
FEW = 20  # pixels of a frame: fewer say nothing
FAR_OFF = 0.12  # of colours in [0, 1]: from here on a pixel counts little, as in course_lib.appearance


@torch.no_grad()
def by_colour(scene, pixels, still, fps):
    """What colours add to the height of each frame, about its mean over the clip. -> (T,), sd (T,), metres

    pixels: `course_lib.appearance.Pixels`; still (N, 3): their colours in still water, of the scene.
    """
    T, along = scene.num_frames, scene.model.V[0, :, 2]
    part = (along - along.min()) / (along.max() - along.min()).clamp(min=1e-9)
    part = (part[pixels.corners[:, 0]] * PARTS).long().clamp(max=PARTS - 1)
    slope = scene.water_absorption * (still - scene.water_light) * (pixels.height < 0)  # (N, 3)
    off = pixels.colour - still
    weight = (1 + off.square().sum(1) / FAR_OFF**2) ** -2
    cell = (pixels.frame * PARTS + part).cpu().numpy()

    def summed(a, b):  # over the pixels of each part in each frame: (T, PARTS)
        values = (weight * (a * b).sum(1)).cpu().double().numpy()
        return np.bincount(cell, values, T * PARTS).reshape(T, PARTS)

    sums = [
        summed(a, b) for a, b in ((still, still), (still, slope), (slope, slope), (still, off), (slope, off))
    ]
    counts = np.bincount(pixels.frame.cpu().numpy(), minlength=T)
    height = _height(*(one.sum(1) for one in sums))
    without = np.stack([_height(*(one.sum(1) - one[:, k] for one in sums)) for k in range(PARTS)])
    variance = (PARTS - 1) / PARTS * np.square(without - without.mean(0)).sum(
        0
    ) + SHARED**2  # the jackknife's
    unseen = (counts < FEW) | ~np.isfinite(height + variance)
    height, variance = np.where(unseen, 0, height), np.where(unseen, 1e6, variance)
    return _smooth(height, variance * max(fps * SHARED_S, 1), np.arange(T) / fps)


def _height(ss, sd, dd, so, do):
    """The height (T,) of least squares with two unknowns, from its normal equations."""
    with np.errstate(all="ignore"):
        return (do - sd * so / ss) / (dd - sd**2 / ss)


def _smooth(values, variances, times):
    """What a smooth random function is about its mean over time, seen with noise. -> (T,), sd (T,)"""
    apart = times[:, None] - times
    prior = USUAL**2 * np.exp(-0.5 * (apart / HEAVE_S) ** 2) + 1.0  # its mean may be anything
    gain = np.linalg.solve(prior + np.diag(variances), prior).T
    found, left = gain @ values, prior - gain @ prior
    left = left - left.mean(0)
    sd = np.sqrt(np.maximum(np.diag(left) - left.mean(1), 0))
    return (torch.from_numpy(one.astype(np.float32)) for one in (found - found.mean(), sd))


@torch.no_grad()
def raise_by(scene, dataset, rise):
    """Raises the dolphin of each frame by `rise` (T,), metres, along the ray on which the camera sees it.

    -> how far from the camera it seems to be now, as a share of what that was, (T,)
    """
    eye = dataset.cam_eye.to(scene.translations)  # (T, 3)
    place = scene.translations[:, 0]
    higher = place.clone()
    higher[:, 1] += rise.to(place)
    before, after = (eye[:, 1] - apparent(at, scene.water_index)[:, 1] for at in (place, higher))
    share = after / before  # of the way from the camera
    higher[:, [0, 2]] = eye[:, [0, 2]] + share[:, None] * (place[:, [0, 2]] - eye[:, [0, 2]])
    scene.translations.copy_(higher[:, None])
    return share


@torch.no_grad()
def settle_mean(scene, dataset, sd):
    """Puts the animal as deep as frames say in which it surfaces, now that its heave is known.

    sd (T,): of the heave, metres. The animal is as large in the pictures as before: nearer to the camera it
    is smaller. `dataset.known` takes over what is known of the depth now, which intervals ask for.
    """
    before = dataset.known
    if not before.surfaced:
        return
    tip = int(scene.rest_shape()[:, 1].argmax())
    heights = torch.cat([scene.skin(t)[:, tip, 1] for t in torch.arange(scene.num_frames).split(20)]).cpu()
    dataset.known = replace(before, heave=((heights - heights.mean()).numpy(), sd.numpy()))
    rise = dataset.known.fin_tip[0] - before.fin_tip[0]
    share = raise_by(scene, dataset, torch.full((scene.num_frames,), rise))
    scene.part_scales[:, 0] += share.mean() - 1
