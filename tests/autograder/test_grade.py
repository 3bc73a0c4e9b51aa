"""A class on a Dask cluster: whatever dies in the middle, after the next start every grade is there once.

What grades is a stand-in here: a submission is a JSON text that says what is to happen to whom grades it.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cloudpickle
import dask
import nbformat
import psutil
import pytest
from nbformat import v4

from autograder import autograded_notebook, cluster, grade, records
from course_lib.errors import CourseError
from course_lib.files import write
from lessons.build import ROOT

from .helpers import LESSON, notebook_path, release_path, until

pytestmark = pytest.mark.slow

OTHER = "03_differentiable_rendering"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import the tests


def stand_in(text, assignment, release, seed, sandbox, patience=None):
    """Grades by what the submission says; notes in a file "seen" that it was here."""
    import json
    import os
    import signal
    import time
    from pathlib import Path

    job = json.loads(text)
    if "seen" in job:
        with open(job["seen"], "a") as file:
            file.write(f"{job['name']}\n")
    if patience is not None and patience < job.get("slow", 0):
        return {"status": "postponed"}, None
    time.sleep(job.get("seconds", 0))
    if "kill" in job and not Path(job["kill"]).exists():  # the worker dies, until this file is there
        Path(job["kill"]).write_text("") if job.get("once") else None
        os.kill(os.getpid(), signal.SIGKILL)
    if "raise" in job:
        kinds = {"ValueError": ValueError, "SystemExit": SystemExit, "ImportError": ImportError}
        raise kinds[job["raise"]]("as it was told")
    if "full" in job:
        raise OSError(28, "No space left on device", "/tmp/somewhere")
    exercises = {"rodrigues": {"points": float(job["points"]), "of": 20.0, "properties": []}}
    record = {"assignment": assignment, "status": "graded", "exercises": exercises, "seconds": 0.1}
    return record | {"cells": [], "notes": [], "pictures": []}, f"notebook of {job['name']}\n"


def hand_in(course, student, assignment=LESSON, **job):
    return write(
        notebook_path(course, student, assignment), json.dumps({"name": student, "points": 1, **job})
    )


def a_class(course, count=6, **job):
    for i in range(count):
        hand_in(course, f"s{i:02}", points=i, **job)
    return course


def grades(course, assignment=LESSON):
    return {record["student"]: record for record in records.records_of(course, assignment)}


def points(course, assignment=LESSON):
    found = grades(course, assignment)
    return {name: record["exercises"]["rodrigues"]["points"] for name, record in found.items()}


def with_status(course, status):
    return {name for name, record in grades(course).items() if record["status"] == status}


def noted(summary):
    return {student for _, student, _ in summary.attention}


def autograded(course, student):
    return notebook_path(course, student, step="autograded").read_text()


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Two workers for all tests that do not stop the grader."""
    with cluster.cluster_of(None, 2, 9, str(tmp_path_factory.mktemp("scratch")), print) as client:
        yield client


@pytest.fixture
def run(workers, monkeypatch):
    """Grades a course with the stand-in. -> Summary"""

    def go(course, *args, **options):
        return grade.grade(course, *args, grade_one=stand_in, show=said.append, **options)

    said = go.said = []
    monkeypatch.setattr(grade, "cluster_of", lambda *_: contextlib.nullcontext(workers))
    return go


# --- a class, and the same class again


def test_who_takes_long_is_graded_after_the_others(run, tmp_path, monkeypatch):
    begun, submit = [], grade.Batch.submit

    def noted_submit(batch, client, pickled, text, *rest):
        begun.append(json.loads(text)["name"])
        return submit(batch, client, pickled, text, *rest)

    monkeypatch.setattr(grade.Batch, "submit", noted_submit)
    a_class(tmp_path)
    hand_in(tmp_path, "s00", points=0, slow=70)
    summary = run(tmp_path)
    # In the order in which they begin: on two workers, one that began before may end later.
    assert begun == ["s00", "s01", "s02", "s03", "s04", "s05", "s00"]
    assert summary.graded == 6 and points(tmp_path)["s00"] == 0
    assert "s00: takes more than 60 s, and is graded after the others." in run.said
    assert not with_status(tmp_path, "postponed") and autograded(tmp_path, "s00") == "notebook of s00\n"
    assert run(tmp_path).skipped == 6


