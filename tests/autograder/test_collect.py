"""Collecting: every notebook to its student and lesson, or into the list with a reason; archives do no harm;
nothing is lost."""

import errno
import io
import json
import os
import struct
import unicodedata
import zipfile
from pathlib import Path

import pytest

from autograder import collect, downloads, roster
from course_lib.errors import CourseError
from dolphins import cli
from lessons.build import STUDENT

TWO, THREE = "02_template_model", "03_differentiable_rendering"
CANVAS_CSV = """Student,ID,SIS User ID,SIS Login ID,Section,Lesson 2 (77),Current Score
,,,,,Manual Posting,
    Points Possible,,,,,10,(read only)
"Núñez O'Brien, María José",101,S101,maria@uni.example,A,,
"Müller, Jörg",102,S102,joerg@uni.example,A,,
"Smith, Ann",103,S103,ann1@uni.example,A,,
"Smith, Ann",104,S104,ann2@uni.example,B,,
"Łukasz, Đặng",105,S105,dang@uni.example,B,,
"Student, Test",999,,f00f,A,,
"""
MOODLE_CSV = """First name,Last name,ID number,Email address,Groups
María José,Núñez O'Brien,S101,maria@uni.example,
Jörg,Müller,S102,joerg@uni.example,
Ann,Smith,S103,ann1@uni.example,
Ann,Smith,S104,ann2@uni.example,
"""
WORKSHEET = """Identifier,Full name,ID number,Email address,Status,Grade,Maximum,Last modified (submission),Last modified (grade)
Participant 5001,María José Núñez O'Brien,S101,maria@uni.example,Submitted,,10.00,"Friday, 20 November 2026, 11:05 PM",-
Participant 5002,Jörg Müller,S102,joerg@uni.example,Submitted,,10.00,"Saturday, 21 November 2026, 12:10 AM",-
Participant 5003,Ann Smith,S103,ann1@uni.example,Submitted,,10.00,"Friday, 20 November 2026, 9:00 AM",-
Participant 5004,Ann Smith,S104,ann2@uni.example,No submission,,10.00,-,-
"""
NBGRADER_CSV = """id,first_name,last_name,email,lms_user_id
maria,María José,Núñez O'Brien,maria@uni.example,
joerg,Jörg,Müller,j@uni.example,
"""


def notebook(mark="", lesson=TWO):
    """A student's notebook of a lesson; mark: makes it another file."""
    return (STUDENT / f"{lesson}.ipynb").read_bytes() + b" " + mark.encode() * bool(mark) + b"\n"


def zipped(files, into=None):
    """{name, or ZipInfo: bytes} -> a zip, as a file or as bytes"""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    if into is None:
        return memory.getvalue()
    into.write_bytes(memory.getvalue())
    return into


@pytest.fixture
def course(tmp_path):
    """A course folder, collected into from zips; what a call leaves out is remembered."""
    return Course(tmp_path)


class Course:
    def __init__(self, tmp_path):
        self.tmp, self.path = tmp_path, tmp_path / "course"

    def csv(self, text, name="roster.csv"):
        path = self.tmp / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def take(self, files, kind="canvas", csv=CANVAS_CSV, **options):
        """files: {name: bytes} of a zip, or the path of a download."""
        source = zipped(files, self.tmp / "submissions.zip") if isinstance(files, dict) else files
        result = collect.collect(
            source, kind, self.path, roster=None if csv is None else self.csv(csv), **options
        )
        if result.recorded:
            listed = self.register()["left_out"][source.name]
            assert listed == [{"from": where, "reason": reason} for where, reason in result.left_out]
        return result

    def register(self):
        return json.loads((self.path / "grading" / "collected.json").read_text())

    def there(self, lesson=TWO):
        """{student: bytes}; and nothing else lies in submitted/."""
        files = {
            path.relative_to(self.path / "submitted"): path.read_bytes()
            for path in (self.path / "submitted").rglob("*")
            if path.is_file() and path.name != "timestamp.txt"
        }
        assert all(len(path.parts) == 3 and path.name == f"{path.parts[1]}.ipynb" for path in files)
        return {path.parts[0]: data for path, data in files.items() if path.parts[1] == lesson}

    def snapshot(self):
        return {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file()
        }


def reasons(result):
    return " | ".join(f"{where}: {reason}" for where, reason in result.left_out)


# --- Canvas
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_canvas_names_with_accents_and_apostrophes(course, form):
    names = (
        "núñezobrienmaríajosé_101_9001_02_template_model.ipynb",
        "müllerjörg_102_9002_02_template_model.ipynb",
        "łukaszđặng_105_9003_notebook (1).ipynb",
    )
    result = course.take({unicodedata.normalize(form, name): notebook(name) for name in names})
    assert (
        set(course.there()) == {"maria@uni.example", "joerg@uni.example", "dang@uni.example"}
        and not result.left_out
    )
    assert result.missing[TWO] == ["ann1@uni.example", "ann2@uni.example"]
    assert (
        f"1 notebook not named after its lesson, which the content shows: dang@uni.example ({TWO})."
        in result.text()
    )


@pytest.mark.parametrize(
    "name",
    [
        "núñezobrienmaríajosé",
        "nunezobrienmariajose",
        "núñezobrienmaría",
        unicodedata.normalize("NFD", "núñezobrienmaría"),
    ],
)
def test_canvas_by_name_where_the_roster_has_no_numbers_and_keeps_the_number(course, name):
    result = course.take(
        {f"{name}_101_9001_a.ipynb": notebook(), "muellerjoerg_102_9002_a.ipynb": notebook()},
        csv=NBGRADER_CSV,
    )
    assert set(course.there()) == {"maria", "joerg"} and not result.left_out
    assert [student.lms_user_id for student in roster.read(course.path)] == ["101", "102"]


def test_a_name_that_only_begins_alike_is_nobodys(course):
    csv = "id,first_name,last_name,email,lms_user_id\njo,Jo,Smith,,\n"
    result = course.take({"smithjohn_7_1_a.ipynb": notebook(), "smithjo_8_2_a.ipynb": notebook()}, csv=csv)
    assert set(course.there()) == {
        "jo"
    } and "nobody in the roster has the number 7 or the name 'smithjohn'" in reasons(result)


def test_two_students_of_one_name(course):
    result = course.take(
        {f"smithann_{number}_{number}_a.ipynb": notebook(str(number)) for number in (103, 104, 106)}
    )
    assert course.there() == {"ann1@uni.example": notebook("103"), "ann2@uni.example": notebook("104")}
    assert (
        "that of several students" in reasons(result)
        and "Several students are called Ann Smith" in result.text()
    )


