"""The whole course as a zip, solutions included, for those who do not clone it: `make bundle`.

Put beside a notebook, its first cell unpacks it. Unpacked by hand, `make lab` and `make demo` work in it. The
same files give the same bytes. What a class gets, without the solutions of its exercises, is made by
autograder/release.py.
"""

import argparse
import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.files import replacing

from .build import ROOT

NAME = "dolphins-in-3d"
SETTINGS = ("LICENSE", "Makefile", "pyproject.toml", "constraints.txt", "environment.yml")
GIVEN = ("course_lib", "assets/pack", "assets/checkpoints", "assets/footage")
PACKED = (".png", ".jpg", ".jpeg", ".webp", ".npz", ".mp4")  # compressed already
SUFFIXES = (*PACKED, *".py .j2 .ipynb .svg .npy .pkl .obj .mtl .json .md .txt .pth .html .csv .srt".split())
NOT_OURS = ("my_work", "__pycache__", "out")
MANIFEST = "MANIFEST.json"
FILES = ("README.md", *SETTINGS)
FOLDERS = (*GIVEN, "notebooks", "solutions", "lessons", "autograder", "dolphins", "assets/pictures")


def below(folders):
    """The course's own files below folders of it. -> {path in the course: Path}, sorted"""
    found = {}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*")):
        name = path.relative_to(ROOT)
        ours = not any(part in NOT_OURS or part.startswith(".") for part in name.parts)
        if ours and path.suffix in SUFFIXES and path.is_file():
            found[name.as_posix()] = path
    return dict(sorted(found.items()))


def version():
    """The course's version, of pyproject.toml."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "([^"]+)"', project, re.MULTILINE)[1]


def manifest(content, **more):
    """What a bundle holds. -> text of MANIFEST.json

    content: {path: bytes}; more: further entries. `sha256` is of the lines "DIGEST  PATH" of `files`, as
    sha256sum writes them.
    """
    digests = {name: _digest(data) for name, data in content.items()}
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    head = {"name": NAME, "version": version(), **more, "sha256": _digest(lines.encode())}
    return json.dumps({**head, "files": digests}, indent=1, ensure_ascii=False) + "\n"


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def write_zip(path, content):
    """Writes files as a zip whose bytes depend on nothing but them. -> bytes of the zip

    content: {path: bytes}.
    """
    with replacing(path) as part, zipfile.ZipFile(part, "w") as packed:
        for name, data in content.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # as on Unix, wherever it is made
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)
    return Path(path).stat().st_size


def write_folder(path, content):
    """Writes files as a folder. -> bytes of them all

    content: {path: bytes}. A folder that is there is replaced if it is an earlier release in which nothing
    was changed.
    """
    path = Path(path)
    changed = foreign_files(path) if path.exists() else []
    if changed:
        raise CourseError(f"""{path} holds what no release wrote, or what was changed since:
            {", ".join(changed[:3])}{" ..." if len(changed) > 3 else ""}. Name another folder.""")
    with replacing(path) as part:
        for name, data in content.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(data)
        shutil.rmtree(path, ignore_errors=True)
    return sum(map(len, content.values()))


def foreign_files(path):
    """The files of a folder that are not as a manifest in it says."""
    if not path.is_dir():
        return [path.name]
    found = [file for file in path.rglob("*") if file.is_file() or file.is_symlink()]
    there = {file.relative_to(path).as_posix(): file for file in found}
    try:
        listed = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return sorted(there)
    changed = []
    for name, file in sorted(there.items()):
        left_out = name == MANIFEST or "__pycache__" in name
        if not left_out and (file.is_symlink() or listed.get(name) != _digest(file.read_bytes())):
            changed.append(name)
    return changed


def read(chosen):
    """Reads files of the course. -> {path in the course: bytes}, sorted

    chosen: {path in the course: Path}. Raises CourseError where one is missing.
    """
    missing = [name for name, file in chosen.items() if not file.is_file()]
    if missing:
        raise CourseError(f"""These files of the course are missing: {", ".join(missing)}. Is {ROOT} a whole
            checkout?""")
    return {name: file.read_bytes() for name, file in sorted(chosen.items())}


def write(path):
    """Writes the bundle. -> number of files, bytes of the zip"""
    content = read({name: ROOT / name for name in FILES} | below(FOLDERS))
    content[MANIFEST] = manifest(content).encode()
    return len(content), write_zip(path, content)


def main():
    """Writes the bundle where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=ROOT / "dist" / f"{NAME}.zip")
    path = parser.parse_args().path
    count, size = write(path)
    size = f"{count} files, {size / 1e6:.1f} MB"
    print(f"{path}: {size}. Give it to students with the notebooks; it goes beside them.")


if __name__ == "__main__":
    main()
