"""The report of a fit: one html file that holds everything it shows and opens without a network."""

import dataclasses
import datetime
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib import show
from course_lib.errors import CourseError, fold
from course_lib.files import write
from course_lib.lens import Lens

from . import judgement, sizes

VIDEO_LIMIT_MB = 12  # a bigger video is linked, not embedded
VIEWER_FRAMES = 50  # the 3D viewer shows about this many of the frames
SHORT_TRACK = 0.2  # of what the camera sees from left to right
LEAST_SPAN = 0.1  # metres that an axis of heights shows at least
HEADLINE = (
    "iou_mean",
    "position_rmse_m",
    "heading_error_deg_median",
    "length_error_pct",
)  # at the page's top


@dataclasses.dataclass
class FitReport:
    """What a report is made of. T frames, V vertices, F faces; units as the names and notes say."""

    clip: str  # the clip's name
    vertices: np.ndarray  # (T, V, 3) fitted mesh, world, metres
    faces: np.ndarray  # (F, 3)
    translations: np.ndarray  # (T, 3) metres
    rotvecs_stored: np.ndarray  # (T, 3) radians: the orientation as the fit's file holds it
    rotvecs_shortest: np.ndarray  # (T, 3) radians: the same rotations, each read by itself, at most pi long
    rotvecs_continuous: np.ndarray  # (T, 3) radians: the same rotations, continuous over time
    heading_deg: np.ndarray  # (T,) unwrapped
    time_s: np.ndarray  # (T,)
    history: dict | list  # of the loss: as show.loss_curves takes it
    metrics: dict  # flat: name -> number or text, as in metrics.json
    settings: dict  # name -> anything that prints: recipe, learning rates, machine, ...
    per_frame: dict = dataclasses.field(default_factory=dict)  # name -> (T,): iou, position_error_m, ...
    truth_translations: np.ndarray | None = None  # (T, 3), None where nobody knows the truth
    truth_heading_deg: np.ndarray | None = None  # (T,)
    vertex_error_m: np.ndarray | None = None  # (T, V) how far each is from the truth
    altitude_m: float | np.ndarray | None = None  # of the camera: a number or (T,)
    resolution: tuple[int, int] = (640, 360)  # width, height of the frames
    half_width: float = Lens().half_width  # metres to each side that the camera sees from 1 m
    picture_moves: bool = False  # where the frames are windows that follow the animal
    video: Path | None = None  # the 2 x 2 video, mp4
    pack: str = ""  # the name of what the clip came from
    sizes: dict = dataclasses.field(default_factory=dict)  # name -> Interval, as `dolphins.sizes` gives them
    doubts: list = dataclasses.field(default_factory=list)  # of `Doubt`: what speaks against the fit
    rest: np.ndarray | None = None  # (V, 3) metres: the fitted mesh stretched out straight
    heave_sd: np.ndarray | None = None  # (T,) metres, of each height about the mean, by the water's colour
    narrows: bool = False  # the band around the outline does, from pass to pass: a pixel off then costs more

    @property
    def has_truth(self):
        return self.truth_translations is not None

    @property
    def fps(self):
        """Frames a second."""
        return 1 / float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else 50.0

    @property
    def fastest_turn(self):
        """Degrees that no dolphin turns by from one frame to the next."""
        return min(judgement.TURN / self.fps, 90.0)

    @property
    def flip(self):
        """Degrees: a turn between two frames that is larger is no turn of the animal, but of the fit."""
        return min(2 * judgement.TURN / self.fps, 90.0)

    @property
    def outlines_picture(self):
        """Whether the track is drawn within what the camera sees, beside which a short one is a dot."""
        if self.altitude_m is None or self.picture_moves:
            return False
        longest = np.ptp(np.asarray(self.translations)[:, [0, 2]], axis=0).max()
        return bool(longest > SHORT_TRACK * 2 * self.half_width * np.median(self.altitude_m))

    @property
    def jumping_vectors(self):
        """The vectors in which the jump at 180° shows, and what they are: the stored ones, if they jump."""
        if show.orientation_jumps(self.rotvecs_stored):
            return self.rotvecs_stored, "as stored"
        return self.rotvecs_shortest, "as each frame gives it, at most 180° long"


