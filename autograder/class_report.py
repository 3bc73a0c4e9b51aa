"""What a class is told: a feedback page for each student, one page for the instructor, and tables of grades
to upload.

    grading/records/...  ->  feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html    what holds, what does not and why, own pictures
                             grading/report/index.html                      the class, with links to these
                             grading/report/grades.csv, grades-canvas.csv, grades-moodle.csv, grades-moodle-ASSIGNMENT.csv

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
import os
import re
import statistics
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_lib.errors import CourseError
from course_lib.files import write

from . import collect, grade, gradebook, roster
from .sandbox import Limits, is_png

BINS = 10  # of a distribution of points
COMMON = 12  # mistakes that are listed for an assignment
SLOWEST = 5


def write_report(course, show=print):
    """Writes all pages and tables of a course folder. -> path of the class page"""
    course = Path(course)
    names, _ = grade.assignments_of(course)
    by_hand, comments = gradebook.by_hand(course)
    students = {student.id: student for student in roster.read(course)}
    late, left_out = collect.late_and_left_out(course)
    target = course / grade.GRADING / "report"
    classes, table = [], {}
    for name in names:
        lesson = Lesson(course, name, students)
        lesson.waiting = {submission.student for submission in grade.submissions_of(course, name)}
        for record in grade.records_of(course, name):
            who = name, record["student"]
            lesson.waiting.discard(record["student"])
            seen = lesson.add(record, by_hand.get(who, {}), comments.get(who, {}), who in late)
            page = render("feedback.html.j2", lesson=lesson, record=record, **seen)
            write(course / "feedback" / record["student"] / name / f"{name}.html", page)
            table[who] = seen["total"]
        if lesson.waiting:
            show(
                f"{name}: {len(lesson.waiting)} of {lesson.count + len(lesson.waiting)} are not graded yet, and have no grade "
                f"in these tables. `dolphins grade {course}` goes on."
            )
            table |= {(name, student): None for student in lesson.waiting}
        if lesson.count:
            lesson.missing = sorted(
                students.keys() - lesson.waiting - {row["student"] for row in lesson.rows}
            )
            classes.append(lesson)
    if not classes:
        raise CourseError(f"{course}: nothing is graded yet. `dolphins grade {course}` does it.")
    texts = tables(course, classes, students, table, show)
    for name, text in texts.items():
        write(target / name, text)
    for old in {path.name for path in target.glob("grades*.csv")} - texts.keys():
        (target / old).unlink()
    for lesson in classes:
        pack_for_moodle(lesson, students, target)
    write(
        target / "index.html",
        render(
            "class.html.j2",
            lessons=classes,
            left_out=left_out,
            tables={name: importer_of(name) for name in texts},
            course=course.resolve().name,
            date=datetime.date.today().isoformat(),
        ),
    )
    return target / "index.html"


# --- one assignment
# -----------------------------------------------------------------------------------------------


class Lesson:
    """An assignment as it is graded: what is asked, and what became of it in the class."""

    def __init__(self, course, name, students):
        self.name, self.course, self.students = name, course, students
        cells = nbformat.reads(grade.release_of(course, name), as_version=4).cells
        heads = (
            line.lstrip("# ") for cell in cells for line in cell.source.splitlines() if line.startswith("# ")
        )
        self.title = next(heads, name)
        self.exercises = {
            key: ExerciseResults(key, of)
            for key, of in grade.exercises_of(grade.release_of(course, name)).items()
        }
        self.of = sum(exercise.of for exercise in self.exercises.values())
        stubs = {
            cell.metadata["nbgrader"]["grade_id"]: cell.source
            for cell in cells
            if cell.metadata.get("nbgrader", {}).get("solution")
        }
        self.likeness = {key: Likeness(stubs.get(key, "")) for key in self.exercises}
        self.points, self.seconds, self.mistakes, self.look, self.rows = [], [], collections.Counter(), [], []
        self.texts, self.missing, self.waiting, self.count, self.unconfined = {}, [], set(), 0, 0

    def called(self, student):
        """A student's name, else the id."""
        known = self.students.get(student)
        return f"{known.first_name} {known.last_name}".strip() or student if known else student

    def names(self, students):
        """Several students' names, for a line."""
        return ", ".join(map(self.called, students))

    def add(self, record, given, comments, late):
        """Takes in a record. given, comments: {exercise: points, text by hand}; late: or in time. -> what its
        feedback page shows"""
        self.count += 1
        self.unconfined += record.get("sandbox") == "none"
        total, shown = 0.0, []
        for key, results in self.exercises.items():
            exercise = record["exercises"].get(key, {"points": None, "of": results.of, "properties": []})
            points = given.get(key, exercise["points"])
            results.add(exercise, points)
            total = None if points is None or total is None else total + points
            keys = {prop["key"] for prop in exercise["properties"]}
            untouched = bool(keys) and keys <= {"not-implemented", "not-reached"}
            told = {prop["key"]: prop["text"] for prop in reversed(exercise["properties"])}
            for mistake in told.keys() - {None, "not-reached", "not-implemented"}:  # once for each student
                self.mistakes[key, mistake] += 1
                self.texts.setdefault((key, mistake), told[mistake])
            if not untouched:
                self.likeness[key].add(record["student"], record.get("solution_text", {}).get(key, ""))
            shown.append(
                {
                    "results": results,
                    "points": points,
                    "by_hand": key in given,
                    "comment": comments.get(key),
                    "untouched": untouched,
                    "properties": exercise["properties"],
                    "pictures": [
                        p["png"]
                        for p in record.get("pictures", [])
                        if p["exercise"] == key and is_png(p["png"], Limits.picture_bytes)
                    ],
                }
            )
        if total is None or record["status"] != grade.GRADED and not given:
            self.look.append((record["student"], (record.get("notes") or [record["status"]])[0]))
        elif record.get("borrowed"):
            self.look.append(
                (
                    record["student"],
                    f"Their code names {', '.join(record['borrowed'][:4])}: parts of the course "
                    "that know the answers. Is the solution their own?",
                )
            )
        if total is not None:
            self.points.append(total)
        self.seconds.append((record.get("seconds", 0.0), record["student"]))
        self.rows.append(
            {
                "student": record["student"],
                "total": total,
                "points": [s["points"] for s in shown],
                "status": record["status"],
                "late": late,
                "by_hand": bool(given),
                "repairs": len(record.get("repairs", [])),
                "seconds": record.get("seconds", 0.0),
            }
        )
        errors = [
            cell["error"] for cell in record["cells"] if "NotImplementedError: Exercise" not in cell["error"]
        ]
        return {
            "shown": shown,
            "total": total,
            "errors": errors,
            "late": late,
            "name": self.called(record["student"]),
        }

    @property
    def histogram(self):
        return histogram(self.points, self.of)

    @property
    def median(self):
        return statistics.median(self.points) if self.points else None

    @property
    def median_seconds(self):
        return statistics.median(seconds for seconds, _ in self.seconds)

    @property
    def slowest(self):
        return sorted(self.seconds, reverse=True)[:SLOWEST]

    @property
    def most_common(self):
        """-> list of (exercise, key, how many, what the student is told)"""
        return [
            (self.exercises[exercise], key, count, self.texts[exercise, key])
            for (exercise, key), count in self.mistakes.most_common(COMMON)
        ]

    @property
    def alike(self):
        """-> list of (exercise, students whose solutions are nearly the same)"""
        return [
            (self.exercises[key], group)
            for key, likeness in self.likeness.items()
            for group in likeness.groups()
        ]


