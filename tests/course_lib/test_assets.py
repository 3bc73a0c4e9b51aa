"""Asset packs: their layout, one line for each fault, and import from zips that nobody vouches for."""

import errno
import io
import json
import os
import pickle
import shutil
import stat
import struct
import sys
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_lib import assets
from course_lib.errors import CourseError

sys.path.insert(0, str(Path(__file__).parents[1]))
from build_zip import TUTORIAL_CLIP, build_pack, build_zip, zip_folder  # noqa: E402

CLIP = f"data/{TUTORIAL_CLIP}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound pack, made once; `pack` copies it."""
    return build_pack(tmp_path_factory.mktemp("sound") / "pack")


@pytest.fixture
def pack(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "pack"))


# --- the layout ---------------------------------------------------------------------------------------------


def test_paths(pack):
    found = assets.AssetPack(pack)
    assert found.model_dir == pack / "model"
    assert found.clip_name == TUTORIAL_CLIP and found.clip_dir == pack / CLIP
    assert (
        found.frames_dir == pack / CLIP / "frames" and found.segmentation_dir == pack / CLIP / "segmentation"
    )
    assert found.altitude_path == pack / CLIP / "metadata" / "altitude.npy"
    assert found.prompts_path == pack / CLIP / "metadata" / "prompts.json"
    assert found.truth_path is None and found.manifest == {} and found.init_rot_up_deg == 0.0


def test_manifest_says_which_clip(pack):
    (pack / "data" / "another").mkdir()
    with pytest.raises(CourseError, match=r"holds 2 folders \(2024_.*, another\), expected one clip"):
        assets.AssetPack(pack).clip_name
    write_manifest(pack)
    found = assets.AssetPack(pack)
    assert found.clip_name == TUTORIAL_CLIP and found.init_rot_up_deg == 12.5


def test_find_pack(pack, monkeypatch, tmp_path):
    monkeypatch.delenv("DOLPHINS_PACK", raising=False)
    assert assets.find_pack(pack).root == pack and assets.find_pack(str(pack)).root == pack
    monkeypatch.setattr(assets, "EMBEDDED_PACK", tmp_path / "nowhere")
    with pytest.raises(
        CourseError, match="nowhere .the embedded pack.: no such folder. Use the package from a git checkout"
    ):
        assets.find_pack()
    monkeypatch.setenv("DOLPHINS_PACK", str(pack))
    assert assets.find_pack().root == pack
    monkeypatch.setenv("DOLPHINS_PACK", str(tmp_path / "typo"))
    with pytest.raises(CourseError, match=r"typo \(DOLPHINS_PACK\): no such folder"):
        assets.find_pack()
    assert assets.find_pack(pack).root == pack  # what is asked for wins


def test_find_pack_says_what_to_do(pack, tmp_path):
    zipped = zip_folder(pack, tmp_path / "x.zip")
    with pytest.raises(
        CourseError, match="is a zip, expected a folder. Import it first: dolphins assets import .*x.zip"
    ):
        assets.find_pack(zipped)
    with pytest.raises(CourseError, match="is a file, expected the folder of a pack"):
        assets.find_pack(pack / "model" / "dolphin_model.pkl")
    with pytest.raises(CourseError, match=r"has no folder data, expected a pack .* \(found: model\)"):
        shutil.rmtree(pack / "data")
        assets.find_pack(pack)


def test_describe(pack):
    text = assets.describe(assets.AssetPack(pack))
    for part in (
        "5 frames of 64 x 36",
        "5 masks",
        "10.5 to 10.5 m",
        "180 vertices, 336 faces, 10 bones",
        "unknown",
    ):
        assert part in text
    shutil.rmtree(pack / CLIP / "segmentation")
    assert "no masks yet (dolphins segment)" in assets.describe(assets.AssetPack(pack))


