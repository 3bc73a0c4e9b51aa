"""The course as a zip: the same bytes each time, nothing of a student's, and it works from an empty
folder."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from lessons import build, bundle


@pytest.fixture(scope="module")
def zipped(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "dolphins-in-3d.zip"
    bundle.write(path)
    return path


def test_the_same_files_give_the_same_bytes(zipped, tmp_path):
    bundle.write(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == zipped.read_bytes()
    assert zipped.stat().st_size < 25e6  # what most learning platforms and mails take


def test_it_holds_the_course_and_nothing_of_a_students(zipped):
    names = zipfile.ZipFile(zipped).namelist()
    for name in (
        "README.md",
        "Makefile",
        "course_lib/__init__.py",
        "solutions/rotations.py",
        "assets/pack/manifest.json",
        "dolphins/cli.py",
        *(f"notebooks/{path.name}" for path in build.STUDENT.glob("*.ipynb")),
    ):
        assert f"dolphins-in-3d/{name}" in names
    assert not [name for name in names if re.search(r"my_work|__pycache__|/\.|\.nb[ci]$|\.part", name)]


def test_every_package_of_the_course_is_whole(zipped):
    names = set(zipfile.ZipFile(zipped).namelist())
    import_names = {
        path.relative_to(bundle.ROOT).as_posix()
        for folder in ("course_lib", "solutions", "dolphins")
        for path in (bundle.ROOT / folder).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and "my_work" not in path.parts
        and not path.name.startswith(".")
        and path.suffix not in (".nbi", ".nbc")
    }
    assert not {f"dolphins-in-3d/{name}" for name in import_names} - names


def test_a_notebook_alone_with_the_zip_starts(zipped, tmp_path):
    """As a student on Colab: a folder with nothing but a notebook and the zip, a Python in which no course is
    installed."""
    import torch

    (tmp_path / zipped.name).write_bytes(zipped.read_bytes())
    lesson = sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))[0]
    cells = nbformat.reads(build.notebook_text(lesson, solved=False), as_version=4).cells
    setup = next(cell.source for cell in cells if cell.cell_type == "code")
    packages = str(Path(torch.__file__).parents[1])
    program = (
        f"import sys; sys.path.append({packages!r})\n{setup}\nimport course_lib; print(course_lib.__file__)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert (
        "The course was unpacked from dolphins-in-3d.zip." in done.stdout
        and "every file is whole" in done.stdout
    )
    assert done.stdout.strip().endswith(str(tmp_path / "dolphins-in-3d" / "course_lib" / "__init__.py"))
