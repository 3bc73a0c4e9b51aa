"""What a class is told: feedback pages, a page for the instructor, and tables of grades to upload.

    grading/records/...
        -> feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html   what holds, what does not and why, own pictures
        -> grading/report/index.html                     the class, with links to these
        -> grading/report/grades.csv, grades-canvas.csv, grades-moodle.csv, grades-moodle-ASSIGNMENT.csv

Records are read one after another; what is kept of each is a few numbers. Pages are single files without
scripts, and their content security policy forbids any. Everything that comes from a student is escaped. A
page holds what the check in the notebook says too: the judge lets nothing into a record that a hidden case
could have shaped.

Near-identical solutions are found without comparing everybody with everybody: see `Likeness`.
"""

import ast
import collections
import csv
import datetime
import functools
import hashlib
import io
import re
import statistics
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import nbformat
from markupsafe import Markup, escape

from course_lib.errors import CourseError, fold
from course_lib.files import replacing, write

from . import collect, gradebook, records, roster
from .sandbox import Limits, is_png

BINS = 10  # of a distribution of points
COMMON = 12  # mistakes that are listed for an assignment
SLOWEST = 5
IMPORTERS = {
    "grades.csv": "as nbgrader exports them",
    "grades-canvas.csv": "Canvas (Grades, Import)",
    "grades-moodle.csv": "Moodle (Grades, Import, CSV file)",
}


def write_report(course, show=print):
    """Writes all pages and tables of a course folder. -> path of the class page"""
    course = Path(course)
    names, _ = records.assignments_of(course)
    by_hand, comments = gradebook.by_hand(course)
    students = {student.id: student for student in roster.read(course)}
    late, left_out = collect.late_and_left_out(course)
    target = course / records.GRADING / "report"
    lessons, totals = [], {}
    for name in names:
        lesson = Lesson(course, name, students)
        for record in records.records_of(course, name):
            student = record["student"]
            who = name, student
            seen = lesson.add(record, by_hand.get(who, {}), comments.get(who, {}), who in late)
            page = _render("feedback.html.j2", lesson=lesson, record=record, **seen)
            write(course / "feedback" / student / name / f"{name}.html", page)
            totals[who] = seen["total"]
        if lesson.waiting:
            waiting, everybody = len(lesson.waiting), len(lesson.rows) + len(lesson.waiting)
            text = fold(f"""{name}: {waiting} of {everybody} are not graded yet, and have no grade in these
                tables. `dolphins grade {course}` goes on.""")
            show(text)
            totals |= {(name, student): None for student in lesson.waiting}
        if lesson.rows:
            lessons.append(lesson)
    if not lessons:
        raise CourseError(f"{course}: nothing is graded yet. `dolphins grade {course}` does it.")
    texts = _tables(course, lessons, students, totals, show)
    for name, text in texts.items():
        write(target / name, text)
    for old in {path.name for path in target.glob("grades*.csv")} - texts.keys():
        (target / old).unlink()
    for lesson in lessons:
        _pack_for_moodle(lesson, students, target)
    importers = {name: _importer_of(name) for name in texts}
    about = {"course": course.resolve().name, "date": datetime.date.today().isoformat()}
    page = _render("class.html.j2", lessons=lessons, left_out=left_out, tables=importers, **about)
    return write(target / "index.html", page)


# --- one assignment


