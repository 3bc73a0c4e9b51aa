"""What every figure shares: colours, layout, and numbers as small as a page can carry them."""

import numpy as np

from ..errors import CourseError

# Five hues at least 20 CIELAB units apart for normal, protan, deutan and tritan sight (Machado et al. 2009),
# and with a contrast of 3:1 or more against white and against #12191e.
SERIES = ("#2a62d9", "#c8283c", "#0a9f8c", "#b163c4", "#968d10")
DASHES = ("solid", "dash", "dot")  # a second sign besides colour, once the colours have gone round
INK = "#767f88"  # text: 4:1 on white and on near-black
GRID = "rgba(128,140,150,0.24)"
TRUTH = dict(color="rgba(128,140,150,0.45)", width=6)  # a broad pale line, under the fit
SKIN = "#8fa3b3"
SEA = "#10394a"  # the chart of the track is drawn on sea, whatever the paper
SEA_INK = "#c4dbe2"
TIME_SCALE = ((0.0, "#3f9fd6"), (0.5, "#8fdcc0"), (1.0, "#fff2a8"))  # lightness grows with time
ERROR_SCALE = ((0.0, "#a9bac4"), (0.45, "#e3a63b"), (1.0, "#9c1531"))


def as_array(values, name):
    """Turn a tensor, list or array into a numpy array of numbers."""
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise CourseError(f"{name} is not an array of numbers (its type is {values.dtype}).")
    return values


def as_column(values, T, name):
    """Check one number per frame."""
    values = as_array(values, name).reshape(-1)
    if len(values) != T:
        raise CourseError(f"{name} has {len(values)} values for {T} frames; expected one per frame.")
    return values.astype(np.float64)


def as_points(values, name, T=None):
    """Check one 3-vector per frame: (T, 3), or (T, 1, 3) as the scene stores it."""
    values = as_array(values, name)
    values = values[:, 0] if values.ndim == 3 and values.shape[1] == 1 else values
    if values.ndim != 2 or values.shape[1] != 3 or len(values) == 0 or (T is not None and len(values) != T):
        raise CourseError(f"{name} has shape {values.shape}; expected ({'T' if T is None else T}, 3).")
    return values.astype(np.float64)


def check_faces(faces, V):
    """Refuse faces that are no triangles of existing vertices."""
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu" or len(faces) == 0:
        raise CourseError(f"faces have shape {faces.shape} and type {faces.dtype}; expected (F, 3) integers.")
    if faces.min() < 0 or faces.max() >= V:
        bad = int(np.argwhere((faces < 0) | (faces >= V))[0, 0])
        raise CourseError(f"""face {bad} names vertices {faces[bad].tolist()}, but there are {V} (0 to
            {V - 1}).""")


def to_uint8(values):
    """[0, 1] floats or booleans to uint8; uint8 stays."""
    if values.dtype == np.uint8:
        return values
    scaled = values * np.float32(255.0) + np.float32(0.5)
    return np.clip(scaled, 0.0, 255.0, out=scaled).astype(np.uint8)


def compact(values, decimals=3):
    """Round for a small file: plotly 6 and later pack float32 as base64, earlier ones write digits."""
    import plotly

    values = np.round(np.asarray(values, np.float64), decimals) + 0.0
    return values.astype(np.float32) if int(plotly.__version__.split(".")[0]) >= 6 else values


def compact_faces(indices):
    """Face indices, in two bytes each where they fit."""
    return indices.astype(np.uint16 if indices.max() < 2**16 else np.int32)


def significant(values, digits=5):
    """Round to significant digits, for numbers of any size."""
    return np.array([float(f"{v:.{digits}g}") for v in values], np.float64)


def page_layout(title=None, **more):
    """The look of every figure: no ground of its own, mid-grey ink, quiet grid."""
    axis = dict(
        gridcolor=GRID,
        zerolinecolor=GRID,
        linecolor=GRID,
        zeroline=False,
        automargin=True,
        title=dict(standoff=8),
    )
    theme = dict(
        layout=dict(
            font=dict(family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif", size=13, color=INK),
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            xaxis=axis,
            yaxis=axis,
            colorway=list(SERIES),
        )
    )
    return dict(
        template=theme,
        title=dict(text=title, x=0, xanchor="left", font=dict(size=16)) if title else None,
        **more,
    )


def legend_above(**more):
    """A legend in one line above the plot."""
    return dict(
        dict(orientation="h", x=0, xanchor="left", y=1.01, yanchor="bottom", bgcolor="rgba(0,0,0,0)"), **more
    )


def axis_names(row, rows):
    """Names of the axes of one of several stacked panels, counted from the top."""
    number = "" if row == 1 else str(row)
    return dict(xaxis=f"x{number}", yaxis=f"y{number}")


def stacked_figure(names, x_title, title, panel_height, legend):
    """An empty figure of named panels, one below the other, over one time axis."""
    from plotly.subplots import make_subplots

    plot_height = panel_height * len(names)
    top = 30 + (28 if legend else 0) + (36 if title else 0)
    figure = make_subplots(
        rows=len(names), shared_xaxes=True, vertical_spacing=40 / plot_height, subplot_titles=names
    )
    figure.update_layout(
        page_layout(
            title=title,
            height=plot_height + top + 46,
            hovermode="x unified",
            margin=dict(l=52, r=14, t=top, b=46),
            legend=legend_above(y=1 + 24 / plot_height),
        )
    )
    figure.update_annotations(x=0, xanchor="left", font=dict(size=13))
    figure.update_xaxes(title=dict(text=x_title), row=len(names), col=1)
    return figure
