"""One student's page: what holds, what does not and why, and the pictures that the notebook shows.

Pages are single files without scripts, and their content security policy forbids any. Everything that comes
from a student is escaped. A page holds what the check in the notebook says too: the judge lets nothing into a
record that a hidden case could have shaped.
"""

import functools
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from .likeness import shingles
from .records import is_png


def seen(known, record):
    """What a student's record shows; called behind the boundary.

    known: what the class's report knows of it: {"title", "of", "name", "late", "total", "exercises": [{"key",
    "title", "of", "points", "by_hand", "comment", "untouched"}]} -> text of the page, {exercise: the solution
    as `likeness.shingles` sees it}
    """
    written = record.get("solution_text", {})
    touched = [one["key"] for one in known["exercises"] if not one["untouched"]]
    return page_of(known, record), {key: shingles(written.get(key, "")) for key in touched}


def page_of(known, record):
    """The page. -> text"""
    shown = []
    for one in known["exercises"]:
        properties = record["exercises"].get(one["key"], {}).get("properties", [])
        pictures = [p["png"] for p in record.get("pictures", []) if p["exercise"] == one["key"]]
        pictures = [png for png in pictures if is_png(png)]
        shown.append({**one, "properties": properties, "pictures": pictures})
    errors = [cell["error"] for cell in record["cells"]]
    errors = [error for error in errors if "NotImplementedError: Exercise" not in error]
    return render("feedback.html.j2", known=known, record=record, shown=shown, errors=errors)


def without_words(record, note):
    """A record without anything that the student wrote, for a page that says why. note: that"""
    exercises = {key: {**of, "properties": []} for key, of in record["exercises"].items()}
    empty = {name: [] for name in ("cells", "pictures", "repairs")}
    return {**record, **empty, "exercises": exercises, "notes": [note], "solution_text": {}}


def render(template, **values):
    """A page of the folder pages/, filled. -> text"""
    return _templates().get_template(template).render(**values)


@functools.cache
def _templates():
    pages = jinja2.FileSystemLoader(Path(__file__).with_name("pages"))
    settings = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    environment = jinja2.Environment(loader=pages, trim_blocks=True, lstrip_blocks=True, **settings)
    environment.filters |= {"points": _points_text, "code": _code_text}
    return environment


def _points_text(points):
    """7.5 -> "7.5", 7.0 -> "7", None -> "–" """
    return "–" if points is None else f"{round(points, 2):g}"


# No use on a page.
IN_THE_NOTEBOOK = re.compile(r" Run the cell in which you write \w+, then this one again\.")


def _code_text(text):
    """Escapes a text and shows what stands in `backquotes` as code."""
    text = IN_THE_NOTEBOOK.sub("", text or "")
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
