"""What students handed in, brought to its place: from a learning system or a folder to nbgrader's submitted/.

`systems` knows what the learning systems call files, `downloads` gives the files of what was downloaded,
`whose` says of each whose it is and of which lesson. The lesson that a notebook does not show is
--assignment; with --assignment, notebooks of other lessons are not taken, without it those of lessons that
the course folder's release/ lacks are not, if it has any.

What nobody could be found for, or what names two, is listed, with what to give so that it is taken: --assign
FILE=ID. That is kept, for this very file: collecting again does the same. A group's file is taken for each of
its members.

**Of several attempts the last on time counts**, else the last; one that grading cannot read, only where there
is no other. On time: without Canvas's LATE, not after
--deadline. The zips of Canvas and Moodle do not hold the times of submission; Moodle's grading worksheet as
--roster does, and so do names (Blackboard, Brightspace), what lies beside the files (nbgrader's
timestamp.txt, Gradescope's submission_metadata.yml), and the files of folders themselves.

In grading/: every attempt is kept in attempts/LESSON/STUDENT/, packed; collected.json says where each came
from, its SHA-256 and which one is in submitted/, and lists what could not be placed, with the reason;
roster.json is the class; worksheets/ has Moodle's grading worksheets, as they were given. Collecting the same
again changes nothing. A run that was ended in the middle is completed by the next one. A download of which no
notebook was taken leaves no trace: it was probably the wrong file.

**Of a system whose files are known only by names that students gave** (Google Classroom), a second, different
file of a student does not replace the first: "Ada Lovelace (1).ipynb" is Ada's second attempt, or somebody
else's. Both are listed, until a person says whose one is. Until then what is in submitted/ from an earlier
run counts; of files that come in together none does, since neither their order nor their times, which the
students' machines tell, say which is Ada's.

What one student's files may cost in a run is bounded (`downloads.Share`), and so is what those cost together
that are nobody's. What goes beyond is listed; the others are as if it were not there.
"""

import collections
import contextlib
import gzip
import hashlib
import os
import re
import shlex
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from course_lib.errors import CourseError, fold
from course_lib.files import write
from lessons.build import STUDENT, lesson_names

from . import identity
from . import roster as classes
from .downloads import MOST_ENTRIES, Item, Share, files, printable
from .records import alone, in_a_sentence, json_text, read_json
from .repair import MOST_BYTES
from .systems import JUNK, SYSTEMS, survey
from .whose import TOGETHER, Who, copy_number, lesson_called, lesson_named, lesson_of, whose

MOST_NOTEBOOKS = 50  # of one student in one run
NOBODYS = 8  # times what one student's files may cost, for all together that are nobody's
MOST_ALIKE = 200  # left out of one folder or zip for one reason, that are listed one by one
MOST_LINES = 5  # of one reason in one zip, and of names in a line, that are shown; collected.json has all
NUMBERED = ("canvas", "moodle")  # whose numbers, LATE and times somebody has to ask for
MOODLE_TIMES = ("%d %B %Y, %I:%M %p", "%d %B %Y, %H:%M", "%d %b %Y, %H:%M", "%B %d, %Y, %I:%M %p")
MOODLE_TIMES += ("%Y-%m-%d %H:%M:%S", "%d/%m/%y, %H:%M")
REGISTER = "grading/collected.json"
COURSE = ("nbgrader_config.py", "source", "grading/roster.json", REGISTER)  # a course has one of them


# --- times


def _parse_deadline(text):
    """What --deadline says, with its zone, this machine's where it names none. -> datetime

    text: "2026-11-20T23:59+01:00"; a day alone lasts until its end.
    """
    text = text.strip()
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise CourseError(f"""--deadline {text!r} is no time. Write 2026-11-20T23:59, or
            2026-11-20T23:59+01:00.""") from None
    if len(text) == 10:
        time += timedelta(days=1, seconds=-1)
    return time if time.tzinfo else time.astimezone()


def _names_zone(deadline):
    """Whether --deadline, which was read, names a zone: "...Z", "...+01:00"."""
    return re.search(r"Z$|[T ].*[+-]", deadline.strip()) is not None


def _parse_moodle_time(text):
    """ "Friday, 20 November 2026, 11:05 PM" and its like, without zone. -> datetime or None"""
    text = re.sub(r"^\w+, ", "", text.strip().replace("\u202f", " "))
    for form in MOODLE_TIMES:
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form)
    return None


# --- what is told


