"""A class graded: each submission is one Dask task, and each result one file.

    submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb  ->  grading/records/ASSIGNMENT/STUDENT.json
                                                       autograded/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb
                                                   ->  gradebook.db   (gradebook.py, at the end, from the records alone)

The grading process holds a handful of submissions at a time: it reads a file when a worker is about to be free, sends its bytes, and
writes what comes back at once, under a temporary name that is then renamed. So it can be killed at any moment. Started again, it skips
each submission that has a record of the same file, the same release and the same seed. The workers need nothing of the course folder,
only this course installed.
"""

import collections
import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import logging
import os
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_lib.errors import CourseError
from course_lib.progress import is_seen, tqdm

from .build import ROOT, STUDENT

GRADING = "grading"
MOST_BYTES = 64 * 2**20         # of a submitted notebook; a larger one is not read
DEADLINE = 1200                 # seconds of one submission, after which its worker ends itself (the judge's own limit is far below)
GRADED = "graded"               # the status of a record that needs nobody's look
OURS = ("worker-lost", "fault")     # not the submission's doing: the next start tries it again


class Lock:
    """One grader at a time in a course folder: `with Lock(course)`. The system gives it back even if the process is killed."""

    def __init__(self, course):
        self.path = Path(course) / GRADING / ".lock"

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("a")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise CourseError(f"{self.path.parent}: another `dolphins grade` is at work on this course. Wait until it has ended.") from None
        return self

    def __exit__(self, *_):
        self.file.close()


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
    """The assignments that somebody handed in and that are lessons of this course, sorted. -> (names, names that are no lessons)"""
    folder = Path(course) / "submitted"
    if not folder.is_dir():
        raise CourseError(f"{folder} is not there. Name the course's folder, the one that holds submitted/; `dolphins collect` fills it.")
    names = {entry.name for student in folders(folder) for entry in folders(student)}
    lessons = {path.stem for path in STUDENT.glob("[0-9][0-9]_*.ipynb")}
    return sorted(names & lessons), sorted(names - lessons)


def submissions_of(course, assignment):
    """What was handed in of an assignment, by student. -> iterator of Submission"""
    for student in folders(Path(course) / "submitted"):
        folder = student / assignment
        if folder.is_dir() and not folder.is_symlink():
            yield Submission(student.name, assignment, folder / f"{assignment}.ipynb")


def folders(path):
    with os.scandir(path) as entries:
        return [Path(entry.path) for entry in sorted(entries, key=lambda e: e.name)
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]


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
    there = ", ".join(sorted(path.stem for path in STUDENT.glob("[0-9][0-9]_*.ipynb")))
    raise CourseError(f"There is no assignment {assignment!r}. The lessons are {there}.")


