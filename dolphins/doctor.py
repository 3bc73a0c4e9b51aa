"""What this machine has, and what follows from it: `dolphins doctor`. It works where torch is missing too."""

import os
import platform
import sys
from dataclasses import dataclass

from course_lib.errors import CourseError, fold
from course_lib.machine import MIN_PYTHON, has_gpu, has_module, too_old, version_of


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, what was found, and what that means for the person.

    is_note: nothing is broken, but what is found costs much.
    """

    subject: str
    found: str
    meaning: str
    ok: bool = True
    is_note: bool = False

    @property
    def state(self):
        return "BAD" if not self.ok else "note" if self.is_note else "ok"


UNKNOWN = ("unknown without torch", "install torch first")


def diagnose(pack=None, clip=None):
    """Looks at everything the course uses, and at what grading a class needs. -> list of Finding

    pack: whose clip is looked at, too; clip: which of its clips. Who names one asks about that, and not about
    grading.

    A fault is what keeps the demo from running; of what only grading needs nothing is one.
    """
    looks = (_python, _cores, _torch, _cuda, _numba, _kaolin, _sam2, _ffmpeg)
    found = [*(look() for look in looks), *_pack(pack, clip)]
    return found if pack else [*found, _sandbox(), *(_for_grading(name) for name in ("dask", "nbgrader"))]


def _python():
    ok = sys.version_info >= MIN_PYTHON
    meaning = "good" if ok else "the course needs 3.10 or newer: make setup PYTHON=python3.12"
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("Python", found, meaning, ok)


def _cores():
    # Inside a container the process may be allowed fewer cores than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("CPU", f"{cores} core{'s' if cores != 1 else ''}", "the demo's fit was timed on two cores")


def _torch():
    version = version_of("torch")
    if version is None:
        return Finding("torch", "not installed", "nothing here works without it: make setup", False)
    if too_old(version):
        return Finding("torch", version, "too old, 2.6 or newer is needed: pip install -U torch", False)
    return Finding("torch", version, "good")


def _cuda():
    if version_of("torch") is None:
        return Finding("CUDA", *UNKNOWN, False)
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA", "none", "everything runs on the CPU; nothing in the course needs a GPU")
    device = f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"
    return Finding("CUDA", device, "used by --device auto")


def _numba():
    version = version_of("numba")
    if version is None:
        slow = "the renderer falls back to plain torch, about ten times slower on a CPU: pip install numba"
        return Finding("numba", "not installed", slow, False)
    return Finding("numba", version, "the renderer's CPU kernels are compiled on first use, then cached")


def _kaolin():
    version = version_of("kaolin")
    if version is None:
        own = "the course's own renderer does the work, with the same results"
        return Finding("kaolin", "not installed", own)
    import torch

    unused = "it renders on CUDA only, so it is not used"
    use = "its DIB-R kernels are used on CUDA" if torch.cuda.is_available() else unused
    return Finding("kaolin", version, use)


def _sam2():
    if has_module("sam2"):
        if has_gpu():
            return Finding("sam2", "installed", "your own clips are segmented with it")
        tracker = fold("""your own clips are segmented by the tracker, as there is no GPU; --method sam2
            insists, and takes long""")
        return Finding("sam2", "installed", tracker)
    tracker = fold("""your own clips are segmented by the tracker, which needs nothing; the embedded clip has
        its masks""")
    return Finding("sam2", "not installed", tracker)


def _ffmpeg():
    try:
        import imageio_ffmpeg

        found = f"{imageio_ffmpeg.get_ffmpeg_version()} at {imageio_ffmpeg.get_ffmpeg_exe()}"
        return Finding("ffmpeg", found, "videos are written as H.264")
    except (ImportError, RuntimeError) as error:
        no_video = "no video can be written: pip install imageio-ffmpeg"
        return Finding("ffmpeg", f"missing ({error})", no_video, False)


def _pack(pack, clip):
    """The pack, and what is assumed about a clip of one's own in it. -> list of Finding"""
    if version_of("torch") is None:
        return [Finding("pack", *UNKNOWN, False)]
    from course_lib.assets import describe, find_pack
    from course_lib.assets.inspection import inspect_clip

    from .assumptions import assumptions

    try:
        found = find_pack(pack, clip)
        if faults := inspect_clip(found).faults:
            said = f"{found.root}: {len(faults)} fault(s), the first: {faults[0]}"
            return [Finding("pack", said, "see all with: dolphins assets verify", False)]
        said = [" ".join(line.split()) for line in describe(found).splitlines()[1:]]  # the first is its name
        findings = [Finding("pack", f"{found.root}", "; ".join(said))]
        return findings + [Finding(*said, is_note=much) for *said, much in assumptions(found)]
    except CourseError as error:
        return [Finding("pack", str(error), "without a pack there is nothing to fit", False)]


def _sandbox():
    if version_of("torch") is None:
        return Finding("sandbox", *UNKNOWN)
    from autograder.sandbox import tried_out

    problem, bounds = tried_out()
    if problem:
        return Finding("sandbox", "none", f"`dolphins grade` refuses: {problem}")
    bounded = {
        "cgroup": "the kernel bounds its memory",
        "watcher": "the grader watches its memory, for no control group (cgroup v2) can be made here",
    }
    meaning = f"students' code can be graded confined; {bounded[bounds]}"
    return Finding("sandbox", f"bubblewrap works, with a {bounds}", meaning)


def _for_grading(name):
    if version := version_of(name):
        return Finding(name, version, "for `dolphins grade`")
    install = "only for grading a class: pip install -c constraints.txt -e '.[grade]'"
    return Finding(name, "not installed", install)
