"""What students get of some lessons, as a folder or a zip; and the instructor's nbgrader course folder of the
same lessons.

    dolphins release --lessons 1-3 --out dolphins-in-3d-lessons-1-3.zip        or a folder
    dolphins release --lessons 1-3 --course COURSE                             source/, release/, nbgrader_config.py

A release holds the lessons' notebooks, `course_lib`, the dolphin with its clip and finished fits, and of
`solutions` what these notebooks use of EARLIER lessons: earlier than the first one released. Nothing else:
not the other functions of those modules, nor the tests, the judge, or the command line. MANIFEST.json names
the lessons, the version, and the SHA-256 of every file. The same course gives the same bytes.

**Lessons released together.** Lesson 3 builds on exercise 2. Released alone it gets the reference's
`batch_rodrigues`. Released with lesson 2 it must not: that is what students are to write. The notebooks are
the same either way, `from solutions.rotations from lessons.bundle import GIVEN from lessons.bundle import
MANIFEST from lessons.bundle import NAME from lessons.bundle import SETTINGS from lessons.bundle import below
from lessons.bundle import manifest from lessons.bundle import write_folder from lessons.bundle import
write_zip import batch_rodrigues`; what differs is the module. In its place stands one whose names are
answered by `course_lib.stand_ins.yours`:

1. by the function that the student kept in lesson 2 (`keep(batch_rodrigues)`) if its check gave all points
   then, with a line that says so: USE_MY_WORK is on without being set;
2. until then, by a function that the course gives anyway and that does for other lessons (SPARES), and a line
   says so: `batch_rodrigues` by the `rotvec_to_rotmat` with which the template bends from the start. So
   nobody who is stuck in lesson 2 is shut out of lesson 3;
3. where there is none (`render`), by the one that was kept, whatever its points, and else by an error of one
   line that names the exercise to solve first.

Hiding solutions by compiling or encoding them was no choice: whoever can run them can hand them in.

**What cannot be released together** is refused: lesson 4 takes apart its renderer (`rasterize_features`, the
recipes), and these are pieces of exercise 4 that no student's function can stand in for. So 1-3, then 4-5.

`files(lessons)` is also what a sandbox needs in which submissions of one lesson are run: `files([3])`.
"""

import ast
import functools
import json
import re
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.files import write
from lessons import build
from lessons.build import ROOT
from lessons.bundle import GIVEN, MANIFEST, NAME, SETTINGS, below, manifest, write_folder, write_zip

CONFIG = "nbgrader_config.py"

# Functions of the course that other lessons can do with, where the exercise's own is still to be written.
SPARES = {
    "batch_rodrigues": "course_lib.dolphin_model.rotvec_to_rotmat",
    "continuous_rotvecs": "course_lib.rotations.rotmat_to_rotvec",  # right rotations; the vectors jump
}


# --- which lessons
# --------------------------------------------------------------------------------------------


@functools.cache
def lessons():
    """-> {number: path of the lesson's source}"""
    return {int(path.name[:2]): path for path in sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))}


def numbers(text):
    """ "1-3", "2,4-5" or "all" -> sorted list of lesson numbers. Raises CourseError."""
    if text.strip().lower() == "all":
        return sorted(lessons())
    chosen = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not found:
            raise CourseError(f"--lessons {text!r} names no lessons. Write for example 2, 1-3, or 1,4-5.")
        chosen |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
    unknown = sorted(chosen - set(lessons()))
    if unknown or not chosen:
        raise CourseError(f"""--lessons {text!r}: there are lessons {span(lessons())}, not
            {span(unknown) or "none"}.""")
    return sorted(chosen)


def span(chosen):
    """[1, 2, 3, 5] -> "1-3, 5" """
    runs = []
    for n in sorted(chosen):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def title(chosen):
    return f"lesson{'s' if len(chosen) > 1 else ''} {span(chosen)}"


# --- what the reference consists of
# ---------------------------------------------------------------------------


