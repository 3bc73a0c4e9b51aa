"""From results.json to the tables of README.md and benchmarks/README.md."""

import statistics
from pathlib import Path

from course_lib.errors import fold

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
}
COST = {
    "seconds_fit": ("the fit", " s", ".0f", "120 or less"),
    "seconds_total": ("from the clip to the report", " s", ".0f", ""),
    "processor_seconds": ("the same, seconds of processor time", " s", ".0f", ""),
    "peak_rss_mb": ("most memory", " MB", ".0f", "1500 or less"),
}
IN_README = (
    "iou_mean",
    "position_rmse_m",
    "heading_error_deg_median",
    "orientation_jump_deg_max",
    "length_error_pct",
    "volume_error_pct",
    "seconds_fit",
    "peak_rss_mb",
)
ISSUE_KERNEL = "full frame, dibr mask"


def table(header, rows):
    """Markdown. header: list of names; rows: lists of text, the first column left-aligned, the others
    right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def measured(section):
    """The line above a table: when and on what."""
    on = section["machine"]
    return fold(f"""Measured on {section["measured"]}: {on["processor"]}, {on["cores"]} cores, {on["system"]},
        Python {on["python"]}, torch {on["torch"]}, numba {on["numba"]}, {on["threads"]} threads; load of the
        machine before: {on["load_before"]}.""")


def middle(value):
    return statistics.median(value) if isinstance(value, list) else value


def written(name, value):
    """A figure with its unit; of several runs the median, and the least and the most if there is a
    difference."""
    _, unit, form, _ = (ACCURACY | COST)[name]
    text = f"{middle(value):{form}}{unit}"
    if isinstance(value, list) and f"{min(value):{form}}" != f"{max(value):{form}}":
        text += f" ({min(value):{form}} to {max(value):{form}})"
    return text


def fits_table(section):
    figures = section["figures"]
    rows = [
        [label, *(written(name, figures[recipe][name]) for recipe in ("default", "tutorial")), goal]
        for name, (label, _, _, goal) in (ACCURACY | COST).items()
    ]
    runs, spread = (
        figures["default"]["runs"],
        max(recipe["largest_difference_between_runs"] for recipe in figures.values()),
    )
    size = fold(f"""{figures["default"]["frames"]} frames, {figures["default"]["epochs"]} epochs, batches of
        {figures["default"]["batch_size"]}""")
    note = fold(f"""{size}; {runs} runs of each recipe by turns, each in its own process; times and memory are
        medians (least to most). The other figures differ between the runs by at most {spread:.1g}.""")
    return "\n\n".join(
        [
            measured(section),
            table(["", "default recipe", "tutorial's recipe", "wanted of the default"], rows),
            note,
        ]
    )


def other_table(section):
    """Accuracy of both recipes on another clip."""
    figures = section["figures"]
    rows = [
        [label, *(written(name, figures[recipe][name]) for recipe in ("default", "tutorial"))]
        for name, (label, _, _, _) in ACCURACY.items()
    ]
    return "\n\n".join([measured(section), table(["", "default recipe", "tutorial's recipe"], rows)])


def kernels_table(section):
    figures = section["figures"]
    rows = []
    for setting in dict.fromkeys(name.split(": ")[0] for name in figures if ": " in name):
        of = {name.split(": ")[1]: value for name, value in figures.items() if name.startswith(setting + ":")}
        backend = next(name.removesuffix(" forward ms") for name in of if name.endswith(" forward ms"))
        ratio, reference = of.get(f"torch / {backend}"), of.get("torch ms")
        rows.append(
            [
                setting,
                *(
                    f"{of[f'{backend} {part}']:.1f}"
                    for part in ("forward ms", "backward ms", "ms", "processor ms")
                ),
                "" if reference is None else f"{reference:.0f}",
                "" if ratio is None else f"{ratio:.0f}",
            ]
        )
    first = [f"{name}: {value:.1f}." for name, value in figures.items() if name.startswith("first use")]
    header = [
        "7 frames of 4,000 faces",
        "forward, ms",
        "backward, ms",
        "both, ms",
        "processor ms",
        "torch reference, ms",
        "times faster",
    ]
    return "\n\n".join([measured(section), table(header, rows), *([" ".join(first)] if first else [])])


def steps_table(section):
    figures = section["figures"]
    columns = [name for name in next(iter(figures.values())) if name not in ("step", "steps")]
    rows = [
        [name, *(f"{of[column]:.1f}" for column in columns), f"{of['step']:.1f}"]
        for name, of in figures.items()
    ]
    return "\n\n".join([measured(section), table(["ms of a step of 7 frames", *columns, "step"], rows)])


def scaling_table(section):
    figures = section["figures"]
    rows = []
    for name, of in figures.items():
        base = next(figures[other]["ms_per_frame"] for other in figures if group(other) == group(name))
        rows.append(
            [
                name,
                f"{of['ms_per_frame']:.2f}",
                f"{of['least']:.2f} to {of['most']:.2f}",
                f"{of['ms_per_frame'] / base:.2f}",
            ]
        )
    header = ["", "ms per frame and pass", "least to most", "against the first of its kind"]
    return "\n\n".join([measured(section), table(header, rows)])


def group(name):
    """Rows of the scaling table that are compared with each other: the same recipe and crop, another size."""
    parts = name.split("; ")
    return (parts[0], "frames") if parts[-1].endswith("frames") else tuple(parts[:-1])


def grading_table(section):
    of, sizes = section["figures"]["throughput"], section["figures"]["size"]
    rows = [
        [
            name,
            f"{statistics.median(of[name]):.0f} ({min(of[name]):.0f} to {max(of[name]):.0f})",
            f"{statistics.median(of[name]) / of['students']:.1f}",
        ]
        for name in ("nbgrader autograde", "dolphins grade")
    ]
    simulated, before = [], (0, 0)
    for size, s in sizes.items():
        beyond = s["seconds"] - s["work"]
        further = (
            1000 * (beyond - before[1]) / (int(size) - before[0])
        )  # the start is in the smallest class's
        simulated.append(
            [
                size,
                f"{s['seconds']:.1f}",
                f"{s['work']:.1f}",
                f"{beyond:.1f}",
                f"{further:.0f}" if before[0] else "",
                s["memory_mb"],
            ]
        )
        before = int(size), beyond
    return "\n\n".join(
        [
            measured(section),
            table([f"class of {of['students']}", "seconds", "per submission"], rows),
            f"{of['ratio']:.1f} times as fast; of one submission, in its worker, "
            f"the median takes {statistics.median(of['seconds_of_each']):.1f} s.",
            table(
                [
                    "simulated class",
                    "seconds",
                    "the submissions' own",
                    "beyond these",
                    "ms for each further submission",
                    "grading process, MB",
                ],
                simulated,
            ),
        ]
    )


def import_table(section):
    rows = [[what, f"{seconds:.2f}"] for what, seconds in section["figures"].items()]
    return "\n\n".join([measured(section), table(["import of", "seconds"], rows)])


def variants_table(section, columns, first):
    rows = [
        [name, *(f"{of[column]:{form}}" for column, (_, form) in columns.items())]
        for name, of in section["figures"].items()
    ]
    return "\n\n".join([measured(section), table([first, *(label for label, _ in columns.values())], rows)])


def ablations_table(section):
    columns = {
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
    return variants_table(section, columns, "")


def depth_table(section):
    columns = {
        "depth_error_m_mean": ("mean depth error, m (+: too high)", "+.3f"),
        "iou_mean": ("IoU", ".4f"),
        "iou_with_given_masks_mean": ("IoU with the given masks", ".4f"),
        "length_m": ("length, m", ".3f"),
        "length_error_pct": ("length error, %", "+.1f"),
        "volume_error_pct": ("volume error, %", "+.1f"),
    }
    return variants_table(section, columns, "assumed depth moved by")


def readme_table(results):
    """The small table of README.md: both recipes, and what does not depend on the recipe in a sentence."""
    fits = results["fits"]["figures"]
    rows = [
        [
            (ACCURACY | COST)[name][0],
            *(written(name, fits[recipe][name]) for recipe in ("default", "tutorial")),
        ]
        for name in IN_README
    ]
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
    return table(["", "default recipe", "tutorial's recipe"], rows) + "\n\n" + sentence


TABLES = {
    "fits": fits_table,
    "other": other_table,
    "ablations": ablations_table,
    "depth": depth_table,
    "kernels": kernels_table,
    "steps": steps_table,
    "scaling": scaling_table,
    "grading": grading_table,
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
    page, readme = root / "benchmarks" / "README.md", root / "README.md"
    text = page.read_text()
    for name, write_table in TABLES.items():
        if name in results:
            text = replace_between(text, name, write_table(results[name]))
    found = {page: text}
    if {"fits", "kernels", "scaling", "import"} <= set(results):
        found[readme] = replace_between(readme.read_text(), "results", readme_table(results))
    return found


def write(results, root=ROOT):
    for path, text in pages(results, root).items():
        path.write_text(text)
