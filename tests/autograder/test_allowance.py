"""How long a submission may take, with all its processes: what ends it, and what does not."""

import time

import pytest

from autograder import judge, questions
from autograder.allowance import Allowance
from autograder.preparation import Step
from autograder.sandbox import Limits, Lost, Sandbox
from lessons.bundle import write_folder

pytestmark = pytest.mark.slow
LIMITS = Limits(total_seconds=5, clock_seconds=90)  # of one core, which may be busy otherwise
SPIN = """import os, time
for n in range(8):
    if os.fork() == 0:
        while True: pass
time.sleep(60)"""
BRIEF = """import os
for n in range(1000):  # each far less than the bound
    if os.fork() == 0:
        for k in range(3_000_000): pass
        os._exit(0)
    os.wait()"""


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "bundle"
    write_folder(folder, questions.files(2))
    with Sandbox("bwrap", folder, LIMITS, warm=False) as box:
        yield box


@pytest.mark.parametrize("source", [SPIN, BRIEF])
def test_what_all_processes_compute_is_bounded_together(box, source):
    allowance = Allowance(LIMITS)
    with box.open(allowance) as session, pytest.raises(Lost, match="together computed for more than 5 s"):
        session.run(source)
    assert allowance.over and not allowance.late


def test_what_sessions_compute_adds_up(box):
    allowance = Allowance(LIMITS)
    with box.open(allowance) as session:
        session.run("import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass")
    assert 0.5 < allowance.left < 4.1
    with box.open(allowance) as session, pytest.raises(Lost, match="together computed"):
        session.run(SPIN)


def test_who_waits_is_ended_by_the_clock(box):
    allowance = Allowance(LIMITS, patience=1)
    with box.open(allowance) as session, pytest.raises(Lost, match="took more than 1 s"):
        session.run("import time; time.sleep(60)")
    assert allowance.over and allowance.late and allowance.left > 1


def test_what_the_judge_computes_is_not_theirs():
    allowance = Allowance(LIMITS, patience=0.2)
    with allowance.not_theirs():
        time.sleep(0.3)
    assert not allowance.late


@pytest.mark.parametrize("patience, postponed", [(1, True), (None, False)])
def test_a_submission_is_put_off_where_patience_ends(box, patience, postponed):
    steps = [Step("a", "import time; time.sleep(2)"), Step("b", "x = 1")]
    if postponed:
        with pytest.raises(judge.Postponed):
            judge.judge_submission(steps, "02_template_model", 1, box, judge.ExpectedCache(), patience)
    else:
        record = judge.judge_submission(steps, "02_template_model", 1, box, judge.ExpectedCache())
        assert record["status"] == "graded" and not record["notes"]
