"""Prompts to masks: the tracker against the truth, SAM-2 with a stand-in and with a small real model."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch.utils._pytree import tree_map

from course_lib import first_mask, segmentation, tracker
from course_lib.assets import AssetPack, clip_files, find_pack, verify_pack
from course_lib.assets.clip_files import read_confidence
from course_lib.doubts import Masks, draw, outside, points_missed, summary, touched
from course_lib.errors import CourseError
from course_lib.metrics import load_truth, mask_iou
from course_lib.segmentation import Clip, Sam2, load_predictor, part_folder, segment_clip
from course_lib.video import SegmentedVideo
from dolphins.cli import main

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
N = 8  # frames of a short pack


@pytest.fixture
def pack(tmp_path):
    """A pack of the clip's first frames, without masks and without a model."""
    return short_pack(tmp_path / "pack", N)


def short_pack(root, n):
    source, copy = find_pack(), AssetPack(root)
    copy.clip_name = source.clip_name
    copy.frames_dir.mkdir(parents=True)
    copy.altitude_path.parent.mkdir()
    (root / "model").mkdir()
    for t in range(n):
        shutil.copy(source.frames_dir / f"{t:06d}.jpg", copy.frames_dir)
    np.save(copy.altitude_path, np.load(source.altitude_path)[50 : 50 + n])
    shutil.copy(source.prompts_path, copy.prompts_path)
    return copy


def change_prompts(pack, **changes):
    prompts = json.loads(pack.prompts_path.read_text())
    pack.prompts_path.write_text(json.dumps({**prompts, **changes}))


def masks_in(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(Path(folder).glob("*.png"))])


def nothing(line):
    """Says nothing."""


def quiet(*args, **options):
    return segment_clip(*args, say=nothing, **options)


def refused(message, *args, **options):
    with pytest.raises(CourseError, match=message):
        quiet(*args, **options)


class Bar(contextlib.nullcontext):
    """A progress bar that remembers how far it stood at each step, and when masks were written."""

    shares = []

    def __init__(self, initial, total, **options):
        super().__init__(self)
        self.n, self.total = initial, total

    def update(self):
        self.n += 1
        Bar.shares.append(self.n / self.total)


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("frame", [0, -1])
def test_the_bar_moves_while_the_tracker_looks_and_ends_full(tmp_path, monkeypatch, n, frame):
    at_masks, first = [], frame % n
    prompts = dict(frame=first, points=[[70 + 4 * first, 60 + 2 * first]], labels=[1])
    maker = tracker.Tracker(lambda t: scene(t)[0], n, prompts)
    monkeypatch.setattr(segmentation, "tqdm", Bar)
    monkeypatch.setattr(Bar, "shares", [0])
    monkeypatch.setattr(segmentation.clip_files, "write_mask", lambda *_: at_masks.append(Bar.shares[-1]))
    segmentation._make_masks(maker, range(n), tmp_path, {})
    assert at_masks[0] == pytest.approx(2 / 3) and len(Bar.shares) == 3 * n + 1
    assert Bar.shares[-1] == 1


# --- the tracker --------------------------------------------------------------------------------------------


def test_the_tracker_is_good_on_the_whole_clip_and_loses_no_frame():
    clip, truth = Clip.of(find_pack()), load_truth(find_pack().truth_path).masks
    found = tracker.Tracker(clip.read, len(clip), clip.prompts, clip.silhouette)
    start = time.process_time()
    masks = dict(found.propagate({}))
    seconds = time.process_time() - start
    overlap = mask_iou(torch.from_numpy(np.stack([masks[t] for t in range(len(clip))])), truth)
    assert found.lost == [] and len(masks) == len(found.confidence) == 200
    assert overlap.mean() >= 0.85 and overlap.min() >= 0.76, (overlap.mean(), overlap.min())
    assert seconds < 90  # of one core; 10 to 15 on an idle one


