"""`dolphins grade`, `report` and `doctor`: what they say. What they do is tested in tests/autograder."""

import json
import subprocess
import sys
from pathlib import Path

from autograder import grade

ROOT = Path(__file__).parents[2]
LESSON = "02_template_model"


def dolphins(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "dolphins", *map(str, words)], cwd=ROOT, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_an_unreadable_submission_from_the_command_line_to_the_class_page(tmp_path):
    path = tmp_path / "submitted" / "ada" / LESSON / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("no notebook")
    code, out, err = dolphins("grade", tmp_path, "--workers", 1, "--seed", 7)
    assert code == 0, err
    for text in (
        "1 graded, 0 as they were",
        "1 to be looked at by hand",
        "ada: ",
        "this is text, not a notebook",
        f"dolphins report {tmp_path}",
    ):
        assert text in out, out
    assert json.loads((tmp_path / "grading" / "run.json").read_text()) == {"seed": 7}
    code, out, err = dolphins("report", tmp_path)
    assert code == 0 and "grading/report/index.html" in out and "grades-canvas.csv" in out, err
    assert (tmp_path / "grading" / "report" / "index.html").is_file() and (
        tmp_path / "gradebook.db"
    ).is_file()


def test_mistakes_end_in_a_sentence(tmp_path):
    for words, text in (
        (("grade", tmp_path), "holds no submitted/"),
        (("report", tmp_path), "holds no submitted/"),
        (("grade", tmp_path, "--workers", 2, "--scheduler", "tcp://a:1"), "give one of them"),
    ):
        code, out, err = dolphins(*words)
        assert code == 1 and text in err and "Traceback" not in err, err


def test_doctor_knows_the_sandbox():
    code, out, err = dolphins("doctor")
    assert "bubblewrap works" in out and "dask" in out and "nbgrader" in out, (out, err)


def test_without_a_sandbox_grading_refuses_or_says_what_it_means(tmp_path, monkeypatch):
    import pytest

    from autograder import sandbox
    from course_lib.errors import CourseError

    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "bubblewrap is not installed.")
    with pytest.raises(CourseError, match="bubblewrap is not installed.*--sandbox none"):
        grade.refuse_without_sandbox("bwrap", print)
    said = []
    grade.refuse_without_sandbox("none", said.append)
    assert "WARNING" in said[0] and "runs as you" in said[0]
