"""What a student wrote, kept for later lessons: `keep(batch_rodrigues)`, then `from my_work import
batch_rodrigues`.

Each function goes into a file of its own beside the notebook, my_work/batch_rodrigues.py, with the imports,
constants and helper functions of the notebook that it uses, so that it works after a restart and in another
notebook. Nothing that a student can do here ends in a traceback: `keep` says in a line what it did, or why it
could not.
"""

import ast
import contextlib
import importlib
import importlib.util
import inspect
import io
import linecache
import os
import shutil
import symtable
import sys
import textwrap
import types
import weakref
import zipfile
from pathlib import Path

from .errors import fold

FOLDER = "my_work"
CHECKED = "CHECK_GAVE"  # in a file of it: the points that its check gave, of how many; absent where it was not checked
ZIP = "my_work.zip"  # on Colab, to download; a zip of this name beside the notebook is unpacked by `setup`
MAX_RESTORED = 1 << 20  # bytes; a student's functions are a few kB

INIT = '''"""What you wrote, kept by keep(): from my_work import NAME. Each is imported when it is asked for."""

import importlib
import sys
import types
from pathlib import Path


class NotKept(ImportError):
    def _render_traceback_(self):                              # a notebook shows one line
        return [str(self)]


class Kept(types.ModuleType):
    def __setattr__(self, name, value):                        # Python sets the module of that name here; the function is wanted
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, types.ModuleType) else value)


sys.modules[__name__].__class__ = Kept


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if not Path(__file__).with_name(f"{name}.py").is_file():
        raise NotKept(f"my_work has no {name} yet. Solve its exercise and run keep({name}) there, or copy the {name}.py that you "
                      f"kept into {Path(__file__).parent}, or set USE_MY_WORK = False")
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)
'''

_checked = weakref.WeakKeyDictionary()  # function -> (points that its check gave, of how many)


def remember(functions, points, of):
    """What the check of an exercise gave for its functions, so that `keep` can say it.

    Other values are ignored.
    """
    for function in functions:
        if isinstance(function, types.FunctionType):
            _checked[function] = points, of


def keep(*functions):
    """Writes functions of yours into the folder my_work beside this notebook, one file each.

    A function that is still the exercise's stub, or that cannot be kept for another reason, is named, and
    what was kept of it before stays. One that its check found wrong is kept, with a line that says so.
    """
    for function in functions:
        print(_keep(function, Path.cwd() / FOLDER))
    if functions and kept():
        _say_where()


def kept(folder=None):
    """Names of the functions that are kept."""
    folder = Path(folder or Path.cwd() / FOLDER)
    return sorted(
        path.stem for path in folder.glob("*.py") if path.stem.isidentifier() and path.stem != "__init__"
    )


def bring_back(folder=None):
    """Unpacks my_work.zip, if it lies beside the notebook and there is no my_work yet. -> a line that says
    so, or None"""
    folder = Path(folder or Path.cwd())
    source, target = folder / ZIP, folder / FOLDER
    if target.exists() or not source.is_file():
        return None
    try:
        with zipfile.ZipFile(source) as packed:
            entries = {
                Path(entry.filename).stem: entry
                for entry in packed.infolist()
                if entry.filename.endswith(".py")
            }
            entries = {
                name: entry for name, entry in entries.items() if name.isidentifier() and name != "__init__"
            }
            if sum(entry.file_size for entry in entries.values()) > MAX_RESTORED:
                return f"{ZIP} was left alone: it holds far more than functions of yours."
            texts = {name: packed.read(entry).decode("utf-8") for name, entry in entries.items()}
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, NotImplementedError) as error:
        return f"{ZIP} cannot be read ({error}): your own work was not brought back."
    if not texts:
        return f"{ZIP} was left alone: there is none of your functions in it."
    target.mkdir()
    for name, text in texts.items():
        _write(target / f"{name}.py", text)
    _write_init(target)
    return f"Brought back from {ZIP}: {', '.join(sorted(texts))}."


