"""Draws the pictures of lesson 4, made with the reference: python lessons/pictures/lesson_4.py"""

import matplotlib
import numpy as np
import torch
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from picture import HERE, fitted_clip, image_of, write

from course_lib import losses
from course_lib.assets import find_pack
from course_lib.metrics import load_truth
from course_lib.outline import OutlineTargets, face_neighbours, outline_distance, outline_loss
from course_lib.rotations import rotvec_to_rotmat
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from course_lib.window import WindowLoader
from solutions.fitting import fit
from solutions.recipes import TutorialRecipe
from solutions.rendering import rasterize_features, render

CARD, INK, PALE = "#eef1f3", "#47525c", "#b9c2c9"
# told apart by colour-blind eyes, and by lightness
BLUE, ORANGE, GREY, RED = "#2a62d9", "#d9702a", "#9aa5ad", "#c8283c"
STYLE = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
STYLE |= {"axes.edgecolor": PALE, "axes.spines.top": False, "axes.spines.right": False}
STYLE |= {"axes.facecolor": CARD, "figure.facecolor": CARD, "font.size": 9, "axes.titlesize": 9}
PASSES = 40  # of the try-out
REACH = 2.0  # pixels, of the outline's distance


def figure_of(height):
    """An empty figure as wide as a notebook's text."""
    return Figure(figsize=(7.6, height), layout="constrained")


@torch.no_grad()
def data_terms(dataset, scene):
    """What the two data terms look at, for a dolphin that is a little off."""
    t = torch.tensor([40])
    place = scene.translations[40].clone()
    scene.translations[40] += torch.tensor([0.12, 0.0, 0.15])
    frames = WindowLoader(dataset, scene, 1, margin=6).batch(t)
    image, hard_mask, soft_mask = (x[0] for x in render(scene, t, frames["cam"]))
    scene.translations[40] = place
    original, segmented = frames["original"][0], frames["segmented"][0]

    card, *colours = (torch.tensor(matplotlib.colors.to_rgb(name)) for name in (CARD, BLUE, ORANGE, GREY))
    overlap = card.expand_as(original).clone()
    shares = segmented * (1 - soft_mask), soft_mask * (1 - segmented), soft_mask * segmented
    for share, colour in zip(shares, colours):
        overlap += share * (colour - overlap)
    difference = (image - original).square().sum(-1).sqrt() * hard_mask[..., 0]
    pictures = {
        "the frame": original,
        "a render, 19 cm off": torch.where(hard_mask > 0, image, 0.35 * original + 0.55),
        "photometric:\ndifferences of colour": difference,
        "mask: grey is both, blue\nonly mask, orange only ours": overlap,
    }
    side = original.shape[0]
    left = (original.shape[1] - side) // 2
    figure = figure_of(2.45)
    for axis, (title, picture) in zip(figure.subplots(1, 4), pictures.items()):
        most = None if picture.dim() == 2 else 1
        square = picture[:, left : left + side]
        axis.imshow(square, cmap="cividis", vmin=0, vmax=most, interpolation="nearest")
        axis.set_title(title)
        axis.set_axis_off()
    write(image_of(figure), "data_terms", 128)


def draw_dolphin(axis, vertices, faces, colour):
    """A mesh from the side, in parallel projection, lit from the viewer. vertices: (V, 3), faces: (F, 3)."""
    corners = vertices[faces]  # (F, 3, 3)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    order = np.argsort(corners[:, :, 0].mean(1))
    light = 0.45 + 0.55 * np.abs(normal[order, :1])
    look = dict(linewidths=0.2, rasterized=True)
    look["facecolors"] = look["edgecolors"] = np.array(matplotlib.colors.to_rgb(colour)) * light
    axis.add_collection(PolyCollection(corners[order][:, :, [2, 1]], **look))


