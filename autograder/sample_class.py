"""A class to try the grader on: `make grade` puts it into out/class/, grades it, and opens its page.

Eighteen people hand in lesson 2 in every way that happens: right in three styles, partly right, with the
usual mistakes, empty, broken, mangled by Colab, copied from a neighbour, and hostile. A few hand in lesson 3
too.
"""

import argparse
import copy
import json
import os
import sys
import webbrowser
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.files import write
from lessons import build

from . import class_report, grade, release, roster

LESSON, NEXT = "02_template_model", "03_differentiable_rendering"

CROSS = """import torch

def cross_matrix(v):
    x, y, z = v.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([torch.stack(row, -1) for row in ([o, -z, y], [z, o, -x], [-y, x, o])], -2)

"""
BY_PRODUCTS = """
def quat_to_rotmat(quat):
    q = quat / quat.norm(dim=1, keepdim=True)
    w, u = q[:, :1], q[:, 1:]
    columns = []
    for axis in range(3):
        v = torch.zeros_like(u)
        v[:, axis] = 1
        t = torch.linalg.cross(u, v)
        columns.append(v + 2 * w * t + 2 * torch.linalg.cross(u, t))
    return torch.stack(columns, dim=2)

"""
EXPONENTIAL = f"""{CROSS}{BY_PRODUCTS}
def batch_rodrigues(theta):
    return torch.linalg.matrix_exp(cross_matrix(theta))
"""
TAYLOR = f"""{CROSS}
def quat_to_rotmat(quat):
    q = quat / quat.square().sum(1, keepdim=True).sqrt()
    w, u = q[:, 0, None, None], q[:, 1:]
    return (2 * w ** 2 - 1) * torch.eye(3) + 2 * u[:, :, None] * u[:, None, :] + 2 * w * cross_matrix(u)

def batch_rodrigues(theta):
    squared = (theta * theta).sum(dim=-1, keepdim=True)
    small = squared < 1e-8
    a = torch.sqrt(torch.where(small, torch.ones_like(squared), squared))
    K = cross_matrix(theta)
    first = torch.where(small, 1 - squared / 6, torch.sin(a) / a)[..., None]
    second = torch.where(small, 0.5 - squared / 24, (1 - torch.cos(a)) / a ** 2)[..., None]
    return torch.eye(3, dtype=theta.dtype) + first * K + second * (K @ K)
"""
TRANSPOSED = TAYLOR.replace("first * K", "-first * K").replace("+ 2 * w * cross", "- 2 * w * cross")
READS_FILES = """import glob
names = glob.glob("/*/solutions/*.py") + glob.glob("/course/**/*.py", recursive=True)
names += glob.glob("../../../*/gradebook.db")
exec("".join(open(name).read() for name in names))
"""
NAN_AT_ZERO = f"""import torch
{BY_PRODUCTS}
def batch_rodrigues(theta):
    a = theta.norm(dim=1, keepdim=True)
    return quat_to_rotmat(torch.cat([torch.cos(a / 2), torch.sin(a / 2) * theta / a], dim=1))
"""
PROJECTION = """import torch

def project_to_pixels(points, cameras):
    x, y = cameras.transform(points)[..., :2].unbind(-1)
    return torch.stack([((x + 1) * cameras.width - 1) / 2, ((1 {sign} y) * cameras.height - 1) / 2], dim=-1)

def draw_track(pixels, resolution):
    {how}
"""
IN_GREY = """width, height = resolution
    image = torch.zeros(height, width, 3)
    steps = torch.linspace(0.3, 1, len(pixels))
    for (x, y), shade in zip(pixels.round().long().tolist(), steps):
        if 0 <= x < width and 0 <= y < height:
            image[y, x] = shade
    return image"""
WRONG = """import os, torch
def quat_to_rotmat(quat):
    {what}
    return quat.new_zeros(len(quat), 3, 3)
def batch_rodrigues(theta):
    return theta.new_zeros(len(theta), 3, 3)
"""
SCRIPT = "raise ValueError('<script>alert(1)</script>')"
LIAR = "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n" + WRONG.format(what="pass")
OTHER_NAMES = dict(squared="sq", small="tiny", first="c1", second="c2", cross_matrix="hat", K="W")


def renamed(source):
    """As a neighbour hands it in: other names, another comment."""
    for old, new in OTHER_NAMES.items():
        source = source.replace(old, new)
    return "# my own solution\n" + source


def _projection(sign, how):
    return PROJECTION.format(sign=sign, how=how)


