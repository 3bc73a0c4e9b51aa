"""The judge: right solutions have full points, untouched notebooks none, and what runs and what is left
out."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
import torch

from autograder import judge, release, sandbox
from course_lib import check
from course_lib.check import core
from lessons import build

LESSONS = {number: path.stem for number, path in release.lessons().items()}


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, tmp_path_factory):
    """A lesson's number and its warm sandbox."""
    bundle = tmp_path_factory.mktemp("lesson") / "bundle"
    release.write_folder(bundle, release.files([request.param]))
    with sandbox.Sandbox("bwrap", bundle) as box:
        yield request.param, box, judge.ExpectedCache()


def notebook_of(number, solved):
    return build.build(release.lessons()[number], solved=solved)


def points(record):
    return {name: exercise["points"] for name, exercise in record["exercises"].items()}


def test_the_reference_has_full_points_and_always_the_same(lesson):
    number, box, expected = lesson
    notebook = notebook_of(number, solved=True)
    records = [judge.judge_submission(notebook, LESSONS[number], 77, box, expected) for _ in range(2)]
    full = {name: exercise["of"] for name, exercise in records[0]["exercises"].items()}
    assert points(records[0]) == full and sum(full.values()) > 0
    assert records[0]["exercises"] == records[1]["exercises"] and records[0]["cells"] == []
    json.dumps(records[0], allow_nan=False)
    for _ in range(8):  # ten runs in all; the exercises alone, for time
        only = nbformat.from_dict(
            {**notebook, "cells": [c for c in notebook.cells if c.metadata.get("nbgrader")]}
        )
        assert points(judge.judge_submission(only, LESSONS[number], 77, box, expected)) == full


def test_an_untouched_notebook_has_none(lesson):
    number, box, expected = lesson
    record = judge.judge_submission(notebook_of(number, solved=False), LESSONS[number], 77, box, expected)
    assert record["status"] == "graded" and set(points(record).values()) == {0.0}
    keys = {prop["key"] for exercise in record["exercises"].values() for prop in exercise["properties"]}
    assert keys <= {"not-implemented", "not-reached", "not-defined"}


def test_points_are_those_of_the_notebooks_check_cells():
    for number in LESSONS:
        for cell in notebook_of(number, solved=False).cells:
            mark = cell.metadata.get("nbgrader", {})
            if mark.get("grade"):
                assert mark["points"] == getattr(check, mark["grade_id"].removesuffix("-check")).points


def test_what_only_shows_something_does_not_run():
    notebook = notebook_of(2, solved=True)
    kept = {step.source for step in judge.steps_of(notebook, LESSONS[2]) if step.source}
    code = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade")
    ]
    assert len(kept) < len(code) and all(
        cell.source in kept for cell in code if cell.metadata.get("nbgrader", {}).get("solution")
    )
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader"):
            cell.source += "\n# changed"
    assert len([step for step in judge.steps_of(notebook, LESSONS[2]) if step.source]) == len(code)


@pytest.mark.parametrize(
    "source, read, bound, changed",
    [
        ("x = y + 1", {"y"}, {"x"}, set()),
        ("x = 1\nprint(x, z)", {"print", "z"}, {"x"}, set()),
        ("a.b[0] = c", {"a", "c"}, set(), {"a"}),
        ("with a:\n    b.c.copy_(d)", {"a", "b", "d"}, set(), {"b"}),
        ("x += 1", {"x"}, {"x"}, set()),
        ("import a.b, c as d", set(), {"a", "d"}, set()),
        ("def f(u):\n    v = u\n    return v + w", {"w", "u"}, {"f", "v"}, set()),
        ("%matplotlib inline\nx = y", {"y"}, {"x"}, set()),
        ("x = (", {"x"}, set(), set()),
    ],
)
def test_names_of_a_cell(source, read, bound, changed):
    assert judge.names_in(source) == (read, bound, changed)


OF_FORM = ("of the right shapes", "with something on it")  # these ask for no more, of honest code either


