"""The viewer: what it draws, how time passes in it, and what is said about bad input."""

import base64
import json

import numpy as np
import pytest
import torch

from course_lib import show
from course_lib.errors import CourseError

T = 12
TIME = np.arange(T) / 50
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
BODY = np.array([[0.0, 0, 1], [0.3, 0, -1], [-0.3, 0, -1], [0, 0.4, -0.5]]) + [1.0, -0.5, 0.0]
# a tetrahedron that swims along +z, half a metre under the sea
VERTICES = BODY + np.stack([0 * TIME, 0 * TIME, 2 * TIME], -1)[:, None]


def view(**more):
    return show.mesh_viewer(**{"vertices": VERTICES, "faces": FACES, **more})


def on_page(figure):
    """The figure as a browser gets it; packed arrays are unpacked."""

    def unpack(value):
        if "bdata" not in value:
            return value
        array = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
        return array.reshape([int(n) for n in value.get("shape", str(len(array))).split(",")])

    return json.loads(figure.to_json(), object_hook=unpack)


def test_viewer_shows_the_mesh_upright_and_unmirrored():
    mesh = on_page(view())["data"][0]
    drawn = np.stack([mesh["x"], mesh["y"], mesh["z"]], -1)
    np.testing.assert_allclose(drawn[:, 2], VERTICES[0, :, 1], atol=1e-3)  # height is vertical
    volumes = [np.linalg.det(corners[1:] - corners[0]) for corners in (drawn, VERTICES[0])]
    np.testing.assert_allclose(*volumes, rtol=1e-2)  # same handedness


def test_viewer_has_a_frame_per_shown_time_and_a_slider_that_reaches_each():
    figure = view(every=5, time_s=TIME)
    assert type(figure).__name__ == "Figure"
    assert [frame.name for frame in figure.frames] == ["0", "5", "10"]
    steps = [(step.label, step.args[0][0]) for step in figure.layout.sliders[0].steps]
    assert steps == [("0.00", "0"), ("0.10", "5"), ("0.20", "10")]
    last = on_page(figure)["frames"][-1]["data"][0]
    np.testing.assert_allclose(last["x"], VERTICES[10, :, 2], atol=1e-3)


def test_viewer_follows_the_mesh_or_stays():
    stay = view(follow=False)
    assert all(frame.layout.scene.xaxis.range is None for frame in stay.frames)
    low, high = stay.layout.scene.xaxis.range
    assert low < VERTICES[..., 2].min() and high > VERTICES[..., 2].max()
    for t, frame in enumerate(view(every=1).frames):
        low, high = frame.layout.scene.xaxis.range
        assert low < VERTICES[t, :, 2].min() and high > VERTICES[t, :, 2].max()
        np.testing.assert_allclose((low + high) / 2, VERTICES[t, [0, 1], 2].mean(), atol=2e-3)


def test_viewer_has_equal_scales():
    scene = view().layout.scene
    spans = [np.ptp(axis.range) for axis in (scene.xaxis, scene.yaxis, scene.zaxis)]
    ratios = [scene.aspectratio[axis] for axis in "xyz"]
    np.testing.assert_allclose(np.divide(ratios, ratios[0]), np.divide(spans, spans[0]), rtol=1e-2)


def test_viewer_draws_few_frames_of_a_long_clip_and_stays_small():
    rng = np.random.default_rng(0)
    figure = show.mesh_viewer(rng.random((200, 2000, 3)), rng.integers(0, 2000, (4000, 3)))
    assert 40 <= len(figure.frames) <= 50
    assert len(figure.to_json()) < 3e6


@pytest.mark.parametrize("shape", [(4,), (T, 4)])
def test_viewer_colours_by_intensity_with_a_way_back_to_skin(shape):
    figure = view(intensity=np.ones(shape), intensity_title="cm")
    assert [b.label for b in figure.layout.updatemenus[-1].buttons] == ["cm", "skin"]
    np.testing.assert_allclose(on_page(figure)["frames"][3]["data"][0]["intensity"], 1)


def test_viewer_takes_one_frame_vertex_colours_and_no_controls():
    figure = view(vertices=torch.tensor(VERTICES[0]), faces=torch.tensor(FACES), colour=np.eye(4)[:, :3])
    assert not figure.frames and not figure.layout.sliders
    assert figure.data[0].vertexcolor[0] == "rgb(255,0,0)"
    bare = view(controls=False, sea=False, track=VERTICES[:, 0])
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
def test_viewer_says_what_is_wrong(broken, says):
    with pytest.raises(CourseError, match=says):
        view(**broken)
