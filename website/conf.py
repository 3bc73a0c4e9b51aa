"""Sphinx's settings for the site, whose pages `python -m website` makes; how it reads docstrings."""

import re

from course_lib.environment import REPOSITORY
from website.npm import MATHJAX
from website.texts import source_of

project = "Dolphins in 3D"
copyright = "the authors of Dolphins in 3D, MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["lessons/download"]
templates_path = ["templates"]

html_theme = "furo"
html_title = "Dolphins in 3D"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
mathjax_path = f"{MATHJAX[0]}-{MATHJAX[1]}.js"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # they come with their outputs
nb_merge_streams = True

autodoc_mock_imports = ["kaolin", "sam2"]
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # not those of torch
add_module_names = False

ARGUMENT = r"[a-z_]\w*(?: \([^()]*\))?(?: [a-z]\w*)?"  # name (shape) type
ITEM = re.compile(rf"{ARGUMENT}(?:, {ARGUMENT})*")


def plain_docstring(app, what, name, obj, options, lines):
    """Has Sphinx read a docstring as it was meant, as plain text: nothing in it is markup but `code`.

    Paragraphs stay; what is indented keeps its layout; a line that begins with "name (shape):" or "name:"
    begins an item of a list.
    """
    shown, kind = [], ""
    for line in lines:
        before = kind
        begins_item = ": " in line and ITEM.fullmatch(line.partition(": ")[0])
        if line.startswith("    "):
            kind = "literal"
        elif begins_item:
            kind = "item"
        elif line and kind != "item":
            kind = "text"
        elif not line and kind != "literal":
            kind = ""
        if kind != before or begins_item:
            shown += ["", "::", ""] if kind == "literal" else [""]
        indent = {"item": "* " if begins_item else "  "}.get(kind, "")
        shown.append(line if kind == "literal" else indent + _escaped(line))
    lines[:] = shown


def _escaped(line):
    """A line in which nothing is markup but `code`."""
    parts = line.split("`")
    if len(parts) % 2 == 0:
        return re.sub(r"([\\`*|_])", r"\\\1", line)
    parts[::2] = [re.sub(r"([\\*|_])", r"\\\1", part) for part in parts[::2]]
    return "``".join(parts)


def add_to_page(app, pagename, templatename, context, doctree):
    """Gives a page what it needs: where it is edited, Plotly where there are figures, levels of headings."""
    source = source_of(pagename)
    address = f"https://github.com/{REPOSITORY}/edit/main/{source}"
    context["edit_address"] = address if REPOSITORY and source else None
    body = context.get("body", "")
    context["body"] = body.replace(' aria-label="Toggle hidden content"', "")  # its text says what it folds
    if 'class="plotly"' in body:
        app.add_js_file("plotly.min.js", loading_method="defer")
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app):
    """Connects them."""
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("html-page-context", add_to_page, priority=900)  # after the theme
