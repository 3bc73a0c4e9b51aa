"""Look at the template: a rotation vector at work, the dolphin's parts, what each bone and each shape
direction does.

As in `show`, everything interactive is a plain plotly figure with frames; the still pictures are
matplotlib's.
"""

from __future__ import annotations

import numpy as np
import torch

from ..dolphin_model import rotvec_to_rotmat
from .mesh import mesh_viewer
from .style import GRID, INK, SERIES, SKIN, compact, page_layout

# Seven colours that colour-blind eyes tell apart (Okabe and Ito 2008; grey for black).
PART_COLOURS = ("#a7b1ba", "#e69f00", "#56b4e9", "#0072b2", "#f0e442", "#009e73", "#d55e00")

CARD, CARD_INK = "#f1f3f5", "#4a545d"  # still pictures lie on a light card, in dark mode too
SCALES = ("global", "x, width", "y, height", "z, length")
STILL = dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0))
NEAR = dict(x=-0.44, y=-0.68, z=0.3)  # where the camera stands for a dolphin alone


def part_colours(model):
    """A colour per vertex by its part: (V, 3) in [0, 1]."""
    palette = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in PART_COLOURS]) / 255
    return palette[model.LBS.v_labels_coarse.cpu().numpy() % len(palette)]


def parts_figure(model, names=None, height=460):
    """The template at rest, coloured by part, with a legend.

    names: of the P parts, by default their numbers. Returns a plotly Figure; turn it with the mouse.
    """
    import plotly.graph_objects as go

    names = names or [f"part {p}" for p in range(model.LBS.n_groups)]
    figure = mesh_viewer(
        model.V * model.global_scale, model.F, colour=part_colours(model), sea=False, height=height
    )
    for name, colour in zip(
        names, PART_COLOURS
    ):  # a mesh with many colours has no entry of its own in a legend
        figure.add_trace(
            go.Scatter3d(
                x=[None], y=[None], z=[None], mode="markers", name=name, marker=dict(color=colour, size=8)
            )
        )
    return figure.update_layout(
        showlegend=True,
        scene_camera_eye=NEAR,
        margin=dict(t=30),
        legend=dict(orientation="h", x=0, y=1.02, yanchor="bottom", itemsizing="constant", itemclick=False),
    )


def weights_figure(model, bone, name="", height=420):
    """How much each vertex follows one bone: its skinning weight, 0 to 1, as colour."""
    weight = model.weights[:, bone].cpu()
    figure = mesh_viewer(
        model.V * model.global_scale,
        model.F,
        intensity=weight,
        intensity_title="weight",
        intensity_max=1.0,
        sea=False,
        height=height,
    )
    figure.layout.updatemenus = ()
    title = f"weight of bone {bone}, {name}" if name else f"weight of bone {bone}"
    return figure.update_layout(
        scene_camera_eye=NEAR, margin=dict(t=40), title=dict(text=title, font=dict(size=15))
    )


