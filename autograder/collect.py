"""What Canvas, Moodle or a folder give -> submitted/STUDENT/LESSON/LESSON.ipynb, nbgrader's layout.

Names of files, as the systems' own sources make them:

    canvas   lastfirst_LATE_12345_67890_name-1.ipynb    (Canvas: lib/content_zipper.rb)
             the sortable name in small letters without spaces, commas, hyphens and apostrophes, but with accents; LATE where it is; the
             user's number; the file's number, which grows with time; the file's name, to which Canvas adds -1, -2 from attempt to attempt
    moodle   First Last_123_assignsubmission_file/name.ipynb, or ..._file_/name.ipynb, or ..._file_name.ipynb     (Moodle:
             mod/assign/classes/downloader.php); the full name without apostrophes, and the number of the participant
    folder   STUDENT/..., STUDENT_....ipynb: an id, email, login, number or name of the roster somewhere in the path

**The student** is found by the number where the roster has it, else by the name: without accents, signs and capitals, in any order,
with ä as a or ae, with or without a second first name, if it then means one student only. **The lesson** is found by what is in the
notebook (grade ids, `setup(lesson=2)`, checks, functions), else by the name of the file, else it is --assignment.

**Of several attempts the last on time counts**, else the last. On time: without Canvas's LATE, not after --deadline. The zips of Canvas
and Moodle do not hold the times of submission; folders do (the files' own), and Moodle's grading worksheet as --roster.
What does not count is kept in grading/attempts/. Nothing is dropped in silence: what could not be placed is listed with the reason.

grading/collected.json says where every file came from, and its SHA-256. Collecting the same again changes nothing.

Archives are untrusted: nothing is unpacked to a path that an archive names, links are not followed, and all is bounded.
"""

import collections
import contextlib
import datetime
import errno
import fcntl
import functools
import hashlib
import json
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from course_lib.errors import CourseError

from .build import STUDENT
from .repair import MOST_BYTES
from .roster import Roster, namesakes, read_roster, unmixed

