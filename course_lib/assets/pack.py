"""Where everything in a pack lies, and which pack is used."""

import os
import zipfile
from functools import cached_property
from pathlib import Path

from ..dolphin_model.model_file import load_model
from ..errors import CourseError
from . import clip_files
from .clip_info import read_clip_info

EMBEDDED_PACK = Path(__file__).resolve().parents[2] / "assets" / "pack"
PACK_VARIABLE = "DOLPHINS_PACK"
VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".mts", ".lrf", ".webm")
CHECKPOINTS = EMBEDDED_PACK.parent / "checkpoints"  # ready fits of the embedded clip
FOOTAGE = EMBEDDED_PACK.parent / "footage"  # the video of lesson 6, as a drone brings it home
_MANIFEST = dict(name=str, version=str, license=str, clip=str, init_rot_up_deg=(int, float), files=dict)


def _in_clip(*parts):
    return property(lambda pack: pack.clip_dir.joinpath(*parts))


class AssetPack:
    """One pack: the folder `root` and the paths in it. Nothing is read until it is asked for."""

    def __init__(self, root):
        self.root = Path(root)
        self.model_dir, self.data_dir = self.root / "model", self.root / "data"
        self.manifest_path = self.root / "manifest.json"

    def __repr__(self):
        return f"AssetPack({str(self.root)!r})"

    clip_dir = property(lambda pack: pack.data_dir / pack.clip_name)
    frames_dir = _in_clip("frames")
    segmentation_dir = _in_clip("segmentation")
    altitude_path = _in_clip("metadata", "altitude.npy")
    prompts_path = _in_clip("metadata", "prompts.json")

    @cached_property
    def manifest(self):
        """Contents of manifest.json, {} where there is none."""
        return _read_manifest(self.manifest_path) if self.manifest_path.exists() else {}

    @cached_property
    def clip_name(self):
        """The manifest's clip, else the one folder in data/."""
        if "clip" in self.manifest:
            return self.manifest["clip"]
        try:
            folders = [path.name for path in self.data_dir.iterdir() if path.is_dir()]
        except OSError:
            raise CourseError(f"""{self.data_dir}: no such folder, expected data/CLIP/frames in the pack
                {self.root}""") from None
        clips = sorted(name for name in folders if not name.startswith("."))
        if len(clips) != 1:
            raise CourseError(f"""{self.data_dir}: holds {len(clips)} folders
                ({", ".join(clips[:5]) or "none"}), expected one clip; name it with --clip""")
        return clips[0]

    @property
    def truth_path(self):
        """The file of what is known of the clip; None where nothing is."""
        path = self.clip_dir / "truth.npz"
        return path if path.exists() else None

    @property
    def init_rot_up_deg(self):
        """The heading, in degrees about +y, from which the tutorial's recipe starts each frame."""
        return float(self.manifest.get("init_rot_up_deg", 0.0))


def find_pack(path=None, clip=None):
    """The pack in the folder `path`, else in the folder that DOLPHINS_PACK names, else the embedded one.

    clip: which of its clips, a folder in data/. Raises CourseError if there is no pack; a zip is to be
    imported first, and a video is to be made one.
    """
    source, hint = "", "Check the path"
    if path is None and os.environ.get(PACK_VARIABLE):
        path, source = os.environ[PACK_VARIABLE], f" ({PACK_VARIABLE})"
    if path is None:
        path, source = EMBEDDED_PACK, " (the embedded pack)"
        hint = "Use the package from a git checkout, or name a pack with --pack"
    root = Path(path).expanduser()
    if root.is_file():
        if zipfile.is_zipfile(root) or root.suffix.lower() == ".zip":
            raise CourseError(f"""{root}{source} is a zip, expected a folder. Import it first: dolphins
                assets import {root}""")
        if root.suffix.lower() in VIDEOS:
            raise CourseError(f"""{root}{source} is a video, expected a folder. Make a pack from some
                seconds of it first: dolphins clip {root} --telemetry FILE --from 0:12 --to 0:16 --out
                my_clip""")
        raise CourseError(f"{root}{source} is a file, expected the folder of a pack")
    if not root.is_dir():
        raise CourseError(f"{root}{source}: no such folder. {hint}.")
    missing = [name for name in ("model", "data") if not (root / name).is_dir()]
    if missing:
        if (inside := _pack_around(root)) is not None:
            raise CourseError(f"""{root}{source} is a folder in a pack, expected the pack itself:
                {inside}""")
        if any(path.suffix.lower() in VIDEOS for path in root.iterdir()):
            raise CourseError(f"""{root}{source} is a folder with videos, expected a pack. Make one from
                some seconds of a video: dolphins clip VIDEO --telemetry FILE --from 0:12 --to 0:16 --out
                my_clip""")
        raise CourseError(f"""{root}{source} has no folder {" and no folder ".join(missing)}, expected a
            pack with model/ and data/CLIP/ (found: {listing(root)})""")
    pack = AssetPack(root)
    if clip is not None:
        pack.clip_name = clip
        if Path(clip).name != clip or not pack.clip_dir.is_dir():
            raise CourseError(f"{pack.data_dir}: holds no clip {clip!r} (found: {listing(pack.data_dir)}).")
    return pack


