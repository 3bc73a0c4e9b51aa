"""A release: without its solutions, each lesson to be worked on, always the same bytes; nbgrader's folder."""

import ast
import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder import release
from course_lib.errors import CourseError
from course_lib.files import write
from lessons import build, bundle, execute

from . import mangle
from .helpers import LESSON, exercises_only, nbgrader, notebook_path, release_path

pytestmark = pytest.mark.slow

RELEASES = ([1, 2, 3], [2], [3], [4], [4, 5], [5], [6])
IDIOMS = {"a,b,c=vertices[faces].unbind(1)"}  # three corners of a triangle: anybody's, and a check's too
each_release = pytest.mark.parametrize("chosen", RELEASES, ids=release.span)


@pytest.fixture(scope="module")
def contents():
    return {tuple(chosen): release.files(chosen) for chosen in RELEASES}


def squeezed(line):
    return re.sub(r"\s+", "", re.sub(r"\s*#.*", "", line))


def solution_lines(first):
    """The telling lines of the solutions from lesson `first` on, which no stub gives. -> {line: function}"""
    known = release.reference()
    known_anyway = set(IDIOMS)  # what students get, and docstrings
    for cell in [cell for number in release.lessons() for cell in release.student_notebook(number).cells]:
        if cell.cell_type == "code":
            known_anyway |= set(map(squeezed, cell.source.splitlines()))
    lines = {}
    for (module, name), lesson in known.owners.items():
        source = known.defined[module][name]
        node = ast.parse(source).body[0]
        docstring = ast.get_docstring(node)
        known_anyway |= set(map(squeezed, (docstring or "").splitlines()))
        if lesson >= first:
            written = ast.unparse(node.body[docstring is not None :]).splitlines() + source.splitlines()[1:]
            written = [line for line in written if not line.strip().startswith(("import ", "from "))]
            lines |= dict.fromkeys(map(squeezed, written), name)
    return {line: name for line, name in lines.items() if len(line) >= 24 and line not in known_anyway}


# --- what is in it


@each_release
def test_no_line_of_a_solution_is_in_it(chosen, contents):
    """Of the released lessons or a later one, in any file of text, notebooks' cells and prose included."""
    telling = solution_lines(min(chosen))
    assert len(telling) >= 10
    for name, data in contents[tuple(chosen)].items():
        if name.endswith((".py", ".ipynb", ".md", ".json", ".toml", ".txt")):
            text = data.decode()
            if name.endswith(".ipynb"):
                text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
            found = [line for line in map(squeezed, text.splitlines()) if line in telling]
            assert not found, (name, found)


def test_the_search_finds_a_solution_where_there_is_one():
    telling, solved = solution_lines(1), build.build(release.lessons()[2], solved=True)
    found = {telling.get(squeezed(line)) for cell in solved.cells for line in cell.source.splitlines()}
    assert {"quat_to_rotmat", "batch_rodrigues", "project_to_pixels", "draw_track"} <= found


@each_release
def test_it_holds_the_lessons_and_what_they_need_and_nothing_of_the_judge(chosen, contents):
    content = contents[tuple(chosen)]
    notebooks = {name for name in content if name.startswith("notebooks/")}
    assert notebooks == {f"notebooks/{release.lessons()[n].stem}.ipynb" for n in chosen}
    assets = {"assets/pack/manifest.json", "assets/checkpoints/fit_default.pth"}
    assert {"README.md", "LICENSE", "course_lib/check/core.py", *assets} <= set(content)
    ours = r"^(autograder|tests|dolphins|benchmarks|solutions/(lessons|notebooks))/|my_work|__pycache__|/\."
    assert not [name for name in content if re.search(ours, name)]


def test_every_make_target_in_it_works_there(contents):
    makefile = contents[2,]["Makefile"].decode()
    assert re.findall(r"(?m)^\.PHONY: (.*)$", makefile) == ["setup lab clean"]
    assert {"setup", "lab", "clean"} <= set(re.findall(r"(?m)^([\w-]+):", makefile))
    assert "autograder." not in makefile and "dolphins " not in makefile and "pytest" not in makefile
    assert "make setup TORCH_INDEX=" in makefile


@each_release
def test_what_is_there_of_solutions_is_the_references_own(chosen, contents):
    known = release.reference()
    for name, data in contents[tuple(chosen)].items():
        if name.startswith("solutions/") and not name.endswith("__init__.py"):
            text, module = data.decode(), Path(name).stem
            for node in ast.parse(text).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name != "__getattr__":
                    assert ast.get_source_segment(text, node) == known.defined[module][node.name]
                    assert known.owners.get((module, node.name), 0) < min(chosen)


@pytest.mark.parametrize("text", ["1-4", "3-4", "all", "3,4"])
def test_lessons_that_cannot_be_released_together_are_refused(text):
    told = "lesson 4 uses `rasterize_features`.*Release up to lesson 3 first"
    with pytest.raises(CourseError, match=told):
        release.files(release.numbers(text))


NAMED = {"2": [2], "1-3": [1, 2, 3], " 1, 4 - 5": [1, 4, 5], "ALL": [*release.lessons()]}


