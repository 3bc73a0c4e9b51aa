"""A release: without its exercises' solutions, each lesson to be worked on, always the same bytes; nbgrader's
folder."""

import ast
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
from lessons import build, execute

RELEASES = ([1, 2, 3], [2], [3], [4], [4, 5], [5])
IDIOMS = {"a,b,c=vertices[faces].unbind(1)"}  # three corners of a triangle: anybody's, and a check's too
each_release = pytest.mark.parametrize("chosen", RELEASES, ids=release.span)


@pytest.fixture(scope="module")
def contents():
    return {tuple(chosen): release.files(chosen) for chosen in RELEASES}


def solution_lines(first):
    """The telling lines of the solutions of lesson `first` and later ones: code that no stub gives. -> {line:
    function}"""
    given = {
        squeezed(line)
        for n in release.lessons()
        for cell in release.student_notebook(n).cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
    }
    lines = {}
    for (module, name), lesson in release.reference().owners.items():
        if lesson >= first:
            function = ast.parse(release.reference().defined[module][name])
            body = ast.unparse(function.body[0].body[ast.get_docstring(function.body[0]) is not None :])
            written = [*body.splitlines(), *release.reference().defined[module][name].splitlines()[1:]]
            lines |= {
                squeezed(line): name
                for line in written
                if len(squeezed(line)) >= 24
                and squeezed(line) not in given
                and not line.strip().startswith(("import ", "from "))
            }
    docstrings = {
        squeezed(line)
        for (module, name) in release.reference().owners
        for line in (
            ast.get_docstring(ast.parse(release.reference().defined[module][name]).body[0]) or ""
        ).splitlines()
    }
    return {line: name for line, name in lines.items() if line not in docstrings | IDIOMS}


def squeezed(line):
    return re.sub(r"\s+", "", re.sub(r"\s*#.*", "", line))


# --- what is in it
# ---------------------------------------------------------------------------------------------


@each_release
def test_no_line_of_a_solution_is_in_it(chosen, contents):
    """Of the released lessons or a later one, in any file that is text, notebooks' cells and their prose
    included."""
    telling = solution_lines(min(chosen))
    assert len(telling) >= 10
    for name, data in contents[tuple(chosen)].items():
        if name.endswith((".py", ".ipynb", ".md", ".json", ".toml", ".txt")):
            text = data.decode()
            if name.endswith(".ipynb"):
                text = "\n".join(
                    cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
                    for cell in json.loads(text)["cells"]
                )
            found = [line for line in map(squeezed, text.splitlines()) if line in telling]
            assert not found, (name, found)


def test_the_search_finds_a_solution_where_there_is_one():
    telling = solution_lines(1)
    solved = nbformat.reads(build.notebook_text(release.lessons()[2], solved=True), as_version=4)
    found = {telling.get(squeezed(line)) for cell in solved.cells for line in cell.source.splitlines()}
    assert {"quat_to_rotmat", "batch_rodrigues", "project_to_pixels", "draw_track"} <= found


@each_release
def test_it_holds_the_lessons_and_what_they_need_and_nothing_of_the_judge(chosen, contents):
    content = contents[tuple(chosen)]
    assert {name for name in content if name.startswith("notebooks/")} == {
        f"notebooks/{release.lessons()[n].stem}.ipynb" for n in chosen
    }
    assert {
        "README.md",
        "LICENSE",
        "course_lib/check/core.py",
        "assets/pack/manifest.json",
        "assets/checkpoints/fit_default.pth",
    } <= set(content)
    assert not [
        name
        for name in content
        if re.search(
            r"^(autograder|tests|dolphins|benchmarks|solutions/(lessons|notebooks))/|my_work|__pycache__|/\.",
            name,
        )
    ]


def test_every_make_target_in_it_works_there(contents):
    makefile = contents[2,]["Makefile"].decode()
    assert re.findall(r"(?m)^\.PHONY: (.*)$", makefile) == ["setup lab clean"]
    assert {"setup", "lab", "clean"} <= set(re.findall(r"(?m)^([\w-]+):", makefile))
    assert "autograder." not in makefile and "dolphins " not in makefile and "pytest" not in makefile
    assert "make setup TORCH_INDEX=" in makefile


@each_release
def test_what_is_there_of_solutions_is_the_references_own(chosen, contents):
    for name, data in contents[tuple(chosen)].items():
        if name.startswith("solutions/") and not name.endswith("__init__.py"):
            for node in ast.parse(data.decode()).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name != "__getattr__":
                    module = Path(name).stem
                    assert (
                        ast.get_source_segment(data.decode(), node)
                        == release.reference().defined[module][node.name]
                    )
                    assert release.reference().owners.get((module, node.name), 0) < min(chosen)


