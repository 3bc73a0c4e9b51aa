"""`dolphins prompts`: the page, and what it saved."""

import json
import re

import pytest

from course_lib.assets import AssetPack

from ..build_zip import build_pack


@pytest.fixture
def pack(tmp_path):
    found = AssetPack(build_pack(tmp_path / "my_clip"))
    found.prompts_path.unlink()
    return found


def saved(tmp_path, frame=2, points=([30, 18], [2, 2]), labels=(1, 0)):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(dict(frame=frame, points=points, labels=labels)))
    return path


def test_the_page_holds_frames_and_asks_nobody(pack, dolphins):
    code, out, err = dolphins("prompts", pack.root, "--no-open")
    assert code == 0, err
    page = pack.prompts_path.with_name("prompts.html")
    assert str(page) in out and f"dolphins prompts {pack.root} --take FILE" in out
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 5 and "default-src 'none'" in text
    assert not re.search(r"https?://", text)


def test_what_the_page_saved_is_checked_and_taken(pack, dolphins, tmp_path):
    code, out, err = dolphins("prompts", pack.root, "--take", saved(tmp_path))
    assert code == 0 and "1 point on the animal, 1 beside it, on frame 2" in out, err
    assert json.loads(pack.prompts_path.read_text())["points"] == [[30, 18], [2, 2]]
    other = saved(tmp_path, frame=1)
    code, _, err = dolphins("prompts", pack.root, "--take", other)
    assert code == 1 and "is there already; nothing was changed. Replace it with --force" in err
    assert json.loads(pack.prompts_path.read_text())["frame"] == 2
    assert dolphins("prompts", pack.root, "--take", other, "--force")[0] == 0
    assert json.loads(pack.prompts_path.read_text())["frame"] == 1


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(points=[[64, 3], [1, 1]]), "expected a list of .x, y. within 64 x 36 pixels"),
        (dict(labels=[0, 0]), "1 on the dolphin and 0 beside it"),
        (dict(frame=5), "expected a frame's number, 0 to 4"),
    ],
)
def test_points_that_are_not_of_this_clip(pack, dolphins, tmp_path, wrong, message):
    code, _, err = dolphins("prompts", pack.root, "--take", saved(tmp_path, **wrong))
    assert code == 1 and re.search(message, err) and not pack.prompts_path.exists()
