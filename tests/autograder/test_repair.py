"""Repairing: accidents cost nothing and are said; what is no notebook ends in one line; nothing breaks it."""

import copy
import itertools
import json
import re
import sys

import nbformat
import pytest

from autograder import repair
from course_lib.errors import CourseError
from lessons import build

from . import mangle

LESSONS = {path.stem: path for path in sorted(build.LESSONS.glob("[0-9][0-9]_*.py"))}
NAME = "02_template_model"


@pytest.fixture(scope="module")
def releases():
    return {name: build.build(path, solved=False) for name, path in LESSONS.items()}


@pytest.fixture(scope="module")
def solved():
    return {name: mangle.as_dict(build.build(path, solved=True)) for name, path in LESSONS.items()}


@pytest.fixture
def mend(releases):
    def mend(submitted, name=NAME):
        data = submitted if isinstance(submitted, bytes) else mangle.as_bytes(submitted)
        return repair.repair(data, f"{name}.ipynb", releases[name])

    return mend


def sources(cells):
    return [cell["source"] for cell in cells]


def cell_of(notebook, grade_id):
    return notebook["cells"][mangle.place(notebook, grade_id)]


def is_whole(repaired, release):
    """The release's cells in its order, checks and marks as they were, valid, without outputs, writable."""
    notebook = repaired.notebook
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert [one for one in ids if not one.startswith("own-")] == [cell.id for cell in release.cells]
    assert len(set(ids)) == len(ids)
    ours = {cell.id: cell for cell in release.cells}
    for cell in notebook.cells:
        if cell.id in ours:
            assert cell.metadata == ours[cell.id].metadata and cell.cell_type == ours[cell.id].cell_type
            if mangle.is_check(cell):
                assert cell.source == ours[cell.id].source
        else:
            assert not cell.metadata
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)
    assert notebook.metadata == release.metadata
    nbformat.writes(notebook).encode()
    assert all(isinstance(note, str) and note.endswith(".") and len(note) < 400 for note in repaired.notes)


# --- accidents

BOTH = "`rodrigues`, `tracking`"
LOST = f"The cells of the exercises {BOTH} had lost their marks and were recognised"
COPIED = f"There were several cells of exercise {BOTH}."
POINTS = f"The points or marks of the test cell of {BOTH} had been changed; the original ones count."
AS_TEXT = f"The cells of {BOTH} had been turned into text; they were made code again."
WRITTEN = f"What you wrote into the test cell of {BOTH} was moved into a cell before it."
SAID = {  # what the student is told of each accident: the beginning of a note, or nothing
    "through_colab": None,
    "metadata_lost": LOST,
    "metadata_lost_ids_kept": f"The test cells of {BOTH} had lost their marks",
    "marks_lost_in_part": LOST,
    "marks_cut_down": POINTS,
    "ids_twice": None,
    "exercises_copied": COPIED,
    "checks_copied": f"The test cell of {BOTH} was there several times; it counts once.",
    "stub_copied_below": COPIED,
    "whole_notebook_twice": COPIED,
    "checks_deleted": f"The test cells of {BOTH} were missing; they were put back.",
    "prose_deleted": "23 cells that were given had been deleted; they were put back.",
    "only_marked_cells_left": "37 cells that were given had been deleted; they were put back.",
    "checks_moved_to_the_end": "Cells had been moved; they were put into the lesson's order again.",
    "cells_in_reverse": "Cells had been moved",
    "exercises_as_markdown": AS_TEXT,
    "checks_as_raw": AS_TEXT,
    "checks_edited": f"The test cells of {BOTH} had been edited; the originals were used.",
    "points_edited": POINTS,
    "own_cells_added": None,
    "written_into_the_checks": WRITTEN,
    "old_format": "The notebook was saved in an old format; it was brought up to date.",
    "foreign_kernel": "The notebook named another kernel than Python 3; it was run with Python 3.",
    "stale_outputs": "Old outputs were removed; the notebook was run again from the top.",
    "ends_of_lines": None,
    "spaces_at_ends": None,
}


@pytest.mark.parametrize("name", mangle.ACCIDENTS)
def test_an_accident_is_undone_and_said(name, mend, solved):
    repaired = mend(mangle.ACCIDENTS[name](solved[NAME]))
    if name != "written_into_the_checks":
        for cell in filter(mangle.marks, repaired.notebook.cells):
            ours = cell_of(solved[NAME], mangle.marks(cell)["grade_id"])
            assert repair.plain(cell.source) == repair.plain(ours["source"])
    if SAID[name] is None:
        assert repaired.notes == []
    else:
        assert any(note.startswith(SAID[name]) for note in repaired.notes), repaired.notes


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("name", mangle.ACCIDENTS)
def test_after_every_accident_the_functions_are_the_solved_ones(name, lesson, mend, releases, solved):
    """The last definition of every function that is asked for is the one that was solved."""
    repaired = mend(mangle.ACCIDENTS[name](solved[lesson]), lesson)
    is_whole(repaired, releases[lesson])
    exercises = [cell.source for cell in releases[lesson].cells if mangle.is_exercise(cell)]
    asked, last = set().union(*map(repair.defined, exercises)), {}
    for cell in repaired.notebook.cells:
        if cell.cell_type == "code":
            unsolved = re.search(r'^\s*raise NotImplementedError\("Exercise', cell.source, re.MULTILINE)
            last |= dict.fromkeys(repair.defined(cell.source) & asked, unsolved)
    assert asked and last == dict.fromkeys(asked)


