"""Clips of one's own: rate, altitudes and camera are read in every place, and what cannot be is refused."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from course_lib.assets import AssetPack, describe, find_pack, inspect_pack
from course_lib.assets.clip_info import ClipInfo, read_clip_info
from course_lib.errors import CourseError
from course_lib.lens import Lens, undistort
from course_lib.scene import init_translations
from course_lib.segmentation import Clip, segment_clip
from course_lib.video import SegmentedVideo, collate_batch, drone_cameras

from ..build_zip import build_pack

LENS = Lens(8.0, 12.0, principal_point=(30.0, 20.0), tilt_deg=6.0)
SOURCE = {"video": "DJI_1.mp4", "altitude_by": "barometer", "altitude_above": "launch"}


def own(pack, change=None, **values):
    """Makes the clip of a pack one's own: clip.json instead of altitude.npy."""
    info = ClipInfo(25, np.float32([20, 21, 22, 23, 24]), 1.0, LENS, SOURCE)
    written = json.loads(info.to_json()) | values
    if change:
        change(written)
    pack.altitude_path.unlink(missing_ok=True)
    (pack.clip_dir / "metadata" / "clip.json").write_text(json.dumps(written))
    return pack


@pytest.fixture
def pack(tmp_path):
    return AssetPack(build_pack(tmp_path / "pack"))


def test_the_tutorials_clip_has_the_tutorials_camera_and_rate():
    known = read_clip_info(find_pack().clip_dir, 200)
    assert (known.fps, known.lens, known.source, known.altitude_sd_m) == (50, Lens(), {}, None)
    video = SegmentedVideo(find_pack(), frames=3)
    assert video.fps == 50 and video.lens == Lens() and "cam_lens" not in video[0]


def test_a_clip_of_ones_own_says_rate_altitudes_and_camera(pack):
    video = SegmentedVideo(own(pack))
    assert video.fps == 25 and SegmentedVideo(pack, 10).fps == 10 and video.lens == LENS
    assert video.cam_eye[:, 1].tolist() == [20, 21, 22, 23, 24]
    camera = video.cameras(torch.arange(5))
    [batch] = DataLoader(video, batch_size=5, collate_fn=collate_batch)
    assert torch.allclose(batch["cam"].view_projection_matrix(), camera.view_projection_matrix())
    # what the optical axis meets is at the principal point
    ahead = torch.tensor([[0.0, 0.0, 20 * math.tan(math.radians(6))]])
    x, y = camera[0].transform(ahead)[0, :2].tolist()
    assert ((x + 1) * 64 - 1) / 2 == pytest.approx(30, abs=1e-3)
    assert ((1 - y) * 36 - 1) / 2 == pytest.approx(20, abs=1e-3)
    assert float(camera.intrinsics.focal_x[0]) == pytest.approx(64 * 8 / 12)


def test_starts_are_seen_where_the_masks_are(pack):
    video = SegmentedVideo(own(pack))
    for height in (0.0, -0.5):
        start = init_translations(video, height)
        assert start[:, 0, 1] == pytest.approx([height] * 5, abs=1e-4)
        seen = video.cameras(torch.arange(5)).transform(start)[:, 0, :2]
        assert torch.allclose(seen, video.normalized_centers(torch.arange(5)), atol=1e-4)


@pytest.mark.parametrize("height", [0.3, 0.0, -0.5])
def test_starts_under_water_are_seen_there_through_the_water(pack, height):
    video, t = SegmentedVideo(own(pack)), torch.arange(5)
    start = init_translations(video, height, 1.34)
    assert start[:, 0, 1] == pytest.approx([height] * 5, abs=1e-4)
    seen = video.cameras(t, 1.34).transform(start)[:, 0, :2]
    assert torch.allclose(seen, video.normalized_centers(t), atol=1e-4)


def test_the_fins_height_is_the_clips(pack):
    assert (find_known(pack).fin_out_m, find_known(pack).fin_out_sd_m) == (0.05, 0.05)
    own(pack, fin_out_m=-0.07, fin_out_sd_m=0.1)
    assert (find_known(pack).fin_out_m, find_known(pack).fin_out_sd_m) == (-0.07, 0.1)
    own(pack, change=lambda values: [values.pop(name) for name in ("fin_out_m", "fin_out_sd_m")])
    assert (find_known(pack).fin_out_m, find_known(pack).fin_out_sd_m) == (0.05, 0.05)


