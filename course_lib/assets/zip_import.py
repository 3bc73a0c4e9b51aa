"""A pack from a zip that somebody else made: unpacked without trusting it."""

import contextlib
import itertools
import json
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..errors import CourseError, fold
from ..file_kind import check
from . import clip_files
from .clip_files import is_junk, one_line, printable
from .inspection import inspect_pack
from .pack import AssetPack, is_plain_name

# What the tutorial tells its segmenter about its own clip; its zip does not hold it.
TUTORIAL_CLIP = "2024_08_20_DF2_S8_SW_TT_ELM-fb_23450-fe_23950"
ON_THE_ANIMAL = [[360, 245], [326, 287], [334, 293], [336, 280], [348, 251], [348, 262], [356, 259]]
BESIDE_IT = [[273, 272], [290, 229], [280, 245], [546, 125], [339, 180], [402, 311], [316, 261]]
TUTORIAL_PROMPTS = {"frame": 0, "points": ON_THE_ANIMAL + BESIDE_IT, "labels": [1] * 7 + [0] * 7}


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may hold; far above any clip that the course is made for, far below what hurts."""

    files: int = 20_000
    file_bytes: int = 1 << 30
    total_bytes: int = 4 << 30
    ratio: int = 250  # of a file's size to its packed size, for files beyond `ratio_from`
    ratio_from: int = 1 << 20


def import_zip(zip_path, destination, force=False, limits=ZipLimits()):
    """Checks a zip of model/ and data/CLIP/ (at its top or in a folder) and unpacks it. -> (AssetPack, notes)

    All or nothing: it is unpacked beside the destination, checked as by `inspect_pack`, and moved into place
    when sound. An existing destination is left alone, unless `force` says to replace it: then it goes once
    the new pack is in place. Raises CourseError with a line per fault.
    """
    zip_path, destination = Path(zip_path), Path(destination)
    if not zip_path.exists():
        raise CourseError(f"{zip_path}: no such file, expected a zip with model/ and data/CLIP/")
    if zip_path.is_dir():
        raise CourseError(f"""{zip_path} is a folder, expected a zip. If it is an unpacked pack, use it with
            --pack {zip_path}""")
    _check_destination(destination, force)
    made = [folder for folder in destination.parents if not folder.exists()]  # innermost first
    beside = dict(prefix=f".{destination.name}.", dir=destination.parent, ignore_cleanup_errors=True)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(**beside) as staging:
            new = Path(staging, "new")
            notes = _unpack(zip_path, new, limits) + _add_tutorial_prompts(AssetPack(new))
            findings = inspect_pack(new)
            if findings.faults:
                faults = "\n".join(f"  {fault}" for fault in findings.faults)
                found = f"{len(findings.faults)} fault(s), nothing was imported"
                raise CourseError(f"{zip_path}: {found}:\n{faults}")
            _check_destination(destination, force)
            files.put_in_place(new, destination)
    except OSError as error:
        raise CourseError(f"""{zip_path} could not be imported to {destination}: {error.strerror or error}.
            Nothing was changed; mend that (disk space? permissions?) and try again""") from None
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # not empty: the pack is there
                folder.rmdir()
    return AssetPack(destination), notes + findings.notes


def _check_destination(destination, force):
    if not (destination.exists() or destination.is_symlink()):
        return
    if not force:
        raise CourseError(f"""{destination} is there already; nothing was changed. Name another folder with
            --to, or replace it with --force""")
    if destination.is_symlink() or not destination.is_dir():
        raise CourseError(f"""{destination} is not a folder, expected a pack to replace; nothing was changed.
            Name another with --to""")
    names = {path.name for path in destination.iterdir() if not is_junk(path.name)}
    foreign = sorted(names - {"model", "data", "manifest.json"})
    if foreign:
        raise CourseError(f"""{destination} holds other things than a pack ({", ".join(foreign[:5])});
            it will not be replaced, and nothing was changed. Name another folder with --to""")


def _unpack(zip_path, target, limits):
    """Unpacks model/, data/ and manifest.json into the new folder `target`. -> notes on what was left out"""
    try:
        with zipfile.ZipFile(zip_path) as archive:
            entries = _checked_entries(archive, zip_path, limits)
            prefix = _find_prefix(entries, zip_path)
            kept = tuple(f"{prefix}{part}" for part in ("model/", "data/"))
            wanted = [name for name in entries if name.startswith(kept) or name == f"{prefix}manifest.json"]
            total = sum(entries[name].file_size for name in wanted)
            free = shutil.disk_usage(target.parent).free
            if total > free:
                raise CourseError(f"""{zip_path} unpacks to {total / 1e6:.1f} MB, but only {free / 1e6:.1f} MB
                    are free at {target.parent.parent}; make room and try again""")
            for name in wanted:
                path = target / name.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                # What is read is never longer than the entry says: zipfile stops there and finds it damaged.
                with archive.open(entries[name]) as source, path.open("xb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
        check(zip_path, "a whole zip file", "a zip archive", "pack model/ and data/ into a zip")
        raise CourseError(f"""{zip_path}: not a whole zip file ({one_line(error)}); download it
            again""") from None
    except NotImplementedError as error:
        raise CourseError(f"""{zip_path}: packed in a way that cannot be read ({one_line(error)}); pack it
            again as a plain zip""") from None
    except (RuntimeError, ValueError, zlib.error) as error:
        raise CourseError(f"{zip_path}: cannot be unpacked ({one_line(error)}); download it again") from None
    n_left = len(entries) - len(wanted)
    return [f"{n_left} other file(s) in the zip were left out"] if n_left else []


def _checked_entries(archive, zip_path, limits):
    """The archive's files by their path, after all of its entries were found harmless."""
    infos = archive.infolist()
    if len(infos) > limits.files:
        raise CourseError(f"{zip_path}: holds {len(infos)} entries, expected at most {limits.files}")
    total = sum(info.file_size for info in infos)
    if total > limits.total_bytes:
        raise CourseError(f"{zip_path}: unpacks to {total} bytes, expected at most {limits.total_bytes}")
    entries = {}
    seen = {}  # paths as Windows and macOS compare them -> whether a file is there
    for info in infos:
        name = info.filename.replace("\\", "/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        parts = [part for part in name.rstrip("/").split("/") if part != "."]
        is_file = not name.endswith("/") and kind != stat.S_IFDIR
        harm = _harm(info, parts, kind, limits)
        for path in _along(parts):
            folded = unicodedata.normalize("NFC", path).casefold()
            ends_here = is_file and path == "/".join(parts)
            if folded in seen and (ends_here or seen[folded]):
                harm = harm or "is there twice, but for upper and lower case"
            seen[folded] = ends_here
        if harm:
            raise CourseError(f"{zip_path}: entry {printable(info.filename)} {harm}; nothing was unpacked")
        if is_file and not any(is_junk(part) for part in parts):
            entries["/".join(parts)] = info
    return entries


def _harm(info, parts, kind, limits):
    """What speaks against unpacking an entry of a zip; None if nothing does."""
    size, packed = info.file_size, info.compress_size
    if not all(is_plain_name(part) for part in parts):
        return fold("""would be written outside the pack or has an impossible name, expected paths such as
            model/dolphin_model.pkl""")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, expected files and folders alone"
    if info.flag_bits & 0x1:
        return "is encrypted, expected a plain zip"
    if size > limits.file_bytes:
        return f"unpacks to {size} bytes, expected at most {limits.file_bytes}"
    if size > limits.ratio_from and size > limits.ratio * max(1, packed):
        return f"unpacks from {packed} to {size} bytes, as zip bombs do"
    return None


def _along(parts):
    """The folders that a path leads through, and the path itself: a, a/b, a/b/c."""
    return list(itertools.accumulate(parts, "{}/{}".format))


def _find_prefix(names, zip_path):
    """What stands before model/ and data/ in the zip: "" or "folder/"."""
    folders = {folder for name in names for folder in _along(name.split("/")[:-1])[:4]}
    prefixes = {folder.removesuffix("model") for folder in folders if f"/{folder}".endswith("/model")}
    prefixes = [prefix for prefix in prefixes if f"{prefix}data" in folders]
    if len(prefixes) != 1:
        tops = sorted(f"{printable(folder)}/" for folder in folders if "/" not in folder)
        found = ", ".join(tops[:8]) or "no folders"
        raise CourseError(f"""{zip_path}: has {len(prefixes)} places with both model/ and data/ (at its top:
            {found}), expected model/ and data/CLIP/ once, at its top or in one folder; pack it again like
            that""")
    return prefixes[0]


def _add_tutorial_prompts(pack):
    """The tutorial's zip has its clip's points in the notebook; put them where packs have theirs."""
    try:
        path = pack.prompts_path
        if pack.clip_name != TUTORIAL_CLIP or path.exists() or not path.parent.is_dir():
            return []
        path.write_text(json.dumps(TUTORIAL_PROMPTS) + "\n")
        frames = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
        clip_files.load_prompts(path, clip_files.image_size(frames[0]), 1)
    except CourseError:  # frames that are faulty or of another size
        pack.prompts_path.unlink(missing_ok=True)
        return []
    return [f"{path.relative_to(pack.root).as_posix()}: added, with the points of the tutorial's notebook"]
