"""The clip as a dataset: frames, masks, and the camera of each frame.

The drone looks straight down. Its camera is at (0, altitude, 0), looks at the origin, and has the world's +z
up in the image; focal length and sensor width are those of the drone that filmed the tutorial's clip, unless
the clip says others (`assets.clip_info`): then it may also lean towards the image's upper edge.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from .assets import AssetPack, clip_files
from .assets.clip_info import TUTORIAL_FPS, ClipInfo, read_clip_info
from .errors import CourseError
from .kal.render.camera import Camera, CameraFOV
from .lens import Lens
from .refraction import AIR, through_water

TUTORIAL_LENS = Lens()
CAMERA_FOCAL, SENSOR_WIDTH = TUTORIAL_LENS.focal_mm, TUTORIAL_LENS.sensor_width_mm  # mm
NEAR, FAR = 1e-2, 1e2  # metres, clipping planes


class SegmentedVideo(Dataset):
    """T frames with their masks, and what is known about the camera.

    clip: an `AssetPack`, or the folder of a clip (with frames/, segmentation/, and in metadata/ altitude.npy
    or clip.json); fps: frames per second, the clip's own if None; frames: take only so many from the start,
    None for all; mask_paths: of its masks, if not in segmentation/. Raises CourseError for files that
    are missing, damaged or do not fit each other.

    Frames and masks are kept as bytes, a quarter of the memory of floats, and become floats in [0, 1] when an
    item is asked for: frames (T, H, W, 3) uint8, masks (T, H, W) uint8 (0 or 255), segment_centers (T, 2)
    mean pixel (x, y) of each mask, confidence (T,) how far each can be trusted, 0 where the animal was lost,
    data_resolution (W, H), cam_eye (T, 3) metres, cam_at (3,), or (T, 3)
    where the camera leans, cam_up (3,), known: the `ClipInfo`, lens: its camera, centres (T, 2): the
    principal points of frames that are windows of a picture, else None.
    """

    # also of a clip that is put together without files
    lens, known, centres = TUTORIAL_LENS, ClipInfo(TUTORIAL_FPS, np.zeros(0, np.float32)), None
    confidence = None  # every mask as much as the others

    def __init__(self, clip, fps=None, frames=None, mask_paths=None):
        clip_dir = Path(clip.clip_dir if isinstance(clip, AssetPack) else clip)
        frames_dir, masks_dir = clip_dir / "frames", clip_dir / "segmentation"
        frame_paths = clip_files.numbered_images(frames_dir, clip_files.FRAME_SUFFIXES)
        T = len(frame_paths)
        if mask_paths is None and not masks_dir.is_dir():
            raise CourseError(f"""{masks_dir}: no such folder, expected a mask for each of the {T} frames;
                make them with: dolphins segment""")
        mask_paths = mask_paths or clip_files.numbered_masks(masks_dir, T)
        size = W, H = clip_files.image_size(frame_paths[0])
        self.known = read_clip_info(clip_dir, T, size)
        self.lens = self.known.lens
        if self.known.centres is not None:
            self.centres = torch.from_numpy(self.known.centres.astype(np.float32))
        asked = T if frames is None else frames
        if not 1 <= asked <= T:
            raise CourseError(f"{frames} frames were asked for, but {frames_dir} holds {T}; ask for 1 to {T}")
        T = asked
        seen = tuple(one for one in self.known.surfaced if one[1] < T)
        self.known = replace(self.known, surfaced=seen)
        first = frame_paths[0]
        images = clip_files.read_images(tuple(frame_paths[:T]), "RGB", size, first, self.lens)  # (T, H, W, 3)
        masks = clip_files.read_images(tuple(mask_paths[:T]), "L", size, first)  # (T, H, W)
        centers = np.stack([_center_of(mask) for mask in masks])  # (T, 2)

        self.fps, self.data_resolution = self.known.fps if fps is None else fps, size
        self.center_normalization = torch.tensor([W, H])
        self.frames, self.masks = torch.from_numpy(images), torch.from_numpy(masks)
        self.segment_centers = torch.from_numpy(centers.astype(np.float32))
        sure = [clip_files.read_confidence(path) for path in mask_paths[:T]]
        self.confidence = torch.tensor(sure, dtype=torch.float32)
        if not (self.confidence > 0).any():
            raise CourseError(f"""{masks_dir}: the animal was lost in each of the {T} frames; segment the clip
                again, from other points""")
        self.cam_eye = torch.zeros(T, 3)
        self.cam_eye[:, 1] = torch.from_numpy(self.known.altitude_m[:T])
        self.cam_at, self.cam_up = torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])
        if self.lens.tilt_deg:
            ahead = self.cam_eye[:, 1] * math.tan(math.radians(self.lens.tilt_deg))
            self.cam_at = torch.stack([torch.zeros(T), torch.zeros(T), ahead], dim=1)  # (T, 3)

    def __getitem__(self, idx):
        """One frame: original (H, W, 3) and segmented (H, W, 1) in [0, 1], segm_center (2,), t, its camera.

        segm_center lies in the image plane, [-1, 1], y up. The camera is cam_eye (3,), cam_at (3,), cam_up
        (3,), cam_width and cam_height.
        """
        if not -len(self) <= idx < len(self):
            raise IndexError(f"frame {idx} was asked for, expected 0 to {len(self) - 1}")
        segmented, center = self.masks[idx, :, :, None] / 255.0, self.normalized_centers(idx)
        item = dict(original=self.frames[idx] / 255.0, segmented=segmented, segm_center=center, t=idx)
        at = self.cam_at if self.cam_at.ndim == 1 else self.cam_at[idx]
        item.update(cam_eye=self.cam_eye[idx], cam_at=at, cam_up=self.cam_up)
        item["cam_width"], item["cam_height"] = self.data_resolution
        if self.lens != TUTORIAL_LENS:
            item["cam_lens"] = self.lens
        if self.centres is not None:
            item["cam_centre"] = self.centres[idx]
        return item

    def __len__(self):
        return len(self.frames)

    def cameras(self, t, water_index=AIR):
        """The cameras of the frames t (B,); with a `scene.water_index` they see it through the water."""
        at, up = self.cam_at.expand(len(self), 3)[t], self.cam_up.expand(len(t), 3)
        centre = None if self.centres is None else self.centres[t]
        cameras = drone_cameras(self.cam_eye[t], at, up, *self.data_resolution, self.lens, centre)
        return through_water(cameras, water_index)

    def normalized_centers(self, t):
        """The masks' centres in the image plane, x right, y up, [-1, 1]: (B, 2) for t (B,), (2,) for one."""
        c = self.segment_centers[t] / (self.center_normalization / 2.0) - 1.0
        return c * torch.tensor([1.0, -1.0])