COLLECTED = "collected.json"
DEPTH = 3                       # zips in zips
MOST_ENTRIES = 100_000          # of what was downloaded
MOST_INNER = 2_000              # of a zip that a student packed
MOST_UNPACKED = 4 * MOST_BYTES  # of one such zip, all in all
JUNK = re.compile(r"^(__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|\._.*)$", re.IGNORECASE)
OTHERS = (".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
CANVAS = re.compile(r"^(?P<name>.+?)(?:_(?P<late>(?i:LATE)))?_(?P<user>\d+)_(?P<file>\d+)_(?P<rest>.+)$", re.DOTALL)
CANVAS_TEXT = re.compile(r"^(?P<name>.+?)(?:_(?P<late>(?i:LATE)))?_(?P<user>\d+)_(?P<what>text|link)\.html$", re.DOTALL)
CANVAS_ANONYMOUS = re.compile(r"^(?:LATE_)?anon_\w+?_\d+_", re.IGNORECASE)
MOODLE = re.compile(r"^(?P<name>.+)_(?P<user>\d+)_assignsubmission_(?P<what>[a-z]+)_?(?P<rest>.*)$", re.DOTALL)


# --- what there is --------------------------------------------------------------------------------------------

@dataclass
class Item:
    """One file, in folders and archives. where: its path through them; problem: why it cannot be read, or None."""

    where: tuple
    read: object                # (limit in bytes) -> bytes
    size: int = 0
    time: datetime.datetime | None = None
    problem: str | None = None

    @property
    def label(self):
        return printable("/".join(self.where))


def printable(text):
    """A name from outside, for a line of text."""
    return "".join(c if c.isprintable() else "?" for c in unicodedata.normalize("NFC", text))[:300]


def items(source):
    """All files of a file, folder or zip, through zips in them. -> iterator of Item"""
    source = Path(source)
    if not source.exists():
        raise CourseError(f"{source}: there is no such file or folder.")
    for path, where in files_below(source):
        time = datetime.datetime.fromtimestamp(path.lstat().st_mtime)
        if path.is_symlink():
            yield Item(where, None, problem="a link, which is not followed")
        elif not path.is_file():
            yield Item(where, None, problem="not a file")
        else:
            item = Item(where, functools.partial(read_file, path), path.lstat().st_size, time)
            if path.suffix.lower() == ".zip":
                outer = path == source
                yield from zip_items(item, path, MOST_ENTRIES, () if outer else where, None)
            else:
                yield item


def files_below(source):
    if not source.is_dir():
        yield source, (source.name,)
        return
    for folder, folders, names in os.walk(source, followlinks=False):
        folders[:] = sorted(name for name in folders if not JUNK.match(name))
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted(names + links):
            path = Path(folder) / name
            yield path, path.relative_to(source).parts


def read_file(path, limit):
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(limit)


def zip_items(item, opened, most, where, budget, depth=1):
    """The files of a zip. opened: its path, or its bytes in memory; budget: what may still be unpacked of a student's zip."""
    import io

    try:
        archive = zipfile.ZipFile(io.BytesIO(opened) if isinstance(opened, bytes) else opened)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        yield Item(where or item.where, None, item.size, item.time, f"a damaged zip ({printable(str(error))})")
        return
    with archive:
        entries = archive.infolist()
        if len(entries) > most:
            yield Item(where or item.where, None, item.size, item.time, f"a zip of {len(entries):,} files; at most {most:,} are looked at")
            return
        for entry in entries:
            parts = tuple(part for part in entry_name(entry).replace("\\", "/").split("/") if part not in ("", ".", ".."))
            if entry.is_dir() or not parts:
                continue
            inner = Item((*where, *parts), None, entry.file_size, entry_time(entry))
            spent = budget if budget is not None else [MOST_UNPACKED]
            inner.read = functools.partial(read_entry, archive, entry, spent)
            if stat.S_ISLNK(entry.external_attr >> 16):
                inner.problem = "a link, which is not followed"
            elif entry.flag_bits & 1:
                inner.problem = "encrypted"
            if inner.problem is None and parts[-1].lower().endswith(".zip"):
                yield from nested(inner, spent, depth)
            else:
                yield inner


def nested(item, budget, depth):
    """The files of a zip in a zip."""
    if depth >= DEPTH:
        item.problem = f"a zip in {DEPTH} others, which is not looked into"
        yield item
        return
    data = content(item, MOST_BYTES)
    if item.problem:
        yield item
    else:
        yield from zip_items(item, data, MOST_INNER, item.where, budget, depth + 1)


def entry_name(entry):
    """The name in a zip. Without the flag for UTF-8 it is meant to be in an old code page, but most write UTF-8 all the same."""
    return entry.filename if entry.flag_bits & 0x800 else unmixed(entry.filename)


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


def content(item, limit):
    """The bytes of an item, or b"" and its problem set."""
    try:
        data = item.read(limit + 1)
    except OverflowError:
        item.problem = f"in a zip that unpacks to more than {MOST_UNPACKED >> 20} MB"
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, MemoryError) as error:
        item.problem = f"cannot be read ({printable(str(error)) or type(error).__name__})"
    else:
        if len(data) <= limit:
            return data
        item.problem = f"larger than {limit >> 20} MB; to be handed in again without outputs"
    return b""


# --- which lesson ---------------------------------------------------------------------------------------------

