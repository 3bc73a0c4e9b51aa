"""The class: a csv from a learning system, and what a course keeps of it.

    csv                         its columns                                           a student's id is
    nbgrader's                  id, first_name, last_name, email, lms_user_id         id
    Canvas's gradebook export   Student ("Last, First") or LastName and FirstName,    SIS Login ID, else
                                ID, SIS User ID, SIS Login ID, Section, ...           SIS User ID, else ID
    Canvas's group set          name, canvas_user_id, user_id, login_id, sections,    the same
                                group_name, canvas_group_id, ...
    Moodle's participants       First name, Last name or Surname, ID number,          username, else
                                Email address, Groups (also in other languages)       ID number, else email
    Moodle's grading worksheet  Identifier ("Participant 123"), Full name,            the same, else
                                ID number, Email address, Status, Group, Grade,       Participant_123
                                Maximum grade, ..., Last modified (submission), ...
    Google Classroom's grades   Last Name, First Name, Email Address, ...; lines      email
                                Date, Points, Class Average
    GitHub Classroom's          identifier, github_username, github_id, name,         identifier
                                group_name

It may be in UTF-8 or UTF-16, with or without BOM, or in Windows's Latin-1, which is said, and separated by
commas, semicolons or tabs. Moodle's grading worksheet is known in any language by what is in it: its first
column is one word and a number in every line; of the others some hold addresses, dates, everywhere the same
number. Moodle gives its columns always in this order (mod/assign/gradingtable.php).

A course keeps its class in grading/roster.json: `read` gives it to whoever writes grades, `update` adds a csv
to it. Moodle's grading worksheet of a lesson is kept in grading/worksheets/, as it was given: `with_grades`
makes of it what Moodle takes back.
"""

import collections
import csv
import io
import re
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from course_lib.errors import CourseError, fold
from course_lib.file_kind import LINE_ENDS, TEXT, TEXT_COPY, UTF_16, kind_of, told

from .downloads import printable
from .identity import PARTICIPANT, is_letter, letters
from .records import json_text, read_json
from .repair import decoded

# Heads of columns by what they hold, in letters and digits alone: "Last modified (submission)" is
# lastmodifiedsubmission. Of several that are there the first counts.
COLUMNS = {
    "id": "id",
    "first_name": """firstname givenname forename firstnameofstudent vorname prenom nombre nome etunimi
        voornaam fornavn fornamn imie""",
    "last_name": """lastname surname familyname familynameofstudent nachname familienname nomdefamille nom
        apellidos apellido cognome sobrenome achternaam efternavn efternamn sukunimi nazwisko""",
    "full": "fullname student studentname vollstandigername nomcomplet nombrecompleto name",
    "email": """email emailaddress emailadresse adressedecourriel direcciondecorreo correoelectronico
        indirizzoemail""",
    "lms_user_id": "lmsuserid canvasuserid",
    "sis_user_id": "sisuserid userid",
    "login": "sisloginid loginid username displayid anmeldename nomdutilisateur nombredeusuario",
    "number": """idnumber idnummer numerodidentification numerodeid matriculationnumber matrikelnummer
        matrikelnr registrationnumber studentid studentnumber orgdefinedid""",
    "section": "section sections",
    "group": "group groupname gruppe groupe grupo gruppo groep grupa",
    "groups": "groups gruppen groupes grupos gruppi groepen grupy",  # of Moodle's participants: with commas
    "github": "githubusername",
    "identifier": "identifier",
    "submitted": """lastmodifiedsubmission zuletztgeandertabgabe dernieremodificationtravailremis
        ultimamodificacionentrega ultimamodificaconsegna laatstgewijzigdinzending ultimamodificacaoenvio""",
    "marked": """lastmodifiedgrade zuletztgeandertbewertung dernieremodificationnote
        ultimamodificacioncalificacion ultimamodificavalutazione laatstgewijzigdcijfer
        ultimamodificacaonota""",
    "grade": "grade bewertung note calificacion valutazione nota cijfer karakter betyg arvosana ocena",
}
MOST_ABOVE, LEAST_TITLES = 9, 3  # lines above a table's titles, and how many of these are known ones
READ_AS_CSV = (TEXT, UTF_16, TEXT_COPY, LINE_ENDS, None)
PLACE = re.compile(r"(\D*[^\W\d]\D*?)\s*([0-9]{1,18})")  # "Participant 123", in any language
DATE = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9]).*[0-9]{1,2}[:.h][0-9]{2}", re.DOTALL)
NUMBER = re.compile(r"[0-9]+([.,][0-9]+)?")
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
# What a spreadsheet program makes of a long number that it saves as csv: 1.17E+15, or zeros from the 16th
# digit on. And what others make of a whole one.
SPOILT = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+")
CUT, LONG, BROKEN = re.compile("[0-9]{15}0+"), re.compile("[0-9]{16,}"), re.compile(r"([0-9]+)[.,]0")
NAMING = {"id", "last_name", "full", "identifier"}
KEYS = ("id", "lms_user_id", "sis_user_id", "login", "number")