def test_frames_in_which_it_surfaces(pack):
    own(pack, surfaced=["2", "back:4"])
    assert find_known(pack).surfaced == (("fin", 2), ("back", 4))
    assert json.loads(find_known(pack).to_json())["surfaced"] == ["fin:2", "back:4"]


def find_known(pack):
    return read_clip_info(pack.clip_dir, 5)


def test_frames_that_are_windows_have_principal_points_of_their_own(pack):
    points = [[30 - 100 * t, 20 + 7.5 * t] for t in range(5)]
    own(pack, change=lambda values: values["camera"].update(principal_point=points))
    known, video = find_known(pack), SegmentedVideo(pack)
    assert known.centres.tolist() == points and known.lens.principal_point is None
    assert json.loads(known.to_json())["camera"]["principal_point"] == points
    camera = video.cameras(torch.tensor([1, 4]))
    assert camera.x0.tolist() == pytest.approx([points[t][0] - 31.5 for t in (1, 4)])
    assert camera.y0.tolist() == pytest.approx([17.5 - points[t][1] for t in (1, 4)])
    [batch] = DataLoader(video, batch_size=5, collate_fn=collate_batch)
    whole = video.cameras(torch.arange(5))
    assert torch.allclose(batch["cam"].view_projection_matrix(), whole.view_projection_matrix())
    start = init_translations(video, -0.5, 1.34)
    seen = video.cameras(torch.arange(5), 1.34).transform(start)[:, 0, :2]
    assert torch.allclose(seen, video.normalized_centers(torch.arange(5)), atol=1e-3)


def test_a_drone_that_flies_high_is_not_clipped():
    eye = torch.tensor([[0.0, 130.0, 0.0]])
    camera = drone_cameras(eye, torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]), 64, 36)
    assert camera.intrinsics.far > 131


def test_distortion_is_undone_in_every_reader(pack):
    bent = Lens(8.0, 12.0, k1=-0.3)
    own(pack, camera={"focal_mm": 8.0, "sensor_width_mm": 12.0, "k1": -0.3})
    right = undistort(np.asarray(Image.open(next(pack.frames_dir.glob("000001*")))), bent)
    assert np.array_equal(SegmentedVideo(pack).frames[1].numpy(), right)
    assert np.array_equal(Clip.of(pack).read(1), right)


def test_describing_and_verifying(pack):
    own(pack)
    assert "20.0 to 24.0 m above the sea" in describe(pack)
    assert inspect_pack(pack.root).faults == []
    np.save(pack.altitude_path, np.full(5, 1000.0))
    assert "clip.json beside it has the altitudes" in inspect_pack(pack.root).notes[0]


def in_camera(**changed):
    return lambda values: values["camera"].update(changed)


