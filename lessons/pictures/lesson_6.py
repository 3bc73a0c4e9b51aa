"""Draws the pictures of lesson 6: python lessons/pictures/lesson_6.py"""

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Polygon
from picture import image_of, write

from course_lib.assets import FOOTAGE, find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.footage import look_at
from course_lib.photogrammetry import STATIONS, body_edges, body_spans
from course_lib.telemetry import read_telemetry
from solutions.measuring import altitude_per_frame, apparent_depth

# a light card with grey ink stands on white and on black paper
CARD, INK, GRID = "#f4f4f1", "#5d666e", "#d3d6d4"
BLUE, RED, SEA = "#2a62d9", "#c8283c", "#cfe3e8"
LAUNCH = 2.9  # m, as the lesson has it


def card(width, height):
    """An empty figure with one panel."""
    figure = Figure(figsize=(width, height), facecolor=CARD, layout="constrained")
    panel = figure.subplots()
    panel.set_facecolor(CARD)
    panel.spines[:].set_visible(False)
    return figure, panel


def draw_altitudes():
    """Exercise 11: the readings, and the altitude of each frame."""
    telemetry, video = read_telemetry(FOOTAGE / "dolphin_0042.srt"), look_at(FOOTAGE / "dolphin_0042.mp4")
    frames = torch.arange(round(video.seconds * video.fps)).double() / video.fps
    samples = torch.from_numpy(telemetry.time_s), torch.from_numpy(telemetry.height_m)
    read = altitude_per_frame(*samples, frames, LAUNCH)
    figure, panel = card(7, 3)
    panel.grid(color=GRID, linewidth=0.8)
    panel.tick_params(colors=INK, labelsize=9)
    panel.plot(*samples, ".", color=RED, label="readings, above the deck")
    panel.plot(frames, read, "-", color=BLUE, linewidth=2, label="each frame, above the sea")
    panel.annotate("", (5.5, 8.25), (5.5, 5.5), arrowprops=dict(arrowstyle="->", color=INK))
    look = dict(color=INK, fontsize=9)
    panel.text(5.42, 6.7, "launch height", ha="right", **look)
    for start, end, said in ((1.0, 2.4, "too long a gap:\nnot known"), (3.7, 4.5, "bridged")):
        panel.axvspan(start, end, color=GRID, alpha=0.45, lw=0)
        panel.text((start + end) / 2, 7.6, said, ha="center", va="center", **look)
    panel.set_xlabel("seconds of the video", **look)
    panel.set_ylabel("metres", **look)
    panel.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    write(image_of(figure), "altitudes", 32)


def draw_apparent():
    """Exercise 12: the ray that bends, and where the animal seems to be."""
    depth, beside, height = (torch.tensor(x, dtype=torch.float64) for x in (2.2, 4.0, 4.0))
    q = float(apparent_depth(depth, beside, height)[0])
    crossing = 4.0 * 4.0 / (4.0 + q)  # where the straight line in the air meets the sea
    figure, panel = card(7, 3.7)
    panel.axis("off")
    panel.set(xlim=(-1.6, 7.6), ylim=(-2.75, 4.5), aspect="equal")
    panel.add_patch(Polygon([(-1.6, 0), (7.6, 0), (7.6, -2.75), (-1.6, -2.75)], facecolor=SEA))
    panel.plot([-1.6, 7.6], [0, 0], color=INK, lw=1.2)
    panel.plot([0, crossing, 4], [4, 0, -2.2], color=BLUE, lw=2)
    panel.plot([crossing, 4], [0, -q], "--", color=RED, lw=1.6)
    panel.plot([0, 0], [4, -2.2], ":", color=INK, lw=1)
    panel.plot([-0.35, 0.35], [4, 4], color=INK, lw=4, solid_capstyle="round")
    for y, colour, style in ((-2.2, BLUE, "-"), (-q, RED, "--")):
        panel.add_patch(Ellipse((4, y), 1.1, 0.26, facecolor="none", edgecolor=colour, lw=1.6, ls=style))
    for x, to, colour, name in ((4.9, -2.2, BLUE, "depth d"), (6.2, -q, RED, "apparent\ndepth q")):
        panel.annotate("", (x, to), (x, 0), arrowprops=dict(arrowstyle="<->", color=colour))
        panel.text(x + 0.1, to / 2, name, color=colour, fontsize=9, va="center")
    panel.annotate("", (4, -2.55), (0, -2.55), arrowprops=dict(arrowstyle="<->", color=INK))
    look = dict(color=INK, fontsize=9)
    panel.text(2, -2.45, "distance r", ha="center", **look)
    panel.annotate("", (-0.9, 4), (-0.9, 0), arrowprops=dict(arrowstyle="<->", color=INK))
    panel.text(-1.0, 2, "altitude h", ha="right", **look)
    angle = np.linspace(0, np.arctan(crossing / 4.0), 20)
    panel.plot(1.1 * np.sin(angle), 4 - 1.1 * np.cos(angle), color=INK, lw=1)
    panel.text(0.28, 2.6, "a", **look)
    write(image_of(figure), "apparent", 32)


def draw_slices():
    """Exercise 14: a body from above with its stations, and cross-sections."""
    model = DolphinModel(find_pack())
    rest, edges = model.V[0].numpy() * float(model.global_scale), body_edges(model)
    widths, heights = (body_spans(rest, edges, axis) for axis in (0, 1))
    front, length = rest[:, 2].max(), np.ptp(rest[:, 2])
    along, across = front - rest[:, 2], rest[:, 0]
    figure, panel = card(7, 2.5)
    panel.axis("off")
    panel.set(xlim=(-0.1, 2.75), ylim=(-0.92, 0.45), aspect="equal")
    for face in model.F.numpy():
        panel.add_patch(Polygon(np.stack([along[face], across[face]], 1), facecolor="#b9c3c9", lw=0))
    for k, (station, width, high) in enumerate(zip(STATIONS, widths, heights)):
        x = station * length
        panel.plot([x, x], [-width / 2, width / 2], color=BLUE, lw=1.3)
        if k % 3 == 1:
            look = dict(facecolor="none", edgecolor=BLUE, lw=1.3)
            panel.add_patch(Ellipse((x, -0.66), width * 0.75, high * 0.75, **look))
            panel.text(x, -0.9, f"{100 * station:.0f} %", color=INK, fontsize=8, ha="center")
    write(image_of(figure), "slices", 32)


if __name__ == "__main__":
    draw_altitudes()
    draw_apparent()
    draw_slices()
