"""The judge: right solutions have full points, untouched notebooks none; what runs, and what is left out."""

import json
import threading
import time

import nbformat
import pytest
import torch

from autograder import judge, preparation, questions, release, sandbox
from course_lib import check
from course_lib.check import core
from lessons import build
from lessons.build import STUDENT
from lessons.bundle import write_folder

from .helpers import exercises_only
from .mangle import marks

pytestmark = pytest.mark.slow

LESSONS = {number: path.stem for number, path in release.lessons().items()}


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, tmp_path_factory):
    """A lesson's number, and what judges a notebook of it in a warm sandbox. -> (number, function)"""
    number, expected = request.param, judge.ExpectedCache()
    bundle = tmp_path_factory.mktemp("lesson") / "bundle"
    write_folder(bundle, questions.files(number))
    with sandbox.Sandbox("bwrap", bundle) as box:

        def judged(notebook):
            return judge.judge_submission(steps_of(notebook, number), LESSONS[number], 77, box, expected)

        yield number, judged


def steps_of(notebook, number):
    return preparation.steps_of(notebook, (STUDENT / f"{LESSONS[number]}.ipynb").read_text())


def notebook_of(number, solved):
    return build.build(release.lessons()[number], solved=solved)


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
    cells = [cell for number in LESSONS for cell in notebook_of(number, solved=False).cells]
    for found in map(marks, cells):
        if found.get("grade"):
            assert found["points"] == getattr(check, found["grade_id"].removesuffix("-check")).points


def test_what_only_shows_something_does_not_run():
    notebook = notebook_of(2, solved=True)

    def kept():
        return [step.source for step in steps_of(notebook, 2) if step.source]

    code = [cell for cell in notebook.cells if cell.cell_type == "code" and not marks(cell).get("grade")]
    assert len(kept()) < len(code)
    assert {cell.source for cell in code if marks(cell).get("solution")} <= set(kept())
    for cell in code:
        if not marks(cell):
            cell.source += "\n# changed"
    assert len(kept()) == len(code)


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


CHANGES = (
    lambda R: None,
    lambda R: R.double(),
    lambda R: R[0],
    lambda R: torch.zeros(6, 9_000, 9_000).expand(6, 9_000, 9_000),
    lambda R: torch.zeros(10**6, 3, 3),
    lambda R: R.bool(),
)


@pytest.mark.parametrize("change", CHANGES)
def test_odd_arrays_are_refused_before_anything_is_computed(change, expected):
    prop = check.rodrigues.properties[0]
    inputs, right = expected.case(check.rodrigues, 0, 5)
    (name, R), *_ = right.items()
    R = change(R)
    outputs = {} if R is None else {name: R}
    assert judge.public_verdict(prop, outputs, inputs, right) is not None
    assert not judge.hidden_verdict(prop, outputs, inputs, right)


# What a process that is not to be trusted may send instead of an output.
ODD = {
    "NaN": lambda x: torch.full_like(x, torch.nan),
    "one NaN": lambda x: torch.cat([torch.full_like(x.flatten()[:1], torch.nan), x.flatten()[1:]]).view(
        x.shape
    ),
    "infinite": lambda x: torch.full_like(x, torch.inf),
    "a row more": lambda x: torch.cat([x, x[-1:]]),
    "no row": lambda x: x[:0],
}


@pytest.mark.parametrize("exercise, index", SCORED, ids=lambda value: getattr(value, "title", value))
def test_odd_numbers_are_named_as_what_they_are_and_soon(exercise, index, expected):
    """`judge` looks for the cause of a difference: with NaN it might do so for ever."""
    prop = exercise.properties[index]
    inputs, right = expected.case(exercise, index, 5)
    for name, value in right.items():
        for how, change in ODD.items():
            if "row" in how and not value.dim() or "row" not in how and not value.is_floating_point():
                continue
            outputs = dict(right) | {name: change(value)}
            complaint = judge.Patience(5).ask(judge.public_verdict, prop, outputs, core.clone(inputs), right)
            key = complaint and complaint.key
            if "row" not in how:
                assert key == "not-finite" or not prop.finite and key not in (None, "not-judged"), (name, how)
            elif name not in prop.varying:
                assert key == "shape", (name, how)


def test_a_verdict_that_finds_no_end_says_nothing(monkeypatch):
    """Also in a worker, whose submissions are not judged in its main thread."""

    def endless():
        while True:
            max(1, 2)

    monkeypatch.setattr(judge, "LEAST_SECONDS", 0.2)

    def asked():
        patience = judge.Patience(0.2)
        found.append(patience.ask(endless))
        assert patience.left < 0 and patience.ask(lambda: None) is None  # what is quick has its verdict still

    found = []
    asked()
    thread = threading.Thread(target=asked)
    thread.start()
    thread.join(30)
    assert [complaint.key for complaint in found] == ["not-judged"] * 2


def test_what_cannot_be_judged_is_nobodys_full_points_and_says_no_more_than_that(expected):
    class Stumbles(type(check.rodrigues.properties[0])):
        def judge(self, outputs, **inputs):
            raise RuntimeError("The size of tensor a (7) must match <b>")

    inputs, right = expected.case(check.rodrigues, 0, 5)
    complaint = judge.public_verdict(Stumbles(), right, inputs, right)
    assert (
        complaint.key == "not-judged"
        and "RuntimeError" in complaint.text
        and "tensor a" not in complaint.text
    )
    assert not judge.hidden_verdict(Stumbles(), right, inputs, right)


REACHING = {
    "exec (open('x').read())": ["exec"],
    "inspect.getsourcelines(f), f.__code__": ["__code__", "getsourcelines"],
    "from course_lib . check import lesson2": ["course_lib . check"],
    "open('/course/course_lib/check/we_all_copied_this.py')": ["course_lib/check"],
    "getsource_of_all_evil = model.eval()": [],
    "sys . modules['course_' + 'lib'].__dict__": ["__dict__", "sys . modules"],
    "child = os.fork()\nsubprocess.run(['python'])": ["fork", "subprocess"],
    "own = torch.jit.trace(other, theta)": ["torch.jit"],
    "get_ipython().run_cell(text), runpy.run_path(path)": ["run_cell", "runpy"],
    "from sys import modules": ["from sys import"],
    "check.core.withheld = check.rodrigues": ["check.core"],
    "torch.fx.symbolic_trace(f), torch.export": ["symbolic_trace", "torch.export", "torch.fx"],
    "# where the flukes fork, model.modules(), my_subprocesses": [],
}


@pytest.mark.parametrize("source", REACHING)
def test_what_may_be_borrowed_is_told_by_a_fixed_list_of_words(source):
    assert sorted(preparation._reaching(()).findall(source)) == REACHING[source]


def test_what_is_too_long_to_be_looked_through_is_named_too():
    released = nbformat.writes(release.student_notebook(2))
    notebook = nbformat.reads(released, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("#" * preparation.MOST_SEARCHED + "\nexec(answer)"))
    assert preparation._borrowed(notebook, released, ()) == ["a cell of more than 1,000,000 characters"]


def test_looking_for_it_takes_linear_time():
    start = time.process_time()
    assert preparation._reaching(()).findall("course_lib.check" + " " * 900_000 + "!") == []
    assert time.process_time() - start < 5
