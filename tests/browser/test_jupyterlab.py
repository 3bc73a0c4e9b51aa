"""A real JupyterLab in a real browser: what a student sees and does in lessons 2, 5 and 6.

Needs Chromium (on Debian: apt-get install chromium; elsewhere name it in CHROMIUM). Without one these tests
fail: they are not skipped. Screenshots go to the folder in SCREENSHOTS, if it is set; PATIENCE=2 doubles all
waits.
"""

import io
import json
import os
import re
import shutil
import time
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from course_lib.files import write
from lessons import build

from .notebook import IDLE, Notebook
from .notebook import lab as running_lab
from .server import MINUTE, picture

pytestmark = pytest.mark.slow

TRANSPOSED = """
import torch


def quat_to_rotmat(quat):
    w, x, y, z = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)
    return torch.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y),
        2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x),
        2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y),
    ], dim=-1).reshape(-1, 3, 3)


def batch_rodrigues(theta):
    half = theta / 2
    square = half.square().sum(-1, keepdim=True)
    tiny = square < 1e-8
    length = torch.where(tiny, torch.ones_like(square), square).sqrt()
    sinc = torch.where(tiny, 1 - square / 6, length.sin() / length)
    cos = torch.where(tiny, 1 - square / 2, length.cos())
    return quat_to_rotmat(torch.cat([cos, sinc * half], -1))
"""
TRY = "print(batch_rodrigues(torch.zeros(1, 3)))           # a cell of the student's own"
RIGHT = TRANSPOSED.replace("reshape(-1, 3, 3)", "reshape(-1, 3, 3).transpose(1, 2)")


def add_cell(path, source):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, path)