def test_two_of_one_name_of_whom_one_is_in_the_roster(course):
    csv = "id,first_name,last_name,email,lms_user_id\nann,Ann,Smith,,\n"
    result = course.take(
        {"smithann_103_1_a.ipynb": notebook("1"), "smithann_104_2_a.ipynb": notebook("2")}, csv=csv
    )
    assert course.there() == {"ann": notebook("1")} and "look at both" in reasons(result)
    assert "the number 104 is not" in reasons(
        course.take({"smithann_104_2_a.ipynb": notebook("2")}, csv=None)
    )
    right = "id,first_name,last_name,email,lms_user_id\nann,Ann,Smith,,104\nann2,Ann,Smith,,103\n"  # it was the other one
    result = course.take(
        {"smithann_103_1_a.ipynb": notebook("1"), "smithann_104_2_a.ipynb": notebook("2")}, csv=right
    )
    assert course.there() == {"ann": notebook("2"), "ann2": notebook("1")} and not result.left_out
    course.path = course.tmp / "copied"  # the same with one and the same file from both
    course.take({"smithann_103_1_a.ipynb": notebook()}, csv=csv)
    assert not course.take({f"smithann_{n}_{n}_a.ipynb": notebook() for n in (103, 104)}, csv=right).left_out
    assert course.there() == {"ann": notebook(), "ann2": notebook()}


def test_of_several_attempts_the_last_on_time_counts(course):
    first, second, late = notebook("first"), notebook("second"), notebook("late")
    course.take({"müllerjörg_102_10_lesson.ipynb": first})
    result = course.take(
        {"müllerjörg_102_20_lesson-1.ipynb": second, "müllerjörg_102_9_lesson.ipynb": notebook("older")},
        csv=None,
    )
    assert course.there()["joerg@uni.example"] == second and result.replaced == [(TWO, "joerg@uni.example")]
    assert "Replaced an earlier attempt" in result.text()
    result = course.take({"müllerjörg_LATE_102_30_lesson-2.ipynb": late}, csv=None)
    assert course.there()["joerg@uni.example"] == second and not result.placed and not result.late
    kept = {path.read_bytes() for path in (course.path / "grading/attempts").rglob("*.ipynb")}
    assert kept == {first, second, late, notebook("older")}


def test_late_alone_counts_and_is_told(course):
    result = course.take({"müllerjörg_LATE_102_30_a.ipynb": notebook()})
    assert (
        result.late == [(TWO, "joerg@uni.example")]
        and course.there()
        and "Late:\n  joerg@uni.example" in result.text()
    )


def test_attempts_in_one_download(course):
    course.take({"müllerjörg_102_7_a-10.ipynb": notebook("b"), "müllerjörg_102_7_a-9.ipynb": notebook("a")})
    assert course.there()["joerg@uni.example"] == notebook("b")


def test_deadline_without_times_is_told(course):
    assert (
        "carry no times"
        in course.take({"müllerjörg_102_7_a.ipynb": notebook()}, deadline="2026-11-20").text()
    )


def test_names_lessons_and_files_that_are_wrong(course):
    result = course.take(
        {
            "müllerjörg_102_1_02_template_model.ipynb": notebook(lesson=THREE),  # the content decides
            "müllerjörg_102_2_homework": notebook(),  # no extension
            "smithann_103_3_notebook.ipynb.txt": notebook(),
            "smithann_104_4_02_template_model.ipynb": b'{"cells": [{"cell_type": "co',  # damaged: repairing tells the student
            "núñezobrienmaríajosé_101_5_other.ipynb": b'{"cells": []}',
            "müllerjörg_102_6_essay.pdf": b"%PDF",
            "müllerjörg_102_7_all.tar.gz": b"\x1f\x8b",
            "müllerjörg_102_8_empty.zip": zipped({}),
            "müllerjörg_102_text.html": b"<p>",
            "smithann_103_link.html": b"<p>",
            "readme.txt": b"",
            "dawnnew_555_1_a.ipynb": notebook(),
            "LATE_anon_x7Yz_55_a.ipynb": notebook(),
            "__MACOSX/._a.ipynb": b"",
            ".DS_Store": b"",
        }
    )
    assert set(course.there()) == {"joerg@uni.example", "ann1@uni.example", "ann2@uni.example"}
    assert set(course.there(THREE)) == {"joerg@uni.example"} and result.junk == 2
    for told in (
        "essay.pdf: not a notebook (of joerg@uni.example)",
        "all.tar.gz: an archive that is not looked into",
        "readme.txt: not a notebook",
        "other.ipynb: neither its content nor its name shows a lesson; name it with --assignment (of maria@uni.example)",
        "handed in as text, not as a file (of joerg@uni.example)",
        "handed in as link, not as a file (of ann1",
        "an anonymous download",
        "nobody in the roster has the number 555 or the name 'dawnnew'",
        "empty.zip: an empty zip",
    ):
        assert told in reasons(result), told
        assert told in result.text()
    assert (
        len(result.left_out) == 9
        and "Notebooks of 2 lessons came in; --assignment takes one" in result.text()
    )
    assert "does not show its lesson; its name says 02_template_model" in result.text()
    again = course.take(
        {
            "núñezobrienmaríajosé_101_5_other.ipynb": b'{"cells": []}',
            "müllerjörg_102_1_x.ipynb": notebook(lesson=THREE),
        },
        csv=None,
        assignment=TWO,
    )
    assert "does not show its lesson; --assignment says 02_template_model" in again.text()
    assert (
        "maria@uni.example" in course.there()
        and "is 03_differentiable_rendering, not 02_template_model" in reasons(again)
    )


# --- zips in zips, and what they may hold
# ---------------------------------------------------------------------


def test_nested_zips(course):
    inner = zipped(
        {
            "work/02_template_model.ipynb": notebook(),
            "work/.ipynb_checkpoints/02_template_model-checkpoint.ipynb": notebook("old"),
            "__MACOSX/work/._02_template_model.ipynb": b"x",
            "work/dolphin.png": b"\x89PNG",
        }
    )
    result = course.take(
        {
            "müllerjörg_102_1_work.zip": zipped({"again.zip": inner}),
            "smithann_103_2_deep.zip": zipped({"a.zip": zipped({"b.zip": zipped({"c.zip": inner})})}),
        }
    )
    assert course.there() == {"joerg@uni.example": notebook()}
    assert "an autosave of Jupyter" in reasons(result) and "dolphin.png: not a notebook" in reasons(result)
    assert "a zip in 3 others, which is not looked into (of ann1@uni.example)" in reasons(result)


