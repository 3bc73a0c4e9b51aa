"""Where everything in a pack lies, and which pack is used."""

import os
import zipfile
from functools import cached_property
from pathlib import Path

from ..dolphin_model.model_file import load_model
from ..errors import CourseError
from .clip_files import (
    FRAME_SUFFIXES,
    MASK_SUFFIXES,
    image_size,
    is_junk,
    load_altitudes,
    numbered_images,
    printable,
    read_json,
)

EMBEDDED_PACK = Path(__file__).resolve().parents[2] / "assets" / "pack"
PACK_VARIABLE = "DOLPHINS_PACK"
CHECKPOINTS = EMBEDDED_PACK.parent / "checkpoints"  # ready fits of the embedded clip


class AssetPack:
    """One pack: the folder `root` and the paths in it. Nothing is read until it is asked for."""

    def __init__(self, root):
        self.root = Path(root)

    def __repr__(self):
        return f"AssetPack({str(self.root)!r})"

    @property
    def model_dir(self):
        return self.root / "model"

    @property
    def data_dir(self):
        return self.root / "data"

    @property
    def manifest_path(self):
        return self.root / "manifest.json"

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
            clips = sorted(
                p.name for p in self.data_dir.iterdir() if p.is_dir() and not p.name.startswith(".")
            )
        except OSError:
            raise CourseError(f"""{self.data_dir}: no such folder, expected data/CLIP/frames in the pack
                {self.root}""") from None
        if len(clips) != 1:
            raise CourseError(f"""{self.data_dir}: holds {len(clips)} folders
                ({", ".join(clips[:5]) or "none"}), expected one clip""")
        return clips[0]

    @property
    def clip_dir(self):
        return self.data_dir / self.clip_name

    @property
    def frames_dir(self):
        return self.clip_dir / "frames"

    @property
    def segmentation_dir(self):
        return self.clip_dir / "segmentation"

    @property
    def altitude_path(self):
        return self.clip_dir / "metadata" / "altitude.npy"

    @property
    def prompts_path(self):
        return self.clip_dir / "metadata" / "prompts.json"

    @property
    def truth_path(self):
        path = self.clip_dir / "truth.npz"
        return path if path.exists() else None

    @property
    def init_rot_up_deg(self):
        """The heading, in degrees about +y, from which the tutorial's recipe starts each frame."""
        return float(self.manifest.get("init_rot_up_deg", 0.0))


def find_pack(path=None):
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
            raise CourseError(f"""{root} ({source}) is a zip, expected a folder. Import it first: dolphins
                assets import {root}""")
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
        raise CourseError(f"""{root} ({source}) has no folder {" and no folder ".join(missing)}, expected a
            pack with model/ and data/CLIP/ (found: {listing(root)})""")
    return AssetPack(root)


def ready_fit(name="default"):
    """A finished fit of the embedded clip, to begin from: `scene.load(ready_fit("default"))`.

    name: of the recipe, "default" or "tutorial". The scene must be that of the whole clip. Raises CourseError
    for another name.
    """
    path = CHECKPOINTS / f"fit_{name}.pth"
    there = sorted(p.stem.removeprefix("fit_") for p in CHECKPOINTS.glob("fit_*.pth"))
    if name not in there:
        raise CourseError(f"""There is no ready fit called {name!r} in {CHECKPOINTS}, expected
            {" or ".join(there) or "fit_default.pth"}. Use the package from a whole checkout of the
            course.""")
    return path


def describe(pack):
    """What is in a pack, in a few lines of plain text. Raises CourseError where a part cannot be read."""
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


def _read_manifest(path):
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
    if not is_plain_name(manifest["clip"]):
        raise CourseError(f"""{path}: clip is {manifest["clip"][:60]!r}, expected the name of a folder in
            data/""")
    for name, digest in manifest["files"].items():
        if (
            not all(is_plain_name(part) for part in name.split("/"))
            or not isinstance(digest, str)
            or len(digest) != 64
        ):
            raise CourseError(f"""{path}: files lists {name[:60]!r}, expected relative paths with their
                SHA-256""")
    return manifest


def is_plain_name(part):
    """Whether a part of a path names a file or folder below the one before it, on every system."""
    return (
        0 < len(part) <= 200
        and part not in (".", "..")
        and part.isprintable()
        and not set(part) & set('/\\:*?"<>|')
        and part[-1] not in " ."
    )


def listing(folder):
    """The first few names in a folder."""
    names = sorted(p.name for p in folder.iterdir() if not is_junk(p.name)) if folder.is_dir() else []
    return (
        ", ".join(printable(name) for name in names[:8]) + (", ..." if len(names) > 8 else "")
        if names
        else "nothing"
    )
