"""The sample class, from submissions to the class page, with the real judge in real sandboxes."""

import html

import pytest

from autograder import class_report, grade, gradebook, records, sample_class
from autograder.sample_class import LESSON

POINTS = dict.fromkeys(["ada", "emmy", "sofia", "rene", "colab"], 35)
POINTS |= {"william": 29, "gaspard": 28, "leonhard": 27, "nova": 0, "cut": None}
POINTS |= dict.fromkeys("olinde hasty loop fork reader liar quitter script".split(), 15)
MISTAKES = {
    "olinde": "transposed",
    "william": "nan-at-zero",
    "leonhard": "y-flipped",
    "nova": "not-implemented",
    "loop": "too-long",
    "hasty": "not-defined",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = sample_class.write_class(tmp_path_factory.mktemp("class"))
    assert grade.grade(course, LESSON, show=print).graded == len(POINTS)
    return course


def exercises(course):
    return {record["student"]: record["exercises"] for record in records.records_of(course, LESSON)}


def test_everybody_gets_what_they_earned(course):
    found = {record["student"]: records.points_of(record)[0] for record in records.records_of(course, LESSON)}
    assert found == POINTS
    with gradebook.opened(course) as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions(LESSON)}
    assert scores == {student: points or 0 for student, points in POINTS.items()}


def test_mistakes_have_names(course):
    found = exercises(course)
    for student, key in MISTAKES.items():
        properties = [prop for exercise in found[student].values() for prop in exercise["properties"]]
        assert key in {prop["key"] for prop in properties}, student


def test_the_class_page_shows_them(course):
    page = class_report.write_report(course).read_text()
    assert "<b>18</b>graded" in page and "Off" in page
    assert "Olinde Rodrigues, René d'Aubigné, Sofja Kowalewskaja" in html.unescape(page)
    for student in POINTS:
        assert "<script" not in (course / "feedback" / student / LESSON / f"{LESSON}.html").read_text()


def test_the_same_again_gives_the_same(course):
    before = exercises(course)
    for student in ("ada", "olinde", "william", "emmy"):
        records.record_path(course, LESSON, student).unlink()
    summary = grade.grade(course, LESSON, workers=1, show=print)
    assert (summary.graded, summary.skipped) == (4, 14)
    assert exercises(course) == before
