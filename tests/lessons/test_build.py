"""Lessons to notebooks: deterministic, as committed, without solutions, and as nbgrader understands them."""

import ast
import functools
import io
import os
import re
import subprocess
import sys
import textwrap
import tokenize
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import pytest

from course_lib import check as course_checks
from course_lib.errors import CourseError
from course_lib.files import write
from lessons import build

pytestmark = pytest.mark.slow

ROOT = build.ROOT
LESSONS = sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
LARGEST = 300_000  # bytes of a student's notebook
WIDEST = 88  # columns of code on a notebook's page
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}

built = functools.cache(build.build)


def marks(cell):
    return cell.metadata.get("nbgrader", {})


def cells_of(lesson, kind, solved=False):
    return [cell for cell in built(lesson, solved).cells if cell.cell_type == kind]


def exercises_of(lesson, solved=False):
    """The cells that the student writes. -> {grade id: cell}"""
    cells = cells_of(lesson, "code", solved)
    return {marks(cell)["grade_id"]: cell for cell in cells if marks(cell).get("solution")}


# --- what is committed


def test_the_notebooks_are_as_their_lessons_make_them():
    different = [str(path.relative_to(ROOT)) for path in build.differing(build.build_all())]
    assert not different, f"run `dolphins notebooks`: {different}"


def test_building_again_gives_the_same():
    """In another process, with other hashes."""
    code = "from lessons import build; print(*sorted(build.build_all().items()), sep='', end='')"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    again = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, env=environment)
    assert again.stdout.decode() == "".join(map(str, sorted(build.build_all().items())))


@each_lesson
@pytest.mark.parametrize("solved", [False, True], ids=["student", "solved"])
def test_it_is_a_valid_notebook_without_outputs(lesson, solved):
    text = build.notebook_text(lesson, solved, answers=not solved)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert notebook.metadata.colab.name == f"{lesson.stem}.ipynb"
    assert notebook.metadata.kernelspec.name == "python3"
    assert len(text.encode()) <= LARGEST


@each_lesson
@pytest.mark.parametrize("solved", [False, True], ids=["student", "solved"])
def test_no_line_of_code_runs_out_of_the_page(lesson, solved):
    cells = build.build(lesson, solved, answers=not solved).cells
    programs = [cell.source for cell in cells if cell.cell_type == "code"]
    programs += [
        code for cell in cells for code in re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL)
    ]
    wide = [line for program in programs for line in program.splitlines() if len(line) > WIDEST]
    assert not wide, "\n".join(wide)


@each_lesson
def test_every_exercise_is_there_once_with_its_points(lesson):
    cells = built(lesson, False).cells
    exercises = [marks(cell)["grade_id"] for cell in cells if marks(cell).get("solution")]
    checks = {marks(cell)["grade_id"]: marks(cell) for cell in cells if marks(cell).get("grade")}
    assert exercises and {f"{name}-check" for name in exercises} == set(checks)
    for name in exercises:
        check = checks[f"{name}-check"]
        assert check["points"] == getattr(course_checks, name).points and check["locked"]


def test_grade_ids_are_used_in_one_lesson_alone():
    cells = [cell for lesson in LESSONS for cell in cells_of(lesson, "code")]
    ids = [marks(cell)["grade_id"] for cell in cells if marks(cell)]
    assert len(set(ids)) == len(ids)


# --- no solutions where students look


def code_lines(source):
    """Lines of code without comments, docstrings and spaces: those long enough to give something away."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline))
    except (tokenize.TokenError, SyntaxError):
        return set()
    lines = {}
    for token in tokens:
        docstring = token.type == tokenize.STRING and token.line.strip().startswith(('"""', "'''", 'r"""'))
        if token.type not in LAYOUT and not docstring:
            lines.setdefault(token.start[0], []).append(token.string)
    return {text for text in map("".join, lines.values()) if len(text) >= 20}