# --- altitudes and prompts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_file", "n_frames", "first"), [(200, 200, 0), (500, 200, 50), (250, 200, 50), (51, 1, 50), (1, 1, 0)]
)
def test_altitudes(tmp_path, n_file, n_frames, first):
    np.save(tmp_path / "a.npy", 1000 + np.arange(n_file))
    altitudes = assets.load_altitudes(tmp_path / "a.npy", n_frames)
    assert altitudes.dtype == np.float32 and np.allclose(
        altitudes, (1000 + first + np.arange(n_frames)) / 100
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(199), "holds 199 altitudes for 200 frames, expected 200, or at least 250"),
        (np.ones(249), "holds 249 altitudes for 200 frames"),
        (
            np.r_[np.ones(7), 0, np.ones(192)],
            r"altitude 7 \(frame 7\) is 0.0 cm, expected a positive number \(1 of 200 are bad\)",
        ),
        (np.r_[np.ones(60), -3, np.ones(439)], r"altitude 60 \(frame 10\) is -3.0 cm"),
        (np.full(200, np.nan), r"is nan cm, expected a positive number \(200 of 200 are bad\)"),
        (np.full(200, np.inf), "is inf cm"),
        (np.ones((200, 3)), r"has shape \(200, 3\), expected one altitude per frame"),
        (np.array(["a"] * 200), "expected numbers"),
    ],
)
def test_faulty_altitudes(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(CourseError, match=message):
        assets.load_altitudes(tmp_path / "a.npy", 200)


def test_bad_altitudes_that_do_not_count(tmp_path):
    values = np.full(500, 1000.0)
    values[:50], values[250:] = np.nan, 0
    np.save(tmp_path / "a.npy", values)
    assert (assets.load_altitudes(tmp_path / "a.npy", 200) == 10).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[]", "the file is \\[\\], expected an object"),
        ("\ud800".encode("utf-16", "surrogatepass").decode("latin-1"), "not a JSON file|expected"),
        ('{"frame": 5, "points": [[1, 1]], "labels": [1]}', "frame is 5, expected a frame's number, 0 to 4"),
        ('{"frame": true, "points": [[1, 1]], "labels": [1]}', "frame is true"),
        (
            '{"frame": 0, "points": [[64, 1]], "labels": [1]}',
            r"points is \[\[64, 1\]\], expected a list of \[x, y\] within 64 x 36",
        ),
        ('{"frame": 0, "points": [[1, NaN]], "labels": [1]}', "points is"),
        ('{"frame": 0, "points": [1, 1], "labels": [1]}', "points is"),
        ('{"frame": 0, "points": [], "labels": []}', "points is"),
        ('{"frame": 0, "points": [[1, 1]], "labels": [1, 0]}', r"labels is \[1, 0\], expected 1 numbers"),
        ('{"frame": 0, "points": [[1, 1]], "labels": [0]}', "at least one of them 1"),
        ('{"frame": 0, "points": [[1, 1]], "labels": [2]}', "labels is"),
        ('{"frame": 0, "points": [[1, 1]]}', "labels is null"),
        ("[" * 100_000, "not a JSON file"),
    ],
)
def test_faulty_prompts(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(CourseError, match=message):
        assets.load_prompts(tmp_path / "p.json", (64, 36), 5)


# --- faults, one line each ----------------------------------------------------------------------------------


def truncate(path, fraction=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])


def save(path, array):
    Image.fromarray(array).save(path)


def repickle(path, change):
    contents = assets_load_pickle(path)
    change(contents)
    path.write_bytes(pickle.dumps(contents, 2))


def assets_load_pickle(path):
    from course_lib.dolphin_model.safe_pickle import load_pickle

    return load_pickle(path)


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def edit_obj(pack, old, new):
    path = pack / "model" / "dolphin_template.obj"
    path.write_text(path.read_text().replace(old, new, 1))


