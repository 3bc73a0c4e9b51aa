"""From results.json to the tables of README.md and benchmarks/README.md."""

import functools
import statistics
from pathlib import Path

import numpy as np

from course_lib import uncertainty
from course_lib.errors import fold

from . import calibration

ROOT = Path(__file__).parents[1]

ACCURACY = {  # figure: what it is called, its unit, how it is written, what it should be
    "iou_mean": ("overlap with the true outline, mean IoU", "", ".3f", "0.90 or more"),
    "iou_min": ("the same, worst frame", "", ".3f", ""),
    "position_rmse_m": ("position error, RMS", " m", ".3f", "0.10 or less"),
    "depth_rmse_m": ("of it, depth", " m", ".3f", ""),
    "heading_error_deg_median": ("heading error, median", "°", ".2f", "2 or less"),
    "heading_error_deg_max": ("heading error, worst frame", "°", ".1f", ""),
    "orientation_jump_deg_max": ("largest turn from frame to frame", "°", ".1f", "15 or less"),
    "vertex_error_cm_mean": ("distance of surface points, mean", " cm", ".1f", ""),
    "length_error_pct": ("length error", " %", "+.1f", "within 4"),
    "volume_error_pct": ("volume error", " %", "+.1f", "within 10"),
    "colour_psnr_db": ("colour inside the true mask, PSNR", " dB", ".1f", "30 or more"),
    "colour_psnr_db_still_water": ("the same in still water", " dB", ".1f", ""),
}
COST = {
    "seconds_fit": ("the fit", " s", ".0f", "120 or less"),
    "seconds_total": ("from the clip to the report", " s", ".0f", ""),
    "processor_seconds": ("the same, seconds of processor time", " s", ".0f", ""),
    "peak_rss_mb": ("most memory", " MB", ".0f", "1500 or less"),
}
IN_README = """iou_mean position_rmse_m heading_error_deg_median orientation_jump_deg_max length_error_pct
    volume_error_pct colour_psnr_db seconds_fit peak_rss_mb""".split()
ABLATIONS = {  # figure: the column's name, how it is written
    "iou_mean": ("IoU", ".3f"),
    "iou_min": ("worst IoU", ".3f"),
    "position_rmse_m": ("position, m", ".3f"),
    "heading_error_deg_median": ("heading, °", ".2f"),
    "orientation_jump_deg_max": ("largest turn, °", ".1f"),
    "vertex_error_cm_mean": ("surface, cm", ".1f"),
    "length_error_pct": ("length, %", "+.1f"),
    "volume_error_pct": ("volume, %", "+.1f"),
    "seconds_fit": ("fit, s", ".0f"),
}
DEPTH = {
    "depth_error_m_mean": ("mean depth error, m (+: too high)", "+.3f"),
    "iou_mean": ("IoU", ".4f"),
    "iou_with_given_masks_mean": ("IoU with the given masks", ".4f"),
    "length_m": ("length, m", ".3f"),
    "length_error_pct": ("length error, %", "+.1f"),
    "volume_error_pct": ("volume error, %", "+.1f"),
}
CUES = {
    "depth_error_m_outline": ("mean depth error, m, without colours", "+.3f"),
    "depth_error_m_colour": ("with colours", "+.3f"),
    "depth_sd_m_outline": ("what is said of it, ± m, without", ".3f"),
    "depth_sd_m_colour": ("with", ".3f"),
    "heave_error_m_outline": ("error about the mean, m, without", ".3f"),
    "heave_error_m_colour": ("with", ".3f"),
    "length_error_pct_outline": ("length error, %, without", "+.2f"),
    "length_error_pct_colour": ("with", "+.2f"),
}
COLOURS = {
    "still": ("in still water, dB", ".1f"),
    "read": ("with waves, pixels that were read, dB", ".1f"),
    "kept_out": ("with waves, pixels kept out, dB", ".1f"),
}
ANIMALS = {  # figure: the column's name, how it is written
    "iou_mean": ("IoU", ".3f"),
    "iou_min": ("worst frame", ".3f"),
    "length_error_pct": ("length, %", "+.1f"),
    "volume_error_pct": ("volume, %", "+.1f"),
    "widths_error_pct": ("widths, %", ".1f"),
    "stock_error_pct": ("tail stock, %", "+.1f"),
}
SEAS = {
    "group": ("looked at while made", ""),
    "iou_once_mean": ("after the first round", ".3f"),
    "iou_seen_mean": ("IoU with what is seen, mean", ".3f"),
    "iou_seen_min": ("worst", ".2f"),
    "iou_first": ("first frame", ".2f"),
    "iou_true_mean": ("IoU with what is there", ".3f"),
    "iou_of_seen_with_true": ("seen with there", ".3f"),
    "area_pct": ("area, %", "+.0f"),
    "bad_frames": ("frames below 0.6", "d"),
    "bad_and_said": ("of these called doubtful", "d"),
    "ranked": ("pairs of a frame below 0.7 and one above whose confidence says which", ".2f"),
    "ms_per_frame": ("ms a frame", ".0f"),
    "ms_per_frame_again": ("ms of the second round", ".0f"),
}
KERNELS = {  # figure, after the backend's name: the column's name
    "forward ms": "forward, ms",
    "backward ms": "backward, ms",
    "ms": "both, ms",
    "processor ms": "processor ms",
}
RECIPES = ["", "default recipe", "tutorial's recipe"]
ISSUE_KERNEL = "full frame, dibr mask"


