"""Bank of mistakes and of right solutions for exercise 1."""

from operator import getitem

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from course_lib import check
from course_lib.check import lesson1
from course_lib.check.core import Complaint, grade, report
from solutions.preprocessing import show_samples

from .bank import assert_named, assert_right, given, mistakes

matplotlib.use("Agg")
exercise = check.samples
GRAY = dict(cmap="gray", vmin=0, vmax=1)


@pytest.fixture(autouse=True, scope="module")
def without_ticks():
    """Laying them out takes most of the time, and no check looks at them."""
    with plt.rc_context():
        plt.rc("xtick", bottom=False, labelbottom=False)
        plt.rc("ytick", left=False, labelleft=False)
        yield


# --- right ones, written differently


def with_pyplot(dataset, indices):
    figure, axes = plt.subplots(2, len(indices), squeeze=False, figsize=(3 * len(indices), 4))
    for k, index in enumerate(indices):
        sample = dataset[index]
        axes[0, k].imshow(sample["original"].numpy())
        axes[1, k].imshow(sample["segmented"].squeeze(-1).numpy())  # viridis is as good
        axes[0, k].set_title(f"Frame {index}")
        axes[1, k].axis("off")
    plt.tight_layout()
    plt.show()
    return figure


def by_number(dataset, indices):
    figure = plt.figure()
    for k, index in enumerate(indices):
        figure.add_subplot(2, len(indices), k + 1).imshow(dataset.frames[index])
        figure.add_subplot(2, len(indices), len(indices) + k + 1).imshow(dataset.masks[index], cmap="binary")
    return figure


def one_big_picture(dataset, indices):
    samples = [dataset[i] for i in indices]
    columns = [torch.cat([s["original"], s["segmented"].expand(-1, -1, 3)]) for s in samples]
    figure, axis = plt.subplots()
    axis.imshow(torch.cat(columns, dim=1))
    return figure


def in_subfigures(dataset, indices):
    figure = Figure(layout="constrained")
    for part, index in zip(np.atleast_1d(figure.subfigures(1, len(indices))), indices):
        above, below = part.subplots(2, 1)
        above.imshow((dataset[index]["original"] * 255).byte())
        below.imshow(dataset[index]["segmented"].repeat(1, 1, 3))
    return figure


def on_a_grid(dataset, indices):
    """By GridSpec, rows of different heights, and a colour bar beside each mask."""
    figure = plt.figure(figsize=(4 * len(indices), 8))
    grid = figure.add_gridspec(2, len(indices), height_ratios=[2, 1], hspace=0)
    for k, index in enumerate(indices):
        figure.add_subplot(grid[0, k]).matshow(dataset[index]["original"])
        axis = figure.add_subplot(grid[1, k])
        figure.colorbar(axis.imshow(dataset.masks[index] > 0, cmap="gray_r"), ax=axis)
    return figure


@pytest.mark.parametrize(
    "right", [show_samples, with_pyplot, by_number, one_big_picture, in_subfigures, on_a_grid]
)
def test_right_solutions_get_full_points(right):
    before = plt.get_fignums()
    assert_right(exercise, right)
    assert plt.get_fignums() == before  # the check leaves no figure open


# --- mistakes


def figure_alone(figure, axes):
    return figure


def write(
    mask_of=getitem,
    rows=(0, 1),
    frame=torch.clone,
    mask=torch.clone,
    colours=GRAY,
    squeeze=False,
    end=figure_alone,
    **more,
):
    """A show_samples with some of its parts changed."""

    def show_samples(dataset, indices):
        figure, axes = plt.subplots(2, len(indices), squeeze=squeeze)
        for k, index in enumerate(indices):
            shown = mask(dataset[mask_of(indices, k)]["segmented"])
            axes[rows[0], k].imshow(frame(dataset[index]["original"]), **more)
            axes[rows[1], k].imshow(shown[..., 0], **colours, **more)
        return end(figure, axes)

    return show_samples


def shows(change):
    """A show_samples of other indices than it is given."""
    return lambda dataset, indices: show_samples(dataset, change(indices))


