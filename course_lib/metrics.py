"""How far a fit is from the known truth: overlap, place, direction, shape."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from .assets.clip_files import open_npz


@dataclass(frozen=True)
class Truth:
    """What the embedded clip was made from; clips of real animals have none.

    translations (T, 3), vertices (T, V, 3) metres, masks (T, H, W) bool, heading_deg (T,) unwrapped, rotvecs
    (T, 3) continuous, radians, length_m and volume_m3 of the dolphin at rest.
    """

    translations: torch.Tensor
    vertices: torch.Tensor
    masks: torch.Tensor
    heading_deg: torch.Tensor
    rotvecs: torch.Tensor
    length_m: float
    volume_m3: float

    @property
    def positions(self):
        return self.vertices.mean(1)  # (T, 3)


def load_truth(path, num_frames=None):
    """Reads truth.npz (see assets/README.md for its arrays); the first `num_frames` frames of it."""
    frames = slice(num_frames)
    with open_npz(path) as data:
        offsets = torch.from_numpy(data["vertices_tenth_mm"][frames].astype(np.float32)) * 1e-4  # (T, V, 3)
        width = int(data["size_wh"][0])
        masks = np.unpackbits(data["masks_packed"][frames], axis=-1)[..., :width].astype(bool)
        translations = torch.from_numpy(data["translations"][frames])  # (T, 1, 3)
        return Truth(
            translations=translations[:, 0],
            vertices=offsets + translations,
            masks=torch.from_numpy(masks),
            heading_deg=torch.from_numpy(data["heading_deg"][frames]),
            rotvecs=torch.from_numpy(data["global_poses"][frames, 0]),
            length_m=float(data["length_m"]),
            volume_m3=float(data["volume_m3"]),
        )


def areas(masks):
    """How many pixels each of some masks (T, H, W) bool has. -> (T,)"""
    # Counted, a frame at a time: a sum of booleans makes an integer of eight bytes of each pixel.
    return torch.stack([mask.count_nonzero() for mask in masks])


def mask_iou(a, b):
    """Intersection over union of boolean masks (T, H, W), frame by frame -> (T,); 1 where both are empty."""
    pairs = [((x & y).count_nonzero(), (x | y).count_nonzero()) for x, y in zip(a, b)]
    return torch.stack([overlap / union if union > 0 else torch.tensor(1.0) for overlap, union in pairs])


def heading(rotmats):
    """atan2(x, z) of the forward axis, seen from above. (T, 3, 3) -> (T,), degrees in (-180, 180]"""
    forward = rotmats[:, :, 2]  # (T, 3): the rotated z axis
    return torch.rad2deg(torch.atan2(forward[:, 0], forward[:, 2]))


def angle_between(a, b):
    """Unsigned difference of two directions in degrees, at most 180."""
    return ((a - b + 180) % 360 - 180).abs()


def rotation_steps(rotmats):
    """The true angle of rotation from each frame to the next, degrees. (T, 3, 3) -> (T - 1,)"""
    relative = rotmats[:-1].transpose(1, 2) @ rotmats[1:]
    # 2 asin(|R - I|_F / sqrt(8)) is exact near 0, where a video's steps are; acos((trace - 1) / 2) is not
    chord = (relative - torch.eye(3, dtype=rotmats.dtype)).flatten(1).norm(dim=1)
    return torch.rad2deg(2 * torch.asin((chord / 8**0.5).clamp(max=1)))


def chart_jumps(rotvecs):
    """How far the stored rotation vectors move from frame to frame, degrees. (T, 3) -> (T - 1,)

    A smooth turn whose vector jumps by up to 360 degrees is the epilogue's trap: see `rotation_steps`.
    """
    return torch.rad2deg((rotvecs[1:] - rotvecs[:-1]).norm(dim=-1))


def against_truth(truth, vertices, rotmats, hard_masks, length_m, volume_m3):
    """Errors of a fit. -> (figures: flat dict of floats, per_frame: dict of (T,) tensors)

    vertices (T, V, 3), rotmats (T, 3, 3), hard_masks (T, H, W) bool, length and volume at rest. Position is
    the mean of all vertices, so that a model's origin does not matter; depth is its vertical part.
    """
    offset = vertices.mean(1) - truth.positions  # (T, 3)
    per_frame = {
        "iou": mask_iou(hard_masks, truth.masks),
        "position_error_m": offset.norm(dim=-1),
        "depth_error_m": offset[:, 1],
        "heading_error_deg": angle_between(heading(rotmats), truth.heading_deg),
        "vertex_error_cm": 100 * (vertices - truth.vertices).norm(dim=-1).mean(-1),
    }
    figures = {
        "iou_mean": per_frame["iou"].mean(),
        "iou_min": per_frame["iou"].min(),
        "position_rmse_m": per_frame["position_error_m"].square().mean().sqrt(),
        "depth_rmse_m": per_frame["depth_error_m"].square().mean().sqrt(),
        "heading_error_deg_median": per_frame["heading_error_deg"].quantile(0.5),
        "heading_error_deg_max": per_frame["heading_error_deg"].max(),
        "vertex_error_cm_mean": per_frame["vertex_error_cm"].mean(),
        "length_error_pct": 100 * (length_m / truth.length_m - 1),
        "volume_error_pct": 100 * (volume_m3 / truth.volume_m3 - 1),
    }
    return {name: float(value) for name, value in figures.items()}, per_frame


class ColourErrors:
    """How far the colours of rendered frames are from the video's, inside masks: PSNR over a whole clip.

    masks: {name: (T, H, W) bool}. A frame counts where it shows the dolphin and the mask does, too: how well
    these two agree, the overlap says.
    """

    def __init__(self, masks):
        self.masks, self.sums = masks, {}

    def add(self, t, originals, renders, hard_mask):
        """Frame t: original (H, W, 3), renders {kind: (H, W, 3)}, all in [0, 1]; hard_mask (H, W) bool."""
        for kind, render in renders.items():
            errors = (render.clamp(0, 1) - originals).square().mean(-1)  # (H, W)
            for name, masks in self.masks.items():
                inside = errors[hard_mask & masks[t]]
                total, count = self.sums.get((kind, name), (0.0, 0))
                self.sums[kind, name] = total + float(inside.sum(dtype=torch.float64)), count + len(inside)

    def psnr(self, kind, name):
        """The peak signal-to-noise ratio in dB: -10 log10 of the mean squared error; None without a pixel."""
        total, count = self.sums.get((kind, name), (0.0, 0))
        return -10 * math.log10(max(total / count, 1e-12)) if count else None
