"""Draws the pictures of lesson 1: python lessons/pictures/lesson_1.py"""

import numpy as np
from matplotlib.figure import Figure
from picture import HERE, image_of, write

from course_lib.assets import find_pack
from course_lib.metrics import load_truth
from course_lib.show.model import CARD, CARD_INK
from course_lib.video import SegmentedVideo
from solutions.preprocessing import show_samples

BLUE, ORANGE = "#2a62d9", "#e69f00"


def draw_samples():
    """What exercise 1 should show."""
    figure = show_samples(SegmentedVideo(find_pack()), [0, 100, 199])
    figure.set_size_inches(8, 3.3)
    figure.set_facecolor(CARD)
    for axis in figure.axes:
        axis.title.set(color=CARD_INK, fontsize=10)
    # photographs are small as JPEGs only
    image_of(figure).save(HERE / "samples.jpg", quality=80, optimize=True)


def draw_iou():
    """Intersection and union of two masks: the dolphin's, and the same one moved."""
    truth = load_truth(find_pack().truth_path, 101).masks[100].numpy()
    rows, columns = np.nonzero(truth)
    a = np.pad(truth[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], ((3, 10), (3, 14)))
    b = np.roll(a, (6, 9), (0, 1))
    figure = Figure(figsize=(8, 2.3), facecolor=CARD, layout="constrained")
    parts = ("A ∩ B", a & b, BLUE), ("A ∪ B", a | b, ORANGE)
    for axis, (name, part, colour) in zip(figure.subplots(1, 2), parts):
        axis.contourf(part, [0.5, 1.5], colors=[colour])
        for mask, style in ((a, "-"), (b, "--")):
            axis.contour(mask, [0.5], colors=[CARD_INK], linewidths=1.5, linestyles=style)
        for place, label in (((0.02, 0.8), "A"), ((0.93, 0.1), "B")):
            axis.text(*place, label, transform=axis.transAxes, color=CARD_INK, fontsize=12)
        axis.set_title(f"|{name}| = {part.sum()} pixels", color=CARD_INK, fontsize=11)
        axis.set_aspect("equal")
        axis.invert_yaxis()
        axis.set_axis_off()
    write(image_of(figure), "iou", 48)


if __name__ == "__main__":
    draw_samples()
    draw_iou()