@dataclass
class Student:
    """One of the class. What a csv did not say is ""."""

    id: str  # nbgrader's; also the name of the folder in submitted/
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""  # nbgrader's column of that name; Canvas's "ID"
    sis_user_id: str = ""  # Canvas's "SIS User ID"
    login: str = ""  # Canvas's "SIS Login ID", Moodle's username
    section: str = ""  # Canvas's
    number: str = ""  # Moodle's "ID number"
    identifier: str = ""  # "Participant 123" of Moodle's last grading worksheet; another in every assignment
    submitted: str = ""  # "Last modified (submission)" of the same, as it is written there
    participants: dict = field(default_factory=dict)  # {lesson: "Participant 123"}, as collecting showed it
    group: str = ""  # the name of a group, or several, a line each, of the last csv that had one
    github: str = ""  # the login there

    @property
    def name(self):
        return f"{self.first_name} {self.last_name}".strip()

    def names(self):
        """The first names and the last names."""
        return self.first_name, self.last_name

    def groups(self):
        """The names of the student's groups. -> set"""
        return {name.strip() for name in self.group.splitlines() if letters(name)}

    def marks(self):
        """What tells one student from another in any csv. -> set of (what, value)"""
        kinds = ("id", "email", "lms_user_id", "sis_user_id", "login", "number", "github")
        return {(what, getattr(self, what).casefold()) for what in kinds if getattr(self, what)}

    def numbers(self, system):
        """The student's numbers, without leading zeros. system: "canvas" or "moodle". -> set

        Moodle's are those of the last worksheet's assignment, else all known ones.
        """
        own = {self.lms_user_id} if re.fullmatch("[0-9]+", self.lms_user_id) else set()
        if system == "moodle":
            known = [self.identifier] if self.identifier else self.participants.values()
            own = {_digits(text) for text in known} or own
        return {number.lstrip("0") for number in own} - {""}


# --- a course's class


def roster_path(course):
    """Where a course keeps its class."""
    return Path(course) / "grading" / "roster.json"


def worksheet_path(course, lesson):
    """Where Moodle's grading worksheet of a lesson is kept, byte for byte as given; it need not be there."""
    return Path(course) / "grading" / "worksheets" / f"{lesson}.csv"


def read(course):
    """The class of a course folder, in the order of its csvs; empty before the first. -> list of Student"""
    told = "Delete it, then run `dolphins collect` with --roster again."
    return read_json(roster_path(course), lambda rows: [Student(**row) for row in rows], [], told)


def named(student, names):
    """An id with the name that it stands for, for a line: "4011 (Ada Lovelace)". names: {id: name}"""
    name = printable(names.get(student, ""))
    return f"{student} ({name})" if name and name != student else student


def as_json(students):
    """What is kept in grading/roster.json. -> bytes"""
    return json_text([asdict(student) for student in students]).encode()


def update(known, new):
    """A class after another csv of it.

    Who was known keeps the id and whatever the new csv does not say. -> list of Student
    """
    by_id = {student.id: student for student in known}
    merged = dict(by_id)
    ids, found, marked = {student.id for student in new}, {}, collections.defaultdict(dict)
    # GitHub's csv knows students by whatever the instructor called them, and tells how they call themselves.
    github, has_groups = (any(getattr(one, what) for one in new) for what in ("github", "group"))
    for old in known:
        names = (letters(old.first_name + old.last_name), letters(old.last_name + old.first_name))
        for mark in (*old.marks(), *(mark[1] for mark in old.marks()), *(("name", name) for name in names)):
            marked[mark][old.id] = old
    for student in new:
        marks = {student.id.casefold(), ("name", letters(student.id))} if github else student.marks()
        same = {key: old for mark in marks for key, old in marked[mark].items() if key not in ids}
        if student.id in by_id:
            same = {student.id: by_id[student.id]}
        if len(same) > 1:
            raise CourseError(f"""The roster's {student.name or student.id} is {" and ".join(sorted(same))} in
                grading/roster.json. Correct the csv, or delete that file and give all rosters again.""")
        said = {what: value for what, value in asdict(student).items() if value}
        for old in same.values():
            if github:
                said = {what: said[what] for what in ("github", "group") if what in said}
            said = asdict(old) | said | {"id": old.id} | ({"group": student.group} if has_groups else {})
        if said["id"] in found:
            raise CourseError(f"""Two lines of the roster are the student {said["id"]}: {found[said["id"]]}
                and {student.name}.""")
        found[said["id"]] = student.name
        merged[said["id"]] = Student(**said)
    return list(merged.values())