class Lesson:
    """An assignment as it is graded: what is asked, and what became of it in the class."""

    def __init__(self, course, name, students):
        self.name, self.course, self.students = name, course, students
        release = records.release_of(course, name)
        cells = nbformat.reads(release, as_version=4).cells
        heads = (line for cell in cells for line in cell.source.splitlines() if line.startswith("# "))
        self.title = next(heads, name).lstrip("# ")
        self.exercises = {key: ExerciseResults(key, of) for key, of in records.exercises_of(release).items()}
        self.of = sum(exercise.of for exercise in self.exercises.values())
        marks = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in cells]
        stubs = {mark["grade_id"]: source for mark, source in marks if mark.get("solution")}
        self.likeness = {key: Likeness(stubs.get(key, "")) for key in self.exercises}
        self.waiting = {submission.student for submission in records.submissions_of(course, name)}
        self.rows, self.look, self.mistakes, self.texts = [], [], collections.Counter(), {}
        self.unconfined, self.bounds = 0, collections.Counter()

    def called(self, student):
        """A student's name, else the id."""
        known = self.students.get(student)
        return f"{known.first_name} {known.last_name}".strip() or student if known else student

    def names(self, students):
        """Several students' names, for a line."""
        return ", ".join(map(self.called, students))

    def add(self, record, given, comments, late):
        """Takes in a record. -> what its feedback page shows

        given, comments: {exercise: points, text by hand}; late: whether it was handed in late.
        """
        self.unconfined += record.get("sandbox") == "none"
        self.bounds[record.get("bounds")] += 1
        student, seconds = record["student"], record.get("seconds", 0.0)
        self.waiting.discard(student)
        shown = [self.add_exercise(key, record, given, comments) for key in self.exercises]
        points = [one["points"] for one in shown]
        total = None if None in points else sum(points, 0.0)
        self.note(record, total, given)
        row = {"student": student, "total": total, "points": points, "status": record["status"], "late": late}
        row |= {"by_hand": bool(given), "repairs": len(record.get("repairs", [])), "seconds": seconds}
        self.rows.append(row)
        errors = [cell["error"] for cell in record["cells"]]
        errors = [error for error in errors if "NotImplementedError: Exercise" not in error]
        return {"shown": shown, "total": total, "errors": errors, "late": late, "name": self.called(student)}

    def add_exercise(self, key, record, given, comments):
        """Takes in an exercise of a record. -> what the feedback page shows of it"""
        results, student = self.exercises[key], record["student"]
        exercise = record["exercises"].get(key, {"points": None, "of": results.of, "properties": []})
        properties = exercise["properties"]
        points = given.get(key, exercise["points"])
        results.add(properties, points)
        untouched = records.is_untouched(properties)
        told = {prop["key"]: prop["text"] for prop in reversed(properties)}
        for mistake in told.keys() - {None, "not-reached", "not-implemented"}:  # once for each student
            self.mistakes[key, mistake] += 1
            self.texts.setdefault((key, mistake), told[mistake])
        if not untouched:
            self.likeness[key].add(student, record.get("solution_text", {}).get(key, ""))
        pictures = [p["png"] for p in record.get("pictures", []) if p["exercise"] == key]
        return {
            "results": results,
            "points": points,
            "by_hand": key in given,
            "comment": comments.get(key),
            "untouched": untouched,
            "properties": properties,
            "pictures": [png for png in pictures if is_png(png, Limits.picture_bytes)],
        }

    def note(self, record, total, given):
        """Notes why somebody has to look at a record, if so."""
        why = None
        if total is None or record["status"] != records.GRADED and not given:
            why = records.reason(record)
        elif record.get("borrowed"):
            names = ", ".join(record["borrowed"][:4])
            why = fold(f"""Their code names {names}: parts of the course that know the answers. Is the
                solution their own?""")
        if why:
            self.look.append((record["student"], why))

    @property
    def missing(self):
        """Who of the class handed in nothing, sorted."""
        return sorted(self.students.keys() - self.waiting - {row["student"] for row in self.rows})

    @property
    def points(self):
        return [row["total"] for row in self.rows if row["total"] is not None]

    @property
    def histogram(self):
        return _histogram(self.points, self.of)

    @property
    def median(self):
        return statistics.median(self.points) if self.points else None

    @property
    def median_seconds(self):
        return statistics.median(row["seconds"] for row in self.rows)

    @property
    def slowest(self):
        return sorted(((row["seconds"], row["student"]) for row in self.rows), reverse=True)[:SLOWEST]

    @property
    def most_common(self):
        """-> list of (exercise, key, how many, what the student is told)"""
        common = self.mistakes.most_common(COMMON)
        return [(self.exercises[name], key, count, self.texts[name, key]) for (name, key), count in common]

    @property
    def alike(self):
        """-> list of (exercise, students whose solutions are nearly the same)"""
        likeness = self.likeness.items()
        return [(self.exercises[key], group) for key, found in likeness for group in found.groups()]


