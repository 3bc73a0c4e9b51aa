"""What learning systems call files: each system's download comes to its students, also a group's; nobody gets
another's work, whatever students call themselves and their files."""

import json
import os
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import class_report, collect, identity, roster, systems
from course_lib.errors import CourseError
from dolphins import cli

from .collecting import THREE, TWO, lay, notebook, reasons, says, zipped
from .helpers import write_record

CLASS = """id,first_name,last_name,email
ada,Ada,Lovelace,ada@uni.example
grace,Grace,Hopper,ghopper@uni.example
emmy,Emmy,Noether,emmy@uni.example
jo_smith,Jo,Smith,jo@uni.example
smith,Carl,Smith,carl@uni.example
"""
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section
"Lovelace, Ada",4001,S101,ada,A
"Hopper, Grace",4002,S102,grace,A
"{eve}",77,S103,eve,A
"""
CANVAS_GROUPS = """name,canvas_user_id,user_id,login_id,sections,group_name,canvas_group_id,group_id
"Lovelace, Ada",4001,S101,ada,A,Dolphin Watchers,9,
"Hopper, Grace",4002,S102,grace,A,Dolphin Watchers,9,
"Smith, Eve",77,S103,eve,A,,,
"""
EARLY, LATER = '"Friday, 20 November 2026, 9:00 AM"', '"Friday, 20 November 2026, 11:05 PM"'
SHEET = f"""Identifier,Full name,ID number,Email address,Status,Group,Grade,Maximum grade,\
Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments
Participant 77,Ada Lovelace,S77,ada@uni.example,Submitted,Group A,,55.00,Yes,{LATER},-,
Participant 78,Grace Hopper,S78,grace@uni.example,Submitted,Group A,,55.00,Yes,{LATER},-,
Participant 79,Emmy Noether,S79,emmy@uni.example,Submitted,Group B,,55.00,Yes,{EARLY},-,
Participant 4001,Eve Smith,S80,eve@uni.example,Submitted,Default group,,55.00,Yes,{EARLY},-,
Participant 80,Bo Ek,S81,bo@uni.example,Submitted,,,55.00,Yes,{EARLY},-,
"""
DEADLINE = "2026-11-20T23:59+01:00"


def one(course, name, kind, csv, **options):
    """Collects one file. -> result, who has it"""
    result = course.take({name: notebook(name)}, kind, csv, **options)
    return result, sorted(course.there())


# --- nobody gets another's work

EVE = "Smith, Eve"
NUMBER_AND_NAME = [  # the file, what the roster calls Eve, whose it is or why it is nobody's
    ("smitheve_77_9001_02_template_model.ipynb", EVE, ["eve"]),
    ("eve_4001_77_123_02.ipynb", EVE, "the number 77 is that of eve, the number 4001 that of ada"),
    ("eve_4001_77_123_02.ipynb", "eve_4001", ["eve"]),
    ("lovelaceada_4001_77_123_02.ipynb", EVE, "the number 77 is that of eve"),  # she called herself so later
    ("lovelaceada_4001_77_123_02.ipynb", "LovelaceAda_4001", ["eve"]),
    ("lovelaceada_77_123_02.ipynb", EVE, "the number 77 is that of eve, the name 'lovelaceada' that of ada"),
    ("smitheve_4001_123_02.ipynb", EVE, "the number 4001 is that of ada, the name 'smitheve' that of eve"),
    ("smitheve_77_123_lovelaceada_4001_5_02.ipynb", EVE, "the number 4001 is that of ada"),  # the file's name
    ("lovelaceada_4003_123_02.ipynb", EVE, "the name is ada's, but the number 4003 is not"),
    ("lovelаceada_4001_123_02.ipynb", EVE, "'lovelаceada' is another name"),  # a letter of another alphabet
    ("lovelaceada_4001" + 30 * "_1" + "_77_123_02.ipynb", EVE, "can be read in very many ways"),
    ("lovelaceada_٤٠٠١_123_02.ipynb", EVE, "the name is not one that Canvas gives"),
    ("smithevehopper_77_123_02.ipynb", EVE, ["eve"]),  # one more name than the roster has
]


@pytest.mark.parametrize("name, eve, whose", NUMBER_AND_NAME)
def test_canvas_number_and_name_agree_or_it_is_nobodys(course, name, eve, whose):
    result, found = one(course, name, "canvas", CANVAS.format(eve=eve))
    if isinstance(whose, list):
        assert found == whose and not result.left_out
    else:
        assert found == [] and whose in reasons(result)


PACKED = [  # a zip whose name is nobody's of the system, what lies in it, who has it
    ("_77_9001_work.zip", "lovelaceada_4001_9002_02.ipynb", ["eve"]),  # who is called ★
    ("_work.zip", "lovelaceada_4001_9002_02.ipynb", []),
    ("_77_x_work.zip", "deep.zip", []),
]


@pytest.mark.parametrize("name, inner, whose", PACKED)
def test_what_a_student_packed_names_nobody(course, name, inner, whose):
    data = notebook() if inner.endswith(".ipynb") else zipped({"lovelaceada_4001_9002_02.ipynb": notebook()})
    files = {name: zipped({inner: data}), "hoppergrace_4002_5_a.ipynb": notebook("grace")}
    course.take(files, "canvas", CANVAS.format(eve="★"))
    assert sorted(course.there()) == sorted([*whose, "grace"])


MOODLE_NAMES = [
    ("Ada Lovelace_77", ["S77"]),
    ("LOVELACE,ADA-S77_77", ["S77"]),
    ("Ada LOVELACE (Addie)_77", ["S77"]),
    ("Group A-Ada Lovelace_77", ["S77"]),
    ("Participant_77", ["S77"]),
    ("Teilnehmer in_77", ["S77"]),
    ("Group B_77", ["S79"]),  # the group's number, not Ada's
    ("Default group", ["S80"]),
    ("Group A_4001", ["S77", "S78"]),
    ("Eve Smith_77", "the number 77 is that of S77, the name 'Eve Smith' that of S80"),
    ("Group C_77", "the number 77 is that of S77, but 'Group C' is another name. If it is a group's: give"),
    ("Ada Lovelace-S78_99", "that of several students: S77, S78"),
    ("Ada Lovelace_4001_assignsubmission_file_ x_78", "the number 78 is that of S78"),
    ("Eve Smith_77_assignsubmission_file__4001", "the number 4001 is that of S80, the number 77 that of S77"),
    ("Ada Lovelace_999", "the name is S77's, but the number 999 is not"),  # the others are in this worksheet
]


@pytest.mark.parametrize("layout", ["/a.ipynb", "_/a.ipynb", "_a.ipynb"])
@pytest.mark.parametrize("name, whose", MOODLE_NAMES)
def test_moodles_names(course, name, whose, layout):
    other = {"Bo Ek_80_assignsubmission_file/a.ipynb": notebook("other")}
    result = course.take({f"{name}_assignsubmission_file{layout}": notebook("x"), **other}, "moodle", SHEET)
    found = sorted(student for student, data in course.there().items() if data == notebook("x"))
    if isinstance(whose, list):
        assert found == whose and not result.left_out
    else:
        assert found == [] and whose in reasons(result)


def test_a_group_is_not_who_has_its_number(course):
    result, found = one(
        course, "Group B_77_assignsubmission_file/a.ipynb", "moodle", SHEET, deadline=DEADLINE
    )
    assert found == ["S79"] and course.roster()["S79"].participants == {TWO: "Participant 79"}
    assert (course.path / "submitted/S79" / TWO / "timestamp.txt").read_text() == "2026-11-20 08:00:00 UTC\n"
    assert roster.worksheet_path(course.path, TWO).exists()
    assert "is that of Group B, and counts for S79." in result.text()


IN_FOLDERS = [  # what names somebody, the other, or both
    ("ada/grace.ipynb", ["ada"]),
    ("ada_grace.ipynb", "names several students: ada, grace"),
    ("Ada Lovelace and Grace Hopper/a.ipynb", "names several students: ada, grace"),
    ("x_ada_Grace Hopper/a.ipynb", "names several students: ada, grace"),
    ("jo_smith/a.ipynb", ["jo_smith"]),
    ("hw_jo_smith_final.ipynb", ["jo_smith"]),  # not smith, which lies within it
    ("smith.ipynb", ["smith"]),
    ("jo@uni.example_02.ipynb", ["jo_smith"]),
    ("ada.zip/ghopper/a.ipynb", ["ada"]),
    ("аda/a.ipynb", "no id, email or name of the roster"),  # a letter of another alphabet
]


@pytest.mark.parametrize("where, whose", IN_FOLDERS)
def test_all_that_a_folders_name_says_is_one_student(course, where, whose):
    top, _, rest = where.partition(".zip/")
    files = {f"{top}.zip": zipped({rest: notebook()})} if rest else {where: notebook()}
    result = course.take(lay(course.tmp / "in", files), "folder", CLASS)
    assert sorted(course.there()) == (whose if isinstance(whose, list) else [])
    if isinstance(whose, str):
        assert whose in reasons(result)


NUMBERS = "id,first_name,last_name\n101,Ada,Lovelace\n102,Grace,Hopper\n103,Emmy,Noether\n104,Jo,Smith\n"


@pytest.mark.parametrize(
    "where, there",
    [
        # All of the class is in the folder of a course.
        (["BIO 101/Ada Lovelace/a", "BIO 101/Grace Hopper/a", "BIO 101/Emmy Noether.zip/a"], "101 102 103"),
        (["WS 104/101/a", "WS 104/102/a", "WS 104/BIO 103/103/a"], "101 102 103"),
        (["Section 101/Grace Hopper/a", "Section 101/Emmy Noether/a", "Section 102/Jo Smith/a"], ""),
        (["Section 101/102/a", "Section 101/103/a", "Section 102/101/a"], ""),
        (["BIO 101/Grace Hopper/a"], ""),
        (["hw 101/a", "hw 102/grace", "hw 103/a b"], "101 102 103"),
    ],
)
def test_the_number_of_a_course_or_section_is_no_students(course, where, there):
    files = {f"{name}.ipynb": notebook(name) for name in where}
    result = course.take(files, "folder", NUMBERS)
    found = {who: notebook(where[n]) for n, who in enumerate(there.split())}
    assert course.there() == found and len(result.left_out) == len(where) - len(found)
    if not there:
        says(reasons(result), "has the number of 101, but names in it that of 102")


def test_an_address_that_begins_like_anothers_id_is_nobodys_or_the_ids(course):
    csv = CLASS + "eve,Eve,New,grace@mail.example\n"
    assert one(course, "grace_02.ipynb", "folder", csv)[1] == []  # hers, or Eve's?
    name = "Lesson 2_grace_attempt_2026-11-20-10-00-00_a.ipynb"
    assert one(course, name, "blackboard", csv)[1] == ["grace"]  # there it is a login


def test_an_id_that_is_anothers_number_is_nobodys(course):
    csv = "id,first_name,last_name,email,lms_user_id\n4001,Eve,New,,77\nada,Ada,Lovelace,,4001\n"
    assert one(course, "4001/a.ipynb", "folder", csv)[1] == []
    result, found = one(course, "neweve_4001_5_a.ipynb", "canvas", csv)
    assert found == [] and "the number 4001 is that of ada, the name 'neweve' that of 4001" in reasons(result)


def test_of_two_numbers_of_one_name_neither_counts_whenever_they_come(course):
    csv = "id,first_name,last_name\nann,Ann,Smith\n"
    names = ("smithann_103_1_a.ipynb", "smithann_104_2_a.ipynb", "smithann_103_3_a.ipynb")
    result = course.take({name: notebook(name) for name in names}, csv=csv)
    assert not course.there() and len(result.left_out) == 3 and result.missing[TWO] == ["ann"]
    right = "id,first_name,last_name,lms_user_id\nann,Ann,Smith,103\n"
    result = course.take({name: notebook(name) for name in names}, csv=right)
    assert course.there() == {"ann": notebook(names[2])} and len(result.left_out) == 1


def test_what_was_anothers_is_taken_away_when_the_roster_says_so(course):
    csv = "id,first_name,last_name\nann,Ann,Smith\nbo,Bo,Ek\n"
    name = "smithann_104_2_a.ipynb"
    assert one(course, name, "canvas", csv)[1] == ["ann"]
    right = "id,first_name,last_name,lms_user_id\nann,Ann,Smith,103\nbo,Bo,Ek,\nann2,Ann,Smith,104\n"
    result, found = one(course, name, "canvas", right)
    assert found == ["ann2"] and "ann (02_template_model): what was taken for theirs is not" in result.text()


def test_what_turns_out_to_disagree_is_nobodys_again(course):
    name = "lovelaceada_77_123_02.ipynb"
    assert one(course, name, "canvas", "id,first_name,last_name\nada,Ada,Lovelace\neve,Eve,Smith\n")[1] == [
        "ada"
    ]
    result, found = one(course, name, "canvas", CANVAS.format(eve=EVE))
    assert found == [] and "the number 77 is that of eve, the name 'lovelaceada' that of ada" in reasons(
        result
    )
    assert result.missing[TWO] == ["ada", "eve", "grace"] and "is not there now" in result.text()


# --- a person says whose it is


def test_assign_is_what_the_message_says_and_is_kept(course):
    name = "Dolphin Watchers/it's ours.ipynb"
    folder = lay(course.tmp / "in", {name: notebook("1")})
    group = "it's_4001_5_a.ipynb"
    result, found = one(course, group, "canvas", CANVAS.format(eve=EVE))
    option = re.search(r"--assign (\S.*?=ada)(\S*)", reasons(result))
    assert option and found == []
    both = {"assign": [f"{group}=ada", f"{group}=grace"]}
    result, found = one(course, group, "canvas", None, **both)
    assert found == ["ada", "grace"] and "counts for ada, grace" in result.text()
    assert one(course, group, "canvas", None)[1] == ["ada", "grace"]  # it is kept
    other = course.take({group: notebook("other")}, "canvas", None)
    assert "another file than the one that was assigned to ada, grace" in reasons(other)
    result, found = one(course, group, "canvas", None, assign=[f"{group}=eve"])
    assert found == ["eve"]  # and they have not got it any more
    assert course.take(folder, "folder", None, assign=[f"{name}=ada"]).placed == [(TWO, "ada")]


def test_assign_of_nobody_or_nothing(course):
    told = course.take(
        {"x_4001_5_a.ipynb": notebook()}, "canvas", CANVAS.format(eve=EVE), assign=["y=ada"]
    ).text()
    assert "--assign: no notebook of this download is called 'y'." in told
    for text in ("y", "y=bob", "=ada", "y="):
        with pytest.raises(CourseError, match="is no id and no group of this class. Write FILE=ID"):
            course.take({}, "canvas", None, assign=[text])


NAMES = [
    ("राम", "कुमार"),
    ("रमा", "कुमारी"),
    ("さくら", "さとう"),
    ("สมชาย", "ใจดี"),
    ("கண்ணன்", "முருகன்"),
    ("علی\u200cرضا", "کریمی"),
]
OF_STRANGERS = "रवि कौर,रमा कुमर,さどう さくら,สมชย ใจด,கண்ணி முருகி".split(",")


def test_marks_that_are_vowels_tell_names_apart(course):
    csv = "id,first_name,last_name\n" + "".join(f"s{n},{a},{b}\n" for n, (a, b) in enumerate(NAMES))
    files = {f"{a} {b}/a.ipynb": notebook(f"s{n}") for n, (a, b) in enumerate(NAMES)}
    files |= {f"{name}/a.ipynb": notebook(name) for name in OF_STRANGERS}
    result = course.take(files, "folder", csv)
    assert course.there() == {f"s{n}": notebook(f"s{n}") for n in range(len(NAMES))}
    assert len(result.left_out) == len(OF_STRANGERS) and "Several students" not in result.text()
    who = identity.Roster(
        course.students("id,first_name,last_name\na,José,Núñez\nb,مُحَمَّد,علي\nc,علی رضا,کریمی\n")
    )
    ids = [one.id for one in course.students("first_name,last_name\nराम,कुमार\nरेम,कुमार\n")]
    assert ids == ["कुमारराम", "कुमाररेम"]
    for name, student in (("Jose\u0301 Nunez", "a"), ("محمد علي", "b"), ("علیرضا کریمی", "c")):
        assert who.mentioned(name)[0] == {student}, name


# --- group work


def test_a_canvas_groups_file_counts_for_each_member(course):
    name = "dolphinwatchers_4001_5001_a.ipynb"
    result, found = one(course, name, "canvas", CANVAS.format(eve=EVE))
    says(reasons(result), "the number 4001 is that of ada, but 'dolphinwatchers' is another name")
    says(reasons(result), "give Canvas's csv of the group set", f"--assign {name}=ada")
    result, found = one(course, name, "canvas", CANVAS_GROUPS)
    assert found == ["ada", "grace"] and result.missing[TWO] == ["eve"]
    assert [student.lms_user_id for student in course.roster().values()] == ["4001", "4002", "77"]
    result, found = one(course, "dolphinwatchers_77_5002_a.ipynb", "canvas", None)
    assert "but the number 77 is eve's" in reasons(result)  # who is not in it
    result, found = one(course, "dolphinwatchers_78_5002_a.ipynb", "canvas", None)
    assert "but the number 78 is nobody's" in reasons(result)  # somebody who calls himself so


OF_TWO = [  # two groups that are nearly the same, of Ada and Grace, and of Emmy
    ("Group 1.1", "Group 11"),
    ("C", "C++"),
    ("Lions", "Lions, Tigers"),
    ("Lions, Tigers", "Lions"),
    ("A/B", "AB"),
]


def _sheet(first, second):
    """Moodle's worksheet with these groups."""
    return SHEET.replace("Group A", f'"{first}"').replace("Group B", f'"{second}"')


