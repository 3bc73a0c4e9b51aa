"""What every figure shares: colours, layout, lines, sliders and buttons."""

# Five hues at least 20 CIELAB units apart for normal, protan, deutan and tritan sight (Machado et al. 2009),
# and with a contrast of 3:1 or more against white and against #12191e.
SERIES = ("#2a62d9", "#c8283c", "#0a9f8c", "#b163c4", "#968d10")
DASHES = ("solid", "dash", "dot")  # a second sign besides colour, once the colours have gone round
INK = "#767f88"  # text: 4:1 on white and on near-black
GRID = "rgba(128,140,150,0.24)"
CLEAR = "rgba(0,0,0,0)"
TRUTH = dict(color="rgba(128,140,150,0.45)", width=6)  # a broad pale line, under the fit
SKIN = "#8fa3b3"
ERROR_SCALE = ((0.0, "#a9bac4"), (0.45, "#e3a63b"), (1.0, "#9c1531"))

AXIS_3D = dict(gridcolor="#8b979f", zeroline=False, showbackground=False, showspikes=False)
BUTTON = dict(bordercolor=GRID, bgcolor="rgba(128,140,150,0.12)")
AT_ONCE = dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0))


def new_figure(**layout):
    """An empty figure with the look of all: no ground of its own, mid-grey ink, quiet grid."""
    import plotly.graph_objects as go

    return go.Figure(layout=_with_look(layout))


def stacked_figure(names, x_title, panel_height, legend):
    """An empty figure of named panels, one below the other, over one time axis."""
    from plotly.subplots import make_subplots

    plot_height = panel_height * len(names)
    top = 58 if legend else 30
    spacing = 40 / plot_height
    figure = make_subplots(len(names), shared_xaxes=True, vertical_spacing=spacing, subplot_titles=names)
    layout = dict(height=plot_height + top + 46, margin=dict(l=52, r=14, t=top, b=46))
    layout |= dict(hovermode="x unified", legend=legend_above(y=1 + 24 / plot_height))
    figure.update_layout(_with_look(layout))
    figure.update_annotations(x=0, xanchor="left", font=dict(size=13))
    figure.update_xaxes(title=dict(text=x_title), row=len(names), col=1)
    return figure


def _with_look(layout):
    font = dict(family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif", size=13, color=INK)
    axis = dict(gridcolor=GRID, zerolinecolor=GRID, linecolor=GRID, zeroline=False, automargin=True)
    axis["title"] = dict(standoff=8)
    look = dict(font=font, paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, colorway=SERIES, xaxis=axis, yaxis=axis)
    return dict(template=dict(layout=look), **layout)


def legend_above(**more):
    """A legend in one line above the plot."""
    return dict(orientation="h", x=0, xanchor="left", y=1.01, yanchor="bottom", bgcolor=CLEAR) | more


def add_line(figure, x, y, name, look, row=None, **more):
    """Draw a curve, in the panel `row` of a stacked figure; look: its colour, width and dash."""
    col = None if row is None else 1
    figure.add_scatter(x=x, y=y, mode="lines", name=name, line=look, row=row, col=col, **more)


def slider(labels, frames, **more):
    """A slider below the plot, whose step labels[n] shows the figure's frame that is called frames[n]."""
    pairs = zip(labels, map(str, frames))
    steps = [dict(method="animate", label=label, args=[[name], AT_ONCE]) for label, name in pairs]
    return dict(steps=steps, y=0, yanchor="top", tickcolor=INK, font=dict(size=11), **more)


def button_row(*buttons, **more):
    """Buttons side by side; each is (label, plotly's method, its arguments)."""
    buttons = [dict(zip(("label", "method", "args"), button)) for button in buttons]
    return dict(type="buttons", direction="left", buttons=buttons, **BUTTON, **more)
