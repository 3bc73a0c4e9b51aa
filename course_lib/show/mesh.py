"""A mesh over time in 3D, with a slider and a play button."""

import numpy as np

from ..errors import CourseError
from ..shapes import fits
from .images import as_colours
from .style import AT_ONCE, AXIS_3D, ERROR_SCALE, SKIN, button_row, new_figure, slider
from .values import as_array, as_column, as_number, as_points, compact, upright

WATER = "#3aa6c8"
LIGHT = dict(flatshading=False, lightposition=dict(x=2000, y=1500, z=6000))
LIGHT["lighting"] = dict(ambient=0.62, diffuse=0.62, specular=0.2, roughness=0.6, fresnel=0.1)


def mesh_viewer(
    vertices,
    faces,
    *,
    every=None,
    time_s=None,
    colour=SKIN,
    intensity=None,
    intensity_title="",
    intensity_max=None,
    sea=True,
    follow=True,
    track=None,
    controls=True,
    height=520,
):
    """Show a mesh over time in 3D, with a slider and a play button. -> plotly Figure

    vertices: (T, V, 3) or (V, 3) world coordinates in metres, y up; drawn with y vertical, and not mirrored.
    faces: (F, 3) vertex indices. every: show each n-th frame (default: as few as make 50 frames or fewer).
    time_s: (T,) seconds for the slider (default: frame numbers).
    colour: one colour for the whole mesh, or (V, 3) values in [0, 1] per vertex.
    intensity: (V,) or (T, V) numbers >= 0 that colour the mesh instead, with a button that goes back to skin;
    intensity_max: where the colour scale ends (default: the 99th percentile).
    sea: draw the surface y = 0. follow: keep the mesh in the middle and let the sea pass by (else a fixed
    stage). track: (T, 3) a path, drawn on the sea. controls: False leaves out slider and play button. The
    frames are named by their numbers. Raises CourseError on wrong shapes, faces or vertices.
    """
    vertices, faces = checked_mesh(vertices, faces)  # (T, V, 3), (F, 3)
    T, V = vertices.shape[:2]
    every = -(-T // 50) if every is None else as_number(every, "every", low=1, whole=True)
    shown = list(range(0, T, every))
    times = None if time_s is None else as_column(time_s, T, "time_s")
    intensity = None if intensity is None else _checked_intensity(intensity, colour, T, V)  # (T, V)
    scale = intensity_max, intensity_title
    skin = _skin(colour, V) if intensity is None else _intensity_scale(intensity[shown], *scale)

    def moving(t):
        more = {} if intensity is None else dict(intensity=compact(intensity[t], 2))
        return upright(vertices[t]) | more

    scene, stages, reach = _stage(vertices[shown], sea, follow)
    look = dict(margin=dict(l=0, r=0, t=0, b=0), showlegend=False, scene=scene)
    figure = new_figure(height=as_number(height, "height", low=100, high=10_000), **look)
    corners = dict(zip("ijk", faces.astype(np.uint16 if faces.max() < 2**16 else np.int32).T))
    figure.add_mesh3d(**moving(0), **corners, **skin, **LIGHT, name="mesh")
    if sea:
        _add_sea(figure, 2.0 * reach + float(np.abs(vertices[..., [0, 2]]).max()))
    if track is not None:
        _add_track(figure, track)
    if len(shown) > 1:
        frames = [dict(name=str(t), data=[dict(type="mesh3d", **moving(t))], traces=[0]) for t in shown]
        for frame, stage in zip(frames, stages if follow else ()):
            frame["layout"] = dict(scene=stage)
        figure.frames = frames
        if controls:
            _add_time_controls(figure, shown, times)
    if intensity is not None:
        figure.update_layout(updatemenus=[*figure.layout.updatemenus, _skin_or_intensity(intensity_title)])
    return figure


def checked_mesh(vertices, faces):
    """Vertices as (T, V, 3) finite numbers, and faces as (F, 3) triangles of existing vertices."""
    vertices, faces = as_array(vertices, "vertices"), as_array(faces, "faces")
    vertices = vertices[None] if vertices.ndim == 2 else vertices
    if not fits(vertices.shape, "T V 3") or 0 in vertices.shape:
        raise CourseError(f"""vertices have shape {vertices.shape}; expected (T, V, 3), or (V, 3) for one
            frame.""")
    if not fits(faces.shape, "F 3") or faces.dtype.kind not in "iu" or len(faces) == 0:
        raise CourseError(f"faces have shape {faces.shape} and type {faces.dtype}; expected (F, 3) integers.")
    V = vertices.shape[1]
    for n in np.flatnonzero(((faces < 0) | (faces >= V)).any(1))[:1]:
        raise CourseError(f"face {n} names vertices {faces[n].tolist()}, but there are {V} (0 to {V - 1}).")
    for t in np.flatnonzero(~np.isfinite(vertices).all((1, 2)))[:1]:
        raise CourseError(f"""the vertices of frame {t} are not all finite numbers; look for NaN in what they
            are made of: the frame's pose, translation and part scales, and the matrices that turn its
            bones.""")
    return vertices, faces


def _checked_intensity(intensity, colour, T, V):
    if colour is not SKIN:
        raise CourseError("mesh_viewer got colours per vertex and an intensity; give one of the two.")
    intensity = as_array(intensity, "intensity")
    if intensity.shape not in ((V,), (T, V)):
        raise CourseError(f"""intensity has shape {intensity.shape}; expected (V,) = ({V},) or (T, V) =
            ({T}, {V}).""")
    if not np.isfinite(intensity).all():
        raise CourseError("intensity holds values that are not finite numbers (NaN or infinity).")
    return np.broadcast_to(intensity, (T, V))


def _skin(colour, V):
    """What colours the mesh: one colour, or one for each of V vertices."""
    hover = dict(hovertemplate="x %{y:.2f} m, height %{z:.2f} m, z %{x:.2f} m<extra></extra>")
    colours = as_colours(colour, V)
    if isinstance(colours, str):
        return dict(color=colours, **hover)
    return dict(vertexcolor=[f"rgb({r},{g},{b})" for r, g, b in colours], **hover)


def _intensity_scale(intensity, most, title):
    """What colours the mesh by its intensity, from 0 to `most`, or to the 99th percentile."""
    most = as_number(most or np.percentile(intensity, 99), "intensity_max") or 1.0
    bar = dict(title=dict(text=str(title), side="right"), thickness=10, len=0.6)
    scale = dict(colorscale=ERROR_SCALE, cmin=0.0, cmax=most, showscale=True, colorbar=bar)
    return dict(hovertemplate=f"{title} %{{intensity:.1f}}<extra></extra>", **scale)


def _stage(vertices, sea, follow):
    """The room around the mesh: plotly's scene, its ranges in each of T' frames, and half its width."""
    low, high = vertices.min(axis=1), vertices.max(axis=1)  # (T', 3)
    bottom, top = low.min(0), high.max(0)
    centre, reach = 0.5 * (low + high), 1.06 * 0.5 * (high - low).max()
    if not follow:
        centre = np.broadcast_to(0.5 * (bottom + top), low.shape)
        reach = 1.06 * 0.5 * (top - bottom)[[0, 2]].max()
    reach = max(reach, 1e-3)  # metres: it may be flat, or a point
    floor, ceiling = float(bottom[1]) - 0.1 * reach, float(top[1]) + 0.1 * reach
    ceiling = max(ceiling, 0.25 * reach) if sea and floor < 0.0 else ceiling

    def around(c):
        return dict(range=[round(float(c) - reach, 3), round(float(c) + reach, 3)])

    stages = [dict(xaxis=around(z), yaxis=around(x)) for x, _, z in centre]
    ranges = stages[0] | dict(zaxis=dict(range=[round(floor, 3), round(ceiling, 3)]))
    axes = {}
    for name, title in (("xaxis", "z (m)"), ("yaxis", "x (m)"), ("zaxis", "height (m)")):
        words = dict(title=dict(text=title, font=dict(size=11)), tickfont=dict(size=10), nticks=6)
        axes[name] = AXIS_3D | words | ranges[name]
    eye, middle = dict(x=-0.58, y=-0.9, z=0.4), dict(x=-0.03, y=0.02, z=-0.09)
    view = dict(camera=dict(eye=eye, center=middle, up=dict(x=0, y=0, z=1)), dragmode="turntable")
    view |= dict(aspectmode="manual", aspectratio=dict(x=1.0, y=1.0, z=(ceiling - floor) / (2 * reach)))
    return dict(uirevision="keep the reader's view", **view, **axes), stages, reach


def _add_sea(figure, far):
    """The surface of the sea, a square that reaches `far` to each side."""
    square = dict(x=[-far, far, far, -far], y=[-far, -far, far, far], z=[0] * 4, i=[0, 0], j=[1, 2], k=[2, 3])
    light = dict(ambient=1.0, diffuse=0.0, specular=0.0)
    figure.add_mesh3d(**square, color=WATER, opacity=0.22, hoverinfo="skip", name="sea level", lighting=light)


def _add_track(figure, track):
    """A path (T, 3), drawn on the sea."""
    path = as_points(track, "track") * [1, 0, 1]
    line = dict(color=WATER, width=4)
    figure.add_scatter3d(**upright(path), mode="lines", line=line, hoverinfo="skip", name="track")


def _add_time_controls(figure, shown, times):
    if times is None:
        pause_ms, labels, now = 60, [str(t) for t in shown], dict(prefix="frame ", suffix="")
    else:
        pause_ms = max(40.0, 1000.0 * float(times[shown[1]] - times[shown[0]]))
        labels, now = [f"{times[t]:.2f}" for t in shown], dict(prefix="", suffix=" s")
    now |= dict(xanchor="right", font=dict(size=13))
    play = AT_ONCE | dict(fromcurrent=True, frame=dict(duration=pause_ms, redraw=True))
    actions = ("Play", "animate", [None, play]), ("Pause", "animate", [[None], AT_ONCE])
    corner = dict(x=0.0, xanchor="left", y=0.0, yanchor="top", pad=dict(t=32, r=8))
    menus = [button_row(*actions, showactive=False, **corner)]
    sliders = [slider(labels, shown, x=0.16, len=0.8, pad=dict(t=26, b=6), currentvalue=now)]
    height = figure.layout.height + 60
    figure.update_layout(sliders=sliders, updatemenus=menus, margin=dict(b=84), height=height)


def _skin_or_intensity(title):
    """Make the pair of buttons that colours the mesh by its intensity or as skin."""
    values = dict(colorscale=[ERROR_SCALE], showscale=True)
    skin = dict(colorscale=[[[0.0, SKIN], [1.0, SKIN]]], showscale=False)
    actions = [(title or "values", "restyle", [values, [0]]), ("skin", "restyle", [skin, [0]])]
    corner = dict(x=0.0, xanchor="left", y=1.0, yanchor="top", pad=dict(t=6, l=6))
    return button_row(*actions, active=0, font=dict(size=11), **corner)
