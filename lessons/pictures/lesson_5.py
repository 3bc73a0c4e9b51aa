"""Draws the pictures of lesson 5: python lessons/pictures/lesson_5.py"""

from pathlib import Path

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from PIL import Image  # noqa: E402

from course_lib import show  # noqa: E402
from course_lib.assets import find_pack, ready_fit  # noqa: E402
from course_lib.dolphin_model import DolphinModel  # noqa: E402
from course_lib.rotations import rotmat_to_rotvec  # noqa: E402
from course_lib.scene import DolphinScene  # noqa: E402
from course_lib.video import SegmentedVideo  # noqa: E402
from course_lib.window import cut, window_camera  # noqa: E402
from solutions.rendering import render  # noqa: E402
from solutions.results import compose_frame  # noqa: E402
from solutions.rotations import batch_rodrigues, continuous_rotvecs  # noqa: E402

HERE = Path(__file__).parent
CARD, INK, GRID = (
    "#f4f4f1",
    "#5d666e",
    "#d3d6d4",
)  # a light card with grey ink stands on white and on black paper
BLUE, RED, GREEN = "#2a62d9", "#c8283c", "#0a8f7e"  # of course_lib.show, which colour-blind eyes tell apart


def draw_all():
    pack = find_pack()
    dataset = SegmentedVideo(pack)
    scene = DolphinScene(DolphinModel(pack, rodrigues=batch_rodrigues), len(dataset))
    scene.load(ready_fit("default"))
    draw_frame(scene, dataset, HERE / "frame.jpg")
    draw_orientation(scene.rotations().detach(), dataset.fps, HERE / "orientation.png")
    draw_signed_areas(HERE / "signed.png")


@torch.no_grad()
def draw_frame(scene, dataset, path, t=100, size=(256, 144)):
    """The frame of exercise 8: a window around the dolphin, four tiles."""
    t = torch.tensor([t])
    left, top = (dataset.segment_centers[t] - torch.tensor(size) / 2).round().long().unbind(-1)
    original = cut(dataset.frames, t, left, top, *size)[0] / 255
    segmentation = cut(dataset.masks, t, left, top, *size)[0][..., None] / 255
    image, hard_mask, soft_mask = (
        x[0] for x in render(scene, t, window_camera(dataset.cameras(t), left, top, *size))
    )
    frame = compose_frame(original, segmentation, torch.where(hard_mask > 0, image, original), soft_mask)
    big = Image.fromarray((frame * 255).round().byte().numpy()).resize(
        (4 * size[0], 4 * size[1]), Image.Resampling.LANCZOS
    )
    labelled = show.draw_labels(
        np.asarray(big), ("original", "segmentation", "render over the original", "soft mask")
    )
    Image.fromarray(labelled).save(path, quality=82, optimize=True)


def axes(rows, height):
    figure, panels = plt.subplots(
        rows, 1, figsize=(7, height), sharex=True, facecolor=CARD, layout="constrained"
    )
    for panel in np.atleast_1d(panels):
        panel.set_facecolor(CARD)
        panel.grid(color=GRID, linewidth=0.8)
        panel.tick_params(colors=INK, labelsize=9)
        for spine in panel.spines.values():
            spine.set_visible(False)
    return figure, panels


def draw_orientation(rotmats, fps, path):
    """The default fit's rotation vectors: read frame by frame, and continuous."""
    shortest, continuous = rotmat_to_rotvec(rotmats), continuous_rotvecs(rotmats)
    time = np.arange(len(rotmats)) / fps
    figure, panels = axes(2, 4.2)
    for panel, vectors, title in (
        (panels[0], shortest, "each frame by itself: the shortest vector"),
        (panels[1], continuous, "each frame's name nearest to the one before"),
    ):
        for column, colour, dash, name in ((0, BLUE, ":", "x"), (1, RED, "-", "y"), (2, GREEN, "--", "z")):
            panel.plot(
                time, np.degrees(vectors[:, column].numpy()), dash, color=colour, linewidth=1.8, label=name
            )
        panel.set_title(title, loc="left", fontsize=10, color=INK)
        panel.set_ylabel("degrees", color=INK, fontsize=9)
        panel.set_yticks([-180, -90, 0, 90, 180, 270])
        for bound in (-180, 180):
            panel.axhline(bound, color=INK, linewidth=0.9, linestyle=(0, (1, 3)))
    panels[0].legend(ncols=3, frameon=False, labelcolor=INK, fontsize=9, loc="lower left")
    panels[1].set_xlabel("time (s)", color=INK, fontsize=9)
    save(figure, path)


def draw_signed_areas(path):
    """The signed sum over edges, in two dimensions: what is added, what is taken away, what is left."""
    s = np.linspace(0, 2 * np.pi, 11)[:-1]
    outline = np.stack([3.4 + 1.35 * np.cos(s), 1.9 + 0.8 * np.sin(s)], -1)  # counter-clockwise
    figure, panels = plt.subplots(1, 3, figsize=(7.4, 2.2), facecolor=CARD, layout="constrained")
    titles = ("edges that look away: +", "edges that look back: −", "the sum")
    for n, (panel, title) in enumerate(zip(panels, titles)):
        panel.set_facecolor(CARD)
        panel.set_axis_off()
        panel.set_aspect("equal")
        panel.set_xlim(-0.5, 5.1)
        panel.set_ylim(-0.55, 2.9)
        panel.set_title(title, fontsize=10, color=INK)
        for a, b in zip(outline, np.roll(outline, -1, axis=0)):
            signed = (a[0] * b[1] - a[1] * b[0]) / 2
            if n < 2 and (signed > 0) == (n == 0):
                look = (
                    dict(facecolor=BLUE, edgecolor=BLUE, alpha=0.35)
                    if n == 0
                    else dict(facecolor="none", edgecolor=RED, alpha=0.8, hatch="////")
                )
                panel.fill(*zip((0, 0), a, b), linewidth=0.7, **look)
        if n == 2:
            panel.fill(*outline.T, facecolor=BLUE, alpha=0.35)
        panel.plot(*np.concatenate([outline, outline[:1]]).T, color=INK, linewidth=1.6)
        panel.plot(0, 0, "o", color=INK, markersize=5)
        panel.annotate("origin", (0, 0), (0.05, -0.42), color=INK, fontsize=9)
    save(figure, path)


def save(figure, path):
    """A small palette PNG without date or program in it: the same bytes each time."""
    figure.savefig(path, dpi=110, facecolor=CARD, metadata={"Software": None})
    plt.close(figure)
    Image.open(path).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    draw_all()