@functools.cache
def lesson_signs():
    """By what a notebook shows its lesson. -> {sign: lesson}; signs are pairs of kind and bytes"""
    signs = {}
    for path in sorted(STUDENT.glob("[0-9][0-9]_*.ipynb")):
        signs["setup", str(int(path.name[:2])).encode()] = path.stem
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            marks = cell["metadata"].get("nbgrader")
            if marks:
                signs["grade_id", marks["grade_id"].encode()] = path.stem
                signs["check", marks["grade_id"].removesuffix("-check").encode()] = path.stem
            if marks and marks["solution"]:
                for name in re.findall(r"^def (\w+)", "".join(cell["source"]), re.MULTILINE):
                    signs["def", name.encode()] = path.stem
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
    return next((path.stem for path in sorted(STUDENT.glob("[0-9][0-9]_*.ipynb")) if path.stem in name), None)


def attempt_number(name):
    """notebook.ipynb 0, notebook-2.ipynb (Canvas) 2, notebook (1).ipynb (browsers) 1"""
    found = re.search(r"(?:-(\d{1,3})|\s?\((\d{1,3})\))$", re.sub(r"(\.\w+)+$", "", name))
    return int(found[1] or found[2]) if found else 0


def is_notebook(name, data):
    return name.lower().endswith(".ipynb") or (data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and b'"cell' in data)


# --- which student --------------------------------------------------------------------------------------------

@dataclass
class Who:
    """What a path says: the student or None, how that is known or why not; what Canvas adds."""

    student: object = None
    how: str = ""
    late: bool = False
    file_id: int = 0


def by_canvas(item, roster):
    for part in item.where:
        if CANVAS_ANONYMOUS.match(part):
            return Who(how="an anonymous download; show the students' names in Canvas, then download again")
        found = CANVAS.match(part) or CANVAS_TEXT.match(part)
        if found:
            student, how = roster.find_number(found["user"])
            by_name, how_by_name = roster.find_name(found["name"], squeezed=True)
            if student is None and by_name is not None and (not by_name.lms_user_id or by_name.lms_user_id == found["user"]):
                student, how = by_name, how_by_name
            elif student is None and by_name is not None:
                how = f"the name {found['name']!r} is that of {by_name.id}, but the number {found['user']} is not"
            elif student is None:
                how = f"{how}; {how_by_name}"
            if "what" in found.groupdict():
                return Who(None, f"{student.id if student else 'somebody'} handed in a {found['what']} instead of a file")
            return Who(student, how, bool(found["late"]), int(found["file"][:18]))
    return Who(how="the name is not one that Canvas gives (last name first_number_number_file)")


def by_moodle(item, roster):
    for part in item.where:
        found = MOODLE.match(part)
        if found:
            student, how = roster.find_number(found["user"])
            by_name, how_by_name = roster.find_name(found["name"])
            if student is not None and by_name is not None and by_name.id != student.id:
                return Who(how=f"the number {found['user']} is that of {student.id}, the name that of {by_name.id}: is the roster of this assignment?")
            if student is None:
                student, how = by_name, how_by_name
            if found["what"] != "file":
                return Who(None, f"{student.id if student else 'somebody'} handed in {found['what']} instead of a file")
            return Who(student, how)
    return Who(how="the name is not one that Moodle gives (full name_number_assignsubmission_file)")


def by_folder(item, roster):
    reasons = []
    for parts in (item.where[:-1], fragments(item.where[-1])):
        for find in (roster.find_key, roster.find_name):
            found = [find(part) for part in parts]
            students = {student.id: (student, how) for student, how in found if student is not None}
            if len(students) == 1:
                return Who(*next(iter(students.values())))
            if students:
                return Who(how=f"the path names several students: {', '.join(sorted(students))}")
            reasons += [how for _, how in found if "several" in how]
    return Who(how=reasons[0] if reasons else "no id, email or name of the roster is in its path")


def fragments(name):
    """Beginnings and ends of a file's name in which a student may be named, without the lesson's name and numbers of copies."""
    stem = re.sub(r"(\.\w{1,6})+$", "", name)
    for path in STUDENT.glob("[0-9][0-9]_*.ipynb"):
        stem = re.sub(re.escape(path.stem), "", stem, flags=re.IGNORECASE)
    stem = re.sub(r"\s?\(\d+\)$|-\d{1,2}$", "", stem).strip(" _-")
    cuts = [at.start() for at in re.finditer(r"[_\s-]", stem)][:20]
    return [part for part in (stem, *(stem[:at] for at in cuts), *(stem[at + 1:] for at in cuts)) if len(part) >= 3]


