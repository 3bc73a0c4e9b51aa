"""Prompts to masks: the tracker against the truth, SAM-2's part with a stand-in and with a small real
model."""

import json
import os
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

from course_lib import segmentation, tracker
from course_lib.assets import AssetPack, find_pack, verify_pack
from course_lib.errors import CourseError
from course_lib.metrics import load_truth, mask_iou
from course_lib.segmentation import Clip, Sam2, load_predictor, part_folder, segment_clip
from course_lib.video import SegmentedVideo

CPU = torch.device("cpu")


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture
def pack(tmp_path):
    """A pack of the clip's first 12 frames, without masks and without a model."""
    return short_pack(tmp_path / "pack", 12)


def short_pack(root, n, prompts=None):
    source, copy = find_pack(), AssetPack(root)
    copy.clip_name = source.clip_name
    copy.frames_dir.mkdir(parents=True)
    copy.altitude_path.parent.mkdir()
    (root / "model").mkdir()
    for t in range(n):
        shutil.copy(source.frames_dir / f"{t:06d}.jpg", copy.frames_dir)
    np.save(copy.altitude_path, np.load(source.altitude_path)[50 : 50 + n])
    copy.prompts_path.write_text(json.dumps(prompts) if prompts else source.prompts_path.read_text())
    return copy


def masks_in(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(Path(folder).glob("*.png"))])


def quiet(*args, **options):
    return segment_clip(*args, say=lambda line: None, **options)


# --- the tracker
# ----------------------------------------------------------------------------------------------


def test_the_tracker_is_good_on_the_whole_clip_and_loses_no_frame():
    clip, truth = Clip.of(find_pack()), load_truth(find_pack().truth_path).masks
    found = tracker.Tracker(clip.read, len(clip), clip.prompts)
    start = time.process_time()
    masks = dict(found.propagate({}))
    seconds = time.process_time() - start
    overlap = mask_iou(torch.from_numpy(np.stack([masks[t] for t in range(len(clip))])), truth)
    assert found.held == [] and len(masks) == 200
    assert overlap.mean() >= 0.83 and overlap.min() >= 0.75, (overlap.mean(), overlap.min())
    assert seconds < 90  # of one core; 10 to 15 on an idle one


def scene(t, size=(160, 240), seed=0, n=24):
    """A pale ellipse that swims over noisy water and turns: (image, mask)."""
    rng = np.random.default_rng([seed, t])
    H, W = size
    y, x = np.mgrid[:H, :W]
    angle, cx, cy = 0.05 * t, 70 + 4 * t, 60 + 2 * t
    u, v = (
        (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle),
        (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle),
    )
    mask = (u / 30) ** 2 + (v / 9) ** 2 < 1
    image = np.stack([30 + 0.1 * x, 110 - 0.1 * y, 110 + 0 * x], -1) + rng.normal(0, 3, (H, W, 3))
    image[mask] = np.array([120, 120, 125]) + rng.normal(0, 8, (mask.sum(), 3))
    image[rng.random((H, W)) < 0.001] = 255  # glints
    return image.clip(0, 255).astype(np.uint8), mask


@pytest.mark.parametrize(
    "points, labels", [([[70, 60]], [1]), ([[50, 60], [90, 60], [70, 60], [70, 85]], [1, 1, 1, 0])]
)
def test_the_tracker_needs_few_points_and_follows_fast_swimmers(points, labels):
    found = tracker.Tracker(lambda t: scene(t)[0], 24, {"frame": 0, "points": points, "labels": labels})
    masks = dict(found.propagate({}))
    assert found.held == [] and min(iou(masks[t], scene(t)[1]) for t in masks) > 0.8


def test_prompts_in_the_middle_of_the_clip():
    found = tracker.Tracker(lambda t: scene(t)[0], 24, {"frame": 10, "points": [[110, 80]], "labels": [1]})
    masks = dict(found.propagate({}))
    assert list(masks) == [*range(10, 24), *range(9, -1, -1)]
    assert min(iou(masks[t], scene(t)[1]) for t in masks) > 0.8


