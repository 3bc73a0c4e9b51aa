"""A class graded: each submission is one Dask task, and each result one file.

    submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb  ->  grading/records/ASSIGNMENT/STUDENT.json     the grade and why
                                                       autograded/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb  for formgrader
                                                   ->  gradebook.db       (gradebook.py, at the end, from the records alone)

The grading process holds one submission per worker: it reads a file when a worker is free, sends its bytes, and writes what comes
back at once, under a temporary name that is then renamed. So it can be killed at any moment. Started again, it skips each
submission that has a record of the same file, the same release and checks, and the same seed.

The workers need nothing of the course folder, only this course installed in the same version. They are processes of this machine,
or those of any Dask scheduler (`--scheduler tcp://HOST:8786`), one thread each:

    DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 dask scheduler
    dask worker tcp://HOST:8786 --nthreads 1 --nworkers 8

A submission whose worker dies is tried once more by `grade`; a scheduler that allows failures adds its own tries to that.
"""

import collections
import contextlib
import errno
import fcntl
import functools
import hashlib
import importlib.util
import itertools
import json
import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_lib.errors import CourseError
from course_lib.progress import tqdm

from .build import ROOT, STUDENT, lesson_names
from .collect import lesson_called
from .files import write
from .repair import MOST_BYTES

GRADING = "grading"
SCRATCH = "dolphins-grade-"     # what the names of the workers' folders begin with
DEADLINE = 1200                 # seconds of one submission, after which its worker ends itself; the judge stops far earlier
GRADED = "graded"               # the status of a record that needs nobody's look
MOST_LINES = 20                 # of what is to be looked at, that are printed
OURS = ("worker-lost", "fault")     # not the submission's doing: the next start tries it again
NO_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"       # for the workers: the grading process ends them
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Unready(CourseError):
    """A worker that can grade nothing at all. The run ends with it: whatever it says would hold for every submission."""


class Lock:
    """One grader at a time in a course folder: `with Lock(course) as lock`. The system gives it back if the process dies.

    The file names the workers' temporary folder, so that what a killed grader left of it is deleted by the next.
    """

    def __init__(self, course):
        self.path = Path(course) / GRADING / ".lock"

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("a+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise CourseError(f"{self.path.parent}: another `dolphins grade` is at work on this course. Wait until it has "
                              "ended.") from None
        self.file.seek(0)
        left = Path(self.file.read().strip() or os.curdir)
        if left.name.startswith(SCRATCH) and left.is_absolute() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        return self

    def __exit__(self, *_):
        self.file.close()

    @contextlib.contextmanager
    def scratch(self):
        """A temporary folder for the workers, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as folder:
            self.file.truncate(0)
            self.file.write(folder)
            self.file.flush()
            yield folder


# --- the course folder: what was handed in, and what is known of it already -----------------------------------

@dataclass(frozen=True)
class Submission:
    """One notebook that was handed in, or should have been. path: of the notebook, which need not exist."""

    student: str
    assignment: str
    path: Path

    def record_path(self, course):
        return record_path(course, self.assignment, self.student)


def record_path(course, assignment, student):
    return Path(course) / GRADING / "records" / assignment / f"{student}.json"


def assignments_of(course):
    """The assignments that somebody handed in: lessons, and what is none of this course, sorted. -> (names, other names)"""
    folder = Path(course) / "submitted"
    if not folder.is_dir():
        if folder.parent.is_dir():
            raise CourseError(f"{folder.parent.resolve()} holds no submitted/: nothing was collected into it. `dolphins collect` "
                              "fills it; if you did that, name the course's folder that you gave it.")
        raise CourseError(f"{folder.parent}: there is no such folder. Name the course's folder, the one that holds submitted/.")
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
    """The folders in a folder, sorted, without hidden ones and links, and without those whose names are no UTF-8."""
    with os.scandir(path) as entries:
        return [Path(entry.path) for entry in sorted(entries, key=lambda e: e.name)
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and is_text(entry.name)]


def is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def records_of(course, assignment):
    """The records of those whose submission is there, one after another, sorted by student. -> iterator of dict"""
    for submission in submissions_of(course, assignment):
        record = read_record(submission.record_path(course))
        if record is not None:
            yield record


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
    """SHA-256 of all that decides a grade besides the submission: the released notebook, the checks, the judge, the reference."""
    digest = hashlib.sha256(release.encode())
    for folder in ("course_lib", "solutions", "autograder"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder != "autograder" or path.name in ("judge.py", "stage.py", "repair.py", "sandbox.py"):
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def exercises_of(release):
    """The graded exercises of a released notebook, in its order. -> {name: points}"""
    marks = [cell.metadata.get("nbgrader", {}) for cell in nbformat.reads(release, as_version=4).cells]
    return {mark["grade_id"].removesuffix("-check"): float(mark["points"]) for mark in marks if mark.get("grade")}


def title_of(exercise):
    """The name of an exercise as students know it: "dibr" -> "Exercise 4 · Basic rendering" """
    from course_lib import check

    known = getattr(check, exercise, None)
    return f"Exercise {known.number} · {known.title}" if known else exercise


def run_of(course, seed=None):
    """The run of a course: its seed, drawn once and kept in grading/run.json. seed: replaces the one that is kept. -> dict"""
    path = Path(course) / GRADING / "run.json"
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if type(run["seed"]) is not int:
            raise ValueError
    except FileNotFoundError:
        run = None
    except (ValueError, KeyError, TypeError):
        raise CourseError(f"{path} cannot be read. It holds the seed of the run: put back the file, or delete it, and everything "
                          "is graded again with another seed.") from None
    if run is None or seed not in (None, run["seed"]):
        run = {"seed": secrets.randbits(48) + 1 if seed is None else seed}
        write(path, json.dumps(run) + "\n")
    return run


@contextlib.contextmanager
def room(course):
    """Turns a full disk into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise CourseError(f"{error.filename or course}: the disk is full ({error.strerror}). Nothing that was graded is lost: "
                          "make room, then start the same command again; it goes on where it stopped.") from None


