"""course_lib.show: what the figures hold, that videos play, and what is said about bad input."""

import itertools
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_lib import show
from course_lib.errors import CourseError

T = 12
TIME = np.arange(T) / 50
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])


@pytest.fixture
def vertices():
    """A tetrahedron that swims along +z, half a metre under the sea."""
    body = np.array([[0.0, 0, 1], [0.3, 0, -1], [-0.3, 0, -1], [0, 0.4, -0.5]]) + [1.0, -0.5, 0.0]
    return body + np.stack([0 * TIME, 0 * TIME, 2 * TIME], -1)[:, None]


def on_page(figure):
    """The figure as a browser gets it; packed arrays are unpacked."""
    import base64

    def unpack(value):
        if isinstance(value, dict) and "bdata" in value:
            array = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            return array.reshape([int(n) for n in value.get("shape", str(len(array))).split(",")])
        if isinstance(value, dict):
            return {name: unpack(v) for name, v in value.items()}
        return [unpack(v) for v in value] if isinstance(value, list) else value

    return unpack(json.loads(figure.to_json()))


# --- the viewer -----------------------------------------------------------------------------------


def test_viewer_shows_the_mesh_upright_and_unmirrored(vertices):
    mesh = on_page(show.mesh_viewer(vertices, FACES))["data"][0]
    drawn = np.stack([mesh["x"], mesh["y"], mesh["z"]], -1)
    np.testing.assert_allclose(drawn[:, 2], vertices[0, :, 1], atol=1e-3)  # height is vertical
    corner = vertices[0, 1:] - vertices[0, 0]
    np.testing.assert_allclose(
        np.linalg.det(drawn[1:] - drawn[0]), np.linalg.det(corner), rtol=1e-2
    )  # same handedness


def test_viewer_has_a_frame_per_shown_time_and_a_slider_that_reaches_each(vertices):
    figure = show.mesh_viewer(vertices, FACES, every=5, time_s=TIME)
    assert [frame.name for frame in figure.frames] == ["0", "5", "10"]
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0.00", "0.10", "0.20"]
    assert [step.args[0][0] for step in figure.layout.sliders[0].steps] == ["0", "5", "10"]
    last = on_page(figure)["frames"][-1]["data"][0]
    np.testing.assert_allclose(last["x"], vertices[10, :, 2], atol=1e-3)
    assert type(figure).__name__ == "Figure"


def test_viewer_follows_the_mesh_or_stays(vertices):
    stay = show.mesh_viewer(vertices, FACES, follow=False)
    assert all(frame.layout.scene.xaxis.range is None for frame in stay.frames)
    low, high = stay.layout.scene.xaxis.range
    assert low < vertices[..., 2].min() and high > vertices[..., 2].max()
    for t, frame in enumerate(show.mesh_viewer(vertices, FACES, every=1).frames):
        low, high = frame.layout.scene.xaxis.range
        assert low < vertices[t, :, 2].min() and high > vertices[t, :, 2].max()
        np.testing.assert_allclose((low + high) / 2, vertices[t, [0, 1], 2].mean(), atol=2e-3)


def test_viewer_has_equal_scales(vertices):
    scene = show.mesh_viewer(vertices, FACES).layout.scene
    spans = [np.ptp(axis.range) for axis in (scene.xaxis, scene.yaxis, scene.zaxis)]
    ratio = scene.aspectratio
    np.testing.assert_allclose(
        np.array([ratio.x, ratio.y, ratio.z]) / ratio.x, np.array(spans) / spans[0], rtol=1e-2
    )


def test_viewer_draws_few_frames_of_a_long_clip_and_stays_small():
    rng = np.random.default_rng(0)
    figure = show.mesh_viewer(rng.random((200, 2000, 3)), rng.integers(0, 2000, (4000, 3)))
    assert 40 <= len(figure.frames) <= 50
    assert len(figure.to_json()) < 3e6


@pytest.mark.parametrize("shape", [(4,), (T, 4)])
def test_viewer_colours_by_intensity_with_a_way_back_to_skin(vertices, shape):
    figure = show.mesh_viewer(vertices, FACES, intensity=np.ones(shape), intensity_title="cm")
    assert [b.label for b in figure.layout.updatemenus[-1].buttons] == ["cm", "skin"]
    np.testing.assert_allclose(on_page(figure)["frames"][3]["data"][0]["intensity"], 1)


