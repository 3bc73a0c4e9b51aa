"""Terms of a loss, and the tutorial's sum of them (that of the default fit is in solutions/recipes.py).

Two terms look at the picture, priors say what dolphins are like. Every prior returns a mean, so that its
weight means the same for any number of frames and parts. `outline` has the default fit's silhouette term.
"""

import torch

from .shading import covered_pixels, pixels_of

LOSS_WEIGHTS = dict(photometric=1.0, mask=1.0, pose=2.0)
LOSS_WEIGHTS |= dict(scale_global=0.001, scale_axes=0.1, scale_smoothness=5.0)
LOSS_WEIGHTS |= dict(smooth_translations=500.0, smooth_global_poses=0.0, smooth_joint_poses=500.0)

# Fins and flukes, the last three parts, are held five times as stiffly: little of them is seen from above.
PART_STIFFNESS = (1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0)


def photometric_loss(render, original, hard_mask):
    """Mean squared difference of colours over the pixels that show the dolphin.

    render, original (B, H, W, 3) in [0, 1], hard_mask (B, H, W, 1) -> scalar; 0 where no pixel shows it.
    """
    covered = covered_pixels(hard_mask)  # (N,), one per cent of a frame
    shown = (pixels_of(given, covered) for given in (render, original, hard_mask))
    render, original, hard_mask = shown  # (N, 3), (N, 3), (N, 1)
    difference = (render - original).square() * hard_mask
    return difference.sum() / (render.shape[-1] * hard_mask.sum()).clamp(min=1)


def iou_loss(silhouette, segmentation, segmented_outside=None):
    """1 - intersection / union of the soft silhouette and the mask, averaged over the batch.

    silhouette, segmentation (B, H, W, 1). `segmented_outside` (B,): how much of the mask lies outside the
    window that is shown here; nothing is rendered there, so it belongs to the union alone and the loss is the
    whole frame's.
    """
    a, b = silhouette.flatten(1), segmentation.flatten(1)  # (B, H * W)
    intersection = (a * b).sum(1)
    union = (a + b - a * b).sum(1) + 1e-7
    if segmented_outside is not None:
        union = union + segmented_outside
    return 1 - (intersection / union).mean()


def pose_prior(joint_poses):
    """A relaxed dolphin is straight: weighted mean square of the parts' rotation vectors (T, P, 3)."""
    stiffness = torch.tensor(PART_STIFFNESS, dtype=joint_poses.dtype).view(1, -1, 1)
    stiffness = stiffness.to(joint_poses.device, non_blocking=True)
    return (joint_poses.square() * stiffness).mean()


def scale_priors(part_scales, lbs):
    """Three priors on the shape (P, 4): small scales, a height that follows width and length, and agreement.

    From above nothing tells a deep dolphin from a flat one. So the unseen axis' scale, y, is drawn to the two
    others', which are detached: the guess must not disturb what is seen.
    """
    seen, y = part_scales[:, 1::2], part_scales[:, 2:3]  # (P, 2), of x and z, and (P, 1)
    of_bones = part_scales[lbs.seg_grouping]  # (J, 4)
    return {
        "scale_global": part_scales.square().mean(),
        "scale_axes": 2 * (y - seen.detach()).square().mean(),
        "scale_smoothness": (of_bones[1:] - of_bones[lbs.parents[1:]]).square().mean(),
    }


def smoothness_prior(track):
    """Mean squared change from frame to frame of a track (T, ...)."""
    return (track[1:] - track[:-1]).square().mean()


def steadiness_prior(track):
    """Mean squared change of velocity of a track (T, ...): a steady motion costs nothing."""
    return (track[2:] - 2 * track[1:-1] + track[:-2]).square().mean()


def compute_loss(scene, frames, image, hard_mask, silhouette):
    """The tutorial's loss, as a dict of weighted terms; their sum is what is minimised.

    frames: a batch of the loader (`original` (B, H, W, 3), `segmented` (B, H, W, 1), and, when the frames are
    cropped, `segmented_outside` (B,)); image, hard_mask, silhouette: what `render` gave for it.
    """
    terms = {
        "photometric": photometric_loss(image, frames["original"], hard_mask),
        "mask": iou_loss(silhouette, frames["segmented"], frames.get("segmented_outside")),
        "pose": pose_prior(scene.joint_poses),
        **scale_priors(scene.part_scales, scene.model.LBS),
        "smooth_translations": smoothness_prior(scene.translations),
        "smooth_global_poses": smoothness_prior(scene.global_poses),
        "smooth_joint_poses": smoothness_prior(scene.joint_poses),
    }
    return weighted({name: value for name, value in terms.items() if LOSS_WEIGHTS[name]}, LOSS_WEIGHTS)


def weighted(terms, weights):
    """The terms (), a dict, each times the weight of its name: in one multiplication, with one derivative."""
    values = torch.stack([*terms.values()])
    factors = torch.tensor([weights[name] for name in terms], dtype=values.dtype)
    return dict(zip(terms, (values * factors.to(values.device, non_blocking=True)).unbind()))
