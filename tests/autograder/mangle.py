"""What Colab, Jupyter and students do to notebooks: functions from a notebook's JSON to a mangled one's.

`ACCIDENTS` cost nobody points: a mangled solved notebook is worth as much as the solved one. `BROKEN` give
bytes that are no notebook.
"""

import base64
import copy
import functools
import gzip
import io
import itertools
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
    """Registers a function from a notebook's JSON to bytes that are no notebook."""
    BROKEN[function.__name__] = function
    return function


def as_bytes(notebook):
    return json.dumps(notebook, indent=1).encode("utf-8", "surrogatepass")


def as_dict(notebook):
    return json.loads(json.dumps(notebook))


def marks(cell):
    return cell.get("metadata", {}).get("nbgrader", {})


def place(notebook, grade_id):
    return next(i for i, cell in enumerate(notebook["cells"]) if marks(cell).get("grade_id") == grade_id)


def code(source, **metadata):
    kind = {"cell_type": "code", "execution_count": None, "metadata": metadata}
    return kind | {"outputs": [], "source": source}


def document(cells):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def text(cell):
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def is_exercise(cell):
    return marks(cell).get("solution")


def is_check(cell):
    return marks(cell).get("grade")


def exercises(notebook):
    return [cell for cell in notebook["cells"] if is_exercise(cell)]


def checks(notebook):
    return [cell for cell in notebook["cells"] if is_check(cell)]


def keep(notebook, wanted):
    notebook["cells"] = [cell for cell in notebook["cells"] if wanted(cell)]


def follow(notebook, followers):
    """Puts cells behind each cell. followers: cell -> list of cells"""
    notebook["cells"] = [cell for one in notebook["cells"] for cell in (one, *followers(one))]


def turn_into(kind, cells):
    for cell in cells:
        cell["cell_type"] = kind
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)


# --- metadata and ids


@accident
def through_colab(notebook):
    """As Colab saves: nbformat 4.0, no ids, its own metadata, sources as lists, outputs of widgets."""
    notebook["nbformat_minor"] = 0
    colab = {"colab": {"provenance": [], "gpuType": "T4"}, "accelerator": "GPU"}
    kernel = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    notebook["metadata"] = colab | kernel | {"widgets": {"application/vnd.jupyter.widget-state+json": {}}}
    place = {"base_uri": "https://localhost:8080/", "height": 35}
    for n, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"] |= {"id": f"aB3_{n:08x}", "colab": place, "outputId": "17e2"}
        cell["source"] = cell["source"].splitlines(keepends=True)


@accident
def metadata_lost(notebook):
    """All metadata of all cells, and the ids."""
    for cell in notebook["cells"]:
        cell.pop("id", None)
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


# --- cells copied, moved, deleted, turned into another type


@accident
def stub_copied_below(notebook):
    """Below each solved exercise a copy with its marks, in which nothing is written."""

    def stub(cell):
        heads = [line for line in text(cell).splitlines() if line.startswith("def ")]
        stubs = [f'{head}\n    raise NotImplementedError("Exercise: yours to write")' for head in heads]
        return copy.deepcopy(cell) | {"source": "\n\n".join(stubs)}

    follow(notebook, lambda cell: [stub(cell)] if is_exercise(cell) else [])


def double(notebook, wanted):
    """Puts a copy behind each wanted cell, marks and all."""
    follow(notebook, lambda cell: [copy.deepcopy(cell)] if wanted(cell) else [])


def set_in(cells, **values):
    for cell in cells:
        cell.update(values)


for name, change in {
    "metadata_lost_ids_kept": lambda notebook: set_in(notebook["cells"], metadata={}),
    "ids_twice": lambda notebook: set_in(notebook["cells"], id="same"),
    "checks_edited": lambda notebook: set_in(checks(notebook), source="print('all right')\n100.0"),
    "exercises_copied": lambda notebook: double(notebook, is_exercise),
    "checks_copied": lambda notebook: double(notebook, is_check),
    "whole_notebook_twice": lambda notebook: notebook["cells"].extend(copy.deepcopy(notebook["cells"])),
    "checks_deleted": lambda notebook: keep(notebook, lambda cell: not is_check(cell)),
    "prose_deleted": lambda notebook: keep(notebook, lambda cell: cell["cell_type"] == "code"),
    "only_marked_cells_left": lambda notebook: keep(notebook, marks),
    "checks_moved_to_the_end": lambda notebook: notebook["cells"].sort(key=lambda cell: bool(is_check(cell))),
    "cells_in_reverse": lambda notebook: notebook["cells"].reverse(),
    "exercises_as_markdown": lambda notebook: turn_into("markdown", exercises(notebook)),
    "checks_as_raw": lambda notebook: turn_into("raw", checks(notebook)),
}.items():
    change.__name__ = name
    accident(change)


