"""Tracks, losses, orientation: curves over time."""

import itertools

import numpy as np
import torch

from .. import metrics
from ..errors import CourseError
from ..lens import Lens
from ..rotations import rotvec_to_rotmat
from .style import DASHES, INK, SERIES, TRUTH, add_line, button_row, legend_above, new_figure, stacked_figure
from .values import (
    as_array,
    as_column,
    as_named,
    as_names,
    as_number,
    as_points,
    as_times,
    compact,
    significant,
)

SEEN = Lens().half_width  # metres to each side from 1 m, by the tutorial's drone
SEA = "#10394a"  # the chart of the track is drawn on sea, whatever the paper
SEA_INK = "#c4dbe2"
TIME_SCALE = ((0.0, "#3f9fd6"), (0.5, "#8fdcc0"), (1.0, "#fff2a8"))  # lightness grows with time
ARROWS = 14  # most arrows that show the heading along a track


def track_figure(
    translations,
    *,
    time_s=None,
    heading_deg=None,
    truth=None,
    altitude_m=None,
    resolution=(640, 360),
    half_width=SEEN,
):
    """Draw the track over the sea in metres, as the drone sees it: world +z up, world +x to the left.

    translations: (T, 3) or (T, 1, 3) metres, coloured by time. heading_deg: (T,) degrees, for some heading
    arrows. truth: (T, 3) the true track. altitude_m: a number or (T,) metres; then what the camera sees of
    the sea at their median is outlined, for a picture of `resolution` (width, height) whose camera sees
    `half_width` metres to each side from 1 m. Raises CourseError on wrong shapes.
    """
    path = as_points(translations, "translations")  # (T, 3)
    T = len(path)
    when, clock = as_times(time_s, T)
    seen = [path[:, [0, 2]]]
    legend = legend_above(bgcolor=SEA, font=dict(color=SEA_INK))
    look = dict(plot_bgcolor=SEA, hovermode="closest", legend=legend)
    figure = new_figure(height=460, margin=dict(l=56, r=16, t=44, b=48), **look)
    if altitude_m is not None:
        half_w = as_number(half_width, "half_width", low=0) * _middle(altitude_m)
        width, height = as_column(resolution, 2, "resolution", frames=False)
        half = np.array([half_w, half_w * height / width])
        seen.append(half * [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
        x, z = seen[-1].T.tolist()
        dotted = dict(color=SEA_INK, width=1, dash="dot")
        add_line(figure, x, z, "seen by the camera", dotted, opacity=0.55, hoverinfo="skip")
    if truth is not None:
        seen.append(as_points(truth, "truth", T)[:, [0, 2]])
        broad = dict(color="#ffffff", width=9)
        add_line(figure, *compact(seen[-1]).T, "truth", broad, opacity=0.28, hoverinfo="skip")
    _add_timed_path(figure, path, when, clock)
    if heading_deg is not None:
        _add_arrows(figure, path, as_column(heading_deg, T, "heading_deg"))
    seen = np.concatenate(seen)
    (right, low), (left, high) = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
    margin = 0.05 * max(left - right, high - low, 1.0)  # the x axis runs from high to low, as in the picture
    grid = dict(gridcolor="rgba(255,255,255,0.09)", zeroline=False)
    figure.update_xaxes(title=dict(text="x (m)"), range=[left + margin, right - margin], **grid)
    figure.update_yaxes(title=dict(text="z (m)"), range=[low - margin, high + margin], **grid)
    return figure.update_yaxes(scaleanchor="x", scaleratio=1)


def _middle(altitude_m):
    """The median of the altitudes, metres."""
    heights = as_array(altitude_m, "altitude_m")
    return as_number(np.median(heights) if heights.size else np.nan, "altitude_m's median", low=0)


def _add_timed_path(figure, path, when, clock):
    """The path (T, 3), a marker per frame coloured by its time."""
    x, height, z = compact(path).T
    unit = "" if clock == "frame" else " s"
    bar = dict(title=dict(text=clock), thickness=10, len=0.9, outlinewidth=0)
    marker = dict(size=5, color=compact(when, 2), colorscale=TIME_SCALE, showscale=True, colorbar=bar)
    place = "x %{x:.2f} m, z %{y:.2f} m<br>height %{customdata:.2f} m"
    hover = dict(hovertemplate=f"%{{marker.color}}{unit}<br>{place}<extra></extra>", customdata=height)
    look = dict(mode="lines+markers", line=dict(color=SEA_INK, width=1), marker=marker)
    figure.add_scatter(x=x, y=z, name="fit", **look, **hover)


def _add_arrows(figure, path, heading):
    """Arrows on the path (T, 3) that show the heading (T,), degrees."""
    T = len(path)
    at = np.unique(np.linspace(0, T - 1, min(ARROWS, T)).round().astype(int))
    x, _, z = compact(path[at]).T
    # heading grows counter-clockwise seen from above, plotly's angle clockwise from the page's up
    marker = dict(symbol="arrow", size=12, color="#ffffff", line=dict(color=SEA, width=1))
    marker["angle"] = compact(-heading[at], 1)
    words = "heading %{customdata:.1f}°<extra></extra>"
    hover = dict(hovertemplate=words, customdata=compact(heading[at], 1))
    figure.add_scatter(x=x, y=z, mode="markers", name="heading", marker=marker, **hover)


def loss_curves(history, *, shown=None, log=True):
    """Draw the total loss and its terms over passes through the clip, on a logarithmic or a linear axis.

    history: a list of dicts {name: number}, one per pass, or a dict {name: (passes,)}. The series called
    "total" or "loss" is drawn thickest. shown: names of the terms that are drawn at first and named first
    (default: all); a click in the legend brings the others. Raises CourseError when history is empty or its
    series differ in length.
    """
    curves = _loss_series(history)
    scales = [(kind, "relayout", [{"yaxis.type": kind}]) for kind in ("log", "linear")]
    # beside the axis' title: above the plot the legend of many terms fills the width
    place = dict(x=1, xanchor="right", y=0, yanchor="top", pad=dict(t=24), font=dict(size=11))
    menu = button_row(*scales, active=0 if log else 1, **place)
    layout = dict(hovermode="x unified", legend=legend_above(), updatemenus=[menu])
    figure = new_figure(height=380, margin=dict(l=56, r=16, t=44, b=60), **layout)
    figure.update_xaxes(title=dict(text="pass through the clip"), rangemode="tozero")
    scale = "log" if log else "linear"
    figure.update_yaxes(type=scale, title=dict(text="loss"), tickformat="~g", nticks=5)
    totals = [name for name in curves if name in ("total", "loss")]
    terms = [name for name in curves if name not in totals]
    wanted = terms if shown is None else [name for name in as_names(shown, "shown") if name in terms]
    terms = wanted + [name for name in terms if name not in wanted]
    looks = dict.fromkeys(totals, dict(color=INK, width=3.5, dash="solid"))
    for n, name in enumerate(terms):
        dash = DASHES[n // len(SERIES) % len(DASHES)]
        looks[name] = dict(color=SERIES[n % len(SERIES)], width=1.8, dash=dash)
    for name, look in looks.items():
        y, visible = significant(curves[name]), True if name in totals + wanted else "legendonly"
        words = dict(hovertemplate="%{y:.4g}", visible=visible)
        add_line(figure, None, y, name.replace("_", " "), look, **words)
    return figure


def _loss_series(history):
    """A history as {name: (steps,) float array}; a term that a step lacks is NaN there."""
    if isinstance(history, dict):
        curves = {
            str(name): as_array(y, str(name)).astype(np.float64).reshape(-1) for name, y in history.items()
        }
    else:
        rows = list(history) if isinstance(history, (list, tuple)) else [history]
        names = dict.fromkeys(
            name for row in rows for name in as_named(row, "a row of the history", "number")
        )
        curves = {str(name): np.array([_term(row, name) for row in rows]) for name in names}
    lengths = {name: len(values) for name, values in curves.items()}
    if not curves or 0 in lengths.values() or len(set(lengths.values())) > 1:
        raise CourseError(f"""the history of the loss has series of lengths {lengths}; expected one or more of
            equal length.""")
    return curves


def _term(row, name):
    return as_array(row[name], str(name)).astype(np.float64).reshape(-1)[0] if name in row else np.nan


def series_over_time(panels, time_s=None, *, panel_height=150):
    """Draw numbers per frame (IoU, errors, depth, ...), one panel below the other over one time axis.

    panels: {panel title: (T,) values, or {series name: (T,) values}}. A series named "truth" is drawn broad
    and pale, underneath. time_s: (T,) seconds (default: frame numbers). Raises CourseError on wrong shapes.
    """
    first = next(iter(as_named(panels, "panels", "values per frame").values()))
    first = next(iter(as_named(first, "a panel", "values").values())) if isinstance(first, dict) else first
    T = as_array(first, "values").size
    panel_height = as_number(panel_height, "panel_height", low=50, high=2000)
    when, clock = as_times(time_s, T)
    legend = any(isinstance(values, dict) for values in panels.values())
    figure = stacked_figure(list(panels), clock, panel_height, legend)
    looks = {}  # a name has one look in all panels, as it stands in the legend once
    for row, (name, values) in enumerate(panels.items(), start=1):
        several = isinstance(values, dict)
        series = values if several else {name: values}
        taken = [looks[label]["color"] for label in series if label in looks]
        free = itertools.cycle([colour for colour in SERIES if colour not in taken] or SERIES)
        for label in sorted(series, key=lambda label: label != "truth"):
            words = dict(legendgroup=label, showlegend=several and label not in looks)
            words["hovertemplate"] = f"{label} %{{y:.4g}}<extra></extra>"
            look = TRUTH if label == "truth" else looks.get(label) or dict(color=next(free), width=1.8)
            y = significant(as_column(series[label], T, f"{name}: {label}"))
            add_line(figure, compact(when), y, label, look, row, **words)
            if several:
                looks[label] = look
    return figure


def orientation_jumps(rotvecs):
    """Find where a sequence of rotation vectors leaps, and how far the body really turns there.

    rotvecs: (T, 3) radians -> a list of (frame before the leap, length of the leap in degrees, angle of the
    rotation between the two frames in degrees) for every leap of more than 90 degrees. A leap with a small
    angle is the axis-angle chart changing names for one rotation, r and r (1 - 2 pi / |r|), and not a
    movement; one with a large angle is a wrong pose.
    """
    vectors = torch.from_numpy(as_points(rotvecs, "rotvecs"))
    leaps = metrics.chart_jumps(vectors).tolist()
    turns = metrics.rotation_steps(rotvec_to_rotmat(vectors)).tolist()
    return [(t, leap, turn) for t, (leap, turn) in enumerate(zip(leaps, turns)) if leap > 90]


def orientation_figure(
    rotvecs, continuous=None, *, name="as stored", heading_deg=None, truth_heading_deg=None, time_s=None
):
    """Draw the orientation over time: its vector as stored, with every leap marked, and as it should be.

    rotvecs: (T, 3) or (T, 1, 3) radians; name: what they are, "as stored" or the like. continuous: the same
    rotations as a continuous vector, if there is one. heading_deg: (T,) degrees, unwrapped (default: from the
    rotations); truth_heading_deg: (T,) the true one. Each marked leap says how far the vector moves and how
    far the dolphin turns. Where the second is small, the leap is the wrap of the axis-angle chart at 180
    degrees: not gimbal lock, which belongs to Euler angles, and not a movement.
    """
    stored = as_points(rotvecs, "rotvecs")  # (T, 3)
    T = len(stored)
    when, clock = as_times(time_s, T)
    when = compact(when)
    panels = {f"rotation vector {name} (degrees)": np.degrees(stored)}
    if continuous is not None:
        vectors = as_points(continuous, "continuous", T)
        panels["the same rotations, continuous (degrees)"] = np.degrees(vectors)
    if heading_deg is None:
        rotmats = rotvec_to_rotmat(torch.from_numpy(stored))
        heading = np.unwrap(metrics.heading(rotmats).numpy(), period=360)
    else:
        heading = as_column(heading_deg, T, "heading_deg")
    bottom = len(panels) + 1
    figure = stacked_figure([*panels, "heading (degrees)"], clock, panel_height=190, legend=True)
    for row, values in enumerate([*panels.values(), heading], start=1):
        if np.ptp(values) > 144:  # quarter turns, where there is room for them
            figure.update_yaxes(dtick=90 * np.ceil(np.ptp(values) / 540), row=row, col=1)
    for row, vectors in enumerate(panels.values(), start=1):
        for c, component, dash in zip(range(3), "xyz", ("dot", "solid", "dash")):
            words = dict(legendgroup=component, showlegend=row == 1)
            words["hovertemplate"] = f"{component} %{{y:.1f}}°<extra></extra>"
            look = dict(color=SERIES[c], width=2, dash=dash)
            add_line(figure, when, compact(vectors[:, c], 2), component, look, row, **words)
    curves = [("fit", heading, dict(color=SERIES[4], width=2))]
    if truth_heading_deg is not None:
        true = as_column(truth_heading_deg, T, "truth_heading_deg")
        true = true + 360.0 * np.round(np.median(heading - true) / 360.0)  # may be a whole turn apart
        curves.insert(0, ("truth", true, TRUTH))
    for label, y, look in curves:
        hover = f"{label} %{{y:.1f}}°<extra></extra>"
        add_line(figure, when, compact(y, 2), f"heading, {label}", look, bottom, hovertemplate=hover)
    _mark_leaps(figure, when, orientation_jumps(stored), in_seconds=time_s is not None)
    return figure


def _mark_leaps(figure, when, jumps, in_seconds):
    """Mark half a turn in the first panel, and each leap of its vector through all panels."""
    dotted = dict(line=dict(color=INK, width=1, dash="dot"), opacity=0.7)
    for bound in (-180, 180):
        ends = dict(x0=0, x1=1, y0=bound, y1=bound)
        figure.add_shape(type="line", xref="paper", yref="y", **ends, **dotted)
    red = SERIES[1]
    dashed = dict(line=dict(color=red, width=1.2, dash="dash"), opacity=0.6)
    largest = max((leap for _, leap, _ in jumps), default=None)
    for t, leap, turn in jumps:
        middle = float(when[t] + when[t + 1]) / 2
        ends = dict(x0=middle, x1=middle, y0=0, y1=1)
        figure.add_shape(type="line", xref="x", yref="paper", **ends, **dashed)
        if leap == largest:  # a fit that leaps often would bury the panel in text
            at = f"at {middle:.2f} s" if in_seconds else f"from frame {t} to {t + 1}"
            text = f"{at} the vector jumps by {leap:.0f}°, the dolphin turns by {turn:.1f}°"
            # above the panel, at the right: no curve runs there
            place = dict(xref="paper", yref="y domain", x=1, y=1, xanchor="right", yanchor="bottom")
            figure.add_annotation(text=text, font=dict(size=12, color=red), showarrow=False, **place)
