"""Look at it: the mesh over time in 3D, tracks, curves, orientation, and videos that play in a browser.

Everything interactive is a plain plotly `Figure` (with frames where time passes; never a `FigureWidget`), so
it shows in Colab, in JupyterLab and in a saved html file alike. Colours are told apart by colour-blind eyes
and stand out from white and from black paper; text and grid are a grey that both bear, on no background of
their own.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from course_lib.errors import CourseError

# Five hues at least 20 CIELAB units apart for normal, protan, deutan and tritan sight (Machado et al. 2009),
# and with a contrast of 3:1 or more against white and against #12191e.
SERIES = ("#2a62d9", "#c8283c", "#0a9f8c", "#b163c4", "#968d10")
DASHES = ("solid", "dash", "dot")  # a second sign besides colour, once the colours have gone round
INK = "#767f88"                    # text: 4:1 on white and on near-black
GRID = "rgba(128,140,150,0.24)"
TRUTH = dict(color="rgba(128,140,150,0.45)", width=6)   # a broad pale line, under the fit
SKIN = "#8fa3b3"
SEA = "#10394a"                    # the chart of the track is drawn on sea, whatever the paper
SEA_INK = "#c4dbe2"
TIME_SCALE = ((0.0, "#3f9fd6"), (0.5, "#8fdcc0"), (1.0, "#fff2a8"))   # lightness grows with time
ERROR_SCALE = ((0.0, "#a9bac4"), (0.45, "#e3a63b"), (1.0, "#9c1531"))

SENSOR_PER_FOCAL = 17.27 / 12.29   # sensor width over focal length: metres seen per metre of distance


# --- the mesh in 3D -------------------------------------------------------------------------------

def mesh_viewer(vertices, faces, *, every=None, time_s=None, colour=SKIN, intensity=None, intensity_title="",
                intensity_max=None, sea=True, follow=True, track=None, controls=True, title=None, height=520):
    """Show a mesh over time in 3D, with a slider and a play button.

    vertices: (T, V, 3) or (V, 3) world coordinates in metres, y up; drawn with y vertical, and not mirrored.
    faces: (F, 3) vertex indices. every: show each n-th frame (default: as few as make 50 frames or fewer).
    time_s: (T,) seconds for the slider (default: frame numbers).
    colour: one colour for the whole mesh, or (V, 3) values in [0, 1] per vertex.
    intensity: (V,) or (T, V) numbers >= 0 that colour the mesh instead, with a button that goes back to skin;
    intensity_max: where the colour scale ends (default: the 99th percentile).
    sea: draw the surface y = 0. follow: keep the mesh in the middle and let the sea pass by (else a fixed
    stage). track: (T, 3) a path, drawn on the sea. controls: False leaves out slider and play button (for a
    page with its own). Returns a plotly Figure whose frames are named by the frame's number. Raises
    CourseError on wrong shapes, faces out of range, or vertices that are not numbers.
    """
    import plotly.graph_objects as go

    vertices, faces = _array(vertices, "vertices"), _array(faces, "faces")
    vertices = vertices[None] if vertices.ndim == 2 else vertices                               # (T, V, 3)
    if vertices.ndim != 3 or vertices.shape[-1] != 3 or 0 in vertices.shape:
        raise CourseError(f"vertices have shape {vertices.shape}; expected (T, V, 3), or (V, 3) for one "
                          "frame.")
    T, V = vertices.shape[:2]
    _check_faces(faces, V)
    if not np.isfinite(vertices).all():
        first = int(np.argwhere(~np.isfinite(vertices))[0, 0])
        raise CourseError(f"the vertices of frame {first} are not all finite numbers; "
                          "look for NaN in the parameters of that frame (pose, translation, part scales).")
    every = every or -(-T // 50)
    shown = range(0, T, every)
    times = None if time_s is None else _column(time_s, T, "time_s")

    skin = dict(color=colour) if isinstance(colour, str) else dict(
        vertexcolor=[f"rgb({r},{g},{b})" for r, g, b in _to_uint8(_points(colour, "colour", V))])
    if intensity is not None:
        if not isinstance(colour, str):
            raise CourseError("mesh_viewer got colours per vertex and an intensity; give one of the two.")
        intensity = _array(intensity, "intensity")
        intensity = np.broadcast_to(intensity, (T, V)) if intensity.shape in ((V,), (T, V)) else intensity
        if intensity.shape != (T, V):
            raise CourseError(f"intensity has shape {intensity.shape}; expected (V,) = ({V},) or "
                              f"(T, V) = ({T}, {V}).")
        skin = dict(colorscale=[list(stop) for stop in ERROR_SCALE], cmin=0.0, showscale=True,
                    cmax=intensity_max or float(np.percentile(intensity[list(shown)], 99)) or 1.0,
                    colorbar=dict(title=dict(text=intensity_title, side="right"), thickness=10, len=0.6))

    def moving(t):
        x, y, z = _compact(vertices[t]).T
        more = {} if intensity is None else dict(intensity=_compact(intensity[t], 2))
        return dict(x=z, y=x, z=y, **more)   # (z, x, y): an even permutation, so left stays left

    mesh = go.Mesh3d(
        **moving(0), i=_compact_faces(faces[:, 0]), j=_compact_faces(faces[:, 1]),
        k=_compact_faces(faces[:, 2]), **skin, flatshading=False, name="mesh",
        lighting=dict(ambient=0.62, diffuse=0.62, specular=0.2, roughness=0.6, fresnel=0.1),
        lightposition=dict(x=2000, y=1500, z=6000),
        hovertemplate="x %{y:.2f} m, height %{z:.2f} m, z %{x:.2f} m<extra></extra>" if intensity is None else
                      f"{intensity_title} %{{intensity:.1f}}<extra></extra>")

    low, high = vertices[list(shown)].min(axis=1), vertices[list(shown)].max(axis=1)             # (T', 3)
    centre = 0.5 * (low + high) if follow else np.broadcast_to(0.5 * (low.min(0) + high.max(0)), low.shape)
    reach = 1.06 * (0.5 * (high - low).max() if follow else 0.5 * (high.max(0) - low.min(0))[[0, 2]].max())
    floor, ceiling = float(low[:, 1].min()) - 0.1 * reach, float(high[:, 1].max()) + 0.1 * reach
    ceiling = max(ceiling, 0.25 * reach) if sea and floor < 0.0 else ceiling

    def stage(k):
        cx, _, cz = (float(c) for c in centre[k])
        return dict(xaxis=dict(range=[round(cz - reach, 3), round(cz + reach, 3)]),
                    yaxis=dict(range=[round(cx - reach, 3), round(cx + reach, 3)]))

    traces = [mesh]
    if sea:
        far = 2.0 * reach + float(np.abs(vertices[..., [0, 2]]).max())
        traces.append(go.Mesh3d(x=[-far, far, far, -far], y=[-far, -far, far, far], z=[0, 0, 0, 0],
                                i=[0, 0], j=[1, 2], k=[2, 3], color="#3aa6c8", opacity=0.22,
                                hoverinfo="skip", name="sea level",
                                lighting=dict(ambient=1.0, diffuse=0.0, specular=0.0)))
    if track is not None:
        path = _compact(_array(track, "track").reshape(-1, 3))
        traces.append(go.Scatter3d(x=path[:, 2], y=path[:, 0], z=np.zeros(len(path)), mode="lines",
                                   hoverinfo="skip", line=dict(color="#3aa6c8", width=4), name="track"))

    axis = dict(gridcolor="#8b979f", zeroline=False, showbackground=False, showspikes=False, nticks=6,
                tickfont=dict(size=10))
    figure = go.Figure(traces, _layout(
        title=title, height=height, margin=dict(l=0, r=0, t=40 if title else 0, b=0), showlegend=False,
        scene=dict(uirevision="keep the reader's view", dragmode="turntable",
                   xaxis=dict(title=dict(text="z (m)", font=dict(size=11)), **axis, **stage(0)["xaxis"]),
                   yaxis=dict(title=dict(text="x (m)", font=dict(size=11)), **axis, **stage(0)["yaxis"]),
                   zaxis=dict(title=dict(text="height (m)", font=dict(size=11)), **axis,
                              range=[round(floor, 3), round(ceiling, 3)]),
                   aspectmode="manual", aspectratio=dict(x=1.0, y=1.0, z=(ceiling - floor) / (2 * reach)),
                   camera=dict(eye=dict(x=-0.58, y=-0.9, z=0.4), center=dict(x=-0.03, y=0.02, z=-0.09),
                               up=dict(x=0, y=0, z=1)))))
    if len(shown) > 1:
        figure.frames = [go.Frame(name=str(t), data=[go.Mesh3d(**moving(t))], traces=[0],
                                  layout=dict(scene=stage(k)) if follow else None)
                         for k, t in enumerate(shown)]
        if controls:
            _add_time_controls(figure, list(shown), times)
    if intensity is not None:
        figure.update_layout(updatemenus=[*figure.layout.updatemenus, _skin_or_intensity(intensity_title)])
    return figure


def _add_time_controls(figure, shown, times):
    """Give the figure a slider and a play button over its frames."""
    def go_to(name):
        return [[name], dict(mode="immediate", frame=dict(duration=0, redraw=True),
                             transition=dict(duration=0))]

    pause_ms = 60 if times is None else max(40.0, 1000.0 * float(times[shown[1]] - times[shown[0]]))
    labels = [str(t) if times is None else f"{times[t]:.2f}" for t in shown]
    figure.update_layout(
        sliders=[dict(x=0.16, len=0.8, y=0.0, yanchor="top", pad=dict(t=26, b=6), tickcolor=INK,
                      font=dict(size=11), currentvalue=dict(prefix="frame " if times is None else "",
                                        suffix="" if times is None else " s",
                                        xanchor="right", font=dict(size=13)),
                      steps=[dict(method="animate", label=label, args=go_to(str(t)))
                             for label, t in zip(labels, shown)])],
        updatemenus=[dict(type="buttons", direction="left", x=0.0, xanchor="left", y=0.0, yanchor="top",
                          showactive=False,
                          pad=dict(t=32, r=8), bordercolor=GRID, bgcolor="rgba(128,140,150,0.12)", buttons=[
                              dict(label="Play", method="animate", args=[None, dict(
                                  mode="immediate", fromcurrent=True, transition=dict(duration=0),
                                  frame=dict(duration=pause_ms, redraw=True))]),
                              dict(label="Pause", method="animate", args=go_to(None))])],
        margin=dict(b=84), height=figure.layout.height + 60)


def _skin_or_intensity(intensity_title):
    """Make the pair of buttons that colours the mesh by its intensity or as skin."""
    return dict(type="buttons", direction="left", x=0.0, xanchor="left", y=1.0, yanchor="top", active=0,
                bordercolor=GRID, bgcolor="rgba(128,140,150,0.12)", pad=dict(t=6, l=6), font=dict(size=11),
                buttons=[
                    dict(label=intensity_title or "values", method="restyle",
                         args=[dict(colorscale=[[list(s) for s in ERROR_SCALE]], showscale=True), [0]]),
                    dict(label="skin", method="restyle",
                         args=[dict(colorscale=[[[0.0, SKIN], [1.0, SKIN]]], showscale=False), [0]])])


# --- tracks and curves ----------------------------------------------------------------------------

def track_figure(translations, *, time_s=None, heading_deg=None, truth=None, altitude_m=None,
                 resolution=(640, 360), arrows=14, title=None, height=460):
    """Draw the track over the sea in metres, as the drone sees it: world +z up, world +x to the left.

    translations: (T, 3) or (T, 1, 3) metres, coloured by time. heading_deg: (T,) degrees, for `arrows`
    heading arrows. truth: (T, 3) the true track. altitude_m: a number or (T,) metres; then what the camera
    sees of the sea at their median is outlined, for a picture of `resolution` (width, height). Raises
    CourseError on wrong shapes.
    """
    import plotly.graph_objects as go

    path = _points(translations, "translations")                                                # (T, 3)
    T = len(path)
    when = np.arange(T) if time_s is None else _column(time_s, T, "time_s")
    unit = "" if time_s is None else " s"
    x, z = _compact(path[:, 0]), _compact(path[:, 2])
    figure = go.Figure(layout=_layout(
        title=title, height=height, plot_bgcolor=SEA, hovermode="closest",
        margin=dict(l=56, r=16, t=76 if title else 44, b=48),
        legend=_legend(bgcolor=SEA, font=dict(color=SEA_INK)),
        xaxis=dict(title=dict(text="x (m)"), gridcolor="rgba(255,255,255,0.09)", zeroline=False),
        yaxis=dict(title=dict(text="z (m)"), scaleanchor="x", scaleratio=1,
                   gridcolor="rgba(255,255,255,0.09)",
                   zeroline=False)))
    seen = [path]
    if altitude_m is not None:
        half_w = 0.5 * SENSOR_PER_FOCAL * float(np.median(_array(altitude_m, "altitude_m")))
        half_h = half_w * resolution[1] / resolution[0]
        figure.add_trace(go.Scatter(
            x=[-half_w, half_w, half_w, -half_w, -half_w], y=[-half_h, -half_h, half_h, half_h, -half_h],
            mode="lines", line=dict(color=SEA_INK, width=1, dash="dot"), opacity=0.55, hoverinfo="skip",
            name="seen by the camera"))
        seen.append(np.array([[-half_w, 0, -half_h], [half_w, 0, half_h]]))
    if truth is not None:
        true = _points(truth, "truth", T)
        seen.append(true)
        figure.add_trace(go.Scatter(x=_compact(true[:, 0]), y=_compact(true[:, 2]), mode="lines",
                                    name="truth",
                                    line=dict(color="#ffffff", width=9), opacity=0.28, hoverinfo="skip"))
    figure.add_trace(go.Scatter(
        x=x, y=z, mode="lines+markers", name="fit", line=dict(color=SEA_INK, width=1),
        marker=dict(size=5, color=_compact(when, 2), colorscale=[list(stop) for stop in TIME_SCALE],
                    showscale=True,
                    colorbar=dict(title=dict(text="time (s)" if unit else "frame"), thickness=10, len=0.9,
                                  outlinewidth=0)),
        customdata=_compact(path[:, 1]),
        hovertemplate=f"%{{marker.color}}{unit}<br>x %{{x:.2f}} m, z %{{y:.2f}} m<br>"
                      "height %{customdata:.2f} m<extra></extra>"))
    if heading_deg is not None:
        heading = _column(heading_deg, T, "heading_deg")
        at = np.unique(np.linspace(0, T - 1, min(arrows, T)).round().astype(int))
        # heading grows counter-clockwise seen from above, plotly's angle clockwise from the page's up
        figure.add_trace(go.Scatter(
            x=x[at], y=z[at], mode="markers", name="heading", customdata=_compact(heading[at], 1),
            marker=dict(symbol="arrow", size=12, angle=_compact(-heading[at], 1), color="#ffffff",
                        line=dict(color=SEA, width=1)),
            hovertemplate="heading %{customdata:.1f}°<extra></extra>"))
    (right, _, low), (left, _, high) = np.concatenate(seen).min(axis=0), np.concatenate(seen).max(axis=0)
    margin = 0.05 * max(left - right, high - low, 1.0)   # the x axis runs from high to low, as in the picture
    figure.update_layout(xaxis_range=[left + margin, right - margin],
                         yaxis_range=[low - margin, high + margin])
    return figure


def loss_curves(history, *, shown=None, log=True, title=None, height=380, x_title="pass through the clip"):
    """Draw the total loss and its terms over passes through the clip or other steps, on a logarithmic or a linear axis.

    history: a list of dicts {name: number}, one per step, or a dict {name: (steps,)}. The series called
    "total" or "loss" is drawn thickest. shown: names of the terms that are drawn at first and named first (default:
    all); a click in the legend brings each other one. Raises CourseError when history is empty or its series differ in length.
    """
    import plotly.graph_objects as go

    curves = _curves(history)
    figure = go.Figure(layout=_layout(
        title=title, height=height, hovermode="x unified",
        margin=dict(l=56, r=16, t=74 if title else 44, b=60),
        legend=_legend(), xaxis=dict(title=dict(text=x_title), rangemode="tozero"),
        yaxis=dict(type="log" if log else "linear", title=dict(text="loss"), tickformat="~g", nticks=5),
        # beside the axis' title: above the plot the legend of many terms fills the width
        updatemenus=[dict(type="buttons", direction="left", x=1.0, xanchor="right", y=0.0, yanchor="top",
                          active=0 if log else 1, pad=dict(t=24), font=dict(size=11), bordercolor=GRID,
                          bgcolor="rgba(128,140,150,0.12)", buttons=[
                              dict(label="log", method="relayout", args=[{"yaxis.type": "log"}]),
                              dict(label="linear", method="relayout", args=[{"yaxis.type": "linear"}])])]))
    totals = [name for name in curves if name in ("total", "loss")]
    first = [name for name in shown or () if name in curves and name not in totals]
    for n, name in enumerate(totals + first + [name for name in curves if name not in totals + first]):
        main = name in totals
        terms_before = n - len(totals)
        figure.add_trace(go.Scatter(
            y=_significant(curves[name]), mode="lines", name=name.replace("_", " "), hovertemplate="%{y:.4g}",
            visible=True if main or shown is None or name in shown else "legendonly",
            line=dict(color=INK if main else SERIES[terms_before % len(SERIES)], width=3.5 if main else 1.8,
                      dash="solid" if main else DASHES[terms_before // len(SERIES) % len(DASHES)])))
    return figure


def series_over_time(panels, time_s=None, *, title=None, panel_height=150):
    """Draw numbers per frame (IoU, errors, depth, ...), one panel below the other over one time axis.

    panels: {panel title: (T,) values, or {series name: (T,) values}}. A series named "truth" is drawn broad
    and pale, underneath. time_s: (T,) seconds (default: frame numbers). Raises CourseError on wrong shapes.
    """
    import plotly.graph_objects as go

    if not panels:
        raise CourseError("series_over_time got no panels; expected {title: values per frame}.")
    first = next(iter(panels.values()))
    T = len(next(iter(first.values())) if isinstance(first, dict) else first)
    when = _compact(np.arange(T) if time_s is None else _column(time_s, T, "time_s"))
    figure = _stacked(list(panels), "frame" if time_s is None else "time (s)", title, panel_height,
                      legend=any(isinstance(values, dict) for values in panels.values()))
    in_legend, colour_of = set(), {}
    for row, (name, values) in enumerate(panels.items(), start=1):
        series = values if isinstance(values, dict) else {name: values}
        # A name has one colour in all panels, as it stands in the legend once.
        free = [colour for colour in SERIES if colour not in {colour_of.get(label) for label in series}] or list(SERIES)
        colours = iter(free * len(series))
        for label, y in sorted(series.items(), key=lambda item: item[0] != "truth"):
            figure.add_trace(go.Scatter(
                x=when, y=_significant(_column(y, T, f"{name}: {label}")), mode="lines", name=label,
                legendgroup=label, showlegend=isinstance(values, dict) and label not in in_legend,
                hovertemplate=f"{label} %{{y:.4g}}<extra></extra>",
                line=TRUTH if label == "truth" else dict(color=colour_of.get(label) or next(colours), width=1.8),
                **_axes(row, len(panels))))
            if isinstance(values, dict):
                in_legend.add(label)
                if label != "truth":
                    colour_of[label] = figure.data[-1].line.color
    return figure


# --- orientation ----------------------------------------------------------------------------------

def orientation_jumps(rotvecs):
    """Find where a sequence of rotation vectors leaps, and how far the body really turns there.

    rotvecs: (T, 3) radians. Returns a list of (frame before the leap, length of the leap in degrees, angle
    of the rotation between the two frames in degrees) for every leap of more than 90 degrees. A leap with a
    small angle is the axis-angle chart changing names for one rotation, r and r (1 - 2 pi / |r|), and not a
    movement; one with a large angle is a wrong pose.
    """
    rotvecs = _points(rotvecs, "rotvecs")
    leap = np.linalg.norm(np.diff(rotvecs, axis=0), axis=-1)                                    # (T-1,)
    angle = np.linalg.norm(rotvecs, axis=-1, keepdims=True)                                     # (T, 1)
    quat = np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * rotvecs], -1)  # (T, 4)
    turn = 2 * np.arccos(np.clip(np.abs((quat[:-1] * quat[1:]).sum(-1)), 0.0, 1.0))             # (T-1,)
    return [(int(t), float(np.degrees(leap[t])), float(np.degrees(turn[t])))
            for t in np.flatnonzero(leap > np.pi / 2)]


def orientation_figure(rotvecs, continuous=None, *, name="as stored", heading_deg=None, truth_heading_deg=None,
                       time_s=None, title=None, panel_height=190):
    """Draw the orientation over time: its vector as stored, with every leap marked, and as it should be.

    rotvecs: (T, 3) or (T, 1, 3) radians; name: what they are, "as stored" or the like. continuous: the same
    rotations as a continuous vector, if there is one. heading_deg: (T,) degrees, unwrapped (default: from the
    rotations); truth_heading_deg: (T,) the true one. Each marked leap says how far the vector moves and how
    far the dolphin turns. Where the second is small, the leap is the wrap of the axis-angle chart at 180
    degrees: not gimbal lock, which belongs to Euler angles, and not a movement.
    """
    import plotly.graph_objects as go

    stored = _points(rotvecs, "rotvecs")                                                        # (T, 3)
    T = len(stored)
    when = _compact(np.arange(T) if time_s is None else _column(time_s, T, "time_s"))
    panels = {f"rotation vector {name} (degrees)": stored}
    if continuous is not None:
        panels["the same rotations, continuous (degrees)"] = _points(continuous, "continuous", T)
    heading = _heading_deg(stored) if heading_deg is None else _column(heading_deg, T, "heading_deg")
    rows = len(panels) + 1
    figure = _stacked([*panels, "heading (degrees)"], "frame" if time_s is None else "time (s)", title,
                      panel_height, legend=True)
    for row, values in enumerate([*panels.values(), np.radians(heading)], start=1):
        if np.ptp(values) > 0.8 * np.pi:   # quarter turns, where there is room for them
            figure.update_yaxes(dtick=90 * -(-np.ptp(values) // (3 * np.pi)), row=row, col=1)
    for row, vectors in enumerate(panels.values(), start=1):
        for c, component in enumerate("xyz"):
            figure.add_trace(go.Scatter(
                x=when, y=_compact(np.degrees(vectors[:, c]), 2), mode="lines", name=component,
                legendgroup=component,
                showlegend=row == 1, line=dict(color=SERIES[c], width=2, dash=("dot", "solid", "dash")[c]),
                hovertemplate=f"{component} %{{y:.1f}}°<extra></extra>", **_axes(row, rows)))
    if truth_heading_deg is not None:
        true = _column(truth_heading_deg, T, "truth_heading_deg")
        true = true + 360.0 * np.round(np.median(heading - true) / 360.0)   # may be a whole turn apart
        figure.add_trace(go.Scatter(x=when, y=_compact(true, 2), mode="lines", name="heading, truth",
                                    line=TRUTH,
                                    hovertemplate="truth %{y:.1f}°<extra></extra>", **_axes(rows, rows)))
    figure.add_trace(go.Scatter(x=when, y=_compact(heading, 2), mode="lines", name="heading, fit",
                                line=dict(color=SERIES[4], width=2),
                                hovertemplate="fit %{y:.1f}°<extra></extra>",
                                **_axes(rows, rows)))
    top = _axes(1, rows)
    for bound in (-180, 180):
        figure.add_shape(type="line", xref="paper", x0=0, x1=1, yref=top["yaxis"], y0=bound, y1=bound,
                         line=dict(color=INK, width=1, dash="dot"), opacity=0.7)
    jumps = orientation_jumps(stored)
    largest = max((leap for _, leap, _ in jumps), default=None)
    for t, leap, turn in jumps:
        middle = float(when[t] + when[t + 1]) / 2
        figure.add_shape(type="line", xref=top["xaxis"], x0=middle, x1=middle, yref="paper", y0=0, y1=1,
                         line=dict(color=SERIES[1], width=1.2, dash="dash"), opacity=0.6)
        if leap == largest:   # a fit that leaps often would bury the panel in text
            at = f"from frame {t} to {t + 1}" if time_s is None else f"at {middle:.2f} s"
            figure.add_annotation(   # above the panel, at the right: no curve runs there
                xref="paper", yref=f"{top['yaxis']} domain", x=1, y=1, xanchor="right", yanchor="bottom", showarrow=False,
                font=dict(size=12, color=SERIES[1]),
                text=f"{at} the vector leaps by {leap:.0f}°, the dolphin turns by {turn:.1f}°")
    return figure


def _heading_deg(rotvecs):
    """Turn rotation vectors into the unwrapped heading of the body's forward axis +z (Rodrigues' formula)."""
    angle = np.linalg.norm(rotvecs, axis=-1, keepdims=True)
    axis = rotvecs / np.maximum(angle, 1e-12)
    z = np.array([0.0, 0.0, 1.0])
    cos, sin = np.cos(angle), np.sin(angle)
    forward = z * cos + np.cross(axis, z) * sin + axis * axis[:, 2:] * (1 - cos)                # (T, 3)
    return np.degrees(np.unwrap(np.arctan2(forward[:, 0], forward[:, 2])))


# --- video ----------------------------------------------------------------------------------------

def write_video(path, frames, fps=50.0, *, crf=23):
    """Write frames as an H.264 video that plays in every browser (yuv420p, index at the start).

    frames: iterable of (H, W, 3), (H, W, 1) or (H, W) images of one size, arrays or tensors; uint8, or floats
    in [0, 1] (what is beyond is clipped). Odd sizes are padded by repeating the last row or column. crf: 18
    is fine and big, 28 coarse and small. The file appears under its name only when it is complete. Returns
    the path. Raises CourseError when ffmpeg is missing or fails (its own words are quoted: no space left, no
    H.264 encoder) and on bad frames.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise CourseError(f"write_video writes .mp4 files; got the name {path.name}.")
    ffmpeg = _find_ffmpeg()
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
    try:
        _encode(ffmpeg, part, frames, fps, crf, path)
        with _writing(path):
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _encode(ffmpeg, part, frames, fps, crf, path):
    """Pipe the frames through ffmpeg into the file `part`; errors speak of `path`."""
    encoder, size = None, None
    with tempfile.TemporaryFile() as words:
        try:
            for n, frame in enumerate(frames):
                frame = _video_frame(frame, n)
                if encoder is None:
                    size = frame.shape
                    command = [ffmpeg, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
                               "-s", f"{size[1]}x{size[0]}", "-r", f"{fps:g}", "-i", "-", "-an", "-c:v",
                               "libx264",
                               "-preset", "veryfast", "-crf", str(crf), "-pix_fmt", "yuv420p",
                               "-movflags", "+faststart", str(part)]
                    with _writing(path):
                        encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                                   stderr=words)
                if frame.shape != size:
                    raise CourseError(f"frame {n} is {frame.shape[1]} x {frame.shape[0]} pixels, the first "
                                      f"one {size[1]} x {size[0]}; a video needs frames of one size.")
                try:
                    encoder.stdin.write(frame.tobytes())
                except OSError:   # ffmpeg has gone; what it said comes below
                    break
            if encoder is None:
                raise CourseError(f"there are no frames to write to {path}.")
            with contextlib.suppress(OSError):
                encoder.stdin.close()
            if encoder.wait() != 0:
                words.seek(0)
                said = " / ".join(words.read().decode(errors="replace").strip().splitlines()[-3:])
                raise CourseError(f"ffmpeg could not write {path}: {said or 'it gave no reason'}. "
                                  f"Free on that disk: {shutil.disk_usage(path.parent).free / 1e6:.0f} MB.")
        finally:
            if encoder is not None and encoder.poll() is None:   # interrupted, or a bad frame
                encoder.kill()
                encoder.wait()