@dataclass
class Collected:
    """What a run did.

    placed, replaced, unchanged, late: (lesson, student); left_out: (from, reason); missing: {lesson: ids}.
    """

    into: str  # where the notebooks went
    taken_for: str = ""  # which system's download, where nobody said it, and why
    recorded: bool = False  # a notebook came in, so grading/collected.json has what was left out
    placed: list = field(default_factory=list)
    replaced: list = field(default_factory=list)  # of placed: an earlier attempt was there
    unchanged: list = field(default_factory=list)
    late: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    left_out: list = field(default_factory=list)
    junk: int = 0
    beside: int = 0  # files that the system wrote itself
    missing: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)  # {id: name}

    def note(self, text):
        self.notes.append(fold(text))

    def text(self):
        """The run in lines."""
        lessons = sorted({lesson for lesson, _ in self.placed + self.unchanged})
        of = f" of {', '.join(lessons)}" if lessons else ""
        placed = _count(self.placed, "notebook")
        lines = [f"Collected {placed}{of} into {self.into}; {len(self.unchanged)} more were there already."]
        sections = {
            "Replaced an earlier attempt": self.rows_of(self.replaced, lessons),
            "Late": self.rows_of(self.late, lessons),
            "To know": self.notes if not self.taken_for else [self.taken_for, *self.notes],
            "Could not be placed": self.left_out_lines(),
        }
        for lesson, students in self.missing.items():
            if students:
                names = [classes.named(who, self.names) for who in students]
                sections[f"Nothing of {lesson} from {_count(students, 'student')}"] = [", ".join(names)]
        for title, rows in sections.items():
            if rows:
                lines += [f"\n{title}:", *(f"  {row}" for row in rows)]
        if self.junk:
            files = _count(range(self.junk), "file")
            lines.append(f"\nPassed over {files} of operating systems (.DS_Store and the like).")
        if self.beside:
            lines.append(f"\nPassed over {_count(range(self.beside), 'file')} beside what was handed in.")
        return "\n".join(lines)

    def rows_of(self, found, lessons):
        """Lines of (lesson, student); the lesson is said where there are several."""
        several = len(lessons) > 1
        return [classes.named(who, self.names) + f", {lesson}" * several for lesson, who in sorted(found)]

    def left_out_lines(self):
        """Of many files of one folder or zip left out for one reason, the first few and their number.

        Where no notebook came in, of all files that were left out for one reason.
        """
        groups = collections.defaultdict(list)
        for where, reason in self.left_out:
            groups[where.split("/")[0] if "/" in where else "", reason].append(f"{where}: {reason}")
        for (top, reason), rows in groups.items():
            if (top or not self.recorded) and len(rows) > MOST_LINES:
                all_of_them = "; grading/collected.json names them" if self.recorded else ""
                where = f"{top}: " if top else ""
                rows[MOST_LINES:] = [f"{where}{len(rows) - MOST_LINES} more: {reason}{all_of_them}"]
        return [row for rows in groups.values() for row in rows]


def _count(things, noun):
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def _some(names):
    """The first few of a list, and how many more, for a line."""
    more = len(names) - MOST_LINES
    return ", ".join(names[:MOST_LINES]) + (f" (and {more} more)" if more > 0 else "")


# --- one collecting


def collect(source, kind="auto", course=".", roster=None, assignment=None, deadline=None, assign=()):
    """Takes in what was downloaded. -> Collected

    source: a zip, a folder or a notebook; kind: one of systems.SYSTEMS, "auto" for what its names look like;
    roster: a csv of the class, added to those given before; assignment: the only lesson that is taken, by
    name or number, also from notebooks that do not show which they are; deadline: ISO 8601, in this machine's
    time if it names no zone; it is kept for the lessons that came in, until another one is given; assign:
    texts "FILE=ID", a file as it is listed and whose it is, for several students several.
    """
    source, course = Path(source), Path(course)
    if assignment is not None:
        assignment = lesson_called(assignment, lesson_names())
    until = None if deadline is None else _parse_deadline(deadline)
    new, data, told = ([], None, []) if roster is None else classes.students_in(roster)
    if not source.exists():
        raise CourseError(f"{source}: there is no such file or folder.")
    if not new and not os.path.exists(classes.roster_path(course)):  # before anything is made there
        raise CourseError(f"""Who is in the class? Name its csv: --roster roster.csv (nbgrader's, Canvas's
            gradebook export or Moodle's participants). {_place_of(course)} has none so far; if another folder
            is the course's, name it with --course.""")
    with locked(course):
        students, joined = classes.read(course), []
        begun = not any((course / name).exists() for name in COURSE)
        for student in students:  # they are another assignment's, unless the new csv says them again
            student.identifier = student.submitted = ""
        if new:
            students, joined = _joining(students, new, course, roster)
        run = _Run(course, identity.Roster(students), assignment, until)
        run.result.notes += told
        if begun:
            run.result.note(f"""{_place_of(course)} is no course folder yet, and was begun now; `dolphins
                release --lessons N --course {_place_of(course)}` makes the rest.""")
        if joined:
            run.result.note(f"New in the class: {_some(joined)}.")
        run.has_roster = bool(new)
        run.assumed = until is not None and not _names_zone(deadline)
        run.assign = _assigned(assign, run.roster)
        run.look_over(source, kind)
        if run.kind == "moodle" and any(re.fullmatch(r"\D+\d+", one.identifier) for one in new):
            run.worksheet = data
        return run.take_in(source)


def _assigned(assign, roster):
    """What --assign says. assign: texts "FILE=ID" -> {file: [ids]}. Raises CourseError."""
    found = collections.defaultdict(list)
    for text in assign:
        file, _, name = text.rpartition("=")
        groups = roster.groups(name)
        if not file or name not in roster.students and len(groups) != 1:
            raise CourseError(f"""--assign {text!r}: {name!r} is no id and no group of this class. Write
                FILE=ID: a file as it is listed, an id of grading/roster.json.""")
        found[file] += [name] if name in roster.students else sorted(*groups.values())
    return found