FAULTS = {
    # model
    "missing model": (
        lambda p: (p / "model/dolphin_model.pkl").unlink(),
        "model/dolphin_model.pkl: is missing (model/ holds: dol_verts2kp.npy, ",
    ),
    "renamed model": (
        lambda p: (p / "model/dolphin_model.pkl").rename(p / "model/dolphin.pkl"),
        "model/dolphin_model.pkl: is missing (model/ holds: dol_verts2kp.npy, dolphin.pkl",
    ),
    "missing mesh": (
        lambda p: (p / "model/dolphin_template.obj").unlink(),
        "model/dolphin_template.obj: is missing",
    ),
    "truncated model": (
        lambda p: truncate(p / "model/dolphin_model.pkl"),
        "model/dolphin_model.pkl: the pickle breaks off at byte",
    ),
    "empty model": (
        lambda p: (p / "model/dolphin_model.pkl").write_bytes(b""),
        "model/dolphin_model.pkl: the file is empty",
    ),
    "forbidden class": (
        lambda p: (p / "model/dolphin_model.pkl").write_bytes(pickle.dumps({"f": Evil()})),
        "model/dolphin_model.pkl: refuses to load posix.system",
    ),
    "forbidden class in labels": (
        lambda p: (p / "model/dolphin_seg_gloss.pkl").write_bytes(pickle.dumps({"v_labels": Evil()})),
        "model/dolphin_seg_gloss.pkl: refuses to load",
    ),
    "faces out of range": (
        lambda p: repickle(p / "model/dolphin_model.pkl", lambda m: m["f"].__setitem__((3, 0), 500)),
        "model/dolphin_model.pkl: f: face 3 is [500, ",
    ),
    "mesh faces out of range": (
        lambda p: edit_obj(p, "f 1/1 13/13 2/2", "f 1/1 13/13 999/2"),
        "model/dolphin_template.obj: line 364: a face uses",
    ),
    "another mesh": (
        lambda p: edit_obj(p, "f 1/1 13/13 2/2", "f 1/1 14/13 2/2"),
        "model/dolphin_template.obj: has no face [0, 12, 1]",
    ),
    "truncated mesh": (lambda p: truncate(p / "model/dolphin_template.obj"), "model/dolphin_template.obj: "),
    "labels of another model": (
        lambda p: repickle(p / "model/dolphin_seg_gloss.pkl", lambda m: m.update(v_labels=np.zeros(7, int))),
        "model/dolphin_seg_gloss.pkl: v_labels has shape (7,), expected (180,)",
    ),
    "bone in no part": (
        lambda p: repickle(
            p / "model/dolphin_coarse_seg.pkl", lambda m: m["coarse_parts_idx"].__setitem__(0, [1])
        ),
        "model/dolphin_coarse_seg.pkl: coarse_parts_idx",
    ),
    "truncated keypoints": (
        lambda p: truncate(p / "model/dol_verts2kp.npy"),
        "model/dol_verts2kp.npy: an array of shape",
    ),
    # clip
    "no clip": (lambda p: shutil.rmtree(p / CLIP), "data: "),
    "no frames": (
        lambda p: shutil.rmtree(p / CLIP / "frames"),
        f"{CLIP}/frames: no such folder, expected images numbered",
    ),
    "missing frame": (
        lambda p: (p / CLIP / "frames/000002.jpg").unlink(),
        f"{CLIP}/frames/000002.jpg: is missing (found 000003.jpg in its place)",
    ),
    "renamed frame": (
        lambda p: (p / CLIP / "frames/000002.jpg").rename(p / CLIP / "frames/two.jpg"),
        f"{CLIP}/frames/two.jpg: has an unexpected name",
    ),
    "other file among frames": (
        lambda p: (p / CLIP / "frames/notes.txt").write_text("x"),
        f"{CLIP}/frames/notes.txt: has an unexpected name",
    ),
    "truncated frame": (
        lambda p: truncate(p / CLIP / "frames/000003.jpg", 0.95),
        f"{CLIP}/frames/000003.jpg: is truncated or damaged",
    ),
    "frame that is no image": (
        lambda p: (p / CLIP / "frames/000003.jpg").write_bytes(b"hello"),
        f"{CLIP}/frames/000003.jpg: not a whole JPEG or PNG image",
    ),
    "frame of another size": (
        lambda p: save(p / CLIP / "frames/000000.jpg", np.zeros((36, 65, 3), np.uint8)),
        f"{CLIP}/frames/000000.jpg: is 65 x 36, expected 64 x 36 as most frames are",
    ),
    "mask of another size": (
        lambda p: save(p / CLIP / "segmentation/000001.png", np.full((40, 64), 255, np.uint8)),
        f"{CLIP}/segmentation/000001.png: is 64 x 40, expected 64 x 36",
    ),
    "empty mask": (
        lambda p: save(p / CLIP / "segmentation/000001.png", np.zeros((36, 64), np.uint8)),
        f"{CLIP}/segmentation/000001.png: is empty",
    ),
    "grey mask": (
        lambda p: save(p / CLIP / "segmentation/000001.png", np.full((36, 64), 1, np.uint8)),
        f"{CLIP}/segmentation/000001.png: holds the value 1, expected a mask of 0 and 255",
    ),
    "truncated mask": (
        lambda p: truncate(p / CLIP / "segmentation/000004.png"),
        f"{CLIP}/segmentation/000004.png: ",
    ),
    "too few masks": (
        lambda p: (p / CLIP / "segmentation/000004.png").unlink(),
        f"{CLIP}/segmentation: holds 4 masks for 5 frames, expected one per frame",
    ),
    "no mask in the folder": (
        lambda p: [m.unlink() for m in (p / CLIP / "segmentation").iterdir()],
        f"{CLIP}/segmentation: is empty",
    ),
    "missing altitudes": (
        lambda p: (p / CLIP / "metadata/altitude.npy").unlink(),
        f"{CLIP}/metadata/altitude.npy: is missing, expected",
    ),
    "no metadata": (
        lambda p: shutil.rmtree(p / CLIP / "metadata"),
        f"{CLIP}/metadata/altitude.npy: is missing",
    ),
    "too few altitudes": (
        lambda p: np.save(p / CLIP / "metadata/altitude.npy", np.ones(4)),
        f"{CLIP}/metadata/altitude.npy: holds 4 altitudes for 5 frames",
    ),
    "NaN altitude": (
        lambda p: np.save(p / CLIP / "metadata/altitude.npy", [np.nan] * 5),
        f"{CLIP}/metadata/altitude.npy: altitude 0 (frame 0) is nan cm",
    ),
    "truncated altitudes": (
        lambda p: truncate(p / CLIP / "metadata/altitude.npy"),
        f"{CLIP}/metadata/altitude.npy: an array of shape (500,)",
    ),
    "bad prompts": (
        lambda p: (p / CLIP / "metadata/prompts.json").write_text("{}"),
        f"{CLIP}/metadata/prompts.json: frame is null",
    ),
    "bad manifest": (lambda p: (p / "manifest.json").write_text("{}"), "manifest.json: has no usable 'name'"),
    "manifest beyond the pack": (
        lambda p: write_manifest(p, files={"../secret": "0" * 64}),
        "manifest.json: files lists '../secret'",
    ),
    "manifest with a clip beyond": (
        lambda p: write_manifest(p, clip="../.."),
        "manifest.json: clip is '../..'",
    ),
    "bad truth": (
        lambda p: (p / CLIP / "truth.npz").write_bytes(b"x"),
        f"{CLIP}/truth.npz: not a whole .npz file",
    ),
    "truth of other frames": (
        lambda p: write_truth(p, 4),
        f"{CLIP}/truth.npz: global_poses has shape (4, 1, 3), expected (5, 1, 3)",
    ),
    "truth without arrays": (
        lambda p: np.savez(p / CLIP / "truth.npz", x=1),
        f"{CLIP}/truth.npz: has no array global_poses",
    ),
}


