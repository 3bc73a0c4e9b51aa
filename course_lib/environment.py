"""What every notebook begins with: `setup`. What is missing is got, and a few lines say what is here."""

import platform
import re
import shutil
import sys
from pathlib import Path

from .errors import CourseError, fold, of_a_stub
from .install import PACKAGES, install, kaolin_wheel
from .keep import bring_back, kept
from .machine import MIN_PYTHON, choose_device, get_ipython, has_module, on_colab, small, too_old, version_of

# "owner/name" on GitHub; where it is named, the notebooks have Colab badges and can fetch the course.
REPOSITORY = ""


class NotReady(CourseError):
    """What keeps a lesson from starting. A notebook shows it as one line, without a traceback."""

    def _render_traceback_(self):
        return [f"The lesson cannot start: {self}"]


def setup(lesson):
    """What every notebook calls first: gets what is missing, and says in a few lines what is here.

    It also says what follows from that, and can be called again at any time. It installs no torch, no NumPy
    and nothing of Jupyter, and replaces no package. Raises NotReady where the lesson could not run.
    """
    python = platform.python_version()
    if sys.version_info < MIN_PYTHON:
        needed = ".".join(map(str, MIN_PYTHON))
        raise NotReady(f"this is Python {python}, the course needs {needed} or newer.")
    for name in ("numpy", "torch"):
        if not has_module(name) or version_of(name) is None:
            raise NotReady(f"""{name} is not installed in {sys.executable}, and this cell never installs it.
                Start Jupyter with `make lab` in the course's folder, or install it yourself (pip install
                torch numpy) and restart the kernel.""")
    torch_version = version_of("torch")
    if too_old(torch_version):
        raise NotReady(f"torch {torch_version} is too old, 2.6 or newer is needed: pip install -U torch.")
    _show_stubs_in_a_line()
    where = ", on Colab" if on_colab() else ""
    sizes = " Small sizes (DOLPHINS_SMALL is set)." if small() else ""
    print(f"Lesson {lesson}: Python {python}, torch {torch_version}{where}.{sizes}")
    print(f"The course is in {Path(__file__).resolve().parents[1]}.")
    for part in (_packages_lines, _device_lines, _pack_lines, _work_lines):
        try:
            for line in part():
                print(line)
        except CourseError as error:
            raise NotReady(error) from None


def _show_stubs_in_a_line():
    """Has IPython show as one line what an exercise's stub raises; other errors keep their traceback."""

    def shown(shell, kind, error, trace, tb_offset=None):
        said = f"{kind.__name__}: {error}"
        if of_a_stub(error):
            said += ". A `...` of the exercise's stub is still there: replace it by your code."
        elif not re.match(r"NotImplementedError: Exercise \d+: ", said):
            said = None
        if said:
            error._render_traceback_ = lambda: [said]
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    if get_ipython():
        get_ipython().set_custom_exc((NotImplementedError, TypeError, AttributeError), shown)


def _packages_lines():
    missing = {module: PACKAGES[module] for module in PACKAGES if not has_module(module)}
    if not missing:
        return
    packages = [package for package, _ in missing.values()]
    print(f"Installing what is missing: {', '.join(packages)} ...", flush=True)
    reason = install(packages)
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
        wheel = None if has_module("kaolin") else kaolin_wheel(torch.__version__)
        if wheel:
            yield fold(f"""kaolin is not needed, but there is a wheel of it for this machine. To use it, run
                this in a new cell, then restart the kernel: from course_lib.install import install;
                install({wheel})""")
        return
    if shutil.which("nvidia-smi"):
        yield fold("""Device: the CPU. There is an NVIDIA driver here, but torch finds no GPU: it is a CPU
            build, or the driver is too old for it.""")
    else:
        yield "Device: the CPU, which is enough for everything here."
        if on_colab():
            yield fold("""For a GPU: Runtime > Change runtime type. That is a new machine, so download first
                what you want to keep.""")
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
            raise NotReady(f"""{len(bad)} of the {len(listed)} files of the dolphin and its clip are missing
                or damaged, the first is {bad[0]} in {pack.root}: it was fetched or unpacked only in part.
                Delete the folder of the course (not your notebooks), get it again, and run this cell
                again.""")
    title, clip = describe(pack).splitlines()[:2]
    whole = "; every file is whole" if listed else ""
    yield f"Pack: {title.split(' (')[0]}, {' '.join(clip.split()[2:])}{whole}."


def _work_lines():
    restored = bring_back()
    if restored:
        yield restored
    if kept():
        yield f"Your own work, in my_work: {', '.join(kept())}."
