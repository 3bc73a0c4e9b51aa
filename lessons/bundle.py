"""The whole course as a zip, solutions included, for those who do not clone it: `make bundle`,
dist/dolphins-in-3d.zip.

Put beside a notebook, its first cell unpacks it. Unpacked by hand, `make lab` and `make demo` work in it. The
same files give the same bytes. What a class gets, without the solutions of its exercises, is made by
release.py.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

from course_lib.errors import CourseError

from .build import ROOT

NAME = "dolphins-in-3d"
SETTINGS = ("LICENSE", "Makefile", "pyproject.toml", "constraints.txt", "environment.yml")
GIVEN = ("course_lib", "assets/pack", "assets/checkpoints")
SUFFIXES = (
    ".py",
    ".j2",
    ".ipynb",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".svg",
    ".npy",
    ".npz",
    ".pkl",
    ".obj",
    ".mtl",
    ".json",
    ".md",
    ".txt",
    ".pth",
    ".mp4",
    ".html",
    ".csv",
)
PACKED = (".png", ".jpg", ".jpeg", ".webp", ".npz", ".mp4")  # compressed already
NOT_OURS = ("my_work", "__pycache__", "out")
MANIFEST = "MANIFEST.json"
FILES = ("README.md", *SETTINGS)
FOLDERS = (*GIVEN, "notebooks", "solutions", "lessons", "autograder", "dolphins", "assets/pictures")


def below(folders, root=ROOT):
    """The course's own files below folders of it. -> {path in the course: Path}, sorted"""
    found = [
        path
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.suffix in SUFFIXES and path.is_file()
    ]
    names = {path.relative_to(root).as_posix(): path for path in found}
    return {
        name: names[name]
        for name in sorted(names)
        if not any(part in NOT_OURS or part.startswith(".") for part in name.split("/"))
    }


def version():
    found = re.search(
        r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[1]


def manifest(content, **more):
    """What a bundle holds. -> text of MANIFEST.json; `sha256` is of the lines "DIGEST  PATH" of `files`,
    as sha256sum writes them"""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    head = {"name": NAME, "version": version(), **more, "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    return json.dumps({**head, "files": digests}, indent=1, ensure_ascii=False) + "\n"


def write_zip(path, content):
    """Writes files as a zip whose bytes depend on nothing but them. content: {path: bytes} -> bytes of the
    zip"""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w") as packed:
        for name, data in content.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # as on Unix, wherever it is made
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)
    os.replace(part, path)
    return path.stat().st_size


def write_folder(path, content):
    """Writes files as a folder.

    One that is there is replaced if it is an earlier release in which nothing was changed.
    """
    path = Path(path)
    if path.exists():
        changed = foreign_files(path)
        if changed:
            raise CourseError(f"""{path} holds what no release wrote, or what was changed since:
                {", ".join(changed[:3])}{" ..." if len(changed) > 3 else ""}. Name another folder.""")
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for name, data in content.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(data)
    if path.exists():
        shutil.rmtree(path)
    os.replace(part, path)
    return sum(map(len, content.values()))


def foreign_files(path):
    """The files of a folder that are not as a manifest in it says."""
    if not path.is_dir():
        return [path.name]
    there = {
        file.relative_to(path).as_posix(): file
        for file in path.rglob("*")
        if file.is_file() or file.is_symlink()
    }
    try:
        listed = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return sorted(there)
    return sorted(
        name
        for name, file in there.items()
        if name != MANIFEST
        and "__pycache__" not in name
        and (file.is_symlink() or listed.get(name) != hashlib.sha256(file.read_bytes()).hexdigest())
    )


def files(root=ROOT):
    """The files of the bundle, by their path in the course, sorted."""
    return dict(sorted(({name: root / name for name in FILES} | below(FOLDERS, root)).items()))


def write(path, root=ROOT):
    """Writes the bundle. -> number of files, bytes of the zip"""
    chosen = files(root)
    missing = [name for name, file in chosen.items() if not file.is_file()]
    if missing:
        raise CourseError(f"""These files of the course are missing: {", ".join(missing)}. Is {root} a whole
            checkout?""")
    content = {name: file.read_bytes() for name, file in chosen.items()}
    content[MANIFEST] = manifest(content).encode()
    return len(content), write_zip(path, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=ROOT / "dist" / f"{NAME}.zip")
    path = parser.parse_args().path
    count, size = write(path)
    print(
        f"{path}: {count} files, {size / 1e6:.1f} MB. Give it to students with the notebooks; it goes beside them."
    )


if __name__ == "__main__":
    main()
