"""What a student's process gets of the checks: the calls, and nothing that knows what is right.

The checks know the answers: cases are made, and judged, by the right formulas. In the sandbox only a
property's `call` runs. So of `course_lib.check` no more than `core` lies there: its exercises answer that
they are checked later, and the other modules have nothing. What an exercise asks, its properties with `call`
and what `call` needs, is cut out of the checks by their syntax trees and sent with the exercise's first
question (`modules_of`).

Exercise 6 is asked with spare parts for exercises 4 and 5, which answer these: `answered_by` finds such
exercises by the names that their questions define. They are asked last, and no process that heard them is
asked for the others again.
"""

import ast
import copy
import functools
import importlib
import itertools
import re

from course_lib import check
from course_lib.check import core

from . import release

FOLDER = "course_lib/check"
LIBRARY = ("core", "devices", "places", "raised")  # modules of the checks without answers
NEVER = {"inputs", "judge"}  # a property's parts that run outside alone

PACKAGE = '''"""The checks while a notebook is graded: they ask from outside, and know nothing in here."""

from . import core


def _asked_later(number, title, points):
    def check(*functions):
        print(f"Exercise {{number}} · {{title}}: this is checked when the notebook is graded.")
        return points

    return check


{exercises}
'''
NOTHING = '''"""Not here while a notebook is graded."""

from course_lib.errors import CourseError


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def absent(*_, **__):
        raise CourseError(f"{{name}} of course_lib.check.{module} is not here while a notebook is graded.")

    return absent
'''


def files(lesson):
    """What lies in the sandbox in which a lesson's submissions run. -> {path: bytes}, as `release.files`"""
    content = release.files([lesson])
    for path in [path for path in content if path.startswith(f"{FOLDER}/")]:
        module = path.removeprefix(f"{FOLDER}/").removesuffix(".py")
        if module not in LIBRARY:
            content[path] = NOTHING.format(module=module).encode()
    later = (f"{name} = _asked_later{(e.number, e.title, e.points)}" for name, e in exercises().items())
    content[f"{FOLDER}/__init__.py"] = PACKAGE.format(exercises="\n".join(later)).encode()
    return _without_unused(content, lesson)


def _without_unused(content, lesson):
    """Takes out what answers an exercise of the lesson and is used by nothing else. -> files, as given"""
    cells = release.student_notebook(lesson).cells
    asked = [exercises().get(cell.metadata.get("nbgrader", {}).get("grade_id")) for cell in cells]
    for path in [path for exercise in asked if exercise for path in exercise.withheld]:
        module, _, name = path.rpartition(".")
        file = f"{module.replace('.', '/')}.py"
        node = next(node for node in ast.parse(content[file]).body if getattr(node, "name", None) == name)
        lines = content[file].splitlines(keepends=True)
        without = content | {file: b"".join(lines[: node.lineno - 1] + lines[node.end_lineno :])}
        used = re.compile(rf"\b{name}\b".encode())
        if not any(used.search(text) for path, text in without.items() if path.endswith((".py", ".ipynb"))):
            content = without
    return content


@functools.cache
def exercises():
    """The exercises by name. -> {name: Exercise}"""
    return {name: value for name, value in vars(check).items() if isinstance(value, core.Exercise)}


@functools.cache
def modules_of(name):
    """What an exercise asks. -> list of (module of the checks, its text), each after those that it imports

    The last one defines the exercise, by its name.
    """
    home = next(module for module, source in _checks().items() if name in source.defined)
    kept, members, before = {(home, name)}, {"call"}, None
    while (kept, members) != before:  # what is kept mentions more, until it does not
        before = set(kept), set(members)
        nodes = {place: _checks()[place[0]].cut(place[1], members) for place in kept}
        for (module, _), node in nodes.items():
            members |= _asked_of_classes(node)
            kept |= _checks()[module].mentions(node)
    texts = {}
    for module, source in _checks().items():
        found = {of_it: node for (in_it, of_it), node in nodes.items() if in_it == module}
        if found:
            texts[module] = source.text(found)
    return list(texts.items())


@functools.cache
def answered_by(name):
    """The exercises whose functions the questions of another define. -> set of names"""
    trees = [ast.parse(text) for _, text in modules_of(name)]
    defined = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {other for other, exercise in exercises().items() if defined & set(exercise.functions)}