# --- checks edited, cells added, formats


@accident
def points_edited(notebook):
    for cell in checks(notebook):
        cell["metadata"]["nbgrader"] |= {"points": 1000, "locked": False}


@accident
def own_cells_added(notebook):
    """A cell of one's own behind every cell, some of them empty."""
    number = itertools.count()
    follow(notebook, lambda cell: [code(f"mine = {n}" if (n := next(number)) % 3 else "")])


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
    worksheets = [{"cells": cells, "metadata": {}}]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": worksheets}


@accident
def foreign_kernel(notebook):
    kernel = {"name": "conda-env-myenv-py", "display_name": "Python [conda env:myenv]"}
    notebook["metadata"]["kernelspec"] = kernel | {"language": "python"}


@accident
def stale_outputs(notebook):
    printed = "Points: 20 of 20. All of it holds.\n"
    for n, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            cell["execution_count"] = 99 - n
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": printed}]


@accident
def ends_of_lines(notebook):
    """As an editor on Windows saves."""
    for cell in notebook["cells"]:
        cell["source"] = text(cell).replace("\n", "\r\n")


@accident
def spaces_at_ends(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "\n".join(line + "  " for line in text(cell).splitlines()) + "\n\n"


# --- what is no notebook


def zip_of(name, data):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(name, data)
    return packed.getvalue()


for name, data in {
    "empty": b"",
    "zeros": bytes(4096),  # what a full disk leaves of a file
    "only_text": b"I could not open the notebook, sorry.\n",
    "web_page": b"<!DOCTYPE html>\n<html><head><title>Google Colab</title></head></html>",
    "json_of_something_else": b'{"points": 100}',
    "json_list": b"[1, 2, 3]",
    "cells_no_list": b'{"nbformat": 4, "cells": {"0": {}}}',
    "nested_deep": b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a_million_brackets": b'{"cells": [' + b"[]," * 4_000_000 + b"[]]}",
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n",
    "shortcut_of_drive": b'{"":"WARNING! DO NOT EDIT THIS FILE!","doc_id":"1aB","email":"a@b.c"}',
    "pdf": b"%PDF-1.7\n%\xe2\xe3\n",
    "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "document": zip_of("[Content_Types].xml", b"<Types/>"),
    "link_as_text": b"../solved/02_template_model.ipynb",
    "mail": b"From: ada@x.org\nSubject: my notebook\n\nIt is below.\n",
    "of_another_course": as_bytes(document([code("import pandas as pd"), code("pd.DataFrame()")])),
}.items():
    BROKEN[name] = lambda notebook, data=data: data


@broken
def conflict(notebook):
    """As git leaves it, where both sides changed the same cell."""
    lines = as_bytes(notebook).decode().splitlines()
    at = next(i for i, line in enumerate(lines) if '"source"' in line)
    lines[at : at + 1] = ["<<<<<<< HEAD", lines[at], "=======", lines[at], ">>>>>>> origin/main"]
    return "\r\n".join(lines).encode()


@broken
def conflict_indented(notebook):
    """As an editor leaves it that indents, cut off before the end."""
    return as_bytes(notebook).replace(b"\n  {", b"\n  {\n   <<<<<<< Updated upstream", 1)[:-9]


@broken
def in_a_string(notebook):
    return json.dumps(as_bytes(notebook).decode()).encode()


@broken
def printed_dictionary(notebook):
    return str(as_dict(notebook)).encode()


@broken
def in_base64(notebook):
    return base64.encodebytes(as_bytes(notebook))


@broken
def percent_format(notebook):
    return "\n".join(f"# %%\n{text(cell)}\n" for cell in exercises(notebook)).encode()


@broken
def gzipped(notebook):
    return gzip.compress(as_bytes(notebook))


@broken
def in_utf_16_without_a_mark(notebook):
    return as_bytes(notebook)[:-9].decode().encode("utf-16-le")


@broken
def truncated(notebook):
    return as_bytes(notebook)[: -len(as_bytes(notebook)) // 3]


@broken
def python_program(notebook):
    return "\n".join(text(cell) for cell in exercises(notebook)).encode()


@broken
def zipped(notebook):
    return zip_of("notebook.ipynb", as_bytes(notebook))
