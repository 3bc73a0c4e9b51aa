"""Measure what README.md and benchmarks/README.md state, and write their tables: `make bench`, or

python -m benchmarks                    everything; about an hour on two cores
python -m benchmarks kernels import     only these sections; the others stay as they were measured before
python -m benchmarks --tables           only draw up tables and pictures again, from results.json
python -m benchmarks --quick fits       to try the programs: tiny sizes, prints its tables and writes nothing
"""

import argparse
import datetime
import functools
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from course_lib.assets import find_pack
from course_lib.machine import version_of

from . import animals, calibration, colours, fits, grading, kernels, pictures, reading, seas, steps, tables

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"

EVERY_MODULE = """
import pkgutil, importlib, course_lib
for module in pkgutil.walk_packages(course_lib.__path__, 'course_lib.'):
    if not module.name.endswith(('.compiled', '.kaolin_backend')): importlib.import_module(module.name)
"""
IMPORTS = {  # what is timed: statements, after `import torch` and `import numpy`
    "every module of course_lib but the compiled kernels": EVERY_MODULE,
    "solutions.recipes, and course_lib with it": "import solutions.recipes",
    "the compiled kernels, at the first render": "import course_lib.kal.dibr.compiled",
}
TIMED = """
import time; a = time.perf_counter(); import torch, numpy; b = time.perf_counter()
{}
print(b - a, time.perf_counter() - b)
"""


def measure_imports(repeats=5):
    """Seconds of imports in new processes: torch's own, and beyond it. -> {what: seconds}, medians"""
    times = {}
    for _ in range(repeats):
        for what, statements in IMPORTS.items():
            command = [sys.executable, "-c", TIMED.format(statements)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            of_torch, beyond = map(float, done.stdout.split())
            times.setdefault("torch and numpy themselves", []).append(of_torch)
            times.setdefault(what, []).append(beyond)
    return {what: round(statistics.median(seconds), 3) for what, seconds in times.items()}


SECTIONS = {  # name: how it is measured; what --quick gives it
    "kernels": (kernels.measure, dict(repeats=2, reference_repeats=1, cold=False)),
    "steps": (steps.measure_steps, dict(frames=14, rounds=1, torch_frames=7)),
    "scaling": (steps.measure_scaling, dict(counts=(7, 14), wide_frames=7, epochs=3, rounds=1)),
    "grading": (grading.measure, dict(students=4, rounds=1, sizes=(4, 40))),
    "reading": (reading.measure, dict(sizes=(1, 2))),
    "import": (measure_imports, dict(repeats=1)),
    "fits": (fits.measure_fits, dict(frames=14, epochs=3, runs=1)),
    "other": (fits.measure_other, dict(frames=14, epochs=3)),
    "colours": (colours.measure_colours, dict(frames=14)),
    "seas": (seas.measure, dict(frames=4, seas=("sand and weed",))),
    "animals": (animals.measure, dict(animals=("stout",), epochs=3)),
    "depth": (functools.partial(fits.measure_variants, fits.DEPTHS), dict(frames=14, epochs=3)),
    "cues": (fits.measure_cues, dict(epochs=2)),
    "intervals": (calibration.measure_calibration, dict(clips=2, epochs=3)),
    "ablations": (functools.partial(fits.measure_variants, fits.ABLATIONS), dict(frames=14, epochs=3)),
}


def machine():
    """What this runs on: a flat dict for results.json."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version_of(name) for name in ("torch", "numpy", "numba")},
        "load_before": round(os.getloadavg()[0], 2),
    }


def processor():
    """The processor's name, as the system says it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def clip_fingerprint():
    """Which template and clip a section was measured on."""
    return hashlib.sha256(find_pack().manifest_path.read_bytes()).hexdigest()[:12]


def record(name, quick=False):
    """Measures one section. -> what results.json holds of it"""
    measure, tiny = SECTIONS[name]
    about = {"measured": datetime.date.today().isoformat(), "clip": clip_fingerprint(), "machine": machine()}
    return about | {"figures": measure(**tiny) if quick else measure()}


def parsed(arguments):
    """The options, with the sections to be measured."""
    style = dict(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, **style)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; write nothing")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.sections) - set(SECTIONS)):
        parser.error(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    wanted = [] if options.tables else options.sections or SECTIONS
    options.sections = [name for name in SECTIONS if name in wanted]
    return options


def main(arguments=None):
    """The command line."""
    options = parsed(arguments)
    if options.quick:
        for name in options.sections:
            print(f"\n{tables.TABLES[name](record(name, quick=True))}", flush=True)
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in options.sections:
        print(f"measuring: {name}", flush=True)
        results[name] = record(name)
        # What is measured is kept if the next one is interrupted.
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(f"\n{tables.TABLES[name](results[name])}\n", flush=True)
        tables.write(results)
    tables.write(results)
    pictures.write(results, ROOT / "benchmarks" / "pictures")
    if old := [name for name, section in results.items() if section["clip"] != clip_fingerprint()]:
        names = ", ".join(old)
        print(f"Measured on another template or clip than the present one: {names}. Measure these again.")


if __name__ == "__main__":
    main()