def write_manifest(pack, **changes):
    manifest = {
        "name": "Test",
        "version": "1",
        "license": "CC0-1.0",
        "clip": TUTORIAL_CLIP,
        "init_rot_up_deg": 12.5,
        "files": assets.sha256_manifest(pack),
        **changes,
    }
    (pack / "manifest.json").write_text(json.dumps(manifest))


def write_truth(pack, T, V=180):
    np.savez_compressed(
        pack / CLIP / "truth.npz",
        global_poses=np.zeros((T, 1, 3)),
        joint_poses=np.zeros((T, 7, 3)),
        translations=np.zeros((T, 1, 3)),
        part_scales=np.zeros((7, 4)),
        vertices_tenth_mm=np.zeros((T, V, 3), np.int16),
        masks_packed=np.zeros((T, 36, 8), np.uint8),
        size_wh=np.array([64, 36]),
        heading_deg=np.zeros(T),
        length_m=2.6,
        volume_m3=0.2,
        time_s=np.zeros(T),
    )


def test_sound_pack(pack):
    assert assets.inspect_pack(pack) == assets.Findings()
    write_truth(pack, 5)
    write_manifest(pack)
    assert assets.verify_pack(pack) == []
    assert assets.AssetPack(pack).truth_path == pack / CLIP / "truth.npz"


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_is_one_line_that_names_the_file(pack, case):
    change, message = FAULTS[case]
    change(pack)
    faults = assets.verify_pack(pack)
    assert len(faults) == 1, faults
    assert faults[0].startswith(message), faults[0]
    assert "\n" not in faults[0] and str(pack) not in faults[0]


