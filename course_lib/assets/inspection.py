"""Whether a pack is sound: every file looked at."""

import hashlib
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..dolphin_model.model_file import (
    MODEL_FILES,
    load_face_uvs,
    load_keypoints,
    load_model,
    load_segmentation,
)
from ..errors import CourseError
from .clip_files import (
    FRAME_SUFFIXES,
    MASK_SUFFIXES,
    check_mask,
    decode_image,
    load_altitudes,
    load_prompts,
    numbered_images,
    one_line,
    open_image,
)
from .pack import AssetPack, listing


@dataclass
class Findings:
    """What `inspect_pack` found, a line each. Faults must be mended; notes are worth knowing."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify_pack(root):
    """Faults of a pack, a line each: which file, what was found, what was expected, what to do."""
    return inspect_pack(root).faults


def inspect_pack(root):
    """Check each file of a pack: names, numbers, sizes, contents; checksums where there is a manifest."""
    check = _Inspection(AssetPack(root))
    for step in (check.manifest, check.listed, check.model, check.clip, check.checksums):
        step()
    return check.findings


class _Inspection:
    """The checks of `inspect_pack`. A file is reported once, by the check that can say most about it."""

    def __init__(self, pack):
        self.pack = pack
        self.findings = Findings()
        self.reported = set()
        self.digests = {}

    def relative(self, path):
        return path.relative_to(self.pack.root).as_posix()

    def fault(self, path, text):
        name = self.relative(path)
        if name not in self.reported:
            self.reported.add(name)
            self.findings.faults.append(f"{name}: {text}")

    def note(self, path, text):
        self.findings.notes.append(f"{self.relative(path)}: {text}")

    def attempt(self, path, function, *arguments):
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

    def manifest(self):
        if not self.pack.root.is_dir():
            raise CourseError(f"{self.pack.root}: no such folder, expected a pack")
        if self.attempt(self.pack.manifest_path, lambda: self.pack.manifest) is None:
            self.pack.manifest = {}  # reported; go on as without one

    def model(self):
        folder = self.pack.model_dir
        paths = {role: folder / name for role, name in MODEL_FILES.items()}
        for path in paths.values():
            if not path.is_file():
                self.fault(
                    path,
                    f"is missing (model/ holds: {listing(folder)}), expected the template's files; rename "
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
            self.attempt(paths["mesh"], load_face_uvs, paths["mesh"], torch.from_numpy(model["f"]))

    def clip(self):
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

    def images(self, paths, size, like, masks=False):
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
    def image(path, is_mask):
        with open_image(path) as image:
            if is_mask:
                check_mask(decode_image(image, path, "L"), path)
            else:  # an eighth of the resolution reads all of a JPEG and takes a fraction of the time
                image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
                decode_image(image, path, "RGB")

    def listed(self):
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

    def checksums(self):
        for name, digest in self.pack.manifest.get("files", {}).items():
            found = self.digests.get(name, digest)
            if found != digest:
                self.fault(
                    self.pack.root / name,
                    f"has changed (SHA-256 {found[:12]}..., expected {digest[:12]}...); copy it again, or "
                    "make the manifest anew if you changed it",
                )


def sha256_manifest(root):
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


def _check_truth(path, n_frames, size):
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
                    raise CourseError(f"""{path}: {name} has shape {array.shape}, expected {shape} for {T}
                        frames""")
                if name == "size_wh" and size is not None and tuple(array.tolist()) != size:
                    raise CourseError(f"""{path}: was made for frames of {array.tolist()}, expected
                        {list(size)}""")
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CourseError(f"""{path}: not a whole .npz file of numbers ({one_line(error)}); copy it
            again""") from None
