"""What this machine is, and what follows from it."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .errors import CourseError

MIN_PYTHON = (3, 10)
MIN_TORCH = (2, 6)
REPOSITORY = ""            # "owner/name" on GitHub; where it is named, the notebooks have Colab badges and can fetch the course


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
        # Linux. The figure of getrusage also counts what the parent held when it started this process.
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        pass
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
                   "your own clips can be segmented with it" if found else
                   "your own clips are segmented by the tracker, which needs nothing; the embedded clip has its masks")


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


# --- what every notebook begins with -------------------------------------------------------------------------

# What the course imports besides torch and NumPy: module -> (package, what is lost without it).
PACKAGES = {
    "numba": ("numba", "the renderer runs in plain torch, some thirty times slower on a CPU"),
    "scipy": ("scipy", "fitting does not run"),
    "PIL": ("pillow", "no picture can be read"),
    "tqdm": ("tqdm", "fitting does not run"),
    "matplotlib": ("matplotlib", "pictures and curves are not drawn"),
    "plotly": ("plotly", "the 3D viewers are not drawn"),
    "imageio_ffmpeg": ("imageio-ffmpeg", "no video can be written"),
}
KAOLIN_WHEELS = "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/"


class NotReady(CourseError):
    """What keeps a lesson from starting. A notebook shows it as one line, without a traceback."""

    def _render_traceback_(self):
        return [f"The lesson cannot start: {self}"]


def setup(lesson):
    """What every notebook calls first: gets what is missing, and says in a few lines what is here and what follows from it.

    Can be called again at any time. It installs no torch, no NumPy and nothing of Jupyter, and replaces no package.
    Raises NotReady where the lesson could not run.
    """
    if sys.version_info < MIN_PYTHON:
        raise NotReady(f"this is Python {platform.python_version()}, the course needs {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer.")
    for name in ("numpy", "torch"):
        if not has_module(name):
            raise NotReady(f"{name} is not installed in {sys.executable}, and this cell never installs it. Start Jupyter with "
                           "`make lab` in the course's folder, or install it yourself (pip install torch numpy) and restart "
                           "the kernel.")
    torch_found = _torch()
    if not torch_found.ok:
        raise NotReady(f"torch {torch_found.found} is {torch_found.meaning}.")
    _show_stubs_in_a_line()
    where = ", on Colab" if on_colab() else ""
    print(f"Lesson {lesson}: Python {platform.python_version()}, torch {torch_found.found}{where}."
          + (" Small sizes (DOLPHINS_SMALL is set)." if small() else ""))
    print(f"The course is in {Path(__file__).resolve().parents[1]}.")
    for part in (_packages_lines, _device_lines, _pack_lines, _work_lines):
        try:
            for line in part():
                print(line)
        except NotReady:
            raise
        except CourseError as error:
            raise NotReady(str(error)) from None


def _show_stubs_in_a_line():
    """Has IPython show the NotImplementedError of an exercise's stub as one line. Every other error keeps its traceback."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return

    def shown(shell, kind, error, trace, tb_offset=None):
        if re.match(r"Exercise \d+: ", str(error)):
            error._render_traceback_ = lambda: [f"{kind.__name__}: {error}"]
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    shell.set_custom_exc((NotImplementedError,), shown)


def small():
    """Whether the lessons should run at their small sizes: DOLPHINS_SMALL=1 in the environment, as in tests."""
    return os.environ.get("DOLPHINS_SMALL", "") not in ("", "0")