@pytest.mark.parametrize("first, second", OF_TWO)
def test_groups_that_differ_by_a_sign_are_two(course, first, second):
    numbers = {first: 901, second: 902}
    files = {f"{name}_{n}_assignsubmission_file/a.ipynb": notebook(name) for name, n in numbers.items()}
    files = {name.replace("A/B", "AB"): data for name, data in files.items()}
    result = course.take(files, "moodle", _sheet(first, second))
    if "A/B" in numbers:  # Moodle writes both the same
        assert not course.there() and "several groups: 'A/B' (S77, S78) and 'AB' (S79)" in reasons(result)
        return
    both = dict.fromkeys(("S77", "S78"), notebook(first))
    assert course.there() == both | {"S79": notebook(second)} and not result.left_out


def test_canvas_leaves_signs_out_and_the_number_is_a_members(course):
    csv = CANVAS_GROUPS.replace("Dolphin Watchers", "Group 1.1").replace(
        'Eve",77,S103,eve,A,', 'Eve",77,S103,eve,A,Group 11'
    )
    files = {"group11_4001_5001_a.ipynb": notebook("1.1"), "group11_77_5002_a.ipynb": notebook("11")}
    result = course.take(files | {"group11_99_5003_a.ipynb": notebook("x")}, "canvas", csv)
    assert course.there() == {"ada": notebook("1.1"), "grace": notebook("1.1"), "eve": notebook("11")}
    assert "that of several groups" in reasons(result)


