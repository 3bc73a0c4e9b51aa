"""Packages that are missing, installed without touching those that are there; and where a wheel of kaolin
is."""

import importlib
import importlib.metadata
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

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


def install(packages):
    """Installs packages, and what they need, with pip, which is told to leave every package that is here as
    it is.

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
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-input",
                    "--only-binary",
                    ":all:",
                    "--constraint",
                    str(frozen),
                    *packages,
                ],
                capture_output=True,
                text=True,
                timeout=600,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pip did not come to an end ({type(error).__name__})"
    importlib.invalidate_caches()
    if done.returncode == 0:
        return None
    errors = [
        line for line in (done.stderr + done.stdout).splitlines() if line.startswith("ERROR")
    ] or done.stderr.splitlines()
    return (errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with code {done.returncode}")[:200]


def kaolin_wheel(torch_version, python=None, read=None):
    """The requirement that pip can install kaolin with for this torch build and Python, None where there is
    no such wheel.

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
    except OSError:  # no such page, or no network
        return None
    found = re.findall(rf"kaolin-(\d+(?:\.\d+)*)-{python}-{python}-(?:many)?\w*{platform_tag}\.whl", text)
    if not found:
        return None
    return [f"kaolin=={max(found, key=lambda v: [int(n) for n in v.split('.')])}", "--find-links", page]


def _read_page(url):
    with urllib.request.urlopen(url, timeout=5) as page:
        return page.read(1 << 20).decode("utf-8", "replace")