class Meaning(NamedTuple):
    """How one number of metrics.json is shown and read."""

    label: str
    form: str  # format of the number, with its unit
    text: str
    good: str = ""  # what a good fit of the embedded clip reaches, in words
    reached: object = None  # number -> bool


OVERLAP = fold("""Area shared by the fitted outline and the true one, over the area of both together
        (intersection over union). 1 is a perfect match. On an animal twenty pixels wide, a shift by one pixel
        sideways costs about a tenth.""")
WORST = fold("""The same for the frame that fits worst. Far below the mean, it says that some frames went
        astray; the curve under "Frame by frame" shows which.""")
GIVEN_OVERLAP = fold("""Area shared by the fitted outline and the given mask, over the area of both together
        (intersection over union). 1 is a perfect match; what is missing is the fit's or the mask's.""")
POSITION = fold("""Typical distance between the fitted and the true body centre, depth included (root mean
        square over the frames).""")
DEPTH = fold("""The vertical share of the position error. One camera from above hardly sees depth, so this is
        usually the larger share.""")
HEADING = fold("""Angle between the fitted and the true swimming direction seen from above: the median, half
        of the frames are better.""")
TURN = "How far the fitted body turns from one frame to the next, at most. {} Near 180° it was flipped."
SURFACE = fold("""Mean distance between each point of the fitted skin and the same point of the true one:
        position, pose and shape together.""")
LENGTH = "Fitted body length against the true one, straightened out. Negative: too short."
VOLUME = fold("""Fitted body volume against the true one. An error in scale counts three times here, and the
        height of the body is never seen from above: trust this number least.""")
COLOUR = fold("""How near the colours of the rendered dolphin are to the video's, inside the {} masks: the
        peak signal-to-noise ratio. 30 dB is a typical difference of 3 % of full brightness; such
        pictures are hard to tell apart at a glance.""")
STILL = fold("""How near they are, inside the given masks, where the dolphin is drawn in still water: with one
        skin in one light. What is missing is mostly the sun's light in waves, which is read from each
        frame.""")
LAST_LOSS = fold("""Mean of the total over the last epoch. Losses of different recipes are sums of different
        things and cannot be compared.""")
