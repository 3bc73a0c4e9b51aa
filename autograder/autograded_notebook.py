"""The notebook as formgrader shows it."""

import json

import nbformat


def with_outputs(notebook, record, release):
    """The notebook as formgrader shows it: under each cell its error or pictures, under each check its result
    and points.

    Formgrader runs whatever script stands in a text cell, with the rights of who grades. So text that is not
    the release's becomes a code cell, which is shown letter by letter.
    """
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    ours = {cell.source for cell in nbformat.reads(release, as_version=4).cells if cell.cell_type != "code"}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" and cell.source not in ours:
            notebook.cells[number] = nbformat.v4.new_code_cell(
                f"# text of the student's\n{cell.source}", id=cell.id
            )
    errors = {cell["cell"]: cell["error"] for cell in record["cells"] if cell.get("error")}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        mark = cell.metadata.get("nbgrader", {})
        cell.outputs, cell.execution_count = [], None
        if mark.get("grade"):
            exercise = record["exercises"].get(mark["grade_id"].removesuffix("-check"))
            if exercise:
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=verdict_text(exercise))]
            continue
        if cell.get("id") in errors:
            name, _, value = errors[cell["id"]].partition(": ")
            cell.outputs.append(
                nbformat.v4.new_output("error", ename=name, evalue=value, traceback=[errors[cell["id"]]])
            )
        if mark.get("solution"):
            cell.outputs += [
                nbformat.v4.new_output("display_data", data={"image/png": picture["png"]})
                for picture in record.get("pictures", [])
                if picture["exercise"] == mark["grade_id"]
            ]
    return notebook


def without_work(release, note):
    """The released notebook with a note, for a submission that could not be graded: so that formgrader takes
    points by hand."""
    notebook = nbformat.reads(release, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"# {note}", id="why-not-graded"))
    return nbformat.writes(notebook, version=4) + "\n"


def verdict_text(exercise):
    """What became of an exercise, in lines: as the check in the notebook says it. -> text"""
    lines = []
    for prop in exercise["properties"]:
        held = prop["key"] is None
        if prop["of"] or not held:
            earned = f"  {prop['points']:g} / {prop['of']:g}" if prop["of"] else ""
            lines.append(f"{'✓' if held else '✗'} {prop['name']}{earned}")
        if not held and prop["text"]:
            lines.append(f"    {prop['text']}")
    points = exercise["points"]
    lines.append(
        f"Points: {'to be given by hand' if points is None else f'{points:g}'} of {exercise['of']:g}."
    )
    return "\n".join(lines) + "\n"