@functools.cache
def scene(t):
    """A pale ellipse that swims over noisy water and turns: (image, mask)."""
    rng = np.random.default_rng([0, t])
    H, W = 160, 240
    y, x = np.mgrid[:H, :W]
    cos, sin, dx, dy = np.cos(0.05 * t), np.sin(0.05 * t), x - 70 - 4 * t, y - 60 - 2 * t
    mask = ((dx * cos + dy * sin) / 30) ** 2 + ((dy * cos - dx * sin) / 9) ** 2 < 1
    image = np.stack([30 + 0.1 * x, 110 - 0.1 * y, 110 + 0 * x], -1) + rng.normal(0, 3, (H, W, 3))
    image[mask] = np.array([120, 120, 125]) + rng.normal(0, 8, (mask.sum(), 3))
    image[rng.random((H, W)) < 0.001] = 255  # glints
    return image.clip(0, 255).astype(np.uint8), mask


def track(n, points, labels=(1,), frame=0, read=lambda t: scene(t)[0]):
    """-> frames where the animal was not found, masks, and their overlaps with the truth"""
    found = tracker.Tracker(read, n, {"frame": frame, "points": points, "labels": labels})
    masks = dict(found.propagate({}))
    overlaps = {t: (mask & scene(t)[1]).sum() / (mask | scene(t)[1]).sum() for t, mask in masks.items()}
    return found.lost, masks, overlaps


def test_an_animal_that_leaves_the_picture_altogether_ends_nothing():
    _, masks, _ = track(20, [[174, 112]], read=lambda t: scene(26 + 2 * t)[0])
    assert len(masks) == 20 and masks[0].any() and not masks[19].any()
    maker = types.SimpleNamespace(looks=0, propagate=lambda done: iter([(19, masks[19])]))
    with pytest.raises(CourseError, match="In frame 19 nothing of the animal is in the picture any more"):
        segmentation._make_masks(maker, range(20), None, {})


@pytest.mark.parametrize(
    "points, labels", [([[70, 60]], [1]), ([[50, 60], [90, 60], [70, 60], [70, 85]], [1, 1, 1, 0])]
)
def test_the_tracker_needs_few_points_and_follows_fast_swimmers(points, labels):
    held, _, overlaps = track(24, points, labels)
    assert held == [] and min(overlaps.values()) > 0.8


def test_prompts_in_the_middle_of_the_clip():
    _, masks, overlaps = track(16, [[110, 80]], frame=10)
    assert list(masks) == [*range(10, 16), *range(9, -1, -1)]
    assert min(overlaps.values()) > 0.8


def test_a_frame_where_nothing_stands_out_is_held_and_then_found_again():
    water = np.random.default_rng(0).normal((30, 110, 110), 3, (160, 240, 3)).astype(np.uint8)
    held, masks, overlaps = track(12, [[70, 60]], read=lambda t: water if t == 5 else scene(t)[0])
    assert held == [5] and masks[5].any() and overlaps[11] > 0.8


def test_points_on_the_water_are_named():
    with pytest.raises(CourseError, match="look like the water around them.*this clip and to this frame"):
        first_mask.first_mask(scene(0)[0], [[200, 130], [210, 140]], [1, 1])


@pytest.mark.parametrize("gpu", [True, False])
def test_sam2_is_offered_only_where_it_would_be_used(monkeypatch, gpu):
    monkeypatch.setattr(first_mask, "has_module", lambda name: True)
    monkeypatch.setattr(first_mask, "has_gpu", lambda: gpu)
    with pytest.raises(CourseError) as told:
        first_mask.first_mask(scene(0)[0], [[200, 130], [210, 140]], [1, 1])
    assert ("sam2" in str(told.value)) == gpu


def test_every_point_is_honoured():
    image, mask = scene(0)
    points, labels = [[70, 60], [50, 60], [95, 60], [60, 62], [72, 80]], [1, 1, 1, 0, 1]
    found = first_mask.first_mask(image, points, labels)
    assert points_missed(found, {"points": points, "labels": labels}) == []
    on = points_missed(mask, {"points": points, "labels": labels})
    assert len(on) == 2 and "Point 4 of the prompts, [60, 62], lies in the mask" in on[0]
    assert "Point 5 of the prompts, [72, 80], lies beside the mask" in on[1]


