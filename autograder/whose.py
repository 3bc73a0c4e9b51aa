"""Whose notebook a file is, and of which lesson, by its path and content.

**The student.** `systems` reads what a path claims: numbers, ids, emails, names; `identity` knows whom each
may mean. A file is somebody's where all of them agree. Where the number is one student's and the name is
another's, or nobody's who can be the same person, it is nobody's until a person says so (--assign). What the
systems write for a group is for each of its members, as far as the roster names groups.

In a folder the outermost part of a path that means somebody decides, and all that is in this part must mean
the same student: what is inside a student's own folder or zip cannot make it another's. A zip in a system's
download is whose its own name says, or nobody's.

**The lesson** is found by what is in the notebook (grade ids, `setup(lesson=2)`, checks, functions), else by
the name of the file.
"""

import collections
import functools
import json
import re
from dataclasses import dataclass, field

from course_lib.errors import CourseError, fold
from lessons.build import STUDENT, lesson_names

from .downloads import printable
from .repair import decoded
from .systems import FLAT, SYSTEMS, Claim, named_within, stem, system_of

MOST_SHOWN = 4  # students in a line
TOGETHER = "several students"  # a group without a name
GROUPS = {
    "canvas": "give Canvas's csv of the group set (People) as --roster, or one --assign for each member",
    "moodle": "give the worksheet, which has a column Group, as --roster, or one --assign for each member",
}


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

    students: list = field(default_factory=list)  # several have a group's
    how: str = ""  # it is known, or why it is not
    claim: Claim = field(default_factory=Claim)
    by_number: bool = False  # the number is the student's own
    group: str = ""
    partly: bool = False  # by some of several names
    candidates: list = field(default_factory=list)  # ids of whom it may be, where a person is to say it
    missed: list = field(default_factory=list)  # why others that a system names are not known

    @property
    def of(self):
        """For the end of a line: " (of ada)"."""
        names = ", ".join(student.id for student in self.students)
        return f" (of {self.group}: {names})" if self.group else names and f" (of {names})"

    @property
    def instead(self):
        """What was handed in in place of a file."""
        return self.claim.instead


def whose(where, kind, download, packed_in=()):
    """Whose a file is. -> Who

    where: its path in parts; kind: of SYSTEMS; download: a systems.Download; packed_in: the path of the zip
    that a student packed it in, if one did: what is in it has only names that students gave.
    """
    system = SYSTEMS[kind]
    if kind == "folder":
        return _in_folder(where, download)
    where = packed_in or where
    for at in range(len(where)):
        claim = system.read(where, at, download) if download.stands(kind, at) else None
        if claim is not None:
            return _together([claim, *claim.others], kind, download)
    other, *_ = system_of(where, download)
    if other and other != kind:
        return Who(how=f"a download of {SYSTEMS[other].title}'s: --from {other}")
    return Who(how=f"the name is not one that {system.title} gives ({system.shape})")


def _together(claims, kind, download):
    """Whose a file is by claims of which each means somebody else."""
    found = [_agreed(claim, kind, download) for claim in claims]
    known = [who for who in found if who.students]
    if len(found) == 1 or not known:
        return found[0]
    known[0].missed = [who.how for who in found if not who.students]
    known[0].students = list({one.id: one for who in known for one in who.students}.values())
    known[0].group = TOGETHER if len(found) > 1 else ""
    return known[0]


def _agreed(claim, kind, download):
    """Whose a file is by one claim: where number, key, name and group agree. -> Who"""
    roster = download.roster
    if claim.problem:
        return Who(how=claim.problem, claim=claim)
    squeezed, name = kind == "canvas", f"the name {claim.name[:80]!r}"
    said = [(what, ids) for what, ids in claim.evidence if ids]
    if groups := roster.groups(claim.group, kind):
        return _group(claim, groups, said, kind, roster)
    owners = set.intersection(*(ids for _, ids in said)) if said else set()
    named, partly = _named(claim, squeezed, roster)
    if len(owners) == 1 and not named and not claim.rivals:
        (owner,) = owners
        if claim.name and not roster.fits(owner, claim.name, squeezed):
            return _perhaps_a_group(claim, said, kind)
        return Who([roster.students[owner]], said[0][0], claim, by_number=True)
    agreed = owners & named if said else named
    if len(agreed) == 1:
        student = roster.students[next(iter(agreed))]
        if said:
            return Who([student], said[0][0], claim, by_number=True)
        # Moodle's number is another in every assignment: it says something if the worksheet is this one's.
        known = download.numbered and student.identifier if kind == "moodle" else student.numbers(kind)
        if claim.number and known:
            how = f"the name is {student.id}'s, but the number {claim.number} is not"
            return Who(how=how, claim=claim, candidates=[student.id])
        return Who([student], f"a part of {name}" if partly else name, claim, partly=partly)
    said += [(name, named)] * bool(named) + claim.rivals
    if not said:
        what = " or ".join([*(what for what, _ in claim.evidence), *[name] * bool(claim.name)])
        if not what:
            return Who(how="its name does not say whose it is", claim=claim, candidates=["ID"])
        perhaps = f". If it is a group's: {GROUPS[kind]}" if kind in GROUPS else ""
        return Who(how=f"nobody in the roster has {what}{perhaps}", claim=claim, candidates=["ID"])
    return Who(how=_differ(said), claim=claim, candidates=sorted(set().union(*(ids for _, ids in said))))


