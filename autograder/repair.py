"""A submitted notebook against the released one: its cells are made the release's, what was wrong is said.

What Colab, JupyterLab and students do by accident: metadata lost in part or whole, cells copied, moved,
deleted, turned into text, test cells edited, notebooks of old formats or of another kernel. Every cell of the
release is looked for, in this order:

1. by its grade id;  2. by its id (Colab keeps it in the metadata);  3. by its text;
4. an exercise by the functions that it defines;  5. by its place between two neighbours that were found.

What is not found is put back as it was released. Check cells are always the released ones. Where an
exercise's cell is there twice, the one counts in which most is written, of equals the last before the check;
the others stay before it. Whatever else the student wrote stays behind the cell that it stood behind.

The notebook is untrusted: nothing of it is taken over but text and the type of its cells. The time is linear
in its size.
"""

import codecs
import collections
import copy
import itertools
import json
import re
from dataclasses import dataclass, field

import nbformat

from course_lib.errors import CourseError, fold
from course_lib.file_kind import CONFLICT, Kind, has_conflict, kind_of

MOST_BYTES = 64 * 2**20  # of a notebook; outputs and pictures included
MOST_BRACKETS = 3_000_000  # [ and { in it: each becomes an object of 60 bytes or more when it is read
MOST_OWN = 2_000  # cells that a student may add
MOST_COPIES = 20  # of an exercise's cell that are kept
KINDS = ("code", "markdown", "raw")
DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)|^(\w+)[ \t]*=(?!=)", re.MULTILINE)
CONFLICTING = fold("""holds marks of a git merge conflict; resolve it, hand it in again: of what stands
        between <<<<<<<, ======= and >>>>>>> keep what is right, and delete these lines.""")
TO_DO = re.compile(r"^[ \t]*raise NotImplementedError", re.MULTILINE)


@dataclass
class Repaired:
    """A mended notebook."""

    notebook: nbformat.NotebookNode  # nbformat 4.5, the release's cells with the student's work in them
    notes: list = field(default_factory=list)  # what was mended, for the student


def repair(data, name, release):
    """Reads a submitted notebook and mends it. -> Repaired

    data: its bytes; name: its file's, for messages; release: the notebook as it was released. Raises
    CourseError where nothing can be read, or where nothing in it is of this lesson.
    """
    document = _read(data, name)
    cells = _cells_of(document)
    match = Matching(release.cells, cells)
    if cells and not match.of:
        raise CourseError(f"""{name}: none of its {len(cells)} cells is of this lesson. Was another
            notebook handed in?""")
    return Repaired(_put_together(release, match), _notes_on(document, match))


# --- reading


def unreadable(data):
    """Why grading cannot read a notebook's bytes, in words; "" where it can."""
    try:
        _read(data, "")
    except CourseError as error:
        return str(error).removeprefix(": ")
    return ""


def _read(data, name):
    """The JSON of a notebook's bytes, as a dict. Raises CourseError with what the bytes are instead."""
    if not data.strip(b"\0 \t\r\n"):
        zeros = ", zeros alone" if b"\0" in data else ""
        raise CourseError(f"""{name}: the file is empty{zeros}. Open the notebook, save it, see that it has a
            size, and hand it in again.""")
    if data.count(b"[") + data.count(b"{") > MOST_BRACKETS:
        raise CourseError(f"""{name}: holds far more than a notebook does. Delete its outputs, save it, and
            hand it in again.""")
    try:
        text = decoded(data, "latin-1")
        document = json.loads(text, parse_constant=lambda _: None, parse_int=_whole_number)
    except RecursionError:
        raise CourseError(f"{name}: no notebook; it is nested too deep.") from None
    except ValueError as error:  # broken JSON, or a number of thousands of digits
        raise CourseError(f"{name}: {_what_it_is(data, error)}") from None
    cells = document.get("cells", document.get("worksheets")) if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise CourseError(f"{name}: {_what_it_is(data)}")
    return document


def _whole_number(digits):
    """A whole number of JSON; one of so many digits that Python refuses it is none of a notebook's."""
    return int(digits) if len(digits) < 100 else None


