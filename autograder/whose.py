"""Whose notebook a file is, and of which lesson, by its path and content.

Names of files, as the systems' own sources make them:

    canvas   lastfirst_LATE_12345_67890_name-1.ipynb    (Canvas: lib/content_zipper.rb)
             the sortable name in small letters, of which letters (with accents), digits and _ are left; LATE
             where it is; the user's number; the file's number, which grows with time; the file's name, with
             -1, -2 from attempt to attempt
    moodle   First Last_123_assignsubmission_file/name.ipynb, ..._file_/name.ipynb (before Moodle 4), or
             ..._file_name.ipynb (Moodle: mod/assign/classes/downloader.php); the full name without
             apostrophes, the number of the participant
    folder   STUDENT/..., STUDENT_....ipynb: an id, email, login, number or name of the roster somewhere in
             the path

**The student** is found by the number where the roster has it, else by the name: without accents, signs and
capitals, in any order, with ä as a or ae, with or without a second first name, if it then means one student
only. The outermost part of a path that means somebody decides: what is inside a student's own folder or zip
cannot make it another's.

**The lesson** is found by what is in the notebook (grade ids, `setup(lesson=2)`, checks, functions), else by
the name of the file.
"""

import collections
import functools
import json
import re
from dataclasses import dataclass

from course_lib.errors import CourseError, fold
from lessons.build import STUDENT, lesson_names

from .downloads import printable
from .repair import decoded

CANVAS = re.compile(
    r"^(?P<name>.+?)(?P<late>_late)?_(?P<user>\d{1,18})_(?:(?P<file>\d{1,18})_.|(?P<what>text|link)\.html$)",
    re.IGNORECASE | re.DOTALL,
)
ANONYMOUS = re.compile(r"^(?:LATE_)?anon_\w+?_\d+_", re.IGNORECASE)
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<user>\d{1,18})_assignsubmission_(?P<what>[a-z]+)", re.DOTALL)


# --- which lesson