@contextlib.contextmanager
def _writing(path):
    """Turn what the system says against writing `path` into a message for a person."""
    try:
        yield
    except OSError as error:
        raise CourseError(f"cannot write the video {path}: {error.strerror or error}. "
                          "Check that the folder can be written to and has space left.") from error


class InlineVideo:
    """A video that a notebook shows by itself: `html` holds the whole of it, no file needed any more."""

    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html


def inline_video(path, *, width="100%", description="video of the fit"):
    """Make a notebook show an mp4 that travels inside it; `description` is what a screen reader says."""
    style, description = f"max-width:100%;width:{html.escape(str(width))}", html.escape(description)
    return InlineVideo(f'<video controls loop muted playsinline style="{style}" aria-label="{description}" '
                       f'src="{video_data_uri(path)}">{description}</video>')


def video_data_uri(path):
    """Return a video file as a data: address. Raises CourseError when it is not there or is no mp4."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"cannot read the video {path}: {error.strerror or error}.") from error
    if data[4:8] != b"ftyp":
        raise CourseError(f"{path} is not an mp4 video ({len(data)} bytes); "
                          "write it with course_lib.show.write_video.")
    return "data:video/mp4;base64," + base64.b64encode(data).decode("ascii")


def draw_labels(frame, labels, *, columns=2, font_size=None):
    """Write a label into the upper left corner of each tile of a frame that is put together from tiles.

    frame: (H, W, 3) uint8, or floats in [0, 1]; a copy of the same kind is returned. labels: one text per
    tile, row by row ("" for none); columns: tiles per row. font_size: pixels (default: 1/18 of a tile's
    height, at least 11).
    """
    frame = _array(frame, "frame")
    labels = tuple(labels)
    if frame.ndim != 3 or frame.shape[2] != 3 or not labels or len(labels) % columns:
        raise CourseError(f"draw_labels got a frame of shape {frame.shape} and {len(labels)} labels for "
                          f"{columns} columns; expected (H, W, 3) and as many labels as tiles.")
    out = frame.copy()
    scale = 255.0 if frame.dtype == np.uint8 else 1.0
    for (rows, cols), white, shade in _label_patches(frame.shape[:2], labels, columns, font_size):
        patch = out[rows, cols].astype(np.float32) / scale
        patch = patch * (1 - shade) * (1 - white) + white
        out[rows, cols] = (np.rint(patch * scale) if frame.dtype == np.uint8 else patch).astype(frame.dtype)
    return out


@functools.lru_cache(maxsize=8)
def _label_patches(size, labels, columns, font_size):
    """Draw the labels once for all frames: where each goes, how white its letters, how dark its ground."""
    from PIL import Image, ImageDraw, ImageFont

    tile_h, tile_w = size[0] // (len(labels) // columns), size[1] // columns
    px = font_size or max(11, round(tile_h / 18))
    font = ImageFont.load_default(size=px)
    patches = []
    for n, text in enumerate(labels):
        if not text:
            continue
        pad = max(2, round(0.4 * px))
        left, top, right, bottom = font.getbbox(text)
        ascent, descent = font.getmetrics()
        w, h = min(round(right) + 2 * pad, tile_w - 2 * pad), min(ascent + descent + pad, tile_h - 2 * pad)
        if w < 1 or h < 1:
            continue
        image = Image.new("L", (w, h), 0)
        ImageDraw.Draw(image).text((pad, pad / 2), text, fill=255, font=font)
        ground = Image.new("L", (w, h), 0)
        ImageDraw.Draw(ground).rounded_rectangle((0, 0, w - 1, h - 1), radius=round(0.3 * px), fill=140)
        y, x = n // columns * tile_h + pad, n % columns * tile_w + pad
        patches.append(((slice(y, y + h), slice(x, x + w)), np.asarray(image, np.float32)[..., None] / 255,
                        np.asarray(ground, np.float32)[..., None] / 255))
    return tuple(patches)


def _find_ffmpeg():
    """Return the path of an ffmpeg: the one that comes with imageio-ffmpeg, or the system's."""
    try:
        import imageio_ffmpeg
        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise CourseError("no ffmpeg was found, so no video can be written. "
                          "Install it with `pip install imageio-ffmpeg` (it brings its own).")
    return found


