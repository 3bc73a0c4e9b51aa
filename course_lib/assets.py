"""The asset pack: a template and a clip in one folder. Where everything in it lies, whether it is sound, how
it gets here.

    model/dolphin_model.pkl ...        the template (see `template.MODEL_FILES`)
    data/CLIP/frames/000000.jpg ...    RGB frames
    data/CLIP/segmentation/000000.png  masks, 0 or 255; may be missing until the clip is segmented
    data/CLIP/metadata/altitude.npy    the drone's altitude, centimetres
    data/CLIP/metadata/prompts.json    points to segment from (see `load_prompts`)
    data/CLIP/truth.npz                the embedded pack only
    manifest.json                      name, version, clip, checksums; packs from elsewhere have none

The embedded pack is `assets/pack` of the checkout that this package is imported from, so the package is to be
used from a checkout or installed from one with `pip install -e .`. Everything from elsewhere is untrusted:
pickles go through `template.safe_pickle`, arrays are read without pickles, archives are unpacked by
`import_zip` alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable

import numpy as np

from .clip_files import (
    FRAME_SUFFIXES,
    MASK_SUFFIXES,
    check_mask,
    decode_image,
    image_size,
    is_junk,
    load_altitudes,
    load_prompts,
    numbered_images,
    one_line,
    open_image,
    printable,
    read_json,
)
from .errors import CourseError

EMBEDDED_PACK = Path(__file__).resolve().parents[1] / "assets" / "pack"
PACK_VARIABLE = "DOLPHINS_PACK"
CHECKPOINTS = EMBEDDED_PACK.parent / "checkpoints"   # ready fits of the embedded clip

# What the tutorial tells its segmenter about its own clip; its zip does not hold it.
TUTORIAL_CLIP = "2024_08_20_DF2_S8_SW_TT_ELM-fb_23450-fe_23950"
TUTORIAL_PROMPTS = {
    "frame": 0,
    "points": [
        [360, 245],
        [326, 287],
        [334, 293],
        [336, 280],
        [348, 251],
        [348, 262],
        [356, 259],
        [273, 272],
        [290, 229],
        [280, 245],
        [546, 125],
        [339, 180],
        [402, 311],
        [316, 261],
    ],
    "labels": [1] * 7 + [0] * 7,
}


# --- the layout -----------------------------------------------------------------------------------------


class AssetPack:
    """One pack: the folder `root` and the paths in it. Nothing is read until it is asked for."""

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"AssetPack({str(self.root)!r})"

    @property
    def model_dir(self) -> Path:
        return self.root / "model"

    @property
    def data_dir(self) -> Path:
        return self.root / "data"

    @property
    def manifest_path(self) -> Path:
        return self.root / "manifest.json"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Contents of manifest.json, {} where there is none."""
        return _read_manifest(self.manifest_path) if self.manifest_path.exists() else {}

    @cached_property
    def clip_name(self) -> str:
        """The manifest's clip, else the one folder in data/."""
        if "clip" in self.manifest:
            return self.manifest["clip"]
        try:
            clips = sorted(
                p.name for p in self.data_dir.iterdir() if p.is_dir() and not p.name.startswith(".")
            )
        except OSError:
            raise CourseError(
                f"{self.data_dir}: no such folder, expected data/CLIP/frames in the pack {self.root}"
            ) from None
        if len(clips) != 1:
            raise CourseError(
                f"{self.data_dir}: holds {len(clips)} folders ({', '.join(clips[:5]) or 'none'}), expected "
                "one clip"
            )
        return clips[0]

    @property
    def clip_dir(self) -> Path:
        return self.data_dir / self.clip_name

    @property
    def frames_dir(self) -> Path:
        return self.clip_dir / "frames"

    @property
    def segmentation_dir(self) -> Path:
        return self.clip_dir / "segmentation"

    @property
    def altitude_path(self) -> Path:
        return self.clip_dir / "metadata" / "altitude.npy"

    @property
    def prompts_path(self) -> Path:
        return self.clip_dir / "metadata" / "prompts.json"

    @property
    def truth_path(self) -> Path | None:
        path = self.clip_dir / "truth.npz"
        return path if path.exists() else None

    @property
    def init_rot_up_deg(self) -> float:
        """The heading, in degrees about +y, from which the tutorial's recipe starts each frame."""
        return float(self.manifest.get("init_rot_up_deg", 0.0))


