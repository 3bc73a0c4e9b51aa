"""What the pages say: every link leads somewhere, every command and option exists."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / folder / "README.md" for folder in ("", "assets", "benchmarks", "autograder")]
PAGES.append(ROOT / "CONTRIBUTING.md")
MAKEFILE = (ROOT / "Makefile").read_text()
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "-" + page.stem)


@each_page
def test_links_and_pictures_are_there(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert targets and not missing
    for alternative in re.findall(r"!\[([^\]]*)\]", page.read_text()):
        assert len(alternative) > 15, f"a picture without a description: {alternative!r}"


@each_page
def test_make_targets_exist(page):
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=[^.]*)", "\n".join(code_of(page))))
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    assert named <= targets, named - targets


@pytest.mark.slow
def test_commands_and_options_exist():
    commands = [command for page in PAGES for command in code_of(page)]
    found = [re.search(r"\bdolphins ((?:[a-z]+ ?)+)(.*)", command) for command in commands]
    for words, rest in (match.groups() for match in found if match):
        help_text = help_of(*words.split())
        unknown = [option for option in re.findall(r"--[a-z-]+", rest) if option not in help_text]
        assert not unknown, f"`dolphins {words}` has no {unknown}"
    assert sum(map(bool, found)) >= 4


def code_of(page):
    """Lines of code blocks and inline code."""
    text = page.read_text()
    return [*re.findall(r"^    (.*\S)", text, flags=re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)]


@functools.cache
def help_of(*words):
    command = [sys.executable, "-m", "dolphins", *words, "--help"]
    environment = {"COLUMNS": "200", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"dolphins {' '.join(words)}: {done.stderr}"
    return done.stdout
