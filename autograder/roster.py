"""The class: a csv from nbgrader, Canvas or Moodle, and who of it is meant by a name or a number.

    csv                         its columns                                           a student's id is
    nbgrader's                  id, first_name, last_name, email, lms_user_id         id
    Canvas's gradebook export   Student ("Last, First") or LastName and FirstName,    SIS Login ID, else
                                ID, SIS User ID, SIS Login ID, Section, ...           SIS User ID, else ID
    Moodle's participants       First name, Last name or Surname, ID number,          username, else
                                Email address (also in other languages)               ID number, else email
    Moodle's grading worksheet  Identifier ("Participant 123"), Full name,            the same, else
                                ID number, Email address, Last modified               Participant_123
                                (submission), ... (also in other languages)

It may be in UTF-8, with or without BOM, in UTF-16 or in Windows's Latin-1, and separated by commas,
semicolons or tabs.

A course keeps its class in grading/roster.json: `read` gives it to whoever writes grades, `update` adds a csv
to it. Moodle's grading worksheet of a lesson is kept in grading/worksheets/, as it was given: `with_grades`
makes of it what Moodle takes back.
"""

import collections
import csv
import io
import itertools
import re
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.file_kind import LINE_ENDS, TEXT, TEXT_COPY, UTF_16, kind_of, told

from .records import json_text, read_json
from .repair import decoded

# Heads of columns by what they hold, in letters and digits alone: "Last modified (submission)" is
# lastmodifiedsubmission. Of several that are there the first counts.
COLUMNS = {
    "id": "id",
    "first_name": "firstname vorname prenom nombre nome etunimi voornaam fornavn fornamn imie",
    "last_name": """lastname surname nachname nomdefamille nom apellidos apellido cognome sobrenome achternaam
        efternavn efternamn sukunimi nazwisko""",
    "full": "fullname student studentname vollstandigername nomcomplet nombrecompleto name",
    "email": """email emailaddress emailadresse adressedecourriel direcciondecorreo correoelectronico
        indirizzoemail""",
    "lms_user_id": "lmsuserid",
    "sis_user_id": "sisuserid",
    "login": "sisloginid username anmeldename nomdutilisateur nombredeusuario",
    "number": "idnumber idnummer numerodidentification numerodeid matriculationnumber matrikelnummer",
    "section": "section",
    "identifier": "identifier",
    "submitted": """lastmodifiedsubmission zuletztgeandertabgabe dernieremodificationtravailremis
        ultimamodificacionentrega ultimamodificaconsegna laatstgewijzigdinzending ultimamodificacaoenvio""",
    "marked": """lastmodifiedgrade zuletztgeandertbewertung dernieremodificationnote
        ultimamodificacioncalificacion ultimamodificavalutazione laatstgewijzigdcijfer
        ultimamodificacaonota""",
    "grade": "grade bewertung note calificacion valutazione nota cijfer karakter betyg arvosana ocena",
}
IDENTIFIERS = "id identifiant identificador identificatie".split()  # Moodle's Identifier in other languages
# A value of that column, after `letters`.
PARTICIPANT = re.compile(r"(particip|partecip|teilnehm|deelnem|delta[gk]|osallistu|uczestni)[a-z]*\d+")
READ_AS_CSV = (TEXT, UTF_16, TEXT_COPY, LINE_ENDS, None)
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
    identifier: str = ""  # "Participant 123" of Moodle's last grading worksheet; another in every assignment
    submitted: str = ""  # "Last modified (submission)" of the same, as it is written there
    participants: dict = field(default_factory=dict)  # {lesson: "Participant 123"}, as collecting showed it

    @property
    def name(self):
        return f"{self.first_name} {self.last_name}".strip()

    def marks(self):
        """What tells one student from another in any csv. -> set of (what, value)"""
        kinds = ("id", "email", "lms_user_id", "sis_user_id", "login", "number")
        return {(what, getattr(self, what).casefold()) for what in kinds if getattr(self, what)}

    def numbers(self):
        """Canvas's number, and Moodle's of the last worksheet's assignment, else all known ones. -> set"""
        moodle = [self.identifier] if self.identifier else self.participants.values()
        found = re.findall(r"\d+", " ".join([self.lms_user_id, *moodle]))
        return {number.lstrip("0") for number in found}


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


def as_json(students):
    """What is kept in grading/roster.json. -> bytes"""
    return json_text([asdict(student) for student in students]).encode()


