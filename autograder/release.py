"""What students get of some lessons, as a folder or a zip; and the instructor's course folder of the same.

    dolphins release --lessons 1-3 --out dolphins-in-3d-lessons-1-3.zip  or a folder
    dolphins release --lessons 1-3 --course COURSE                       source/, release/, nbgrader_config.py

A release holds the lessons' notebooks, `course_lib`, the dolphin with its clip and finished fits, and of
`solutions` what these notebooks use of EARLIER lessons: earlier than the first one released. Nothing else:
not the other functions of those modules, nor the tests, the judge, or the command line. MANIFEST.json names
the lessons, the version, and the SHA-256 of every file. The same course gives the same bytes.

**Lessons released together.** Lesson 3 builds on exercise 2. Released alone it gets the reference's
`batch_rodrigues`. Released with lesson 2 it must not: that is what students are to write. The notebooks are
the same either way, `from solutions.rotations import batch_rodrigues`; what differs is the module. In its
place stands one whose names are answered by `course_lib.stand_ins.yours`:

1. by the function that the student kept in lesson 2 (`keep(batch_rodrigues)`) if its check gave all points
   then, with a line that says so: USE_MY_WORK is on without being set;
2. until then, by a function that the course gives anyway and that does for other lessons (SPARES), and a line
   says so: `batch_rodrigues` by the `rotvec_to_rotmat` with which the template bends from the start. So
   nobody who is stuck in lesson 2 is shut out of lesson 3;
3. where there is none (`render`), by the one that was kept, whatever its points, and else by an error of one
   line that names the exercise to solve first.

Hiding solutions by compiling or encoding them was no choice: whoever can run them can hand them in.

**What cannot be released together** is refused: lesson 4 takes apart its renderer (`rasterize_features`, the
recipes), and these are pieces of exercise 4 that no student's function can stand in for. So 1-3, then 4-6.

`files(lessons)` is also what a sandbox needs in which submissions of one lesson are run: `files([3])`.
"""

import ast
import copy
import functools
import itertools
import json
import re
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.files import write
from lessons import build
from lessons.build import ROOT
from lessons.bundle import GIVEN, MANIFEST, NAME, SETTINGS, below, manifest, read, write_folder, write_zip

CONFIG = "nbgrader_config.py"

# Functions of the course that other lessons can do with, where the exercise's own is still to be written.
SPARES = {
    "batch_rodrigues": "course_lib.dolphin_model.rotvec_to_rotmat",
    "continuous_rotvecs": "course_lib.rotations.rotmat_to_rotvec",  # right rotations; the vectors jump
}


# --- which lessons


@functools.cache
def lessons():
    """The lessons. -> {number: path of the lesson's source}"""
    return {int(path.name[:2]): path for path in sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))}


def numbers(text):
    """What --lessons names: "1-3", "1,3" or "all". -> sorted list of lesson numbers. Raises CourseError."""
    if text.strip().lower() == "all":
        return sorted(lessons())
    chosen = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not found:
            raise CourseError(f"--lessons {text!r} names no lessons. Write for example 2, 1-3 or 4-6.")
        chosen |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
    unknown = sorted(chosen - set(lessons()))
    if unknown or not chosen:
        raise CourseError(f"""--lessons {text!r}: there are lessons {span(lessons())}, not
            {span(unknown) or "none"}.""")
    return sorted(chosen)


def span(chosen):
    """Numbers in short: [1, 2, 3, 5] -> "1-3, 5"."""
    places = enumerate(sorted(chosen))
    runs = ([n for _, n in run] for _, run in itertools.groupby(places, lambda pair: pair[1] - pair[0]))
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def title(chosen):
    """Lessons in words: "lesson 2" or "lessons 1-3"."""
    return f"lesson{'s' if len(chosen) > 1 else ''} {span(chosen)}"


# --- what the reference consists of


