"""What Canvas, Moodle or a folder give -> submitted/STUDENT/LESSON/LESSON.ipynb, nbgrader's layout.

Names of files, as the systems' own sources make them:

    canvas   lastfirst_LATE_12345_67890_name-1.ipynb    (Canvas: lib/content_zipper.rb)
             the sortable name in small letters, of which letters (with accents), digits and _ are left; LATE where it is; the
             user's number; the file's number, which grows with time; the file's name, with -1, -2 from attempt to attempt
    moodle   First Last_123_assignsubmission_file/name.ipynb, ..._file_/name.ipynb (before Moodle 4), or ..._file_name.ipynb
             (Moodle: mod/assign/classes/downloader.php); the full name without apostrophes, the number of the participant
    folder   STUDENT/..., STUDENT_....ipynb: an id, email, login, number or name of the roster somewhere in the path

**The student** is found by the number where the roster has it, else by the name: without accents, signs and
capitals, in any order, with ä as a or ae, with or without a second first name, if it then means one student
only. The outermost part of a path that means somebody decides: what is inside a student's own folder or zip
cannot make it another's.

**The lesson** is found by what is in the notebook (grade ids, `setup(lesson=2)`, checks, functions), else by
the name of the file, else it is --assignment; with --assignment, notebooks of other lessons are not taken,
without it those of lessons that the course folder's release/ lacks are not, if it has any.

**Of several attempts the last on time counts**, else the last. On time: without Canvas's LATE, not after
--deadline. The zips of Canvas and Moodle do not hold the times of submission; folders do (the files' own),
and Moodle's grading worksheet as --roster.

In grading/: every attempt is kept in attempts/LESSON/STUDENT/; collected.json says where each came from, its
SHA-256 and which one is in submitted/, and lists what could not be placed, with the reason; roster.json is
the class; worksheets/ has Moodle's grading worksheets, as they were given. Collecting the same again changes
nothing. A run that was ended in the middle is completed by the next one. A download of which no notebook was
taken leaves no trace: it was probably the wrong file.

Archives are untrusted: nothing is unpacked to a path that an archive names, links are not followed, and all
is bounded.
"""

import collections
import contextlib
import datetime
import fcntl
import functools
import hashlib
import io
import json
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import CourseError, fold
from course_lib.files import write
from lessons.build import STUDENT, lesson_names

from . import roster as classes
from .repair import MOST_BYTES

DEPTH = 3  # zips in zips
MOST_ENTRIES = 100_000  # of what was downloaded
MOST_INNER = 2_000  # of a zip that a student packed
MOST_UNPACKED = 4 * MOST_BYTES  # of one such zip, all in all
MOST_NOTEBOOKS = 50  # of one student in one run
MOST_LINES = 5  # of one reason in one zip, and of names in a line, that are shown; collected.json has all
JUNK = re.compile(r"^(__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|\._.*)$", re.IGNORECASE)
OTHERS = (".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
CANVAS = re.compile(
    r"^(?P<name>.+?)(?P<late>_late)?_(?P<user>\d{1,18})_(?:(?P<file>\d{1,18})_.|(?P<what>text|link)\.html$)",
    re.I | re.S,
)
ANONYMOUS = re.compile(r"^(?:LATE_)?anon_\w+?_\d+_", re.I)
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<user>\d{1,18})_assignsubmission_(?P<what>[a-z]+)", re.S)
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
)


# --- what there is
# --------------------------------------------------------------------------------------------


@dataclass
class Item:
    """One file, in folders and archives. where: its path through them; problem: why it cannot be read, or
    None."""

    where: tuple
    read: object = None  # (limit in bytes) -> bytes
    time: datetime.datetime | None = None  # without a zone where it came from a zip
    problem: str | None = None

    @property
    def label(self):
        return printable("/".join(self.where))


def printable(text):
    """A name from outside, for a line of text."""
    return "".join(c if c.isprintable() else "?" for c in unicodedata.normalize("NFC", text))[:300]


def items(source, is_students):
    """All files of a file, folder or zip, through zips in them. -> iterator of Item

    is_students: (name of a zip in a folder) -> did a student pack it? Else it is what a system exported.
    """
    if not source.is_dir():
        yield from file_items(source.resolve(), (source.name,), lambda name: False, source=True)
        return
    unread = []
    for folder, folders, names in os.walk(source, onerror=unread.append):
        folders.sort()
        for name in sorted(names + [name for name in folders if (Path(folder) / name).is_symlink()]):
            path = Path(folder) / name
            yield from file_items(path, path.relative_to(source).parts, is_students)
    for error in unread:
        yield Item(
            Path(os.path.relpath(error.filename, source)).parts, problem=f"cannot be read ({error.strerror})"
        )


