"""pyproject.toml, constraints.txt and environment.yml say the same; importing the course is light."""

import re
import subprocess
import sys
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
CONSTRAINTS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
EXTRAS = ("dev", "assets", "lab", "grade")


def wanted():
    lines = list(PROJECT["dependencies"])
    for extra in (*EXTRAS, "sam2"):  # `make test` alone installs SAM-2
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def test_every_requirement_has_one_tested_version_for_each_python():
    for requirement in wanted():
        for python in ("3.10", "3.11", "3.12", "3.13"):
            pins = [
                c
                for c in CONSTRAINTS
                if c.name == requirement.name
                and (c.marker is None or c.marker.evaluate({"python_version": python}))
            ]
            if requirement.marker is not None and not requirement.marker.evaluate({"python_version": python}):
                continue
            assert len(pins) == 1, (
                f"{requirement.name} on Python {python}: {len(pins)} pins in constraints.txt"
            )
            pinned = re.fullmatch(r"==(.+)", str(pins[0].specifier)).group(1)
            assert Version(pinned) in requirement.specifier, f"{pins[0]} is outside of {requirement}"


def test_a_pinned_version_can_be_installed_on_every_python_that_it_is_for():
    from importlib.metadata import metadata

    for pin in CONSTRAINTS:
        if pin.marker is None or pin.marker.evaluate():
            takes = SpecifierSet(metadata(pin.name).get("Requires-Python", ""))
            for python in ("3.10", "3.11", "3.12", "3.13"):
                if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                    assert f"{python}.20" in takes, (
                        f"{pin} cannot be installed on Python {python}: it takes {takes}"
                    )


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
    from importlib.metadata import version

    for pin in CONSTRAINTS:
        if pin.marker is None or pin.marker.evaluate():
            assert Version(version(pin.name)).base_version in pin.specifier, (
                f"{pin} but {version(pin.name)} is installed"
            )


def test_importing_the_course_does_no_heavy_work():
    """What is slow to import is imported where it is used."""
    heavy = ["numba", "scipy", "plotly", "matplotlib", "cv2", "kaolin", "jinja2", "imageio_ffmpeg"]
    code = (
        "import torch, sys, course_lib.kal, course_lib.video, course_lib.scene, solutions.rendering; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize(
    "package, forbidden",
    [
        ("course_lib", "solutions|dolphins|autograder"),
        ("solutions", "dolphins|autograder"),
        ("assets", "solutions|dolphins|autograder"),
    ],
)
def test_packages_depend_in_one_direction_only(package, forbidden):
    for path in (ROOT / package).rglob("*.py"):
        found = re.findall(
            rf"^\s*(?:from|import)\s+(?:{forbidden})\b.*$", path.read_text(), flags=re.MULTILINE
        )
        assert not found, f"{path.relative_to(ROOT)}: {found}"
