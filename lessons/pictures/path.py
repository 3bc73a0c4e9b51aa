"""Draws path_1.png to path_6.png, the course as five stations and a bonus: python lessons/pictures/path.py"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from picture import image_of, write

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.show.model import CARD, CARD_INK, draw_mesh, part_colours

STATIONS = (
    ("1  Segment", "find it in the video"),
    ("2  Template", "a dolphin that bends"),
    ("3  Render", "take its picture"),
    ("4  Fit", "until they agree"),
    ("5  Results", "look, and measure"),
    ("6  Your own", "from the drone's files"),
)
BLUE, SEA, NIGHT = "#2a62d9", "#1d5470", "#20262b"
# from the left and from above; perpendicular to each other
VIEW = dict(right=(0.35, 0.0, 1.0), up=(0.55, 1.6, -0.1925))


class Icons:
    """What stands at the stations, each about 2.6 wide around the origin."""

    def __init__(self):
        self.model = DolphinModel(find_pack())
        self.vertices, self.faces = self.model.V[0].numpy(), self.model.F.numpy()

    def draw(self, n, ax, place):
        icons = self.mask, self.template, self.picture, self.overlap, self.track, self.own
        icons[n](ax, np.asarray(place))

    def frame(self, ax, place, colour):
        ax.add_patch(Rectangle(place - [1.55, 0.95], 3.1, 1.9, facecolor=colour, lw=0))

    def mask(self, ax, place):
        self.frame(ax, place, NIGHT)
        self.mesh(ax, place, facecolors="white", edgecolors="white")

    def template(self, ax, place):
        self.mesh(ax, place, colour=part_colours(self.model))

    def picture(self, ax, place):
        self.frame(ax, place, SEA)
        self.mesh(ax, place, colour="#a9bcc6")

    def overlap(self, ax, place):
        self.mask(ax, place)
        self.mesh(ax, place + [0.22, 0.14], facecolors="#e69f00", edgecolors="none", alpha=0.6)

    def track(self, ax, place):
        s = np.linspace(0, 1, 60)
        ax.plot(place[0] - 1.5 + 3 * s, place[1] - 0.75 + 0.35 * np.sin(5 * s), color=BLUE, lw=2)
        self.mesh(ax, place + [0, 0.2], colour="#8fa3b3")

    def own(self, ax, place):
        self.frame(ax, place, SEA)
        self.mesh(ax, place, colour="#a9bcc6")
        x, ends = place[0] + np.array([-1.3, 1.3]), dict(color="white", lw=1.4)
        ax.plot(x, [place[1] - 0.68] * 2, **ends)
        for end in x:
            ax.plot([end] * 2, place[1] - 0.68 + np.array([-0.14, 0.14]), **ends)

    def mesh(self, ax, place, **style):
        draw_mesh(ax, self.vertices, self.faces, place=place, **VIEW, **style)


def draw(current, icons):
    """The row of stations with the `current` one, 1 to 6, marked; the sixth is in its own only. -> Figure"""
    stations = STATIONS[: max(current, 5)]
    width = 4 * len(stations) + 0.4
    figure = Figure(figsize=(9.2, 1.75 * 20.4 / width), facecolor=CARD)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(-1.9, 1.98), aspect="equal")
    ax.axis("off")
    for n, (name, what) in enumerate(stations):
        here, x = n == current - 1, 2.2 + 4 * n
        if here:
            ax.add_patch(Rectangle((x - 1.95, -1.8), 3.9, 3.68, facecolor="white", edgecolor=BLUE, lw=2))
        if n:
            arrow = dict(arrowstyle="-|>", color=CARD_INK, lw=1.4)
            ax.annotate("", (x - 1.62, 0.65), (x - 2.38, 0.65), arrowprops=arrow)
        icons.draw(n, ax, (x, 0.65))
        look = dict(color=BLUE, fontweight="bold") if here else dict(color=CARD_INK)
        middle = dict(ha="center", va="center")
        ax.text(x, -0.72, name, fontsize=10.5, **middle, **look)
        ax.text(x, -1.32, what, fontsize=8.5, color=CARD_INK, **middle)
        if n < current - 1:
            ax.add_patch(Circle((x + 1.45, -0.72), 0.2, facecolor=CARD_INK, lw=0))
            ax.plot([x + 1.36, x + 1.43, x + 1.55], [-0.72, -0.8, -0.63], color="white", lw=1.3)
    return figure


if __name__ == "__main__":
    icons = Icons()
    for current in range(1, 7):
        write(image_of(draw(current, icons)), f"path_{current}")
