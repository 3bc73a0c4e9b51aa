"""The class: a csv from nbgrader, Canvas or Moodle, and who of it is meant by a name or a number.

    csv                         its columns                                                   a student's id is
    nbgrader's                  id, first_name, last_name, email, lms_user_id                 id
    Canvas's gradebook export   Student ("Last, First") or LastName and FirstName, ID,        SIS Login ID, else
                                SIS User ID, SIS Login ID, Section, ...                       SIS User ID, else ID
    Moodle's participants       First name, Last name or Surname, ID number, Email address    username, else ID number,
                                (also in other languages)                                     else email
    Moodle's grading worksheet  Identifier ("Participant 123"), Full name, ID number, Email   the same, else
                                address, Last modified (submission), ... (also in other       Participant_123
                                languages)

It may be in UTF-8, with or without BOM, in UTF-16 or in Windows's Latin-1, and separated by commas,
semicolons or tabs.

A course keeps its class in grading/roster.json: `read` gives it to whoever writes grades, `update` adds a csv
to it. Moodle's grading worksheet of a lesson is kept in grading/worksheets/, as it was given: `with_grades`
makes of it what Moodle takes back.
"""

import collections
import csv
import io
import json
import re
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from course_lib.errors import CourseError

# Heads of columns by what they hold, as they are after `head`; of several that are there the first counts.
COLUMNS = {
    "id": ("id",),
    "first": (
        "firstname",
        "vorname",
        "prenom",
        "nombre",
        "nome",
        "etunimi",
        "voornaam",
        "fornavn",
        "fornamn",
        "imie",
    ),
    "last": (
        "lastname",
        "surname",
        "nachname",
        "nomdefamille",
        "nom",
        "apellidos",
        "apellido",
        "cognome",
        "sobrenome",
        "achternaam",
        "efternavn",
        "efternamn",
        "sukunimi",
        "nazwisko",
    ),
    "full": (
        "fullname",
        "student",
        "studentname",
        "vollstandigername",
        "nomcomplet",
        "nombrecompleto",
        "name",
    ),
    "email": (
        "email",
        "emailaddress",
        "emailadresse",
        "adressedecourriel",
        "direcciondecorreo",
        "correoelectronico",
        "indirizzoemail",
    ),
    "lms": ("lmsuserid",),
    "sis": ("sisuserid",),
    "login": ("sisloginid", "username", "anmeldename", "nomdutilisateur", "nombredeusuario"),
    "number": (
        "idnumber",
        "idnummer",
        "numerodidentification",
        "numerodeid",
        "matriculationnumber",
        "matrikelnummer",
    ),
    "section": ("section",),
    "identifier": ("identifier",),
    "modified": (
        "lastmodifiedsubmission",
        "zuletztgeandertabgabe",
        "dernieremodificationtravailremis",
        "ultimamodificacionentrega",
        "ultimamodificaconsegna",
        "laatstgewijzigdinzending",
        "ultimamodificacaoenvio",
    ),
    "grade": (
        "grade",
        "bewertung",
        "note",
        "calificacion",
        "valutazione",
        "nota",
        "cijfer",
        "karakter",
        "betyg",
        "arvosana",
        "ocena",
    ),
}
IDENTIFIERS = (
    "id",
    "identifiant",
    "identificador",
    "identificatie",
)  # what other languages call Moodle's Identifier
PARTICIPANT = re.compile(
    r"(particip|partecip|teilnehm|deelnem|delta[gk]|osallistu|uczestni)[a-z]*\d+"
)  # after `letters`
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


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
    identifier: str = (
        ""  # "Participant 123", of the last grading worksheet of Moodle: another number in every assignment
    )
    submitted: str = ""  # "Last modified (submission)" of the same, as it is written there
    participants: dict = field(default_factory=dict)  # {lesson: "Participant 123"}, as collecting showed it

    def marks(self):
        """What tells one student from another in any csv. -> set of (what, value)"""
        kinds = ("id", "email", "lms_user_id", "sis_user_id", "login", "number")
        return {(what, getattr(self, what).casefold()) for what in kinds if getattr(self, what)}

    def numbers(self):
        """Canvas's number, and Moodle's of the assignment of the last worksheet, else of all that are known.
        -> set"""
        moodle = [self.identifier] if self.identifier else self.participants.values()
        return {
            number.lstrip("0") for text in (self.lms_user_id, *moodle) for number in re.findall(r"\d+", text)
        }