@contextlib.contextmanager
def interruptible(summary):
    """Turns Ctrl-C into a sentence."""
    try:
        yield
    except KeyboardInterrupt:
        raise CourseError(f"Stopped. {summary.graded} submissions were graded, and nothing of them is lost: the same command "
                          "goes on.") from None


# --- one submission, on a worker ------------------------------------------------------------------------------

def task(pickled, text, assignment, release, seed, sandbox, checksum):
    """Grades one submission on this worker. -> (record, notebook with outputs or None)

    pickled: grade_one; text: the notebook's bytes; checksum: of the grading process's release and checks.
    """
    import cloudpickle

    if checksum_of(release) != checksum:
        raise Unready(f"A worker on {os.uname().nodename} has another version of the course, in {ROOT}. Install there what "
                      "is installed here.")
    # A worker that hangs is ended, and its submission counts as lost; nothing else could free it.
    watchdog = threading.Timer(DEADLINE, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    try:
        return cloudpickle.loads(pickled)(text, assignment, release, seed, sandbox)
    finally:
        watchdog.cancel()


_warm = {}          # of this worker: (assignment, kind) -> (Sandbox, ExpectedCache, folder of the bundle)


def grade_submission(text, assignment, release, seed, sandbox):
    """Repairs a submission, runs it in this worker's warm sandbox and judges it. -> (record, notebook with outputs or None)

    text: bytes of the submitted notebook; release: text of the released one; sandbox: "bwrap" or "none".
    """
    from .judge import judge_submission
    from .repair import repair

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="dolphins-submission-") as folder:
        path = Path(folder) / f"{assignment}.ipynb"
        path.write_bytes(text)
        try:
            repaired = repair(path, nbformat.reads(release, as_version=4))
        except CourseError as error:
            return lost_record(assignment, release, "unreadable", str(error).replace(str(path), path.name)), None
    confined, expected = warm(assignment, sandbox)
    try:
        record = judge_submission(repaired.notebook, assignment, seed, confined, expected)
    except BaseException:
        close_warm()                    # whatever state it is in, the next submission gets a new one
        raise
    record["repairs"] = list(repaired.notes)
    record["solution_text"] = {cell.metadata["nbgrader"]["grade_id"]: cell.source[:20_000] for cell in repaired.notebook.cells
                               if cell.metadata.get("nbgrader", {}).get("solution")}
    record["seconds"] = round(time.perf_counter() - start, 3)
    return record, nbformat.writes(with_outputs(repaired.notebook, record, release), version=4) + "\n"


