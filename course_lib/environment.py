"""What this machine is, and what follows from it."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass

from .errors import CourseError

MIN_PYTHON = (3, 10)
MIN_TORCH = (2, 6)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, what was found, and what that means for the person."""

    subject: str
    found: str
    meaning: str
    ok: bool = True


def choose_device(request="auto"):
    """The torch device for `request`: "auto" (CUDA if there is one, else the CPU), "cpu", "cuda" or "cuda:N"."""
    import torch

    if request == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(request)
    except RuntimeError:
        raise CourseError(f"There is no device called {request!r}. Use auto, cpu, cuda or cuda:0.") from None
    if device.type not in ("cpu", "cuda"):
        raise CourseError(f"The course runs on cpu or cuda; {request!r} is neither. Use auto, cpu or cuda.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise CourseError(f"--device {request} was asked for, but torch {torch.__version__} finds no CUDA device here. "
                          "Use --device cpu (the whole fit takes a few minutes), or a machine with an NVIDIA GPU and a "
                          "CUDA build of torch.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CourseError(f"--device {request} was asked for, but there are only {torch.cuda.device_count()} CUDA "
                          "devices, counted from cuda:0.")
    return device


def has_module(name):
    return importlib.util.find_spec(name) is not None


def version_of(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def peak_rss_mb():
    """The most memory this process has held so far, in MB (10^6 bytes); None where the system does not say."""
    try:
        import resource
    except ImportError:                                        # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def diagnose(pack=None):
    """Looks at everything the course uses. -> list of Finding, in plain sentences."""
    return [look() for look in (_python, _cores, _torch, _cuda, _numba, _kaolin, _sam2, _ffmpeg, lambda: _pack(pack))]


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
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < MIN_TORCH:
        return Finding("torch", version, "too old, 2.6 or newer is needed: pip install -U torch", False)
    return Finding("torch", version, "good")


def _cuda():
    if version_of("torch") is None:
        return Finding("CUDA", "unknown without torch", "install torch first", False)
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA", "none", "everything runs on the CPU; nothing in the course needs a GPU")
    return Finding("CUDA", f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})", "used by --device auto")


def _numba():
    version = version_of("numba")
    if version is None:
        return Finding("numba", "not installed", "the renderer falls back to plain torch, some thirty times slower on a "
                                                 "CPU: pip install numba", False)
    return Finding("numba", version, "the renderer's CPU kernels are compiled on first use, then cached")


def _kaolin():
    version = version_of("kaolin")
    if version is None:
        return Finding("kaolin", "not installed", "the course's own renderer does the work, with the same results")
    import torch

    use = "its DIB-R kernels are used on CUDA" if torch.cuda.is_available() else "it renders on CUDA only, so it is not used"
    return Finding("kaolin", version, use)


def _sam2():
    found = has_module("sam2")
    return Finding("sam2", "installed" if found else "not installed",
                   "your own clips can be segmented with SAM-2" if found else
                   "only needed to segment clips of your own; the embedded clip has its masks")


def _ffmpeg():
    try:
        import imageio_ffmpeg

        path = imageio_ffmpeg.get_ffmpeg_exe()
        return Finding("ffmpeg", f"{imageio_ffmpeg.get_ffmpeg_version()} at {path}", "videos are written as H.264")
    except (ImportError, RuntimeError) as error:
        return Finding("ffmpeg", f"missing ({error})", "no video can be written: pip install imageio-ffmpeg", False)


def _pack(pack):
    from .assets import describe, find_pack, verify_pack

    try:
        found = find_pack(pack)
        faults = verify_pack(found.root)
        if faults:
            return Finding("pack", f"{found.root}: {len(faults)} fault(s), the first: {faults[0]}",
                           "see all with: dolphins assets verify", False)
        return Finding("pack", f"{found.root}", describe(found))
    except CourseError as error:
        return Finding("pack", str(error), "without a pack there is nothing to fit", False)