def test_participants_may_be_in_several_groups(course):
    csv = (
        CLASS.replace("email", "email,Groups")
        .replace("uni.example", "uni.example,")
        .replace("ada@uni.example,", 'ada@uni.example,"Lions, Blue"')
    )
    course.take({"a.ipynb": notebook()}, "folder", csv)
    assert course.roster()["ada"].groups() == {"Lions", "Blue"} and not course.roster()["emmy"].groups()


def test_two_numbers_of_one_group_are_for_a_person(course):
    name = "Group A_{}_assignsubmission_file/a.ipynb"
    theirs, other = name.format(901), name.format(4001)  # of Eve, who calls herself so
    result = course.take({theirs: notebook("a"), other: notebook("eve")}, "moodle", SHEET)
    assert not course.there() and "counts for" not in result.text()
    says(reasons(result), "is that of Group A, but so is that of number 4001", "so is that of number 901")
    result = course.take(
        {theirs: notebook("a"), other: notebook("eve")}, "moodle", None, assign=[f"{theirs}=Group A"]
    )
    assert course.there() == dict.fromkeys(("S77", "S78"), notebook("a")) and len(result.left_out) == 1


def test_the_class_page_says_whose_file_counts_for_several(course):
    one(course, "dolphinwatchers_4001_5001_a.ipynb", "canvas", CANVAS_GROUPS)
    assert collect.groups_of(course.path) == {TWO: [("Dolphin Watchers", ["ada", "grace"])]}
    work = "\n".join(f"a{n} = [{n}] * {n} + list(range({n * n}))" for n in range(20))
    for student in ("ada", "grace", "eve"):
        write_record(course.path, student, solution_text={"rodrigues": work})
    page = class_report.write_report(course.path, show=lambda text: None)
    words = re.sub("<[^>]+>", "", page.read_text())
    assert "One file counts for several: Dolphin Watchers (Ada Lovelace, Grace Hopper)." in words
    assert "Exercise 2 · Rodrigues: Ada Lovelace, Eve Smith" in " ".join(words.split())  # nearly the same
    rows = [row.split(",") for row in (page.parent / "grades.csv").read_text().splitlines()]
    assert {row[3]: row[7] for row in rows[1:]} == dict.fromkeys(("ada", "grace", "eve"), "35.0")


def test_a_group_that_calls_itself_late_is_not(course):
    groups = CANVAS_GROUPS.replace("Dolphin Watchers", "Team_Late")
    result, found = one(course, "team_late_4001_5_a.ipynb", "canvas", groups)
    assert found == ["ada", "grace"] and not result.late
    late = "team_late_LATE_4001_6_a.ipynb"
    assert f"{late} came late" in one(course, late, "canvas", groups)[0].text()