def file_items(path, where, is_students, source=False):
    try:
        status = path.lstat()
    except OSError as error:
        yield Item(where, problem=f"cannot be read ({error.strerror})")
        return
    if not stat.S_ISREG(status.st_mode):
        yield Item(
            where, problem="a link, which is not followed" if stat.S_ISLNK(status.st_mode) else "not a file"
        )
        return
    time = datetime.datetime.fromtimestamp(status.st_mtime, datetime.timezone.utc)
    item = Item(where, functools.partial(read_file, path), time)
    if path.suffix.lower() != ".zip" and not (source and zipfile.is_zipfile(path)):
        yield item
    elif is_students(path.name):
        yield from nested(item, [MOST_UNPACKED], 0)
    else:
        yield from zip_items(item, path, () if source else where, None)


def read_file(path, limit):
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(limit)


def zip_items(item, opened, where, budget, depth=0):
    """The files of a zip. opened: its path, or an open file; budget: [bytes] to unpack at most, None if no
    student packed it."""
    most = MOST_ENTRIES if budget is None else MOST_INNER
    try:
        archive = zipfile.ZipFile(opened)
    except BROKEN as error:
        yield Item(item.where, problem=f"a damaged zip ({printable(str(error))})")
        return
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
        if not entries:
            yield Item(item.where, problem="an empty zip")
        if len(entries) > most:
            yield Item(item.where, problem=f"a zip of {len(entries):,} files; at most {most:,} are looked at")
            return
        for entry in entries:
            parts = tuple(
                part
                for part in entry_name(entry).replace("\\", "/").split("/")
                if part not in ("", ".", "..")
            )
            own = [MOST_UNPACKED] if budget is None else budget
            inner = Item((*where, *(parts or ("?",))), functools.partial(read_entry, archive, entry, own))
            inner.time = entry_time(entry) if budget is None else item.time  # a student's clock says anything
            if stat.S_ISLNK(entry.external_attr >> 16):
                inner.problem = "a link, which is not followed"
            elif entry.flag_bits & 1:
                inner.problem = "encrypted"
            if inner.problem is None and inner.where[-1].lower().endswith(".zip"):
                yield from nested(inner, own, depth + 1)
            else:
                yield inner


def nested(item, budget, depth):
    """The files of a zip that a student packed."""
    if depth >= DEPTH:
        item.problem = f"a zip in {DEPTH} others, which is not looked into"
    else:
        data = content(item, MOST_BYTES)
        if (
            item.problem is None and data.count(b"PK\x01\x02") > 2 * MOST_INNER
        ):  # before they are all read as a list
            item.problem = f"a zip of very many files; at most {MOST_INNER:,} are looked at"
    if item.problem is None:
        yield from zip_items(item, io.BytesIO(data), item.where, budget, depth)
    else:
        yield item


def entry_name(entry):
    """The name in a zip.

    Without the flag for UTF-8 it is meant to be in an old code page, but most write UTF-8 all the same.
    """
    return entry.filename if entry.flag_bits & 0x800 else classes.unmixed(entry.filename)


def entry_time(entry):
    with contextlib.suppress(ValueError, TypeError):
        if entry.date_time > (1980, 1, 1, 0, 0, 0):
            return datetime.datetime(*entry.date_time)
    return None


def read_entry(archive, entry, budget, limit):
    with archive.open(entry) as file:
        data = file.read(min(limit, budget[0] + 1))
    budget[0] -= len(data)
    if budget[0] < 0:
        raise OverflowError
    return data


def content(item, limit, whole=True):
    """The bytes of an item, or b"" and its problem set. whole: more than limit is a problem."""
    try:
        data = item.read(limit + whole)
    except OverflowError:
        item.problem = f"in a zip that unpacks to more than {MOST_UNPACKED >> 20} MB"
    except BROKEN as error:
        item.problem = f"cannot be read ({printable(str(error)) or type(error).__name__})"
    else:
        if len(data) <= limit:
            return data
        item.problem = f"larger than {limit >> 20} MB; to be handed in again without outputs"
    return b""


# --- which lesson
# ---------------------------------------------------------------------------------------------