def table(header, rows):
    """Markdown: the first column is left-aligned, the others right. rows: lists of cells."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def page(section, *parts):
    """What is written of a section: when and on what it was measured, tables, notes."""
    on = section["machine"]
    measured = fold(f"""Measured on {section["measured"]}: {on["processor"]}, {on["cores"]} cores,
        {on["system"]}, Python {on["python"]}, torch {on["torch"]}, numba {on["numba"]}, {on["threads"]}
        threads; load of the machine before: {on["load_before"]}.""")
    return "\n\n".join([measured, *parts])


def spread(values, form, unit=""):
    """The median of several runs, and the least and the most if there is a difference."""
    text = f"{statistics.median(values):{form}}{unit}"
    least, most = f"{min(values):{form}}", f"{max(values):{form}}"
    return text if least == most else f"{text} ({least} to {most})"


def compared(figures, names):
    """Rows of the figures `names`: label, default recipe, tutorial's recipe; older results have not all."""
    rows = []
    for name in names:
        if name not in figures["default"]:
            continue
        label, unit, form, _ = (ACCURACY | COST)[name]
        values = [figures[recipe][name] for recipe in ("default", "tutorial")]
        lists = [value if isinstance(value, list) else [value] for value in values]
        rows.append([label, *(spread(several, form, unit) for several in lists)])
    return rows


def fits_table(section):
    """Accuracy and cost of both recipes, and what is wanted."""
    figures, wanted = section["figures"], ACCURACY | COST
    goals = [goal for name, (*_, goal) in wanted.items() if name in figures["default"]]
    rows = [[*row, goal] for row, goal in zip(compared(figures, wanted), goals)]
    one = figures["default"]
    difference = max(recipe["largest_difference_between_runs"] for recipe in figures.values())
    note = fold(f"""{one["frames"]} frames, {one["epochs"]} epochs, batches of {one["batch_size"]};
        {one["runs"]} runs of each recipe by turns, each in its own process; times and memory are medians
        (least to most). The other figures differ between the runs by at most {difference:.1g}.""")
    return page(section, table([*RECIPES, "wanted of the default"], rows), note)


def other_table(section):
    """Accuracy of both recipes on another clip."""
    return page(section, table(RECIPES, compared(section["figures"], ACCURACY)))