def warm(assignment, kind):
    """This worker's sandbox for an assignment: started once, since that is what costs. -> (Sandbox, ExpectedCache)"""
    import torch

    from . import release
    from .judge import ExpectedCache
    from .sandbox import Sandbox

    if (assignment, kind) not in _warm:
        close_warm()
        folder = tempfile.mkdtemp(prefix="dolphins-bundle-")
        mask = os.umask(0o022)          # if root grades, another user reads it
        try:
            release.write_folder(f"{folder}/course", release.files([int(assignment[:2])]))
            sandbox = Sandbox(kind, f"{folder}/course")
            sandbox.__enter__()
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, CourseError):
                raise Unready(f"{error} (on {os.uname().nodename})") from None
            raise
        finally:
            os.umask(mask)
        # A GPU is not to be seen in the sandbox; without one, functions are called where their notebook would run them.
        device = "cuda" if kind == "none" and torch.cuda.is_available() else "cpu"
        _warm[assignment, kind] = sandbox, ExpectedCache(device), folder
    return _warm[assignment, kind][:2]


def close_warm():
    """Ends this worker's sandbox, if there is one."""
    while _warm:
        sandbox, _, folder = _warm.popitem()[1]
        with contextlib.suppress(Exception):
            sandbox.__exit__(None, None, None)
        shutil.rmtree(folder, ignore_errors=True)


grade_submission.close = close_warm


def refuse_without_sandbox(kind, show):
    """Raises CourseError where student code would not be confined and nobody said that it need not be."""
    from .sandbox import sandbox_problem

    if kind == "none":
        show("WARNING: --sandbox none. The students' code runs as you, with your files, your network and your rights: it can "
             "read the solutions and other submissions, change grades, and delete what you can delete. Do so only on a machine "
             "that holds nothing else and is thrown away afterwards.")
    elif problem := sandbox_problem():
        raise CourseError(f"Grading needs a sandbox, and there is none here: {problem} (`dolphins doctor` says more; `--sandbox "
                          "none` grades without one, and says what that means.)")


def with_outputs(notebook, record, release):
    """The notebook as formgrader shows it: under each cell its error or pictures, under each check its result and points.

    Formgrader runs whatever script stands in a text cell, with the rights of who grades. So text that is not the release's
    becomes a code cell, which is shown letter by letter.
    """
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    ours = {cell.source for cell in nbformat.reads(release, as_version=4).cells if cell.cell_type != "code"}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" and cell.source not in ours:
            notebook.cells[number] = nbformat.v4.new_code_cell(f"# text of the student's\n{cell.source}", id=cell.id)
    errors = {cell["cell"]: cell["error"] for cell in record["cells"] if cell.get("error")}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        mark = cell.metadata.get("nbgrader", {})
        cell.outputs, cell.execution_count = [], None
        if mark.get("grade"):
            exercise = record["exercises"].get(mark["grade_id"].removesuffix("-check"))
            if exercise:
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=verdict_text(exercise))]
            continue
        if cell.get("id") in errors:
            name, _, value = errors[cell["id"]].partition(": ")
            cell.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=value, traceback=[errors[cell["id"]]]))
        if mark.get("solution"):
            cell.outputs += [nbformat.v4.new_output("display_data", data={"image/png": picture["png"]})
                             for picture in record.get("pictures", []) if picture["exercise"] == mark["grade_id"]]
    return notebook


def without_work(release, note):
    """The released notebook with a note, for a submission that could not be graded: so that formgrader takes points by hand."""
    notebook = nbformat.reads(release, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"# {note}", id="why-not-graded"))
    return nbformat.writes(notebook, version=4) + "\n"


def verdict_text(exercise):
    """What became of an exercise, in lines: as the check in the notebook says it. -> text"""
    lines = []
    for prop in exercise["properties"]:
        held = prop["key"] is None
        if prop["of"] or not held:
            earned = f"  {prop['points']:g} / {prop['of']:g}" if prop["of"] else ""
            lines.append(f"{'✓' if held else '✗'} {prop['name']}{earned}")
        if not held and prop["text"]:
            lines.append(f"    {prop['text']}")
    points = exercise["points"]
    lines.append(f"Points: {'to be given by hand' if points is None else f'{points:g}'} of {exercise['of']:g}.")
    return "\n".join(lines) + "\n"


def lost_record(assignment, release, status, note):
    """The record of a submission that could not be graded: points None, for somebody to look at."""
    exercises = {name: {"points": None, "of": of, "properties": []} for name, of in exercises_of(release).items()}
    return {"assignment": assignment, "status": status, "exercises": exercises, "cells": [], "notes": [note], "pictures": [],
            "seconds": 0.0, "repairs": [], "solution_text": {}}


# --- a class --------------------------------------------------------------------------------------------------

