"""The course folder: what was handed in, and the record of each grade.

nbgrader_config.py                                  written by release
source/LESSON/, release/LESSON/                     notebooks with and without solutions, from release
submitted/STUDENT/LESSON/LESSON.ipynb               the attempt that counts, from collect
autograded/STUDENT/LESSON/LESSON.ipynb              the notebook as it was graded, for formgrader
feedback/STUDENT/LESSON/LESSON.html                 a page for each student, from class_report
gradebook.db                                        nbgrader's, made from the records by gradebook
grading/roster.json, worksheets/LESSON.csv          the class, see roster
grading/collected.json, attempts/                   where everything came from, see collect
grading/run.json                                    the seed of the hidden cases
grading/records/LESSON/STUDENT.json                 the grade and why
grading/report/                                     the page of the class and tables to upload
"""

import base64
import binascii
import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import secrets
import statistics
import struct
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_lib.errors import CourseError, fold
from course_lib.files import write
from lessons.build import ROOT, STUDENT, lesson_names

GRADING = "grading"
# Modules on which a grade depends.
DECIDING = """allowance cgroup inside_sandbox judge preparation questions repair sandbox watcher""".split()
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MOST_PICTURE = 600_000  # characters of a picture in base64
WIDEST = 4000  # pixels of a picture
POSTPONED = "postponed"  # the status of a submission that is graded after the others; none is kept
GRADED = "graded"  # the status of a record that needs nobody's look
SLOW, SLOW_SECONDS = 10, 10.0  # times the median, and seconds, beyond which somebody is to know it


