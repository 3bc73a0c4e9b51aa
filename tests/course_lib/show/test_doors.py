"""Whatever a person gives to a figure is shown as it is meant, or one line says what is wrong with it."""

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import show
from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.show import images, values
from course_lib.show.model import draw_mesh

# --- images

GREY = torch.linspace(0, 1, 6 * 8).reshape(6, 8)
BYTES = (GREY * 255).round().to(torch.uint8)
SAME_IMAGE = {
    "float32": GREY,
    "float64": GREY.double(),
    "float16": GREY.half(),
    "bfloat16": GREY.bfloat16(),
    "with gradients": GREY.clone().requires_grad_(),
    "array": GREY.numpy(),
    "list": GREY.tolist(),
    "list of tensors": list(GREY),
    "with a channel": GREY[..., None],
    "in colour": GREY[..., None].expand(-1, -1, 3),
    "not contiguous": GREY.T.contiguous().T,
    "uint8": BYTES,
    "int64": BYTES.long(),
    "sparse": GREY.to_sparse(),
    "PIL": Image.fromarray(BYTES.numpy()),
}


@pytest.mark.parametrize("kind", SAME_IMAGE)
def test_an_image_of_any_kind_is_the_same_image(kind):
    found = images.as_rgb(SAME_IMAGE[kind], "it")
    close = 2 if kind == "bfloat16" else 1  # it has 8 bits, and no more
    assert found.shape == (6, 8, 3) and found.dtype == np.uint8
    assert np.abs(found[..., 0].astype(int) - BYTES.numpy()).max() <= close


def test_masks_are_black_and_white():
    for mask in (GREY > 0.5, (GREY > 0.5).long(), (GREY > 0.5).numpy()):
        assert set(np.unique(images.as_rgb(mask, "it"))) == {0, 255}


NO_IMAGE = {
    "a batch": (torch.zeros(2, 6, 8, 3), r"\(2, 6, 8, 3\).*images\[0\]"),
    "channels first": (torch.zeros(3, 6, 8), r"permute\(1, 2, 0\)"),
    "transparent": (torch.zeros(6, 8, 4), r"\[\.\.\., :3\]"),
    "bytes as floats": (GREY * 255, "divide by 255"),
    "NaN": (GREY / 0 * 0, "not finite"),
    "infinite": (GREY / 0, "not finite"),
    "empty": (GREY[:0], r"\(0, 8\)"),
    "too large for bytes": (BYTES.long() * 2, "from 0 to 510"),
    "negative": (-BYTES.long(), "from -255"),
    "complex": (GREY + 1j, "not an array of numbers"),
    "a row": (GREY[0], r"\(8,\)"),
    "ragged": ([[1, 2], [3]], "not an array of numbers"),
    "a name": ("frame.png", "not an array of numbers; it is str 'frame.png'"),
    "nothing": (None, "not an array of numbers"),
    "nowhere": (torch.zeros(6, 8, device="meta"), "not an array of numbers"),
}
SHOWS = {
    "tiles": lambda image, tmp: show.tiles({"it": image}),
    "image_slider": lambda image, tmp: show.image_slider({"it": image}),
    "write_video": lambda image, tmp: show.write_video(tmp / "it.mp4", [image]),
    "draw_labels": lambda image, tmp: show.draw_labels(image, ["it"], columns=1),
}


@pytest.mark.parametrize("shows", SHOWS)
@pytest.mark.parametrize("kind", NO_IMAGE)
def test_what_is_no_image_is_told_in_one_line_wherever_it_is_given(kind, shows, tmp_path):
    value, says = NO_IMAGE[kind]
    with pytest.raises(CourseError, match=says) as told:
        SHOWS[shows](value, tmp_path)
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


ONE = [torch.zeros(64, 64, 3), np.zeros((64, 64)), torch.zeros(8, 8, 1), list(torch.zeros(64, 64, 3))]


