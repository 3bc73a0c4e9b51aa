"""Runs notebooks as a person would: a kernel for each, from the first cell to the last.

python -m lessons.execute          every solved notebook, its seconds and its memory (`make walkthrough`)
python -m lessons.execute notebooks/02_...ipynb --out DIR    these notebooks; keeps them with their outputs
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from . import build

PEAK = "from course_lib.machine import peak_rss_mb as _peak; print(_peak() or 0)"


@dataclass(frozen=True)
class Run:
    """What became of a notebook."""

    notebook: nbformat.NotebookNode  # with outputs
    seconds: float
    peak_mb: float  # of its kernel, 10^6 bytes
    first_picture: float | None  # seconds from the start to the end of the first cell that shows a picture

    @property
    def code_cells(self):
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]


def execute(path, folder, go_on=False, env=None, timeout=1800):
    """Runs a notebook with `folder` as its working directory. -> Run

    go_on: cells that raise do not end it. env: the kernel's environment variables (default: this process's).
    Raises nbclient.exceptions.CellExecutionError where a cell raises.
    """
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    pictures = []

    def executed(cell, cell_index, execute_reply):
        kinds = " ".join(kind for output in cell.get("outputs", []) for kind in output.get("data", {}))
        if any(shown in kinds for shown in ("image", "plotly", "html")):
            pictures.append(time.perf_counter() - start)

    options = dict(timeout=timeout, kernel_name="python3", allow_errors=go_on, on_cell_executed=executed)
    options["extra_arguments"] = ["--IPKernelApp.log_level=ERROR"]
    options["resources"] = {"metadata": {"path": str(folder)}}
    start = time.perf_counter()
    NotebookClient(notebook, **options).execute(env=dict(os.environ) if env is None else env)
    seconds = time.perf_counter() - start
    peak = "".join(output.get("text", "") for output in notebook.cells.pop()["outputs"])
    return Run(notebook, seconds, float(peak.split()[-1]), pictures[0] if pictures else None)


def errors(cell):
    """What a cell raised. -> list of (name, message)"""
    outputs = cell["outputs"]
    return [(output["ename"], output["evalue"]) for output in outputs if output["output_type"] == "error"]


def text(cell, stream="stdout"):
    """What a cell wrote to a stream; to stdout, as a terminal would, also the text of what it displayed."""
    shown = [output for output in cell["outputs"] if output["output_type"] == "display_data"]
    displayed = [output["data"].get("text/plain", "") for output in shown if stream == "stdout"]
    return "".join([output["text"] for output in cell["outputs"] if output.get("name") == stream] + displayed)


def value(cell):
    """The text of a cell's value, None where it has none."""
    results = [output["data"] for output in cell["outputs"] if output["output_type"] == "execute_result"]
    return results[0].get("text/plain") if results else None


def main():
    """Runs the notebooks that the command line names; exit code 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    folder = "working directory of them all (default: an empty one for each)"
    parser.add_argument("--folder", type=Path, help=folder)
    parser.add_argument("--out", type=Path, help="folder for the notebooks with their outputs")
    args = parser.parse_args()
    bad = 0
    print(f"{'lesson':28} {'s':>6} {'s to first picture':>19} {'MB':>6}")
    for path in args.notebooks or sorted(build.SOLVED.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as empty:
            try:
                run = execute(path.resolve(), args.folder or empty)
            except Exception as error:  # the notebook's own, as nbclient reports it
                bad += 1
                print(f"{path.stem:28} failed: {error}", flush=True)
                continue
        first = "-" if run.first_picture is None else f"{run.first_picture:.0f}"
        print(f"{path.stem:28} {run.seconds:6.0f} {first:>19} {run.peak_mb:6.0f}", flush=True)
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            nbformat.write(run.notebook, args.out / path.name)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
