"""`dolphins clip --follow`: windows of a video around the animal, and a camera that stays exact."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.assets import AssetPack, clip_files, find_pack
from course_lib.assets.clip_info import ClipInfo, read_clip_info
from course_lib.dolphin_model import DolphinModel
from course_lib.lens import Lens
from course_lib.scene import DolphinScene
from course_lib.show import write_video
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND
from solutions.fitting import fit
from solutions.recipes import DefaultRecipe
from solutions.results import body_length
from solutions.rotations import batch_rodrigues

T, FPS, SIZE, SMALL = 12, 30, (640, 360), (128, 72)
ANIMAL = (60, 18)  # pixels of the video


def place(t):
    """The middle of the animal in the video: it swims to the right edge."""
    return 200 + 37 * t, 120 + 4 * t


def box(t):
    (x, y), (w, h) = place(t), ANIMAL
    return slice(y - h // 2, y + h // 2), slice(x - w // 2, x + w // 2)


def picture(t):
    image = np.full((*SIZE[::-1], 3), (30, 110, 140), np.uint8)
    image[box(t)] = (90, 90, 80)
    return image


@pytest.fixture
def flight(tmp_path, dolphins):
    """A video, its telemetry, and the pack `whole` with masks. -> runs `dolphins clip` with options"""
    write_video(tmp_path / "DJI_1.mp4", (picture(t) for t in range(T)), fps=FPS, crf=2)
    (tmp_path / "log.csv").write_text("time_s,laser_m\n0,20.0\n1,21.0\n")

    def run(**options):
        more = {"--from": "0:00", "--to": "0:00.4", "--width": SMALL[0], "--out": tmp_path / "near"}
        more |= {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        words = ["clip", tmp_path / "DJI_1.mp4", "--telemetry", tmp_path / "log.csv", "--fov", 60]
        return dolphins(*words, *sum(more.items(), ()))

    assert run(out=tmp_path / "whole")[0] == 0
    pack = AssetPack(tmp_path / "whole")
    for t in range(T):
        mask = np.zeros(SIZE[::-1], np.uint8)
        mask[box(t)] = 255
        small = Image.fromarray(mask).resize(SMALL, Image.Resampling.NEAREST)
        clip_files.write_mask(np.asarray(small) > 0, pack.segmentation_dir / f"{t:06d}.png", float(t != 5))
    x, y = place(2)
    points = [[(x + 0.5) / 5 - 0.5, (y + 0.5) / 5 - 0.5], [2, 70]]
    pack.prompts_path.write_text(json.dumps(dict(frame=2, points=points, labels=[1, 0])))
    return run


def near(tmp_path):
    pack = AssetPack(tmp_path / "near")
    paths = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
    known = read_clip_info(pack.clip_dir, len(paths), clip_files.image_size(paths[0]))
    return pack, known, [np.asarray(Image.open(path)).astype(int) for path in paths]


def corners(known, scale=1.0):
    """Where the windows are in the video, by their principal points."""
    return (np.array(SIZE) - 1) / 2 - ((known.centres + 0.5) / scale - 0.5)


def test_windows_hold_the_animal_at_the_videos_resolution(flight, tmp_path):
    code, out, err = flight(follow=tmp_path / "whole")
    assert code == 0, err
    assert "12 frames of 128 x 72" in out and "a window of 128 x 72 pixels around the animal" in out
    assert "Next: dolphins segment --pack" in out
    pack, known, images = near(tmp_path)
    assert len(images) == T and images[0].shape == (72, 128, 3)
    left_top = corners(known)
    assert np.array_equal(left_top, np.round(left_top)) and (left_top >= 0).all()
    assert (left_top <= np.array(SIZE) - SMALL).all()
    for t, (left, top) in enumerate(left_top.astype(int)):
        there = picture(t)[top : top + 72, left : left + 128].astype(int)
        assert np.abs(images[t] - there).mean() < 4
        rows, columns = box(t)
        assert left < columns.start and columns.stop < left + 128
        assert top < rows.start and rows.stop < top + 72
    prompts = json.loads(pack.prompts_path.read_text())
    assert prompts["labels"] == [1] and prompts["frame"] == 2  # the point far away is outside
    assert prompts["points"][0] == pytest.approx(np.array(place(2)) - left_top[2], abs=0.1)


def test_the_camera_of_a_window_is_exact(flight, tmp_path):
    flight(follow=tmp_path / "whole", principal_point="330,175", tilt=4)
    flight(out=tmp_path / "full", width=SIZE[0], principal_point="330,175", tilt=4)
    pack, known, _ = near(tmp_path)
    full = AssetPack(tmp_path / "full")
    for where in (pack, full):
        size = clip_files.image_size(next(where.frames_dir.iterdir()))
        for t in range(T):
            mask = np.ones(size[::-1], bool)
            clip_files.write_mask(mask, where.segmentation_dir / f"{t:06d}.png")
    points = torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(0)).expand(T, 50, 3)
    seen = []
    for where in (full, pack):
        video = SegmentedVideo(where)
        cameras = video.cameras(torch.arange(T), 1.34)
        ndc = cameras.transform(points)[..., :2] * torch.tensor([1, -1])
        seen.append((ndc + 1) / 2 * torch.tensor(video.data_resolution) - 0.5)
    left_top = torch.from_numpy(np.array([330, 175]) - known.centres).float()
    assert torch.allclose(seen[0] - left_top[:, None], seen[1], atol=2e-3)


def test_distortion_is_undone_in_windows_as_in_whole_pictures(flight, tmp_path):
    flight(follow=tmp_path / "whole", k1=-0.3, principal_point="330,175")
    flight(out=tmp_path / "full", width=SIZE[0], k1=-0.3, principal_point="330,175")
    _, known, images = near(tmp_path)
    frames = AssetPack(tmp_path / "full").frames_dir
    assert not known.lens.is_distorted
    for t, (left, top) in enumerate((np.array([330, 175]) - known.centres).astype(int)):
        full = np.asarray(Image.open(frames / f"{t:06d}.jpg")).astype(int)
        assert np.abs(images[t] - full[top : top + 72, left : left + 128]).mean() < 2


def test_an_animal_that_does_not_fit_is_made_smaller(flight, tmp_path):
    code, out, err = flight(follow=tmp_path / "whole", width=64)
    assert code == 0 and "a window of 80 x 45 pixels" in out, err
    _, known, images = near(tmp_path)
    left_top = corners(known, 64 / 80)
    assert np.abs(left_top - np.round(left_top)).max() < 0.01 and images[0].shape == (36, 64, 3)
    assert known.lens.half_width == pytest.approx(np.tan(np.radians(30)) * 80 / 640, rel=1e-6)
    dark = images[3][..., 0] > 60
    middle = (np.argwhere(dark).mean(0)[::-1] + 0.5) / (64 / 80) - 0.5 + left_top[3]
    assert middle == pytest.approx(np.array(place(3)) - 0.5, abs=0.6)


WRONG = {
    "no masks": (
        lambda whole: shutil.rmtree(AssetPack(whole).segmentation_dir),
        dict(),
        "has no masks, which say where the animal is. Make them first: dolphins prompts",
    ),
    "other seconds": (
        lambda whole: None,
        dict(to="0:00.3"),
        "is of DJI_1.mp4, 0:00 to 0:00.4, and this clip",
    ),
    "no pack": (lambda whole: shutil.rmtree(whole), dict(), "no such folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_packs_that_cannot_be_followed(flight, tmp_path, case):
    spoil, options, message = WRONG[case]
    spoil(tmp_path / "whole")
    code, out, err = flight(follow=tmp_path / "whole", **options)
    assert code == 1 and out == "" and len(err.strip().splitlines()) == 1
    assert re.search(message, err), err
    assert not (tmp_path / "near").exists()


def test_windows_are_not_followed_nor_clips_of_others(flight, tmp_path):
    assert flight(follow=tmp_path / "whole")[0] == 0
    code, _, err = flight(follow=tmp_path / "near", out=tmp_path / "third")
    assert code == 1 and "follows an animal itself" in err
    code, _, err = flight(follow=find_pack().root, out=tmp_path / "third")
    assert code == 1 and "was not made by dolphins clip" in err


def windowed(tmp_path, frames, size):
    """The first frames of the embedded clip as it is, and as windows around the animal. -> two folders"""
    found = find_pack()
    whole = SegmentedVideo(found, frames=frames)
    centres = whole.segment_centers.numpy()
    corner = np.clip(np.round(centres - np.array(size) / 2), 0, [640 - size[0], 360 - size[1]]).astype(int)
    folders = tmp_path / "whole", tmp_path / "window"
    for folder, cut in zip(folders, (False, True)):
        for name in ("frames", "segmentation", "metadata"):
            (folder / name).mkdir(parents=True)
        for t, (x, y) in enumerate(corner):
            part = (slice(y, y + size[1]), slice(x, x + size[0])) if cut else (slice(None), slice(None))
            Image.fromarray(whole.frames[t].numpy()[part]).save(folder / "frames" / f"{t:06d}.png")
            clip_files.write_mask(whole.masks[t].numpy()[part] > 0, folder / "segmentation" / f"{t:06d}.png")
        lens = replace(Lens(), sensor_width_mm=Lens().sensor_width_mm * size[0] / 640) if cut else Lens()
        points = np.array([319.5, 179.5]) - corner if cut else None
        info = ClipInfo(50, whole.known.altitude_m[:frames], 0.5, lens, {}, centres=points)
        (folder / "metadata" / "clip.json").write_text(info.to_json())
    return folders


def test_a_fit_of_windows_is_that_of_the_whole_pictures(tmp_path):
    lengths, places = [], []
    for folder in windowed(tmp_path, 5, (288, 162)):
        torch.manual_seed(0)
        dataset = SegmentedVideo(folder)
        scene = DolphinScene(DolphinModel(find_pack(), "cpu", rodrigues=batch_rodrigues), 5)
        made = DefaultRecipe(scene, dataset, 5, 3, 0)
        fit(scene, made.loader, made.render, made.compute_loss, made.optimizer, steps=3)
        band = TUTORIAL_BAND.for_lens(dataset.lens).seen_by(dataset.cameras(torch.arange(5)))
        assert band == pytest.approx((100000, 0.01, 40))
        lengths.append(float(body_length(scene.rest_shape().detach())))
        places.append(scene.translations.detach().clone())
    assert lengths[1] == pytest.approx(lengths[0], rel=2e-3)
    assert torch.allclose(*places, atol=2e-3)