QUALITY = {
    "iou_mean": Meaning("Outline overlap, mean", "{:.3f}", OVERLAP, "0.90 or more", lambda v: v >= 0.90),
    "iou_min": Meaning("Outline overlap, worst frame", "{:.3f}", WORST),
    "iou_with_given_masks_mean": Meaning(
        "Overlap with the given masks, mean", "{:.3f}", GIVEN_OVERLAP, "0.90 or more", lambda v: v >= 0.90
    ),
    "iou_with_given_masks_min": Meaning("Overlap with the given masks, worst frame", "{:.3f}", WORST),
    "position_rmse_m": Meaning("Position error", "{:.3f} m", POSITION, "0.10 m or less", lambda v: v <= 0.10),
    "depth_rmse_m": Meaning("Depth error", "{:.3f} m", DEPTH),
    "heading_error_deg_median": Meaning("Heading error", "{:.2f}°", HEADING, "2° or less", lambda v: v <= 2),
    "orientation_jump_deg_max": Meaning("Largest turn between frames", "{:.1f}°", TURN),
    "vertex_error_cm_mean": Meaning("Surface error", "{:.1f} cm", SURFACE),
    "length_error_pct": Meaning("Length error", "{:+.1f} %", LENGTH, "within 4 %", lambda v: abs(v) <= 4),
    "volume_error_pct": Meaning("Volume error", "{:+.1f} %", VOLUME, "within 10 %", lambda v: abs(v) <= 10),
}
QUALITY |= {
    "colour_psnr_db": Meaning(
        "Colour", "{:.1f} dB", COLOUR.format("true"), "30 dB or more", lambda v: v >= 30
    ),
    "colour_psnr_db_with_given_masks": Meaning(
        "Colour, by the given masks", "{:.1f} dB", COLOUR.format("given")
    ),
    "colour_psnr_db_still_water_with_given_masks": Meaning("Colour in still water", "{:.1f} dB", STILL),
}
COST = {
    "frames": Meaning("Frames", "{:.0f}", "Frames of the clip that were fitted."),
    "epochs": Meaning("Epochs", "{:.0f}", "How often each frame was looked at."),
    "loss_first": Meaning("Loss, first epoch", "{:.4g}", "Mean of the total over the first epoch."),
    "loss_last": Meaning("Loss, last epoch", "{:.4g}", LAST_LOSS),
    "seconds_fit": Meaning("Time to fit", "{:.1f} s", "The optimisation alone."),
    "seconds_total": Meaning("Time in all", "{:.1f} s", "Everything, from the pack to the measured result."),
    "peak_rss_mb": Meaning("Peak memory", "{:.0f} MB", "The most main memory the program held at once."),
    "recipe": Meaning("Recipe", "{}", "Which losses, weights and schedule were used."),
    "backend": Meaning("Renderer", "{}", "Which implementation of the differentiable renderer ran."),
    "device": Meaning("Device", "{}", "Where the tensors lived."),
    "seed": Meaning(
        "Seed", "{}", "The same seed on the same machine gives the same result; on a GPU, nearly the same."
    ),
}
FURTHER = {  # label and form of numbers that need no more words
    "batch_size": ("frames in each step", "{}"),
    "water_index": ("refractive index of the water", "{:.3g}"),
    "altitude_m": ("the camera's altitude above the sea, mean", "{:.2f} m"),
    "altitude_sd_m": ("how sure the altitude is (95 %)", "± {:.2g} m"),
    "fin_out_m": ("the dorsal fin's tip above the surface, mean", "{:g} m"),
    "fin_out_sd_m": ("how sure that is (95 %)", "± {:.2g} m"),
    "surfaced": ("frames in which it breaks the surface", "{}"),
    "heave_m": ("how far it rises and sinks about its mean, RMS", "{:.3f} m"),
    "heave_sd_m": ("how sure that is in a frame, by the water's colour (95 %)", "± {:.2g} m"),
    "length_m": ("length, rostrum to the tips of the flukes", "{:.3f} m"),
    "volume_m3": ("volume", "{:.4f} m³"),
    "mass_kg": ("mass", "{:.1f} kg"),
    "heading_error_deg_max": ("heading error, worst frame", "{:.1f}°"),
    "colour_psnr_db_still_water": ("colour in still water, inside the true masks", "{:.1f} dB"),
    "stored_vector_jump_deg_max": ("largest step of the stored rotation vector between frames", "{:.1f}°"),
}
SERIES_TITLES = {
    "iou": "outline overlap with the true mask (IoU)",
    "iou_with_given_mask": "outline overlap with the given mask (IoU)",
    "position_error_m": "position error (m)",
    "depth_error_m": "depth error (m)",
    "heading_error_deg": "heading error (degrees)",
    "vertex_error_cm": "surface error (cm)",
}