@pytest.mark.parametrize("one", ONE)
def test_one_image_is_no_video(one, tmp_path):
    with pytest.raises(CourseError, match=r"image.*\[image\]"):
        show.write_video(tmp_path / "it.mp4", one)


def test_all_frames_may_be_one_tensor(tmp_path):
    for frames in (torch.zeros(3, 16, 16, 3).bfloat16(), np.zeros((3, 16, 16), np.uint8)):
        assert show.write_video(tmp_path / "it.mp4", frames, fps="25").is_file()


# --- numbers, colours, widths


@pytest.mark.parametrize("value", ["25", 25, 25.0, np.float32(25), torch.tensor(25), np.array([25])])
def test_a_number_of_any_kind_is_a_number(value):
    assert values.as_number(value, "fps", low=1, whole=True) == 25


@pytest.mark.parametrize("value", [0, -25, math.nan, math.inf, "fast", None, [1, 2], "0x10", torch.ones(2)])
def test_what_is_no_rate_of_frames_is_told(value, tmp_path):
    with pytest.raises(CourseError, match=r"^fps is .*; expected one number from 0\.01 to 1000\.$"):
        show.write_video(tmp_path / "it.mp4", [BYTES], fps=value)


@pytest.mark.parametrize(
    "colour", ["red", "#f00", "#ff0000", "r", "rgb(255, 0, 0)", (1, 0, 0), torch.tensor([1, 0, 0])]
)
def test_a_colour_by_any_name_is_that_colour(colour):
    assert values.as_colour(colour) == "#ff0000"


@pytest.mark.parametrize("colour", ["reddish", "", None, (1, 0), (255, 0, 0), 3, (math.nan, 0, 0)])
def test_what_is_no_colour_is_told(colour):
    with pytest.raises(CourseError, match="expected a colour"):
        values.as_colour(colour)


@pytest.mark.parametrize(
    "width, css", [(640, "640px"), ("640", "640px"), ("50%", "50%"), ("20em", "20em"), (640.5, "640.5px")]
)
def test_a_width_has_a_unit(width, css, tmp_path):
    path = show.write_video(tmp_path / "it.mp4", [BYTES] * 2)
    assert f'max-width:100%;width:{css}"' in show.inline_video(path, width=width)._repr_html_()


@pytest.mark.parametrize("width", [0, -5, "wide", "1px;color:red", None, math.nan])
def test_what_is_no_width_is_told(width, tmp_path):
    path = show.write_video(tmp_path / "it.mp4", [BYTES] * 2)
    with pytest.raises(CourseError, match="^width is "):
        show.inline_video(path, width=width)


# --- anything, anywhere

ANYTHING = {
    "None": None,
    "text": "25",
    "empty text": "",
    "NaN": math.nan,
    "infinity": math.inf,
    "-1": -1,
    "0": 0,
    "2.5": 2.5,
    "many": 10**9,
    "list": [],
    "texts": ["a", "b"],
    "ragged": [[1, 2], [3]],
    "dict": {},
    "dict of None": {"a": None},
    "function": print,
    "bytes": b"abc",
    "bfloat16": torch.ones(4, 3).bfloat16(),
    "with gradients": torch.ones(4, 3, requires_grad=True),
    "NaNs": torch.full((4, 3), math.nan),
    "no entries": torch.zeros(0, 3),
    "one number": torch.tensor(1.0),
    "many dimensions": torch.zeros(2, 2, 2, 2, 2),
    "complex": torch.ones(4, 3) * 1j,
    "meta": torch.zeros(4, 3, device="meta"),
    "objects": np.array([None, "a"]),
}
MODEL = DolphinModel(find_pack())
MESH = dict(vertices=torch.rand(4, 3), faces=torch.tensor([[0, 1, 2], [1, 2, 3]]))
TIMES, PATH = torch.arange(5) / 50, torch.rand(5, 3)


def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


