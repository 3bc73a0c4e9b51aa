"""Exact cropping: the dolphin covers about one per cent of a frame, so only a window around it is rendered.

Nothing is approximated. A window camera sees what the full camera sees, through its part of the pixels
(`window_camera`); the soft outline's band is stretched with the window's coordinates (`Band`); no face
reaches a pixel outside of the window; and the part of a mask that lies outside is counted in the union
(`segmented_outside`, see `losses.iou_loss`).
"""

import math
from dataclasses import dataclass, replace

import torch

from .errors import CourseError
from .kal.render.camera import Camera, PinholeIntrinsics
from .refraction import through_water
from .video import CAMERA_FOCAL, SENSOR_WIDTH, to_device


def window_camera(camera, left, top, width, height):
    """Cameras whose images are windows cut out of the images of `camera`. -> B cameras

    Exact, not a resampling: a point that projects to pixel (u, v) of the full image projects to
    (u - left, v - top) of the window, and the rays through the window's pixels are those of the full image.
    Only the principal point moves. With its offsets x0 (right) and y0 (up) from the image's centre, and W, H
    the full size:

        x0' = x0 + (W - width) / 2 - left,     y0' = y0 - (H - height) / 2 + top

    NDC distances grow in the window: by W / width along x and by H / height along y.

    camera: B cameras; left, top: the window's first column and row in the full image, whole numbers, one for
    all or (B,), which may be negative or reach beyond the image; width, height: of all windows, pixels. The
    result has the same extrinsics, focal lengths and clipping planes. Raises ValueError for offsets that are
    no whole numbers, or not one per camera.
    """
    return Camera(camera.extrinsics, _window_lens(camera.intrinsics, left, top, width, height))


def _window_lens(lens, left, top, width, height):
    """The intrinsics of `window_camera`, from the cameras' own."""
    left, top = (_offset(name, value, lens) for name, value in (("left", left), ("top", top)))  # (B,)
    x0, y0 = lens.x0 + ((lens.width - width) / 2 - left), lens.y0 - ((lens.height - height) / 2 - top)
    params = torch.stack([x0, y0, lens.focal_x, lens.focal_y], dim=1)
    return PinholeIntrinsics(width, height, params, lens.near, lens.far)


def _offset(name, value, lens):
    value = torch.as_tensor(value)
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise ValueError(f"{name} must be whole pixels, an integer or an integer tensor, got {value.dtype}")
    if value.shape not in ((), (1,), (len(lens),)):
        got = tuple(value.shape)
        raise ValueError(f"{name} must be one number or one per camera ({len(lens)},), got {got}")
    return value.to(lens.device, lens.dtype).reshape(-1).expand(len(lens))


@dataclass(frozen=True)
class Band:
    """How wide the soft outline is, in the coordinates of a full frame: the arguments of `dibr_soft_mask`.

    sigmainv: sharpness, 1 / NDC^2; boxlen: how far a face's box is enlarged, NDC; knum: most faces that count
    for a pixel. `focal`: focal length of the full frame over half its width (the projection matrix' first
    entry), by which a camera that shows only a window of the frame is recognised; `for_lens` knows a clip's.
    """

    sigmainv: float = 100000.0
    boxlen: float = 0.01
    knum: int = 40
    focal: float = 2 * CAMERA_FOCAL / SENSOR_WIDTH

    def for_lens(self, lens):
        """The same band in the frames of another camera, a `Lens`."""
        return replace(self, focal=2 * lens.focal_mm / lens.sensor_width_mm)

    def seen_by(self, cam):
        """(sigmainv, boxlen, knum) that draw the same band in the image of `cam`.

        A window that is 1/z of the frame stretches all distances in its normalised coordinates by z.
        """
        zoom = float(2 * cam.intrinsics.focal_x[0] / cam.width) / self.focal
        return self.sigmainv / zoom**2, self.boxlen * zoom, self.knum


TUTORIAL_BAND = Band()


def window_size(extent, resolution):
    """The smallest window of the frame's aspect ratio that holds `extent` = (w, h) pixels -> (width, height).

    Only sizes that keep the aspect ratio exactly count, or distances would stretch differently in x and y;
    they are even multiples of the frame's size over its greatest common divisor. Where there is no smaller
    one: the whole frame.
    """
    width, height = resolution
    units = math.gcd(width, height)  # 640 x 360: 40 units of 16 x 9
    unit_w, unit_h = width // units, height // units
    needed = max(math.ceil(extent[0] / unit_w), math.ceil(extent[1] / unit_h), 1)
    needed = min(needed + needed % 2, units)
    return needed * unit_w, needed * unit_h


