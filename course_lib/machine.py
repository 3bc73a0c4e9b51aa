"""What this machine is: its device, its memory, what is installed."""

import contextlib
import importlib.metadata
import importlib.util
import os
import sys

from .errors import CourseError

MIN_PYTHON = (3, 10)
MIN_TORCH = (2, 6)


def choose_device(request="auto"):
    """The torch device for "auto" (CUDA if there is one, else the CPU), "cpu", "cuda" or "cuda:N"."""
    import torch

    if request == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(request)
    except RuntimeError:
        raise CourseError(f"There is no device called {request!r}. Use auto, cpu, cuda or cuda:0.") from None
    if device.type not in ("cpu", "cuda"):
        raise CourseError(f"The course runs on cpu or cuda; {request!r} is neither. Use auto, cpu or cuda.")
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise CourseError(f"""--device {request} was asked for, but torch {torch.__version__} finds no CUDA
            device here. Use --device cpu (the whole fit takes a few minutes), or a machine with an NVIDIA GPU
            and a CUDA build of torch.""")
    there = torch.cuda.device_count()
    if (device.index or 0) >= there:
        raise CourseError(f"""--device {request} was asked for, but there are only {there} CUDA devices,
            counted from cuda:0.""")
    return device


def has_module(name):
    """Whether a module could be imported."""
    return importlib.util.find_spec(name) is not None


def has_gpu():
    """Whether torch is installed and finds a CUDA device."""
    if not has_module("torch"):
        return False
    import torch

    return torch.cuda.is_available()


def version_of(distribution):
    """The version of an installed package, None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def too_old(torch_version):
    """Whether this version of torch is older than what the course needs."""
    return tuple(int(part) for part in torch_version.split(".")[:2]) < MIN_TORCH


def peak_rss_mb():
    """The most memory that this process has held, in MB (10^6 bytes); None where the system does not say."""
    with contextlib.suppress(OSError, StopIteration):
        # Linux. The figure of getrusage also counts what the parent held when it started this process.
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def small():
    """Whether the lessons run at their small sizes, as in tests: DOLPHINS_SMALL=1 in the environment."""
    return os.environ.get("DOLPHINS_SMALL", "") not in ("", "0")


def on_colab():
    """Whether this runs on Google Colab."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def get_ipython():
    """The IPython that this runs in, as in a notebook; None elsewhere."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None