# --- a csv


def students_in(path):
    """The students of a csv, in its order. -> list of Student, the csv's bytes, list of what is to know of it

    It is read once, for it may be a pipe. Raises CourseError where it is none, or two students would have one
    id.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror}).") from None
    if kind_of(data) not in READ_AS_CSV:
        other = told(data, "a csv", "", "save it as CSV UTF-8 in the spreadsheet program")
        raise CourseError(f"""{path}: {other}. --roster is the list of the class; what was handed in is named
            without it.""")
    try:
        rows = [row for row in table(data)[0] if any(value.strip() for value in row)]
    except csv.Error as error:
        raise CourseError(f"{path}: no table of comma-separated values ({error}).") from None
    if not rows:
        raise CourseError(f"{path}: the roster is empty.")
    where = _columns(rows)
    for above in range(1, min(MOST_ABOVE, len(rows) - 1) + 1):  # a registrar's begins with the course's name
        if not where.keys() & NAMING and len(found := _columns(rows[above:])) >= LEAST_TITLES:
            rows, where = rows[above:], found
    if not where.keys() & NAMING:
        raise CourseError(f"""{path}: no column of names or ids. Its first line is
            {_shown(rows[0])}; expected are the columns of nbgrader (id, first_name, last_name, email,
            lms_user_id), of Canvas's gradebook or group set, of GitHub Classroom's roster, or of Moodle's
            participants or grading worksheet. If it is Moodle's in another language, set Moodle to English
            and download it again.""")
    canvas = "sis_user_id" in where or {"login", "section"} <= where.keys()
    students, lines, spoilt = {}, {}, _mend_numbers(rows, where)
    of_all = _lines_of_all(rows, where)
    for row in (row for row in rows[1:] if tuple(row) not in of_all):
        cells = {what: row[at] for what, at in where.items() if at < len(row)}
        value = {what: unicodedata.normalize("NFC", cells.get(what, "").strip()) for what in COLUMNS}
        for what in KEYS:
            if SPOILT.fullmatch(value[what]):
                spoilt[rows[0][where[what]]], value[what] = value[what], ""
        if (canvas or "github" in where) and _is_no_student(value):
            continue
        student = _student_of(value, canvas)
        if not student.id:
            raise CourseError(f"""{path}: a line without name and id: {_shown(row)}. Complete or delete
                it.{_export_again(spoilt)}""")
        if student.id in students and row != lines[student.id]:
            raise CourseError(f"""{path}: two students would have the id {student.id!r}:
                {students[student.id].name} and {student.name}. Give them a column id, ID number or
                email.{_export_again(spoilt)}""")
        students[student.id], lines[student.id] = student, row
    if not students:
        raise CourseError(f"{path}: no student in it.")
    if spoilt and not canvas and "id" in where:
        raise CourseError(f"{path}: {_export_again(spoilt).strip()}")
    notes = [f"{path}: {_export_again(spoilt).strip()}"] if spoilt else []
    notes += _said_of_lines(path, of_all) + _said_of_letters(path, data, students.values())
    return list(students.values()), data, notes


def _lines_of_all(rows, where):
    """Lines that say something of all, such as Google Classroom's Date, Points and Class Average.

    They have one name and nothing that tells a person from another, where all others have an address.
    -> {row: None}, in their order
    """
    if not where.keys() >= {"first_name", "last_name", "email"}:
        return {}
    found, keys = {}, [where[what] for what in ("email", "identifier", "github", *KEYS) if what in where]
    for row in map(tuple, rows[1:]):
        said = {at for at, cell in enumerate(row) if cell.strip()}
        if len(said & {where["first_name"], where["last_name"]}) == 1 and said.isdisjoint(keys):
            found[row] = None
        elif where["email"] not in said:
            return {}
    return found if len(found) < len(rows) - 1 else {}


def _said_of_lines(path, rows):
    """What is to know of lines that were taken for nobody's. -> list of text"""
    shown = ", ".join(printable(" ".join(filter(None, row))[:40]) for row in [*rows][:MOST_ABOVE])
    text = f"""{path}: lines of one name, without an address or id, are taken for notes on the whole class,
        not for students: {shown}."""
    return [fold(text)] * bool(rows)


