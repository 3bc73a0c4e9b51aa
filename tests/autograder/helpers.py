"""What several tests of the grader use: whether processes live, and records as the grader writes them."""

import json
import time
from pathlib import Path

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
