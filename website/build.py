"""From the sources to the site, step by step."""

import shutil
import subprocess
import sys
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.files import write
from lessons.build import ROOT

from . import lessons, texts
from .npm import MATHJAX, npm_file

HERE = Path(__file__).parent


def build(out, work, demo=()):
    """Makes the site in `out`; `work` keeps what the next one need not make again. -> its first page

    demo: further options of `dolphins demo`, whose report the first page shows. Raises CourseError where a
    lesson fails, a page has a fault, or a package cannot be fetched.
    """
    pages, cache, static = work / "pages", work / "cache", work / "static"
    for folder in (pages, static):
        shutil.rmtree(folder, ignore_errors=True)
    write(static / "plotly.min.js", _plotly())
    mathjax = npm_file(*MATHJAX, folder=cache / "npm")
    shutil.copy(mathjax, static)
    texts.write_pages(pages)
    lessons.write_pages(pages / "lessons", cache)
    report = lessons.cached(
        cache, "report.html", lessons.digest(*demo), lambda path: _demo(path.parent, demo)
    )
    print("Writes the pages ...", flush=True)
    fresh = work / "site"
    shutil.rmtree(fresh, ignore_errors=True)
    _sphinx(pages, fresh, work / "doctrees", static)
    write(fresh / "report.html", report.read_text(encoding="utf-8").replace(f"{ROOT}/", ""))
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(out)
    return out / "index.html"


def _plotly():
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _demo(folder, options):
    """Runs `dolphins demo` into a folder."""
    print("Runs the demo ...", flush=True)
    command = [sys.executable, "-m", "dolphins", "demo", "--out", str(folder), *options]
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        raise CourseError("The demo failed, see above; the site shows its report.")


def _sphinx(pages, out, doctrees, static):
    """Makes HTML of the pages; a warning is an error, for it is a fault that a reader would see."""
    from sphinx.cmd.build import build_main

    options = ["-b", "html", "-W", "--keep-going", "-q", "-c", str(HERE), "-d", str(doctrees)]
    options += ["-D", f"html_static_path={HERE / 'static'},{static}"]
    if build_main([*options, str(pages), str(out)]):
        raise CourseError("The pages have faults, listed above; the site was not written.")
