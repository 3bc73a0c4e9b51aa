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
from autograder.records import exercises_of, records_of

from .fits import ENVIRONMENT

ROOT = Path(__file__).parents[1]
NAME = release.lessons()[2].stem
SHARE = 0.1  # of a measured time, that a simulated submission takes


def class_of(folder, students):
    """A course folder with submissions of lesson 2: of four, two right, one wrong, one untouched."""
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


def seconds_of(command, course, changed=None):
    """Runs a command in a course's folder; changed: variables of the environment. -> seconds"""
    environment = (
        ENVIRONMENT | (changed or {}) | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    )
    start = time.perf_counter()
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr[-1000:] or done.stdout[-1000:]}")
    return time.perf_counter() - start


def measure_throughput(students=24, rounds=3):
    """Both commands on a class, by turns.

    -> {command: seconds of the class, one per round}, the ratio of their medians, seconds of each submission
    in ours
    """
    theirs, ours, of_each = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            nbgraders, dolphins = (class_of(Path(folder) / name, students) for name in ("theirs", "ours"))
            seconds_of(["nbgrader", "generate_assignment", NAME, "--force"], nbgraders)
            theirs.append(seconds_of(["nbgrader", "autograde", NAME], nbgraders))
            ours.append(seconds_of([sys.executable, "-m", "dolphins", "grade", "."], dolphins))
            of_each += [record["seconds"] for record in records_of(dolphins, NAME)]
    return {
        "students": students,
        "nbgrader autograde": [round(s, 1) for s in theirs],
        "dolphins grade": [round(s, 1) for s in ours],
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 2),
        "seconds_of_each": [round(s, 2) for s in of_each],
    }


def simulated(text, assignment, released, seed, sandbox, patience):
    """Stands in for grading one submission: takes its time, and gives a record of the usual size."""
    seconds = float(text.split(b"\n")[0])
    time.sleep(seconds)
    exercises = {}
    for name, of in exercises_of(released).items():
        marks = {"points": of / 2, "of": of}
        exercises[name] = marks | {"properties": [{"name": "p", **marks, "key": None, "text": None}]}
    record = dict(assignment=assignment, status="graded", seed=seed, exercises=exercises, seconds=seconds)
    record |= dict(cells=[], notes=[], repairs=[], sandbox="bwrap", solution_text={}, borrowed=[])
    record["pictures"] = [{"exercise": "tracking", "png": "iVBORw0KGgo" + "A" * 30_000}]
    return record, nbformat.writes(release.student_notebook(2))


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
    """What the grader itself costs. -> {size: {"seconds": ..., "work": ..., "memory_mb": ...}}

    Seconds are of the class, work is how many of them are the submissions' own, memory is of the grading
    process.
    """
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
            how = dict(cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
            done = subprocess.run([sys.executable, program, course], **how)
            wall, memory = map(float, done.stdout.split())
            graded = len(list(records_of(course, NAME)))
            assert graded == size, f"{graded} records of {size} submissions"
            work = sum(times) / 2  # on two workers
            found[size] = {"seconds": round(wall, 2), "work": round(work, 2), "memory_mb": round(memory)}
            shutil.rmtree(course)
    return found


def measure(students=24, rounds=3, sizes=(10, 100, 1000)):
    """Both: throughput, and the class's size with the times that the first found."""
    throughput = measure_throughput(students, rounds)
    return {"throughput": throughput, "size": measure_class_size(throughput["seconds_of_each"], sizes)}
