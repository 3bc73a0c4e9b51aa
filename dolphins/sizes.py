"""The size of the fitted animal with its 95 % intervals: for a page, a file, a terminal."""

from course_lib.photogrammetry import STATIONS, body_edges, body_spans
from course_lib.uncertainty import IN_95, SOURCES, beliefs_about, intervals
from solutions.results import body_length, body_mass, mesh_volume

BELIEFS = {  # what each error of `Beliefs` is of, and how it is written
    "altitude_m": ("the altitude", "{:g} m"),
    "focal": ("the camera's focal length over its sensor", "{:.1%}"),
    "depth_m": ("how far the fin's tip is out of the water", "{:g} m"),
    "fin_m": ("the fin's height on the animal", "{:g} m"),
    "tilt_deg": ("the camera's tilt", "{:g}°"),
    "noise_px": ("the outline, from place to place and frame to frame", "{:g} pixels"),
    "fixed_px": ("the outline at one place, the same in all frames", "{:g} pixels"),
    "bias_px": ("the outline, the same all around", "{:g} pixels"),
    "beat_deg": ("the beat of tail stock and flukes beyond the fit", "{:g}°"),
    "roll_deg": ("the roll of the body beyond the fit", "{:g}°"),
    "girth": ("width and height at one place of the body", "{:.1%}"),
    "height": ("the body's height over its width", "{:.1%}"),
    "size": ("an animal's size among its kind", "{:.1%}"),
    "part": ("a part's width, height or length", "{:.1%}"),
    "modes": ("the model's modes of form", "{:g} of what is usual"),
    "density": ("the animal's density", "{:.1%}"),
}
UNITS = {"length": "m", "volume": "m3", "mass": "kg"}
FORMS = {"length": "{:.2f} m", "volume": "{:.3f} m³", "mass": "{:.0f} kg"}


def width_name(station):
    """What the width at a share of the length is called: "width_05" at 5 %."""
    return f"width_{round(100 * station):02d}"


def sizes(scene, dataset, recipe):
    """-> {"length", "volume", "mass", "width_05", ...: Interval}; {} for a recipe that has no intervals.

    scene: fitted with the class `recipe`.
    """
    if not hasattr(recipe, "held_by"):
        return {}
    edges, faces = body_edges(scene.model), scene.model.F

    def measure(rest):
        spans = body_spans(rest.cpu().numpy(), edges)
        found = {"length": float(body_length(rest)), "volume": abs(float(mesh_volume(rest, faces)))}
        return found | {width_name(s): float(span) for s, span in zip(STATIONS, spans)}

    beliefs = beliefs_about(dataset.known, dataset.masks, dataset.confidence)
    found = intervals(scene, dataset, recipe.held_by(dataset.known), measure, beliefs)
    found["mass"] = found["volume"].times(float(body_mass(1.0)), density=beliefs.density)
    return {name: one for name, one in found.items() if one.median > 0}  # where there is no body, no width


def to_figures(found):
    """The intervals as a flat dict of numbers, for metrics.json.

    length_m_low, length_m_high, length_sd_pct and, for each source, length_sd_pct_altitude and so on; widths
    have their median, low and high.
    """
    figures = {}
    for name, one in found.items():
        key = f"{name}_{UNITS.get(name, 'm')}"
        if name not in UNITS:
            figures[key] = one.median
        figures |= {f"{key}_low": one.low, f"{key}_high": one.high}
        if name in UNITS:
            figures[f"{name}_sd_pct"] = 100 * one.sd
            figures |= {f"{name}_sd_pct_{source}": 100 * sd for source, sd in one.sources.items()}
    return figures


def is_detail(name):
    """Whether a figure of metrics.json is one of many on widths and sources, which a terminal leaves out."""
    return name.startswith("width_") or "_sd_pct_" in name or name.endswith(("_low", "_high"))


def told(figures):
    """A line for length, volume and mass each, with what makes the interval wide, for a terminal.

    figures: as metrics.json holds them.
    """
    lines = []
    for name, form in FORMS.items():
        key = f"{name}_{UNITS[name]}"
        if f"{key}_low" not in figures:
            continue
        low, high = (form.format(figures[f"{key}_{end}"]) for end in ("low", "high"))
        sd = figures[f"{name}_sd_pct"]
        by = {
            source: figures[f"{name}_sd_pct_{source}"]
            for source in SOURCES
            if f"{name}_sd_pct_{source}" in figures
        }
        by = sorted(by.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{source} {IN_95 * one:.1f}" for source, one in by if one > 0.1 * sd)
        value = form.format(figures[key])
        ends = _percents(*(figures[f"{key}{end}"] for end in ("", "_low", "_high")))
        lines.append(f"{name:7} {value:>8}, 95 %: {low.split()[0]} to {high} ({ends}; by itself ± {shares})")
    return lines


def _percents(median, low, high):
    """The ends of an interval, which are not even, as "-4.2 to +4.4 %"."""
    return " to ".join(f"{100 * (end / median - 1):+.1f}" for end in (low, high)) + " %"


def rows(found):
    """What a page's tables show. -> rows of numbers, rows of sources (name, words, ± % of each number)"""
    numbers = []
    for name, form in FORMS.items():
        if name in found:
            one = found[name]
            ends = " to ".join(form.format(end) for end in (one.low, one.high))
            numbers.append(
                dict(
                    name=name,
                    value=form.format(one.median),
                    interval=ends,
                    percents=_percents(one.median, one.low, one.high),
                )
            )
    sources = []
    for source, words in SOURCES.items():
        percents = [100 * IN_95 * found[row["name"]].sources.get(source, 0.0) for row in numbers]
        if any(percents):
            sources.append(dict(name=source, words=words, percents=percents))
    return numbers, sorted(sources, key=lambda source: -source["percents"][0])


def widest(found):
    """What makes the interval of the length widest, the largest first. -> list of (words, ± %)"""
    if "length" not in found:
        return []
    one = found["length"]
    large = [(SOURCES[name], 100 * IN_95 * sd) for name, sd in one.sources.items() if sd > 0.3 * one.sd]
    return sorted(large, key=lambda source: -source[1])


def believed(dataset):
    """The errors that were taken for granted, ± with the probability of 95 %, for a page: {words: text}"""
    beliefs = beliefs_about(dataset.known, dataset.masks, dataset.confidence)
    errors = {name: float(f"{2 * getattr(beliefs, name):.2g}") for name in BELIEFS}
    return {
        words: "± " + form.format(errors[name]).replace("%", " %") for name, (words, form) in BELIEFS.items()
    }


def profile(found):
    """The widths along the body. -> stations, widths, low, high: four lists"""
    there = [station for station in STATIONS if width_name(station) in found]
    ones = [found[width_name(station)] for station in there]
    return there, [one.median for one in ones], [one.low for one in ones], [one.high for one in ones]
