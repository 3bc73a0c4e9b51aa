"""A mesh over time in 3D, with a slider and a play button."""

import numpy as np

from ..errors import CourseError
from .style import (
    ERROR_SCALE,
    GRID,
    INK,
    SKIN,
    as_array,
    as_column,
    as_points,
    check_faces,
    compact,
    compact_faces,
    page_layout,
    to_uint8,
)


def mesh_viewer(
    vertices,
    faces,
    *,
    every=None,
    time_s=None,
    colour=SKIN,
    intensity=None,
    intensity_title="",
    intensity_max=None,
    sea=True,
    follow=True,
    track=None,
    controls=True,
    title=None,
    height=520,
):
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

    vertices, faces = as_array(vertices, "vertices"), as_array(faces, "faces")
    vertices = vertices[None] if vertices.ndim == 2 else vertices  # (T, V, 3)
    if vertices.ndim != 3 or vertices.shape[-1] != 3 or 0 in vertices.shape:
        raise CourseError(f"""vertices have shape {vertices.shape}; expected (T, V, 3), or (V, 3) for one
            frame.""")
    T, V = vertices.shape[:2]
    check_faces(faces, V)
    if not np.isfinite(vertices).all():
        first = int(np.argwhere(~np.isfinite(vertices))[0, 0])
        raise CourseError(f"""the vertices of frame {first} are not all finite numbers; look for NaN in the
            parameters of that frame (pose, translation, part scales).""")
    every = every or -(-T // 50)
    shown = range(0, T, every)
    times = None if time_s is None else as_column(time_s, T, "time_s")

    skin = (
        dict(color=colour)
        if isinstance(colour, str)
        else dict(vertexcolor=[f"rgb({r},{g},{b})" for r, g, b in to_uint8(as_points(colour, "colour", V))])
    )
    if intensity is not None:
        if not isinstance(colour, str):
            raise CourseError("mesh_viewer got colours per vertex and an intensity; give one of the two.")
        intensity = as_array(intensity, "intensity")
        intensity = np.broadcast_to(intensity, (T, V)) if intensity.shape in ((V,), (T, V)) else intensity
        if intensity.shape != (T, V):
            raise CourseError(f"""intensity has shape {intensity.shape}; expected (V,) = ({V},) or (T, V) =
                ({T}, {V}).""")
        skin = dict(
            colorscale=[list(stop) for stop in ERROR_SCALE],
            cmin=0.0,
            showscale=True,
            cmax=intensity_max or float(np.percentile(intensity[list(shown)], 99)) or 1.0,
            colorbar=dict(title=dict(text=intensity_title, side="right"), thickness=10, len=0.6),
        )

    def moving(t):
        x, y, z = compact(vertices[t]).T
        more = {} if intensity is None else dict(intensity=compact(intensity[t], 2))
        return dict(x=z, y=x, z=y, **more)  # (z, x, y): an even permutation, so left stays left

    mesh = go.Mesh3d(
        **moving(0),
        i=compact_faces(faces[:, 0]),
        j=compact_faces(faces[:, 1]),
        k=compact_faces(faces[:, 2]),
        **skin,
        flatshading=False,
        name="mesh",
        lighting=dict(ambient=0.62, diffuse=0.62, specular=0.2, roughness=0.6, fresnel=0.1),
        lightposition=dict(x=2000, y=1500, z=6000),
        hovertemplate="x %{y:.2f} m, height %{z:.2f} m, z %{x:.2f} m<extra></extra>"
        if intensity is None
        else f"{intensity_title} %{{intensity:.1f}}<extra></extra>",
    )

    low, high = vertices[list(shown)].min(axis=1), vertices[list(shown)].max(axis=1)  # (T', 3)
    centre = 0.5 * (low + high) if follow else np.broadcast_to(0.5 * (low.min(0) + high.max(0)), low.shape)
    reach = 1.06 * (0.5 * (high - low).max() if follow else 0.5 * (high.max(0) - low.min(0))[[0, 2]].max())
    floor, ceiling = float(low[:, 1].min()) - 0.1 * reach, float(high[:, 1].max()) + 0.1 * reach
    ceiling = max(ceiling, 0.25 * reach) if sea and floor < 0.0 else ceiling

    def stage(k):
        cx, _, cz = (float(c) for c in centre[k])
        return dict(
            xaxis=dict(range=[round(cz - reach, 3), round(cz + reach, 3)]),
            yaxis=dict(range=[round(cx - reach, 3), round(cx + reach, 3)]),
        )

    traces = [mesh]
    if sea:
        far = 2.0 * reach + float(np.abs(vertices[..., [0, 2]]).max())
        traces.append(
            go.Mesh3d(
                x=[-far, far, far, -far],
                y=[-far, -far, far, far],
                z=[0, 0, 0, 0],
                i=[0, 0],
                j=[1, 2],
                k=[2, 3],
                color="#3aa6c8",
                opacity=0.22,
                hoverinfo="skip",
                name="sea level",
                lighting=dict(ambient=1.0, diffuse=0.0, specular=0.0),
            )
        )
    if track is not None:
        path = compact(as_array(track, "track").reshape(-1, 3))
        traces.append(
            go.Scatter3d(
                x=path[:, 2],
                y=path[:, 0],
                z=np.zeros(len(path)),
                mode="lines",
                hoverinfo="skip",
                line=dict(color="#3aa6c8", width=4),
                name="track",
            )
        )

    axis = dict(
        gridcolor="#8b979f",
        zeroline=False,
        showbackground=False,
        showspikes=False,
        nticks=6,
        tickfont=dict(size=10),
    )
    figure = go.Figure(
        traces,
        page_layout(
            title=title,
            height=height,
            margin=dict(l=0, r=0, t=40 if title else 0, b=0),
            showlegend=False,
            scene=dict(
                uirevision="keep the reader's view",
                dragmode="turntable",
                xaxis=dict(title=dict(text="z (m)", font=dict(size=11)), **axis, **stage(0)["xaxis"]),
                yaxis=dict(title=dict(text="x (m)", font=dict(size=11)), **axis, **stage(0)["yaxis"]),
                zaxis=dict(
                    title=dict(text="height (m)", font=dict(size=11)),
                    **axis,
                    range=[round(floor, 3), round(ceiling, 3)],
                ),
                aspectmode="manual",
                aspectratio=dict(x=1.0, y=1.0, z=(ceiling - floor) / (2 * reach)),
                camera=dict(
                    eye=dict(x=-0.58, y=-0.9, z=0.4),
                    center=dict(x=-0.03, y=0.02, z=-0.09),
                    up=dict(x=0, y=0, z=1),
                ),
            ),
        ),
    )
    if len(shown) > 1:
        figure.frames = [
            go.Frame(
                name=str(t),
                data=[go.Mesh3d(**moving(t))],
                traces=[0],
                layout=dict(scene=stage(k)) if follow else None,
            )
            for k, t in enumerate(shown)
        ]
        if controls:
            _add_time_controls(figure, list(shown), times)
    if intensity is not None:
        figure.update_layout(updatemenus=[*figure.layout.updatemenus, _skin_or_intensity(intensity_title)])
    return figure


def _add_time_controls(figure, shown, times):
    """Give the figure a slider and a play button over its frames."""

    def go_to(name):
        return [
            [name],
            dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0)),
        ]

    pause_ms = 60 if times is None else max(40.0, 1000.0 * float(times[shown[1]] - times[shown[0]]))
    labels = [str(t) if times is None else f"{times[t]:.2f}" for t in shown]
    figure.update_layout(
        sliders=[
            dict(
                x=0.16,
                len=0.8,
                y=0.0,
                yanchor="top",
                pad=dict(t=26, b=6),
                tickcolor=INK,
                font=dict(size=11),
                currentvalue=dict(
                    prefix="frame " if times is None else "",
                    suffix="" if times is None else " s",
                    xanchor="right",
                    font=dict(size=13),
                ),
                steps=[
                    dict(method="animate", label=label, args=go_to(str(t))) for label, t in zip(labels, shown)
                ],
            )
        ],
        updatemenus=[
            dict(
                type="buttons",
                direction="left",
                x=0.0,
                xanchor="left",
                y=0.0,
                yanchor="top",
                showactive=False,
                pad=dict(t=32, r=8),
                bordercolor=GRID,
                bgcolor="rgba(128,140,150,0.12)",
                buttons=[
                    dict(
                        label="Play",
                        method="animate",
                        args=[
                            None,
                            dict(
                                mode="immediate",
                                fromcurrent=True,
                                transition=dict(duration=0),
                                frame=dict(duration=pause_ms, redraw=True),
                            ),
                        ],
                    ),
                    dict(label="Pause", method="animate", args=go_to(None)),
                ],
            )
        ],
        margin=dict(b=84),
        height=figure.layout.height + 60,
    )


def _skin_or_intensity(intensity_title):
    """Make the pair of buttons that colours the mesh by its intensity or as skin."""
    return dict(
        type="buttons",
        direction="left",
        x=0.0,
        xanchor="left",
        y=1.0,
        yanchor="top",
        active=0,
        bordercolor=GRID,
        bgcolor="rgba(128,140,150,0.12)",
        pad=dict(t=6, l=6),
        font=dict(size=11),
        buttons=[
            dict(
                label=intensity_title or "values",
                method="restyle",
                args=[dict(colorscale=[[list(s) for s in ERROR_SCALE]], showscale=True), [0]],
            ),
            dict(
                label="skin",
                method="restyle",
                args=[dict(colorscale=[[[0.0, SKIN], [1.0, SKIN]]], showscale=False), [0]],
            ),
        ],
    )