def test_a_frame_where_nothing_stands_out_is_held_and_then_found_again():
    water = np.random.default_rng(0).normal((30, 110, 110), 3, (160, 240, 3)).astype(np.uint8)
    found = tracker.Tracker(
        lambda t: water if t == 5 else scene(t)[0], 12, {"frame": 0, "points": [[70, 60]], "labels": [1]}
    )
    masks = dict(found.propagate({}))
    assert found.held == [5] and masks[5].any() and iou(masks[11], scene(11)[1]) > 0.8


def test_points_on_the_water_are_named():
    with pytest.raises(CourseError, match="look like the water around them"):
        tracker.first_mask(scene(0)[0], [[200, 130], [210, 140]], [1, 1])


# --- files: layout, nothing overwritten, killed runs
# ------------------------------------------------------------


def test_masks_go_where_the_pack_has_them(pack):
    folder = quiet(pack)
    assert folder == pack.segmentation_dir and sorted(p.name for p in folder.iterdir()) == [
        f"{t:06d}.png" for t in range(12)
    ]
    assert set(np.unique(masks_in(folder))) == {0, 255} and masks_in(folder).shape == (12, 360, 640)
    assert len(SegmentedVideo(pack)) == 12
    assert not part_folder(folder).exists()


def test_nothing_is_overwritten_without_force(pack):
    folder = quiet(pack)
    (folder / "000003.png").write_bytes(b"mine")
    with pytest.raises(CourseError, match="holds 12 masks already; nothing was changed.*--force"):
        quiet(pack)
    assert (folder / "000003.png").read_bytes() == b"mine"
    said = []
    segment_clip(pack, resume=True, say=said.append)
    assert "nothing to do" in said[0]
    quiet(pack, force=True)
    assert masks_in(folder).shape == (12, 360, 640)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["frames", "metadata", "segmentation"]


