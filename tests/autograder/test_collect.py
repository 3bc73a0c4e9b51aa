"""Collecting: every notebook to its student and lesson, or into the list with a reason; archives do no harm;
nothing is lost."""

import errno
import functools
import gzip
import io
import os
import re
import struct
import unicodedata
import zipfile
from pathlib import Path
from unittest import mock

import pytest

from autograder import collect, downloads, roster, whose
from course_lib.errors import CourseError
from course_lib.files import write

from .collecting import CANVAS_CSV, THREE, TWO, lay, notebook, reasons, says, zipped

MOODLE_CSV = """First name,Last name,ID number,Email address,Groups
María José,Núñez O'Brien,S101,maria@uni.example,
Jörg,Müller,S102,joerg@uni.example,
Ann,Smith,S103,ann1@uni.example,
Ann,Smith,S104,ann2@uni.example,
"""
WORKSHEET = """Identifier,Full name,ID number,Email address,Status,Grade,Maximum,\
Last modified (submission),Last modified (grade)
Participant 5001,María José Núñez O'Brien,S101,maria@uni.example,Submitted,,10.00,\
"Friday, 20 November 2026, 11:05 PM",-
Participant 5002,Jörg Müller,S102,joerg@uni.example,Submitted,,10.00,"Saturday, 21 November 2026, 12:10 AM",-
Participant 5003,Ann Smith,S103,ann1@uni.example,Submitted,,10.00,"Friday, 20 November 2026, 9:00 AM",-
Participant 5004,Ann Smith,S104,ann2@uni.example,No submission,,10.00,-,-
"""
GERMAN = """ID;Vollständiger Name;E-Mail-Adresse;Status;Bewertung;Bestwertung;\
Zuletzt geändert (Abgabe);Feedback
Teilnehmer/in5001;"María José Núñez O'Brien";maria@uni.example;Abgegeben;;10,00;\
"Freitag, 27. November 2026, 23:10";-
Teilnehmer/in5002;"Jörg Müller";joerg@uni.example;Abgegeben;;10,00;"Samstag, 28. November 2026, 00:10";-
Teilnehmer/in5003;"Ann Smith";ann1@uni.example;"Keine Abgabe";;10,00;-;-
"""
NBGRADER_CSV = """id,first_name,last_name,email,lms_user_id
maria,María José,Núñez O'Brien,maria@uni.example,
joerg,Jörg,Müller,j@uni.example,
"""
HEAD = "id,first_name,last_name,email,lms_user_id\n"

# Who is in the class by the id that Canvas's csv gives, and how Canvas's files of them begin.
MARIA, JOERG, DANG = "maria@uni.example", "joerg@uni.example", "dang@uni.example"
ANN1, ANN2 = "ann1@uni.example", "ann2@uni.example"
C_MARIA, C_JOERG, C_DANG = "núñezobrienmaríajosé_101", "müllerjörg_102", "łukaszđặng_105"
C_ANN1, C_ANN2 = "smithann_103", "smithann_104"
# How Moodle's files begin.
M_MARIA, M_JOERG = "María José Núñez OBrien_5001", "Jörg Müller_5002"


def moodle(*names, lesson=TWO, mark=None):
    """Files as Moodle gives them, each another one. names: of students, with their numbers"""
    marked = {name: notebook(name if mark is None else mark, lesson) for name in names}
    return {f"{name}_assignsubmission_file/a.ipynb": data for name, data in marked.items()}


# --- Canvas


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_canvas_names_with_accents_and_apostrophes(course, form):
    names = (f"{C_MARIA}_9001_{TWO}.ipynb", f"{C_JOERG}_9002_{TWO}.ipynb", f"{C_DANG}_9003_nb (1).ipynb")
    result = course.take({unicodedata.normalize(form, name): notebook(name) for name in names})
    assert set(course.there()) == {MARIA, JOERG, DANG} and not result.left_out
    assert result.missing[TWO] == [ANN1, ANN2]
    told = f"1 notebook not named after its lesson, which the content shows: {DANG} ({TWO})."
    assert told in result.text()


SHORT = "núñezobrienmaría"


CANVAS_NAMES = ["núñezobrienmaríajosé", "nunezobrienmariajose", SHORT, unicodedata.normalize("NFD", SHORT)]


@pytest.mark.parametrize("name", CANVAS_NAMES)
def test_canvas_by_name_where_the_roster_has_no_numbers_and_keeps_the_number(course, name):
    files = {f"{name}_101_9001_a.ipynb": notebook(), "muellerjoerg_102_9002_a.ipynb": notebook()}
    result = course.take(files, csv=NBGRADER_CSV)
    assert set(course.there()) == {"maria", "joerg"} and not result.left_out
    assert [student.lms_user_id for student in course.roster().values()] == ["101", "102"]


def test_a_name_that_only_begins_alike_is_nobodys(course):
    files = {"smithjohn_7_1_a.ipynb": notebook(), "smithjo_8_2_a.ipynb": notebook()}
    result = course.take(files, csv=HEAD + "jo,Jo,Smith,,\n")
    assert set(course.there()) == {"jo"}
    assert "nobody in the roster has the number 7 or the name 'smithjohn'" in reasons(result)


def test_two_students_of_one_name(course):
    numbers = ("103", "104", "106")
    result = course.take({f"smithann_{number}_{number}_a.ipynb": notebook(number) for number in numbers})
    assert course.there() == {ANN1: notebook("103"), ANN2: notebook("104")}
    assert "that of several students" in reasons(result)
    assert "Several students are called Ann Smith" in result.text()


def test_two_of_one_name_of_whom_one_is_in_the_roster(course):
    csv = HEAD + "ann,Ann,Smith,,\n"
    both = {f"{C_ANN1}_1_a.ipynb": notebook("1"), f"{C_ANN2}_2_a.ipynb": notebook("2")}
    result = course.take(both, csv=csv)
    assert not course.there() and reasons(result).count("look at both") == 2  # either of them may be Ann
    result = course.take({f"{C_ANN2}_2_a.ipynb": notebook("2")}, csv=None)
    assert not course.there() and reasons(result).count("look at both") == 2
    right = HEAD + "ann,Ann,Smith,,104\nann2,Ann,Smith,,103\n"  # it was the other one
    result = course.take(both, csv=right)
    assert course.there() == {"ann": notebook("2"), "ann2": notebook("1")} and not result.left_out
    course.path = course.tmp / "copied"  # the same with one and the same file from both
    course.take({f"{C_ANN1}_1_a.ipynb": notebook()}, csv=csv)
    assert not course.take({f"smithann_{n}_{n}_a.ipynb": notebook() for n in (103, 104)}, csv=right).left_out
    assert course.there() == {"ann": notebook(), "ann2": notebook()}


def attempts(course):
    """The attempts that are kept."""
    paths = (course.path / "grading/attempts").rglob("*.ipynb.gz")
    return {gzip.decompress(path.read_bytes()) for path in paths}


def test_of_several_attempts_the_last_on_time_counts(course):
    first, second, late, older = map(notebook, ("first", "second", "late", "older"))
    course.take({f"{C_JOERG}_10_lesson.ipynb": first})
    files = {f"{C_JOERG}_20_lesson-1.ipynb": second, f"{C_JOERG}_9_lesson.ipynb": older}
    result = course.take(files, csv=None)
    assert course.there()[JOERG] == second and result.replaced == [(TWO, JOERG)]
    assert "Replaced an earlier attempt" in result.text()
    result = course.take({"müllerjörg_LATE_102_30_lesson-2.ipynb": late}, csv=None)
    assert course.there()[JOERG] == second and not result.placed and not result.late
    assert attempts(course) == {first, second, late, older}