WAYS = {"canvas": by_canvas, "moodle": by_moodle, "folder": by_folder}


# --- the course folder ----------------------------------------------------------------------------------------

@dataclass
class Collected:
    """What a run did. placed, replaced, late: (lesson, student); left_out: (from, reason); missing: ids of those without a file of
    the lessons that came in."""

    placed: list = field(default_factory=list)
    replaced: list = field(default_factory=list)
    unchanged: int = 0
    late: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    left_out: list = field(default_factory=list)
    junk: int = 0
    missing: dict = field(default_factory=dict)

    def text(self):
        """The run in lines."""
        lines = [f"{len(self.placed)} notebooks collected, {len(self.replaced)} of them in place of an earlier one; {self.unchanged} were "
                 "there already."]
        sections = (("Late", [f"{student} ({lesson})" for lesson, student in self.late]), ("To know", self.notes),
                    ("Could not be placed", [f"{where}: {reason}" for where, reason in self.left_out]),
                    ("Handed in nothing", [f"{lesson}: {', '.join(students)}" for lesson, students in self.missing.items() if students]))
        for title, rows in sections:
            if rows:
                lines += [f"{title} ({len(rows)}):" if title != "Handed in nothing" else f"{title}:", *(f"  {row}" for row in rows)]
        if self.junk:
            lines.append(f"{self.junk} files of operating systems (.DS_Store and the like) were passed over.")
        return "\n".join(lines)


def collect(source, kind, course=".", roster=None, assignment=None, deadline=None):
    """Takes in what was downloaded. -> Collected

    source: a zip, a folder or a notebook; kind: "canvas", "moodle" or "folder"; roster: csv of the class, else the one that was used
    before; assignment: the lesson of notebooks that do not show it; deadline: ISO 8601, in this machine's time if it names no zone.
    """
    course = Path(course)
    lessons = sorted({lesson for lesson in lesson_signs().values()})
    if assignment is not None and assignment not in lessons:
        raise CourseError(f"--assignment {assignment}: there is no such lesson. The lessons are {', '.join(lessons)}.")
    until = parse_deadline(deadline)
    with locked(course), room(course):
        register = read_register(course)
        if roster is not None:
            students = read_roster(roster)
            register["students"] = {student.id: {key: value for key, value in asdict(student).items() if key != "id"} for student in students}
        elif not register["students"]:
            raise CourseError("Who is in the class? Name its csv: --roster roster.csv (nbgrader's, Canvas's gradebook or Moodle's participants).")
        return Run(course, register, kind, assignment, until).take_in(Path(source))


def parse_deadline(text):
    if text is None:
        return None
    try:
        time = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise CourseError(f"--deadline {text!r} is no time. Write 2026-11-20T23:59, or 2026-11-20T23:59+01:00.") from None
    if len(text.strip()) == 10:                         # a day: until its end
        time += datetime.timedelta(days=1, seconds=-1)
    return time.astimezone().replace(tzinfo=None) if time.tzinfo else time


def parse_moodle_time(text):
    """"Friday, 20 November 2026, 11:05 PM" and its like -> datetime, or None"""
    text = re.sub(r"^\w+, ", "", text.strip())
    for form in ("%d %B %Y, %I:%M %p", "%d %B %Y, %H:%M", "%d %b %Y, %H:%M", "%B %d, %Y, %I:%M %p", "%Y-%m-%d %H:%M:%S", "%d/%m/%y, %H:%M"):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, form)
    return None


