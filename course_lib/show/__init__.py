"""Figures and videos: the mesh over time in 3D, tracks, curves, orientation, and videos for a browser.

Everything interactive is a plain plotly `Figure` (with frames where time passes; never a `FigureWidget`), so
it shows in Colab, in JupyterLab and in a saved html file alike. Colours are told apart by colour-blind eyes
and stand out from white and from black paper; text and grid are a grey that both bear, without a background.

    values, images                  the doors through which numbers and images come
    style                           what every figure shares
    mesh, model, size               the animal over time, the template, an animal's widths
    curves, depth, render           tracks and losses over time, near or far, what a renderer makes
    labels, video                   words on frames, videos in a browser
"""

from .curves import loss_curves, orientation_figure, orientation_jumps, series_over_time, track_figure
from .depth import nearness_figure
from .labels import draw_labels
from .mesh import mesh_viewer
from .model import bend_figure, parts_figure, rotation_figure, scale_figure, turns_figure, weights_figure
from .render import ball, image_slider, lines, minima, tiles
from .size import size_figure
from .style import GRID, INK, SERIES
from .video import inline_video, video_data_uri, write_video