def kernels_table(section):
    """Times of the kernels, by size and mask, against the reference."""
    figures, rows = section["figures"], []
    for setting in dict.fromkeys(name.split(": ")[0] for name in figures if ": " in name):
        of = {name.split(": ")[1]: value for name, value in figures.items() if name.startswith(setting + ":")}
        backend = next(name.removesuffix(" forward ms") for name in of if name.endswith(" forward ms"))
        compared_to = [f"{of[name]:.0f}" if name in of else "" for name in ("torch ms", f"torch / {backend}")]
        rows.append([setting, *(f"{of[f'{backend} {part}']:.1f}" for part in KERNELS), *compared_to])
    first = [f"{name}: {value:.1f}." for name, value in figures.items() if name.startswith("first use")]
    header = ["7 frames of 4,000 faces", *KERNELS.values(), "torch reference, ms", "times faster"]
    return page(section, table(header, rows), *([" ".join(first)] if first else []))


def steps_table(section):
    """Stages of a step, and the step."""
    figures = section["figures"]
    columns = [name for name in next(iter(figures.values())) if name not in ("step", "steps")] + ["step"]
    rows = [[name, *(f"{of[column]:.1f}" for column in columns)] for name, of in figures.items()]
    return page(section, table(["ms of a step of 7 frames", *columns], rows))


def scaling_table(section):
    """What a frame costs, against the number of frames and their size."""
    figures, rows, base = section["figures"], [], {}
    for name, of in figures.items():
        times = of["ms_per_frame"] / base.setdefault(group(name), of["ms_per_frame"])
        range_ = f"{of['least']:.2f} to {of['most']:.2f}"
        rows.append([name, f"{of['ms_per_frame']:.2f}", range_, f"{times:.2f}"])
    header = ["", "ms per frame and pass", "least to most", "against the first of its kind"]
    return page(section, table(header, rows))


def group(name):
    """Rows of the scaling table that are compared with each other: the same recipe and crop, another size."""
    parts = name.split("; ")
    return (parts[0], "frames") if parts[-1].endswith("frames") else tuple(parts[:-1])


def grading_table(section):
    """Grading against nbgrader's, and what it costs beside the submissions as the class grows."""
    of, sizes = section["figures"]["throughput"], section["figures"]["size"]
    rows, simulated, before = [], [], None
    for name in ("nbgrader autograde", "dolphins grade"):
        middle = statistics.median(of[name])
        seconds = f"{middle:.0f} ({min(of[name]):.0f} to {max(of[name]):.0f})"
        rows.append([name, seconds, f"{middle / of['students']:.1f}"])
    for size, figures in sizes.items():
        beyond, further = figures["seconds"] - figures["work"], ""
        if before:  # the start is in the smallest class's
            further = f"{1000 * (beyond - before[1]) / (int(size) - before[0]):.0f}"
        seconds = [f"{value:.1f}" for value in (figures["seconds"], figures["work"], beyond)]
        simulated.append([size, *seconds, further, figures["memory_mb"]])
        before = int(size), beyond
    note = fold(f"""{of["ratio"]:.1f} times as fast; of one submission, in its worker, the median takes
        {statistics.median(of["seconds_of_each"]):.1f} s.""")
    header = ["simulated class", "seconds", "the submissions' own", "beyond these"]
    header += ["ms for each further submission", "grading process, MB"]
    ours = table([f"class of {of['students']}", "seconds", "per submission"], rows)
    return page(section, ours, note, table(header, simulated))


def reading_table(section):
    """Seconds of the worst files, by their size."""
    of = section["figures"]
    rows = [
        [what, *("refused" if value is None else f"{value:.2f}" for value in seconds)]
        for what, seconds in of["files"].items()
    ]
    header = ["seconds to read", *(f"{size} MB" for size in of["megabytes"])]
    return page(section, table(header, rows))


def import_table(section):
    """Seconds of imports."""
    rows = [[what, f"{seconds:.2f}"] for what, seconds in section["figures"].items()]
    return page(section, table(["import of", "seconds"], rows))