def test_other_things_are_never_replaced(pack, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not lose")
    with pytest.raises(CourseError, match="holds other things than masks .thesis.txt."):
        quiet(pack, out=tmp_path / "mine", force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="is a file, expected a folder"):
        quiet(pack, out=tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "do not lose"


def test_a_killed_run_goes_on_to_the_same_masks(tmp_path):
    pack, whole = short_pack(tmp_path / "killed", 60), short_pack(tmp_path / "whole", 60)
    command = [sys.executable, "-m", "dolphins", "segment", "--pack", str(pack.root), "--method", "tracker"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = part_folder(pack.segmentation_dir)
    for _ in range(600):
        if len(list(part.glob("*.png"))) >= 5:
            break
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    made = {path.name: path.stat().st_mtime_ns for path in part.glob("*.png")}
    assert 5 <= len(made) < 60 and not pack.segmentation_dir.exists()
    with pytest.raises(CourseError, match="holds an interrupted run. Go on with it with --resume"):
        quiet(pack)
    quiet(pack, resume=True)
    assert all((pack.segmentation_dir / name).stat().st_mtime_ns == when for name, when in made.items())
    assert np.array_equal(masks_in(pack.segmentation_dir), masks_in(quiet(whole)))


def test_interrupted_with_the_keyboard(pack, monkeypatch):
    real = tracker.next_mask

    def interrupted(image, last, thick):
        if len(list(part_folder(pack.segmentation_dir).glob("*.png"))) == 4:
            raise KeyboardInterrupt
        return real(image, last, thick)

    monkeypatch.setattr(tracker, "next_mask", interrupted)
    with pytest.raises(CourseError, match="Interrupted. The masks made so far are kept"):
        quiet(pack)
    monkeypatch.undo()
    quiet(pack, resume=True)
    assert len(masks_in(pack.segmentation_dir)) == 12


def test_another_run_is_not_gone_on_with(pack):
    begun = part_folder(pack.segmentation_dir)
    begun.mkdir()
    (begun / "run.json").write_text(json.dumps({"method": "SAM-2 (sam2-hiera-large)"}))
    with pytest.raises(CourseError, match="interrupted run with another method"):
        quiet(pack, resume=True)
    quiet(pack, force=True)
    assert not begun.exists()


def test_a_folder_that_cannot_be_written(pack, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segmentation, "_write_mask", full)
    with pytest.raises(CourseError, match="could not be written.*No space left.*--resume"):
        quiet(pack)


# --- bad input
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        (
            dict(points=[[300, 210], [700, 20]], labels=[1, 0]),
            "points is .*expected a list of .x, y. within 640 x 360",
        ),
        (dict(points=[[300, 210]], labels=[0]), "at least one of them 1"),
        (dict(frame=12), "frame is 12, expected a frame's number, 0 to 11"),
        (dict(labels=[1]), "labels is .1., expected 14 numbers"),
    ],
)
def test_bad_prompts(pack, change, message):
    prompts = json.loads(pack.prompts_path.read_text())
    pack.prompts_path.write_text(json.dumps({**prompts, **change}))
    with pytest.raises(CourseError, match=message):
        quiet(pack)


def test_no_prompts(pack):
    pack.prompts_path.unlink()
    with pytest.raises(CourseError, match="prompts.json: is missing, expected points to segment from"):
        quiet(pack)


def test_unreadable_frames(pack):
    whole = (pack.frames_dir / "000007.jpg").read_bytes()
    (pack.frames_dir / "000007.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CourseError, match="000007.jpg: is truncated or damaged"):
        quiet(pack)
    Image.new("RGB", (64, 36)).save(pack.frames_dir / "000007.jpg")
    with pytest.raises(CourseError, match="000007.jpg: is 64 x 36, expected 640 x 360 as 000000.jpg"):
        quiet(pack, resume=True, force=True)
    (pack.frames_dir / "000007.jpg").unlink()
    with pytest.raises(CourseError, match="000007.jpg: is missing"):
        quiet(pack)


def test_an_imported_zip_without_masks_is_segmented(tmp_path):
    root = tmp_path / "imported"
    pack = short_pack(root, 3)
    shutil.rmtree(root / "model")
    shutil.copytree(find_pack().model_dir, root / "model")
    with pytest.raises(CourseError, match="make them with: dolphins segment"):
        SegmentedVideo(pack)
    done = subprocess.run(
        [sys.executable, "-m", "dolphins", "segment", "--pack", str(root), "--clip", pack.clip_name],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == "" and "3 masks in" in done.stdout, done
    assert verify_pack(root) == []
    wrong = subprocess.run(
        [sys.executable, "-m", "dolphins", "segment", "--pack", str(root), "--clip", "../x"],
        capture_output=True,
        text=True,
    )
    assert (
        wrong.returncode == 1 and "holds no clip '../x'" in wrong.stderr and "Traceback" not in wrong.stderr
    )


# --- SAM-2's part, with a stand-in of the same interface
# -----------------------------------------------------------


class StandIn:
    """As SAM2VideoPredictor, but sees a disc that moves a pixel right each frame; nothing in the frames
    `blind`."""

    fill_hole_area = 8
    blind, calls, error = (), [], None

    @classmethod
    def from_pretrained(cls, name, **options):
        if cls.error:
            raise cls.error
        cls.calls = [("from_pretrained", name, options)]
        return cls()

    def init_state(self, video_path, async_loading_frames=False, offload_video_to_cpu=False):
        frames = sorted(os.listdir(video_path))
        assert all(name.endswith(".jpg") for name in frames)
        return types.SimpleNamespace(n=len(frames), prompted={})

    def add_new_points_or_box(self, inference_state, frame_idx, obj_id, points, labels):
        assert not torch.is_grad_enabled() and points.shape == (len(labels), 2)
        self.calls.append(("points", frame_idx))
        inference_state.prompted[frame_idx] = "points"

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask):
        assert mask.dtype == bool and mask.shape == (360, 640)
        self.calls.append(("mask", frame_idx))

    def propagate_in_video(self, state, start_frame_idx, reverse=False):
        self.calls.append(("propagate", start_frame_idx, reverse))
        for t in range(start_frame_idx, -1, -1) if reverse else range(start_frame_idx, state.n):
            y, x = torch.meshgrid(torch.arange(360), torch.arange(640), indexing="ij")
            scores = 100.0 - (x - 100 - t) ** 2 - (y - 100) ** 2
            yield t, [1], (scores - 1000 * (t in self.blind))[None, None].float()


@pytest.fixture
def stand_in(monkeypatch):
    class Mine(StandIn):
        pass

    build = types.ModuleType("sam2.build_sam")
    build.HF_MODEL_ID_TO_FILENAMES = {"facebook/sam2.1-hiera-tiny": ("t.yaml", "sam2.1_hiera_tiny.pt")}
    build.build_sam2_video_predictor = lambda config, path, **options: Mine()
    video = types.ModuleType("sam2.sam2_video_predictor")
    video.SAM2VideoPredictor = Mine
    for name, module in (
        ("sam2", types.ModuleType("sam2")),
        ("sam2.build_sam", build),
        ("sam2.sam2_video_predictor", video),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return Mine


def disc(t):
    y, x = np.mgrid[:360, :640]
    return (x - 100 - t) ** 2 + (y - 100) ** 2 < 100


def test_sam2_is_prompted_and_its_masks_are_written(pack, stand_in):
    prompts = json.loads(pack.prompts_path.read_text())
    pack.prompts_path.write_text(json.dumps({**prompts, "frame": 4}))
    said = []
    segment_clip(pack, method="sam2", device="cpu", say=said.append)
    assert np.array_equal(masks_in(pack.segmentation_dir) > 0, np.stack([disc(t) for t in range(12)]))
    assert stand_in.calls[1:] == [("points", 4), ("propagate", 4, False), ("propagate", 4, True)]
    assert stand_in.calls[0][1:] == (
        "facebook/sam2.1-hiera-tiny",
        dict(device="cpu", hydra_overrides_extra=[]),
    )
    assert "SAM-2 on a CPU: expect" in said[0]  # an honest estimate, beforehand


def test_sam2_goes_on_from_the_last_mask(pack, stand_in):
    clip = Clip.of(pack)
    masks = dict(
        Sam2(clip, stand_in(), CPU, "tiny", lambda line: None).propagate({t: disc(t) for t in range(5)})
    )
    assert list(masks) == list(range(5, 12))
    assert stand_in.calls[-3:] == [("points", 0), ("mask", 4), ("propagate", 4, False)]


def test_sam2_sees_nothing_in_some_frames(pack, stand_in):
    stand_in.blind = (3, 4)
    said = []
    segment_clip(pack, method="sam2", device="cpu", say=said.append)
    masks = masks_in(pack.segmentation_dir) > 0
    assert np.array_equal(masks[4], disc(2)) and np.array_equal(masks[5], disc(5))
    assert "In 2 frame(s) the animal was not found" in said[1] and "3, 4" in said[1]
    stand_in.blind = (0,)
    with pytest.raises(CourseError, match="SAM-2 sees nothing at the points of frame 0"):
        quiet(pack, method="sam2", device="cpu", force=True)


def test_sam2_is_given_jpegs_of_other_frames(tmp_path, stand_in):
    pack = short_pack(tmp_path / "png", 2)
    for path in pack.frames_dir.glob("*.jpg"):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    quiet(pack, method="sam2", device="cpu")
    assert len(masks_in(pack.segmentation_dir)) == 2


def test_sam2_without_weights(pack, stand_in):
    stand_in.error = ConnectionError("no route to huggingface.co")
    with pytest.raises(
        CourseError,
        match="weights facebook/sam2.1-hiera-tiny could not be loaded .*no route.*--method tracker",
    ):
        quiet(pack, method="sam2", device="cpu")
    with pytest.raises(CourseError, match="SAM-2 has no weights 'nothing'"):
        quiet(pack, method="sam2", device="cpu", checkpoint="nothing")
    stand_in.error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
    with pytest.raises(CourseError, match="The memory of cpu is full"):
        quiet(pack, method="sam2", device="cpu")
    assert not part_folder(pack.segmentation_dir).exists()


def test_a_file_of_weights_is_known_by_its_name(tmp_path, stand_in):
    (tmp_path / "sam2.1_hiera_tiny.pt").write_bytes(b"")
    assert load_predictor(str(tmp_path / "sam2.1_hiera_tiny.pt"), CPU).fill_hole_area == 0
    (tmp_path / "other.pt").write_bytes(b"")
    with pytest.raises(CourseError, match="is not named as SAM-2's weights are"):
        load_predictor(str(tmp_path / "other.pt"), CPU)


def test_without_sam2(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "sam2.build_sam", None)
    with pytest.raises(CourseError, match="SAM-2 cannot be used here .*SAM2_BUILD_CUDA=0.*--method tracker"):
        quiet(pack, method="sam2", device="cpu")


def test_auto_takes_the_tracker_where_sam2_would_take_hours_or_has_no_weights(pack, stand_in, monkeypatch):
    said = []
    clip = Clip.of(pack)
    monkeypatch.setattr(segmentation, "has_module", lambda name: True)
    assert (
        isinstance(segmentation.choose(clip, "auto", CPU, None, said.append), tracker.Tracker)
        and "there is no GPU" in said[0]
    )
    stand_in.error = ConnectionError("offline")
    cuda = types.SimpleNamespace(type="cuda")
    assert isinstance(
        segmentation.choose(clip, "auto", cuda, "facebook/sam2.1-hiera-tiny", said.append), tracker.Tracker
    )
    assert "The tracker makes the masks instead" in said[-1]
    stand_in.error = None
    assert isinstance(
        segmentation.choose(clip, "auto", cuda, "facebook/sam2.1-hiera-tiny", said.append), Sam2
    )


# --- the real package, which `make test` installs; random weights, so its masks mean nothing
# --------------------------

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


def test_the_real_sam2_from_prompts_to_files(pack, weights):
    clip = Clip.of(pack)
    clip.prompts["frame"] = 4
    predictor = load_predictor(str(weights), CPU, SMALL)
    maker = Sam2(clip, predictor, CPU, str(weights), lambda line: None)
    masks = dict(maker.propagate({}))
    assert list(masks) == [*range(4, 12), *range(3, -1, -1)]
    assert all(mask.shape == (360, 640) and mask.dtype == bool and mask.any() for mask in masks.values())
    part, _ = segmentation._begin(pack.segmentation_dir, clip, maker.name, False, False)
    for t, mask in masks.items():
        segmentation._write_mask(mask, part / f"{t:06d}.png")
    segmentation._put_in_place(part, pack.segmentation_dir, clip, False)
    assert np.array_equal(masks_in(pack.segmentation_dir) > 0, np.stack([masks[t] for t in range(12)]))


def test_the_real_sam2_goes_on_from_the_last_mask(pack, weights):
    clip = Clip.of(pack)
    maker = Sam2(clip, load_predictor(str(weights), CPU, SMALL), CPU, str(weights), lambda line: None)
    masks = {}
    for t, mask in maker.propagate({}):
        masks[t] = mask
        if t == 5:
            break
    rest = dict(
        Sam2(clip, load_predictor(str(weights), CPU, SMALL), CPU, str(weights), lambda line: None).propagate(
            masks
        )
    )
    assert list(rest) == list(range(6, 12)) and all(mask.any() for mask in rest.values())


def test_the_real_sam2_from_the_hub(weights, monkeypatch):
    import sam2.build_sam

    monkeypatch.setattr(sam2.build_sam, "_hf_download", lambda name: (CONFIG, str(weights)))
    predictor = load_predictor("facebook/sam2.1-hiera-tiny", CPU, SMALL)
    assert predictor.image_size == 128
    with pytest.raises(
        CourseError, match="could not be loaded"
    ):  # the file is of another size than the model
        load_predictor("facebook/sam2.1-hiera-tiny", CPU)
