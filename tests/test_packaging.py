"""The requirements agree, imports are light and without circles, the code is as CONTRIBUTING.md says."""

import ast
import graphlib
import re
import subprocess
import sys
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = (ROOT / "constraints.txt").read_text().splitlines()
CONSTRAINTS = [Requirement(line) for line in LINES if line and not line.startswith("#")]
EXTRAS = ("dev", "assets", "lab", "grade", "site")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def wanted():
    lines = list(PROJECT["dependencies"])
    for extra in (*EXTRAS, "sam2"):  # `make test` alone installs SAM-2
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def holds(requirement, python=None):
    """Whether a requirement is meant for a Python, by default this one."""
    place = {"python_version": python} if python else None
    return requirement.marker is None or requirement.marker.evaluate(place)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_one_tested_version(python):
    for requirement in (requirement for requirement in wanted() if holds(requirement, python)):
        pins = [pin for pin in CONSTRAINTS if pin.name == requirement.name and holds(pin, python)]
        assert len(pins) == 1, f"{requirement.name}: {len(pins)} pins in constraints.txt"
        pinned = re.fullmatch(r"==(.+)", str(pins[0].specifier))[1]
        assert Version(pinned) in requirement.specifier, f"{pins[0]} is outside of {requirement}"


@pytest.mark.parametrize("python", PYTHONS)
def test_a_pinned_version_can_be_installed(python):
    for pin in CONSTRAINTS:
        if holds(pin) and holds(pin, python):
            takes = SpecifierSet(metadata(pin.name).get("Requires-Python", ""))
            assert f"{python}.20" in takes, f"{pin} cannot be installed on Python {python}: it takes {takes}"


def test_nothing_is_pinned_that_nobody_asks_for():
    assert {c.name for c in CONSTRAINTS} <= {r.name for r in wanted()}


def test_users_are_never_pinned():
    """On Colab a pin would replace what the runtime brings."""
    for requirement in PROJECT["dependencies"]:
        assert set(re.findall(r"[<>=!~]+", requirement)) <= {">="}, requirement


def test_conda_installs_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert f"python{PROJECT['requires-python']}" in conda
    assert pip == ["-c constraints.txt", f"-e .[{','.join(EXTRAS)}]"]


def test_the_installed_versions_are_the_tested_ones():
    installed = {pin: version(pin.name) for pin in CONSTRAINTS if holds(pin)}
    for pin, there in installed.items():
        assert Version(there).base_version in pin.specifier, f"{pin} but {there} is installed"


def test_importing_the_course_does_no_heavy_work():
    """What is slow to import is imported where it is used."""
    heavy = ["numba", "scipy", "plotly", "matplotlib", "cv2", "kaolin", "jinja2", "imageio_ffmpeg"]
    modules = "course_lib.kal, course_lib.video, course_lib.scene, solutions.rendering"
    code = f"import torch, sys, {modules}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


# --- the dialect of CONTRIBUTING.md, as far as ruff does not hold it

ROOMS = ("course_lib", "solutions", "lessons", "autograder", "dolphins")  # each may import those before it
MAY_IMPORT = {room: ROOMS[:n] for n, room in enumerate(ROOMS)} | {"assets": ("course_lib",)}
FOLDERS = (*MAY_IMPORT, "benchmarks", "website", "tests")
SOURCES = {path: path.read_text() for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
TREES = {path: ast.parse(source) for path, source in SOURCES.items()}


def name_of(path):
    """A file as a module, or its package: course_lib.show.mesh."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SOURCES}


def imports_of(path):
    """The modules that a file imports, in functions too; of `from package import module` the module."""
    found = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            origin = ".".join([*package, *filter(None, [node.module])])
            names = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else origin for name in names}
    return found


def functions(paths):
    """-> (file and line, function) of all functions of files"""
    for path in paths:
        for node in ast.walk(TREES[path]):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_depend_in_one_direction_only(room):
    others = set(MAY_IMPORT) - {room, *MAY_IMPORT[room]}
    for path in (ROOT / room).rglob("*.py"):
        wrong = [name for name in imports_of(path) if name.split(".")[0] in others]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_there_are_no_circles_not_even_inside_functions():
    graph = {name: imports_of(path) & MODULES.keys() for name, path in MODULES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))


def test_no_function_has_more_than_60_lines():
    paths = [path for path in SOURCES if (ROOT / "tests") not in path.parents]
    lengths = {place: node.end_lineno - node.lineno + 1 for place, node in functions(paths)}
    assert not {place: length for place, length in lengths.items() if length > 60}


def test_no_line_has_more_than_110_columns():
    for path, source in SOURCES.items():
        for n, line in enumerate(source.splitlines(), 1):
            assert len(line) <= 110, f"{path.relative_to(ROOT)}:{n}: {line}"


def test_functions_have_no_annotations():
    """Docstrings give shapes and units; but typer reads annotations."""
    paths = [path for path in SOURCES if path != ROOT / "dolphins" / "cli.py"]
    annotated = []
    for place, node in functions(paths):
        arguments = [child for child in ast.walk(node.args) if isinstance(child, ast.arg)]
        if node.returns or any(argument.annotation for argument in arguments):
            annotated.append(place)
    assert not annotated


def test_pre_commit_takes_the_tested_ruff():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    wanted = {entry for hook in hooks for entry in hook.get("additional_dependencies", ())}
    assert wanted == {str(pin) for pin in CONSTRAINTS if pin.name == "ruff"}