@torch.no_grad()
def priors(dataset, scene):
    """Pairs of dolphins: one that a prior makes expensive, one that it leaves alone. From the side."""
    model = scene.model
    bent, straight, uneven, even, thin, same = (DolphinScene(model, 1) for _ in range(6))
    bent.joint_poses[0, 1:4, 0] = torch.tensor([-0.5, 0.5, 0.6])
    uneven.part_scales[1, 0], uneven.part_scales[3, 0] = 0.5, -0.45
    even.part_scales[:, 0] = 0.08
    thin.part_scales[:, 2] = -0.45
    same.part_scales[:, 1:] = 0.08
    pairs = {
        "pose": ("pose: be straight", bent, straight),
        "scale_smoothness": ("scale: parts agree", uneven, even),
        "scale_axes": ("scale: the unseen axis\nfollows the seen ones", thin, same),
    }
    figure = figure_of(2.5)
    for column, (prior, (title, *pair)) in zip(figure.subplots(2, 3).T, pairs.items()):
        for axis, dolphin, colour in zip(column, pair, (ORANGE, BLUE)):
            vertices = dolphin.skin(torch.tensor([0]))[0].numpy()
            draw_dolphin(axis, vertices, model.F.numpy(), colour)
            axis.set(xlim=(-1.55, 1.55), ylim=(-0.75, 0.6), aspect="equal")
            axis.set_axis_off()
            terms = {"pose": losses.pose_prior(dolphin.joint_poses)}
            terms |= losses.scale_priors(dolphin.part_scales, model.LBS)
            cost = f"{losses.LOSS_WEIGHTS[prior] * float(terms[prior]):.3f}"
            axis.text(-1.5, -0.72, f"costs {'nothing' if cost == '0.000' else cost}", fontsize=9)
        column[0].set_title(title)
    write(image_of(figure), "priors", 64)


def temporal(dataset, scene):
    """Three tracks, and what two priors make of them."""
    rng, n = np.random.default_rng(4), 25
    frames = np.arange(n)
    swims = np.outer(0.031 * frames, [1, 0, 0])  # (T, 3): 1.55 m/s along x, at 50 frames a second
    jitters, rests = swims + rng.normal(0, 0.02, (n, 3)), np.zeros((n, 3)) + swims.mean(0)
    # name, track, colour, dash, how far the name is moved from the track's end
    ways = ("swims", swims, BLUE, "-", -0.03), ("jitters", jitters, ORANGE, "-", 0.06)
    tracks = *ways, ("rests", rests, INK, "--", 0)
    figure = figure_of(2.3)
    curves, bars = figure.subplots(1, 2, width_ratios=(1.2, 1))
    for name, track, colour, dash, moved in tracks:
        look = dict(color=colour, linestyle=dash, marker=".", markersize=4, linewidth=1.2)
        curves.plot(frames, track[:, 0], **look)
        curves.text(n - 0.4, track[-1, 0] + moved, name, color=colour, va="center")
    curves.set(xlabel="frame", ylabel="place along x, m", xlim=(-0.5, n + 4))
    costs = {"change of place": losses.smoothness_prior, "change of velocity": losses.steadiness_prior}
    for k, (label, prior) in enumerate(costs.items()):
        for i, (name, track, colour, *_) in enumerate(tracks):
            value, at = float(prior(torch.tensor(track))) * 1e4, -(i + 3.8 * k)
            bars.barh(at, value, color=colour, height=0.7)
            bars.text(value + 0.5, at, f"{name}  {value:.1f}", va="center")
        bars.text(0, 0.75 - 3.8 * k, f"mean square {label}, cm²", fontweight="bold")
    bars.set(xlim=(0, 38), xticks=[], yticks=[], ylim=(-6.5, 1.4))
    bars.spines[["left", "bottom"]].set_visible(False)
    write(image_of(figure), "temporal", 64)


def terms_by_length(dataset, scene, scales):
    """The two silhouette terms as the dolphin grows. -> lengths, IoU terms, outline terms"""
    t, before = torch.arange(0, len(dataset), 25), scene.part_scales.detach().clone()
    targets, neighbours = OutlineTargets(dataset.masks, REACH), face_neighbours(scene.model.F)
    frames = WindowLoader(dataset, scene, len(t), margin=20, layers=[targets]).batch(t)
    cam, rows = frames["cam"], []
    for scale in scales:
        scene.part_scales[:, 0] = before[:, 0] + scale
        soft_mask = render(scene, t, cam)[2]
        _, faces_image, face_idx = rasterize_features(scene.skin(t), cam, scene.model)
        distance = outline_distance(faces_image, face_idx, cam, REACH, neighbours)
        rest = scene.rest_shape()[:, 2]
        iou = losses.iou_loss(soft_mask, frames["segmented"], frames["segmented_outside"])
        outline = outline_loss(distance, frames["outline"], REACH, frames["outline_outside"])
        rows.append([float(rest.max() - rest.min()), float(iou), float(outline)])
    scene.part_scales.copy_(before)
    return np.array(rows).T