def test_groups_are_those_of_the_last_csv_that_has_them(course):
    one(course, "dolphinwatchers_4001_5001_a.ipynb", "canvas", CANVAS_GROUPS)
    moved = CANVAS_GROUPS.replace('A,Dolphin Watchers,9,\n"Smith', 'A,,,\n"Smith')
    one(course, "dolphinwatchers_4001_5002_a.ipynb", "canvas", moved)
    assert [student.group for student in course.roster().values()] == ["Dolphin Watchers", "", ""]
    one(course, "dolphinwatchers_4001_5002_a.ipynb", "canvas", CANVAS.format(eve=EVE))  # a csv without groups
    assert course.roster()["ada"].group == "Dolphin Watchers"


# --- each system


def test_blackboard_and_zip_collect(course):
    attempt = "Lesson_2_{}_attempt_2026-11-{}-00_{}.ipynb"
    files = {
        attempt.format("ada", "20-23-05", TWO): notebook("ada"),
        attempt.format("grace", "20-10-00", "notebook"): notebook("on time"),
        attempt.format("grace", "21-10-00", "notebook"): notebook("late"),
        attempt.format("jo_smith", "20-10-00", "x_grace_attempt_2026-11-20-10-00-00_y"): notebook("jo"),
        attempt.format("stranger", "20-10-00", "a"): notebook("nobody"),
        attempt.format("x_emmy", "20-10-00", "a"): notebook("nobody"),  # another's login ends so
        "Lesson_2_ada_attempt_2026-11-20-23-05-00.txt": b"Name: Ada Lovelace (ada)",
    }
    for kind in ("auto", "folder", "blackboard"):
        course.path = course.tmp / kind
        result = course.take(files, kind, CLASS, deadline=DEADLINE)
        assert course.there() == {
            "ada": notebook("ada"),
            "grace": notebook("on time"),
            "jo_smith": notebook("jo"),
        }
        assert len(result.left_out) == 2 and result.beside == 1 and not result.late
        for login in ("stranger", "x_emmy"):
            assert f"nobody in the roster has the login {login!r}" in reasons(result)
        says(result.text(), "Blackboard's times name no zone and were read as UTC+01:00")


def nbgraders(submitted="submitted/"):
    files = {f"{submitted}{who}/{TWO}/{TWO}.ipynb": notebook(who) for who in ("ada", "grace", "smith")}
    times = ("2026-11-20 22:05:00 UTC", "2026-11-20 23:05:00.123 +0100", "2026-11-20 19:00:00 -0500")
    return files | {
        f"{submitted}{who}/{TWO}/timestamp.txt": t.encode()
        for who, t in zip(("ada", "grace", "smith"), times)
    }


@pytest.mark.parametrize("kind", ["auto", "folder", "nbgrader"])
@pytest.mark.parametrize("submitted", ["", "submitted/", "class/submitted/"])
def test_nbgrader_and_ngshare(course, kind, submitted):
    folder = lay(course.tmp / "in", nbgraders(submitted))
    result = course.take(folder, kind, CLASS, deadline=DEADLINE)
    assert set(course.there()) == {"ada", "grace", "smith"} and not result.left_out
    assert result.late == [(TWO, "smith")]
    assert (course.path / "submitted/ada" / TWO / "timestamp.txt").read_text() == "2026-11-20 22:05:00 UTC\n"


@pytest.mark.parametrize("kind", ["auto", "nbgrader"])
def test_nbgraders_exchange(course, kind):
    times = {"ada": "2026-11-20 22:05:00.123456 UTC", "grace": "2026-11-20 23:05:00.123456 UTC"}
    folders = {who: f"inbound/{who}+{TWO}+{time}+a1b2c3" for who, time in times.items()}
    files = {f"{folder}/{TWO}.ipynb": notebook(who) for who, folder in folders.items()}
    files |= {f"{folders[who]}/timestamp.txt": time.encode() for who, time in times.items()}
    result = course.take(lay(course.tmp / "in", files), kind, CLASS, deadline=DEADLINE)
    assert set(course.there()) == {"ada", "grace"} and not result.left_out
    assert result.late == [(TWO, "grace")]


@pytest.mark.parametrize("kind", ["auto", "blackboard"])
def test_zip_collects_archive_is_looked_into(course, kind):
    name = f"{TWO}_{{}}_attempt_2026-11-20-10-00-00_{TWO}.ipynb"
    own = zipped({name.format("grace"): notebook("ada's")})  # what a student packs names nobody else
    archive = {name.format("emmy"): notebook("emmy"), name.format("ada").replace(".ipynb", ".zip"): own}
    files = {f"downloaded/{TWO}/archive/notebooks.zip": zipped(archive)}
    course.take(lay(course.tmp / "in", files), kind, CLASS)
    assert course.there() == {"emmy": notebook("emmy"), "ada": notebook("ada's")}


def test_a_students_own_timestamp_says_nothing(course):
    work = zipped({f"{TWO}.ipynb": notebook("late"), "timestamp.txt": b"2026-01-01 00:00:00 UTC"})
    folder = lay(course.tmp / "in", {"ada.zip": work})
    os.utime(folder / "ada.zip", (1_795_215_600, 1_795_215_600))
    assert course.take(folder, "folder", CLASS, deadline=DEADLINE).late == [(TWO, "ada")]


def test_a_link_called_timestamp_is_not_followed(course):
    folder = lay(course.tmp / "in", {f"submitted/ada/{TWO}/a.ipynb": notebook()})
    (folder / "submitted/ada" / TWO / "timestamp.txt").symlink_to("/dev/zero")
    assert course.take(folder, "nbgrader", CLASS).placed == [(TWO, "ada")]


SAKAIS = {"Submission attachment(s)/a.ipynb": b"", "timestamp.txt": b"2026-11-20T22:05:00.123Z"}


def test_sakai(course):
    def of(name, mark, time, folder="Submission attachment(s)"):
        folder, mine = f"Exercise 2/{name}/{folder}", f"Exercise 2/{name}/timestamp.txt"
        return {f"{folder}/my work.ipynb": notebook(mark), mine: time}

    files = of("Lovelace, Ada(ada)", "ada", b"2026-11-20T22:05:00Z") | {"Exercise 2/grades.csv": b"x"}
    files |= of("Hopper, Grace(grace)", "grace", b"20261120230503123", "Anhänge")  # an older one
    files |= of("Noether, Emmy(jo_smith)", "odd", b"2026-11-20T22:05:00Z")
    files |= of("Group B (5f3-a)", "b", b"2026-11-20T22:05:00Z")
    feedback = "Exercise 2/Lovelace, Ada(ada)/Feedback Attachment(s)/my work.ipynb"
    roster = CLASS.replace("\n", ",group\n", 1).replace("carl@uni.example", "carl@uni.example,Group B")
    result = course.take(files | {feedback: notebook("marked")}, "auto", roster, deadline=DEADLINE)
    assert "Taken for a download of Sakai" in result.text() and result.late == [(TWO, "grace")]
    there = {"ada": "ada", "grace": "grace", "smith": "b"}
    assert course.there() == {who: notebook(mark) for who, mark in there.items()}
    says(reasons(result), "the login 'jo_smith' is that of jo_smith, the name 'Noether, Emmy' that of emmy")