def _mend_numbers(rows, where):
    """Undoes what programs did to whole columns of numbers, 4001.0; empties those that cannot be undone.

    -> {title of such a column: one of its cells}
    """
    spoilt = {}
    for at in {where[what] for what in KEYS if what in where}:
        filled = [row for row in rows[1:] if at < len(row) and row[at].strip()]
        cells = [row[at].strip() for row in filled]
        long = list(filter(LONG.fullmatch, cells))
        if all(cell.startswith("#") for cell in cells):  # Brightspace's, so that they are taken for texts
            for row in filled:
                row[at] = row[at].strip()[1:]
        elif all(map(BROKEN.fullmatch, cells)):
            for row in filled:
                row[at] = BROKEN.fullmatch(row[at].strip())[1]
        elif (len(long) > 2 or len({*long}) < len(long)) and all(map(CUT.fullmatch, long)):
            spoilt[rows[0][at]] = long[0]
            for row in filled:
                row[at] = "" if LONG.fullmatch(row[at].strip()) else row[at]
    return spoilt


def _said_of_letters(path, data, students):
    """What is to know where a csv's letters may have been read as others. -> list of text"""
    odd = next((one.name for one in students if not one.name.isascii()), "")
    if not odd or decoded(data, "cp1252") == decoded(data, "utf-8"):
        return []
    return [
        fold(f"""{path} is no UTF-8, and was read as Windows's Latin-1 (the first name with other letters:
        {printable(odd)}). If that is misspelt, save the table as CSV UTF-8 and give it again.""")
    ]


def _shown(row):
    return repr(", ".join(row)[:100])


def _export_again(spoilt):
    """What to do where a spreadsheet program spoilt columns. spoilt: {title: a cell} -> text, "" for none"""
    titles = " and ".join(f"{title} ({cell})" for title, cell in spoilt.items())
    text = f"""A spreadsheet program (Excel) has spoilt the long numbers of the column {titles}, which are not
        used. Export the table again and give it as it comes, without saving it in that program."""
    return f" {fold(text)}" if spoilt else ""


def _student_of(value, canvas):
    """The student of a line. value: {what of COLUMNS: its cell}"""
    said = {one.name: value[one.name] for one in fields(Student) if one.name in value}
    if not (said["first_name"] or said["last_name"]):
        said["first_name"], said["last_name"] = _split_name(value["full"])
    several = [name.strip() for name in value["groups"].split(",")]
    said["group"] = "\n".join(filter(None, [" ".join(said["group"].split()), *several]))
    ids = ("login", "sis_user_id", "id") if canvas else ("id", "login", "number", "email")
    name = letters(said["last_name"] + said["first_name"])
    candidates = (*map(value.get, ids), value["lms_user_id"], value["identifier"], name)
    said["id"] = next(filter(None, map(_safe_id, candidates)), "")
    if not said["email"] and "@" in said["login"]:
        said["email"] = said["login"]
    if canvas:
        said["lms_user_id"] = value["lms_user_id"] or value["id"]
    return Student(**said)


def _columns(rows):
    """Where a table's columns are. -> {what of COLUMNS: number of the column}

    By the titles in its first line; in a grading worksheet also by what is in them.
    """
    heads = [re.sub(r"[^a-z0-9]", "", letters(title)) for title in rows[0]]
    known = ((what, name) for what, names in COLUMNS.items() for name in reversed(names.split()))
    where = {what: heads.index(name) for what, name in known if name in heads}
    if "github" in where:  # GitHub's identifier is what the instructor calls the student
        where["id"] = where.pop("identifier", where.get("id", where["github"]))
        return where
    first = [PLACE.fullmatch(row[0].strip()[:100]) for row in rows[1:]]
    words = {letters(found[1]) for found in first if found}
    if not all(first) or len(words) != 1 or "identifier" in where:
        return where
    taken, shown = [what for what, at in where.items() if at == 0], _by_content(rows)
    # An id like any other, unless it cannot be: "ID" is also what some languages call Moodle's.
    moodles = where.keys() & {"grade", "submitted"} and PARTICIPANT.fullmatch(*words)
    moodles = moodles or not where.keys() - {"id"} and shown.keys() >= {"grade", "submitted"}
    if taken and not moodles:
        return where
    return {"identifier": 0} | shown | {what: at for what, at in where.items() if at}