@torch.no_grad()
def soft_mask_bias(dataset, scene):
    """The soft mask is larger than the dolphin, and the IoU term is least for one that is too short."""
    t = torch.tensor([40])
    frames = WindowLoader(dataset, scene, 1, margin=4).batch(t)
    _, hard_mask, soft_mask = (x[0, ..., 0] for x in render(scene, t, frames["cam"]))
    lengths, iou, outline = terms_by_length(dataset, scene, torch.linspace(-0.1, 0.08, 37))

    figure = figure_of(2.6)
    picture, curves = figure.subplots(1, 2, width_ratios=(1.15, 1))
    picture.imshow(soft_mask, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    picture.contour(hard_mask, levels=[0.5], colors=ORANGE, linewidths=2)
    rows, columns = torch.nonzero(soft_mask > 0, as_tuple=True)
    picture.set(xlim=(columns.min() - 2, columns.min() + 58), ylim=(rows.max() + 2, rows.max() - 34))
    picture.set_title("soft mask, and the outline of what was rendered")
    picture.set_axis_off()
    # the colours of the lesson's own plot
    terms = (iou, "IoU of the soft mask", BLUE, "-"), (outline, "distance to the outline", RED, "--")
    for values, name, colour, dash in terms:
        scaled, best = (values - values.min()) / (values.max() - values.min()), values.argmin()
        curves.plot(lengths, scaled, color=colour, linestyle=dash, label=name)
        curves.plot(lengths[best], scaled[best], "o", color=colour, markersize=6)
    truth = load_truth(find_pack().truth_path).length_m
    curves.axvline(truth, color=INK, linewidth=1, linestyle=":")
    curves.text(truth + 0.008, 0.55, "true\nlength", fontsize=8)
    curves.set(xlabel="length of the dolphin, m", ylabel="term, from least to most", ylim=(-0.05, 1.05))
    curves.legend(frameon=False, loc="upper left", bbox_to_anchor=(-0.02, 1.2), ncols=2, fontsize=8)
    write(image_of(figure), "soft_mask_bias", 64)


def fitting(dataset, scene):
    """What exercise 7's try-out shows: the loss falls, and the dolphin comes to lie over the animal."""
    pack = find_pack()
    few = SegmentedVideo(pack, frames=24)
    trial = DolphinScene(scene.model, len(few), init_rot_up=pack.init_rot_up_deg)
    recipe = TutorialRecipe(trial, few, 7, PASSES, seed=0)
    shown = {t: WindowLoader(few, trial, 1, margin=14).batch(torch.tensor([t])) for t in (0, 12, 23)}
    figure = figure_of(2.9)
    rows = [["b0", "b12", "b23", "curves"], ["a0", "a12", "a23", "curves"]]
    axes = figure.subplot_mosaic(rows, width_ratios=(1, 1, 1, 1.35))
    for t, frames in shown.items():
        overlay(axes[f"b{t}"], trial, t, frames, f"frame {t}, before")
    parts = recipe.loader, recipe.render, recipe.compute_loss, recipe.optimizer
    history = fit(trial, *parts, PASSES)
    for t, frames in shown.items():
        overlay(axes[f"a{t}"], trial, t, frames, f"after {PASSES} passes")
    curves, steps = axes["curves"], range(1, PASSES + 1)
    looks = ("loss", INK, "-", 2.2), ("mask", BLUE, "--", 1.5), ("photometric", ORANGE, "-.", 1.5)
    for name, colour, dash, width in looks:
        values = [entry[name] for entry in history]
        curves.plot(steps, values, color=colour, linestyle=dash, linewidth=width, label=name)
    curves.set(xlabel="pass", yscale="log", xticks=(1, 10, 20, 30, 40))
    curves.legend(frameon=False, fontsize=8)
    write(image_of(figure), "fitting", 96)


@torch.no_grad()
def overlay(axis, scene, t, frames, title):
    """The frame with the mask's outline, dashed white, and the rendered dolphin's, as the lesson's `look`."""
    mask = frames["segmented"][0, ..., 0]
    rendered = render(scene, torch.tensor([t]), frames["cam"])[1][0, ..., 0]
    axis.imshow(frames["original"][0], interpolation="nearest")
    axis.contour(mask, levels=[0.5], colors="white", linewidths=0.9, linestyles="dashed")
    axis.contour(rendered, levels=[0.5], colors="orange", linewidths=1.2)
    axis.set_title(title)
    axis.set_axis_off()


if __name__ == "__main__":
    dataset, scene = fitted_clip(rotvec_to_rotmat)  # pixel for pixel as they always were
    with matplotlib.rc_context(STYLE):
        for draw in (data_terms, priors, temporal, soft_mask_bias, fitting):
            draw(dataset, scene)
            print(f"{draw.__name__}.png: {(HERE / f'{draw.__name__}.png').stat().st_size / 1024:.0f} KB")
