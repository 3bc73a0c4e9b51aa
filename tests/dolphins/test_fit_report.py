"""dolphins.fit_report: the page holds everything, fetches nothing, and says what it knows and what not."""

import json
import re

import numpy as np
import pytest

from course_lib import show
from course_lib.errors import CourseError
from course_lib.uncertainty import Interval
from dolphins import fit_report as report
from dolphins.judgement import Doubt

from ..pages import Page

T = 60
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
METRICS = {"epochs": 5, "seconds_fit": 12.3, "iou_mean": 0.93, "girth_cm": 130.5, "device": "cpu"}
METRICS |= {"length_error_pct": -2.5, "volume_error_pct": -14.0}
SETTINGS = {"learning_rates": {"pose": 0.01}, "sizes": [640, 360]}


def made_up_fit(**changes):
    """A tetrahedron that swims half a turn, past 180 degrees."""
    time_s = np.arange(T) / 50
    heading = np.linspace(100, 260, T)
    continuous = np.stack([0 * heading, np.radians(heading), 0 * heading], -1)
    stored = np.where(continuous > np.pi, continuous - 2 * np.pi, continuous)
    centre = np.stack([np.sin(time_s), -0.5 + 0 * time_s, np.cos(time_s)], -1)
    body = np.array([[0.0, 0, 1], [0.3, 0, -1], [-0.3, 0, -1], [0, 0.4, -0.5]])
    parts = dict(clip="a_clip", metrics=METRICS, settings=SETTINGS, time_s=time_s)
    parts |= dict(vertices=body + centre[:, None], faces=FACES, translations=centre, heading_deg=heading)
    parts |= dict(rotvecs_stored=stored, rotvecs_shortest=stored, rotvecs_continuous=continuous)
    parts |= dict(truth_translations=centre + 0.1, truth_heading_deg=heading + 1, altitude_m=20.0)
    parts["vertex_error_m"] = np.full((T, 4), 0.05)
    parts["per_frame"] = {"iou": np.full(T, 0.93), "position_error_m": np.full(T, 0.1)}
    parts["history"] = {"total": np.geomspace(2, 0.1, 5), "mask_iou": np.geomspace(1, 0.05, 5)}
    return report.FitReport(**parts | changes)


def page_of(folder, **changes):
    return Page(report.build_report(folder, made_up_fit(**changes)).read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    show.write_video(folder / "fit.mp4", [np.full((36, 64, 3), t, np.uint8) for t in range(20)])
    report.build_report(folder, made_up_fit(video=folder / "fit.mp4"))
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text())


def words_of(page):
    return " ".join(page.text.split())


def marks(page):
    """How many jumps the orientation figure marks with a line."""
    shapes = page.figure("orientation")["layout"]["shapes"]
    return sum(shape["x0"] == shape["x1"] for shape in shapes)


