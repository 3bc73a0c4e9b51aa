"""Likeness: copies are found whatever their names, and the work grows with the class alone."""

import random

import pytest

from autograder import likeness
from autograder.sample_class import EXPONENTIAL, NAN_AT_ZERO, TAYLOR, renamed

STUB = "import torch\n\ndef quat_to_rotmat(quat):\n    raise NotImplementedError('Exercise 2')\n"
MANY = [f"s{i:03}" for i in range(50)]


def groups(sources):
    found = likeness.Likeness(STUB)
    for student, source in sources.items():
        found.add(student, likeness.shingles(source))
    return found.groups()


def test_other_names_and_comments_do_not_hide_a_copy():
    assert renamed(TAYLOR) != TAYLOR
    assert groups({"a": TAYLOR, "b": EXPONENTIAL, "c": renamed(TAYLOR), "d": NAN_AT_ZERO}) == [["a", "c"]]


@pytest.mark.parametrize("source", [STUB, "def broken(:", "", "x = '\0'", "x = 1"])
def test_what_all_have_from_the_course_or_is_short_says_nothing(source):
    assert groups({"a": source, "b": source}) == []


def test_a_class_that_copied_from_one_is_one_group():
    assert groups(dict.fromkeys(MANY, TAYLOR) | {"other": EXPONENTIAL}) == [MANY]


def random_program():
    lines = []
    for i in range(30):
        f, g, number = random.randrange(9), random.randrange(9), random.randrange(99)
        lines.append(f"v{i} = f{f}(g{g} + {number})")
    return "\n".join(lines)


@pytest.mark.parametrize("copied, least, most", [(False, 0, 150), (True, 149, 150 * 16)])
def test_the_work_grows_with_the_class_not_with_its_square(monkeypatch, copied, least, most):
    """Counted in comparisons of two solutions."""
    counted = []

    class Counted(set):
        def __and__(self, other):
            counted.append(1)
            return set(self) & set(other)

        def __sub__(self, other):
            return Counted(set(self) - set(other))

    random.seed(1)
    sources = {f"s{i}": TAYLOR if copied else random_program() for i in range(150)}
    shingles = likeness.shingles
    monkeypatch.setattr(likeness, "shingles", lambda *arguments: Counted(shingles(*arguments)))
    groups(sources)
    assert least <= len(counted) <= most


def test_a_number_of_thousands_of_digits_is_a_word_like_any_other():
    longer = TAYLOR + "\nmask = 0x" + "f" * 6000
    assert groups({"a": longer, "b": renamed(longer)}) == [["a", "b"]]