def _named(claim, squeezed, roster):
    """Whom the name of a claim means. -> ids, whether by some of several names only"""
    if squeezed or claim.rivals:
        ids = roster.called(claim.name, squeezed)
        return ids, bool(ids) and not roster.called(claim.name)
    ids, partly = roster.mentioned(claim.name) if claim.name else (set(), False)
    return ids, partly or not (roster.called(claim.name) or roster.keyed(claim.name))


def _differ(said):
    """What is said of a file, where it does not agree. said: [(what, ids of whom it means)]"""
    if len(said) == 1:
        return _several(*said[0])
    (first, ids), *rest = said
    others = [f"{what} that of {_some(students)}" for what, students in rest]
    return ", ".join([f"{first} is that of {_some(ids)}", *others])


def _some(ids):
    return " and ".join(sorted(ids)[:MOST_SHOWN])


def _several(what, ids):
    return f"{what} is that of several students: {', '.join(sorted(ids)[:MOST_SHOWN])}"


def _group(claim, groups, said, kind, roster):
    """Whose a group's file is. groups: {name: ids of members} of those that it may be -> Who"""
    if kind == "canvas" and len(groups) > 1:  # the number is one member's
        groups = {name: ids for name, ids in groups.items() if said and said[0][1] <= ids} or groups
    if len(groups) > 1:
        names = [f"{name!r} ({', '.join(sorted(ids)[:MOST_SHOWN])})" for name, ids in sorted(groups.items())]
        how = f"the name is that of several groups: {' and '.join(names[:MOST_SHOWN])}"
        return Who(how=how, claim=claim, candidates=sorted(set().union(*groups.values())))
    ((name, members),) = groups.items()
    # Moodle's number is the group's own. Canvas's is one member's, so it is one of theirs.
    outside = [(what, ids) for what, ids in said if kind != "moodle" and not ids <= members]
    if kind == "canvas" and not said and any(roster.students[one].numbers(kind) for one in members):
        outside = [(f"the number {claim.number}", set())]
    alone = roster.called(claim.name, kind == "canvas") if claim.name else set()
    if not outside and not alone:
        students = [roster.students[one] for one in sorted(members)]
        by_number = kind == "moodle" and any(student.identifier for student in students)
        return Who(students, f"the group {name!r}", claim, by_number, group=name)
    what, ids = (outside or [(f"the name {claim.name[:80]!r}", alone)])[0]
    of, another = (
        f"{name!r} ({', '.join(sorted(members)[:MOST_SHOWN])})",
        f"{_some(ids)}'s" if ids else "nobody's",
    )
    how = f"the name is that of the group {of}, but {what} is {another}"
    return Who(how=how, claim=claim, candidates=sorted(members | ids))


def _perhaps_a_group(claim, said, kind):
    """Of a file whose number is known, and whose name is nobody's."""
    what, ids = said[0]
    how = f"{what} is that of {_some(ids)}, but {claim.name[:80]!r} is another name"
    if kind in GROUPS:
        how += f". If it is a group's: {GROUPS[kind]}"
    return Who(how=how, claim=claim, candidates=sorted(ids))


def _in_folder(where, download):
    """By the outermost part of the path that means somebody, if others' names stand as deep."""
    roster = download.roster
    for at, part in enumerate(where):
        # The names in these mean students too, but the systems' numbers, LATE and times would not be read.
        for kind, pattern in FLAT.items():
            found = pattern.search(part)
            if found and (kind == "moodle" or roster.numbered(kind, found["user"])):
                return Who(how=f"a download of {SYSTEMS[kind].title}'s: --from {kind}")
        short = stem(part)
        groups = roster.groups(short)
        ids, partly = (roster.keyed(part), False) if roster.keyed(part) else roster.mentioned(short)
        if ids and not groups and roster.only_numbered(short, ids):  # "Section 101", a course's number
            if download.is_above_all(at):
                continue
            if others := named_within(where, at, roster) - ids:
                how = fold(f"""{printable(part)!r} has the number of {_some(ids)}, but names in it that of
                    {_some(others)}""")
                return Who(how=how, candidates=sorted(ids | others))
        if (groups or ids) and not download.stands("folder", at):
            above, ids = printable(where[download.depth("folder")]), ids.union(*groups.values())
            how = fold(f"""{printable(part)!r} names {_some(ids)}, but lies in {above!r}, which stands where
                others' names do and is nobody's""")
            return Who(how=how, candidates=sorted(ids))
        if groups:
            return _group(Claim(short), groups, [], "folder", roster)
        what = f"the name {short[:80]!r}" if roster.called(short) else f"{short[:80]!r}"
        if len(ids) == 1:
            how = f"a part of the name {short[:80]!r}" if partly else what
            return Who([roster.students[next(iter(ids))]], how, partly=partly)
        if ids and roster.called(short):
            return Who(how=_several(what, ids), candidates=sorted(ids))
        if ids:
            names = f"{printable(part)!r} names several students: {', '.join(sorted(ids)[:MOST_SHOWN])}"
            return Who(how=names, candidates=sorted(ids))
    folder = f"{next(iter(roster.students), 'ID')}/"
    nobody = fold(f"""no id, email or name of the roster is in its path; put it into a folder named after the
        student's id, say {folder}, and collect the folder that holds {folder}""")
    return Who(how=nobody)