@pytest.fixture(autouse=True)
def last_picture(request, page, lab):
    """What the page shows at a test's end, whether it passed or not."""
    yield
    picture(page, f"last_{request.node.name}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own on a copy of the notebooks. -> its address and their folder"""
    home = tmp_path_factory.mktemp("lab")
    left_out = shutil.ignore_patterns("my_work", ".ipynb_checkpoints")
    shutil.copytree(build.STUDENT, home / "notebooks", ignore=left_out)
    add_cell(home / "notebooks" / "02_template_model.ipynb", TRY)
    for lesson in ("05", "06"):  # solved: there is something to look at in them
        solved = next(build.SOLVED.glob(f"{lesson}_*.ipynb"))
        shutil.copy(solved, home / "notebooks" / f"{lesson}_solved.ipynb")
    # All cells are in the page, also those out of sight: a test cannot scroll to what it does not know.
    tracker = home / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    write(tracker, json.dumps({"windowingMode": "none"}))
    environment = {"DOLPHINS_SMALL": "1", "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    with running_lab(home, environment) as found:
        yield found


def test_a_student_solves_an_exercise_of_lesson_2(page, lab):
    notebook = Notebook(page, lab, "02_template_model.ipynb")
    texts = ("setup(lesson=2)", "def batch_rodrigues", "check.rodrigues()", TRY)
    setup, exercise, check, own = (notebook.cell(text) for text in texts)
    notebook.run_all()
    notebook.wait_for(setup, "Lesson 2: Python 3.")
    notebook.wait_for(setup, "every file is whole")
    # It stops at the first cell that needs what is not written. What is asked before that is thrown away.
    stopped = page.locator(".jp-OutputArea-output", has_text="NotImplementedError: Exercise 2: ")
    stopped.first.wait_for(timeout=5 * MINUTE)
    page.wait_for_selector(IDLE)
    notebook.picture("lesson2_setup", setup)

    notebook.run(exercise)
    notebook.run(check)
    notebook.wait_for(check, "Not solved yet")
    notebook.run(own)
    notebook.wait_for(own, "NotImplementedError: Exercise 2: batch_rodrigues is yours to write")
    notebook.picture("lesson2_stub", own)

    for name, source, said, points in (
        ("transposed", TRANSPOSED, "These are the transposes of the right matrices", "0 of 20 points"),
        ("right", RIGHT, "All 7 hold", "20 of 20 points"),
    ):
        notebook.write(exercise, source)
        notebook.run(exercise)
        notebook.run(check)
        notebook.wait_for(check, said)
        notebook.wait_for(check, points)
        shown = "\n".join(check.locator(".jp-OutputArea-output").all_inner_texts())
        assert not re.search(r"(?m)^\d+\.0$", shown), "the number for nbgrader is in sight"
        for theme in ("Dark", "Light"):
            notebook.choose_theme(f"JupyterLab {theme}")
            notebook.picture(f"lesson2_{name}_{theme}", check)
    notebook.write(exercise, TRANSPOSED)
    notebook.run(exercise)
    notebook.run(check)
    notebook.wait_for(check, "transposes")
    image = check.locator("img").first
    loaded = "image => image.complete && image.naturalWidth > 0"
    page.wait_for_function(loaded, arg=image.element_handle())
    check.locator("summary").last.click()
    check.locator("details[open]").first.wait_for()
    notebook.picture("lesson2_unfolded", check)


def test_lesson_5_shows_the_dolphin_in_3d_and_its_video(page, lab):
    notebook = Notebook(page, lab, "05_solved.ipynb")
    notebook.run_all()
    plot = page.locator(".js-plotly-plot:has(canvas):has(.slider-container)").first
    plot.wait_for(timeout=8 * MINUTE)
    # The last cells are done: nothing moves any more below or above.
    page.wait_for_selector(IDLE, timeout=8 * MINUTE)
    plot.scroll_into_view_if_needed()
    shows_something(page, plot)
    before = plot.screenshot()
    if os.environ.get("SCREENSHOTS"):
        (Path(os.environ["SCREENSHOTS"]) / "lesson5_viewer.png").write_bytes(before)

    # Turn it, as with the mouse.
    box = plot.locator("canvas").first.bounding_box()
    eye = "plot => JSON.stringify(plot._fullLayout.scene._scene.getCamera().eye)"
    seen_from = plot.evaluate(eye)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 160, middle[1] + 40, steps=8)
    page.mouse.up()
    changed = f"([plot, before]) => ({eye})(plot) !== before"
    page.wait_for_function(changed, arg=[plot.element_handle(), seen_from])

    # Move the time slider, by a click near its end: another frame's vertices are drawn.
    meshes = "plot._fullData.filter(t => t.type === 'mesh3d')"
    vertices = f"plot => JSON.stringify({meshes}.map(t => Array.from(t.x).slice(0, 50)))"
    before = plot.evaluate(vertices)
    rail = plot.locator(".slider-rail-touch-rect").bounding_box()
    page.mouse.click(rail["x"] + 0.8 * rail["width"], rail["y"] + rail["height"] / 2)
    changed = f"([plot, before]) => ({vertices})(plot) !== before"
    page.wait_for_function(changed, arg=[plot.element_handle(), before])
    picture(page, "lesson5_turned")

    # The video plays.
    video = page.locator(".jp-OutputArea-output video").first
    video.wait_for(timeout=8 * MINUTE)
    video.scroll_into_view_if_needed()
    handle = video.element_handle()
    page.wait_for_function("video => video.readyState >= 2 && video.videoWidth > 0", arg=handle)
    video.evaluate("video => { video.muted = true; video.loop = true; return video.play() }")
    page.wait_for_function("video => video.currentTime > 0.3 && !video.error", arg=handle)
    picture(page, "lesson5_video")


def test_lesson_6_measures_an_animal_of_ones_own(page, lab):
    notebook = Notebook(page, lab, "06_solved.ipynb")
    notebook.run_all()
    last = notebook.cell("show.size_figure(")
    notebook.wait_for(last, "; in truth 2.18", timeout=8 * MINUTE)
    for exercise, points in (("altitudes", 10), ("apparent_depth", 15), ("length_interval", 10)):
        notebook.wait_for(notebook.cell(f"check.{exercise}()"), f"{points} of {points} points")
    looks = ["BOARD_ENDS, (2, 2)", "show.lines(frame_times", "on the dolphin (1)", "Image.open(doubtful)"]
    for n, text in enumerate([*looks, "axis.contour(", "show.mesh_viewer(", "show.size_figure("]):
        cell = notebook.cell(text)
        cell.locator("img, .js-plotly-plot").first.wait_for(timeout=2 * MINUTE)
        notebook.picture(f"lesson6_{n}", cell)
    assert (lab.folder / "out/my_clip/data/my_clip/metadata/clip.json").exists()


def shows_something(page, plot):
    """Waits until WebGL has drawn: the picture of the plot has many colours."""
    deadline = time.monotonic() + 2 * MINUTE / 1000
    while True:
        colours = Image.open(io.BytesIO(plot.screenshot())).convert("RGB").getcolors(1 << 20)
        if len(colours) > 500:
            return
        assert time.monotonic() < deadline, f"the 3D viewer shows {len(colours)} colours: nothing is drawn"
        page.wait_for_timeout(500)
