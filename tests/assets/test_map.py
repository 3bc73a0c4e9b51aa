"""The map of the rooms: the committed picture is that of the code, and no module is missing in it."""

import draw_map
import pytest

from course_lib.files import write


def test_the_committed_map_is_that_of_the_code():
    said = "the rooms have changed: python assets/draw_map.py"
    assert draw_map.PICTURE.read_text(encoding="utf-8") == draw_map.draw(), said


def test_modules_stand_in_the_order_of_the_docstring_and_a_missing_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(draw_map, "ROOT", tmp_path)
    texts = {"first": "Comes second: always.", "second": "Comes first."}
    for name, text in (texts | {"__init__": "A room: `second`, then `first`."}).items():
        write(tmp_path / "room" / f"{name}.py", f'"""{text}"""')
    modules = draw_map.modules_of("room")
    assert list(modules) == ["second", "first"]
    assert draw_map.first_words(modules["first"]) == "Comes second: always"

    (tmp_path / "room" / "forgotten.py").write_text("")
    with pytest.raises(ValueError, match=r"room/__init__\.py names no forgotten: say there"):
        draw_map.modules_of("room")
