"""Look at the template: a rotation vector at work, parts, what each bone and each direction of shape does."""

import numpy as np
import torch

from ..errors import CourseError
from ..rotations import rotvec_to_rotmat
from ..shapes import check_shape, describe
from .images import as_colours
from .mesh import checked_mesh, mesh_viewer
from .style import AXIS_3D, BUTTON, INK, SERIES, SKIN, legend_above, new_figure, slider
from .values import as_array, as_column, as_model, as_names, as_number, as_points, upright

# Seven colours that colour-blind eyes tell apart (Okabe and Ito 2008; grey for black).
PART_COLOURS = ("#a7b1ba", "#e69f00", "#56b4e9", "#0072b2", "#f0e442", "#009e73", "#d55e00")

CARD, CARD_INK = "#f1f3f5", "#4a545d"  # still pictures lie on a light card, in dark mode too
SCALES = ("global", "x, width", "y, height", "z, length")
NEAR = dict(x=-0.44, y=-0.68, z=0.3)  # where the camera stands for a dolphin alone
WIDE = dict(x=0.03, len=0.94, pad=dict(t=22, b=6))  # a slider with no button beside it


def part_colours(model):
    """A colour per vertex by its part: (V, 3) in [0, 1]."""
    labels = as_model(model).LBS.v_labels_coarse
    palette = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in PART_COLOURS]) / 255
    return palette[labels.cpu().numpy() % len(palette)]


def _names_of(names, model):
    """Names of the model's parts: those given, or their numbers."""
    P = as_model(model).LBS.n_groups
    return [f"part {p}" for p in range(P)] if names is None else as_names(names, "names", P)


def parts_figure(model, names=None):
    """The template at rest, coloured by part, with a legend; the mouse turns it. -> plotly Figure

    names: of the P parts, by default their numbers.
    """
    names = _names_of(names, model)
    vertices = model.V * model.global_scale
    figure = mesh_viewer(vertices, model.F, colour=part_colours(model), sea=False, height=460)
    # a mesh with many colours has no entry of its own in a legend
    for name, colour in zip(names, PART_COLOURS):
        nowhere = dict(x=[None], y=[None], z=[None], mode="markers")
        figure.add_scatter3d(**nowhere, name=name, marker=dict(color=colour, size=8))
    legend = legend_above(y=1.02, itemsizing="constant", itemclick=False)
    return figure.update_layout(showlegend=True, scene_camera_eye=NEAR, margin=dict(t=30), legend=legend)


def weights_figure(model, bone, name=""):
    """How much each vertex follows one bone: its skinning weight, 0 to 1, as colour. -> plotly Figure"""
    bone = as_number(bone, "bone", low=0, high=as_model(model).weights.shape[1] - 1, whole=True)
    colour = dict(intensity=model.weights[:, bone], intensity_title="weight", intensity_max=1.0)
    figure = mesh_viewer(model.V * model.global_scale, model.F, sea=False, height=420, **colour)
    figure.layout.updatemenus = ()
    text = f"weight of bone {bone}, {name}" if str(name) else f"weight of bone {bone}"
    title = dict(text=text, font=dict(size=15))
    return figure.update_layout(scene_camera_eye=NEAR, margin=dict(t=40), title=title)


