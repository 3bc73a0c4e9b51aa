"""One picture, many dolphins: what a camera sees of one that is smaller and nearer, and what a loss says."""

import numpy as np

from ..errors import CourseError
from .style import GRID, INK, SERIES, SKIN, new_figure, slider
from .values import as_array, as_column, as_named, compact

SEA = "#3a8fb0"
TITLES = {"the world, from the side": 0.0, "what the drone sees": 0.52, "terms of the loss": 0.52}


def nearness_figure(dolphins, vertices, eye, pixels, terms):
    """Dolphins that look the same to a camera, with a slider through them. -> plotly Figure

    On the left the world from the side, on the right what the camera sees, and below it a bar for each term
    of a loss, "sum" in another colour. dolphins: {label of the slider's step: what is written beside it}, N
    of them; vertices: (N, V, 3) metres, y up; eye: (3,), the camera; pixels: (N, V, 2), their places in the
    image, x right and y down; terms: {name: N numbers}, from top to bottom.
    """
    names, notes = (
        list(as_named(terms, "terms", "numbers"))[::-1],
        as_named(dolphins, "dolphins", "what it is"),
    )
    N, eye = len(notes), as_column(eye, 3, "eye", frames=False)
    terms = {name: as_column(terms[name], N, str(name), frames=False) for name in terms}
    pixels, vertices = as_array(pixels, "pixels"), as_array(vertices, "vertices")
    fitting = vertices.ndim == 3 and vertices.shape == (N, vertices.shape[1], 3) and vertices.size
    if (
        not fitting
        or pixels.shape != (*vertices.shape[:2], 2)
        or not (np.isfinite(vertices).all() and np.isfinite(pixels).all())
    ):
        raise CourseError(f"""vertices have shape {vertices.shape} and pixels {pixels.shape}; expected finite
            numbers ({N}, V, 3) and ({N}, V, 2), for {N} dolphins.""")
    world = vertices - eye * [1, 0, 1]  # the camera is above the origin
    level = world[0][:, [0, 2]]
    axis = np.linalg.svd(level - level.mean(0), full_matrices=False)[2][0]  # the body's, seen from above
    side = np.stack([world[..., [0, 2]] @ axis, world[..., 1]], -1)  # (N, V, 2)
    notes = [str(note) for note in notes.values()]
    some = slice(None, None, 3)  # a third of the dots is plenty

    def moving(n):
        reach = side[n][[side[n][:, 0].argmin(), side[n][:, 0].argmax()]]  # (2, 2), the ends of the body
        x, y = compact(side[n][some]).T
        rays_x, rays_y = compact([reach[0], (0, eye[1]), reach[1]]).T
        i, j = compact(pixels[n][some], 1).T
        bars = [float(terms[name][n]) for name in names]
        texts = [f"{value:.3f}" for value in bars]
        note = dict(x=[0], y=[side[n][:, 1].max() + 0.6], text=[notes[n]])
        lines = [dict(x=x, y=y), dict(x=rays_x, y=rays_y), note]
        return [*lines, dict(x=i, y=j), dict(x=bars, y=names, text=texts)]

    dots = dict(type="scatter", mode="markers", marker=dict(size=3, color=SKIN))
    dotted = dict(type="scatter", mode="lines", line=dict(color=INK, width=1, dash="dot"))
    noted = dict(type="scatter", mode="text")
    colours = [SERIES[name == "sum"] for name in names]
    bars = dict(type="bar", orientation="h", marker=dict(color=colours), textposition="outside")
    looks = [dots, dotted, noted, dots | dict(xaxis="x2", yaxis="y2"), bars | dict(xaxis="x3", yaxis="y3")]
    figure = new_figure(height=500, showlegend=False, margin=dict(l=56, r=16, t=40, b=110), bargap=0.35)
    for trace, look in zip(moving(0), looks):
        figure.add_trace(trace | look | dict(hoverinfo="skip", cliponaxis=False))
    figure.frames = [
        dict(name=str(n), data=[trace | dict(type=look["type"]) for trace, look in zip(moving(n), looks)])
        for n in range(len(notes))
    ]
    _lay_out(figure, side, eye, max(max(numbers) for numbers in terms.values()))
    now = dict(xanchor="left", font=dict(size=14))
    steps = slider(dolphins, range(len(notes)), x=0.0, len=1.0, pad=dict(t=54, b=6), currentvalue=now)
    return figure.update_layout(sliders=[steps])


def _lay_out(figure, side, eye, most):
    """Axes, titles, sea and drone."""
    far = 1.15 * np.abs(side[..., 0]).max()
    figure.update_layout(
        xaxis=dict(domain=[0, 0.44], range=[-far, far], title=dict(text="m, from the point below the drone")),
        yaxis=dict(domain=[0, 1], range=[side[..., 1].min() - 0.5, eye[1] + 1], title=dict(text="height, m")),
        xaxis2=dict(domain=[0.52, 1], anchor="y2", visible=False, constrain="domain"),
        yaxis2=dict(domain=[0.56, 1], anchor="x2", visible=False, autorange="reversed", scaleanchor="x2"),
        xaxis3=dict(domain=[0.72, 1], anchor="y3", range=[0, 1.25 * most], gridcolor=GRID, nticks=5),
        yaxis3=dict(domain=[0, 0.42], anchor="x3", automargin=False),
    )
    figure.add_shape(type="line", x0=-far, x1=far, y0=0, y1=0, line=dict(color=SEA, width=2))
    figure.add_scatter(x=[0], y=[eye[1]], mode="markers", marker=dict(color=INK, symbol="square", size=11))
    heights = (1, 1, 0.44)
    for (text, x), y in zip(TITLES.items(), heights):
        place = dict(xref="paper", yref="paper", x=x, y=y, xanchor="left", yanchor="bottom", showarrow=False)
        figure.add_annotation(text=text, font=dict(size=13), **place)
