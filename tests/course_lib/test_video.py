"""The clip as a dataset: the tutorial's numbers, its keys, little memory, clear errors."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from course_lib.assets import AssetPack, clip_files
from course_lib.errors import CourseError
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH, SegmentedVideo, collate_batch

from ..build_zip import GOLDEN_MODEL, TUTORIAL_CLIP, build_pack
from .damage import altitudes, image, truncate_little


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN_MODEL / "pipeline.npz") as data:
        return dict(data)


@pytest.fixture(scope="module")
def golden_clip(golden, tmp_path_factory):
    """The golden frames as files; frames as PNG, so that nothing but rounding is lost."""
    clip = tmp_path_factory.mktemp("clip")
    for name in ("frames", "segmentation", "metadata"):
        (clip / name).mkdir()
    frames = np.round(golden["original"] * 255).astype(np.uint8)
    masks = np.repeat((golden["segmentation"] * 255).astype(np.uint8), 3, axis=-1)
    for t in range(len(frames)):
        save(clip / "frames" / f"{t:06d}.png", frames[t])
        save(clip / "segmentation" / f"{t:06d}.png", masks[t])
    np.save(clip / "metadata" / "altitude.npy", golden["altitude_m"] * 100)
    return clip


@pytest.fixture(scope="module")
def batch(golden_clip):
    video = SegmentedVideo(golden_clip, 50)
    return collate_batch([video[t] for t in range(3)])


@pytest.fixture
def clip(tmp_path):
    return build_pack(tmp_path / "pack") / "data" / TUTORIAL_CLIP


def save(path, array):
    Image.fromarray(array).save(path)


def test_numbers_of_the_tutorial(golden, batch):
    assert set(batch) == {"original", "segmented", "segm_center", "t", "cam"}
    assert np.abs(batch["original"].numpy() - golden["original"]).max() < 0.5 / 255 + 1e-6
    assert np.array_equal(batch["segmented"].numpy(), golden["segmentation"])
    assert np.abs(batch["segm_center"].numpy() - golden["segm_center"]).max() < 1e-6
    assert batch["t"].tolist() == [0, 1, 2] and batch["t"].dtype == torch.long
    assert torch.allclose(batch["cam"].extrinsics.t[:, 2, 0], -torch.from_numpy(golden["altitude_m"]))


def test_cameras_see_the_start_where_the_masks_are(golden, batch):
    """The tutorial's initial translations, at sea level, are seen at the masks' centres."""
    seen = batch["cam"].transform(torch.from_numpy(golden["init_translations"]))[:, 0, :2]
    assert torch.allclose(seen, batch["segm_center"], atol=1e-5)


def test_items(clip):
    video = SegmentedVideo(clip, 50)
    item = video[2]
    camera = {"cam_eye", "cam_at", "cam_up", "cam_width", "cam_height"}
    assert set(item) == {"original", "segmented", "segm_center", "t", *camera}
    assert item["original"].shape == (36, 64, 3) and item["original"].dtype == torch.float32
    assert item["segmented"].shape == (36, 64, 1) and set(item["segmented"].unique().tolist()) == {0.0, 1.0}
    assert 0 < item["original"].min() and item["original"].max() <= 1
    assert item["t"] == 2 and item["cam_eye"].tolist() == pytest.approx([0, 10.52, 0])  # altitudes 50, 51, 52
    assert (item["cam_width"], item["cam_height"]) == video.data_resolution == (64, 36)
    assert len(video) == 5 and len(list(video)) == 5
    with pytest.raises(IndexError):
        video[5]


def test_batches_from_a_loader(clip):
    video = SegmentedVideo(AssetPack(clip.parents[1]))
    batches = list(DataLoader(video, batch_size=2, collate_fn=collate_batch))
    assert [len(batch["t"]) for batch in batches] == [2, 2, 1]
    camera = batches[0]["cam"]
    assert (camera.width, camera.height) == (64, 36) and len(camera) == 2
    # a point at the right border of what the sensor sees, from the first camera's altitude
    half = 10.5 * SENSOR_WIDTH / 2 / CAMERA_FOCAL
    x, y = camera[0].transform(torch.tensor([[-half, 0.0, 0.0]]))[..., :2].flatten().tolist()
    assert x == pytest.approx(1, abs=1e-5) and y == pytest.approx(0, abs=1e-5)
    assert math.isclose(half / 10.5, math.tan(math.atan(SENSOR_WIDTH / (2 * CAMERA_FOCAL))))


def test_frames_are_kept_as_bytes(clip):
    video = SegmentedVideo(clip)
    tensors = {name: value for name, value in vars(video).items() if isinstance(value, torch.Tensor)}
    assert sum(value.nbytes for value in tensors.values()) < 5 * 36 * 64 * 4 + 1000
    assert video.frames.dtype == video.masks.dtype == torch.uint8


def test_the_first_frames_alone(clip):
    video, part = SegmentedVideo(clip), SegmentedVideo(clip, frames=2)
    assert len(part) == 2 and torch.equal(part.frames, video.frames[:2])
    assert torch.equal(part.cam_eye, video.cam_eye[:2])
    for frames in (0, 6, -1):
        message = f"{frames} frames were asked for, but .* holds 5; ask for 1 to 5"
        with pytest.raises(CourseError, match=message):
            SegmentedVideo(clip, frames=frames)


ALTITUDE = "metadata/altitude.npy"


@pytest.mark.parametrize(
    "file, change, message",
    [
        ("frames", shutil.rmtree, "frames: no such folder, expected images numbered"),
        ("segmentation", shutil.rmtree, "a mask for each of the 5 frames; make them with: dolphins segment"),
        ("frames/000001.jpg", Path.unlink, "000001.jpg: is missing"),
        ("segmentation/000004.png", Path.unlink, "holds 4 masks for 5 frames, expected one per frame"),
        ("frames/000002.jpg", image(36, 60, 3), "000002.jpg: is 60 x 36, expected 64 x 36 as 000000.jpg"),
        ("segmentation/000002.png", image(18, 32, value=255), "000002.png: is 32 x 18, expected 64 x 36"),
        ("segmentation/000002.png", image(36, 64), "000002.png: is empty"),
        ("segmentation/000002.png", image(36, 64, value=128), "000002.png: holds the value 128"),
        ("frames/000002.jpg", truncate_little, "000002.jpg: is truncated or damaged"),
        (ALTITUDE, Path.unlink, "altitude.npy: no such file"),
        (ALTITUDE, altitudes(np.ones(54)), "holds 54 altitudes for 5 frames"),
        (ALTITUDE, altitudes(np.zeros(5)), "expected a positive number"),
    ],
)
def test_faulty_clips(clip, file, change, message):
    change(clip / file)
    with pytest.raises(CourseError, match=message):
        SegmentedVideo(clip)


def test_grey_frames_and_palette_masks(clip):
    image(36, 64, value=100)(clip / "frames" / "000000.jpg")
    path = clip / "segmentation" / "000000.png"
    mask = Image.open(path).convert("L").point(lambda v: v // 255).convert("P")
    mask.putpalette([0, 0, 0, 255, 255, 255])
    before = SegmentedVideo(clip).masks[0]
    mask.save(path)
    video = SegmentedVideo(clip)
    assert torch.equal(video.masks[0], before)
    assert (video.frames[0] == 100).all()


def test_confidence_comes_with_the_masks(clip):
    folder = clip / "segmentation"
    paths = sorted(folder.glob("*.png"))
    assert SegmentedVideo(clip, 50).confidence.tolist() == [1.0] * len(paths)  # nothing is said of them
    mask = np.asarray(Image.open(paths[1]).convert("L")) > 0
    clip_files.write_mask(mask, paths[1], 0.25)
    video = SegmentedVideo(clip, 50)
    assert video.confidence[:2].tolist() == [1.0, 0.25] and np.array_equal(video.masks[1].numpy() > 0, mask)
    for path in paths:
        clip_files.write_mask(mask, path, 0.0)
    with pytest.raises(CourseError, match="was lost in each of the"):
        SegmentedVideo(clip, 50)
