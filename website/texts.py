"""The project's own texts as pages: Markdown files, whose links lead on within the site, and the reference.

A link to a file that is no page leads to the repository, where one is named in course_lib.environment;
elsewhere its words stay, without a link.
"""

import importlib
import pkgutil
import re
import shutil

from course_lib.environment import REPOSITORY
from course_lib.errors import CourseError
from course_lib.files import write
from lessons.build import ROOT

# page: its title, and the texts it is made of: a Markdown file, and which of its sections, by how it begins
# ("": what stands before the first; None: the whole file)
TEXTS = {
    "begin": ("Begin", [("README.md", ""), ("README.md", "For students")]),
    "handbook": (
        "The instructor's handbook",
        [("README.md", "For instructors"), ("autograder/README.md", None)],
    ),
    "how_well": ("How well does it work?", [("benchmarks/README.md", None)]),
    "dolphin": ("The dolphin and its clip", [("assets/README.md", None)]),
    "footage": ("Your own footage", [("README.md", "Your own footage")]),
    "commands": ("The command line", [("README.md", "The command line")]),
    "house": (
        "Where things are",
        [("README.md", "Where things are"), ("README.md", "What was tested where")],
    ),
    "contributing": ("How we write", [("CONTRIBUTING.md", None)]),
    "changes": ("Changes", [("CHANGELOG.md", None)]),
    "licence": ("Licence", [("README.md", "Licence")]),
}
# page: what it says, the package, and those of its packages that have pages of their own
REFERENCE = {
    "course_lib": ("The provided code, in the alphabet's order.", "course_lib", ("kal", "check")),
    "kal": ("A twin of kaolin's API that needs no GPU.", "course_lib.kal", ()),
    "check": (
        "The checks of the exercises: what a judge asks, and what is said of a mistake.",
        "course_lib.check",
        (),
    ),
    "solutions": ("The course's own solutions of the exercises.", "solutions", ()),
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
PICTURES = (".png", ".jpg", ".svg")


def source_of(page):
    """The file that a page is written in, as a path in the project; None where it is made of many."""
    if page in TEXTS:
        return TEXTS[page][1][-1][0]
    if page.startswith("lessons/"):
        return f"{page}.py"
    return "website/index.md" if page == "index" else None


def write_pages(folder):
    """Writes the pages of TEXTS and REFERENCE into `folder`, with the pictures that they show."""
    for page, (title, parts) in TEXTS.items():
        texts = [
            _linked(_part(file, section, n > 0), file, folder) for n, (file, section) in enumerate(parts)
        ]
        text = "\n\n".join(texts)
        write(folder / f"{page}.md", f"# {title}\n\n{text}\n")
    write(folder / "index.md", _linked((ROOT / "website/index.md").read_text(), "website/index.md", folder))
    for page, (about, package, others) in REFERENCE.items():
        write(folder / "reference" / f"{page}.md", reference(package, about, others))


def _part(file, section, titled=False):
    """The text of a section of a file, with or without its title; of the whole file where section is None."""
    text = (ROOT / file).read_text(encoding="utf-8")
    beginning, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    if not section:
        return re.sub(r"\A# .*\n", "", text if section is None else beginning)
    found = [part for part in parts if part.startswith(section)]
    if len(found) != 1:
        raise CourseError(f"""{file} has {len(found)} sections that begin with {section!r}, expected 1: name
            it in website/texts.py as it is called now.""")
    return f"## {found[0]}" if titled else found[0].partition("\n")[2]


def _linked(text, file, folder):
    """A file's text with links that work on the site; the pictures it shows are copied into `folder`."""

    def link(found):
        picture, words, target = found.groups()
        path, _, anchor = target.partition("#")
        there = ((ROOT / file).parent / path).resolve()
        if not path or not there.exists():  # within the page, elsewhere, or a page of the site: Sphinx knows
            return found[0]
        name = there.relative_to(ROOT).as_posix()
        if there.suffix in PICTURES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(there, folder / name)
            return f"{picture}[{words}]({name})"
        if page := _page(name, anchor):
            return f"[{TEXTS[page][0] if words.endswith('.md') else words}]({page}.md)"
        return f"[{words}](https://github.com/{REPOSITORY}/blob/main/{name})" if REPOSITORY else words

    return LINK.sub(link, text)


def _page(name, anchor):
    """The page on which a file of the project stands, or its section `anchor`; None where it is on none."""
    for page, (_, parts) in TEXTS.items():
        for file, section in parts:
            heading = (section or "").lower().replace(" ", "-")
            if name == file and (
                section is None or anchor == heading or heading and anchor.startswith(heading)
            ):
                return page
    return None


def reference(package, about, others):
    """A reference page, in MyST: every module of a package, from the docstrings. others: left out"""
    names = [package]
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not any(f"{module.name}.".startswith(f"{package}.{other}.") for other in others):
            names.append(module.name)
    parts = [f"# `{package}`\n\n{about}"]
    for name in names:
        parts.append(
            f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```{_offered(name)}"
        )
    return "\n\n".join(parts) + "\n"


def _offered(name):
    """What a package offers under its own name, with links to where each is described."""
    try:
        module = importlib.import_module(name)
    except ImportError:  # an optional package, which the reference does without
        return ""
    homes = {key: getattr(value, "__module__", None) or "" for key, value in vars(module).items()}
    offered = [key for key, home in homes.items() if home.startswith(f"{name}.") and not key.startswith("_")]
    links = ", ".join(f"{{py:obj}}`{key} <{homes[key]}.{key}>`" for key in sorted(offered))
    return f"\n\nOffered here, described below: {links}." if links else ""