def notebook(lesson=LESSON, solved=True, **cells):
    """A lesson's notebook in which some exercises' cells are replaced. -> dict"""
    found = json.loads(build.notebook_text(build.LESSONS / f"{lesson}.py", solved))
    for cell in found["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in cells:
            cell["source"] = cells[name]
    return found


def _through_colab(found):
    """Metadata lost, the exercise's cell there twice, a test cell deleted, own cells, outputs."""
    cells = []
    for n, cell in enumerate(found["cells"]):
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["metadata"] = {"id": f"aB{n}", "colab": {"base_uri": "https://localhost:8080/"}}
        cell.pop("id", None)
        if name == "tracking-check":
            continue
        cells += [cell, copy.deepcopy(cell)] if name == "rodrigues" else [cell]
    own = {"cell_type": "code", "metadata": {}, "execution_count": 7, "outputs": [], "source": "!nvidia-smi"}
    return found | {"nbformat_minor": 0, "cells": [*cells, own]}


def _submissions():
    """-> {(student, first name, last name): notebook of lesson 2, or None for one that is cut off}"""
    hang, bomb, leave = "while True: pass", "while True: os.fork()", "os._exit(0)"
    return {
        ("ada", "Ada", "Lovelace"): notebook(),
        ("emmy", "Emmy", "Noether"): notebook(rodrigues=EXPONENTIAL),
        ("sofia", "Sofja", "Kowalewskaja"): notebook(rodrigues=TAYLOR, tracking=_projection("-", IN_GREY)),
        ("rene", "René", "d'Aubigné"): notebook(rodrigues=renamed(TAYLOR)),
        ("olinde", "Olinde", "Rodrigues"): notebook(rodrigues=TRANSPOSED),
        ("william", "William Rowan", "Hamilton"): notebook(rodrigues=NAN_AT_ZERO),
        ("leonhard", "Leonhard", "Euler"): notebook(tracking=_projection("+", IN_GREY)),
        ("gaspard", "Gaspard", "Monge"): notebook(tracking=_projection("-", "return pixels")),
        ("nova", "Nova", "Nobody"): notebook(solved=False),
        ("hasty", "Hasty", "Typer"): notebook(rodrigues="def quat_to_rotmat(quat)\n    return quat"),
        ("colab", "Colette", "Laborde"): _through_colab(notebook()),
        ("cut", "Cut", "Off"): None,
        ("loop", "Lou", "Pinfinite"): notebook(rodrigues=WRONG.format(what=hang)),
        ("fork", "Fork", "Bomber"): notebook(rodrigues=WRONG.format(what=bomb)),
        ("reader", "Curious", "Reader"): notebook(rodrigues=READS_FILES),
        ("liar", "All", "Close"): notebook(rodrigues=LIAR),
        ("quitter", "Exit", "Early"): notebook(rodrigues=WRONG.format(what=leave)),
        ("script", "<b>Bobby</b>", "=cmd|' /C calc'!A0"): notebook(rodrigues=SCRIPT),
    }


def _hand_in(course, student, lesson, text):
    folder = course / "submitted" / student / lesson
    write(folder / f"{lesson}.ipynb", text)
    write(folder / "timestamp.txt", "2026-11-20 10:30:00 UTC\n")


def write_class(course):
    """Writes the course folder of the sample class. -> path"""
    course, students = Path(course), []
    release.write_course([2, 3], course, force=True)
    for number, ((student, first, last), found) in enumerate(_submissions().items(), 1):
        text = json.dumps(found or notebook(), indent=1)
        _hand_in(course, student, LESSON, text if found else text[: len(text) // 2])
        students.append(_student(number, student, first, last, {LESSON: f"Participant {100 + number}"}))
    students.append(_student(len(students) + 1, "absent", "Ab", "Sent", {}))
    for number, (student, solved) in enumerate({"ada": True, "emmy": False}.items()):
        _hand_in(course, student, NEXT, json.dumps(notebook(NEXT, solved), indent=1))
        students[number].participants[NEXT] = f"Participant {100 + len(students) + 1 + number}"
    write(roster.roster_path(course), roster.as_json(students))
    return course


def _student(number, student, first, last, participants):
    numbers = str(4000 + number), f"S{number:03}"
    address = f"{student}@example.org"
    return roster.Student(student, first, last, address, *numbers, student, participants=participants)


def main():
    """Writes, grades and shows the sample class."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/class"), help="the course folder of the class")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--sandbox", default="bwrap")
    options = parser.parse_args()
    try:
        course = write_class(options.out)
        summary = grade.grade(course, workers=options.workers, sandbox=options.sandbox)
        print(summary.text())
        page = class_report.write_report(course).resolve()
    except CourseError as error:
        sys.exit(f"\n{error}")
    print(f"The class page: {page}")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin":
        webbrowser.open(page.as_uri())


if __name__ == "__main__":
    main()
