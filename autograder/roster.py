"""The class: a csv from nbgrader, Canvas or Moodle, and who of it is meant by a name or a number.

| csv | its columns | a student's id is |
|---|---|---|
| nbgrader's | id, first_name, last_name, email, lms_user_id | id |
| Canvas's gradebook export | Student ("Last, First") or LastName, FirstName; ID; SIS User ID; SIS Login ID; Section; ... | SIS Login ID, else SIS User ID, else ID |
| Moodle's participants | First name, Last name or Surname, ID number, Email address, Groups (also in other languages) | username, else ID number, else email |
| Moodle's grading worksheet | Identifier ("Participant 123"), Full name, ID number, Email address, Status, ..., Last modified (submission) | the same |

It may be in UTF-8, with or without BOM, in UTF-16 or in Windows's Latin-1, and separated by commas, semicolons or tabs.
"""

import collections
import csv
import io
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import CourseError

# Heads of columns by what they hold, as they are after `head`; of several that are there the first counts.
COLUMNS = {
    "id": ("id",),
    "first": ("firstname", "vorname", "prenom", "nombre", "nome", "etunimi", "voornaam", "fornavn", "imie"),
    "last": ("lastname", "surname", "nachname", "nomdefamille", "nom", "apellidos", "apellido", "cognome", "sobrenome", "achternaam",
             "efternavn", "nazwisko"),
    "full": ("fullname", "student", "studentname", "vollstandigername", "nomcomplet", "nombrecompleto", "name"),
    "email": ("email", "emailaddress", "emailadresse", "adressedecourriel", "direcciondecorreo", "correoelectronico", "indirizzoemail"),
    "lms": ("lmsuserid",),
    "sis": ("sisuserid",),
    "login": ("sisloginid", "username", "anmeldename", "nomdutilisateur", "nombredeusuario"),
    "number": ("idnumber", "idnummer", "numerodidentification", "numerodeid", "matriculationnumber", "matrikelnummer"),
    "identifier": ("identifier",),
    "modified": ("lastmodifiedsubmission",),
}
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


@dataclass
class Student:
    """One of the class. id: also the name of the folder in submitted/; columns: the csv's own, for tables to upload."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""       # Canvas's user number; Moodle's number of the participant in an assignment
    submitted: str = ""         # when, in Moodle's words
    names: tuple = ()           # other things by which the student is known: login, number
    columns: dict = field(default_factory=dict)


def read_roster(path):
    """-> list of Student, in the csv's order. Raises CourseError where it is none, or two students would have one id."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror}).") from None
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise CourseError(f"{path}: this is a workbook, not a csv. Save it as CSV UTF-8 in the spreadsheet program.")
    try:
        rows = [row for row in table(data) if any(value.strip() for value in row)]
    except csv.Error as error:
        raise CourseError(f"{path}: no table of comma-separated values ({error}).") from None
    heads = [head(title) for title in rows[0]] if rows else []
    where = {what: next((heads.index(name) for name in names if name in heads), None) for what, names in COLUMNS.items()}
    canvas = where["sis"] is not None or (where["login"] is not None and "section" in heads)
    if where["full"] is None and where["last"] is None and where["id"] is None:
        raise CourseError(f"{path}: no column of names or ids. Its first line is {', '.join(rows[0])[:100]!r}; expected are the columns of "
                          "nbgrader (id, first_name, last_name, email, lms_user_id), of Canvas's gradebook, or of Moodle's participants."
                          if rows else f"{path}: the roster is empty.")
    students, seen = [], {}
    for row in rows[1:]:
        value = {what: unicodedata.normalize("NFC", row[at].strip()) if at is not None and at < len(row) else "" for what, at in where.items()}
        first, last = value["first"], value["last"]
        if not (first or last):
            first, last = split_name(value["full"])
        if is_no_student(value, first, last):
            continue
        if canvas:
            known, lms = (value["login"], value["sis"], value["id"]), value["id"]
        else:
            known = (value["id"], value["login"], value["number"], value["email"])
            lms = value["lms"] or "".join(re.findall(r"\d+", value["identifier"]))
        name = next((safe_id(one) for one in (*known, lms, letters(last + first)) if safe_id(one)), None)
        if name is None:
            continue
        if name in seen:
            raise CourseError(f"{path}: two students would have the id {name!r}: {seen[name]} and {first} {last}. Give the roster a column id.")
        seen[name] = f"{first} {last}"
        students.append(Student(name, first, last, value["email"], lms, value["modified"], tuple(filter(None, (*known, value["number"]))),
                                {title.strip("\ufeff"): cell for title, cell in zip(rows[0], row)}))
    if not students:
        raise CourseError(f"{path}: no student in it.")
    return students