def test_viewer_takes_one_frame_vertex_colours_and_no_controls(vertices):
    figure = show.mesh_viewer(torch.tensor(vertices[0]), torch.tensor(FACES), colour=np.eye(4)[:, :3])
    assert not figure.frames and not figure.layout.sliders
    assert figure.data[0].vertexcolor[0] == "rgb(255,0,0)"
    bare = show.mesh_viewer(vertices, FACES, controls=False, sea=False, track=vertices[:, 0])
    assert not bare.layout.sliders and not bare.layout.updatemenus
    assert len(bare.frames) == T and len(bare.data) == 2


@pytest.mark.parametrize(
    "broken, says",
    [
        (dict(faces=[[0, 1, 4]]), "there are 4"),
        (dict(faces=[[0, 1, -1]]), "face 0"),
        (dict(faces=[[0.0, 1, 2]]), "integers"),
        (dict(vertices=np.zeros((3, 4))), r"\(T, V, 3\)"),
        (dict(vertices=np.full((2, 4, 3), np.nan)), "frame 0"),
        (dict(intensity=np.zeros(5)), "intensity"),
        (dict(time_s=[0.0]), "time_s"),
        (dict(faces=["a"]), "numbers"),
        (dict(intensity=np.zeros(4), colour=np.zeros((4, 3))), "one of the two"),
    ],
)
def test_viewer_says_what_is_wrong(vertices, broken, says):
    with pytest.raises(CourseError, match=says):
        show.mesh_viewer(**{"vertices": vertices, "faces": FACES, **broken})


# --- tracks, curves, orientation ------------------------------------------------------------------


def test_track_is_drawn_as_the_drone_sees_it(vertices):
    track = vertices.mean(axis=1)
    figure = show.track_figure(
        track[:, None], time_s=TIME, heading_deg=np.full(T, 30.0), truth=track, altitude_m=10.0
    )
    high, low = figure.layout.xaxis.range
    assert high > low and figure.layout.yaxis.scaleanchor == "x"  # +x to the left, equal scales
    traces = {trace.name: trace for trace in figure.data}
    assert set(traces) == {"seen by the camera", "truth", "fit", "heading"}
    assert max(traces["seen by the camera"].x) == pytest.approx(5 * 17.27 / 12.29)
    # heading 30 deg is towards +x, so to the left of the page's up: marker angles grow clockwise
    assert set(np.round(traces["heading"].marker.angle)) == {-30.0}
    assert len(show.track_figure(track[:1]).data) == 1


@pytest.mark.parametrize(
    "history",
    [
        [{"total": 2.0, "mask_iou": 1.0}, {"total": 1.0, "mask_iou": 0.25, "late": 3.0}],
        {"mask_iou": [1.0, 0.25], "total": np.array([2.0, 1.0]), "late": [np.nan, 3.0]},
    ],
)
def test_loss_curves_take_both_forms_and_both_axes(history):
    figure = show.loss_curves(history)
    curves = {trace.name: list(trace.y) for trace in figure.data}
    assert list(curves)[0] == "total" and curves["mask iou"] == [1.0, 0.25]
    assert (
        figure.layout.yaxis.type == "log"
        and show.loss_curves(history, log=False).layout.yaxis.type == "linear"
    )


def test_loss_curves_show_the_terms_that_are_asked_for_and_their_buttons_leave_the_legend_free():
    figure = show.loss_curves([{"mask_iou": 1.0, "pose": 0.1, "loss": 1.1}], shown=("mask_iou",))
    assert {trace.name: trace.visible for trace in figure.data} == {
        "loss": True,
        "mask iou": True,
        "pose": "legendonly",
    }
    assert figure.layout.updatemenus[0].yanchor == "top" and figure.layout.updatemenus[0].y == 0
    assert figure.layout.legend.yanchor == "bottom" and figure.layout.legend.y > 1


@pytest.mark.parametrize("history", [[], {}, {"total": []}, {"total": [1.0, 2.0], "iou": [1.0]}])
def test_loss_curves_refuse_histories_without_sense(history):
    with pytest.raises(CourseError, match="history"):
        show.loss_curves(history)


def test_series_are_stacked_and_the_truth_lies_under_the_fit():
    figure = show.series_over_time(
        {"IoU": np.ones(T), "height (m)": {"fit": np.zeros(T), "truth": np.ones(T)}}, TIME
    )
    assert [trace.name for trace in figure.data] == ["IoU", "truth", "fit"]
    assert [trace.yaxis for trace in figure.data] == ["y", "y2", "y2"]
    with pytest.raises(CourseError, match="3 values for 12"):
        show.series_over_time({"IoU": np.ones(T), "other": np.ones(3)})
    with pytest.raises(CourseError, match="no panels"):
        show.series_over_time({})


