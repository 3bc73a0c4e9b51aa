"""What a student wrote, kept for later: `keep(batch_rodrigues)`, then `from my_work import batch_rodrigues`.

Each function goes into a file of its own beside the notebook, my_work/batch_rodrigues.py, with the imports,
constants and helper functions of the notebook that it uses, so that it works after a restart and in another
notebook. Nothing that a student does here ends in a traceback: `keep` says what it did, or why it could not.
"""

import ast
import contextlib
import copy
import importlib
import importlib.util
import inspect
import io
import linecache
import shutil
import symtable
import sys
import textwrap
import types
import weakref
import zipfile
from pathlib import Path

from . import files
from .errors import CourseError
from .file_kind import told
from .machine import get_ipython, on_colab

FOLDER = "my_work"
# In a file of the folder: the points that its check gave, of how many; absent where it was not checked.
CHECKED = "CHECK_GAVE"
ZIP = "my_work.zip"  # on Colab, to download; a zip of this name beside the notebook is unpacked by `setup`
MAX_RESTORED = 1 << 20  # bytes; a student's functions are a few kB

INIT = '''"""What you wrote, kept by keep(): from my_work import NAME. Each is imported when asked for."""

import importlib
import sys
import types
from pathlib import Path


class NotKept(ImportError):
    def _render_traceback_(self):  # a notebook shows one line
        return [str(self)]


class Kept(types.ModuleType):
    def __setattr__(self, name, value):  # Python sets the module of that name here; the function is wanted
        is_module = isinstance(value, types.ModuleType)
        super().__setattr__(name, getattr(value, name, value) if is_module else value)


sys.modules[__name__].__class__ = Kept


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if not Path(__file__).with_name(f"{name}.py").is_file():
        raise NotKept(f"my_work has no {name} yet. Solve its exercise and run keep({name}) there, or copy "
                      f"the {name}.py that you kept into {Path(__file__).parent}, or set USE_MY_WORK = False")
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)
'''

_checked = weakref.WeakKeyDictionary()  # function -> (points that its check gave, of how many)


class NotKept(CourseError, ImportError):
    """A function that is still to be written, or kept elsewhere. A notebook shows it as one line."""


class _Cannot(CourseError):
    """Why a function cannot be kept, for a student."""


def remember(functions, points, of):
    """Notes what a check gave for its exercise's functions, for `keep` to say; other values are ignored."""
    for function in functions:
        if isinstance(function, types.FunctionType):
            _checked[function] = points, of


def keep(*functions):
    """Writes functions of yours into the folder my_work beside this notebook, one file each.

    A function that is still the exercise's stub, or that cannot be kept for another reason, is named, and
    what was kept of it before stays. One that its check found wrong is kept, with a line that says so.
    """
    for function in functions:
        try:
            print(_keep(function, Path.cwd() / FOLDER))
        except _Cannot as reason:
            print(f"Not kept: {reason}")
    if functions and kept() and on_colab():
        with files.replacing(ZIP, ".zip") as part:
            shutil.make_archive(str(part.with_suffix("")), "zip", root_dir=".", base_dir=FOLDER)
        print("Colab deletes its files when the runtime ends. To keep yours:")
        print(f"    from google.colab import files; files.download({ZIP!r})")
        print(f"Next time put {ZIP} beside the notebook, and its first cell brings them back.")


def kept():
    """Names of the functions that are kept."""
    return sorted(filter(None, (_function_in(path.name) for path in Path(FOLDER).glob("*.py"))))


def bring_back(folder="."):
    """Unpacks my_work.zip, if it lies in the folder and no my_work does. -> a line that says so, or None"""
    source, target = Path(folder, ZIP), Path(folder, FOLDER)
    if target.exists() or not source.is_file():
        return None
    try:
        with zipfile.ZipFile(source) as packed:
            entries = {_function_in(entry.filename): entry for entry in packed.infolist()}
            entries.pop(None, None)
            if sum(entry.file_size for entry in entries.values()) > MAX_RESTORED:
                return f"{ZIP} was left alone: it holds far more than functions of yours."
            texts = {name: packed.read(entry).decode("utf-8") for name, entry in entries.items()}
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, NotImplementedError) as error:
        reason = told(source, "a zip", "a zip archive") or error
        return f"{ZIP} cannot be read ({reason}): your own work was not brought back."
    if not texts:
        return f"{ZIP} was left alone: there is none of your functions in it."
    for name, text in texts.items():
        _write(target / f"{name}.py", text)
    _write(target / "__init__.py", INIT)
    return f"Brought back from {ZIP}: {', '.join(sorted(texts))}."


def _function_in(filename):
    """The name of the function that a file of my_work holds; None for other files."""
    name = Path(filename).stem
    return name if filename.endswith(".py") and name.isidentifier() and name != "__init__" else None


