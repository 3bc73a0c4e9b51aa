"""A solved notebook on the GPU, at its small size.

python tests/device/stand_in.py -m tests.device.notebooks_there NOTEBOOK    # prints what a cell raises
"""

import os
import sys

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


def run(path):
    """Runs the cells of a notebook in the folder where this is, up to the first that raises."""
    import matplotlib

    os.environ["DOLPHINS_SMALL"] = "1"
    matplotlib.use("agg")
    shell = InteractiveShell.instance()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            with capture_output() as captured:
                done = shell.run_cell(cell.source)
            if not done.success:
                error = done.error_before_exec or done.error_in_exec
                print(f"{captured.stdout[-2000:]}\n{error!r} in\n{cell.source}")
                return


if __name__ == "__main__":
    run(sys.argv[1])
