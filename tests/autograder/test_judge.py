"""The judge: right solutions have full points, untouched notebooks none; what runs, and what is left out."""

import copy
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
from lessons.bundle import write_folder

LESSONS = {number: path.stem for number, path in release.lessons().items()}


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, tmp_path_factory):
    """A lesson's number, and what judges a notebook of it in a warm sandbox. -> (number, function)"""
    number, expected = request.param, judge.ExpectedCache()
    bundle = tmp_path_factory.mktemp("lesson") / "bundle"
    write_folder(bundle, release.files([number]))
    with sandbox.Sandbox("bwrap", bundle) as box:
        yield number, lambda notebook: judge.judge_submission(notebook, LESSONS[number], 77, box, expected)


def notebook_of(number, solved):
    return build.build(release.lessons()[number], solved=solved)


def mark(cell):
    return cell.metadata.get("nbgrader", {})


def exercises_only(notebook):
    return nbformat.from_dict({**notebook, "cells": [cell for cell in notebook.cells if mark(cell)]})


def points(record):
    return {name: exercise["points"] for name, exercise in record["exercises"].items()}


def test_the_reference_has_full_points_and_always_the_same(lesson):
    number, judged = lesson
    notebook = notebook_of(number, solved=True)
    first, second = judged(notebook), judged(notebook)
    full = {name: exercise["of"] for name, exercise in first["exercises"].items()}
    assert points(first) == full and sum(full.values()) > 0
    assert first["exercises"] == second["exercises"] and first["cells"] == []
    json.dumps(first, allow_nan=False)
    for _ in range(8):  # ten runs in all; the exercises alone, for time
        assert points(judged(exercises_only(notebook))) == full


def test_an_untouched_notebook_has_none(lesson):
    number, judged = lesson
    record = judged(notebook_of(number, solved=False))
    assert record["status"] == "graded" and set(points(record).values()) == {0.0}
    keys = {prop["key"] for exercise in record["exercises"].values() for prop in exercise["properties"]}
    assert keys <= {"not-implemented", "not-reached", "not-defined"}


def test_points_are_those_of_the_notebooks_check_cells():
    marks = [mark(cell) for number in LESSONS for cell in notebook_of(number, solved=False).cells]
    for found in marks:
        if found.get("grade"):
            assert found["points"] == getattr(check, found["grade_id"].removesuffix("-check")).points


def test_what_only_shows_something_does_not_run():
    notebook = notebook_of(2, solved=True)

    def kept():
        return [step.source for step in judge.steps_of(notebook, LESSONS[2]) if step.source]

    code = [cell for cell in notebook.cells if cell.cell_type == "code" and not mark(cell).get("grade")]
    assert len(kept()) < len(code)
    assert {cell.source for cell in code if mark(cell).get("solution")} <= set(kept())
    for cell in code:
        if not mark(cell):
            cell.source += "\n# changed"
    assert len(kept()) == len(code)


@pytest.mark.parametrize(
    "source, read, bound, changed",
    [
        ("x = y + 1", "y", "x", ""),
        ("x = 1\nprint(x, z)", "print z", "x", ""),
        ("a.b[0] = c", "a c", "", "a"),
        ("with a:\n    b.c.copy_(d)", "a b d", "", "b"),
        ("x += 1", "x", "x", ""),
        ("import a.b, c as d", "", "a d", ""),
        ("def f(u):\n    v = u\n    return v + w", "w u", "f v", ""),
        ("%matplotlib inline\nx = y", "y", "x", ""),
        ("x = (", "x", "", ""),
    ],
)
def test_names_of_a_cell(source, read, bound, changed):
    assert judge.names_in(source) == (set(read.split()), set(bound.split()), set(changed.split()))


OF_FORM = ("of the right shapes", "with something on it")  # these ask for no more, of honest code either
SCORED = [(e, n) for e in check.EXERCISES for n, prop in enumerate(e.properties) if prop.points]


@pytest.fixture(scope="module")
def expected():
    return judge.ExpectedCache()


@pytest.mark.parametrize("exercise, index", SCORED, ids=lambda value: getattr(value, "title", value))
def test_no_property_with_points_can_be_answered_without_looking_at_its_case(exercise, index, expected):
    """Two seeds must ask for two answers: else the answer could be sent without computing anything."""
    prop = exercise.properties[index]
    inputs, one = expected.case(exercise, index, 1)
    _, other = expected.case(exercise, index, 2)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    if not prop.name.endswith(OF_FORM):
        zeros = {name: torch.zeros_like(value) for name, value in one.items()}
        assert not judge.hidden_verdict(prop, zeros, core.clone(inputs), one)
        assert not judge.hidden_verdict(prop, other, core.clone(inputs), one)
        assert judge.hidden_verdict(prop, one, inputs, one)


@pytest.mark.parametrize(
    "change",
    [
        lambda R: None,
        lambda R: R.double(),
        lambda R: R[0],
        lambda R: torch.zeros(6, 9_000, 9_000).expand(6, 9_000, 9_000),
        lambda R: torch.zeros(10**6, 3, 3),
        lambda R: R.bool(),
    ],
)
def test_odd_arrays_are_refused_before_anything_is_computed(change, expected):
    prop = check.rodrigues.properties[0]
    inputs, right = expected.case(check.rodrigues, 0, 5)
    R = change(right["R"])
    outputs = {} if R is None else {"R": R}
    assert judge.public_verdict(prop, outputs, inputs, right) is not None
    assert not judge.hidden_verdict(prop, outputs, inputs, right)


def test_a_device_on_which_the_reference_fails_is_not_used():
    assert judge.ExpectedCache("meta").device_of(check.rodrigues) == "cpu"
    expected = judge.ExpectedCache("cpu:0")
    for exercise in check.EXERCISES:
        assert expected.device_of(exercise) == "cpu:0", exercise.title


# --- nbgrader's own autograde

HARD_CODED = """
from course_lib import check as _c
from course_lib.check import core as _k
_known = _c.rodrigues.properties[0].inputs(_k.rng_of(_c.rodrigues, 0, 0))["quat"]
_right = quat_to_rotmat
def quat_to_rotmat(quat):
    return _right(quat) if len(quat) != 6 or torch.equal(quat, _known) else quat.new_zeros(len(quat), 3, 3)
"""


def test_nbgrader_autograde_with_the_reference_judge(tmp_path):
    """The right, a hard-coded and an untouched one, by nbgrader alone, in a folder of `dolphins release`."""
    from nbgrader.api import Gradebook

    release.write_course([2], tmp_path)
    stem = LESSONS[2]
    solved = exercises_only(notebook_of(2, solved=True))
    hard_coded = copy.deepcopy(solved)
    for cell in hard_coded.cells:
        if mark(cell).get("solution") and mark(cell)["grade_id"] == "rodrigues":
            cell.source += HARD_CODED
    submitted = {"ada": solved, "bob": hard_coded, "cy": exercises_only(notebook_of(2, solved=False))}
    for student, notebook in submitted.items():
        folder = tmp_path / "submitted" / student / stem
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{stem}.ipynb")
    binaries = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    for words in (["generate_assignment", stem, "--force"], ["autograde", stem]):
        command = [f"{binaries}/nbgrader", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    scores = {}
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
        for student in submitted:
            grades = book.find_submission(stem, student).notebooks[0].grades
            scores[student] = {grade.name: grade.auto_score for grade in grades}
    assert scores["ada"] == {"rodrigues-check": 20.0, "tracking-check": 15.0}
    assert scores["bob"]["rodrigues-check"] < 20 and scores["bob"]["tracking-check"] == 15
    assert set(scores["cy"].values()) == {0.0}