def test_an_untouched_notebook_has_nothing_to_mend(mend, releases):
    for name, release in releases.items():
        repaired = mend(mangle.as_dict(release), name)
        assert repaired.notes == [] and repaired.notebook == release


def test_repairing_twice_changes_nothing(mend, solved):
    for name in mangle.ACCIDENTS:
        once = mend(mangle.ACCIDENTS[name](solved[NAME]))
        twice = mend(mangle.as_dict(once.notebook))
        assert sources(twice.notebook.cells) == sources(once.notebook.cells), name


def test_the_release_as_nbgrader_makes_it_is_understood(releases, solved):
    """Its marks hold checksums, and its cells are not deletable."""
    release = copy.deepcopy(releases[NAME])
    for cell in release.cells:
        if mangle.marks(cell):
            cell.metadata.nbgrader |= {"checksum": "0" * 32, "cell_type": "code"}
            cell.metadata["deletable"] = False
    assert repair.repair(mangle.as_bytes(solved[NAME]), "x.ipynb", release).notes == []


# --- copies, places, own cells


RODRIGUES = "def batch_rodrigues"


def place_of(notebook, text):
    return next(i for i, source in enumerate(sources(notebook["cells"])) if text in source)


def with_copies(notebook, grade_id, *texts):
    """Copies of a cell before it, with other texts."""
    changed, at = copy.deepcopy(notebook), mangle.place(notebook, grade_id)
    changed["cells"][at:at] = [copy.deepcopy(changed["cells"][at]) | {"source": text} for text in texts]
    return changed


def test_of_copies_the_one_counts_in_which_most_is_written_and_others_stay_before_it(mend, solved):
    good = cell_of(solved[NAME], "rodrigues")["source"]
    half = good.replace(RODRIGUES, "def my_rodrigues")
    repaired = mend(with_copies(solved[NAME], "rodrigues", "draft = 1", half))
    at = mangle.place(repaired.notebook, "rodrigues")
    assert sources(repaired.notebook.cells[at - 2 : at + 1]) == ["draft = 1", half, good]
    assert [cell.id for cell in repaired.notebook.cells[at - 2 : at]] == ["own-1", "own-2"]


def test_a_second_try_below_the_first_counts(mend, solved):
    good = cell_of(solved[NAME], "rodrigues")["source"]
    first = good.replace("clamp", "clip").replace("return", "return 0 *")
    repaired = mend(with_copies(solved[NAME], "rodrigues", first))
    assert cell_of(repaired.notebook, "rodrigues").source == good


def test_an_exercise_split_over_two_cells_without_marks(mend, solved):
    submitted = mangle.ACCIDENTS["metadata_lost"](solved[NAME])
    at = place_of(submitted, RODRIGUES)
    first, second = submitted["cells"][at]["source"].split(RODRIGUES)
    submitted["cells"][at : at + 1] = [mangle.code(first), mangle.code(RODRIGUES + second)]
    code = [cell.source for cell in mend(submitted).notebook.cells if cell.cell_type == "code"]
    defining = [source for source in code if {"quat_to_rotmat", "batch_rodrigues"} & repair.defined(source)]
    assert sorted(defining) == sorted([first, RODRIGUES + second])


def test_a_function_written_as_a_lambda_or_renamed_is_found_by_its_place(mend, solved):
    submitted = mangle.ACCIDENTS["metadata_lost"](solved[NAME])
    mine = "import torch\nmine = lambda theta: torch.eye(3)"
    submitted["cells"][place_of(submitted, RODRIGUES)]["source"] = mine
    assert cell_of(mend(submitted).notebook, "rodrigues").source == mine


def test_own_cells_stay_behind_their_neighbours(mend, releases):
    submitted = mangle.as_dict(releases[NAME])
    for n in (0, 5, 20, len(submitted["cells"])):
        submitted["cells"].insert(n, mangle.code(f"mine({n})"))
    submitted["cells"].insert(6, {"cell_type": "markdown", "metadata": {}, "source": "a thought"})
    repaired = mend(submitted)
    assert sources(repaired.notebook.cells) == sources(submitted["cells"])
    assert repaired.notes == []


