"""A class graded: each submission is one Dask task, and each result one file.

    submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb  what was handed in
    grading/records/ASSIGNMENT/STUDENT.json        its grade, and why
    autograded/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb for formgrader
    gradebook.db                                   made at the end, from the records alone

The grading process holds one submission per worker: it reads a file when a worker is free, sends its bytes,
and writes what comes back at once, whole or not at all. So it can be killed at any moment. Started again, it
skips each submission that has a record of the same file, the same release and checks, and the same seed.

A submission that takes much longer than others is given up, and graded when these are done: nobody's
notebook holds up a class. One whose worker dies is tried once more; a scheduler that allows failures adds its
own tries to that. The files are in records.py, the workers in cluster.py, what a worker does in worker.py.
"""

import collections
import contextlib
import hashlib
import importlib.util
import itertools
import os
import secrets
import shutil
import statistics
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from course_lib import files
from course_lib.errors import CourseError, fold
from course_lib.progress import tqdm
from lessons.build import lesson_names

from . import gradebook as books
from . import records, roster
from . import sandbox as confinement
from .autograded_notebook import without_work
from .cluster import cluster_of
from .collect import lesson_called
from .repair import MOST_BYTES
from .worker import CALL, Unready, grade_submission

SCRATCH = "dolphins-grade-"  # what the names of the workers' folders begin with
MOST_LINES = 20  # of what is to be looked at, that are printed
PATIENCE = 60.0  # seconds that a submission has before the others; more where these take long, too
TIMES = 10  # times what half of the others take at most
OURS = ("worker-lost", "fault")  # not the submission's doing: the next start tries it again


@contextlib.contextmanager
def locked(course):
    """One grader at a time in a course folder. -> the lock's file

    It names the workers' temporary folder, so that the next grader deletes what a killed one left of it.
    """
    folder = Path(course) / records.GRADING
    another = f"{folder}: another `dolphins grade` is at work on this course. Wait until it has ended."
    with records.alone(folder / ".lock", another) as file:
        file.seek(0)
        left = Path(file.read().strip() or os.curdir)
        if left.name.startswith(SCRATCH) and left.is_absolute() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        yield file