def _center_of(mask):
    """The mean pixel (x, y) of a mask (H, W) of 0 and 255."""
    along = mask.sum(axis=0, dtype=np.int64), mask.sum(axis=1, dtype=np.int64)
    return np.array([np.arange(len(sums)) @ sums / sums.sum() for sums in along])


def drone_cameras(eye, at, up, width, height, lens=TUTORIAL_LENS, centre=None):
    """The drone's camera at B places; eye, at, up (B, 3); lens: a `Lens`, the tutorial's drone's by default.

    centre (B, 2): the principal points, pixels, where they are not the lens's.
    """
    fov = 2 * math.atan(lens.half_width)
    far = max(FAR, 2 * float(eye[:, 1].max()))
    how = dict(fov=fov, fov_direction=CameraFOV.HORIZONTAL, near=NEAR, far=far, dtype=torch.float32)
    if centre is not None or lens.principal_point is not None:
        x, y = lens.principal_point if centre is None else centre.unbind(-1)
        how |= dict(x0=x - (width - 1) / 2, y0=(height - 1) / 2 - y)
    return Camera.from_args(eye=eye, at=at, up=up, width=width, height=height, **how)


def collate_batch(frames):
    """A batch of B items of `SegmentedVideo`: their tensors stacked, and cam, the batch's `Camera`.

    original (B, H, W, 3), segmented (B, H, W, 1), segm_center (B, 2), t (B,) long.
    """
    lens = frames[0].get("cam_lens", TUTORIAL_LENS)
    batch = default_collate([{key: frame[key] for key in frame if key != "cam_lens"} for frame in frames])
    eye, at, up = (batch.pop(key) for key in ("cam_eye", "cam_at", "cam_up"))
    width, height = (int(batch.pop(key)[0]) for key in ("cam_width", "cam_height"))
    return batch | {"cam": drone_cameras(eye, at, up, width, height, lens, batch.pop("cam_centre", None))}


def to_device(frames, device):
    """A batch with all that can move (tensors, the camera) on `device`."""
    # Nobody waits for copies to a GPU. From one the CPU must, or it would read what has not come yet.
    move = dict(device=device, non_blocking=torch.device(device).type != "cpu")
    return {key: value.to(**move) if hasattr(value, "to") else value for key, value in frames.items()}