def test_no_property_with_points_can_be_answered_without_looking_at_its_case():
    """Two seeds must ask for two answers: else the answer could be sent without computing anything."""
    expected = judge.ExpectedCache()
    for exercise in check.EXERCISES:
        for index, prop in enumerate(exercise.properties):
            if not prop.points:
                continue
            inputs, one = expected.case(exercise, index, 1)
            _, other = expected.case(exercise, index, 2)
            asked = [
                name
                for name in one
                if not (one[name].shape == other[name].shape and torch.equal(one[name], other[name]))
            ]
            assert asked, f"{exercise.title}: {prop.name}"
            if prop.name.endswith(OF_FORM):
                continue
            zeros = {name: torch.zeros_like(value) for name, value in one.items()}
            assert not judge.hidden_verdict(prop, zeros, core.clone(inputs), one), (
                f"zeros pass: {exercise.title}: {prop.name}"
            )
            assert not judge.hidden_verdict(prop, other, core.clone(inputs), one), (
                f"another case's answer passes: {exercise.title}: {prop.name}"
            )
            assert judge.hidden_verdict(prop, one, inputs, one)


def test_odd_arrays_are_refused_before_anything_is_computed():
    prop, expected = check.rodrigues.properties[0], judge.ExpectedCache()
    inputs, right = expected.case(check.rodrigues, 0, 5)
    for R in (
        None,
        right["R"].double(),
        right["R"][0],
        torch.zeros(6, 9_000, 9_000).expand(6, 9_000, 9_000),
        torch.zeros(10**6, 3, 3),
        right["R"].bool(),
    ):
        outputs = {} if R is None else {"R": R}
        assert judge.public_verdict(prop, outputs, inputs, right) is not None
        assert not judge.hidden_verdict(prop, outputs, inputs, right)


def test_a_device_on_which_the_reference_fails_is_not_used():
    assert judge.ExpectedCache("meta").device_of(check.rodrigues) == "cpu"
    expected = judge.ExpectedCache("cpu:0")
    assert expected.device_of(check.rodrigues) == "cpu:0"
    for exercise in check.EXERCISES:
        assert expected.device_of(exercise) == "cpu:0", exercise.title


# --- nbgrader's own autograde
# ------------------------------------------------------------------------------------------


def test_nbgrader_autograde_with_the_reference_judge(tmp_path):
    """The right solution, a hard-coded and an untouched one, by nbgrader alone, in the folder of `dolphins
    release`."""
    release.write_course([2], tmp_path)
    stem = LESSONS[2]
    solved = notebook_of(2, solved=True)
    hard_coded = json.loads(json.dumps(solved))
    for cell in hard_coded["cells"]:
        if (
            cell["metadata"].get("nbgrader", {}).get("solution")
            and cell["metadata"]["nbgrader"]["grade_id"] == "rodrigues"
        ):
            cell["source"] += """
from course_lib import check as _c
from course_lib.check import core as _k
_known = _c.rodrigues.properties[0].inputs(_k.rng_of(_c.rodrigues, 0, 0))["quat"]
_right = quat_to_rotmat
def quat_to_rotmat(quat):
    return _right(quat) if len(quat) != 6 or torch.equal(quat, _known) else quat.new_zeros(len(quat), 3, 3)
"""
    for student, notebook in (
        ("ada", solved),
        ("bob", nbformat.from_dict(hard_coded)),
        ("cy", notebook_of(2, solved=False)),
    ):
        folder = tmp_path / "submitted" / student / stem
        folder.mkdir(parents=True)
        notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader")]
        nbformat.write(notebook, folder / f"{stem}.ipynb")
    binaries = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    for command in (["generate_assignment", stem, "--force"], ["autograde", stem]):
        done = subprocess.run(
            [f"{binaries}/nbgrader", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
        scores = {
            student: {
                grade.name: grade.auto_score
                for grade in book.find_submission(stem, student).notebooks[0].grades
            }
            for student in ("ada", "bob", "cy")
        }
    assert scores["ada"] == {"rodrigues-check": 20.0, "tracking-check": 15.0}
    assert scores["bob"]["rodrigues-check"] < 20 and scores["bob"]["tracking-check"] == 15
    assert set(scores["cy"].values()) == {0.0}
