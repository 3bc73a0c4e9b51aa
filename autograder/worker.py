"""What a worker does: it repairs one submission at a time, runs it in its warm sandbox and judges it.

A worker needs nothing of the course folder, only this course installed in the same version. What goes in is
the bytes of a notebook, what comes out a record and the notebook as formgrader shows it.
"""

import contextlib
import os
import shutil
import tempfile
import threading
import time

from course_lib.errors import CourseError
from lessons.build import ROOT
from lessons.bundle import write_folder

from . import questions
from .autograded_notebook import with_outputs
from .boundary import Refused, look
from .judge import ExpectedCache, Postponed, judge_submission, withheld
from .preparation import prepare
from .records import POSTPONED, checksum_of, lost_record
from .sandbox import Sandbox

DEADLINE = 2400  # seconds of one submission, after which its worker ends itself; the judge stops far earlier


class Unready(CourseError):
    """A worker that can grade nothing at all.

    The run ends with it: whatever it says would hold for every submission.
    """


# What is sent to a worker is this text: even one without the course can then say so.
CALL = "__import__('autograder.worker').worker.task(*job)"


def task(release, checksum, pickled, *job):
    """Grades one submission on this worker. -> (record, notebook with outputs or None)

    release, checksum: the released notebook, and the grading process's `checksum_of` it; pickled, job:
    grade_one and what it is given. The first two stay the first, so that every version refuses every other.
    Raises Unready.
    """
    import cloudpickle
    from distributed import get_worker

    here, worker = os.uname().nodename, get_worker()
    if checksum_of(release) != checksum:
        raise Unready(f"""A worker on {here} has another version of the course, in {ROOT}. Install there what
            is installed here.""")
    if worker.state.nthreads != 1:
        raise Unready(f"""A worker on {here} has {worker.state.nthreads} threads. A process grades one
            submission at a time: start workers with --nthreads 1 --nworkers {worker.state.nthreads}.""")
    grade_one = cloudpickle.loads(pickled)
    tempfile.tempdir = worker.local_directory  # which Dask deletes, also after a worker that was killed
    # A worker that hangs is ended, and its submission counts as lost; nothing else could free it.
    watchdog = threading.Timer(DEADLINE, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    try:
        record, notebook = grade_one(*job)
    except ImportError as error:  # of this submission; all that came before tells of the worker
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    finally:
        watchdog.cancel()
    return record | {"worker": f"{here}:{os.getpid()}"}, notebook


def grade_submission(text, assignment, release, seed, sandbox, patience=None):
    """Repairs, runs and judges a submission. -> (record, notebook with outputs or None)

    text: bytes of the submitted notebook; release: text of the released one; sandbox: "bwrap" or "none";
    patience: seconds by the clock after which there is no record but {"status": POSTPONED}, None for no end.
    """
    start = time.perf_counter()
    try:
        prepared = look(prepare, text, f"{assignment}.ipynb", release, withheld())
    except Refused as refused:
        note = f"{assignment}.ipynb could not be read: {refused}. Somebody looks at it by hand."
        return lost_record(assignment, release, "unreadable", note), None
    except CourseError as error:
        return lost_record(assignment, release, "unreadable", str(error)), None
    begun = time.perf_counter()
    confined, expected = _warm_sandbox(assignment, sandbox)
    start += time.perf_counter() - begun  # which the first of a worker does not take for itself
    try:
        record = judge_submission(prepared.steps, assignment, seed, confined, expected, patience)
    except Postponed:
        return {"status": POSTPONED}, None
    except BaseException:
        close_warm()  # whatever state it is in, the next submission gets a new one
        raise
    record |= {"repairs": prepared.repairs, "borrowed": prepared.borrowed + record["borrowed"]}
    record |= {"solution_text": prepared.solutions, "seconds": round(time.perf_counter() - start, 3)}
    record["bounds"] = confined.bounds
    try:
        return record, look(with_outputs, prepared.notebook, record, release)
    except CourseError as error:
        record["notes"].append(f"The notebook cannot be shown as it was run: {error}.")
        return record, None


_warm = {}  # of this worker: (assignment, kind) -> (Sandbox, ExpectedCache, folder of the bundle)


def _warm_sandbox(assignment, kind):
    """This worker's sandbox for an assignment, kept since its start costs. -> (Sandbox, ExpectedCache)"""
    if (assignment, kind) not in _warm:
        close_warm()
        folder = tempfile.mkdtemp(prefix="dolphins-bundle-")
        mask = os.umask(0o022)  # if root grades, another user reads it
        try:
            write_folder(f"{folder}/course", questions.files(int(assignment[:2])))
            sandbox = Sandbox(kind, f"{folder}/course")
            sandbox.start()
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, CourseError):
                raise Unready(f"{error} (on {os.uname().nodename})") from None
            raise
        finally:
            os.umask(mask)
        _warm[assignment, kind] = sandbox, ExpectedCache(), folder
    return _warm[assignment, kind][:2]


def close_warm():
    """Ends this worker's sandbox, if there is one."""
    while _warm:
        sandbox, _, folder = _warm.popitem()[1]
        with contextlib.suppress(Exception):
            sandbox.stop()
        shutil.rmtree(folder, ignore_errors=True)
