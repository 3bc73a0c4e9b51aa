"""A pack from a zip that somebody else made: unpacked without trusting it."""

import contextlib
import json
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import CourseError
from .clip_files import (
    FRAME_SUFFIXES,
    image_size,
    is_junk,
    load_prompts,
    numbered_images,
    one_line,
    printable,
)
from .inspection import inspect_pack
from .pack import AssetPack, is_plain_name
from .tutorial import TUTORIAL_CLIP, TUTORIAL_PROMPTS


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may hold; far above any clip that the course is made for, far below what hurts."""

    files: int = 20_000
    file_bytes: int = 1 << 30
    total_bytes: int = 4 << 30
    ratio: int = 250  # of a file's size to its packed size, for files beyond `ratio_from`
    ratio_from: int = 1 << 20


def import_zip(zip_path, destination, force=False, limits=ZipLimits()):
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
        raise CourseError(f"""{zip_path} is a folder, expected a zip. If it is an unpacked pack, use it with
            --pack {zip_path}""")
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
        raise CourseError(f"""{zip_path} could not be imported to {destination}: {error.strerror or error}.
            Nothing was changed; mend that (disk space? permissions?) and try again""") from None
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
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
    foreign = [
        p.name
        for p in destination.iterdir()
        if p.name not in ("model", "data", "manifest.json") and not is_junk(p.name)
    ]
    if foreign:
        raise CourseError(f"""{destination} holds other things than a pack ({", ".join(sorted(foreign)[:5])});
            it will not be replaced, and nothing was changed. Name another folder with --to""")


def _unpack(zip_path, target, limits):
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
                raise CourseError(f"""{zip_path} unpacks to {total / 1e6:.1f} MB, but only {free / 1e6:.1f} MB
                    are free at {target.parent.parent}; make room and try again""")
            for name, entry in wanted.items():
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, path.open("xb") as out:
                    left = entry.file_size
                    while chunk := source.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise CourseError(f"""{zip_path}: {entry.filename} is larger than it says; the zip
                                was made to deceive""")
                        out.write(chunk)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
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
    if sum(info.file_size for info in infos) > limits.total_bytes:
        raise CourseError(f"""{zip_path}: unpacks to {sum(info.file_size for info in infos)} bytes, expected
            at most {limits.total_bytes}""")
    entries = {}
    seen = {}  # paths as Windows and macOS compare them -> "file" or "folder"
    for info in infos:
        where = f"{zip_path}: entry {printable(info.filename)}"
        name = info.filename.replace("\\", "/")
        parts = [part for part in name.rstrip("/").split("/") if part != "."]
        if name.startswith("/") or not all(is_plain_name(part) for part in parts):
            raise CourseError(f"""{where} would be written outside the pack or has an impossible name,
                expected paths such as model/dolphin_model.pkl; nothing was unpacked""")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CourseError(f"""{where} is a link or a device, expected files and folders alone; nothing was
                unpacked""")
        if info.flag_bits & 0x1:
            raise CourseError(f"{where} is encrypted, expected a plain zip; nothing was unpacked")
        if info.file_size > limits.file_bytes:
            raise CourseError(f"""{where} unpacks to {info.file_size} bytes, expected at most
                {limits.file_bytes}; nothing was unpacked""")
        if info.file_size > limits.ratio_from and info.file_size > limits.ratio * max(1, info.compress_size):
            raise CourseError(f"""{where} unpacks from {info.compress_size} to {info.file_size} bytes, as zip
                bombs do; nothing was unpacked""")
        is_folder = name.endswith("/") or kind == stat.S_IFDIR
        for depth in range(1, len(parts) + 1):
            folded = unicodedata.normalize("NFC", "/".join(parts[:depth])).casefold()
            what = "file" if depth == len(parts) and not is_folder else "folder"
            if "file" in (what, seen.get(folded)) and folded in seen:
                raise CourseError(f"""{where} is there twice, but for upper and lower case; nothing was
                    unpacked""")
            seen[folded] = what
        if not is_folder and not any(is_junk(part) for part in parts):
            entries["/".join(parts)] = info
    return entries


def _find_prefix(names, zip_path):
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
        load_prompts(path, image_size(numbered_images(pack.frames_dir, FRAME_SUFFIXES)[0]), 1)
    except CourseError:  # frames that are faulty or of another size
        pack.prompts_path.unlink(missing_ok=True)
        return []
    return [f"{path.relative_to(pack.root).as_posix()}: added, with the points of the tutorial's notebook"]