def test_brightspace_and_its_order_in_time(course):
    attempts = {
        "Nov 18, 2026 926 PM": "second",
        "Nov 18, 2026 1105 AM": "first",
        "Nov 21, 2026 1201 AM": "late",
    }
    files = {
        f"397063-2557369 - Ada Lovelace - {time}/nb.ipynb": notebook(mark) for time, mark in attempts.items()
    }
    files["397063-2557370 - Grace - Nov 1, 2026 100 AM Hopper - 20 November, 2026 1100 PM/a.ipynb"] = (
        notebook("g")
    )
    files["397063-2557371 - Emmy Noether - Nov 20, 2026 100 PM - mine.ipynb"] = notebook("e")
    files["index.html"] = b"<html>"
    result = course.take(files, "auto", CLASS, deadline=DEADLINE)
    assert "Taken for a download of Brightspace (--from brightspace): 5 of" in result.text()
    assert course.there() == {"ada": notebook("second"), "grace": notebook("g"), "emmy": notebook("e")}
    assert result.beside == 1 and not result.left_out
    times = {
        who: (course.path / "submitted" / who / TWO / "timestamp.txt").read_text()[:16]
        for who in ("ada", "grace")
    }
    assert times == {"ada": "2026-11-18 20:26", "grace": "2026-11-20 22:00"}


def test_brightspaces_dates_in_other_languages_are_dates(course):
    times = {"Ada Lovelace": "20 nov. 2026 2305", "Grace Hopper": "20. November 2026 23:05"}
    files = {f"1-{n} - {who} - {times[who]}/a.ipynb": notebook(who) for n, who in enumerate(times)}
    result = course.take(files, "auto", CLASS, deadline=DEADLINE)
    assert "(--from brightspace): 2 of 2" in result.text() and set(course.there()) == {"ada", "grace"}
    assert (
        course.path / "submitted/grace" / TWO / "timestamp.txt"
    ).read_text() == "2026-11-20 22:05:00 UTC\n"


GITHUB = """identifier,github_username,github_id,name,group_name
ada@uni.example,ada-codes,11,Grace Hopper,
grace,hopper,12,,Team One
"Noether, Emmy",emmy-n,13,x,Team One
jo_smith,,,,
"""


def test_github_classroom(course):
    top = "lesson-2-submissions/lesson-2"
    files = {
        f"{top}-{who}/{TWO}.ipynb": notebook(who) for who in ("ada-codes", "team-one", "x-ada-codes", "smith")
    }  # somebody calls themselves team-one
    files |= {f"{top}-ada-codes/.git/HEAD": b"ref", f"{top}-ada-codes/README.md": b"# hi"}
    lay(course.tmp / "in", files)
    course.take({}, "canvas", CLASS)
    result = course.take(course.tmp / "in" / "lesson-2-submissions", "auto", GITHUB, deadline=DEADLINE)
    assert "download of GitHub Classroom (--from github): 4 of 4" in result.text()
    assert course.there() == {"ada": notebook("ada-codes")}
    assert course.roster()["ada"].name == "Ada Lovelace" and len(course.roster()) == 5
    for login in ("x-ada-codes", "smith", "team-one"):
        says(reasons(result), f"nobody in the roster has the GitHub login {login!r}")
    assert "the files of a clone carry no times" in result.text() and len(result.left_out) == 3


def test_what_students_call_their_own_folders_is_no_systems(course):
    """Folders like a system's, deep in what a student made, of which the outer one is not."""
    files = {f"{who}/{TWO}/{TWO}.ipynb": notebook(who) for who in ("ada", "grace", "emmy")}
    files |= {f"{who}/{TWO}/timestamp.txt": b"2026-11-20 10:00:00 UTC" for who in ("ada", "grace")}
    inner = f"emmy/{TWO}/{{}}ada/{TWO}"  # Emmy has no timestamp
    for top in ("", "submitted/"):
        files[f"{inner.format(top)}/a.ipynb"] = notebook("emmy's for ada")
        files[f"{inner.format(top)}/timestamp.txt"] = b"2026-11-20 11:00:00 UTC"
    right = {"ada": notebook("ada"), "grace": notebook("grace")}
    for name, has in (("submitted", {"emmy"}), ("other", set())):
        course.path = course.tmp / f"of_{name}"
        result = course.take(lay(course.tmp / name, files), "nbgrader", CLASS)
        assert {who: course.there()[who] for who in right} == right and set(course.there()) == {*right, *has}
        assert has or f"emmy/{TWO}/ada/{TWO}/a.ipynb: the name is not one that nbgrader gives" in reasons(
            result
        )


def test_in_an_unknown_folder_among_students_nobody_is_known(course):
    files = {f"{who}/a.ipynb": notebook(who) for who in ("ada", "grace", "ann")}
    files |= {"ann/ada/a.ipynb": notebook("x"), "ann/Ada Lovelace.ipynb": notebook("y")}
    files["ann.zip"] = zipped({"ada/a.ipynb": notebook("z")})
    result = course.take(lay(course.tmp / "in", files), "folder", CLASS)
    assert course.there() == {who: notebook(who) for who in ("ada", "grace")}
    says(reasons(result), "'ada' names ada, but lies in 'ann', which stands where others' names do", "=ada")
    sections = {f"section {n}/{who}/a.ipynb": notebook(who) for n, who in enumerate(("ada", "grace"))}
    course.path = course.tmp / "other"
    assert not course.take(lay(course.tmp / "sections", sections), "folder", CLASS).left_out


@pytest.mark.parametrize("kind", ["auto", "github"])
def test_folders_like_githubs_deep_in_a_students_are_theirs(course, kind):
    files = {f"lesson-2-{who}/{TWO}.ipynb": notebook(who) for who in ("ada-codes", "hopper", "emmy-n")}
    evil = {f"lesson-2-emmy-n/{n}-submissions/{n}-ada-codes/{TWO}.ipynb": notebook(f"{n}") for n in range(9)}
    course.take({}, "canvas", CLASS)
    result = course.take(lay(course.tmp / "repositories", files | evil), kind, GITHUB)
    assert course.there().get("ada", notebook("ada-codes")) == notebook(
        "ada-codes"
    )  # by the id in it, or not
    assert "9-ada-codes" not in result.text() and "lesson-2-hopper" in reasons(result)
    lay(course.tmp / "lesson-2-submissions", files | evil)
    course.take(course.tmp / "lesson-2-submissions", kind, None)
    assert course.there()["ada"] == notebook("ada-codes") and set(course.there()) == {"ada", "grace", "emmy"}


def test_github_classroom_of_teams(course):
    top = "lesson-3-submissions/lesson-3"
    # Two teams that the roster does not know, one of them called like Ada.
    files = {
        f"{top}-{who}/{TWO}.ipynb": notebook(who) for who in ("team-one", "team-2", "teamone", "ada-codes")
    }
    lay(course.tmp / "in", files)
    course.take({}, "canvas", CLASS)
    csv = GITHUB.replace("jo_smith,,,,", "jo_smith,jo-s,14,,Team 2")
    result = course.take(course.tmp / "in" / "lesson-3-submissions", "auto", csv)
    theirs = dict.fromkeys(("grace", "emmy"), notebook("team-one")) | {"jo_smith": notebook("team-2")}
    assert course.there() == theirs
    lay(course.tmp / "in", {f"lesson-2-submissions/lesson-2-ada-codes/{THREE}.ipynb": notebook("a", THREE)})
    course.path = course.tmp / "both"
    course.take({}, "canvas", CLASS)
    course.take(course.tmp / "in", "auto", csv)  # one of teams, one of everybody's own
    assert course.there() == theirs and course.there(THREE) == {"ada": notebook("a", THREE)}
    for name in ("teamone", "ada-codes"):
        assert f"nobody in the roster has the GitHub team {name!r}" in reasons(result)