@functools.cache
def lesson_signs():
    """By what a notebook shows its lesson. -> {sign: lesson}; signs are pairs of kind and bytes"""
    signs = {}
    for lesson in lesson_names():
        signs["setup", str(int(lesson[:2])).encode()] = lesson
        for cell in json.loads((STUDENT / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]:
            marks = cell["metadata"].get("nbgrader")
            if marks:
                signs["grade_id", marks["grade_id"].encode()] = lesson
                signs["check", marks["grade_id"].removesuffix("-check").encode()] = lesson
            if marks and marks["solution"]:
                for name in re.findall(r"^def (\w+)", "".join(cell["source"]), re.MULTILINE):
                    signs["def", name.encode()] = lesson
    return signs


LOOK_FOR = (
    ("grade_id", 3, re.compile(rb'"grade_id"\s{0,9}:\s{0,9}"([\w-]{1,60})"')),
    ("setup", 3, re.compile(rb"setup\(lesson=(\d)\)")),
    ("check", 2, re.compile(rb"check\.(\w{1,60})\(")),
    ("def", 1, re.compile(rb"def (\w{1,60})\(")),
)


def lesson_of(data):
    """The lesson that a notebook's bytes show, whole or damaged; None where they show none, or two alike."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    votes = collections.Counter()
    for kind, weight, pattern in LOOK_FOR:
        for sign in set(pattern.findall(data)):
            if (kind, sign) in lesson_signs():
                votes[lesson_signs()[kind, sign]] += weight
    best = votes.most_common(2)
    return best[0][0] if best and (len(best) == 1 or best[0][1] > best[1][1]) else None


def lesson_named(name):
    """The lesson that a file's name says: "Copy of 02_template_model (2).ipynb" """
    name = re.sub(r"[\s-]+", "_", name.lower())
    return next((lesson for lesson in lesson_names() if lesson in name), None)


def lesson_called(text, lessons):
    """What --assignment names: a lesson's name, or its number. text: "3", "03" or the name; lessons: names ->
    the name

    Raises CourseError, which lists the lessons, where it is none of them.
    """
    if text in lessons:
        return text
    same = [name for name in lessons if text.isdecimal() and re.match(rf"(?=\d)0*{text.lstrip('0')}\D", name)]
    if len(same) == 1:
        return same[0]
    raise CourseError(f"""--assignment {text}: there is no such lesson. The lessons are {", ".join(lessons)};
        the number will do.""")


def copy_number(name):
    """notebook.ipynb 0, notebook-2.ipynb (Canvas) 2, notebook (1).ipynb (browsers) 1"""
    found = re.search(r"(?:-(\d{1,3})|\s?\((\d{1,3})\))$", re.sub(r"(\.\w+)+$", "", name))
    return int(found[1] or found[2]) if found else 0


def is_notebook(start):
    """By its first bytes: for notebooks of other names."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and (b'"cell' in start or b'"nbformat' in start)


# --- which student
# --------------------------------------------------------------------------------------------


@dataclass
class Who:
    """What a path says: the student or None, how that is known or why not; and what the systems write beside
    it."""

    student: object = None
    how: str = ""
    number: str = ""  # Canvas's of the user, Moodle's of the participant
    late: bool = False
    file_id: int = 0
    instead: str = ""  # of a file: an online text, a link


def by_canvas(where, roster):
    for part in where:
        if ANONYMOUS.match(part):
            return Who(how="an anonymous download; show the students' names in Canvas, then download again")
        found = CANVAS.match(part)
        if found is None:
            continue
        student, how = roster.find_number(found["user"])
        if student is None:
            student, by_name = roster.find_name(found["name"], squeezed=True)
            how = (
                by_name
                if student or "several" in by_name
                else f"{how} or {by_name.removeprefix('nobody in the roster has ')}"
            )
            if student is not None and student.lms_user_id:
                student, how = None, f"the name is {student.id}'s, but the number {found['user']} is not"
        return Who(
            student, how, found["user"], bool(found["late"]), int(found["file"] or 0), found["what"] or ""
        )
    return Who(how="the name is not one that Canvas gives (last name first_number_number_file)")


def by_moodle(where, roster):
    for part in where:
        found = MOODLE.match(part)
        if found is None:
            continue
        student, how = roster.find_number(found["user"])
        named, by_name = roster.find_name(found["name"])
        if student is None:
            student, how = named, by_name
        elif named not in (None, student):
            student, how = (
                None,
                (
                    f"the number {found['user']} is that of {student.id}, the name that of {named.id}: is the "
                    "roster a worksheet of another assignment?"
                ),
            )
        return Who(student, how, found["user"], instead=found["what"].removeprefix("file"))
    return Who(how="the name is not one that Moodle gives (full name_number_assignsubmission_file)")


def by_folder(where, roster):
    """The outermost part of the path that means one student; of a part, first as a whole, then its beginnings
    and ends."""
    several = None
    for part in where:
        # The names in these would mean students as well, but the systems' numbers, LATE and times would not
        # be read.
        if "_assignsubmission_" in part:
            return Who(how="a download of Moodle's: --from moodle")
        found = CANVAS.match(part)
        if found is not None and roster.find_number(found["user"])[0] is not None:
            return Who(how="a download of Canvas's: --from canvas")
        whole, *pieces = fragments(part)
        for texts, find in (
            ((part, whole), roster.find_key),
            ([whole], roster.find_name),
            (pieces, roster.find_key),
            (pieces, roster.find_name),
        ):
            found = [find(text) for text in texts]
            students = {student.id: (student, how) for student, how in found if student is not None}
            if len(students) == 1:
                return Who(*students.popitem()[1])
            if students:
                return Who(how=f"{printable(part)!r} names several students: {', '.join(sorted(students))}")
            several = several or next((how for _, how in found if "several" in how), None)
    folder = f"{next(iter(roster.students), 'ID')}/"
    return Who(
        how=several
        or "no id, email or name of the roster is in its path; put it into a folder named after the student's "
        f"id, say {folder}, and collect the folder that holds {folder}"
    )


def fragments(name):
    """A part of a path without the lesson's name, the file's type and numbers of copies, and its beginnings
    and ends. -> list"""
    stem = re.sub(r"(\.(ipynb|zip|json|txt))+$", "", name, flags=re.IGNORECASE)
    for lesson in lesson_names():
        stem = re.sub(re.escape(lesson), "", stem, flags=re.IGNORECASE)
    stem = re.sub(r"\s?\(\d+\)$|-\d{1,2}$", "", stem).strip(" _-")
    cuts = [at.start() for at in re.finditer(r"[_\s-]+", stem)][:20]
    return [stem, *(part for at in cuts for part in (stem[:at], stem[at:].lstrip(" _-")) if len(part) >= 3)]


WAYS = {"canvas": by_canvas, "moodle": by_moodle, "folder": by_folder}
PACKED = {
    "canvas": CANVAS.match,
    "moodle": MOODLE.match,
    "folder": lambda name: True,
}  # is a zip in a folder a student's?


# --- times
# ----------------------------------------------------------------------------------------------------


def parse_deadline(text):
    """ "2026-11-20T23:59+01:00" -> datetime with its zone, this machine's where it names none; a day alone
    lasts until its end."""
    text = text.strip()
    try:
        time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise CourseError(f"""--deadline {text!r} is no time. Write 2026-11-20T23:59, or
            2026-11-20T23:59+01:00.""") from None
    if len(text) == 10:
        time += datetime.timedelta(days=1, seconds=-1)
    return time if time.tzinfo else time.astimezone()


def parse_moodle_time(text):
    """ "Friday, 20 November 2026, 11:05 PM" and its like -> datetime without zone, or None"""
    text = re.sub(r"^\w+, ", "", text.strip().replace("\u202f", " "))
    for form in (
        "%d %B %Y, %I:%M %p",
        "%d %B %Y, %H:%M",
        "%d %b %Y, %H:%M",
        "%B %d, %Y, %I:%M %p",
        "%Y-%m-%d %H:%M:%S",
        "%d/%m/%y, %H:%M",
    ):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, form)
    return None


# --- the course folder
# ----------------------------------------------------------------------------------------


@dataclass
class Collected:
    """What a run did. placed, replaced, unchanged, late: (lesson, student); left_out: (from, reason);
    missing: {lesson: ids}."""

    into: str = "submitted"  # where the notebooks went
    recorded: bool = False  # a notebook came in, so grading/collected.json has what was left out
    placed: list = field(default_factory=list)
    replaced: list = field(default_factory=list)  # of placed: an earlier attempt was there
    unchanged: list = field(default_factory=list)
    late: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    left_out: list = field(default_factory=list)
    junk: int = 0
    missing: dict = field(default_factory=dict)

    def text(self):
        """The run in lines."""
        lessons = sorted({lesson for lesson, _ in self.placed + self.unchanged})
        of = f" of {', '.join(lessons)}" if lessons else ""
        lines = [
            f"Collected {count(self.placed, 'notebook')}{of} into {self.into}; "
            f"{len(self.unchanged)} more were there already."
        ]
        sections = (
            ("Replaced an earlier attempt", [f"{student} ({lesson})" for lesson, student in self.replaced]),
            ("Late", [f"{student} ({lesson})" for lesson, student in self.late]),
            ("To know", self.notes),
            ("Could not be placed", self.left_out_lines()),
        )
        for title, rows in sections:
            if rows:
                lines += [f"\n{title}:", *(f"  {row}" for row in rows)]
        for lesson, students in self.missing.items():
            if students:
                lines += [
                    f"\nNothing of {lesson} from {count(students, 'student')}:",
                    f"  {', '.join(students)}",
                ]
        if self.junk:
            lines.append(
                f"\nPassed over {count(range(self.junk), 'file')} of operating systems (.DS_Store and the like)."
            )
        return "\n".join(lines)

    def left_out_lines(self):
        """Of many files of one folder or zip that were left out for one reason, the first few and their
        number."""
        groups = collections.defaultdict(list)
        for where, reason in self.left_out:
            groups[where.split("/")[0] if "/" in where else "", reason].append(f"{where}: {reason}")
        for (top, reason), rows in groups.items():
            if top and len(rows) > MOST_LINES:
                all_of_them = "; grading/collected.json names them" if self.recorded else ""
                rows[MOST_LINES:] = [f"{top}: {len(rows) - MOST_LINES} more: {reason}{all_of_them}"]
        return [row for rows in groups.values() for row in rows]


def count(things, noun):
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def some(names):
    """The first few of a list, and how many more, for a line."""
    more = len(names) - MOST_LINES
    return ", ".join(names[:MOST_LINES]) + (f" (and {more} more)" if more > 0 else "")


def collect(source, kind, course=".", roster=None, assignment=None, deadline=None):
    """Takes in what was downloaded. -> Collected

    source: a zip, a folder or a notebook; kind: "canvas", "moodle" or "folder"; roster: a csv of the class,
    added to those given before; assignment: the only lesson that is taken, by name or number, also from
    notebooks that do not show which they are; deadline: ISO 8601, in this machine's time if it names no zone;
    it is kept for the lessons that came in, until another one is given.
    """
    source, course = Path(source), Path(course)
    if assignment is not None:
        assignment = lesson_called(assignment, lesson_names())
    until = None if deadline is None else parse_deadline(deadline)
    data = None if roster is None else classes.csv_bytes(roster)
    new = None if roster is None else classes.students_in(data, roster)
    if not source.exists():
        raise CourseError(f"{source}: there is no such file or folder.")
    if new is None and not os.path.exists(classes.roster_path(course)):  # before anything is made there
        raise CourseError(f"""Who is in the class? Name its csv: --roster roster.csv (nbgrader's, Canvas's
            gradebook export or Moodle's participants). {place_of(course)} has none so far; if another folder
            is the course's, name it with --course.""")
    with room(course), locked(course):
        students = classes.read(course)
        for student in students:  # they are another assignment's, unless the new csv says them again
            student.identifier = student.submitted = ""
        notes = []
        if not any((course / name).exists() for name in COURSE):
            notes.append(
                f"{place_of(course)} is no course folder yet, and was begun now; "
                f"`dolphins release --lessons N --course {place_of(course)}` makes the rest."
            )
        if new is not None:
            students, joined = joining(students, new, course, roster)
            notes += [f"New in the class: {some(joined)}."] if joined else []
        is_worksheet = kind == "moodle" and any(
            re.fullmatch(r"\D+\d+", student.identifier) for student in new or ()
        )
        run = Run(course, students, kind, assignment, until, new is not None, data if is_worksheet else None)
        run.result.notes += notes
        return run.take_in(source)


COURSE = (
    "nbgrader_config.py",
    "source",
    "grading/roster.json",
    "grading/collected.json",
)  # a course folder has one of them


def place_of(course):
    """A course folder as it was named, and where that names none, where it is."""
    return str(course if course.name else course.resolve())


def joining(known, new, course, path):
    """A class and another csv of it. known, new: lists of Student -> the whole class, the names of who is new
    in a class

    Raises CourseError where the csv, path, has nobody of the class: it is another's, and merged it could not
    be undone.
    """
    ids = {student.id for student in known}
    merged = classes.update(known, new)
    if not known:
        return merged, []
    joined = [student for student in merged if student.id not in ids]
    names = [
        printable(f"{student.first_name} {student.last_name}".strip() or student.id) for student in joined
    ]
    if len(joined) == len(new):
        alike = {classes.letters(student.first_name + student.last_name) for student in known} & set(
            map(classes.letters, names)
        )
        raise CourseError(
            f"{path}: none of its {count(new, 'student')} ({some(names)}) is in this class of {len(known)} so far. "
            + (
                "Some names are the same, but no id, email or number is: a name alone does not say who it is. "
                if alike
                else "Is it another class's? "
            )
            + "To add students, give a csv in which somebody of the class stands too; to begin the class anew, "
            f"delete {classes.roster_path(course)}, then collect again."
        )
    return merged, names


class Run:
    """One collecting. register: the content of collected.json; has_roster: was one given now; worksheet:
    Moodle's, as bytes."""

    def __init__(self, course, students, kind, assignment, until, has_roster, worksheet):
        self.course, self.kind, self.assignment, self.until = course, kind, assignment, until
        self.roster, self.result = (
            classes.Roster(students),
            Collected(str(Path(place_of(course)) / "submitted")),
        )
        self.has_roster, self.worksheet, self.alone, self.numbered = has_roster, worksheet, False, False
        self.register = read_register(course)
        self.number = 1 + max(
            (attempt["run"] for _, _, known in self.known() for attempt in known["attempts"]), default=0
        )
        self.taken, self.touched, self.undated, self.renamed, self.zones = (
            collections.Counter(),
            set(),
            False,
            [],
            set(),
        )
        self.released = {
            path.stem for path in (course / "release").glob("*/*.ipynb") if (STUDENT / path.name).is_file()
        }

    def known(self):
        """(lesson, student's id, what is known of their attempts) of all that was ever collected."""
        return [
            (lesson, student, known)
            for lesson, students in self.register["submissions"].items()
            for student, known in students.items()
        ]

    def take_in(self, source):
        self.alone = source.is_file() and not zipfile.is_zipfile(source)
        for item in items(source, PACKED[self.kind]):
            if any(JUNK.match(part) for part in item.where):
                self.result.junk += 1
            elif reason := self.take(item):
                self.result.left_out.append((item.label, reason))
        lessons = sorted({lesson for lesson, _ in self.touched})
        self.result.recorded = bool(lessons)
        for lesson in lessons if self.until else ():
            self.register["deadlines"][lesson] = self.until.isoformat()
        self.keep_numbers(lessons)
        if self.worksheet is not None and self.is_of(lessons):
            update(classes.worksheet_path(self.course, lessons[0]), self.worksheet)
        self.write()  # before anything is placed: a run that ends here is completed by the next
        for lesson, student, known in self.known():
            counts = counting(known, self.register["deadlines"].get(lesson))
            if (lesson, student) in self.touched or known["sha256"] != counts["sha256"]:
                self.place(lesson, student, known)
        self.tell(lessons)
        if lessons:  # else it was the wrong file, and the class page would show its names for ever
            self.register["left_out"][source.name] = [
                {"from": where, "reason": reason} for where, reason in self.result.left_out
            ]
        self.write()
        return self.result

    def write(self):
        if self.touched or self.has_roster:
            update(classes.roster_path(self.course), classes.as_json(self.roster.students.values()))
        if self.register["submissions"]:
            update(
                register_path(self.course),
                (json.dumps(self.register, indent=1, ensure_ascii=False) + "\n").encode(),
            )

    def tell(self, lessons):
        shared = classes.namesakes(self.roster.students.values())
        if shared:
            self.result.notes.append(
                f"Several students are called {', '.join(shared)}: numbers, ids or emails tell them apart."
            )
        if self.renamed:
            its = "its lesson" if len(self.renamed) == 1 else "their lessons"
            self.result.notes.append(
                f"{count(self.renamed, 'notebook')} not named after {its}, which the content shows: "
                f"{some(self.renamed)}."
            )
        if len(lessons) > 1 and self.assignment is None and self.kind != "folder":
            self.result.notes.append(
                f"Notebooks of {len(lessons)} lessons came in; --assignment takes one lesson only."
            )
        if self.worksheet is not None and lessons and not self.numbered:
            self.result.notes.append(
                "The worksheet has the number of none of the files, so it seems to be another assignment's: "
                "its times were not used, nor was it kept for the grades. Give this assignment's."
            )
        if self.zones:
            whose = {"moodle": "Moodle's times", "folder": "The zip's times"}[self.kind]
            where = {"moodle": "your Moodle shows", "folder": "it was packed in"}[self.kind]
            self.result.notes.append(
                f"{whose} name no zone and were read as {' and as '.join(sorted(self.zones))}. If {where} "
                "another, give the deadline in that one."
            )
        unread = [
            student.submitted
            for student in self.roster.students.values()
            if self.kind == "moodle"
            and student.submitted.strip(" -")
            and parse_moodle_time(student.submitted) is None
        ]
        if unread:
            self.result.notes.append(
                f"The worksheet's times could not be read (the first: {printable(unread[0])!r}), so nobody "
                "is late by them; download it with Moodle set to English."
            )
        elif self.undated:
            self.result.notes.append(
                "The deadline could not be applied to all: "
                + {
                    "canvas": "Canvas's files carry no times of submission; its LATE was applied.",
                    "moodle": "Moodle's files carry no times of submission; give the assignment's grading worksheet as --roster.",
                    "folder": "some files carry no time.",
                }[self.kind]
            )
        for lesson in lessons:
            self.result.missing[lesson] = sorted(
                set(self.roster.students) - set(self.register["submissions"][lesson])
            )

    def take(self, item):
        """Takes one file in. -> None, or why not"""
        name = item.where[-1]
        if ".ipynb_checkpoints" in item.where:
            return "an autosave of Jupyter, not what was handed in"
        who = WAYS[self.kind](item.where, self.roster)
        whose = f" (of {who.student.id})" if who.student else ""
        if who.instead:
            item.problem = f"handed in as {who.instead}, not as a file"
        if item.problem is None and name.lower().endswith(OTHERS):
            item.problem = "an archive that is not looked into; a zip or the notebook itself is"
        if (
            item.problem is None
            and not name.lower().endswith(".ipynb")
            and not is_notebook(content(item, 4096, whole=False))
        ):
            item.problem = item.problem or "not a notebook"
        if item.problem is not None:
            return item.problem + whose
        if who.student is None:
            other = (
                "; a notebook that came another way: --from folder, in a folder named after the student's id"
            )
            return who.how + other * (self.alone and who.how.startswith("the name is not one"))
        self.taken[who.student.id] += 1
        if self.taken[who.student.id] > MOST_NOTEBOOKS:
            return f"more than {MOST_NOTEBOOKS} notebooks of one student" + whose
        data = content(item, MOST_BYTES)
        if item.problem is not None:
            return item.problem + whose
        shown, named = lesson_of(data), lesson_named(name)
        lesson = shown or named or self.assignment
        if lesson is None:
            return "neither its content nor its name shows a lesson; name it with --assignment" + whose
        if self.assignment not in (None, lesson):
            return f"is {lesson}, not {self.assignment}" + whose
        if self.assignment is None and self.released and lesson not in self.released:
            return (
                f"is {lesson}, which is not released in {place_of(self.course)}; `--assignment {lesson}` takes it"
                + whose
            )
        others = [
            attempt
            for attempt in self.attempts(lesson, who.student.id)
            if attempt["kind"] == self.kind and attempt["number"] != who.number
        ]
        if others and not who.how.startswith("the number"):
            return fold(f"""the name is {who.student.id}'s, but so is that of number {others[0]["number"]}:
                look at both, then give their numbers in the roster's column lms_user_id""")
        for attempt in others:  # taken by its name, before the roster said whose number is whose
            attempt["foreign"] = True
        notes = []
        if shown is None:
            notes.append(f"does not show its lesson; {'its name' if named else '--assignment'} says {lesson}")
        elif named != shown:
            self.renamed.append(f"{who.student.id} ({lesson})")
        if who.how.startswith("a part of"):
            notes.append(f"matched by {who.how}")
        self.record(lesson, who, item, data, notes)
        return None

    def attempts(self, lesson, student):
        return self.register["submissions"].get(lesson, {}).get(student, {"attempts": []})["attempts"]

    def record(self, lesson, who, item, data, notes):
        """Keeps an attempt's bytes, and what is known of it."""
        digest, student = hashlib.sha256(data).hexdigest(), who.student
        known = (
            self.register["submissions"]
            .setdefault(lesson, {})
            .setdefault(student.id, {"sha256": None, "attempts": []})
        )
        numbered = who.how.startswith("the number")
        self.numbered |= numbered
        time = item.time if self.kind == "folder" else None
        if self.kind == "moodle" and numbered:  # with another number it is another assignment's worksheet
            time = parse_moodle_time(student.submitted)
        kept = self.register["deadlines"].get(lesson)
        deadline = self.until or kept and datetime.datetime.fromisoformat(kept)
        told = None
        if (
            time is not None and time.tzinfo is None
        ):  # told without a zone: in the deadline's, else in this machine's
            told = time.isoformat(" ")
            if deadline:
                zone = datetime.timezone(deadline.utcoffset())
                self.zones.add(f"{zone}, the deadline's ({deadline:%Y-%m-%d %H:%M})")
            time = time.replace(tzinfo=deadline.tzinfo) if deadline else time.astimezone()
        time = time and time.astimezone(datetime.timezone.utc).isoformat(" ", "seconds")
        self.touched.add((lesson, student.id))
        update(self.kept(lesson, student.id, digest), data)
        for attempt in known["attempts"]:
            if (
                attempt["sha256"] == digest and not attempt["foreign"]
            ):  # handed in twice: the first time counts
                attempt["late"] = attempt["late"] and who.late
                same = told is not None and told == attempt.get(
                    "told"
                )  # that time again, now in another zone perhaps
                if same or not attempt["time"] or time and time < attempt["time"]:
                    attempt["time"], attempt["told"] = time, told
                self.undated |= deadline is not None and not attempt["time"]
                return
        self.undated |= deadline is not None and time is None
        known["attempts"].append(
            {
                "sha256": digest,
                "from": item.label,
                "kind": self.kind,
                "late": who.late,
                "time": time,
                "told": told,
                "number": who.number,
                "file_id": who.file_id,
                "copy": copy_number(item.where[-1]),
                "run": self.number,
                "matched_by": who.how,
                "foreign": False,
                "notes": notes,
            }
        )
        self.result.notes += [f"{student.id}: {item.label} {note}." for note in notes]

    def kept(self, lesson, student, digest):
        return self.course / "grading" / "attempts" / lesson / student / f"{digest[:16]}.ipynb"

    def is_of(self, lessons):
        """Is the worksheet that of what came in? Of several lessons nobody can say which; with other numbers
        it is another's."""
        return self.kind == "moodle" and len(lessons) == 1 and self.numbered

    def keep_numbers(self, lessons):
        """What the systems call the students, for the tables to upload."""
        for lesson in lessons:
            for student in self.roster.students.values():
                if student.identifier and self.is_of(lessons):
                    student.participants[lesson] = student.identifier
                for attempt in self.attempts(lesson, student.id):
                    if attempt["foreign"]:
                        continue
                    if attempt["kind"] == "moodle":
                        student.participants.setdefault(lesson, f"Participant {attempt['number']}")
                    elif attempt["kind"] == "canvas":
                        student.lms_user_id = student.lms_user_id or attempt["number"]

    def place(self, lesson, student, known):
        """Puts the attempt that counts into submitted/."""
        path = self.course / "submitted" / student / lesson / f"{lesson}.ipynb"
        deadline = self.register["deadlines"].get(lesson)
        counts = counting(known, deadline)
        there, kept = sha256(path), self.kept(lesson, student, counts["sha256"])
        if there not in (None, *(attempt["sha256"] for attempt in known["attempts"])):
            self.result.notes.append(
                f"{student}: {path.relative_to(self.course)} was put there or changed by hand and is left "
                "as it is. Delete it, then collect again, if what was handed in shall count."
            )
            return
        if there != counts["sha256"] and sha256(kept) != counts["sha256"]:
            self.result.left_out.append(
                (counts["from"], f"{kept} is gone or was changed; collect it again (of {student})")
            )
            return
        if is_late(counts, deadline):
            self.result.late.append((lesson, student))
        if there == counts["sha256"]:
            self.result.unchanged.append((lesson, student))
        else:
            update(path, kept.read_bytes())
            self.result.placed.append((lesson, student))
            if there is not None:
                self.result.replaced.append((lesson, student))
        stamp = path.with_name("timestamp.txt")  # nbgrader reads the time of submission from here
        if counts["time"]:
            update(stamp, f"{counts['time'][:19]} UTC\n".encode())
        else:
            stamp.unlink(missing_ok=True)
        known["sha256"] = counts["sha256"]


def register_path(course):
    return course / "grading" / "collected.json"


def read_register(course):
    """collected.json: {"submissions": {lesson: {student: {"sha256": of what is in submitted/, "attempts":
    [...]}}}, "deadlines": {lesson: time}, "left_out": {name of the download: [{"from", "reason"}]}}"""
    path, keys = register_path(course), ("submissions", "deadlines", "left_out")
    try:
        register = json.loads(path.read_text(encoding="utf-8"))
        return {key: dict(register[key]) for key in keys}
    except FileNotFoundError:
        return {key: {} for key in keys}
    except (ValueError, KeyError, TypeError):
        raise CourseError(f"""{path} cannot be read. It says where every submission came from: put back the
            file, or move it away and collect everything again.""") from None


def is_late(attempt, deadline):
    """attempt: of the register; deadline: its lesson's, text or None."""
    return attempt["late"] or bool(
        deadline
        and attempt["time"]
        and (datetime.datetime.fromisoformat(attempt["time"]) > datetime.datetime.fromisoformat(deadline))
    )


def counting(known, deadline):
    """Of a student's attempts the one that counts: the last on time, else the last."""
    attempts = [attempt for attempt in known["attempts"] if not attempt["foreign"]]
    kinds = {attempt["kind"] for attempt in attempts}
    when = "file_id" if kinds == {"canvas"} else "time" if kinds == {"folder"} else "run"

    def order(place):
        attempt = attempts[place]
        return not is_late(attempt, deadline), attempt[when] or "", attempt["copy"], place

    return attempts[max(range(len(attempts)), key=order)]


def late_and_left_out(course):
    """What a report says of collecting. -> set of (lesson, student) that are late, list of (file, why it
    could not be placed)"""
    register = read_register(Path(course))
    late = set()
    for lesson, students in register["submissions"].items():
        deadline = register["deadlines"].get(lesson)
        late |= {
            (lesson, student)
            for student, known in students.items()
            if is_late(counting(known, deadline), deadline)
        }
    return late, [(row["from"], row["reason"]) for rows in register["left_out"].values() for row in rows]


def sha256(path):
    """SHA-256 of a file, None where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def update(path, data):
    """Writes a file, unless it is so already."""
    if not (path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data):
        write(path, data)


@contextlib.contextmanager
def locked(course):
    """One collecting at a time in a course."""
    (course / "grading").mkdir(parents=True, exist_ok=True)
    with (course / "grading" / ".collect.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"""{course}: another `dolphins collect` is at work here. Wait until it has
                ended.""") from None
        yield


@contextlib.contextmanager
def room(course):
    """Turns a full disk and the like into a sentence."""
    try:
        yield
    except OSError as error:
        raise CourseError(f"""{error.filename or course}: cannot be written or read ({error.strerror}).
            Nothing that was collected is lost: make room or mend it, then run the same command
            again.""") from None
