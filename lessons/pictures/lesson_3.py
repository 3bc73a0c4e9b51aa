"""Draws the pictures of lesson 3: python lessons/pictures/lesson_3.py"""

from pathlib import Path

import matplotlib
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from PIL import Image  # noqa: E402

from course_lib.assets import find_pack, ready_fit  # noqa: E402
from course_lib.dolphin_model import DolphinModel  # noqa: E402
from course_lib.scene import DolphinScene  # noqa: E402
from course_lib.show.render import tiles  # noqa: E402
from course_lib.video import SegmentedVideo  # noqa: E402
from course_lib.window import cut, window_camera  # noqa: E402
from solutions.rendering import absorb, dibr_rendering, render  # noqa: E402
from solutions.rotations import batch_rodrigues  # noqa: E402

HERE = Path(__file__).parent
CARD, INK = "#f4f4f1", "#5d666e"  # a light card with grey ink stands on white and on black paper
BLUE, RED = "#2a62d9", "#c8283c"
W, H = 160, 90


@torch.no_grad()
def draw_all():
    pack = find_pack()
    dataset = SegmentedVideo(pack)
    scene = DolphinScene(DolphinModel(pack, rodrigues=batch_rodrigues), len(dataset))
    scene.load(ready_fit("default"))
    t = torch.tensor([100])
    left, top = (dataset.segment_centers[t] - torch.tensor([W / 2, H / 2])).round().long().unbind(-1)
    cam = window_camera(dataset.cameras(t), left, top, W, H)
    draw_features(scene.skin(t), cam, scene.model, HERE / "features.png")
    draw_renderer(render(scene, t, cam), cut(dataset.frames, t, left, top, W, H) / 255, HERE / "renderer.png")
    draw_water(HERE / "water.png")
    draw_spaces(scene.skin(t)[0], dataset.cameras(t), HERE / "spaces.png")


def save(picture, path, colours=96):
    """As PNG with few colours: small. colours: 0 keeps all of them."""
    picture = picture.convert("RGB")
    (picture.quantize(colours, dither=Image.Dither.NONE) if colours else picture).save(path, optimize=True)


def draw_features(verts, cam, model, path):
    (uv, normals, height, hard), soft = dibr_rendering(verts, cam, model)
    grey = (height - height.min()) / (height.max() - height.min()) * hard
    save(
        tiles(
            {
                "texture coordinates": uv[0],
                "normals": ((normals + 1) / 2 * hard)[0],
                "height": grey[0],
                "hard mask": hard[0],
                "soft mask": soft[0],
                "soft minus hard": (soft - hard)[0],
            }
        ),
        path,
        0,
    )


def draw_renderer(results, original, path):
    image, hard, soft = results
    save(
        tiles(
            {"original": original[0], "render": image[0], "hard mask": hard[0], "soft mask": soft[0]}, zoom=3
        ),
        path,
        64,
    )


def draw_water(path):
    plank = torch.ones(1, 24, 140, 3)
    height = torch.linspace(0.5, -3, 140).expand(1, 24, 140)[..., None]
    wet = absorb(plank, height, torch.ones(1, 24, 140, 1), torch.tensor([0.9, 0.3, 0.1]))
    save(tiles({"a white plank": plank[0], "dipped into the water": wet[0]}, columns=1, frame=True), path)


def draw_spaces(verts, camera, path):
    """World, camera, image, pixels, with the dolphin's vertices as dots."""
    figure, panels = plt.subplots(1, 4, figsize=(11, 3.1), facecolor=CARD, layout="constrained")
    in_camera = camera.extrinsics.transform(verts[None])[0]
    x, y = camera.transform(verts[None])[0, :, :2].unbind(-1)
    dots = dict(s=1.5, color=BLUE, linewidths=0)

    world = panels[0]
    world.scatter(verts[:, 0], verts[:, 1], **dots)
    world.axhline(0, color=RED, linewidth=1.2)
    world.text(0.03, 0.72, "sea, y = 0", color=RED, fontsize=9, transform=world.transAxes)
    label(world, "world", "x, metres", "y, metres (up)")
    world.set_ylim(-1.3, 0.6)

    cam = panels[1]
    height = float(-in_camera[:, 2].mean())
    cam.scatter(in_camera[:, 0], in_camera[:, 2], **dots)
    cam.plot([0], [0], "v", color=RED, markersize=9)
    cam.text(0.5, -0.3, "camera at 0", color=RED, fontsize=9)
    half = height * 17.27 / 12.29 / 2
    cam.plot([-half, 0, half], [-height, 0, -height], color=RED, linewidth=0.8, linestyle="--")
    label(cam, "camera", "x, metres", "z, metres (it looks along -z)")

    image = panels[2]
    image.scatter(x, y, **dots)
    image.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    image.set_box_aspect(9 / 16)
    label(image, "image (NDC)", "x", "y (up)")

    pixels = panels[3]
    pixels.scatter((x * 640 + 639) / 2, (359 - y * 360) / 2, **dots)
    pixels.set(xlim=(0, 640), ylim=(360, 0), xticks=[0, 320, 640], yticks=[0, 180, 360])
    pixels.set_box_aspect(9 / 16)
    label(pixels, "pixels", "column i", "row j (down)")
    figure.savefig(path.with_suffix(".big.png"), dpi=90, facecolor=CARD)
    plt.close(figure)
    with Image.open(path.with_suffix(".big.png")) as big:
        save(big, path, 32)
    path.with_suffix(".big.png").unlink()


def label(panel, title, x, y):
    panel.set_facecolor(CARD)
    panel.set_title(title, color=INK, fontsize=11)
    panel.set_xlabel(x, color=INK, fontsize=9)
    panel.set_ylabel(y, color=INK, fontsize=9)
    panel.tick_params(colors=INK, labelsize=8)
    for spine in panel.spines.values():
        spine.set_color("#c3c8c9")


if __name__ == "__main__":
    draw_all()
