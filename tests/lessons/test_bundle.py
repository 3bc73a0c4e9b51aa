"""The zip of the course: the same bytes each time, nothing of a student's, it works from an empty folder."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from lessons import build, bundle

SOME = ("README.md", "Makefile", "assets/pack/manifest.json")


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
    for name in (*SOME, *(f"notebooks/{path.name}" for path in build.STUDENT.glob("*.ipynb"))):
        assert f"dolphins-in-3d/{name}" in names
    assert not [name for name in names if re.search(r"my_work|__pycache__|/\.|\.nb[ci]$|\.part", name)]


def test_every_package_of_the_course_is_whole(zipped):
    names = set(zipfile.ZipFile(zipped).namelist())
    folders = ("course_lib", "solutions", "dolphins")
    paths = [path for folder in folders for path in (bundle.ROOT / folder).rglob("*") if path.is_file()]
    ours = {path.relative_to(bundle.ROOT).as_posix() for path in paths}
    ours = {name for name in ours if not re.search(r"__pycache__|my_work|/\.[^/]*$|\.nb[ci]$", name)}
    assert ours and not {f"dolphins-in-3d/{name}" for name in ours} - names


def test_a_notebook_alone_with_the_zip_starts(zipped, tmp_path):
    """As on Colab: a folder with but a notebook and the zip, a Python in which no course is installed."""
    import torch

    (tmp_path / zipped.name).write_bytes(zipped.read_bytes())
    lesson = sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))[0]
    cells = nbformat.reads(build.notebook_text(lesson, solved=False), as_version=4).cells
    setup = next(cell.source for cell in cells if cell.cell_type == "code")
    program = f"""import sys; sys.path.append({str(Path(torch.__file__).parents[1])!r})
{setup}
import course_lib; print(course_lib.__file__)"""
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    said = done.stdout
    assert done.returncode == 0 and done.stderr == "", said + done.stderr
    assert "The course was unpacked from dolphins-in-3d.zip." in said and "every file is whole" in said
    assert said.strip().endswith(str(tmp_path / "dolphins-in-3d" / "course_lib" / "__init__.py"))
