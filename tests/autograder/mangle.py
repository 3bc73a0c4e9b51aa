"""What Colab, Jupyter and students do to notebooks: functions from a notebook's JSON, left as it is, to a
mangled one's.

`ACCIDENTS` cost nobody points: a mangled solved notebook is worth as much as the solved one. `BROKEN` give
bytes that are no notebook.
"""

import copy
import functools
import io
import json
import zipfile

ACCIDENTS, BROKEN = {}, {}


def accident(function):
    """Registers a function that changes a notebook in place, as one that gives a changed copy."""

    @functools.wraps(function)
    def mangled(notebook, *args):
        changed = copy.deepcopy(notebook)
        return function(changed, *args) or changed

    ACCIDENTS[function.__name__] = mangled
    return mangled


def broken(function):
    BROKEN[function.__name__] = function
    return function


def as_bytes(notebook):
    return json.dumps(notebook, indent=1).encode("utf-8", "surrogatepass")


def marks(cell):
    return cell.get("metadata", {}).get("nbgrader", {})


def place(notebook, grade_id):
    return next(i for i, cell in enumerate(notebook["cells"]) if marks(cell).get("grade_id") == grade_id)


def code(source, **metadata):
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def exercises(notebook):
    return [cell for cell in notebook["cells"] if marks(cell).get("solution")]


def checks(notebook):
    return [cell for cell in notebook["cells"] if marks(cell).get("grade")]


# --- metadata and ids
# -----------------------------------------------------------------------------------------


@accident
def through_colab(notebook):
    """As Colab saves: nbformat 4.0, no ids, its own metadata, sources as lists, outputs of widgets."""
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {
        "colab": {"provenance": [], "gpuType": "T4"},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "widgets": {"application/vnd.jupyter.widget-state+json": {}},
    }
    for n, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"].update(
            {
                "id": f"aB3_{n:08x}",
                "colab": {"base_uri": "https://localhost:8080/", "height": 35},
                "outputId": "17e2",
            }
        )
        cell["source"] = cell["source"].splitlines(keepends=True)


@accident
def metadata_lost(notebook):
    """All metadata of all cells, and the ids."""
    for cell in notebook["cells"]:
        cell.pop("id", None)
        cell["metadata"] = {}


@accident
def metadata_lost_ids_kept(notebook):
    for cell in notebook["cells"]:
        cell["metadata"] = {}


@accident
def marks_lost_in_part(notebook):
    """Every second marked cell."""
    for cell in [cell for cell in notebook["cells"] if marks(cell)][::2]:
        del cell["metadata"]["nbgrader"]
        cell.pop("id", None)


@accident
def marks_cut_down(notebook):
    """Only grade ids are left of nbgrader's marks."""
    for cell in notebook["cells"]:
        if marks(cell):
            cell["metadata"]["nbgrader"] = {"grade_id": marks(cell)["grade_id"]}


@accident
def ids_twice(notebook):
    """Every cell has the same id."""
    for cell in notebook["cells"]:
        cell["id"] = "same"


# --- cells copied, moved, deleted, turned into another type
# ----------------------------------------------------


@accident
def exercises_copied(notebook):
    """Each exercise's cell twice, one behind the other, marks and all."""
    notebook["cells"] = [
        cell
        for one in notebook["cells"]
        for cell in ([one, copy.deepcopy(one)] if marks(one).get("solution") else [one])
    ]


@accident
def checks_copied(notebook):
    notebook["cells"] = [
        cell
        for one in notebook["cells"]
        for cell in ([one, copy.deepcopy(one)] if marks(one).get("grade") else [one])
    ]


@accident
def stub_copied_below(notebook, stub='raise NotImplementedError("Exercise: yours to write")'):
    """Below each solved exercise a copy with its marks, in which nothing is written."""
    cells = []
    for cell in notebook["cells"]:
        cells.append(cell)
        if marks(cell).get("solution"):
            again = copy.deepcopy(cell)
            heads = [line for line in text(cell).splitlines() if line.startswith("def ")]
            again["source"] = "\n\n".join(f"{head}\n    {stub}" for head in heads)
            cells.append(again)
    notebook["cells"] = cells


@accident
def whole_notebook_twice(notebook):
    notebook["cells"] += copy.deepcopy(notebook["cells"])


@accident
def checks_deleted(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if not marks(cell).get("grade")]