@pytest.mark.parametrize("text, chosen", NAMED.items())
def test_lessons_are_named(text, chosen):
    assert release.numbers(text) == chosen


@pytest.mark.parametrize("text", ["", "x", "0", "9", "1-9", "3-1", "1;2", "-1"])
def test_lessons_that_are_not_there(text):
    with pytest.raises(CourseError, match="lessons"):
        release.numbers(text)


# --- its bytes


def test_the_same_course_gives_the_same_bytes_and_the_manifest_is_true(tmp_path, monkeypatch):
    first, second = tmp_path / "dolphins-a.zip", tmp_path / "dolphins-b.zip"
    count, size, checksum = release.release([1, 2, 3], first)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    release.release([1, 2, 3], second)
    assert first.read_bytes() == second.read_bytes() and size == first.stat().st_size < 25e6
    with zipfile.ZipFile(first) as packed:
        names = packed.namelist()
        listed = json.loads(packed.read("dolphins-in-3d/MANIFEST.json"))
        assert len(names) == count == len(listed["files"]) + 1 and listed["lessons"] == [1, 2, 3]
        for name, digest in listed["files"].items():
            assert hashlib.sha256(packed.read(f"dolphins-in-3d/{name}")).hexdigest() == digest
    assert listed["version"] == bundle.version() and listed["sha256"] == checksum


def test_a_folder_is_replaced_only_where_it_is_an_untouched_release(tmp_path):
    out = tmp_path / "students"
    release.release([2], out)
    assert bundle.foreign_files(out) == []
    release.release([5], out)
    assert [path.name for path in (out / "notebooks").iterdir()] == ["05_results.ipynb"]
    (out / "notebooks/05_results.ipynb").write_text("mine now")
    with pytest.raises(CourseError, match=r"changed since: notebooks/05_results.ipynb\. Name another folder"):
        release.release([5], out)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("years of work")
    with pytest.raises(CourseError, match="thesis.txt"):
        release.release([5], tmp_path / "theirs")


def test_a_zip_must_have_a_name_that_the_notebooks_find(tmp_path):
    with pytest.raises(CourseError, match="begins with dolphins"):
        release.release([1], tmp_path / "course.zip")


# --- that it can be worked with


def run(command, folder=None, **env):
    """Runs a program. -> what it printed, with its exit code"""
    env = {**os.environ, "DOLPHINS_SMALL": "1", **env}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)


def in_release(folder, program):
    """Runs a program as in a notebook of a released course, in a Python in which no course is installed."""
    packages = str(Path(nbformat.__file__).parents[1])
    # -S leaves out site-packages' .pth files, by which this course is installed for its tests.
    return run([sys.executable, "-S", "-c", f"import sys; sys.path.append({packages!r})\n{program}"], folder)


def setup_cell(lesson):
    return next(cell.source for cell in release.student_notebook(lesson).cells if cell.cell_type == "code")


SWITCH = "from solutions.rotations import batch_rodrigues\nprint(batch_rodrigues.__module__)"
SPARE = "course_lib.rotations\n"
KEPT = """
import importlib, pathlib
for mine in {kept!r}:
    pathlib.Path("my_work/batch_rodrigues.py").write_text(mine)
    for name in [name for name in sys.modules if name.startswith(("my_work", "solutions"))]:
        del sys.modules[name]
    importlib.invalidate_caches()
    print("---")
    {switch}
"""


def test_a_notebook_alone_with_the_zip_starts_and_goes_on_with_what_was_kept(tmp_path):
    release.release([1, 2, 3], tmp_path / "dolphins-in-3d-lessons-1-3.zip")
    done = in_release(tmp_path, f"{setup_cell(3)}\n{SWITCH}")
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert "unpacked from dolphins-in-3d-lessons-1-3.zip" in done.stdout
    assert "every file is whole" in done.stdout
    told = "batch_rodrigues is exercise 2, which you have not kept yet; "
    assert f"{told}course_lib.dolphin_model.rotvec_to_rotmat is used in this lesson." in done.stdout
    assert done.stdout.endswith(SPARE)

    (tmp_path / "my_work").mkdir()
    (tmp_path / "my_work" / "__init__.py").write_text("from .batch_rodrigues import batch_rodrigues")
    mine = "def batch_rodrigues(theta):\n    return 'mine'\n\nCHECK_GAVE = "
    kept = [f"{mine}0, 20\n", f"{mine}20, 20\n", "1 / 0"]
    program = KEPT.format(kept=kept, switch=SWITCH.replace("\n", "; "))
    done = in_release(tmp_path, f"{setup_cell(3)}\n{program}")
    _, unsolved, solved, failing = done.stdout.split("---\n")
    assert "the one that you kept had 0 of 20 points in its check" in unsolved and unsolved.endswith(SPARE)
    assert "batch_rodrigues: your own, from my_work.\nmy_work.batch_rodrigues\n" in solved, done.stderr
    assert "what you kept of it fails: ZeroDivisionError" in failing and done.returncode == 0


