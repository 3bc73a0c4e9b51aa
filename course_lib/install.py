"""Packages that are missing, installed without touching those that are there; where a wheel of kaolin is."""

import importlib
import importlib.metadata
import platform
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

# What the course imports besides torch and NumPy: module -> (package, what is lost without it).
PACKAGES = {
    "numba": ("numba", "the renderer runs in plain torch, about ten times slower on a CPU"),
    "scipy": ("scipy", "fitting does not run"),
    "PIL": ("pillow", "no picture can be read"),
    "tqdm": ("tqdm", "fitting does not run"),
    "matplotlib": ("matplotlib", "pictures and curves are not drawn"),
    "plotly": ("plotly", "the 3D viewers are not drawn"),
    "imageio_ffmpeg": ("imageio-ffmpeg", "no video can be written"),
}
KAOLIN_WHEELS = "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/"


def install(packages):
    """Installs packages, and what they need, by pip; none that is here may change. -> None, or why not"""
    here = {}
    for distribution in importlib.metadata.distributions():  # the first of a name is the one that is used
        here.setdefault(distribution.metadata["Name"], distribution.version)
    frozen = [f"{name}=={version}" for name, version in here.items() if name]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--only-binary", ":all:"]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "installed.txt")
        constraints.write_text("\n".join(frozen) + "\n", encoding="utf-8")
        command += ["--constraint", str(constraints), *packages]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pip did not come to an end ({type(error).__name__})"
    importlib.invalidate_caches()
    if done.returncode == 0:
        return None
    said = done.stderr.splitlines()
    errors = [line for line in said + done.stdout.splitlines() if line.startswith("ERROR")]
    last = (errors or said or [f"pip ended with code {done.returncode}"])[-1]
    return last.removeprefix("ERROR: ")[:200]


def kaolin_wheel(torch_version, python=f"cp{sys.version_info.major}{sys.version_info.minor}"):
    """pip's arguments for kaolin's wheel for torch "2.8.0+cu128" and Python "cp312". -> list, or None"""
    version, _, cuda = torch_version.partition("+")
    if not cuda.startswith("cu"):
        return None
    page = f"{KAOLIN_WHEELS}torch-{version}_{cuda}.html"
    machine = platform.machine().lower()  # x86_64, aarch64; on Windows amd64
    tag = rf"win_{machine}" if sys.platform == "win32" else rf"(?:many)?linux\w*_{machine}"
    try:
        text = _read_page(page)
    except OSError:  # no such page, or no network
        return None
    # A wheel can have several tags: manylinux_2_17_x86_64.manylinux2014_x86_64.
    wheel = rf"kaolin-(\d+(?:\.\d+)*)-{python}-{python}-(?:\w+\.)*{tag}(?:\.\w+)*\.whl"
    found = re.findall(wheel, text)
    if not found:
        return None
    newest = max(found, key=lambda version: [int(n) for n in version.split(".")])
    return [f"kaolin=={newest}", "--find-links", page]


def _read_page(url):
    with urllib.request.urlopen(url, timeout=5) as page:
        return page.read(1 << 20).decode("utf-8", "replace")