def read_json(path, take, otherwise, told):
    """What a JSON file of the course folder holds: take(its content), `otherwise` where there is no file.

    Raises CourseError where it cannot be read or taken; told: what to do then.
    """
    try:
        return take(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return otherwise
    except (ValueError, KeyError, TypeError):
        raise CourseError(f"{path} cannot be read. {told}") from None


def json_text(content):
    """How JSON is kept in the course folder, for people to read. -> text"""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


@contextlib.contextmanager
def alone(path, another):
    """One program at a time: the block has a file's lock, which the system gives back if the process dies.

    path: the file, which is made where it is missing -> it, open. Raises CourseError with the text `another`
    where another program has the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(another) from None
        yield file


@contextlib.contextmanager
def in_a_sentence(course, kept, only=None):
    """Turns a full disk, and whatever else a file of a course does not do, into a CourseError.

    kept: what is not lost, a sentence; only: numbers of the errors, None for all.
    """
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        what = "the disk is full" if error.errno in FULL else "cannot be written or read"
        raise CourseError(f"""{error.filename or course}: {what} ({error.strerror}). {kept} Make room or mend
            it, then run the same command again; it goes on where it stopped.""") from None


def opened(path):
    """Opens a file to be read, but no link, and no pipe that would have to be waited for. Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


@dataclass(frozen=True)
class Submission:
    """One notebook that was handed in, or should have been. path: of the notebook, which need not exist."""

    student: str
    assignment: str
    path: Path

    def record_path(self, course):
        return record_path(course, self.assignment, self.student)


def record_path(course, assignment, student):
    """Where the record of a student's assignment is kept."""
    return Path(course) / GRADING / "records" / assignment / f"{student}.json"


def assignments_of(course):
    """The assignments that somebody handed in, sorted. -> (lessons, names that are none of this course)"""
    folder = Path(course) / "submitted"
    if not folder.is_dir():
        if folder.parent.is_dir():
            raise CourseError(f"""{folder.parent.resolve()} holds no submitted/: nothing was collected into
                it. `dolphins collect` fills it; if you did that, name the course's folder that you gave
                it.""")
        raise CourseError(f"""{folder.parent}: there is no such folder. Name the course's folder, the one that
            holds submitted/.""")
    names = {entry.name for student in folders(folder) for entry in folders(student)}
    lessons = set(lesson_names())
    return sorted(names & lessons), sorted(names - lessons)


def submissions_of(course, assignment):
    """What was handed in of an assignment, by student. -> iterator of Submission"""
    for student in folders(Path(course) / "submitted"):
        folder = student / assignment
        if folder.is_dir() and not folder.is_symlink():
            yield Submission(student.name, assignment, folder / f"{assignment}.ipynb")


def folders(path):
    """The folders in a folder, sorted, without links, hidden ones, and those whose names are no UTF-8."""
    with os.scandir(path) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [Path(path, name) for name in sorted(names) if not name.startswith(".") and is_text(name)]


def is_text(name):
    """Whether the name of a file is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def records_of(course, assignment):
    """The records of those whose submission is there, sorted by student. -> iterator of dict"""
    records = (read_record(one.record_path(course)) for one in submissions_of(course, assignment))
    return (record for record in records if record is not None)


def read_record(path):
    """A record, or None where there is none that can be read: it is then made again."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) and "status" in record else None


def release_of(course, assignment):
    """The notebook as it was released: the course folder's own, else this course's. -> its text"""
    ours = STUDENT / f"{assignment}.ipynb"
    theirs = Path(course) / "release" / assignment / ours.name
    for path in (theirs, ours):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise CourseError(f"There is no assignment {assignment!r}. The lessons are {', '.join(lesson_names())}.")


@functools.lru_cache(maxsize=8)
def checksum_of(release):
    """SHA-256 of all that decides a grade besides the submission.

    These are the released notebook, the checks, the judge and the reference.
    """
    digest = hashlib.sha256(release.encode())
    paths = [path for folder in ("course_lib", "solutions") for path in sorted((ROOT / folder).rglob("*.py"))]
    paths += [ROOT / "autograder" / f"{name}.py" for name in DECIDING]
    for path in paths:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def exercises_of(release):
    """The graded exercises of a released notebook, in its order. -> {name: points}"""
    marks = [cell.metadata.get("nbgrader", {}) for cell in nbformat.reads(release, as_version=4).cells]
    graded = [mark for mark in marks if mark.get("grade")]
    return {mark["grade_id"].removesuffix("-check"): float(mark["points"]) for mark in graded}


def title_of(exercise):
    """The name of an exercise as students know it: "dibr" -> "Exercise 4 · Basic rendering"."""
    from course_lib import check

    known = getattr(check, exercise, None)
    return f"Exercise {known.number} · {known.title}" if known else exercise


def run_of(course, seed=None):
    """The run of a course: its seed, drawn once and kept in grading/run.json. -> dict

    seed: replaces the one that is kept.
    """
    path = Path(course) / GRADING / "run.json"
    told = """It holds the seed of the run: put back the file, or delete it, and everything is graded again
        with another seed."""
    run = read_json(path, _with_seed, None, told)
    if run is None or seed not in (None, run["seed"]):
        run = {"seed": secrets.randbits(48) + 1 if seed is None else seed}
        write(path, json.dumps(run) + "\n")
    return run


def _with_seed(run):
    if type(run["seed"]) is not int:
        raise TypeError
    return run


def lost_record(assignment, release, status, note):
    """The record of a submission that could not be graded: points None, for somebody to look at."""
    points = exercises_of(release).items()
    exercises = {name: {"points": None, "of": of, "properties": []} for name, of in points}
    record = {"assignment": assignment, "status": status, "exercises": exercises, "notes": [note]}
    return record | {"cells": [], "pictures": [], "seconds": 0.0, "repairs": [], "solution_text": {}}


def why_look(record, unpaid=None):
    """Why somebody has to look at a record, in the grader's words. -> text, None if nobody has to

    unpaid: whether it is no usual grade, or has points that are still to be given by hand; by default so says
    the record alone.
    """
    if record["status"] != GRADED or points_of(record)[0] is None if unpaid is None else unpaid:
        return reason(record)
    if record.get("borrowed"):
        return fold(f"""Their code uses {", ".join(record["borrowed"][:4])}: it may look into parts of the
            course that know answers. Is the solution their own?""")
    if unjudged := _unjudged(record):
        return fold(f"""What came out of {", ".join(unjudged)} is so odd that it could not be judged: it
            counts as wrong. Look at the code.""")
    if said_of_devices(record):
        return "Their code asks for a GPU, which grading does not have; their page says where."
    return None


def far_slower(seconds):
    """Whose submissions took far longer than others of the lesson. seconds: {student: s} -> {student: why}"""
    usual = statistics.median(seconds.values()) if seconds else 0.0
    why = """Grading it took {:.0f} s, where half of the class took {:.1f} s at most. Does their code wait, or
        compute what nobody asked for?"""
    slow = {student: s for student, s in seconds.items() if s > max(SLOW * usual, SLOW_SECONDS)}
    return {student: fold(why.format(s, usual)) for student, s in slow.items()}


def reason(record):
    """Why a record is no usual grade, in the grader's words."""
    return (record.get("notes") or [record["status"]])[0]


def _unjudged(record):
    """The exercises of which something came out that no verdict could be made of. -> list of titles"""
    keys = {
        name: {prop["key"] for prop in exercise["properties"] if not prop.get("reported")}
        for name, exercise in record["exercises"].items()
    }
    return [title_of(name) for name, found in keys.items() if found & {"not-judged", "unusable"}]


def said_of_devices(record):
    """What their notebook says of code with a device written into it, "" without any."""
    properties = (prop for exercise in record["exercises"].values() for prop in exercise["properties"])
    failed = (prop["text"] for prop in properties if prop["key"] == "device")
    return record.get("devices") or next(failed, "")


def is_untouched(properties):
    """Whether nothing of an exercise was written, by what was found of its properties in a record."""
    return bool(properties) and {prop["key"] for prop in properties} <= {"not-implemented", "not-reached"}


def handed_in(course, student, assignment):
    """When a submission was handed in: what timestamp.txt beside it says, "" where there is none."""
    path = Path(course) / "submitted" / student / assignment / "timestamp.txt"
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def store(course, submission, record, notebook):
    """Writes a result: the notebook first, since a record says that all of it is there."""
    student, assignment = submission.student, submission.assignment
    write(Path(course) / "autograded" / student / assignment / f"{assignment}.ipynb", notebook)
    write(submission.record_path(course), json_text(record))


def points_of(record):
    """The points of a record. -> points or None where one is to be given by hand, points of all exercises"""
    exercises = record["exercises"].values()
    points = [exercise["points"] for exercise in exercises]
    return None if None in points else sum(points), sum(exercise["of"] for exercise in exercises)


def line(record):
    """A record as a line of what is printed."""
    points, of = points_of(record)
    shown = "no points yet" if points is None else f"{points:g} of {of:g}, {record['seconds']:.1f} s"
    note = "" if record["status"] == GRADED else f", {record['status']}"
    return f"{record['assignment']}  {record['student']}: {shown}{note}"


def is_png(text, most=MOST_PICTURE):
    """Whether a text is a PNG in base64, by its first bytes, and of a size that a browser can show."""
    if not isinstance(text, str) or not 44 <= len(text) <= most or not text.startswith("iVBORw0KGgo"):
        return False
    try:
        width, height = struct.unpack(">II", base64.b64decode(text[:44], validate=True)[16:24])
    except (binascii.Error, ValueError, struct.error):
        return False
    base64_only = all(c.isascii() and (c.isalnum() or c in "+/=\n") for c in text)
    return 0 < width <= WIDEST and 0 < height <= WIDEST and base64_only