def test_several_faults_are_several_lines(pack):
    for case in ("truncated keypoints", "truncated frame", "empty mask", "NaN altitude", "bad prompts"):
        FAULTS[case][0](pack)
    assert len(assets.verify_pack(pack)) == 5


def test_what_may_be_missing_is_noted(pack):
    shutil.rmtree(pack / CLIP / "segmentation")
    (pack / CLIP / "metadata" / "prompts.json").unlink()
    np.save(pack / CLIP / "metadata" / "altitude.npy", np.full(5, 12.0))
    findings = assets.inspect_pack(pack)
    assert findings.faults == []
    assert [note.split(": ")[0].rsplit("/", 1)[1] for note in findings.notes] == [
        "altitude.npy",
        "prompts.json",
        "segmentation",
    ]
    assert findings.notes[2].endswith("make the masks with: dolphins segment")
    assert "are these centimetres?" in findings.notes[0]


def test_checksums(pack):
    write_manifest(pack)
    (pack / "model" / "dolphin_template.mtl").write_text("newmtl other\n")
    (pack / CLIP / "segmentation" / "000004.png").rename(pack / "model" / "moved.png")
    (pack / "README").write_text("x")
    (pack / ".DS_Store").write_text("x")
    faults = sorted(assets.verify_pack(pack))
    assert [fault.split(": ")[0] for fault in faults] == [
        "README",
        f"{CLIP}/segmentation/000004.png",
        "model/dolphin_template.mtl",
    ]
    assert "is not listed in manifest.json" in faults[0]
    assert "is missing, but model/moved.png has its contents; rename it back" in faults[1]
    assert "has changed (SHA-256" in faults[2]


def test_a_damaged_file_is_reported_once(pack):
    write_manifest(pack)
    truncate(pack / CLIP / "frames" / "000001.jpg", 0.95)
    (fault,) = assets.verify_pack(pack)
    assert "truncated or damaged" in fault


def test_a_missing_pack(tmp_path):
    with pytest.raises(CourseError, match="no such folder, expected a pack"):
        assets.verify_pack(tmp_path / "x")