def _video_frame(frame, n):
    """Bring one frame to (H, W, 3) uint8 with even sides."""
    frame = _array(frame, f"frame {n}")
    frame = frame[..., None] if frame.ndim == 2 else frame
    if frame.ndim != 3 or frame.shape[2] not in (1, 3) or 0 in frame.shape:
        raise CourseError(f"frame {n} has shape {frame.shape}; expected (H, W, 3), (H, W, 1) or (H, W).")
    if frame.dtype not in (np.uint8, bool):
        low, high = frame.min(), frame.max()
        if not np.isfinite(low) or not np.isfinite(high):
            raise CourseError(f"frame {n} holds values that are not finite numbers (NaN or infinity).")
        if high > 50:   # bright highlights pass 1, they do not reach 50
            raise CourseError(f"frame {n} is {frame.dtype} with values up to {high:g}; expected uint8 in "
                              "[0, 255] or floats in [0, 1] (divide by 255?).")
    frame = np.broadcast_to(_to_uint8(frame), (*frame.shape[:2], 3))
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")


# --- small things ---------------------------------------------------------------------------------

def _array(values, name):
    """Turn a tensor, list or array into a numpy array of numbers."""
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise CourseError(f"{name} is not an array of numbers (its type is {values.dtype}).")
    return values


