"""Tracks, losses, orientation: curves over time."""

import numpy as np

from ..errors import CourseError
from .style import (
    DASHES,
    GRID,
    INK,
    SEA,
    SEA_INK,
    SERIES,
    TIME_SCALE,
    TRUTH,
    as_array,
    as_column,
    as_points,
    axis_names,
    compact,
    legend_above,
    page_layout,
    significant,
    stacked_figure,
)

SENSOR_PER_FOCAL = 17.27 / 12.29  # sensor width over focal length: metres seen per metre of distance


def track_figure(
    translations,
    *,
    time_s=None,
    heading_deg=None,
    truth=None,
    altitude_m=None,
    resolution=(640, 360),
    arrows=14,
    title=None,
    height=460,
):
    """Draw the track over the sea in metres, as the drone sees it: world +z up, world +x to the left.

    translations: (T, 3) or (T, 1, 3) metres, coloured by time. heading_deg: (T,) degrees, for `arrows`
    heading arrows. truth: (T, 3) the true track. altitude_m: a number or (T,) metres; then what the camera
    sees of the sea at their median is outlined, for a picture of `resolution` (width, height). Raises
    CourseError on wrong shapes.
    """
    import plotly.graph_objects as go

    path = as_points(translations, "translations")  # (T, 3)
    T = len(path)
    when = np.arange(T) if time_s is None else as_column(time_s, T, "time_s")
    unit = "" if time_s is None else " s"
    x, z = compact(path[:, 0]), compact(path[:, 2])
    figure = go.Figure(
        layout=page_layout(
            title=title,
            height=height,
            plot_bgcolor=SEA,
            hovermode="closest",
            margin=dict(l=56, r=16, t=76 if title else 44, b=48),
            legend=legend_above(bgcolor=SEA, font=dict(color=SEA_INK)),
            xaxis=dict(title=dict(text="x (m)"), gridcolor="rgba(255,255,255,0.09)", zeroline=False),
            yaxis=dict(
                title=dict(text="z (m)"),
                scaleanchor="x",
                scaleratio=1,
                gridcolor="rgba(255,255,255,0.09)",
                zeroline=False,
            ),
        )
    )
    seen = [path]
    if altitude_m is not None:
        half_w = 0.5 * SENSOR_PER_FOCAL * float(np.median(as_array(altitude_m, "altitude_m")))
        half_h = half_w * resolution[1] / resolution[0]
        figure.add_trace(
            go.Scatter(
                x=[-half_w, half_w, half_w, -half_w, -half_w],
                y=[-half_h, -half_h, half_h, half_h, -half_h],
                mode="lines",
                line=dict(color=SEA_INK, width=1, dash="dot"),
                opacity=0.55,
                hoverinfo="skip",
                name="seen by the camera",
            )
        )
        seen.append(np.array([[-half_w, 0, -half_h], [half_w, 0, half_h]]))
    if truth is not None:
        true = as_points(truth, "truth", T)
        seen.append(true)
        figure.add_trace(
            go.Scatter(
                x=compact(true[:, 0]),
                y=compact(true[:, 2]),
                mode="lines",
                name="truth",
                line=dict(color="#ffffff", width=9),
                opacity=0.28,
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=z,
            mode="lines+markers",
            name="fit",
            line=dict(color=SEA_INK, width=1),
            marker=dict(
                size=5,
                color=compact(when, 2),
                colorscale=[list(stop) for stop in TIME_SCALE],
                showscale=True,
                colorbar=dict(
                    title=dict(text="time (s)" if unit else "frame"), thickness=10, len=0.9, outlinewidth=0
                ),
            ),
            customdata=compact(path[:, 1]),
            hovertemplate=f"%{{marker.color}}{unit}<br>x %{{x:.2f}} m, z %{{y:.2f}} m<br>"
            "height %{customdata:.2f} m<extra></extra>",
        )
    )
    if heading_deg is not None:
        heading = as_column(heading_deg, T, "heading_deg")
        at = np.unique(np.linspace(0, T - 1, min(arrows, T)).round().astype(int))
        # heading grows counter-clockwise seen from above, plotly's angle clockwise from the page's up
        figure.add_trace(
            go.Scatter(
                x=x[at],
                y=z[at],
                mode="markers",
                name="heading",
                customdata=compact(heading[at], 1),
                marker=dict(
                    symbol="arrow",
                    size=12,
                    angle=compact(-heading[at], 1),
                    color="#ffffff",
                    line=dict(color=SEA, width=1),
                ),
                hovertemplate="heading %{customdata:.1f}°<extra></extra>",
            )
        )
    (right, _, low), (left, _, high) = np.concatenate(seen).min(axis=0), np.concatenate(seen).max(axis=0)
    margin = 0.05 * max(left - right, high - low, 1.0)  # the x axis runs from high to low, as in the picture
    figure.update_layout(
        xaxis_range=[left + margin, right - margin], yaxis_range=[low - margin, high + margin]
    )
    return figure