def test_a_students_zip_cannot_be_anothers(course):
    evil = zipped(
        {
            "smithann_103_99999_02_template_model.ipynb": notebook("evil"),
            "ann1@uni.example/02_template_model.ipynb": notebook("evil2"),
        }
    )
    course.take({"müllerjörg_102_1_a.zip": evil, "smithann_103_2_a.ipynb": notebook()})
    assert course.there()["ann1@uni.example"] == notebook() and course.there()[
        "joerg@uni.example"
    ].startswith(notebook()[:1000])
    folder = course.tmp / "folder"
    folder.mkdir()
    (folder / "joerg@uni.example.zip").write_bytes(evil)
    course.path = course.tmp / "other"
    course.take(folder, "folder")
    assert set(course.there()) == {"joerg@uni.example"}
    course.path = course.tmp / "third"
    name = "Jörg Müller_1_assignsubmission_file_Ann Smith_5003_assignsubmission_file_x.ipynb"
    course.take({name: notebook()}, "moodle")
    assert set(course.there()) == {"joerg@uni.example"}


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def test_paths_and_links_lead_nowhere(course):
    before = {path.name for path in course.tmp.iterdir()}
    result = course.take(
        {
            "..": b"x",
            "../../müllerjörg_102_1_a.ipynb": notebook(),
            "/etc/smithann_103_2_a.ipynb": notebook(),
            "..\\..\\smithann_104_3_a.ipynb": notebook(),
            link("núñezobrienmaríajosé_101_4_a.ipynb"): b"/etc/passwd",
            "łukaszđặng_105_5_x.zip": zipped({"../../../evil.ipynb": notebook(), link("z.ipynb"): b"/etc"}),
        }
    )
    assert set(course.there()) == {
        "joerg@uni.example",
        "ann1@uni.example",
        "ann2@uni.example",
        "dang@uni.example",
    }
    assert reasons(result).count("a link, which is not followed") == 2
    assert {path.name for path in course.tmp.iterdir()} - before == {
        "course",
        "submissions.zip",
        "roster.csv",
    }
    assert not any(path.is_symlink() for path in course.path.rglob("*"))