FAULTS = {
    "metres as centimetres": (
        dict(altitude_m=[2000.0] * 5),
        "the drone flies 2e.03 m .* hold metres. Are these cent",
    ),
    "kilometres": (dict(altitude_m=[0.02] * 5), "the drone flies 0.02 m above the sea"),
    "at sea level": (
        dict(altitude_m=[20, 21, 0, 23, 24]),
        "altitude_m of frame 2 is 0, expected metres above the sea",
    ),
    "not finite": (dict(altitude_m=[20, 21, float("nan"), 23, 24]), "altitude_m of frame 2 is nan"),
    "frames added": (dict(altitude_m=[20] * 4), "altitude_m holds 4 altitudes for 5 frames"),
    "text": (dict(altitude_m="20 m"), 'altitude_m is "20 m", expected a list of metres'),
    "no rate": (dict(fps=0), "fps is 0, expected a number from 1 to 1000"),
    "rate as text": (dict(fps="25"), 'fps is "25", expected a number'),
    "sd": (dict(altitude_sd_m=-1), "altitude_sd_m is -1"),
    "an altitude known exactly": (dict(altitude_sd_m=0), "altitude_sd_m is 0, expected a number from 0.001"),
    "an altitude known not at all": (dict(altitude_sd_m=float("inf")), "altitude_sd_m is Infinity, expected"),
    "a fin in the air": (dict(fin_out_m=3), "fin_out_m is 3, expected how many metres .not centimetres"),
    "a fin that is NaN": (dict(fin_out_m=float("nan")), "fin_out_m is nan, expected"),
    "a fin as text": (dict(fin_out_m="5 cm"), 'fin_out_m is "5 cm", expected'),
    "a fin in the deep": (dict(fin_out_m=-40), "fin_out_m is -40, .*from -20 to 2, negative under water"),
    "a fin known exactly": (dict(fin_out_sd_m=0), "fin_out_sd_m is 0, expected the standard deviation"),
    "a negative sd": (dict(fin_out_sd_m=-0.1), "fin_out_sd_m is -0.1, expected"),
    "an infinite sd": (dict(fin_out_sd_m=float("inf")), "fin_out_sd_m is inf, .*from 0.01 to 5 metres"),
    "surfaced in no frame": (dict(surfaced=[5]), "surfaced: there is no frame 5, the clip has 0 to 4"),
    "surfaced by what": (dict(surfaced=["beak:2"]), "surfaced is 'beak:2', expected the number of a frame"),
    "surfaced at a time": (dict(surfaced=[0.5]), "surfaced is .0.5., expected a list of frames"),
    "no camera": (dict(camera=None), "camera is null, expected focal_mm and sensor_width_mm"),
    "equivalent": (dict(change=in_camera(focal_mm=240)), "is one of them a 35 mm equivalent"),
    "focal": (dict(change=in_camera(focal_mm=None)), "focal_mm is null"),
    "principal point": (
        dict(change=in_camera(principal_point=[64, 3])),
        "principal_point is .64, 3., expected a pixel",
    ),
    "points of other frames": (
        dict(change=in_camera(principal_point=[[3, 3]] * 4)),
        "principal_point holds 4 points, expected one pixel .x, y., or one for each of the 5 frames",
    ),
    "a point as text": (dict(change=in_camera(principal_point=[[3, 3]] * 4 + [[1, "2"]])), 'holds .1, "2".'),
    "distorted windows": (
        dict(change=in_camera(principal_point=[[3, 3]] * 5, k1=-0.01)),
        "of windows of a picture the distortion cannot be undone",
    ),
    "tilt": (dict(change=in_camera(tilt_deg=80)), "tilt_deg is 80, expected a number from -60 to 60"),
    "folded": (dict(change=in_camera(k1=-4)), "folds the picture's corners"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_is_refused_by_every_reader(pack, case):
    values, message = FAULTS[case]
    own(pack, **values)
    for read in (SegmentedVideo, describe, Clip.of, segment_clip):
        with pytest.raises(CourseError, match=message) as refused:
            read(pack)
        assert "clip.json: " in str(refused.value)
    [fault] = inspect_pack(pack.root).faults
    assert "metadata/clip.json: " in fault


def test_a_file_that_is_no_clip_json(pack):
    for text, message in (("[]", "is no object of fps"), ("{", "not a JSON file")):
        (pack.clip_dir / "metadata" / "clip.json").write_text(text)
        with pytest.raises(CourseError, match=message):
            SegmentedVideo(pack)


@pytest.mark.parametrize("values, guess", [([10.5] * 5, "metres"), ([1.05e6] * 5, "millimetres or feet")])
def test_altitudes_of_the_tutorials_form_in_another_unit(pack, values, guess):
    np.save(pack.altitude_path, values)
    for read in (SegmentedVideo, describe, Clip.of, segment_clip):
        with pytest.raises(CourseError, match=f"the file is to hold centimetres. Are these {guess}"):
            read(pack)


def test_what_is_given_instead_of_a_pack(pack, tmp_path):
    video = tmp_path / "DJI_1.MP4"
    video.write_bytes(b"0")
    (tmp_path / "flight").mkdir()
    shutil.copy(video, tmp_path / "flight")
    cases = {
        video: r"is a video, expected a folder. Make a pack .*: dolphins clip .*DJI_1.MP4 --telemetry FILE",
        tmp_path / "flight": "is a folder with videos, expected a pack",
        pack.clip_dir: f"is a folder in a pack, expected the pack itself: {pack.root}",
        pack.frames_dir: "is a folder in a pack",
    }
    for path, message in cases.items():
        with pytest.raises(CourseError, match=message):
            find_pack(path)


def test_two_folders_of_frames(pack):
    shutil.copytree(pack.clip_dir, pack.data_dir / "other")
    with pytest.raises(CourseError, match="holds 2 folders .*expected one clip; name it with --clip"):
        SegmentedVideo(find_pack(pack.root))
    assert len(SegmentedVideo(find_pack(pack.root, "other"))) == 5
    with pytest.raises(CourseError, match="holds no clip 'third' .found: .*other"):
        find_pack(pack.root, "third")
