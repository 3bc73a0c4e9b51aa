"""A check as a notebook shows it: a card in HTML, and beside the first mistake what the code gave.

A card is one block without scripts and style sheets. It takes the colour of the page's text and grounds that
let the page's own through, so it is read on light and on dark alike, in any front end. Whatever stands in it
is escaped.
"""

import contextlib
import functools
import html
import re
import warnings
from typing import NamedTuple

import numpy as np
import torch

from ..assets import find_pack
from ..dolphin_model import model_file
from ..show.images import as_rgb, png_uri
from ..show.model import draw_mesh
from ..show.style import INK, SERIES

GREEN, RED, BLUE, GREY = "#0a7567", "#c8283c", "#2a62d9", "#5f6870"  # white letters stand out from each
BAR = SERIES[2]
SIGNS = {"✓": GREEN, "✗": RED, "i": BLUE, "·": GREY}
GROUND, EDGE = "rgba(128,140,150,.16)", "rgba(128,140,150,.45)"
ACROSS = 192  # pixels of the page that a picture takes at least, or all but
SAME, ROUNDING = 1e-6, 0.01  # apart, at most, are pictures that look alike; pixels, as a share of the worst
EYE = np.array([0.75, 0.5, 0.6])  # where the dolphin is seen from: left, above, ahead


class Row(NamedTuple):
    """A line of the card: its sign, of SIGNS, its name, its points in words, what is said of it, or ""."""

    sign: str
    name: str
    value: str
    text: str


class Shown(NamedTuple):
    """What a student's code gave, and the right one, for a picture of both.

    what: in a few words; kind: "image", (H, W) or (H, W, C) in [0, 1]; "rotation", (3, 3); "curves", (T, C),
    in which NaN is a gap.
    Of a batch, which has a dimension before these, the one is shown in which they differ most.
    """

    what: str
    yours: torch.Tensor
    right: torch.Tensor
    kind: str = "image"


class Points(float):
    """What a check gives: a number, which a notebook keeps out of sight below the card."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": repr(float(self)), "text/html": ""}


def page_of(title, points, of, rows, note="", shown=lambda: None):
    """The card. -> HTML

    points, of: those that were earned, of how many; rows: of Row, in their order; note: one line, the last;
    shown() -> Shown, which belongs to the first row that is wrong, or None.
    """
    wrong = [row for row in rows if row.sign in "✗i" and row.text]
    wrong.sort(key=lambda row: row.sign == "i")  # advice after mistakes
    waiting, held = ([row for row in rows if row.sign == sign] for sign in "·✓")
    share = 100 * points / of if of else 0
    parts = [
        _block(f"<b>{_escaped(title)}</b>{_right(f'{points:g} of {of:g} points')}"),
        _block(
            _block("", f"width:{share:.4g}%;height:100%;background:{BAR};border-radius:3px"),
            f"height:6px;margin:.4em 0 .6em;background:{EDGE};border-radius:3px;clear:both",
        ),
    ]
    for n, row in enumerate(wrong):
        text = _block(_said(row.text), "margin:.2em 0 .2em 1.7em")
        if n == 0:
            parts += [_line(row), text, _pictures(shown)]
        else:
            parts.append(_folded(_line(row, "span"), text))
    holds = f"{len(held)} hold{'s' * (len(held) == 1)}" if wrong else f"All {len(held)} hold"
    for sign, some, words in (("·", waiting, f"{len(waiting)} not tried yet"), ("✓", held, holds)):
        if some:
            lines = _block("".join(map(_line, some)), "margin-left:1.7em")
            parts.append(_folded(_sign(sign) + words, lines, unfolded=not wrong))
    parts.append(_block(_said(note[0].upper() + note[1:]), "margin-top:.4em;opacity:.85") if note else "")
    look = f"max-width:46rem;padding:.6em .9em;border:1px solid {EDGE};border-radius:6px;line-height:1.45"
    edge = GREEN if points == of else RED if wrong else GREY
    return _block("".join(parts), f"{look};border-left:4px solid {edge};color:inherit;overflow-wrap:anywhere")


def _block(content, style="", tag="div"):
    return f'<{tag} style="{style}">{content}</{tag}>'


def _folded(summary, content, unfolded=False):
    opened = " open" * unfolded
    return f'<details{opened} style="margin:.15em 0"><summary>{summary}</summary>{content}</details>'


def _line(row, tag="div"):
    return _block(f"{_sign(row.sign)}{_said(row.name)}{_right(row.value)}", "", tag)


def _right(text):
    return _block(_escaped(text), "float:right;margin-left:1em", "span")


def _sign(sign):
    look = "display:inline-block;width:1.3em;margin-right:.4em;border-radius:.65em;text-align:center"
    return _block(sign, f"{look};font-size:.85em;line-height:1.3;background:{SIGNS[sign]};color:#fff", "span")


def _escaped(text):
    return html.escape(str(text))


def _said(text):
    """A text in which `backquotes` mean code."""
    look = f"background:{GROUND};color:inherit;padding:0 .2em;border-radius:3px"
    return re.sub(r"`([^`]+)`", rf'<code style="{look}">\1</code>', _escaped(text))


# --- pictures


def _pictures(shown):
    """The pictures; none where there are none to be made of what is wrong."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _drawn(shown())
    return ""


