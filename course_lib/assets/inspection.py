"""Whether a pack is sound: every file looked at."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..dolphin_model import model_file
from ..errors import CourseError, fold
from ..files import sha256
from ..shapes import fits, spell
from . import clip_files
from .clip_info import CLIP_JSON, read_clip_info
from .pack import AssetPack, listing

# The arrays in truth.npz (see assets/README.md) and their shapes.
TRUTH = dict(global_poses="T 1 3", joint_poses="T J 3", translations="T 1 3", part_scales="P 4")
TRUTH |= dict(vertices_tenth_mm="T V 3", masks_packed="T H W", size_wh="2")
TRUTH |= dict(heading_deg="T", length_m="", volume_m3="", time_s="T")


@dataclass
class Findings:
    """What `inspect_pack` found, a line each. Faults must be mended; notes are worth knowing."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify_pack(root):
    """Faults of a pack, a line each: which file, what was found, what was expected, what to do."""
    return inspect_pack(root).faults


def inspect_pack(root):
    """Checks each file of a pack: names, numbers, sizes, contents; checksums where there is a manifest."""
    return inspect_clip(AssetPack(root))


def inspect_clip(pack):
    """As `inspect_pack`, of a pack that knows which of its clips is meant."""
    check = _Inspection(pack)
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
            self.findings.faults.append(f"{name}: {fold(text)}")

    def note(self, path, text):
        self.findings.notes.append(f"{self.relative(path)}: {text}")

    def attempt(self, function, path, *arguments):
        """Reads a file. Its CourseError becomes a fault of the file that it names, and the result None."""
        try:
            return function(path, *arguments)
        except CourseError as error:
            text = clip_files.one_line(error)
            named, line, rest = re.match(r"(.*?)(?:, (line \d+))?: (.*)|", text).groups()
            if named and Path(named).is_relative_to(self.pack.root):
                path, text = Path(named), f"{line}: {rest}" if line else rest
            self.fault(path, text)
            return None

    def manifest(self):
        if not self.pack.root.is_dir():
            raise CourseError(f"{self.pack.root}: no such folder, expected a pack")
        if self.attempt(lambda path: self.pack.manifest, self.pack.manifest_path) is None:
            self.pack.manifest = {}  # reported; go on as without one

    def model(self):
        folder = self.pack.model_dir
        paths = {role: folder / name for role, name in model_file.MODEL_FILES.items()}
        for path in paths.values():
            if not path.is_file():
                text = f"""is missing (model/ holds: {listing(folder)}), expected the template's files;
                    rename or copy it there"""
                self.fault(path, text)
        present = {role for role, path in paths.items() if path.is_file()}
        model = self.attempt(model_file.load_model, paths["model"]) if "model" in present else None
        if model is None:
            return
        n_vertices, n_joints = model["weights"].shape
        if {"bones", "parts"} <= present:
            self.attempt(model_file.load_segmentation, paths["bones"], paths["parts"], n_vertices, n_joints)
        if "keypoints" in present:
            self.attempt(model_file.load_keypoints, paths["keypoints"], n_vertices)
        if "mesh" in present:
            self.attempt(model_file.load_face_uvs, paths["mesh"], torch.from_numpy(model["f"]))

    def clip(self):
        pack = self.pack
        if self.attempt(lambda path: pack.clip_name, pack.data_dir) is None:
            return
        frames = self.attempt(clip_files.numbered_images, pack.frames_dir, clip_files.FRAME_SUFFIXES)
        if frames is None:
            return
        size = self.images(frames, None, "most frames are")
        self.known(len(frames), size)
        if not pack.prompts_path.is_file():
            self.note(pack.prompts_path, "is missing; it is needed to segment the clip, and for nothing else")
        elif size is not None:
            self.attempt(clip_files.load_prompts, pack.prompts_path, size, len(frames))
        if not pack.segmentation_dir.is_dir():
            self.note(pack.segmentation_dir, "is missing; make the masks with: dolphins segment")
        elif masks := self.attempt(clip_files.numbered_masks, pack.segmentation_dir, len(frames)):
            self.images(masks, size, "its frame is", masks=True)
        if pack.truth_path:
            self.attempt(_check_truth, pack.truth_path, len(frames), size)

    def known(self, n_frames, size):
        """Frame rate, altitudes and camera, from clip.json or altitude.npy."""
        path, own = self.pack.altitude_path, self.pack.clip_dir / "metadata" / CLIP_JSON
        if not path.is_file() and not own.is_file():
            text = "is missing, expected the drone's altitude in each frame, in centimetres, as a .npy file"
            self.fault(path, text)
            return
        if path.is_file() and own.is_file():
            self.note(path, f"is not read: {CLIP_JSON} beside it has the altitudes")
        read = own if own.is_file() else path
        self.attempt(lambda _: read_clip_info(self.pack.clip_dir, n_frames, size), read)

    def images(self, paths, size, like, masks=False):
        """Checks all images. -> the size that they should have, the most common one if not given"""
        sizes = {path: found for path in paths if (found := self.attempt(clip_files.image_size, path))}
        if size is None and sizes:
            size = Counter(sizes.values()).most_common(1)[0][0]
        for path, found in sizes.items():
            if found != size:
                self.fault(path, f"is {found[0]} x {found[1]}, expected {size[0]} x {size[1]} as {like}")
            else:
                self.attempt(_check_image, path, masks)
        return size

    def listed(self):
        """Files that the manifest lists and that are not there, and the other way round."""
        expected = self.pack.manifest.get("files")
        if not expected:
            return
        self.digests = sha256_manifest(self.pack.root)
        unlisted = {digest: name for name, digest in self.digests.items() if name not in expected}
        for name, digest in expected.items():
            if name in self.digests:
                continue
            other = unlisted.pop(digest, None)
            text = "is missing, expected it as manifest.json lists it; copy it there again"
            if other:
                text = f"is missing, but {other} has its contents; rename it back"
            self.fault(self.pack.root / name, text)
            self.reported |= {name.rpartition("/")[0], other or ""}  # nor is its folder complete
        for name in unlisted.values():
            text = "is not listed in manifest.json; take it away, or make the manifest anew"
            self.fault(self.pack.root / name, text)

    def checksums(self):
        for name, digest in self.pack.manifest.get("files", {}).items():
            found = self.digests.get(name, digest)
            if found != digest:
                text = f"""has changed (SHA-256 {found[:12]}..., expected {digest[:12]}...); copy it again, or
                    make the manifest anew if you changed it"""
                self.fault(self.pack.root / name, text)


