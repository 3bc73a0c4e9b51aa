"""Helpers for the banks of mistakes and of right solutions."""

import types

from course_lib.check.core import grade


def given(exercise, *functions):
    return types.SimpleNamespace(**dict(zip(exercise.functions, functions, strict=True)))


def assert_right(exercise, *functions):
    """Full points, and nothing to complain about, advice included; with fresh cases too."""
    for seed in (0, 1):
        result = grade(exercise, given(exercise, *functions), seed=seed)
        # Whether it is quick is advice that depends on what else the machine is doing.
        complaints = [complaint for complaint in result.complaints if complaint.key != "slow"]
        assert complaints == [] and result.points == exercise.points, complaints


def assert_named(exercise, key, *functions):
    """The mistake costs points, and the first thing that is said names it."""
    result = grade(exercise, given(exercise, *functions))
    keys = [complaint.key for complaint in result.complaints]
    assert result.points < exercise.points and keys[0] == key, result.complaints
