import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from course_lib import environment
from course_lib.errors import CourseError
from course_lib.machine import choose_device, peak_rss_mb
from dolphins.doctor import diagnose

ROOT = Path(__file__).resolve().parents[2]


def test_auto_takes_cuda_where_it_is():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_cuda_without_cuda_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CourseError, match="finds no CUDA device here. Use --device cpu"):
        choose_device("cuda")


def test_a_device_that_is_not_there_is_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0").index == 0
    with pytest.raises(CourseError, match="only 1 CUDA"):
        choose_device("cuda:3")


@pytest.mark.parametrize("name", ["gpu", "mps", ""])
def test_unknown_devices_are_refused(name):
    with pytest.raises(CourseError, match="cpu"):
        choose_device(name)


def test_peak_memory_is_in_megabytes():
    assert 50 < peak_rss_mb() < 100_000


def test_peak_memory_is_this_process_own():
    """A large parent, a benchmark say, is not counted in."""
    ballast = torch.ones(200_000_000, dtype=torch.uint8)
    done = subprocess.run(
        [sys.executable, "-c", "from course_lib.machine import peak_rss_mb; print(peak_rss_mb())"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 100 < len(ballast) / 1e6


def test_every_finding_is_a_sentence_or_two():
    for finding in diagnose():
        assert finding.subject and finding.found and finding.meaning


def test_findings_follow_from_what_is_there(monkeypatch):
    monkeypatch.setattr(environment, "version_of", lambda name: None)
    assert environment._numba().ok is False and "plain torch" in environment._numba().meaning
    assert "the course's own renderer" in environment._kaolin().meaning
    monkeypatch.setattr(environment, "version_of", lambda name: "2.5.1")
    assert environment._torch().ok is False and "2.6" in environment._torch().meaning


# --- the first cell of a notebook
# ----------------------------------------------------------------------------

BOOTSTRAP = ROOT / "lessons" / "setup_cell.py"


def first_cell(folder, code="", repository=""):
    """Runs the bootstrap in a folder, as a Python does in which nothing is installed. -> (exit code, what it
    printed)"""
    program = BOOTSTRAP.read_text().replace('REPOSITORY = ""', f"REPOSITORY = {repository!r}")
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"{code}\n{program}\nprint(sys.path[0])"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def course_zip(path, prefix="dolphins-in-3d/"):
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{prefix}course_lib/__init__.py", "NAME = 'unpacked'")
        packed.writestr(f"{prefix}README.md", "x")
    return path


def test_the_course_is_found_in_a_folder_above(tmp_path):
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "__init__.py").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    code, said = first_cell(tmp_path / "a" / "b")
    assert code == 0 and said == f"{tmp_path}\n"


@pytest.mark.parametrize("prefix", ["", "dolphins-in-3d/", "dolphins-in-3d-0a1b2c3/"])
def test_a_zip_beside_the_notebook_is_unpacked_once(tmp_path, prefix):
    course_zip(tmp_path / "dolphins-in-3d (1).zip", prefix)
    (tmp_path / "dolphins-in-3d.part").mkdir()  # an earlier try was interrupted
    code, said = first_cell(tmp_path)
    assert code == 0 and "was unpacked from dolphins-in-3d (1).zip" in said
    assert first_cell(tmp_path) == (0, f"{tmp_path / 'dolphins-in-3d'}\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dolphins-in-3d", "dolphins-in-3d (1).zip"]


def test_without_a_zip_it_says_what_to_do(tmp_path):
    code, said = first_cell(tmp_path)
    assert code != 0 and f"put dolphins-in-3d.zip into {tmp_path}, beside this notebook" in said


def test_a_broken_zip_or_one_of_something_else_is_said(tmp_path):
    whole = course_zip(tmp_path / "dolphins-in-3d.zip").read_bytes()
    (tmp_path / "dolphins-in-3d.zip").write_bytes(whole[: len(whole) // 2])
    code, said = first_cell(tmp_path)
    assert code != 0 and "cannot be unpacked" in said and "Get it again" in said
    with zipfile.ZipFile(tmp_path / "dolphins-in-3d.zip", "w") as packed:
        packed.writestr("photo.jpg", "x")
    code, said = first_cell(tmp_path)
    assert code != 0 and "a zip of something else" in said
    assert not (tmp_path / "dolphins-in-3d").exists()
    course_zip(tmp_path / "dolphins-in-3d.zip")
    (tmp_path / "dolphins-in-3d").mkdir()
    (tmp_path / "dolphins-in-3d" / "notes.txt").touch()
    code, said = first_cell(tmp_path)
    assert code != 0 and "dolphins-in-3d beside it, delete that first" in said


def test_a_zip_cannot_write_elsewhere_or_fill_the_disk(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(inside / "dolphins-in-3d.zip", "w") as packed:
        packed.writestr("../evil.py", "x")
        packed.writestr("/evil2.py", "x")
        link = zipfile.ZipInfo("course_lib/link")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
        packed.writestr("course_lib/__init__.py", "")
    assert first_cell(inside)[0] == 0
    assert not (tmp_path / "evil.py").exists() and not Path("/evil2.py").exists()
    assert not any(path.is_symlink() for path in inside.rglob("*"))
    bomb = tmp_path / "bomb"
    bomb.mkdir()
    with (
        zipfile.ZipFile(bomb / "dolphins.zip", "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("course_lib/zeros", "w") as out,
    ):
        for _ in range(600):
            out.write(bytes(10**6))
    code, said = first_cell(bomb)
    assert code != 0 and "unpacks to more than 500 MB" in said


FAKE_GITHUB = """
import io, urllib.request
def opened(url, timeout):
    assert url == "https://github.com/someone/dolphins/archive/HEAD.zip", url
    {act}
urllib.request.urlopen = opened
"""


def test_it_is_fetched_where_a_repository_is_named(tmp_path):
    source = course_zip(tmp_path / "there.zip", "dolphins-abc/")
    folder = tmp_path / "colab"
    folder.mkdir()
    code, said = first_cell(
        folder, FAKE_GITHUB.format(act=f"return open({str(source)!r}, 'rb')"), "someone/dolphins"
    )
    assert code == 0 and "was unpacked from dolphins-in-3d.zip" in said
    shutil.rmtree(folder / "dolphins-in-3d")
    (folder / "dolphins-in-3d.zip").unlink()
    code, said = first_cell(folder, FAKE_GITHUB.format(act="raise OSError('no network')"), "someone/dolphins")
    assert (
        code != 0 and "cannot be downloaded (no network)" in said and not (folder / "dolphins-in-3d").exists()
    )


def test_a_notebook_shows_a_line_instead_of_a_traceback(tmp_path):
    """In IPython, as a notebook does."""
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
        f"shell.run_cell(open({str(BOOTSTRAP)!r}).read())\n"
        "shell.run_cell('from course_lib.environment import NotReady; raise NotReady(\"no dolphin\")')"
    )
    # the site-packages without what is installed for development, so that the course itself is not found
    program = f"import sys; sys.path.append({site_packages()!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": ""},
    )
    said = done.stdout + done.stderr
    assert "The course is not ready: put dolphins-in-3d.zip into" in said and "beside this notebook" in said
    assert "File" not in said.split("The course is not ready")[0] and "unpack(" not in said


def test_a_mistake_that_can_be_mended_is_one_line_in_a_notebook():
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
        "shell.run_cell('from course_lib.assets import find_pack; find_pack(\"nowhere\")')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    assert said.startswith("nowhere") and len(said.splitlines()) == 1


def site_packages():
    import torch

    return str(Path(torch.__file__).parents[1])


def test_setup_says_what_is_here(capsys):
    environment.setup(lesson=2)
    first = capsys.readouterr()
    lines = first.out.splitlines()
    assert lines[0].startswith("Lesson 2: Python 3.") and "torch 2." in lines[0]
    assert any(line.startswith("Device: ") for line in lines) and any(
        "every file is whole" in line for line in lines
    )
    assert first.err == "" and len(lines) <= 8
    environment.setup(lesson=2)
    assert capsys.readouterr().out == first.out


@pytest.mark.parametrize(
    "gone, said", [("torch", "torch is not installed in"), ("numpy", "numpy is not installed in")]
)
def test_setup_never_installs_torch_or_numpy(monkeypatch, gone, said):
    real = environment.has_module
    monkeypatch.setattr(environment, "has_module", lambda name: name != gone and real(name))
    monkeypatch.setattr(
        environment, "install", lambda packages: pytest.fail(f"it wants to install {packages}")
    )
    with pytest.raises(environment.NotReady, match=said):
        environment.setup(lesson=1)
    assert not {"torch", "numpy", "notebook", "jupyter", "ipywidgets"} & {
        package for package, _ in environment.PACKAGES.values()
    }


def test_setup_needs_a_torch_that_is_new_enough(monkeypatch):
    monkeypatch.setattr(environment, "version_of", lambda name: "2.4.1")
    with pytest.raises(environment.NotReady, match="torch 2.4.1 is too old, 2.6 or newer"):
        environment.setup(lesson=1)


def test_setup_gets_what_is_missing_and_goes_on_without(monkeypatch, capsys):
    real, asked = environment.has_module, []
    monkeypatch.setattr(
        environment, "has_module", lambda name: name not in ("plotly", "imageio_ffmpeg") and real(name)
    )
    monkeypatch.setattr(environment, "install", lambda packages: asked.append(packages) or "no network")
    environment.setup(lesson=1)
    said = capsys.readouterr().out
    assert asked == [["plotly", "imageio-ffmpeg"]]
    assert "Installing what is missing: plotly, imageio-ffmpeg" in said
    assert (
        "imageio-ffmpeg could not be installed (no network): no video can be written." in said
        and "Pack: " in said
    )


def test_pip_may_replace_nothing(monkeypatch):
    """What pip is told: every package that is here, at its version."""
    seen = {}

    def pip(command, **_):
        seen["command"] = command
        seen["frozen"] = Path(command[command.index("--constraint") + 1]).read_text().splitlines()
        return subprocess.CompletedProcess(command, 1, "", "ERROR: Could not find a version\n")

    monkeypatch.setattr(environment.subprocess, "run", pip)
    assert environment.install(["trimesh"]) == "Could not find a version"
    import importlib.metadata

    for name in ("torch", "numpy", "ipykernel", "plotly", "numba"):
        assert f"{name}=={importlib.metadata.version(name)}" in seen["frozen"]
    assert seen["command"][-1] == "trimesh" and not {"--upgrade", "-U", "--force-reinstall"} & set(
        seen["command"]
    )


def test_colab_has_versions_that_the_course_takes():
    """So its first cell has nothing to replace there, and nothing of pyproject.toml would."""
    from packaging.requirements import Requirement

    text = (ROOT / "pyproject.toml").read_text()
    project = re.search(r"^dependencies = \[(.*?)^\]", text, flags=re.MULTILINE | re.DOTALL)[1]
    versions = (ROOT / "tests" / "colab" / "versions.txt").read_text()
    there = dict(line.split("==") for line in versions.splitlines() if "==" in line)
    seen = 0
    for line in re.findall(r'"([^"]+)"', project):
        requirement = Requirement(line)
        if requirement.name in there:
            assert there[requirement.name].split("+")[0] in requirement.specifier, (
                f"{line}, but Colab has {there[requirement.name]}"
            )
            seen += 1
    assert seen >= 9
    assert all(package in there for package, _ in environment.PACKAGES.values())


@pytest.mark.parametrize(
    "torch_version, python, found",
    [
        ("2.8.0+cu128", "cp312", "kaolin==0.18.0"),
        ("2.8.0+cu128", "cp313", None),
        ("2.8.0+cpu", "cp312", None),
        ("2.11.0+cu128", "cp312", None),
    ],
)
def test_kaolin_is_offered_only_where_there_is_a_wheel(torch_version, python, found):
    def page(url):
        if url != "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-2.8.0_cu128.html":
            raise OSError("404")
        pythons = ("cp311", "cp312")
        return "".join(
            f'<a href="x/kaolin-{v}-{p}-{p}-linux_x86_64.whl">' for v in ("0.9.0", "0.18.0") for p in pythons
        )

    wheel = environment.kaolin_wheel(torch_version, python, page)
    assert (wheel and wheel[0]) == found


def test_a_half_fetched_pack_is_said(tmp_path, monkeypatch):
    pack = tmp_path / "pack"
    shutil.copytree(ROOT / "assets" / "pack", pack)
    monkeypatch.setenv("DOLPHINS_PACK", str(pack))
    frame = next(pack.rglob("000007.jpg"))
    frame.write_bytes(frame.read_bytes()[:100])
    next(pack.rglob("000009.png")).unlink()
    with pytest.raises(
        environment.NotReady, match="2 of the .* files of the dolphin and its clip are missing or damaged"
    ):
        environment.setup(lesson=3)
    shutil.rmtree(pack / "model")
    with pytest.raises(environment.NotReady, match="no folder model"):
        environment.setup(lesson=3)


def test_a_gpu_that_was_hoped_for(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(
        environment.shutil, "which", lambda name: "/usr/bin/nvidia-smi" if name == "nvidia-smi" else None
    )
    environment.setup(lesson=4)
    assert "There is an NVIDIA driver here, but torch finds no GPU" in capsys.readouterr().out
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    environment.setup(lesson=4)
    assert "Runtime > Change runtime type" in capsys.readouterr().out
