"""What several tests of the grader use: processes, notebooks, and a course folder with its records."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat

from autograder import records, roster
from course_lib.files import write

LESSON = "02_template_model"


def alive(pid):
    """Not so of one that is dead but not yet counted as such by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def nbgrader(course, *words):
    """Runs nbgrader in a course folder. -> what it printed"""
    tools = Path(sys.executable).parent  # nbgrader calls alembic by name
    env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([tools / "nbgrader", *words], cwd=course, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exercises_only(notebook):
    """A notebook's exercises and checks, without the cells between."""
    cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader")]
    return nbformat.from_dict({**notebook, "cells": cells})


def notebook_path(course, student, lesson=LESSON, step="submitted"):
    return course / step / student / lesson / f"{lesson}.ipynb"


def release_path(course):
    return course / "release" / LESSON / f"{LESSON}.ipynb"


def write_record(course, student, points=(20.0, 15.0), keys=("wrong",), text="Mend `it`.", sha="a", **more):
    """A submission and its record. points: of rodrigues and tracking, None where they are to be given by
    hand; keys, text: of what is wrong where there are not all points"""
    (course / "submitted" / student / LESSON).mkdir(parents=True, exist_ok=True)
    exercises = {}
    for name, of, value in zip(("rodrigues", "tracking"), (20.0, 15.0), points):
        found = [] if value is None else [None] if value == of else keys
        prop = {"name": f"all of {name}", "points": value, "of": of, "text": text}
        exercises[name] = {"points": value, "of": of, "properties": [prop | {"key": key} for key in found]}
    empty = {name: [] for name in ("notes", "repairs", "cells", "pictures")}
    record = {"assignment": LESSON, "student": student, "status": "graded", "submitted_sha256": sha}
    record |= {"exercises": exercises, "seconds": 2.5, "solution_text": {}, "sandbox": "bwrap"} | empty | more
    write(records.record_path(course, LESSON, student), json.dumps(record))


def write_roster(course, *students):
    write(roster.roster_path(course), roster.as_json(list(students)))