@dataclass
class ExerciseResults:
    """One exercise in the class."""

    key: str
    of: float
    points: list = field(default_factory=list)
    properties: dict = field(default_factory=dict)  # name -> [how many hold, of how many]

    @property
    def title(self):
        return records.title_of(self.key)

    def add(self, properties, points):
        """Takes in what one student has."""
        if points is not None:
            self.points.append(points)
        for prop in properties:
            if prop["of"]:
                counts = self.properties.setdefault(prop["name"], [0, 0])
                counts[0] += prop["key"] is None
                counts[1] += 1

    @property
    def histogram(self):
        return _histogram(self.points, self.of)

    @property
    def mean(self):
        return statistics.fmean(self.points) if self.points else None


def _histogram(points, of):
    """How many have how much. -> list of (from, to, how many, percent of the fullest bin)"""
    bins = min(BINS, max(1, int(of)))
    counts = [0] * bins
    for value in points:
        counts[min(bins - 1, max(0, int(value / of * bins)))] += 1
    most = max(counts) or 1
    return [(of * i / bins, of * (i + 1) / bins, count, 100 * count / most) for i, count in enumerate(counts)]


# --- solutions that are nearly the same


class Likeness:
    """Finds solutions that are nearly the same, whatever their names, comments and layout. A hint, no proof.

    A solution becomes the set of all runs of SHINGLE nodes of its syntax tree, names replaced by their order.
    What the stub has too, and what is common in the class, tells nothing and is left out. Two sets that share
    most of their entries share most of their smallest hash values (MinHash; Broder 1997): so only solutions
    that agree in one of BANDS groups of such values are compared, and each with the first of its group alone.
    The time is linear in the class.
    """

    SHINGLE, BANDS, ROWS = 6, 16, 4
    ALIKE = 0.85  # share of entries that two have in common (Jaccard)
    LEAST = 40  # entries that a solution must have left: short ones are alike by nature

    def __init__(self, stub):
        self.stub, self.known = shingles(stub, self.SHINGLE), {}

    def add(self, student, source):
        """Takes in the solution of a student."""
        found = shingles(source, self.SHINGLE) - self.stub
        if found:
            self.known[student] = found

    def groups(self):
        """-> list of lists of students, sorted"""
        count = collections.Counter(entry for found in self.known.values() for entry in found)
        common = {entry for entry, n in count.items() if n > max(3, 0.2 * len(self.known))}
        left = {student: found - common for student, found in self.known.items()}
        for student, own in left.items():
            if len(own) < self.LEAST:  # copied by many, what they share is common: compared as they are
                left[student] = self.known[student]
        left = {student: own for student, own in left.items() if len(own) >= self.LEAST}
        first, parent = {}, {student: student for student in left}

        def root(student):
            while parent[student] != student:
                parent[student] = student = parent[parent[student]]
            return student

        for student, own in sorted(left.items()):
            for band in _bands(own, self.BANDS, self.ROWS):
                other = first.setdefault(band, student)
                if root(other) == root(student):
                    continue
                if len(own & left[other]) >= self.ALIKE * len(own | left[other]):
                    parent[root(student)] = root(other)
        groups = collections.defaultdict(list)
        for student in left:
            groups[root(student)].append(student)
        return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def shingles(source, length):
    """Runs of nodes of a program's syntax tree, as a set of 64-bit numbers; empty where it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    words, names, queue = [], {}, [tree]
    while queue:
        node = queue.pop()
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        word = type(node).__name__
        if isinstance(node, ast.Name):
            word += str(names.setdefault(node.id, len(names)))
        elif isinstance(node, ast.Attribute):
            word += node.attr
        elif isinstance(node, ast.Constant):
            word += repr(node.value)[:20]
        words.append(word)
        queue += reversed(list(ast.iter_child_nodes(node)))
    return {_hash(" ".join(words[i : i + length])) for i in range(len(words) - length + 1)}


def _hash(text):
    """A text as 64 bits that hardly any other has."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@functools.cache