class Run:
    """One collecting. register: the content of collected.json, which it changes and writes."""

    def __init__(self, course, register, kind, assignment, until):
        from .roster import Student

        self.course, self.register, self.kind, self.assignment, self.until = course, register, kind, assignment, until
        self.roster = Roster([Student(id=one, **{**row, "names": tuple(row["names"])}) for one, row in register["students"].items()])
        self.result, self.number, self.touched, self.undated = Collected(), register["run"] + 1, set(), False

    def take_in(self, source):
        for item in items(source):
            if any(JUNK.match(part) for part in item.where):
                self.result.junk += 1
            elif reason := self.take(item):
                self.result.left_out.append((item.label, reason))
        for lesson, student in sorted(self.touched):
            self.place(lesson, student)
        shared = namesakes(self.roster.students.values())
        if shared:
            self.result.notes.append(f"Students of one name, who are told apart by numbers alone: {', '.join(shared)}.")
        if self.undated:
            self.result.notes.append(f"The deadline could not be applied: {self.kind} files carry no times of submission."
                                     + (" Give Moodle's grading worksheet as --roster." if self.kind == "moodle" else " Canvas's LATE was."))
        for lesson in sorted({lesson for lesson, _ in self.touched}):
            self.result.missing[lesson] = sorted(set(self.roster.students) - set(self.register["submissions"].get(lesson, {})))
        self.register["left_out"][source.name] = [{"from": where, "reason": reason} for where, reason in self.result.left_out]
        if self.result.placed or any(entry["run"] == self.number for _, entry in self.attempts()):
            self.register["run"] = self.number
        write(self.course / "grading" / COLLECTED, (json.dumps(self.register, indent=1, ensure_ascii=False) + "\n").encode())
        return self.result

    def attempts(self):
        for students in self.register["submissions"].values():
            for student, entry in students.items():
                yield from ((student, attempt) for attempt in entry["attempts"])

    def take(self, item):
        """Takes one file in. -> None, or why not"""
        name = item.where[-1]
        if ".ipynb_checkpoints" in item.where:
            return "an autosave of Jupyter, not what was handed in"
        who = WAYS[self.kind](item, self.roster)
        whose = f" (of {who.student.id})" if who.student else ""
        if item.problem is not None:
            return item.problem + whose
        if name.lower().endswith(OTHERS):
            return "an archive that is not looked into; a zip or the notebook itself is" + whose
        if not name.lower().endswith(".ipynb"):
            start = content(item, MOST_BYTES) if item.size <= MOST_BYTES else b""
            if item.problem is not None or not is_notebook(name, start):
                return (item.problem or "not a notebook") + whose
        if who.student is None:
            return who.how
        data = content(item, MOST_BYTES)
        if item.problem is not None:
            return item.problem + whose
        shown, named = lesson_of(data), lesson_named(name)
        lesson = shown or named or self.assignment
        if lesson is None:
            return "neither its content nor its name shows a lesson; name it with --assignment" + whose
        notes = []
        if shown and named and shown != named:
            notes.append(f"was named {printable(name)}, but is lesson {shown}")
        elif shown and not named:
            notes.append(f"was named {printable(name)}")
        if who.how.startswith("a part of"):
            notes.append(f"matched by {who.how}")
        self.record(lesson, who, item, data, notes)
        return None

    def record(self, lesson, who, item, data, notes):
        """Keeps an attempt's bytes, and what is known of it."""
        digest, student = hashlib.sha256(data).hexdigest(), who.student
        known = self.register["submissions"].setdefault(lesson, {}).setdefault(student.id, {"sha256": None, "attempts": []})
        time = item.time if self.kind == "folder" else parse_moodle_time(student.submitted) if self.kind == "moodle" else None
        late = who.late or bool(self.until and time and time > self.until)
        self.undated |= self.until is not None and time is None
        self.touched.add((lesson, student.id))
        for attempt in known["attempts"]:
            if attempt["sha256"] == digest:
                attempt["late"] = late if self.until else attempt["late"] and late
                return
        known["attempts"].append({
            "sha256": digest, "from": item.label, "kind": self.kind, "late": late, "time": time.isoformat(" ", "seconds") if time else None,
            "file_id": who.file_id, "attempt": attempt_number(item.where[-1]), "run": self.number, "matched_by": who.how, "notes": notes})
        write(self.kept(lesson, student.id, digest), data)
        self.result.notes += [f"{student.id}: {printable(item.label)} {note}." for note in notes]

    def kept(self, lesson, student, digest):
        return self.course / "grading" / "attempts" / lesson / student / f"{digest[:16]}.ipynb"

    def place(self, lesson, student):
        """Puts the attempt that counts into submitted/, and another one that was there out of it."""
        known = self.register["submissions"][lesson][student]
        path = self.course / "submitted" / student / lesson / f"{lesson}.ipynb"
        counts = best(known["attempts"])
        there = sha256(path)
        if there is not None and there not in {attempt["sha256"] for attempt in known["attempts"]}:
            self.result.notes.append(f"{student}: {path.relative_to(self.course)} was put there or changed by hand and was left as it is. Delete it, "
                                     "then collect again, if what was handed in shall count.")
            return
        if counts["late"]:
            self.result.late.append((lesson, student))
        if there == counts["sha256"]:
            self.kept(lesson, student, there).unlink(missing_ok=True)   # of a run that was ended in between
            self.result.unchanged += 1
        else:
            if there is not None:
                os.replace(path, made(self.kept(lesson, student, there)))
                self.result.replaced.append((lesson, student))
            source = self.kept(lesson, student, counts["sha256"])
            if not source.exists():
                self.result.left_out.append((counts["from"], f"what was kept of {student} is gone from {source}; collect it again"))
                return
            os.replace(source, made(path))
            self.result.placed.append((lesson, student))
        stamp = path.with_name("timestamp.txt")                         # nbgrader reads the time of submission from here
        if counts["time"]:
            time = datetime.datetime.fromisoformat(counts["time"]).astimezone(datetime.timezone.utc)
            write(stamp, f"{time:%Y-%m-%d %H:%M:%S} UTC\n".encode())
        else:
            stamp.unlink(missing_ok=True)
        known["sha256"] = counts["sha256"]


