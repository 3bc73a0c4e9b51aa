"""Lessons to notebooks: one source, `lessons/NN_name.py`, two notebooks from it.

A lesson is a Python file in percent format (jupytext): prose, provided code, exercises. Options of a cell
stand in its header:

    # %% exercise="rodrigues"           the student writes this cell. It imports the functions from `solutions`, so the lesson
    import torch                        runs as it is. In the student's notebook each becomes a stub: signature, docstring,
    from solutions.rotations import batch_rodrigues           the lines that are given (below), NotImplementedError;
    # stub batch_rodrigues                                    in the solved one its source. All other lines stay.
    #     angle = ...

    # stub fit(scene, loader)           the student's signature, where the reference takes more than the student needs to

    # %% check="rodrigues"              nbgrader's test cell, locked; its points are those of `course_lib.check`
    check.rodrigues()

    # %% setup=2                        the first cell: what finds or fetches the course stands before it (setup_cell.py)
    setup(lesson=2)

    ![What you should see.](pictures/turns.png)      a picture beside the lesson; it goes into the notebook itself

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

from course_lib import check
from course_lib.environment import REPOSITORY
from course_lib.errors import CourseError, fold

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "lessons"
STUDENT, SOLVED = ROOT / "notebooks", ROOT / "solutions" / "notebooks"
OPTIONS = ("exercise", "check", "setup")
ON_COLAB = ROOT / "autograder" / "grade_on_colab.py"  # the instructors' notebook; made as a lesson is
BOOTSTRAP = LESSONS / "setup_cell.py"  # what every notebook begins with, before the course can be imported
IMPORT = re.compile(r"^from (solutions\.\w+) import ([\w, ]+)$", re.MULTILINE)
PICTURE = re.compile(r"(!\[[^\]]*\]\()(pictures/[^)\s]+)\)")
MIME = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".svg": "image/svg+xml"}


def lesson_names():
    """The lessons, as the notebooks that students get are called. -> list of names, sorted"""
    return sorted(path.stem for path in STUDENT.glob("[0-9][0-9]_*.ipynb"))


def build_all():
    """All notebooks, as they should be. -> {path: text}"""
    pages = {}
    for lesson in sorted(LESSONS.glob("[0-9][0-9]_*.py")):
        for folder, solved in ((STUDENT, False), (SOLVED, True)):
            pages[folder / f"{lesson.stem}.ipynb"] = notebook_text(lesson, solved)
    pages[ON_COLAB.with_suffix(".ipynb")] = notebook_text(ON_COLAB, solved=True)
    return pages


def notebook_text(lesson, solved):
    """The notebook of a lesson, as the text of its file."""
    return nbformat.writes(build(lesson, solved), version=4) + "\n"


def build(lesson, solved):
    """Makes the notebook of a lesson: the student's, or the solved one. -> nbformat notebook"""
    import jupytext

    source = jupytext.reads(lesson.read_text(encoding="utf-8"), fmt="py:percent")
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "colab": {"name": f"{lesson.stem}.ipynb", "provenance": [], "toc_visible": True},
        }
    )
    helpers = set()  # names of the solutions' helpers that an earlier cell defines already
    cells = [make_cell(cell, lesson, solved, helpers) for cell in source.cells]
    if REPOSITORY and cells:
        cells[0].source += f"\n\n{badge(ON_COLAB.parent if lesson == ON_COLAB else STUDENT, lesson.stem)}"
    taken = set()
    for cell in cells:
        cell["id"] = unique(cell_id(cell), taken)
    notebook.cells = cells
    nbformat.validate(notebook)
    return notebook


def make_cell(cell, lesson, solved, helpers):
    """A notebook's cell from a lesson's; `helpers` grows by the names of those that it defines."""
    unknown = set(cell.metadata) - set(OPTIONS) - {"tags", "title", "lines_to_next_cell"}
    if unknown:
        raise CourseError(f"""{lesson.name}: a cell has the option {", ".join(sorted(unknown))}; there are
            {", ".join(OPTIONS)}.""")
    if cell.cell_type == "markdown":
        return nbformat.v4.new_markdown_cell(
            PICTURE.sub(lambda found: found[1] + data_uri(lesson, found[2]) + ")", cell.source)
        )
    source, metadata = cell.source, {}
    if "setup" in cell.metadata:
        found = (
            BOOTSTRAP.read_text(encoding="utf-8")
            .strip()
            .replace('REPOSITORY = ""', f'REPOSITORY = "{REPOSITORY}"')
        )
        source = f"{found}\n\n{source}"
    if "exercise" in cell.metadata:
        name = cell.metadata["exercise"]
        source = exercise_source(source, exercise_of(name, lesson), lesson, solved, helpers)
        metadata = {
            "nbgrader": dict(
                grade=False, grade_id=name, locked=False, schema_version=3, solution=True, task=False
            )
        }
    elif "check" in cell.metadata:
        name = cell.metadata["check"]
        points = exercise_of(name, lesson).points
        metadata = {
            "nbgrader": dict(
                grade=True,
                grade_id=f"{name}-check",
                locked=True,
                points=int(points) if points % 1 == 0 else points,
                schema_version=3,
                solution=False,
                task=False,
            )
        }
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def exercise_of(name, lesson):
    found = getattr(check, name, None)
    if not isinstance(found, check.Exercise):
        raise CourseError(f"{lesson.name}: there is no check called {name!r} in course_lib.check.")
    return found