def decoded(data, otherwise):
    """Bytes as text: UTF-8 or UTF-16, each with or without BOM, else in the code page `otherwise`."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    halves = [data[first:400:2] for first in (1, 0)]  # of Latin letters one half of UTF-16 is zeros
    for half, form in zip(halves, ("utf-16-le", "utf-16-be")):
        if half.count(0) > len(half) / 2 and not all(zeros.count(0) > len(zeros) / 2 for zeros in halves):
            return data.decode(form, "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(otherwise, "replace")


def _what_it_is(data, error=None):
    """What these bytes are instead of a notebook, for the student. error: why they are no JSON"""
    kind = kind_of(data)
    if kind is CONFLICT:
        return f"the notebook {CONFLICTING}"
    if kind is not None and kind.name in ("a notebook", "JSON"):
        if error is None:
            return fold("""no notebook: it has no list of cells. Hand in the .ipynb file that Jupyter or Colab
                saves.""")
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        return fold(f"""the notebook is damaged{where}, most likely cut off when it was saved or uploaded.
            Hand it in again.""")
    kind = kind or Kind("of an unknown kind")
    advice = f": {kind.advice}" if kind.advice else ""
    return fold(f"""this is {kind.name}, not a notebook{advice}. Hand in the .ipynb file (in Colab: File >
        Download > Download .ipynb).""")


@dataclass
class Cell:
    """One submitted cell, whatever its notebook's format."""

    kind: str
    source: str
    grade_id: str | None
    id: str | None
    marks: dict  # of nbgrader
    stale: bool  # has outputs


def _cells_of(document):
    """The cells of a notebook of any format; what is no cell is left out. -> list of Cell"""
    raw = document.get("cells")
    if not isinstance(raw, list):  # nbformat 2 and 3
        sheets = [_dict(sheet).get("cells") for sheet in document["worksheets"]]
        raw = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    return [_cell(cell) for cell in raw if isinstance(cell, dict)]


def _cell(cell):
    metadata = _dict(cell.get("metadata"))
    marks = _dict(metadata.get("nbgrader"))
    kind, source = cell.get("cell_type"), _text_of(cell.get("source", cell.get("input")))
    if kind == "heading":  # nbformat 3
        kind, source = "markdown", f"# {source}"
    if kind not in KINDS:
        kind = "code" if "outputs" in cell or "input" in cell else "raw"
    ids = [value for value in (cell.get("id"), metadata.get("id")) if isinstance(value, str)]
    grade_id = marks.get("grade_id")
    grade_id = grade_id if isinstance(grade_id, str) else None
    return Cell(kind, source, grade_id, ids[0] if ids else None, marks, bool(cell.get("outputs")))


def _dict(value):
    return value if isinstance(value, dict) else {}


def _text_of(source):
    """A cell's source, whatever it was, as text that can be written: without lone surrogates and \\r."""
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        source = "" if source is None or isinstance(source, (dict, bool)) else str(source)
    return source.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")


# --- which cell is which


