"""Every solved notebook in an environment like Colab's: its versions, a stand-in for google.colab, and
nothing of the course but the zip beside the notebook.

    make colab                                          or: python tests/colab/run.py
    make colab ARGS="--python python3.13 --torch torch==2.11.0"        nearer to Colab; without a CPU index a large download

What is not as there: torch is a CPU build (or what --torch names), the Python is the one that runs this or
--python names, and of versions.txt only the packages are installed that the course, Jupyter or pip could
touch.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
LEFT_OUT = {
    "torch",
    "torchvision",
    "triton",
    "transformers",
    "huggingface_hub",
    "beartype",
    "einops",
    "notebook",
}
THERE_TOO = ("cryptography", "jinja2")  # in Colab's image, in versions that are not listed
REMOVED = ("tqdm", "imageio-ffmpeg")  # taken away for a while, to see the first cell bring them back


def pins():
    lines = [line.strip() for line in (HERE / "versions.txt").read_text().splitlines()]
    return [
        line for line in lines if line and not line.startswith("#") and line.split("==")[0] not in LEFT_OUT
    ]


def tested_torch():
    return next(
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch==")
    )


def run(*command, **options):
    shown = [str(part).splitlines()[0] for part in command[:6]]
    print("$", *shown, *(["..."] if len(command) > 6 else []), flush=True)
    return subprocess.run([str(part) for part in command], check=True, text=True, **options)


def freeze(python):
    done = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(line.split("==", 1) for line in done.stdout.splitlines() if "==" in line)


def make_environment(folder, python, torch):
    target = folder / "bin" / "python"
    if not target.exists():
        run(python, "-m", "venv", folder)
    run(target, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins(), *THERE_TOO)
    run(target, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *shlex.split(torch))
    site = Path(
        run(
            target, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", capture_output=True
        ).stdout.strip()
    )
    shutil.copytree(HERE / "google", site / "google", dirs_exist_ok=True)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="Colab has 3.13; default: this one")
    parser.add_argument(
        "--torch", default=tested_torch(), help="what pip is asked for as torch, with options if need be"
    )
    parser.add_argument("--venv", type=Path, default=ROOT / "out" / "colab" / "venv")
    parser.add_argument("notebooks", nargs="*", type=Path)
    args = parser.parse_args()

    python = make_environment(args.venv, args.python, args.torch)
    with tempfile.TemporaryDirectory(
        prefix="content-"
    ) as content:  # outside of the checkout, or the course is found there
        sys.exit(try_everything(python, Path(content), args.notebooks))


def try_everything(python, content, notebooks):
    """The first cell, then the notebooks, in an empty folder. -> exit code"""
    run(sys.executable, "-m", "lessons.bundle", content / "dolphins-in-3d.zip", cwd=ROOT)
    environment = {
        **os.environ,
        "COLAB_RELEASE_TAG": "stand-in",
        "HOME": str(content),
        "IPYTHONDIR": str(content / ".ipython"),
        "DOLPHINS_SMALL": os.environ.get("DOLPHINS_SMALL", "1"),
        "PYTHONPATH": "",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }

    # The first cell, where two packages are missing: it brings these, and replaces nothing.
    before = freeze(python)
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", *REMOVED)
    setup = (ROOT / "lessons" / "setup_cell.py").read_text()
    setup += "\nfrom course_lib.environment import setup\nsetup(lesson=1)\n"
    start = time.perf_counter()
    said = run(python, "-c", setup, cwd=content, env=environment, capture_output=True).stdout
    print(said, f"({time.perf_counter() - start:.0f} s)", sep="")
    after = freeze(python)
    changed = {
        name: (version, after.get(name))
        for name, version in before.items()
        if after.get(name) != version and name not in REMOVED
    }
    assert not changed, f"the first cell changed {changed}"
    assert set(REMOVED) <= set(after), f"the first cell did not bring {set(REMOVED) - set(after)}"
    assert set(after) == set(before), f"the first cell brought {set(after) - set(before)}"
    print(f"It brought {', '.join(REMOVED)}, and left {len(before) - len(REMOVED)} packages as they were.")
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *(pin for pin in pins() if re.match("(" + "|".join(REMOVED) + ")==", pin)),
    )

    # Every notebook, and the instructors' one: the course is found where the first cell put it.
    hand_in(content)
    notebooks = notebooks or [
        *sorted((ROOT / "solutions" / "notebooks").glob("*.ipynb")),
        ROOT / "autograder" / "grade_on_colab.ipynb",
    ]
    done = subprocess.run(
        [python, "-m", "lessons.execute", "--folder", content, *(path.resolve() for path in notebooks)],
        cwd=ROOT,
        env=environment,
    )
    if (content / "graded.zip").is_file():
        grades = (content / "class" / "grading" / "report" / "grades.csv").read_text()
        assert "ada@example.org,35.0" in grades and "bob@example.org,0.0" in grades, grades
        print("graded.zip:", *sorted(zipfile.ZipFile(content / "graded.zip").namelist())[:12])
    print(
        "Python",
        run(
            python,
            "-c",
            "import platform, torch; print(platform.python_version() + ', torch', torch.__version__)",
            capture_output=True,
        ).stdout.strip(),
    )
    return done.returncode


def hand_in(content):
    """What two students handed in, as an instructor would drag it into Colab's files."""
    name = "02_template_model.ipynb"
    with zipfile.ZipFile(content / "submissions.zip", "w") as packed:
        packed.write(ROOT / "solutions" / "notebooks" / name, f"ada/{name}")
        packed.write(ROOT / "notebooks" / name, f"bob/{name}")
    (content / "roster.csv").write_text(
        "id,first_name,last_name,email\nada,Ada,L,ada@example.org\nbob,Bob,M,bob@example.org\n"
    )


if __name__ == "__main__":
    main()
