"""A season's clips measured, a row for each: `dolphins measure`.

Each clip is fitted as `dolphins demo` does it, in a folder of its own under the season's. The tables are
written after each clip, so an interruption costs no more than a pass of one fit: the same command goes on.
Clips of other packs may be added later; rows that are there stay.

    OUT/sizes.csv             a row for each clip: length, volume and mass with their 95 % intervals, widths
    OUT/CLIP/                 what `dolphins demo` writes of it
    OUT/morphometrix/CLIP.csv the same lengths in the form of MorphoMetriX (Torres and Bierlich, JOSS 2020,
                              version 2): total length TL, and its width TL_w at every 5 %, counted from the
                              tip of the rostrum, to be laid beside what was measured by hand

A length is that of the straight animal, from the tip of the rostrum to the tips of the flukes: some 2.5 %
more than to the notch between them, where others end it.
"""

import contextlib
import csv
import io
import json
from collections import Counter
from pathlib import Path

from course_lib.assets import find_pack
from course_lib.errors import CourseError
from course_lib.files import write
from course_lib.photogrammetry import STATIONS

from .demo import METRICS, Interrupted, run_demo
from .sizes import UNITS, width_name

TABLE, BY_HAND = "sizes.csv", "morphometrix"
WIDTHS = [width_name(station) for station in STATIONS]
SIZES = [f"{name}_{unit}" for name, unit in UNITS.items()] + [f"{name}_m" for name in WIDTHS]
ABOUT = """frames altitude_m altitude_sd_m water_index fin_out_m fin_out_sd_m
    iou_with_given_masks_mean""".split()
COLUMNS = ["clip", "folder", "pack", "state", "remarks", *ABOUT]
COLUMNS += [f"{size}{end}" for size in SIZES for end in ("", "_low", "_high")]


def measure_all(packs, out, settings, say=print):
    """Measures every clip of some packs, and writes the tables in the folder `out`. -> rows, list of dicts

    packs: folders; settings: of the fit, arguments of `run_demo` by name. What goes wrong with a clip stands
    in its row, and the others are measured. Raises CourseError where nothing can be begun or written.
    """
    if out.exists() and not out.is_dir():
        raise CourseError(f"--out {out} is a file. Name a folder.")
    clips, rows, table = clips_of(packs, say), [], rows_of(out / TABLE)
    for name, root, clip in clips:
        rows.append(measure_one(name, root, clip, out, settings))
        table[name] = rows[-1]
        write_tables(table.values(), out)
        say(told(rows[-1]))
    return rows


def rows_of(path):
    """What an earlier run measured. -> {clip: row, of text}, in the table's order"""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {row["clip"]: row for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, csv.Error):
        raise CourseError(f"""{path} is no table that this command wrote. Move it away, or name another
            folder with --out.""") from None


def clips_of(packs, say=print):
    """The clips of packs. -> list of (a name of its own, the pack's folder, the clip)

    A folder that is no pack is said and left out, as long as there are others.
    """
    found, wrong = [], []
    for path in packs:
        try:
            root = find_pack(path).root.resolve()
        except CourseError as error:
            wrong.append(str(error))
            continue
        folders = sorted(each.name for each in (root / "data").iterdir() if each.is_dir())
        found += [(root, clip) for clip in folders if not clip.startswith(".")]
    found = list(dict.fromkeys(found))
    if wrong and not found:
        raise CourseError("\n".join(wrong))
    for error in wrong:
        say(f"Left out: {error}")
    if not found:
        raise CourseError(
            "the packs hold no clips: each needs data/CLIP/frames. Make one with: dolphins clip"
        )
    how_often = Counter(clip for _, clip in found)
    named = [(clip if how_often[clip] == 1 else f"{root.name}_{clip}", root, clip) for root, clip in found]
    if twice := sorted(name for name, n in Counter(name for name, *_ in named).items() if n > 1):
        raise CourseError(f"""{len(twice)} names are those of several clips ({", ".join(twice[:3])}). Give the
            folders of their packs names of their own.""")
    if taken := {TABLE, BY_HAND} & {name for name, *_ in named}:
        raise CourseError(f"a clip is called {taken.pop()}, as a file of the results is. Rename its folder.")
    return named


def measure_one(name, root, clip, out, settings):
    """Measures one clip, or takes what is there of it. -> its row"""
    row = {"clip": name, "pack": str(root), "folder": name}
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a table of each would hide the season's
            run_demo(root, **settings, out=out / name, resume=(out / name).exists(), clip=clip)
        figures = json.loads((out / name / METRICS).read_text())
    except Interrupted:
        raise CourseError("Interrupted. The same command goes on from here.") from None
    except CourseError as error:
        return row | {"state": "not measured", "remarks": " ".join(str(error).split())}
    trusted = "measured" if figures["size_can_be_trusted"] else "not to be trusted"
    wanted = {column: figures[column] for column in COLUMNS if column in figures and column != "clip"}
    return row | wanted | {"state": trusted, "remarks": figures["doubts"].replace("\n", " ")}


def write_tables(rows, out):
    """Writes sizes.csv, and for each clip that was measured its table in the form of MorphoMetriX."""
    try:
        (out / BY_HAND).mkdir(parents=True, exist_ok=True)
        write(out / TABLE, _csv([COLUMNS, *([_cell(row.get(c)) for c in COLUMNS] for row in rows)]))
        for row in rows:
            if isinstance(row.get("length_m"), float):  # not from an earlier run
                write(out / BY_HAND / f"{row['clip']}.csv", _csv(morphometrix(row)))
    except OSError as error:
        said = (
            f"Could not write the tables in {out}: {error.strerror}. Make room, then the same command again."
        )
        raise CourseError(said) from error


def morphometrix(row):
    """The rows of a table of MorphoMetriX 2: object, value, unit."""
    yield from (("Object", "Value", "Value_unit"), ("Image ID", row["clip"], "Metadata"))
    yield from (("Image Path", row["pack"], "Metadata"), ("Altitude", f"{row['altitude_m']:.2f}", "Metadata"))
    notes = f"dolphins measure, {row['state']}, of {row['frames']} frames; TL to the fluke tips"
    yield "Notes", "; ".join(filter(None, (notes, row["remarks"]))), "Metadata"
    yield "TL", f"{row['length_m']:.3f}", "Meters"
    for station, name in zip(STATIONS, WIDTHS):
        if f"{name}_m" in row:
            yield f"TL_w{100 * station:05.2f}", f"{row[f'{name}_m']:.3f}", "Meters"


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else value


def _csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def told(row):
    """A line of a clip, for a terminal."""
    if "length_m" not in row:
        return f"{row['clip']}: not measured. {row['remarks']}"
    between = (
        f", 95 %: {row['length_m_low']:.2f} to {row['length_m_high']:.2f}" if "length_m_low" in row else ""
    )
    doubts = f". {'' if row['state'] == 'measured' else 'NOT TO BE TRUSTED: '}{row['remarks']}"
    return f"{row['clip']}: {row['length_m']:.2f} m{between}{doubts if row['remarks'] else ''}"


def summary(rows, out):
    """The last words of the command. -> text"""
    states = Counter(row["state"] for row in rows)
    counted = ", ".join(f"{n} {state}" for state, n in states.items())
    return f"{len(rows)} clip{'s' if len(rows) != 1 else ''}: {counted}. {Path(out) / TABLE}"