class _Beside:
    """Lets `from my_work import NAME` find the folder beside the notebook, or say that there is none."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != FOLDER or any(Path(str(place), FOLDER, "__init__.py").is_file() for place in sys.path):
            return None
        if not kept():
            raise NotKept(f"""There is none of your work beside this notebook. What keep(...) kept is in the
                folder {FOLDER} beside the notebook in which you ran it: copy that folder into {Path.cwd()},
                or set USE_MY_WORK = False.""")
        with contextlib.suppress(OSError):  # functions were copied here one by one
            _write(Path.cwd() / FOLDER / "__init__.py", INIT)
        return None


if not any(getattr(finder, "__name__", None) == "_Beside" for finder in sys.meta_path):
    sys.meta_path.insert(0, _Beside)


def _keep(function, folder):
    """Keeps one function. -> the line to print. Raises _Cannot."""
    if not isinstance(function, types.FunctionType):
        raise _Cannot(f"""this is of the type {type(function).__name__}, not a function. Name the function
            itself, without calling it: keep(batch_rodrigues).""")
    name, home = function.__name__, function.__module__.split(".")[0]
    if name == "<lambda>":
        raise _Cannot("a lambda has no name to keep it by. Write it as `def name(...): return ...`.")
    if home in ("solutions", "course_lib"):
        raise _Cannot(f"""this {name} is the course's, from {function.__module__}. Run the cell in which you
            write yours first.""")
    if home == FOLDER:
        return f"{name} is the one that you kept already."
    text = _program(function)
    if _is_stub(text, name):
        raise _Cannot(f"{name} is still to be written (there is a `raise NotImplementedError` in it).")
    warning = ""
    if function in _checked:  # a function that was written anew since is another one
        points, of = _checked[function]
        gave = f"{CHECKED} = {points:g}, {of:g}  # points of its check, when it was kept"
        text += f"\n\n{gave}\n"
        if points < of:
            warning = f". But its check gave {points:g} of {of:g} points, and later lessons build on it."
    path = folder / f"{name}.py"
    _try(text, name, path)
    try:
        _write(path, text)
        _write(folder / "__init__.py", INIT)
    except OSError as error:
        raise _Cannot(f"{name}: {error.strerror or error}: {path}") from None
    for loaded in [module for module in sys.modules if f"{module}.".startswith(f"{FOLDER}.")]:
        del sys.modules[loaded]  # the next import finds the new one
    return f"Kept {name} in {FOLDER}/{name}.py: from {FOLDER} import {name}{warning}"


def _try(text, name, path):
    """Raises _Cannot where a function's program does not stand on its own."""
    module = types.ModuleType(f"{FOLDER}.{name}")
    module.__file__ = str(path)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, str(path), "exec"), module.__dict__)
            getattr(module, name)
    except Exception as error:
        said = " ".join(str(error).split())[:150]
        raise _Cannot(f"""{name} does not work on its own: {type(error).__name__}: {said}. Give it what it
            needs as arguments.""") from None


def _write(path, text):
    files.write(path, text)
    # Python compares whole seconds and sizes to see whether what it compiled is out of date: not enough
    # within a second.
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
    importlib.invalidate_caches()


# --- a function and what it uses, as a program --------------------------------------------------------------


def _program(function):
    """The text of a module with the function and what it uses of the notebook. Raises _Cannot."""
    function = inspect.unwrap(function)
    name, around = function.__name__, ", ".join(function.__code__.co_freevars)
    if function.__closure__ and around:
        raise _Cannot(f"{name}: it uses {around} of a function around it. Define it at the top of a cell.")
    try:
        own = textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError, SyntaxError):
        raise _Cannot(f"""{name}: its source cannot be read. Run the cell in which you write it, then this one
            again.""") from None
    made = _top_level(function)
    sources, seen = [], {name}

    def visit(source):  # what a source uses stands before it
        for used in sorted(_names_used(source) - seen):
            if used not in function.__globals__:  # a builtin, a local name, or missing: running it will tell
                continue
            seen.add(used)
            if used not in made:
                raise _Cannot(f"""{name}: it uses `{used}`, which is not made by a single line at the top of a
                    cell. Pass it to the function as an argument.""")
            visit(made[used])
            if made[used] not in sources:  # a line that makes two names is written once
                sources.append(made[used])

    visit(own)
    imports = [source for source in sources if source.startswith(("import ", "from "))]
    others = [source for source in sources if source not in imports]
    head = f'"""Kept from your notebook: {name}, and what it uses."""\n\n' + "\n".join(imports)
    return "\n\n\n".join([head.rstrip(), *others, own]) + "\n"


def _top_level(function):
    """The statements that make the notebook's names, the last of each. -> {name: source}"""
    found = {}
    for cell in _cells(function):
        with contextlib.suppress(SyntaxError, ValueError):
            for node in ast.parse(cell).body:
                found.update(_bindings(node, cell))
    return found


def _cells(function):
    """The cells of the notebook as they were run, or the text of the file in which the function stands."""
    shell = get_ipython()
    if shell is not None and function.__globals__ is shell.user_ns:
        return [cell for cell in shell.user_ns["In"] if cell]
    return ["".join(linecache.getlines(function.__code__.co_filename, function.__globals__))]


def _bindings(node, text):
    """(name, source) of each name that a statement makes; of a line of imports, only what makes that name."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            one = copy.copy(node)
            one.names = [alias]
            yield (alias.asname or alias.name).split(".")[0], ast.unparse(one)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        yield node.name, "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for part in (part for target in targets for part in ast.walk(target)):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id, ast.get_source_segment(text, node)


def _names_used(source):
    """Global names that a source reads, wherever in it, and no parameters or local names. -> set"""
    tables = [symtable.symtable(source, "kept", "exec")]
    for table in tables:
        tables.extend(table.get_children())
    symbols = [(symbol, table.get_type() == "module") for table in tables for symbol in table.get_symbols()]
    read = [symbol for symbol, on_top in symbols if symbol.is_referenced() and (on_top or symbol.is_global())]
    return {symbol.get_name() for symbol in read}


def _is_stub(text, name):
    """Whether the function `name` still begins with the exercise's NotImplementedError."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    lines = [line for function in functions if function.name == name for line in function.body]
    return any(isinstance(line, ast.Raise) and "NotImplementedError" in ast.unparse(line) for line in lines)
