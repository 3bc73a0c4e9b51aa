"""Hostile, broken and unlucky submissions in the sandbox: what each earns; it leaves nothing behind and
learns nothing."""

import json

import nbformat
import pytest

from autograder import grade, judge, release, repair, sample_class, sandbox
from course_lib import check

from . import mangle
from .hostile import ATTACKS, WRONG
from .processes import alive

LESSON, SEED = "02_template_model", 987_654_321
LIMITS = sandbox.Limits(
    memory_mb=1500,
    cell_seconds=3,
    call_seconds=2,
    total_seconds=60,
    grace_seconds=1.5,
    disk_mb=250,
    file_mb=120,
)


@pytest.fixture(scope="module")
def solved():
    """The exercises and checks of lesson 2, solved, without the cells between."""
    notebook = release.build.build(release.lessons()[2], solved=True)
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader")]
    return notebook


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A warm sandbox, with things beside it that no submission may see."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "secret.txt").write_text("CANARY")
    (folder / "gradebook.db").write_text("CANARY")
    bundle = folder / "bundle"
    release.write_folder(bundle, release.files([2]))
    with sandbox.Sandbox("bwrap", bundle, LIMITS) as box:
        yield box, judge.ExpectedCache()


def with_cell(solved, source):
    notebook = nbformat.from_dict(json.loads(json.dumps(solved)))
    cell = next(
        c
        for c in notebook.cells
        if c.metadata.nbgrader.get("solution") and c.metadata.nbgrader.grade_id == "rodrigues"
    )
    cell.source = (
        source.replace("{SOLVED}", cell.source).replace("{WRONG}", WRONG).replace("{ROOT}", str(release.ROOT))
    )
    return notebook


def processes(box):
    """What lives below the warm process."""
    return sorted(filter(alive, sandbox.family(box.process.pid)))


@pytest.mark.parametrize("name", ATTACKS)
def test_it_gains_nothing_and_leaves_nothing(name, solved, stage):
    box, expected = stage
    attack = ATTACKS[name]
    before = processes(box)
    record = judge.judge_submission(with_cell(solved, attack.source), LESSON, SEED, box, expected)
    text = json.dumps(record)
    rodrigues, tracking = (record["exercises"][exercise] for exercise in ("rodrigues", "tracking"))
    keys = {prop["key"] for prop in rodrigues["properties"]}
    assert record["status"] == "graded" and len(text) < 4_000_000
    assert attack.points is None or rodrigues["points"] == attack.points, (
        keys,
        record["cells"],
        record["notes"],
    )
    assert attack.others is None or tracking["points"] == attack.others, (
        record["cells"],
        record["notes"],
        tracking,
    )
    assert not attack.keys or keys & set(attack.keys), keys
    assert rodrigues["points"] == sum(prop["points"] for prop in rodrigues["properties"])
    assert processes(box) == before, "something outlived its sandbox"
    assert "picture_of" not in name or not record["pictures"]
    assert "CANARY" not in text and "AssertionError" not in text and "SEEN" not in text
    for index in range(len(check.rodrigues.properties)):
        for value in expected.case(check.rodrigues, index, SEED)[0].values():
            for number in value.flatten()[:50].tolist():
                assert number == 0 or f"{abs(number):.5f}"[:6] not in text or len(f"{number}") < 6, (
                    "a hidden input is in the record"
                )


# --- accidents, by way of repair
# ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def handed_in():
    return json.loads(json.dumps(release.build.build(release.lessons()[2], solved=True)))


def judged(submitted, tmp_path, stage):
    """Repairs and judges a file. -> points of the two exercises"""
    box, expected = stage
    path = tmp_path / f"{LESSON}.ipynb"
    path.write_bytes(submitted)
    notebook = repair.repair(path, release.student_notebook(2)).notebook
    record = judge.judge_submission(notebook, LESSON, SEED, box, expected)
    return [exercise["points"] for exercise in record["exercises"].values()]


@pytest.mark.parametrize("name", mangle.ACCIDENTS)
def test_accidents_cost_nothing(name, handed_in, stage, tmp_path):
    assert judged(mangle.as_bytes(mangle.ACCIDENTS[name](handed_in)), tmp_path, stage) == [20.0, 15.0]


def test_fifty_megabytes_of_output_cost_nothing(handed_in, stage, tmp_path):
    notebook = json.loads(json.dumps(handed_in))
    next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}
    ]
    assert judged(mangle.as_bytes(notebook), tmp_path, stage) == [20.0, 15.0]


@pytest.mark.parametrize("name", mangle.BROKEN)
def test_what_is_no_notebook_is_for_a_person(name, handed_in):
    text = nbformat.writes(release.student_notebook(2))
    record, notebook = grade.grade_submission(mangle.BROKEN[name](handed_in), LESSON, text, SEED, "bwrap")
    assert record["status"] == "unreadable" and notebook is None and record["notes"][0]
    assert all(exercise["points"] is None for exercise in record["exercises"].values())


@pytest.mark.parametrize("style", ["EXPONENTIAL", "TAYLOR", "ANOTHER"])
def test_right_in_another_style_ten_times(style, solved, stage):
    box, expected = stage
    another = (
        "{SOLVED}\nquat_to_rotmat_, rodrigues_ = quat_to_rotmat, batch_rodrigues\n"
        "def quat_to_rotmat(q): return quat_to_rotmat_(q / q.norm(dim=1, keepdim=True))\n"
        "def batch_rodrigues(theta): "
        "return torch.cat([rodrigues_(part) for part in theta.split(7)]) if len(theta) else rodrigues_(theta)"
    )
    notebook = with_cell(solved, getattr(sample_class, style, another))
    for run in range(10):
        exercises = judge.judge_submission(notebook, LESSON, SEED + run // 5, box, expected)["exercises"]
        assert [exercise["points"] for exercise in exercises.values()] == [20.0, 15.0]


def test_there_are_enough_of_them():
    assert len(ATTACKS) + len(mangle.ACCIDENTS) + len(mangle.BROKEN) >= 60 and len(ATTACKS) >= 60


def test_after_all_of_them_a_right_solution_has_full_points(solved, stage):
    box, expected = stage
    results = [judge.judge_submission(solved, LESSON, SEED, box, expected)["exercises"] for _ in range(2)]
    assert results[0] == results[1]
    assert [e["points"] for e in results[0].values()] == [20.0, 15.0]
