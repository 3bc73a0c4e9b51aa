"""Hostile, broken and unlucky submissions in the sandbox: what each earns, and that it leaves nothing behind and learns nothing."""

import json
from pathlib import Path

import nbformat
import pytest

from autograder import judge, release, sandbox
from course_lib import check
from course_lib.check import core

from .hostile import ATTACKS, WRONG

LESSON, SEED = "02_template_model", 987_654_321
LIMITS = sandbox.Limits(memory_mb=1500, cell_seconds=3, call_seconds=2, total_seconds=60, grace_seconds=1.5, disk_mb=250, file_mb=120)


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
    cell = next(c for c in notebook.cells if c.metadata.nbgrader.get("solution") and c.metadata.nbgrader.grade_id == "rodrigues")
    cell.source = source.replace("{SOLVED}", cell.source).replace("{WRONG}", WRONG)
    return notebook


def processes(box):
    """What lives below the warm process: what is dead but not yet counted as such by its parent is left out."""
    def alive(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
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
    assert attack.points is None or rodrigues["points"] == attack.points, (keys, record["cells"], record["notes"])
    assert attack.others is None or tracking["points"] == attack.others, (record["cells"], record["notes"], tracking)
    assert not attack.keys or keys & set(attack.keys), keys
    assert rodrigues["points"] == sum(prop["points"] for prop in rodrigues["properties"])
    assert processes(box) == before, "something outlived its sandbox"
    assert "picture_of" not in name or not record["pictures"]
    assert "CANARY" not in text and "AssertionError" not in text and "SEEN" not in text
    for index in range(len(check.rodrigues.properties)):
        for value in expected.case(check.rodrigues, index, SEED)[0].values():
            for number in value.flatten()[:50].tolist():
                assert number == 0 or f"{abs(number):.5f}"[:6] not in text or len(f"{number}") < 6, "a hidden input is in the record"


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 60


def test_after_all_of_them_a_right_solution_has_full_points(solved, stage):
    box, expected = stage
    results = [judge.judge_submission(solved, LESSON, SEED, box, expected)["exercises"] for _ in range(2)]
    assert results[0] == results[1]
    assert [e["points"] for e in results[0].values()] == [20.0, 15.0]