def _column(values, T, name):
    """Check one number per frame."""
    values = _array(values, name).reshape(-1)
    if len(values) != T:
        raise CourseError(f"{name} has {len(values)} values for {T} frames; expected one per frame.")
    return values.astype(np.float64)


def _points(values, name, T=None):
    """Check one 3-vector per frame: (T, 3), or (T, 1, 3) as the scene stores it."""
    values = _array(values, name)
    values = values[:, 0] if values.ndim == 3 and values.shape[1] == 1 else values
    if values.ndim != 2 or values.shape[1] != 3 or len(values) == 0 or (T is not None and len(values) != T):
        raise CourseError(f"{name} has shape {values.shape}; expected ({'T' if T is None else T}, 3).")
    return values.astype(np.float64)


def _check_faces(faces, V):
    """Refuse faces that are no triangles of existing vertices."""
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu" or len(faces) == 0:
        raise CourseError(f"faces have shape {faces.shape} and type {faces.dtype}; expected (F, 3) integers.")
    if faces.min() < 0 or faces.max() >= V:
        bad = int(np.argwhere((faces < 0) | (faces >= V))[0, 0])
        raise CourseError(f"face {bad} names vertices {faces[bad].tolist()}, "
                          f"but there are {V} (0 to {V - 1}).")