# --- a course's class
# -----------------------------------------------------------------------------------------


def roster_path(course):
    return Path(course) / "grading" / "roster.json"


def worksheet_path(course, lesson):
    """Where Moodle's grading worksheet of a lesson is kept, byte for byte as it was given; it need not be
    there. -> Path"""
    return Path(course) / "grading" / "worksheets" / f"{lesson}.csv"


def read(course):
    """The class of a course folder, in the order of its csvs; empty before the first. -> list of Student"""
    path = roster_path(course)
    try:
        return [Student(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        raise CourseError(f"""{path} cannot be read. Delete it, then run `dolphins collect` with --roster
            again.""") from None


def as_json(students):
    """What is kept in grading/roster.json. -> bytes"""
    return (
        json.dumps([asdict(student) for student in students], indent=1, ensure_ascii=False) + "\n"
    ).encode()


def update(known, new):
    """A class after another csv of it.

    Who was known keeps the id and whatever the new csv does not say. -> list of Student
    """
    merged = {student.id: student for student in known}
    ids, found = {student.id for student in new}, {}
    for student in new:
        same = [old for old in known if old.id == student.id] or [
            old for old in known if old.id not in ids and old.marks() & student.marks()
        ]
        if len(same) > 1:
            raise CourseError(f"""The roster's {student.first_name} {student.last_name} is
                {" and ".join(old.id for old in same)} in grading/roster.json. Correct the csv, or delete that
                file and give all rosters again.""")
        own = {
            item.name: getattr(student, item.name) for item in fields(Student) if getattr(student, item.name)
        }
        if same:
            own = {**asdict(same[0]), **own, "id": same[0].id}
        if own["id"] in found:
            raise CourseError(f"""Two lines of the roster are the student {own["id"]}: {found[own["id"]]} and
                {student.first_name} {student.last_name}.""")
        found[own["id"]] = f"{student.first_name} {student.last_name}"
        merged[own["id"]] = Student(**own)
    return list(merged.values())


# --- a csv
# ----------------------------------------------------------------------------------------------------


def read_csv(path):
    """-> list of Student, in the csv's order.

    Raises CourseError where it is none, or two students would have one id.
    """
    return students_in(csv_bytes(path), path)


def csv_bytes(path):
    """-> the bytes of a csv, read once: it may be a pipe.

    Raises CourseError where they are something else's.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror}).") from None
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")):
        raise CourseError(f"""{path}: this is a zip or a workbook, not a csv. --roster is the list of the
            class; what was handed in is named without it. Save a workbook as CSV UTF-8 in the spreadsheet
            program.""")
    return data


def students_in(data, path):
    """The students of a csv's bytes, as `read_csv` gives them; path: what the messages call it. -> list of
    Student"""
    try:
        rows = [row for row in table(data) if any(value.strip() for value in row)]
    except csv.Error as error:
        raise CourseError(f"{path}: no table of comma-separated values ({error}).") from None
    if not rows:
        raise CourseError(f"{path}: the roster is empty.")
    where = columns(rows)
    if all(where[what] is None for what in ("id", "last", "full", "identifier")):
        raise CourseError(f"""{path}: no column of names or ids. Its first line is
            {", ".join(rows[0])[:100]!r}; expected are the columns of nbgrader (id, first_name, last_name,
            email, lms_user_id), of Canvas's gradebook, or of Moodle's participants.""")
    canvas = where["sis"] is not None or None not in (where["login"], where["section"])
    students, lines = {}, {}
    for row in rows[1:]:
        value = {
            what: unicodedata.normalize("NFC", row[at].strip()) if at is not None and at < len(row) else ""
            for what, at in where.items()
        }
        if canvas and is_no_student(value):
            continue
        student = student_of(value, canvas)
        name = f"{student.first_name} {student.last_name}".strip()
        if not student.id:
            raise CourseError(f"""{path}: a line without name and id: {", ".join(row)[:100]!r}. Complete or
                delete it.""")
        if student.id in students and row != lines[student.id]:
            other = students[student.id]
            raise CourseError(f"""{path}: two students would have the id {student.id!r}: {other.first_name}
                {other.last_name} and {name}. Give them a column id, ID number or email.""")
        students[student.id], lines[student.id] = student, row
    if not students:
        raise CourseError(f"{path}: no student in it.")
    return list(students.values())


def student_of(value, canvas):
    first, last = value["first"], value["last"]
    if not (first or last):
        first, last = split_name(value["full"])
    ids = ("login", "sis", "id") if canvas else ("id", "login", "number", "email")
    candidates = (*map(value.get, ids), value["lms"], value["identifier"], letters(last + first))
    own = next(filter(None, map(safe_id, candidates)), "")
    email = value["email"] or (value["login"] if "@" in value["login"] else "")
    return Student(
        own,
        first,
        last,
        email,
        lms_user_id=value["id" if canvas else "lms"],
        sis_user_id=value["sis"],
        login=value["login"],
        section=value["section"],
        number=value["number"],
        identifier=value["identifier"],
        submitted=value["modified"],
    )


def columns(rows):
    """Where a table's columns are, by its first line. -> {what of COLUMNS: number of the column, or None}"""
    heads = [head(title) for title in rows[0]]
    where = {
        what: next((heads.index(name) for name in names if name in heads), None)
        for what, names in COLUMNS.items()
    }
    if where["identifier"] is None and (where["grade"], where["modified"]) != (None, None):
        at = next((at for at, name in enumerate(heads) if name in IDENTIFIERS), None)
        values = [row[at] for row in rows[1:] if at is not None and at < len(row)]
        if values and all(
            PARTICIPANT.fullmatch(letters(value)) for value in values
        ):  # else it is an id like any other
            where["identifier"], where["id"] = at, None if where["id"] == at else where["id"]
    return where


def with_grades(data, grades):
    """Moodle's grading worksheet with grades: for Moodle, which takes it back only as it gave it, row for
    row.

    data: the worksheet's bytes; grades: {"Participant 123": number, or "" which leaves the cell as it is} ->
    text, or None where the columns of identifiers and grades are not known
    """

    def digits(text):
        return "".join(re.findall(r"\d", text)).lstrip("0")

    rows, separator = separated(data)
    lines = [row for row in rows if any(value.strip() for value in row)]
    where = columns(lines or [[]])
    identifier, grade = where["identifier"], where["grade"]
    if identifier is None or grade is None:
        return None
    given = {digits(participant): points for participant, points in grades.items() if digits(participant)}
    for row in lines[1:]:
        points = given.get(digits(row[identifier])) if identifier < len(row) else None
        if points not in (None, ""):
            row += [""] * (grade + 1 - len(row))
            row[grade] = points
    # Names that begin like a formula are left as Moodle gave them: the table goes back to Moodle only.
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return file.getvalue()


def table(data):
    """A csv of any usual encoding and separator. bytes -> list of rows"""
    return separated(data)[0]


def separated(data):
    """A csv of any usual encoding and separator. bytes -> list of rows, the separator"""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    text = text.replace("\0", "")
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's hint
    if told:
        text = text[told.end() :]
    first = re.sub(r'"[^"]*"', "", text.lstrip().split("\n")[0])
    separator = told[1] if told else max(",;\t", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)), separator


def head(title):
    """A column's title to compare by: "Last modified (submission)" -> "lastmodifiedsubmission" """
    return re.sub(r"[^a-z0-9]", "", letters(title))


def is_no_student(value):
    """Lines of Canvas's gradebook that are nobody: its maxima, its test student, its notes on posting."""
    name = letters(value["full"] or value["first"] + value["last"])
    return name in ("pointspossible", "teststudent", "studenttest") or not (
        name or value["id"] or value["login"]
    )


def split_name(full):
    """ "Last, First" or "First Last" -> (first, last)"""
    if "," in full:
        last, _, first = full.partition(",")
    else:
        first, _, last = full.partition(" ")
    return first.strip(), last.strip()


def safe_id(text):
    """An id that can be the name of a folder: whatever the csv says, it names nothing outside."""
    return re.sub(r"[^\w.@+\-]", "_", unicodedata.normalize("NFC", text.strip())).strip("._-")[:100]


# --- names
# ----------------------------------------------------------------------------------------------------


def letters(text):
    """A name without accents, capitals, spaces and signs: "Núñez-O'Brien" -> "nunezobrien"; composed or not,
    it is the same."""
    text = unicodedata.normalize("NFC", text).casefold().translate(LETTERS)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isalnum())


