"""The embedded clip: its files, and that they agree with the truth from which they were made."""

import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import ocean
import pytest
import torch
from PIL import Image, JpegImagePlugin

from course_lib.dolphin_model import DolphinModel
from course_lib.kal.render.mesh import rasterize
from course_lib.refraction import SEA_WATER, apparent_exactly, through_water
from course_lib.rotations import rotvec_to_rotmat
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras

ROOT = Path(__file__).parents[2]
PACK = ROOT / "assets" / "pack"
MANIFEST = json.loads((PACK / "manifest.json").read_text())
CLIP = PACK / "data" / MANIFEST["clip"]


@pytest.fixture(scope="module")
def truth():
    with np.load(CLIP / "truth.npz", allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    arrays["masks"] = np.unpackbits(arrays["masks_packed"], axis=-1).astype(bool)
    arrays["vertices"] = arrays["vertices_tenth_mm"] * 1e-4 + arrays["translations"].astype(np.float64)
    return arrays


@pytest.fixture(scope="module")
def model():
    return DolphinModel(PACK / "model")


@pytest.fixture(scope="module")
def altitude():
    return np.load(CLIP / "metadata" / "altitude.npy") / 100


@pytest.fixture(scope="module")
def segmentation():
    paths = [CLIP / "segmentation" / f"{i:06d}.png" for i in range(200)]
    return np.stack([np.array(Image.open(path).convert("L")) for path in paths])


def megabytes(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def overlap(a, b):
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))


def test_sizes():
    assert megabytes(CLIP / "frames") <= 5.5
    assert (CLIP / "truth.npz").stat().st_size <= 1.7e6
    assert megabytes(PACK) <= 10


def test_manifest_lists_every_file_with_its_checksum():
    files = {p.relative_to(PACK).as_posix() for p in PACK.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(MANIFEST["files"]) == files
    for name, digest in MANIFEST["files"].items():
        assert hashlib.sha256((PACK / name).read_bytes()).hexdigest() == digest, name
    assert MANIFEST["license"] == "CC0-1.0"


def test_frames_are_chroma_subsampled_jpegs():
    paths = sorted((CLIP / "frames").iterdir())
    assert [p.name for p in paths] == [f"{i:06d}.jpg" for i in range(200)]
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (640, 360))
            assert JpegImagePlugin.get_sampling(image) == 2  # 4:2:0


def test_altitudes(altitude):
    assert altitude.shape == (500,) and np.isfinite(altitude).all()
    assert altitude.min() >= 9 and altitude.max() <= 14
    assert np.abs(np.diff(altitude)).max() < 0.03  # a drone, not an elevator


def test_prompts(truth):
    prompts = json.loads((CLIP / "metadata" / "prompts.json").read_text())
    assert prompts["frame"] == 0 and len(prompts["points"]) == len(prompts["labels"])
    for (x, y), label in zip(prompts["points"], prompts["labels"]):
        assert truth["masks"][0, y, x] == bool(label)


def test_truth_has_the_arrays_of_the_contract(truth, model):
    vertices = model.V.shape[1]
    shapes = dict(global_poses=(200, 1, 3), joint_poses=(200, 7, 3), translations=(200, 1, 3))
    shapes |= dict(part_scales=(7, 4), vertices_tenth_mm=(200, vertices, 3), masks_packed=(200, 360, 80))
    shapes |= dict(size_wh=(2,), heading_deg=(200,), length_m=(), volume_m3=(), time_s=(200,))
    for name, shape in shapes.items():
        assert truth[name].shape == shape, name
        assert np.isfinite(truth[name]).all(), name
    assert truth["vertices_tenth_mm"].dtype == np.int16 and truth["masks_packed"].dtype == np.uint8
    assert tuple(truth["size_wh"]) == (640, 360)


def test_the_turn_passes_180_degrees_smoothly(truth):
    heading = truth["heading_deg"]
    assert heading[0] < 0 and heading[-1] > 225
    assert np.abs(np.diff(heading)).max() < 7
    angles = np.linalg.norm(truth["global_poses"][:, 0], axis=-1)
    assert angles.min() < np.pi < angles.max()
    assert np.abs(np.diff(truth["global_poses"][:, 0], axis=0)).max() < np.deg2rad(9)  # no jump at pi
    # most frames lie within reach of the tutorial's one start heading, on both sides of it; those in the
    # sharp turn do not
    off = (heading - MANIFEST["init_rot_up_deg"] + 180) % 360 - 180
    near = np.abs(off) < 105
    assert near.mean() > 0.8 and off[0] > 0 > off[-1]
    assert not near[90:110].any()


