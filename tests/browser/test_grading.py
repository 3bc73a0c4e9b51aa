"""What an instructor sees of a graded class in a browser: nbgrader's formgrader, the class page, feedback."""

import pytest

from autograder import class_report, grade, sample_class

from .server import running
from .test_jupyterlab import page, picture  # noqa: F401

LESSON = sample_class.LESSON
WHO = ("ada", "gaspard", "nova", "script")
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Four of the sample class, graded and reported."""
    folder = tmp_path_factory.mktemp("class")
    sample_class.write_class(folder)
    for student in (folder / "submitted").iterdir():
        if student.name not in WHO:
            student.rename(folder / f"not-{student.name}")
    grade.grade(folder, LESSON, show=lambda text: None)
    class_report.write_report(folder, show=lambda text: None)
    return folder


@pytest.fixture(scope="module")
def formgrader(course, tmp_path_factory):
    """A Jupyter server of its own with formgrader, in the course's folder. -> its address"""
    home = tmp_path_factory.mktemp("server")
    formgrader = "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"
    environment = {"JUPYTER_CONFIG_DIR": str(home)}
    with running("jupyter_server", formgrader, folder=course, home=home, environment=environment) as address:
        yield address


def test_formgrader_shows_the_grades(page, formgrader):  # noqa: F811
    page.goto(f"{formgrader}/formgrader/manage_submissions/{LESSON}")
    for student, points in (("ada", "35"), ("gaspard", "28"), ("nova", "0")):
        row = page.locator("tr", has=page.get_by_text(student, exact=True))
        row.first.wait_for()
        assert f"{points} / 35" in row.first.inner_text(), row.first.inner_text()
    picture(page, "formgrader_submissions")


def test_formgrader_shows_a_notebook_with_its_verdicts(page, formgrader):  # noqa: F811
    page.goto(f"{formgrader}/formgrader/gradebook/{LESSON}/{LESSON}")
    page.locator("a", has_text="Submission #").first.click()
    page.wait_for_load_state()
    text = page.inner_text("body")
    assert "quat_to_rotmat gives the rotation that a unit quaternion means" in text and "Points:" in text
    picture(page, "formgrader_notebook")


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (400, "dark")])
def test_the_class_page(page, course, width, scheme):  # noqa: F811
    page.set_viewport_size({"width": width, "height": 960})
    page.emulate_media(color_scheme=scheme)
    page.goto((course / "grading" / "report" / "index.html").as_uri())
    assert "Exercise 2 · Rodrigues" in page.inner_text("body")
    assert page.evaluate(FITS), "it is wider than the window"
    picture(page, f"class_page_{width}_{scheme}")
    page.locator("a", has_text="Gaspard Monge").first.click()
    assert "28 of 35" in page.inner_text("body") and page.locator("img").count() > 0
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate(FITS)
    picture(page, f"feedback_{width}_{scheme}")


def test_no_name_runs_as_a_script(page, course):  # noqa: F811
    said = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto((course / "grading" / "report" / "index.html").as_uri())
    page.goto((course / "feedback" / "script" / LESSON / f"{LESSON}.html").as_uri())
    assert said == [] and page.locator("script").count() == 0