def spellings(text):
    """A name as it may be spelt: Müller, Muller, Mueller; also where é was changed on its way through a zip.
    -> set"""
    found = set()
    for one in (text, re.sub(r"#U([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text), unmixed(text)):
        one = unicodedata.normalize("NFC", one).casefold()
        found |= {letters(one), letters(one.translate(SPELT_OUT))}
    return found - {""}


def unmixed(text):
    """Undoes UTF-8 that was read as the zip format's old code page."""
    try:
        return text.encode("cp437").decode("utf-8")
    except UnicodeError:
        return text


def words(text):
    return [word for word in (letters(part) for part in re.split(r"[\s,_]+", text)) if word]


class Roster:
    """Finds students. Every `find_...` gives (Student or None, how, or why not)."""

    def __init__(self, students):
        self.students = {student.id: student for student in students}
        self.by_number, self.by_key, self.by_name, self.by_part = (
            collections.defaultdict(set) for _ in range(4)
        )
        self.words = {}
        for student in students:
            first, last = words(student.first_name), words(student.last_name)
            self.words[student.id] = {*first, *last}
            for number in student.numbers():
                self.by_number[number].add(student.id)
            for what, key in student.marks():
                self.by_key[key].add(student.id)
                if what == "email":
                    self.by_key[key.partition("@")[0]].add(student.id)
            for both in (student.first_name + student.last_name, student.last_name + student.first_name):
                for name in spellings(both):
                    self.by_name[name].add(student.id)
            for one in range(
                1, len(first) + 1
            ):  # the first of several first names, and of several last names
                for other in range(1, len(last) + 1):
                    self.by_part["".join(last[:other] + first[:one])].add(student.id)

    def find_number(self, number):
        return self.one(
            self.by_number.get(number.lstrip("0"), ()) if number.strip("0") else (),
            f"the number {number[:20]}",
        )

    def find_key(self, key):
        key = unicodedata.normalize("NFC", key.strip()).casefold()
        return self.one(self.by_key.get(key, ()), f"{key[:80]!r}")

    def find_name(self, name, squeezed=False):
        """By a name in any order, also where one side leaves out some of several names. squeezed: in one
        word, last name first, as Canvas writes it; then only the roster may have more names, for nobody can
        say where such a word ends."""
        exact = set().union(*(self.by_name.get(one, ()) for one in spellings(name)))
        if exact:
            return self.one(exact, f"the name {name[:80]!r}")
        if squeezed:
            close = set().union(*(self.by_part.get(one, ()) for one in spellings(name)))
        else:
            wanted = {word for one in (name, unmixed(name)) for word in words(one)}
            close = {
                one
                for one, own in self.words.items()
                if len(own & wanted) >= 2 and (own <= wanted or wanted <= own)
            }
        return self.one(close, f"a part of the name {name[:80]!r}" if close else f"the name {name[:80]!r}")

    def one(self, ids, how):
        if len(ids) == 1:
            return self.students[next(iter(ids))], how
        if ids:
            return None, f"{how} is that of several students: {', '.join(sorted(ids)[:4])}"
        return None, f"nobody in the roster has {how}"


def namesakes(students):
    """Names that several students share, for a warning. -> list of names"""
    count = collections.Counter(letters(student.last_name + student.first_name) for student in students)
    return sorted(
        {f"{s.first_name} {s.last_name}" for s in students if count[letters(s.last_name + s.first_name)] > 1}
    )