def _multipliers(count):
    return [_hash(f"band {i}") | 1 for i in range(count)]


def _bands(entries, count, rows):
    """The MinHash signature of a set, cut into bands. -> list of hashable"""
    smallest = [min(entry * factor % 2**64 for entry in entries) for factor in _multipliers(count * rows)]
    return [(i, *smallest[i * rows : (i + 1) * rows]) for i in range(count)]


# --- pages


def _render(template, **values):
    return _templates().get_template(template).render(**values)


@functools.cache
def _templates():
    pages = jinja2.FileSystemLoader(Path(__file__).with_name("pages"))
    settings = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    environment = jinja2.Environment(loader=pages, trim_blocks=True, lstrip_blocks=True, **settings)
    environment.filters |= {"points": _points_text, "code": _code_text}
    return environment


def _points_text(points):
    """7.5 -> "7.5", 7.0 -> "7", None -> "–" """
    return "–" if points is None else f"{round(points, 2):g}"


# No use on a page.
IN_THE_NOTEBOOK = re.compile(r" Run the cell in which you write \w+, then this one again\.")


def _code_text(text):
    """Escapes a text and shows what stands in `backquotes` as code."""
    text = IN_THE_NOTEBOOK.sub("", text or "")
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _pack_for_moodle(lesson, students, target):
    """The feedback pages as a zip that Moodle hands out, where collecting has seen Moodle's numbers.

    Moodle finds whose a file is by a name like those of the submissions that it packed:
    Name_NUMBER_assignsubmission_file_... (mod/assign/feedback/file/importziplib.php).
    """
    known = [row["student"] for row in lesson.rows if row["student"] in students]
    numbers = {student: _participant(students[student], lesson.name) for student in known}
    numbers = {student: number for student, number in numbers.items() if number}
    path = target / f"feedback-moodle-{lesson.name}.zip"
    if not numbers:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        for student, number in numbers.items():
            name = re.sub(r"[_/\\]|[^\S ]", " ", lesson.called(student))
            page = lesson.course / "feedback" / student / lesson.name / f"{lesson.name}.html"
            packed.write(page, f"{name}_{number}_assignsubmission_file_{lesson.name}.html")


def _participant(student, name):
    """The number that Moodle gave a student in an assignment. -> text, "" where it is not known"""
    return "".join(re.findall(r"\d+", student.participants.get(name, ""))[:1])


# --- tables to upload


def _tables(course, lessons, students, totals, show):
    """The grades as nbgrader, Canvas and Moodle take them. -> {file name: text}

    totals: {(assignment, student): points or None}. Where nothing was handed in, or nobody decided yet,
    Canvas's and Moodle's cells are empty, which leaves grades as they are.
    """
    others = {student: roster.Student(student) for _, student in totals if student not in students}
    everybody = [*students.values(), *others.values()]
    clean = Clean()
    result = {
        "grades.csv": _nbgrader_table(course, lessons, everybody, totals, clean),
        "grades-canvas.csv": _canvas_table(lessons, everybody, totals, clean),
        "grades-moodle.csv": _moodle_table(lessons, everybody, totals, clean),
    }
    for lesson in lessons:
        text = _moodle_worksheet(course, lesson, everybody, totals, clean)
        if text:
            result[f"grades-moodle-{lesson.name}.csv"] = text
    for who in sorted(clean.odd):
        text = fold(f"""{who}: an id or address begins like a formula of a spreadsheet, so an apostrophe
            stands before it in the tables, and no importer will find this student. Enter the grades by
            hand.""")
        show(text)
    return result


