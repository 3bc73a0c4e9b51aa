"""Every notebook runs as a person would run it: the solved one to its end, the student's up to the
exercises."""

import ast
import os
import re

import pytest

from lessons import build
from lessons.execute import errors, execute, text, value

LESSONS = sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))
MEMORY_MB = 3000
SECONDS = 600  # of the small sizes; generous, machines differ


def small(folder):
    return {**os.environ, "DOLPHINS_SMALL": "1", "IPYTHONDIR": str(folder / ".ipython")}


def checks_of(cells):
    """(cell, exercise) of each check cell."""
    marks = [(cell, cell.metadata.get("nbgrader", {})) for cell in cells]
    return [
        (cell, getattr(build.check, mark["grade_id"].removesuffix("-check")))
        for cell, mark in marks
        if mark.get("grade")
    ]


def grade_of(cell):
    """(points, of) as nbgrader sees an executed cell."""
    from nbgrader.utils import determine_grade

    return determine_grade(cell)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_solved_notebook_runs_to_its_end(lesson, tmp_path):
    path = tmp_path / f"{lesson.stem}.ipynb"
    path.write_text(build.notebook_text(lesson, solved=True), encoding="utf-8")
    run = execute(path, tmp_path, env=small(tmp_path), timeout=SECONDS)
    assert run.seconds < SECONDS and run.peak_mb < MEMORY_MB
    for cell in run.code_cells:
        assert not errors(cell)
        assert "Warning" not in text(cell, "stderr"), f"{cell.source}\n{text(cell, 'stderr')}"
    checked = checks_of(run.code_cells)
    for cell, exercise in checked:
        assert text(cell, "stderr") == "", text(cell, "stderr")
        assert grade_of(cell) == (exercise.points, exercise.points), text(cell)
        assert value(cell) == str(exercise.points) and "All of it holds." in text(cell), text(cell)
    kept = {name for _, exercise in checked for name in exercise.functions}
    said = set(
        re.findall(
            r"^Kept (\w+) in my_work", "".join(text(cell) for cell in run.code_cells), flags=re.MULTILINE
        )
    )
    assert said <= kept


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_students_notebook_fails_at_exercises_alone(lesson, tmp_path):
    path = tmp_path / f"{lesson.stem}.ipynb"
    path.write_text(build.notebook_text(lesson, solved=False), encoding="utf-8")
    run = execute(path, tmp_path, go_on=True, env=small(tmp_path), timeout=SECONDS)
    checked = checks_of(run.code_cells)
    theirs = {name for _, exercise in checked for name in exercise.functions}
    for cell in run.code_cells:
        unsolved = names_read(cell.source) & theirs
        for name, message in errors(cell):
            assert name == "NotImplementedError" and message.startswith("Exercise "), (
                f"{cell.source}\n-> {name}: {message}"
            )
            assert unsolved, f"this cell needs no unsolved exercise, but fails: {cell.source}"
        for output in cell.outputs:  # one line, not a traceback through the course
            assert output.output_type != "error" or output.traceback == [
                f"NotImplementedError: {output.evalue}"
            ]
        if unsolved:  # what is defined with them fails with them
            theirs |= {
                node.name
                for node in tree(cell.source).body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            }
        assert "Warning" not in text(cell, "stderr"), f"{cell.source}\n{text(cell, 'stderr')}"
    for cell, exercise in checked:
        assert not errors(cell) and text(cell, "stderr") == ""
        assert (
            "not solved yet" in text(cell)
            and value(cell) == "0.0"
            and grade_of(cell) == (0.0, exercise.points)
        ), text(cell)
    assert "Kept" not in "".join(text(cell) for cell in run.code_cells)


def test_who_is_stuck_goes_on_with_the_spare_parts(tmp_path):
    """Lesson 3, unsolved, its switches set: nothing fails after a switch but what calls an exercise without a
    spare part."""
    lesson = next(path for path in LESSONS if path.stem.startswith("03"))
    path = tmp_path / f"{lesson.stem}.ipynb"
    notebook, switches = re.subn(
        r"SPARE_(\w+) = False", r"SPARE_\1 = True", build.notebook_text(lesson, solved=False)
    )
    assert switches == 2
    path.write_text(notebook, encoding="utf-8")
    run = execute(path, tmp_path, go_on=True, env=small(tmp_path), timeout=SECONDS)
    failing = {
        message.split()[2]
        for cell in run.code_cells
        for name, message in errors(cell)
        if name == "NotImplementedError"
    }
    assert failing == {"dibr_rendering", "absorb", "render"}
    wrong = [
        (cell.source, error)
        for cell in run.code_cells
        for error in errors(cell)
        if error[0] != "NotImplementedError"
    ]
    assert not wrong, wrong


def tree(source):
    return ast.parse(
        "\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    )


def names_read(source):
    return {node.id for node in ast.walk(tree(source)) if isinstance(node, ast.Name)}


def test_cells_can_be_run_twice_and_after_a_restart(tmp_path):
    """The check before its exercise, the setup cell twice: each says what to do."""
    import nbformat

    lesson = next(lesson for lesson in LESSONS if lesson.stem.startswith("02_"))
    notebook = build.build(lesson, solved=False)
    checks = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    again = (setup, setup, checks[0], checks[0])
    notebook.cells = [nbformat.v4.new_code_cell(cell.source, metadata=cell.metadata) for cell in again]
    path = tmp_path / "twice.ipynb"
    nbformat.write(notebook, path)
    run = execute(path, tmp_path, env=small(tmp_path))
    assert text(run.code_cells[0]) == text(run.code_cells[1]) != ""
    for cell in run.code_cells[2:]:
        assert "not defined. Run the cell in which you write it" in text(cell) and value(cell) == "0.0"
