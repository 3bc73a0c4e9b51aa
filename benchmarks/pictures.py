"""The pictures of benchmarks/README.md, drawn from results.json and from the two ready fits."""

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from course_lib.assets import find_pack, ready_fit
from course_lib.dolphin_model import DolphinModel
from course_lib.metrics import load_truth
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from course_lib.window import cut, window_camera
from solutions.rendering import render
from solutions.rotations import batch_rodrigues

from . import calibration

# A light card with grey ink stands on white and on black paper.
CARD, INK, GRID = "#f4f4f1", "#4d565e", "#d3d6d4"
TRUE, DEFAULT, TUTORIAL = "#ffffff", "#2a62d9", "#c8283c"
FRAMES = (0, 60, 125, 190)
WINDOW = (176, 132)  # width and height in pixels, around the dolphin


def panels(rows, columns, size, **more):
    """A card with empty plots. -> Figure, array of axes"""
    figure = Figure(figsize=size, facecolor=CARD, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08)
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    for panel in axes.flat:
        panel.set_facecolor(CARD)
        panel.tick_params(colors=INK, labelsize=9, length=0)
        panel.spines[:].set_visible(False)
        panel.grid(color=GRID, linewidth=0.8)
        panel.set_axisbelow(True)
    return figure, axes


def titled(panel, title, x="", y=""):
    """Gives a plot its words, in the card's ink."""
    panel.set_title(title, loc="left", fontsize=10, color=INK)
    panel.set_xlabel(x, fontsize=9, color=INK)
    panel.set_ylabel(y, fontsize=9, color=INK)


@torch.no_grad()
def fits():
    """Four frames, enlarged, with the outline of the truth and of each recipe's fit. -> Figure"""
    pack = find_pack()
    dataset, truth = SegmentedVideo(pack), load_truth(pack.truth_path)
    scene = DolphinScene(DolphinModel(pack, rodrigues=batch_rodrigues), len(dataset))
    t = torch.tensor(FRAMES)
    corner = (dataset.segment_centers[t] - torch.tensor(WINDOW) / 2).round()
    most = torch.tensor(dataset.data_resolution) - torch.tensor(WINDOW)
    left, top = corner.clamp(min=0).minimum(most).long().unbind(-1)
    masks = {"the truth": cut(truth.masks, t, left, top, *WINDOW).float()}
    for name, recipe in (("default recipe", "default"), ("tutorial's recipe", "tutorial")):
        scene.load(ready_fit(recipe))
        cam = window_camera(dataset.cameras(t, scene.water_index), left, top, *WINDOW)
        masks[name] = render(scene, t, cam)[1][..., 0]
    figure, axes = panels(1, len(FRAMES), (9.6, 2.3))
    for k, panel in enumerate(axes.flat):
        panel.imshow(cut(dataset.frames, t, left, top, *WINDOW)[k])
        for (name, mask), colour in zip(masks.items(), (TRUE, DEFAULT, TUTORIAL)):
            line = dict(linewidths=1.6, linestyles="--" if colour == TRUE else "-")
            panel.contour(mask[k], [0.5], colors=colour, **line)
            # The legend's paper is as white as the line: there it has a dark rim.
            rim = [Stroke(linewidth=4, foreground=INK), Normal()] if colour == TRUE else None
            panel.plot([], [], line["linestyles"], color=colour, label=name, path_effects=rim)
        panel.set_axis_off()
        panel.set_title(f"{FRAMES[k] / dataset.fps:.1f} s", fontsize=10, color=INK, loc="left")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def ablations(results):
    """How much overlap and how much volume each variant of the default recipe gets. -> Figure"""
    figures = results["ablations"]["figures"]
    figure, axes = panels(1, 2, (9.6, 3.4), sharey=True)
    rows = np.arange(len(figures))[::-1]
    columns = (("iou_mean", "overlap with the true outline, IoU"), ("volume_error_pct", "volume error, %"))
    for panel, (name, title) in zip(axes.flat, columns):
        values = np.array([of[name] for of in figures.values()])
        wanted = values[0] if name == "iou_mean" else 0
        panel.axvline(wanted, color=INK, linewidth=1)
        panel.hlines(rows, wanted, values, color=DEFAULT, linewidth=2)
        panel.plot(values, rows, "o", color=DEFAULT)
        titled(panel, title)
        panel.set_yticks(rows, list(figures))
    return figure


