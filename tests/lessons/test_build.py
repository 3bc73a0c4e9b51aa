"""Lessons to notebooks: deterministic, as committed, without solutions, and as nbgrader understands them."""

import ast
import io
import json
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

from course_lib.errors import CourseError
from lessons import build

ROOT = build.ROOT
LESSONS = sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
LARGEST = 300_000  # bytes of a student's notebook


def marks(cell):
    return cell.metadata.get("nbgrader", {})


# --- what is committed
# ---------------------------------------------------------------------------------------


def test_the_notebooks_are_as_their_lessons_make_them():
    different = [str(path.relative_to(ROOT)) for path in build.differing(build.build_all())]
    assert not different, f"run `dolphins notebooks`: {different}"


@each_lesson
def test_building_again_gives_the_same(lesson):
    code = (
        "from pathlib import Path; from lessons import build; "
        f"print(build.notebook_text(Path({str(lesson)!r}), False), end='')"
    )
    again = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    ).stdout.decode()
    assert again == build.notebook_text(lesson, solved=False)


@each_lesson
@pytest.mark.parametrize("solved", [False, True], ids=["student", "solved"])
def test_it_is_a_valid_notebook_without_outputs(lesson, solved):
    text = build.notebook_text(lesson, solved)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(
        not cell.outputs and cell.execution_count is None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    assert (
        notebook.metadata.colab.name == f"{lesson.stem}.ipynb"
        and notebook.metadata.kernelspec.name == "python3"
    )
    assert len(text.encode()) <= LARGEST


@each_lesson
def test_every_exercise_is_there_once_with_its_points(lesson):
    notebook = build.build(lesson, solved=False)
    exercises = [marks(cell)["grade_id"] for cell in notebook.cells if marks(cell).get("solution")]
    checks = {marks(cell)["grade_id"]: marks(cell) for cell in notebook.cells if marks(cell).get("grade")}
    assert exercises and {f"{name}-check" for name in exercises} == set(checks)
    for name in exercises:
        check = checks[f"{name}-check"]
        assert check["points"] == getattr(build.check, name).points and check["locked"]


def test_grade_ids_are_used_in_one_lesson_alone():
    ids = [
        marks(cell)["grade_id"]
        for lesson in LESSONS
        for cell in build.build(lesson, solved=False).cells
        if marks(cell)
    ]
    assert len(set(ids)) == len(ids)


@each_lesson
def test_a_lesson_runs_as_it_is(lesson):
    """Percent format and Python: the file parses."""
    ast.parse(
        "\n".join("pass" if line.startswith(("%", "!")) else line for line in lesson.read_text().splitlines())
    )


# --- no solutions where students look
# ------------------------------------------------------------------------


def code_lines(source):
    """Lines of code without comments, docstrings and spaces: those long enough to give something away."""
    source = textwrap.dedent(source)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return set()
    lines = {}
    for token in tokens:
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            continue
        if token.type == tokenize.STRING and token.line.strip().startswith(('"""', "'''", 'r"""')):
            continue
        lines.setdefault(token.start[0], []).append(token.string)
    return {text for text in ("".join(parts) for parts in lines.values()) if len(text) >= 20}


@each_lesson
def test_no_line_of_a_solution_is_in_the_students_notebook(lesson):
    solved, student = build.build(lesson, solved=True), build.build(lesson, solved=False)
    secret = set()
    for cell in solved.cells:
        if marks(cell).get("solution"):
            for region in re.findall(
                r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, flags=re.DOTALL
            ):
                secret |= {
                    line for line in code_lines(region) if not line.startswith("def")
                }  # stubs have signatures too
    assert secret
    names = [marks(cell)["grade_id"] for cell in solved.cells if marks(cell).get("solution")]
    for name in names:
        _, given = build.take_stubs(lesson_cell(lesson, name))
        for lines, _ in given.values():
            secret -= code_lines(lines)
    shown = set().union(*(code_lines(cell.source) for cell in student.cells if cell.cell_type == "code"))
    assert not secret & shown, "\n".join(sorted(secret & shown))
    prose = "".join("".join(cell.source.split()) for cell in student.cells if cell.cell_type == "markdown")
    quoted = [
        line for line in secret if len(line) >= 32 and line in prose
    ]  # a last hint may be nearly the answer
    assert len(quoted) <= len(names), "\n".join(quoted)


def lesson_cell(lesson, name):
    import jupytext

    cells = jupytext.reads(lesson.read_text(encoding="utf-8"), fmt="py:percent").cells
    return next(cell.source for cell in cells if cell.metadata.get("exercise") == name)


@each_lesson
def test_nothing_marks_solutions_in_the_students_notebook(lesson):
    text = build.notebook_text(lesson, solved=False)
    assert "SOLUTION" not in text
    for cell in build.build(lesson, solved=False).cells:
        if marks(cell).get("solution"):
            assert "solutions" not in cell.source and 'raise NotImplementedError("Exercise ' in cell.source


# --- links
# -----------------------------------------------------------------------------------------------------


@each_lesson
def test_links_lead_somewhere(lesson):
    notebook = build.build(lesson, solved=False)
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", cell.source):
            assert target.startswith("data:image/"), f"a picture that is not in the notebook: {target[:80]}"
            assert len(alternative) > 15, f"a picture without a description: {alternative!r}"
        prose = re.sub(
            r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`]*`", "", cell.source, flags=re.DOTALL
        )  # no formulas, no code
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)", prose):
            url = urlparse(target)
            if url.scheme:
                assert url.scheme == "https" and url.netloc, target
            elif target.startswith("#"):
                assert target[1:] in {
                    heading(line)
                    for other in notebook.cells
                    if other.cell_type == "markdown"
                    for line in other.source.splitlines()
                    if line.startswith("#")
                }, target
            else:
                assert (build.STUDENT / target.split("#")[0]).exists(), target