def find_pack(path: str | os.PathLike | None = None) -> AssetPack:
    """The pack in the folder `path`, else in the folder that DOLPHINS_PACK names, else the embedded one.

    Raises CourseError if there is no pack; a zip is to be imported first.
    """
    source = "--pack"
    if path is None and os.environ.get(PACK_VARIABLE):
        path, source = os.environ[PACK_VARIABLE], PACK_VARIABLE
    if path is None:
        path, source = EMBEDDED_PACK, "the embedded pack"
    root = Path(path).expanduser()
    if root.is_file():
        if zipfile.is_zipfile(root) or root.suffix.lower() == ".zip":
            raise CourseError(
                f"{root} ({source}) is a zip, expected a folder. Import it first: dolphins assets import "
                f"{root}"
            )
        raise CourseError(f"{root} ({source}) is a file, expected the folder of a pack")
    if not root.is_dir():
        hint = (
            "Use the package from a git checkout, or name a pack with --pack"
            if source == "the embedded pack"
            else "Check the path"
        )
        raise CourseError(f"{root} ({source}): no such folder. {hint}.")
    missing = [name for name in ("model", "data") if not (root / name).is_dir()]
    if missing:
        raise CourseError(
            f"{root} ({source}) has no folder {' and no folder '.join(missing)}, expected a pack with model/ "
            f"and data/CLIP/ (found: {_listing(root)})"
        )
    return AssetPack(root)


def ready_fit(name: str = "default") -> Path:
    """A finished fit of the embedded clip, to begin from: `scene.load(ready_fit("default"))`.

    name: of the recipe, "default" or "tutorial". The scene must be that of the whole clip. Raises CourseError for another name.
    """
    path = CHECKPOINTS / f"fit_{name}.pth"
    there = sorted(p.stem.removeprefix("fit_") for p in CHECKPOINTS.glob("fit_*.pth"))
    if name not in there:
        raise CourseError(
            f"There is no ready fit called {name!r} in {CHECKPOINTS}, expected {' or '.join(there) or 'fit_default.pth'}. "
            "Use the package from a whole checkout of the course."
        )
    return path


def describe(pack: AssetPack) -> str:
    """What is in a pack, in a few lines of plain text. Raises CourseError where a part cannot be read."""
    from .template.model_file import load_model

    manifest = pack.manifest
    frames = numbered_images(pack.frames_dir, FRAME_SUFFIXES)
    width, height = image_size(frames[0])
    altitude = load_altitudes(pack.altitude_path, len(frames))
    model = load_model(pack.model_dir / "dolphin_model.pkl")
    masks = (
        len(numbered_images(pack.segmentation_dir, MASK_SUFFIXES)) if pack.segmentation_dir.is_dir() else 0
    )
    title = (
        f"{manifest['name']} {manifest['version']} ({manifest['license']})"
        if manifest
        else pack.root.resolve().name
    )
    return "\n".join(
        [
            f"{title}: {pack.root}",
            f"  clip      {pack.clip_name}: {len(frames)} frames of {width} x {height}, "
            f"{f'{masks} masks' if masks else 'no masks yet (dolphins segment)'}",
            f"  drone     {altitude.min():.1f} to {altitude.max():.1f} m above the sea",
            f"  template  {len(model['v_template'])} vertices, {len(model['f'])} faces, "
            f"{model['weights'].shape[1]} bones",
            f"  truth     {'known' if pack.truth_path else 'unknown (a real animal)'}",
        ]
    )


# --- is it sound? ---------------------------------------------------------------------------------------