class NotKept(ImportError):
    """A function that is still to be written, or kept elsewhere.

    A notebook shows it as one line, without a traceback.
    """

    def _render_traceback_(self):
        return [str(self)]


class _Beside:
    """Sees to it that `from my_work import NAME` finds the folder beside the notebook, or says in a line that
    there is none."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != FOLDER or any(
            (Path(place) / FOLDER / "__init__.py").is_file() for place in map(str, sys.path)
        ):
            return None
        folder = Path.cwd() / FOLDER
        if not kept(folder):
            raise NotKept(f"""There is none of your work beside this notebook. What keep(...) kept is in the
                folder {FOLDER} beside the notebook in which you ran it: copy that folder into {Path.cwd()},
                or set USE_MY_WORK = False.""")
        with contextlib.suppress(OSError):  # functions were copied here one by one
            _write_init(folder)
        return None


if not any(getattr(finder, "__name__", None) == "_Beside" for finder in sys.meta_path):
    sys.meta_path.insert(0, _Beside)


def _keep(function, folder):
    """Keeps one function. -> the line to print"""
    name = getattr(function, "__name__", None)
    if not isinstance(function, types.FunctionType):
        return fold(f"""Not kept: this is of the type {type(function).__name__}, not a function. Name the
            function itself, without calling it: keep(batch_rodrigues).""")
    if name == "<lambda>":
        return "Not kept: a lambda has no name to keep it by. Write it as `def name(...): return ...`."
    if function.__module__.split(".")[0] in ("solutions", "course_lib"):
        return f"Not kept: this {name} is the course's, from {function.__module__}. Run the cell in which you write yours first."
    if function.__module__.split(".")[0] == FOLDER:
        return f"{name} is the one that is kept already."
    try:
        text = _program(function)
    except _Cannot as reason:
        return f"Not kept: {name}: {reason}"
    if _is_stub(text, name):
        return f"Not kept: {name} is still to be written (there is a `raise NotImplementedError` in it)."
    points, of = _checked.get(function, (None, None))  # a function that was written anew since is another one
    if points is not None:
        text += (
            f"\n\n{CHECKED} = {points:g}, {of:g}                  # points of its check, when it was kept\n"
        )
    path = folder / f"{name}.py"
    module = types.ModuleType(f"{FOLDER}.{name}")
    module.__file__ = str(path)
    try:  # does it stand on its own?
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, str(path), "exec"), module.__dict__)
    except Exception as error:
        return fold(f"""Not kept: {name} does not work on its own: {type(error).__name__}:
            {" ".join(str(error).split())[:150]}. Give it what it needs as arguments.""")
    try:
        folder.mkdir(exist_ok=True)
        _write(path, text)
        _write_init(folder)
    except OSError as error:
        return f"Not kept: {name}: {error.strerror or error}: {path}"
    for loaded in [m for m in sys.modules if m == FOLDER or m.startswith(FOLDER + ".")]:
        del sys.modules[loaded]  # the next import finds the new one
    wrong = points is not None and points < of
    warning = (
        f". But its check gave {points:g} of {of:g} points, and later lessons build on it." if wrong else ""
    )
    return f"Kept {name} in {FOLDER}/{name}.py: from {FOLDER} import {name}{warning}"


def _write(path, text):
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
    # Python compares whole seconds and sizes to see whether what it compiled is out of date: not enough
    # within a second.
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
    importlib.invalidate_caches()


def _write_init(folder):
    _write(folder / "__init__.py", INIT)


def _say_where():
    from .machine import on_colab

    if not on_colab():
        return
    part = Path(shutil.make_archive(f".{FOLDER}.part", "zip", root_dir=".", base_dir=FOLDER))
    os.replace(part, ZIP)
    print(
        "Colab deletes its files when the runtime ends. To keep yours:\n"
        f"    from google.colab import files; files.download({ZIP!r})\n"
        f"Next time put {ZIP} beside the notebook, and its first cell brings them back."
    )


# --- a function and what it uses, as a program
# -----------------------------------------------------------------


class _Cannot(Exception):
    """Why a function cannot be written to a file, for a student."""


def _program(function):
    """The text of a module that defines the function: with the imports, constants, classes and functions that
    it uses."""
    function = inspect.unwrap(function)
    if function.__closure__ and function.__code__.co_freevars:
        raise _Cannot(f"""it uses {", ".join(function.__code__.co_freevars)} of a function around it. Define
            it at the top of a cell.""")
    own, made = _source_of(function), _top_level(function)
    sources, seen = [], {function.__name__}

    def visit(source):  # what a source uses stands before it
        for used in sorted(_names_used(source) - seen):
            if used not in function.__globals__:  # a builtin, a local name, or missing: running it will tell
                continue
            seen.add(used)
            if used not in made:
                raise _Cannot(f"""it uses `{used}`, which no single line at the top of a cell makes. Give it
                    to the function as an argument.""")
            visit(made[used])
            if made[used] not in sources:  # a line that makes two names is written once
                sources.append(made[used])

    visit(own)
    imports = [source for source in sources if source.startswith(("import ", "from "))]
    others = [source for source in sources if source not in imports]
    head = f'"""Kept from your notebook: {function.__name__}, and what it uses."""'
    return "\n\n\n".join([head + ("\n\n" + "\n".join(imports) if imports else ""), *others, own]) + "\n"


def _source_of(function):
    """The source of a function, from the cell or file in which it was defined, with its decorators."""
    lines = linecache.getlines(function.__code__.co_filename, function.__globals__)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:  # a cell with a %magic: the lines of the function alone
        try:
            return textwrap.dedent(inspect.getsource(function)).rstrip()
        except (OSError, TypeError, SyntaxError, IndentationError):
            raise _Cannot("""its source cannot be read. Run the cell in which you write it, then this one
                again.""") from None
    first = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == function.__name__:
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if start <= first <= node.lineno:
                return textwrap.dedent("".join(lines[start - 1 : node.end_lineno])).rstrip()
    raise _Cannot("its source cannot be read. Run the cell in which you write it, then this one again.")


def _top_level(function):
    """The statements that make the notebook's names, the last of each. -> {name: source}"""
    found = {}
    for cell in _cells(function):
        try:
            tree = ast.parse(cell)
        except (SyntaxError, ValueError):
            continue
        for node in tree.body:
            found.update(_bindings(node, cell))
    return found