def update(known, new):
    """A class after another csv of it.

    Who was known keeps the id and whatever the new csv does not say. -> list of Student
    """
    merged = {student.id: student for student in known}
    ids, found = {student.id for student in new}, {}
    for student in new:
        same = [old for old in known if old.id == student.id]
        if not same:
            same = [old for old in known if old.id not in ids and old.marks() & student.marks()]
        if len(same) > 1:
            raise CourseError(f"""The roster's {student.name} is {" and ".join(old.id for old in same)} in
                grading/roster.json. Correct the csv, or delete that file and give all rosters again.""")
        said = {what: value for what, value in asdict(student).items() if value}
        if same:
            said = asdict(same[0]) | said | {"id": same[0].id}
        if said["id"] in found:
            raise CourseError(f"""Two lines of the roster are the student {said["id"]}: {found[said["id"]]}
                and {student.name}.""")
        found[said["id"]] = student.name
        merged[said["id"]] = Student(**said)
    return list(merged.values())


# --- a csv


def students_in(path):
    """The students of a csv, in its order. -> list of Student, the csv's bytes

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
    if not where.keys() & {"id", "last_name", "full", "identifier"}:
        raise CourseError(f"""{path}: no column of names or ids. Its first line is
            {", ".join(rows[0])[:100]!r}; expected are the columns of nbgrader (id, first_name, last_name,
            email, lms_user_id), of Canvas's gradebook, or of Moodle's participants.""")
    canvas = "sis_user_id" in where or {"login", "section"} <= where.keys()
    students, lines = {}, {}
    for row in rows[1:]:
        cells = {what: row[at] for what, at in where.items() if at < len(row)}
        value = {what: unicodedata.normalize("NFC", cells.get(what, "").strip()) for what in COLUMNS}
        if canvas and _is_no_student(value):
            continue
        student = _student_of(value, canvas)
        if not student.id:
            raise CourseError(f"""{path}: a line without name and id: {", ".join(row)[:100]!r}. Complete or
                delete it.""")
        if student.id in students and row != lines[student.id]:
            raise CourseError(f"""{path}: two students would have the id {student.id!r}:
                {students[student.id].name} and {student.name}. Give them a column id, ID number or email.""")
        students[student.id], lines[student.id] = student, row
    if not students:
        raise CourseError(f"{path}: no student in it.")
    return list(students.values()), data


def _student_of(value, canvas):
    """The student of a line. value: {what of COLUMNS: its cell}"""
    said = {one.name: value[one.name] for one in fields(Student) if one.name in value}
    if not (said["first_name"] or said["last_name"]):
        said["first_name"], said["last_name"] = _split_name(value["full"])
    ids = ("login", "sis_user_id", "id") if canvas else ("id", "login", "number", "email")
    name = letters(said["last_name"] + said["first_name"])
    candidates = (*map(value.get, ids), value["lms_user_id"], value["identifier"], name)
    said["id"] = next(filter(None, map(_safe_id, candidates)), "")
    if not said["email"] and "@" in said["login"]:
        said["email"] = said["login"]
    if canvas:
        said["lms_user_id"] = value["id"]
    return Student(**said)


def _columns(rows):
    """Where a table's columns are, by its first line. -> {what of COLUMNS: number of the column}"""
    heads = [re.sub(r"[^a-z0-9]", "", letters(title)) for title in rows[0]]
    known = ((what, name) for what, names in COLUMNS.items() for name in reversed(names.split()))
    where = {what: heads.index(name) for what, name in known if name in heads}
    if "identifier" not in where and where.keys() & {"grade", "submitted"}:
        at = next((at for at, name in enumerate(heads) if name in IDENTIFIERS), None)
        values = [] if at is None else [letters(row[at]) for row in rows[1:] if at < len(row)]
        if values and all(map(PARTICIPANT.fullmatch, values)):  # else it is an id like any other
            where = {what: place for what, place in where.items() if (what, place) != ("id", at)}
            where["identifier"] = at
    return where


SIGNS = "=+@|%＝＋－＠｜％﹢﹣﹦﹫−-"  # the full-width and small ones are taken for the others
# A sign at the beginning of a text, or where a separator begins a cell: behind quotes and spaces. A space is
# a separator, too, unless the sign stands alone as in "A - B".
FORMULA = re.compile(rf'((?:^|[,;:|])[\s"]*|\s"*(?=.\S))(?=[{SIGNS}])')


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
    return "".join(re.findall(r"\d", text)).lstrip("0")