def _pack_around(folder):
    """The pack in which a folder is, such as that of its clip; None where there is none."""
    around = (parent for parent in list(folder.resolve().parents)[:3])
    return next((up for up in around if (up / "model").is_dir() and (up / "data").is_dir()), None)


def ready_fit(name="default"):
    """A finished fit of the embedded clip, to begin from: `scene.load(ready_fit("default"))`.

    name: of the recipe, "default" or "tutorial". The scene must be that of the whole clip. Raises CourseError
    for another name.
    """
    there = sorted(path.stem.removeprefix("fit_") for path in CHECKPOINTS.glob("fit_*.pth"))
    if name not in there:
        raise CourseError(f"""There is no ready fit called {name!r} in {CHECKPOINTS}, expected
            {" or ".join(there) or "fit_default.pth"}. Use the package from a whole checkout of the
            course.""")
    return CHECKPOINTS / f"fit_{name}.pth"


def describe(pack):
    """What is in a pack, in a few lines of plain text. Raises CourseError where a part cannot be read."""
    manifest, title = pack.manifest, pack.root.resolve().name
    if manifest:
        title = f"{manifest['name']} {manifest['version']} ({manifest['license']})"
    frames = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
    width, height = clip_files.image_size(frames[0])
    known = read_clip_info(pack.clip_dir, len(frames), (width, height))
    model = load_model(pack.model_dir / "dolphin_model.pkl")
    masks = "no masks yet (dolphins segment)"
    if pack.segmentation_dir.is_dir():
        n_masks = len(clip_files.numbered_images(pack.segmentation_dir, clip_files.MASK_SUFFIXES))
        masks = f"{n_masks} masks"
    n_vertices, n_bones = model["weights"].shape
    lines = (
        f"{title}: {pack.root}",
        f"  clip      {pack.clip_name}: {len(frames)} frames of {width} x {height}, {masks}",
        f"  drone     {known.altitude_m.min():.1f} to {known.altitude_m.max():.1f} m above the sea",
        f"  template  {n_vertices} vertices, {len(model['f'])} faces, {n_bones} bones",
        f"  truth     {'known' if pack.truth_path else 'unknown (a real animal)'}",
    )
    return "\n".join(lines)


def _read_manifest(path):
    manifest = clip_files.read_json(path)
    for key, kind in _MANIFEST.items():
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind):
            raise CourseError(f"{path}: has no usable {key!r}, expected {', '.join(_MANIFEST)}")
    if not is_plain_name(manifest["clip"]):
        raise CourseError(f"""{path}: clip is {manifest["clip"][:60]!r}, expected the name of a folder in
            data/""")
    for name, digest in manifest["files"].items():
        digested = isinstance(digest, str) and len(digest) == 64
        if not digested or not all(is_plain_name(part) for part in name.split("/")):
            raise CourseError(f"""{path}: files lists {name[:60]!r}, expected relative paths with their
                SHA-256""")
    return manifest


def is_plain_name(part):
    """Whether a part of a path names a file or folder below the one before it, on every system."""
    plain = part.isprintable() and not set(part) & set('/\\:*?"<>|')
    return plain and 0 < len(part) <= 200 and part[-1] not in " ."


def listing(folder):
    """The first few names in a folder, "nothing" where there are none."""
    paths = folder.iterdir() if folder.is_dir() else ()
    names = sorted(path.name for path in paths if not clip_files.is_junk(path.name))
    shown = [clip_files.printable(name) for name in names[:8]] + ["..."] * (len(names) > 8)
    return ", ".join(shown) or "nothing"