def loss_curves(history, *, shown=None, log=True, title=None, height=380, x_title="pass through the clip"):
    """Draw the total loss and its terms over passes through the clip or other steps, on a logarithmic or a
    linear axis.

    history: a list of dicts {name: number}, one per step, or a dict {name: (steps,)}. The series called
    "total" or "loss" is drawn thickest. shown: names of the terms that are drawn at first and named first
    (default: all); a click in the legend brings each other one. Raises CourseError when history is empty or
    its series differ in length.
    """
    import plotly.graph_objects as go

    curves = _curves(history)
    figure = go.Figure(
        layout=page_layout(
            title=title,
            height=height,
            hovermode="x unified",
            margin=dict(l=56, r=16, t=74 if title else 44, b=60),
            legend=legend_above(),
            xaxis=dict(title=dict(text=x_title), rangemode="tozero"),
            yaxis=dict(type="log" if log else "linear", title=dict(text="loss"), tickformat="~g", nticks=5),
            # beside the axis' title: above the plot the legend of many terms fills the width
            updatemenus=[
                dict(
                    type="buttons",
                    direction="left",
                    x=1.0,
                    xanchor="right",
                    y=0.0,
                    yanchor="top",
                    active=0 if log else 1,
                    pad=dict(t=24),
                    font=dict(size=11),
                    bordercolor=GRID,
                    bgcolor="rgba(128,140,150,0.12)",
                    buttons=[
                        dict(label="log", method="relayout", args=[{"yaxis.type": "log"}]),
                        dict(label="linear", method="relayout", args=[{"yaxis.type": "linear"}]),
                    ],
                )
            ],
        )
    )
    totals = [name for name in curves if name in ("total", "loss")]
    first = [name for name in shown or () if name in curves and name not in totals]
    for n, name in enumerate(totals + first + [name for name in curves if name not in totals + first]):
        main = name in totals
        terms_before = n - len(totals)
        figure.add_trace(
            go.Scatter(
                y=significant(curves[name]),
                mode="lines",
                name=name.replace("_", " "),
                hovertemplate="%{y:.4g}",
                visible=True if main or shown is None or name in shown else "legendonly",
                line=dict(
                    color=INK if main else SERIES[terms_before % len(SERIES)],
                    width=3.5 if main else 1.8,
                    dash="solid" if main else DASHES[terms_before // len(SERIES) % len(DASHES)],
                ),
            )
        )
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
    when = compact(np.arange(T) if time_s is None else as_column(time_s, T, "time_s"))
    figure = stacked_figure(
        list(panels),
        "frame" if time_s is None else "time (s)",
        title,
        panel_height,
        legend=any(isinstance(values, dict) for values in panels.values()),
    )
    in_legend, colour_of = set(), {}
    for row, (name, values) in enumerate(panels.items(), start=1):
        series = values if isinstance(values, dict) else {name: values}
        # A name has one colour in all panels, as it stands in the legend once.
        free = [
            colour for colour in SERIES if colour not in {colour_of.get(label) for label in series}
        ] or list(SERIES)
        colours = iter(free * len(series))
        for label, y in sorted(series.items(), key=lambda item: item[0] != "truth"):
            figure.add_trace(
                go.Scatter(
                    x=when,
                    y=significant(as_column(y, T, f"{name}: {label}")),
                    mode="lines",
                    name=label,
                    legendgroup=label,
                    showlegend=isinstance(values, dict) and label not in in_legend,
                    hovertemplate=f"{label} %{{y:.4g}}<extra></extra>",
                    line=TRUTH
                    if label == "truth"
                    else dict(color=colour_of.get(label) or next(colours), width=1.8),
                    **axis_names(row, len(panels)),
                )
            )
            if isinstance(values, dict):
                in_legend.add(label)
                if label != "truth":
                    colour_of[label] = figure.data[-1].line.color
    return figure


def orientation_jumps(rotvecs):
    """Find where a sequence of rotation vectors leaps, and how far the body really turns there.

    rotvecs: (T, 3) radians. Returns a list of (frame before the leap, length of the leap in degrees, angle
    of the rotation between the two frames in degrees) for every leap of more than 90 degrees. A leap with a
    small angle is the axis-angle chart changing names for one rotation, r and r (1 - 2 pi / |r|), and not a
    movement; one with a large angle is a wrong pose.
    """
    rotvecs = as_points(rotvecs, "rotvecs")
    leap = np.linalg.norm(np.diff(rotvecs, axis=0), axis=-1)  # (T-1,)
    angle = np.linalg.norm(rotvecs, axis=-1, keepdims=True)  # (T, 1)
    quat = np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * rotvecs], -1)  # (T, 4)
    turn = 2 * np.arccos(np.clip(np.abs((quat[:-1] * quat[1:]).sum(-1)), 0.0, 1.0))  # (T-1,)
    return [
        (int(t), float(np.degrees(leap[t])), float(np.degrees(turn[t])))
        for t in np.flatnonzero(leap > np.pi / 2)
    ]