@dataclass
class ExerciseResults:
    """One exercise in the class."""

    key: str
    of: float
    points: list = field(default_factory=list)
    properties: dict = field(default_factory=dict)  # name -> [how many hold, of how many]

    @property
    def title(self):
        return grade.title_of(self.key)

    def add(self, exercise, points):
        if points is not None:
            self.points.append(points)
        for prop in exercise["properties"]:
            if prop["of"]:
                counts = self.properties.setdefault(prop["name"], [0, 0])
                counts[0] += prop["key"] is None
                counts[1] += 1

    @property
    def histogram(self):
        return histogram(self.points, self.of)

    @property
    def mean(self):
        return statistics.fmean(self.points) if self.points else None


def histogram(points, of):
    """How many have how much. -> list of (from, to, how many, percent of the fullest bin)"""
    bins = min(BINS, max(1, int(of)))
    counts = [0] * bins
    for value in points:
        counts[min(bins - 1, max(0, int(value / of * bins)))] += 1
    most = max(counts) or 1
    return [(of * i / bins, of * (i + 1) / bins, count, 100 * count / most) for i, count in enumerate(counts)]


# --- solutions that are nearly the same
# ----------------------------------------------------------------------------


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
        found = shingles(source, self.SHINGLE) - self.stub
        if found:
            self.known[student] = found

    def groups(self):
        """-> list of lists of students, sorted"""
        count = collections.Counter(entry for found in self.known.values() for entry in found)
        common = {entry for entry, n in count.items() if n > max(3, 0.2 * len(self.known))}
        left = {student: found - common for student, found in self.known.items()}
        # Copied by many: then what they share is common, and all of it is gone. Such are compared as they
        # are.
        left = {
            student: own if len(own) >= self.LEAST else self.known[student] for student, own in left.items()
        }
        left = {student: own for student, own in left.items() if len(own) >= self.LEAST}
        first, parent = {}, {student: student for student in left}

        def root(student):
            while parent[student] != student:
                parent[student] = student = parent[parent[student]]
            return student

        for student, own in sorted(left.items()):
            for band in bands(own, self.BANDS, self.ROWS):
                other = first.setdefault(band, student)
                if root(other) != root(student) and len(own & left[other]) >= self.ALIKE * len(
                    own | left[other]
                ):
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
        if (
            isinstance(node, (ast.Import, ast.ImportFrom))
            or isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
        ):
            continue  # imports and docstrings
        word = type(node).__name__
        if isinstance(node, ast.Name):
            word += str(names.setdefault(node.id, len(names)))
        elif isinstance(node, ast.Attribute):
            word += node.attr
        elif isinstance(node, ast.Constant):
            word += repr(node.value)[:20]
        words.append(word)
        queue += reversed(list(ast.iter_child_nodes(node)))
    return {number_of(" ".join(words[i : i + length])) for i in range(len(words) - length + 1)}


