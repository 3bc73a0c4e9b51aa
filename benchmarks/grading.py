"""What grading a class costs: against `nbgrader autograde` of the same class, and with the size of the class.

The class is of lesson 2: right solutions, mistakes, untouched notebooks. Both are timed as commands, from
their start to their end, by turns, on all cores; nbgrader has one process. The sandbox, the judge, the hidden
cases and the gradebook are part of `dolphins grade`.

With the class's size, no student's code is run: each submission takes a tenth of the seconds that one took
above, in turn, asleep, so what is left is what the grader itself costs, on a real cluster of local processes.
"""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from autograder import release

ROOT = Path(__file__).parents[1]
NAME = release.lessons()[2].stem
SHARE = 0.1  # of a measured time, that a simulated submission takes


def class_of(folder, students):
    """A course folder with so many submissions of lesson 2: of four, two are right, one has a mistake, one is
    untouched."""
    release.write_course([2], folder)
    solved = release.build.build(release.lessons()[2], solved=True)
    mistaken = nbformat.from_dict(json.loads(json.dumps(solved)))
    for cell in mistaken.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "rodrigues":
            cell.source += "\nright = batch_rodrigues\ndef batch_rodrigues(theta): return right(-theta)\n"
    kinds = itertools.cycle([solved, solved, mistaken, release.student_notebook(2)])
    for number, notebook in zip(range(students), kinds):
        place = Path(folder) / "submitted" / f"s{number:04}" / NAME
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{NAME}.ipynb")
    return Path(folder)


def seconds_of(command, course):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    start = time.perf_counter()
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr[-1000:] or done.stdout[-1000:]}")
    return time.perf_counter() - start


def measure_throughput(students=24, rounds=3):
    """-> {command: seconds of the class, one per round}, the ratio of their medians, seconds of each
    submission in ours"""
    found = {"nbgrader autograde": [], "dolphins grade": []}
    of_each = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours = (
                class_of(Path(folder) / "theirs", students),
                class_of(Path(folder) / "ours", students),
            )
            seconds_of(["nbgrader", "generate_assignment", NAME, "--force"], theirs)
            found["nbgrader autograde"].append(seconds_of(["nbgrader", "autograde", NAME], theirs))
            found["dolphins grade"].append(seconds_of([sys.executable, "-m", "dolphins", "grade", "."], ours))
            of_each += [
                json.loads(path.read_text())["seconds"]
                for path in sorted((ours / "grading" / "records" / NAME).glob("*.json"))
            ]
    return {
        "students": students,
        **{name: [round(s, 1) for s in seconds] for name, seconds in found.items()},
        "ratio": round(
            statistics.median(found["nbgrader autograde"]) / statistics.median(found["dolphins grade"]), 2
        ),
        "seconds_of_each": [round(s, 2) for s in of_each],
    }


def simulated(text, assignment, released, seed, sandbox):
    """Stands in for grading one submission: takes its time, and gives a record of the usual size."""
    seconds = float(text.split(b"\n")[0])
    time.sleep(seconds)
    notebook = release.student_notebook(2)
    from autograder.records import exercises_of

    exercises = {
        name: {
            "points": of / 2,
            "of": of,
            "properties": [{"name": "p", "points": of / 2, "of": of, "key": None, "text": None}],
        }
        for name, of in exercises_of(released).items()
    }
    return {
        "assignment": assignment,
        "status": "graded",
        "seed": seed,
        "exercises": exercises,
        "cells": [],
        "notes": [],
        "repairs": [],
        "pictures": [{"exercise": "tracking", "png": "iVBORw0KGgo" + "A" * 30_000}],
        "seconds": seconds,
        "sandbox": "bwrap",
        "solution_text": {},
        "borrowed": [],
    }, nbformat.writes(notebook)


PROGRAM = """
import sys, time
from pathlib import Path
from benchmarks.grading import simulated
from autograder.grade import grade
from course_lib.machine import peak_rss_mb
start = time.perf_counter()
if __name__ == "__main__":
    grade(Path(sys.argv[1]), grade_one=simulated, workers=2, show=lambda text: None)
    print(time.perf_counter() - start, peak_rss_mb())
"""


def measure_class_size(of_each, sizes=(10, 100, 1000)):
    """-> {size: {"seconds": of the class, "work": of them the submissions' own, "memory_mb": of the grading
    process}}"""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(PROGRAM)
        for size in sizes:
            course = Path(folder) / str(size)
            times = list(itertools.islice(itertools.cycle(SHARE * s for s in of_each), size))
            for number, seconds in enumerate(times):
                place = course / "submitted" / f"s{number:04}" / NAME
                place.mkdir(parents=True)
                (place / f"{NAME}.ipynb").write_bytes(f"{seconds}\n".encode() + b"x" * 200_000)
            done = subprocess.run(
                [sys.executable, program, course],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            wall, memory = map(float, done.stdout.split())
            records = len(list((course / "grading" / "records" / NAME).glob("*.json")))
            assert records == size, f"{records} records of {size} submissions"
            found[size] = {
                "seconds": round(wall, 2),
                "work": round(sum(times) / 2, 2),
                "memory_mb": round(memory),
            }
            shutil.rmtree(course)
    return found


def measure(students=24, rounds=3, sizes=(10, 100, 1000)):
    throughput = measure_throughput(students, rounds)
    return {"throughput": throughput, "size": measure_class_size(throughput["seconds_of_each"], sizes)}