def test_a_series_has_the_colour_of_the_legend_in_every_panel():
    one, two = np.zeros(T), np.ones(T)
    figure = show.series_over_time(
        {"a": {"first": one, "second": two}, "b": {"truth": one, "second": two, "third": one}}, TIME
    )
    first, second, again, third = (trace.line.color for trace in figure.data if trace.name != "truth")
    assert second == again and second not in (first, third)


def turning(start_deg, stop_deg, n=50):
    """A steady turn about a slightly tilted vertical axis: continuous vectors, and the same with angles
    within pi.
    """
    axis = np.array([0.05, 1.0, -0.03]) / np.linalg.norm([0.05, 1.0, -0.03])
    angle = np.radians(np.linspace(start_deg, stop_deg, n))[:, None]
    return angle * axis, (np.mod(angle + np.pi, 2 * np.pi) - np.pi) * axis


def test_a_wrap_is_told_from_a_flip():
    continuous, stored = turning(120, 240)
    assert show.orientation_jumps(continuous) == []
    [(t, leap, turn)] = show.orientation_jumps(stored)
    assert continuous[t, 1] < np.pi < np.linalg.norm(continuous[t + 1])
    assert leap == pytest.approx(360, abs=3) and turn == pytest.approx(120 / 49, abs=1e-3)
    for first, second, expected in ((3.1, -0.5, 360 - np.degrees(3.6)), (1.2, -1.2, np.degrees(2.4))):
        flipped = np.array([[0.0, first, 0.0], [0.0, second, 0.0]])
        [(_, _, turn)] = show.orientation_jumps(flipped)
        assert turn == pytest.approx(expected, abs=1e-6)


def test_orientation_figure_marks_the_jump_and_says_what_it_is():
    continuous, stored = turning(120, 240)
    true = np.linspace(120, 240, 50) - 360
    figure = show.orientation_figure(
        stored[:, None], continuous, truth_heading_deg=true, time_s=np.arange(50) / 50
    )
    said = [a.text for a in figure.layout.annotations if "leaps" in a.text]
    assert len(said) == 1 and "turns by 2.4°" in said[0]
    [label] = [a for a in figure.layout.annotations if "leaps" in a.text]
    assert (
        label.yref == "y domain" and label.y == 1 and label.yanchor == "bottom"
    )  # above the panel, not on the curves
    assert not any("gimbal" in (a.text or "").lower() for a in figure.layout.annotations)
    y = {(trace.name, trace.yaxis): np.array(trace.y) for trace in figure.data}
    assert np.abs(np.diff(y["y", "y"])).max() > 350 and np.abs(np.diff(y["y", "y2"])).max() < 5
    # the truth is a whole turn apart, as unwrapped angles may be, and is brought back
    assert np.abs(y["heading, fit", "y3"] - y["heading, truth", "y3"]).max() < 5
    assert len({trace.yaxis for trace in show.orientation_figure(stored).data}) == 2


def test_heading_of_known_rotations():
    assert show._heading_deg(np.array([[0.0, np.pi / 2, 0.0]]))[0] == pytest.approx(90)
    assert show._heading_deg(np.zeros((1, 3)))[0] == pytest.approx(0)


# --- video ----------------------------------------------------------------------------------------


def probe(path):
    """Decode a video: its size and its number of frames."""
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    return meta, sum(1 for _ in reader)


@pytest.mark.parametrize("kind", ["uint8", "float", "grey", "tensor"])
def test_videos_play_in_a_browser(tmp_path, kind):
    ramp = np.linspace(0, 1.3, 63 * 37).reshape(37, 63)
    image = np.repeat(ramp[..., None], 3, -1)
    frame = {
        "uint8": np.clip(image * 255, 0, 255).astype(np.uint8),
        "float": image.astype(np.float32),
        "grey": ramp,
    }.get(kind)
    if kind == "tensor":
        frame = torch.tensor(image, requires_grad=True)
    path = show.write_video(tmp_path / "new folder" / "clip.mp4", (frame for _ in range(7)), fps=25)
    meta, count = probe(path)
    assert (meta["size"], meta["fps"], meta["codec"], count) == ((64, 38), 25, "h264", 7)
    assert "yuv420p" in meta["pix_fmt"]
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # can start before it has all arrived
    assert [p.name for p in path.parent.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    "frames, says",
    [
        ([], "no frames"),
        ([np.zeros((8, 8, 4))], "expected"),
        ([np.full((8, 8, 3), 200.0)], "divide by 255"),
        ([np.full((8, 8, 3), np.nan)], "frame 0"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 10, 3))], "frame 1 is 10 x 8"),
    ],
)
def test_bad_frames_leave_an_older_video_alone(tmp_path, frames, says):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    with pytest.raises(CourseError, match=says):
        show.write_video(path, frames)
    assert path.read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