@dataclass
class Summary:
    """What a run did. unknown: assignments in submitted/ that are no lessons; attention: (assignment, student, why) of what
    somebody has to look at, of submissions that were graded before too."""

    graded: int = 0
    skipped: int = 0
    seconds: float = 0.0
    attention: list = field(default_factory=list)
    unknown: list = field(default_factory=list)

    dropped: list = field(default_factory=list)     # what was given by hand for work before, as gradebook.Changes has it

    def text(self):
        """What is said at the end."""
        lines = [f"{self.graded} graded, {self.skipped} as they were, in {self.seconds:.0f} s."]
        if self.unknown:
            lines.append(f"No lessons of this course, left alone: {', '.join(self.unknown)}.")
        for name, student, exercise, given in self.dropped:
            what = f"the comment {given!r}" if isinstance(given, str) else f"the {given:g} points given by hand"
            lines.append(f"{student} has handed in {name} again: {what} for {title_of(exercise)} was for the work before, and is "
                         "taken away.")
        if self.attention:
            lines.append(f"{len(self.attention)} to be looked at by hand:")
            lines += [f"  {name}  {student}: {why}" for name, student, why in self.attention[:MOST_LINES]]
        if len(self.attention) > MOST_LINES:
            lines.append(f"  and {len(self.attention) - MOST_LINES} more; `dolphins report` shows all of them.")
        return "\n".join(lines)

    def note(self, record):
        if needs_a_look(record):
            self.attention.append((record["assignment"], record["student"], (record.get("notes") or [record["status"]])[0]))


def needs_a_look(record):
    return record["status"] != GRADED or any(exercise["points"] is None for exercise in record["exercises"].values())


def grade(course, assignment=None, *, workers=None, scheduler=None, sandbox="bwrap", seed=None, force=False, gradebook=True,
          grade_one=None, show=print):
    """Grades what was handed in, or goes on with it. -> Summary

    course: folder with submitted/. assignment: only this one. workers: processes of this machine, one per core if None;
    scheduler: address of a Dask scheduler, whose workers grade instead. sandbox: "bwrap" or "none". seed: of the hidden cases,
    drawn once for the course if None. force: grade again what has a record. gradebook: whether to bring gradebook.db up to
    date, which takes nbgrader.
    grade_one(text, assignment, release, seed, sandbox) -> (record, notebook text or None): how one submission is graded.
    """
    course, start = Path(course), time.perf_counter()
    names, unknown = assignments_of(course)
    if assignment is not None:
        assignment = lesson_called(assignment, lesson_names())
        names, unknown = [name for name in names if name == assignment], []
    if not names:
        other = f", only {', '.join(unknown)}" if unknown else ""
        raise CourseError(f"{course / 'submitted'} holds no submission of {assignment or 'a lesson'}{other}. It is laid "
                          "out as submitted/STUDENT/02_template_model/02_template_model.ipynb.")
    if seed is not None and seed < 1:
        raise CourseError(f"--seed {seed}: the seed of the hidden cases is a number from 1 on; 0 is that of the cases that "
                          "students see.")
    if grade_one is None:
        refuse_without_sandbox(sandbox, show)
        grade_one = grade_submission
    summary = Summary(unknown=unknown)
    summary.attention = [("", ascii(name), "This folder's name in submitted/ is not UTF-8: nothing in it was graded. Rename it.")
                         for name in os.listdir(course / "submitted") if not is_text(name)]
    with room(course), interruptible(summary), Lock(course) as lock:
        releases = {name: release_of(course, name) for name in names}
        batch = Batch(course, releases, run_of(course, seed)["seed"], sandbox, summary, show)
        jobs = batch.unfinished(force)
        first = next(jobs, None)
        if first is not None:                               # else no cluster need be started
            if gradebook:
                require_gradebook()
            with lock.scratch() as scratch, cluster_of(scheduler, workers, batch.total, scratch, show) as client:
                try:
                    batch.run(client, grade_one, itertools.chain([first], jobs))
                finally:
                    if scheduler is not None:               # its workers go on; their sandboxes need not
                        with contextlib.suppress(Exception):
                            client.run(getattr(grade_one, "close", dict), on_error="ignore")
        if gradebook:
            from .gradebook import update

            summary.dropped = update(course, names).dropped
    summary.seconds = time.perf_counter() - start
    return summary


def require_gradebook():
    """Raises CourseError before hours of grading, not after them, where nbgrader is missing."""
    if importlib.util.find_spec("nbgrader") is None:
        raise CourseError("Grading needs nbgrader, for gradebook.db: pip install -c constraints.txt -e '.[grade]', or `make "
                          "setup`.")