def test_lessons_that_cannot_be_released_together_are_refused():
    for text in ("1-4", "3-4", "all", "3,4"):
        with pytest.raises(
            CourseError, match="lesson 4 uses `rasterize_features`.*Release up to lesson 3 first"
        ):
            release.files(release.numbers(text))


@pytest.mark.parametrize(
    ("text", "chosen"), [("2", [2]), ("1-3", [1, 2, 3]), (" 1, 4 - 5", [1, 4, 5]), ("ALL", [1, 2, 3, 4, 5])]
)
def test_lessons_are_named(text, chosen):
    assert release.numbers(text) == chosen


@pytest.mark.parametrize("text", ["", "x", "0", "9", "1-9", "3-1", "1;2", "-1"])
def test_lessons_that_are_not_there(text):
    with pytest.raises(CourseError, match="lessons"):
        release.numbers(text)


# --- its bytes
# -------------------------------------------------------------------------------------------------


def test_the_same_course_gives_the_same_bytes_and_the_manifest_is_true(tmp_path):
    first, second = tmp_path / "dolphins-a.zip", tmp_path / "dolphins-b.zip"
    count, size, checksum = release.release([1, 2, 3], first)
    os.environ["TZ"] = "Asia/Tokyo"
    try:
        release.release([1, 2, 3], second)
    finally:
        del os.environ["TZ"]
    assert first.read_bytes() == second.read_bytes() and size == first.stat().st_size < 25e6
    with zipfile.ZipFile(first) as packed:
        names = packed.namelist()
        listed = json.loads(packed.read("dolphins-in-3d/MANIFEST.json"))
        assert len(names) == count == len(listed["files"]) + 1 and listed["lessons"] == [1, 2, 3]
        for name, digest in listed["files"].items():
            assert hashlib.sha256(packed.read(f"dolphins-in-3d/{name}")).hexdigest() == digest
    assert listed["version"] == release.version() and listed["sha256"] == checksum


def test_a_folder_is_replaced_only_where_it_is_an_untouched_release(tmp_path):
    out = tmp_path / "students"
    release.release([2], out)
    assert release.foreign_files(out) == []
    release.release([5], out)
    assert (out / "notebooks/05_results.ipynb").is_file() and not (
        out / "notebooks/02_template_model.ipynb"
    ).exists()
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
# ---------------------------------------------------------------------------------


def in_release(folder, program, **env):
    """Runs a program as in a notebook of a released course, in a Python in which no course is installed."""
    import torch

    packages = str(Path(torch.__file__).parents[1])
    # -S leaves out site-packages' .pth files, by which this course is installed for its tests.
    return subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.append({packages!r})\n{program}"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "DOLPHINS_SMALL": "1", **env},
    )


def setup_cell(lesson):
    return next(cell.source for cell in release.student_notebook(lesson).cells if cell.cell_type == "code")


SWITCH = "from solutions.rotations import batch_rodrigues\nprint(batch_rodrigues.__module__)"
KEEP = "def batch_rodrigues(theta):\n    return 'mine'\n"


def test_a_notebook_alone_with_the_zip_starts_and_goes_on_with_what_was_kept(tmp_path):
    release.release([1, 2, 3], tmp_path / "dolphins-in-3d-lessons-1-3.zip")
    done = in_release(tmp_path, f"{setup_cell(3)}\n{SWITCH}")
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert (
        "unpacked from dolphins-in-3d-lessons-1-3.zip" in done.stdout and "every file is whole" in done.stdout
    )
    assert (
        "batch_rodrigues is exercise 2, which you have not kept yet; "
        "course_lib.dolphin_model.rotvec_to_rotmat does for this lesson."
    ) in done.stdout
    assert done.stdout.endswith("course_lib.dolphin_model.skinning\n")

    (tmp_path / "my_work").mkdir()
    (tmp_path / "my_work" / "batch_rodrigues.py").write_text(KEEP + "\nCHECK_GAVE = 0, 20\n")
    (tmp_path / "my_work" / "__init__.py").write_text("from .batch_rodrigues import batch_rodrigues")
    done = in_release(tmp_path, f"{setup_cell(3)}\n{SWITCH}")
    assert "the one that you kept had 0 of 20 points in its check" in done.stdout
    assert done.stdout.endswith("course_lib.dolphin_model.skinning\n")

    (tmp_path / "my_work" / "batch_rodrigues.py").write_text(KEEP + "\nCHECK_GAVE = 20, 20\n")
    done = in_release(tmp_path, f"{setup_cell(3)}\n{SWITCH}")
    assert "batch_rodrigues: your own, from my_work.\nmy_work.batch_rodrigues\n" in done.stdout, done.stderr

    (tmp_path / "my_work" / "batch_rodrigues.py").write_text("1 / 0")
    done = in_release(tmp_path, f"{setup_cell(3)}\n{SWITCH}")
    assert "what you kept of it fails: ZeroDivisionError" in done.stdout and done.returncode == 0