def in_one_row(look):
    """Only one picture for each index."""

    def show_samples(dataset, indices):
        figure, axes = plt.subplots(1, len(indices), squeeze=False)
        for axis, index in zip(axes[0], indices):
            axis.imshow(look(dataset[index]))
        return figure

    return show_samples


def side_by_side(dataset, indices):
    figure, axes = plt.subplots(len(indices), 2, squeeze=False)
    for pair, index in zip(axes, indices):
        pair[0].imshow(dataset[index]["original"])
        pair[1].imshow(dataset[index]["segmented"][..., 0], **GRAY)
    return figure


def with_a_third_row(dataset, indices):
    figure, axes = plt.subplots(3, len(indices), squeeze=False)
    for k, sample in enumerate(dataset[index] for index in indices):
        pictures = sample["original"], sample["segmented"], sample["original"] * sample["segmented"]
        for axis, picture in zip(axes[:, k], pictures):
            axis.imshow(picture)
    return figure


def darkens_the_clip(dataset, indices):
    figure = show_samples(dataset, indices)
    for index in indices:
        dataset.frames[index] //= 2
    return figure


def all_in_one_axis(dataset, indices):
    for index in indices:
        plt.imshow(dataset[index]["original"])
        plt.imshow(dataset[index]["segmented"][..., 0])
    return plt.gcf()


def with_gcf(dataset, indices):
    for k, sample in enumerate(dataset[index] for index in indices):
        plt.subplot(2, len(indices), k + 1).imshow(sample["original"])
        plt.subplot(2, len(indices), len(indices) + k + 1).imshow(sample["segmented"], **GRAY)
    return plt.gcf()


def with_spare_axes(dataset, indices):
    figure = show_samples(dataset, indices)
    figure.add_axes([0.9, 0.9, 0.1, 0.1])
    return figure


def dolphins_for_masks(dataset, indices):
    figure, axes = plt.subplots(2, len(indices), squeeze=False)
    for pair, sample in zip(axes.T, (dataset[index] for index in indices)):
        pair[0].imshow(sample["original"])
        pair[1].imshow(sample["original"] * sample["segmented"])
    return figure


def one_special_case(dataset, indices):
    if len(indices) == 1:
        raise ValueError("too few")
    return show_samples(dataset, indices)


def as_picture(frame=torch.clone, mask=torch.clone):
    """A show_samples whose pictures are all colours, (H, W, 3)."""

    def show_samples(dataset, indices):
        figure, axes = plt.subplots(2, len(indices), squeeze=False)
        for k, index in enumerate(indices):
            axes[0, k].imshow(frame(dataset[index]["original"]))
            axes[1, k].imshow(mask(dataset[index]["segmented"]).expand(-1, -1, 3))
        return figure

    return show_samples


def shows_instead(picture):
    """A show_samples that makes something else of a frame, and its mask, than the frame."""

    def show_samples(dataset, indices):
        figure, axes = plt.subplots(2, len(indices), squeeze=False)
        for k, sample in enumerate(dataset[index] for index in indices):
            axes[0, k].imshow(picture(sample["original"], sample["segmented"]))
            axes[1, k].imshow(sample["segmented"], **GRAY)
        return figure

    return show_samples