def test_bombs_are_bounded(course, monkeypatch):
    monkeypatch.setattr(collect, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(downloads, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(downloads, "MOST_UNPACKED", 3 << 20)
    zeros = bytes(5 << 20)
    result = course.take(
        {
            "müllerjörg_102_1_big.ipynb": zeros,
            "smithann_103_2_inner.zip": zipped({"02_template_model.ipynb": zeros}),
            "smithann_104_3_many.zip": zipped(
                {f"{n}.zip": zipped({"a.ipynb": zeros[:900_000]}) for n in range(9)}
            ),
            "núñezobrienmaríajosé_101_4_entries.zip": zipped(
                {f"{n}.txt": b"" for n in range(downloads.MOST_INNER + 1)}
            ),
            "łukaszđặng_105_5_more.zip": zipped({f"{n}": b"" for n in range(2 * downloads.MOST_INNER + 1)}),
            "łukaszđặng_105_6_a.ipynb": notebook(),
        }
    )
    assert set(course.there()) == {"dang@uni.example"}  # who is beside a bomb loses nothing
    for told in (
        "big.ipynb: larger than 1 MB",
        "inner.zip/02_template_model.ipynb: larger than 1 MB",
        "unpacks to more than 3 MB",
        "a zip of 2,001 files",
        "a zip of very many files",
    ):
        assert told in reasons(result), told


def test_notebooks_of_one_student_are_bounded(course, monkeypatch):
    monkeypatch.setattr(collect, "MOST_NOTEBOOKS", 3)
    result = course.take({"smithann_103_2_a.zip": zipped({f"{n}.ipynb": notebook(str(n)) for n in range(9)})})
    assert (
        reasons(result).count("more than 3 notebooks of one student") == 6
        and len(result.text().splitlines()) < 25
    )


def encrypted(data):
    """A zip whose entries say that they are encrypted."""
    data = bytearray(data)
    for signature, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = data.find(signature)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(signature, place + 4)
    return bytes(data)


def test_encrypted_truncated_and_lying_zips(course):
    whole = zipped({"02_template_model.ipynb": notebook()})
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    size = whole.rindex(b"PK\x01\x02") + 24
    lying = whole[:size] + struct.pack("<I", 10) + whole[size + 4 :]
    unknown = bytearray(whole)
    unknown[whole.rindex(b"PK\x01\x02") + 10] = 99
    result = course.take(
        {
            "müllerjörg_102_1_a.zip": encrypted(whole),
            "smithann_103_2_b.zip": whole[: len(whole) // 2],
            "smithann_104_3_c.zip": bytes(damaged),
            "łukaszđặng_105_4_d.zip": lying,
            "núñezobrienmaríajosé_101_5_e.zip": bytes(unknown),
            "łukaszđặng_105_8_g.zip": zipped({"Q": b"no name"}).replace(b"Q", b"\0"),
            "núñezobrienmaríajosé_101_6_f.zip": b"",
            "núñezobrienmaríajosé_101_7_g.ipynb": notebook(),
        }
    )
    assert set(course.there()) == {"maria@uni.example"} and len(result.left_out) == 7
    for told in ("encrypted (of joerg", "a damaged zip", "cannot be read ("):
        assert told in reasons(result), told
    broken = course.tmp / "broken.zip"
    broken.write_bytes(whole[:100])
    assert "broken.zip: a damaged zip" in reasons(course.take(broken, csv=None))


# --- Moodle
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "layout",
    [
        "{}_assignsubmission_file/02_template_model.ipynb",
        "{}_assignsubmission_file_/sub/notebook (1).ipynb",
        "{}_assignsubmission_file_02_template_model.ipynb",
    ],
)
def test_moodle_layouts_and_names(course, form, layout):
    names = ("María José Núñez OBrien_5001", "Müller Jörg_5002")
    files = {unicodedata.normalize(form, layout.format(name)): notebook(name) for name in names}
    text = unicodedata.normalize(form, "Jörg Müller_5002_assignsubmission_onlinetext/onlinetext.html")
    result = course.take({**files, text: b"<p>"}, "moodle", MOODLE_CSV)
    assert set(course.there()) == {"S101", "S102"}
    assert len(result.left_out) == 1 and "handed in as onlinetext, not as a file (of S102)" in reasons(result)
    assert {one.id: one.participants for one in roster.read(course.path)}["S101"] == {TWO: "Participant 5001"}


def test_moodle_namesakes_are_told_apart_by_the_worksheet(course):
    names = (
        "Ann Smith_5003",
        "Ann Smith_5004",
        "Participant_5001",
        "Jörg Müller_5003",
    )  # one is blind, one's number wrong
    files = {f"{name}_assignsubmission_file/a.ipynb": notebook(name) for name in names}
    result = course.take(files, "moodle", MOODLE_CSV)
    assert "that of several students" in reasons(result) and set(course.there()) == {"S102"}
    course.path = course.tmp / "second"
    result = course.take(files, "moodle", WORKSHEET)
    assert course.there() == {
        "S103": notebook(names[0]),
        "S104": notebook(names[1]),
        "S101": notebook(names[2]),
    }
    assert "the number 5003 is that of S103, the name that of S102" in reasons(result)
    assert {one.participants[TWO] for one in roster.read(course.path)} == {
        f"Participant {n}" for n in range(5001, 5005)
    }
    assert course.take(files, "moodle", None).left_out == result.left_out  # the numbers are kept
    course.path = course.tmp / "third"  # by name first, and that was wrong
    one_ann = MOODLE_CSV.replace("Ann,Smith,S104", "Bo,Ek,S104")
    course.take({"Ann Smith_5004_assignsubmission_file/a.ipynb": notebook("4")}, "moodle", one_ann)
    course.take(files, "moodle", WORKSHEET)
    assert course.there()["S103"] == notebook(names[0]) and course.there()["S104"] == notebook(names[1])


def test_a_worksheets_times_are_of_its_assignment_only(course):
    course.take(
        {"Jörg Müller_5002_assignsubmission_file/a.ipynb": notebook()},
        "moodle",
        WORKSHEET,
        deadline="2026-11-20T23:00",
    )
    other = {"Jörg Müller_6002_assignsubmission_file/a.ipynb": notebook(lesson=THREE)}
    result = course.take(other, "moodle", None, deadline="2026-11-20T23:00")
    assert not result.late and "give the assignment's grading worksheet" in result.text()
    assert not (course.path / "submitted/S102" / THREE / "timestamp.txt").exists()
    course.take(
        other, "moodle", WORKSHEET.replace("Participant 5", "Participant 6"), deadline="2026-11-20T23:00"
    )
    assert (course.path / "submitted/S102" / THREE / "timestamp.txt").exists()


@pytest.mark.parametrize(
    "deadline,late",
    [
        ("2026-11-20T23:59+01:00", ["S102"]),
        ("2026-11-21T00:09-05:00", ["S102"]),
        ("2026-11-21", []),
        ("2026-11-21T00:10Z", []),
        ("2026-11-20T23:00", ["S101", "S102"]),
    ],
)
def test_moodle_deadline_by_the_worksheet(course, deadline, late):
    names = ("María José Núñez OBrien_5001", "Jörg Müller_5002")
    files = {f"{name}_assignsubmission_file/a.ipynb": notebook(name) for name in names}
    result = course.take(files, "moodle", WORKSHEET, deadline=deadline)
    assert sorted(student for _, student in result.late) == late
    assert (
        sorted(student for _, student in course.take(files, "moodle", None).late) == late
    )  # the deadline is kept
    assert (course.path / "submitted/S101" / TWO / "timestamp.txt").read_text().endswith(" UTC\n")


def test_moodle_a_later_download_is_later(course):
    name = "Jörg Müller_5002_assignsubmission_file/a.ipynb"
    course.take({name: notebook("1")}, "moodle", MOODLE_CSV)
    result = course.take({name: notebook("2")}, "moodle", None)
    assert course.there()["S102"] == notebook("2") and result.replaced
    course.take({name: notebook("1")}, "moodle", None)  # an old download once more
    assert course.there()["S102"] == notebook("2")


def two_of_moodle():
    return {
        f"{name}_assignsubmission_file/{TWO}.ipynb": notebook(name)
        for name in ("María José Núñez OBrien_5001", "Jörg Müller_5002")
    }


def test_lateness_stays_when_the_worksheet_is_not_given_again(course):
    files = two_of_moodle()
    course.take(files, "moodle", WORKSHEET, deadline="2026-11-20T23:59+01:00")
    known, late = course.register()["submissions"], collect.late_and_left_out(course.path)[0]
    assert late == {(TWO, "S102")}
    result = course.take(files, "moodle", None)
    assert result.late == [(TWO, "S102")] and "The deadline could not" not in result.text()
    assert course.register()["submissions"] == known and collect.late_and_left_out(course.path)[0] == late
    result = course.take({"Jörg Müller_5002_assignsubmission_file/a.ipynb": notebook("new")}, "moodle", None)
    assert "The deadline could not be applied to all" in result.text()  # nobody knows when that came


def test_the_zone_of_moodles_times_is_told_once_and_can_be_corrected(course):
    files, told = two_of_moodle(), "Moodle's times name no zone and were read as "
    assert told not in course.take(files, "moodle", WORKSHEET).text()  # nothing is late by them
    text = course.take(files, "moodle", WORKSHEET, deadline="2026-11-20T23:59+01:00").text()
    assert text.count("name no zone") == 1
    assert (
        told
        + (
            "UTC+01:00, the deadline's (2026-11-20 23:59). If your Moodle shows another, give the deadline in that "
            "one."
        )
        in text
    )
    assert told + "UTC+01:00, the deadline's" in course.take(files, "moodle", WORKSHEET).text()  # it is kept
    for deadline, zone, late in (
        ("2026-11-21T00:09:00-05:00", "UTC-05:00", ["S102"]),
        ("2026-11-21T00:11Z", "UTC", []),
    ):
        result = course.take(files, "moodle", WORKSHEET, deadline=deadline)
        assert [
            student for _, student in result.late
        ] == late and told + f"{zone}, the deadline's" in result.text()
    assert {known["attempts"][0]["time"] for known in course.register()["submissions"][TWO].values()} == {
        "2026-11-20 23:05:00+00:00",
        "2026-11-21 00:10:00+00:00",
    }


GERMAN = """ID;Vollständiger Name;E-Mail-Adresse;Status;Bewertung;Bestwertung;Zuletzt geändert (Abgabe);Feedback
Teilnehmer/in5001;"María José Núñez O'Brien";maria@uni.example;Abgegeben;;10,00;"Freitag, 27. November 2026, 23:10";-
Teilnehmer/in5002;"Jörg Müller";joerg@uni.example;Abgegeben;;10,00;"Samstag, 28. November 2026, 00:10";-
Teilnehmer/in5003;"Ann Smith";ann1@uni.example;"Keine Abgabe";;10,00;-;-
"""


def test_a_worksheet_whose_times_cannot_be_read(course):
    files = {"Jörg Müller_5002_assignsubmission_file/a.ipynb": notebook()}
    result = course.take(files, "moodle", GERMAN, deadline="2026-11-20T23:59+01:00")
    assert (
        "The worksheet's times could not be read (the first: 'Freitag, 27. November 2026, 23:10'), so nobody is late by "
        "them; download it with Moodle set to English."
    ) in result.text()
    assert (
        "give the assignment's grading worksheet" not in result.text() and "name no zone" not in result.text()
    )
    assert [one.id for one in roster.read(course.path)] == [
        "maria@uni.example",
        "joerg@uni.example",
        "ann1@uni.example",
    ]
    assert "could not be read" not in course.take(files, "moodle", None).text()


def test_the_worksheet_is_kept_as_it_was_given(course):
    path, file = roster.worksheet_path(course.path, TWO), "{}_assignsubmission_file/a.ipynb"
    joerg = {file.format("Jörg Müller_5002"): notebook()}
    assert path == course.path / "grading" / "worksheets" / f"{TWO}.csv"
    course.take(joerg, "moodle", MOODLE_CSV)
    course.take(joerg, "canvas", WORKSHEET)
    assert not path.parent.exists()
    for text in (WORKSHEET, WORKSHEET.replace("\n", "\r\n"), GERMAN.encode("utf-16")):
        course.take(joerg, "moodle", text)
        assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    course.take(
        {**joerg, file.format("Ann Smith_5003"): notebook(lesson=THREE)}, "moodle", WORKSHEET
    )  # of which of them?
    course.take(joerg, "moodle", None)
    assert path.read_bytes() == GERMAN.encode("utf-16") and len(list(path.parent.iterdir())) == 1


def test_a_worksheet_of_another_assignment_is_not_kept(course):
    files = {"Jörg Müller_7002_assignsubmission_file/a.ipynb": notebook()}
    result = course.take(files, "moodle", WORKSHEET, deadline="2026-11-20")
    assert "The worksheet has the number of none of the files" in result.text() and not result.late
    assert not roster.worksheet_path(course.path, TWO).exists()
    assert {one.id: one.participants for one in roster.read(course.path)}["S102"] == {TWO: "Participant 7002"}


@pytest.mark.parametrize(
    "title",
    [
        "Grade",
        "Bewertung",
        "Note",
        "Calificación",
        "Valutazione",
        "Nota",
        "Cijfer",
        "Karakter",
        "Betyg",
        "Arvosana",
        "Ocena",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_grades_in_the_worksheet(title, separator):
    rows = roster.table(WORKSHEET.replace(",Grade,", f",{title},").encode())
    rows[1][1], rows[3][5] = "=cmd|'/C calc'!A0", "3.00"
    data = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows).encode("utf-8-sig")
    grades = {
        "Participant 5001": 7.5,
        "Teilnehmer/in05002": 10,
        "Participant 5003": "",
        "Participant 9": 1,
        "": 2,
    }
    text = roster.with_grades(data, grades)
    assert (
        text.endswith("\r\n")
        and text.count("\r\n") == 5
        and text.startswith(f"Identifier{separator}Full name{separator}")
    )
    rows[1][5], rows[2][5] = "7.5", "10"
    assert roster.table(text.encode()) == rows


def test_grades_in_what_is_no_worksheet():
    for text in (MOODLE_CSV, CANVAS_CSV, "", WORKSHEET.replace(",Grade,", ",Punti,")):
        assert roster.with_grades(text.encode(), {"Participant 5001": 1}) is None
    assert roster.with_grades(GERMAN.encode("cp1252"), {"Participant 5002": 9}) == GERMAN.replace(
        'Abgegeben;;10,00;"Samstag', 'Abgegeben;9;10,00;"Samstag'
    ).replace('"', "").replace("\n", "\r\n")


# --- folders
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "maria/02_template_model.ipynb",
        "maria/02_template_model/02_template_model.ipynb",
        "02_template_model_maria.ipynb",
        "maria@uni.example_02.ipynb",
        "Núñez O'Brien, María José.ipynb",
        "maria jose nunez-obrien/nb.ipynb",
        "week 2/María_Núñez_O'Brien_notebook (1).ipynb",
        "Maria/joerg.ipynb",
        "maria.zip",
    ],
)
def test_folder_names(course, where):
    for form in ("NFC", "NFD"):
        path = course.tmp / form / unicodedata.normalize(form, where)
        path.parent.mkdir(parents=True)
        path.write_bytes(
            zipped({"02_template_model.ipynb": notebook()}) if where.endswith("zip") else notebook()
        )
        course.path = course.tmp / f"course{form}"
        result = course.take(course.tmp / form, "folder", NBGRADER_CSV)
        assert set(course.there()) == {"maria"} and not result.left_out


def test_folder_of_nobody_or_of_several(course):
    folder = course.tmp / "in"
    for where in ("someone/a.ipynb", "Ann Smith/a.ipynb", "a.ipynb"):
        (folder / where).parent.mkdir(parents=True, exist_ok=True)
        (folder / where).write_bytes(notebook())
    result = course.take(folder, "folder")
    assert not course.path.joinpath("submitted").exists() and len(result.left_out) == 3
    assert (
        "a.ipynb: no id, email or name of the roster is in its path; put it into a folder named after the student's id, say "
        "maria@uni.example/, and collect the folder that holds maria@uni.example/"
    ) in reasons(result)
    assert "that of several students" in reasons(result)


@pytest.mark.parametrize(
    "name,told",
    [
        ("Jörg Müller_5002_assignsubmission_file/a.ipynb", "a download of Moodle's: --from moodle"),
        ("Jörg Müller_5002_assignsubmission_file_a.ipynb", "a download of Moodle's: --from moodle"),
        ("müllerjörg_102_9002_a.ipynb", "a download of Canvas's: --from canvas"),
        ("müllerjörg_LATE_102_9002_a.zip", "a download of Canvas's: --from canvas"),
    ],
)
def test_a_systems_download_is_no_folder(course, name, told):
    data = zipped({"a.ipynb": notebook()}) if name.endswith("zip") else notebook()
    result = course.take({name: data}, "folder")
    assert reasons(result).endswith(told) and len(result.left_out) == 1 and not result.placed
    folder = course.tmp / "in"  # in a student's own folder it is that student's
    (folder / "joerg@uni.example").mkdir(parents=True)
    (folder / "joerg@uni.example" / name.replace("/", "_")).write_bytes(data)
    assert course.take(folder, "folder").placed == [(TWO, "joerg@uni.example")]


@pytest.mark.parametrize("kind", ["canvas", "moodle"])
def test_one_notebook_that_came_by_mail(course, kind):
    path = course.tmp / "mail" / f"{TWO}.ipynb"
    path.parent.mkdir()
    path.write_bytes(notebook())
    hint = "; a notebook that came another way: --from folder, in a folder named after the student's id"
    assert reasons(course.take(path, kind)).endswith(hint)
    assert "--from folder" not in reasons(course.take({"x.ipynb": notebook()}, kind))
    assert "put it into a folder named after the student's id, say maria@uni.example/" in reasons(
        course.take(path, "folder")
    )
    (path.parent / "maria@uni.example").mkdir()
    path.rename(path.parent / "maria@uni.example" / path.name)
    assert course.take(path.parent, "folder").placed == [(TWO, "maria@uni.example")]


def test_a_zips_times_name_no_zone(course):
    name = zipfile.ZipInfo("maria/a.ipynb", (2026, 11, 20, 23, 30, 0))
    result = course.take({name: notebook()}, "folder", NBGRADER_CSV, deadline="2026-11-20T23:00+01:00")
    assert (
        result.late
        and "The zip's times name no zone and were read as UTC+01:00, the deadline's" in result.text()
    )


def test_folder_the_files_times_and_the_deadlines_zone(course):
    """23:50, 23:59 and 0:00 of the night to 21 November 2026 at +01:00."""
    folder = course.tmp / "in" / "maria"
    folder.mkdir(parents=True)
    for name, time in (("early", 1_795_215_000), ("on time", 1_795_215_540), ("late", 1_795_215_600)):
        (folder / f"{name}.ipynb").write_bytes(notebook(name))
        os.utime(folder / f"{name}.ipynb", (time, time))
    for deadline, counts in (
        ("2026-11-20T23:59+01:00", "on time"),
        ("2026-11-20T17:50-05:00", "early"),
        ("2026-11-20T23:00Z", "late"),
        ("2026-11-20T22:49:59Z", "late"),
    ):
        result = course.take(folder.parent, "folder", NBGRADER_CSV, deadline=deadline)
        assert course.there()["maria"] == notebook(counts), deadline
    assert result.late == [(TWO, "maria")]
    assert (
        course.path / "submitted/maria" / TWO / "timestamp.txt"
    ).read_text() == "2026-11-20 23:00:00 UTC\n"


def test_a_students_zip_does_not_say_when_it_was_handed_in(course):
    backdated = zipfile.ZipInfo("02_template_model.ipynb", (2020, 1, 1, 0, 0, 0))
    path = zipped({backdated: notebook("late")}, course.tmp / "maria.zip")
    (course.tmp / "in").mkdir()
    path = path.rename(course.tmp / "in" / "maria.zip")
    os.utime(path, (1_795_215_600, 1_795_215_600))
    assert course.take(path.parent, "folder", NBGRADER_CSV, deadline="2026-11-20T23:59+01:00").late == [
        (TWO, "maria")
    ]


def test_a_zip_of_any_name(course):
    for name in ("submissions", "submissions.ZIP", "submissions.zip.download"):
        course.path = course.tmp / f"course-{name}"
        course.take(
            zipped({"maria/02_template_model.ipynb": notebook()}, course.tmp / name), "folder", NBGRADER_CSV
        )
        assert set(course.there()) == {"maria"}


def test_hostile_folder(course, monkeypatch):
    folder = course.tmp / "in"
    (folder / "maria").mkdir(parents=True)
    (folder / "joerg").mkdir()
    secret = course.tmp / "secret.ipynb"
    secret.write_bytes(notebook("secret"))
    (folder / "maria" / "a.ipynb").symlink_to(secret)
    (folder / "maria" / "loop").symlink_to(folder)
    os.mkfifo(folder / "maria" / "02_template_model.ipynb")
    (folder / "maria" / "gone.zip").symlink_to("/dev/zero")
    (folder / "joerg" / "nb\n\x1b[31m.ipynb").write_bytes(notebook())
    (Path(os.fsdecode(bytes(folder) + b"/joerg/\xff\xfe.txt"))).write_bytes(b"")
    result = course.take(folder, "folder", NBGRADER_CSV)
    assert course.there() == {"joerg": notebook()}
    assert reasons(result).count("a link, which is not followed") == 3
    assert "02_template_model.ipynb: not a file" in reasons(result) and "\x1b" not in result.text()
    monkeypatch.setattr(
        os, "open", lambda *args: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied"))
    )
    assert "cannot be read ([Errno 13] Permission denied)" in reasons(course.take(folder, "folder", None))


def test_a_folder_of_downloads_is_one_too(course):
    folder = course.tmp / "in"
    folder.mkdir()
    zipped({"müllerjörg_102_1_a.ipynb": notebook()}, folder / "submissions.zip")
    (folder / "smithann_103_2_a.ipynb").write_bytes(notebook())
    (folder / "smithann_104_3_a.zip").write_bytes(zipped({"nb.ipynb": notebook()}))
    (course.tmp / "link").symlink_to(folder)
    course.take(course.tmp / "link")
    assert set(course.there()) == {"joerg@uni.example", "ann1@uni.example", "ann2@uni.example"}


# --- again and again
# ------------------------------------------------------------------------------------------


def test_twice_is_once(course):
    files = {
        "müllerjörg_102_10_a.ipynb": notebook("1"),
        "müllerjörg_102_11_a-1.ipynb": notebook("2"),
        "smithann_103_2_a.zip": b"PK",
        "x": b"",
    }
    course.take(files)
    before = course.snapshot()
    result = course.take(files)
    assert (
        course.snapshot() == before and not result.placed and result.unchanged == [(TWO, "joerg@uni.example")]
    )


def test_what_was_collected_stays(course):
    course.take({"müllerjörg_102_10_a.ipynb": notebook()})
    other = 'Student,ID,SIS Login ID,Section\n"Smith, Ann",103,ann1@uni.example,A\n'
    course.take({"smithann_103_11_a.ipynb": notebook()}, csv=other)
    assert (
        set(course.there()) == {"joerg@uni.example", "ann1@uni.example"}
        and len(roster.read(course.path)) == 5
    )


def test_the_wrong_file_leaves_no_trace(course):
    """Of it nothing is kept, and of an earlier download everything; but the class that came with it is."""
    wrong = {f"x/{n}.txt": b"" for n in range(collect.MOST_LINES + 2)}
    result = course.take(wrong)
    assert (
        sorted(course.snapshot()) == ["grading/.collect.lock", "grading/roster.json"]
        and len(roster.read(course.path)) == 5
    )
    assert "x: 2 more: not a notebook\n" in result.text() + "\n"  # and no file that would name them
    course.take({"müllerjörg_102_10_a.ipynb": notebook(), **wrong})
    before = course.snapshot()
    assert (
        "collected.json names them"
        in course.take({"müllerjörg_102_10_a.ipynb": notebook(), **wrong}, csv=None).text()
    )
    assert not course.take({"other.txt": b""}, csv=None).recorded
    assert not course.take(zipped({"a.ipynb": b"{}"}, course.tmp / "wrong.zip"), csv=None).recorded
    assert course.snapshot() == before


def test_a_lesson_that_was_not_released_is_not_begun_by_a_stray_notebook(course):
    files = {"müllerjörg_102_1_a.ipynb": notebook(), "smithann_103_2_a.ipynb": notebook(lesson=THREE)}
    (course.path / "release" / "hw1").mkdir(parents=True)
    (course.path / "release" / "hw1" / "hw1.ipynb").write_bytes(b"{}")  # none of the lessons
    assert len(course.take(files).placed) == 2
    course.path = course.tmp / "class"
    (course.path / "release" / THREE).mkdir(parents=True)
    (course.path / "release" / THREE / f"{THREE}.ipynb").write_bytes(notebook(lesson=THREE))
    result = course.take(files)
    assert result.placed == [(THREE, "ann1@uni.example")] and result.left_out == [
        (
            "müllerjörg_102_1_a.ipynb",
            f"is {TWO}, which is not released in {course.path}; `--assignment {TWO}` takes it (of "
            "joerg@uni.example)",
        )
    ]
    assert course.take(files, assignment="2").placed == [(TWO, "joerg@uni.example")]


def test_whose_notebooks_have_other_names(course, monkeypatch):
    monkeypatch.setattr(collect, "MOST_LINES", 2)
    names = {103: "smithann", 102: "müllerjörg", 101: "núñezobrienmaríajosé"}
    files = {f"{name}_{number}_1_a.ipynb": notebook() for number, name in names.items()}
    result = course.take({**files, "smithann_104_2_03_x.ipynb": notebook(lesson=THREE)})
    assert (
        f"4 notebooks not named after their lessons, which the content shows: ann1@uni.example ({TWO}), joerg@uni.example "
        f"({TWO}) (and 2 more)."
    ) in result.text()


def test_the_first_line_says_what_went_where(course, monkeypatch):
    files = {"müllerjörg_102_1_a.ipynb": notebook(), "smithann_103_2_a.ipynb": notebook(lesson=THREE)}
    text = course.take(files).text()
    where = course.path / "submitted"
    assert text.startswith(
        f"Collected 2 notebooks of {TWO}, {THREE} into {where}; 0 more were there already.\n"
    )
    monkeypatch.chdir(course.path)  # the course that nobody named
    text = collect.collect(course.tmp / "submissions.zip", "canvas").text()
    assert text.startswith(
        f"Collected 0 notebooks of {TWO}, {THREE} into {where}; 2 more were there already.\n"
    )
    assert (
        collect.Collected("class/submitted").text()
        == "Collected 0 notebooks into class/submitted; 0 more were there already."
    )


def test_a_folder_that_is_no_course_yet_is_told(course):
    files, told = (
        {"müllerjörg_102_1_a.ipynb": notebook()},
        "is no course folder yet, and was begun now; `dolphins release",
    )
    assert (
        f"{course.path} {told} --lessons N --course {course.path}` makes the rest."
        in course.take(files).text()
    )
    assert told not in course.take(files).text()
    for name in ("nbgrader_config.py", "source"):
        course.path = course.tmp / f"course-{name}"
        (course.path / name).mkdir(parents=True)
        assert told not in course.take(files).text()


def test_by_hand_is_left_alone(course):
    course.take({"müllerjörg_102_10_a.ipynb": notebook()})
    path = course.path / "submitted/joerg@uni.example" / TWO / f"{TWO}.ipynb"
    path.write_bytes(b"mended")
    result = course.take({"müllerjörg_102_11_a.ipynb": notebook("2")}, csv=None)
    assert path.read_bytes() == b"mended" and "changed by hand and is left as it is" in result.text()
    path.unlink()
    course.take({"müllerjörg_102_11_a.ipynb": notebook("2")}, csv=None)
    assert path.read_bytes() == notebook("2")


def test_disk_full_at_every_write(course, monkeypatch):
    """However far a run comes: what was there is whole, and the next run makes what an undisturbed one
    makes."""
    old = {"müllerjörg_102_10_a.ipynb": notebook("1")}
    new = {"müllerjörg_102_11_a.ipynb": notebook("2"), "smithann_103_2_a.ipynb": notebook()}
    plain, fsync = course.path, os.fsync
    course.take(old)
    course.take(new)
    wanted = course.snapshot()
    for left in range(20):
        course.path = course.tmp / f"course{left}"
        course.take(old)
        budget = [left]

        def full(handle):
            budget[0] -= 1
            if budget[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(handle)

        monkeypatch.setattr(os, "fsync", full)
        try:
            course.take(new)
        except CourseError as error:
            assert "No space left" in str(error) and "Nothing that was collected is lost" in str(error)
            assert course.there()["joerg@uni.example"] in (notebook("1"), notebook("2"))
            assert all(data in (notebook("1"), notebook("2"), notebook()) for data in course.there().values())
            assert not list(course.path.rglob("*.part"))
        else:
            break
        finally:
            monkeypatch.setattr(os, "fsync", fsync)
        course.take(new, csv=None)
        assert course.snapshot() == wanted, left
    assert left > 4 and plain != course.path


def test_one_at_a_time(course):
    (course.path / "grading").mkdir(parents=True)
    with (
        collect.locked(course.path),
        pytest.raises(CourseError, match="another `dolphins collect` is at work"),
    ):
        course.take({})


def test_register_that_cannot_be_read(course):
    course.take({"müllerjörg_102_10_a.ipynb": notebook()})
    for name, told in (("collected.json", "put back the file"), ("roster.json", "Delete it")):
        (course.path / "grading" / name).write_text("[{")
        with pytest.raises(CourseError, match=told):
            course.take({}, csv=None)
        (course.path / "grading" / name).unlink()


# --- rosters
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "text,number",
    [(CANVAS_CSV, 5), (MOODLE_CSV, 4), (WORKSHEET, 4), (NBGRADER_CSV, 2)],
    ids=["canvas", "moodle", "worksheet", "nbgrader"],
)
def test_rosters_in_every_encoding(course, text, number, separator, encoding):
    rows = roster.table(text.replace("Łukasz, Đặng", "Lukasz, Dang").encode())
    text = "\r\n".join(separator.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows)
    students = roster.read_csv(course.csv(text.encode(encoding)))
    assert len(students) == number and not any("Points" in one.last_name for one in students)
    first, second = students[:2]
    assert (
        f"{first.first_name} {first.last_name}" == "María José Núñez O'Brien"
        and first.email == "maria@uni.example"
    )
    assert (second.first_name, second.last_name) == ("Jörg", "Müller") and first.id in (
        "maria@uni.example",
        "S101",
        "maria",
    )


def test_what_a_roster_gives_for_upload(course):
    first = roster.read_csv(course.csv(CANVAS_CSV))[0]
    assert (first.lms_user_id, first.sis_user_id, first.login, first.section) == (
        "101",
        "S101",
        "maria@uni.example",
        "A",
    )
    assert roster.read_csv(course.csv(WORKSHEET))[1].identifier == "Participant 5002"
    two = "LastName,FirstName,ID,SIS Login ID,Section\nSmith,Ann,7,as,1\n"
    assert roster.read_csv(course.csv(two)) == [
        roster.Student("as", "Ann", "Smith", lms_user_id="7", login="as", section="1")
    ]
    german = "Vorname;Nachname;ID-Nummer;E-Mail-Adresse\nJörg;Müller;12;j@x\n"
    assert roster.read_csv(course.csv(german.encode("latin-1")))[0] == roster.Student(
        "12", "Jörg", "Müller", "j@x", number="12"
    )


def test_a_second_roster_keeps_ids(course):
    course.take({"Jörg Müller_5002_assignsubmission_file/a.ipynb": notebook()}, "moodle", MOODLE_CSV)
    more = """Identifier,Full name,Email address\nParticipant 6002,Jörg Müller,joerg@uni.example
Participant 6009,Eve New,eve@uni.example\n"""
    course.take({"Jörg Müller_6002_assignsubmission_file/a.ipynb": notebook(lesson=THREE)}, "moodle", more)
    students = {student.id: student for student in roster.read(course.path)}
    assert (
        list(students) == ["S101", "S102", "S103", "S104", "eve@uni.example"]
        and students["S102"].first_name == "Jörg"
    )
    assert students["S102"].participants == {TWO: "Participant 5002", THREE: "Participant 6002"}


def test_the_roster_of_another_class_is_refused(course):
    course.take({"müllerjörg_102_10_a.ipynb": notebook()})
    before = course.snapshot()
    wrong = "id,first_name,last_name\nbob,Bob,B\ncarol,Carol,C\n"
    with pytest.raises(CourseError) as error:
        course.take({"müllerjörg_102_11_a.ipynb": notebook("2")}, csv=wrong)
    assert str(error.value) == (
        f"{course.tmp / 'roster.csv'}: none of its 2 students (Bob B, Carol C) is in this class of 5 so far. "
        "Is it another class's? To add students, give a csv in which somebody of the class stands too; to begin the class anew, "
        f"delete {course.path / 'grading' / 'roster.json'}, then collect again."
    )
    with pytest.raises(CourseError, match="Some names are the same, but no id, email or number is"):
        course.take({}, csv=wrong + "joerg,Jörg,Müller\n")
    assert course.snapshot() == before
    roster.roster_path(course.path).unlink()
    assert course.take({}, csv=wrong).notes == [] and len(roster.read(course.path)) == 2


def test_who_is_new_in_the_class_is_told(course):
    result = course.take({"müllerjörg_102_10_a.ipynb": notebook()})
    assert "New in the class" not in result.text()
    more = "".join(f'"New, {name}",{number},,{name}@x,A,,\n' for number, name in enumerate("ABCDEFG", 201))
    result = course.take({"müllerjörg_102_10_a.ipynb": notebook()}, csv=CANVAS_CSV + more)
    assert "New in the class: A New, B New, C New, D New, E New (and 2 more)." in result.notes
    assert (
        "New in the class"
        not in course.take({"müllerjörg_102_10_a.ipynb": notebook()}, csv=CANVAS_CSV + more).text()
    )


@pytest.mark.parametrize(
    "text,told",
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no column of names"),
        ("id,first_name\n", "no student"),
        ("id\nx/y\nx_y\n", "two students would have the id 'x_y'"),
        ("First name,Last name\nAnn,Smith\nAnn,Smith\nAnn ,Smith\n", "two students"),
        (b"PK\x03\x04", "a zip or a workbook"),
        (zipped({}), "a zip or a workbook, not a csv"),
        (zipped({"a.ipynb": b""}), "handed in is named without it"),
        ("id,last_name\n,\n-,\n", "without name"),
        ('id,"' + "x" * 200_000, "no table"),
    ],
)
def test_rosters_that_are_none(course, text, told):
    with pytest.raises(CourseError, match=told):
        roster.read_csv(course.csv(text))


