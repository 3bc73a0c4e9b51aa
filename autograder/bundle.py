"""The whole course as a zip, solutions included, for those who do not clone it: `make bundle`, dist/dolphins-in-3d.zip.

Put beside a notebook, its first cell unpacks it. Unpacked by hand, `make lab` and `make demo` work in it. The same files give the
same bytes. What a class gets, without the solutions of its exercises, is made by release.py.
"""

import argparse
from pathlib import Path

from course_lib.errors import CourseError

from . import release
from .release import NAME, ROOT

FILES = ("README.md", *release.SETTINGS)
FOLDERS = (*release.GIVEN, "notebooks", "solutions", "autograder", "dolphins", "assets/pictures")


def files(root=ROOT):
    """The files of the bundle, by their path in the course, sorted."""
    return dict(sorted(({name: root / name for name in FILES} | release.below(FOLDERS, root)).items()))


def write(path, root=ROOT):
    """Writes the bundle. -> number of files, bytes of the zip"""
    chosen = files(root)
    missing = [name for name, file in chosen.items() if not file.is_file()]
    if missing:
        raise CourseError(f"These files of the course are missing: {', '.join(missing)}. Is {root} a whole checkout?")
    content = {name: file.read_bytes() for name, file in chosen.items()}
    content[release.MANIFEST] = release.manifest(content).encode()
    return len(content), release.write_zip(path, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=ROOT / "dist" / f"{NAME}.zip")
    path = parser.parse_args().path
    count, size = write(path)
    print(f"{path}: {count} files, {size / 1e6:.1f} MB. Give it to students with the notebooks; it goes beside them.")


if __name__ == "__main__":
    main()