@accident
def prose_deleted(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@accident
def only_marked_cells_left(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if marks(cell)]


@accident
def checks_moved_to_the_end(notebook):
    notebook["cells"] = [c for c in notebook["cells"] if not marks(c).get("grade")] + checks(notebook)


@accident
def cells_in_reverse(notebook):
    notebook["cells"].reverse()


@accident
def exercises_as_markdown(notebook):
    for cell in exercises(notebook):
        cell["cell_type"] = "markdown"
        cell.pop("outputs", None), cell.pop("execution_count", None)


@accident
def checks_as_raw(notebook):
    for cell in checks(notebook):
        cell["cell_type"] = "raw"
        cell.pop("outputs", None), cell.pop("execution_count", None)


# --- checks edited, cells added, formats
# ----------------------------------------------------------------------


@accident
def checks_edited(notebook):
    for cell in checks(notebook):
        cell["source"] = "print('all right')\n100.0"


@accident
def points_edited(notebook):
    for cell in checks(notebook):
        cell["metadata"]["nbgrader"] |= {"points": 1000, "locked": False}


@accident
def own_cells_added(notebook):
    """A cell of one's own behind every cell, some of them empty."""
    notebook["cells"] = [
        c for n, one in enumerate(notebook["cells"]) for c in (one, code(f"mine = {n}" if n % 3 else ""))
    ]


@accident
def written_into_the_checks(notebook):
    """The solutions in the test cells, the exercises' cells as they were."""
    for cell in exercises(notebook):
        check = notebook["cells"][place(notebook, f"{marks(cell)['grade_id']}-check")]
        check["source"] = f"{text(cell)}\n\n{text(check)}"
        cell["source"] = "# see below"


@accident
def old_format(notebook):
    """nbformat 3, as IPython 2 saved it."""
    cells = []
    for cell in notebook["cells"]:
        old = {"cell_type": cell["cell_type"], "metadata": cell["metadata"]}
        if cell["cell_type"] == "code":
            old |= {"input": cell["source"], "outputs": [], "language": "python", "collapsed": False}
        else:
            old["source"] = cell["source"]
        cells.append(old)
    return {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }


@accident
def foreign_kernel(notebook):
    notebook["metadata"]["kernelspec"] = {
        "name": "conda-env-myenv-py",
        "display_name": "Python [conda env:myenv]",
        "language": "python",
    }


@accident
def stale_outputs(notebook):
    for n, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            cell["execution_count"] = 99 - n
            cell["outputs"] = [
                {"output_type": "stream", "name": "stdout", "text": "Points: 20 of 20. All of it holds.\n"}
            ]


@accident
def ends_of_lines(notebook):
    """As an editor on Windows saves."""
    for cell in notebook["cells"]:
        cell["source"] = text(cell).replace("\n", "\r\n")


@accident
def spaces_at_ends(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "\n".join(line + "  " for line in text(cell).splitlines()) + "\n\n"


def text(cell):
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


# --- what is no notebook
# ----------------------------------------------------------------------------------------


@broken
def truncated(notebook):
    return as_bytes(notebook)[: -len(as_bytes(notebook)) // 3]


@broken
def empty(notebook):
    return b""


@broken
def zeros(notebook):
    """What a full disk leaves of a file."""
    return bytes(4096)


@broken
def only_text(notebook):
    return b"I could not open the notebook, sorry.\n"


@broken
def python_program(notebook):
    return "\n".join(text(cell) for cell in exercises(notebook)).encode()


@broken
def web_page(notebook):
    return b"<!DOCTYPE html>\n<html><head><title>Google Colab</title></head></html>"


@broken
def zipped(notebook):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("notebook.ipynb", as_bytes(notebook))
    return packed.getvalue()


@broken
def json_of_something_else(notebook):
    return b'{"points": 100}'


@broken
def json_list(notebook):
    return b"[1, 2, 3]"


@broken
def cells_no_list(notebook):
    return b'{"nbformat": 4, "cells": {"0": {}}}'


@broken
def nested_deep(notebook):
    return b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@broken
def number_of_a_million_digits(notebook):
    return b'{"cells": [], "nbformat": ' + b"1" * 1_000_000 + b"}"


@broken
def a_million_brackets(notebook):
    return b'{"cells": [' + b"[]," * 4_000_000 + b"[]]}"


@broken
def of_another_course(notebook):
    return as_bytes(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [code("import pandas as pd"), code("pd.DataFrame()")],
        }
    )
