"""Lessons to notebooks: one source, `lessons/NN_name.py`, two notebooks, the student's and the solved one.

A lesson is a Python file in percent format (jupytext): prose, provided code, exercises. Options of a cell
stand in its header:

    # %% setup=2                 the first cell, folded; setup_cell.py, which finds the course, goes before it
    setup(lesson=2)

    # %% exercise="rodrigues"    the student writes this cell
    import torch
    from solutions.rotations import batch_rodrigues
    # stub batch_rodrigues
    #     angle = ...

    # %% check="rodrigues"       nbgrader's test cell, locked; its points are those of `course_lib.check`
    check.rodrigues()

An exercise imports its functions from `solutions`, so the lesson runs as it is. In the student's notebook
each becomes a stub: signature, docstring, NotImplementedError, the lines that are given; in the solved one
its source. All other lines stay. In prose, `{points of rodrigues}` becomes what that check gives: "20
points". A picture beside the lesson, `![...](pictures/turns.png)`, goes into the notebook itself. After a
check stands the exercise's solution, folded, for those who learn alone; what a class gets has none.

Nothing in a notebook depends on when or where it was made: cell ids come from grade ids or from the content,
and there are no outputs.
"""

import ast
import base64
import hashlib
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import nbformat

from course_lib.environment import REPOSITORY
from course_lib.errors import CourseError
from course_lib.files import write

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "lessons"
STUDENT, SOLVED = ROOT / "notebooks", ROOT / "solutions" / "notebooks"
OPTIONS = ("exercise", "check", "setup")
ON_COLAB = ROOT / "autograder" / "grade_on_colab.py"  # the instructors' notebook; made as a lesson is
# What every notebook begins with, before the course can be imported.
SETUP_TITLE = "The course: run this cell first"
SETUP_CELL, FETCH_CELL = LESSONS / "setup_cell.py", LESSONS / "fetch_cell.py"
IMPORT = re.compile(r"^from (solutions\.\w+) import ([\w, ]+)$", re.MULTILINE)
UNFORMATTED = "  # fmt: skip"
DOCSTRING = '    """'  # how it begins
ANSWER = """<details><summary>Solution (for when you have tried, or are stuck)</summary>

```python
{code}
```

To go on with it, run `{imports}` in a new cell below this one.
</details>"""
POINTS = re.compile(r"\{points of (\w+)\}")
PICTURE = re.compile(r"(!\[[^\]]*\]\()(pictures/[^)\s]+)\)")
MIME = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".svg": "image/svg+xml"}


def lesson_names():
    """The lessons, as the notebooks that students get are called. -> list of names, sorted"""
    return sorted(path.stem for path in STUDENT.glob("[0-9][0-9]_*.ipynb"))


def build_all():
    """All notebooks, as they should be. -> {path: text}"""
    pages = {ON_COLAB.with_suffix(".ipynb"): notebook_text(ON_COLAB, solved=True)}
    for lesson in sorted(LESSONS.glob("[0-9][0-9]_*.py")):
        for folder, solved in ((STUDENT, False), (SOLVED, True)):
            pages[folder / f"{lesson.stem}.ipynb"] = notebook_text(lesson, solved, answers=not solved)
    return pages


def notebook_text(lesson, solved, answers=False):
    """The notebook of a lesson, as the text of its file."""
    return nbformat.writes(build(lesson, solved, answers), version=4) + "\n"


def build(lesson, solved, answers=False):
    """Makes the notebook of a lesson: the student's, or the solved one. -> nbformat notebook

    answers: whether each check is followed by the solution, folded, for those who learn alone.
    """
    import jupytext

    source = jupytext.reads(lesson.read_text(encoding="utf-8"), fmt="py:percent")
    there = set()  # names of `solutions` that an earlier cell defines or shows already
    cells, asked = [], []
    for cell in source.cells:
        cells.append(_make_cell(cell, lesson, solved, there))
        if "exercise" in cell.metadata:
            asked = _asked(cell.source)
        elif "check" in cell.metadata and answers:
            cells.append(_answer_cell(asked, there))
    if REPOSITORY and cells:
        cells[0].source += f"\n\n{_badge(ON_COLAB.parent if lesson == ON_COLAB else STUDENT, lesson.stem)}"
    taken = set()
    for cell in cells:
        cell["id"] = _unique(_cell_id(cell), taken)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "colab": {"name": f"{lesson.stem}.ipynb", "provenance": [], "toc_visible": True},
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    return notebook