def test_given_cells_keep_the_students_text_and_it_is_said(mend, releases):
    lesson = "03_differentiable_rendering"
    submitted = mangle.as_dict(releases[lesson])
    at = place_of(submitted, "USE_MY_WORK = False")
    submitted["cells"][at]["source"] = submitted["cells"][at]["source"].replace("False", "True")
    submitted["cells"][0]["source"] += "\n\nMy notes."
    for cell in submitted["cells"]:
        cell.pop("id")  # found by their places
    repaired = mend(submitted, lesson)
    assert repaired.notebook.cells[at].source.startswith("USE_MY_WORK = True")
    assert repaired.notebook.cells[0].source.endswith("My notes.")
    assert repaired.notes == ["You changed a cell that was given; yours was run."]


def test_deleted_exercises_come_back_unsolved(mend, releases, solved):
    submitted = copy.deepcopy(solved[NAME])
    del submitted["cells"][mangle.place(submitted, "rodrigues")]
    repaired = mend(submitted)
    assert cell_of(repaired.notebook, "rodrigues").source == cell_of(releases[NAME], "rodrigues").source
    assert repaired.notes == ["The cell of exercise `rodrigues` was missing; it was put back, unsolved."]


def test_forged_marks_on_own_cells_are_gone(mend, releases):
    submitted = mangle.as_dict(releases[NAME])
    forged = {"grade": True, "grade_id": "extra", "points": 100, "solution": False, "locked": True}
    submitted["cells"].append(mangle.code("100", nbgrader=forged, tags=["raises-exception"]))
    repaired = mend(submitted)
    is_whole(repaired, releases[NAME])
    assert repaired.notebook.cells[-1].source == "100"


def test_no_cells_at_all(mend, releases):
    repaired = mend(mangle.document([]))
    is_whole(repaired, releases[NAME])
    assert "The notebook that you handed in has no cells." in repaired.notes


# --- what is no notebook

SAYS = {
    "truncated": "damaged at character",
    "empty": "the file is empty",
    "zeros": "the file is empty",
    "only_text": "this is text",
    "python_program": "this is text",
    "web_page": "a web page",
    "zipped": "this is a zip",
    "json_of_something_else": "no list of cells",
    "json_list": "no list of cells",
    "cells_no_list": "no list of cells",
    "nested_deep": "nested too deep",
    "a_million_brackets": "far more than a notebook",
    "conflict": "holds marks of a git merge conflict; resolve it, hand it in again",
    "conflict_indented": "holds marks of a git merge conflict; resolve it, hand it in again",
    "lfs_pointer": "a git-LFS pointer, not a notebook: run `git lfs pull`",
    "shortcut_of_drive": "a shortcut of Google Drive, not a notebook: open it in a browser",
    "in_a_string": "JSON within a string, encoded twice, not a notebook: save it without",
    "printed_dictionary": "a Python dictionary as text, not a notebook: save it with json.dump",
    "in_base64": r"text in base64, .* not a notebook: decode it \(base64 -d\). Hand in the .ipynb file",
    "percent_format": "text of a Python program, not a notebook. Hand in the .ipynb file",
    "gzipped": r"compressed by gzip, not a notebook: unpack it \(gzip -d\)",
    "in_utf_16_without_a_mark": "damaged at character",
    "pdf": "this is a PDF, not a notebook",
    "picture": r"this is a picture \(JPEG or PNG\), not a notebook",
    "document": "this is a workbook or document, not a notebook",
    "link_as_text": "this is a link as text, not a notebook: copy the file that it names",
    "mail": "this is a mail, not a notebook: save the file that is attached",
    "of_another_course": "none of its 2 cells",
}


@pytest.mark.parametrize("name", mangle.BROKEN)
def test_what_is_no_notebook_is_said_in_a_line(name, mend, solved):
    with pytest.raises(CourseError, match=SAYS[name]) as error:
        mend(mangle.BROKEN[name](solved[NAME]))
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{NAME}.ipynb: ")


