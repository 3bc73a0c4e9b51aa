"""What a class is told: feedback pages, a page for the instructor, and tables of grades to upload.

    grading/records/...
        -> feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html   what holds, what does not and why, own pictures
        -> grading/report/index.html                     the class, with links to these
        -> grading/report/grades.csv, grades-canvas.csv, grades-moodle.csv, grades-moodle-ASSIGNMENT.csv

Records are read one after another, each behind the boundary; what is kept of each is a few numbers.
"""

import collections
import csv
import datetime
import io
import re
import statistics
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_lib.errors import CourseError, fold
from course_lib.files import replacing, write

from . import collect, feedback, gradebook, identity, records, roster
from .boundary import look
from .downloads import printable
from .likeness import Likeness

BINS = 10  # of a distribution of points
# What is said of properties of which there is nothing to teach, as no mistake was found in them.
NO_MISTAKES = {None, "not-reached", "not-implemented", "not-judged", "unusable"}
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
    with records.in_a_sentence(course, "The grades are as they were."):
        return _write_report(course, show)


def _write_report(course, show):
    names, _ = records.assignments_of(course)
    by_hand, comments = gradebook.by_hand(course)
    students = {student.id: student for student in roster.read(course)}
    late, left_out = collect.late_and_left_out(course)
    groups = collect.groups_of(course)
    target = course / records.GRADING / "report"
    lessons, totals, ungraded = [], {}, []
    for name in names:
        lesson = Lesson(course, name, students, groups.get(name, []))
        for record in records.records_of(course, name):
            student = record["student"]
            who = name, student
            page, totals[who] = lesson.add(record, by_hand.get(who, {}), comments.get(who, {}), who in late)
            write(course / "feedback" / student / name / f"{name}.html", page)
        if lesson.waiting:
            waiting, everybody = len(lesson.waiting), len(lesson.rows) + len(lesson.waiting)
            text = fold(f"""{name}: {waiting} of {everybody} are not graded yet, and have no grade in these
                tables. `dolphins grade {course}` goes on.""")
            ungraded.append(text)
            totals |= {(name, student): None for student in lesson.waiting}
        if lesson.rows:
            lesson.note_slow()
            lessons.append(lesson)
    if not lessons:
        raise CourseError(f"{course}: nothing is graded yet. `dolphins grade {course}` does it.")
    for text in ungraded:
        show(text)
    texts = _tables(course, lessons, students, totals, show)
    for name, text in texts.items():
        write(target / name, text)
    for old in {path.name for path in target.glob("grades*.csv")} - texts.keys():
        (target / old).unlink()
    packed = [_pack_for_moodle(lesson, students, target) for lesson in lessons]
    importers = {name: _importer_of(name) for name in [*texts, *filter(None, packed)]}
    about = {"course": course.resolve().name, "date": datetime.date.today().isoformat()}
    page = feedback.render("class.html.j2", lessons=lessons, left_out=left_out, tables=importers, **about)
    return write(target / "index.html", page)


# --- one assignment