def variants_table(section, columns, first):
    """A row for each variant. columns: figure -> (name, form); first: name of the first column.

    What was not measured yet when the section was measured has no column.
    """
    columns = {c: about for c, about in columns.items() if all(c in of for of in section["figures"].values())}
    rows = []
    for name, of in section["figures"].items():
        found = [(of[column], form) for column, (_, form) in columns.items()]
        rows.append([name, *("" if value is None else f"{value:{form}}" for value, form in found)])
    return page(section, table([first, *(label for label, _ in columns.values())], rows))


def intervals_table(section):
    """How often the intervals hold the truth, and whether they are wider than they need be."""
    figures, rows = section["figures"], []
    widths = [name for name in figures["numbers"] if name.startswith("width")]
    of = {name: [name] for name in calibration.SIZES}
    of[f"widths, {len(widths)} of each animal"] = widths
    for label, names in of.items():
        found = [calibration.errors(figures, name) for name in names]
        off, half = (np.concatenate(values) for values in zip(*found))
        aside = np.concatenate([calibration.errors(figures, name, aside=True)[0] for name in names])
        needed = np.quantile(np.abs(off), 0.95)
        held = np.abs(off) <= half
        cells = [f"{held.sum()} of {held.size}", f"{100 * held.mean():.0f} %", f"± {100 * half.mean():.1f} %"]
        cells += [f"± {100 * needed:.1f} %", f"{half.mean() / needed:.2f}"]
        cells += [f"{100 * np.median(np.abs(off)):.1f} %", f"{100 * np.median(np.abs(aside)):.1f} %"]
        rows.append([label, *cells, f"{100 * off.mean():+.1f} %"])
    header = ["", "hold the truth", "a share of", "95 % interval, mean", "needed", "wider than that, times"]
    header += ["error, median", "the altitude's bias aside", "error, mean"]
    note = fold(f"""{figures["clips"]} clips of {figures["frames"]} frames, {figures["epochs"]} passes; of
        one, in the median, the fit took {figures["seconds_fit"]:.1f} s and the intervals
        {figures["seconds_intervals"]:.1f} s. Overlap of the masks with the true ones:
        {calibration.numbers(figures["masks"]).mean():.3f}.""")
    more = [sources_table(figures), ellipses_table(figures)]
    if "shift" in figures:
        made = calibration.parts_of_volume(figures)
        rows_made = [[what, f"{100 * rms:.1f} %"] for what, rms in made.items()]
        more.insert(1, table(["what made the volume's errors", "RMS"], rows_made))
    return page(section, table(header, rows), note, *more)


def sources_table(figures):
    """What each unknown contributes to the intervals, on average."""
    rows = []
    for source in uncertainty.SOURCES:
        sds = [figures["by"][name][source] for name in calibration.SIZES]
        if any(sds):
            rows.append(
                [uncertainty.SOURCES[source], *(f"± {100 * uncertainty.IN_95 * sd:.1f} %" for sd in sds)]
            )
    return table(["by itself it would be", *calibration.SIZES], rows)


def _off(found, truth):
    """Logarithms of found over truth, both as they are written. -> (N,)"""
    return np.log(calibration.numbers(found) / calibration.numbers(truth))


def ellipses_table(figures):
    """The fit against ellipses over one frame."""
    rows = []
    for name, elliptical in figures["elliptical"].items():
        ours = np.abs(calibration.errors(figures, name)[0])
        theirs = np.abs(_off(elliptical, figures["numbers"][name]["truth"]))
        nearer = f"{(ours < theirs).sum()} of {ours.size}"
        medians = [f"{100 * np.median(values):.1f} %" for values in (ours, theirs)]
        rows.append([name, *medians, nearer])
    return table(
        ["", "error of the fit, median", "of the elliptical model", "the fit is nearer, clips"], rows
    )