@functools.cache
def keys_of(name):
    """What a complaint that the questions of an exercise make can be called. -> set of words"""
    trees = [ast.parse(text) for text in [_read("core"), *dict(modules_of(name)).values()]]
    said = itertools.chain(*map(_texts_in, trees))
    words = {text.partition(":")[0].partition(",")[0] for text in said}
    return {word for word in words if re.fullmatch(r"[a-z]+(-[a-z\d]+)*", word)}


# --- the checks as syntax trees


def _read(module):
    return (release.ROOT / FOLDER / f"{module}.py").read_text(encoding="utf-8")


def _texts_in(node):
    constants = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


@functools.cache
def _checks():
    """The modules of the checks that know answers. -> {name: _Source}, each after those that it imports"""
    paths = sorted((release.ROOT / FOLDER).glob("[!_]*.py"))
    waiting = {path.stem: _Source(path.stem) for path in paths if path.stem not in LIBRARY}
    ordered = {}
    while waiting:
        name = next(name for name, source in waiting.items() if not source.siblings & waiting.keys())
        ordered[name] = waiting.pop(name)
    return ordered


class _Source:
    """A module of the checks.

    defined: {name: its syntax tree}; imported: {name: (statement, module of the checks or None, name there,
    None for the module itself)}; siblings: the modules of the checks that it imports.
    """

    def __init__(self, module):
        self.module, self.defined, self.imported = module, {}, {}
        for node in ast.parse(_read(module)).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.defined[node.name] = node
            elif isinstance(node, ast.Assign):
                self.defined |= dict.fromkeys(_bound_by(node), node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self.take_in(node)
        self.siblings = {home for _, home, _ in self.imported.values()} - {None}

    def take_in(self, node):
        """Notes what an import statement binds."""
        for alias in node.names:
            one = copy.copy(node)
            one.names = [alias]
            home, there = None, None
            if getattr(node, "level", 0) == 1:  # of the checks
                home, there = (node.module, alias.name) if node.module else (alias.name, None)
            home = None if home in LIBRARY else home
            self.imported[alias.asname or alias.name.split(".")[0]] = one, home, there

    def mentions(self, node):
        """The definitions of the checks that a part of this module names. -> set of (module, name)"""
        found = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self.defined:
                found.add((self.module, part.id))
            elif isinstance(part, ast.Name) and part.id in self.imported:
                _, home, there = self.imported[part.id]
                found |= {(home, there)} if there and home else set()
            elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                _, home, there = self.imported.get(part.value.id, (None, None, None))
                found |= {(home, part.attr)} if home and not there else set()
        return found

    def cut(self, name, members):
        """A definition without docstrings, and of a property no more than the members that are asked for."""
        node = copy.deepcopy(self.defined[name])
        value = getattr(importlib.import_module(f"{check.__name__}.{self.module}"), name)
        if isinstance(value, type) and issubclass(value, core.Property):
            node.body = [part for part in _one_by_one(node.body) if _is_asked_for(part, members)]
        for part in ast.walk(node):
            if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
                if part.body and ast.get_docstring(part) is not None:
                    del part.body[0]
                part.body = part.body or [ast.Pass()]
        return node

    def text(self, found):
        """The module with these definitions alone. -> text

        found: {name: its tree, cut}.
        """
        used = {part.id for node in found.values() for part in ast.walk(node) if isinstance(part, ast.Name)}
        parts = [one for name, (one, _, _) in self.imported.items() if name in used]
        once = {id(self.defined[name]): found[name] for name in self.defined if name in found}
        parts += once.values()
        return "\n\n".join(map(ast.unparse, parts)) + "\n"


def _bound_by(node):
    """The names that an assignment binds."""
    return [part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def _one_by_one(body):
    """Statements, of which `a, b = x, y` is two: one name may be asked for, and the other an answer."""
    for part in body:
        match part:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                yield from (ast.Assign([name], value, lineno=0) for name, value in zip(names, values))
            case _:
                yield part


def _asked_of_classes(node):
    """What a part asks of its own class or another: self.X, super().X, Name.X. -> set of names"""
    found = set()
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                found.add(part.attr)
            case ast.Attribute(value=ast.Name(id=name)) if name == "self" or name[:1].isupper():
                found.add(part.attr)
    return found


def _is_asked_for(part, members):
    """Whether a member of a property is kept."""
    if isinstance(part, ast.FunctionDef):
        return part.name in members - NEVER
    return isinstance(part, ast.Assign) and bool(members & set(_bound_by(part)))
