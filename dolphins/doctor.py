"""What this machine has, and what follows from it: `dolphins doctor`."""

import os
import platform
import sys
from dataclasses import dataclass

from course_lib.errors import CourseError
from course_lib.machine import MIN_PYTHON, has_module, too_old, version_of


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, what was found, and what that means for the person."""

    subject: str
    found: str
    meaning: str
    ok: bool = True


def diagnose(pack=None):
    """Looks at everything the course uses. -> list of Finding, in plain sentences."""
    return [
        look()
        for look in (_python, _cores, _torch, _cuda, _numba, _kaolin, _sam2, _ffmpeg, lambda: _pack(pack))
    ]


def _python():
    version = platform.python_version()
    ok = sys.version_info >= MIN_PYTHON
    meaning = "good" if ok else "the course needs 3.10 or newer: make setup PYTHON=python3.12"
    return Finding("Python", f"{version} on {platform.system()} {platform.machine()}", meaning, ok)


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
        return Finding("CUDA", "unknown without torch", "install torch first", False)
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA", "none", "everything runs on the CPU; nothing in the course needs a GPU")
    return Finding(
        "CUDA", f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})", "used by --device auto"
    )


def _numba():
    version = version_of("numba")
    if version is None:
        return Finding(
            "numba",
            "not installed",
            "the renderer falls back to plain torch, some thirty times slower on a CPU: pip install numba",
            False,
        )
    return Finding("numba", version, "the renderer's CPU kernels are compiled on first use, then cached")


def _kaolin():
    version = version_of("kaolin")
    if version is None:
        return Finding(
            "kaolin", "not installed", "the course's own renderer does the work, with the same results"
        )
    import torch

    use = (
        "its DIB-R kernels are used on CUDA"
        if torch.cuda.is_available()
        else "it renders on CUDA only, so it is not used"
    )
    return Finding("kaolin", version, use)


def _sam2():
    found = has_module("sam2")
    return Finding(
        "sam2",
        "installed" if found else "not installed",
        "your own clips can be segmented with it"
        if found
        else "your own clips are segmented by the tracker, which needs nothing; the embedded clip has its masks",
    )


def _ffmpeg():
    try:
        import imageio_ffmpeg

        path = imageio_ffmpeg.get_ffmpeg_exe()
        return Finding(
            "ffmpeg", f"{imageio_ffmpeg.get_ffmpeg_version()} at {path}", "videos are written as H.264"
        )
    except (ImportError, RuntimeError) as error:
        return Finding(
            "ffmpeg", f"missing ({error})", "no video can be written: pip install imageio-ffmpeg", False
        )


def _pack(pack):
    from course_lib.assets import describe, find_pack, verify_pack

    try:
        found = find_pack(pack)
        faults = verify_pack(found.root)
        if faults:
            return Finding(
                "pack",
                f"{found.root}: {len(faults)} fault(s), the first: {faults[0]}",
                "see all with: dolphins assets verify",
                False,
            )
        return Finding("pack", f"{found.root}", describe(found))
    except CourseError as error:
        return Finding("pack", str(error), "without a pack there is nothing to fit", False)
