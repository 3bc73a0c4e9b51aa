"""What one notebook earns in every place where it can be run: its points must not depend on that.

points(place, {name: cells})    in this process
anywhere(place, {name: cells})  there, on the stand-in in a process of its own if the place has a GPU
solved(place, lesson)           what the grader gives for a lesson's solutions, likewise
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LESSON = "02_template_model"
PLACES = ("notebook", "notebook, GPU", "bwrap", "none", "none, GPU")


def anywhere(place, solutions):
    """-> {name: [points, what is said of it]}

    solutions: {name: cells of exercise 2}, the last of them the solution.
    """
    if not place.endswith("GPU"):
        return points(place, solutions)
    return _on_the_stand_in(place, LESSON, solutions)


def solved(place, lesson):
    """-> {exercise: points}; place: one of the grader's"""
    return _on_the_stand_in(place, lesson) if place.endswith("GPU") else graded_solved(place, lesson)


def _on_the_stand_in(place, lesson, solutions=None):
    command = [sys.executable, HERE / "stand_in.py", "-m", "tests.device.places", place, lesson]
    done = subprocess.run(command, input=json.dumps(solutions), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def points(place, solutions):
    """The same, in this process."""
    if place.startswith("notebook"):
        return {name: in_notebook(notebook_of(cells)) for name, cells in solutions.items()}
    return graded(place, solutions)


def notebook_of(cells):
    """Lesson 2, exercise 2 alone, with these cells."""
    from nbformat.v4 import new_code_cell

    from lessons import build

    notebook = build.build(ROOT / "lessons" / f"{LESSON}.py", solved=True)
    marks = [cell.metadata.get("nbgrader", {}).get("grade_id", "") for cell in notebook.cells]
    solution, check = (notebook.cells[marks.index(name)] for name in ("rodrigues", "rodrigues-check"))
    solution.source = cells[-1]
    notebook.cells = [*map(new_code_cell, cells[:-1]), solution, check]
    return notebook


def in_notebook(notebook):
    """What its check gives, and prints."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    before = sys.modules["__main__"]  # which the shell takes for its own
    try:
        shell = InteractiveShell.instance()
        shell.reset()
        with capture_output() as captured:
            last = [shell.run_cell(cell.source) for cell in notebook.cells][-1]
    finally:
        sys.modules["__main__"] = before
    shown = [captured.stdout, *(output.data["text/plain"] for output in captured.outputs)]
    return last.result, " ".join(" ".join(shown).split())


def graded(place, solutions):
    """What the grader gives, and the feedback says."""
    from autograder import records

    found = {}
    with _judged(place, LESSON) as record_of:
        for name, cells in solutions.items():
            record = record_of(notebook_of(cells))
            exercise = record["exercises"]["rodrigues"]
            told = [prop["text"] or "" for prop in exercise["properties"]]
            found[name] = exercise["points"], " ".join([records.said_of_devices(record), *told])
    return found


def graded_solved(place, lesson):
    """`solved`, in this process."""
    from lessons import build

    with _judged(place, lesson) as record_of:
        record = record_of(build.build(ROOT / "lessons" / f"{lesson}.py", solved=True))
    return {name: exercise["points"] for name, exercise in record["exercises"].items()}


@contextlib.contextmanager
def _judged(place, lesson):
    """A sandbox for a lesson. -> function that gives a notebook's record"""
    from autograder import judge, preparation, release, sandbox
    from lessons.bundle import write_folder

    expected = judge.ExpectedCache()
    released = (ROOT / "notebooks" / f"{lesson}.ipynb").read_text()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        write_folder(f"{folder}/course", release.files([int(lesson[:2])]))
        if place.endswith("GPU"):  # the student's process has it as well
            program = Path(folder, "with_gpu.py")
            program.write_text(f"""import runpy, sys
sys.path.insert(0, {str(HERE)!r})
import stand_in
stand_in.install()
runpy.run_path({sandbox.inside.__file__!r}, run_name="__main__")
""")
            sandbox.inside.__file__ = str(program)
        with sandbox.Sandbox(place.split(",")[0], f"{folder}/course") as box:
            yield lambda notebook: judge.judge_submission(
                preparation.steps_of(notebook, released), lesson, 77, box, expected
            )


if __name__ == "__main__":
    where, of, given = *sys.argv[1:], json.load(sys.stdin)
    print(json.dumps(points(where, given) if given else graded_solved(where, of)))