def build_report(out_dir, fit):
    """Writes `report.html` into `out_dir`; the page fetches nothing when it is opened. -> its path

    Raises CourseError when the arrays of `fit` do not belong together, the video cannot be read, or the file
    not written.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    _check(fit)
    out_dir = Path(out_dir)
    vectors, kind = fit.jumping_vectors
    jumps = show.orientation_jumps(vectors)
    when = np.round(fit.time_s, 3)  # as the figure has it: both say one time
    every = -(-len(fit.vertices) // VIEWER_FRAMES)
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("pages"))
    blocks = dict(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, **blocks)
    page = environment.get_template("fit_report.html.j2").render(
        fit=fit,
        headline=_rows(fit.metrics, {name: QUALITY[name] for name in HEADLINE}),
        size_rows=sizes.rows(fit.sizes),
        widest=sizes.widest(fit.sizes),
        trusted=not any(doubt.grave for doubt in fit.doubts),
        verdict=judgement.verdict(fit.doubts),
        duration=float(fit.time_s[-1] - fit.time_s[0]),
        quality=quality_rows(fit),
        cost=_rows(fit.metrics, COST),
        further=_further(fit.metrics),
        settings={
            _spaced(name): {k: _plain(v) for k, v in value.items()}
            if isinstance(value, dict)
            else _plain(value)
            for name, value in fit.settings.items()
        },
        jumps_are_stored=kind == "as stored",
        wraps=[jump for jump in jumps if jump[2] <= fit.flip],
        flips=[jump for jump in jumps if jump[2] > fit.flip],
        between=(when[1:] + when[:-1]) / 2,
        depth=_depth_in_pixels(fit),
        figures={name: _script(figure.to_json()) for name, figure in _figures(fit, every).items()},
        clock=_script(json.dumps(_clock(fit, every))),
        plotly_js=_script(get_plotlyjs()),
        written=datetime.date.today().isoformat(),
        **_video(fit.video, out_dir),
    )
    path = out_dir / "report.html"
    try:
        return write(path, page)
    except OSError as error:
        raise CourseError(f"""cannot write the report {path}: {error.strerror or error}. It needs
            {len(page) / 1e6:.0f} MB in a folder that can be written to.""") from error


def _figures(fit, every):
    """The figures of the page, {id: plotly Figure}, without titles: the page's captions are theirs."""
    colours = {}
    if fit.vertex_error_m is not None:
        error = 100 * np.asarray(fit.vertex_error_m)
        most = max(10.0, float(np.percentile(fit.vertex_error_m, 99)) * 100)
        colours = dict(intensity=error, intensity_title="cm from the truth", intensity_max=most)
    viewed = dict(every=every, time_s=fit.time_s, track=fit.translations, controls=False)
    seen = dict(truth=fit.truth_translations, resolution=fit.resolution)
    seen["altitude_m"] = fit.altitude_m if fit.outlines_picture else None
    seen["half_width"] = fit.half_width
    timed = dict(time_s=fit.time_s, heading_deg=fit.heading_deg)
    vectors, kind = fit.jumping_vectors
    turns = vectors, fit.rotvecs_continuous
    panels = {SERIES_TITLES.get(name, _spaced(name)): values for name, values in fit.per_frame.items()}
    height = {"fit": np.asarray(fit.translations)[:, 1]}
    if fit.heave_sd is not None:
        height["one deviation less"], height["more"] = (height["fit"] + k * fit.heave_sd for k in (-1, 1))
    if fit.has_truth:
        height["truth"] = np.asarray(fit.truth_translations)[:, 1]
    panels["height of the body centre, sea level is 0 (m)"] = height
    figures = {}
    if fit.sizes and fit.rest is not None:
        figures["size"] = show.size_figure(fit.rest, fit.faces, *sizes.profile(fit.sizes))
    return figures | {
        "viewer": show.mesh_viewer(fit.vertices, fit.faces, **viewed, **colours),
        "track": show.track_figure(fit.translations, **timed, **seen),
        "orientation": show.orientation_figure(
            *turns, name=kind, truth_heading_deg=fit.truth_heading_deg, **timed
        ),
        "loss": show.loss_curves(fit.history),
        "frames": _at_least_wide(show.series_over_time(panels, fit.time_s), height, len(panels)),
    }


def _at_least_wide(figure, values, row):
    """Gives the vertical axis of a panel a span under which a calm curve would look like a wild one."""
    values = np.concatenate([np.ravel(one) for one in values.values()])
    low, high = float(values.min()), float(values.max())
    if high - low >= LEAST_SPAN:
        return figure
    middle = (low + high) / 2
    return figure.update_yaxes(range=[middle - 0.6 * LEAST_SPAN, middle + 0.6 * LEAST_SPAN], row=row, col=1)


def _clock(fit, every):
    """What the page's one time slider needs: times, viewer frames, and where on the track the dolphin is."""
    x, _, z = np.round(fit.translations, 3).T.tolist()
    return dict(time=np.round(fit.time_s, 3).tolist(), every=every, x=x, z=z)


def quality_rows(fit):
    """The rows of the table of quality, with the turn that is possible at the clip's own rate."""
    most = fit.fastest_turn
    said = TURN.format(f"No dolphin turns by more than {most:.0f}° in 1/{fit.fps:.3g} s.")
    good = dict(text=said, good=f"{most:.0f}° or less", reached=lambda v: v <= most)
    name = "orientation_jump_deg_max"
    return _rows(fit.metrics, QUALITY | {name: QUALITY[name]._replace(**good)})