class WindowLoader:
    """Batches of frames, each cut to a window around the dolphin as the scene has it now.

    Takes the place of a DataLoader over the dataset in `fit`: gives the same dict of `t`, `cam`, `original`,
    `segmented`, with images (B, h, w, ...) of the window instead of the frame, and `segmented_outside` (B,),
    the mask's pixels that lie outside of it. On the scene's device: a pass takes the whole clip there first.
    The cameras see the dolphin through water of the scene's `water_index`.

    dataset: SegmentedVideo; scene: DolphinScene; margin: pixels around the dolphin, at least the reach of the
    soft outline; layers: more things to crop, each a function (t, left, top, width, height) -> dict of
    tensors; before_pass(k): called before pass k, 0 for the first, for schedules. The order of pass k depends
    on `seed` and k alone; set `passes`, how many were begun, to go on after an interruption. Set `images` to
    fewer names than "original" and "segmented" where the loss does not look at all of them.
    """

    def __init__(
        self, dataset, scene, batch_size, margin=5, shuffle=True, seed=0, layers=(), before_pass=None
    ):
        self.dataset, self.scene, self.batch_size, self.margin = dataset, scene, batch_size, margin
        self.shuffle, self.seed, self.layers = shuffle, seed, layers
        self.before_pass, self.passes = before_pass, 0
        self.images = ("original", "segmented")
        self.frames, self.masks = dataset.frames, dataset.masks
        cameras = dataset.cameras(torch.arange(len(dataset)))
        cameras.intrinsics.projection_matrix()  # made here once, it goes where the cameras go
        self.lenses = cameras.intrinsics  # stay on the CPU, where windows are chosen
        self.cameras = cameras.to(scene.translations.device)
        self.mask_area = torch.stack([(mask / 255.0).sum() for mask in dataset.masks])  # (T,) pixels

    def __len__(self):
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        if self.before_pass is not None:
            self.before_pass(self.passes)
        order = torch.arange(len(self.dataset))
        if self.shuffle:
            chance = torch.Generator().manual_seed(self.seed + self.passes)
            order = torch.randperm(len(order), generator=chance)
        self.passes += 1
        device = self.scene.translations.device
        self.frames, self.masks = self.frames.to(device), self.masks.to(device)
        for t, there in zip(order.split(self.batch_size), order.to(device).split(self.batch_size)):
            yield self.batch(t, there)

    def batch(self, t, there=None):
        """The frames t (B,), cropped. there: the same numbers on the scene's device, if they are there."""
        device = self.scene.translations.device
        there = t.to(device, non_blocking=True) if there is None else there
        cam = through_water(self.cameras[there], self.scene.water_index)
        left, top, width, height = self.place(there, cam)
        # Of a camera only what the window changes is sent.
        lens = cam.intrinsics if device.type == "cpu" else self.lenses[t]
        lens = _window_lens(lens, left, top, width, height)
        lens.projection_matrix()
        cam = Camera(cam.extrinsics, lens.to(device, non_blocking=True))
        window = t, left, top, width, height
        frames = {"t": there, "cam": cam}
        if "original" in self.images:
            frames["original"] = cut(self.frames, *window) / 255.0  # (B, h, w, 3)
        if "segmented" in self.images:
            mask = frames["segmented"] = cut(self.masks, *window)[..., None] / 255.0  # (B, h, w, 1)
            area = self.mask_area[t].to(mask.device, non_blocking=True)
            frames["segmented_outside"] = area - mask.flatten(1).sum(1)
        for layer in self.layers:
            frames |= layer(*window)
        return to_device(frames, device)

    def place(self, t, cam):
        """Where the windows of the frames t lie: left, top (B,) and their common width and height.

        Here, before anything is drawn, the scene is skinned. Of all that is known on its device, the CPU
        reads four numbers a frame, once.
        """
        full = torch.tensor([cam.width, cam.height])
        verts = self.scene.skin_ahead(t).detach()  # (B, V, 3)
        corners = cam.to(verts.dtype).transform(verts)[..., :2]  # NDC
        ends = torch.stack([corners.amin(1), corners.amax(1)]).cpu()  # (2, B, 2)
        across = (1 + ends[..., 0]) * cam.width / 2  # (2, B) pixels
        down = (1 - ends[..., 1].flip(0)) * cam.height / 2
        low, high = torch.stack([across, down], dim=-1)  # (B, 2) each
        low, high = low - self.margin, high + self.margin
        if not torch.isfinite(high - low).all():
            raise CourseError(f"""The dolphin of one of the frames {t.tolist()} has no finite place in the
                image. A parameter of the scene is NaN or far too large: load the last good checkpoint.""")
        width, height = window_size((high - low).amax(0).ceil().tolist(), full.tolist())
        size = torch.tensor([width, height])
        corner = ((low + high - size) / 2).round().long()
        left, top = corner.clamp(torch.zeros_like(full), full - size).unbind(-1)
        return left, top, width, height


def cut(images, t, left, top, width, height):
    """Windows of images (T, H, W, ...) -> (B, height, width, ...); t, left, top (B,)."""
    corners = zip(t.tolist(), left.tolist(), top.tolist())
    return torch.stack([images[i, y : y + height, x : x + width] for i, x, y in corners])