@dataclass
class Findings:
    """What `inspect_pack` found, a line each. Faults must be mended; notes are worth knowing."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify_pack(root: str | os.PathLike) -> list[str]:
    """Faults of a pack, a line each: which file, what was found, what was expected, what to do."""
    return inspect_pack(root).faults


def inspect_pack(root: str | os.PathLike) -> Findings:
    """Check each file of a pack: names, numbers, sizes, contents; checksums where there is a manifest."""
    check = _Inspection(AssetPack(root))
    for step in (check.manifest, check.listed, check.model, check.clip, check.checksums):
        step()
    return check.findings


class _Inspection:
    """The checks of `inspect_pack`. A file is reported once, by the check that can say most about it."""

    def __init__(self, pack: AssetPack):
        self.pack = pack
        self.findings = Findings()
        self.reported: set[str] = set()
        self.digests: dict[str, str] = {}

    def relative(self, path: Path) -> str:
        return path.relative_to(self.pack.root).as_posix()

    def fault(self, path: Path, text: str) -> None:
        name = self.relative(path)
        if name not in self.reported:
            self.reported.add(name)
            self.findings.faults.append(f"{name}: {text}")

    def note(self, path: Path, text: str) -> None:
        self.findings.notes.append(f"{self.relative(path)}: {text}")

    def attempt(self, path: Path, function, *arguments) -> Any:
        """Call `function`; its CourseError becomes a fault of the file that it names, and the result None."""
        try:
            return function(*arguments)
        except CourseError as error:
            text = one_line(error)
            named, line, rest = re.match(r"(.*?)(?:, (line \d+))?: (.*)|", text).groups()
            if named and Path(named).is_relative_to(self.pack.root):
                path, text = Path(named), f"{line}: {rest}" if line else rest
            self.fault(path, text)
            return None

    def manifest(self) -> None:
        if not self.pack.root.is_dir():
            raise CourseError(f"{self.pack.root}: no such folder, expected a pack")
        if self.attempt(self.pack.manifest_path, lambda: self.pack.manifest) is None:
            self.pack.manifest = {}  # reported; go on as without one

    def model(self) -> None:
        from .template import MODEL_FILES, load_face_uvs
        from .template.model_file import load_keypoints, load_model, load_segmentation

        folder = self.pack.model_dir
        paths = {role: folder / name for role, name in MODEL_FILES.items()}
        for path in paths.values():
            if not path.is_file():
                self.fault(
                    path,
                    f"is missing (model/ holds: {_listing(folder)}), expected the template's files; rename "
                    "or copy it there",
                )
        present = {role for role, path in paths.items() if path.is_file()}
        model = self.attempt(paths["model"], load_model, paths["model"]) if "model" in present else None
        if model is None:
            return
        n_vertices, n_joints = model["weights"].shape
        if {"bones", "parts"} <= present:
            self.attempt(
                paths["parts"], load_segmentation, paths["bones"], paths["parts"], n_vertices, n_joints
            )
        if "keypoints" in present:
            self.attempt(paths["keypoints"], load_keypoints, paths["keypoints"], n_vertices)
        if "mesh" in present:
            import torch

            self.attempt(paths["mesh"], load_face_uvs, paths["mesh"], torch.from_numpy(model["f"]))

    def clip(self) -> None:
        pack = self.pack
        if self.attempt(pack.data_dir, lambda: pack.clip_name) is None:
            return
        frames = self.attempt(pack.frames_dir, numbered_images, pack.frames_dir, FRAME_SUFFIXES)
        if frames is None:
            return
        size = self.images(frames, None, "most frames are")
        if pack.altitude_path.is_file():
            altitudes = self.attempt(pack.altitude_path, load_altitudes, pack.altitude_path, len(frames))
            if altitudes is not None and not 1 <= np.median(altitudes) <= 1000:
                self.note(
                    pack.altitude_path,
                    f"the drone flies at {np.median(altitudes):.3g} m; are these centimetres?",
                )
        else:
            self.fault(
                pack.altitude_path,
                "is missing, expected the drone's altitude in each frame, in centimetres, as a .npy file",
            )
        if not pack.prompts_path.is_file():
            self.note(pack.prompts_path, "is missing; it is needed to segment the clip, and for nothing else")
        elif size is not None:
            self.attempt(pack.prompts_path, load_prompts, pack.prompts_path, size, len(frames))
        if not pack.segmentation_dir.is_dir():
            self.note(pack.segmentation_dir, "is missing; make the masks with: dolphins segment")
        else:
            masks = self.attempt(pack.segmentation_dir, numbered_images, pack.segmentation_dir, MASK_SUFFIXES)
            if masks is not None and len(masks) != len(frames):
                self.fault(
                    pack.segmentation_dir,
                    f"holds {len(masks)} masks for {len(frames)} frames, expected one per frame; segment "
                    "the clip again",
                )
            elif masks is not None:
                self.images(masks, size, "its frame is", masks=True)
        if pack.truth_path:
            self.attempt(pack.truth_path, _check_truth, pack.truth_path, len(frames), size)

    def images(
        self, paths: list[Path], size: tuple[int, int] | None, like: str, masks: bool = False
    ) -> tuple[int, int] | None:
        """Check all images; the size that they should have, which is the most common one if not given."""
        sizes = {}
        for path in paths:
            image = self.attempt(path, open_image, path)
            if image is not None:
                with image:
                    sizes[path] = image.size
        if size is None and sizes:
            size = Counter(sizes.values()).most_common(1)[0][0]
        for path, found in sizes.items():
            if found != size:
                self.fault(path, f"is {found[0]} x {found[1]}, expected {size[0]} x {size[1]} as {like}")
            else:
                self.attempt(path, self.image, path, masks)
        return size

    @staticmethod
    def image(path: Path, is_mask: bool) -> None:
        with open_image(path) as image:
            if is_mask:
                check_mask(decode_image(image, path, "L"), path)
            else:  # an eighth of the resolution reads all of a JPEG and takes a fraction of the time
                image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
                decode_image(image, path, "RGB")

    def listed(self) -> None:
        """Files that the manifest lists and that are not there, and the other way round."""
        expected = self.pack.manifest.get("files")
        if not expected:
            return
        self.digests = sha256_manifest(self.pack.root)
        unlisted = {digest: name for name, digest in self.digests.items() if name not in expected}
        for name, digest in expected.items():
            if name not in self.digests:
                other = unlisted.pop(digest, None)
                self.fault(
                    self.pack.root / name,
                    f"is missing, but {other} has its contents; rename it back"
                    if other
                    else "is missing, expected it as manifest.json lists it; copy it there again",
                )
                self.reported |= {name.rpartition("/")[0], other or ""}  # nor is its folder complete
        for name in unlisted.values():
            self.fault(
                self.pack.root / name,
                "is not listed in manifest.json; take it away, or make the manifest anew",
            )

    def checksums(self) -> None:
        for name, digest in self.pack.manifest.get("files", {}).items():
            found = self.digests.get(name, digest)
            if found != digest:
                self.fault(
                    self.pack.root / name,
                    f"has changed (SHA-256 {found[:12]}..., expected {digest[:12]}...); copy it again, or "
                    "make the manifest anew if you changed it",
                )


def sha256_manifest(root: str | os.PathLike) -> dict[str, str]:
    """SHA-256 of each file under `root` but manifest.json and hidden files: {relative path: hex digest},
    sorted.
    """
    root = Path(root)
    digests = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if (
            path.is_file()
            and name != "manifest.json"
            and not any(part.startswith(".") for part in name.split("/"))
        ):
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            digests[name] = digest.hexdigest()
    return digests


def _read_manifest(path: Path) -> dict[str, Any]:
    manifest = read_json(path)
    wanted = {
        "name": str,
        "version": str,
        "license": str,
        "clip": str,
        "init_rot_up_deg": (int, float),
        "files": dict,
    }
    for key, kind in wanted.items():
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind):
            raise CourseError(f"{path}: has no usable {key!r}, expected {', '.join(wanted)}")
    if not _is_plain_name(manifest["clip"]):
        raise CourseError(
            f"{path}: clip is {manifest['clip'][:60]!r}, expected the name of a folder in data/"
        )
    for name, digest in manifest["files"].items():
        if (
            not all(_is_plain_name(part) for part in name.split("/"))
            or not isinstance(digest, str)
            or len(digest) != 64
        ):
            raise CourseError(
                f"{path}: files lists {name[:60]!r}, expected relative paths with their SHA-256"
            )
    return manifest


def _check_truth(path: Path, n_frames: int, size: tuple[int, int] | None) -> None:
    """Names and shapes of the arrays in truth.npz (see assets/README.md)."""
    T = n_frames
    shapes = {
        "global_poses": (T, 1, 3),
        "joint_poses": (T, None, 3),
        "translations": (T, 1, 3),
        "part_scales": (None, 4),
        "vertices_tenth_mm": (T, None, 3),
        "masks_packed": (T, None, None),
        "size_wh": (2,),
        "heading_deg": (T,),
        "length_m": (),
        "volume_m3": (),
        "time_s": (T,),
    }
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 1 << 30:
                raise CourseError(f"{path}: unpacks to more than 1 GiB, expected the truth of {T} frames")
        with np.load(path, allow_pickle=False) as truth:
            for name, shape in shapes.items():
                if name not in truth.files:
                    raise CourseError(f"{path}: has no array {name}, expected {', '.join(shapes)}")
                array = truth[name]
                if array.ndim != len(shape) or any(
                    n is not None and n != m for n, m in zip(shape, array.shape)
                ):
                    raise CourseError(
                        f"{path}: {name} has shape {array.shape}, expected {shape} for {T} frames"
                    )
                if name == "size_wh" and size is not None and tuple(array.tolist()) != size:
                    raise CourseError(
                        f"{path}: was made for frames of {array.tolist()}, expected {list(size)}"
                    )
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CourseError(
            f"{path}: not a whole .npz file of numbers ({one_line(error)}); copy it again"
        ) from None


# --- from a zip -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may hold; far above any clip that the course is made for, far below what hurts."""

    files: int = 20_000
    file_bytes: int = 1 << 30
    total_bytes: int = 4 << 30
    ratio: int = 250  # of a file's size to its packed size, for files beyond `ratio_from`
    ratio_from: int = 1 << 20


