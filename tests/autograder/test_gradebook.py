"""nbgrader's gradebook.db: it says what the records say, whatever was in it before; what people gave by hand
is theirs."""

import csv
import json
import shutil
import subprocess
import sys

import pytest

from autograder import grade, gradebook, release, roster
from course_lib.errors import CourseError

LESSON = "02_template_model"


def record(course, student, points, sha="a", status="graded", keys=(None,)):
    """A record as the grader writes it. points: of rodrigues and tracking, None where to be given by hand."""
    folder = course / "submitted" / student / LESSON
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamp.txt").write_text("2026-11-20 10:30:00 UTC\n")
    exercises = {
        name: {
            "points": value,
            "of": of,
            "properties": [
                {"name": "p", "points": value, "of": of, "key": key, "text": None} for key in keys
            ],
        }
        for (name, of), value in zip((("rodrigues", 20.0), ("tracking", 15.0)), points)
    }
    grade.write(
        grade.record_path(course, LESSON, student),
        json.dumps(
            {
                "assignment": LESSON,
                "student": student,
                "status": status,
                "submitted_sha256": sha,
                "exercises": exercises,
            }
        ),
    )


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
    grade.write(
        roster.roster_path(tmp_path),
        roster.as_json(
            [
                roster.Student("anna", "Ânna", "O'Neil, Jr.", "a@b.c", "17"),
                roster.Student("absent", "Not", "There"),
            ]
        ).decode(),
    )
    record(tmp_path, "anna", (12.0, 15.0))
    record(tmp_path, "guest", (0.0, 0.0), keys=("not-implemented", "not-reached"))
    assert update(tmp_path).written == 2
    assert scores(tmp_path) == {"anna": (27.0, False), "guest": (0.0, False)}
    with gradebook.opened(tmp_path) as book:
        assert [s.id for s in book.students] == ["anna", "absent", "guest"] or {
            s.id for s in book.students
        } == {"anna", "absent", "guest"}
        anna = book.find_student("anna")
        assert (anna.first_name, anna.last_name, anna.email, anna.lms_user_id) == (
            "Ânna",
            "O'Neil, Jr.",
            "a@b.c",
            "17",
        )
        assert str(book.find_submission(LESSON, "anna").timestamp) == "2026-11-20 10:30:00"
        assert book.find_assignment(LESSON).max_score == 35
        assert book.find_comment("rodrigues", LESSON, LESSON, "guest").auto_comment == "No response."
        assert book.find_comment("rodrigues", LESSON, LESSON, "anna").auto_comment is None


def test_no_score_of_an_earlier_run_stays(tmp_path):
    record(tmp_path, "a", (20.0, 15.0))
    record(tmp_path, "b", (20.0, 15.0))
    update(tmp_path)
    record(tmp_path, "a", (3.0, 0.0), sha="b")
    record(tmp_path, "b", (None, None), sha="b", status="unreadable")
    update(tmp_path)
    assert scores(tmp_path) == {"a": (3.0, False), "b": (0.0, True)}
    record(tmp_path, "b", (5.0, 0.0), sha="c")
    update(tmp_path)
    assert scores(tmp_path)["b"] == (5.0, False)


def test_a_manual_score_wins_for_the_work_that_it_was_given_for(tmp_path):
    record(tmp_path, "a", (10.0, 15.0))
    update(tmp_path)
    give(tmp_path, "a", manual_score=18.0, extra_credit=1.0)
    assert update(tmp_path).dropped == [] and scores(tmp_path)["a"] == (34.0, False)
    assert gradebook.by_hand(tmp_path) == ({(LESSON, "a"): {"rodrigues": 19.0}}, {})
    record(tmp_path, "a", (12.0, 15.0))  # the same work, judged otherwise
    update(tmp_path)
    assert scores(tmp_path)["a"] == (34.0, True)
    record(tmp_path, "a", (4.0, 15.0), sha="b")  # other work
    assert update(tmp_path).dropped == [(LESSON, "a", "rodrigues", 19.0)]
    assert scores(tmp_path)["a"] == (19.0, True) and gradebook.by_hand(tmp_path) == ({}, {})
    assert update(tmp_path).dropped == [] and scores(tmp_path)["a"] == (
        19.0,
        True,
    )  # until somebody has looked
    give(tmp_path, "a")
    update(tmp_path)
    assert scores(tmp_path)["a"] == (19.0, False)


