"""Asset packs: their layout, one line for each fault, and import from zips that nobody vouches for."""

import errno
import json
import os
import pickle
import shutil
import stat
import struct
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from course_lib import assets
from course_lib.assets import pack as packs
from course_lib.assets.clip_files import load_altitudes, load_prompts
from course_lib.dolphin_model.safe_pickle import load_pickle
from course_lib.errors import CourseError

from ..build_zip import TUTORIAL_CLIP, build_pack, build_zip, zip_folder
from .damage import Call, altitudes, image, truncate, truncate_little

CLIP = f"data/{TUTORIAL_CLIP}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound pack, made once; `pack` copies it."""
    return build_pack(tmp_path_factory.mktemp("sound") / "pack")


@pytest.fixture
def pack(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "pack"))


@pytest.fixture
def zipped(pack, tmp_path):
    """The pack as a zip."""
    return zip_folder(pack, tmp_path / "x.zip")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- the layout ---------------------------------------------------------------------------------------------


def test_paths(pack):
    found, clip = assets.AssetPack(pack), pack / CLIP
    assert found.model_dir == pack / "model"
    assert found.clip_name == TUTORIAL_CLIP and found.clip_dir == clip
    assert found.frames_dir == clip / "frames" and found.segmentation_dir == clip / "segmentation"
    assert found.altitude_path == clip / "metadata" / "altitude.npy"
    assert found.prompts_path == clip / "metadata" / "prompts.json"
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
    monkeypatch.setattr(packs, "EMBEDDED_PACK", tmp_path / "nowhere")
    missing = "nowhere .the embedded pack.: no such folder. Use the package from a git checkout"
    with pytest.raises(CourseError, match=missing):
        assets.find_pack()
    monkeypatch.setenv("DOLPHINS_PACK", str(pack))
    assert assets.find_pack().root == pack
    monkeypatch.setenv("DOLPHINS_PACK", str(tmp_path / "typo"))
    with pytest.raises(CourseError, match=r"typo \(DOLPHINS_PACK\): no such folder. Check the path"):
        assets.find_pack()
    assert assets.find_pack(pack).root == pack  # what is asked for wins


def test_find_pack_says_what_to_do(pack, zipped):
    shutil.rmtree(pack / "data")
    for path, message in (
        (zipped, "is a zip, expected a folder. Import it first: dolphins assets import .*x.zip"),
        (pack / "model" / "dolphin_model.pkl", "is a file, expected the folder of a pack"),
        (pack, r"has no folder data, expected a pack .* \(found: model\)"),
    ):
        with pytest.raises(CourseError, match=message):
            assets.find_pack(path)


def test_describe(pack):
    text = assets.describe(assets.AssetPack(pack))
    for part in ("5 frames of 64 x 36", "5 masks", "10.5 to 10.5 m", "unknown"):
        assert part in text
    assert "180 vertices, 336 faces, 10 bones" in text
    shutil.rmtree(pack / CLIP / "segmentation")
    assert "no masks yet (dolphins segment)" in assets.describe(assets.AssetPack(pack))


# --- altitudes and prompts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n_file, n_frames, first", [(200, 200, 0), (500, 200, 50), (250, 200, 50), (51, 1, 50), (1, 1, 0)]
)
def test_altitudes(tmp_path, n_file, n_frames, first):
    np.save(tmp_path / "a.npy", 1000 + np.arange(n_file))
    altitudes = load_altitudes(tmp_path / "a.npy", n_frames)
    assert altitudes.dtype == np.float32
    assert np.allclose(altitudes, (1000 + first + np.arange(n_frames)) / 100)


def ones(n, at=0, value=1.0):
    values = np.ones(n)
    values[at] = value
    return values


FAULTY_ALTITUDES = [
    (ones(199), "holds 199 altitudes for 200 frames, expected 200, or at least 250"),
    (ones(249), "holds 249 altitudes for 200 frames"),
    (ones(200, 7, 0), r"altitude 7 \(frame 7\) is 0.0 cm, expected a positive number \(1 of 200 are bad\)"),
    (ones(500, 60, -3), r"altitude 60 \(frame 10\) is -3.0 cm"),
    (np.full(200, np.nan), r"is nan cm, expected a positive number \(200 of 200 are bad\)"),
    (np.full(200, np.inf), "is inf cm"),
    (ones((200, 3)), r"has shape \(200, 3\), expected one altitude per frame"),
    (np.array(["a"] * 200), "expected numbers"),
]


