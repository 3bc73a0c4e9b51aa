"""Windows of a video that follow the animal: `dolphins clip --follow`.

Where the animal is, a pack of the same seconds says, whose frames show the whole picture and which has masks.
From these follows a window for each frame of the second pack: a part of the picture as it was recorded, so at
its full resolution, as large in every frame. What a window does to the camera is exact: its principal point
moves (course_lib.window), and clip.json has it for each frame.

Masks, not a box and a guess of a path: they are made anyway, by a tracker that has been tried, and whoever
looks at them sees whether the window will be right. Nothing else depends on them, and they may be rough.
"""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from course_lib import files
from course_lib.assets import clip_files, find_pack
from course_lib.assets.clip_info import read_clip_info
from course_lib.errors import CourseError
from course_lib.footage import from_frames
from course_lib.lens import undistort
from course_lib.telemetry import clock

ROOM = 0.15  # of the animal's extent, left free on each side
CALM = 0.5  # seconds over which the window's path is averaged


@dataclass(frozen=True)
class Windows:
    """A window of a video for each frame.

    left_top (T, 2), size (width, height): whole pixels of the video; size_wh: of the frames made of them;
    prompts: in these.
    """

    left_top: np.ndarray
    size: tuple
    size_wh: tuple
    prompts: dict

    def cut(self, t, image, lens):
        """The frame t of an image (H, W, 3) of the video, without the distortion of `lens`."""
        window = undistort(image, lens, (*self.left_top[t].tolist(), *self.size))
        if self.size == self.size_wh:
            return window
        picture = Image.fromarray(np.ascontiguousarray(window))
        return np.asarray(picture.resize(self.size_wh, Image.Resampling.BOX))

    def camera(self, lens, video):
        """The `Lens` of the windows and their principal points (T, 2), pixels of their frames."""
        scale = self.size_wh[0] / self.size[0]
        centre = np.array(lens.centre((video.width, video.height)))
        centres = (centre - self.left_top + 0.5) * scale - 0.5
        sensor = lens.sensor_width_mm * self.size[0] / video.width
        return replace(lens.undone(), sensor_width_mm=sensor, principal_point=None), centres

    def write_prompts(self, path):
        files.write(path, json.dumps(self.prompts) + "\n")


def windows(root, video, seconds, count, size_wh):
    """The windows that follow the animal of the pack in the folder `root`. -> Windows

    video: of which they are; seconds: (first, last) of the clip; count: of its frames; size_wh: of the frames
    that are wanted. They show as many pixels of the video, more where the animal would not fit, whose picture
    is then made smaller. Raises CourseError where the pack is not of these seconds or has no masks.
    """
    pack = find_pack(root)
    paths = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
    size = clip_files.image_size(paths[0])
    known = read_clip_info(pack.clip_dir, len(paths), size)
    _check_source(root, known, video, seconds, len(paths), count)
    if not pack.segmentation_dir.is_dir():
        raise CourseError(f"""--follow {root}: has no masks, which say where the animal is. Make them first:
            dolphins prompts {root}, then dolphins segment --pack {root}""")
    masks = clip_files.numbered_masks(pack.segmentation_dir, len(paths))
    boxes = from_frames(_boxes(masks, size, paths[0]), video, size)  # (T, 2, 2)
    whole = np.array([video.width, video.height])
    extent = (boxes[:, 1] - boxes[:, 0]).max(0)
    shown = _size_shown(extent * (1 + 2 * ROOM), size_wh, whole)
    left_top = _path(boxes, ROOM * extent, shown, whole, round(CALM * video.fps))
    prompts = clip_files.load_prompts(pack.prompts_path, size, len(paths))
    prompts = _moved(prompts, video, size, left_top, size_wh[0] / shown[0], size_wh)
    return Windows(left_top, shown, tuple(size_wh), prompts)


def _check_source(root, known, video, seconds, there, count):
    """Refuses a pack of other seconds, of another video, or of windows."""
    source = known.source
    if not {"video", "video_size", "from_s", "to_s"} <= set(source):
        raise CourseError(
            f"--follow {root}: was not made by dolphins clip, so its frames cannot be found again."
        )
    if known.centres is not None:
        raise CourseError(f"""--follow {root}: follows an animal itself. Name the pack of whole pictures that
            it was made from.""")
    mine = video.path.name, [video.width, video.height], *seconds, count
    theirs = *(source.get(name) for name in ("video", "video_size", "from_s", "to_s")), there
    if mine != theirs:
        here, other = (f"{name}, {clock(a)} to {clock(b)}" for name, _, a, b, _ in (mine, theirs))
        raise CourseError(f"""--follow {root}: is of {other}, and this clip of {here}. Name the same video and
            the same seconds.""")


def _boxes(paths, size, first):
    """The first and the last pixel of each mask (T, 2, 2); of lost frames, what lies between their
    neighbours'."""
    boxes, sure = np.zeros((len(paths), 2, 2)), np.zeros(len(paths), bool)
    for t, path in enumerate(paths):
        rows, columns = np.nonzero(clip_files.read_image(path, "L", size, first))
        boxes[t] = (columns.min(), rows.min()), (columns.max(), rows.max())
        sure[t] = clip_files.read_confidence(path) > 0
    if not sure.any():
        raise CourseError("--follow: the animal was lost in every frame; segment the clip again.")
    frames = np.arange(len(paths))
    flat = [np.interp(frames, frames[sure], values[sure]) for values in boxes.reshape(-1, 4).T]
    return np.stack(flat, 1).reshape(-1, 2, 2)


def _size_shown(needed, size_wh, whole):
    """(width, height) of the window: as many pixels as the frames have, or as many as are needed."""
    width, height = size_wh
    parts = math.gcd(width, height)  # sizes of the frames' very shape are multiples of a part
    unit = np.array([width, height]) // parts
    wanted = max(math.ceil((needed / unit).max()), parts)
    return tuple((unit * min(wanted, int((whole / unit).min()))).tolist())


def _path(boxes, room, size, whole, calm):
    """Left upper corners (T, 2) of windows in whose middle the animal is, as calm as it allows."""
    size = np.array(size)
    reach = min(calm // 2, (len(boxes) - 1) // 2)
    middle = np.pad(boxes.mean(1), ((reach, reach), (0, 0)), mode="edge")
    even = np.ones(2 * reach + 1) / (2 * reach + 1)
    middle = np.stack([np.convolve(axis, even, mode="valid") for axis in middle.T], 1)
    corner = middle + 0.5 - size / 2
    spare = np.minimum(room, np.maximum((size - 1 - (boxes[:, 1] - boxes[:, 0])) / 2, 0))
    corner = np.clip(corner, boxes[:, 1] + spare + 1 - size, boxes[:, 0] - spare)
    return np.clip(np.round(corner), 0, np.maximum(whole - size, 0)).astype(int)


def _moved(prompts, video, size, left_top, scale, size_wh):
    """Prompts of the followed pack in the windows; what lies outside of its window is left out."""
    points = from_frames(prompts["points"], video, size) - left_top[prompts["frame"]]
    points = np.round((points + 0.5) * scale - 0.5, 1)
    inside = ((points >= 0) & (points <= np.array(size_wh) - 1)).all(1)
    labels = [label for label, there in zip(prompts["labels"], inside) if there]
    return dict(frame=prompts["frame"], points=points[inside].tolist(), labels=labels)