GRADESCOPE = """---
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: ada
    :email: ada@uni.example
  :created_at: 2026-11-20 22:05:00.123456789 Z
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests: []
submission_2:
  :submitters:
  - :name: Grace Hopper
    :sid:
    :email: ghopper@uni.example
  - :name: Emmy Noether
    :sid: emmy
    :email: other@mail.example
  - :name: Nobody Here
    :sid: 12
    :email: nobody@mail.example
  :created_at: 2026-11-20 23:05:00 Z
submission_3:
  :submitters:
  - :name: Carl Smith
    :sid: ada
    :email: carl@uni.example
"""


def test_gradescope(course):
    top = "assignment_123_export"
    files = {f"{top}/submission_{n}/{TWO}.ipynb": notebook(str(n)) for n in (1, 2, 3)}
    files[f"{top}/submission_metadata.yml"] = GRADESCOPE.encode()
    result = course.take(files, "auto", CLASS, deadline=DEADLINE)
    assert "Taken for a download of Gradescope" in result.text() and result.beside == 1
    assert course.there() == {"ada": notebook("1"), "grace": notebook("2"), "emmy": notebook("2")}
    assert sorted(result.late) == [(TWO, "emmy"), (TWO, "grace")]
    says(reasons(result), "nobody in the roster has the email 'nobody@mail.example'", "who handed it in too")
    says(reasons(result), "the email 'carl@uni.example' is that of smith, the id 'ada' that of ada")


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "submission_1: 7", "submission_1:\n  :submitters: [1]", "\x00"]
)
def test_a_gradescope_file_of_any_content(course, text):
    files = {"submission_1/a.ipynb": notebook(), "submission_metadata.yml": text.encode()}
    assert not course.take(files, "gradescope", CLASS).placed


OWN = [("moodle", "Eve Smith_4001_assignsubmission_file", SHEET), ("folder", "ada", CLASS)]


@pytest.mark.parametrize("kind, folder, csv", OWN)
def test_a_gradescope_file_in_a_students_folder_is_not_read(course, kind, folder, csv, monkeypatch):
    monkeypatch.setattr(systems, "_gradescope_rows", None)  # whoever called it would not come far
    metadata = {f"{folder}/submission_metadata.yml": GRADESCOPE.encode()}
    files = {f"{folder}/submission_1/a.ipynb": notebook(), **metadata}
    download = systems.survey(zipped(files, course.tmp / "d.zip"), identity.Roster(course.students(csv)))
    assert download.kind == kind and download.gradescope == {}


def test_a_gradescope_file_below_the_systems_own_is_not_read(course):
    other = GRADESCOPE.replace("submission_1", "submission_7").replace("2026-11-20 22:05", "2026-11-20 22:30")
    files = {f"submission_{n}/a.ipynb": notebook(str(n)) for n in (1, 4)}  # the file does not name the fourth
    files |= {
        "submission_4/submission_7/a.ipynb": notebook("for ada"),
        "submission_metadata.yml": GRADESCOPE.encode(),
    }
    files["submission_4/submission_metadata.yml"] = other.encode()
    result = course.take(files, "gradescope", CLASS, deadline=DEADLINE)
    assert course.there() == {"ada": notebook("1")} and "submission_4/submission_7/a.ipynb" in reasons(result)


def test_a_name_that_holds_a_students_is_said(course):
    files = {
        f"1-1 - {who} - Nov 18, 2026 1105 PM/a.ipynb": notebook(who)
        for who in ("Jo Ada Lovelace", "Grace Hopper")
    }
    result = course.take(files, "brightspace", CLASS)
    assert (
        "ada: 1-1 - Jo Ada Lovelace - Nov 18, 2026 1105 PM/a.ipynb matched by a part of the name"
        in result.text()
    )
    assert result.text().count("matched by") == 1


@pytest.mark.parametrize(
    "names", [("Ada Lovelace", "Ada Marie Lovelace"), ("Ada Marie Lovelace", "Ada Lovelace")]
)
@pytest.mark.parametrize(
    "kind, name", [("brightspace", "1-1 - {} - Nov {}, 2026 1105 PM"), ("folder", "{1} {0}")]
)
def test_who_has_a_part_of_the_name_is_another_where_somebody_has_all_of_it(course, names, kind, name):
    files = {f"{name.format(who, 18 + n)}/a.ipynb": notebook(who) for n, who in enumerate(names)}
    result = course.take(files | {f"{name.format('Grace Hopper', 18)}/a.ipynb": notebook()}, kind, CLASS)
    assert course.there()["ada"] == notebook("Ada Lovelace") and len(result.left_out) == 1
    says(reasons(result), "Marie Lovelace", "only a part of the name is ada's, and all of it that of")
    del files[next(path for path in files if "Marie" not in path)]
    course.path = course.tmp / "alone"
    assert course.take(files, kind, CLASS).placed == [(TWO, "ada")]


def test_a_gradescope_file_among_names_that_cannot_be_read_stops_nothing(course, monkeypatch):
    def unreadable(where, download):
        raise RecursionError

    monkeypatch.setattr(systems, "system_of", unreadable)
    source = zipped({"x/submission_metadata.yml": GRADESCOPE.encode()}, course.tmp / "d.zip")
    assert systems.survey(source, identity.Roster([])).gradescope == {}


def test_lines_of_googles_grades_that_are_of_the_whole_class(course):
    titles, ada, emmy = (
        "Last Name,First Name,Email Address,L2\n",
        "Lovelace,Ada,ada@x.org,\n",
        "Aristotle,,a@x.org,\n",
    )
    of_all = "Date,,,2026-11-20\nPoints,,,35\n", "Class Average,,,\n"
    path = course.csv(titles + of_all[0] + ada + emmy + of_all[1])
    students, _, notes = roster.students_in(path)
    assert [one.id for one in students] == ["ada@x.org", "a@x.org"]
    says(" ".join(notes), "Date", "Points", "Class Average")
    # Where somebody else has no address either, one name may be a student's.
    assert len(course.students(titles + ada + "Plato,,,\nNoether,Emmy,,\n")) == 3


def test_google_classroom(course):
    names = (f"Ada Lovelace - {TWO}.ipynb", f"Copy of {TWO} Grace Hopper (1).ipynb", f"{TWO}.ipynb")
    files = {f"Lesson 2/{name}": notebook(name) for name in names}
    source = zipped(files, course.tmp / "Lesson 2-20261118T220500Z-001.zip")
    result = course.take(source, "auto", CLASS)
    assert "Taken for a download of Google Classroom" in result.text()
    assert course.there() == {"ada": notebook(names[0]), "grace": notebook(names[1])}
    says(reasons(result), f"--assign 'Lesson 2/{TWO}.ipynb=ID'")
    says(result.text(), "known only by the names that students gave")


ADAS, OTHER = f"L/Ada Lovelace - {TWO}.ipynb", f"L/Ada Lovelace - {TWO} (1).ipynb"
SAID = "the name is ada's, but so is that of another file"


def from_drive(course, *files):
    """A download from Drive. files: (name, mark of the notebook)"""
    named = {name: notebook(mark) for name, mark in files}
    return zipped(named, course.tmp / "L-20261118T220500Z-001.zip")


