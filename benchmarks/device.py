"""Whether the course is right on a GPU, and how fast, against the CPU of the same machine in the same run.

python -m benchmarks.device                                              a quarter of an hour at most
python tests/device/stand_in.py -m benchmarks.device --quick             to try the program without a GPU

Prints a table, and what went wrong under it; ends with 1 if anything did. An experiment of its own, as few
machines have a GPU: `python -m benchmarks` does without it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import torch

from autograder import release
from autograder.records import records_of
from course_lib.assets import find_pack
from course_lib.video import SegmentedVideo

from .fits import ENVIRONMENT, ROOT, run_demo
from .grading import NAME, class_of, seconds_of
from .tables import table

STAND_IN = ROOT / "tests" / "device" / "stand_in.py"
BATCH = 7  # frames of a step of `dolphins demo`
SAME = "iou_mean", "position_rmse_m", "heading_error_deg_median", "length_error_pct", "volume_error_pct"


def python():
    """The command that runs Python as this process runs: with the stand-in if this has it."""
    return [sys.executable, *([STAND_IN] if torch.cuda.get_device_name() == "stand-in" else [])]


def run(*command, cwd=ROOT):
    """-> seconds, exit status, what it printed"""
    start = time.perf_counter()
    done = subprocess.run([*python(), *command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    return time.perf_counter() - start, done.returncode, (done.stdout + done.stderr).strip()


def conformance():
    """kaolin's numbers and the reference's, with gradients; then every public function against the CPU."""
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/course_lib/kal", "-k", "cuda"]
    seconds, status, said = run(*tests)
    yield "conformance of the renderer", seconds, said.splitlines()[-1], said if status else ""
    seconds, _, said = run("-m", "tests.device.kal_there")
    yield "every function of course_lib.kal against the CPU", seconds, "the same numbers", said


def fits(quick):
    """Both recipes on the GPU and on the CPU, by turns."""
    frames, epochs = (14, 3) if quick else (len(SegmentedVideo(find_pack())), 50)
    steps = epochs * -(-frames // BATCH)
    for recipe in ("default", "tutorial"):
        found = {place: run_demo(recipe, frames, epochs, None, place, python()) for place in ("cuda", "cpu")}
        for place, figures in found.items():
            each = 1000 * figures["seconds_fit"] / steps
            accuracy = f"IoU {figures['iou_mean']:.3f}, length {figures['length_error_pct']:+.1f} %"
            told = f"{each:.1f} ms a step, {figures['seconds_total']:.0f} s with the report; {accuracy}"
            yield f"{recipe} recipe, the fit, {place}", figures["seconds_fit"], told, ""


def notebooks():
    """The solved notebooks with all their checks, at their small size, each in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        for lesson in release.lessons().values():
            path = Path(folder) / f"{lesson.stem}.ipynb"
            nbformat.write(release.build.build(lesson, solved=True), path)
            seconds, _, said = run("-m", "tests.device.notebooks_there", path, cwd=folder)
            yield f"{lesson.stem}, solved, small", seconds, "no cell raises", said


def grading(students):
    """A class of lesson 2, `--sandbox none`, with the GPU and without: the same points."""
    points = {}
    for place, hidden in (("cuda", {}), ("cpu", {"CUDA_VISIBLE_DEVICES": ""})):
        with tempfile.TemporaryDirectory() as folder:
            course = class_of(folder, students)
            program = python() if place == "cuda" else [sys.executable]
            command = [*program, "-m", "dolphins", "grade", ".", "--sandbox", "none"]
            seconds = seconds_of(command, course, hidden)
            records = sorted(records_of(course, NAME), key=lambda record: record["student"])
        points[place] = [each["points"] for r in records for each in r["exercises"].values()]
        of_each = statistics.median(record["seconds"] for record in records)
        wrong = "" if points[place] == points["cuda"] else f"points differ: {points}"
        yield f"a class of {students}, {place}", seconds, f"{of_each:.2f} s a submission", wrong


def machine():
    """The GPU, and what stands beside it."""
    about = torch.cuda.get_device_properties(0)
    memory = f"{about.total_memory / 2**30:.0f} GiB, compute capability {about.major}.{about.minor}"
    cores = f"{os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
    return f"{torch.cuda.get_device_name()}, {memory}; {cores}"


def main():
    """The command line."""
    style = dict(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__, **style)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the program")
    quick = parser.parse_args().quick
    if not torch.cuda.is_available():
        parser.error("there is no GPU that torch can use; tests/device/stand_in.py stands in for one")
    print(f"Measured on {machine()}.\n", flush=True)
    rows, wrong = [], []
    for part in (conformance(), fits(quick), notebooks(), grading(4 if quick else 24)):
        for what, seconds, found, mistake in part:
            rows.append([what, f"{seconds:.1f}", "WRONG, see below" if mistake else found])
            wrong += [f"{what}:\n{mistake}"] if mistake else []
            print(f"{what}: {seconds:.1f} s", file=sys.stderr, flush=True)
    print(table(["what", "seconds", "found"], rows))
    print("".join(f"\n{each}\n" for each in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
