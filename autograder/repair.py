"""A submitted notebook against the released one: its cells are made the release's again, and what was wrong
is said.

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

import collections
import copy
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_lib.errors import CourseError

MOST_BYTES = 64 * 2**20  # of a notebook; outputs and pictures included
MOST_BRACKETS = 3_000_000  # [ and { in it: each becomes an object of 60 bytes or more when it is read
MOST_OWN = 2_000  # cells that a student may add
MOST_COPIES = 20  # of an exercise's cell that are kept
KINDS = ("code", "markdown", "raw")
DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)|^(\w+)[ \t]*=(?!=)", re.MULTILINE)
TO_DO = re.compile(r"^[ \t]*raise NotImplementedError", re.MULTILINE)


@dataclass
class Repaired:
    """notebook: nbformat 4.5, the release's cells with the student's work in them; notes: what was mended,
    for the student."""

    notebook: nbformat.NotebookNode
    notes: list = field(default_factory=list)


def repair(path, release):
    """Reads a submitted notebook and mends it. path: its file; release: the notebook as it was released ->
    Repaired

    Raises CourseError where nothing can be read, or where nothing in it is of this lesson.
    """
    document = read(Path(path))
    cells = cells_of(document)
    match = Matching(release.cells, cells)
    if cells and not match.of:
        raise CourseError(f"""{Path(path).name}: none of its {len(cells)} cells is of this lesson. Was another
            notebook handed in?""")
    return Repaired(put_together(release, match), notes_on(document, match))


# --- reading
# --------------------------------------------------------------------------------------------------


def read(path):
    """The JSON of a notebook's file. -> dict. Raises CourseError with what the file is instead."""
    name = path.name
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise CourseError(f"""{name}: cannot be opened
            ({"a link, not a file" if path.is_symlink() else error.strerror}).""") from None
    with (
        open(handle, "rb", closefd=True)
        if stat.S_ISREG(os.fstat(handle).st_mode)
        else not_a_file(handle, name) as file
    ):
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise CourseError(f"""{name}: more than {MOST_BYTES >> 20} MB, which is not read. Delete its outputs
            (Edit > Clear all outputs), save it, and hand it in again.""")
    return parse(data, name)


def not_a_file(handle, name):
    os.close(handle)
    raise CourseError(f"{name}: this is not a file.")


def parse(data, name):
    """bytes of a notebook -> dict. name: for messages"""
    if not data.strip(b"\0 \t\r\n"):
        raise CourseError(f"{name}: the file is empty.")
    if data.count(b"[") + data.count(b"{") > MOST_BRACKETS:
        raise CourseError(f"""{name}: holds far more than a notebook does. Delete its outputs, save it, and
            hand it in again.""")
    try:
        document = json.loads(decoded(data), parse_constant=lambda _: None)
    except RecursionError:
        raise CourseError(f"{name}: no notebook; it is nested too deep.") from None
    except ValueError as error:  # broken JSON, or a number of thousands of digits
        raise CourseError(f"{name}: {what_it_is(data, error)}") from None
    if not isinstance(document, dict) or not isinstance(
        document.get("cells", document.get("worksheets")), list
    ):
        raise CourseError(f"""{name}: no notebook: it has no list of cells. Hand in the .ipynb file that
            Jupyter or Colab saves.""")
    return document


def decoded(data):
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1" if encoding == "utf-8-sig" else encoding, "replace")