def _place_of(course):
    """A course folder as it was named, and where that names none, where it is."""
    return str(course if course.name else course.resolve())


def _joining(known, new, course, path):
    """A class and another csv of it. -> the whole class, the names of who is new in a class

    known, new: lists of Student. Raises CourseError where the csv, path, has nobody of the class: it is
    another's, and merged it could not be undone.
    """
    merged = classes.update(known, new)
    if not known:
        return merged, []
    ids = {student.id for student in known}
    joined = [student for student in merged if student.id not in ids]
    names = [printable(student.name or student.id) for student in joined]
    if len(joined) == len(new):
        hint = "Is it another class's?"
        if {classes.letters(student.name) for student in known} & set(map(classes.letters, names)):
            hint = """Some names are the same, but no id, email or number is: a name alone does not say who it
                is."""
        raise CourseError(f"""{path}: none of its {_count(new, "student")} ({_some(names)}) is in this class
            of {len(known)} so far. {hint} To add students, give a csv in which somebody of the class stands
            too; to begin the class anew, delete {classes.roster_path(course)}, then collect again.""")
    return merged, names


class _Run:
    """One collecting.

    register: the content of collected.json; has_roster: was one given now; worksheet: Moodle's, as bytes.
    """

    def __init__(self, course, roster, assignment, until):
        self.course, self.roster, self.assignment, self.until = course, roster, assignment, until
        self.kind, self.has_roster, self.worksheet, self.assign = "folder", False, None, {}
        self.register = _read_register(course)
        everyones = [known for row in self.register["submissions"].values() for known in row.values()]
        runs = [attempt["run"] for known in everyones for attempt in known["attempts"]]
        self.number = 1 + max(runs, default=0)
        self.had = collections.defaultdict(list)  # {file: [(lesson, whose it was taken for, attempt)]}
        for lesson, students in self.register["submissions"].items():
            for student, known in students.items():
                for one in known["attempts"]:
                    self.had[one["from"]].append((lesson, student, one))
        released = (course / "release").glob("*/*.ipynb")
        self.released = {path.stem for path in released if (STUDENT / path.name).is_file()}
        self.result = Collected(str(Path(_place_of(course)) / "submitted"))
        self.alone = self.numbered = self.undated = False  # one notebook; a number was known; a time was not
        self.assumed = False  # the deadline's zone is this machine's, for it names none
        self.somebodys = self.nobodys = 0  # files by whether anybody of the class is named
        self.taken, self.touched, self.renamed, self.zones = collections.Counter(), set(), [], set()
        self.shares, self.unclaimed = {}, Share().times(NOBODYS)  # {ids: what is left of theirs}
        self.groups = {}  # {file: the group whose it is, and for whom it counts, in words}
        self.labels = collections.Counter()  # how many files are listed by one name
        self.said, self.listed = set(), set()  # the files of --assign that were there; those contested

    def look_over(self, source, kind):
        """Finds out which system a download is from, and says it."""
        self.download = survey(source, self.roster)
        seen, kinds = self.download.kind, self.download.kinds
        like = f"{kinds[seen]} of {self.download.outermost} names are like {SYSTEMS[seen].shape}"
        # What a folder is read as, unless a system's numbers decide there, which the person did not ask for.
        self.kind = seen if kind == "auto" or kind == "folder" and seen not in NUMBERED else kind
        if kind == "auto":
            if seen == "folder":
                like = "its names are not like a learning system's"
            self.result.taken_for = f"Taken for a download of {SYSTEMS[seen].title} (--from {seen}): {like}."
        elif kind != seen and seen != "folder":
            what = "was read so" if self.kind == seen else f"--from {seen}, or no --from, reads it so"
            self.result.note(f"""--from {kind} was given, but this looks like a download of
                {SYSTEMS[seen].title}: {like}; {what}.""")

    def take_in(self, source):
        """Takes all files of a download in, and places what counts. -> Collected"""
        self.alone = source.is_file() and not zipfile.is_zipfile(source)
        self.take_all(files(source, SYSTEMS[self.kind].is_students))
        self.result.notes += [
            f"{file} {told}" for file, told in self.groups.items() if file not in self.listed
        ]
        for file in sorted(self.assign.keys() - self.said):
            self.result.note(f"--assign: no notebook of this download is called {printable(file)!r}.")
        lessons = sorted({lesson for lesson, _ in self.touched})
        self.result.recorded = bool(lessons)
        self.keep_numbers(lessons)
        self.save()  # before anything is placed: a run that ends here is completed by the next
        for lesson, student, known, counts, late in _counting(self.register):
            if (lesson, student) in self.touched or known["sha256"] != (counts and counts["sha256"]):
                self.place(lesson, student, known, counts, late)
        self.tell(lessons)
        if lessons:  # else it was the wrong file, and the class page would show its names for ever
            left_out = [{"from": where, "reason": reason} for where, reason in self.result.left_out]
            self.register["left_out"][source.name] = left_out
        self.save()
        return self.result

    def take_all(self, found):
        """Takes files in, and lists what is left out: of very many of one folder or zip how many more."""
        system, alike, seen = SYSTEMS[self.kind], collections.Counter(), collections.Counter()
        for file in found:
            if system.is_own(file.where):
                self.result.beside += 1
                continue
            outermost = file.where[: self.download.shared + 1]
            seen[outermost] += 1
            if seen[outermost] > MOST_ENTRIES:
                continue
            for item in [file] if _is_junk(file) else self.items_of(file):
                if _is_junk(item):
                    self.result.junk += 1
                    continue
                self.labels[item.label] += 1
                item.again = self.labels[item.label]
                if reason := self.look_at(item):
                    alike[item.where[0], reason] += 1
                    if alike[item.where[0], reason] <= MOST_ALIKE:
                        self.result.left_out.append((item.label, reason))
        for where, count in seen.items():
            if count > MOST_ENTRIES:
                told = f"of its {count:,} files the first {MOST_ENTRIES:,} were looked at"
                self.result.left_out.append((printable("/".join(where)), told))
        for (top, reason), count in alike.items():
            if count > MOST_ALIKE:
                self.result.left_out.append((printable(top), f"{count - MOST_ALIKE:,} more: {reason}"))

    def items_of(self, file):
        """A file with all that is in it, as far as whose it is may still have something read. -> list of Item

        A zip that is nobody's may hold a class, packed by hand: each has a share of its own, and there is an
        end to what they have together.
        """
        ids = tuple(student.id for student in self.whose(Item(file.where)).students)
        if ids:
            return file.items(lesson_of, self.shares.setdefault(ids, Share()))
        share = self.unclaimed.lent()
        lent = replace(share)
        found = file.items(lesson_of, share)
        self.unclaimed = self.unclaimed.less(lent, share)
        return found

    def save(self):
        if self.touched or self.has_roster:
            _update(classes.roster_path(self.course), classes.as_json(self.roster.students.values()))
        if self.register["submissions"]:
            _update(self.course / REGISTER, json_text(self.register).encode())

    def tell(self, lessons):
        """What is to know of the run, and who handed in nothing."""
        say, students = self.result.note, self.roster.students.values()
        self.result.names = {student.id: student.name for student in students}
        if self.nobodys > 1 and not self.somebodys:
            names = [printable(student.name or student.id) for student in students]
            say(f"""None of the {self.nobodys} notebooks names anybody of this class of {len(names)}
                ({_some(names)}). If the roster is another class's, delete {classes.roster_path(self.course)}
                and collect again with the right one.""")
        if SYSTEMS[self.kind].caution and lessons:
            say(SYSTEMS[self.kind].caution)
        shared = identity.namesakes(students)
        if shared:
            say(f"Several students are called {', '.join(shared)}: numbers, ids or emails tell them apart.")
        if self.renamed:
            whose = "its lesson" if len(self.renamed) == 1 else "their lessons"
            notebooks = _count(self.renamed, "notebook")
            say(f"{notebooks} not named after {whose}, which the content shows: {_some(self.renamed)}.")
        if len(lessons) > 1 and self.assignment is None and self.kind in NUMBERED:
            say(f"Notebooks of {len(lessons)} lessons came in; --assignment takes one lesson only.")
        if self.worksheet is not None and lessons and not self.numbered:
            say("""The worksheet has the number of none of the files, so it seems to be another assignment's:
                its times were not used, nor was it kept for the grades. Give this assignment's.""")
        self.tell_times()
        for lesson in lessons:
            students = self.register["submissions"][lesson].items()
            handed_in = {who for who, of in students if not all(one["foreign"] for one in of["attempts"])}
            self.result.missing[lesson] = sorted(self.roster.students.keys() - handed_in)

    def tell_times(self):
        """Which zone was assumed, and which times are not known."""
        say, system = self.result.note, SYSTEMS[self.kind]
        if self.zones:
            whose, shown = f"{system.title}'s", f"your {system.title} shows"
            if system.file_times:
                whose, shown = "The zip's", "it was packed in"
            say(f"""{whose} times name no zone and were read as {" and as ".join(sorted(self.zones))}. If
                {shown} another, give the deadline in that one.""")
        elif self.assumed and not self.undated:
            say(f"--deadline names no zone and was read as {self.until.tzinfo}, this machine's.")
        if system.file_times and self.result.late:
            say("""Who is late was told by the files' own times, which change when a file is saved or copied:
                compare them with what you know. A later --deadline replaces this one.""")
        told = [student.submitted for student in self.roster.students.values()]
        unread = [text for text in told if text.strip(" -") and _parse_moodle_time(text) is None]
        if self.kind == "moodle" and unread:
            say(f"""The worksheet's times could not be read (the first: {printable(unread[0])!r}), so nobody
                is late by them; download it with Moodle set to English.""")
        elif self.undated:
            say(f"The deadline could not be applied to all: {system.undated}")

    def look_at(self, item):
        """`take`, whatever a name or a time does to the code that reads it. -> None, or why not"""
        try:
            return self.take(item)
        except OSError:  # the disk's, not the file's
            raise
        except Exception as error:
            return f"to be looked at by hand: it cannot be taken in ({type(error).__name__})"

    def take(self, item):
        """Takes one file in. -> None, or why not"""
        if ".ipynb_checkpoints" in item.where:
            return "an autosave of Jupyter, not what was handed in"
        who = self.whose(item)
        if who.instead:
            return f"handed in as {who.instead}, not as a file{who.of}"
        if item.problem is not None:
            return item.problem + who.of
        self.somebodys += bool(who.students or who.candidates != ["ID"] and who.candidates)
        self.nobodys += not who.students and who.candidates == ["ID"]
        if not who.students:
            if self.alone and who.how.startswith("the name is not one"):
                return fold(f"""{who.how}; a notebook that came another way: --from folder, in a folder named
                    after the student's id""")
            if who.candidates != ["ID"]:  # what names it does not agree, whatever was thought before
                self.take_back(item, ids=())
            return who.how + _to_assign(item.label, who.candidates)
        ids = tuple(student.id for student in who.students)
        self.taken[ids] += 1
        if self.taken[ids] > MOST_NOTEBOOKS:
            return f"more than {MOST_NOTEBOOKS} notebooks of one student{who.of}"
        shown, named = item.lesson, lesson_named(item.where[-1])
        lesson = shown or named or self.assignment
        if reason := self.unwanted(lesson):
            return reason + who.of
        digest = hashlib.sha256(item.data).hexdigest()
        if reason := self.not_assigned(item, digest, who):
            return reason
        contested = self.contested(item, lesson, who) or self.another_group(item, lesson, who)
        contested = contested or self.only_partly(item, lesson, who)
        contested = contested or self.unconfirmed(item, lesson, who, digest)
        notes = []
        if item.spoilt:
            notes.append(f"cannot be graded: {item.spoilt.rstrip('.')}")
        if shown is None and not (item.spoilt and named):
            notes.append(f"does not show its lesson; {'its name' if named else '--assignment'} says {lesson}")
        elif shown and named != shown:
            self.renamed.append(f"{', '.join(ids)} ({lesson})")
        if who.partly:
            notes.append(f"matched by {who.how}")
        for student in who.students:
            self.keep(lesson, student.id, digest, item.data)
            self.record(lesson, who, student, item, digest, notes, foreign=contested is not None)
        if contested:
            return contested
        self.take_back(item, ids)
        if who.group:
            self.groups[item.label] = fold(f"is that of {who.group}, and counts for {', '.join(ids)}.")
        self.result.notes += [f"{', '.join(ids)}: {item.label} {note}." for note in notes]
        self.result.left_out += [(item.label, f"{reason}, who handed it in too") for reason in who.missed]
        return None

    def whose(self, item):
        """Whose a file is: what a person said, else what its path says. -> Who"""
        ids = self.assign.get(item.label) or self.register["assigned"].get(item.label, {}).get("ids", ())
        students = [self.roster.students[one] for one in ids if one in self.roster.students]
        try:
            who = whose(item.where, self.kind, self.download, item.packed_in)
        except Exception as error:  # whatever a name does to the code that reads it
            who = Who(how=f"to be looked at by hand: its name cannot be read ({type(error).__name__})")
        if students:
            group = TOGETHER if len(students) > 1 else ""
            who = Who(students, "--assign", replace(who.claim, number=""), group=group)
        return who

    def not_assigned(self, item, digest, who):
        """Why a file is not the one that a person assigned under its name, or None. Keeps what was said."""
        if who.how != "--assign":
            return None
        known, ids = self.register["assigned"], [student.id for student in who.students]
        same = known.get(item.label, {}).get("sha256") == digest
        if item.label in self.assign and (same or item.label not in self.said):
            self.said.add(item.label)
            known[item.label] = {"sha256": digest, "ids": ids}
        elif not same:
            told = f"another file than the one that was assigned to {_some(ids)}"
            return told + _to_assign(item.label, ids)
        return None

    def contested(self, item, lesson, who):
        """Why a file is nobody's that has a student's name and not the number of another such, or None.

        Then the others are nobody's either, unless their number is the student's.
        """
        for student in who.students:
            known = self.register["submissions"].get(lesson, {}).get(student.id, {"attempts": ()})
            others = [one for one in known["attempts"] if one["kind"] == self.kind and one["number"]]
            others = [one for one in others if who.claim.number not in ("", one["number"]) and not who.group]
            if not who.by_number:
                others = [one for one in others if not one["matched_by"].startswith("the number")]
            for attempt in others:  # taken by its name, before the roster said whose number is whose
                attempt["foreign"] = True
            if others and not who.by_number:
                told = f"the name is {student.id}'s, but so is that of number"
                todo = "look at both, then give their numbers in the roster's column lms_user_id"
                self.touched.add((lesson, student.id))
                mine = f"{told} {who.claim.number}: {todo}"
                for file in sorted({one["from"] for one in others} - self.listed - {item.label}):
                    self.listed.add(file)
                    self.result.left_out.append((file, mine + _to_assign(file, [student.id])))
                self.listed.add(item.label)
                return f"{told} {others[0]['number']}: {todo}" + _to_assign(item.label, [student.id])
        return None

    def another_group(self, item, lesson, who):
        """Why a file of Moodle's is nobody's that has a group's name and not its number, or None.

        Somebody may call themselves so. Which number is the group's, nothing says: neither file counts.
        """
        number, others = who.claim.number, []
        for student in who.students if self.kind == "moodle" and who.group and number else ():
            known = self.register["submissions"].get(lesson, {}).get(student.id, {"attempts": ()})
            same = [one for one in known["attempts"] if one.get("group") == who.group]
            others += [one for one in same if one.get("group_number", "") not in ("", number)]
        if not others:
            return None
        told, todo = f"the name is that of {who.group}, but so is that of number", "look at both"
        for one in others:
            one["foreign"] = True
            if one["from"] not in self.listed | {item.label} and not self.word_on(one, item):
                self.listed.add(one["from"])
                reason = f"{told} {number}: {todo}{_to_assign(one['from'], [who.group])}"
                self.result.left_out.append((one["from"], reason))
        self.listed.add(item.label)
        return f"{told} {others[0]['group_number']}: {todo}{_to_assign(item.label, [who.group])}"

    def only_partly(self, item, lesson, who):
        """Why a file is nobody's that has a part of a student's name, where another has all of it, or None.

        That is somebody else, who is not in the roster. The other may come later.
        """
        for student in who.students if who.how != "--assign" else ():
            known = self.register["submissions"].get(lesson, {}).get(student.id, {"attempts": ()})
            others = [one for one in known["attempts"] if one["kind"] == self.kind and not one["foreign"]]
            others = [one for one in others if one.get("partly", False) != who.partly]
            others = [one for one in others if not self.word_on(one, item)]
            told = f"only a part of the name is {student.id}'s, and all of it that of"
            if who.partly and others:
                return f"{told} {others[0]['from']}" + _to_assign(item.label, [student.id])
            for one in others:
                one["foreign"] = True
                self.result.left_out.append(
                    (one["from"], f"{told} {item.label}" + _to_assign(one["from"], [student.id]))
                )
        return None

    def unconfirmed(self, item, lesson, who, digest):
        """Why a file does not count that is a student's by a name alone, as a different one is, or None.

        Where a person said of one that it is theirs, the others do not count; where nobody did, what is in
        submitted/ does, else none of them.
        """
        system, by_word = SYSTEMS[self.kind], who.how == "--assign"
        for student in who.students if system.unconfirmed else ():
            known = self.register["submissions"].get(lesson, {}).get(student.id, {"attempts": ()})
            others = [one for one in known["attempts"] if one["sha256"] != digest]
            others = [(one, self.word_on(one, item)) for one in others if SYSTEMS[one["kind"]].unconfirmed]
            said = [one for one, ids in others if student.id in ids]
            others = [one for one, ids in others if not ids]
            stays = said or [one for one in others if not one["foreign"] and one["sha256"] == known["sha256"]]
            if not others + said or not by_word and not said and digest == known["sha256"]:
                continue
            told = f"""the name is {student.id}'s, but so is that of another file, and only students gave
                these names: compare both with what {system.title} shows"""
            for one in others:
                one["foreign"] |= by_word or one not in stays
                if one["run"] == self.number and one["from"] not in self.listed | {item.label}:
                    self.list_unconfirmed(one["from"], fold(told), student)
            if not by_word:
                self.listed.add(item.label)
                told += f"; {stays[-1]['from']} counts" if stays else ""
                return fold(told) + _to_assign(item.label, [student.id])
        return None

    def list_unconfirmed(self, file, told, student):
        self.listed.add(file)
        self.result.left_out.append((file, told + _to_assign(file, [student.id])))

    def word_on(self, attempt, item):
        """Whose a person said that an attempt is, while a file is taken in. -> ids, or () of none"""
        file = attempt["from"]
        if file in self.assign and file != item.label:  # else an earlier file may have had its name
            return self.assign[file]
        known = self.register["assigned"].get(file, {"sha256": None})
        return known["ids"] if known["sha256"] == attempt["sha256"] else ()

    def take_back(self, item, ids):
        """A file that was taken for others before is not theirs. ids: whose it is"""
        had = [one for one in self.had[item.label] if one[1] not in ids]
        digest = hashlib.sha256(item.data).hexdigest()
        for lesson, student, attempt in had:
            if attempt["sha256"] == digest and not attempt["foreign"]:
                attempt["foreign"] = True
                self.touched.add((lesson, student))

    def unwanted(self, lesson):
        """Why no notebook of a lesson is taken, or None. lesson: None where nothing says which it is."""
        if lesson is None:
            return "neither its content nor its name shows a lesson; name it with --assignment"
        if self.assignment not in (None, lesson):
            return f"is {lesson}, not {self.assignment}"
        if self.assignment is None and self.released and lesson not in self.released:
            return fold(f"""is {lesson}, which is not released in {_place_of(self.course)}; `--assignment
                {lesson}` takes it""")
        return None

    def record(self, lesson, who, student, item, digest, notes, foreign):
        """Keeps what is known of an attempt of a student. foreign: it may be another's, and does not count"""
        self.numbered |= who.by_number
        self.touched.add((lesson, student.id))
        if self.until:
            self.register["deadlines"][lesson] = self.until.isoformat()
        deadline = self.register["deadlines"].get(lesson)
        time, told = self.time_of(item, who, student, deadline)
        students = self.register["submissions"].setdefault(lesson, {})
        attempts = students.setdefault(student.id, {"sha256": None, "attempts": []})["attempts"]
        same = [one for one in attempts if one["sha256"] == digest and one["foreign"] == foreign]
        claim = who.claim
        if same:  # handed in twice: the first time counts
            attempt = same[0]
            attempt["late"] = attempt["late"] and claim.late
            retold = told is not None and told == attempt.get("told")  # in another zone now, perhaps
            if retold or not attempt["time"] or time and time < attempt["time"]:
                attempt["time"], attempt["told"] = time, told
        else:
            number = "" if who.group else claim.number
            attempt = {"sha256": digest, "from": item.label, "kind": self.kind, "late": claim.late}
            attempt |= {"time": time, "told": told, "number": number, "file_id": claim.file_id}
            attempt |= {"copy": copy_number(item.where[-1]), "run": self.number, "matched_by": who.how}
            attempt |= {"foreign": foreign, "notes": notes, "spoilt": bool(item.spoilt)}
            attempt["partly"] = who.partly
            attempts.append(attempt)
        attempt["group"], attempt["group_number"] = who.group, claim.number if who.group else ""
        self.undated |= deadline is not None and not attempt["time"]

    def time_of(self, item, who, student, deadline):
        """When a file was handed in. -> UTC as text, what was told if that names no zone; each may be None"""
        time = who.claim.time or (item.time if SYSTEMS[self.kind].file_times else None)
        # With another number it is another assignment's worksheet.
        if self.kind == "moodle" and who.by_number:
            time = _parse_moodle_time(student.submitted)
        if time is None:
            return None, None
        told = None
        if time.tzinfo is None:
            told = time.isoformat(" ")
            if deadline:  # in its zone, else in this machine's
                until = datetime.fromisoformat(deadline)
                time = time.replace(tzinfo=until.tzinfo)
                self.zones.add(f"{until.tzinfo}, the deadline's ({until:%Y-%m-%d %H:%M})")
        try:
            return time.astimezone(timezone.utc).isoformat(" ", "seconds"), told
        except OverflowError:  # a student's clock: in another zone it is before or after all years
            return None, None

    def kept(self, lesson, student, digest):
        return self.course / "grading" / "attempts" / lesson / student / f"{digest[:16]}.ipynb.gz"

    def keep(self, lesson, student, digest, data):
        """Keeps an attempt, packed: what a student packed well would fill the disk."""
        path = self.kept(lesson, student, digest)
        if _unpacked(path, digest) is None:
            write(path, gzip.compress(data, 1, mtime=0))

    def keep_numbers(self, lessons):
        """Keeps Moodle's worksheet, and what the systems call the students, for the tables to upload."""
        # Of several lessons nobody can say whose the worksheet is; with other numbers it is another's.
        is_theirs = self.kind == "moodle" and len(lessons) == 1 and self.numbered
        if is_theirs and self.worksheet is not None:
            _update(classes.worksheet_path(self.course, lessons[0]), self.worksheet)
        for lesson in lessons:
            for student in self.roster.students.values():
                if is_theirs and student.identifier:
                    student.participants[lesson] = student.identifier
                known = self.register["submissions"][lesson].get(student.id, {"attempts": ()})
                for attempt in known["attempts"]:
                    if attempt["foreign"] or not attempt["number"]:
                        continue
                    if attempt["kind"] == "moodle":
                        student.participants.setdefault(lesson, f"Participant {attempt['number']}")
                    elif attempt["kind"] == "canvas":
                        student.lms_user_id = student.lms_user_id or attempt["number"]

    def tell_passed_over(self, student, known, counts, late, deadline):
        """Says which files of this run do not count, for they came late and an earlier one did not."""
        for one in known["attempts"]:
            new = one["run"] == self.number and not one["foreign"] and one is not counts
            if new and counts is not None and not late and _is_late(one, deadline):
                self.result.note(f"""{student}: {one["from"]} came late and does not count, for
                    {counts["from"]} was on time.""")

    def place(self, lesson, student, known, counts, late):
        """Puts the attempt that counts into submitted/, or takes away what was not theirs. counts: or None"""
        result, which = self.result, (lesson, student)
        self.tell_passed_over(student, known, counts, late, self.register["deadlines"].get(lesson))
        path = self.course / "submitted" / student / lesson / f"{lesson}.ipynb"
        stamp, there = path.with_name("timestamp.txt"), _sha256(path)
        if there not in (None, *(attempt["sha256"] for attempt in known["attempts"])):
            result.note(f"""{student}: {path.relative_to(self.course)} was put there or changed by hand and is
                left as it is. Delete it, then collect again, if what was handed in shall count.""")
            return
        if counts is None:
            if there is not None:
                result.note(f"{student} ({lesson}): what was taken for theirs is not, and is not there now.")
                path.unlink()
                stamp.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # somebody put something else there
                    path.parent.rmdir()
            known["sha256"] = None
            return
        kept, data = self.kept(lesson, student, counts["sha256"]), None
        if there != counts["sha256"]:
            data = _unpacked(kept, counts["sha256"])
        if there != counts["sha256"] and data is None:
            reason = f"{kept} is gone or was changed; collect it again (of {student})"
            result.left_out.append((counts["from"], reason))
            return
        if late:
            result.late.append(which)
        if there == counts["sha256"]:
            result.unchanged.append(which)
        else:
            _update(path, data)
            result.placed.append(which)
            if there is not None:
                result.replaced.append(which)
        if counts["time"]:  # nbgrader reads the time of submission from here
            _update(stamp, f"{counts['time'][:19]} UTC\n".encode())
        else:
            stamp.unlink(missing_ok=True)
        known["sha256"] = counts["sha256"]