class Lesson:
    """An assignment as it is graded: what is asked, and what became of it in the class."""

    def __init__(self, course, name, students, groups):
        self.name, self.course, self.students = name, course, students
        self.groups = groups  # [(name, ids of whom one file counts for)]
        self.shared = set(identity.namesakes(students.values()))
        self.followers = {student for _, ids in groups for student in ids[1:]}
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
        self.rows, self.look = [], []  # the last: (student, why)
        self.mistakes, self.texts = collections.Counter(), {}
        self.unconfined, self.bounds = 0, collections.Counter()

    def called(self, student):
        """A student's name, else the id."""
        known = self.students.get(student)
        return f"{known.first_name} {known.last_name}".strip() or student if known else student

    def names(self, students):
        """Several students' names, for a line."""
        return ", ".join(map(self.told_apart, students))

    def told_apart(self, student):
        """A student's name, with the id where somebody else of the class has the same."""
        name = self.called(student)
        return f"{name} ({student})" if name in self.shared else name

    def add(self, record, given, comments, late):
        """Takes in a record. -> its feedback page, the points of all exercises or None

        given, comments: {exercise: points, text by hand}; late: whether it was handed in late.
        """
        self.unconfined += record.get("sandbox") == "none"
        self.bounds[record.get("bounds")] += 1
        student, seconds = record["student"], record.get("seconds", 0.0)
        self.waiting.discard(student)
        exercises = [self.add_exercise(key, record, given, comments) for key in self.exercises]
        points = [one["points"] for one in exercises]
        total = None if None in points else sum(points, 0.0)
        self.note(record, total, given)
        row = {"student": student, "total": total, "points": points, "status": record["status"], "late": late}
        row |= {"by_hand": bool(given), "repairs": len(record.get("repairs", [])), "seconds": seconds}
        self.rows.append(row)
        known = {"title": self.title, "of": self.of, "name": self.called(student), "late": late}
        return self.page_of({**known, "total": total, "exercises": exercises}, record), total

    def page_of(self, known, record):
        """A student's page; whatever the record does to the one who reads it, there is one."""
        student = record["student"]
        try:
            page, found = look(feedback.seen, known, record)
        except CourseError as refused:
            self.look.append((student, f"What the notebook gave cannot be shown: {refused}."))
            note = "What your notebook gave cannot be shown here. Somebody looks at it by hand."
            return feedback.page_of(known, feedback.without_words(record, note))
        if student not in self.followers:  # of a group one is compared
            for key, shingles in found.items():
                self.likeness[key].add(student, shingles)
        return page

    def add_exercise(self, key, record, given, comments):
        """Takes in an exercise of a record. -> what the feedback page is to know of it"""
        results = self.exercises[key]
        exercise = record["exercises"].get(key, {"points": None, "properties": []})
        properties = exercise["properties"]
        points = given.get(key, exercise["points"])
        results.add(properties, points)
        told = dict(map(_told, reversed(properties)))
        for mistake in told.keys() - NO_MISTAKES:  # once for each student
            self.mistakes[key, mistake] += 1
            self.texts.setdefault((key, mistake), told[mistake])
        known = {"key": key, "title": results.title, "of": results.of, "points": points}
        known |= {"by_hand": key in given, "comment": comments.get(key)}
        return known | {"untouched": records.is_untouched(properties)}

    def note(self, record, total, given):
        """Notes why somebody has to look at a record, if so."""
        unpaid = total is None or record["status"] != records.GRADED and not given
        if why := records.why_look(record, unpaid):
            self.look.append((record["student"], why))

    def note_slow(self):
        """Notes whose submission took far longer than others."""
        self.look += records.far_slower({row["student"]: row["seconds"] for row in self.rows}).items()

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


def _told(prop):
    """A mistake as the class page has it: without what a student's process chose to say. -> key, text"""
    key = prop["key"]
    if not prop.get("reported") or key in ("not-reached", "not-implemented"):
        return key, prop["text"]
    return f"{key}, as their notebook says", "What it says of it is on the student's page."


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


# --- feedback for Moodle


def _pack_for_moodle(lesson, students, target):
    """The feedback pages as a zip that Moodle hands out, where collecting has seen Moodle's numbers.

    Moodle finds whose a file is by a name like those of the submissions that it packed:
    Name_NUMBER_assignsubmission_file_... (mod/assign/feedback/file/importziplib.php). -> its name, or None
    """
    known = [row["student"] for row in lesson.rows if row["student"] in students]
    numbers = {student: _participant(students[student], lesson.name) for student in known}
    numbers = {student: number for student, number in numbers.items() if number}
    path = target / f"feedback-moodle-{lesson.name}.zip"
    if not numbers:
        path.unlink(missing_ok=True)
        return None
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        for student, number in numbers.items():
            name = re.sub(r"[_/\\?]", " ", printable(lesson.called(student))[:100])
            page = lesson.course / "feedback" / student / lesson.name / f"{lesson.name}.html"
            packed.write(page, f"{name}_{number}_assignsubmission_file_{lesson.name}.html")
    return path.name


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

    Moodle compares what a row says of earlier changes with what it knows, and takes over comments: of a
    worksheet that was given, these stay, see `roster.with_grades`. -> text, "" for none
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
        rows.append([*who, "", grade, lesson.of, "Yes", clean.name(s.submitted.strip("-")), "", ""])
    heads = [head.strip() for head in WORKSHEET.split(",")]
    return _csv(heads, rows) if rows else ""


def _importer_of(name):
    """Where a table or a zip of feedback is to be uploaded, in words."""
    if name.endswith(".zip"):
        lesson = name.removeprefix("feedback-moodle-").removesuffix(".zip")
        return f"Moodle ({lesson}, Upload multiple feedback files in a zip)"
    lesson = name.removeprefix("grades-moodle-").removesuffix(".csv")
    return IMPORTERS.get(name) or f"Moodle ({lesson}, Upload grading worksheet)"


class Clean:
    """Keeps spreadsheets from running what a student chose, see `roster.safe_cell`.

    Names may be changed so, since importers go by ids. An id or address that needs it is noted in `odd`.
    """

    def __init__(self):
        self.odd = set()

    def name(self, text):
        """A name that is no formula."""
        return roster.safe_cell(text)

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
