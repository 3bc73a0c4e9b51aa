"""The course as a zip, for those who cannot or will not clone it: dist/dolphins-in-3d.zip (`make bundle`).

Put beside a notebook, its first cell unpacks it. Unpacked by hand, `make lab` and `make demo` work in it. The same files give the
same bytes.
"""

import argparse
import os
import zipfile
from pathlib import Path

from course_lib.errors import CourseError

from .build import ROOT

NAME = "dolphins-in-3d"
FILES = ("README.md", "LICENSE", "Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "autograder/__init__.py")
FOLDERS = ("notebooks", "solutions", "course_lib", "dolphins", "assets/pack", "assets/checkpoints", "assets/pictures")
SUFFIXES = (".py", ".j2", ".ipynb", ".png", ".jpg", ".jpeg", ".webp", ".svg", ".npy", ".npz", ".pkl", ".obj", ".mtl", ".json",
            ".md", ".txt", ".pth", ".mp4", ".html", ".csv")
PACKED = (".png", ".jpg", ".jpeg", ".webp", ".npz", ".mp4")                 # compressed already
NOT_OURS = ("my_work", "__pycache__", "out")


def files(root=ROOT):
    """The files of the bundle, by their path in the course, sorted."""
    found = [root / name for name in FILES]
    for folder in FOLDERS:
        found += [path for path in (root / folder).rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    names = {path.relative_to(root).as_posix(): path for path in found}
    return {name: names[name] for name in sorted(names)
            if not any(part in NOT_OURS or part.startswith(".") for part in name.split("/"))}


def write(path, root=ROOT):
    """Writes the bundle. -> number of files, bytes of the zip"""
    chosen = files(root)
    missing = [name for name, file in chosen.items() if not file.is_file()]
    if missing:
        raise CourseError(f"These files of the course are missing: {', '.join(missing)}. Is {root} a whole checkout?")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w") as packed:
        for name, file in chosen.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if file.suffix in PACKED else zipfile.ZIP_DEFLATED
            packed.writestr(entry, file.read_bytes())
    os.replace(part, path)
    return len(chosen), path.stat().st_size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=ROOT / "dist" / f"{NAME}.zip")
    path = parser.parse_args().path
    count, size = write(path)
    print(f"{path}: {count} files, {size / 1e6:.1f} MB. Give it to students with the notebooks; it goes beside them.")


if __name__ == "__main__":
    main()