def number_of(text):
    """A text as 64 bits that hardly any other has."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


@functools.cache
def multipliers(count):
    return [number_of(f"band {i}") | 1 for i in range(count)]


def bands(entries, count, rows):
    """The MinHash signature of a set, cut into bands. -> list of hashable"""
    smallest = [min(entry * factor % 2**64 for entry in entries) for factor in multipliers(count * rows)]
    return [(i, *smallest[i * rows : (i + 1) * rows]) for i in range(count)]


# --- pages
# ----------------------------------------------------------------------------------------------------------


@functools.cache
def templates():
    try:
        import jinja2
    except ImportError:
        raise CourseError("""The report needs jinja2: pip install -c constraints.txt -e '.[grade]', or `make
            setup`.""") from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"points": points_text, "code": code_text}
    return environment


def render(template, **values):
    return templates().get_template(template).render(**values)


def points_text(points):
    """7.5 -> "7.5", 7.0 -> "7", None -> "–" """
    return "–" if points is None else f"{round(points, 2):g}"


IN_THE_NOTEBOOK = re.compile(
    r" Run the cell in which you write \w+, then this one again\."
)  # no use on a page


def code_text(text):
    """Escapes a text and shows what stands in `backquotes` as code."""
    from markupsafe import Markup, escape

    text = IN_THE_NOTEBOOK.sub("", text or "")
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def pack_for_moodle(lesson, students, target):
    """The feedback pages as a zip that Moodle hands out, where collecting has seen Moodle's numbers of the
    students.

    Moodle finds whose a file is by a name like those of the submissions that it packed:
    Name_NUMBER_assignsubmission_file_... (mod/assign/feedback/file/importziplib.php).
    """
    numbers = {
        row["student"]: participant(students[row["student"]], lesson.name)
        for row in lesson.rows
        if row["student"] in students
    }
    path = target / f"feedback-moodle-{lesson.name}.zip"
    if not any(numbers.values()):
        path.unlink(missing_ok=True)
        return
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        for student, number in numbers.items():
            if number:
                name = re.sub(r"[_/\\]|[^\S ]", " ", lesson.called(student))
                packed.write(
                    lesson.course / "feedback" / student / lesson.name / f"{lesson.name}.html",
                    f"{name}_{number}_assignsubmission_file_{lesson.name}.html",
                )
    os.replace(part, path)


def participant(student, name):
    """The number that Moodle gave a student in an assignment. -> text, "" where it is not known"""
    return "".join(re.findall(r"\d+", student.participants.get(name, ""))[:1])


# --- tables to upload
# -------------------------------------------------------------------------------------------------


def tables(course, lessons, students, totals, show):
    """The grades as nbgrader, Canvas and Moodle take them. totals: {(assignment, student): points or None} ->
    {file name: text}

    Where nothing was handed in, or nobody decided yet, Canvas's and Moodle's cells are empty, which leaves
    grades as they are.
    """
    everybody = {
        **students,
        **{student: roster.Student(student) for _, student in totals if student not in students},
    }
    clean = Clean()
    result = {
        "grades.csv": text_of(
            [
                "assignment",
                "duedate",
                "timestamp",
                "student_id",
                "last_name",
                "first_name",
                "email",
                "raw_score",
                "late_submission_penalty",
                "score",
                "max_score",
            ],
            [
                [
                    lesson.name,
                    "",
                    handed_in(course, s.id, lesson.name),
                    clean.key(s.id, s),
                    clean.name(s.last_name),
                    clean.name(s.first_name),
                    clean.key(s.email, s),
                    total,
                    0.0,
                    total,
                    lesson.of,
                ]
                for lesson in lessons
                for s in everybody.values()
                for total in [number(totals.get((lesson.name, s.id), 0.0))]
            ],
        )
    }
    result["grades-canvas.csv"] = text_of(
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(lesson.name for lesson in lessons)],
        [
            ["    Points Possible", "", "", "", "", *(lesson.of for lesson in lessons)],
            *(
                [
                    clean.name(", ".join(filter(None, (s.last_name, s.first_name))) or s.id),
                    clean.key(s.lms_user_id, s),
                    clean.key(s.sis_user_id, s),
                    clean.key(s.login or s.id, s),
                    clean.name(s.section),
                    *(number(totals.get((lesson.name, s.id))) for lesson in lessons),
                ]
                for s in everybody.values()
            ),
        ],
    )
    result["grades-moodle.csv"] = text_of(
        [
            "Username",
            "ID number",
            "Email address",
            "First name",
            "Last name",
            *(lesson.name for lesson in lessons),
        ],
        [
            [
                clean.key(s.login or s.id, s),
                clean.key(s.number, s),
                clean.key(s.email, s),
                clean.name(s.first_name),
                clean.name(s.last_name),
                *(number(totals.get((lesson.name, s.id))) for lesson in lessons),
            ]
            for s in everybody.values()
        ],
    )
    for lesson in lessons:
        text = moodle_worksheet(course, lesson, everybody.values(), totals, clean)
        if text:
            result[f"grades-moodle-{lesson.name}.csv"] = text
    for who in sorted(clean.odd):
        show(
            f"{who}: an id or address begins like a formula of a spreadsheet, so an apostrophe stands before it in the tables, "
            "and no importer will find this student. Enter the grades by hand."
        )
    return result


def moodle_worksheet(course, lesson, students, totals, clean):
    """Moodle's grading worksheet with the grades: the one that was given when collecting, else one like it.
    -> text, "" for none

    Moodle compares what a row says of earlier changes with what it knows, and takes over comments: so of a
    worksheet that was given, nothing is changed but grades.
    """
    numbered = [(s, participant(s, lesson.name)) for s in students if participant(s, lesson.name)]
    given = roster.worksheet_path(course, lesson.name)
    if given.is_file():
        text = roster.with_grades(
            given.read_bytes(),
            {f"Participant {of}": number(totals.get((lesson.name, s.id))) for s, of in numbered},
        )
        if text is not None:
            return text
    if not numbered:
        return ""
    return text_of(
        [
            "Identifier",
            "Full name",
            "Email address",
            "Status",
            "Grade",
            "Maximum Grade",
            "Grade can be changed",
            "Last modified (submission)",
            "Last modified (grade)",
            "Feedback comments",
        ],
        [
            [
                f"Participant {of}",
                clean.name(f"{s.first_name} {s.last_name}".strip()),
                clean.key(s.email, s),
                "",
                number(totals.get((lesson.name, s.id))),
                lesson.of,
                "Yes",
                "-" if s.submitted in ("", "-") else clean.name(s.submitted),
                "-",
                "",
            ]
            for s, of in numbered
        ],
    )


def importer_of(name):
    """Where a table is to be uploaded, in words."""
    known = {
        "grades.csv": "as nbgrader exports them",
        "grades-canvas.csv": "Canvas (Grades, Import)",
        "grades-moodle.csv": "Moodle (Grades, Import, CSV file)",
    }
    return (
        known.get(name) or f"Moodle ({name[len('grades-moodle-') : -len('.csv')]}, Upload grading worksheet)"
    )


class Clean:
    """Keeps spreadsheets from running what a student chose as a name: '=cmd(...)' gets an apostrophe before
    it.

    Names may be changed so, since importers go by ids. An id or address that needs it is noted in `odd`.
    """

    def __init__(self):
        self.odd = set()

    def name(self, text):
        text = "".join(c if c.isprintable() else " " for c in text)
        return f"'{text}" if text.lstrip()[:1] in tuple("=+-@|%") else text

    def key(self, text, student):
        safe = self.name(text)
        if safe != text:
            self.odd.add(student.id)
        return safe


def number(points):
    return "" if points is None else round(points, 4)


def handed_in(course, student, name):
    try:
        text = (Path(course) / "submitted" / student / name / "timestamp.txt").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return found[0] if (found := re.match(r"[\d-]{10} [\d:]{8}", text)) else ""


def text_of(heads, rows):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerows([heads, *rows])
    return file.getvalue()
