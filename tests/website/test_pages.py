"""What becomes of the sources: texts with links, lessons with outputs, docstrings, files of npm packages."""

import hashlib
import io
import json
import re
import tarfile

import nbformat
import pytest

from course_lib.errors import CourseError
from lessons.build import ROOT
from website import conf, lessons, npm, texts

CODE, MARKDOWN = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
FIGURE = {"data": [{"x": [1], "name": "</script>"}], "layout": {"height": 300}, "config": {}}


def output(kind, **content):
    return nbformat.v4.new_output(kind, **content)


@pytest.fixture
def page():
    """A lesson's page, of a student's notebook and a solved one."""
    graded = {"nbgrader": {"grade": True}}
    student = [
        MARKDOWN("# Lesson\n\nAbout."),
        CODE("raise NotImplementedError", id="exercise"),
        MARKDOWN("# Epilogue\n\n| a | b |\n\nThe *track* and [its end](x.md)."),
        CODE("draw()", id="drawn", metadata={"jupyter": {"source_hidden": True}}),
        CODE("check()", id="check", metadata=graded),
    ]
    progress = "\r  0%|   | 0/2\r100%|###| 2/2"
    outputs = [
        output("stream", name="stdout", text=progress),
        output("stream", name="stdout", text=f"\nIn {ROOT}/assets.\n"),
        output("stream", name="stderr", text="a warning"),
        output("display_data", data={lessons.PLOTLY: FIGURE, "text/plain": "Figure"}),
        output("execute_result", data={"text/plain": "<Axes: >"}),
    ]
    points = output("execute_result", data={"text/plain": "20.0"})
    solved = [
        CODE("solved", id="exercise"),
        CODE("draw()", id="drawn", outputs=outputs),
        CODE("check()", id="check", outputs=[points]),
    ]
    notebooks = (nbformat.v4.new_notebook(cells=cells) for cells in (student, solved))
    return lessons.page_of(*notebooks, "01_lesson.ipynb")


def test_a_page_has_the_students_code_and_the_solved_notebooks_outputs(page):
    _, exercise, _, drawn, check = page.cells
    assert exercise.source == "raise NotImplementedError" and exercise.outputs == check.outputs == []
    text, figure = drawn.outputs
    assert text.text == "In dolphins-in-3d/assets.\n"
    assert drawn.metadata["tags"] == ["hide-input"]
    assert drawn.metadata["mystnb"]["image"]["alt"].endswith("The track and its end.")
    assert "The track and its end." in figure.data["text/html"] and "height:300px" in figure.data["text/html"]


def test_a_figure_is_its_data_and_cannot_end_its_script_early(page):
    found = page.cells[3].outputs[1].data["text/html"]
    data = found.split('<script type="application/json">')[1].split("</script>")[0]
    assert json.loads(data) == {"data": FIGURE["data"], "layout": FIGURE["layout"]}


def test_a_page_has_one_title_and_says_where_the_notebook_is(page):
    assert page.cells[2].source.startswith("## Epilogue")
    assert "<download/01_lesson.ipynb>" in page.cells[0].source and "Colab" not in page.cells[0].source


def test_where_a_repository_is_named_links_lead_there(monkeypatch, tmp_path):
    source = "[code](lessons/build.py), [begin](README.md#for-students-the-lessons), [x](https://x.org)"
    assert texts._linked(source, "README.md", tmp_path).startswith(
        "code, [begin](begin.md), [x](https://x.org)"
    )
    for module in (texts, lessons):
        monkeypatch.setattr(module, "REPOSITORY", "sea/dolphins")
    linked = texts._linked(source, "README.md", tmp_path)
    assert "[code](https://github.com/sea/dolphins/blob/main/lessons/build.py)" in linked
    notice = lessons._notice("01_lesson.ipynb")
    assert (
        "https://colab.research.google.com/github/sea/dolphins/blob/main/notebooks/01_lesson.ipynb" in notice
    )


def test_a_link_to_a_section_leads_to_its_page(tmp_path):
    links = "[a](README.md), [b](README.md#where-things-are), [README.md](assets/README.md#files)"
    shown = "[a](begin.md), [b](house.md), [The dolphin and its clip](dolphin.md)"
    assert texts._linked(links, "CONTRIBUTING.md", tmp_path) == shown


def test_a_picture_comes_along(tmp_path):
    shown = texts._linked("![a dolphin](pictures/clip_frame.jpg)", "assets/README.md", tmp_path)
    assert shown == "![a dolphin](assets/pictures/clip_frame.jpg)" and (tmp_path / shown[13:-1]).is_file()


def test_a_section_that_is_no_longer_there_is_named():
    with pytest.raises(CourseError, match="README.md has 0 sections that begin with 'For dolphins'"):
        texts._part("README.md", "For dolphins")


@pytest.mark.parametrize("page", [*texts.TEXTS, "index", "lessons/03_differentiable_rendering"])
def test_every_text_is_edited_in_a_file(page):
    assert (ROOT / texts.source_of(page)).is_file()


@pytest.mark.parametrize(
    "docstring, shown",
    [
        ("The *-th |x|_ of `a_b`.", r"The \*-th \|x\|\_ of ``a_b``."),
        ("a (B, 3): one.\nb, c: two,\n   more.", "* a (B, 3): one.\n\n* b, c: two,\n     more."),
        ("As in:\n\n    x = 1\n\n    y\n\nThen.", "As in:\n\n::\n\n    x = 1\n\n    y\n\nThen."),
    ],
)
def test_a_docstring_is_plain_text(docstring, shown):
    lines = docstring.splitlines()
    conf.plain_docstring(None, "function", "f", None, None, lines)
    assert re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip() == shown


@pytest.fixture
def registry(monkeypatch):
    """A registry that answers with one package, or is out of reach. -> dict with its answer"""
    holds = {"content": b"let x;"}

    def urlopen(address, timeout):
        if holds["content"] is None:
            raise OSError("no network")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            entry = tarfile.TarInfo("package/x.js")
            entry.size = len(holds["content"])
            archive.addfile(entry, io.BytesIO(holds["content"]))
        return io.BytesIO(packed.getvalue())

    monkeypatch.setattr(npm.urllib.request, "urlopen", urlopen)
    return holds


def test_a_file_of_a_package_is_fetched_once_and_only_if_it_is_the_tested_one(registry, tmp_path):
    wanted = ("x", "1.0", "x.js", hashlib.sha256(b"let x;").hexdigest())
    path = npm.npm_file(*wanted, folder=tmp_path)
    registry["content"] = None
    assert npm.npm_file(*wanted, folder=tmp_path) == path and path.read_bytes() == b"let x;"
    path.write_bytes(b"damaged")
    with pytest.raises(CourseError, match="x 1.0 could not be fetched .*no network.*connect to the internet"):
        npm.npm_file(*wanted, folder=tmp_path)
    registry["content"] = b"let y;"
    with pytest.raises(CourseError, match="not the file that was tested"):
        npm.npm_file(*wanted, folder=tmp_path)
