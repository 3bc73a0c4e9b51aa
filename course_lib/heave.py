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

PARTS = 6  # of the body, along it
USUAL, USUAL_S = 0.1, 0.2  # metres by which an animal may rise and sink about its mean, over so many seconds
SHARED_S, SHARED = 0.1, 0.02  # seconds over which frames are off together; metres by which all parts are
FEW = 20  # pixels of a frame: fewer say nothing
ROUNDS, FAR_OFF = 3, 0.12  # of weights; of colours in [0, 1]: from here on a pixel counts little
NOISE = 0.05  # of colours in [0, 1], of a pixel


@torch.no_grad()
def by_colour(scene, pixels, still, fps):
    """What colours add to the height of each frame, about its mean over the clip. -> (T,), sd (T,), metres

    pixels: `course_lib.appearance.Pixels`; still (N, 3): their colours in still water, of the scene.
    """
    T, along = scene.num_frames, scene.model.V[0, :, 2]
    part = (along - along.min()) / (along.max() - along.min()).clamp(min=1e-9)
    part = (part[pixels.corners[:, 0]] * PARTS).long().clamp(max=PARTS - 1)
    slope = scene.water_absorption * (still - scene.water_light) * (pixels.height < 0)  # (N, 3)
    off, frame = pixels.colour - still, pixels.frame.cpu().numpy()
    cell = frame * PARTS + part.cpu().numpy()
    pairs = (still, still), (still, slope), (slope, slope), (still, off), (slope, off)
    products = [(a * b).sum(1).cpu().double().numpy() for a, b in pairs]
    weight = np.ones(len(cell))
    for _ in range(ROUNDS):  # a pixel that is far off what its frame's two numbers make of it counts little
        sums = [np.bincount(cell, weight * one, T * PARTS).reshape(T, PARTS) for one in products]
        factor, height, _ = (one[frame] for one in _two(*(one.sum(1) for one in sums)))
        left = off - still * still.new_tensor(factor[:, None]) - slope * slope.new_tensor(height[:, None])
        weight = (1 + left.square().sum(1).cpu().double().numpy() / FAR_OFF**2) ** -2
    _, height, told = _two(*(one.sum(1) for one in sums))
    without = np.stack([_two(*(one.sum(1) - one[:, k] for one in sums))[1] for k in range(PARTS)])
    variance = (
        (PARTS - 1) * without.var(0) + NOISE**2 / told + SHARED**2
    )  # the jackknife's, and what all share
    unseen = np.bincount(frame, minlength=T) < FEW
    height, variance = np.where(unseen, 0, height), np.where(unseen, 1e6, variance)
    return _smooth(height, variance * max(fps * SHARED_S, 1), np.arange(T) / fps)


def _two(ss, sd, dd, so, do):
    """Least squares of two unknowns, a factor and a height, from their normal equations.

    -> the factor, the height, how much is known of the height: three of (T,)
    """
    ss = np.maximum(ss, 1e-9)
    told = np.maximum(dd - sd**2 / ss, 1e-9)
    height = (do - sd * so / ss) / told
    return (so - sd * height) / ss, height, told


def _smooth(values, variances, times):
    """What a smooth random function is about its mean over time, seen with noise. -> (T,), sd (T,)"""
    apart = times[:, None] - times
    prior = USUAL**2 * np.exp(-0.5 * (apart / USUAL_S) ** 2) + 1.0  # its mean may be anything
    gain = np.linalg.solve(prior + np.diag(variances), prior).T
    found, left = gain @ values, prior - gain @ prior
    left = left - left.mean(0)
    sd = np.sqrt(np.maximum(np.diag(left) - left.mean(1), 0))
    return tuple(torch.from_numpy(one.astype(np.float32)) for one in (found - found.mean(), sd))


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
