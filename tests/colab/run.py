"""Every solved notebook as on Colab: its versions, a stand-in for google.colab, and just the course's zip.

    make colab                                          or: python tests/colab/run.py
    make colab ARGS="--python python3.13 --torch torch==2.11.0"        nearer to Colab; a large download
    make colab ARGS="--freeze pip-freeze.gpu.txt"       with the versions of Colab's newest image

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
LEFT_OUT = "torch torchvision triton transformers huggingface_hub beartype einops notebook".split()
THERE_TOO = ("cryptography", "jinja2")  # in Colab's image, in versions that are not listed
REMOVED = ("tqdm", "imageio-ffmpeg")  # taken away for a while, to see the first cell bring them back
INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
ROSTER = """id,first_name,last_name,email
ada,Ada,L,ada@example.org
bob,Bob,M,bob@example.org
"""


def pins(freeze=None):
    """What of Colab is installed. -> lines NAME==VERSION, as in versions.txt

    freeze: a `pip freeze` of Colab's newest image (googlecolab/backend-info, pip-freeze.gpu.txt). The
    versions are then those in it; a name that it lacks keeps the version of versions.txt.
    """
    listed = _versions(HERE / "versions.txt")
    newest = {_canonical(name): version for name, version in _versions(freeze).items()} if freeze else {}
    wanted = {name: version for name, version in listed.items() if name not in LEFT_OUT}
    return [f"{name}=={newest.get(_canonical(name), version)}" for name, version in wanted.items()]


def _versions(path):
    """The lines NAME==VERSION of a file; others, such as comments and NAME @ URL, are passed over."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", Path(path).read_text(), flags=re.MULTILINE))


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def tested_torch():
    """The torch of constraints.txt, as pip is asked for it."""
    return f"torch=={_versions(ROOT / 'constraints.txt')['torch']}"


def run(*command, **options):
    """Runs a command and shows how it begins; raises where it fails. -> CompletedProcess"""
    shown = [str(part).splitlines()[0] for part in command[:6]]
    print("$", *shown, *(["..."] if len(command) > 6 else []), flush=True)
    return subprocess.run([str(part) for part in command], check=True, text=True, **options)


def output_of(python, code, **options):
    """What a Python prints that runs a program, without the line's end."""
    return run(python, "-c", code, capture_output=True, **options).stdout.strip()


def installed(python):
    """The packages that a Python has. -> {name: version}"""
    command = [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def make_environment(folder, python, torch, wanted):
    """A Python with Colab's packages and the stand-in for its own. -> its path"""
    target = folder / "bin" / "python"
    if not target.exists():
        run(python, "-m", "venv", folder)
    run(target, *INSTALL, *wanted, *THERE_TOO)
    run(target, *INSTALL, *shlex.split(torch))
    site = Path(output_of(target, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    shutil.copytree(HERE / "google", site / "google", dirs_exist_ok=True)
    return target


def main():
    """Runs what the command line says; exit code 1 where a notebook fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    torch = "what pip is asked for as torch, with options if need be"
    freeze = "a pip freeze of Colab's image, whose versions take the place of versions.txt's"
    parser.add_argument("--python", default=sys.executable, help="Colab has 3.13; default: this one")
    parser.add_argument("--torch", default=tested_torch(), help=torch)
    parser.add_argument("--freeze", type=Path, help=freeze)
    parser.add_argument("--venv", type=Path, default=ROOT / "out" / "colab" / "venv")
    parser.add_argument("notebooks", nargs="*", type=Path)
    args = parser.parse_args()

    wanted = pins(args.freeze)
    python = make_environment(args.venv, args.python, args.torch, wanted)
    # outside of the checkout, or the course is found there
    with tempfile.TemporaryDirectory(prefix="content-") as content:
        sys.exit(try_everything(python, Path(content), wanted, args.notebooks))


def try_everything(python, content, wanted, notebooks):
    """The first cell, then the notebooks, in an empty folder. -> exit code"""
    run(sys.executable, "-m", "lessons.bundle", content / "dolphins-in-3d.zip", cwd=ROOT)
    environment = {"DOLPHINS_SMALL": "1", **os.environ, "HOME": str(content), "PYTHONPATH": ""}
    environment |= {"COLAB_RELEASE_TAG": "stand-in", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment["IPYTHONDIR"] = str(content / ".ipython")
    try_first_cell(python, content, environment)
    run(python, *INSTALL, *(pin for pin in wanted if pin.split("==")[0] in REMOVED))

    # Every notebook, and the instructors' one: the course is found where the first cell put it.
    hand_in(content)
    every = sorted((ROOT / "solutions" / "notebooks").glob("*.ipynb"))
    every.append(ROOT / "autograder/grade_on_colab.ipynb")
    paths = [path.resolve() for path in notebooks or every]
    command = [python, "-m", "lessons.execute", "--folder", content, *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment)
    if (content / "graded.zip").is_file():
        grades = (content / "class" / "grading" / "report" / "grades.csv").read_text()
        assert "ada@example.org,35.0" in grades and "bob@example.org,0.0" in grades, grades
        print("graded.zip:", *sorted(zipfile.ZipFile(content / "graded.zip").namelist())[:12])
    versions = "import platform, torch; print(platform.python_version() + ', torch', torch.__version__)"
    print("Python", output_of(python, versions))
    return done.returncode


def try_first_cell(python, content, environment):
    """The first cell, where two packages are missing: it brings these, and replaces nothing."""
    before = installed(python)
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", *REMOVED)
    setup = (ROOT / "lessons" / "setup_cell.py").read_text()
    setup += "\nfrom course_lib.environment import setup\nsetup(lesson=1)\n"
    start = time.perf_counter()
    said = output_of(python, setup, cwd=content, env=environment)
    print(said, f"({time.perf_counter() - start:.0f} s)", sep="\n")
    after = installed(python)
    kept = before.items() - {(name, before.get(name)) for name in REMOVED}
    changed = {name: (version, after.get(name)) for name, version in kept if after.get(name) != version}
    assert not changed, f"the first cell changed {changed}"
    assert set(REMOVED) <= set(after), f"the first cell did not bring {set(REMOVED) - set(after)}"
    assert set(after) == set(before), f"the first cell brought {set(after) - set(before)}"
    print(f"It brought {', '.join(REMOVED)}, and left {len(before) - len(REMOVED)} packages as they were.")


def hand_in(content):
    """What two students handed in, as an instructor would drag it into Colab's files."""
    name = "02_template_model.ipynb"
    with zipfile.ZipFile(content / "submissions.zip", "w") as packed:
        packed.write(ROOT / "solutions" / "notebooks" / name, f"ada/{name}")
        packed.write(ROOT / "notebooks" / name, f"bob/{name}")
    (content / "roster.csv").write_text(ROSTER)


if __name__ == "__main__":
    main()