def test_late_alone_counts_and_is_told(course):
    result = course.take({"müllerjörg_LATE_102_30_a.ipynb": notebook()})
    assert result.late == [(TWO, JOERG)] and course.there()
    assert f"Late:\n  {JOERG}" in result.text()


def test_ids_are_told_with_their_names(course):
    result = course.take({"müllerjörg_LATE_102_30_a.ipynb": notebook()})
    assert f"Late:\n  {JOERG} (Jörg Müller)\n" in result.text()
    assert f"{ANN1} (Ann Smith), {ANN2} (Ann Smith)" in result.text()


def test_a_file_that_is_no_notebook_is_told_when_it_comes(course):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    text = course.take({f"{C_JOERG}_1_{TWO}.ipynb": pointer, f"{C_MARIA}_2_{TWO}.ipynb": b""}).text()
    assert "cannot be graded: this is a git-LFS pointer, not a notebook: run `git lfs pull`" in text
    assert "cannot be graded: the file is empty" in text
    conflict = notebook().replace(b'"cells"', b'<<<<<<< HEAD\n"cells"')
    text = course.take({f"{C_ANN1}_1_a.ipynb": conflict}).text()
    assert "cannot be graded: the notebook holds marks" in text


def test_a_new_file_counts_for_a_spoilt_one_also_late(course):
    course.take({f"{C_JOERG}_1_{TWO}.ipynb": notebook()[:-9]})
    result = course.take({f"{C_JOERG.replace('_', '_LATE_')}_2_a.ipynb": notebook()})
    assert result.late == result.replaced == [(TWO, JOERG)] and course.there() == {JOERG: notebook()}
    course.take({f"{C_JOERG}_3_{TWO}.ipynb": b""})
    assert course.there() == {JOERG: notebook()}


def test_what_does_not_count_for_it_came_late_is_told(course):
    late = {f"{C_JOERG.replace('_', '_LATE_')}_2_a.ipynb": notebook("late")}
    course.take({f"{C_JOERG}_1_{TWO}.ipynb": notebook()})
    told = f"_LATE_102_2_a.ipynb came late and does not count, for {C_JOERG}_1_{TWO}.ipynb was on time."
    assert told in course.take(late).text() and course.there() == {JOERG: notebook()}
    assert "does not count" not in course.take(late).text()


def test_a_download_of_another_class_is_told_once(course):
    files = {f"b{i}_90{i}_{i}_a.ipynb": notebook() for i in range(9)}
    text = course.take(files).text()
    assert "None of the 9 notebooks names anybody of this class of 5" in text and "roster.json" in text
    assert "names anybody" not in course.take({**files, f"{C_JOERG}_1_a.ipynb": notebook()}).text()
    text = course.take(files, "moodle").text()
    assert text.count("_a.ipynb: a download of Canvas's") == collect.MOST_LINES
    assert "  4 more: a download of Canvas's: --from canvas" in text


def test_what_a_folders_times_and_a_deadline_without_a_zone_mean(course):
    lay(course.tmp / "mail", {f"{JOERG}/a.ipynb": notebook()})
    text = course.take(course.tmp / "mail", "folder", deadline="2020-11-20T23:59").text()
    says(text, "--deadline names no zone and was read as", "told by the files' own times")
    text = course.take(course.tmp / "mail", "folder", deadline="2020-11-20T23:59+01:00").text()
    assert "names no zone" not in text and "told by the files' own times" in text


def test_attempts_in_one_download_and_a_deadline_without_times(course):
    files = {f"{C_JOERG}_7_a-10.ipynb": notebook("b"), f"{C_JOERG}_7_a-9.ipynb": notebook("a")}
    assert "carry no times" in course.take(files, deadline="2026-11-20").text()
    assert course.there()[JOERG] == notebook("b")


def test_names_lessons_and_files_that_are_wrong(course):
    files = {
        f"{C_JOERG}_1_{TWO}.ipynb": notebook(lesson=THREE),  # the content decides
        f"{C_JOERG}_2_homework": notebook(),  # no extension
        f"{C_ANN1}_3_notebook.ipynb.txt": notebook(),
        f"{C_ANN2}_4_{TWO}.ipynb": b'{"cells": [ ]}',
        f"{C_MARIA}_5_other.ipynb": b'{"cells": []}',
        f"{C_JOERG}_6_essay.pdf": b"%PDF",
        f"{C_JOERG}_7_all.tar.gz": b"\x1f\x8b",
        f"{C_JOERG}_8_empty.zip": zipped({}),
        "dawnnew_555_1_a.ipynb": notebook(),
        "LATE_anon_x7Yz_55_a.ipynb": notebook(),
    }
    more = (f"{C_JOERG}_text.html", f"{C_ANN1}_link.html", "readme.txt", "__MACOSX/._a.ipynb", ".DS_Store")
    result = course.take(files | dict.fromkeys(more, b"<p>"))
    assert set(course.there()) == {JOERG, ANN1, ANN2}
    assert set(course.there(THREE)) == {JOERG} and result.junk == 2
    unknown = "neither its content nor its name shows a lesson; name it with --assignment"
    for told in (
        f"essay.pdf: not a notebook (of {JOERG})",
        "all.tar.gz: an archive that is not looked into",
        "readme.txt: not a notebook",
        f"other.ipynb: {unknown} (of {MARIA})",
        f"handed in as text, not as a file (of {JOERG})",
        "handed in as link, not as a file (of ann1",
        "an anonymous download",
        "nobody in the roster has the number 555 or the name 'dawnnew'",
        "empty.zip: an empty zip",
    ):
        assert told in reasons(result), told
        assert told in result.text()
    assert len(result.left_out) == 9
    assert "Notebooks of 2 lessons came in; --assignment takes one" in result.text()
    assert "does not show its lesson; its name says 02_template_model" in result.text()
    files = {f"{C_MARIA}_5_other.ipynb": b'{"cells": []}', f"{C_JOERG}_1_x.ipynb": notebook(lesson=THREE)}
    again = course.take(files, csv=None, assignment=TWO)
    assert "does not show its lesson; --assignment says 02_template_model" in again.text()
    assert MARIA in course.there() and f"is {THREE}, not {TWO}" in reasons(again)


# --- zips in zips, and what they may hold


def test_nested_zips(course):
    work = {f"work/{TWO}.ipynb": notebook(), f"__MACOSX/work/._{TWO}.ipynb": b"x"}
    work[f"work/.ipynb_checkpoints/{TWO}-checkpoint.ipynb"] = notebook("old")
    work["work/dolphin.png"] = b"\x89PNG"
    once = deep = zipped({"again.zip": zipped(work)})
    for name in ("b.zip", "a.zip"):
        deep = zipped({name: deep})
    result = course.take({f"{C_JOERG}_1_work.zip": once, f"{C_ANN1}_2_deep.zip": deep})
    assert course.there() == {JOERG: notebook()}
    deepest = f"a zip in 3 others, which is not looked into (of {ANN1})"
    says(reasons(result), "an autosave of Jupyter", "dolphin.png: not a notebook", deepest)


