"""What the worst files cost that a student can make for those who read them, by their size.

Each is read as the grader reads it, behind the boundary: prepared (repaired, its steps found), or taken out
of its zip. The bound is the boundary's: so many seconds of the processor, then somebody looks at it by hand.
"""

import json
import tempfile
import time
import zipfile
from pathlib import Path

from autograder import boundary
from autograder.downloads import Share, _inside
from autograder.preparation import prepare
from autograder.whose import lesson_of
from lessons.build import STUDENT

NAME = "02_template_model"
RELEASED = (STUDENT / f"{NAME}.ipynb").read_text()

SOURCES = {  # what the cells hold that a student adds, about n characters of them
    "the released notebook, with outputs": lambda n: [],
    "one cell of words": lambda n: ["( " + " ".join(f"w{i}" for i in range(n // 9))],
    "words, and very many cells": lambda n: [
        "( " + " ".join(f"w{i}" for i in range(n // 18)),
        *["x = y"] * (n // 300),
    ],
    "cells as long as are parsed": lambda n: ["x = [" + "a," * 24_000 + "]"] * (n // 48_000),
    "copies of an exercise": lambda n: [f"def batch_rodrigues(theta): pass  # {i}" for i in range(n // 120)],
    "brackets in brackets": lambda n: ["(" * (n // 2) + ")" * (n // 2)],
    "words of the course, and spaces": lambda n: ["course_lib.check" + " " * n + "!"],
}
KINDS = {"deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "LZMA": zipfile.ZIP_LZMA}


def notebook(sources, size):
    """A notebook with these cells, brought to about `size` bytes by what one of its cells printed."""
    content = json.loads(RELEASED)
    blank = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    content["cells"] += [blank | {"source": source} for source in sources]
    first = next(cell for cell in content["cells"] if cell["cell_type"] == "code")
    room = max(0, size - len(json.dumps(content)))
    first["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * room}]
    return json.dumps(content).encode()


def seconds_of(function, *arguments):
    """Seconds behind the boundary; None where it is refused there."""
    start = time.perf_counter()
    try:
        boundary.look(function, *arguments)
    except boundary.Refused:
        return None
    return round(time.perf_counter() - start, 2)


def measure(sizes=(1, 4, 16)):
    """-> {"bound": seconds, "megabytes": sizes, "files": {what: seconds by size, None where refused}}"""
    found = {}
    boundary.look(prepare, RELEASED.encode(), NAME, RELEASED)  # it has imported all
    for what, sources in SOURCES.items():
        files = [notebook(sources(int(0.9 * size * 2**20)), size * 2**20) for size in sizes]
        found[what] = [seconds_of(prepare, data, NAME, RELEASED) for data in files]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.zip"
        for kind, number in KINDS.items():
            row = found[f"a zip of zeros, {kind}, unpacked"] = []
            for size in sizes:
                with zipfile.ZipFile(path, "w", number) as archive:
                    archive.writestr(f"{NAME}.ipynb", bytes(size * 2**20))
                row.append(seconds_of(_inside, path, None, (path.name,), lesson_of, Share()))
    return {"bound": boundary.SECONDS, "megabytes": list(sizes), "files": found}