def import_zip(
    zip_path: str | os.PathLike,
    destination: str | os.PathLike,
    force: bool = False,
    limits: ZipLimits = ZipLimits(),
) -> tuple[AssetPack, list[str]]:
    """Check a zip of model/ and data/CLIP/ (at its top or in a folder) and unpack it: (the pack in
    `destination`, notes).

    All or nothing: it is unpacked beside the destination, checked as by `inspect_pack`, and moved into place
    when sound. An existing destination is left alone, unless `force` says to replace it: then it goes once
    the new pack is in place. Raises CourseError with a line per fault.
    """
    zip_path, destination = Path(zip_path), Path(destination)
    if not zip_path.exists():
        raise CourseError(f"{zip_path}: no such file, expected a zip with model/ and data/CLIP/")
    if zip_path.is_dir():
        raise CourseError(
            f"{zip_path} is a folder, expected a zip. If it is an unpacked pack, use it with --pack "
            f"{zip_path}"
        )
    _check_destination(destination, force)
    made = [folder for folder in destination.parents if not folder.exists()]  # innermost first
    staging = None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        new = staging / "new"
        notes = _unpack(zip_path, new, limits)
        notes += _add_tutorial_prompts(AssetPack(new))
        findings = inspect_pack(new)
        if findings.faults:
            faults = "\n".join(f"  {fault}" for fault in findings.faults)
            raise CourseError(f"{zip_path}: {len(findings.faults)} fault(s), nothing was imported:\n{faults}")
        _check_destination(destination, force)
        if destination.exists():
            destination.rename(staging / "old")
            try:
                new.rename(destination)
            except BaseException:
                (staging / "old").rename(destination)
                raise
        else:
            new.rename(destination)
    except OSError as error:
        raise CourseError(
            f"{zip_path} could not be imported to {destination}: {error.strerror or error}. Nothing was "
            "changed; mend that (disk space? permissions?) and try again"
        ) from None
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):  # not empty: the pack is there
                folder.rmdir()
    return AssetPack(destination), notes + findings.notes