def slider_figure(groups, faces, *, colour=SKIN):
    """One mesh, several sliders: a menu says which of them moves it. -> plotly Figure

    groups: {name in the menu: (labels of the slider's steps, vertices (N, V, 3) of each step)}; the middle
    step of each is the mesh at rest. faces (F, 3); colour: one for all, or (V, 3).
    """
    vertices = torch.cat([vertices for _, vertices in groups.values()])
    bare = dict(every=1, sea=False, follow=False, controls=False)
    figure = mesh_viewer(vertices, faces, colour=colour, height=480, **bare)
    sliders, first = [], 0
    for name, (labels, _) in groups.items():
        steps = range(first, first + len(labels))
        now = dict(prefix=f"{name}: ", xanchor="left", font=dict(size=14))
        state = dict(visible=not sliders, active=len(labels) // 2, currentvalue=now)
        sliders.append(slider(labels, steps, **WIDE, **state))
        first += len(labels)
    rest = figure.frames[sliders[0]["active"]].data[0]
    figure.data[0].update(x=rest.x, y=rest.y, z=rest.z)
    to_rest = {axis: [np.round(np.asarray(rest[axis], float), 3).tolist()] for axis in "xyz"}
    middles = {f"sliders[{n}].active": one["active"] for n, one in enumerate(sliders)}
    buttons = []
    for k, name in enumerate(groups):  # choosing a slider puts the mesh, and all sliders, back to rest
        shown = {f"sliders[{n}].visible": n == k for n in range(len(sliders))}
        buttons.append(dict(method="update", label=name, args=[to_rest, {**shown, **middles}, [0]]))
    place = dict(x=0.0, xanchor="left", y=1.0, yanchor="bottom", pad=dict(b=6), font=dict(size=12))
    menu = dict(type="dropdown", direction="down", showactive=True, buttons=buttons, **BUTTON, **place)
    margin = dict(t=44, b=84)
    return figure.update_layout(sliders=sliders, margin=margin, scene_camera_eye=NEAR, updatemenus=[menu])


def bend_figure(model, names=None, axis="x", degrees=40.0, steps=9):
    """The dolphin with one of its parts turned about an axis of its own: a menu of parts, a slider of angles.

    names: of the P parts; parts whose bones never rotate are left out. axis: "x" (across the body), "y" (up)
    or "z" (along it). -> plotly Figure
    """
    names = _names_of(names, model)
    J, device = model.LBS.n_joints, model.device
    if str(axis) not in ("x", "y", "z"):
        raise CourseError(f"axis is {describe(axis)}; expected 'x', 'y' or 'z'.")
    degrees, steps = as_number(degrees, "degrees"), as_number(steps, "steps", low=2, high=200, whole=True)
    angles = torch.linspace(-degrees, degrees, steps, device=device)
    labels = [f"{angle:.0f}°" for angle in angles.tolist()]
    origin = torch.zeros(steps, 1, 3, device=device)
    part_of_bone, moves = model.LBS.seg_grouping, model.bone_selection > 0
    groups = {}
    for p, name in enumerate(names):
        bones = [j for j in range(1, J) if part_of_bone[j] == p and moves[j]]
        if not bones:
            continue
        theta = torch.zeros(steps, J, 3, device=device)  # (N, J, 3)
        theta[:, bones, "xyz".index(str(axis))] = torch.deg2rad(angles)[:, None]
        shapes = model(theta[:, :1], theta[:, 1:], origin)["vertices"].detach()
        groups[f"{name}, about {axis}"] = (labels, shapes)
    return slider_figure(groups, model.F, colour=part_colours(model))


def scale_figure(model, names=None, parts=(1, 4, 5, 6), largest=0.3, steps=5):
    """The dolphin in other shapes: a menu of what is scaled, a slider of how much. -> plotly Figure

    The menu has the four directions of scale (global, x, y, z) for all parts at once, and the global one for
    each of `parts` alone. names: of the P parts.
    """
    names, device = _names_of(names, model), model.device
    largest, steps = as_number(largest, "largest"), as_number(steps, "steps", low=2, high=200, whole=True)
    parts = [
        as_number(p, "parts", low=0, high=len(names) - 1, whole=True) for p in as_array(parts, "parts").flat
    ]
    values = torch.linspace(-largest, largest, steps).tolist()
    labels = [f"{value:+.2f}" for value in values]
    rest, origin = torch.zeros(1, model.LBS.n_joints, 3, device=device), torch.zeros(1, 1, 3, device=device)
    groups = {}
    everywhere = [(f"all parts, {kind}", slice(None), d) for d, kind in enumerate(SCALES)]
    for name, which, d in everywhere + [(f"{names[p]}, global", p, 0) for p in parts]:
        shapes = []
        for value in values:
            scales = torch.zeros(model.LBS.n_groups, 4, device=device)
            scales[which, d] = value
            shapes.append(model(rest[:, :1], rest[:, 1:], origin, part_scales=scales)["vertices"].detach())
        groups[name] = (labels, torch.cat(shapes))
    return slider_figure(groups, model.F, colour=part_colours(model))


def rotation_figure(axis=(1.0, 2.0, 2.0), vector=(1.0, 0.0, 0.0), rodrigues=rotvec_to_rotmat, steps=25):
    """What a rotation vector does: a vector goes round an axis, as far as the rotation vector is long.

    axis, vector: three numbers each, the axis of any length. rodrigues: the function (N, 3) -> (N, 3, 3) to
    look at, yours if you like. -> plotly Figure with a slider for the angle, 0 to 360 degrees
    """
    axis, vector = (_direction(*given) for given in ((axis, "axis"), (vector, "vector")))
    axis = torch.nn.functional.normalize(axis, dim=0)
    steps = as_number(steps, "steps", low=2, high=500, whole=True)
    angles = torch.linspace(0, 2 * torch.pi, steps)  # (N,), radians
    thetas = angles[:, None] * axis  # (N, 3)
    turned = (rodrigues(thetas) @ vector).detach()  # (N, 3)
    degrees = [f"{angle:.0f}°" for angle in torch.rad2deg(angles)]

    def moving(n):
        way = turned[: n + 1] if n else turned[[0, 0]]
        half = thetas[n] / (2 * torch.pi)
        arrows = [_arrow(turned[n], "R v", SERIES[1]), _arrow(half, "θ / 2π", SERIES[0])]
        return [_line(way, "its path", color=SERIES[4], width=5), *arrows]

    def title(n):
        x, y, z = thetas[n].tolist()
        text = f"θ = ({x:.2f}, {y:.2f}, {z:.2f}), its length {angles[n]:.2f} = {degrees[n]}"
        return dict(text=text, font=dict(size=14), x=0.02, xanchor="left", y=0.98, yanchor="top")

    start = (steps - 1) // 4
    sight = dict(range=[-1.15, 1.15], nticks=4, **AXIS_3D)
    axes = {f"{a}axis": dict(title=world, **sight) for a, world in zip("xyz", "zxy")}
    camera = dict(eye=dict(x=0.3, y=1.5, z=0.6), center=dict(x=0, y=0, z=-0.06))
    scene = dict(aspectmode="cube", dragmode="turntable", camera=camera, **axes)
    look = dict(margin=dict(l=0, r=0, t=64, b=84), legend=legend_above(y=1.0), scene=scene)
    angle = slider(degrees, range(steps), active=start, currentvalue=dict(visible=False), **WIDE)
    figure = new_figure(height=480, title=title(start), sliders=[angle], **look)
    ends = torch.stack([-1.15 * axis, 1.15 * axis])
    still = [_arrow(vector, "v", INK), _line(ends, "axis", color=INK, width=4, dash="dash")]
    figure.add_traces([*moving(start), *still])
    frames = [dict(name=str(n), data=moving(n), layout=dict(title=title(n))) for n in range(steps)]
    figure.frames = [dict(traces=[0, 1, 2], **frame) for frame in frames]
    return figure


def _direction(value, name):
    """Three finite numbers, not all 0. -> (3,) float32"""
    numbers = as_array(value, name)
    if numbers.shape != (3,) or not np.isfinite(numbers).all() or not numbers.any():
        raise CourseError(f"{name} is {describe(value)}; expected three numbers, not all of them 0.")
    return torch.tensor(numbers, dtype=torch.float32)


def _line(points, name, **look):
    """A line through points (N, 3) in 3D, as a trace."""
    more = dict(mode="lines", name=name, hoverinfo="skip", line=look)
    return dict(type="scatter3d", **upright(points), **more)


def _arrow(tip, name, colour):
    """An arrow from the origin to a point (3,) in 3D, as a trace."""
    line = _line(torch.stack([torch.zeros(3), tip]), name, color=colour, width=9)
    return line | dict(mode="lines+markers", marker=dict(color=colour, size=[0.1, 7]))


def draw_mesh(
    ax, vertices, faces, right=(-1.0, 0.0, 0.0), up=(0.0, 0.0, 1.0), colour=SKIN, place=(0.0, 0.0), **style
):
    """Draw a mesh into matplotlib axes, shaded, as seen from far away; by default from above.

    vertices (V, 3), faces (F, 3); right, up: the axes of the picture in the world, perpendicular to each
    other, by default +x to the left and +z up; colour: one for all, or (V, 3); place: where the origin is
    drawn. More words go to matplotlib's PolyCollection.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    (vertices,), faces = checked_mesh(as_points(vertices, "vertices"), faces)
    right, up = (_direction(*given).double().numpy() for given in ((right, "right"), (up, "up")))
    right, up = (a / np.linalg.norm(a) for a in (right, up))
    seen = vertices @ np.stack([right, up, np.cross(right, up)], 1)  # (V, 3): right, up, towards the eye
    corners = seen[faces]  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    order = corners[..., 2].mean(1).argsort()
    order = order[normals[order, 2] > 0]  # front faces, from far to near
    light = 0.55 + 0.45 * (normals[order] @ (np.array([-0.35, 0.5, 0.8]) / 1.01)).clip(0, 1)
    colours = as_colours(colour, len(vertices))
    if isinstance(colours, str):
        shade = np.broadcast_to(to_rgb(colours), (len(order), 3))
    else:
        shade = colours[faces[order]].mean(1) / 255
    shade = (shade * light[:, None]).clip(0, 1)
    place = as_column(place, 2, "place", frames=False)
    style = {"facecolors": shade, "edgecolors": shade, "linewidths": 0.3, **style}
    ax.add_collection(PolyCollection(corners[order, :, :2] + place, **style))


def turns_figure(model, rodrigues=rotvec_to_rotmat, size=(9.0, 2.4)):
    """The dolphin at rest, and turned about x, y and z by 40 degrees. -> matplotlib Figure

    Four panels, seen from ahead, from the left and a little from above. rodrigues: the function
    (N, 3) -> (N, 3, 3) that turns it; size: of the figure, inches.
    """
    from matplotlib import pyplot

    vertices = (as_model(model).V[0] * model.global_scale).cpu()
    size = [as_number(side, "size", low=0.5, high=100) for side in as_column(size, 2, "size", False)]
    figure = pyplot.figure(figsize=size, facecolor=CARD, layout="constrained")
    pyplot.close(figure)  # a notebook shows what a cell gives: once, not twice
    axes = np.eye(3)
    thetas = torch.deg2rad(torch.tensor(40.0)) * torch.cat([torch.zeros(1, 3), torch.eye(3)])  # (4, 3)
    R = rodrigues(thetas)
    check_shape("rodrigues(theta)", R, "4 3 3", like=thetas)
    R = R.detach().cpu()  # (4, 3, 3)
    for n in (~torch.isfinite(R)).flatten(1).any(1).nonzero()[:1, 0].tolist():
        raise CourseError(f"""rodrigues(theta) gives NaN or infinite numbers where theta is
            {tuple(round(x, 3) for x in thetas[n].tolist())}.""")
    towards = np.array([0.75, 0.5, 0.6]) / np.linalg.norm([0.75, 0.5, 0.6])  # the eye: left, above, ahead
    right = np.cross([0.0, 1.0, 0.0], towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    titles = ("at rest", "40° about x (pitch)", "40° about y (heading)", "40° about z (roll)")
    for n, (ax, title) in enumerate(zip(figure.subplots(1, 4), titles)):
        if n:
            ends = np.outer([-1.45, 1.45], axes[n - 1]) @ np.stack([right, up], 1)
            ax.plot(*ends.T, color=SERIES[1], lw=1.2, ls="--", zorder=0)
            ax.text(*(ends[1] * 1.06), "xyz"[n - 1], color=SERIES[1], ha="center", va="center", fontsize=10)
        draw_mesh(ax, vertices @ R[n].T, model.F.cpu(), right, up)
        ax.set(xlim=(-1.55, 1.55), ylim=(-1.5, 1.5), aspect="equal")
        ax.set_title(title, fontsize=10, color=CARD_INK)
        ax.axis("off")
    return figure
