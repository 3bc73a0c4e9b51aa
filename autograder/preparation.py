"""What of a submitted notebook runs, found before any of it does. Nothing here runs a student's code.

`prepare` is what the grader knows of a submission without running it: the notebook, repaired, and its steps.
It is called behind the boundary. The time is linear in the notebook's size.
"""

import ast
import functools
import re
from dataclasses import dataclass, replace

import nbformat

from .cell_names import MOST_SOURCE, imported_by, names_in
from .repair import repair

MOST_PARSED = 500_000  # of all cells of a notebook together: three seconds
MOST_SEARCHED = 1_000_000  # characters of a cell in which what may be borrowed is looked for
MOST_SOLUTION = 20_000  # characters of a solution that a record keeps


@dataclass(frozen=True)
class Prepared:
    """A submission that can be run."""

    notebook: str  # its text, nbformat 4.5
    steps: list  # of Step
    repairs: list  # what was mended, in sentences
    borrowed: list  # by what it may look into the course, which knows some answers
    solutions: dict  # {exercise: what was written there}


def prepare(data, name, release, withheld=()):
    """A submitted notebook's bytes, ready to be run. -> Prepared

    name: its file's, for messages; release: text of the released notebook; withheld: names of the course's
    functions that answer an exercise. Raises CourseError where it is no notebook of that lesson.
    """
    repaired = repair(data, name, nbformat.reads(release, as_version=4))
    notebook = repaired.notebook
    marks = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in notebook.cells]
    solutions = {mark["grade_id"]: source[:MOST_SOLUTION] for mark, source in marks if mark.get("solution")}
    steps, borrowed = steps_of(notebook, release), _borrowed(notebook, release, withheld)
    return Prepared(nbformat.writes(notebook, version=4), steps, repaired.notes, borrowed, solutions)


# --- what may be borrowed


@functools.cache
def _reaching(withheld):
    """What looks into code or objects that are not one's own, as a pattern. Words will do: it is a hint.

    What it finds is on the class page: none of it are the student's own words. Another process counts: in it
    nothing is withheld.
    """
    return re.compile(
        rf"""(?<![.\w]) (?:exec|eval|compile|__import__) (?=\s*\() | \b(?: __(?:globals|code|closure|builtins
            |loader|file|subclasses|dict)__ | v?fork(?=\s{{0,9}}\() | subprocess | multiprocessing | popen
            | posix_spawnp? | sys\s{{0,9}}[.]\s{{0,9}}modules | torch\s{{0,9}}[.]\s{{0,9}}jit | make_fx
            | marshal | getmembers | getsource(?:file|lines)? | _getframe | get_objects | get_referrers
            | FunctionType | CodeType | importlib | ctypes | spare_renderer | runpy | linecache | cloudpickle
            | dill | symbolic_trace | torch\s{{0,9}}[.]\s{{0,9}}(?:fx|export|compile|_dynamo)
            | run_(?:cell|line|cell_magic|line_magic) | from\s{{1,9}}sys\s{{1,9}}import
            | check\s{{0,9}}[.]\s{{0,9}}core
            | course_lib\s{{0,9}}[./]\s{{0,9}}check(?=\s{{0,9}}[./\s]\s{{0,9}}\w)
            | {"|".join(withheld) or "(?!)"} )\b""",
        re.VERBOSE,
    )


def _borrowed(notebook, release, withheld):
    """By what a student's own cells may look into the course, which knows some answers. -> list of text"""
    sources, found = _released(release).sources, set()
    for cell in notebook.cells:
        as_released = cell.source.replace("= True", "= False") in sources  # but for a switch: it is offered
        if cell.cell_type == "code" and cell.source not in sources and not as_released:
            looked_at = cell.source[:MOST_SEARCHED]
            found |= {" ".join(text.split()) for text in _reaching(withheld).findall(looked_at)}
            if len(cell.source) > MOST_SEARCHED:
                found.add(f"a cell of more than {MOST_SEARCHED:,} characters")
    return sorted(found)


# --- what is needed of it


@dataclass(frozen=True)
class Released:
    """What a released notebook's code is."""

    sources: frozenset  # of its code cells
    imported: frozenset  # names that these import
    asked: dict  # {exercise: names of the functions that are to be written}


@functools.lru_cache(maxsize=8)
def _released(release):
    """release: text of the released notebook -> Released"""
    cells = [cell for cell in nbformat.reads(release, as_version=4).cells if cell.cell_type == "code"]
    nodes = (node for cell in cells for node in ast.walk(ast.parse(cell.source)))
    marks = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in cells]
    written = {mark["grade_id"]: source for mark, source in marks if mark.get("solution")}
    asked = {name: set(re.findall(r"^def (\w+)", source, re.MULTILINE)) for name, source in written.items()}
    imported = frozenset().union(*map(imported_by, nodes))
    return Released(frozenset(cell.source for cell in cells), imported, asked)


@dataclass(frozen=True, eq=False)
class Step:
    """A code cell to run, or an exercise to take at its check: one of source and take is None."""

    cell: str | None  # its id
    source: str | None = None
    take: str | None = None
    exercise: str | None = None  # whose pictures it shows
    again: bool = True  # whether another process needs it too, which shows no pictures


def steps_of(notebook, release):
    """What of a repaired notebook is run, in its order. release: text of the released one -> list of Step

    Left out are the released cells that only show something: on which nothing depends that the student wrote.
    They take most of a notebook's time, and what they show is the same for everybody.
    """
    released = _released(release)
    kept, needed, needed_again, left = [], set(), set(), MOST_PARSED
    for step in reversed(_all_steps(notebook)):
        if step.take:
            needed |= released.asked[step.take]
            needed_again |= released.asked[step.take]
        else:
            read, bound, changed = names_in(step.source, released.imported, most=min(MOST_SOURCE, left))
            left -= len(step.source)
            given = bound | changed
            again = step.source not in released.sources or not needed_again.isdisjoint(given)
            if not again and step.exercise is None and needed.isdisjoint(given):
                continue
            # In place: of a copy for each cell, a long list of words would pay each time.
            for names in (needed, needed_again)[: 1 + again]:
                names -= bound
                names |= read
            step = replace(step, again=again)
        kept.append(step)
    return kept[::-1]


def _all_steps(notebook):
    """The code cells of a notebook as steps. -> list of Step"""
    steps, exercise = [], None
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        mark = cell.metadata.get("nbgrader", {})
        if mark.get("grade"):
            steps.append(Step(cell.get("id"), take=mark["grade_id"].removesuffix("-check")))
            exercise = None
        else:
            exercise = mark["grade_id"] if mark.get("solution") else exercise
            steps.append(Step(cell.get("id"), source=cell.source, exercise=exercise))
    return steps