def _check_destination(destination: Path, force: bool) -> None:
    if not (destination.exists() or destination.is_symlink()):
        return
    if not force:
        raise CourseError(
            f"{destination} is there already; nothing was changed. Name another folder with --to, or replace "
            "it with --force"
        )
    if destination.is_symlink() or not destination.is_dir():
        raise CourseError(
            f"{destination} is not a folder, expected a pack to replace; nothing was changed. Name another "
            "with --to"
        )
    foreign = [
        p.name
        for p in destination.iterdir()
        if p.name not in ("model", "data", "manifest.json") and not is_junk(p.name)
    ]
    if foreign:
        raise CourseError(
            f"{destination} holds other things than a pack ({', '.join(sorted(foreign)[:5])}); it will not "
            "be replaced, and nothing was changed. Name another folder with --to"
        )


def _unpack(zip_path: Path, target: Path, limits: ZipLimits) -> list[str]:
    """Unpack model/, data/ and manifest.json into the new folder `target`; notes on what was left out."""
    try:
        with zipfile.ZipFile(zip_path) as archive:
            entries = _checked_entries(archive, zip_path, limits)
            prefix = _find_prefix(entries, zip_path)
            wanted = {
                name[len(prefix) :]: entry
                for name, entry in entries.items()
                if name.startswith((f"{prefix}model/", f"{prefix}data/")) or name == f"{prefix}manifest.json"
            }
            total = sum(entry.file_size for entry in wanted.values())
            free = shutil.disk_usage(target.parent).free
            if total > free:
                raise CourseError(
                    f"{zip_path} unpacks to {total / 1e6:.1f} MB, but only {free / 1e6:.1f} MB are free at "
                    f"{target.parent.parent}; make room and try again"
                )
            for name, entry in wanted.items():
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, path.open("xb") as out:
                    left = entry.file_size
                    while chunk := source.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise CourseError(
                                f"{zip_path}: {entry.filename} is larger than it says; the zip was made to "
                                "deceive"
                            )
                        out.write(chunk)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
        raise CourseError(
            f"{zip_path}: not a whole zip file ({one_line(error)}); download it again"
        ) from None
    except NotImplementedError as error:
        raise CourseError(
            f"{zip_path}: packed in a way that cannot be read ({one_line(error)}); pack it again as a plain "
            "zip"
        ) from None
    except (RuntimeError, ValueError, zlib.error) as error:
        raise CourseError(f"{zip_path}: cannot be unpacked ({one_line(error)}); download it again") from None
    n_left = len(entries) - len(wanted)
    return [f"{n_left} other file(s) in the zip were left out"] if n_left else []