class Matching:
    """The release's cells among the submitted ones. r is a place in the release, i one in the submission.

    of: {r: i}. taken: {i: r}. by_grade_id: the r that were found by it. earlier: {r: places of copies that
    stay before it}. dropped: places of submitted cells that say nothing new. copied: the r that came several
    times. written_in_checks: places of check cells in which an exercise was solved.
    """

    def __init__(self, release, cells):
        self.release, self.cells = release, cells
        self.marks = [cell.metadata.get("nbgrader", {}) for cell in release]
        self.asked = [set()] * len(release)  # of each exercise the functions that are to be written
        for r, cell in enumerate(release):
            if self.is_exercise(r):
                self.asked[r] = set(re.findall(r"^def (\w+)", cell.source, re.MULTILINE))
        self.plain_release = [plain(cell.source) for cell in release]
        self.plain = [plain(cell.source) for cell in cells]
        self.of, self.taken = {}, {}
        self.earlier, self.dropped, self.copied = collections.defaultdict(list), set(), set()
        # That is the student's work, wherever it was written.
        functions = set().union(*self.asked)
        checks = {mark["grade_id"] for mark in self.marks if mark.get("grade")}
        in_checks = (i for i, cell in enumerate(cells) if cell.grade_id in checks)
        self.written_in_checks = {i for i in in_checks if defined(cells[i].source) & functions}
        self.place_of_grade_id = {}
        for i, cell in enumerate(cells):
            self.place_of_grade_id.setdefault(cell.grade_id, i)
        others = [None if i in self.written_in_checks else cell for i, cell in enumerate(cells)]
        grade_ids = [mark.get("grade_id") for mark in self.marks]
        self.by_key(grade_ids, [cell and cell.grade_id for cell in others])
        self.by_grade_id = set(self.of)
        self.by_key([cell.get("id") for cell in release], [cell and cell.id for cell in others])
        self.by_text()
        self.by_functions()
        self.by_place()
        self.drop_copies()

    def is_exercise(self, r):
        return self.marks[r].get("solution")

    def is_free(self, i):
        return i not in self.taken and i not in self.dropped

    def take(self, r, i):
        self.of[r], self.taken[i] = i, r

    def places(self, keys):
        """Where each key is among the submitted cells that are free. None and "" are no keys."""
        places = collections.defaultdict(collections.deque)
        for i, key in enumerate(keys):
            if key and self.is_free(i):
                places[key].append(i)
        return places

    def by_key(self, wanted, there):
        """Takes the cells that share a key with one of the release."""
        places = self.places(there)
        for r, key in enumerate(wanted):
            if r not in self.of and key in places:
                self.choose(r, places.pop(key))

    def by_text(self):
        """Takes the cells of the same text, one after another: texts may come twice in the release, too."""
        places = self.places(self.plain)
        for r, key in enumerate(self.plain_release):
            if r not in self.of and places.get(key):
                self.take(r, places[key].popleft())

    def choose(self, r, candidates):
        """Of several copies of one cell takes the one that counts."""
        released = self.plain_release[r]
        if self.is_exercise(r):
            best = max(candidates, key=lambda i: self.worth(r, i))
        else:
            best = next((i for i in candidates if self.plain[i] == released), candidates[0])
        self.take(r, best)
        nothing_new = ("", self.plain[best], released)
        for i in candidates:
            if i == best:
                continue
            self.copied.add(r)
            if self.is_exercise(r) and self.plain[i] not in nothing_new:
                self.taken[i] = r
                self.earlier[r].append(i)
            elif self.marks[r] or self.plain[i] == released:
                self.dropped.add(i)
        self.earlier[r] = self.earlier[r][-MOST_COPIES:]

    def worth(self, r, i):
        """How much of exercise r is written in the submitted cell i; of equals the last before the check."""
        cell, check = self.cells[i], self.place_of_grade_id.get(f"{self.marks[r].get('grade_id')}-check")
        return (
            self.plain[i] not in ("", self.plain_release[r]),
            len(defined(cell.source) & self.asked[r]),
            -len(TO_DO.findall(cell.source)),
            cell.kind == "code",
            check is None or i < check,
            i,
        )

    def by_functions(self):
        """Exercises whose cell lost its marks and ids: by the names that are defined in it."""
        missing = {name: r for r, names in enumerate(self.asked) if r not in self.of for name in names}
        candidates = collections.defaultdict(list)
        for i, cell in enumerate(self.cells if missing else ()):
            if self.is_free(i):
                for r in {missing[name] for name in defined(cell.source) & missing.keys()}:
                    candidates[r].append(i)
        # A cell may define what another exercise asks.
        for r, places in sorted(candidates.items(), key=lambda item: len(item[1])):
            places = [i for i in places if i not in self.taken]
            if places:  # the others stay where they are: they may hold what this one uses
                self.take(r, max(places, key=lambda i: self.worth(r, i)))

    def by_place(self):
        """Cells that were edited beyond recognition, by the two neighbours between which they stand."""
        after = [len(self.cells)] * len(self.release)  # the place of the next cell that was found
        for r in reversed(range(len(self.release) - 1)):
            after[r] = self.of.get(r + 1, after[r + 1])
        before = -1
        for r in range(len(self.release)):
            if r not in self.of:
                gap = [i for i in range(before + 1, min(after[r], before + 51)) if self.is_free(i)]
                place = self.among(gap, r)
                if place is not None:
                    self.take(r, place)
            before = self.of.get(r, before)

    def among(self, gap, r):
        """Which of the submitted cells at some places is cell r of the release. -> a place or None"""
        if self.is_exercise(r):
            code = [i for i in gap if self.cells[i].kind == "code"]
            return code[0] if len(code) == 1 else None
        if self.marks[r]:
            return None
        same_kind = (i for i in gap if self.cells[i].kind == self.release[r].cell_type)
        return next((i for i in same_kind if _alike(self.plain[i], self.plain_release[r])), None)

    def drop_copies(self):
        """Copies that say nothing new of exercises and checks whose marks are lost."""
        texts = {text: r for r, text in enumerate(self.plain_release) if self.marks[r]}
        for i, text in enumerate(self.plain):
            if i not in self.taken and i not in self.written_in_checks and text in texts:
                self.dropped.add(i)
                self.copied.add(texts[text])