def test_of_two_files_known_by_a_name_alone_none_replaces_the_other(course):
    both = from_drive(course, (ADAS, "ada"), (OTHER, "mallory"), ("L/Grace Hopper.ipynb", "grace"))
    for _ in range(2):  # collecting again says and does the same
        result = course.take(both, "auto", CLASS)
        assert course.there() == {"grace": notebook("grace")} and "ada" in result.missing[TWO]
        says(reasons(result), f"{ADAS}: {SAID}", f"{OTHER}: {SAID}", f"--assign '{OTHER}=ada'")
        assert len(result.left_out) == 2


def test_what_was_collected_before_stays_until_a_person_says_whose_a_file_is(course):
    course.take(from_drive(course, (ADAS, "ada")), "auto", CLASS)
    both = from_drive(course, (ADAS, "ada"), (OTHER, "mallory"))
    for source in (from_drive(course, (OTHER, "mallory")), from_drive(course, (ADAS, "mallory"))):
        result = course.take(source, "auto", CLASS)
        assert course.there() == {"ada": notebook("ada")} and not result.replaced
        says(reasons(result), SAID, f"{ADAS} counts")
    both = from_drive(course, (ADAS, "ada"), (OTHER, "mallory"))
    assert course.take(both, "auto", CLASS).left_out and course.there() == {"ada": notebook("ada")}


@pytest.mark.parametrize("before", [(), ((ADAS, "1"),)])
@pytest.mark.parametrize(
    "assign, there",
    [
        ([f"{ADAS}=ada"], {"ada": "1"}),
        ([f"{OTHER}=ada"], {"ada": "2"}),
        ([f"{ADAS}=ada", f"{OTHER}=ada"], {"ada": "2"}),  # then the last one counts
        ([f"{OTHER}=grace"], {"ada": "1", "grace": "2"}),
    ],
)
def test_a_persons_word_decides_between_files_known_by_a_name_alone(course, before, assign, there):
    if before:
        course.take(from_drive(course, *before), "auto", CLASS)
    both = from_drive(course, (ADAS, "1"), (OTHER, "2"))
    course.take(both, "auto", CLASS)
    for options in ({"assign": assign}, {}):  # the word is kept
        course.take(both, "auto", CLASS, **options)
        assert course.there() == {who: notebook(mark) for who, mark in there.items()}


def test_of_two_files_that_are_written_alike_each_has_a_name_of_its_own(course):
    """Else a person's word on one of them is taken for the other."""
    first, second = (unicodedata.normalize(form, "L/Zoé Ek.ipynb") for form in ("NFD", "NFC"))
    csv = "id,first_name,last_name\nzoe,Zoé,Ek\nada,Ada,Lovelace\n"
    both = from_drive(course, (first, "mallory"), (second, "zoe"))
    result = course.take(both, "auto", csv)
    assert not course.there() and {where for where, _ in result.left_out} == {second, f"{second} [2]"}
    course.take(both, "auto", csv, assign=[f"{second} [2]=zoe"])
    assert course.there() == {"zoe": notebook("zoe")}


def test_one_file_twice_and_files_of_several_lessons_contest_nothing(course):
    files = (ADAS, "1"), (OTHER, "1")
    assert not course.take(from_drive(course, *files), "auto", CLASS).left_out
    three = {f"L/Ada Lovelace {THREE}.ipynb": notebook("3", THREE)}
    source = zipped(three, course.tmp / "L-20261118T220500Z-001.zip")
    assert not course.take(source, "auto", CLASS).left_out
    assert course.there() == {"ada": notebook("1")} and course.there(THREE)


def test_google_drives_zips_in_a_folder_and_what_students_packed(course):
    packed = zipped({f"work/{TWO}.ipynb": notebook("in a zip")}, course.tmp / "packed.zip").read_bytes()
    folder = course.tmp / "downloads"
    folder.mkdir()
    zipped({f"L/Ada Lovelace - {TWO}.ipynb": notebook()}, folder / "L-20261118T220500Z-001.zip")
    zipped({"L/Grace Hopper.zip": packed}, folder / "L-20261118T220500Z-002.zip")
    result = course.take(folder, "auto", CLASS)
    assert "Taken for a download of Google Classroom" in result.text()
    assert course.there() == {"ada": notebook(), "grace": notebook("in a zip")}
    nameless = zipped({f"L/{TWO}.ipynb": notebook()}, course.tmp / "L-20261118T220500Z-001.zip")
    says(reasons(course.take(nameless, "auto", CLASS)), "its name does not say whose it is")


# --- which system it is


def downloads():
    attempt = "_attempt_2026-11-18-22-05-00_a.ipynb"
    return {
        "canvas": {"lovelaceada_4001_5_a.ipynb": b"", "hoppergrace_LATE_4002_6_a.zip": b""},
        "moodle": {"Ada Lovelace_5_assignsubmission_file/a.ipynb": b""},
        "blackboard": {f"HW_ada{attempt}": b"", f"HW_grace{attempt}": b""},
        "brightspace": {"1-2 - Ada Lovelace - Nov 18, 2026 1105 PM/a.ipynb": b"", "index.html": b""},
        "nbgrader": {"submitted/ada/hw/a.ipynb": b"", "submitted/ada/hw/timestamp.txt": b""},
        "sakai": {f"HW 1/Lovelace, Ada(ada)/{name}": time for name, time in SAKAIS.items()},
        "github": {"hw-submissions/hw-ada/a.ipynb": b""},
        "gradescope": {"e/submission_1/a.ipynb": b"", "e/submission_metadata.yml": GRADESCOPE.encode()},
        "google": {"Classroom/Dolphins/Lesson 2/a.ipynb": b""},
        "folder": {"ada/hw_1_2_x.ipynb": b"", "Grace Hopper/a_1_2_b/c.ipynb": b"", "x.txt": b""},
    }


@pytest.mark.parametrize("kind", systems.SYSTEMS)
def test_a_system_is_known_by_its_names(course, kind):
    who = identity.Roster(course.students(CLASS))
    for source in (zipped(downloads()[kind], course.tmp / "d.zip"), lay(course.tmp / "d", downloads()[kind])):
        assert systems.survey(source, who).kind == kind


def test_each_system_can_be_named():
    assert {*cli.SYSTEMS} == {"auto", *systems.SYSTEMS}


def test_one_students_zip_does_not_say_what_all_are(course):
    evil = zipped({f"Ada Lovelace_{n}_assignsubmission_file_a.ipynb": b"" for n in range(50)})
    files = {"smitheve_77_1_a.zip": evil, "lovelaceada_4001_5_a.ipynb": notebook()}
    result = course.take(files, "auto", CANVAS.format(eve=EVE))
    assert "(--from canvas): 2 of 2 names are like" in result.text() and "ada" in course.there()


def test_names_that_students_give_many_files_do_not_say_what_all_are(course):
    """Each of Canvas's and Google's files stands alone, and a part of its name is the student's to choose."""
    odd = [f"{n}_x_{n}_assignsubmission_file_.ipynb" for n in range(10, 14)]
    files = {"lovelaceada_4001_5_a.ipynb": notebook()}
    files |= {f"smitheve_77_{name}": notebook(name) for name in odd}
    result = course.take(files, "auto", CANVAS.format(eve=EVE))
    assert "(--from canvas): 5 of 5 names are like" in result.text()
    assert sorted(course.there()) == ["ada", "eve"]
    files = {f"L/Emmy Noether_{name}": notebook(name) for name in odd} | {"L/Ada Lovelace.ipynb": notebook()}
    source = zipped(files, course.tmp / "L-20261118T220500Z-001.zip")
    assert "(--from google): 5 of 5 names are like" in course.take(source, "auto", CLASS).text()