def exercise_source(source, exercise, lesson, solved, helpers):
    """The cell of an exercise: every `from solutions... import` becomes stubs, or the functions' sources."""
    source, given = take_stubs(source)
    imports = IMPORT.findall(source)
    names = [name.strip() for _, names in imports for name in names.split(",")]
    if set(names) != set(exercise.functions):
        raise CourseError(f"""{lesson.name}: the cell of exercise {exercise.number} imports {names} from
            solutions, but its check is of {list(exercise.functions)}.""")
    if set(given) - set(names):
        raise CourseError(f"""{lesson.name}: a stub is given for {sorted(set(given) - set(names))}, which is
            not imported there.""")

    def functions(found):
        module = importlib.import_module(found[1])
        wanted = [getattr(module, name.strip()) for name in found[2].split(",")]
        if solved:
            return solved_source(module, wanted, helpers)
        return "\n\n".join(
            stub(function, exercise, *given.get(function.__name__, ("", None))) for function in wanted
        )

    # two blank lines around definitions, one cell-wide import block above them
    return re.sub(r"\n{4,}", "\n\n\n", IMPORT.sub(lambda found: "\n\n" + functions(found), source)).strip()


def take_stubs(source):
    """Takes the blocks `# stub NAME`, `#     line`, ... out of a cell.

    -> (source without them, {name: (lines, signature or None)})
    """
    kept, given, signatures, name = [], {}, {}, None
    for line in source.splitlines():
        start = re.match(r"# stub (\w+)(\(.*\))?$", line)
        if start:
            name, signatures[start[1]] = start[1], start[2]
            given[name] = []
        elif name is not None and (line.startswith("#     ") or line == "#"):
            given[name].append(line[2:])
        else:
            name = None
            kept.append(line)
    return "\n".join(kept), {name: ("\n".join(lines), signatures[name]) for name, lines in given.items()}


def stub(function, exercise, given="", signature=None):
    """What the student starts from: signature (the function's own or another), docstring, the error, the
    given lines."""
    head, _ = split(function)
    if signature is not None:
        docstring = head.splitlines()[ast.parse(head + "\n    pass").body[0].body[0].lineno - 1 :]
        head = "\n".join([f"def {function.__name__}{signature}:", *docstring])
    todo = fold(f"""    raise NotImplementedError("Exercise {exercise.number}: {function.__name__} is yours to
        write; delete this line then")""")
    return "\n".join([head, todo, *([given] if given else [])]) + "\n"


def solved_source(module, functions, there):
    """The functions' sources, with the helpers of their module that they call, in nbgrader's solution marks.

    there: names of helpers that earlier cells define; it grows by those of this one.
    """
    helpers = {name: source for name, source in helpers_of(module, functions).items() if name not in there}
    there |= set(helpers)
    parts = ["\n\n".join(["### BEGIN SOLUTION", *helpers.values(), "### END SOLUTION"])] if helpers else []
    for function in functions:
        head, body = split(function)
        parts.append(f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION\n")
    return "\n\n".join(parts)


def split(function):
    """(signature and docstring, body) of a function's source."""
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    definition = ast.parse(source).body[0]
    lines = source.splitlines()
    documented = ast.get_docstring(definition) is not None
    end = definition.body[0].end_lineno if documented else definition.body[0].lineno - 1
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def helpers_of(module, functions):
    """What the functions use of their own module: other functions and constants, in the module's order. ->
    {name: source}"""
    tree = ast.parse(inspect.getsource(module))
    lines = inspect.getsource(module).splitlines()
    defined = {}
    for node in tree.body:
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
    return {
        name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for name, node in defined.items()
        if name in wanted
    }


def data_uri(lesson, picture):
    path = lesson.parent / picture
    if path.suffix not in MIME or not path.is_file():
        raise CourseError(f"""{lesson.name}: there is no picture {picture}. Its program is
            {lesson.parent.name}/pictures/lesson_N.py.""")
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def badge(folder, name):
    """Opens the notebook in Colab, from the repository named in course_lib.environment."""
    return fold(f"""[![Open in
        Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{REPOSITORY}/blob/main/{folder.name}/{name}.ipynb)""")


def cell_id(cell):
    marks = cell.metadata.get("nbgrader")
    return marks["grade_id"] if marks else hashlib.sha256(cell.source.encode()).hexdigest()[:12]


def unique(name, taken):
    n = 1
    while (candidate := name if n == 1 else f"{name}-{n}") in taken:
        n += 1
    taken.add(candidate)
    return candidate


def write_all():
    """Writes what differs, and removes notebooks that no lesson makes. -> list of paths that changed"""
    pages = build_all()
    changed = differing(pages)
    for path in changed:
        if path not in pages:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
    return changed


def differing(pages):
    """The notebooks in the folders that are not as they should be."""
    there = {path for folder in (STUDENT, SOLVED) for path in folder.glob("*.ipynb")}
    return sorted(
        path
        for path in there | set(pages)
        if path not in pages or not path.exists() or path.read_text(encoding="utf-8") != pages[path]
    )