def test_nothing_is_fetched_from_anywhere(page):
    for tag, attrs in page.tags:
        for name in ("src", "href", "data", "poster", "srcset", "action"):
            assert attrs.get(name, "data:").startswith(("data:", "#")), (tag, attrs)
    assert not re.search(r"url\(|@import", page.styles)
    assert not any("http" in attrs.get("style", "") for _, attrs in page.tags)
    for name in ("viewer", "track", "orientation", "frames", "loss"):
        assert "http" not in json.dumps(page.figure(name))
    own_script = page.scripts[-1]
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(", own_script)


def test_the_browser_is_told_to_fetch_nothing(page):
    [policy] = [a["content"] for a in page.one("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    allowed = {word for words in rules.values() for word in words.split()}
    assert allowed <= {"'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}


def test_plotly_is_inside_once_and_the_page_is_small(folder, page):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r"^\* plotly\.js v", text, re.M)) == 1
    assert len(text) < 6e6
    assert [p.name for p in folder.iterdir() if p.suffix == ".html"] == ["report.html"]


def test_every_part_is_there(page):
    expected = "video viewer track orientation frames quality loss limits settings"
    assert {attrs["id"] for attrs in page.one("h2")} == {f"h-{name}" for name in expected.split()}
    assert [a["src"][:22] for a in page.one("video")] == ["data:video/mp4;base64,"]
    assert len(page.figure("viewer")["frames"]) == T / 2  # about 50 of the frames at most
    assert page.one("input")[0]["max"] == str(T - 1)


def test_everything_has_a_name_for_those_who_do_not_see_it(page):
    [main] = page.one("html")
    assert main["lang"] == "en"
    for attrs in page.one("section"):
        assert attrs["aria-labelledby"] in {h["id"] for h in page.one("h2")}
    for tag, attrs in page.tags:
        if attrs.get("class") == "plot" or tag in ("video", "input"):
            assert len(attrs["aria-label"]) > 4
    assert all(a["scope"] in ("row", "col") for a in page.one("th"))


def test_numbers_come_with_their_meaning(page):
    text = words_of(page)
    assert "0.930" in text and "intersection over union" in text
    assert "\N{MINUS SIGN}2.5 %" in text and "\N{MINUS SIGN}14.0 %" in text
    assert text.count("✗ not good") == 1 and "girth cm" in text and "130.5" in text
    assert "learning rates" in text and "pose 0.01" in text and "640, 360" in text


def test_the_jump_is_explained_as_what_it_is(page):
    text = words_of(page)
    assert "happens once" in text and "jumps by 357°" in text and "turns by only 2.7°" in text
    assert "It is not. Gimbal lock belongs to Euler angles" in text
    assert "wrong pose" not in text
    assert marks(page) == 1


def test_a_fit_without_jumps_shows_where_they_would_be(tmp_path):
    page = page_of(tmp_path, rotvecs_stored=made_up_fit().rotvecs_continuous)
    assert "stores are continuous" in page.text and "the vector jumps by 357°" in page.text
    assert marks(page) == 1


def test_a_real_flip_is_not_excused(tmp_path):
    flipped = np.repeat([[0.0, 1.6, 0.0], [0.0, -1.6, 0.0]], T // 2, axis=0)
    text = page_of(tmp_path, rotvecs_stored=flipped).text
    assert "wrong pose" in text and "None of the jumps" in text and "They mostly come from the start" in text
    assert "the animal turns smoothly" not in text
    slow = page_of(tmp_path, rotvecs_stored=flipped, time_s=np.arange(T) / 5).text
    assert "by more than 90° from one frame" in slow and "wrong pose" in slow


def test_what_depth_must_be_read_from_is_computed(page):
    # 2 m of animal at 20 m: 2 / (20 * 17.27 / 12.29) * 640 = 45.5 pixels; 10 cm deeper makes it 0.5 % smaller
    assert "0.5 % smaller: 0.2 of its 46 pixels" in words_of(page)


def test_the_outline_of_the_picture_is_drawn_where_the_track_fills_it(tmp_path, page):
    near = page_of(tmp_path, altitude_m=2.0)
    assert "the dotted frame is what the camera sees" in words_of(near)
    assert "seen by the camera" in json.dumps(near.figure("track"))
    assert "the dotted frame" not in words_of(page)  # a track of 1 m in a picture of 28 m
    left, right = page.figure("track")["layout"]["xaxis"]["range"]
    assert left - right < 1.5
    moving = page_of(tmp_path, picture_moves=True, altitude_m=2.0)
    assert "the dotted frame" not in words_of(moving)
    assert "seen by the camera" not in json.dumps(moving.figure("track"))


def test_without_a_truth_it_says_so(tmp_path):
    unknown = dict.fromkeys(("truth_translations", "truth_heading_deg", "vertex_error_m", "altitude_m"))
    named = dict(pack="<script>alert(1)</script>", clip="a & b")
    page = page_of(tmp_path, metrics={"epochs": 5}, per_frame={}, **unknown, **named)
    assert "without a known truth" in page.text and "Against the truth" not in page.text
    assert not page.one("video") and "<script>alert(1)</script>" in page.text and "a & b" in page.text
    assert "truth" not in {trace["name"] for trace in page.figure("track")["data"]}
    assert not page.figure("viewer")["layout"].get("updatemenus")


REAL = dict.fromkeys(("truth_translations", "truth_heading_deg", "vertex_error_m"))
MEASURED = {"orientation_jump_deg_max": 20.0, "colour_psnr_db_with_given_masks": 31.0}
MEASURED |= {"colour_psnr_db_still_water_with_given_masks": 26.0, "length_sd_pct": 5.48, "water_index": 1.34}
MEASURED |= {"iou_with_given_masks_min": 0.81, "iou_with_given_masks_mean": 0.91}


def test_without_a_truth_the_table_begins_with_the_masks_and_refers_to_nothing_else(tmp_path):
    text = words_of(page_of(tmp_path, metrics=MEASURED, **REAL))
    table = text[text.index("How well it fits") :]
    assert table.index("0.910✓ good") < table.index("0.810") < table.index("Largest turn")
    assert "The same inside" not in text and "The same in still" not in text
    assert "the comparison above" not in text and "inside the given masks" in text
    assert "standard deviation of" not in text and "length sd pct" not in text


def test_how_far_a_body_may_turn_goes_with_the_rate_of_the_clip(tmp_path):
    text = words_of(page_of(tmp_path, metrics=MEASURED, **REAL))
    assert "more than 15° in 1/50 s" in text and "20.0°✗ not good" in text
    text = words_of(page_of(tmp_path, metrics=MEASURED, time_s=np.arange(T) / 25, **REAL))
    assert "more than 30° in 1/25 s" in text and "20.0°✓ good" in text


def test_text_and_figure_put_a_jump_at_one_place(page):
    said = re.search(r"at ([\d.]+) s the vector jumps", words_of(page))[1]
    assert f"at {said} s the vector jumps" in json.dumps(page.figure("orientation"))


def test_a_band_that_narrows_is_said_beside_the_curve(tmp_path, page):
    assert "a smaller learning rate" in words_of(page)
    text = words_of(page_of(tmp_path, narrows=True))
    assert "cannot be compared" in text and "learning rate" not in text.split("How the fit went")[1][:800]


def test_a_calm_height_looks_calm(tmp_path):
    still = made_up_fit().translations * [1, 0, 1] + np.linspace([0, -0.4505, 0], [0, -0.451, 0], T)
    layout = page_of(tmp_path, translations=still, **REAL).figure("frames")["layout"]
    low, high = layout["yaxis3"]["range"]
    assert 0.1 <= high - low < 0.2 and low < -0.451 < -0.4505 < high and "range" not in layout["yaxis"]


SIZES = {
    name: Interval(value, {"altitude": 0.02, "outline": 0.01})
    for name, value in (("length", 2.61), ("volume", 0.22), ("mass", 226.0), ("width_40", 0.44))
}


def test_a_size_comes_with_its_interval_and_what_makes_it_wide(tmp_path):
    page = page_of(tmp_path, sizes=SIZES, rest=made_up_fit().vertices[0])
    text = words_of(page)
    assert "2.61 m" in text and "2.50 m to 2.73 m" in text and "-4.3 to +4.5 %" in text
    assert "the drone's altitude" in text and "± 3.9 %" in text and "the animal's density" not in text
    assert len(page.figure("size")["data"]) >= 4
    assert "most is the drone's altitude (± 3.9 %) and the outline in the masks (± 2.0 %)" in text
    assert "as well as what is known of the drone's altitude and the outline" in text
    assert "to the tips of its flukes" in text
    assert text.index("What makes the intervals wide") < text.index("The dolphin in 3D")
    assert text.index("What one camera can") < text.index("and a jump of its numbers alone")


def test_without_a_truth_the_intervals_are_all_there_is(tmp_path):
    page = page_of(tmp_path, sizes=SIZES, truth_translations=None, truth_heading_deg=None)
    assert "Nobody measured this animal: the intervals are all there is" in words_of(page)


def test_doubts_stand_at_the_top(tmp_path):
    bad = [Doubt(True, "The overlap is 0.27."), Doubt(False, "The loss rose & rose.")]
    text = words_of(page_of(tmp_path, doubts=bad, sizes=SIZES))
    assert (
        text.index("Do not trust the size.")
        < text.index("The overlap is 0.27.")
        < text.index("The dolphin in 3D")
    )
    assert "The loss rose & rose." in text and "length, not to be trusted" in text
    text = words_of(page_of(tmp_path, doubts=bad[1:]))
    assert "Look at this fit before you use it." in text and "not to be trusted" not in text
    assert "Nothing speaks against this fit." in words_of(page_of(tmp_path))


def test_a_single_frame_makes_a_page(tmp_path):
    values = vars(made_up_fit())
    one = {name: value[:1] for name, value in values.items() if np.shape(value)[:1] == (T,)}
    one["per_frame"] = {name: value[:1] for name, value in values["per_frame"].items()}
    page = page_of(tmp_path, **one)
    assert "1 frames" not in page.text and not page.figure("viewer").get("frames")


def test_a_large_video_is_linked_beside_the_page(tmp_path, monkeypatch):
    video = show.write_video(tmp_path / "fit.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3)
    monkeypatch.setattr(report, "VIDEO_LIMIT_MB", 1e-4)
    page = page_of(tmp_path, video=video)
    assert page.one("video")[0]["src"] == "fit.mp4" and "too large for this page" in page.text


REFUSED = {
    r"time_s has shape \(3,\), expected \(60,\)": dict(time_s=np.zeros(3)),
    "vertices": dict(vertices=np.zeros((T, 4))),
    r"per_frame\['iou'\]": dict(per_frame={"iou": np.zeros(2)}),
    "history": dict(history=[]),
    "cannot read the video": dict(video="none.mp4"),
}


@pytest.mark.parametrize("says, changes", REFUSED.items())
def test_what_does_not_belong_together_is_refused(tmp_path, says, changes):
    with pytest.raises(CourseError, match=says):
        report.build_report(tmp_path, made_up_fit(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("older")
    with pytest.raises(CourseError, match="cannot write the report"):
        report.build_report(tmp_path / "file", made_up_fit())
    assert (tmp_path / "file").read_text() == "older"


def test_how_an_animal_rises_and_sinks_is_told_where_colours_tell_it(tmp_path):
    about = METRICS | {"heave_m": 0.043, "heave_sd_m": 0.014}
    page = page_of(tmp_path, metrics=about, heave_sd=np.full(T, 0.014))
    assert "by 4 cm (RMS), each frame ± 3 cm (95 %)" in words_of(page)
    assert "one deviation less" in (tmp_path / "report.html").read_text()
