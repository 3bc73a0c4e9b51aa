"""One submission, on a worker."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import nbformat

from course_lib.errors import CourseError
from lessons.build import ROOT

from .autograded_notebook import with_outputs
from .records import checksum_of, lost_record

DEADLINE = 1200  # seconds of one submission, after which its worker ends itself; the judge stops far earlier


class Unready(CourseError):
    """A worker that can grade nothing at all.

    The run ends with it: whatever it says would hold for every submission.
    """


def task(pickled, text, assignment, release, seed, sandbox, checksum):
    """Grades one submission on this worker. -> (record, notebook with outputs or None)

    pickled: grade_one; text: the notebook's bytes; checksum: of the grading process's release and checks.
    """
    import cloudpickle

    if checksum_of(release) != checksum:
        raise Unready(f"""A worker on {os.uname().nodename} has another version of the course, in {ROOT}.
            Install there what is installed here.""")
    # A worker that hangs is ended, and its submission counts as lost; nothing else could free it.
    watchdog = threading.Timer(DEADLINE, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    try:
        return cloudpickle.loads(pickled)(text, assignment, release, seed, sandbox)
    finally:
        watchdog.cancel()


_warm = {}  # of this worker: (assignment, kind) -> (Sandbox, ExpectedCache, folder of the bundle)


def grade_submission(text, assignment, release, seed, sandbox):
    """Repairs a submission, runs it in this worker's warm sandbox and judges it. -> (record, notebook with
    outputs or None)

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
            return lost_record(
                assignment, release, "unreadable", str(error).replace(str(path), path.name)
            ), None
    confined, expected = warm(assignment, sandbox)
    try:
        record = judge_submission(repaired.notebook, assignment, seed, confined, expected)
    except BaseException:
        close_warm()  # whatever state it is in, the next submission gets a new one
        raise
    record["repairs"] = list(repaired.notes)
    record["solution_text"] = {
        cell.metadata["nbgrader"]["grade_id"]: cell.source[:20_000]
        for cell in repaired.notebook.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    record["seconds"] = round(time.perf_counter() - start, 3)
    return record, nbformat.writes(with_outputs(repaired.notebook, record, release), version=4) + "\n"


def warm(assignment, kind):
    """This worker's sandbox for an assignment: started once, since that is what costs. -> (Sandbox,
    ExpectedCache)"""
    import torch

    from . import release
    from .judge import ExpectedCache
    from .sandbox import Sandbox

    if (assignment, kind) not in _warm:
        close_warm()
        folder = tempfile.mkdtemp(prefix="dolphins-bundle-")
        mask = os.umask(0o022)  # if root grades, another user reads it
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
        # A GPU is not to be seen in the sandbox; without one, functions are called where their notebook would
        # run them.
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
