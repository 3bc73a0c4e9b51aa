"""An animal stretched out straight, seen from above, with its widths and how sure they are."""

import numpy as np

from ..errors import CourseError
from .mesh import checked_mesh
from .style import SERIES, SKIN, add_line, legend_above, new_figure
from .values import as_array, as_column, compact


def size_figure(vertices, faces, stations, widths, low=None, high=None):
    """Draw the straightened animal from above, its rostrum on the left, with its widths. -> plotly Figure

    vertices: (V, 3) metres, the body axis z, as `scene.rest_shape()` gives them; faces: (F, 3); stations:
    (S,) shares of the length from the rostrum's tip; widths: (S,) metres at these; low, high: (S,) the ends
    of their intervals, drawn as bars at both sides of the body. Raises CourseError on wrong shapes.
    """
    vertices, faces = checked_mesh(vertices, faces)  # (1, V, 3), (F, 3)
    vertices = vertices[0]
    along, across = vertices[:, 2].max() - vertices[:, 2], vertices[:, 0]
    stations = as_array(stations, "stations")
    count = len(stations) if stations.ndim == 1 else 0
    if not count:
        raise CourseError(f"stations have shape {stations.shape}; expected shares of the length, (S,).")
    widths = as_column(widths, count, "widths", frames=False)
    look = dict(margin=dict(l=56, r=16, t=44, b=48), hovermode="closest", legend=legend_above())
    figure = new_figure(height=300, **look)
    body = _triangles(along, across, faces)
    look = dict(color=SKIN, width=0.6)
    figure.add_scatter(
        x=compact(body[:, 0]), y=compact(body[:, 1]), mode="lines", line=look, fill="toself", fillcolor=SKIN
    )
    figure.data[0].update(name="the animal, from above", hoverinfo="skip", connectgaps=False)
    places = stations * along.max()
    x, y = _bars(places, widths)
    add_line(figure, x, y, "width", dict(color=SERIES[0], width=2), hoverinfo="skip")
    texts = [f"{100 * width:.1f} cm" for width in widths]
    if low is not None:
        low, high = (
            as_column(ends, count, name, frames=False) for name, ends in (("low", low), ("high", high))
        )
        texts = [f"{text} ({100 * a:.1f} to {100 * b:.1f})" for text, a, b in zip(texts, low, high)]
        for side, shown in ((1, True), (-1, False)):
            x, y = _bars(places, low / 2 * side, high / 2 * side)
            thick = dict(color=SERIES[1], width=6)
            add_line(figure, x, y, "95 % interval", thick, hoverinfo="skip", showlegend=shown)
    at = [f"{100 * station:.0f} % of the length: {text}" for station, text in zip(stations, texts)]
    hover = dict(text=at, hovertemplate="%{text}<extra></extra>", showlegend=False)
    figure.add_scatter(
        x=compact(places), y=0 * places, mode="markers", marker=dict(size=7, color=SERIES[0]), **hover
    )
    figure.update_xaxes(title=dict(text="m from the rostrum's tip"))
    figure.update_yaxes(title=dict(text="m"), scaleanchor="x", scaleratio=1)
    return figure


def _triangles(along, across, faces):
    """The faces that look up as one line (4 K, 2), each closed and followed by a gap."""
    x, y = along[faces], across[faces]  # (F, 3)
    doubled = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    up = faces[doubled > 0] if (doubled > 0).any() else faces
    corners = np.stack([along[up], across[up]], -1)  # (K, 3, 2)
    gap = np.full((len(up), 1, 2), np.nan)
    return np.concatenate([corners, gap], 1).reshape(-1, 2)


def _bars(places, ends, others=None):
    """Lines across the body at places (S,), from -ends/2 to ends/2, or from ends to others. -> x, y"""
    first, last = (-ends / 2, ends / 2) if others is None else (ends, others)
    gap = np.full_like(places, np.nan)
    x = np.stack([places, places, gap], 1).ravel()
    return compact(x), compact(np.stack([first, last, gap], 1).ravel())