def on_colab():
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def install(packages):
    """Installs packages, and what they need, with pip, which is told to leave every package that is here as it is.

    -> None, or why it failed, in a line.
    """
    here = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name not in here:
            here[name] = f"{name}=={distribution.version}"
    with tempfile.TemporaryDirectory() as folder:
        frozen = Path(folder) / "installed.txt"
        frozen.write_text("\n".join(here.values()) + "\n", encoding="utf-8")
        try:
            done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
                                   "--only-binary", ":all:", "--constraint", str(frozen), *packages],
                                  capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pip did not come to an end ({type(error).__name__})"
    importlib.invalidate_caches()
    if done.returncode == 0:
        return None
    errors = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
    return (errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with code {done.returncode}")[:200]


def kaolin_wheel(torch_version, python=None, read=None):
    """The requirement that pip can install kaolin with for this torch build and Python, None where there is no such wheel.

    torch_version: "2.8.0+cu128". -> [arguments of pip install], or None
    """
    version, _, cuda = torch_version.partition("+")
    if not cuda.startswith("cu"):
        return None
    page = f"{KAOLIN_WHEELS}torch-{version}_{cuda}.html"
    python = python or f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform_tag = "win_amd64" if sys.platform == "win32" else "linux_x86_64"
    try:
        text = (read or _read_page)(page)
    except OSError:                                            # no such page, or no network
        return None
    found = re.findall(rf"kaolin-(\d+(?:\.\d+)*)-{python}-{python}-(?:many)?\w*{platform_tag}\.whl", text)
    if not found:
        return None
    return [f"kaolin=={max(found, key=lambda v: [int(n) for n in v.split('.')])}", "--find-links", page]


def _read_page(url):
    with urllib.request.urlopen(url, timeout=5) as page:
        return page.read(1 << 20).decode("utf-8", "replace")


def _packages_lines():
    missing = {module: PACKAGES[module] for module in PACKAGES if not has_module(module)}
    if not missing:
        return
    names = ", ".join(package for package, _ in missing.values())
    print(f"Installing what is missing: {names} ...", flush=True)
    reason = install([package for package, _ in missing.values()])
    for module, (package, loss) in missing.items():
        if not has_module(module):
            yield f"{package} could not be installed ({reason}): {loss}."


def _device_lines():
    import torch

    from .kal import dibr

    device = choose_device("auto")
    renderer = dibr.available_backends(device)[0]
    if device.type == "cuda":
        gib = torch.cuda.get_device_properties(device).total_memory / 2**30
        yield f"Device: {torch.cuda.get_device_name()} ({gib:.0f} GiB); renderer: {renderer}."
        if not has_module("kaolin"):
            wheel = kaolin_wheel(torch.__version__)
            if wheel:
                yield ("kaolin is not needed, but there is a wheel of it for this machine. To use it, run this in a new cell, "
                       f"then restart the kernel: from course_lib.environment import install; install({wheel})")
        return
    if shutil.which("nvidia-smi"):
        yield ("Device: the CPU. There is an NVIDIA driver here, but torch finds no GPU: it is a CPU build, or the driver is "
               "too old for it.")
    elif on_colab():
        yield "Device: the CPU, which is enough for everything here."
        yield "For a GPU: Runtime > Change runtime type. That is a new machine, so download first what you want to keep."
    else:
        yield "Device: the CPU, which is enough for everything here."
    compiled = ", compiled when first used, which takes up to a minute once" if renderer == "numba" else ""
    yield f"Renderer: {renderer}{compiled}."


def _pack_lines():
    from .assets import describe, find_pack, sha256_manifest

    pack = find_pack()
    listed = pack.manifest.get("files", {})
    if listed:
        there = sha256_manifest(pack.root)
        bad = [name for name, digest in listed.items() if there.get(name) != digest]
        if bad:
            raise NotReady(f"{len(bad)} of the {len(listed)} files of the dolphin and its clip are missing or damaged, the first "
                           f"is {bad[0]} in {pack.root}: it was fetched or unpacked only in part. Delete the folder of the "
                           "course (not your notebooks), get it again, and run this cell again.")
    title, clip = describe(pack).splitlines()[:2]
    yield f"Pack: {title.split(' (')[0]}, {' '.join(clip.split()[2:])}{'; every file is whole' if listed else ''}."


def _work_lines():
    from .work import bring_back, kept

    restored = bring_back()
    if restored:
        yield restored
    if kept():
        yield f"Your own work, in my_work: {', '.join(kept())}."
