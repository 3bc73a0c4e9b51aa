"""The sample class, graded by the real judge in real sandboxes: its grades, and what an instructor sees of
them in a browser, which is nbgrader's formgrader, the class page, feedback."""

import html

import pytest

from autograder import class_report, grade, gradebook, records, sample_class
from autograder.sample_class import LESSON

from .server import picture, running

pytestmark = pytest.mark.slow

POINTS = dict.fromkeys(["ada", "emmy", "sofia", "rene", "colab"], 35)
POINTS |= {"william": 29, "gaspard": 28, "leonhard": 27, "nova": 0, "cut": None}
POINTS |= dict.fromkeys("olinde hasty loop fork reader liar quitter script".split(), 15)
MISTAKES = {"olinde": "transposed", "william": "nan-at-zero", "leonhard": "y-flipped"}
MISTAKES |= {"nova": "not-implemented", "loop": "too-long", "hasty": "not-defined"}
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = sample_class.write_class(tmp_path_factory.mktemp("class"))
    assert grade.grade(course, LESSON, show=print).graded == len(POINTS)
    return course


@pytest.fixture(scope="module")
def class_page(course):
    return class_report.write_report(course)


def feedback(course, student):
    return course / "feedback" / student / LESSON / f"{LESSON}.html"


def exercises(course):
    return {record["student"]: record["exercises"] for record in records.records_of(course, LESSON)}


def test_everybody_gets_what_they_earned(course):
    found = {record["student"]: records.points_of(record)[0] for record in records.records_of(course, LESSON)}
    assert found == POINTS
    with gradebook.opened(course) as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions(LESSON)}
    assert scores == {student: points or 0 for student, points in POINTS.items()}


def test_mistakes_have_names(course):
    found = exercises(course)
    for student, key in MISTAKES.items():
        properties = [prop for exercise in found[student].values() for prop in exercise["properties"]]
        assert key in {prop["key"] for prop in properties}, student


def test_the_class_page_shows_them(course, class_page):
    text = class_page.read_text()
    assert "<b>18</b>handed in" in text and "Off" in text
    assert "Olinde Rodrigues, René d'Aubigné, Sofja Kowalewskaja" in html.unescape(text)
    for student in POINTS:
        assert "<script" not in feedback(course, student).read_text()


def test_the_same_again_gives_the_same(course):
    before = exercises(course)
    for student in ("ada", "olinde", "william", "emmy"):
        records.record_path(course, LESSON, student).unlink()
    summary = grade.grade(course, LESSON, workers=1, show=print)
    assert (summary.graded, summary.skipped) == (4, 14)
    assert exercises(course) == before


# --- in a browser


@pytest.fixture(scope="module")
def formgrader(course, tmp_path_factory):
    """A Jupyter server of its own with formgrader, in the course's folder. -> its address"""
    home = tmp_path_factory.mktemp("server")
    extension = "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"
    with running("jupyter_server", extension, folder=course, home=home, environment={}) as address:
        yield f"{address}/formgrader"


def test_formgrader_shows_the_grades(page, formgrader):
    page.goto(f"{formgrader}/manage_submissions/{LESSON}")
    for student in ("ada", "gaspard", "nova"):
        row = page.locator("tr", has=page.get_by_text(student, exact=True))
        row.first.wait_for()
        assert f"{POINTS[student]} / 35" in row.first.inner_text(), row.first.inner_text()
    picture(page, "formgrader_submissions")


def test_formgrader_shows_a_notebook_with_its_verdicts(page, formgrader):
    page.goto(f"{formgrader}/gradebook/{LESSON}/{LESSON}")
    gaspard = page.locator("tr", has_text="28 / 35")
    gaspard.locator("a", has_text="Submission #").click()
    page.wait_for_load_state()
    text = page.inner_text("body")
    assert "quat_to_rotmat gives the rotation that a unit quaternion means" in text and "Points:" in text
    picture(page, "formgrader_notebook")


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (400, "dark")])
def test_the_class_page(page, class_page, width, scheme):
    page.set_viewport_size({"width": width, "height": 960})
    page.emulate_media(color_scheme=scheme)
    page.goto(class_page.as_uri())
    assert "Exercise 2 · Rodrigues" in page.inner_text("body")
    assert page.evaluate(FITS), "it is wider than the window"
    picture(page, f"class_page_{width}_{scheme}")
    page.locator("a", has_text="Leonhard Euler").first.click()
    assert "27 of 35" in page.inner_text("body") and page.locator("img").count() > 0
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate(FITS)
    picture(page, f"feedback_{width}_{scheme}")


def test_no_name_runs_as_a_script(page, course, class_page):
    said = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    for path in (class_page, feedback(course, "script")):
        page.goto(path.as_uri())
    assert said == [] and page.locator("script").count() == 0
