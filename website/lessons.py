"""The lessons as pages: what students open, with the outputs that the solved notebooks give.

A page shows an exercise as a student finds it, and below it all pictures, videos and checks as they are once
it is solved. What stands in a notebook's outputs becomes what a page can carry: Plotly's figures are data,
which static/site.js draws; pictures get descriptions; progress bars are left out.
"""

import hashlib
import html
import json
import os
import re
import shutil
import tempfile

import nbformat

from course_lib.environment import REPOSITORY
from course_lib.errors import CourseError
from course_lib.files import write
from lessons import build
from lessons.execute import execute

PLOTLY = "application/vnd.plotly.v1+json"
PROGRESS = re.compile(r"[^\n\r]*\r[^\n]*\n?")  # lines that were written over
BADGE = re.compile(r"\n*\[!\[Open in Colab\][^\n]*")
SOURCES = ("course_lib", "solutions", "dolphins")  # what a page's pictures depend on, with the dolphin itself


def digest(*more):
    """What the results depend on, as a short name: the code, the dolphin, the sizes, and `more` texts."""
    paths = [path for folder in SOURCES for path in (build.ROOT / folder).rglob("*.py")]
    paths += [build.ROOT / "assets/pack/manifest.json", *(build.ROOT / "assets/checkpoints").glob("*.pth")]
    paths += sorted((build.ROOT / "assets/footage").iterdir())
    found = hashlib.sha256(os.environ.get("DOLPHINS_SMALL", "").encode())
    for content in [*(path.read_bytes() for path in sorted(paths)), *(text.encode() for text in more)]:
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()[:16]


def cached(folder, name, key, make):
    """The file NAME of what was made for `key`, or now by make(path). -> path; others of its name go"""
    path = folder / name / key / name
    if not path.exists():
        shutil.rmtree(folder / name, ignore_errors=True)
        make(path)
    return path


def write_pages(folder, cache):
    """Writes a notebook with outputs for each lesson into `folder`, and beside it the one to download."""
    texts = build.build_all()
    for name in (f"{lesson}.ipynb" for lesson in build.lesson_names()):
        student, solved = texts[build.STUDENT / name], texts[build.SOLVED / name]
        done = cached(
            cache, name, digest(solved), lambda path, text=solved: write(path, _executed(text, path))
        )
        page = page_of(nbformat.reads(student, as_version=4), nbformat.read(done, as_version=4), name)
        write(folder / name, nbformat.writes(page))
        write(folder / "download" / name, student)


def _executed(text, path):
    """A notebook's text after it has run in an empty folder."""
    from nbclient.exceptions import CellExecutionError

    print(f"Runs {path.name} ...", flush=True)
    with tempfile.TemporaryDirectory() as empty:
        source = write(os.path.join(empty, path.name), text)
        try:
            return nbformat.writes(execute(source, empty).notebook)
        except CellExecutionError as error:
            raise CourseError(f"The solved notebook {path.name} fails:\n{error}") from error


def page_of(student, solved, name):
    """A student's notebook with the outputs of the solved one, cell by cell, as a page. -> notebook"""
    outputs = {cell.id: cell.outputs for cell in solved.cells if cell.cell_type == "code"}
    said = ""
    for cell in student.cells:
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub("", cell.source)
            said = _last_words(cell.source) or said
            continue
        shown = [output for output in _merged(outputs.get(cell.id, [])) if _to_show(output, cell)]
        cell.outputs = [_page_output(output, said) for output in shown]
        cell.metadata["mystnb"] = {"image": {"alt": f"What this code draws. {said}"}}
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
    for cell in student.cells[1:]:  # a page has one title
        cell.source = re.sub(r"\A# ", "## ", cell.source) if cell.cell_type == "markdown" else cell.source
    title, _, rest = student.cells[0].source.partition("\n")
    student.cells[0].source = f"{title}\n\n{_notice(name)}\n{rest}"
    return student


def _notice(name):
    """What stands under a lesson's title."""
    colab = "https://colab.research.google.com/github"
    link = f", or [open it in Colab]({colab}/{REPOSITORY}/blob/main/notebooks/{name})" if REPOSITORY else ""
    return f"""```{{note}}
To work on this lesson, {{download}}`download its notebook <download/{name}>`{link};
[Begin](../begin.md) says how to open it. This page shows each exercise as you will find it there. The results
below it are those of the course's own solutions.
```
"""


def _last_words(prose):
    """The last paragraph of prose, as plain text of one line: what is said of a picture that follows."""
    prose = re.sub(r"<details>.*?</details>", "", prose, flags=re.DOTALL)
    prose = re.sub(r"^[#|].*$|!\[[^\]]*\]\(data:[^)]*\)", "", prose, flags=re.MULTILINE)
    paragraphs = [" ".join(part.split()) for part in prose.split("\n\n") if part.strip()]
    return re.sub(r"[*`$]|\[([^\]]*)\]\([^)]*\)", r"\1", paragraphs[-1])[-300:] if paragraphs else ""


def _merged(outputs):
    """Text that was written piece by piece, as one output; without progress bars."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output.output_type == "stream" == last.get("output_type") and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = PROGRESS.sub("", output.text)
    return merged


def _to_show(output, cell):
    """Whether a reader wants it: no text on stderr, no number for nbgrader alone, no name of an object."""
    if output.output_type == "stream":
        return output.name == "stdout" and output.text.strip()
    only_text = set(output.get("data", {})) == {"text/plain"}
    graded = cell.metadata.get("nbgrader", {}).get("grade")
    return not (only_text and (graded or output.data["text/plain"].startswith(("<", "Text("))))


def _page_output(output, said):
    """An output as a page can carry it; `said` describes its picture."""
    if output.output_type == "stream":
        output.text = output.text.replace(str(build.ROOT), "dolphins-in-3d")
    elif PLOTLY in output.get("data", {}):
        output.data = {"text/html": figure(output.data[PLOTLY], said)}
    return output


def figure(plotly, said):
    """A Plotly figure as the HTML that static/site.js finds and draws. plotly: as its JSON says"""
    data = json.dumps({name: plotly[name] for name in ("data", "layout", "frames") if name in plotly})
    data = data.replace("</", "<\\/").replace("<!--", "<\\!--")
    height = plotly.get("layout", {}).get("height", 450)
    said = html.escape(f"Interactive figure. {said}")
    return f"""<div class="plotly" role="group" aria-label="{said}" style="height:{height}px">
<script type="application/json">{data}</script></div>"""