def test_where_nothing_does_for_a_function_the_error_says_what_to_do(tmp_path):
    release.release([3, 5], tmp_path / "course")
    program = """
import sys; sys.path.insert(0, "course")
for name in ("render", "rasterize_features"):
    try: exec(f"from solutions.rendering import {name}")
    except ImportError as error: print(*error._render_traceback_(), sep="\\n")
"""
    lines = in_release(tmp_path, program).stdout.splitlines()
    assert lines[0].startswith(
        "render is exercise 6, which is yours to write: solve it, run keep(render) there"
    )
    assert lines[1].startswith(
        "solutions.rendering.rasterize_features is not part of this course folder, which is for lessons 3, 5."
    )


def test_a_lesson_released_alone_has_the_references_functions(tmp_path):
    release.release([4], tmp_path / "course")
    program = (
        "import sys; sys.path.insert(0, 'course')\nfrom solutions.recipes import RECIPES\n"
        f"from solutions.rendering import render\n{SWITCH}\nprint(sorted(RECIPES), render.__module__)"
    )
    done = in_release(tmp_path, program)
    assert done.stdout.endswith("solutions.rotations\n['default', 'tutorial'] solutions.rendering\n"), (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize(("chosen", "lesson"), [([1, 2, 3], 3), ([4, 5], 4)], ids=["3 of 1-3", "4 of 4-5"])
def test_a_solved_lesson_runs_in_its_release(chosen, lesson, tmp_path):
    """Every cell, with its exercises' solutions and nothing else of the reference; the release's earlier ones
    unsolved."""
    release.release(chosen, tmp_path / "course")
    path = tmp_path / "course" / "notebooks" / release.lessons()[lesson].with_suffix(".ipynb").name
    path.write_text(build.notebook_text(release.lessons()[lesson], solved=True))
    env = {**os.environ, "DOLPHINS_SMALL": "1", "PYTHONPATH": str(tmp_path / "course")}
    run = execute.execute(path, path.parent, env=env)
    printed = "".join(execute.text(cell) for cell in run.code_cells)
    assert f"The course is in {tmp_path / 'course'}." in printed
    assert "All of it holds." in printed


# --- the instructor's folder
# ------------------------------------------------------------------------------------


def nbgrader(course, *args):
    tools = Path(sys.executable).parent  # nbgrader calls alembic by name
    return subprocess.run(
        [tools / "nbgrader", *args],
        cwd=course,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
    )


def test_nbgrader_works_in_the_course_folder(tmp_path):
    """generate_assignment gives the lesson's own stubs; autograde grades a solved and an empty one, mends a
    test cell."""
    from nbgrader.api import Gradebook

    course, name = tmp_path / "course", "02_template_model"
    written = release.write_course([1, 2, 3], course)
    assert len(written) == 7 and release.write_course([1, 2, 3], course) == []
    done = nbgrader(course, "generate_assignment", name, "--force")
    assert done.returncode == 0, done.stderr
    made = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    ours = release.student_notebook(2)
    assert [cell.source for cell in made.cells] == [cell.source for cell in ours.cells]
    with pytest.raises(CourseError, match="--force"):
        release.write_course([2], course)  # nbgrader's own is not overwritten unasked

    for student, notebook in (("solved", build.build(release.lessons()[2], solved=True)), ("empty", made)):
        folder = course / "submitted" / student / name
        folder.mkdir(parents=True)
        notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
        if student == "empty":
            notebook.cells = [
                cell
                for cell in notebook.cells
                if cell.metadata.get("nbgrader", {}).get("grade_id") != "tracking-check"
            ]
        nbformat.write(notebook, folder / f"{name}.ipynb")
    done = nbgrader(course, "autograde", name)
    assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        assert (
            book.find_submission(name, "solved").score == 35
            and book.find_submission(name, "empty").score == 0
        )


def test_validate_says_what_a_student_would_see(tmp_path):
    release.write_course([2], tmp_path)
    name = "02_template_model"
    done = nbgrader(tmp_path, "validate", f"source/{name}/{name}.ipynb")
    assert done.returncode == 0 and "Success" in done.stdout, done.stdout + done.stderr


# --- the command
# --------------------------------------------------------------------------------------------------


def test_the_command(tmp_path):
    dolphins = Path(sys.executable).with_name("dolphins")
    done = subprocess.run(
        [
            dolphins,
            "release",
            "--lessons",
            "1",
            "--out",
            tmp_path / "dolphins-1.zip",
            "--course",
            tmp_path / "course",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "lesson 1," in done.stdout
        and (tmp_path / "dolphins-1.zip").is_file()
        and (tmp_path / "course/nbgrader_config.py").is_file()
    )
    done = subprocess.run([dolphins, "release", "--lessons", "1"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("\nSay where to: --out")
