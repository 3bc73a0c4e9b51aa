"""Points clicked in a notebook: what the cell shows, and what takes them."""

import html
import json
import re

import pytest

from course_lib import prompts
from course_lib.assets import AssetPack
from course_lib.errors import CourseError

from ..build_zip import build_pack

POINTS = dict(frame=2, points=[[30, 18], [2, 2]], labels=[1, 0])


@pytest.fixture
def pack(tmp_path):
    found = AssetPack(build_pack(tmp_path / "my_clip"))
    found.prompts_path.unlink()
    return found


def test_a_cell_shows_the_page_and_asks_nobody(pack):
    shown = prompts.ask(pack.root)._repr_html_()
    assert shown.startswith("<iframe ") and shown.count("<iframe") == 1
    page = html.unescape(re.search('srcdoc="([^"]*)"', shown)[1])
    assert page.count("data:image/jpeg;base64,") == 5 and "default-src 'none'" in page
    assert not re.search("https?://", page) and "--take" not in page
    assert f"prompts.save(\\u0027{pack.root}\\u0027, " in page and "force" not in page
    prompts.save(pack, POINTS, say=lambda text: None)
    page = html.unescape(prompts.ask(pack).html)
    assert ", force=True)" in page and '"points": [[30, 18], [2, 2]]' in page


def test_the_line_of_the_page_is_taken(pack):
    said = []
    prompts.save(pack.root, POINTS, say=said.append)
    assert json.loads(pack.prompts_path.read_text()) == POINTS
    assert "1 point on the animal, 1 beside it, on frame 2" in said[0]
    prompts.save(pack.root, POINTS, say=said.append)
    with pytest.raises(CourseError, match="is there already; nothing was changed. Replace .* force=True"):
        prompts.save(pack.root, POINTS | {"frame": 1})
    assert json.loads(pack.prompts_path.read_text())["frame"] == 2
    prompts.save(pack.root, POINTS | {"frame": 1}, force=True, say=said.append)
    assert json.loads(pack.prompts_path.read_text())["frame"] == 1


def test_points_that_are_damaged_are_clicked_anew(pack):
    pack.prompts_path.write_text("{")
    assert ", force=True)" in html.unescape(prompts.ask(pack).html)
    with pytest.raises(CourseError, match="is there already; nothing was changed"):
        prompts.save(pack, POINTS)
    prompts.save(pack, POINTS, force=True, say=lambda text: None)
    assert json.loads(pack.prompts_path.read_text()) == POINTS


def test_points_off_the_picture(pack):
    with pytest.raises(
        CourseError, match=r"the points: points is \[\[64, 3\]\], expected a list of .* within 64 x 36"
    ):
        prompts.save(pack, dict(frame=0, points=[[64, 3]], labels=[1]))
    assert not pack.prompts_path.exists()
