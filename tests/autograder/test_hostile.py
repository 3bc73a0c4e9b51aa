"""Hostile, broken and unlucky submissions in the sandbox: what each earns, leaves behind and learns."""

import copy
import json

import nbformat
import pytest

from autograder import judge, preparation, questions, release, repair, sample_class, sandbox, worker
from course_lib import check
from lessons import build
from lessons.build import STUDENT
from lessons.bundle import write_folder

from . import mangle
from .helpers import LESSON, alive, exercises_only
from .hostile import ATTACKS, WRONG

pytestmark = pytest.mark.slow

SEED = 987_654_321
RELEASED = (STUDENT / f"{LESSON}.ipynb").read_text()
SECONDS = {"cell_seconds": 3, "call_seconds": 2, "total_seconds": 60, "grace_seconds": 1.5}
LIMITS = sandbox.Limits(memory_mb=1500, disk_mb=250, file_mb=120, **SECONDS)


@pytest.fixture(scope="module")
def handed_in():
    """Lesson 2, solved."""
    return build.build(release.lessons()[2], solved=True)


@pytest.fixture(scope="module")
def solved(handed_in):
    return exercises_only(handed_in)


class Judging:
    """A warm sandbox, with things beside it that no submission may see."""

    def __init__(self, box):
        self.box, self.expected = box, judge.ExpectedCache()

    def record(self, notebook, seed=SEED):
        steps = preparation.steps_of(notebook, RELEASED)
        return judge.judge_submission(steps, LESSON, seed, self.box, self.expected)

    def exercises(self, notebook, seed=SEED):
        return self.record(notebook, seed)["exercises"]

    def points(self, notebook, seed=SEED):
        return [exercise["points"] for exercise in self.exercises(notebook, seed).values()]

    def processes(self):
        """What lives below the warm process."""
        return sorted(filter(alive, sandbox.family(self.box.process.pid)))

    def hidden_numbers(self):
        """The beginnings of numbers in the hidden inputs of exercise 2."""
        for index in range(len(check.rodrigues.properties)):
            inputs, _ = self.expected.case(check.rodrigues, index, SEED)
            for number in [number for value in inputs.values() for number in value.flatten()[:50].tolist()]:
                if number and len(f"{number}") >= 6:
                    yield f"{abs(number):.5f}"[:6]


@pytest.fixture(scope="module")
def judging(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    for name in ("secret.txt", "gradebook.db"):
        (folder / name).write_text("CANARY")
    write_folder(folder / "bundle", questions.files(2))
    with sandbox.Sandbox("bwrap", folder / "bundle", LIMITS) as box:
        yield Judging(box)


def with_cell(solved, source):
    """A notebook whose exercise 2 is this."""
    notebook = copy.deepcopy(solved)
    cell = notebook.cells[mangle.place(notebook, "rodrigues")]
    source = source.replace("{SOLVED}", cell.source).replace("{WRONG}", WRONG)
    cell.source = source.replace("{ROOT}", str(build.ROOT))
    return notebook


@pytest.mark.parametrize("name", ATTACKS)
def test_it_gains_nothing_and_leaves_nothing(name, solved, judging):
    attack, before = ATTACKS[name], judging.processes()
    record = judging.record(with_cell(solved, attack.source))
    text = json.dumps(record)
    rodrigues, tracking = (record["exercises"][exercise] for exercise in ("rodrigues", "tracking"))
    keys = {prop["key"] for prop in rodrigues["properties"]}
    why = keys, record["cells"], record["notes"], tracking
    assert record["status"] == "graded" and len(text) < 4_000_000
    assert attack.points is None or rodrigues["points"] == attack.points, why
    assert attack.others is None or tracking["points"] == attack.others, why
    assert not attack.keys or keys & set(attack.keys), keys
    assert rodrigues["points"] == sum(prop["points"] for prop in rodrigues["properties"])
    assert judging.processes() == before, "something outlived its sandbox"
    assert "picture_of" not in name or not record["pictures"]
    assert "CANARY" not in text and "AssertionError" not in text and "SEEN" not in text
    assert not [number for number in judging.hidden_numbers() if number in text], "a hidden input is recorded"


# --- accidents, by way of repair


def repaired_points(judging, submitted):
    return judging.points(repair.repair(submitted, LESSON, release.student_notebook(2)).notebook)


@pytest.mark.parametrize("name", mangle.ACCIDENTS)
def test_accidents_cost_nothing(name, handed_in, judging):
    submitted = mangle.as_bytes(mangle.ACCIDENTS[name](mangle.as_dict(handed_in)))
    assert repaired_points(judging, submitted) == [20.0, 15.0]


def test_fifty_megabytes_of_output_cost_nothing(handed_in, judging):
    notebook = mangle.as_dict(handed_in)
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    first["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}]
    assert repaired_points(judging, mangle.as_bytes(notebook)) == [20.0, 15.0]


@pytest.mark.parametrize("name", mangle.BROKEN)
def test_what_is_no_notebook_is_for_a_person(name, handed_in):
    text, submitted = (
        nbformat.writes(release.student_notebook(2)),
        mangle.BROKEN[name](mangle.as_dict(handed_in)),
    )
    record, notebook = worker.grade_submission(submitted, LESSON, text, SEED, "bwrap")
    assert record["status"] == "unreadable" and notebook is None and record["notes"][0]
    assert all(exercise["points"] is None for exercise in record["exercises"].values())


# --- right solutions

IN_PARTS = """{SOLVED}
quat_to_rotmat_, rodrigues_ = quat_to_rotmat, batch_rodrigues
def quat_to_rotmat(q): return quat_to_rotmat_(q / q.norm(dim=1, keepdim=True))
def batch_rodrigues(theta):
    return torch.cat([rodrigues_(part) for part in theta.split(7)]) if len(theta) else rodrigues_(theta)"""


@pytest.mark.parametrize("source", [sample_class.EXPONENTIAL, sample_class.TAYLOR, IN_PARTS])
def test_right_in_another_style_ten_times(source, solved, judging):
    notebook = with_cell(solved, source)
    for run in range(10):
        assert judging.points(notebook, SEED + run // 5) == [20.0, 15.0]


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 60


def test_after_all_of_them_a_right_solution_has_full_points(solved, judging):
    first, second = judging.exercises(solved), judging.exercises(solved)
    assert first == second and [exercise["points"] for exercise in first.values()] == [20.0, 15.0]