class Reference:
    """The modules of `solutions`, definition by definition: whose solution each is, and what it uses.

    defined: {module: {name: source}}; imports: {module: {name: (import statement, sibling or None)}};
    exercises: {name of a function: (lesson, exercise's number, module)}; owners: {(module, name): the first
    lesson of whose solutions it is a part}.
    """

    def __init__(self):
        self.defined, self.imports, self.exercises, self.owners = {}, {}, {}, {}
        for path in sorted((ROOT / "solutions").glob("[!_]*.py")):
            self.read(path)
        homes = {name: module for module, defined in reversed(self.defined.items()) for name in defined}
        for lesson, path in lessons().items():
            for name in re.findall(r'^# %% exercise="(\w+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
                exercise = build.exercise_of(name, path)
                for function in exercise.functions:
                    self.exercises[function] = lesson, exercise.number, homes[function]
        for function, (lesson, _, module) in sorted(self.exercises.items(), key=lambda item: item[1]):
            queue = [function]
            while queue:
                name = queue.pop()
                if (module, name) not in self.owners:  # else whatever it uses has an owner too
                    self.owners[module, name] = lesson
                    queue += self.uses(module, name)[0]

    def read(self, path):
        """Takes in a module: its functions, classes and constants, and its imports."""
        text = path.read_text(encoding="utf-8")
        defined, imports = self.defined.setdefault(path.stem, {}), self.imports.setdefault(path.stem, {})
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined[node.name] = ast.get_source_segment(text, node)
            elif isinstance(node, ast.Assign):
                defined[node.targets[0].id] = ast.get_source_segment(text, node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                sibling = node.module if getattr(node, "level", 0) else None
                for alias in node.names:
                    one = copy.copy(node)
                    one.names = [alias]
                    imports[alias.asname or alias.name.split(".")[0]] = ast.unparse(one), sibling

    def uses(self, module, name):
        """The names of its module that a definition reads. -> (own definitions, imported names)"""
        nodes = ast.walk(ast.parse(self.defined[module][name]))
        found = {node.id for node in nodes if isinstance(node, ast.Name)}
        return found & self.defined[module].keys(), found & self.imports[module].keys()


@functools.cache
def reference():
    """The reference, read once."""
    return Reference()


def _imported(lesson):
    """What the student's notebook of a lesson takes from `solutions`. -> set of (module, name)"""
    sources = [cell.source for cell in student_notebook(lesson).cells if cell.cell_type == "code"]
    found = set()
    for node in itertools.chain(*(ast.walk(ast.parse(text)) for text in sources if "solutions" in text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("solutions."):
            found |= {(node.module.split(".")[1], alias.name) for alias in node.names}
    return found


@functools.cache
def student_notebook(lesson):
    """The notebook that students get of a lesson. lesson: its number -> nbformat notebook"""
    return build.build(lessons()[lesson], solved=False)


def _solutions_for(chosen):
    """The package `solutions` of a release. -> {path: text}

    It holds what its lessons use of the lessons before them, and stand-ins. Raises CourseError where the
    lessons cannot be released together.
    """
    known, first = reference(), min(chosen)
    kept, seen = {module: set() for module in known.defined}, set()
    queue = [(module, name, lesson) for lesson in chosen for module, name in sorted(_imported(lesson))]
    while queue:
        module, name, lesson = queue.pop(0)
        if (module, name) in seen:
            continue
        seen.add((module, name))
        owner = known.owners.get((module, name), 0)
        if owner >= first:  # asked for in this release, or later
            if name not in known.exercises or (owner > lesson and name not in SPARES):
                raise CourseError(f"""Lessons {span(chosen)} cannot be released together: lesson {lesson} uses
                    `{name}` of solutions/{module}.py, a piece of the solution of lesson {owner}, and nothing
                    that students write can stand in for it. Release up to lesson {lesson - 1} first, then
                    from lesson {lesson} on.""")
            continue
        kept[module].add(name)
        own, foreign = known.uses(module, name)
        siblings = [(known.imports[module][other][1], other) for other in sorted(foreign)]
        queue += [(module, other, lesson) for other in sorted(own)]
        queue += [(sibling, other, lesson) for sibling, other in siblings if sibling]
    texts = {f"solutions/{module}.py": _module_text(module, kept[module], chosen) for module in known.defined}
    package = f"""For {title(chosen)}: what is used of the solutions of lessons before,
and in place of those that are still to be written, what you keep of them."""
    return texts | {"solutions/__init__.py": f'"""{package}"""\n'}


def _module_text(module, names, chosen):
    """A module of the release's `solutions`: the definitions `names`, and an answer for every other name."""
    known = reference()
    used = {other for name in names for other in known.uses(module, name)[1]}
    lines = {known.imports[module][name][0] for name in used} | {"from course_lib.stand_ins import yours"}
    imports = sorted(lines, key=lambda line: (line.startswith("from ."), line.startswith("from"), line))
    asked = []
    for name, (lesson, number, home) in known.exercises.items():
        if home == module and lesson >= min(chosen):
            asked.append(((number, SPARES.get(name, "")), name))
    table = "".join(f"    {name!r}: {value!r},\n" for value, name in sorted(asked))
    parts = [
        f'"""What is in this release, for {title(chosen)}, of solutions/{module}.py."""',
        "\n".join(imports),
        *(source for name, source in known.defined[module].items() if name in names),
        "# Yours to write: exercise, and what does for other lessons meanwhile.\n"
        + (f"ASKED = {{\n{table}}}" if table else "ASKED = {}"),
        f'def __getattr__(name):\n    return yours(__name__, name, ASKED, released="{title(chosen)}")',
    ]
    return "\n\n\n".join(parts) + "\n"


# --- files


def files(chosen):
    """The files of a release, sorted, without the manifest. chosen: lesson numbers -> {path: bytes}"""
    content = read({name: ROOT / name for name in SETTINGS} | below(GIVEN))
    texts = _solutions_for(chosen) | {"README.md": _readme(chosen), "Makefile": _makefile()}
    for lesson in chosen:
        path = lessons()[lesson]
        texts[f"notebooks/{path.stem}.ipynb"] = build.notebook_text(path, solved=False)
    content |= {name: text.encode() for name, text in texts.items()}
    return dict(sorted(content.items()))


def _makefile():
    """The course's Makefile with the targets that work in a release."""
    head, *rules = (ROOT / "Makefile").read_text(encoding="utf-8").split("\n\n")
    targets = ("setup:", "$(VENV)/.ready:", "lab:", "clean:")
    other = re.compile(r"# ( *make (?!lab|setup)|Each target)|#$")
    head = "\n".join(line for line in head.splitlines() if not other.match(line))
    kept = [rule for rule in rules if rule.startswith(targets)]
    return "\n\n".join([head, ".PHONY: setup lab clean", *kept])


README = """# Dolphins in 3D

{lessons}

**On a laptop** (Linux, macOS, WSL; Python 3.10 or newer): `make lab` in this folder installs what is needed,
once, and opens JupyterLab.

**On Google Colab**: open the notebook (File > Upload notebook), click the folder sign on the left, drag the
zip there, run the first cell.

**Hand in** the notebook as it is, saved, under its own name. Its checks are test cells: do not delete or copy
them. `keep(...)` below an exercise keeps what you wrote for later lessons, in the folder `my_work` beside the
notebook. If a later lesson comes in a zip of its own, copy that folder beside its notebooks;
`USE_MY_WORK = True` there takes yours.
"""


def _readme(chosen):
    rows = []
    for number in chosen:
        title = student_notebook(number).cells[0].source.splitlines()[0].lstrip("# ")
        rows.append(f"- [{title}](notebooks/{lessons()[number].stem}.ipynb)")
    return README.format(lessons="\n".join(rows))


def release(chosen, out):
    """Writes the students' bundle. -> (number of files, bytes, checksum)

    chosen: lesson numbers; out: a folder, or a file .zip.
    """
    out = Path(out)
    zipped = out.suffix.lower() == ".zip"
    if zipped and not out.name.startswith("dolphins"):
        raise CourseError(f"""{out.name}: the notebooks look for a zip whose name begins with dolphins. Call
            it {NAME}-lesson{"s" * (len(chosen) > 1)}-{span(chosen)}.zip.""")
    content = files(chosen)
    text = manifest(content, lessons=chosen)
    content[MANIFEST] = text.encode()
    size = write_zip(out, content) if zipped else write_folder(out, content)
    return len(content), size, json.loads(text)["sha256"]


# --- the instructor's course folder

NBGRADER_CONFIG = f'''"""nbgrader's settings for Dolphins in 3D.

`nbgrader generate_assignment`, `validate` and `autograde` work in this folder, and formgrader: `jupyter lab`
in it, then the menu Nbgrader > Formgrader.

`nbgrader autograde` runs what students wrote as you, unconfined, and one after another: whoever means ill can
change any grade. `dolphins grade` confines them. Both try the functions with the cases of the notebook and
with hidden ones, against the reference.
"""

import os
import secrets

from autograder.release import nbgrader_preprocessors

os.environ.setdefault("DOLPHINS_SMALL", "1")  # the lessons' long fits run at their small size
os.environ.setdefault("MPLBACKEND", "agg")
# Check cells compare with the reference too.
os.environ.setdefault("DOLPHINS_JUDGE", "autograder.judge:ReferenceJudge")
# Of the hidden cases: the same for all of this run.
os.environ.setdefault("DOLPHINS_SEED", str(secrets.randbits(48) + 1))

c = get_config()
c.CourseDirectory.course_id = {NAME!r}
# Students get the stubs of the lessons, not empty ones.
c.GenerateAssignment.preprocessors = nbgrader_preprocessors()
c.ExecutePreprocessor.kernel_name = "python3"  # whatever kernel a submission names
c.Execute.timeout = 600  # seconds of a cell, by the clock; the longest takes 10 on a machine that is free
c.Execute.interrupt_on_timeout = True
c.Execute.raise_on_iopub_timeout = False
c.OverwriteCells.add_missing_cells = True  # a test cell that was deleted is put back
c.LimitOutput.max_lines = 1000
c.LimitOutput.max_traceback = 100
c.ClearSolutions.enforce_metadata = True
'''


def write_course(chosen, course, force=False):
    """Writes source/, release/ and nbgrader_config.py of an nbgrader course. -> list of written paths

    What is there and as it should be is left alone. force: replace notebooks that differ. Raises CourseError,
    and writes nothing, where a notebook differs and it is not forced.
    """
    course, texts = Path(course), {}
    _solutions_for(chosen)  # refuses what cannot be released together
    for number in chosen:
        lesson = lessons()[number]
        for step, solved in (("source", True), ("release", False)):
            texts[course / step / lesson.stem / f"{lesson.stem}.ipynb"] = build.notebook_text(lesson, solved)
    there = {path: path.read_text(encoding="utf-8") for path in texts if path.exists()}
    different = [str(path.relative_to(course)) for path, text in there.items() if text != texts[path]]
    if different and not force:
        raise CourseError(f"""{", ".join(different)} in {course}: changed since, or of another version of the
            course, or made by `nbgrader generate_assignment`. To replace it: --force.""")
    if not (course / CONFIG).exists():
        texts[course / CONFIG] = NBGRADER_CONFIG
    return [write(path, text) for path, text in texts.items() if text != there.get(path)]


@functools.cache
def _stubs():
    """What each exercise's cell begins with. -> {grade id: source}"""
    cells = [cell for number in lessons() for cell in student_notebook(number).cells]
    marked = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in cells]
    return {marks["grade_id"]: source for marks, source in marked if marks.get("solution")}


def nbgrader_preprocessors():
    """What `nbgrader generate_assignment` does with a notebook, with the lessons' stubs for solutions."""
    from nbgrader import preprocessors as steps

    class LessonStubs(steps.ClearSolutions):
        """Puts the lesson's stub into each exercise's cell; solutions added by hand are cleared as usual."""

        def preprocess_cell(self, cell, resources, cell_index):
            stub = _stubs().get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if stub is None:
                return super().preprocess_cell(cell, resources, cell_index)
            cell.source = stub
            return cell, resources

    first = [steps.IncludeHeaderFooter, steps.LockCells, LessonStubs, steps.ClearOutput]
    cleared = [steps.SaveCells, steps.ClearHiddenTests, steps.ClearMarkScheme]
    checked = [steps.CheckCellMetadata, steps.ComputeChecksums]
    return [*first, *checked, *cleared, *reversed(checked)]