def sha256(path):
    """SHA-256 of a file, in hexadecimal; None where it is no readable file of its own."""
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def read_submission(path):
    """A submitted notebook's bytes. Raises CourseError where there is none that can be graded."""
    try:
        size = path.lstat().st_size
        if path.is_symlink() or not path.is_file():
            raise CourseError("What was handed in is not a file.")
        if size > MOST_BYTES:
            raise CourseError(f"The notebook has {size / 2**20:.0f} MB; at most {MOST_BYTES / 2**20:.0f} MB are read. Delete its "
                              "outputs (Edit > Clear all outputs), save it, and hand it in again.")
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise CourseError(f"There is no notebook {path.name} among what was handed in.") from None
    except OSError as error:
        raise CourseError(f"{path.name} cannot be read ({error.strerror}).") from None


class Batch:
    """The submissions of a course, graded on a cluster. releases: {assignment: text of the released notebook}"""

    def __init__(self, course, releases, seed, sandbox, summary, show):
        self.course, self.releases, self.seed, self.sandbox = course, releases, seed, sandbox
        self.summary, self.show = summary, show
        self.checksums = {name: checksum_of(release) for name, release in releases.items()}
        self.total = sum(1 for name in releases for _ in submissions_of(course, name))

    def unfinished(self, force=False):
        """The submissions that have no record of this run yet. -> iterator of Submission"""
        for name in self.releases:
            for submission in submissions_of(self.course, name):
                record = None if force else read_record(submission.record_path(self.course))
                if record is not None and self.holds(record, name) and record.get("submitted_sha256") == sha256(submission.path):
                    self.summary.skipped += 1
                    self.summary.note(record)
                else:
                    yield submission

    def holds(self, record, name):
        """Whether a record would be made again as it is, of the same submission."""
        return record["status"] not in OURS \
            and record.get("release") == self.checksums[name] and record.get("seed") == self.seed \
            and (record.get("sandbox") == self.sandbox or self.sandbox == "none")       # what was confined counts unconfined too

    def run(self, client, grade_one, jobs):
        """Gives each worker of a cluster one submission after another, and writes what comes back."""
        import cloudpickle
        from distributed import as_completed

        pickled = cloudpickle.dumps(grade_one)
        done = as_completed([], loop=client.loop)
        under_way = {}                                      # future's key -> (Submission, SHA-256 of what was sent, attempt)
        again = collections.deque()                         # those whose worker was lost
        jobs = ((submission, 1) for submission in jobs)

        def fill():
            # One submission for each worker: so the death of a worker is laid to the submission that it had.
            workers = max(1, sum(client.nthreads().values()))
            while len(under_way) < workers:
                submission, attempt = (again.popleft() if again else None) or next(jobs, (None, 0))
                if submission is None:
                    return
                try:
                    text = read_submission(submission.path)
                except CourseError as error:
                    self.finish(submission, sha256(submission.path), self.failure(submission, "unreadable", str(error)))
                    continue
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Sending large graph")    # a large notebook is no news
                    name = submission.assignment
                    future = client.submit(task, pickled, text, name, self.releases[name], self.seed, self.sandbox,
                                           self.checksums[name], pure=False, key=f"{name}-{secrets.token_hex(8)}")
                under_way[future.key] = submission, hashlib.sha256(text).hexdigest(), attempt
                done.add(future)

        self.bar = tqdm(total=self.total, desc="graded", initial=self.summary.skipped)
        try:
            fill()
            while under_way:
                future = next(done)
                submission, digest, attempt = under_way.pop(future.key)
                result = self.result_of(future, submission, attempt)
                if result is None:
                    again.append((submission, attempt + 1))
                else:
                    self.finish(submission, digest, *result)
                future.release()
                del future, result
                fill()
        finally:
            self.bar.close()

    def result_of(self, future, submission, attempt):
        """-> (record, notebook text or None), or None where the submission is to be tried once more"""
        from distributed import KilledWorker

        if future.cancelled():
            raise CourseError("The Dask scheduler has gone. Nothing that was graded is lost: the same command goes on.")
        try:
            return future.result()
        except KilledWorker:
            if attempt == 1:
                return None
            return self.failure(submission, "worker-lost", "Not graded: the process that graded this ended, twice. To be looked "
                                                           "at by hand."), None
        except Unready:
            raise
        except Exception as error:                          # a fault of ours must not cost the others their grades
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            self.show(f"{submission.student}: the grader failed: {type(error).__name__}: {error}")
            return self.failure(submission, "fault", f"Not graded: the grader itself failed ({type(error).__name__}). To be "
                                                     "looked at by hand."), None

    def failure(self, submission, status, note):
        return lost_record(submission.assignment, self.releases[submission.assignment], status, note)

    def finish(self, submission, digest, record, notebook=None):
        """Writes a result, and says so."""
        record = {**record, "student": submission.student, "submitted_sha256": digest, "seed": self.seed, "sandbox": self.sandbox,
                  "release": self.checksums[submission.assignment]}
        if notebook is None:
            notebook = without_work(self.releases[submission.assignment], (record["notes"] or [record["status"]])[0])
        store(self.course, submission, record, notebook)
        self.summary.graded += 1
        self.summary.note(record)
        finished = self.summary.graded + self.summary.skipped
        self.bar.total = max(self.total, finished)          # there may be more by now
        self.bar.update(finished - self.bar.n)
        if self.bar.disable:                                # nobody looks on: lines for a log
            self.show(f"{finished:5} of {self.bar.total}  {line(record)}")


