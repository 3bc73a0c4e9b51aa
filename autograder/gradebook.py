"""Records -> nbgrader's gradebook.db, through nbgrader's own API, so that formgrader and `nbgrader export`
show the same grades.

    grading/records/ASSIGNMENT/STUDENT.json     what the grader found: the only source of automatic scores
    gradebook.db                                these scores, and what people gave by hand in formgrader

`update` has one writer, the grader, under its lock. It sets every automatic score to what the record says,
also where that is nothing: a score of an earlier run never stays. What people gave by hand is theirs:

- Same submission, graded again: the manual score wins, as in nbgrader, for somebody looked at this very work.
  If the automatic score has changed, the submission is marked for another look.
- Another submission (another SHA-256): manual score and comment were for other work. They are taken away and
  reported, the submission marked.
- Points that the grader could not decide (a lost or unreadable submission) are marked, and count 0 until
  somebody gives a score.

Which submission the scores of a row are for is kept in a table of our own in the same file, and so in the
same transaction.
"""

import contextlib
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import CourseError

from . import roster
from .release import NAME

MANY = 50  # records between two commits


@dataclass
class Changes:
    """What `update` did. dropped: (assignment, student, exercise, points or comment) by hand that were for
    another submission."""

    written: int = 0
    dropped: list = field(default_factory=list)
    removed: list = field(default_factory=list)  # (assignment, student) whose submission is gone


def path_of(course):
    return Path(course) / "gradebook.db"


@contextlib.contextmanager
def opened(course):
    """nbgrader's Gradebook of a course folder. Raises CourseError where it cannot be used."""
    try:
        from nbgrader.api import Gradebook
        from sqlalchemy.engine import URL
        from sqlalchemy.exc import DatabaseError
    except ImportError:
        raise CourseError("""gradebook.db needs nbgrader: pip install -c constraints.txt -e '.[grade]', or
            `make setup`.""") from None
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    path, search = path_of(course), os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), search]
    )  # where nbgrader looks for alembic
    try:
        with Gradebook(URL.create("sqlite", database=str(path)), NAME) as book:
            yield book
    except DatabaseError as error:
        why = str(error.orig)
        if "locked" in why:
            raise CourseError(f"""{path}: another program is writing in it (formgrader, nbgrader). Try the
                same command again.""") from None
        if "full" in why:
            raise CourseError(f"{path}: the disk is full. Make room, then the same command again.") from None
        raise CourseError(f"""{path}: cannot be used ({why}). Of an older nbgrader? Then: nbgrader db
            upgrade.""") from None
    finally:
        os.environ["PATH"] = search


def update(course, names):
    """Brings gradebook.db up to date with the records of these assignments. -> Changes"""
    from .grade import records_of, release_of

    course, changes = Path(course), Changes()
    with opened(course) as book:
        keep_students(book, roster.read(course))
        table = our_table(book)
        for name in names:
            keep_cells(book, course, name, release_of(course, name))
            update_assignment(book, table, course, name, records_of(course, name), changes)
    return changes


def our_table(book):
    """Which submission the scores of a row are for: a table beside nbgrader's."""
    from sqlalchemy import Column, MetaData, String, Table

    metadata = MetaData()
    table = Table(
        "dolphins_submission",
        metadata,
        Column("id", String(32), primary_key=True),
        Column("sha256", String(64)),
    )
    metadata.create_all(bind=book.engine)
    return table


def keep_students(book, students):
    """The class into the table of students, as far as it is known; what is in there already stays."""
    from nbgrader.api import Student

    known = {student.id: student for student in book.db.query(Student)}
    for student in students:
        details = {
            key: getattr(student, key) or None for key in ("first_name", "last_name", "email", "lms_user_id")
        }
        if student.id not in known:
            book.db.add(Student(id=student.id, **details))
        else:
            for key, value in details.items():
                if value is not None and getattr(known[student.id], key) != value:
                    setattr(known[student.id], key, value)
    book.db.commit()


def keep_cells(book, course, name, release):
    """The cells of the released notebook, as `nbgrader generate_assignment` notes them."""
    import nbformat
    from nbgrader.preprocessors import SaveCells

    book.update_or_create_assignment(name)
    try:
        SaveCells().preprocess(
            nbformat.reads(release, as_version=4),
            {"nbgrader": {"notebook": name, "assignment": name, "db_url": book.engine.url}},
        )
    except RuntimeError:
        raise CourseError(f"""{path_of(course)} knows {name} with other cells than the released notebook has,
            and scores for them. To begin anew, move it away: automatic scores come again from the records,
            manual ones are in the old file only.""") from None
    book.db.expire_all()