def told(metrics):
    """Lines on the quality of a fit, for a terminal; metrics: as metrics.json holds them."""
    return [f"{row['label']:42} {row['value']}" for row in _rows(metrics, QUALITY)]


def _rows(metrics, meanings):
    """The rows of a table: those numbers that the fit has."""
    rows = []
    for name, meaning in meanings.items():
        value = metrics.get(name)
        if value is None:
            continue
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        known = number and np.isfinite(value)
        shown = meaning.form.format(value) if known or not number else "not a number"
        if number:
            shown = shown.replace("-", "\N{MINUS SIGN}")
        reached = None if meaning.reached is None else bool(known and meaning.reached(value))
        row = dict(name=name, label=meaning.label, text=meaning.text, good=meaning.good)
        rows.append(row | dict(value=shown, reached=reached))
    return rows


def _further(metrics):
    """Numbers that have no explanation here, {words: value with its unit}."""
    shown = [f"{name}_sd_pct" for name in sizes.UNITS]  # by their intervals
    known = QUALITY | COST | dict.fromkeys(("verdict", "doubts", "size_can_be_trusted", *shown))
    found = {}
    for name, value in metrics.items():
        if name in known or value is None or sizes.is_detail(name):
            continue
        label, form = FURTHER.get(name, (_spaced(name), ""))
        value = 2 * value if name.endswith("_sd_m") else value
        found[label] = form.format(value) if form else _plain(value)
    return found


def _depth_in_pixels(fit):
    """How much smaller the animal looks 10 cm deeper: the size of what depth must be read from."""
    if fit.altitude_m is None:
        return None
    altitude = float(np.median(fit.altitude_m))
    length = float(np.ptp(np.asarray(fit.vertices[0]), axis=0)[[0, 2]].max())
    deeper = 0.1 / fit.metrics.get("water_index", 1.0)  # as it seems through the water
    pixels = length / (2 * fit.half_width * altitude) * fit.resolution[0]
    share = deeper / altitude
    return dict(altitude=altitude, percent=100 * share, pixels=pixels * share, length=pixels)


def _video(video, out_dir):
    """The video's address: its data where it is small enough, else its name beside the page."""
    if video is None:
        return dict(video_src=None, video_embedded=False)
    source = show.video_data_uri(Path(video))
    if len(source) * 0.75 <= VIDEO_LIMIT_MB * 1e6:
        return dict(video_src=source, video_embedded=True)
    return dict(video_src=Path(os.path.relpath(video, out_dir)).as_posix(), video_embedded=False)


def _spaced(name):
    return str(name).replace("_", " ")


def _plain(value):
    """A setting as a person would write it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value)
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def _script(text):
    """Marks text as safe inside <script>, where only its closing tag would end it early."""
    import markupsafe

    return markupsafe.Markup(text.replace("</", "<\\/").replace("<!--", "<\\!--"))


def _check(fit):
    """Refuses arrays that do not belong to one fit."""
    T, V = np.shape(fit.vertices)[:2] if np.ndim(fit.vertices) == 3 else (0, 0)
    expected = {"vertices": (T, V, 3), "vertex_error_m": (T, V)}
    expected |= dict.fromkeys(("heading_deg", "time_s", "truth_heading_deg"), (T,))
    vectors = (
        "translations",
        "rotvecs_stored",
        "rotvecs_shortest",
        "rotvecs_continuous",
        "truth_translations",
    )
    expected |= dict.fromkeys(vectors, (T, 3))
    given = {name: getattr(fit, name) for name in expected if getattr(fit, name) is not None}
    given |= {f"per_frame[{name!r}]": values for name, values in fit.per_frame.items()}
    wrong = []
    for name, values in given.items():
        shape, wanted = np.shape(values), expected.get(name, (T,))
        if shape != wanted or 0 in shape:
            wrong.append(f"{name} has shape {shape}, expected {wanted}")
    if wrong:
        raise CourseError("the arrays for the report do not belong together: " + "; ".join(wrong) + ".")
