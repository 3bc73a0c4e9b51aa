"""The records in nbgrader's gradebook.db, so that formgrader and `nbgrader export` show the same grades.

    grading/records/ASSIGNMENT/STUDENT.json     what the grader found: the only source of automatic scores
    gradebook.db                                these scores, and what people gave by hand in formgrader

`update` goes through nbgrader's own API, and has one writer, the grader, under its lock. It sets every
automatic score to what the record says, also where that is nothing: a score of an earlier run never stays.
What people gave by hand is theirs:

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
from lessons.bundle import NAME

from . import records, roster

MANY = 50  # records between two commits


@dataclass
class Changes:
    """What `update` did."""

    written: int = 0
    # (assignment, student, exercise, points or comment) by hand that were for another submission
    dropped: list = field(default_factory=list)
    removed: list = field(default_factory=list)  # (assignment, student) whose submission is gone


def _path_of(course):
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
    path, search = _path_of(course), os.environ.get("PATH", "")
    # Where nbgrader looks for alembic.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), search])
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
    course, changes = Path(course), Changes()
    with opened(course) as book:
        _keep_students(book, roster.read(course))
        table = _our_table(book)
        for name in names:
            _keep_cells(book, course, name, records.release_of(course, name))
            gone = _write_records(book, table, course, name, changes)
            _remove(book, table, name, gone, changes)
    return changes


def _our_table(book):
    """Which submission the scores of a row are for: a table beside nbgrader's."""
    from sqlalchemy import Column, MetaData, String, Table

    metadata = MetaData()
    columns = Column("id", String(32), primary_key=True), Column("sha256", String(64))
    table = Table("dolphins_submission", metadata, *columns)
    metadata.create_all(bind=book.engine)
    return table


def _keep_students(book, students):
    """The class into the table of students, as far as it is known; what is in there already stays."""
    from nbgrader.api import Student

    known = {student.id: student for student in book.db.query(Student)}
    for student in students:
        row = known.get(student.id)
        if row is None:
            row = Student(id=student.id)
            book.db.add(row)
        for key in ("first_name", "last_name", "email", "lms_user_id"):
            value = getattr(student, key)
            if value and getattr(row, key) != value:
                setattr(row, key, value)
    book.db.commit()


def _keep_cells(book, course, name, release):
    """The cells of the released notebook, as `nbgrader generate_assignment` notes them."""
    import nbformat
    from nbgrader.preprocessors import SaveCells

    book.update_or_create_assignment(name)
    resources = {"notebook": name, "assignment": name, "db_url": book.engine.url}
    try:
        SaveCells().preprocess(nbformat.reads(release, as_version=4), {"nbgrader": resources})
    except RuntimeError:
        raise CourseError(f"""{_path_of(course)} knows {name} with other cells than the released notebook has,
            and scores for them. To begin anew, move it away: automatic scores come again from the records,
            manual ones are in the old file only.""") from None
    book.db.expire_all()


def _write_records(book, table, course, name, changes):
    """The records of an assignment into its scores. -> students whose row has no record any more"""
    from nbgrader.api import Student, SubmittedAssignment

    assignment = book.find_assignment(name)
    assignment_id = assignment.id
    cells = []  # ids of a notebook, its graded cells, its solutions
    for notebook in assignment.notebooks:
        graded = [cell.id for cell in notebook.grade_cells]
        cells.append((notebook.id, graded, [cell.id for cell in notebook.solution_cells]))
    rows = book.db.query(SubmittedAssignment).filter(SubmittedAssignment.assignment_id == assignment_id)
    ids = {row.student_id: row.id for row in rows}
    students = {row[0] for row in book.db.query(Student.id)}
    known = {row.id: row.sha256 for row in book.db.execute(table.select())}
    gone = set(ids)
    for number, record in enumerate(records.records_of(course, name), 1):
        student, digest = record["student"], record["submitted_sha256"] or ""
        gone.discard(student)
        if student not in students:
            book.db.add(Student(id=student))
            book.db.flush()
        if student in ids:
            submission = book.db.get(SubmittedAssignment, ids[student])
        else:
            submission = _new_submission(assignment_id, cells, student)
            book.db.add(submission)
            book.db.flush()
        submission.timestamp = _handed_in(course, student, name)
        same = known.get(submission.id) in (None, digest)
        _write_scores(submission, record, same, changes)
        if submission.id not in known:
            book.db.execute(table.insert().values(id=submission.id, sha256=digest))
        elif not same:
            book.db.execute(table.update().where(table.c.id == submission.id).values(sha256=digest))
        changes.written += 1
        if number % MANY == 0:
            book.db.commit()
            book.db.expunge_all()
    book.db.commit()
    return gone