def test_frames_may_begin_at_another_number(pack):
    for i in reversed(range(5)):
        (pack / CLIP / "frames" / f"{i:06d}.jpg").rename(pack / CLIP / "frames" / f"{i + 50:06d}.jpg")
    assert assets.verify_pack(pack) == []


def test_the_checks_are_quick(tmp_path):
    build_pack(tmp_path / "pack", n_frames=50, size=(640, 360), prompts=False)
    assets.verify_pack(tmp_path / "pack")  # imports, first reads
    start = time.process_time()
    assert assets.verify_pack(tmp_path / "pack") == []
    assert (
        time.process_time() - start < 2
    )  # a quarter of a clip, in a quarter of a second when nothing else runs


# --- import -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "stag_dolphins_assets/", "a/b/"])
def test_import_of_the_tutorials_zip(tmp_path, prefix):
    zip_path = build_zip(tmp_path, prefix, n_frames=3, size=(640, 360))
    pack, notes = assets.import_zip(zip_path, tmp_path / "packs" / "stag")
    assert pack.root == tmp_path / "packs" / "stag" and assets.verify_pack(pack.root) == []
    assert sorted(p.name for p in pack.root.iterdir()) == ["data", "model"]
    assert [p.name for p in (tmp_path / "packs").iterdir()] == ["stag"]
    assert any("dolphins segment" in note for note in notes)
    # the prompts that the tutorial has in its notebook
    assert any("prompts.json: added" in note for note in notes)
    prompts = assets.load_prompts(pack.prompts_path, (640, 360), 3)
    assert sum(prompts["labels"]) == 7 and len(prompts["points"]) == 14
    assert assets.describe(pack).startswith("stag: ")


def test_import_of_a_model_with_old_names_and_other_files(tmp_path):
    build_zip(tmp_path, model="dolphin_model_old_names.pkl")
    (tmp_path / "unpacked" / "readme.txt").write_text("x")
    (tmp_path / "unpacked" / "__MACOSX").mkdir()
    (tmp_path / "unpacked" / "__MACOSX" / "._x").write_text("x")
    zip_path = zip_folder(tmp_path / "unpacked", tmp_path / "x.zip", "x/")
    pack, notes = assets.import_zip(zip_path, tmp_path / "pack")
    assert "1 other file(s) in the zip were left out" in notes
    assert not pack.prompts_path.exists()  # the notebook's points are not for frames of this size
    assert not (pack.root / "readme.txt").exists()


def test_import_of_the_embedded_kind(pack, tmp_path):
    write_truth(pack, 5)
    write_manifest(pack)
    imported, notes = assets.import_zip(zip_folder(pack, tmp_path / "x.zip"), tmp_path / "copy")
    assert notes == [] and imported.init_rot_up_deg == 12.5 and imported.truth_path is not None


def test_faults_leave_nothing_behind(pack, tmp_path):
    truncate(pack / CLIP / "frames" / "000001.jpg")
    truncate(pack / "model" / "dolphin_model.pkl")
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    with pytest.raises(CourseError) as error:
        assets.import_zip(zip_path, tmp_path / "new" / "folder" / "copy")
    lines = str(error.value).splitlines()
    assert lines[0] == f"{zip_path}: 2 fault(s), nothing was imported:" and len(lines) == 3
    assert lines[1].startswith("  model/dolphin_model.pkl: the pickle breaks off")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pack", "x.zip"]


def test_what_was_there_stays(pack, tmp_path):
    good = zip_folder(pack, tmp_path / "good.zip")
    truncate(pack / CLIP / "frames" / "000001.jpg")
    bad = zip_folder(pack, tmp_path / "bad.zip")
    target = tmp_path / "target"
    assets.import_zip(good, target)
    (target / "model" / "mine.txt").write_text("x")
    with pytest.raises(
        CourseError, match="is there already; nothing was changed. Name another .* or replace it with --force"
    ):
        assets.import_zip(good, target)
    with pytest.raises(CourseError, match="1 fault"):
        assets.import_zip(bad, target, force=True)
    assert (target / "model" / "mine.txt").exists()
    assets.import_zip(good, target, force=True)
    assert not (target / "model" / "mine.txt").exists() and assets.verify_pack(target) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip", "good.zip", "pack", "target"]