@contextlib.contextmanager
def _scratch(lock):
    """A temporary folder for the workers, named in the lock's file, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as folder:
        lock.truncate(0)
        lock.write(folder)
        lock.flush()
        yield folder


@contextlib.contextmanager
def _in_a_sentence(course, summary):
    """Turns a full disk and Ctrl-C into a sentence."""
    try:
        with records.in_a_sentence(course, "Nothing that was graded is lost.", only=records.FULL):
            yield
    except KeyboardInterrupt:
        raise CourseError(f"""Stopped. {summary.graded} submissions were graded, and nothing of them is lost:
            the same command goes on.""") from None


@dataclass
class Summary:
    """What a run did.

    attention: (assignment, student, why) of what somebody has to look at, of submissions that were graded
    before too; unknown: assignments in submitted/ that are no lessons; dropped: what was given by hand for
    work before, as gradebook.Changes has it; names: {id of a student: name}; times: {assignment: {student:
    seconds that grading took}}.
    """

    graded: int = 0
    skipped: int = 0
    seconds: float = 0.0
    attention: list = field(default_factory=list)
    unknown: list = field(default_factory=list)
    dropped: list = field(default_factory=list)
    names: dict = field(default_factory=dict)
    times: dict = field(default_factory=dict)

    def text(self):
        """What is said at the end."""
        lines = [f"{self.graded} graded, {self.skipped} as they were, in {self.seconds:.0f} s."]
        if self.unknown:
            lines.append(f"No lessons of this course, left alone: {', '.join(self.unknown)}.")
        for name, student, exercise, given in self.dropped:
            comment = isinstance(given, str)
            what = f"the comment {given!r}" if comment else f"the {given:g} points given by hand"
            lines.append(
                f"{student} has handed in {name} again: {what} for {records.title_of(exercise)} was for the "
                "work before, and is taken away."
            )
        if self.attention:
            lines.append(f"{len(self.attention)} to be looked at by hand:")
            for name, student, why in self.attention[:MOST_LINES]:
                lines.append(f"  {name}  {roster.named(student, self.names)}: {why}")
        if (more := len(self.attention) - MOST_LINES) > 0:
            lines.append(f"  and {more} more; `dolphins report` shows all of them.")
        if self.attention:
            lines.append(
                fold("""Where a new file is needed, ask for it, collect it and grade again; points by
                hand go into formgrader.""")
            )
        return "\n".join(lines)

    def note(self, record):
        """Notes a record if somebody has to look at it."""
        name, student = record["assignment"], record["student"]
        self.times.setdefault(name, {})[student] = record.get("seconds", 0.0)
        if why := records.why_look(record):
            self.attention.append((name, student, why))

    def note_slow(self):
        """Notes whose submissions took far longer than others, once all are known."""
        for name, seconds in self.times.items():
            self.attention += [(name, student, why) for student, why in records.far_slower(seconds).items()]


def grade(
    course,
    assignment=None,
    *,
    workers=None,
    scheduler=None,
    sandbox="bwrap",
    seed=None,
    force=False,
    gradebook=True,
    grade_one=None,
    show=print,
):
    """Grades what was handed in, or goes on with it. -> Summary

    course: folder with submitted/. assignment: only this one. workers: processes of this machine, one per
    core if None; scheduler: address of a Dask scheduler, whose workers grade instead. sandbox: "bwrap" or
    "none". seed: of the hidden cases, drawn once for the course if None. force: grade again what has a
    record. gradebook: whether to bring gradebook.db up to date, which takes nbgrader. grade_one(text,
    assignment, release, seed, sandbox, patience) -> (record, notebook text or None): how one submission is
    graded, see worker.grade_submission.
    """
    course, start = Path(course), time.perf_counter()
    names, unknown = _chosen(course, assignment)
    if seed is not None and seed < 1:
        raise CourseError(f"""--seed {seed}: the seed of the hidden cases is a number from 1 on; 0 is that of
            the cases that students see.""")
    if grade_one is None:
        refuse_without_sandbox(sandbox, show)
        if sandbox != "none":
            confinement.refuse_if_visible(course)
        grade_one = grade_submission
    why = "This folder's name in submitted/ is not UTF-8: nothing in it was graded. Rename it."
    odd = [ascii(name) for name in os.listdir(course / "submitted") if not records.is_text(name)]
    names_of = {student.id: student.name for student in roster.read(course)}
    summary = Summary(unknown=unknown, attention=[("", name, why) for name in odd], names=names_of)
    with _in_a_sentence(course, summary), locked(course) as lock:
        releases = {name: records.release_of(course, name) for name in names}
        batch = Batch(course, releases, records.run_of(course, seed)["seed"], sandbox, summary, show)
        jobs = batch.unfinished(force)
        first = next(jobs, None)
        if first is not None:  # else no cluster need be started
            if gradebook:
                _require_gradebook()
            with (
                _scratch(lock) as scratch,
                cluster_of(scheduler, workers, batch.total, scratch, show, batch.lost) as client,
            ):
                batch.run(client, grade_one, itertools.chain([first], jobs))
        if gradebook:
            summary.dropped = books.update(course, names).dropped
    summary.note_slow()
    summary.seconds = time.perf_counter() - start
    return summary


def _chosen(course, assignment):
    """The assignments to grade, and what else was handed in. -> (names, other names)"""
    names, unknown = records.assignments_of(course)
    if assignment is not None:
        assignment = lesson_called(assignment, lesson_names())
        names, unknown = [name for name in names if name == assignment], []
    if not names:
        other = f", only {', '.join(unknown)}" if unknown else ""
        raise CourseError(f"""{course / "submitted"} holds no submission of {assignment or "a lesson"}{other}.
            It is laid out as submitted/STUDENT/02_template_model/02_template_model.ipynb.""")
    return names, unknown


def refuse_without_sandbox(kind, show):
    """Raises CourseError where student code would not be confined and nobody said that it need not be."""
    if kind == "none":
        text = """WARNING: --sandbox none. The students' code runs as you, with your files, your network and
            your rights: it can read the solutions and other submissions, change grades, and delete what you
            can delete. Do so only on a machine that holds nothing else and is thrown away afterwards."""
        show(fold(text))
    elif problem := confinement.sandbox_problem():
        raise CourseError(f"""Grading needs a sandbox, and there is none here: {problem} (`dolphins doctor`
            says more; `--sandbox none` grades without one, and says what that means.)""")


def _require_gradebook():
    """Raises CourseError before hours of grading, not after them, where nbgrader is missing."""
    if importlib.util.find_spec("nbgrader") is None:
        raise CourseError("""Grading needs nbgrader, for gradebook.db: pip install -c constraints.txt -e
            '.[grade]', or `make setup`.""")


# --- a submitted file


def _sha256(path):
    """SHA-256 of a file, in hexadecimal; None where it is no readable file of its own."""
    try:
        with records.opened(path) as file:
            return files.sha256(file)
    except OSError:
        return None


def _read_submission(path):
    """A submitted notebook's bytes. Raises CourseError where there is none that can be graded."""
    try:
        size = path.lstat().st_size
        if path.is_symlink() or not path.is_file():
            raise CourseError("What was handed in is not a file.")
        if size > MOST_BYTES:
            raise CourseError(f"""The notebook has {size / 2**20:.0f} MB; at most {MOST_BYTES / 2**20:.0f} MB
                are read. Delete its outputs (Edit > Clear all outputs), save it, and hand it in again.""")
        with records.opened(path) as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise CourseError(f"There is no notebook {path.name} among what was handed in.") from None
    except OSError as error:
        raise CourseError(f"{path.name} cannot be read ({error.strerror}).") from None