def test_marks_of_a_conflict_in_a_cell_are_told_and_the_rest_is_graded(mend, releases, solved):
    """As tools leave them that merge cells and not lines: the notebook can be read."""
    submitted = copy.deepcopy(solved[NAME])
    cell = mangle.exercises(submitted)[0]
    own = mangle.text(cell)
    cell["source"] = f"<<<<<<< local\n{own}\n=======\n{own}\n>>>>>>> remote"
    repaired = mend(submitted)
    is_whole(repaired, releases[NAME])
    assert [note for note in repaired.notes if "holds marks of a git merge conflict; resolve it" in note]
    assert not any("conflict" in note for note in mend(solved[NAME]).notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(encoding, mend, solved):
    submitted, mine = copy.deepcopy(solved[NAME]), "name = 'Åsa Müller'"
    mangle.keep(submitted, lambda cell: cell["cell_type"] == "code")
    submitted["cells"].append(mangle.code(mine))
    data = json.dumps(submitted, ensure_ascii=False)
    assert mine in sources(mend(data.encode(encoding, "replace")).notebook.cells)


# --- hostile


def test_a_number_of_a_million_digits_costs_nothing(mend, solved, releases):
    data = mangle.as_bytes(solved[NAME])
    huge = data.replace(b'"execution_count": null', b'"execution_count": ' + b"1" * 1_000_000)
    assert len(huge) > len(data) + 10**6
    assert mend(huge).notebook == mend(data).notebook


NAN, INFINITE = float("nan"), float("inf")
ABSURD = [None, True, 7, -1.5, NAN, INFINITE, 10**300, "", "x", "\ud800", "\0", "a" * 100_000]
ABSURD += [[], {}, [[]], [None, 3, {"a": []}, "x = 1\n"], ["\ud800"], {"id": {}}]
ABSURD += [{"nbgrader": []}, {"nbgrader": {"grade_id": []}}, {"nbgrader": {"grade_id": "rodrigues"}}]


def test_absurd_values_everywhere(mend, releases):
    keys = ("cell_type", "source", "metadata", "id", "outputs", "execution_count")
    for value in ABSURD:
        submitted = mangle.as_dict(releases[NAME])
        for cell, key in zip(submitted["cells"][5:], itertools.cycle(keys)):
            cell[key] = value
        is_whole(mend(submitted), releases[NAME])
        around = dict.fromkeys(("metadata", "nbformat", "nbformat_minor"), value)
        is_whole(mend(mangle.as_dict(releases[NAME]) | around), releases[NAME])
    submitted = mangle.as_dict(releases[NAME])
    submitted["cells"][3:3] = ABSURD
    is_whole(mend(submitted), releases[NAME])


def test_absurd_formats(mend, releases):
    cells = mangle.as_dict(releases[NAME])["cells"]
    in_parts = [{"cells": cells[:9]}, None, 3, {"cells": 4}, {}, {"cells": cells[9:]}]
    for worksheets in ([{"cells": cells}], in_parts):
        is_whole(mend({"nbformat": 2, "worksheets": worksheets}), releases[NAME])


def test_headings_of_old_formats_are_kept(mend, releases):
    submitted = mangle.ACCIDENTS["old_format"](mangle.as_dict(releases[NAME]))
    heading = {"cell_type": "heading", "level": 2, "source": ["Mine"], "metadata": {}}
    submitted["worksheets"][0]["cells"].append(heading)
    assert mend(submitted).notebook.cells[-1].source == "# Mine"


def of_cells(release, count):
    """Notebooks of very many cells, of the kinds that a slow matching would stumble over."""
    base = mangle.as_dict(release)["cells"]
    exercise, check = [cell for cell in base if mangle.marks(cell)][:2]
    own = [mangle.code(f"x = {n}") for n in range(count)]
    tries = [mangle.code(f"def batch_rodrigues(x): return {n}") for n in range(count)]
    yield "own", base + own
    yield "alike", [mangle.code("x") for n in range(count)] + base
    yield "copies of an exercise", base + [exercise | {"source": cell["source"]} for cell in own]
    yield "copies of a check", base + [check] * count
    yield "one id", base + [cell | {"id": base[3]["id"]} for cell in own]
    yield "functions", tries + [cell for cell in base if not mangle.marks(cell)]


def test_many_cells_take_linear_work_and_a_bounded_number_is_kept(mend, releases, monkeypatch):
    """Four times the cells are about four times the work, counted in calls: seconds depend on the machine."""
    monkeypatch.setattr(repair, "MOST_OWN", 100)  # what is kept is validated by nbformat, which takes long

    def work(cells):
        calls = [0]

        def count(frame, event, arg):
            calls[0] += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            repaired = mend(json.dumps(mangle.document(cells)).encode())
        finally:
            sys.setprofile(None)
        more = len(repaired.notebook.cells) - len(releases[NAME].cells)
        assert 0 <= more <= repair.MOST_OWN + 2 * repair.MOST_COPIES
        return calls[0]

    for (what, few), (_, many) in zip(of_cells(releases[NAME], 500), of_cells(releases[NAME], 2_000)):
        assert work(many) < 5 * work(few), what


def test_a_grade_id_that_is_a_cells_text(mend, solved):
    """It is looked for among grade ids, not among texts."""
    notebook = copy.deepcopy(solved[NAME])
    marks = {"grade_id": mangle.text(mangle.checks(notebook)[0]), "solution": True, "grade": False}
    notebook["cells"].append(mangle.code("x = 1", nbgrader=marks | {"schema_version": 3}))
    assert mend(notebook).notebook.cells
