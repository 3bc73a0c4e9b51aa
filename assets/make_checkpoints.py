"""Makes the ready fits from which a lesson can begin, out of finished runs of `dolphins demo`.

    python assets/make_checkpoints.py               from out/demo and out/tutorial
    python assets/make_checkpoints.py RUN RUN       from the folders of two other runs, one of each recipe

A fit of the embedded clip is 1.7 MB, nearly all of it the skin's texture and the light that waves gather in
each frame. Here the texture is kept in float16, which is as fine as one part in two thousand, and the waves
are left out, as no lesson draws them; everything else stays as it was. `DolphinScene.load` reads both alike.
"""

import json
import sys
from pathlib import Path

import torch

from course_lib.assets.pack import CHECKPOINTS
from course_lib.scene import load_tensors, save_atomically

ROOT = Path(__file__).resolve().parents[1]
RUNS = (ROOT / "out" / "demo", ROOT / "out" / "tutorial")
ROUNDED, LEFT_OUT = "dolphin_albedo", "caustics"


def make_checkpoint(run):
    """assets/checkpoints/fit_RECIPE.pth from the folder of a finished run. -> path"""
    recipe = json.loads((Path(run) / "metrics.json").read_text())["recipe"]
    values = load_tensors(Path(run) / "dolphin_fit.pth")
    values.pop(LEFT_OUT, None)
    values[ROUNDED] = values[ROUNDED].to(torch.float16)
    CHECKPOINTS.mkdir(exist_ok=True)
    path = CHECKPOINTS / f"fit_{recipe}.pth"
    save_atomically(values, path)
    return path


if __name__ == "__main__":
    for run in sys.argv[1:] or RUNS:
        made = make_checkpoint(run)
        print(f"{made.relative_to(ROOT)}: {made.stat().st_size / 1e3:.0f} kB, from {run}")