def _curves(history):
    """Bring a history to {name: (steps,) float array}; a term that a step lacks is NaN there."""
    if isinstance(history, dict):
        curves = {name: _array(values, name).astype(np.float64).reshape(-1) for name,
                  values in history.items()}
    else:
        rows = list(history)
        names = list(dict.fromkeys(name for row in rows for name in row))
        curves = {name: np.array([float(row.get(name, np.nan)) for row in rows]) for name in names}
    lengths = {name: len(values) for name, values in curves.items()}
    if not curves or 0 in lengths.values() or len(set(lengths.values())) > 1:
        raise CourseError(f"the history of the loss has series of lengths {lengths}; "
                          "expected one or more of equal length.")
    return curves


def _to_uint8(values):
    """[0, 1] floats or booleans to uint8; uint8 stays."""
    if values.dtype == np.uint8:
        return values
    scaled = values * np.float32(255.0) + np.float32(0.5)
    return np.clip(scaled, 0.0, 255.0, out=scaled).astype(np.uint8)


def _compact(values, decimals=3):
    """Round for a small file: plotly 6 and later pack float32 as base64, earlier ones write digits."""
    import plotly

    values = np.round(np.asarray(values, np.float64), decimals) + 0.0
    return values.astype(np.float32) if int(plotly.__version__.split(".")[0]) >= 6 else values