def heading(line):
    """The name by which notebooks link to a heading."""
    return line.lstrip("#").strip().replace(" ", "-")


def test_badges_are_there_only_for_a_repository_that_is_named(monkeypatch):
    assert "colab.research.google.com" not in build.notebook_text(LESSONS[0], False) or build.REPOSITORY
    monkeypatch.setattr(build, "REPOSITORY", "someone/dolphins")
    notebook = build.build(LESSONS[0], solved=False)
    address = r"\(https://colab\.research\.google\.com/github/someone/dolphins/blob/main/([^)]+)\)"
    path = re.search(address, notebook.cells[0].source)[1]
    assert (ROOT / path).parent == build.STUDENT and Path(path).name == f"{LESSONS[0].stem}.ipynb"
    assert 'REPOSITORY = "someone/dolphins"' in next(
        cell.source for cell in notebook.cells if cell.cell_type == "code"
    )


# --- nbgrader
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """What `nbgrader generate_assignment` makes of all solved notebooks. -> {name: notebook}"""
    course = tmp_path_factory.mktemp("nbgrader")
    source = course / "source" / "dolphins"
    source.mkdir(parents=True)
    for lesson in LESSONS:
        (source / f"{lesson.stem}.ipynb").write_text(
            build.notebook_text(lesson, solved=True), encoding="utf-8"
        )
    environment = {
        **os.environ,
        "HOME": str(course),
        "JUPYTER_CONFIG_DIR": str(course / "config"),
        "JUPYTER_DATA_DIR": str(course / "data"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }  # it calls alembic
    command = ["generate_assignment", "dolphins", "--create", f"--CourseDirectory.root={course}"]
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *command],
        cwd=course,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    warnings = [
        line for line in done.stderr.splitlines() if "WARNING" in line and "nbgrader_config.py" not in line
    ]
    assert not warnings, warnings
    return {
        path.stem: nbformat.read(path, as_version=4)
        for path in (course / "release" / "dolphins").glob("*.ipynb")
    }


@each_lesson
def test_nbgrader_releases_the_same_cells(lesson, released):
    """All but the bodies of exercises, where nbgrader leaves its own placeholder."""
    theirs, ours = released[lesson.stem], build.build(lesson, solved=False)
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
    return {
        (node.name, ast.get_docstring(node))
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }


@each_lesson
def test_nbgrader_accepts_the_students_notebook(lesson):
    """The checks of metadata with which `nbgrader validate` and `autograde` begin."""
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import CheckCellMetadata

    for solved in (False, True):
        notebook = nbformat.from_dict(json.loads(build.notebook_text(lesson, solved)))
        CheckCellMetadata().preprocess(notebook, {})
        MetadataValidator().validate_nb(notebook)


# --- what the builder refuses
# ----------------------------------------------------------------------------------


def made(tmp_path, text):
    path = tmp_path / "01_sample.py"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.mark.parametrize(
    "text, said",
    [
        (
            '# %% exercise="rodriguez"\nfrom solutions.rotations import batch_rodrigues\n',
            "there is no check called 'rodriguez'",
        ),
        (
            '# %% exercise="rodrigues"\nfrom solutions.rotations import batch_rodrigues\n',
            "imports .'batch_rodrigues'. from",
        ),
        ('# %% exercize="rodrigues"\npass\n', "has the option exercize"),
        (
            "# %% [markdown]\n# ![A picture of nothing.](pictures/nothing.png)\n",
            "there is no picture pictures/nothing.png",
        ),
        (
            '# %% exercise="rodrigues"\nfrom solutions.rotations import quat_to_rotmat, batch_rodrigues\n# stub other\n#     x = ...\n',
            "a stub is given for .'other'.",
        ),
    ],
)
def test_mistakes_in_a_lesson_are_said(tmp_path, text, said):
    with pytest.raises(CourseError, match=said):
        build.build(made(tmp_path, text), solved=False)


def test_notebooks_without_a_lesson_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "STUDENT", tmp_path / "a")
    monkeypatch.setattr(build, "SOLVED", tmp_path / "b")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "09_old.ipynb").write_text("{}")
    build.write_all()
    assert not (tmp_path / "a" / "09_old.ipynb").exists() and len(
        list((tmp_path / "b").glob("*.ipynb"))
    ) == len(LESSONS)
    assert build.write_all() == []