def test_an_interrupted_video_leaves_nothing_behind(tmp_path):
    def frames():
        yield np.zeros((16, 16, 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show.write_video(tmp_path / "clip.mp4", frames())
    assert list(tmp_path.iterdir()) == []


def test_ffmpeg_that_fails_or_is_missing_is_told(tmp_path, monkeypatch):
    failing = tmp_path / "ffmpeg"
    failing.write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(show, "_find_ffmpeg", lambda: str(failing))
    with pytest.raises(CourseError, match="No space left on device"):
        show.write_video(tmp_path / "clip.mp4", (np.zeros((400, 400, 3), np.uint8) for _ in range(20)))
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CourseError, match="pip install imageio-ffmpeg"):
        show.write_video(tmp_path / "clip.mp4", [np.zeros((4, 4, 3))])
    with pytest.raises(CourseError, match=".mp4"):
        show.write_video(tmp_path / "clip.avi", [np.zeros((4, 4, 3))])


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="cannot write the video"):
        show.write_video(tmp_path / "file" / "clip.mp4", [np.zeros((4, 4, 3))])


def test_inline_video_carries_the_file(tmp_path):
    path = show.write_video(tmp_path / "clip.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3)
    page = show.inline_video(path, description='a "dolphin"')._repr_html_()
    assert page.startswith("<video controls") and "data:video/mp4;base64," in page
    assert 'aria-label="a &quot;dolphin&quot;"' in page and "http" not in page
    with pytest.raises(CourseError, match="cannot read"):
        show.inline_video(tmp_path / "none.mp4")
    (tmp_path / "no.mp4").write_text("not a video")
    with pytest.raises(CourseError, match="is not an mp4"):
        show.inline_video(tmp_path / "no.mp4")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_labels_go_into_the_corner_of_their_tile(dtype):
    grey = 120 if dtype == np.uint8 else 0.47
    frame = np.full((200, 400, 3), grey, dtype)
    out = show.draw_labels(frame, ["original", "", "render", "soft mask"])
    assert out.dtype == dtype and (frame == frame[0, 0]).all()
    changed = (out != frame).any(-1)
    assert not changed[:100, 200:].any()
    for rows, cols in ((0, 0), (100, 0), (100, 200)):
        tile = changed[rows : rows + 100, cols : cols + 200]
        assert tile[:30].any() and not tile[30:].any()
    assert out.max() > (240 if dtype == np.uint8 else 0.94)  # white letters
    tiny = show.draw_labels(np.zeros((8, 8, 3), dtype), ["a long label"] * 4)
    assert tiny.shape == (8, 8, 3)
    with pytest.raises(CourseError, match="3 labels for 2 columns"):
        show.draw_labels(frame, ["a", "b", "c"])


# --- colours and import ---------------------------------------------------------------------------


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """WCAG 2 contrast ratio."""
    low, high = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(
        rgb, 0, 1
    )
    f = np.cbrt(np.maximum(xyz / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_colours_can_be_read_on_light_and_dark_paper():
    for colour in show.SERIES:
        assert min(contrast(colour, "#ffffff"), contrast(colour, "#12191e")) >= 3
    assert min(contrast(show.INK, "#ffffff"), contrast(show.INK, "#12191e")) >= 4
    lightness = [lab(linear(colour))[0] for _, colour in show.TIME_SCALE]
    assert lightness == sorted(lightness) and contrast(show.TIME_SCALE[0][1], show.SEA) >= 3


@pytest.mark.parametrize(
    "sight",
    [  # Machado, Oliveira and Fernandes 2009, table for severity 1
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ],
)
def test_colours_differ_for_every_sight(sight):
    seen = [lab(np.array(sight) @ linear(colour)) for colour in show.SERIES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 20


def test_import_is_light():
    code = (
        "import sys, course_lib.show\n"
        "print([m for m in ('plotly', 'PIL', 'matplotlib', 'torch', 'cv2') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"\[\]\s*", said)