def _is_junk(file):
    return any(JUNK.match(part) for part in file.where)


def _to_assign(label, candidates):
    """What a person may give who knows whose a file is. candidates: ids of whom it may be -> text"""
    options = [f"--assign {shlex.quote(f'{label}={one}')}" for one in candidates[:MOST_LINES]]
    return f". To say whose it is: {' or '.join(options)}" if options else ""


# --- the register, and files


def _read_register(course):
    """The content of collected.json.

    {"submissions": {lesson: {student: {"sha256": of what is in submitted/, "attempts": [...]}}},
    "deadlines": {lesson: time}, "left_out": {name of the download: [{"from", "reason"}]},
    "assigned": {file: {"sha256", "ids": of whom a person said that it is theirs}}}
    """
    told = """It says where every submission came from: put back the file, or move it away and collect
        everything again."""
    empty = {"submissions": {}, "deadlines": {}, "left_out": {}}

    def take(given):
        found = {key: dict(given[key]) for key in empty}
        return found | {"assigned": dict(given.get("assigned", {}))}  # older ones have none

    return read_json(course / REGISTER, take, empty | {"assigned": {}}, told)


def _is_late(attempt, deadline):
    """Whether an attempt of the register came too late. deadline: its lesson's, text or None"""
    if attempt["late"] or not (deadline and attempt["time"]):
        return attempt["late"]
    return datetime.fromisoformat(attempt["time"]) > datetime.fromisoformat(deadline)


