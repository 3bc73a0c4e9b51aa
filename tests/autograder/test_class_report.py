"""Feedback, class page and tables: what they say; nothing of a student runs in them; importers take them."""

import csv
import errno
import io
import itertools
import json
import os
import random
import re
import zipfile

import pytest

from autograder import class_report, collect, gradebook, records, roster
from course_lib.errors import CourseError
from course_lib.files import write
from lessons.build import STUDENT

from ..pages import Page
from .helpers import LESSON, write_record, write_roster

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{ 7*7 }}`"
TABLES = ("grades.csv", "grades-canvas.csv", "grades-moodle.csv")


def reported(course):
    """Writes all pages and tables. -> the class page, what was said"""
    said = []
    return class_report.write_report(course, show=said.append).read_text(), said


def feedback(course, student):
    return (course / "feedback" / student / LESSON / f"{LESSON}.html").read_text()


def words(page):
    """What a person reads on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", page)).split())


def assert_reads(page, *expected):
    for text in expected:
        assert text in words(page), text


def rows(course, name):
    return list(csv.reader((course / "grading" / "report" / name).read_text(encoding="utf-8").splitlines()))


# --- pages


def test_feedback_says_what_holds_what_does_not_and_what_was_mended(tmp_path):
    text = "These are the transposes: is `w` negative?"
    pictures = [{"exercise": "tracking", "png": png} for png in (PIXEL, "x")]
    repairs, cells = ["The cell of `rodrigues` was there twice."], [{"cell": "x", "error": "NameError: y"}]
    write_record(tmp_path, "a", (8.0, 15.0), text=text, repairs=repairs, cells=cells, pictures=pictures)
    write_roster(tmp_path, roster.Student("a", "Ada", "Lovelace"))
    reported(tmp_path)
    page = feedback(tmp_path, "a")
    assert_reads(page, "Ada Lovelace", "23 of 35", "8 of 20", "15 of 15", "These are the transposes")
    assert_reads(page, "was there twice", "NameError: y")
    assert "<code>w</code>" in page and page.count("<img") == 1 and PIXEL in page


def test_who_wrote_nothing_or_could_not_be_graded_gets_a_page(tmp_path):
    write_record(tmp_path, "empty", (0.0, 0.0), keys=["not-implemented"])
    write_record(tmp_path, "broken", (None, None), status="unreadable", notes=["The notebook is cut off."])
    write_record(tmp_path, "lost", (None, None), status="worker-lost", notes=["Not graded."])
    page, _ = reported(tmp_path)
    assert_reads(feedback(tmp_path, "empty"), "Nothing was written here.", "0 of 35")
    assert_reads(feedback(tmp_path, "broken"), "The notebook is cut off.", "– of 20")
    assert_reads(feedback(tmp_path, "lost"), "need not be your fault")
    assert_reads(page, "2 to be looked at")


@pytest.mark.parametrize("key", ["not-judged", "unusable"])
def test_what_could_not_be_judged_is_looked_at_and_no_mistake_of_the_class(tmp_path, key):
    write_record(tmp_path, "odd", (0.0, 15.0), keys=[key], text="RuntimeError: The size of tensor a.")
    page, _ = reported(tmp_path)
    assert_reads(page, "1 to be looked at", "could not be judged: it counts as wrong")
    assert "tensor a" not in words(page) and key not in words(page)


def test_nothing_that_a_student_wrote_is_more_than_text(tmp_path):
    student = "<b>'\"&student"
    evil = {"notes": [EVIL], "repairs": [EVIL], "cells": [{"cell": EVIL, "error": EVIL}]}
    pngs = (EVIL, PIXEL + '" onerror="alert(1)')
    evil["pictures"] = [{"exercise": "rodrigues", "png": png} for png in pngs]
    evil["solution_text"] = {"rodrigues": EVIL}
    write_record(tmp_path, student, (1.0, 2.0), keys=[EVIL], text=EVIL, **evil)
    write_roster(tmp_path, roster.Student(student, EVIL, EVIL))
    index, _ = reported(tmp_path)
    for page in (index, feedback(tmp_path, student)):
        seen = Page(page).tags
        assert not {"script", "iframe", "object", "embed", "form", "img"} & {tag for tag, _ in seen}
        assert not [name for _, attributes in seen for name in attributes if name.startswith("on")]
        assert "49" not in page
        assert "default-src 'none'" in page and "<script" not in page


def test_the_class_page_counts(tmp_path):
    for i in range(6):
        points = (20.0 if i < 4 else 5.0, 15.0)
        write_record(tmp_path, f"s{i}", points, keys=["transposed"], text="The transposes.", seconds=float(i))
    fault = {"status": "fault", "notes": ["Not graded: the grader itself failed."], "sandbox": "none"}
    write_record(tmp_path, "x", (None, None), **fault)
    page, _ = reported(tmp_path)
    assert_reads(page, "7 handed in", "6 have points", "35 of 35 points, median", "1 to be looked at")
    assert_reads(page, "4 of 6")
    assert_reads(page, "transposed. The transposes.", "Graded without a sandbox: 1.", "s5 5.0 s")
    assert page.count("../../feedback/s1/") == 1


def test_who_took_far_longer_than_the_others_is_listed(tmp_path):
    for student, seconds in (("a", 2.0), ("b", 2.0), ("c", 3.0), ("slow", 281.0), ("d", 19.0)):
        write_record(tmp_path, student, seconds=seconds)
    page, _ = reported(tmp_path)
    assert_reads(
        page, "1 to be looked at", "slow : Grading it took 281 s, where half of the class took 3.0 s at most"
    )


def test_the_class_page_says_what_bounded_memory(tmp_path):
    for student, bounds in (("a", "cgroup"), ("b", "watcher"), ("c", "watcher")):
        write_record(tmp_path, student, bounds=bounds)
    page, _ = reported(tmp_path)
    assert_reads(page, "by the kernel (cgroup) for 1, by the grader, which watched it (watcher), for 2.")


def test_what_came_late_or_not_at_all_is_told(tmp_path):
    solved = (STUDENT / f"{LESSON}.ipynb").read_text()
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as download:
        for name in ("lovelaceada_LATE_1_1_a.ipynb", "boolegeorge_2_2_a.ipynb", "<b>gary_9_3_a.ipynb"):
            download.writestr(name, solved)
    people = "id,first_name,last_name,email\nada,Ada,Lovelace,\ngeorge,George,Boole,\nkurt,Kurt,Gödel,\n"
    (tmp_path / "class.csv").write_text(people)
    collect.collect(tmp_path / "all.zip", "canvas", tmp_path, tmp_path / "class.csv")
    for student in ("ada", "george"):
        write_record(tmp_path, student)
    page, _ = reported(tmp_path)
    assert_reads(page, "1 of them late", "1 handed in nothing", "Nothing from: Kurt Gödel.")
    assert_reads(page, "1 of the files that came in could not be placed")
    assert re.search(r"ada</span>.*?late", page.split("Everybody")[1], re.DOTALL)
    assert "<b>gary" not in page and "gary_9_3" in page
    assert "handed in late" in feedback(tmp_path, "ada") and "late" not in words(feedback(tmp_path, "george"))


def test_what_is_not_graded_yet_has_no_grade_and_is_told(tmp_path):
    write_record(tmp_path, "done")
    (tmp_path / "submitted" / "waits" / LESSON).mkdir(parents=True)
    names = ("done", "waits", "absent")
    write_roster(tmp_path, *(roster.Student(name, name.title(), "A.") for name in names))
    page, said = reported(tmp_path)
    assert any("1 of 2 are not graded yet" in line and "dolphins grade" in line for line in said)
    assert_reads(page, "1 not graded yet", "1 of 2 are not graded yet: Waits A.")
    assert_reads(page, "1 handed in nothing", "Nothing from: Absent A..")
    grades = {row[3]: row[7] for row in rows(tmp_path, "grades.csv")[1:]}
    assert grades == {"done": "35.0", "waits": "", "absent": "0.0"}


def test_feedback_has_no_word_that_is_for_the_notebook(tmp_path):
    errors = "NotImplementedError: Exercise 3: draw_track is yours to write", "NameError: z"
    text = "`f` is the course's spare part now. Run the cell in which you write yours, then this one again."
    cells = [{"cell": "x", "error": error} for error in errors]
    write_record(tmp_path, "a", (0.0, 15.0), keys=["spare-part"], cells=cells, text=text)
    page, _ = reported(tmp_path)
    seen = feedback(tmp_path, "a")
    assert "this one again" not in page + seen and "spare part now." in words(seen)
    assert "NameError" in seen and "NotImplemented" not in seen


def test_what_a_process_says_of_itself_is_on_its_page_alone(tmp_path):
    for student, said in (("a", {"reported": True}), ("b", {})):
        write_record(tmp_path, student, (0.0, 15.0), keys=["none"], text=f"Words of {student}.")
        path = records.record_path(tmp_path, LESSON, student)
        record = json.loads(path.read_text())
        record["exercises"]["rodrigues"]["properties"][0] |= said
        path.write_text(json.dumps(record))
    page, _ = reported(tmp_path)
    assert_reads(page, "none, as their notebook says.", "none. Words of b.")
    assert "Words of a" not in page
    assert_reads(feedback(tmp_path, "a"), "Your notebook says: Words of a.")
    assert "Your notebook says" not in feedback(tmp_path, "b")


def test_points_by_hand_count_in_pages_and_tables(tmp_path):
    write_record(tmp_path, "a", (8.0, 15.0))
    write_record(tmp_path, "b", (None, None), status="unreadable", notes=["cut off"])
    gradebook.update(tmp_path, [LESSON])
    by_hand = {("a", "rodrigues"): 11.5, ("b", "rodrigues"): 1.0, ("b", "tracking"): 2.0}
    with gradebook.opened(tmp_path) as book:
        for (student, cell), score in by_hand.items():
            book.find_grade(f"{cell}-check", LESSON, LESSON, student).manual_score = score
        book.find_comment("rodrigues", LESSON, LESSON, "a").manual_comment = "Good idea, <wrong> sign."
        book.db.commit()
    page, _ = reported(tmp_path)
    assert page.count("points by hand") == 2
    assert_reads(page, "0 to be looked at")
    assert_reads(feedback(tmp_path, "a"), "26.5 of 35", "given by hand", "Good idea, &lt;wrong&gt; sign.")
    assert "Good idea" not in feedback(tmp_path, "b")
    assert [row[-1] for row in rows(tmp_path, "grades-canvas.csv")[2:]] == ["26.5", "3.0"]


def test_nothing_graded_is_said(tmp_path):
    (tmp_path / "submitted" / "a" / LESSON).mkdir(parents=True)
    with pytest.raises(CourseError, match="nothing is graded yet"):
        reported(tmp_path)


# --- tables


@pytest.fixture
def people(tmp_path):
    """The tables of a class of three: one graded, one absent, one not decided."""
    numbers = dict(lms_user_id="4711", sis_user_id="S1", login="jose", section="Lab; 1", number="A-17")
    jose = roster.Student("jose", 'José, "Pepe"', "Núñez\nO'Brien", "j@x.org", **numbers)
    jose.participants[LESSON] = "Participant 9"
    write_roster(tmp_path, jose, roster.Student("absent", "Ab", "Sent", "ab@x.org", "4712"))
    write_record(tmp_path, "jose", (7.125, 15.0))
    write_record(tmp_path, "guest", (None, None), status="fault")
    (tmp_path / "submitted" / "jose" / LESSON / "timestamp.txt").write_text("2026-11-20 10:30:00 UTC\n")
    reported(tmp_path)
    return tmp_path


def test_the_table_is_as_nbgrader_exports_it(people):
    heads, jose, *others = rows(people, "grades.csv")
    assert heads[:7] == "assignment,duedate,timestamp,student_id,last_name,first_name,email".split(",")
    assert heads[7:] == "raw_score,late_submission_penalty,score,max_score".split(",")
    assert jose[:4] == [LESSON, "", "2026-11-20 10:30:00", "jose"]
    assert jose[4:] == ["Núñez O'Brien", 'José, "Pepe"', "j@x.org", "22.125", "0.0", "22.125", "35.0"]
    assert [row[9] for row in others] == ["0.0", ""]  # not handed in; not decided
    assert {len(row) for row in (heads, jose, *others)} == {11}


def test_the_table_is_as_canvas_takes_it(people):
    heads, most, jose, *others = rows(people, "grades-canvas.csv")
    assert heads == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LESSON]
    assert most == ["    Points Possible", "", "", "", "", "35.0"]
    assert jose == ['Núñez O\'Brien, José, "Pepe"', "4711", "S1", "jose", "Lab; 1", "22.125"]
    assert [row[-1] for row in others] == ["", ""] and {len(row) for row in others} == {6}


def test_the_tables_are_as_moodle_takes_them(people):
    table = rows(people, "grades-moodle.csv")
    assert table[1] == ["jose", "A-17", "j@x.org", 'José, "Pepe"', "Núñez O'Brien", "22.125"]
    assert {len(row) for row in table} == {6}
    heads, jose = rows(people, f"grades-moodle-{LESSON}.csv")
    sheet = dict(zip(heads, jose))
    assert sheet["Identifier"] == "Participant 9" and sheet["Grade"] == "22.125"


def test_moodles_worksheet_comes_back_with_grades_alone_and_feedback_packed(tmp_path):
    heads = "Identifier;Full name;Email address;Status;Grade;Maximum Grade;"
    zoe = "Participant 31;Zoë O_Brien;zoe@x.org;Submitted;10,00;35,00;"
    sheet = f"{heads}Last modified (grade);Feedback comments\r\n"
    sheet += f"{zoe}Saturday, 28 November 2026, 9:00 AM;Good work\r\n"
    sheet += "Participant 32;=Al;al@x.org;No submission;;35,00;-;- what the teacher wrote\r\n"
    write(roster.worksheet_path(tmp_path, LESSON), sheet)
    write_record(tmp_path, "zoe", (20.0, 12.5))
    known = [roster.Student("zoe", "Zoë", "O_Brien"), roster.Student("al", "=Al")]
    for number, student in enumerate(known, 31):
        student.participants[LESSON] = f"Participant {number}"
    write_roster(tmp_path, *known)
    folder = class_report.write_report(tmp_path).parent
    graded = (folder / f"grades-moodle-{LESSON}.csv").read_bytes()
    assert graded == sheet.replace("10,00", "32.5").replace("=Al", "'=Al").encode()
    with zipfile.ZipFile(folder / f"feedback-moodle-{LESSON}.zip") as packed:
        assert packed.namelist() == [f"Zoë O Brien_31_assignsubmission_file_{LESSON}.html"]
        assert packed.read(packed.namelist()[0]).decode() == feedback(tmp_path, "zoe")


@pytest.mark.parametrize("name", ["x" * 10**5, "\0" + "x" * 99])
def test_a_name_that_a_zip_cannot_hold_is_cut(tmp_path, name):
    long = roster.Student("a", name, participants={LESSON: "Participant 7"})
    write_roster(tmp_path, long)
    write_record(tmp_path, "a")
    folder = class_report.write_report(tmp_path).parent
    with zipfile.ZipFile(folder / f"feedback-moodle-{LESSON}.zip") as packed:
        begins = name[:100] if name[0] == "x" else f" {name[1:]}"
        assert packed.namelist() == [f"{begins}_7_assignsubmission_file_{LESSON}.html"]


FORMULAS = ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "|calc", "%0a=1", "\n=1"]
FORMULAS += ["＝1", "＋1", "－1", "＠A1", "\u200b=1", "\ufeff=1", "\u202e=1", "\u00a0=1", "''"]
FORMULAS += [
    "x;=cmd()",
    "x\t=1",
    "x|=1",
    "x,=1",
    "x\n=1",
    "x;\u200b=1",
    'x;"=1"',
    'x";"=1',
    '"=1',
    "x; ＝1",
    "x;;=1",
]
FORMULAS += ["|=1", '";=1', 'x;"', "x;", "'=1;-1", "=cmd|'/C calc'!A0", 'a";"-1', "x :=1", "x =1", "\t\t+1"]
FORMULAS += ["x；=1", "x，＝1", "x：+1", "x｜@A1", "x、-1"]
SEPARATORS = [",", ";", "\t", "|", *"，；：｜、"]
BEGINS = re.compile(r"""["\s\u200b\ufeff\u202e]*[=+\-@|%＝＋－＠]|[\t\r\n]""")


def worksheet(name):
    """Moodle's grading worksheet with a student of this name, who wrote it as an online text, too."""
    heads = "Identifier,Full name,Email address,Status,Grade,Online text,Last modified (grade)".split(",")
    file = io.StringIO(newline="")
    csv.writer(file).writerows([heads, ["Participant 1", f"x{name}", "a@x.org", "Submitted", "", name, ""]])
    return file.getvalue()


@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_is_a_formula(tmp_path, name):
    """Whatever separator a table is opened with."""
    a = roster.Student("a", name, name, "a@x.org", "1", section=name, participants={LESSON: "Participant 1"})
    write_roster(tmp_path, a)
    write_record(tmp_path, "a")
    given = worksheet(name)
    write(roster.worksheet_path(tmp_path, LESSON), given)
    _, said = reported(tmp_path)
    tables = {path.name: path.read_text() for path in (tmp_path / "grading" / "report").glob("*.csv")}
    assert tables.keys() == {*TABLES, f"grades-moodle-{LESSON}.csv"}
    for separator, (file, text) in itertools.product(SEPARATORS, tables.items()):
        for cell in itertools.chain(*csv.reader(io.StringIO(text, newline=""), delimiter=separator)):
            assert not BEGINS.match(cell), (file, separator, cell)
    assert not said  # ids are as they were: every importer finds them
    assert {row[3] for row in rows(tmp_path, "grades.csv")[1:]} == {"a"}
    assert rows(tmp_path, f"grades-moodle-{LESSON}.csv")[1][4] == "35.0"
    write(roster.worksheet_path(tmp_path, LESSON), "")  # then the table is made
    reported(tmp_path)
    made = rows(tmp_path, f"grades-moodle-{LESSON}.csv")
    assert made[1][0] == "Participant 1" and not any(BEGINS.match(cell) for row in made for cell in row)


def test_cells_of_any_signs_are_no_formulas():
    random.seed(1)
    for _ in range(2_000):
        texts = ["".join(random.choices("=+-@＝;,|\t\"' \n\u200bab", k=6)) for _ in range(9)]
        rows = [[*map(roster.safe_cell, texts[i : i + 3]), 1.5] for i in (0, 3, 6)]
        file = io.StringIO(newline="")
        csv.writer(file).writerows(rows)
        for separator in SEPARATORS:
            parsed = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator)
            for cell in itertools.chain(*parsed):
                assert not BEGINS.match(cell), (separator, cell, rows)


@pytest.mark.parametrize(
    "text", ["Núñez O'Brien", 'José, "Pepe"', "Lab; 1", "BIO 101 - A", "a+b@x.org", "é-è", ""]
)
def test_what_is_no_formula_stays(text):
    assert roster.safe_cell(text) == text


def test_an_id_that_is_a_formula_is_said(tmp_path):
    write_roster(tmp_path, roster.Student("a", "A", "B", "=cmd()@x.org", "1"))
    write_record(tmp_path, "a")
    _, said = reported(tmp_path)
    assert len(said) == 1 and said[0].startswith("a: an id or address")
    assert rows(tmp_path, "grades.csv")[1][6] == "'=cmd()@x.org"


# --- what goes wrong


def test_what_one_record_does_to_its_reader_costs_nobody_else_anything(tmp_path):
    write_record(tmp_path, "a", solution_text={"rodrigues": 7})  # no text, so it cannot be parsed
    write_record(tmp_path, "b", text="Mend it.", points=(0.0, 15.0))
    page, _ = reported(tmp_path)
    assert_reads(page, "1 to be looked at", "What the notebook gave cannot be shown: reading it failed")
    assert_reads(feedback(tmp_path, "a"), "35 of 35", "Somebody looks at it by hand.")
    assert_reads(feedback(tmp_path, "b"), "15 of 35", "Mend it.")
    assert [row[3] for row in rows(tmp_path, "grades.csv")[1:]] == ["a", "b"]
    assert [float(row[9]) for row in rows(tmp_path, "grades.csv")[1:]] == [35.0, 15.0]


def test_a_full_disk_is_a_sentence_at_every_write(tmp_path, monkeypatch):
    write_record(tmp_path, "a")
    write_roster(tmp_path, roster.Student("a", "Ada", "", participants={LESSON: "Participant 1"}))
    fsync, left = os.fsync, 0

    def full(handle):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    for room in range(20):
        left = room
        try:
            reported(tmp_path)
        except CourseError as error:
            assert "the disk is full" in str(error) and "The grades are as they were." in str(error)
            assert not list(tmp_path.rglob("*.part"))
        else:
            break
    assert room > 3


def test_namesakes_are_told_apart_by_their_ids(tmp_path):
    people = [roster.Student("ann1", "Ann", "Smith"), roster.Student("ann2", "Ann", "Smith")]
    write(roster.roster_path(tmp_path), roster.as_json(people))
    write_record(tmp_path, "ann1")
    page, _ = reported(tmp_path)
    assert_reads(page, "Nothing from: Ann Smith (ann2).", "Longest to grade: Ann Smith (ann1)")


def test_code_with_a_device_is_told_and_listed(tmp_path):
    write_record(tmp_path, "anna", devices="The line `x.cuda()` asks for cuda: write `theta.device`.")
    write_record(tmp_path, "ben", points=(0.0, 15.0), keys=("device",), text="RuntimeError: no `cuda`.")
    write_record(tmp_path, "cem")
    page, _ = reported(tmp_path)
    by_hand = "Their code asks for a GPU, which grading does not have; their page says where."
    assert_reads(page, f"anna : {by_hand}", f"ben : {by_hand}")
    assert words(page).count(by_hand) == 2 and "x.cuda" not in words(page)
    said = "Your notebook says: The line x.cuda() asks for cuda: write theta.device ."
    assert_reads(feedback(tmp_path, "anna"), said)
