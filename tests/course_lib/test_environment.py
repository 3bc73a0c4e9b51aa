"""What a notebook begins with: the first cell, `setup`, what it installs, and what this machine is."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from course_lib import environment
from course_lib import install as installing
from course_lib.errors import CourseError
from course_lib.machine import choose_device, peak_rss_mb
from lessons import build

ROOT = Path(__file__).resolve().parents[2]
COURSE = {
    f"course_lib/{name}.py": (ROOT / "course_lib" / f"{name}.py").read_text() for name in ("unpack", "errors")
}
COURSE["course_lib/__init__.py"] = (ROOT / "course_lib" / "__init__.py").read_text() + "\nNAME = 'unpacked'\n"
LESSON = "import course_lib; print(course_lib.__file__, course_lib.NAME)"  # what goes on below the first cell


def test_auto_takes_cuda_where_it_is():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "name, n_devices, message",
    [
        ("cuda", 0, "finds no CUDA device here. Use --device cpu"),
        ("cuda:3", 1, "only 1 CUDA"),
        *((name, 1, "cpu") for name in ("gpu", "mps", "")),
    ],
)
def test_devices_that_are_not_there_are_refused(monkeypatch, name, n_devices, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_devices)
    if n_devices:
        assert choose_device("cuda:0").index == 0
    with pytest.raises(CourseError, match=message):
        choose_device(name)


def test_peak_memory_is_this_process_own_in_megabytes():
    """A large parent, a benchmark say, is not counted in."""
    ballast = torch.ones(200_000_000, dtype=torch.uint8)
    assert len(ballast) / 1e6 < peak_rss_mb() < 100_000
    _, said = python("from course_lib.machine import peak_rss_mb; print(peak_rss_mb())")
    assert 5 < float(said) < 100


# --- the first cell of a notebook ---------------------------------------------------------------------------


def python(code, *options, cwd=ROOT, **settings):
    """Runs code in a Python of its own. -> (exit code, what it printed)"""
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, **settings)
    return done.returncode, done.stdout + done.stderr


def first_cell(folder, code="", repository=""):
    """Runs the first cell in a folder, as a Python does in which nothing is installed."""
    program = build.finding_the_course(repository)
    return python(f"{code}\n{program}\n{LESSON}", "-S", "-E", cwd=folder)


def zip_of(path, **files):
    """A zip of files, {name: text}."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return path


def course_zip(path, prefix="dolphins-in-3d/"):
    return zip_of(
        path, **{f"{prefix}{name}": text for name, text in {**COURSE, "README.md": "a readme"}.items()}
    )


def from_folder(folder):
    """What the lesson prints where the course is in a folder."""
    return f"{folder / 'course_lib' / '__init__.py'} unpacked\n"


def test_the_course_is_found_in_a_folder_above(tmp_path):
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "__init__.py").write_text("NAME = 'unpacked'")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert first_cell(tmp_path / "a" / "b") == (0, from_folder(tmp_path))