def _by_content(rows):
    """The columns of Moodle's grading worksheet, in any language, as far as their content shows them."""
    width = max(map(len, rows))
    lines = [[*row, *[""] * (width - len(row))] for row in rows[1:]]
    columns = [[cell.strip()[:100] for cell in column if cell.strip(" -")] for column in zip(*lines)]
    where = {}
    for at, cells in enumerate(columns):
        if not at or not cells:
            continue
        if all(map(ADDRESS.fullmatch, cells)):
            where.setdefault("email", at)
        elif all(map(DATE.search, cells)):
            where.setdefault("submitted", at)
        elif len(cells) == len(lines) and len({*cells}) == 1 and NUMBER.fullmatch(cells[0]):
            where.setdefault("grade", at - 1)  # this one is the maximum, which stands behind it
    if "email" in where and where["email"] > 1 and all(map(letters, columns[1])):
        where["full"] = 1
    return where


SIGNS = "=+@|%＝＋－＠｜％﹢﹣﹦﹫−-"  # the full-width and small ones are taken for the others
# A sign at the beginning of a text, or where a separator begins a cell: behind quotes and spaces. A space is
# a separator, too, unless the sign stands alone as in "A - B".
FORMULA = re.compile(rf'((?:^|[,;:|，；：｜、])[\s"]*|\s"*(?=.\S))(?=[{SIGNS}])')


def safe_cell(text):
    """A text of which no spreadsheet makes a formula, with whatever separator it opens the table. -> text

    A spreadsheet runs a cell that begins with = + - @, their full-width forms, tab or line end. It may split
    lines at other signs than this table does, and may drop quotes, spaces and what has no width: "x;=cmd()"
    is two cells to it. So an apostrophe stands before each such sign, and what is not printable is a space.
    Source: OWASP, CSV Injection. (| and % begin commands of old spreadsheets: DDE.)
    """
    return FORMULA.sub(r"\1'", "".join(c if c.isprintable() else " " for c in text))


def with_grades(data, grades):
    """Moodle's grading worksheet with grades.

    data: the worksheet's bytes; grades: {"Participant 123": number, or "" which leaves the cell as it is}
    -> text, or None where the columns of identifiers and grades are not known

    Moodle reads the identifier, the grade, the time of the last one and the teacher's comments behind it:
    these stay as they are. All before that time may come from students (everything, where no column is known
    as that), and goes through `safe_cell`. Source: Moodle, mod/assign/feedback/offline/importgradeslib.php.
    """
    rows, separator = table(data)
    lines = [row for row in rows if any(value.strip() for value in row)]
    where = _columns(lines or [[]])
    identifier, grade = where.get("identifier"), where.get("grade")
    if identifier is None or grade is None:
        return None
    given = {_digits(participant): points for participant, points in grades.items() if _digits(participant)}
    last = where.get("marked", max(map(len, lines)))
    for row in lines[1:]:
        for at, cell in enumerate(row[:last]):
            row[at] = cell if at == grade or cell == "-" else safe_cell(cell)
        points = given.get(_digits(row[identifier])) if identifier < len(row) else None
        if points not in (None, ""):
            row += [""] * (grade + 1 - len(row))
            row[grade] = points
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return file.getvalue()


def _digits(text):
    """The number at the end of "Participant 0123". -> "123" """
    return (re.search(r"[0-9]*$", text.strip())[0]).lstrip("0")


def table(data):
    """A csv's bytes, of any usual encoding and separator. -> list of rows, the separator"""
    text = decoded(data, "cp1252").replace("\0", "")
    hint = re.match(r"sep=([,;|\t])\r?\n", text)  # Excel's
    if hint:
        text = text[hint.end() :]
    first = re.sub(r'"[^"]*"', "", text.lstrip().split("\n")[0])
    separator = hint[1] if hint else max(",;\t", key=first.count)
    csv.field_size_limit(max(len(text), 2**17))  # what a student wrote may stand in a cell
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)), separator


def _is_no_student(value):
    """Lines of Canvas's gradebook that are nobody: its maxima, its test student, its notes on posting."""
    name = letters(value["full"] or value["first_name"] + value["last_name"])
    if not (name or value["id"] or value["login"]):
        return True
    if value["github"]:  # an account that nobody of the class was linked with
        return not value["id"]
    return name in ("pointspossible", "teststudent", "studenttest")


def _split_name(full):
    """ "Last, First" or "First Last" -> (first, last)"""
    if "," in full:
        last, _, first = full.partition(",")
    else:
        first, _, last = full.partition(" ")
    return first.strip(), last.strip()


def _safe_id(text):
    """An id that can be the name of a folder: whatever the csv says, it names nothing outside."""
    text = unicodedata.normalize("NFC", text.strip())
    text = "".join(c if is_letter(c) or c in "_.@+-" else "_" for c in text).strip("._-")[:100]
    return text.encode()[:200].decode(errors="ignore")