def update_assignment(book, table, course, name, records, changes):
    from nbgrader.api import Student, SubmittedAssignment

    assignment = book.find_assignment(name)
    assignment_id = assignment.id
    cells = [
        (
            notebook.id,
            [cell.id for cell in notebook.grade_cells],
            [cell.id for cell in notebook.solution_cells],
        )
        for notebook in assignment.notebooks
    ]
    rows = book.db.query(SubmittedAssignment).filter(SubmittedAssignment.assignment_id == assignment_id)
    ids = {row.student_id: row.id for row in rows}
    students = {row[0] for row in book.db.query(Student.id)}
    known = {row.id: row.sha256 for row in book.db.execute(table.select())}
    gone = set(ids)
    for number, record in enumerate(records, 1):
        student = record["student"]
        gone.discard(student)
        if student not in students:
            book.db.add(Student(id=student))
            book.db.flush()
        if student in ids:
            submission = book.db.get(SubmittedAssignment, ids[student])
        else:
            submission = new_submission(assignment_id, cells, student)
            book.db.add(submission)
            book.db.flush()
        submission.timestamp = handed_in(course, student, name)
        same = known.get(submission.id) in (None, record["submitted_sha256"] or "")
        write_scores(submission, record, same, changes)
        if submission.id not in known:
            book.db.execute(table.insert().values(id=submission.id, sha256=record["submitted_sha256"] or ""))
        elif not same:
            book.db.execute(
                table.update()
                .where(table.c.id == submission.id)
                .values(sha256=record["submitted_sha256"] or "")
            )
        changes.written += 1
        if number % MANY == 0:
            book.db.commit()
            book.db.expunge_all()
    book.db.commit()
    for student in sorted(gone):  # what was handed in was taken away again
        submission = book.find_submission(name, student)
        by_hand = any(is_by_hand(grade) for notebook in submission.notebooks for grade in notebook.grades)
        if submission.id in known and not by_hand:
            book.db.execute(table.delete().where(table.c.id == submission.id))
            book.remove_submission(name, student)
            changes.removed.append((name, student))


def new_submission(assignment_id, cells, student):
    """What nbgrader's add_submission makes, in a fifth of its time. cells: ids of a notebook, its graded
    cells, its solutions"""
    from nbgrader.api import Comment, Grade, SubmittedAssignment, SubmittedNotebook

    submission = SubmittedAssignment(assignment_id=assignment_id, student_id=student)
    for notebook, graded, solutions in cells:
        submission.notebooks.append(
            SubmittedNotebook(
                notebook_id=notebook,
                grades=[Grade(cell_id=cell) for cell in graded],
                comments=[Comment(cell_id=cell) for cell in solutions],
            )
        )
    return submission


def is_by_hand(grade):
    return grade.manual_score is not None or bool(grade.extra_credit)


def write_scores(submission, record, same, changes):
    """Sets a submission's automatic scores to those of a record. same: what was given by hand was for this
    very submission."""
    exercises = record["exercises"]
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            name = grade.cell.name.removesuffix("-check")
            points = exercises[name]["points"] if name in exercises else None
            changed, looked_at = grade.auto_score != points, is_by_hand(grade)
            grade.auto_score = points
            if looked_at and not same:
                by_hand = (grade.manual_score or 0) + (grade.extra_credit or 0)
                changes.dropped.append((record["assignment"], record["student"], name, by_hand))
                grade.manual_score = grade.extra_credit = None
                grade.needs_manual_grade = True
            elif looked_at:
                grade.needs_manual_grade = grade.needs_manual_grade or changed
            else:
                grade.needs_manual_grade = points is None or (
                    same and not changed and bool(grade.needs_manual_grade)
                )
        for comment in notebook.comments:
            properties = exercises.get(comment.cell.name, {}).get("properties", [])
            untouched = bool(properties) and {p["key"] for p in properties} <= {
                "not-implemented",
                "not-reached",
            }
            comment.auto_comment = "No response." if untouched else None
            if comment.manual_comment and not same:
                changes.dropped.append(
                    (record["assignment"], record["student"], comment.cell.name, comment.manual_comment)
                )
                comment.manual_comment = None


def handed_in(course, student, name):
    """When a submission was handed in, from timestamp.txt beside it. -> datetime or None"""
    from nbgrader.utils import parse_utc

    try:
        return parse_utc(
            (Path(course) / "submitted" / student / name / "timestamp.txt")
            .read_text(encoding="utf-8")
            .strip()
        )
    except (OSError, ValueError, OverflowError):
        return None


def by_hand(course):
    """What people gave and wrote in formgrader: points in place of an automatic score or on top of it,
    comments.

    -> {(assignment, student): {exercise: points}}, {(assignment, student): {exercise: text}}; both empty
    without a gradebook
    """
    points, comments = {}, {}
    if not path_of(course).is_file():
        return points, comments
    with opened(course) as book:
        from nbgrader.api import (
            Assignment,
            BaseCell,
            Comment,
            Grade,
            Student,
            SubmittedAssignment,
            SubmittedNotebook,
        )
        from sqlalchemy import or_

        for found, table, value, is_given in (
            (points, Grade, Grade.score, or_(Grade.manual_score.is_not(None), Grade.extra_credit != 0)),
            (comments, Comment, Comment.manual_comment, Comment.manual_comment != ""),
        ):
            rows = (
                book.db.query(Assignment.name, Student.id, BaseCell.name, value)
                .select_from(table)
                .join(BaseCell, table.cell_id == BaseCell.id)
                .join(SubmittedNotebook, table.notebook_id == SubmittedNotebook.id)
                .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
                .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
                .join(Student, SubmittedAssignment.student_id == Student.id)
                .filter(is_given)
            )
            for assignment, student, cell, what in rows:
                found.setdefault((assignment, student), {})[cell.removesuffix("-check")] = what
    return points, comments