def _make_cell(cell, lesson, solved, there):
    """A notebook's cell from a lesson's; `there` grows by the names of `solutions` that it defines."""
    unknown = set(cell.metadata) - set(OPTIONS) - {"tags", "title", "lines_to_next_cell"}
    if unknown:
        raise CourseError(f"""{lesson.name}: a cell has the option {", ".join(sorted(unknown))}; there are
            {", ".join(OPTIONS)}.""")
    if cell.cell_type == "markdown":
        prose = POINTS.sub(lambda found: f"{exercise_of(found[1], lesson).points:g} points", cell.source)
        prose = PICTURE.sub(lambda found: f"{found[1]}{_data_uri(lesson, found[2])})", prose)
        return nbformat.v4.new_markdown_cell(prose)
    source, marks, metadata = cell.source, {}, {}
    if "setup" in cell.metadata:
        source = f"# @title {SETUP_TITLE}\n{finding_the_course(REPOSITORY)}\n\n{source}"
        metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}  # folded in Colab, in JupyterLab
    elif name := cell.metadata.get("exercise"):
        source = _exercise_source(source, exercise_of(name, lesson), lesson, solved, there)
        marks = dict(grade_id=name, grade=False, locked=False, solution=True)
    elif name := cell.metadata.get("check"):
        points = exercise_of(name, lesson).points
        points = int(points) if points.is_integer() else points
        marks = dict(grade_id=f"{name}-check", grade=True, locked=True, solution=False, points=points)
    if marks:
        metadata["nbgrader"] = dict(marks, schema_version=3, task=False)
    return nbformat.v4.new_code_cell(source.replace(UNFORMATTED, ""), metadata=metadata)


def finding_the_course(repository=REPOSITORY):
    """The program with which every notebook begins: it finds the course, or gets it. -> source"""
    find = SETUP_CELL.read_text(encoding="utf-8").strip()
    if not repository:
        return find
    fetch = FETCH_CELL.read_text(encoding="utf-8").strip()
    return "\n\n".join([fetch.replace('REPOSITORY = ""', f'REPOSITORY = "{repository}"'), find])


def exercise_of(name, lesson):
    """The exercise that a cell of a lesson names. Raises CourseError where there is none."""
    from course_lib import check  # torch comes with it, which most who read a lesson's name need not wait for

    found = getattr(check, name, None)
    if not isinstance(found, check.Exercise):
        raise CourseError(f"{lesson.name}: there is no check called {name!r} in course_lib.check.")
    return found


def _asked(source):
    """What the cell of an exercise imports from `solutions`. -> list of (module, its functions)"""
    found = [(importlib.import_module(module), names.split(",")) for module, names in IMPORT.findall(source)]
    return [(module, [getattr(module, name.strip()) for name in names]) for module, names in found]


def _exercise_source(source, exercise, lesson, solved, there):
    """The cell of an exercise: every `from solutions... import` becomes stubs, or the functions' sources."""
    source, given = take_stubs(source)
    asked = _asked(source)
    names = [function.__name__ for _, functions in asked for function in functions]
    if set(names) != set(exercise.functions):
        raise CourseError(f"""{lesson.name}: the cell of exercise {exercise.number} imports {names} from
            solutions, but its check is of {list(exercise.functions)}.""")
    strangers = sorted(set(given) - set(names))
    if strangers:
        raise CourseError(f"""{lesson.name}: a stub is given for {strangers}, which is not imported there.""")

    def text(module, functions):
        if solved:
            return _solved_source(module, functions, there)
        stubs = [stub(function, exercise, given.get(function.__name__, "")) for function in functions]
        return "\n\n".join(stubs)

    # two blank lines around definitions, one cell-wide import block above them
    texts = iter([text(*one) for one in asked])
    return re.sub(r"\n{4,}", "\n\n\n", IMPORT.sub(lambda _: "\n\n" + next(texts), source)).strip()


def take_stubs(source):
    """Takes the blocks `# stub NAME`, `#     line`, ... out of a cell. -> source, {name: lines}"""
    kept, given, name = [], {}, None
    for line in source.splitlines():
        if start := re.match(r"# stub (\w+)$", line):
            name = start[1]
            given[name] = []
        elif name is not None and (line.startswith("#     ") or line == "#"):
            given[name].append(line[2:])
        else:
            name = None
            kept.append(line)
    return "\n".join(kept), {name: "\n".join(lines) for name, lines in given.items()}