def table(data):
    """A csv's bytes, of any usual encoding and separator. -> list of rows, the separator"""
    text = decoded(data, "cp1252").replace("\0", "")
    hint = re.match(r"sep=(.)\r?\n", text)  # Excel's
    if hint:
        text = text[hint.end() :]
    first = re.sub(r'"[^"]*"', "", text.lstrip().split("\n")[0])
    separator = hint[1] if hint else max(",;\t", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)), separator


def _is_no_student(value):
    """Lines of Canvas's gradebook that are nobody: its maxima, its test student, its notes on posting."""
    name = letters(value["full"] or value["first_name"] + value["last_name"])
    if not (name or value["id"] or value["login"]):
        return True
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
    return re.sub(r"[^\w.@+\-]", "_", unicodedata.normalize("NFC", text.strip())).strip("._-")[:100]


# --- names


def letters(text):
    """A name without accents, capitals, spaces and signs: "Núñez-O'Brien" -> "nunezobrien".

    Composed or not, it is the same.
    """
    text = unicodedata.normalize("NFC", text).casefold().translate(LETTERS)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isalnum())


def _spellings(text):
    """A name as it may be spelt: Müller, Muller, Mueller; also where é was changed in a zip. -> set"""
    found = set()
    unescaped = re.sub(r"#U([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    for one in (text, unescaped, unmixed(text)):
        one = unicodedata.normalize("NFC", one).casefold()
        found |= {letters(one), letters(one.translate(SPELT_OUT))}
    return found - {""}


def unmixed(text):
    """Undoes UTF-8 that was read as the zip format's old code page."""
    try:
        return text.encode("cp437").decode("utf-8")
    except UnicodeError:
        return text


def _words(text):
    return [word for word in map(letters, re.split(r"[\s,_]+", text)) if word]


class Roster:
    """Finds students. Every `find_...` gives (Student or None, how, or why not)."""

    def __init__(self, students):
        self.students = {student.id: student for student in students}
        self.by_number, self.by_key = collections.defaultdict(set), collections.defaultdict(set)
        self.by_name, self.by_part = collections.defaultdict(set), collections.defaultdict(set)
        self.words = {}
        for student in students:
            first, last = _words(student.first_name), _words(student.last_name)
            self.words[student.id] = {*first, *last}
            for number in student.numbers():
                self.by_number[number].add(student.id)
            for what, key in student.marks():
                self.by_key[key].add(student.id)
                if what == "email":
                    self.by_key[key.partition("@")[0]].add(student.id)
            for both in (student.first_name + student.last_name, student.last_name + student.first_name):
                for name in _spellings(both):
                    self.by_name[name].add(student.id)
            # The first of several first names, and of several last names.
            for one, other in itertools.product(range(len(first)), range(len(last))):
                self.by_part["".join(last[: other + 1] + first[: one + 1])].add(student.id)

    def find_number(self, number):
        ids = self.by_number.get(number.lstrip("0"), ()) if number.strip("0") else ()
        return self.one(ids, f"the number {number[:20]}")

    def find_key(self, key):
        key = unicodedata.normalize("NFC", key.strip()).casefold()
        return self.one(self.by_key.get(key, ()), f"{key[:80]!r}")

    def find_name(self, name, squeezed=False):
        """By a name in any order, also where one side leaves out some of several names.

        squeezed: in one word, last name first, as Canvas writes it; then only the roster may have more names,
        for nobody can say where such a word ends.
        """
        how = f"the name {name[:80]!r}"
        exact = set().union(*(self.by_name.get(one, ()) for one in _spellings(name)))
        if exact:
            return self.one(exact, how)
        if squeezed:
            close = set().union(*(self.by_part.get(one, ()) for one in _spellings(name)))
        else:
            wanted = {*_words(name), *_words(unmixed(name))}
            shared = {one: own for one, own in self.words.items() if len(own & wanted) >= 2}
            close = {one for one, own in shared.items() if own <= wanted or wanted <= own}
        return self.one(close, f"a part of {how}" if close else how)

    def one(self, ids, how):
        if len(ids) == 1:
            return self.students[next(iter(ids))], how
        if ids:
            return None, f"{how} is that of several students: {', '.join(sorted(ids)[:4])}"
        return None, f"nobody in the roster has {how}"


def namesakes(students):
    """Names that several students share, for a warning. -> list of names"""
    names = collections.defaultdict(list)
    for student in students:
        names[letters(student.last_name + student.first_name)].append(student.name)
    return sorted({name for same in names.values() if len(same) > 1 for name in same})