class Reference:
    """The modules of `solutions`, definition by definition: whose solution each is, and what it uses."""

    def __init__(self, folder=ROOT / "solutions"):
        self.defined, self.imports = (
            {},
            {},
        )  # module -> {name: source}, {name: (import statement, sibling or None)}
        for path in sorted(folder.glob("[!_]*.py")):
            text = path.read_text(encoding="utf-8")
            defined, imports = self.defined.setdefault(path.stem, {}), self.imports.setdefault(path.stem, {})
            for node in ast.parse(text).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    defined[node.name] = ast.get_source_segment(text, node)
                elif isinstance(node, ast.Assign):
                    defined[node.targets[0].id] = ast.get_source_segment(text, node)
                elif isinstance(node, (ast.Import, ast.ImportFrom)):
                    for alias in node.names:
                        one = (
                            ast.Import([alias])
                            if isinstance(node, ast.Import)
                            else ast.ImportFrom(node.module, [alias], node.level)
                        )
                        sibling = node.module if isinstance(node, ast.ImportFrom) and node.level else None
                        imports[alias.asname or alias.name.split(".")[0]] = ast.unparse(one), sibling
        self.exercises = {}  # name of a function -> (lesson, exercise's number, module)
        for lesson, path in lessons().items():
            for name in re.findall(r'^# %% exercise="(\w+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
                exercise = build.exercise_of(name, path)
                for function in exercise.functions:
                    module = next(module for module, there in self.defined.items() if function in there)
                    self.exercises[function] = lesson, exercise.number, module
        self.owners = {}  # (module, name) -> the first lesson of whose solutions it is a part
        for function, (lesson, _, module) in sorted(self.exercises.items(), key=lambda item: item[1]):
            for name in self.closure(module, function):
                self.owners.setdefault((module, name), lesson)

    def uses(self, module, name):
        """The names of its module that a definition reads. -> (own definitions, imported names)"""
        found = {
            node.id for node in ast.walk(ast.parse(self.defined[module][name])) if isinstance(node, ast.Name)
        }
        return found & set(self.defined[module]), found & set(self.imports[module])

    def closure(self, module, name):
        found, queue = {name}, [name]
        while queue:
            new = self.uses(module, queue.pop())[0] - found
            found |= new
            queue += new
        return found


@functools.cache
def reference():
    return Reference()


def imported(lesson):
    """What the student's notebook of a lesson takes from `solutions`. -> set of (module, name)"""
    found = set()
    for cell in student_notebook(lesson).cells:
        if cell.cell_type == "code" and "solutions" in cell.source:
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("solutions."):
                    found |= {(node.module.split(".")[1], alias.name) for alias in node.names}
    return found


@functools.cache
def student_notebook(lesson):
    return build.build(lessons()[lesson], solved=False)


def solutions_for(chosen):
    """The package `solutions` of a release: what its lessons use of the lessons before them, and stand-ins.
    -> {path: text}

    Raises CourseError where the lessons cannot be released together.
    """
    known, first = reference(), min(chosen)
    kept, queue, seen = {module: set() for module in known.defined}, [], set()
    for lesson in chosen:
        queue += [(module, name, lesson) for module, name in sorted(imported(lesson))]
    while queue:
        module, name, lesson = queue.pop(0)
        if (module, name) in seen:
            continue
        seen.add((module, name))
        owner = known.owners.get((module, name))
        if owner is not None and owner >= first:  # asked for in this release, or later
            if name not in known.exercises or (owner > lesson and name not in SPARES):
                raise CourseError(f"""Lessons {span(chosen)} cannot be released together: lesson {lesson} uses
                    `{name}` of solutions/{module}.py, a piece of the solution of lesson {owner}, and nothing
                    that students write can stand in for it. Release up to lesson {lesson - 1} first, then
                    from lesson {lesson} on.""")
            continue
        kept[module].add(name)
        own, foreign = known.uses(module, name)
        queue += [(module, other, lesson) for other in sorted(own)]
        queue += [
            (known.imports[module][other][1], other, lesson)
            for other in sorted(foreign)
            if known.imports[module][other][1]
        ]
    texts = {f"solutions/{module}.py": module_text(module, kept[module], chosen) for module in known.defined}
    texts["solutions/__init__.py"] = (
        f'"""For {title(chosen)}: what is used of the solutions of lessons before, and in place of those that are\n'
        'still to be written, what you keep of them."""\n'
    )
    return texts


def module_text(module, names, chosen):
    """A module of the release's `solutions`: the definitions `names`, and an answer for every other name."""
    known = reference()
    used = {other for name in names for other in known.uses(module, name)[1]}
    imports = sorted(
        {known.imports[module][name][0] for name in used} | {"from course_lib.stand_ins import yours"},
        key=lambda line: (line.startswith("from ."), line.startswith("from"), line),
    )
    asked = {
        name: (number, SPARES.get(name, ""))
        for name, (lesson, number, home) in known.exercises.items()
        if home == module and lesson >= min(chosen)
    }
    table = "".join(
        f"    {name!r}: {value!r},\n"
        for name, value in sorted(asked.items(), key=lambda item: (item[1], item[0]))
    )
    parts = [
        f'"""What is in this release, for {title(chosen)}, of solutions/{module}.py."""',
        "\n".join(imports),
        *(source for name, source in known.defined[module].items() if name in names),
        f"# Yours to write: exercise, and what does for other lessons meanwhile.\nASKED = {{{table and chr(10)}{table}}}",
        f'def __getattr__(name):\n    return yours(__name__, name, ASKED, released="{title(chosen)}")',
    ]
    return "\n\n\n".join(parts) + "\n"


# --- files
# ----------------------------------------------------------------------------------------------------


def files(chosen):
    """The files of a release. chosen: lesson numbers -> {path in the course: bytes}, sorted, without the
    manifest"""
    there = {name: ROOT / name for name in SETTINGS} | below(GIVEN)
    missing = [name for name, path in there.items() if not path.is_file()]
    if missing:
        raise CourseError(f"""These files of the course are missing: {", ".join(missing)}. Is {ROOT} a whole
            checkout?""")
    content = {name: path.read_bytes() for name, path in there.items()}
    content |= {name: text.encode() for name, text in solutions_for(chosen).items()}
    for lesson in chosen:
        content[f"notebooks/{lessons()[lesson].stem}.ipynb"] = build.notebook_text(
            lessons()[lesson], solved=False
        ).encode()
    content["README.md"], content["Makefile"] = readme(chosen).encode(), makefile().encode()
    return {name: content[name] for name in sorted(content)}


def makefile():
    """The course's Makefile with the targets that work in a release."""
    head, *rules = (ROOT / "Makefile").read_text(encoding="utf-8").split("\n\n")
    kept = {
        rule.split(":")[0]: rule
        for rule in rules
        if rule.startswith(("setup:", "$(VENV)/.ready:", "lab:", "clean:"))
    }
    head = "\n".join(
        line for line in head.splitlines() if not re.match(r"# ( *make (?!lab|setup)|Each target)|#$", line)
    )
    return "\n\n".join([head, ".PHONY: setup lab clean", *kept.values()])


def readme(chosen):
    rows = "\n".join(
        f"- [{student_notebook(n).cells[0].source.splitlines()[0].lstrip('# ')}]"
        f"(notebooks/{lessons()[n].stem}.ipynb)"
        for n in chosen
    )
    return f"""# Dolphins in 3D

{rows}

**On a laptop** (Linux, macOS, WSL; Python 3.10 or newer): `make lab` in this folder installs what is needed, once, and opens JupyterLab.

**On Google Colab**: open the notebook (File > Upload notebook), click the folder sign on the left, drag the zip there, run the first cell.

**Hand in** the notebook as it is, saved, under its own name. Its checks are test cells: do not delete or copy them. `keep(...)` below
an exercise keeps what you wrote for later lessons, in the folder `my_work` beside the notebook. If a later lesson comes in a zip of its
own, copy that folder beside its notebooks; `USE_MY_WORK = True` there takes yours.
"""


def release(chosen, out):
    """Writes the students' bundle. chosen: lesson numbers; out: a folder, or a file .zip -> (number of files,
    bytes, checksum)"""
    out = Path(out)
    if out.suffix.lower() == ".zip" and not out.name.startswith("dolphins"):
        raise CourseError(f"""{out.name}: the notebooks look for a zip whose name begins with dolphins. Call
            it {NAME}-lesson{"s" * (len(chosen) > 1)}-{span(chosen)}.zip.""")
    content = files(chosen)
    text = manifest(content, lessons=chosen)
    content[MANIFEST] = text.encode()
    size = (write_zip if out.suffix.lower() == ".zip" else write_folder)(out, content)
    return len(content), size, json.loads(text)["sha256"]


# --- the instructor's course folder
# ---------------------------------------------------------------------------

NBGRADER_CONFIG = '''"""nbgrader's settings for Dolphins in 3D: `nbgrader generate_assignment`, `validate` and `autograde` work in
this folder, and formgrader: `jupyter lab` in it, then the menu Nbgrader > Formgrader.

`nbgrader autograde` runs what students wrote as you, unconfined, and one after another: whoever means ill can change any grade.
`dolphins grade` confines them. Both try the functions with the cases of the notebook and with hidden ones, against the reference.
"""

import os
import secrets

from autograder.release import nbgrader_preprocessors

os.environ.setdefault("DOLPHINS_SMALL", "1")                # the lessons' long fits run at their small size
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("DOLPHINS_JUDGE", "autograder.judge:ReferenceJudge")      # check cells compare with the reference too
os.environ.setdefault("DOLPHINS_SEED", str(secrets.randbits(48) + 1))       # of the hidden cases: the same for all of this run

c = get_config()
c.CourseDirectory.course_id = {course!r}
c.GenerateAssignment.preprocessors = nbgrader_preprocessors()   # students get the stubs of the lessons, not empty ones
c.ExecutePreprocessor.kernel_name = "python3"               # whatever kernel a submission names
c.Execute.timeout = 120                                     # seconds of a cell; the longest takes 10
c.Execute.interrupt_on_timeout = True
c.Execute.raise_on_iopub_timeout = False
c.OverwriteCells.add_missing_cells = True                   # a test cell that was deleted is put back
c.LimitOutput.max_lines = 1000
c.LimitOutput.max_traceback = 100
c.ClearSolutions.enforce_metadata = True
'''


def write_course(chosen, course, force=False):
    """Writes source/, release/ and nbgrader_config.py of an nbgrader course. What is there and as it should
    be is left alone.

    force: replace notebooks that differ. -> list of paths that were written
    Raises CourseError, and writes nothing, where a notebook differs and it is not forced.
    """
    course, texts = Path(course), {}
    solutions_for(chosen)  # refuses what cannot be released together
    for number in chosen:
        lesson = lessons()[number]
        for step, solved in (("source", True), ("release", False)):
            texts[course / step / lesson.stem / f"{lesson.stem}.ipynb"] = build.notebook_text(lesson, solved)
    different = [
        path for path, text in texts.items() if path.exists() and path.read_text(encoding="utf-8") != text
    ]
    if different and not force:
        raise CourseError(f"""{", ".join(str(path.relative_to(course)) for path in different)} in {course}:
            changed since, or of another version of the course, or made by `nbgrader generate_assignment`. To
            replace it: --force.""")
    if not (course / CONFIG).exists():
        texts[course / CONFIG] = NBGRADER_CONFIG.replace("{course!r}", repr(NAME))
    written = []
    for path, text in texts.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        written.append(write(path, text))
    return written


@functools.cache
def stubs():
    """What each exercise's cell begins with. -> {grade id: source}"""
    return {
        cell.metadata["nbgrader"]["grade_id"]: cell.source
        for number in lessons()
        for cell in student_notebook(number).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def nbgrader_preprocessors():
    """What `nbgrader generate_assignment` does with a source notebook: its own steps, with the lessons' stubs
    for solutions."""
    from nbgrader import preprocessors as steps

    class LessonStubs(steps.ClearSolutions):
        """Puts the lesson's stub into each exercise's cell; solutions added by hand are cleared as nbgrader
        does."""

        def preprocess_cell(self, cell, resources, cell_index):
            stub = stubs().get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if stub is None:
                return super().preprocess_cell(cell, resources, cell_index)
            cell.source = stub
            return cell, resources

    return [
        steps.IncludeHeaderFooter,
        steps.LockCells,
        LessonStubs,
        steps.ClearOutput,
        steps.CheckCellMetadata,
        steps.ComputeChecksums,
        steps.SaveCells,
        steps.ClearHiddenTests,
        steps.ClearMarkScheme,
        steps.ComputeChecksums,
        steps.CheckCellMetadata,
    ]