def test_ids_name_nothing_outside(course):
    csv = "id,last_name\n../../evil,Evil\n/etc/passwd,Pass\n.hidden,Hid\n"
    assert [one.id for one in roster.read_csv(course.csv(csv))] == ["evil", "etc_passwd", "hidden"]


# --- the command
# ----------------------------------------------------------------------------------------------


def test_a_lesson_is_called_by_its_name_or_number():
    lessons = ["01_a", "02_b", "hw1", "2_c", "3_d"]
    for text, lesson in (("02_b", "02_b"), ("1", "01_a"), ("01", "01_a"), ("003", "3_d"), ("hw1", "hw1")):
        assert collect.lesson_called(text, lessons) == lesson
    for text in ("2", "4", "0", "", "-1", "b", "²", "9" * 5000):
        with pytest.raises(
            CourseError,
            match="no such lesson. The lessons are 01_a, 02_b, hw1, 2_c, 3_d; the number will do.",
        ):
            collect.lesson_called(text, lessons)


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["dolphins", "collect", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


def test_the_command_and_its_exit_code(course, monkeypatch, capsys):
    good = zipped({"müllerjörg_102_1_a.ipynb": notebook()}, course.tmp / "good.zip")
    bad = zipped({"dawn_9_9_a.ipynb": notebook()}, course.tmp / "bad.zip")
    both = zipped(
        {"müllerjörg_102_1_a.ipynb": notebook(), "dawn_9_9_a.ipynb": notebook()}, course.tmp / "both.zip"
    )
    csv, options = course.csv(CANVAS_CSV), ("--from", "canvas", "--course", course.path)
    for arguments, told in (
        ((good, *options), "Who is in the class?"),
        ((course.tmp / "no.zip", *options, "--roster", csv), "no such file"),
        ((good, *options, "--roster", course.tmp / "no.csv"), "no.csv: cannot be read"),
        ((good, *options, "--roster", csv, "--assignment", "07_x"), "The lessons are 01_"),
        ((good, *options, "--roster", csv, "--deadline", "tomorrow"), "Write 2026-11-20T23:59"),
    ):
        assert run(monkeypatch, *arguments) == 1
        assert told in capsys.readouterr().err
    assert not course.path.exists()  # nothing is begun by a mistake
    assert run(monkeypatch, good, *options, "--roster", csv, "--assignment", 2) == 0
    assert capsys.readouterr().out.startswith(
        f"Collected 1 notebook of {TWO} into {course.path / 'submitted'}; 0 more were there already.\n"
    )
    assert (
        run(monkeypatch, both, *options) == 0
        and "Could not be placed:\n  dawn_9_9_a.ipynb" in capsys.readouterr().out
    )
    assert run(monkeypatch, bad, *options) == 1 and "nobody in the roster" in capsys.readouterr().out
    blocked = course.tmp / "file"
    blocked.write_text("")
    assert run(monkeypatch, good, "--from", "canvas", "--roster", csv, "--course", blocked) == 1
    assert "cannot be written" in capsys.readouterr().err