def best(attempts):
    """The attempt that counts: the last on time, else the last."""
    kinds = {attempt["kind"] for attempt in attempts}

    def order(numbered):
        n, attempt = numbered
        when = attempt["run"]                           # Moodle's zips hold no times: what was downloaded later is later
        if kinds == {"canvas"}:
            when = attempt["file_id"]
        elif kinds == {"folder"}:
            when = attempt["time"] or ""
        return not attempt["late"], when, attempt["attempt"], n

    return max(enumerate(attempts), key=order)[1]


def read_register(course):
    path = course / "grading" / COLLECTED
    try:
        register = json.loads(path.read_text(encoding="utf-8"))
        return {"run": int(register["run"]), **{key: dict(register[key]) for key in ("students", "submissions", "left_out")}}
    except FileNotFoundError:
        return {"run": 0, "students": {}, "submissions": {}, "left_out": {}}
    except (ValueError, KeyError, TypeError):
        raise CourseError(f"{path} cannot be read. It says where every submission came from: put back the file, or move it away and "
                          "collect everything again.") from None


def sha256(path):
    """SHA-256 of a file, None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return None


def made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(path, data):
    """Writes a file whole or not at all, and not where it is so already."""
    path = made(Path(path))
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


@contextlib.contextmanager
def locked(course):
    """One collecting at a time in a course."""
    with made(course / "grading" / ".collect.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"{course}: another `dolphins collect` is at work here. Wait until it has ended.") from None
        yield


@contextlib.contextmanager
def room(course):
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CourseError(f"{course}: the disk is full. Nothing that was collected is lost: make room, then run the same command again.") from None
