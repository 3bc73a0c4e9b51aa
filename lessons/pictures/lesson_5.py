"""Draws the pictures of lesson 5: python lessons/pictures/lesson_5.py"""

import numpy as np
import torch
from matplotlib.figure import Figure
from picture import HERE, fitted_clip, image_of, write
from PIL import Image

from course_lib import show
from course_lib.rotations import rotmat_to_rotvec
from course_lib.window import cut, window_camera
from solutions.rendering import render
from solutions.results import compose_frame
from solutions.rotations import continuous_rotvecs

# a light card with grey ink stands on white and on black paper
CARD, INK, GRID = "#f4f4f1", "#5d666e", "#d3d6d4"
BLUE, RED, GREEN = "#2a62d9", "#c8283c", "#0a8f7e"  # of course_lib.show, which colour-blind eyes tell apart


@torch.no_grad()
def draw_frame(dataset, scene, size=(256, 144)):
    """The frame of exercise 8: a window around the dolphin, four tiles."""
    t = torch.tensor([100])
    left, top = (dataset.segment_centers[t] - torch.tensor(size) / 2).round().long().unbind(-1)
    original = cut(dataset.frames, t, left, top, *size)[0] / 255
    segmentation = cut(dataset.masks, t, left, top, *size)[0][..., None] / 255
    cam = window_camera(dataset.cameras(t, scene.water_index), left, top, *size)
    image, hard_mask, soft_mask = (x[0] for x in render(scene, t, cam))
    frame = compose_frame(original, segmentation, torch.where(hard_mask > 0, image, original), soft_mask)
    small = Image.fromarray((frame * 255).round().byte().numpy())
    big = np.asarray(small.resize((4 * size[0], 4 * size[1]), Image.Resampling.LANCZOS))
    labels = "original", "segmentation", "render over the original", "soft mask"
    Image.fromarray(show.draw_labels(big, labels)).save(HERE / "frame.jpg", quality=82, optimize=True)


def draw_orientation(rotmats, fps):
    """The default fit's rotation vectors: read frame by frame, and continuous."""
    time = np.arange(len(rotmats)) / fps
    figure = Figure(figsize=(7, 4.2), facecolor=CARD, layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    curves = {
        "the shortest rotation vector of each frame": rotmat_to_rotvec(rotmats),
        "the vector nearest to that of the frame before": continuous_rotvecs(rotmats),
    }
    for panel, (title, vectors) in zip(panels, curves.items()):
        panel.set_facecolor(CARD)
        panel.grid(color=GRID, linewidth=0.8)
        panel.tick_params(colors=INK, labelsize=9)
        panel.spines[:].set_visible(False)
        degrees = np.degrees(vectors.numpy()).T  # (3, T)
        for values, colour, dash, name in zip(degrees, (BLUE, RED, GREEN), (":", "-", "--"), "xyz"):
            panel.plot(time, values, dash, color=colour, linewidth=1.8, label=name)
        panel.set_title(title, loc="left", fontsize=10, color=INK)
        panel.set_ylabel("degrees", color=INK, fontsize=9)
        panel.set_yticks([-180, -90, 0, 90, 180, 270])
        for bound in (-180, 180):
            panel.axhline(bound, color=INK, linewidth=0.9, linestyle=(0, (1, 3)))
    panels[0].legend(ncols=3, frameon=False, labelcolor=INK, fontsize=9, loc="lower left")
    panels[1].set_xlabel("time (s)", color=INK, fontsize=9)
    write(image_of(figure), "orientation", 48)


def draw_signed_areas():
    """The signed sum over edges, in two dimensions: what is added, what is taken away, what is left."""
    s = np.linspace(0, 2 * np.pi, 11)[:-1]
    outline = np.stack([3.4 + 1.35 * np.cos(s), 1.9 + 0.8 * np.sin(s)], -1)  # counter-clockwise
    figure = Figure(figsize=(7.4, 2.2), facecolor=CARD, layout="constrained")
    titles = ("edges that look away: +", "edges that look back: −", "the sum")
    looks = (
        dict(facecolor=BLUE, edgecolor=BLUE, alpha=0.35),
        dict(facecolor="none", edgecolor=RED, alpha=0.8, hatch="////"),
    )
    for n, (panel, title) in enumerate(zip(figure.subplots(1, 3), titles)):
        panel.set(facecolor=CARD, aspect="equal", xlim=(-0.5, 5.1), ylim=(-0.55, 2.9))
        panel.set_axis_off()
        panel.set_title(title, fontsize=10, color=INK)
        for a, b in zip(outline, np.roll(outline, -1, axis=0)):
            signed = (a[0] * b[1] - a[1] * b[0]) / 2
            if n < 2 and (signed > 0) == (n == 0):
                panel.fill(*zip((0, 0), a, b), linewidth=0.7, **looks[n])
        if n == 2:
            panel.fill(*outline.T, facecolor=BLUE, alpha=0.35)
        panel.plot(*np.concatenate([outline, outline[:1]]).T, color=INK, linewidth=1.6)
        panel.plot(0, 0, "o", color=INK, markersize=5)
        panel.annotate("origin", (0, 0), (0.05, -0.42), color=INK, fontsize=9)
    write(image_of(figure), "signed", 48)


if __name__ == "__main__":
    dataset, scene = fitted_clip()
    draw_frame(dataset, scene)
    draw_orientation(scene.rotations().detach(), dataset.fps)
    draw_signed_areas()