def test_foam_that_drifts_past_is_not_followed():
    def read(t):
        image = scene(t)[0].copy()
        y, x = np.mgrid[:160, :240]
        image[np.hypot(x - 95 - 2 * t, y - 40 - 3 * t) < 9] = 235  # touches the animal, then leaves it
        return image

    lost, masks, overlaps = track(24, [[50, 58], [70, 60], [90, 62]], labels=[1, 1, 1], read=read)
    assert lost == [] and min(overlaps.values()) > 0.65 and overlaps[23] > 0.8


def test_a_large_animal_is_looked_at_in_less_detail():
    def read(t):
        return np.asarray(Image.fromarray(scene(t)[0]).resize((1440, 960), Image.Resampling.BICUBIC))

    found = tracker.Tracker(
        read, 6, {"frame": 0, "points": [[300, 360], [420, 360], [540, 360]], "labels": [1] * 3}
    )
    masks = dict(found.propagate({}))
    assert found.stack.shape[2] < 200
    truth = np.asarray(Image.fromarray(scene(5)[1]).resize((1440, 960)))
    assert masks[5].sum() > 20_000 and (masks[5] & truth).sum() / (masks[5] | truth).sum() > 0.85


def test_confidence_falls_where_the_animal_fades():
    def read(t):
        image = scene(t)[0].astype(float)
        fading = 0.95 * (scene(t)[1][..., None] * (t > 8))
        return (image + fading * (np.array([45, 105, 105]) - image)).astype(np.uint8)

    found = tracker.Tracker(
        read, 14, {"frame": 0, "points": [[50, 60], [70, 60], [90, 60]], "labels": [1] * 3}
    )
    dict(found.propagate({}))
    sure = [found.confidence[t] for t in range(14)]
    assert min(sure[1:8]) > 0.7 and max(sure[10:]) < min(sure[1:8])


# --- what is said of the masks ------------------------------------------------------------------------------


def test_what_is_doubtful_is_said_and_drawn(pack):
    folder, clip = pack.segmentation_dir, Clip.of(pack)
    folder.mkdir()
    y, x = np.mgrid[:360, :640]
    for t in range(N):
        radius, column = (30 if t == 5 else 14 if t == 6 else 20), (10 if t == 3 else 290)
        clip_files.write_mask(
            (x - column) ** 2 + (y - 212) ** 2 < radius**2, folder / f"{t:06d}.png", 0.4 if t == 2 else 0.9
        )
    said = "\n".join(summary(folder, clip, Masks.of(folder, clip)))
    for line in (
        r"In 1 of 8 frames the mask is doubtful \(confidence below 0.7\) \(2\)",
        r"In 1 of 8 frames the mask touches the border.* \(3\)",
        r"less than 0.6 of the first one's area.* \(3, 6\)|less than 0.6 of the first one's area.* \(6\)",
        r"more than 1.6 of the first one's area.* \(5\)",
        r"least in frame 2, 0.40. 4 of 8 frames are\s+doubtful",
    ):
        assert re.search(line, said), (line, said)
    sheet = draw(folder, clip, Masks.of(folder, clip))
    assert sheet == folder.parent / "segmentation_doubtful.png" and Image.open(sheet).size == (960, 400)


def two(t, at):
    """`scene` with a second ellipse of the same colours `at` so many pixels above the first one."""
    image, mask = scene(t)
    other = np.roll(mask, (-at, 12), (0, 1)) & ~mask
    image = image.copy()
    image[other] = np.random.default_rng([1, t]).normal((120, 120, 125), 8, (other.sum(), 3)).clip(0, 255)
    return image, mask


@pytest.mark.parametrize("meets, frames", [(range(6, 12), range(6, 12)), ((), ()), (range(18), range(18))])
def test_another_animal_that_touches_is_told_from_one_beside_and_from_water(meets, frames):
    seen = [two(t, 13 if t in meets else 42) for t in range(18)]
    found = touched(lambda t: seen[t][0], [mask for _, mask in seen])
    assert np.flatnonzero(found).tolist() == list(frames)