def animals_table(section):
    """Each animal and each way of fitting it, those the recipe was chosen with first; and the means."""
    figures, rows = section["figures"], []
    variants = [name for name in next(iter(figures.values())) if name != "chosen_with"]
    for chosen in (True, False):
        group = {animal: of for animal, of in figures.items() if of["chosen_with"] is chosen}
        for animal, of in group.items():
            for variant in variants:
                cells = [
                    f"{of[variant][c]:{form}}" if c in of[variant] else "" for c, (_, form) in ANIMALS.items()
                ]
                masks = f"{of[variant]['given_iou']:.3f}"
                rows.append(
                    [animal, variant, masks, *cells] if variant == variants[0] else ["", variant, "", *cells]
                )
        for variant in variants if group else ():
            several = [of[variant] for of in group.values()]
            cells = [mean_of(several, column, form.strip("+")) for column, (_, form) in ANIMALS.items()]
            which = "**chosen with these, mean**" if chosen else "**never looked at, mean**"
            rows.append([which if variant == variants[0] else "", variant, "", *cells])
    header = ["animal", "fit", "IoU of the masks", *(label for label, _ in ANIMALS.values())]
    return page(section, table(header, rows))


def mean_of(several, column, form):
    """The mean size of a figure over those that have it."""
    values = [abs(figures[column]) for figures in several if column in figures]
    return f"{statistics.fmean(values):{form}}" if values else ""


def readme_table(results):
    """The small table of README.md: both recipes, and what does not depend on the recipe in a sentence."""
    kernel, scaling = results["kernels"]["figures"], results["scaling"]["figures"]
    wide = [of["ms_per_frame"] for name, of in scaling.items() if name.startswith("default; crop")]
    per_frame = [of["ms_per_frame"] for name, of in scaling.items() if group(name) == ("default", "frames")]
    on = results["fits"]["machine"]
    sentence = fold(f"""On {on["cores"]} cores ({on["processor"]}). Rendering features and soft mask of 7
        frames, forward and backward, takes {kernel[f"{ISSUE_KERNEL}: numba ms"]:.0f} ms,
        {kernel[f"{ISSUE_KERNEL}: torch / numba"]:.0f} times less than the readable torch version. Cost grows
        with the frames alone: {per_frame[0]:.1f} ms per frame and pass with 50 frames, {per_frame[-1]:.1f}
        with 200; at 1280 x 720, with the dolphin as large in pixels, it is {wide[1] / wide[0]:.2f} times that
        at 640 x 360. Importing `course_lib` takes {list(results["import"]["figures"].values())[1]:.1f} s
        beyond torch's own.""")
    return table(RECIPES, compared(results["fits"]["figures"], IN_README)) + "\n\n" + sentence


TABLES = {
    "fits": fits_table,
    "other": other_table,
    "ablations": functools.partial(variants_table, columns=ABLATIONS, first=""),
    "intervals": intervals_table,
    "colours": functools.partial(variants_table, columns=COLOURS, first="cells of the light's grid"),
    "animals": animals_table,
    "seas": functools.partial(variants_table, columns=SEAS, first="sea"),
    "depth": functools.partial(variants_table, columns=DEPTH, first="assumed depth moved by"),
    "cues": functools.partial(variants_table, columns=CUES, first="what was said, and seen"),
    "kernels": kernels_table,
    "steps": steps_table,
    "scaling": scaling_table,
    "grading": grading_table,
    "reading": reading_table,
    "import": import_table,
}


def replace_between(text, name, content):
    """Puts `content` between the lines <!-- name --> and <!-- /name -->."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(end) < text.index(start):
        raise ValueError(f"expected one line {start.strip()} and one line {end} after it")
    before, rest = text.split(start)
    return before + start + content + "\n" + end + rest.split(end)[1]


def pages(results, root=ROOT):
    """Both pages with the tables of what was measured. -> {path: text}"""
    measured, readme = root / "benchmarks" / "README.md", root / "README.md"
    text = measured.read_text()
    for name, write_table in TABLES.items():
        if name in results:
            text = replace_between(text, name, write_table(results[name]))
    found = {measured: text}
    if {"fits", "kernels", "scaling", "import"} <= set(results):
        found[readme] = replace_between(readme.read_text(), "results", readme_table(results))
    return found


def write(results, root=ROOT):
    """Writes both pages."""
    for path, text in pages(results, root).items():
        path.write_text(text)
