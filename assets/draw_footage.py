"""Draws pictures/own_footage.png: from a video and its telemetry to a measured animal, in four steps.

    python assets/draw_footage.py PACK RUN

PACK: made by `dolphins clip` from footage/dolphin_0042.mp4, as lesson 6 says, and segmented; RUN: the folder
of `dolphins demo` on it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from course_lib.assets import FOOTAGE, find_pack  # noqa: E402
from course_lib.dolphin_model import DolphinModel  # noqa: E402
from course_lib.photogrammetry import STATIONS, body_edges, body_spans  # noqa: E402
from course_lib.scene import DolphinScene  # noqa: E402
from course_lib.show.model import CARD, CARD_INK, SKIN, draw_mesh  # noqa: E402
from course_lib.video import SegmentedVideo  # noqa: E402

FRAME, WINDOW = 60, (176, 110)  # width, height in pixels
BLUE, SEA = "#2a62d9", "#2f7f86"
# from the left and from above; perpendicular to each other
VIEW = dict(right=(0.35, 0.0, 1.0), up=(0.55, 1.6, -0.1925))
TITLES = ("video and telemetry", "mask", "fitted mesh", "length, with its interval")


def panel_of(figure, n):
    """The n-th of four panels in a row, with its title; an arrow leads to it."""
    panel = figure.add_axes((0.012 + 0.2475 * n, 0.05, 0.2335, 0.76))
    panel.set(xticks=[], yticks=[], facecolor=CARD, aspect="equal")
    panel.spines[:].set_visible(False)
    figure.text(0.012 + 0.2475 * n, 0.88, f"{n + 1}  {TITLES[n]}", color=CARD_INK, fontsize=11, weight="bold")
    return panel


def draw_video(panel, dataset):
    """The whole frame, and in it what the drone says of it."""
    panel.imshow(dataset.frames[FRAME])
    lines = (FOOTAGE / "dolphin_0042.srt").read_text().splitlines()
    said = [line.split("[rel_alt: ")[1].split("]")[0] for line in lines if "rel_alt" in line]
    words = dict(color="white", fontsize=8, family="monospace")
    panel.text(20, 36, f"[rel_alt: {said[30]}]", **words)


def draw_mask(panel, dataset):
    """The mask around the animal."""
    x, y = dataset.segment_centers[FRAME].round().int().tolist()
    w, h = WINDOW
    panel.imshow(dataset.masks[FRAME, y - h // 2 : y + h // 2, x - w // 2 : x + w // 2], cmap="gray")


def draw_fit(panel, scene):
    """The mesh in that frame, from the side and above."""
    with torch.no_grad():
        vertices = scene.skin(torch.tensor([FRAME]))[0]
        turned = (vertices - vertices.mean(0)) @ scene.rotations()[FRAME]
    panel.set(xlim=(-1.35, 1.35), ylim=(-0.85, 0.85), facecolor=SEA)
    draw_mesh(panel, turned.numpy(), scene.model.F.numpy(), colour=SKIN, **VIEW)


def draw_size(panel, scene, figures):
    """The animal stretched out straight, its widths, its length with the interval."""
    with torch.no_grad():
        rest = scene.rest_shape().numpy()
    rest[:, 2] -= (rest[:, 2].max() + rest[:, 2].min()) / 2
    length = np.ptp(rest[:, 2])
    panel.set(xlim=(-1.35, 1.35), ylim=(-0.92, 0.78))
    draw_mesh(panel, rest, scene.model.F.numpy(), right=(0, 0, 1), up=(1, 0, 0), colour=SKIN)
    for station, width in zip(STATIONS, body_spans(rest, body_edges(scene.model))):
        x = length * (0.5 - station)
        panel.plot([x, x], [-width / 2, width / 2], color=BLUE, lw=1.2)
    low, high = figures["length_m_low"], figures["length_m_high"]
    panel.annotate(
        "", (-length / 2, -0.5), (length / 2, -0.5), arrowprops=dict(arrowstyle="<->", color=BLUE, lw=1.5)
    )
    words = dict(ha="center", color=CARD_INK)
    panel.text(0, -0.7, f"{figures['length_m']:.2f} m", fontsize=13, weight="bold", **words)
    panel.text(0, -0.88, f"95 %: {low:.2f} to {high:.2f} m", fontsize=10, **words)


def main(pack, run):
    """Draws the picture from a pack and a run."""
    dataset, figures = SegmentedVideo(find_pack(pack)), json.loads((Path(run) / "metrics.json").read_text())
    scene = DolphinScene(DolphinModel(find_pack(pack)), len(dataset))
    scene.load(Path(run) / "dolphin_fit.pth")
    figure = Figure(figsize=(12.4, 2.35), facecolor=CARD)
    panels = [panel_of(figure, n) for n in range(4)]
    draw_video(panels[0], dataset)
    draw_mask(panels[1], dataset)
    draw_fit(panels[2], scene)
    draw_size(panels[3], scene, figures)
    figure.savefig(ROOT / "assets" / "pictures" / "own_footage.png", dpi=110, facecolor=CARD)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