def test_in_a_sea_of_the_animals_colours_nothing_is_said_to_touch():
    rng, seen = np.random.default_rng(3), []
    for t in range(12):
        image, mask = scene(t)
        rocks = ndimage.gaussian_filter(rng.normal(size=mask.shape), 6) > 0.02
        image = np.where((rocks & ~mask)[..., None], rng.normal(120, 8, image.shape).clip(0, 255), image)
        seen.append((image.astype(np.uint8), mask))
    assert not touched(lambda t: seen[t][0], [mask for _, mask in seen]).any()


def test_that_two_touch_is_said_in_a_line(pack, monkeypatch):
    folder, clip = pack.segmentation_dir, Clip.of(pack)
    folder.mkdir()
    for t in range(N):
        clip_files.write_mask(np.eye(360, 640) > 0, folder / f"{t:06d}.png", 0.9)
    monkeypatch.setattr("course_lib.doubts.touched", lambda read, masks: np.arange(N) > 5)
    masks = Masks.of(folder, clip)
    said = "".join(summary(folder, clip, masks))
    assert "In 2 of 8 frames what looks like the animal touches the mask: do two touch or cross" in said


@pytest.mark.parametrize(
    "sure, at, line",
    [
        ([0.9, 0.9, 0.9, 0.4, 0.0, 0.3], [2, 3], "leaves the picture in frame 2: end the clip before it"),
        (
            [0.0, 0.3, 0.9, 0.9, 0.9, 0.9],
            [1, 2],
            "is in the picture from frame 2 on: begin the clip after it",
        ),
        ([0.9, 0.9, 0.9, 0.4, 0.9, 0.9], [2, 3], None),
        ([0.9, 0.9, 0.9, 0.0, 0.0, 0.0], [], None),
    ],
)
def test_an_animal_that_is_out_of_the_picture(sure, at, line):
    n = len(sure)
    masks = Masks(np.array(sure), np.ones(n), np.isin(np.arange(n), at), np.zeros(n, bool))
    assert outside(masks) == ([f"The animal {line}."] if line else [])


def test_a_refusal_leaves_nothing_behind(pack):
    change_prompts(pack, points=[[500, 60], [520, 70]], labels=[1, 1])
    for _ in range(2):  # the second time too: nobody speaks of an interrupted run
        refused("look like the water around them", pack)
    assert not part_folder(pack.segmentation_dir).exists()


# --- files: layout, nothing overwritten, killed runs --------------------------------------------------------


def test_masks_go_where_the_pack_has_them_and_nothing_is_overwritten_without_force(pack):
    folder = quiet(pack)
    assert folder == pack.segmentation_dir and not part_folder(folder).exists()
    assert sorted(p.name for p in folder.iterdir()) == [f"{t:06d}.png" for t in range(N)]
    assert set(np.unique(masks_in(folder))) == {0, 255} and masks_in(folder).shape == (N, 360, 640)
    assert len(SegmentedVideo(pack)) == N

    (folder / "000003.png").write_bytes(b"mine")
    refused(f"holds {N} masks already; nothing was changed.*--force", pack)
    assert (folder / "000003.png").read_bytes() == b"mine"
    said = []
    segment_clip(pack, resume=True, say=said.append)
    assert "nothing to do" in said[0]
    quiet(pack, force=True)
    assert masks_in(folder).shape == (N, 360, 640)
    there = ["frames", "metadata", "segmentation", "segmentation_doubtful.png"]
    assert sorted(path.name for path in folder.parent.iterdir()) == there
    assert all(0 < read_confidence(folder / f"{t:06d}.png") <= 1 for t in range(N))


def test_other_things_are_never_replaced(pack, tmp_path):
    (tmp_path / "mine").mkdir()
    thesis = tmp_path / "mine" / "thesis.txt"
    thesis.write_text("do not lose")
    refused("holds other things than masks .thesis.txt.", pack, out=tmp_path / "mine", force=True)
    refused("is a file, expected a folder", pack, out=thesis)
    assert thesis.read_text() == "do not lose"