def orientation_figure(
    rotvecs,
    continuous=None,
    *,
    name="as stored",
    heading_deg=None,
    truth_heading_deg=None,
    time_s=None,
    title=None,
    panel_height=190,
):
    """Draw the orientation over time: its vector as stored, with every leap marked, and as it should be.

    rotvecs: (T, 3) or (T, 1, 3) radians; name: what they are, "as stored" or the like. continuous: the same
    rotations as a continuous vector, if there is one. heading_deg: (T,) degrees, unwrapped (default: from the
    rotations); truth_heading_deg: (T,) the true one. Each marked leap says how far the vector moves and how
    far the dolphin turns. Where the second is small, the leap is the wrap of the axis-angle chart at 180
    degrees: not gimbal lock, which belongs to Euler angles, and not a movement.
    """
    import plotly.graph_objects as go

    stored = as_points(rotvecs, "rotvecs")  # (T, 3)
    T = len(stored)
    when = compact(np.arange(T) if time_s is None else as_column(time_s, T, "time_s"))
    panels = {f"rotation vector {name} (degrees)": stored}
    if continuous is not None:
        panels["the same rotations, continuous (degrees)"] = as_points(continuous, "continuous", T)
    heading = _heading_deg(stored) if heading_deg is None else as_column(heading_deg, T, "heading_deg")
    rows = len(panels) + 1
    figure = stacked_figure(
        [*panels, "heading (degrees)"],
        "frame" if time_s is None else "time (s)",
        title,
        panel_height,
        legend=True,
    )
    for row, values in enumerate([*panels.values(), np.radians(heading)], start=1):
        if np.ptp(values) > 0.8 * np.pi:  # quarter turns, where there is room for them
            figure.update_yaxes(dtick=90 * -(-np.ptp(values) // (3 * np.pi)), row=row, col=1)
    for row, vectors in enumerate(panels.values(), start=1):
        for c, component in enumerate("xyz"):
            figure.add_trace(
                go.Scatter(
                    x=when,
                    y=compact(np.degrees(vectors[:, c]), 2),
                    mode="lines",
                    name=component,
                    legendgroup=component,
                    showlegend=row == 1,
                    line=dict(color=SERIES[c], width=2, dash=("dot", "solid", "dash")[c]),
                    hovertemplate=f"{component} %{{y:.1f}}°<extra></extra>",
                    **axis_names(row, rows),
                )
            )
    if truth_heading_deg is not None:
        true = as_column(truth_heading_deg, T, "truth_heading_deg")
        true = true + 360.0 * np.round(np.median(heading - true) / 360.0)  # may be a whole turn apart
        figure.add_trace(
            go.Scatter(
                x=when,
                y=compact(true, 2),
                mode="lines",
                name="heading, truth",
                line=TRUTH,
                hovertemplate="truth %{y:.1f}°<extra></extra>",
                **axis_names(rows, rows),
            )
        )
    figure.add_trace(
        go.Scatter(
            x=when,
            y=compact(heading, 2),
            mode="lines",
            name="heading, fit",
            line=dict(color=SERIES[4], width=2),
            hovertemplate="fit %{y:.1f}°<extra></extra>",
            **axis_names(rows, rows),
        )
    )
    top = axis_names(1, rows)
    for bound in (-180, 180):
        figure.add_shape(
            type="line",
            xref="paper",
            x0=0,
            x1=1,
            yref=top["yaxis"],
            y0=bound,
            y1=bound,
            line=dict(color=INK, width=1, dash="dot"),
            opacity=0.7,
        )
    jumps = orientation_jumps(stored)
    largest = max((leap for _, leap, _ in jumps), default=None)
    for t, leap, turn in jumps:
        middle = float(when[t] + when[t + 1]) / 2
        figure.add_shape(
            type="line",
            xref=top["xaxis"],
            x0=middle,
            x1=middle,
            yref="paper",
            y0=0,
            y1=1,
            line=dict(color=SERIES[1], width=1.2, dash="dash"),
            opacity=0.6,
        )
        if leap == largest:  # a fit that leaps often would bury the panel in text
            at = f"from frame {t} to {t + 1}" if time_s is None else f"at {middle:.2f} s"
            figure.add_annotation(  # above the panel, at the right: no curve runs there
                xref="paper",
                yref=f"{top['yaxis']} domain",
                x=1,
                y=1,
                xanchor="right",
                yanchor="bottom",
                showarrow=False,
                font=dict(size=12, color=SERIES[1]),
                text=f"{at} the vector leaps by {leap:.0f}°, the dolphin turns by {turn:.1f}°",
            )
    return figure


def _heading_deg(rotvecs):
    """Turn rotation vectors into the unwrapped heading of the body's forward axis +z (Rodrigues' formula)."""
    angle = np.linalg.norm(rotvecs, axis=-1, keepdims=True)
    axis = rotvecs / np.maximum(angle, 1e-12)
    z = np.array([0.0, 0.0, 1.0])
    cos, sin = np.cos(angle), np.sin(angle)
    forward = z * cos + np.cross(axis, z) * sin + axis * axis[:, 2:] * (1 - cos)  # (T, 3)
    return np.degrees(np.unwrap(np.arctan2(forward[:, 0], forward[:, 2])))


def _curves(history):
    """Bring a history to {name: (steps,) float array}; a term that a step lacks is NaN there."""
    if isinstance(history, dict):
        curves = {
            name: as_array(values, name).astype(np.float64).reshape(-1) for name, values in history.items()
        }
    else:
        rows = list(history)
        names = list(dict.fromkeys(name for row in rows for name in row))
        curves = {name: np.array([float(row.get(name, np.nan)) for row in rows]) for name in names}
    lengths = {name: len(values) for name, values in curves.items()}
    if not curves or 0 in lengths.values() or len(set(lengths.values())) > 1:
        raise CourseError(f"""the history of the loss has series of lengths {lengths}; expected one or more of
            equal length.""")
    return curves