@each_lesson
def test_no_line_of_a_solution_is_in_the_students_notebook(lesson):
    exercises = exercises_of(lesson, solved=True)
    secret = set()
    for cell in exercises.values():
        for region in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, flags=re.DOTALL):
            # stubs have signatures too
            secret |= {line for line in code_lines(region) if not line.startswith("def")}
    assert secret
    for name in exercises:
        _, given = build.take_stubs(lesson_cell(lesson, name))
        for lines in given.values():
            secret -= code_lines(lines)
    shown = set().union(*(code_lines(cell.source) for cell in cells_of(lesson, "code")))
    assert not secret & shown, "\n".join(sorted(secret & shown))
    prose = "".join("".join(cell.source.split()) for cell in cells_of(lesson, "markdown"))
    quoted = [line for line in secret if len(line) >= 32 and line in prose]
    assert len(quoted) <= len(exercises), "\n".join(quoted)  # a last hint may be nearly the answer


def lesson_cell(lesson, name):
    import jupytext

    cells = jupytext.reads(lesson.read_text(encoding="utf-8"), fmt="py:percent").cells
    return next(cell.source for cell in cells if cell.metadata.get("exercise") == name)


@each_lesson
def test_nothing_marks_solutions_in_the_students_notebook(lesson):
    assert "SOLUTION" not in build.notebook_text(lesson, solved=False)
    for cell in exercises_of(lesson).values():
        assert "solutions" not in cell.source and 'raise NotImplementedError("Exercise ' in cell.source


@each_lesson
def test_who_learns_alone_finds_each_solution_folded_below_its_check(lesson):
    """As in `notebooks/`: it is the reference, runs by itself, and can be taken over by one line."""
    cells = build.build(lesson, solved=False, answers=True).cells
    assert len(cells) == len(built(lesson, False).cells) + len(exercises_of(lesson))
    known = {}
    for cell, answer in zip(cells, cells[1:]):
        if marks(cell).get("solution"):
            found = [
                node for node in ast.parse(cell.source).body if isinstance(node, (ast.ImportFrom, ast.Import))
            ]
            exec(ast.unparse(ast.Module(found, [])), known)  # what the exercise's cell imports
        if not marks(cell).get("grade"):
            continue
        exercise = getattr(course_checks, marks(cell)["grade_id"].removesuffix("-check"))
        assert answer.source.startswith("<details><summary>Solution") and "</details>" in answer.source
        program = re.search(r"```python\n(.*?)```", answer.source, re.DOTALL)[1]
        exec(program, known)
        assert set(exercise.functions) <= set(known)
        exec(re.search(r"run `(from .*?)`", answer.source)[1], taken := {})
        assert set(exercise.functions) <= set(taken)


# --- links


@each_lesson
def test_links_lead_somewhere(lesson):
    prose = [cell.source for cell in cells_of(lesson, "markdown")]
    headings = [line for source in prose for line in source.splitlines() if line.startswith("#")]
    anchors = {line.lstrip("#").strip().replace(" ", "-") for line in headings}  # as notebooks name them
    for source in prose:
        for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", source):
            assert target.startswith("data:image/"), f"a picture that is not in the notebook: {target[:80]}"
            assert len(alternative) > 15, f"a picture without a description: {alternative!r}"
        text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`]*`", "", source, flags=re.DOTALL)  # no formulas, no code
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)", text):
            url = urlparse(target)
            if url.scheme:
                assert url.scheme == "https" and url.netloc, target
            elif target.startswith("#"):
                assert target[1:] in anchors, target
            else:
                assert (build.STUDENT / target.split("#")[0]).exists(), target


def test_badges_are_there_only_for_a_repository_that_is_named(monkeypatch):
    assert "colab.research.google.com" not in build.notebook_text(LESSONS[0], False) or build.REPOSITORY
    monkeypatch.setattr(build, "REPOSITORY", "someone/dolphins")
    cells = build.build(LESSONS[0], solved=False).cells
    address = r"\(https://colab\.research\.google\.com/github/someone/dolphins/blob/main/([^)]+)\)"
    path = ROOT / re.search(address, cells[0].source)[1]
    assert path.parent == build.STUDENT and path.name == f"{LESSONS[0].stem}.ipynb"
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert 'REPOSITORY = "someone/dolphins"' in first.source
    assert first.source.startswith("# @title ") and first.metadata["cellView"] == "form"
    assert first.metadata["jupyter"] == {"source_hidden": True}