def plain(source):
    """A text to compare by: without spaces at the ends of lines, and empty lines around it."""
    return "\n".join(line.rstrip() for line in source.split("\n")).strip("\n")


def defined(source):
    """The names of functions, and of what stands at the left of a line, that a cell defines. -> set"""
    return {name for pair in DEFINED.findall(source) for name in pair if name}


def _alike(a, b):
    """Whether one text is the other, edited: half of the words that either has are in both."""
    a, b = (set(re.findall(r"\w+", text[:20_000])) for text in (a, b))
    return len(a & b) >= 0.5 * max(1, len(a | b))


# --- the mended notebook


def _put_together(release, match):
    """The release's cells in its order, with what the student wrote in and between them."""
    behind, anchor, count = collections.defaultdict(list), -1, 0
    for i, cell in enumerate(match.cells):
        if i in match.taken:
            anchor = match.taken[i]
        elif i not in match.dropped and cell.source.strip() and count < MOST_OWN:
            behind[anchor].append(i)
            count += 1
    ids = {cell.get("id") for cell in release.cells}
    names = (name for n in itertools.count(1) if (name := f"own-{n}") not in ids)

    def own(places):
        for i in places:
            make = getattr(nbformat.v4, f"new_{match.cells[i].kind}_cell")
            yield make(match.cells[i].source, id=next(names))

    cells = [*own(behind[-1])]
    for r, cell in enumerate(release.cells):
        cells += own(match.earlier[r])
        cells.append(_filled(cell, match.cells[match.of[r]] if r in match.of else None, match.marks[r]))
        cells += own(behind[r])
    return nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(release.metadata))


def _filled(cell, submitted, marks):
    """A cell of the release with the student's text in it; a check stays as it is."""
    cell = copy.deepcopy(cell)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if submitted is None or marks.get("grade"):
        return cell
    if marks.get("solution") or submitted.kind == cell.cell_type:
        cell.source = submitted.source
    return cell


# --- what to tell the student

# What was mended, with [of one cell|of several]. {}: names of exercises, {count}: number of cells
NOTES = {
    "lost exercises": """The cell[|s] of [|the ]exercise[|s] {} had lost [its|their] marks and [was|were]
        recognised by what is in [it|them].""",
    "lost checks": "The test cell[|s] of {} had lost [its|their] marks; [it was|they were] given them again.",
    "no exercises": """The cell[|s] of [|the ]exercise[|s] {} [was|were] missing; [it was|they were] put back,
        unsolved.""",
    "solved in checks": "What you wrote into the test cell of {} was moved into a cell before it.",
    "no checks": "The test cell[|s] of {} [was|were] missing; [it was|they were] put back.",
    "copied exercises": """There were several cells of exercise {}. The one counts in which most is written,
        of equals the last before the test; keep one only.""",
    "copied checks": "The test cell of {} was there several times; it counts once.",
    "edited checks": "The test cell[|s] of {} had been edited; the [original was|originals were] used.",
    "new points": "The points or marks of the test cell of {} had been changed; the original ones count.",
    "text": "The cell[|s] of {} had been turned into text; [it was|they were] made code again.",
    "absent": """[A cell that was|{count} cells that were] given had been deleted; [it was|they were] put
        back.""",
    "changed": "You changed [a cell that was|{count} cells that were] given; yours [was|were] run.",
}