MISTAKES = {
    "masks-above": write(rows=(1, 0)),
    "only-first": shows(lambda indices: indices[:1]),
    "only-first, in every column": shows(lambda indices: indices[:1] * len(indices)),
    "only-last": lambda dataset, indices: show_samples(dataset, indices[-1:]),
    "first-missing": shows(lambda indices: indices[1:] or indices),
    "last-missing": shows(lambda indices: indices[:-1] or indices),
    "indices-ignored": shows(lambda indices: range(len(indices))),
    "shifted": shows(lambda indices: [index - 1 for index in indices]),
    "wrong-frames": shows(lambda indices: [8 - index for index in indices]),
    "twice": shows(lambda indices: indices * 2),
    "five-indices": shows(lambda indices: list(dict.fromkeys(indices))),
    "grey": write(frame=lambda x: x[..., :1].expand(-1, -1, 3)),
    "grey, by a colour map": write(frame=lambda x: x[..., 1]),
    "grey, as it looks": write(frame=lambda x: x @ torch.tensor([0.299, 0.587, 0.114])),
    "inverted": write(mask=lambda x: 1 - x),
    "inverted, as where it is 0": write(mask=lambda x: x == 0),
    "inverted, in colours": as_picture(mask=lambda x: 1 - x),
    "mask-hidden": write(colours=dict(cmap="gray", vmin=0, vmax=255)),
    "mask-hidden, by a colour map without difference": write(colours=dict(cmap="gray", vmin=-9, vmax=1)),
    "mask-hidden, as bytes": as_picture(mask=torch.Tensor.byte),
    "times-255": write(frame=lambda x: x * 255),
    "one-colour": write(mask=torch.zeros_like),
    "black": write(frame=lambda x: x.byte()),
    "black, as whole numbers": write(frame=lambda x: x.numpy().astype(int)),
    "not-a-figure, but axes": write(end=lambda figure, axes: axes),
    "not-a-figure, but figure and axes": write(end=lambda figure, axes: (figure, axes)),
    "shown-not-returned": write(end=lambda figure, axes: plt.show()),
    "none": lambda dataset, indices: None,
    "empty-figure": lambda dataset, indices: plt.figure(),
    "stretched": write(aspect="auto"),
    "wrong-order": shows(sorted),
    "mask-of-another": write(lambda indices, k: indices[(k + 1) % len(indices)]),
    "indices-ignored, by the mask": write(lambda indices, k: k),
    "only-first, by the mask": write(lambda indices, k: indices[0]),
    "one-index": write(squeeze=True),
    "one-index, another reason": one_special_case,
    "upside-down": write(origin="lower"),
    "mirrored": write(frame=lambda x: x.flip(1)),
    "upside-down, the mask": write(mask=lambda x: x.flip(0)),
    "transposed": write(frame=lambda x: x.transpose(0, 1)),
    "resized": write(frame=lambda x: x[:-1]),
    "picture-shape": write(frame=lambda x: x.permute(2, 0, 1)),
    "no-such-key": lambda dataset, indices: plt.imshow(dataset[indices[0]]["image"]),
    "masks-missing": in_one_row(lambda sample: sample["original"]),
    "frames-missing": in_one_row(lambda sample: sample["segmented"][..., 0]),
    "side-by-side": side_by_side,
    "on-one-another": all_in_one_axis,
    "not-the-data": in_one_row(lambda sample: sample["original"] * (0.3 + 0.7 * sample["segmented"])),
    "raised": lambda dataset, indices: dataset(indices),
    "changed-input": darkens_the_clip,
    "changed-input, the list": lambda dataset, indices: show_samples(dataset, [*map(indices.pop, 3 * [0])]),
    "more-pictures": with_a_third_row,
    "mask-hidden, transparent": write(colours=GRAY | {"alpha": 0}),
    "not-the-data, stretched": write(frame=lambda x: (x - x.min()) / (x.max() - x.min())),
    "same-figure": with_gcf,
    "empty-axes": with_spare_axes,
    "cut-off": write(end=lambda figure, axes: axes[0, 0].set_xlim(5, 12) and figure),
    "mask-divided": write(mask=lambda x: x / 255, colours={}),
    "masked: where their masks belong": dolphins_for_masks,
    "empty-figure, cleared": write(end=lambda figure, axes: figure.clear() or figure),
}
POINTS = {"masks-above": 0, "stretched": 4, "one-index": 4}  # only what is wrong costs points
OF_FRAMES = [
    (Complaint.of(said).key, shows_instead(one))
    for said, makes in lesson1.OF_FRAMES.items()
    for one in (makes if isinstance(makes, tuple) else (makes,))
]


@mistakes(OF_FRAMES)
def test_frames_that_are_not_as_they_are_are_named(key, wrong):
    assert grade(exercise, given(exercise, wrong)).complaints[0].key == key


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    result = assert_named(exercise, name.split(",")[0], MISTAKES[name])
    assert result.points == POINTS.get(name, result.points)


def test_it_says_what_is_wrong_in_words():
    text = report(grade(exercise, given(exercise, MISTAKES["masks-above"])))
    assert "The masks stand above the frames" in text and "Points: 0 of 5" in text


def test_the_reference_passes_what_a_reference_judge_asks():
    assert grade(exercise, given(exercise, with_pyplot), reference=given(exercise, show_samples)).points == 5