def test_heading_is_that_of_the_global_pose(truth, model):
    forward = rotvec_to_rotmat(torch.from_numpy(truth["global_poses"][:, 0]))[:, :, 2].numpy()
    difference = np.rad2deg(np.arctan2(forward[:, 0], forward[:, 2])) - truth["heading_deg"]
    assert np.abs((difference + 180) % 360 - 180).max() < 0.05


def test_dolphin_is_near_the_surface_and_80_to_130_pixels_long(truth, altitude):
    depth = -truth["translations"][:, 0, 1]
    assert 0.2 < depth.min() and depth.max() < 0.5
    pixels = truth["length_m"] * 640 * CAMERA_FOCAL / SENSOR_WIDTH / (altitude[50:250] + depth / SEA_WATER)
    assert 80 < pixels.min() and pixels.max() < 130
    assert 1.005 < truth["length_m"] / 2.6 < 1.04


def test_true_masks_are_the_silhouette_of_the_true_surface_as_it_is_seen(truth, model, altitude):
    """Rendered at 640 x 360 through the course's own camera and rasteriser, and a flat sea; along straight
    lines it would be another."""
    frames = [0, 60, 127, 199]
    vertices = torch.from_numpy(truth["vertices"][frames]).float()
    eye = torch.zeros(len(frames), 3)
    eye[:, 1] = torch.from_numpy(altitude[50:250][frames])
    ahead = torch.tensor([[0.0, 0, 1]]).expand(len(frames), 3)
    camera = drone_cameras(eye, torch.zeros(len(frames), 3), ahead, 640, 360)
    ious = []
    for cam in (through_water(camera, exact=True), through_water(camera), camera):
        seen = cam.extrinsics.transform(vertices)
        image = cam.intrinsics.transform(seen)
        corners, depth = image[:, model.F, :2], seen[:, model.F, 2]
        _, face = rasterize(360, 640, depth, corners, torch.ones(*corners.shape[:3], 1))
        ious.append(overlap((face >= 0).numpy(), truth["masks"][frames]))
    assert ious[0].min() > 0.97 and ious[1].min() > 0.97 and (ious[2] < ious[0] - 0.01).all(), ious


def test_what_the_sea_bends_is_bent_by_snells_law():
    """By bisection, and by the course's own Newton steps."""
    generator = np.random.default_rng(0)
    points = generator.uniform([-7, -3, -7], [7, 1, 7], (500, 3))
    points[0], eye = [0, -1, 0], torch.tensor([[0, 11.0, 0]], dtype=torch.float64)
    expected = apparent_exactly(torch.from_numpy(points), eye)[0].numpy()
    assert np.abs(ocean.apparent(points, 11.0) - expected).max() < 1e-9


def test_true_surface_is_near_the_skinned_model_but_not_it(truth, model):
    names = ("global_poses", "joint_poses", "translations")
    turned, joints, moved = (torch.from_numpy(truth[name][::20]) for name in names)
    joints = joints[:, model.LBS.seg_grouping][:, 1:]
    skinned = model(turned, joints, moved, part_scales=torch.from_numpy(truth["part_scales"]))["vertices"]
    distance = np.linalg.norm(skinned.numpy() - truth["vertices"][::20], axis=-1)
    assert 0.005 < distance.mean() < 0.03 and distance.max() < 0.15


def test_masks_err_as_the_readme_says(truth, segmentation):
    assert set(np.unique(segmentation)) == {0, 255}
    masks = segmentation > 127
    assert masks.any((1, 2)).all()
    ious = overlap(masks, truth["masks"])
    readme = (ROOT / "assets" / "README.md").read_text()
    stated = re.search(r"IoU with the true masks: mean (0\.\d+), min (0\.\d+)", readme)
    assert stated, "assets/README.md no longer states the masks' IoU"
    assert abs(ious.mean() - float(stated[1])) < 0.0051 and abs(ious.min() - float(stated[2])) < 0.0051
    assert 0.90 < ious.mean() < 0.97
    assert abs(masks.sum() / truth["masks"].sum() - 1) < 0.02


@pytest.mark.slow
def test_frame_0_is_made_again(tmp_path):
    """The committed frame is what the program makes today, to JPEG and rounding."""
    program = [sys.executable, str(ROOT / "assets" / "make_clip.py"), "--preview", str(tmp_path)]
    done = subprocess.run([*program, "--frames", "0"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    made = io.BytesIO()
    Image.open(tmp_path / "000000.png").save(made, "JPEG", quality=80, subsampling="4:2:0")
    committed = np.array(Image.open(CLIP / "frames" / "000000.jpg"))
    difference = np.array(Image.open(made)).astype(float) - committed
    assert np.abs(difference).mean() < 1.0 and np.abs(difference.mean()) < 0.1
