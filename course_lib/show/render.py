"""Look at what a renderer makes: tiles of images, a slider through images, curves, light on a ball.

As in `show`, everything interactive is a plain plotly figure with frames.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import torch

from ..errors import CourseError
from .labels import draw_labels
from .style import INK, SERIES, as_array, page_layout

PAD = 0.35  # of a third channel where an image has two
STILL = dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0))


def to_rgb(image):
    """An image (H, W), (H, W, 1), (H, W, 2) or (H, W, 3) in [0, 1] as bytes (H, W, 3)."""
    image = as_array(image, "an image").astype(np.float64)
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[-1] not in (1, 2, 3):
        raise CourseError(f"""An image has shape {image.shape}; expected (H, W) or (H, W, 1), 2 or 3. Of a
            batch, take one: images[0].""")
    if image.shape[-1] == 1:
        image = image.repeat(3, -1)
    elif image.shape[-1] == 2:
        image = np.concatenate(
            [image, np.full_like(image[..., :1], PAD) * (image.max(-1, keepdims=True) > 0)], -1
        )
    return (np.nan_to_num(image).clip(0, 1) * 255).round().astype(np.uint8)


def tiles(images, columns=2, zoom=4, frame=False):
    """Images side by side, enlarged, each with its name: a picture that a notebook shows.

    images: {name: (H, W), (H, W, 1), (H, W, 2) or (H, W, 3) in [0, 1]}, all of one size. frame: whether a
    grey line runs round each, for images that are white at their edge.
    """
    from PIL import Image

    names = list(images) + [""] * (-len(images) % columns)
    shown = [to_rgb(image).repeat(zoom, 0).repeat(zoom, 1) for image in images.values()]
    shown += [np.zeros_like(shown[0])] * (len(names) - len(shown))
    if frame:
        shown = [np.pad(image[1:-1, 1:-1], ((1, 1), (1, 1), (0, 0)), constant_values=128) for image in shown]
    rows = [np.concatenate(shown[k : k + columns], 1) for k in range(0, len(shown), columns)]
    return Image.fromarray(draw_labels(np.concatenate(rows, 0), names, columns=columns))


def image_slider(images, prefix="", outline=None, start=0, height=420):
    """One image at a time, with a slider through them.

    images: {label of the slider's step: image as for `tiles`}; outline: (N, 2) points in NDC that are drawn
    as a closed line over all of them. Returns a plotly Figure.
    """
    import plotly.graph_objects as go

    shown = {label: to_rgb(image) for label, image in images.items()}
    rows, columns = next(iter(shown.values())).shape[:2]
    labels = list(shown)
    figure = go.Figure(
        layout=page_layout(height=height, margin=dict(l=10, r=10, t=10, b=90), showlegend=False)
    )
    zoom = max(1, round(480 / columns))  # browsers blur small images; large pixels stay sharp

    def trace(image):
        first = (1 / zoom - 1) / 2  # centre of the first of the small pixels
        return go.Image(
            source=png_uri(image, zoom), dx=1 / zoom, dy=1 / zoom, x0=first, y0=first, hoverinfo="skip"
        )

    figure.add_trace(trace(shown[labels[start]]))
    if outline is not None:
        points = as_array(outline, "outline")
        x, y = (points[:, 0] * columns + columns - 1) / 2, (rows - 1 - points[:, 1] * rows) / 2
        figure.add_trace(
            go.Scatter(
                x=[*x, x[0]],
                y=[*y, y[0]],
                mode="lines",
                line=dict(color=SERIES[1], width=2),
                hoverinfo="skip",
            )
        )
    figure.frames = [go.Frame(name=label, data=[trace(image)], traces=[0]) for label, image in shown.items()]
    steps = [dict(method="animate", label=label, args=[[label], STILL]) for label in labels]
    figure.update_layout(
        sliders=[
            dict(
                active=start,
                steps=steps,
                x=0.05,
                len=0.9,
                y=0,
                yanchor="top",
                pad=dict(t=16, b=6),
                tickcolor=INK,
                font=dict(size=11),
                currentvalue=dict(prefix=prefix, xanchor="left", font=dict(size=14)),
            )
        ]
    )
    figure.update_xaxes(visible=False, range=[-0.5, columns - 0.5])
    figure.update_yaxes(visible=False, range=[rows - 0.5, -0.5], scaleanchor="x")
    return figure


def png_uri(image, zoom):
    """An image (H, W, 3) of bytes, enlarged, as a data: address."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image.repeat(zoom, 0).repeat(zoom, 1)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def lines(x, curves, x_title, y_title, mark=None, height=340):
    """Curves over x. curves: {name: values, as many as x}; mark: (x, text), where a dotted line stands. ->
    plotly Figure"""
    import plotly.graph_objects as go

    figure = go.Figure(
        layout=page_layout(
            height=height,
            margin=dict(l=60, r=16, t=40, b=48),
            hovermode="x unified",
            legend=dict(orientation="h", x=0, y=1.02, yanchor="bottom", bgcolor="rgba(0,0,0,0)"),
            xaxis=dict(title=dict(text=x_title)),
            yaxis=dict(title=dict(text=y_title)),
        )
    )
    for k, (name, values) in enumerate(curves.items()):
        line = dict(width=2.5, color=SERIES[k % len(SERIES)], dash=("solid", "dash", "dot", "dashdot")[k % 4])
        figure.add_trace(
            go.Scatter(x=as_array(x, "x"), y=as_array(values, name), name=name, mode="lines", line=line)
        )
    if mark is not None:
        figure.add_vline(
            x=mark[0],
            line=dict(color=INK, dash="dot", width=1.5),
            annotation=dict(text=mark[1], font=dict(color=INK)),
        )
    return figure


def ball(size=96):
    """Normals of a ball seen from the front: (H, W, 3), and whether a pixel shows it (H, W). x right, y up, z
    towards us."""
    x = torch.linspace(-1.05, 1.05, size)
    x, y = x[None].expand(size, -1), -x[:, None].expand(-1, size)
    inside = x * x + y * y < 1
    z = (1 - x * x - y * y).clamp(min=0).sqrt()
    return torch.stack([x, y, z], -1), inside
