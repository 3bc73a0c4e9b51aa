"""The card that a notebook shows of a check: what stands in it, what of it is escaped, and its pictures."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

from course_lib import check, rotations
from course_lib.check import card, core
from course_lib.check import spare_renderer as spare
from solutions.measuring import altitude_per_frame
from solutions.rotations import batch_rodrigues, quat_to_rotmat
from solutions.tracking import draw_track, project_to_pixels

from .bank import given


def result_of(exercise, *functions):
    return core.grade_here(exercise, given(exercise, *functions))


def page_of(exercise, *functions):
    return core._page(result_of(exercise, *functions))


def pictures_in(page):
    found = re.findall(r'alt="([^"]+)"[^>]*src="data:image/png;base64,([^"]+)"', page)
    return {alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for alt, data in found}


def turned_round(theta):
    return batch_rodrigues(-theta)


def test_what_holds_is_folded_and_the_first_mistake_is_not():
    page = page_of(check.rodrigues, quat_to_rotmat, turned_round)
    before, _, folded = page.partition("<details")
    assert "transposes" in before and "7 of 20 points" in before and "width:35%" in before
    assert "3 hold" in folded and "not tried yet" in folded and "<details open" not in page
    assert "All of it" not in page and page.count("<details") == page.count("</details>") == 2


def test_all_that_holds_is_unfolded_where_nothing_is_wrong():
    page = page_of(check.rodrigues, quat_to_rotmat, batch_rodrigues)
    assert page.count("<details open") == 1 and "All 7 hold" in page and "<img" not in page


def test_further_mistakes_are_folded_with_what_is_said_of_them():
    page = page_of(check.rodrigues, lambda q: quat_to_rotmat(q).mT, lambda t: batch_rodrigues(2 * t))
    assert re.search(
        r"<details[^>]*><summary>[^\n]*batch_rodrigues agrees.*</summary>.*twice the angle", page
    )


NASTY = '<script>alert("1")</script><img src=x onerror=alert(2)>'


def test_what_a_student_says_is_escaped():
    def bad(quat):
        print(NASTY)
        raise ValueError(f"{NASTY} and `{NASTY}`")

    page = page_of(check.rodrigues, bad, batch_rodrigues)
    tags = set(re.findall(r"<(\w+)", page))
    assert tags <= {"div", "span", "b", "code", "details", "summary"} and page.count("&lt;script&gt;") >= 3
    page = page_of(check.rodrigues, NASTY, bad)
    assert "<script" not in page


@pytest.mark.parametrize("functions", [(None, None), (core.Property.call, core.Property.call)])
def test_what_cannot_be_judged_is_a_card_too(functions):
    assert "0 of 20 points" in page_of(check.rodrigues, *functions)


# --- pictures


def page_with(*shown):
    return card.page_of("", 0, 1, [card.Row("✗", "", "", "no")], shown=lambda: card.Shown(*shown))


def upside_down(pixels, resolution):
    return draw_track(pixels, resolution).flip(0)


def test_an_image_is_shown_with_the_right_one_and_where_they_differ():
    page = page_of(check.tracking, project_to_pixels, upside_down)
    yours, right, apart = pictures_in(page).values()
    assert list(pictures_in(page)) == ["yours", "right", "where they differ"]
    assert ((yours > 0).any(-1) == (right > 0).any(-1)[::-1]).all() and right.any()
    red = apart[..., 0] > apart[..., 1] + 50
    assert (red == ((yours > 0).any(-1) != (right > 0).any(-1))).mean() > 0.99
    assert len(page) < 20_000


def test_of_a_batch_the_worst_is_shown():
    right = torch.zeros(3, 4, 5, 1)
    yours = right.clone()
    yours[1, 2, 2], yours[2] = 0.1, 1.0
    page = page_with("mask", yours, right)
    assert "mask (3 of 3)" in page and pictures_in(page)["yours"].min() == 255


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf, 1e30, -3.0])
@pytest.mark.parametrize(
    "kind, shape", [("image", (2, 4, 5, 3)), ("rotation", (2, 3, 3)), ("curves", (9, 3))]
)
def test_whatever_comes_out_of_a_students_code_is_shown_or_left_out(kind, shape, fill):
    yours = torch.full(shape, fill)
    page = page_with("", yours, torch.ones(shape), kind)
    assert kind != "image" or "<img" in page


def test_what_is_alike_and_what_has_another_shape_has_no_picture():
    image = torch.ones(4, 5, 3)
    for yours in (image, image[:2], image.flatten(), None):
        assert "<img" not in page_with("", yours, image)


def mistaken_features(k, change):
    def dibr_rendering(*arguments):
        features, soft = spare.dibr_rendering(*arguments)
        return [change(f) if n == k else f for n, f in enumerate(features)], change(soft) if k == 4 else soft

    return dibr_rendering


def shortest(rotmats):
    return rotations.rotmat_to_rotvec(rotmats)


def linear(image, sea_level_height, hard_mask, water_absorption):
    return image * (1 + water_absorption * sea_level_height)


def without_gaps(times, altitudes, frames, launch_height=0.0, longest_gap=1.0):
    return altitude_per_frame(times, altitudes, frames, launch_height, 1e9)


WRONG = {
    "the hard mask": (check.dibr, [mistaken_features(3, lambda x: x.flip(1))]),
    "the normals": (check.dibr, [mistaken_features(1, torch.neg)]),
    "the height": (check.dibr, [mistaken_features(2, torch.neg)]),
    "u and v": (check.dibr, [mistaken_features(0, lambda x: x.flip(-1))]),
    "the soft mask": (check.dibr, [mistaken_features(4, torch.round)]),
    "the image": (check.absorption, [linear]),
    "turned by a matrix": (check.rodrigues, [quat_to_rotmat, turned_round]),
    "of the vectors": (check.orientation, [shortest]),
    "turned by a vector": (check.orientation, [lambda rotmats: 1.2 * shortest(rotmats)]),
    "altitude over the frames": (check.altitudes, [without_gaps]),
}


@pytest.mark.parametrize("what", WRONG)
def test_each_exercise_whose_answer_can_be_seen_shows_it(what):
    exercise, functions = WRONG[what]
    page = page_of(exercise, *functions)
    assert what in page and pictures_in(page) and len(page) < 40_000


# --- in a notebook


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_a_notebook_shows_the_card_once_and_keeps_the_number_out_of_sight(shell, capsys):
    with capture_output() as captured:
        points = check.rodrigues(quat_to_rotmat, turned_round)
    [output] = captured.outputs
    assert captured.stdout == "" and "Points: 7 of 20." in output.data["text/plain"]
    assert output.data["text/html"].startswith("<div")
    shown, _ = shell.display_formatter.format(points)
    assert points == 7.0 and float(shown["text/plain"]) == 7.0 and shown["text/html"] == ""


def test_where_a_judge_grades_and_outside_of_a_notebook_it_is_in_lines(shell, monkeypatch, capsys):
    monkeypatch.setenv("DOLPHINS_JUDGE", "course_lib.check.core:grade_here")
    monkeypatch.setattr(core, "judge", lambda: core.grade_here)
    with capture_output() as captured:
        check.rodrigues(quat_to_rotmat, batch_rodrigues)
    assert not captured.outputs and "Points: 20 of 20." in captured.stdout
    monkeypatch.delenv("DOLPHINS_JUDGE")
    InteractiveShell.clear_instance()
    assert check.rodrigues(quat_to_rotmat, batch_rodrigues) == 20
    assert "Points: 20 of 20." in capsys.readouterr().out