def what_it_is(data, error):
    """Why these bytes are no JSON, for the student."""
    start = data[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for begins, what in (
        (b"pk\x03\x04", "a zip"),
        (b"%pdf", "a PDF"),
        (b"<", "a web page"),
        (b"\x89png", "a picture"),
    ):
        if start.startswith(begins):
            return f"this is {what}, not a notebook. Hand in the .ipynb file (in Colab: File > Download > Download .ipynb)."
    if start.startswith(b"{"):
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        return f"the notebook is damaged{where}, most likely cut off when it was saved or uploaded. Hand it in again."
    return "this is text, not a notebook. Hand in the .ipynb file that Jupyter or Colab saves."


@dataclass
class Cell:
    """One submitted cell, whatever its notebook's format."""

    kind: str
    source: str
    grade_id: str | None
    id: str | None
    marks: dict  # of nbgrader
    stale: bool  # has outputs


def cells_of(document):
    """The cells of a notebook of any format; what is no cell is left out. -> list of Cell"""
    raw = document.get("cells")
    if not isinstance(raw, list):  # nbformat 2 and 3
        raw = [
            cell
            for sheet in document["worksheets"]
            if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
            for cell in sheet["cells"]
        ]
    cells = []
    for cell in raw:
        if not isinstance(cell, dict):
            continue
        metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
        marks = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
        kind, source = cell.get("cell_type"), text_of(cell.get("source", cell.get("input")))
        if kind == "heading":  # nbformat 3
            kind, source = "markdown", f"# {source}"
        if kind not in KINDS:
            kind = "code" if "outputs" in cell or "input" in cell else "raw"
        ids = [value for value in (cell.get("id"), metadata.get("id")) if isinstance(value, str)]
        grade_id = marks.get("grade_id")
        cells.append(
            Cell(
                kind,
                source,
                grade_id if isinstance(grade_id, str) else None,
                ids[0] if ids else None,
                marks,
                bool(cell.get("outputs")),
            )
        )
    return cells


def text_of(source):
    """A cell's source, as text that can be written: whatever it was, without lone surrogates, with \\n for
    ends of lines."""
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        source = "" if source is None or isinstance(source, (dict, bool)) else str(source)
    return source.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")


# --- which cell is which
# --------------------------------------------------------------------------------------


class Matching:
    """The release's cells among the submitted ones.

    of: {index in the release: index in the submission}. earlier: {index in the release: indices of copies
    that stay before it}. dropped: indices of submitted cells that say nothing new. found: {index in the
    release: by which means}
    """

    def __init__(self, release, cells):
        self.release, self.cells = release, cells
        self.marks = [cell.metadata.get("nbgrader", {}) for cell in release]
        self.asked = [
            set(re.findall(r"^def (\w+)", cell.source, re.MULTILINE)) if mark.get("solution") else set()
            for cell, mark in zip(release, self.marks)
        ]
        self.plain_release = [plain(cell.source) for cell in release]
        self.plain = [plain(cell.source) for cell in cells]
        self.of, self.found, self.taken = {}, {}, {}
        self.earlier, self.dropped, self.copied = collections.defaultdict(list), set(), set()
        self.written_in_checks = self.code_in_checks()
        self.by_key(
            "grade id",
            [mark.get("grade_id") for mark in self.marks],
            [None if i in self.written_in_checks else cell.grade_id for i, cell in enumerate(cells)],
        )
        self.by_key(
            "id",
            [cell.get("id") for cell in release],
            [None if i in self.written_in_checks else cell.id for i, cell in enumerate(cells)],
        )
        self.by_key("text", [key or None for key in self.plain_release], [key or None for key in self.plain])
        self.by_functions()
        self.by_place()
        self.drop_copies()

    def code_in_checks(self):
        """Submitted check cells in which an exercise was solved: that is the student's work, wherever it was
        written."""
        functions = set().union(*self.asked) if self.asked else set()
        checks = {mark["grade_id"] for mark in self.marks if mark.get("grade")}
        return {
            i
            for i, cell in enumerate(self.cells)
            if cell.grade_id in checks and defined(cell.source) & functions
        }

    def take(self, r, i, how):
        self.of[r], self.taken[i], self.found[r] = i, r, how

    def by_key(self, how, wanted, there):
        """Takes the cells that share a key with one of the release. None is no key."""
        places = collections.defaultdict(list)
        for i, key in enumerate(there):
            if key is not None and i not in self.taken and i not in self.dropped:
                places[key].append(i)
        queues = {}
        for r, key in enumerate(wanted):
            if r in self.of or key is None or key not in places:
                continue
            if how == "text":  # texts may come twice in the release, too
                queue = queues.setdefault(key, collections.deque(places[key]))
                if queue:
                    self.take(r, queue.popleft(), how)
                continue
            self.choose(r, places.pop(key), how)

    def choose(self, r, candidates, how):
        """Of several copies of one cell takes the one that counts."""
        best = candidates[0]
        if self.marks[r].get("solution"):
            best = max(candidates, key=lambda i: self.worth(r, i))
        else:
            best = next((i for i in candidates if self.plain[i] == self.plain_release[r]), best)
        self.take(r, best, how)
        for i in candidates:
            if i != best:
                self.copied.add(r)
                if self.marks[r].get("solution") and self.plain[i] not in (
                    "",
                    self.plain[best],
                    self.plain_release[r],
                ):
                    self.taken[i] = r
                    self.earlier[r].append(i)
                elif self.marks[r] or self.plain[i] == self.plain_release[r]:
                    self.dropped.add(i)
        self.earlier[r] = self.earlier[r][-MOST_COPIES:]

    def worth(self, r, i):
        """How much of exercise r is written in the submitted cell i; of equals the last before the check."""
        cell, check = self.cells[i], self.check_place(r)
        return (
            self.plain[i] not in ("", self.plain_release[r]),
            len(defined(cell.source) & self.asked[r]),
            -len(TO_DO.findall(cell.source)),
            cell.kind == "code",
            check is None or i < check,
            i,
        )

    def check_place(self, r):
        """Where the check of exercise r is in the submission, None where it is not."""
        if not hasattr(self, "_check_places"):
            self._check_places = {}
            for i, cell in enumerate(self.cells):
                self._check_places.setdefault(cell.grade_id, i)
        return self._check_places.get(f"{self.marks[r].get('grade_id')}-check")

    def by_functions(self):
        """Exercises whose cell lost its marks and ids: by the names that are defined in it."""
        missing = {name: r for r, names in enumerate(self.asked) if r not in self.of for name in names}
        candidates = collections.defaultdict(list)
        for i, cell in enumerate(self.cells if missing else ()):
            if i not in self.taken and i not in self.dropped:
                for r in {missing[name] for name in defined(cell.source) & missing.keys()}:
                    candidates[r].append(i)
        # A cell may define what another exercise asks.
        for r, places in sorted(candidates.items(), key=lambda item: len(item[1])):
            places = [i for i in places if i not in self.taken]
            if places:  # the others stay where they are: they may hold what this one uses
                self.take(r, max(places, key=lambda i: self.worth(r, i)), "functions")

    def by_place(self):
        """Cells that were edited beyond recognition, by the two neighbours between which they stand."""
        after = [None] * len(self.release)  # the place of the next cell that was found
        place = len(self.cells)
        for r in reversed(range(len(self.release))):
            after[r] = place
            place = self.of.get(r, place)
        before = -1
        for r, cell in enumerate(self.release):
            if r in self.of:
                before = self.of[r]
                continue
            gap = [
                i
                for i in range(before + 1, min(after[r], before + 51))
                if i not in self.taken and i not in self.dropped
            ]
            if self.marks[r].get("solution"):
                gap = [i for i in gap if self.cells[i].kind == "code"]
                if len(gap) == 1:
                    self.take(r, gap[0], "place")
            elif not self.marks[r]:
                like = next(
                    (
                        i
                        for i in gap
                        if self.cells[i].kind == cell.cell_type
                        and alike(self.plain[i], self.plain_release[r])
                    ),
                    None,
                )
                if like is not None:
                    self.take(r, like, "place")
            before = self.of.get(r, before)

    def drop_copies(self):
        """Copies that say nothing new of exercises and checks whose marks are lost."""
        texts = {self.plain_release[r]: r for r in range(len(self.release)) if self.marks[r]}
        for i, text in enumerate(self.plain):
            if i not in self.taken and i not in self.written_in_checks and text in texts:
                self.dropped.add(i)
                self.copied.add(texts[text])


def plain(source):
    """A text to compare by: without spaces at the ends of lines, and empty lines around it."""
    return "\n".join(line.rstrip() for line in source.split("\n")).strip("\n")


def defined(source):
    return {name for pair in DEFINED.findall(source) for name in pair if name}


def alike(a, b):
    """Whether one text is the other, edited: half of the words that either has are in both."""
    a, b = (set(re.findall(r"\w+", text[:20_000])) for text in (a, b))
    return len(a & b) >= 0.5 * max(1, len(a | b))


# --- the mended notebook
# --------------------------------------------------------------------------------------


def put_together(release, match):
    """The release's cells in its order, with what the student wrote in and between them. -> nbformat
    notebook"""
    behind, anchor, count = collections.defaultdict(list), -1, 0
    for i in range(len(match.cells)):
        if i in match.taken:
            anchor = match.taken[i]
        elif i not in match.dropped and match.cells[i].source.strip() and count < MOST_OWN:
            behind[anchor].append(i)
            count += 1
    ids = {cell.get("id") for cell in release.cells}
    numbers = (f"own-{n}" for n in range(1, 10**9))

    def own(places):
        for i in places:
            make = getattr(nbformat.v4, f"new_{match.cells[i].kind}_cell")
            yield make(match.cells[i].source, id=next(name for name in numbers if name not in ids))

    cells = [*own(behind[-1])]
    for r, cell in enumerate(release.cells):
        cells += own(match.earlier[r])
        cells.append(filled(cell, match.cells[match.of[r]] if r in match.of else None, match.marks[r]))
        cells += own(behind[r])
    return nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(release.metadata))


