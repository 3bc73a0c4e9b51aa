"""The sample class, from submissions to the class page, with the real judge in real sandboxes."""

import html
import re

import pytest

from autograder import class_report, grade, gradebook, sample_class

POINTS = {
    "ada": 35,
    "emmy": 35,
    "sofia": 35,
    "rene": 35,
    "colab": 35,
    "william": 29,
    "gaspard": 28,
    "leonhard": 27,
    "olinde": 15,
    "hasty": 15,
    "loop": 15,
    "fork": 15,
    "reader": 15,
    "liar": 15,
    "quitter": 15,
    "script": 15,
    "nova": 0,
    "cut": None,
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = sample_class.write_class(tmp_path_factory.mktemp("class"))
    summary = grade.grade(course, sample_class.LESSON, show=print)
    assert summary.graded == len(POINTS)
    return course


def test_everybody_gets_what_they_earned(course):
    found = {
        record["student"]: grade.points_of(record)[0]
        for record in grade.records_of(course, sample_class.LESSON)
    }
    assert found == POINTS
    with gradebook.opened(course) as book:
        assert {s.student.id: s.score for s in book.assignment_submissions(sample_class.LESSON)} == {
            student: points or 0 for student, points in POINTS.items()
        }


def test_mistakes_have_names(course):
    keys = {
        record["student"]: {
            prop["key"] for exercise in record["exercises"].values() for prop in exercise["properties"]
        }
        for record in grade.records_of(course, sample_class.LESSON)
    }
    for student, key in (
        ("olinde", "transposed"),
        ("william", "nan-at-zero"),
        ("leonhard", "y-flipped"),
        ("nova", "not-implemented"),
        ("loop", "too-long"),
        ("hasty", "not-defined"),
    ):
        assert key in keys[student], (student, keys[student])


def test_the_class_page_shows_them(course):
    page = class_report.write_report(course).read_text()
    assert re.search(r"<b>18</b>graded", page) and "Off" in page
    assert "Olinde Rodrigues, René d'Aubigné, Sofja Kowalewskaja" in html.unescape(page)
    for student in POINTS:
        text = (
            course / "feedback" / student / sample_class.LESSON / f"{sample_class.LESSON}.html"
        ).read_text()
        assert "<script" not in text


def test_the_same_again_gives_the_same(course):
    before = {
        record["student"]: record["exercises"] for record in grade.records_of(course, sample_class.LESSON)
    }
    for student in ("ada", "olinde", "william", "emmy"):
        grade.record_path(course, sample_class.LESSON, student).unlink()
    summary = grade.grade(course, sample_class.LESSON, workers=1, show=print)
    assert (summary.graded, summary.skipped) == (4, 14)
    assert {
        record["student"]: record["exercises"] for record in grade.records_of(course, sample_class.LESSON)
    } == before