def test_a_students_zip_cannot_be_anothers(course):
    evil = {f"{C_ANN1}_99999_{TWO}.ipynb": notebook("evil"), f"{ANN1}/{TWO}.ipynb": notebook("evil2")}
    course.take({f"{C_JOERG}_1_a.zip": zipped(evil), f"{C_ANN1}_2_a.ipynb": notebook()})
    assert course.there()[ANN1] == notebook() and course.there()[JOERG].startswith(notebook()[:1000])
    name = "Jörg Müller_1_assignsubmission_file_Ann Smith_5003_assignsubmission_file_x.ipynb"
    folder = lay(course.tmp / "folder", {f"{JOERG}.zip": zipped(evil)})
    for files, kind in ((folder, "folder"), ({name: notebook()}, "moodle")):
        course.path = course.tmp / kind
        course.take(files, kind)
        assert set(course.there()) == {JOERG}


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def test_paths_and_links_lead_nowhere(course):
    before = {path.name for path in course.tmp.iterdir()}
    files = {
        "..": b"x",
        f"../../{C_JOERG}_1_a.ipynb": notebook(),
        f"/etc/{C_ANN1}_2_a.ipynb": notebook(),
        f"..\\..\\{C_ANN2}_3_a.ipynb": notebook(),
        link(f"{C_MARIA}_4_a.ipynb"): b"/etc/passwd",
        f"{C_DANG}_5_x.zip": zipped({"../../../evil.ipynb": notebook(), link("z.ipynb"): b"/etc"}),
    }
    result = course.take(files)
    assert set(course.there()) == {JOERG, ANN1, ANN2, DANG}
    assert reasons(result).count("a link, which is not followed") == 2
    new = {path.name for path in course.tmp.iterdir()} - before
    assert new == {"course", "submissions.zip", "roster.csv"}
    assert not any(path.is_symlink() for path in course.path.rglob("*"))