@pytest.mark.parametrize("values, message", FAULTY_ALTITUDES)
def test_faulty_altitudes(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(CourseError, match=message):
        load_altitudes(tmp_path / "a.npy", 200)


def test_bad_altitudes_that_do_not_count(tmp_path):
    values = np.full(500, 1000.0)
    values[:50], values[250:] = np.nan, 0
    np.save(tmp_path / "a.npy", values)
    assert (load_altitudes(tmp_path / "a.npy", 200) == 10).all()


def prompts(frame="0", points="[[1, 1]]", labels="[1]"):
    return f'{{"frame": {frame}, "points": {points}, "labels": {labels}}}'


FAULTY_PROMPTS = [
    ("{", "not a JSON file"),
    ("[]", "the file is \\[\\], expected an object"),
    ("\ud800".encode("utf-16", "surrogatepass").decode("latin-1"), "not a JSON file|expected"),
    (prompts(frame="5"), "frame is 5, expected a frame's number, 0 to 4"),
    (prompts(frame="true"), "frame is true"),
    (prompts(points="[[64, 1]]"), r"points is \[\[64, 1\]\], expected a list of \[x, y\] within 64 x 36"),
    (prompts(points="[[1, NaN]]"), "points is"),
    (prompts(points="[1, 1]"), "points is"),
    (prompts(points="[]", labels="[]"), "points is"),
    (prompts(labels="[1, 0]"), r"labels is \[1, 0\], expected 1 numbers"),
    (prompts(labels="[0]"), "at least one of them 1"),
    (prompts(labels="[2]"), "labels is"),
    (prompts(labels="null"), "labels is null"),
    ('{"frame": 0, "points": [[1, 1]]}', "labels is null"),
    ("[" * 100_000, "not a JSON file"),
]


@pytest.mark.parametrize("text, message", FAULTY_PROMPTS)
def test_faulty_prompts(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(CourseError, match=message):
        load_prompts(tmp_path / "p.json", (64, 36), 5)


# --- faults, one line each ----------------------------------------------------------------------------------


def write(text):
    return lambda path: path.write_bytes(text)


def pickled(change):
    def changed(path):
        contents = load_pickle(path)
        change(contents)
        path.write_bytes(pickle.dumps(contents, 2))

    return changed


def replaced(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


def renamed(old, new):
    return lambda path: path.with_name(old).rename(path.with_name(new))


def manifest(**changes):
    return lambda path: write_manifest(path.parent, **changes)


other_labels = pickled(lambda model: model.update(v_labels=np.zeros(7, int)))
other_face = pickled(lambda model: model["f"].__setitem__((3, 0), 500))
bone_in_no_part = pickled(lambda parts: parts["coarse_parts_idx"].__setitem__(0, [1]))


def masks_left(n):
    return lambda folder: [path.unlink() for path in sorted(folder.iterdir())[n:]]


def write_truth(path, T=5):
    poses = dict(
        global_poses=np.zeros((T, 1, 3)), joint_poses=np.zeros((T, 7, 3)), part_scales=np.ones((7, 4))
    )
    masks = dict(size_wh=np.array([64, 36]), masks_packed=np.zeros((T, 36, 8), np.uint8))
    surface = dict(translations=np.zeros((T, 1, 3)), vertices_tenth_mm=np.zeros((T, 180, 3), np.int16))
    figures = dict(heading_deg=np.zeros(T), time_s=np.zeros(T), length_m=2.6, volume_m3=0.2)
    np.savez_compressed(path, **poses, **masks, **surface, **figures)


def write_manifest(pack, **changes):
    manifest = {"name": "Test", "version": "1", "license": "CC0-1.0", "clip": TUTORIAL_CLIP}
    manifest |= {"init_rot_up_deg": 12.5, "files": assets.sha256_manifest(pack), **changes}
    (pack / "manifest.json").write_text(json.dumps(manifest))


MODEL, MESH, BONES = "model/dolphin_model.pkl", "model/dolphin_template.obj", "model/dolphin_seg_gloss.pkl"
PARTS, KEYPOINTS = "model/dolphin_coarse_seg.pkl", "model/dol_verts2kp.npy"
FRAMES, MASKS, MASK = f"{CLIP}/frames", f"{CLIP}/segmentation", f"{CLIP}/segmentation/000001.png"
FRAME, ODD_FRAME, NOTES = f"{FRAMES}/000002.jpg", f"{FRAMES}/two.jpg", f"{FRAMES}/notes.txt"
ALTITUDE, PROMPTS = f"{CLIP}/metadata/altitude.npy", f"{CLIP}/metadata/prompts.json"
TRUTH, MANIFEST, BEYOND = f"{CLIP}/truth.npz", "manifest.json", {"../secret": "0" * 64}
EVIL = Call(os.system, "true")
EVIL_MODEL, EVIL_LABELS = pickle.dumps({"f": EVIL}), pickle.dumps({"v_labels": EVIL})
MISSING = "is missing (model/ holds: dol_verts2kp.npy, "
RENAMED = f"{MISSING}dolphin.pkl"
FACE = "f 1/1 13/13 2/2"
OTHER_TRUTH = "global_poses has shape (4, 1, 3), expected (5, 1, 3)"
# The file that the fault names, what is done to it, and the fault.
FAULTS = {
    "missing model": (MODEL, Path.unlink, MISSING),
    "renamed model": (MODEL, renamed("dolphin_model.pkl", "dolphin.pkl"), RENAMED),
    "missing mesh": (MESH, Path.unlink, "is missing"),
    "truncated model": (MODEL, truncate, "the pickle breaks off at byte"),
    "empty model": (MODEL, write(b""), "the file is empty"),
    "forbidden class": (MODEL, write(EVIL_MODEL), "refuses to load posix.system"),
    "forbidden class in labels": (BONES, write(EVIL_LABELS), "refuses to load"),
    "faces out of range": (MODEL, other_face, "f: face 3 is [500, "),
    "mesh faces out of range": (MESH, replaced(FACE, "f 1/1 13/13 999/2"), "line 364: a face uses"),
    "another mesh": (MESH, replaced(FACE, "f 1/1 14/13 2/2"), "has no face [0, 12, 1]"),
    "truncated mesh": (MESH, truncate, ""),
    "labels of another model": (BONES, other_labels, "v_labels has shape (7,), expected (180,)"),
    "bone in no part": (PARTS, bone_in_no_part, "coarse_parts_idx"),
    "truncated keypoints": (KEYPOINTS, truncate, "an array of shape"),
    "no clip": ("data", lambda data: shutil.rmtree(data / TUTORIAL_CLIP), ""),
    "no frames": (FRAMES, shutil.rmtree, "no such folder, expected images numbered"),
    "missing frame": (FRAME, Path.unlink, "is missing (found 000003.jpg in its place)"),
    "renamed frame": (ODD_FRAME, renamed("000002.jpg", "two.jpg"), "has an unexpected name"),
    "other file among frames": (NOTES, write(b"x"), "has an unexpected name"),
    "truncated frame": (FRAME, truncate_little, "is truncated or damaged"),
    "frame that is no image": (FRAME, write(b"hello"), "not a whole JPEG or PNG image"),
    "frame of another size": (FRAME, image(36, 65, 3), "is 65 x 36, expected 64 x 36 as most frames are"),
    "mask of another size": (MASK, image(40, 64, value=255), "is 64 x 40, expected 64 x 36"),
    "empty mask": (MASK, image(36, 64), "is empty"),
    "grey mask": (MASK, image(36, 64, value=1), "holds the value 1, expected a mask of 0 and 255"),
    "truncated mask": (MASK, truncate, ""),
    "too few masks": (MASKS, masks_left(4), "holds 4 masks for 5 frames, expected one per frame"),
    "no mask in the folder": (MASKS, masks_left(0), "is empty"),
    "missing altitudes": (ALTITUDE, Path.unlink, "is missing, expected"),
    "no metadata": (ALTITUDE, lambda path: shutil.rmtree(path.parent), "is missing"),
    "too few altitudes": (ALTITUDE, altitudes(ones(4)), "holds 4 altitudes for 5 frames"),
    "NaN altitude": (ALTITUDE, altitudes([np.nan] * 5), "altitude 0 (frame 0) is nan cm"),
    "altitudes in metres": (ALTITUDE, altitudes([12.0] * 5), "by its altitudes the drone flies 0.12 m"),
    "truncated altitudes": (ALTITUDE, truncate, "an array of shape (500,)"),
    "bad prompts": (PROMPTS, write(b"{}"), "frame is null"),
    "bad manifest": (MANIFEST, write(b"{}"), "has no usable 'name'"),
    "manifest beyond the pack": (MANIFEST, manifest(files=BEYOND), "files lists '../secret'"),
    "manifest with a clip beyond": (MANIFEST, manifest(clip="../.."), "clip is '../..'"),
    "bad truth": (TRUTH, write(b"x"), "not a whole .npz file"),
    "truth of other frames": (TRUTH, lambda path: write_truth(path, 4), OTHER_TRUTH),
    "truth without arrays": (TRUTH, lambda path: np.savez(path, x=1), "has no array global_poses"),
}


def test_sound_pack(pack):
    assert assets.inspect_pack(pack) == assets.Findings()
    write_truth(pack / TRUTH)
    write_manifest(pack)
    assert assets.verify_pack(pack) == []
    assert assets.AssetPack(pack).truth_path == pack / TRUTH


@pytest.mark.parametrize("file, change, message", FAULTS.values(), ids=FAULTS)
def test_each_fault_is_one_line_that_names_the_file(pack, file, change, message):
    change(pack / file)
    (fault,) = assets.verify_pack(pack)
    assert fault.startswith(f"{file}: {message}")
    assert "\n" not in fault and str(pack) not in fault


def test_several_faults_are_several_lines(pack):
    for case in ("truncated keypoints", "truncated frame", "empty mask", "NaN altitude", "bad prompts"):
        file, change, _ = FAULTS[case]
        change(pack / file)
    assert len(assets.verify_pack(pack)) == 5


def test_what_may_be_missing_is_noted(pack):
    shutil.rmtree(pack / MASKS)
    (pack / PROMPTS).unlink()
    findings = assets.inspect_pack(pack)
    assert findings.faults == []
    assert [note.split(": ")[0] for note in findings.notes] == [PROMPTS, MASKS]
    assert findings.notes[1].endswith("make the masks with: dolphins segment")


def test_checksums(pack):
    write_manifest(pack)
    (pack / "model" / "dolphin_template.mtl").write_text("newmtl other\n")
    (pack / MASKS / "000004.png").rename(pack / "model" / "moved.png")
    (pack / "README").write_text("x")
    (pack / ".DS_Store").write_text("x")
    readme, mask, material = sorted(assets.verify_pack(pack))
    assert readme.startswith("README: is not listed in manifest.json")
    moved = "is missing, but model/moved.png has its contents; rename it back"
    assert mask.startswith(f"{MASKS}/000004.png: {moved}")
    assert material.startswith("model/dolphin_template.mtl: has changed (SHA-256")


def test_a_damaged_file_is_reported_once(pack):
    write_manifest(pack)
    truncate_little(pack / FRAME)
    (fault,) = assets.verify_pack(pack)
    assert "truncated or damaged" in fault


def test_a_missing_pack(tmp_path):
    with pytest.raises(CourseError, match="no such folder, expected a pack"):
        assets.verify_pack(tmp_path / "x")


def test_frames_may_begin_at_another_number(pack):
    for i in reversed(range(5)):
        (pack / FRAMES / f"{i:06d}.jpg").rename(pack / FRAMES / f"{i + 50:06d}.jpg")
    assert assets.verify_pack(pack) == []


def test_the_checks_are_quick(tmp_path):
    """A quarter of a clip, in a quarter of a second of the processor when nothing else runs."""
    build_pack(tmp_path / "pack", n_frames=50, size=(640, 360))
    assets.verify_pack(tmp_path / "pack")  # imports, first reads
    start = time.process_time()
    assert assets.verify_pack(tmp_path / "pack") == []
    assert time.process_time() - start < 2


# --- import -------------------------------------------------------------------------------------------------


def refused(zip_path, target, message, **options):
    """Asserts that a zip isn't imported, for the reason that the message gives."""
    with pytest.raises(CourseError, match=message):
        assets.import_zip(zip_path, target, **options)


@pytest.mark.parametrize("prefix", ["", "stag_dolphins_assets/", "a/b/"])
def test_import_of_the_tutorials_zip(tmp_path, prefix):
    zip_path = build_zip(tmp_path, prefix, n_frames=3, size=(640, 360))
    pack, notes = assets.import_zip(zip_path, tmp_path / "packs" / "stag")
    assert pack.root == tmp_path / "packs" / "stag" and assets.verify_pack(pack.root) == []
    assert names_in(pack.root) == ["data", "model"] and names_in(tmp_path / "packs") == ["stag"]
    assert any("dolphins segment" in note for note in notes)
    # the prompts that the tutorial has in its notebook
    assert any("prompts.json: added" in note for note in notes)
    prompts = load_prompts(pack.prompts_path, (640, 360), 3)
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
    write_truth(pack / TRUTH)
    write_manifest(pack)
    imported, notes = assets.import_zip(zip_folder(pack, tmp_path / "x.zip"), tmp_path / "copy")
    assert notes == [] and imported.init_rot_up_deg == 12.5 and imported.truth_path is not None


def test_faults_leave_nothing_behind(pack, tmp_path):
    truncate(pack / FRAME)
    truncate(pack / MODEL)
    zip_path = zip_folder(pack, tmp_path / "x.zip")
    with pytest.raises(CourseError) as error:
        assets.import_zip(zip_path, tmp_path / "new" / "folder" / "copy")
    first, model, frame = str(error.value).splitlines()
    assert first == f"{zip_path}: 2 fault(s), nothing was imported:"
    assert model.startswith(f"  {MODEL}: the pickle breaks off") and frame.startswith(f"  {FRAME}: ")
    assert names_in(tmp_path) == ["pack", "x.zip"]


def test_what_was_there_stays(pack, zipped, tmp_path):
    truncate(pack / FRAME)
    bad, target = zip_folder(pack, tmp_path / "bad.zip"), tmp_path / "target"
    assets.import_zip(zipped, target)
    mine = target / "model" / "mine.txt"
    mine.write_text("x")
    there = "is there already; nothing was changed. Name another .* or replace it with --force"
    refused(zipped, target, there)
    refused(bad, target, "1 fault", force=True)
    assert mine.exists()
    assets.import_zip(zipped, target, force=True)
    assert not mine.exists() and assets.verify_pack(target) == []
    assert names_in(tmp_path) == ["bad.zip", "pack", "target", "x.zip"]


def test_force_replaces_packs_only(pack, zipped, tmp_path):
    (tmp_path / "link").symlink_to(pack)
    refused(zipped, tmp_path, r"holds other things than a pack \(link, pack, x.zip\)", force=True)
    assert zipped.exists()
    refused(zipped, zipped, "not a folder", force=True)
    refused(zipped, tmp_path / "link", "not a folder", force=True)


@pytest.mark.parametrize("step", ["unpacking", "moving"])
def test_trouble_on_the_way_changes_nothing(zipped, tmp_path, monkeypatch, step):
    target, _ = assets.import_zip(zipped, tmp_path / "target")
    mine = target.root / "model" / "mine.txt"
    mine.write_text("x")
    rename = Path.rename

    def full_disk(self, *arguments, **_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted(self, new):
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, new)

    if step == "unpacking":
        monkeypatch.setattr(Path, "open", full_disk)
        refused(zipped, target.root, "No space left on device. Nothing was changed", force=True)
    else:
        monkeypatch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            assets.import_zip(zipped, target.root, force=True)
    monkeypatch.undo()
    assert mine.exists() and assets.verify_pack(target.root) == []
    assert names_in(tmp_path) == ["pack", "target", "x.zip"]


def test_too_little_room(zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))
    refused(zipped, tmp_path / "target", r"unpacks to 0\.\d MB, but only 0\.0 MB are free")


def test_what_is_no_zip(pack, zipped, tmp_path):
    target = tmp_path / "target"
    refused(tmp_path / "y.zip", target, "no such file, expected a zip")
    refused(pack, target, "is a folder, expected a zip. If it is an unpacked pack, use it with --pack")
    truncate(zipped)
    refused(zipped, target, "not a whole zip file")
    zipped.write_text("not a zip")
    refused(zipped, target, "not a whole zip file")
    assert not target.exists()


def test_a_zip_without_a_pack_or_with_two(pack, tmp_path):
    shutil.copytree(pack, tmp_path / "two" / "a")
    shutil.copytree(pack, tmp_path / "two" / "b")
    shutil.rmtree(pack / "data")
    for folder, number, found in ((pack, 0, "model/"), (tmp_path / "two", 2, "a/, b/")):
        message = rf"has {number} places with both model/ and data/ \(at its top: {found}\)"
        refused(zip_folder(folder, tmp_path / "x.zip"), tmp_path / "target", message)


def entry(name, mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo()
    info.filename = name  # as it is, whatever ZipInfo makes of it
    info.external_attr = mode << 16
    return info


OUTSIDE, IMPOSSIBLE, SPECIAL = "would be written outside the pack", "impossible name", "is a link or a device"
HOSTILE_ENTRIES = {
    "parent folder": (OUTSIDE, "model/../../evil"),
    "parent folder first": (OUTSIDE, "../evil"),
    "parent folder of Windows": (OUTSIDE, "model\\..\\..\\evil"),
    "absolute path": (OUTSIDE, "/tmp/evil"),
    "drive": (OUTSIDE, "C:/evil"),
    "stream": (OUTSIDE, "model/a.txt:evil"),
    "control character": (IMPOSSIBLE, "model/a\nb"),
    "no name": (IMPOSSIBLE, "model//evil"),
    "very long name": (IMPOSSIBLE, "model/" + "x" * 300),
    "link": (SPECIAL, entry("model/link", stat.S_IFLNK | 0o777)),
    "device": (SPECIAL, entry("model/device", stat.S_IFCHR | 0o777)),
    "pipe": (SPECIAL, entry("model/pipe", stat.S_IFIFO | 0o777)),
    "twice": ("is there twice", "model/a", "model/a"),
    "twice but for case": ("is there twice, but for upper and lower case", "model/DOLPHIN_MODEL.pkl"),
    "twice but for accents": ("is there twice", "model/e\u0301", "model/\u00e9"),
    "file and folder": ("is there twice", "model/a", "model/a/b"),
    "folder and file": ("is there twice", "model/a/b", "model/a"),
}


@pytest.mark.parametrize("case", HOSTILE_ENTRIES)
def test_hostile_entries(zipped, tmp_path, case):
    message, *entries = HOSTILE_ENTRIES[case]
    with zipfile.ZipFile(zipped, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of names that are there twice
        for hostile in entries:
            archive.writestr(entry(hostile) if isinstance(hostile, str) else hostile, "/etc/passwd")
    refused(zipped, tmp_path / "deep" / "target", message)
    assert names_in(tmp_path) == ["pack", "x.zip"]


def test_an_encrypted_zip(zipped, tmp_path):
    data = bytearray(zipped.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    zipped.write_bytes(data)
    refused(zipped, tmp_path / "target", "is encrypted")


@pytest.fixture
def bomb(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MODEL, bytes(20_000_000))
        archive.writestr("data/CLIP/frames/000000.jpg", b"")
    return path


def test_bombs(bomb, zipped, tmp_path):
    target = tmp_path / "target"
    refused(bomb, target, "as zip bombs do")
    for limit, value, message in (
        ("files", 10, "entries, expected at most 10"),
        ("file_bytes", 1000, "unpacks to .* bytes, expected at most 1000"),
        ("total_bytes", 100_000, "unpacks to .* bytes, expected at most 100000"),
    ):
        refused(zipped, target, message, limits=assets.ZipLimits(**{limit: value}))
    assert not target.exists()


def test_a_zip_that_lies_about_its_sizes(bomb, tmp_path):
    data = bomb.read_bytes()
    for size_offset, header in ((22, b"PK\x03\x04"), (24, b"PK\x01\x02")):
        at = data.index(header) + size_offset
        data = data[:at] + struct.pack("<I", 1000) + data[at + 4 :]
    bomb.write_bytes(data)
    refused(bomb, tmp_path / "target", "not a whole zip file")
    assert names_in(tmp_path) == ["bomb.zip"]


# --- the manifest -------------------------------------------------------------------------------------------


def test_sha256_manifest(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_bytes(b"abc")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".hidden").write_text("x")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert assets.sha256_manifest(tmp_path) == {"a/b.txt": abc}