def filled(cell, submitted, marks):
    """A cell of the release with the student's text in it; a check stays as it is."""
    cell = copy.deepcopy(cell)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if (
        submitted is not None
        and not marks.get("grade")
        and (marks.get("solution") or submitted.kind == cell.cell_type)
    ):
        cell.source = submitted.source
    return cell


# --- what to tell the student
# ---------------------------------------------------------------------------------


def notes_on(document, match):
    """What was mended, in sentences. -> list of texts"""
    names = [mark.get("grade_id", "").removesuffix("-check") for mark in match.marks]
    exercises = [r for r, mark in enumerate(match.marks) if mark.get("solution")]
    checks = [r for r, mark in enumerate(match.marks) if mark.get("grade")]
    given = [r for r, mark in enumerate(match.marks) if not mark]

    def those(places):
        return ", ".join(f"`{names[r]}`" for r in places)

    notes = []

    def note(places, one, many=None):
        if places:
            notes.append(
                (one if len(places) == 1 or many is None else many).format(those(places), len(places))
            )

    submitted = {r: match.cells[i] for r, i in match.of.items()}
    lost = [r for r in exercises + checks if r in submitted and match.found[r] != "grade id"]
    note(
        [r for r in lost if r in exercises],
        "The cell of exercise {0} had lost its marks and was recognised by what is in it.",
        "The cells of the exercises {0} had lost their marks and were recognised by what is in them.",
    )
    note(
        [r for r in lost if r in checks],
        "The test cell of {0} had lost its marks; it was given them again.",
        "The test cells of {0} had lost their marks; they were given them again.",
    )
    note(
        [r for r in exercises if r not in submitted],
        "The cell of exercise {0} was missing; it was put back, unsolved.",
        "The cells of the exercises {0} were missing; they were put back, unsolved.",
    )
    solved_there = sorted(
        {
            names[r]
            for r in checks
            for i in match.written_in_checks
            if match.cells[i].grade_id == match.marks[r]["grade_id"]
        }
    )
    if solved_there:
        notes.append(
            f"What you wrote into the test cell of {', '.join(f'`{name}`' for name in solved_there)} "
            "was moved into a cell before it."
        )
    note(
        [r for r in checks if r not in submitted and names[r] not in solved_there],
        "The test cell of {0} was missing; it was put back.",
        "The test cells of {0} were missing; they were put back.",
    )
    note(
        [r for r in exercises if r in match.copied],
        "There were several cells of exercise {0}. The one counts in which most is written, of equals the last before "
        "the test; keep one only.",
    )
    note(
        [r for r in checks if r in match.copied],
        "The test cell of {0} was there several times; it counts once.",
    )
    note(
        [r for r in checks if r in submitted and plain(submitted[r].source) != match.plain_release[r]],
        "The test cell of {0} had been edited; the original was used.",
        "The test cells of {0} had been edited; the originals were used.",
    )
    note(
        [
            r
            for r in checks
            if r in submitted
            and match.found[r] == "grade id"
            and any(
                submitted[r].marks.get(key) != match.marks[r].get(key)
                for key in ("points", "grade", "solution", "locked")
            )
        ],
        "The points or marks of the test cell of {0} had been changed; the original ones count.",
    )
    note(
        [r for r in exercises + checks if r in submitted and submitted[r].kind != "code"],
        "The cell of {0} had been turned into text; it was made code again.",
        "The cells of {0} had been turned into text; they were made code again.",
    )
    absent = [r for r in given if r not in submitted]
    changed = [
        r
        for r in given
        if r in submitted
        and match.release[r].cell_type == "code"
        and (submitted[r].kind != "code" or plain(submitted[r].source) != match.plain_release[r])
    ]
    note(
        absent,
        "A cell that was given had been deleted; it was put back.",
        "{1} cells that were given had been deleted; they were put back.",
    )
    note(
        changed,
        "You changed a cell that was given; yours was run.",
        "You changed {1} cells that were given; yours were run.",
    )
    places = [match.of[r] for r in sorted(match.of)]
    if any(a > b for a, b in zip(places, places[1:])):
        notes.append("Cells had been moved; they were put into the lesson's order again.")
    own = sum(
        i not in match.taken and i not in match.dropped and bool(cell.source.strip())
        for i, cell in enumerate(match.cells)
    )
    if own > MOST_OWN:
        notes.append(f"Of your {own:,} own cells the first {MOST_OWN:,} were kept.")
    if not match.cells:
        notes.append("The notebook that you handed in has no cells.")
    notes += notes_on_format(document)
    if any(cell.stale for cell in match.cells):
        notes.append("Old outputs were removed; the notebook was run again from the top.")
    return notes


def notes_on_format(document):
    notes = []
    if document.get("nbformat") != 4:
        notes.append("The notebook was saved in an old format; it was brought up to date.")
    metadata = document.get("metadata") if isinstance(document.get("metadata"), dict) else {}
    kernel = metadata.get("kernelspec") if isinstance(metadata.get("kernelspec"), dict) else {}
    if (
        str(kernel.get("name", "python3"))[:40] != "python3"
        or str(kernel.get("language", "python")).lower()[:40] != "python"
    ):
        notes.append("The notebook named another kernel than Python 3; it was run with Python 3.")
    return notes