def _compact_faces(indices):
    """Face indices, in two bytes each where they fit."""
    return indices.astype(np.uint16 if indices.max() < 2 ** 16 else np.int32)


def _significant(values, digits=5):
    """Round to significant digits, for numbers of any size."""
    return np.array([float(f"{v:.{digits}g}") for v in values], np.float64)


def _layout(title=None, **more):
    """The look of every figure: no ground of its own, mid-grey ink, quiet grid."""
    axis = dict(gridcolor=GRID, zerolinecolor=GRID, linecolor=GRID, zeroline=False, automargin=True,
                title=dict(standoff=8))
    theme = dict(layout=dict(
        font=dict(family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif", size=13, color=INK),
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", xaxis=axis, yaxis=axis,
        colorway=list(SERIES)))
    return dict(template=theme, title=dict(text=title, x=0, xanchor="left",
                                           font=dict(size=16)) if title else None, **more)


def _legend(**more):
    """A legend in one line above the plot."""
    return dict(dict(orientation="h", x=0, xanchor="left", y=1.01, yanchor="bottom", bgcolor="rgba(0,0,0,0)"),
                **more)


def _axes(row, rows):
    """Names of the axes of one of several stacked panels, counted from the top."""
    number = "" if row == 1 else str(row)
    return dict(xaxis=f"x{number}", yaxis=f"y{number}")


def _stacked(names, x_title, title, panel_height, legend):
    """An empty figure of named panels, one below the other, over one time axis."""
    from plotly.subplots import make_subplots

    plot_height = panel_height * len(names)
    top = 30 + (28 if legend else 0) + (36 if title else 0)
    figure = make_subplots(rows=len(names), shared_xaxes=True, vertical_spacing=40 / plot_height,
                           subplot_titles=names)
    figure.update_layout(_layout(title=title, height=plot_height + top + 46, hovermode="x unified",
                                 margin=dict(l=52, r=14, t=top, b=46),
                                 legend=_legend(y=1 + 24 / plot_height)))
    figure.update_annotations(x=0, xanchor="left", font=dict(size=13))
    figure.update_xaxes(title=dict(text=x_title), row=len(names), col=1)
    return figure