def _mended(match):
    """What was mended. -> {key of NOTES: places in the release}"""
    submitted = {r: match.cells[i] for r, i in match.of.items()}
    exercises = [r for r in range(len(match.marks)) if match.is_exercise(r)]
    checks = [r for r, mark in enumerate(match.marks) if mark.get("grade")]
    given = [r for r, mark in enumerate(match.marks) if not mark]
    lost = submitted.keys() - match.by_grade_id
    as_text = {r for r, cell in submitted.items() if cell.kind != "code"}
    edited = {r for r, cell in submitted.items() if plain(cell.source) != match.plain_release[r]}
    code = {r for r in submitted if match.release[r].cell_type == "code"}
    solved = {match.cells[i].grade_id for i in match.written_in_checks}
    solved_there = [r for r in checks if match.marks[r]["grade_id"] in solved]

    def has_other_marks(r):
        keys = ("points", "grade", "solution", "locked")
        return any(submitted[r].marks.get(key) != match.marks[r].get(key) for key in keys)

    return {
        "lost exercises": [r for r in exercises if r in lost],
        "lost checks": [r for r in checks if r in lost],
        "no exercises": [r for r in exercises if r not in submitted],
        "solved in checks": sorted(solved_there, key=lambda r: match.marks[r]["grade_id"]),
        "no checks": [r for r in checks if r not in submitted and r not in solved_there],
        "copied exercises": [r for r in exercises if r in match.copied],
        "copied checks": [r for r in checks if r in match.copied],
        "edited checks": [r for r in checks if r in edited],
        "new points": [r for r in checks if r in submitted and r not in lost and has_other_marks(r)],
        "text": [r for r in exercises + checks if r in as_text],
        "absent": [r for r in given if r not in submitted],
        "changed": [r for r in given if r in code & (as_text | edited)],
    }


def _notes_on(document, match):
    """What was mended, in sentences. -> list of texts"""
    names = [mark.get("grade_id", "").removesuffix("-check") for mark in match.marks]
    notes = []
    for what, places in _mended(match).items():
        if places:
            one_or_several = r"\1" if len(places) == 1 else r"\2"
            note = re.sub(r"\[(.*?)\|(.*?)\]", one_or_several, fold(NOTES[what]))
            notes.append(note.format(", ".join(f"`{names[r]}`" for r in places), count=len(places)))
    places = [match.of[r] for r in sorted(match.of)]
    if places != sorted(places):
        notes.append("Cells had been moved; they were put into the lesson's order again.")
    own = sum(match.is_free(i) and bool(cell.source.strip()) for i, cell in enumerate(match.cells))
    if own > MOST_OWN:
        notes.append(f"Of your {own:,} own cells the first {MOST_OWN:,} were kept.")
    if any(has_conflict(cell.source.encode()) for cell in match.cells):
        notes.append(f"A cell {CONFLICTING}")
    if not match.cells:
        notes.append("The notebook that you handed in has no cells.")
    if document.get("nbformat") != 4:
        notes.append("The notebook was saved in an old format; it was brought up to date.")
    kernel = _dict(_dict(document.get("metadata")).get("kernelspec"))
    name, language = str(kernel.get("name", "python3")), str(kernel.get("language", "python"))
    if name[:40] != "python3" or language.lower()[:40] != "python":
        notes.append("The notebook named another kernel than Python 3; it was run with Python 3.")
    if any(cell.stale for cell in match.cells):
        notes.append("Old outputs were removed; the notebook was run again from the top.")
    return notes
