"""Bank of mistakes and of right solutions for exercise 1."""

from operator import getitem

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from course_lib import check
from course_lib.check.core import grade, report
from solutions.preprocessing import show_samples

from .bank import assert_named, assert_right, given

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


@pytest.mark.parametrize("right", [show_samples, with_pyplot, by_number, one_big_picture, in_subfigures])
def test_right_solutions_get_full_points(right):
    before = plt.get_fignums()
    assert_right(exercise, right)
    assert plt.get_fignums() == before  # the check leaves no figure open


# --- mistakes


def figure_alone(figure, axes):
    return figure


def write(
    mask_of=getitem, rows=(0, 1), frame=torch.clone, colours=GRAY, squeeze=False, end=figure_alone, **more
):
    """A show_samples with some of its parts changed."""

    def show_samples(dataset, indices):
        figure, axes = plt.subplots(2, len(indices), squeeze=squeeze)
        for k, index in enumerate(indices):
            mask = dataset[mask_of(indices, k)]["segmented"]
            axes[rows[0], k].imshow(frame(dataset[index]["original"]), **more)
            axes[rows[1], k].imshow(mask[..., 0], **colours, **more)
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


def darkens_the_clip(dataset, indices):
    figure = show_samples(dataset, indices)
    for index in indices:
        dataset.frames[index] //= 2
    return figure


MISTAKES = {
    "masks-above": write(rows=(1, 0)),
    "only-first": shows(lambda indices: indices[:1]),
    "only-first, in every column": shows(lambda indices: indices[:1] * len(indices)),
    "indices-ignored": shows(lambda indices: range(len(indices))),
    "wrong-frames": shows(lambda indices: [index + 1 for index in indices]),
    "bgr": write(frame=lambda x: x.flip(-1)),
    "grey": write(frame=lambda x: x[..., :1].expand(-1, -1, 3)),
    "mask-hidden": write(colours=dict(cmap="gray", vmin=0, vmax=255)),
    "mask-hidden, by a colour map without difference": write(colours=dict(cmap="gray", vmin=-9, vmax=1)),
    "black": write(frame=lambda x: x.byte()),
    "not-a-figure, but axes": write(end=lambda figure, axes: axes),
    "not-a-figure, but figure and axes": write(end=lambda figure, axes: (figure, axes)),
    "shown-not-returned": write(end=lambda figure, axes: plt.show()),
    "none": lambda dataset, indices: None,
    "empty-figure": lambda dataset, indices: plt.figure(),
    "stretched": write(aspect="auto"),
    "wrong-order": shows(sorted),
    "mask-of-another": write(lambda indices, k: indices[(k + 1) % len(indices)]),
    "mask-of-another, frame k": write(lambda indices, k: k),
    "one-index": write(squeeze=True),
    "upside-down": write(origin="lower"),
    "upside-down, or mirrored": write(frame=lambda x: x.flip(1)),
    "resized": write(frame=lambda x: x[:-1]),
    "masks-missing": in_one_row(lambda sample: sample["original"]),
    "frames-missing": in_one_row(lambda sample: sample["segmented"][..., 0]),
    "side-by-side": side_by_side,
    "not-the-data": in_one_row(lambda sample: sample["original"] * (0.3 + 0.7 * sample["segmented"])),
    "raised": lambda dataset, indices: dataset(indices),
    "changed-input": darkens_the_clip,
}
POINTS = {"masks-above": 0, "stretched": 4, "one-index": 4}  # only what is wrong costs points


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    result = assert_named(exercise, name.split(",")[0], MISTAKES[name])
    assert result.points == POINTS.get(name, result.points)


def test_it_says_what_is_wrong_in_words():
    text = report(grade(exercise, given(exercise, MISTAKES["masks-above"])))
    assert "The masks stand above the frames" in text and "Points: 0 of 5" in text


def test_the_reference_passes_what_a_reference_judge_asks():
    assert grade(exercise, given(exercise, with_pyplot), reference=given(exercise, show_samples)).points == 5