def sha256_manifest(root):
    """The SHA-256 of each file but manifest.json and hidden ones. -> {relative path: hex digest}, sorted"""
    digests = {}
    for path in sorted(Path(root).rglob("*")):
        name = path.relative_to(root)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and name != Path("manifest.json"):
            with path.open("rb") as file:
                digests[name.as_posix()] = sha256(file)
    return digests


def _check_image(path, is_mask):
    with clip_files.open_image(path) as image:
        if is_mask:
            clip_files.check_mask(clip_files.decode_image(image, path, "L"), path)
        else:  # an eighth of the resolution reads all of a JPEG and takes a fraction of the time
            image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
            clip_files.decode_image(image, path, "RGB")


def _check_truth(path, n_frames, size):
    with clip_files.open_npz(path) as truth:
        for name, layout in TRUTH.items():
            if name not in truth.files:
                raise CourseError(f"{path}: has no array {name}, expected {', '.join(TRUTH)}")
            array, layout = truth[name], layout.replace("T", str(n_frames))
            if not fits(array.shape, layout):
                expected = spell(re.sub("[A-Z]", "None", layout))
                raise CourseError(f"""{path}: {name} has shape {array.shape}, expected {expected} for
                    {n_frames} frames""")
            if name == "size_wh" and size is not None and tuple(array.tolist()) != size:
                raise CourseError(f"""{path}: was made for frames of {array.tolist()}, expected
                    {list(size)}""")