def _checked_entries(
    archive: zipfile.ZipFile, zip_path: Path, limits: ZipLimits
) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by their path, after all of its entries were found harmless."""
    infos = archive.infolist()
    if len(infos) > limits.files:
        raise CourseError(f"{zip_path}: holds {len(infos)} entries, expected at most {limits.files}")
    if sum(info.file_size for info in infos) > limits.total_bytes:
        raise CourseError(
            f"{zip_path}: unpacks to {sum(info.file_size for info in infos)} bytes, expected at most "
            f"{limits.total_bytes}"
        )
    entries: dict[str, zipfile.ZipInfo] = {}
    seen: dict[str, str] = {}  # paths as Windows and macOS compare them -> "file" or "folder"
    for info in infos:
        where = f"{zip_path}: entry {printable(info.filename)}"
        name = info.filename.replace("\\", "/")
        parts = [part for part in name.rstrip("/").split("/") if part != "."]
        if name.startswith("/") or not all(_is_plain_name(part) for part in parts):
            raise CourseError(
                f"{where} would be written outside the pack or has an impossible name, expected paths such "
                "as model/dolphin_model.pkl; nothing was unpacked"
            )
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CourseError(
                f"{where} is a link or a device, expected files and folders alone; nothing was unpacked"
            )
        if info.flag_bits & 0x1:
            raise CourseError(f"{where} is encrypted, expected a plain zip; nothing was unpacked")
        if info.file_size > limits.file_bytes:
            raise CourseError(
                f"{where} unpacks to {info.file_size} bytes, expected at most {limits.file_bytes}; nothing "
                "was unpacked"
            )
        if info.file_size > limits.ratio_from and info.file_size > limits.ratio * max(1, info.compress_size):
            raise CourseError(
                f"{where} unpacks from {info.compress_size} to {info.file_size} bytes, as zip bombs do; "
                "nothing was unpacked"
            )
        is_folder = name.endswith("/") or kind == stat.S_IFDIR
        for depth in range(1, len(parts) + 1):
            folded = unicodedata.normalize("NFC", "/".join(parts[:depth])).casefold()
            what = "file" if depth == len(parts) and not is_folder else "folder"
            if "file" in (what, seen.get(folded)) and folded in seen:
                raise CourseError(
                    f"{where} is there twice, but for upper and lower case; nothing was unpacked"
                )
            seen[folded] = what
        if not is_folder and not any(is_junk(part) for part in parts):
            entries["/".join(parts)] = info
    return entries


def _find_prefix(names: Iterable[str], zip_path: Path) -> str:
    """What stands before model/ and data/ in the zip: "" or "folder/"."""
    folders = {
        "/".join(name.split("/")[:depth])
        for name in names
        for depth in range(1, 5)
        if depth < len(name.split("/"))
    }
    prefixes = [
        folder[: -len("model")] for folder in folders if folder == "model" or folder.endswith("/model")
    ]
    prefixes = sorted(prefix for prefix in prefixes if f"{prefix}data" in folders)
    if len(prefixes) != 1:
        found = ", ".join(sorted(f"{printable(f)}/" for f in folders if "/" not in f)[:8]) or "no folders"
        raise CourseError(
            f"{zip_path}: has {len(prefixes)} places with both model/ and data/ (at its top: {found}), "
            "expected model/ and data/CLIP/ once, at its top or in one folder; pack it again like that"
        )
    return prefixes[0]


def _add_tutorial_prompts(pack: AssetPack) -> list[str]:
    """The tutorial's zip has its clip's points in the notebook; put them where packs have theirs."""
    try:
        path = pack.prompts_path
        if pack.clip_name != TUTORIAL_CLIP or path.exists() or not path.parent.is_dir():
            return []
        path.write_text(json.dumps(TUTORIAL_PROMPTS) + "\n")
        load_prompts(path, image_size(numbered_images(pack.frames_dir, FRAME_SUFFIXES)[0]), 1)
    except CourseError:  # frames that are faulty or of another size
        pack.prompts_path.unlink(missing_ok=True)
        return []
    return [f"{path.relative_to(pack.root).as_posix()}: added, with the points of the tutorial's notebook"]


# --- small helpers --------------------------------------------------------------------------------------


def _is_plain_name(part: str) -> bool:
    """Whether a part of a path names a file or folder below the one before it, on every system."""
    return (
        0 < len(part) <= 200
        and part not in (".", "..")
        and part.isprintable()
        and not set(part) & set('/\\:*?"<>|')
        and part[-1] not in " ."
    )


def _listing(folder: Path) -> str:
    """The first few names in a folder."""
    names = sorted(p.name for p in folder.iterdir() if not is_junk(p.name)) if folder.is_dir() else []
    return (
        ", ".join(printable(name) for name in names[:8]) + (", ..." if len(names) > 8 else "")
        if names
        else "nothing"
    )
