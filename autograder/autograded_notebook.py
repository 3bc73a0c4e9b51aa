"""The notebook as formgrader shows it: the student's, with errors, pictures and verdicts under its cells."""

import nbformat
from nbformat.v4 import new_code_cell, new_output


def with_outputs(notebook, record, release):
    """A notebook with its errors and pictures under the cells, and its results and points under the checks.

    notebook, release: texts of the repaired and the released one -> text of a notebook

    Formgrader runs whatever script stands in a text cell, with the rights of who grades. So text that is not
    the release's becomes a code cell, which is shown letter by letter.
    """
    notebook = nbformat.reads(notebook, as_version=4)
    ours = {cell.source for cell in nbformat.reads(release, as_version=4).cells if cell.cell_type != "code"}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" and cell.source not in ours:
            text = f"# text of the student's\n{cell.source}"
            notebook.cells[number] = new_code_cell(text, id=cell.id)
    errors = {cell["cell"]: cell["error"] for cell in record["cells"] if cell.get("error")}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = _outputs(cell, record, errors), None
    return nbformat.writes(notebook, version=4) + "\n"


def _outputs(cell, record, errors):
    """What is shown under a code cell. errors: {cell's id: its error}"""
    mark = cell.metadata.get("nbgrader", {})
    if mark.get("grade"):
        exercise = record["exercises"].get(mark["grade_id"].removesuffix("-check"))
        return [new_output("stream", name="stdout", text=_verdict(exercise))] if exercise else []
    outputs = []
    if error := errors.get(cell.get("id")):
        name, _, value = error.partition(": ")
        outputs.append(new_output("error", ename=name, evalue=value, traceback=[error]))
    if mark.get("solution"):
        for picture in record.get("pictures", []):
            if picture["exercise"] == mark["grade_id"]:
                outputs.append(new_output("display_data", data={"image/png": picture["png"]}))
    return outputs


def without_work(release, note):
    """The released notebook with a note, so that formgrader takes points for what could not be graded."""
    notebook = nbformat.reads(release, as_version=4)
    notebook.cells.insert(0, new_code_cell(f"# {note}", id="why-not-graded"))
    return nbformat.writes(notebook, version=4) + "\n"


def _verdict(exercise):
    """What became of an exercise, in lines: as the check in the notebook says it. -> text"""
    lines = []
    for prop in exercise["properties"]:
        held = prop["key"] is None
        if prop["of"] or not held:
            earned = f"  {prop['points']:g} / {prop['of']:g}" if prop["of"] else ""
            lines.append(f"{'✓' if held else '✗'} {prop['name']}{earned}")
        if not held and prop["text"]:
            lines.append(f"    {'The notebook says: ' * prop.get('reported', False)}{prop['text']}")
    points = "to be given by hand" if exercise["points"] is None else f"{exercise['points']:g}"
    return "\n".join([*lines, f"Points: {points} of {exercise['of']:g}.", ""])