def _counts_first(attempt, deadline):
    """How an attempt ranks before its time is asked: what can be read, then what is on time."""
    return not attempt.get("spoilt", False), not _is_late(attempt, deadline)  # older registers do not say


def _when(value):
    """For sorting: what is not known comes first."""
    return value is not None, value


def _counting(register):
    """Of each student's attempts the one that counts: the last on time, else the last.

    One that grading cannot read counts only where no other can be read: a new one may come late.

    -> iterator of (lesson, student's id, {"sha256", "attempts"}, the attempt or None, is it late)
    """
    for lesson, students in register["submissions"].items():
        deadline = register["deadlines"].get(lesson)
        for student, known in students.items():
            attempts = [attempt for attempt in known["attempts"] if not attempt["foreign"]]
            orders = {SYSTEMS[attempt["kind"]].ordered_by for attempt in attempts}
            when = orders.pop() if len(orders) == 1 else "run"
            attempts.sort(key=lambda one: (_counts_first(one, deadline), _when(one[when]), one["copy"]))
            counts = attempts[-1] if attempts else None
            yield lesson, student, known, counts, counts is not None and _is_late(counts, deadline)


def groups_of(course):
    """Whose work counts for several students. -> {lesson: [(group's name, [ids])]}"""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for lesson, student, _, counts, _ in _counting(_read_register(Path(course))):
        if counts is not None and counts.get("group"):
            found[lesson][counts["group"], counts["from"]].append(student)
    return {lesson: [(name, ids) for (name, _), ids in of.items()] for lesson, of in found.items()}