def _nbgrader_table(course, lessons, students, totals, clean):
    """Here who handed in nothing has 0 points, as nbgrader exports it."""
    heads = """assignment duedate timestamp student_id last_name first_name email raw_score
        late_submission_penalty score max_score"""
    rows = []
    for lesson in lessons:
        for s in students:
            total = _number(totals.get((lesson.name, s.id), 0.0))
            found = re.match(r"[\d-]{10} [\d:]{8}", records.handed_in(course, s.id, lesson.name))
            who = clean.key(s.id, s), clean.name(s.last_name), clean.name(s.first_name), clean.key(s.email, s)
            rows.append([lesson.name, "", found[0] if found else "", *who, total, 0.0, total, lesson.of])
    return _csv(heads.split(), rows)


def _canvas_table(lessons, students, totals, clean):
    heads = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(lesson.name for lesson in lessons)]
    rows = [["    Points Possible", "", "", "", "", *(lesson.of for lesson in lessons)]]
    for s in students:
        name = clean.name(", ".join(filter(None, (s.last_name, s.first_name))) or s.id)
        keys = [clean.key(text, s) for text in (s.lms_user_id, s.sis_user_id, s.login or s.id)]
        rows.append([name, *keys, clean.name(s.section), *_points_in(lessons, s, totals)])
    return _csv(heads, rows)


def _moodle_table(lessons, students, totals, clean):
    heads = ["Username", "ID number", "Email address", "First name", "Last name"]
    rows = []
    for s in students:
        keys = [clean.key(text, s) for text in (s.login or s.id, s.number, s.email)]
        names = clean.name(s.first_name), clean.name(s.last_name)
        rows.append([*keys, *names, *_points_in(lessons, s, totals)])
    return _csv([*heads, *(lesson.name for lesson in lessons)], rows)


def _points_in(lessons, student, totals):
    return [_number(totals.get((lesson.name, student.id))) for lesson in lessons]


WORKSHEET = """Identifier, Full name, Email address, Status, Grade, Maximum Grade, Grade can be changed,
    Last modified (submission), Last modified (grade), Feedback comments"""


def _moodle_worksheet(course, lesson, students, totals, clean):
    """Moodle's grading worksheet with the grades: the one that was given when collecting, else one like it.

    Moodle compares what a row says of earlier changes with what it knows, and takes over comments: so of a
    worksheet that was given, nothing is changed but grades. -> text, "" for none
    """
    numbers = [(s, _participant(s, lesson.name)) for s in students]
    numbered = [(s, f"Participant {of}", *_points_in([lesson], s, totals)) for s, of in numbers if of]
    given = roster.worksheet_path(course, lesson.name)
    if given.is_file():
        grades = {participant: grade for _, participant, grade in numbered}
        text = roster.with_grades(given.read_bytes(), grades)
        if text is not None:
            return text
    rows = []
    for s, participant, grade in numbered:
        who = participant, clean.name(f"{s.first_name} {s.last_name}".strip()), clean.key(s.email, s)
        submitted = "-" if s.submitted in ("", "-") else clean.name(s.submitted)
        rows.append([*who, "", grade, lesson.of, "Yes", submitted, "-", ""])
    heads = [head.strip() for head in WORKSHEET.split(",")]
    return _csv(heads, rows) if rows else ""


def _importer_of(name):
    """Where a table is to be uploaded, in words."""
    lesson = name.removeprefix("grades-moodle-").removesuffix(".csv")
    return IMPORTERS.get(name) or f"Moodle ({lesson}, Upload grading worksheet)"


class Clean:
    """Keeps spreadsheets from running a name that a student chose: '=cmd(...)' gets an apostrophe before it.

    Names may be changed so, since importers go by ids. An id or address that needs it is noted in `odd`.
    """

    def __init__(self):
        self.odd = set()

    def name(self, text):
        """A name that is no formula."""
        text = "".join(c if c.isprintable() else " " for c in text)
        return f"'{text}" if text.lstrip()[:1] in tuple("=+-@|%") else text

    def key(self, text, student):
        """An id or address that is no formula."""
        safe = self.name(text)
        if safe != text:
            self.odd.add(student.id)
        return safe


def _number(points):
    return "" if points is None else round(points, 4)


def _csv(heads, rows):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerows([heads, *rows])
    return file.getvalue()