def store(course, submission, record, notebook):
    """Writes a result: the notebook first, since a record says that all of it is there."""
    target = Path(course) / "autograded" / submission.student / submission.assignment / f"{submission.assignment}.ipynb"
    write(target, notebook)
    write(submission.record_path(course), json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def points_of(record):
    """-> (points or None where one is to be given by hand, points of all exercises)"""
    points = [exercise["points"] for exercise in record["exercises"].values()]
    return None if None in points else sum(points), sum(exercise["of"] for exercise in record["exercises"].values())


def line(record):
    points, of = points_of(record)
    shown = "by hand" if points is None else f"{points:g}"
    note = "" if record["status"] == GRADED else f"  {record['status']}"
    return f"{record['assignment']}  {record['student']}: {shown} of {of:g}, {record['seconds']:.1f} s{note}"


@contextlib.contextmanager
def cluster_of(scheduler, workers, jobs, scratch, show):
    """A Dask cluster: the one at this address, else one of processes on this machine, whose files lie in `scratch`. -> client"""
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError:
        raise CourseError("Grading needs Dask: pip install -c constraints.txt -e '.[grade]', or `make setup`.") from None
    if scheduler is not None:
        with quiet():
            try:
                client = Client(scheduler, timeout=20, set_as_default=False)
            except (OSError, ValueError, TimeoutError) as error:
                raise CourseError(f"There is no Dask scheduler at {scheduler} ({type(error).__name__}). Its address looks like "
                                  "tcp://HOST:8786; `dask scheduler` prints it.") from None
            with client:
                wait_for_workers(client, scheduler, show)
                yield client
        return
    count = min(workers or dask.system.CPU_COUNT, max(1, jobs))
    show(f"Starting {count} worker{'s' * (count > 1)}, which takes up to half a minute.")
    try:
        security = Security.temporary()
    except ImportError:
        raise CourseError("Grading needs the package cryptography, for its workers' connections: "
                          "pip install cryptography") from None
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.admin.log-length": 0,
                "distributed.admin.low-level-log-length": 0, "distributed.scheduler.http.routes": [],
                "distributed.worker.http.routes": []}
    # With TLS, for whoever reaches the scheduler's port can run code as the one who grades: also somebody else on this machine.
    with dask.config.set(settings), quiet(), \
            LocalCluster(n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
                         memory_limit=0, local_directory=scratch, env={"TMPDIR": scratch}, preload=[NO_CTRL_C],
                         silence_logs=logging.CRITICAL,
                         security=security) as cluster, \
            Client(cluster, set_as_default=False) as client:
        yield client


def wait_for_workers(client, scheduler, show):
    """Waits until a scheduler has workers, which may take long. Raises CourseError where they are not as they must be."""
    if not client.nthreads():
        show(f"The scheduler {scheduler} has no worker yet: waiting for one (dask worker {scheduler} --nthreads 1).")
        client.wait_for_workers(1)
    many = {address: count for address, count in client.nthreads().items() if count != 1}
    if many:
        address, count = next(iter(many.items()))
        raise CourseError(f"The worker {address} has {count} threads. A process grades one submission at a time: start workers "
                          f"with `dask worker {scheduler} --nthreads 1 --nworkers {count}`.")


@contextlib.contextmanager
def quiet():
    """Dask speaks of lost workers at length; `Batch` says what matters of it."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