def stub(function, exercise, given=""):
    """What the student starts from: the signature, the docstring, the error, the given lines."""
    head, _ = _split(function)
    name = function.__name__
    todo = f"""    # Write your code, and delete the next line.
    raise NotImplementedError("Exercise {exercise.number}: {name} is yours to write")"""
    return "\n".join(filter(None, [head, todo, given])) + "\n"


def _solved_source(module, functions, there):
    """The functions' sources, with the helpers of their module that they call, in nbgrader's solution marks.

    there: names that earlier cells define; it grows by those of this one.
    """
    helpers = _helpers_of(module, functions, there)
    parts = ["\n\n".join(["### BEGIN SOLUTION", *helpers, "### END SOLUTION"])] if helpers else []
    for function in functions:
        head, body = _split(function)
        parts.append(f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION\n")
    return "\n\n".join(parts)


def _answer_cell(asked, there):
    """The solution of an exercise, folded. asked: as of `_asked`; there: as in `_solved_source`."""
    parts, imports = [], []
    for module, functions in asked:
        parts += _helpers_of(module, functions, there)
        for function in functions:
            head, body = _split(function)
            parts.append(f"{head[: head.index(DOCSTRING)].rstrip()}\n{body}")
        imports.append(f"from {module.__name__} import {', '.join(f.__name__ for f in functions)}")
    code = "\n\n\n".join(parts).replace(UNFORMATTED, "")
    return nbformat.v4.new_markdown_cell(ANSWER.format(code=code, imports="; ".join(imports)))


def _split(function):
    """A function's source in two. -> signature and docstring, body"""
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    definition = ast.parse(source).body[0]
    lines = source.splitlines()
    documented = ast.get_docstring(definition) is not None
    end = definition.body[0].end_lineno if documented else definition.body[0].lineno - 1
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def _helpers_of(module, functions, there):
    """What functions use of their module: other functions and constants, in its order. -> their sources

    there: names that need not be told again; it grows by these, and by the functions'.
    """
    source = inspect.getsource(module)
    lines, defined = source.splitlines(), {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            defined[node.targets[0].id] = node
    wanted, queue = set(), [function.__name__ for function in functions]
    given = set(queue)
    while queue:
        for node in ast.walk(defined[queue.pop()]):
            if isinstance(node, ast.Name) and node.id in defined and node.id not in wanted | given:
                wanted.add(node.id)
                queue.append(node.id)
    told = [node for name, node in defined.items() if name in wanted - there]
    there |= wanted | given
    return ["\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in told]


def _data_uri(lesson, picture):
    path = lesson.parent / picture
    if path.suffix not in MIME or not path.is_file():
        raise CourseError(f"""{lesson.name}: there is no picture {picture}. Its program is
            {lesson.parent.name}/pictures/lesson_N.py.""")
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _badge(folder, name):
    """Opens the notebook in Colab, from the repository named in course_lib.environment."""
    colab = "https://colab.research.google.com"
    address = f"{colab}/github/{REPOSITORY}/blob/main/{folder.name}/{name}.ipynb"
    return f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({address})"


def _cell_id(cell):
    marks = cell.metadata.get("nbgrader")
    return marks["grade_id"] if marks else hashlib.sha256(cell.source.encode()).hexdigest()[:12]


def _unique(name, taken):
    candidate, n = name, 1
    while candidate in taken:
        n += 1
        candidate = f"{name}-{n}"
    taken.add(candidate)
    return candidate


def write_all():
    """Writes what differs, and removes notebooks that no lesson makes. -> list of paths that changed"""
    pages = build_all()
    changed = differing(pages)
    for path in changed:
        if path in pages:
            write(path, pages[path])
        else:
            path.unlink()
    return changed


def differing(pages):
    """The notebooks in the folders that are not as they should be."""
    paths = {path for folder in (STUDENT, SOLVED) for path in folder.glob("*.ipynb")}
    there = {path: path.read_text(encoding="utf-8") for path in paths | set(pages) if path.exists()}
    return sorted(path for path in there.keys() | pages.keys() if there.get(path) != pages.get(path))
