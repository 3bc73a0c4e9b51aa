"""The clip as a dataset: frames, masks, and the camera of each frame.

The drone looks straight down. Its camera is at (0, altitude, 0), looks at the origin, and has the world's +z
up in the image; focal length and sensor width are those of the drone that filmed the tutorial's clip.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from . import kal
from .assets import AssetPack, clip_files
from .errors import CourseError

CAMERA_FOCAL = 12.29  # mm
SENSOR_WIDTH = 17.27  # mm
NEAR, FAR = 1e-2, 1e2  # metres, clipping planes


class SegmentedVideo(Dataset):
    """T frames with their masks, and what is known about the camera.

    clip: an `AssetPack`, or the folder of a clip (with frames/, segmentation/ and metadata/altitude.npy);
    fps: frames per second; frames: take only so many from the start, None for all. Raises CourseError for
    files that are missing, damaged or do not fit each other.

    Frames and masks are kept as bytes, a quarter of the memory of floats, and become floats in [0, 1] when an
    item is asked for: frames (T, H, W, 3) uint8, masks (T, H, W) uint8 (0 or 255), segment_centers (T, 2)
    mean pixel (x, y) of each mask, data_resolution (W, H), cam_eye (T, 3) metres, cam_at (3,), cam_up (3,).
    """

    def __init__(self, clip, fps=50, frames=None):
        clip_dir = Path(clip.clip_dir if isinstance(clip, AssetPack) else clip)
        frames_dir, masks_dir = clip_dir / "frames", clip_dir / "segmentation"
        frame_paths = clip_files.numbered_images(frames_dir, clip_files.FRAME_SUFFIXES)
        if not masks_dir.is_dir():
            raise CourseError(f"""{masks_dir}: no such folder, expected a mask for each of the
                {len(frame_paths)} frames; make them with: dolphins segment""")
        mask_paths = clip_files.numbered_images(masks_dir, clip_files.MASK_SUFFIXES)
        if len(mask_paths) != len(frame_paths):
            raise CourseError(f"""{masks_dir}: holds {len(mask_paths)} masks for {len(frame_paths)} frames,
                expected one per frame; segment the clip again""")
        altitudes = clip_files.load_altitudes(
            clip_dir / "metadata" / "altitude.npy", len(frame_paths)
        )  # (T,)
        if frames is not None:
            if not 1 <= frames <= len(frame_paths):
                raise CourseError(f"""{frames} frames were asked for, but {frames_dir} holds
                    {len(frame_paths)}; ask for 1 to {len(frame_paths)}""")
            frame_paths, mask_paths, altitudes = frame_paths[:frames], mask_paths[:frames], altitudes[:frames]

        T, (W, H) = len(frame_paths), clip_files.image_size(frame_paths[0])
        self.fps = fps
        self.data_resolution = (W, H)
        self.center_normalization = torch.tensor([W, H])
        images = np.empty((T, H, W, 3), dtype=np.uint8)
        masks = np.empty((T, H, W), dtype=np.uint8)
        centers = np.empty((T, 2), dtype=np.float32)
        for i, (frame_path, mask_path) in enumerate(zip(frame_paths, mask_paths)):
            images[i] = _read_image(frame_path, "RGB", (W, H), frame_paths[0])
            masks[i] = _read_image(mask_path, "L", (W, H), frame_paths[0])
            rows, columns = masks[i].nonzero()
            centers[i] = columns.mean(), rows.mean()
        self.frames, self.masks = torch.from_numpy(images), torch.from_numpy(masks)
        self.segment_centers = torch.from_numpy(centers)

        self.cam_eye = torch.zeros(T, 3)
        self.cam_eye[:, 1] = torch.from_numpy(altitudes)
        self.cam_at = torch.zeros(3)
        self.cam_up = torch.tensor([0.0, 0.0, 1.0])

    def __getitem__(self, idx):
        """One frame: original (H, W, 3) and segmented (H, W, 1) in [0, 1], segm_center (2,) in the image
        plane ([-1, 1], y up), t, cam_eye (3,), cam_at (3,), cam_up (3,), cam_width, cam_height."""
        if not -len(self) <= idx < len(self):
            raise IndexError(f"frame {idx} was asked for, expected 0 to {len(self) - 1}")
        return {
            "original": self.frames[idx] / 255.0,
            "segmented": self.masks[idx, :, :, None] / 255.0,
            "segm_center": self.normalized_centers(idx),
            "t": idx,
            "cam_eye": self.cam_eye[idx],
            "cam_at": self.cam_at,
            "cam_up": self.cam_up,
            "cam_width": self.data_resolution[0],
            "cam_height": self.data_resolution[1],
        }

    def __len__(self):
        return len(self.frames)

    def cameras(self, t):
        """The cameras of the frames t (B,)."""
        return drone_cameras(
            self.cam_eye[t],
            self.cam_at.expand(len(t), 3),
            self.cam_up.expand(len(t), 3),
            *self.data_resolution,
        )

    def normalized_centers(self, t):
        """The masks' centres in the image plane, x right and y up in [-1, 1]: (B, 2) for the frames t (B,),
        (2,) for one.
        """
        c = self.segment_centers[t] / (self.center_normalization / 2.0) - 1.0
        return c * torch.tensor([1.0, -1.0])


def drone_cameras(eye, at, up, width, height):
    """The drone's camera at B places; eye, at, up (B, 3)."""
    return kal.render.camera.Camera.from_args(
        eye=eye,
        at=at,
        up=up,
        fov=2 * math.atan(SENSOR_WIDTH / (2 * CAMERA_FOCAL)),
        fov_direction=kal.render.camera.CameraFOV.HORIZONTAL,
        width=width,
        height=height,
        near=NEAR,
        far=FAR,
        dtype=torch.float32,
    )


def collate_batch(frames):
    """A batch of B items of `SegmentedVideo`: original (B, H, W, 3), segmented (B, H, W, 1), segm_center (B,
    2), t (B,) long, and cam, the batch's `kal.render.camera.Camera`."""
    return {
        "original": torch.stack([f["original"] for f in frames], dim=0),
        "segmented": torch.stack([f["segmented"] for f in frames], dim=0),
        "segm_center": torch.stack([f["segm_center"] for f in frames], dim=0),
        "t": torch.tensor([f["t"] for f in frames], dtype=torch.long),
        "cam": drone_cameras(
            eye=torch.stack([f["cam_eye"] for f in frames], dim=0),
            at=torch.stack([f["cam_at"] for f in frames], dim=0),
            up=torch.stack([f["cam_up"] for f in frames], dim=0),
            width=frames[0]["cam_width"],
            height=frames[0]["cam_height"],
        ),
    }


def to_device(frames, device):
    """A batch with all that can move (tensors, the camera) on `device`."""
    return {key: value.to(device) if hasattr(value, "to") else value for key, value in frames.items()}


def _read_image(path, mode, size, first):
    """An image as bytes: (H, W, 3) or (H, W). Masks are checked to be 0 or 255 and not empty."""
    with clip_files.open_image(path) as image:
        if image.size != size:
            raise CourseError(f"""{path}: is {image.width} x {image.height}, expected {size[0]} x {size[1]} as
                {first.name}""")
        image = clip_files.decode_image(image, path, mode)
        if mode == "L":
            clip_files.check_mask(image, path)
        return np.asarray(image)