def test_force_replaces_packs_only(pack, tmp_path):
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    with pytest.raises(CourseError, match=r"holds other things than a pack \(pack, x.zip\)"):
        assets.import_zip(zip_path, tmp_path, force=True)
    assert zip_path.exists()
    with pytest.raises(CourseError, match="not a folder"):
        assets.import_zip(zip_path, zip_path, force=True)
    (tmp_path / "link").symlink_to(pack)
    with pytest.raises(CourseError, match="not a folder"):
        assets.import_zip(zip_path, tmp_path / "link", force=True)


@pytest.mark.parametrize("step", ["unpacking", "moving"])
def test_trouble_on_the_way_changes_nothing(pack, tmp_path, monkeypatch, step):
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    target, _ = assets.import_zip(zip_path, tmp_path / "target")
    (target.root / "model" / "mine.txt").write_text("x")
    rename = Path.rename

    def full_disk(self, *arguments, **_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted(self, new):
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, new)

    if step == "unpacking":
        monkeypatch.setattr(Path, "open", full_disk)
        with pytest.raises(CourseError, match="No space left on device. Nothing was changed"):
            assets.import_zip(zip_path, target.root, force=True)
    else:
        monkeypatch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            assets.import_zip(zip_path, target.root, force=True)
    monkeypatch.undo()
    assert (target.root / "model" / "mine.txt").exists() and assets.verify_pack(target.root) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pack", "target", "x.zip"]