def _drawn(shown):
    """Yours, the right one and where they differ, side by side; nothing where they look alike."""
    if shown is None:
        return ""
    batch = {"image": 4, "rotation": 3, "curves": 3}[shown.kind]
    yours, right = (value.detach().double().cpu() for value in (shown.yours, shown.right))
    if yours.shape != right.shape or not right.numel():
        return ""
    if shown.kind == "image" and yours.dim() == right.dim() == 2:
        yours, right = yours[..., None], right[..., None]
    which = ""
    if yours.dim() == batch:
        worst = int((yours - right).abs().flatten(1).mean(1).nan_to_num(torch.inf).argmax())
        which = f" ({worst + 1} of {len(yours)})" if len(yours) > 1 else ""
        yours, right = yours[worst], right[worst]
    apart = (yours - right).abs().amax(-1).nan_to_num(1.0, 1.0)
    if apart.max() < SAME:
        return ""
    if shown.kind == "image":
        pictures = [("yours", as_rgb(yours.nan_to_num(0).clamp(0, 1), "yours"))]
        pictures.append(("right", as_rgb(right.clamp(0, 1), "right")))
        pictures.append(("where they differ", _difference(apart, pictures[1][1])))
    else:
        draw = _drawn_rotations if shown.kind == "rotation" else _drawn_curves
        if yours.isinf().any() or shown.kind == "rotation" and yours.isnan().any():
            return ""
        pictures = [("", draw(yours.numpy(), right.numpy()))]  # they have their names in them
    what = _block(_said(shown.what + which), "margin:.3em 0 0 1.7em;opacity:.85")
    shelf = "display:flex;flex-wrap:wrap;gap:.6em;margin:.2em 0 .5em 1.7em"
    return what + _block("".join(_picture(*picture) for picture in pictures), shelf)


def _picture(name, image):
    """An image, with its name above it where it has one."""
    width = max(1, round(ACROSS / image.shape[1])) * image.shape[1]
    look = f"display:block;width:{width}px;max-width:100%;margin:0;image-rendering:pixelated"
    source = f'<img alt="{name or "yours and right"}" style="{look}" src="{png_uri(image)}">'
    return _block(_block(name, "font-size:.85em") * bool(name) + source)


def _difference(apart, right):
    """Where images differ, the more the redder, over the right one, pale and grey. apart: (H, W)"""
    share = (apart / apart.max())[..., None].numpy()
    share = np.where(share > ROUNDING, 0.25 + 0.75 * share, 0)
    ground = 30 + 0.3 * right.mean(-1, keepdims=True)
    return ((1 - share) * ground + share * [255, 70, 70]).round().astype(np.uint8)


@functools.cache
def _dolphin():
    """The template at rest, in a ball of radius 1: vertices (V, 3) and faces (F, 3)."""
    model = model_file.load_model(find_pack().model_dir / "dolphin_model.pkl")
    vertices = model["v_template"] - (model["v_template"].max(0) + model["v_template"].min(0)) / 2
    return vertices / np.linalg.norm(vertices, axis=1).max(), model["f"]


def _drawn_rotations(yours, right):
    """The dolphin, turned both ways. -> image"""
    vertices, faces = _dolphin()
    across = np.cross([0.0, 1.0, 0.0], EYE)
    above = np.cross(EYE, across)
    figure, panels = _panels(1.9)
    for ax, R in zip(panels, (yours, right)):
        draw_mesh(ax, vertices @ R.T, faces, across, above)
        ax.set(xlim=(-1.2, 1.2), ylim=(-1.05, 1.05), aspect="equal")
        ax.axis("off")
    return _as_image(figure)


def _drawn_curves(yours, right):
    """Three numbers over time, both ways. -> image"""
    figure, panels = _panels(1.7)
    panels[0].sharex(panels[1])  # before anything is drawn: later limits stay as they are
    panels[0].sharey(panels[1])
    for ax, curves in zip(panels, (yours, right)):
        for curve, colour in zip(curves.T, SERIES):
            ax.plot(curve, color=colour, linewidth=1.2)
        ax.tick_params(colors=INK, labelsize=7)
        for spine in ax.spines.values():
            spine.set_color(INK)
    return _as_image(figure)


def _panels(height):
    """A figure without ground, and its two panels, yours and the right one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, height), dpi=100, layout="constrained", facecolor="none")
    panels = figure.subplots(1, 2)
    for ax, title in zip(panels, ("yours", "right")):
        ax.set_facecolor("none")
        ax.set_title(title, fontsize=9, color=INK)
    return figure, panels


def _as_image(figure):
    """A figure as an image (H, W, 4) of bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