def slider_figure(groups, faces, *, colour=SKIN, height=480):
    """One mesh, several sliders: a menu says which of them moves it.

    groups: {name in the menu: (labels of the slider's steps, vertices (N, V, 3) of each step)}; the middle
    step of each is the mesh at rest. faces (F, 3); colour: one for all, or (V, 3). Returns a plotly Figure.
    """
    vertices = torch.cat([vertices for _, vertices in groups.values()])
    figure = mesh_viewer(
        vertices, faces, every=1, sea=False, follow=False, colour=colour, controls=False, height=height
    )
    sliders, buttons, first = [], [], 0
    for k, (name, (labels, shapes)) in enumerate(groups.items()):
        middle = len(labels) // 2
        steps = [
            dict(method="animate", label=label, args=[[str(first + n)], STILL])
            for n, label in enumerate(labels)
        ]
        sliders.append(
            dict(
                visible=k == 0,
                active=middle,
                steps=steps,
                x=0.03,
                len=0.94,
                y=0.0,
                yanchor="top",
                pad=dict(t=22, b=6),
                tickcolor=INK,
                font=dict(size=11),
                currentvalue=dict(prefix=f"{name}: ", xanchor="left", font=dict(size=14)),
            )
        )
        first += len(labels)
    rest = figure.frames[len(next(iter(groups.values()))[0]) // 2].data[0]
    figure.data[0].update(x=rest.x, y=rest.y, z=rest.z)
    to_rest = {axis: [np.round(np.asarray(rest[axis], float), 3).tolist()] for axis in "xyz"}
    for k, name in enumerate(groups):  # choosing a slider puts the mesh, and all sliders, back to rest
        shown = {f"sliders[{n}].visible": n == k for n in range(len(sliders))}
        middles = {f"sliders[{n}].active": slider["active"] for n, slider in enumerate(sliders)}
        buttons.append(dict(method="update", label=name, args=[to_rest, {**shown, **middles}, [0]]))
    return figure.update_layout(
        sliders=sliders,
        margin=dict(t=44, b=84),
        scene_camera_eye=NEAR,
        updatemenus=[
            dict(
                type="dropdown",
                direction="down",
                buttons=buttons,
                x=0.0,
                xanchor="left",
                y=1.0,
                yanchor="bottom",
                showactive=True,
                pad=dict(b=6),
                bordercolor=GRID,
                bgcolor="rgba(128,140,150,0.12)",
                font=dict(size=12),
            )
        ],
    )


def bend_figure(model, names=None, axis="x", degrees=40.0, steps=9, rodrigues=None, height=480):
    """The dolphin with one of its parts turned about an axis of its own: a menu of parts, a slider of angles.

    names: of the P parts; parts whose bones never rotate are left out. axis: "x" (across the body), "y" (up)
    or "z" (along it). rodrigues: the function (N, 3) -> (N, 3, 3) that turns the bones, the model's own by
    default. Returns a plotly Figure.
    """
    names = names or [f"part {p}" for p in range(model.LBS.n_groups)]
    J = model.LBS.n_joints
    angles = torch.linspace(-degrees, degrees, steps, device=model.device)
    part_of_bone, moves = model.LBS.seg_grouping, model.bone_selection > 0
    groups = {}
    for p, name in enumerate(names):
        bones = [j for j in range(1, J) if part_of_bone[j] == p and moves[j]]
        if not bones:
            continue
        theta = torch.zeros(steps, J, 3, device=model.device)  # (N, J, 3)
        theta[:, bones, "xyz".index(axis)] = torch.deg2rad(angles)[:, None]
        R = (rodrigues or model.rodrigues)(theta.reshape(-1, 3)).reshape(steps, J, 3, 3)
        shapes = model(R[:, :1], R[:, 1:], torch.zeros(steps, 1, 3, device=model.device), pose2rot=False)[
            "vertices"
        ].detach()
        groups[f"{name}, about {axis}"] = ([f"{angle:.0f}°" for angle in angles.tolist()], shapes)
    return slider_figure(groups, model.F, colour=part_colours(model), height=height)


def scale_figure(model, names=None, parts=(1, 4, 5, 6), largest=0.3, steps=5, height=480):
    """The dolphin in other shapes: a menu of what is scaled, a slider of how much.

    The menu has the four directions of scale (global, x, y, z) for all parts at once, and the global one for
    each of `parts` alone. names: of the P parts. Returns a plotly Figure.
    """
    names = names or [f"part {p}" for p in range(model.LBS.n_groups)]
    P, device = model.LBS.n_groups, model.device
    values = torch.linspace(-largest, largest, steps)
    rest, origin = torch.zeros(1, model.LBS.n_joints, 3, device=device), torch.zeros(1, 1, 3, device=device)
    groups = {}
    everywhere = [(f"all parts, {kind}", slice(None), d) for d, kind in enumerate(SCALES)]
    for name, which, d in everywhere + [(f"{names[p]}, global", p, 0) for p in parts]:
        shapes = []
        for value in values:
            scales = torch.zeros(P, 4, device=device)
            scales[which, d] = value
            shapes.append(model(rest[:, :1], rest[:, 1:], origin, part_scales=scales)["vertices"][0].detach())
        groups[name] = ([f"{value:+.2f}" for value in values.tolist()], torch.stack(shapes))
    return slider_figure(groups, model.F, colour=part_colours(model), height=height)


def rotation_figure(
    axis=(1.0, 2.0, 2.0), vector=(1.0, 0.0, 0.0), rodrigues=rotvec_to_rotmat, steps=25, height=480
):
    """What a rotation vector does: a vector goes round an axis, as far as the rotation vector is long.

    axis, vector: three numbers each, the axis of any length. rodrigues: the function (N, 3) -> (N, 3, 3) to
    look at, yours if you like. Returns a plotly Figure with a slider for the angle, 0 to 360 degrees.
    """
    import plotly.graph_objects as go

    axis = torch.nn.functional.normalize(torch.as_tensor(axis, dtype=torch.float32), dim=0)
    vector = torch.as_tensor(vector, dtype=torch.float32)
    angles = torch.linspace(0, 2 * torch.pi, steps)  # (N,), radians
    thetas = angles[:, None] * axis  # (N, 3)
    turned = (rodrigues(thetas) @ vector).detach()  # (N, 3)

    # As in `mesh_viewer`, plotly's axes are (z, x, y): y goes up, and left stays left.
    def line(points, name, **style):
        y, z, x = compact(torch.stack(list(points)).numpy()).T
        return go.Scatter3d(x=x, y=y, z=z, mode="lines", name=name, hoverinfo="skip", line=style)

    def arrow(tip, name, colour):
        y, z, x = compact(torch.stack([torch.zeros(3), tip]).numpy()).T
        return go.Scatter3d(
            x=x,
            y=y,
            z=z,
            mode="lines+markers",
            name=name,
            hoverinfo="skip",
            line=dict(color=colour, width=9),
            marker=dict(color=colour, size=[0.1, 7]),
        )

    def moving(n):
        return [
            line(turned[: n + 1] if n else turned[[0, 0]], "its way", color=SERIES[4], width=5),
            arrow(turned[n], "R v", SERIES[1]),
            arrow(thetas[n] / (2 * torch.pi), "θ / 2π", SERIES[0]),
        ]

    def title(n):
        x, y, z = thetas[n].tolist()
        return dict(
            text=f"θ = ({x:.2f}, {y:.2f}, {z:.2f}), its length {angles[n]:.2f} = {torch.rad2deg(angles[n]):.0f}°",
            font=dict(size=14),
            x=0.02,
            xanchor="left",
            y=0.98,
            yanchor="top",
        )

    start = (steps - 1) // 4
    sight = dict(
        range=[-1.15, 1.15],
        showbackground=False,
        gridcolor="#8b979f",
        zeroline=False,
        nticks=4,
        showspikes=False,
    )
    figure = go.Figure(
        [
            *moving(start),
            arrow(vector, "v", INK),
            line([-1.15 * axis, 1.15 * axis], "axis", color=INK, width=4, dash="dash"),
        ],
        page_layout(
            height=height,
            margin=dict(l=0, r=0, t=64, b=84),
            legend=dict(orientation="h", x=0, y=1.0, yanchor="bottom"),
            scene=dict(
                xaxis=dict(title="z", **sight),
                yaxis=dict(title="x", **sight),
                zaxis=dict(title="y", **sight),
                aspectmode="cube",
                dragmode="turntable",
                camera=dict(eye=dict(x=0.3, y=1.5, z=0.6), center=dict(x=0, y=0, z=-0.06)),
            ),
        ),
    )
    figure.frames = [
        go.Frame(name=str(n), data=moving(n), traces=[0, 1, 2], layout=dict(title=title(n)))
        for n in range(steps)
    ]
    figure.update_layout(
        title=title(start),
        sliders=[
            dict(
                active=start,
                x=0.03,
                len=0.94,
                y=0.0,
                yanchor="top",
                pad=dict(t=22, b=6),
                tickcolor=INK,
                font=dict(size=11),
                currentvalue=dict(visible=False),
                steps=[
                    dict(method="animate", label=f"{torch.rad2deg(angle):.0f}°", args=[[str(n)], STILL])
                    for n, angle in enumerate(angles)
                ],
            )
        ],
    )
    return figure


def draw_mesh(
    ax, vertices, faces, right=(-1.0, 0.0, 0.0), up=(0.0, 0.0, 1.0), colour=SKIN, place=(0.0, 0.0), **style
):
    """Draws a mesh into matplotlib axes, shaded, as seen from far away. By default from above: world +z up,
    +x to the left.

    vertices (V, 3), faces (F, 3); right, up: the axes of the picture in the world, perpendicular to each
    other; colour: one for all, or (V, 3); place: where the origin is drawn. More words go to matplotlib's
    PolyCollection.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    vertices, faces = np.asarray(vertices, float), np.asarray(faces)
    right, up = (np.asarray(a, float) / np.linalg.norm(a) for a in (right, up))
    seen = vertices @ np.stack([right, up, np.cross(right, up)], 1)  # (V, 3): right, up, towards the eye
    corners = seen[faces]  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    order = corners[..., 2].mean(1).argsort()
    order = order[normals[order, 2] > 0]  # front faces, from far to near
    light = 0.55 + 0.45 * (normals[order] @ (np.array([-0.35, 0.5, 0.8]) / 1.01)).clip(0, 1)
    if isinstance(colour, str):
        shade = np.broadcast_to(to_rgb(colour), (len(order), 3))
    else:
        shade = np.asarray(colour, float)[faces[order]].mean(1)
    shade = (shade * light[:, None]).clip(0, 1)
    style = {"facecolors": shade, "edgecolors": shade, "linewidths": 0.3, **style}
    ax.add_collection(PolyCollection(corners[order, :, :2] + np.asarray(place), **style))


def turns_figure(model, rodrigues=rotvec_to_rotmat, degrees=40.0, size=(9.0, 2.4)):
    """The dolphin at rest, and turned about x, y and z: four panels, seen from ahead, from the left and a
    little from above.

    rodrigues: the function (N, 3) -> (N, 3, 3) that turns it. Returns a matplotlib Figure.
    """
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=size, facecolor=CARD, layout="constrained")
    pyplot.close(figure)  # a notebook shows what a cell gives: once, not twice
    thetas = torch.deg2rad(torch.tensor(degrees)) * torch.cat([torch.zeros(1, 3), torch.eye(3)])  # (4, 3)
    R = rodrigues(thetas).detach().cpu()  # (4, 3, 3)
    vertices = (model.V[0] * model.global_scale).cpu()
    towards = np.array([0.75, 0.5, 0.6]) / np.linalg.norm([0.75, 0.5, 0.6])  # the eye: left, above, ahead
    right = np.cross([0.0, 1.0, 0.0], towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    titles = ["at rest", *(f"{degrees:g}° about {name}" for name in ("x (pitch)", "y (heading)", "z (roll)"))]
    for n, (ax, title) in enumerate(zip(figure.subplots(1, 4), titles)):
        if n:
            axis = torch.eye(3)[n - 1].numpy() * 1.45
            ends = np.stack([-axis, axis]) @ np.stack([right, up], 1)
            ax.plot(*ends.T, color=SERIES[1], lw=1.2, ls="--", zorder=0)
            ax.text(*(ends[1] * 1.06), "xyz"[n - 1], color=SERIES[1], ha="center", va="center", fontsize=10)
        draw_mesh(ax, vertices @ R[n].T, model.F.cpu(), right, up)
        ax.set(xlim=(-1.55, 1.55), ylim=(-1.5, 1.5), aspect="equal")
        ax.set_title(title, fontsize=10, color=CARD_INK)
        ax.axis("off")
    return figure