def test_too_little_room(pack, tmp_path, monkeypatch):
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    monkeypatch.setattr(assets.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(CourseError, match=r"unpacks to 0\.\d MB, but only 0\.0 MB are free"):
        assets.import_zip(zip_path, tmp_path / "target")


def test_what_is_no_zip(pack, tmp_path):
    with pytest.raises(CourseError, match="no such file, expected a zip"):
        assets.import_zip(tmp_path / "x.zip", tmp_path / "target")
    with pytest.raises(
        CourseError, match="is a folder, expected a zip. If it is an unpacked pack, use it with --pack"
    ):
        assets.import_zip(pack, tmp_path / "target")
    (tmp_path / "x.zip").write_text("not a zip")
    with pytest.raises(CourseError, match="not a whole zip file"):
        assets.import_zip(tmp_path / "x.zip", tmp_path / "target")
    zip_folder(pack, tmp_path / "x.zip")
    truncate(tmp_path / "x.zip")
    with pytest.raises(CourseError, match="not a whole zip file"):
        assets.import_zip(tmp_path / "x.zip", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_zip_without_a_pack(pack, tmp_path):
    shutil.rmtree(pack / "data")
    with pytest.raises(CourseError, match=r"has 0 places with both model/ and data/ \(at its top: model/\)"):
        assets.import_zip(zip_folder(pack, tmp_path / "x.zip"), tmp_path / "target")


def test_a_zip_with_two_packs(pack, tmp_path):
    shutil.copytree(pack, tmp_path / "two" / "a")
    shutil.copytree(pack, tmp_path / "two" / "b")
    with pytest.raises(CourseError, match=r"has 2 places with both model/ and data/ \(at its top: a/, b/\)"):
        assets.import_zip(zip_folder(tmp_path / "two", tmp_path / "x.zip"), tmp_path / "target")


def entry(name, mode=stat.S_IFREG | 0o644, **attributes):
    info = zipfile.ZipInfo(name)
    info.filename = name  # as it is, whatever ZipInfo makes of it
    info.external_attr = mode << 16
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


HOSTILE_ENTRIES = {
    "parent folder": ([entry("model/../../evil")], "would be written outside the pack"),
    "parent folder first": ([entry("../evil")], "would be written outside the pack"),
    "parent folder of Windows": ([entry("model\\..\\..\\evil")], "would be written outside the pack"),
    "absolute path": ([entry("/tmp/evil")], "would be written outside the pack"),
    "drive": ([entry("C:/evil")], "would be written outside the pack"),
    "stream": ([entry("model/a.txt:evil")], "would be written outside the pack"),
    "control character": ([entry("model/a\nb")], "impossible name"),
    "no name": ([entry("model//evil")], "impossible name"),
    "very long name": ([entry("model/" + "x" * 300)], "impossible name"),
    "link": ([entry("model/link", stat.S_IFLNK | 0o777)], "is a link or a device"),
    "device": ([entry("model/device", stat.S_IFCHR | 0o777)], "is a link or a device"),
    "pipe": ([entry("model/pipe", stat.S_IFIFO | 0o777)], "is a link or a device"),
    "twice": ([entry("model/a"), entry("model/a")], "is there twice"),
    "twice but for case": (
        [entry("model/DOLPHIN_MODEL.pkl")],
        "is there twice, but for upper and lower case",
    ),
    "twice but for accents": ([entry("model/e\u0301"), entry("model/\u00e9")], "is there twice"),
    "file and folder": ([entry("model/a"), entry("model/a/b")], "is there twice"),
    "folder and file": ([entry("model/a/b"), entry("model/a")], "is there twice"),
}


@pytest.mark.parametrize("case", HOSTILE_ENTRIES)
def test_hostile_entries(pack, tmp_path, case):
    entries, message = HOSTILE_ENTRIES[case]
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    with zipfile.ZipFile(zip_path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of names that are there twice
        for info in entries:
            archive.writestr(info, "/etc/passwd")
    with pytest.raises(CourseError, match=message):
        assets.import_zip(zip_path, tmp_path / "deep" / "target")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pack", "x.zip"]


def test_an_encrypted_zip(pack, tmp_path):
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    data = bytearray(zip_path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    zip_path.write_bytes(data)
    with pytest.raises(CourseError, match="is encrypted"):
        assets.import_zip(zip_path, tmp_path / "target")


def test_bombs(pack, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/dolphin_model.pkl", bytes(20_000_000))
        archive.writestr("data/CLIP/frames/000000.jpg", b"")
    with pytest.raises(CourseError, match="as zip bombs do"):
        assets.import_zip(tmp_path / "x.zip", tmp_path / "target")
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    for limits, message in (
        (assets.ZipLimits(files=10), "entries, expected at most 10"),
        (assets.ZipLimits(file_bytes=1000), "unpacks to .* bytes, expected at most 1000"),
        (assets.ZipLimits(total_bytes=100_000), "unpacks to .* bytes, expected at most 100000"),
    ):
        with pytest.raises(CourseError, match=message):
            assets.import_zip(zip_path, tmp_path / "target", limits=limits)
    assert not (tmp_path / "target").exists()


def test_a_zip_that_lies_about_its_sizes(pack, tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/dolphin_model.pkl", bytes(20_000_000))
        archive.writestr("data/CLIP/frames/000000.jpg", b"")
    data = out.getvalue()
    for size_offset, header in ((22, b"PK\x03\x04"), (24, b"PK\x01\x02")):
        at = data.index(header)
        data = data[: at + size_offset] + struct.pack("<I", 1000) + data[at + size_offset + 4 :]
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(CourseError, match="not a whole zip file|larger than it says"):
        assets.import_zip(tmp_path / "x.zip", tmp_path / "target")
    assert [p.name for p in tmp_path.iterdir() if p.name != "pack"] == ["x.zip"]


# --- the embedded pack --------------------------------------------------------------------------------------


def test_sha256_manifest(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_bytes(b"abc")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".hidden").write_text("x")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert assets.sha256_manifest(tmp_path) == {"a/b.txt": abc}
