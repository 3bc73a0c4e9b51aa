"""Both recipes on the GPU, with interruption and resume, and a whole `dolphins demo`.

python tests/device/stand_in.py -m tests.device.fits_there FOLDER    # prints what is wrong, and nothing else
"""

import contextlib
import io
import sys
from pathlib import Path

import torch

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from dolphins import demo
from solutions.recipes import RECIPES
from solutions.rotations import batch_rodrigues

FRAMES, PASSES = 7, 3


def start(name, device):
    """Scene and recipe of a short fit."""
    pack = find_pack()
    dataset = SegmentedVideo(pack, frames=FRAMES)
    scene = DolphinScene(DolphinModel(pack, device, rodrigues=batch_rodrigues), FRAMES, texture_size=64)
    return scene, RECIPES[name](scene, dataset, 4, PASSES, seed=0)


def fitted(name, device, folder, stop=None):
    """The parameters of a fit in a folder; stop: the pass before which it is interrupted."""
    scene, recipe = start(name, device)
    before = recipe.loader.before_pass

    def before_pass(step):
        if before:
            before(step)
        if step == stop:
            raise KeyboardInterrupt

    recipe.loader.before_pass = before_pass
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(KeyboardInterrupt):
        demo.fit_with_checkpoints(scene, recipe, PASSES, folder)
    return scene.parameter_dict()


def what_is_wrong(name, folder):
    """Yields what is wrong with a recipe."""
    folders = [folder / f"{name}{i}" for i in range(4)]
    for each in folders:
        each.mkdir()
    whole = fitted(name, "cuda", folders[0])
    fitted(name, "cuda", folders[1], stop=2)
    resumed = fitted(name, "cuda", folders[1])
    if not all(torch.equal(value, resumed[key]) for key, value in whole.items()):
        yield "resumed it comes out otherwise"
    here = fitted(name, "cpu", folders[2])
    if not all(torch.allclose(value, here[key], atol=2e-3) for key, value in whole.items()):
        yield "on the CPU it comes out otherwise"
    scene, recipe = start(name, "cuda")
    with torch.no_grad():
        scene.joint_poses[3, 0, 0] = torch.nan
    try:
        demo.fit_with_checkpoints(scene, recipe, PASSES, folders[3])
        yield "a NaN stops nothing"
    except CourseError as error:
        if "frames" not in str(error):
            yield f"of a NaN it says {error}"


def run(folder):
    for name in RECIPES:
        for what in what_is_wrong(name, folder):
            print(f"{name}: {what}")
    with contextlib.redirect_stdout(io.StringIO()):
        how = dict(resume=False, fin_out=-0.1, surfaced=("3", "back:5"))
        demo.run_demo(None, FRAMES, 1, 4, "cuda", "default", 0, folder / "demo", **how)
    if not (folder / "demo" / "report.html").exists():
        print("demo: there is no report")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