def test_bombs_are_bounded(course, monkeypatch):
    monkeypatch.setattr(downloads, "look", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(downloads, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(downloads, "MOST_UNPACKED", 3 << 20)
    zeros, most = bytes(5 << 20), downloads.MOST_INNER
    many = {f"{n}.zip": zipped({"a.ipynb": zeros[:900_000]}) for n in range(9)}
    files = {
        f"{C_JOERG}_1_big.ipynb": zeros,
        f"{C_ANN1}_2_inner.zip": zipped({f"{TWO}.ipynb": zeros}),
        f"{C_ANN2}_3_many.zip": zipped(many),
        f"{C_MARIA}_4_entries.zip": zipped({f"{n}.txt": b"" for n in range(most + 1)}),
        f"{C_DANG}_5_more.zip": zipped({f"{n}": b"" for n in range(2 * most + 1)}),
        f"{C_DANG}_6_a.ipynb": notebook(),
    }
    result = course.take(files)
    assert set(course.there()) == {DANG}  # who is beside a bomb loses nothing
    says(reasons(result), "big.ipynb: larger than 1 MB", f"inner.zip/{TWO}.ipynb: larger than 1 MB")
    says(reasons(result), "unpack to more than 3 MB", "a zip of 2,001 files", "a zip of very many files")


def packed_well(count, mb, mark):
    """A zip of notebooks that are mostly spaces."""
    files = {f"{n}.ipynb": notebook(f"{mark}{n}") + b" " * (mb << 20) for n in range(count)}
    return zipped(files)


@pytest.mark.parametrize("name", [f"{C_JOERG}_%d_a.zip", "nobodynone_999_%d_a.zip"])
def test_what_small_zips_of_one_student_unpack_to_is_bounded(course, monkeypatch, name):
    monkeypatch.setattr(downloads, "look", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(downloads, "MOST_UNPACKED", 6 << 20)
    monkeypatch.setattr(collect, "NOBODYS", 2)
    read = []
    monkeypatch.setattr(downloads, "unreadable", lambda data: read.append(len(data)) or "")
    files = {name % n: packed_well(4, 1, n) for n in range(6)} | {f"{C_ANN1}_99_a.ipynb": notebook()}
    result = course.take(files)
    assert course.there()[ANN1] == notebook() and sum(read) < 13 << 20
    says(reasons(result), "to be looked at by hand", "unpack to more than 6 MB together")
    size = sum(path.stat().st_size for path in (course.path / "grading").rglob("*") if path.is_file())
    assert size < 1 << 20  # and one of their notebooks in submitted/
    before = course.snapshot()
    course.take(files)
    assert course.snapshot() == before


def test_the_time_for_reading_one_students_files_is_bounded(course, monkeypatch):
    monkeypatch.setattr(downloads, "look", lambda function, *arguments: function(*arguments))
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(downloads.time, "process_time", lambda: float(next(clock)))
    files = {f"{C_JOERG}_{n}_a.ipynb": notebook(str(n)) for n in range(6)}
    result = course.take(files | {f"{C_ANN1}_99_a.ipynb": notebook()})
    assert course.there() == {JOERG: notebook("2"), ANN1: notebook()}
    assert reasons(result).count("took more than 60 s") == 3


def test_the_files_in_one_students_zips_are_bounded(course):
    files = {f"{C_JOERG}_{n}_a.zip": zipped({f"{k}.txt": b"" for k in range(1500)}) for n in range(4)}
    result = course.take(files | {f"{C_ANN1}_99_a.ipynb": notebook()})
    assert set(course.there()) == {ANN1} and len(result.left_out) == collect.MOST_ALIKE + 1 + 3
    assert f"1,300 more: not a notebook (of {JOERG})" in reasons(result)


def test_attempts_that_were_kept_unpacked_still_count(course):
    course.take({f"{C_JOERG}_1_a.ipynb": notebook()})
    (path,) = (course.path / "grading/attempts").rglob("*.gz")
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    (course.path / "submitted" / JOERG / TWO / f"{TWO}.ipynb").unlink()
    course.take({f"{C_JOERG}_1_a.ipynb": notebook()})
    assert course.there() == {JOERG: notebook()} and not path.exists()


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips_of_other_compressions(course, kind):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", kind) as archive:
        archive.writestr(f"{TWO}.ipynb", notebook())
    damaged = bytearray(memory.getvalue())
    for at in range(40 + len(TWO), 48 + len(TWO)):
        damaged[at] ^= 0xFF
    files = {f"{C_ANN1}_2_a.zip": memory.getvalue(), f"{C_DANG}_6_a.zip": bytes(damaged)}
    result = course.take(files)
    assert set(course.there()) == {ANN1} and "cannot be read (" in reasons(result)


def test_notebooks_of_one_student_are_bounded(course, monkeypatch):
    monkeypatch.setattr(collect, "MOST_NOTEBOOKS", 3)
    result = course.take({f"{C_ANN1}_2_a.zip": zipped({f"{n}.ipynb": notebook(str(n)) for n in range(9)})})
    assert reasons(result).count("more than 3 notebooks of one student") == 6
    assert len(result.text().splitlines()) < 25


def encrypted(data):
    """A zip whose entries say that they are encrypted."""
    data = bytearray(data)
    for signature, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        for found in re.finditer(signature, bytes(data)):
            data[found.start() + at] |= 1
    return bytes(data)


def test_what_is_said_of_many_damaged_files_is_said_once(course):
    data = zipped({f"{n}/a{n}.ipynb": notebook(str(n)) for n in range(30)})
    for mark, at in ((b"PK\x01\x02", 16), (b"PK\x03\x04", 14)):  # the checksums
        parts = data.split(mark)
        data = mark.join([parts[0], *(part[: at - 4] + b"1234" + part[at:] for part in parts[1:])])
    result = course.take({f"{C_JOERG}_10_a.zip": data, f"{C_DANG}_11_a.ipynb": notebook()})
    assert len(result.left_out) == 30 and result.text().count("Bad CRC-32") <= 6
    assert list(course.there()) == ["dang@uni.example"]


def test_encrypted_truncated_and_lying_zips(course):
    whole = zipped({f"{TWO}.ipynb": notebook()})
    damaged, unknown = bytearray(whole), bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    unknown[whole.rindex(b"PK\x01\x02") + 10] = 99
    size = whole.rindex(b"PK\x01\x02") + 24
    lying = whole[:size] + struct.pack("<I", 10) + whole[size + 4 :]
    files = {
        f"{C_JOERG}_1_a.zip": encrypted(whole),
        f"{C_ANN1}_2_b.zip": whole[: len(whole) // 2],
        f"{C_ANN2}_3_c.zip": bytes(damaged),
        f"{C_DANG}_4_d.zip": lying,
        f"{C_MARIA}_5_e.zip": bytes(unknown),
        f"{C_DANG}_8_g.zip": zipped({"Q": b"no name"}).replace(b"Q", b"\0"),
        f"{C_MARIA}_6_f.zip": b"",
        f"{C_MARIA}_7_g.ipynb": notebook(),
    }
    result = course.take(files)
    assert set(course.there()) == {MARIA} and len(result.left_out) == 7
    says(reasons(result), "encrypted (of joerg", "a damaged zip", "cannot be read (")
    broken = lay(course.tmp, {"broken.zip": whole[:100]}) / "broken.zip"
    assert "broken.zip: a damaged zip" in reasons(course.take(broken, csv=None))
    page = lay(course.tmp, {"page.zip": b"<!DOCTYPE html><title>Log in</title>"}) / "page.zip"
    assert "page.zip: not a zip but a web page: download" in reasons(course.take(page, csv=None))


# --- Moodle


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("layout", [f"/{TWO}.ipynb", "_/sub/notebook (1).ipynb", f"_{TWO}.ipynb"])
def test_moodle_layouts_and_names(course, form, layout):
    names = (M_MARIA, "Müller Jörg_5002")
    files = {f"{name}_assignsubmission_file{layout}": notebook(name) for name in names}
    files["Jörg Müller_5002_assignsubmission_onlinetext/onlinetext.html"] = b"<p>"
    files = {unicodedata.normalize(form, name): data for name, data in files.items()}
    result = course.take(files, "moodle", MOODLE_CSV)
    assert set(course.there()) == {"S101", "S102"}
    assert len(result.left_out) == 1 and "handed in as onlinetext, not as a file (of S102)" in reasons(result)
    assert course.roster()["S101"].participants == {TWO: "Participant 5001"}


def test_moodle_namesakes_are_told_apart_by_the_worksheet(course):
    names = ("Ann Smith_5003", "Ann Smith_5004", "Participant_5001", "Jörg Müller_5003")
    files = moodle(*names)  # one is blind, one's number wrong
    result = course.take(files, "moodle", MOODLE_CSV)
    assert "that of several students" in reasons(result) and set(course.there()) == {"S102"}
    course.path = course.tmp / "second"
    result = course.take(files, "moodle", WORKSHEET)
    assert course.there() == dict(zip(("S103", "S104", "S101"), map(notebook, names)))
    assert "the number 5003 is that of S103, the name 'Jörg Müller' that of S102" in reasons(result)
    numbers = {one.participants[TWO] for one in course.roster().values()}
    assert numbers == {f"Participant {n}" for n in range(5001, 5005)}
    assert course.take(files, "moodle", None).left_out == result.left_out  # the numbers are kept
    course.path = course.tmp / "third"  # by name first, and that was wrong
    one_ann = MOODLE_CSV.replace("Ann,Smith,S104", "Bo,Ek,S104")
    course.take(moodle("Ann Smith_5004", mark="4"), "moodle", one_ann)
    course.take(files, "moodle", WORKSHEET)
    assert course.there()["S103"] == notebook(names[0]) and course.there()["S104"] == notebook(names[1])


def test_a_worksheets_times_are_of_its_assignment_only(course):
    course.take(moodle(M_JOERG), "moodle", WORKSHEET, deadline="2026-11-20T23:00")
    other = moodle("Jörg Müller_6002", lesson=THREE)
    result = course.take(other, "moodle", None, deadline="2026-11-20T23:00")
    assert not result.late and "give the assignment's grading worksheet" in result.text()
    assert not (course.path / "submitted/S102" / THREE / "timestamp.txt").exists()
    its_own = WORKSHEET.replace("Participant 5", "Participant 6")
    course.take(other, "moodle", its_own, deadline="2026-11-20T23:00")
    assert (course.path / "submitted/S102" / THREE / "timestamp.txt").exists()


DEADLINES = {"2026-11-20T23:59+01:00": ["S102"], "2026-11-21T00:09-05:00": ["S102"], "2026-11-21": []}
DEADLINES |= {"2026-11-21T00:10Z": [], "2026-11-20T23:00": ["S101", "S102"]}


@pytest.mark.parametrize("deadline, late", DEADLINES.items())
def test_moodle_deadline_by_the_worksheet(course, deadline, late):
    files = moodle(M_MARIA, M_JOERG)
    for csv, options in ((WORKSHEET, {"deadline": deadline}), (None, {})):  # the deadline is kept
        result = course.take(files, "moodle", csv, **options)
        assert sorted(student for _, student in result.late) == late
    assert (course.path / "submitted/S101" / TWO / "timestamp.txt").read_text().endswith(" UTC\n")


def test_moodle_a_later_download_is_later(course):
    course.take(moodle(M_JOERG, mark="1"), "moodle", MOODLE_CSV)
    result = course.take(moodle(M_JOERG, mark="2"), "moodle", None)
    assert course.there()["S102"] == notebook("2") and result.replaced
    course.take(moodle(M_JOERG, mark="1"), "moodle", None)  # an old download once more
    assert course.there()["S102"] == notebook("2")


def test_lateness_stays_when_the_worksheet_is_not_given_again(course):
    files = moodle(M_MARIA, M_JOERG)
    course.take(files, "moodle", WORKSHEET, deadline="2026-11-20T23:59+01:00")
    known, late = course.register()["submissions"], collect.late_and_left_out(course.path)[0]
    assert late == {(TWO, "S102")}
    result = course.take(files, "moodle", None)
    assert result.late == [(TWO, "S102")] and "The deadline could not" not in result.text()
    assert course.register()["submissions"] == known and collect.late_and_left_out(course.path)[0] == late
    result = course.take(moodle(M_JOERG, mark="new"), "moodle", None)
    assert "The deadline could not be applied to all" in result.text()  # nobody knows when that came


def test_the_zone_of_moodles_times_is_told_once_and_can_be_corrected(course):
    files, told = moodle(M_MARIA, M_JOERG), "Moodle's times name no zone and were read as "
    assert told not in course.take(files, "moodle", WORKSHEET).text()  # nothing is late by them
    text = course.take(files, "moodle", WORKSHEET, deadline="2026-11-20T23:59+01:00").text()
    zone = "UTC+01:00, the deadline's (2026-11-20 23:59)."
    assert text.count("name no zone") == 1
    assert f"{told}{zone} If your Moodle shows another, give the deadline in that one." in text
    assert told + "UTC+01:00, the deadline's" in course.take(files, "moodle", WORKSHEET).text()  # it is kept
    zones = (("2026-11-21T00:09:00-05:00", "UTC-05:00", ["S102"]), ("2026-11-21T00:11Z", "UTC", []))
    for deadline, zone, late in zones:
        result = course.take(files, "moodle", WORKSHEET, deadline=deadline)
        assert [student for _, student in result.late] == late
        assert f"{told}{zone}, the deadline's" in result.text()
    times = {known["attempts"][0]["time"] for known in course.register()["submissions"][TWO].values()}
    assert times == {"2026-11-20 23:05:00+00:00", "2026-11-21 00:10:00+00:00"}


def test_a_worksheet_whose_times_cannot_be_read(course):
    files = moodle(M_JOERG)
    text = course.take(files, "moodle", GERMAN, deadline="2026-11-20T23:59+01:00").text()
    says(text, "The worksheet's times could not be read (the first: 'Freitag, 27. November 2026, 23:10'), so")
    says(text, " so nobody is late by them; download it with Moodle set to English.")
    assert "give the assignment's grading worksheet" not in text and "name no zone" not in text
    assert list(course.roster()) == [MARIA, JOERG, ANN1]
    assert "could not be read" not in course.take(files, "moodle", None).text()


def test_the_worksheet_is_kept_as_it_was_given(course):
    path, joerg = roster.worksheet_path(course.path, TWO), moodle(M_JOERG)
    assert path == course.path / "grading" / "worksheets" / f"{TWO}.csv"
    course.take(joerg, "moodle", MOODLE_CSV)
    course.take(joerg, "canvas", WORKSHEET)
    assert not path.parent.exists()
    german = GERMAN.encode("utf-16")
    for data in (WORKSHEET.encode(), WORKSHEET.replace("\n", "\r\n").encode(), german):
        course.take(joerg, "moodle", data)
        assert path.read_bytes() == data
    course.take(joerg | moodle("Ann Smith_5003", lesson=THREE), "moodle", WORKSHEET)  # of which of them?
    course.take(joerg, "moodle", None)
    assert path.read_bytes() == german and len(list(path.parent.iterdir())) == 1


def test_a_worksheet_of_another_assignment_is_not_kept(course):
    result = course.take(moodle("Jörg Müller_7002"), "moodle", WORKSHEET, deadline="2026-11-20")
    assert "The worksheet has the number of none of the files" in result.text() and not result.late
    assert not roster.worksheet_path(course.path, TWO).exists()
    assert course.roster()["S102"].participants == {TWO: "Participant 7002"}


GRADE = "Grade Bewertung Note Calificación Valutazione Nota Cijfer Karakter Betyg Arvosana Ocena"


@pytest.mark.parametrize("title", GRADE.split())
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_grades_in_the_worksheet(title, separator):
    rows = roster.table(WORKSHEET.replace(",Grade,", f",{title},").encode())[0]
    rows[1][1], rows[3][5] = "=cmd|'/C calc'!A0", "3.00"
    data = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows).encode("utf-8-sig")
    grades = {"Participant 5001": 7.5, "Teilnehmer/in05002": 10, "Participant 5003": "", "Participant 9": 1}
    text = roster.with_grades(data, grades | {"": 2})
    assert text.endswith("\r\n") and text.count("\r\n") == 5
    assert text.startswith(f"Identifier{separator}Full name{separator}")
    rows[1][5], rows[2][5], rows[1][1] = "7.5", "10", "'=cmd|'/C calc'!A0"
    assert roster.table(text.encode())[0] == rows


def test_grades_in_what_is_no_worksheet():
    for text in (MOODLE_CSV, CANVAS_CSV, "", WORKSHEET.replace(",Grade,", ",Punti,")):
        assert roster.with_grades(text.encode(), {"Participant 5001": 1}) is None
    graded = GERMAN.replace('Abgegeben;;10,00;"Samstag', 'Abgegeben;9;10,00;"Samstag')
    graded = graded.replace('"', "").replace("\n", "\r\n")
    assert roster.with_grades(GERMAN.encode("cp1252"), {"Participant 5002": 9}) == graded


# --- folders


MARIAS = ["Núñez O'Brien, María José.ipynb", "maria jose nunez-obrien/nb.ipynb", "Maria/joerg.ipynb"]
MARIAS += [f"{TWO}_maria.ipynb", "maria@uni.example_02.ipynb", "maria.zip", f"maria/{TWO}.ipynb"]
MARIAS += [f"maria/{TWO}/{TWO}.ipynb", "week 2/María_Núñez_O'Brien_notebook (1).ipynb"]


@pytest.mark.parametrize("where", MARIAS)
def test_folder_names(course, where):
    data = zipped({f"{TWO}.ipynb": notebook()}) if where.endswith("zip") else notebook()
    for form in ("NFC", "NFD"):
        folder = lay(course.tmp / form, {unicodedata.normalize(form, where): data})
        course.path = course.tmp / f"course{form}"
        result = course.take(folder, "folder", NBGRADER_CSV)
        assert set(course.there()) == {"maria"} and not result.left_out


def test_folder_of_nobody_or_of_several(course):
    names = ("someone/a.ipynb", "Ann Smith/a.ipynb", "a.ipynb")
    result = course.take(lay(course.tmp / "in", dict.fromkeys(names, notebook())), "folder")
    assert not course.path.joinpath("submitted").exists() and len(result.left_out) == 3
    told = "a.ipynb: no id, email or name of the roster is in its path; put it into a folder named after the"
    told += f" student's id, say {MARIA}/, and collect the folder that holds {MARIA}/"
    says(reasons(result), told, "that of several students")


DOWNLOADS = {
    "a download of Moodle's: --from moodle": [f"{M_JOERG}_assignsubmission_file{end}a.ipynb" for end in "/_"],
    "a download of Canvas's: --from canvas": [f"{C_JOERG}_9002_a.ipynb", "müllerjörg_LATE_102_9002_a.zip"],
}


@pytest.mark.parametrize("name, told", [(name, told) for told in DOWNLOADS for name in DOWNLOADS[told]])
def test_a_systems_download_is_no_folder(course, name, told):
    data = zipped({"a.ipynb": notebook()}) if name.endswith("zip") else notebook()
    result = course.take({name: data}, "folder")
    assert reasons(result).endswith(told) and len(result.left_out) == 1 and not result.placed
    folder = lay(course.tmp / "in", {f"{JOERG}/{name.replace('/', '_')}": data})
    assert course.take(folder, "folder").placed == [(TWO, JOERG)]  # in a student's own folder it is theirs


@pytest.mark.parametrize("kind", ["canvas", "moodle"])
def test_one_notebook_that_came_by_mail(course, kind):
    folder = lay(course.tmp / "mail", {f"{TWO}.ipynb": notebook()})
    path = folder / f"{TWO}.ipynb"
    hint = "; a notebook that came another way: --from folder, in a folder named after the student's id"
    assert reasons(course.take(path, kind)).endswith(hint)
    assert "--from folder" not in reasons(course.take({"x.ipynb": notebook()}, kind))
    advice = f"put it into a folder named after the student's id, say {MARIA}/"
    assert advice in reasons(course.take(path, "folder"))
    (folder / MARIA).mkdir()
    path.rename(folder / MARIA / path.name)
    assert course.take(folder, "folder").placed == [(TWO, MARIA)]


def test_a_zips_times_name_no_zone(course):
    name = zipfile.ZipInfo("maria/a.ipynb", (2026, 11, 20, 23, 30, 0))
    result = course.take({name: notebook()}, "folder", NBGRADER_CSV, deadline="2026-11-20T23:00+01:00")
    assert result.late
    says(result.text(), "The zip's times name no zone and were read as UTC+01:00, the deadline's")


MIDNIGHT = 1_795_215_600  # before 21 November 2026 at +01:00


def test_folder_the_files_times_and_the_deadlines_zone(course):
    times = {"early": MIDNIGHT - 600, "on time": MIDNIGHT - 60, "late": MIDNIGHT}
    folder = lay(course.tmp / "in", {f"maria/{name}.ipynb": notebook(name) for name in times})
    for name, time in times.items():
        os.utime(folder / "maria" / f"{name}.ipynb", (time, time))
    deadlines = {"2026-11-20T23:59+01:00": "on time", "2026-11-20T17:50-05:00": "early"}
    deadlines |= dict.fromkeys(("2026-11-20T23:00Z", "2026-11-20T22:49:59Z"), "late")
    for deadline, counts in deadlines.items():
        result = course.take(folder, "folder", NBGRADER_CSV, deadline=deadline)
        assert course.there()["maria"] == notebook(counts), deadline
    assert result.late == [(TWO, "maria")]
    stamp = course.path / "submitted/maria" / TWO / "timestamp.txt"
    assert stamp.read_text() == "2026-11-20 23:00:00 UTC\n"


def test_a_students_zip_does_not_say_when_it_was_handed_in(course):
    backdated = zipfile.ZipInfo(f"{TWO}.ipynb", (2020, 1, 1, 0, 0, 0))
    folder = lay(course.tmp / "in", {"maria.zip": zipped({backdated: notebook("late")})})
    os.utime(folder / "maria.zip", (MIDNIGHT, MIDNIGHT))
    result = course.take(folder, "folder", NBGRADER_CSV, deadline="2026-11-20T23:59+01:00")
    assert result.late == [(TWO, "maria")]


def test_a_zip_of_any_name(course):
    for name in ("submissions", "submissions.ZIP", "submissions.zip.download"):
        course.path = course.tmp / f"course-{name}"
        source = zipped({f"maria/{TWO}.ipynb": notebook()}, course.tmp / name)
        course.take(source, "folder", NBGRADER_CSV)
        assert set(course.there()) == {"maria"}


def test_hostile_folder(course, monkeypatch):
    secret = lay(course.tmp, {"secret.ipynb": notebook("secret")}) / "secret.ipynb"
    folder = lay(course.tmp / "in", {"joerg/nb\n\x1b[31m.ipynb": notebook(), "maria/x.txt": b""})
    (folder / "maria" / "a.ipynb").symlink_to(secret)
    (folder / "maria" / "loop").symlink_to(folder)
    os.mkfifo(folder / "maria" / f"{TWO}.ipynb")
    (folder / "maria" / "gone.zip").symlink_to("/dev/zero")
    Path(os.fsdecode(bytes(folder) + b"/joerg/\xff\xfe.txt")).write_bytes(b"")
    result = course.take(folder, "folder", NBGRADER_CSV)
    assert course.there() == {"joerg": notebook()}
    assert reasons(result).count("a link, which is not followed") == 3
    assert f"{TWO}.ipynb: not a file" in reasons(result) and "\x1b" not in result.text()

    denied = mock.Mock(side_effect=PermissionError(errno.EACCES, "Permission denied"))
    monkeypatch.setattr(downloads, "look", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(os, "open", denied)
    assert "cannot be read (Permission denied)" in reasons(course.take(folder, "folder", None))


def test_a_folder_of_downloads_is_one_too(course):
    files = {"submissions.zip": zipped({f"{C_JOERG}_1_a.ipynb": notebook()})}
    files |= {f"{C_ANN1}_2_a.ipynb": notebook(), f"{C_ANN2}_3_a.zip": zipped({"nb.ipynb": notebook()})}
    (course.tmp / "link").symlink_to(lay(course.tmp / "in", files))
    course.take(course.tmp / "link")
    assert set(course.there()) == {JOERG, ANN1, ANN2}


# --- again and again


def test_twice_is_once(course):
    files = {f"{C_JOERG}_10_a.ipynb": notebook("1"), f"{C_JOERG}_11_a-1.ipynb": notebook("2")}
    files |= {f"{C_ANN1}_2_a.zip": b"PK", "x": b""}
    course.take(files)
    before = course.snapshot()
    result = course.take(files)
    assert course.snapshot() == before and not result.placed and result.unchanged == [(TWO, JOERG)]


def test_what_was_collected_stays(course):
    course.take({f"{C_JOERG}_10_a.ipynb": notebook()})
    other = 'Student,ID,SIS Login ID,Section\n"Smith, Ann",103,ann1@uni.example,A\n'
    course.take({f"{C_ANN1}_11_a.ipynb": notebook()}, csv=other)
    assert set(course.there()) == {JOERG, ANN1} and len(course.roster()) == 5


def test_the_wrong_file_leaves_no_trace(course):
    """Of it nothing is kept, and of an earlier download everything; but the class that came with it is."""
    wrong = {f"x/{n}.txt": b"" for n in range(collect.MOST_LINES + 2)}
    result = course.take(wrong)
    assert sorted(course.snapshot()) == ["grading/.collect.lock", "grading/roster.json"]
    assert len(course.roster()) == 5
    assert "x: 2 more: not a notebook\n" in result.text() + "\n"  # and no file that would name them
    both = {f"{C_JOERG}_10_a.ipynb": notebook(), **wrong}
    course.take(both)
    before = course.snapshot()
    assert "collected.json names them" in course.take(both, csv=None).text()
    assert not course.take({"other.txt": b""}, csv=None).recorded
    assert not course.take(zipped({"a.ipynb": b"{}"}, course.tmp / "wrong.zip"), csv=None).recorded
    assert course.snapshot() == before


def two_and_three():
    return {f"{C_JOERG}_1_a.ipynb": notebook(), f"{C_ANN1}_2_a.ipynb": notebook(lesson=THREE)}


def test_a_lesson_that_was_not_released_is_not_begun_by_a_stray_notebook(course):
    files = two_and_three()
    lay(course.path, {"release/hw1/hw1.ipynb": b"{}"})  # none of the lessons
    assert len(course.take(files).placed) == 2
    course.path = course.tmp / "class"
    lay(course.path, {f"release/{THREE}/{THREE}.ipynb": notebook(lesson=THREE)})
    result = course.take(files)
    why = f"is {TWO}, which is not released in {course.path}; `--assignment {TWO}` takes it (of {JOERG})"
    assert result.placed == [(THREE, ANN1)] and result.left_out == [(f"{C_JOERG}_1_a.ipynb", why)]
    assert course.take(files, assignment="2").placed == [(TWO, JOERG)]


def test_whose_notebooks_have_other_names(course, monkeypatch):
    monkeypatch.setattr(collect, "MOST_LINES", 2)
    files = {f"{who}_1_a.ipynb": notebook() for who in (C_ANN1, C_JOERG, C_MARIA)}
    result = course.take({**files, f"{C_ANN2}_2_03_x.ipynb": notebook(lesson=THREE)})
    told = "4 notebooks not named after their lessons, which the content shows: "
    assert f"{told}{ANN1} ({TWO}), {JOERG} ({TWO}) (and 2 more)." in result.text()


def test_the_first_line_says_what_went_where(course, monkeypatch):
    text, where = course.take(two_and_three()).text(), course.path / "submitted"
    of = f"of {TWO}, {THREE} into {where}"
    assert text.startswith(f"Collected 2 notebooks {of}; 0 more were there already.\n")
    monkeypatch.chdir(course.path)  # the course that nobody named
    text = collect.collect(course.tmp / "submissions.zip", "canvas").text()
    assert text.startswith(f"Collected 0 notebooks {of}; 2 more were there already.\n")
    nothing = collect.Collected("class/submitted").text()
    assert nothing == "Collected 0 notebooks into class/submitted; 0 more were there already."


def test_a_folder_that_is_no_course_yet_is_told(course):
    files = {f"{C_JOERG}_1_a.ipynb": notebook()}
    told = "is no course folder yet, and was begun now; `dolphins release"
    text = course.take(files).text()
    assert f"{course.path} {told} --lessons N --course {course.path}` makes the rest." in text
    assert told not in course.take(files).text()
    for name in ("nbgrader_config.py", "source"):
        course.path = course.tmp / f"course-{name}"
        (course.path / name).mkdir(parents=True)
        assert told not in course.take(files).text()


def test_by_hand_is_left_alone(course):
    course.take({f"{C_JOERG}_10_a.ipynb": notebook()})
    path = course.path / "submitted" / JOERG / TWO / f"{TWO}.ipynb"
    path.write_bytes(b"mended")
    result = course.take({f"{C_JOERG}_11_a.ipynb": notebook("2")}, csv=None)
    assert path.read_bytes() == b"mended" and "changed by hand and is left as it is" in result.text()
    path.unlink()
    course.take({f"{C_JOERG}_11_a.ipynb": notebook("2")}, csv=None)
    assert path.read_bytes() == notebook("2")


def test_disk_full_at_every_write(course, monkeypatch):
    """What was there stays whole, and the next run makes what an undisturbed one makes."""
    old = {f"{C_JOERG}_10_a.ipynb": notebook("1")}
    new = {f"{C_JOERG}_11_a.ipynb": notebook("2"), f"{C_ANN1}_2_a.ipynb": notebook()}
    fsync, budget = os.fsync, [0]
    course.take(old)
    course.take(new)
    wanted = course.snapshot()

    def full(handle):
        budget[0] -= 1
        if budget[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    for left in range(20):
        course.path = course.tmp / f"course{left}"
        course.take(old)
        budget[0] = left
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            try:
                course.take(new)
            except CourseError as error:
                says(str(error), "No space left", "Nothing that was collected is lost")
            else:
                break
        assert course.there()[JOERG] in (notebook("1"), notebook("2"))
        assert all(data in (notebook("1"), notebook("2"), notebook()) for data in course.there().values())
        assert not list(course.path.rglob("*.part"))
        course.take(new, csv=None)
        assert course.snapshot() == wanted, left
    assert left > 4


def test_one_at_a_time(course):
    (course.path / "grading").mkdir(parents=True)
    told = "another `dolphins collect` is at work"
    with collect.locked(course.path), pytest.raises(CourseError, match=told):
        course.take({})


def test_register_that_cannot_be_read(course):
    course.take({f"{C_JOERG}_10_a.ipynb": notebook()})
    for name, told in (("collected.json", "put back the file"), ("roster.json", "Delete it")):
        (course.path / "grading" / name).write_text("[{")
        with pytest.raises(CourseError, match=told):
            course.take({}, csv=None)
        (course.path / "grading" / name).unlink()


# --- rosters

CSVS = ((CANVAS_CSV, 5), (MOODLE_CSV, 4), (WORKSHEET, 4), (NBGRADER_CSV, 2))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(("text", "number"), CSVS, ids=["canvas", "moodle", "worksheet", "nbgrader"])
def test_rosters_in_every_encoding(course, text, number, separator, encoding):
    rows = roster.table(text.replace("Łukasz, Đặng", "Lukasz, Dang").encode())[0]
    text = "\r\n".join(separator.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows)
    students = course.students(text.encode(encoding))
    assert len(students) == number and not any("Points" in one.last_name for one in students)
    first, second = students[:2]
    assert first.name == "María José Núñez O'Brien" and first.email == MARIA
    assert (second.first_name, second.last_name) == ("Jörg", "Müller")
    assert first.id in (MARIA, "S101", "maria")


@pytest.mark.parametrize(
    "text",
    [
        "OrgDefinedId,Username,Last Name,First Name,Email,End-of-Line Indicator\n#12,#ada,L,Ada,a@x,#\n",
        '"Exercise 2","Points"\n\n"Display ID","Student ID","Last Name","First Name"\n"ada","12","L","Ada"\n',
        "Biology 101;;;\n;;;\nMatrikel-Nr.;Familienname;Vorname;Anmeldename\n12;L;Ada;ada\n",
        '"Family name"\t"Given name"\t"Username"\t"Student ID"\n"L"\t"Ada"\t"ada"\t"12"\n',
    ],
    ids=["Brightspace", "Sakai", "a registrar's", "Blackboard"],
)
def test_tables_of_other_offices(course, text):
    (ada,) = course.students(text)
    assert (ada.id, ada.name, ada.number, ada.login) == ("ada", "Ada L", "12", "ada" if ada.login else "")
    with pytest.raises(CourseError, match="no column of names"):
        course.students("Given,Family,Role\nAda,L,Student\nBo,M,Student\n")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1250", "mac_roman"])
def test_other_code_pages_are_said(course, encoding):
    text = "id;first_name;last_name\n7;Zoë;Müller\n"
    students, _, notes = roster.students_in(course.csv(text.encode(encoding)))
    assert (students[0].name == "Zoë Müller") is ("mac" not in encoding)
    if "utf" not in encoding:
        says(" ".join(notes), "is no UTF-8", students[0].name, "save the table as CSV UTF-8")
    assert not roster.students_in(course.csv(text))[2]


def test_what_a_roster_gives_for_upload(course):
    first = course.students(CANVAS_CSV)[0]
    assert (first.lms_user_id, first.sis_user_id, first.login, first.section) == ("101", "S101", MARIA, "A")
    assert course.students(WORKSHEET)[1].identifier == "Participant 5002"
    two = course.students("LastName,FirstName,ID,SIS Login ID,Section\nSmith,Ann,7,as,1\n")
    assert two == [roster.Student("as", "Ann", "Smith", lms_user_id="7", login="as", section="1")]
    german = "Vorname;Nachname;ID-Nummer;E-Mail-Adresse\nJörg;Müller;12;j@x\n"
    joerg = course.students(german.encode("latin-1"))[0]
    assert joerg == roster.Student("12", "Jörg", "Müller", "j@x", number="12")


def test_a_second_roster_keeps_ids(course):
    course.take(moodle(M_JOERG), "moodle", MOODLE_CSV)
    more = "Identifier,Full name,Email address\nParticipant 6002,Jörg Müller,joerg@uni.example\n"
    more += "Participant 6009,Eve New,eve@uni.example\n"
    course.take(moodle("Jörg Müller_6002", lesson=THREE), "moodle", more)
    students = course.roster()
    assert list(students) == ["S101", "S102", "S103", "S104", "eve@uni.example"]
    assert students["S102"].first_name == "Jörg"
    assert students["S102"].participants == {TWO: "Participant 5002", THREE: "Participant 6002"}


def test_the_roster_of_another_class_is_refused(course):
    course.take({f"{C_JOERG}_10_a.ipynb": notebook()})
    before = course.snapshot()
    wrong = "id,first_name,last_name\nbob,Bob,B\ncarol,Carol,C\n"
    with pytest.raises(CourseError) as error:
        course.take({f"{C_JOERG}_11_a.ipynb": notebook("2")}, csv=wrong)
    told = f"{course.tmp}/roster.csv: none of its 2 students (Bob B, Carol C) is in this class of 5 so far. "
    told += "Is it another class's? To add students, give a csv in which somebody of the class stands too; "
    told += f"to begin the class anew, delete {course.path}/grading/roster.json, then collect again."
    assert str(error.value) == told
    with pytest.raises(CourseError, match="Some names are the same, but no id, email or number is"):
        course.take({}, csv=wrong + "joerg,Jörg,Müller\n")
    assert course.snapshot() == before
    roster.roster_path(course.path).unlink()
    assert course.take({}, csv=wrong).notes == [] and len(course.roster()) == 2


def test_who_is_new_in_the_class_is_told(course):
    files = {f"{C_JOERG}_10_a.ipynb": notebook()}
    assert "New in the class" not in course.take(files).text()
    more = "".join(f'"New, {name}",{number},,{name}@x,A,,\n' for number, name in enumerate("ABCDEFG", 201))
    result = course.take(files, csv=CANVAS_CSV + more)
    assert "New in the class: A New, B New, C New, D New, E New (and 2 more)." in result.notes
    assert "New in the class" not in course.take(files, csv=CANVAS_CSV + more).text()


@pytest.mark.parametrize(
    "text,told",
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no column of names"),
        ("id,first_name\n", "no student"),
        ("id\nx/y\nx_y\n", "two students would have the id 'x_y'"),
        ("First name,Last name\nAnn,Smith\nAnn,Smith\nAnn ,Smith\n", "two students"),
        (b"PK\x03\x04", "not a csv but a zip archive"),
        (zipped({}), "not a csv but a zip archive"),
        (zipped({"a.ipynb": b""}), "handed in is named without it"),
        (zipped({"[Content_Types].xml": b""}), "a workbook or document: save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook or document: save it as CSV UTF-8"),
        ("<!DOCTYPE html><title>Log in to the site</title>", "a web page: download the file again"),
        ("<html>".encode("utf-16"), "a web page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "`git lfs pull`"),
        ("id,last_name\n<<<<<<< HEAD\na,A\n=======\na,B\n>>>>>>> main\n", "a git merge conflict: resolve it"),
        (notebook(), "not a csv but a notebook"),
        (bytes(100), "zeros alone"),
        ("id,last_name\n,\n-,\n", "without name"),
        ('id,"' + "x" * 200_000, "no student in it"),
    ],
)
def test_rosters_that_are_none(course, text, told):
    with pytest.raises(CourseError, match=told):
        course.students(text)


def test_ids_name_nothing_outside(course):
    csv = "id,last_name\n../../evil,Evil\n/etc/passwd,Pass\n.hidden,Hid\n"
    assert [one.id for one in course.students(csv)] == ["evil", "etc_passwd", "hidden"]


# --- the command


def test_a_lesson_is_called_by_its_name_or_number():
    lessons = ["01_a", "02_b", "hw1", "2_c", "3_d"]
    for text, lesson in (("02_b", "02_b"), ("1", "01_a"), ("01", "01_a"), ("003", "3_d"), ("hw1", "hw1")):
        assert whose.lesson_called(text, lessons) == lesson
    told = "no such lesson. The lessons are 01_a, 02_b, hw1, 2_c, 3_d; the number will do."
    for text in ("2", "4", "0", "", "-1", "b", "²", "9" * 5000):
        with pytest.raises(CourseError, match=told):
            whose.lesson_called(text, lessons)


def test_the_command_and_its_exit_code(course, dolphins):
    run = functools.partial(dolphins, "collect", "--from", "canvas")
    taken, nobodys = {f"{C_JOERG}_1_a.ipynb": notebook()}, {"dawn_9_9_a.ipynb": notebook()}
    files = {"good": taken, "bad": nobodys, "both": taken | nobodys}
    good, bad, both = (zipped(files[name], course.tmp / f"{name}.zip") for name in files)
    options = ("--course", course.path)
    with_roster = (*options, "--roster", course.csv(CANVAS_CSV))
    for arguments, told in (
        ((good, *options), "Who is in the class?"),
        ((course.tmp / "no.zip", *with_roster), "no such file"),
        ((good, *options, "--roster", course.tmp / "no.csv"), "no.csv: cannot be read"),
        ((good, *with_roster, "--assignment", "07_x"), "The lessons are 01_"),
        ((good, *with_roster, "--deadline", "tomorrow"), "Write 2026-11-20T23:59"),
    ):
        code, _, err = run(*arguments)
        assert code == 1 and told in err
    assert not course.path.exists()  # nothing is begun by a mistake
    first = f"Collected 1 notebook of {TWO} into {course.path / 'submitted'}; 0 more were there already.\n"
    for source, arguments, expected, told in (
        (good, (*with_roster, "--assignment", 2), 0, first),
        (both, options, 0, "Could not be placed:\n  dawn_9_9_a.ipynb"),
        (bad, options, 1, "nobody in the roster"),
    ):
        code, out, _ = run(source, *arguments)
        assert code == expected and told in out
    blocked = write(course.tmp / "file", "")
    code, _, err = run(good, "--roster", course.tmp / "roster.csv", "--course", blocked)
    assert code == 1 and "cannot be written" in err


TIMES = ["0001-01-01 00:00:00 +1400", "9999-12-31 23:59:59 -1200", "0000-00-00 00:00:00", "x" * 10**6]


@pytest.mark.parametrize("told", TIMES)
def test_a_time_that_no_clock_shows_is_none(course, told):
    files = {f"submitted/{who}/{TWO}/{TWO}.ipynb": notebook(who) for who in ("maria", "joerg")}
    lay(course.tmp / "in", files)
    (course.tmp / "in" / "submitted" / "joerg" / TWO / "timestamp.txt").write_text(told)
    result = course.take(course.tmp / "in", "nbgrader", NBGRADER_CSV, deadline="2026-11-20T23:59+01:00")
    assert set(course.there()) == {"maria", "joerg"} and not result.left_out and not result.late
    assert "some files carry no time" in result.text()


def test_whatever_a_file_does_to_taking_it_in_stays_with_it(course, monkeypatch):
    def fails(run, item, who, student, deadline):
        if "maria" in item.label:
            raise ArithmeticError(item.label)
        return None, None

    monkeypatch.setattr(collect._Run, "time_of", fails)
    result = course.take(
        {f"{who}/a.ipynb": notebook(who) for who in ("maria", "joerg")}, "folder", NBGRADER_CSV
    )
    assert set(course.there()) == {"joerg"} and result.missing == {TWO: ["maria"]}
    assert "maria/a.ipynb: to be looked at by hand: it cannot be taken in (ArithmeticError)" in reasons(
        result
    )


def test_very_many_files_of_a_folder_are_not_read_nor_listed_one_by_one(course, monkeypatch):
    monkeypatch.setattr(downloads, "MOST_FILES", 30)
    monkeypatch.setattr(collect, "MOST_ALIKE", 10)
    files = {f"maria/{n:02}.ipynb": b"{}" for n in range(60)} | {f"joerg/{TWO}.ipynb": notebook()}
    lay(course.tmp / "in", files)
    result = course.take(course.tmp / "in", "folder", NBGRADER_CSV)
    assert set(course.there()) == {"joerg"} and len(result.left_out) <= 3 * 11
    says(
        reasons(result),
        "not read, for these are more than 30 files together",
        "maria: 20 more: to be looked at",
    )


def test_a_long_text_in_a_worksheet_is_no_reason_to_read_none(course):
    sheet = WORKSHEET.replace("Status", "Online text").replace("Submitted", f'"{"x, " * 100_000}"', 1)
    assert [one.number for one in course.students(sheet)] == ["S101", "S102", "S103", "S104"]