def _remove(book, table, name, students, changes):
    """Removes what was taken away again, unless somebody graded it by hand, or the row is not from here."""
    known = {row.id for row in book.db.execute(table.select())}
    for student in sorted(students):
        submission = book.find_submission(name, student)
        by_hand = any(_is_by_hand(grade) for notebook in submission.notebooks for grade in notebook.grades)
        if submission.id in known and not by_hand:
            book.db.execute(table.delete().where(table.c.id == submission.id))
            book.remove_submission(name, student)
            changes.removed.append((name, student))


def _new_submission(assignment_id, cells, student):
    """What nbgrader's add_submission makes, in a fifth of its time."""
    from nbgrader.api import Comment, Grade, SubmittedAssignment, SubmittedNotebook

    submission = SubmittedAssignment(assignment_id=assignment_id, student_id=student)
    for notebook, graded, solutions in cells:
        grades = [Grade(cell_id=cell) for cell in graded]
        comments = [Comment(cell_id=cell) for cell in solutions]
        submission.notebooks.append(SubmittedNotebook(notebook_id=notebook, grades=grades, comments=comments))
    return submission


def _is_by_hand(grade):
    return grade.manual_score is not None or bool(grade.extra_credit)


def _write_scores(submission, record, same, changes):
    """Sets a submission's automatic scores to those of a record.

    same: what was given by hand was for this very submission.
    """
    exercises, who = record["exercises"], (record["assignment"], record["student"])
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            name = grade.cell.name.removesuffix("-check")
            points = exercises[name]["points"] if name in exercises else None
            changed, looked_at = grade.auto_score != points, _is_by_hand(grade)
            grade.auto_score = points
            if looked_at and not same:
                by_hand = (grade.manual_score or 0) + (grade.extra_credit or 0)
                changes.dropped.append((*who, name, by_hand))
                grade.manual_score = grade.extra_credit = None
                grade.needs_manual_grade = True
            elif looked_at:
                grade.needs_manual_grade = grade.needs_manual_grade or changed
            else:
                marked = same and not changed and bool(grade.needs_manual_grade)
                grade.needs_manual_grade = points is None or marked
        for comment in notebook.comments:
            properties = exercises.get(comment.cell.name, {}).get("properties", [])
            comment.auto_comment = "No response." if records.is_untouched(properties) else None
            if comment.manual_comment and not same:
                changes.dropped.append((*who, comment.cell.name, comment.manual_comment))
                comment.manual_comment = None


def _handed_in(course, student, name):
    """When a submission was handed in. -> datetime or None"""
    from nbgrader.utils import parse_utc

    try:
        return parse_utc(records.handed_in(course, student, name))
    except (ValueError, OverflowError):
        return None


def by_hand(course):
    """What people gave and wrote in formgrader.

    -> {(assignment, student): {exercise: points}}, in place of an automatic score or on top of it, and
    {(assignment, student): {exercise: text}}; both empty without a gradebook
    """
    points, comments = {}, {}
    if not _path_of(course).is_file():
        return points, comments
    with opened(course) as book:
        from nbgrader import api
        from sqlalchemy import or_

        submitted, notebook = api.SubmittedAssignment, api.SubmittedNotebook
        given = or_(api.Grade.manual_score.is_not(None), api.Grade.extra_credit != 0)
        written = api.Comment.manual_comment != ""
        for found, table, value, is_given in (
            (points, api.Grade, api.Grade.score, given),
            (comments, api.Comment, api.Comment.manual_comment, written),
        ):
            rows = (
                book.db.query(api.Assignment.name, api.Student.id, api.BaseCell.name, value)
                .select_from(table)
                .join(api.BaseCell, table.cell_id == api.BaseCell.id)
                .join(notebook, table.notebook_id == notebook.id)
                .join(submitted, notebook.assignment_id == submitted.id)
                .join(api.Assignment, submitted.assignment_id == api.Assignment.id)
                .join(api.Student, submitted.student_id == api.Student.id)
                .filter(is_given)
            )
            for assignment, student, cell, what in rows:
                found.setdefault((assignment, student), {})[cell.removesuffix("-check")] = what
    return points, comments