def test_where_all_take_long_there_is_more_patience(run, tmp_path):
    a_class(tmp_path, slow=100)
    run(tmp_path)
    assert len(points(tmp_path)) == 6 and str(run.said).count("graded after the others") <= 2


def test_every_submission_has_its_record_and_notebook(run, tmp_path):
    a_class(tmp_path)
    hand_in(tmp_path, "s01", OTHER, points=7)
    hand_in(tmp_path, "s02", "99_something_else")
    summary = run(tmp_path)
    assert (summary.graded, summary.skipped, summary.attention) == (7, 0, [])
    assert summary.unknown == ["99_something_else"]
    assert points(tmp_path) == {f"s{i:02}": i for i in range(6)} and points(tmp_path, OTHER) == {"s01": 7}
    assert autograded(tmp_path, "s03") == "notebook of s03\n"
    assert len(run.said) == 7 and "7 of 7" in run.said[-1]
    assert not list(tmp_path.rglob("*.part"))


def test_only_what_changed_is_graded_again(run, tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    a_class(tmp_path, seen=str(seen))
    run(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(grade, "cluster_of", None)  # nothing to do: no cluster is started
        summary = run(tmp_path)
    assert (summary.graded, summary.skipped) == (0, 6)
    hand_in(tmp_path, "s02", points=19, seen=str(seen))
    hand_in(tmp_path, "new", points=3, seen=str(seen))
    seen.unlink()
    assert run(tmp_path).graded == 2
    assert sorted(seen.read_text().split()) == ["new", "s02"] and points(tmp_path)["s02"] == 19
    assert run(tmp_path, force=True).graded == 7
    assert run(tmp_path, seed=5).graded == 7  # hidden cases of another seed
    assert run(tmp_path).graded == 0  # it is kept
    records.record_path(tmp_path, LESSON, "s04").write_text('{"status": "gra')
    assert run(tmp_path).graded == 1
    shutil.rmtree(tmp_path / "submitted" / "s04")
    assert "s04" not in grades(tmp_path)


def test_another_release_is_another_grade(run, tmp_path):
    a_class(tmp_path, 2)
    run(tmp_path)
    write(release_path(tmp_path), records.release_of(tmp_path, LESSON).replace("Rodrigues", "Rodrigues'"))
    assert run(tmp_path).graded == 2


def test_what_was_graded_unconfined_is_graded_again_confined(run, tmp_path):
    a_class(tmp_path, 2)
    assert run(tmp_path, sandbox="none").graded == 2
    assert run(tmp_path, sandbox="bwrap").graded == 2
    assert run(tmp_path, sandbox="none").graded == 0


def test_submissions_that_cannot_be_read_are_reported(run, tmp_path, monkeypatch):
    monkeypatch.setattr(grade, "MOST_BYTES", 1000)
    a_class(tmp_path, 2)
    hand_in(tmp_path, "huge", pad="x" * 2000)
    hand_in(tmp_path, "missing").unlink()
    secret = tmp_path / "secret"
    secret.write_text("CANARY")
    kinds = {"link": lambda path: path.symlink_to(secret), "folder": Path.mkdir, "pipe": os.mkfifo}
    for name, make in kinds.items():
        path = hand_in(tmp_path, name)
        path.unlink()
        make(path)
    (tmp_path / "submitted" / "linked").symlink_to(tmp_path / "submitted" / "s00")
    (tmp_path / "submitted" / os.fsdecode(b"M\xfcller")).mkdir()
    summary = run(tmp_path)
    unreadable = {"huge", "missing", *kinds}
    assert with_status(tmp_path, "unreadable") == unreadable
    assert with_status(tmp_path, "graded") == {"s00", "s01"}  # and nobody "linked"
    assert noted(summary) == unreadable | {"'M\\udcfcller'"}
    exercises = grades(tmp_path)["huge"]["exercises"]
    assert {e["points"] for e in exercises.values()} == {None} and exercises["tracking"]["of"] == 15
    assert "at most" in autograded(tmp_path, "huge") and "2000" not in autograded(tmp_path, "huge")
    assert "CANARY" not in "".join(path.read_text() for path in (tmp_path / "grading").rglob("*.json"))
    assert len(run(tmp_path).attention) == 6  # also of those that were not graded again


def test_nothing_to_grade(run, tmp_path):
    def refused(words, *args, **options):
        with pytest.raises(CourseError, match=words):
            run(tmp_path, *args, **options)

    refused("holds no submitted/")
    (tmp_path / "submitted").mkdir()
    refused("no submission of a lesson")
    hand_in(tmp_path, "a", "99_other")
    refused("only 99_other")
    hand_in(tmp_path, "a")
    refused(f"no submission of {OTHER}", OTHER)
    refused("99_other: there is no such lesson", "99_other")
    refused("number from 1 on", seed=0)
    assert run(tmp_path, LESSON).graded == 1


def test_two_graders_at_once(run, tmp_path):
    a_class(tmp_path, 2)
    with grade.locked(tmp_path), pytest.raises(CourseError, match="another `dolphins grade`"):
        run(tmp_path)
    assert run(tmp_path).graded == 2


def test_a_damaged_seed_is_not_replaced_in_silence(run, tmp_path):
    a_class(tmp_path, 1)
    run(tmp_path)
    (tmp_path / "grading" / "run.json").write_text("{")
    with pytest.raises(CourseError, match="run.json cannot be read"):
        run(tmp_path)


# --- what dies


def test_a_lost_worker_costs_one_more_try(run, tmp_path):
    a_class(tmp_path, 4)
    hand_in(tmp_path, "a1", points=11, kill=str(tmp_path / "was-here"), once=True)
    assert run(tmp_path).attention == []
    assert points(tmp_path)["a1"] == 11 and len(grades(tmp_path)) == 5


def test_who_loses_it_twice_is_reported_and_tried_at_the_next_start(run, tmp_path):
    flag, seen = tmp_path / "mended", tmp_path / "seen"
    a_class(tmp_path, 5)
    hand_in(tmp_path, "a1", kill=str(flag), seen=str(seen))
    assert noted(run(tmp_path)) == {"a1"} == with_status(tmp_path, "worker-lost")
    assert seen.read_text().split() == ["a1", "a1"] and len(with_status(tmp_path, "graded")) == 5
    flag.write_text("")
    summary = run(tmp_path)
    assert (summary.graded, summary.attention) == (1, []) and len(with_status(tmp_path, "graded")) == 6


def test_a_fault_of_the_grader_costs_nobody_else_anything(run, tmp_path):
    a_class(tmp_path, 3)
    hand_in(tmp_path, "a1", **{"raise": "ValueError"})
    hand_in(tmp_path, "a2", **{"raise": "SystemExit"})
    hand_in(tmp_path, "a3").write_text("no JSON")
    hand_in(tmp_path, "a4", **{"raise": "ImportError"})
    assert noted(run(tmp_path)) == {"a1", "a2", "a3", "a4"}
    assert with_status(tmp_path, "graded") == {"s00", "s01", "s02"}
    assert any("a1: the grader failed: ValueError: as it was told" in text for text in run.said)
    assert run(tmp_path).graded == 4


HANGS = """
import cloudpickle, distributed, tempfile, time
from types import SimpleNamespace
from autograder import records, worker
worker.DEADLINE = 0.5
here = SimpleNamespace(state=SimpleNamespace(nthreads=1), local_directory=tempfile.gettempdir())
distributed.get_worker = lambda: here
worker.task('', records.checksum_of(''), cloudpickle.dumps(lambda: time.sleep(60)))
"""


def test_a_worker_that_hangs_ends_itself():
    assert subprocess.run([sys.executable, "-c", HANGS], cwd=ROOT, timeout=240).returncode == 3


def test_a_full_disk_of_a_worker_stops_the_run(run, tmp_path):
    a_class(tmp_path, 3)
    hand_in(tmp_path, "a1", full=True)
    with pytest.raises(CourseError, match="/tmp/somewhere: the disk is full"):
        run(tmp_path)
    assert "a1" not in grades(tmp_path)


def test_workers_of_another_version_are_refused(run, tmp_path, monkeypatch):
    a_class(tmp_path, 2)
    monkeypatch.setattr(records, "checksum_of", lambda release: "another")
    with pytest.raises(CourseError, match="another version of the course"):
        run(tmp_path)


# --- processes of their own: the grader itself dies, workers elsewhere

PROGRAM = """
import signal
import sys
from pathlib import Path
from autograder import grade
from course_lib.errors import CourseError
from tests.autograder import test_grade

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
    try:
        summary = grade.grade(Path(sys.argv[1]), workers=2, grade_one=test_grade.stand_in, seed=1)
        print("graded", summary.graded, "skipped", summary.skipped)
    except CourseError as error:
        sys.exit(str(error))
"""


@pytest.fixture
def begin(tmp_path):
    """Starts Python in a process group, which is killed at the end. -> Popen"""
    begun = []
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def start(*words, **options):
        command = [sys.executable, *map(str, words)]
        options = {"cwd": tmp_path, "env": ENVIRONMENT, "start_new_session": True} | streams | options
        begun.append(subprocess.Popen(command, **options))
        return begun[-1]

    yield start
    for process in begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def program(tmp_path):
    """A program that grades the course that it is given."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def graded_count(course):
    return len(list((course / "grading").rglob("s??.json")))


def undisturbed(run, tmp_path, count):
    other = a_class(tmp_path / "undisturbed", count)
    run(other, seed=1)
    return points(other)


def test_an_interrupted_and_a_killed_grader_go_on_where_they_were(run, begin, program, tmp_path):
    course, seen = tmp_path / "course", tmp_path / "seen"
    a_class(course, 14, seconds=0.4, seen=str(seen))

    first = begin(program, course)
    until(lambda: graded_count(course) >= 2)
    os.killpg(first.pid, signal.SIGINT)  # as Ctrl-C does
    out, err = first.communicate(timeout=240)
    assert first.returncode == 1 and "the same command goes on" in err and "Traceback" not in err, err

    before = graded_count(course)
    second = begin(program, course)
    until(lambda: graded_count(course) >= before + 2)
    family = psutil.Process(second.pid).children(recursive=True)
    scratch = Path((course / "grading" / ".lock").read_text())
    second.kill()
    second.wait()
    psutil.wait_procs(family, timeout=20)
    assert not [process for process in family if process.is_running()], "workers outlived the grader"
    before = graded_count(course)
    assert 4 <= before < 14

    out, err = begin(program, course).communicate(timeout=240)
    assert f"graded {14 - before} skipped {before}" in out, err
    assert points(course) == undisturbed(run, tmp_path, 14)
    assert len(seen.read_text().split()) <= 14 + 2 + 2  # twice, at most what the two workers had in hand
    assert not list(course.rglob("*.part")) and not scratch.exists()


FULL = """set -u
    cp -r {folder}/given/. {folder}/course/
    head -c $((860 * 1024)) /dev/zero > {folder}/course/ballast
    {grade} > {folder}/first 2>&1 && exit 9
    cp -r {folder}/course/grading {folder}/after-first
    rm {folder}/course/ballast
    {grade} > {folder}/second 2>&1 || exit 8
    cp -r {folder}/course/. {folder}/result/"""


def test_a_full_disk_stops_it_and_room_lets_it_go_on(run, program, tmp_path):
    """In a file system of 1 MB, most of which a file takes at first."""
    for name in ("course", "given"):
        (tmp_path / name).mkdir()
    a_class(tmp_path / "given", 12, pad="x" * 5000)
    course = tmp_path / "course"
    script = FULL.format(folder=tmp_path, grade=shlex.join(map(str, (sys.executable, program, course))))
    small = ["bwrap", "--dev-bind", "/", "/", "--size", str(2**20), "--tmpfs", course, "bash", "-c", script]
    done = subprocess.run(small, cwd=ROOT, env=ENVIRONMENT, timeout=240)
    paths = [tmp_path / name for name in ("first", "second")]
    first, second = (path.read_text() if path.exists() else "" for path in paths)
    assert done.returncode == 0, (done.returncode, first, second)
    assert "the disk is full" in first and "goes on where it stopped" in first and "Traceback" not in first
    before = [json.loads(path.read_text()) for path in (tmp_path / "after-first").rglob("s??.json")]
    assert 0 < len(before) < 12 and f"graded {12 - len(before)} skipped {len(before)}" in second
    assert points(tmp_path / "result") == undisturbed(run, tmp_path, 12)
    assert not list((tmp_path / "result").rglob("*.part"))


@pytest.fixture
def elsewhere(begin, tmp_path):
    """Starts `dask scheduler` or `dask worker` with the keys of a cluster; .address is the scheduler's."""
    keys = tmp_path / "cluster.yaml"
    cluster.write_settings(keys)
    assert keys.stat().st_mode & 0o77 == 0, "the keys are for their owner alone"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def start(what, *words, course=ROOT):
        where = {"scheduler": ["--host", "127.0.0.1", "--port", port], "worker": [start.address]}[what]
        environment = ENVIRONMENT | {"DASK_CONFIG": str(keys), "PYTHONPATH": str(course)}
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
        return begin("-m", "dask", what, *where, *words, "--no-dashboard", **silent)

    start.address = f"tls://127.0.0.1:{port}"
    with dask.config.set(dask.config.merge(dask.config.config, json.loads(keys.read_text()))):
        yield start


def test_workers_of_a_scheduler(elsewhere, tmp_path):
    course, said = a_class(tmp_path / "course", 4), []

    def run(address=elsewhere.address):
        return grade.grade(course, scheduler=address, grade_one=stand_in, show=said.append)

    for address in ("nonsense", "tls://nonsense", "tls://127.0.0.1:99999", "tcp://127.0.0.1:1"):
        with pytest.raises(CourseError, match=f"No Dask scheduler can be reached at {address}"):
            run(address)
    with dask.config.set({"distributed.comm.tls.ca-file": None}):
        with pytest.raises(CourseError, match="DASK_CONFIG names the file"):
            run()
    scheduler = elsewhere("scheduler")
    many = elsewhere("worker", "--nthreads", "2", "--no-nanny")
    with pytest.raises(CourseError, match="has 2 threads"):
        run()
    many.kill()
    many.wait()
    elsewhere("worker", "--nthreads", "1", "--no-nanny")
    assert run().graded == 4
    assert any("waiting for one" in text for text in said)
    assert all(":" in record["worker"] for record in grades(course).values())
    hand_in(course, "s01", seconds=3)
    hand_in(course, "s02", seconds=3, points=4)
    timer = subprocess.Popen(["sh", "-c", f"sleep 4; kill -9 {scheduler.pid}"])
    hand_in(course, "s00", seconds=60)
    with pytest.raises(CourseError, match="scheduler has gone"):
        run()
    timer.wait()
    assert grades(course)["s03"]["status"] == "graded" and points(course)["s00"] == 0


def without_the_course(folder):
    write(folder / "autograder" / "__init__.py", "raise ModuleNotFoundError('No module named autograder')")


def another_version(folder):
    for name in ("autograder", "course_lib", "lessons", "solutions"):
        shutil.copytree(ROOT / name, folder / name)
    with (folder / "course_lib" / "check" / "core.py").open("a") as file:
        file.write("# a later version\n")


@pytest.mark.parametrize(
    "make, complaint",
    [(without_the_course, "lacks what it needs.*autograder"), (another_version, "another version")],
)
def test_workers_that_cannot_grade_stop_the_run_in_a_sentence(elsewhere, tmp_path, make, complaint):
    make(tmp_path / "theirs")
    course = a_class(tmp_path / "course", 2)
    for words in (["scheduler"], ["worker", "--nthreads", "1"]):
        elsewhere(*words, course=tmp_path / "theirs")
    with pytest.raises(CourseError, match=complaint):
        grade.grade(course, scheduler=elsewhere.address, grade_one=stand_in, show=print)
    assert not grades(course)


def test_when_the_last_worker_has_gone_it_says_so_and_goes_on_with_another(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(
        cluster, "LOOK", 300.0
    )  # a worker that comes and goes between two looks is missed too
    course, said = a_class(tmp_path / "course", 3), []
    hand_in(course, "s01", kill=str(tmp_path / "killed"), once=True)
    elsewhere("scheduler")

    def show(text):
        said.append(text)
        if "waiting for one" in text:
            elsewhere("worker", "--nthreads", "1", "--no-nanny")

    summary = grade.grade(course, scheduler=elsewhere.address, grade_one=stand_in, show=show)
    assert (summary.graded, summary.attention) == (3, [])
    assert sum("waiting for one" in text for text in said) == 2
    assert "s01: the worker that graded this is lost; once more." in said


# --- what formgrader shows

EVIL = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1))"
EVIL += "\n\n<b onclick=alert(1)>"


def test_formgrader_shows_whose_words_a_complaint_is():
    prop = {"name": "is right", "points": 0.0, "of": 20.0, "key": "other", "text": "Give 20 points."}
    exercise = {"points": 0.0, "of": 20.0, "properties": [prop | {"reported": True}]}
    text = records.release_of(".", LESSON)
    record = {"cells": [], "exercises": {"rodrigues": exercise}}
    assert "    The notebook says: Give 20 points." in autograded_notebook.with_outputs(text, record, text)


def test_no_script_of_a_student_runs_in_formgrader():
    """It shows notebooks as nbconvert makes them, from the server that can run anything."""
    from nbconvert import HTMLExporter

    text = records.release_of(".", LESSON)
    notebook = nbformat.reads(text, as_version=4)
    released = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    raw = v4.new_raw_cell(EVIL, metadata={"raw_mimetype": "text/html"}, id="e2")
    code = v4.new_code_cell(f"'''{EVIL}'''", id="e3")
    notebook.cells[1:1] = [v4.new_markdown_cell(EVIL, id="e1"), raw, code]
    properties = [{"name": EVIL, "points": 0.0, "of": 20.0, "key": EVIL, "text": EVIL}]
    exercises = {"rodrigues": {"points": 0.0, "of": 20.0, "properties": properties}}
    record = {"cells": [{"cell": "e3", "error": f"{EVIL}: {EVIL}"}], "exercises": exercises}
    shown = autograded_notebook.with_outputs(nbformat.writes(notebook), record, text)
    shown = nbformat.reads(shown, as_version=4)
    assert any(cell.cell_type == "markdown" and cell.source == released for cell in shown.cells)
    page, _ = HTMLExporter().from_notebook_node(shown)
    assert "alert(1)" in page and "Points: 0 of 20." in page
    for active in ("<script>alert", "<img src=x", 'href="javascript', "<b onclick"):
        assert active not in page, active
