"""Draws the pictures of lesson 3: python lessons/pictures/lesson_3.py"""

import torch
from matplotlib.figure import Figure
from picture import fitted_clip, image_of, write

from course_lib.show.render import tiles
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH
from course_lib.window import cut, window_camera
from solutions.rendering import absorb, dibr_rendering, render

CARD, INK = "#f4f4f1", "#5d666e"  # a light card with grey ink stands on white and on black paper
BLUE, RED = "#2a62d9", "#c8283c"
W, H = 160, 90


@torch.no_grad()
def draw_all():
    """All pictures, of frame 100."""
    dataset, scene = fitted_clip()
    t = torch.tensor([100])
    left, top = (dataset.segment_centers[t] - torch.tensor([W / 2, H / 2])).round().long().unbind(-1)
    cam = window_camera(dataset.cameras(t, scene.water_index), left, top, W, H)
    original = cut(dataset.frames, t, left, top, W, H) / 255
    write(features(scene.skin(t), cam, scene.model), "features", 0)
    image, hard, soft = render(scene, t, cam)
    results = {"original": original, "render": image, "hard mask": hard, "soft mask": soft}
    write(tiles({name: picture[0] for name, picture in results.items()}, zoom=3), "renderer", 0)
    write(plank(), "water", 0)
    write(image_of(spaces(scene.skin(t)[0], dataset.cameras(t)), dpi=90), "spaces", 32)


def features(verts, cam, model):
    """What exercise 4 should show."""
    (uv, normals, height, hard), soft = dibr_rendering(verts, cam, model)
    pictures = {
        "texture coordinates": uv,
        "normals": (normals + 1) / 2 * hard,
        "height": (height - height.min()) / (height.max() - height.min()) * hard,
        "hard mask": hard,
        "soft mask": soft,
        "soft minus hard": soft - hard,
    }
    return tiles({name: picture[0] for name, picture in pictures.items()})


def plank():
    """What exercise 5 should show."""
    dry = torch.ones(1, 24, 140, 3)
    height = torch.linspace(0.5, -3, 140).expand(1, 24, 140)[..., None]
    wet = absorb(dry, height, torch.ones(1, 24, 140, 1), torch.tensor([0.9, 0.3, 0.1]))
    return tiles({"a white plank": dry[0], "dipped into the water": wet[0]}, columns=1, frame=True)


def spaces(verts, camera):
    """World, camera, image, pixels, with the dolphin's vertices as dots. -> Figure"""
    figure = Figure(figsize=(11, 3.1), facecolor=CARD, layout="constrained")
    world, cam, image, pixels = figure.subplots(1, 4)
    in_camera = camera.extrinsics.transform(verts[None])[0]
    x, y = camera.transform(verts[None])[0, :, :2].unbind(-1)
    dots = dict(s=1.5, color=BLUE, linewidths=0)

    world.scatter(verts[:, 0], verts[:, 1], **dots)
    world.axhline(0, color=RED, linewidth=1.2)
    world.text(0.03, 0.72, "sea, y = 0", color=RED, fontsize=9, transform=world.transAxes)
    _label(world, "world", "x, metres", "y, metres (up)")
    world.set_ylim(-1.3, 0.6)

    height = float(-in_camera[:, 2].mean())
    half = height * SENSOR_WIDTH / CAMERA_FOCAL / 2
    cam.scatter(in_camera[:, 0], in_camera[:, 2], **dots)
    cam.plot([0], [0], "v", color=RED, markersize=9)
    cam.text(0.5, -0.3, "camera at 0", color=RED, fontsize=9)
    cam.plot([-half, 0, half], [-height, 0, -height], color=RED, linewidth=0.8, linestyle="--")
    _label(cam, "camera", "x, metres", "z, metres (it looks along -z)")

    image.scatter(x, y, **dots)
    image.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    image.set_box_aspect(9 / 16)
    _label(image, "image (NDC)", "x", "y (up)")

    pixels.scatter((x * 640 + 639) / 2, (359 - y * 360) / 2, **dots)
    pixels.set(xlim=(0, 640), ylim=(360, 0), xticks=[0, 320, 640], yticks=[0, 180, 360])
    pixels.set_box_aspect(9 / 16)
    _label(pixels, "pixels", "column i", "row j (down)")
    return figure


def _label(panel, title, x, y):
    panel.set_facecolor(CARD)
    panel.set_title(title, color=INK, fontsize=11)
    panel.set_xlabel(x, color=INK, fontsize=9)
    panel.set_ylabel(y, color=INK, fontsize=9)
    panel.tick_params(colors=INK, labelsize=8)
    panel.spines[:].set_color("#c3c8c9")


if __name__ == "__main__":
    draw_all()