@functools.cache
def _lesson_signs():
    """By what a notebook shows its lesson. -> {sign: lesson}; signs are pairs of kind and bytes"""
    signs = {}
    for lesson in lesson_names():
        signs["setup", str(int(lesson[:2])).encode()] = lesson
        for cell in json.loads((STUDENT / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]:
            marks = cell["metadata"].get("nbgrader")
            if not marks:
                continue
            signs["grade_id", marks["grade_id"].encode()] = lesson
            signs["check", marks["grade_id"].removesuffix("-check").encode()] = lesson
            if marks["solution"]:
                for name in re.findall(r"^def (\w+)", "".join(cell["source"]), re.MULTILINE):
                    signs["def", name.encode()] = lesson
    return signs


LOOK_FOR = (  # kind of sign, what it weighs, what it looks like
    ("grade_id", 3, re.compile(rb'"grade_id"\s{0,9}:\s{0,9}"([\w-]{1,60})"')),
    ("setup", 3, re.compile(rb"setup\(lesson=(\d)\)")),
    ("check", 2, re.compile(rb"check\.(\w{1,60})\(")),
    ("def", 1, re.compile(rb"def (\w{1,60})\(")),
)


def lesson_of(data):
    """The lesson that a notebook's bytes show, whole or damaged; None where they show none, or two alike."""
    data = decoded(data, "latin-1").encode()
    votes = collections.Counter()
    for kind, weight, pattern in LOOK_FOR:
        for sign in set(pattern.findall(data)):
            if (kind, sign) in _lesson_signs():
                votes[_lesson_signs()[kind, sign]] += weight
    best = votes.most_common(2)
    return best[0][0] if best and (len(best) == 1 or best[0][1] > best[1][1]) else None


def lesson_named(name):
    """The lesson that a file's name says: "Copy of 02_template_model (2).ipynb"."""
    name = re.sub(r"[\s-]+", "_", name.lower())
    return next((lesson for lesson in lesson_names() if lesson in name), None)


def lesson_called(text, lessons):
    """What --assignment names: a lesson's name, or its number. -> the name

    text: "3", "03" or the name; lessons: names. Raises CourseError, which lists the lessons, where it is none
    of them.
    """
    if text in lessons:
        return text
    same = [name for name in lessons if text.isdecimal() and re.match(rf"(?=\d)0*{text.lstrip('0')}\D", name)]
    if len(same) == 1:
        return same[0]
    raise CourseError(f"""--assignment {text}: there is no such lesson. The lessons are {", ".join(lessons)};
        the number will do.""")


def copy_number(name):
    """notebook.ipynb 0, notebook-2.ipynb (Canvas) 2, notebook (1).ipynb (browsers) 1."""
    found = re.search(r"(?:-(\d{1,3})|\s?\((\d{1,3})\))$", re.sub(r"(\.\w+)+$", "", name))
    return int(found[1] or found[2]) if found else 0


# --- which student


@dataclass
class Who:
    """What a path says of whose a file is, and what the systems write beside it."""

    student: object = None
    how: str = ""  # it is known, or why it is not
    number: str = ""  # Canvas's of the user, Moodle's of the participant
    late: bool = False
    file_id: int = 0
    instead: str = ""  # of a file: an online text, a link

    @property
    def by_number(self):
        return self.how.startswith("the number")


def _by_canvas(where, roster):
    for part in where:
        if ANONYMOUS.match(part):
            return Who(how="an anonymous download; show the students' names in Canvas, then download again")
        found = CANVAS.match(part)
        if found is None:
            continue
        student, how = roster.find_number(found["user"])
        if student is None:
            student, by_name = roster.find_name(found["name"], squeezed=True)
            if student is not None and student.lms_user_id:
                student, how = None, f"the name is {student.id}'s, but the number {found['user']} is not"
            elif student is not None or "several" in by_name:
                how = by_name
            else:
                how = f"{how} or {by_name.removeprefix('nobody in the roster has ')}"
        file_id, instead = int(found["file"] or 0), found["what"] or ""
        return Who(student, how, found["user"], bool(found["late"]), file_id, instead)
    return Who(how="the name is not one that Canvas gives (last name first_number_number_file)")


def _by_moodle(where, roster):
    for part in where:
        found = MOODLE.match(part)
        if found is None:
            continue
        student, how = roster.find_number(found["user"])
        named, by_name = roster.find_name(found["name"])
        if student is None:
            student, how = named, by_name
        elif named not in (None, student):
            how = fold(f"""the number {found["user"]} is that of {student.id}, the name that of {named.id}: is
                the roster a worksheet of another assignment?""")
            student = None
        return Who(student, how, found["user"], instead=found["what"].removeprefix("file"))
    return Who(how="the name is not one that Moodle gives (full name_number_assignsubmission_file)")


def _by_folder(where, roster):
    """The outermost part of the path that means one student.

    Of a part, first the whole is looked for, then its beginnings and ends.
    """
    several = None
    for part in where:
        # The names in these mean students too, but the systems' numbers, LATE and times would not be read.
        if "_assignsubmission_" in part:
            return Who(how="a download of Moodle's: --from moodle")
        found = CANVAS.match(part)
        if found is not None and roster.find_number(found["user"])[0] is not None:
            return Who(how="a download of Canvas's: --from canvas")
        whole, *pieces = _fragments(part)
        keys, names = roster.find_key, roster.find_name
        for texts, find in (((part, whole), keys), ([whole], names), (pieces, keys), (pieces, names)):
            found = [find(text) for text in texts]
            students = {student.id: (student, how) for student, how in found if student is not None}
            if len(students) == 1:
                return Who(*students.popitem()[1])
            if students:
                return Who(how=f"{printable(part)!r} names several students: {', '.join(sorted(students))}")
            several = several or next((how for _, how in found if "several" in how), None)
    folder = f"{next(iter(roster.students), 'ID')}/"
    nobody = fold(f"""no id, email or name of the roster is in its path; put it into a folder named after the
        student's id, say {folder}, and collect the folder that holds {folder}""")
    return Who(how=several or nobody)


def _fragments(name):
    """A part of a path, without lesson, file type and numbers of copies, and its beginnings and ends."""
    stem = re.sub(r"(\.(ipynb|zip|json|txt))+$", "", name, flags=re.IGNORECASE)
    for lesson in lesson_names():
        stem = re.sub(re.escape(lesson), "", stem, flags=re.IGNORECASE)
    stem = re.sub(r"\s?\(\d+\)$|-\d{1,2}$", "", stem).strip(" _-")
    cuts = [at.start() for at in re.finditer(r"[_\s-]+", stem)][:20]
    return [stem, *(part for at in cuts for part in (stem[:at], stem[at:].lstrip(" _-")) if len(part) >= 3)]


WAYS = {"canvas": _by_canvas, "moodle": _by_moodle, "folder": _by_folder}
# Whether a student packed a zip of that name in a folder.
IS_STUDENTS = {"canvas": CANVAS.match, "moodle": MOODLE.match, "folder": lambda name: True}
