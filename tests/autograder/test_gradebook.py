"""nbgrader's gradebook.db: it says what the records say; what people gave by hand is theirs."""

import csv
import shutil
import sqlite3

import pytest

from autograder import gradebook, records, release, roster
from course_lib.errors import CourseError
from course_lib.files import write

from .helpers import LESSON, nbgrader, release_path, write_record, write_roster

pytestmark = pytest.mark.slow


def scores(course):
    """-> {student: (score, needs a look)}"""
    with gradebook.opened(course) as book:
        return {s.student.id: (s.score, s.needs_manual_grade) for s in book.assignment_submissions(LESSON)}


def give(course, student, cell="rodrigues-check", **values):
    """What a person does in formgrader."""
    with gradebook.opened(course) as book:
        found = book.find_grade(cell, LESSON, LESSON, student)
        for name, value in values.items():
            setattr(found, name, value)
        found.needs_manual_grade = False
        book.db.commit()


def update(course):
    return gradebook.update(course, [LESSON])


def test_scores_students_and_times_are_nbgraders(tmp_path):
    anna = roster.Student("anna", "Ânna", "O'Neil, Jr.", "a@b.c", "17")
    write_roster(tmp_path, anna, roster.Student("absent", "Not"))
    write_record(tmp_path, "anna", (12.0, 15.0))
    write_record(tmp_path, "guest", (0.0, 0.0), keys=["not-implemented", "not-reached"])
    (tmp_path / "submitted" / "anna" / LESSON / "timestamp.txt").write_text("2026-11-20 10:30:00 UTC\n")
    assert update(tmp_path).written == 2
    assert scores(tmp_path) == {"anna": (27.0, False), "guest": (0.0, False)}
    with gradebook.opened(tmp_path) as book:
        assert {s.id for s in book.students} == {"anna", "absent", "guest"}
        found = book.find_student("anna")
        assert (found.first_name, found.last_name) == ("Ânna", "O'Neil, Jr.")
        assert (found.email, found.lms_user_id) == ("a@b.c", "17")
        assert str(book.find_submission(LESSON, "anna").timestamp) == "2026-11-20 10:30:00"
        assert book.find_assignment(LESSON).max_score == 35
        assert book.find_comment("rodrigues", LESSON, LESSON, "guest").auto_comment == "No response."
        assert book.find_comment("rodrigues", LESSON, LESSON, "anna").auto_comment is None


def test_no_score_of_an_earlier_run_stays(tmp_path):
    for student in "ab":
        write_record(tmp_path, student)
    update(tmp_path)
    write_record(tmp_path, "a", (3.0, 0.0), sha="b")
    write_record(tmp_path, "b", (None, None), sha="b", status="unreadable")
    update(tmp_path)
    assert scores(tmp_path) == {"a": (3.0, False), "b": (0.0, True)}
    write_record(tmp_path, "b", (5.0, 0.0), sha="c")
    update(tmp_path)
    assert scores(tmp_path)["b"] == (5.0, False)


def test_a_manual_score_wins_for_the_work_that_it_was_given_for(tmp_path):
    write_record(tmp_path, "a", (10.0, 15.0))
    update(tmp_path)
    give(tmp_path, "a", manual_score=18.0, extra_credit=1.0)
    assert update(tmp_path).dropped == [] and scores(tmp_path)["a"] == (34.0, False)
    assert gradebook.by_hand(tmp_path) == ({(LESSON, "a"): {"rodrigues": 19.0}}, {})
    write_record(tmp_path, "a", (12.0, 15.0))  # the same work, judged otherwise
    update(tmp_path)
    assert scores(tmp_path)["a"] == (34.0, True)
    write_record(tmp_path, "a", (4.0, 15.0), sha="b")  # other work
    assert update(tmp_path).dropped == [(LESSON, "a", "rodrigues", 19.0)]
    assert scores(tmp_path)["a"] == (19.0, True) and gradebook.by_hand(tmp_path) == ({}, {})
    assert update(tmp_path).dropped == []
    assert scores(tmp_path)["a"] == (19.0, True)  # until somebody has looked
    give(tmp_path, "a")
    update(tmp_path)
    assert scores(tmp_path)["a"] == (19.0, False)


def test_a_comment_is_for_the_work_that_it_was_written_for(tmp_path):
    write_record(tmp_path, "a", (10.0, 15.0))
    update(tmp_path)
    with gradebook.opened(tmp_path) as book:
        book.find_comment("rodrigues", LESSON, LESSON, "a").manual_comment = "See me."
        book.db.commit()
    assert update(tmp_path).dropped == []
    assert gradebook.by_hand(tmp_path) == ({}, {(LESSON, "a"): {"rodrigues": "See me."}})
    write_record(tmp_path, "a", sha="b")
    assert update(tmp_path).dropped == [(LESSON, "a", "rodrigues", "See me.")]
    assert gradebook.by_hand(tmp_path) == ({}, {})


def test_what_the_grader_could_not_decide_a_person_can(tmp_path):
    write_record(tmp_path, "a", (None, None), status="worker-lost")
    update(tmp_path)
    assert scores(tmp_path)["a"] == (0.0, True)
    give(tmp_path, "a", manual_score=7.0)
    give(tmp_path, "a", cell="tracking-check", manual_score=2.0)
    update(tmp_path)
    assert scores(tmp_path)["a"] == (9.0, False)


def test_a_submission_that_is_gone_is_gone_unless_somebody_graded_it(tmp_path):
    for student in "ab":
        write_record(tmp_path, student, (1.0, 1.0))
    update(tmp_path)
    give(tmp_path, "b", manual_score=2.0)
    shutil.rmtree(tmp_path / "submitted")
    (tmp_path / "submitted").mkdir()
    assert update(tmp_path).removed == [(LESSON, "a")]
    assert scores(tmp_path) == {"b": (3.0, False)}


def test_a_release_with_other_cells_is_no_silent_loss(tmp_path):
    write_record(tmp_path, "a", (1.0, 1.0))
    update(tmp_path)
    other = records.release_of(tmp_path, LESSON).replace('"tracking-check"', '"another-check"')
    write(release_path(tmp_path), other)
    with pytest.raises(CourseError, match="with other cells"):
        update(tmp_path)
    assert scores(tmp_path) == {"a": (2.0, False)}


def test_a_gradebook_that_is_locked_or_none_is_said_in_a_sentence(tmp_path):
    write_record(tmp_path, "a", (1.0, 1.0))
    path = tmp_path / "gradebook.db"
    path.write_text("this is no database, but it is long enough to be taken for one" * 50)
    with pytest.raises(CourseError, match="gradebook.db"):
        update(tmp_path)
    path.unlink()
    update(tmp_path)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CourseError, match="another program is writing"):
            update(tmp_path)
        other.rollback()
    assert update(tmp_path).written == 1


def test_nbgrader_itself_reads_it(tmp_path):
    """`nbgrader export`; what formgrader shows is tested in tests/browser."""
    release.write_course([2], tmp_path)
    for i in range(3):
        write_record(tmp_path, f"s{i}", (float(i), 15.0))
    update(tmp_path)
    nbgrader(tmp_path, "export", "--to", "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    found = [(row["student_id"], row["score"], row["max_score"]) for row in rows]
    assert found == [(f"s{i}", f"{15 + i}.0", "35.0") for i in range(3)]