# --- nbgrader


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """What `nbgrader generate_assignment` makes of all solved notebooks. -> {name: notebook}"""
    course = tmp_path_factory.mktemp("nbgrader")
    for lesson in LESSONS:
        notebook = build.notebook_text(lesson, solved=True)
        write(course / "source" / "dolphins" / f"{lesson.stem}.ipynb", notebook)
    folders = {"HOME": course, "JUPYTER_CONFIG_DIR": course / "config", "JUPYTER_DATA_DIR": course / "data"}
    environment = os.environ | {name: str(folder) for name, folder in folders.items()}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "dolphins", "--create"]
    command += [f"--CourseDirectory.root={course}"]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    warnings = [line for line in lines if "WARNING" in line and "nbgrader_config.py" not in line]
    assert not warnings, warnings
    paths = (course / "release" / "dolphins").glob("*.ipynb")
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


@each_lesson
def test_nbgrader_releases_the_same_cells(lesson, released):
    """All but the bodies of exercises, where nbgrader leaves its own placeholder."""
    theirs, ours = released[lesson.stem], built(lesson, False)
    assert len(theirs.cells) == len(ours.cells)
    for their, our in zip(theirs.cells, ours.cells):
        assert their.cell_type == our.cell_type and their.id == our.id
        if marks(our):
            same = ("grade", "grade_id", "locked", "points", "solution", "task", "schema_version")
            assert {key: marks(their).get(key) for key in same} == {key: marks(our).get(key) for key in same}
        if marks(our).get("solution"):
            assert "### BEGIN SOLUTION" not in their.source and "raise NotImplementedError" in their.source
            assert documented(their.source) >= documented(our.source)
        else:
            assert their.source == our.source


def documented(source):
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {(node.name, ast.get_docstring(node)) for node in nodes}


@each_lesson
@pytest.mark.parametrize("solved", [False, True], ids=["student", "solved"])
def test_nbgrader_accepts_the_notebook(lesson, solved):
    """The checks of metadata with which `nbgrader validate` and `autograde` begin."""
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import CheckCellMetadata

    notebook = nbformat.reads(build.notebook_text(lesson, solved), as_version=4)
    CheckCellMetadata().preprocess(notebook, {})
    MetadataValidator().validate_nb(notebook)


# --- what the builder refuses

IMPORTS = "from solutions.rotations import"
MISTAKES = {
    "there is no check called 'rodriguez'": f'# %% exercise="rodriguez"\n{IMPORTS} batch_rodrigues\n',
    "imports .'batch_rodrigues'. from": f'# %% exercise="rodrigues"\n{IMPORTS} batch_rodrigues\n',
    "has the option exercize": '# %% exercize="rodrigues"\npass\n',
    "there is no picture pictures/nothing.png": "# %% [markdown]\n# ![Nothing.](pictures/nothing.png)\n",
    "a stub is given for .'other'.": f"""# %% exercise="rodrigues"
{IMPORTS} quat_to_rotmat, batch_rodrigues
# stub other
#     x = ...
""",
}


@pytest.mark.parametrize("said", MISTAKES)
def test_mistakes_in_a_lesson_are_said(tmp_path, said):
    (tmp_path / "01_sample.py").write_text(MISTAKES[said])
    with pytest.raises(CourseError, match=said):
        build.build(tmp_path / "01_sample.py", solved=False)


def test_notebooks_without_a_lesson_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "STUDENT", tmp_path / "a")
    monkeypatch.setattr(build, "SOLVED", tmp_path / "b")
    old = write(tmp_path / "a" / "09_old.ipynb", "{}")
    build.write_all()
    assert not old.exists()
    assert len(list((tmp_path / "b").glob("*.ipynb"))) == len(LESSONS)
    assert build.write_all() == []
