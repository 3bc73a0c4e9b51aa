"""Draws the pictures of lesson 2: python lessons/pictures/lesson_2.py"""

import torch
from matplotlib.figure import Figure
from picture import image_of, write

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import init_translations
from course_lib.show.model import CARD, CARD_INK, draw_mesh, turns_figure
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH, SegmentedVideo
from solutions.rotations import batch_rodrigues
from solutions.tracking import draw_track, project_to_pixels

RED, SEA = "#c8283c", "#3a8fb0"


def track(dataset):
    """What exercise 3 draws: the whole image, and the track enlarged."""
    points = init_translations(dataset)
    pixels = project_to_pixels(points, dataset.cameras(torch.arange(len(dataset))))[:, 0]
    image = draw_track(pixels, dataset.data_resolution)
    on_frame = torch.where(image.any(-1, keepdim=True), image, dataset.frames[0] / 255)
    figure = Figure(figsize=(8.4, 3.0), facecolor=CARD, layout="constrained")
    whole, near = figure.subplots(1, 2)
    (left, top), (right, bottom) = (pixels.amin(0) - 25).tolist(), (pixels.amax(0) + 25).tolist()
    whole.imshow(image, interpolation="nearest")
    near.imshow(on_frame, interpolation="nearest")
    near.set(xlim=(left, right), ylim=(bottom, top))
    whole.set_title("the whole image, 640 × 360", fontsize=9, color=CARD_INK)
    near.set_title("on the first frame, enlarged", fontsize=9, color=CARD_INK)
    for ax in (whole, near):
        ax.tick_params(colors=CARD_INK, labelsize=8)
        ax.spines[:].set_color(CARD_INK)
    return figure


def projection(model):
    """The drone from the side: a ray, the image plane, the surface, and what lies below it."""
    h, x, plane = 11.0, 4.0, 3.4
    figure = Figure(figsize=(7.2, 3.5), facecolor=CARD)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-9.2, 9.6), ylim=(-3.1, 12.6), aspect="auto")
    ax.axis("off")
    half = plane * SENSOR_WIDTH / CAMERA_FOCAL / 2
    edge = h * SENSOR_WIDTH / CAMERA_FOCAL / 2
    ax.fill([-9.2, 9.6, 9.6, -9.2], [0, 0, -3.1, -3.1], color=SEA, alpha=0.22, lw=0)
    ax.plot([-9.2, 9.6], [0, 0], color=SEA, lw=2)
    for side in (-1, 1):
        ax.plot([0, side * edge], [h, 0], color=CARD_INK, lw=0.9, ls=":")
    ax.plot([-half, half], [h - plane] * 2, color=CARD_INK, lw=2.5)
    ax.plot([0, 0], [h, 0], color=CARD_INK, lw=1, ls="--")
    ax.plot([0, x], [h, 0], color=RED, lw=2)
    ax.plot([x, x * 1.27], [0, -0.27 * h], color=RED, lw=1.5, ls=":")
    view = dict(right=(0, 0, 1), up=(0, 1, 0), place=(x, 0))
    draw_mesh(ax, model.V[0].numpy() * [1, 1, 0.9], model.F.numpy(), **view, zorder=3)
    ax.plot(0, h, "s", color=CARD_INK, ms=11)
    ax.plot(x * plane / h, h - plane, "o", color=RED, ms=6, zorder=4)
    ax.plot(x, 0, "o", color=RED, ms=6, zorder=4)
    text = dict(color=CARD_INK, fontsize=10, va="center")
    formula = {**text, "color": RED, "fontsize": 12}
    ax.text(0.45, h + 0.65, "camera of the drone", **text)
    ax.text(half + 0.3, h - plane, "image plane, from -1 to 1", **text)
    ax.text(x * plane / h + 0.2, h - plane + 0.75, "$c_x$", **formula)
    ax.text(-0.3, h / 2 - 0.9, "depth $d$ = altitude $h$", ha="right", **text)
    ax.text(-9.0, -0.65, "sea level, y = 0", **text)
    ax.text(x * 1.27 + 0.3, -2.5, "further out, if deeper", **{**text, "color": RED})
    ax.annotate("", (x, -1.15), (0, -1.15), arrowprops=dict(arrowstyle="<->", color=RED, lw=1.2))
    ax.text(x / 2, -1.95, "$p_x = c_x\\, h\\, /\\, f_x$", ha="center", **formula)
    return figure


if __name__ == "__main__":
    pack = find_pack()
    model = DolphinModel(pack)
    write(image_of(turns_figure(model, batch_rodrigues, size=(8.4, 2.3))), "rodrigues", 96)
    write(image_of(track(SegmentedVideo(pack))), "tracking", 0)  # few colours would leave the track three
    write(image_of(projection(model)), "projection", 40)