@pytest.mark.parametrize("prefix", ["", "dolphins-in-3d/", "dolphins-in-3d-0a1b2c3/"])
def test_a_zip_beside_the_notebook_is_unpacked_once(tmp_path, prefix):
    course_zip(tmp_path / "dolphins-in-3d (1).zip", prefix)
    (tmp_path / "dolphins-in-3d.part").mkdir()  # an earlier try was interrupted
    code, said = first_cell(tmp_path)
    told = "The course was unpacked from dolphins-in-3d (1).zip.\n"
    assert (code, said) == (0, told + from_folder(tmp_path / "dolphins-in-3d"))
    assert first_cell(tmp_path) == (0, from_folder(tmp_path / "dolphins-in-3d"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dolphins-in-3d", "dolphins-in-3d (1).zip"]


def test_without_a_zip_it_says_what_to_do(tmp_path):
    code, said = first_cell(tmp_path)
    assert code != 0 and f"put dolphins-in-3d.zip, whole, into {tmp_path}, beside this notebook" in said
    assert "(found: none yet)" in said


def test_a_broken_zip_or_one_of_something_else_is_said(tmp_path):
    path, folder = tmp_path / "dolphins-in-3d.zip", tmp_path / "dolphins-in-3d"
    whole = course_zip(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    code, said = first_cell(tmp_path)
    assert (
        code != 0 and "put dolphins-in-3d.zip, whole, into" in said and "(found: dolphins-in-3d.zip)" in said
    )
    zip_of(path, **{"photo.jpg": "x"})
    code, said = first_cell(tmp_path)
    assert code != 0 and "(found: dolphins-in-3d.zip)" in said and not folder.exists()
    path.write_bytes(whole.replace(b"a readme", b"a README"))  # it is not what its checksum says
    code, said = first_cell(tmp_path)
    assert (
        code != 0 and "dolphins-in-3d.zip cannot be unpacked (Bad CRC-32" in said and "Get it again" in said
    )
    assert not folder.exists() and sorted(p.name for p in tmp_path.iterdir()) == [path.name]
    course_zip(path)
    folder.mkdir()
    (folder / "notes.txt").touch()
    code, said = first_cell(tmp_path)
    assert code != 0 and "dolphins-in-3d beside it, delete that first" in said


def test_a_zip_cannot_write_elsewhere(tmp_path):
    inside = tmp_path / "inside"
    path = zip_of(inside / "dolphins-in-3d.zip", **{"../evil.py": "x", "/evil2.py": "x"})
    link = zipfile.ZipInfo("course_lib/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(link, "/etc/passwd")
        for name, text in COURSE.items():
            packed.writestr(name, text)
    assert first_cell(inside)[0] == 0
    assert not (tmp_path / "evil.py").exists() and not Path("/evil2.py").exists()
    assert not any(path.is_symlink() for path in inside.rglob("*"))


def test_a_zip_cannot_fill_the_disk(tmp_path):
    with zipfile.ZipFile(tmp_path / "dolphins.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        with packed.open("course_lib/zeros", "w") as out:
            for _ in range(501):
                out.write(bytes(10**6))
        for name, text in COURSE.items():
            packed.writestr(name, text)
    code, said = first_cell(tmp_path)
    assert code != 0 and "it unpacks to more than 500 MB" in said
    assert [path.name for path in tmp_path.iterdir()] == ["dolphins.zip"]


FAKE_GITHUB = """
import shutil, urllib.request
def retrieved(url, path):
    assert url == "https://github.com/someone/dolphins/archive/HEAD.zip", url
    {act}
urllib.request.urlretrieve = retrieved
"""


def test_it_is_fetched_where_a_repository_is_named(tmp_path):
    source, folder = course_zip(tmp_path / "there.zip", "dolphins-abc/"), tmp_path / "colab"
    folder.mkdir()
    there = FAKE_GITHUB.format(act=f"return shutil.copy({str(source)!r}, path), None")
    code, said = first_cell(folder, there, "someone/dolphins")
    assert code == 0 and "was unpacked from dolphins-in-3d.zip" in said
    shutil.rmtree(folder / "dolphins-in-3d")
    (folder / "dolphins-in-3d.zip").unlink()
    code, said = first_cell(folder, FAKE_GITHUB.format(act="raise OSError('no network')"), "someone/dolphins")
    assert code != 0 and "cannot be downloaded (no network)" in said
    assert not (folder / "dolphins-in-3d").exists()


SHELL = "from IPython.core.interactiveshell import InteractiveShell as Shell; shell = Shell.instance()\n"


def test_a_notebook_shows_a_line_instead_of_a_traceback(tmp_path):
    """In IPython, as a notebook does."""
    # The site-packages without what is installed for development, so that the course itself is not found.
    packages = str(Path(torch.__file__).parents[1])
    program = (
        f"import sys; sys.path.append({packages!r})\n{SHELL}shell.run_cell({build.finding_the_course('')!r})"
    )
    _, said = python(program, "-S", cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": ""})
    assert said.startswith("The course is not ready: put dolphins-in-3d.zip") and said.count("\n") == 1, said


def test_the_first_cell_is_short_enough_to_read():
    lines = [line for line in build.finding_the_course("").splitlines() if line and not line.startswith("#")]
    code = ast.unparse(ast.parse("\n".join(lines))).splitlines()
    assert len(code) <= 12


@pytest.mark.parametrize(
    "home, error, said",
    [("errors", "CourseError", ""), ("environment", "NotReady", "The lesson cannot start: ")],
)
def test_a_mistake_that_can_be_mended_is_one_line_in_a_notebook(home, error, said):
    cell = f"from course_lib.{home} import {error}; raise {error}('no dolphin')"
    _, shown = python(f"{SHELL}shell.run_cell({cell!r})")
    assert shown == f"{said}no dolphin\n"


@pytest.mark.parametrize("line", ["w, x = ...", "y = ...; y.shape"])
def test_a_stub_of_which_only_raise_was_deleted_is_one_line(line):
    program = "from course_lib.environment import _show_stubs_in_a_line as show; show()"
    _, shown = python(f"{SHELL}shell.run_cell({program!r}); shell.run_cell({line!r})")
    assert shown.count("\n") == 1 and "stub is still there: replace it by your code." in shown
    _, shown = python(f"{SHELL}shell.run_cell({program!r}); shell.run_cell('1 + None')")
    assert "Traceback" in shown and "unsupported operand" in shown and "stub" not in shown


# --- setup --------------------------------------------------------------------------------------------------


@pytest.fixture
def without(monkeypatch):
    """Takes modules away: what is not there, and is not installed when asked for. -> what was asked for"""

    def take(*gone):
        real, asked = environment.has_module, []
        monkeypatch.setattr(environment, "has_module", lambda name: name not in gone and real(name))
        monkeypatch.setattr(environment, "install", lambda packages: asked.append(packages) or "no network")
        return asked

    return take


def test_setup_says_what_is_here(capsys):
    environment.setup(lesson=2)
    first = capsys.readouterr()
    lines = first.out.splitlines()
    assert lines[0].startswith("Lesson 2: Python 3.") and "torch 2." in lines[0]
    assert any(line.startswith("Device: ") for line in lines) and "every file is whole" in first.out
    assert first.err == "" and len(lines) <= 8
    environment.setup(lesson=2)
    assert capsys.readouterr().out == first.out


@pytest.mark.parametrize("gone", ["torch", "numpy"])
def test_setup_never_installs_torch_or_numpy(without, gone):
    asked = without(gone)
    with pytest.raises(environment.NotReady, match=f"{gone} is not installed in"):
        environment.setup(lesson=1)
    assert asked == []
    installed = {package for package, _ in environment.PACKAGES.values()}
    assert not {"torch", "numpy", "notebook", "jupyter", "ipywidgets"} & installed


def test_setup_needs_a_torch_that_is_new_enough(monkeypatch):
    monkeypatch.setattr(environment, "version_of", lambda name: "2.4.1")
    with pytest.raises(environment.NotReady, match="torch 2.4.1 is too old, 2.6 or newer"):
        environment.setup(lesson=1)


def test_setup_gets_what_is_missing_and_goes_on_without(without, capsys):
    asked = without("plotly", "imageio_ffmpeg")
    environment.setup(lesson=1)
    said = capsys.readouterr().out
    assert asked == [["plotly", "imageio-ffmpeg"]]
    assert "Installing what is missing: plotly, imageio-ffmpeg" in said and "Pack: " in said
    assert "imageio-ffmpeg could not be installed (no network): no video can be written." in said


def test_pip_may_replace_nothing(monkeypatch):
    """What pip is told: every package that is here, at its version."""
    seen = {}

    def pip(command, **_):
        frozen = Path(command[command.index("--constraint") + 1]).read_text().splitlines()
        seen.update(command=command, frozen=frozen)
        return subprocess.CompletedProcess(command, 1, "", "ERROR: Could not find a version\n")

    monkeypatch.setattr(subprocess, "run", pip)
    assert installing.install(["trimesh"]) == "Could not find a version"
    for name in ("torch", "numpy", "ipykernel", "plotly", "numba"):
        assert f"{name}=={importlib.metadata.version(name)}" in seen["frozen"]
    assert seen["command"][-1] == "trimesh"
    assert not {"--upgrade", "-U", "--force-reinstall"} & set(seen["command"])


def test_colab_has_versions_that_the_course_takes():
    """So its first cell has nothing to replace there, and nothing of pyproject.toml would."""
    text = (ROOT / "pyproject.toml").read_text()
    project = re.search(r"^dependencies = \[(.*?)^\]", text, flags=re.MULTILINE | re.DOTALL)[1]
    versions = (ROOT / "tests" / "colab" / "versions.txt").read_text()
    there = dict(line.split("==") for line in versions.splitlines() if "==" in line)
    needed = [Requirement(line) for line in re.findall(r'"([^"]+)"', project)]
    needed = [requirement for requirement in needed if requirement.name in there]
    for requirement in needed:
        assert there[requirement.name].split("+")[0] in requirement.specifier, requirement
    assert len(needed) >= 9
    assert all(package in there for package, _ in environment.PACKAGES.values())


WHEELS = "".join(
    f'<a href="x/kaolin-{version}-{python}-{python}-linux_x86_64.whl">'
    for version in ("0.9.0", "0.18.0")
    for python in ("cp311", "cp312")
)


@pytest.mark.parametrize(
    "torch_version, python, found",
    [
        ("2.8.0+cu128", "cp312", "kaolin==0.18.0"),
        ("2.8.0+cu128", "cp313", None),
        ("2.8.0+cpu", "cp312", None),
        ("2.11.0+cu128", "cp312", None),
    ],
)
def test_kaolin_is_offered_only_where_there_is_a_wheel(monkeypatch, torch_version, python, found):
    def page(url):
        if url != "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-2.8.0_cu128.html":
            raise OSError("404")
        return WHEELS

    monkeypatch.setattr(installing, "_read_page", page)
    wheel = installing.kaolin_wheel(torch_version, python)
    assert (wheel and wheel[0]) == found


@pytest.mark.parametrize(
    "tags, machine, system, offered",
    [
        ("linux_x86_64", "x86_64", "linux", True),
        ("linux_x86_64", "aarch64", "linux", False),
        ("manylinux_2_28_x86_64", "x86_64", "linux", True),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", "x86_64", "linux", True),
        ("manylinux2014_aarch64", "aarch64", "linux", True),
        ("manylinux2014_aarch64", "x86_64", "linux", False),
        ("win_amd64", "AMD64", "win32", True),
        ("win_amd64", "x86_64", "linux", False),
    ],
)
def test_the_wheel_is_one_for_this_machine(monkeypatch, tags, machine, system, offered):
    page = f'<a href="x/kaolin-0.18.0-cp312-cp312-{tags}.whl">'
    monkeypatch.setattr(installing, "_read_page", lambda url: page)
    monkeypatch.setattr(installing.platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "platform", system)
    assert bool(installing.kaolin_wheel("2.8.0+cu128", "cp312")) == offered


def test_a_half_fetched_pack_is_said(tmp_path, monkeypatch):
    pack = Path(shutil.copytree(ROOT / "assets" / "pack", tmp_path / "pack"))
    monkeypatch.setenv("DOLPHINS_PACK", str(pack))
    frame = next(pack.rglob("000007.jpg"))
    frame.write_bytes(frame.read_bytes()[:100])
    next(pack.rglob("000009.png")).unlink()
    damaged = "2 of the .* files of the dolphin and its clip are missing or damaged"
    with pytest.raises(environment.NotReady, match=damaged):
        environment.setup(lesson=3)
    shutil.rmtree(pack / "model")
    with pytest.raises(environment.NotReady, match="no folder model"):
        environment.setup(lesson=3)


def test_a_gpu_that_was_hoped_for(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", {"nvidia-smi": "/usr/bin/nvidia-smi"}.get)
    environment.setup(lesson=4)
    assert "There is an NVIDIA driver here, but torch finds no GPU" in capsys.readouterr().out
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    environment.setup(lesson=4)
    assert "Runtime > Change runtime type" in capsys.readouterr().out