def test_a_wrong_from_is_said(course):
    files = {"Ada Lovelace_77_assignsubmission_file/a.ipynb": notebook()}
    result = course.take(files, "canvas", CLASS)
    assert "--from canvas was given, but this looks like a download of Moodle" in result.text()
    assert "a download of Moodle's: --from moodle" in reasons(result)
    assert course.take(files, "auto", None).placed == [(TWO, "ada")]


# --- tables

LANGUAGES = {
    "italian": """Identificativo,Nome completo,Indirizzo email,Stato,Valutazione,Valutazione massima,\
Può essere modificata,Ultima modifica (consegna),Ultima modifica (valutazione),Commenti
Partecipante5001,Ada Lovelace,ada@uni.example,Consegnato,,"55,00",Sì,"venerdì, 20 novembre 2026, 23:05",-,
Partecipante5002,Grace Hopper,grace@uni.example,Nessuna consegna,,"55,00",Sì,-,-,
""",
    "russian": """Идентификатор;Полное имя;Адрес электронной почты;Статус;Оценка;Максимум;Изменяема;\
Последнее изменение (ответ);Последнее изменение (оценка);Отзыв
Участник5001;Ada Lovelace;ada@uni.example;Отправлено;;55,00;Да;20 ноябрь 2026, 23:05;-;
Участник5002;Grace Hopper;grace@uni.example;Нет;;55,00;Да;-;-;
""",
    "japanese": """識別子,姓 / 名,メールアドレス,ステータス,評点,最大評点,評点変更可,\
最終更新日時 (提出),最終更新日時 (評点)
参加者 5001,Ada Lovelace,ada@uni.example,提出済み,,55.00,Yes,"2026年 11月 20日(金曜日) 23:05",-
参加者 5002,Grace Hopper,grace@uni.example,未提出,,55.00,Yes,-,-
""",
    "chinese": """ID,全名,邮箱,状态,成绩,最高分,成绩可更改,最后修改(提交),最后修改(成绩)
参与者5001,Ada Lovelace,ada@uni.example,已提交,,55.00,是,"2026年11月20日 星期五 23:05",-
参与者5002,Grace Hopper,grace@uni.example,没有提交,,55.00,是,-,-
""",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_moodles_worksheet_in_any_language(course, language):
    text = LANGUAGES[language]
    students = course.students(text)
    assert [one.name for one in students] == ["Ada Lovelace", "Grace Hopper"]
    assert [one.email for one in students] == ["ada@uni.example", "grace@uni.example"]
    assert [one.numbers("moodle") for one in students] == [{"5001"}, {"5002"}]
    result, found = one(course, "Ada Lovelace_5001_assignsubmission_file/a.ipynb", "auto", text)
    assert found == ["ada@uni.example"] and roster.worksheet_path(course.path, TWO).exists()
    graded = roster.table(roster.with_grades(text.encode(), {"Participant 5001": 7}).encode())[0]
    assert [row[4] for row in graded[1:3]] == ["7", ""]


def test_ids_that_are_words_and_numbers_are_ids(course):
    students = course.students("id,first_name,last_name,email\nstudent1,Ada,L,a@x\nstudent2,Bo,M,b@x\n")
    assert [one.id for one in students] == ["student1", "student2"] and not students[0].identifier


def test_a_worksheet_of_blind_marking(course):
    sheet = "Identifier,Status,Grade,Maximum grade,Last modified (submission)\n"
    sheet += "".join(f"Participant {n},Submitted,,55.00,-\n" for n in (5, 6))
    result = course.take({"Participant_5_assignsubmission_file/a.ipynb": notebook()}, "auto", sheet)
    assert list(course.there()) == ["Participant_5"] and "Several students are called" not in result.text()


def test_what_is_no_table_says_that_moodle_may_speak_english(course):
    with pytest.raises(CourseError, match="set Moodle to English and download it again"):
        course.students("Имя,Фамилия\nАда,Лавлейс\n")


def test_a_gradebook_that_a_spreadsheet_spoilt(course):
    spoilt = 'Student,ID,SIS User ID,SIS Login ID,Section\n"Lovelace, Ada",1.17E+15,S101,ada,A\n'
    spoilt += '"Hopper, Grace","1,17E+15",S102,grace,A\n'
    result, found = one(course, "lovelaceada_1170000000102345_5001_a.ipynb", "canvas", spoilt)
    assert found == ["ada"] and "has spoilt the long numbers of the column ID (1,17E+15)" in result.text()
    with pytest.raises(CourseError, match="Export the table again"):
        course.students("id,first_name,last_name\n1.17E+15,Ada,L\n2.5E+10,Bo,M\n")


def test_a_gradebook_whose_numbers_end_in_zeros_or_points(course):
    """A spreadsheet keeps 15 digits; others write whole numbers with a point where a cell is empty."""
    cut = CANVAS.format(eve=EVE).replace("4001", "10000000000004000").replace("4002", "10000000000004000")
    result, found = one(course, "lovelaceada_10000000000004001_5_a.ipynb", "canvas", cut)
    assert (
        found == ["ada"]
        and "has spoilt the long numbers of the column ID (10000000000004000)" in result.text()
    )
    students = course.students(CANVAS.format(eve=EVE).replace("4001", "10000000000004010"))
    assert students[0].lms_user_id == "10000000000004010"
    students = course.students("id,first_name,last_name,number\n4001.0,Ada,L,\n4002.0,Bo,M,\n")
    assert [one.id for one in students] == ["4001", "4002"]
    assert course.students("id,last_name\n4.0,L\nx1,M\n")[0].id == "4.0"


CSV = st.text('aA1é,;\t"\n\r=@+-_.E 7\x00', max_size=80)
HEADS = [
    "id,first_name,last_name,email\n",
    "Student,ID,SIS Login ID,Section\n",
    "identifier,github_username\n",
    "",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADS), st.one_of(CSV.map(str.encode), st.binary(max_size=80)))
def test_a_roster_of_any_bytes_is_a_class_or_a_sentence(tmp_path_factory, head, rest):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(head.encode() + rest)
    try:
        students, *_ = roster.students_in(path)
        known = roster.update(students, students)
        assert identity.Roster(known).students.keys() == {one.id for one in students}
    except CourseError as error:
        assert "\n" not in str(error).strip()


def test_a_course_of_an_older_version_is_still_read(course):
    one(course, "lovelaceada_4001_5_a.ipynb", "canvas", CANVAS.format(eve=EVE))
    path = course.path / "grading" / "collected.json"
    register = json.loads(path.read_text())
    del register["assigned"]
    for known in register["submissions"][TWO].values():
        for attempt in known["attempts"]:
            del attempt["group"]
    path.write_text(json.dumps(register))
    people = roster.roster_path(course.path)
    rows = [
        {key: row[key] for key in row.keys() - {"group", "github"}} for row in json.loads(people.read_text())
    ]
    people.write_text(json.dumps(rows))
    assert one(course, "lovelaceada_4001_6_a.ipynb", "canvas", None)[1] == ["ada"]
    assert collect.groups_of(course.path) == {}