def late_and_left_out(course):
    """What a report says of collecting.

    -> set of (lesson, student) that are late, list of (file, why it could not be placed)
    """
    register = _read_register(Path(course))
    late = {(lesson, student) for lesson, student, *_, is_late in _counting(register) if is_late}
    return late, [(row["from"], row["reason"]) for rows in register["left_out"].values() for row in rows]


def _sha256(path):
    """SHA-256 of a file, None where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _unpacked(path, digest):
    """An attempt that was kept. -> its bytes, None where there is none of this SHA-256"""
    for one, read in ((path, gzip.open), (path.with_suffix(""), open)):  # older courses have them unpacked
        with contextlib.suppress(FileNotFoundError, EOFError, zlib.error, gzip.BadGzipFile):
            with read(one, "rb") as file:
                data = file.read(MOST_BYTES + 1)
            if hashlib.sha256(data).hexdigest() == digest:
                return data
    return None


def _update(path, data):
    """Writes a file, unless it is so already."""
    if not (path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data):
        write(path, data)


@contextlib.contextmanager
def locked(course):
    """One collecting at a time in a course; a full disk and the like become a sentence."""
    another = f"{course}: another `dolphins collect` is at work here. Wait until it has ended."
    lock = alone(course / "grading" / ".collect.lock", another)
    with in_a_sentence(course, "Nothing that was collected is lost."), lock:
        yield