def _cells(function):
    """The texts in which the function's names may be made: the notebook's cells as they were run, or the
    function's file."""
    with contextlib.suppress(ImportError):
        from IPython import get_ipython

        shell = get_ipython()
        if shell is not None and function.__globals__ is shell.user_ns:
            return [cell for cell in shell.user_ns["In"] if cell]
    return ["".join(linecache.getlines(function.__code__.co_filename, function.__globals__))]


def _bindings(node, text):
    """(name, source) of each name that a statement makes; of a line of imports, only what makes that name."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            one = (
                ast.Import([alias])
                if isinstance(node, ast.Import)
                else ast.ImportFrom(node.module, [alias], node.level)
            )
            yield (alias.asname or alias.name).split(".")[0], ast.unparse(one)
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        yield node.name, "\n".join(text.splitlines()[start - 1 : node.end_lineno])
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for part in (part for target in targets for part in ast.walk(target)):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id, ast.get_source_segment(text, node)


def _names_used(source):
    """Global names that a piece of source reads, wherever in it; parameters and local names are not among
    them."""
    found = set()

    def visit(table):
        found.update(
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (s.is_global() or table.get_type() == "module")
        )
        for child in table.get_children():
            visit(child)

    visit(symtable.symtable(source, "kept", "exec"))
    return found


def _is_stub(text, name):
    """Whether the function `name` still begins with the exercise's NotImplementedError."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return any(
                isinstance(line, ast.Raise) and "NotImplementedError" in ast.unparse(line)
                for line in node.body
            )
    return False
