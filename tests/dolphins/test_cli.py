"""`dolphins grade`, `report` and `doctor`: what they say. What they do is tested in tests/autograder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import grade, sandbox
from course_lib.errors import CourseError
from course_lib.files import write

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LESSON = "02_template_model"


def test_an_unreadable_submission_from_the_command_line_to_the_class_page(tmp_path, dolphins):
    write(tmp_path / "submitted" / "ada" / LESSON / f"{LESSON}.ipynb", "no notebook")
    command = [sys.executable, "-m", "dolphins", "grade", tmp_path, "--workers", "1", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = ["1 graded, 0 as they were", "1 to be looked at by hand", "ada: ", "this is text, not a notebook"]
    for text in (*said, f"dolphins report {tmp_path}"):
        assert text in done.stdout
    assert json.loads((tmp_path / "grading" / "run.json").read_text()) == {"seed": 7}
    code, out, err = dolphins("report", tmp_path)
    assert code == 0 and "grading/report/index.html" in out and "grades-canvas.csv" in out, err
    assert (tmp_path / "grading" / "report" / "index.html").is_file()
    assert (tmp_path / "gradebook.db").is_file()


MISTAKES = {"grade": "holds no submitted/", "report": "holds no submitted/"}
MISTAKES["grade --workers 2 --scheduler tcp://a:1"] = "give one of them"


@pytest.mark.parametrize("command", MISTAKES)
def test_mistakes_end_in_a_sentence(tmp_path, dolphins, command):
    name, *options = command.split()
    code, _, err = dolphins(name, tmp_path, *options)
    assert code == 1 and MISTAKES[command] in err


def test_keys_of_a_cluster_are_private_and_not_replaced(tmp_path, dolphins):
    keys = tmp_path / "cluster.yaml"
    code, out, err = dolphins("cluster", keys)
    assert code == 0 and f"DASK_CONFIG={keys}" in out and keys.stat().st_mode & 0o77 == 0, err
    before = keys.read_text()
    code, _, err = dolphins("cluster", keys)
    assert code == 1 and "is there already" in err and keys.read_text() == before


def test_doctor_speaks_of_everything(dolphins):
    code, out, err = dolphins("doctor")
    assert code == 0, (out, err)
    for subject in ("Python", "torch", "CUDA", "kaolin", "numba", "sam2", "ffmpeg", "pack"):
        assert subject in out
    assert "bubblewrap works" in out and "dask" in out and "nbgrader" in out


def test_doctor_finds_a_broken_pack(tmp_path, dolphins):
    code, out, _ = dolphins("doctor", "--pack", tmp_path)
    assert code == 1 and re.search(r"^BAD +pack", out, re.MULTILINE)


def test_without_a_sandbox_grading_refuses_or_says_what_it_means(monkeypatch):
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "bubblewrap is not installed.")
    with pytest.raises(CourseError, match="bubblewrap is not installed.*--sandbox none"):
        grade.refuse_without_sandbox("bwrap", print)
    said = []
    grade.refuse_without_sandbox("none", said.append)
    assert "WARNING" in said[0] and "runs as you" in said[0]
