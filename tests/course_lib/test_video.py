"""The clip as a dataset: the tutorial's numbers, its keys, little memory, clear errors."""

import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from course_lib.assets import AssetPack
from course_lib.errors import CourseError
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH, SegmentedVideo, collate_batch

sys.path.insert(0, str(Path(__file__).parents[1]))
from build_zip import TUTORIAL_CLIP, build_pack  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "tutorial"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "pipeline.npz") as data:
        return {
            key: data[key]
            for key in ("original", "segmentation", "segm_center", "altitude_m", "init_translations")
        }


@pytest.fixture(scope="module")
def golden_clip(golden, tmp_path_factory):
    """The golden frames as files; frames as PNG, so that nothing but rounding is lost."""
    clip = tmp_path_factory.mktemp("clip")
    for name in ("frames", "segmentation", "metadata"):
        (clip / name).mkdir()
    for t, (frame, mask) in enumerate(zip(golden["original"], golden["segmentation"])):
        Image.fromarray(np.round(frame * 255).astype(np.uint8)).save(clip / "frames" / f"{t:06d}.png")
        rgb = np.repeat((mask * 255).astype(np.uint8), 3, axis=-1)
        Image.fromarray(rgb).save(clip / "segmentation" / f"{t:06d}.png")
    np.save(clip / "metadata" / "altitude.npy", golden["altitude_m"] * 100)
    return clip


@pytest.fixture
def clip(tmp_path):
    return build_pack(tmp_path / "pack") / "data" / TUTORIAL_CLIP


def test_numbers_of_the_tutorial(golden, golden_clip):
    video = SegmentedVideo(golden_clip, 50)
    batch = collate_batch([video[t] for t in range(3)])
    assert set(batch) == {"original", "segmented", "segm_center", "t", "cam"}
    assert np.abs(batch["original"].numpy() - golden["original"]).max() < 0.5 / 255 + 1e-6
    assert np.array_equal(batch["segmented"].numpy(), golden["segmentation"])
    assert np.abs(batch["segm_center"].numpy() - golden["segm_center"]).max() < 1e-6
    assert batch["t"].tolist() == [0, 1, 2] and batch["t"].dtype == torch.long
    assert torch.allclose(batch["cam"].extrinsics.t[:, 2, 0], -torch.from_numpy(golden["altitude_m"]))


def test_cameras_see_the_start_where_the_masks_are(golden, golden_clip):
    """The tutorial's initial translations, at sea level, are seen at the masks' centres."""
    video = SegmentedVideo(golden_clip, 50)
    batch = collate_batch([video[t] for t in range(3)])
    seen = batch["cam"].transform(torch.from_numpy(golden["init_translations"]))[:, 0, :2]
    assert torch.allclose(seen, batch["segm_center"], atol=1e-5)


def test_items(clip):
    video = SegmentedVideo(clip, 50)
    item = video[2]
    assert set(item) == {
        "original",
        "segmented",
        "segm_center",
        "t",
        "cam_eye",
        "cam_at",
        "cam_up",
        "cam_width",
        "cam_height",
    }
    assert item["original"].shape == (36, 64, 3) and item["original"].dtype == torch.float32
    assert item["segmented"].shape == (36, 64, 1) and set(item["segmented"].unique().tolist()) == {0.0, 1.0}
    assert 0 < item["original"].min() and item["original"].max() <= 1
    assert item["t"] == 2 and item["cam_eye"].tolist() == pytest.approx([0, 10.52, 0])  # altitudes 50, 51, 52
    assert (item["cam_width"], item["cam_height"]) == video.data_resolution == (64, 36)
    assert len(video) == 5 and len(list(video)) == 5
    with pytest.raises(IndexError):
        video[5]


def test_batches_from_a_loader(clip):
    batches = list(
        DataLoader(SegmentedVideo(AssetPack(clip.parents[1])), batch_size=2, collate_fn=collate_batch)
    )
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
    assert (
        len(part) == 2
        and torch.equal(part.cam_eye, video.cam_eye[:2])
        and torch.equal(part.frames, video.frames[:2])
    )
    for frames in (0, 6, -1):
        with pytest.raises(
            CourseError, match=f"{frames} frames were asked for, but .* holds 5; ask for 1 to 5"
        ):
            SegmentedVideo(clip, frames=frames)


def save(path, array):
    Image.fromarray(array).save(path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: shutil.rmtree(c / "frames"), "frames: no such folder, expected images numbered"),
        (
            lambda c: shutil.rmtree(c / "segmentation"),
            "expected a mask for each of the 5 frames; make them with: dolphins segment",
        ),
        (lambda c: (c / "frames/000001.jpg").unlink(), "000001.jpg: is missing"),
        (
            lambda c: (c / "segmentation/000004.png").unlink(),
            "holds 4 masks for 5 frames, expected one per frame",
        ),
        (
            lambda c: save(c / "frames/000002.jpg", np.zeros((36, 60, 3), np.uint8)),
            "000002.jpg: is 60 x 36, expected 64 x 36 as 000000.jpg",
        ),
        (
            lambda c: save(c / "segmentation/000002.png", np.full((18, 32), 255, np.uint8)),
            "000002.png: is 32 x 18, expected 64 x 36",
        ),
        (lambda c: save(c / "segmentation/000002.png", np.zeros((36, 64), np.uint8)), "000002.png: is empty"),
        (
            lambda c: save(c / "segmentation/000002.png", np.full((36, 64), 128, np.uint8)),
            "000002.png: holds the value 128",
        ),
        (lambda c: truncate(c / "frames/000002.jpg"), "000002.jpg: is truncated or damaged"),
        (lambda c: (c / "metadata/altitude.npy").unlink(), "altitude.npy: no such file"),
        (lambda c: np.save(c / "metadata/altitude.npy", np.ones(54)), "holds 54 altitudes for 5 frames"),
        (lambda c: np.save(c / "metadata/altitude.npy", np.zeros(5)), "expected a positive number"),
    ],
)
def test_faulty_clips(clip, change, message):
    change(clip)
    with pytest.raises(CourseError, match=message):
        SegmentedVideo(clip)


def test_grey_frames_and_palette_masks(clip):
    save(clip / "frames" / "000000.jpg", np.full((36, 64), 100, np.uint8))
    mask = (
        Image.open(clip / "segmentation" / "000000.png").convert("L").point(lambda v: v // 255).convert("P")
    )
    mask.putpalette([0, 0, 0, 255, 255, 255])
    before = SegmentedVideo(clip).masks[0]
    mask.save(clip / "segmentation" / "000000.png")
    video = SegmentedVideo(clip)
    assert torch.equal(video.masks[0], before)
    assert (video.frames[0] == 100).all()
