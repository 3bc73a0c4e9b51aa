"""Every notebook runs as by a person: the solved one to its end, the student's up to the exercises."""

import ast
import os
import re

import nbformat
import pytest

from course_lib import check
from lessons import build
from lessons.execute import errors, execute, text, value

pytestmark = pytest.mark.slow

LESSONS = sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
MEMORY_MB = 3000
SECONDS = 600  # of the small sizes; generous, machines differ


def run(folder, notebook, go_on=False):
    """Runs the text of a notebook at its small size in a folder. -> Run"""
    path = folder / "notebook.ipynb"
    path.write_text(notebook, encoding="utf-8")
    env = os.environ | {"DOLPHINS_SMALL": "1", "IPYTHONDIR": str(folder / ".ipython")}
    return execute(path, folder, go_on=go_on, env=env, timeout=SECONDS)


def checks_of(cells):
    """(cell, exercise) of each check cell."""
    checks = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
    names = [cell.metadata["nbgrader"]["grade_id"].removesuffix("-check") for cell in checks]
    return [(cell, getattr(check, name)) for cell, name in zip(checks, names)]


def grade_of(cell):
    """(points, of) as nbgrader sees an executed cell."""
    from nbgrader.utils import determine_grade

    return determine_grade(cell)


@each_lesson
def test_the_solved_notebook_runs_to_its_end(lesson, tmp_path):
    done = run(tmp_path, build.notebook_text(lesson, solved=True))
    assert done.seconds < SECONDS and done.peak_mb < MEMORY_MB
    for cell in done.code_cells:
        assert not errors(cell)
        assert "Warning" not in text(cell, "stderr"), f"{cell.source}\n{text(cell, 'stderr')}"
    checked = checks_of(done.code_cells)
    for cell, exercise in checked:
        assert text(cell, "stderr") == "", text(cell, "stderr")
        assert grade_of(cell) == (exercise.points, exercise.points), text(cell)
        assert value(cell) == str(exercise.points) and "All of it holds." in text(cell), text(cell)
    kept = {name for _, exercise in checked for name in exercise.functions}
    printed = "".join(text(cell) for cell in done.code_cells)
    assert set(re.findall(r"^Kept (\w+) in my_work", printed, flags=re.MULTILINE)) <= kept


@each_lesson
def test_the_students_notebook_fails_at_exercises_alone(lesson, tmp_path):
    cells = run(tmp_path, build.notebook_text(lesson, solved=False), go_on=True).code_cells
    checked = checks_of(cells)
    theirs = {name for _, exercise in checked for name in exercise.functions}
    for cell in cells:
        tree = ast.parse(cell.source)
        unsolved = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & theirs
        for name, message in errors(cell):
            failed = f"{cell.source}\n-> {name}: {message}"
            assert name == "NotImplementedError" and message.startswith("Exercise "), failed
            assert unsolved, f"this cell needs no unsolved exercise, but fails: {cell.source}"
        for output in cell.outputs:  # one line, not a traceback through the course
            if output.output_type == "error":
                assert output.traceback == [f"NotImplementedError: {output.evalue}"]
        if unsolved:  # what is defined with them fails with them
            theirs |= {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        assert "Warning" not in text(cell, "stderr"), f"{cell.source}\n{text(cell, 'stderr')}"
    for cell, exercise in checked:
        assert not errors(cell) and text(cell, "stderr") == ""
        assert "not solved yet" in text(cell) and value(cell) == "0.0", text(cell)
        assert grade_of(cell) == (0.0, exercise.points), text(cell)
    assert "Kept" not in "".join(text(cell) for cell in cells)


def test_who_is_stuck_goes_on_with_the_spare_parts(tmp_path):
    """Lesson 3, unsolved, its switches set: nothing fails but what calls an exercise without a spare part."""
    student = build.notebook_text(LESSONS[2], solved=False)
    notebook, switches = re.subn(r"SPARE_(\w+) = False", r"SPARE_\1 = True", student)
    assert switches == 2
    raised = [error for cell in run(tmp_path, notebook, go_on=True).code_cells for error in errors(cell)]
    assert {name for name, _ in raised} == {"NotImplementedError"}, raised
    assert {message.split()[2] for _, message in raised} == {"dibr_rendering", "absorb", "render"}


def test_cells_can_be_run_twice_and_after_a_restart(tmp_path):
    """The check before its exercise, the setup cell twice: each says what to do."""
    notebook = build.build(LESSONS[1], solved=False)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    check, _ = checks_of(code)[0]
    again = (code[0], code[0], check, check)
    notebook.cells = [nbformat.v4.new_code_cell(cell.source, metadata=cell.metadata) for cell in again]
    setup, setup_again, *checks = run(tmp_path, nbformat.writes(notebook)).code_cells
    assert text(setup) == text(setup_again) != ""
    for cell in checks:
        assert "not defined. Run the cell in which you write it" in text(cell) and value(cell) == "0.0"