def depth(results):
    """What a wrong assumption of the depth does: to the overlap nothing, to the length a lot. -> Figure"""
    figures = results["depth"]["figures"]
    moved = [100 * float(name.split()[0]) for name in figures]
    figure, axes = panels(1, 3, (9.6, 2.5))
    columns = {
        "iou_mean": ("overlap, IoU", 1, (0.9, 1)),
        "depth_error_m_mean": ("depth error, cm", 100, (-30, 30)),
        "length_error_pct": ("length error, %", 1, (-3, 3)),
    }
    for panel, (name, (title, unit, limits)) in zip(axes.flat, columns.items()):
        panel.plot(moved, [unit * of[name] for of in figures.values()], "o-", color=DEFAULT)
        panel.set_ylim(*limits)
        panel.set_xticks(moved)
        titled(panel, title, "assumed depth moved by, cm")
    return figure


def intervals(results):
    """Each clip's interval over the truth, of length and volume; the fit against ellipses. -> Figure"""
    figures = results["intervals"]["figures"]
    figure, axes = panels(1, 3, (9.6, 3.2), width_ratios=(1, 1, 0.8))
    for panel, name in zip(axes.flat, ("length", "volume")):
        off, half = calibration.errors(figures, name)
        order = np.argsort(off)
        held = np.abs(off) <= half
        for k, i in enumerate(order):
            colour = DEFAULT if held[i] else TUTORIAL
            panel.vlines(
                k, 100 * (off[i] - half[i]), 100 * (off[i] + half[i]), color=colour, linewidth=2.5, alpha=0.4
            )
            panel.plot(k, 100 * off[i], "o", markersize=3, color=colour)
        panel.axhline(0, color=INK, linewidth=1)
        panel.set_xticks([])
        titled(
            panel,
            f"{name}: {held.sum()} of {held.size} hold the truth",
            "clips, by their error",
            "off the truth, %",
        )
    ours = 100 * np.abs(calibration.errors(figures, "volume")[0])
    found, truth = figures["elliptical"]["volume"], figures["numbers"]["volume"]["truth"]
    theirs = 100 * np.abs(np.log(calibration.numbers(found) / calibration.numbers(truth)))
    panel, most = axes[0, 2], 1.05 * max(ours.max(), theirs.max())
    panel.plot([0, most], [0, most], color=INK, linewidth=1)
    panel.plot(theirs, ours, "o", markersize=4, color=DEFAULT)
    panel.set_xlim(0, most)
    panel.set_ylim(0, most)
    panel.set_aspect("equal")
    titled(panel, "volume, error in %", "ellipses over one frame", "the fit")
    return figure


def steps(results):
    """Where the time of a step goes, for the default recipe with and without crop and kernels. -> Figure"""
    figures = {name.removeprefix("default; "): of for name, of in results["steps"]["figures"].items()}
    names = ["numba; crop", "torch; crop", "numba; whole frame", "torch; whole frame"]
    figure, axes = panels(1, 1, (9.6, 2.5))
    panel, start = axes[0, 0], np.zeros(len(names))
    colours = ("#8fa3b3", "#968d10", DEFAULT, "#b163c4", TUTORIAL, "#0a9f8c", "#c9cdd0")
    parts = [part for part in figures[names[0]] if part not in ("step", "steps")]
    for part, colour in zip(parts, colours):
        values = np.array([figures[name][part] for name in names])
        panel.barh(names[::-1], values[::-1], left=start[::-1], color=colour, label=part, height=0.6)
        start += values
    titled(panel, "", "ms of a step of 7 frames")
    panel.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=len(parts), frameon=False, fontsize=9, labelcolor=INK)
    return figure


def write(results, folder):
    """Draws those pictures whose figures are in `results`, as PNG files in `folder`."""
    drawn = {"fits": fits()}
    drawn |= {
        draw.__name__: draw(results)
        for draw in (ablations, depth, intervals, steps)
        if draw.__name__ in results
    }
    folder.mkdir(exist_ok=True)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=120, facecolor=figure.get_facecolor())
