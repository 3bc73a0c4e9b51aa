"""The pictures of lesson 4, made with the reference: python lessons/pictures/lesson_4.py"""

import io
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from course_lib import losses
from course_lib.assets import find_pack, ready_fit
from course_lib.dolphin_model import DolphinModel
from course_lib.outline import OutlineTargets, face_neighbours, outline_distance, outline_loss
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from course_lib.window import WindowLoader
from solutions.fitting import fit
from solutions.recipes import TutorialRecipe
from solutions.rendering import rasterize_features, render

FOLDER = Path(__file__).parent
CARD, INK, PALE = "#eef1f3", "#47525c", "#b9c2c9"
BLUE, ORANGE, GREY, RED = (
    "#2a62d9",
    "#d9702a",
    "#9aa5ad",
    "#c8283c",
)  # told apart by colour-blind eyes, and by lightness
STYLE = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": CARD,
    "figure.facecolor": CARD,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
PASSES = 40  # of the try-out
REACH = 2.0  # pixels, of the outline's distance


def write(figure, name, colours=64):
    """Writes a figure with few colours: small, and the same bytes each time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format="png", facecolor=CARD)
    image = Image.open(buffer).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    image.save(FOLDER / f"{name}.png", optimize=True)


def figure_of(width, height):
    return Figure(figsize=(width, height), layout="constrained")


class Clip:
    """The embedded clip with its ready fit."""

    def __init__(self):
        self.pack = find_pack()
        self.dataset = SegmentedVideo(self.pack)
        self.model = DolphinModel(self.pack)
        self.scene = DolphinScene(self.model, len(self.dataset))
        self.scene.load(ready_fit("default"))


@torch.no_grad()
def data_terms(clip):
    """What the two data terms look at, for a dolphin that is a little off."""
    scene, t = clip.scene, torch.tensor([40])
    place = scene.translations[40].clone()
    scene.translations[40] += torch.tensor([0.12, 0.0, 0.15])
    frames = WindowLoader(clip.dataset, scene, 1, margin=6).batch(t)
    image, hard_mask, soft_mask = (x[0] for x in render(scene, t, frames["cam"]))
    scene.translations[40] = place
    original, segmented = frames["original"][0], frames["segmented"][0]

    difference = (image - original).square().sum(-1).sqrt() * hard_mask[..., 0]
    inside = torch.where(hard_mask > 0, image, 0.35 * original + 0.55)
    overlap = torch.tensor(matplotlib.colors.to_rgb(CARD)).expand_as(original).clone()
    for weight, colour in (
        (segmented * (1 - soft_mask), BLUE),
        (soft_mask * (1 - segmented), ORANGE),
        (soft_mask * segmented, GREY),
    ):
        overlap += weight * (torch.tensor(matplotlib.colors.to_rgb(colour)) - overlap)

    side = original.shape[0]
    left = (original.shape[1] - side) // 2
    figure = figure_of(7.6, 2.45)
    axes = figure.subplots(1, 4)
    for axis, picture, title in zip(
        axes,
        (original, inside, difference, overlap),
        (
            "the frame",
            "a render, 19 cm off",
            "photometric:\ndifferences of colour",
            "mask: grey is both, blue\nonly mask, orange only ours",
        ),
    ):
        axis.imshow(
            picture[:, left : left + side],
            cmap="cividis",
            vmin=0,
            vmax=None if picture.dim() == 2 else 1,
            interpolation="nearest",
        )
        axis.set_title(title)
        axis.set_axis_off()
    write(figure, "data_terms", 128)


def draw_dolphin(axis, vertices, faces, across, height_axis, shift=(0.0, 0.0), colour=GREY):
    """A mesh in parallel projection, lit from the viewer. vertices (V, 3), faces (F, 3)."""
    vertices = vertices.numpy() if torch.is_tensor(vertices) else vertices
    depth = 3 - across - height_axis
    corners = vertices[faces]  # (F, 3, 3)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    towards = np.abs(normal[:, depth])
    order = np.argsort(corners[:, :, depth].mean(1))
    flat = corners[:, :, [across, height_axis]] + np.array(shift)
    base = np.array(matplotlib.colors.to_rgb(colour))
    shades = base * (0.45 + 0.55 * towards[:, None])
    axis.add_collection(
        PolyCollection(
            flat[order], facecolors=shades[order], edgecolors=shades[order], linewidths=0.2, rasterized=True
        )
    )


@torch.no_grad()
def priors(clip):
    """Pairs of dolphins: one that a prior makes expensive, one that it leaves alone. From the side."""
    model, weights = clip.model, losses.LOSS_WEIGHTS
    faces = model.F.numpy()

    def posed(scene):
        return scene.skin(torch.tensor([0]))[0]

    def scene():
        return DolphinScene(model, 1)

    pairs = []
    bent = scene()
    bent.joint_poses[0, 2, 0], bent.joint_poses[0, 3, 0], bent.joint_poses[0, 1, 0] = 0.5, 0.6, -0.5
    pairs.append(
        ("pose: be straight", bent, scene(), lambda s: weights["pose"] * losses.pose_prior(s.joint_poses))
    )
    uneven = scene()
    uneven.part_scales[1, 0], uneven.part_scales[3, 0] = 0.5, -0.45
    even = scene()
    even.part_scales[:, 0] = 0.08
    pairs.append(
        (
            "scale: parts agree",
            uneven,
            even,
            lambda s: (
                weights["scale_smoothness"]
                * losses.scale_priors(s.part_scales, model.LBS)["scale_smoothness"]
            ),
        )
    )
    thin = scene()
    thin.part_scales[:, 2] = -0.45
    same = scene()
    same.part_scales[:, 1:] = 0.08
    pairs.append(
        (
            "scale: the unseen axis\nfollows the seen ones",
            thin,
            same,
            lambda s: weights["scale_axes"] * losses.scale_priors(s.part_scales, model.LBS)["scale_axes"],
        )
    )

    figure = figure_of(7.6, 2.5)
    axes = figure.subplots(2, 3)
    for column, (title, dear, free, cost) in zip(axes.T, pairs):
        for axis, what, colour in zip(column, (dear, free), (ORANGE, BLUE)):
            draw_dolphin(axis, posed(what), faces, 2, 1, colour=colour)
            axis.set(xlim=(-1.55, 1.55), ylim=(-0.75, 0.6), aspect="equal")
            axis.set_axis_off()
            axis.text(
                -1.5,
                -0.72,
                f"costs {float(cost(what)):.3f}".replace("costs 0.000", "costs nothing"),
                fontsize=9,
            )
        column[0].set_title(title)
    write(figure, "priors")


def temporal(clip):
    """Three tracks, and what two priors make of them."""
    rng, n = np.random.default_rng(4), 25
    frames = np.arange(n)
    swims = 0.031 * frames  # 1.55 m/s at 50 frames a second
    tracks = {"swims": swims, "jitters": swims + rng.normal(0, 0.02, n), "rests": np.full(n, swims.mean())}
    figure = figure_of(7.6, 2.3)
    curves, bars = figure.subplots(1, 2, width_ratios=(1.2, 1))
    for (name, track), colour, dash in zip(tracks.items(), (BLUE, ORANGE, INK), ("-", "-", "--")):
        curves.plot(frames, track, color=colour, linestyle=dash, marker=".", markersize=4, linewidth=1.2)
        curves.text(
            n - 0.4,
            track[-1] + {"swims": -0.03, "jitters": 0.06}.get(name, 0),
            name,
            color=colour,
            va="center",
        )
    curves.set(xlabel="frame", ylabel="place, m", xlim=(-0.5, n + 4))
    costs = {"change of place": losses.smoothness_prior, "change of velocity": losses.steadiness_prior}
    for k, (label, prior) in enumerate(costs.items()):
        values = [float(prior(torch.tensor(track))) * 1e4 for track in tracks.values()]
        for i, (value, colour) in enumerate(zip(values, (BLUE, ORANGE, INK))):
            at = -(i + 3.8 * k)
            bars.barh(at, value, color=colour, height=0.7)
            bars.text(value + 0.5, at, f"{list(tracks)[i]}  {value:.1f}", va="center")
        bars.text(0, 0.75 - 3.8 * k, f"mean square {label}, cm²", fontweight="bold")
    bars.set(xlim=(0, 60), yticks=[], ylim=(-6.5, 1.4))
    bars.set_xticks([])
    bars.spines[["left", "bottom"]].set_visible(False)
    write(figure, "temporal")


def terms_by_length(clip, scales):
    """The two silhouette terms and the soft mask's size, as the dolphin grows. -> lengths, IoU terms, outline
    terms, areas"""
    scene, t = clip.scene, torch.arange(0, len(clip.dataset), 25)
    before = scene.part_scales.detach().clone()
    targets = OutlineTargets(clip.dataset.masks, REACH)
    frames = WindowLoader(clip.dataset, scene, len(t), margin=20, layers=[targets]).batch(t)
    neighbours = face_neighbours(scene.model.F)
    rows = []
    with torch.no_grad():
        for scale in scales:
            scene.part_scales.copy_(before)
            scene.part_scales[:, 0] += scale
            verts = scene.skin(t)
            _, _, soft_mask = render(scene, t, frames["cam"])
            _, faces_image, face_idx = rasterize_features(verts, frames["cam"], scene.model)
            distance = outline_distance(faces_image, face_idx, frames["cam"], REACH, neighbours)
            rest = scene.rest_shape()[:, 2]
            rows.append(
                [
                    float(rest.max() - rest.min()),
                    float(losses.iou_loss(soft_mask, frames["segmented"], frames["segmented_outside"])),
                    float(outline_loss(distance, frames["outline"], REACH, frames["outline_outside"])),
                    float(soft_mask.sum() / frames["segmented"].sum()),
                ]
            )
        scene.part_scales.copy_(before)
    return np.array(rows).T


@torch.no_grad()
def soft_mask_bias(clip):
    """The soft mask is larger than the dolphin, and the IoU term is least for one that is too short."""
    scene, t = clip.scene, torch.tensor([40])
    frames = WindowLoader(clip.dataset, scene, 1, margin=4).batch(t)
    _, hard_mask, soft_mask = (x[0, ..., 0] for x in render(scene, t, frames["cam"]))
    lengths, iou, outline, _ = terms_by_length(clip, torch.linspace(-0.1, 0.08, 37))

    figure = figure_of(7.6, 2.6)
    picture, curves = figure.subplots(1, 2, width_ratios=(1.15, 1))
    picture.imshow(soft_mask, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    picture.contour(hard_mask, levels=[0.5], colors=ORANGE, linewidths=2)
    rows, columns = torch.nonzero(soft_mask > 0, as_tuple=True)
    picture.set(xlim=(columns.min() - 2, columns.min() + 58), ylim=(rows.max() + 2, rows.max() - 34))
    picture.set_title("soft mask, and the outline of what was rendered")
    picture.set_axis_off()
    for values, name, colour, dash in (
        (iou, "IoU of the soft mask", BLUE, "-"),  # the colours of the lesson's own plot
        (outline, "distance to the outline", RED, "--"),
    ):
        scaled = (values - values.min()) / (values.max() - values.min())
        curves.plot(lengths, scaled, color=colour, linestyle=dash, label=name)
        best = values.argmin()
        curves.plot(lengths[best], scaled[best], "o", color=colour, markersize=6)
    curves.axvline(truth_length(clip), color=INK, linewidth=1, linestyle=":")
    curves.text(truth_length(clip) + 0.008, 0.55, "true\nlength", fontsize=8)
    curves.set(xlabel="length of the dolphin, m", ylabel="term, from least to most", ylim=(-0.05, 1.05))
    curves.legend(frameon=False, loc="upper left", bbox_to_anchor=(-0.02, 1.2), ncols=2, fontsize=8)
    write(figure, "soft_mask_bias")


def truth_length(clip):
    with np.load(clip.pack.truth_path) as truth:
        return float(truth["length_m"])


def fitting(clip):
    """What exercise 7's try-out shows: the loss falls, and the dolphin comes to lie over the animal."""
    dataset = SegmentedVideo(clip.pack, frames=24)
    scene = DolphinScene(clip.model, len(dataset), init_rot_up=clip.pack.init_rot_up_deg)
    recipe = TutorialRecipe(scene, dataset, 7, PASSES, seed=0)
    shown = (0, 12, 23)
    frames = {t: WindowLoader(dataset, scene, 1, margin=14).batch(torch.tensor([t])) for t in shown}
    figure = figure_of(7.6, 2.9)
    axes = figure.subplot_mosaic(
        [["b0", "b12", "b23", "curves"], ["a0", "a12", "a23", "curves"]], width_ratios=(1, 1, 1, 1.35)
    )
    curves = axes["curves"]
    for t in shown:
        overlay(axes[f"b{t}"], scene, t, frames[t], f"frame {t}, before")
    history = fit(
        scene, recipe.loader, recipe.render, recipe.compute_loss, recipe.optimizer, PASSES, progress=False
    )
    for t in shown:
        overlay(axes[f"a{t}"], scene, t, frames[t], f"after {PASSES} passes")
    for name, colour, dash, width in (
        ("loss", INK, "-", 2.2),
        ("mask", BLUE, "--", 1.5),
        ("photometric", ORANGE, "-.", 1.5),
    ):
        curves.plot(
            range(1, PASSES + 1),
            [entry[name] for entry in history],
            color=colour,
            linestyle=dash,
            linewidth=width,
            label=name,
        )
    curves.set(xlabel="pass", yscale="log", xticks=(1, 10, 20, 30, 40))
    curves.legend(frameon=False, fontsize=8)
    write(figure, "fitting", 96)
    return history


@torch.no_grad()
def overlay(axis, scene, t, frames, title):
    """The frame with the mask's outline, dashed white, and the rendered dolphin's, as `look` in the lesson
    draws them."""
    _, hard_mask, _ = render(scene, torch.tensor([t]), frames["cam"])
    axis.imshow(frames["original"][0], interpolation="nearest")
    axis.contour(
        frames["segmented"][0, ..., 0], levels=[0.5], colors="white", linewidths=0.9, linestyles="dashed"
    )
    axis.contour(hard_mask[0, ..., 0], levels=[0.5], colors="orange", linewidths=1.2)
    axis.set_title(title)
    axis.set_axis_off()


def main():
    clip = Clip()
    with matplotlib.rc_context(STYLE):
        for draw in (data_terms, priors, temporal, soft_mask_bias, fitting):
            draw(clip)
            print(f"{draw.__name__}.png: {(FOLDER / f'{draw.__name__}.png').stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