def table(data):
    """A csv of any usual encoding and separator. bytes -> list of rows"""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    text = text.replace("\0", "")
    told = re.match(r"sep=(.)\r?\n", text)              # Excel's hint
    if told:
        text = text[told.end():]
    first = re.sub(r'"[^"]*"', "", text.lstrip().split("\n")[0])
    separator = told[1] if told else max(",;\t", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def head(title):
    """A column's title to compare by: "Last modified (submission)" -> "lastmodifiedsubmission" """
    return re.sub(r"[^a-z0-9]", "", letters(title.replace("(s)", "s")))


def is_no_student(value, first, last):
    """Lines of Canvas's gradebook that are nobody: its maxima, its test student, its notes on posting."""
    name = letters(first + last)
    return name in ("pointspossible", "teststudent", "studenttest") or not (name or value["id"] or value["login"] or value["email"])


def split_name(full):
    """"Last, First" or "First Last" -> (first, last)"""
    if "," in full:
        last, _, first = full.partition(",")
    else:
        first, _, last = full.partition(" ")
    return first.strip(), last.strip()


def safe_id(text):
    """An id that can be the name of a folder: whatever the csv says, it names nothing outside."""
    return re.sub(r"[^\w.@+\-]", "_", unicodedata.normalize("NFC", text.strip())).strip("._-")[:100]


def letters(text):
    """A name without accents, capitals, spaces and signs: "Núñez-O'Brien" -> "nunezobrien"; composed or not, it is the same."""
    text = unicodedata.normalize("NFC", text).casefold().translate(LETTERS)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isalnum())


def spellings(text):
    """A name as it may be spelt: Müller, Muller, Mueller; also where é became something else on its way through a zip. -> set"""
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


class Roster:
    """Finds students. Every `find_...` gives (Student or None, how, or why not)."""

    def __init__(self, students):
        self.students = {student.id: student for student in students}
        self.by_number, self.by_key, self.by_name = ({} for _ in range(3))
        for student in students:
            if student.lms_user_id:
                self.by_number.setdefault(student.lms_user_id, set()).add(student.id)
            keys = {student.id, student.email, student.email.partition("@")[0], student.lms_user_id, *student.names}
            for key in {key.casefold() for key in keys if key}:
                self.by_key.setdefault(key, set()).add(student.id)
            for name in self.spelt(student):
                self.by_name.setdefault(name, set()).add(student.id)
        self.tokens = {student.id: {letters(part) for part in re.split(r"[\s,]+", f"{student.first_name} {student.last_name}")} - {""}
                       for student in students}

    @staticmethod
    def spelt(student):
        return spellings(student.first_name + student.last_name) | spellings(student.last_name + student.first_name)

    def find_number(self, number):
        return self.one(self.by_number.get(number.lstrip("0") or number, self.by_number.get(number, ())), f"number {number}")

    def find_key(self, key):
        key = unicodedata.normalize("NFC", key.strip()).casefold()
        return self.one(self.by_key.get(key, ()), f"{key!r}")

    def find_name(self, name, squeezed=False):
        """By a name in any order. squeezed: written in one word, as Canvas does, last name first."""
        exact = set().union(*(self.by_name.get(one, set()) for one in spellings(name)))
        if exact:
            return self.one(exact, f"the name {name!r}")
        if squeezed:                                    # one of both has a second name that the other has not
            wanted = letters(name)
            close = {one for known, ids in self.by_name.items() if len(known) >= 6 and (wanted.startswith(known) or (
                len(wanted) >= 6 and known.startswith(wanted))) for one in ids}
        else:
            wanted = {letters(part) for one in (name, unmixed(name)) for part in re.split(r"[\s,_]+", one)} - {""}
            close = {one for one, own in self.tokens.items() if min(len(own & wanted), len(own), len(wanted)) >= 2
                     and (own <= wanted or wanted <= own)}
        return self.one(close, f"a part of the name {name!r}")

    def one(self, ids, how):
        if len(ids) == 1:
            return self.students[next(iter(ids))], how
        if ids:
            return None, f"{how} is that of several students: {', '.join(sorted(ids)[:4])}"
        return None, f"nobody in the roster has {how}"


def namesakes(students):
    """Names that several students share, for a warning. -> list of names"""
    count = collections.Counter(letters(student.last_name + student.first_name) for student in students)
    return sorted({f"{s.first_name} {s.last_name}" for s in students if count[letters(s.last_name + s.first_name)] > 1})
