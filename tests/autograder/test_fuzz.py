"""Few of fuzz.py's files: whatever is beside it, honest work is taken as if it were alone."""

import random

import pytest

from autograder import collect, identity, preparation, roster
from autograder.boundary import look
from course_lib.errors import CourseError
from lessons.build import SOLVED, STUDENT

from . import fuzz
from .helpers import LESSON, notebook_path

SOLUTION = (SOLVED / f"{LESSON}.ipynb").read_bytes()
TABLES = (
    "id,first_name,last_name,email\nada,Ada,Lovelace,a@x.org\nemmy,Emmy,Noether,\n",
    'Student,ID,SIS User ID,SIS Login ID,Section\nPoints Possible,,,,\n"Noether, Emmy",7,e1,emmy,S\n',
    "Identifier,Full name,Email address,Status,Grade,Last modified (submission)\nParticipant 7,Ada L,,,,-\n",
)


def test_what_is_beside_it_changes_nothing_of_honest_work(tmp_path):
    csv = fuzz.lay(tmp_path, seed=5, zips=150, notebooks=100)
    result = collect.collect(tmp_path / "in", "folder", tmp_path / "course", csv)
    for student in fuzz.HONEST:
        assert notebook_path(tmp_path / "course", student).read_bytes() == SOLUTION
    assert len(result.placed) > 100 and len(result.left_out) > 50
    assert all("\n" not in line for line in result.left_out_lines())


def test_every_notebook_is_prepared_or_said_in_a_line():
    rng, released = random.Random(6), (STUDENT / f"{LESSON}.ipynb").read_text()
    prepared = 0
    for _ in range(150):
        try:
            found = look(preparation.prepare, fuzz.notebook_of(rng, SOLUTION), "x.ipynb", released)
            prepared += {step.take for step in found.steps if step.take} == {"rodrigues", "tracking"}
        except CourseError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
    assert 50 < prepared < 150


@pytest.mark.parametrize("text", TABLES)
def test_every_table_is_read_or_said_in_a_line(text, tmp_path):
    rng, path = random.Random(7), tmp_path / "roster.csv"
    for _ in range(150):
        path.write_bytes(fuzz.table_of(rng, text))
        try:
            students, data, _ = roster.students_in(path)
            identity.Roster(students).called("Ada Lovelace", squeezed=False)
            roster.with_grades(data, {"Participant 7": 3.5})
        except CourseError as error:
            assert "\n" not in str(error)