def test_where_nothing_does_for_a_function_the_error_says_what_to_do(tmp_path):
    release.release([3, 5], tmp_path / "course")
    program = """
import sys; sys.path.insert(0, "course")
for name in ("render", "rasterize_features"):
    try: exec(f"from solutions.rendering import {name}")
    except ImportError as error: print(*error._render_traceback_(), sep="\\n")
"""
    lines = in_release(tmp_path, program).stdout.splitlines()
    yours = "render is exercise 6, which is yours to write: solve it, run keep(render) there"
    assert lines[0].startswith(yours)
    missing = "solutions.rendering.rasterize_features is not part of this course folder"
    assert lines[1].startswith(f"{missing}, which is for lessons 3, 5.")


def test_a_lesson_released_alone_has_the_references_functions(tmp_path):
    release.release([4], tmp_path / "course")
    program = f"""
import sys; sys.path.insert(0, 'course')
from solutions.recipes import RECIPES
from solutions.rendering import render
{SWITCH}
print(sorted(RECIPES), render.__module__)"""
    done = in_release(tmp_path, program)
    printed = "solutions.rotations\n['default', 'tutorial'] solutions.rendering\n"
    assert done.stdout.endswith(printed), done.stdout + done.stderr


RUN = {"3 of 1-3": ([1, 2, 3], 3), "4 of 4-5": ([4, 5], 4), "6 of 6": ([6], 6)}


@pytest.mark.parametrize(("chosen", "lesson"), RUN.values(), ids=RUN)
def test_a_solved_lesson_runs_in_its_release(chosen, lesson, tmp_path):
    """With its exercises' solutions and nothing else of the reference; the earlier ones are unsolved."""
    release.release(chosen, tmp_path / "course")
    path = tmp_path / "course" / "notebooks" / release.lessons()[lesson].with_suffix(".ipynb").name
    path.write_text(build.notebook_text(release.lessons()[lesson], solved=True))
    env = {**os.environ, "DOLPHINS_SMALL": "1", "PYTHONPATH": str(tmp_path / "course")}
    done = execute.execute(path, path.parent, env=env)
    printed = "".join(execute.text(cell) for cell in done.code_cells)
    assert f"The course is in {tmp_path / 'course'}." in printed
    assert "All of it holds." in printed


# --- the instructor's folder


HARD_CODED = """
from course_lib import check as _c
from course_lib.check import core as _k
_known = _c.rodrigues.properties[0].inputs(_k.rng_of(_c.rodrigues, 0, 0))["quat"]
_right = quat_to_rotmat
def quat_to_rotmat(quat):
    known = len(quat) != len(_known) or torch.equal(quat, _known)
    return _right(quat) if known else quat.new_zeros(len(quat), 3, 3)
"""


def test_nbgrader_works_in_the_course_folder(tmp_path):
    """It gives the lesson's own stubs, says what a student would see, grades, and mends a test cell."""
    from nbgrader.api import Gradebook

    course = tmp_path / "course"
    written = release.write_course([1, 2, 3], course)
    assert len(written) == 7 and release.write_course([1, 2, 3], course) == []
    assert "Success" in nbgrader(course, "validate", f"source/{LESSON}/{LESSON}.ipynb")
    nbgrader(course, "generate_assignment", LESSON, "--force")
    made = nbformat.read(release_path(course), as_version=4)
    ours = release.student_notebook(2)
    assert [cell.source for cell in made.cells] == [cell.source for cell in ours.cells]
    with pytest.raises(CourseError, match="--force"):
        release.write_course([2], course)  # nbgrader's own is not overwritten unasked

    del made.cells[mangle.place(made, "tracking-check")]
    solved = build.build(release.lessons()[2], solved=True)
    hard_coded = exercises_only(copy.deepcopy(solved))
    hard_coded.cells[mangle.place(hard_coded, "rodrigues")].source += HARD_CODED
    for student, notebook in (("solved", solved), ("hard-coded", hard_coded), ("empty", made)):
        write(notebook_path(course, student), nbformat.writes(notebook))
    nbgrader(course, "autograde", LESSON)
    scores = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        for submission in book.assignment_submissions(LESSON):
            grades = {grade.name: grade.auto_score for grade in submission.notebooks[0].grades}
            scores[submission.student.id] = [grades["rodrigues-check"], grades["tracking-check"]]
            assert submission.score == sum(grades.values())
    assert scores == {"solved": [20, 15], "hard-coded": [scores["hard-coded"][0], 15], "empty": [0, 0]}
    assert scores["hard-coded"][0] < 20


# --- the command


def test_the_command(tmp_path):
    command = [Path(sys.executable).with_name("dolphins"), "release", "--lessons", "1"]
    done = run([*command, "--out", tmp_path / "dolphins-1.zip", "--course", tmp_path / "course"])
    assert done.returncode == 0 and "lesson 1," in done.stdout, done.stderr
    assert (tmp_path / "dolphins-1.zip").is_file() and (tmp_path / "course/nbgrader_config.py").is_file()
    done = run(command)
    assert done.returncode == 1 and done.stderr.startswith("\nSay where to: --out")
