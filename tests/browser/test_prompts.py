"""Clicking points on the animal: in a cell of a real JupyterLab, and on the page of `dolphins prompts`."""

import json
import os
import sys

import nbformat
import pytest

from course_lib import prompts
from course_lib.assets import AssetPack

from ..build_zip import build_pack
from .notebook import Notebook, lab
from .server import MINUTE, picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    found = AssetPack(build_pack(tmp_path_factory.mktemp("packs") / "my_clip", size=(640, 360)))
    found.prompts_path.unlink()
    return found


def clicked(shown, page):
    """Clicks three points on the page in `shown`, a frame or the page itself; the middle one is undone."""
    shown.locator("#picture").click(position={"x": 100, "y": 50})
    shown.locator("#picture").click(position={"x": 200, "y": 60})
    shown.get_by_role("button", name="undo").click()
    shown.get_by_role("button", name="beside it").click()
    shown.locator("#picture").click(position={"x": 300, "y": 150})
    zoom = shown.locator("#sheet").evaluate("sheet => sheet.getBoundingClientRect().width") / 640
    return [[int(100 / zoom), int(50 / zoom)], [int(300 / zoom), int(150 / zoom)]]


def check(saved, frame, points):
    assert (saved["frame"], saved["labels"]) == (frame, [1, 0])
    for found, wanted in zip(saved["points"], points, strict=True):
        assert found == pytest.approx(wanted, abs=1)


def test_a_cell_of_jupyterlab(page, pack, tmp_path):
    lines = f"from course_lib import prompts\nprompts.ask({str(pack.root)!r})", "pass"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    notebook.metadata["kernelspec"] = dict(name="python3", display_name="Python 3", language="python")
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "clicks.ipynb")
    with lab(tmp_path, {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}) as found:
        opened = Notebook(page, found, "clicks.ipynb")
        asked, given = map(opened.cell, lines)
        opened.run(asked)
        shown = page.frame_locator("iframe[title^=points]")
        points = clicked(shown, page)
        line = shown.locator("#line").input_value()
        shown.get_by_role("button", name="copy", exact=True).click()
        assert shown.locator("#said").inner_text() == "Copied."
        picture(page, "prompts_in_a_cell")
        given.locator(".cm-content").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.press("Control+V")
        opened.run(given)
        page.wait_for_selector("text=1 point on the animal, 1 beside it", timeout=MINUTE)
        picture(page, "prompts_taken")
    assert line.startswith(f"prompts.save({str(pack.root)!r}, ")
    saved = json.loads(pack.prompts_path.read_text())
    check(saved, 0, points)


def test_the_page_of_a_browser(page, pack, tmp_path):
    path = tmp_path / "prompts.html"
    path.write_text(prompts.page(pack, "dolphins prompts my_clip --take FILE"))
    page.goto(path.as_uri())
    page.get_by_role("combobox").select_option("2")
    points = clicked(page, page)
    with page.expect_download() as download:
        page.get_by_role("button", name="save").click()
    saved = json.loads(download.value.path().read_text())
    check(saved, 2, points)
    picture(page, "prompts_page")