RIGHT = {
    "write_video": dict(path="it.mp4", frames=[BYTES] * 2, fps=25, crf=30),
    "inline_video": dict(path="there.mp4", width=640, description="it"),
    "video_data_uri": dict(path="there.mp4"),
    "draw_labels": dict(frame=torch.zeros(20, 40, 3), labels=["a", "b"], columns=2),
    "tiles": dict(images={"a": GREY, "b": GREY}, columns=2, zoom=2),
    "image_slider": dict(images={"a": GREY}, prefix="p", outline=torch.rand(4, 2), start=0),
    "lines": dict(x=TIMES, curves={"a": TIMES}, x_title="x", y_title="y", mark=(1, "m"), height=200),
    "ball": dict(size=8),
    "mesh_viewer": dict(**MESH, every=1, time_s=[0], colour="red", track=PATH, height=300),
    "track_figure": dict(
        translations=PATH,
        time_s=TIMES,
        heading_deg=TIMES,
        truth=PATH,
        altitude_m=9,
        resolution=(64, 36),
        half_width=0.7,
    ),
    "loss_curves": dict(history=[{"loss": 1.0}, {"loss": 0.5}], shown=["loss"]),
    "series_over_time": dict(panels={"a": TIMES}, time_s=TIMES, panel_height=150),
    "orientation_figure": dict(
        rotvecs=PATH, continuous=PATH, name="n", heading_deg=TIMES, truth_heading_deg=TIMES, time_s=TIMES
    ),
    "orientation_jumps": dict(rotvecs=PATH),
    "parts_figure": dict(model=MODEL, names=list("abcdefg")),
    "weights_figure": dict(model=MODEL, bone=1, name="b"),
    "bend_figure": dict(model=MODEL, names=list("abcdefg"), axis="x", degrees=40, steps=3),
    "scale_figure": dict(model=MODEL, names=list("abcdefg"), parts=(1,), largest=0.2, steps=2),
    "rotation_figure": dict(axis=(1, 2, 2), vector=(1, 0, 0), steps=5),
    "turns_figure": dict(model=MODEL, size=(3, 1)),
    "nearness_figure": dict(
        dolphins={"1": "here", "0.9": "nearer"},
        vertices=torch.rand(2, 6, 3),
        eye=(0, 9, 0),
        pixels=torch.rand(2, 6, 2),
        terms={"mask": [0.2, 0.1], "sum": [0.3, 0.2]},
    ),
    "size_figure": dict(**MESH, stations=[0.3, 0.6], widths=[0.1, 0.2], low=[0.1, 0.1], high=[0.2, 0.3]),
    "minima": dict(x=TIMES, curves={"a": TIMES}, x_title="g", height=340),
    "draw_mesh": dict(ax=axes(), **MESH, right=(1, 0, 0), up=(0, 1, 0), colour="red", place=(0, 0)),
}
FUNCTIONS = {name: getattr(show, name, draw_mesh) for name in RIGHT}
NOT_DATA = {"ax"}  # a thing of matplotlib's


def test_all_that_a_student_calls_is_here():
    public = {name for name, value in vars(show).items() if inspect.isfunction(value)}
    assert public <= set(RIGHT)


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    show.write_video("there.mp4", [BYTES] * 2)
    return Path("it.mp4")


@pytest.mark.parametrize("name", RIGHT)
def test_whatever_is_given_is_shown_or_told_in_one_line(name, there):
    FUNCTIONS[name](**RIGHT[name])
    escaped = []
    for argument in RIGHT[name].keys() - NOT_DATA:
        for kind, value in ANYTHING.items():
            try:
                FUNCTIONS[name](**RIGHT[name] | {argument: value})
            except CourseError as told:
                assert "\n" not in str(told) and len(str(told)) < 400, told
            except Exception as error:
                escaped.append(f"{argument}={kind}: {type(error).__name__}: {str(error)[:90]}")
    assert not escaped, "\n".join(escaped)