def test_a_comment_is_for_the_work_that_it_was_written_for(tmp_path):
    record(tmp_path, "a", (10.0, 15.0))
    update(tmp_path)
    with gradebook.opened(tmp_path) as book:
        book.find_comment("rodrigues", LESSON, LESSON, "a").manual_comment = "See me."
        book.db.commit()
    assert update(tmp_path).dropped == [] and gradebook.by_hand(tmp_path) == (
        {},
        {(LESSON, "a"): {"rodrigues": "See me."}},
    )
    record(tmp_path, "a", (20.0, 15.0), sha="b")
    assert update(tmp_path).dropped == [(LESSON, "a", "rodrigues", "See me.")] and gradebook.by_hand(
        tmp_path
    ) == ({}, {})


def test_what_the_grader_could_not_decide_a_person_can(tmp_path):
    record(tmp_path, "a", (None, None), status="worker-lost")
    update(tmp_path)
    assert scores(tmp_path)["a"] == (0.0, True)
    give(tmp_path, "a", manual_score=7.0)
    give(tmp_path, "a", cell="tracking-check", manual_score=2.0)
    update(tmp_path)
    assert scores(tmp_path)["a"] == (9.0, False)


def test_a_submission_that_is_gone_is_gone_unless_somebody_graded_it(tmp_path):
    record(tmp_path, "a", (1.0, 1.0))
    record(tmp_path, "b", (1.0, 1.0))
    update(tmp_path)
    give(tmp_path, "b", manual_score=2.0)
    for student in "ab":
        shutil.rmtree(tmp_path / "submitted" / student)
    assert update(tmp_path).removed == [(LESSON, "a")]
    assert scores(tmp_path) == {"b": (3.0, False)}


def test_a_release_with_other_cells_is_no_silent_loss(tmp_path):
    record(tmp_path, "a", (1.0, 1.0))
    update(tmp_path)
    path = tmp_path / "release" / LESSON / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(grade.release_of(tmp_path, LESSON).replace('"tracking-check"', '"another-check"'))
    with pytest.raises(CourseError, match="with other cells"):
        update(tmp_path)
    assert scores(tmp_path) == {"a": (2.0, False)}


def test_a_gradebook_that_is_locked_or_none_is_said_in_a_sentence(tmp_path):
    import sqlite3

    record(tmp_path, "a", (1.0, 1.0))
    (tmp_path / "gradebook.db").write_text(
        "this is no database, but it is long enough to be taken for one" * 50
    )
    with pytest.raises(CourseError, match="gradebook.db"):
        update(tmp_path)
    (tmp_path / "gradebook.db").unlink()
    update(tmp_path)
    with sqlite3.connect(tmp_path / "gradebook.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CourseError, match="another program is writing"):
            update(tmp_path)
        other.rollback()
    assert update(tmp_path).written == 1


def test_nbgrader_itself_reads_it(tmp_path):
    """`nbgrader export`, and what formgrader lists."""
    release.write_course([2], tmp_path)
    for i in range(3):
        record(tmp_path, f"s{i}", (float(i), 15.0))
        path = tmp_path / "autograded" / f"s{i}" / LESSON / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(grade.release_of(tmp_path, LESSON))
    update(tmp_path)
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--to", "table.csv"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [(row["student_id"], row["score"], row["max_score"]) for row in rows] == [
        (f"s{i}", f"{15 + i}.0", "35.0") for i in range(3)
    ]
    code = (
        "from nbgrader.apps.api import NbGraderAPI; from nbgrader.apps import NbGrader; "
        "app = NbGrader(); app.load_config_file(); api = NbGraderAPI(config=app.config); "
        f"print([(s['student'], s['score'], s['autograded']) for s in api.get_submissions({LESSON!r})])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "('s2', 17.0, True)" in done.stdout, done.stderr[-2000:]