def test_a_killed_run_goes_on_to_the_same_masks(tmp_path):
    pack, whole = short_pack(tmp_path / "killed", 16), short_pack(tmp_path / "whole", 16)
    command = [sys.executable, "-m", "dolphins", "segment", "--pack", str(pack.root), "--method", "tracker"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = part_folder(pack.segmentation_dir)
    for _ in range(15000):
        if len(list(part.glob("*.png"))) >= 3:
            break
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    made = {path.name: path.stat().st_mtime_ns for path in part.glob("*.png")}
    assert 3 <= len(made) < 16 and not pack.segmentation_dir.exists()
    refused("holds an interrupted run. Go on with it with --resume", pack)
    quiet(pack, resume=True)
    assert all((pack.segmentation_dir / name).stat().st_mtime_ns == when for name, when in made.items())
    assert np.array_equal(masks_in(pack.segmentation_dir), masks_in(quiet(whole)))


def test_interrupted_with_the_keyboard(pack, monkeypatch):
    real = tracker.Tracker.mask

    def interrupted(maker, t):
        if len(list(part_folder(pack.segmentation_dir).glob("*.png"))) == 4:
            raise KeyboardInterrupt
        return real(maker, t)

    monkeypatch.setattr(tracker.Tracker, "mask", interrupted)
    refused("Interrupted. The masks made so far are kept", pack)
    monkeypatch.undo()
    quiet(pack, resume=True)
    assert len(masks_in(pack.segmentation_dir)) == N


def test_another_run_is_not_gone_on_with(pack):
    begun = part_folder(pack.segmentation_dir)
    begun.mkdir()
    (begun / "run.json").write_text(json.dumps({"method": "SAM-2 (sam2-hiera-large)"}))
    clip_files.write_mask(disc(0), begun / "000000.png")
    refused("interrupted run with another method", pack, resume=True)
    quiet(pack, force=True)
    assert not begun.exists()


def test_a_folder_that_cannot_be_written(pack, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clip_files, "write_mask", full)
    refused("could not be written.*No space left.*--resume", pack)


# --- bad input ----------------------------------------------------------------------------------------------


def test_bad_prompts_or_none(pack):
    change_prompts(pack, frame=N)
    refused(f"frame is {N}, expected a frame's number, 0 to {N - 1}", pack)
    pack.prompts_path.unlink()
    refused("prompts.json: is missing, expected points to segment from", pack)


def test_unreadable_frames(pack):
    frame = pack.frames_dir / "000003.jpg"
    whole = frame.read_bytes()
    frame.write_bytes(whole[: len(whole) // 2])
    refused("000003.jpg: is truncated or damaged", pack)
    Image.new("RGB", (64, 36)).save(frame)
    refused("000003.jpg: is 64 x 36, expected 640 x 360 as 000000.jpg", pack, resume=True, force=True)
    frame.unlink()
    refused("000003.jpg: is missing", pack)


def test_an_imported_zip_without_masks_is_segmented(tmp_path, monkeypatch, capsys):
    pack = short_pack(tmp_path, 3)
    shutil.rmtree(pack.model_dir)
    shutil.copytree(find_pack().model_dir, pack.model_dir)
    with pytest.raises(CourseError, match="make them with: dolphins segment"):
        SegmentedVideo(pack)
    command = ["dolphins", "segment", "--pack", str(tmp_path), "--clip"]
    for clip, code, out, errors in (
        (pack.clip_name, None, "3 masks in", ""),
        ("../x", 1, "", f"\n{pack.data_dir}: holds no clip '../x' (found: {pack.clip_name}).\n"),
    ):
        monkeypatch.setattr(sys, "argv", [*command, clip])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code or None) == code and out in said.out and said.err == errors
    assert verify_pack(tmp_path) == []


# --- SAM-2's part, with a stand-in of the same interface ----------------------------------------------------


def disc(t):
    y, x = np.mgrid[:360, :640]
    return (x - 100 - t) ** 2 + (y - 100) ** 2 < 100


class StandIn:
    """As SAM2VideoPredictor. Sees a disc that moves right by a pixel, and nothing in the frames `blind`."""

    fill_hole_area = 8
    blind, calls, error = (), [], None

    def __init__(self):
        self.sam_mask_decoder = torch.nn.Identity()

    @classmethod
    def from_pretrained(cls, name, **options):
        if cls.error:
            raise cls.error
        cls.calls = [("from_pretrained", name, options)]
        return cls()

    def init_state(self, video_path, async_loading_frames=False, offload_video_to_cpu=False):
        frames = sorted(os.listdir(video_path))
        assert all(name.endswith(".jpg") for name in frames)
        return types.SimpleNamespace(n=len(frames))

    def add_new_points_or_box(self, inference_state, frame_idx, obj_id, points, labels):
        assert not torch.is_grad_enabled() and points.shape == (len(labels), 2)
        self.calls.append(("points", frame_idx))

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask):
        assert mask.dtype == bool and mask.shape == (360, 640)
        self.calls.append(("mask", frame_idx))

    def propagate_in_video(self, state, start_frame_idx, reverse=False):
        self.calls.append(("propagate", start_frame_idx, reverse))
        for t in range(start_frame_idx, -1, -1) if reverse else range(start_frame_idx, state.n):
            seen = disc(t) & (t not in self.blind)
            yield t, [1], torch.from_numpy(seen)[None, None].float() - 0.5


@pytest.fixture
def stand_in(monkeypatch):
    class Mine(StandIn):
        pass

    known = {"facebook/sam2.1-hiera-tiny": ("t.yaml", "sam2.1_hiera_tiny.pt")}
    build = dict(HF_MODEL_ID_TO_FILENAMES=known, build_sam2_video_predictor=lambda *_, **options: Mine())
    modules = {"": {}, ".build_sam": build, ".sam2_video_predictor": {"SAM2VideoPredictor": Mine}}
    for name, contents in modules.items():
        monkeypatch.setitem(sys.modules, f"sam2{name}", types.SimpleNamespace(**contents))
    return Mine


by_sam2 = functools.partial(segment_clip, method="sam2", device="cpu", say=nothing)
no_sam2 = functools.partial(refused, method="sam2", device="cpu")


def test_sam2_is_prompted_and_its_masks_are_written(pack, stand_in):
    change_prompts(pack, frame=4)
    said = []
    by_sam2(pack, say=said.append)
    assert np.array_equal(masks_in(pack.segmentation_dir) > 0, np.stack([disc(t) for t in range(N)]))
    loaded, *calls = stand_in.calls
    assert calls == [("points", 4), ("propagate", 4, False), ("propagate", 4, True)]
    assert loaded[1:] == ("facebook/sam2.1-hiera-tiny", dict(device="cpu", hydra_overrides_extra=[]))
    assert "SAM-2 on a CPU: expect" in said[0]  # an honest estimate, beforehand


def test_sam2_goes_on_from_the_last_mask(pack, stand_in):
    maker = Sam2(Clip.of(pack), stand_in(), CPU, "tiny", nothing)
    masks = dict(maker.propagate({t: disc(t) for t in range(5)}))
    assert list(masks) == list(range(5, N))
    assert stand_in.calls[-3:] == [("points", 0), ("mask", 4), ("propagate", 4, False)]


@pytest.mark.parametrize(
    "device, capability, dtype",
    [
        ("cpu", None, torch.float32),
        ("cuda", (7, 5), torch.float16),
        ("cuda", (8, 0), torch.bfloat16),
        ("cuda", (9, 0), torch.bfloat16),
    ],
)
def test_sam2_runs_in_a_type_that_the_gpu_has(monkeypatch, device, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert segmentation.half_precision(torch.device(device)) == dtype


def test_sam2_goes_on_in_float32_where_half_precision_gives_no_number(pack, stand_in):
    class Spoilt(stand_in):
        def propagate_in_video(self, *arguments, **options):
            for t, ids, scores in super().propagate_in_video(*arguments, **options):
                half = torch.is_autocast_enabled("cpu")
                self.sam_mask_decoder((scores * float("nan") if half and t == 3 else scores,))
                yield t, ids, scores

    said = []
    maker = Sam2(Clip.of(pack), Spoilt(), CPU, "tiny", said.append)
    maker.dtype = torch.bfloat16
    masks = dict(maker.propagate({}))
    assert list(masks) == list(range(N)) and all(np.array_equal(mask, disc(t)) for t, mask in masks.items())
    assert maker.predictor.calls[-3:] == [("points", 0), ("mask", 2), ("propagate", 2, False)]
    assert "SAM-2 goes on in float32" in said[-1]


def test_sam2_sees_nothing_in_some_frames(pack, stand_in):
    stand_in.blind = (3, 4)
    said = []
    by_sam2(pack, say=said.append)
    masks = masks_in(pack.segmentation_dir) > 0
    assert np.array_equal(masks[4], disc(2)) and np.array_equal(masks[5], disc(5))
    lost = next(line for line in said if "the animal was not found" in line)
    assert lost.startswith("In 2 of 8 frames") and "3 to 4" in lost
    sure = [read_confidence(path) for path in sorted(pack.segmentation_dir.glob("*.png"))]
    assert sure[3] == sure[4] == 0 and min(sure[:3] + sure[5:]) > 0.5
    stand_in.blind = (0,)
    no_sam2("SAM-2 sees nothing at the points of frame 0", pack, force=True)


def test_sam2_is_given_jpegs_of_other_frames(tmp_path, stand_in):
    pack = short_pack(tmp_path / "png", 2)
    for path in pack.frames_dir.glob("*.jpg"):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    assert len(masks_in(by_sam2(pack))) == 2


def test_sam2_without_weights(pack, stand_in):
    stand_in.error = ConnectionError("no route to huggingface.co")
    lost = "weights facebook/sam2.1-hiera-tiny could not be loaded .*no route.*--method tracker"
    no_sam2(lost, pack)
    no_sam2("SAM-2 has no weights 'nothing'", pack, checkpoint="nothing")
    stand_in.error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
    no_sam2("The memory of cpu is full", pack)
    assert not part_folder(pack.segmentation_dir).exists()


def test_a_file_of_weights_is_known_by_its_name(tmp_path, stand_in):
    known, other = tmp_path / "sam2.1_hiera_tiny.pt", tmp_path / "other.pt"
    known.touch()
    other.touch()
    assert load_predictor(str(known), CPU).fill_hole_area == 0
    with pytest.raises(CourseError, match="is not named as SAM-2's weights are"):
        load_predictor(str(other), CPU)


def test_without_sam2(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "sam2.build_sam", None)
    no_sam2("SAM-2 cannot be used here .*SAM2_BUILD_CUDA=0.*--method tracker", pack)


def test_auto_takes_the_tracker_where_sam2_would_take_hours_or_has_no_weights(pack, stand_in, monkeypatch):
    said, clip, cuda = [], Clip.of(pack), types.SimpleNamespace(type="cuda")
    monkeypatch.setattr(segmentation, "has_module", lambda name: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    weights = "facebook/sam2.1-hiera-tiny"
    for device, error, maker, why in (
        (CPU, None, tracker.Tracker, "there is no GPU"),
        (cuda, ConnectionError("offline"), tracker.Tracker, "The tracker makes the masks instead"),
        (cuda, None, Sam2, ""),
    ):
        stand_in.error = error
        assert isinstance(segmentation.choose(clip, "auto", device, weights, said.append), maker)
        assert why in said[-1]


# --- the real package, which `make test` installs; random weights, so its masks mean nothing ----------------

SMALL = (
    "++model.image_size=128",
    "++model.image_encoder.trunk.embed_dim=16",
    "++model.image_encoder.trunk.stages=[1,1,3,1]",
    "++model.image_encoder.trunk.global_att_blocks=[3]",
    "++model.image_encoder.neck.backbone_channel_list=[128,64,32,16]",
    "++model.memory_attention.num_layers=1",
    "++model.memory_attention.layer.self_attention.feat_sizes=[8,8]",
    "++model.memory_attention.layer.cross_attention.feat_sizes=[8,8]",
)
CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """SAM-2.1 tiny, made much smaller, with random weights that see something: a file as the hub has them."""
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(0)
    model = build_sam2_video_predictor(CONFIG, None, device="cpu", hydra_overrides_extra=list(SMALL))
    with torch.no_grad():  # it answers "an object is there" with any weights, and its masks have both signs
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(10.0)
    path = tmp_path_factory.mktemp("weights") / "sam2.1_hiera_tiny.pt"
    torch.save({"model": model.state_dict()}, path)
    return path


# Compute capability, the type that follows from it, the share of pixels that may differ from the CPU's.
PLACES = {"CPU": (None, torch.float32, 0)}
if torch.cuda.is_available():
    PLACES |= {"old GPU": ((7, 5), torch.float16, 0.005), "GPU": ((8, 0), torch.bfloat16, 0.03)}


@pytest.fixture(params=PLACES)
def place(request, monkeypatch):
    """-> device, type of its numbers, share of pixels that may differ"""
    capability, dtype, share = PLACES[request.param]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    return torch.device("cuda" if capability else "cpu"), dtype, share


def real_sam2(clip, weights, device=CPU):
    return Sam2(clip, load_predictor(str(weights), device, SMALL), device, str(weights), nothing)


def test_the_real_sam2_from_prompts_to_files(pack, weights, place, monkeypatch):
    device, dtype, share = place
    change_prompts(pack, frame=4)
    maker = real_sam2(Clip.of(pack), weights, device)
    monkeypatch.setattr(segmentation, "choose", lambda *_: maker)
    masks = dict(real_sam2(Clip.of(pack), weights).propagate({}))
    assert list(masks) == [*range(4, N), *range(3, -1, -1)]
    assert all(mask.shape == (360, 640) and mask.dtype == bool and mask.any() for mask in masks.values())
    differ = (masks_in(by_sam2(pack)) > 0) != np.stack([masks[t] for t in range(N)])
    assert differ.mean() <= share and maker.dtype == dtype


def test_the_real_sam2_goes_on_from_the_last_mask(pack, weights, place):
    clip, masks, device = Clip.of(pack), {}, place[0]
    for t, mask in real_sam2(clip, weights, device).propagate({}):
        masks[t] = mask
        if t == 4:
            break
    rest = dict(real_sam2(clip, weights, device).propagate(masks))
    assert list(rest) == list(range(5, N)) and all(mask.any() for mask in rest.values())


@pytest.mark.parametrize("part", ["image_encoder", "memory_encoder.fuser"])
def test_the_real_sam2_goes_on_in_float32_where_half_precision_gives_no_number(pack, weights, part):
    """SAM-2 itself takes a score that is no number for a frame without an animal."""

    def spoil(module, inputs, output):
        half = torch.is_autocast_enabled("cpu")
        return tree_map(lambda x: x * torch.nan, output) if half else output

    maker, right = (real_sam2(Clip.of(pack), weights) for _ in range(2))
    maker.predictor.get_submodule(part).register_forward_hook(spoil)
    maker.dtype = torch.bfloat16
    masks, rights = dict(maker.propagate({})), dict(right.propagate({}))
    assert maker.dtype == torch.float32 and min(maker.confidence.values()) > 0
    assert max((masks[t] != rights[t]).mean() for t in range(N)) < 0.02


def test_the_real_sam2_from_the_hub(weights, monkeypatch):
    import sam2.build_sam

    tiny = "facebook/sam2.1-hiera-tiny"
    monkeypatch.setattr(sam2.build_sam, "_hf_download", lambda name: (CONFIG, str(weights)))
    assert load_predictor(tiny, CPU, SMALL).image_size == 128
    with pytest.raises(CourseError, match="could not be loaded"):
        load_predictor(tiny, CPU)  # the file is of another size than the model