# --- the submissions, one after another


@dataclass
class Job:
    """A submission that is to be graded, and what became of it so far."""

    submission: records.Submission
    attempt: int = 1
    postponed: bool = False  # it took longer than there was patience for
    patience: float | None = None  # seconds that it has


class Batch:
    """The submissions of a course, graded on a cluster.

    releases: {assignment: text of the released notebook}; summary: a Summary that is filled; show: prints.
    """

    def __init__(self, course, releases, seed, sandbox, summary, show):
        self.course, self.releases, self.seed, self.sandbox = course, releases, seed, sandbox
        self.summary, self.show = summary, show
        self.seconds = []  # of each that was graded, or that there was no more patience for
        self.lost = threading.Event()  # set whenever a worker was lost: see `cluster_of`
        self.checksums = {name: records.checksum_of(release) for name, release in releases.items()}
        self.total = sum(1 for name in releases for _ in records.submissions_of(course, name))

    def unfinished(self, force=False):
        """The submissions that have no record of this run yet. -> iterator of Submission"""
        for name in self.releases:
            for submission in records.submissions_of(self.course, name):
                record = None if force else records.read_record(submission.record_path(self.course))
                if record is not None and self.holds(record, submission):
                    self.summary.skipped += 1
                    self.summary.note(record)
                else:
                    yield submission

    def marks(self, name):
        """What the records of this run say of it."""
        return {"seed": self.seed, "sandbox": self.sandbox, "release": self.checksums[name]}

    def holds(self, record, submission):
        """Whether a record would be made again as it is."""
        marks = self.marks(submission.assignment)
        if self.sandbox == "none":  # what was confined counts unconfined too
            del marks["sandbox"]
        if record["status"] in OURS or any(record.get(key) != value for key, value in marks.items()):
            return False
        return record.get("submitted_sha256") == _sha256(submission.path)

    def run(self, client, grade_one, jobs):
        """Gives each worker of a cluster one submission after another, and writes what comes back."""
        import cloudpickle
        from distributed import as_completed

        pickled = cloudpickle.dumps(grade_one)
        done = as_completed([], loop=client.loop)
        under_way = {}  # future's key -> (Job, SHA-256 of what was sent)
        again, later = collections.deque(), collections.deque()  # those whose worker was lost; that took long
        jobs = map(Job, jobs)

        def fill():
            # One submission for each worker: so the death of a worker is laid to the submission that it had.
            workers = max(1, sum(client.nthreads().values()))
            while len(under_way) < workers:
                job = again.popleft() if again else next(jobs, None) or (later.popleft() if later else None)
                if job is None:
                    return
                submission = job.submission
                try:
                    text = _read_submission(submission.path)
                except CourseError as error:
                    self.fail(submission, "unreadable", str(error), _sha256(submission.path))
                    continue
                job.patience = None if job.postponed else self.patience
                future = self.submit(client, pickled, text, submission.assignment, job.patience)
                under_way[future.key] = job, hashlib.sha256(text).hexdigest()
                done.add(future)

        self.bar = tqdm(total=self.total, desc="graded", initial=self.summary.skipped)
        try:
            fill()
            while under_way:
                future = next(done)
                job, digest = under_way.pop(future.key)
                if not self.take(future, job, digest):
                    (later if job.postponed else again).append(job)
                future.release()
                del future
                fill()
        finally:
            self.bar.close()

    @property
    def patience(self):
        """Seconds that the next submission has before the others are graded."""
        return max(PATIENCE, TIMES * statistics.median(self.seconds or [0.0]))

    def submit(self, client, pickled, text, name, patience):
        """Sends a submission to a worker. -> future"""
        release = self.releases[name]
        job = release, self.checksums[name], pickled, text, name, release, self.seed, self.sandbox, patience
        key = f"{name}-{secrets.token_hex(8)}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # a large notebook is no news
            return client.submit(eval, CALL, {"job": job}, pure=False, key=key)

    def take(self, future, job, digest):
        """Writes what came of a submission. -> bool, False where it is to be tried once more, see job"""
        from distributed import KilledWorker

        submission = job.submission
        if future.cancelled():
            raise CourseError("""The Dask scheduler has gone. Nothing that was graded is lost: the same
                command goes on.""")
        try:
            record, notebook = future.result()
        except KilledWorker:
            job.attempt += 1
            if job.attempt == 2:
                self.lost.set()
                self.show(f"{submission.student}: the worker that graded this is lost; once more.")
                return False
            note = "Not graded: the process that graded this ended, twice. To be looked at by hand."
            self.fail(submission, "worker-lost", note, digest)
        except Unready:
            raise
        except ImportError as error:
            raise Unready(f"""A worker lacks what it needs to grade: {error}. Install there what is installed
                here: this course, and its packages.""") from None
        except Exception as error:  # a fault of ours must not cost the others their grades
            if isinstance(error, OSError) and error.errno in records.FULL:
                raise
            kind = type(error).__name__
            self.show(f"{submission.student}: the grader failed: {kind}: {error}")
            note = f"Not graded: the grader itself failed ({kind}). To be looked at by hand."
            self.fail(submission, "fault", note, digest)
        else:
            if record["status"] == records.POSTPONED:
                job.postponed = True
                self.seconds.append(job.patience)
                text = f"takes more than {job.patience:.0f} s, and is graded after the others"
                self.show(f"{submission.student}: {text}.")
                return False
            self.seconds.append(record["seconds"])
            self.finish(submission, record, notebook, digest)
        return True

    def fail(self, submission, status, note, digest):
        """Writes that a submission could not be graded."""
        name = submission.assignment
        self.finish(submission, records.lost_record(name, self.releases[name], status, note), None, digest)

    def finish(self, submission, record, notebook, digest):
        """Writes a result, and says so. notebook: its text, None for the release with a note."""
        name = submission.assignment
        record = record | {"student": submission.student, "submitted_sha256": digest} | self.marks(name)
        if notebook is None:
            notebook = without_work(self.releases[name], records.reason(record))
        records.store(self.course, submission, record, notebook)
        self.summary.graded += 1
        self.summary.note(record)
        finished = self.summary.graded + self.summary.skipped
        self.bar.total = max(self.total, finished)  # there may be more by now
        self.bar.update(finished - self.bar.n)
        if self.bar.disable:  # nobody looks on: lines for a log
            self.show(f"{finished:5} of {self.bar.total}  {records.line(record)}")
