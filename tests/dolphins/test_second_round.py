"""The second round of masks: better ones where there is an animal, the first ones where there is none."""

import shutil

import numpy as np
import pytest
from scipy import ndimage

from course_lib.assets import AssetPack, clip_files, find_pack
from course_lib.metrics import load_truth
from dolphins.second_round import improve

N = 12
TRUTH = load_truth(find_pack().truth_path).masks.numpy()[:N]


@pytest.fixture
def pack(tmp_path):
    source, copy = find_pack(), AssetPack(tmp_path / "pack")
    copy.clip_name = source.clip_name
    copy.frames_dir.mkdir(parents=True)
    copy.altitude_path.parent.mkdir()
    copy.model_dir.symlink_to(source.model_dir)
    for t in range(N):
        shutil.copy(source.frames_dir / f"{t:06d}.jpg", copy.frames_dir)
    np.save(copy.altitude_path, np.load(source.altitude_path)[50 : 50 + N])
    return copy


def write(folder, masks, sure):
    folder.mkdir(exist_ok=True)
    for t, mask in enumerate(masks):
        clip_files.write_mask(mask, folder / f"{t:06d}.png", float(sure[t]))
    return folder


def read(folder):
    paths = sorted(folder.glob("*.png"))
    masks = np.stack([clip_files.read_image(path, "L", (640, 360), path) > 0 for path in paths])
    return masks, np.array([clip_files.read_confidence(path) for path in paths])


def overlap(masks):
    return (masks & TRUTH).sum((1, 2)) / (masks | TRUTH).sum((1, 2))


def test_masks_that_are_too_large_shrink_and_a_lost_frame_is_found_again(pack, tmp_path):
    masks = np.stack([ndimage.binary_dilation(mask, iterations=2) for mask in TRUTH])
    masks[6] = np.roll(masks[6], 40, axis=0)
    sure = np.where(np.arange(N) == 6, 0.0, 0.9)
    folder = write(tmp_path / "masks", masks, sure)
    said = improve(pack, folder)
    found, trust = read(folder)
    assert "found again in 1 frame " in said
    assert overlap(found).mean() > overlap(masks).mean() + 0.08
    assert overlap(found)[6] > 0.7 and trust[6] > 0.5


def test_masks_of_open_water_are_kept(pack, tmp_path):
    masks = np.roll(TRUTH, -110, axis=1)
    folder = write(tmp_path / "masks", masks, np.full(N, 0.9))
    assert "was given up" in improve(pack, folder)
    assert np.array_equal(read(folder)[0], masks)


def test_what_is_missing_is_said(pack, tmp_path):
    folder = write(tmp_path / "masks", TRUTH, np.where(np.arange(N) < 2, 0.9, 0.2))
    assert "fewer than three masks" in improve(pack, folder)
    pack.altitude_path.unlink()
    assert "without the altitude" in improve(pack, folder)
