"""Look at what a renderer makes: tiles of images, a slider through images, curves, light on a ball."""

import numpy as np
import torch

from ..errors import CourseError
from .images import as_rgb, enlarged, png_uri
from .labels import draw_labels
from .style import DASHES, INK, SERIES, add_line, legend_above, new_figure, slider
from .values import as_array, as_column, as_named, as_number


def tiles(images, columns=2, zoom=4, frame=False):
    """Images side by side, enlarged, each with its name: a picture that a notebook shows.

    images: {name: (H, W), (H, W, 1), (H, W, 2) or (H, W, 3) in [0, 1]}, all of one size. frame: whether a
    grey line runs round each, for images that are white at their edge.
    """
    from PIL import Image

    columns = as_number(columns, "columns", low=1, whole=True)
    zoom = as_number(zoom, "zoom", low=1, high=1000, whole=True)
    shown = [enlarged(image, zoom) for image in _of_one_size(images).values()]
    columns = min(columns, len(shown))
    names = list(images) + [""] * (-len(images) % columns)
    shown += [np.zeros_like(shown[0])] * (len(names) - len(shown))
    if frame:
        shown = [np.pad(image[1:-1, 1:-1], ((1, 1), (1, 1), (0, 0)), constant_values=128) for image in shown]
    rows = [np.concatenate(shown[k : k + columns], 1) for k in range(0, len(shown), columns)]
    return Image.fromarray(draw_labels(np.concatenate(rows, 0), names, columns=columns))


def image_slider(images, prefix="", outline=None, start=0):
    """One image at a time, with a slider through them. -> plotly Figure

    images: {label of the slider's step: image as for `tiles`}; prefix: stands before the label; outline:
    (N, 2) points in NDC that are drawn as a closed line over all of them; start: which image is shown first.
    """
    shown = {str(label): image for label, image in _of_one_size(images).items()}
    labels = list(shown)
    start = as_number(start, "start", low=-len(labels), high=len(labels) - 1, whole=True) % len(labels)
    rows, columns = shown[labels[start]].shape[:2]
    zoom = max(1, round(480 / columns))  # browsers blur small images; large pixels stay sharp
    first = (1 / zoom - 1) / 2  # centre of the first of the small pixels
    place = dict(type="image", dx=1 / zoom, dy=1 / zoom, x0=first, y0=first, hoverinfo="skip")
    traces = {label: dict(source=png_uri(enlarged(image, zoom)), **place) for label, image in shown.items()}
    now = dict(prefix=str(prefix), xanchor="left", font=dict(size=14))
    look = dict(x=0.05, len=0.9, pad=dict(t=16, b=6), currentvalue=now)
    sliders = [slider(labels, labels, active=start, **look)]
    figure = new_figure(height=420, margin=dict(l=10, r=10, t=10, b=90), showlegend=False, sliders=sliders)
    figure.add_traces([traces[labels[start]]])
    if outline is not None:
        points = as_array(outline, "outline")
        if points.ndim != 2 or points.shape[1:] != (2,) or not len(points):
            raise CourseError(f"outline has shape {points.shape}; expected (N, 2).")
        closed = points[[*range(len(points)), 0]]
        x, y = (closed[:, 0] * columns + columns - 1) / 2, (rows - 1 - closed[:, 1] * rows) / 2
        add_line(figure, x, y, None, dict(color=SERIES[1], width=2), hoverinfo="skip")
    figure.frames = [dict(name=label, data=[trace], traces=[0]) for label, trace in traces.items()]
    figure.update_xaxes(visible=False, range=[-0.5, columns - 0.5])
    figure.update_yaxes(visible=False, range=[rows - 0.5, -0.5], scaleanchor="x")
    return figure


def _of_one_size(images):
    """Named images, in colour and of one size. -> {name: (H, W, 3) uint8}"""
    named = as_named(images, "images", "image")
    shown = {name: as_rgb(image, f"the image {name!r}") for name, image in named.items()}
    sizes = {name: image.shape[1::-1] for name, image in shown.items()}
    if len(set(sizes.values())) > 1:
        each = ", ".join(f"{name!r} {w} x {h}" for name, (w, h) in sizes.items())
        raise CourseError(f"The images have several sizes: {each}. Here they are to have one.")
    return shown


def lines(x, curves, x_title, y_title, mark=None, height=340):
    """Curves over x. -> plotly Figure

    curves: {name: values, as many as x}; mark: (x, text), where a dotted line stands.
    """
    x = as_array(x, "x").reshape(-1)
    look = dict(margin=dict(l=60, r=16, t=40, b=48), hovermode="x unified", legend=legend_above(y=1.02))
    figure = new_figure(height=as_number(height, "height", low=10), **look)
    figure.update_xaxes(title=dict(text=str(x_title)))
    figure.update_yaxes(title=dict(text=str(y_title)))
    dashes = (*DASHES, "dashdot")
    for k, (name, values) in enumerate(as_named(curves, "curves", "values").items()):
        line = dict(width=2.5, color=SERIES[k % len(SERIES)], dash=dashes[k % len(dashes)])
        add_line(figure, x, as_column(values, len(x), str(name), frames=False), str(name), line)
    if mark is not None:
        if not isinstance(mark, (list, tuple)) or len(mark) != 2:
            raise CourseError('mark is to be where a line stands and what it says: (1.0, "truth").')
        where, text = as_number(mark[0], "mark"), dict(text=str(mark[1]), font=dict(color=INK))
        figure.add_vline(where, line=dict(color=INK, dash="dot", width=1.5), annotation=text)
    return figure


def _from_least_to_most(values):
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / max(high - low, 1e-12)


def minima(x, curves, x_title, height=340):
    """Curves over x, each scaled from its least to its most, with a dot at its least. -> plotly Figure

    curves: {name: values, as many as x}; the pointer shows the values themselves.
    """
    look = dict(margin=dict(l=60, r=16, t=40, b=48), legend=legend_above(y=1.02))
    figure = new_figure(height=as_number(height, "height", low=100, high=10_000), **look)
    figure.update_xaxes(title=dict(text=str(x_title)))
    figure.update_yaxes(title=dict(text="from least to most"))
    x = as_array(x, "x").reshape(-1)
    for k, (name, values) in enumerate(as_named(curves, "curves", "values").items()):
        name, colour = str(name), SERIES[k % len(SERIES)]
        values = as_column(values, len(x), name, frames=False)
        if not np.isfinite(values).any():
            raise CourseError(f"{name} has no finite number; expected {len(x)} of them.")
        values = np.where(np.isfinite(values), values, np.nan)
        scaled, least = _from_least_to_most(values), [int(np.nanargmin(values))]
        words = dict(customdata=values, hovertemplate="%{customdata:.4f}")
        add_line(figure, x, scaled, name, dict(color=colour, dash=DASHES[k % len(DASHES)]), **words)
        dot = dict(mode="markers", marker=dict(color=colour, size=10), showlegend=False)
        figure.add_scatter(x=x[least], y=scaled[least], hoverinfo="skip", **dot)
    return figure


def ball(size=96):
    """Normals (H, W, 3) of a ball, x right, y up, z towards us, and whether a pixel shows it (H, W)."""
    x = torch.linspace(-1.05, 1.05, as_number(size, "size", low=1, high=4096, whole=True))
    x, y = x.expand(len(x), -1), -x[:, None].expand(-1, len(x))
    inside = x * x + y * y < 1
    z = (1 - x * x - y * y).clamp(min=0).sqrt()
    return torch.stack([x, y, z], -1), inside
