"""Feedback, class page and tables: what they say; nothing of a student runs in them; importers take them."""

import csv
import html.parser
import json
import random
import re
import zipfile

import pytest

from autograder import class_report, collect, grade, gradebook, roster
from autograder.sample_class import EXPONENTIAL, NAN_AT_ZERO, TAYLOR, renamed
from course_lib.errors import CourseError

LESSON = "02_template_model"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{ 7*7 }}`"


def record(course, student, points=(20.0, 15.0), key=None, text=None, status="graded", **more):
    folder = course / "submitted" / student / LESSON
    folder.mkdir(parents=True, exist_ok=True)
    exercises = {
        name: {
            "points": value,
            "of": of,
            "properties": []
            if value is None
            else [
                {
                    "name": f"all of {name}",
                    "points": value,
                    "of": of,
                    "key": None if value == of else key or "wrong",
                    "text": text or "Mend `it`.",
                }
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
                "submitted_sha256": "a",
                "exercises": exercises,
                "seconds": 2.5,
                "notes": [],
                "repairs": [],
                "cells": [],
                "pictures": [],
                "solution_text": {},
                "sandbox": "bwrap",
                **more,
            }
        ),
    )


def known(course, *students):
    grade.write(roster.roster_path(course), roster.as_json(list(students)).decode())


def feedback(course, student):
    return (course / "feedback" / student / LESSON / f"{LESSON}.html").read_text()


def words(page):
    """What a person reads on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", page)).split())


def rows(course, name):
    return list(csv.reader((course / "grading" / "report" / name).read_text(encoding="utf-8").splitlines()))


class Tags(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


# --- pages
# ------------------------------------------------------------------------------------------------------------


def test_feedback_says_what_holds_what_does_not_and_what_was_mended(tmp_path):
    record(
        tmp_path,
        "a",
        (8.0, 15.0),
        text="These are the transposes: is `w` negative?",
        repairs=["The cell of `rodrigues` was there twice."],
        cells=[{"cell": "x", "error": "NameError: y"}],
        pictures=[{"exercise": "tracking", "png": PIXEL}, {"exercise": "tracking", "png": "x"}],
    )
    known(tmp_path, roster.Student("a", "Ada", "Lovelace"))
    class_report.write_report(tmp_path)
    page = feedback(tmp_path, "a")
    for text in (
        "Ada Lovelace",
        "23 of 35",
        "8 of 20",
        "15 of 15",
        "These are the transposes",
        "was there twice",
        "NameError: y",
    ):
        assert text in words(page), text
    assert "<code>w</code>" in page and page.count("<img") == 1 and PIXEL in page


def test_who_wrote_nothing_or_could_not_be_graded_gets_a_page(tmp_path):
    record(tmp_path, "empty", (0.0, 0.0), key="not-implemented")
    record(tmp_path, "broken", (None, None), status="unreadable", notes=["The notebook is cut off."])
    record(tmp_path, "lost", (None, None), status="worker-lost", notes=["Not graded."])
    page = class_report.write_report(tmp_path).read_text()
    assert "Nothing was written here." in feedback(tmp_path, "empty") and "0 of 35" in words(
        feedback(tmp_path, "empty")
    )
    assert "The notebook is cut off." in feedback(tmp_path, "broken") and "– of 20" in words(
        feedback(tmp_path, "broken")
    )
    assert "need not be your fault" in words(feedback(tmp_path, "lost"))
    assert "2 to be looked at" in words(page)


def test_nothing_that_a_student_wrote_is_more_than_text(tmp_path):
    student = "<b>'\"&student"
    record(
        tmp_path,
        student,
        (1.0, 2.0),
        key=EVIL,
        text=EVIL,
        notes=[EVIL],
        repairs=[EVIL],
        cells=[{"cell": EVIL, "error": EVIL}],
        pictures=[
            {"exercise": "rodrigues", "png": EVIL},
            {"exercise": "rodrigues", "png": PIXEL + '" onerror="alert(1)'},
        ],
        solution_text={"rodrigues": EVIL},
    )
    known(tmp_path, roster.Student(student, EVIL, EVIL))
    index = class_report.write_report(tmp_path).read_text()
    for page in (index, feedback(tmp_path, student)):
        seen = Tags(page)
        assert not {"script", "iframe", "object", "embed", "form"} & set(seen.tags)
        assert not [name for name, _ in seen.attributes if name.startswith("on")]
        assert "img" not in seen.tags and "49" not in page
        assert "default-src 'none'" in page and "<script" not in page


def test_the_class_page_counts(tmp_path):
    for i in range(6):
        record(
            tmp_path,
            f"s{i}",
            (20.0 if i < 4 else 5.0, 15.0),
            key="transposed",
            text="The transposes.",
            seconds=float(i),
        )
    record(
        tmp_path,
        "x",
        (None, None),
        status="fault",
        notes=["Not graded: the grader itself failed."],
        sandbox="none",
    )
    page = class_report.write_report(tmp_path).read_text()
    text = words(page)
    for expected in (
        "7 graded",
        "35 of 35 points, median",
        "1 to be looked at",
        "4 of 6",
        "transposed. The transposes.",
        "Graded without a sandbox: 1.",
        "s5 5.0 s",
    ):
        assert expected in text, expected
    assert page.count("../../feedback/s1/") == 1


def test_what_came_late_or_not_at_all_is_told(tmp_path):
    solved = (grade.STUDENT / f"{LESSON}.ipynb").read_text()
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as download:
        for name in ("lovelaceada_LATE_1_1_a.ipynb", "boolegeorge_2_2_a.ipynb", "<b>gary_9_3_a.ipynb"):
            download.writestr(name, solved)
    (tmp_path / "class.csv").write_text(
        "id,first_name,last_name,email\nada,Ada,Lovelace,\ngeorge,George,Boole,\nkurt,Kurt,Gödel,\n"
    )
    collect.collect(tmp_path / "all.zip", "canvas", tmp_path, tmp_path / "class.csv")
    record(tmp_path, "ada")
    record(tmp_path, "george")
    page = class_report.write_report(tmp_path).read_text()
    for expected in (
        "1 of them late",
        "1 handed in nothing",
        "Nothing from: Kurt Gödel.",
        "1 of the files that came in could not be placed",
    ):
        assert expected in words(page), expected
    assert (
        re.search(r"ada</span>.*?late", page.split("Everybody")[1], re.DOTALL)
        and "<b>gary" not in page
        and "gary_9_3" in page
    )
    assert "handed in late" in feedback(tmp_path, "ada") and "late" not in words(feedback(tmp_path, "george"))


def test_what_is_not_graded_yet_has_no_grade_and_is_told(tmp_path):
    record(tmp_path, "done")
    (tmp_path / "submitted" / "waits" / LESSON).mkdir(parents=True)
    known(tmp_path, *(roster.Student(name, name.title(), "A.") for name in ("done", "waits", "absent")))
    said = []
    page = words(class_report.write_report(tmp_path, show=said.append).read_text())
    assert any("1 of 2 are not graded yet" in line and "dolphins grade" in line for line in said)
    for expected in (
        "1 not graded yet",
        "1 of 2 are not graded yet: Waits A.",
        "1 handed in nothing",
        "Nothing from: Absent A..",
    ):
        assert expected in page, expected
    grades = {row[3]: row[7] for row in rows(tmp_path, "grades.csv")[1:]}
    assert grades == {"done": "35.0", "waits": "", "absent": "0.0"}


def test_feedback_has_no_word_that_is_for_the_notebook(tmp_path):
    record(
        tmp_path,
        "a",
        (0.0, 15.0),
        key="spare-part",
        cells=[
            {"cell": "x", "error": "NotImplementedError: Exercise 3: draw_track is yours to write"},
            {"cell": "y", "error": "NameError: z"},
        ],
        text="`f` is the course's spare part now. Run the cell in which you write yours, then this one again.",
    )
    page = class_report.write_report(tmp_path).read_text()
    assert "this one again" not in page + feedback(tmp_path, "a") and "spare part now." in words(
        feedback(tmp_path, "a")
    )
    assert "NameError" in feedback(tmp_path, "a") and "NotImplemented" not in feedback(tmp_path, "a")


def test_points_by_hand_count_in_pages_and_tables(tmp_path):
    record(tmp_path, "a", (8.0, 15.0))
    record(tmp_path, "b", (None, None), status="unreadable", notes=["cut off"])
    gradebook.update(tmp_path, [LESSON])
    with gradebook.opened(tmp_path) as book:
        for student, cell, score in (
            ("a", "rodrigues", 11.5),
            ("b", "rodrigues", 1.0),
            ("b", "tracking", 2.0),
        ):
            book.find_grade(f"{cell}-check", LESSON, LESSON, student).manual_score = score
        book.find_comment("rodrigues", LESSON, LESSON, "a").manual_comment = "Good idea, <wrong> sign."
        book.db.commit()
    page = class_report.write_report(tmp_path)
    assert page.read_text().count("points by hand") == 2
    assert "Good idea, &lt;wrong&gt; sign." in feedback(tmp_path, "a") and "Good idea" not in feedback(
        tmp_path, "b"
    )
    assert "26.5 of 35" in words(feedback(tmp_path, "a")) and "given by hand" in feedback(tmp_path, "a")
    assert [row[-1] for row in rows(tmp_path, "grades-canvas.csv")[2:]] == ["26.5", "3.0"]
    assert "0 to be looked at" in words((tmp_path / "grading" / "report" / "index.html").read_text())


def test_nothing_graded_is_said(tmp_path):
    (tmp_path / "submitted" / "a" / LESSON).mkdir(parents=True)
    with pytest.raises(CourseError, match="nothing is graded yet"):
        class_report.write_report(tmp_path)


# --- tables
# -----------------------------------------------------------------------------------------------------------


def test_tables_are_as_nbgrader_canvas_and_moodle_take_them(tmp_path):
    known(
        tmp_path,
        roster.Student(
            "jose",
            'José, "Pepe"',
            "Núñez\nO'Brien",
            "j@x.org",
            "4711",
            "S1",
            "jose",
            "Lab; 1",
            "A-17",
            participants={LESSON: "Participant 9"},
        ),
        roster.Student("absent", "Ab", "Sent", "ab@x.org", "4712"),
    )
    record(tmp_path, "jose", (7.125, 15.0))
    record(tmp_path, "guest", (None, None), status="fault")
    (tmp_path / "submitted" / "jose" / LESSON / "timestamp.txt").write_text("2026-11-20 10:30:00 UTC\n")
    class_report.write_report(tmp_path)

    table = rows(tmp_path, "grades.csv")
    assert table[0] == (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,"
        "late_submission_penalty,score,max_score"
    ).split(",")
    assert table[1] == [
        LESSON,
        "",
        "2026-11-20 10:30:00",
        "jose",
        "Núñez O'Brien",
        'José, "Pepe"',
        "j@x.org",
        "22.125",
        "0.0",
        "22.125",
        "35.0",
    ]
    assert [row[9] for row in table[2:]] == ["0.0", ""]  # not handed in; not decided

    table = rows(tmp_path, "grades-canvas.csv")
    assert table[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LESSON]
    assert table[1] == ["    Points Possible", "", "", "", "", "35.0"]
    assert table[2] == ['Núñez O\'Brien, José, "Pepe"', "4711", "S1", "jose", "Lab; 1", "22.125"]
    assert [row[-1] for row in table[3:]] == ["", ""]

    assert rows(tmp_path, "grades-moodle.csv")[1] == [
        "jose",
        "A-17",
        "j@x.org",
        'José, "Pepe"',
        "Núñez O'Brien",
        "22.125",
    ]
    sheet = rows(tmp_path, f"grades-moodle-{LESSON}.csv")
    assert (
        len(sheet) == 2
        and dict(zip(*sheet))["Identifier"] == "Participant 9"
        and dict(zip(*sheet))["Grade"] == "22.125"
    )
    assert {
        len(row)
        for name in ("grades.csv", "grades-canvas.csv", "grades-moodle.csv")
        for row in rows(tmp_path, name)
    } == {11, 6}


def test_moodles_worksheet_comes_back_with_grades_alone_and_feedback_packed(tmp_path):
    sheet = (
        "Identifier;Full name;Email address;Status;Grade;Maximum Grade;Last modified (grade);Feedback comments\r\n"
        "Participant 31;Zoë O_Brien;zoe@x.org;Submitted;10,00;35,00;Saturday, 28 November 2026, 9:00 AM;Good work\r\n"
        "Participant 32;=Al;al@x.org;No submission;;35,00;-;\r\n"
    )
    path = roster.worksheet_path(tmp_path, LESSON)
    path.parent.mkdir(parents=True)
    path.write_bytes(sheet.encode())
    record(tmp_path, "zoe", (20.0, 12.5))
    known(
        tmp_path,
        roster.Student("zoe", "Zoë", "O_Brien", participants={LESSON: "Participant 31"}),
        roster.Student("al", "=Al", participants={LESSON: "Participant 32"}),
    )
    page = class_report.write_report(tmp_path)
    assert (page.parent / f"grades-moodle-{LESSON}.csv").read_bytes() == sheet.replace(
        "10,00", "32.5"
    ).encode()
    with zipfile.ZipFile(page.parent / f"feedback-moodle-{LESSON}.zip") as packed:
        assert packed.namelist() == [f"Zoë O Brien_31_assignsubmission_file_{LESSON}.html"]
        assert packed.read(packed.namelist()[0]).decode() == feedback(tmp_path, "zoe")


@pytest.mark.parametrize(
    "name", ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "|calc", "%0a=1", "\n=1"]
)
def test_no_name_is_a_formula(tmp_path, name):
    known(tmp_path, roster.Student("a", name, name, "a@x.org", "1", section=name))
    record(tmp_path, "a")
    said = []
    class_report.write_report(tmp_path, show=said.append)
    for file in ("grades.csv", "grades-canvas.csv", "grades-moodle.csv"):
        for row in rows(tmp_path, file):
            for cell in row:
                assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "|", "%") and not re.match(
                    r"\s*[=+@|%-]", cell
                ), (file, cell)
    assert not said  # ids are as they were: every importer finds them


def test_an_id_that_is_a_formula_is_said(tmp_path):
    known(tmp_path, roster.Student("a", "A", "B", "=cmd()@x.org", "1"))
    record(tmp_path, "a")
    said = []
    class_report.write_report(tmp_path, show=said.append)
    assert len(said) == 1 and said[0].startswith("a: an id or address")
    assert rows(tmp_path, "grades.csv")[1][6] == "'=cmd()@x.org"


# --- nearly the same
# --------------------------------------------------------------------------------------------------


def likeness(**sources):
    found = class_report.Likeness(
        "import torch\n\ndef quat_to_rotmat(quat):\n    raise NotImplementedError('Exercise 2')\n"
    )
    for student, source in sources.items():
        found.add(student, source)
    return found.groups()


def test_other_names_and_comments_do_not_hide_a_copy():
    assert renamed(TAYLOR) != TAYLOR
    assert likeness(a=TAYLOR, b=EXPONENTIAL, c=renamed(TAYLOR), d=NAN_AT_ZERO) == [["a", "c"]]


def test_what_all_have_from_the_course_says_nothing():
    stub = "import torch\n\ndef quat_to_rotmat(quat):\n    raise NotImplementedError('Exercise 2')\n"
    assert (
        likeness(a=stub, b=stub, c="def broken(:", d="def broken(:", e="", f="x = '\0'", g="x = 1", h="x = 1")
        == []
    )


def test_a_class_that_copied_from_one_is_one_group():
    assert likeness(**{f"s{i:03}": TAYLOR for i in range(50)}, other=EXPONENTIAL) == [
        [f"s{i:03}" for i in range(50)]
    ]


def test_the_work_grows_with_the_class_not_with_its_square(monkeypatch):
    """Counted in comparisons of two solutions."""

    def programs(count):
        random.seed(1)
        return {
            f"s{i}": "\n".join(
                f"v{i} = f{random.randrange(9)}(g{random.randrange(9)} + {random.randrange(99)})"
                for _ in range(30)
            )
            for i in range(count)
        }

    def comparisons(sources):
        counted = []

        class Counted(set):
            def __and__(self, other):
                counted.append(1)
                return set(self) & set(other)

            def __sub__(self, other):
                return Counted(set(self) - set(other))

        monkeypatch.setattr(
            class_report,
            "shingles",
            lambda source, length, make=class_report.__dict__["shingles"]: Counted(make(source, length)),
        )
        try:
            likeness(**sources)
        finally:
            monkeypatch.undo()
        return len(counted)

    assert comparisons(programs(300)) <= 300
    assert 299 <= comparisons(dict.fromkeys((f"s{i}" for i in range(300)), TAYLOR)) <= 300 * 16