def checksum_of(release):
    """SHA-256 of all that decides a grade besides the submission: the released notebook, the checks, the reference."""
    digest = hashlib.sha256(release.encode())
    for folder in ("course_lib", "solutions", "autograder"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder != "autograder" or path.name in ("judge.py", "stage.py", "repair.py"):
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def exercises_of(release):
    """The graded exercises of a released notebook, in its order. -> {name: points}"""
    marks = [cell.metadata.get("nbgrader", {}) for cell in nbformat.reads(release, as_version=4).cells]
    return {mark["grade_id"].removesuffix("-check"): float(mark["points"]) for mark in marks if mark.get("grade")}


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
        raise CourseError(f"{path} cannot be read. It holds the seed of the run: put back the file, or delete it, and everything is "
                          "graded again with another seed.") from None
    if run is None or seed not in (None, run["seed"]):
        run = {"seed": secrets.randbits(48) + 1 if seed is None else seed}
        write(path, json.dumps(run) + "\n")
    return run


def write(path, text):
    """Writes a file whole or not at all: under a temporary name, which is then renamed. -> path"""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return path


@contextlib.contextmanager
def room(course):
    """Turns a full disk into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise CourseError(f"{course}: the disk is full ({error.strerror}). Nothing that was graded is lost: make room, then start the same "
                          "command again; it goes on where it stopped.") from None


# --- one submission, on a worker ------------------------------------------------------------------------------

def task(pickled, text, assignment, release, seed, sandbox):
    """Grades one submission on this worker. pickled: grade_one; text: the notebook's bytes. -> (record, notebook with outputs or None)"""
    import cloudpickle

    # A worker that hangs is ended, and its submission counts as lost; nothing else could free it.
    watchdog = threading.Timer(DEADLINE, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    try:
        return cloudpickle.loads(pickled)(text, assignment, release, seed, sandbox)
    finally:
        watchdog.cancel()


_warm = {}          # of this worker: (assignment, kind) -> (Sandbox, ExpectedCache)


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
        grade_submission.close()        # whatever state it is in, the next submission gets a new one
        raise
    record["repairs"] = list(repaired.notes)
    record["solution_text"] = {cell.metadata["nbgrader"]["grade_id"]: cell.source[:20_000] for cell in repaired.notebook.cells
                               if cell.metadata.get("nbgrader", {}).get("solution")}
    record["seconds"] = round(time.perf_counter() - start, 3)
    return record, nbformat.writes(with_outputs(repaired.notebook, record), version=4) + "\n"


def warm(assignment, kind):
    """This worker's sandbox for an assignment: started once, since that is what costs. -> (Sandbox, ExpectedCache)"""
    from .judge import ExpectedCache
    from .sandbox import Sandbox

    if (assignment, kind) not in _warm:
        grade_submission.close()
        sandbox = Sandbox(kind, bundle_for(assignment))
        sandbox.__enter__()
        _warm[assignment, kind] = sandbox, ExpectedCache()
    return _warm[assignment, kind]


def close_warm():
    while _warm:
        with contextlib.suppress(Exception):
            _warm.popitem()[1][0].__exit__(None, None, None)


grade_submission.close = close_warm


def refuse_without_sandbox(kind, show):
    """Raises CourseError where student code would not be confined and nobody said that it need not be."""
    from .sandbox import sandbox_problem

    if kind == "none":
        show("WARNING: --sandbox none. The students' code runs as you, with your files, your network and your rights: it can read the "
             "solutions and other submissions, change grades, and delete what you can delete. Do so only on a machine that holds nothing "
             "else and is thrown away afterwards.")
    elif problem := sandbox_problem():
        raise CourseError(f"Grading needs a sandbox, and there is none here: {problem} (`dolphins doctor` says more; `--sandbox none` "
                          "grades without one, and says what that means.)")


def with_outputs(notebook, record):
    """The notebook as formgrader shows it: under each cell its error or pictures, under each check its result and points."""
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
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


def verdict_text(exercise):
    """What became of an exercise, in lines: as the check in the notebook says it. -> text"""
    lines = []
    for prop in exercise["properties"]:
        held = prop["key"] is None
        if prop["of"] or not held:
            lines.append(f"{'✓' if held else '✗'} {prop['name']}" + (f"  {prop['points']:g} / {prop['of']:g}" if prop["of"] else ""))
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
    """What a run did. attention: (assignment, student, why) of what somebody has to look at."""

    graded: int = 0
    skipped: int = 0
    seconds: float = 0.0
    attention: list = field(default_factory=list)
    unknown: list = field(default_factory=list)


def grade(course, assignment=None, *, workers=None, scheduler=None, sandbox="bwrap", seed=None, force=False, grade_one=None, show=print):
    """Grades what was handed in, or goes on with it. -> Summary

    course: folder with submitted/. workers: of the local cluster, as many as there are cores if None; scheduler: address of a Dask
    scheduler instead. sandbox: "bwrap" or "none". seed: of the hidden cases. force: grade again what has a record.
    grade_one(text, assignment, release, seed, sandbox) -> (record, notebook text or None): how one submission is graded.
    """
    course, start = Path(course), time.perf_counter()
    if grade_one is None:
        refuse_without_sandbox(sandbox, show)
        grade_one = grade_submission
    names, unknown = assignments_of(course)
    if assignment is not None:
        names = [assignment]
    if not names:
        raise CourseError(f"{course / 'submitted'} holds no submission of a lesson" + (f", only {', '.join(unknown)}" if unknown else "")
                          + ". It is laid out as submitted/STUDENT/02_template_model/02_template_model.ipynb.")
    summary = Summary(unknown=unknown if assignment is None else [])
    with room(course), Lock(course):
        run = run_of(course, seed)
        releases = {name: release_of(course, name) for name in names}
        checksums = {name: checksum_of(release) for name, release in releases.items()}
        todo = functools.partial(unfinished, course, names, checksums, run["seed"], sandbox, force, summary)
        total = sum(1 for name in names for _ in submissions_of(course, name))
        jobs = todo()
        first = next(jobs, None)
        if first is not None:
            with cluster_of(scheduler, workers, total) as client:
                try:
                    grade_on(client, grade_one, course, chain(first, jobs), releases, checksums, run["seed"], sandbox, summary, total, show)
                finally:
                    with contextlib.suppress(Exception):
                        client.run(getattr(grade_one, "close", dict))
        summary.attention = [(name, record["student"], record["notes"][0] if record.get("notes") else record["status"])
                             for name in names for record in records_of(course, name) if needs_a_look(record)]
    summary.seconds = time.perf_counter() - start
    return summary


def chain(first, rest):
    yield first
    yield from rest


def needs_a_look(record):
    return record["status"] != GRADED or any(e["points"] is None for e in record["exercises"].values())


def unfinished(course, names, checksums, seed, sandbox, force, summary):
    """The submissions that have no record of this run yet. -> iterator of (Submission, its SHA-256 or None)"""
    for name in names:
        for submission in submissions_of(course, name):
            digest = sha256(submission.path)
            record = None if force else read_record(submission.record_path(course))
            if record is not None and digest == record.get("submitted_sha256") and checksums[name] == record.get("release") \
                    and seed == record.get("seed") and record["status"] not in OURS \
                    and not (sandbox == "bwrap" and record.get("sandbox") == "none"):
                summary.skipped += 1
                continue
            yield submission, digest


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
            raise CourseError(f"The notebook has {size / 2**20:.0f} MB; at most {MOST_BYTES / 2**20:.0f} MB are read. Delete its outputs "
                              "(Edit > Clear all outputs), save it, and hand it in again.")
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise CourseError(f"There is no notebook {path.name} among what was handed in.") from None


def grade_on(client, grade_one, course, jobs, releases, checksums, seed, sandbox, summary, total, show):
    """Keeps the workers of a cluster busy with the jobs, a few more than there are workers, and writes what comes back."""
    import cloudpickle
    from distributed import KilledWorker, as_completed

    pickled = cloudpickle.dumps(grade_one)
    done = as_completed([], loop=client.loop)
    under_way = {}                                          # future's key -> (Submission, SHA-256, attempt)
    bar = tqdm(total=total, desc="graded", initial=summary.skipped)
    again = collections.deque()

    def finish(submission, digest, record, notebook):
        record = {**record, "student": submission.student, "submitted_sha256": digest, "release": checksums[submission.assignment],
                  "seed": seed, "sandbox": sandbox}
        store(course, submission, record, notebook)
        summary.graded += 1
        bar.total = max(total, summary.graded + summary.skipped)
        bar.update(summary.graded + summary.skipped - bar.n)
        if not is_seen(bar.fp):
            show(f"{summary.graded + summary.skipped:5} of {total}  {line(record)}")

    def submit(submission, digest, attempt):
        try:
            text = read_submission(submission.path)
        except CourseError as error:
            finish(submission, digest, lost_record(submission.assignment, releases[submission.assignment], "unreadable", str(error)), None)
            return
        future = client.submit(task, pickled, text, submission.assignment, releases[submission.assignment], seed, sandbox, pure=False,
                               key=f"{submission.assignment}-{secrets.token_hex(8)}")
        under_way[future.key] = submission, digest, attempt
        done.add(future)

    def fill():
        window = 2 * max(1, sum(client.nthreads().values()))
        while len(under_way) < window:
            job = (again.popleft() if again else None) or next(((*job, 1) for job in jobs), None)
            if job is None:
                return
            submit(*job)

    try:
        fill()
        while under_way:
            future = next(done)
            submission, digest, attempt = under_way.pop(future.key)
            try:
                record, notebook = future.result()
            except KilledWorker:
                if attempt == 1:
                    again.append((submission, digest, 2))
                else:
                    finish(submission, digest, lost_record(
                        submission.assignment, releases[submission.assignment], "worker-lost",
                        "Not graded: the process that graded this was ended twice. To be looked at by hand."), None)
            except CourseError:
                raise
            except Exception as error:              # a fault of ours must not cost the others their grades
                finish(submission, digest, lost_record(
                    submission.assignment, releases[submission.assignment], "fault",
                    f"Not graded: the grader itself failed ({type(error).__name__}). To be looked at by hand."), None)
                show(f"{submission.student}: the grader failed: {type(error).__name__}: {error}")
            else:
                finish(submission, digest, record, notebook)
            future.release()
            del future
            fill()
    except KeyboardInterrupt:
        raise CourseError(f"Stopped after {summary.graded} submissions. Nothing of them is lost: the same command goes on.") from None
    finally:
        bar.close()


def store(course, submission, record, notebook):
    """Writes a result: the notebook first, since a record says that all of it is there."""
    target = Path(course) / "autograded" / submission.student / submission.assignment / f"{submission.assignment}.ipynb"
    if notebook is not None:
        write(target, notebook)
    else:
        target.unlink(missing_ok=True)
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
def cluster_of(scheduler, workers, jobs):
    """A Dask cluster: the one at this address, else one of processes on this machine. -> client"""
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError:
        raise CourseError("Grading needs Dask: pip install -c constraints.txt -e '.[grade]', or `make setup`.") from None
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=20, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise CourseError(f"There is no Dask scheduler at {scheduler} ({type(error).__name__}). Its address looks like "
                              "tcp://HOST:8786; `dask scheduler` prints it.") from None
        with client:
            yield client
        return
    count = min(workers or os.cpu_count() or 1, max(1, jobs))
    # One task at a time on a worker, so the death of a worker is laid to the submission that it had; who retries is `grade_on`.
    settings = {"distributed.scheduler.worker-saturation": 1.0, "distributed.scheduler.allowed-failures": 0,
                "distributed.worker.daemon": False, "distributed.admin.log-length": 0}
    with tempfile.TemporaryDirectory(prefix="dolphins-grade-") as scratch, dask.config.set(settings), quiet(), \
            LocalCluster(n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
                         memory_limit=0, local_directory=scratch, silence_logs=logging.CRITICAL,
                         security=Security.temporary()) as cluster, \
            Client(cluster, set_as_default=False) as client:
        yield client


@contextlib.contextmanager
def quiet():
    """Dask speaks of lost workers at length; `grade_on` says what matters of it."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
